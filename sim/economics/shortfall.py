"""Severity: the QALYs that patients lose under current care, the weight this carries, and equal-value life-years."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.lifetable import AGES, cumulative_hazard
from sim.problems import Problem

#: Steps a year of the integral over ages: the norm is constant within them, the hazard within a year of age.
_STEPS = 12


class Remaining(NamedTuple):
    """What people without the disease may still expect, discounted: years, and QALYs."""

    years: float
    qalys: float


class Shortfall(NamedTuple):
    """QALYs that patients under current care lose against people of their age without the disease.

    Attributes
    ----------
    without_disease, with_disease
        Discounted QALYs still to come.
    absolute
        Their difference.
    proportional
        Its share of those without the disease.
    weight
        Severity weight of a QALY.
    """

    without_disease: float
    with_disease: float
    absolute: float
    proportional: float
    weight: float


def remaining(hazards: np.ndarray, offset: int, age: float, rate: float, norm: Callable[[float], float]) -> Remaining:
    """Give what somebody of an age without the disease may expect.

    Parameters
    ----------
    hazards
        Cumulative hazards at ages 0, 1, ...; the sexes one behind the other (`sim.evidence.cumulative_hazards`).
    offset
        Where the person's sex begins.
    age
        Years.
    rate
        Annual discount rate r; years count ``(1 + r)^-t``, continuously.
    norm
        Utility of the general population by age in years.
    """
    grid = _ages(age)
    middle = (grid[1:] + grid[:-1]) / 2
    alive = np.exp(-np.array([cumulative_hazard(hazards, offset, a) for a in grid]))
    alive /= alive[0]
    discount = np.exp(-math.log1p(rate) * (grid - age))
    # between two points both survival and discount factor fall exponentially: their product integrates in closed form
    value = alive * discount
    decay = -np.diff(np.log(np.maximum(value, 1e-300)))
    lived = np.where(decay > 1e-12, (value[:-1] - value[1:]) / np.maximum(decay, 1e-300), value[:-1]) * np.diff(grid)
    norms = np.array([norm(a) for a in middle])
    return Remaining(float(lived.sum()), float((lived * norms).sum()))


def _ages(age: float) -> np.ndarray:
    last = AGES + 60
    whole = np.arange(math.ceil(age * _STEPS) / _STEPS, last, 1 / _STEPS)
    return np.unique(np.concatenate([[age], whole]))


def shortfall(without_disease: float, with_disease: float, weights: Sequence[Any] = ()) -> Shortfall:
    """Measure severity by one arm, that of current care.

    Parameters
    ----------
    without_disease, with_disease
        Discounted QALYs still to come.
    weights
        Objects with ``weight``, ``absolute`` and ``proportional``: the weight applies where either limit is reached,
        and the highest that applies counts. None: 1.

    Raises
    ------
    Problem
        When people without the disease expect no QALYs.

    Notes
    -----
    NICE 2022 (PMG36, section 6.2) weighs by the larger of what the two limits give.
    """
    if not without_disease > 0:
        raise Problem(f"shortfall: people without the disease must expect QALYs (they expect {without_disease:g})")
    absolute = without_disease - with_disease
    proportional = absolute / without_disease
    reached = [w.weight for w in weights if absolute >= w.absolute or proportional >= w.proportional]
    return Shortfall(without_disease, with_disease, absolute, proportional, max(reached, default=1.0))


def equal_value_life_years(
    life_years: float, qalys: float, before_life_years: float, before_qalys: float, healthy: float
) -> float:
    """Give the equal-value life-years gained: added years count as those of the healthy, whatever their quality.

    Parameters
    ----------
    life_years, qalys
        Of the new option.
    before_life_years, before_qalys
        Of the option it replaces.
    healthy
        Mean utility of people without the disease.

    Returns
    -------
    float
        Added years times `healthy`, and the change of quality over the years lived anyway; where life gets no longer,
        the QALYs gained.

    Notes
    -----
    The arm-level form of ICER's measure (Value Assessment Framework 2020-2023, equal value of life years gained), with
    the option's mean utility in its added years.
    """
    more = life_years - before_life_years
    gained = qalys - before_qalys
    if more <= 0 or life_years <= 0:
        return gained
    return healthy * more + gained - more * qalys / life_years
