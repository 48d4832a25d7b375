"""Which patients the report lets a reader look at: the first numbers, then the first with each fate worth seeing.

The rule reads published fields only and goes by patient numbers, so it chooses the same patients on every engine and
whatever the size of the run (once it is larger than `SEARCHED`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sim.kernel import INF
from sim.units import DAYS_PER_YEAR

#: The fates of so many patients are looked through.
SEARCHED: Final = 1024
#: Patients shown whatever their fate, and for each fate.
FIRST: Final = 4
EACH: Final = 2
#: Lives differ, and are long, by so many days.
_LONG: Final = 5 * DAYS_PER_YEAR

#: The lives of consecutive patients under one policy: column -> array.
Lives = Mapping[str, Any]


class Fate(NamedTuple):
    """A fate: what it is in plain words, and who has it: one flag a patient, from policy -> lives and the reference."""

    label: str
    of: Callable[[Mapping[str, Lives], str], np.ndarray]


def _under_any(test: Callable[[Lives], np.ndarray]) -> Callable[[Mapping[str, Lives], str], np.ndarray]:
    return lambda lives, reference: np.any([test(one) for one in lives.values()], axis=0)


def _against(test: Callable[[Lives, Lives], np.ndarray]) -> Callable[[Mapping[str, Lives], str], np.ndarray]:
    return lambda lives, reference: np.any([test(one, lives[reference]) for one in lives.values()], axis=0)


def _apart(lives: Mapping[str, Lives], reference: str) -> np.ndarray:
    deaths = np.stack([_death(one) for one in lives.values()])
    return np.asarray(deaths.max(axis=0) - deaths.min(axis=0) > _LONG)


def _death(one: Lives) -> np.ndarray:
    """Day of death; who lives on counts as dying a century later."""
    return np.minimum(np.asarray(one["t_death"]), 100.0 * DAYS_PER_YEAR)


def _transplanted(one: Lives) -> np.ndarray:
    return np.asarray(one["t_hct"]) < INF


def _cured(lives: Mapping[str, Lives], reference: str) -> np.ndarray:
    one = lives[reference]
    alone = (one["cr"] == 1) & (one["t_relapse"] == INF) & (one["t_therapy"] == INF)
    return np.asarray(alone & (_death(one) - np.where(alone, one["t_infusion"], 0.0) > 2 * _LONG))


def _since(one: Lives, later: str, earlier: str) -> np.ndarray:
    """Days between two events; infinite where either never came."""
    a, b = np.asarray(one[later], dtype=float), np.asarray(one[earlier], dtype=float)
    both = (a < INF) & (b < INF)
    return np.where(both, np.where(both, a, 0.0) - np.where(both, b, 0.0), INF)


def _relapse(kind: int) -> Callable[[Mapping[str, Lives], str], np.ndarray]:
    return _under_any(lambda one: (one["relapse_type"] == kind) & (one["relapse_site"] == 1))


#: In the order in which places are given.
FATES: Final = (
    Fate("lives more than 5 years longer under one policy than under another", _apart),
    Fate(
        "lives longer with a transplant than under the reference",
        _against(lambda one, other: _transplanted(one) & (_death(one) - _death(other) > _LONG)),
    ),
    Fate(
        "dies of a transplant, lives on under the reference",
        _against(lambda one, other: _transplanted(one) & (one["cause"] == 4) & (_death(other) - _death(one) > _LONG)),
    ),
    Fate("cured by CAR T cells alone", _cured),
    Fate("CD19+ relapse", _relapse(1)),
    Fate("CD19-negative relapse", _relapse(2)),
    Fate("lineage switch", _relapse(3)),
    Fate("relapse outside the marrow", _under_any(lambda one: one["relapse_site"] > 1)),
    Fate(
        "B-cell aplasia lost within half a year",
        _under_any(lambda one: _since(one, "t_aplasia_lost_seen", "t_infusion") < DAYS_PER_YEAR / 2),
    ),
    Fate("reinfusion restores aplasia", _under_any(lambda one: one["reinfusion_worked"] > 0)),
    Fate(
        "reinfusion without effect",
        _under_any(lambda one: (one["reinfusions"] > 0) & (one["reinfusion_worked"] == 0)),
    ),
    Fate(
        "MRD found before relapse",
        _under_any(
            lambda one: (_since(one, "t_relapse", "t_mrd") > 0.0) & _came(one["t_mrd"]) & _came(one["t_relapse"])
        ),
    ),
    Fate("death of transplant", _under_any(lambda one: one["cause"] == 4)),
    Fate(
        "relapse, then long survival after salvage",
        _under_any(lambda one: (one["t_relapse"] < INF) & (_death(one) - _finite(one["t_relapse"]) > 2 * _LONG)),
    ),
    Fate("no response", _under_any(lambda one: one["t_nonresponse"] < INF)),
    Fate("death while waiting for CAR T", _under_any(lambda one: one["not_infused"] == 3)),
    Fate("manufacturing failed, no infusion", _under_any(lambda one: one["not_infused"] == 5)),
    Fate("death of toxicity or infection", _under_any(lambda one: (one["cause"] == 2) | (one["cause"] == 3))),
)
#: What the rule reads.
COLUMNS: Final = (
    "t_death t_hct t_relapse t_therapy t_infusion t_nonresponse t_mrd t_aplasia_lost_seen cr cause relapse_type "
    "relapse_site reinfusions reinfusion_worked not_infused"
).split()
#: The rule in words.
RULE: Final = (
    f"Of the first {SEARCHED:,} patients: the first {FIRST} by number, then for each fate in turn the first {EACH} not "
    "yet chosen who have it under any policy."
)


def _came(days: Any) -> np.ndarray:
    return np.asarray(days) < INF


def _finite(days: Any) -> np.ndarray:
    return np.where(np.asarray(days) < INF, days, 0.0)


def chosen(lives: Mapping[str, Lives], reference: str) -> dict[int, str]:
    """Choose whom to show.

    Parameters
    ----------
    lives
        Policy -> the first patients' `COLUMNS`, patient 0 first.
    reference
        Policy that the others are compared with.

    Returns
    -------
    dict
        Patient's number -> why this patient, in the order of choice.
    """
    n = len(np.asarray(next(iter(lives.values()))["cr"]))
    found = dict.fromkeys(range(min(FIRST, n)), "among the first by number")
    for fate in FATES:
        have = [int(number) for number in np.flatnonzero(fate.of(lives, reference)) if int(number) not in found]
        found |= dict.fromkeys(have[:EACH], fate.label)
    return found
