"""Every measure of ``summary.csv``, ``paired.csv`` and ``curves.csv``: name, unit, meaning, and how it is computed.

One table, `MEASURES`, is the definition, the documentation (`sim.tally.measure_page`) and the code that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sim.patient import CAUSE_NAMES
from sim.tally.outcomes import ORIGINS, Outcomes
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

#: Months at which time-to-event outcomes are reported.
MONTHS: Final = (6, 12, 18, 24, 36, 60, 120)
#: Populations in which policies are compared patient by patient: nobody is in them because of what a policy did later.
_COMPARED: Final = ("counted", "infused", "responders")

#: What a measure reads from the outcomes of a block: an array over patients, or a column and the code it has.
Reading = Callable[[Outcomes], np.ndarray]
Flag = Reading | tuple[str, int]

#: Kinds of measure; see `Measure.kind`.
SURVIVAL, INCIDENCE, SHARE, MEAN, PRODUCT_LIMIT, MEDIAN = "survival incidence share mean product-limit median".split()
PROBABILITY: Final = "probability"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Parameters
    ----------
    name
        Name in the tables.
    kind
        ``survival``: share whose time is after the month; ``incidence``: share whose time is not after it; ``share``:
        share of whom something holds; ``mean``; ``product-limit``: Kaplan-Meier; ``median``: of a product limit.
    unit
        Unit of the value.
    meaning
        What it is.
    of
        From the outcomes of a block: month codes (survival, incidence), flags, or a column and the
        code it has (share), numbers (mean; given the month where there are months), or the name of a time on the fine
        grid (product limit, median).
    among
        Who is counted, one of `POPULATIONS`.
    months
        Months at which it is given; none for a single value.
    since
        The clock: origin, infusion, response or relapse; empty where time plays no part.
    better
        1 when more is better, -1 when less is, 0 when neither.
    origins
        Origins at which the measure is given.
    curve
        Written to ``curves.csv`` on the whole month grid, too.
    event_free
        The survival curve whose survivors are at risk (curves).
    scale
        Factor from months to the unit (medians).
    """

    name: str
    kind: str
    unit: str
    meaning: str
    of: Callable[..., np.ndarray] | str | tuple[str, int]
    among: str = "counted"
    months: tuple[int, ...] = ()
    since: str = ""
    better: int = 0
    origins: tuple[str, ...] = ORIGINS
    curve: bool = False
    event_free: str = ""
    scale: float = 1.0

    @property
    def paired(self) -> bool:
        """Whether policies are compared patient by patient: a mean over patients of a comparable population."""
        return self.kind not in (PRODUCT_LIMIT, MEDIAN) and self.among in _COMPARED


def _survival(
    name: str,
    meaning: str,
    of: Reading,
    event_free: str,
    *,
    among: str = "counted",
    since: str = "origin",
    months: tuple[int, ...] = MONTHS,
) -> Measure:
    return Measure(name, SURVIVAL, PROBABILITY, meaning, of, among, months, since, 1, curve=True, event_free=event_free)


def _incidence(
    name: str,
    meaning: str,
    of: Reading,
    *,
    among: str = "counted",
    since: str = "origin",
    origins: tuple[str, ...] = ORIGINS,
    event_free: str = "efs",
) -> Measure:
    measure = Measure(name, INCIDENCE, PROBABILITY, meaning, of, among, MONTHS, since, -1, origins)
    return replace(measure, curve=True, event_free=event_free)


def _share(
    name: str,
    meaning: str,
    of: Flag,
    better: int = 0,
    *,
    among: str = "counted",
    origins: tuple[str, ...] = ORIGINS,
) -> Measure:
    return Measure(name, SHARE, PROBABILITY, meaning, of, among, better=better, origins=origins)


def _mean(
    name: str,
    unit: str,
    meaning: str,
    of: Callable[..., np.ndarray],
    better: int,
    *,
    among: str = "counted",
    months: tuple[int, ...] = (),
) -> Measure:
    return Measure(name, MEAN, unit, meaning, of, among, months, "origin" if months else "", better)


def _limit(
    name: str,
    meaning: str,
    time: str,
    *,
    among: str = "counted",
    since: str = "origin",
    months: tuple[int, ...] = MONTHS,
) -> Measure:
    return Measure(name, PRODUCT_LIMIT, PROBABILITY, meaning, time, among, months, since, 1, curve=True)


def _grades(name: str, label: str, column: str) -> list[Measure]:
    """Build the distribution of a toxicity's highest grade, and the usual cuts."""
    return [
        *(_share(f"{name}_grade_{g}", f"highest {label} grade is {g}", (column, g)) for g in range(6)),
        _share(f"{name}_ge1", f"{label} of any grade", lambda o: o[column] >= 1, -1),
        _share(f"{name}_ge3", f"{label} of grade 3 or more", lambda o: o[column] >= 3, -1),
    ]


def _samples(name: str, visit: str, column: str, among: str) -> list[Measure]:
    """Build the shares with positive MRD at a visit, by assay."""

    def positive(bit: int) -> Reading:
        return lambda o: (o[column] & bit) != 0

    meaning = f"MRD positive by {{}} at {visit} (never where the policy does not use it)"
    return [
        _share(f"{name}_{assay}", meaning.format(label), positive(bit), -1, among=among)
        for assay, label, bit in (("flow", "flow cytometry", 1), ("qpcr", "qPCR", 2), ("ngs", "NGS", 4))
    ]


def _restricted(days: Reading) -> Callable[[Outcomes, int], np.ndarray]:
    return lambda o, month: np.minimum(days(o), month * DAYS_PER_MONTH) * (1.0 / DAYS_PER_MONTH)


_REFERRAL: Final = ("referral",)
_TREATED: Final = ("referral", "infusion")
_APLASIA_MONTHS: Final = (3, 6, 12, 24, 60)

# fmt: off
_TIME_TO_EVENT: Final = [
    _survival("os", "overall survival", lambda o: o.month["death"], "os"),
    _survival(
        "efs",
        "event-free survival, standard; events: not being infused (origin referral; on the planned day of infusion, on "
        "day 0 when not referred or no CAR T was intended), non-response when it was found, relapse, death",
        lambda o: o.month["efs"], "efs"),
    _limit(
        "efs_censored",
        "event-free survival, censored at the first further therapy in remission (HCT, reinfusion, maintenance, TKI, "
        "CD22 CAR)", "efs_censored"),
    _survival(
        "efs_stringent",
        "event-free survival, stringent: the first positive MRD sample in remission, and any further therapy in "
        "remission, are events too", lambda o: o.month["efs_stringent"], "efs_stringent"),
    _survival(
        "rfs", "relapse-free survival; events: relapse, death", lambda o: o.month["rfs"], "rfs",
        among="responders", since="response"),
    _incidence("cif_relapse", "first relapse after remission", lambda o: o.month["relapse"]),
    _incidence("cif_relapse_cd19pos", "first relapse, CD19+", lambda o: o.relapse_of(1)),
    _incidence("cif_relapse_cd19neg", "first relapse, CD19-negative, no lineage switch", lambda o: o.relapse_of(2)),
    _incidence("cif_lineage_switch", "first relapse, lineage switch", lambda o: o.relapse_of(3)),
    _incidence("cif_relapse_cns", "first relapse in the CNS (contained in the types above)", lambda o: o.relapse_at(2)),
    _incidence(
        "cif_nrm", "death without relapse, non-response or failure to be infused before",
        lambda o: o.death_without_failure()),
    _incidence("cif_nonresponse", "non-response", lambda o: o.month["nonresponse"], origins=_TREATED),
    _incidence(
        "cif_not_infused", "not infused, known while alive", lambda o: o.month["no_infusion"], origins=_REFERRAL),
    _incidence(
        "cir", "cumulative incidence of relapse", lambda o: o.month["relapse_after_response"],
        among="responders", since="response", event_free="rfs"),
    _limit(
        "os_after_relapse", "survival after first relapse", "after_relapse",
        among="relapsed", since="relapse", months=(6, 12, 24, 60)),
]

_CARE: Final = [
    _share("infused", "infused", lambda o: o.population["infused"], 1, origins=_REFERRAL),
    _share("manufacturing_failure", "not infused: no product could be made", ("not_infused", 5), -1, origins=_REFERRAL),
    _share(
        "lost_waiting", "not infused: death, progression or adverse event while waiting",
        lambda o: (o["not_infused"] == 3) | (o["not_infused"] == 4), -1, origins=_REFERRAL),
    _share("not_referred", "not infused: never reached a CAR T centre", ("not_infused", 2), -1, origins=_REFERRAL),
    _mean("wait_days", "days", "days from referral to infusion", lambda o: o["t_infusion"], -1, among="infused"),
    Measure(
        "wait_days_median", MEDIAN, "days", "days from referral to infusion", "wait", "infused",
        better=-1, origins=_TREATED, scale=DAYS_PER_MONTH),
    _share("cr", "complete remission at the response visit", lambda o: o.responded, 1),
    _share("hct", "transplanted in first CAR T remission", lambda o: o["t_hct"] < np.inf),
    _share(
        "hct_first", "the same, as a first allogeneic transplant",
        lambda o: (o["t_hct"] < np.inf) & (o["prior_hct"] == 0)),
    _share(
        "hct_second", "the same, after an allogeneic transplant before CAR T",
        lambda o: (o["t_hct"] < np.inf) & (o["prior_hct"] == 1)),
    _share("salvage_hct", "transplanted after salvage, or instead of CAR T", lambda o: o["t_salvage_hct"] < np.inf),
    _share("hct_any", "transplanted after referral, in remission or after salvage", lambda o: o["hcts"] > 0),
    _share("reinfusion", "reinfused", lambda o: o["t_reinfusion"] < np.inf),
    _share("maintenance", "maintenance or TKI", lambda o: o["t_maintenance"] < np.inf),
    _mean(
        "ward_days", "days", "days in hospital (ward, transplant unit), from referral to death or horizon",
        lambda o: o["ward_days"], -1),
    _mean("icu_days", "days", "days in intensive care, from referral to death or horizon", lambda o: o["icu_days"], -1),
    _mean("tocilizumab_doses", "count", "doses of tocilizumab", lambda o: o["tocilizumab_doses"], -1),
]

_HARM: Final = [
    *_grades("crs", "CRS", "crs_grade"),
    *_grades("icans", "ICANS", "icans_grade"),
    _share("iec_hs", "IEC-HS", ("hs", 1), -1),
    _share("icu", "any intensive care", lambda o: o["icu_days"] > 0.0, -1),
    _share("tocilizumab", "any tocilizumab", lambda o: o["tocilizumab_doses"] > 0, -1),
    _share("steroid", "corticosteroids for CRS or ICANS", ("steroid", 1), -1),
    _share(
        "icaht_ge3",
        "ICAHT of grade 3 or more: ANC < 500/uL for 14 days or longer, observed until transplant or death (EHA/EBMT "
        "consensus, Rejeski 2023: grade 3 from 14 days on, grade 4 never above 500)",
        lambda o: o.neutropenic_days >= 14.0, -1),
    _share("neutropenia_ge30", "ANC < 500/uL for 30 days or longer", lambda o: o.neutropenic_days >= 30.0, -1),
    _share(
        "neutropenia_year1", "ANC < 500/uL still, 1 year after infusion",
        lambda o: o.neutropenic_days >= DAYS_PER_YEAR, -1, among="year1"),
    _mean("infections", "count", "infections in CAR T remission or before", lambda o: o["infections"], -1),
    _share("severe_infection", "any severe infection", lambda o: o["severe_infections"] > 0, -1),
    _share("sos", "sinusoidal obstruction syndrome", ("sos", 1), -1),
    _share("agvhd_ge3", "acute GVHD III-IV", lambda o: o["acute_gvhd"] >= 3, -1),
    _share("cgvhd", "chronic GVHD ever", ("chronic_gvhd", 1), -1),
    _share("sos_after_hct", "sinusoidal obstruction syndrome", ("sos", 1), -1, among="transplanted"),
    _share("agvhd_ge3_after_hct", "acute GVHD III-IV", lambda o: o["acute_gvhd"] >= 3, -1, among="transplanted"),
    _share("cgvhd_after_hct", "chronic GVHD ever", ("chronic_gvhd", 1), -1, among="transplanted"),
    _share("transplant_mortality", "death of transplant", ("cause", 4), -1, among="transplanted"),
    _share("late_effect", "chronic health condition", ("late_effect", 1), -1),
    _share("neurocognitive", "late neurocognitive effect", ("neurocognitive", 1), -1),
    _share("second_cancer", "second cancer", ("second_cancer", 1), -1),
    _share("infertile", "infertility after conditioning", ("infertile", 1), -1),
]

_DISEASE: Final = [
    Measure(
        "bca_lost", INCIDENCE, PROBABILITY, "B-cell aplasia ended of itself (latent), before a transplant or relapse",
        lambda o: o.aplasia_lost(), "responders", _APLASIA_MONTHS, "infusion", curve=True, event_free="aplasia"),
    Measure(
        "bca_lost_seen", INCIDENCE, PROBABILITY, "a visit showed the end of B-cell aplasia",
        lambda o: o.month["aplasia_lost_seen"], "responders", _APLASIA_MONTHS, "infusion"),
    *_samples("mrd_day28", "the response visit", "day28_mrd", "responders"),
    *_samples("mrd_month3", "month 3", "month3_mrd", "month3"),
    _share("relapse_share_cd19pos", "first relapse is CD19+", ("relapse_type", 1), among="relapsed"),
    _share(
        "relapse_share_cd19neg", "first relapse is CD19-negative, no lineage switch", ("relapse_type", 2),
        among="relapsed"),
    _share("relapse_share_lineage_switch", "first relapse is a lineage switch", ("relapse_type", 3), among="relapsed"),
    _share("relapse_share_cns", "first relapse is in the CNS", ("relapse_site", 2), among="relapsed"),
    _share(
        "relapse_in_aplasia", "first relapse came while B-cell aplasia lasted", ("relapse_in_aplasia", 1),
        among="relapsed"),
    _share(
        "relapse_in_aplasia_negative", "first relapse is CD19-negative or a lineage switch",
        lambda o: o["relapse_type"] >= 2, among="relapsed_in_aplasia"),
    Measure(
        "time_to_relapse_median", MEDIAN, "months", "months from the origin to first relapse", "relapse", "relapsed"),
    Measure(
        "os_after_relapse_median", MEDIAN, "months", "months from first relapse to death", "after_relapse", "relapsed",
        better=1),
    *(_share(f"death_{CAUSE_NAMES[c]}", f"died of {CAUSE_NAMES[c]}", ("cause", c), among="died") for c in range(1, 7)),
    _mean(
        "life_years", "years", "years from the origin to death or horizon, undiscounted", lambda o: o.life_years(), 1),
    _mean(
        "rmst_os", "months", "restricted mean survival: months alive within the first so many",
        _restricted(lambda o: o.end - o.start), 1, months=(60,)),
    _mean(
        "rmst_efs", "months", "restricted mean event-free survival (standard)", _restricted(lambda o: o.efs_days), 1,
        months=(60,)),
]
# fmt: on

#: The table of measures, in the order in which they are written.
MEASURES: Final[tuple[Measure, ...]] = (*_TIME_TO_EVENT, *_CARE, *_HARM, *_DISEASE)

#: A further curve: the share still in the first B-cell aplasia.
APLASIA: Final = _survival(
    "aplasia",
    "in first B-cell aplasia still: alive, without relapse, transplant or return of B cells",
    lambda o: o.month["in_aplasia"],
    "aplasia",
    among="responders",
    since="infusion",
    months=(),
)


def measures_at(origin: str) -> list[Measure]:
    """List the measures that are given at an origin."""
    return [m for m in MEASURES if origin in m.origins]


def curves_at(origin: str) -> list[Measure]:
    """List the measures that are written as curves at an origin (states apart)."""
    return [m for m in (*measures_at(origin), APLASIA) if m.curve]
