"""A run's decision analysis: tables against the accounts, the workbook by its own formulas, report and checklist."""

import dataclasses
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook

sys.path.insert(0, str(Path(__file__).parent))
from formulas import Sheets
from support import simulate_into

from sim.compose import settings_from
from sim.economics import incremental
from sim.experiments.checks.bench import Bench
from sim.report import style
from sim.report.cheers import NOT_REPORTED, checklist
from sim.report.frames import Frames
from sim.report.gallery import Figure, pictures
from sim.report.page import render
from sim.report.workbook import write_workbook

POLICIES = ("hct_for_all", "reinfusion", "selective", "trial_practice", "watch")
FIGURES = ("frontier", "cost_categories", "cost_time", "net_benefit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    listed = ",".join(POLICIES)
    simulate_into(settings_from([f"policy=[{listed}]", "engine=batch", "cohort.n=400", "quiet=true"]), folder)
    return folder


@pytest.fixture(scope="module")
def frames(folder: Path) -> Frames:
    return Frames.read(folder)


@pytest.fixture(scope="module")
def book(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_workbook(frames, tmp_path_factory.mktemp("book") / "economics.xlsx")
    assert path is not None
    return path


def test_the_tables_agree_with_each_other(frames: Frames) -> None:
    table, costs, qalys = frames.incremental.set_index("option"), frames.costs, frames.qalys
    assert set(table.index) == set(POLICIES) - {"trial_practice"}
    for policy in table.index:
        own = costs[(costs["policy"] == policy) & (costs["perspective"] == "payer") & (costs["discounted"] == 1)]
        total = own[(own["category"] == "total") & (own["period"] == "total")]["mean"].iloc[0]
        assert table.loc[policy, "cost"] == pytest.approx(total, rel=1e-8)
        rows = qalys[(qalys["policy"] == policy) & (qalys["stratum"] == "all") & (qalys["discounted"] == 1)]
        assert table.loc[policy, "effect"] == pytest.approx(rows.set_index("measure").loc["qalys", "mean"], rel=1e-8)
    again = incremental(table["cost"], table["effect"]).set_index("option")
    assert (again["status"] == table["status"]).all()
    np.testing.assert_allclose(again["icer"], table["icer"], rtol=1e-6)


def test_net_benefit_is_of_the_same_costs_and_effects(frames: Frames) -> None:
    table = frames.incremental.set_index("option")
    for row in frames.nmb.to_dict("records"):
        own = table.loc[row["option"]]
        assert row["nmb"] == pytest.approx(row["wtp"] * own["effect"] - own["cost"], rel=1e-6)
    against = frames.nmb[frames.nmb["inb_se"] == 0]["option"].unique()
    assert list(against) == ["watch"]


def test_subgroups_cover_everybody_and_gain(frames: Frames) -> None:
    for _, rows in frames.subgroups.groupby("wtp"):
        table = rows.set_index("stratum")
        everybody = table.loc["all", "patients"]
        for grouping in ("prior_hct", "burden", "age", "mrd28", "product"):
            parts = table[table.index.str.startswith(f"{grouping}:")]
            assert parts["patients"].sum() == everybody
            assert table.loc[f"by {grouping}", "gain"] == pytest.approx(
                (parts["share"] * parts["gain"]).sum(), abs=1e-3
            )
            assert (parts["gain"] >= -1e-6).all()
        assert "trial_practice" not in set(table["best"].dropna())


def test_severity_comes_from_current_care_alone(frames: Frames) -> None:
    (row,) = frames.severity.to_dict("records")
    assert row["policy"] == "watch"
    ill = frames.incremental.set_index("option").loc["watch", "effect"]
    assert row["with_disease"] == pytest.approx(ill, rel=1e-8)
    assert row["absolute"] == pytest.approx(row["without_disease"] - ill, rel=1e-6)
    assert 20 < row["without_disease"] < 28  # children, US norms, 3%: between 0.8 and 0.95 of 26 to 29 years


def test_equal_value_life_years_lie_between_qalys_and_years(frames: Frames) -> None:
    table = frames.incremental.set_index("option")
    for _, row in table[table["against"].notna()].iterrows():
        years = row["life_years"] - table.loc[row["against"], "life_years"]
        if years > 0:
            assert row["evlyg"] >= row["inc_effect"] - 1e-9
            assert row["cost_per_life_year"] == pytest.approx(row["inc_cost"] / years, rel=1e-6)


def test_the_ledger_adds_up_to_the_costs(frames: Frames) -> None:
    ledger, costs = frames.ledger, frames.costs
    np.testing.assert_allclose(ledger["quantity"] * ledger["unit_price"], ledger["cost"], rtol=1e-7, atol=1e-6)
    own = costs[(costs["perspective"] == "payer") & (costs["category"] == "total") & (costs["period"] == "total")]
    for row in own.to_dict("records"):
        rows = ledger[(ledger["policy"] == row["policy"]) & (ledger["discounted"] == row["discounted"])]
        assert rows["cost"].sum() == pytest.approx(row["mean"], rel=1e-8)


# --- the workbook -----------------------------------------------------------------------------------------------------


def test_the_workbook_derives_the_programs_totals(frames: Frames, book: Path) -> None:
    sheets = Sheets(load_workbook(book))
    for row in sheets.table("Costs"):
        assert row["total"] == pytest.approx(row["program"], rel=1e-8)
        assert abs(row["difference"]) < 1e-3
    effects = {row["option"]: row for row in sheets.table("Effects")}
    table = frames.incremental.set_index("option")
    for row in sheets.table("Incremental"):
        own = table.loc[row["option"]]
        assert row["cost"] == pytest.approx(own["cost"], rel=1e-7)
        assert row["QALYs"] == pytest.approx(own["effect"], rel=1e-7)
        assert effects[row["option"]]["life-years"] == pytest.approx(own["life_years"], rel=1e-7)
        assert row["status"] == own["status"]
        if np.isnan(own["icer"]):
            assert row["ICER"] == ""
        else:
            assert row["ICER"] == pytest.approx(own["icer"], rel=1e-5)
    found = frames.nmb.set_index(["option", "wtp"])["nmb"]
    for row in sheets.table("Net benefit"):
        for wtp in frames.nmb["wtp"].unique():
            key = next(k for k in row if k not in ("option",) and float(k) == wtp)
            assert row[key] == pytest.approx(found[row["option"], wtp], rel=1e-6)


def test_a_changed_price_runs_through_the_workbook(frames: Frames, book: Path) -> None:
    before = {row["option"]: row["cost"] for row in Sheets(load_workbook(book)).table("Incremental")}
    changed = load_workbook(book)
    prices = changed["Prices"]
    (row,) = [r for r in range(5, prices.max_row + 1) if prices.cell(r, 1).value == "product"]
    prices.cell(row, 4).value = 2 * prices.cell(row, 4).value
    after = {r["option"]: r["cost"] for r in Sheets(changed).table("Incremental")}
    ledger = frames.ledger[(frames.ledger["item"] == "product") & (frames.ledger["discounted"] == 1)]
    product = ledger.groupby("policy")["cost"].sum()
    for option, cost in after.items():
        assert cost - before[option] == pytest.approx(product[option], rel=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_the_frontier_by_formula_is_the_frontier(seed: int, tmp_path: Path) -> None:
    """Random costs and effects in place of a run's: statuses and ICERs by formula against `incremental`."""
    generator = np.random.default_rng(seed)
    names = [f"p{k}" for k in range(int(generator.integers(1, 8)))]
    cost, effect = generator.integers(1, 9, len(names)) * 1000.0, generator.integers(1, 9, len(names)) * 1.0
    table = incremental(cost, effect, names)
    rows = [
        {"policy": n, "item": "care", "category": "hospital", "period": "0-1", "discounted": 1, "unit": "per day"}
        | {"unit_price": 100.0, "quantity": c / 100.0, "cost": c}
        for n, c in zip(names, cost, strict=True)
    ]
    qalys = [
        {"policy": n, "stratum": "all", "measure": m, "discounted": 1, "n": 9, "mean": e, "mc_se": 0.0}
        for n, e in zip(names, effect, strict=True)
        for m in ("life_years", "qalys")
    ]
    frames = Frames(ledger=pd.DataFrame(rows), qalys=pd.DataFrame(qalys), incremental=table)
    path = write_workbook(frames, tmp_path / "book.xlsx")
    assert path is not None
    found = {row["option"]: row for row in Sheets(load_workbook(path)).table("Incremental")}
    groups = table.groupby(["cost", "effect"])["icer"].transform("first")  # the workbook gives twins the same ICER
    for row, icer in zip(table.to_dict("records"), groups, strict=True):
        assert found[row["option"]]["status"] == row["status"]
        shown = found[row["option"]]["ICER"]
        assert (shown == "") == bool(np.isnan(icer))
        if not np.isnan(icer):
            assert shown == pytest.approx(icer)


def test_the_same_run_gives_the_same_workbook(frames: Frames, book: Path, tmp_path: Path) -> None:
    again = write_workbook(frames, tmp_path / "again.xlsx")
    assert again is not None
    assert again.read_bytes() == book.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["again.xlsx"]
    assert write_workbook(Frames(), tmp_path / "none.xlsx") is None


# --- report -----------------------------------------------------------------------------------------------------------


def test_figures_and_sections_appear_with_economics_alone(frames: Frames, tmp_path: Path) -> None:
    drawn = []
    for entry in pictures():
        if entry.name in FIGURES:
            with style.theme(entry.name):
                drawing = entry.draw(frames)
            assert drawing is not None
            svg, png = style.save(drawing.canvas, tmp_path, entry.name)
            drawn.append(Figure(entry.name, entry.title, drawing.alt, drawing.caption, svg, png))
            colours = {c.lower() for c in re.findall(r"#[0-9a-fA-F]{6}", svg.read_text())}
            own = {style.stroke(p, frames.colour(p)).ink.light for p in frames.policies}
            assert colours <= {ink.light for ink in style.inks()} | own | {"#000000"}
    assert [figure.name for figure in drawn] == list(FIGURES)
    for figure in drawn:
        assert "watch" in figure.alt.lower()
    html = render(frames, drawn, tmp_path / "report.html").read_text()
    anchors = re.findall(r'<section id="(\w+)"', html)
    for name in ("worth", "costs", "best_buy", "who", "severity", "payments", "cheers"):
        assert name in anchors
    assert "verification" not in anchors
    bare = dataclasses.replace(
        frames, incremental=None, costs=None, nmb=None, subgroups=None, severity=None, payments=None
    )
    plain = render(bare, [], tmp_path / "plain.html").read_text()
    assert not {"worth", "costs", "best_buy", "who", "severity", "payments", "cheers"} & set(
        re.findall(r'<section id="(\w+)"', plain)
    )


def test_the_checklist_says_what_is_known_and_nothing_else(frames: Frames) -> None:
    items = {item.topic: item.answer for item in checklist(frames)}
    assert len(items) == 28
    economics = frames.manifest["economics"]
    assert economics["currency"] in items["Currency, price date and conversion"]
    assert economics["perspective"] in items["Perspective"]
    assert items["Time horizon"] == "lifetime"
    assert "3%" in items["Discount rate"]
    for topic in ("Abstract", "Engagement with patients and others", "Source of funding", "Conflicts of interest"):
        assert items[topic] == NOT_REPORTED
    assert {item.answer for item in checklist(Frames())} == {NOT_REPORTED}


# --- the question of the product --------------------------------------------------------------------------------------


def test_a_price_moves_the_frontier_where_no_car_is_an_option() -> None:
    """From referral: the ICER of CAR T against none rises in a straight line with the price."""
    bench = Bench(settings_from(["experiment=verify", "cohort.n=300"]))
    block = bench.live(("watch", "no_car"), 300)
    tables = {}
    for price in (0.0, 100000.0, 566531.0):
        book = bench.book_with({"prices.tisa_cel": price})
        tables[price] = bench.accounts(block, book).estimates()
    steps = []
    for price, estimates in tables.items():
        table = incremental(estimates.cost, estimates.effect, estimates.names).set_index("option")
        assert estimates.names == ("no_car", "watch")
        gained = estimates.effect[1] - estimates.effect[0]
        assert gained > 0
        steps.append((price, (estimates.cost[1] - estimates.cost[0]) / gained))
        if estimates.cost[1] > estimates.cost[0]:
            assert table.loc["watch", "icer"] == pytest.approx(steps[-1][1])
        else:
            assert table.loc["no_car", "status"] == "D"
    (zero, first), (low, second), (high, third) = steps
    assert (third - second) / (high - low) == pytest.approx((second - first) / (low - zero), rel=1e-6)
    assert first < second < third


@pytest.mark.parametrize(
    ("overrides", "written"),
    [
        (["policy=[watch,selective]", "cohort.n=1"], {"ledger", "severity", "incremental", "nmb"}),
        (["policy=[trial_practice]", "cohort.n=30"], {"ledger", "severity"}),
        pytest.param(
            ["policy=[watch]", "cohort.n=30"],
            {"ledger", "severity", "incremental", "nmb", "subgroups"},
            marks=pytest.mark.slow,
        ),
        pytest.param(["policy=[watch,selective]", "cohort.n=5", "economics=none"], set(), marks=pytest.mark.slow),
    ],
)
def test_small_and_odd_runs_write_what_can_be_said(overrides: list[str], written: set[str], tmp_path: Path) -> None:
    settings = settings_from([*overrides, "engine=batch", "origin=referral", "quiet=true"])
    simulate_into(settings, tmp_path)
    frames = Frames.read(tmp_path)
    known = ("ledger", "severity", "incremental", "nmb", "subgroups")
    assert {name for name in known if getattr(frames, name) is not None} == written
    assert (write_workbook(frames, tmp_path / "book.xlsx") is None) == ("incremental" not in written)
    render(frames, [], tmp_path / "report.html")
