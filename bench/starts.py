"""How long it takes to begin: `--help`, the first compilation, a start from the compile cache."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator

from bench.size import Size
from bench.stopwatch import Seconds, clock_command
from bench.table import Row

PART = "starts"
SIM = (sys.executable, "-m", "sim")


def _row(what: str, seconds: Seconds, note: str = "") -> Row:
    return Row(PART, what, seconds.cpu, "s (CPU)", seconds.cpu, seconds.wall, note)


def measure(size: Size) -> Iterator[Row]:
    """Measure starts, each in processes of its own."""
    here = dict(os.environ)
    yield _row("python -m sim --help", min(clock_command([*SIM, "--help"], here) for _ in range(min(size.repeats, 3))))
    with tempfile.TemporaryDirectory() as folder:
        empty = {**here, "CARTWIN_CACHE": f"{folder}/cache"}
        for what in ("first batch run: cold compile", "the same from the compile cache"):
            command = [*SIM, "engine=batch", "cohort.n=1", "policy=watch", "quiet=true", f"out={folder}/run"]
            yield _row(what, clock_command(command, empty), "one patient, with the report")
        kernel = [sys.executable, "-c", "from bench.starts import first_life; first_life()"]
        yield _row("first life from the compile cache", clock_command(kernel, empty), "imports, load, one life")


def first_life() -> None:
    """Compile or load the kernel and live one life with it."""
    from bench.pathway import simulation

    next(iter(simulation("engine=batch", "cohort.n=1", "policy=watch").blocks()))
