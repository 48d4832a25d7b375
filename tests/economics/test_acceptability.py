"""Acceptability, expected loss and EVPI: hand-worked cases, identities, ties, and Monte-Carlo errors."""

import numpy as np
import pandas as pd
import pytest

from sim.economics import ceac, ceaf, evpi, expected_loss, incremental, mc_se, nhb, nmb
from sim.problems import Problem


def random_draws(seed: int = 1, draws: int = 400, options: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.gamma(2, 5e4, (draws, options)), generator.gamma(3, 2, (draws, options))


GRID = [0, 20000, 50000, 100000, 300000]


def test_a_case_worked_by_hand() -> None:
    """Three draws, wtp 10: net benefits (0, 5), (8, 2), (1, 1)."""
    costs = [[10, 5], [2, 8], [9, 9]]
    effects = [[1, 1], [1, 1], [1, 1]]
    names = ["a", "b"]
    assert nmb(costs, effects, 10, names).loc[10].to_dict() == pytest.approx({"a": 3, "b": 8 / 3})
    assert nhb(costs, effects, 10, names).loc[10].to_dict() == pytest.approx({"a": 0.3, "b": 8 / 30})
    assert ceac(costs, effects, 10, names).loc[10].to_dict() == pytest.approx({"a": 0.5, "b": 0.5})
    assert expected_loss(costs, effects, 10, names).loc[10].to_dict() == pytest.approx({"a": 5 / 3, "b": 2})
    assert evpi(costs, effects, 10, names).loc[10] == pytest.approx(5 / 3)
    frontier = ceaf(costs, effects, 10, names).loc[10]
    assert frontier["a"] == 0.5
    assert np.isnan(frontier["b"])


def test_the_textbook_example_of_perfect_information() -> None:
    """Payoffs of three investments in three markets, EVPI 350 (Wikipedia, Expected value of perfect information)."""
    market = [[1500, 900, 500]] * 5 + [[300, 600, 500]] * 3 + [[-800, -200, 500]] * 2
    draws = -np.array(market)
    assert nmb(draws, np.zeros_like(draws), 0).loc[0].tolist() == pytest.approx([680, 590, 500])
    assert evpi(draws, np.zeros_like(draws), 0).loc[0] == pytest.approx(350)


def test_opportunity_loss_as_bcea_checks_it() -> None:
    """Utilities of 1 against 0 in every simulation lose 0 and 1 (giabaio/BCEA, test-compute_ol.R)."""
    costs = np.array([[-1.0, 0.0]] * 3)
    assert expected_loss(costs, np.zeros((3, 2)), [0, 1]).to_numpy().tolist() == [[0, 1], [0, 1]]


def test_the_vaccine_decision_turns_where_bcea_prints_it() -> None:
    """BCEA's vaccine example prints ICER 20098, EIB 1.2284 at 25000, and a switch at 20100 on its grid of 100."""
    more_effect = 1.2284 / (25000 - 20098)
    costs, effects = [0.0, 20098 * more_effect], [0.0, more_effect]
    grid = np.arange(0, 50001, 100)
    benefit = nmb(costs, effects, grid, ["Status Quo", "Vaccination"])
    assert benefit.loc[25000, "Vaccination"] == pytest.approx(1.2284)
    assert benefit.index[benefit["Vaccination"] > 0][0] == 20100
    assert incremental(costs, effects)["icer"][1] == pytest.approx(20098)


def test_rows_sum_to_one_and_the_cheapest_wins_at_zero() -> None:
    costs, effects = random_draws()
    curve = ceac(costs, effects, GRID)
    np.testing.assert_allclose(curve.sum(axis=1), 1, atol=1e-12)
    assert nmb(costs, effects, GRID).loc[0].argmax() == costs.mean(axis=0).argmin()


def test_loss_benefit_and_evpi_agree() -> None:
    costs, effects = random_draws()
    benefit, loss = nmb(costs, effects, GRID), expected_loss(costs, effects, GRID)
    difference = (benefit + loss).to_numpy()
    np.testing.assert_allclose(difference, difference[:, :1] * np.ones(4), rtol=1e-9)
    np.testing.assert_allclose(loss.min(axis=1), evpi(costs, effects, GRID))
    assert (loss.idxmin(axis=1) == benefit.idxmax(axis=1)).all()
    assert (evpi(costs, effects, GRID) >= 0).all()


def test_best_of_benefits_that_are_all_negative() -> None:
    costs = [[30.0, 20.0], [25.0, 40.0], [12.0, 11.0]]
    curve = ceac(costs, np.zeros((3, 2)), [0, 1000], ["a", "b"])
    assert (nmb(costs, np.zeros((3, 2)), [0, 1000]) < 0).all().all()
    assert curve["a"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert curve["b"].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_ties_are_shared_equally() -> None:
    costs, effects = random_draws(options=2)
    twice = ceac(costs[:, [0, 1, 1]], effects[:, [0, 1, 1]], GRID, ["a", "b", "again"])
    once = ceac(costs, effects, GRID, ["a", "b"])
    np.testing.assert_allclose(twice["b"], once["b"] / 2)
    np.testing.assert_allclose(twice["b"], twice["again"])
    frontier = ceaf(costs[:, [1, 1]], effects[:, [1, 1]], GRID)
    assert (frontier == 0.5).all().all()
    assert (evpi(costs[:, [1, 1]], effects[:, [1, 1]], GRID) == 0).all()


def test_one_option_is_always_best_and_loses_nothing() -> None:
    costs, effects = random_draws(options=1)
    assert (ceac(costs, effects, GRID) == 1).all().all()
    assert (ceaf(costs, effects, GRID) == 1).all().all()
    assert (expected_loss(costs, effects, GRID) == 0).all().all()
    assert (evpi(costs, effects, GRID) == 0).all()


def test_the_frontier_curve_follows_expected_benefit_not_probability() -> None:
    """Skewed losses: rarely best, best on average."""
    costs = np.array([[0.0, 1.0]] * 9 + [[0.0, -100.0]])
    curve = ceac(costs, np.zeros_like(costs), 0, ["often", "seldom"]).loc[0]
    assert curve["often"] == 0.9
    frontier = ceaf(costs, np.zeros_like(costs), 0, ["often", "seldom"]).loc[0]
    assert frontier["seldom"] == 0.1
    assert np.isnan(frontier["often"])


@pytest.mark.parametrize("measure", ["nmb", "ceac", "expected_loss", "evpi"])
def test_monte_carlo_errors_are_the_spread_over_repetitions(measure: str) -> None:
    functions = {"nmb": nmb, "ceac": ceac, "expected_loss": expected_loss, "evpi": evpi}
    found, errors = [], []
    for seed in range(120):
        costs, effects = random_draws(seed, draws=150, options=3)
        effects += np.array([0.0, 1.5, 0.5])  # one is clearly best
        found.append(np.atleast_2d(np.asarray(functions[measure](costs, effects, [30000])).ravel()))
        errors.append(np.asarray(mc_se(measure, costs, effects, [30000])).ravel())
    spread = np.concatenate(found).std(axis=0, ddof=1)
    # the spread of 120 repetitions is known to 6.5%: four errors
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=0.26)


def test_errors_of_derived_measures() -> None:
    costs, effects = random_draws()
    np.testing.assert_allclose(
        mc_se("nhb", costs, effects, [20000]), mc_se("nmb", costs, effects, [20000]).to_numpy() / 20000
    )
    assert mc_se("ceaf", costs, effects, GRID).notna().sum(axis=1).tolist() == [1] * len(GRID)
    assert mc_se("ceac", costs[0], effects[0], GRID).isna().all().all()
    with pytest.raises(Problem, match="did you mean 'ceac'"):
        mc_se("ceacc", costs, effects, GRID)


def test_options_are_named_by_the_columns_of_a_frame() -> None:
    costs, effects = random_draws(options=2)
    assert list(ceac(pd.DataFrame(costs, columns=["x", "y"]), effects, GRID).columns) == ["x", "y"]
    assert list(ceac(costs, effects, GRID).index) == GRID


@pytest.mark.parametrize(
    ("costs", "effects", "wtp", "named"),
    [
        ([[1, 2]], [[1, 2, 3]], 1, "effects"),
        ([[1, 2]], [[1, 2]], [], "wtp"),
        ([[1, 2]], [[1, 2]], [-1], "wtp"),
        ([[1, 2]], [[1, 2]], [np.nan], "wtp"),
        ([[1, 2], [1]], [[1, 2]], 1, "costs"),
        ([], [], 1, "costs"),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), 1, "costs"),
        ([[1, 2]], [[1, 2]], None, "wtp"),
        ([[1, 2]], [[1, 2]], [[1, 2]], "wtp"),
        (np.ma.masked_array([[1, 2]], [[False, True]]), [[1, 2]], 1, "costs"),
        (pd.DataFrame([[1, 2]], columns=["a", "b"]), pd.DataFrame([[1, 2]], columns=["b", "a"]), 1, "effects"),
        (pd.DataFrame([[1, 2], [3, 4]]), pd.DataFrame([[1, 2], [3, 4]], index=[1, 0]), 1, "effects"),
    ],
)
def test_errors_name_the_argument(costs: list, effects: list, wtp: object, named: str) -> None:
    for function in (nmb, ceac, ceaf, expected_loss, evpi):
        with pytest.raises(Problem, match=f"^{named}: "):
            function(costs, effects, wtp)


def test_frames_of_other_names_are_matched_by_position() -> None:
    costs, effects = random_draws(options=2)
    named = ceac(pd.DataFrame(costs, columns=["x", "y"]), pd.DataFrame(effects, columns=["qaly_x", "qaly_y"]), GRID)
    np.testing.assert_array_equal(named, ceac(costs.tolist(), effects.tolist(), GRID))
