"""Curves from exact counts: Kaplan-Meier, cumulative incidence and state occupancy on fixed grids of time.

Two grids, both in months of 30.4375 days. The *fine* grid has 1/32 month (23 hours) up to month 120 and one month up to
month 960; on it run product-limit estimates and medians. The *month* grid is months 0 to 120 and then every year up to
year 80; on it stand the written curves, and every point of it is a point of the fine grid. A time is counted in the
first grid point that is not before it (a time less than two minutes after a point still belongs to it), so
that every sum is a sum of whole numbers: it does not depend on how patients are split or ordered.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sim.units import DAYS_PER_MONTH

#: Standard normal quantile of a 95% interval.
Z95: Final = 1.959963984540054
#: Prior HCT strata that are counted; "all" is their sum.
STRATA: Final = 2

_STEPS: Final = 32
_FINE_MONTHS: Final = 120
_LAST_MONTH: Final = 960
_FINE_END: Final = _STEPS * _FINE_MONTHS
_TOLERANCE: Final = 1e-3

#: Fine code of a time after month 960, or never.
NEVER: Final = _FINE_END + _LAST_MONTH - _FINE_MONTHS + 1
#: Months at the points of the month grid.
GRID: Final = np.concatenate([np.arange(0, _FINE_MONTHS + 1), np.arange(_FINE_MONTHS + 12, _LAST_MONTH + 1, 12)])
#: Months at the points of the fine grid.
FINE: Final = np.concatenate([np.arange(_FINE_END + 1) / _STEPS, np.arange(_FINE_MONTHS + 1.0, _LAST_MONTH + 1)])
#: Month code of each fine code: index of the first point of `GRID` that is not before it.
MONTH_OF_FINE: Final = np.append(np.searchsorted(GRID, FINE), len(GRID)).astype(np.uint8)


def fine_codes(days: np.ndarray) -> np.ndarray:
    """Place times on the fine grid.

    Parameters
    ----------
    days
        Days since the clock began, any shape; infinite when never. Times before the clock count at 0.

    Returns
    -------
    numpy.ndarray
        int16 codes: 0 .. `NEVER`.
    """
    months = days.astype(np.float32)
    months *= np.float32(1.0 / DAYS_PER_MONTH)
    steps = months * np.float32(_STEPS)
    months += np.float32(_FINE_END - _FINE_MONTHS)
    np.minimum(steps, months, out=steps)
    steps -= np.float32(_TOLERANCE)
    np.minimum(np.ceil(steps, out=steps), np.float32(NEVER), out=steps)
    return np.maximum(steps.astype(np.int16), 0)


def fine_code_of_month(months: float) -> int:
    """Give the fine code of a month."""
    return int(fine_codes(np.array([months * DAYS_PER_MONTH]))[0])


def month_code(months: float) -> int:
    """Give the month code of a month of the grid."""
    return int(MONTH_OF_FINE[fine_code_of_month(months)])


def count(codes: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    """Count codes by stratum, row by row.

    Parameters
    ----------
    codes
        Codes 0 .. size - 1, shape (rows, n).
    group
        Stratum 0 or 1 times `size`, or 2 times `size` for whoever is not counted: shape (rows, n) or (n,).
    size
        Number of codes.

    Returns
    -------
    numpy.ndarray
        Counts, shape (2, rows, size), int64.
    """
    rows, groups = len(codes), STRATA + 1
    offset = (np.arange(rows) * (groups * size)).astype(np.int32)
    cells = np.bincount((codes + group + offset[:, None]).ravel(), minlength=rows * groups * size)
    return cells.reshape(rows, groups, size)[:, :STRATA].swapaxes(0, 1)


def product_limit(events: np.ndarray, censored: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate survival by Kaplan and Meier's product limit, with Greenwood's variance.

    Whoever is censored in a step of the grid is at risk in that step, as whoever is censored at the very time of an
    event is by convention.

    Parameters
    ----------
    events, censored
        Counts per fine code, shape (`NEVER` + 1,).

    Returns
    -------
    survival
        At the points of `FINE`.
    variance
        Greenwood's ``S(t)^2 sum d / (r (r - d))``; 0 where nobody is left.
    at_risk
        Number neither failed nor censored up to and including the point.
    """
    left = events + censored
    total = int(left.sum())
    after = total - np.cumsum(left)[:NEVER]
    before = after + left[:NEVER]
    failed = events[:NEVER]
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(np.where(before > 0, 1.0 - failed / before, 1.0))
        step = np.where(before > failed, failed / (before * (before - failed).astype(float)), 0.0)
    return survival, survival**2 * np.cumsum(step), after


def log_log_limits(
    survival: np.ndarray, variance: np.ndarray, at_risk: np.ndarray, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give pointwise 95% limits of a product-limit estimate on the log(-log) scale.

    Where the estimate is 0 or 1 that scale has no limits; Wilson's stand in, with all patients where nobody is left and
    with those still at risk before the first event.
    """
    n = np.where(survival > 0.0, at_risk, total)
    low, high = wilson_limits(survival * n, n)
    inside = (survival > 0.0) & (survival < 1.0) & (variance > 0.0)
    s = np.where(inside, survival, 0.5)
    width = Z95 * np.sqrt(np.where(inside, variance, 0.0)) / (s * -np.log(s))
    return np.where(inside, s ** np.exp(width), low), np.where(inside, s ** np.exp(-width), high)


def wilson_limits(hits: np.ndarray, total: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Give Wilson's 95% limits of proportions; NaN where nobody is counted."""
    n = np.asarray(total, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.asarray(hits, dtype=float) / n
        middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 / (1 + Z95**2 / n) * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
    return np.minimum(p, np.maximum(0.0, middle - half)), np.maximum(p, np.minimum(1.0, middle + half))


def quantile(survival: np.ndarray, level: float) -> float:
    """Give the months at which survival falls to `level`, linear within a step; NaN when it never does."""
    at = int(np.argmax(survival <= level))
    if survival[at] > level:
        return float("nan")
    if at == 0:
        return 0.0
    above, below = float(survival[at - 1]), float(survival[at])
    share = (above - level) / (above - below)
    return float(FINE[at - 1] + share * (FINE[at] - FINE[at - 1]))


def median(events: np.ndarray, censored: np.ndarray) -> tuple[float, float]:
    """Estimate the median, in months, and its standard error.

    The error is half the distance between the times at which survival crosses 1/2 plus and minus its own standard
    error at the median. Without censoring that error is ``sqrt(1/4n)`` and this is the interval between binomial order
    statistics. NaN where survival never falls to 1/2.
    """
    survival, variance, _ = product_limit(events, censored)
    middle = quantile(survival, 0.5)
    if not int(events.sum()) or np.isnan(middle):
        return float("nan"), float("nan")
    error = float(np.sqrt(variance[max(0, int(np.argmax(survival <= 0.5)) - 1)]))
    error = error or 0.5 / float(np.sqrt(events.sum()))
    early, late = quantile(survival, 0.5 + error), quantile(survival, 0.5 - error)
    return middle, (late - early) / 2.0
