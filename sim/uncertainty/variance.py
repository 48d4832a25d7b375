"""What a probabilistic analysis is uncertain about: parameters, patients, and the chance that ties them.

The same patients live in every draw, so their chance is common to all draws and hidden from the spread between draws.
Patients are therefore kept in batches (patient number modulo the number of batches), and the table draws x batches is
split by a two-way analysis of variance with random effects::

    y[draw, batch] = mean + parameters[draw] + patients[batch] + both[draw, batch]

``parameters`` is second-order uncertainty, what a decision maker has to live with; ``patients`` and ``both`` are
first-order error, which more patients remove. Sources: Searle, Casella and McCulloch, Variance Components (1992),
chapter 4; O'Hagan, Stevenson and Madan 2007 (doi:10.1002/hec.1199).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: Share of the variance between draws that first-order noise may have before more patients are advised.
TOLERATED: float = 0.05


@dataclass(frozen=True)
class Components:
    """Components of variance of one quantity.

    Attributes
    ----------
    mean
        Mean over draws and patients.
    parameters
        Variance between draws, freed from chance.
    patients
        Variance of a patient's share that all draws have in common.
    both
        Variance of a patient's share that differs between draws.
    draws, n
        Draws, and patients in each.
    """

    mean: float
    parameters: float
    patients: float
    both: float
    draws: int
    n: int

    @property
    def second_order_se(self) -> float:
        """Error of the mean that the number of draws leaves (an upper bound: the draws are spread evenly)."""
        return math.sqrt(self.parameters / self.draws)

    @property
    def first_order_se(self) -> float:
        """Error of the mean that the number of patients leaves."""
        return math.sqrt((self.patients + self.both / self.draws) / self.n)

    @property
    def se(self) -> float:
        """Error of the mean."""
        return math.hypot(self.first_order_se, self.second_order_se)

    @property
    def noise(self) -> float:
        """Share of the variance between draws that is patients' chance; it inflates EVPI and flattens a CEAC."""
        noise = self.both / self.n
        total = self.parameters + noise
        return noise / total if total > 0.0 else 0.0

    def advised(self, tolerated: float = TOLERATED) -> float:
        """Give the patients per draw at which `noise` is what is tolerated; infinite where parameters do nothing."""
        if self.both == 0.0:
            return 1.0
        if self.parameters == 0.0:
            return math.inf
        return max(1.0, math.ceil(self.both / self.parameters * (1.0 - tolerated) / tolerated))


def components(values: np.ndarray, n: int) -> Components:
    """Split the variance of a balanced table of batch means.

    Parameters
    ----------
    values
        Means, shape (draws, batches).
    n
        Patients per draw.

    Returns
    -------
    Components
        Negative estimates of a variance are set to 0, as is usual. With one draw or one batch what cannot be told
        apart is 0.
    """
    draws, batches = values.shape
    size = n / batches
    mean = float(values.mean())
    by_draw, by_batch = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_draw[:, None] - by_batch[None, :] + mean
    both = float((rest**2).sum()) / ((draws - 1) * (batches - 1)) if draws > 1 and batches > 1 else 0.0
    between_draws = float(by_draw.var(ddof=1)) if draws > 1 else 0.0
    between_batches = float(by_batch.var(ddof=1)) if batches > 1 else 0.0
    return Components(
        mean=mean,
        parameters=max(0.0, between_draws - both / batches),
        patients=max(0.0, between_batches - both / draws) * size,
        both=both * size,
        draws=draws,
        n=n,
    )


def jackknife(estimates: np.ndarray) -> np.ndarray:
    """Give the standard error from estimates that leave out one batch of patients each.

    Parameters
    ----------
    estimates
        Shape (batches, ...).

    Returns
    -------
    numpy.ndarray
        Shape (...); NaN for a single batch (Tukey's delete-a-group jackknife).
    """
    batches = len(estimates)
    if batches < 2:
        return np.full(estimates.shape[1:], np.nan)
    spread = ((estimates - estimates.mean(axis=0)) ** 2).sum(axis=0)
    error: np.ndarray = np.sqrt(spread * (batches - 1) / batches)
    return error


def divided(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Divide sums by counts; NaN where nobody is counted."""
    quotient: np.ndarray = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)
    return quotient
