"""WARDEN's early breast cancer model, with its oddities. Years.

Times to first events are given; what depends on the course (second-line duration, adverse events) uses given uniforms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from models.present import flow, payment
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

# Events in WARDEN's order, which settles ties (its `start` happens in `begin`).
TTOT: Final = 0
TTOT_BEVA: Final = 1
PROGRESSION: Final = 2
OS: Final = 3
IDFS: Final = 4
TTOT_EARLY: Final = 5
REMISSION: Final = 6
RECURRENCE: Final = 7
START_MBC: Final = 8
AE: Final = 9
SECOND_LINE: Final = 10
EVENTS: Final = 11
BRIEF: Final = 0.0001


@dataclass(slots=True)
class Woman:
    arm: int = 0  # 1: intervention
    remits: int = 1
    first: list[float] = field(default_factory=lambda: [INF] * EVENTS)  # time of each event, as drawn
    u_early: float = 0.5  # for adverse events of early treatment,
    u_second: float = 0.5  # of second-line treatment,
    u_duration: float = 0.5  # and for the duration of the latter
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * EVENTS)
    wants: int = 0
    holds: int = 0
    done: int = 0
    ontx: int = 1
    idfs: int = 1
    mbc_on: int = 1
    prog: int = 1
    beva: int = 1
    mbc: int = 0
    second: int = 0
    rec: int = 0
    rem: int = 0
    adverse: int = 0  # adverse events still to come
    since: float = 0.0  # previous event
    utility_now: float = 0.0
    price_now: float = 0.0
    cost: float = 0.0
    qaly: float = 0.0
    life_years: float = 0.0
    events: list[int] = field(default_factory=lambda: [0] * EVENTS)


@dataclass
class Inputs:
    force: float = math.log(1.03)
    u_ontx: float = 0.75
    u_offtx: float = 1.0
    u_remission: float = 0.9
    u_recurrence: float = 0.7
    u_progression_free: float = 0.6
    u_progressed: float = 0.5
    c_ontx_int: float = 40000.0
    c_ontx: float = 30000.0
    c_beva: float = 10000.0
    c_base: float = 10000.0
    c_recurrence: float = 5000.0
    c_mbc: float = 3000.0
    c_progression_free: float = 20000.0
    c_progressed: float = 30000.0
    c_second: float = 20000.0
    c_adverse: float = 1000.0
    adverse_rate: float = 0.25
    second_rate: float = 0.08  # per month
    life_lost: float = 0.125


def utility(p: Any, q: Any) -> float:
    """Utility by state."""
    if p.idfs == 1:
        off = 1.0 - p.ontx
        return q.u_ontx * p.ontx + q.u_offtx * off * off
    if p.mbc == 0:
        return q.u_remission * p.rem + q.u_recurrence * p.rec
    return q.u_progression_free * p.prog + q.u_progressed * (1 - p.prog)


def price(p: Any, q: Any, event: int) -> float:
    """Cost a year that holds from `event` on."""
    if event == IDFS or event == TTOT_EARLY:  # noqa: SIM109
        if p.arm == 1:
            return q.c_ontx_int * p.ontx + q.c_beva * p.beva + q.c_base
        return q.c_ontx * p.ontx + q.c_base
    if event == REMISSION or event == RECURRENCE or event == START_MBC:  # noqa: SIM109
        return q.c_recurrence * p.rec
    return q.c_mbc * p.mbc_on + q.c_progression_free * p.prog + q.c_progressed * (1 - p.prog) + q.c_second * p.second


def poisson(u: float, mean: float) -> int:
    """Poisson quantile."""
    count = 0
    term = math.exp(-mean)
    below = term
    while below < u:
        count += 1
        term *= mean / count
        below += term
    return count


def begin(p: Any, q: Any, j: Any) -> None:
    for event in range(EVENTS):
        p.next[event] = p.first[event]
    p.rem = p.remits
    p.utility_now = utility(p, q)
    p.price_now = price(p, q, IDFS)


def draw_adverse(p: Any, q: Any, u: float, elapsed: float) -> None:
    """Adverse events of the treatment that ends now."""
    p.adverse = poisson(u, q.adverse_rate * elapsed)
    if p.adverse > 0:
        p.next[AE] = p.t + BRIEF
        p.adverse -= 1


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    elapsed = p.t - p.since
    p.cost += flow(p.price_now, p.since, p.t, q.force)
    p.qaly += flow(p.utility_now, p.since, p.t, q.force)
    p.life_years += flow(1.0, p.since, p.t, q.force)
    p.since = p.t
    p.utility_now = utility(p, q)
    p.price_now = price(p, q, event)
    p.events[event] += 1
    note(p, j, event, p.t, p.t, 0)
    if event == TTOT:
        p.mbc_on = 0
    elif event == TTOT_BEVA:
        p.beva = 0
    elif event == PROGRESSION:
        p.prog = 0
        p.second = 1
        p.next[SECOND_LINE] = p.t - math.log(1.0 - p.u_duration) / q.second_rate / 12.0
    elif event == OS:
        p.done = 1
    elif event == IDFS:
        p.idfs = 0
    elif event == TTOT_EARLY:
        p.ontx = 0
        p.beva = 0
        draw_adverse(p, q, p.u_early, elapsed)
    elif event == REMISSION:
        p.rem = 1
    elif event == RECURRENCE:
        p.rec = 1
        p.rem = 0
        p.mbc = 1
        p.prog = 1
    elif event == START_MBC:
        p.mbc = 1
        p.prog = 1
    elif event == SECOND_LINE:
        p.second = 0
        draw_adverse(p, q, p.u_second, elapsed)
    else:
        have_adverse_event(p, q)


def have_adverse_event(p: Any, q: Any) -> None:
    """An adverse event costs money and life."""
    p.cost += payment(q.c_adverse, p.t, q.force)
    p.next[OS] = max(p.next[OS] - q.life_lost, p.t + BRIEF)
    if p.adverse > 0:
        p.next[AE] = p.t
        p.adverse -= 1


def finish(p: Any, j: Any) -> None:
    note(p, j, EVENTS, p.t, p.t, 0)


PATHWAY: Final = Pathway("warden_ebc", Woman, begin, handle, finish)
