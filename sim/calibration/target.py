"""What a published quantity is to the fit, and what an evaluation of all of them looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

#: On which scale the difference between model and publication is taken.
Scale = Literal["proportion", "log", "identity"]


def inner(share: float, n: float) -> float:
    """Give a share that has a logit: none or all of n become (k + 1/2) / (n + 1)."""
    return share if 0.0 < share < 1.0 else (share * n + 0.5) / (n + 1.0)


@dataclass(frozen=True)
class Target:
    """One published quantity.

    Attributes
    ----------
    study, name
        File of the study under ``conf/targets`` and name of the quantity in it; together unique.
    label
        In words, for tables and figures.
    value, low, high
        As published, in natural units (a share is 0 to 1; a hazard ratio is no logarithm); `low`, `high` may be None.
    interval
        What low and high are: ``95% CI``, ``90% CI``, ``assumed`` ...
    scale
        ``proportion``: logit scale is natural, n known; ``log``: hazard ratios, medians; ``identity``.
    se
        Standard error on that scale (logit, log or as is), from the interval, from n, or assumed.
    assumed
        Whether `se` is an assumption because no interval was published.
    n
        Denominator of the value; None where not known.
    weight
        Share of likelihood that the quantity keeps where studies overlap (1: independent).
    group
        Name of the cohort family within which patients overlap or share a discrepancy.
    source, status, note
        Row of the evidence table, how well the number is known, what to know about it.
    fitted
        Whether calibration uses it; False for quantities that are only shown.
    """

    study: str
    name: str
    label: str
    value: float
    low: float | None
    high: float | None
    interval: str
    scale: Scale
    se: float
    assumed: bool
    n: float | None
    weight: float
    group: str
    source: str
    status: str
    note: str
    fitted: bool


class Evaluator(Protocol):
    """The model as calibration sees it: parameter values in, emulated quantities out, same random numbers."""

    @property
    def targets(self) -> Sequence[Target]:
        """The quantities, in the order in which values are returned."""
        ...

    def __call__(self, values: Mapping[str, float]) -> np.ndarray:
        """Emulate all targets.

        Parameters
        ----------
        values
            Dotted key of a parameter line (``biology.leukaemia.kill``) -> value in the line's own unit; lines that are
            not named keep their value.

        Returns
        -------
        numpy.ndarray
            One value a target in natural units; NaN where it does not exist (empty subgroup, median never reached).
        """
        ...
