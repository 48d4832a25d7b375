"""Which option is best, and how sure the number of patients makes that: from means and their joint sampling error.

Patients are twins across options, so options are far better told apart than their own errors suggest: every error here
uses the full covariance matrix. These are Monte-Carlo errors, which more patients remove; not uncertainty of inputs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.economics.acceptability import shares_best
from sim.economics.arrays import grid
from sim.economics.estimates import Estimates
from sim.economics.frontier import incremental, tied
from sim.economics.regression import normals
from sim.problems import Problem, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

#: What trials did is not a policy that could be chosen: it never enters a frontier.
NOT_CHOICES: Final = ("trial_practice",)
#: Repetitions of the whole run, imagined from the covariance of its means, behind probabilities.
REPETITIONS: Final = 2000
#: Two-sided error with which a ranking counts as settled.
ERROR: Final = 0.05
#: A stratum with fewer patients gets no choice of its own.
SMALLEST: Final = 30


def choices(estimates: Estimates) -> Estimates:
    """Keep the options that somebody could choose (all but `NOT_CHOICES`).

    Raises
    ------
    Problem
        When none is left.
    """
    kept = [k for k, name in enumerate(estimates.names) if name not in NOT_CHOICES]
    if not kept:
        raise Problem(f"policy=[{','.join(estimates.names)}]: holds no option that could be chosen")
    return picked(estimates, kept)


def picked(estimates: Estimates, options: Sequence[int]) -> Estimates:
    """Keep some options, in the order given."""
    index = np.array(options, dtype=int)
    both = np.concatenate([index, index + len(estimates.names)])
    return dataclasses.replace(
        estimates,
        names=tuple(estimates.names[k] for k in index),
        cost=estimates.cost[index],
        effect=estimates.effect[index],
        covariance=estimates.covariance[np.ix_(both, both)],
    )


def incremental_with_errors(estimates: Estimates, seed: int = 1) -> pd.DataFrame:
    """Give the incremental analysis with the Monte-Carlo error of everything in it.

    Parameters
    ----------
    estimates
        Means and covariances; options of `NOT_CHOICES` are left out.
    seed
        Key of the imagined repetitions.

    Returns
    -------
    pandas.DataFrame
        As `incremental`, with standard errors (cost_se, effect_se, inc_cost_se, inc_effect_se, icer_se: delta method
        on paired patients), icer_low and icer_high (95% by Fieller's theorem; missing where the interval has no end),
        against (the option before on the frontier), p_frontier (probability of being on the frontier of a run without
        Monte-Carlo error) and tied_with (options of exactly the same cost and effect).
    """
    chosen = choices(estimates)
    table = incremental(chosen.cost, chosen.effect, chosen.names)
    ties = tied(chosen.cost, chosen.effect, chosen.names)
    often = dict(zip(chosen.names, frontier_probabilities(chosen, seed), strict=True))
    rows: list[dict[str, Any]] = []
    before: int | None = None
    for record in table.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        own = chosen.names.index(row["option"])
        errors: dict[str, Any] = {
            "cost_se": _error(chosen, [(own, 1.0, 0.0)]),
            "effect_se": _error(chosen, [(own, 0.0, 1.0)]),
        }
        if row["status"] == "ND" and before is not None:
            errors |= _step_errors(chosen, own, before) | {"against": chosen.names[before]}
        else:
            errors |= dict.fromkeys(_STEP, math.nan) | {"against": ""}
        errors["p_frontier"] = often[row["option"]]
        errors["tied_with"] = ", ".join(ties.get(row["option"], []))
        rows.append(row | errors)
        if row["status"] == "ND":
            before = own
    import pandas as pd

    return pd.DataFrame(rows)[list(COLUMNS)]


_STEP: Final = ("inc_cost_se", "inc_effect_se", "icer_se", "icer_low", "icer_high")
COLUMNS: Final = (
    "option",
    "cost",
    "cost_se",
    "effect",
    "effect_se",
    "inc_cost",
    "inc_cost_se",
    "inc_effect",
    "inc_effect_se",
    "icer",
    "icer_se",
    "icer_low",
    "icer_high",
    "status",
    "against",
    "p_frontier",
    "tied_with",
)


def benefits(
    estimates: Estimates, wtp: Any, reference: str | None = None, error: float = ERROR, seed: int = 1
) -> pd.DataFrame:
    """Rank the options by net benefit at every willingness to pay.

    Parameters
    ----------
    estimates
        Means and covariances; options of `NOT_CHOICES` are left out.
    wtp
        Willingness to pay per unit of effect, one or several.
    reference
        The option that `inb` compares with; default: the first by name.
    error
        Two-sided error with which a comparison counts as settled.
    seed
        Key of the imagined repetitions.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, rank, option, nmb, nmb_se, nhb, nhb_se, inb and inb_se (against the reference, on paired patients),
        p_best, and patients: how many would tell the option from the next better one (for the best: from the second)
        with that error; 0 where the two are identical for every patient, infinite where they tie otherwise. By wtp and
        rank; ties of rank by name.

    Raises
    ------
    Problem
        When the grid is empty or the reference is not among the options.
    """
    import pandas as pd

    chosen = choices(estimates)
    names = chosen.names
    if reference is not None and reference not in names:
        raise Problem(f"reference: {reference!r} is not an option, {did_you_mean(reference, names)}")
    base = 0 if reference is None else names.index(reference)
    simulated = _repetitions(chosen, seed)
    rows: list[dict[str, Any]] = []
    for level in grid(wtp):
        value = level * chosen.effect - chosen.cost
        best = _expanded(_shares(level * simulated[1] - simulated[0]), chosen)
        order = sorted(range(len(names)), key=lambda k: (-value[k], names[k]))
        for place, k in enumerate(order):
            sd = _error(chosen, [(k, -1.0, level)])
            rival = order[place - 1] if place else order[1] if len(order) > 1 else k
            rows.append(
                {
                    "wtp": level,
                    "rank": 1 + int((value > value[k]).sum()),
                    "option": names[k],
                    "nmb": value[k],
                    "nmb_se": sd,
                    "nhb": value[k] / level if level else math.nan,
                    "nhb_se": sd / level if level else math.nan,
                    "inb": value[k] - value[base],
                    "inb_se": _error(chosen, [(k, -1.0, level), (base, 1.0, -level)]),
                    "p_best": best[k],
                    "patients": _patients(chosen, k, rival, level, error),
                }
            )
    return pd.DataFrame(rows)


def patients_to_settle(estimates: Estimates, wtp: float, error: float = ERROR) -> float:
    """Say how many patients would settle the whole ranking at one willingness to pay.

    Every option is told from the next better one with the two-sided `error`: n times ``(z * se / difference) ** 2``.
    Options identical for every patient need no telling apart. Infinite when two others tie exactly.
    """
    table = benefits(estimates, wtp, error=error)
    return float(table["patients"].max()) if len(table) > 1 else 0.0


def value_of_stratifying(strata: Mapping[str, Estimates], wtp: Any, seed: int = 1) -> pd.DataFrame:
    """Find the best option in every stratum, and what deciding by a grouping gains over one option for all.

    Parameters
    ----------
    strata
        Name -> estimates over the stratum's patients, all with the same options: ``all``, and strata named
        ``grouping:level``; strata of one grouping share no patient.
    wtp
        Willingness to pay per unit of effect, one or several.
    seed
        Key of the imagined repetitions.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, stratum, patients, share, best, nmb, margin and margin_se (over the second best), p_best, gain and
        gain_se (net benefit a patient of the stratum against the option best for all). The rows ``by grouping`` give
        the gain a patient of the whole cohort from deciding by that grouping. A stratum of fewer than `SMALLEST`
        patients keeps the option that is best for all.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    everybody = choices(strata["all"])
    for level in grid(wtp):
        overall = int((level * everybody.effect - everybody.cost).argmax())
        groupings: dict[str, list[dict[str, Any]]] = {}
        found = []
        for name, estimates in strata.items():
            row = _in_stratum(name, choices(estimates), level, overall, everybody.n, seed)
            found.append({"wtp": level} | row)
            if ":" in name:
                groupings.setdefault(name.split(":")[0], []).append(row)
        rows += found
        for grouping, parts in groupings.items():
            total = {"wtp": level, "stratum": f"by {grouping}", "patients": sum(p["patients"] for p in parts)}
            total |= {"share": sum(p["share"] for p in parts), "best": ""}
            total |= {"gain": sum(p["share"] * p["gain"] for p in parts)}
            total |= {"gain_se": math.sqrt(sum((p["share"] * p["gain_se"]) ** 2 for p in parts))}
            rows.append(total)
    return pd.DataFrame(rows, columns=["wtp", *_STRATUM])


_STRATUM: Final = "stratum patients share best nmb margin margin_se p_best gain gain_se".split()


def _in_stratum(
    name: str, estimates: Estimates, level: float, overall: int, everybody: int, seed: int
) -> dict[str, Any]:
    value = level * estimates.effect - estimates.cost
    best = int(value.argmax()) if estimates.n >= SMALLEST else overall
    if value[overall] == value[best]:  # a tie changes no choice
        best = overall
    row: dict[str, Any] = {"stratum": name, "patients": estimates.n, "share": estimates.n / everybody}
    row |= {"best": estimates.names[best], "nmb": value[best], "margin": math.nan, "margin_se": math.nan}
    if len(value) > 1:
        second = int(np.where(np.arange(len(value)) == best, -np.inf, value).argmax())
        row["margin"] = value[best] - value[second]
        row["margin_se"] = _error(estimates, [(best, -1.0, level), (second, 1.0, -level)])
    cost, effect = _repetitions(estimates, seed)
    row["p_best"] = _expanded(_shares(level * effect - cost), estimates)[best]
    row["gain"] = value[best] - value[overall]
    row["gain_se"] = _error(estimates, [(best, -1.0, level), (overall, 1.0, -level)])
    return row


def frontier_probabilities(estimates: Estimates, seed: int = 1) -> np.ndarray:
    """Give, for every option, the probability of being on the frontier of a run without Monte-Carlo error."""
    cost, effect = _repetitions(estimates, seed)
    if np.isnan(cost).any():
        return np.full(len(estimates.names), np.nan)
    return _expanded(best_somewhere(cost, effect).mean(axis=0), estimates, share=False)


def best_somewhere(cost: np.ndarray, effect: np.ndarray) -> np.ndarray:
    """Tell, for many repetitions of distinct options, which are the best buy at some willingness to pay.

    That is the frontier: every other option of less effect sets a lower limit to the willingness to pay at which this
    one is best, every other of more effect an upper one. Shape (repetitions, options).
    """
    dearer = cost[:, :, np.newaxis] - cost[:, np.newaxis, :]
    better = effect[:, :, np.newaxis] - effect[:, np.newaxis, :]
    turn = np.divide(dearer, better, out=np.zeros_like(dearer), where=better != 0)
    low = np.where(better > 0, turn, 0.0).max(axis=2)
    high = np.where(better < 0, turn, np.inf).min(axis=2)
    beaten = ((better == 0) & (dearer > 0)).any(axis=2)
    found: np.ndarray = ~beaten & (high > 0) & (low <= high)
    return found


def _repetitions(estimates: Estimates, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Imagine the run again and again: costs and effects of distinct options, shape (repetitions, options)."""
    distinct, _ = _distinct(estimates)
    few = picked(estimates, distinct)
    if not np.isfinite(few.covariance).all():
        return np.full((1, len(distinct)), np.nan), np.full((1, len(distinct)), np.nan)
    values, vectors = np.linalg.eigh(few.covariance / few.n)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    width = 2 * len(distinct)
    moves = normals(seed, 7, REPETITIONS * width).reshape(REPETITIONS, width) @ root.T
    return few.cost + moves[:, : len(distinct)], few.effect + moves[:, len(distinct) :]


def _shares(benefit: np.ndarray) -> np.ndarray:
    """Give each option's share of best repetitions; missing where there are none."""
    shares: np.ndarray = benefit[0] if np.isnan(benefit).any() else shares_best(benefit).mean(axis=0)
    return shares


def _distinct(estimates: Estimates) -> tuple[list[int], list[int]]:
    """List one of each set of options that are the same for every patient, and for every option its place there."""
    kept: list[int] = []
    where: list[int] = []
    for k in range(len(estimates.names)):
        same = next((m for m in kept if _identical(estimates, k, m)), None)
        if same is None:
            kept.append(k)
        where.append(len(kept) - 1 if same is None else kept.index(same))
    return kept, where


def _identical(estimates: Estimates, k: int, m: int) -> bool:
    if estimates.cost[k] != estimates.cost[m] or estimates.effect[k] != estimates.effect[m]:
        return False
    pairs = ([(k, 1.0, 0.0), (m, -1.0, 0.0)], [(k, 0.0, 1.0), (m, 0.0, -1.0)])
    return all(_error(estimates, pair) == 0 for pair in pairs)


def _expanded(values: np.ndarray, estimates: Estimates, *, share: bool = True) -> np.ndarray:
    """Spread results of distinct options over all: identical options share a probability, or each have it."""
    _, where = _distinct(estimates)
    counts = np.bincount(where)
    return np.array([values[place] / (counts[place] if share else 1) for place in where])


def _patients(estimates: Estimates, k: int, rival: int, wtp: float, error: float) -> float:
    from scipy.special import ndtri

    if not 0 < error < 1:
        raise Problem(f"error: {error:g} must lie between 0 and 1")
    spread = _error(estimates, [(k, -1.0, wtp), (rival, 1.0, -wtp)])
    if spread == 0 or math.isnan(spread):
        return spread
    apart = abs((wtp * estimates.effect - estimates.cost)[k] - (wtp * estimates.effect - estimates.cost)[rival])
    if apart == 0:
        return math.inf
    return float(math.ceil(estimates.n * (float(ndtri(1 - error / 2)) * spread / apart) ** 2))


def _error(estimates: Estimates, terms: Sequence[tuple[int, float, float]]) -> float:
    """Give the standard error of a sum of (option, weight of its cost, weight of its effect)."""
    weights = np.zeros(2 * len(estimates.names))
    for option, cost, effect in terms:
        weights[option] += cost
        weights[option + len(estimates.names)] += effect
    scale = float((weights**2 * np.diag(estimates.covariance)).sum())
    variance = float(weights @ estimates.covariance @ weights)
    if math.isnan(variance):  # a single patient says nothing about errors
        return math.nan
    return math.sqrt(variance / estimates.n) if variance > 1e-12 * scale else 0.0


def _step_errors(estimates: Estimates, own: int, before: int) -> dict[str, float]:
    cost_terms, effect_terms = [(own, 1.0, 0.0), (before, -1.0, 0.0)], [(own, 0.0, 1.0), (before, 0.0, -1.0)]
    cost = float(estimates.cost[own] - estimates.cost[before])
    effect = float(estimates.effect[own] - estimates.effect[before])
    found = {"inc_cost_se": _error(estimates, cost_terms), "inc_effect_se": _error(estimates, effect_terms)}
    if effect == 0:
        return found | {"icer_se": math.nan, "icer_low": math.nan, "icer_high": math.nan}
    ratio = cost / effect
    spread = _error(estimates, [(own, 1.0, -ratio), (before, -1.0, ratio)])
    low, high = _fieller(estimates, own, before, cost, effect)
    return found | {"icer_se": spread / abs(effect), "icer_low": low, "icer_high": high}


def _fieller(estimates: Estimates, own: int, before: int, cost: float, effect: float) -> tuple[float, float]:
    """Give the 95% interval of a ratio of two normal means (Fieller 1954); missing where it has no end."""
    z = 1.959963984540054
    count = len(estimates.names)
    pick = np.zeros((2, 2 * count))
    pick[0, own], pick[0, before] = 1.0, -1.0
    pick[1, own + count], pick[1, before + count] = 1.0, -1.0
    (vc, both), (_, ve) = (pick @ estimates.covariance @ pick.T / estimates.n).tolist()
    a, b, c = effect**2 - z**2 * ve, cost * effect - z**2 * both, cost**2 - z**2 * vc
    inner = b**2 - a * c
    if a <= 0 or inner < 0:
        return math.nan, math.nan
    return (b - math.sqrt(inner)) / a, (b + math.sqrt(inner)) / a
