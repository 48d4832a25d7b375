"""One patient's life under every policy."""

from __future__ import annotations

from markupsafe import Markup

from sim.report.frames import Frames
from sim.report.life import chapters, heading, infusion_day, patient_rows, portrait, since
from sim.report.page import Page, section


@section(5, "One life, every policy", needs=("journal",))
def life(page: Page) -> Markup | None:
    """Show the picture and tell the story of the patient whom the run record names."""
    frames = page.frames
    patient = frames.manifest.get("patient")
    if patient is None:
        return None
    rows = patient_rows(frames, patient)
    if rows.empty:
        return None
    labels = {p: frames.label(p) for p in frames.policies}
    infusion, total = infusion_day(rows), rows["policy"].nunique()
    told = [
        (heading(c, labels, total), c.depth, [(f"{m.day:.0f}", since(m.day, infusion), m.words) for m in c.moments])
        for c in chapters(rows, frames.codes)
    ]
    values = {"chapters": told, "portrait": _portrait(page.frames, patient)}
    return page.figure("life") + page.template("life.html.j2", values)


def _portrait(frames: Frames, patient: int) -> str:
    table = frames.patients
    if table is None or "patient" not in table.columns:
        return ""
    found = table[table["patient"] == patient]
    return portrait({str(k): v for k, v in found.iloc[0].items()}) if len(found) else ""
