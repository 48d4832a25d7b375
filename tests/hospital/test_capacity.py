"""Experiments on a hospital, as users run them: files, paired worlds, questions, budgets, refusals."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from quick_settings import settings_with

from sim.compose import jobs_from, settings_from
from sim.experiments import budget, capacity
from sim.experiments.replications import replicate
from sim.experiments.sweep import sweep
from sim.experiments.what_if import answers
from sim.problems import Problem

SMALL = ["experiment=capacity", "replications=3", "years=2", "warm_up_years=1", "economics=none", "quiet=true"]


@functools.cache
def study(*overrides: str) -> capacity.Study:
    return capacity.run_study(settings_with(*SMALL, *overrides))


def value(found: capacity.Study, policy: str, measure: str) -> float:
    numbers = found.numbers[(found.numbers["stratum"] == "all") & (found.numbers["measure"] == measure)]
    return float(numbers[numbers["policy"] == policy]["value"].mean())


@pytest.mark.slow
def test_the_command_of_the_manual_writes_its_files(tmp_path: Path) -> None:
    settings = settings_from(
        [*SMALL, "hospital=regional_centre", "arrivals.per_year=60", "years=1", f"out={tmp_path / 'here'}"]
    )
    folder = capacity.run(settings)
    names = {path.name for path in folder.iterdir()}
    for name in ("summary", "replications", "paired", "waits", "times", "flow", "week"):
        assert f"{name}.csv" in names
        assert len(pd.read_csv(folder / f"{name}.csv")) > 0
    assert {"places.parquet", "journal.parquet", "patients.parquet", "report.html", "manifest.json"} <= names
    summary = pd.read_csv(folder / "summary.csv")
    assert (summary["low"].dropna() <= summary["value"][summary["low"].notna()]).all()
    assert set(summary["policy"]) == {"watch", "hct_for_all"}
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "The hospital" in report


def test_simpy_and_ward_give_the_same_numbers() -> None:
    one, two = (study("replications=2", "years=1", f"engine={engine}") for engine in ("simpy", "ward"))
    pd.testing.assert_frame_equal(one.numbers, two.numbers, check_exact=True)
    pd.testing.assert_frame_equal(one.times, two.times, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [["threads=2"], ["executor.workers=2"], ["engine=simpy", "executor.workers=2"]], ids=str
)
def test_whoever_does_the_replications_changes_nothing(how: list[str]) -> None:
    one, two = (study("years=1", *words) for words in (["threads=1"], how))
    pd.testing.assert_frame_equal(one.numbers, two.numbers, check_exact=True)


def test_the_same_patients_in_every_hospital() -> None:
    wide, narrow = (
        next(iter(replicate(settings_with(*SMALL, *more), 1)))["watch"]
        for more in (["hospital.pools.manufacturing=null"], ["hospital.pools.manufacturing=3"])
    )
    for name in ("number", "age", "burden", "distance", "growth"):
        assert np.array_equal(wide.lives[name], narrow.lives[name]), name
    assert np.array_equal(wide.arrivals, narrow.arrivals)


def test_two_centres_are_two_hospitals() -> None:
    """What happens in one centre depends on its own patients alone."""
    both = next(iter(replicate(settings_with(*SMALL, "hospital=two_centres"), 1)))["watch"]
    tighter = ["hospital=two_centres", "hospital.centres.small.pools.ward=1"]
    changed = next(iter(replicate(settings_with(*SMALL, *tighter), 1)))["watch"]
    from sim.hospital.arrivals import centre_of

    settings = settings_with(*SMALL, "hospital=two_centres")
    where = centre_of(settings.hospital, settings.seed, both.lives["number"], both.lives["distance"])
    same = both.lives["t_death"] == changed.lives["t_death"]
    assert same[where == 0].all()
    assert not same[where == 1].all()
    assert set(both.book["patient"]) <= set(range(len(both.lives)))


@pytest.mark.slow
def test_fewer_transplant_rooms_lose_more_to_relapse_in_line() -> None:
    losses = [
        value(study(f"hospital.pools.hct={rooms}", "years=4"), "hct_for_all", "relapses_awaiting_hct")
        for rooms in (1, 2, 6)
    ]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.slow
def test_slower_manufacturing_kills() -> None:
    """The published direction: the longer the wait, the more die in it."""
    settings = settings_with(*SMALL, "what_if.turnaround=[0.5,2.0]")
    found = answers(settings, study())
    assert found is not None
    deaths = found[(found["policy"] == "watch") & found["measure"].str.startswith("deaths_before_infusion")]
    assert deaths["value"].iloc[0] < 0.0 < deaths["value"].iloc[1]
    assert (deaths["low"].iloc[1] > 0.0) or deaths["value"].iloc[1] > 1.0


@pytest.mark.slow
def test_the_smallest_capacity_meets_the_target_and_one_fewer_does_not() -> None:
    words = ["what_if.smallest=manufacturing", "what_if.target_share=0.2", "what_if.largest=12", "policy=watch"]
    settings = settings_with(*SMALL, *words)
    base = study("policy=watch")
    found = answers(settings, base)
    assert found is not None
    answer = int(found[found["measure"] == "answer"]["value"].iloc[0])
    tried = found[found["measure"] == "in_time"].set_index("setting")["value"]
    assert tried[float(answer)] >= 0.2
    assert tried[float(answer - 1)] < 0.2
    hopeless = answers(settings_with(*SMALL, *words[:1], "what_if.target_share=1.0", "policy=watch"), base)
    assert hopeless is not None
    assert hopeless[hopeless["measure"] == "answer"]["value"].tolist() == [-1.0]
    narrow = answers(settings_with(*SMALL, *words[:2], "what_if.largest=1", "policy=watch"), base)
    assert narrow is not None
    assert narrow[narrow["measure"] == "answer"]["value"].tolist() == [np.inf]


@pytest.mark.slow
def test_one_more_place_is_the_paired_difference() -> None:
    settings = settings_with(*SMALL, "hospital.pools.hct=2", "what_if.one_more=hct")
    found = answers(settings, study("hospital.pools.hct=2"))
    assert found is not None
    wait = found[(found["policy"] == "hct_for_all") & (found["measure"] == "transplants, difference")]["value"].iloc[0]
    both = [value(study(f"hospital.pools.hct={rooms}"), "hct_for_all", "transplants") for rooms in (3, 2)]
    assert wait == pytest.approx(both[0] - both[1])
    with pytest.raises(Problem, match="unlimited"):
        answers(settings_with(*SMALL, "hospital.pools.hct=null", "what_if.one_more=hct"), study())


@pytest.mark.slow
def test_a_sweep_pairs_its_hospitals(tmp_path: Path) -> None:
    words = [*SMALL, "years=1", "hospital.pools.hct=1,3", "policy=hct_for_all,selective", f"out={tmp_path / 'sweep'}"]
    folder = sweep(jobs_from(words))
    pairs = pd.read_csv(folder / "sweep_paired.csv")
    assert set(pairs["job"]) == {1, 2, 3}
    row = pairs[(pairs["job"] == 2) & (pairs["measure"] == "transplants") & (pairs["stratum"] == "all")].iloc[0]
    each = [pd.read_csv(folder / str(job) / "summary.csv") for job in (0, 2)]
    values = [t[(t["measure"] == "transplants") & (t["stratum"] == "all")]["value"].iloc[0] for t in each]
    assert row["difference"] == pytest.approx(values[1] - values[0])


# --- impossible hospitals


def test_a_hospital_without_anything_runs_and_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, "years=1", "hospital.pools.ward=0", "hospital.pools.icu=0", f"out={tmp_path / 'none'}"]
    folder = capacity.run(settings_with(*words))
    said = capsys.readouterr().err
    assert said.count("hospital.pools.ward=0") == said.count("hospital.pools.icu=0") == 1
    assert len(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["warnings"]) >= 2
    assert "hospital.pools.icu=0" in (folder / "report.html").read_text(encoding="utf-8")
    summary = pd.read_csv(folder / "summary.csv").set_index(["policy", "stratum", "measure"])["value"]
    assert summary["watch", "all", "infusions"] == 0.0
    assert summary["watch", "all", "deaths_before_infusion"] > 0.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hospital.pools.icu=-1"], "hospital.pools.icu"),
        (["hospital.pools.icu=1.5"], "hospital.pools.icu"),
        (["hospital=unlimited", "experiment=capacity"], "arrivals.per_year"),
        (["what_if.smallest=wards"], "did you mean 'ward'"),
        (["arrivals.per_year=-3"], "hospital.arrivals.per_year"),
        (["hospital.centres={north: {share: 1, pools: {wards: 2}}}"], "did you mean 'ward'"),
        (["uptake=slow"], "uptake"),
        (["hospital=two_centres", "what_if.smallest=ward"], "what_if.smallest=ward: that pool belongs to several"),
        (["hospital=two_centres", "what_if.one_more=hct"], "what_if.one_more=hct: that pool belongs to several"),
        (["hospital.pools.hct=null", "what_if.one_more=hct"], "what_if.one_more=hct: that pool is unlimited"),
    ],
)
def test_impossible_words_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        capacity.run(settings_with(*SMALL, *words))


def test_a_file_that_ends_before_the_days_observed_is_told_of(tmp_path: Path) -> None:
    days = tmp_path / "days.csv"
    days.write_text("day\n" + "\n".join(str(10 * i) for i in range(40)), encoding="utf-8")
    words = [*SMALL, "replications=1", f"arrivals.file={days}", "arrivals.per_year=null"]
    settings = settings_with(*words)
    (said,) = capacity.deserted(capacity.run_study(settings), settings)
    assert "nobody comes after day 390, and days 365 to 1096 are observed" in said
    settings = settings_with(*words, "years=1", "warm_up_years=0")
    assert not list(capacity.deserted(capacity.run_study(settings), settings))


def test_too_many_for_one_replication() -> None:
    settings = settings_with(*SMALL, "arrivals.per_year=90000", "years=5")
    with pytest.raises(Problem, match="100,000"):
        next(iter(replicate(settings, 1)))


# --- budgets

BUDGET = ["experiment=budget", "replications=2", "budget.years=2", "warm_up_years=0.5", "quiet=true"]


@functools.cache
def worlds(*overrides: str) -> tuple[object, tuple[dict, ...]]:
    settings = settings_with(*BUDGET, *overrides)
    return settings, tuple(budget._replications(settings))


def test_budget_years_sum_to_the_undiscounted_payer_total() -> None:
    """Years and categories, and what comes later, are all that the lives cost; with and without the new policy."""
    from sim.economics.valuation import Valuation
    from sim.experiments.replications import Replicator
    from sim.experiments.shared import live_together
    from sim.hospital.arrivals import arrival_days

    settings, found = worlds("hospital=unlimited", "arrivals.per_year=40")
    cells = found[0]["unlimited", "without"]
    assert np.allclose(cells[:, :-1].sum(axis=1), cells[:, -1])
    replicator = Replicator(settings)
    n = len(found[0]["arrival"])
    days = arrival_days(settings.hospital.arrivals, settings.seed, np.arange(n + 60))
    counted = np.flatnonzero((days >= 0.5 * 365.25) & (days < 2.5 * 365.25))
    assert len(counted) == n
    attributes = replicator.simulation.attributes(0, len(days))[counted]
    lived = live_together(
        settings, replicator.simulation.values["watch"], attributes, counted, None, horizon=float("inf")
    )
    valuation = Valuation(settings.economics, list(settings.product.catalogue), "referral")
    people = valuation.lives(lived.rows, lived.first_row, lived.lives, np.ones(n, dtype=bool)).people
    assert cells[:, -1].sum() == pytest.approx(people[:, valuation.columns.index("cost_payer")].sum(), rel=1e-9)


def test_nobody_takes_up_nothing_changes() -> None:
    settings, found = worlds("budget.uptake_from=0", "budget.uptake_to=0")
    table = budget.tabulate(settings, list(found))
    assert (table[table["world"] == "impact"]["mean"] == 0.0).all()
    assert set(table["places"]) == {"unlimited", "limited"}


def test_uptake() -> None:
    shares = {
        u: budget.uptake(settings_with(*BUDGET, "budget.years=5", f"uptake={u}"))
        for u in ("linear", "s_curve", "immediate")
    }
    assert shares["linear"].tolist() == pytest.approx([0.2, 0.35, 0.5, 0.65, 0.8])
    assert shares["immediate"].tolist() == [0.8] * 5
    assert shares["s_curve"][[0, 2, 4]].tolist() == pytest.approx([0.2, 0.5, 0.8])
    assert shares["s_curve"][1] < shares["linear"][1]


def test_budgets_are_scaled_to_the_eligible() -> None:
    settings, found = worlds()
    more = settings_with(*BUDGET, "budget.eligible_per_year=600")
    ratio = budget.tabulate(more, list(found))["mean"] / budget.tabulate(settings, list(found))["mean"]
    assert np.allclose(ratio.dropna(), 10.0)
    people = budget.population(settings, list(found))
    assert np.allclose(people["new"] + people["displaced"], people["eligible"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["economics=none"], "prices"),
        (["policy=[watch]"], "two policies"),
        (["budget.new=wach"], "did you mean 'watch'"),
        (["budget.new=watch"], "displaced"),
    ],
)
def test_impossible_budgets_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        budget.run(settings_with(*BUDGET, *words))


def test_policies_share_the_hospital_alike_on_both_engines() -> None:
    from sim.experiments.replications import Replicator
    from sim.experiments.shared import live_together

    arms = np.arange(80) % 2
    worlds_ = []
    for engine in ("simpy", "ward"):
        settings = settings_with("hospital=small_centre", f"engine={engine}", "policy=[watch,hct_for_all]")
        simulation = Replicator(settings).simulation
        values = [simulation.values[name] for name in ("watch", "hct_for_all")]
        people, days = simulation.attributes(0, 80), np.arange(80) * 9.0
        worlds_.append(live_together(settings, values, people, np.arange(80), days, horizon=float("inf"), arms=arms))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*worlds_, strict=True))
    assert worlds_[0].lives["t_hct"][arms == 1].min() < worlds_[0].lives["t_hct"][arms == 0].min()
