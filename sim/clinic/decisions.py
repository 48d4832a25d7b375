"""Visits and decisions: what samples show, and what the policy makes of it.

A decision reads only what a visit saw. One action is pending at a time; the first rule that matches decides.
"""

from __future__ import annotations

from typing import Any, Final

from sim import journal as _j
from sim.clinic import events
from sim.clinic.course import (
    in_remission,
)
from sim.clinic.monitoring import (
    FLOW,
    HEMATOGONES,
    QPCR,
    b_cells_back,
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
    SCHEDULED,
    SEQUENTIAL,
    TKI,
    TRANSPLANT,
    WATCH,
    first_rule,
)
from sim.clinic.policy import HEMATOGONES as HEMATOGONES_POINT
from sim.clinic.reinfusion import (
    begin_maintenance,
    plan_reinfusion,
    plan_sequential_car,
)
from sim.clinic.transplant import (
    plan_transplant,
)
from sim.journal import note
from sim.kernel import INF

_NOTE_DECISION: Final = _j.DECISION
_PHASE_REMISSION: Final = _j.REMISSION
_PHASE_TRANSPLANTED: Final = _j.TRANSPLANTED
_PHASE_SALVAGE_TRANSPLANTED: Final = _j.SALVAGE_TRANSPLANTED
NO_DECISION: Final = -1


def on_visit(p: Any, q: Any, j: Any) -> None:
    """A scheduled visit in remission: what the assays can see, then what the policy makes of it."""
    plan_visit(p, q)
    if p.leukaemia == 1 or not in_remission(p) or missed(p, q):
        return
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
        elif p.pending == 0 and p.next[events.CONFIRMATION] == INF:
            p.confirming = MRD_POSITIVE
            p.confirming_rule = -1
            p.next[events.CONFIRMATION] = p.t + q.ngs_repeat
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
    if p.pending != 0 or p.next[events.CONFIRMATION] < INF:
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
            p.next[events.CONFIRMATION] = p.t + q.rule_confirm[rule]
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


def on_chimerism(p: Any, q: Any, j: Any) -> None:
    """Mixed chimerism found: the policy may consolidate with CAR T cells."""
    if p.t_infusion < INF and (p.phase == _PHASE_TRANSPLANTED or p.phase == _PHASE_SALVAGE_TRANSPLANTED):
        decide(p, q, j, MIXED_CHIMERISM)
