"""Comparisons of policies: what lives under each are like, cost and are worth; prices; hospitals; budgets."""

from __future__ import annotations

import math
from typing import Final

from sim.report.frames import Estimate
from sim.report.terminal.folder import Folder, chosen, estimate, number
from sim.report.terminal.table import Cell, Column, Table

#: What people ask for: measure, months, column; the last ones go first where the terminal is narrow.
FIRST: Final = (
    ("os", 60.0, Column("os_60", "OS 5y %", 1)),
    ("efs", 60.0, Column("efs_60", "EFS 5y %", 1)),
    ("hct", math.nan, Column("hct", "HCT %")),
    ("life_years", math.nan, Column("life_years", "years", 1)),
)
LAST: Final = (
    ("os", 24.0, Column("os_24", "OS 2y %", 1)),
    ("efs", 24.0, Column("efs_24", "EFS 2y %", 1)),
    ("cif_relapse", 60.0, Column("relapse_60", "relapse 5y %", -1)),
    ("cif_nrm", 60.0, Column("nrm_60", "NRM 5y %", -1)),
)
#: Of a hospital.
HOSPITAL: Final = (
    ("infused_in_time", math.nan, Column("infused_in_time", "in time %", 1)),
    ("wait_infusion_mean", math.nan, Column("wait_infusion_mean", "to CAR, d", -1)),
    ("deaths_before_infusion", math.nan, Column("deaths_before_infusion", "die waiting/y", -1)),
    ("wait_hct_mean", math.nan, Column("wait_hct_mean", "to HCT, d", -1)),
    ("relapses_awaiting_hct", math.nan, Column("relapses_awaiting_hct", "relapse/y", -1)),
    ("life_years", math.nan, Column("life_years", "years", 1)),
    ("diverted_icu", math.nan, Column("diverted_icu", "ICU diverted/y", -1)),
    ("utilisation_icu", math.nan, Column("utilisation_icu", "ICU use %")),
    ("utilisation_hct", math.nan, Column("utilisation_hct", "HCT rooms use %")),
)
#: Answers to what-ifs that are printed; ``what_if.csv`` and JSON hold all.
PRINTED: Final = (
    *("answer", "in_time", "infused_in_time", "wait_infusion_mean", "deaths_before_infusion"),
    *("relapses_awaiting_hct", "life_years, difference of", "net monetary"),
)
POLICY: Final = Column("policy", "policy")
Wanted = tuple[tuple[str, float, Column], ...]


def comparison(folder: Folder) -> list[Table]:
    """Lay out policies: survival, transplants, life-years; QALYs, costs and net benefit where they were valued."""
    policies = folder.policies()
    columns: list[Column] = [POLICY]
    cells: dict[str, list[Cell]] = {policy: [policy] for policy in policies}
    _add_measures(folder, FIRST, columns, cells)
    _add_value(folder, columns, cells)
    _add_measures(folder, LAST, columns, cells)
    about = folder.manifest
    title = f"{about['n']:,} patients ({about['cohort']}), the same under every policy; results from {about['origin']}"
    notes = []
    if folder.has("incremental.csv") and folder.levels():
        level = chosen(folder.levels())
        notes.append(
            f"years: life-years; QALYs and costs are discounted, in thousands (k) of {folder.currency()}; "
            f"NMB: net benefit at {level:,.0f} a QALY"
        )
    return [Table(title, columns, [cells[policy] for policy in policies], notes)]


def _add_measures(folder: Folder, wanted: Wanted, columns: list[Column], cells: dict[str, list[Cell]]) -> None:
    table = {
        (row["policy"], row["measure"], number(row["months"])): row for row in folder.rows("summary.csv", stratum="all")
    }
    found = {(p, m, None if math.isnan(t) else t): row for (p, m, t), row in table.items()}
    for measure, at, column in wanted:
        months = None if math.isnan(at) else at
        if not any((policy, measure, months) in found for policy in cells):
            continue
        columns.append(column)
        for policy, row in cells.items():
            one = found.get((policy, measure, months))
            row.append(estimate(one, "value", "mc_se", one["unit"]) if one is not None else None)


def _add_value(folder: Folder, columns: list[Column], cells: dict[str, list[Cell]]) -> None:
    if not folder.has("incremental.csv", "nmb.csv") or not folder.levels():
        return
    level = chosen(folder.levels())
    money = folder.currency()
    worth = {row["option"]: row for row in folder.rows("incremental.csv")}
    benefit = {row["option"]: row for row in folder.rows("nmb.csv", wtp=level)}
    columns += [
        Column("qalys", "QALYs", 1),
        Column("cost", "cost k", -1, thousands=1),
        Column(f"nmb_{level:g}", "NMB k", 1, thousands=1),
    ]
    for policy, row in cells.items():
        row += [
            estimate(worth.get(policy), "effect", "effect_se", "years"),
            estimate(worth.get(policy), "cost", "cost_se", money),
            estimate(benefit.get(policy), "nmb", "nmb_se", money),
        ]


def prices(folder: Folder) -> list[Table]:
    """Lay out threshold prices: the factor on the products' prices at which each policy is just worth it."""
    levels = folder.levels()
    columns = [
        POLICY,
        Column("comparator", "against"),
        *(Column(f"factor_{level:g}", f"at {level / 1000:g}k") for level in levels),
    ]
    columns.append(Column("reason", ""))
    rows: list[list[Cell]] = []
    found = {(row["policy"], number(row["wtp"])): row for row in folder.rows("thresholds.csv")}
    for policy in dict.fromkeys(policy for policy, _ in found):
        own = [found.get((policy, level)) for level in levels]
        known = next(row for row in own if row is not None)
        reasons = dict.fromkeys(row["reason"] for row in own if row is not None and row["reason"])
        rows.append(
            [policy, known["comparator"], *(estimate(row, "factor", "mc_se") for row in own), "; ".join(reasons)]
        )
    title = "highest price at which a policy is worth it, as a multiple of the products' list prices"
    return [Table(title, columns, rows, ["by willingness to pay for a QALY; ± one standard error of the simulation"])]


def hospital(folder: Folder) -> list[Table]:
    """Lay out what policies do to a hospital, and what was asked beside it."""
    policies = folder.policies()
    columns: list[Column] = [POLICY]
    cells: dict[str, list[Cell]] = {policy: [policy] for policy in policies}
    _add_measures(folder, HOSPITAL, columns, cells)
    first, last = (day / 365.25 for day in folder.manifest["window_days"])
    title = f"years {first:.1f} to {last:.1f} of the hospital, {folder.manifest['replications']} replications"
    notes = [
        "in time: infused in time, of those referred; to CAR, to HCT: mean days to infusion, in line for an HCT room; "
        "/y: patients a year; relapse: in line for HCT",
        *folder.manifest.get("warnings", []),
    ]
    tables = [Table(title, columns, [cells[policy] for policy in policies], notes)]
    asked = list(folder.rows("what_if.csv"))
    if asked:
        names = [Column(name, name) for name in asked[0]]
        shown = [row for row in asked if row["measure"].startswith(PRINTED)]
        for rows, printed in ((shown, True), (asked, False)):
            answer = [[_cell(row[column.name]) for column in names] for row in rows]
            tables.append(Table("what if" if printed else "what if, all measures", names, answer, printed=printed))
    return tables


def _cell(text: str) -> Cell:
    try:
        return Estimate(float(text), math.nan)
    except ValueError:
        return text


def budget(folder: Folder) -> list[Table]:
    """Lay out the budget impact by payer year, with the hospital's places and without limits on them."""
    impact = list(folder.rows("budget.csv", world="impact"))
    years = [year for year in dict.fromkeys(row["payer_year"] for row in impact) if year != "later"]
    columns = [Column("places", "places"), Column("category", "category")]
    columns += [
        Column(f"year_{year}", f"year {year}" if "-" not in year else f"years {year}", thousands=2) for year in years
    ]
    found = {(row["places"], row["category"], row["payer_year"]): row for row in impact}
    rows: list[list[Cell]] = []
    for places, category in dict.fromkeys((row["places"], row["category"]) for row in impact):
        cells = [estimate(found.get((places, category, year)), "mean", "mc_se", folder.currency()) for year in years]
        if any(cell is not None and cell.value for cell in cells):
            rows.append([places, category, *cells])
    about = folder.manifest
    title = (
        f"impact on the budget of {about['new']} in the place of {about['displaced']}, millions of {folder.currency()}"
    )
    return [Table(title, columns, rows, [*about.get("warnings", []), "undiscounted; ± one standard error"])]
