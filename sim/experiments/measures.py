"""Every measure of ``summary.csv``, ``paired.csv`` and ``curves.csv``: name, unit, meaning, and how it is computed.

One table, `MEASURES`, is the definition, the documentation (``docs/measures.md``) and the code that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.experiments.curves import GRID
from sim.experiments.outcomes import ORIGINS, POPULATIONS, STATES, Outcomes
from sim.patient import CAUSE_NAMES
from sim.units import DAYS_PER_MONTH

#: Months at which time-to-event outcomes are reported.
MONTHS: Final = (6, 12, 18, 24, 36, 60, 120)
#: Populations in which policies are compared patient by patient: nobody is in them because of what a policy did later.
_COMPARED: Final = ("counted", "infused", "responders")

#: Kinds of measure; see `Measure.kind`.
SURVIVAL, INCIDENCE, SHARE, MEAN, PRODUCT_LIMIT, MEDIAN = (
    "survival", "incidence", "share", "mean", "product limit", "median",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Parameters
    ----------
    name
        Name in the tables.
    kind
        ``survival``: share whose time is after the month; ``incidence``: share whose time is not after it; ``share``:
        share of whom something holds; ``mean``; ``product limit``: Kaplan-Meier; ``median``: of a product limit.
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
    name: str, meaning: str, of: Callable[[Outcomes], np.ndarray], among: str = "counted", since: str = "origin",
    months: tuple[int, ...] = MONTHS, event_free: str = "",
) -> Measure:  # fmt: skip
    return Measure(name, SURVIVAL, "probability", meaning, of, among, months, since, 1, curve=True, event_free=event_free)


def _incidence(
    name: str, meaning: str, of: Callable[[Outcomes], np.ndarray], among: str = "counted", since: str = "origin",
    origins: tuple[str, ...] = ORIGINS, event_free: str = "efs",
) -> Measure:  # fmt: skip
    return Measure(
        name, INCIDENCE, "probability", meaning, of, among, MONTHS, since, -1, origins, curve=True, event_free=event_free
    )


def _share(
    name: str, meaning: str, of: Callable[[Outcomes], np.ndarray] | tuple[str, int], among: str = "counted", better: int = 0,
    origins: tuple[str, ...] = ORIGINS,
) -> Measure:  # fmt: skip
    return Measure(name, SHARE, "probability", meaning, of, among, better=better, origins=origins)


def _mean(
    name: str, unit: str, meaning: str, of: Callable[..., np.ndarray], among: str = "counted", better: int = 0,
    months: tuple[int, ...] = (),
) -> Measure:  # fmt: skip
    return Measure(name, MEAN, unit, meaning, of, among, months, "origin" if months else "", better)


def _grades(name: str, label: str, column: str) -> list[Measure]:
    """Build the distribution of a toxicity's highest grade, and the usual cuts."""
    return [
        *(_share(f"{name}_grade_{g}", f"highest {label} grade is {g}", (column, g)) for g in range(6)),
        _share(f"{name}_ge1", f"{label} of any grade", lambda o: o[column] >= 1, better=-1),
        _share(f"{name}_ge3", f"{label} of grade 3 or more", lambda o: o[column] >= 3, better=-1),
    ]


def _bit(column: str, bit: int) -> Callable[[Outcomes], np.ndarray]:
    return lambda o: (o[column] & bit) != 0


def _restricted(days: Callable[[Outcomes], np.ndarray]) -> Callable[[Outcomes, int], np.ndarray]:
    return lambda o, month: np.minimum(days(o), month * DAYS_PER_MONTH) * (1.0 / DAYS_PER_MONTH)


def _samples(visit: str, column: str, among: str) -> list[Measure]:
    return [
        _share(
            f"mrd_{column.removesuffix('_mrd')}_{assay}",
            f"MRD positive by {assay} at {visit}; 0 under a policy that does not use the assay",
            _bit(column, bit),
            among,
            better=-1,
        )
        for assay, bit in (("flow", 1), ("qpcr", 2), ("ngs", 4))
    ]


_TIME_TO_EVENT: Final = [
    _survival("os", "overall survival", lambda o: o.month["death"], event_free="os"),
    _survival(
        "efs",
        "event-free survival, standard: the event is not being infused (origin referral; on the planned day of infusion, "
        "or on day 0 when no infusion was intended or the patient was not referred), non-response when found, relapse, "
        "or death",
        lambda o: o.month["efs"],
        event_free="efs",
    ),
    Measure(
        "efs_censored",
        PRODUCT_LIMIT,
        "probability",
        "event-free survival, censored at the first further therapy in remission (HCT, reinfusion, maintenance, TKI, "
        "CD22 CAR); Kaplan-Meier",
        "efs_censored",
        months=MONTHS,
        since="origin",
        better=1,
        curve=True,
    ),
    _survival(
        "efs_stringent",
        "event-free survival, stringent: the first positive MRD sample in remission and any further therapy in remission "
        "are events, too",
        lambda o: o.month["efs_stringent"],
        event_free="efs_stringent",
    ),
    _survival("rfs", "relapse-free survival: relapse or death", lambda o: o.month["rfs"], "responders", "response",
              event_free="rfs"),
    _incidence("cif_relapse", "first relapse after remission", lambda o: o.month["relapse"]),
    _incidence("cif_relapse_cd19pos", "first relapse, CD19+", lambda o: o.relapse_of(1)),
    _incidence("cif_relapse_cd19neg", "first relapse, CD19-negative without lineage switch", lambda o: o.relapse_of(2)),
    _incidence("cif_lineage_switch", "first relapse, lineage switch", lambda o: o.relapse_of(3)),
    _incidence("cif_relapse_cns", "first relapse in the CNS (among the CD19+ ones)", lambda o: o.relapse_at(2)),
    _incidence("cif_nrm", "death without relapse, non-response or failure to be infused before",
               lambda o: o.death_without_failure()),
    _incidence("cif_nonresponse", "non-response found", lambda o: o.month["nonresponse"],
               origins=("referral", "infusion")),
    _incidence("cif_not_infused", "known not to be infused, alive", lambda o: o.month["no_infusion"],
               origins=("referral",)),
    _incidence("cir", "cumulative incidence of relapse", lambda o: o.month["relapse_after_response"], "responders",
               "response", event_free="rfs"),
    Measure("os_after_relapse", PRODUCT_LIMIT, "probability", "survival after first relapse; Kaplan-Meier",
            "after_relapse", "relapsed", (6, 12, 24, 60), "relapse", 1, curve=True),
]  # fmt: skip

_CARE: Final = [
    _share("infused", "infused", lambda o: o.population["infused"], better=1, origins=("referral",)),
    _share("manufacturing_failure", "not infused: no product could be made", ("not_infused", 5), better=-1,
           origins=("referral",)),
    _share("lost_waiting", "not infused: death, progression or adverse event while waiting",
           lambda o: (o["not_infused"] == 3) | (o["not_infused"] == 4), better=-1, origins=("referral",)),
    _share("not_referred", "not infused: never reached a CAR T centre", ("not_infused", 2), better=-1,
           origins=("referral",)),
    _mean("wait_days", "days", "days from referral to infusion", lambda o: o["t_infusion"], "infused", -1),
    Measure("wait_days_median", MEDIAN, "days", "days from referral to infusion", "wait", "infused",
            origins=("referral", "infusion"), scale=DAYS_PER_MONTH),
    _share("cr", "complete remission at the response visit", lambda o: o.responded, better=1),
    _share("hct", "transplanted in first CAR T remission", lambda o: o["t_hct"] < np.inf),
    _share("hct_first", "the same, as a first allogeneic transplant",
           lambda o: (o["t_hct"] < np.inf) & (o["prior_hct"] == 0)),
    _share("hct_second", "the same, after an allogeneic transplant before CAR T",
           lambda o: (o["t_hct"] < np.inf) & (o["prior_hct"] == 1)),
    _share("salvage_hct", "transplanted after salvage, or instead of CAR T", lambda o: o["t_salvage_hct"] < np.inf),
    _share("hct_any", "transplanted after referral, in remission or after salvage", lambda o: o["hcts"] > 0),
    _share("reinfusion", "reinfused", lambda o: o["t_reinfusion"] < np.inf),
    _share("maintenance", "maintenance or TKI", lambda o: o["t_maintenance"] < np.inf),
    _mean("ward_days", "days", "days in hospital (ward, transplant unit) from referral to death or horizon",
          lambda o: o["ward_days"], better=-1),
    _mean("icu_days", "days", "days in intensive care from referral to death or horizon", lambda o: o["icu_days"],
          better=-1),
    _mean("tocilizumab_doses", "count", "doses of tocilizumab", lambda o: o["tocilizumab_doses"], better=-1),
]  # fmt: skip

_HARM: Final = [
    *_grades("crs", "CRS", "crs_grade"),
    *_grades("icans", "ICANS", "icans_grade"),
    _share("iec_hs", "IEC-HS", ("hs", 1), better=-1),
    _share("icu", "any intensive care", lambda o: o["icu_days"] > 0.0, better=-1),
    _share("tocilizumab", "any tocilizumab", lambda o: o["tocilizumab_doses"] > 0, better=-1),
    _share("steroid", "corticosteroids for CRS or ICANS", ("steroid", 1), better=-1),
    _share("icaht_ge3", "ICAHT of grade 3 or more: ANC < 500/uL for 14 days or longer (EHA/EBMT consensus: grade 3 from 14 "
           "days on, grade 4 never above), observed until death or a transplant", lambda o: o.neutropenic_days >= 14.0,
           better=-1),
    _share("neutropenia_ge30", "ANC < 500/uL for 30 days or longer", lambda o: o.neutropenic_days >= 30.0, better=-1),
    _share("neutropenia_year1", "ANC < 500/uL still, 1 year after infusion", lambda o: o.neutropenic_days >= 365.25, "year1",
           -1),
    _mean("infections", "count", "infections until salvage or transplant", lambda o: o["infections"], better=-1),
    _share("severe_infection", "any severe infection", lambda o: o["severe_infections"] > 0, better=-1),
    _share("sos", "sinusoidal obstruction syndrome", ("sos", 1), better=-1),
    _share("agvhd_ge3", "acute GVHD III-IV", lambda o: o["acute_gvhd"] >= 3, better=-1),
    _share("cgvhd", "chronic GVHD ever", ("chronic_gvhd", 1), better=-1),
    _share("sos_after_hct", "sinusoidal obstruction syndrome", ("sos", 1), "transplanted", -1),
    _share("agvhd_ge3_after_hct", "acute GVHD III-IV", lambda o: o["acute_gvhd"] >= 3, "transplanted", -1),
    _share("cgvhd_after_hct", "chronic GVHD ever", ("chronic_gvhd", 1), "transplanted", -1),
    _share("transplant_mortality", "death of transplant", ("cause", 4), "transplanted", -1),
    _share("late_effect", "chronic health condition", ("late_effect", 1), better=-1),
    _share("neurocognitive", "late neurocognitive effect", ("neurocognitive", 1), better=-1),
    _share("second_cancer", "second cancer", ("second_cancer", 1), better=-1),
    _share("infertile", "infertility after conditioning", ("infertile", 1), better=-1),
]  # fmt: skip

_DISEASE: Final = [
    Measure("bca_lost", INCIDENCE, "probability", "B-cell aplasia ended of itself (latent), before a transplant or relapse",
            lambda o: o.aplasia_lost(), "responders", (3, 6, 12, 24, 60), "infusion", 0, curve=True,
            event_free="aplasia"),
    Measure("bca_lost_seen", INCIDENCE, "probability", "a visit showed the end of B-cell aplasia",
            lambda o: o.month["aplasia_lost_seen"], "responders", (3, 6, 12, 24, 60), "infusion"),
    *_samples("the response visit", "day28_mrd", "responders"),
    *_samples("month 3", "month3_mrd", "month3"),
    _share("relapse_share_cd19pos", "first relapse is CD19+", ("relapse_type", 1), "relapsed"),
    _share("relapse_share_cd19neg", "first relapse is CD19-negative without lineage switch", ("relapse_type", 2),
           "relapsed"),
    _share("relapse_share_lineage_switch", "first relapse is a lineage switch", ("relapse_type", 3), "relapsed"),
    _share("relapse_share_cns", "first relapse is in the CNS", ("relapse_site", 2), "relapsed"),
    _share("relapse_in_aplasia", "first relapse came while B-cell aplasia lasted", ("relapse_in_aplasia", 1),
           "relapsed"),
    _share("relapse_in_aplasia_negative", "that relapse is CD19-negative or a lineage switch",
           lambda o: o["relapse_type"] >= 2, "relapsed_in_aplasia"),
    Measure("time_to_relapse_median", MEDIAN, "months", "months from the origin to first relapse", "relapse", "relapsed"),
    Measure("os_after_relapse_median", MEDIAN, "months", "months from first relapse to death", "after_relapse", "relapsed",
            better=1),
    *(_share(f"death_{CAUSE_NAMES[cause]}", f"died of {CAUSE_NAMES[cause]}", ("cause", cause), "died")
      for cause in (1, 2, 3, 4, 5, 6)),
    _mean("life_years", "years", "years from the origin to death or horizon, undiscounted", lambda o: o.life_years(),
          better=1),
    _mean("rmst_os", "months", "mean months alive within the first so many months",
          _restricted(lambda o: o.end - o.start), better=1, months=(60, 120)),
    _mean("rmst_efs", "months", "mean months event-free (standard) within the first so many months",
          _restricted(lambda o: o.efs_days), better=1, months=(60, 120)),
]  # fmt: skip

#: The table of measures, in the order in which they are written.
MEASURES: Final[tuple[Measure, ...]] = (*_TIME_TO_EVENT, *_CARE, *_HARM, *_DISEASE)

#: A further curve: the share still in the first B-cell aplasia.
APLASIA: Final = _survival(
    "aplasia",
    "in first B-cell aplasia still: alive, without relapse, transplant or return of B cells",
    lambda o: o.month["in_aplasia"],
    "responders",
    "infusion",
    (),
    "aplasia",
)


def measures_at(origin: str) -> list[Measure]:
    """List the measures that are given at an origin."""
    return [m for m in MEASURES if origin in m.origins]


def curves_at(origin: str) -> list[Measure]:
    """List the measures that are written as curves at an origin (states apart)."""
    return [m for m in (*measures_at(origin), APLASIA) if m.curve]


_HEAD: Final = f"""# Measures

Written by `sim.experiments.measures.table`; a test keeps this page and the code together.

`summary.csv` (policy, stratum, measure, months, value, mc_se, unit) gives each measure for all patients counted and by
stratum of prior HCT (`all`, `no_prior_hct`, `prior_hct`). `months` is empty where none applies. `mc_se` is the
Monte-Carlo standard error (how far a value would move with other random numbers, not how uncertain the parameters are):
binomial for shares, of the mean for means, Greenwood's for product limits, and for medians half the distance between the
times at which survival crosses 1/2 plus and minus its own standard error.
There is no censoring but the horizon. Months that somebody counted was not followed for are left out. Incidences are
plain proportions, which without censoring is what Aalen-Johansen gives. Where nobody is counted the value is empty.

`paired.csv` (policy, stratum, reference, measure, months, difference, mc_se, unpaired_se, variance_reduction, nnt, gain,
lose, same) compares the measures marked *paired* with the reference policy, among patients counted under both; not
paired are product limits, medians, and measures among patients selected by what happened later. `mc_se` is that of the
mean of the patients' own differences; `unpaired_se` is what independent samples of the same size would have given;
`variance_reduction` is the ratio of their squares (empty when the differences do not vary). `nnt`, for `os` and `efs`, is
the number needed to transplant: transplants in remission done more, divided by survivors (event-free survivors) more;
empty unless both are more. `gain`, `lose`, `same` are the shares of patients for whom the measure is better, worse or
equal (within 1e-9) under the policy than under the reference; where neither more nor less is better, for whom it is
higher, lower or equal. Who in particular gains depends on how random numbers are shared between policies; the
averages do not.

`curves.csv` (policy, stratum, curve, months, estimate, low, high, at_risk) gives the measures marked *curve*, and those at
the end of this page, at months 0 to 120 and every year up to year {int(GRID[-1]) // 12}. Limits are pointwise 95% Monte-Carlo
limits: Wilson's for proportions, log(-log) for product limits. `at_risk` counts those who are still without the event and
without a competing one after that month; for states, everybody.

Months are 30.4375 days. A time within 23 hours after a product limit's grid point counts at the next point.

| measure | unit | months | kind | among | since | better | paired | curve | meaning |
|---|---|---|---|---|---|---|---|---|---|
"""


def table() -> str:
    """Write ``docs/measures.md``."""
    lines = [_HEAD + "\n".join(_row(m) for m in MEASURES)]
    lines.append("\nWho is counted (`among`):\n")
    lines += [f"- *{name}*: {meaning}" for name, meaning in POPULATIONS.items()]
    lines.append("\nFurther curves:\n")
    lines.append(f"- `{APLASIA.name}`: {APLASIA.meaning} (among responders, since infusion)")
    lines += [f"- `{name}`: {meaning}" for name, meaning in STATES.items()]
    lines.append("\nStates are left forwards only, in this order; at every month their shares add up to 1.\n")
    return "\n".join(lines)


def _row(m: Measure) -> str:
    months = ", ".join(str(month) for month in m.months)
    better = {1: "more", -1: "less", 0: ""}[m.better]
    where = "" if m.origins == ORIGINS else f" (origin {' or '.join(m.origins)})"
    cells = [f"`{m.name}`", m.unit, months, m.kind, m.among, m.since, better]
    cells += ["yes" if m.paired else "", "yes" if m.curve else "", m.meaning + where]
    return "| " + " | ".join(cells) + " |"
