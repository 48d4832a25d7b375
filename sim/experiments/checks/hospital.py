"""Tests of shared places: a million of them, and none, on the engines that know queues."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sim import journal
from sim.clinic.course import OF_WAITING
from sim.clinic.events import POOLS
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import Bench
from sim.experiments.run import Simulation
from sim.experiments.shared import Together, live_together

#: Patients of a check, and days between their arrivals.
PATIENTS: Final = 60
APART: Final = 5.0
POLICIES: Final = ("watch", "hct_for_all")


@check("26", "capacity 10^6", "identical to unlimited; waits 0")
def places_for_everybody(bench: Bench) -> Finding:
    """A million places are as good as no limit, byte for byte, on both engines with queues; nobody waits."""
    same, waits = True, 0.0
    for policy in POLICIES:
        free, *roomy = (
            crowd(with_all_pools(bench.settings, places, engine), policy, 0.0)
            for places, engine in ((None, "simpy"), (10**6, "simpy"), (10**6, "ward"))
        )
        for world in roomy:
            same &= world.lives.tobytes() == free.lives.tobytes() and world.rows.tobytes() == free.rows.tobytes()
            got = world.book[np.isfinite(world.book["granted"])]
            waits = max(waits, float((got["granted"] - got["asked"]).max()))
    word = "identical" if same else "different"
    return Finding(
        same and waits == 0.0,
        f"{PATIENTS} patients under {len(POLICIES)} policies {word}; longest wait {waits:g} days",
    )


@check("27", "capacity 0", "no CAR T or HCT; product cost 0; deaths while waiting")
def places_for_nobody(bench: Bench) -> Finding:
    """Without places nobody is infused or transplanted, no product is paid for, and patients die in wait."""
    done, product, died, alive = 0, 0.0, 0, 0
    for policy in POLICIES:
        world = crowd(with_all_pools(bench.settings, 0, "ward"), policy)
        done += int(np.isin(world.rows["event"], (journal.INFUSION, journal.HCT)).sum())
        died += int((world.lives["cause"] == OF_WAITING).sum())
        alive += int((~np.isfinite(world.lives["t_death"])).sum())
        valuation, people = bench.valued(world)
        product = max(product, float(people[:, valuation.columns.index("cost_product")].max()))
    found = f"{done} infusions and transplants; product cost {product:g}; {died} deaths while waiting, {alive} live on"
    return Finding(done == 0 and product == 0.0 and died > 0 and alive == 0, found)


def with_all_pools(settings: Any, places: int | None, engine: str = "simpy") -> Any:
    """Copy the settings with so many places in every pool, one centre, always open."""
    hospital = settings.hospital
    pools = hospital.pools.model_copy(update=dict.fromkeys(POOLS, places))
    update = {"pools": pools, "opening": type(hospital.opening)(), "centres": {}}
    return settings.model_copy(update={"hospital": hospital.model_copy(update=update), "engine": engine})


def crowd(settings: Any, policy: str, apart: float = APART) -> Together:
    """Let patients come one after the other to the hospital of the settings."""
    simulation = Simulation(settings, journal=True)
    numbers = np.arange(PATIENTS)
    return live_together(
        settings,
        simulation.values[policy],
        simulation.attributes(0, PATIENTS),
        numbers,
        numbers * apart,
        horizon=simulation.horizon,
    )
