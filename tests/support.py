"""Small worlds for the tests: compose settings, run a few patients on either engine, read the journal."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim import cohort as cohorts
from sim.compose import settings_from
from sim.engine.batch import run_batch
from sim.engine.simpy_driver import run_simpy
from sim.experiments.compare import kinds, manifest, write_answers, write_manifest
from sim.experiments.folders import claimed
from sim.experiments.gathering import gather
from sim.experiments.inputs import as_object, as_record, kernel_values
from sim.experiments.run import PATHWAY, Simulation
from sim.policies import Policy
from sim.settings import Settings

COHORTS = ("real_world_us", "eliana", "multicentre", "germany", "chop", "first_relapse", "cd28")
POLICIES = (
    "watch",
    "hct_for_all",
    "selective",
    "selective_plus",
    "reinfusion",
    "maintenance",
    "hybrid",
    "ngs_guided",
    "trial_practice",
    "no_car",
)
NEVER = float("inf")


class World(NamedTuple):
    """Final patient records, journal rows, and where each patient's rows begin."""

    lives: np.ndarray
    rows: np.ndarray
    first_row: np.ndarray

    def bytes(self) -> tuple[bytes, ...]:
        """All of it, comparable where NaN equals NaN."""
        return tuple(part.tobytes() for part in self)

    def chart(self, patient: int) -> np.ndarray:
        """Journal rows of one patient (by position)."""
        return self.rows[self.first_row[patient] : self.first_row[patient + 1]]

    def charts(self) -> Iterator[tuple[np.void, np.ndarray]]:
        """Each patient with their journal rows."""
        for patient, life in enumerate(self.lives):
            yield life, self.chart(patient)

    def select(self, patients: Sequence[int]) -> World:
        """The world of some of its patients."""
        charts = [self.chart(patient) for patient in patients]
        first_row = np.cumsum([0, *(len(chart) for chart in charts)])
        return World(self.lives[list(patients)], np.concatenate([self.rows[:0], *charts]), first_row)


@functools.cache
def settings_of(*overrides: str) -> Settings:
    """Compose settings; all ten policies and origin=referral unless said otherwise."""
    words = {text.partition("=")[0] for text in overrides}
    own = [] if "policy" in words else [f"policy=[{','.join(POLICIES)}]"]
    own += [] if "origin" in words else ["origin=referral"]
    return settings_from([*own, *overrides])


def with_policy(settings: Settings, name: str, **changes: Any) -> Settings:
    """Copy settings with fields of one policy changed."""
    old = settings.policy[name]
    policy = Policy.model_validate(old.model_dump() | changes)
    return settings.model_copy(update={"policy": {**settings.policy, name: policy}})


def attributes_of(settings: Settings, first: int, count: int) -> np.ndarray:
    """Draw patients as `sim.experiments.run.Simulation` does."""
    products = list(settings.product.catalogue)
    table = cohorts.draw(settings.cohort, settings.seed, first, count, products)
    if settings.product.forced is not None:
        table["product"] = products.index(settings.product.forced)
    return table


def live(
    settings: Settings,
    policy: str,
    count: int,
    first: int = 0,
    engine: str = "batch",
    values: dict[str, Any] | None = None,
    attributes: np.ndarray | None = None,
    **options: Any,
) -> World:
    """Let patients live under one policy."""
    values = kernel_values(settings, policy) if values is None else values
    if attributes is None:
        attributes = attributes_of(settings, first, count)
    if settings.horizon_years is not None:
        options.setdefault("horizon", settings.horizon_years * 365.25)
    pathway = options.pop("pathway", PATHWAY)
    if engine == "batch":
        return World(*run_batch(pathway, attributes, as_record(values), seed=settings.seed, first=first, **options))
    return World(*run_simpy(pathway, attributes, as_object(values), seed=settings.seed, first=first, **options))


def changed(one: World, two: World) -> np.ndarray:
    """Tell which patients' lives or journals differ."""
    different = [
        a.tobytes() != b.tobytes() or one.chart(i).tobytes() != two.chart(i).tobytes()
        for i, (a, b) in enumerate(zip(one.lives, two.lives, strict=True))
    ]
    return np.array(different)


def simulate_into(settings: Settings, folder: Path) -> None:
    """Write the tables of a comparison into an empty folder, without figures and report."""
    simulation = Simulation(settings, journal=False)
    with claimed(folder, settings) as store:
        gathered = gather(simulation, kinds(settings, simulation.n * len(settings.policy)), store)
    write_answers(settings, gathered, folder)
    write_manifest(manifest(settings, simulation.n, 1.0), folder)
