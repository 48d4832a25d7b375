"""Swimmers: the same patients' lives side by side under two policies, drawn from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sim import journal
from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture
from sim.report.occupancy import origins
from sim.units import DAYS_PER_MONTH

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Months shown, and patients.
END: Final = 60.0
PATIENTS: Final = 30
#: Markers of point events: marker, size, ink of its face.
MARKERS: Final = {
    journal.INFUSION: ("|", 7.0, style.TEXT),
    journal.HCT: ("D", 4.6, style.PAPER),
    journal.REINFUSION: ("^", 5.2, style.PAPER),
    journal.RELAPSE: ("X", 5.6, style.TEXT),
    journal.DEATH: ("s", 4.4, style.TEXT),
}


@picture(70, "swimmer", "The same patients under two policies", needs=("journal",))
def swimmer(frames: Frames) -> Drawing | None:
    """Draw the first patients' lives under the reference and under the policy that changes most of these lives."""
    if frames.manifest.get("patient") is not None:
        return None
    pair = chosen(frames)
    lives = {p: _lives(frames.journals[p], frames.origin) for p in pair}
    patients = _order(lives[pair[0]])
    if not patients:
        return None
    canvas = style.sheet(9.2, 1.25 + 0.155 * len(patients))
    grid = canvas.subplots(1, len(pair), sharex=True, sharey=True, squeeze=False)[0]
    for axes, policy in zip(grid, pair, strict=True):
        for lane, patient in enumerate(patients):
            draw_lane(axes, lives[policy].get(patient), lane)
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)), 44)
        style.month_axis(axes, END)
        axes.set_xlim(-1, END + 1.5)
        axes.set_ylim(len(patients) - 0.2, -0.8)
        axes.set_yticks(range(len(patients)), [str(p) for p in patients], fontsize=6.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)
    grid[0].set_ylabel("Patient number")
    canvas.supxlabel(f"Months since {frames.origin}", fontsize=9)
    legend(canvas, _seen(lives, patients))
    caption = (
        f"The first {len(patients)} patients who reach {frames.origin}, not selected, sorted by how they fare under "
        f"{frames.label(pair[0])}. A bar is a life: its colour is the phase, an arrow says that it goes on."
    )
    return Drawing(canvas, _alt(frames, pair, lives, patients), caption)


def chosen(frames: Frames) -> list[str]:
    """Choose the reference (or the first policy) and the policy under which most lives differ from it."""
    policies = list(frames.journals)
    first = frames.reference if frames.reference in frames.journals else policies[0]
    others = [p for p in policies if p != first]
    if not others:
        return [first]
    shares = {p: row["same"] for p in others if (row := frames.difference(p, "life_years")) is not None}
    return [first, min(shares, key=lambda p: (shares[p], p)) if shares else others[0]]


def draw_lane(axes: Axes, life: pd.DataFrame | None, lane: float, height: float = 0.62) -> None:
    """Draw one life as a bar of phases with markers; `life` has columns event, start, stop in months."""
    if life is None:
        return
    rows = list(zip(life["event"], life["start"], life["stop"], strict=True))
    for event, start, stop in rows:
        if event < journal.PHASES and start < END and stop > 0:
            left, right = max(start, 0.0), min(stop, END)
            axes.barh(lane, right - left, left=left, height=height, color=style.PHASES[event].light, linewidth=0)
    if max(stop for _, _, stop in rows) > END:
        axes.plot(END + 0.5, lane, marker=">", markersize=3.6, color=style.MUTED.light, clip_on=False)
    for event, start, _ in rows:
        if event in MARKERS and 0 <= start <= END and event != journal.INFUSION:
            draw_marker(axes, event, start, lane)


def draw_marker(axes: Axes, event: int, at: float, lane: float, scale: float = 1.0) -> None:
    """Draw a point event's marker."""
    marker, size, face = MARKERS[event]
    axes.plot(
        at,
        lane,
        marker=marker,
        markersize=scale * size,
        mfc=face.light,
        mec=style.TEXT.light,
        mew=0.8,
        linewidth=0,
        zorder=5,
    )


def legend(canvas: Figure, seen: set[int]) -> None:
    """Explain the phases and markers that occur."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Patch | Line2D] = [
        Patch(color=style.PHASES[p].light, label=words.sentence(words.PHASES[p])) for p in style.PHASES if p in seen
    ]
    for event, (marker, size, face) in MARKERS.items():
        if event in seen:
            entries.append(
                Line2D(
                    [],
                    [],
                    marker=marker,
                    markersize=size + 1,
                    mfc=face.light,
                    mec=style.TEXT.light,
                    mew=0.8,
                    linewidth=0,
                    label=words.sentence(words.POINTS[event]),
                )
            )
    canvas.legend(handles=entries, loc="outside upper center", ncols=4, columnspacing=1.4, handlelength=1.4)


def _lives(rows: pd.DataFrame, origin: str) -> dict[int, pd.DataFrame]:
    """Give the first patients who reach the origin, each with rows event, start and stop in months since then."""
    rows = rows[(rows["event"] < journal.PHASES) | rows["event"].isin([*MARKERS, journal.RESPONSE])]
    people, place = np.unique(rows["patient"].to_numpy(), return_inverse=True)
    zero = origins(rows, people, place, origin)
    wanted = people[np.isfinite(zero)][:PATIENTS]
    rows = rows.assign(zero=zero[place])[rows["patient"].isin(wanted)]
    rows = rows.assign(
        start=(rows["time_start"] - rows["zero"]) / DAYS_PER_MONTH,
        stop=(rows["time_stop"] - rows["zero"]) / DAYS_PER_MONTH,
    )
    return {int(p): rows[rows["patient"] == p] for p in wanted}


def _order(lives: dict[int, pd.DataFrame]) -> list[int]:
    """Sort patients by the end of their first remission, longest first, then by the end of life and number."""

    def key(patient: int) -> tuple[float, float, int]:
        life = lives[patient]
        free = life.loc[life["event"].isin([journal.REMISSION, journal.TRANSPLANTED]), "stop"]
        return (-min(free.max() if len(free) else 0.0, END), -min(life["stop"].max(), END), patient)

    return sorted(lives, key=key)


def _seen(lives: dict[str, dict[int, pd.DataFrame]], patients: list[int]) -> set[int]:
    found: set[int] = set()
    for by_patient in lives.values():
        for patient in patients:
            life = by_patient.get(patient)
            if life is not None:
                found |= {int(e) for e in life.loc[(life["start"] <= END) & (life["stop"] >= 0), "event"]}
    return found - {journal.INFUSION}


def _alt(frames: Frames, pair: list[str], lives: dict[str, dict[int, pd.DataFrame]], patients: list[int]) -> str:
    parts = []
    for policy in pair:
        mine = [lives[policy][p] for p in patients if p in lives[policy]]
        count = {e: sum(bool(((x["event"] == e) & (x["start"] <= END)).any()) for x in mine) for e in MARKERS}
        parts.append(
            f"{frames.label(policy)}: {count[journal.HCT]} transplanted, {count[journal.RELAPSE]} relapsed, "
            f"{count[journal.DEATH]} dead"
        )
    return f"One bar per patient for {len(patients)} patients over {END:.0f} months. {'; '.join(parts)}."
