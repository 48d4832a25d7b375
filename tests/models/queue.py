"""A queue: wait for one of c servers, be served, leave; or lose patience and leave unserved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.clock import GRANT
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

END: Final = 0
RENEGE: Final = 1
SERVER: Final = 0  # the pool
SERVICE: Final = 10  # journal: a sojourn, as is WAIT
WAIT: Final = 11


@dataclass(slots=True)
class Customer:
    service: float = 1.0
    patience: float = INF
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * 2)
    wants: int = 0
    holds: int = 0
    done: int = 0
    began: float = INF  # when service began; infinite: never
    left: float = INF
    reneged: int = 0
    cut: int = 0  # still there at the horizon


@dataclass
class Nothing:
    unused: float = 0.0


def begin(p: Any, q: Any, j: Any) -> None:
    p.wants = 1 << SERVER
    p.next[RENEGE] = p.patience


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    if event == GRANT + SERVER:
        p.began = p.t
        p.next[RENEGE] = INF
        p.next[END] = p.t + p.service
        note(p, j, WAIT, 0.0, p.t, 1)
        return
    if event == END:
        note(p, j, SERVICE, p.began, p.t, 1)
        p.holds &= ~(1 << SERVER)
    else:
        note(p, j, WAIT, 0.0, p.t, 0)
        p.wants &= ~(1 << SERVER)
        p.reneged = 1
    p.left = p.t
    p.done = 1


def finish(p: Any, j: Any) -> None:
    if p.began < INF:
        note(p, j, SERVICE, p.began, p.t, 0)
    else:
        note(p, j, WAIT, 0.0, p.t, 0)
    p.left = p.t
    p.cut = 1
    p.wants = 0
    p.holds = 0


PATHWAY: Final = Pathway("queue", Customer, begin, handle, finish, ("server",))
