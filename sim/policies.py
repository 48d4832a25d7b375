"""Policies as data: ordered rules in YAML, checked word by word and compiled to the arrays that the kernel reads.

At each decision point the first rule whose conditions all hold decides. The words are those of
`sim.clinic.vocabulary`; whatever else a policy needs is a named field of it, so that nothing is hidden in code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from sim.clinic.vocabulary import ACTIONS, FEATURES, POINTS
from sim.lines import Frozen, Status, Words
from sim.problems import Problem, did_you_mean

#: Room in the kernel's arrays.
MAX_RULES: Final = 32
MAX_CONDITIONS: Final = 160
MAX_VISITS: Final = 64

Days = Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)]
Months = Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)]
Boolean = Annotated[bool, Field(strict=True)]
Option = bool | int | float | str


class Condition(NamedTuple):
    """A condition as the kernel reads it: a number in an inclusive range, or a category in a set of codes."""

    feature: int
    low: float
    high: float
    mask: int


class Rule(Frozen):
    """One rule: at a decision point, when all conditions hold, then an action.

    Attributes
    ----------
    at
        Decision point.
    when
        Feature -> condition: a name, true/false or number; a list of names (any of them); ``{min, max}``, inclusive.
    then
        Action.
    use
        False leaves the rule out (so that a named option of the policy can switch it).
    after_days
        Delay before the work-up starts.
    target_day
        Day after infusion at which the action is aimed.
    confirm_days
        Days after which a second sample must confirm the first; 0: none.
    retry
        How often a failed reinfusion is repeated.
    timing
        ``practice``: when the emulated centres did it.
    agreed
        Those whom the rule names have agreed and have a donor: a share of transplants that were done counts no others.
    """

    at: str
    when: dict[str, Any] = {}
    then: str
    use: Boolean = True
    after_days: Days = 0.0
    target_day: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)] | None = None
    confirm_days: Days = 0.0
    retry: Annotated[int, Field(strict=True, ge=0, le=9)] = 0
    timing: Literal["normal", "practice"] = "normal"
    agreed: Boolean = False
    source: Words = "-"
    note: str = ""

    @field_validator("at")
    @classmethod
    def _point(cls, at: str) -> str:
        return _known(at, POINTS, "decision point")

    @field_validator("then")
    @classmethod
    def _action(cls, then: str) -> str:
        return _known(then, ACTIONS, "action")

    @field_validator("when")
    @classmethod
    def _features(cls, when: dict[str, Any]) -> dict[str, Any]:
        for name, condition in when.items():
            _known(name, FEATURES, "feature")
            if FEATURES[name] != "product":
                compile_condition(name, condition, ())
        return when


class FollowUp(Frozen):
    """What is looked at in remission, and when. Policies share it unless they say otherwise.

    Attributes
    ----------
    visits_months
        Months after infusion of the visits that follow the response assessment.
    assays
        MRD assays used.
    ngs_counts
        Whether MRD seen by NGS alone triggers rules like MRD seen by flow or qPCR.
    ngs_repeat_days
        Days after which NGS is repeated where it alone does not count.
    bca_threshold
        What counts as B cells being back: 1 or 3 % of lymphocytes, 10 or 50 per microlitre.
    second_hct_in_remission, second_hct_after_relapse
        Whether a patient who was transplanted before CAR T may be transplanted again.
    """

    visits_months: Annotated[tuple[Months, ...], Field(min_length=1, max_length=MAX_VISITS)]
    assays: tuple[Literal["flow", "qpcr", "ngs"], ...]
    ngs_counts: Boolean
    ngs_repeat_days: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)]
    bca_threshold: Literal["pct1", "pct3", "abs10", "abs50"]
    second_hct_in_remission: Boolean
    second_hct_after_relapse: Boolean

    @field_validator("visits_months")
    @classmethod
    def _rising(cls, months: tuple[float, ...]) -> tuple[float, ...]:
        if any(late <= early for early, late in itertools.pairwise(months)):
            raise ValueError("months must rise")
        return months

    @field_validator("assays")
    @classmethod
    def _once(cls, assays: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(assays)) < len(assays):
            raise ValueError("each assay may stand once only")
        return assays


class Policy(FollowUp):
    """A policy: what is looked at, what is done about it, and which care it sets for itself.

    Attributes
    ----------
    label, description, colour
        For people: name in tables and figures, a sentence, a colour of the figures.
    bca_window_months
        Until when loss of B-cell aplasia counts as early; rules refer to it.
    car
        False: no CAR T at all (a comparator for intention to treat).
    begins_with_hct
        Lives begin at a transplant, with the cohort's burden as what is left before it: for emulating trials of
        transplants. Needs ``car: false``.
    set
        Key of a biology or clinic line -> value that holds under this policy alone.
    options
        Further named values that this policy's rules refer to.
    rules
        In order: at each decision point the first that matches decides.
    assumed
        Fields whose value the sources leave open.
    """

    label: Words
    description: str = ""
    source: Words
    status: Status
    colour: str | None = None
    bca_window_months: Months | None = None
    car: Boolean = True
    begins_with_hct: Boolean = False
    set: dict[str, Annotated[float, Field(strict=True, allow_inf_nan=False)]] = {}
    options: dict[str, Option] = {}
    rules: tuple[Rule, ...]
    assumed: tuple[str, ...] = ()

    @field_validator("set", mode="before")
    @classmethod
    def _flat(cls, overrides: Any) -> Any:
        """Accept nested keys beside dotted ones: both mean the same line."""
        return dict(_flattened(overrides)) if isinstance(overrides, dict) else overrides

    @model_validator(mode="after")
    def _assumptions_exist(self) -> Self:
        fields = [*FollowUp.model_fields, "bca_window_months", *(f"options.{name}" for name in self.options)]
        for name in self.assumed:
            if name not in fields:
                raise ValueError(f"assumed: unknown field {name!r}, {did_you_mean(name, fields)}")
        return self

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.begins_with_hct and self.car:
            raise ValueError(
                "begins_with_hct: a life that begins with a transplant has no CAR T before it, set car: false"
            )
        return self

    @property
    def active(self) -> list[Rule]:
        """Rules in use, by decision point and then in the order given."""
        return sorted((rule for rule in self.rules if rule.use), key=lambda rule: POINTS.index(rule.at))


def _flattened(node: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in node.items():
        key = f"{prefix}{name}"
        found += _flattened(value, f"{key}.") if isinstance(value, dict) else [(key.removesuffix(".value"), value)]
    return found


def _known(word: str, words: Sequence[str] | dict[str, Any], what: str) -> str:
    if word not in words:
        raise ValueError(f"unknown {what} {word!r}: {did_you_mean(word, words, listed=8)}")
    return word


def compile_condition(name: str, condition: Any, products: Sequence[str]) -> Condition:
    """Turn one condition of a rule into a range or a set of codes.

    Parameters
    ----------
    name
        Feature.
    condition
        As written: a name, true/false or number; a list of names; ``{min, max}``.
    products
        Names of the catalogue, in code order.

    Raises
    ------
    ValueError
        When the condition does not fit the feature.
    """
    kind = tuple(products) if FEATURES[name] == "product" else FEATURES[name]
    code = list(FEATURES).index(name)
    if isinstance(kind, tuple):
        return Condition(code, -math.inf, math.inf, _mask(name, condition, kind))
    if kind == "flag":
        if isinstance(condition, bool) or (isinstance(condition, int | float) and condition in (0, 1)):
            return Condition(code, float(condition), float(condition), -1)
        raise ValueError(f"{name}: {condition!r} must be true or false")
    return Condition(code, *_range(name, condition), -1)


def _mask(name: str, condition: Any, categories: tuple[str, ...]) -> int:
    wanted = condition if isinstance(condition, list | tuple) else [condition]
    if not wanted:
        raise ValueError(f"{name}: an empty list matches nobody, give one of: {', '.join(categories)}")
    mask = 0
    for word in wanted:
        if not isinstance(word, str) or word not in categories:
            raise ValueError(f"{name}: unknown name {word!r}: {did_you_mean(str(word), categories)}")
        mask |= 1 << categories.index(word)
    return mask


def _range(name: str, condition: Any) -> tuple[float, float]:
    if _is_number(condition):
        return float(condition), float(condition)
    if not isinstance(condition, dict) or not condition:
        raise ValueError(f"{name}: {condition!r} must be a number or {{min: ..., max: ...}}")
    for key, value in condition.items():
        if key not in ("min", "max"):
            raise ValueError(f"{name}: unknown key {key!r}: one of: min, max")
        if not _is_number(value):
            raise ValueError(f"{name}: {key} {value!r} must be a number")
    low, high = float(condition.get("min", -math.inf)), float(condition.get("max", math.inf))
    if low > high:
        raise ValueError(f"{name}: min ({low:g}) must not exceed max ({high:g})")
    return low, high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def compile_rules(policy: Policy, products: Sequence[str]) -> dict[str, np.ndarray]:
    """Compile a policy's rules to the arrays that the kernel reads.

    Parameters
    ----------
    policy
        A validated policy.
    products
        Names of the product catalogue, in code order.

    Returns
    -------
    dict
        ``rule_point_start`` int64 (points + 1): first rule of each decision point; ``rule_action``, ``rule_retry``,
        ``rule_timing``, ``rule_agreed`` int64, ``rule_after``, ``rule_target`` (NaN: none), ``rule_confirm`` float64
        (days), each padded to `MAX_RULES`; ``rule_condition_start`` int64 (`MAX_RULES` + 1); ``condition_feature``,
        ``condition_mask`` (-1: a range) int64 and ``condition_low``, ``condition_high`` float64, padded to
        `MAX_CONDITIONS`.

    Raises
    ------
    Problem
        When there are more rules or conditions than the kernel has room for, or a product is unknown.
    """
    rules = policy.active
    conditions = [_conditions(policy, rule, products) for rule in rules]
    flat = [condition for group in conditions for condition in group]
    for number, room, what in ((len(rules), MAX_RULES, "rules"), (len(flat), MAX_CONDITIONS, "conditions")):
        if number > room:
            raise Problem(f"policy {policy.label!r} has {number} {what}: at most {room} are possible")
    starts = np.cumsum([0, *(len(group) for group in conditions)])
    return {
        "rule_point_start": np.searchsorted([POINTS.index(rule.at) for rule in rules], range(len(POINTS) + 1)).astype(
            np.int64
        ),
        "rule_action": _padded([ACTIONS.index(rule.then) for rule in rules], MAX_RULES, np.int64, 0),
        "rule_after": _padded([rule.after_days for rule in rules], MAX_RULES, np.float64, 0.0),
        "rule_target": _padded(
            [math.nan if rule.target_day is None else rule.target_day for rule in rules],
            MAX_RULES,
            np.float64,
            math.nan,
        ),
        "rule_confirm": _padded([rule.confirm_days for rule in rules], MAX_RULES, np.float64, 0.0),
        "rule_retry": _padded([rule.retry for rule in rules], MAX_RULES, np.int64, 0),
        "rule_timing": _padded([int(rule.timing == "practice") for rule in rules], MAX_RULES, np.int64, 0),
        "rule_agreed": _padded([int(rule.agreed) for rule in rules], MAX_RULES, np.int64, 0),
        "rule_condition_start": _padded(starts.tolist(), MAX_RULES + 1, np.int64, len(flat)),
        "condition_feature": _padded([c.feature for c in flat], MAX_CONDITIONS, np.int64, 0),
        "condition_low": _padded([c.low for c in flat], MAX_CONDITIONS, np.float64, 0.0),
        "condition_high": _padded([c.high for c in flat], MAX_CONDITIONS, np.float64, 0.0),
        "condition_mask": _padded([c.mask for c in flat], MAX_CONDITIONS, np.int64, 0),
    }


def _conditions(policy: Policy, rule: Rule, products: Sequence[str]) -> list[Condition]:
    try:
        return [compile_condition(name, condition, products) for name, condition in rule.when.items()]
    except ValueError as error:
        raise Problem(f"policy {policy.label!r}, rule at {rule.at} then {rule.then}: {error}") from None


def _padded(values: list[Any], length: int, kind: type, fill: float) -> np.ndarray:
    array: np.ndarray = np.full(length, fill, dtype=kind)
    array[: len(values)] = values
    return array
