"""Age norms of utility: the population's mean by sex and age in whole years."""

from __future__ import annotations

import csv
import functools
from typing import Final

import numpy as np

from sim.economics import kernel
from sim.evidence import DATA

#: Ages tabulated; nobody lives longer.
AGES: Final = kernel.AGES
#: Youngest age for which the UK norms hold; below it the value at that age is used (assumed).
UK_YOUNGEST: Final = 18
#: Name in the settings -> country and kind of row in ``utility_norms.csv``.
_SETS: Final = {"us": ("US", "mean"), "uk": ("UK", "mean"), "uk_equation": ("UK", "coefficient")}


@functools.cache
def norms(name: str) -> np.ndarray:
    """Tabulate a set of norms.

    Parameters
    ----------
    name
        ``us`` (Jiang 2021, by sex), ``uk`` (Janssen 2019), ``uk_equation`` (Ara and Brazier 2010, evaluated at the
        middle of a year of age), or ``none`` (1 at every age).

    Returns
    -------
    numpy.ndarray
        Shape (2, `AGES`): men, then women; the utility within each year of age. Read-only.
    """
    table = np.ones((2, AGES))
    if name != "none":
        country, kind = _SETS[name]
        rows = [row for row in _rows() if row["country"] == country and row["kind"] == kind]
        table = _equation(rows) if kind == "coefficient" else _bands(rows)
    table.setflags(write=False)
    return table


def norm_at(name: str, age: float) -> float:
    """Give the norm at an age in years, the mean of both sexes."""
    return float(norms(name)[:, min(int(age), AGES - 1)].mean())


@functools.cache
def _rows() -> list[dict[str, str]]:
    with (DATA / "utility_norms.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _bands(rows: list[dict[str, str]]) -> np.ndarray:
    table = np.full((2, AGES), np.nan)
    for row in rows:
        sexes = {"male": [0], "female": [1], "both": [0, 1]}[row["sex"]]
        table[sexes, int(row["age_low"]) : int(row["age_high"]) + 1] = float(row["value"])
    youngest = int(np.argmin(np.isnan(table[0])))
    table[:, :youngest] = table[:, [youngest]]
    oldest = AGES - 1 - int(np.argmin(np.isnan(table[0, ::-1])))
    table[:, oldest + 1 :] = table[:, [oldest]]
    return table


def _equation(rows: list[dict[str, str]]) -> np.ndarray:
    term = {row["term"]: float(row["value"]) for row in rows}
    age = np.maximum(np.arange(AGES) + 0.5, UK_YOUNGEST)
    both = term["intercept"] + term["age"] * age + term["age squared"] * age * age
    return np.clip(np.stack([both + term["male"], both]), 0.0, 1.0)
