"""What was measured, as one table: rows, and how they are written."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

#: The lines between which `into_page` puts the table.
MARKS: Final = ("<!-- bench: begin -->", "<!-- bench: end -->")


@dataclass(frozen=True)
class Row:
    """One figure.

    Parameters
    ----------
    part
        Part of the benchmark (a key of `bench.registry.PARTS`).
    what
        What was measured.
    value, unit
        The figure; a rate is per CPU second unless the unit says otherwise.
    cpu_s, wall_s
        Seconds that the measured work took; None where the figure is no duration or rate.
    note
        What to know when reading it; a figure that was not measured here says so.
    """

    part: str
    what: str
    value: float
    unit: str
    cpu_s: float | None = None
    wall_s: float | None = None
    note: str = ""


def number(value: float | None) -> str:
    """Write a figure with the three or four digits that mean something."""
    if value is None:
        return ""
    if abs(value) >= 1000.0:
        digits = max(0, len(str(int(abs(value)))) - 4)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def markdown(facts: dict[str, str], rows: Sequence[Row]) -> str:
    """Lay out the machine's facts and the rows as Markdown."""
    lines = [f"- {name}: {fact}" for name, fact in facts.items()]
    lines += ["", "| part | what | figure | unit | CPU s | wall s | note |", "|---|---|---:|---|---:|---:|---|"]
    for row in rows:
        cells = (row.part, row.what, number(row.value), row.unit, number(row.cpu_s), number(row.wall_s), row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(folder: Path, facts: dict[str, str], rows: Sequence[Row]) -> None:
    """Write ``bench.md``, ``bench.csv`` and ``bench.json`` into a folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.md").write_text(markdown(facts, rows), encoding="utf-8")
    with (folder / "bench.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        table.writeheader()
        table.writerows(map(asdict, rows))
    content = {"machine": facts, "rows": [asdict(row) for row in rows]}
    (folder / "bench.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def into_page(page: Path, facts: dict[str, str], rows: Iterable[Row]) -> None:
    """Put the table between the `MARKS` of a page.

    Raises
    ------
    ValueError
        The page lacks the marks.
    """
    text = page.read_text(encoding="utf-8")
    begin, end = MARKS
    if begin not in text or end not in text:
        raise ValueError(f"{page} has no lines {begin} and {end} to put the table between")
    before, after = text.split(begin)[0], text.split(end)[1]
    page.write_text(f"{before}{begin}\n\n{markdown(facts, list(rows))}\n{end}{after}", encoding="utf-8")
