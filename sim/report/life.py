"""One patient's life under every policy, told in words.

The lives of one patient share their beginning: the table tells it once, and splits where the policies part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sim import journal
from sim.report import words
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from sim.report.frames import Frames

#: A sojourn shorter than this many days is told in one line, a longer one by its beginning and its end.
SHORT: Final = 60.0
#: What comes first on one day: what happened, the phase that follows, what is decided, what goes with it.
_POINT, _PHASE, _DECISION, _OVERLAY = range(4)


class Moment(NamedTuple):
    """Something that happens: the day since referral, and what it is in plain words."""

    day: float
    words: str


class Chapter(NamedTuple):
    """A stretch of life that `policies` share; `depth` counts the partings before it."""

    policies: tuple[str, ...]
    depth: int
    moments: tuple[Moment, ...]


def moments(rows: pd.DataFrame, codes: Mapping[str, Sequence[Any]] | None = None) -> tuple[Moment, ...]:
    """Tell one life: the rows of one patient under one policy, in order of time.

    Routine visits are left out; what they find is told. A sojourn that death ends has no end of its own.
    """
    found: list[tuple[float, int, int, str]] = []
    last = float(rows["time_stop"].max()) if len(rows) else 0.0
    for code, start, stop, detail in rows[["event", "time_start", "time_stop", "detail"]].itertuples(index=False):
        event = int(code)
        text = words.phrase(event, int(detail), codes)
        if event == journal.VISIT:
            continue
        if event < journal.PHASES:
            found.append((start, _PHASE, event, f"→ {text}"))
        elif stop == start:
            found.append((start, _DECISION if event == journal.DECISION else _POINT, event, text))
        elif stop - start < SHORT:
            found.append((start, _OVERLAY, event, f"{text}, {_days(stop - start)}"))
        else:
            found.append((start, _OVERLAY, event, f"{text} begins"))
            if stop < last:
                found.append((stop, _OVERLAY, event, f"{text} ends after {span(stop - start)}"))
    return tuple(Moment(day, text) for day, _, _, text in sorted(found))


def chapters(rows: pd.DataFrame, codes: Mapping[str, Sequence[Any]] | None = None) -> list[Chapter]:
    """Tell one patient's lives under all policies, once where they are the same.

    Parameters
    ----------
    rows
        The patient's journal: columns policy, event, time_start, time_stop, detail.
    codes
        Names of the clinic's codes, see `sim.report.words.detail_words`.

    Returns
    -------
    list of Chapter
        Depth first: what all share, then each branch with its own branches behind it.
    """
    order = list(dict.fromkeys(rows["policy"]))
    lives = {str(p): moments(rows[rows["policy"] == p], codes) for p in order}
    return _branch(lives, 0, 0)


def _branch(lives: dict[str, tuple[Moment, ...]], told: int, depth: int) -> list[Chapter]:
    """Tell what all these lives share from moment `told` on, then part by what comes next."""
    first, *others = lives.values()
    shared = told
    while shared < len(first) and all(shared < len(o) and o[shared] == first[shared] for o in others):
        shared += 1
    result = [Chapter(tuple(lives), depth, first[told:shared])] if shared > told else []
    groups: dict[Moment | None, dict[str, tuple[Moment, ...]]] = {}
    for policy, life in lives.items():
        groups.setdefault(life[shared] if shared < len(life) else None, {})[policy] = life
    for following, members in groups.items():
        if following is not None:
            result += _branch(members, shared, depth + 1)
    return result


def span(days: float) -> str:
    """Say a duration in the unit that suits it."""
    if days < SHORT:
        return _days(days)
    if days < 2 * DAYS_PER_YEAR:
        return f"{days / DAYS_PER_MONTH:.1f} months"
    return f"{days / DAYS_PER_YEAR:.1f} years"


def _days(days: float) -> str:
    whole = max(1, round(days))
    return f"{whole} day" if whole == 1 else f"{whole} days"


def heading(chapter: Chapter, labels: Mapping[str, str], total: int) -> str:
    """Name the policies of a chapter."""
    names = [labels.get(p, p.replace("_", " ")) for p in chapter.policies]
    if len(names) == total and total > 1:
        return f"Under all {total} policies"
    return f"Under {', '.join(names)}"


def infusion_day(rows: pd.DataFrame) -> float:
    """Give the day of the first infusion; infinite when there is none."""
    found = rows.loc[rows["event"] == journal.INFUSION, "time_start"]
    return float(found.min()) if len(found) else math.inf


def since(day: float, infusion: float) -> str:
    """Say how long before or after the infusion a day is."""
    if math.isinf(infusion):
        return ""
    return f"{'-' if day < infusion else '+'}{span(abs(day - infusion))}" if round(day) != round(infusion) else "day 0"


def life_table(
    rows: pd.DataFrame,
    labels: Mapping[str, str] | None = None,
    codes: Mapping[str, Sequence[Any]] | None = None,
) -> Table:
    """Set one patient's lives in a table for the terminal.

    Parameters
    ----------
    rows
        Journal of one patient: columns policy, patient, event, time_start, time_stop, detail.
    labels
        Display name of each policy.
    codes
        Names of the clinic's codes (products, actions, pools, therapies).

    Returns
    -------
    rich.table.Table
        A section per chapter. Text only: nothing in it is read as markup.
    """
    from rich.table import Table
    from rich.text import Text

    patients = sorted({int(p) for p in rows["patient"]})
    title = f"Patient {', '.join(map(str, patients))}: what happens under each policy"
    table = Table(title=Text(title), title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("Day", justify="right", no_wrap=True)
    table.add_column("Since infusion", justify="right", no_wrap=True)
    table.add_column("What happens", ratio=1)
    infusion, total = infusion_day(rows), rows["policy"].nunique()
    for chapter in chapters(rows, codes):
        indent = "  " * chapter.depth
        table.add_section()
        table.add_row("", "", Text(indent + heading(chapter, labels or {}, total), style="bold"))
        for moment in chapter.moments:
            table.add_row(f"{moment.day:.0f}", since(moment.day, infusion), Text(indent + moment.words))
    table.caption = "Days since referral. Routine visits are left out."
    return table


def life_table_text(
    rows: pd.DataFrame,
    labels: Mapping[str, str] | None = None,
    codes: Mapping[str, Sequence[Any]] | None = None,
    width: int = 110,
) -> str:
    """Give `life_table` as plain text, `width` characters wide."""
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None, force_terminal=False, highlight=False)
    console.print(life_table(rows, labels, codes))
    return console.file.getvalue()  # type: ignore[attr-defined]


def life_text(frames: Frames, patient: int, width: int = 110) -> str:
    """Tell a patient of a run's journal as text, with the run's labels and names; see `life_table`.

    Parameters
    ----------
    frames
        `sim.report.frames.Frames` with a journal.
    patient
        The patient's number.
    width
        Characters per line.

    Raises
    ------
    ValueError
        When the journal has no such patient.
    """
    rows = patient_rows(frames, patient)
    if rows.empty:
        raise ValueError(f"patient {patient} is not in the journal")
    return life_table_text(rows, {p: frames.label(p) for p in frames.policies}, frames.codes, width)


def patient_rows(frames: Frames, patient: int) -> pd.DataFrame:
    """Give one patient's journal, policies in display order."""
    import pandas as pd

    return pd.concat([rows[rows["patient"] == patient] for rows in frames.journals.values()])


def portrait(patient: Mapping[str, Any]) -> str:
    """Describe a patient before CAR T in one line, from the published fields of `sim.patient.Patient` that are there.

    Parameters
    ----------
    patient
        Field name -> value.
    """
    parts = []
    if "age" in patient:
        sex = {0: "male", 1: "female"}.get(patient.get("female", -1), "")
        parts.append(f"{patient['age']:.1f} years old{', ' + sex if sex else ''}")
    for name, labels in words.TRAITS.items():
        label = labels.get(int(patient[name]), "") if name in patient else ""
        parts += [label] if label else []
    return "; ".join(parts)
