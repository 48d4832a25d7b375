"""Tornado, thresholds and sweeps: what the quick way answers is what separate runs answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support import settings_of

from sim.compose import Variants, settings_from
from sim.experiments import grid, tornado
from sim.experiments.answers import Examiner, means
from sim.problems import Problem
from sim.uncertainty.settings import Dsa, Sweep

SMALL = ("quiet=true", "origin=infusion", "cohort.n=60", "policy=[watch,hct_for_all]", "engine=batch")


def varied(folder, **changes):
    settings = settings_of(*SMALL, "experiment=tornado")
    dsa = Dsa.model_validate(settings.dsa.model_dump() | {"structures": ()} | changes)
    return settings.model_copy(update={"out": str(folder), "dsa": dsa})


def swept(folder, given, design="grid", points=4):
    settings = settings_of(*SMALL, "experiment=sweep")
    return settings.model_copy(update={"out": str(folder), "sweep": Sweep(grid=given, design=design, points=points)})


def outcomes(settings):
    examiner = Examiner(settings, 1)
    found = means(examiner.answer({}), examiner.quantities)
    return pd.DataFrame(found, index=examiner.policies, columns=[column.name for column in examiner.quantities])


@pytest.fixture(scope="module")
def variants():
    return Variants([*SMALL, "experiment=sweep"])


@pytest.fixture(scope="module")
def one_way(tmp_path_factory):
    settings = varied(
        tmp_path_factory.mktemp("tornado") / "run", lines=("clinic.transplant.trm", "clinic.late", "economics.discount")
    )
    return settings, tornado.run(settings)


def test_pictures_and_sections_are_in_the_report(one_way):
    _, folder = one_way
    assert "tornado" in {path.stem for path in (folder / "figures").glob("*.svg")}
    assert "What moves the answer" in (folder / "report.html").read_text(encoding="utf-8")


def test_both_ends_are_runs_of_settings_with_that_value(one_way):
    settings, folder = one_way
    table = pd.read_parquet(folder / "tornado_full.parquet")
    assert set(table["key"]) == set(tornado.varied_lines(settings))
    line = dict(settings.lines())["clinic.transplant.trm"]
    rows = table[(table["key"] == "clinic.transplant.trm") & ~table["outcome"].str.contains("nmb")]
    for column, value in (("base", line.value), ("at_low", line.low), ("at_high", line.high)):
        alone = outcomes(settings.with_value("clinic.transplant.trm", value))
        for row in rows.to_dict("records"):
            assert row[column] == pytest.approx(alone.loc[row["policy"], row["outcome"]], rel=1e-9, nan_ok=True)


def test_more_transplant_deaths_lose_life_years_only_where_there_are_transplants(one_way):
    _, folder = one_way
    table = pd.read_parquet(folder / "tornado_full.parquet").set_index(["key", "policy", "outcome"])
    every = table.loc["clinic.transplant.trm", "hct_for_all", "life_years"]
    assert every["at_low"] >= every["base"] >= every["at_high"]
    assert every["at_low"] > every["at_high"]


def test_net_benefits_are_made_of_costs_and_effects(one_way):
    settings, folder = one_way
    table = pd.read_parquet(folder / "tornado_full.parquet").set_index(["key", "policy", "outcome"])
    level = settings.economics.wtp[0]
    for key in ("clinic.transplant.trm", "economics.discount.effects"):
        for policy in ("watch", "hct_for_all"):
            cost, qalys, worth = (table.loc[key, policy, name] for name in ("cost", "qalys", f"nmb_{level:g}"))
            for column in ("base", "at_low", "at_high"):
                assert worth[column] == pytest.approx(level * qalys[column] - cost[column], rel=1e-9)
    assert (table.xs(f"inc_nmb_{level:g}", level="outcome").xs("watch", level="policy")["base"] == 0.0).all()


def test_the_decision_table_is_sorted_by_swing_and_prices_what_keeping_a_choice_costs(one_way):
    _, folder = one_way
    table = pd.read_csv(folder / "tornado.csv")
    for _, part in table.groupby("wtp"):
        assert part["swing"].is_monotonic_decreasing
    assert (table[["lost_low", "lost_high"]] >= 0.0).all(axis=None)
    same = table["best_low"] == table["best"]
    assert (table.loc[same, "lost_low"] == 0.0).all()


def test_a_threshold_of_a_price_lies_where_its_closed_form_says(tmp_path):
    """Cost is linear in a price; so with what one more life-year costs at 1.4 times the price, they tie there."""
    key = "economics.prices.ward_day"
    settings = settings_of(*SMALL, "experiment=tornado")
    examiner = Examiner(settings, 5)
    names = [column.name for column in examiner.quantities]
    price = dict(settings.lines())[key].value
    total = examiner.answer({key: 1.4 * price}).sum(axis=-1)
    more = total[examiner.policies.index("hct_for_all")] - total[examiner.policies.index("watch")]
    level = more[names.index("cost")] / more[names.index("qalys")]
    assert level > 0.0  # transplants cost more and give more among these patients
    book = settings.economics.model_copy(update={"wtp": (level,)})
    asked = tornado.Asked(settings.model_copy(update={"economics": book}), examiner.policies, examiner)
    worlds = [{key: price * factor} for factor in (1.0, 1.3, 2.0)]
    sums = np.array([examiner.answer(world) for world in worlds])
    (row,) = tornado.thresholds(asked, worlds, sums).to_dict("records")
    assert row["threshold"] == pytest.approx(1.4 * price, rel=1e-9)
    assert row["low"] <= 1.4 * price <= row["high"]
    assert (row["best_below"], row["best_above"]) == ("hct_for_all", "watch")
    assert row["high"] - row["low"] < 0.1 * price
    assert row["se"] > 0.0


def test_two_keys_are_crossed_and_the_best_policy_is_marked(tmp_path):
    keys = ("clinic.transplant.trm", "clinic.transplant.graft_effect")
    folder = tornado.run(varied(tmp_path / "run", lines=("clinic.late.second_cancer",), two_way=keys, steps=2))
    table = pd.read_csv(folder / "two_way.csv")
    assert len(table) == 4 * 4 * 2  # worlds, thresholds, policies
    assert (table.groupby([*keys, "wtp"])["best"].sum() == 1).all()
    top = table.loc[table.groupby([*keys, "wtp"])["nmb"].idxmax()]
    assert top["best"].all()


def test_structures_are_runs_of_settings_composed_with_them(tmp_path, variants):
    settings = varied(tmp_path / "run", lines=("clinic.late.second_cancer",), structures=("no_eradication",))
    table = pd.read_csv(tornado.run(settings, variants.settings) / "structures.csv")
    alone = outcomes(variants.settings({"structure": "no_eradication"}))
    rows = table[(table["outcome"] == "life_years") & (table["structure"] == "no_eradication")]
    for row in rows.to_dict("records"):
        assert row["value"] == pytest.approx(alone.loc[row["policy"], "life_years"], rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lines": ("clinic.transplnt",)}, r"dsa\.lines: .*did you mean"),
        ({"threshold": "clinic.transplant.trmm"}, r"dsa\.threshold: no such parameter line .*did you mean"),
        ({"two_way": ("clinic.transplant.trm", "clinic.transplant.trm.value")}, "two different keys"),
        ({"two_way": ("clinic.transplant.trm", "x.y")}, r"dsa\.two_way: no such parameter line 'x\.y'"),
        ({"structures": ("no_eradicaton",)}, r"dsa\.structures: unknown structure .*did you mean 'no_eradication'"),
    ],
)
def test_wrong_keys_are_refused_before_anything_runs(tmp_path, variants, changes, message):
    folder = tmp_path / "run"
    with pytest.raises(Problem, match=message):
        tornado.run(varied(folder, **changes), variants.settings)
    assert not folder.exists()


# --- sweeps


def test_every_cell_is_the_run_with_those_overrides(tmp_path, variants):
    given = {
        "clinic.transplant.trm.value": [0.05, 0.15],
        "policy.hct_for_all.set.clinic.transplant.hct_acceptance": [0.2, 1.0],
    }
    folder = grid.run(swept(tmp_path / "run", given), variants.settings)
    table = pd.read_csv(folder / "sweep.csv")
    assert len(table) == 4 * 2
    row = table[(table["cell"] == 2) & (table["policy"] == "hct_for_all")].iloc[0]
    assert row[list(given)].tolist() == [0.15, 0.2]
    alone = outcomes(variants.settings(dict(zip(given, (0.15, 0.2), strict=True))))
    for name in ("cost", "qalys", "life_years", "hct", "os_24"):
        assert row[name] == pytest.approx(alone.loc["hct_for_all", name], rel=1e-9)
    assert (table.groupby("cell")["best_100000"].sum() == 1).all()


@pytest.mark.slow
def test_settings_changed_in_place_are_those_composed_anew(variants):
    changes = {
        "clinic.transplant.trm.value": 0.15,
        "policy.hct_for_all.set.clinic.transplant.hct_acceptance": 0.2,
        "follow_up.bca_threshold": "pct3",
        "cohort": "eliana",
    }
    anew = settings_from([*SMALL, "experiment=sweep", *(f"{key}={value}" for key, value in changes.items())])
    assert variants.settings(changes) == anew


@pytest.mark.slow
def test_groups_of_choices_can_be_swept(tmp_path, variants):
    folder = grid.run(swept(tmp_path / "run", {"product": ["cohort", "brexu_cel"]}), variants.settings)
    table = pd.read_csv(folder / "sweep.csv").set_index(["product", "policy"])
    for product in ("cohort", "brexu_cel"):
        alone = outcomes(settings_from([*SMALL, "experiment=sweep", f"product={product}"]))
        assert table.loc[(product, "watch"), "cost"] == pytest.approx(alone.loc["watch", "cost"], rel=1e-9)


def test_changed_settings_are_put_back(variants):
    before = variants.settings({})
    changed = variants.settings({"follow_up.assays": ["flow"], "policy.watch.set.clinic.late.second_cancer": 0.01})
    assert changed.policy["watch"].assays == ("flow",)  # references follow
    assert changed.policy["watch"].set == {"clinic.late.second_cancer": 0.01}
    assert variants.settings({}) == before


@pytest.mark.slow
def test_places_of_a_hospital_can_be_swept(tmp_path):
    words = [*SMALL[:2], "cohort.n=12", "policy=[watch]", "engine=simpy", "experiment=sweep", "economics=none"]
    words += ["hospital.arrivals.per_year=400"]
    settings = settings_from([*words, f"out={tmp_path / 'run'}"])
    given = {"hospital.pools.ward": [1, 30]}
    settings = settings.model_copy(update={"sweep": Sweep(grid=given, design="grid", points=1)})
    table = pd.read_csv(grid.run(settings, Variants(words).settings) / "sweep.csv")
    few, many = table["counted"]
    assert few < many  # who waits too long is not infused


def test_a_saltelli_design_gives_sensitivity_indices(tmp_path):
    given = {
        "economics.prices.tisa_cel.value": {"low": 300000.0, "high": 600000.0},
        "clinic.late.second_cancer.value": {"low": 0.0005, "high": 0.004},
    }
    folder = grid.run(swept(tmp_path / "run", given, "saltelli", 8))
    table = pd.read_csv(folder / "sensitivity.csv").set_index(["policy", "outcome", "key"])
    price = table.loc["watch", "cost", "economics.prices.tisa_cel.value"]
    assert price["total"] > 0.9  # the product's price dominates the cost


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clinic.transplnt.trm.value": [0.1]}, "did you mean 'clinic.transplant.trm.value'"),
        ({"clinic.transplant.trm": [0.1]}, r"set clinic\.transplant\.trm\.value=0\.1"),
        ({"clinic.transplant.trm.value": [0.1, 1.5]}, r"clinic\.transplant\.trm: 1\.5 must be at most 1"),
        ({"cohort": ["elina"]}, "no such cohort, did you mean 'eliana'"),
        ({"policy": ["watch"]}, "every cell runs the same policies"),
        ({"psa.draws": [1, 2]}, "changes nothing that a cell could show"),
        ({"origin": ["infusion", "referral"]}, "changes which outcomes there are"),
        (None, "nothing to sweep"),
    ],
)
def test_wrong_cells_are_refused_before_anything_runs(tmp_path, variants, given, message):
    folder = tmp_path / "run"
    with pytest.raises(Problem, match=message):
        grid.run(swept(folder, given), variants.settings)
    assert not folder.exists()


@pytest.mark.slow
def test_the_command_line_sweeps_what_it_composes(tmp_path, capsys):
    from sim import program, usage

    grid_on_the_line = "sweep.grid={policy.selective.bca_window_months: [3, 12], clinic.transplant.trm.value: [0.05]}"
    words = ["experiment=sweep", grid_on_the_line, "quiet=true", "cohort.n=20", "policy=[watch,selective]"]
    folder = program.run(usage.read([*words, f"out={tmp_path / 'run'}"]))
    table = pd.read_csv(f"{folder}/sweep.csv")
    assert table["policy.selective.bca_window_months"].tolist() == [3, 3, 12, 12]
    assert (tmp_path / "run" / "figures" / "sweep.svg").is_file()
