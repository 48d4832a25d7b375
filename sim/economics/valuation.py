"""Value lives from their journal: no simulation, the same function for a fresh run and a stored one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from sim import journal
from sim.economics import kernel
from sim.economics.compiling import compiled_once
from sim.economics.settings import CATEGORIES, PERSPECTIVES, Economics, loss_names
from sim.economics.tariff import WORK, Tariff, compile_tariff, item_names
from sim.kernel import jit_enabled
from sim.problems import Problem

#: Attributes that valuation reads, in the order of `sim.economics.kernel`.
ATTRIBUTES: Final = ("age", "female", "weight", "distance", "poverty", "prior_hct", "product")
#: What stands behind the categories of cost in a patient's line.
TOTALS: Final = (
    "life_years",
    "life_years_discounted",
    "qalys",
    "qalys_discounted",
    "list_price",
    "paid",
    "paid_discounted",
)


def columns() -> tuple[str, ...]:
    """Name the columns of a patient's line: cost by category, then perspective; `TOTALS`; QALYs lost by cause."""
    return (
        *(f"cost_{name}{ending}" for name in (*CATEGORIES, *PERSPECTIVES) for ending in ("", "_discounted")),
        *TOTALS,
        *(f"lost_{name}{ending}" for name in loss_names() for ending in ("", "_discounted")),
    )


@dataclass(frozen=True)
class Valued:
    """The worth of a block of lives under one policy.

    Attributes
    ----------
    people
        One line a patient, shape (n, `columns`); zero where not counted.
    cells
        Sums, then sums of squares, of cost by category (then perspective), period, plain or discounted.
    items
        Sums of cost by item, period, plain or discounted.
    """

    people: np.ndarray
    cells: np.ndarray
    items: np.ndarray


class Valuation:
    """Books and conventions, ready to value journals.

    Parameters
    ----------
    book
        Checked economic settings.
    products
        Names of the product catalogue in code order.
    origin
        From where results count: referral, infusion or remission.
    """

    def __init__(self, book: Economics, products: list[str], origin: str) -> None:
        self.book = book
        self.products = list(products)
        self.origin = origin
        self.tariff: Tariff = compile_tariff(book, self.products, origin)
        self.items = item_names(book)
        self.columns = columns()

    def lives(self, rows: np.ndarray, first_row: np.ndarray, people: np.ndarray, counted: np.ndarray) -> Valued:
        """Value the lives of a block under one policy.

        Parameters
        ----------
        rows, first_row
            Journal rows (`sim.journal.ROW`), and where each patient's begin (shape n + 1).
        people
            Structured array or mapping of columns that holds `ATTRIBUTES`, one entry a patient.
        counted
            Who is counted (see `counted`).

        Raises
        ------
        Problem
            When somebody's product has no price.
        """
        attributes = np.stack([np.asarray(people[name], dtype=np.float64) for name in ATTRIBUTES], axis=1)
        self._check_products(attributes[np.asarray(counted, dtype=bool), -1])
        rowcount, periods = len(CATEGORIES) + len(PERSPECTIVES), len(self.tariff.periods)
        lines = np.zeros((len(first_row) - 1, len(self.columns)))
        cells = np.zeros((2, rowcount * periods * 2))
        work = np.zeros(1, dtype=WORK)
        among = np.asarray(counted, dtype=np.int64)
        if jit_enabled():
            _function()(rows, first_row, attributes, among, self.tariff.record, work, lines, cells)
        else:
            record = self.tariff.record.view(np.recarray)
            rows, plain = rows.view(np.recarray), work.view(np.recarray)
            _function()(rows, first_row, attributes, among, record, plain, lines, cells)
        items = work["items"].reshape(-1, kernel.PERIODS, 2)[: len(self.items), :periods]
        return Valued(lines, cells.reshape(2, rowcount, periods, 2), items.copy())

    def cells(self, rows: np.ndarray, first_row: np.ndarray, people: np.ndarray, periods: int) -> np.ndarray:
        """Value lives with the periods that stand in the tariff's record; give undiscounted cost by category, period.

        Returns
        -------
        numpy.ndarray
            Shape (categories + perspectives, periods), summed over the lives.
        """
        self.tariff.record["period_count"] = periods
        attributes = np.stack([np.asarray(people[name], dtype=np.float64) for name in ATTRIBUTES], axis=1)
        self._check_products(attributes[:, -1])
        count = len(CATEGORIES) + len(PERSPECTIVES)
        lines, found = np.zeros((len(first_row) - 1, len(self.columns))), np.zeros((2, count * periods * 2))
        work, among = np.zeros(1, dtype=WORK), np.ones(len(first_row) - 1, dtype=np.int64)
        if jit_enabled():
            _function()(rows, first_row, attributes, among, self.tariff.record, work, lines, found)
        else:
            record, plain = self.tariff.record.view(np.recarray), work.view(np.recarray)
            _function()(rows.view(np.recarray), first_row, attributes, among, record, plain, lines, found)
        return np.asarray(found.reshape(2, count, periods, 2)[0, :, :, 0])

    def _check_products(self, codes: np.ndarray) -> None:
        for code in np.unique(codes).astype(int):
            if np.isnan(self.tariff.product_price[code]):
                raise Problem(
                    f"economics.prices.{self.products[code]}: no price for this product, which some patients get; "
                    "give one in your own book"
                )


def counted(rows: np.ndarray, first_row: np.ndarray, origin: str) -> np.ndarray:
    """Tell who reaches the origin, from the journal: all, those infused, or those in remission at the response visit.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.
    """
    if origin == "referral":
        return np.ones(len(first_row) - 1, dtype=bool)
    if origin == "infusion":
        hit = (rows["event"] == journal.INFUSION) & (rows["detail"] < kernel.OTHER_CAR)
    else:
        hit = (rows["event"] == journal.RESPONSE) & (rows["detail"] == 1)
    return np.diff(np.concatenate([[0], np.cumsum(hit)])[first_row]) > 0


def reaching(rows: Mapping[str, np.ndarray], first_row: Mapping[str, np.ndarray], origin: str) -> np.ndarray:
    """Tell who reaches the origin under which policy: shape (policies, n), bool."""
    return np.stack([counted(rows[name], first_row[name], origin) for name in rows])


def value_block(
    valuation: Valuation,
    rows: Mapping[str, np.ndarray],
    first_row: Mapping[str, np.ndarray],
    people: Any,
    among: np.ndarray | None = None,
) -> tuple[dict[str, Valued], np.ndarray]:
    """Value a block under every policy; who is counted is counted under all of them.

    Parameters
    ----------
    valuation
        Books and conventions.
    rows, first_row
        Policy -> journal rows, and where each patient's begin.
    people
        Attributes of the patients, the same under every policy.
    among
        Who is counted, where that is known already.

    Returns
    -------
    dict
        Policy -> `Valued`.
    numpy.ndarray
        Who is counted, shape (n,), bool.
    """
    inside = np.all(reaching(rows, first_row, valuation.origin), axis=0) if among is None else among
    return {name: valuation.lives(rows[name], first_row[name], people, np.asarray(inside)) for name in rows}, inside


@cache
def _function() -> Callable[..., None]:
    """Compile the valuation, or load it."""
    return compiled_once(kernel.value_all)
