"""Plain words for codes: events, phases, details, measures, statuses.

The words belong to the codes of `sim.journal` and `sim.patient`. Codes that the clinic owns (actions, pools, therapies,
products) are named by the run record where it does, otherwise by the lists here; a code without a name is
shown as its number, never hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sim import journal
from sim.patient import CAUSE_NAMES, NOT_INFUSED_NAMES

#: Names of phases, in code order, and of death.
PHASES: Final[dict[int, str]] = {
    journal.WAITING: "waiting for CAR T",
    journal.TREATMENT: "treatment until response",
    journal.REMISSION: "remission after CAR T",
    journal.TRANSPLANTED: "remission after consolidating HCT",
    journal.RELAPSED: "leukaemia present",
    journal.SECOND_REMISSION: "remission after salvage",
    journal.SALVAGE_TRANSPLANTED: "remission after salvage HCT",
    journal.PALLIATIVE: "palliative care",
    journal.PHASES: "dead",
}
#: Names of overlays.
OVERLAYS: Final[dict[int, str]] = {
    journal.WARD: "hospital stay",
    journal.ICU: "intensive care",
    journal.CRS: "cytokine release syndrome",
    journal.ICANS: "neurotoxicity (ICANS)",
    journal.IEC_HS: "hyperinflammation (IEC-HS)",
    journal.NEUTROPENIA: "neutropenia (ANC < 500)",
    journal.APLASIA: "B-cell aplasia",
    journal.IGG_REPLACEMENT: "IgG replacement",
    journal.MAINTENANCE: "maintenance",
    journal.TKI: "tyrosine kinase inhibitor",
    journal.ACUTE_GVHD: "acute GVHD",
    journal.CHRONIC_GVHD: "chronic GVHD",
    journal.LATE_EFFECT: "late effect",
    journal.SALVAGE: "salvage therapy",
}
#: Names of point events.
POINTS: Final[dict[int, str]] = {
    journal.REFERRAL: "referral",
    journal.APHERESIS: "apheresis",
    journal.MANUFACTURE_FAILED: "manufacturing failed",
    journal.BRIDGING: "bridging therapy",
    journal.LYMPHODEPLETION: "lymphodepletion",
    journal.INFUSION: "CAR T infusion",
    journal.TOCILIZUMAB: "tocilizumab",
    journal.STEROID: "corticosteroids",
    journal.INFECTION: "infection",
    journal.BOOST: "CD34+ boost",
    journal.VISIT: "visit",
    journal.MRD_SEEN: "MRD found",
    journal.APLASIA_LOSS_SEEN: "loss of B-cell aplasia found",
    journal.DECISION: "decision",
    journal.HCT: "transplant (HCT)",
    journal.REINFUSION: "CAR T reinfusion",
    journal.RESPONSE: "response assessed",
    journal.RELAPSE: "relapse",
    journal.SINUSOIDAL: "sinusoidal obstruction syndrome",
    journal.SECOND_CANCER: "second cancer",
    journal.INFERTILITY: "infertility",
    journal.NOT_INFUSED: "no infusion",
    journal.DIVERTED: "no place in time",
    journal.LEVETIRACETAM: "levetiracetam",
    journal.CANCELLED: "plan cancelled",
    journal.DEATH: "death",
    journal.PRODUCT_EXPIRED: "product expired",
}
NAMES: Final[dict[int, str]] = {**PHASES, **OVERLAYS, **POINTS}

#: Names of the clinic's actions in the words of a policy, and as people say them; in code order.
ACTIONS: Final[dict[str, str]] = {
    "watch": "watch and wait",
    "hct": "transplant (HCT)",
    "reinfuse": "CAR T reinfusion",
    "maintain": "maintenance",
    "tki": "tyrosine kinase inhibitor",
    "cd22_car": "sequential CD22 CAR T",
}

#: Words for codes that the clinic owns; the run record's ``codes`` may replace any of these lists.
CODES: Final[dict[str, tuple[str, ...]]] = {
    "actions": tuple(ACTIONS.values()),
    "pools": ("apheresis", "manufacturing", "ward", "intensive care", "transplant", "donor search", "oncology ward"),
    "products": (),
    "therapies": ("", "blinatumomab", "inotuzumab", "CD22 CAR T", "second CD19 CAR T", "chemotherapy"),
}
_RELAPSE_TYPES: Final = ("", "CD19+", "CD19-negative", "lineage switch")
_SITES: Final = ("", "marrow", "CNS", "extramedullary", "testis")
_CONDITIONING: Final = ("", "TBI", "chemotherapy", "reduced intensity")
_STEPS: Final = ("", "anakinra", "ruxolitinib or emapalumab", "etoposide")
_ASSAY_BITS: Final = ((1, "flow"), (2, "qPCR"), (4, "NGS"), (8, "B cells"))
_GRADES: Final = ("0", "I", "II", "III-IV")

#: Display name of each measure of the summary, and whether more is better (+1), less is better (-1) or neither (0).
MEASURES: Final[dict[str, tuple[str, int]]] = {
    "os": ("overall survival", 1),
    "efs": ("event-free survival", 1),
    "efs_censored": ("event-free survival, censored at therapy in remission", 1),
    "efs_stringent": ("event-free survival, stringent", 1),
    "rfs": ("relapse-free survival of responders", 1),
    "cif_relapse": ("relapse", -1),
    "cif_relapse_cd19pos": ("CD19+ relapse", -1),
    "cif_relapse_cd19neg": ("CD19-negative relapse", -1),
    "cif_lineage_switch": ("lineage switch", -1),
    "cif_relapse_cns": ("CNS relapse", -1),
    "cif_nrm": ("non-relapse mortality", -1),
    "cif_nonresponse": ("no response", -1),
    "cif_not_infused": ("not infused", -1),
    "other_failure": ("no response or not infused", -1),
    "cir": ("relapse of responders, since response", -1),
    "os_after_relapse": ("survival after relapse", 1),
    "infused": ("infused", 1),
    "manufacturing_failure": ("manufacturing failure", -1),
    "lost_waiting": ("lost while waiting", -1),
    "not_referred": ("never reached a centre", -1),
    "wait_days": ("wait from referral to infusion, mean", -1),
    "wait_days_median": ("wait from referral to infusion, median", -1),
    "cr": ("complete remission", 1),
    "hct": ("transplanted in remission", 0),
    "hct_first": ("transplanted in remission, first transplant", 0),
    "hct_second": ("transplanted in remission, second transplant", 0),
    "salvage_hct": ("transplanted after salvage or instead of CAR T", 0),
    "hct_any": ("transplanted at any time", 0),
    "reinfusion": ("reinfused", 0),
    "maintenance": ("maintenance or TKI", 0),
    "ward_days": ("hospital stay", -1),
    "icu_days": ("intensive care", -1),
    "tocilizumab_doses": ("tocilizumab doses", -1),
    "crs_ge1": ("CRS, any grade", -1),
    "crs_ge3": ("CRS, grade 3 or more", -1),
    "icans_ge1": ("ICANS, any grade", -1),
    "icans_ge3": ("ICANS, grade 3 or more", -1),
    **{f"crs_grade_{g}": (f"CRS, highest grade {g}", 0) for g in range(6)},
    **{f"icans_grade_{g}": (f"ICANS, highest grade {g}", 0) for g in range(6)},
    "iec_hs": ("IEC-HS", -1),
    "icu": ("any intensive care", -1),
    "tocilizumab": ("any tocilizumab", -1),
    "steroid": ("corticosteroids for CRS or ICANS", -1),
    "icaht_ge3": ("ICAHT, grade 3 or more", -1),
    "neutropenia_ge30": ("ANC < 500 for 30 days or longer", -1),
    "neutropenia_year1": ("ANC < 500 still after 1 year", -1),
    "infections": ("infections", -1),
    "severe_infection": ("any severe infection", -1),
    "sos": ("sinusoidal obstruction syndrome", -1),
    "agvhd_ge3": ("acute GVHD III-IV", -1),
    "cgvhd": ("chronic GVHD", -1),
    "sos_after_hct": ("sinusoidal obstruction syndrome, of those transplanted", -1),
    "agvhd_ge3_after_hct": ("acute GVHD III-IV, of those transplanted", -1),
    "cgvhd_after_hct": ("chronic GVHD, of those transplanted", -1),
    "transplant_mortality": ("death of transplant, of those transplanted", -1),
    "late_effect": ("chronic health condition", -1),
    "neurocognitive": ("late neurocognitive effect", -1),
    "second_cancer": ("second cancer", -1),
    "infertile": ("infertility after conditioning", -1),
    "bca_lost": ("B-cell aplasia lost (latent)", 0),
    "bca_lost_seen": ("loss of B-cell aplasia seen", 0),
    "mrd_day28_flow": ("MRD at the response visit, flow", -1),
    "mrd_day28_qpcr": ("MRD at the response visit, qPCR", -1),
    "mrd_day28_ngs": ("MRD at the response visit, NGS", -1),
    "mrd_month3_flow": ("MRD at month 3, flow", -1),
    "mrd_month3_qpcr": ("MRD at month 3, qPCR", -1),
    "mrd_month3_ngs": ("MRD at month 3, NGS", -1),
    "relapse_share_cd19pos": ("CD19+, of first relapses", 0),
    "relapse_share_cd19neg": ("CD19-negative, of first relapses", 0),
    "relapse_share_lineage_switch": ("lineage switch, of first relapses", 0),
    "relapse_share_cns": ("CNS, of first relapses", 0),
    "relapse_in_aplasia": ("in B-cell aplasia, of first relapses", 0),
    "relapse_in_aplasia_negative": ("CD19-negative or switch, of first relapses in aplasia", 0),
    "time_to_relapse_median": ("time to first relapse, median", 0),
    "os_after_relapse_median": ("survival after relapse, median", 1),
    **{f"death_{name}": (f"died of {name}, of those who died", 0) for name in list(CAUSE_NAMES.values())[1:]},
    "aplasia": ("in first B-cell aplasia", 0),
    "life_years": ("life-years", 1),
    "rmst_os": ("months alive", 1),
    "rmst_efs": ("months event-free", 1),
    "qalys": ("quality-adjusted life-years", 1),
    "cost": ("cost", -1),
}
#: What is known of a patient before CAR T: field, and label of each code; an empty label goes without saying.
TRAITS: Final[dict[str, dict[int, str]]] = {
    "burden_class": {0: "blasts: none", 1: "blasts <5%", 2: "blasts 5-25%", 3: "blasts 25-40%", 4: "blasts >40%"},
    "prior_hct": {0: "no earlier HCT", 1: "earlier HCT"},
    "blinatumomab": {0: "blinatumomab: naive", 1: "blinatumomab: responder", 2: "blinatumomab: non-responder"},
    "inotuzumab": {1: "earlier inotuzumab"},
    "refractory": {1: "refractory to chemotherapy"},
    "kmt2ar": {1: "KMT2A rearrangement"},
    "ph": {1: "Philadelphia chromosome"},
    "hypodiploid": {1: "hypodiploid"},
    "tp53": {1: "TP53 mutation", 2: "Li-Fraumeni syndrome"},
    "down": {1: "Down syndrome"},
    "instability": {1: "chromosomal instability"},
    "site": {1: "CNS involved", 2: "extramedullary disease", 3: "isolated CNS disease", 4: "testis involved"},
    "comorbidity": {1: "cardiac or pulmonary comorbidity"},
    "neuro_history": {1: "neurological history"},
    "donor": {0: "donor: none", 1: "donor: sibling", 2: "donor: unrelated", 3: "donor: haploidentical"},
    "wish": {0: "family does not wish a transplant"},
    "fit": {0: "not fit for a transplant at referral"},
}
#: What a parameter's status means, from best to least supported.
STATUSES: Final[dict[str, str]] = {
    "review": "as printed in the review",
    "found": "read in the paper, its abstract or its table",
    "calibrated": "fitted to published results",
    "recalled": "from memory: to be verified before use",
    "assumed": "the evidence is silent: assumed, with a wide range",
}
ORIGINS: Final[dict[str, str]] = {
    "referral": "referral (everybody referred is counted)",
    "infusion": "infusion (those infused are counted)",
    "remission": "remission at the response visit (those in remission are counted)",
}

#: Groupings of patients, and their levels where the code alone says too little.
GROUPINGS: Final[dict[str, str]] = {
    "prior_hct": "earlier HCT",
    "burden": "blasts",
    "age": "age",
    "mrd28": "MRD at day 28",
    "product": "product",
}
_LEVELS: Final[dict[str, str]] = {
    "burden:none": "blasts: none",
    "burden:below_5": "blasts <5%",
    "burden:from_5": "blasts 5-25%",
    "burden:from_25": "blasts 25-40%",
    "burden:above_40": "blasts >40%",
    "age:under_3": "age below 3",
    "age:3_to_9": "age 3-9",
    "age:10_to_17": "age 10-17",
    "age:adult": "age 18 or more",
    "prior_hct:no": "no earlier HCT",
    "prior_hct:yes": "earlier HCT",
    "mrd28:no_remission": "no remission at day 28",
}


def stratum_name(stratum: str) -> str:
    """Give a stratum's display name: ``burden:below_5`` is blasts <5%, ``by age`` deciding by age."""
    if stratum == "all":
        return "everybody"
    if stratum.startswith("by "):
        grouping = stratum.removeprefix("by ")
        return f"deciding by {GROUPINGS.get(grouping, grouping)}"
    grouping, _, level = stratum.partition(":")
    known = f"{GROUPINGS.get(grouping, grouping)}: {level.replace('_', ' ')}"
    return _LEVELS.get(stratum, known if level else stratum)


def measure_name(measure: str) -> str:
    """Give a measure's display name; an unknown one keeps its own, without underscores."""
    return MEASURES[measure][0] if measure in MEASURES else measure.replace("_", " ")


def sentence(text: str) -> str:
    """Begin with a capital and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def event_name(event: int) -> str:
    """Give an event's display name; an unknown code falls back to the journal's own name or its number."""
    return NAMES.get(event) or journal.event_names().get(event, f"event {event}").replace("_", " ")


def detail_words(event: int, detail: int, codes: Mapping[str, Sequence[Any]] | None = None) -> str:
    """Decode a journal row's detail.

    Parameters
    ----------
    event, detail
        As in the journal.
    codes
        Names of the clinic's codes (actions, pools, products, therapies) from the run record.

    Returns
    -------
    str
        Empty when the detail says nothing.
    """
    known = {**CODES, **(codes or {})}
    if event in _COUNTED:
        return _COUNTED[event].format(detail) if detail else ""
    if event in _LISTED:
        return _pick(_LISTED[event], detail)
    if event in _CLINIC:
        return _pick(known[_CLINIC[event]], detail, "")
    return _OWN[event](detail, known) if event in _OWN else ""


def phrase(event: int, detail: int, codes: Mapping[str, Sequence[Any]] | None = None) -> str:
    """Put event and detail into one short phrase, such as ``relapse: CD19-negative, marrow``."""
    words = detail_words(event, detail, codes)
    return f"{event_name(event)}: {words}" if words else event_name(event)


def _pick(names: Sequence[Any], code: int, missing: str = "") -> str:
    return str(names[code]) if 0 <= code < len(names) else missing or f"code {code}"


def _infusion(detail: int, known: Mapping[str, Sequence[Any]]) -> str:
    if detail >= 400:
        return "sequential CD22 CAR T"
    parts = [_pick(known["products"], detail % 100, f"product {detail % 100}").replace("_", "-")]
    parts += ["out of specification"] * (detail // 100 % 2) + ["donor-derived"] * (detail // 200 % 2)
    return ", ".join(parts)


def _doses(detail: int, known: Mapping[str, Sequence[Any]]) -> str:
    return f"{detail} dose" if detail == 1 else f"{detail} doses"


def _transplant(detail: int, known: Mapping[str, Sequence[Any]]) -> str:
    return _pick(_CONDITIONING, detail % 10) + (", not the first" if detail >= 10 else "")


def _relapse(detail: int, known: Mapping[str, Sequence[Any]]) -> str:
    return ", ".join(w for w in (_pick(_RELAPSE_TYPES, detail // 10), _pick(_SITES, detail % 10)) if w)


def _assays(detail: int, known: Mapping[str, Sequence[Any]]) -> str:
    return ", ".join(name for bit, name in _ASSAY_BITS if detail & bit)


_COUNTED: Final = {
    journal.CRS: "grade {}",
    journal.ICANS: "grade {}",
    journal.NEUTROPENIA: "ICAHT grade {}",
    journal.APHERESIS: "attempt {}",
    journal.MANUFACTURE_FAILED: "attempt {}",
}
_LISTED: Final[dict[int, Sequence[str]]] = {
    journal.WARD: ("", "", "transplant unit"),
    journal.IEC_HS: _STEPS,
    journal.ACUTE_GVHD: ("", *(f"grade {g}" for g in _GRADES[1:])),
    journal.LATE_EFFECT: ("", "chronic condition", "neurocognitive"),
    journal.ICU: ("", "another hospital"),
    journal.BRIDGING: ("", "long time in line"),
    journal.LYMPHODEPLETION: ("", "fludarabine by exposure"),
    journal.STEROID: ("for CRS", "for ICANS"),
    journal.INFECTION: ("", "mild", "severe"),
    journal.APLASIA_LOSS_SEEN: ("", "in blood", "hematogones in marrow"),
    journal.REINFUSION: ("without effect", "aplasia restored"),
    journal.RESPONSE: ("no complete remission", "complete remission"),
    journal.NOT_INFUSED: tuple(NOT_INFUSED_NAMES[k] for k in sorted(NOT_INFUSED_NAMES)),
    journal.DEATH: tuple(CAUSE_NAMES[k] for k in sorted(CAUSE_NAMES)),
}
_CLINIC: Final = {
    journal.DECISION: "actions",
    journal.CANCELLED: "actions",
    journal.DIVERTED: "pools",
    journal.SALVAGE: "therapies",
}
_OWN: Final = {
    journal.TOCILIZUMAB: _doses,
    journal.INFUSION: _infusion,
    journal.HCT: _transplant,
    journal.RELAPSE: _relapse,
    journal.VISIT: _assays,
    journal.MRD_SEEN: _assays,
}
