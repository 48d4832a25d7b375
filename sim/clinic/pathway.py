"""The pathway: the events in order, and what happens at each. It reads from top to bottom like a patient's chart.

`begin` puts a patient at referral; `handle` is called by an engine for whichever event comes next. Whatever comes
first, comes first: death while queueing or relapse during a work-up need no code of their own.
"""

from __future__ import annotations

from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.escape import seed_sanctuary
from sim.biology.leukaemia import OVERT, advance_clones, centred_burden, draw_growth, logistic
from sim.biology.persistence import draw_aplasia, end_aplasia
from sim.clinic import events
from sim.clinic.beds import REINFUSION_COURSE, SEQUENTIAL_COURSE, end_course_bed, end_slot
from sim.clinic.course import (
    OF_BACKGROUND,
    OF_LEUKAEMIA,
    OF_TOXICITY,
    OF_TRANSPLANT,
    begin_icu_stay,
    begin_ward_stay,
    die,
    discharge,
    end_acute_gvhd,
    end_aplasia_record,
    end_chronic_gvhd,
    end_hs,
    end_icu_stay,
    enter_phase,
    leave_icu,
    retime_leukaemia,
    retime_mortality,
    stay_in_ward,
)
from sim.clinic.courses import (
    on_course_bed,
    on_course_diversion,
    on_course_slot,
    on_icu_diversion,
    on_late_transplant,
    on_ward_diversion,
    plan_course,
)
from sim.clinic.decisions import decide, on_chimerism, on_confirmation, on_visit, weigh_samples
from sim.clinic.immunity import (
    advance_immune_phase,
    begin_immune_phase,
    begin_neutropenia,
    give_boost,
    have_infection,
    recover_neutrophils,
    retime_infections,
    start_igg,
)
from sim.clinic.manufacturing import (
    LOST_WAITING,
    NO_CAR,
    NOT_MADE,
    NOT_REFERRED,
    ask_for_apheresis,
    begin_lymphodepletion,
    begin_manufacturing,
    begin_waiting,
    bridge_in_line,
    do_apheresis,
    end_apheresis,
    end_manufacturing,
    give_up_car,
    infuse,
    lose_while_waiting,
    product_expires,
    referred,
    wait_in_line,
)
from sim.clinic.monitoring import (
    find_clonotype,
    plan_visit,
    record_visit,
)
from sim.clinic.policy import (
    REMISSION,
    WATCH,
    negative_clone_visible,
)
from sim.clinic.relapse import on_maintenance_stop, on_relapse, on_salvage_response, on_sanctuary_relapse
from sim.clinic.salvage import (
    begin_salvage,
)
from sim.clinic.toxicity import (
    begin_crs,
    begin_icans,
    die_of_toxicity,
    draw_crs,
    draw_icans,
    finish_crs,
    finish_icans,
    peak_crs,
)
from sim.clinic.transplant import (
    ask_for_transplant,
    begin_acute_gvhd,
    begin_chronic_gvhd,
    begin_search,
    begin_unit_stay,
    end_search,
    enter_transplant_unit,
    obstacle,
    on_search,
    postpone_or_cancel,
    transplant,
)
from sim.clock import GRANT, open_budgets, renew_budget, set_rate
from sim.draws import uniform
from sim.journal import note
from sim.kernel import INF
from sim.patient import CAUSES
from sim.units import DAYS_PER_MONTH

_DRAW_RESPONSE: Final = _d.RESPONSE
_DRAW_FITNESS: Final = _d.FITNESS_RESTORED
_NOTE_REFERRAL: Final = _j.REFERRAL
_NOTE_RESPONSE: Final = _j.RESPONSE
_NOTE_CANCER: Final = _j.SECOND_CANCER
_PHASE_WAITING: Final = _j.WAITING
_PHASE_TREATMENT: Final = _j.TREATMENT
_PHASE_REMISSION: Final = _j.REMISSION


# --- from referral to infusion ----------------------------------------------------------------------------------------


def begin(p: Any, q: Any, j: Any) -> None:
    """Referral: the clock starts; the patient is a candidate for CAR T, or is treated without it."""
    open_budgets(p)
    p.fit_now = p.fit
    p.burden_now = p.burden
    p.dose_now = p.dose
    p.flu_now = p.flu_auc
    p.phase = _PHASE_WAITING
    p.inotuzumab_given = p.inotuzumab
    p.irradiated = p.hct_tbi
    draw_growth(p, q)
    note(p, j, _NOTE_REFERRAL, 0.0, 0.0, 0)
    if p.prior_hct == 1:
        p.first_hct = -(p.months_hct_to_relapse * DAYS_PER_MONTH + q.relapse_to_referral)
        p.last_hct = p.first_hct
    retime_mortality(p, q)
    set_rate(p, events.LATE_EFFECT, q.late_effect_hct if p.prior_hct == 1 else q.late_effect)
    set_rate(p, events.SECOND_CANCER, q.second_cancer_hct if p.prior_hct == 1 else q.second_cancer)
    p.next[events.REFERRAL] = 0.0


def on_referral(p: Any, q: Any, j: Any) -> None:
    """Refer to a CAR T centre, unless the policy has none or the patient never gets there."""
    if q.begins_with_hct == 1:
        enter_transplant_unit(p, q, j)
    elif q.car == 0:
        go_without_car(p, q, j, NO_CAR)
    elif q.waiting == 0:
        p.t_lymphodepletion = p.t
        on_infusion(p, q, j)
    elif referred(p, q):
        begin_waiting(p, q)
        begin_search(p, q, 1)
    else:
        go_without_car(p, q, j, NOT_REFERRED)


def go_without_car(p: Any, q: Any, j: Any, reason: int) -> None:
    """Without CAR T the leukaemia is treated as a relapse is."""
    give_up_car(p, j, reason)
    p.clone_time = p.t
    begin_salvage(p, q, j)
    retime_mortality(p, q)


def on_waiting_loss(p: Any, q: Any, j: Any) -> None:
    """Death, progression or an adverse event before infusion."""
    if not lose_while_waiting(p, q, j):
        go_without_car(p, q, j, LOST_WAITING)


def on_product(p: Any, q: Any, j: Any) -> None:
    """Manufacturing ends."""
    if end_manufacturing(p, q, j) == 0:
        go_without_car(p, q, j, NOT_MADE)


def on_lymphodepletion(p: Any, q: Any, j: Any) -> None:
    """The product is there: lymphodepletion begins as soon as there is a bed."""
    wait_in_line(p, q)
    p.next[events.PRODUCT_EXPIRY] = p.t + q.shelf_life
    stay_in_ward(p, q, p.t + q.lymphodepletion_days)


def on_product_expiry(p: Any, q: Any, j: Any) -> None:
    """The product has expired before there was a bed."""
    if not product_expires(p, q, j):
        go_without_car(p, q, j, NOT_MADE)


def on_infusion(p: Any, q: Any, j: Any) -> None:
    """Day 0: cells are given; toxicity, aplasia, escape and the response take their course."""
    if q.waiting == 0:
        enter_phase(p, j, _PHASE_TREATMENT)
    infuse(p, q, j)
    p.negative_clone_seen = negative_clone_visible(p, q)
    find_clonotype(p, q)
    p.next[events.APLASIA_END] = p.t + draw_aplasia(p, q)
    p.next[events.RESPONSE] = p.t + q.response_day
    after = seed_sanctuary(p, q)
    if after < INF:
        p.next[events.RELAPSE_SANCTUARY] = p.t + max(after, q.response_day)
    if q.acute == 1:
        draw_crs(p, q)
        draw_icans(p, q, j)
        begin_neutropenia(p, q)
        begin_immune_phase(p, q)
    else:
        p.next[events.INFECTION_PHASE] = p.t + q.early_death_until


# --- response and persistence -----------------------------------------------------------------------------------------


def responds(p: Any, q: Any) -> bool:
    """Draw complete remission at day 28.

    ``logit = c0 + c_b bc + c_bn NR + c_e early`` (structure RS), shifted by TP53, IEC-HS and extramedullary disease;
    no remission either while a CD19-negative clone is above 5 %.
    """
    logit = (
        q.response
        + q.response_blasts * centred_burden(p)
        + (q.response_nonresponder if p.blinatumomab == 2 else 0.0)
        + q.response_after_early_hct * p.early
        + (q.response_tp53 if p.tp53 > 0 else 0.0)
        + q.response_hs * p.hs
        + (q.response_extramedullary if p.site == 2 else 0.0)
        + (q.response_down if p.down == 1 else 0.0)
    )
    return p.neg_level < OVERT and uniform(p.seed, p.number, _DRAW_RESPONSE, 0) < logistic(logit)


def on_response(p: Any, q: Any, j: Any) -> None:
    """Day 28: remission or not; in remission the first samples are taken and the policy may act."""
    advance_clones(p, q)
    p.t_response = p.t
    if not responds(p, q):
        note(p, j, _NOTE_RESPONSE, p.t, p.t, 0)
        p.t_nonresponse = p.t
        p.salvage_kind = (3 if p.switched == 1 else 2) if p.neg_level >= OVERT else 1
        begin_salvage(p, q, j)
        retime_infections(p, q)
        return
    p.cr = 1
    note(p, j, _NOTE_RESPONSE, p.t, p.t, 1)
    enter_phase(p, j, _PHASE_REMISSION)
    if p.fit_now == 0 and uniform(p.seed, p.number, _DRAW_FITNESS, 0) < q.fitness_restored:
        p.fit_now = 1
    retime_leukaemia(p, q)
    if q.acute == 0:
        high = centred_burden(p) >= 0.0
        set_rate(p, events.REMISSION_DEATH, q.early_death_high if high else q.early_death_low)
    p.mrd_seen = record_visit(p, q, j)
    p.day28_mrd = p.mrd_seen
    plan_visit(p, q)
    if decide(p, q, j, REMISSION) <= WATCH:
        weigh_samples(p, q, j)


def on_aplasia_end(p: Any, q: Any, j: Any) -> None:
    """CAR T cells stop working: the CD19+ clone, if any is left, grows again."""
    advance_clones(p, q)
    end_aplasia_record(p, j)
    end_aplasia(p)
    retime_leukaemia(p, q)
    retime_infections(p, q)


# --- transplant -------------------------------------------------------------------------------------------------------


def on_slot(p: Any, q: Any, j: Any) -> None:
    """A transplant slot: eligibility is checked again, then the transplant happens."""
    p.next[events.HCT_TOO_LATE] = INF
    if obstacle(p):
        postpone_or_cancel(p, q, j)
        return
    transplant(p, q, j)
    p.next[events.CONFIRMATION] = INF
    begin_unit_stay(p, q)


# --- whichever comes first --------------------------------------------------------------------------------------------


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    """Let the event happen that is next in the patient's calendar (or a capacity granted by the engine)."""
    if event < CAUSES:
        renew_budget(p, event)
    if event == events.VISIT:
        on_visit(p, q, j)
    elif event == events.INFECTION:
        have_infection(p, q, j)
    elif event == events.DISCHARGE:
        discharge(p, j)
    elif event == GRANT + events.POOL_WARD:
        on_bed(p, q, j)
    elif event == events.REFERRAL:
        on_referral(p, q, j)
    elif event == events.APHERESIS:
        ask_for_apheresis(p, q)
    elif event == GRANT + events.POOL_APHERESIS:
        do_apheresis(p, q, j)
    elif event == GRANT + events.POOL_MANUFACTURING:
        if p.course == 0:
            begin_manufacturing(p, q)
        else:
            on_course_slot(p, q)
    elif event == events.APHERESIS_END:
        end_apheresis(p, q)
    elif event == events.PRODUCT:
        on_product(p, q, j)
    elif event == events.LYMPHODEPLETION:
        on_lymphodepletion(p, q, j)
    elif event == events.INFUSION:
        on_infusion(p, q, j)
    elif event == events.CRS_ONSET:
        begin_crs(p, q, j)
    elif event == events.CRS_PEAK:
        peak_crs(p, q, j)
    elif event == events.CRS_END:
        finish_crs(p, q, j)
    elif event == events.ICANS_ONSET:
        begin_icans(p, q, j)
    elif event == events.ICANS_END:
        finish_icans(p, q, j)
    elif event == events.HS_END:
        end_hs(p, j)
    elif event == events.NEUTROPHIL_RECOVERY:
        recover_neutrophils(p, q, j)
    elif event == events.INFECTION_PHASE:
        if q.acute == 1:
            advance_immune_phase(p, q)
        else:
            set_rate(p, events.REMISSION_DEATH, q.remission_death if p.leukaemia == 0 and p.cr == 1 else 0.0)
    elif event == events.IGG_START:
        start_igg(p, q)
    elif event == events.RESPONSE:
        on_response(p, q, j)
    elif event == events.APLASIA_END:
        on_aplasia_end(p, q, j)
    elif event == events.RELAPSE_POSITIVE:
        on_relapse(p, q, j, 1, 1)
    elif event == events.RELAPSE_NEGATIVE:
        on_relapse(p, q, j, 3 if p.switched == 1 else 2, 1)
    elif event == events.RELAPSE_SANCTUARY:
        on_sanctuary_relapse(p, q, j)
    elif event == events.ICU_DISCHARGE:
        p.next[events.ICU_DISCHARGE] = INF
        leave_icu(p, q, j)
    elif event == GRANT + events.POOL_ICU:
        begin_icu_stay(p)
    elif event == events.SALVAGE_RESPONSE:
        on_salvage_response(p, q, j)
    elif event == events.HCT_READY:
        ask_for_transplant(p, q)
    elif event == GRANT + events.POOL_HCT:
        on_slot(p, q, j)
    elif event == GRANT + events.POOL_DONOR_SEARCH:
        on_search(p, q)
    elif event == events.SEARCH_END:
        end_search(p)
    elif event == GRANT + events.POOL_ONCOLOGY:
        on_course_bed(p, q, j)
    elif event == events.COURSE_BED_END:
        end_course_bed(p)
    else:
        handle_rare(p, q, j, event)


def on_bed(p: Any, q: Any, j: Any) -> None:
    """A ward bed is there; for a patient with a product, lymphodepletion begins."""
    p.next[events.WARD_DIVERSION] = INF
    if p.ward_since < INF:
        end_icu_stay(p, j)
        return
    begin_ward_stay(p)
    if p.phase == _PHASE_WAITING and p.t_infusion == INF:
        begin_lymphodepletion(p, q, j)


def handle_rare(p: Any, q: Any, j: Any, event: int) -> None:
    """Let the rarer events happen."""
    if event == events.BACKGROUND_DEATH:
        die(p, j, OF_BACKGROUND)
    elif event == events.LEUKAEMIA_DEATH:
        die(p, j, OF_LEUKAEMIA)
    elif event == events.TRANSPLANT_DEATH:
        die(p, j, OF_TRANSPLANT)
    elif event == events.TOXIC_DEATH:
        die_of_toxicity(p, j)
    elif event == events.REMISSION_DEATH:
        die(p, j, OF_TOXICITY)
    elif event == events.WAITING_LOSS:
        on_waiting_loss(p, q, j)
    elif event == events.SMR_STEP:
        retime_mortality(p, q)
    elif event == events.CONFIRMATION:
        on_confirmation(p, q, j)
    elif event == events.REINFUSION:
        plan_course(p, q, REINFUSION_COURSE)
    elif event == events.SEQUENTIAL_CAR:
        plan_course(p, q, SEQUENTIAL_COURSE)
    elif event == events.MAINTENANCE_STOP:
        on_maintenance_stop(p, q, j)
    elif event == events.ACUTE_GVHD:
        begin_acute_gvhd(p, q, j, p.hcts - 1)
    elif event == events.ACUTE_GVHD_END:
        end_acute_gvhd(p, j)
    elif event == events.CHRONIC_GVHD:
        begin_chronic_gvhd(p, q, j, p.hcts - 1)
    elif event == events.CHRONIC_GVHD_END:
        end_chronic_gvhd(p, j)
    elif event == events.SLOT_END:
        end_slot(p)
    elif event == events.COURSE_DIVERSION:
        on_course_diversion(p, q, j)
    elif event == events.WARD_DIVERSION:
        on_ward_diversion(p, j)
    elif event == events.ICU_DIVERSION:
        on_icu_diversion(p, q, j)
    elif event == events.PRODUCT_EXPIRY:
        on_product_expiry(p, q, j)
    elif event == events.LATE_BRIDGING:
        bridge_in_line(p, q, j)
    elif event == events.HCT_TOO_LATE:
        on_late_transplant(p, j)
    elif event == events.CHIMERISM:
        on_chimerism(p, q, j)
    elif event == events.BOOST:
        give_boost(p, q, j)
    elif event == events.LATE_EFFECT:
        p.late_effect = 1
        p.late_since = p.t
        set_rate(p, events.LATE_EFFECT, 0.0)
    elif event == events.SECOND_CANCER:
        p.second_cancer = 1
        set_rate(p, events.SECOND_CANCER, 0.0)
        note(p, j, _NOTE_CANCER, p.t, p.t, 0)
