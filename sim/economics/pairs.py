"""Means, and every pair of options with the error of its difference: what a decision at any willingness to pay needs.

Of an option, or of a pair of options on the same patients, the error of net benefit at a willingness to pay w is the
root of ``w² · effect_variance + cost_variance - 2 · w · covariance``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.accounts import EFFECTS, Accounts

if TYPE_CHECKING:
    import pandas as pd

    from sim.economics.estimates import Estimates

COLUMNS: Final = (
    "perspective",
    "effect_name",
    "unit",
    "option",
    "against",
    "cost",
    "effect",
    "cost_variance",
    "effect_variance",
    "covariance",
)


def pair_frame(accounts: Accounts) -> pd.DataFrame:
    """Tabulate every option and every pair of them, under each perspective and for each effect.

    Returns
    -------
    pandas.DataFrame
        Columns perspective (the run's own first), effect_name (``qalys``, ``life_years``), unit, option, against
        (empty: the option by itself), cost and effect (discounted mean per patient, of a pair the option's less the
        other's), and cost_variance, effect_variance and covariance of these means.
    """
    import pandas as pd

    own = accounts.book.perspective
    views = [own, *(view for view in accounts.book.perspectives if view != own)]
    rows: list[dict[str, Any]] = []
    for view in views:
        for effect in EFFECTS:
            found = accounts.estimates(perspective=view, effect=effect)
            about = {"perspective": view, "effect_name": effect, "unit": found.effect_unit}
            rows += [about | row for row in pairs(found)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pairs(estimates: Estimates) -> list[dict[str, Any]]:
    """List every option by itself, then every pair, in order of names."""
    names, count = estimates.names, len(estimates.names)
    chosen = [(k, None) for k in range(count)] + [(k, m) for k in range(count) for m in range(k)]
    return [
        {"option": names[k], "against": "" if m is None else names[m]} | _moments(estimates, k, m) for k, m in chosen
    ]


def _moments(estimates: Estimates, k: int, m: int | None) -> dict[str, float]:
    count = len(estimates.names)
    pick = np.zeros((2, 2 * count))
    pick[0, k], pick[1, count + k] = 1.0, 1.0
    if m is not None:
        pick[0, m], pick[1, count + m] = -1.0, -1.0
    cost, effect = (pick @ np.concatenate([estimates.cost, estimates.effect])).tolist()
    (vc, both), (_, ve) = (pick @ estimates.covariance @ pick.T / estimates.n).tolist()
    return {
        "cost": cost,
        "effect": effect,
        "cost_variance": max(vc, 0.0),
        "effect_variance": max(ve, 0.0),
        "covariance": both,
    }
