"""The parts that are measured."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sim.compose import settings_from
from sim.experiments.inputs import as_record
from sim.experiments.run import PATHWAY, Simulation
from sim.tally.counts import Tally


def _simulation(*overrides: str, journal: bool) -> Simulation:
    return Simulation(settings_from([*overrides, "quiet=true"]), journal)


def simpy_lives(n: int) -> float:
    """Lives per CPU second under SimPy, over all policies, with journal."""
    simulation = _simulation(f"cohort.n={n}", journal=True)
    list(simulation.blocks())
    started = time.process_time()
    blocks = list(simulation.blocks())
    lives = sum(len(part) for block in blocks for part in block.lives.values())
    return lives / (time.process_time() - started)


def batch_kernel(journal: bool, repeats: int = 5) -> float:
    """Lives per CPU second of the compiled pathway itself: the median over policies and repeats of one block."""
    from sim.engine.batch import run_batch

    simulation = _simulation("engine=batch", "cohort.n=4096", journal=journal)
    attributes = simulation.attributes(0, 4096)
    speeds = []
    for values in simulation.values.values():
        record = as_record(values)
        run_batch(PATHWAY, attributes, record, seed=1, journal=journal)
        for _ in range(repeats):
            started = time.process_time()
            run_batch(PATHWAY, attributes, record, seed=1, journal=journal)
            speeds.append(len(attributes) / (time.process_time() - started))
    return float(np.median(speeds))


def batch_stream(n: int, journal: bool) -> float:
    """Lives per second of a whole batch run on one thread: cohort, kernel and tally."""
    simulation = _simulation("engine=batch", f"cohort.n={n}", "threads=1", journal=journal)
    tally = Tally(list(simulation.settings.policy), "infusion", "watch", simulation.horizon)
    next(iter(_simulation("engine=batch", "cohort.n=1", journal=journal).blocks()))
    started = time.perf_counter()
    for block in simulation.blocks():
        tally.add(block.first, block.lives)
    return n * len(simulation.settings.policy) / (time.perf_counter() - started)


def slowest_parts() -> str:
    """Say where a batch run without journal spends its time."""
    from sim.engine.batch import run_batch

    simulation = _simulation("engine=batch", "cohort.n=4096", journal=False)
    records = {name: as_record(values) for name, values in simulation.values.items()}
    tally = Tally(list(records), "infusion", "watch", simulation.horizon)
    spent: dict[str, float] = {}

    def clock(label: str, work: Any) -> Any:
        started = time.perf_counter()
        result = work()
        spent[label] = spent.get(label, 0.0) + time.perf_counter() - started
        return result

    attributes = clock("drawing the cohort", lambda: simulation.attributes(0, 4096))
    lives = {}
    for name, record in records.items():
        run_batch(PATHWAY, attributes, record, seed=1, journal=False)
        run = clock("the kernel", lambda record=record: run_batch(PATHWAY, attributes, record, seed=1, journal=False))
        lives[name] = run[0]
    clock("the tally", lambda: tally.add(0, lives))
    total = sum(spent.values())
    parts = ", ".join(f"{label} {100 * s / total:.0f} %" for label, s in sorted(spent.items(), key=lambda x: -x[1]))
    slowest = max(spent, key=lambda label: spent[label])
    return (
        f"{parts}; slowest: {slowest}. Halving a run means halving it (fewer visits and infections a life, or "
        "records narrower than the 1.7 kB that each life moves)."
    )


def all_targets(patients: int = 8192) -> float:
    """CPU seconds of one evaluation of all fitted targets on one core (best of five)."""
    from sim.calibration.evaluator import FastEvaluator

    model = FastEvaluator(settings_from(["experiment=validate"]), patients=patients)
    model({})
    seconds = []
    for nth in range(5):
        started = time.process_time()
        model({"biology.leukaemia.kill": 1.0 + nth / 10.0})
        seconds.append(time.process_time() - started)
    return min(seconds)
