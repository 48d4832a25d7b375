"""What valuation hands to decision analysis: mean cost and effect by option, and how far they may be off together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimates:
    """Mean cost and effect of every option over the same patients.

    Attributes
    ----------
    names
        Options, sorted by name.
    n
        Patients (the same under every option).
    cost, effect
        Discounted means per patient, shape (options,).
    covariance
        Covariance matrix of one patient's (costs, then effects), shape (2 * options, 2 * options): divided by `n` it is
        that of the means. Patients are twins across options, so off-diagonal entries matter.
    currency, effect_unit
        ``USD 2024``; ``QALY`` or ``life-year``.
    """

    names: tuple[str, ...]
    n: int
    cost: np.ndarray
    effect: np.ndarray
    covariance: np.ndarray
    currency: str
    effect_unit: str
