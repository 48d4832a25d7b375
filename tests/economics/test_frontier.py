"""Incremental analysis against published tables, hand-worked corners, and what dominance means."""

import itertools

import numpy as np
import pandas as pd
import pytest

from sim.economics import incremental
from sim.economics.frontier import tied
from sim.problems import Problem

COLUMNS = ["option", "cost", "effect", "inc_cost", "inc_effect", "icer", "status"]


def statuses(costs: list[float], effects: list[float]) -> dict[str, str]:
    table = incremental(costs, effects, [f"S{k + 1}" for k in range(len(costs))])
    return dict(zip(table["option"], table["status"], strict=True))


def test_the_va_example_as_dampack_publishes_it() -> None:
    """US Veterans Affairs HERC example; table in dampack's tests (DARTH-git/dampack, test_calculate_icers.R)."""
    table = incremental(
        [55000, 35000, 25000, 10000, 12000, 5000], [5, 4, 3, 2, 1.5, 1], ["E", "D", "C", "B", "A", "UC"]
    )
    nan = np.nan
    expected = pd.DataFrame(
        [
            ("UC", 5000.0, 1.0, nan, nan, nan, "ND"),
            ("B", 10000.0, 2.0, 5000.0, 1.0, 5000.0, "ND"),
            ("D", 35000.0, 4.0, 25000.0, 2.0, 12500.0, "ND"),
            ("E", 55000.0, 5.0, 20000.0, 1.0, 20000.0, "ND"),
            ("C", 25000.0, 3.0, nan, nan, nan, "ED"),
            ("A", 12000.0, 1.5, nan, nan, nan, "D"),
        ],
        columns=COLUMNS,
    )
    pd.testing.assert_frame_equal(table, expected)


def test_hiv_screening() -> None:
    """Paltiel 2006 (doi:10.7326/0003-4819-145-11-200612050-00004), table 4, dampack's first example."""
    months = np.array([277.25, 277.57, 277.78, 277.83, 277.76])
    table = incremental(
        [26000, 27000, 28020, 28440, 29440], months / 12, ["status quo", "one time", "5yr", "3yr", "annual"]
    ).set_index("option")
    assert list(table["status"]) == ["ND", "ND", "ND", "ND", "D"]
    assert table.index[-1] == "annual"
    by_hand = {"one time": 1000 / 0.32 * 12, "5yr": 1020 / 0.21 * 12, "3yr": 420 / 0.05 * 12}
    for option, icer in by_hand.items():
        assert table.loc[option, "icer"] == pytest.approx(icer, rel=1e-9)
    assert table.loc["one time", "icer"] == pytest.approx(37500)


@pytest.mark.parametrize(
    ("costs", "effects", "frontier"),
    [
        (
            [14807, 26041, 49706, 64266, 40022, 57392, 91744, 54651],
            [9.635, 10.2497, 11.1654, 11.5152, 11.582, 11.6248, 11.6296, 11.6588],
            "S1 S5 S8",
        ),
        ([26041, 14807, 49706, 64266, 40022], [9.13, 9.635, 11.1654, 11.5152, 11.582], "S2 S5"),
        ([25000, 35000, 50000, 54651, 64266, 91744], [10.2497, 11.1654, 11.3, 11.6588, 11.7, 12.1], "S1 S2 S4 S6"),
        ([26041, 49706, 64266, 57392, 91744, 54651], [10.2497, 11.1654, 11.5152, 11.6248, 11.6296, 11.6296], "S1 S6"),
        ([26041, 42000, 54651, 60000, 76000], [10.2497, 11.1654, 11.6296, 11.7, 11.8], "S1 S2 S3 S4 S5"),
        (
            [25000, 35000, 50000, 54651, 58500, 64266, 91744],
            [10.2497, 10.2497, 11.3, 11.6588, 11.6588, 11.7, 12.1],
            "S1 S4 S7",
        ),
        (
            [25000, 25000, 50000, 58500, 58500, 64266, 91744],
            [10.2497, 10.25, 11.3, 11.6588, 11.6588, 11.7, 12.1],
            "S2 S4 S5 S7",
        ),
    ],
)
def test_frontiers_that_heemod_publishes(costs: list[float], effects: list[float], frontier: str) -> None:
    """Frontiers of heemod's own examples (pierucci/heemod, test_efficiency_frontier.R), identical options included."""
    found = statuses(costs, effects)
    assert {option for option, status in found.items() if status == "ND"} == set(frontier.split())


def test_a_single_option_is_the_frontier() -> None:
    table = incremental([7.0], [2.0], ["only"])
    assert list(table.columns) == COLUMNS
    assert table.loc[0, "status"] == "ND"
    assert table.loc[0, ["inc_cost", "inc_effect", "icer"]].isna().all()


def test_duplicates_share_a_status_and_come_by_name_with_increments_of_zero() -> None:
    table = incremental([10.0, 10.0, 0.0, 4.0], [2.0, 2.0, 0.0, 2.5], ["b", "a", "zero", "best"])
    assert list(table["option"]) == ["zero", "best", "a", "b"]
    assert list(table["status"]) == ["ND", "ND", "D", "D"]
    table = incremental([10.0, 10.0, 0.0], [2.0, 2.0, 0.0], ["b", "a", "zero"])
    assert list(table["option"]) == ["zero", "a", "b"]
    assert list(table["status"]) == ["ND"] * 3
    assert list(table["inc_cost"][1:]) == [10.0, 0.0]
    assert list(table["inc_effect"][1:]) == [2.0, 0.0]
    assert table["icer"][1] == 5.0
    assert np.isnan(table["icer"][2])
    assert tied([10.0, 10.0, 0.0], [2.0, 2.0, 0.0], ["b", "a", "zero"]) == {"a": ["b"], "b": ["a"]}


def test_same_cost_or_same_effect_is_dominated_by_the_better_one() -> None:
    assert statuses([5, 5], [1, 2]) == {"S1": "D", "S2": "ND"}
    assert statuses([5, 6], [1, 1]) == {"S1": "ND", "S2": "D"}


def test_an_option_on_the_straight_line_stays() -> None:
    table = incremental([0.1, 0.2, 0.3], [1.1, 1.2, 1.3], list("abc"))
    assert list(table["status"]) == ["ND"] * 3
    assert table["icer"][1] == pytest.approx(table["icer"][2])


def test_costs_may_be_negative_and_every_option_harmful() -> None:
    assert statuses([-10, -5, 0], [-2, -1.5, -1.9]) == {"S1": "ND", "S2": "ND", "S3": "D"}


def test_dominance_means_what_it_says() -> None:
    """Against the definition: off the frontier exactly what an option or a mixture of two beats."""
    generator = np.random.default_rng(4)
    for _ in range(200):
        count = int(generator.integers(1, 8))
        cost, effect = generator.integers(0, 12, count).astype(float), generator.integers(0, 12, count).astype(float)
        found = statuses(list(cost), list(effect))
        for k in range(count):
            beaten = any(
                cost[m] <= cost[k] and effect[m] >= effect[k] and (cost[m], effect[m]) != (cost[k], effect[k])
                for m in range(count)
            )
            mixed = any(
                effect[i] < effect[k] < effect[j]
                and cost[i] + (cost[j] - cost[i]) * (effect[k] - effect[i]) / (effect[j] - effect[i]) < cost[k] - 1e-9
                for i, j in itertools.permutations(range(count), 2)
            )
            assert found[f"S{k + 1}"] == ("D" if beaten else "ED" if mixed else "ND")


def test_each_frontier_option_is_the_best_buy_between_its_icers() -> None:
    generator = np.random.default_rng(5)
    costs, effects = generator.gamma(3, 1e4, 30), generator.gamma(4, 1, 30)
    table = incremental(costs, effects)
    line = table[table["status"] == "ND"]
    bounds = [0.0, *line["icer"].iloc[1:], np.inf]
    assert bounds == sorted(bounds)
    for (_, row), low, high in zip(line.iterrows(), bounds, bounds[1:], strict=False):
        wtp = (low + min(high, low + 1e6)) / 2
        benefit = wtp * effects - costs
        assert benefit.max() == pytest.approx(wtp * row["effect"] - row["cost"])


def test_the_order_of_the_options_changes_nothing() -> None:
    generator = np.random.default_rng(6)
    costs, effects = generator.integers(0, 9, 12).astype(float), generator.integers(0, 9, 12).astype(float)
    names = [f"o{k:02d}" for k in range(12)]
    first = incremental(costs, effects, names)
    order = generator.permutation(12)
    pd.testing.assert_frame_equal(incremental(costs[order], effects[order], [names[k] for k in order]), first)


def test_names_come_from_a_series() -> None:
    costs = pd.Series({"a": 1.0, "b": 2.0})
    assert list(incremental(costs, [1, 3])["option"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([], []), "costs"),
        (([1, 2], [1]), "effects"),
        (([1, np.nan], [1, 2]), "costs"),
        (([1, 2], [1, np.inf]), "effects"),
        ((["x", 2], [1, 2]), "costs"),
        (([[1, 2]], [[1, 2]]), "costs"),
        (([1, 2], [1, 2], ["a"]), "names"),
        (([1, 2], [1, 2], ["a", "a"]), "names"),
        (([1, 2], [1, 2], "ab"), "names"),
        ((pd.Series({"a": 1, "b": 2}), pd.Series({"b": 1, "a": 2})), "effects"),
        ((np.ma.masked_array([1, 2], [True, False]), [1, 2]), "costs"),
    ],
)
def test_errors_name_the_argument(arguments: tuple, named: str) -> None:
    with pytest.raises(Problem, match=f"^{named}: "):
        incremental(*arguments)
