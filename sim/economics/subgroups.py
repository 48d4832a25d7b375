"""Who should get which option: the best one in every stratum, and what deciding by stratum gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.draws import uniforms
from sim.economics.arrays import draws, grid, option_names
from sim.economics.ranking import NOT_CHOICES, SMALLEST
from sim.problems import Problem

if TYPE_CHECKING:
    import pandas as pd

#: Key by which patients are split into halves.
_SPLIT: Final = 1


def subgroups(costs: Any, effects: Any, strata: Any, wtp: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Find the best option in every stratum and value deciding by stratum.

    Parameters
    ----------
    costs, effects
        One row a patient, one column an option (the same patients under every option).
    strata
        The stratum of every patient, known before the decision.
    wtp
        Willingness to pay per unit of effect, one or several.
    names
        Names of the options; those of `sim.economics.ranking.NOT_CHOICES` are left out.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, stratum, patients, share, best, nmb, margin (to the second best) and margin_se, gain (net benefit
        a patient of the stratum against the option that is best overall) and gain_se, gain_checked. The row ``all``
        gives the option best overall and the gain a patient of the whole cohort from deciding by stratum. Choosing the
        best of noisy means flatters: `gain_checked` chooses with one half of the patients and values with the other.

    Raises
    ------
    Problem
        Naming the argument that cannot be used.
    """
    import pandas as pd

    cost, effect = draws(costs, "costs"), draws(effects, "effects")
    if cost.shape != effect.shape:
        raise Problem(f"effects: shape {effect.shape} does not match costs: {cost.shape}")
    labels = option_names(names, costs, cost.shape[1])
    kept = [k for k, name in enumerate(labels) if name not in NOT_CHOICES]
    if not kept:
        raise Problem("names: no option is left that could be chosen")
    label_of = np.asarray(strata).astype(str)
    if len(label_of) != len(cost):
        raise Problem(f"strata: {len(label_of)} labels do not match {len(cost)} patients")
    rows: list[dict[str, Any]] = []
    for level in grid(wtp):
        benefit = level * effect[:, kept] - cost[:, kept]
        rows += [{"wtp": level} | row for row in _at_level(benefit, label_of, [labels[k] for k in kept])]
    return pd.DataFrame(rows)


def _at_level(benefit: np.ndarray, strata: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    overall = int(benefit.mean(axis=0).argmax())
    halves = (uniforms(_SPLIT, np.arange(len(benefit)), 0) < 0.5).astype(int)
    rows: list[dict[str, Any]] = []
    gained, checked = np.zeros(len(benefit)), np.zeros(len(benefit))
    for label in sorted(set(strata)):
        inside = np.flatnonzero(strata == label)
        best = int(benefit[inside].mean(axis=0).argmax()) if len(inside) >= SMALLEST else overall
        gain = benefit[inside, best] - benefit[inside, overall]
        gained[inside] = gain
        for half in (0, 1):
            tested = inside[halves[inside] == half]
            checked[tested] = _checked(benefit, inside[halves[inside] != half], tested, halves != half)
        row = _stratum(benefit[inside], best, names)
        rows.append({"stratum": label, "patients": len(inside), "share": len(inside) / len(benefit)} | row)
        rows[-1] |= {"gain": gain.mean(), "gain_se": _se(gain), "gain_checked": checked[inside].mean()}
    whole = {"stratum": "all", "patients": len(benefit), "share": 1.0} | _stratum(benefit, overall, names)
    return [whole | {"gain": gained.mean(), "gain_se": _se(gained), "gain_checked": checked.mean()}, *rows]


def _checked(benefit: np.ndarray, chosen_with: np.ndarray, tested: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Value, in the tested half, what the other half of the patients would have chosen."""
    overall = int(benefit[others].mean(axis=0).argmax()) if others.any() else 0
    enough = 2 * len(chosen_with) >= SMALLEST
    best = int(benefit[chosen_with].mean(axis=0).argmax()) if enough else overall
    gain: np.ndarray = benefit[tested, best] - benefit[tested, overall]
    return gain


def _stratum(benefit: np.ndarray, best: int, names: list[str]) -> dict[str, Any]:
    means = benefit.mean(axis=0)
    row: dict[str, Any] = {"best": names[best], "nmb": means[best], "margin": np.nan, "margin_se": np.nan}
    if benefit.shape[1] > 1:
        second = int(np.argmax(np.where(np.arange(len(means)) == best, -np.inf, means)))
        ahead = benefit[:, best] - benefit[:, second]
        row |= {"margin": ahead.mean(), "margin_se": _se(ahead)}
    return row


def _se(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
