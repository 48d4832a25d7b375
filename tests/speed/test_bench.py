"""The benchmark measures what it says: the floor answers as the engine does, and every part runs. No time is judged."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from models.running import World, assert_same

from bench.__main__ import arguments
from bench.floor import by_hand, reduced
from bench.floor.in_numba import in_numba
from bench.floor.measure import HORIZON, crowd, parameters
from bench.registry import PARTS
from bench.size import TINY
from bench.table import MARKS, Row, into_page, markdown, number, write
from sim.engine.batch import run_batch
from sim.engine.simpy_driver import run_simpy

ROOT = Path(__file__).resolve().parents[2]
N = 3000


def engine(n: int, seed: int = 1, first: int = 0, horizon: float = HORIZON) -> np.ndarray:
    """Final records of the reduced pathway on the batch engine."""
    numbers = parameters(reduced.Numbers())
    return run_batch(reduced.PATHWAY, crowd(n), numbers, seed=seed, first=first, horizon=horizon, journal=False)[0]


def loop(language: str) -> by_hand.ByHand:
    """A loop by hand."""
    if language == "numba":
        return in_numba()
    if by_hand.compiler() is None:
        pytest.skip("no C compiler here")
    return by_hand.in_c()


@pytest.mark.parametrize("language", ["c", "numba"])
@pytest.mark.parametrize(
    ("seed", "first", "horizon"), [(1, 0, HORIZON), (2**32 - 1, 10**6, HORIZON), (7, 5, 400.0), (3, 0, math.inf)]
)
def test_the_floor_gives_the_engines_bits(language: str, seed: int, first: int, horizon: float) -> None:
    lives = engine(N, seed, first, horizon)
    outcomes = loop(language)(crowd(N)["burden"], reduced.Numbers(), seed, first, horizon)
    for name in by_hand.OUTCOMES.names:
        assert lives[name].tobytes() == outcomes[name].tobytes(), name


def test_the_reduced_pathway_goes_every_way() -> None:
    """Else equal answers would say little: each event happens, each cause kills, and not to everybody."""
    rows = run_batch(reduced.PATHWAY, crowd(N), parameters(reduced.Numbers()), seed=1, horizon=HORIZON)[1]
    assert set(rows["event"]) == set(range(reduced.EVENTS))
    lives = engine(N, horizon=20.0 * 365.25)
    assert {-1, reduced.DEATH, reduced.INFECTION, reduced.TRANSPLANT_DEATH, reduced.LEUKAEMIA_DEATH} == set(
        lives["cause"]
    )
    assert 0.0 < lives["decided"].mean() < 1.0


def test_the_reduced_pathway_on_both_engines() -> None:
    batch = World(*run_batch(reduced.PATHWAY, crowd(200), parameters(reduced.Numbers()), seed=4, horizon=HORIZON))
    simpy = World(*run_simpy(reduced.PATHWAY, crowd(200), reduced.Numbers(), seed=4, horizon=HORIZON))
    assert_same(simpy, batch)


@pytest.mark.parametrize(
    "part",
    [pytest.param(part, marks=pytest.mark.slow) for part in ("pathway", "scaling")] + ["peers", "floor"],
)
def test_every_quick_part_runs(part: str) -> None:
    rows = list(PARTS[part](TINY))
    assert len(rows) >= 3 if part != "scaling" else rows
    assert {row.part for row in rows} == {part}
    assert len({row.what for row in rows}) == len(rows)
    for row in rows:
        assert row.value > 0.0 or row.note.startswith("not measured"), row


@pytest.mark.slow
@pytest.mark.parametrize("part", ["starts", "memory"])
def test_every_part_in_processes_of_its_own_runs(part: str) -> None:
    rows = list(PARTS[part](TINY))
    assert rows
    assert all(row.part == part and row.value > 0.0 for row in rows)


ROWS = [
    Row("floor", "by hand, in C", 2_961_234.5, "lives/s", 0.0123, 0.0124, "same draws, same bits"),
    Row("memory", "batch, 10 lives", 250.04, "MiB (peak)"),
]


def test_the_table_is_written_in_three_forms(tmp_path: Path) -> None:
    write(tmp_path / "new" / "folder", {"processor": "one"}, ROWS)
    folder = tmp_path / "new" / "folder"
    content = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    assert content["machine"] == {"processor": "one"}
    assert [Row(**row) for row in content["rows"]] == ROWS
    with (folder / "bench.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["value"]) for row in table] == [row.value for row in ROWS]
    page = (folder / "bench.md").read_text(encoding="utf-8")
    assert page.splitlines()[-2:] == [
        "| floor | by hand, in C | 2,961,000 | lives/s | 0.0123 | 0.0124 | same draws, same bits |",
        "| memory | batch, 10 lives | 250 | MiB (peak) |  |  |  |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05123, "0.0512"), (1.0, "1"), (999.4, "999"), (1234.4, "1,234"), (98_765.0, "98,760"), (None, "")],
)
def test_figures_keep_what_means_something(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_page_keeps_everything_but_its_table(tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(f"# Speed\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nAfter.\n", encoding="utf-8")
    for _ in range(2):
        into_page(page, {"processor": "one"}, ROWS)
    text = page.read_text(encoding="utf-8")
    assert text == f"# Speed\n\n{MARKS[0]}\n\n{markdown({'processor': 'one'}, ROWS)}\n{MARKS[1]}\n\nAfter.\n"
    page.write_text("# Speed\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"speed\.md has no lines"):
        into_page(page, {}, ROWS)


def test_an_unknown_part_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        arguments(["floor", "flor"])
    assert end.value.code == 2
    assert "no part 'flor'; there are pathway, peers, floor" in capsys.readouterr().err
    assert arguments(["floor", "--quick"]).parts == ["floor"]


def test_the_page_holds_a_table_and_names_its_command() -> None:
    text = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    table = text.split(MARKS[0])[1].split(MARKS[1])[0]
    assert "make bench ARGS=--docs" in text
    for part in PARTS:
        assert f"\n| {part} |" in table, part
