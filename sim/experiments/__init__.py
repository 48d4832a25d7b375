"""Experiments: what can be done with settings. Each is a module with ``run(settings) -> folder``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: Name -> module and what it does. Modules are imported when they are run.
EXPERIMENTS: Final[dict[str, tuple[str, str]]] = {
    "compare": ("sim.experiments.compare", "every patient lives under every policy; outcomes compared"),
    "value": ("sim.experiments.value", "a finished run valued again with other prices or utilities"),
    "price": ("sim.experiments.price", "threshold price and payment schemes for a finished run"),
    "replay": ("sim.experiments.replay", "one patient's life under every policy"),
    "capacity": (
        "sim.experiments.capacity",
        "what policies do to a hospital: waits, queues, occupancy, losses in line",
    ),
    "budget": (
        "sim.experiments.budget",
        "what a new policy costs the payer, year by year, with and without enough places",
    ),
    "parameters": ("sim.experiments.parameters", "every parameter with range, source and status"),
}


def runner(name: str) -> Callable[[Any], Path]:
    """Import an experiment and give its ``run``: from settings to the folder with the results."""
    run: Callable[[Any], Path] = importlib.import_module(EXPERIMENTS[name][0]).run
    return run
