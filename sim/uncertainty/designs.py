"""Designs: which cells of settings a sweep visits.

Lists and ranges make a grid; bounds are filled by a space-filling design (Latin hypercube, Sobol) or by Saltelli's,
from which sensitivity indices follow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sim.problems import Problem

DESIGNS: Final = ("grid", "latin_hypercube", "sobol", "saltelli")
#: Cells beyond which a sweep is taken for a mistake.
MOST_CELLS: Final = 1_000_000


def cells(grid: Mapping[str, Any], design: str = "grid", points: int = 64, seed: int = 1) -> list[dict[str, Any]]:
    """List the cells of a sweep.

    Parameters
    ----------
    grid
        Key -> what it takes: a list of values; ``{from, to, step}`` or ``{from, to, count}``, ends included (``log:
        true`` for steps of equal ratio); ``{low, high}`` (``log``, ``whole``) in a space-filling design; one value.
    design
        ``grid``: every combination. ``latin_hypercube``, ``sobol``: `points` cells over the bounds, each combined with
        every combination of the lists. ``saltelli``: `points` x (bounds + 2) cells, bounds only.
    points
        Size of a space-filling design (a power of two for Sobol and Saltelli).
    seed
        Seed of the design.

    Returns
    -------
    list of dict
        Key -> value, in the order of the grid; the last key varies fastest.

    Raises
    ------
    Problem
        When an entry cannot be read or the design does not fit it; everything wrong is said at once.
    """
    bounds = {key: entry for key, entry in grid.items() if isinstance(entry, Mapping) and "low" in entry}
    _check(grid, bounds, design, points)
    lists = {key: _listed(key, entry) for key, entry in grid.items() if key not in bounds}
    number = math.prod(len(values) for values in lists.values()) * (_size(design, len(bounds), points) if bounds else 1)
    if number > MOST_CELLS:
        raise Problem(f"sweep: {number:,} cells are more than {MOST_CELLS:,}; make lists shorter")
    filled = _filled(bounds, design, points, seed) if bounds else [{}]
    combined = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    return [{key: {**cell, **chosen}[key] for key in grid} for chosen in combined for cell in filled]


def _check(grid: Mapping[str, Any], bounds: Mapping[str, Any], design: str, points: int) -> None:
    from sim.problems import did_you_mean, joined

    found = []
    if design not in DESIGNS:
        found.append(f"sweep.design={design}: {did_you_mean(design, DESIGNS)}")
    if not grid:
        found.append(
            "sweep.grid: is empty; give keys and values, for example '{clinic.transplant.trm.value: [0.05,0.1]}'"
        )
    for key, entry in bounds.items():
        found += _bound_problems(key, entry)
    if design == "grid" and bounds:
        key = next(iter(bounds))
        found.append(
            f"sweep.grid.{key}: low and high are for a space-filling design; set sweep.design=sobol, or give a list, "
            "or {from, to, count}"
        )
    if design in DESIGNS[1:] and not bounds and grid:
        found.append(
            f"sweep.design={design}: needs keys with {{low, high}}; all keys have lists, so use sweep.design=grid"
        )
    if design == "saltelli" and len(bounds) < len(grid) and bounds:
        key = next(key for key in grid if key not in bounds)
        found.append(f"sweep.grid.{key}: a Saltelli design takes {{low, high}} for every key")
    if design in ("sobol", "saltelli") and (points < 1 or points & (points - 1)):
        found.append(f"sweep.points={points}: must be a power of two for design {design}, for example 64")
    for key, entry in grid.items():
        if key not in bounds:
            try:
                _listed(key, entry)
            except Problem as problem:
                found.append(str(problem))
    if found:
        raise Problem(joined(found))


def _bound_problems(key: str, entry: Mapping[str, Any]) -> list[str]:
    unknown = set(entry) - {"low", "high", "log", "whole"}
    if unknown:
        return [f"sweep.grid.{key}: unknown word {sorted(unknown)[0]!r}; low, high, log, whole are known"]
    low: Any = entry.get("low")
    high: Any = entry.get("high")
    if not _is_number(low) or not _is_number(high) or not low < high:
        return [f"sweep.grid.{key}: low ({low}) and high ({high}) must be numbers, low the smaller"]
    if entry.get("log") and low <= 0:
        return [f"sweep.grid.{key}: low ({low:g}) must be greater than 0 where log is true"]
    return []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _listed(key: str, entry: Any) -> list[Any]:
    """Write out a list or a range."""
    if isinstance(entry, Mapping):
        return _ranged(key, entry)
    if not isinstance(entry, Sequence) or isinstance(entry, str):
        return [entry]
    if not entry:
        raise Problem(f"sweep.grid.{key}: the list is empty")
    values = list(entry)
    for at, value in enumerate(values):
        if value in values[:at]:
            raise Problem(f"sweep.grid.{key}: {value!r} stands twice")
    return values


def _ranged(key: str, entry: Mapping[str, Any]) -> list[Any]:
    unknown = set(entry) - {"from", "to", "step", "count", "log"}
    if unknown or not {"from", "to"} <= set(entry) or ("step" in entry) == ("count" in entry):
        raise Problem(
            f"sweep.grid.{key}: {dict(entry)} cannot be read; give a list, {{from, to, step}}, {{from, to, count}} or "
            "{low, high}"
        )
    start, stop = entry["from"], entry["to"]
    if not _is_number(start) or not _is_number(stop) or not start < stop:
        raise Problem(f"sweep.grid.{key}: from ({start}) and to ({stop}) must be numbers, from the smaller")
    if "step" in entry:
        return _stepped(key, start, stop, entry["step"], bool(entry.get("log")))
    count = entry["count"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        raise Problem(f"sweep.grid.{key}: count ({count}) must be a whole number of at least 2")
    if entry.get("log"):
        if start <= 0:
            raise Problem(f"sweep.grid.{key}: from ({start:g}) must be greater than 0 where log is true")
        inner = np.geomspace(start, stop, count)[1:-1].tolist()
    else:
        inner = np.linspace(start, stop, count)[1:-1].tolist()
    return [start, *(float(f"{value:.12g}") for value in inner), stop]


def _stepped(key: str, start: float, stop: float, step: Any, log: bool) -> list[Any]:
    if not _is_number(step) or step <= 0 or log:
        raise Problem(f"sweep.grid.{key}: step ({step}) must be a number above 0, and log goes with count only")
    number = math.floor((stop - start) / step + 1e-9) + 1
    if all(isinstance(value, int) for value in (start, stop, step)):
        return [start + step * at for at in range(number)]
    return [float(f"{start + step * at:.12g}") for at in range(number)]


def _size(design: str, keys: int, points: int) -> int:
    return points * (keys + 2) if design == "saltelli" else points


def _filled(bounds: Mapping[str, Any], design: str, points: int, seed: int) -> list[dict[str, Any]]:
    unit = _unit(design, len(bounds), points, seed)
    columns = [_scaled(entry, unit[:, at]) for at, entry in enumerate(bounds.values())]
    return [dict(zip(bounds, values, strict=True)) for values in zip(*columns, strict=True)]


def _unit(design: str, keys: int, points: int, seed: int) -> np.ndarray:
    """Fill the unit cube."""
    from scipy.stats import qmc

    if design == "latin_hypercube":
        filled: np.ndarray = qmc.LatinHypercube(keys, rng=seed).random(points)
    elif design == "sobol":
        filled = qmc.Sobol(keys, scramble=True, rng=seed).random_base2(points.bit_length() - 1)
    else:
        from SALib.sample.sobol import sample

        filled = sample(saltelli_problem([str(k) for k in range(keys)]), points, calc_second_order=False, seed=seed)
    return filled


def saltelli_problem(names: Sequence[str]) -> dict[str, Any]:
    """Describe parameters on the unit cube in SALib's words."""
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def _scaled(entry: Mapping[str, Any], unit: np.ndarray) -> list[Any]:
    low, high = entry["low"], entry["high"]
    if entry.get("whole"):
        return [int(value) for value in np.minimum(np.floor(low + (high + 1 - low) * unit), high)]
    if entry.get("log"):
        scaled = np.exp(math.log(low) + (math.log(high) - math.log(low)) * unit)
    else:
        scaled = low + (high - low) * unit
    return [float(value) for value in scaled]


def sobol_indices(names: Sequence[str], outcome: np.ndarray, seed: int = 1) -> list[dict[str, Any]]:
    """Estimate first-order and total Sobol indices from a Saltelli design's outcomes (SALib).

    Parameters
    ----------
    names
        Keys, in the order of the design.
    outcome
        One number per cell, in the order of the cells.
    seed
        Of the bootstrap behind the intervals.

    Returns
    -------
    list of dict
        key, first, first_low, first_high, total, total_low, total_high (95 % intervals); all NaN for an outcome that
        does not vary.
    """
    from SALib.analyze.sobol import analyze

    if np.ptp(outcome) == 0.0:
        blank = dict.fromkeys(("first", "first_low", "first_high", "total", "total_low", "total_high"), math.nan)
        return [{"key": name} | blank for name in names]
    found = analyze(saltelli_problem(names), outcome, calc_second_order=False, num_resamples=200, seed=seed)
    rows = []
    for at, name in enumerate(names):
        row: dict[str, Any] = {"key": name}
        for kind, short in (("first", "S1"), ("total", "ST")):
            value, reach = float(found[short][at]), float(found[f"{short}_conf"][at])
            row |= {kind: value, f"{kind}_low": value - reach, f"{kind}_high": value + reach}
        rows.append(row)
    return rows
