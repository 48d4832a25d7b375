"""Relapse and after: salvage by type of relapse, second remission, transplant if possible, palliation.

Two forms. Explicit: lines of salvage with a therapy each, a second remission whose residual disease regrows on the same
straight lines, transplant with its mortality. Implicit (structure RS): one draw says whether the patient is cured.
"""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.escape import NONRESPONDER
from sim.biology.leukaemia import OVERT, advance_clones, centred_burden, logistic, logit
from sim.biology.persistence import end_aplasia
from sim.clinic.beds import SALVAGE_COURSE, ask_for_course_bed, ask_for_slot
from sim.clinic.course import end_aplasia_record, end_salvage_course, enter_phase, retime_leukaemia
from sim.clinic.events import (
    APLASIA_END,
    COURSE_DIVERSION,
    HCT_READY,
    LEUKAEMIA_DEATH,
    MAINTENANCE_STOP,
    RELAPSE_SANCTUARY,
    SALVAGE_RESPONSE,
)
from sim.clinic.policy import TRANSPLANT
from sim.clinic.transplant import second_hct_allowed
from sim.draws import exponential, normal, uniform
from sim.kernel import INF
from sim.units import DAYS_PER_YEAR

#: Relapse types (`sim.patient.Patient.relapse_type`).
POSITIVE: Final = 1
NEGATIVE: Final = 2
SWITCH: Final = 3

BLINATUMOMAB: Final = 1
INOTUZUMAB: Final = 2
CD22_CAR: Final = 3
SECOND_CAR: Final = 4
CHEMOTHERAPY: Final = 5

_CHOICE: Final = _d.SALVAGE_CHOICE
_RESPONSE: Final = _d.SALVAGE_RESPONSE
_RESIDUAL: Final = _d.SALVAGE_RESIDUAL
_TRANSPLANT: Final = _d.SALVAGE_TRANSPLANT
_CURE: Final = _d.SALVAGE_CURE
_DEATH: Final = _d.LEUKAEMIA_DEATH
_NEXT: Final = _d.SALVAGE_NEXT
_SALVAGE_DEATH: Final = _d.SALVAGE_DEATH
_FITNESS_RESTORED: Final = _d.FITNESS_RESTORED

_PHASE_RELAPSED: Final = _j.RELAPSED
_PHASE_SECOND_REMISSION: Final = _j.SECOND_REMISSION
_PHASE_PALLIATIVE: Final = _j.PALLIATIVE


def stop_car_for_salvage(p: Any, j: Any) -> None:
    """Salvage ends what is left of the CAR T cells."""
    end_aplasia_record(p, j)
    if p.car_active == 1:
        end_aplasia(p)
    p.next[APLASIA_END] = INF
    p.aplasia_stop = INF


def begin_salvage(p: Any, q: Any, j: Any) -> None:
    """Overt leukaemia: enter salvage, explicit or implicit."""
    p.leukaemia = 1
    if p.phase != _PHASE_RELAPSED:
        enter_phase(p, j, _PHASE_RELAPSED)
    retime_leukaemia(p, q)
    if q.explicit == 1:
        begin_line(p, q, j)
    else:
        settle_implicitly(p, q, j)


def years_since_infusion(p: Any, q: Any) -> float:
    """Years from infusion to now, up to a limit; 0 without infusion."""
    if p.t_infusion == INF:
        return 0.0
    return min(q.late_limit, (p.t - p.t_infusion) / DAYS_PER_YEAR)


def settle_implicitly(p: Any, q: Any, j: Any) -> None:
    """Cure with one draw, or death after an exponential time (structure RS).

    ``logit = s0 + s_late min(t/12, 2) + s_e early - 3 switch - 1 after HCT``; after non-response ``s_nr + s_e early``
    and a shorter survival.
    """
    failed = p.cr == 0
    p.next[RELAPSE_SANCTUARY] = INF
    log_odds = q.salvage_nonresponse if failed else q.salvage_cure + q.salvage_late * years_since_infusion(p, q)
    log_odds += q.salvage_early * p.early - q.salvage_burden * max(0.0, centred_burden(p))
    if p.salvage_kind == SWITCH:
        log_odds -= q.salvage_switch
    if p.hcts > 0:
        log_odds -= q.salvage_after_hct
    if uniform(p.seed, p.number, _CURE, 0) < logistic(log_odds):
        p.pos_level = -INF
        p.neg_level = -INF
        p.leukaemia = 0
        enter_phase(p, j, _PHASE_SECOND_REMISSION)
        return
    median = q.survival_median * (q.survival_nonresponse if failed else 1.0)
    if p.salvage_kind == SWITCH:
        median *= q.survival_switch
    p.next[LEUKAEMIA_DEATH] = p.t + median / math.log(2.0) * exponential(p.seed, p.number, _DEATH, 0)


def choose_salvage(p: Any, q: Any) -> int:
    """Choose the salvage therapy by type of leukaemia; what aims at CD19 is for CD19+ leukaemia only.

    Who did not respond to blinatumomab gets inotuzumab in its place; the arm without CAR T has no CAR T in salvage.
    Chemotherapy is what the shares of the others leave of 1; shares of more than 1 together count in proportion.
    """
    u = uniform(p.seed, p.number, _CHOICE, p.salvage_line)
    if p.salvage_wish > 0:
        return p.salvage_wish
    if p.salvage_kind == SWITCH:
        return CHEMOTHERAPY
    if p.salvage_kind == NEGATIVE:
        u *= max(1.0, q.negative_inotuzumab + q.negative_cd22)
        if u < q.negative_inotuzumab:
            return INOTUZUMAB
        if u < q.negative_inotuzumab + q.negative_cd22:
            return CD22_CAR
        return CHEMOTHERAPY
    u *= max(1.0, q.positive_blinatumomab + q.positive_inotuzumab + q.positive_cd22 + q.positive_second_car)
    edge = q.positive_blinatumomab
    if u < edge:
        return INOTUZUMAB if p.blinatumomab == NONRESPONDER else BLINATUMOMAB
    edge += q.positive_inotuzumab
    if u < edge:
        return INOTUZUMAB
    edge += q.positive_cd22
    if u < edge and p.t_infusion < INF:
        return CD22_CAR
    edge += q.positive_second_car
    if u < edge and p.t_infusion < INF:
        return SECOND_CAR
    return CHEMOTHERAPY


def begin_line(p: Any, q: Any, j: Any) -> None:
    """Start the next line of salvage: it begins when there is a bed, and before it a slot where cells are made."""
    p.salvage_line += 1
    stop_car_for_salvage(p, j)
    p.salvage_therapy = choose_salvage(p, q)
    p.salvage_wish = 0
    if p.salvage_therapy == INOTUZUMAB:
        p.inotuzumab_given = 1
    p.course = SALVAGE_COURSE
    if p.salvage_therapy == CD22_CAR or p.salvage_therapy == SECOND_CAR:
        ask_for_slot(p)
    else:
        ask_for_course_bed(p)
    p.next[COURSE_DIVERSION] = p.t + q.course_patience


def begin_course(p: Any, q: Any) -> None:
    """The line's therapy begins."""
    p.salvage_since = p.t
    p.next[SALVAGE_RESPONSE] = p.t + q.salvage_course


def response_probability(p: Any, q: Any) -> float:
    """Probability that this line brings a second remission."""
    if p.salvage_therapy == BLINATUMOMAB:
        base = q.response_blinatumomab
    elif p.salvage_therapy == INOTUZUMAB:
        base = q.response_inotuzumab
    elif p.salvage_therapy == CD22_CAR:
        base = q.response_cd22
    elif p.salvage_therapy == SECOND_CAR:
        base = q.response_second_car
    else:
        base = q.response_chemotherapy
    log_odds = logit(base)
    if p.t_infusion < INF:
        log_odds += q.response_late * (years_since_infusion(p, q) - q.response_late_centre)
    log_odds -= q.response_early * p.early + q.response_line * (p.salvage_line - 1)
    burden = p.burden if p.t_infusion == INF else p.burden_now
    log_odds -= q.response_burden * max(0.0, burden - OVERT)
    if p.salvage_kind == SWITCH:
        log_odds -= q.response_switch
    if p.t_infusion < INF and p.cr == 0:
        log_odds -= q.response_refractory
    if p.hcts > 0:
        log_odds -= q.response_after_hct
    return logistic(log_odds)


def assess_salvage(p: Any, q: Any, j: Any) -> int:
    """Assess this line: 1 second remission, 2 another line, 0 no further attempt, -1 death of its toxicity.

    No remission while a CD19-negative clone that the therapy spares is above 5 %.
    """
    line = p.salvage_line
    end_salvage_course(p, j)
    if uniform(p.seed, p.number, _SALVAGE_DEATH, line) < q.salvage_death:
        return -1
    advance_clones(p, q)
    if spares_negative_clone(p) and p.neg_level >= OVERT:
        p.salvage_kind = SWITCH if p.switched == 1 else NEGATIVE
    elif uniform(p.seed, p.number, _RESPONSE, line) < response_probability(p, q):
        return 1
    p.salvage_therapy = 0
    if line < q.salvage_lines and uniform(p.seed, p.number, _NEXT, line) < q.salvage_next_line:
        return 2
    return 0


def enter_second_remission(p: Any, q: Any, j: Any) -> None:
    """Second remission: residual disease is held for a while, a transplant follows if it can."""
    line = p.salvage_line
    level = min(q.response_ceiling, q.residual + q.residual_spread * normal(p.seed, p.number, _RESIDUAL, line))
    leave_residual(p, q, level)
    p.leukaemia = 0
    if p.fit_now == 0 and uniform(p.seed, p.number, _FITNESS_RESTORED, line) < q.fitness_restored:
        p.fit_now = 1
    p.maintained = q.residual_hold * p.growth
    p.next[MAINTENANCE_STOP] = p.t + q.residual_hold_days
    enter_phase(p, j, _PHASE_SECOND_REMISSION)
    retime_leukaemia(p, q)
    willing = uniform(p.seed, p.number, _TRANSPLANT, line) < q.salvage_transplant
    if willing and p.fit_now == 1 and p.donor > 0 and second_hct_allowed(p, q, q.second_hct_after_relapse):
        p.pending = TRANSPLANT
        p.pending_rule = -1
        p.pending_since = p.t
        p.salvage_hct = 1
        p.mrd_trigger = 0
        p.postponed = 0
        p.next[HCT_READY] = p.t + q.salvage_workup


def spares_negative_clone(p: Any) -> bool:
    """Tell whether the salvage therapy aims at CD19 alone."""
    return p.salvage_therapy == BLINATUMOMAB or p.salvage_therapy == SECOND_CAR


def leave_residual(p: Any, q: Any, level: float) -> None:
    """Cut the leukaemia under salvage to `level`, and the other clone as deeply if the therapy reaches it.

    What aims at CD19 does not reach the CD19-negative clone.
    """
    advance_clones(p, q)
    kill = OVERT - level
    if p.salvage_kind > POSITIVE:
        p.pos_level = min(p.pos_level, OVERT) - kill
        p.neg_level = level
    else:
        p.pos_level = level
        if not spares_negative_clone(p):
            p.neg_level = min(p.neg_level, OVERT) - kill
    if p.pos_level < q.one_cell:
        p.pos_level = -INF
    if p.neg_level < q.one_cell:
        p.neg_level = -INF


def palliate(p: Any, q: Any, j: Any, nth: int) -> None:
    """No further attempt at cure: death of leukaemia after an exponential time."""
    enter_phase(p, j, _PHASE_PALLIATIVE)
    mean = q.palliative_median / math.log(2.0)
    p.next[LEUKAEMIA_DEATH] = p.t + mean * exponential(p.seed, p.number, _DEATH, nth)
