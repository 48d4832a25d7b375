"""What the product may cost: threshold price at a willingness to pay, cost against price, payment schemes side by side.

A policy's mean cost is linear in the products' prices: ``cost = rest + factor * product``, where `product` is what
payments for products (and a second product in salvage) come to at the book's prices. So thresholds are closed forms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.accounts import NO_OPTION, Accounts
from sim.economics.estimates import Estimates
from sim.economics.frames import QUANTILES, quantiles
from sim.problems import Problem

if TYPE_CHECKING:
    import pandas as pd

#: Price factors of the curve of cost effectiveness against price.
FACTORS: Final = tuple(round(0.1 * k, 1) for k in range(21))
#: The policy without CAR T: the comparator of a price question where it is listed.
WITHOUT_CAR: Final = "no_car"


def threshold_factor(wtp: float, inc_effect: float, inc_rest: float, inc_product: float) -> float:
    """Give the factor on the products' prices at which the net monetary benefit against the comparator is 0.

    ``(wtp * inc_effect - inc_rest) / inc_product``; NaN where the price does not matter. Below 0: no price would do.

    Parameters
    ----------
    wtp
        Willingness to pay for a unit of effect.
    inc_effect, inc_rest, inc_product
        Increments of effect, of cost without the products, of product payments at the book's prices.
    """
    return (wtp * inc_effect - inc_rest) / inc_product if inc_product != 0.0 else math.nan


def comparator(accounts: Accounts) -> str:
    """Choose what a price is judged against: the policy without CAR T where it is listed, else the reference."""
    return WITHOUT_CAR if WITHOUT_CAR in accounts.policies else accounts.reference


def thresholds(accounts: Accounts, wtp: Sequence[float], against: str | None = None) -> pd.DataFrame:
    """Tabulate threshold prices of every policy against the comparator.

    Returns
    -------
    pandas.DataFrame
        policy, comparator, wtp, inc_cost, inc_effect, inc_product, factor, mc_se, reason (why there is no price). The
        error is that of the net monetary benefit at the book's price, divided by the increment of product payments.
    """
    import pandas as pd

    other = _known(accounts, against)
    rows = []
    for policy in _others(accounts, other):
        estimates = accounts.estimates(names=(policy, other))
        inc_cost, inc_effect = _increments(estimates, policy, other)
        inc_product = accounts.product_cost(policy) - accounts.product_cost(other)
        for amount in wtp:
            factor = threshold_factor(amount, inc_effect, inc_cost - inc_product, inc_product)
            error = _nmb_error(estimates, policy, other, amount) / abs(inc_product) if inc_product else math.nan
            reason = "the price is the same under both" if math.isnan(factor) else ("no price" if factor < 0.0 else "")
            rows.append((policy, other, amount, inc_cost, inc_effect, inc_product, factor, error, reason))
    names = "policy comparator wtp inc_cost inc_effect inc_product factor mc_se reason".split()
    return pd.DataFrame(rows, columns=names)


def price_curve(
    accounts: Accounts, wtp: Sequence[float], factors: Sequence[float] = FACTORS, against: str | None = None
) -> pd.DataFrame:
    """Tabulate cost effectiveness against price.

    Returns
    -------
    pandas.DataFrame
        policy, comparator, factor (on the products' prices), inc_cost, inc_effect, icer, and nmb_<wtp> for each
        willingness to pay. The ratio is NaN where the increments have not the same sign.
    """
    import pandas as pd

    other = _known(accounts, against)
    rows: list[dict[str, Any]] = []
    for policy in _others(accounts, other):
        inc_cost, inc_effect = _increments(accounts.estimates(names=(policy, other)), policy, other)
        inc_product = accounts.product_cost(policy) - accounts.product_cost(other)
        for factor in factors:
            cost = inc_cost + (factor - 1.0) * inc_product
            icer = cost / inc_effect if cost * inc_effect > 0.0 else math.nan
            row = {"policy": policy, "comparator": other, "factor": factor, "inc_cost": cost, "inc_effect": inc_effect}
            rows.append(row | {"icer": icer} | {f"nmb_{amount:g}": amount * inc_effect - cost for amount in wtp})
    return pd.DataFrame(rows)


def schemes(accounts: Mapping[str, Accounts]) -> pd.DataFrame:
    """Tabulate payment schemes side by side.

    Parameters
    ----------
    accounts
        Scheme -> accounts of the same lives.

    Returns
    -------
    pandas.DataFrame
        scheme, policy, list_price, paid, share_paid, paid_discounted, unpaid (the manufacturer's expected loss against
        the list price), sd (of what is paid for a patient), and quantiles of it, per patient counted.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for scheme, one in accounts.items():
        n = int(one.n[0])
        for policy in one.policies:
            price = one.mean(policy, "list_price")[0]
            paid, error = one.mean(policy, "paid")
            row: dict[str, Any] = {"scheme": scheme, "policy": policy, "n": n, "list_price": price, "paid": paid}
            row["share_paid"] = paid / price if price else math.nan
            row["paid_discounted"] = one.mean(policy, "paid_discounted")[0]
            row["unpaid"] = price - paid
            row["sd"] = error * math.sqrt(n)
            values = quantiles(one.paid[policy], QUANTILES)
            row |= {f"paid_q{round(100 * q):02d}": value for q, value in zip(QUANTILES, values, strict=True)}
            rows.append(row)
    return pd.DataFrame(rows)


def _known(accounts: Accounts, against: str | None) -> str:
    other = against or comparator(accounts)
    if other not in accounts.policies:
        raise Problem(f"comparator {other!r}: is none of the policies {', '.join(accounts.policies)}")
    return other


def _others(accounts: Accounts, other: str) -> list[str]:
    return [policy for policy in accounts.policies if policy not in (other, NO_OPTION)]


def _increments(estimates: Estimates, policy: str, other: str) -> tuple[float, float]:
    i, j = estimates.names.index(policy), estimates.names.index(other)
    return float(estimates.cost[i] - estimates.cost[j]), float(estimates.effect[i] - estimates.effect[j])


def _nmb_error(estimates: Estimates, policy: str, other: str, wtp: float) -> float:
    k = len(estimates.names)
    weights = np.zeros(2 * k)
    for name, sign in ((policy, 1.0), (other, -1.0)):
        weights[estimates.names.index(name)] -= sign
        weights[k + estimates.names.index(name)] += sign * wtp
    return math.sqrt(max(0.0, float(weights @ estimates.covariance @ weights)) / estimates.n)
