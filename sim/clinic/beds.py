"""Slots and beds of courses beyond the first infusion: salvage, reinfusion, sequential CARs."""

from __future__ import annotations

from typing import Any, Final

from sim.clinic.events import (
    COURSE_BED_END,
    COURSE_DIVERSION,
    POOL_MANUFACTURING,
    POOL_ONCOLOGY,
    SLOT_END,
)
from sim.kernel import INF

SLOT_BIT: Final = 1 << POOL_MANUFACTURING
BED_BIT: Final = 1 << POOL_ONCOLOGY

#: Codes of `Patient.course`.
SALVAGE_COURSE: Final = 1
REINFUSION_COURSE: Final = 2
SEQUENTIAL_COURSE: Final = 3


def ask_for_slot(p: Any) -> None:
    """Ask for a manufacturing slot; one of an earlier course is given back."""
    p.holds &= ~SLOT_BIT
    p.next[SLOT_END] = INF
    p.wants |= SLOT_BIT


def end_slot(p: Any) -> None:
    """Free the manufacturing slot."""
    p.holds &= ~SLOT_BIT
    p.next[SLOT_END] = INF


def ask_for_course_bed(p: Any) -> None:
    """Ask for a bed on the oncology ward; one of an earlier course is given back."""
    p.holds &= ~BED_BIT
    p.next[COURSE_BED_END] = INF
    p.wants |= BED_BIT


def end_course_bed(p: Any) -> None:
    """Free the bed on the oncology ward."""
    p.holds &= ~BED_BIT
    p.next[COURSE_BED_END] = INF


def drop_course(p: Any) -> None:
    """Something else came first: leave the lines, and free the slot of a product that nobody needs any more."""
    p.course = 0
    p.next[COURSE_DIVERSION] = INF
    p.wants &= ~(SLOT_BIT | BED_BIT)
    end_slot(p)
