"""A policy at work: named features of a patient, conditions on them, and the first rule that matches.

Rules are arrays (compiled from YAML by `sim.policies`); codes follow the order of `sim.clinic.vocabulary`.
"""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import OVERT
from sim.clinic.toxicity import percent_blasts
from sim.clinic.vocabulary import ACTIONS, FEATURES, POINTS
from sim.draws import uniform
from sim.kernel import INF
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

REMISSION: Final = POINTS.index("remission")
MRD_POSITIVE: Final = POINTS.index("mrd_positive")
BCA_LOST: Final = POINTS.index("bca_lost")
HEMATOGONES: Final = POINTS.index("hematogones")
RELAPSE: Final = POINTS.index("relapse")
SCHEDULED: Final = POINTS.index("visit")
MIXED_CHIMERISM: Final = POINTS.index("mixed_chimerism")

WATCH: Final = ACTIONS.index("watch")
TRANSPLANT: Final = ACTIONS.index("hct")
REINFUSE: Final = ACTIONS.index("reinfuse")
MAINTAIN: Final = ACTIONS.index("maintain")
TKI: Final = ACTIONS.index("tki")
SEQUENTIAL: Final = ACTIONS.index("cd22_car")

_ORDER: Final = tuple(FEATURES)
_COSTIM: Final = _ORDER.index("costim")
_PRODUCT: Final = _ORDER.index("product")
_PRIOR_HCT: Final = _ORDER.index("prior_hct")
_ELIGIBLE: Final = _ORDER.index("eligible")
_DONOR: Final = _ORDER.index("donor")
_WISH: Final = _ORDER.index("wish")
_BURDEN: Final = _ORDER.index("burden")
_BLINA: Final = _ORDER.index("blina")
_MONTHS: Final = _ORDER.index("months_since_infusion")
_MRD_ASSAY: Final = _ORDER.index("mrd_assay")
_KMT2AR: Final = _ORDER.index("kmt2ar")
_PH: Final = _ORDER.index("ph")
_TP53: Final = _ORDER.index("tp53")
_ADVERSE: Final = _ORDER.index("adverse_cytogenetics")
_REFRACTORY: Final = _ORDER.index("refractory")
_RELAPSES: Final = _ORDER.index("relapses")
_HCT_TO_RELAPSE: Final = _ORDER.index("months_hct_to_relapse")
_AGE: Final = _ORDER.index("age")
_INOTUZUMAB: Final = _ORDER.index("inotuzumab")
_COMORBIDITY: Final = _ORDER.index("comorbidity")
_CRS: Final = _ORDER.index("crs_grade")
_ICANS: Final = _ORDER.index("icans_grade")
_TRANSPLANTED: Final = _ORDER.index("transplanted")
_REINFUSIONS: Final = _ORDER.index("reinfusions")
_PRODUCT_LEFT: Final = _ORDER.index("product_left")
_NEGATIVE_CLONE: Final = _ORDER.index("negative_clone")
_DOWN: Final = _ORDER.index("down")
_RELAPSE_TYPE: Final = _ORDER.index("relapse_type")
_MAINTAINED: Final = _ORDER.index("maintained")
_SITE: Final = _ORDER.index("site")
_CONFIRMED: Final = _ORDER.index("mrd_confirmed")
_NGS_ONLY: Final = _ORDER.index("ngs_only")
_PRACTICE_HCT: Final = _ORDER.index("practice_hct")
_PRACTICE_REINFUSION: Final = _ORDER.index("practice_reinfusion")
_POVERTY: Final = _ORDER.index("poverty")
_DISTANCE: Final = _ORDER.index("distance")
_TBI: Final = _ORDER.index("tbi_feasible")
_SINCE_HCT: Final = _ORDER.index("months_since_prior_hct")

#: Months come from days, so "within 6 months" must not hang on the last bit.
ROUNDING: Final = 1e-6

_BCA_SEEN: Final = _ORDER.index("bca_lost")

_DRAW_LEFT: Final = _d.PRODUCT_LEFT
_DRAW_PRACTICE: Final = _d.TRIAL_PRACTICE
_PHASE_REMISSION: Final = _j.REMISSION


def product_left(p: Any, q: Any) -> bool:
    """Tell whether cryopreserved product is left for a reinfusion."""
    return uniform(p.seed, p.number, _DRAW_LEFT, 0) < q.product_left


def eligible(p: Any, q: Any) -> bool:
    """Tell whether a transplant is possible: donor, organ function, no infection, persistent neutropenia or GVHD."""
    return (
        p.donor > 0
        and p.fit_now == 1
        and p.infection_until <= p.t
        and not (p.neutropenic == 1 and p.t - p.neutropenia_start > q.persistent_from)
        and p.acute_gvhd_since == INF
        and p.chronic_gvhd_since == INF
    )


def tbi_feasible(p: Any, q: Any) -> bool:
    """Tell whether irradiation is possible: not below 4 years, not twice, no germline TP53, no instability."""
    age = p.age + p.t / DAYS_PER_YEAR
    return age >= q.tbi_age and p.irradiated == 0 and p.tp53 != 2 and p.instability == 0


def practice_hct(p: Any, q: Any, point: int) -> bool:
    """Tell whether the cohort's practice transplants this patient at this point.

    At MRD or loss of aplasia ``t = hct_share triggered_share``, spread over the share of responders in whom such a
    trigger is seen. In remission the share ``p`` with which both together make ``hct_share``, who is chosen twice
    being transplanted once and ``lost_before`` of the planned never: ``p (1 - lost_before) + t (1 - p) = hct_share``.
    """
    u = uniform(p.seed, p.number, _DRAW_PRACTICE, 0 if point == REMISSION else 1)
    triggered = min(q.practice_hct_share * q.practice_triggered, q.practice_trigger_rate)
    if point == REMISSION:
        return u * (1.0 - q.practice_lost_before - triggered) < q.practice_hct_share - triggered
    return u * q.practice_trigger_rate < triggered


def feature(p: Any, q: Any, name: int, point: int) -> float:
    """Value of a patient feature as a number (flags 0/1, categories by code)."""
    if name == _PRIOR_HCT:
        return p.prior_hct
    if name == _ELIGIBLE:
        return 1.0 if eligible(p, q) else 0.0
    if name == _COSTIM:
        return q.product_cd28[p.product]
    if name == _MONTHS:
        return (p.t - p.t_infusion) / DAYS_PER_MONTH
    if name == _TRANSPLANTED:
        return 1.0 if p.hcts > 0 else 0.0
    if name == _PRODUCT_LEFT:
        return 1.0 if product_left(p, q) else 0.0
    if name == _MRD_ASSAY:
        return 0.0 if p.mrd_seen == 0 else (1.0 if p.mrd_seen & 1 else (2.0 if p.mrd_seen & 2 else 3.0))
    if name == _NGS_ONLY:
        return 1.0 if p.mrd_seen == 4 else 0.0
    if name == _CONFIRMED:
        return 1.0 if p.mrd_confirmed == 1 else 0.0
    if name == _BCA_SEEN:
        return 1.0 if p.aplasia_lost_seen != 0 else 0.0
    if name == _PRODUCT:
        return p.product
    if name == _DONOR:
        return p.donor
    if name == _WISH:
        return p.wish
    if name == _BURDEN:
        return percent_blasts(p)
    if name == _BLINA:
        return p.blinatumomab
    if name == _KMT2AR:
        return p.kmt2ar
    if name == _PH:
        return p.ph
    if name == _TP53:
        return p.tp53
    if name == _ADVERSE:
        return 1.0 if p.kmt2ar == 1 or p.hypodiploid == 1 or p.tp53 > 0 else 0.0
    if name == _REFRACTORY:
        return p.refractory
    if name == _RELAPSES:
        return p.relapses
    if name == _HCT_TO_RELAPSE:
        return p.months_hct_to_relapse
    if name == _AGE:
        return p.age + p.t / DAYS_PER_YEAR
    if name == _INOTUZUMAB:
        return p.inotuzumab
    if name == _COMORBIDITY:
        return p.comorbidity
    if name == _CRS:
        return p.crs_grade
    if name == _ICANS:
        return p.icans_grade
    if name == _REINFUSIONS:
        return p.reinfusions
    if name == _NEGATIVE_CLONE:
        return p.negative_clone_seen
    if name == _DOWN:
        return p.down
    if name == _RELAPSE_TYPE:
        return p.relapse_type
    if name == _MAINTAINED:
        return 1.0 if p.maintenance_since < INF else 0.0
    if name == _SITE:
        return p.site
    if name == _PRACTICE_HCT:
        return 1.0 if practice_hct(p, q, point) else 0.0
    if name == _PRACTICE_REINFUSION:
        return 1.0 if uniform(p.seed, p.number, _DRAW_PRACTICE, 2) < q.practice_reinfusion else 0.0
    if name == _POVERTY:
        return p.poverty
    if name == _DISTANCE:
        return p.distance
    if name == _TBI:
        return 1.0 if tbi_feasible(p, q) else 0.0
    if name == _SINCE_HCT:
        return (p.t - p.first_hct) / DAYS_PER_MONTH
    return math.nan


def condition_holds(p: Any, q: Any, condition: int, point: int) -> bool:
    """Tell whether one condition holds: a category in a set, or a number in an inclusive range."""
    value = feature(p, q, q.condition_feature[condition], point)
    mask = q.condition_mask[condition]
    if mask >= 0:
        return (mask >> int(value)) & 1 == 1
    return q.condition_low[condition] - ROUNDING <= value <= q.condition_high[condition] + ROUNDING


def rule_matches(p: Any, q: Any, rule: int, point: int) -> bool:
    """Tell whether all conditions of a rule hold."""
    for condition in range(q.rule_condition_start[rule], q.rule_condition_start[rule + 1]):
        if not condition_holds(p, q, condition, point):
            return False
    return True


def first_rule(p: Any, q: Any, point: int, after: int) -> int:
    """Find the first rule of a decision point, after rule `after`, whose conditions hold; -1 if none does."""
    for rule in range(max(q.rule_point_start[point], after + 1), q.rule_point_start[point + 1]):
        if rule_matches(p, q, rule, point):
            return rule
    return -1


def negative_clone_visible(p: Any, q: Any) -> int:
    """Tell whether flow before CAR T would show CD19-negative blasts."""
    return 1 if p.neg_level > q.flow_limit and p.burden_now > OVERT else 0
