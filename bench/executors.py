"""What the program's own way of running costs beside the lives themselves, and what a second worker brings.

Unlike the other parts this is the whole way of a large run: cut into chunks, sent to workers, kept as parts, put
together again.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.pathway import count, simulation
from bench.size import Size
from bench.stopwatch import Seconds
from bench.table import Row

PART: Final = "scaling"


def with_children(work: Callable[[], Any]) -> Seconds:
    """Do some work once and tell what it took, worker processes that have ended included."""

    def spent() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    wall, cpu = time.perf_counter(), spent()
    work()
    return Seconds(spent() - cpu, time.perf_counter() - wall)


def gathered(patients: int, *executor: str) -> Seconds:
    """Run a comparison as the program does, into a folder that is thrown away."""
    from sim.experiments.folders import identity
    from sim.experiments.gathering import Counted, gather
    from sim.experiments.store import Store

    world = simulation("engine=batch", f"cohort.n={patients}", "journal=off", *executor)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "parts", identity(world.settings))
        return with_children(lambda: gather(world, [Counted], store))


def measure(size: Size) -> Iterator[Row]:
    """Time the lives alone, then under each executor; overhead is of CPU seconds, efficiency of wall seconds."""
    if not size.scaled:
        return
    count(simulation("engine=batch", "cohort.n=1"))
    policies = len(simulation("cohort.n=1").values)
    patients = max(size.scaled // policies, 1)
    world = simulation("engine=batch", f"cohort.n={patients}", "threads=1")
    alone = with_children(lambda: count(world))
    yield _row("lives and tally alone, nothing kept", patients * policies, alone, "")
    plain = gathered(patients, "executor=serial", "threads=1")
    yield _row("executor=serial", patients * policies, plain, _overhead(plain, alone))
    one = gathered(patients, "executor=local", "executor.workers=1")
    yield _row("executor=local, 1 worker", patients * policies, one, _overhead(one, alone))
    two = gathered(patients, "executor=local", "executor.workers=2")
    efficiency = f"efficiency {100 * one.wall / (2 * two.wall):.0f} % of 1 worker"
    yield _row("executor=local, 2 workers", patients * policies, two, f"{efficiency}; {_overhead(two, alone)}")


def _overhead(seconds: Seconds, alone: Seconds) -> str:
    return f"overhead {100 * (seconds.cpu / alone.cpu - 1):.1f} % of CPU"


def _row(what: str, lives: int, seconds: Seconds, note: str) -> Row:
    return Row(
        PART, f"{lives:,} lives: {what}", lives / seconds.wall, "lives/s (wall)", seconds.cpu, seconds.wall, note
    )
