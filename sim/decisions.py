"""The registry of random decisions: one number each, never reused, so that no draw can shift another.

Hazard causes (`sim.clinic.events`) own the numbers below 16. `nth` says which occurrence of the decision is meant; for
anything observed on a day, it is the day, so that one more visit leaves the others' luck alone.
"""

from __future__ import annotations

from typing import Final

# --- the patient, drawn before anything happens
AGE: Final = 16
SEX: Final = 17
WEIGHT: Final = 18
BURDEN: Final = 20
PRIOR_HCT: Final = 21
HCT_TO_RELAPSE: Final = 22
HCT_TBI: Final = 23
RELAPSES: Final = 24
BLINATUMOMAB: Final = 25
INOTUZUMAB: Final = 26
CYTOGENETICS: Final = 27
TP53: Final = 28
DOWN: Final = 29
INSTABILITY: Final = 30
SITE: Final = 31
COMORBIDITY: Final = 32
NEURO_HISTORY: Final = 33
DONOR: Final = 34
PRODUCT: Final = 35
DOSE: Final = 36
FLUDARABINE: Final = 37
DISTANCE: Final = 38
POVERTY: Final = 39
INSURANCE: Final = 40
WISH: Final = 41
FITNESS: Final = 42
RESAMPLE: Final = 43
ARRIVAL: Final = 44
REFRACTORY: Final = 45
FITNESS_RESTORED: Final = 46
SANCTUARY_CLEARED: Final = 94
SEQUENTIAL_KILL: Final = 95

# --- waiting and manufacturing
REFERRED: Final = 60
WAIT: Final = 61
MANUFACTURE: Final = 62
REAPHERESIS: Final = 63
OUT_OF_SPECIFICATION: Final = 64
WAITING_OUTCOME: Final = 65
REMANUFACTURE_WAIT: Final = 66
TARGETED_FLUDARABINE: Final = 67
BRIDGING: Final = 68
DIVERSION_DEATH: Final = 69
CENTRE: Final = 70
UPTAKE: Final = 71

# --- biology
EXPANSION: Final = 80
RESPONSE: Final = 81
KILL_DEPTH: Final = 82
APLASIA: Final = 83
PERSISTING: Final = 84
KILL_RATE: Final = 85
GROWTH: Final = 86
NEGATIVE_SHARE: Final = 87
LINEAGE_SWITCH: Final = 88
SWITCH_LEVEL: Final = 89
SANCTUARY: Final = 90
SANCTUARY_TIME: Final = 91
WEAK_CAR: Final = 92

# --- acute toxicity and immunity
CRS_GRADE: Final = 110
CRS_ONSET: Final = 111
CRS_DURATION: Final = 112
CRS_ESCALATION: Final = 113
TOCILIZUMAB: Final = 114
STEROID: Final = 115
ICU: Final = 116
ICU_STAY: Final = 117
CRS_DEATH: Final = 118
ICANS_GRADE: Final = 119
ICANS_ONSET: Final = 120
ICANS_DURATION: Final = 121
ICANS_DEATH: Final = 122
LEVETIRACETAM: Final = 123
HS: Final = 124
HS_DURATION: Final = 125
HS_STEP: Final = 126
HS_DEATH: Final = 127
NEUTROPENIA_CLASS: Final = 128
NEUTROPENIA: Final = 129
BOOST: Final = 130
IGG: Final = 131
INFECTION_SEVERITY: Final = 132
INFECTION_STAY: Final = 133
INFECTION_DEATH: Final = 134
NEUROCOGNITIVE: Final = 135

# --- monitoring: nth is the day since infusion
VISIT_MISSED: Final = 150
MARROW_SAMPLE: Final = 151
HAEMODILUTION: Final = 154
CLONOTYPE: Final = 155

# --- decisions and their consequences: nth is the number of the procedure
ACCEPTANCE: Final = 170
WORKUP: Final = 171
CONDITIONING: Final = 172
HCT_KILL: Final = 173
GRAFT_VERSUS_LEUKAEMIA: Final = 174
TRANSPLANT_DEATH: Final = 175
TRANSPLANT_DEATH_TIME: Final = 176
SINUSOIDAL: Final = 177
ACUTE_GVHD: Final = 178
CHRONIC_GVHD: Final = 179
GVHD_DURATION: Final = 180
PRODUCT_LEFT: Final = 182
REINFUSION: Final = 183
REINFUSION_APLASIA: Final = 184
REINFUSION_CRS: Final = 185
MAINTENANCE_EFFECT: Final = 186
TRIAL_PRACTICE: Final = 187
TRIAL_PRACTICE_TIME: Final = 188
MIXED_CHIMERISM: Final = 189

# --- relapse and after: nth is the line of salvage
SALVAGE_CHOICE: Final = 210
SALVAGE_RESPONSE: Final = 211
SALVAGE_RESIDUAL: Final = 212
SALVAGE_TRANSPLANT: Final = 213
SALVAGE_CURE: Final = 214
LEUKAEMIA_DEATH: Final = 215
SALVAGE_NEXT: Final = 216
SALVAGE_DEATH: Final = 219

# --- calibration: no patient's luck; the first key is a dimension or a row
CALIBRATION_DESIGN: Final = 300
CALIBRATION_LOCAL: Final = 301
CALIBRATION_WALKERS: Final = 302
CALIBRATION_NOISE: Final = 303


def registered() -> dict[str, int]:
    """List the registered decisions by name."""
    return {name: value for name, value in globals().items() if name.isupper() and isinstance(value, int)}
