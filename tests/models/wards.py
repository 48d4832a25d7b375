"""Two pools: a ward bed, then an intensive-care bed while the ward bed is kept; death may come at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.clock import GRANT
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

DEATH: Final = 0
WORSE: Final = 1
BETTER: Final = 2
HOME: Final = 3
WARD: Final = 0
ICU: Final = 1
STAY: Final = 10  # journal: STAY + pool


@dataclass(slots=True)
class Patient:
    before: float = 1.0  # days in the ward before intensive care is needed (infinite: never)
    intensive: float = 1.0  # days of intensive care
    after: float = 1.0  # days in the ward from then on, or in all
    death: float = INF
    both: int = 0  # asks for both beds at once
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * 4)
    wants: int = 0
    holds: int = 0
    done: int = 0
    admitted: float = INF
    to_icu: float = INF
    out_of_icu: float = INF
    left: float = INF
    died: int = 0
    cut: int = 0


@dataclass
class Nothing:
    unused: float = 0.0


def begin(p: Any, q: Any, j: Any) -> None:
    p.wants = 1 << WARD
    if p.both == 1:
        p.wants |= 1 << ICU
    p.next[DEATH] = p.death


def on_bed(p: Any) -> None:
    p.admitted = p.t
    if p.both == 1:
        if p.to_icu < INF:
            p.next[BETTER] = p.t + p.intensive
    elif p.before < INF:
        p.next[WORSE] = p.t + p.before
    else:
        p.next[HOME] = p.t + p.after


def on_icu_bed(p: Any) -> None:
    p.to_icu = p.t
    if p.admitted < INF:
        p.next[BETTER] = p.t + p.intensive


def leave(p: Any, j: Any) -> None:
    if p.to_icu < INF and p.out_of_icu == INF:
        p.out_of_icu = p.t
        note(p, j, STAY + ICU, p.to_icu, p.t, 0)
    if p.admitted < INF:
        note(p, j, STAY + WARD, p.admitted, p.t, 0)
    p.left = p.t
    p.wants = 0
    p.holds = 0
    p.done = 1


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    if event == GRANT + WARD:
        on_bed(p)
    elif event == GRANT + ICU:
        on_icu_bed(p)
    elif event == WORSE:
        p.wants |= 1 << ICU
    elif event == BETTER:
        p.out_of_icu = p.t
        note(p, j, STAY + ICU, p.to_icu, p.t, 1)
        p.holds &= ~(1 << ICU)
        p.next[HOME] = p.t + p.after
    else:
        if event == DEATH:
            p.died = 1
        leave(p, j)


def finish(p: Any, j: Any) -> None:
    leave(p, j)
    p.cut = 1


PATHWAY: Final = Pathway("wards", Patient, begin, handle, finish, ("ward", "icu"))
