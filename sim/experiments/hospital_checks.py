"""Checks of shared places and budgets, to be registered as verification tests: whether it holds, and in words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sim import journal
from sim.clinic.events import POOLS
from sim.experiments.run import Simulation
from sim.experiments.shared import Together, live_together

#: Patients of a check, and days between their arrivals.
PATIENTS: Final = 60
APART: Final = 5.0
POLICIES: Final = ("watch", "hct_for_all")


def with_all_pools(settings: Any, places: int | None, engine: str = "simpy") -> Any:
    """Copy the settings with so many places in every pool, one centre, always open."""
    hospital = settings.hospital
    pools = hospital.pools.model_copy(update=dict.fromkeys(POOLS, places))
    opening = type(hospital.opening)()
    update = {"pools": pools, "opening": opening, "centres": {}}
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


def room_for_everybody(settings: Any) -> tuple[bool, str]:
    """26: a million places are as good as no limit, byte for byte, on both engines with queues; nobody waits."""
    same, waits = True, 0.0
    for policy in POLICIES:
        free, *roomy = (
            crowd(with_all_pools(settings, places, engine), policy, 0.0)
            for places, engine in ((None, "simpy"), (10**6, "simpy"), (10**6, "ward"))
        )
        for world in roomy:
            same &= world.lives.tobytes() == free.lives.tobytes() and world.rows.tobytes() == free.rows.tobytes()
            got = world.book[np.isfinite(world.book["granted"])]
            waits = max(waits, float((got["granted"] - got["asked"]).max()))
    word = "identical" if same else "different"
    return (
        same and waits == 0.0,
        f"{PATIENTS} patients under {len(POLICIES)} policies {word}; longest wait {waits:g} days",
    )


def room_for_nobody(settings: Any) -> tuple[bool, str]:
    """27: without places nobody is infused or transplanted, no product is paid for, and patients die in wait."""
    from sim.economics.valuation import Valuation

    done, product, died = 0, 0.0, 0
    for policy in POLICIES:
        world = crowd(with_all_pools(settings, 0, "ward"), policy)
        done += int(np.isin(world.rows["event"], (journal.INFUSION, journal.HCT)).sum())
        died += int((world.lives["cause"] == 6).sum())
        if settings.economics is not None:
            valuation = Valuation(settings.economics, list(settings.product.catalogue), "referral")
            everybody = np.ones(PATIENTS, dtype=bool)
            people = valuation.lives(world.rows, world.first_row, world.lives, everybody).people
            product += float(people[:, valuation.columns.index("cost_product")].sum())
    found = f"{done} infusions and transplants; product cost {product:g}; {died} deaths while waiting"
    return done == 0 and product == 0.0 and died > 0, found


def budget_balances(settings: Any) -> tuple[bool, str]:
    """29, of budgets: payer years and what comes later sum to the undiscounted payer total, and so do categories."""
    from sim.economics.valuation import Valuation
    from sim.experiments.budget import paid

    world = crowd(with_all_pools(settings, None, "ward"), "hct_for_all")
    arrival, everybody = np.arange(PATIENTS) * APART, np.ones(PATIENTS, dtype=bool)
    cells = paid(settings, world, arrival, everybody)
    valuation = Valuation(settings.economics, list(settings.product.catalogue), "referral")
    people = valuation.lives(world.rows, world.first_row, world.lives, everybody).people
    total = float(people[:, valuation.columns.index(f"cost_{settings.economics.perspective}")].sum())
    apart = abs(float(cells[:, -1].sum()) - total) / total
    within = float(np.abs(cells[:, :-1].sum(axis=1) - cells[:, -1]).max()) / total
    return (
        apart < 1e-9 and within < 1e-9,
        f"payer years differ from the total by {apart:.1e}, categories by {within:.1e}",
    )
