"""Blood and immunity after CAR T: neutropenia (ICAHT), immunoglobulins, infections."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import centred_burden, logistic
from sim.clinic.course import OF_INFECTION, die, end_neutropenia, in_remission, stay_in_ward
from sim.clinic.events import BOOST, IGG_START, INFECTION, INFECTION_PHASE, NEUTROPHIL_RECOVERY
from sim.clock import set_rate
from sim.draws import normal, uniform
from sim.journal import note
from sim.kernel import INF

_NEUTROPENIA_CLASS: Final = _d.NEUTROPENIA_CLASS
_NEUTROPENIA: Final = _d.NEUTROPENIA
_BOOST: Final = _d.BOOST
_IGG: Final = _d.IGG
_INFECTION_SEVERITY: Final = _d.INFECTION_SEVERITY
_INFECTION_STAY: Final = _d.INFECTION_STAY
_INFECTION_DEATH: Final = _d.INFECTION_DEATH

_NOTE_BOOST: Final = _j.BOOST
_NOTE_INFECTION: Final = _j.INFECTION
_TREATMENT: Final = _j.TREATMENT
_REMISSION: Final = _j.REMISSION
_TRANSPLANTED: Final = _j.TRANSPLANTED


def begin_neutropenia(p: Any, q: Any) -> None:
    """ANC < 500 from infusion on: a mixture of a typical recovery and a persistent class."""
    severe = 1.0 if p.crs_grade >= 3 else 0.0
    chance = logistic(
        q.persistent_neutropenia
        + q.persistent_neutropenia_burden * centred_burden(p)
        + q.persistent_neutropenia_crs * severe
    )
    z = normal(p.seed, p.number, _NEUTROPENIA, 0)
    if uniform(p.seed, p.number, _NEUTROPENIA_CLASS, 0) < chance:
        p.neutropenia_days = q.neutropenia_long * math.exp(q.neutropenia_long_spread * z)
    else:
        p.neutropenia_days = q.neutropenia * math.exp(
            q.neutropenia_spread * z + q.neutropenia_burden * centred_burden(p)
        )
    p.neutropenic = 1
    p.neutropenia_start = p.t
    p.next[NEUTROPHIL_RECOVERY] = p.t + p.neutropenia_days
    if q.boost == 1 and p.prior_hct == 1 and p.neutropenia_days > q.boost_day:
        p.next[BOOST] = p.t + q.boost_day


def give_boost(p: Any, q: Any, j: Any) -> None:
    """Give CD34+ selected cells of the earlier donor for severe persistent neutropenia."""
    if not in_remission(p) or p.neutropenic == 0:
        return
    p.boosted = 1
    note(p, j, _NOTE_BOOST, p.t, p.t, 0)
    if uniform(p.seed, p.number, _BOOST, 0) < q.boost_success:
        sooner = p.t + q.boost_recovery
        if sooner < p.next[NEUTROPHIL_RECOVERY]:
            p.next[NEUTROPHIL_RECOVERY] = sooner
            p.neutropenia_days = sooner - p.neutropenia_start


def recover_neutrophils(p: Any, q: Any, j: Any) -> None:
    """Neutrophils recover; infections become rarer."""
    end_neutropenia(p, j)
    retime_infections(p, q)


def begin_immune_phase(p: Any, q: Any) -> None:
    """Start the infection clock at infusion, and see whose IgG falls below the replacement threshold."""
    p.low_igg = 1 if uniform(p.seed, p.number, _IGG, 0) < q.low_igg else 0
    plan_igg(p, q)
    p.infection_phase = 0
    p.next[INFECTION_PHASE] = p.t + q.infection_early_until
    retime_infections(p, q)


def plan_igg(p: Any, q: Any) -> None:
    """Plan immunoglobulin replacement for those who need it and get it, at every start of aplasia."""
    if p.low_igg == 1 and uniform(p.seed, p.number, _IGG, 1) < q.igg_replaced:
        p.next[IGG_START] = p.t + q.igg_start


def advance_immune_phase(p: Any, q: Any) -> None:
    """Go from day 0-28 to 29-90 to later to the years covered by the mortality ratio."""
    p.infection_phase += 1
    if p.infection_phase == 1:
        p.next[INFECTION_PHASE] = p.t_infusion + q.infection_middle_until
    elif p.infection_phase == 2:
        p.next[INFECTION_PHASE] = p.t_infusion + q.infection_late_until
    retime_infections(p, q)


def infection_rate(p: Any, q: Any) -> float:
    """Infections per day: by period, then by aplasia; multiplied by the patient's risks.

    Leukaemia under salvage and transplants have their own mortality, infections included; from `infection_late_until`
    on the mortality ratio of long-term survivors does.
    """
    if p.t_infusion == INF or not (p.phase == _TREATMENT or p.phase == _REMISSION):
        return 0.0
    if p.infection_phase == 0:
        rate = q.infection_early
    elif p.infection_phase == 1:
        rate = q.infection_middle
    elif p.infection_phase > 2:
        return 0.0
    elif p.car_active == 1:
        rate = q.infection_late
    else:
        rate = q.infection_recovered
    if p.prior_hct == 1:
        rate *= q.infection_prior_hct
    if p.low_igg == 1 and p.car_active == 1 and p.igg_since == INF:
        rate *= q.infection_low_igg
    if p.crs_grade >= 3 and p.infection_phase < 2:
        rate *= q.infection_crs
    if p.neutropenic == 1 and p.infection_phase > 0:
        rate *= q.infection_neutropenic
    return rate


def retime_infections(p: Any, q: Any) -> None:
    """After a change of state: the new infection rate."""
    if q.acute == 1:
        set_rate(p, INFECTION, infection_rate(p, q))


def have_infection(p: Any, q: Any, j: Any) -> None:
    """An infection: mild, or severe with a hospital stay and a risk of death."""
    nth = p.infections
    p.infections += 1
    if p.infection_phase == 0:
        p.infections_early += 1
    elif p.infection_phase == 1:
        p.infections_middle += 1
    if uniform(p.seed, p.number, _INFECTION_SEVERITY, nth) >= q.infection_severe:
        note(p, j, _NOTE_INFECTION, p.t, p.t, 1)
        p.infection_until = max(p.infection_until, p.t + q.infection_mild_days)
        return
    p.severe_infections += 1
    note(p, j, _NOTE_INFECTION, p.t, p.t, 2)
    stay = q.infection_stay * math.exp(q.infection_stay_spread * normal(p.seed, p.number, _INFECTION_STAY, nth))
    p.infection_until = max(p.infection_until, p.t + stay)
    stay_in_ward(p, q, p.t + stay)
    if uniform(p.seed, p.number, _INFECTION_DEATH, nth) < q.infection_death:
        die(p, j, OF_INFECTION)


def start_igg(p: Any, q: Any) -> None:
    """Start immunoglobulin replacement; it goes on while aplasia lasts."""
    if p.car_active == 1 and in_remission(p):
        p.igg_since = p.t
    retime_infections(p, q)
