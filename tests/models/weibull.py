"""Competing Weibulls: three causes of death, each time drawn in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.draws import exponential
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

CAUSES: Final = 3
TIME: Final = 20  # the decision; one more a cause


@dataclass(slots=True)
class Person:
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * CAUSES)
    wants: int = 0
    holds: int = 0
    done: int = 0
    cause: int = -1


@dataclass
class Weibulls:
    form: list[float] = field(default_factory=lambda: [0.7, 1.5, 3.0])
    scale: list[float] = field(default_factory=lambda: [12.0, 10.0, 8.0])


def begin(p: Any, q: Any, j: Any) -> None:
    for cause in range(CAUSES):
        drawn = exponential(p.seed, p.number, TIME + cause, 0)
        p.next[cause] = q.scale[cause] * drawn ** (1.0 / q.form[cause])


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    p.cause = event
    p.done = 1
    note(p, j, event, p.t, p.t, 0)


def finish(p: Any, j: Any) -> None:
    note(p, j, CAUSES, p.t, p.t, 0)


PATHWAY: Final = Pathway("weibull", Person, begin, handle, finish)
