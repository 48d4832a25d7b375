"""Tests of shared capacity: the engine of reference with places for everybody, and for nobody."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import journal
from sim.clinic.events import POOLS
from sim.engine.simpy_driver import run_simpy
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import Bench
from sim.experiments.inputs import as_object, kernel_values
from sim.experiments.run import PATHWAY, Block

_PATIENTS = 60


@check("26", "capacity 10^6", "identical to unlimited; waits 0")
def places_for_everybody(bench: Bench) -> Finding:
    """Queues that never form change nothing."""
    names = ("watch", "hct_for_all")
    roomy = _crowd(bench, names, dict.fromkeys(POOLS, 10**6))
    free = bench.live(names, _PATIENTS)
    same = all(roomy.rows[n].tobytes() == free.rows[n].tobytes() for n in names)
    same &= all(roomy.lives[n].tobytes() == free.lives[n].tobytes() for n in names)
    return Finding(same, f"{_PATIENTS} patients under {len(names)} policies {'identical' if same else 'different'}")


@check("27", "capacity 0", "no CAR T or HCT; product cost 0; deaths while waiting")
def places_for_nobody(bench: Bench) -> Finding:
    """Without places nobody is treated, and the wait ends in death."""
    block = _crowd(bench, ("watch", "hct_for_all"), dict.fromkeys(("apheresis", "manufacturing", "ward", "hct"), 0))
    done = sum(int(np.isin(rows["event"], (journal.INFUSION, journal.HCT)).sum()) for rows in block.rows.values())
    worth = bench.worth(block)
    product = max(float(worth.of(p, "cost_product").max()) for p in worth.valued)
    dead = all(bool(np.isfinite(lives["t_death"]).all()) for lives in block.lives.values())
    found = (
        f"{done} infusions and transplants; product cost {product:g}; {'everybody dies' if dead else 'some live on'}"
    )
    return Finding(done == 0 and product == 0.0 and dead, found)


def _crowd(bench: Bench, names: tuple[str, ...], capacities: dict[str, Any]) -> Block:
    """Run patients who share a hospital on the engine of reference."""
    people = bench.people(bench.settings, 0, _PATIENTS)
    block = Block(0, {})
    for name in names:
        values = as_object(kernel_values(bench.settings, name))
        found = run_simpy(PATHWAY, people, values, seed=bench.settings.seed, capacities=capacities)
        block.lives[name], block.rows[name], block.first_row[name] = found
    return block
