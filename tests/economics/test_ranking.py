"""Monte-Carlo errors of a comparison, against many real repetitions of it."""

import math

import numpy as np
import pytest

from sim.economics.estimates import Estimates
from sim.economics.frontier import statuses
from sim.economics.ranking import (
    benefits,
    best_somewhere,
    choices,
    frontier_probabilities,
    incremental_with_errors,
    patients_to_settle,
)
from sim.problems import Problem

NAMES = ("a", "b", "c")


def lives(seed: int, n: int, names: tuple[str, ...] = NAMES) -> tuple[np.ndarray, np.ndarray]:
    """Draw twins: a shared part for every patient and a small part of each option's own."""
    generator = np.random.default_rng(seed)
    shared = generator.gamma(2, 1, (n, 1))
    k = np.arange(len(names))
    cost = 1e5 * shared + 2e4 * k + generator.normal(0, 2e4, (n, len(names)))
    effect = 5 * shared + 0.5 * np.sqrt(k) + generator.normal(0, 0.5, (n, len(names)))
    return cost, effect


def estimates(cost: np.ndarray, effect: np.ndarray, names: tuple[str, ...] = NAMES) -> Estimates:
    return Estimates(
        names=names,
        n=len(cost),
        cost=cost.mean(axis=0),
        effect=effect.mean(axis=0),
        covariance=np.cov(np.hstack([cost, effect]).T),
        currency="USD 2024",
        effect_unit="QALY",
    )


def test_errors_are_the_spread_over_repetitions() -> None:
    columns = ["cost", "effect", "inc_cost", "inc_effect", "icer"]
    found, stated, covered = [], [], []
    for seed in range(150):
        table = incremental_with_errors(estimates(*lives(seed, 400))).set_index("option").loc["b"]
        assert table["against"] == "a"
        found.append([table[c] for c in columns])
        stated.append([table[f"{c}_se"] for c in columns])
        covered.append(table["icer_low"] <= 2e4 / 0.5 <= table["icer_high"])
    np.testing.assert_allclose(np.mean(stated, axis=0), np.std(found, axis=0, ddof=1), rtol=0.24)
    assert 0.88 < np.mean(covered) < 0.995


def test_twins_are_told_apart_far_better_than_their_own_errors_say() -> None:
    row = incremental_with_errors(estimates(*lives(1, 400))).iloc[1]
    assert row["inc_effect_se"] < 0.3 * row["effect_se"]


def test_the_frontier_is_what_is_best_at_some_willingness_to_pay() -> None:
    generator = np.random.default_rng(8)
    cost, effect = generator.normal(0, 1, (500, 6)), generator.normal(0, 1, (500, 6))
    expected = [[status == "ND" for status in statuses(c, e)] for c, e in zip(cost, effect, strict=True)]
    np.testing.assert_array_equal(best_somewhere(cost, effect), expected)


def test_probabilities_are_shares_of_repetitions() -> None:
    """The run at n = 100 imagines others; many others of n = 100 around the same truth scatter likewise."""
    truth = estimates(*lives(2, 200000))
    small = Estimates(**{**truth.__dict__, "n": 100})
    level = 40000.0
    table = benefits(small, level).set_index("option")
    wins = np.zeros(3)
    for seed in range(600):
        cost, effect = lives(1000 + seed, 100)
        wins[(level * effect.mean(axis=0) - cost.mean(axis=0)).argmax()] += 1 / 600
    np.testing.assert_allclose([table.loc[name, "p_best"] for name in NAMES], wins, atol=0.09)
    assert table["p_best"].sum() == pytest.approx(1)
    assert (frontier_probabilities(small) <= 1).all()


def test_patients_to_settle_settle() -> None:
    """With that many patients the difference is as many standard errors as the error allows."""
    truth = estimates(*lives(3, 100000))
    table = benefits(truth, 20000.0).set_index("option")
    for name in NAMES:
        needed = table.loc[name, "patients"]
        order = list(table.index)
        place = order.index(name)
        rival = order[place - 1] if place else order[1]
        score = {}
        for n in (needed - 1, needed):
            again = benefits(Estimates(**{**truth.__dict__, "n": int(n)}), 20000.0, reference=name).set_index("option")
            score[n] = abs(again.loc[rival, "inb"]) / again.loc[rival, "inb_se"]
        assert score[needed - 1] < 1.959964 <= score[needed] + 1e-6
    assert patients_to_settle(truth, 20000.0) == table["patients"].max()


def test_net_benefits_rank_and_agree() -> None:
    table = benefits(estimates(*lives(4, 500)), [0, 50000], reference="b")
    for wtp, rows in table.groupby("wtp"):
        assert rows["nmb"].is_monotonic_decreasing
        assert list(rows["rank"]) == [1, 2, 3]
        own = rows.set_index("option")
        assert own.loc["b", "inb"] == 0
        assert own.loc["b", "inb_se"] == 0
        assert own.loc["c", "inb"] == pytest.approx(own.loc["c", "nmb"] - own.loc["b", "nmb"])
        if wtp:
            np.testing.assert_allclose(rows["nhb"] * wtp, rows["nmb"])
        else:
            assert rows["nhb"].isna().all()


def test_identical_options_are_tied_and_need_no_patients() -> None:
    cost, effect = lives(5, 300)
    pick = [0, 1, 1]
    same = estimates(cost[:, pick], effect[:, pick], ("a", "b", "twin"))
    table = incremental_with_errors(same).set_index("option")
    assert table.loc["b", "tied_with"] == "twin"
    assert table.loc["twin", "tied_with"] == "b"
    for column in ("inc_cost", "inc_effect", "inc_cost_se", "inc_effect_se"):
        assert table.loc["twin", column] == 0
    assert table.loc["b", "p_frontier"] == table.loc["twin", "p_frontier"]
    ranked = benefits(same, 1e6).set_index("option")
    assert ranked.loc["b", "p_best"] == ranked.loc["twin", "p_best"]
    assert ranked.loc["b", "rank"] == ranked.loc["twin", "rank"] == 1
    assert ranked.loc["twin", "patients"] == 0


def test_an_exact_tie_of_different_lives_is_never_settled() -> None:
    cost, effect = np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros((2, 2))
    assert math.isinf(patients_to_settle(estimates(cost, effect, ("a", "b")), 1.0))


def test_what_trials_did_never_enters() -> None:
    cost, effect = lives(6, 300)
    names = ("a", "trial_practice", "z")
    effect[:, 1] += 100
    whole = estimates(cost, effect, names)
    assert choices(whole).names == ("a", "z")
    assert "trial_practice" not in set(incremental_with_errors(whole)["option"])
    without = estimates(cost[:, [0, 2]], effect[:, [0, 2]], ("a", "z"))
    np.testing.assert_allclose(
        incremental_with_errors(whole)["icer"].dropna(), incremental_with_errors(without)["icer"].dropna()
    )
    with pytest.raises(Problem, match="no option that could be chosen"):
        choices(estimates(cost[:, :1], effect[:, :1], ("trial_practice",)))


def test_a_single_option_and_a_single_unknown_reference() -> None:
    cost, effect = lives(7, 100)
    alone = estimates(cost[:, :1], effect[:, :1], ("a",))
    table = benefits(alone, 1000)
    assert table.loc[0, "p_best"] == 1
    assert table.loc[0, "patients"] == 0
    assert incremental_with_errors(alone).loc[0, "p_frontier"] == 1
    with pytest.raises(Problem, match="reference: 'aa' is not an option"):
        benefits(alone, 1000, reference="aa")
    with pytest.raises(Problem, match="wtp: is empty"):
        benefits(alone, [])


def test_one_patient_says_nothing_about_errors() -> None:
    cost, effect = lives(9, 2)
    alone = Estimates(NAMES, 1, cost[0], effect[0], np.full((6, 6), np.nan), "USD 2024", "QALY")
    table = incremental_with_errors(alone)
    assert table[["cost_se", "effect_se", "p_frontier"]].isna().all().all()
    assert list(table["option"][table["status"] == "ND"])
    ranked = benefits(alone, 1000)
    assert ranked[["nmb_se", "p_best"]].isna().all().all()
    assert ranked["rank"].tolist() == [1, 2, 3]
