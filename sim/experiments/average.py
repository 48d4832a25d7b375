"""An average over structures, of a sweep that ran each of them: only with weights that were declared beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import pandas as pd

from sim.problems import Problem

if TYPE_CHECKING:
    from sim.compose import Job

#: What the average of a structure's results is no result of: medians.
NOT_LINEAR: Final = "_median"
#: Columns that tell one quantity from another, where a table has them.
KEYS: Final = ("option", "policy", "stratum", "measure", "months", "wtp", "unit")
#: Estimates and their standard errors.
ESTIMATES: Final = (("value", "mc_se"), ("nmb", "nmb_se"))


def check_weights(jobs: Sequence[Job]) -> None:
    """See that a sweep runs every structure that has a weight, and that the weights do not vary within it.

    Raises
    ------
    Problem
        When it does not, or they do.
    """
    weights = weights_of(jobs)
    if any((job.settings.calibration.weights or {}) != weights for job in jobs):
        raise Problem("calibration.weights: are declared once for a sweep and cannot vary within it")
    run = {job.settings.structure.name for job in jobs}
    missing = sorted(name for name, weight in weights.items() if weight > 0.0 and name not in run)
    if missing:
        names = ",".join(name for name, weight in weights.items() if weight > 0.0)
        raise Problem(f"calibration.weights: {missing[0]} has a weight and is not run; say structure={names}")


def weights_of(jobs: Sequence[Job]) -> dict[str, float]:
    """Give the weights that a sweep declares; empty where it declares none."""
    return dict(jobs[0].settings.calibration.weights or {})


def average(tables: Mapping[int, pd.DataFrame], jobs: Sequence[Job]) -> pd.DataFrame:
    """Average a table over structures.

    Parameters
    ----------
    tables
        Number of a job -> one of its tables: keys (`KEYS`), an estimate and its standard error (`ESTIMATES`).
    jobs
        The jobs of the sweep; those that differ in nothing but the structure are averaged together.

    Returns
    -------
    pandas.DataFrame
        ``job`` (``average``), ``overrides`` (what varies beside the structure), the keys, the estimate, ``between`` (SD
        between structures, by the same weights) and the error, which is the weighted sum of the structures' own: the
        patients are the same ones, so their errors do not cancel. A quantity that some structure with a weight does not
        have is left out, and so are medians.
    """
    weights = weights_of(jobs)
    estimate, error = next(pair for pair in ESTIMATES if pair[0] in next(iter(tables.values())).columns)
    parts = []
    for number, table in tables.items():
        weight = weights.get(jobs[number].settings.structure.name, 0.0)
        if weight > 0.0:
            rest = " ".join(text for text in jobs[number].overrides if not text.lstrip("+").startswith("structure="))
            parts.append(table.assign(weight=weight, overrides=rest))
    together = pd.concat(parts)
    if "measure" in together:
        together = together[~together["measure"].str.endswith(NOT_LINEAR)]
    keys = ["overrides", *(name for name in KEYS if name in together.columns)]
    together = together.dropna(subset=[estimate])
    together = together.assign(
        first=together["weight"] * together[estimate],
        second=together["weight"] * together[estimate] ** 2,
        error=together["weight"] * together[error],
    )
    sums = together.groupby(keys, dropna=False, sort=False)[["weight", "first", "second", "error"]].sum().reset_index()
    sums = sums[(sums["weight"] - 1.0).abs() < 1e-9]
    variance = (sums["second"] - sums["first"] ** 2).clip(lower=0.0)
    return (
        sums[keys]
        .assign(**{estimate: sums["first"], error: sums["error"], "between": variance**0.5})
        .pipe(lambda found: found.assign(job="average")[["job", *found.columns]])
    )
