"""SimPy, the engine of reference: a process per patient, shared pools, queues and reneging."""

from __future__ import annotations

import gc
from collections.abc import Generator, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
import simpy

from sim.clock import GRANT
from sim.engine.pathway import Pathway
from sim.engine.places import PLACE, Book, days_until_open
from sim.journal import ROW, in_order
from sim.kernel import INF, record_dtype

#: More places than anybody will ever ask for.
MANY: Final = 2**62


class Hospital:
    """Shared capacities of one world.

    Parameters
    ----------
    env
        SimPy environment.
    pools
        Names of the pools, in the pathway's order.
    capacities
        Capacity by name; a missing name or None is unlimited.
    openings
        By name the 168 hours of the week in which places are given; a missing name or None is always.
    """

    def __init__(
        self,
        env: simpy.Environment,
        pools: Sequence[str],
        capacities: dict[str, int | None],
        openings: dict[str, Sequence[int] | None] | None = None,
    ) -> None:
        self.env = env
        self.pools = [_Pool(env, capacities.get(name), (openings or {}).get(name)) for name in pools]


class _Places(simpy.PriorityResource):
    """Limited places, given by urgency, then in the order of asking, while the pool is open."""

    def __init__(self, env: simpy.Environment, capacity: int, opening: Sequence[int] | None) -> None:
        super().__init__(env, capacity)
        self._opening = opening
        self._waits_for_opening = False

    def _do_put(self, event: Any) -> None:
        if self._opening is not None:
            wait = days_until_open(self._opening, self._env.now)
            if wait > 0.0:
                self._await_opening(wait)
                return
        super()._do_put(event)

    def _await_opening(self, wait: float) -> None:
        if self._waits_for_opening or wait == INF:
            return
        self._waits_for_opening = True
        self._env.timeout(wait).callbacks.append(self._open)

    def _open(self, event: simpy.Event) -> None:
        self._waits_for_opening = False
        while self.put_queue and len(self.users) < self.capacity:
            self._trigger_put(None)


class _Pool:
    """One capacity: unlimited (no resource), limited, or closed (capacity 0, never granted)."""

    def __init__(self, env: simpy.Environment, capacity: int | None, opening: Sequence[int] | None) -> None:
        self.env = env
        self.closed = capacity == 0
        self.resource: _Places | None = None
        if capacity or (capacity is None and opening is not None):
            self.resource = _Places(env, MANY if capacity is None else capacity, opening)

    def request(self, urgency: int) -> simpy.Event:
        """Ask for one unit: an event that is triggered when it is granted."""
        if self.closed:
            return self.env.event()
        return self.resource.request(priority=urgency)  # type: ignore[union-attr]

    def give_back(self, request: simpy.Event) -> None:
        """Release a granted unit, or leave the queue."""
        if self.closed:
            return
        if request.triggered:
            self.resource.release(request)  # type: ignore[union-attr, arg-type]
        else:
            request.cancel()  # type: ignore[attr-defined]


class _Stay:
    """One life on its way through the hospital: what it holds, what it waits for, and the book kept of it.

    Both engines with shared places go by the same rules: places are given back and asked for in the order of the
    pools; a grant comes as an event of its own; who wakes takes grants, lowest pool first, before anything else.
    """

    __slots__ = (
        "booked",
        "handle",
        "held",
        "hospital",
        "j",
        "lines",
        "open_lines",
        "p",
        "q",
        "queued",
        "start",
        "urgency",
    )

    def __init__(
        self, p: Any, q: Any, j: Any, pathway: Pathway, hospital: Hospital, start: float, booked: bool
    ) -> None:
        self.p, self.q, self.j, self.start, self.hospital, self.booked = p, q, j, start, hospital, booked
        self.handle, self.urgency = pathway.handle, pathway.urgency
        self.held: dict[int, simpy.Event] = {}
        self.queued: dict[int, simpy.Event] = {}
        self.lines: list[list[float]] = []
        self.open_lines: dict[int, list[float]] = {}

    def settle(self) -> None:
        """Bring requests in line with what the patient wants and holds; take at once what is free."""
        p, held, queued, pools = self.p, self.held, self.queued, self.hospital.pools
        while p.done == 0:
            for pool in [k for k in sorted(held) if not (p.holds >> k) & 1]:
                self.give_back(pool, held.pop(pool))
            for pool in [k for k in sorted(queued) if not (p.wants >> k) & 1]:
                self.give_back(pool, queued.pop(pool))
            pool = _next_wanted(p.wants, queued)
            if pool < 0:
                return
            unit = pools[pool]
            free = unit.resource is None and not unit.closed
            if free and not self.booked:
                p.wants &= ~(1 << pool)
                p.holds |= 1 << pool
                self.handle(p, self.q, self.j, GRANT + pool)
                continue
            line = [pool, self.start + p.t, INF, INF]
            self.lines.append(line)
            self.open_lines[pool] = line
            if free:
                self.take(pool, None)
                continue
            request = unit.request(self.urgency(p, self.q, pool))
            if request.triggered:
                self.take(pool, request)
            else:
                queued[pool] = request

    def take(self, pool: int, request: simpy.Event | None) -> None:
        """Take a place; the grant is an event of its own."""
        p = self.p
        self.open_lines[pool][2] = self.start + p.t
        self.held[pool] = request  # type: ignore[assignment]
        p.wants &= ~(1 << pool)
        p.holds |= 1 << pool
        self.handle(p, self.q, self.j, GRANT + pool)

    def give_back(self, pool: int, request: simpy.Event | None) -> None:
        """Give a place back, or leave the queue for it."""
        self.open_lines.pop(pool)[3] = self.start + self.p.t
        if request is not None:
            self.hospital.pools[pool].give_back(request)

    def take_granted(self, now: float, horizon: float) -> bool:
        """Take what was granted while the patient waited, lowest pool first; tell whether there was any.

        Between sleeping and waking the environment's clock is rounded: a grant never comes after the next own event.
        """
        p, queued = self.p, self.queued
        any_granted = False
        while p.done == 0 and (ready := [k for k, request in queued.items() if request.triggered]):
            any_granted = True
            pool = min(ready)
            request = queued.pop(pool)
            p.t = max(p.t, min(now - self.start, min(p.next), horizon))
            self.take(pool, request)
            self.settle()
        return any_granted

    def end(self) -> None:
        """Leave the hospital: give everything back."""
        for pool in sorted(self.held):
            self.give_back(pool, self.held[pool])
        for pool in sorted(self.queued):
            self.give_back(pool, self.queued[pool])


def live(env: simpy.Environment, stay: _Stay, pathway: Pathway, horizon: float) -> Generator[simpy.Event, Any, None]:
    """Live one life as a SimPy process: sleep until the next event, or until a capacity is granted.

    The patient keeps its own clock: SimPy only sleeps, so times are the same numbers in every engine.
    """
    p, q, j, start, handle = stay.p, stay.q, stay.j, stay.start, stay.handle
    if start > env.now:
        yield env.timeout(start - env.now)
    calendar, held, queued = p.next, stay.held, stay.queued
    pathway.begin(p, q, j)
    if p.wants:
        stay.settle()
    while p.done == 0:
        when = min(calendar)
        over = when > horizon or when == INF
        if over and not queued and (not held or horizon == INF):
            held.clear()  # nothing will ever end the stay of a patient for whom nothing comes any more
            break
        wait = start + (horizon if over else when) - env.now
        if queued:
            alarm = [env.timeout(max(0.0, wait))] if wait < INF else []
            yield simpy.AnyOf(env, [*alarm, *queued.values()])
            if stay.take_granted(env.now, horizon):
                continue
        elif wait > 0.0:
            yield env.timeout(wait)
        if over:
            break
        event = calendar.index(when)
        p.t = when
        calendar[event] = INF
        handle(p, q, j, event)
        if p.wants or held or queued:
            stay.settle()
    if p.done == 0:
        _reach(p, j, pathway, horizon)
    stay.end()


def _reach(p: Any, j: Any, pathway: Pathway, horizon: float) -> None:
    """Close the books of a patient who is alive at the horizon."""
    p.t = horizon
    pathway.finish(p, j)
    p.done = 1


def _next_wanted(wants: int, queued: dict[int, simpy.Event]) -> int:
    pool = 0
    while wants >> pool:
        if (wants >> pool) & 1 and pool not in queued:
            return pool
        pool += 1
    return -1


def run_simpy(
    pathway: Pathway,
    attributes: np.ndarray,
    parameters: Any,
    *,
    seed: int,
    first: int = 0,
    horizon: float = INF,
    journal: bool = True,
    capacities: dict[str, int | None] | None = None,
    arrivals: np.ndarray | None = None,
    openings: dict[str, Sequence[int] | None] | None = None,
    numbers: np.ndarray | None = None,
    arms: np.ndarray | None = None,
    book: Book | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run patients through SimPy; arguments and results as `sim.engine.batch.run_batch`.

    Parameters
    ----------
    parameters
        The kernel parameters as a plain object (one attribute a parameter); with `arms` a list of such objects.
    capacities
        Capacity of each pool by name (None: unlimited).
    arrivals
        Day on which each patient's life begins, shape (n,); default all on day 0.
    openings
        By name the 168 hours of the week, from Monday midnight, in which places are given (None: always).
    numbers
        Number of each patient, shape (n,), in the place of consecutive ones from `first`.
    arms
        Index into `parameters` of what holds for each patient, shape (n,): several policies in one hospital.
    book
        Records every request for a place.
    """
    env = simpy.Environment()
    hospital = Hospital(env, pathway.pools, capacities or {}, openings)
    patients = plain_patients(pathway, attributes, seed, first)
    for p, number in zip(patients, [] if numbers is None else numbers.tolist(), strict=numbers is not None):
        p.number = number
    journals: list[list[tuple[int, float, float, int]]] = [[] for _ in patients]
    starts = np.zeros(len(patients)) if arrivals is None else arrivals
    stays: list[_Stay] = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        chosen = [parameters] * len(patients) if arms is None else [parameters[arm] for arm in arms.tolist()]
        for p, q, j, start in zip(patients, chosen, journals, starts.tolist(), strict=True):
            stays.append(_Stay(p, q, j, pathway, hospital, start, book is not None))
            env.process(live(env, stays[-1], pathway, horizon))
        env.run()
    finally:
        if collecting:
            gc.enable()
    for stay in stays:
        if stay.p.done == 0:  # still in a queue that never moves
            _reach(stay.p, stay.j, pathway, horizon)
    if book is not None:
        book.rows = np.array([(i, *line) for i, stay in enumerate(stays) for line in stay.lines], dtype=PLACE)
    return collect_lives(pathway, patients), *collect_rows(journals if journal else [[] for _ in patients])


def plain_patients(pathway: Pathway, attributes: np.ndarray, seed: int, first: int) -> list[Any]:
    """Make a plain Python patient of every row."""
    names = attributes.dtype.names or ()
    patients = []
    for number, row in enumerate(attributes.tolist(), start=first):
        p = pathway.record()
        for name, value in zip(names, row, strict=True):
            setattr(p, name, value.tolist() if isinstance(value, np.ndarray) else value)
        p.seed = seed
        p.number = number
        patients.append(p)
    return patients


def collect_lives(pathway: Pathway, patients: list[Any]) -> np.ndarray:
    """Collect plain patients into the record layout of the batch engine."""
    names = [field.name for field in fields(pathway.record)]
    dtype = record_dtype(pathway.record)
    lives = np.zeros(len(patients), dtype=dtype)
    for name in names if patients else []:
        lives[name] = [getattr(p, name) for p in patients]
    return lives


def collect_rows(journals: list[list[tuple[int, float, float, int]]]) -> tuple[np.ndarray, np.ndarray]:
    """Collect journals into rows in order, and where each patient's rows begin."""
    first_row = np.zeros(len(journals) + 1, dtype=np.int64)
    np.cumsum([len(j) for j in journals], out=first_row[1:])
    return np.array([row for j in journals for row in in_order(j)], dtype=ROW), first_row
