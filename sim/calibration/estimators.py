"""The estimators that papers use, fast: Kaplan-Meier, Aalen-Johansen, medians and Cox regression on simulated times.

Each returns the value with its Monte-Carlo standard error (the sampling error of the simulated patients). Times are
days; a patient is observed up to `time`, with a code of what ended it: 0 censored, 1 the event, 2 a competing event.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from sim.kernel import scalar

CENSORED: Final = 0
EVENT: Final = 1
COMPETING: Final = 2
#: Newton steps of a Cox regression, and when it has arrived.
STEPS: Final = 30
ARRIVED: Final = 1e-9
#: Days within which the end of follow-up counts as reached.
ROUNDING: Final = 1e-6
#: A log hazard ratio beyond this has no finite maximum of the likelihood.
LARGEST: Final = 15.0


class Estimate(NamedTuple):
    """A value with its Monte-Carlo standard error; where it does not exist NaN, and why."""

    value: float
    error: float
    note: str = ""


def nothing(reason: str) -> Estimate:
    """Say that an estimate does not exist, and why."""
    return Estimate(math.nan, math.nan, reason)


def share(hits: int, among: int) -> Estimate:
    """Share of patients, with its binomial error."""
    if among == 0:
        return nothing("nobody is in this group")
    p = hits / among
    return Estimate(p, math.sqrt(p * (1.0 - p) / among))


def _product_limit(time: np.ndarray, code: np.ndarray, at: float) -> tuple[float, float]:
    """Kaplan-Meier at a time from sorted times: the estimate and Greenwood's sum (events before losses in ties)."""
    n = len(time)
    survival = 1.0
    greenwood = 0.0
    i = 0
    while i < n and time[i] <= at:
        here = time[i]
        at_risk = n - i
        events = 0
        while i < n and time[i] == here:
            if code[i] == 1:
                events += 1
            i += 1
        if events > 0:
            survival *= 1.0 - events / at_risk
            if at_risk > events:
                greenwood += events / (at_risk * (at_risk - events))
    return survival, greenwood


_fast_product_limit = scalar(_product_limit)


def kaplan_meier(time: np.ndarray, code: np.ndarray, at: float) -> Estimate:
    """Estimate survival at a time (Greenwood error); competing events count as censoring.

    Parameters
    ----------
    time
        Days observed.
    code
        What ended it.
    at
        Days.
    """
    if len(time) == 0:
        return nothing("nobody is in this group")
    early = time <= at
    if not (early & (code != EVENT)).any():
        return share(len(time) - int(np.count_nonzero(early)), len(time))
    if not (time >= at - ROUNDING).any() and code[np.argmax(time)] != EVENT:
        return nothing("nobody is followed so long")
    order = np.argsort(time, kind="stable")
    value, greenwood = _fast_product_limit(time[order], code[order], at)
    return Estimate(float(value), float(value * math.sqrt(greenwood)))


def kaplan_meier_curve(time: np.ndarray, code: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Estimate survival at many times (days, rising)."""
    order = np.argsort(time, kind="stable")
    time, events = time[order], (code[order] == EVENT).astype(float)
    stops, first = np.unique(time, return_index=True)
    at_risk = len(time) - first
    factors = 1.0 - np.add.reduceat(events, first) / at_risk
    steps = np.concatenate([[1.0], np.cumprod(factors)])
    return np.asarray(steps[np.searchsorted(stops, grid, side="right")])


def _cumulative(time: np.ndarray, code: np.ndarray, at: float) -> float:
    n = len(time)
    survival = 1.0
    incidence = 0.0
    i = 0
    while i < n and time[i] <= at:
        here = time[i]
        at_risk = n - i
        events = 0
        either = 0
        while i < n and time[i] == here:
            if code[i] == 1:
                events += 1
            if code[i] != 0:
                either += 1
            i += 1
        incidence += survival * events / at_risk
        survival *= 1.0 - either / at_risk
    return incidence


_fast_cumulative = scalar(_cumulative)


def aalen_johansen(time: np.ndarray, code: np.ndarray, at: float) -> Estimate:
    """Estimate the cumulative incidence of the event at a time, with competing events.

    The error is that of a binomial share of those entered: exact without censoring, a little too small with it.
    """
    n = len(time)
    if n == 0:
        return nothing("nobody is in this group")
    early = time <= at
    if not (early & (code == CENSORED)).any():
        return share(int(np.count_nonzero(early & (code == EVENT))), n)
    if not (time >= at - ROUNDING).any():
        return nothing("nobody is followed so long")
    order = np.argsort(time, kind="stable")
    value = float(_fast_cumulative(time[order], code[order], at))
    return Estimate(value, math.sqrt(value * (1.0 - value) / n))


def median_time(time: np.ndarray, code: np.ndarray) -> Estimate:
    """Estimate the median time to the event by Kaplan-Meier, in days; its error from the curve one error around it."""
    n = len(time)
    if n == 0:
        return nothing("nobody is in this group")
    order = np.argsort(time, kind="stable")
    time, events = time[order], code[order] == EVENT
    stops, first = np.unique(time, return_index=True)
    curve = np.cumprod(1.0 - np.add.reduceat(events.astype(float), first) / (n - first))
    if curve[-1] > 0.5:
        return nothing(f"the median is never reached (the curve ends at {100.0 * curve[-1]:.0f}%)")
    half = 0.5 / math.sqrt(n)
    low, value, high = (_crossing(stops, curve, level) for level in (0.5 + half, 0.5, 0.5 - half))
    return Estimate(value, (high - low) / 2.0)


def _crossing(stops: np.ndarray, curve: np.ndarray, level: float) -> float:
    """First time at which the curve is at or below a level."""
    place = int(np.searchsorted(-curve, -level - 1e-12))
    return float(stops[min(place, len(stops) - 1)])


# --- Cox regression ---------------------------------------------------------------------------------------------------


def _newton(
    start: np.ndarray,
    stop: np.ndarray,
    code: np.ndarray,
    x: np.ndarray,
    by_stop: np.ndarray,
    by_start: np.ndarray,
    beta: np.ndarray,
    information: np.ndarray,
    steps: int,
) -> int:
    """Maximise the partial likelihood (Efron's ties, intervals from `start` to `stop`); return the steps taken.

    `by_stop` and `by_start` order the rows from late to early. Result in `beta` and `information`; -1: no maximum.
    """
    n, p = x.shape
    weight = np.empty(n)
    score = np.empty(p)
    s1 = np.empty(p)
    s2 = np.empty((p, p))
    d1 = np.empty(p)
    d2 = np.empty((p, p))
    mean = np.empty(p)
    change = np.empty(p)
    work = np.empty((p, p))
    for step in range(steps):
        for i in range(n):
            linear = 0.0
            for a in range(p):
                linear += beta[a] * x[i, a]
            weight[i] = math.exp(linear)
        s0 = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        score[:] = 0.0
        information[:] = 0.0
        entered = 0
        left = 0
        while entered < n:
            here = stop[by_stop[entered]]
            d0 = 0.0
            d1[:] = 0.0
            d2[:] = 0.0
            events = 0
            while entered < n and stop[by_stop[entered]] == here:
                i = by_stop[entered]
                w = weight[i]
                s0 += w
                for a in range(p):
                    s1[a] += w * x[i, a]
                    for b in range(p):
                        s2[a, b] += w * x[i, a] * x[i, b]
                if code[i] == 1:
                    events += 1
                    d0 += w
                    for a in range(p):
                        score[a] += x[i, a]
                        d1[a] += w * x[i, a]
                        for b in range(p):
                            d2[a, b] += w * x[i, a] * x[i, b]
                entered += 1
            while left < n and start[by_start[left]] >= here:
                i = by_start[left]
                w = weight[i]
                s0 -= w
                for a in range(p):
                    s1[a] -= w * x[i, a]
                    for b in range(p):
                        s2[a, b] -= w * x[i, a] * x[i, b]
                left += 1
            for k in range(events):
                part = k / events
                total = s0 - part * d0
                for a in range(p):
                    mean[a] = (s1[a] - part * d1[a]) / total
                    score[a] -= mean[a]
                for a in range(p):
                    for b in range(p):
                        information[a, b] += (s2[a, b] - part * d2[a, b]) / total - mean[a] * mean[b]
        for a in range(p):
            for b in range(p):
                work[a, b] = information[a, b]
            change[a] = score[a]
        for a in range(p):  # elimination; the matrix is positive definite unless a covariate says nothing
            if not work[a, a] > 1e-12:
                return -1
            for c in range(a + 1, p):
                ratio = work[c, a] / work[a, a]
                change[c] -= ratio * change[a]
                for b in range(a, p):
                    work[c, b] -= ratio * work[a, b]
        for a in range(p - 1, -1, -1):
            for b in range(a + 1, p):
                change[a] -= work[a, b] * change[b]
            change[a] /= work[a, a]
        largest = 0.0
        for a in range(p):
            move = min(2.0, max(-2.0, change[a]))
            beta[a] += move
            largest = max(largest, math.fabs(move))
            if math.fabs(beta[a]) > LARGEST:
                return -1
        if largest < ARRIVED:
            return step + 1
    return -1


_fast_newton = scalar(_newton)


def cox(start: np.ndarray | None, stop: np.ndarray, code: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a Cox regression.

    Parameters
    ----------
    start, stop
        Days at which each row enters (None: all at once) and leaves.
    code
        What ended it; competing events are censored.
    x
        Covariates, shape (rows, covariates).

    Returns
    -------
    tuple of numpy.ndarray
        Log hazard ratios and their standard errors; NaN where the likelihood has no finite maximum.
    """
    p = x.shape[1]
    beta = np.zeros(p)
    information = np.zeros((p, p))
    by_stop = np.argsort(-stop, kind="stable")
    if start is None:
        start = np.full(len(stop), -np.inf)
        by_start = by_stop
    else:
        by_start = np.argsort(-start, kind="stable")
    code = (code == EVENT).astype(np.int64)
    x = np.ascontiguousarray(x, dtype=np.float64)
    if _fast_newton(start, stop, code, x, by_stop, by_start, beta, information, STEPS) < 0:
        return np.full(p, np.nan), np.full(p, np.nan)
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))
