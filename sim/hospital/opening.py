"""Opening hours: from ``mon-fri 8-16`` to the hours of a week."""

from __future__ import annotations

import re
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PART: Final = re.compile(r"([a-z,-]+)\s+(\d{1,2})-(\d{1,2})")


def open_hours(text: str) -> tuple[int, ...]:
    """Read opening hours.

    Parameters
    ----------
    text
        Days and hours, parts separated by semicolons: ``mon-fri 8-16; sat 9-12``, ``mon,thu 0-24``.

    Returns
    -------
    tuple of int
        168 flags, one for each hour from Monday midnight.

    Raises
    ------
    ValueError
        Saying what cannot be read.
    """
    hours = [0] * (24 * len(DAYS))
    for part in text.lower().split(";"):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise ValueError(
                f"cannot read {part.strip()!r}: write days and hours, for example 'mon-fri 8-16; sat 9-12'"
            )
        first, last = int(found.group(2)), int(found.group(3))
        if not 0 <= first < last <= 24:
            raise ValueError(f"{part.strip()!r}: hours must run from 0-23 to a later one up to 24")
        for day in _days(found.group(1)):
            hours[24 * day + first : 24 * day + last] = [1] * (last - first)
    return tuple(hours)


def _days(text: str) -> list[int]:
    days: list[int] = []
    for item in text.split(","):
        ends = item.split("-")
        for name in ends:
            if name not in DAYS:
                raise ValueError(f"unknown day {name!r}: one of {', '.join(DAYS)}")
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        if len(ends) > 2 or last < first:
            raise ValueError(f"{item!r}: days must run from one to a later one")
        days += range(first, last + 1)
    return days
