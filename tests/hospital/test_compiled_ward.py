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
from theory.statistics import Z

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


# --- closed forms through the same compiled queues: 13 statistics at |z| < 4, an error rate of 8e-4 together

MANY = 200_000
WARM = 20_000
BATCHES = 90  # of two thousand consecutive customers: about independent


def queue_of(servers: int, rate: float, service: np.ndarray, patience: np.ndarray | None = None) -> World:
    """Send many customers through the compiled queue, first come first served."""
    patients = crowd(MANY, service=service, patience=np.full(MANY, math.inf) if patience is None else patience)
    options: dict[str, Any] = {"capacities": {"server": servers}, "numbers": equals(MANY), "journal": False}
    return on_ward(QUEUE, patients, queue.Nothing(), arrivals=arrivals(MANY, rate), **options)


def exponential(decision: int, mean: float = 1.0) -> np.ndarray:
    return -mean * np.log(draw(MANY, decision))


def z_of(values: np.ndarray, expected: float) -> float:
    """z score of a mean over consecutive customers, by batch means."""
    means = values[WARM:].reshape(BATCHES, -1).mean(axis=1)
    return float((means.mean() - expected) / (means.std(ddof=1) / math.sqrt(BATCHES)))


def waited(world: World) -> np.ndarray:
    return np.minimum(world.lives["began"], world.lives["left"])


def erlang_b(servers: int, load: float) -> float:
    """Share of customers lost where nobody waits (M/G/c/c), by its recursion."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Share of customers who wait in M/M/c."""
    blocked = erlang_b(servers, load)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def test_erlang_b_whatever_the_length_of_service() -> None:
    """Who finds all servers busy leaves at once: the share lost depends on the mean service alone."""
    lengths = {
        "M": exponential(100),
        "D": np.ones(MANY),
        "H": exponential(100) * np.where(draw(MANY, 101) < 0.2, 3, 0.5),
    }
    for service in lengths.values():
        world = queue_of(4, 3.0, service, patience=np.zeros(MANY))
        assert abs(z_of(world.lives["reneged"], erlang_b(4, 3.0))) < Z


def test_erlang_c_and_little() -> None:
    world = queue_of(5, 4.2, exponential(100))
    blocked = erlang_c(5, 4.2)
    assert abs(z_of(waited(world) > 0.0, blocked)) < Z
    assert abs(z_of(waited(world), blocked / (5 - 4.2))) < Z
    coming = arrivals(MANY, 4.2)
    moments = np.linspace(coming[WARM], coming[-1], MANY - WARM + 1)[:-1]
    gone = np.sort(coming + world.lives["left"])
    present = np.searchsorted(coming, moments, side="right") - np.searchsorted(gone, moments, side="right")
    padded = np.concatenate([np.zeros(WARM), present])
    assert abs(z_of(padded, 4.2 * (blocked / (5 - 4.2) + 1.0))) < Z, "number present = rate x time present"


def test_pollaczek_khinchine() -> None:
    """M/G/1: the mean wait is rate E(S^2) / (2 (1 - load)), for constant, exponential and lognormal service."""
    from scipy.special import ndtri

    log_sd = 0.6
    lognormal = np.exp(log_sd * ndtri(draw(MANY, 100)) - 0.5 * log_sd**2)
    squares = {1.0: np.ones(MANY), 2.0: exponential(100), math.exp(log_sd**2): lognormal}
    for second_moment, service in squares.items():
        world = queue_of(1, 0.7, service)
        assert abs(z_of(waited(world), 0.7 * second_moment / (2.0 * 0.3))) < Z


def test_reneging_queue() -> None:
    """M/M/3+M, overloaded: share who give up and time in line, from the steady state of a birth-death chain."""
    world = queue_of(3, 3.6, exponential(100), patience=exponential(101, 0.7))
    leave, weights = 1.0 / 0.7, [1.0]
    for k in range(1, 200):
        weights.append(weights[-1] * 3.6 / (min(k, 3) + max(0, k - 3) * leave))
    length = sum(max(0, k - 3) * w for k, w in enumerate(weights)) / sum(weights)
    assert abs(z_of(world.lives["reneged"], leave * length / 3.6)) < Z
    assert abs(z_of(waited(world), length / 3.6)) < Z


def test_two_ranks() -> None:
    """M/M/1 with two ranks, the urgent one not interrupting: Cobham's mean waits."""
    rank = draw(MANY, 103) < 0.4
    numbers = np.arange(MANY) * 3 + rank
    world = on_ward(
        QUEUE,
        crowd(MANY, service=exponential(100), patience=np.full(MANY, math.inf)),
        queue.Nothing(),
        arrivals=arrivals(MANY, 0.7),
        capacities={"server": 1},
        numbers=numbers,
        journal=False,
    )
    first, both_ranks = 0.7 * 0.6, 0.7
    expected = {False: 0.7 / (1.0 - first), True: 0.7 / ((1.0 - first) * (1.0 - both_ranks))}
    wait, late = waited(world), np.arange(MANY) >= WARM
    for second, mean in expected.items():
        mine = wait[late & (rank == second)]
        means = mine[: len(mine) // 100 * 100].reshape(100, -1).mean(axis=1)
        assert abs(means.mean() - mean) / (means.std(ddof=1) / 10.0) < Z


@pytest.mark.slow
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
