"""The patient explorer: pick a virtual patient and see the lives under every policy, the latent disease included."""

from __future__ import annotations

from markupsafe import Markup

from sim.report import explorer as exploring
from sim.report.page import Page, section


@section(52, "Patient explorer", needs=exploring.NEEDS)
def explorer(page: Page) -> Markup:
    """Show the chosen patients: a drawing by script, and a table that says the same without one."""
    content = exploring.data(page.frames, page.sheet.name)
    labels = [policy["label"] for policy in content["policies"]]
    page.script("explorer.js")
    values = {
        "rule": page.frames.manifest.get("explorer", ""),
        "patients": content["patients"],
        "labels": labels,
        "outcomes": {one["n"]: _outcomes(one["lives"], len(labels)) for one in content["patients"]},
        "data": page.data("explorer-data", content),
    }
    return page.template("explorer.html.j2", values)


def _outcomes(lives: list[dict[str, object]], policies: int) -> list[str]:
    """Give how the patient's life ends under each policy."""
    found = [""] * policies
    for life in lives:
        for place in life["p"]:  # type: ignore[attr-defined]
            found[place] = str(life["end"])
    return found
