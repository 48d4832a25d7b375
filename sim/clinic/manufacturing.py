"""From referral to infusion: access, apheresis, manufacturing with its failures, bridging, lymphodepletion."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.escape import seed_negative_clone
from sim.biology.leukaemia import OVERT, seed_positive_clone
from sim.biology.persistence import draw_expansion
from sim.clinic.course import (
    OF_WAITING,
    die,
    end_ward_stay,
    enter_phase,
    leave_ward_line,
    retime_mortality,
    stay_in_ward,
)
from sim.clinic.events import (
    APHERESIS,
    APHERESIS_END,
    INFUSION,
    LATE_BRIDGING,
    LYMPHODEPLETION,
    POOL_APHERESIS,
    POOL_MANUFACTURING,
    PRODUCT,
    PRODUCT_EXPIRY,
    SEARCH_END,
    WAITING_LOSS,
)
from sim.clock import set_rate
from sim.draws import normal, uniform
from sim.journal import note
from sim.kernel import INF

APHERESIS_BIT: Final = 1 << POOL_APHERESIS
MANUFACTURING_BIT: Final = 1 << POOL_MANUFACTURING

NO_CAR: Final = 1
NOT_REFERRED: Final = 2
DIED_WAITING: Final = 3
LOST_WAITING: Final = 4
NOT_MADE: Final = 5

_WAIT: Final = _d.WAIT
_REFERRED: Final = _d.REFERRED
_MANUFACTURE: Final = _d.MANUFACTURE
_REAPHERESIS: Final = _d.REAPHERESIS
_OUT_OF_SPECIFICATION: Final = _d.OUT_OF_SPECIFICATION
_BRIDGING: Final = _d.BRIDGING
_WAITING_OUTCOME: Final = _d.WAITING_OUTCOME
_REMANUFACTURE_WAIT: Final = _d.REMANUFACTURE_WAIT
_TARGETED: Final = _d.TARGETED_FLUDARABINE

_NOTE_REFERRAL: Final = _j.REFERRAL
_NOTE_APHERESIS: Final = _j.APHERESIS
_NOTE_FAILED: Final = _j.MANUFACTURE_FAILED
_NOTE_BRIDGING: Final = _j.BRIDGING
_NOTE_EXPIRED: Final = _j.PRODUCT_EXPIRED
_NOTE_LYMPHODEPLETION: Final = _j.LYMPHODEPLETION
_NOTE_INFUSION: Final = _j.INFUSION
_NOTE_NOT_INFUSED: Final = _j.NOT_INFUSED
_TREATMENT: Final = _j.TREATMENT


def referred(p: Any, q: Any) -> bool:
    """Tell whether the patient reaches a CAR T centre: distance, poverty and insurance act here, not on biology."""
    chance = (
        q.never_referred
        * (q.referral_distance if p.distance == 1 else 1.0)
        * (q.referral_poverty if p.poverty == 1 else 1.0)
        * (q.referral_uninsured if p.uninsured == 1 else 1.0)
    )
    return uniform(p.seed, p.number, _REFERRED, 0) >= min(1.0, chance)


def waiting_rate(p: Any, q: Any) -> float:
    """Rate per day at which a waiting patient is lost; rises with burden."""
    return q.waiting_loss * math.exp(q.waiting_loss_burden * (p.burden - OVERT))


def begin_waiting(p: Any, q: Any) -> None:
    """Plan the way to infusion and start the risk of not getting there."""
    p.wait = (
        q.wait_median
        * q.product_wait[p.product]
        * (q.wait_access if p.distance == 1 or p.poverty == 1 or p.uninsured == 1 else 1.0)
        * math.exp(q.wait_spread * normal(p.seed, p.number, _WAIT, 0))
    )
    p.wait = max(p.wait, q.lymphodepletion_days + q.shortest_wait)
    set_rate(p, WAITING_LOSS, waiting_rate(p, q))
    p.next[APHERESIS] = p.t + q.apheresis_share * (p.wait - q.lymphodepletion_days)


def wait_in_line(p: Any, q: Any) -> None:
    """Stand in line on the way to infusion: after some time bridging begins, or goes on for another cycle."""
    p.next[LATE_BRIDGING] = p.t + q.late_bridging


def bridge_in_line(p: Any, q: Any, j: Any) -> None:
    """Bridge because of a long time in line."""
    if p.bridged == 0:
        p.bridged = 1
        p.bridged_late = p.t
    note(p, j, _NOTE_BRIDGING, p.t, p.t, 1)
    p.next[LATE_BRIDGING] = p.t + q.bridging_cycle


def ask_for_apheresis(p: Any, q: Any) -> None:
    """Ask for an apheresis slot."""
    p.wants |= APHERESIS_BIT
    wait_in_line(p, q)


def do_apheresis(p: Any, q: Any, j: Any) -> None:
    """Collect cells and start bridging."""
    p.attempt += 1
    p.next[LATE_BRIDGING] = INF
    p.next[APHERESIS_END] = p.t + q.apheresis_days
    if p.attempt == 1:
        p.t_apheresis = p.t
        p.bridged = 1 if uniform(p.seed, p.number, _BRIDGING, 0) < q.bridging_share else 0
        if p.bridged == 1:
            note(p, j, _NOTE_BRIDGING, p.t, p.t, 0)
    note(p, j, _NOTE_APHERESIS, p.t, p.t, p.attempt)


def end_apheresis(p: Any, q: Any) -> None:
    """Free the apheresis slot and ask for a manufacturing slot."""
    p.holds &= ~APHERESIS_BIT
    p.wants |= MANUFACTURING_BIT
    wait_in_line(p, q)


def begin_manufacturing(p: Any, q: Any) -> None:
    """Make the product: what remains of the planned wait, or a fresh turnaround after a failure."""
    span = max(0.0, (1.0 - q.apheresis_share) * (p.wait - q.lymphodepletion_days) - q.apheresis_days)
    if p.attempt > 1:
        z = normal(p.seed, p.number, _REMANUFACTURE_WAIT, p.attempt)
        span = q.remanufacture_days * math.exp(q.wait_spread * z)
    p.next[LATE_BRIDGING] = INF
    p.next[PRODUCT] = p.t + span


def end_manufacturing(p: Any, q: Any, j: Any) -> int:
    """Finish manufacturing: 1 released, 2 made again from a new apheresis, 0 given up."""
    p.holds &= ~MANUFACTURING_BIT
    failure = min(1.0, q.manufacture_failure * q.product_failure[p.product])
    if uniform(p.seed, p.number, _MANUFACTURE, p.attempt) < failure:
        note(p, j, _NOTE_FAILED, p.t, p.t, p.attempt)
        if p.attempt < q.most_aphereses and uniform(p.seed, p.number, _REAPHERESIS, p.attempt) < q.reapheresis:
            ask_for_apheresis(p, q)
            return 2
        return 0
    p.out_of_spec = 1 if uniform(p.seed, p.number, _OUT_OF_SPECIFICATION, 0) < q.out_of_spec_share else 0
    p.next[LYMPHODEPLETION] = p.t
    return 1


def product_expires(p: Any, q: Any, j: Any) -> bool:
    """No bed in the product's shelf life: it is lost; tell whether another one is made."""
    leave_ward_line(p)
    note(p, j, _NOTE_EXPIRED, p.t, p.t, p.attempt)
    if p.attempt >= q.most_aphereses:
        return False
    ask_for_apheresis(p, q)
    return True


def lose_while_waiting(p: Any, q: Any, j: Any) -> bool:
    """A waiting patient is lost; tell whether they died (otherwise they go on without CAR T)."""
    if uniform(p.seed, p.number, _WAITING_OUTCOME, 0) < q.waiting_death_share:
        p.not_infused = DIED_WAITING
        note(p, j, _NOTE_NOT_INFUSED, p.t, p.t, DIED_WAITING)
        die(p, j, OF_WAITING)
        return True
    return False


def give_up_car(p: Any, j: Any, reason: int) -> None:
    """Leave the way to infusion for good."""
    p.not_infused = reason
    note(p, j, _NOTE_NOT_INFUSED, p.t, p.t, reason)
    set_rate(p, WAITING_LOSS, 0.0)
    p.next[APHERESIS] = INF
    p.next[APHERESIS_END] = INF
    p.next[PRODUCT] = INF
    p.next[LYMPHODEPLETION] = INF
    p.next[INFUSION] = INF
    p.next[LATE_BRIDGING] = INF
    p.next[PRODUCT_EXPIRY] = INF
    p.next[SEARCH_END] = INF
    p.search = 2
    end_ward_stay(p, j)
    p.wants = 0
    p.holds = 0


def begin_lymphodepletion(p: Any, q: Any, j: Any) -> None:
    """Admit, give fludarabine and cyclophosphamide; waiting longer than planned lets the burden grow."""
    enter_phase(p, j, _TREATMENT)
    set_rate(p, WAITING_LOSS, 0.0)
    stay_in_ward(p, q, p.t + q.lymphodepletion_days)
    p.t_lymphodepletion = p.t
    p.next[LATE_BRIDGING] = INF
    p.next[PRODUCT_EXPIRY] = INF
    planned = p.wait - q.lymphodepletion_days
    delay = max(0.0, p.t - planned)
    if p.bridged_late < INF:
        before = min(delay, max(0.0, p.bridged_late - planned))
        p.burden_now = min(0.0, p.burden + q.unbridged_growth * before + q.bridging_growth * (delay - before))
    elif p.bridged == 1:
        p.burden_now = min(0.0, p.burden + q.bridging_growth * delay - q.bridging_kill)
    else:
        p.burden_now = min(0.0, p.burden + q.unbridged_growth * delay)
    p.flu_now = p.flu_auc
    if q.auc_targeted == 1:
        p.flu_now = q.auc_target * math.exp(q.auc_target_spread * normal(p.seed, p.number, _TARGETED, 0))
    note(p, j, _NOTE_LYMPHODEPLETION, p.t, p.t, q.auc_targeted)
    p.next[INFUSION] = p.t + q.lymphodepletion_days


def infuse(p: Any, q: Any, j: Any) -> None:
    """Give the cells: the clones, the expansion and the clock of aplasia start here."""
    set_rate(p, WAITING_LOSS, 0.0)
    p.t_infusion = p.t
    p.dose_now = max(p.dose, q.minimum_dose)
    months = p.months_hct_to_relapse
    early = p.prior_hct == 1 and months < q.early_months
    p.donor_derived = 1 if early and q.donor_derived_car == 1 and p.donor > 0 else 0
    p.early = 1 if early and p.donor_derived == 0 else 0
    draw_expansion(p, q)
    seed_positive_clone(p, q)
    seed_negative_clone(p, q)
    p.neg_slope = q.negative_fitness * p.growth - q.product_negative_kill[p.product]
    p.car_active = 1
    p.aplasia_since = p.t
    note(p, j, _NOTE_INFUSION, p.t, p.t, p.product + 100 * p.out_of_spec + 200 * p.donor_derived)
    if q.acute == 1:
        stay_in_ward(p, q, p.t + q.planned_stay)
    retime_mortality(p, q)
