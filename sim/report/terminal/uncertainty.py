"""Uncertainty: how sure the choice is, what moves it, what is worth knowing, and the cells of a sweep."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from sim.report.frames import Estimate
from sim.report.terminal.folder import Folder, chosen, estimate, number
from sim.report.terminal.policies import POLICY
from sim.report.terminal.table import Cell, Column, Table

#: Rows that a ranking shows.
SHOWN: Final = 12
#: Measures of a sweep by ``-m``: measure, months, column; of runs of patients, of hospitals.
SWEPT: Final = (
    ("os", 60.0, Column("os_60", "OS 5y %", 1)),
    ("efs", 60.0, Column("efs_60", "EFS 5y %", 1)),
    ("hct", math.nan, Column("hct", "HCT %")),
    ("infused_in_time", math.nan, Column("infused_in_time", "in time %", 1)),
    ("wait_hct_mean", math.nan, Column("wait_hct_mean", "HCT wait d", -1)),
    ("life_years", math.nan, Column("life_years", "life-years", 1)),
)
#: Units of these measures, where a table of differences states none.
_UNITS: Final = dict.fromkeys(("os", "efs", "hct", "infused_in_time"), "probability")


def acceptability(folder: Folder) -> list[Table]:
    """Lay out net benefit, probability of being best and expected loss, at every threshold."""
    money, about = folder.currency(), folder.manifest
    columns = [
        POLICY,
        Column("cost", "cost k", -1, thousands=1),
        Column("effect", str(about.get("effect_unit", "effect")), 1),
        Column("nmb", "net benefit k", 1, thousands=1),
        Column("probability", "best with %", 1),
        Column("expected_loss", "expected loss k", -1, thousands=1),
    ]
    if not money:
        columns = [
            columns[0],
            *(Column(c.name, c.heading.removesuffix(" k"), c.better) for c in columns[1:] if c.name != "cost"),
        ]
    worth = {row["policy"]: row for row in folder.rows("psa_summary.csv")}
    tables = []
    for level in folder.levels():
        rows: list[list[Cell]] = []
        found = sorted(folder.rows("psa_acceptability.csv", wtp=level), key=lambda row: -number(row["nmb"]))
        for row in found:
            own = worth.get(row["policy"])
            cells: list[Cell] = [estimate(own, "cost", "cost_se", money)] if money else []
            cells += [estimate(own, "effect", "effect_se", str(about.get("effect_unit", "")))]
            cells += [
                estimate(row, "nmb", "nmb_se", money),
                estimate(row, "probability", "probability_se", "probability"),
            ]
            cells += [estimate(row, "expected_loss", "expected_loss_se", money)]
            rows.append([row["policy"], *cells])
        title = f"{about['draws']:,} joint draws of {about['n']:,} patients" + (
            f", willingness to pay {level:,.0f}" if money else ""
        )
        notes = ["other thresholds: psa_acceptability.csv"] if len(folder.levels()) > 1 else []
        tables.append(Table(title, columns, rows, notes, printed=level == chosen(folder.levels())))
    return tables


def tornado(folder: Folder) -> list[Table]:
    """Lay out the parameters that move the decision most, and those that overturn it."""
    tables = []
    for level in folder.levels():
        found = sorted(folder.rows("tornado.csv", wtp=level), key=lambda row: -number(row["swing"]))
        if not found:
            continue
        columns = [
            Column("key", "parameter"),
            Column("at_low", "at low k", thousands=1),
            Column("at_high", "at high k", thousands=1),
            Column("best_low", "best at low"),
            Column("best_high", "best at high"),
        ]
        rows: list[list[Cell]] = [
            [
                row["key"],
                estimate(row, "at_low", "low_se"),
                estimate(row, "at_high", "high_se"),
                row["best_low"],
                row["best_high"],
            ]
            for row in found[:SHOWN]
        ]
        first = found[0]
        turned = sum(row["best"] not in (row["best_low"],) or row["best"] != row["best_high"] for row in found)
        base = number(first["inc_nmb"]) / 1000.0
        notes = [
            f"base case: {first['best']} is best; net benefit of {first['policy']} against the reference {base:,.0f}k",
            f"{turned} of {len(found)} parameters would change the choice at one of their ends; all: tornado.csv",
        ]
        if not folder.currency():
            columns = [Column(c.name, c.heading.removesuffix(" k"), c.better) for c in columns]
            notes[0] = f"base case: {first['best']} is best"
        title = f"net benefit of {first['policy']} against the reference with one parameter at its low or high"
        title += f", willingness to pay {level:,.0f}" if folder.currency() else ""
        tables.append(Table(title, columns, rows, notes, printed=level == chosen(folder.levels())))
    return tables


def information(folder: Folder) -> list[Table]:
    """Lay out what is worth knowing: everything, groups, parameters, studies at their best size."""
    tables = []
    for row in folder.rows("voi_evpi.csv"):
        level = number(row["wtp"])
        columns = [
            Column("of", "value of"),
            Column("per_patient", "per patient"),
            Column("population", "population m", thousands=2),
        ]
        rows: list[list[Cell]] = [
            ["everything (EVPI)", estimate(row, "evpi", "se"), estimate(row, "population_evpi", "population_se")]
        ]
        rows += _partial(folder, level)
        rows += _studies(folder, level)
        title = f"what is worth knowing at a willingness to pay of {level:,.0f}"
        notes = [
            f"now best: {row['best']}",
            "± one standard error; other thresholds: voi_evpi.csv, voi_evppi.csv, voi_evsi.csv",
        ]
        tables.append((level, Table(title, columns, rows, notes)))
    shown = chosen(sorted(level for level, _ in tables)) if tables else math.nan
    return [Table(t.title, t.columns, t.rows, t.notes, printed=level == shown) for level, t in tables]


def _partial(folder: Folder, level: float) -> Iterator[list[Cell]]:
    for kind, most in (("group", 8), ("parameter", 5)):
        own = [r for r in folder.rows("voi_evppi.csv", wtp=level, kind=kind) if kind == "group" or r["method"] != "gp"]
        for row in sorted(own, key=lambda row: -number(row["evppi"]))[:most]:
            yield [f"{kind} {row['of']}", estimate(row, "evppi", "se"), estimate(row, "population_evppi")]


def _studies(folder: Folder, level: float) -> Iterator[list[Cell]]:
    found = list(folder.rows("voi_evsi.csv", wtp=level))
    for name in dict.fromkeys(row["study"] for row in found):
        best = max((row for row in found if row["study"] == name), key=lambda row: number(row["enbs"]))
        size = f"{number(best['size']):,.0f}"
        yield [f"study {name} of {size}, less its cost", None, estimate(best, "enbs")]


def cells(folder: Folder) -> list[Table]:
    """Lay out the cells of a sweep: which policy is best in each, and by how much."""
    found = list(folder.rows("sweep.csv"))
    if not found:
        return []
    keys = list(found[0])[1 : list(found[0]).index("policy")]
    levels = sorted(float(name[5:]) for name in found[0] if name.startswith("best_"))
    level = chosen(levels)
    name = f"nmb_{level:g}"
    columns = [*(Column(key, key) for key in keys), Column("best", "best"), Column("inc_nmb", "against the reference")]
    rows: list[list[Cell]] = []
    by_cell: dict[str, list[dict[str, str]]] = {}
    for row in found:
        by_cell.setdefault(row["cell"], []).append(row)
    for own in by_cell.values():
        best = max(own, key=lambda row: number(row[name]))
        rows.append([*(best[key] for key in keys), best["policy"], estimate(best, f"inc_{name}", f"inc_{name}_se")])
    title = f"best policy in each of {len(rows)} cells" + (f", willingness to pay {level:,.0f}" if level != 1 else "")
    notes = [f"the first {SHOWN} of {len(rows)} cells; all: sweep.csv"] if len(rows) > SHOWN else []
    tables = [Table(title, columns, rows[:SHOWN], ["net benefit, ± one standard error", *notes])]
    if len(rows) > SHOWN:
        tables = [Table(title, columns, rows[:SHOWN], tables[0].notes), Table(title, columns, rows, (), printed=False)]
    return tables


def jobs(folder: Folder) -> list[Table]:
    """Lay out a sweep by ``-m``: every policy of every job, and how it differs from job 0 on the same patients."""
    summary = _of_jobs(folder, "sweep.csv", "value")
    if not summary.rows:
        return []
    tables = [summary]
    average = _of_jobs(folder, "sweep_average.csv", "value")
    if average.rows:
        tables.append(Table("average over structures, by the weights declared", average.columns, average.rows))
    paired = _of_jobs(folder, "sweep_paired.csv", "difference")
    if paired.rows:
        plain = [Column(column.name, column.heading) for column in paired.columns]
        tables.append(Table("difference to job 0 on the same patients", plain, paired.rows))
    return tables


def _of_jobs(folder: Folder, file: str, column: str) -> Table:
    found: dict[tuple[str, str], dict[tuple[str, float | None], Estimate]] = {}
    names: dict[str, str] = {}
    for row in folder.rows(file, stratum="all"):
        at = number(row["months"])
        names[row["job"]] = row["overrides"]
        own = found.setdefault((row["job"], row["policy"]), {})
        own[row["measure"], None if math.isnan(at) else at] = Estimate(
            number(row[column]), number(row["mc_se"]), row.get("unit") or _UNITS.get(row["measure"], "")
        )
    wanted = [(m, None if math.isnan(t) else t, shown) for m, t, shown in SWEPT]
    wanted = [one for one in wanted if any(one[:2] in own for own in found.values())]
    columns = [Column("job", "job"), POLICY, *(shown for *_, shown in wanted)]
    rows: list[list[Cell]] = [
        [job, policy, *(own.get((measure, months)) for measure, months, _ in wanted)]
        for (job, policy), own in found.items()
    ]
    return Table(f"{len(names)} jobs", columns, rows, [f"job {job}: {overrides}" for job, overrides in names.items()])
