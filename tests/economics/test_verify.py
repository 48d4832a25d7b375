"""The verification tests as tests, the command that runs them, and proof that they can fail."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sim import program
from sim.compose import settings_from
from sim.experiments import verify
from sim.experiments.checks import LATER, PASS, Check, Finding, checks
from sim.experiments.checks.bench import Bench
from sim.experiments.checks.published import frozen, lives, results
from sim.problems import Problem
from sim.usage import Arguments

#: Tests that need more than some seconds.
SLOW = {"10"}
#: Tests that wait for parts of the program.
WAITING: set[str] = set()


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(settings_from(["experiment=verify"]))


@pytest.mark.parametrize(
    "entry",
    [pytest.param(e, id=e.number, marks=[pytest.mark.slow] if e.number in SLOW else []) for e in checks()],
)
def test_verification(entry: Check, bench: Bench) -> None:
    found = entry.run(bench)
    assert found.result == (LATER if entry.number in WAITING else PASS), found.measured


def test_every_test_of_the_specification_is_there() -> None:
    assert [entry.number for entry in checks()] == [*(str(k) for k in range(1, 33)), "P1"]
    assert all(entry.change and entry.expected for entry in checks())


@pytest.mark.parametrize(
    ("number", "spoil"),
    [
        ("1", {"utilities.losses.crs_1": 0.5}),
        ("5", {"discount.costs": 0.5}),
    ],
)
def test_a_book_that_ignores_the_change_is_found_out(
    number: str, spoil: dict[str, float], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tests fail when what they change is undone behind their back."""
    spoilt = bench.book_with(spoil)
    monkeypatch.setattr("sim.experiments.checks.money.full_health", lambda bench: spoilt)
    monkeypatch.setattr(Bench, "undiscounted", lambda self, book=None: spoilt)
    (entry,) = [e for e in checks() if e.number == number]
    assert entry.run(bench).holds is False


def test_a_test_that_stops_has_failed(bench: Bench) -> None:
    def broken(bench: Bench) -> Finding:
        raise ZeroDivisionError("by nothing")

    row = verify.result_of(Check("99", "", "", broken), bench)
    assert row["result"] == "fail"
    assert "ZeroDivisionError: by nothing" in row["measured"]


def test_settings_that_cannot_be_verified_are_refused(bench: Bench) -> None:
    settings = bench.settings
    with pytest.raises(Problem, match="origin=referral"):
        Bench(settings.model_copy(update={"policy": {"watch": settings.policy["watch"]}}))
    with pytest.raises(Problem, match="economics=none"):
        Bench(settings.model_copy(update={"economics": None}))


def test_frozen_survival_is_what_the_data_say() -> None:
    """The share alive at the year of cure is the cured share and what exponential survival leaves of the others."""
    study = frozen() | {"patients": 500}
    for arm, given in study["arms"].items():
        rows, first_row, people = lives(study, arm)
        assert len(first_row) == 501
        assert len(people["age"]) == 500
        deaths = rows["stop"][np.array(first_row[1:]) - 1] / 365.25
        alive = (deaths > study["cure_year"]).mean()
        assert alive == pytest.approx(given["cured"], abs=0.002)


def test_the_published_evaluation_moves_with_its_prices() -> None:
    """The check can fail: double the transplant's price, and costs leave their tolerance."""
    study = frozen() | {"patients": 400}
    dear = study | {"prices": study["prices"] | {"hct_year_one": study["prices"]["hct_year_one"] | {"value": 1366198}}}
    base, more = results(study, "tisa_cel"), results(dear, "tisa_cel")
    assert more["qalys"] == base["qalys"]
    allowed = study["tolerance"]["cost"]
    assert abs(more["cost"] / study["published"]["tisa_cel"]["cost"] - 1) > allowed
    assert abs(base["cost"] / study["published"]["tisa_cel"]["cost"] - 1) < allowed


@pytest.mark.slow
def test_the_command_writes_table_and_report(tmp_path: Path) -> None:
    out = tmp_path / "verified"
    done = subprocess.run(
        [sys.executable, "-m", "sim", "experiment=verify", f"out={out}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with (out / "verify.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(checks())
    assert {row["result"] for row in rows} == {PASS}
    assert "33 pass" in done.stdout
    assert '<section id="verification"' in (out / "report.html").read_text()


def test_a_failure_ends_with_an_error_and_leaves_the_table(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = [Check("1", "nothing", "everything", lambda bench: Finding(False, "nothing"))]
    monkeypatch.setattr(verify, "checks", lambda: bad)
    with pytest.raises(Problem, match=r"1 of 1 tests failed \(1\)"):
        verify.run(bench.settings.model_copy(update={"out": str(tmp_path / "out"), "quiet": True}))
    assert "fail" in (tmp_path / "out" / "verify.csv").read_text()


def test_a_failure_is_answered_in_json_too(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [Check("1", "nothing", "everything", lambda bench: Finding(False, "nothing"))]
    monkeypatch.setattr(verify, "checks", lambda: bad)
    words = ["experiment=verify", "json=true", f"out={tmp_path / 'out'}"]
    with pytest.raises(Problem, match="1 of 1 tests failed"):
        program.run(Arguments(words))
    assert json.loads(capsys.readouterr().out)["experiment"] == "verify"
