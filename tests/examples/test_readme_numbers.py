"""The README's base case is what its commands give."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


@pytest.mark.slow
def test_readme_says_what_its_commands_give(tmp_path: Path) -> None:
    """Words are equal; numbers may differ by one in the last digit (other processors, other libraries)."""
    spec = importlib.util.spec_from_file_location("base_case", ROOT / "docs" / "base_case.py")
    assert spec is not None
    assert spec.loader is not None
    base_case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(base_case)
    text, picture = base_case.made(tmp_path)
    held = base_case.written()
    assert NUMBER.sub("#", text) == NUMBER.sub("#", held)
    for now, then in zip(NUMBER.findall(text), NUMBER.findall(held), strict=True):
        last = 10.0 ** -len(then.partition(".")[2])
        assert abs(float(now.replace(",", "")) - float(then.replace(",", ""))) <= 1.01 * last, (now, then)
    assert picture.is_file()
    assert base_case.PICTURE.is_file()
