"""The input facts: evidence rows, life tables and where a number may come from.

Files live in ``sim/data``. Life tables and ids are read with the standard library, so that settings can be checked
without importing pandas; only `evidence` needs it.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.lifetable import AGES
from sim.problems import Problem, did_you_mean, nearest

if TYPE_CHECKING:
    import pandas as pd

DATA: Final = Path(__file__).parent / "data"
#: Columns of ``evidence.csv`` that hold numbers.
NUMERIC: Final = ("low", "high", "at_months", "n", "price_year")
SEXES: Final = ("male", "female")

#: Sources that are not rows of the evidence table.
SOURCES: Final[dict[str, str]] = {
    "-": "no source: assumed, with a wide range",
    "assumed": "no source: assumed, with a wide range",
    "definition": "true by definition of the unit, class or assay",
    "derived": "arithmetic on other lines or evidence rows; the line's text says which",
    "structure RS": "the project's own feasibility fit: leukaemic clones on straight lines, 16 free parameters",
    "biology-notes": "mixes of patients assumed for each published cohort in that feasibility fit",
    "model": "the project's model specification",
    "clinical-rules": "the project's reading of the review into rules and distributions",
    "growth charts": "CDC 2000 growth charts, median weight for age (recalled: verify before use)",
    "judgement": "clinical judgement, not yet reviewed by a second person: assumed",
}

_ROW_ID: Final = re.compile(r"([A-Z]+\d+)[a-z]?")


@functools.cache
def evidence() -> pd.DataFrame:
    """Read the evidence table, clinical and economic together.

    Returns
    -------
    pandas.DataFrame
        One row per fact, indexed by `id`; the columns in `NUMERIC` are floats (NaN where blank), `value` is a float
        and NaN where the row states a rule, everything else text ("" where blank). Shared: do not change it.
    """
    import pandas as pd

    table = pd.read_csv(DATA / "evidence.csv", dtype=str, keep_default_na=False).set_index("id")
    for column in ("value", *NUMERIC):
        table[column] = pd.to_numeric(table[column])
    return table


@functools.cache
def evidence_ids() -> frozenset[str]:
    """List the ids of the evidence table, base ids (``REL15`` for ``REL15a`` to ``REL15e``) included."""
    with (DATA / "evidence.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row["id"] for row in csv.DictReader(lines)]
    bases = [match.group(1) for row in rows if (match := _ROW_ID.fullmatch(row))]
    return frozenset(rows) | frozenset(bases)


def source_known(name: str) -> bool:
    """Tell whether `name` is an evidence id, the base id of split rows, or one of `SOURCES`."""
    return name in SOURCES or name in evidence_ids()


def unknown_sources(text: str) -> list[str]:
    """List the names in a line's ``source`` (separated by ``;``) that `source_known` does not know."""
    return [name for part in text.split(";") if not source_known(name := part.strip())]


def nearest_source(name: str) -> str | None:
    """Find the known source that a mistyped one most likely meant, or None."""
    return nearest(name, evidence_ids() | SOURCES.keys())


@functools.cache
def _life_tables() -> dict[tuple[str, str], dict[tuple[str, int], float]]:
    tables: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
    with (DATA / "life_tables.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            table = tables.setdefault((row["country"], row["year"]), {})
            table[row["sex"], int(row["age"])] = float(row["qx"])
    return tables


def life_tables() -> list[tuple[str, str]]:
    """List the life tables at hand as pairs of country and year."""
    return sorted(_life_tables())


def life_table(country: str = "US", year: str | int = "2019") -> dict[tuple[str, int], float]:
    """Read one life table as published.

    Parameters
    ----------
    country, year
        One of `life_tables` ("UK" spans "2018-2020").

    Returns
    -------
    dict
        Probability of dying within a year, by sex ("male", "female") and age in whole years.

    Raises
    ------
    Problem
        When there is no such table.
    """
    key = (country, str(year))
    if key not in _life_tables():
        names = [" ".join(pair) for pair in life_tables()]
        raise Problem(f"life table {country} {year}: no such table, {did_you_mean(' '.join(key), names)}")
    return dict(_life_tables()[key])


@functools.cache
def cumulative_hazards(country: str = "US", year: str | int = "2019") -> np.ndarray:
    """Turn a life table into cumulative hazards for `sim.lifetable`.

    Within a year of age the hazard is constant, ``-ln(1 - q)``. An open last age (q = 1) keeps the last finite hazard;
    a missing age 0 (the US table of 2019) takes the value of age 1.

    Parameters
    ----------
    country, year
        One of `life_tables`.

    Returns
    -------
    numpy.ndarray
        Shape (2, 102), read-only: male, then female; cumulative hazard at ages 0, 1, ... 101.

    Raises
    ------
    Problem
        When there is no such table.
    """
    table = life_table(country, year)
    hazards = np.array([_yearly_hazards(table, sex) for sex in SEXES])
    result = np.concatenate([np.zeros((2, 1)), np.cumsum(hazards, axis=1)], axis=1)
    result.setflags(write=False)
    return result


def _yearly_hazards(table: dict[tuple[str, int], float], sex: str) -> list[float]:
    hazards: list[float] = []
    for age in range(AGES):
        q = table[sex, age if age > 0 or (sex, 0) in table else 1]
        hazards.append(-math.log1p(-q) if q < 1.0 else hazards[-1])
    return hazards


def evidence_hash() -> str:
    """Hash the tables in ``sim/data`` (SHA-256, hexadecimal): part of a run's manifest and folder name."""
    digest = hashlib.sha256()
    for path in sorted(DATA.glob("*.csv")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
