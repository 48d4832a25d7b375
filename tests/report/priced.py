"""Synthetic economics: made-up costs and effects of twins, so that panel and verdict have something to show."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from sim.economics.estimates import Estimates
from sim.economics.pairs import COLUMNS, pairs
from sim.economics.ranking import benefits, incremental_with_errors
from sim.report.frames import Frames
from sim.uncertainty import decisions

LEVELS = [50_000.0, 100_000.0, 150_000.0]
UNITS = {"qalys": "QALY", "life_years": "life-year"}
#: Policy -> mean cost and QALYs of the toy.
MEANS = {"watch": (900e3, 13.0), "hct_for_all": (980e3, 13.5), "selective": (930e3, 14.0), "reinfusion": (880e3, 13.2)}


def estimates(names: list[str], factor: float = 1.0, effect: str = "qalys", n: int = 400) -> Estimates:
    """Make up twins: one luck a patient, shared by all options, and a little of each option's own."""
    luck = np.random.default_rng(7).normal(size=(n, 2))
    rows = []
    for at, name in enumerate(sorted(names)):
        own = np.random.default_rng(at).normal(size=(n, 2))
        cost, gain = MEANS[name]
        gain *= 1.2 if effect == "life_years" else 1.0
        rows.append((factor * (cost + 2e5 * luck[:, 0] + 6e4 * own[:, 0]), gain + 5 * luck[:, 1] + 2 * own[:, 1]))
    costs, effects = (np.array([row[k] for row in rows]) for k in (0, 1))
    covariance = np.cov(np.vstack([costs, effects]))
    return Estimates(
        tuple(sorted(names)), n, costs.mean(axis=1), effects.mean(axis=1), covariance, "USD 2026", UNITS[effect]
    )


def economics(**changes: Any) -> dict[str, Any]:
    """Make up the manifest's entry."""
    return {
        "label": "Nowhere",
        "currency": "USD 2026",
        "perspective": "payer",
        "counted": ["medical"],
        "discount": {"costs": 0.03, "effects": 0.03},
        "wtp": LEVELS,
        "norms": "us",
    } | changes


def compared(world: Frames) -> Frames:
    """Add what a priced comparison writes."""
    names = [p for p in world.policies if p in MEANS]
    found = estimates(names)
    table = [
        {"perspective": view, "effect_name": effect, "unit": UNITS[effect]} | row
        for view, factor in (("payer", 1.0), ("societal", 1.5))
        for effect in UNITS
        for row in pairs(estimates(names, factor, effect))
    ]
    return dataclasses.replace(
        world,
        manifest=dict(world.manifest) | {"economics": economics()},
        incremental=incremental_with_errors(found).assign(life_years=np.nan),
        nmb=benefits(found, LEVELS, reference="watch"),
        pairs=pd.DataFrame(table, columns=list(COLUMNS)),
    )


def sample(names: list[str], draws: int = 64, batches: int = 4) -> decisions.Sample:
    """Make up joint draws: shape (draws, options, batches)."""
    luck = np.random.default_rng(3).normal(size=(draws, len(names), 2))
    cost = np.array([MEANS[name][0] for name in names]) + 3e4 * luck[:, :, 0]
    gain = np.array([MEANS[name][1] for name in names]) + 0.4 * luck[:, :, 1]
    shape = (draws, len(names), batches)
    wobble = 1 + 0.01 * np.random.default_rng(4).normal(size=shape)
    n = np.full(shape, 50.0)
    return decisions.Sample(
        tuple(names), n, n * np.round(cost[:, :, None] * wobble, 2), n * np.round(gain[:, :, None] * wobble, 6)
    )


def analysed(world: Frames, draws: int = 64) -> Frames:
    """Make what a probabilistic analysis writes; of the comparison only parameters remain."""
    names = sorted(p for p in world.policies if p in MEANS)
    found = sample(names, draws)
    means = {k: getattr(found, k).sum(axis=2) / found.n.sum(axis=2) for k in ("cost", "effect")}
    table = pd.DataFrame(
        {
            "draw": np.repeat(np.arange(draws), len(names)),
            "policy": np.tile(np.array(names, dtype=object), draws),
            "cost": means["cost"].ravel(),
            "qalys": means["effect"].ravel(),
            "life_years_discounted": 1.2 * means["effect"].ravel(),
        }
    )
    curve = sorted({*np.linspace(0, 2 * LEVELS[-1], 16).tolist(), *LEVELS})
    record = dict(world.manifest) | {
        "experiment": "psa", "economics": economics(), "wtp": LEVELS, "currency": "USD 2026", "effect": "qalys",
        "effect_unit": "QALY", "draws": draws, "options": names,
    }  # fmt: skip
    return Frames(
        manifest=record,
        parameters=world.parameters,
        psa=table,
        psa_acceptability=decisions.acceptability(found, curve),
        psa_frontier=decisions.frontier(found),
    )
