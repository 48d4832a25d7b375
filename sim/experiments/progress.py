"""Progress of long work: a bar with an estimate on a terminal, a line every half minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOG_SECONDS = 30.0


@contextmanager
def progress(total: int, unit: str, *, quiet: bool = False, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show the progress of `total` units of work, `done` of which an earlier run has done.

    Yields
    ------
    callable
        Call it with the units just done.
    """
    if quiet:
        yield lambda done: None
    elif sys.stderr.isatty():
        with _bar(total, unit, done) as advance:
            yield advance
    else:
        yield _log(total, unit, done)


@contextmanager
def _bar(total: int, unit: str, earlier: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        started = time.perf_counter()
        task = bar.add_task(unit, total=total, completed=earlier, speed="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            finished = bar.tasks[0].completed - earlier
            bar.update(task, speed=f"{finished / (time.perf_counter() - started):,.0f} {unit}/s")

        yield advance


def _log(total: int, unit: str, earlier: int) -> Callable[[int], None]:
    started = last = time.perf_counter()
    finished = 0

    def advance(done: int) -> None:
        nonlocal last, finished
        finished += done
        now = time.perf_counter()
        if now - last >= LOG_SECONDS:
            last = now
            left = (now - started) * (total - earlier - finished) / max(finished, 1)
            speed = finished / (now - started)
            so_far = earlier + finished
            print(f"{so_far:,} of {total:,} {unit}, {speed:,.0f}/s, about {left:,.0f} s left", file=sys.stderr)

    return advance
