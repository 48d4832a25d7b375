"""A cure mixture: some are cured, the others have an excess hazard; all of them age. Years since the start.

Background mortality is a life table times a ratio that changes once; its budget is spent along the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.clock import open_budgets, set_rate
from sim.draws import uniform
from sim.engine.pathway import Pathway
from sim.evidence import cumulative_hazards
from sim.journal import note
from sim.kernel import INF
from sim.lifetable import AGES, age_at_hazard, cumulative_hazard

DISEASE: Final = 0
BACKGROUND: Final = 1
RATIO_CHANGE: Final = 2
EVENTS: Final = 3
CURED: Final = 20  # the decision


@dataclass(slots=True)
class Person:
    age: float = 12.0
    female: int = 0
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * EVENTS)
    budget: list[float] = field(default_factory=lambda: [1.0] * 2)
    rate: list[float] = field(default_factory=lambda: [0.0] * 2)
    since: list[float] = field(default_factory=lambda: [0.0] * 2)
    occurrence: list[int] = field(default_factory=lambda: [0] * 2)
    wants: int = 0
    holds: int = 0
    done: int = 0
    cured: int = 0
    cause: int = -1


@dataclass
class Mixture:
    cure: float = 0.55
    excess: float = 0.9  # per year, of those not cured
    ratio: float = 9.0
    later: float = 2.2  # ratio from `change` years on
    change: float = 15.0
    table: list[float] = field(default_factory=lambda: cumulative_hazards("US", "2019").ravel().tolist())


def retime(p: Any, q: Any, ratio: float) -> None:
    """Spend the background budget up to now, then go on at `ratio`."""
    offset = p.female * (AGES + 1)
    now = cumulative_hazard(q.table, offset, p.age + p.t)
    p.budget[BACKGROUND] -= p.rate[BACKGROUND] * (now - cumulative_hazard(q.table, offset, p.age + p.since[BACKGROUND]))
    p.since[BACKGROUND] = p.t
    p.rate[BACKGROUND] = ratio
    p.next[BACKGROUND] = age_at_hazard(q.table, offset, now + p.budget[BACKGROUND] / ratio) - p.age


def begin(p: Any, q: Any, j: Any) -> None:
    open_budgets(p)
    if uniform(p.seed, p.number, CURED, 0) < q.cure:
        p.cured = 1
    else:
        set_rate(p, DISEASE, q.excess)
    retime(p, q, q.ratio)
    p.next[RATIO_CHANGE] = q.change


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    if event == RATIO_CHANGE:
        retime(p, q, q.later)
    else:
        p.cause = event
        p.done = 1
        note(p, j, event, 0.0, p.t, p.cured)


def finish(p: Any, j: Any) -> None:
    note(p, j, EVENTS, 0.0, p.t, p.cured)


PATHWAY: Final = Pathway("cure", Person, begin, handle, finish)
