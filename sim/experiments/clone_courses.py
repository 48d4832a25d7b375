"""The courses of leukaemic clones under CAR T cells alone: the disease, without what the clinic would do about it.

The patients are those of the cohort, and their luck is their own: with one attribute changed they are their own twins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sim.biology.leukaemia import advance_clones, level_now, steer_clones, time_to_overt
from sim.biology.persistence import end_aplasia
from sim.clinic.events import APLASIA_END, RESPONSE
from sim.clinic.pathway import begin, on_infusion, responds
from sim.experiments.inputs import as_object
from sim.experiments.run import Simulation
from sim.kernel import INF
from sim.patient import Patient, attribute_names
from sim.problems import Problem, did_you_mean
from sim.units import DAYS_PER_MONTH

if TYPE_CHECKING:
    import pandas as pd

POSITIVE: Final = "CD19+"
NEGATIVE: Final = "CD19-negative"
#: What becomes of a patient within the days looked at, by the clone that reaches 5 % of the marrow first.
NO_REMISSION: Final = "no remission"
REMISSION: Final = "in remission"
#: Patient, clone, day, level.
Corner = tuple[int, str, float, float]


class Courses(NamedTuple):
    """Lines to draw, and the patients they belong to.

    Attributes
    ----------
    lines
        patient, clone, day (from infusion), level (log10 of the share of marrow cells): the corners of each course. A
        course ends when the clone is extinct, when a clone has reached 5 %, without remission at day 28, or with the
        days looked at.
    patients
        patient, expansion (latent, SD), aplasia_months (infinite: for life), fate, relapse_day.
    """

    lines: pd.DataFrame
    patients: pd.DataFrame


def clone_courses(settings: Any, patients: int = 30, *, days: float = 730.0, **attributes: float) -> Courses:
    """Follow the clones of the cohort's first patients from infusion on.

    Parameters
    ----------
    settings
        Validated settings (`sim.compose.settings_from`); the first policy's care is used up to the infusion.
    patients
        How many.
    days
        How long.
    attributes
        What is set for all of them, by the names of `sim.patient.Attributes`: ``burden=-0.3`` (log10), ``prior_hct=1``.

    Raises
    ------
    Problem
        When there is no such attribute.
    """
    import pandas as pd

    for name in attributes:
        if name not in attribute_names():
            raise Problem(f"{name}: no attribute of a patient, {did_you_mean(name, attribute_names())}")
    simulation = Simulation(settings, journal=False)
    values = as_object(next(iter(simulation.values.values())))
    table = simulation.attributes(0, patients)
    corners: list[Corner] = []
    people = []
    for number in range(patients):
        given = {name: table[name][number].item() for name in attribute_names()}
        patient = Patient(number=number, seed=settings.seed, **{**given, **attributes})
        people.append((number, *_follow(patient, values, days, corners)))
    return Courses(
        pd.DataFrame(corners, columns=["patient", "clone", "day", "level"]),
        pd.DataFrame(people, columns=["patient", "expansion", "aplasia_months", "fate", "relapse_day"]),
    )


def _follow(p: Any, q: Any, days: float, corners: list[Corner]) -> tuple[float, float, str, float]:
    """Follow one patient, and say what became of them."""
    journal: list[tuple[int, float, float, int]] = []
    begin(p, q, journal)
    on_infusion(p, q, journal)
    day28, lost = p.next[RESPONSE], p.next[APLASIA_END]
    months = lost / DAYS_PER_MONTH
    _note(corners, p, q)
    _go_to(p, q, corners, day28)
    if not responds(p, q):
        return p.expansion, months, NO_REMISSION, math.nan
    for until in (min(lost, days), days):
        steer_clones(p, q)
        relapse, clone = min((_crossing(p, name), name) for name in (POSITIVE, NEGATIVE))
        if relapse <= until:
            _go_to(p, q, corners, relapse)
            return p.expansion, months, f"{clone} relapse", relapse
        _go_to(p, q, corners, until)
        if p.t == lost:
            end_aplasia(p)
    return p.expansion, months, REMISSION, math.nan


def _clones(p: Any) -> Iterator[tuple[str, float, float]]:
    yield POSITIVE, p.pos_level, p.pos_slope
    yield NEGATIVE, p.neg_level, p.neg_slope


def _crossing(p: Any, clone: str) -> float:
    level, slope = next((level, slope) for name, level, slope in _clones(p) if name == clone)
    return p.t + time_to_overt(level, slope)


def _go_to(p: Any, q: Any, corners: list[Corner], day: float) -> None:
    """Go on to a day; where a clone dies out on the way, its line ends there."""
    for name, level, slope in _clones(p):
        if slope < 0.0 and level > -INF and level + slope * (day - p.clone_time) < q.extinction:
            corners.append((p.number, name, p.clone_time + (q.extinction - level) / slope, q.extinction))
    p.t = day
    advance_clones(p, q)
    _note(corners, p, q)


def _note(corners: list[Corner], p: Any, q: Any) -> None:
    for name, level, slope in _clones(p):
        now = level_now(p, q, level, slope)
        if now > -INF:
            corners.append((p.number, name, p.t, min(now, 0.0)))


def fates(courses: Sequence[Courses], labels: Sequence[str]) -> pd.DataFrame:
    """Count what became of the patients, a row per label and a column per fate."""
    import pandas as pd

    counts = {label: one.patients["fate"].value_counts() for label, one in zip(labels, courses, strict=True)}
    return pd.DataFrame(counts).T.fillna(0).astype(int)
