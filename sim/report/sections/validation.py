"""Published against simulated: how many targets are met, each of them, and which are missed and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from sim.report.numbers import number, unit_name
from sim.report.page import Page, section


@section(16, "Published against simulated", needs=("validation",))
def validation(page: Page) -> Markup:
    """Show what is met and what is missed, the forest, the curves, and every quantity by study."""
    table = page.frames.validation
    assert table is not None
    fitted = table[table["fitted"] == "yes"]
    misses = fitted[fitted["within"] != "yes"]
    studies = [
        {"label": str(rows["study_label"].iloc[0]), "rows": [_line(row) for row in rows.to_dict("records")]}
        for _, rows in table.groupby("study", sort=False)
    ]
    values = {
        "total": len(fitted),
        "met": len(fitted) - len(misses),
        "misses": [_line(row) | {"study": row["study_label"]} for row in misses.to_dict("records")],
        "studies": studies,
    }
    return (
        page.template("validation.html.j2", values)
        + page.figure("targets")
        + page.figure("overlays")
        + page.template("validation_studies.html.j2", values)
    )


def _line(row: Mapping[Any, Any]) -> dict[str, Any]:
    unit = str(row["unit"])
    known = row["low"] == row["low"]
    return {
        "label": row["label"],
        "unit": unit_name(unit),
        "published": number(row["published"], unit),
        "interval": f"{number(row['low'], unit)} to {number(row['high'], unit)}" if known else "",
        "assumed": row["assumed"] == "yes",
        "model": number(row["model"], unit),
        "error": number(row["mc_se"], unit),
        "z": f"{row['z']:+.1f}" if row["z"] == row["z"] else "",
        "missed": row["fitted"] == "yes" and row["within"] != "yes",
        "shown": row["fitted"] != "yes",
        "source": _text(row["source"]),
        "status": _text(row["status"]),
        "note": _text(row["note"]),
    }


def _text(value: Any) -> str:
    return str(value) if value == value and value is not None else ""
