"""Accounts: what blocks of lives cost and are worth, added up exactly, whichever way the blocks are split.

Within an aligned block sums are formed patient by patient, always in the same way; across blocks they are whole
numbers (`sim.tally.exact`). So accounts can be filled in any order, stored, sent between processes and merged, and give
the same bytes. Memory does not grow with the number of patients.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sim.economics.estimates import Estimates
from sim.economics.settings import CATEGORIES, PERSPECTIVES, Economics
from sim.economics.strata import ALL, strata_codes, strata_names
from sim.economics.summing import add_lines, add_products
from sim.economics.valuation import ATTRIBUTES, Valuation, Valued, reaching, value_block
from sim.problems import Problem, did_you_mean
from sim.tally.exact import ONE, error_of, exact, mean_of, variance_of

#: Effects that `Accounts.estimates` can give, and their unit.
EFFECTS: Final = {"qalys": "QALY", "life_years": "life-year"}


class Accounts:
    """Costs and effects of blocks of patients who live under each of several policies.

    Parameters
    ----------
    book
        Checked economic settings.
    products
        Names of the product catalogue in code order.
    policies
        Names of the policies.
    origin
        From where results count: referral, infusion or remission.
    reference
        Policy whose day 28 tells the strata of MRD; null: the first by name.
    """

    def __init__(
        self,
        book: Economics,
        products: Sequence[str],
        policies: Sequence[str],
        origin: str,
        reference: str | None = None,
    ) -> None:
        self.valuation = Valuation(book, list(products), origin)
        self.policies = tuple(sorted(policies))
        self.reference = reference if reference is not None else self.policies[0]
        self.strata = strata_names(products)
        n, columns = len(self.strata), len(self.valuation.columns)
        periods = len(self.valuation.tariff.periods)
        self.n = np.zeros(n, dtype=np.int64)
        self.left_out = 0
        self.sums = {name: np.zeros((n, 2, columns), dtype=object) for name in self.policies}
        shape = (2, len(CATEGORIES) + len(PERSPECTIVES), periods, 2)
        self.cells = {name: np.zeros(shape, dtype=object) for name in self.policies}
        self.items = {name: np.zeros((len(self.valuation.items), periods, 2), dtype=object) for name in self.policies}
        width = len(self.policies) * (1 + len(EFFECTS))
        self.products = {
            view: np.zeros((n if view == book.perspective else 1, width, width), dtype=object) for view in PERSPECTIVES
        }
        self.paid = {name: Counter[float]() for name in self.policies}
        self.blocks: set[int] = set()

    @property
    def book(self) -> Economics:
        """The economic settings."""
        return self.valuation.book

    def add(self, block: Any) -> dict[str, Valued]:
        """Value and count one aligned block.

        Parameters
        ----------
        block
            Has `first`, and by policy `lives`, `rows` and `first_row` (`sim.experiments.run.Block`).

        Returns
        -------
        dict
            Policy -> the patients' own results (`Valued`); lines of those not counted are zero.

        Raises
        ------
        ValueError
            When the block was counted already, or its policies are others.
        """
        if set(block.rows) != set(self.policies):
            raise ValueError(f"policies ({', '.join(sorted(block.rows))}) must be {', '.join(self.policies)}")
        if block.first in self.blocks:
            raise ValueError(f"patients from {block.first} on were counted already")
        people = block.lives[self.reference]
        rows = {name: block.rows[name] for name in self.policies}
        reached = reaching(rows, block.first_row, self.valuation.origin)
        valued, among = value_block(self.valuation, rows, block.first_row, people, np.all(reached, axis=0))
        codes = strata_codes(people, self.valuation.products)
        self._count(valued, among, codes)
        self.left_out += int(np.any(reached, axis=0).sum() - among.sum())
        self.blocks.add(block.first)
        return valued

    def merge(self, other: Accounts) -> None:
        """Add the accounts of other blocks under the same policies and books.

        Raises
        ------
        ValueError
            When policies, origin or books differ, or a block is in both.
        """
        ours = (self.policies, self.valuation.origin, self.reference, self.book)
        if ours != (other.policies, other.valuation.origin, other.reference, other.book):
            raise ValueError("accounts differ in policies, origin, reference or books and cannot be merged")
        if self.blocks & other.blocks:
            raise ValueError("accounts share a block of patients and cannot be merged")
        self.n += other.n
        self.left_out += other.left_out
        for mine, theirs in (
            (self.sums, other.sums),
            (self.cells, other.cells),
            (self.items, other.items),
            (self.products, other.products),
        ):
            for name, values in theirs.items():
                mine[name] += values
        for name, counter in other.paid.items():
            self.paid[name] += counter
        self.blocks |= other.blocks

    def arrays(self) -> dict[str, np.ndarray]:
        """Give all that is counted as arrays, for storage: numbers, and whole numbers of any length."""
        found: dict[str, np.ndarray] = {}
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                found[name] = value
            elif isinstance(value, dict) and name != "paid":
                found |= {f"{name}/{key}": part for key, part in value.items()}
        for policy, counter in self.paid.items():
            values = sorted(counter)
            found[f"paid/{policy}/amount"] = np.array(values, dtype=np.float64)
            found[f"paid/{policy}/patients"] = np.array([counter[value] for value in values], dtype=np.int64)
        found["blocks"] = np.array(sorted(self.blocks), dtype=np.int64)
        found["left_out"] = np.array([self.left_out])
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` gave, in accounts with the same books, policies, origin and reference.

        Raises
        ------
        KeyError
            When an array is missing: those were other accounts.
        """
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(self, name, arrays[name].reshape(value.shape))
            elif isinstance(value, dict) and name != "paid":
                for key, part in value.items():
                    value[key] = arrays[f"{name}/{key}"].reshape(part.shape)
        for policy in self.policies:
            amounts = arrays[f"paid/{policy}/amount"].tolist()
            self.paid[policy] = Counter(dict(zip(amounts, arrays[f"paid/{policy}/patients"].tolist(), strict=True)))
        self.blocks = {int(first) for first in arrays["blocks"]}
        self.left_out = int(arrays["left_out"][0])

    def _count(self, valued: Mapping[str, Valued], among: np.ndarray, codes: np.ndarray) -> None:
        inside = codes[among]
        self.n += np.bincount(inside.ravel(), minlength=len(self.strata))
        for name, value in valued.items():
            lines = np.ascontiguousarray(value.people[among])
            self.sums[name] += exact(add_lines(lines, inside, len(self.strata)))
            self.cells[name] += exact(value.cells)
            self.items[name] += exact(value.items)
            amounts, times = np.unique(lines[:, self._column("paid")], return_counts=True)
            self.paid[name].update(dict(zip(amounts.tolist(), times.tolist(), strict=True)))
        for view, products in self.products.items():
            vector = np.concatenate(
                [
                    np.stack([valued[name].people[among, self._column(column)] for name in self.policies], axis=1)
                    for column in (f"cost_{view}_discounted", *(f"{effect}_discounted" for effect in EFFECTS))
                ],
                axis=1,
            )
            which = inside if len(products) > 1 else inside[:, :1]
            products += exact(add_products(vector, which, len(products)))

    def _column(self, name: str) -> int:
        return self.valuation.columns.index(name)

    def stratum(self, name: str) -> int:
        """Give the position of a stratum.

        Raises
        ------
        Problem
            When there is none of that name.
        """
        if name not in self.strata:
            raise Problem(f"stratum {name!r}: {did_you_mean(name, self.strata)}")
        return self.strata.index(name)

    def mean(self, policy: str, column: str, stratum: str = ALL) -> tuple[float, float]:
        """Give the mean per patient of one of `sim.economics.valuation.columns`, and its Monte-Carlo error."""
        s, c = self.stratum(stratum), self._column(column)
        n, (total, squares) = int(self.n[s]), self.sums[policy][s, :, c]
        return mean_of(n, total, ONE), error_of(variance_of(n, total, squares, ONE), n)

    def estimates(
        self,
        stratum: str = ALL,
        perspective: str | None = None,
        effect: str = "qalys",
        names: Sequence[str] | None = None,
    ) -> Estimates:
        """Give means and covariances of costs and effects for decision analysis.

        Parameters
        ----------
        stratum
            One of `sim.economics.strata.strata_names`; others than all for the chosen perspective only.
        perspective
            Null: the chosen one.
        effect
            ``qalys`` or ``life_years``, discounted.
        names
            Options; null: all policies but ``trial_practice``, which is no option but what trials did.

        Raises
        ------
        Problem
            When stratum, perspective or effect is unknown, or the stratum is not kept for that perspective.
        """
        view = perspective or self.book.perspective
        for given, known in ((view, PERSPECTIVES), (effect, tuple(EFFECTS))):
            if given not in known:
                raise Problem(f"{given!r}: {did_you_mean(given, known)}")
        s = self.stratum(stratum)
        if s > 0 and len(self.products[view]) == 1:
            raise Problem(f"stratum {stratum!r} is kept for economics.perspective={self.book.perspective} only")
        chosen = tuple(sorted(names)) if names is not None else tuple(p for p in self.policies if p != NO_OPTION)
        at = [self.policies.index(name) for name in chosen]
        effects = len(self.policies) * (1 + list(EFFECTS).index(effect))
        index = [*at, *(effects + i for i in at)]
        n = int(self.n[s])
        columns = [f"cost_{view}_discounted", f"{effect}_discounted"]
        totals = [self.sums[name][s, 0, self._column(column)] for column in columns for name in chosen]
        means = np.array([mean_of(n, total, ONE) for total in totals])
        products = self.products[view][s]
        covariance = np.array(
            [
                [_covariance(n, totals[i], totals[j], products[min(a, b), max(a, b)]) for j, b in enumerate(index)]
                for i, a in enumerate(index)
            ]
        )
        k = len(chosen)
        currency = f"{self.book.currency} {self.book.price_year}"
        return Estimates(chosen, n, means[:k], means[k:], covariance, currency, EFFECTS[effect])

    def product_cost(self, policy: str, stratum: str = ALL) -> float:
        """Give the mean discounted cost that is proportional to the products' prices."""
        return self.mean(policy, "cost_product_discounted", stratum)[0]


#: Not a choice of anybody: what trials did. It never enters incremental analysis.
NO_OPTION: Final = "trial_practice"


def _covariance(n: int, one: int, two: int, product: int) -> float:
    if n < 2:
        return math.nan
    return (n * product * ONE - one * two) / (n * (n - 1) * ONE * ONE)


#: Columns of patients that accounts read.
PEOPLE_COLUMNS: Final = tuple(dict.fromkeys((*ATTRIBUTES, "burden_class", "cr", "day28_mrd")))
