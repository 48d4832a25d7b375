"""Replications of a hospital: other patients each time, the same ones in every hospital and under every policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from sim import journal as j
from sim.clinic.events import POOLS
from sim.experiments.executors import cores, execute
from sim.experiments.run import Simulation
from sim.experiments.shared import Together, live_together
from sim.hospital.arrivals import arrival_days, read_days
from sim.hospital.measures import World
from sim.problems import Problem
from sim.units import DAYS_PER_YEAR

#: Numbers of patients set aside for each replication.
STRIDE: Final = 100_000
#: Years among which the end of the warm-up is sought.
LONGEST_WARM_UP: Final = 3.0
#: Patients go on coming for so many days after the last one observed, so that the last ones wait like all others.
COOL_DOWN: Final = 180.0
#: Columns of the lives and events of the journal that the measures read.
_COLUMNS: Final = (
    *("number", "distance", "poverty", "uninsured", "not_infused", "cause", "cr", "prior_hct"),
    *("t_apheresis", "t_infusion", "t_response", "t_hct", "t_relapse", "t_death"),
)
_EVENTS: Final = (j.HCT, j.DIVERTED, j.PRODUCT_EXPIRED)


def longest_warm_up(settings: Any) -> float:
    """Give the years simulated before those observed."""
    return LONGEST_WARM_UP if settings.warm_up_years is None else float(settings.warm_up_years)


def who_comes(settings: Any, replication: int) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers and days of arrival of a replication's patients.

    Raises
    ------
    Problem
        When more come than numbers are set aside for.
    """
    until = (longest_warm_up(settings) + settings.years) * DAYS_PER_YEAR + COOL_DOWN
    arrivals, first = settings.hospital.arrivals, replication * STRIDE
    if arrivals.file is not None:
        days = read_days(arrivals.file)
        days = days[days < until]
    else:
        expected = arrivals.per_year * until / DAYS_PER_YEAR
        room = min(STRIDE, int(expected + 12.0 * np.sqrt(expected) + 100.0))
        days = arrival_days(arrivals, settings.seed, np.arange(first, first + room))
        if days[-1] < until:
            raise Problem(
                f"hospital.arrivals.per_year={arrivals.per_year:g} over {until / DAYS_PER_YEAR:.1f} years: more than "
                f"{STRIDE:,} patients in one replication; observe fewer years"
            )
        days = days[days < until]
    return np.arange(first, first + len(days)), days


class Replicator:
    """A hospital ready to be run again and again.

    Parameters
    ----------
    settings
        Validated settings; workers get them and build their own.
    """

    def __init__(self, settings: Any) -> None:
        if settings.cohort.patients is not None and not settings.cohort.resample:
            raise Problem("cohort.patients: this experiment needs as many patients as arrive: set cohort.resample=true")
        self.settings = settings
        self.simulation = Simulation(settings, journal=True)
        self.valuation: Any = None
        if settings.economics is not None:
            from sim.economics.valuation import Valuation

            self.valuation = Valuation(settings.economics, list(settings.product.catalogue), "referral")

    def run(self, replication: int, whole: bool = False) -> dict[str, World]:
        """Run one replication under every policy.

        Parameters
        ----------
        replication
            Its number.
        whole
            Keep every column and journal row, not only what measures read.
        """
        settings = self.settings
        numbers, days = who_comes(settings, replication)
        attributes = self.simulation.attributes(int(replication * STRIDE), len(numbers))
        worlds = {}
        for policy, values in self.simulation.values.items():
            lived = live_together(settings, values, attributes, numbers, days, horizon=self.simulation.horizon)
            world = World(
                POOLS,
                all_places(settings.hospital),
                days,
                lived.lives,
                lived.rows,
                lived.first_row,
                lived.book,
                self.worth(lived),
            )
            worlds[policy] = world if whole else slim(world)
        return worlds

    def worth(self, lived: Together) -> dict[str, np.ndarray]:
        """Value the lives from referral on, where there are prices: cost (of the perspective), QALYs, life-years."""
        if self.valuation is None:
            return {}
        everybody = np.ones(len(lived.lives), dtype=bool)
        people = self.valuation.lives(lived.rows, lived.first_row, lived.lives, everybody).people
        cost = f"cost_{self.valuation.book.perspective}_discounted"
        columns = {"cost": cost, "qalys": "qalys_discounted", "life_years_discounted": "life_years_discounted"}
        return {name: people[:, self.valuation.columns.index(column)].copy() for name, column in columns.items()}


def all_places(hospital: Any) -> dict[str, int | None]:
    """Add up the places of all centres; None: unlimited somewhere."""
    parts = [hospital.capacities(name) for name in (list(hospital.centres) or [None])]
    return {
        name: None if any(part[name] is None for part in parts) else sum(part[name] for part in parts) for name in POOLS
    }


def slim(world: World) -> World:
    """Keep what the measures read."""
    columns = [(name, world.lives.dtype[name]) for name in _COLUMNS]
    lives = np.zeros(len(world.lives), dtype=columns)
    for name in _COLUMNS:
        lives[name] = world.lives[name]
    kept = np.isin(world.rows["event"], _EVENTS)
    counts = np.bincount(world.owners()[kept], minlength=len(lives))
    first_row = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = world.rows[kept]
    return World(world.pools, world.capacities, world.arrivals, lives, rows, first_row, world.book, world.worth)


@dataclass(frozen=True)
class _Replications:
    """The job: one replication a task; each process builds its own hospital from the settings.

    Parameters
    ----------
    settings
        Validated settings.
    """

    settings: Any

    @cached_property
    def replicator(self) -> Replicator:
        """The hospital, built once in each process."""
        return Replicator(self.settings)

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings}

    def prepare(self) -> None:
        """Build the hospital."""
        assert self.replicator

    def __call__(self, replication: int, /) -> dict[str, World]:
        """Run one replication, and keep what measures read."""
        return self.replicator.run(replication)


def replicate(settings: Any, count: int) -> Iterator[dict[str, World]]:
    """Run replications 0, 1, ... in order, by whatever executor the settings name; the first one is kept whole.

    Without further words: threads where the engine is compiled, processes for SimPy, as many as there are cores.
    """
    job = _Replications(settings)
    yield job.replicator.run(0, whole=True)
    threads = settings.threads or cores()
    here = settings.engine == "ward" or threads == 1 or count < 3
    waiting: dict[int, dict[str, World]] = {}
    following = 1
    with closing(execute(job, range(1, count), settings.executor, short=here, threads=threads)) as results:
        for number, world in results:
            waiting[number] = world
            while following in waiting:
                yield waiting.pop(following)
                following += 1
