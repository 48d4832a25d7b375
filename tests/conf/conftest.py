"""What the tests of the configuration share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sim.__main__ import main
from sim.compose import composed, parse
from sim.settings import Settings, load


class Answer(NamedTuple):
    """What the program said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def _default() -> dict[str, Any]:
    return composed(parse([]))


@pytest.fixture
def data(_default: dict[str, Any]) -> dict[str, Any]:
    """The composed default configuration, free to be changed."""
    return copy.deepcopy(_default)


@pytest.fixture(scope="session")
def settings(_default: dict[str, Any]) -> Settings:
    """The checked default configuration."""
    return load(copy.deepcopy(_default))


@pytest.fixture
def cartwin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run the program in an empty folder, within this process."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> Answer:
        code = main(argv)
        return Answer(code, *capsys.readouterr())

    return run
