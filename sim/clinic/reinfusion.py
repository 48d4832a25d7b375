"""What else can be done in remission: reinfusion, maintenance, TKI, a sequential CD22 CAR."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import reduce_clones
from sim.clinic.beds import REINFUSION_COURSE, SEQUENTIAL_COURSE, ask_for_slot
from sim.clinic.course import end_aplasia_record, end_maintenance, retime_leukaemia, stay_in_ward
from sim.clinic.events import APLASIA_END, MAINTENANCE_STOP, REINFUSION, SEQUENTIAL_CAR, SLOT_END
from sim.clinic.immunity import plan_igg, retime_infections
from sim.clinic.monitoring import HEMATOGONES
from sim.clinic.policy import REINFUSE, SEQUENTIAL, TKI, product_left
from sim.draws import normal, uniform
from sim.journal import note

#: Reason of a reinfusion beside those of lost aplasia (`PERIPHERAL`, `HEMATOGONES`).
FOR_MRD: Final = 3

_REINFUSION: Final = _d.REINFUSION
_REINFUSION_APLASIA: Final = _d.REINFUSION_APLASIA
_REINFUSION_CRS: Final = _d.REINFUSION_CRS
_MAINTENANCE_EFFECT: Final = _d.MAINTENANCE_EFFECT
_KILL_DEPTH: Final = _d.SEQUENTIAL_KILL
_NOTE_REINFUSION: Final = _j.REINFUSION
_NOTE_INFUSION: Final = _j.INFUSION
_NOTE_TOCILIZUMAB: Final = _j.TOCILIZUMAB


def plan_reinfusion(p: Any, q: Any, rule: int) -> None:
    """Start a reinfusion: product that is left comes soon, otherwise it is made again."""
    p.pending = REINFUSE
    p.pending_rule = rule
    p.pending_since = p.t
    p.reinfusion_attempt = 0
    p.reinfusion_reason = FOR_MRD if p.mrd_seen > 0 else p.aplasia_lost_seen
    if product_left(p, q):
        p.next[REINFUSION] = p.t + q.rule_after[rule] + q.reinfusion_wait
    else:
        p.course = REINFUSION_COURSE
        ask_for_slot(p)


def reinfusion_success(p: Any, q: Any) -> float:
    """Probability that a reinfusion restores remission with aplasia, by its reason.

    Hematogones, peripheral B-cell recovery, MRD; the odds ratio of lymphodepletion acts on peripheral recovery
    (published 33.6 from 63 patients: the parameter holds it shrunk). A repeated attempt succeeds less often.
    """
    again = q.reinfusion_again if p.reinfusion_attempt > 1 else 1.0
    if p.reinfusion_reason == FOR_MRD:
        return again * q.reinfusion_mrd
    if p.reinfusion_reason == HEMATOGONES:
        return again * q.reinfusion_hematogones
    if q.reinfusion_lymphodepletion == 1:
        chance = q.reinfusion_recovery * q.lymphodepletion_odds
        return again * chance / (1.0 - q.reinfusion_recovery + chance)
    return again * q.reinfusion_recovery


def reinfuse(p: Any, q: Any, j: Any) -> None:
    """Give the cells again: if they work, aplasia returns with the patient's own expansion."""
    nth = p.reinfusions
    p.reinfusions += 1
    p.reinfusion_attempt += 1
    p.t_reinfusion = min(p.t_reinfusion, p.t)
    p.t_therapy = min(p.t_therapy, p.t)
    works = uniform(p.seed, p.number, _REINFUSION, nth) < reinfusion_success(p, q)
    note(p, j, _NOTE_REINFUSION, p.t, p.t, 1 if works else 0)
    if p.reinfusion_reason == FOR_MRD and uniform(p.seed, p.number, _REINFUSION_CRS, nth) < q.reinfusion_crs:
        p.tocilizumab_doses += 1
        note(p, j, _NOTE_TOCILIZUMAB, p.t, p.t, 1)
        stay_in_ward(p, q, p.t + q.crs_duration)
    if works:
        restart_car(p, q, j, nth)
        p.reinfusion_worked += 1
        p.pending = 0
    elif p.reinfusion_attempt <= q.rule_retry[p.pending_rule]:
        p.next[REINFUSION] = p.t + q.reinfusion_retry
    else:
        p.pending = 0
        p.loss_open = 1 if p.aplasia_lost_seen != 0 else 0


def restart_car(p: Any, q: Any, j: Any, nth: int) -> None:
    """CAR T cells work again, for a lognormal time that keeps the patient's latent expansion."""
    end_aplasia_record(p, j)
    p.aplasia_since = p.t
    p.aplasia_lost_seen = 0
    p.loss_open = 0
    running = p.next[APLASIA_END] if p.car_active == 1 else p.t
    p.car_active = 1
    z = normal(p.seed, p.number, _REINFUSION_APLASIA, nth)
    length = q.reinfusion_aplasia * math.exp(
        q.reinfusion_aplasia_expansion * p.expansion + q.reinfusion_aplasia_spread * z
    )
    p.next[APLASIA_END] = max(running, p.t + length)
    plan_igg(p, q)
    retime_leukaemia(p, q)
    retime_infections(p, q)


def begin_maintenance(p: Any, q: Any, j: Any, action: int) -> None:
    """Start maintenance chemotherapy (or a TKI): it shifts the net slope of every clone while it is taken."""
    end_maintenance(p, j)
    p.t_maintenance = min(p.t_maintenance, p.t)
    p.t_therapy = min(p.t_therapy, p.t)
    p.maintenance_since = p.t
    p.maintenance_kind = action
    effect = q.tki_kill if action == TKI else q.maintenance_kill
    z = normal(p.seed, p.number, _MAINTENANCE_EFFECT, 0)
    p.maintained = effect * math.exp(q.maintenance_spread * z)
    p.next[MAINTENANCE_STOP] = p.t + (q.tki_duration if action == TKI else q.maintenance_duration)
    retime_leukaemia(p, q)


def plan_sequential_car(p: Any, q: Any, rule: int) -> bool:
    """Plan a CD22 CAR in remission, once; tell whether it began."""
    if p.sequential_cars > 0:
        return False
    p.pending = SEQUENTIAL
    p.pending_rule = rule
    p.pending_since = p.t
    p.course = SEQUENTIAL_COURSE
    ask_for_slot(p)
    return True


def begin_making_again(p: Any, q: Any) -> None:
    """A slot is there: the cells of a reinfusion or a sequential CAR are made."""
    if p.course == SEQUENTIAL_COURSE:
        p.next[SEQUENTIAL_CAR] = p.t + q.rule_after[p.pending_rule] + q.sequential_wait
        p.next[SLOT_END] = p.next[SEQUENTIAL_CAR]
    else:
        p.next[REINFUSION] = p.t + q.rule_after[p.pending_rule] + q.remanufacture_days
        p.next[SLOT_END] = p.next[REINFUSION]
    p.course = 0


def give_sequential_car(p: Any, q: Any, j: Any) -> None:
    """Give the CD22 CAR: it cuts every clone back once; its persistence is short."""
    p.pending = 0
    p.sequential_cars += 1
    p.t_therapy = min(p.t_therapy, p.t)
    note(p, j, _NOTE_INFUSION, p.t, p.t, 400)
    reduce_clones(p, q, max(0.0, q.sequential_kill + q.kill_sd * normal(p.seed, p.number, _KILL_DEPTH, 0)))
    retime_leukaemia(p, q)
