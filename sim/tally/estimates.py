"""From counts to estimates with their Monte-Carlo errors: the frames summary, curves and paired."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from sim.tally.curves import (
    FINE,
    GRID,
    fine_code_of_month,
    log_log_limits,
    median,
    product_limit,
    wilson_limits,
)
from sim.tally.exact import ONE, error_of, mean_of, share_of, variance_of
from sim.tally.layout import POPULATION, Layout
from sim.tally.measures import INCIDENCE, MEDIAN, PRODUCT_LIMIT, Measure, curves_at
from sim.units import DAYS_PER_MONTH

if TYPE_CHECKING:
    from sim.tally.counts import Counts, Pairs

SUMMARY_COLUMNS: Final = ["policy", "stratum", "measure", "months", "value", "mc_se", "unit"]
CURVE_COLUMNS: Final = ["policy", "stratum", "curve", "months", "estimate", "low", "high", "at_risk"]
PAIRED_COLUMNS: Final = [
    "policy", "stratum", "reference", "measure", "months", "difference", "mc_se", "unpaired_se", "variance_reduction",
    "nnt", "gain", "lose", "same",
]  # fmt: skip
#: Name of each stratum of prior HCT; "all" is the sum of the others.
STRATUM_NAMES: Final = ("all", "no_prior_hct", "prior_hct")
#: Measures for which the number needed to transplant is given.
TRANSPLANT_FOR: Final = ("os", "efs")

_NAN: Final = float("nan")


def _by_stratum(counts: np.ndarray) -> np.ndarray:
    """Put the sum of the strata before the strata."""
    return np.concatenate([counts.sum(axis=0, keepdims=True), counts])


def _strata(counted: np.ndarray) -> list[tuple[int, str]]:
    """List the strata to be written: all, and those with patients."""
    return [(i, name) for i, name in enumerate(STRATUM_NAMES) if i == 0 or counted[i] > 0]


def _followed_to(m: Measure, month: float | None, followed: Mapping[str, float]) -> bool:
    return month is None or month * DAYS_PER_MONTH <= followed[m.since] + 1e-6


# --- summary ---------------------------------------------------------------------------------------------------------


def summary(layout: Layout, counts: Mapping[str, Counts], followed: Mapping[str, float]) -> pd.DataFrame:
    """Build the frame summary.

    Parameters
    ----------
    layout
        Rows that were counted.
    counts
        Counts by policy.
    followed
        Days for which everybody was followed, by clock.
    """
    rows: list[tuple[Any, ...]] = []
    for policy, c in counts.items():
        values = _values(layout, c)
        for stratum, name in _strata(_by_stratum(c.n)[:, POPULATION["counted"]]):
            for m in layout.measures:
                for month in m.months or (None,):
                    if _followed_to(m, month, followed):
                        rows.append((policy, name, m.name, _month(month), *values[m.name, month][stratum], m.unit))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS).astype({"months": float, "value": float, "mc_se": float})


def _month(month: int | None) -> float:
    return _NAN if month is None else float(month)


def _values(layout: Layout, c: Counts) -> dict[tuple[str, int | None], list[tuple[float, float]]]:
    """Give value and error by measure and month, for every stratum."""
    n = _by_stratum(c.n).tolist()
    values: dict[tuple[str, int | None], list[tuple[float, float]]] = {}
    hits = _by_stratum(c.hits).tolist()
    for i, (m, month) in enumerate(layout.shares):
        among = POPULATION[m.among]
        values[m.name, month] = [share_of(n[s][among], hits[s][i]) for s in range(len(n))]
    sums = _by_stratum(c.sums)
    for i, (m, month) in enumerate(layout.means):
        among = POPULATION[m.among]
        values[m.name, month] = [_mean_and_error(n[s][among], *sums[s, :, i]) for s in range(len(n))]
    limits = _by_stratum(c.limits)
    for m in layout.measures:
        if m.kind in (PRODUCT_LIMIT, MEDIAN):
            at = layout.limits.index((str(m.of), m.among))
            for s in range(len(n)):
                for month, pair in _limit_values(m, *limits[s, at]):
                    values.setdefault((m.name, month), []).append(pair)
    return values


def _mean_and_error(n: int, total: int, squares: int) -> tuple[float, float]:
    return mean_of(n, total, ONE), error_of(variance_of(n, total, squares, ONE), n)


def _limit_values(
    m: Measure, events: np.ndarray, censored: np.ndarray
) -> Iterator[tuple[int | None, tuple[float, float]]]:
    if m.kind == MEDIAN:
        middle, error = median(events, censored)
        yield None, (middle * m.scale, error * m.scale)
        return
    survival, variance, _ = product_limit(events, censored)
    known = int(events.sum() + censored.sum()) > 0
    for month in m.months:
        at = fine_code_of_month(month)
        yield month, (float(survival[at]), math.sqrt(variance[at])) if known else (_NAN, _NAN)


# --- curves ----------------------------------------------------------------------------------------------------------


def curves(layout: Layout, counts: Mapping[str, Counts], followed: Mapping[str, float]) -> pd.DataFrame:
    """Build the frame curves (parameters as in `summary`)."""
    labels: list[tuple[str, str, str, int]] = []
    columns: list[tuple[np.ndarray, ...]] = []
    for policy, c in counts.items():
        happened = np.cumsum(_by_stratum(c.curves), axis=2)
        limits = _by_stratum(c.limits)
        for stratum, name in _strata(_by_stratum(c.n)[:, POPULATION["counted"]]):
            for curve, since, values in _curves_of(layout, happened[stratum], limits[stratum]):
                points = int(np.sum(followed[since] + 1e-6 >= GRID * DAYS_PER_MONTH))
                labels.append((policy, name, curve, points))
                columns.append(tuple(column[:points] for column in (GRID.astype(float), *values)))
    repeats = [points for *_, points in labels]
    names = {
        column: np.repeat(np.array([label[i] for label in labels], dtype=object), repeats)
        for i, column in enumerate(CURVE_COLUMNS[:3])
    }
    numbers = {column: np.concatenate([v[i] for v in columns]) for i, column in enumerate(CURVE_COLUMNS[3:])}
    return pd.DataFrame(names | numbers)


def _curves_of(
    layout: Layout, happened: np.ndarray, limits: np.ndarray
) -> Iterator[tuple[str, str, tuple[np.ndarray, ...]]]:
    """Give name, clock, and estimate, low, high, at_risk of each curve."""
    row = {m.name: happened[i] for i, m in enumerate(layout.curves)}
    for m in curves_at(layout.origin):
        if m.kind == PRODUCT_LIMIT:
            yield m.name, m.since, _limit_curve(*limits[layout.limits.index((str(m.of), m.among))])
            continue
        until, n = row[m.name][:-1], row[m.name][-1]
        yield m.name, m.since, _share_curve(until if m.kind == INCIDENCE else n - until, n, n - row[m.event_free][:-1])
    reached = happened[len(layout.curves) :]
    for i, state in enumerate(layout.states):
        left = reached[i + 1, :-1] if i + 1 < len(layout.states) else 0
        n = reached[i, -1]
        yield state, "origin", _share_curve(reached[i, :-1] - left, n, np.full(len(GRID), n))


def _share_curve(hits: np.ndarray, n: int, at_risk: np.ndarray) -> tuple[np.ndarray, ...]:
    low, high = wilson_limits(hits, n)
    return hits / n if n else np.full(len(hits), _NAN), low, high, at_risk


def _limit_curve(events: np.ndarray, censored: np.ndarray) -> tuple[np.ndarray, ...]:
    at, total = np.searchsorted(FINE, GRID), int(events.sum() + censored.sum())
    survival, variance, at_risk = (column[at] for column in product_limit(events, censored))
    if not total:
        survival = np.full(len(GRID), _NAN)
    return survival, *log_log_limits(survival, variance, at_risk, total), at_risk


# --- paired ----------------------------------------------------------------------------------------------------------


def paired(
    layout: Layout, pairs: Mapping[str, Pairs], reference: str | None, followed: Mapping[str, float]
) -> pd.DataFrame:
    """Build the frame paired (parameters as in `summary`, with the reference policy)."""
    rows: list[tuple[Any, ...]] = []
    for policy, p in pairs.items():
        n = _by_stratum(p.n).tolist()
        for stratum, name in _strata(np.array([counted[POPULATION["counted"]] for counted in n])):
            found = _differences(layout, p, stratum, n[stratum])
            transplants = found["hct", None][0]
            for m in layout.measures:
                for month in m.months or (None,):
                    if m.paired and _followed_to(m, month, followed):
                        row = found[m.name, month]
                        needed = _needed(transplants, row[0]) if m.name in TRANSPLANT_FOR else _NAN
                        rows.append((policy, name, reference, m.name, _month(month), *row[:4], needed, *row[4:]))
    numbers = dict.fromkeys(
        [c for c in PAIRED_COLUMNS if c not in ("policy", "stratum", "reference", "measure")], float
    )
    return pd.DataFrame(rows, columns=PAIRED_COLUMNS).astype(numbers)


def _needed(transplants: float, survivors: float) -> float:
    """Give the number needed to transplant; NaN unless there are more transplants and more survivors."""
    return transplants / survivors if transplants > 0.0 and survivors > 0.0 else _NAN


def _differences(
    layout: Layout, p: Pairs, stratum: int, n_by_population: list[int]
) -> dict[tuple[str, int | None], tuple[float, ...]]:
    """Give difference, errors, variance reduction and who gains, by measure and month."""
    found: dict[tuple[str, int | None], tuple[float, ...]] = {}
    more, less, both = (_by_stratum(counts)[stratum].tolist() for counts in (p.more, p.less, p.both))
    for i, row in enumerate(layout.paired_shares.tolist()):
        m, month = layout.shares[row]
        n, a, b, c = n_by_population[POPULATION[m.among]], more[i], less[i], both[i]
        sums = (a - b, a + b, a + c, a + c, b + c, b + c)
        found[m.name, month] = (*_difference(n, sums, 1), *_who_gains(m, n, a, b))
    sums_by_mean = _by_stratum(p.sums)[stratum]
    higher, lower = (_by_stratum(counts)[stratum].tolist() for counts in (p.higher, p.lower))
    for i, (m, month) in enumerate(layout.means):
        n = n_by_population[POPULATION[m.among]]
        gains = _who_gains(m, n, higher[i], lower[i])
        found[m.name, month] = (*_difference(n, tuple(sums_by_mean[:, i]), ONE), *gains)
    return found


def _difference(n: int, sums: tuple[int, ...], unit: int) -> tuple[float, float, float, float]:
    """Give the mean difference, its paired and unpaired errors, and the ratio of their squares."""
    difference, d2, x, x2, y, y2 = sums
    own = variance_of(n, difference, d2, unit)
    apart = variance_of(n, x, x2, unit) + variance_of(n, y, y2, unit)
    reduction = apart / own if own > 0.0 else _NAN
    return mean_of(n, difference, unit), error_of(own, n), error_of(apart, n), reduction


def _who_gains(m: Measure, n: int, higher: int, lower: int) -> tuple[float, float, float]:
    """Give the shares of patients who gain, lose, and stay the same."""
    if not n:
        return _NAN, _NAN, _NAN
    gain, lose = (lower, higher) if m.better < 0 else (higher, lower)
    return gain / n, lose / n, (n - gain - lose) / n
