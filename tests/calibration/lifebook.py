"""Made-up patient records for the quantities: nothing ever happens, unless a test says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.calibration.lives import Lives
from sim.draws import uniforms
from sim.kernel import template
from sim.patient import Patient

MONTH = 30.4375


def records(n: int, **columns: Any) -> np.ndarray:
    """Infused on day 10, in remission on day 38, then whatever the columns say (days since referral)."""
    lives = np.repeat(template(Patient), n)
    lives["t_infusion"] = 10.0
    lives["t_response"] = 38.0
    lives["cr"] = 1
    for name, value in columns.items():
        lives[name] = value
    return lives


def lives(n: int, origin: str = "infusion", grading: str = "astct", until: float = np.inf, **columns: Any) -> Lives:
    return Lives(records(n, **columns), origin, grading, ("tisa_cel", "brexu_cel"), until)


def exponential(n: int, per_month: float, shift: int = 0) -> np.ndarray:
    """Days whose empirical distribution is exponential: quantiles of it, in an order that says nothing."""
    ranks = np.argsort(np.argsort(uniforms(17, np.arange(n), 100 + shift)))
    return -np.log1p(-(ranks + 0.5) / n) / per_month * MONTH
