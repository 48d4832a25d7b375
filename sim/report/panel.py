"""What the decision panel shows: costs and effects under every view, ready for any willingness to pay.

A view is a perspective on costs and a kind of effect. What a script needs to move through willingness to pay is small:
means, the variances of every pair's difference, and, of a probabilistic analysis, draws (at most `DRAWS`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sim.report.acceptability import middle
from sim.report.frames import Frames

if TYPE_CHECKING:
    import pandas as pd

#: Draws put into the page, at most: the first of them, which are spread as evenly as all.
DRAWS: Final = 1000
#: Steps of the slider from 0 to twice the highest threshold, at least.
STEPS: Final = 40
PERSPECTIVES: Final = {
    "payer": "payer (medical care for the disease)",
    "health_system": "health system (all medical care)",
    "societal": "society (care, travel, informal care, work, education)",
}
#: Of a probabilistic analysis: column of its draws, name of the effect, unit.
_DRAWN: Final = (("qalys", "QALYs", "QALY"), ("life_years_discounted", "Life-years", "life-year"))
_EFFECTS: Final = {"qalys": "QALYs", "life_years": "Life-years"}


@dataclass(frozen=True)
class View:
    """Costs and effects of the options under one perspective and for one kind of effect.

    Attributes
    ----------
    perspective, effect, unit
        Names as shown; of what a willingness to pay buys one.
    cost, gain
        Discounted means per patient, in the order of the options.
    variance
        (k, m) -> variances of cost and effect and their covariance, of option k less option m, as means; (k, k) of the
        option itself. Empty where draws tell.
    draws
        Costs and effects by draw, shape (draws, options) each; None without a probabilistic analysis.
    """

    perspective: str
    effect: str
    unit: str
    cost: np.ndarray
    gain: np.ndarray
    variance: dict[tuple[int, int], tuple[float, float, float]]
    draws: tuple[np.ndarray, np.ndarray] | None = None


class Standing(NamedTuple):
    """How an option stands at a willingness to pay: net benefit against the reference, and how sure that is.

    `probability` (of being the best, over draws) and `loss` (expected, against deciding with full knowledge) are
    missing without draws.
    """

    option: int
    cost: float
    gain: float
    benefit: float
    error: float
    probability: float
    loss: float


class Panel(NamedTuple):
    """All that the panel needs: options, the reference's place among them, views, levels of willingness to pay."""

    options: list[str]
    reference: int
    views: list[View]
    levels: list[float]
    start: float
    currency: str
    total_draws: int


def panel_of(frames: Frames) -> Panel | None:
    """Read a run's frames; None where nothing is priced, or there is nothing to choose among."""
    manifest = frames.manifest
    economics = manifest.get("economics")
    economics = economics if isinstance(economics, dict) else {}
    currency = manifest.get("currency") or economics.get("currency")
    levels = sorted(float(level) for level in manifest.get("wtp") or economics.get("wtp") or [])
    if currency is None or not levels:
        return None
    if frames.has("psa"):
        options, views = _drawn(frames, str(economics.get("perspective", "payer")))
    elif frames.has("pairs"):
        options, views = _paired(frames)
    else:
        return None
    if len(options) < 2:
        return None
    reference = options.index(frames.reference) if frames.reference in options else 0
    start = middle(frames) if manifest.get("wtp") else levels[(len(levels) - 1) // 2]
    total = int(manifest.get("draws") or 0) if frames.has("psa") else 0
    return Panel(options, reference, views, levels, start, str(currency), total)


def _paired(frames: Frames) -> tuple[list[str], list[View]]:
    table = frames.pairs
    assert table is not None
    table = table.assign(against=table["against"].astype(object).fillna(""))
    found = set(table["option"])
    options = [p for p in frames.policies if p in found]
    options += sorted(found - set(options))
    views = []
    for (view, effect), part in table.groupby(["perspective", "effect_name"], sort=False):
        own = part[part["against"] == ""].set_index("option").loc[options]
        views.append(
            View(
                PERSPECTIVES.get(str(view), str(view)),
                _EFFECTS.get(str(effect), str(effect)),
                str(part["unit"].iloc[0]),
                own["cost"].to_numpy(float),
                own["effect"].to_numpy(float),
                _variances(part, options),
            )
        )
    return options, views


def _variances(part: pd.DataFrame, options: list[str]) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Read variances and covariance of every pair; the difference the other way round has the same."""
    found: dict[tuple[int, int], tuple[float, float, float]] = {}
    for row in part.to_dict("records"):
        k = options.index(row["option"])
        m = options.index(row["against"]) if row["against"] else k
        found[k, m] = found[m, k] = (row["cost_variance"], row["effect_variance"], row["covariance"])
    return found


def _drawn(frames: Frames, perspective: str) -> tuple[list[str], list[View]]:
    table = frames.psa
    assert table is not None
    named = frames.manifest.get("options") or list(dict.fromkeys(table["policy"]))
    options = [p for p in frames.policies if p in named]
    options += [p for p in named if p not in options]
    table = table[table["policy"].isin(options)]
    views = []
    for column, effect, unit in _DRAWN:
        if column in table.columns:
            cost, gain = (
                table.pivot(index="draw", columns="policy", values=name)[options].to_numpy(float)
                for name in ("cost", column)
            )
            cost, gain = np.round(cost[:DRAWS]), np.round(gain[:DRAWS], 4)  # as the page holds them
            view = PERSPECTIVES.get(perspective, perspective)
            views.append(View(view, effect, unit, cost.mean(axis=0), gain.mean(axis=0), {}, (cost, gain)))
    return options, views


def standings(view: View, reference: int, level: float) -> list[Standing]:
    """Rank the options by net benefit at a willingness to pay; the script does the same in the page."""
    benefit = level * view.gain - view.cost
    order = sorted(range(len(benefit)), key=lambda k: (-benefit[k], k))
    share, loss = _over_draws(view, level)
    return [
        Standing(
            k,
            float(view.cost[k]),
            float(view.gain[k]),
            float(benefit[k] - benefit[reference]),
            error_of(view, k, reference, level) if k != reference else 0.0,
            share[k],
            loss[k],
        )
        for k in order
    ]


def error_of(view: View, k: int, m: int, level: float) -> float:
    """Give the standard error of the difference in net benefit between two options on the same patients or draws."""
    if view.draws is not None:
        cost, gain = view.draws
        apart = level * (gain[:, k] - gain[:, m]) - (cost[:, k] - cost[:, m])
        return float(apart.std(ddof=1) / math.sqrt(len(apart))) if len(apart) > 1 else math.nan
    c, e, both = view.variance[k, m]
    return math.sqrt(max(0.0, level**2 * e + c - 2 * level * both))


def _over_draws(view: View, level: float) -> tuple[list[float], list[float]]:
    """Give each option's share of draws in which it is best, ties shared, and its expected loss."""
    if view.draws is None:
        return [math.nan] * len(view.cost), [math.nan] * len(view.cost)
    cost, gain = view.draws
    benefit = level * gain - cost
    top = benefit.max(axis=1, keepdims=True)
    best = benefit == top
    share = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return share.tolist(), (top - benefit).mean(axis=0).tolist()


def step_of(panel: Panel) -> float:
    """Choose the slider's step: the largest 1, 2 or 5 times a power of ten that meets every threshold."""
    top = 2 * panel.levels[-1]
    for power in range(math.floor(math.log10(top)), -1, -1):
        for step in (5 * 10**power, 2 * 10**power, 10**power):
            if top / step >= STEPS and all(level % step == 0 for level in panel.levels):
                return float(step)
    return top / STEPS


def packed(panel: Panel) -> dict[str, Any]:
    """Lay the panel out for the page's script."""
    return {
        "reference": panel.reference,
        "levels": panel.levels,
        "start": panel.start,
        "top": 2 * panel.levels[-1],
        "currency": panel.currency,
        "views": [_packed(view) for view in panel.views],
    }


def _packed(view: View) -> dict[str, Any]:
    known: dict[str, Any] = {"perspective": view.perspective, "effect": view.effect, "unit": view.unit}
    if view.draws is None:
        known |= {"cost": view.cost.tolist(), "gain": view.gain.tolist()}
        known["variance"] = [
            [[_short(x) for x in view.variance[k, m]] for m in range(k + 1)] for k in range(len(view.cost))
        ]
    else:
        cost, gain = view.draws
        known |= {"draws": {"cost": cost.astype(np.int64).tolist(), "gain": gain.tolist()}}
    return known


def _short(number: float) -> float | None:
    return None if math.isnan(number) else float(f"{number:.9g}")
