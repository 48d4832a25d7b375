"""What a calibration asks for again and again: all published quantities, emulated at one set of parameter values."""

from __future__ import annotations

from collections.abc import Iterator

from bench.size import Size
from bench.stopwatch import quickest
from bench.table import Row
from sim.calibration.evaluator import FastEvaluator
from sim.compose import settings_from

PART = "calibration"


def measure(size: Size) -> Iterator[Row]:
    """Time one evaluation on one thread: the fitted quantities, and with those that are only shown."""
    settings = settings_from(["experiment=calibrate", "quiet=true"])
    for shown in (False, True):
        model = FastEvaluator(settings, patients=size.emulated, shown=shown)
        model({})
        seconds = quickest(lambda model=model: model({}), min(size.repeats, 5))
        also = ", those only shown too" if shown else ""
        note = f"{len(model.targets)} quantities, {size.emulated:,} patients a cohort"
        yield Row(PART, f"one evaluation of all targets{also}", seconds.cpu, "s (CPU)", seconds.cpu, seconds.wall, note)
