"""The answer first: the question, which policy, how sure, what would change it; then one table."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from sim.report import verdict, words
from sim.report.changes import changes
from sim.report.frames import Estimate, Frames
from sim.report.numbers import PROPORTIONS, number, signed, unit_name
from sim.report.page import Page, section


class Column(NamedTuple):
    """A column of the answer: measure, months, heading, and what stands small below the heading beside the unit."""

    measure: str
    months: float | None
    heading: str
    below: str = ""


#: What people ask for first.
COLUMNS: Final = (
    Column("os", 24.0, "OS", "24 months"),
    Column("os", 60.0, "OS", "60 months"),
    Column("efs", 24.0, "EFS", "24 months"),
    Column("efs", 60.0, "EFS", "60 months"),
    Column("life_years", None, "Life-years"),
    Column("hct", None, "HCT", "in remission"),
    Column("cif_relapse", 60.0, "Relapse", "60 months"),
    Column("cif_nrm", 60.0, "NRM", "60 months"),
)
#: The measures that decide, in order of preference.
_DECISIVE: Final = (("life_years", None), ("os", 60.0), ("efs", 60.0))
_LEVEL: Final = 0.95


class Cell(NamedTuple):
    """A cell: the estimate, whether it is the best of its column, and the paired difference to the reference."""

    estimate: Estimate | None
    best: bool
    difference: Estimate | None
    clear: bool


@section(10, "The answer")
def answer(page: Page) -> Markup | None:
    """Show the answer: in words, then the table."""
    frames = page.frames
    columns = shown_columns(frames)
    policies = [p for p in frames.policies if any(frames.estimate(p, c.measure, c.months) for c in columns)]
    rows = table(frames, policies, columns)
    blocks = answers(frames, policies)
    if not blocks and not rows:
        return None
    return page.template(
        "answer.html.j2",
        {
            "question": verdict.question(frames),
            "blocks": blocks,
            "headings": _headings(frames, policies, columns),
            "rows": [(p, frames.label(p), p == frames.reference, cells) for p, cells in rows.items()],
            "number": number,
            "signed": signed,
            "origin": words.ORIGINS.get(frames.origin, frames.origin),
        },
    )


def answers(frames: Frames, policies: list[str]) -> list[tuple[str, list[str]]]:
    """Give the answer in words: heading and sentences of each part that the run has something to say to."""
    which: list[str] = []
    sure = verdict.certainty(frames)
    if policies:
        *which, caution = sentences(frames, policies)
        sure.append(caution)
    elif sure:
        sure += _weak(frames)
    bought = verdict.best_buys(frames)
    which = verdict.hospital(frames) + ([bought] if bought else []) + which
    parts = [("Which policy", which), ("How sure", sure), ("What would change it", changes(frames))]
    return [(heading, texts) for heading, texts in parts if texts]


def _weak(frames: Frames) -> list[str]:
    """Say how many parameters are known from memory or not at all, where their uncertainty is in the answer."""
    if not frames.has("parameters"):
        return []
    weak, total = _weak_and_all(frames)
    return [
        f"The ranges of the parameters are only as good as their sources: {weak} of {total} are recalled or assumed "
        "(listed below)."
    ]


@section(25, "By earlier transplant", needs=("summary",))
def strata_table(page: Page) -> Markup | None:
    """Show the same numbers for patients without and with an earlier HCT."""
    frames = page.frames
    blocks = []
    for stratum, label in (("no_prior_hct", "No HCT before CAR T"), ("prior_hct", "HCT before CAR T")):
        columns = shown_columns(frames, stratum)
        cells = {p: [frames.estimate(p, c.measure, c.months, stratum) for c in columns] for p in frames.policies}
        policies = [p for p, found in cells.items() if any(found)]
        if policies:
            rows = [(p, frames.label(p), cells[p]) for p in policies]
            blocks.append((label, _headings(frames, policies, columns, stratum), rows))
    return page.template("strata.html.j2", {"blocks": blocks, "number": number}) if blocks else None


def shown_columns(frames: Frames, stratum: str = "all") -> list[Column]:
    """List the columns for which the run has numbers."""
    return [c for c in COLUMNS if any(frames.estimate(p, c.measure, c.months, stratum) for p in frames.policies)]


def table(frames: Frames, policies: list[str], columns: list[Column]) -> dict[str, list[Cell]]:
    """Fill the table: policy -> one cell per column."""
    best = {c: best_of(frames, policies, c) for c in columns}
    return {p: [_cell(frames, p, c, best[c]) for c in columns] for p in policies}


def best_of(frames: Frames, policies: list[str], column: Column) -> str | None:
    """Name the policy with the best value; None where no direction is better, or all are equal.

    Who never reaches remission cannot relapse: incidences are compared among policies with remissions.
    """
    direction = words.MEASURES.get(column.measure, ("", 0))[1]
    values = {p: e.value for p in policies if (e := frames.estimate(p, column.measure, column.months)) is not None}
    if column.measure.startswith("cif_"):
        values = {p: v for p, v in values.items() if (cr := frames.estimate(p, "cr")) is None or cr.value > 0}
    if not direction or len(set(values.values())) < 2:
        return None
    return max(values, key=lambda p: direction * values[p])


def sentences(frames: Frames, policies: list[str]) -> list[str]:
    """Say what the comparison shows and how sure that is."""
    measure, months = next(
        ((m, t) for m, t in _DECISIVE if all(frames.estimate(p, m, t) for p in policies)), (None, None)
    )
    if measure is None:
        return [_caution(frames)]
    best = best_of(frames, policies, Column(measure, months, ""))
    what = words.measure_name(measure) + (f" at {months:.0f} months" if months else "")
    if len(policies) < 2 or frames.reference is None:
        values = [f"{frames.label(p)} {_with_error(frames.estimate(p, measure, months))}" for p in policies]
        return [f"{words.sentence(what)}: {', '.join(values)}.", _caution(frames)]
    if best is None:
        return [f"All policies give the same {what}.", _caution(frames)]
    return [_verdict(frames, policies, measure, months, best, what), _caution(frames)]


def _verdict(frames: Frames, policies: list[str], measure: str, months: float | None, best: str, what: str) -> str:
    others = [p for p in policies if p != frames.reference]
    z = NormalDist().inv_cdf(1 - (1 - _LEVEL) / 2 / len(others))
    estimate = frames.estimate(best, measure, months) or Estimate(math.nan, math.nan)
    degree = "highest" if estimate.unit in PROPORTIONS else "most"
    most = f"{frames.label(best)} gives the {degree} {what}: {_with_error(estimate)}"
    rows = {p: frames.difference(p, measure, months) for p in others}
    if best == frames.reference:
        worse = sum(1 for r in rows.values() if r and r["difference"] + z * r["mc_se"] < 0)
        verb = "does" if worse == 1 else "do"
        return f"{most}. On the same patients, {worse} of the {len(others)} other policies {verb} worse beyond chance."
    row = rows.get(best)
    if row is None:
        return f"{most}."
    gap, error = row["difference"], row["mc_se"]
    close = [
        frames.label(p)
        for p, r in rows.items()
        if r and p != best and gap - r["difference"] < z * math.hypot(error, r["mc_se"])
    ]
    size = unit_name(estimate.unit, difference=True)
    interval = f"{signed(gap - z * error, estimate.unit)} to {signed(gap + z * error, estimate.unit)}"
    explains = "does not explain it" if gap > z * error else "could explain it, so simulate more patients"
    return (
        f"{most}, that is {signed(gap, estimate.unit)} ± {number(error, estimate.unit)} {size} against "
        f"{frames.label(frames.reference or '')} on the same patients. The 95% interval, widened for {len(others)} "
        f"comparison{'s' * (len(others) > 1)}, is {interval} {size}: chance in the simulation "
        f"{explains}.{f' Not clearly behind it: {_listed(close)}.' if close else ''}"
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{'; '.join(names[:-1])} and {names[-1]}"


def _caution(frames: Frames) -> str:
    text = (
        "These are Monte-Carlo errors only: they shrink with more simulated patients. The parameters' uncertainty "
        "is not in them yet"
    )
    if not frames.has("parameters"):
        return f"{text}."
    weak, total = _weak_and_all(frames)
    return f"{text}: {weak} of {total} parameters are recalled or assumed (listed below)."


def _weak_and_all(frames: Frames) -> tuple[int, int]:
    status = frames.parameters["status"].value_counts()  # type: ignore[index]
    return int(status.get("recalled", 0) + status.get("assumed", 0)), int(status.sum())


def _with_error(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    unit = "%" if unit_name(estimate.unit) == "%" else f" {unit_name(estimate.unit)}"
    return f"{number(estimate.value, estimate.unit)} ± {number(estimate.error, estimate.unit)}{unit}"


def _cell(frames: Frames, policy: str, column: Column, best: str | None) -> Cell:
    estimate = frames.estimate(policy, column.measure, column.months)
    row = frames.difference(policy, column.measure, column.months) if policy != frames.reference else None
    if estimate is None or row is None or math.isnan(row["difference"]):
        return Cell(estimate, policy == best, None, False)
    difference = Estimate(row["difference"], row["mc_se"], estimate.unit)
    return Cell(estimate, policy == best, difference, abs(row["difference"]) > 1.96 * row["mc_se"])


def _headings(
    frames: Frames, policies: list[str], columns: list[Column], stratum: str = "all"
) -> list[tuple[str, str]]:
    """Give each column's heading and the small line below it: when, and in which unit."""
    result = []
    for column in columns:
        found: list[Any] = [frames.estimate(p, column.measure, column.months, stratum) for p in policies]
        unit = unit_name(next((e.unit for e in found if e is not None), ""))
        result.append((column.heading, ", ".join(part for part in (column.below, unit) if part)))
    return result
