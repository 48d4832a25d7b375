"""The reduced pathway on the general engine beside the same by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.floor.by_hand import in_c
from bench.floor.in_numba import in_numba
from bench.floor.reduced import PATHWAY, Numbers
from bench.size import Size
from bench.stopwatch import Seconds, quickest
from bench.table import Row

PART = "floor"
HORIZON = 50.0 * 365.25


def crowd(n: int) -> np.ndarray:
    """Patients whose burden runs from low to high."""
    patients = np.zeros(n, dtype=[("burden", np.float64)])
    patients["burden"] = np.linspace(-6.0, 0.0, n)
    return patients


def parameters(numbers: Numbers) -> np.ndarray:
    """Pack the numbers as the batch engine reads them."""
    from dataclasses import asdict

    from sim.experiments.inputs import as_record

    return as_record(asdict(numbers))


def general(journal: bool) -> Callable[[np.ndarray, int], Any]:
    """Give the general batch engine as a function of patients and seed."""
    from sim.engine.batch import run_batch

    record = parameters(Numbers())
    return lambda patients, seed: run_batch(PATHWAY, patients, record, seed=seed, horizon=HORIZON, journal=journal)


def by_hand(run: Callable[..., np.ndarray]) -> Callable[[np.ndarray, int], Any]:
    """Give a loop by hand as a function of patients and seed."""
    return lambda patients, seed: run(patients["burden"], Numbers(), seed, 0, HORIZON)


def measure(size: Size) -> Iterator[Row]:
    """Measure the floor, and how far above it the general engine is."""
    patients = crowd(size.block)

    def time(run: Callable[[np.ndarray, int], Any]) -> Seconds:
        run(patients, 1)
        return quickest(lambda: run(patients, 1), 3 * size.repeats)

    def row(what: str, seconds: Seconds, note: str) -> Row:
        return Row(PART, what, len(patients) / seconds.cpu, "lives/s", seconds.cpu, seconds.wall, note)

    loops = {"by hand, a flat loop in Numba": time(by_hand(in_numba()))}
    try:
        loops["by hand, in C"] = time(by_hand(in_c()))
    except RuntimeError as why:
        yield Row(PART, "by hand, in C", float("nan"), "lives/s", note=f"not measured: {why}")
    for what, seconds in loops.items():
        yield row(what, seconds, "same draws, same bits")
    floor = min(loops.values()).cpu
    for journal in (False, True):
        seconds = time(general(journal))
        what = "general batch engine, " + ("with journal" if journal else "without journal")
        yield row(what, seconds, f"{seconds.cpu / floor:.2f} times the floor")
