"""Run a cohort under every policy on an engine, block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim import cohort as cohorts
from sim.clinic.course import reach_horizon
from sim.clinic.events import POOLS
from sim.clinic.pathway import begin, handle
from sim.clinic.urgency import urgency
from sim.engine.pathway import Pathway
from sim.experiments.inputs import as_object, as_record, kernel_values
from sim.patient import Patient
from sim.units import DAYS_PER_YEAR

#: The project's pathway, ready for any engine.
PATHWAY = Pathway("cartwin", Patient, begin, handle, reach_horizon, POOLS, urgency)


@dataclass(frozen=True)
class Block:
    """The lives of consecutive patients under every policy.

    Attributes
    ----------
    first
        Number of the first patient.
    lives
        Policy -> final patient records, same patients in the same order.
    rows, first_row
        Policy -> journal rows, and where each patient's rows begin; empty without journal.
    """

    first: int
    lives: dict[str, np.ndarray]
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    first_row: dict[str, np.ndarray] = field(default_factory=dict)


class Simulation:
    """A cohort, its policies and an engine, ready to run.

    Parameters
    ----------
    settings
        Validated settings.
    journal
        Keep the journal.
    """

    def __init__(self, settings: Any, journal: bool) -> None:
        self.settings = settings
        self.journal = journal
        self.products = list(settings.product.catalogue)
        self.given = _given(settings, self.products)
        self.n = cohorts.patient_count(settings.cohort, self.given)
        self.values = {name: kernel_values(settings, name) for name in settings.policy}
        years = settings.horizon_years
        self.horizon = float("inf") if years is None else years * DAYS_PER_YEAR

    def attributes(self, first: int, count: int) -> np.ndarray:
        """Draw the attributes of consecutive patients."""
        table = cohorts.draw(self.settings.cohort, self.settings.seed, first, count, self.products, self.given)
        if self.settings.product.forced is not None:
            table["product"] = self.products.index(self.settings.product.forced)
        return table

    def blocks(self) -> Iterator[Block]:
        """Run the cohort, yielding its blocks in order."""
        if self.settings.engine == "batch" or (self.settings.engine == "ward" and not self._is_shared()):
            yield from self._batch_blocks()
        elif self._is_shared():
            yield from _split(self._shared_block())
        else:
            for first, count in self._spans():
                yield self._simpy_block(first, count)

    def one(self, number: int) -> Block:
        """Run one patient under every policy, with journal, on SimPy."""
        self.journal = True
        return self._under_simpy(number, 1)

    def _spans(self) -> list[tuple[int, int]]:
        return [(first, min(cohorts.BLOCK, self.n - first)) for first in range(0, self.n, cohorts.BLOCK)]

    def _is_shared(self) -> bool:
        hospital = self.settings.hospital
        return hospital.arrivals.per_year is not None or hospital.arrivals.file is not None or hospital.finite

    def _batch_blocks(self) -> Iterator[Block]:
        from sim.engine.batch import compile_pathway, run_batch

        records = {name: as_record(values) for name, values in self.values.items()}
        _compile(compile_pathway(PATHWAY), records, self.attributes(0, 1), self.settings.seed)

        def run(first: int, count: int) -> Block:
            attributes = self.attributes(first, count)
            block = Block(first, {})
            for name, record in records.items():
                lives, rows, first_row = run_batch(
                    PATHWAY,
                    attributes,
                    record,
                    seed=self.settings.seed,
                    first=first,
                    horizon=self.horizon,
                    journal=self.journal,
                )
                _keep(block, name, lives, rows, first_row, self.journal)
            return block

        yield from _in_threads(run, self._spans(), _threads(self.settings.threads))

    def _simpy_block(self, first: int, count: int) -> Block:
        return self._under_simpy(first, count)

    def _shared_block(self) -> Block:
        from sim.experiments.shared import arrivals_of, live_together

        numbers, attributes = np.arange(self.n), self.attributes(0, self.n)
        arrivals = arrivals_of(self.settings, numbers)
        block = Block(0, {})
        for name, values in self.values.items():
            world = live_together(
                self.settings, values, attributes, numbers, arrivals, horizon=self.horizon, journal=self.journal
            )
            _keep(block, name, world.lives, world.rows, world.first_row, self.journal)
        return block

    def _under_simpy(self, first: int, count: int) -> Block:
        from sim.engine.simpy_driver import run_simpy

        attributes = self.attributes(first, count)
        block = Block(first, {})
        for name, values in self.values.items():
            lives, rows, first_row = run_simpy(
                PATHWAY,
                attributes,
                as_object(values),
                seed=self.settings.seed,
                first=first,
                horizon=self.horizon,
                journal=self.journal,
                capacities=self.settings.hospital.capacities(),
            )
            _keep(block, name, lives, rows, first_row, self.journal)
        return block


def _split(block: Block) -> Iterator[Block]:
    """Cut the lives of patients who shared one hospital into the blocks in which they are counted."""
    n = len(next(iter(block.lives.values())))
    for first in range(0, n, cohorts.BLOCK):
        last = min(n, first + cohorts.BLOCK)
        part = Block(first, {name: lives[first:last] for name, lives in block.lives.items()})
        for name, starts in block.first_row.items():
            part.rows[name] = block.rows[name][starts[first] : starts[last]]
            part.first_row[name] = starts[first : last + 1] - starts[first]
        yield part


def _threads(wanted: int) -> int:
    return wanted or os.cpu_count() or 1


def _given(settings: Any, products: list[str]) -> Any:
    if settings.cohort.patients is None:
        return None
    return cohorts.read_patients(settings.cohort.patients, products)


def _keep(block: Block, name: str, lives: Any, rows: Any, first_row: Any, journal: bool) -> None:
    block.lives[name] = lives
    if journal:
        block.rows[name] = rows
        block.first_row[name] = first_row


def _compile(run: Any, records: dict[str, np.ndarray], attributes: np.ndarray, seed: int) -> None:
    """Compile (or load) the kernel once, before threads need it."""
    from sim.engine.batch import run_batch

    first = next(iter(records.values()))
    run_batch(PATHWAY, attributes, first, seed=seed, journal=False)


def _in_threads(run: Any, spans: list[tuple[int, int]], threads: int) -> Iterator[Block]:
    """Run blocks in threads, yielding them in order and holding few of them at a time."""
    if threads <= 1 or len(spans) == 1:
        for span in spans:
            yield run(*span)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[Block]] = []
        for span in spans:
            waiting.append(pool.submit(run, *span))
            if len(waiting) > threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
