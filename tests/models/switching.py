"""A recurrent event whose rate changes at given times: on, off, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.clock import open_budgets, renew_budget, set_rate
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

EVENT: Final = 0
CHANGE: Final = 1
#: Stretches of time with a rate of their own.
STRETCHES: Final = 6


@dataclass(slots=True)
class Person:
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * 2)
    budget: list[float] = field(default_factory=lambda: [1.0])
    rate: list[float] = field(default_factory=lambda: [0.0])
    since: list[float] = field(default_factory=lambda: [0.0])
    occurrence: list[int] = field(default_factory=lambda: [0])
    wants: int = 0
    holds: int = 0
    done: int = 0
    stretch: int = 0
    count: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * STRETCHES)


@dataclass
class Rates:
    until: list[float] = field(default_factory=lambda: [2.0, 3.0, 5.0, 6.5, 8.0, INF])
    rates: list[float] = field(default_factory=lambda: [0.4, 0.0, 1.0, 0.0, 0.25, 0.7])
    renew: int = 1  # 0: forget to renew a budget that has fired


def begin(p: Any, q: Any, j: Any) -> None:
    open_budgets(p)
    set_rate(p, EVENT, q.rates[0])
    p.next[CHANGE] = q.until[0]


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    if event == EVENT:
        if q.renew == 1:
            renew_budget(p, EVENT)
        p.count += 1
        p.counts[p.stretch] += 1
        note(p, j, EVENT, p.t, p.t, p.stretch)
    else:
        p.stretch += 1
        set_rate(p, EVENT, q.rates[p.stretch])
        p.next[CHANGE] = q.until[p.stretch]


def finish(p: Any, j: Any) -> None:
    note(p, j, CHANGE, 0.0, p.t, p.count)


PATHWAY: Final = Pathway("switching", Person, begin, handle, finish)
