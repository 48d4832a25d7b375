"""The SQL of docs/running.md, run as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import store_program

from sim.cohort import BLOCK
from sim.journal import event_names

duckdb = pytest.importorskip("duckdb")
PAGE = (Path(__file__).parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n-- (.*?)\n(.*?)```", PAGE, re.DOTALL)
CODES = {name: code for code, name in event_names().items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = ("policy=[watch,selective]", "engine=batch", "quiet=true", "journal=on", "executor.blocks=1")
    return store_program.compare(*world, f"cohort.n={BLOCK + 50}", f"out={tmp_path_factory.mktemp('query')}/run")


def ask(folder: Path, title: str) -> pd.DataFrame:
    text = dict(QUERIES)[title].replace("RUN", str(folder))
    answer: pd.DataFrame = duckdb.sql(text).df()
    return answer


def test_every_query_is_tried() -> None:
    tried = re.findall(r'ask\(folder, "(.*?)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert sorted(title for title, _ in QUERIES) == sorted(tried)


def test_relapses(folder: Path) -> None:
    answer = ask(folder, "how many patients relapse under each policy, and when").set_index("policy")
    journal = pd.read_parquet(folder / "journal.parquet")
    relapses = journal[journal["event"] == CODES["relapse"]].groupby("policy")["time_start"]
    assert answer["relapses"].to_dict() == relapses.size().to_dict()
    assert (answer["months"] - relapses.median() / 30.4375).abs().max() < 1e-9


def test_intensive_care(folder: Path) -> None:
    answer = ask(folder, "days in intensive care per patient, by policy").set_index("policy")["icu_days"]
    journal = pd.read_parquet(folder / "journal.parquet")
    stays = journal[journal["event"] == CODES["icu"]]
    days = (stays["time_stop"] - stays["time_start"]).groupby(stays["policy"]).sum() / (BLOCK + 50)
    assert (answer - days).abs().max() < 1e-9
    assert (days > 0).all()


def test_chunks(folder: Path) -> None:
    names = ask(folder, "which chunks are done")["file_name"].map(lambda name: Path(name).stem).tolist()
    assert names == [f"{0:010d}-{BLOCK:010d}", f"{BLOCK:010d}-{BLOCK + 50:010d}"]


def test_what_a_part_says(folder: Path) -> None:
    answer = ask(folder, "what a part says about itself")
    assert answer["seed"].tolist() == ["1", "1"]
    assert json.loads((folder / "parts" / "run.json").read_text())["seed"] == 1
