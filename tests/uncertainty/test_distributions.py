"""Sampled inputs match what their lines state (test 22 of economics); draws are the same however many are made."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import settings_of

from sim.lines import NonNegative, Positive, Probability, Real, Switch
from sim.problems import Problem
from sim.uncertainty.distributions import RANGE, distribution_of
from sim.uncertainty.draws import draws_of
from sim.uncertainty.sequence import quasi_uniforms

#: Draws in these tests: a power of two, at which sequences are evenly spread.
MANY = 4096


def line(kind=Real, **fields):
    told = {"about": "a line", "unit": "ratio", "source": "test", "status": "assumed"}
    if kind is Probability:
        told["unit"] = "probability"
    return kind(**(told | fields))


FAMILIES = {
    "normal": (line(value=1.0, low=0.2, high=1.6, distribution="normal"), stats.norm(1.0, 1.4 / RANGE)),
    "lognormal": (
        line(Positive, value=2.0, low=1.0, high=4.0, distribution="lognormal"),
        stats.lognorm(math.log(4) / RANGE, scale=2.0 * math.exp(-((math.log(4) / RANGE) ** 2) / 2)),
    ),
    "gamma": (
        line(NonNegative, value=3.0, low=1.0, high=6.0, distribution="gamma"),
        stats.gamma((3.0 / (5.0 / RANGE)) ** 2, scale=(5.0 / RANGE) ** 2 / 3.0),
    ),
    "uniform": (line(value=1.0, low=0.0, high=5.0, distribution="uniform"), stats.uniform(0.0, 5.0)),
    "triangular": (line(value=1.0, low=0.0, high=5.0, distribution="triangular"), stats.triang(0.2, 0.0, 5.0)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_quantiles_mean_and_sd_are_those_of_the_textbook_distribution(family):
    one, law = FAMILIES[family]
    found = distribution_of("key", one)
    u = np.linspace(0.001, 0.999, 57)
    np.testing.assert_allclose(found.quantile(u), law.ppf(u), rtol=1e-9)
    assert (found.mean, found.sd) == pytest.approx((law.mean(), law.std()), rel=1e-12)


def test_a_beta_has_the_mean_and_the_sd_that_its_line_states():
    one = line(Probability, value=0.08, low=0.02, high=0.18, distribution="beta")
    u = (np.arange(200_000) + 0.5) / 200_000
    drawn = distribution_of("key", one).quantile(u)
    assert drawn.mean() == pytest.approx(0.08, rel=1e-5)
    assert drawn.std() == pytest.approx(0.16 / RANGE, rel=1e-3)
    assert ((drawn > 0) & (drawn < 1)).all()


@pytest.mark.parametrize(("value", "high"), [(0.2, 1.0), (1.5, 2.5), (0.05, 3.0)])
def test_a_normal_that_would_be_negative_is_the_normal_given_a_possible_value_with_the_stated_mean(value, high):
    one = line(NonNegative, value=value, low=0.0, high=high, distribution="normal")
    found = distribution_of("key", one)
    u = (np.arange(400_000) + 0.5) / 400_000
    drawn = found.quantile(u)
    assert drawn.min() > 0.0  # nothing piles up at the edge: it is not clipped
    assert drawn.mean() == pytest.approx(value, rel=1e-4)
    assert drawn.std() == pytest.approx(found.sd, rel=1e-3)
    log_density = np.log(np.diff(u) / np.diff(drawn))[1000:-1000:4000]
    middle = ((drawn[1:] + drawn[:-1]) / 2)[1000:-1000:4000]
    curvature = np.polyfit(middle, log_density, 2)[0]
    assert curvature == pytest.approx(-0.5 / (high / RANGE) ** 2, rel=0.05)  # a normal's, with the stated SD


def test_every_shipped_line_can_be_drawn_and_its_draws_match_its_specification():
    draws = draws_of(settings_of())
    table, told = draws.table(0, MANY), draws.specification()
    error = (table.mean(axis=0) - told["mean"]) / told["sd"]
    # spread evenly, a mean of 4,096 is far closer than 1/64 SD; the heaviest tail decides
    assert np.abs(error).max() < 1 / 64
    plain = told["distribution"].isin(["normal", "uniform", "gamma", "beta"]).to_numpy()
    np.testing.assert_allclose(table.std(axis=0)[plain], told["sd"][plain], rtol=0.05)
    beta, gamma = (told["distribution"] == family for family in ("beta", "gamma"))
    assert ((table[:, beta] >= 0) & (table[:, beta] <= 1)).all()
    assert (table[:, gamma] > 0).all()
    same = ~told["distribution"].isin(["uniform", "triangular"])
    np.testing.assert_allclose(told["mean"][same], told["value"][same], rtol=1e-12)


def test_ranges_are_95_percent_intervals():
    draws = draws_of(settings_of())
    told = draws.specification()
    normal = told[(told["distribution"] == "normal") & (told["low"] < 0)]
    width = (normal["quantile_97.5"] - normal["quantile_2.5"]) / (normal["high"] - normal["low"])
    np.testing.assert_allclose(width, 1.0, rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.integers(1, 400))
def test_a_draw_is_the_same_however_many_are_made(seed, first, count):
    whole = quasi_uniforms(seed, "a.key", 0, first + count)
    assert np.array_equal(whole[first:], quasi_uniforms(seed, "a.key", first, count))


@given(st.integers(0, 2**32 - 1), st.text(max_size=8), st.integers(0, 11))
def test_the_first_power_of_two_numbers_fall_one_into_each_interval(seed, key, power):
    drawn = quasi_uniforms(seed, key, 0, 2**power)
    assert np.array_equal(np.sort(np.floor(drawn * 2**power)), np.arange(2**power))


def test_no_two_parameters_are_tied_together():
    drawn = np.array([quasi_uniforms(1, f"line {k}", 0, 1024) for k in range(200)])
    correlation = np.corrcoef(drawn)[np.triu_indices(200, 1)]
    # independent numbers: 1/32; nested scrambling makes it at most 1.3 times as large; 6 of its SD for 19,900 pairs
    assert np.sqrt((correlation**2).mean()) < 1.5 / 32
    assert np.abs(correlation).max() < 6 * 1.4 / 32


def test_holding_one_line_moves_no_other():
    settings = settings_of()
    all_of_them, others = draws_of(settings), draws_of(settings, hold=["clinic.transplant.trm"])
    assert set(all_of_them.keys) - set(others.keys) == {"clinic.transplant.trm"}
    places = [all_of_them.keys.index(key) for key in others.keys]
    assert np.array_equal(all_of_them.table(0, 64)[:, places], others.table(0, 64))


def test_another_seed_gives_other_draws():
    one, other = (draws_of(settings_of().model_copy(update={"seed": seed})).table(0, 8) for seed in (1, 2))
    assert (one != other).all()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"value": 0.5, "low": 0.0, "high": 1.0, "distribution": "beta"}, None),
        ({"value": 0.01, "low": 0.0, "high": 0.9, "distribution": "beta"}, "wider than any beta"),
        ({"value": 0.0, "low": 0.0, "high": 0.1, "distribution": "beta"}, "between 0 and 1"),
        ({"value": 0.0, "low": 0.0, "high": 0.1, "distribution": "gamma"}, "above 0"),
        ({"value": 0.0, "low": 0.0, "high": 0.1, "distribution": "normal"}, "end of what is possible"),
    ],
)
def test_a_line_that_cannot_be_drawn_is_named(fields, rule):
    one = line(Probability, **fields)
    if rule is None:
        assert distribution_of("a.key", one).family == "beta"
        return
    with pytest.raises(Problem, match=f"a.key: .*{rule}"):
        distribution_of("a.key", one)


def test_a_whole_number_is_not_drawn_from_a_continuous_distribution():
    one = Switch(
        about="a switch", value=0, low=0, high=1, distribution="uniform", unit="switch", source="t", status="assumed"
    )
    with pytest.raises(Problem, match=r"a\.key: is a whole number.*distribution=fixed"):
        distribution_of("a.key", one)


def test_nothing_known_by_that_beginning_can_be_held():
    with pytest.raises(Problem, match=r"psa\.hold: .*clinic\.transplnt.*did you mean"):
        draws_of(settings_of(), hold=["clinic.transplnt"])
