"""What the answer rests on: parameters by status, and the run record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup

from sim.report import words
from sim.report.numbers import plain
from sim.report.page import Page, section

#: Statuses shown open, weakest first; the others are folded.
_OPEN: Final = ("assumed", "recalled")
#: Entries of the run record, in the order shown; others follow.
_FIRST: Final = "command version experiment cohort n origin horizon_years reference seed engine".split()
_NAMES: Final = {
    "n": "patients",
    "horizon_years": "horizon (years; empty: lifetime)",
}
#: What differs each time the same run is repeated stays in the manifest: the page is the same, byte for byte.
_OF_THE_MOMENT = ("seconds", "wall_seconds", "lives_per_second", "cores")


@section(80, "What the numbers rest on", needs=("parameters",))
def parameters(page: Page) -> Markup:
    """List the parameters by status, those without a source that was read in full view."""
    table = page.frames.parameters
    assert table is not None
    known = [*_OPEN, *(s for s in reversed(words.STATUSES) if s not in _OPEN)]
    found = [s for s in known if (table["status"] == s).any()]
    found += [str(s) for s in table["status"].unique() if s not in known]
    groups = [
        {
            "status": status,
            "meaning": words.STATUSES.get(status, ""),
            "open": status in _OPEN,
            "rows": [_line(row) for row in table[table["status"] == status].to_dict("records")],
        }
        for status in found
    ]
    return page.template("parameters.html.j2", {"groups": groups, "total": len(table)})


@section(90, "Run record")
def record(page: Page) -> Markup | None:
    """List what made these numbers: the manifest, without how long it took and where."""
    manifest = dict(page.frames.manifest)
    if not manifest:
        return None
    policies = manifest.pop("policies", {})
    for name in _OF_THE_MOMENT:
        manifest.pop(name, None)
    order = [*(k for k in _FIRST if k in manifest), *(k for k in manifest if k not in _FIRST)]
    entries = [e for key in order for e in _entries(_NAMES.get(key, key.replace("_", " ")), manifest[key])]
    described = [(page.frames.label(p), p, page.frames.description(p)) for p in policies]
    return page.template("record.html.j2", {"entries": entries, "policies": described})


def _line(row: Mapping[Any, Any]) -> dict[str, str]:
    texts = ("key", "about", "unit", "distribution", "source")
    shown = {name: "" if row[name] != row[name] else str(row[name]) for name in texts}
    return shown | {name: plain(float(row[name])) for name in ("value", "low", "high")}


def _entries(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Flatten an entry of the run record into lines."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entries(f"{name}: {key}", inner)
    elif isinstance(value, (list, tuple)):
        yield name, ", ".join(map(str, value))
    else:
        yield name, "" if value is None else str(value)
