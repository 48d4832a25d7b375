"""What happened to a block of patients under one policy: columns copied once, and the times that follow from them.

Clocks: the *origin* (referral, infusion, or the response visit of whoever is in remission), *infusion*, *response* and
*relapse*. Who has not reached a clock's start is in none of the populations that use it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sim.experiments.curves import MONTH_OF_FINE, NEVER, fine_codes
from sim.kernel import INF

ORIGINS: Final = ("referral", "infusion", "remission")

#: Month code of "never".
NEVER_MONTH: Final = int(MONTH_OF_FINE[NEVER])

_TIMES: Final = (
    "t_infusion t_response t_lymphodepletion t_mrd t_aplasia_lost t_aplasia_lost_seen t_therapy t_hct t_salvage_hct "
    "t_reinfusion t_maintenance t_nonresponse t_relapse t_death wait neutropenia_days ward_days icu_days"
).split()
_CODES: Final = (
    "prior_hct cr not_infused relapse_type relapse_site relapse_in_aplasia cause crs_grade icans_grade hs infections "
    "severe_infections tocilizumab_doses steroid day28_mrd month3_mrd hcts acute_gvhd chronic_gvhd sos late_effect "
    "neurocognitive second_cancer infertile"
).split()

#: Populations: who is counted in a measure.
POPULATIONS: Final = {
    "counted": "everybody counted: all referred, all infused, or all in remission, by origin",
    "infused": "those infused",
    "responders": "those in complete remission at the response visit",
    "month3": "those in remission, alive and without relapse 3 months after infusion",
    "year1": "those alive 1 year after infusion",
    "transplanted": "those transplanted after referral, in remission or after salvage",
    "relapsed": "those who relapsed after remission",
    "relapsed_in_aplasia": "those whose first relapse came while B-cell aplasia lasted",
    "died": "those who died before the horizon",
}
#: States in order: nobody is in two, and everybody counted is in one, at all times; they are left forwards only.
STATES: Final = {
    "state_waiting": "before lymphodepletion",
    "state_treatment": "from lymphodepletion until the response visit",
    "state_remission": "in remission after CAR T, not transplanted since",
    "state_transplanted": "in remission after a transplant in first CAR T remission",
    "state_failed": "after non-response, relapse or failure to be infused, not transplanted since (a second remission "
    "without transplant included)",
    "state_salvage_transplanted": "after a transplant that followed salvage (a later relapse included)",
    "state_dead": "dead",
}
_NOT_REFERRED, _DIED_WAITING = 2, 3
_MONTH3, _YEAR1 = 91.3125, 365.25


def states_at(origin: str) -> list[str]:
    """List the states in which whoever is counted can be from an origin on, in order."""
    return list(STATES)[ORIGINS.index(origin) :]


class Outcomes:
    """The outcomes of a block of patients under one policy.

    Parameters
    ----------
    lives
        Structured array of dtype ``record_dtype(Patient)``, shape (n,).
    origin
        Where results start, one of `ORIGINS`.
    horizon
        Days since referral to which lives were followed.

    Attributes
    ----------
    column : dict[str, numpy.ndarray]
        The patients' own fields: float64 times and durations, int16 codes and counts.
    start : numpy.ndarray
        Day of the origin; 0 for whoever is not counted.
    population : dict[str, numpy.ndarray]
        Who belongs to each of `POPULATIONS`.
    fine, month : dict[str, numpy.ndarray]
        Codes of event times on the fine grid (int16) and the month grid (uint8).
    censored : dict[str, numpy.ndarray]
        Whose time of that name on the fine grid is the end of follow-up and no event.
    """

    def __init__(self, lives: np.ndarray, origin: str, horizon: float) -> None:
        self.n = len(lives)
        self.horizon = horizon
        self.column = {name: np.ascontiguousarray(lives[name]) for name in _TIMES}
        self.column |= {name: lives[name].astype(np.int16) for name in _CODES}
        self.origin = origin
        self._choose_counted()
        self._choose_populations()
        self._place_times()
        self._combine_times()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.column[name]

    def _choose_counted(self) -> None:
        infusion, cr = self["t_infusion"], self["cr"] == 1
        if self.origin == "referral":
            start, counted = np.zeros(self.n), np.ones(self.n, dtype=bool)
        elif self.origin == "infusion":
            start, counted = infusion, infusion < INF
        else:
            start, counted = self["t_response"], cr
        self.counted = counted
        self.start = np.where(counted, start, 0.0)
        self.end = np.minimum(self["t_death"], self.horizon)
        self.responded = cr & counted

    def _choose_populations(self) -> None:
        infusion, death = self["t_infusion"], self["t_death"]
        relapsed = (self["t_relapse"] < INF) & self.counted
        first_end = np.minimum(self["t_relapse"], death)
        self.population = {
            "counted": self.counted,
            "infused": (infusion < INF) & self.counted,
            "responders": self.responded,
            "month3": self.responded & (first_end > infusion + _MONTH3),
            "year1": (death > infusion + _YEAR1) & self.counted,
            "transplanted": (self["hcts"] > 0) & self.counted,
            "relapsed": relapsed,
            "relapsed_in_aplasia": relapsed & (self["relapse_in_aplasia"] == 1),
            "died": (death < INF) & self.counted,
        }

    def _no_infusion(self) -> np.ndarray:
        """Day on which it was known that an intended patient would not be infused; infinite when infused.

        Not referred or no CAR T intended: day 0. Lost while waiting or not manufactured: the planned day of infusion,
        or death if that came sooner. Death while waiting is a death, not this.
        """
        why = self["not_infused"]
        known = np.where(why <= _NOT_REFERRED, 0.0, np.minimum(self["wait"], self["t_death"]))
        return np.where((why == 0) | (why == _DIED_WAITING), INF, known)

    def _place_times(self) -> None:
        infused = np.where(self.population["infused"], self["t_infusion"], 0.0)
        response = np.where(self.responded, self["t_response"], 0.0)
        relapse = np.where(self.population["relapsed"], self["t_relapse"], 0.0)
        own_end = self["t_aplasia_lost"] < np.minimum(self["t_hct"], self["t_relapse"])
        rows: list[tuple[str, np.ndarray, np.ndarray]] = [
            ("death", self["t_death"], self.start),
            ("relapse", self["t_relapse"], self.start),
            ("nonresponse", self["t_nonresponse"], self.start),
            ("mrd", self["t_mrd"], self.start),
            ("therapy", self["t_therapy"], self.start),
            ("hct", self["t_hct"], self.start),
            ("salvage_hct", self["t_salvage_hct"], self.start),
            ("death_after_response", self["t_death"], response),
            ("relapse_after_response", self["t_relapse"], response),
            ("aplasia_end", self["t_aplasia_lost"], infused),
            ("aplasia_lost", np.where(own_end, self["t_aplasia_lost"], INF), infused),
            ("aplasia_lost_seen", self["t_aplasia_lost_seen"], infused),
            ("relapse_after_infusion", self["t_relapse"], infused),
            ("death_after_infusion", self["t_death"], infused),
            ("after_relapse", self.end, relapse),
        ]
        if self.origin == "referral":
            rows.append(("no_infusion", self._no_infusion(), self.start))
            rows.append(("wait", self["t_infusion"], self.start))
            rows.append(("treatment", np.minimum(self["t_lymphodepletion"], self["t_infusion"]), self.start))
        elif self.origin == "infusion":
            rows.append(("wait", self["t_infusion"], np.zeros(self.n)))
        if self.origin != "remission":
            rows.append(("response", np.where(self.responded, self["t_response"], INF), self.start))
        days = np.empty((len(rows), self.n))
        for i, (_, day, since) in enumerate(rows):
            np.subtract(day, since, out=days[i])
        fine = fine_codes(days)
        month = np.take(MONTH_OF_FINE, fine)
        self.fine = {name: fine[i] for i, (name, _, _) in enumerate(rows)}
        self.month = {name: month[i] for i, (name, _, _) in enumerate(rows)}

    def _combine_times(self) -> None:
        """Derive composite outcomes; the first of several times has the smallest code."""
        for codes in (self.month, self.fine):
            failed = np.minimum(codes["relapse"], codes["nonresponse"])
            codes["failed"] = np.minimum(failed, codes["no_infusion"]) if "no_infusion" in codes else failed
            codes["efs"] = np.minimum(codes["failed"], codes["death"])
        month = self.month
        month["efs_stringent"] = np.minimum(np.minimum(month["efs"], month["mrd"]), month["therapy"])
        month["rfs"] = np.minimum(month["relapse_after_response"], month["death_after_response"])
        month["in_aplasia"] = np.minimum(month["aplasia_end"], month["relapse_after_infusion"])
        month["in_aplasia"] = np.minimum(month["in_aplasia"], month["death_after_infusion"])
        self._censor()

    def _censor(self) -> None:
        day_failed = np.minimum(self["t_relapse"], self["t_nonresponse"])
        if self.origin == "referral":
            day_failed = np.minimum(day_failed, self._no_infusion())
        day = np.minimum(day_failed, self["t_death"])
        self.failed_first = day_failed < INF
        self.efs_days = np.minimum(day, self.horizon) - self.start
        self.fine["efs_censored"] = np.minimum(self.fine["efs"], self.fine["therapy"])
        self.censored = {
            "efs_censored": (self["t_therapy"] < day) & (self["t_therapy"] < INF),
            "after_relapse": self["t_death"] > self.horizon,
        }

    def relapse_of(self, kind: int) -> np.ndarray:
        """Month code of a first relapse of this type (`Patient.relapse_type`)."""
        return np.where(self["relapse_type"] == kind, self.month["relapse"], np.uint8(NEVER_MONTH))

    def relapse_at(self, site: int) -> np.ndarray:
        """Month code of a first relapse at this site (`Patient.relapse_site`)."""
        return np.where(self["relapse_site"] == site, self.month["relapse"], np.uint8(NEVER_MONTH))

    def death_without_failure(self) -> np.ndarray:
        """Month code of death without relapse, non-response or failure to be infused before."""
        return np.where(self.failed_first, np.uint8(NEVER_MONTH), self.month["death"])

    def neutropenic_for(self, days: float) -> np.ndarray:
        """Tell who was observed with ANC < 500 for at least `days` days: until death or a transplant at most."""
        stop = np.minimum(np.minimum(self["t_death"], self["t_hct"]), self["t_salvage_hct"])
        return (self["neutropenia_days"] >= days) & (stop >= self["t_infusion"] + days) & (self["t_infusion"] < INF)

    def life_years(self) -> np.ndarray:
        """Years from the origin to death or the horizon."""
        return (self.end - self.start) / 365.25

    def states(self) -> list[np.ndarray]:
        """Give, for each state in order (`states_at`), the month code at which it or a later one is entered."""
        entered = {
            "state_treatment": self.month.get("treatment"),
            "state_remission": self.month.get("response"),
            "state_transplanted": self.month["hct"],
            "state_failed": self.month["failed"],
            "state_salvage_transplanted": self.month["salvage_hct"],
            "state_dead": self.month["death"],
        }
        codes = [np.zeros(self.n, dtype=np.uint8), *(entered[name] for name in states_at(self.origin)[1:])]
        for i in range(len(codes) - 2, 0, -1):
            codes[i] = np.minimum(codes[i], codes[i + 1])  # type: ignore[arg-type]
        return codes  # type: ignore[return-value]
