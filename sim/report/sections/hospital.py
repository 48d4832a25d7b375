"""The hospital: waits, lines, places, the flow of patients, and the budget."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from sim.report import words
from sim.report.hospital import POOLS
from sim.report.numbers import number
from sim.report.page import Page, section


@section(15, "The hospital", figures=("hospital_waits", "hospital_years"))
def hospital(page: Page) -> Markup:
    """Show waits, places over time, the flow of patients and one week; warnings first."""
    shown = Markup("").join(
        Markup('<p class="caution">{}</p>').format(text) for text in page.frames.manifest.get("warnings", [])
    )
    shown += _numbers(page)
    for name in ("hospital_waits", "hospital_years", "hospital_week", "hospital_flow", "hospital_one_week"):
        shown += page.figure(name)
    return shown


def _numbers(page: Page) -> Markup:
    """Show the main numbers: a row per measure, a column per policy."""
    frames = page.frames
    rows = []
    for measure, label, unit in (*_MEASURES, *((f"utilisation_{p}", f"places taken: {POOLS[p]}", "%") for p in POOLS)):
        found = [frames.estimate(policy, measure) for policy in frames.policies]
        if any(e is not None and e.value == e.value for e in found):
            cells = [
                "–" if e is None or e.value != e.value else f"{number(e.value, e.unit)} ± {number(e.error, e.unit)}"
                for e in found
            ]
            rows.append([words.sentence(label), unit, *cells])
    if not rows:
        return Markup("")
    replications = frames.manifest.get("replications")
    caption = "The hospital in numbers: mean ± standard error" + (
        f" over {replications} replications." if replications else "."
    )
    headings = ("Measure", "Unit", *(frames.label(p) for p in frames.policies))
    return page.template("listing.html.j2", {"caption": caption, "headings": headings, "rows": rows})


#: What is shown first of a hospital: measure, label, unit as shown.
_MEASURES: Final = (
    ("arrivals", "patients who come", "per year"),
    ("infusions", "infusions", "per year"),
    ("infused_in_time", "infused in time", "% of those referred"),
    ("wait_infusion_mean", "referral to infusion, mean", "days"),
    ("wait_infusion_p90", "referral to infusion, longest tenth begins at", "days"),
    ("deaths_before_infusion", "deaths before infusion", "per year"),
    ("transplants", "transplants", "per year"),
    ("wait_hct_mean", "wait for a transplant room, mean", "days"),
    ("relapses_awaiting_hct", "relapses while waiting for a transplant", "per year"),
    ("diverted_icu", "moved elsewhere for want of intensive care", "per year"),
)


@section(16, "Budget impact", figures=("budget",))
def budget(page: Page) -> Markup:
    """Show what the payer pays more or less, year by year."""
    return page.figure("budget") + _budget_table(page)


def _budget_table(page: Page) -> Markup:
    """Show the total by payer year, with its error."""
    table = page.frames.budget
    assert table is not None
    money = str(page.frames.manifest.get("currency", ""))
    part = table[(table["world"] == "impact") & (table["category"] == "total")]
    years = list(dict.fromkeys(part["payer_year"].astype(str)))
    rows = []
    for places, group in part.groupby("places", sort=False):
        found = {
            str(r["payer_year"]): f"{r['mean'] / 1e6:.2f} ± {r['mc_se'] / 1e6:.2f}" for r in group.to_dict("records")
        }
        rows.append([f"{words.sentence(str(places))} places", *(found.get(year, "–") for year in years)])
    caption = f"Budget impact, millions of {money} a year, undiscounted: mean ± standard error over replications."
    headings = ("Hospital", *(_year(year) for year in years))
    return page.template("listing.html.j2", {"caption": caption, "headings": headings, "rows": rows})


def _year(name: str) -> str:
    """Name a payer year, or several: ``3`` is Year 3, ``1-5`` is Years 1-5."""
    return f"Year {name}" if name.isdigit() else f"Years {name}" if name[:1].isdigit() else words.sentence(name)
