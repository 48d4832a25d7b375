"""Decisions under uncertainty from draws of costs and effects: net benefit, acceptability, expected loss, EVPI.

Every function takes draws x options (one value per option counts as a single draw) and willingness to pay per unit of
effect, and gives a frame of willingness to pay x options. Nothing is random. Options that are best together in a draw
share it equally. The best option of a draw is the one of highest net benefit even when all net benefits are negative.
With a single option it is always best, and nothing can be lost. `mc_se`
gives the error that the number of draws leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.arrays import grid, option_names, pair
from sim.problems import Problem, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

#: Two net benefits tie when they differ by no more than this times the largest size in their draw: rounding.
_ROUNDING: Final = 1e-12


def nmb(costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Average the net monetary benefit, ``wtp * effect - cost``.

    Parameters
    ----------
    costs, effects
        Shape (draws, options).
    wtp
        Willingness to pay per unit of effect, one or several, 0 or more.
    names
        Names of the options; default: the columns of `costs` when it is a frame, else numbered.

    Returns
    -------
    pandas.DataFrame
        Index wtp, a column per option.

    Raises
    ------
    Problem
        Naming the argument that cannot be used.
    """
    return _averaged(costs, effects, wtp, names, _benefit)


def nhb(costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Average the net health benefit, ``effect - cost / wtp``, in units of effect (arguments: see `nmb`).

    At a willingness to pay of 0 it is not defined, and missing.
    """
    return _per_wtp(nmb(costs, effects, wtp, names))


def ceac(costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Give the cost-effectiveness acceptability curves: the share of draws in which each option is best.

    Options that are best together share the draw equally, so every row sums to 1. Arguments and errors: see `nmb`.
    """
    return _averaged(costs, effects, wtp, names, shares_best)


def ceaf(costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Give the cost-effectiveness acceptability frontier: the `ceac` of the option of highest expected net benefit.

    The other options are missing (NaN) at that willingness to pay. Options that tie in expected net benefit are all
    shown. Arguments and errors: see `nmb`.
    """
    return ceac(costs, effects, wtp, names).where(_ties(nmb(costs, effects, wtp, names).to_numpy()))


def expected_loss(costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Give the expected loss: by how much, on average, the best option of each draw beats this one.

    The smallest of a row is the `evpi`. Arguments and errors: see `nmb`.
    """
    return _averaged(costs, effects, wtp, names, losses)


def evpi(costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.Series[float]:
    """Give the expected value of perfect information per decision.

    The mean of the best net benefit of each draw, less the best mean net benefit: never negative, and 0 for a single
    option. Arguments and errors: see `nmb`.

    Returns
    -------
    pandas.Series
        Index wtp.
    """
    return expected_loss(costs, effects, wtp, names).min(axis=1).rename("evpi")


def mc_se(measure: str, costs: Any, effects: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Give the Monte-Carlo standard errors that the number of draws leaves.

    Parameters
    ----------
    measure
        nmb, nhb, ceac, ceaf, expected_loss or evpi.
    costs, effects, wtp, names
        See `nmb`.

    Returns
    -------
    pandas.DataFrame
        Laid out like the measure; for evpi one column of that name (delta method: the choice between options is taken
        as made). Missing with a single draw.
    """
    if measure == "evpi":
        loss = expected_loss(costs, effects, wtp, names).to_numpy()
        error = mc_se("expected_loss", costs, effects, wtp, names)
        at_choice = np.take_along_axis(error.to_numpy(), loss.argmin(axis=1)[:, np.newaxis], axis=1)
        return error.iloc[:, :1].set_axis(["evpi"], axis=1).assign(evpi=at_choice[:, 0])
    if measure == "nhb":
        return _per_wtp(mc_se("nmb", costs, effects, wtp, names))
    if measure == "ceaf":
        shown = ceaf(costs, effects, wtp, names).notna()
        return mc_se("ceac", costs, effects, wtp, names).where(shown)
    if measure not in _BY_DRAW:
        raise Problem(f"measure: {measure!r} has no error here, {did_you_mean(measure, [*_BY_DRAW, *_DERIVED])}")
    return _averaged(costs, effects, wtp, names, _BY_DRAW[measure], standard_errors)


def shares_best(benefit: np.ndarray) -> np.ndarray:
    """Share each draw equally among its best options; `benefit` has shape (draws, options)."""
    best = _ties(benefit)
    shares: np.ndarray = best / best.sum(axis=1, keepdims=True)
    return shares


def losses(benefit: np.ndarray) -> np.ndarray:
    """Give by how much the best option of each draw beats each option."""
    lost: np.ndarray = benefit.max(axis=1, keepdims=True) - benefit
    return lost


def standard_errors(values: np.ndarray) -> np.ndarray:
    """Give the standard errors of column means; missing with fewer than two rows."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    error: np.ndarray = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return error


def _benefit(benefit: np.ndarray) -> np.ndarray:
    return benefit


_BY_DRAW: Final = {"nmb": _benefit, "ceac": shares_best, "expected_loss": losses}
_DERIVED: Final = ("nhb", "ceaf", "evpi")


def _mean(values: np.ndarray) -> np.ndarray:
    mean: np.ndarray = values.mean(axis=0)
    return mean


def _averaged(
    costs: Any,
    effects: Any,
    wtp: Any,
    names: Sequence[str] | None,
    measure: Callable[[np.ndarray], np.ndarray],
    summary: Callable[[np.ndarray], np.ndarray] = _mean,
) -> pd.DataFrame:
    """Summarise over the draws what `measure` makes of their net benefits, at every willingness to pay."""
    import pandas as pd

    cost, effect = pair(costs, effects)
    labels = option_names(names, costs, cost.shape[1])
    levels = grid(wtp)
    rows = [summary(measure(level * effect - cost)) for level in levels]
    return pd.DataFrame(np.array(rows), index=pd.Index(levels, name="wtp"), columns=labels)


def _per_wtp(table: pd.DataFrame) -> pd.DataFrame:
    levels = table.index.to_numpy(dtype=float)
    return table.div(np.where(levels == 0, np.nan, levels), axis=0)


def _ties(benefit: np.ndarray) -> np.ndarray:
    best = benefit.max(axis=1, keepdims=True)
    near: np.ndarray = best - benefit <= _ROUNDING * np.abs(benefit).max(axis=1, keepdims=True)
    return near
