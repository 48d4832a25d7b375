"""Run a cohort under every policy on an engine, block by block."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sim import cohort as cohorts
from sim.clinic.course import reach_horizon
from sim.clinic.events import POOLS
from sim.clinic.pathway import begin, handle
from sim.clinic.urgency import urgency
from sim.engine.pathway import Pathway
from sim.experiments.inputs import as_object, as_record, kernel_values
from sim.experiments.spans import Span
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
        Keep the journal: blocks hold their rows in memory, nothing is written.
    given
        The patient table, where the caller has read it already (workers may not see the file).
    """

    def __init__(self, settings: Any, journal: bool, given: np.ndarray | None = None) -> None:
        self.settings = settings
        self.journal = journal
        self.products = list(settings.product.catalogue)
        self.given = _given(settings, self.products) if given is None else given
        self.n = cohorts.patient_count(settings.cohort, self.given)
        self.values = {name: kernel_values(settings, name) for name in settings.policy}
        years = settings.horizon_years
        self.horizon = float("inf") if years is None else years * DAYS_PER_YEAR

    def attributes(self, first: int, count: int, cohort: Any = None) -> np.ndarray:
        """Draw the attributes of consecutive patients, of another cohort where one is given."""
        table = cohorts.draw(
            cohort or self.settings.cohort, self.settings.seed, first, count, self.products, self.given
        )
        if self.settings.product.forced is not None:
            table["product"] = self.products.index(self.settings.product.forced)
        return table

    @property
    def shared(self) -> bool:
        """Whether patients share a hospital's places: then the cohort is run as a whole."""
        hospital = self.settings.hospital
        return hospital.arrivals.per_year is not None or hospital.arrivals.file is not None or hospital.finite

    @property
    def _batched(self) -> bool:
        """Whether patients stream through compiled code: also under ``ward`` when they share nothing."""
        return self.settings.engine == "batch" or (self.settings.engine == "ward" and not self.shared)

    def prepare(self) -> None:
        """Compile (or load) the kernel once, before threads or workers need it."""
        if self._batched:
            from sim.engine.batch import run_batch

            run_batch(PATHWAY, self.attributes(0, 1), next(iter(self._records.values())), seed=0, journal=False)

    def blocks(self) -> Iterator[Block]:
        """Run the cohort, yielding its blocks in order."""
        if self.shared:
            yield from _split(self._shared_block())
            return
        self.prepare()
        threads = _threads(self.settings.threads) if self._batched else 1
        yield from _in_threads(self.block, list(Span(0, self.n).blocks()), threads)

    def chunk(self, span: Span) -> Iterator[Block]:
        """Run some of the cohort's blocks, one after the other; a shared hospital's patients only all together."""
        if self.shared:
            assert span == Span(0, self.n)
            yield from _split(self._shared_block())
        else:
            yield from map(self.block, span.blocks())

    def block(self, span: Span) -> Block:
        """Run consecutive patients who share nothing."""
        if self._batched:
            return self._batch_block(span.first, span.n)
        return self._under_simpy(span.first, span.n)

    def one(self, number: int, watched: Callable[[str, Pathway], Pathway] | None = None) -> Block:
        """Run one patient under every policy, with journal, on SimPy.

        Parameters
        ----------
        number
            The patient's number.
        watched
            Gives, of a policy and the pathway, the pathway with somebody who looks on.
        """
        self.journal = True
        return self._under_simpy(number, 1, watched)

    @cached_property
    def _records(self) -> dict[str, np.ndarray]:
        return {name: as_record(values) for name, values in self.values.items()}

    def _batch_block(self, first: int, count: int) -> Block:
        from sim.engine.batch import run_batch

        attributes = self.attributes(first, count)
        block = Block(first, {})
        for name, record in self._records.items():
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

    def _under_simpy(self, first: int, count: int, watched: Callable[[str, Pathway], Pathway] | None = None) -> Block:
        from sim.engine.simpy_driver import run_simpy

        attributes = self.attributes(first, count)
        block = Block(first, {})
        for name, values in self.values.items():
            lives, rows, first_row = run_simpy(
                PATHWAY if watched is None else watched(name, PATHWAY),
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


def joined(pieces: Sequence[Block]) -> Block:
    """Put pieces of consecutive patients together into one block."""
    pieces = sorted(pieces, key=lambda piece: piece.first)
    block = Block(pieces[0].first, {})
    for name in pieces[0].lives:
        block.lives[name] = np.concatenate([piece.lives[name] for piece in pieces])
    for name in pieces[0].rows:
        block.rows[name] = np.concatenate([piece.rows[name] for piece in pieces])
        before = np.cumsum([0, *(len(piece.rows[name]) for piece in pieces)])
        starts = [piece.first_row[name][:-1] + offset for piece, offset in zip(pieces, before, strict=False)]
        block.first_row[name] = np.concatenate([*starts, before[-1:]])
    return block


def _in_threads(run: Callable[[Span], Block], spans: list[Span], threads: int) -> Iterator[Block]:
    """Run blocks in threads, yielding them in order and holding few of them at a time."""
    if threads <= 1 or len(spans) == 1:
        yield from map(run, spans)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[Block]] = []
        for span in spans:
            waiting.append(pool.submit(run, span))
            if len(waiting) > threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
