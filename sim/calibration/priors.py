"""Priors: what is believed of a free parameter before the targets are looked at.

Every free parameter is a standard normal number `z` seen through its prior's quantile function. On that scale all
parameters are unbounded, have mean 0 and SD 1 before calibration, and an SD near 1 after it says that nothing was
learnt. Priors stand in ``conf/calibration`` and not in the parameter lines, because those hold the posterior once it
has been adopted: reading them again as a prior would count the targets twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
from pydantic import ValidationError, model_validator

from sim.lines import Frozen, Line, Number, Words
from sim.problems import Problem, did_you_mean

Family = Literal["normal", "lognormal", "logitnormal", "uniform"]

#: Standard normal quantile of a 95 % interval.
Z95 = 1.959963984540054


class Prior(Frozen):
    """One prior.

    Attributes
    ----------
    distribution
        ``normal``; ``lognormal`` for positive numbers; ``logitnormal`` for shares; ``uniform``.
    low, high
        Ends of the central 95 % interval, of everything for ``uniform``; in the line's own unit.
    source
        Ids of the evidence table or words for other sources, as in a parameter line. Rows that are targets as well
        may not stand here.
    """

    distribution: Family
    low: Number
    high: Number
    source: Words

    @model_validator(mode="after")
    def _proper(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.distribution == "lognormal" and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be greater than 0 for a lognormal prior")
        if self.distribution == "logitnormal" and (self.low <= 0 or self.high >= 1):
            raise ValueError(f"low..high ({self.low:g}..{self.high:g}) must lie inside 0..1 for a logitnormal prior")
        return self

    def value(self, z: np.ndarray | float) -> np.ndarray:
        """Give the parameter, in the line's own unit, that belongs to a standard normal number."""
        from scipy.special import ndtr

        z = np.asarray(z, dtype=float)
        if self.distribution == "uniform":
            return np.asarray(self.low + (self.high - self.low) * ndtr(z))
        low, high = self._straight(self.low), self._straight(self.high)
        return self._back(0.5 * (low + high) + z * (high - low) / (2 * Z95))

    def score(self, value: np.ndarray | float) -> np.ndarray:
        """Invert `value`: the standard normal number that belongs to a parameter."""
        from scipy.special import ndtri

        value = np.asarray(value, dtype=float)
        if self.distribution == "uniform":
            return np.asarray(ndtri((value - self.low) / (self.high - self.low)))
        low, high = self._straight(self.low), self._straight(self.high)
        return np.asarray((self._straight(value) - 0.5 * (low + high)) * (2 * Z95) / (high - low))

    def _straight(self, value: np.ndarray | float) -> np.ndarray:
        """Go to the scale on which the prior is normal."""
        if self.distribution == "lognormal":
            return np.asarray(np.log(value))
        return np.asarray(np.log(value) - np.log1p(-np.asarray(value)) if self.distribution == "logitnormal" else value)

    def _back(self, value: np.ndarray) -> np.ndarray:
        if self.distribution == "lognormal":
            return np.asarray(np.exp(value))
        return np.asarray(1.0 / (1.0 + np.exp(-value)) if self.distribution == "logitnormal" else value)


class Parameters:
    """The free parameters, in a settled order.

    Parameters
    ----------
    priors
        Dotted key of a parameter line -> prior.
    """

    def __init__(self, priors: Mapping[str, Prior]) -> None:
        self.priors = dict(sorted(priors.items()))
        self.keys = tuple(self.priors)

    def __len__(self) -> int:
        return len(self.keys)

    def values(self, z: np.ndarray) -> np.ndarray:
        """Turn scores, shape (..., parameters), into parameter values of the same shape.

        Values are rounded to nine significant digits, so that a stored evaluation is found again.
        """
        z = np.asarray(z, dtype=float)
        columns = [prior.value(z[..., i]) for i, prior in enumerate(self.priors.values())]
        return rounded(np.stack(columns, axis=-1))

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Turn parameter values, shape (..., parameters), into scores."""
        values = np.asarray(values, dtype=float)
        return np.stack([prior.score(values[..., i]) for i, prior in enumerate(self.priors.values())], axis=-1)

    def named(self, values: Sequence[float] | np.ndarray) -> dict[str, float]:
        """Name one row of values."""
        return {key: float(value) for key, value in zip(self.keys, values, strict=True)}


def rounded(values: np.ndarray, digits: int = 9) -> np.ndarray:
    """Round to so many significant digits."""
    values = np.asarray(values, dtype=float)
    size = np.where(values == 0.0, 1.0, np.abs(values))
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(size)))
    return np.asarray(np.round(values * scale) / scale)


def check_priors(priors: Mapping[str, Prior], lines: Mapping[str, Line], targets: Sequence[str] = ()) -> None:
    """Refuse priors that do not fit the parameter lines or the targets.

    Parameters
    ----------
    priors
        Dotted key -> prior.
    lines
        All parameter lines.
    targets
        Evidence rows that the fit uses as targets.

    Raises
    ------
    Problem
        For an unknown key, a prior that allows impossible values, and a prior that rests on a target.
    """
    if not priors:
        raise Problem("calibration.parameters: names no parameter line, so there is nothing to fit")
    for key, prior in priors.items():
        if key not in lines:
            raise Problem(f"calibration.parameters.{key}: no such parameter line, {did_you_mean(key, lines)}")
        for end in (prior.value(-4.0), prior.value(4.0)):
            _check_possible(key, lines[key], float(end), prior)
        used = sorted({name.strip() for name in prior.source.split(";")} & set(targets))
        if used:
            raise Problem(
                f"calibration.parameters.{key}.source: {', '.join(used)} is a target already; "
                "a number that sets a prior is not used again, so name another source or widen the prior"
            )


def _check_possible(key: str, line: Line, value: float, prior: Prior) -> None:
    try:
        line.at(value)
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Problem(
            f"calibration.parameters.{key}: a {prior.distribution} prior from {prior.low:g} to {prior.high:g} reaches "
            f"{value:g}, but the line {rule}; choose lognormal, logitnormal or uniform"
        ) from None


def normal_log_density(z: np.ndarray) -> np.ndarray:
    """Give the log density of scores, shape (..., parameters), under the prior."""
    z = np.asarray(z, dtype=float)
    return np.asarray(-0.5 * np.sum(z * z, axis=-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi))
