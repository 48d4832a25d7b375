"""The laws of a life: what must hold for every patient, whatever the parameters and the policy.

`broken_laws` reads the final record and the journal alone; `Watch` looks over the shoulder of the interpreted handlers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from sim import journal as j
from sim.clinic import events as e
from sim.clinic.course import reach_horizon
from sim.clinic.pathway import begin, handle
from sim.clinic.policy import REINFUSE, SEQUENTIAL, TRANSPLANT
from sim.clock import GRANT
from sim.engine.pathway import Pathway
from sim.patient import Patient

INF = math.inf
YEAR = 365.25

#: Phase -> phases that may follow it.
NEXT_PHASES = {
    j.WAITING: {j.TREATMENT, j.RELAPSED},
    j.TREATMENT: {j.REMISSION, j.RELAPSED},
    j.REMISSION: {j.TRANSPLANTED, j.RELAPSED},
    j.TRANSPLANTED: {j.RELAPSED},
    j.RELAPSED: {j.SECOND_REMISSION, j.PALLIATIVE},
    j.SECOND_REMISSION: {j.SALVAGE_TRANSPLANTED, j.RELAPSED, j.PALLIATIVE},
    j.SALVAGE_TRANSPLANTED: {j.RELAPSED, j.PALLIATIVE},
    j.PALLIATIVE: set(),
}
#: The same where one draw decides about salvage: a cure leaves no time in relapse.
NEXT_PHASES_IMPLICIT = NEXT_PHASES | {
    j.WAITING: {j.TREATMENT, j.RELAPSED, j.SECOND_REMISSION},
    j.TREATMENT: {j.REMISSION, j.RELAPSED, j.SECOND_REMISSION},
    j.REMISSION: {j.TRANSPLANTED, j.RELAPSED, j.SECOND_REMISSION},
    j.TRANSPLANTED: {j.RELAPSED, j.SECOND_REMISSION},
}
REMISSIONS = {j.REMISSION, j.TRANSPLANTED, j.SECOND_REMISSION, j.SALVAGE_TRANSPLANTED}
FIRST_PHASES = {j.WAITING, j.TREATMENT, j.RELAPSED, j.SECOND_REMISSION}
SOJOURNS = range(j.WARD, j.SALVAGE + 1)
#: Field that holds since when a sojourn lasts -> its kinds.
OPEN = {
    "ward_since": (j.WARD,),
    "icu_since": (j.ICU,),
    "icans_start": (j.ICANS,),
    "hs_start": (j.IEC_HS,),
    "aplasia_since": (j.APLASIA,),
    "igg_since": (j.IGG_REPLACEMENT,),
    "maintenance_since": (j.MAINTENANCE, j.TKI),
    "acute_gvhd_since": (j.ACUTE_GVHD,),
    "chronic_gvhd_since": (j.CHRONIC_GVHD,),
    "salvage_since": (j.SALVAGE,),
    "phase_since": tuple(range(j.PHASES)),
}
CAR_T_ONLY = (
    j.INFUSION,
    j.CRS,
    j.ICANS,
    j.IEC_HS,
    j.NEUTROPENIA,
    j.APLASIA,
    j.IGG_REPLACEMENT,
    j.INFECTION,
    j.RESPONSE,
)


class Chart:
    """One patient's journal, by event."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows.tolist()

    def of(self, *events: int) -> list[tuple[int, float, float, int]]:
        return [row for row in self.rows if row[0] in events]

    def first(self, *events: int) -> float:
        return min((row[1] for row in self.of(*events)), default=INF)

    def details(self, *events: int) -> list[int]:
        return [row[3] for row in self.of(*events)]

    def phase_at(self, time: float) -> set[int]:
        """Phases that hold just after a time."""
        return {row[0] for row in self.rows if row[0] < j.PHASES and row[1] <= time < row[2]}


def broken_laws(life: np.void, rows: np.ndarray, values: dict[str, Any]) -> list[str]:
    """Name the laws that a life breaks.

    Parameters
    ----------
    life
        Final patient record.
    rows
        The patient's journal rows.
    values
        What the kernel read (`sim.experiments.inputs.kernel_values`).
    """
    chart = Chart(rows)
    checks = (_times, _phases, _sojourns, _first_times, _counts, _grades, _decisions, _transplants, _disease, _places)
    return [text for check in checks for text in check(life, chart, values)]


def _times(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    end = float(life["t"])
    if not all(0.0 <= start <= stop <= end for _, start, stop, _ in chart.rows):
        yield "a row starts before referral, stops before it starts, or lasts beyond the end of the life"
    deaths = chart.of(j.DEATH)
    if life["t_death"] < INF:
        if [(row[1], row[3]) for row in deaths] != [(life["t_death"], life["cause"])] or life["t_death"] != end:
            yield "death: record and journal disagree"
    elif deaths or life["cause"] != 0:
        yield "death: in the journal only"
    order = [(row[1], row[0], row[2], row[3]) for row in chart.rows]
    if order != sorted(order):
        yield "rows are out of order"


def _phases(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    phases = [row for row in chart.rows if row[0] < j.PHASES]
    end = float(life["t"])
    if not phases:
        if end > 0.0:
            yield "no phase at all"
        return
    if phases[0][1] != 0.0 or phases[-1][2] != end or phases[0][0] not in FIRST_PHASES:
        yield f"phases do not span the life: {phases[0]}, {phases[-1]}, end {end}"
    follows = NEXT_PHASES if values["explicit"] == 1 else NEXT_PHASES_IMPLICIT
    for before, after in pairwise(phases):
        if before[2] != after[1]:
            yield f"phases leave a gap or overlap: {before}, {after}"
        if after[0] not in follows[before[0]]:
            yield f"phase {after[0]} follows {before[0]}"


def _sojourns(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    for kind in SOJOURNS:
        stays = [row for row in chart.of(kind) if not (kind == j.LATE_EFFECT and row[3] == 2)]
        if any(before[2] > after[1] for before, after in pairwise(stays)):
            yield f"sojourns of kind {kind} overlap"
    if any(row[1] != row[2] for row in chart.rows if row[0] >= j.REFERRAL):
        yield "a point event has a duration"
    for field, kind in (("ward_days", j.WARD), ("icu_days", j.ICU)):
        total = 0.0
        for row in chart.of(kind):
            total += row[2] - row[1]
        if total != life[field]:
            yield f"{field} is {life[field]}, the journal sums to {total}"
    aplasias = chart.of(j.APLASIA)
    for _, start, stop, _ in chart.of(j.IGG_REPLACEMENT):
        if not any(first <= start and stop <= last for _, first, last, _ in aplasias):
            yield "immunoglobulins are replaced outside aplasia"


def _first_times(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    infusions = [row[1] for row in chart.of(j.INFUSION) if row[3] < 400]
    sequential = [row[1] for row in chart.of(j.INFUSION) if row[3] >= 400]
    hcts = [(row[1], j.SALVAGE_TRANSPLANTED in chart.phase_at(row[1])) for row in chart.of(j.HCT)]
    expected = {
        "t_apheresis": chart.first(j.APHERESIS),
        "t_infusion": min(infusions, default=INF),
        "t_response": chart.first(j.RESPONSE),
        "t_nonresponse": min((row[1] for row in chart.of(j.RESPONSE) if row[3] == 0), default=INF),
        "t_mrd": chart.first(j.MRD_SEEN),
        "t_aplasia_lost_seen": chart.first(j.APLASIA_LOSS_SEEN),
        "t_reinfusion": chart.first(j.REINFUSION),
        "t_maintenance": chart.first(j.MAINTENANCE, j.TKI),
        "crs_start": chart.first(j.CRS),
        "neutropenia_start": chart.first(j.NEUTROPENIA),
        "late_since": min((row[1] for row in chart.of(j.LATE_EFFECT) if row[3] == 1), default=INF),
        "t_hct": min((time for time, salvage in hcts if not salvage), default=INF),
        "t_salvage_hct": min((time for time, salvage in hcts if salvage), default=INF),
    }
    if values["waiting"] == 1:
        expected["t_lymphodepletion"] = chart.first(j.LYMPHODEPLETION)
    if len(infusions) > 1:
        yield "infused twice"
    for field, time in expected.items():
        if life[field] != time:
            yield f"{field} is {life[field]}, in the journal {time}"
    therapy = min([life["t_hct"], life["t_reinfusion"], life["t_maintenance"], *sequential])
    if life["t_therapy"] != therapy:
        yield f"t_therapy is {life['t_therapy']}, first therapy in remission {therapy}"
    if life["cr"] == 1 and life["t_relapse"] != chart.first(j.RELAPSE):
        yield "t_relapse is not the first relapse"
    if life["cr"] == 0 and life["t_relapse"] < INF:
        yield "a relapse without remission"


def _counts(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    reinfusions = chart.details(j.REINFUSION)
    expected = {
        "attempt": len(chart.of(j.APHERESIS)),
        "hcts": len(chart.of(j.HCT)),
        "reinfusions": len(reinfusions),
        "reinfusion_worked": sum(reinfusions),
        "infections": len(chart.of(j.INFECTION)),
        "severe_infections": chart.details(j.INFECTION).count(2),
        "tocilizumab_doses": sum(chart.details(j.TOCILIZUMAB)),
        "steroid": int(bool(chart.of(j.STEROID))),
        "boosted": len(chart.of(j.BOOST)),
        "sos": int(bool(chart.of(j.SINUSOIDAL))),
        "infertile": int(bool(chart.of(j.INFERTILITY))),
        "second_cancer": int(bool(chart.of(j.SECOND_CANCER))),
        "late_effect": int(1 in chart.details(j.LATE_EFFECT)),
        "neurocognitive": int(2 in chart.details(j.LATE_EFFECT)),
        "chronic_gvhd": int(bool(chart.of(j.CHRONIC_GVHD))),
        "not_infused": sum(chart.details(j.NOT_INFUSED)),
        "cr": sum(chart.details(j.RESPONSE)),
        "hs": int(bool(chart.of(j.IEC_HS))),
        "salvage_line": len(chart.of(j.SALVAGE)),
    }
    for field, count in expected.items():
        if life[field] != count:
            yield f"{field} is {life[field]}, in the journal {count}"
    if life["not_infused"] != 0 and (life["t_infusion"] < INF or chart.of(*CAR_T_ONLY)):
        yield "not infused, yet treated with CAR T cells"


def _grades(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    for field, kind in (("crs_grade", j.CRS), ("icans_grade", j.ICANS), ("acute_gvhd", j.ACUTE_GVHD)):
        if life[field] != max(chart.details(kind), default=0):
            yield f"{field} is {life[field]}, in the journal {chart.details(kind)}"
    if life["cause"] != 2 and 5 in (life["crs_grade"], life["icans_grade"]):
        yield "grade 5, yet not dead of it"


def _decisions(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    looks = {row[1] for row in chart.of(j.VISIT)}
    delays = {float(days) for days in values["rule_confirm"]} | {0.0, values["ngs_repeat"]}
    moments = {time + days for time in looks for days in delays}
    moments |= {row[1] + values["chimerism_day"] for row in chart.of(j.HCT)}
    for _, time, _, _ in chart.of(j.DECISION):
        if time not in moments:
            yield f"a decision on day {time}, when nobody looked"
    decisions = [row[1] for row in chart.of(j.DECISION)]
    if life["t_therapy"] < min(decisions, default=INF):
        yield "therapy in remission before any decision"
    for _, time, _, _ in chart.of(j.VISIT, j.MRD_SEEN, j.APLASIA_LOSS_SEEN, j.DECISION, j.REINFUSION, j.HCT):
        if not chart.phase_at(time) <= REMISSIONS:
            yield f"follow-up or treatment of a remission on day {time}, in phase {chart.phase_at(time)}"
    if life["salvage_line"] > values["salvage_lines"]:
        yield "more lines of salvage than there are"


def _transplants(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    hcts = chart.of(j.HCT)
    latest = life["first_hct"]
    irradiated = life["hct_tbi"] == 1
    for nth, (_, time, _, detail) in enumerate(hcts):
        conditioning, another = detail % 10, detail // 10
        salvage = j.SALVAGE_TRANSPLANTED in chart.phase_at(time)
        if another != (life["prior_hct"] == 1 or nth > 0):
            yield "a second transplant is not called so, or a first one is"
        if another and values["second_hct_after_relapse" if salvage else "second_hct_in_remission"] == 0:
            yield "a second transplant that the policy does not allow"
        if another and (nth >= values["most_hcts"] or time - latest < values["hct_interval"]):
            yield "transplanted too often or too soon"
        if life["fit_now"] == 0:
            yield "a transplant although organ function forbids it"
        agreed = np.any((values["rule_agreed"] == 1) & (values["rule_action"] == TRANSPLANT))
        if life["donor"] == 0 and (salvage or not agreed):
            yield "a transplant without a donor"
        if conditioning == 1 and (irradiated or life["tp53"] == 2 or life["instability"] == 1):
            yield "irradiation that must not be"
        if conditioning == 1 and life["age"] + time / YEAR < values["tbi_age"]:
            yield "irradiation of a small child"
        if any(0.0 <= time - row[1] < values["infection_mild_days"] for row in chart.of(j.INFECTION) if row[3] == 1):
            yield "a transplant during an infection"
        for kind in (j.CRS, j.ICU, j.IEC_HS, j.ACUTE_GVHD):
            if any(row[1] < time < row[2] for row in chart.of(kind)):
                yield f"a transplant during a sojourn of kind {kind}"
        if any(row[1] < time < row[2] for row in chart.of(j.APLASIA, j.NEUTROPENIA, j.MAINTENANCE, j.TKI)):
            yield "a transplant leaves CAR T cells, neutropenia or maintenance behind"
        latest, irradiated = time, irradiated or conditioning == 1
    if hcts and life["hct_conditioning"] != hcts[-1][3] % 10:
        yield "conditioning: record and journal disagree"
    if life["cause"] == 4 and not hcts:
        yield "death of a transplant that never was"


def _disease(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    for detail in chart.details(j.RELAPSE):
        kind, site = detail // 10, detail % 10
        if (kind == 3) != (life["switched"] == 1 and kind > 1):
            yield "lineage switch: type of relapse and clone disagree"
        if site > 1 and (kind != 1 or life["sanctuary"] + 1 != site):
            yield "a relapse outside the marrow without its clone"
    if life["t_relapse"] < INF:
        if chart.details(j.RELAPSE)[0] != 10 * life["relapse_type"] + life["relapse_site"]:
            yield "first relapse: record and journal disagree"
    elif life["relapse_type"] != 0 or life["relapse_site"] != 0:
        yield "type of a relapse that never was"
    if chart.of(j.SALVAGE) and not (chart.of(j.RELAPSE) or life["t_nonresponse"] < INF or life["not_infused"] > 0):
        yield "salvage without leukaemia"


def _places(life: np.void, chart: Chart, values: dict[str, Any]) -> Iterator[str]:
    stays = chart.of(j.WARD)
    for _, start, stop, _ in chart.of(j.ICU):
        covered = sorted(
            (max(start, first), min(stop, last)) for _, first, last, _ in stays if first < stop and last > start
        )
        if not covered or covered[0][0] > start or covered[-1][1] < stop:
            yield "intensive care outside the hospital"
    for _, time, _, _ in chart.of(j.INFECTION):
        if not chart.phase_at(time) <= {j.TREATMENT, j.REMISSION}:
            yield "an infection outside its phases"


class Watch:
    """The project's pathway, with every step checked as it happens (interpreted engine only)."""

    #: Pending action -> the event that carries it out.
    CARRIED_OUT = {TRANSPLANT: e.HCT_READY, REINFUSE: e.REINFUSION, SEQUENTIAL: e.SEQUENTIAL_CAR}

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.pathway = Pathway("watched", Patient, begin, self.handle, reach_horizon, e.POOLS)
        self._clock: dict[int, float] = {}

    def handle(self, p: Any, q: Any, chart: Any, event: int) -> None:
        before = (p.pos_level, p.neg_level)
        started = {field: getattr(p, field) for field in OPEN}
        written = len(chart)
        if p.t < self._clock.get(p.number, 0.0):
            self._complain(p, event, "time runs back")
        self._clock[p.number] = p.t
        if p.done:
            self._complain(p, event, "an event after death")
        if event == e.RELAPSE_POSITIVE and p.pos_level == -INF:
            self._complain(p, event, "an extinct clone relapses")
        if event == e.RELAPSE_NEGATIVE and p.neg_level == -INF:
            self._complain(p, event, "an extinct CD19-negative clone relapses")
        handle(p, q, chart, event)
        back = (before[0] == -INF) > (p.pos_level == -INF) or (before[1] == -INF) > (p.neg_level == -INF)
        if back and event not in (e.INFUSION, e.REFERRAL, e.SALVAGE_RESPONSE):
            self._complain(p, event, "an extinct clone came back")
        for field, kinds in OPEN.items():
            closed = any(row[0] in kinds and row[1] == started[field] for row in chart[written:])
            if started[field] < min(INF, p.t) and getattr(p, field) != started[field] and not closed:
                self._complain(p, event, f"{field} is forgotten without a row in the journal")
        if any(tuple(map(type, row)) != (int, float, float, int) for row in chart[written:]):
            self._complain(p, event, f"types of a row: {chart[written:]}")
        self._inspect(p, q, event)

    def _inspect(self, p: Any, q: Any, event: int) -> None:
        if any(math.isnan(when) for when in p.next):
            self._complain(p, event, "a time is not a number")
        if p.done:
            return
        if any(when < p.t for when in p.next):
            self._complain(p, event, f"planned in the past: {[k for k, when in enumerate(p.next) if when < p.t]}")
        planned = [action for action, at in self.CARRIED_OUT.items() if p.next[at] < INF]
        in_line = (e.POOL_HCT, e.POOL_MANUFACTURING, e.POOL_ONCOLOGY, e.POOL_DONOR_SEARCH)
        wanted = any((p.wants | p.holds) >> pool & 1 for pool in in_line)
        if len(planned) > 1 or (planned and p.pending != planned[0]):
            self._complain(p, event, f"pending {p.pending}, planned {planned}")
        if p.pending != 0 and not planned and not wanted:
            self._complain(p, event, f"pending {p.pending}, nothing planned")
        if p.pending != 0 and p.next[e.CONFIRMATION] < INF:
            self._complain(p, event, "a confirmation beside a pending action")
        if not all(math.isfinite(rate) and rate >= 0.0 for rate in p.rate):
            self._complain(p, event, "an impossible rate")
        if event == e.SMR_STEP and p.rate[e.BACKGROUND_DEATH] != self._ratio(p, q):
            self._complain(p, event, f"mortality ratio {p.rate[e.BACKGROUND_DEATH]}")
        self._types(p, event)

    def _ratio(self, p: Any, q: Any) -> float:
        """The mortality ratio just after a step, wherever rounding puts the step itself."""
        years = (p.t - p.last_hct) / YEAR + 1e-6
        steps = ((q.smr_from, q.smr_no_hct), (q.smr_until_first, q.smr_hct_first))
        steps += ((q.smr_until_second, q.smr_hct_second), (q.smr_until_third, q.smr_hct_third))
        return next((ratio for until, ratio in steps if years < until), q.smr_hct_last)

    def _types(self, p: Any, event: int) -> None:
        for name, kind in TYPES.items():
            value = getattr(p, name)
            if type(value) is not kind or (kind is list and not all(type(v) is ITEMS[name] for v in value)):
                self._complain(p, event, f"{name} is {value!r}")

    def _complain(self, p: Any, event: int, text: str) -> None:
        name = e.event_name(event) if event < GRANT + len(e.POOLS) else str(event)
        self.complaints.append(f"patient {p.number}, day {p.t:.1f}, {name}: {text}")


_FRESH = {field.name: getattr(Patient(), field.name) for field in dataclasses.fields(Patient)}
#: Type of every field of a patient, and of the items of its lists.
TYPES = {name: type(value) for name, value in _FRESH.items()}
ITEMS = {name: type(value[0]) for name, value in _FRESH.items() if isinstance(value, list)}
