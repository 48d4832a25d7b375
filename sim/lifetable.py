"""Background mortality in closed form: a life table's cumulative hazard and its inverse.

Within a year of age the hazard is constant, ``-ln(1 - q)``; the last finite hazard is held beyond the table. Ages are
years, hazards per year of age; a standardised mortality ratio multiplies the hazard.
"""

from __future__ import annotations

import math
from typing import Any, Final

#: Ages a table covers (0..AGES-1); each sex's cumulative hazard has one entry more.
AGES: Final = 101


def cumulative_hazard(table: Any, offset: int, age: float) -> float:
    """Cumulative background hazard from birth to `age` (years).

    Parameters
    ----------
    table
        Cumulative hazards at ages 0, 1, ... `AGES`, the sexes one behind the other.
    offset
        Index at which the patient's sex begins.
    age
        Age in years, 0 or more.
    """
    whole = int(math.floor(age))
    if whole >= AGES:
        last = table[offset + AGES] - table[offset + AGES - 1]
        return table[offset + AGES] + (age - AGES) * last
    step = table[offset + whole + 1] - table[offset + whole]
    return table[offset + whole] + (age - whole) * step


def age_at_hazard(table: Any, offset: int, hazard: float) -> float:
    """Invert `cumulative_hazard`: the age at which the cumulative hazard reaches `hazard`."""
    if hazard >= table[offset + AGES]:
        last = table[offset + AGES] - table[offset + AGES - 1]
        return AGES + (hazard - table[offset + AGES]) / last
    low, high = 0, AGES
    while high - low > 1:
        middle = (low + high) // 2
        if table[offset + middle] <= hazard:
            low = middle
        else:
            high = middle
    step = table[offset + low + 1] - table[offset + low]
    return low + (hazard - table[offset + low]) / step
