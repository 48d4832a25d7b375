"""Joint draws from a file: the rows of a calibrated posterior, or of an analysis of the user's own.

A CSV or Parquet table: one column per parameter line (dotted key, in the line's own unit), one row per joint draw. Rows
are used whole, so their correlation is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sim.problems import Problem, did_you_mean, joined, nearest

if TYPE_CHECKING:
    import pandas as pd

    from sim.lines import Line

#: Columns that a file may hold beside parameters: they say where a row comes from.
PROVENANCE = ("draw", "row", "chain", "iteration", "weight", "log_posterior", "log_likelihood", "structure")


@dataclass(frozen=True)
class Posterior:
    """Joint draws of some parameter lines.

    Attributes
    ----------
    path
        The file.
    keys
        Lines, in the order of the file.
    rows
        Values in the lines' own units, shape (rows, keys).
    told
        Mean of each line as a calibration wrote it into the parameter lines (rounded as they are); empty: the rows'.
    """

    path: str
    keys: tuple[str, ...]
    rows: np.ndarray
    told: dict[str, float] = field(default_factory=dict)

    def mean(self, key: str) -> float:
        """Give the mean of a line: the base case of a probabilistic analysis."""
        values = self.rows[:, self.keys.index(key)]
        own = float(values[0]) if (values == values[0]).all() else float(values.mean())
        return self.told.get(key, own)


def read_posterior(path: str, lines: Mapping[str, Line]) -> Posterior:
    """Read and check a file of joint draws.

    Parameters
    ----------
    path
        ``.csv`` or ``.parquet``.
    lines
        Every line of the run by key.

    Raises
    ------
    Problem
        When the file is missing or broken, names an unknown line, or holds a value that is impossible; all wrong
        columns are named at once.
    """
    table = _table(Path(path))
    table = table.drop(columns=[name for name in PROVENANCE if name in table.columns])
    names = [str(name).removesuffix(".value") for name in table.columns]
    if not names or not len(table):
        raise Problem(f"{path}: holds no draws; columns are parameter lines, rows are joint draws")
    found = [f"{path}: column {name!r} stands twice" for name in names if names.count(name) > 1]
    for column, name in zip(table.columns, names, strict=True):
        found += _column_problems(path, name, table[column], lines)
    if found:
        raise Problem(joined(found))
    return Posterior(path, tuple(names), table.to_numpy(dtype=np.float64), _told(Path(path)))


def _told(path: Path) -> dict[str, float]:
    """Read the means of a calibration's own sample, after checking that it is whole; empty for other files."""
    if path.suffix != ".parquet":
        return {}
    import pyarrow.parquet as pq

    from sim.calibration.posterior import META, read_posterior_file

    if META not in (pq.read_schema(path).metadata or {}):
        return {}
    return read_posterior_file(path).mean


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        near = nearest(path.name, [other.name for other in path.parent.glob("*") if other.is_file()])
        raise Problem(f"psa.posterior={path}: no such file" + (f", did you mean {near!r}?" if near else ""))
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, comment="#")
    except Exception as error:  # whatever pandas or pyarrow raise for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Problem(f"psa.posterior={path}: cannot be read ({reason}); give a .csv or .parquet table") from None


def _column_problems(path: str, name: str, column: pd.Series, lines: Mapping[str, Line]) -> list[str]:
    if name not in lines:
        return [f"{path}: unknown parameter line {name!r}, {did_you_mean(name, lines)}"]
    if column.dtype.kind not in "iuf":
        return [f"{path}: {name} holds something else than numbers"]
    values = column.to_numpy(dtype=np.float64)
    rule = impossible(lines[name], values)
    if rule is None:
        return []
    row, words = rule
    return [f"{path}: {name} is {values[row]:g} in row {row + 1}, but {words}"]


def impossible(line: Line, values: np.ndarray) -> tuple[int, str] | None:
    """Find the first value that a line cannot have.

    Returns
    -------
    tuple of int and str, or None
        Its position, and the rule that it breaks.
    """
    lowest, highest = line.bounds
    rules = [
        (~np.isfinite(values), "must be a finite number"),
        (values < lowest, f"must be at least {lowest:g}"),
        (values > highest, f"must be at most {highest:g}"),
    ]
    if line.open_below:
        rules.append((values == lowest, f"must be greater than {lowest:g}"))
    if line.whole:
        rules.append((np.floor(values) != values, "must be a whole number"))
    for wrong, words in rules:
        if wrong.any():
            return int(np.argmax(wrong)), words
    return None
