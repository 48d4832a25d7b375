"""The program against the textbook model that was written independently of its handlers.

Both run structure RS on the very same cohort table, with their own random numbers; identity of engines is no proof of
correctness, this is. Each statistic may differ by 4 standard errors of a difference of two independent samples; with
some 20 statistics a policy that fails a true model once in 800 runs (seeds are fixed).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import textbook as tb

from sim.compose import settings_from
from sim.experiments.run import Simulation
from sim.units import DAYS_PER_MONTH

PATIENTS = 8192
NO_DONOR = "cohort.donor.shares.none=0"
POLICIES = {
    "watch": tb.Watch(),
    "trial_practice": tb.TrialPractice(0.15),
}


@cache
def both(cohort: str) -> tuple[dict[str, np.ndarray], Any]:
    """Give the program's lives under each policy, and the cohort table for the textbook model."""
    overrides = [
        "experiment=feasibility",
        f"cohort={cohort}",
        f"cohort.n={PATIENTS}",
        "policy=[watch,trial_practice]",
        "cohort.practice.hct_share.value=0.15",
        "cohort.practice.reinfusion_share.value=0",
        "cohort.practice.reinfusion_share.low=0",
        NO_DONOR,
    ]
    simulation = Simulation(settings_from(overrides), journal=False)
    blocks = list(simulation.blocks())
    lives = {name: np.concatenate([block.lives[name] for block in blocks]) for name in POLICIES}
    attributes = simulation.attributes(0, PATIENTS)
    catalogue = simulation.settings.product.catalogue
    short = np.array([catalogue[name].cd28.value for name in simulation.products])
    table = {
        "burden": attributes["burden"],
        "prior_hct": attributes["prior_hct"] == 1,
        "early": (attributes["prior_hct"] == 1) & (attributes["months_hct_to_relapse"] < 6.0),
        "nonresponder": attributes["blinatumomab"] == 2,
        "kmt2ar": attributes["kmt2ar"] == 1,
        "short_product": short[attributes["product"]] == 1,
        "dose": attributes["dose"],
        "flu_auc": attributes["flu_auc"],
        "cns": (attributes["site"] == 1) | (attributes["site"] == 3),
    }
    return lives, table


def program_outcomes(lives: np.ndarray) -> dict[str, np.ndarray]:
    """Give the program's outcomes in the textbook's terms: months from infusion, flags."""
    months = {
        name: (lives[name] - lives["t_infusion"]) / DAYS_PER_MONTH
        for name in ("t_nonresponse", "t_relapse", "t_death", "t_hct", "t_aplasia_lost")
    }
    event = np.minimum(np.minimum(months["t_nonresponse"], months["t_relapse"]), months["t_death"])
    kind = np.select([lives["relapse_type"] == k for k in (1, 2, 3)], ["cd19pos", "cd19neg", "switch"], "none")
    return {
        "cr": lives["cr"] == 1,
        "event": event,
        "relapse": months["t_relapse"],
        "death": months["t_death"],
        "hct": months["t_hct"],
        "lost": months["t_aplasia_lost"],
        "kind": kind,
    }


def textbook_outcomes(table: Any, policy: Any) -> dict[str, np.ndarray]:
    """Give the textbook model's outcomes; what never happened lies at infinity."""
    result = tb.run(table, policy, seed=5, horizon=130.0)
    time = {name: result[f"t_{name}"].fillna(np.inf).to_numpy() for name in ("event", "relapse", "death", "hct")}
    return {
        "cr": result["cr"].to_numpy(dtype=bool),
        **time,
        "lost": result["t_bca_loss"].fillna(np.inf).to_numpy(),
        "kind": result["relapse_type"].fillna("none").to_numpy(dtype=str),
    }


def statistics(o: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Give proportions with their standard errors."""

    def share(flags: np.ndarray, among: np.ndarray) -> tuple[float, float]:
        chosen = flags[among]
        p = float(chosen.mean())
        return p, float(np.sqrt(max(p * (1.0 - p), 1e-6) / len(chosen)))

    everybody = np.ones(len(o["cr"]), dtype=bool)
    relapsed = np.isfinite(o["relapse"]) & (o["relapse"] <= 60.0)
    found = {"cr": share(o["cr"], everybody), "hct": share(np.isfinite(o["hct"]), o["cr"])}
    for month in (3, 6, 12, 24, 36, 60):
        found[f"efs{month}"] = share(o["event"] > month, everybody)
        found[f"os{month}"] = share(o["death"] > month, everybody)
    for kind in ("cd19pos", "cd19neg", "switch"):
        found[kind] = share(o["kind"] == kind, relapsed)
    for month in (3, 6, 12):
        found[f"relapsed{month}"] = share(o["relapse"] <= month, o["cr"])
    return found


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cohort", ["eliana", "multicentre", "germany"])
def test_program_and_textbook_agree(cohort: str, policy: str) -> None:
    lives, table = both(cohort)
    ours = statistics(program_outcomes(lives[policy]))
    theirs = statistics(textbook_outcomes(table, POLICIES[policy]))
    far = {}
    for name, (value, error) in ours.items():
        other, other_error = theirs[name]
        z = (value - other) / np.hypot(error, other_error)
        if abs(z) > 4.0:
            far[name] = (round(value, 4), round(other, 4), round(z, 1))
    assert not far, f"program, textbook, z: {far}"
