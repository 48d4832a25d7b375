"""What a user hands to decision analysis: checked once, turned into plain arrays, with names for the options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.problems import Problem


def vector(values: Any, name: str) -> np.ndarray:
    """Read one finite number per option.

    Raises
    ------
    Problem
        Naming the argument, when it is empty, not one-dimensional or not finite.
    """
    array = _numbers(values, name)
    if array.ndim != 1:
        raise Problem(f"{name}: one value per option is needed, not an array of shape {array.shape}")
    if array.size == 0:
        raise Problem(f"{name}: is empty; at least one value is needed")
    return array


def draws(values: Any, name: str) -> np.ndarray:
    """Read an array of draws x options; one value per option counts as a single draw.

    Raises
    ------
    Problem
        Naming the argument, when it is empty, of another shape or not finite.
    """
    array = _numbers(values, name)
    if array.ndim == 1:
        array = array[np.newaxis, :]
    if array.ndim != 2:
        raise Problem(f"{name}: an array of draws x options is needed, not one of shape {array.shape}")
    if array.size == 0:
        raise Problem(f"{name}: is empty; at least one draw and one option are needed")
    return array


def pair(costs: Any, effects: Any) -> tuple[np.ndarray, np.ndarray]:
    """Read costs and effects of the same draws and options (see `draws`).

    Raises
    ------
    Problem
        When their shapes differ, or both are named and their names stand in another order.
    """
    cost, effect = draws(costs, "costs"), draws(effects, "effects")
    check_same_order(costs, effects, "effects")
    if cost.shape != effect.shape:
        raise Problem(f"effects: {_size(effect)} do not match costs: {_size(cost)}")
    return cost, effect


def check_same_order(costs: Any, others: Any, name: str, axes: Sequence[str] = ("columns", "index")) -> None:
    """Refuse frames or series whose rows or columns carry the names of `costs` in another order.

    Everything is matched by position; the same names in another order would be matched wrongly without a word.

    Raises
    ------
    Problem
        Naming the argument.
    """
    for axis in axes:
        own, other = (list(getattr(one, axis, ())) if hasattr(one, "iloc") else [] for one in (costs, others))
        if own != other and len(own) == len(other) and set(own) == set(other):
            at = next(k for k, (a, b) in enumerate(zip(own, other, strict=True)) if a != b)
            raise Problem(
                f"{name}: {axis} stand in another order than those of costs ({other[at]!r} in the "
                f"place of {own[at]!r}); they are matched by position, so bring both into one order"
            )


def grid(wtp: Any) -> np.ndarray:
    """Read willingness to pay per unit of effect: a number, or several.

    Raises
    ------
    Problem
        When there is none, or one is negative or not finite.
    """
    array = np.atleast_1d(_numbers(() if wtp is None else wtp, "wtp"))
    if array.ndim != 1:
        raise Problem(f"wtp: a list of numbers is needed, not an array of shape {array.shape}")
    if array.size == 0:
        raise Problem("wtp: is empty; give at least one willingness to pay, for example wtp=[50000, 100000]")
    if (array < 0).any():
        raise Problem(f"wtp: {array.min():g} is negative; a willingness to pay is 0 or more")
    return array


def option_names(names: Sequence[str] | None, costs: Any, count: int) -> list[str]:
    """Name the options: as given, else by the columns of a frame, else ``option 1``, ``option 2``, ...

    Raises
    ------
    Problem
        When there are too few or too many names, or one occurs twice.
    """
    if names is None:
        columns = getattr(costs, "columns", None)
        found = [str(column) for column in columns] if columns is not None else []
        names = found if len(found) == count else [f"option {k + 1}" for k in range(count)]
    if isinstance(names, str):
        raise Problem(f"names: a list of names is needed, not the single text {names!r}")
    listed = [str(name) for name in names]
    if len(listed) != count:
        raise Problem(f"names: {len(listed)} names do not match {count} options")
    double = [name for name in listed if listed.count(name) > 1]
    if double:
        raise Problem(f"names: {double[0]!r} occurs twice; every option needs a name of its own")
    return listed


def _numbers(values: Any, name: str) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise Problem(f"{name}: holds something else than numbers, or rows of different length") from None
    if not np.isfinite(array).all():
        raise Problem(f"{name}: holds {int((~np.isfinite(array)).sum())} values that are missing or infinite")
    return array


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]} draws x {array.shape[1]} options"
