"""Worlds that differ in parameter lines alone: the same patients live through each, without composing it anew.

A probabilistic analysis runs thousands of worlds. Copying validated settings and rebuilding the kernel's record for
each would cost as much as the lives themselves; here a record is built once per policy, and a world writes its own
values into a copy. `sim.experiments.inputs.kernel_values` defines what must come out; a test compares the two.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from sim import cohort as cohorts
from sim.experiments.inputs import COHORT_LINES, as_record
from sim.experiments.run import PATHWAY, Simulation
from sim.journal import ROW
from sim.kernel import jit_enabled, template
from sim.lines import Count, Switch
from sim.units import FACTORS

NO_ROWS = np.zeros(0, dtype=ROW)
#: Journal rows a patient for which memory is set aside.
ROOM = 64
#: Groups of lines that the kernel reads by their last name.
_KERNEL_GROUPS = ("biology", "clinic")


class Lived(NamedTuple):
    """The lives of one policy in one world.

    Attributes
    ----------
    policy
        Its name.
    lives
        Final patient records, shape (patients,).
    rows, first_row
        Journal rows, and where each patient's begin; empty without journal.
    """

    policy: str
    lives: np.ndarray
    rows: np.ndarray
    first_row: np.ndarray


class _Place(NamedTuple):
    """Where a line stands in the kernel's record, and how its value is written there."""

    field: str
    entry: int | None
    factor: float
    whole: bool


class Worlds:
    """A cohort under its policies, ready to live through worlds that differ in parameter lines.

    Parameters
    ----------
    settings
        Validated settings: the world from which the others differ. The batch engine runs them, whatever
        ``settings.engine`` says: both give the same lives. Patients who share a hospital live under SimPy.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.simulation = Simulation(settings, journal=False)
        self.policies = tuple(sorted(settings.policy))
        self.n = self.simulation.n
        self.lines = dict(settings.lines())
        self._records = {name: as_record(self.simulation.values[name]) for name in self.policies}
        self._places = {key: self._place(key) for key in self.lines}
        self._newborn = template(PATHWAY.record)[0]
        self._memory = threading.local()
        self._attributes: dict[tuple[int, int], np.ndarray] = {}

    def shapes_patients(self, key: str) -> bool:
        """Tell whether a line shapes the patients themselves."""
        return key.startswith("cohort.") and self._places[key] is None

    def shapes_lives(self, key: str) -> bool:
        """Tell whether a line changes lives at all; prices and utilities do not."""
        return self._places[key] is not None or self.shapes_patients(key)

    def spans(self) -> list[tuple[int, int]]:
        """Cut the patients into the blocks in which they are run: first number and count."""
        return [(first, min(cohorts.BLOCK, self.n - first)) for first in range(0, self.n, cohorts.BLOCK)]

    def compile(self) -> None:
        """Compile (or load) the kernel, before threads or workers need it."""
        from sim.engine.batch import run_batch

        for journal in (False, True):
            run_batch(
                PATHWAY,
                self.simulation.attributes(0, 1),
                self._records[self.policies[0]],
                seed=self.settings.seed,
                journal=journal,
            )

    def live(
        self,
        values: Mapping[str, float],
        first: int,
        count: int,
        *,
        journal: bool,
        only: tuple[str, ...] | None = None,
        again: bool = False,
    ) -> Iterator[Lived]:
        """Live through one world.

        Parameters
        ----------
        values
            Key -> value in the line's own unit, of the lines that differ. Values are taken as checked
            (`sim.uncertainty.draws.Draws`, `checked`).
        first, count
            Patients.
        journal
            Keep the journal.
        only
            Policies; all when None.
        again
            Use memory again: what is yielded holds until this thread lives through the next block.

        Yields
        ------
        Lived
            By policy, sorted by name.
        """
        attributes = self.attributes(values, first, count)
        for name in self.policies if only is None else only:
            yield Lived(
                name, *self._run(attributes, self.record(name, values), first, journal, name if again else None)
            )

    def _run(
        self, attributes: np.ndarray, record: np.ndarray, first: int, journal: bool, slot: str | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the batch; under the name of a slot into memory that the next run of that name uses again."""
        from sim.engine.batch import compile_pathway, live_in, run_batch

        seed, horizon = self.settings.seed, self.simulation.horizon
        if slot is None or not journal or not jit_enabled():
            return run_batch(PATHWAY, attributes, record, seed=seed, first=first, horizon=horizon, journal=journal)
        lives, rows = self._room(slot, len(attributes))
        first_row = np.zeros(len(lives) + 1, dtype=np.int64)
        lives[:] = self._newborn
        for name in attributes.dtype.names or ():
            lives[name] = attributes[name]
        lives["seed"] = seed
        lives["number"] = np.arange(first, first + len(lives))
        written = live_in(compile_pathway(PATHWAY), lives, record, rows, first_row, horizon)
        if written > len(rows):  # a life with very many events: fresh memory, as much as it takes
            return run_batch(PATHWAY, attributes, record, seed=seed, first=first, horizon=horizon, journal=journal)
        return lives, rows[:written], first_row

    def _room(self, slot: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Give this thread's memory of a slot."""
        held: dict[str, tuple[np.ndarray, np.ndarray]] = vars(self._memory)
        name = f"{slot} {count}"
        if name not in held:
            held[name] = np.zeros(count, dtype=self._newborn.dtype), np.zeros(ROOM * count, dtype=ROW)
        return held[name]

    def live_together(self, values: Mapping[str, float], *, journal: bool) -> Iterator[tuple[int, list[Lived]]]:
        """Live through a world whose patients share a hospital, all of them on SimPy.

        Yields
        ------
        tuple of int and list of Lived
            Number of a block's first patient, and its lives by policy.
        """
        simulation = Simulation(self.settings.with_values(dict(values)), journal, self.simulation.given)
        for block in simulation.blocks():
            rows = {name: block.rows.get(name, NO_ROWS) for name in self.policies}
            starts = {name: block.first_row.get(name, np.zeros(1, dtype=np.int64)) for name in self.policies}
            yield block.first, [Lived(name, block.lives[name], rows[name], starts[name]) for name in self.policies]

    def record(self, policy: str, values: Mapping[str, float]) -> np.ndarray:
        """Give the kernel's record of a policy in a world: one row, as `as_record` lays it out.

        What the policy sets for itself (`Policy.set`) holds in every world.
        """
        record = self._records[policy].copy()
        own = self.settings.policy[policy]
        for key, value in values.items():
            place = self._places[key]
            if place is None or key in own.set:
                continue
            number = int(value) if place.whole else value * place.factor
            if place.entry is None:
                record[place.field][0] = number
            else:
                record[place.field][0, place.entry] = number
            if place.field == f"recovery_{own.bca_threshold}":
                record["recovery_delay"][0] = number
        return record

    def attributes(self, values: Mapping[str, float], first: int, count: int) -> np.ndarray:
        """Draw the attributes of consecutive patients in a world; kept where no line shapes the patients."""
        shaping = {key: value for key, value in values.items() if self.shapes_patients(key)}
        if not shaping:
            if (first, count) not in self._attributes:
                self._attributes[first, count] = self.simulation.attributes(first, count)
            return self._attributes[first, count]
        settings = self.settings.with_values(shaping)
        return self.simulation.attributes(first, count, settings.cohort)

    def checked(self, values: Mapping[str, float]) -> dict[str, float]:
        """Refuse unknown keys and impossible values, and write keys without ``.value``.

        Raises
        ------
        Problem
            As `Settings.with_value` does.
        """
        self.settings.with_values(dict(values))
        return {key.removesuffix(".value"): float(value) for key, value in values.items()}

    def _place(self, key: str) -> _Place | None:
        line = self.lines[key]
        whole, factor = isinstance(line, Switch | Count), FACTORS.get(line.unit, 1.0)
        group, *rest = key.split(".")
        if group in _KERNEL_GROUPS:
            return _Place(rest[-1], None, factor, whole)
        if group == "product":
            _, product, name = rest
            return _Place(f"product_{name}", self.simulation.products.index(product), factor, whole)
        for name, below in COHORT_LINES.items():
            if key == f"cohort.{below}":
                return _Place(name, None, factor, whole)
        return None
