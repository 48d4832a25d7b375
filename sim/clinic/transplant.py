"""Allogeneic transplant: work-up, eligibility at the slot, conditioning, and what it does to leukaemia and patient."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import advance_clones, reduce_clones
from sim.biology.persistence import end_aplasia
from sim.clinic.course import (
    HCT_BIT,
    end_acute_gvhd,
    end_aplasia_record,
    end_chronic_gvhd,
    end_maintenance,
    end_neutropenia,
    end_salvage_course,
    end_ward_stay,
    enter_phase,
    retime_leukaemia,
    retime_mortality,
)
from sim.clinic.events import (
    ACUTE_GVHD,
    ACUTE_GVHD_END,
    APLASIA_END,
    BOOST,
    CHIMERISM,
    CHRONIC_GVHD,
    CHRONIC_GVHD_END,
    DISCHARGE,
    HCT_READY,
    HCT_TOO_LATE,
    LATE_EFFECT,
    MAINTENANCE_STOP,
    NEUTROPHIL_RECOVERY,
    POOL_DONOR_SEARCH,
    RELAPSE_SANCTUARY,
    SEARCH_END,
    SECOND_CANCER,
    TRANSPLANT_DEATH,
)
from sim.clinic.immunity import retime_infections
from sim.clinic.policy import TRANSPLANT, tbi_feasible
from sim.clock import set_rate
from sim.draws import normal, uniform
from sim.journal import note
from sim.kernel import INF
from sim.units import DAYS_PER_YEAR

SEARCH_BIT: Final = 1 << POOL_DONOR_SEARCH

TBI: Final = 1
CHEMOTHERAPY: Final = 2
REDUCED: Final = 3

_ACCEPTANCE: Final = _d.ACCEPTANCE
_WORKUP: Final = _d.WORKUP
_CONDITIONING: Final = _d.CONDITIONING
_HCT_KILL: Final = _d.HCT_KILL
_GVL: Final = _d.GRAFT_VERSUS_LEUKAEMIA
_TRANSPLANT_DEATH: Final = _d.TRANSPLANT_DEATH
_TRANSPLANT_DEATH_TIME: Final = _d.TRANSPLANT_DEATH_TIME
_SINUSOIDAL: Final = _d.SINUSOIDAL
_ACUTE_GVHD: Final = _d.ACUTE_GVHD
_CHRONIC_GVHD: Final = _d.CHRONIC_GVHD
_GVHD_DURATION: Final = _d.GVHD_DURATION

_SANCTUARY: Final = _d.SANCTUARY_CLEARED
_PRACTICE_TIME: Final = _d.TRIAL_PRACTICE_TIME
_MIXED: Final = _d.MIXED_CHIMERISM

_NOTE_HCT: Final = _j.HCT
_NOTE_SOS: Final = _j.SINUSOIDAL
_NOTE_INFERTILE: Final = _j.INFERTILITY
_NOTE_CANCELLED: Final = _j.CANCELLED
_PHASE_REMISSION: Final = _j.REMISSION
_PHASE_TRANSPLANTED: Final = _j.TRANSPLANTED
_PHASE_SALVAGE_TRANSPLANTED: Final = _j.SALVAGE_TRANSPLANTED

PRACTICE_TIMING: Final = 1


def second_hct_allowed(p: Any, q: Any, allowed: int) -> bool:
    """Tell whether a transplant would be the first, or the policy lets a patient have another after some time."""
    if p.prior_hct == 0 and p.hcts == 0:
        return True
    return allowed == 1 and p.hcts < q.most_hcts and p.t - p.last_hct >= q.hct_interval


def plan_transplant(p: Any, q: Any, j: Any, rule: int) -> bool:
    """Start the way to a transplant in remission, if there is a donor and the family agrees; tell whether it began.

    Where the rule emulates transplants that were done (``agreed``), donor and consent are not asked again.
    """
    if not second_hct_allowed(p, q, q.second_hct_in_remission):
        return False
    asked = q.rule_agreed[rule] == 0
    if asked and (p.refused == 1 or p.donor == 0):
        return False
    if asked and uniform(p.seed, p.number, _ACCEPTANCE, 0) >= q.hct_acceptance:
        p.refused = 1
        note(p, j, _NOTE_CANCELLED, p.t, p.t, TRANSPLANT)
        return False
    p.pending = TRANSPLANT
    p.pending_rule = rule
    p.pending_since = p.t
    p.salvage_hct = 0
    p.postponed = 0
    p.mrd_trigger = 1 if p.mrd_seen > 0 else 0
    begin_search(p, q, 0)
    if q.rule_timing[rule] == PRACTICE_TIMING:
        u = uniform(p.seed, p.number, _PRACTICE_TIME, 0)
        p.next[HCT_READY] = max(p.t, p.t_infusion + q.practice_hct_from + u * (q.practice_hct_to - q.practice_hct_from))
    elif q.rule_target[rule] > 0.0:
        soonest = p.t + q.shortest_workup + search_days(p, q)
        p.next[HCT_READY] = max(soonest, p.t_infusion + q.rule_target[rule])
    else:
        p.next[HCT_READY] = p.t + q.rule_after[rule] + workup_days(p, q)
    return True


def workup_days(p: Any, q: Any) -> float:
    """Work-up, donor search included unless the search began upfront."""
    return search_days(p, q) + q.workup * math.exp(q.workup_spread * normal(p.seed, p.number, _WORKUP, p.hcts))


def search_days(p: Any, q: Any) -> float:
    """Search for an unrelated donor, unless it began upfront."""
    return q.donor_search if p.donor == 2 and q.upfront_search == 0 else 0.0


def enter_transplant_unit(p: Any, q: Any, j: Any) -> None:
    """Life begins at a transplant, as in the trials of transplants; the cohort's burden is what is left before it."""
    p.clone_time = p.t
    p.pos_level = p.burden
    enter_phase(p, j, _PHASE_REMISSION)
    p.pending = TRANSPLANT
    p.pending_since = p.t
    ask_for_transplant(p, q)


def begin_search(p: Any, q: Any, upfront: int) -> None:
    """Ask for a search for an unrelated donor, once: at referral where it begins upfront, else when it is needed."""
    if p.donor == 2 and p.search == 0 and q.upfront_search == upfront:
        p.search = 1
        p.search_since = p.t
        p.wants |= SEARCH_BIT


def on_search(p: Any, q: Any) -> None:
    """The search begins; what waited for it goes on, later by the time in line."""
    p.search = 2
    p.next[SEARCH_END] = p.t + q.donor_search
    late = p.t - p.search_since
    if p.hct_due == 1:
        p.hct_due = 0
        p.next[HCT_READY] = p.t + q.donor_search
    elif late > 0.0 and q.upfront_search == 0 and p.next[HCT_READY] < INF:
        p.next[HCT_READY] += late


def end_search(p: Any) -> None:
    """The search is over."""
    p.holds &= ~SEARCH_BIT
    p.next[SEARCH_END] = INF


def ask_for_transplant(p: Any, q: Any) -> None:
    """Work-up done: ask for a slot on the transplant unit, unless the donor search has not even begun.

    No slot in time (`hct_patience`), no transplant.
    """
    if p.search == 1:
        p.hct_due = 1
    else:
        p.wants |= HCT_BIT
        p.next[HCT_TOO_LATE] = p.t + q.hct_patience


def obstacle(p: Any) -> bool:
    """Tell whether something stands against the transplant on the day of the slot."""
    return (
        p.fit_now == 0
        or p.infection_until > p.t
        or p.acute_gvhd_since < INF
        or p.neutropenic == 1
        or p.hs_start < INF
        or p.icu_since < INF
        or (p.crs_start < INF and p.crs_stop == INF)
    )


def postpone_or_cancel(p: Any, q: Any, j: Any) -> None:
    """Give the slot back; try again later, at most so many times."""
    p.holds &= ~HCT_BIT
    p.postponed += 1
    if p.postponed > q.postponements:
        note(p, j, _NOTE_CANCELLED, p.t, p.t, TRANSPLANT)
        p.pending = 0
        p.loss_open = 1 if p.aplasia_lost_seen != 0 else 0
        return
    p.next[HCT_READY] = p.t + q.postponement


def cancel_transplant(p: Any, j: Any) -> None:
    """Something else came first (relapse, death): no transplant now."""
    if p.pending == TRANSPLANT:
        note(p, j, _NOTE_CANCELLED, p.t, p.t, TRANSPLANT)
        p.pending = 0
    p.next[HCT_READY] = INF
    p.next[HCT_TOO_LATE] = INF
    p.hct_due = 0
    p.wants &= ~HCT_BIT


def choose_conditioning(p: Any, q: Any) -> int:
    """Choose total body irradiation, chemotherapy or reduced intensity."""
    if p.instability == 1:
        return REDUCED
    nth = p.hcts
    if tbi_feasible(p, q) and uniform(p.seed, p.number, _CONDITIONING, nth) < q.tbi_share:
        return TBI
    return CHEMOTHERAPY


def transplant(p: Any, q: Any, j: Any) -> None:
    """Transplant: leukaemia is cut back, the graft goes on killing, CAR T cells end, harms are drawn."""
    nth = p.hcts
    conditioning = choose_conditioning(p, q)
    another = p.prior_hct == 1 or p.hcts > 0
    end_ward_for_unit(p, j)
    hit_leukaemia(p, q, conditioning, nth)
    draw_harms(p, q, j, conditioning, nth, another)
    p.hcts += 1
    p.last_hct = p.t
    p.hct_conditioning = conditioning
    if conditioning == TBI:
        p.irradiated = 1
    p.pending = 0
    note(p, j, _NOTE_HCT, p.t, p.t, conditioning + (10 if another else 0))
    stop_car(p, j)
    p.next[NEUTROPHIL_RECOVERY] = INF
    p.next[BOOST] = INF
    end_neutropenia(p, j)
    end_maintenance(p, j)
    p.next[MAINTENANCE_STOP] = INF
    end_salvage_course(p, j)
    if p.salvage_hct == 1:
        p.t_salvage_hct = min(p.t_salvage_hct, p.t)
        enter_phase(p, j, _PHASE_SALVAGE_TRANSPLANTED)
    else:
        p.t_hct = min(p.t_hct, p.t)
        p.t_therapy = min(p.t_therapy, p.t)
        enter_phase(p, j, _PHASE_TRANSPLANTED)
    retime_leukaemia(p, q)
    retime_infections(p, q)
    retime_mortality(p, q)
    set_rate(p, LATE_EFFECT, 0.0 if p.late_effect == 1 else q.late_effect_hct)
    set_rate(p, SECOND_CANCER, 0.0 if p.second_cancer == 1 else q.second_cancer_hct)


def end_ward_for_unit(p: Any, j: Any) -> None:
    """Move from the ward to the transplant unit, where the slot is held for the whole stay."""
    slot = p.holds & HCT_BIT
    p.holds &= ~HCT_BIT
    end_ward_stay(p, j)
    p.holds |= slot


def stop_car(p: Any, j: Any) -> None:
    """Conditioning ends the CAR T cells."""
    end_aplasia_record(p, j)
    if p.car_active == 1:
        end_aplasia(p)
    p.next[APLASIA_END] = INF
    p.aplasia_stop = INF


def hit_leukaemia(p: Any, q: Any, conditioning: int, nth: int) -> None:
    """Conditioning takes off ``N(Lc, 1)`` log10; the graft then kills at ``V0 exp(sV z)`` (structure RS)."""
    advance_clones(p, q)
    if conditioning == TBI:
        depth = q.kill_tbi
        reach = q.sanctuary_tbi
    elif conditioning == CHEMOTHERAPY:
        depth = q.kill_chemotherapy
        reach = q.sanctuary_chemotherapy
    else:
        depth = q.kill_reduced
        reach = q.sanctuary_chemotherapy
    if p.mrd_trigger == 1:
        depth += q.cytoreduction
    reduce_clones(p, q, max(0.0, depth + q.kill_sd * normal(p.seed, p.number, _HCT_KILL, nth)))
    p.gvl = q.graft_effect * math.exp(q.graft_spread * normal(p.seed, p.number, _GVL, nth))
    if (p.prior_hct == 1 or p.hcts > 0) and q.second_hct_effect < 1.0:
        p.gvl *= q.second_hct_effect
    if uniform(p.seed, p.number, _SANCTUARY, nth) < reach:
        p.next[RELAPSE_SANCTUARY] = INF


def transplant_mortality(p: Any, q: Any, conditioning: int, another: bool, obstruction: bool) -> float:
    """Probability of dying of the transplant: ``1 - (1 - p)^r``, r by age, donor, conditioning, SOS."""
    base = q.trm_second if another else q.trm
    ratio = 1.0
    if not another:
        ratio *= q.trm_older if p.age + p.t / DAYS_PER_YEAR >= q.trm_age else q.trm_younger
        ratio *= q.trm_tbi if conditioning == TBI else q.trm_chemotherapy
    if p.donor == 3:
        ratio *= q.trm_haploidentical
    if obstruction:
        ratio *= q.trm_sos
    return 1.0 - math.pow(1.0 - base, ratio)


def draw_harms(p: Any, q: Any, j: Any, conditioning: int, nth: int, another: bool) -> None:
    """Draw the transplant's harms: SOS, mortality, acute and chronic GVHD, infertility, mixed chimerism."""
    risk = q.sos_inotuzumab if p.inotuzumab_given == 1 else q.sos
    obstruction = uniform(p.seed, p.number, _SINUSOIDAL, nth) < risk
    if obstruction:
        p.sos = 1
        note(p, j, _NOTE_SOS, p.t, p.t, 0)
    if uniform(p.seed, p.number, _TRANSPLANT_DEATH, nth) < transplant_mortality(
        p, q, conditioning, another, obstruction
    ):
        u = uniform(p.seed, p.number, _TRANSPLANT_DEATH_TIME, nth)
        p.next[TRANSPLANT_DEATH] = p.t + q.trm_from + u * (q.trm_to - q.trm_from)
    u = uniform(p.seed, p.number, _ACUTE_GVHD, nth)
    worse = q.gvhd_haploidentical if p.donor == 3 else (q.gvhd_unrelated if p.donor == 2 else 1.0)
    p.gvhd_grade = 3 if u < q.acute_gvhd_severe * worse else (2 if u < q.acute_gvhd_any * worse else 0)
    p.next[ACUTE_GVHD] = p.t + q.acute_gvhd_onset if p.gvhd_grade > 0 else INF
    young = p.age + p.t / DAYS_PER_YEAR < q.chronic_gvhd_age
    chance = (q.chronic_gvhd_young if young else q.chronic_gvhd) * worse
    p.next[CHRONIC_GVHD] = p.t + q.chronic_gvhd_onset if uniform(p.seed, p.number, _CHRONIC_GVHD, nth) < chance else INF
    if p.infertile == 0 and conditioning != REDUCED:
        p.infertile = 1
        note(p, j, _NOTE_INFERTILE, p.t, p.t, 0)
    if conditioning == REDUCED and uniform(p.seed, p.number, _MIXED, nth) < q.mixed_chimerism:
        p.mixed_chimerism = 1
        p.gvl *= q.mixed_chimerism_effect
        p.next[CHIMERISM] = p.t + q.chimerism_day


def begin_unit_stay(p: Any, q: Any) -> None:
    """The stay on the transplant unit begins; its slot is held until discharge."""
    p.ward_since = p.t
    p.ward_until = p.t + q.hct_stay
    p.next[DISCHARGE] = p.ward_until


def begin_acute_gvhd(p: Any, q: Any, j: Any, nth: int) -> None:
    """Acute GVHD begins."""
    end_acute_gvhd(p, j)
    p.acute_gvhd = max(p.acute_gvhd, p.gvhd_grade)
    p.acute_gvhd_since = p.t
    p.next[ACUTE_GVHD_END] = p.t + q.acute_gvhd_duration * math.exp(
        q.gvhd_duration_spread * normal(p.seed, p.number, _GVHD_DURATION, 2 * nth)
    )


def begin_chronic_gvhd(p: Any, q: Any, j: Any, nth: int) -> None:
    """Chronic GVHD begins (that of an earlier graft ends)."""
    end_chronic_gvhd(p, j)
    p.chronic_gvhd = 1
    p.chronic_gvhd_since = p.t
    p.next[CHRONIC_GVHD_END] = p.t + q.chronic_gvhd_duration * math.exp(
        q.gvhd_duration_spread * normal(p.seed, p.number, _GVHD_DURATION, 2 * nth + 1)
    )
