"""The verification tests: small functions in a registry, each changes something of which the consequence is known."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sim.experiments.checks.bench import Bench

PASS: Final = "pass"
FAIL: Final = "fail"
LATER: Final = "not yet applicable"


class Finding(NamedTuple):
    """What a test found: whether it holds (None: not yet applicable), and what was measured, in words."""

    holds: bool | None
    measured: str

    @property
    def result(self) -> str:
        """The result as a word: pass, fail, or not yet applicable."""
        return LATER if self.holds is None else PASS if self.holds else FAIL


class Check(NamedTuple):
    """A registered test."""

    number: str
    change: str
    expected: str
    run: Callable[[Bench], Finding]


_CHECKS: dict[str, Check] = {}


def check(
    number: str, change: str, expected: str
) -> Callable[[Callable[[Bench], Finding]], Callable[[Bench], Finding]]:
    """Register a function as a verification test.

    Parameters
    ----------
    number
        By which the test is known; tests run and are listed in this order.
    change
        What is changed.
    expected
        What must follow.

    Raises
    ------
    ValueError
        When another test has the number.
    """

    def register(run: Callable[[Bench], Finding]) -> Callable[[Bench], Finding]:
        owner = _CHECKS.get(number)
        if owner is not None and owner.run.__qualname__ != run.__qualname__:
            raise ValueError(f"verification test {number} is {owner.run.__qualname__} already")
        _CHECKS[number] = Check(number, change, expected, run)
        return run

    return register


def checks() -> list[Check]:
    """List the registered tests in order, after importing every module of this package."""
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return sorted(_CHECKS.values(), key=_place)


def _place(entry: Check) -> tuple[int, int | str]:
    return (0, int(entry.number)) if entry.number.isdigit() else (1, entry.number)
