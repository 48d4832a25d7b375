"""From books to arrays: what the valuation's compiled function reads."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from sim import journal
from sim.economics.norms import AGES, norm_at, norms
from sim.economics.settings import (
    ALIVE,
    CATEGORIES,
    EVENTS,
    PERSPECTIVES,
    PRODUCT,
    Charge,
    Economics,
    Price,
    State,
    conditions,
    gaps,
    loss_names,
    state_names,
)
from sim.problems import Problem, joined
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR, to_kernel

#: Most bundles (prices that include charges) at once: bits of one integer.
MOST_BUNDLES: Final = 60
#: Codes of the ways in which a charge falls due and of what multiplies it.
AT: Final = {"start": 0, "during": 1, "after": 2}
BY: Final = {"patient": 0, "kg": 1, "m2": 2}
WHO: Final = {None: 0, "distance": 1, "poverty": 2, "female": 3}
REFUNDS: Final = {"none": 0, "death": 1, "relapse": 2}

RULE: Final = np.dtype(
    [
        ("event", np.int64),
        ("detail", np.int64),  # -1: any
        ("bits", np.int64),  # 0: any
        ("item", np.int64),
        ("category", np.int64),
        ("at", np.int64),
        ("by", np.int64),
        ("times_detail", np.int64),
        ("who", np.int64),
        ("product", np.int64),  # 1: times the price of the patient's product
        ("covered", np.int64),  # bundles that cover it
        ("bundle", np.int64),  # the bundle that it opens; -1: none
        ("from_day", np.float64),
        ("until_day", np.float64),
        ("quantity", np.float64),  # per event, or per day
        ("price", np.float64),
        ("pack", np.float64),
        ("most", np.float64),
        ("weight_from", np.float64),
        ("weight_to", np.float64),
        ("age_from", np.float64),
        ("age_to", np.float64),
    ],
    align=True,
)
PAYMENT: Final = np.dtype(
    [
        ("share", np.float64),
        ("days", np.float64),
        ("condition", np.int64),
        ("refund", np.float64),
        ("refund_if", np.int64),
        ("refund_days", np.float64),
    ],
    align=True,
)


class Tariff(NamedTuple):
    """What the compiled function reads.

    Attributes
    ----------
    rules, first_rule
        Charges by event (`RULE`), and where each event's begin.
    payments
        The payment scheme (`PAYMENT`).
    product_price
        Price by product code; NaN where there is none.
    product_share
        Charged share of it: out of specification, donor-derived.
    factors, losses
        By state and by event, in the order of the settings.
    norms, tails
        Age norms (2, ages); integrals of the discounted norm from an age on, (4, 2, ages + 1): undiscounted, at the
        first rate, at the later rate, plain norms.
    rates
        Log-rates: costs, effects, later costs, later effects; then the year of the step.
    periods
        Ends of the periods, days from the origin; the last is infinite.
    counts
        1 where a perspective (row) counts a category.
    switches
        Norms in use; a transplant in remission counts for payment; origin (0 referral, 1 infusion, 2 remission).
    """

    rules: np.ndarray
    first_rule: np.ndarray
    payments: np.ndarray
    product_price: np.ndarray
    product_share: np.ndarray
    factors: np.ndarray
    losses: np.ndarray
    norms: np.ndarray
    tails: np.ndarray
    rates: np.ndarray
    periods: np.ndarray
    counts: np.ndarray
    switches: np.ndarray


@dataclass(frozen=True)
class Amount:
    """A price in the currency and year of the run, and how it came there.

    Attributes
    ----------
    value
        Amount.
    factor
        What the published amount was multiplied by; 1: nothing.
    unadjusted
        Its price year differs from the run's (or is not stated) and no table converts it.
    """

    value: float
    factor: float
    unadjusted: bool


def compile_tariff(book: Economics, products: list[str], origin: str) -> Tariff:
    """Turn the books into arrays.

    Parameters
    ----------
    book
        Checked economic settings.
    products
        Names of the catalogue in code order.
    origin
        referral, infusion or remission.

    Raises
    ------
    Problem
        When prices are in other currencies and nothing converts them.
    """
    missing = list(gaps(book))
    if missing:
        raise Problem(joined(missing))
    prices = {name: amount.value for name, amount in amounts(book).items()}
    rules, first_rule = _rules(book, prices)
    return Tariff(
        rules,
        first_rule,
        _payments(book),
        np.array([prices.get(name, math.nan) for name in products]),
        np.array([book.product_rules.out_of_specification.value, book.product_rules.donor_derived.value]),
        np.array([state_factor(getattr(book.utilities.states, name), book.utilities.norms) for name in state_names()]),
        np.array([getattr(book.utilities.losses, name).value for name in loss_names()]),
        norms(book.utilities.norms),
        _tails(book),
        _rates(book),
        np.array([*(years * DAYS_PER_YEAR for years in book.periods), math.inf]),
        np.array([[int(name in book.categories(view)) for name in CATEGORIES] for view in PERSPECTIVES]),
        np.array(
            [
                int(book.utilities.norms != "none"),
                int(book.payment.hct_counts),
                ("referral", "infusion", "remission").index(origin),
            ],
            dtype=np.int64,
        ),
    )


def state_factor(state: State, norm_set: str) -> float:
    """Give what a state multiplies the age norm by, at most 1."""
    against = state.reference.value if state.reference is not None else norm_at(norm_set, state.age or 0.0)
    return min(1.0, state.utility.value / against)


def amounts(book: Economics) -> dict[str, Amount]:
    """Bring every price into the currency and year of the run.

    Without a conversion table an amount in the run's currency is used as published, whatever its year (the report
    lists those as unadjusted); another currency is refused.
    """
    table = read_conversion(book.conversion) if book.conversion is not None else {}
    found: dict[str, Amount] = {}
    problems = []
    for name, line in book.prices.items():
        if line is None:
            continue
        same = line.currency == book.currency and line.year == book.price_year
        factor = 1.0 if same else table.get((line.currency, line.year, book.currency, book.price_year))
        if factor is None and line.currency != book.currency:
            problems.append(
                f"economics.prices.{name}: is in {line.currency} {line.year or '(year not stated)'}, the run in "
                f"{book.currency} {book.price_year}; give the factor in a table (from, from_year, to, to_year, factor) "
                "with economics.conversion=FILE"
            )
            continue
        found[name] = Amount(line.value * (factor or 1.0), factor or 1.0, factor is None)
    if problems:
        raise Problem(joined(problems))
    return found


def read_conversion(path: str) -> dict[tuple[str, int | None, str, int], float]:
    """Read the user's table of conversion and inflation factors.

    Raises
    ------
    Problem
        When it cannot be read, or a row is not what it must be.
    """
    columns = ["from", "from_year", "to", "to_year", "factor"]
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            if reader.fieldnames != columns:
                raise Problem(f"economics.conversion={path}: the columns must be {', '.join(columns)}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Problem(f"economics.conversion={path}: cannot be read ({error})") from None
    table: dict[tuple[str, int | None, str, int], float] = {}
    for number, row in enumerate(rows, start=1):
        try:
            year = int(row["from_year"]) if row["from_year"].strip() else None
            key = (row["from"].strip(), year, row["to"].strip(), int(row["to_year"]))
            factor = float(row["factor"])
        except (ValueError, AttributeError):
            raise Problem(
                f"economics.conversion={path}, row {number}: years must be whole numbers (from_year may be empty), "
                "factor a number"
            ) from None
        if not 0.0 < factor < math.inf:
            raise Problem(f"economics.conversion={path}, row {number}: factor ({factor:g}) must be greater than 0")
        if key in table:
            raise Problem(f"economics.conversion={path}, row {number}: {row['from']} {row['from_year']} stands twice")
        table[key] = factor
    return table


def item_names(book: Economics) -> list[str]:
    """List the items of cost: the products, then every charge of the resource book."""
    return [PRODUCT, *book.resources]


def _rules(book: Economics, prices: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    bundles = _bundles(book)
    counted = book.needed_components()
    rules = []
    for item, (name, charge) in enumerate(book.resources.items(), start=1):
        if CATEGORIES[charge.category] not in counted:
            continue
        covered = sum(1 << i for i, (_, included) in enumerate(bundles.items()) if name in included)
        bundle = list(bundles).index(name) if name in bundles else -1
        for event in _events(charge):
            for detail in charge.detail if charge.detail is not None else (-1,):
                rules.append(_rule(charge, prices, item, event, detail, covered, bundle))
    rules.sort(key=lambda rule: rule["event"])
    table = np.zeros(len(rules), dtype=RULE)
    for row, rule in zip(table, rules, strict=True):
        for key, value in rule.items():
            row[key] = value
    first = np.searchsorted(table["event"], np.arange(max(EVENTS.values()) + 2)).astype(np.int64)
    return table, first


def _bundles(book: Economics) -> dict[str, tuple[str, ...]]:
    """Charge -> what its price includes."""
    found = {}
    for name, charge in book.resources.items():
        line = book.prices.get(charge.price)
        if line is not None and line.includes:
            found[name] = line.includes
    if len(found) > MOST_BUNDLES:
        raise Problem(f"economics.prices: {len(found)} charges have a price with includes, more than {MOST_BUNDLES}")
    return found


def _events(charge: Charge) -> list[int]:
    return list(range(journal.PHASES)) if charge.event == ALIVE else [EVENTS[charge.event]]


def _rule(
    charge: Charge, prices: dict[str, float], item: int, event: int, detail: int, covered: int, bundle: int
) -> dict[str, Any]:
    infinite = (-math.inf, math.inf)
    return {
        "event": event,
        "detail": detail,
        "bits": charge.bits or 0,
        "item": item,
        "category": list(CATEGORIES).index(charge.category),
        "at": AT[charge.at],
        "by": BY[charge.by],
        "times_detail": int(charge.times_detail),
        "who": WHO[charge.who],
        "product": int(charge.price == PRODUCT),
        "covered": covered,
        "bundle": bundle,
        "from_day": charge.from_day,
        "until_day": charge.until_day if charge.until_day is not None else math.inf,
        "quantity": to_kernel(charge.quantity.value, charge.quantity.unit),
        "price": 1.0 if charge.price == PRODUCT else prices[charge.price],
        "pack": charge.pack or 0.0,
        "most": charge.most or math.inf,
        "weight_from": (charge.weight or infinite)[0],
        "weight_to": (charge.weight or infinite)[1],
        "age_from": (charge.age or infinite)[0],
        "age_to": (charge.age or infinite)[1],
    }


def _payments(book: Economics) -> np.ndarray:
    table = np.zeros(len(book.payment.payments), dtype=PAYMENT)
    for row, payment in zip(table, book.payment.payments, strict=True):
        row["share"] = payment.share
        row["days"] = payment.months * DAYS_PER_MONTH
        row["condition"] = conditions().index(payment.condition)
        row["refund"] = payment.refund
        row["refund_if"] = REFUNDS[payment.refund_if]
        row["refund_days"] = payment.refund_months * DAYS_PER_MONTH
    return table


def _rates(book: Economics) -> np.ndarray:
    discount = book.discount
    later = discount.later
    rates = [discount.costs, discount.effects, *([later.costs, later.effects] if later else [])]
    logs = [math.log1p(rate.value) for rate in rates]
    return np.array([*logs, *(() if later else logs), later.after.value if later else math.inf])


def _tails(book: Economics) -> np.ndarray:
    """Integrate the norms, times ``exp(-rate * age)``, from each age to the end of the table."""
    table = norms(book.utilities.norms)
    tails = np.zeros((3, 2, AGES + 1))
    rates = _rates(book)
    for k, rate in enumerate((0.0, rates[1], rates[3])):
        ages = np.arange(AGES)
        year = np.ones(AGES) if rate == 0.0 else np.exp(-rate * ages) * -np.expm1(-rate) / rate
        tails[k, :, :-1] = np.cumsum((table * year)[:, ::-1], axis=1)[:, ::-1]
    return tails


def unadjusted(book: Economics) -> list[tuple[str, Price]]:
    """List the prices that are used at another price year than the run's."""
    found = amounts(book)
    return [(name, line) for name, line in book.prices.items() if line is not None and found[name].unadjusted]
