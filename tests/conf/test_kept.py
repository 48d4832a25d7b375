"""Kept compositions: the same settings as composing anew, never stale, never trusted when damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import compose, kept
from sim.problems import Problem

EXPERIMENT = "# @package _global_\nseed: {seed}\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("CARTWIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "compositions"


def composing_fails(*arguments: object) -> None:
    raise AssertionError("composed anew")


def test_the_second_time_nothing_is_composed_and_nothing_differs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["cohort=eliana", "policy=[watch,selective]"]
    first = kept.settings_from(words)
    assert len(list(cache.glob("*.json"))) == 1
    with monkeypatch.context() as patched:
        patched.setattr(compose, "composed", composing_fails)
        second = kept.settings_from(words)
        with pytest.raises(AssertionError, match="composed anew"):
            kept.settings_from([*words, "seed=2"])
    assert first == second == compose.settings_from(words)


def test_a_changed_file_or_a_damaged_copy_is_composed_anew(cache: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "experiment"
    mine.mkdir(parents=True)
    file = mine / "own.yaml"
    for seed in (7, 8):
        file.write_text(EXPERIMENT.format(seed=seed))
        assert kept.settings_from(["experiment=own"], [tmp_path / "mine"]).seed == seed
    for copy in cache.glob("*.json"):
        copy.write_text("{")
    assert kept.settings_from(["experiment=own"], [tmp_path / "mine"]).seed == 8


def test_what_is_looked_up_elsewhere_is_not_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine" / "experiment"
    mine.mkdir(parents=True)
    (mine / "own.yaml").write_text(EXPERIMENT.format(seed="${oc.decode:${oc.env:SEED}}"))
    for seed in (7, 8):
        monkeypatch.setenv("SEED", str(seed))
        assert kept.settings_from(["experiment=own"], [tmp_path / "mine"]).seed == seed
    assert not cache.exists()


def test_a_wrong_value_is_refused_each_time(cache: Path) -> None:
    for _ in range(2):
        with pytest.raises(Problem, match="seed: must be greater than or equal to 0"):
            kept.settings_from(["seed=-1"])
