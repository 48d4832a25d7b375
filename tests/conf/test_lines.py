"""Parameter lines: what is possible, and how a line is moved."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sim.lines import Count, Group, Line, NonNegative, Positive, Probability, Real, Switch, walk

TRM: dict[str, Any] = {
    "about": "mortality of a first transplant",
    "value": 0.08,
    "unit": "probability",
    "distribution": "beta",
    "low": 0.02,
    "high": 0.18,
    "source": "HCT10a",
    "status": "found",
}


class Transplant(Group):
    trm: Probability


class Clinic(Group):
    transplant: Transplant


def made(kind: type[Line], **changes: Any) -> Line:
    return kind.model_validate(TRM | changes)


@pytest.mark.parametrize(
    ("kind", "changes", "rule"),
    [
        (Probability, {"value": 1.2, "high": 1.5}, "must be at most 1"),
        (Probability, {"low": -0.1}, "must be at least 0"),
        (Probability, {"unit": "days"}, "must be one of: probability"),
        (Positive, {"low": 0, "distribution": "normal"}, "must be greater than 0"),
        (NonNegative, {"low": -1, "distribution": "normal"}, "must be at least 0"),
        (Count, {"value": 0.5, "high": 1, "unit": "count"}, "must be a whole number"),
        (Switch, {"value": 0.5, "unit": "switch"}, "must be a whole number"),
        (Switch, {"low": 0, "high": 10, "value": 1, "unit": "switch"}, "must be at most 9"),
        (Real, {"value": float("nan")}, "finite number"),
        (Real, {"value": float("inf")}, "finite number"),
        (Real, {"value": "0.1"}, "valid number"),
        (Real, {"value": True}, "valid number"),
        (Real, {"unit": "fortnights"}, "must be one of"),
        (Real, {"low": 0.2, "high": 0.1}, "must not exceed high"),
        (Real, {"value": 0.2}, "above high"),
        (Real, {"value": 0.01}, "below low"),
        (Real, {"distribution": "lognormal", "low": 0.0}, "greater than 0 for a lognormal"),
        (Real, {"distribution": "gamma", "low": -1.0}, "at least 0 for a gamma"),
        (Real, {"distribution": "beta", "high": 2.0}, "within 0..1 for a beta"),
        (Real, {"low": 0.08, "high": 0.08}, "needs a range"),
        (Real, {"distribution": "cauchy"}, "should be 'fixed'"),
        (Real, {"status": "sure"}, "should be 'review'"),
        (Real, {"source": ""}, "at least 1 character"),
        (Real, {"sources": "x"}, "Extra inputs"),
    ],
)
def test_impossible_line_is_refused(kind: type[Line], changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        made(kind, **changes)


def test_line_is_frozen_and_its_numbers_are_floats() -> None:
    line = made(Real, value=1, low=0, high=2, distribution="normal")
    assert [type(number) for number in (line.value, line.low, line.high)] == [float] * 3
    with pytest.raises(ValidationError, match="frozen"):
        line.value = 2.0  # type: ignore[misc]


def test_kernel_value_is_in_days() -> None:
    line = made(Positive, unit="months", value=2, low=1, high=3, distribution="normal")
    assert line.kernel == 2 * 30.4375
    assert line.at_kernel(30.4375).value == 1.0


def test_moved_line_may_leave_its_range_but_not_what_is_possible() -> None:
    line = made(Probability)
    assert line.at(0.5).value == 0.5
    assert (line.at(0.5).low, line.at(0.5).high) == (line.low, line.high)
    assert line.value == 0.08
    with pytest.raises(ValidationError, match="at most 1"):
        line.at(1.5)


def test_lines_are_walked_with_dotted_keys_in_order() -> None:
    clinic = Clinic.model_validate({"transplant": {"trm": TRM}})
    assert [key for key, _ in clinic.lines("clinic")] == ["clinic.transplant.trm"]
    assert [key for key, _ in walk({"a": clinic, "b": {"c": made(Real)}, "d": 3})] == ["a.transplant.trm", "b.c"]


@pytest.mark.parametrize(("value", "low", "high"), [(0.01, 0.01, 0.18), (0.3, 0.02, 0.3), (0.1, 0.02, 0.18)])
def test_a_value_asked_for_by_name_widens_its_range(value: float, low: float, high: float) -> None:
    given = TRM | {"low": 0.02, "high": 0.18, "value": value, "widen": True}
    line = Probability.model_validate(given)
    assert (line.value, line.low, line.high) == (value, low, high)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({"value": 1.2}, "must be at most 1"), ({"value": 0.3, "low": "x"}, "valid number"), ({"value": True}, "valid")],
)
def test_what_is_impossible_is_not_widened(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Probability.model_validate(TRM | {"low": 0.02, "high": 0.18, "widen": True} | changes)
