"""Kaplan-Meier, Aalen-Johansen, medians and Cox: against closed forms, and against statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from sim.calibration import estimators as est
from sim.draws import uniforms

N = 4000
RATE, OTHER, LOSS = 0.08, 0.05, 0.03


def exponentials(rate: float, decision: int, n: int = N) -> np.ndarray:
    return -np.log(uniforms(11, np.arange(n), decision)) / rate


def observed(*rates: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and codes of competing exponentials: event, competing, censoring."""
    times = np.array([exponentials(rate, 1 + i) for i, rate in enumerate(rates)])
    codes = np.array([1, 2, 0])[: len(rates)]
    return times.min(axis=0), codes[times.argmin(axis=0)]


def test_survival_without_censoring_is_a_share() -> None:
    time = np.arange(1.0, 11.0)
    found = est.kaplan_meier(time, np.ones(10, dtype=int), 3.5)
    assert found.value == pytest.approx(0.7)
    assert found.error == pytest.approx(math.sqrt(0.7 * 0.3 / 10))


def test_survival_of_exponentials_under_censoring() -> None:
    time, code = observed(RATE, OTHER, LOSS)
    for at in (5.0, 12.0, 20.0):
        found = est.kaplan_meier(time, code, at)
        assert abs(found.value - math.exp(-RATE * at)) < 4.0 * found.error


def test_survival_agrees_with_statsmodels_ties_included() -> None:
    time, code = observed(RATE, OTHER, LOSS)
    time = np.ceil(time)
    theirs = SurvfuncRight(time, code == 1)
    for at in (3.0, 9.0, 15.0):
        place = np.searchsorted(theirs.surv_times, at, side="right") - 1
        found = est.kaplan_meier(time, code, at)
        assert found.value == pytest.approx(theirs.surv_prob[place], rel=1e-12)
        assert found.error == pytest.approx(theirs.surv_prob_se[place], rel=1e-9)
    grid = np.array([0.0, 3.0, 9.0, 15.0])
    ours = [est.kaplan_meier(time, code, at).value for at in grid]
    assert est.kaplan_meier_curve(time, code, grid) == pytest.approx(ours, rel=1e-12)


def test_incidence_of_competing_exponentials() -> None:
    time, code = observed(RATE, OTHER, LOSS)
    for at in (5.0, 12.0):
        truth = RATE / (RATE + OTHER) * (1.0 - math.exp(-(RATE + OTHER) * at))
        found = est.aalen_johansen(time, code, at)
        assert abs(found.value - truth) < 4.0 * found.error
        assert found.value < 1.0 - est.kaplan_meier(time, code, at).value  # 1 - Kaplan-Meier overstates


def test_incidence_agrees_with_statsmodels() -> None:
    time, code = observed(RATE, OTHER, LOSS)
    time = np.ceil(time)
    with np.errstate(all="ignore"):
        theirs = CumIncidenceRight(time, code)
    for at in (4.0, 11.0):
        place = np.searchsorted(theirs.times, at, side="right") - 1
        assert est.aalen_johansen(time, code, at).value == pytest.approx(theirs.cinc[0][place], rel=1e-9)


def test_median_of_exponentials_and_none_where_the_curve_stays_up() -> None:
    time, code = observed(RATE, OTHER, LOSS)
    found = est.median_time(time, code)
    assert abs(found.value - math.log(2.0) / RATE) < 4.0 * found.error
    cured = np.where(np.arange(N) % 5 < 3, np.inf, time)
    none = est.median_time(cured, np.where(np.isinf(cured), 0, 1))
    assert math.isnan(none.value)
    assert "never reached" in none.note


def test_follow_up_that_ends_too_early_says_so() -> None:
    found = est.kaplan_meier(np.full(10, 5.0), np.zeros(10, dtype=int), 6.0)
    assert math.isnan(found.value)
    assert found.note == "nobody is followed so long"
    assert est.kaplan_meier(np.full(10, 5.0), np.zeros(10, dtype=int), 5.0).value == 1.0


def test_nobody_is_named() -> None:
    nobody = np.zeros(0)
    for found in (
        est.kaplan_meier(nobody, nobody, 1.0),
        est.aalen_johansen(nobody, nobody, 1.0),
        est.median_time(nobody, nobody),
        est.share(0, 0),
    ):
        assert math.isnan(found.value)
        assert found.note == "nobody is in this group"


def test_hazard_ratio_of_exponentials() -> None:
    group = (np.arange(N) % 2).astype(float)
    time = exponentials(1.0, 1) / (RATE * np.where(group == 1.0, 2.5, 1.0))
    beta, error = est.cox(None, time, np.ones(N, dtype=int), group[:, None])
    assert abs(beta[0] - math.log(2.5)) < 4.0 * error[0]


@pytest.mark.parametrize("rounded", [False, True])
def test_cox_agrees_with_statsmodels(rounded: bool) -> None:
    """Two covariates; with rounding many ties, as of everybody found without response on day 28 (Efron)."""
    x = np.column_stack([np.arange(N) % 2, np.arange(N) % 3 == 0]).astype(float)
    time, code = observed(RATE, OTHER, LOSS)
    time = time / np.exp(0.7 * x[:, 0] - 0.4 * x[:, 1])
    time = np.ceil(time) if rounded else time
    theirs = PHReg(time, x, status=code == 1, ties="efron").fit()
    beta, error = est.cox(None, time, code, x)
    assert beta == pytest.approx(theirs.params, abs=1e-6)
    assert error == pytest.approx(theirs.bse, rel=1e-5)


def test_cox_with_late_entry_agrees_with_statsmodels() -> None:
    x = (np.arange(N) % 2).astype(float)[:, None]
    entry = 4.0 * uniforms(3, np.arange(N), 9)
    stop = entry + exponentials(RATE, 1) / np.exp(0.5 * x[:, 0])
    code = (np.arange(N) % 7 != 0).astype(int)
    theirs = PHReg(stop, x, status=code, entry=entry, ties="efron").fit()
    beta, error = est.cox(entry, stop, code, x)
    assert beta == pytest.approx(theirs.params, abs=1e-6)
    assert error == pytest.approx(theirs.bse, rel=1e-5)


def test_cox_without_a_maximum_is_nan() -> None:
    """All events in one group, before the other's end: the ratio has no finite estimate."""
    group = np.repeat([1.0, 0.0], 50)
    time = np.where(group == 1.0, np.arange(100.0) + 1.0, 1000.0)
    beta, _ = est.cox(None, time, (group == 1.0).astype(int), group[:, None])
    assert math.isnan(beta[0])
    constant, _ = est.cox(None, time, (group == 1.0).astype(int), np.ones((100, 1)))
    assert math.isnan(constant[0])
