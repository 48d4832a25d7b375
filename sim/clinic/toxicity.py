"""Acute toxicity: CRS, ICANS and IEC-HS, with their treatment, intensive care and deaths."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import centred_burden, logistic
from sim.clinic.course import ICU_BIT, OF_TOXICITY, ask_for_icu, die, end_crs, end_icans, stay_in_ward
from sim.clinic.events import (
    CRS_END,
    CRS_ONSET,
    CRS_PEAK,
    HS_END,
    ICANS_END,
    ICANS_ONSET,
    TOXIC_DEATH,
)
from sim.draws import normal, uniform
from sim.journal import note
from sim.kernel import INF

_CRS_GRADE: Final = _d.CRS_GRADE
_CRS_ONSET: Final = _d.CRS_ONSET
_CRS_DURATION: Final = _d.CRS_DURATION
_CRS_ESCALATION: Final = _d.CRS_ESCALATION
_TOCILIZUMAB: Final = _d.TOCILIZUMAB
_STEROID: Final = _d.STEROID
_ICU: Final = _d.ICU
_ICU_STAY: Final = _d.ICU_STAY
_CRS_DEATH: Final = _d.CRS_DEATH
_ICANS_GRADE: Final = _d.ICANS_GRADE
_ICANS_ONSET: Final = _d.ICANS_ONSET
_ICANS_DURATION: Final = _d.ICANS_DURATION
_ICANS_DEATH: Final = _d.ICANS_DEATH
_LEVETIRACETAM: Final = _d.LEVETIRACETAM
_HS: Final = _d.HS
_HS_DURATION: Final = _d.HS_DURATION
_HS_STEP: Final = _d.HS_STEP
_HS_DEATH: Final = _d.HS_DEATH
_NEUROCOGNITIVE: Final = _d.NEUROCOGNITIVE

_NOTE_TOCILIZUMAB: Final = _j.TOCILIZUMAB
_NOTE_STEROID: Final = _j.STEROID
_NOTE_LEVETIRACETAM: Final = _j.LEVETIRACETAM
_NOTE_LATE: Final = _j.LATE_EFFECT


def percent_blasts(p: Any) -> float:
    """Marrow blasts before lymphodepletion, in percent."""
    return 100.0 * math.pow(10.0, p.burden_now)


def draw_crs(p: Any, q: Any) -> None:
    """Draw the CRS grade this patient is heading for, and its onset: cumulative logit on burden and expansion."""
    shift = (
        q.crs_burden * centred_burden(p)
        + q.crs_expansion * p.expansion
        + q.crs_comorbidity * p.comorbidity
        + q.product_crs[p.product]
    )
    u = uniform(p.seed, p.number, _CRS_GRADE, 0)
    grade = 0
    if u < logistic(q.crs_grade1 + shift):
        grade = 1
    if u < logistic(q.crs_grade2 + shift):
        grade = 2
    if u < logistic(q.crs_grade3 + shift):
        grade = 3
    if u < logistic(q.crs_grade4 + shift):
        grade = 4
    p.crs_grade = grade
    if grade > 0:
        z = normal(p.seed, p.number, _CRS_ONSET, 0)
        p.next[CRS_ONSET] = p.t + min(q.crs_onset_latest, q.crs_onset * math.exp(q.crs_onset_spread * z))


def begin_crs(p: Any, q: Any, j: Any) -> None:
    """CRS starts at grade 1; early tocilizumab may keep it from becoming severe."""
    p.crs_start = p.t
    early_onset = p.t - p.t_infusion <= q.early_tocilizumab_onset
    at_risk = percent_blasts(p) > q.early_tocilizumab_burden or p.comorbidity == 1 or early_onset
    if q.early_tocilizumab == 1 and at_risk:
        give_tocilizumab(p, j, 1)
        if p.crs_grade >= 3 and uniform(p.seed, p.number, _CRS_ESCALATION, 0) >= q.early_tocilizumab_ratio:
            p.crs_grade = 2
    length = q.crs_duration * math.exp(q.crs_duration_spread * normal(p.seed, p.number, _CRS_DURATION, 0))
    if p.crs_grade >= 3:
        length *= q.crs_severe_duration
    stay_in_ward(p, q, p.t + length)
    if p.crs_grade >= 2:
        p.next[CRS_PEAK] = p.t + q.crs_peak_share * length
    p.next[CRS_END] = p.t + length


def give_tocilizumab(p: Any, j: Any, doses: int) -> None:
    """Give tocilizumab (no effect on expansion or persistence: CRS05)."""
    p.tocilizumab_doses += doses
    note(p, j, _NOTE_TOCILIZUMAB, p.t, p.t, doses)


def peak_crs(p: Any, q: Any, j: Any) -> None:
    """CRS reaches its grade: tocilizumab, steroids, intensive care by grade; death at grade 4."""
    severe = p.crs_grade >= 3
    if uniform(p.seed, p.number, _TOCILIZUMAB, 0) < (q.tocilizumab_severe if severe else q.tocilizumab_mild):
        give_tocilizumab(p, j, q.tocilizumab_doses if severe else 1)
    if uniform(p.seed, p.number, _STEROID, 0) < (q.steroid_severe if severe else q.steroid_mild):
        p.steroid = 1
        note(p, j, _NOTE_STEROID, p.t, p.t, 0)
    if uniform(p.seed, p.number, _ICU, 0) < (q.icu_severe if severe else q.icu_mild):
        enter_icu(p, q, 0)
    if p.crs_grade >= 4 and uniform(p.seed, p.number, _CRS_DEATH, 0) < q.crs_death:
        p.next[TOXIC_DEATH] = min(p.next[TOXIC_DEATH], p.next[CRS_END])
        p.next[CRS_END] = INF


def enter_icu(p: Any, q: Any, nth: int) -> None:
    """Need intensive care for a lognormal time."""
    until = p.t + q.icu_stay * math.exp(q.icu_stay_spread * normal(p.seed, p.number, _ICU_STAY, nth))
    ask_for_icu(p, q, until)
    stay_in_ward(p, q, until)


def finish_crs(p: Any, q: Any, j: Any) -> None:
    """CRS resolves; IEC-HS may follow."""
    severe = 1.0 if p.crs_grade >= 3 else 0.0
    end_crs(p, j)
    if p.icu_until <= p.t:
        p.wants &= ~ICU_BIT
    if uniform(p.seed, p.number, _HS, 0) < logistic(q.hs + q.hs_severe_crs * severe + q.hs_burden * centred_burden(p)):
        begin_hs(p, q)


def begin_hs(p: Any, q: Any) -> None:
    """IEC-HS: anakinra with or without steroids, then ruxolitinib or emapalumab, then etoposide."""
    p.hs = 1
    p.hs_start = p.t
    u = uniform(p.seed, p.number, _HS_STEP, 0)
    p.hs_step = 3 if u < q.hs_step3 else (2 if u < q.hs_step2 else 1)
    length = q.hs_duration * math.exp(q.hs_duration_spread * normal(p.seed, p.number, _HS_DURATION, 0))
    stay_in_ward(p, q, p.t + length)
    if uniform(p.seed, p.number, _HS_DEATH, 0) < q.hs_death:
        p.next[TOXIC_DEATH] = min(p.next[TOXIC_DEATH], p.t + length)
    else:
        p.next[HS_END] = p.t + length


def draw_icans(p: Any, q: Any, j: Any) -> None:
    """Draw the ICANS grade given CRS and expansion (not CNS disease), and its onset."""
    shift = (
        q.icans_crs * p.crs_grade
        + q.icans_expansion * p.expansion
        + q.icans_dose * math.log(p.dose_now / q.reference_dose)
        + q.product_icans[p.product]
    )
    u = uniform(p.seed, p.number, _ICANS_GRADE, 0)
    grade = 0
    if u < logistic(q.icans_grade1 + shift):
        grade = 1
    if u < logistic(q.icans_grade2 + shift):
        grade = 2
    if u < logistic(q.icans_grade3 + shift):
        grade = 3
    if u < logistic(q.icans_grade4 + shift):
        grade = 4
    if q.levetiracetam == 1 and p.neuro_history == 1:
        note(p, j, _NOTE_LEVETIRACETAM, p.t, p.t, 0)
        if grade >= 3 and uniform(p.seed, p.number, _LEVETIRACETAM, 0) >= q.levetiracetam_ratio:
            grade = 2
    p.icans_grade = grade
    if grade > 0:
        z = normal(p.seed, p.number, _ICANS_ONSET, 0)
        p.next[ICANS_ONSET] = p.t + q.icans_onset * math.exp(q.icans_onset_spread * z)


def begin_icans(p: Any, q: Any, j: Any) -> None:
    """ICANS: treated from grade 3 on with steroids and anakinra; fatal oedema is rare."""
    p.icans_start = p.t
    length = q.icans_duration * math.exp(q.icans_duration_spread * normal(p.seed, p.number, _ICANS_DURATION, 0))
    stay_in_ward(p, q, p.t + length)
    if p.icans_grade >= 3:
        if p.steroid == 0:
            p.steroid = 1
            note(p, j, _NOTE_STEROID, p.t, p.t, 1)
        if uniform(p.seed, p.number, _ICU, 1) < q.icu_icans:
            enter_icu(p, q, 1)
        if uniform(p.seed, p.number, _ICANS_DEATH, 0) < q.icans_death:
            p.next[TOXIC_DEATH] = min(p.next[TOXIC_DEATH], p.t + length)
            return
    p.next[ICANS_END] = p.t + length


def finish_icans(p: Any, q: Any, j: Any) -> None:
    """ICANS resolves; after a severe one a late neurocognitive effect may stay."""
    severe = p.icans_grade >= 3
    end_icans(p, j)
    if severe and uniform(p.seed, p.number, _NEUROCOGNITIVE, 0) < q.neurocognitive:
        p.neurocognitive = 1
        note(p, j, _NOTE_LATE, p.t, p.t, 2)


def die_of_toxicity(p: Any, j: Any) -> None:
    """Death of CRS, ICANS or IEC-HS: a CRS or ICANS to which no end was planned is grade 5."""
    if p.crs_start < INF and p.crs_stop == INF and p.next[CRS_END] == INF:
        p.crs_grade = 5
    if p.icans_start < INF and p.next[ICANS_END] == INF:
        p.icans_grade = 5
    die(p, j, OF_TOXICITY)
