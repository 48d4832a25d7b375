"""The economic half of the settings: books of prices, utilities and resource use, payment, discounting, perspective.

All of it is applied to the journal after lives are lived: nothing here changes a life.
"""

from __future__ import annotations

import functools
import math
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sim import journal
from sim.lines import Frozen, Group, Line, NonNegative, Positive, Status, Words
from sim.problems import did_you_mean

#: Categories of cost, in the order of every table, and the component of a perspective each belongs to.
CATEGORIES: Final[dict[str, str]] = {
    "product": "medical",
    "preparation": "medical",
    "hospital": "medical",
    "toxicity": "medical",
    "infection": "medical",
    "immunoglobulin": "medical",
    "monitoring": "medical",
    "transplant": "medical",
    "gvhd": "medical",
    "reinfusion": "medical",
    "maintenance": "medical",
    "salvage": "medical",
    "late_effects": "medical",
    "end_of_life": "medical",
    "other_medical": "unrelated_medical",
    "travel": "travel",
    "informal_care": "informal_care",
    "productivity": "productivity",
    "education": "education",
}
COMPONENTS: Final = tuple(dict.fromkeys(CATEGORIES.values()))
#: Currencies that amounts may be stated in (ISO 4217).
CURRENCIES: Final = ("USD", "GBP", "EUR", "CAD", "JPY", "CHF", "AUD", "SEK", "NOK", "DKK", "KRW", "CNY")
PERSPECTIVES: Final = ("payer", "health_system", "societal")
#: Events of the journal; ``alive`` stands for every phase.
EVENTS: Final = {name: code for code, name in journal.event_names().items()}
ALIVE: Final = "alive"
#: Name of the price that every CAR T product has in the book: the journal says which.
PRODUCT: Final = "product"

_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Days = Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)]
_Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"unknown currency {code!r}: {did_you_mean(code, CURRENCIES)}")
    return code


Currency = Annotated[str, Field(strict=True)]


class Price(Line):
    """What one unit costs.

    Attributes
    ----------
    currency
        ISO code.
    year
        Price year; null: not stated by the source.
    includes
        Charges (names of the resource book) that this price covers while its window lasts: never itemised again.
    """

    bounds = (0.0, math.inf)
    units = frozenset(
        "per infusion|per dose|per mg|per mcg|per g|per unit|per day|per stay|per procedure|per test|per visit"
        "|per course|per event|per patient|per transplant|per episode|per trip".split("|")
    )

    currency: Currency
    year: Annotated[int, Field(strict=True, ge=1980, le=2100)] | None
    includes: tuple[str, ...] = ()

    @field_validator("currency")
    @classmethod
    def _currency_known(cls, code: str) -> str:
        return _known_currency(code)


class Utility(Line):
    """A utility: 1 is full health, 0 is death."""

    bounds = (-1.0, 1.0)
    units = frozenset({"utility"})


class Loss(Line):
    """QALYs that one event costs."""

    bounds = (0.0, 1.0)
    units = frozenset({"QALY"})


class Rate(Line):
    """A yearly discount rate: a value in t years is divided by ``(1 + rate) ** t``."""

    bounds = (0.0, 100.0)
    units = frozenset({"per year"})


class State(Group):
    """The utility of a state, and what it stands against.

    The state multiplies the age norm by ``utility / reference``, at most 1. Where `reference` is null, it is the norm
    at `age` (mean of both sexes).

    Attributes
    ----------
    utility
        As published.
    age
        Mean age of those it was measured in, years.
    reference
        Utility of the same source for people without the state.
    """

    utility: Utility
    age: Annotated[float, Field(strict=True, ge=0.0, le=120.0)] | None = None
    reference: Utility | None = None

    @model_validator(mode="after")
    def _stands_against_something(self) -> Self:
        if (self.age is None) == (self.reference is None):
            raise ValueError(
                "give either age (of those it was measured in) or reference (the same source's well state)"
            )
        if self.reference is not None and self.reference.value <= 0.0:
            raise ValueError("reference must be greater than 0")
        return self


class States(Group):
    """Utilities of phases and of what overlays them."""

    waiting: State
    treatment: State
    remission: State
    transplanted: State
    relapsed: State
    second_remission: State
    salvage_transplanted: State
    palliative: State
    salvage: State
    hct_year: State
    hct_survivor: State
    chronic_gvhd: State
    maintenance: State
    tki: State
    late_effect: State
    neurocognitive: State
    second_cancer: State


class Losses(Group):
    """QALYs lost by event, over the year that begins with it."""

    crs_1: Loss
    crs_2: Loss
    crs_3: Loss
    icans_1: Loss
    icans_3: Loss
    iec_hs: Loss
    infection_mild: Loss
    infection_severe: Loss
    acute_gvhd: Loss
    sinusoidal: Loss
    infertility: Loss


class Utilities(Group):
    """The utility book.

    Attributes
    ----------
    norms
        Age norms: ``us`` and ``uk`` tables, the ``uk_equation``, or none.
    states, losses
        See `States` and `Losses`.
    """

    norms: Literal["us", "uk", "uk_equation", "none"]
    states: States
    losses: Losses


class Quantity(NonNegative):
    """How much is used."""

    units = frozenset(
        "count|per day|per week|per month|per year|per kg|per m2|per kg per day|per m2 per day|per kg per month"
        "|per m2 per month".split("|")
    )


class Charge(Group):
    """One use of resources: which rows of the journal cause it, how much, at which price.

    Attributes
    ----------
    about
        What it is.
    category
        One of `CATEGORIES`.
    price
        Name in the price book; ``product``: the price of the patient's own product.
    event
        Name of the journal's event; ``alive``: every phase.
    detail
        Codes of the row's detail that count; null: all.
    bits
        Bits of the detail, one of which must be set (assays of a visit); null: none.
    at
        ``start``: once, when the row begins; ``during``: along the sojourn; ``after``: from the row's start on, until
        death at the latest.
    from_day, until_day
        Window of a flow, days from the row's start; null: no end.
    quantity
        Units of the price per event, or per time along a flow; per kg or m2 where `by` says so.
    by
        ``patient``; ``kg`` or ``m2``: times body weight or surface at referral.
    times_detail
        Times the row's detail as well (doses).
    pack, most
        Units in a vial (what is opened is charged); most units per dose. Null: none. For `at: start` only.
    weight
        Only patients whose weight (kg) lies in this range, lower end included.
    age
        Only at these ages in years when the row begins, lower end included.
    who
        Only patients with this attribute.
    """

    about: Words
    category: Annotated[str, Field(strict=True)]
    price: Annotated[str, Field(strict=True)]
    event: Annotated[str, Field(strict=True)]
    detail: tuple[int, ...] | None = None
    bits: Annotated[int, Field(strict=True, ge=1)] | None = None
    at: Literal["start", "during", "after"] = "start"
    from_day: _Days = 0.0
    until_day: _Days | None = None
    quantity: Quantity
    by: Literal["patient", "kg", "m2"] = "patient"
    times_detail: Annotated[bool, Field(strict=True)] = False
    pack: Annotated[float, Field(strict=True, gt=0.0)] | None = None
    most: Annotated[float, Field(strict=True, gt=0.0)] | None = None
    weight: tuple[_Finite, _Finite] | None = None
    age: tuple[_Finite, _Finite] | None = None
    who: Literal["distance", "poverty", "female"] | None = None

    @field_validator("category")
    @classmethod
    def _category_known(cls, name: str) -> str:
        if name not in CATEGORIES:
            raise ValueError(f"unknown category {name!r}: {did_you_mean(name, CATEGORIES)}")
        return name

    @field_validator("event")
    @classmethod
    def _event_known(cls, name: str) -> str:
        if name != ALIVE and name not in EVENTS:
            raise ValueError(f"unknown event {name!r}: {did_you_mean(name, [*EVENTS, ALIVE])}")
        return name

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.until_day is not None and self.until_day <= self.from_day:
            raise ValueError(f"until_day ({self.until_day:g}) must be greater than from_day ({self.from_day:g})")
        if self.at != "start" and (self.pack is not None or self.most is not None):
            raise ValueError("pack and most belong to single doses (at: start)")
        if (self.price == PRODUCT) != (self.category == PRODUCT):
            raise ValueError("category product and price product belong together: one product's price scales both")
        return self


class Payment(Frozen):
    """One payment for the product.

    Attributes
    ----------
    share
        Of the price.
    months
        After infusion.
    condition
        ``always``: owed whatever happens; ``alive``; ``response``: complete remission was found at the response visit;
        ``remission``: alive, in remission, never relapsed since infusion.
    refund
        Share of this payment that is given back.
    refund_if
        ``death`` or ``relapse``: what brings the refund.
    refund_months
        When it must happen, months after infusion.
    """

    share: _Share
    months: _Days = 0.0
    condition: Literal["always", "alive", "response", "remission"] = "always"
    refund: _Share = 0.0
    refund_if: Literal["none", "death", "relapse"] = "none"
    refund_months: _Days = 0.0

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.refund > 0.0) != (self.refund_if != "none"):
            raise ValueError("refund and refund_if belong together")
        if self.refund_if != "none" and self.refund_months <= 0.0:
            raise ValueError("refund_months must be greater than 0")
        return self


class Scheme(Frozen):
    """How the product is paid.

    Attributes
    ----------
    label, source, status
        What it is, where it is from, how well that is known.
    hct_counts
        A transplant in remission leaves the patient in remission for the purpose of payment.
    payments
        The parts; their shares sum to 1.
    """

    label: Words
    source: Words
    status: Status
    hct_counts: Annotated[bool, Field(strict=True)]
    payments: Annotated[tuple[Payment, ...], Field(min_length=1)]

    @field_validator("payments")
    @classmethod
    def _sums_to_one(cls, payments: tuple[Payment, ...]) -> tuple[Payment, ...]:
        total = math.fsum(payment.share for payment in payments)
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"shares must sum to 1 (they sum to {total:g})")
        return payments


class ProductRules(Group):
    """What is charged for a product that is not the usual one: shares of its price."""

    out_of_specification: NonNegative
    donor_derived: NonNegative


class Later(Group):
    """Discount rates from some year on."""

    after: Positive
    costs: Rate
    effects: Rate


class Discount(Group):
    """Yearly discount rates, for costs and for effects, with a step where `later` is given."""

    costs: Rate
    effects: Rate
    later: Later | None = None


class SeverityWeight(Frozen):
    """QALY weight where the absolute (QALYs) or the proportional shortfall reaches a limit."""

    weight: Annotated[float, Field(strict=True, ge=0.0)]
    absolute: Annotated[float, Field(strict=True, ge=0.0)]
    proportional: _Share


class Severity(Frozen):
    """Severity weights by QALY shortfall; the highest that applies counts."""

    source: Words
    status: Status
    weights: Annotated[tuple[SeverityWeight, ...], Field(min_length=1)]


class Population(Frozen):
    """Whose life table the profile compares with (severity); the run's own is ``life_table``."""

    country: str
    year: Annotated[str, BeforeValidator(_path)]


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


class Economics(Frozen):
    """Prices, utilities, resource use and conventions of one jurisdiction.

    Attributes
    ----------
    profile, label
        Name of the profile, and in words.
    currency, price_year
        In which results are stated.
    conversion
        CSV table (from, from_year, to, to_year, factor) for prices in other currencies or years; null: none.
    perspective
        The one that answers are given in; all of `perspectives` are tabulated.
    perspectives
        Components counted by each.
    wtp
        Willingness to pay for a QALY, in ascending order.
    periods
        Ends of the periods in which costs are tabulated, years from the origin.
    """

    profile: str
    label: Words
    currency: Currency
    price_year: Annotated[int, Field(strict=True, ge=1980, le=2100)]
    conversion: Annotated[str | None, BeforeValidator(_path)]
    perspective: Literal["payer", "health_system", "societal"]
    perspectives: dict[Literal["payer", "health_system", "societal"], tuple[str, ...]]
    wtp: Annotated[tuple[_Days, ...], BeforeValidator(_several)]
    wtp_source: Words
    periods: tuple[Annotated[float, Field(strict=True, gt=0.0)], ...]
    discount: Discount
    population: Population
    severity: Severity | None
    product_rules: ProductRules
    prices: dict[str, Price | None]
    utilities: Utilities
    resources: dict[str, Charge]
    payment: Scheme

    @field_validator("currency")
    @classmethod
    def _currency_known(cls, code: str) -> str:
        return _known_currency(code)

    @field_validator("wtp")
    @classmethod
    def _some_wtp(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if not grid:
            raise ValueError("the grid is empty: give at least one amount, for example economics.wtp=100000")
        if list(grid) != sorted(set(grid)):
            raise ValueError("must be ascending, each amount once")
        return grid

    @field_validator("periods")
    @classmethod
    def _ascending(cls, ends: tuple[float, ...]) -> tuple[float, ...]:
        if list(ends) != sorted(set(ends)):
            raise ValueError("must be ascending, each year once")
        return ends

    @field_validator("perspectives")
    @classmethod
    def _components_known(cls, perspectives: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name in PERSPECTIVES:
            if name not in perspectives:
                raise ValueError(f"perspective {name!r} is missing")
        for name, components in perspectives.items():
            for component in components:
                if component not in COMPONENTS:
                    raise ValueError(f"{name}: unknown component {component!r}, {did_you_mean(component, COMPONENTS)}")
        return perspectives

    def categories(self, perspective: str | None = None) -> tuple[str, ...]:
        """List the categories of cost that a perspective counts (the chosen one where none is named)."""
        counted = self.perspectives[perspective or self.perspective]  # type: ignore[index]
        return tuple(name for name, component in CATEGORIES.items() if component in counted)

    def needed_components(self) -> frozenset[str]:
        """List the components that any perspective counts."""
        return frozenset(component for counted in self.perspectives.values() for component in counted)


def gaps(book: Economics) -> Iterator[str]:
    """Name what has no price, and what a price includes without there being such a charge."""
    counted = book.needed_components()
    missing: dict[str, list[str]] = {}
    for name, charge in book.resources.items():
        if charge.price == PRODUCT or CATEGORIES[charge.category] not in counted:
            continue
        if book.prices.get(charge.price) is None:
            missing.setdefault(charge.price, []).append(name)
    for price, charges in missing.items():
        near = "" if price in book.prices else f" ({did_you_mean(price, [k for k, v in book.prices.items() if v])})"
        yield f"economics.prices.{price}: no price for {', '.join(charges)}; give one in your own book{near}"
    for name, line in book.prices.items():
        for included in line.includes if line is not None else ():
            if included not in book.resources:
                yield (
                    f"economics.prices.{name}.includes: no such charge {included!r} among economics.resources, "
                    f"{did_you_mean(included, book.resources)}"
                )


def none_is_none(data: Any) -> Any:
    """Read the choice ``economics=none``."""
    return None if isinstance(data, dict) and data.get("profile") == "none" else data


@functools.cache
def state_names() -> tuple[str, ...]:
    """List the states that have a utility, in order."""
    return tuple(States.model_fields)


@functools.cache
def loss_names() -> tuple[str, ...]:
    """List the events that cost QALYs, in order."""
    return tuple(Losses.model_fields)


def conditions() -> tuple[str, ...]:
    """List the conditions of a payment, in code order."""
    return typing.get_args(Payment.model_fields["condition"].annotation)
