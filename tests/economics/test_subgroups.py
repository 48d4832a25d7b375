"""Deciding by stratum, severity and equal-value life-years, on cases that can be worked by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from sim.economics.shortfall import equal_value_life_years, remaining, shortfall
from sim.economics.subgroups import subgroups
from sim.evidence import cumulative_hazards
from sim.problems import Problem


def opposite(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a quarter of the patients gain 10 from option b, the others lose 2."""
    strata = np.where(np.arange(n) % 4 < 1, "gainers", "losers")
    effect = np.column_stack([np.full(n, 5.0), np.where(strata == "gainers", 15.0, 3.0)])
    effect += np.random.default_rng(1).normal(0, 0.1, (n, 1))
    return np.zeros((n, 2)), effect, strata


def test_the_gain_of_deciding_by_stratum_by_hand() -> None:
    cost, effect, strata = opposite()
    table = subgroups(cost, effect, strata, 1.0, ["a", "b"]).set_index("stratum")
    assert table["best"].to_dict() == {"all": "b", "gainers": "b", "losers": "a"}
    assert table.loc["all", "gain"] == pytest.approx(0.75 * 2)
    assert table.loc["losers", "gain"] == pytest.approx(2)
    assert table.loc["gainers", "gain"] == 0
    assert table.loc["all", "gain_checked"] == pytest.approx(1.5)
    assert table.loc["losers", "margin"] == pytest.approx(2)
    assert table["patients"].to_dict() == {"all": 400, "gainers": 100, "losers": 300}
    assert table.loc["gainers", "share"] == 0.25


def test_strata_without_meaning_gain_nothing_once_checked() -> None:
    """Random strata: the best of noise looks like a gain; choosing and valuing with other patients shows none."""
    gains, checked = [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        effect = generator.normal(0, 1, (400, 3))
        found = subgroups(np.zeros((400, 3)), effect, generator.integers(0, 8, 400), 1.0).set_index("stratum")
        gains.append(found.loc["all", "gain"])
        checked.append(found.loc["all", "gain_checked"])
    assert np.mean(gains) > 4 * np.std(gains) / math.sqrt(40)
    assert abs(np.mean(checked)) < 4 * np.std(checked) / math.sqrt(40)


def test_small_strata_keep_the_overall_choice() -> None:
    cost, effect, strata = opposite(60)
    table = subgroups(cost, effect, strata, 1.0, ["a", "b"]).set_index("stratum")
    assert table.loc["gainers", "best"] == table.loc["all", "best"]


def test_gains_add_up_and_are_not_negative() -> None:
    generator = np.random.default_rng(3)
    cost, effect = generator.gamma(2, 1e4, (900, 4)), generator.gamma(2, 2, (900, 4))
    strata = generator.integers(0, 3, 900)
    for _, rows in subgroups(cost, effect, strata, [0, 1e4, 1e5]).groupby("wtp"):
        table = rows.set_index("stratum")
        inside = table.drop(index="all")
        assert (inside["gain"] >= 0).all()
        assert (inside["gain"] * inside["share"]).sum() == pytest.approx(table.loc["all", "gain"])
        assert inside["patients"].sum() == 900


def test_trial_practice_is_never_recommended() -> None:
    cost, effect, strata = opposite()
    effect[:, 1] += 1000
    table = subgroups(cost, effect, strata, 1.0, ["a", "trial_practice"])
    assert set(table["best"]) == {"a"}
    with pytest.raises(Problem, match="strata: 3 labels"):
        subgroups(cost, effect, strata[:3], 1.0)


# --- severity ---------------------------------------------------------------------------------------------------------

NICE = [
    SimpleNamespace(weight=1.2, absolute=12.0, proportional=0.85),
    SimpleNamespace(weight=1.7, absolute=18.0, proportional=0.95),
]


@pytest.mark.parametrize(
    ("healthy", "ill", "weight"),
    [
        (20.0, 15.0, 1.0),
        (20.0, 8.0, 1.2),
        (20.0, 3.1, 1.2),
        (20.0, 2.0, 1.7),
        (20.0, 0.9, 1.7),
        (10.0, 1.5, 1.2),
        (30.0, 12.0, 1.7),
    ],
)
def test_the_heavier_of_the_two_limits_counts(healthy: float, ill: float, weight: float) -> None:
    found = shortfall(healthy, ill, NICE)
    assert found.absolute == pytest.approx(healthy - ill)
    assert found.proportional == pytest.approx(1 - ill / healthy)
    assert found.weight == weight


def test_no_weights_weigh_one_and_nothing_expected_is_refused() -> None:
    assert shortfall(20.0, 1.0).weight == 1.0
    with pytest.raises(Problem):
        shortfall(0.0, 1.0)


def test_what_the_healthy_expect_in_closed_form() -> None:
    """A constant hazard h and rate r: years 1 / (h + ln(1 + r)), QALYs times the norm."""
    hazards = 0.04 * np.arange(102)
    found = remaining(hazards, 0, 12.3, 0.03, lambda age: 0.9)
    assert found.years == pytest.approx(1 / (0.04 + math.log1p(0.03)), rel=2e-3)
    assert found.qalys == pytest.approx(0.9 * found.years)


@pytest.mark.parametrize(
    ("age", "rate", "smr", "years"),
    [
        (12, 0.0, 1.0, 67.40),
        (12, 0.03, 1.0, 28.60),
        (12, 0.03, 4.0, 25.27),
        (17, 0.03, 9.05, 20.81),
        (12, 0.035, 2.0, 24.55),
    ],
)
def test_the_analytic_anchor(age: int, rate: float, smr: float, years: float) -> None:
    """Discounted life expectancy, US 2019, half female: the table that the economics of this project are held to."""
    hazards = cumulative_hazards("US", "2019") * smr
    both = [remaining(hazards[sex], 0, age, rate, lambda a: 1.0).years for sex in (0, 1)]
    assert np.mean(both) == pytest.approx(years, abs=0.02)


def test_norms_weigh_the_years_of_their_age() -> None:
    hazards = cumulative_hazards("US", "2019")[1]
    young = remaining(hazards, 0, 10, 0.0, lambda age: 1.0 if age < 30 else 0.0)
    assert young.qalys == pytest.approx(20, rel=0.02)


def test_equal_value_life_years_by_hand() -> None:
    """From 4 years at 0.5 to 10 years at 0.6: 6 added years at 0.9, and 0.1 better over 4 years."""
    assert equal_value_life_years(10.0, 6.0, 4.0, 2.0, 0.9) == pytest.approx(6 * 0.9 + 4 * 0.1)
    assert equal_value_life_years(4.0, 3.0, 4.0, 2.0, 0.9) == pytest.approx(1.0)
    assert equal_value_life_years(3.0, 2.5, 4.0, 2.0, 0.9) == pytest.approx(0.5)
    assert equal_value_life_years(10.0, 9.0, 4.0, 3.6, 0.9) == pytest.approx(6 * 0.9)
