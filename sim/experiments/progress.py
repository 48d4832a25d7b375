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
        pace = Pace()
        task = bar.add_task(unit, total=total, completed=earlier, speed="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            pace.report(done)
            bar.update(task, speed=rate(pace.per_second(), f" {unit}"))

        yield advance


def rate(per_second: float, unit: str = "") -> str:
    """Say how fast work goes: by the second, by the minute where that would be less than one."""
    if per_second >= 1.0:
        return f"{per_second:,.0f}{unit}/s"
    return f"{60.0 * per_second:,.1f}{unit}/min"


def remaining(work: int, per_second: float) -> str:
    """Say how long the work left will take; there may be more of it than was expected."""
    return f"about {work / max(per_second, 1e-9):,.0f} s left" if work > 0 else "more than expected, nearly done"


class Pace:
    """How fast work goes; what came before the first report (starting, compiling) counts only until the second one."""

    def __init__(self) -> None:
        self.finished = 0
        self._since, self._before = time.perf_counter(), 0
        self._first: float | None = None
        self._warm = False

    def report(self, done: int) -> None:
        """Note work just done."""
        if self._first is None:
            self._first = time.perf_counter()
        elif not self._warm:
            self._since, self._before, self._warm = self._first, self.finished, True
        self.finished += done

    def per_second(self) -> float:
        """Give the work done in a second."""
        return (self.finished - self._before) / max(time.perf_counter() - self._since, 1e-9)


def _log(total: int, unit: str, earlier: int) -> Callable[[int], None]:
    last, pace = time.perf_counter(), Pace()

    def advance(done: int) -> None:
        nonlocal last
        pace.report(done)
        now = time.perf_counter()
        if now - last >= LOG_SECONDS:
            last = now
            so_far, speed = earlier + pace.finished, pace.per_second()
            print(f"{so_far:,} of {total:,} {unit}, {rate(speed)}, {remaining(total - so_far, speed)}", file=sys.stderr)

    return advance
