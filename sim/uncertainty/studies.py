"""From a study's YAML to what `sim.economics.evsi` needs: the summaries that its data would give in every draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.economics.sampling import Study as Observed
from sim.uncertainty.settings import Measurement, Study

if TYPE_CHECKING:
    Luck = Callable[[int], np.ndarray]


def observed(study: Study) -> Observed:
    """Describe what a study observes.

    Parameters
    ----------
    study
        As `conf/study` states it. Of `size` patients a share of each measurement's own is measured (at least one).

    Returns
    -------
    sim.economics.sampling.Study
        One summary per measurement: a share, a rate, a mean, or a mean logarithm.
    """
    keys = tuple(one.of for one in study.measures)

    def summaries(parameters: dict[str, np.ndarray], size: int, luck: Luck) -> np.ndarray:
        found = [_summary(one, parameters[one.of], size, luck(at)) for at, one in enumerate(study.measures)]
        return np.column_stack(found)

    return Observed(tuple(dict.fromkeys(keys)), summaries)


def _summary(one: Measurement, truth: np.ndarray, size: int, luck: np.ndarray) -> np.ndarray:
    """Give what would be seen of one quantity in every draw."""
    patients = max(1, round(size * one.share))
    found: Any
    if one.kind == "binomial":
        from scipy.stats import binom

        found = binom.ppf(luck, patients, truth) / patients
    elif one.kind == "poisson":
        from scipy.stats import poisson

        assert one.exposure is not None
        found = poisson.ppf(luck, patients * one.exposure * truth) / patients
    else:
        from scipy.special import ndtri

        assert one.sd is not None
        mean = truth if one.kind == "normal" else np.log(truth)
        found = mean + one.sd / np.sqrt(patients) * ndtri(luck)
    summary: np.ndarray = found
    return summary
