"""Checks: targets met, tests held, fits; and experiments whose answer is a list of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sim.report.frames import Estimate
from sim.report.terminal.folder import Folder, estimate, number
from sim.report.terminal.table import Cell, Column, Table


def validation(folder: Folder) -> list[Table]:
    """Count the targets met by study; in JSON each, published against simulated (they have been printed)."""
    found = list(folder.rows("validate.csv"))
    judged = [row for row in found if row["fitted"] == "yes"]
    met = sum(row["within"] == "yes" for row in judged)
    note = f"{met} of {len(judged)} targets lie within their 95% interval"
    columns = [
        Column("study", "study"),
        Column("label", "quantity"),
        Column("published", "published"),
        Column("low", "low"),
        Column("high", "high"),
        Column("model", "model"),
        Column("within", "within"),
    ]
    rows: list[list[Cell]] = []
    for row in found:
        unit = row["unit"]
        published = [Estimate(number(row[name]), math.nan, unit) for name in ("published", "low", "high")]
        rows.append([row["study"], row["label"], *published, estimate(row, "model", "mc_se", unit), row["within"]])
    whole = Table("published against the model", columns, rows, [note], printed=False)
    return [_by_study(judged, "within", "yes", [note, "each target: validate.csv"]), whole]


def _by_study(rows: Sequence[dict[str, str]], column: str, good: str, notes: Sequence[str]) -> Table:
    names = dict.fromkeys(row["study"] for row in rows)
    cells: list[list[Cell]] = []
    for name in names:
        own = [row for row in rows if row["study"] == name]
        met = sum(row[column] == good for row in own)
        worst = max(own, key=lambda row: _far(row["z"]))
        missed = f"{worst['label']} (z {number(worst['z']):+.1f})" if met < len(own) else ""
        cells.append([name, f"{met} of {len(own)}", missed])
    columns = [Column("study", "study"), Column("met", "within"), Column("missed", "missed by most")]
    return Table("targets within their 95% interval, by study", columns, cells, notes)


def _far(text: str) -> float:
    z = number(text)
    return -1.0 if math.isnan(z) else abs(z)


def verification(folder: Folder) -> list[Table]:
    """Lay out the verification tests."""
    found = list(folder.rows("verify.csv"))
    columns = [
        Column("number", ""),
        Column("result", "result"),
        Column("change", "change"),
        Column("measured", "found"),
    ]
    rows: list[list[Cell]] = [[row["number"], row["result"], row["change"], row["measured"]] for row in found]
    count = {name: sum(row["result"] == name for row in found) for name in dict.fromkeys(r["result"] for r in found)}
    notes = [", ".join(f"{n} {name}" for name, n in count.items()) + "; each test: verify.csv"]
    title = f"{len(found)} verification tests"
    others = [row for row in rows if row[1] != "pass"]
    return [
        Table(title, columns, others or [["", "all pass", "", ""]], notes),
        Table(title, columns, rows, printed=False),
    ]


def calibration(folder: Folder) -> list[Table]:
    """Lay out a fit: quantities met by study, and how well the sampler did."""
    judged = [row for row in folder.rows("fit.csv") if row["fitted"] == "True"]
    met = sum(row["met"] == "True" for row in judged)
    found = folder.manifest.get("diagnostics", {})
    weak = [row["key"] for row in folder.rows("posterior_summary.csv") if row["identified"] == "False"]
    notes = [
        f"{met} of {len(judged)} fitted quantities within their interval; largest R-hat "
        f"{found.get('r_hat_largest', math.nan):.3f}, least effective sample {found.get('ess_least', math.nan):,.0f}",
        f"posterior about as wide as prior: {', '.join(weak) or 'none'}",
    ]
    return [_by_study(judged, "met", "True", notes)]


def parameters(folder: Folder) -> list[Table]:
    """Count parameters by how well they are known."""
    count: dict[str, int] = {}
    for row in folder.rows("parameters.csv"):
        count[row["status"]] = count.get(row["status"], 0) + 1
    total = sum(count.values())
    rows: list[list[Cell]] = [
        [status, Estimate(n, math.nan, "parameters"), Estimate(n / total, math.nan, "share")]
        for status, n in count.items()
    ]
    columns = [Column("status", "status"), Column("parameters", "parameters"), Column("share", "%")]
    return [Table(f"{total} parameters, by status", columns, rows)]
