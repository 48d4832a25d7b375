"""The latent course of a life: where each clone stood, read off the patient after every event.

Clones move on straight lines in log space between events (`sim.biology.leukaemia`), so a course is a short list of
lines. The journal knows nothing of it: no decision may read it. It is read beside the pathway, which it leaves alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sim.clinic.events import RELAPSE_SANCTUARY
from sim.engine.pathway import Pathway
from sim.journal import TREATMENT, WAITING
from sim.kernel import INF

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.experiments.run import Block, Simulation

#: What has a course: marrow blasts before infusion, the two clones, and leukaemia in a sanctuary.
BURDEN, POSITIVE, NEGATIVE, SANCTUARY = "burden", "cd19_positive", "cd19_negative", "sanctuary"
#: Levels (log10) closer than this are one.
_SAME: Final = 1e-9


class Line(NamedTuple):
    """A straight piece of a course.

    Attributes
    ----------
    clone
        ``burden``, ``cd19_positive``, ``cd19_negative`` or ``sanctuary``.
    time_start, time_stop
        Days since referral.
    level_start, level_stop
        log10 of the fraction of marrow cells; NaN for a sanctuary, which has a time and no level in the model.
    due
        Day on which the leukaemia in the sanctuary comes to light if nothing reaches it; NaN for the others.
    overt
        1 while leukaemia is overt: then salvage decides, not the line.
    """

    clone: str
    time_start: float
    time_stop: float
    level_start: float
    level_stop: float
    due: float
    overt: int


class _Drawn(NamedTuple):
    """A line that goes on: its beginning, its level there, and its slope."""

    start: float
    level: float
    slope: float
    overt: int

    def at(self, day: float) -> float:
        return self.level + self.slope * (day - self.start)


class Watch:
    """Reads one patient's latent state after every event, and keeps it as lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._open: dict[str, _Drawn] = {}
        self._extinction = -INF

    def over(self, pathway: Pathway) -> Pathway:
        """Give the same pathway, watched."""

        def begin(p: Any, q: Any, j: Any) -> None:
            pathway.begin(p, q, j)
            self._look(p, q)

        def handle(p: Any, q: Any, j: Any, event: int) -> None:
            pathway.handle(p, q, j, event)
            self._look(p, q)

        def finish(p: Any, j: Any) -> None:
            pathway.finish(p, j)
            self._end(p.t)

        return dataclasses.replace(pathway, begin=begin, handle=handle, finish=finish)

    def _look(self, p: Any, q: Any) -> None:
        self._extinction = q.extinction
        if p.done == 1:
            self._end(p.t)
            return
        waiting = p.t_infusion == INF and p.leukaemia == 0 and p.phase in (WAITING, TREATMENT)
        self._see(BURDEN, p.t, _Drawn(p.t, p.burden_now, 0.0, 0) if waiting else None)
        for clone, level, slope in ((POSITIVE, p.pos_level, p.pos_slope), (NEGATIVE, p.neg_level, p.neg_slope)):
            now = level + slope * (p.t - p.clone_time)
            extinct = slope < 0.0 and now < q.extinction
            there = level > -INF and not extinct
            self._see(clone, p.t, _Drawn(p.t, now, slope, int(p.leukaemia)) if there else None)
        due = p.next[RELAPSE_SANCTUARY]
        self._see(SANCTUARY, p.t, _Drawn(p.t, due, 0.0, 0) if p.sanctuary > 0 and due < INF else None)

    def _see(self, clone: str, day: float, now: _Drawn | None) -> None:
        """Go on with the line of a clone, or end it and begin another."""
        before = self._open.get(clone)
        if before is not None and now is not None:
            same = before.slope == now.slope and before.overt == now.overt
            if same and abs(before.at(day) - now.level) < _SAME:
                return
        if before is not None:
            self._close(clone, before, day)
            del self._open[clone]
        if now is not None:
            self._open[clone] = now

    def _close(self, clone: str, line: _Drawn, day: float) -> None:
        """Write a line down; a falling one ends where the clone's last cell is gone."""
        if clone == SANCTUARY:
            self.lines.append(Line(clone, line.start, day, float("nan"), float("nan"), line.level, 0))
            return
        stop, level = day, line.at(day)
        if clone != BURDEN and line.slope < 0.0 and level < self._extinction:
            stop, level = line.start + (self._extinction - line.level) / line.slope, self._extinction
        if stop > line.start:
            self.lines.append(Line(clone, line.start, stop, line.level, level, float("nan"), line.overt))

    def _end(self, day: float) -> None:
        for clone, line in self._open.items():
            self._close(clone, line, day)
        self._open.clear()


def relived(simulation: Simulation, number: int) -> tuple[Block, dict[str, list[Line]]]:
    """Live one patient's lives again under every policy, watched.

    Returns
    -------
    tuple
        The block with the patient's records and journal, and by policy the lines of the latent course.
    """
    watches = {policy: Watch() for policy in simulation.values}
    block = simulation.one(number, lambda policy, pathway: watches[policy].over(pathway))
    return block, {policy: watch.lines for policy, watch in watches.items()}


def course_table(courses: Mapping[int, Mapping[str, list[Line]]]) -> pa.Table:
    """Lay courses out as a table: policy, patient, then the fields of `Line`.

    Parameters
    ----------
    courses
        Patient's number -> policy -> lines.
    """
    import pyarrow as pa

    keys = [(policy, number) for policy in sorted(next(iter(courses.values()), {})) for number in sorted(courses)]
    rows = [(policy, number, *line) for policy, number in keys for line in courses[number][policy]]
    types = {
        "policy": pa.string(),
        "patient": pa.int64(),
        "clone": pa.string(),
        **dict.fromkeys(Line._fields[1:6], pa.float64()),
        "overt": pa.int8(),
    }
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return pa.table({name: pa.array(column, kind) for (name, kind), column in zip(types.items(), columns, strict=True)})
