"""Budget impact: what a payer pays in each year after a new policy begins to spread, undiscounted, by category.

Two worlds with the same patients, in the same hospital: one in which the new policy takes the place of another for a
growing share of those who come, and one in which it does not. Both policies share the hospital's places. Counted are
those who come from the introduction on; the hospital was busy before it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from sim import decisions
from sim.draws import uniforms
from sim.economics.settings import CATEGORIES
from sim.economics.valuation import Valuation
from sim.experiments.capacity import _interval, impossible
from sim.experiments.compare import manifest, write_config, write_parameters
from sim.experiments.folders import point_latest, run_folder, written_whole
from sim.experiments.progress import progress
from sim.experiments.replications import STRIDE, Replicator
from sim.experiments.shared import Together, live_together
from sim.hospital.arrivals import arrival_days
from sim.problems import Problem, did_you_mean
from sim.units import DAYS_PER_YEAR

#: Years in which the hospital fills before the introduction, where ``warm_up_years`` is null.
WARM_UP: Final = 2.0
TOTAL: Final = "total"
LATER: Final = "later"
COLUMNS: Final = ("places", "world", "payer_year", "category", "mean", "mc_se", "low", "high")


def run(settings: Any) -> Path:
    """Compute the budget impact and write it.

    Returns
    -------
    pathlib.Path
        The folder that holds ``budget.csv`` (see `COLUMNS`), ``population.csv`` and the run's settings.

    Raises
    ------
    Problem
        When prices, policies or arrivals are missing.
    """
    check(settings)
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        started = time.perf_counter()
        worlds = list(_replications(settings))
        table = tabulate(settings, worlds)
        table.to_csv(scratch / "budget.csv", index=False, float_format="%.10g")
        population(settings, worlds).to_csv(scratch / "population.csv", index=False, float_format="%.10g")
        write_parameters(settings, scratch)
        write_config(settings, scratch)
        patients = sum(len(world["arrival"]) for world in worlds)
        new, displaced = arms(settings)
        record = manifest(settings, patients, time.perf_counter() - started) | {
            "replications": settings.replications,
            "currency": settings.economics.currency,
            "new": new,
            "displaced": displaced,
            "warnings": list(impossible(settings)),
        }
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        from sim.experiments.compare import illustrate

        illustrate(scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def check(settings: Any) -> None:
    """Refuse settings from which no budget follows."""
    if settings.economics is None:
        raise Problem("economics=none: a budget needs prices, for example economics=us_icer")
    if settings.hospital.arrivals.per_year is None:
        raise Problem("hospital.arrivals.per_year: how many come? for example arrivals.per_year=60")
    if len(settings.policy) < 2:
        raise Problem(
            "policy: a budget needs two policies, the displaced one and the new one: 'policy=[watch,selective]'"
        )
    for key in ("new", "displaced"):
        name = getattr(settings.budget, key)
        if name is not None and name not in settings.policy:
            raise Problem(f"budget.{key}: policy {name!r} is not listed: {did_you_mean(name, settings.policy)}")
    new, displaced = arms(settings)
    if new == displaced:
        raise Problem(f"budget.new={new}: is the displaced policy too; name another with budget.displaced=NAME")


def arms(settings: Any) -> tuple[str, str]:
    """Name the new and the displaced policy."""
    displaced = settings.budget.displaced or settings.reference_policy
    others = [name for name in settings.policy if name != displaced]
    return settings.budget.new or others[0], displaced


def uptake(settings: Any) -> np.ndarray:
    """Give the share of each year's patients who get the new policy, shape (years,).

    ``immediate``: the last year's share at once; ``linear``: evenly from the first year's to the last year's;
    ``s_curve``: between the same ends, ``3 x^2 - 2 x^3`` of the way.
    """
    budget = settings.budget
    if settings.uptake == "immediate" or budget.years == 1:
        return np.full(budget.years, budget.uptake_to)
    way = np.linspace(0.0, 1.0, budget.years)
    if settings.uptake == "s_curve":
        way = way * way * (3.0 - 2.0 * way)
    return np.asarray(budget.uptake_from + (budget.uptake_to - budget.uptake_from) * way)


def _warm_up(settings: Any) -> float:
    return WARM_UP if settings.warm_up_years is None else float(settings.warm_up_years)


def _replications(settings: Any) -> Iterator[dict[Any, Any]]:
    """Run the replications: costs by world, patient, payer year and category."""
    replicator = Replicator(settings)
    with progress(settings.replications, "replications", quiet=settings.quiet) as advance:
        for replication in range(settings.replications):
            yield one_replication(settings, replicator, replication)
            advance(1)


def one_replication(settings: Any, replicator: Replicator, replication: int) -> dict[Any, Any]:
    """Run one replication in every world.

    Returns
    -------
    dict
        ``arrival`` (days since the introduction, of those counted), ``new`` (who gets the new policy), and by
        (places, world) the cost by payer year (the last: later) and category, shape (years + 1, categories + 1).
    """
    begin = _warm_up(settings) * DAYS_PER_YEAR
    until = begin + settings.budget.years * DAYS_PER_YEAR
    first = replication * STRIDE
    expected = settings.hospital.arrivals.per_year * until / DAYS_PER_YEAR
    numbers = np.arange(first, first + min(STRIDE, int(expected + 12.0 * np.sqrt(expected) + 100.0)))
    days = arrival_days(settings.hospital.arrivals, settings.seed, numbers)
    if days[-1] < until:
        raise Problem(f"hospital.arrivals.per_year: more than {STRIDE:,} patients in one replication; fewer years")
    days = days[days < until]
    numbers = numbers[: len(days)]
    arrival = days - begin
    counted = arrival >= 0.0
    year = np.clip(arrival / DAYS_PER_YEAR, 0, settings.budget.years - 1).astype(int)
    drawn = uniforms(settings.seed, numbers, decisions.UPTAKE)
    new = counted & (drawn < uptake(settings)[year])
    attributes = replicator.simulation.attributes(first, len(numbers))
    values = [replicator.simulation.values[name] for name in arms(settings)[::-1]]
    found: dict[Any, Any] = {"arrival": arrival[counted], "new": new[counted]}
    for places, hospital in _hospitals(settings):
        for world, arm in (("with", new), ("without", np.zeros_like(new))):
            lived = live_together(
                hospital,
                values,
                attributes,
                numbers,
                days,
                horizon=replicator.simulation.horizon,
                arms=arm.astype(np.int64),
            )
            found[places, world] = paid(settings, lived, arrival, counted)
    return found


def _hospitals(settings: Any) -> Iterator[tuple[str, Any]]:
    """Give the hospital without limits, and the one of the settings where it has any."""
    pools = settings.hospital.pools.model_copy(update=dict.fromkeys(type(settings.hospital.pools).model_fields))
    opening = type(settings.hospital.opening)()
    open_for_all = settings.hospital.model_copy(update={"pools": pools, "opening": opening, "centres": {}})
    yield "unlimited", settings.model_copy(update={"hospital": open_for_all})
    if settings.hospital.finite:
        yield "limited", settings


def paid(settings: Any, lived: Together, arrival: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Add up what the payer pays for the patients counted, by payer year (the last: later) and category, then in all.

    Each patient's own years are cut where the payer's years end, so that every amount falls into the year in which it
    is paid.
    """
    years = settings.budget.years
    book = settings.economics
    valuation = Valuation(book, list(settings.product.catalogue), "referral")
    categories = book.categories(book.perspective)
    rows_of = [list(CATEGORIES).index(name) for name in categories]
    record = valuation.tariff.record
    total = np.zeros((years + 1, len(categories) + 1))
    record["period_factors"] = 1.0
    for i in np.flatnonzero(counted):
        ends = np.arange(int(arrival[i] / DAYS_PER_YEAR) + 1, years + 1) * DAYS_PER_YEAR - arrival[i]
        record["periods"] = np.inf
        record["periods"][0, : len(ends)] = ends
        rows = lived.rows[lived.first_row[i] : lived.first_row[i + 1]]
        first_row = np.array([0, len(rows)], dtype=np.int64)
        cells = valuation.cells(rows, first_row, lived.lives[i : i + 1], len(ends) + 1)
        total[years - len(ends) :, :-1] += cells[rows_of].T
    total[:, -1] = total[:, :-1].sum(axis=1)
    return total


def tabulate(settings: Any, worlds: list[dict[Any, Any]]) -> pd.DataFrame:
    """Average over replications: columns `COLUMNS`; world ``impact`` is with minus without, in the same replication."""
    book, years = settings.economics, settings.budget.years
    names = [*book.categories(book.perspective), TOTAL]
    scale = _scale(settings)
    rows = []
    for places in [key for key, _ in _hospitals(settings)]:
        for world in ("with", "without", "impact"):
            cells = np.stack([_of(found, places, world) for found in worlds]) * scale
            for k in range(years + 1):
                label = str(k + 1) if k < years else LATER
                for c, name in enumerate(names):
                    rows.append((places, world, label, name, *_interval(cells[:, k, c])))
            for c, name in enumerate(names):
                rows.append((places, world, f"1-{years}", name, *_interval(cells[:, :years, c].sum(axis=1))))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of(found: dict[Any, Any], places: str, world: str) -> np.ndarray:
    if world == "impact":
        return np.asarray(found[places, "with"] - found[places, "without"])
    return np.asarray(found[places, world])


def _scale(settings: Any) -> float:
    eligible = settings.budget.eligible_per_year
    return 1.0 if eligible is None else float(eligible / settings.hospital.arrivals.per_year)


def population(settings: Any, worlds: list[dict[Any, Any]]) -> pd.DataFrame:
    """Say who is eligible and who gets what: columns year, uptake, eligible, new, displaced (patients a year)."""
    scale = _scale(settings)
    rows = []
    for year, share in enumerate(uptake(settings)):
        inside = [(w["arrival"] // DAYS_PER_YEAR).astype(int) == year for w in worlds]
        eligible = float(np.mean([part.sum() for part in inside])) * scale
        on_new = float(np.mean([(part & w["new"]).sum() for part, w in zip(inside, worlds, strict=True)])) * scale
        rows.append((year + 1, share, eligible, on_new, eligible - on_new))
    return pd.DataFrame(rows, columns=["year", "uptake", "eligible", "new", "displaced"])
