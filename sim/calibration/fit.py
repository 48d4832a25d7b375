"""The fit, from priors to a checked posterior sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim import decisions
from sim.calibration.likelihood import Likelihood
from sim.calibration.priors import Parameters, rounded
from sim.calibration.sampling import Chain, keyed_normals, sample
from sim.calibration.search import Optimum, climb, covariance, log_posterior, sobol_scores
from sim.calibration.settings import Calibration
from sim.calibration.store import Runs
from sim.calibration.surrogate import Surrogate, fit_surrogate
from sim.calibration.target import Target

#: The Monte-Carlo error of a quantity that varies by less than this over replicates is this (on its scale).
LEAST_NOISE: Final = 1e-6
#: Steps of the climb on the surrogate, which costs nothing.
SURROGATE_STEPS: Final = 60


@dataclass(frozen=True)
class Check:
    """Posterior draws, run through the simulator again.

    Attributes
    ----------
    scaled, predicted
        What simulator and surrogate give, shape (draws, targets), on the scales of comparison.
    log_ratio
        Log-likelihood by the simulator minus by the surrogate, shape (draws,).
    share
        Effective share of the draws if they were weighted by that ratio: 1 means the surrogate is as good.
    noise
        SD of that ratio if the surrogate were exact and the simulator had nothing but its Monte-Carlo error.
    """

    scaled: np.ndarray
    predicted: np.ndarray
    log_ratio: np.ndarray
    share: float
    noise: float


@dataclass(frozen=True)
class Fit:
    """A calibration's result.

    Attributes
    ----------
    parameters, likelihood
        What was fitted, to what.
    starts
        Where each climb ended, best first.
    optimum
        The best of them, climbed on with the full number of patients.
    surrogate
        The last surrogate.
    chain
        The posterior sample, as scores.
    mean
        Posterior mean of every parameter, in its own unit, rounded to four digits: the base case.
    base
        Emulated quantities at that mean, natural units.
    predicted
        Quantities of the draws by the surrogate, on their scales, shape (draws, targets).
    check
        The check on the simulator; None where none was asked for.
    design, evaluations
        Evaluations of the local design, and of the whole fit.
    """

    parameters: Parameters
    likelihood: Likelihood
    starts: list[Optimum]
    optimum: Optimum
    surrogate: Surrogate
    chain: Chain
    mean: np.ndarray
    base: np.ndarray
    predicted: np.ndarray
    check: Check | None
    design: int
    evaluations: int

    @property
    def draws(self) -> np.ndarray:
        """The posterior sample in the parameters' own units, shape (draws, parameters)."""
        return self.parameters.values(self.chain.draws)


def planned(budget: Calibration, parameters: int) -> int:
    """Count the work that a fit will ask for, about, in runs with ``search_patients``."""
    slopes = 1 + parameters // 3  # per step: slopes are taken anew every third
    design, starts = (budget.design, budget.starts) if budget.start_from is None else (0, 1)
    climbing = (starts + 1) * (1 + min(budget.iterations, 6) * (3 + slopes))
    size = max(1, budget.patients // budget.search_patients)
    full = 4 * (3 + slopes) + budget.replicates + budget.rounds * budget.local + budget.check + 1
    return design + climbing + size * full


class Fitting:
    """A fit in progress: each stage is a method, `run` does them in order.

    Parameters
    ----------
    runs
        The simulator with the full number of patients.
    search
        The simulator with fewer patients, for the global search.
    parameters, targets, budget, seed
        What is fitted, to what, how, with which random numbers.
    replicate
        Gives the simulator under another seed: called with 1, 2, ...; None: the model has no noise.
    say
        Told what happens, a line each.
    start
        Scores to climb from, shape (parameters,), where an earlier fit is known; None: the prior is searched.
    """

    def __init__(
        self,
        runs: Runs,
        search: Runs,
        parameters: Parameters,
        targets: Sequence[Target],
        budget: Calibration,
        seed: int,
        replicate: Callable[[int], Runs] | None = None,
        say: Callable[[str], None] = lambda line: None,
        start: np.ndarray | None = None,
    ) -> None:
        self.runs, self.search = runs, search
        self.parameters, self.budget, self.seed = parameters, budget, seed
        self.replicate = replicate
        self.say = say
        self.start = start
        self.likelihood = Likelihood(targets, budget.discrepancy)
        self.targets = targets

    def run(self) -> Fit:
        """Do the whole fit."""
        starts = self.search_globally()
        optimum = self.polish(starts[0])
        design, scaled = np.empty((0, len(self.parameters))), np.empty((0, len(self.targets)))
        centre, spread = optimum.z, covariance(self.likelihood, optimum)
        for number in range(self.budget.rounds):
            points = self.local_design(centre, spread, number)
            design = np.vstack([design, points])
            scaled = np.vstack([scaled, self.emulate(points)])
            surrogate = fit_surrogate(design, scaled, centre, spread)
            centre, spread = self.locate(surrogate, centre)
            self.say(
                f"round {number + 1}: {len(design)} evaluations near the optimum; surrogate explains "
                f"{np.median(surrogate.explained):.3f} of the median quantity's variance"
            )
        chain = self.draw(surrogate, centre, spread)
        predicted = surrogate(chain.draws)
        mean = rounded_mean(self.parameters.values(chain.draws))
        return Fit(
            self.parameters,
            self.likelihood,
            starts,
            optimum,
            surrogate,
            chain,
            mean,
            self.runs(mean[None])[0],
            predicted,
            self.check(surrogate, chain, predicted),
            len(design),
            len(self.runs.store) + (len(self.search.store) if self.search is not self.runs else 0),
        )

    def emulate(self, z: np.ndarray) -> np.ndarray:
        """Run the simulator at scores and bring the quantities to their scales."""
        return self.likelihood.on_scale(self.runs(self.parameters.values(z)))

    def _emulate_small(self, z: np.ndarray) -> np.ndarray:
        return self.likelihood.on_scale(self.search(self.parameters.values(z)))

    def search_globally(self) -> list[Optimum]:
        """Fill the prior and climb from its best points; or climb from where an earlier fit ended."""
        budget = self.budget
        if self.start is not None:
            points = self.start[None]
        else:
            z = sobol_scores(budget.design, len(self.parameters), self.seed, decisions.CALIBRATION_DESIGN)
            values = log_posterior(self.likelihood, z, self._emulate_small(z))
            points = z[np.argsort(-values, kind="stable")[: budget.starts]]
        found = []
        for number, point in enumerate(points):
            found.append(climb(self._emulate_small, self.likelihood, point, budget.iterations))
            self.say(f"start {number + 1} of {len(points)}: log-posterior {found[-1].log_posterior:.1f}")
        return sorted(found, key=lambda optimum: -optimum.log_posterior)

    def polish(self, start: Optimum) -> Optimum:
        """Measure the Monte-Carlo error there, then climb on with all patients."""
        self.likelihood = Likelihood(self.targets, self.budget.discrepancy, self.noise(start.z))
        best = climb(self.emulate, self.likelihood, start.z, max(3, self.budget.iterations // 2))
        self.say(f"optimum: log-posterior {best.log_posterior:.1f}")
        return best

    def noise(self, z: np.ndarray) -> np.ndarray | None:
        """Take the Monte-Carlo standard error of every quantity from runs with other random numbers."""
        if self.replicate is None or self.budget.replicates == 0:
            return None
        theta = self.parameters.values(z[None])
        rows = [self.replicate(number)(theta)[0] for number in range(1, self.budget.replicates + 1)]
        scaled = self.likelihood.on_scale(np.array(rows))
        with np.errstate(invalid="ignore"):
            error = np.array([np.std(c[np.isfinite(c)], ddof=1) if np.isfinite(c).sum() > 1 else 0.0 for c in scaled.T])
        return np.maximum(error, LEAST_NOISE)

    def local_design(self, centre: np.ndarray, spread: np.ndarray, number: int) -> np.ndarray:
        """Spread points over the bulk of the posterior: a Sobol design seen through its normal approximation."""
        u = sobol_scores(self.budget.local, len(self.parameters), self.seed + number, decisions.CALIBRATION_LOCAL)
        return centre + self.budget.spread * u @ np.linalg.cholesky(spread).T

    def locate(self, surrogate: Surrogate, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Climb on the surrogate; give the mode and the covariance there."""
        z = start
        for _ in range(SURROGATE_STEPS):
            scaled, slopes = surrogate(z)[0], surrogate.slopes(z)
            step = _newton(self.likelihood, z, scaled, slopes, surrogate.error)
            lengths = np.array([1.0, 0.5, 0.25, 0.1, 0.03])[:, None]
            values = self.density(surrogate, np.vstack([z[None], z + lengths * step]))
            best = int(np.argmax(values))
            if best == 0 or values[best] - values[0] < 1e-6:
                break
            z = z + lengths[best - 1] * step
        here = Optimum(z, surrogate(z)[0], 0.0, surrogate.slopes(z))
        return z, covariance(self.likelihood, here, surrogate.error)

    def density(self, surrogate: Surrogate, z: np.ndarray) -> np.ndarray:
        """Give the log-posterior by the surrogate, its error included."""
        return np.asarray(self.likelihood.log(surrogate(z), surrogate.error) - 0.5 * np.sum(np.square(z), axis=-1))

    def draw(self, surrogate: Surrogate, centre: np.ndarray, spread: np.ndarray) -> Chain:
        """Sample the posterior on the surrogate."""
        budget = self.budget
        chosen = self.likelihood.fitted
        small = surrogate.only(chosen)
        targets = [target for target in self.targets if target.fitted]
        likelihood = Likelihood(targets, budget.discrepancy, np.hypot(self.likelihood.noise[chosen], small.error))

        def log_density(z: np.ndarray) -> np.ndarray:
            return np.asarray(likelihood.log(small(z)) - 0.5 * np.sum(np.square(z), axis=-1))

        def slope(scaled: np.ndarray) -> np.ndarray:
            return -likelihood.precisions(scaled) * likelihood.residuals(scaled)

        def gradient(z: np.ndarray) -> np.ndarray:
            return small.pull_back(z, slope) - z

        self.say(f"walking: {budget.walkers} walkers, {budget.steps:,} steps on the surrogate, some minutes")
        chain = sample(
            log_density,
            gradient,
            centre,
            spread,
            walkers=budget.walkers,
            steps=budget.steps,
            keep=budget.keep,
            seed=self.seed,
            decision=decisions.CALIBRATION_WALKERS,
        )
        self.say(
            f"posterior: {len(chain.draws)} draws kept; largest split R-hat {chain.r_hat.max():.3f}, "
            f"smallest effective size {chain.ess.min():.0f}, accepted {chain.acceptance:.2f}"
        )
        return chain

    def check(self, surrogate: Surrogate, chain: Chain, predicted: np.ndarray) -> Check | None:
        """Run draws through the simulator and compare log-likelihoods."""
        if self.budget.check == 0:
            return None
        at = np.linspace(0, len(chain.draws) - 1, self.budget.check).round().astype(int)
        scaled = self.emulate(chain.draws[at])
        ratio = self.likelihood.log(scaled) - self.likelihood.log(predicted[at], surrogate.error)
        weights = np.exp(ratio - ratio.max())
        share = float(weights.sum() ** 2 / np.sum(weights**2) / len(at))
        noise = self.noise_of_ratio(predicted[at])
        self.say(
            f"check on the simulator: log-likelihood differs by {ratio.mean():.2f} "
            f"(SD {ratio.std():.2f}; Monte-Carlo error alone: {noise:.2f})"
        )
        return Check(scaled, predicted[at], ratio, share, noise)

    def noise_of_ratio(self, predicted: np.ndarray) -> float:
        """Tell how much the log-likelihood of draws varies by the simulator's Monte-Carlo error alone (SD)."""
        noise = keyed_normals(self.seed, decisions.CALIBRATION_NOISE, *predicted.shape) * self.likelihood.noise
        return float(np.std(self.likelihood.log(predicted + noise) - self.likelihood.log(predicted)))


def _newton(
    likelihood: Likelihood, z: np.ndarray, scaled: np.ndarray, slopes: np.ndarray, error: np.ndarray
) -> np.ndarray:
    weights = likelihood.precisions(scaled, error)
    information = slopes.T @ (weights[:, None] * slopes) + np.eye(len(z))
    gradient = -slopes.T @ (weights * likelihood.residuals(scaled)) - z
    return np.asarray(np.linalg.solve(information, gradient))


def rounded_mean(draws: np.ndarray) -> np.ndarray:
    """Give the mean of every column to four significant digits, as it is written into a parameter line."""
    return rounded(draws.mean(axis=0), 4)
