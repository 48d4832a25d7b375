"""The Gaussian copula: continuous attributes drawn together, or given those already known.

Each attribute has a latent standard normal; the latent normals are jointly normal with the stated correlations. One is
drawn after the other from its normal distribution given those known so far, so that any of them may be given.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

#: What is known of a latent normal: its value, nothing, or bounds.
KNOWN: Final = 0
OPEN: Final = 1
WITHIN: Final = 2


class Copula:
    """Latent normals with a correlation matrix.

    Parameters
    ----------
    correlation
        Positive definite, shape (variables, variables).
    """

    def __init__(self, correlation: np.ndarray) -> None:
        self.correlation = correlation
        self.regression = functools.cache(self._regression)

    def _regression(self, target: int, known: tuple[int, ...]) -> tuple[np.ndarray, float]:
        """Coefficients and residual standard deviation of one latent normal given others."""
        if not known:
            return np.zeros(0), 1.0
        among = self.correlation[np.ix_(known, known)]
        with_target = self.correlation[list(known), target]
        coefficients = np.linalg.solve(among, with_target)
        return coefficients, float(np.sqrt(1.0 - with_target @ coefficients))

    def complete(
        self, given: np.ndarray, uniforms: np.ndarray, limits: dict[int, tuple[np.ndarray, np.ndarray]] | None = None
    ) -> np.ndarray:
        """Draw the latent normals that are not given, conditionally on those that are.

        Parameters
        ----------
        given
            Latent normals, NaN where they are to be drawn; shape (variables, rows).
        uniforms
            One number for each, of which only those to be drawn are used; shape (variables, rows).
        limits
            Variable -> latent lower and upper bounds, each of shape (rows,), infinite where there are none. A variable
            known to lie within bounds is drawn before the others, which are then drawn given it.

        Returns
        -------
        numpy.ndarray
            Shape (variables, rows).
        """
        latent = given.copy()
        open_ = np.isnan(given).astype(np.int64)
        for variable, (low, high) in (limits or {}).items():
            open_[variable] *= 1 + (np.isfinite(low) | np.isfinite(high))
        patterns = open_[:, :1] if (open_ == open_[:, :1]).all() else np.unique(open_, axis=1)
        for pattern in patterns.T:
            rows = np.flatnonzero((open_ == pattern[:, None]).all(axis=0))
            known = [int(variable) for variable in np.flatnonzero(pattern == KNOWN)]
            for target in (*np.flatnonzero(pattern == WITHIN), *np.flatnonzero(pattern == OPEN)):
                coefficients, spread = self.regression(int(target), tuple(known))
                mean = np.zeros(len(rows))
                for coefficient, variable in zip(coefficients, known, strict=True):
                    mean = mean + coefficient * latent[variable, rows]
                bounds = limits[int(target)] if limits and pattern[target] == WITHIN else None
                latent[target, rows] = _within(uniforms[target, rows], mean, spread, bounds, rows)
                known.append(int(target))
        return latent


def _within(
    uniforms: np.ndarray,
    mean: np.ndarray,
    spread: float,
    bounds: tuple[np.ndarray, np.ndarray] | None,
    rows: np.ndarray,
) -> np.ndarray:
    if bounds is None:
        return mean + spread * ndtri(uniforms)
    low, high = bounds[0][rows], bounds[1][rows]
    below, until = ndtr((low - mean) / spread), ndtr((high - mean) / spread)
    value = mean + spread * ndtri(below + (until - below) * uniforms)
    return np.clip(np.where(np.isfinite(value), value, mean), low, high)
