"""Quality at a glance: the verification log, and the checklists for reporting, filled where the program knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from sim.report.cheers import checklist
from sim.report.page import Page, section
from sim.report.stress import stress_checklist

if TYPE_CHECKING:
    import pandas as pd


@section(14, "Verification", needs=("verify",))
def verification(page: Page) -> Markup:
    """Show the results of the verification tests."""
    table: pd.DataFrame = page.frames.verify  # type: ignore[assignment]
    rows = [
        (
            _text(r["number"]),
            [
                _text(r["change"]),
                _text(r["expected"]),
                _text(r["measured"]),
                _MARKS.get(r["result"], _text(r["result"])),
            ],
        )
        for r in table.to_dict("records")
    ]
    counts = table["result"].value_counts()
    lead = ", ".join(
        f"{int(counts[name])} of {len(table)} {name}"
        for name in ("pass", "fail", "not yet applicable")
        if name in counts
    )
    caption = "Verification tests of the model: what is changed, what must follow, what was found."
    headings = ("Test", "Change", "Expected", "Found", "Result")
    return page.template("table.html.j2", {"lead": f"{lead}.", "tables": [(caption, headings, rows)], "text": True})


#: Results with a mark that is seen without colour.
_MARKS: Final = {"pass": "✓ pass", "fail": "✗ fail", "not yet applicable": "– not yet applicable"}


@section(86, "CHEERS 2022", needs=("incremental",))
def cheers(page: Page) -> Markup:
    """Show the reporting checklist, filled where the program knows."""
    rows = [(str(i.number), [i.part, i.topic, i.answer]) for i in checklist(page.frames)]
    caption = (
        "Checklist for reporting health economic evaluations (CHEERS 2022); what the program cannot know is left open."
    )
    return page.template(
        "table.html.j2", {"lead": "", "tables": [(caption, ("Item", "Part", "Topic", "This run"), rows)], "text": True}
    )


@section(87, "STRESS-DES")
def stress(page: Page) -> Markup | None:
    """Show the checklist for discrete-event simulations, filled where the program knows."""
    if str(page.frames.manifest.get("experiment")) in _NO_STRESS or "n" not in page.frames.manifest:
        return None
    if page.frames.manifest.get("patient") is not None:
        return None
    rows = [(i.number, [i.part, i.topic, i.answer]) for i in stress_checklist(page.frames)]
    caption = (
        "Checklist for reporting discrete-event simulations (STRESS-DES, Monks et al. 2019); what the program cannot "
        "know is left open."
    )
    return page.template(
        "table.html.j2", {"lead": "", "tables": [(caption, ("Item", "Part", "Topic", "This run"), rows)], "text": True}
    )


#: Experiments that report no simulation of their own.
_NO_STRESS: Final = ("calibrate", "replay", "parameters", "report")


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)
