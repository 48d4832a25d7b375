"""One patient's life as a picture: a lane per policy, drawn from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sim import journal
from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture
from sim.report.life import span
from sim.report.swimmer import MARKERS
from sim.units import DAYS_PER_MONTH

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Strips under the phase bar, from top to bottom: aplasia, treatment, harm; later events are drawn over earlier ones.
STRIPS: Final = (
    (journal.APLASIA,),
    (journal.WARD, journal.ICU, journal.MAINTENANCE, journal.TKI, journal.SALVAGE),
    (
        journal.IGG_REPLACEMENT,
        journal.LATE_EFFECT,
        journal.CHRONIC_GVHD,
        journal.ACUTE_GVHD,
        journal.NEUTROPENIA,
        journal.IEC_HS,
        journal.ICANS,
        journal.CRS,
    ),
)
#: Signs above the phase bar: marker, size, face.
SIGNS: Final = {
    journal.VISIT: ("|", 5.0, style.MUTED),
    journal.MRD_SEEN: ("o", 4.6, style.LOSE),
    journal.APLASIA_LOSS_SEEN: ("o", 4.6, style.PAPER),
    journal.DECISION: ("v", 4.8, style.TEXT),
    journal.INFECTION: ("+", 5.0, style.MUTED),
}
_TICKS: Final = (0, 1, 3, 6, 12, 24, 60, 120, 240, 480, 960)
#: Months up to which time runs nearly evenly; beyond, the axis is logarithmic.
_BEND: Final = 3.0


@picture(80, "life", "One patient's life under every policy", needs=("journal",))
def lanes(frames: Frames) -> Drawing | None:
    """Draw one patient's life (the ``patient`` of the run record) as a lane per policy."""
    patient = frames.manifest.get("patient")
    if patient is None:
        return None
    mine = {p: rows[rows["patient"] == patient] for p, rows in frames.journals.items()}
    mine = {p: rows for p, rows in mine.items() if len(rows)}
    if not mine:
        return None
    end = max(float(rows["time_stop"].max()) for rows in mine.values()) / DAYS_PER_MONTH * 1.03
    canvas = style.sheet(9.2, 1.6 + 0.7 * len(mine))
    axes = canvas.subplots()
    _time_axis(axes, end)
    for place, rows in enumerate(mine.values()):
        _lane(axes, rows, place)
    axes.set_ylim(len(mine) - 0.45, -0.72)
    axes.set_yticks(range(len(mine)), [style.fit(frames.label(p), 18, 3) for p in mine])
    for tick, policy in zip(axes.get_yticklabels(), mine, strict=True):
        tick.set_color(style.stroke(policy, frames.colour(policy)).ink.light)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Time since referral (months, then years; the scale narrows with time)")
    _legend(canvas, {int(e) for rows in mine.values() for e in rows["event"].unique()})
    caption = (
        f"Patient {patient} under every policy. Bars: phases; strips below them: B-cell aplasia, treatment, harm; "
        "signs above them: visits and what they found. The same patient has the same luck under every policy."
    )
    return Drawing(canvas, _alt(frames, mine, int(patient)), caption)


def _time_axis(axes: Axes, end: float) -> None:
    """Let early months be read beside late decades."""
    import numpy as np

    if end > 24:
        narrow = (lambda x: np.log1p(np.maximum(x, -1) / _BEND), lambda y: _BEND * np.expm1(y))
        axes.set_xscale("function", functions=narrow)
    ticks = [t for t in _TICKS if t <= end]
    axes.set_xlim(0, end)
    axes.set_xticks(ticks, ["0" if not t else f"{t} mo" if t < 12 else f"{t // 12} y" for t in ticks])
    axes.set_xticks([], minor=True)


def _lane(axes: Axes, rows: pd.DataFrame, place: int) -> None:
    for event, start, stop in rows[["event", "time_start", "time_stop"]].itertuples(index=False):
        left, right = start / DAYS_PER_MONTH, stop / DAYS_PER_MONTH
        if event < journal.PHASES:
            _bar(axes, place, left, right, 0.30, style.PHASES[int(event)])
        for strip, events in enumerate(STRIPS):
            if event in events:
                _bar(axes, place + 0.205 + 0.095 * strip, left, right, 0.075, style.OVERLAYS[int(event)])
        for marks, lift in ((MARKERS, 0.0), (SIGNS, -0.25)):
            if event in marks:
                marker, size, face = marks[int(event)]
                lift -= 0.15 * (event == journal.DECISION)
                line = event in (journal.INFUSION, journal.VISIT, journal.INFECTION)
                axes.plot(
                    left,
                    place + lift,
                    marker=marker,
                    markersize=size * (1.7 if event == journal.INFUSION else 1.15),
                    mfc=face.light,
                    mec=face.light if line else style.TEXT.light,
                    mew=1.4 if line else 0.8,
                    linewidth=0,
                    zorder=5 if event == journal.DEATH else 6,
                    clip_on=False,
                )


def _bar(axes: Axes, place: float, left: float, right: float, height: float, ink: style.Ink) -> None:
    axes.barh(place, right - left, left=left, height=height, color=ink.light, linewidth=0, zorder=3)


def _legend(canvas: Any, seen: set[int]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    inks = {**style.PHASES, **style.OVERLAYS}
    entries: list[Patch | Line2D] = [
        Patch(color=ink.light, label=words.sentence(words.NAMES[event])) for event, ink in inks.items() if event in seen
    ]
    for event, (marker, size, face) in {**MARKERS, **SIGNS}.items():
        if event in seen:
            line = event in (journal.INFUSION, journal.VISIT, journal.INFECTION)
            entries.append(
                Line2D(
                    [],
                    [],
                    marker=marker,
                    markersize=size + 1.5,
                    mfc=face.light,
                    linewidth=0,
                    mec=face.light if line else style.TEXT.light,
                    mew=1.4 if line else 0.8,
                    label=words.sentence(words.POINTS[event]),
                )
            )
    canvas.legend(handles=entries, loc="outside upper center", ncols=5, columnspacing=1.2, handlelength=1.3, fontsize=8)


def _alt(frames: Frames, mine: dict[str, pd.DataFrame], patient: int) -> str:
    told: dict[str, list[str]] = {}
    for policy, rows in mine.items():
        events = [
            f"{words.phrase(int(event), int(detail), frames.codes)} {span(start)} after referral"
            for event, start, detail in rows[["event", "time_start", "detail"]].itertuples(index=False)
            if event in MARKERS
        ]
        told.setdefault(", ".join(events) or "no event", []).append(frames.label(policy))
    parts = [f"{', '.join(labels)}: {text}" for text, labels in told.items()]
    return f"Life of patient {patient} as one lane per policy. {'; '.join(parts)}."
