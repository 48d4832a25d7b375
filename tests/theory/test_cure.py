"""A cure mixture with background mortality against numerical integration; the discounted life of the cured."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from models import cure
from models.catalogue import draw
from models.running import crowd, on_batch

from sim.evidence import cumulative_hazards, life_table
from sim.lifetable import AGES, age_at_hazard, cumulative_hazard
from theory.statistics import P, Z, p_uniform, z_mean, z_share

N = 100_000
AGE = 12.0


def background(years: np.ndarray, age: float, sex: int, ratio: float, later: float, change: float) -> np.ndarray:
    """Cumulative background hazard by summing the published table year by year, independently of `sim.lifetable`."""
    table = life_table("US", "2019")
    name = ("male", "female")[sex]
    q = np.array([table[name, max(a, 1) if (name, 0) not in table else a] for a in range(AGES)])
    yearly = np.array([-np.log1p(-value) if value < 1.0 else np.nan for value in q])
    yearly[np.isnan(yearly)] = yearly[~np.isnan(yearly)][-1]
    yearly = np.concatenate([yearly, np.full(200, yearly[-1])])

    def total(at: np.ndarray) -> np.ndarray:
        return np.interp(at, np.arange(len(yearly) + 1), np.concatenate([[0.0], np.cumsum(yearly)]))

    early, late = np.minimum(years, change), np.maximum(years - change, 0.0)
    change_age = age + np.minimum(years, change)
    return ratio * (total(age + early) - total(np.full_like(years, age))) + later * (
        total(change_age + late) - total(change_age)
    )


def truth(years: np.ndarray, model: cure.Mixture, age: float = AGE) -> np.ndarray:
    """Survival of the mixture, half of them female."""
    mixture = model.cure + (1.0 - model.cure) * np.exp(-model.excess * years)
    alive = [np.exp(-background(years, age, sex, model.ratio, model.later, model.change)) for sex in (0, 1)]
    return mixture * np.mean(alive, axis=0)


def life_expectancy(model: cure.Mixture, discount: float, age: float = AGE) -> float:
    """Discounted life-years by the trapezoid rule at steps of a thousandth of a year."""
    grid = np.linspace(0.0, 130.0, 130_001)
    return float(np.trapezoid(truth(grid, model, age) * (1.0 + discount) ** -grid, grid))


def discounted(years: np.ndarray, discount: float) -> np.ndarray:
    """Each life's discounted years."""
    force = np.log1p(discount)
    return years if force == 0.0 else -np.expm1(-force * years) / force


@functools.cache
def deaths(age: float, ratio: float, later: float, share: float, seed: int = 21) -> np.ndarray:
    """Simulated records; the second half is female."""
    patients = crowd(N, age=np.full(N, age), female=np.arange(N) % 2)
    return on_batch(cure.PATHWAY, patients, cure.Mixture(cure=share, ratio=ratio, later=later), seed=seed).lives


def test_cure_mixture_with_background_mortality() -> None:
    """Survival at eight times, life-years and discounted life-years, with a mortality ratio that falls after a time."""
    model = cure.Mixture()
    lives = deaths(AGE, model.ratio, model.later, model.cure)
    for years in (0.25, 1.0, 3.0, 10.0, 15.0, 25.0, 45.0, 65.0):
        assert abs(z_share(lives["t"] > years, float(truth(np.array([years]), model)[0]))) < Z
    for discount in (0.0, 0.015, 0.03):
        assert abs(z_mean(discounted(lives["t"], discount), life_expectancy(model, discount))) < Z
    assert abs(z_share(lives["cured"] == 1, model.cure)) < Z
    assert set(lives["cause"][lives["cured"] == 1]) == {cure.BACKGROUND}


def test_background_deaths_follow_the_table() -> None:
    """Each sex's times, transformed by its own cumulative hazard, are unit exponential: at ratio 1 and at 9 -> 2.2."""
    for ratio, later in ((1.0, 1.0), (9.0, 2.2)):
        lives = deaths(AGE, ratio, later, 1.0)
        for sex in (0, 1):
            spent = background(lives["t"][lives["female"] == sex], AGE, sex, ratio, later, cure.Mixture().change)
            assert p_uniform(-np.expm1(-spent)) > P


#: Discounted life expectancy of a cured patient, US 2019, half female: (age, rate) -> ratio -> years. Two decimals; the
#: first figure depends on where the tail beyond age 100 is cut (67.416 without a cut).
ANCHOR = {
    (12.0, 0.0): {1.0: 67.40, 1.5: 62.79, 2.0: 59.41, 4.0: 50.88, 9.05: 40.51, 15.0: 34.18},
    (12.0, 0.03): {1.0: 28.60, 1.5: 27.81, 2.0: 27.16, 4.0: 25.27, 9.05: 22.38, 15.0: 20.24},
    (17.0, 0.03): {1.0: 27.80, 1.5: 26.91, 2.0: 26.17, 4.0: 24.04, 9.05: 20.81, 15.0: 18.45},
    (12.0, 0.015): {1.0: 41.83, 2.0: 38.56, 4.0: 34.68, 9.05: 29.36},
    (12.0, 0.035): {1.0: 25.66, 2.0: 24.55, 4.0: 23.04, 9.05: 20.64},
}


@pytest.mark.parametrize(("age", "rate"), ANCHOR)
def test_discounted_life_of_the_cured(age: float, rate: float) -> None:
    """Closed form as published; simulated within 4 standard errors of the closed form, and within 1 %."""
    for ratio, published in ANCHOR[age, rate].items():
        exact = life_expectancy(cure.Mixture(cure=1.0, ratio=ratio, later=ratio), rate, age)
        assert exact == pytest.approx(published, abs=0.017)
        simulated = discounted(deaths(age, ratio, ratio, 1.0)["t"], rate)
        assert abs(z_mean(simulated, exact)) < Z
        assert simulated.mean() == pytest.approx(published, rel=0.01)


def test_ratio_and_age_shorten_life_patient_by_patient() -> None:
    """The same budget spent faster: nobody lives longer at a higher ratio."""
    lives = [deaths(AGE, ratio, ratio, 1.0)["t"] for ratio in (1.0, 1.5, 4.0, 15.0)]
    assert all(np.all(later < earlier) for earlier, later in itertools.pairwise(lives))


def test_life_table_inverse() -> None:
    """`age_at_hazard` inverts `cumulative_hazard`, within the table and beyond it."""
    table = cumulative_hazards("US", "2019").ravel()
    for sex in (0, 1):
        offset = sex * (AGES + 1)
        for age in [*(119.0 * draw(500, 50)), 0.0, 1.0, 17.0, 100.0, 101.0]:
            hazard = cumulative_hazard(table, offset, age)
            assert age_at_hazard(table, offset, hazard) == pytest.approx(age, rel=1e-11, abs=1e-11)
            assert hazard == pytest.approx(float(background(np.array([age]), 0.0, sex, 1.0, 1.0, 0.0)[0]), rel=1e-12)
