"""The program from the outside: help, the parameter table, a small sweep."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sim.conf import options
from sim.settings import Settings
from sim.usage import help_text

ROOT = Path(__file__).resolve().parents[2]


def test_help_teaches_every_choice() -> None:
    text = help_text()
    for group in ("experiment", "policy", "cohort", "product", "hospital"):
        for name in options(group):
            assert f"\n    {name} " in text
    assert "python -m sim -m clinic.transplant.trm.value=0.02,0.08,0.15" in text


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from sim.__main__ import main; main(['--help']); "
        "sys.exit(bool({'hydra', 'numpy', 'pandas', 'pydantic', 'numba', 'yaml'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)


def test_closed_pipe_is_no_error(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sim", "--show"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_parameters_are_listed_with_all_they_carry(
    cartwin: Callable[..., Any], tmp_path: Path, settings: Settings
) -> None:
    answer = cartwin("experiment=parameters", "out=table")
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "table"
    assert "clinic.transplant.trm" in answer.out
    with (tmp_path / "table" / "parameters.csv").open(newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    for key, line in settings.lines():
        assert float(rows[key]["value"]) == line.value
        assert (rows[key]["unit"], rows[key]["source"], rows[key]["status"]) == (line.unit, line.source, line.status)
    assert rows["policy.selective.bca_window_months"]["status"] == "review"
    assert rows["policy.selective.options.confirm_days"]["status"] == "assumed"


def test_folder_of_somebody_else_is_left_alone(cartwin: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for argv in (["experiment=parameters"], ["-m", "seed=1,2", "policy=watch"]):
        answer = cartwin(*argv, "out=mine")
        assert answer.code == 2
        assert "out=mine" in answer.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    command = [sys.executable, "-m", "sim", "-m", "clinic.transplant.trm.value=0.02,0.08,0.15"]
    command += ["policy=[watch,hct_for_all]", "cohort.n=150", "out=swept", "quiet=true"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["swept"]
    return folder / "swept"


def test_sweep_collects_its_jobs_into_one_table(swept: Path) -> None:
    table = pd.read_csv(swept / "sweep.csv")
    assert table.columns[:3].tolist() == ["job", "overrides", "clinic.transplant.trm.value"]
    for job, value in enumerate((0.02, 0.08, 0.15)):
        own = pd.read_csv(swept / str(job) / "summary.csv")
        part = table[table["job"] == job]
        assert (part["clinic.transplant.trm.value"] == value).all()
        pd.testing.assert_frame_equal(part[own.columns.tolist()].reset_index(drop=True), own)


def test_sweep_pairs_jobs_on_the_same_patients(swept: Path) -> None:
    """More transplant mortality can only take life-years away, and none where nobody dies of a transplant."""
    paired = pd.read_csv(swept / "sweep_paired.csv")
    years = paired[(paired["measure"] == "life_years") & (paired["stratum"] == "all")].set_index(["job", "policy"])
    lost = years["difference"].unstack("policy")
    assert (lost.loc[[1, 2]] <= 0).all(axis=None)
    assert lost.loc[2, "hct_for_all"] < lost.loc[2, "watch"]
    assert set(paired["reference_job"]) == {0}
    assert (paired["reference"] == paired["policy"]).all()


def test_other_sweep_into_the_same_folder_is_refused(swept: Path, cartwin: Callable[..., Any]) -> None:
    answer = cartwin("-m", "seed=1,2", "policy=watch", f"out={swept}")
    assert answer.code == 2
    assert "something else than this sweep" in answer.err
