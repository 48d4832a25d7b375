"""The surrogate: each quantity as a quadratic function of the parameters, where the posterior is.

The simulator is run on a design in the bulk of the posterior. Coordinates are those in which the posterior is about
standard normal, so a quadratic is what is left to describe. With more coefficients than runs the quadratic part is
shrunk towards a plane (a Gaussian process with linear-plus-quadratic kernel); how much, each quantity decides by its
own leave-one-out error, which is known in closed form. That error is reported and goes into the likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

#: Prior SD of a quadratic coefficient relative to a linear one.
CURVATURES: Final = (0.003, 0.02, 0.1, 0.4, 1.0)
#: Share of its runs that a quantity may give up to be fitted together with others.
GIVEN_UP: Final = 0.05
#: Ridge, relative to the mean eigenvalue of the kernel.
RIDGES: Final = tuple(10.0**power for power in range(-11, 1))


@dataclass(frozen=True)
class Surrogate:
    """Quadratics in standardised coordinates.

    Attributes
    ----------
    centre, spread
        Scores become coordinates by ``solve(spread, z - centre)``; `spread` is lower triangular.
    coefficients
        Shape (features, targets).
    error
        Leave-one-out root mean square error of each quantity on its scale, shape (targets,).
    explained
        Share of each quantity's variance over the design that leave-one-out predictions explain.
    curvature, ridge
        What each quantity chose.
    """

    centre: np.ndarray
    spread: np.ndarray
    coefficients: np.ndarray
    error: np.ndarray
    explained: np.ndarray
    curvature: np.ndarray
    ridge: np.ndarray

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Predict the quantities on their scales: scores, shape (n, parameters) -> shape (n, targets)."""
        return features(self.coordinates(z)) @ self.coefficients

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Standardise scores, shape (n, parameters)."""
        return np.asarray(np.linalg.solve(self.spread, (np.atleast_2d(z) - self.centre).T).T)

    @cached_property
    def curvatures(self) -> np.ndarray:
        """Second derivatives of every quantity by coordinates, shape (parameters, targets * parameters)."""
        d, targets = len(self.centre), self.coefficients.shape[1]
        rows, columns = np.triu_indices(d)
        products = np.zeros((d, targets, d))
        products[rows, :, columns] = self.coefficients[d + 1 :]
        return np.asarray(products + products.transpose(2, 1, 0)).reshape(d, targets * d)

    def pull_back(self, z: np.ndarray, weigh: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Give the gradient by scores of a function of the quantities.

        Parameters
        ----------
        z
            Scores, shape (n, parameters).
        weigh
            Predicted quantities, shape (n, targets) -> the function's derivatives by them, of the same shape.

        Returns
        -------
        numpy.ndarray
            Shape (n, parameters).
        """
        u = self.coordinates(z)
        n, d = u.shape
        linear = self.coefficients[1 : d + 1]
        bent = (u @ self.curvatures).reshape(n, -1, d)
        values = self.coefficients[0] + u @ linear + 0.5 * (bent @ u[:, :, None])[:, :, 0]
        weights = weigh(values)
        by_coordinate = weights @ linear.T + (weights[:, None, :] @ bent)[:, 0, :]
        return np.asarray(np.linalg.solve(self.spread.T, by_coordinate.T).T)

    def only(self, chosen: np.ndarray) -> Surrogate:
        """Keep some of the quantities."""
        per_target = (self.error, self.explained, self.curvature, self.ridge)
        return Surrogate(self.centre, self.spread, self.coefficients[:, chosen], *(part[chosen] for part in per_target))

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """Differentiate at one point: d quantity / d score, shape (targets, parameters)."""
        u = self.coordinates(z)[0]
        bent = (u @ self.curvatures).reshape(-1, len(u))
        return np.asarray(np.linalg.solve(self.spread.T, (self.coefficients[1 : len(u) + 1].T + bent).T).T)


def features(u: np.ndarray, curvature: float = 1.0) -> np.ndarray:
    """Give 1, coordinates, squares and products, shape (n, 1 + d + d (d + 1) / 2); the last part times `curvature`."""
    rows, columns = np.triu_indices(u.shape[1])
    return np.concatenate([np.ones((len(u), 1)), u, curvature * u[:, rows] * u[:, columns]], axis=1)


def fit_surrogate(z: np.ndarray, scaled: np.ndarray, centre: np.ndarray, covariance: np.ndarray) -> Surrogate:
    """Fit the quadratics.

    Parameters
    ----------
    z
        Design, shape (n, parameters).
    scaled
        Emulated quantities on their scales, shape (n, targets); rows where one is not finite are left out for it (and
        for others that lack few rows, see `fitted_together`).
    centre, covariance
        Of the posterior, roughly: they set the coordinates.
    """
    spread = np.linalg.cholesky(covariance)
    u = np.linalg.solve(spread, (z - centre).T).T
    d, targets = u.shape[1], scaled.shape[1]
    size = 1 + d + d * (d + 1) // 2
    coefficients, best = np.zeros((size, targets)), np.full(targets, np.inf)
    chosen = np.zeros((2, targets))
    for use, members in fitted_together(np.isfinite(scaled)):
        if use.sum() < 3:
            coefficients[0, members] = np.nan
            continue
        y = scaled[use][:, members]
        for curvature in CURVATURES:
            x = features(u[use], curvature)
            beta, error, ridge = _ridge(x, y)
            better = error < best[members]
            for k in np.flatnonzero(better):
                beta_k = beta[:, k].copy()
                beta_k[d + 1 :] *= curvature
                coefficients[:, members[k]] = beta_k
                best[members[k]] = error[k]
                chosen[:, members[k]] = curvature, ridge[k]
    variance = np.array([np.nanvar(scaled[:, i]) if np.isfinite(scaled[:, i]).any() else 0.0 for i in range(targets)])
    explained = 1.0 - np.square(best) / np.where(variance > 0.0, variance, np.inf)
    return Surrogate(
        np.array(centre), spread, coefficients, best, np.where(variance > 0, explained, 1.0), chosen[0], chosen[1]
    )


def fitted_together(exists: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
    """Group quantities that are fitted to the same runs, since every group costs a decomposition.

    Those that exist in all runs are one group. Of the others, those join that lack few runs and mostly the same: the
    group uses the runs in which all its members exist, and none of them gives up more than `GIVEN_UP` of its own.

    Parameters
    ----------
    exists
        Whether a run has a quantity, shape (n, targets).

    Returns
    -------
    list of tuple
        Runs used, shape (n,), and the quantities fitted to them.
    """
    counts = exists.sum(axis=0)
    complete = np.flatnonzero(counts == len(exists)).tolist()
    groups: list[tuple[np.ndarray, list[int]]] = [(np.ones(len(exists), dtype=bool), complete)] if complete else []
    joined: list[tuple[np.ndarray, list[int]]] = []
    for i in np.argsort(-counts, kind="stable").tolist():
        if counts[i] == len(exists):
            continue
        for place, (use, members) in enumerate(joined):
            both = use & exists[:, i]
            if both.sum() >= (1.0 - GIVEN_UP) * counts[[*members, i]].max():
                joined[place] = (both, [*members, i])
                break
        else:
            joined.append((exists[:, i], [i]))
    return groups + joined


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ridge regression with a free intercept; the ridge of each column is the one of least leave-one-out error."""
    n = len(x)
    means, level = x[:, 1:].mean(axis=0), y.mean(axis=0)
    centred, rest = x[:, 1:] - means, y - level
    basis = _without_constant(n)
    values, vectors = np.linalg.eigh(basis.T @ (centred @ centred.T) @ basis)
    values, vectors = np.clip(values, 0.0, None), basis @ vectors
    turned, squares = vectors.T @ rest, vectors**2
    error, ridge = np.full(y.shape[1], np.inf), np.zeros(y.shape[1])
    dual = np.zeros_like(rest)
    for relative in RIDGES:
        strength = relative * max(float(values.mean()), 1e-300)
        left = strength / (values + strength)  # what the fit leaves; small numbers, so never 1 minus something
        residual = (vectors @ (left[:, None] * turned)) / (squares @ left)[:, None]
        loo = np.sqrt(np.mean(residual**2, axis=0))
        better = loo < error
        error, ridge = np.where(better, loo, error), np.where(better, relative, ridge)
        dual[:, better] = vectors @ (turned[:, better] / (values + strength)[:, None])
    beta = centred.T @ dual
    return np.concatenate([(level - means @ beta)[None], beta]), error, ridge


def _without_constant(n: int) -> np.ndarray:
    """Give an orthonormal basis of all that is orthogonal to the constant, shape (n, n - 1) (Householder)."""
    mirror = np.full(n, 1.0 / np.sqrt(n))
    mirror[0] += 1.0
    mirror /= np.linalg.norm(mirror)
    return np.asarray((np.eye(n) - 2.0 * np.outer(mirror, mirror))[:, 1:])
