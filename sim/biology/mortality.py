"""Background and late mortality: a life table times a standardised mortality ratio that depends on transplants."""

from __future__ import annotations

from typing import Any, Final

from sim.journal import WAITING
from sim.kernel import INF
from sim.lifetable import AGES, age_at_hazard, cumulative_hazard
from sim.units import DAYS_PER_YEAR

#: The cause (and event) number of background death; equal to `sim.clinic.events.BACKGROUND_DEATH`.
CAUSE: Final = 2


def mortality_ratio(p: Any, q: Any) -> float:
    """Standardised mortality ratio now: by years since the latest transplant, if there ever was one."""
    if p.phase == WAITING and p.prior_hct == 0:
        return q.smr_untreated
    if p.last_hct == -INF or p.t < after_hct(p, q.smr_from):
        return q.smr_no_hct
    if p.t < after_hct(p, q.smr_until_first):
        return q.smr_hct_first
    if p.t < after_hct(p, q.smr_until_second):
        return q.smr_hct_second
    if p.t < after_hct(p, q.smr_until_third):
        return q.smr_hct_third
    return q.smr_hct_last


def after_hct(p: Any, years: float) -> float:
    """Time so many years after the latest transplant; computed here alone, so that a step counts from its own event."""
    return p.last_hct + years * DAYS_PER_YEAR


def next_ratio_change(p: Any, q: Any) -> float:
    """Time at which `mortality_ratio` changes next because time passes."""
    if p.last_hct == -INF:
        return INF
    for years in (q.smr_from, q.smr_until_first, q.smr_until_second, q.smr_until_third):
        when = after_hct(p, years)
        if when > p.t:
            return when
    return INF


def retime_background(p: Any, q: Any) -> float:
    """Spend the background budget up to now, go on at the present ratio, and return the time of death."""
    offset = p.female * (AGES + 1)
    birth = p.age
    before = cumulative_hazard(q.life_table, offset, birth + p.since[CAUSE] / DAYS_PER_YEAR)
    now = cumulative_hazard(q.life_table, offset, birth + p.t / DAYS_PER_YEAR)
    p.budget[CAUSE] -= p.rate[CAUSE] * (now - before)
    p.since[CAUSE] = p.t
    p.rate[CAUSE] = mortality_ratio(p, q)
    if p.rate[CAUSE] <= 0.0:
        return INF
    age = age_at_hazard(q.life_table, offset, now + max(0.0, p.budget[CAUSE]) / p.rate[CAUSE])
    return max(p.t, (age - birth) * DAYS_PER_YEAR)
