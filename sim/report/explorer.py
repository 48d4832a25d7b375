"""The patient explorer's data: a few patients' lives under every policy, small enough to travel within the page.

Lives that are the same under several policies are given once. Days are rounded to a tenth, levels to a hundredth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sim import journal
from sim.report import style, words
from sim.report.frames import Frames
from sim.report.lanes import SIGNS, STRIPS
from sim.report.life import portrait, span
from sim.report.swimmer import MARKERS

if TYPE_CHECKING:
    import pandas as pd

#: The frames that the explorer needs.
NEEDS: Final = tuple(f"explorer_{name}" for name in ("patients", "journal", "courses", "chosen", "limits"))
#: The data takes no more characters than this; the patients chosen last are left out beyond.
ROOM: Final = 600_000
#: How each clone is drawn: label, ink, dashes.
CLONES: Final[dict[str, tuple[str, style.Ink, str]]] = {
    "burden": ("marrow blasts before infusion", style.MUTED, "1.5 2.5"),
    "cd19_positive": ("CD19+ clone", style.RISKS["cif_relapse_cd19pos"], ""),
    "cd19_negative": ("CD19-negative clone (or lineage switch)", style.RISKS["cif_relapse_cd19neg"], "6 2.5"),
    "sanctuary": ("leukaemia in a sanctuary (CNS, extramedullary, testis)", style.OVERLAYS[journal.ICU], ""),
}
#: Names of the levels.
LIMITS: Final = {
    "overt": "5%: overt relapse",
    "flow": "limit of flow cytometry",
    "qpcr": "limit of qPCR",
    "ngs": "limit of NGS",
    "extinction": "extinction",
}
#: Levels that are drawn; the others stand in the tables of parameters.
_DRAWN: Final = ("overt", "flow", "ngs", "extinction")
#: matplotlib's markers by the shape that the script draws.
_SHAPES: Final = {
    "|": "bar",
    "D": "diamond",
    "^": "up",
    "X": "cross",
    "s": "square",
    "o": "dot",
    "v": "down",
    "+": "plus",
}
_STRIPS: Final = ("aplasia", "treatment", "harm")


class Life(NamedTuple):
    """A life, and the policies (by place) under which it is lived."""

    policies: list[int]
    rows: list[list[Any]]
    lines: list[list[Any]]
    end: str


class Explored(NamedTuple):
    """A chosen patient: number, why chosen, who it is, and the lives."""

    number: int
    why: str
    who: str
    lives: list[Life]


def explored(frames: Frames) -> list[Explored]:
    """Give the chosen patients with their lives, in the order of choice, as many as there is room for."""
    table = frames.explorer_chosen
    assert table is not None
    found: list[Explored] = []
    taken = 0
    for number, why in table[["patient", "why"]].itertuples(index=False):
        one = Explored(int(number), str(why), _who(frames, int(number)), _lives(frames, int(number)))
        taken += len(json.dumps(one))
        if found and taken > 0.95 * ROOM:
            break
        found.append(one)
    return found


def data(frames: Frames, paint: Callable[[str], str]) -> dict[str, Any]:
    """Put together what the script draws.

    Parameters
    ----------
    frames
        The frames of a run.
    paint
        Gives the class that stands for CSS declarations (`sim.report.svg.Sheet.name`).
    """
    patients = explored(frames)
    texts = _texts(frames, patients)
    events = sorted({row[0] for one in patients for life in one.lives for row in life.rows})
    table = frames.explorer_limits
    assert table is not None
    return {
        "policies": [
            {"label": frames.label(p), "ink": paint(f"fill:{style.stroke(p, frames.colour(p)).ink.light}")}
            for p in _policies(frames)
        ],
        "events": {event: _look(event, paint) for event in events},
        "clones": [
            {
                "label": label,
                "line": paint(
                    f"fill:none;stroke:{ink.light};stroke-width:2" + (f";stroke-dasharray:{dash}" * bool(dash))
                ),
                "fill": paint(f"fill:{ink.light}"),
            }
            for label, ink, dash in CLONES.values()
        ],
        "limits": [
            {"name": str(name), "label": LIMITS[str(name)], "level": float(level)}
            for name, level in table[["limit", "level"]].itertuples(index=False)
            if name in _DRAWN
        ],
        "texts": texts,
        "patients": [
            {
                "n": one.number,
                "why": one.why,
                "who": one.who,
                "lives": [
                    {"p": life.policies, "rows": life.rows, "lines": life.lines, "end": life.end} for life in one.lives
                ],
            }
            for one in patients
        ],
    }


def _policies(frames: Frames) -> list[str]:
    table = frames.explorer_journal
    assert table is not None
    there = set(table["policy"].unique())
    return [p for p in frames.policies if p in there]


def _lives(frames: Frames, number: int) -> list[Life]:
    """Give a patient's lives, each once, with the policies under which it is lived."""
    rows, lines = _of(frames.explorer_journal, number), _of(frames.explorer_courses, number)
    found: dict[str, Life] = {}
    for place, policy in enumerate(_policies(frames)):
        mine = rows[rows["policy"] == policy]
        life = Life(
            [],
            [list(row) for row in _rows(mine)],
            [list(line) for line in _lines(lines[lines["policy"] == policy])],
            ending(mine, frames),
        )
        found.setdefault(json.dumps(life), life).policies.append(place)
    return list(found.values())


def _of(table: pd.DataFrame | None, number: int) -> pd.DataFrame:
    assert table is not None
    return table[table["patient"] == number]


def _rows(rows: pd.DataFrame) -> Iterator[tuple[int, float, float, int]]:
    """Give journal rows with rounded days; the detail stays a number until `_texts`."""
    for event, start, stop, detail in rows[["event", "time_start", "time_stop", "detail"]].itertuples(index=False):
        yield int(event), _day(start), _day(stop), int(detail)


def _lines(lines: pd.DataFrame) -> Iterator[tuple[int, float, float, float | None, float | None, int]]:
    """Give a course: clone (by place), from, to, level at both (of a sanctuary: the day it is due), overt."""
    order = list(CLONES)
    for row in lines.to_dict("records"):
        start, stop = (_level(row[name]) for name in ("level_start", "level_stop"))
        if row["clone"] == "sanctuary":
            start = _day(row["due"])
        yield order.index(row["clone"]), _day(row["time_start"]), _day(row["time_stop"]), start, stop, int(row["overt"])


def _day(value: float) -> float:
    return round(float(value), 1)


def _level(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 2)


def ending(rows: pd.DataFrame, frames: Frames) -> str:
    """Say in a few words how a life ends: when, and of what."""
    deaths = rows[rows["event"] == journal.DEATH]
    if deaths.empty:
        last = float(rows["time_stop"].max()) if len(rows) else 0.0
        return f"alive after {span(last)}"
    day, detail = float(deaths["time_start"].iloc[0]), int(deaths["detail"].iloc[0])
    return f"{words.phrase(journal.DEATH, detail, frames.codes)}, {span(day)}"


def _texts(frames: Frames, patients: list[Explored]) -> list[str]:
    """List what is said of the rows, and put into each row the place of its text for the detail."""
    places: dict[str, int] = {}
    for one in patients:
        for life in one.lives:
            for row in life.rows:
                text = words.sentence(words.phrase(row[0], row[3], frames.codes))
                row[3] = places.setdefault(text, len(places))
    return list(places)


def _who(frames: Frames, number: int) -> str:
    found = _of(frames.explorer_patients, number)
    return portrait({str(k): v for k, v in found.iloc[0].items()}) if len(found) else ""


def _look(event: int, paint: Callable[[str], str]) -> dict[str, Any]:
    """Say how an event is drawn: as what, in which class, with which shape."""
    name = words.sentence(words.NAMES.get(event, words.event_name(event)))
    if event < journal.PHASES:
        return {"kind": "phase", "label": name, "paint": paint(f"fill:{style.PHASES[event].light}")}
    for strip, events in zip(_STRIPS, STRIPS, strict=True):
        if event in events:
            return {"kind": strip, "label": name, "paint": paint(f"fill:{style.OVERLAYS[event].light}")}
    for kind, marks in (("mark", MARKERS), ("sign", SIGNS)):
        if event in marks:
            marker, _, ink = marks[event]
            return {"kind": kind, "label": name, "paint": paint(_face(marker, ink)), "shape": _SHAPES[marker]}
    return {"kind": "told", "label": name}


def _face(marker: str, ink: style.Ink) -> str:
    """Write the CSS of a marker: open ones are lines, the others have a rim."""
    if marker in "|+":
        return f"fill:none;stroke:{ink.light};stroke-width:1.6"
    return f"fill:{ink.light};stroke:{style.TEXT.light};stroke-width:1"
