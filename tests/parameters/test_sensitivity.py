"""Every parameter moves some output: perturb each line, and somebody's journal must change."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from support import World, attributes_of, live, settings_of, with_policy

from sim.lines import Count, Line, Positive, Probability, Switch
from sim.patient import published_names
from sim.settings import Settings

PATIENTS = 4096
BASE = settings_of()
LINES = {key: line for key, line in BASE.lines() if not key.startswith("economics.")}  # those change no life
#: Policies tried in turn; between them they use every part of the pathway.
TRIED = (
    "watch",
    "selective_plus",
    "hct_for_all",
    "hybrid",
    "trial_practice",
    "maintenance",
    "no_car",
    "consolidate",
    "by_pct1",
    "by_abs10",
    "by_abs50",
)

#: Key (or its beginning) -> what has to be switched for the line to matter.
GATES: dict[str, dict[str, float]] = {
    "clinic.salvage.salvage_cure": {"clinic.salvage.explicit": 0},
    "clinic.salvage.salvage_late": {"clinic.salvage.explicit": 0},
    "clinic.salvage.salvage_early": {"clinic.salvage.explicit": 0},
    "clinic.salvage.salvage_burden": {"clinic.salvage.explicit": 0},
    "clinic.salvage.salvage_switch": {"clinic.salvage.explicit": 0},
    "clinic.salvage.salvage_after_hct": {"clinic.salvage.explicit": 0},
    "clinic.salvage.salvage_nonresponse": {"clinic.salvage.explicit": 0},
    "clinic.salvage.survival_": {"clinic.salvage.explicit": 0},
    "clinic.salvage.early_death_": {"clinic.toxicity.acute": 0},
    "clinic.salvage.remission_death": {"clinic.toxicity.acute": 0},
    "clinic.lymphodepletion.auc_target": {"clinic.supportive.auc_targeted": 1},
    "clinic.toxicity.early_tocilizumab_ratio": {"clinic.supportive.early_tocilizumab": 1},
    "clinic.supportive.early_tocilizumab_": {"clinic.supportive.early_tocilizumab": 1},
    "clinic.toxicity.levetiracetam_ratio": {"clinic.supportive.levetiracetam": 1},
    "cohort.neuro_history.share": {"clinic.supportive.levetiracetam": 1},
    "clinic.transplant.donor_search": {"clinic.supportive.upfront_search": 0},
    "biology.escape.negative_ceiling": {  # else nobody comes near it
        "biology.escape.negative_share": -11.0,
        "biology.escape.negative_nonresponse": 8.0,
        "biology.escape.negative_spread": 1.8,
    },
    "clinic.reinfusion.lymphodepletion_odds": {"clinic.supportive.reinfusion_lymphodepletion": 1},
}

#: Lines that matter for one product only.
PRODUCTS = {"biology.persistence.short_aplasia_expansion": "brexu_cel"}

#: Lines that leave the journal as it is, and what they move instead.
EXCEPTIONS = {
    "clinic.monitoring.month3_from": "says which sample patients.parquet calls the month-3 sample",
    "clinic.monitoring.month3_until": "says which sample patients.parquet calls the month-3 sample",
    "cohort.weight.sigma": "body weight is priced, and acts on nothing else",
}


def gate(key: str) -> dict[str, float]:
    return {name: value for start, values in GATES.items() if key.startswith(start) for name, value in values.items()}


def other_values(line: Line) -> list[float]:
    """Values to try: the ends of the range, or beyond them where there is no range."""
    ends = [end for end in (line.low, line.high) if end != line.value]
    if ends:
        return ends
    if isinstance(line, Switch):
        return [1.0 - line.value]
    if isinstance(line, Probability):
        return [0.5 if line.value != 0.5 else 0.6]
    if isinstance(line, Positive | Count):
        return [line.value * 2.0]
    return [line.value + 1.0]


@functools.cache
def world(product: str | None, gates: tuple[tuple[str, float], ...]) -> tuple[Settings, Any]:
    base = BASE.with_values(dict(gates))
    base = base.model_copy(update={"product": base.product.model_copy(update={"forced": product})})
    return with_more_policies(base), attributes_of(base, 0, PATIENTS)


def with_more_policies(base: Settings) -> Settings:
    """Add policies for what no shipped one does: a CD22 CAR in remission, repeated reinfusions, B-cell thresholds."""
    rules = [
        {"at": "remission", "when": {"donor": "none"}, "then": "cd22_car"},
        {"at": "bca_lost", "then": "reinfuse", "retry": 2},
        {"at": "mrd_positive", "then": "reinfuse"},
        {"at": "mixed_chimerism", "then": "reinfuse"},
    ]
    watch = base.policy["watch"]
    more = {"consolidate": with_policy(base, "watch", rules=rules).policy["watch"]}
    for threshold in ("pct1", "abs10", "abs50"):
        more[f"by_{threshold}"] = watch.model_copy(update={"bca_threshold": threshold})
    return base.model_copy(update={"policy": {**base.policy, **more}})


@functools.cache
def usual(policy: str, product: str | None, gates: tuple[tuple[str, float], ...]) -> World:
    base, attributes = world(product, gates)
    return live(base, policy, PATIENTS, attributes=attributes)


#: Lines that matter only where places are scarce, and a hospital where they are.
SCARCE = "clinic.queueing."
PLACES = {"apheresis": 2, "manufacturing": 9, "ward": 1, "icu": 1, "hct": 1, "donor_search": 1, "oncology": 1}
QUEUEING = 300


@functools.cache
def crowded(key: str, value: float | None, policy: str) -> World:
    base = BASE if value is None else BASE.with_value(key, value)
    base = with_more_policies(base)
    days = np.linspace(0.0, 1500.0, QUEUEING)
    return live(base, policy, QUEUEING, engine="simpy", capacities=PLACES, arrivals=days)


def moves_a_queue(key: str) -> tuple[bool, bool]:
    """The same in a hospital with few places."""
    for value in other_values(LINES[key]):
        for policy in ("reinfusion", "watch", "consolidate"):
            if crowded(key, value, policy).rows.tobytes() != crowded("", None, policy).rows.tobytes():
                return True, True
    return False, False


def moves(key: str) -> tuple[bool, bool]:
    """Tell whether another value of the line changes any published field, and any journal."""
    if key.startswith(SCARCE):
        return moves_a_queue(key)
    product = key.split(".")[2] if key.startswith("product.") else PRODUCTS.get(key)
    gates = tuple(gate(key).items())
    base, attributes = world(product, gates)
    any_field = False
    for value in other_values(LINES[key]):
        other = base.with_value(key, value)
        table = attributes_of(other, 0, PATIENTS) if key.startswith("cohort.") else attributes
        for policy in TRIED:
            before, after = usual(policy, product, gates), live(other, policy, PATIENTS, attributes=table)
            if before.rows.tobytes() != after.rows.tobytes():
                return True, True
            any_field |= any(before.lives[name].tobytes() != after.lives[name].tobytes() for name in published_names())
    return any_field, False


GROUPS = sorted({key.rsplit(".", 1)[0] for key in LINES if not key.startswith("cohort.")} | {"cohort"})


@pytest.mark.parametrize("group", GROUPS)
def test_every_parameter_moves_some_journal(group):
    keys = [key for key in LINES if group in (key.rsplit(".", 1)[0], key.split(".")[0])]
    moved = {key: moves(key) for key in keys}
    assert all(any_field for any_field, _ in moved.values())
    assert {key for key, (_, any_row) in moved.items() if not any_row} == {key for key in keys if key in EXCEPTIONS}


def test_gates_and_exceptions_name_lines():
    for start in [*GATES, *PRODUCTS, *EXCEPTIONS]:
        assert any(key.startswith(start) for key in LINES), start
