"""A small table: names, numbers with their errors, the best of each column; as text for a terminal, or as JSON.

Text fits the given width: columns stand in the order of how often people ask for them, and the last ones are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Final

from sim.report.frames import Estimate
from sim.report.numbers import PROPORTIONS, number

BEST: Final = "*"
BOLD: Final = "\x1b[1m"
PLAIN: Final = "\x1b[0m"
#: Blanks between columns: as many as fit.
GAPS: Final = (2, 1)
#: Words are cut down to so many characters before a column is left out.
LEAST: Final = 18


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name
        Its key in JSON.
    heading
        What stands above it.
    better
        1: more is better; -1: less is better; 0: neither.
    thousands
        Text shows thousands, or millions where it is 2.
    """

    name: str
    heading: str
    better: int = 0
    thousands: int = 0


#: A cell: a number, a word, or nothing.
Cell = Estimate | str | None


@dataclass(frozen=True)
class Table:
    """What a run answers.

    Attributes
    ----------
    title
        One line: what the numbers are.
    columns
        Columns; the first holds the names of the rows.
    rows
        As many cells as columns.
    notes
        Sentences below the table.
    printed
        Whether it is shown on the terminal too, not in JSON alone.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    printed: bool = True

    def best(self, at: int) -> int | None:
        """Find the row with the best value of a column; None when no direction is better or all are equal."""
        direction = self.columns[at].better
        values = {i: row[at].value for i, row in enumerate(self.rows) if isinstance(row[at], Estimate)}  # type: ignore[union-attr]
        values = {i: value for i, value in values.items() if not math.isnan(value)}
        if not direction or len(set(values.values())) < 2:
            return None
        return max(values, key=lambda i: direction * values[i])

    def as_data(self) -> dict[str, Any]:
        """Lay the table out for JSON: numbers in their own units, with errors; null where there is none."""
        best = [self.best(at) for at in range(len(self.columns))]
        rows = [
            {
                column.name: _data(cell, best[at] == i)
                for at, (column, cell) in enumerate(zip(self.columns, row, strict=True))
            }
            for i, row in enumerate(self.rows)
        ]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}

    def as_text(self, width: int, *, bold: bool = False) -> str:
        """Write the table as text, as far as possible within `width` characters a line."""
        words = [[_words(cell, column) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows]
        for at in range(len(self.columns)):
            best = self.best(at)
            if best is not None:
                words[best][at] += BEST
                for i, row in enumerate(words):
                    row[at] += " " * (i != best)
        headings = [column.heading + " " * (self.best(at) is not None) for at, column in enumerate(self.columns)]
        texts = [not self._numeric(at) for at in range(len(self.columns))]
        sizes, gap = _fitting([max(map(len, column)) for column in zip(headings, *words, strict=True)], texts, width)
        body = [_line(row, sizes, texts, gap) for row in (headings, *words)]
        if bold:
            body[0] = f"{BOLD}{body[0]}{PLAIN}"
        notes = [
            *([f"{BEST} best of the column; ± one standard error of the simulation"] if self._marked(sizes) else [])
        ]
        notes += self.notes
        left_out = [column.heading for column in self.columns[len(sizes) :]]
        notes += [f"a wider terminal shows: {', '.join(left_out)}"] if left_out else []
        lines = [line for text in notes for line in wrap(text, width)]
        return "\n".join([*wrap(self.title, width), *body, *lines])

    def _numeric(self, at: int) -> bool:
        return at > 0 and any(isinstance(row[at], Estimate) for row in self.rows)

    def _marked(self, sizes: Sequence[int]) -> bool:
        return any(self.best(at) is not None for at in range(len(sizes)))


def _data(cell: Cell, best: bool) -> Any:
    if not isinstance(cell, Estimate):
        return cell
    found: dict[str, Any] = {"value": _finite(cell.value), "error": _finite(cell.error), "unit": cell.unit}
    return found | {"best": True} if best else found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _words(cell: Cell, column: Column) -> str:
    if not isinstance(cell, Estimate):
        return cell or ""
    if math.isnan(cell.value):
        return "-"
    if math.isinf(cell.value):
        return "inf" if cell.value > 0.0 else "-inf"
    value, error, digits = cell.value, cell.error, 0
    if column.thousands:
        value, error = value / 1000.0**column.thousands, error / 1000.0**column.thousands
        digits = 2 * (column.thousands - 1)
    elif cell.unit in PROPORTIONS:
        value, error, digits = 100.0 * value, 100.0 * error, 1
    elif math.isnan(error):
        return f"{value:,.0f}" if value == int(value) else number(value)
    else:
        digits = next((digits for digits, least in enumerate((10.0, 0.3, 0.03)) if error >= least), 3)
        digits = 1 if error == 0.0 else digits
    comma = "," if max(abs(value), error) >= 10_000.0 else ""
    text = f"{value:{comma}.{digits}f}"
    return text if math.isnan(error) else f"{text}±{error:{comma}.{digits}f}"


def _fitting(sizes: list[int], texts: Sequence[bool], width: int) -> tuple[list[int], int]:
    """Make columns fit: closer together, then words cut, then without the last ones; give their sizes and the gap."""
    gap = next((gap for gap in GAPS if sum(sizes) + gap * (len(sizes) - 1) <= width), GAPS[-1])
    over = sum(sizes) + gap * (len(sizes) - 1) - width
    for at in sorted(range(1, len(sizes)), key=lambda at: -sizes[at]):
        if over > 0 and texts[at] and sizes[at] > LEAST:
            cut = min(over, sizes[at] - LEAST)
            sizes[at] -= cut
            over -= cut
    kept = len(sizes)
    while kept > 2 and sum(sizes[:kept]) + gap * (kept - 1) > width:
        kept -= 1
    return sizes[:kept], gap


def _line(words: Sequence[str], sizes: Sequence[int], texts: Sequence[bool], gap: int) -> str:
    cells = []
    for word, size, text in zip(words, sizes, texts, strict=False):
        short = word if len(word) <= size else f"{word[: size - 1]}…"
        cells.append(short.ljust(size) if text else short.rjust(size))
    return (" " * gap).join(cells).rstrip()
