"""Lines that move with a slider: one self-contained piece of HTML for a notebook, without scripts from elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from sim.problems import Problem
from sim.report import style

if TYPE_CHECKING:
    import pandas as pd

WIDTH: Final = 720.0
HEIGHT: Final = 360.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 150.0, 12.0, 44.0
#: Inks of groups, in order.
INKS: Final = ("selective", "hct_for_all", "reinfusion", "maintenance", "hybrid")
_SHOW: Final = (
    "const b=this.closest('.cartwin-slider');"
    "for(const g of b.querySelectorAll('g[data-at]'))g.style.display=g.dataset.at==this.value?'':'none';"
    "b.querySelector('output').textContent=this.dataset.labels.split('|')[this.value]"
)


class Slider:
    """What `slider` gives: shown by Jupyter, or written into a page as `html`."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


def slider(
    frames: Mapping[str, pd.DataFrame],
    *,
    x: str,
    y: str,
    line: str,
    group: str,
    moves: str,
    xlabel: str,
    ylabel: str,
    marks: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Slider:
    """Draw lines for every position of a slider.

    Parameters
    ----------
    frames
        Label of a position -> the rows drawn there.
    x, y, line, group
        Columns: coordinates, what makes one line (with `group`), and what gives its colour.
    moves
        What the slider changes, in words.
    xlabel, ylabel
        Labels of the axes, with units.
    marks
        Horizontal lines: label -> height.
    ylim
        Ends of the vertical axis; by default those of all rows and marks.

    Raises
    ------
    Problem
        When there is nothing to draw, or a column is missing.
    """
    if not frames:
        raise Problem("frames: is empty; at least one position is needed")
    for label, rows in frames.items():
        missing = [name for name in (x, y, line, group) if name not in rows]
        if missing:
            raise Problem(f"frames[{label!r}]: has no column {missing[0]!r}; it has {', '.join(map(str, rows))}")
    heights = [height for rows in frames.values() for height in rows[y]] + list((marks or {}).values())
    axes = _Axes(
        (min(rows[x].min() for rows in frames.values()), max(rows[x].max() for rows in frames.values())),
        ylim or (min(heights), max(heights)),
    )
    groups = list(dict.fromkeys(itertools.chain.from_iterable(rows[group] for rows in frames.values())))
    inks = {name: style.POLICIES[INKS[k % len(INKS)]].ink.light for k, name in enumerate(groups)}
    body = "".join(
        f'<g data-at="{k}"{_hidden(k)}>{_lines(rows, axes, (x, y, line, group), inks)}</g>'
        for k, rows in enumerate(frames.values())
    )
    return Slider(_box(list(frames), moves, f"{_frame(axes, marks or {}, xlabel, ylabel)}{body}{_key(inks)}"))


def _hidden(position: int) -> str:
    return "" if position == 0 else ' style="display:none"'


class _Axes:
    def __init__(self, across: tuple[float, float], up: tuple[float, float]) -> None:
        self.across, self.up = across, up

    def x(self, value: float) -> float:
        low, high = self.across
        return LEFT + (value - low) / ((high - low) or 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.up
        return HEIGHT - BOTTOM - (value - low) / ((high - low) or 1.0) * (HEIGHT - TOP - BOTTOM)


def _lines(rows: pd.DataFrame, axes: _Axes, names: tuple[str, str, str, str], inks: Mapping[Any, str]) -> str:
    x, y, line, group = names
    drawn = []
    for (_, kind), points in rows.groupby([line, group], sort=False):
        path = " ".join(f"{axes.x(a):.1f},{axes.y(b):.1f}" for a, b in zip(points[x], points[y], strict=True))
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{inks[kind]}" stroke-width="1" opacity="0.6"/>')
    return "".join(drawn)


def _frame(axes: _Axes, marks: Mapping[str, float], xlabel: str, ylabel: str) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<path d="M{LEFT},{TOP} V{bottom} H{right}" fill="none" stroke="{style.MUTED.light}"/>']
    for value in _ticks(*axes.across):
        parts.append(_text(axes.x(value), bottom + 15, f"{value:g}", "middle"))
    for value in _ticks(*axes.up):
        parts.append(_text(LEFT - 6, axes.y(value) + 4, f"{value:g}", "end"))
    for label, height in marks.items():
        at = axes.y(height)
        parts.append(f'<path d="M{LEFT},{at:.1f} H{right}" stroke="{style.MUTED.light}" stroke-dasharray="4 3"/>')
        parts.append(_text(right + 6, at + 4, label, "start"))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 8, xlabel, "middle"))
    middle = (TOP + bottom) / 2
    parts.append(f'<g transform="rotate(-90 14 {middle:.1f})">{_text(14, middle, ylabel, "middle")}</g>')
    return "".join(parts)


def _ticks(low: float, high: float) -> Sequence[float]:
    from matplotlib.ticker import MaxNLocator

    found: Sequence[float] = [float(t) for t in MaxNLocator(6).tick_values(low, high) if low <= t <= high]
    return found


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="{style.MUTED.light}">'
        f"{escape(words)}</text>"
    )


def _key(inks: Mapping[Any, str]) -> str:
    x = WIDTH - RIGHT + 6
    return "".join(
        f'<path d="M{x},{TOP + 10 + 18 * k} h18" stroke="{ink}" stroke-width="3"/>'
        + _text(x + 24, TOP + 14 + 18 * k, str(name), "start")
        for k, (name, ink) in enumerate(inks.items())
    )


def _box(labels: Sequence[str], moves: str, drawing: str) -> str:
    """Put the slider above the drawing; without scripts the first position stays."""
    name = escape(moves, quote=True)
    listed = escape("|".join(label.replace("|", "/") for label in labels), quote=True)
    return (
        '<div class="cartwin-slider" style="background:#fff;font-family:sans-serif;max-width:760px">'
        f'<label style="color:#1b1e23">{name} <input type="range" min="0" max="{len(labels) - 1}" value="0" step="1" '
        f'aria-label="{name}" data-labels="{listed}" oninput="{escape(_SHOW, quote=True)}"/></label> '
        f'<output style="color:#1b1e23;font-weight:bold">{escape(labels[0])}</output>'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{name}" font-family="sans-serif" '
        f'style="width:100%">{drawing}</svg></div>'
    )
