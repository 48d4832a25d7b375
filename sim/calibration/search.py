"""The search for the best fit: a space-filling design, then damped Gauss-Newton steps from several of its points.

A simulation with a finite cohort is a staircase: a parameter must move far enough that patients change sides. Slopes
are therefore taken over wide steps, as wide as what the quantities can tell apart, on the same random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from sim.calibration.likelihood import Likelihood
from sim.draws import uniforms

#: Steps of the finite differences, in prior SDs.
WIDEST: Final = 0.5
NARROWEST: Final = 0.02
#: Largest step of one iteration, in prior SDs along any one parameter.
REACH: Final = 1.0
#: Lengths tried along a step, all at once.
LENGTHS: Final = (1.0, 0.4, 0.12)
#: An iteration that gains less log-posterior than this is the last, if it began with fresh slopes.
GAIN: Final = 0.1

Emulate = Callable[[np.ndarray], np.ndarray]
"""Scores, shape (n, parameters) -> emulated quantities on their scales, shape (n, targets)."""


def sobol_scores(count: int, dimensions: int, seed: int, decision: int) -> np.ndarray:
    """Fill the prior: a Sobol sequence, moved by keyed numbers (Cranley and Patterson 1976), seen as normal scores.

    Returns
    -------
    numpy.ndarray
        Shape (count, dimensions).
    """
    points = qmc.Sobol(dimensions, scramble=False).random_base2((count - 1).bit_length())[:count]
    moved = (points + uniforms(seed, np.arange(dimensions), decision)) % 1.0
    return np.asarray(ndtri(np.clip(moved, 1e-6, 1.0 - 1e-6)))


@dataclass
class Optimum:
    """Where a search ended.

    Attributes
    ----------
    z
        Scores.
    scaled
        Emulated quantities on their scales.
    log_posterior
        Log-likelihood plus log prior (without constants).
    slopes
        d quantity / d score, shape (targets, parameters).
    path
        Log-posterior after every iteration.
    """

    z: np.ndarray
    scaled: np.ndarray
    log_posterior: float
    slopes: np.ndarray
    path: list[float] = field(default_factory=list)


def log_posterior(likelihood: Likelihood, z: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    """Add log-likelihood and log prior of scores, shape (..., parameters)."""
    return np.asarray(likelihood.log(scaled) - 0.5 * np.sum(np.square(z), axis=-1))


def climb(emulate: Emulate, likelihood: Likelihood, start: np.ndarray, iterations: int, fresh: int = 3) -> Optimum:
    """Climb to a maximum of the posterior by damped Gauss-Newton steps.

    Slopes are taken anew every `fresh` iterations, and whenever a step fails; in between they follow the steps taken
    (Broyden 1965).

    Parameters
    ----------
    emulate
        The simulator.
    likelihood
        The likelihood.
    start
        Scores to begin with.
    iterations
        Most iterations.
    fresh
        Iterations per set of slopes.
    """
    z = np.array(start, dtype=float)
    scaled = emulate(z[None])[0]
    here = Optimum(z, scaled, float(log_posterior(likelihood, z, scaled)), np.zeros((len(scaled), len(z))))
    here.path.append(here.log_posterior)
    age, damping = fresh, 1e-3
    for _ in range(iterations):
        is_fresh = age >= fresh
        if is_fresh:
            here.slopes = slopes(emulate, likelihood, here)
            age = 0
        step = _step(likelihood, here, damping)
        trial_z = here.z + np.array(LENGTHS)[:, None] * step
        trials = emulate(trial_z)
        values = log_posterior(likelihood, trial_z, trials)
        best = int(np.argmax(values))
        gain = float(values[best]) - here.log_posterior
        if gain > 0.0:
            moved, change = trial_z[best] - here.z, _difference(trials[best], here.scaled)
            here.slopes = here.slopes + np.outer(change - here.slopes @ moved, moved) / (moved @ moved)
            here.z, here.scaled, here.log_posterior = trial_z[best], trials[best], float(values[best])
            damping = damping / 5.0 if best == 0 else damping * 2.0
            age += 1
        else:
            damping *= 20.0
        here.path.append(here.log_posterior)
        if gain < GAIN:
            if is_fresh and gain <= 0.0 and damping < 1.0:
                continue
            if is_fresh:
                break
            age = fresh
    return here


def slopes(emulate: Emulate, likelihood: Likelihood, here: Optimum) -> np.ndarray:
    """Take slopes by differences, towards the prior mean, as wide as the quantities can tell values apart."""
    widths = np.full(len(here.z), 0.25)
    if np.any(here.slopes):
        widths = np.clip(np.sqrt(np.diag(covariance(likelihood, here))), NARROWEST, WIDEST)
    widths = np.where(here.z > 0.0, -widths, widths)
    moved = emulate(here.z + np.diag(widths))
    return _difference(moved, here.scaled).T / widths


def covariance(likelihood: Likelihood, here: Optimum, emulation: np.ndarray | float = 0.0) -> np.ndarray:
    """Give the Gauss-Newton covariance of the scores, prior included (Laplace's approximation)."""
    weights = likelihood.precisions(here.scaled, emulation)
    information = here.slopes.T @ (weights[:, None] * here.slopes) + np.eye(len(here.z))
    inverse = np.linalg.inv(information)
    return 0.5 * (inverse + inverse.T)


def _step(likelihood: Likelihood, here: Optimum, damping: float) -> np.ndarray:
    weights = likelihood.precisions(here.scaled)
    information = here.slopes.T @ (weights[:, None] * here.slopes)
    gradient = -here.slopes.T @ (weights * likelihood.residuals(here.scaled)) - here.z
    damped = information + np.eye(len(here.z)) + damping * np.diag(np.diag(information))
    step = np.linalg.solve(damped, gradient)
    return step * min(1.0, REACH / float(np.max(np.abs(step)) + 1e-12))


def _difference(moved: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Subtract quantities; one that does not exist on either side has no slope."""
    difference = moved - here
    return np.where(np.isfinite(difference), difference, 0.0)
