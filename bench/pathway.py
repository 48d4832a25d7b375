"""The project's pathway on both engines: lives a second, with and without journal, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.size import Size
from bench.stopwatch import Seconds, clock, quickest
from bench.table import Row
from sim.compose import settings_from
from sim.experiments.inputs import as_record
from sim.experiments.run import PATHWAY, Simulation
from sim.tally.counts import Tally

PART = "pathway"


def simulation(*overrides: str, journal: bool = False) -> Simulation:
    """Prepare a default comparison (all policies) with some keys changed."""
    return Simulation(settings_from([*overrides, "quiet=true"]), journal)


def per_life(what: str, lives: int, seconds: Seconds, note: str = "") -> Row:
    """Make a row of lives a CPU second."""
    return Row(PART, what, lives / seconds.cpu, "lives/s", seconds.cpu, seconds.wall, note)


def named(what: str, journal: bool) -> str:
    """Say whether the journal is kept."""
    return f"{what}, {'with' if journal else 'without'} journal"


def under_simpy(size: Size) -> Iterator[Row]:
    """Time SimPy, the engine of reference."""
    for journal in (True, False):
        world = simulation("engine=simpy", f"cohort.n={size.simpy}", journal=journal)
        seconds = quickest(lambda world=world: list(world.blocks()), min(size.repeats, 3))
        yield per_life(named("SimPy", journal), size.simpy * len(world.values), seconds)


def kernel(size: Size) -> Iterator[Row]:
    """Time the compiled pathway alone: one block under each policy."""
    from sim.engine.batch import run_batch

    for journal in (True, False):
        world = simulation("engine=batch", f"cohort.n={size.block}", journal=journal)
        attributes = world.attributes(0, size.block)
        total = Seconds(0.0, 0.0)
        for values in world.values.values():
            record = as_record(values)

            def live(record: Any = record, attributes: Any = attributes, journal: bool = journal) -> None:
                run_batch(PATHWAY, attributes, record, seed=1, journal=journal)

            live()
            best = quickest(live, size.repeats)
            total = Seconds(total.cpu + best.cpu, total.wall + best.wall)
        yield per_life(named("batch: the compiled kernel alone", journal), size.block * len(world.values), total)


def count(world: Simulation) -> None:
    """Run a cohort and count its outcomes, as an experiment does."""
    tally = Tally(list(world.settings.policy), "infusion", "watch", world.horizon)
    for block in world.blocks():
        tally.add(block.first, block.lives)


def stream(size: Size) -> Iterator[Row]:
    """Time a whole batch run on one thread: cohort, kernel and tally."""
    count(simulation("engine=batch", "cohort.n=1"))
    for journal, patients in ((True, max(size.stream // 5, 1)), (False, size.stream)):
        world = simulation("engine=batch", f"cohort.n={patients}", "threads=1", journal=journal)
        seconds = clock(lambda world=world: count(world))
        what = named("batch: cohort, kernel and tally on one thread", journal)
        yield per_life(what, patients * len(world.values), seconds)


def costs(size: Size) -> Iterator[Row]:
    """Tell what each step of a batch run costs a life."""
    from sim.engine.batch import run_batch

    world = simulation("engine=batch", f"cohort.n={size.block}")
    records = {name: as_record(values) for name, values in world.values.items()}
    attributes = world.attributes(0, size.block)

    def live() -> dict[str, Any]:
        return {
            name: run_batch(PATHWAY, attributes, record, seed=1, journal=False)[0] for name, record in records.items()
        }

    lives = live()
    fresh = iter([Tally(list(records), "infusion", "watch", world.horizon) for _ in range(size.repeats)])
    steps = {
        "drawing the cohort": lambda: world.attributes(0, size.block),
        "the kernel": live,
        "the tally": lambda: next(fresh).add(0, lives),
    }
    n = size.block * len(records)
    for label, step in steps.items():
        seconds = quickest(step, size.repeats)
        yield Row(PART, f"cost of {label}", 1e6 * seconds.cpu / n, "µs/life", seconds.cpu, seconds.wall)


def measure(size: Size) -> Iterator[Row]:
    """Measure the pathway."""
    yield from under_simpy(size)
    yield from kernel(size)
    yield from stream(size)
    yield from costs(size)
