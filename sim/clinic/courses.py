"""What happens when the slot or bed of a course is there, or does not come in time."""

from __future__ import annotations

from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import advance_clones
from sim.clinic.beds import (
    BED_BIT,
    REINFUSION_COURSE,
    SALVAGE_COURSE,
    SEQUENTIAL_COURSE,
    SLOT_BIT,
    ask_for_course_bed,
)
from sim.clinic.course import (
    HCT_BIT,
    ICU_BIT,
    WARD_BIT,
    begin_icu_stay,
    begin_ward_stay,
    end_icu_stay,
    leave_ward_line,
)
from sim.clinic.events import (
    COURSE_BED_END,
    COURSE_DIVERSION,
    CRS_END,
    ICANS_END,
    POOL_HCT,
    POOL_ICU,
    POOL_MANUFACTURING,
    POOL_ONCOLOGY,
    POOL_WARD,
    SLOT_END,
)
from sim.clinic.reinfusion import begin_making_again, give_sequential_car, reinfuse
from sim.clinic.salvage import CD22_CAR as SALVAGE_CD22_CAR
from sim.clinic.salvage import CHEMOTHERAPY, begin_course
from sim.clinic.salvage import SECOND_CAR as SALVAGE_SECOND_CAR
from sim.clinic.toxicity import die_of_toxicity
from sim.clinic.transplant import cancel_transplant
from sim.draws import uniform
from sim.journal import note
from sim.kernel import INF

_DIVERSION_DEATH: Final = _d.DIVERSION_DEATH
_NOTE_DIVERTED: Final = _j.DIVERTED


def on_course_slot(p: Any, q: Any) -> None:
    """A manufacturing slot is there for a course beyond the first infusion."""
    if p.course == SALVAGE_COURSE:
        p.next[SLOT_END] = p.t + q.remanufacture_days
        ask_for_course_bed(p)
        p.next[COURSE_DIVERSION] = p.t + q.course_patience
    else:
        begin_making_again(p, q)


def plan_course(p: Any, q: Any, course: int) -> None:
    """The cells are there: ask for a bed to give them in."""
    p.course = course
    ask_for_course_bed(p)
    p.next[COURSE_DIVERSION] = p.t + q.course_patience


def on_course_bed(p: Any, q: Any, j: Any) -> None:
    """A bed on the oncology ward is there."""
    p.next[COURSE_BED_END] = p.t + bed_days(p, q)
    give_course(p, q, j)


def bed_days(p: Any, q: Any) -> float:
    """Days in bed for the course."""
    if p.course != SALVAGE_COURSE:
        return q.bed_reinfusion
    if p.salvage_therapy == SALVAGE_CD22_CAR or p.salvage_therapy == SALVAGE_SECOND_CAR:
        return q.bed_car
    return q.bed_chemotherapy if p.salvage_therapy == CHEMOTHERAPY else q.bed_antibody


def give_course(p: Any, q: Any, j: Any) -> None:
    """The course begins."""
    course = p.course
    p.course = 0
    p.next[COURSE_DIVERSION] = INF
    if course == SALVAGE_COURSE:
        begin_course(p, q)
    elif course == REINFUSION_COURSE:
        advance_clones(p, q)
        reinfuse(p, q, j)
    elif course == SEQUENTIAL_COURSE:
        advance_clones(p, q)
        give_sequential_car(p, q, j)


def divert(p: Any, j: Any, pool: int) -> None:
    """No place came in time: care is given in another hospital, and the journal says so."""
    p.wants &= ~(1 << pool)
    p.diversions += 1
    note(p, j, _NOTE_DIVERTED, p.t, p.t, pool)


def on_course_diversion(p: Any, q: Any, j: Any) -> None:
    """Neither slot nor bed came in time for the course."""
    if p.wants & SLOT_BIT != 0:
        divert(p, j, POOL_MANUFACTURING)
        ask_for_course_bed(p)
        p.next[COURSE_DIVERSION] = p.t + q.course_patience
    elif p.wants & BED_BIT != 0:
        divert(p, j, POOL_ONCOLOGY)
        give_course(p, q, j)


def on_ward_diversion(p: Any, j: Any) -> None:
    """No ward bed came in time for an acute illness, or for the way back from intensive care."""
    if p.wants & WARD_BIT == 0:
        return
    divert(p, j, POOL_WARD)
    leave_ward_line(p)
    p.ward_elsewhere = 1
    if p.ward_since < INF:
        end_icu_stay(p, j)
    else:
        begin_ward_stay(p)


def on_late_transplant(p: Any, j: Any) -> None:
    """No transplant room came in time: the transplant is given up; a later sample may ask for one again."""
    if p.wants & HCT_BIT == 0:
        return
    note(p, j, _NOTE_DIVERTED, p.t, p.t, POOL_HCT)
    cancel_transplant(p, j)
    p.loss_open = 1 if p.aplasia_lost_seen != 0 else 0


def on_icu_diversion(p: Any, q: Any, j: Any) -> None:
    """No intensive-care bed came in time: the patient is moved to one elsewhere, which some do not survive."""
    if p.wants & ICU_BIT == 0:
        return
    nth = p.diversions
    divert(p, j, POOL_ICU)
    if uniform(p.seed, p.number, _DIVERSION_DEATH, nth) < q.diversion_death:
        p.next[CRS_END] = INF
        p.next[ICANS_END] = INF
        die_of_toxicity(p, j)
        return
    begin_icu_stay(p)
