"""What happened to a block of patients under one policy: columns copied once, and the times that follow from them.

Clocks: the *origin* (referral, infusion, or the response visit of whoever is in remission), *infusion*, *response* and
*relapse*. Who has not reached a clock's start is in none of the populations that use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np

from sim.kernel import INF
from sim.tally.curves import MONTH_OF_FINE, NEVER, fine_codes
from sim.units import DAYS_PER_YEAR

ORIGINS: Final = ("referral", "infusion", "remission")

#: Month code of "never".
NEVER_MONTH: Final = MONTH_OF_FINE[NEVER]

#: Columns that are read: times and durations, then codes, flags and counts.
TIMES: Final = (
    "t_infusion t_response t_lymphodepletion t_mrd t_aplasia_lost t_aplasia_lost_seen t_therapy t_hct t_salvage_hct "
    "t_reinfusion t_maintenance t_nonresponse t_relapse t_death wait neutropenia_days ward_days icu_days"
).split()
CODES: Final = (
    "prior_hct cr not_infused relapse_type relapse_site relapse_in_aplasia cause crs_grade icans_grade hs infections "
    "severe_infections tocilizumab_doses steroid day28_mrd month3_taken month3_mrd hcts acute_gvhd chronic_gvhd sos "
    "late_effect neurocognitive second_cancer infertile"
).split()

#: Populations: who is counted in a measure.
POPULATIONS: Final = {
    "counted": "everybody counted: all referred, all infused, or all in remission, by origin",
    "infused": "those infused",
    "responders": "those in complete remission at the response visit",
    "month3": "responders whose sample at month 3 was taken",
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
_ROWS_AT_A_TIME = 1024


def states_at(origin: str) -> list[str]:
    """List the states in which whoever is counted can be from an origin on, in order."""
    return list(STATES)[ORIGINS.index(origin) :]


@lru_cache(maxsize=8)
def _places(layout: np.dtype) -> np.ndarray:
    """Give the positions of the columns in a record, in words of 8 bytes."""
    fields: Mapping[str, Any] = layout.fields or {}
    names = ("number", *TIMES, *CODES)
    for name in names:
        if name not in fields or fields[name][0].itemsize != 8:
            raise TypeError(f"lives must have a column {name} of 8 bytes, as sim.patient.Patient has")
    return np.array([fields[name][1] // 8 for name in names])


def room_for(n: int) -> np.ndarray:
    """Give memory for the columns of n patients."""
    return np.empty((1 + len(TIMES) + len(CODES), n), dtype=np.int64)


def _columns(lives: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copy numbers, times and codes out of the wide records, some patients at a time while they are in the cache."""
    places = _places(lives.dtype)
    words = np.ascontiguousarray(lives).view(np.int64).reshape(len(lives), -1)
    for i in range(0, len(lives), _ROWS_AT_A_TIME):
        table[:, i : i + _ROWS_AT_A_TIME] = words[i : i + _ROWS_AT_A_TIME][:, places].T
    codes = 1 + len(TIMES)
    return table[0], table[1:codes].view(np.float64), table[codes:].astype(np.int16)


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
    room
        Memory for the columns (`room_for`), to be used again when this object is done with; fresh when None.

    Attributes
    ----------
    column : dict[str, numpy.ndarray]
        The patients' own fields: float64 times and durations, int16 codes and counts.
    numbers : numpy.ndarray
        The patients' numbers.
    codes : numpy.ndarray
        The int16 columns as rows, in the order of `CODES`.
    start : numpy.ndarray
        Day of the origin; 0 for whoever is not counted.
    population : dict[str, numpy.ndarray]
        Who belongs to each of `POPULATIONS`.
    fine, month : dict[str, numpy.ndarray]
        Codes of event times on the fine grid (int16) and the month grid (uint8).
    censored : dict[str, numpy.ndarray]
        Whose time of that name on the fine grid is the end of follow-up and no event.
    """

    def __init__(self, lives: np.ndarray, origin: str, horizon: float, room: np.ndarray | None = None) -> None:
        self.n = len(lives)
        self.origin = origin
        self.horizon = horizon
        self.numbers, times, self.codes = _columns(lives, room_for(self.n) if room is None else room)
        self.column = dict(zip((*TIMES, *CODES), (*times, *self.codes), strict=True))
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
        self.population = {
            "counted": self.counted,
            "infused": (infusion < INF) & self.counted,
            "responders": self.responded,
            "month3": self.responded & (self["month3_taken"] == 1),
            "year1": (death > infusion + DAYS_PER_YEAR) & self.counted,
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
        """Place event times on the grids, each counted from the start of its clock."""
        start, death, relapse = self.start, self["t_death"], self["t_relapse"]
        infused = np.where(self.population["infused"], self["t_infusion"], 0.0)
        response = np.where(self.responded, self["t_response"], 0.0)
        relapsed = np.where(self.population["relapsed"], relapse, 0.0)
        first_end = np.minimum(relapse, death)
        self.failed_day = np.minimum(relapse, self["t_nonresponse"])
        days = {
            "death": death - start,
            "relapse": relapse - start,
            "therapy": self["t_therapy"] - start,
            "mrd": self["t_mrd"] - start,
            "hct": self["t_hct"] - start,
            "salvage_hct": self["t_salvage_hct"] - start,
            "rfs": first_end - response,
            "relapse_after_response": relapse - response,
            "aplasia_end": self["t_aplasia_lost"] - infused,
            "aplasia_lost_seen": self["t_aplasia_lost_seen"] - infused,
            "in_aplasia": np.minimum(first_end, self["t_aplasia_lost"]) - infused,
            "after_relapse": self.end - relapsed,
        }
        if self.origin == "referral":
            no_infusion = self._no_infusion()
            self.failed_day = np.minimum(self.failed_day, no_infusion)
            days["no_infusion"] = no_infusion
            days["treatment"] = np.minimum(self["t_lymphodepletion"], self["t_infusion"])
        if self.origin != "remission":
            days["wait"] = self["t_infusion"]
            days["nonresponse"] = self["t_nonresponse"] - start
            days["response"] = np.where(self.responded, self["t_response"], INF) - start
        fine = fine_codes(np.stack(list(days.values())))
        month = np.take(MONTH_OF_FINE, fine)
        self.fine = dict(zip(days, fine, strict=True))
        self.month = dict(zip(days, month, strict=True))

    def _combine_times(self) -> None:
        """Derive composite outcomes; the first of several times has the smallest code."""
        for codes in (self.month, self.fine):
            failed = codes["relapse"]
            for other in ("nonresponse", "no_infusion"):
                failed = np.minimum(failed, codes[other]) if other in codes else failed
            codes["failed"] = failed
            codes["efs"] = np.minimum(failed, codes["death"])
        month, fine = self.month, self.fine
        month["efs_stringent"] = np.minimum(np.minimum(month["efs"], month["mrd"]), month["therapy"])
        fine["efs_censored"] = np.minimum(fine["efs"], fine["therapy"])
        event_day = np.minimum(self.failed_day, self["t_death"])
        self.efs_days = np.minimum(event_day, self.horizon) - self.start
        self.censored = {"efs_censored": self["t_therapy"] < event_day}
        if self.horizon < INF:
            self.censored["after_relapse"] = self["t_death"] > self.horizon

    def relapse_of(self, kind: int) -> np.ndarray:
        """Month code of a first relapse of this type (`Patient.relapse_type`)."""
        return self._unless("relapse", self["relapse_type"] != kind)

    def relapse_at(self, site: int) -> np.ndarray:
        """Month code of a first relapse at this site (`Patient.relapse_site`)."""
        return self._unless("relapse", self["relapse_site"] != site)

    def death_without_failure(self) -> np.ndarray:
        """Month code of death without relapse, non-response or failure to be infused before."""
        return self._unless("death", self.failed_day < INF)

    def aplasia_lost(self) -> np.ndarray:
        """Month code of the end of aplasia where neither a transplant nor what follows a relapse ended it."""
        return self._unless("aplasia_end", self["t_aplasia_lost"] >= np.minimum(self["t_hct"], self["t_relapse"]))

    def _unless(self, time: str, never: np.ndarray) -> np.ndarray:
        return np.maximum(self.month[time], never.view(np.uint8) * NEVER_MONTH)

    @cached_property
    def neutropenic_days(self) -> np.ndarray:
        """Days observed with ANC < 500 after infusion: until recovery, transplant or death."""
        stop = np.minimum(np.minimum(self["t_death"], self["t_hct"]), self["t_salvage_hct"])
        infused = np.where(self.population["infused"], self["t_infusion"], 0.0)
        return np.minimum(self["neutropenia_days"], stop - infused)

    def life_years(self) -> np.ndarray:
        """Years from the origin to death or the horizon."""
        return (self.end - self.start) / DAYS_PER_YEAR

    def states(self) -> list[np.ndarray]:
        """Give, for each state in order (`states_at`), the month code at which it or a later one is entered."""
        entered = {
            "state_treatment": self.month.get("treatment", self.month["death"]),
            "state_remission": self.month.get("response", self.month["death"]),
            "state_transplanted": self.month["hct"],
            "state_failed": self.month["failed"],
            "state_salvage_transplanted": self.month["salvage_hct"],
            "state_dead": self.month["death"],
        }
        codes = [np.zeros(self.n, dtype=np.uint8), *(entered[name] for name in states_at(self.origin)[1:])]
        for i in range(len(codes) - 2, 0, -1):
            codes[i] = np.minimum(codes[i], codes[i + 1])
        return codes
