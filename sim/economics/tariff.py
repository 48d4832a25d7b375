"""From books to arrays: what the valuation's compiled function reads."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from sim import journal
from sim.economics import kernel as room
from sim.economics.kernel import factor_at
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

#: Columns of a charge in the record: name -> type.
RULE: Final[dict[str, type]] = {
    "detail": np.int64,  # -1: any
    "bits": np.int64,  # 0: any
    "item": np.int64,
    "category": np.int64,
    "at": np.int64,
    "by": np.int64,
    "times_detail": np.int64,
    "anybody": np.int64,  # 1: neither weight, age nor an attribute restricts it
    "who": np.int64,
    "product": np.int64,  # 1: times the price of the patient's product
    "covered": np.int64,  # bundles that cover it
    "bundle": np.int64,  # the bundle that it opens; -1: none
    "from": np.float64,
    "until": np.float64,
    "quantity": np.float64,  # per event, or per day
    "price": np.float64,
    "pack": np.float64,
    "most": np.float64,
    "weight_from": np.float64,
    "weight_to": np.float64,
    "age_from": np.float64,
    "age_to": np.float64,
}
#: Columns of a payment in the record.
PAYMENT: Final[dict[str, type]] = {
    "share": np.float64,
    "days": np.float64,
    "condition": np.int64,
    "refund": np.float64,
    "refund_if": np.int64,
    "refund_days": np.float64,
}
_EVENT_ROOM: Final = 64

#: Layout of the tariff that the compiled functions read.
TARIFF: Final = np.dtype(
    [
        *((f"rule_{name}", kind, (room.RULES,)) for name, kind in RULE.items()),
        ("first_rule", np.int64, (_EVENT_ROOM,)),
        ("opens", np.int64, (_EVENT_ROOM,)),
        ("payments", np.int64),
        *((f"payment_{name}", kind, (room.PAYMENTS,)) for name, kind in PAYMENT.items()),
        ("hct_counts", np.int64),
        ("product_price", np.float64, (room.PRODUCTS,)),
        ("out_of_specification", np.float64),
        ("donor_derived", np.float64),
        ("factors", np.float64, (room.STATES,)),
        ("losses", np.float64, (room.LOSSES,)),
        ("with_norms", np.int64),
        ("norms", np.float64, (2 * room.AGES,)),
        ("tails", np.float64, (6 * (room.AGES + 1),)),
        ("age_factors", np.float64, (3 * (room.AGES + 1),)),
        ("cost_rate", np.float64),
        ("effect_rate", np.float64),
        ("cost_later", np.float64),
        ("effect_later", np.float64),
        ("step", np.float64),
        ("discounts_costs", np.int64),
        ("discounts_effects", np.int64),
        ("period_count", np.int64),
        ("periods", np.float64, (room.PERIODS,)),
        ("period_factors", np.float64, (room.PERIODS,)),
        ("counts", np.int64, (room.PERSPECTIVES * room.CATEGORIES,)),
        ("origin", np.int64),
    ],
    align=True,
)
#: Layout of the working record of the life at hand.
WORK: Final = np.dtype(
    [
        *((name, np.float64) for name in "age female weight distance poverty prior_hct product".split()),
        *((name, np.float64) for name in "end origin infusion response failure transplant death price".split()),
        ("product_given", np.int64),
        ("out", np.float64, (2 * room.PERIODS * (room.CATEGORIES + room.PERSPECTIVES),)),
        ("touched", np.int64, (room.CATEGORIES + room.PERSPECTIVES,)),
        ("items", np.float64, (2 * room.PERIODS * room.ITEMS,)),
        ("lost", np.float64, (2 * room.LOSSES,)),
        *((name, np.float64) for name in "life_years life_years_discounted qalys qalys_discounted".split()),
        *((name, np.float64) for name in "list_price paid paid_discounted point point_factor".split()),
        *((name, np.float64) for name in "flow_start flow_stop flow_start_factor flow_stop_factor".split()),
        *((name, np.float64) for name in "origin_age scale scale_later beyond".split()),
        ("overlays", np.int64),
        *((f"overlay_{name}", np.float64, (room.OVERLAYS,)) for name in ("start", "stop", "factor")),
        ("windows", np.int64),
        ("window_bundle", np.int64, (room.WINDOWS,)),
        *((f"window_{name}", np.float64, (room.WINDOWS,)) for name in ("start", "stop")),
        ("pieces", np.int64),
        *((f"piece_{name}", np.float64, (room.PIECES,)) for name in "start stop factor lived present".split()),
        *((f"event_{name}", np.float64, (room.EVENTS,)) for name in ("start", "loss")),
    ],
    align=True,
)


class Tariff(NamedTuple):
    """What the compiled function reads.

    Attributes
    ----------
    record
        One row of `TARIFF`: charges by event, payments, product prices, factors of states, losses, norms and their
        discounted integrals over age, rates, periods, perspectives, origin.
    periods
        Ends of the periods, days from the origin; the last is infinite.
    product_price
        Price by product code; NaN where there is none.
    """

    record: np.ndarray
    periods: np.ndarray
    product_price: np.ndarray


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
    record = np.zeros(1, dtype=TARIFF)
    q = record[0]
    _write_rules(book, prices, q)
    _write_payments(book, q)
    product_price = np.array([prices.get(name, math.nan) for name in products])
    q["product_price"][: len(products)] = product_price
    q["out_of_specification"] = book.product_rules.out_of_specification.value
    q["donor_derived"] = book.product_rules.donor_derived.value
    states = book.utilities.states
    q["factors"] = [state_factor(getattr(states, name), book.utilities.norms) for name in state_names()]
    q["losses"] = [getattr(book.utilities.losses, name).value for name in loss_names()]
    _write_discounting(book, q)
    _write_norms(book, q)
    periods = np.array([*(years * DAYS_PER_YEAR for years in book.periods), math.inf])
    q["period_count"] = len(periods)
    q["periods"] = math.inf
    q["periods"][: len(periods)] = periods
    q["period_factors"][: len(periods) - 1] = [
        factor_at(years, q["cost_rate"], q["cost_later"], q["step"]) for years in book.periods
    ]
    q["counts"] = [int(name in book.categories(view)) for view in PERSPECTIVES for name in CATEGORIES]
    q["origin"] = ("referral", "infusion", "remission").index(origin)
    return Tariff(record, periods, product_price)


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


def _write_rules(book: Economics, prices: dict[str, float], q: Any) -> None:
    bundles = _bundles(book)
    counted = book.needed_components()
    found: list[tuple[int, dict[str, float]]] = []
    for item, (name, charge) in enumerate(book.resources.items(), start=1):
        if CATEGORIES[charge.category] not in counted:
            continue
        covered = sum(1 << i for i, included in enumerate(bundles.values()) if name in included)
        bundle = list(bundles).index(name) if name in bundles else -1
        for event in _events(charge):
            for detail in charge.detail if charge.detail is not None else (-1,):
                found.append((event, _rule(charge, prices, item, detail, covered, bundle)))
    for what, many, most in (("charges", len(found), room.RULES), ("items", len(book.resources) + 1, room.ITEMS)):
        if many > most:
            raise Problem(f"economics.resources: {many} {what} (each event and detail counts), at most {most} fit")
    found.sort(key=lambda pair: pair[0])
    for k, (_, one) in enumerate(found):
        for key, number in one.items():
            q[f"rule_{key}"][k] = number
    events = np.array([event for event, _ in found], dtype=np.int64)
    q["first_rule"] = np.searchsorted(events, np.arange(_EVENT_ROOM))
    for event, rule in found:
        if rule["bundle"] >= 0:
            q["opens"][event] = 1


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
    charge: Charge, prices: dict[str, float], item: int, detail: int, covered: int, bundle: int
) -> dict[str, float]:
    infinite = (-math.inf, math.inf)
    return {
        "detail": detail,
        "bits": charge.bits or 0,
        "item": item,
        "category": list(CATEGORIES).index(charge.category),
        "at": AT[charge.at],
        "by": BY[charge.by],
        "times_detail": int(charge.times_detail),
        "anybody": int(charge.weight is None and charge.age is None and charge.who is None),
        "who": WHO[charge.who],
        "product": int(charge.price == PRODUCT),
        "covered": covered,
        "bundle": bundle,
        "from": charge.from_day,
        "until": charge.until_day if charge.until_day is not None else math.inf,
        "quantity": to_kernel(charge.quantity.value, charge.quantity.unit),
        "price": 1.0 if charge.price == PRODUCT else prices[charge.price],
        "pack": charge.pack or 0.0,
        "most": charge.most or math.inf,
        "weight_from": (charge.weight or infinite)[0],
        "weight_to": (charge.weight or infinite)[1],
        "age_from": (charge.age or infinite)[0],
        "age_to": (charge.age or infinite)[1],
    }


def _write_payments(book: Economics, q: Any) -> None:
    payments = book.payment.payments
    if len(payments) > room.PAYMENTS:
        raise Problem(f"economics.payment.payments: {len(payments)} payments, at most {room.PAYMENTS} fit")
    q["payments"] = len(payments)
    q["hct_counts"] = int(book.payment.hct_counts)
    for k, payment in enumerate(payments):
        q["payment_share"][k] = payment.share
        q["payment_days"][k] = payment.months * DAYS_PER_MONTH
        q["payment_condition"][k] = conditions().index(payment.condition)
        q["payment_refund"][k] = payment.refund
        q["payment_refund_if"][k] = REFUNDS[payment.refund_if]
        q["payment_refund_days"][k] = payment.refund_months * DAYS_PER_MONTH


def _write_discounting(book: Economics, q: Any) -> None:
    discount = book.discount
    later = discount.later
    q["cost_rate"] = math.log1p(discount.costs.value)
    q["effect_rate"] = math.log1p(discount.effects.value)
    q["cost_later"] = math.log1p(later.costs.value) if later else q["cost_rate"]
    q["effect_later"] = math.log1p(later.effects.value) if later else q["effect_rate"]
    q["step"] = later.after.value if later else math.inf
    q["discounts_costs"] = int(q["cost_rate"] != 0.0 or q["cost_later"] != 0.0)
    q["discounts_effects"] = int(q["effect_rate"] != 0.0 or q["effect_later"] != 0.0)


def _write_norms(book: Economics, q: Any) -> None:
    """Integrate the norms, times ``exp(-rate * age)``, from each age to the end of the table."""
    q["with_norms"] = int(book.utilities.norms != "none")
    table = norms(book.utilities.norms)
    q["norms"] = table.ravel()
    tails = np.zeros((3, 2, AGES + 1))
    ages = np.arange(AGES + 1)
    factors = np.ones((3, AGES + 1))
    for k, rate in enumerate((0.0, q["effect_rate"], q["effect_later"])):
        factors[k] = np.exp(-rate * ages)
        year = np.ones(AGES) if rate == 0.0 else factors[k, :-1] * -np.expm1(-rate) / rate
        tails[k, :, :-1] = np.cumsum((table * year)[:, ::-1], axis=1)[:, ::-1]
    q["tails"] = tails.ravel()
    q["age_factors"] = factors.ravel()


def unadjusted(book: Economics) -> list[tuple[str, Price]]:
    """List the prices that are used at another price year than the run's."""
    found = amounts(book)
    return [(name, line) for name, line in book.prices.items() if line is not None and found[name].unadjusted]
