"""Competing exponentials: four causes of death at constant rates, each with its own budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.clock import open_budgets, set_rate
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

CAUSES: Final = 4
ALIVE: Final = -1


@dataclass(slots=True)
class Person:
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * CAUSES)
    budget: list[float] = field(default_factory=lambda: [1.0] * CAUSES)
    rate: list[float] = field(default_factory=lambda: [0.0] * CAUSES)
    since: list[float] = field(default_factory=lambda: [0.0] * CAUSES)
    occurrence: list[int] = field(default_factory=lambda: [0] * CAUSES)
    wants: int = 0
    holds: int = 0
    done: int = 0
    latent: list[float] = field(default_factory=lambda: [INF] * CAUSES)  # when each cause would have killed
    cause: int = ALIVE


@dataclass
class Rates:
    rates: list[float] = field(default_factory=lambda: [0.02, 0.05, 0.13, 0.0])


def begin(p: Any, q: Any, j: Any) -> None:
    open_budgets(p)
    for cause in range(CAUSES):
        set_rate(p, cause, q.rates[cause])
        p.latent[cause] = p.next[cause]


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    p.cause = event
    p.done = 1
    note(p, j, event, 0.0, p.t, 1)


def finish(p: Any, j: Any) -> None:
    note(p, j, CAUSES, 0.0, p.t, 0)


PATHWAY: Final = Pathway("exponentials", Person, begin, handle, finish)
