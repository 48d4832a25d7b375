"""From accounts to answers: the tables of decision analysis that a run writes.

``incremental.csv``, ``nmb.csv``, ``nmb_weighted.csv``, ``pairs.csv``, ``subgroups.csv``, ``severity.csv`` and
``ledger.csv``; their columns are listed in ``docs/decision_analysis.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.accounts import Accounts
from sim.economics.estimates import Estimates
from sim.economics.frames import period_names
from sim.economics.kernel import AGES
from sim.economics.norms import norms
from sim.economics.pairs import pair_frame
from sim.economics.ranking import NOT_CHOICES, benefits, choices, incremental_with_errors, value_of_stratifying
from sim.economics.settings import PRODUCT
from sim.economics.shortfall import Remaining, equal_value_life_years, remaining, shortfall
from sim.economics.tariff import amounts
from sim.evidence import cumulative_hazards
from sim.tally.exact import ONE, mean_of

if TYPE_CHECKING:
    import pandas as pd

#: The arm of current care for severity where it is compared: life without CAR T-cells. Otherwise the reference.
WITHOUT: Final = "no_car"


def decision_frames(accounts: Accounts) -> dict[str, pd.DataFrame]:
    """Give the tables of decision analysis by the name of their file.

    None where nobody reached the origin; without a policy that could be chosen only what compares nothing; subgroups
    from two patients on.
    """
    if accounts.n[0] == 0:
        return {}
    healthy = expected_without_disease(accounts)
    found = {"severity": severity_frame(accounts, healthy), "ledger": ledger_frame(accounts)}
    if set(accounts.policies) <= set(NOT_CHOICES):
        return found
    found["incremental"] = incremental_frame(accounts, healthy)
    found["nmb"] = benefits(accounts.estimates(), accounts.book.wtp, reference=_reference(accounts))
    weight = float(found["severity"]["weight"].iloc[0])
    if weight != 1.0:
        found["nmb_weighted"] = weighted_frame(accounts, weight)
    found["pairs"] = pair_frame(accounts)
    if accounts.n[0] > 1:
        found["subgroups"] = subgroup_frame(accounts)
    return found


def write_decisions(accounts: Accounts, folder: Path) -> None:
    """Write the tables of decision analysis into a run's folder."""
    for name, frame in decision_frames(accounts).items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")


def expected_without_disease(accounts: Accounts) -> Remaining:
    """Give the discounted years and QALYs that people of the patients' age and sex may expect."""
    book = accounts.book
    hazards = cumulative_hazards(book.population.country, book.population.year)
    table = norms(book.utilities.norms)
    rate = book.discount.effects.value
    years = qalys = 0.0
    for sex, age in zip(*np.nonzero(accounts.ages), strict=True):
        share = accounts.ages[sex, age] / accounts.ages.sum()
        found = remaining(hazards[sex], 0, age + 0.5, rate, _norm(table[sex]))
        years += share * found.years
        qalys += share * found.qalys
    return Remaining(years, qalys)


def _norm(table: np.ndarray) -> Callable[[float], float]:
    return lambda age: float(table[min(int(age), AGES - 1)])


def incremental_frame(accounts: Accounts, healthy: Remaining) -> pd.DataFrame:
    """Give the incremental analysis with errors, life-years, cost per life-year and per equal-value life-year.

    Like the ICER these compare with the option before on the frontier (column ``against``); they are missing where no
    life-years (no equal-value life-years) are gained.
    """
    table = incremental_with_errors(accounts.estimates())
    years = {p: accounts.mean(p, "life_years_discounted")[0] for p in accounts.policies}
    quality = healthy.qalys / healthy.years
    qalys = dict(zip(table["option"], table["effect"], strict=True))
    extra: list[dict[str, float]] = []
    for row in table.to_dict("records"):
        name, against = row["option"], row["against"]
        found = {
            "life_years": years[name],
            "evlyg": math.nan,
            "cost_per_life_year": math.nan,
            "cost_per_evlyg": math.nan,
        }
        if against:
            more = years[name] - years[against]
            found["evlyg"] = equal_value_life_years(years[name], qalys[name], years[against], qalys[against], quality)
            found["cost_per_life_year"] = row["inc_cost"] / more if more > 0 else math.nan
            found["cost_per_evlyg"] = row["inc_cost"] / found["evlyg"] if found["evlyg"] > 0 else math.nan
        extra.append(found)
    return table.assign(**{name: [row[name] for row in extra] for name in extra[0]})


def subgroup_frame(accounts: Accounts) -> pd.DataFrame:
    """Give the best option in every stratum, and what deciding by each grouping gains over one option for all."""
    strata: dict[str, Estimates] = {}
    for stratum, n in zip(accounts.strata, accounts.n, strict=True):
        if n > 1:
            strata[stratum] = choices(accounts.estimates(stratum))
    return value_of_stratifying(strata, accounts.book.wtp)


def severity_frame(accounts: Accounts, healthy: Remaining) -> pd.DataFrame:
    """Give the QALY shortfall and severity weight, from the arm of current care alone."""
    import pandas as pd

    policy = WITHOUT if WITHOUT in accounts.policies else accounts.reference
    severity = accounts.book.severity
    ill = accounts.mean(policy, "qalys_discounted")[0]
    found = shortfall(healthy.qalys, ill, severity.weights if severity is not None else ())
    return pd.DataFrame([{"policy": policy} | found._asdict()])


def weighted_frame(accounts: Accounts, weight: float) -> pd.DataFrame:
    """Give net benefit with every QALY of every arm counted `weight` times (column ``weight``).

    That is net benefit at thresholds which are `weight` times as high; ``wtp`` states them as the profile does, and net
    health benefit is in weighted QALYs.
    """
    thresholds = accounts.book.wtp
    table = benefits(accounts.estimates(), [weight * wtp for wtp in thresholds], reference=_reference(accounts))
    table["wtp"] = np.repeat(thresholds, len(table) // len(thresholds))
    table[["nhb", "nhb_se"]] *= weight
    return table.assign(weight=weight)


def ledger_frame(accounts: Accounts) -> pd.DataFrame:
    """Give quantity times unit price of every item, in the run's perspective: what the workbook adds up.

    Columns policy, item, category, period, discounted, unit, unit_price, quantity, cost. Costs are linear in prices, so
    a quantity is a cost per unit price: discounted where the cost is. The product's unit price is the mean list price
    over all policies, its quantity what is paid of it. Items that cost nothing anywhere are left out.
    """
    import pandas as pd

    book = accounts.book
    counted = set(book.categories())
    prices = amounts(book)
    average = _product_price(accounts)
    rows: list[dict[str, Any]] = []
    for i, item in enumerate(accounts.valuation.items):
        charge = book.resources.get(item)
        category = charge.category if charge is not None else PRODUCT
        if category not in counted:
            continue
        own = charge is None or charge.price == PRODUCT
        price = average if own or charge is None else prices[charge.price].value
        line = None if own or charge is None else book.prices[charge.price]
        unit = line.unit if line is not None else "per infusion"
        cells = {policy: accounts.items[policy][i] for policy in accounts.policies}
        if price == 0 or not any((cell != 0).any() for cell in cells.values()):
            continue
        for policy, cell in cells.items():
            for k, period in enumerate(period_names(book.periods)):
                for discounted in (0, 1):
                    cost = mean_of(int(accounts.n[0]), cell[k, discounted], ONE)
                    rows.append(
                        {
                            "policy": policy,
                            "item": item,
                            "category": category,
                            "period": period,
                            "discounted": discounted,
                            "unit": unit,
                            "unit_price": price,
                            "quantity": cost / price,
                            "cost": cost,
                        }
                    )
    columns = ["policy", "item", "category", "period", "discounted", "unit", "unit_price", "quantity", "cost"]
    return pd.DataFrame(rows, columns=columns)


def _product_price(accounts: Accounts) -> float:
    """Give the mean list price that patients are charged, over the policies that give a product."""
    charged = [accounts.mean(p, "list_price")[0] for p in accounts.policies]
    given = [price for price in charged if price > 0]
    return float(np.mean(given)) if given else 0.0


def _reference(accounts: Accounts) -> str | None:
    names = accounts.estimates().names
    return accounts.reference if accounts.reference in names else None
