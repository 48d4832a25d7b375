"""The events of the pathway: entries of a patient's calendar, in the order that settles ties.

The first `sim.patient.CAUSES` events are fired by hazard budgets; a cause and its event share one number. The last are
grants of shared capacities: they never stand in the calendar, the engine delivers them.
"""

from __future__ import annotations

from typing import Final

from sim.clock import GRANT

# --- fired by hazard budgets
WAITING_LOSS: Final = 0  # death, progression or adverse event before infusion
INFECTION: Final = 1
BACKGROUND_DEATH: Final = 2
SECOND_CANCER: Final = 3
LATE_EFFECT: Final = 4
REMISSION_DEATH: Final = 5  # death in remission, where acute toxicity is not explicit

# --- from referral to infusion
REFERRAL: Final = 6
APHERESIS: Final = 7
PRODUCT: Final = 8  # manufacturing ends
LYMPHODEPLETION: Final = 9
INFUSION: Final = 10

# --- acute toxicity and immunity
CRS_ONSET: Final = 11
CRS_PEAK: Final = 12
CRS_END: Final = 13
ICANS_ONSET: Final = 14
ICANS_END: Final = 15
HS_END: Final = 16
TOXIC_DEATH: Final = 17
ICU_DISCHARGE: Final = 18
DISCHARGE: Final = 19
NEUTROPHIL_RECOVERY: Final = 20
BOOST: Final = 21
IGG_START: Final = 22
INFECTION_PHASE: Final = 23

# --- response, persistence, leukaemia
RESPONSE: Final = 24
APLASIA_END: Final = 25
RELAPSE_POSITIVE: Final = 26
RELAPSE_NEGATIVE: Final = 27
RELAPSE_SANCTUARY: Final = 28

# --- monitoring and decisions
VISIT: Final = 29
CONFIRMATION: Final = 30

# --- what was decided
HCT_READY: Final = 31
TRANSPLANT_DEATH: Final = 32
ACUTE_GVHD: Final = 33
ACUTE_GVHD_END: Final = 34
CHRONIC_GVHD: Final = 35
CHRONIC_GVHD_END: Final = 36
CHIMERISM: Final = 37
REINFUSION: Final = 38
SEQUENTIAL_CAR: Final = 39
MAINTENANCE_STOP: Final = 40

# --- after relapse, and late
SALVAGE_RESPONSE: Final = 41
LEUKAEMIA_DEATH: Final = 42
SMR_STEP: Final = 43
APHERESIS_END: Final = 44

# --- waiting for shared capacities
ICU_DIVERSION: Final = 45  # no intensive-care bed in time
WARD_DIVERSION: Final = 46  # no ward bed in time for an acute illness
COURSE_DIVERSION: Final = 47  # no bed or slot in time for a course of treatment
COURSE_BED_END: Final = 48
SLOT_END: Final = 49  # a product for salvage, reinfusion or a sequential CAR is made
SEARCH_END: Final = 50  # the donor search ends
PRODUCT_EXPIRY: Final = 51
LATE_BRIDGING: Final = 52  # a long time in line: bridging, or another cycle of it
HCT_TOO_LATE: Final = 53  # no transplant room in time: the transplant is given up

# --- shared capacities: pool k is granted by event GRANT + k
POOL_APHERESIS: Final = 0
POOL_MANUFACTURING: Final = 1
POOL_WARD: Final = 2
POOL_ICU: Final = 3
POOL_HCT: Final = 4
POOL_DONOR_SEARCH: Final = 5
POOL_ONCOLOGY: Final = 6
POOLS: Final = ("apheresis", "manufacturing", "ward", "icu", "hct", "donor_search", "oncology")


def event_name(code: int) -> str:
    """Name an event (a grant is ``grant_<pool>``)."""
    if code >= GRANT:
        return f"grant_{POOLS[code - GRANT]}"
    return next(k.lower() for k, v in globals().items() if k.isupper() and v == code and not k.startswith("POOL"))
