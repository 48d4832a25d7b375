"""The bench on which verification tests run: small cohorts, changed worlds, changed books, cached where they recur."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from sim import cohort as cohorts
from sim.economics.accounts import Accounts
from sim.economics.valuation import Valuation, Valued
from sim.engine.batch import run_batch
from sim.experiments.inputs import as_record, kernel_values
from sim.experiments.run import PATHWAY, Block
from sim.policies import Policy
from sim.problems import Problem
from sim.settings import Settings
from sim.units import DAYS_PER_YEAR

#: Patients of tests in which every patient must obey, and of those that compare means.
FEW: Final = 300
MANY: Final = 2000
#: Policies that the tests speak of.
POLICIES: Final = ("watch", "hct_for_all", "selective", "reinfusion", "maintenance", "hybrid", "no_car")


class Bench:
    """Settings to start from, and the means to change, simulate and value them.

    Parameters
    ----------
    settings
        Validated settings with economics, origin referral and the policies of `POLICIES`.

    Raises
    ------
    Problem
        When economics, origin or policies are not what the tests need.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.economics is None:
            raise Problem(
                "economics=none: verification needs a profile of prices and utilities, e.g. economics=us_icer"
            )
        missing = [name for name in POLICIES if name not in settings.policy]
        if missing or settings.origin != "referral":
            raise Problem("verification needs origin=referral and policy=[" + ",".join(POLICIES) + "]")
        self.settings = settings
        self.book = settings.economics

    # --- lives

    def live(
        self,
        policies: Sequence[str],
        n: int,
        settings: Settings | None = None,
        *,
        first: int = 0,
        adapt: Callable[[np.ndarray], None] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Block:
        """Let patients live under policies, with journal.

        Parameters
        ----------
        policies
            Names; all from `settings`.
        n, first
            How many patients, from which number on.
        settings
            Default: the bench's own.
        adapt
            Changes the patients' attributes in place.
        values
            Kernel values that replace those of the settings.
        """
        settings = settings or self.settings
        people = self.people(settings, first, n)
        if adapt is not None:
            adapt(people)
        years = settings.horizon_years
        block = Block(first, {})
        for name in policies:
            record = as_record(kernel_values(settings, name) | dict(values or {}))
            horizon = np.inf if years is None else years * DAYS_PER_YEAR
            lives, rows, first_row = run_batch(
                PATHWAY, people, record, seed=settings.seed, first=first, horizon=horizon, journal=True
            )
            block.lives[name], block.rows[name], block.first_row[name] = lives, rows, first_row
        return block

    def people(self, settings: Settings, first: int, n: int) -> np.ndarray:
        """Draw patients as a run does."""
        products = list(settings.product.catalogue)
        table = cohorts.draw(settings.cohort, settings.seed, first, n, products)
        if settings.product.forced is not None:
            table["product"] = products.index(settings.product.forced)
        return table

    @cached_property
    def usual(self) -> Block:
        """The unchanged world: few patients under every policy."""
        return self.live(POLICIES, FEW)

    # --- worth

    def worth(self, block: Block, book: Any = None, origin: str = "referral") -> Worth:
        """Value every patient of a block, counting whoever reaches the origin under all its policies."""
        return Worth(self, block, book or self.book, origin)

    @cached_property
    def usual_worth(self) -> Worth:
        """The unchanged world at the unchanged books."""
        return self.worth(self.usual)

    def valued(self, world: Any) -> tuple[Valuation, np.ndarray]:
        """Value everybody of a shared hospital (`sim.experiments.shared.Together`): valuation, a line per patient."""
        valuation = Valuation(self.book, list(self.settings.product.catalogue), "referral")
        everybody = np.ones(len(world.lives), dtype=bool)
        return valuation, valuation.lives(world.rows, world.first_row, world.lives, everybody).people

    def accounts(self, block: Block, book: Any = None, origin: str = "referral") -> Accounts:
        """Open accounts and enter a block."""
        products = list(self.settings.product.catalogue)
        accounts = Accounts(book or self.book, products, list(block.lives), origin, next(iter(block.lives)))
        accounts.add(block)
        return accounts

    # --- changes

    def with_values(self, values: Mapping[str, float]) -> Settings:
        """Copy the settings with other parameter values."""
        return self.settings.with_values(dict(values))

    def book_with(self, values: Mapping[str, float], **fields: Any) -> Any:
        """Copy the book with other values (keys below ``economics``), and other fields."""
        changed = self.settings.with_values({f"economics.{key}": value for key, value in values.items()}).economics
        assert changed is not None
        return changed.model_copy(update=fields)

    def keys(self, *parts: str) -> list[str]:
        """List the book's parameter lines below ``economics`` whose key begins with one of `parts`."""
        found = (key.removeprefix("economics.") for key, _ in self.settings.lines() if key.startswith("economics."))
        return [key for key in found if key.startswith(parts)]

    def line(self, key: str) -> float:
        """Give the value of one of the book's lines."""
        return dict(self.settings.lines())[f"economics.{key}"].value

    def undiscounted(self, book: Any = None) -> Any:
        """Copy the book with both rates 0 and no later step."""
        book = book or self.book
        discount = book.discount
        none = {"costs": discount.costs.at(0.0), "effects": discount.effects.at(0.0), "later": None}
        return book.model_copy(update={"discount": discount.model_copy(update=none)})

    def rated(self, rate: float, book: Any = None) -> Any:
        """Copy the book with one rate for costs and effects and no later step."""
        book = book or self.book
        discount = book.discount
        both = {"costs": discount.costs.at(rate), "effects": discount.effects.at(rate), "later": None}
        return book.model_copy(update={"discount": discount.model_copy(update=both)})


class Worth:
    """What every patient of a block costs and is worth, by policy and column."""

    def __init__(self, bench: Bench, block: Block, book: Any, origin: str) -> None:
        from sim.economics.valuation import value_block

        self.valuation = Valuation(book, list(bench.settings.product.catalogue), origin)
        people = next(iter(block.lives.values()))
        self.valued: dict[str, Valued]
        self.valued, self.counted = value_block(self.valuation, block.rows, block.first_row, people)

    def of(self, policy: str, column: str) -> np.ndarray:
        """Give a column (`sim.economics.valuation.columns`) for the patients counted."""
        lines = self.valued[policy].people[self.counted]
        values: np.ndarray = lines[:, self.valuation.columns.index(column)]
        return values

    def columns(self, *beginnings: str) -> list[str]:
        """List the columns that begin so."""
        return [name for name in self.valuation.columns if name.startswith(beginnings)]

    def bytes(self) -> bytes:
        """All of it, for comparison."""
        return b"".join(
            part.tobytes()
            for policy in sorted(self.valued)
            for part in (self.valued[policy].people, self.valued[policy].cells, self.valued[policy].items)
        )


def policy_with(settings: Settings, name: str, **changes: Any) -> Settings:
    """Copy settings with fields of one policy changed."""
    policy = Policy.model_validate(settings.policy[name].model_dump() | changes)
    return settings.model_copy(update={"policy": {**settings.policy, name: policy}})


def renamed(settings: Settings, old: str, new: str) -> Settings:
    """Copy settings with a second policy that is the same but for its name."""
    return settings.model_copy(update={"policy": {**settings.policy, new: settings.policy[old]}})


def gap(one: np.ndarray, two: np.ndarray) -> float:
    """Give the largest difference of two arrays, relative to the size of what is compared (at least 1)."""
    if len(one) == 0:
        return 0.0
    return float((np.abs(one - two) / np.maximum(1.0, np.maximum(np.abs(one), np.abs(two)))).max())
