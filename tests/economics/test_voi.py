"""Value of information against closed forms of a linear-Gaussian decision, and its laws."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from sim.economics import enbs, evpi, evppi, evppi_table, evsi, evsi_table, population_size
from sim.economics.sampling import (
    Study,
    study_of_hazard_ratio,
    study_of_means,
    study_of_rates,
    study_of_shares,
)
from sim.problems import Problem

MEAN, SLOPES = 100.0, {"a": 300.0, "b": 500.0, "c": 200.0}


def gain(mean: float, sd: float) -> float:
    """Give E max(0, N(mean, sd)) - max(0, mean): the unit normal loss (Raiffa and Schlaifer 1961)."""
    return sd * norm.pdf(mean / sd) + mean * norm.cdf(mean / sd) - max(0.0, mean)


def linear(seed: int, draws: int, correlation: float = 0.0) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Draw two options whose incremental net benefit at wtp 1 is linear in standard normal parameters."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((draws, 3))
    values[:, 1] = correlation * values[:, 0] + math.sqrt(1 - correlation**2) * values[:, 1]
    parameters = pd.DataFrame(values, columns=list(SLOPES))
    effects = np.column_stack([np.zeros(draws), MEAN + values @ list(SLOPES.values())])
    return np.zeros((draws, 2)), effects, parameters


@pytest.mark.parametrize("method", ["spline", "gp"])
@pytest.mark.parametrize("of", [["a"], ["b"], ["a", "b"], ["a", "b", "c"]])
def test_partial_information_in_closed_form(of: list[str], method: str) -> None:
    costs, effects, parameters = linear(1, 3000)
    found = evppi(costs, effects, parameters, of=of, wtp=1, method=method)
    exact = gain(MEAN, math.sqrt(sum(SLOPES[name] ** 2 for name in of)))
    assert abs(found.value - exact) < 4 * found.standard_error
    assert found.standard_error < 0.1 * exact
    assert found.method == method
    explained = sum(SLOPES[name] ** 2 for name in of) / sum(s**2 for s in SLOPES.values())
    assert found.diagnostic.r2 == pytest.approx(explained, abs=0.05)
    assert found.diagnostic.trustworthy


def test_correlated_parameters_tell_about_each_other() -> None:
    costs, effects, parameters = linear(2, 4000, correlation=0.8)
    found = evppi(costs, effects, parameters, of="a", wtp=1)
    exact = gain(MEAN, SLOPES["a"] + 0.8 * SLOPES["b"])
    assert abs(found.value - exact) < 4 * found.standard_error


def test_estimates_scatter_as_their_standard_errors_say() -> None:
    exact = gain(MEAN, SLOPES["a"])
    scores = []
    for seed in range(60):
        costs, effects, parameters = linear(100 + seed, 500)
        found = evppi(costs, effects, parameters, of="a", wtp=1)
        scores.append((found.value - exact) / found.standard_error)
    assert abs(np.mean(scores)) < 0.55  # four standard errors of the mean of 60
    assert 0.5 < np.std(scores) < 1.4


@pytest.mark.parametrize("method", ["spline", "gp"])
def test_a_curved_benefit_in_closed_form(method: str) -> None:
    """Benefit x^2 - 1 of a standard normal x: the gain from knowing x is E max(0, x^2 - 1) = 2 phi(1)."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal((4000, 2))
    effects = np.column_stack([np.zeros(4000), x[:, 0] ** 2 - 1 + x[:, 1]])
    found = evppi(np.zeros((4000, 2)), effects, {"x": x[:, 0], "noise": x[:, 1]}, of=["x"], wtp=1, method=method)
    exact = 2 * norm.pdf(1) - max(0.0, effects[:, 1].mean())
    assert abs(found.value - exact) < 4 * found.standard_error
    assert found.diagnostic.trustworthy


def test_an_interaction_needs_both_and_a_fit_that_misses_it_says_so() -> None:
    """Benefit x y: knowing one is worth nothing, knowing both E max(0, xy) = 1/pi."""
    generator = np.random.default_rng(4)
    x = generator.standard_normal((4000, 2))
    effects = np.column_stack([np.zeros(4000), x[:, 0] * x[:, 1]])
    parameters = {"x": x[:, 0], "y": x[:, 1]}
    both = evppi(np.zeros((4000, 2)), effects, parameters, of=["x", "y"], wtp=1)
    assert both.method == "gp"
    assert abs(both.value - 1 / math.pi) < 4 * both.standard_error
    alone = evppi(np.zeros((4000, 2)), effects, parameters, of="x", wtp=1)
    assert alone.value < 0.1 * both.value
    # what no smooth curve can follow: a step, of which the spline's residuals keep the pattern
    steps = np.column_stack([np.zeros(4000), np.sign(x[:, 0] - 0.31)])
    found = evppi(np.zeros((4000, 2)), steps, parameters, of="x", wtp=1)
    assert not found.diagnostic.trustworthy


def test_laws_of_perfect_and_partial_information() -> None:
    generator = np.random.default_rng(5)
    parameters = pd.DataFrame(generator.gamma(2, 1, (600, 6)), columns=list("uvwxyz"))
    effects = parameters.to_numpy() @ generator.normal(0, 0.3, (6, 4)) + 10
    costs = parameters[["v"]].to_numpy() * np.array([0.0, 1e3, 2e3, 3e3])
    total = evpi(costs, effects, [5000.0]).iloc[0]
    assert total > 100
    table = evppi_table(costs, effects, parameters, wtp=[5000.0])
    assert set(table["of"]) == set("uvwxyz")
    assert ((table["evppi"] >= 0) & (table["evppi"] <= total)).all()
    assert table["evppi"].max() > 0
    np.testing.assert_allclose(table["evpi"], total)
    everything = evppi(costs, effects, parameters, wtp=5000.0)
    assert everything.value == pytest.approx(total, rel=1e-3)  # linear in all six: the fit is exact


def test_what_does_not_matter_is_worth_nothing_within_its_error() -> None:
    costs, effects, parameters = linear(6, 1000)
    parameters["idle"] = np.random.default_rng(7).standard_normal(1000)
    parameters["constant"] = 3.0
    table = evppi_table(costs, effects, parameters, wtp=1).set_index("of")
    assert table.loc["idle", "evppi"] < 3 * table.loc["idle", "se"] + 1
    assert table.loc["constant", "evppi"] == 0
    assert table.loc["b", "evppi"] > table.loc["a", "evppi"] > table.loc["c", "evppi"] > table.loc["idle", "evppi"]


def test_a_parameter_of_few_values_is_known_exactly() -> None:
    """A switch that decides the sign of the benefit: +30 or -10, each half the time, is worth 0.5 * 10."""
    switch = np.tile([0.0, 1.0], 100)
    effects = np.column_stack([np.zeros(200), np.where(switch == 1, 30.0, -10.0)])
    found = evppi(np.zeros((200, 2)), effects, {"switch": switch}, of="switch", wtp=1)
    assert found.value == pytest.approx(5)


def test_one_option_or_equal_options_have_nothing_to_learn() -> None:
    _, effects, parameters = linear(8, 100)
    for columns in ([1], [1, 1]):
        found = evppi(np.zeros((100, len(columns))), effects[:, columns], parameters, wtp=1)
        assert found.value == 0
        assert found.standard_error == 0


def test_the_same_draws_give_the_same_bytes_in_any_order_of_options() -> None:
    costs, effects, parameters = linear(9, 300)
    first = evppi(costs, effects, parameters, of="a", wtp=1)
    assert evppi(costs, effects, parameters, of="a", wtp=1) == first
    turned = evppi(costs, effects[:, ::-1], parameters, of="a", wtp=1)
    assert turned.value == pytest.approx(first.value, rel=1e-9)


def test_groups_have_names() -> None:
    costs, effects, parameters = linear(10, 300)
    table = evppi_table(costs, effects, parameters, of={"first two": ["a", "b"], "third": "c"}, wtp=[1, 2])
    assert sorted(table["of"].unique()) == ["first two", "third"]
    assert len(table) == 4


# --- studies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["spline", "gp", "moments"])
@pytest.mark.parametrize("size", [5, 50])
def test_sample_information_in_closed_form(size: int, method: str) -> None:
    """Normal prior N(0, 1), patients with sd 5: the preposterior variance is n / (n + 25)."""
    costs, effects, parameters = linear(11, 3000)
    found = evsi(costs, effects, parameters, study_of_means("b", sd=5.0), size, 1, method=method)
    exact = gain(MEAN, SLOPES["b"] * math.sqrt(size / (size + 25)))
    assert abs(found.value - exact) < 4 * found.standard_error
    assert found.method == method


def test_a_study_of_shares_matches_the_beta_binomial() -> None:
    """Beta(2, 3) response, benefit 100 (p - 0.5): EVSI by enumerating every outcome of 10 patients."""
    from scipy.stats import beta, betabinom

    p = beta(2, 3).ppf((np.arange(4000) + 0.5) / 4000)
    p = np.random.default_rng(12).permutation(p)
    effects = np.column_stack([np.zeros(4000), 100 * (p - 0.5)])
    found = evsi(np.zeros((4000, 2)), effects, {"p": p}, study_of_shares("p"), 10, 1)
    outcomes = np.arange(11)
    posterior = 100 * ((2 + outcomes) / 15 - 0.5)
    exact = float((betabinom(10, 2, 3).pmf(outcomes) * np.maximum(posterior, 0)).sum()) - max(0.0, 100 * (0.4 - 0.5))
    assert abs(found.value - exact) < 4 * found.standard_error


def test_more_patients_tell_more_up_to_perfect_information() -> None:
    costs, effects, parameters = linear(13, 2000)
    table = evsi_table(costs, effects, parameters, study_of_means("b", 5.0), [2, 10, 50, 250, 100000], 1)
    assert table["evsi"].is_monotonic_increasing
    perfect = evppi(costs, effects, parameters, of="b", wtp=1).value
    assert table["evsi"].iloc[-1] == pytest.approx(perfect, rel=0.02)


def test_designs_observe_without_bias_and_with_their_variance() -> None:
    parameters = {"hr": np.full(20000, 0.7), "rate": np.full(20000, 0.3), "p": np.full(20000, 0.2)}
    study = study_of_hazard_ratio("hr", events_per_patient=0.5)
    seen = study.summaries(parameters, 200, lambda k: np.random.default_rng(k).random(20000))
    assert np.mean(seen) == pytest.approx(math.log(0.7), abs=4 * 0.2 / math.sqrt(20000))
    assert np.std(seen) == pytest.approx(math.sqrt(4 / 100), rel=0.03)
    counts = study_of_rates("rate", years=2.0).summaries(
        {"rate": parameters["rate"]}, 50, lambda k: np.random.default_rng(k).random(20000)
    )
    assert np.mean(counts) == pytest.approx(0.6, rel=0.01)
    shares = study_of_shares("p").summaries(
        {"p": parameters["p"]}, 50, lambda k: np.random.default_rng(k).random(20000)
    )
    assert np.mean(shares) == pytest.approx(0.2, rel=0.02)
    assert np.std(shares) == pytest.approx(math.sqrt(0.16 / 50), rel=0.03)


def test_population_is_the_integral_of_discounted_incidence() -> None:
    assert population_size(50, 10) == 500
    assert population_size(50, 10, delay=4) == 300
    years = (np.arange(100000) + 0.5) / 100000 * 10
    numeric = 50 * 10 * np.mean(1.03**-years * (years >= 2))
    assert population_size(50, 10, discount=0.03, delay=2) == pytest.approx(numeric, rel=1e-4)
    assert population_size(50, 10, discount=1e-12) == pytest.approx(500)
    assert population_size(50, 3, delay=3) == 0


def test_net_benefit_of_sampling_by_hand() -> None:
    values = pd.DataFrame({"size": [10, 100, 1000], "evsi": [1.0, 3.0, 3.5], "se": [0.1, 0.1, 0.1]})
    table = enbs(values, incidence=100, horizon=10, fixed_cost=500, cost_per_patient=10)
    assert table["enbs"].tolist() == pytest.approx([1000 - 600, 3000 - 1500, 3500 - 10500])
    assert table["optimal"].tolist() == [False, True, False]
    assert table["se"].tolist() == pytest.approx([100.0] * 3)
    late = enbs(values, incidence=100, horizon=10, delay=[0, 9, 11])
    assert late["population"].tolist() == pytest.approx([1000, 100, 0])
    assert not enbs(values, incidence=100, horizon=10, fixed_cost=1e6)["optimal"].any()
    tie = enbs(values.assign(evsi=1.0), incidence=100, horizon=10)
    assert tie["optimal"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"of": "aa"}, "of: no such parameter 'aa', did you mean 'a'"),
        ({"of": []}, "of: is empty"),
        ({"wtp": None}, "wtp: is empty"),
        ({"wtp": [1, 2]}, "wtp: 2 values"),
        ({"method": "splines"}, "method: unknown method 'splines', did you mean 'spline'"),
        ({"parameters": {"a": [1.0, 2.0]}}, "parameters: 2 draws"),
        ({"parameters": {"a": ["x"] * 100}}, "parameters: a frame or a mapping"),
        ({"parameters": {"a": [np.nan] * 100}}, "parameters: 'a' holds"),
        ({"parameters": {}}, "parameters: is empty"),
    ],
)
def test_errors_name_the_argument(change: dict, named: str) -> None:
    costs, effects, parameters = linear(14, 100)
    arguments: dict = {"parameters": parameters, "of": "a", "wtp": 1} | change
    with pytest.raises(Problem, match=f"^{named}"):
        evppi(costs, effects, **arguments)


def test_too_few_draws_and_impossible_studies_are_refused() -> None:
    costs, effects, parameters = linear(15, 20)
    with pytest.raises(Problem, match="20 draws are too few"):
        evppi(costs, effects, parameters, of="a", wtp=1)
    costs, effects, parameters = linear(15, 100)
    with pytest.raises(Problem, match="'a' is a probability"):
        evsi(costs, effects, parameters, study_of_shares("a"), 10, 1)
    with pytest.raises(Problem, match="size: 0"):
        evsi(costs, effects, parameters, study_of_means("a", 1.0), 0, 1)
    with pytest.raises(Problem, match="no such parameter 'q'"):
        evsi(costs, effects, parameters, study_of_means("q", 1.0), 10, 1)
    with pytest.raises(Problem, match="'moments' needs"):
        evsi(costs, effects, parameters, Study(("a",), lambda p, n, u: p["a"]), 10, 1, method="moments")
    with pytest.raises(Problem, match="size: holds 1 values"):
        evsi(costs, effects, parameters, study_of_means("a", 1.0), float("nan"), 1)
    with pytest.raises(Problem, match="incidence: -1"):
        population_size(-1, 10)


def test_draws_in_another_order_than_the_costs_are_refused() -> None:
    costs, effects, parameters = linear(16, 100)
    shuffled = pd.DataFrame(parameters).iloc[::-1]
    with pytest.raises(Problem, match=r"^parameters: index"):
        evppi(pd.DataFrame(costs), effects, shuffled, of="a", wtp=1)
    same = evppi(pd.DataFrame(costs), effects, pd.DataFrame(parameters), of="a", wtp=1)
    assert same == evppi(costs.tolist(), effects.tolist(), parameters, of=["a"], wtp=[1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"evsi": {"size": [], "evsi": []}}, "evsi.size: is empty"),
        ({"evsi": {"size": [1], "evsi": [np.nan]}}, "evsi.evsi: holds 1"),
        ({"evsi": {"size": [1]}}, "evsi: has no column 'evsi'"),
        ({"delay": [1.0, 2.0]}, "delay: 2 values"),
        ({"horizon": float("inf")}, "horizon: holds 1"),
        ({"fixed_cost": -1}, "fixed_cost: -1"),
    ],
)
def test_errors_of_the_net_benefit_of_sampling_name_the_argument(change: dict, named: str) -> None:
    arguments: dict = {"evsi": {"size": [1], "evsi": [2.0]}, "incidence": 100, "horizon": 10}
    assert enbs(**arguments)["enbs"].tolist() == [2000.0]
    with pytest.raises(Problem, match=f"^{named}"):
        enbs(**arguments | change)
