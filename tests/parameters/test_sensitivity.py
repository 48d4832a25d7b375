"""Every parameter moves some output: perturb each line, and somebody's life or journal must change."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from support import attributes_of, live, settings_of, with_policy

from sim.experiments.inputs import kernel_values
from sim.lines import Count, Line, Positive, Probability, Switch
from sim.settings import Settings

PATIENTS = 4096
BASE = settings_of()
LINES = dict(BASE.lines())
#: Policies tried in turn; between them they use every part of the pathway.
TRIED = (
    "watch",
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

#: Lines that move nothing, and why.
EXCEPTIONS: dict[str, str] = {}


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
    """Add policies for what no shipped one does: a sequential CD22 CAR, repeated reinfusions, other B-cell thresholds."""
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
def usual(policy: str, product: str | None, gates: tuple[tuple[str, float], ...]) -> tuple[bytes, ...]:
    base, attributes = world(product, gates)
    return live(base, policy, PATIENTS, attributes=attributes).bytes()


def moves(key: str) -> bool:
    """Tell whether another value of the line changes any life or journal."""
    product = key.split(".")[2] if key.startswith("product.") else PRODUCTS.get(key)
    gates = tuple(gate(key).items())
    base, attributes = world(product, gates)
    for value in other_values(LINES[key]):
        other = base.with_value(key, value)
        for policy in TRIED:
            values = kernel_values(other, policy)
            lived = live(other, policy, PATIENTS, values=values, attributes=attributes)
            if lived.bytes() != usual(policy, product, gates):
                return True
    return False


GROUPS = sorted({key.rsplit(".", 1)[0] for key in LINES if not key.startswith("cohort.")})


@pytest.mark.parametrize("group", GROUPS)
def test_every_parameter_moves_some_life(group):
    keys = [key for key in LINES if key.rsplit(".", 1)[0] == group]
    still = {key for key in keys if not moves(key)}
    assert still == {key for key in keys if key in EXCEPTIONS}


def test_gates_and_exceptions_name_lines():
    for start in [*GATES, *PRODUCTS, *EXCEPTIONS]:
        assert any(key.startswith(start) for key in LINES), start
