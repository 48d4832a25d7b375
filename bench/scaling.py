"""What a second core brings, and what memory a run takes however long it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import executors
from bench.machine import cores
from bench.pathway import count, simulation
from bench.size import Size
from bench.stopwatch import Seconds, clock
from bench.table import Row


def threads(size: Size) -> Iterator[Row]:
    """Time the whole batch run on one thread and on more; efficiency is of wall seconds."""
    count(simulation("engine=batch", "cohort.n=1"))
    alone: Seconds | None = None
    for n in sorted({1, 2, cores()}):
        world = simulation("engine=batch", f"cohort.n={size.stream}", f"threads={n}")
        seconds = clock(lambda world=world: count(world))
        alone = alone or seconds
        share = alone.wall / (n * seconds.wall)
        note = f"efficiency {100 * share:.0f} %" + (f", {n} threads on {cores()} cores" if n > cores() else "")
        lives = size.stream * len(world.values)
        what = f"batch, {n} thread" + ("s" if n > 1 else "")
        yield Row("scaling", what, lives / seconds.wall, "lives/s (wall)", seconds.cpu, seconds.wall, note)


def measure(size: Size) -> Iterator[Row]:
    """Measure threads within this process, then worker processes under the program's own executors."""
    yield from threads(size)
    yield from executors.measure(size)


def peak(lives: int) -> float:
    """Give the peak resident memory in MiB of a process that runs so many lives on the batch."""
    code = f"from bench.scaling import print_peak; print_peak({lives})"
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=root, env=dict(os.environ)
    )
    if done.returncode:
        raise RuntimeError(f"the run of {lives} lives failed: {done.stderr.strip()}")
    return float(done.stdout)


def print_peak(lives: int) -> None:
    """Run so many lives and print this process's peak memory in MiB."""
    import resource

    policies = len(simulation("cohort.n=1").values)
    count(simulation("engine=batch", f"cohort.n={max(lives // policies, 1)}"))
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)


def memory(size: Size) -> Iterator[Row]:
    """Measure peak memory against the number of lives, without journal, on all cores."""
    for lives in size.lives:
        yield Row("memory", f"batch, {lives:,} lives", peak(lives), "MiB (peak)")
