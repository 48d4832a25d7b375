"""The compiled ward is SimPy, byte for byte: queues, priorities, opening hours, reneging, coinciding moments."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import queue, warden_constrained, wards
from models.catalogue import customers, draw, example, ward_patients
from models.running import World, as_row, assert_same, crowd, on_batch, on_simpy

from sim.engine.places import Book
from sim.engine.ward import run_ward

OFFICE_HOURS = [int(hour < 120 and 8 <= hour % 24 < 16) for hour in range(168)]


def on_ward(pathway: Any, patients: np.ndarray, parameters: Any, seed: int = 1, **options: Any) -> World:
    """Run the compiled ward."""
    return World(*run_ward(pathway, patients, as_row(parameters), seed=seed, **options))


def both(pathway: Any, patients: np.ndarray, parameters: Any, **options: Any) -> tuple[World, Book]:
    """Run both engines, and insist that they agree to the last bit, book included."""
    books = Book(), Book()
    one = on_simpy(pathway, patients, parameters, book=books[0], **options)
    two = on_ward(pathway, patients, parameters, book=books[1], **options)
    assert_same(two, one)
    for name in books[0].rows.dtype.names:
        np.testing.assert_array_equal(books[0].rows[name], books[1].rows[name], err_msg=name)
    return two, books[1]


def arrivals(n: int, rate: float) -> np.ndarray:
    return np.cumsum(-np.log(draw(n, 102)) / rate)


def ranked(p: Any, q: Any, pool: int) -> int:
    """A made-up urgency: three ranks by number, so that multiples of three are all equal."""
    return p.number % 3


QUEUE = replace(queue.PATHWAY, name="urgent queue", urgency=ranked)
WARDS = replace(wards.PATHWAY, name="urgent wards", urgency=ranked)


def equals(n: int) -> np.ndarray:
    """Numbers of patients who are equally urgent."""
    return 3 * np.arange(n)


@pytest.mark.parametrize("patience", [math.inf, 0.7])
@pytest.mark.parametrize("servers", [0, 1, 3, 10**6, None])
def test_a_queue(patience: float, servers: int | None) -> None:
    n = 1500
    world, _ = both(
        QUEUE,
        customers(n, patience=patience),
        queue.Nothing(),
        arrivals=arrivals(n, 3.0),
        capacities={"server": servers},
        horizon=200.0 if servers == 0 else math.inf,
    )
    assert (world.lives["began"] > 0.0).any() == (servers in (0, 1, 3)), "binds, or does not"


@pytest.mark.parametrize("ranks", [1, 3])
def test_coinciding_moments(ranks: int) -> None:
    """Whole days throughout: arrivals, ends of service and of patience fall together all the time."""
    n = 900
    patients = crowd(n, service=np.ceil(4.0 * draw(n, 100)), patience=np.ceil(6.0 * draw(n, 101)))
    world, book = both(
        QUEUE,
        patients,
        queue.Nothing(),
        arrivals=np.floor(arrivals(n, 1.3)),
        capacities={"server": 3},
        numbers=None if ranks == 3 else equals(n),
    )
    assert 0.05 < world.lives["reneged"].mean() < 0.5
    assert np.isin(book.rows["left"] % 1.0, 0.0).all()


@pytest.mark.parametrize("horizon", [math.inf, 7.0])
@pytest.mark.parametrize("whole", [False, True], ids=["any time", "whole days"])
@pytest.mark.parametrize("ranks", [1, 3])
def test_two_pools(ranks: int, whole: bool, horizon: float) -> None:
    n = 1500
    patients, coming = ward_patients(n), arrivals(n, 1.8)
    if whole:
        coming = np.floor(coming)
        for name in ("before", "intensive", "after", "death"):
            patients[name] = np.ceil(patients[name])
    world, book = both(
        WARDS,
        patients,
        wards.Nothing(),
        arrivals=coming,
        capacities={"ward": 7, "icu": 2},
        horizon=horizon,
        numbers=None if ranks == 3 else equals(n),
    )
    assert (world.lives["admitted"] > 0.0).mean() > 0.3
    assert set(book.rows["pool"]) == {0, 1}


@pytest.mark.parametrize("whole", [False, True], ids=["any time", "whole days"])
@pytest.mark.parametrize("servers", [3, None])
def test_opening_hours(whole: bool, servers: int | None) -> None:
    """Places are given in office hours only, and kept over night and weekend."""
    n = 800
    coming = arrivals(n, 1.5)
    patients = customers(n, patience=3.0)
    if whole:
        coming, patients["service"], patients["patience"] = np.floor(coming), 1.0 / 3.0, 2.0
    world, book = both(
        QUEUE,
        patients,
        queue.Nothing(),
        arrivals=coming,
        capacities={"server": servers},
        openings={"server": OFFICE_HOURS},
    )
    granted = book.rows["granted"][np.isfinite(book.rows["granted"])]
    hours = np.floor(granted * 24.0 + 1e-6).astype(int) % 168
    assert np.asarray(OFFICE_HOURS)[hours].all()
    assert (world.lives["reneged"] == 1).any()
    shut = on_ward(QUEUE, patients, queue.Nothing(), arrivals=coming, openings={"server": [0] * 168}, horizon=50.0)
    assert (shut.lives["began"] == math.inf).all()


@pytest.mark.slow
def test_warden() -> None:
    """A refusal at once shortens life: the event that says so and the free bed fall on the same moment."""
    m = example("warden_constrained", 900)
    both(warden_constrained.PATHWAY, m.patients, m.parameters, capacities={"bed": 60})
    both(warden_constrained.PATHWAY, m.patients, m.parameters, capacities={"bed": 60}, arrivals=draw(900, 103) * 20.0)


def test_without_limits_it_is_the_batch() -> None:
    patients = ward_patients(500)
    free = on_batch(wards.PATHWAY, patients, wards.Nothing(), horizon=6.0)
    for size in (None, 10**6):
        assert_same(
            on_ward(WARDS, patients, wards.Nothing(), capacities={"ward": size, "icu": size}, horizon=6.0), free
        )


def test_numbers_journal_and_checked_bounds_change_nothing() -> None:
    n = 300
    patients, coming, sizes = ward_patients(n), arrivals(n, 2.0), {"ward": 5, "icu": 1}
    options: dict[str, Any] = {"arrivals": coming, "capacities": sizes}
    world = on_ward(WARDS, patients, wards.Nothing(), **options)
    numbered = on_ward(WARDS, patients, wards.Nothing(), numbers=np.arange(n), **options)
    assert_same(numbered, world)
    silent = on_ward(WARDS, patients, wards.Nothing(), journal=False, **options)
    assert silent.lives.tobytes() == world.lives.tobytes()
    assert len(silent.rows) == 0
    nobody = on_ward(WARDS, patients[:0], wards.Nothing())
    assert (len(nobody.lives), nobody.first_row.tolist()) == (0, [0])
    with pytest.raises(ValueError, match="before day 0"):
        on_ward(WARDS, patients, wards.Nothing(), arrivals=coming - 10.0)


@pytest.mark.slow
def test_within_bounds() -> None:
    n = 300
    options: dict[str, Any] = {"arrivals": arrivals(n, 2.0), "capacities": {"ward": 5, "icu": 1}}
    patients = ward_patients(n)
    checked = on_ward(WARDS, patients, wards.Nothing(), checked=True, **options)
    assert_same(checked, on_ward(WARDS, patients, wards.Nothing(), **options))


def test_interpreted_it_is_the_same() -> None:
    """The same text without compilation: the file runs itself with the JIT off."""
    root = Path(__file__).parents[2]
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    code = (
        "from hospital.test_compiled_ward import *; n = 120;"
        "both(WARDS, ward_patients(n), wards.Nothing(), arrivals=np.floor(arrivals(n, 1.8)),"
        "capacities={'ward': 7, 'icu': 2}, openings={'icu': OFFICE_HOURS})"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
