"""SimPy, the engine of reference: a process per patient, shared pools, queues and reneging."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import simpy

from sim.clock import GRANT
from sim.engine.pathway import Pathway
from sim.journal import ROW, in_order
from sim.kernel import INF, record_dtype


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
    """

    def __init__(self, env: simpy.Environment, pools: Sequence[str], capacities: dict[str, int | None]) -> None:
        self.env = env
        self.pools = [_Pool(env, capacities.get(name)) for name in pools]

    @property
    def unlimited(self) -> bool:
        """Whether no pool is limited."""
        return all(pool.resource is None and not pool.closed for pool in self.pools)


class _Pool:
    """One capacity: unlimited (no resource), limited, or closed (capacity 0, never granted)."""

    def __init__(self, env: simpy.Environment, capacity: int | None) -> None:
        self.closed = capacity == 0
        self.resource = simpy.Resource(env, capacity) if capacity else None
        self.env = env

    def request(self) -> simpy.Event:
        """Ask for one unit: an event that is triggered when it is granted."""
        if self.closed:
            return self.env.event()
        return self.resource.request()  # type: ignore[union-attr]

    def give_back(self, request: simpy.Event) -> None:
        """Release a granted unit, or leave the queue."""
        if self.closed:
            return
        if request.triggered:
            self.resource.release(request)  # type: ignore[union-attr, arg-type]
        else:
            request.cancel()  # type: ignore[attr-defined]


def live(
    env: simpy.Environment, p: Any, q: Any, j: Any, pathway: Pathway, hospital: Hospital, start: float, horizon: float
) -> Generator[simpy.Event, Any, None]:
    """Live one life as a SimPy process: sleep until the next event, or until a capacity is granted.

    The patient keeps its own clock: SimPy only sleeps, so times are the same numbers in every engine.
    """
    if start > env.now:
        yield env.timeout(start - env.now)
    handle, calendar = pathway.handle, p.next
    held: dict[int, simpy.Event] = {}
    queued: dict[int, simpy.Event] = {}
    pathway.begin(p, q, j)
    if p.wants:
        _settle(p, q, j, handle, hospital, held, queued)
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
            if _grant_queued(env, p, q, j, handle, hospital, held, queued, start, horizon):
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
            _settle(p, q, j, handle, hospital, held, queued)
    if p.done == 0:
        _reach(p, j, pathway, horizon)
    for pool, request in [*held.items(), *queued.items()]:
        hospital.pools[pool].give_back(request)


def _reach(p: Any, j: Any, pathway: Pathway, horizon: float) -> None:
    """Close the books of a patient who is alive at the horizon."""
    p.t = horizon
    pathway.finish(p, j)
    p.done = 1


def _settle(
    p: Any,
    q: Any,
    j: Any,
    handle: Callable[..., None],
    hospital: Hospital,
    held: dict[int, simpy.Event],
    queued: dict[int, simpy.Event],
) -> None:
    """Bring requests in line with what the patient wants and holds; grant at once what is free."""
    while p.done == 0:
        for pool in [k for k in held if not (p.holds >> k) & 1]:
            hospital.pools[pool].give_back(held.pop(pool))
        for pool in [k for k in queued if not (p.wants >> k) & 1]:
            hospital.pools[pool].give_back(queued.pop(pool))
        pool = _next_wanted(p.wants, queued)
        if pool < 0:
            return
        unit = hospital.pools[pool]
        if unit.resource is not None or unit.closed:
            request = unit.request()
            if not request.triggered:
                queued[pool] = request
                continue
            held[pool] = request
        p.wants &= ~(1 << pool)
        p.holds |= 1 << pool
        handle(p, q, j, GRANT + pool)


def _next_wanted(wants: int, queued: dict[int, simpy.Event]) -> int:
    pool = 0
    while wants >> pool:
        if (wants >> pool) & 1 and pool not in queued:
            return pool
        pool += 1
    return -1


def _grant_queued(
    env: simpy.Environment,
    p: Any,
    q: Any,
    j: Any,
    handle: Callable[..., None],
    hospital: Hospital,
    held: dict[int, simpy.Event],
    queued: dict[int, simpy.Event],
    start: float,
    horizon: float,
) -> bool:
    """Deliver the grants that came while the patient waited, lowest pool first; tell whether there were any.

    Between sleeping and waking the environment's clock is rounded: a grant never comes after the next own event.
    """
    any_granted = False
    while ready := [k for k, request in queued.items() if request.triggered]:
        if p.done:
            break
        any_granted = True
        pool = min(ready)
        held[pool] = queued.pop(pool)
        p.t = max(p.t, min(env.now - start, min(p.next), horizon))
        p.wants &= ~(1 << pool)
        p.holds |= 1 << pool
        handle(p, q, j, GRANT + pool)
        _settle(p, q, j, handle, hospital, held, queued)
    return any_granted


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run patients through SimPy; arguments and results as `sim.engine.batch.run_batch`.

    Parameters
    ----------
    parameters
        The kernel parameters as a plain object (one attribute a parameter).
    capacities
        Capacity of each pool by name (None: unlimited).
    arrivals
        Day on which each patient's life begins, shape (n,); default all on day 0.
    """
    env = simpy.Environment()
    hospital = Hospital(env, pathway.pools, capacities or {})
    patients = plain_patients(pathway, attributes, seed, first)
    journals: list[list[tuple[int, float, float, int]]] = [[] for _ in patients]
    starts = np.zeros(len(patients)) if arrivals is None else arrivals
    collecting = gc.isenabled()
    gc.disable()
    try:
        for p, j, start in zip(patients, journals, starts.tolist(), strict=True):
            env.process(live(env, p, parameters, j, pathway, hospital, start, horizon))
        env.run()
    finally:
        if collecting:
            gc.enable()
    for p, j in zip(patients, journals, strict=True):
        if p.done == 0:  # still in a queue that never moves
            _reach(p, j, pathway, horizon)
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
