"""The parameter line: a number with its meaning, unit, uncertainty and source.

Every number about patients or care is one line in ``conf/``. Base case, sensitivity analyses and the report read the
same line, so none of them can drift from the others. A group of lines is a frozen class (`Group`) whose annotations
(`Probability`, `Positive`, ...) state what values are possible at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from sim.units import FACTORS, from_kernel, to_kernel

Distribution = Literal["fixed", "normal", "lognormal", "beta", "gamma", "uniform", "triangular"]
Status = Literal["review", "found", "recalled", "assumed", "calibrated"]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Words = Annotated[str, Field(strict=True, min_length=1)]

#: Context key under which `Line` accepts a value outside its own low..high (see `Line.at`).
STRETCH = "stretch"
#: Key by which composed settings say that a line's value was asked for and may widen its range.
WIDEN = "widen"


class Frozen(BaseModel):
    """A record that cannot be changed and accepts no field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(Frozen):
    """One parameter, in its own unit.

    Attributes
    ----------
    about
        What the number means, in words.
    value
        The base case.
    unit
        One of `sim.units.FACTORS`.
    distribution
        Family used by a probabilistic analysis; ``fixed`` for structural choices.
    low, high
        Plausible range (95% interval unless the source says otherwise), with ``low <= value <= high``. A value asked
        for on the command line widens it.
    source
        Ids of the evidence table separated by ``;``, or a word for another source; ``-`` where there is none.
    status
        How far the number can be trusted.
    """

    #: Smallest and largest value possible, and whether only whole numbers are.
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    open_below: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    units: ClassVar[frozenset[str]] = frozenset(FACTORS)

    about: Words
    value: Number
    unit: Annotated[str, Field(strict=True)]
    distribution: Distribution
    low: Number
    high: Number
    source: Words
    status: Status

    @model_validator(mode="before")
    @classmethod
    def _widened(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not given.get(WIDEN):
            return given
        given = {name: number for name, number in given.items() if name != WIDEN}
        numbers = [given.get(name) for name in ("value", "low", "high")]
        if all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            value, low, high = numbers
            lowest, highest = cls.bounds
            if lowest <= value <= highest and not (cls.open_below and value == lowest):
                given |= {"low": min(low, value), "high": max(high, value)}
        return given

    @field_validator("value", "low", "high")
    @classmethod
    def _possible(cls, number: float) -> float:
        lowest, highest = cls.bounds
        if number < lowest or (cls.open_below and number == lowest):
            raise ValueError(f"must be {'greater than' if cls.open_below else 'at least'} {lowest:g}")
        if number > highest:
            raise ValueError(f"must be at most {highest:g}")
        if cls.whole and not number.is_integer():
            raise ValueError("must be a whole number")
        return number

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        if unit not in cls.units:
            raise ValueError(f"must be one of: {', '.join(sorted(cls.units))}")
        return unit

    @model_validator(mode="after")
    def _coherent(self, info: ValidationInfo) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) must not exceed high ({self.high:g})")
        if not (info.context or {}).get(STRETCH) and not self.low <= self.value <= self.high:
            side, end = ("low", self.low) if self.value < self.low else ("high", self.high)
            beyond = "below low" if side == "low" else "above high"
            raise ValueError(
                f"value ({self.value:g}) is {beyond} ({end:g}): the range must contain the base case, "
                f"so set .{side}={self.value:g} or beyond as well"
            )
        self._drawable()
        return self

    def _drawable(self) -> None:
        if self.distribution == "lognormal" and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be greater than 0 for a lognormal distribution")
        if self.distribution == "gamma" and self.low < 0:
            raise ValueError(f"low ({self.low:g}) must be at least 0 for a gamma distribution")
        if self.distribution == "beta" and (self.low < 0 or self.high > 1):
            raise ValueError(f"low..high ({self.low:g}..{self.high:g}) must lie within 0..1 for a beta distribution")
        if self.distribution != "fixed" and self.low == self.high:
            raise ValueError(f"low equals high ({self.low:g}): a {self.distribution} distribution needs a range")

    @property
    def kernel(self) -> float:
        """The base case in the kernel's unit (days, per day, proportions)."""
        return to_kernel(self.value, self.unit)

    def at(self, value: float) -> Self:
        """Copy the line with another value, which may lie outside low..high but not outside what is possible.

        Parameters
        ----------
        value
            The new value, in the line's own unit.

        Raises
        ------
        pydantic.ValidationError
            When such a value is impossible (a probability of 1.2).
        """
        return type(self).model_validate(self.model_dump() | {"value": value}, context={STRETCH: True})

    def at_kernel(self, value: float) -> Self:
        """Copy the line with a value given in the kernel's unit."""
        return self.at(from_kernel(value, self.unit))


class Real(Line):
    """Any finite number."""


class Positive(Line):
    """A number above 0."""

    bounds = (0.0, math.inf)
    open_below = True


class NonNegative(Line):
    """A number from 0 upwards."""

    bounds = (0.0, math.inf)


class Probability(Line):
    """A probability or share, from 0 to 1."""

    bounds = (0.0, 1.0)
    units = frozenset({"probability"})


class Count(Line):
    """A whole number from 0 upwards."""

    bounds = (0.0, math.inf)
    whole = True


class Switch(Line):
    """A choice: 0 or 1, or a small code that `about` explains."""

    bounds = (0.0, 9.0)
    whole = True
    units = frozenset({"switch"})


class Group(Frozen):
    """A group of parameter lines, and of groups."""

    def lines(self, prefix: str = "") -> Iterator[tuple[str, Line]]:
        """Walk through all lines below this group, in the order of declaration.

        Yields
        ------
        tuple of str and Line
            Dotted key and line.
        """
        yield from walk(self, prefix)


def walk(node: Any, prefix: str = "") -> Iterator[tuple[str, Line]]:
    """Walk through all lines below a model or mapping, in the order of declaration."""
    if isinstance(node, Line):
        yield prefix, node
        return
    if isinstance(node, BaseModel):
        children = [(name, getattr(node, name)) for name in type(node).model_fields]
    elif isinstance(node, dict):
        children = list(node.items())
    else:
        return
    for name, child in children:
        yield from walk(child, f"{prefix}.{name}" if prefix else str(name))
