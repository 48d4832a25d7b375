"""The reduced pathway as handlers: infusion, response, aplasia, visits, HCT, relapse, infections, death. Days.

It has the shape of the project's own (budgets, a calendar, keyed draws, some fifty events a life) and none of its
detail. Its numbers are those of no trial: only the work matters here. ``loop.c`` and `bench.floor.by_hand` say the
same by hand; all three must agree to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from sim.clock import open_budgets, renew_budget, set_rate
from sim.draws import exponential, normal, uniform
from sim.engine.pathway import Pathway
from sim.journal import note
from sim.kernel import INF

# Events; the first three are fired by hazard budgets.
DEATH: Final = 0
RELAPSE: Final = 1
INFECTION: Final = 2
CAUSES: Final = 3
INFUSION: Final = 3
RESPONSE: Final = 4
APLASIA_END: Final = 5
VISIT: Final = 6
HCT: Final = 7
TRANSPLANT_DEATH: Final = 8
LEUKAEMIA_DEATH: Final = 9
EVENTS: Final = 10

# Random decisions.
WAIT: Final = 16
APLASIA: Final = 17
REMISSION: Final = 18
MISSED: Final = 19
ACCEPTANCE: Final = 20
MORTALITY: Final = 21
MORTALITY_TIME: Final = 22
SURVIVAL: Final = 23
FATALITY: Final = 24


@dataclass(slots=True)
class Patient:
    burden: float = -1.3
    number: int = 0
    seed: int = 1
    t: float = 0.0
    next: list[float] = field(default_factory=lambda: [INF] * EVENTS)
    budget: list[float] = field(default_factory=lambda: [1.0] * CAUSES)
    rate: list[float] = field(default_factory=lambda: [0.0] * CAUSES)
    since: list[float] = field(default_factory=lambda: [0.0] * CAUSES)
    occurrence: list[int] = field(default_factory=lambda: [0] * CAUSES)
    wants: int = 0
    holds: int = 0
    done: int = 0
    remission: int = 0
    decided: int = 0
    visits: int = 0
    infections: int = 0
    cause: int = -1  # the event that was fatal
    t_infusion: float = INF
    t_loss: float = INF
    t_hct: float = INF
    t_relapse: float = INF
    t_death: float = INF


@dataclass
class Numbers:
    """Rates are per day."""

    wait_median: float = 40.0
    wait_spread: float = 0.4
    loss_waiting: float = 0.002
    background: float = 0.00008
    response: float = 1.5
    response_burden: float = 0.4
    aplasia_median: float = 420.0
    aplasia_spread: float = 1.1
    relapse_aplasia: float = 0.0004
    relapse_lost: float = 0.0016
    relapse_hct: float = 0.0002
    infection_aplasia: float = 0.004
    infection_recovered: float = 0.0005
    fatality: float = 0.004
    missed: float = 0.08
    window: float = 183.0
    acceptance: float = 0.85
    workup: float = 60.0
    mortality: float = 0.09
    mortality_days: float = 200.0
    late_ratio: float = 3.0
    survival: float = 180.0


def begin(p: Any, q: Any, j: Any) -> None:
    open_budgets(p)
    p.next[INFUSION] = q.wait_median * math.exp(q.wait_spread * normal(p.seed, p.number, WAIT, 0))
    set_rate(p, DEATH, q.background + q.loss_waiting)


def on_infusion(p: Any, q: Any) -> None:
    p.t_infusion = p.t
    set_rate(p, DEATH, q.background)
    set_rate(p, INFECTION, q.infection_aplasia)
    p.next[APLASIA_END] = p.t + q.aplasia_median * math.exp(q.aplasia_spread * normal(p.seed, p.number, APLASIA, 0))
    p.next[RESPONSE] = p.t + 28.0


def on_response(p: Any, q: Any) -> None:
    share = 1.0 / (1.0 + math.exp(q.response_burden * p.burden - q.response))
    if uniform(p.seed, p.number, REMISSION, 0) < share:
        p.remission = 1
        set_rate(p, RELAPSE, q.relapse_aplasia if p.t_loss == INF else q.relapse_lost)
        p.next[VISIT] = p.t + 30.0
    else:
        expect_death(p, q)


def expect_death(p: Any, q: Any) -> None:
    """Overt leukaemia: nothing is planned any more."""
    p.remission = 0
    p.next[VISIT] = INF
    p.next[HCT] = INF
    p.next[LEUKAEMIA_DEATH] = p.t + q.survival * exponential(p.seed, p.number, SURVIVAL, 0)


def on_aplasia_end(p: Any, q: Any) -> None:
    p.t_loss = p.t
    set_rate(p, INFECTION, q.infection_recovered)
    if p.remission == 1:
        set_rate(p, RELAPSE, q.relapse_lost)


def on_visit(p: Any, q: Any) -> None:
    p.visits += 1
    since = p.t - p.t_infusion
    if since < 360.0:
        p.next[VISIT] = p.t + 30.0
    elif since < 1800.0:
        p.next[VISIT] = p.t + 90.0
    if p.decided == 0 and p.t_loss < INF and uniform(p.seed, p.number, MISSED, p.visits) >= q.missed:
        p.decided = 1
        if p.t_loss - p.t_infusion <= q.window and uniform(p.seed, p.number, ACCEPTANCE, 0) < q.acceptance:
            p.next[HCT] = p.t + q.workup


def on_hct(p: Any, q: Any) -> None:
    p.t_hct = p.t
    set_rate(p, RELAPSE, q.relapse_hct)
    set_rate(p, INFECTION, 0.0)
    set_rate(p, DEATH, q.late_ratio * q.background)
    if uniform(p.seed, p.number, MORTALITY, 0) < q.mortality:
        p.next[TRANSPLANT_DEATH] = p.t + q.mortality_days * uniform(p.seed, p.number, MORTALITY_TIME, 0)


def on_relapse(p: Any, q: Any) -> None:
    p.t_relapse = p.t
    set_rate(p, RELAPSE, 0.0)
    expect_death(p, q)


def on_infection(p: Any, q: Any) -> None:
    p.infections += 1
    renew_budget(p, INFECTION)
    if uniform(p.seed, p.number, FATALITY, p.infections) < q.fatality:
        die(p, INFECTION)


def die(p: Any, cause: int) -> None:
    p.cause = cause
    p.t_death = p.t
    p.done = 1


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    note(p, j, event, p.t, p.t, 0)
    if event == VISIT:
        on_visit(p, q)
    elif event == INFECTION:
        on_infection(p, q)
    elif event == INFUSION:
        on_infusion(p, q)
    elif event == RESPONSE:
        on_response(p, q)
    elif event == APLASIA_END:
        on_aplasia_end(p, q)
    elif event == HCT:
        on_hct(p, q)
    elif event == RELAPSE:
        on_relapse(p, q)
    else:
        die(p, event)


def finish(p: Any, j: Any) -> None:
    """Alive at the horizon: nothing to close."""


PATHWAY: Final = Pathway("reduced", Patient, begin, handle, finish)
