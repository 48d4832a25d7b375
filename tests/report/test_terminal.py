"""The end of a run on the terminal: the right numbers, the best marked, within the width; the same as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.experiments import EXPERIMENTS
from sim.report.frames import Estimate
from sim.report.terminal import ANSWERS, answers, as_json, written
from sim.report.terminal.table import Column, Table

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("watch", "hct_for_all", "selective_plus", "trial_practice")
ALIVE = (0.61, 0.66, 0.64, 0.62)
COST = (1_000_000.0, 1_200_000.0, 1_100_000.0, 990_000.0)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a table as CSV."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    """A finished comparison of four policies with made-up numbers."""
    folder = tmp_path / "run"
    folder.mkdir()
    record = {"experiment": "compare", "n": 400, "origin": "infusion", "cohort": "made up"}
    record |= {
        "policies": {name: {} for name in NAMES},
        "economics": {"currency": "USD 2026", "wtp": [5e4, 1e5, 1.5e5, 2e5]},
    }
    (folder / "manifest.json").write_text(json.dumps(record))
    measures = ("os", "efs", "cif_relapse", "cif_nrm")
    summary = [
        {"policy": name, "stratum": stratum, "measure": m, "months": months, "value": alive, "mc_se": 0.0123,
         "unit": "probability"}
        for stratum in ("prior_hct", "all") for m in measures for months in (24, 60)
        for name, alive in zip(NAMES, ALIVE, strict=True)
    ]  # fmt: skip
    years = [
        {"policy": name, "stratum": "all", "measure": "life_years", "months": "", "value": 50 * alive, "mc_se": 1.4,
         "unit": "years"}
        for name, alive in zip(NAMES, ALIVE, strict=True)
    ]  # fmt: skip
    write(folder / "summary.csv", summary + years)
    worth = [
        {"option": n, "cost": c, "cost_se": 21_000.0, "effect": 13.0, "effect_se": 0.5}
        for n, c in zip(NAMES, COST, strict=True)
    ]
    write(folder / "incremental.csv", worth[:-1])
    write(
        folder / "nmb.csv",
        [
            {"option": row["option"], "wtp": w, "nmb": w * 13 - row["cost"], "nmb_se": 1e4}
            for w in (1e5, 1.5e5)
            for row in worth[:-1]
        ],
    )
    return folder


def test_policies_are_rows_and_the_best_is_marked(compared: Path) -> None:
    (compared / "report.html").write_text("")
    lines = written(compared, io.StringIO()).splitlines()
    heading = next(line for line in lines if line.startswith("policy"))
    assert [part for part in ("OS 5y %", "EFS 5y %", "QALYs", "cost k", "NMB k") if part not in heading] == []
    rows = {line.split()[0]: line.split() for line in lines if line.split() and line.split()[0] in NAMES}
    assert tuple(rows) == NAMES
    assert rows["hct_for_all"][1] == "66.0±1.2*"
    assert rows["watch"][1] == "61.0±1.2"
    assert {"1000±21*", "300±10*"} <= set(rows["watch"])  # 13 QALYs at 100,000 less a million
    assert len(rows["trial_practice"]) == 5  # not valued: nothing is made up
    assert lines[-1] == f"report: {compared / 'report.html'}"


def test_lines_fit_and_a_file_gets_no_colours(compared: Path) -> None:
    text = written(compared, io.StringIO())
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 132, 200])
def test_a_narrow_terminal_names_what_it_leaves_out(compared: Path, width: int) -> None:
    (table,) = answers(compared)
    text = table.as_text(width)
    assert max(map(len, text.splitlines())) <= width
    shown = text.splitlines()[1:]
    for column in table.columns:
        assert any(column.heading in line for line in shown) or width < 80


def test_json_holds_every_number_with_its_error(compared: Path) -> None:
    found = json.loads(as_json(compared))
    assert found["folder"] == str(compared)
    assert found["report"] is None
    rows = {row["policy"]: row for row in found["tables"][0]["rows"]}
    assert rows["hct_for_all"]["os_60"] == {"value": 0.66, "error": 0.0123, "unit": "probability", "best": True}
    assert rows["watch"]["nmb_100000"]["value"] == 300_000.0
    assert rows["trial_practice"]["cost"] is None


def test_equal_numbers_have_no_best() -> None:
    same = Table("t", [Column("a", "a"), Column("b", "b", 1)], [["x", Estimate(1.0, 0.1)], ["y", Estimate(1.0, 0.1)]])
    assert "*" not in same.as_text(80)
    less = Table("t", [Column("a", "a"), Column("b", "b", -1)], [["x", Estimate(2.0, 0.1)], ["y", Estimate(1.0, 0.1)]])
    assert less.as_text(80).splitlines()[3] == "y  1.00±0.10*"


def test_every_experiment_has_an_answer() -> None:
    assert set(EXPERIMENTS) - set(ANSWERS) <= {"replay", "report"}  # a life, and a page, are answers of their own


def at_terminal(tmp_path: Path, *words: str, **environment: str) -> list[str]:
    """Run the program on a terminal of 80 columns, and give what it showed."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "sim", *words]
    own = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "LINES": "24", "TERM": "xterm"} | environment
    with subprocess.Popen(command, cwd=tmp_path, env=own, stdout=slave, stderr=slave, stdin=slave) as process:
        os.close(slave)
        said = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
    os.close(master)
    assert process.returncode == 0, said.decode()
    return said.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.slow
def test_a_run_as_a_user_sees_it(tmp_path: Path) -> None:
    words = ["engine=batch", "cohort.n=80", "policy=[watch,selective]", "out=seen"]
    lines = at_terminal(tmp_path, *words)
    assert any("lives" in line and "/s" in line for line in lines)  # the bar
    assert any(line.startswith("\x1b[1mpolicy") for line in lines)
    assert lines[-2:] == ["report: seen/report.html", "seen"]
    plain = at_terminal(tmp_path, *words, NO_COLOR="1")
    assert not any(line.startswith("\x1b[1m") for line in plain)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sim", *words, "json=true"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["report"] == "seen/report.html"
    with (tmp_path / "seen" / "summary.csv").open(newline="") as file:
        rows = {(r["policy"], r["stratum"], r["measure"], r["months"]): float(r["value"]) for r in csv.DictReader(file)}
    for row in found["tables"][0]["rows"]:
        assert row["os_60"]["value"] == rows[row["policy"], "all", "os", "60"]


def test_json_stands_alone_on_stdout(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sim", "experiment=parameters", "json=true", "out=table"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert "clinic.transplant.trm" in done.stderr
    with (tmp_path / "table" / "parameters.csv").open(newline="") as file:
        count = len(list(csv.DictReader(file)))
    assert sum(row["parameters"]["value"] for row in found["tables"][0]["rows"]) == count
