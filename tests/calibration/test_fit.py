"""The fit of a closed-form trial: simulated truth is recovered, and every stage does what theory says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models.remission import PARAMETERS, PRIORS, TRUTH, Remission, observe, published, truth
from scipy import special, stats

from sim import decisions
from sim.calibration.fit import Fit, Fitting, rounded_mean
from sim.calibration.likelihood import Likelihood
from sim.calibration.posterior import Posterior
from sim.calibration.sampling import sample
from sim.calibration.search import climb, covariance, log_posterior, sobol_scores
from sim.calibration.settings import Calibration
from sim.calibration.store import Runs, Store
from sim.calibration.target import Target
from sim.experiments.calibrate import FARTHEST, start_scores

BUDGET = Calibration(
    patients=1, search_patients=1, design=16, starts=4, iterations=12, rounds=2, local=30, spread=1.0,
    walkers=24, steps=120, keep=400, check=8, replicates=0, discrepancy=0.0, adopt=False, weights=None,
    parameters=PRIORS,
)  # fmt: skip
KNOWN = np.array([TRUTH[key] for key in PARAMETERS.keys])


def fitted(targets: list[Target], budget: Calibration = BUDGET, folder: Path | None = None, seed: int = 1) -> Fit:
    runs = Runs(Remission(targets), PARAMETERS, Store(folder, len(PARAMETERS)))
    return Fitting(runs, runs, PARAMETERS, targets, budget, seed).run()


def test_truth_is_recovered_at_the_nominal_rate() -> None:
    """Truth drawn from the prior, data drawn at it: 90 % intervals cover it about nine times in ten.

    A Bayesian interval has exactly its nominal coverage over the prior. Over 18 data sets and four parameters the
    number of hits is compared with a binomial; the two-sided error rate is below 1e-3 if parameters were independent.
    """
    generator = np.random.default_rng(11)
    hits = 0
    data_sets = 18
    budget = BUDGET.model_copy(update={"starts": 2, "rounds": 1, "local": 40, "check": 0})
    for _ in range(data_sets):
        known = PARAMETERS.values(0.7 * generator.normal(size=4))
        targets = observe(PARAMETERS.named(known), generator)
        low, high = np.quantile(fitted(targets, budget).draws, [0.05, 0.95], axis=0)
        hits += int(np.sum((low <= known) & (known <= high)))
    fewest, most = stats.binom.ppf([5e-4, 1.0 - 5e-4], 4 * data_sets, 0.9)
    assert fewest <= hits <= most


def test_every_start_finds_the_same_optimum() -> None:
    fit = fitted(published(truth(TRUTH)))
    ends = np.array([start.z for start in fit.starts])
    assert np.ptp([start.log_posterior for start in fit.starts]) < 0.2
    assert np.all(ends.std(axis=0) < 0.1)


def test_the_posterior_of_a_linear_model_is_the_conjugate_one() -> None:
    """Linear quantities with normal errors and standard normal priors: mean and covariance are known."""
    generator = np.random.default_rng(5)
    slopes, data = generator.normal(size=(6, 3)), generator.normal(size=6)
    precision = slopes.T @ slopes / 0.25 + np.eye(3)
    exact = np.linalg.solve(precision, slopes.T @ data / 0.25)

    def density(z: np.ndarray) -> np.ndarray:
        return -0.5 * np.sum((z @ slopes.T - data) ** 2, axis=1) / 0.25 - 0.5 * np.sum(z * z, axis=1)

    def gradient(z: np.ndarray) -> np.ndarray:
        return (data - z @ slopes.T) @ slopes / 0.25 - z

    chain = sample(density, gradient, exact + 0.2, 1.5 * np.linalg.inv(precision), walkers=40, steps=400, keep=6000,
                   seed=3, decision=decisions.CALIBRATION_WALKERS)  # fmt: skip
    sd = np.sqrt(np.diag(np.linalg.inv(precision)))
    assert np.all(np.abs(chain.draws.mean(axis=0) - exact) < 4.0 * sd / np.sqrt(chain.ess))
    assert chain.draws.std(axis=0) == pytest.approx(sd, rel=4.0 / np.sqrt(2.0 * chain.ess.min()))
    assert np.all(chain.r_hat < 1.05)
    assert np.all(chain.ess > 500)


def test_walks_that_the_steps_carry_off_are_refused() -> None:
    """exp(-z^4) has E z^2 = gamma(3/4) / gamma(1/4); steps ten times too wide for it double their way to infinity."""

    def density(z: np.ndarray) -> np.ndarray:
        return -np.sum(z**4, axis=1)

    def gradient(z: np.ndarray) -> np.ndarray:
        return -4.0 * z**3

    chain = sample(density, gradient, np.zeros(2), 25.0 * np.eye(2), walkers=40, steps=2000, keep=20000,
                   seed=3, decision=decisions.CALIBRATION_WALKERS)  # fmt: skip
    squares = chain.draws**2
    exact = special.gamma(0.75) / special.gamma(0.25)
    sd = np.sqrt(special.gamma(1.25) / special.gamma(0.25) - exact**2)
    assert np.all(np.abs(squares.mean(axis=0) - exact) < 4.0 * sd / np.sqrt(np.minimum(chain.ess, len(squares))))


def test_climbing_ends_where_the_gradient_is_nought() -> None:
    targets = published(truth(TRUTH))
    likelihood = Likelihood(targets, 0.2)
    model = Remission(targets)

    def emulate(z: np.ndarray) -> np.ndarray:
        return likelihood.on_scale(np.array([model(PARAMETERS.named(row)) for row in PARAMETERS.values(z)]))

    here = climb(emulate, likelihood, np.zeros(4), 40)
    assert here.path == sorted(here.path)
    around = here.z + 0.02 * np.vstack([np.eye(4), -np.eye(4)])
    assert np.all(log_posterior(likelihood, around, emulate(around)) < here.log_posterior + 0.05)
    sd = np.sqrt(np.diag(covariance(likelihood, here)))
    assert np.all(sd < 1.0)  # data narrow every prior here


def test_the_design_fills_the_prior() -> None:
    z = sobol_scores(256, 4, 1, decisions.CALIBRATION_DESIGN)
    shares = stats.norm.cdf(z)
    assert z.shape == (256, 4)
    for column in shares.T:  # equidistributed: far closer than random numbers would be
        assert stats.kstest(column, "uniform").statistic < 0.02
    assert not np.allclose(z, sobol_scores(256, 4, 2, decisions.CALIBRATION_DESIGN))


def test_nothing_to_learn_leaves_the_prior() -> None:
    """Quantities with enormous errors: posterior SD of every score is that of the prior, 1."""
    fit = fitted(published(truth(TRUTH), se=500.0), BUDGET.model_copy(update={"steps": 250}))
    independent = min(fit.chain.ess.min(), len(fit.chain.draws))  # the chain is thinned
    assert fit.chain.draws.std(axis=0) == pytest.approx(1.0, abs=4.0 / np.sqrt(2.0 * independent) + 0.02)


def test_the_check_finds_the_surrogate_as_good_as_the_simulator() -> None:
    fit = fitted(published(truth(TRUTH)))
    assert fit.check is not None
    assert np.all(np.abs(fit.check.log_ratio) < 0.2)
    assert fit.check.share > 0.95


def test_base_case_is_the_posterior_mean_to_four_digits() -> None:
    fit = fitted(published(truth(TRUTH)))
    assert fit.mean == pytest.approx(fit.draws.mean(axis=0), rel=1e-3)
    assert rounded_mean(np.array([[1.23456], [1.23458]])) == pytest.approx([1.235], abs=0)
    assert fit.base == pytest.approx(truth(PARAMETERS.named(fit.mean)))


def test_a_fit_that_starts_near_ends_where_the_search_does_with_fewer_runs() -> None:
    """From an earlier mean the prior is not searched: one climb, the same optimum, the same posterior."""
    targets = published(truth(TRUTH))
    searched = fitted(targets)
    runs = Runs(Remission(targets), PARAMETERS, Store(None, len(PARAMETERS)))
    start = PARAMETERS.scores(searched.mean) + 0.3
    near = Fitting(runs, runs, PARAMETERS, targets, BUDGET, 1, start=start).run()
    assert len(near.starts) == 1
    assert near.evaluations < searched.evaluations - BUDGET.design
    assert near.optimum.z == pytest.approx(searched.optimum.z, abs=0.05)
    sd = searched.draws.std(axis=0)
    error = sd * np.sqrt(1.0 / np.minimum(searched.chain.ess, 400) + 1.0 / np.minimum(near.chain.ess, 400))
    assert np.all(np.abs(near.draws.mean(axis=0) - searched.draws.mean(axis=0)) < 4.0 * error)


def test_an_earlier_posterior_gives_the_scores_of_its_mean() -> None:
    """Lines that were not free then start in the middle of their prior; nothing starts beyond a prior's edge."""
    keys = PARAMETERS.keys[:2]
    mean = {keys[0]: TRUTH[keys[0]], keys[1]: TRUTH[keys[1]]}
    scores = start_scores(PARAMETERS, Posterior(keys, np.array([[*mean.values()]]), {"mean": mean}))
    assert scores[:2] == pytest.approx(PARAMETERS.scores(KNOWN)[:2])
    assert np.array_equal(scores[2:], [0.0, 0.0])
    far = {keys[0]: float(PRIORS[keys[0]].value(6.0))}
    assert start_scores(PARAMETERS, Posterior(keys[:1], np.zeros((1, 1)), {"mean": far}))[0] == FARTHEST


# --- same seed, same bytes; interrupted and resumed ------------------------------------------------------------------


class Interrupted(Remission):
    """A simulator that is switched off after some runs."""

    def __init__(self, targets: list[Target], after: int) -> None:
        super().__init__(targets)
        self.after = after

    def __call__(self, values):  # type: ignore[no-untyped-def]
        if self.calls >= self.after:
            raise KeyboardInterrupt
        return super().__call__(values)


@pytest.mark.parametrize("after", [5, 43, 90])
def test_a_resumed_fit_gives_the_same_bytes_and_repeats_nothing(tmp_path: Path, after: int) -> None:
    targets = published(truth(TRUTH))
    whole = Remission(targets)
    straight = Fitting(*[Runs(whole, PARAMETERS, Store(None, 4))] * 2, PARAMETERS, targets, BUDGET, 1).run()
    broken = Runs(Interrupted(targets, after), PARAMETERS, Store(tmp_path, 4))
    with pytest.raises(KeyboardInterrupt):
        Fitting(broken, broken, PARAMETERS, targets, BUDGET, 1).run()
    model = Remission(targets)
    runs = Runs(model, PARAMETERS, Store(tmp_path, 4), threads=2)
    resumed = Fitting(runs, runs, PARAMETERS, targets, BUDGET, 1).run()
    assert resumed.draws.tobytes() == straight.draws.tobytes()
    assert resumed.base.tobytes() == straight.base.tobytes()
    assert model.calls == whole.calls - after


def test_another_seed_samples_otherwise_but_finds_the_same() -> None:
    targets = published(truth(TRUTH))
    first, second = fitted(targets, seed=1), fitted(targets, seed=2)
    assert first.draws.tobytes() == fitted(targets, seed=1).draws.tobytes()
    assert first.draws.tobytes() != second.draws.tobytes()
    sd = first.draws.std(axis=0)
    sizes = [np.minimum(fit.chain.ess, len(fit.draws)) for fit in (first, second)]
    error = sd * np.sqrt(1.0 / sizes[0] + 1.0 / sizes[1])
    assert np.all(np.abs(first.draws.mean(axis=0) - second.draws.mean(axis=0)) < 4.0 * error + 1e-3 * sd)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    from sim.problems import Problem

    (tmp_path / "part.npy").write_bytes(b"nonsense")
    with pytest.raises(Problem, match=r"part\.npy: stored evaluations cannot be read; delete"):
        Store(tmp_path, 4)


def test_the_store_gives_back_what_was_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, 2)
    thetas, values = np.array([[1.0, 2.0], [1.0, 2.5]]), np.array([[0.1, np.nan, 3.0], [4.0, 5.0, 6.0]])
    store.keep(thetas, values)
    again = Store(tmp_path, 2)
    for theta, row in zip(thetas, values, strict=True):
        assert again.find(theta).tobytes() == row.tobytes()  # type: ignore[union-attr]
    assert again.find(np.array([1.0, 2.0000001])) is None
    assert not list(tmp_path.glob(".*"))


def test_the_check_knows_what_noise_alone_would_do() -> None:
    """Noise e at a residual r moves a normal log-likelihood by -(2 r e + e^2) / (2 v), whose SD is known."""
    targets = published(truth(TRUTH))
    runs = Runs(Remission(targets), PARAMETERS, Store(None, len(PARAMETERS)))
    fitting = Fitting(runs, runs, PARAMETERS, targets, BUDGET, 1)
    predicted = np.tile(fitting.likelihood.on_scale(truth(TRUTH)), (20_000, 1))
    assert fitting.noise_of_ratio(predicted) == 0.0
    sigma = 0.3 * np.array([target.se for target in targets])
    fitting.likelihood = likelihood = Likelihood(targets, 0.0, sigma)
    share = (sigma**2 / likelihood.variance)[likelihood.fitted]
    left = (likelihood.residuals(predicted[0]) ** 2 / likelihood.variance)[likelihood.fitted]
    expected = np.sqrt(np.sum(left * share + share**2 / 2.0))
    assert fitting.noise_of_ratio(predicted) == pytest.approx(expected, rel=0.03)
