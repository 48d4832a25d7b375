"""The grids and estimators, against closed forms and statsmodels."""

import numpy as np
import pytest
from statsmodels.duration.api import SurvfuncRight
from statsmodels.duration.survfunc import CumIncidenceRight

from sim.kernel import INF
from sim.tally.curves import (
    FINE,
    GRID,
    MONTH_OF_FINE,
    NEVER,
    fine_code_of_month,
    fine_codes,
    log_log_limits,
    median,
    month_code,
    product_limit,
    quantile,
    wilson_limits,
)
from sim.units import DAYS_PER_MONTH


def histogram(days: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes = fine_codes(days)
    return (
        np.bincount(codes[event], minlength=NEVER + 1),
        np.bincount(codes[~event], minlength=NEVER + 1),
    )


def censored_sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    failure, censoring = rng.weibull(0.8, n) * 600.0, rng.exponential(900.0, n)
    return np.minimum(failure, censoring), failure <= censoring


def test_every_point_of_the_month_grid_is_a_point_of_the_fine_grid():
    assert set(GRID) <= set(FINE)
    assert len(FINE) == NEVER
    assert [GRID[0], GRID[120], GRID[121], GRID[-1]] == [0, 120, 132, 960]


@pytest.mark.parametrize("jitter", [-1e-9, 0.0, 1e-9])
def test_a_time_at_a_month_counts_at_that_month(jitter):
    months = np.arange(0, 961)
    codes = fine_codes(months * DAYS_PER_MONTH + jitter)
    assert np.array_equal(FINE[codes], months)
    on_grid = codes[GRID]
    assert np.array_equal(MONTH_OF_FINE[on_grid], np.arange(len(GRID)))


def test_a_time_counts_at_the_first_point_not_before_it():
    rng = np.random.default_rng(1)
    months = np.concatenate([rng.uniform(0, 130, 20000), rng.uniform(0, 960, 20000)])
    codes = fine_codes(months * DAYS_PER_MONTH)
    after = FINE[codes]
    step = np.where(after <= 120, 1 / 32, 1.0)
    assert np.all(after > months - 2e-3 * step)
    assert np.all(after < months + step * (1 + 2e-3))
    assert np.all(np.diff(fine_codes(np.sort(months) * DAYS_PER_MONTH)) >= 0)


def test_never_and_before_the_clock():
    assert fine_codes(np.array([INF, 961 * DAYS_PER_MONTH, -5.0, 0.0])).tolist() == [NEVER, NEVER, 0, 0]
    assert MONTH_OF_FINE[NEVER] == len(GRID)
    assert [month_code(m) for m in (0, 6, 120, 132, 960)] == [0, 6, 120, 121, len(GRID) - 1]


def test_product_limit_agrees_with_statsmodels():
    days, event = censored_sample(3000, 2)
    survival, variance, at_risk = product_limit(*histogram(days, event))
    reference = SurvfuncRight(days, event)
    for month in (1, 6, 12, 18, 24, 36, 60):
        at = np.searchsorted(reference.surv_times, month * DAYS_PER_MONTH, side="right") - 1
        here = fine_code_of_month(month)
        assert survival[here] == pytest.approx(reference.surv_prob[at], abs=1e-3)
        assert np.sqrt(variance[here]) == pytest.approx(reference.surv_prob_se[at], rel=0.02)
        assert at_risk[here] == np.sum(days > month * DAYS_PER_MONTH)


def test_without_censoring_the_product_limit_is_the_share_alive_and_its_error_is_binomial():
    rng = np.random.default_rng(3)
    days = rng.exponential(400.0, 1000)
    survival, variance, at_risk = product_limit(*histogram(days, np.ones(1000, dtype=bool)))
    alive = np.array([np.mean(days > m * DAYS_PER_MONTH) for m in FINE[:1000]])
    assert np.allclose(survival[:1000], alive, atol=2e-3)
    share = at_risk[:1000] / 1000
    assert np.allclose(survival[:1000], share, atol=1e-12)
    assert np.allclose(variance[:1000], share * (1 - share) / 1000, atol=1e-12)


def test_log_log_limits_are_symmetric_on_their_scale():
    days, event = censored_sample(800, 4)
    survival, variance, at_risk = product_limit(*histogram(days, event))
    low, high = log_log_limits(survival, variance, at_risk, 800)
    inside = (survival > 0) & (survival < 1)
    middle, left, right = (np.log(-np.log(s[inside])) for s in (survival, high, low))
    assert np.allclose(right - middle, middle - left)
    delta = 1.959964 * np.sqrt(variance[inside]) / np.abs(survival[inside] * np.log(survival[inside]))
    assert np.allclose(right - middle, delta)
    assert np.all((low <= survival + 1e-12) & (survival <= high + 1e-12))


def test_log_log_limits_cover_the_truth():
    """About 95% of 400 samples of 100: at most 9% outside is 3.7 standard errors above 5%."""
    outside = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        failure, censoring = rng.exponential(300.0, 100), rng.exponential(900.0, 100)
        counts = histogram(np.minimum(failure, censoring), failure <= censoring)
        low, high = log_log_limits(*product_limit(*counts), 100)
        here = fine_code_of_month(9)
        outside += not low[here] <= np.exp(-9 * DAYS_PER_MONTH / 300.0) <= high[here]
    assert outside <= 36


def test_wilson_limits_of_a_textbook_case():
    low, high = wilson_limits(np.array([0, 5, 10]), 10)
    assert low == pytest.approx([0.0, 0.2366, 0.7225], abs=1e-4)
    assert high == pytest.approx([0.2775, 0.7634, 1.0], abs=1e-4)
    assert np.isnan(wilson_limits(np.array([0]), 0)[0]).all()


def test_cumulative_incidence_without_censoring_is_aalen_johansen():
    rng = np.random.default_rng(5)
    relapse, death = rng.exponential(500.0, 2000), rng.exponential(900.0, 2000)
    first, kind = np.minimum(relapse, death), np.where(relapse < death, 1, 2)
    reference = CumIncidenceRight(first, kind)
    for month in (6, 12, 24):
        at = np.searchsorted(reference.times, month * DAYS_PER_MONTH, side="right") - 1
        share = np.mean((kind == 1) & (fine_codes(first) <= fine_code_of_month(month)))
        assert share == pytest.approx(reference.cinc[0][at], abs=1e-3)


def test_median_of_exponential_times_and_its_error():
    """The median's standard error is 1 / (2 f(m) sqrt(n)), with density f(m) = rate / 2: here 1 / (rate sqrt(n))."""
    rate, n, medians, errors = 0.1, 1000, [], []
    for seed in range(200):
        days = np.random.default_rng(seed).exponential(DAYS_PER_MONTH / rate, n)
        middle, error = median(*histogram(days, np.ones(n, dtype=bool)))
        assert middle == pytest.approx(np.sort(days)[n // 2 - 1] / DAYS_PER_MONTH, abs=1 / 31)
        medians.append(middle)
        errors.append(error)
    theory = 1.0 / (rate * np.sqrt(n))
    assert np.mean(medians) == pytest.approx(np.log(2.0) / rate, abs=4 * theory / np.sqrt(200))
    assert np.std(medians) == pytest.approx(theory, rel=0.2)
    assert np.mean(errors) == pytest.approx(theory, rel=0.1)


def test_a_median_that_is_not_reached_is_empty():
    days = np.where(np.arange(100) < 40, 100.0, INF)
    assert np.isnan(median(*histogram(days, np.ones(100, dtype=bool)))).all()
    assert np.isnan(median(np.zeros(NEVER + 1, dtype=int), np.zeros(NEVER + 1, dtype=int))).all()


def test_quantile_is_linear_within_a_step():
    survival = np.ones(NEVER)
    survival[10:] = 0.4
    assert quantile(survival, 0.5) == pytest.approx(FINE[9] + (0.5 / 0.6) / 32)
