"""The distribution of one parameter line: what a probabilistic analysis draws it from.

A line states value, low and high. Low and high are read as a 95 % interval (`RANGE` standard deviations apart), the
value as the mean, so that the base case is the mean of what is drawn:

========== ==========================================================================================================
normal     mean = value, SD = (high - low) / `RANGE`. Where it would reach what is impossible for the line (a negative
           spread), the normal *given* a possible value: its location moves so that the mean remains the value.
lognormal  mean = value, SD of the logarithm = ln(high / low) / `RANGE`
gamma      mean = value, SD = (high - low) / `RANGE`
beta       mean = value, SD = (high - low) / `RANGE`
uniform    low to high, as written; its mean is the middle, which need not be the value
triangular low to high with mode = value; its mean is (low + value + high) / 3
fixed      always the value
========== ==========================================================================================================

So for uniform and triangular lines alone the base case of a probabilistic analysis differs from that of a comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.problems import Problem

if TYPE_CHECKING:
    from sim.lines import Line

#: Standard deviations between the ends of a 95 % interval of a normal distribution.
RANGE: Final = 2.0 * 1.959963984540054
#: A normal whose possible values end so many standard deviations from its mean is not truncated (chance 1e-15).
FAR: Final = 8.0
#: Halvings of the interval in which a truncated normal's location is found.
HALVINGS: Final = 200

Quantile = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Distribution:
    """A distribution in the line's own unit.

    Attributes
    ----------
    family
        As the line states it; ``fixed`` for a line that is held.
    mean, sd
        Its mean and standard deviation, exactly.
    quantile
        From probabilities in (0, 1) to values.
    """

    family: str
    mean: float
    sd: float
    quantile: Quantile


def distribution_of(key: str, line: Line) -> Distribution:
    """Build the distribution that a line states.

    Parameters
    ----------
    key
        Dotted key, for messages.
    line
        The parameter line.

    Raises
    ------
    Problem
        When value, range and family do not go together (a beta distribution with a range wider than any with that
        mean, a whole number drawn from a continuous one).
    """
    if line.distribution == "fixed":
        return held(line.value)
    if line.whole:
        raise Problem(
            f"{key}: is a whole number, which a {line.distribution} distribution does not give: "
            f"set {key}.distribution=fixed"
        )
    build = {
        "normal": _normal,
        "lognormal": _lognormal,
        "gamma": _gamma,
        "beta": _beta,
        "uniform": _uniform,
        "triangular": _triangular,
    }[line.distribution]
    return build(key, line)


def held(value: float) -> Distribution:
    """Give the distribution of a line that is not varied."""
    return Distribution("fixed", value, 0.0, lambda u: np.full(len(u), value))


def _spread(line: Line) -> float:
    return (line.high - line.low) / RANGE


def _normal(key: str, line: Line) -> Distribution:
    from scipy.special import ndtri

    sd = _spread(line)
    below, above = ((bound - line.value) / sd for bound in line.bounds)
    if below < -FAR and above > FAR:
        return Distribution("normal", line.value, sd, lambda u: line.value + sd * ndtri(u))
    return _normal_given_possible(key, line, sd)


def _normal_given_possible(key: str, line: Line, sd: float) -> Distribution:
    """Build the normal given a possible value, with the line's value as its mean."""
    lowest, highest = line.bounds
    if not lowest < line.value < highest:
        raise Problem(
            f"{key}: value {line.value:g} lies at the end of what is possible ({lowest:g} to {highest:g}) and cannot "
            f"be the mean of a normal distribution: choose another, or set {key}.distribution=fixed"
        )

    def moments(location: float) -> tuple[float, float]:
        mean, spread = _truncated_moments((lowest - location) / sd, (highest - location) / sd)
        return location + sd * mean, sd * spread

    low, high = line.value - 30.0 * sd, line.value + 30.0 * sd
    if not moments(low)[0] < line.value < moments(high)[0]:
        raise Problem(
            f"{key}: no normal distribution over what is possible ({lowest:g} to {highest:g}) has mean {line.value:g} "
            f"and range {line.low:g} to {line.high:g}: narrow the range, or choose another distribution"
        )
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if moments(middle)[0] < line.value else (low, middle)
    ends = (lowest - low) / sd, (highest - low) / sd
    return Distribution("normal", line.value, moments(low)[1], lambda u: low + sd * _truncated_quantile(u, *ends))


def _truncated_moments(a: float, b: float) -> tuple[float, float]:
    """Give mean and SD of a standard normal between `a` and `b` (either may be infinite)."""
    from scipy.special import log_ndtr

    if a > 0.0:  # the far side of a tail: use the near one, where probabilities are not rounded away
        mean, spread = _truncated_moments(-b, -a)
        return -mean, spread
    whole = math.exp(log_ndtr(b)) - math.exp(log_ndtr(a)) if b > 0.0 else 0.0
    log_whole = math.log(whole) if b > 0.0 else log_ndtr(b) + math.log1p(-math.exp(log_ndtr(a) - log_ndtr(b)))
    at_a, at_b = (_density_over(end, log_whole) for end in (a, b))
    mean = at_a - at_b
    edge_a, edge_b = (end * at if math.isfinite(end) else 0.0 for end, at in ((a, at_a), (b, at_b)))
    return mean, math.sqrt(max(0.0, 1.0 + edge_a - edge_b - mean * mean))


def _density_over(end: float, log_whole: float) -> float:
    return math.exp(-0.5 * end * end - 0.5 * math.log(2.0 * math.pi) - log_whole) if math.isfinite(end) else 0.0


def _truncated_quantile(u: np.ndarray, a: float, b: float) -> np.ndarray:
    """Give quantiles of a standard normal between `a` and `b`."""
    from scipy.special import log_ndtr, ndtri_exp

    if a > 0.0:
        return -_truncated_quantile(1.0 - u, -b, -a)
    found: np.ndarray = ndtri_exp(np.log(u) + log_ndtr(b) + np.log1p((1.0 - u) / u * np.exp(log_ndtr(a) - log_ndtr(b))))
    return found


def _lognormal(key: str, line: Line) -> Distribution:
    from scipy.special import ndtri

    _refuse_below_zero(key, line, "lognormal")
    sigma = math.log(line.high / line.low) / RANGE
    location = math.log(line.value) - sigma * sigma / 2.0
    sd = line.value * math.sqrt(math.expm1(sigma * sigma))
    return Distribution("lognormal", line.value, sd, lambda u: np.exp(location + sigma * ndtri(u)))


def _gamma(key: str, line: Line) -> Distribution:
    from scipy.special import gammaincinv

    _refuse_below_zero(key, line, "gamma")
    sd = _spread(line)
    shape, scale = (line.value / sd) ** 2, sd * sd / line.value
    return Distribution("gamma", line.value, sd, lambda u: scale * gammaincinv(shape, u))


def _beta(key: str, line: Line) -> Distribution:
    from scipy.special import betaincinv

    mean, sd = line.value, _spread(line)
    if not 0.0 < mean < 1.0:
        raise Problem(
            f"{key}: value {mean:g} cannot be the mean of a beta distribution, which lies between 0 and 1: "
            f"set {key}.distribution=fixed"
        )
    total = mean * (1.0 - mean) / (sd * sd) - 1.0
    if total <= 0.0:
        raise Problem(
            f"{key}: range {line.low:g} to {line.high:g} is wider than any beta distribution with mean {mean:g}: "
            "narrow it, or choose another distribution"
        )
    return Distribution("beta", mean, sd, lambda u: betaincinv(mean * total, (1.0 - mean) * total, u))


def _uniform(key: str, line: Line) -> Distribution:
    low, width = line.low, line.high - line.low
    return Distribution("uniform", low + width / 2.0, width / math.sqrt(12.0), lambda u: low + width * u)


def _triangular(key: str, line: Line) -> Distribution:
    low, mode, high = line.low, line.value, line.high
    rise, fall, width = mode - low, high - mode, high - low
    variance = (low * low + mode * mode + high * high - low * mode - low * high - mode * high) / 18.0

    def quantile(u: np.ndarray) -> np.ndarray:
        left = low + np.sqrt(u * width * rise)
        right = high - np.sqrt((1.0 - u) * width * fall)
        return np.where(u * width < rise, left, right)

    return Distribution("triangular", (low + mode + high) / 3.0, math.sqrt(max(variance, 0.0)), quantile)


def _refuse_below_zero(key: str, line: Line, family: str) -> None:
    if line.value <= 0.0:
        raise Problem(
            f"{key}: value {line.value:g} cannot be the mean of a {family} distribution, which lies above 0: "
            f"set {key}.distribution=fixed, or choose another"
        )
