"""Numbers as people read them: with the unit they are stated in and no more digits than they deserve."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

#: Units of proportions, which are shown as percent.
PROPORTIONS: Final = frozenset({"probability", "proportion", "share", "fraction"})


def unit_name(unit: str, *, difference: bool = False) -> str:
    """Give the unit as shown: percent for proportions, percentage points for their differences."""
    if unit in PROPORTIONS:
        return "percentage points" if difference else "%"
    return unit


def number(value: float, unit: str = "") -> str:
    """Write a number of the given unit; a dash where there is none.

    Proportions become percent with one digit; other numbers keep three or four significant digits.
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit in PROPORTIONS:
        return f"{100 * value:.1f}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 100 else f"{value:.2f}"


def signed(value: float, unit: str = "") -> str:
    """Write a number with its sign."""
    text = number(value, unit)
    return text if text.startswith("-") or text == "–" else f"+{text}"


def plain(value: float) -> str:
    """Write a parameter's value: as short as it can be without losing digits that matter."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.0f}" if value == int(value) and 1e4 <= abs(value) < 1e9 else f"{value:.6g}"


def amount(value: float, *, sign: bool = False) -> str:
    """Write an amount of money in whole units, with thousands apart; halves go away from zero, as in browsers."""
    text = fixed(value, 0)
    if text in ("–", "0", "-0"):
        return text.removeprefix("-")
    return f"+{text}" if sign and not text.startswith("-") else text


def fixed(value: float, digits: int) -> str:
    """Write a number with so many digits after the point, thousands apart; halves go away from zero."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{Decimal(float(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,}"
