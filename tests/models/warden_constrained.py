"""WARDEN's constrained Sick-Sicker-Dead: the sicker want one of the beds; who must queue dies sooner. Years."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from models.warden_ssd import Inputs, value_state
from sim.clock import GRANT
from sim.engine.pathway import Pathway
from sim.kernel import INF

SICKER: Final = 0
REFUSED: Final = 1  # no bed was free at once
DEATH: Final = 2
BED: Final = 0  # the pool

__all__ = ["PATHWAY", "Inputs", "Person"]


@dataclass(slots=True)
class Person:
    sicker: float = 1.0
    death: float = 1.0
    arm: int = 0
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * 3)
    wants: int = 0
    holds: int = 0
    done: int = 0
    state: int = 0
    since: float = 0.0
    queued: int = 0
    cost: float = 0.0
    qaly: float = 0.0
    life_years: float = 0.0


def begin(p: Any, q: Any, j: Any) -> None:
    p.next[SICKER] = p.sicker
    p.next[DEATH] = p.death


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    if event == GRANT + BED:
        p.next[REFUSED] = INF
    elif event == SICKER:
        value_state(p, q, j)
        p.state = 1
        p.wants = 1 << BED
        p.next[REFUSED] = p.t
    elif event == REFUSED:
        p.queued = 1
        p.next[DEATH] = max(p.t, q.life_left * p.next[DEATH])
    else:
        value_state(p, q, j)
        p.wants = 0
        p.holds = 0
        p.done = 1


def finish(p: Any, j: Any) -> None:
    p.wants = 0
    p.holds = 0


PATHWAY: Final = Pathway("warden_constrained", Person, begin, handle, finish, ("bed",))
