"""Who comes when, and to which centre: keyed by the patient, so that nobody's arrival depends on the hospital."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from sim import decisions
from sim.draws import uniforms
from sim.problems import Problem
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

_TURN: Final = 2.0 * math.pi / DAYS_PER_YEAR


def arrival_days(arrivals: Any, seed: int, numbers: np.ndarray) -> np.ndarray:
    """Give the day on which each patient is referred.

    A Poisson process by the gaps of its own patients: each gap is a unit exponential spent at the rate of the season.

    Parameters
    ----------
    arrivals
        ``hospital.arrivals`` of the settings, with a rate.
    seed
        Seed of the run.
    numbers
        Numbers of consecutive patients; the first one's gap starts at day 0.

    Returns
    -------
    numpy.ndarray
        Days, rising, shape (n,).
    """
    spent = np.cumsum(-np.log(uniforms(seed, numbers, decisions.ARRIVAL)))
    rate = arrivals.per_year / DAYS_PER_YEAR
    if arrivals.seasonality == 0.0:
        return np.asarray(spent / rate)
    return _invert(spent / rate, arrivals.seasonality, (arrivals.peak_month - 0.5) * DAYS_PER_MONTH)


def season(days: np.ndarray, swing: float, peak: float) -> np.ndarray:
    """Integrate the seasonal factor from day 0: ``t + swing (sin(w (t - peak)) + sin(w peak)) / w``."""
    return np.asarray(days + swing / _TURN * (np.sin(_TURN * (days - peak)) + math.sin(_TURN * peak)))


def _invert(target: np.ndarray, swing: float, peak: float) -> np.ndarray:
    """Solve ``season(t) = target`` by bisection (it rises, and stays within half a swing's year of `target`)."""
    reach = 2.0 * swing / _TURN + 1.0
    low, high = np.maximum(0.0, target - reach), target + reach
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = season(middle, swing, peak) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(0.5 * (low + high))


def read_days(file: str) -> np.ndarray:
    """Read the days of arrival from a file with a column ``day``.

    Raises
    ------
    Problem
        When there is no such file or column, or a cell is not a day.
    """
    path = Path(file)
    if not path.is_file():
        raise Problem(f"hospital.arrivals.file={file}: no such file")
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        if reader.fieldnames is None or "day" not in reader.fieldnames:
            raise Problem(f"hospital.arrivals.file={file}: there must be a column 'day' (days from the start)")
        days = [_day(row["day"], file, reader.line_num) for row in reader]
    if not days:
        raise Problem(f"hospital.arrivals.file={file}: there is a header but no arrival, at least one is needed")
    return np.sort(np.array(days))


def _day(cell: str | None, file: str, line: int) -> float:
    try:
        day = float(cell or "")
    except ValueError:
        day = math.nan
    if not (math.isfinite(day) and day >= 0.0):
        raise Problem(f"hospital.arrivals.file={file}, line {line}: {cell!r} must be a number of days, 0 or more")
    return day


def centre_of(hospital: Any, seed: int, numbers: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Give the index of the centre to which each patient is referred; 0 where there is only one.

    Parameters
    ----------
    hospital
        ``hospital`` of the settings.
    seed, numbers
        Seed of the run and numbers of the patients.
    far
        1 for patients who live far away, shape (n,).
    """
    if not hospital.centres:
        return np.zeros(len(numbers), dtype=np.int64)
    near_by = [centre.share for centre in hospital.centres.values()]
    from_far = [c.share if c.share_far is None else c.share_far for c in hospital.centres.values()]
    if sum(from_far) == 0.0:
        raise Problem("hospital.centres: share_far is 0 everywhere: patients from far away need at least one centre")
    u = uniforms(seed, numbers, decisions.CENTRE)
    chosen = [
        np.searchsorted(np.cumsum(weights)[:-1], u * sum(weights), side="right") for weights in (near_by, from_far)
    ]
    return np.where(np.asarray(far) == 1, chosen[1], chosen[0]).astype(np.int64)
