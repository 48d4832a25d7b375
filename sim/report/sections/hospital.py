"""The hospital: waits, lines, places, the flow of patients, and the budget."""

from __future__ import annotations

from markupsafe import Markup

from sim.report.page import Page, section


@section(15, "The hospital", figures=("hospital_waits", "hospital_years"))
def hospital(page: Page) -> Markup:
    """Show waits, places over time, the flow of patients and one week; warnings first."""
    shown = Markup("").join(
        Markup('<p class="caution">{}</p>').format(text) for text in page.frames.manifest.get("warnings", [])
    )
    for name in ("hospital_waits", "hospital_years", "hospital_week", "hospital_flow", "hospital_one_week"):
        shown += page.figure(name)
    return shown


@section(16, "Budget impact", figures=("budget",))
def budget(page: Page) -> Markup:
    """Show what the payer pays more or less, year by year."""
    return page.figure("budget")
