"""Simulated truth on the real simulator: data made at known parameters, refitted, covered at about the nominal rate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from sim.calibration.evaluator import FastEvaluator
from sim.calibration.fit import Fitting
from sim.calibration.likelihood import Likelihood, natural
from sim.calibration.priors import Parameters
from sim.calibration.store import Runs, Store
from sim.calibration.target import Target
from sim.compose import settings_from
from sim.settings import Settings

STUDIES = ("carma", "cibmtr_2025", "eliana", "prwcc")
FREE = (
    "biology.escape.negative_share",
    "biology.leukaemia.growth",
    "biology.leukaemia.response",
    "clinic.toxicity.crs_grade1",
    "clinic.toxicity.icans_grade3",
)
DATA_SETS = 6


class Published:
    """A simulator that is compared with other numbers than the papers'."""

    def __init__(self, model: FastEvaluator, targets: list[Target]) -> None:
        self.model = model
        self.targets = targets

    def __call__(self, values):  # type: ignore[no-untyped-def]
        return self.model(values)


def simulator(settings: Settings, seed: int, patients: int) -> FastEvaluator:
    from sim.conf import conf_folder

    files = [conf_folder() / "targets" / f"{name}.yaml" for name in STUDIES]
    return FastEvaluator(settings.model_copy(update={"seed": seed}), files, patients=patients)


@pytest.mark.slow
def test_truth_is_recovered_on_the_simulator() -> None:
    """Truth from the middle of the prior, data with the papers' errors: 90 % intervals cover about nine in ten."""
    settings = settings_from(["experiment=calibrate"])
    priors = {key: settings.calibration.parameters[key] for key in FREE}
    parameters = Parameters(priors)
    budget = settings.calibration.model_copy(
        update={"design": 16, "starts": 1, "iterations": 6, "rounds": 1, "local": 80, "walkers": 32, "steps": 400,
                "keep": 800, "check": 0, "replicates": 4, "discrepancy": 0.0}
    )  # fmt: skip
    model, nature = simulator(settings, 1, 1500), simulator(settings, 99, 8192)
    copies = {number: simulator(settings, 1 + number, 1500) for number in range(1, 5)}
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(DATA_SETS):
        known = parameters.values(0.4 * generator.normal(size=len(FREE)))
        exact = nature(parameters.named(known))
        scale = Likelihood(model.targets, 0.0)
        moved = scale.on_scale(exact) + generator.normal(size=len(exact)) * [t.se for t in model.targets]
        found = [
            dataclasses.replace(t, value=float(natural(t, moved[i])), weight=1.0)
            for i, t in enumerate(model.targets)
        ]  # fmt: skip
        runs = Runs(Published(model, found), parameters, Store(None, len(FREE)), threads=2)
        fit = Fitting(
            runs, runs, parameters, found, budget, 1,
            replicate=lambda number, found=found: Runs(
                Published(copies[number], found), parameters, Store(None, len(FREE))
            ),
        ).run()  # fmt: skip
        low, high = np.quantile(fit.draws, [0.05, 0.95], axis=0)
        hits += int(np.sum((low <= known) & (known <= high)))
        assert np.all(fit.chain.draws.std(axis=0) < 0.5)  # these lines are identified
    fewest, most = stats.binom.ppf([5e-4, 1.0 - 5e-4], DATA_SETS * len(FREE), 0.9)
    assert fewest <= hits <= most
