"""The pathway as a diagram: the journal's phases, the moves between them, and every event that came to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sim import journal
from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Code of each of the journal's names.
CODES: Final = {name: code for code, name in journal.event_names().items()}
#: Column and row of every phase.
PLACES: Final[dict[int, tuple[int, int]]] = {
    journal.WAITING: (0, 0),
    journal.TREATMENT: (1, 0),
    journal.REMISSION: (2, 0),
    journal.TRANSPLANTED: (3, 0),
    journal.PALLIATIVE: (0, 1),
    journal.RELAPSED: (1, 1),
    journal.SECOND_REMISSION: (2, 1),
    journal.SALVAGE_TRANSPLANTED: (3, 1),
}
#: Inches: width of a box, of the gap beside it, height of a line, of a box's head, of the lane between the rows.
_BOX, _GAP, _LINE, _HEAD, _LANE = 1.9, 0.46, 0.135, 0.30, 1.0
#: Percentage points by which another policy must differ to be told.
_APART: Final = 5.0
#: Actions in as many letters as a box has room for.
_SHORT: Final = {"hct": "HCT", "tki": "TKI", "cd22_car": "CD22 CAR T"}


class Happening(NamedTuple):
    """An event in a phase, or a move: share of all patients under the reference, and the highest of any policy."""

    text: str
    share: float
    most: float
    entering: bool = False

    @property
    def told(self) -> str:
        """The share as shown: that of the reference, and the highest where it lies apart."""
        return percent(self.share, self.most)


def percent(share: float, most: float) -> str:
    """Write a share, and the highest under any policy where it lies apart."""
    text = "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"
    apart = 100 * (most - share) >= _APART or (share == 0 and most > 0)
    return f"{text} (to {max(100 * most, 1):.0f}%)" if apart else text


def shares(frames: Frames) -> pd.DataFrame:
    """Give every move and event once: start, end, event, detail, and its share and most (see `Happening`)."""
    table = frames.pathway
    assert table is not None
    table = table.assign(detail=table["detail"].astype(object).fillna(""), share=table["patients"] / table["of"])
    by_policy = table.pivot_table(
        index=["start", "end", "event", "detail"], columns="policy", values="share", fill_value=0.0, sort=False
    )
    shown = frames.reference if frames.reference in by_policy.columns else by_policy.columns[0]
    found = by_policy[[]].assign(share=by_policy[shown], most=by_policy.max(axis=1))
    return found.reset_index()


def happenings(table: pd.DataFrame, phase: int) -> list[Happening]:
    """List what comes to pass on entering a phase and within it: entering events first, then by share.

    An event that comes with moves from several phases is told once, its shares added.
    """
    name = next(key for key, code in CODES.items() if code == phase)
    rows = table[(table["end"] == name) & (table["event"] != "move")]
    rows = rows.assign(entering=rows["start"] != name)
    summed = rows.groupby(["entering", "event", "detail"], sort=False)[["share", "most"]].sum().reset_index()
    found = [
        Happening(_phrase(r["event"], r["detail"]), min(r["share"], 1.0), min(r["most"], 1.0), bool(r["entering"]))
        for r in summed.to_dict("records")
    ]
    return sorted(found, key=lambda h: (not h.entering, -h.share, -h.most, h.text))


def _phrase(event: str, detail: str) -> str:
    name = words.event_name(CODES[event]) if event in CODES else event.replace("_", " ")
    return f"{name}: {_SHORT.get(detail) or words.ACTIONS.get(detail, detail.replace('_', ' '))}" if detail else name


@picture(45, "pathway", "The pathway, as this run went through it", needs=("pathway",))
def pathway(frames: Frames) -> Drawing | None:
    """Draw phases as boxes with their events, and moves as arrows, each with the share of patients."""
    table = shares(frames)
    phases = [p for p in PLACES if ((table["end"] == _name(p)) | (table["start"] == _name(p))).any()]
    if not phases:
        return None
    lists = {phase: happenings(table, phase) for phase in phases}
    heights = [
        max((_HEAD + _LINE * (len(lists[p]) + 1.6) for p in phases if PLACES[p][1] == row), default=0.0)
        for row in (0, 1)
    ]
    tall = 0.35 + heights[0] + _LANE + heights[1] + 0.55
    canvas = style.sheet(9.2, tall)
    canvas.set_layout_engine("none")
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, 9.2)
    axes.set_ylim(-tall, 0)
    axes.axis("off")
    tops = (-0.35, -0.35 - heights[0] - _LANE)
    moves = table[table["event"] == "move"]
    bottoms = {p: _draw_box(axes, p, tops[PLACES[p][1]], lists[p], moves) for p in phases}
    _draw_moves(axes, moves, bottoms, tops)
    return Drawing(canvas, _alt(table, phases, lists), _caption(frames))


def _name(phase: int) -> str:
    return journal.event_names()[phase]


def _left(phase: int) -> float:
    return 0.08 + PLACES[phase][0] * (_BOX + _GAP)


def _draw_box(axes: Axes, phase: int, top: float, inside: list[Happening], moves: pd.DataFrame) -> float:
    """Draw a phase with its events; give the y of its lower edge."""
    from matplotlib.patches import Rectangle

    left, name = _left(phase), _name(phase)
    ink = style.PHASES[phase]
    own = _HEAD + _LINE * (len(inside) + 1.6)
    axes.add_patch(Rectangle((left, top - own), _BOX, own, facecolor=style.PAPER.light, edgecolor=style.MUTED.light))
    axes.add_patch(Rectangle((left, top - 0.05), _BOX, 0.05, facecolor=ink.light, edgecolor="none"))
    axes.text(
        left + 0.06, top - 0.18, words.sentence(words.PHASES[phase]), fontsize=6.8, va="center", fontweight="bold"
    )
    line = top - _HEAD - _LINE / 2
    for entry in inside:
        mark = "→ " if entry.entering else ""
        told = entry.told
        text = style.fit(mark + entry.text, 43 - round(1.2 * len(told)))
        axes.text(left + 0.06, line, text, fontsize=6.1, va="center")
        axes.text(left + _BOX - 0.05, line, told, fontsize=6.1, va="center", ha="right", color=style.MUTED.light)
        line -= _LINE
    ends = {end: moves[(moves["start"] == name) & (moves["end"] == end)] for end in ("death", "alive")}
    fates = [
        f"{label} {percent(float(rows['share'].iloc[0]), float(rows['most'].iloc[0]))}"
        for label, rows in (("die here", ends["death"]), ("alive at the end", ends["alive"]))
        if len(rows)
    ]
    axes.text(left + 0.06, line - _LINE / 3, "; ".join(fates), fontsize=6.1, va="center", fontweight="bold")
    return top - own


def _draw_moves(axes: Axes, moves: pd.DataFrame, bottoms: dict[int, float], tops: tuple[float, float]) -> None:
    """Draw an arrow for every move between boxes: beside each other within a row, through the lane between rows."""
    lane = min((bottoms[p] for p in bottoms if PLACES[p][1] == 0), default=tops[0])
    through = 0
    for row in moves.sort_values(["start", "end"], kind="stable").to_dict("records"):
        start, end = CODES.get(row["start"], -1), CODES.get(row["end"], -1)
        told = percent(row["share"], row["most"])
        if row["start"] == "start" and end in bottoms:
            above = PLACES[end][1] == 0
            y = tops[0] + 0.16 if above else bottoms[end] - 0.14
            axes.text(_left(end) + 0.06, y, f"{'↓' if above else '↑'} {told} begin here", fontsize=6.4, va="center")
        elif start not in bottoms or end not in bottoms:
            continue
        elif PLACES[start][1] == PLACES[end][1] and abs(PLACES[start][0] - PLACES[end][0]) == 1:
            _draw_step(axes, start, end, told, tops[PLACES[start][1]])
        elif PLACES[start][1] == 0 and PLACES[end][1] == 1:
            _draw_fall(axes, start, end, told, (bottoms[start], lane, tops[1]))
        else:
            _draw_arch(axes, start, end, told, tops[PLACES[end][1]], through)
            through += 1


_LOOK: Final = {"arrowstyle": "-|>", "color": style.MUTED.light, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}


def _draw_step(axes: Axes, start: int, end: int, told: str, top: float) -> None:
    """Draw a move to the neighbour; the way back runs below the way there."""
    ahead = PLACES[end][0] > PLACES[start][0]
    x0 = _left(start) + (_BOX if ahead else 0.0)
    x1 = _left(end) + (0.0 if ahead else _BOX)
    y = top - (0.30 if ahead else 0.72)
    axes.annotate("", (x1, y), (x0, y), arrowprops=_LOOK)
    axes.text((x0 + x1) / 2, y + 0.05, _two(told), fontsize=5.9, ha="center", va="bottom", linespacing=0.95)


def _draw_fall(axes: Axes, start: int, end: int, told: str, ys: tuple[float, float, float]) -> None:
    """Draw a move from the upper row to the lower: straight down to the lane, then across it."""
    bottom, lane, top = ys
    apart = PLACES[start][0] - PLACES[end][0]
    x0, x1 = _left(start) + _BOX * 0.5, _left(end) + _BOX * (0.5 + 0.17 * apart)
    if bottom > lane:
        axes.plot([x0, x0], [bottom, lane], color=style.MUTED.light, linewidth=0.9)
    axes.annotate("", (x1, top), (x0, lane), arrowprops=_LOOK)
    beside, side = (x0 - 0.06, "right") if apart < 0 else (x0 + 0.06, "left")
    axes.text(beside, lane - 0.1, told, fontsize=6.2, ha=side, va="center")


def _draw_arch(axes: Axes, start: int, end: int, told: str, top: float, number: int) -> None:
    """Draw a move that passes other boxes as an arch above the row, arches beside each other."""
    back = PLACES[end][0] < PLACES[start][0]
    x0, x1 = _left(start) + _BOX * (0.25 + 0.2 * (number % 3)), _left(end) + _BOX * (0.9 if back else 0.1)
    look = _LOOK | {"connectionstyle": f"arc3,rad={0.14 if back else -0.14}", "linestyle": (0, (3, 1.5))}
    axes.annotate("", (x1, top), (x0, top), arrowprops=look)
    axes.text(x0 + 0.05, top + 0.09, told, fontsize=6.2, ha="left", va="center")


def _two(told: str) -> str:
    return told.replace(" (to", "\n(to")


def _caption(frames: Frames) -> str:
    label = frames.label(frames.reference) if frames.reference else frames.label(frames.policies[0])
    return (
        f"Every phase, move and event that the journal of this run holds. Shares of all patients under {label}; in "
        "brackets the highest under any policy where it is at least 5 percentage points more, or where the event never "
        "comes otherwise. →: comes with entering the phase. A patient may enter a phase more than once."
    )


def _alt(table: pd.DataFrame, phases: list[int], lists: dict[int, list[Happening]]) -> str:
    moves = table[table["event"] == "move"]
    parts = []
    for phase in phases:
        name = _name(phase)
        ahead = [
            f"{100 * r['share']:.0f}% go on to {words.PHASES.get(CODES.get(r['end'], -1), r['end'])}"
            for r in moves[(moves["start"] == name) & (moves["end"] != "alive")].to_dict("records")
        ]
        inside = [f"{h.text} {h.told}" for h in lists[phase]]
        parts.append(f"{words.sentence(words.PHASES[phase])}: {', '.join([*ahead, *inside])}")
    return f"Diagram of phases, moves and events. {'. '.join(parts)}."
