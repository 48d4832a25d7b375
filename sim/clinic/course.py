"""A patient's course: phases, hospital stays, re-timing after a change of state, and the end of life."""

from __future__ import annotations

from typing import Any, Final

from sim import journal as _j
from sim.biology.leukaemia import advance_clones, steer_clones, time_to_overt
from sim.biology.mortality import next_ratio_change, retime_background
from sim.clinic.events import (
    BACKGROUND_DEATH,
    CRS_ONSET,
    DISCHARGE,
    ICANS_ONSET,
    ICU_DISCHARGE,
    ICU_DIVERSION,
    POOL_HCT,
    POOL_ICU,
    POOL_WARD,
    RELAPSE_NEGATIVE,
    RELAPSE_POSITIVE,
    SMR_STEP,
    WARD_DIVERSION,
)
from sim.journal import note
from sim.kernel import INF

#: Causes of death (`sim.patient.CAUSE_NAMES`).
OF_LEUKAEMIA: Final = 1
OF_TOXICITY: Final = 2
OF_INFECTION: Final = 3
OF_TRANSPLANT: Final = 4
OF_BACKGROUND: Final = 5
OF_WAITING: Final = 6

WARD_BIT: Final = 1 << POOL_WARD
ICU_BIT: Final = 1 << POOL_ICU
HCT_BIT: Final = 1 << POOL_HCT

_WAITING: Final = _j.WAITING
_REMISSION: Final = _j.REMISSION
_TRANSPLANTED: Final = _j.TRANSPLANTED
_SECOND_REMISSION: Final = _j.SECOND_REMISSION
_SALVAGE_TRANSPLANTED: Final = _j.SALVAGE_TRANSPLANTED
_WARD: Final = _j.WARD
_ICU: Final = _j.ICU
_CRS: Final = _j.CRS
_ICANS: Final = _j.ICANS
_IEC_HS: Final = _j.IEC_HS
_NEUTROPENIA: Final = _j.NEUTROPENIA
_APLASIA: Final = _j.APLASIA
_IGG: Final = _j.IGG_REPLACEMENT
_MAINTENANCE: Final = _j.MAINTENANCE
_TKI: Final = _j.TKI
_ACUTE_GVHD: Final = _j.ACUTE_GVHD
_CHRONIC_GVHD: Final = _j.CHRONIC_GVHD
_LATE_EFFECT: Final = _j.LATE_EFFECT
_SALVAGE: Final = _j.SALVAGE
_DEATH: Final = _j.DEATH

TKI_ACTION: Final = 4


def enter_phase(p: Any, j: Any, phase: int) -> None:
    """Leave the present phase and enter another; phases follow each other without a gap."""
    if p.t > p.phase_since:
        note(p, j, p.phase, p.phase_since, p.t, 0)
    p.phase = phase
    p.phase_since = p.t


def in_remission(p: Any) -> bool:
    """Tell whether the patient is in a remission of any kind."""
    return (
        p.phase == _REMISSION
        or p.phase == _TRANSPLANTED
        or p.phase == _SECOND_REMISSION
        or p.phase == _SALVAGE_TRANSPLANTED
    )


def retime_leukaemia(p: Any, q: Any) -> None:
    """After a change of state: new slopes for the clones, new times for their relapses."""
    advance_clones(p, q)
    steer_clones(p, q)
    if p.leukaemia == 0 and in_remission(p):
        p.next[RELAPSE_POSITIVE] = p.t + time_to_overt(p.pos_level, p.pos_slope)
        p.next[RELAPSE_NEGATIVE] = p.t + time_to_overt(p.neg_level, p.neg_slope)
    else:
        p.next[RELAPSE_POSITIVE] = INF
        p.next[RELAPSE_NEGATIVE] = INF


def retime_mortality(p: Any, q: Any) -> None:
    """After a change of the mortality ratio: new time of background death, next step of the ratio."""
    p.next[BACKGROUND_DEATH] = retime_background(p, q)
    p.next[SMR_STEP] = next_ratio_change(p, q)


def stay_in_ward(p: Any, q: Any, until: float) -> None:
    """Admit the patient, or keep them, until `until`; a stay on the transplant unit serves too.

    Before infusion the patient waits for the bed; an acute illness goes elsewhere after some time.
    """
    p.ward_until = max(p.ward_until, until)
    if p.ward_since < INF:
        p.next[DISCHARGE] = p.ward_until
    elif p.holds & HCT_BIT == 0:
        ask_for_ward_bed(p, q)


def ask_for_ward_bed(p: Any, q: Any) -> None:
    """Stand in line for a ward bed."""
    p.wants |= WARD_BIT
    if p.phase != _WAITING:
        p.next[WARD_DIVERSION] = min(p.next[WARD_DIVERSION], p.t + q.ward_patience)


def leave_ward_line(p: Any) -> None:
    """Stop waiting for a ward bed."""
    p.wants &= ~WARD_BIT
    p.next[WARD_DIVERSION] = INF


def begin_ward_stay(p: Any) -> None:
    """A bed is there: the stay begins."""
    p.ward_since = p.t
    p.next[DISCHARGE] = max(p.t, p.ward_until)


def end_ward_stay(p: Any, j: Any) -> None:
    """Discharge from the ward (or the transplant unit) and free the bed."""
    if p.ward_since < INF:
        unit = 2 if p.holds & HCT_BIT != 0 else (3 if p.ward_elsewhere == 1 else 1)
        if p.t > p.ward_since:
            note(p, j, _WARD, p.ward_since, p.t, unit)
            p.ward_days += p.t - p.ward_since
    p.ward_since = INF
    p.ward_elsewhere = 0
    p.next[DISCHARGE] = INF
    leave_ward_line(p)
    p.holds &= ~(WARD_BIT | HCT_BIT)


def discharge(p: Any, j: Any) -> None:
    """Go home: from the ward, or from the intensive-care bed in which the patient waited for a ward bed."""
    end_icu_stay(p, j)
    end_ward_stay(p, j)


def ask_for_icu(p: Any, q: Any, until: float) -> None:
    """Ask for an ICU bed until `until`; nobody waits for long."""
    p.icu_until = max(p.icu_until, until)
    if p.icu_since < INF:
        p.next[ICU_DISCHARGE] = p.icu_until
        leave_ward_line(p)
    else:
        p.wants |= ICU_BIT
        p.next[ICU_DIVERSION] = min(p.next[ICU_DIVERSION], p.t + q.icu_patience)


def begin_icu_stay(p: Any) -> None:
    """An ICU bed is there; the ward bed is free for others meanwhile, the stay in hospital goes on (or begins)."""
    p.icu_since = p.t
    p.next[ICU_DISCHARGE] = max(p.t, p.icu_until)
    p.next[ICU_DIVERSION] = INF
    leave_ward_line(p)
    p.holds &= ~WARD_BIT
    if p.ward_since == INF:
        begin_ward_stay(p)


def leave_icu(p: Any, q: Any, j: Any) -> None:
    """Intensive care is over: back to the ward as soon as there is a bed, in the ICU bed until then."""
    if p.ward_since < INF and p.ward_until > p.t and p.holds & HCT_BIT == 0 and p.ward_elsewhere == 0:
        ask_for_ward_bed(p, q)
    else:
        end_icu_stay(p, j)


def end_icu_stay(p: Any, j: Any) -> None:
    """Leave the ICU and free its bed."""
    if p.icu_since < INF and p.t > p.icu_since:
        note(p, j, _ICU, p.icu_since, p.t, 0 if p.holds & ICU_BIT != 0 else 1)
        p.icu_days += p.t - p.icu_since
    p.icu_since = INF
    p.next[ICU_DISCHARGE] = INF
    p.next[ICU_DIVERSION] = INF
    p.wants &= ~ICU_BIT
    p.holds &= ~ICU_BIT


def end_maintenance(p: Any, j: Any) -> None:
    """Stop maintenance or TKI."""
    if p.maintenance_since < INF:
        kind = _TKI if p.maintenance_kind == TKI_ACTION else _MAINTENANCE
        note(p, j, kind, p.maintenance_since, p.t, 0)
    p.maintenance_since = INF
    p.maintained = 0.0


def end_aplasia_record(p: Any, j: Any) -> None:
    """Write the sojourns that end with B-cell aplasia: itself, and immunoglobulin replacement."""
    if p.aplasia_since < INF:
        note(p, j, _APLASIA, p.aplasia_since, p.t, 0)
        p.aplasia_since = INF
    if p.igg_since < INF:
        note(p, j, _IGG, p.igg_since, p.t, 0)
        p.igg_since = INF


def icaht_grade(days: float) -> int:
    """Grade early ICAHT by the days of ANC < 500 (EHA/EBMT): 1 up to a week, 2 up to two weeks, 3 from then on."""
    if days >= 14.0:
        return 3
    return 2 if days >= 7.0 else 1


def end_neutropenia(p: Any, j: Any) -> None:
    """Neutrophils are back."""
    if p.neutropenic == 1:
        note(p, j, _NEUTROPENIA, p.neutropenia_start, p.t, icaht_grade(p.t - p.neutropenia_start))
    p.neutropenic = 0


def end_salvage_course(p: Any, j: Any) -> None:
    """Write the salvage course that ends now."""
    if p.salvage_since < INF:
        note(p, j, _SALVAGE, p.salvage_since, p.t, p.salvage_therapy)
        p.salvage_since = INF


def end_acute_gvhd(p: Any, j: Any) -> None:
    """Acute GVHD is over."""
    if p.acute_gvhd_since < INF:
        note(p, j, _ACUTE_GVHD, p.acute_gvhd_since, p.t, p.gvhd_grade)
        p.acute_gvhd_since = INF


def end_chronic_gvhd(p: Any, j: Any) -> None:
    """Chronic GVHD is over."""
    if p.chronic_gvhd_since < INF:
        note(p, j, _CHRONIC_GVHD, p.chronic_gvhd_since, p.t, 0)
        p.chronic_gvhd_since = INF


def end_crs(p: Any, j: Any) -> None:
    """CRS is over."""
    if p.crs_start < INF and p.crs_stop == INF:
        note(p, j, _CRS, p.crs_start, p.t, p.crs_grade)
        p.crs_stop = p.t


def end_icans(p: Any, j: Any) -> None:
    """ICANS is over."""
    if p.icans_start < INF:
        note(p, j, _ICANS, p.icans_start, p.t, p.icans_grade)
        p.icans_start = INF


def end_hs(p: Any, j: Any) -> None:
    """IEC-HS is over."""
    if p.hs_start < INF:
        note(p, j, _IEC_HS, p.hs_start, p.t, p.hs_step)
        p.hs_start = INF


def die(p: Any, j: Any, cause: int) -> None:
    """End the life: close every sojourn, free every capacity, and record the cause."""
    p.t_death = p.t
    p.cause = cause
    close_books(p, j)
    note(p, j, _DEATH, p.t, p.t, cause)


def reach_horizon(p: Any, j: Any) -> None:
    """Close the books of a patient who is alive at the horizon."""
    close_books(p, j)


def close_books(p: Any, j: Any) -> None:
    """Write what is still open and free what is held: at death, or at the horizon."""
    end_crs(p, j)
    end_icans(p, j)
    end_hs(p, j)
    end_icu_stay(p, j)
    end_ward_stay(p, j)
    end_neutropenia(p, j)
    end_aplasia_record(p, j)
    end_maintenance(p, j)
    end_acute_gvhd(p, j)
    end_chronic_gvhd(p, j)
    end_salvage_course(p, j)
    if p.late_since < INF:
        note(p, j, _LATE_EFFECT, p.late_since, p.t, 1)
    if p.t > p.phase_since:
        note(p, j, p.phase, p.phase_since, p.t, 0)
    forget_what_never_came(p)
    p.wants = 0
    p.holds = 0
    p.done = 1


def forget_what_never_came(p: Any) -> None:
    """Grades are drawn ahead of their onset: whoever does not live to see it never had them."""
    if p.next[CRS_ONSET] < INF:
        p.crs_grade = 0
    if p.next[ICANS_ONSET] < INF:
        p.icans_grade = 0
