"""Smooth regression of net benefits on parameters: penalised least squares on splines or on a Gaussian process.

Both are one linear model, ``y = X b + noise`` with a penalty on the rough part of ``b``; how rough is chosen for every
output by restricted maximum likelihood (Wood 2011, doi:10.1111/j.1467-9868.2010.00749.x). Splines: cubic B-splines with
knots at quantiles, penalised by the integrated square of the second derivative; for a group of parameters, additive,
with products of pairs. Gaussian process: squared-exponential kernel with a length for every parameter over a linear
mean (Strong, Oakley, Brennan 2014, doi:10.1177/0272989X13505910), projected on a subset of the draws where there are
many (Quinonero-Candela and Rasmussen 2005, subset of regressors).
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from sim.draws import uniforms

#: Interior knots of a single parameter's spline, and of each one in a group.
KNOTS: Final = 8
GROUP_KNOTS: Final = 4
#: A parameter of so few values is a factor: one level each, no spline.
LEVELS: Final = 6
#: Draws on which a Gaussian process is projected, and on which its lengths are chosen.
INDUCING: Final = 250
TUNING_DRAWS: Final = 300
TUNING_INDUCING: Final = 60
#: Penalties tried, from nearly none to a straight line.
_PENALTIES: Final = np.logspace(-9, 9, 73)
_RANK: Final = 1e-9
#: Noise that is assumed at least, as a share of the sum of squares: a fit to the last digit has rounding to explain.
_EXACT: Final = 1e-12
#: Normal score above which the mean residual of a bin shows that the fit missed a pattern.
SUSPICIOUS: Final = 4.0
_BINS: Final = 10


class Basis(NamedTuple):
    """A design matrix (draws x columns) and the penalty (columns x columns) on its coefficients."""

    design: np.ndarray
    penalty: np.ndarray


@dataclass(frozen=True)
class Fit:
    """A fitted regression of several outputs, in an orthonormal basis.

    Attributes
    ----------
    basis
        Orthonormal columns, shape (draws, rank).
    coefficients, shrinkage
        Coefficients, and the share of each that the penalty leaves, shape (rank, outputs).
    covariance
        Residual covariance of the outputs.
    fitted
        Shape (draws, outputs).
    r2
        Share of each output's variance that the fit explains.
    degrees
        Effective degrees of freedom of each output.
    pattern
        Largest normal score of a bin's mean residual over ten bins of each output's fitted values: some 2 where the
        fit is right, above `SUSPICIOUS` where it missed something.
    evidence
        Restricted log likelihood, summed over outputs.
    """

    basis: np.ndarray
    coefficients: np.ndarray
    shrinkage: np.ndarray
    covariance: np.ndarray
    fitted: np.ndarray
    r2: np.ndarray
    degrees: np.ndarray
    pattern: np.ndarray
    evidence: float

    def simulated(self, number: int, seed: int) -> np.ndarray:
        """Draw fitted values from their posterior: as far off as the regression may be (shape as `fitted`)."""
        luck = normals(seed, number, self.coefficients.size).reshape(self.coefficients.shape)
        spread = luck @ _root(self.covariance).T
        moved: np.ndarray = self.basis @ (self.coefficients + np.sqrt(self.shrinkage) * spread)
        return moved


@functools.cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Keep linear algebra to one thread: matrices are small, and the same numbers add up in the same order anywhere."""
    limit: AbstractContextManager[Any] = _pools().limit(limits=1, user_api="blas")
    return limit


def normals(seed: int, stream: int, count: int) -> np.ndarray:
    """Give `count` standard normal numbers, a pure function of seed and stream."""
    from scipy.special import ndtri

    numbers: np.ndarray = ndtri(uniforms(seed, np.arange(count), 0, stream))
    return numbers


def regress(inputs: np.ndarray, outputs: np.ndarray, method: str) -> Fit:
    """Regress `outputs` (draws x outputs) on `inputs` (draws x parameters) by ``spline`` or ``gp``."""
    if method == "gp":
        return penalised_fit(gaussian_process_basis(inputs, outputs), outputs)
    return penalised_fit(spline_basis(inputs), outputs)


def penalised_fit(basis: Basis, outputs: np.ndarray) -> Fit:
    """Fit by penalised least squares, the weight of the penalty by restricted maximum likelihood, output by output."""
    columns, weights = _rotated(basis)
    scores = columns.T @ outputs
    rough = weights > _RANK * max(weights.max(initial=0.0), 1e-300)
    free = len(outputs) - int((~rough).sum())
    total = (outputs**2).sum(axis=0)
    left = np.maximum(total - (scores**2).sum(axis=0), _EXACT * total)
    scale = 1.0 / np.median(weights[rough]) if rough.any() else 1.0
    shrinkage, evidence = np.ones_like(scores), 0.0
    for k in range(outputs.shape[1]):
        penalty, best = _likeliest(scores[rough, k], weights[rough], float(left[k]), free, scale)
        shrinkage[rough, k] = 1.0 / (1.0 + penalty * weights[rough])
        evidence += best
    coefficients = shrinkage * scores
    fitted = columns @ coefficients
    residuals = outputs - fitted
    degrees = shrinkage.sum(axis=0)
    room = np.sqrt(np.maximum(len(outputs) - degrees, 1.0))
    covariance = (residuals / room).T @ (residuals / room)
    return Fit(
        basis=columns,
        coefficients=coefficients,
        shrinkage=shrinkage,
        covariance=covariance,
        fitted=fitted,
        r2=_explained(outputs, residuals),
        degrees=degrees,
        pattern=np.array([_pattern(fitted[:, k], residuals[:, k]) for k in range(outputs.shape[1])]),
        evidence=evidence,
    )


# --- bases ------------------------------------------------------------------------------------------------------------


def spline_basis(inputs: np.ndarray) -> Basis:
    """Lay out penalised splines of every parameter, additive, with products of pairs where draws allow them."""
    draws, count = inputs.shape
    knots = KNOTS if count == 1 else max(0, min(GROUP_KNOTS, draws // (8 * count) - 4))
    parts = [Basis(np.ones((draws, 1)), np.zeros((1, 1)))]
    parts += [_one_parameter(inputs[:, k], knots) for k in range(count)]
    pairs = count * (count - 1) // 2
    if 0 < pairs <= draws // 20:
        scaled = standardised(inputs)
        left, right = np.triu_indices(count, 1)
        parts.append(Basis(scaled[:, left] * scaled[:, right], np.eye(pairs)))
    return _joined(parts)


def _one_parameter(values: np.ndarray, knots: int) -> Basis:
    from scipy.interpolate import BSpline

    levels, which = np.unique(values, return_inverse=True)
    if len(levels) == 1:
        return Basis(np.zeros((len(values), 0)), np.zeros((0, 0)))
    if len(levels) <= LEVELS:
        return Basis(np.eye(len(levels))[which][:, 1:], np.zeros((len(levels) - 1,) * 2))
    x = standardised(values[:, np.newaxis])[:, 0]
    inner = np.unique(np.quantile(x, np.linspace(0, 1, knots + 2)[1:-1]))
    inner = inner[(inner > x.min()) & (inner < x.max())]
    edges = np.concatenate([[x.min()], inner, [x.max()]])
    t = np.concatenate([[edges[0]] * 3, edges, [edges[-1]] * 3])
    design = BSpline.design_matrix(x, t, 3).toarray()
    return Basis(design, _roughness(t, edges))


def _roughness(t: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Integrate products of the basis functions' second derivatives: two Gauss points an interval are exact."""
    from scipy.interpolate import BSpline

    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    points = np.concatenate([middle - half / np.sqrt(3), middle + half / np.sqrt(3)])
    second = BSpline(t, np.eye(len(t) - 4), 3).derivative(2)(points)
    product: np.ndarray = (second * np.concatenate([half, half])[:, np.newaxis]).T @ second
    return product


def gaussian_process_basis(inputs: np.ndarray, outputs: np.ndarray) -> Basis:
    """Lay out a Gaussian process with a linear mean; its lengths maximise the likelihood on a part of the draws."""
    x = standardised(inputs)
    x = x[:, x.std(axis=0) > 0]
    if x.shape[1] == 0:
        return Basis(np.ones((len(x), 1)), np.zeros((1, 1)))
    part = _spread_out(len(x), TUNING_DRAWS)
    lengths = _likeliest_lengths(x[part], outputs[part])
    return _kernel_basis(x, lengths, INDUCING)


def _likeliest_lengths(x: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize

    def misfit(logs: np.ndarray) -> float:
        basis = _kernel_basis(x, np.exp(np.clip(logs, -2.0, 4.0)), TUNING_INDUCING)
        return -penalised_fit(basis, outputs).evidence + 0.05 * float(((logs - 1.0) ** 2).sum())

    start = np.full(x.shape[1], 1.0)
    found = minimize(
        misfit, start, method="Nelder-Mead", options={"maxfev": 20 + 20 * len(start), "xatol": 0.1, "fatol": 0.1}
    )
    lengths: np.ndarray = np.exp(np.clip(found.x, -2.0, 4.0))
    return lengths


def _kernel_basis(x: np.ndarray, lengths: np.ndarray, most: int) -> Basis:
    centres = np.unique(x[_spread_out(len(x), most)], axis=0)
    values, vectors = np.linalg.eigh(_kernel(centres, centres, lengths))
    kept = values > 1e-8 * values.max()
    features = _kernel(x, centres, lengths) @ (vectors[:, kept] / np.sqrt(values[kept]))
    mean = Basis(np.column_stack([np.ones(len(x)), x]), np.zeros((x.shape[1] + 1,) * 2))
    return _joined([mean, Basis(features, np.eye(features.shape[1]))])


def _kernel(left: np.ndarray, right: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    a, b = left / lengths, right / lengths
    distance = (a**2).sum(axis=1)[:, np.newaxis] + (b**2).sum(axis=1) - 2 * a @ b.T
    kernel: np.ndarray = np.exp(-0.5 * np.maximum(distance, 0.0))
    return kernel


def _spread_out(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def standardised(inputs: np.ndarray) -> np.ndarray:
    """Scale columns to mean 0 and standard deviation 1; constant columns become 0."""
    spread = inputs.std(axis=0)
    scaled: np.ndarray = (inputs - inputs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.where(spread > 0, scaled, 0.0)


def _joined(parts: list[Basis]) -> Basis:
    from scipy.linalg import block_diag

    design = np.hstack([part.design for part in parts])
    return Basis(design, block_diag(*(part.penalty for part in parts)))


# --- algebra ----------------------------------------------------------------------------------------------------------


def _rotated(basis: Basis) -> tuple[np.ndarray, np.ndarray]:
    """Rotate into orthonormal columns in which the penalty is diagonal (Demmler and Reinsch)."""
    left, sizes, right = np.linalg.svd(basis.design, full_matrices=False)
    kept = sizes > _RANK * sizes.max()
    back = right[kept].T / sizes[kept]
    weights, turn = np.linalg.eigh(back.T @ basis.penalty @ back)
    return left[:, kept] @ turn, np.maximum(weights, 0.0)


def _likeliest(scores: np.ndarray, weights: np.ndarray, left: float, free: int, scale: float) -> tuple[float, float]:
    """Choose the penalty's weight by restricted likelihood; give it and the log likelihood."""
    if len(scores) == 0:
        return 1.0, -0.5 * free * float(np.log(max(left / max(free, 1), 1e-300)))
    loads = _PENALTIES[:, np.newaxis] * scale * weights
    noise = left + (scores**2 * loads / (1 + loads)).sum(axis=1)
    likelihood = -0.5 * free * np.log(np.maximum(noise / free, 1e-300)) - 0.5 * np.log1p(1 / loads).sum(axis=1)
    best = int(likelihood.argmax())
    return float(_PENALTIES[best] * scale), float(likelihood[best])


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _explained(outputs: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    total = outputs.var(axis=0)
    return np.where(total > 0, 1 - residuals.var(axis=0) / np.where(total > 0, total, 1.0), 0.0)


def _pattern(fitted: np.ndarray, residuals: np.ndarray) -> float:
    if len(fitted) < 10 * _BINS or residuals.var() <= 10 * _EXACT * fitted.var():
        return 0.0
    parts = np.array_split(residuals[np.argsort(fitted, kind="stable")], _BINS)
    noise = [part.std(ddof=1) / np.sqrt(len(part)) for part in parts]
    return max(abs(float(part.mean())) / error for part, error in zip(parts, noise, strict=True) if error > 0)
