"""The likelihood: how far emulated quantities are from published ones.

A share is compared on the logit scale, a hazard ratio or median on the log scale, anything else as it is. On that scale
the difference is normal with variance ``se^2 / weight + noise^2 + emulation^2 + tau^2``: the publication's standard
error (a weight below 1 is a study that shares patients with others), the Monte-Carlo error of the simulated cohort, the
error of a surrogate where one is used, and the study's discrepancy. The discrepancy ``tau`` has a half-normal prior per
study and is integrated out: a study that conflicts with the others is believed less, at a price. That is all the
robustness there is: no quantity is dropped or cut off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import ndtri

from sim.calibration.target import Target, inner

#: An emulated share nearer to 0 or 1 than this counts as this: 8,000 patients cannot tell it from 0.
SMALLEST_SHARE: Final = 5e-4
#: Nodes of the quadrature over a study's discrepancy.
NODES: Final = 24
#: A quantity that the model does not produce (empty subgroup, median never reached) counts as so many standard errors.
MISSING: Final = 4.0


class Likelihood:
    """Log-likelihood of the published quantities.

    Parameters
    ----------
    targets
        All quantities; those with ``fitted=False`` are carried along and do not count.
    discrepancy
        Scale of the half-normal prior of a study's discrepancy: logits, logs, or a share of the value for ``identity``.
    noise
        Monte-Carlo standard error of each emulated quantity on its scale, shape (targets,); None: none.
    """

    def __init__(self, targets: Sequence[Target], discrepancy: float, noise: np.ndarray | None = None) -> None:
        self.targets = tuple(targets)
        self.discrepancy = float(discrepancy)
        self.fitted = np.array([target.fitted for target in targets])
        self.observed = np.array([observed(target) for target in targets])
        self.noise = np.zeros(len(self.targets)) if noise is None else np.asarray(noise, dtype=float)
        error = np.array([target.se for target in targets])
        weight = np.array([target.weight for target in targets])
        self.variance = np.where(self.fitted, error**2 / weight + self.noise**2, 1.0)
        self.unit = np.array([_discrepancy_unit(target) for target in targets])
        studies = list(dict.fromkeys(target.study for target in targets if target.fitted))
        self.studies = {
            study: np.array([i for i, t in enumerate(targets) if t.fitted and t.study == study]) for study in studies
        }
        self._member = np.array([[t.fitted and t.study == study for study in studies] for t in targets])
        self._taus, self._log_weights = half_normal_nodes(self.discrepancy)
        self._unmoved = self._nodes(0.0)

    def on_scale(self, values: np.ndarray) -> np.ndarray:
        """Bring emulated quantities, shape (..., targets), to the scales of comparison; NaN stays NaN."""
        values = np.asarray(values, dtype=float)
        columns = [scaled(target, values[..., i]) for i, target in enumerate(self.targets)]
        return np.stack(columns, axis=-1)

    def residuals(self, scaled_values: np.ndarray) -> np.ndarray:
        """Subtract what was published; what does not exist counts as `MISSING` errors, what is only shown as 0."""
        difference = np.asarray(scaled_values, dtype=float) - self.observed
        difference = np.where(np.isfinite(difference), difference, MISSING * np.sqrt(self.variance))
        return np.where(self.fitted, difference, 0.0)

    def log(self, scaled_values: np.ndarray, emulation: np.ndarray | float = 0.0) -> np.ndarray:
        """Compute the log-likelihood.

        Parameters
        ----------
        scaled_values
            Emulated quantities on their scales, shape (..., targets).
        emulation
            Standard error of a surrogate on those scales, shape (targets,).

        Returns
        -------
        numpy.ndarray
            Shape (...).
        """
        return np.asarray(_log_sum_exp(self._by_node(self.residuals(scaled_values), emulation)).sum(axis=-1))

    def by_study(self, scaled_values: np.ndarray, emulation: np.ndarray | float = 0.0) -> dict[str, np.ndarray]:
        """Compute the log-likelihood of each study, its discrepancy integrated out."""
        terms = _log_sum_exp(self._by_node(self.residuals(scaled_values), emulation))
        return {study: terms[..., number] for number, study in enumerate(self.studies)}

    def _nodes(self, emulation: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Prepare the quadrature over discrepancies.

        Returns
        -------
        tuple
            Precision of each quantity at each node of its own study, 0 at other studies', shape (targets, studies *
            nodes); and what does not depend on the residuals, shape (studies, nodes).
        """
        variance = self.variance + np.asarray(emulation) ** 2
        total = variance[:, None] + (self._taus * self.unit[:, None]) ** 2
        precision = self._member[:, :, None] / total[:, None, :]
        constant = -0.5 * self._member.T.astype(float) @ np.log(2 * math.pi * total) + self._log_weights
        return precision.reshape(len(self.targets), -1), constant

    def _by_node(self, residuals: np.ndarray, emulation: np.ndarray | float) -> np.ndarray:
        """Log-likelihood of studies at values of their discrepancies, priors included: (..., studies, nodes)."""
        precision, constant = self._prepared(emulation)
        return np.asarray(constant - 0.5 * ((residuals**2) @ precision).reshape(*residuals.shape[:-1], *constant.shape))

    def _prepared(self, emulation: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        return self._nodes(emulation) if np.any(emulation) else self._unmoved

    def precisions(self, scaled_values: np.ndarray, emulation: np.ndarray | float = 0.0) -> np.ndarray:
        """Give each quantity's weight in a least-squares step: its precision averaged over the study's discrepancy.

        The gradient of the log-likelihood by the residuals is minus precision times residual, exactly.

        Parameters
        ----------
        scaled_values
            Emulated quantities on their scales, shape (..., targets).
        emulation
            Standard error of a surrogate, shape (targets,).

        Returns
        -------
        numpy.ndarray
            Shape (..., targets); 0 where a quantity is not fitted.
        """
        residuals = self.residuals(scaled_values)
        share = _shares(self._by_node(residuals, emulation))
        return np.asarray(share.reshape(*residuals.shape[:-1], -1) @ self._prepared(emulation)[0].T)

    def discrepancies(self, scaled_values: np.ndarray) -> dict[str, float]:
        """Give each study's discrepancy: its posterior mean given one set of emulated quantities."""
        mean = _shares(self._by_node(self.residuals(scaled_values), 0.0)) @ self._taus
        return dict(zip(self.studies, mean.tolist(), strict=True))


def _shares(nodes: np.ndarray) -> np.ndarray:
    """Turn log weights into weights that add up to 1 along the last axis."""
    weights = np.exp(nodes - nodes.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _log_sum_exp(nodes: np.ndarray) -> np.ndarray:
    """Add up along the last axis what is given as logarithms (scipy's does the same, at ten times the overhead)."""
    most = nodes.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(nodes - most).sum(axis=-1)) + most[..., 0])


def half_normal_nodes(scale: float, nodes: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Give nodes and log weights of a quadrature over a half-normal distribution (Gauss-Legendre on its quantiles)."""
    if scale == 0.0:
        return np.zeros(1), np.zeros(1)
    points, weights = np.polynomial.legendre.leggauss(nodes)
    quantiles = 0.5 * (points + 1.0)
    return scale * ndtri(0.5 * (1.0 + quantiles)), np.log(0.5 * weights)


def observed(target: Target) -> float:
    """Bring a published value to its scale; a share of 0 or 1 becomes its empirical logit, (k + 1/2) / (n + 1)."""
    value = target.value
    if not math.isfinite(value):
        return math.nan
    if target.scale == "proportion" and not 0.0 < value < 1.0:
        value = inner(value, target.n or 1.0 / SMALLEST_SHARE)
    return float(scaled(target, np.asarray(value)))


def scaled(target: Target, values: np.ndarray) -> np.ndarray:
    """Bring values of one quantity to its scale: logit, log, or as they are."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if target.scale == "proportion":
            share = np.clip(values, SMALLEST_SHARE, 1.0 - SMALLEST_SHARE)
            return np.asarray(np.log(share / (1.0 - share)))
        if target.scale == "log":
            return np.asarray(np.where(values > 0.0, np.log(values), np.nan))
    return np.asarray(values, dtype=float)


def natural(target: Target, values: np.ndarray) -> np.ndarray:
    """Undo `scaled`."""
    if target.scale == "proportion":
        return np.asarray(1.0 / (1.0 + np.exp(-values)))
    return np.asarray(np.exp(values) if target.scale == "log" else values)


def _discrepancy_unit(target: Target) -> float:
    return abs(target.value) if target.scale == "identity" and target.value != 0.0 and target.fitted else 1.0
