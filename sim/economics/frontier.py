"""Full incremental analysis: dominance, extended dominance and the efficient frontier.

An option is dominated (``D``) when another costs no more, gives no less and is better in one of the two. It is
extendedly dominated (``ED``) when no single option beats it but a mixture of two others does. What remains, from the
cheapest on, is the frontier (``ND``); along it costs, effects and ICERs rise.

Settled cases: options of equal cost and effect share one status, and stand one after the other by name; the first of
them carries the increment from the option before, the others increments of exactly 0 and no ICER. An option that lies
on the straight line between two others is not beaten by any mixture and stays on the frontier, with the same ICER as
its successor. A single option is the frontier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.arrays import check_same_order, option_names, vector
from sim.problems import Problem

if TYPE_CHECKING:
    import pandas as pd

#: Statuses in the order in which the table shows them.
STATUSES: Final = ("ND", "ED", "D")
#: Relative rounding error within which three options count as lying on a straight line.
_STRAIGHT: Final = 1e-12


def incremental(costs: Any, effects: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Compare mutually exclusive options step by step along the efficient frontier.

    Parameters
    ----------
    costs, effects
        One value per option; any sign.
    names
        Names of the options, each once; default: index of `costs` when it is a pandas Series, else numbered.

    Returns
    -------
    pandas.DataFrame
        Columns option, cost, effect, inc_cost, inc_effect, icer, status: the frontier by cost, then extendedly
        dominated, then dominated options, each by cost. Increments and ICER are against the option before on the
        frontier; missing for its first option and for options off it. The module's text settles ties and duplicates.

    Raises
    ------
    Problem
        Naming the argument that cannot be used.

    Notes
    -----
    Method: Drummond et al. 2015, Methods for the Economic Evaluation of Health Care Programmes, 4th edition, chapter 4.
    """
    import pandas as pd

    cost, effect = vector(costs, "costs"), vector(effects, "effects")
    if len(cost) != len(effect):
        raise Problem(f"effects: {len(effect)} values do not match {len(cost)} costs")
    check_same_order(costs, effects, "effects")
    if names is None and isinstance(costs, pd.Series):
        names = [str(name) for name in costs.index]
    labels = option_names(names, None, len(cost))
    status = statuses(cost, effect)
    order = sorted(range(len(cost)), key=lambda k: (STATUSES.index(status[k]), cost[k], -effect[k], labels[k]))
    table = pd.DataFrame(
        {
            "option": [labels[k] for k in order],
            "cost": cost[order],
            "effect": effect[order],
            "inc_cost": np.nan,
            "inc_effect": np.nan,
            "icer": np.nan,
            "status": [status[k] for k in order],
        }
    )
    members = status.count("ND")
    more_cost, more_effect = np.diff(cost[order[:members]]), np.diff(effect[order[:members]])
    table.loc[1 : members - 1, "inc_cost"] = more_cost
    table.loc[1 : members - 1, "inc_effect"] = more_effect
    ratio = np.divide(more_cost, more_effect, out=np.full(members - 1, np.nan), where=more_effect != 0)
    table.loc[1 : members - 1, "icer"] = ratio
    return table


def statuses(cost: np.ndarray, effect: np.ndarray) -> list[str]:
    """Give ``ND``, ``ED`` or ``D`` for every option (see the module's text)."""
    order = np.lexsort((-effect, cost))
    status = ["D"] * len(order)
    upper: list[tuple[float, float, list[int]]] = []  # undominated points by cost, with the options that lie there
    for k in order:
        here = (float(cost[k]), float(effect[k]))
        if not upper or here[1] > upper[-1][1]:
            upper.append((*here, [int(k)]))
        elif here == upper[-1][:2]:
            upper[-1][2].append(int(k))
    for point in upper:
        for k in point[2]:
            status[k] = "ED"
    for point in _hull(upper):
        for k in point[2]:
            status[k] = "ND"
    return status


def tied(costs: Any, effects: Any, names: Sequence[str] | None = None) -> dict[str, list[str]]:
    """List, for every option that has any, the other options of exactly the same cost and effect."""
    cost, effect = vector(costs, "costs"), vector(effects, "effects")
    labels = option_names(names, None, len(cost))
    found = {
        labels[k]: [labels[m] for m in range(len(cost)) if m != k and cost[m] == cost[k] and effect[m] == effect[k]]
        for k in range(len(cost))
    }
    return {name: others for name, others in found.items() if others}


def _hull(points: list[tuple[float, float, list[int]]]) -> list[tuple[float, float, list[int]]]:
    """Keep the points that no mixture of two others beats; costs and effects of `points` rise."""
    kept: list[tuple[float, float, list[int]]] = []
    for point in points:
        while len(kept) >= 2 and _bends_down(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _bends_down(
    before: tuple[float, float, Any], middle: tuple[float, float, Any], after: tuple[float, float, Any]
) -> bool:
    """Tell whether the ICER falls at `middle`, so that a mixture of its neighbours beats it."""
    first = (middle[0] - before[0]) * (after[1] - middle[1])
    second = (after[0] - middle[0]) * (middle[1] - before[1])
    return first - second > _STRAIGHT * max(abs(first), abs(second))
