"""Colours, theme and deterministic files: how every figure looks, decided once.

Each ink has a light value, which stands in the files, and a dark one, which the page swaps in for readers who prefer a
dark screen. Policies keep their ink, dash and marker whatever else is drawn; no two differ by hue alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim import journal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Ink(NamedTuple):
    """One colour on white paper and on a dark screen."""

    light: str
    dark: str


class Stroke(NamedTuple):
    """How a policy is drawn: ink, dash pattern (points on, points off; empty: solid) and marker."""

    ink: Ink
    dash: tuple[float, ...]
    marker: str


TEXT = Ink("#1b1e23", "#e8eaed")
MUTED = Ink("#5b6370", "#a3acb8")
GRID = Ink("#e3e6ea", "#2d333b")
PAPER = Ink("#ffffff", "#14171b")
SHADE = Ink("#f4f5f7", "#1b1f25")

#: The shipped policies.
POLICIES: dict[str, Stroke] = {
    "watch": Stroke(Ink("#43484f", "#d3d8de"), (), "o"),
    "no_car": Stroke(Ink("#8f969f", "#858d97"), (1.2, 1.6), "X"),
    "hct_for_all": Stroke(Ink("#d1480f", "#ff7f4d"), (), "s"),
    "selective": Stroke(Ink("#0067a8", "#4faaf0"), (), "D"),
    "selective_plus": Stroke(Ink("#46a5e0", "#9ad6fb"), (4.5, 1.6), "d"),
    "reinfusion": Stroke(Ink("#009170", "#2fd0a0"), (), "^"),
    "maintenance": Stroke(Ink("#dd9500", "#f7c04d"), (), "v"),
    "hybrid": Stroke(Ink("#a83c80", "#ec86c0"), (4.5, 1.6, 1.2, 1.6), "P"),
    "ngs_guided": Stroke(Ink("#4a2478", "#d4bdf7"), (7.0, 1.4, 1.2, 1.4), "p"),
    "trial_practice": Stroke(Ink("#6b5322", "#b9a36f"), (2.6, 1.6), "h"),
    "hct_trial": Stroke(Ink("#6e4b3a", "#c79a84"), (1.2, 1.2), "*"),
}
#: For policies that a user writes; which one, its name decides.
OTHERS: tuple[Ink, ...] = (
    Ink("#2b7a78", "#62c7c3"),
    Ink("#b0413e", "#f08a85"),
    Ink("#4f6d0e", "#a9cf4b"),
    Ink("#8447a6", "#cf9bee"),
    Ink("#3f5fb5", "#8eaaf5"),
    Ink("#96651a", "#dcae66"),
)
_DASHES: tuple[tuple[float, ...], ...] = ((3.2, 1.2), (6.0, 1.4), (3.2, 1.2, 1.0, 1.2), (1.6, 1.0))
_MARKERS = ("<", ">", "*", "H")

#: Phases of the journal, and death.
DEAD = journal.PHASES
PHASES: dict[int, Ink] = {
    journal.WAITING: Ink("#a7afba", "#5f6874"),
    journal.TREATMENT: Ink("#f2c14e", "#d9a62e"),
    journal.REMISSION: Ink("#2a9d8f", "#2fae9e"),
    journal.TRANSPLANTED: Ink("#1d4f91", "#2f74c8"),
    journal.RELAPSED: Ink("#d2480f", "#e8602a"),
    journal.SECOND_REMISSION: Ink("#a6e3b4", "#a5e8b6"),
    journal.SALVAGE_TRANSPLANTED: Ink("#7ea6e0", "#7fa9ea"),
    journal.PALLIATIVE: Ink("#7a3b2e", "#a5665a"),
    DEAD: Ink("#eceef1", "#242930"),
}
#: Overlays of the journal.
OVERLAYS: dict[int, Ink] = {
    journal.APLASIA: Ink("#5aa9a0", "#5fc0b4"),
    journal.WARD: Ink("#b7a5d6", "#8f79ba"),
    journal.ICU: Ink("#6a3d9a", "#b990ec"),
    journal.MAINTENANCE: Ink("#dd9501", "#f7c04e"),
    journal.TKI: Ink("#b8860b", "#e0b23c"),
    journal.SALVAGE: Ink("#a83c81", "#ec86c1"),
    journal.IGG_REPLACEMENT: Ink("#c2d3a0", "#8ea05f"),
    journal.LATE_EFFECT: Ink("#b9b1a0", "#857d6d"),
    journal.CHRONIC_GVHD: Ink("#c98a6b", "#d99b7c"),
    journal.ACUTE_GVHD: Ink("#a4482a", "#e07a58"),
    journal.NEUTROPENIA: Ink("#8f9670", "#a8b088"),
    journal.IEC_HS: Ink("#7b1f3a", "#d0557c"),
    journal.ICANS: Ink("#9e2a7d", "#dd6abb"),
    journal.CRS: Ink("#d03a3a", "#ff7070"),
}
#: Competing first events, from bottom to top; ``other_failure`` is what event-free survival loses beyond them.
RISKS: dict[str, Ink] = {
    "cif_relapse_cd19pos": Ink("#0067a8", "#4faaf0"),
    "cif_relapse_cd19neg": Ink("#d1480f", "#ff7f4d"),
    "cif_lineage_switch": Ink("#f2c14f", "#f2c84e"),
    "cif_nrm": Ink("#444950", "#aab1ba"),
    "cif_nonresponse": Ink("#a7afba", "#5f6874"),
    "cif_not_infused": Ink("#d3d7dd", "#3d444d"),
    "other_failure": Ink("#a7afba", "#5f6874"),
}
#: Groups of cost categories, in the order in which they are stacked.
COSTS: dict[str, Ink] = {
    "product": Ink("#1d4f92", "#2f74c9"),
    "infusion and its toxicity": Ink("#d03a3b", "#ff7071"),
    "infection and immunoglobulin": Ink("#c2d3a1", "#8ea060"),
    "monitoring": Ink("#f2c150", "#d9a62f"),
    "transplant and GVHD": Ink("#a4482b", "#e07a59"),
    "reinfusion and maintenance": Ink("#009171", "#2fd0a1"),
    "salvage": Ink("#a83c82", "#ec86c2"),
    "late effects and end of life": Ink("#b9b1a1", "#857d6e"),
    "beyond treatment": Ink("#a7afbb", "#5f6875"),
}
GAIN = Ink("#009170", "#2fd0a0")
LOSE = Ink("#d1480f", "#ff7f4d")

_FONTS = ["DejaVu Sans", "Verdana", "Segoe UI", "Helvetica", "Arial", "sans-serif"]
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def stroke(policy: str, wanted: str | None = None) -> Stroke:
    """Give a policy's stroke: a pure function of its name.

    Parameters
    ----------
    policy
        Name of the policy.
    wanted
        Colour that the policy's file asks for, as ``#rrggbb``; anything else is ignored in favour of the palette.
    """
    number = int.from_bytes(hashlib.sha256(policy.encode()).digest()[:4], "big")
    own = POLICIES.get(policy) or Stroke(
        OTHERS[number % len(OTHERS)], _DASHES[number // 7 % len(_DASHES)], _MARKERS[number // 31 % len(_MARKERS)]
    )
    if wanted and _HEX.fullmatch(wanted):
        return own._replace(ink=Ink(wanted.lower(), wanted.lower()))
    return own


def inks() -> list[Ink]:
    """List every ink, so that the page can exchange light for dark."""
    found = [
        TEXT,
        MUTED,
        GRID,
        PAPER,
        SHADE,
        GAIN,
        LOSE,
        *OTHERS,
        *PHASES.values(),
        *OVERLAYS.values(),
        *RISKS.values(),
        *COSTS.values(),
    ]
    found += [s.ink for s in POLICIES.values()]
    return list(dict.fromkeys(found))


def line(policy: str, wanted: str | None = None) -> dict[str, Any]:
    """Give matplotlib's keywords for a policy's curve."""
    own = stroke(policy, wanted)
    return {"color": own.ink.light, "linestyle": (0, own.dash) if own.dash else "-"}


@contextmanager
def theme(salt: str = "cartwin") -> Iterator[None]:
    """Apply the project's look while a figure is drawn and saved; `salt` seeds the identifiers inside the SVG."""
    import matplotlib

    settings: dict[str, Any] = {
        "font.family": "sans-serif",
        "font.sans-serif": _FONTS,
        "font.size": 9.0,
        "text.color": TEXT.light,
        "text.parse_math": False,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 9.0,
        "axes.labelcolor": TEXT.light,
        "axes.edgecolor": MUTED.light,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": GRID.light,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED.light,
        "ytick.color": MUTED.light,
        "xtick.labelcolor": TEXT.light,
        "ytick.labelcolor": TEXT.light,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "lines.linewidth": 1.7,
        "lines.solid_capstyle": "butt",
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "figure.facecolor": PAPER.light,
        "savefig.facecolor": PAPER.light,
        "figure.dpi": 100,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "path.simplify": True,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in settings.items():
            matplotlib.rcParams[name] = value  # type: ignore[index]
        yield


def sheet(width: float, height: float) -> Figure:
    """Open an empty figure of `width` x `height` inches that lays itself out; no global state is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write a figure as ``name.svg`` and ``name.png``: same figure, same bytes (for the same matplotlib).

    Returns
    -------
    tuple
        The two paths, SVG first.
    """
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    with theme(name):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for both files
        figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    return svg, png


def panels(count: int, columns: int, height: float, room: float) -> tuple[Figure, list[Axes]]:
    """Open a figure of small multiples that share both axes.

    Parameters
    ----------
    count
        Panels.
    columns
        Panels side by side, at most.
    height, room
        Inches per row of panels, and for legend and labels around them.

    Returns
    -------
    tuple
        The figure, and its `count` axes; month labels stand below the lowest panel of each column only.
    """
    columns = min(count, columns)
    lines = -(-count // columns)
    canvas = sheet(9.2, room + height * lines)
    grid = canvas.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(grid.flat):
        axes.set_visible(index < count)
        axes.tick_params(labelbottom=index + columns >= count)
    return canvas, list(grid.flat[:count])


def fit(text: str, width: int, lines: int = 1) -> str:
    """Break a label into at most `lines` lines of `width` characters, with an ellipsis where it is cut."""
    import textwrap

    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder="…")) or text[: width - 1] + "…"


def name_panel(axes: Axes, label: str, own: Stroke, width: int = 22) -> None:
    """Put a policy's name above its panel, in its ink."""
    axes.set_title(fit(label, width, lines=2), color=own.ink.light)


def month_axis(axes: Axes, end: float, label: str = "", most: int = 11) -> None:
    """Put months on the x axis, from 0 to `end`, with at most `most` ticks, at whole years where `end` is far."""
    steps = (12, 24, 60, 120, 240, 480) if end >= 24 else (1, 2, 3, 6, 12)
    step = next((s for s in steps if end / s < most), steps[-1])
    axes.set_xlim(0, end)
    axes.set_xticks([step * i for i in range(int(end // step) + 1)])
    if step == 24:
        axes.set_xticks([24 * i + 12 for i in range(int((end - 12) // 24) + 1)], minor=True)
    if label:
        axes.set_xlabel(label)


def percent_axis(axes: Axes, label: str = "", top: float = 1.0) -> None:
    """Put a proportion on the y axis, as percent from 0 to `top`, which is rounded up to a multiple of 20%."""
    steps = min(5, max(1, -int(-top // 0.2)))
    axes.set_ylim(0, steps / 5)
    axes.set_yticks([step / 5 for step in range(steps + 1)], [str(20 * step) for step in range(steps + 1)])
    if label:
        axes.set_ylabel(label)


def apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels as little as needed until neighbours are `gap` apart, within `low`..`high`; order is kept.

    Parameters
    ----------
    values
        Wanted positions, in any order.
    gap
        Smallest distance between two labels, in the unit of `values`; reduced where they cannot all fit.
    low, high
        Limits.

    Returns
    -------
    list of float
        Positions in the order of `values`.
    """
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    gap = min(gap, (high - low) / max(len(values) - 1, 1))
    groups: list[tuple[float, int]] = []  # (sum of the wishes, members)

    def start(group: tuple[float, int]) -> float:
        wish = group[0] / group[1] - gap * (group[1] - 1) / 2
        return min(max(wish, low), high - gap * (group[1] - 1))

    for i in order:
        groups.append((values[i], 1))
        while len(groups) > 1 and start(groups[-2]) + gap * groups[-2][1] > start(groups[-1]):
            total, members = groups.pop()
            groups[-1] = (groups[-1][0] + total, groups[-1][1] + members)
    placed = [start(group) + gap * k for group in groups for k in range(group[1])]
    result = [0.0] * len(values)
    for i, position in zip(order, placed, strict=True):
        result[i] = position
    return result
