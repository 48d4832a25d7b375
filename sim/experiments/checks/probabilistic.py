"""Tests of probabilistic analysis: on synthetic draws until the program draws parameters itself."""

from __future__ import annotations

import numpy as np

from sim.economics.acceptability import ceac, evpi, nmb
from sim.economics.information import evppi
from sim.economics.regression import normals
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import Bench

_DRAWS = 2000


@check("21", "PSA with every SE 0", "each draw = the deterministic run; EVPI 0")
def psa_without_spread(bench: Bench) -> Finding:
    """Needs the probabilistic analysis."""
    return Finding(None, "the program draws no parameters yet")


@check("22", "sampled inputs", "mean and SD match their specification; beta in [0,1], gamma > 0")
def sampled_inputs(bench: Bench) -> Finding:
    """Needs the probabilistic analysis."""
    return Finding(None, "the program draws no parameters yet")


@check("23", "EVPI, EVPPI", "EVPI >= every EVPPI >= 0; all-parameter EVPPI = EVPI within error")
def values_of_information(bench: Bench) -> Finding:
    """Learning part is never worth more than learning all."""
    costs, effects, parameters, wtp = _synthetic()
    perfect = float(evpi(costs, effects, wtp).iloc[0])
    singles = [evppi(costs, effects, parameters, of=name, wtp=wtp) for name in parameters]
    everything = evppi(costs, effects, parameters, wtp=wtp)
    ordered = all(0 <= found.value <= perfect for found in singles)
    apart = abs(everything.value - perfect)
    close = apart <= 4 * everything.standard_error
    shown = ", ".join(f"{found.value:.0f}" for found in singles)
    found = f"synthetic draws: EVPI {perfect:.0f}, singly {shown}, together {everything.value:.0f}"
    return Finding(ordered and close, found)


@check("24", "CEAC", "rows sum to 1; at 0 the cheapest has the highest mean NMB")
def acceptability(bench: Bench) -> Finding:
    """Somebody is best in every draw; who pays nothing for health buys the cheapest."""
    costs, effects, _, _ = _synthetic()
    grid = np.linspace(0, 200000, 41)
    apart = float(np.abs(ceac(costs, effects, grid).sum(axis=1) - 1).max())
    cheapest = int(costs.mean(axis=0).argmin())
    at_zero = int(nmb(costs, effects, 0).to_numpy().argmax())
    found = f"synthetic draws: rows off by {apart:.1e}; at 0 option {at_zero + 1} wins, the cheapest is {cheapest + 1}"
    return Finding(apart < 1e-12 and at_zero == cheapest, found)


def _synthetic() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], float]:
    """Draw three options whose costs and effects depend on four parameters."""
    x = normals(1, 99, 4 * _DRAWS).reshape(_DRAWS, 4)
    effects = np.stack([10 + 0 * x[:, 0], 10.3 + x[:, 0] + 0.2 * x[:, 1], 10.5 + 1.5 * x[:, 2] + 0.3 * x[:, 1]], axis=1)
    costs = 1e4 * np.stack([np.full(_DRAWS, 5.0), 8 + x[:, 3], 9 + 2 * x[:, 3]], axis=1)
    return costs, effects, {name: x[:, k] for k, name in enumerate(("one", "both", "two", "price"))}, 100000.0
