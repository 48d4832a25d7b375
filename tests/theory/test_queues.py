"""Shared capacities under SimPy: queues against closed forms and recursions, and their laws."""

from __future__ import annotations

import functools
import heapq
import math
from typing import Any

import numpy as np
import pytest
import simpy
from models import queue, wards
from models.catalogue import customers, draw, ward_patients
from models.running import World, assert_same, crowd, on_batch, on_simpy

from sim.clock import GRANT
from sim.engine.pathway import Pathway
from theory.statistics import Z

N = 40_000
WARM = 4_000  # customers of the transient beginning, left out
BATCHES = 36  # of a thousand consecutive customers: about independent
SERVERS = 3


def poisson_arrivals(n: int, rate: float) -> np.ndarray:
    """Arrival times of a Poisson process."""
    return np.cumsum(-np.log(draw(n, 102)) / rate)


def run(patients: np.ndarray, arrivals: np.ndarray, servers: int | None, horizon: float = math.inf) -> World:
    """Send customers through the queue."""
    capacities = {"server": servers}
    return on_simpy(queue.PATHWAY, patients, queue.Nothing(), arrivals=arrivals, capacities=capacities, horizon=horizon)


def waits(world: World) -> np.ndarray:
    """Time in the queue, served or not."""
    return np.minimum(world.lives["began"], world.lives["left"])


def z_batches(values: np.ndarray, expected: float) -> float:
    """z score of a mean over consecutive customers, by batch means."""
    means = values[WARM:].reshape(BATCHES, -1).mean(axis=1)
    return float((means.mean() - expected) / (means.std(ddof=1) / math.sqrt(BATCHES)))


# --- recursions: the waiting time of each customer from arrivals, service and patience alone


def recursion(arrivals: np.ndarray, patients: np.ndarray, servers: int) -> np.ndarray:
    """Waits of a first-come first-served queue (Kiefer-Wolfowitz, with patience): a heap of times servers are free."""
    free = [0.0] * servers
    result = []
    columns = arrivals.tolist(), patients["service"].tolist(), patients["patience"].tolist()
    for arrival, service, patience in zip(*columns, strict=True):
        offered = max(0.0, free[0] - arrival)
        if offered <= patience:
            heapq.heapreplace(free, arrival + offered + service)
        result.append(min(offered, patience))
    return np.array(result)


@functools.cache
def markov_queue(patience: float) -> tuple[np.ndarray, np.ndarray, World]:
    """Arrivals, customers and run of M/M/3 (+M) with mean service 1, at 80 % load (120 % where customers may leave)."""
    arrivals = poisson_arrivals(N, 2.4 if patience == math.inf else 3.6)
    patients = customers(N, patience=patience)
    return arrivals, patients, run(patients, arrivals, SERVERS)


@pytest.mark.parametrize("patience", [math.inf, 0.7])
def test_every_wait_is_the_recursions(patience: float) -> None:
    arrivals, patients, world = markov_queue(patience)
    expected = recursion(arrivals, patients, SERVERS)
    np.testing.assert_allclose(waits(world), expected, rtol=0.0, atol=1e-8)
    assert (world.lives["reneged"] == 1).mean() == (expected == patients["patience"]).mean()
    assert world.lives["wants"].sum() == world.lives["holds"].sum() == 0


# --- closed forms: 8 statistics at |z| < 4, an error rate of 5e-4 together


def erlang_c(servers: int, load: float) -> float:
    """Probability of having to wait in M/M/c; `load` is arrival rate times mean service."""
    below = sum(load**k / math.factorial(k) for k in range(servers))
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    return top / (below + top)


def test_mmc() -> None:
    """M/M/3: share who wait, mean wait (Erlang C)."""
    _, _, world = markov_queue(math.inf)
    blocked = erlang_c(SERVERS, 2.4)
    assert blocked == pytest.approx(0.6472, abs=1e-4)
    assert abs(z_batches(waits(world) > 0.0, blocked)) < Z
    assert abs(z_batches(waits(world), blocked / (SERVERS - 2.4))) < Z


def test_mm1() -> None:
    """M/M/1 at 60 %: the wait is 0 with probability 1 - rho, and rho exp(-(mu - lambda) t) exceeds t."""
    world = run(customers(N), poisson_arrivals(N, 0.6), 1)
    assert abs(z_batches(waits(world), 0.6 / 0.4)) < Z
    for t in (0.0, 1.0, 5.0):
        assert abs(z_batches(waits(world) > t, 0.6 * math.exp(-0.4 * t))) < Z


def test_reneging() -> None:
    """M/M/3+M: share who give up and mean time in the queue from the steady state of a birth-death chain."""
    _, _, world = markov_queue(0.7)
    rate, leave = 3.6, 1.0 / 0.7
    weights = [1.0]
    for k in range(1, 200):
        weights.append(weights[-1] * rate / (min(k, SERVERS) + max(0, k - SERVERS) * leave))
    queue_length = sum(max(0, k - SERVERS) * w for k, w in enumerate(weights)) / sum(weights)
    assert abs(z_batches(world.lives["reneged"], leave * queue_length / rate)) < Z
    assert abs(z_batches(waits(world), queue_length / rate)) < Z


def test_deterministic_service_and_arrivals() -> None:
    """M/D/1 (Pollaczek-Khinchine) and D/M/1 (root of the embedded chain)."""
    mdl = run(crowd(N, service=np.ones(N)), poisson_arrivals(N, 0.7), 1)
    assert abs(z_batches(waits(mdl), 0.7 / (2.0 * 0.3))) < Z
    dml = run(customers(N), np.arange(N) / 0.7, 1)
    root = 0.5
    for _ in range(200):
        root = math.exp(-(1.0 - root) / 0.7)
    assert abs(z_batches(waits(dml), root / (1.0 - root))) < Z


def test_little() -> None:
    """Mean number present = arrival rate x mean time present, counted at 20,000 moments against theory."""
    arrivals, _, world = markov_queue(math.inf)
    moments = np.linspace(arrivals[WARM], arrivals[-1], 20_001)[:-1]
    leaving = np.sort(arrivals + world.lives["left"])
    present = np.searchsorted(arrivals, moments, side="right") - np.searchsorted(leaving, moments, side="right")
    batches = present.reshape(40, -1).mean(axis=1)
    expected = 2.4 * (erlang_c(SERVERS, 2.4) / (SERVERS - 2.4) + 1.0)
    assert abs(batches.mean() - expected) / (batches.std(ddof=1) / math.sqrt(40)) < Z
    stays = world.lives["left"][(arrivals >= moments[0])]
    assert present.mean() == pytest.approx(2.4 * stays.mean(), rel=0.02)


# --- laws of a queue, from its journal


def sojourns(world: World, arrivals: np.ndarray, event: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and stop of a kind of sojourn on the hospital's clock."""
    chosen = world.rows["event"] == event
    offset = arrivals[world.patient()[chosen]]
    return offset + world.rows["start"][chosen], offset + world.rows["stop"][chosen]


def present_at(moments: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """How many sojourns cover each moment."""
    return np.searchsorted(np.sort(start), moments, side="right") - np.searchsorted(
        np.sort(stop), moments, side="right"
    )


def moments_between(*times: np.ndarray) -> np.ndarray:
    """Moments midway between changes, leaving out those closer than rounding."""
    changes = np.unique(np.concatenate(times))
    return ((changes[:-1] + changes[1:]) / 2.0)[np.diff(changes) > 1e-6]


@pytest.mark.parametrize("patience", [math.inf, 0.7])
def test_units_are_conserved_and_never_idle(patience: float) -> None:
    arrivals, _, world = markov_queue(patience)
    served, waited = sojourns(world, arrivals, queue.SERVICE), sojourns(world, arrivals, queue.WAIT)
    moments = moments_between(*served, *waited)
    busy, waiting = present_at(moments, *served), present_at(moments, *waited)
    assert busy.max() == SERVERS
    assert np.all(busy[waiting > 0] == SERVERS), "nobody waits beside an idle server"


@pytest.mark.parametrize("patience", [math.inf, 0.7])
def test_first_come_first_served(patience: float) -> None:
    arrivals, _, world = markov_queue(patience)
    began = (arrivals + world.lives["began"])[world.lives["began"] < math.inf]
    assert np.all(np.diff(began) >= -1e-8)


def test_simultaneous_arrivals_are_served_in_order_of_number() -> None:
    world = run(crowd(5, service=np.full(5, 2.0)), np.zeros(5), 2)
    assert world.lives["began"].tolist() == [0.0, 0.0, 2.0, 2.0, 4.0]


# --- capacities


def everyone(world: World) -> bytes:
    """The bytes of a run, all of them."""
    return b"".join(world.bytes())


@pytest.mark.parametrize("horizon", [math.inf, 3.0])
def test_a_capacity_that_does_not_bind_changes_nothing(horizon: float) -> None:
    """Unlimited, a million, as many as patients, and the batch engine: the same bytes, whatever the arrivals."""
    patients = ward_patients(600)
    free = on_batch(wards.PATHWAY, patients, wards.Nothing(), horizon=horizon)
    for arrivals in (None, poisson_arrivals(600, 5.0)):
        for size in (None, 10**6, 600):
            capacities = {"ward": size, "icu": size}
            world = on_simpy(
                wards.PATHWAY, patients, wards.Nothing(), capacities=capacities, arrivals=arrivals, horizon=horizon
            )
            assert_same(world, free)


def test_a_closed_pool_is_never_granted() -> None:
    """Capacity 0: the patient stays in the queue until an event of their own."""
    patients = customers(300, patience=2.0)
    closed = run(patients, poisson_arrivals(300, 5.0), 0)
    assert np.all(closed.lives["began"] == math.inf)
    assert closed.lives["left"].tolist() == patients["patience"].tolist()
    assert closed.lives["reneged"].all()

    until = run(patients, poisson_arrivals(300, 5.0), 0, horizon=1.5)
    assert until.lives["left"].tolist() == np.minimum(patients["patience"], 1.5).tolist()
    assert until.lives["cut"].tolist() == (patients["patience"] > 1.5).astype(int).tolist()

    for_ever = run(customers(20), np.zeros(20), 0)
    assert np.all(for_ever.lives["left"] == math.inf)
    assert for_ever.lives["cut"].all()
    assert for_ever.lives["done"].all()


def test_one_closed_pool_leaves_the_other_open() -> None:
    patients = ward_patients(400)
    world = on_simpy(wards.PATHWAY, patients, wards.Nothing(), capacities={"icu": 0}, horizon=50.0)
    lives = world.lives
    assert np.all(lives["to_icu"] == math.inf)
    assert np.all(lives["admitted"] == 0.0)
    no_need = (patients["before"] == math.inf) & (patients["both"] == 0)
    free = on_batch(wards.PATHWAY, patients, wards.Nothing(), horizon=50.0).lives
    assert lives["left"][no_need].tolist() == free["left"][no_need].tolist()


def test_who_reaches_the_horizon_keeps_the_unit_until_then() -> None:
    """A stay that outlasts its patient's horizon occupies the server up to the horizon, not up to its last event."""
    patients = crowd(3, service=[10.0, 5.0, 1.0])
    world = run(patients, np.array([0.0, 1.0, 4.5]), 1, horizon=4.0)
    assert world.lives["left"].tolist() == [4.0, 4.0, 1.5]
    assert world.lives["began"].tolist() == [0.0, 3.0, 0.5]
    assert world.lives["cut"].tolist() == [1, 1, 0]


def test_who_waits_past_the_horizon_of_others_is_served() -> None:
    """A queueing patient with nothing else in the calendar still gets the unit that becomes free before the horizon."""
    world = run(crowd(2, service=[2.0, 1.0]), np.zeros(2), 1, horizon=100.0)
    assert world.lives["began"].tolist() == [0.0, 2.0]
    assert world.lives["left"].tolist() == [2.0, 3.0]


def test_nobody_is_served_after_the_end() -> None:
    """A unit becomes free at the very moment at which a patient gives up: one of the two happens, never both."""
    world = run(crowd(2, service=[2.0, 1.0], patience=[math.inf, 2.0]), np.zeros(2), 1)
    lives = world.lives[1]
    assert (lives["began"] < math.inf) != bool(lives["reneged"])
    assert world.lives["holds"].sum() == 0


# --- both pools asked for, and life ends at the first grant


def ask_for_both(p: Any, q: Any, j: Any) -> None:
    p.wants = 3


def end_at_the_first(p: Any, q: Any, j: Any, event: int) -> None:
    """Who has service to be done keeps both units for it; the others end as soon as they get the first."""
    if event == queue.END:
        p.holds = 0
        p.left = p.t
        p.done = 1
    elif p.service > 0.0:
        p.began = p.t
        p.next[queue.END] = p.t + p.service
    elif event == GRANT:
        p.left = p.t
        p.done = 1
    else:
        p.reneged = 1  # a grant to the dead


HASTY = Pathway("hasty", queue.Customer, ask_for_both, end_at_the_first, queue.finish, ("one", "other"))


def test_nothing_is_granted_after_the_end() -> None:
    """Neither at once nor out of the queue; and what the dead held or waited for goes to the next in line."""
    patients = crowd(4, service=[2.0, 0.0, 0.0, 1.0])
    free = on_batch(HASTY, patients, queue.Nothing())
    assert free.lives["reneged"].sum() == 0
    for size in (None, 4):
        assert_same(on_simpy(HASTY, patients, queue.Nothing(), capacities={"one": size, "other": size}), free)
    tight = on_simpy(HASTY, patients, queue.Nothing(), capacities={"one": 1, "other": 1})
    assert tight.lives["reneged"].sum() == 0
    assert tight.lives["left"].tolist() == [2.0, 2.0, 2.0, 3.0]


# --- two pools at once, against a model written the usual SimPy way


def textbook_wards(patients: np.ndarray, arrivals: np.ndarray, beds: int, icu_beds: int) -> np.ndarray:
    """Patients who do not die and ask for one bed after the other: admitted, to intensive care, left."""
    env = simpy.Environment()
    ward, icu = simpy.Resource(env, beds), simpy.Resource(env, icu_beds)
    out = np.full((len(patients), 3), math.inf)

    def stay(i: int) -> simpy.events.ProcessGenerator:
        row = patients[i]
        yield env.timeout(arrivals[i])
        with ward.request() as bed:
            yield bed
            out[i, 0] = env.now
            if row["before"] < math.inf:
                yield env.timeout(row["before"])
                with icu.request() as icu_bed:
                    yield icu_bed
                    out[i, 1] = env.now
                    yield env.timeout(row["intensive"])
            yield env.timeout(row["after"])
        out[i, 2] = env.now

    for i in range(len(patients)):
        env.process(stay(i))
    env.run()
    return out


def test_two_pools_against_a_textbook_model() -> None:
    """3,000 patients, both pools binding: each one's times."""
    patients = ward_patients(3000)
    patients["death"], patients["both"] = math.inf, 0
    arrivals = poisson_arrivals(3000, 1.6)
    world = on_simpy(wards.PATHWAY, patients, wards.Nothing(), arrivals=arrivals, capacities={"ward": 7, "icu": 2})
    own = np.column_stack([arrivals + world.lives[name] for name in ("admitted", "to_icu", "left")])
    expected = textbook_wards(patients, arrivals, 7, 2)
    assert (expected[:, 0] - arrivals > 0.1).mean() > 0.3, "meant to queue for the ward"
    np.testing.assert_allclose(own, expected, rtol=0.0, atol=1e-7)


@pytest.mark.parametrize("horizon", [math.inf, 7.0])
def test_two_pools_are_conserved(horizon: float) -> None:
    """Deaths in both queues, both beds asked for at once, a horizon: never more than there is, nothing lost."""
    n = 4000
    patients, arrivals = ward_patients(n), poisson_arrivals(n, 1.8)
    sizes = {"ward": 7, "icu": 2}
    world = on_simpy(wards.PATHWAY, patients, wards.Nothing(), arrivals=arrivals, capacities=sizes, horizon=horizon)
    lives = world.lives
    assert lives["done"].all()
    assert lives["wants"].sum() == lives["holds"].sum() == 0
    in_ward, in_icu = (sojourns(world, arrivals, wards.STAY + pool) for pool in (wards.WARD, wards.ICU))
    moments = moments_between(*in_ward, *in_icu, arrivals)
    asked = (arrivals, arrivals + np.minimum(lives["admitted"], lives["left"]))
    for (start, stop), size in ((in_ward, 7), (in_icu, 2)):
        busy = present_at(moments, start, stop)
        assert busy.max() == size, "binding, and never exceeded"
        if size == 7:
            assert np.all(busy[present_at(moments, *asked) > 0] == 7), "no free bed while someone waits"
    seen = np.column_stack([lives["admitted"], lives["to_icu"], lives["out_of_icu"], lives["left"]])
    assert np.all((lives["left"] <= horizon) & (lives["left"] <= patients["death"]))
    assert np.all((seen <= lives["left"][:, None]) | (seen == math.inf)), "nothing after the end"
    after = lives["to_icu"] < math.inf
    assert np.all(lives["out_of_icu"][after] >= lives["to_icu"][after])
