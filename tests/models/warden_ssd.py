"""WARDEN's Sick-Sicker-Dead: getting sicker takes a fifth of the remaining life. Years."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from models.present import flow
from sim.draws import exponential
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

SICKER: Final = 0
DEATH: Final = 1
DRAW: Final = 20  # the decision; one more an event
SICK: Final = 0


@dataclass(slots=True)
class Person:
    sicker: float = -1.0  # years to getting sicker and to death; negative: to be drawn
    death: float = -1.0
    arm: int = 0  # 1: intervention
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * 2)
    wants: int = 0
    holds: int = 0
    done: int = 0
    state: int = SICK
    since: float = 0.0
    cost: float = 0.0
    qaly: float = 0.0
    life_years: float = 0.0


@dataclass
class Inputs:
    rate_sicker: float = 0.2
    rate_death: float = 0.05
    hazard_ratio: float = 0.7
    life_left: float = 0.8
    force: float = math.log(1.035)
    utility: list[float] = field(default_factory=lambda: [0.8, 0.5])
    cost: list[float] = field(default_factory=lambda: [3000.0, 7000.0])
    treatment: float = 1000.0


def begin(p: Any, q: Any, j: Any) -> None:
    if p.death < 0.0:
        ratio = q.hazard_ratio if p.arm == 1 else 1.0
        p.sicker = exponential(p.seed, p.number, DRAW + SICKER, 0) / (q.rate_sicker * ratio)
        p.death = exponential(p.seed, p.number, DRAW + DEATH, 0) / q.rate_death
    p.next[SICKER] = p.sicker
    p.next[DEATH] = p.death


def value_state(p: Any, q: Any, j: Any) -> None:
    """Value the time spent in the state that ends now."""
    price = q.cost[p.state] + (q.treatment if p.arm == 1 else 0.0)
    p.cost += flow(price, p.since, p.t, q.force)
    p.qaly += flow(q.utility[p.state], p.since, p.t, q.force)
    p.life_years += flow(1.0, p.since, p.t, q.force)
    note(p, j, p.state, p.since, p.t, p.arm)
    p.since = p.t


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    value_state(p, q, j)
    if event == SICKER:
        p.state = 1
        p.next[DEATH] = max(p.t, p.t + (p.next[DEATH] - p.t) * q.life_left)
    else:
        p.done = 1


def finish(p: Any, j: Any) -> None:
    note(p, j, p.state, p.since, p.t, p.arm)


PATHWAY: Final = Pathway("warden_ssd", Person, begin, handle, finish)
