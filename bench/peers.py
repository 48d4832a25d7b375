"""The peers' models through the general engines, beside the speeds their own programs reach.

The models are those of ``tests/models``, where `tests/peers` checks them against WARDEN patient by patient.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.size import Size
from bench.stopwatch import Seconds, quickest
from bench.table import Row

PART = "peers"
UNIT = "patient-arms/s"
#: Speeds of the peers' own programs: program, model, from, to (patient-arms a CPU second on one core).
QUOTED: Final = (
    ("WARDEN 2.0.2 (R)", "warden_ssd", 1_430, 1_670),
    ("WARDEN 2.0.2 (R)", "warden_ebc", 660, 750),
    ("WARDEN 2.0.2 (R)", "warden_constrained", 1_035, 1_035),
    ("heormodel (SimPy)", "warden_ssd", 5_000, 5_000),
    ("hesim (C++), three-state model", "warden_ssd", 35_000, 363_000),
)
TITLES: Final = {
    "warden_ssd": "sick-sicker-dead",
    "warden_ebc": "early breast cancer",
    "warden_constrained": "sick-sicker-dead with shared beds",
}
BEDS: Final = 650  # per 1,000 patients


def patients_of(model: str, n: int) -> np.ndarray:
    """Draw both arms of a model's patients, half of the n each."""
    from models.catalogue import example, women

    if model == "warden_ebc":
        return np.concatenate([women(n - n // 2, 1), women(n // 2, 0)])
    return example(model, n).patients


def pathway_of(model: str) -> tuple[Any, Any]:
    """Give a model's handlers and inputs."""
    _find_models()
    from models.catalogue import example

    found = example(model, 1)
    return found.pathway, found.parameters


def _find_models() -> None:
    tests = str(Path(__file__).resolve().parents[1] / "tests")
    if tests not in sys.path:
        sys.path.append(tests)


def _row(what: str, model: str, n: int, seconds: Seconds, note: str = "") -> Row:
    return Row(PART, f"{TITLES[model]}: {what}", n / seconds.cpu, UNIT, seconds.cpu, seconds.wall, note)


def on_batch(model: str, size: Size) -> Iterator[Row]:
    """Time the compiled batch on one core."""
    from models.running import as_row

    from sim.engine.batch import run_batch

    pathway, inputs = pathway_of(model)
    patients, row = patients_of(model, size.arms), as_row(inputs)
    blocks = [patients[i : i + size.block] for i in range(0, size.arms, size.block)]

    def live(of: Callable[[], list[np.ndarray]], journal: bool) -> None:
        for block in of():
            run_batch(pathway, block, row, seed=1, journal=journal)

    def drawn() -> list[np.ndarray]:
        whole = patients_of(model, size.arms)
        return [whole[i : i + size.block] for i in range(0, size.arms, size.block)]

    live(lambda: blocks[:1], False)
    ways: list[tuple[str, Callable[[], list[np.ndarray]], bool]] = [
        ("batch", lambda: blocks, False),
        ("batch, with journal", lambda: blocks, True),
    ]
    if model != "warden_ssd":  # that one draws its times in the engine
        ways.append(("batch, with the drawing of its patients", drawn, False))
    note = "every bed granted" if model == "warden_constrained" else ""
    for what, of, journal in ways:
        yield _row(what, model, size.arms, quickest(lambda of=of, j=journal: live(of, j), size.repeats), note)


def on_simpy(model: str, size: Size) -> Row:
    """Time SimPy, with the shared beds where the model has them."""
    from sim.engine.simpy_driver import run_simpy

    pathway, inputs = pathway_of(model)
    n = max(size.arms // 20, 2)
    patients = patients_of(model, n)
    capacities = {"bed": n * BEDS // 1000} if pathway.pools else None
    seconds = quickest(lambda: run_simpy(pathway, patients, inputs, seed=1, capacities=capacities), 1)
    return _row("SimPy, with journal", model, n, seconds, f"{BEDS} beds per 1,000 patients" if capacities else "")


def quoted(model: str) -> Iterator[Row]:
    """Quote what the peers' programs reach."""
    for program, of, low, high in QUOTED:
        if of == model:
            note = "quoted, measured earlier on one machine" + (f": {low:,} to {high:,}" if high > low else "")
            yield Row(PART, f"{TITLES[model]}: {program}", high, UNIT, note=note)


def measure(size: Size) -> Iterator[Row]:
    """Measure the peers' models and quote the peers."""
    _find_models()
    for model in TITLES:
        yield from on_batch(model, size)
        yield on_simpy(model, size)
        yield from quoted(model)
