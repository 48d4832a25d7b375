"""Which rows a tally counts, and a block of patients prepared for it: flags as bits, numbers as rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from sim.tally.curves import STRATA, month_code
from sim.tally.measures import (
    INCIDENCE,
    MEAN,
    MEDIAN,
    PRODUCT_LIMIT,
    SHARE,
    SURVIVAL,
    Measure,
    curves_at,
    measures_at,
)
from sim.tally.outcomes import CODES, POPULATIONS, Outcomes, states_at

#: Index of each population.
POPULATION: Final = {name: i for i, name in enumerate(POPULATIONS)}

_EVEN_BYTES, _BYTE = np.uint64(0x00FF00FF00FF00FF), np.uint64(8)
_LANE_SUM, _TOP_LANE = np.uint64(0x0001000100010001), np.uint64(48)


class Layout:
    """Which rows a tally counts at an origin.

    Attributes
    ----------
    shares
        (measure, month or None) of every share, month by month.
    means
        The same for means.
    limits
        (time, population) of every product limit and median, each once.
    curves
        Measures that are curves of plain proportions.
    states
        Names of the states, in order.
    curve_among
        Population of each curve and state.
    groups
        Populations in which times are counted.
    paired_shares
        Indices of the shares that are compared patient by patient.
    share_among, mean_among
        Index of the population of each share and mean.
    equal_rows, equal_columns, equal_values
        Shares that compare a column with a code: their row, column (of `CODES`) and code.
    share_rows
        First row and measure of every other share.
    thresholds
        Month codes at which a measure is given, shape (months, 1).
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.measures = measures_at(origin)
        self.shares = self._rows(SURVIVAL, INCIDENCE, SHARE)
        self.means = self._rows(MEAN)
        self.limits = list(
            dict.fromkeys((str(m.of), m.among) for m in self.measures if m.kind in (PRODUCT_LIMIT, MEDIAN))
        )
        self.curves = [m for m in curves_at(origin) if m.kind != PRODUCT_LIMIT]
        self.states = states_at(origin)
        self.curve_among = [m.among for m in self.curves] + ["counted"] * len(self.states)
        self.groups = sorted({*self.curve_among, *(among for _, among in self.limits)})
        self.paired_shares = np.array([i for i, (m, _) in enumerate(self.shares) if m.paired])
        self.share_among = np.array([POPULATION[m.among] for m, _ in self.shares])
        self.mean_among = np.array([POPULATION[m.among] for m, _ in self.means])
        self._plan_shares()
        self.thresholds = {
            m.name: np.array([[month_code(month)] for month in m.months], dtype=np.uint8)
            for m in self.measures
            if m.months
        }

    def _plan_shares(self) -> None:
        """Tell flags that compare a column with a code, done at once, from those that are computed one by one."""
        firsts = {m.name: i for i, (m, _) in reversed(list(enumerate(self.shares)))}
        coded = [(i, m.of) for i, (m, _) in enumerate(self.shares) if isinstance(m.of, tuple)]
        self.equal_rows = np.array([i for i, _ in coded])
        self.equal_columns = np.array([CODES.index(of[0]) for _, of in coded])
        self.equal_values = np.array([[of[1]] for _, of in coded], dtype=np.int16)
        self.share_rows = [(i, self.shares[i][0]) for i in sorted(firsts.values()) if callable(self.shares[i][0].of)]

    def _rows(self, *kinds: str) -> list[tuple[Measure, int | None]]:
        return [(m, month) for m in self.measures if m.kind in kinds for month in (m.months or (None,))]


layout_at = lru_cache(maxsize=None)(Layout)


def pack(flags: np.ndarray) -> np.ndarray:
    """Pack flags, shape (rows, n), into 64-bit words, shape (rows, ceil(n / 64)); padding is 0."""
    packed = np.packbits(flags, axis=1)
    missing = -packed.shape[1] % 8
    return np.pad(packed, ((0, 0), (0, missing))).view(np.uint64) if missing else packed.view(np.uint64)


def ones(words: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Count the bits set in each row, by stratum: shape (2, rows).

    Bits per word are summed eight words at a time, in lanes of 16 bits (a block has at most 4,096 patients).
    """
    per_word = np.bitwise_count(words & strata[:, None])
    missing = -per_word.shape[2] % 8
    eights = (np.pad(per_word, ((0, 0), (0, 0), (0, missing))) if missing else per_word).view(np.uint64)
    lanes = ((eights & _EVEN_BYTES) + ((eights >> _BYTE) & _EVEN_BYTES)).sum(axis=2)
    return ((lanes * _LANE_SUM) >> _TOP_LANE).astype(np.int64)


class Prepared:
    """One policy's block, ready to be counted: flags as bits, numbers as rows, codes by curve.

    `outcomes` and `codes` may be read until the next block uses their memory.
    """

    def __init__(self, layout: Layout, outcomes: Outcomes, room: np.ndarray) -> None:
        self.outcomes = outcomes
        self.population = np.stack([outcomes.population[name] for name in POPULATIONS])
        self.among = pack(self.population)
        self.codes = {m.name: m.of(outcomes) for m in layout.curves}  # type: ignore[operator]
        self.flags = pack(self._flags(layout, room)) & self.among[layout.share_among]
        self.numbers = np.zeros((len(layout.means), outcomes.n))
        for row, (m, month) in zip(self.numbers, layout.means, strict=True):
            value = m.of(outcomes) if month is None else m.of(outcomes, month)  # type: ignore[operator]
            np.copyto(row, value, where=outcomes.population[m.among])

    def _flags(self, layout: Layout, flags: np.ndarray) -> np.ndarray:
        o = self.outcomes
        flags[layout.equal_rows] = o.codes[layout.equal_columns] == layout.equal_values
        for row, m in layout.share_rows:
            found = self.codes[m.name] if m.name in self.codes else m.of(o)  # type: ignore[operator]
            if m.kind == SHARE:
                flags[row] = found
            else:
                compare = np.greater if m.kind == SURVIVAL else np.less_equal
                compare(found, layout.thresholds[m.name], out=flags[row : row + len(m.months)])
        return flags


def sums_and_squares(numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum numbers and squares by stratum: shape (2, 2, rows)."""
    sums = np.empty((STRATA, 2, len(numbers)))
    for s in range(STRATA):
        inside = numbers * weights[s]
        sums[s, 0] = inside.sum(axis=1)
        inside *= numbers
        sums[s, 1] = inside.sum(axis=1)
    return sums
