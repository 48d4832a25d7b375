"""Mixtures: shares of categories, and odds ratios of groups that leave those shares as they are.

One share of a table may be the word ``rest``: it takes what the others leave, so that a single share can be
overridden.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, PlainValidator, field_validator, model_validator

from sim.cohort.attributes import CONDITIONS
from sim.lines import Frozen, Probability, Status, Words
from sim.problems import did_you_mean

#: How far shares may be from summing to 1.
TOLERANCE: Final = 1e-6
REST: Final = "rest"


def _share(value: Any) -> float | str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value == REST or (number and 0.0 <= value <= 1.0):
        return REST if value == REST else float(value)
    raise ValueError(f"must be a share from 0 to 1, or the word {REST!r}")


Ratio = Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)]
Share = Annotated[float | str, PlainValidator(_share)]


def _known_conditions(odds: dict[str, Any]) -> dict[str, Any]:
    for name in odds:
        if name not in CONDITIONS:
            raise ValueError(f"unknown condition {name!r}, {did_you_mean(name, CONDITIONS)}")
    return odds


class Flag(Frozen):
    """A yes/no attribute: its share, and odds ratios of groups (the share over all patients stays as stated)."""

    share: Probability
    odds: Annotated[dict[str, Ratio], AfterValidator(_known_conditions)] = {}
    odds_source: Words = "-"
    odds_status: Status = "assumed"


class Table(Frozen):
    """A mixture: the share of each category, and odds ratios of groups by category."""

    #: Permitted categories in code order; empty where any name may stand.
    categories: ClassVar[tuple[str, ...]] = ()

    shares: dict[str, Share]
    source: Words
    status: Status
    odds: Annotated[dict[str, dict[str, Ratio]], AfterValidator(_known_conditions)] = {}
    odds_source: Words = "-"
    odds_status: Status = "assumed"

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: dict[str, float | str]) -> dict[str, float | str]:
        for name in shares:
            if cls.categories and name not in cls.categories:
                raise ValueError(f"unknown category {name!r}, {did_you_mean(name, cls.categories)}")
        missing = [name for name in cls.categories if name not in shares]
        if missing:
            raise ValueError(f"no share for {', '.join(missing)}: every category needs one (0 is allowed)")
        return dict(_filled(shares))

    @model_validator(mode="after")
    def _known(self) -> Self:
        for group, ratios in self.odds.items():
            for name in ratios:
                if name not in self.shares:
                    raise ValueError(f"odds.{group}: unknown category {name!r}, {did_you_mean(name, self.shares)}")
        return self

    def share(self, category: str) -> float:
        """Share of one category."""
        return float(self.shares[category])


def _filled(shares: dict[str, float | str]) -> Iterator[tuple[str, float]]:
    rests = [name for name, value in shares.items() if value == REST]
    total = math.fsum(float(value) for value in shares.values() if value != REST)
    if len(rests) > 1:
        raise ValueError(f"only one share may be {REST!r}, not {' and '.join(rests)}")
    if total > 1.0 + TOLERANCE:
        stated = ", ".join(
            f"{name} {value:g}" for name, value in shares.items() if value != REST and float(value) > 0.0
        )
        raise ValueError(f"shares sum to {total:g}: they must not exceed 1 ({stated})")
    if not rests and total < 1.0 - TOLERANCE:
        raise ValueError(f"shares sum to {total:g}: they must sum to 1 (one of them may be {REST!r})")
    for name, value in shares.items():
        yield name, max(0.0, 1.0 - total) if value == REST else float(value)
