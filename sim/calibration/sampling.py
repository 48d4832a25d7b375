"""The posterior sample: an ensemble of walkers (emcee) on the surrogate, with its convergence stated.

A quadratic surrogate has a gradient, so walkers mostly move along it (Hamiltonian Monte Carlo, in the coordinates in
which the posterior is about standard normal); proposals around the normal approximation (preconditioned Crank-Nicolson)
and differential-evolution moves are mixed in. All of them leave the posterior as it is, whatever the approximation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sim.draws import normal_quantile, uniforms

#: How far proposals around the normal approximation go: 1 is an independent draw.
JUMPS: Final = (0.15, 0.5)
#: Size and number of the steps along the gradient; both are jittered.
STRIDE: Final = 0.35
STRIDES: Final = 10
#: Squared speed (that of a standard normal at its start) that only a walk has that the steps carry off.
CARRIED_OFF: Final = 1e6
#: Share of the walk that is thrown away at its beginning.
BURN_IN: Final = 0.25


@dataclass(frozen=True)
class Chain:
    """A posterior sample and how well it converged.

    Attributes
    ----------
    draws
        Scores, shape (kept, parameters): equally spaced along the walk.
    log_posterior
        Of each draw, shape (kept,).
    r_hat
        Split R-hat of every parameter (Gelman et al., Bayesian Data Analysis, 3rd ed., 11.4), walkers as chains.
    ess
        Effective number of draws of every parameter: walkers times steps over the autocorrelation time.
    acceptance
        Share of proposals accepted.
    """

    draws: np.ndarray
    log_posterior: np.ndarray
    r_hat: np.ndarray
    ess: np.ndarray
    acceptance: float


def sample(
    log_density: Callable[[np.ndarray], np.ndarray],
    gradient: Callable[[np.ndarray], np.ndarray],
    centre: np.ndarray,
    covariance: np.ndarray,
    *,
    walkers: int,
    steps: int,
    keep: int,
    seed: int,
    decision: int,
    advance: Callable[[int], None] = lambda done: None,
) -> Chain:
    """Sample a posterior.

    Parameters
    ----------
    log_density
        Scores, shape (n, parameters) -> log-posterior, shape (n,).
    gradient
        Scores -> gradient of the log-posterior, shape (n, parameters).
    centre, covariance
        The normal approximation.
    walkers, steps, keep
        Size of the ensemble, length of the walk, draws to keep.
    seed, decision
        Key of the random numbers.
    advance
        Called with the steps just done.
    """
    import emcee

    spread = np.linalg.cholesky(covariance)
    start = centre + keyed_normals(seed, decision, walkers, len(centre)) @ spread.T
    moves: list[tuple[Any, float]] = [(emcee.moves.MHMove(_along(gradient, spread)), 0.8)]
    moves += [(emcee.moves.MHMove(_around(centre, spread, jump)), 0.05) for jump in JUMPS]
    moves += [(emcee.moves.DEMove(), 0.1)]
    sampler = emcee.EnsembleSampler(walkers, len(centre), log_density, moves=moves, vectorize=True)
    state = emcee.State(start, random_state=_twister(seed, decision))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)
        for _ in sampler.sample(state, iterations=steps):
            advance(1)
    burn = int(BURN_IN * steps)
    chain, values = sampler.get_chain()[burn:], sampler.get_log_prob()[burn:]
    at = np.linspace(0, chain.shape[0] * walkers - 1, keep).round().astype(int)
    return Chain(
        chain.reshape(-1, len(centre))[at],
        values.reshape(-1)[at],
        split_r_hat(chain),
        effective_size(chain),
        float(np.mean(sampler.acceptance_fraction)),
    )


def _twister(seed: int, decision: int) -> tuple[str, np.ndarray, int, int, float]:
    """Fill the state of emcee's own generator (a Mersenne twister) with keyed numbers."""
    words = (uniforms(seed, np.arange(624), decision, 1) * 2**32).astype(np.uint32)
    return "MT19937", words, 624, 0, 0.0


def keyed_normals(seed: int, decision: int, rows: int, columns: int) -> np.ndarray:
    """Draw standard normal numbers, shape (rows, columns), each a pure function of its key."""
    numbers = np.stack([uniforms(seed, np.arange(rows), decision, nth) for nth in range(columns)], axis=1)
    return np.vectorize(normal_quantile, otypes=[float])(numbers)


def _along(gradient: Callable[[np.ndarray], np.ndarray], spread: np.ndarray) -> Callable[..., Any]:
    """Propose by leapfrog steps along the gradient (Neal 2011, Handbook of Markov Chain Monte Carlo, chapter 5).

    A walk that the steps carry off (it would be refused, were its density a number) stays where it was.
    """

    def propose(coordinates: np.ndarray, random: Any) -> tuple[np.ndarray, np.ndarray]:
        stride = STRIDE * random.uniform(0.7, 1.3)
        strides = random.randint(STRIDES - 3, STRIDES + 4)
        speed = random.randn(*coordinates.shape)
        began = np.sum(speed**2, axis=1)
        z = coordinates
        speed = speed + 0.5 * stride * gradient(z) @ spread
        for number in range(strides):
            z = z + stride * speed @ spread.T
            speed = speed + (1.0 if number < strides - 1 else 0.5) * stride * gradient(z) @ spread
        ended = np.sum(speed**2, axis=1)
        arrived = np.isfinite(z).all(axis=1) & (ended < CARRIED_OFF)
        return np.where(arrived[:, None], z, coordinates), np.where(arrived, 0.5 * (began - ended), -np.inf)

    return propose


def _around(centre: np.ndarray, spread: np.ndarray, jump: float) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Propose by a Crank-Nicolson step around a normal distribution (Cotter et al. 2013, doi:10.1214/13-STS421)."""
    stay = np.sqrt(1.0 - jump * jump)

    def propose(coordinates: np.ndarray, random: Any) -> tuple[np.ndarray, np.ndarray]:
        fresh = random.randn(*coordinates.shape) @ spread.T
        moved = centre + stay * (coordinates - centre) + jump * fresh
        return moved, _log_normal(coordinates, centre, spread) - _log_normal(moved, centre, spread)

    return propose


def _log_normal(z: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    u = np.linalg.solve(spread, (z - centre).T)
    return np.asarray(-0.5 * np.sum(u * u, axis=0))


def split_r_hat(chain: np.ndarray) -> np.ndarray:
    """Compare the walkers, each cut in halves: 1 where all tell the same.

    Parameters
    ----------
    chain
        Shape (steps, walkers, parameters).
    """
    half = chain.shape[0] // 2
    series = np.concatenate([chain[:half], chain[-half:]], axis=1)
    within = series.var(axis=0, ddof=1).mean(axis=0)
    between = half * series.mean(axis=0).var(axis=0, ddof=1)
    pooled = (half - 1) / half * within + between / half
    return np.asarray(np.sqrt(pooled / np.where(within > 0, within, np.inf)))


def effective_size(chain: np.ndarray) -> np.ndarray:
    """Divide the number of draws by the integrated autocorrelation time (Sokal's window, as emcee computes it)."""
    import emcee

    steps, walkers, parameters = chain.shape
    times = emcee.autocorr.integrated_time(chain, tol=0, quiet=True)
    return np.asarray(np.minimum(steps * walkers / np.maximum(times, 1.0), steps * walkers)).reshape(parameters)
