"""Experiments: what can be done with settings. Each is a module with ``run(settings) -> folder``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: Name -> module and what it does. Modules are imported when they are run.
EXPERIMENTS: Final[dict[str, tuple[str, str]]] = {
    "compare": ("sim.experiments.compare", "every patient lives under every policy; outcomes compared"),
    "value": ("sim.experiments.value", "a finished run valued again with other prices or utilities"),
    "price": ("sim.experiments.price", "threshold price and payment schemes for a finished run"),
    "report": ("sim.experiments.report", "finished runs compared in one report, or one run's report drawn again"),
    "replay": ("sim.experiments.replay", "one patient's life under every policy"),
    "verify": ("sim.experiments.verify", "the verification tests: what must follow when something is changed"),
    "calibrate": ("sim.experiments.calibrate", "fit the free parameters to published quantities; posterior sample"),
    "validate": ("sim.experiments.validate", "every published target beside what the model gives"),
    "psa": ("sim.experiments.psa", "joint draws of all uncertain parameters; costs, effects and outcomes of each"),
    "tornado": ("sim.experiments.tornado", "every parameter at its own low and high; two-way, threshold, structures"),
    "sweep": ("sim.experiments.grid", "cells of any settings: grids, Latin hypercube, Sobol; one table"),
    "voi": ("sim.experiments.voi", "value of information from a finished probabilistic analysis (run=...)"),
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
#: Those that compose further settings: their ``run`` takes, behind the settings, what does so.
COMPOSING: Final = ("tornado", "sweep")


def runner(name: str) -> Callable[..., Path]:
    """Import an experiment and give its ``run``: from settings to the folder with the results."""
    run: Callable[..., Path] = importlib.import_module(EXPERIMENTS[name][0]).run
    return run
