"""What the answer rests on: parameters by status, and the run record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup

from sim.report import words
from sim.report.numbers import plain
from sim.report.page import Page, section

#: Statuses that carry no published number, weakest first.
_WEAK: Final = ("assumed", "recalled")
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
    """List the parameters, those without a source that was read first; a script sorts and filters them."""
    table = page.frames.parameters
    assert table is not None
    page.script("tables.js")
    known = [*_WEAK, *(s for s in reversed(words.STATUSES) if s not in _WEAK)]
    counts = {str(status): int(count) for status, count in table["status"].value_counts().items()}
    order = [s for s in known if s in counts] + sorted(s for s in counts if s not in known)
    rows = sorted(table.to_dict("records"), key=lambda row: (order.index(str(row["status"])), str(row["key"])))
    return page.template(
        "parameters.html.j2",
        {
            "statuses": [(status, counts[status], words.STATUSES.get(status, "")) for status in order],
            "weak": _WEAK,
            "rows": [_line(row) for row in rows],
            "total": len(table),
            "sort": sort_key,
        },
    )


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


def _line(row: Mapping[Any, Any]) -> dict[str, Any]:
    texts = ("key", "about", "unit", "distribution", "source", "status")
    shown: dict[str, Any] = {name: "" if row[name] != row[name] else str(row[name]) for name in texts}
    numbers = {name: float(row[name]) for name in ("value", "low", "high")}
    return shown | {name: plain(number) for name, number in numbers.items()} | {"numbers": numbers}


def sort_key(number: float) -> Markup:
    """Give the attribute by which a cell is sorted; none where there is no number."""
    return Markup("") if number != number else Markup(' data-sort="{}"').format(f"{number:.10g}")


def _entries(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Flatten an entry of the run record into lines."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entries(f"{name}: {key}", inner)
    elif isinstance(value, (list, tuple)):
        yield name, ", ".join(map(str, value))
    else:
        yield name, "" if value is None else str(value)
