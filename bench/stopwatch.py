"""Seconds of work: of the processor (others on the machine disturb them little) and of the wall."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Seconds(NamedTuple):
    """CPU seconds (all threads) and wall seconds."""

    cpu: float
    wall: float


def clock(work: Callable[[], Any]) -> Seconds:
    """Do some work once and tell what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def quickest(work: Callable[[], Any], repeats: int) -> Seconds:
    """Do some work several times and give the time that took the least CPU: the one that was disturbed least."""
    return min(clock(work) for _ in range(max(repeats, 1)))


def clock_command(command: Sequence[str], environment: Mapping[str, str]) -> Seconds:
    """Run a command to its end and tell what it took, its own children included.

    Raises
    ------
    RuntimeError
        It failed; what it wrote to standard error is passed on.
    """
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=dict(environment))
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return Seconds(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)
