"""Hand-written lives and small books: what valuation must come to is known without running it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from support import settings_of

from sim import journal as j
from sim.economics.kernel import DAYS
from sim.economics.settings import Economics
from sim.economics.valuation import Valuation, counted, value_block
from sim.lines import walk

Row = tuple[int, float, float, int]
#: A plain way to day 28: product 0 at day 40, complete remission at day 68.
START: list[Row] = [
    (j.REFERRAL, 0.0, 0.0, 0),
    (j.WAITING, 0.0, 35.0, 0),
    (j.TREATMENT, 35.0, 68.0, 0),
    (j.INFUSION, 40.0, 40.0, 0),
    (j.RESPONSE, 68.0, 68.0, 1),
]
PRODUCTS = ["tisa_cel", "obe_cel"]


@functools.cache
def default_book() -> Economics:
    """The book of the default profile."""
    book = settings_of().economics
    assert book is not None
    return book


def book(**changes: Any) -> Economics:
    """The default book with dotted keys (``discount__costs__value``) changed, as from its YAML."""
    data = default_book().model_dump()
    for key, value in changes.items():
        *path, leaf = key.split("__")
        node = data
        for part in path:
            node = node[part]
        if leaf == "value" and isinstance(node, dict) and "low" in node:
            node["low"], node["high"] = min(node["low"], value), max(node["high"], value)
        node[leaf] = value
    return Economics.model_validate(data)


def bare(**changes: Any) -> Economics:
    """A book without costs, norms and losses, utilities 1 and no discounting, but for `changes`."""
    plain = settings_of().model_copy(update={"economics": book(utilities__norms="none")})
    zero = {
        f"economics.{key}": 0.0 for key, _ in walk(plain.economics) if key.startswith(("prices.", "utilities.losses."))
    }
    rates = {"economics.discount.costs": 0.0, "economics.discount.effects": 0.0}
    states = plain.economics.utilities.states if plain.economics else None
    full: dict[str, float] = {}
    for name in type(states).model_fields:
        full[f"economics.utilities.states.{name}.utility"] = 1.0
        if getattr(states, name).reference is not None:
            full[f"economics.utilities.states.{name}.reference"] = 1.0
    result = plain.with_values({**zero, **rates, **full, **{f"economics.{k}": v for k, v in changes.items()}})
    assert result.economics is not None
    return result.economics


def journal(*rows: Row) -> np.ndarray:
    """One patient's journal, in order."""
    return np.array(j.in_order(list(rows)), dtype=j.ROW)


def life(years: float, *more: Row, phase: int = j.REMISSION, cause: int | None = 5) -> np.ndarray:
    """A life in remission from day 68 to so many years after referral, with `more` rows; death at its end."""
    end = years * DAYS
    rows = [*START, (phase, 68.0, end, 0), *more]
    return journal(*rows, *([(j.DEATH, end, end, cause)] if cause is not None else []))


def person(**attributes: float) -> dict[str, np.ndarray]:
    """One patient: a girl of 12 and 40 kg, unless said otherwise."""
    base = {
        "age": 12.0,
        "female": 1,
        "weight": 40.0,
        "distance": 0,
        "poverty": 0,
        "prior_hct": 0,
        "product": 0,
        "burden_class": 2,
        "cr": 1,
        "day28_mrd": 0,
    }
    return {name: np.array([value]) for name, value in (base | attributes).items()}


def worth(
    rows: np.ndarray, economics: Economics, origin: str = "referral", people: dict[str, Any] | None = None
) -> dict[str, float]:
    """Value one patient: column -> value."""
    valuation = Valuation(economics, PRODUCTS, origin)
    first_row = np.array([0, len(rows)])
    valued = valuation.lives(rows, first_row, people or person(), counted(rows, first_row, origin))
    return dict(zip(valuation.columns, valued.people[0].tolist(), strict=True))


def worths(economics: Economics, world: Any, origin: str = "infusion") -> tuple[Any, np.ndarray, Valuation]:
    """Value a simulated world under its one policy: lines, who is counted, the valuation."""
    valuation = Valuation(economics, list(settings_of().product.catalogue), origin)
    valued, among = value_block(valuation, {"p": world.rows}, {"p": world.first_row}, world.lives)
    return valued["p"], among, valuation
