"""A calibration on the simulator itself, killed twice and started again: nothing is made twice, no byte is another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "patients": 128, "search_patients": 64, "design": 24, "starts": 1, "iterations": 1, "rounds": 1, "local": 64,
    "walkers": 144, "steps": 16, "keep": 64, "check": 8, "replicates": 2,
}  # fmt: skip
ANSWERS = ("fit.csv", "posterior_summary.csv", "studies.csv", "starts.csv", "check.csv", "validate_curves.csv")


def start(folder: Path) -> subprocess.Popen[bytes]:
    budget = [f"calibration.{name}={value}" for name, value in SMALL.items()]
    words = [sys.executable, "-m", "sim", "experiment=calibrate", *budget, f"out={folder}", "quiet=true"]
    return subprocess.Popen(words, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(folder: Path) -> None:
    program = start(folder)
    _, said = program.communicate()
    assert program.returncode == 0, said.decode()


def parts(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder.parent / "evaluations").glob("*/*.npy")}


def evaluations(folder: Path) -> list[bytes]:
    """List what every stored evaluation was made of and gave."""
    found = [row.tobytes() for path in (folder.parent / "evaluations").glob("*/*.npy") for row in np.load(path)]
    return sorted(found)


@pytest.mark.slow
def test_a_killed_calibration_goes_on_and_answers_alike(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole" / "run", tmp_path / "broken" / "run"
    finish(whole)
    kept: dict[str, int] = {}
    for number in (4, 10):
        program = start(broken)
        while len(parts(broken)) < number:
            assert program.poll() is None, program.communicate()[1]
            time.sleep(0.02)
        program.kill()
        program.communicate()
        assert not broken.exists()
        assert kept.items() <= parts(broken).items()
        kept = parts(broken)
    finish(broken)
    assert kept.items() <= parts(broken).items()
    made = evaluations(broken)
    assert len(set(made)) == len(made)
    assert made == evaluations(whole)
    assert {name: (broken / name).read_bytes() for name in ANSWERS} == {n: (whole / n).read_bytes() for n in ANSWERS}
