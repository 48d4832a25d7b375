"""Tallies: what is counted while blocks of patients stream by, small and the same however the blocks are split.

Counts are whole numbers; sums of times and doses are formed within an aligned block of patients, always in the same
way, and added up exactly (`exact`). So tallies can be filled in any order, sent between processes and merged, and give
the same bytes. Memory does not grow with the number of patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.cohort import BLOCK
from sim.kernel import INF
from sim.tally.curves import GRID, NEVER, STRATA, count
from sim.tally.exact import exact
from sim.tally.layout import Layout, Prepared, layout_at, ones, pack, sums_and_squares
from sim.tally.outcomes import ORIGINS, POPULATIONS, Outcomes, room_for

if TYPE_CHECKING:
    import pandas as pd

#: Two numbers closer than this are equal for one patient under two policies.
SAME: Final = 1e-9

_MONTH_CODES: Final = len(GRID) + 1


@dataclass
class Counts:
    """Counts of one policy; the first axis is the stratum of prior HCT. Rows of `curves`: curves, then states."""

    n: np.ndarray
    hits: np.ndarray
    sums: np.ndarray
    curves: np.ndarray
    limits: np.ndarray

    @classmethod
    def empty(cls, layout: Layout) -> Counts:
        """Start from nothing."""
        return cls(
            n=np.zeros((STRATA, len(POPULATIONS)), dtype=np.int64),
            hits=np.zeros((STRATA, len(layout.shares)), dtype=np.int64),
            sums=np.zeros((STRATA, 2, len(layout.means)), dtype=object),
            curves=np.zeros((STRATA, len(layout.curves) + len(layout.states), _MONTH_CODES), dtype=np.int64),
            limits=np.zeros((STRATA, len(layout.limits), 2, NEVER + 1), dtype=np.int64),
        )


@dataclass
class Pairs:
    """Counts of one policy against the reference, among patients counted under both.

    `more`, `less` and `both` count flags set under the policy only, the reference only, and both. `sums` holds
    difference, its square, the policy's number, its square, the reference's number, its square.
    """

    n: np.ndarray
    more: np.ndarray
    less: np.ndarray
    both: np.ndarray
    sums: np.ndarray
    higher: np.ndarray
    lower: np.ndarray

    @classmethod
    def empty(cls, layout: Layout) -> Pairs:
        """Start from nothing."""
        shares, means = (STRATA, len(layout.paired_shares)), (STRATA, len(layout.means))
        return cls(
            n=np.zeros((STRATA, len(POPULATIONS)), dtype=np.int64),
            more=np.zeros(shares, dtype=np.int64),
            less=np.zeros(shares, dtype=np.int64),
            both=np.zeros(shares, dtype=np.int64),
            sums=np.zeros((STRATA, 6, len(layout.means)), dtype=object),
            higher=np.zeros(means, dtype=np.int64),
            lower=np.zeros(means, dtype=np.int64),
        )


def _whole(number: int) -> np.ndarray:
    """Hold one whole number of any length in an array."""
    array = np.empty(1, dtype=object)
    array[0] = number
    return array


def _add_all(ours: Counts | Pairs, theirs: Counts | Pairs) -> None:
    for name, value in vars(theirs).items():
        getattr(ours, name).__iadd__(value)


@dataclass
class Tally:
    """Counts over blocks of patients who live under each of several policies.

    Parameters
    ----------
    policies
        Names of the policies.
    origin
        Where results start and who is counted: referral (all), infusion (those infused) or remission (those in complete
        remission at the response visit).
    reference
        Policy with which the others are compared; None compares none.
    horizon_days
        Days since referral to which lives are followed; infinite: to death.

    Raises
    ------
    ValueError
        When the origin is unknown or the reference is none of the policies.
    """

    policies: Sequence[str]
    origin: str = "infusion"
    reference: str | None = None
    horizon_days: float = INF
    _counts: dict[str, Counts] = field(init=False, repr=False)
    _pairs: dict[str, Pairs] = field(init=False, repr=False)
    _latest: dict[str, float] = field(init=False, repr=False)
    _blocks: int = field(default=0, init=False, repr=False)
    _short: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            raise ValueError(f"origin ({self.origin!r}) must be one of {', '.join(ORIGINS)}")
        if self.reference is not None and self.reference not in self.policies:
            raise ValueError(f"reference ({self.reference!r}) must be one of the policies {', '.join(self.policies)}")
        layout = layout_at(self.origin)
        self.policies = tuple(sorted(self.policies))
        self._counts = {name: Counts.empty(layout) for name in self.policies}
        others = [name for name in self.policies if self.reference is not None and name != self.reference]
        self._pairs = {name: Pairs.empty(layout) for name in others}
        self._latest = {"origin": 0.0, "infusion": 0.0, "response": 0.0}

    def add(self, first_patient: int, lives: Mapping[str, np.ndarray]) -> None:
        """Count one aligned block.

        Parameters
        ----------
        first_patient
            Number of the block's first patient, a multiple of `BLOCK`.
        lives
            Policy -> structured array of dtype ``record_dtype(Patient)``; the same patients in the same order.

        Raises
        ------
        ValueError
            When the block is not aligned, too long or counted already, when policies are missing or unknown, when
            patients differ between policies, or when somebody never dies although the horizon is infinite (after the
            last two the tally is spoilt: part of the block may have been counted).
        """
        self._check(first_patient, lives)
        layout = layout_at(self.origin)
        prior = lives[self.policies[0]]["prior_hct"].astype(np.int16)
        strata = pack(np.stack([prior == 0, prior == 1]))
        weights = np.stack([prior == 0, prior == 1]).astype(np.float64)
        against: tuple[Prepared, np.ndarray] | None = None
        columns, flags = room_for(len(prior)), np.empty((len(layout.shares), len(prior)), dtype=bool)
        for name in self._reference_first():
            outcomes = Outcomes(lives[name], self.origin, self.horizon_days, columns)
            self._check_patients(name, first_patient, len(prior), outcomes)
            block = Prepared(layout, outcomes, flags)
            moments = sums_and_squares(block.numbers, weights)
            if not np.isfinite(moments).all():
                wrong = layout.means[int(np.argwhere(~np.isfinite(moments))[0, 2])][0].name
                raise ValueError(f"policy {name}, patients from {first_patient} on: {wrong} is not a number")
            self._count(layout, name, block, moments, prior, strata)
            if name == self.reference:
                against = block, moments
            elif against is not None:
                self._compare(layout, self._pairs[name], (block, moments), against, strata, weights)
        self._mark(first_patient, len(prior))

    def merge(self, other: Tally) -> None:
        """Add another tally of other blocks under the same policies.

        Raises
        ------
        ValueError
            When the tallies differ in policies, origin, reference or horizon, or share a block.
        """
        for name in ("policies", "origin", "reference", "horizon_days"):
            if getattr(self, name) != getattr(other, name):
                ours, theirs = getattr(self, name), getattr(other, name)
                raise ValueError(f"tallies differ in {name} ({ours!r} and {theirs!r}) and cannot be merged")
        if self._blocks & other._blocks:
            raise ValueError("tallies share a block of patients and cannot be merged")
        self._refuse_two_short(other._short)
        for name, counts in self._counts.items():
            _add_all(counts, other._counts[name])
        for name, pairs in self._pairs.items():
            _add_all(pairs, other._pairs[name])
        self._latest = {clock: max(day, other._latest[clock]) for clock, day in self._latest.items()}
        self._blocks |= other._blocks
        self._short = self._short if other._short is None else other._short

    def arrays(self) -> dict[str, np.ndarray]:
        """Give all that is counted as arrays, for storage: numbers, and whole numbers of any length."""
        found = {"blocks": _whole(self._blocks), "short": np.array(-1 if self._short is None else self._short)}
        found |= {f"latest/{clock}": np.array(day) for clock, day in self._latest.items()}
        for kind, counts in (("counts", self._counts), ("pairs", self._pairs)):
            for policy, one in counts.items():
                found |= {f"{kind}/{policy}/{name}": array for name, array in vars(one).items()}
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` gave, in a tally with the same policies, origin, reference and horizon.

        Raises
        ------
        KeyError
            When an array is missing: it was another tally.
        """
        self._blocks, short = int(arrays["blocks"][0]), int(arrays["short"])
        self._short = None if short < 0 else short
        self._latest = {clock: float(arrays[f"latest/{clock}"]) for clock in self._latest}
        for kind, counts in (("counts", self._counts), ("pairs", self._pairs)):
            for policy, one in counts.items():
                for name in vars(one):
                    setattr(one, name, arrays[f"{kind}/{policy}/{name}"])

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Give the frames summary, curves and paired (columns: ``docs/measures.md``).

        Raises
        ------
        ValueError
            When nothing was counted, or a block that is not the last is short.
        """
        from sim.tally.estimates import curves, paired, summary

        if not self._blocks:
            raise ValueError("no patients were counted")
        if self._short is not None and self._blocks >> (self._short + 1):
            raise ValueError(f"block {self._short} is shorter than {BLOCK} patients but not the last")
        layout, followed = layout_at(self.origin), self._followed()
        return (
            summary(layout, self._counts, followed),
            curves(layout, self._counts, followed),
            paired(layout, self._pairs, self.reference, followed),
        )

    def _reference_first(self) -> list[str]:
        return sorted(self.policies, key=lambda name: (name != self.reference, name))

    def _check(self, first_patient: int, lives: Mapping[str, np.ndarray]) -> None:
        if first_patient < 0 or first_patient % BLOCK:
            raise ValueError(f"first patient ({first_patient}) must be a multiple of {BLOCK}")
        if set(lives) != set(self.policies):
            raise ValueError(f"policies ({', '.join(sorted(lives))}) must be {', '.join(self.policies)}")
        n = len(lives[self.policies[0]])
        if not 0 < n <= BLOCK:
            raise ValueError(f"a block's patients ({n}) must be 1 to {BLOCK}")
        if self._blocks >> (first_patient // BLOCK) & 1:
            raise ValueError(f"patients from {first_patient} on were counted already")
        self._refuse_two_short(first_patient // BLOCK if n < BLOCK else None)

    def _check_patients(self, policy: str, first: int, n: int, o: Outcomes) -> None:
        if not np.array_equal(o.numbers, np.arange(first, first + n)):
            raise ValueError(f"policy {policy}: patients must be numbers {first} to {first + n - 1}, in order")
        if self.horizon_days == INF and np.isinf(o.end).any():
            patient = first + int(np.argmax(o.end))
            raise ValueError(f"policy {policy}, patient {patient}: alive at the end, but the horizon is infinite")

    def _refuse_two_short(self, short: int | None) -> None:
        if short is not None and self._short is not None:
            raise ValueError(f"blocks {self._short} and {short} are both shorter than {BLOCK} patients")

    def _mark(self, first_patient: int, n: int) -> None:
        self._blocks |= 1 << (first_patient // BLOCK)
        if n < BLOCK:
            self._short = first_patient // BLOCK

    def _followed(self) -> dict[str, float]:
        """Give the days for which everybody was followed, by clock."""
        return {"": INF, "relapse": INF} | {clock: self.horizon_days - day for clock, day in self._latest.items()}

    def _count(
        self,
        layout: Layout,
        name: str,
        block: Prepared,
        moments: np.ndarray,
        prior: np.ndarray,
        strata: np.ndarray,
    ) -> None:
        counts, o = self._counts[name], block.outcomes
        counts.n += ones(block.among, strata)
        counts.hits += ones(block.flags, strata)
        counts.sums += exact(moments)
        group = {among: np.where(o.population[among], prior, np.int16(STRATA)) for among in layout.groups}
        codes = np.stack([*(block.codes[m.name] for m in layout.curves), *o.states()])
        by_month = np.stack([group[among] for among in layout.curve_among]) * np.int16(_MONTH_CODES)
        counts.curves += count(codes, by_month, _MONTH_CODES)
        for i, (time, among) in enumerate(layout.limits):
            self._count_limit(counts.limits[:, i], o.fine[time], group[among], o.censored.get(time))
        if self.horizon_days < INF:
            self._note_latest(o)

    @staticmethod
    def _count_limit(limits: np.ndarray, time: np.ndarray, group: np.ndarray, censored: np.ndarray | None) -> None:
        """Count events and ends of follow-up on the fine grid: `limits` has shape (2, 2, `NEVER` + 1)."""
        size, groups = NEVER + 1, STRATA + 1
        cells = group * np.int32(size) + time
        if censored is None:
            limits[:, 0] += np.bincount(cells, minlength=groups * size).reshape(groups, size)[:STRATA]
        else:
            cells += censored * np.int32(groups * size)
            found = np.bincount(cells, minlength=2 * groups * size).reshape(2, groups, size)
            limits += found[:, :STRATA].swapaxes(0, 1)

    def _note_latest(self, o: Outcomes) -> None:
        starts = {
            "origin": o.start[o.counted],
            "infusion": o["t_infusion"][o.population["infused"]],
            "response": o["t_response"][o.responded],
        }
        for clock, days in starts.items():
            self._latest[clock] = max(self._latest[clock], float(days.max(initial=0.0)))

    def _compare(
        self,
        layout: Layout,
        pairs: Pairs,
        ours: tuple[Prepared, np.ndarray],
        theirs: tuple[Prepared, np.ndarray],
        strata: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        (a, own_sums), (b, their_sums) = ours, theirs
        among, rows = a.among & b.among, layout.paired_shares
        shared = among[layout.share_among[rows]]
        x, y = a.flags[rows] & shared, b.flags[rows] & shared
        pairs.n += ones(among, strata)
        pairs.more += ones(x & ~y, strata)
        pairs.less += ones(y & ~x, strata)
        pairs.both += ones(x & y, strata)
        p, r = a.numbers, b.numbers
        if not np.array_equal(a.among[layout.mean_among], b.among[layout.mean_among]):
            inside = (a.population & b.population)[layout.mean_among]
            p, r = p * inside, r * inside
            own_sums, their_sums = sums_and_squares(p, weights), sums_and_squares(r, weights)
        difference = p - r
        pairs.sums += exact(np.concatenate([sums_and_squares(difference, weights), own_sums, their_sums], axis=1))
        pairs.higher += ones(pack(difference > SAME), strata)
        pairs.lower += ones(pack(difference < -SAME), strata)
