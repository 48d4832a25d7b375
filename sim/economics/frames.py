"""Tables of what lives cost and are worth: by category and period, by stratum, and who pays what when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.accounts import Accounts
from sim.economics.settings import CATEGORIES, PERSPECTIVES
from sim.economics.strata import ALL
from sim.tally.exact import ONE, error_of, mean_of, variance_of

if TYPE_CHECKING:
    import pandas as pd

#: Name of the row that sums categories, and of the period that sums periods.
TOTAL: Final = "total"
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
COST_COLUMNS: Final = ("policy", "perspective", "category", "period", "discounted", "n", "mean", "mc_se")
ITEM_COLUMNS: Final = ("policy", "item", "category", "period", "discounted", "n", "mean")
QALY_COLUMNS: Final = ("policy", "stratum", "measure", "discounted", "n", "mean", "mc_se")
PAYMENT_COLUMNS: Final = ("policy", "measure", "n", "value", "mc_se")


def period_names(ends: tuple[float, ...]) -> list[str]:
    """Name the periods: ``0-1``, ``1-2``, ..., ``10+`` (years from the origin)."""
    edges = [0.0, *ends]
    return [*(f"{a:g}-{b:g}" for a, b in zip(edges, ends, strict=False)), f"{edges[-1]:g}+"]


def costs(accounts: Accounts) -> pd.DataFrame:
    """Tabulate mean cost per patient: policy, perspective, category, period, discounted, n, mean, mc_se."""
    import pandas as pd

    return pd.DataFrame(list(_cost_rows(accounts)), columns=list(COST_COLUMNS))


def _cost_rows(accounts: Accounts) -> Iterator[tuple[Any, ...]]:
    n = int(accounts.n[0])
    periods = period_names(accounts.book.periods)
    categories = list(CATEGORIES)
    for policy in accounts.policies:
        cells = accounts.cells[policy]
        for v, view in enumerate(PERSPECTIVES):
            rows = [(name, categories.index(name)) for name in accounts.book.categories(view)]
            for category, row in [*rows, (TOTAL, len(categories) + v)]:
                column = f"cost_{view if category == TOTAL else category}"
                for discounted in (0, 1):
                    for k, period in enumerate(periods):
                        total, squares = cells[:, row, k, discounted]
                        error = error_of(variance_of(n, total, squares, ONE), n)
                        yield policy, view, category, period, discounted, n, mean_of(n, total, ONE), error
                    ending = "_discounted" if discounted else ""
                    yield (policy, view, category, TOTAL, discounted, n, *accounts.mean(policy, column + ending))


def items(accounts: Accounts) -> pd.DataFrame:
    """Tabulate mean cost per patient by item of the resource book, category and period."""
    import pandas as pd

    n = int(accounts.n[0])
    names = accounts.valuation.items
    category = {name: charge.category for name, charge in accounts.book.resources.items()} | {"product": "product"}
    rows = [
        (policy, item, category[item], period, discounted, n, mean_of(n, accounts.items[policy][i, k, discounted], ONE))
        for policy in accounts.policies
        for i, item in enumerate(names)
        for k, period in enumerate(period_names(accounts.book.periods))
        for discounted in (0, 1)
    ]
    return pd.DataFrame(rows, columns=list(ITEM_COLUMNS))


def qalys(accounts: Accounts) -> pd.DataFrame:
    """Tabulate life-years, QALYs and QALYs lost by cause: policy, stratum, measure, discounted, n, mean, mc_se."""
    import pandas as pd

    from sim.economics.settings import loss_names

    measures = ("life_years", "qalys", *(f"lost_{name}" for name in loss_names()))
    rows = []
    for policy in accounts.policies:
        for s, stratum in enumerate(accounts.strata):
            n = int(accounts.n[s])
            for measure in measures if n else ():
                for discounted in (0, 1):
                    column = measure + ("_discounted" if discounted else "")
                    rows.append((policy, stratum, measure, discounted, n, *accounts.mean(policy, column, stratum)))
    return pd.DataFrame(rows, columns=list(QALY_COLUMNS))


def payments(accounts: Accounts) -> pd.DataFrame:
    """Tabulate what is paid for the product: expected share, means, and the distribution over patients.

    Rows by policy: ``list_price`` (charged in full), ``paid``, ``paid_discounted``, ``share_paid`` (undiscounted),
    ``unpaid`` (what the manufacturer is expected to lose against the list price), ``paid_sd`` and ``paid_q05`` to
    ``paid_q95``.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    n = int(accounts.n[0])
    for policy in accounts.policies:
        price, price_error = accounts.mean(policy, "list_price")
        paid, error = accounts.mean(policy, "paid")
        rows.append((policy, "list_price", n, price, price_error))
        rows.append((policy, "paid", n, paid, error))
        rows.append((policy, "paid_discounted", n, *accounts.mean(policy, "paid_discounted")))
        rows.append((policy, "share_paid", n, paid / price if price else np.nan, np.nan))
        rows.append((policy, "unpaid", n, price - paid, np.nan))
        rows.append((policy, "paid_sd", n, error * np.sqrt(n), np.nan))
        rows += [
            (policy, f"paid_q{round(100 * q):02d}", n, value, np.nan)
            for q, value in zip(QUANTILES, quantiles(accounts.paid[policy], QUANTILES), strict=True)
        ]
    return pd.DataFrame(rows, columns=list(PAYMENT_COLUMNS))


def quantiles(counted: Counter[float], shares: tuple[float, ...]) -> list[float]:
    """Give quantiles of counted values: the smallest value that at least a share does not exceed."""
    values = np.array(sorted(counted))
    if not len(values):
        return [np.nan] * len(shares)
    below = np.cumsum([counted[value] for value in values.tolist()])
    return [float(values[int(np.searchsorted(below, share * below[-1], side="left"))]) for share in shares]


def all_frames(accounts: Accounts) -> dict[str, pd.DataFrame]:
    """Give every table by the name of its file."""
    return {
        "costs": costs(accounts),
        "items": items(accounts),
        "qalys": qalys(accounts),
        "payments": payments(accounts),
    }


__all__ = ["ALL", "TOTAL", "all_frames", "costs", "items", "payments", "period_names", "qalys", "quantiles"]
