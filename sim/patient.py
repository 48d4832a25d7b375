"""The virtual patient: every field declared once, with unit and meaning.

Times are days since referral; "not yet" and "never" are infinity. Attributes come from the cohort; the rest is state
that the pathway's handlers change. `published` fields are written to ``patients.parquet``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Final

from sim.kernel import INF, NAN

#: Hazard causes a patient has (see `sim.clinic.events`; causes share their index with the event they fire).
CAUSES: Final = 6
#: Entries of the calendar.
EVENTS: Final = 54

Days = float
Flag = int


def _floats(length: int, value: float) -> list[float]:
    return field(default_factory=lambda: [value] * length)


def _ints(length: int, value: int) -> list[int]:
    return field(default_factory=lambda: [value] * length)


@dataclass(slots=True)
class Attributes:
    """What a cohort gives a patient; each is constant through life."""

    age: Annotated[float, "years", "age at referral"] = 12.0
    female: Annotated[int, "0/1", "female sex"] = 0
    weight: Annotated[float, "kg", "body weight at referral"] = 40.0
    burden: Annotated[float, "log10 fraction", "marrow blasts before lymphodepletion; -6.5: undetectable"] = -1.3
    burden_class: Annotated[int, "0..4", "marrow blasts: none, <5, 5-25, 25-40, >40 %"] = 2
    prior_hct: Annotated[int, "0/1", "allogeneic HCT before CAR T"] = 0
    months_hct_to_relapse: Annotated[float, "months", "from that HCT to relapse; infinite without HCT"] = INF
    hct_tbi: Annotated[int, "0/1", "that HCT was conditioned with total body irradiation"] = 0
    relapses: Annotated[int, "count", "relapses so far (0: primary refractory)"] = 1
    refractory: Annotated[int, "0/1", "refractory to the last chemotherapy"] = 0
    blinatumomab: Annotated[int, "0..2", "naive, responder, non-responder"] = 0
    inotuzumab: Annotated[int, "0/1", "inotuzumab before CAR T"] = 0
    kmt2ar: Annotated[int, "0/1", "KMT2A rearrangement"] = 0
    ph: Annotated[int, "0/1", "Philadelphia chromosome"] = 0
    hypodiploid: Annotated[int, "0/1", "hypodiploidy"] = 0
    tp53: Annotated[int, "0..2", "TP53: wild type, somatic mutation, germline (Li-Fraumeni)"] = 0
    down: Annotated[int, "0/1", "Down syndrome"] = 0
    instability: Annotated[int, "0/1", "chromosomal instability syndrome"] = 0
    site: Annotated[int, "0..4", "disease: marrow, marrow and CNS, non-CNS extramedullary, isolated CNS, testis"] = 0
    comorbidity: Annotated[int, "0/1", "cardiac or pulmonary comorbidity"] = 0
    neuro_history: Annotated[int, "0/1", "seizures, PRES or abnormal brain imaging"] = 0
    donor: Annotated[int, "0..3", "none, matched sibling, matched unrelated, haploidentical"] = 2
    product: Annotated[int, "index", "CAR T product (order of conf/product)"] = 0
    dose: Annotated[float, "10^6/kg", "CAR T cells given"] = 2.4
    flu_auc: Annotated[float, "mg*h/L", "fludarabine exposure under the fixed dose"] = 15.0
    distance: Annotated[int, "0/1", "lives far from a CAR T centre"] = 0
    poverty: Annotated[int, "0/1", "household poverty or low neighbourhood opportunity"] = 0
    uninsured: Annotated[int, "0/1", "no adequate insurance"] = 0
    wish: Annotated[int, "0/1", "family wishes a transplant"] = 1
    fit: Annotated[int, "0/1", "organ function allows a transplant at referral"] = 1


@dataclass(slots=True)
class Patient(Attributes):
    """A patient with a calendar of own next times, as the engines and the handlers see it."""

    # --- engine
    number: Annotated[int, "index", "patient number"] = 0
    seed: Annotated[int, "-", "seed of the run"] = 1
    t: Annotated[Days, "days", "the patient's own clock"] = 0.0
    next: Annotated[list[float], "days", "calendar: next time of each event"] = _floats(EVENTS, INF)
    budget: Annotated[list[float], "-", "hazard budget left, per cause"] = _floats(CAUSES, 1.0)
    rate: Annotated[list[float], "per day", "rate at which the budget is spent"] = _floats(CAUSES, 0.0)
    since: Annotated[list[float], "days", "when the rate was last set"] = _floats(CAUSES, 0.0)
    occurrence: Annotated[list[int], "count", "occurrences of each cause so far"] = _ints(CAUSES, 0)
    wants: Annotated[int, "bits", "pools asked for"] = 0
    holds: Annotated[int, "bits", "pools held"] = 0
    done: Annotated[Flag, "0/1", "life is over"] = 0

    # --- where the patient is
    phase: Annotated[int, "code", "phase (see the journal)"] = 0
    phase_since: Annotated[Days, "days", "start of the phase"] = 0.0
    attempt: Annotated[int, "count", "aphereses so far"] = 0
    wait: Annotated[Days, "days", "planned time from referral to infusion"] = 0.0
    burden_now: Annotated[float, "log10 fraction", "marrow blasts at lymphodepletion"] = 0.0
    flu_now: Annotated[float, "mg*h/L", "fludarabine exposure reached"] = 0.0
    dose_now: Annotated[float, "10^6/kg", "dose given"] = 0.0
    out_of_spec: Annotated[Flag, "0/1", "product out of specification"] = 0
    donor_derived: Annotated[Flag, "0/1", "product made from the transplant donor"] = 0
    fit_now: Annotated[Flag, "0/1", "organ function allows a transplant now"] = 1
    bridged: Annotated[Flag, "0/1", "bridging therapy while waiting"] = 0
    early: Annotated[Flag, "0/1", "relapse within 6 months of the prior HCT (and cells made from the patient)"] = 0

    # --- CAR T cells
    expansion: Annotated[float, "sd", "latent expansion"] = 0.0
    kill: Annotated[float, "log10 per day", "net kill of CD19+ cells while CAR T cells work"] = 0.0
    weak: Annotated[Flag, "0/1", "CAR T cells that only slow the CD19+ clone"] = 0
    car_active: Annotated[Flag, "0/1", "functional CAR T cells: B-cell aplasia"] = 0
    aplasia_since: Annotated[Days, "days", "start of this aplasia"] = INF
    aplasia_stop: Annotated[Days, "days", "end of the latest aplasia"] = INF
    aplasia_months: Annotated[float, "months", "duration of the first aplasia, from infusion"] = NAN

    # --- leukaemia
    growth: Annotated[float, "log10 per day", "regrowth rate"] = 0.0
    pos_level: Annotated[float, "log10 fraction", "CD19+ clone at clone_time"] = -INF
    pos_slope: Annotated[float, "log10 per day", "its slope"] = 0.0
    neg_level: Annotated[float, "log10 fraction", "CD19-negative clone at clone_time"] = -INF
    neg_slope: Annotated[float, "log10 per day", "its slope"] = 0.0
    clone_time: Annotated[Days, "days", "when the levels were last brought up to date"] = 0.0
    switched: Annotated[Flag, "0/1", "the CD19-negative clone is a lineage switch"] = 0
    sanctuary: Annotated[int, "0..3", "sanctuary clone: none, CNS, extramedullary, testis"] = 0
    gvl: Annotated[float, "log10 per day", "graft-versus-leukaemia kill"] = 0.0
    maintained: Annotated[float, "log10 per day", "kill by maintenance or TKI while taken"] = 0.0
    leukaemia: Annotated[Flag, "0/1", "overt leukaemia"] = 0

    # --- acute toxicity and immunity
    crs_grade: Annotated[int, "0..5", "highest CRS grade (ASTCT)"] = 0
    crs_start: Annotated[Days, "days", "CRS onset"] = INF
    crs_stop: Annotated[Days, "days", "end of CRS"] = INF
    icans_grade: Annotated[int, "0..5", "ICANS grade (ASTCT)"] = 0
    icans_start: Annotated[Days, "days", "ICANS onset"] = INF
    hs: Annotated[Flag, "0/1", "IEC-HS"] = 0
    hs_start: Annotated[Days, "days", "IEC-HS onset"] = INF
    hs_step: Annotated[int, "1..3", "last IEC-HS treatment step"] = 0
    neutropenia_start: Annotated[Days, "days", "start of ANC < 500"] = INF
    neutropenia_days: Annotated[float, "days", "duration of ANC < 500 after infusion"] = 0.0
    neutropenic: Annotated[Flag, "0/1", "ANC < 500 now"] = 0
    low_igg: Annotated[Flag, "0/1", "IgG below the replacement threshold while aplasia lasts"] = 0
    igg_since: Annotated[Days, "days", "start of IgG replacement"] = INF
    infections: Annotated[int, "count", "infections"] = 0
    severe_infections: Annotated[int, "count", "severe infections"] = 0
    infections_early: Annotated[int, "count", "infections on days 0-28 after infusion"] = 0
    infections_middle: Annotated[int, "count", "infections on days 29-90"] = 0
    infection_until: Annotated[Days, "days", "an infection is active until then"] = -INF
    infection_phase: Annotated[int, "0..2", "day 0-28, 29-90, later"] = 0
    tocilizumab_doses: Annotated[int, "count", "tocilizumab doses"] = 0
    steroid: Annotated[Flag, "0/1", "corticosteroids for CRS or ICANS"] = 0
    ward_since: Annotated[Days, "days", "start of this stay"] = INF
    ward_until: Annotated[Days, "days", "planned discharge"] = -INF
    ward_days: Annotated[float, "days", "days in hospital, finished stays"] = 0.0
    icu_since: Annotated[Days, "days", "start of this ICU stay"] = INF
    icu_until: Annotated[Days, "days", "planned ICU discharge"] = -INF
    icu_days: Annotated[float, "days", "days in ICU, finished stays"] = 0.0
    ward_elsewhere: Annotated[Flag, "0/1", "this stay is in another hospital: no bed came in time"] = 0
    diversions: Annotated[int, "count", "times no place came in time and care was given elsewhere"] = 0
    course: Annotated[int, "code", "course that waits for its slot or bed (see `sim.clinic.courses`); 0 none"] = 0
    search: Annotated[int, "code", "donor search: 0 none, 1 in line, 2 begun"] = 0
    search_since: Annotated[Days, "days", "since when a donor search is in line"] = INF
    hct_due: Annotated[Flag, "0/1", "the work-up is done and waits for the donor search"] = 0
    bridged_late: Annotated[Days, "days", "bridging first begun because of a long time in line"] = INF
    boosted: Annotated[Flag, "0/1", "CD34+ boost given"] = 0

    # --- what was observed
    ngs_informative: Annotated[Flag, "0/1", "a clonotype to track was found"] = 1
    visit: Annotated[int, "index", "next scheduled visit"] = 0
    mrd_seen: Annotated[int, "code", "assay of the latest positive sample awaiting a decision; 0 none"] = 0
    mrd_confirmed: Annotated[Flag, "0/1", "that sample was confirmed"] = 0
    negative_clone_seen: Annotated[Flag, "0/1", "flow showed CD19-negative blasts before CAR T"] = 0
    confirming: Annotated[int, "code", "decision point whose confirmation is pending; -1 none"] = -1
    confirming_rule: Annotated[int, "index", "rule that waits for the confirmation"] = -1
    month3_taken: Annotated[Flag, "0/1", "the month-3 sample was taken"] = 0
    loss_open: Annotated[Flag, "0/1", "lost aplasia was seen and no decision has followed yet"] = 0
    aplasia_lost_seen: Annotated[int, "code", "0 no, 1 peripheral, 2 hematogones"] = 0
    day28_mrd: Annotated[int, "bits", "MRD assays positive at the response visit (1 flow, 2 qPCR, 4 NGS)"] = 0
    month3_mrd: Annotated[int, "bits", "the same at month 3"] = 0

    # --- decisions and procedures
    pending: Annotated[int, "code", "action under way; 0 none"] = 0
    pending_rule: Annotated[int, "index", "rule that started it"] = -1
    pending_since: Annotated[Days, "days", "when it was decided"] = INF
    refused: Annotated[Flag, "0/1", "the family refused a transplant"] = 0
    postponed: Annotated[int, "count", "times the transplant was postponed"] = 0
    hcts: Annotated[int, "count", "transplants after CAR T or instead of it"] = 0
    first_hct: Annotated[Days, "days", "the transplant before CAR T (negative: before referral)"] = -INF
    last_hct: Annotated[Days, "days", "latest transplant"] = -INF
    hct_conditioning: Annotated[int, "0..3", "none, TBI, chemotherapy, reduced intensity"] = 0
    salvage_hct: Annotated[Flag, "0/1", "the transplant to come follows salvage"] = 0
    irradiated: Annotated[Flag, "0/1", "total body irradiation ever"] = 0
    acute_gvhd: Annotated[int, "0..3", "highest acute GVHD grade (3: III-IV)"] = 0
    gvhd_grade: Annotated[int, "0..3", "acute GVHD grade of the latest transplant"] = 0
    acute_gvhd_since: Annotated[Days, "days", "onset of acute GVHD"] = INF
    chronic_gvhd: Annotated[Flag, "0/1", "chronic GVHD ever"] = 0
    chronic_gvhd_since: Annotated[Days, "days", "onset of the present chronic GVHD"] = INF
    sos: Annotated[Flag, "0/1", "sinusoidal obstruction syndrome"] = 0
    mrd_trigger: Annotated[Flag, "0/1", "the pending transplant was triggered by MRD"] = 0
    mixed_chimerism: Annotated[Flag, "0/1", "mixed chimerism after reduced-intensity HCT"] = 0
    reinfusions: Annotated[int, "count", "reinfusions"] = 0
    reinfusion_worked: Annotated[int, "count", "reinfusions that restored aplasia"] = 0
    reinfusion_reason: Annotated[int, "code", "MRD, hematogones, peripheral recovery"] = 0
    reinfusion_attempt: Annotated[int, "count", "attempts of the present decision"] = 0
    sequential_cars: Annotated[int, "count", "sequential CD22 CARs in remission"] = 0
    inotuzumab_given: Annotated[Flag, "0/1", "inotuzumab before CAR T or as salvage"] = 0
    maintenance_since: Annotated[Days, "days", "start of maintenance or TKI now taken"] = INF
    maintenance_kind: Annotated[int, "code", "action: maintain or tki"] = 0
    salvage_line: Annotated[int, "count", "lines of salvage so far"] = 0
    salvage_therapy: Annotated[int, "code", "salvage now given; 0 none"] = 0
    salvage_since: Annotated[Days, "days", "start of this salvage course"] = INF
    salvage_kind: Annotated[int, "1..3", "leukaemia under salvage: CD19+, CD19-, lineage switch"] = 1
    salvage_wish: Annotated[int, "code", "salvage therapy the policy asks for; 0 none"] = 0
    late_effect: Annotated[Flag, "0/1", "chronic health condition"] = 0
    late_since: Annotated[Days, "days", "onset of it"] = INF
    neurocognitive: Annotated[Flag, "0/1", "late neurocognitive effect"] = 0
    second_cancer: Annotated[Flag, "0/1", "second cancer"] = 0
    infertile: Annotated[Flag, "0/1", "infertility after conditioning"] = 0

    # --- outcomes, each the time it first happened
    t_apheresis: Annotated[Days, "days", "first apheresis"] = INF
    t_lymphodepletion: Annotated[Days, "days", "lymphodepletion"] = INF
    t_infusion: Annotated[Days, "days", "infusion"] = INF
    t_response: Annotated[Days, "days", "response assessed"] = INF
    cr: Annotated[Flag, "0/1", "complete remission at the response visit"] = 0
    not_infused: Annotated[int, "code", "why not infused (see NOT_INFUSED)"] = 0
    t_mrd: Annotated[Days, "days", "first positive MRD sample in remission"] = INF
    t_aplasia_lost: Annotated[Days, "days", "first end of aplasia (latent)"] = INF
    t_aplasia_lost_seen: Annotated[Days, "days", "first visit that showed it"] = INF
    t_therapy: Annotated[
        Days, "days", "first further therapy in remission (HCT, reinfusion, maintenance, TKI, other)"
    ] = INF
    t_hct: Annotated[Days, "days", "transplant in first CAR T remission"] = INF
    t_salvage_hct: Annotated[Days, "days", "first transplant after salvage"] = INF
    t_reinfusion: Annotated[Days, "days", "first reinfusion"] = INF
    t_maintenance: Annotated[Days, "days", "first maintenance or TKI"] = INF
    t_nonresponse: Annotated[Days, "days", "no response found"] = INF
    t_relapse: Annotated[Days, "days", "first relapse after remission"] = INF
    relapse_type: Annotated[int, "0..3", "none, CD19+, CD19-, lineage switch"] = 0
    relapse_site: Annotated[int, "0..4", "none, marrow, CNS, extramedullary, testis"] = 0
    relapse_in_aplasia: Annotated[Flag, "0/1", "first relapse came while aplasia lasted"] = 0
    t_death: Annotated[Days, "days", "death"] = INF
    cause: Annotated[int, "code", "cause of death (see CAUSE_NAMES)"] = 0


#: Codes of `Patient.cause`.
CAUSE_NAMES: Final = {
    0: "alive",
    1: "leukaemia",
    2: "toxicity",
    3: "infection",
    4: "transplant",
    5: "background",
    6: "waiting",
}
#: Codes of `Patient.not_infused`.
NOT_INFUSED_NAMES: Final = {
    0: "",
    1: "no CAR T intended",
    2: "not referred",
    3: "death while waiting",
    4: "progression or adverse event while waiting",
    5: "manufacturing failure",
}

#: State that only the engines and handlers need; everything else is published.
_PRIVATE: Final = frozenset(
    """t next budget rate since occurrence wants holds done phase phase_since pos_level pos_slope neg_level
    neg_slope clone_time car_active leukaemia visit mrd_seen confirming confirming_rule pending pending_rule
    pending_since postponed ward_since ward_until icu_since icu_until maintenance_since salvage_since
    salvage_therapy infection_until infection_phase neutropenic neutropenia_start gvl maintained
    seed salvage_hct gvhd_grade irradiated acute_gvhd_since chronic_gvhd_since aplasia_stop mrd_trigger
    late_since igg_since hs_start icans_start aplasia_since maintenance_kind salvage_kind salvage_wish
    loss_open reinfusion_reason reinfusion_attempt aplasia_lost_seen mrd_confirmed first_hct
    ward_elsewhere course search search_since hct_due bridged_late""".split()
)


def attribute_names() -> list[str]:
    """List the attributes that a cohort provides, in order."""
    return [f.name for f in fields(Attributes)]


def published_names() -> list[str]:
    """List the fields that are written to ``patients.parquet``, in order."""
    return [f.name for f in fields(Patient) if f.name not in _PRIVATE]
