"""Several runs in one report: what differs in settings, and what that changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from sim.report import words
from sim.report.numbers import PROPORTIONS, number, signed, unit_name
from sim.report.page import Page, section
from sim.report.sections.answer import COLUMNS
from sim.report.sections.worth import money

if TYPE_CHECKING:
    import pandas as pd

_CLEAR: Final = 1.96
_FACTS: Final = {
    "folder": "folder",
    "experiment": "experiment",
    "cohort": "cohort",
    "n": "patients",
    "seed": "seed",
    "engine": "engine",
    "horizon_years": "horizon (years; none: lifetime)",
    "money": "currency and perspective",
    "version": "version",
    "settings": "settings (hash)",
    "command": "command",
}
_MEASURES: Final = {"cost": "Cost", "qalys": "QALYs", "icer": "Cost per QALY gained"}
_STATUSES: Final = {"ND": "on the frontier", "ED": "extendedly dominated", "D": "dominated"}


@section(3, "The runs", needs=("runs_measures",))
def runs(page: Page) -> Markup:
    """Say which runs are compared, how, and what in short the comparison shows."""
    told: Mapping[str, Any] = page.frames.manifest.get("runs", {})
    rows = [(label, [_fact(run.get(name)) for run in told.values()]) for name, label in _FACTS.items()]
    facts = ("What made the runs.", ("", *(f"Run {tag}" for tag in told)), rows)
    return page.template("runs.html.j2", {"sentences": sentences(page)}) + _tables(page, [facts])


@section(4, "Settings that differ", needs=("runs_settings",))
def runs_settings(page: Page) -> Markup:
    """List the settings that differ, with their value in each run."""
    table: pd.DataFrame = page.frames.runs_settings  # type: ignore[assignment]
    rows = [(str(row[0]), [_fact(value) for value in row[1:]]) for row in table.itertuples(index=False)]
    tags = [name for name in table.columns if name != "key"]
    caption = f"{len(rows)} setting{'s differ' if len(rows) != 1 else ' differs'}. A dash: the run has no such setting."
    return _tables(page, [(caption, ("Setting", *(f"Run {tag}" for tag in tags)), rows)], tall=len(rows) > 20)


@section(10, "What changed", needs=("runs_measures",))
def runs_outcomes(page: Page) -> Markup:
    """Show the main outcomes of every policy side by side, with differences."""
    table: pd.DataFrame = page.frames.runs_measures  # type: ignore[assignment]
    tables = []
    for column in COLUMNS:
        same = table["months"].isna() if column.months is None else table["months"] == column.months
        rows = table[(table["measure"] == column.measure) & same]
        if len(rows):
            tables.append(_side_by_side(page, rows, _title(column.measure, column.months, str(rows["unit"].iloc[0]))))
    return _tables(page, tables, lead=_reading(page))


@section(14, "Survival in each run", figures=("runs_survival", "runs_efs"))
def runs_curves(page: Page) -> Markup:
    """Lay the survival curves over each other."""
    return page.figure("runs_survival") + page.figure("runs_efs")


@section(18, "Cost and worth in each run", needs=("runs_economics",))
def runs_economics(page: Page) -> Markup:
    """Show cost, QALYs, cost per QALY and net benefit side by side."""
    table: pd.DataFrame = page.frames.runs_economics  # type: ignore[assignment]
    told = {run.get("money") for run in page.frames.manifest.get("runs", {}).values()} - {"", None}
    money_in = f" ({next(iter(told))} perspective)" if len(told) == 1 else " (each run in its own currency)"
    tables = []
    for measure, name in _MEASURES.items():
        rows = table[table["measure"] == measure].assign(unit="QALY" if measure == "qalys" else "money")
        paid_in = "" if measure == "qalys" else money_in
        if measure == "icer":
            tables.append(_ratios(page, rows))
        else:
            tables.append(_side_by_side(page, rows, f"{name}, discounted, per patient{paid_in}"))
    for wtp, rows in table[table["measure"] == "nmb"].groupby("wtp"):
        caption = f"Net benefit at {money(wtp)} per QALY, per patient{money_in}"
        tables.append(_side_by_side(page, rows.assign(unit="money"), caption))
    lead = (
        "Ratios have no difference: compare net benefit instead. Differences of money are given where currency, price "
        "year and perspective are the same."
    )
    return _tables(page, tables, lead=lead)


@section(72, "Every difference", needs=("runs_measures",))
def runs_every(page: Page) -> Markup:
    """List every measure of every policy that differs beyond chance, then say where the rest is."""
    table: pd.DataFrame = page.frames.runs_measures  # type: ignore[assignment]
    clear = table[table["difference"].abs() > _CLEAR * table["error"]]
    rows = [
        (
            f"{words.sentence(words.measure_name(str(r['measure'])))}{_at(r['months'])}",
            [
                page.frames.label(str(r["policy"])),
                f"Run {r['run']}",
                f"{number(r['value'], str(r['unit']))} {unit_name(str(r['unit']))}",
                _change(r),
                str(r["pairing"]),
            ],
        )
        for r in clear.sort_values(["measure", "months", "policy"]).to_dict("records")
    ]
    compared = int(table["difference"].notna().sum())
    caption = (
        f"{len(rows)} of {compared:,} differences are beyond 1.96 errors; chance alone gives about "
        f"{round(0.05 * compared):,} where nothing differs. All of them: runs_measures.csv."
    )
    headings = ("Measure", "Policy", "Run", "Value", "Difference to the first run", "Error")
    return _tables(page, [(caption, headings, rows)], tall=True)


@section(74, "In one run and not in another", needs=("runs_presence",))
def runs_presence(page: Page) -> Markup:
    """List policies, measures and tables that some runs lack."""
    table: pd.DataFrame = page.frames.runs_presence  # type: ignore[assignment]
    rows = [
        (_named(page, str(r["kind"]), str(r["name"])), [str(r["kind"]), f"run {r['in']}", f"run {r['not_in']}"])
        for r in table.to_dict("records")
    ]
    return _tables(page, [("What only some of the runs have.", ("", "Kind", "In", "Not in"), rows)])


# --- in words ---------------------------------------------------------------------------------------------------------


def sentences(page: Page) -> list[str]:
    """Say how the runs are compared, which policy is best in each, and whether anything moved beyond chance."""
    told: Mapping[str, Any] = page.frames.manifest.get("runs", {})
    first = next(iter(told), "")
    found = [
        f"Run {tag} is compared with run {first} "
        + ("patient by patient: " if run["compared"] == "paired" else "as an independent sample: ")
        + f"{run['because']}."
        for tag, run in told.items()
        if "compared" in run
    ]
    horizons = {run.get("horizon_years") for run in told.values()}
    if len(horizons) > 1:
        found.append("The horizons differ: life-years, costs and QALYs cover other spans of life.")
    return [*found, *_best(page, told), _moved(page)]


def _best(page: Page, told: Mapping[str, Any]) -> list[str]:
    """Name the policy with the most life-years in each run, and with the highest net benefit."""
    table: pd.DataFrame = page.frames.runs_measures  # type: ignore[assignment]
    counts = table.groupby("policy")["run"].nunique()
    everywhere = [policy for policy in page.frames.policies if counts.get(policy, 0) == len(told)]
    years = table[table["measure"] == "life_years"]
    result = []
    for name, rows in (("life-years", years), *_benefits(page)):
        rows = rows[rows["policy"].isin(everywhere)]
        parts = [
            f"{page.frames.label(_highest(own))} in run {tag}" for tag in told if len(own := rows[rows["run"] == tag])
        ]
        if len(parts) > 1:
            result.append(f"Most {name}, of the {len(everywhere)} policies in all runs: {', '.join(parts)}.")
    return result


def _highest(rows: pd.DataFrame) -> str:
    best = max(rows.to_dict("records"), key=lambda row: float(row["value"]))
    return str(best["policy"])


def _benefits(page: Page) -> list[tuple[str, pd.DataFrame]]:
    table = page.frames.runs_economics
    if table is None:
        return []
    levels = sorted(table.loc[table["measure"] == "nmb", "wtp"].unique())
    middle = levels[len(levels) // 2] if levels else None
    rows = table[(table["measure"] == "nmb") & (table["wtp"] == middle)]
    return [(f"net benefit at {money(middle)} per QALY", rows)] if levels else []


def _moved(page: Page) -> str:
    table: pd.DataFrame = page.frames.runs_measures  # type: ignore[assignment]
    years = table[(table["measure"] == "life_years") & table["difference"].notna()]
    if years.empty:
        return ""
    largest = max(years.to_dict("records"), key=lambda row: abs(float(row["difference"])))
    clear = int((years["difference"].abs() > _CLEAR * years["error"]).sum())
    return (
        f"Life-years differ beyond chance for {clear} of {len(years)} policies; most for "
        f"{page.frames.label(str(largest['policy']))} in run {largest['run']}: {_change(largest)}."
    )


def _reading(page: Page) -> str:
    return (
        "Differences are to the first run, ± their Monte-Carlo error. Paired: the same patients lived in both runs, "
        "and those counted in both are compared one by one, so that chance largely cancels. Independent: the errors "
        "of both runs add up. Bold: beyond 1.96 errors."
    )


# --- tables -----------------------------------------------------------------------------------------------------------


def _tables(page: Page, tables: list[Any], lead: str = "", *, tall: bool = False) -> Markup:
    return page.template("runs_tables.html.j2", {"lead": lead, "tables": tables, "tall": tall})


def _side_by_side(page: Page, rows: pd.DataFrame, caption: str) -> tuple[str, list[str], list[tuple[str, list[Any]]]]:
    """Lay out a measure: policies down, runs across, differences behind each run but the first."""
    told = list(page.frames.manifest.get("runs", {}))
    headings = ["Policy", f"Run {told[0]}"]
    for tag in told[1:]:
        headings += [f"Run {tag}", f"{tag} − {told[0]}", "How"]
    lines = []
    for policy in page.frames.policies:
        mine = {str(r["run"]): r for r in rows[rows["policy"] == policy].to_dict("records")}
        if not mine:
            continue
        cells: list[Any] = [_value(mine.get(told[0]))]
        for tag in told[1:]:
            row = mine.get(tag)
            cells += [_value(row), _marked(row), _text(row["pairing"]) if row else ""]
        lines.append((page.frames.label(policy), cells))
    return caption, headings, lines


def _ratios(page: Page, rows: pd.DataFrame) -> tuple[str, list[str], list[tuple[str, list[Any]]]]:
    """Lay out cost per QALY gained with its place on the frontier."""
    told = list(page.frames.manifest.get("runs", {}))
    lines = []
    for policy in page.frames.policies:
        mine = {str(r["run"]): r for r in rows[rows["policy"] == policy].to_dict("records")}
        if mine:
            lines.append((page.frames.label(policy), [_ratio(page, mine.get(tag)) for tag in told]))
    caption = "Cost per QALY gained, against the option before on the frontier of the same run."
    return caption, ["Policy", *(f"Run {tag}" for tag in told)], lines


def _ratio(page: Page, row: Mapping[Any, Any] | None) -> str:
    if row is None:
        return "–"
    status = _STATUSES.get(str(row["status"]), str(row["status"]))
    against = _text(row["against"])
    if math.isnan(row["value"]):
        return status
    return f"{money(row['value'])}, {status}" + (f", against {page.frames.label(against)}" if against else "")


def _value(row: Mapping[Any, Any] | None) -> str:
    if row is None or math.isnan(row["value"]):
        return "–"
    return f"{_number(row['value'], row['unit'])} ± {_number(row['mc_se'], row['unit'])}"


def _number(value: float, unit: str) -> str:
    return money(value) if unit == "money" else number(value, unit)


def _marked(row: Mapping[Any, Any] | None) -> Markup | str:
    """Write a difference, bold when it is beyond chance."""
    if row is None or row["difference"] is None or math.isnan(row["difference"]):
        return "–"
    if row["difference"] == 0.0 and row["error"] == 0.0:
        return "the same"
    text = _change(row, bare=True)
    clear = abs(row["difference"]) > _CLEAR * row["error"]
    return Markup("<strong>{}</strong>").format(text) if clear else text


def _change(row: Mapping[Any, Any], *, bare: bool = False) -> str:
    """Write a difference with its error, in its unit unless that stands elsewhere."""
    unit = str(row["unit"])
    if unit == "money":
        sign = "+" if row["difference"] >= 0 else ""
        return f"{sign}{money(row['difference'])} ± {money(row['error'])}"
    text = f"{signed(row['difference'], unit)} ± {number(row['error'], unit)}"
    return text if bare else f"{text} {unit_name(unit, difference=True)}"


def _title(measure: str, months: float | None, unit: str) -> str:
    at = "" if months is None else _at(months)
    stated = f"{unit_name(unit)}; differences in percentage points" if unit in PROPORTIONS else unit
    return f"{words.sentence(words.measure_name(measure))}{at} ({stated})"


def _at(months: float) -> str:
    return "" if months is None or math.isnan(months) else f" at {months:g} months"


def _named(page: Page, kind: str, name: str) -> str:
    if kind == "policy":
        return page.frames.label(name)
    return words.sentence(words.measure_name(name)) if kind == "measure" else name


def _fact(value: Any) -> str:
    return "none" if value is None or value != value else str(value)


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)
