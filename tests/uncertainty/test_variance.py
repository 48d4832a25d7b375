"""Variance components, the jackknife, and decisions from draws: against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.uncertainty.decisions import (
    Sample,
    acceptability,
    conditional,
    convergence,
    decomposed,
    frontier,
    perfect_information,
)
from sim.uncertainty.sequence import quasi_uniforms
from sim.uncertainty.variance import Components, components, jackknife


def normals(key, count):
    from scipy.special import ndtri

    return ndtri(quasi_uniforms(1, key, 0, count))


def test_components_of_an_exactly_crossed_table_are_recovered():
    draws, batches, n = 64, 16, 1600
    row = np.where(np.arange(draws) % 2 == 0, 3.0, -3.0)[:, None]
    column = np.where(np.arange(batches) % 2 == 0, 0.5, -0.5)[None, :]
    both = 0.2 * np.sign(row) * np.sign(np.roll(column, 1) * np.where(np.arange(batches) < 8, 1, -1))
    found = components(7.0 + row + column + both, n)
    interaction = 0.04 * draws * batches / ((draws - 1) * (batches - 1))
    assert found.mean == pytest.approx(7.0)
    assert found.both == pytest.approx(interaction * n / batches)
    assert found.parameters == pytest.approx(9.0 * draws / (draws - 1) - interaction / batches)
    assert found.patients == pytest.approx((0.25 * batches / (batches - 1) - interaction / draws) * n / batches)


def test_pure_patient_noise_leaves_no_parameter_variance():
    rest = np.outer(normals("a", 40), normals("b", 8))
    rest -= rest.mean(axis=0) + rest.mean(axis=1, keepdims=True) - rest.mean()
    found = components(rest, 800)
    assert found.parameters == 0.0
    assert found.noise == 1.0
    assert found.advised() == np.inf


def test_the_advised_number_of_patients_gives_the_tolerated_share_of_noise():
    found = Components(mean=0.0, parameters=4.0, patients=1.0, both=900.0, draws=100, n=50)
    n = found.advised(0.05)
    assert 900.0 / n / (4.0 + 900.0 / n) == pytest.approx(0.05, rel=1e-2)
    assert found.noise == pytest.approx(18.0 / 22.0)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    batches = normals("c", 12)
    rest = np.array([np.delete(batches, at).mean() for at in range(12)])
    assert float(jackknife(rest)) == pytest.approx(batches.std(ddof=1) / np.sqrt(12))


def sample(costs, effects, batches=4):
    """A sample whose batches all say the same."""
    costs, effects = np.asarray(costs, float), np.asarray(effects, float)
    size = np.ones((*costs.shape, batches)) * 10.0
    names = tuple(f"option {at}" for at in range(costs.shape[1]))
    return Sample(names, size, costs[..., None] * size, effects[..., None] * size)


def test_a_linear_gaussian_decision_has_its_closed_form_evpi():
    from scipy.stats import norm

    mean, sd, draws = 1000.0, 4000.0, 4096
    gain = mean + sd * normals("gain", draws)
    costs = np.column_stack([np.zeros(draws), -gain])
    found = perfect_information(sample(costs, np.zeros((draws, 2))), [1.0])
    closed = sd * (norm.pdf(mean / sd) + mean / sd * norm.cdf(mean / sd)) - mean
    assert found["evpi"].iloc[0] == pytest.approx(closed, abs=4 * found["se"].iloc[0])
    assert found["se_patients"].iloc[0] == pytest.approx(0.0, abs=1e-9)


@given(st.integers(2, 5), st.integers(2, 30), st.integers(0, 10**6))
def test_acceptability_sums_to_one_and_at_zero_the_cheapest_is_best(options, draws, seed):
    costs = np.array([quasi_uniforms(seed, f"cost {k}", 0, draws) for k in range(options)]).T
    effects = np.array([quasi_uniforms(seed, f"effect {k}", 0, draws) for k in range(options)]).T
    table = acceptability(sample(costs, effects, batches=2), [0.0, 1.0, 5.0])
    np.testing.assert_allclose(table.groupby("wtp")["probability"].sum(), 1.0)
    cheapest = f"option {costs.mean(axis=0).argmin()}"
    at_zero = table[table["wtp"] == 0.0]
    assert at_zero[at_zero["best"]]["policy"].tolist() == [cheapest]
    evpi = perfect_information(sample(costs, effects, batches=2), [0.0, 1.0, 5.0])
    np.testing.assert_allclose(table.groupby("wtp")["expected_loss"].min(), evpi["evpi"], atol=1e-12)


def test_equal_options_share_every_draw_and_nothing_is_worth_knowing():
    draws = 50
    cost = normals("cost", draws)
    costs, effects = np.column_stack([cost, cost]), np.ones((draws, 2))
    table = acceptability(sample(costs, effects), [2.0])
    assert table["probability"].tolist() == [0.5, 0.5]
    assert table["best"].all()
    assert perfect_information(sample(costs, effects), [2.0])["evpi"].iloc[0] == 0.0


def test_the_chance_of_being_on_the_frontier_is_counted_by_draw():
    costs = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    effects = np.array([[1.0, 2.0, 3.0], [1.0, 0.5, 3.0]])  # the second is dominated in the second draw
    table = frontier(sample(costs, effects)).set_index("policy")
    assert table["probability"].to_dict() == {"option 0": 1.0, "option 1": 0.5, "option 2": 1.0}


def test_the_last_point_of_a_convergence_plot_is_the_answer():
    costs = np.column_stack([normals("one", 200), normals("two", 200)])
    whole = sample(costs, np.zeros((200, 2)))
    last = convergence(whole, [1.0]).groupby("policy").last()
    answer = acceptability(whole, [1.0]).set_index("policy")
    np.testing.assert_allclose(last["nmb"], answer["nmb"])
    np.testing.assert_allclose(last["probability"], answer["probability"])
    assert last["draws"].tolist() == [200, 200]


def test_patients_error_appears_where_batches_differ():
    costs = np.column_stack([normals("one", 64), normals("two", 64)])
    calm = sample(costs, np.zeros((64, 2)))
    shifted = Sample(calm.names, calm.n, calm.cost + 10.0 * np.array([3.0, -1.0, -1.0, -1.0]), calm.effect)
    table = acceptability(shifted, [1.0])
    np.testing.assert_allclose(table["nmb_se_patients"], np.std([3, -1, -1, -1], ddof=1) / 2)
    split = decomposed(shifted, [1.0], "option 0")
    cost = split[split["quantity"] == "cost"]
    assert (cost["se_patients"] > 0.9).all()  # common to all draws: more draws do not help
    assert (split[split["quantity"] == "inc_nmb"]["se_patients"] < 1e-6).all()  # and to both options: it cancels


def test_a_parameter_that_decides_shows_between_its_tenths_and_an_idle_one_does_not():
    draws = 400
    decides, idle = normals("decides", draws), normals("idle", draws)
    costs = np.column_stack([np.zeros(draws), -1000.0 * decides])
    table = conditional(
        sample(costs, np.zeros((draws, 2))), ("a", "b"), np.column_stack([decides, idle]), [1.0], "option 0"
    )
    found = table.set_index("key")
    assert found.loc["a", "rank_correlation"] == pytest.approx(1.0)
    expected = 1000.0 * 1.755  # mean of a standard normal above its 90 % quantile
    assert found.loc["a", "at_high"] == pytest.approx(expected, abs=4 * found.loc["a", "high_se"])
    assert found.loc["a", "at_low"] == pytest.approx(-expected, abs=4 * found.loc["a", "low_se"])
    assert abs(found.loc["b", "at_high"] - found.loc["b", "at_low"]) < 5 * found.loc["b", "high_se"]
    assert table["key"].tolist() == ["a", "b"]  # the wider swing first
