"""Real patients: a CSV table of attributes, checked cell by cell.

One row per patient, one column per attribute (any of them; those absent and cells left empty are drawn). Categories
may be written as names or codes. `blasts_percent` may stand for `burden`, `id` is a free label that is not used.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sim.cohort.attributes import BLINATUMOMAB, BURDEN_CLASSES, BURDEN_EDGES, DONORS, RELAPSES, SITES, TP53
from sim.patient import attribute_names
from sim.problems import Problem, did_you_mean, joined

#: Layout of given rows: every attribute as a float, NaN where the table leaves it open.
GIVEN: Final = np.dtype([(name, np.float64) for name in attribute_names()])
#: Problems listed before the rest is only counted.
LISTED: Final = 20
BLASTS: Final = "blasts_percent"
LABEL: Final = "id"

_FLAG_WORDS: Final = {"no": 0, "yes": 1, "false": 0, "true": 1}
_WORDS: Final[dict[str, dict[str, int]]] = {
    "female": {**_FLAG_WORDS, "male": 0, "female": 1},
    "burden_class": {name: code for code, name in enumerate(BURDEN_CLASSES)},
    "relapses": {name: code for code, name in enumerate(RELAPSES)},
    "blinatumomab": {name: code for code, name in enumerate(BLINATUMOMAB)},
    "tp53": {**{name: code for code, name in enumerate(TP53)}, "wild_type": 0},
    "site": {name: code for code, name in enumerate(SITES)},
    "donor": {name: code for code, name in enumerate(DONORS)},
}
#: Numeric columns: least, most, unit.
_RANGES: Final[dict[str, tuple[float, float, str]]] = {
    "age": (0.0, 100.0, "years"),
    "weight": (2.0, 300.0, "kg"),
    "burden": (-12.0, 0.0, "log10 of the fraction of marrow cells"),
    BLASTS: (0.0, 100.0, "percent"),
    "months_hct_to_relapse": (0.01, 600.0, "months"),
    "dose": (0.01, 20.0, "10^6/kg"),
    "flu_auc": (0.1, 100.0, "mg*h/L"),
}
#: Relapses may be any small number, beyond the categories of the cohort's table.
_MOST_RELAPSES: Final = 20

_Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A relation between the cells of a row: broken when `broken` says so."""

    column: str
    broken: Callable[[_Row], bool]
    rule: str


def _lowest_class(row: _Row) -> int:
    return sum(row["burden"] >= math.log10(percent / 100.0) for percent in BURDEN_EDGES)


_RULES: Final = (
    _Rule(
        "months_hct_to_relapse",
        lambda row: row["prior_hct"] == 0 and math.isfinite(row["months_hct_to_relapse"]),
        "must be empty where prior_hct is 0",
    ),
    _Rule("hct_tbi", lambda row: row["prior_hct"] == 0 and row["hct_tbi"] == 1, "must not be 1 where prior_hct is 0"),
    _Rule(
        "relapses",
        lambda row: (
            row["relapses"] == 0
            and (row["prior_hct"] == 1 or row["hct_tbi"] == 1 or math.isfinite(row["months_hct_to_relapse"]))
        ),
        "must be at least 1 after a prior HCT",
    ),
    _Rule(
        "refractory",
        lambda row: row["relapses"] == 0 and row["refractory"] == 0,
        "must not be 0 where relapses is 0 (primary refractory)",
    ),
    _Rule(
        "burden_class",
        lambda row: (
            not math.isnan(row["burden"])
            and not math.isnan(row["burden_class"])
            and max(0, int(row["burden_class"]) - 1) != _lowest_class(row)
        ),
        "must be the class of the blasts given in the same row",
    ),
    _Rule(BLASTS, lambda row: row[BLASTS] == 0 and row["burden_class"] != 0, "must not be 0 where burden_class is not"),
    _Rule(
        "site",
        lambda row: (
            row["site"] == SITES.index("isolated_cns")
            and (row["burden_class"] >= 2 or row["burden"] >= math.log10(BURDEN_EDGES[0] / 100.0))
        ),
        f"isolated_cns must go with less than {BURDEN_EDGES[0]:g} % marrow blasts",
    ),
)


def read_patients(path: str | Path, products: Sequence[str]) -> np.ndarray:
    """Read and check a table of patients.

    Parameters
    ----------
    path
        Comma-separated text with a header.
    products
        Names of the product catalogue in code order.

    Returns
    -------
    numpy.ndarray
        Shape (rows,), dtype `GIVEN`.

    Raises
    ------
    Problem
        Naming file, row, column, value and rule, for all that is wrong with the table (the first `LISTED` of it).
    """
    source = Path(path)
    columns, lines = _read(source)
    _check_columns(source, columns)
    table = np.full(len(lines), np.nan, dtype=GIVEN)
    problems: list[str] = []
    for index, (line, cells) in enumerate(lines):
        where = f"{source.name}, row {index + 1} (line {line})"
        values, wrong = _parse(columns, cells, tuple(products))
        problems.extend(f"{where}, {problem}" for problem in wrong)
        table[index] = tuple(values[name] for name in GIVEN.names or ())
    if problems:
        more = [f"and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
        raise Problem(joined([*problems[:LISTED], *more], heading=f"cohort.patients: {len(problems)} problems"))
    return table


def _read(source: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with source.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(text, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Problem(f"cohort.patients={source}: cannot be read as comma-separated UTF-8 text ({reason})") from error
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise Problem(f"cohort.patients={source}: the file is empty, a header and at least one row are needed")
    if len(rows) == 1:
        raise Problem(f"cohort.patients={source}: there is a header but no patient, at least one row is needed")
    return rows[0][1], rows[1:]


def _check_columns(source: Path, columns: list[str]) -> None:
    known = [*attribute_names(), BLASTS, LABEL]
    problems = [
        f"column {name!r} occurs {columns.count(name)} times: it must occur once"
        for name in dict.fromkeys(columns)
        if columns.count(name) > 1
    ]
    if len(columns) == 1 and ";" in columns[0]:
        problems.append("columns are separated by semicolons: they must be separated by commas")
    else:
        problems += [
            f"unknown column {name!r}, {did_you_mean(name, known, listed=len(known))}"
            for name in dict.fromkeys(columns)
            if name not in known
        ]
    if BLASTS in columns and "burden" in columns:
        problems.append(f"columns burden and {BLASTS} say the same: only one of them may stand")
    if problems:
        raise Problem(joined(f"{source.name}: {problem}" for problem in problems))


def _parse(columns: list[str], cells: list[str], products: tuple[str, ...]) -> tuple[_Row, list[str]]:
    values = dict.fromkeys([*attribute_names(), BLASTS], math.nan)
    if len(cells) != len(columns):
        return values, [f"has {len(cells)} cells where the header has {len(columns)}: they must match"]
    problems = []
    for column, cell in zip(columns, cells, strict=True):
        if not cell or column == LABEL:
            continue
        try:
            values[column] = _value(column, cell, products)
        except ValueError as error:
            problems.append(f"column {column}: {cell!r} {error}")
    values |= _from_blasts(values)
    if not problems:
        problems.extend(_broken(values, dict(zip(columns, cells, strict=True))))
        values |= _implied(values)
    return values, problems


def _value(column: str, cell: str, products: tuple[str, ...]) -> float:
    """Read one cell; a ValueError states the rule it breaks."""
    words = {name: code for code, name in enumerate(products)} if column == "product" else _WORDS.get(column)
    if column in _RANGES:
        return _number(column, cell)
    words = _FLAG_WORDS if words is None else words
    if cell.lower() in words:
        return float(words[cell.lower()])
    most = _MOST_RELAPSES if column == "relapses" else max(words.values())
    try:
        code = float(cell)
    except ValueError:
        raise ValueError(f"is not a name: {did_you_mean(cell, words)}") from None
    if not (0 <= code <= most and code.is_integer()):
        raise ValueError(f"must be a whole number from 0 to {most} or a name ({', '.join(words)})")
    return code


def _number(column: str, cell: str) -> float:
    least, most, unit = _RANGES[column]
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"must be a number ({unit})") from None
    if column == "months_hct_to_relapse" and value == math.inf:
        return value
    if not least <= value <= most:
        raise ValueError(f"must lie between {least:g} and {most:g} ({unit})")
    return value


def _from_blasts(values: _Row) -> _Row:
    percent = values[BLASTS]
    if math.isnan(percent):
        return {}
    if percent > 0.0:
        return {"burden": max(_RANGES["burden"][0], math.log10(percent / 100.0))}
    return {"burden_class": 0.0} if math.isnan(values["burden_class"]) else {}


def _broken(values: _Row, cells: dict[str, str]) -> Iterator[str]:
    for rule in _RULES:
        if rule.broken(values):
            yield f"column {rule.column}: {cells.get(rule.column, '')!r} {rule.rule}"


def _implied(values: _Row) -> _Row:
    """Add what the given cells leave no choice about."""
    if values["hct_tbi"] == 1 or math.isfinite(values["months_hct_to_relapse"]):
        return {"prior_hct": 1.0}
    return {"prior_hct": 0.0} if values["months_hct_to_relapse"] == math.inf else {}
