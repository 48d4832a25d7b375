"""Simulated lives as a study sees them: named attributes, moments counted from its origin, and conditions on both.

Names are those of ``patients.parquet`` (docs/tables.md), and those of `DERIVED`. Conditions are data:
``{burden: ">40%", prior_hct: true, blinatumomab: nonresponder, months_to_relapse: {at_most: 24}}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sim.cohort.attributes import NAMES
from sim.patient import CAUSE_NAMES, NOT_INFUSED_NAMES, published_names
from sim.problems import Problem, did_you_mean, nearest
from sim.units import DAYS_PER_MONTH

#: Moments of a life: name -> field of the patient record with its time (days since referral).
MOMENTS: Final[dict[str, str]] = {
    "infusion": "t_infusion",
    "remission": "t_response",  # of those in remission
    "response": "t_response",
    "nonresponse": "t_nonresponse",
    "relapse": "t_relapse",
    "death": "t_death",
    "mrd": "t_mrd",
    "aplasia_lost": "t_aplasia_lost",
    "aplasia_lost_seen": "t_aplasia_lost_seen",
    "therapy": "t_therapy",
    "hct": "t_hct",
    "salvage_hct": "t_salvage_hct",
    "reinfusion": "t_reinfusion",
    "maintenance": "t_maintenance",
    "apheresis": "t_apheresis",
    "lymphodepletion": "t_lymphodepletion",
    "crs_start": "crs_start",
    "crs_stop": "crs_stop",
}
#: Moments that curves may start from, beside those of `MOMENTS`.
ORIGINS: Final = ("referral", "infusion", "remission", "relapse", "hct", "reinfusion")

#: What is derived from the record: name -> meaning.
DERIVED: Final[dict[str, str]] = {
    "blasts": "marrow blasts before lymphodepletion, as a fraction",
    "infused": "CAR T cells were given (0/1)",
    "flow_day28": "MRD by flow at the response visit (0/1)",
    "qpcr_day28": "MRD by quantitative PCR at the response visit (0/1)",
    "ngs_day28": "MRD by next-generation sequencing at the response visit (0/1)",
    "flow_month3": "MRD by flow at month 3 (0/1)",
    "ngs_month3": "MRD by next-generation sequencing at month 3 (0/1)",
    "relapsed": "a first relapse came (0/1)",
    "died": "death came within what was simulated (0/1)",
    "icu": "intensive care for CRS or ICANS (0/1)",
    "reinfusion_reason": "reason of the latest reinfusion: peripheral, hematogones, mrd",
    **{f"months_to_{moment}": f"months from the study's origin to {moment}; infinite if never" for moment in MOMENTS},
}
#: Words for codes, beside those of the cohort's tables.
WORDS: Final[dict[str, dict[str, int]]] = {
    **{name: {word: code for code, word in enumerate(words)} for name, words in NAMES.items()},
    "relapse_type": {"none": 0, "cd19_positive": 1, "cd19_negative": 2, "lineage_switch": 3},
    "relapse_site": {"none": 0, "marrow": 1, "cns": 2, "extramedullary": 3, "testis": 4},
    "cause": {word: code for code, word in CAUSE_NAMES.items()},
    "not_infused": {
        "infused": 0,
        "no_car": 1,
        "not_referred": 2,
        "died_waiting": 3,
        "lost_waiting": 4,
        "not_made": 5,
    },
    "reinfusion_reason": {"none": 0, "peripheral": 1, "hematogones": 2, "mrd": 3},
}
assert len(WORDS["not_infused"]) == len(NOT_INFUSED_NAMES)
#: What may be written in percent, and the most that its number can be (`burden` is a logarithm).
FRACTIONS: Final = {"blasts": 1.0, "burden": 0.0}

_COMPARISON: Final = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(%?)\s*")
_PERCENTAGE: Final = re.compile(r"\s*([-+]?[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?)\s*%\s*")
_BOUNDS: Final = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}
_TESTS: Final[dict[str, Callable[[Any, float], Any]]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}
_BITS: Final = {"flow": 1, "qpcr": 2, "ngs": 4}


def known_names() -> list[str]:
    """List the names that a condition may use."""
    return [*published_names(), *DERIVED]


def known_moment(name: str) -> str:
    """Check the name of a moment.

    Raises
    ------
    ValueError
        Naming the nearest moment there is.
    """
    if name not in MOMENTS:
        raise ValueError(f"unknown moment {name!r}, {did_you_mean(name, MOMENTS, listed=20)}")
    return name


class Lives:
    """Final patient records of one simulated world, column by column, from a study's origin.

    Parameters
    ----------
    records
        Structured array of `sim.patient.Patient` records.
    origin
        One of `ORIGINS`: where months are counted from, and who is counted (those who reach it).
    grading
        ``astct``, or ``penn``: CRS grade 2 with intensive care counts as grade 3 (docs/targets.md).
    products
        Names of the product catalogue in code order.
    until
        Day since referral to which lives were simulated: nothing is known beyond.
    """

    def __init__(
        self,
        records: np.ndarray,
        origin: str,
        grading: str = "astct",
        products: tuple[str, ...] = (),
        until: float = math.inf,
    ) -> None:
        self.records = records
        self.origin = origin
        self.grading = grading
        self.products = products
        self.until = until
        self._columns: dict[str, np.ndarray] = {}
        self._masks: dict[Condition | None, np.ndarray] = {}

    def column(self, name: str) -> np.ndarray:
        """Values of a named attribute, one a patient."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._derive(name)
        return found

    def since(self, moment: str) -> np.ndarray:
        """Days since referral of a moment, infinite where it never came."""
        if moment == "referral":
            return np.zeros(len(self.records))
        if moment == "remission":
            return np.where(self.column("cr") == 1, self.column("t_response"), np.inf)
        return self.column(MOMENTS[moment])

    def reached(self, origin: str) -> np.ndarray:
        """Tell who reaches an origin."""
        return np.isfinite(self.since(origin))

    def mask(self, condition: Condition | None) -> np.ndarray:
        """Tell who reaches the study's origin and satisfies a condition."""
        found = self._masks.get(condition)
        if found is None:
            found = self.reached(self.origin)
            if condition is not None:
                found = found & condition.holds(self)
            self._masks[condition] = found
        return found

    def _derive(self, name: str) -> np.ndarray:
        if name.startswith("months_to_"):
            with np.errstate(invalid="ignore"):
                return (self.since(name.removeprefix("months_to_")) - self.since(self.origin)) / DAYS_PER_MONTH
        if name == "blasts":
            return 10.0 ** self.column("burden")
        if name in ("infused", "relapsed", "died"):
            moment = {"infused": "t_infusion", "relapsed": "t_relapse", "died": "t_death"}[name]
            return np.isfinite(self.column(moment)).astype(np.int64)
        if name == "icu":
            return (self.column("icu_days") > 0.0).astype(np.int64)
        assay, _, day = name.partition("_")
        if assay in _BITS and day in ("day28", "month3"):
            return (self.column(f"{day}_mrd") & _BITS[assay] != 0).astype(np.int64)
        values = np.ascontiguousarray(self.records[name])
        if name == "crs_grade" and self.grading == "penn":
            return np.where((values == 2) & (self.column("icu") == 1), 3, values)
        return values


class Clause(NamedTuple):
    """One clause: the named value compares so with a number, or (``in``) equals one of several."""

    name: str
    test: str
    numbers: tuple[float, ...]
    words: tuple[str, ...] = ()

    def holds(self, lives: Lives) -> np.ndarray:
        """Tell for whom it holds; a value that does not exist (NaN) satisfies nothing."""
        values = lives.column(self.name)
        if self.test in _TESTS:
            with np.errstate(invalid="ignore"):
                return _TESTS[self.test](values, self.numbers[0])
        numbers = self.numbers
        if self.name == "product":
            numbers = tuple(float(_product(word, lives.products)) for word in self.words)
        inside = values == numbers[0]
        for number in numbers[1:]:
            inside = inside | (values == number)
        return ~inside if self.test == "not" else inside


def _product(word: str, products: tuple[str, ...]) -> int:
    if word not in products:
        raise Problem(f"unknown product {word!r}, {did_you_mean(word, products)}")
    return products.index(word)


class Condition(NamedTuple):
    """All clauses hold, and of each list of alternatives at least one."""

    clauses: tuple[Clause, ...]
    alternatives: tuple[tuple[Condition, ...], ...] = ()

    def holds(self, lives: Lives) -> np.ndarray:
        """Tell for whom it holds, whether or not they reach the origin."""
        held = np.ones(len(lives.records), dtype=bool)
        for clause in self.clauses:
            held &= clause.holds(lives)
        for several in self.alternatives:
            one = np.zeros(len(held), dtype=bool)
            for condition in several:
                one |= condition.holds(lives)
            held &= one
        return held


def condition(written: Any) -> Condition:
    """Read a condition as a study writes it.

    Parameters
    ----------
    written
        Name -> true/false, a number, a word, a list of these (any of them), a comparison (``">40%"``), bounds
        (``{above, at_least, below, at_most}``) or ``{not: ...}``; ``any`` -> a list of conditions.

    Raises
    ------
    ValueError
        Saying what is wrong, with the nearest valid name.
    """
    if not isinstance(written, Mapping) or not written:
        raise ValueError(f"{written!r} is not a condition: write for example {{prior_hct: true, burden: '>5%'}}")
    clauses: list[Clause] = []
    alternatives: list[tuple[Condition, ...]] = []
    known = known_names()
    for name, wanted in written.items():
        if name == "any":
            if not isinstance(wanted, list) or not wanted:
                raise ValueError("any: must be a list of conditions")
            alternatives.append(tuple(condition(part) for part in wanted))
            continue
        if name not in known:
            near = nearest(str(name), known)
            remedy = (
                f"did you mean {near!r}?" if near else "the names are listed in docs/validation.md and docs/tables.md"
            )
            raise ValueError(f"unknown attribute {name!r}, {remedy}")
        clauses += _clauses(name, wanted)
    return Condition(tuple(clauses), tuple(alternatives))


def _clauses(name: str, wanted: Any) -> Iterator[Clause]:
    if isinstance(wanted, Mapping):
        if not wanted:
            raise ValueError(f"{name}: an empty condition matches everybody")
        for key, value in wanted.items():
            if key == "not":
                yield _members(name, value, "not")
            elif key in _BOUNDS:
                yield Clause(name, _BOUNDS[key], (_bound(name, value),))
            else:
                raise ValueError(f"{name}: unknown key {key!r}, {did_you_mean(str(key), [*_BOUNDS, 'not'])}")
    elif isinstance(wanted, str) and (found := _COMPARISON.fullmatch(wanted)):
        yield Clause(name, found.group(1), (_scaled(name, float(found.group(2)), found.group(3) == "%"),))
    else:
        yield _members(name, wanted, "in")


def _bound(name: str, value: Any) -> float:
    if isinstance(value, str) and (found := _PERCENTAGE.fullmatch(value)):
        return _scaled(name, float(found.group(1)), True)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ValueError(f"{name}: {value!r} must be a number")
    return _scaled(name, float(value), False)


def _scaled(name: str, number: float, percent: bool) -> float:
    """Turn percent into the attribute's own unit (`burden` is a logarithm)."""
    if not percent:
        if number > FRACTIONS.get(name, math.inf):
            raise ValueError(f"{name}: {number:g} is out of range; write percent, for example '>={number:g}%'")
        return number
    if name not in FRACTIONS:
        raise ValueError(f"{name}: is not a share, so leave out the % sign")
    if name == "burden":
        if number <= 0.0:
            raise ValueError("burden: a percentage must be greater than 0")
        return math.log10(number / 100.0)
    return number / 100.0


def _members(name: str, wanted: Any, test: str) -> Clause:
    several = wanted if isinstance(wanted, list) else [wanted]
    if not several:
        raise ValueError(f"{name}: an empty list matches nobody")
    if name == "product":
        for word in several:
            if not isinstance(word, str):
                raise ValueError(f"product: {word!r} must be the name of a product")
        return Clause(name, test, (), tuple(several))
    return Clause(name, test, tuple(_code(name, word) for word in several))


def _code(name: str, word: Any) -> float:
    if isinstance(word, bool) or (isinstance(word, int | float) and not math.isnan(word)):
        return float(word)
    words = WORDS.get(name, {})
    if isinstance(word, str) and word in words:
        return float(words[word])
    if words:
        raise ValueError(f"{name}: unknown word {word!r}, {did_you_mean(str(word), words)}")
    raise ValueError(f"{name}: {word!r} must be true, false, a number, or a comparison such as '>=3'")
