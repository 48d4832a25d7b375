"""Questions to a hospital: how small may it be, what is one more place worth, what does a slower product cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from sim.problems import Problem

if TYPE_CHECKING:
    from sim.experiments.capacity import Study

COLUMNS: Final = ("question", "policy", "pool", "setting", "measure", "value", "mc_se", "low", "high")
#: Measures reported for another hospital, as they are and as differences.
REPORTED: Final = (
    "infused",
    "infused_in_time",
    "in_time",
    "wait_infusion_mean",
    "deaths_before_infusion",
    "relapses_awaiting_hct",
    "deaths_awaiting_hct",
    "infusions",
    "transplants",
    "diverted_icu",
    "life_years",
)

Runner = Callable[[Any], "Study"]


def answers(settings: Any, study: Study) -> pd.DataFrame | None:
    """Answer what was asked, in the same worlds (same patients, same window); None where nothing was asked."""
    from sim.experiments.capacity import run_study

    def again(other: Any) -> Study:
        return run_study(other, window=study.window)

    check(settings)
    asked = settings.what_if
    rows: list[tuple[Any, ...]] = []
    if asked.smallest is not None:
        for policy in sorted(settings.policy):
            rows += smallest(settings, study, policy, again)
    if asked.one_more is not None:
        rows += one_more(settings, study, again)
    if asked.turnaround is not None:
        rows += turnaround(settings, study, again)
    return pd.DataFrame(rows, columns=list(COLUMNS)) if rows else None


def check(settings: Any) -> None:
    """Refuse questions that this hospital cannot answer, before anything is run.

    Raises
    ------
    Problem
        When the pool asked about is unlimited already, or each centre sets its own.
    """
    asked, hospital = settings.what_if, settings.hospital
    for key in ("smallest", "one_more"):
        pool = getattr(asked, key)
        if pool is not None and hospital.centres:
            raise Problem(
                f"what_if.{key}={pool}: that pool belongs to several centres: ask for each centre alone, as a hospital "
                "of its own"
            )
    pool = asked.one_more
    if pool is not None and getattr(hospital.pools, pool) is None:
        raise Problem(f"what_if.one_more={pool}: that pool is unlimited; set hospital.pools.{pool}=N")


def with_places(settings: Any, pool: str, places: int | None) -> Any:
    """Copy the settings with another number of places in one pool."""
    pools = settings.hospital.pools.model_copy(update={pool: places})
    return settings.model_copy(update={"hospital": settings.hospital.model_copy(update={"pools": pools})})


def only(settings: Any, policy: str) -> Any:
    """Copy the settings with one policy alone."""
    return settings.model_copy(update={"policy": {policy: settings.policy[policy]}, "reference": None})


def reached(study: Study, policy: str) -> tuple[float, float, float, float]:
    """Give the share infused in time, of those infused, with its error and interval."""
    from sim.experiments.capacity import _interval

    numbers = study.numbers
    chosen = (numbers["policy"] == policy) & (numbers["stratum"] == "all") & (numbers["measure"] == "in_time")
    return _interval(numbers[chosen]["value"].to_numpy())


def smallest(settings: Any, study: Study, policy: str, again: Runner) -> Iterator[tuple[Any, ...]]:
    """Find the smallest number of places of a pool that meets the target, by halving.

    More places never make the wait longer (tested), so the answer lies where the share crosses the target.

    Yields
    ------
    tuple
        A row for every number of places tried, and one for the answer: -1 where even unlimited places do not do,
        infinite where it takes more than ``what_if.largest``.
    """
    asked, pool = settings.what_if, settings.what_if.smallest
    alone = only(settings, policy)
    tried: dict[int | None, tuple[float, float, float, float]] = {}

    def enough(places: int | None) -> bool:
        if places not in tried:
            tried[places] = reached(again(with_places(alone, pool, places)), policy)
        return tried[places][0] >= asked.target_share

    answer = -1.0
    if enough(None):
        answer = math.inf
    if enough(None) and enough(asked.largest):
        low, high = 0, asked.largest
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle + 1, high)
        answer = float(high)
    for places in sorted(tried, key=lambda n: math.inf if n is None else n):
        setting = math.inf if places is None else float(places)
        yield ("smallest", policy, pool, setting, "in_time", *tried[places])
    yield ("smallest", policy, pool, answer, "answer", answer, math.nan, math.nan, math.nan)


def one_more(settings: Any, study: Study, again: Runner) -> Iterator[tuple[Any, ...]]:
    """Add one place to a pool, and say what changes: per replication, and per year for all who come."""
    from sim.experiments.capacity import compare

    pool = settings.what_if.one_more
    now = getattr(settings.hospital.pools, pool)
    more = again(with_places(settings, pool, now + 1))
    for policy in sorted(settings.policy):
        ours, theirs = (s.numbers[s.numbers["policy"] == policy] for s in (more, study))
        found = compare(ours, theirs)
        yield from _differences("one_more", policy, pool, float(now + 1), found)
        everybody = (theirs["stratum"] == "all") & (theirs["measure"] == "arrivals")
        arrivals = float(theirs["value"].to_numpy()[everybody.to_numpy()].mean())
        yield from _of_a_year("one_more", policy, pool, float(now + 1), found, arrivals)
        yield from _net_benefit(settings, "one_more", policy, pool, float(now + 1), ours, theirs, arrivals)


def _of_a_year(
    question: str, policy: str, pool: str, setting: float, found: pd.DataFrame, arrivals: float
) -> Iterator[tuple[Any, ...]]:
    """Multiply what a patient gains by the patients of a year."""
    found = found[found["stratum"] == "all"].set_index("measure")
    for name in ("life_years", "life_years_discounted", "qalys", "cost"):
        if name in found.index:
            values = found.loc[[name], ["difference", "mc_se", "low", "high"]].to_numpy(dtype=float)[0] * arrivals
            yield (question, policy, pool, setting, f"{name}, difference of a year's patients", *values.tolist())


def _net_benefit(
    settings: Any,
    question: str,
    policy: str,
    pool: str,
    setting: float,
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    arrivals: float,
) -> Iterator[tuple[Any, ...]]:
    """Say what the place may cost in a year at each willingness to pay for a QALY: it is worth that and no more."""
    from sim.experiments.capacity import _interval

    if settings.economics is None:
        return
    gained = {
        name: _by_replication(ours, name).sub(_by_replication(theirs, name)).to_numpy() for name in ("qalys", "cost")
    }
    for wtp in settings.economics.wtp:
        values = _interval((wtp * gained["qalys"] - gained["cost"]) * arrivals)
        yield (question, policy, pool, setting, f"net monetary benefit a year at {wtp:.0f} per QALY", *values)


def _by_replication(numbers: pd.DataFrame, measure: str) -> pd.Series:
    chosen = (numbers["stratum"] == "all") & (numbers["measure"] == measure)
    return numbers[chosen].set_index("replication")["value"]


def turnaround(settings: Any, study: Study, again: Runner) -> Iterator[tuple[Any, ...]]:
    """Make the way to infusion shorter or longer by a factor, and say what changes."""
    from sim.experiments.capacity import compare

    median = settings.cohort.wait.median
    for factor in settings.what_if.turnaround:
        slower = median.model_copy(update={"value": median.value * factor})
        wait = settings.cohort.wait.model_copy(update={"median": slower})
        other = again(settings.model_copy(update={"cohort": settings.cohort.model_copy(update={"wait": wait})}))
        for policy in sorted(settings.policy):
            ours, theirs = (s.numbers[s.numbers["policy"] == policy] for s in (other, study))
            yield from _differences("turnaround", policy, "", factor, compare(ours, theirs))


def _differences(
    question: str, policy: str, pool: str, setting: float, found: pd.DataFrame
) -> Iterator[tuple[Any, ...]]:
    found = found[found["stratum"] == "all"].set_index("measure")
    for name in [name for name in (*REPORTED, "qalys", "cost") if name in found.index]:
        values = found.loc[[name], ["difference", "mc_se", "low", "high"]].to_numpy(dtype=float)[0].tolist()
        yield (question, policy, pool, setting, f"{name}, difference", *values)
