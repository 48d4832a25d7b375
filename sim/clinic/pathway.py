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
from sim.clinic import events as _e
from sim.clinic.course import (
    OF_BACKGROUND,
    OF_LEUKAEMIA,
    OF_TOXICITY,
    OF_TRANSPLANT,
    begin_icu_stay,
    begin_ward_stay,
    die,
    end_acute_gvhd,
    end_aplasia_record,
    end_chronic_gvhd,
    end_hs,
    end_icu_stay,
    end_maintenance,
    end_ward_stay,
    enter_phase,
    in_remission,
    retime_leukaemia,
    retime_mortality,
    stay_in_ward,
)
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
    do_apheresis,
    end_apheresis,
    end_manufacturing,
    give_up_car,
    infuse,
    lose_while_waiting,
    referred,
)
from sim.clinic.monitoring import (
    FLOW,
    HEMATOGONES,
    QPCR,
    b_cells_back,
    find_clonotype,
    missed,
    notice_b_cells,
    plan_visit,
    record_visit,
)
from sim.clinic.policy import (
    BCA_LOST,
    MAINTAIN,
    MIXED_CHIMERISM,
    MRD_POSITIVE,
    REINFUSE,
    RELAPSE,
    REMISSION,
    SCHEDULED,
    SEQUENTIAL,
    TKI,
    TRANSPLANT,
    WATCH,
    first_rule,
    negative_clone_visible,
)
from sim.clinic.policy import HEMATOGONES as HEMATOGONES_POINT
from sim.clinic.reinfusion import (
    begin_maintenance,
    give_sequential_car,
    plan_reinfusion,
    plan_sequential_car,
    reinfuse,
)
from sim.clinic.salvage import (
    CD22_CAR,
    SECOND_CAR,
    assess_salvage,
    begin_line,
    begin_salvage,
    enter_second_remission,
    palliate,
    stop_car_for_salvage,
)
from sim.clinic.toxicity import (
    begin_crs,
    begin_icans,
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
    begin_unit_stay,
    cancel_transplant,
    obstacle,
    plan_transplant,
    postpone_or_cancel,
    transplant,
)
from sim.clock import GRANT, open_budgets, renew_budget, set_rate
from sim.draws import uniform
from sim.journal import note
from sim.kernel import INF
from sim.patient import CAUSES
from sim.units import DAYS_PER_MONTH

_WAITING_LOSS: Final = _e.WAITING_LOSS
_INFECTION: Final = _e.INFECTION
_BACKGROUND_DEATH: Final = _e.BACKGROUND_DEATH
_SECOND_CANCER: Final = _e.SECOND_CANCER
_LATE_EFFECT: Final = _e.LATE_EFFECT
_REMISSION_DEATH: Final = _e.REMISSION_DEATH
_REFERRAL: Final = _e.REFERRAL
_APHERESIS: Final = _e.APHERESIS
_APHERESIS_END: Final = _e.APHERESIS_END
_PRODUCT: Final = _e.PRODUCT
_LYMPHODEPLETION: Final = _e.LYMPHODEPLETION
_INFUSION: Final = _e.INFUSION
_CRS_ONSET: Final = _e.CRS_ONSET
_CRS_PEAK: Final = _e.CRS_PEAK
_CRS_END: Final = _e.CRS_END
_ICANS_ONSET: Final = _e.ICANS_ONSET
_ICANS_END: Final = _e.ICANS_END
_HS_END: Final = _e.HS_END
_TOXIC_DEATH: Final = _e.TOXIC_DEATH
_ICU_DISCHARGE: Final = _e.ICU_DISCHARGE
_DISCHARGE: Final = _e.DISCHARGE
_NEUTROPHIL_RECOVERY: Final = _e.NEUTROPHIL_RECOVERY
_BOOST: Final = _e.BOOST
_IGG_START: Final = _e.IGG_START
_INFECTION_PHASE: Final = _e.INFECTION_PHASE
_RESPONSE: Final = _e.RESPONSE
_APLASIA_END: Final = _e.APLASIA_END
_RELAPSE_POSITIVE: Final = _e.RELAPSE_POSITIVE
_RELAPSE_NEGATIVE: Final = _e.RELAPSE_NEGATIVE
_RELAPSE_SANCTUARY: Final = _e.RELAPSE_SANCTUARY
_VISIT: Final = _e.VISIT
_CONFIRMATION: Final = _e.CONFIRMATION
_HCT_READY: Final = _e.HCT_READY
_TRANSPLANT_DEATH: Final = _e.TRANSPLANT_DEATH
_ACUTE_GVHD: Final = _e.ACUTE_GVHD
_ACUTE_GVHD_END: Final = _e.ACUTE_GVHD_END
_CHRONIC_GVHD: Final = _e.CHRONIC_GVHD
_CHRONIC_GVHD_END: Final = _e.CHRONIC_GVHD_END
_CHIMERISM: Final = _e.CHIMERISM
_REINFUSION: Final = _e.REINFUSION
_SEQUENTIAL_CAR: Final = _e.SEQUENTIAL_CAR
_MAINTENANCE_STOP: Final = _e.MAINTENANCE_STOP
_SALVAGE_RESPONSE: Final = _e.SALVAGE_RESPONSE
_LEUKAEMIA_DEATH: Final = _e.LEUKAEMIA_DEATH
_SMR_STEP: Final = _e.SMR_STEP
_GRANT: Final = GRANT
_POOL_APHERESIS: Final = _e.POOL_APHERESIS
_POOL_MANUFACTURING: Final = _e.POOL_MANUFACTURING
_POOL_WARD: Final = _e.POOL_WARD
_POOL_ICU: Final = _e.POOL_ICU
_POOL_HCT: Final = _e.POOL_HCT

_DRAW_RESPONSE: Final = _d.RESPONSE
_DRAW_FITNESS: Final = _d.FITNESS_RESTORED

_NOTE_REFERRAL: Final = _j.REFERRAL
_NOTE_RESPONSE: Final = _j.RESPONSE
_NOTE_RELAPSE: Final = _j.RELAPSE
_NOTE_DECISION: Final = _j.DECISION
_NOTE_CANCER: Final = _j.SECOND_CANCER
_PHASE_WAITING: Final = _j.WAITING
_PHASE_TREATMENT: Final = _j.TREATMENT
_PHASE_REMISSION: Final = _j.REMISSION
_PHASE_TRANSPLANTED: Final = _j.TRANSPLANTED
_PHASE_SALVAGE_TRANSPLANTED: Final = _j.SALVAGE_TRANSPLANTED
_PHASE_SECOND_REMISSION: Final = _j.SECOND_REMISSION

CNS_SANCTUARY: Final = 1
NO_DECISION: Final = -1


# --- from referral to infusion ---------------------------------------------------------------------------------------


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
    set_rate(p, _LATE_EFFECT, q.late_effect_hct if p.prior_hct == 1 else q.late_effect)
    set_rate(p, _SECOND_CANCER, q.second_cancer_hct if p.prior_hct == 1 else q.second_cancer)
    p.next[_REFERRAL] = 0.0


def on_referral(p: Any, q: Any, j: Any) -> None:
    """Refer to a CAR T centre, unless the policy has none or the patient never gets there."""
    if q.car == 0:
        go_without_car(p, q, j, NO_CAR)
    elif q.waiting == 0:
        p.t_lymphodepletion = p.t
        on_infusion(p, q, j)
    elif referred(p, q):
        begin_waiting(p, q)
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
    stay_in_ward(p, p.t + q.lymphodepletion_days)


def on_infusion(p: Any, q: Any, j: Any) -> None:
    """Day 0: cells are given; toxicity, aplasia, escape and the response take their course."""
    if q.waiting == 0:
        enter_phase(p, j, _PHASE_TREATMENT)
    infuse(p, q, j)
    p.negative_clone_seen = negative_clone_visible(p, q)
    find_clonotype(p, q)
    p.next[_APLASIA_END] = p.t + draw_aplasia(p, q)
    p.next[_RESPONSE] = p.t + q.response_day
    after = seed_sanctuary(p, q)
    if after < INF:
        p.next[_RELAPSE_SANCTUARY] = p.t + max(after, q.response_day)
    if q.acute == 1:
        draw_crs(p, q)
        draw_icans(p, q, j)
        begin_neutropenia(p, q)
        begin_immune_phase(p, q)
    else:
        p.next[_INFECTION_PHASE] = p.t + q.early_death_until


# --- response and persistence ----------------------------------------------------------------------------------------


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
        set_rate(p, _REMISSION_DEATH, q.early_death_high if high else q.early_death_low)
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


# --- monitoring and decisions ----------------------------------------------------------------------------------------


def on_visit(p: Any, q: Any, j: Any) -> None:
    """A scheduled visit in remission: what the assays can see, then what the policy makes of it."""
    plan_visit(p, q)
    if p.leukaemia == 1 or not in_remission(p) or missed(p, q):
        return
    advance_clones(p, q)
    p.mrd_seen = record_visit(p, q, j)
    if p.month3_taken == 0 and q.month3_from <= p.t - p.t_infusion < q.month3_until:
        p.month3_taken = 1
        p.month3_mrd = p.mrd_seen
    if p.phase == _PHASE_REMISSION:
        weigh_samples(p, q, j)


def weigh_samples(p: Any, q: Any, j: Any) -> None:
    """Go through the decision points that today's samples raise, most urgent first."""
    notice_b_cells(p, q, j)
    if p.mrd_seen > 0:
        if p.mrd_seen & (FLOW | QPCR) != 0 or q.ngs_counts == 1:
            if decide(p, q, j, MRD_POSITIVE) != NO_DECISION:
                return
        elif p.pending == 0 and p.next[_CONFIRMATION] == INF:
            p.confirming = MRD_POSITIVE
            p.confirming_rule = -1
            p.next[_CONFIRMATION] = p.t + q.ngs_repeat
            return
    if not weigh_b_cells(p, q, j):
        decide(p, q, j, SCHEDULED)


def weigh_b_cells(p: Any, q: Any, j: Any) -> bool:
    """Raise the loss of aplasia until something was decided on it; tell whether it was."""
    if p.loss_open == 0:
        return False
    decided = p.aplasia_lost_seen == HEMATOGONES and decide(p, q, j, HEMATOGONES_POINT) != NO_DECISION
    decided = decided or decide(p, q, j, BCA_LOST) != NO_DECISION
    if decided:
        p.loss_open = 0
    return decided


def decide(p: Any, q: Any, j: Any, point: int) -> int:
    """Apply the policy at a decision point: the first rule that matches; one action pending at a time.

    Returns the action begun (or to be confirmed), or `NO_DECISION`.
    """
    if p.pending != 0 or p.next[_CONFIRMATION] < INF:
        return NO_DECISION
    return apply_rules(p, q, j, point, -1)


def apply_rules(p: Any, q: Any, j: Any, point: int, after: int) -> int:
    """Go through a point's rules after rule `after`; where the family refuses a transplant, the next rule speaks."""
    rule = first_rule(p, q, point, after)
    while rule >= 0:
        action = q.rule_action[rule]
        if action != WATCH and q.rule_confirm[rule] > 0.0 and p.mrd_confirmed == 0:
            p.confirming = point
            p.confirming_rule = rule
            p.next[_CONFIRMATION] = p.t + q.rule_confirm[rule]
            return action
        if begin_action(p, q, j, rule, action):
            return action
        rule = first_rule(p, q, point, rule)
    return NO_DECISION


def begin_action(p: Any, q: Any, j: Any, rule: int, action: int) -> bool:
    """Start what was decided; tell whether it could be started."""
    if action == WATCH or (p.maintenance_since < INF and p.maintenance_kind == action):
        return True
    if action == TRANSPLANT and not plan_transplant(p, q, j, rule):
        return False
    if action == SEQUENTIAL and not plan_sequential_car(p, q, rule):
        return False
    note(p, j, _NOTE_DECISION, p.t, p.t, action)
    if action == REINFUSE:
        plan_reinfusion(p, q, rule)
    elif action == MAINTAIN or action == TKI:
        begin_maintenance(p, q, j, action)
    return True


def on_confirmation(p: Any, q: Any, j: Any) -> None:
    """A second sample: act if it says the same, otherwise go back to watching."""
    point = p.confirming
    rule = p.confirming_rule
    p.confirming = -1
    p.confirming_rule = -1
    if p.leukaemia == 1 or p.phase != _PHASE_REMISSION:
        return
    advance_clones(p, q)
    seen = record_visit(p, q, j)
    if point == BCA_LOST or point == HEMATOGONES_POINT:
        if b_cells_back(p, q) != 0 and not begin_action(p, q, j, rule, q.rule_action[rule]):
            apply_rules(p, q, j, point, rule)
        return
    if point != MRD_POSITIVE:
        begin_action(p, q, j, rule, q.rule_action[rule])
        return
    p.mrd_seen = seen
    if seen == 0:
        weigh_b_cells(p, q, j)
        return
    p.mrd_confirmed = 1
    if rule < 0 or not begin_action(p, q, j, rule, q.rule_action[rule]):
        apply_rules(p, q, j, MRD_POSITIVE, rule)
    p.mrd_confirmed = 0
    if p.pending == 0:
        weigh_b_cells(p, q, j)


# --- transplant ------------------------------------------------------------------------------------------------------


def on_slot(p: Any, q: Any, j: Any) -> None:
    """A transplant slot: eligibility is checked again, then the transplant happens."""
    if obstacle(p):
        postpone_or_cancel(p, q, j)
        return
    transplant(p, q, j)
    p.next[_CONFIRMATION] = INF
    begin_unit_stay(p, q)


def on_chimerism(p: Any, q: Any, j: Any) -> None:
    """Mixed chimerism found: the policy may consolidate with CAR T cells."""
    if p.t_infusion < INF and (p.phase == _PHASE_TRANSPLANTED or p.phase == _PHASE_SALVAGE_TRANSPLANTED):
        decide(p, q, j, MIXED_CHIMERISM)


# --- relapse and after -----------------------------------------------------------------------------------------------


def relapse(p: Any, q: Any, j: Any, kind: int, site: int) -> None:
    """Overt relapse: whatever was planned stops; the policy may speak; salvage begins."""
    first = p.t_relapse == INF and p.phase != _PHASE_SECOND_REMISSION and p.t_nonresponse == INF
    first = first and p.not_infused == 0
    note(p, j, _NOTE_RELAPSE, p.t, p.t, 10 * kind + site)
    if first:
        p.t_relapse = p.t
        p.relapse_type = kind
        p.relapse_site = site
        p.relapse_in_aplasia = p.car_active
    p.salvage_kind = kind
    p.leukaemia = 1
    set_rate(p, _REMISSION_DEATH, 0.0)
    drop_plans(p, j)
    advance_clones(p, q)
    p.salvage_wish = wished_salvage(p, q)
    begin_salvage(p, q, j)
    retime_infections(p, q)


def drop_plans(p: Any, j: Any) -> None:
    """Overt leukaemia: what was planned or taken in remission stops; a transplant's own mortality is past."""
    cancel_transplant(p, j)
    end_maintenance(p, j)
    p.pending = 0
    p.next[_REINFUSION] = INF
    p.next[_SEQUENTIAL_CAR] = INF
    p.next[_CONFIRMATION] = INF
    p.next[_VISIT] = INF
    p.next[_MAINTENANCE_STOP] = INF
    p.next[_TRANSPLANT_DEATH] = INF


def wished_salvage(p: Any, q: Any) -> int:
    """Ask the policy which salvage it wants at this relapse: the same CAR again, a CD22 CAR, or none in particular."""
    rule = first_rule(p, q, RELAPSE, -1)
    action = q.rule_action[rule] if rule >= 0 else WATCH
    if action == REINFUSE:
        return SECOND_CAR
    return CD22_CAR if action == SEQUENTIAL else 0


def on_sanctuary_relapse(p: Any, q: Any, j: Any) -> None:
    """Relapse in the CNS, elsewhere outside the marrow, or the testis; it is CD19+."""
    if in_remission(p):
        on_relapse(p, q, j, 1, p.sanctuary + 1)


def on_salvage_response(p: Any, q: Any, j: Any) -> None:
    """Assess this line of salvage."""
    outcome = assess_salvage(p, q, j)
    if outcome == 1:
        enter_second_remission(p, q, j)
    elif outcome == 2:
        begin_line(p, q, j)
    elif outcome < 0:
        die(p, j, OF_TOXICITY)
    else:
        palliate(p, q, j, p.salvage_line)


def on_relapse(p: Any, q: Any, j: Any, kind: int, site: int) -> None:
    """A clone has reached 5 % of the marrow, or leukaemia shows elsewhere: salvage, while there are lines left."""
    if p.salvage_line > 0 and p.salvage_line >= q.salvage_lines:
        relapse_for_good(p, q, j, kind, site)
    else:
        relapse(p, q, j, kind, site)


def relapse_for_good(p: Any, q: Any, j: Any, kind: int, site: int) -> None:
    """Relapse after the last line of salvage: no further attempt."""
    note(p, j, _NOTE_RELAPSE, p.t, p.t, 10 * kind + site)
    p.leukaemia = 1
    drop_plans(p, j)
    stop_car_for_salvage(p, j)
    retime_leukaemia(p, q)
    palliate(p, q, j, p.salvage_line + 10)


def on_maintenance_stop(p: Any, q: Any, j: Any) -> None:
    """Maintenance, TKI or the holding of a second remission ends."""
    advance_clones(p, q)
    end_maintenance(p, j)
    retime_leukaemia(p, q)


# --- whichever comes first -------------------------------------------------------------------------------------------


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    """Let the event happen that is next in the patient's calendar (or a capacity granted by the engine)."""
    if event < CAUSES:
        renew_budget(p, event)
    if event == _VISIT:
        on_visit(p, q, j)
    elif event == _INFECTION:
        have_infection(p, q, j)
    elif event == _DISCHARGE:
        end_ward_stay(p, j)
    elif event == _GRANT + _POOL_WARD:
        on_bed(p, q, j)
    elif event == _REFERRAL:
        on_referral(p, q, j)
    elif event == _APHERESIS:
        ask_for_apheresis(p)
    elif event == _GRANT + _POOL_APHERESIS:
        do_apheresis(p, q, j)
    elif event == _GRANT + _POOL_MANUFACTURING:
        begin_manufacturing(p, q)
    elif event == _APHERESIS_END:
        end_apheresis(p)
    elif event == _PRODUCT:
        on_product(p, q, j)
    elif event == _LYMPHODEPLETION:
        on_lymphodepletion(p, q, j)
    elif event == _INFUSION:
        on_infusion(p, q, j)
    elif event == _CRS_ONSET:
        begin_crs(p, q, j)
    elif event == _CRS_PEAK:
        peak_crs(p, q, j)
    elif event == _CRS_END:
        finish_crs(p, q, j)
    elif event == _ICANS_ONSET:
        begin_icans(p, q, j)
    elif event == _ICANS_END:
        finish_icans(p, q, j)
    elif event == _HS_END:
        end_hs(p, j)
    elif event == _NEUTROPHIL_RECOVERY:
        recover_neutrophils(p, q, j)
    elif event == _INFECTION_PHASE:
        if q.acute == 1:
            advance_immune_phase(p, q)
        else:
            set_rate(p, _REMISSION_DEATH, q.remission_death if p.leukaemia == 0 and p.cr == 1 else 0.0)
    elif event == _IGG_START:
        start_igg(p, q)
    elif event == _RESPONSE:
        on_response(p, q, j)
    elif event == _APLASIA_END:
        on_aplasia_end(p, q, j)
    elif event == _RELAPSE_POSITIVE:
        on_relapse(p, q, j, 1, 1)
    elif event == _RELAPSE_NEGATIVE:
        on_relapse(p, q, j, 3 if p.switched == 1 else 2, 1)
    elif event == _RELAPSE_SANCTUARY:
        on_sanctuary_relapse(p, q, j)
    elif event == _ICU_DISCHARGE:
        end_icu_stay(p, j)
    elif event == _GRANT + _POOL_ICU:
        begin_icu_stay(p)
    elif event == _SALVAGE_RESPONSE:
        on_salvage_response(p, q, j)
    elif event == _HCT_READY:
        ask_for_transplant(p, q)
    elif event == _GRANT + _POOL_HCT:
        on_slot(p, q, j)
    else:
        handle_rare(p, q, j, event)


def on_bed(p: Any, q: Any, j: Any) -> None:
    """A ward bed is there; for a patient with a product, lymphodepletion begins."""
    begin_ward_stay(p)
    if p.phase == _PHASE_WAITING and p.t_infusion == INF:
        begin_lymphodepletion(p, q, j)


def handle_rare(p: Any, q: Any, j: Any, event: int) -> None:
    """Let the rarer events happen."""
    if event == _BACKGROUND_DEATH:
        die(p, j, OF_BACKGROUND)
    elif event == _LEUKAEMIA_DEATH:
        die(p, j, OF_LEUKAEMIA)
    elif event == _TRANSPLANT_DEATH:
        die(p, j, OF_TRANSPLANT)
    elif event == _TOXIC_DEATH:
        die(p, j, OF_TOXICITY)
    elif event == _REMISSION_DEATH:
        die(p, j, OF_TOXICITY)
    elif event == _WAITING_LOSS:
        on_waiting_loss(p, q, j)
    elif event == _SMR_STEP:
        retime_mortality(p, q)
    elif event == _CONFIRMATION:
        on_confirmation(p, q, j)
    elif event == _REINFUSION:
        advance_clones(p, q)
        reinfuse(p, q, j)
    elif event == _SEQUENTIAL_CAR:
        advance_clones(p, q)
        give_sequential_car(p, q, j)
    elif event == _MAINTENANCE_STOP:
        on_maintenance_stop(p, q, j)
    elif event == _ACUTE_GVHD:
        begin_acute_gvhd(p, q, j, p.hcts - 1)
    elif event == _ACUTE_GVHD_END:
        end_acute_gvhd(p, j)
    elif event == _CHRONIC_GVHD:
        begin_chronic_gvhd(p, q, j, p.hcts - 1)
    elif event == _CHRONIC_GVHD_END:
        end_chronic_gvhd(p, j)
    elif event == _CHIMERISM:
        on_chimerism(p, q, j)
    elif event == _BOOST:
        give_boost(p, q, j)
    elif event == _LATE_EFFECT:
        p.late_effect = 1
        p.late_since = p.t
        set_rate(p, _LATE_EFFECT, 0.0)
    elif event == _SECOND_CANCER:
        p.second_cancer = 1
        set_rate(p, _SECOND_CANCER, 0.0)
        note(p, j, _NOTE_CANCER, p.t, p.t, 0)
