"""Sums of floats that have no order, and the mean and variance they give.

A finite float is a whole number of ``2**-EXACT_BITS``; Python adds whole numbers of any length exactly. So a sum may
be formed in any order, in any number of processes, and the float nearest to it is what `math.fsum` gives for its terms.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

#: Every finite float is a whole number of ``2**-EXACT_BITS`` (its 53 digits end at ``2**-1074`` or above).
EXACT_BITS: Final = 1074 + 53
#: One, in that unit.
ONE: Final = 1 << EXACT_BITS


def exact(values: np.ndarray) -> np.ndarray:
    """Turn floats into whole numbers of ``2**-EXACT_BITS``, without rounding: an object array of the same shape."""
    fraction, exponent = np.frexp(values.ravel())
    digits = (fraction * 2.0**53).astype(np.int64).tolist()
    places = (exponent + (EXACT_BITS - 53)).tolist()
    whole = np.array([digit << place for digit, place in zip(digits, places, strict=True)], dtype=object)
    return whole.reshape(values.shape)


def mean_of(n: int, total: int, unit: int = 1) -> float:
    """Give a mean from an exact sum in units of ``1 / unit``; NaN when nobody is counted."""
    return total / (n * unit) if n else math.nan


def variance_of(n: int, total: int, squares: int, unit: int = 1) -> float:
    """Give the unbiased variance from exact sums of values and squares in units of ``1 / unit``; NaN below two."""
    if n < 2:
        return math.nan
    return max(0, n * squares * unit - total * total) / (n * (n - 1) * unit * unit)


def error_of(variance: float, n: int) -> float:
    """Give the standard error of a mean of n values."""
    return math.sqrt(variance / n) if n else math.nan


def share_of(n: int, hits: int) -> tuple[float, float]:
    """Give a proportion and its binomial standard error."""
    return (hits / n, math.sqrt(hits * (n - hits) / n) / n) if n else (math.nan, math.nan)
