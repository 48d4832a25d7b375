"""Places that patients share: opening hours, and the book of who asked for what, when, and got it or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

HOURS: Final = 24.0
WEEK_HOURS: Final = 168
#: A moment this close before the hour (in hours) counts as the hour: sleeping rounds the clock.
_ROUNDING: Final = 1e-6

#: One stay in line and on a place. Days on the hospital's clock; never: infinity.
PLACE: Final = np.dtype(
    [
        ("patient", np.int64),  # index within the run
        ("pool", np.int64),
        ("asked", np.float64),
        ("granted", np.float64),  # infinite: left the queue without a place
        ("left", np.float64),  # infinite: nothing ever ended it
    ]
)


class Book:
    """Records every request for a place; hand one to an engine and read `rows` afterwards.

    Attributes
    ----------
    rows
        Array of `PLACE`, by patient, each in the order of asking.
    """

    def __init__(self) -> None:
        self.rows: np.ndarray = np.zeros(0, dtype=PLACE)


def days_until_open(open_hours: Any, now: float) -> float:
    """Give the days from `now` until places are given again: 0 when open.

    Parameters
    ----------
    open_hours
        168 flags, one for each hour of the week; day 0 of the hospital is a Monday. All zero: never open.
    now
        Days on the hospital's clock.
    """
    hour = int(math.floor(now * HOURS + _ROUNDING))
    for ahead in range(WEEK_HOURS):
        if open_hours[(hour + ahead) % WEEK_HOURS] != 0:
            return 0.0 if ahead == 0 else (hour + ahead) / HOURS - now
    return math.inf


def opening_table(pools: Sequence[str], openings: dict[str, Sequence[int] | None] | None) -> np.ndarray:
    """Lay out opening hours by pool, shape (pools, 168); a pool without hours is always open."""
    table = np.ones((len(pools), WEEK_HOURS), dtype=np.int64)
    for row, name in enumerate(pools):
        hours = (openings or {}).get(name)
        if hours is not None:
            table[row] = hours
    return table
