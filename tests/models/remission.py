"""A closed-form trial for the fit: response, cure, time to relapse and a burden effect, four parameters, no noise.

Response at low and high burden is logistic; responders are cured with a share, the others relapse exponentially.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from scipy.special import expit, logit

from sim.calibration.priors import Parameters, Prior
from sim.calibration.target import Scale, Target

TRUTH: Final = {"burden": -1.0, "cured": 0.45, "rate": 0.12, "response": 1.8}
PRIORS: Final = {
    "response": Prior(distribution="normal", low=-2.0, high=5.0, source="assumed"),
    "burden": Prior(distribution="normal", low=-3.0, high=2.0, source="assumed"),
    "cured": Prior(distribution="logitnormal", low=0.05, high=0.95, source="assumed"),
    "rate": Prior(distribution="lognormal", low=0.02, high=1.0, source="assumed"),
}
PARAMETERS: Final = Parameters(PRIORS)
#: Quantity -> study, patients, scale.
QUANTITIES: Final[dict[str, tuple[str, int, Scale]]] = {
    "response low": ("first", 120, "proportion"),
    "response high": ("first", 80, "proportion"),
    "relapse-free 6": ("first", 110, "proportion"),
    "relapse-free 12": ("second", 130, "proportion"),
    "relapse-free 60": ("second", 130, "proportion"),
    "median of relapses": ("third", 60, "log"),
    "response ratio": ("third", 90, "log"),
}


def truth(values: Mapping[str, float]) -> np.ndarray:
    """Compute the quantities in closed form, in the order of `QUANTITIES`."""
    low, high = expit(values["response"]), expit(values["response"] + values["burden"])
    free = [values["cured"] + (1 - values["cured"]) * np.exp(-values["rate"] * month) for month in (6, 12, 60)]
    return np.array([low, high, *free, np.log(2.0) / values["rate"], high / low])


def published(values: np.ndarray, **changes: float) -> list[Target]:
    """Publish such quantities, with the standard errors of their numbers of patients."""
    return [target(name, float(value), **changes) for name, value in zip(QUANTITIES, values, strict=True)]


def target(name: str, value: float, **changes: float) -> Target:
    """Publish one quantity."""
    study, n, scale = QUANTITIES[name]
    se = 1.0 / np.sqrt(n * value * (1.0 - value)) if scale == "proportion" else 1.0 / np.sqrt(n)
    return Target(
        study=study, name=name, label=name, value=value, low=None, high=None, interval="assumed", scale=scale,
        se=float(changes.get("se", se)), assumed=True, n=n, weight=changes.get("weight", 1.0), group=study,
        source="-", status="assumed", note="", fitted=True,
    )  # fmt: skip


def observe(values: Mapping[str, float], generator: np.random.Generator) -> list[Target]:
    """Sample what such a trial would publish, with errors that do not depend on the sample."""
    exact = truth(values)
    found = []
    for name, value in zip(QUANTITIES, exact, strict=True):
        se = target(name, float(value)).se
        step = generator.normal(0.0, se)
        drawn = expit(logit(value) + step) if QUANTITIES[name][2] == "proportion" else value * np.exp(step)
        found.append(target(name, float(drawn), se=se))
    return found


class Remission:
    """The evaluator of this trial."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = targets
        self.calls = 0

    def __call__(self, values: Mapping[str, float]) -> np.ndarray:
        self.calls += 1
        return truth(values)
