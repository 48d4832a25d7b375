"""Any chunks, any workers, any interruption: the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import store_program

from sim.cohort import BLOCK
from sim.compose import settings_from
from sim.experiments.compare import kinds
from sim.experiments.folders import claimed
from sim.experiments.gathering import Accounted, Counted, Journals, Patients, Values, gather
from sim.experiments.run import Simulation
from sim.experiments.spans import Span

N = 2 * BLOCK + 100
WORLD = ("policy=[watch,selective]", "engine=batch", "quiet=true", "journal=on")
TABLES = ("summary", "curves", "paired", "parameters", "costs", "items", "qalys", "payments", "prices")
ROWS = ("patients", "journal", "value")
ANSWERS = (*(f"{name}.csv" for name in TABLES), *(f"{name}.parquet" for name in ROWS))
KINDS = ("tally", "accounts", *ROWS)


def answers(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ANSWERS}


def parts(folder: Path) -> dict[str, int]:
    """Every part of a folder and when it was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("parts/[!.]*/*.parquet")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One chunk, a plain loop."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return store_program.compare(*WORLD, f"cohort.n={N}", f"out={folder}", "executor=serial", "executor.blocks=99")


@pytest.mark.parametrize(
    "how",
    [
        ["executor.blocks=1", "threads=3"],
        pytest.param(["executor=serial", "executor.blocks=1"], marks=pytest.mark.slow),
        pytest.param(["executor.blocks=1", "executor.workers=2"], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_chunks_and_workers_change_no_byte(how: list[str], whole: Path, tmp_path: Path) -> None:
    folder = store_program.compare(*WORLD, f"cohort.n={N}", f"out={tmp_path}/run", *how)
    assert len(parts(folder)) > len(parts(whole))
    assert answers(folder) == answers(whole)


@pytest.mark.parametrize(
    "left", [[0, 2], *(pytest.param(some, marks=pytest.mark.slow) for some in ([], [1], [0, 1, 2]))], ids=str
)
def test_whatever_is_left_of_a_run_is_completed(left: list[int], whole: Path, tmp_path: Path) -> None:
    """Parts of a run in other chunks, as an interruption leaves them."""
    command = (*WORLD, f"cohort.n={N}", f"out={tmp_path}/run", "executor=serial")
    folder = store_program.compare(*command, "executor.blocks=1")
    keys = sorted({Path(name).name for name in parts(folder)})
    for at, key in enumerate(keys):
        if at not in left:
            for path in folder.glob(f"parts/*/{key}"):
                path.unlink()
    (folder / "manifest.json").unlink()
    before = parts(folder)
    store_program.compare(*command, "executor.blocks=2")
    assert answers(folder) == answers(whole)
    assert before.items() <= parts(folder).items()


@pytest.mark.slow
def test_another_kind_of_part_is_added_to_what_is_there(whole: Path, tmp_path: Path) -> None:
    command = (*WORLD, f"cohort.n={N}", f"out={tmp_path}/run", "executor=serial", "executor.blocks=2")
    store_program.compare(*command, "journal=off")
    assert not (tmp_path / "run" / "journal.parquet").exists()
    assert answers(store_program.compare(*command)) == answers(whole)


@pytest.mark.parametrize(
    "how", ["run", pytest.param("out", marks=pytest.mark.slow), pytest.param("hash", marks=pytest.mark.slow)]
)
def test_a_finished_run_is_extended_without_redoing_it(
    how: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = (*WORLD, "executor=serial", "executor.blocks=1")
    given = {"run": [], "out": ["out=mine"], "hash": []}[how]
    folder = store_program.compare(*command, *given, f"cohort.n={BLOCK + 7}").resolve()
    before = parts(folder)
    again = [f"run={folder}"] if how == "run" else given
    assert store_program.compare(*command, *again, f"cohort.n={N}").resolve() == folder
    assert answers(folder) == answers(whole)
    after = parts(folder)
    short = Span(BLOCK, BLOCK + 7).key
    assert {name for name in before if before[name] != after.get(name)} == {
        f"parts/{kind}/{short}.parquet" for kind in KINDS
    }
    assert sum(key in after for key in before) == len(KINDS)
    assert not any(short in name for name in after)


def test_repeating_a_finished_run_writes_no_part(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    before, held = parts(folder), answers(folder)
    store_program.compare(*WORLD, f"cohort.n={N}", f"out={folder}", "executor.blocks=1")
    assert parts(folder) == before
    assert answers(folder) == held


@pytest.mark.slow
def test_both_engines_fill_one_store(tmp_path: Path) -> None:
    """The folder's name says nothing of the engine: SimPy takes up what the compiled engine began."""
    command = ("policy=watch", "quiet=true", "journal=on", f"out={tmp_path}/run", "executor=serial")
    store_program.compare(*command, "engine=batch", f"cohort.n={BLOCK}")
    store_program.compare(*command, "engine=simpy", f"cohort.n={BLOCK + 300}")
    other = store_program.compare(*command[:-2], "engine=batch", f"cohort.n={BLOCK + 300}", f"out={tmp_path}/other")
    assert answers(tmp_path / "run") == answers(other)


@pytest.mark.slow
def test_simpy_blocks_are_run_in_pieces_by_workers(tmp_path: Path) -> None:
    command = ("policy=[watch,selective]", "quiet=true", "cohort.n=1500", "executor.workers=2")
    one = store_program.compare(*command, "engine=simpy", f"out={tmp_path}/simpy")
    two = store_program.compare(*command, "engine=batch", f"out={tmp_path}/batch")
    assert answers(one) == answers(two)


@pytest.mark.slow
def test_patients_of_one_hospital_are_one_chunk(tmp_path: Path) -> None:
    command = ("policy=[watch,selective]", "quiet=true", "hospital=small_centre", "executor.blocks=1")
    runs = [
        store_program.compare(*command, f"cohort.n={n}", f"out={tmp_path}/{name}")
        for n, name in ((200, "grown"), (300, "grown"), (300, "at_once"))
    ]
    assert answers(runs[1]) == answers(runs[2])
    assert set(parts(runs[1])) == {f"parts/{kind}/{Span(0, 300).key}.parquet" for kind in KINDS}


class Infections:
    """A gatherer of somebody else: infections counted from the journal, nothing written of it."""

    kind = "infections"
    journal = True

    def __init__(self, settings: Any) -> None:
        self.found = 0

    @staticmethod
    def sources() -> list[Path]:
        return [Path(__file__)]

    def add(self, block: Any) -> None:
        from sim.journal import INFECTION

        self.found += int((block.rows["watch"]["event"] == INFECTION).sum())

    def groups(self) -> Any:
        import numpy as np

        from sim.experiments.store import packed

        yield packed({"found": np.array(self.found)})

    def absorb(self, part: Any) -> None:
        from sim.experiments.store import unpacked

        (table,) = part.groups()
        self.found += int(unpacked(table)["found"])


def test_a_further_gatherer_reads_the_journal_without_keeping_it(whole: Path, tmp_path: Path) -> None:
    import pandas as pd

    from sim.journal import INFECTION

    settings = settings_from([*WORLD, f"cohort.n={N}", "journal=off", "executor=serial", "executor.blocks=2"])
    with claimed(tmp_path / "run", settings) as store:
        gathered = gather(Simulation(settings, journal=False), [Counted, Infections], store)
    journal = pd.read_parquet(whole / "journal.parquet")
    kept = journal[(journal["policy"] == "watch") & (journal["event"] == INFECTION)]
    assert gathered["infections"].found == len(kept) > 1000
    assert sorted(path.name for path in store.folder.glob("[!.]*/")) == ["infections", "tally"]


def test_the_journal_is_kept_while_lives_are_few() -> None:
    settings = settings_from(["policy=[watch,selective]"])
    assert kinds(settings, 200_000) == [Counted, Patients, Journals, Accounted, Values]
    assert kinds(settings, 200_001) == [Counted, Accounted]
    settings = settings.model_copy(update={"economics": None})
    assert kinds(settings, 200_000) == [Counted, Patients, Journals]
    assert kinds(settings, 200_001) == [Counted]
