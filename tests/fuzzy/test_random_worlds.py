"""Random parameters within low..high, random cohorts and random policies: every law holds, both engines agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lawbook import Watch, broken_laws
from support import COHORTS, POLICIES, attributes_of, live, settings_of

from sim.clinic.vocabulary import ACTIONS, FEATURES, POINTS
from sim.experiments.inputs import kernel_values
from sim.lines import Count, Line, Probability, Switch
from sim.policies import FollowUp, Policy
from sim.settings import Settings

PATIENTS = 20
LINES = {key: line for key, line in settings_of().lines() if key.startswith(("biology.", "clinic.", "product."))}


def within(line: Line, share: float) -> float:
    """A value between low and high; a probability may also be 0 or 1."""
    if isinstance(line, Probability) and share in (0.0, 1.0):
        return share
    value = line.low + share * (line.high - line.low)
    return float(round(value)) if isinstance(line, Count | Switch) else min(max(value, line.low), line.high)


def shares() -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, float]:
    keys = draw(st.lists(st.sampled_from(sorted(LINES)), unique=True, max_size=60))
    return {key: within(LINES[key], draw(shares())) for key in keys}


@st.composite
def cohorts(draw: st.DrawFn) -> Settings:
    base = settings_of(f"cohort={draw(st.sampled_from(COHORTS))}")
    product = draw(st.none() | st.sampled_from(list(base.product.catalogue)))
    base = base.model_copy(
        update={
            "seed": draw(st.integers(0, 2**32 - 1)),
            "product": base.product.model_copy(update={"forced": product}),
        }
    )
    lines = {key: line for key, line in base.lines() if key.startswith("cohort.")}
    keys = draw(st.lists(st.sampled_from(sorted(lines)), unique=True, max_size=4))
    values = {key: lines[key].low + draw(st.floats(0, 1)) * (lines[key].high - lines[key].low) for key in keys}
    return base.with_values(values)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from([name for name in FEATURES if name != "product"]), unique=True, max_size=2))
    return {name: draw(condition(FEATURES[name])) for name in names}


def condition(kind: Any) -> st.SearchStrategy[Any]:
    if kind == "flag":
        return st.booleans()
    if kind == "number":
        return st.builds(lambda low, width: {"min": low, "max": low + width}, st.floats(0, 20), st.floats(0, 100))
    return st.lists(st.sampled_from(kind), min_size=1, unique=True)


def rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "at": st.sampled_from(POINTS),
            "when": conditions(),
            "then": st.sampled_from(ACTIONS),
            "after_days": st.sampled_from([0.0, 10.0, 100.0]),
            "target_day": st.none() | st.sampled_from([42.0, 60.0]),
            "confirm_days": st.sampled_from([0.0, 0.0, 14.0]),
            "retry": st.integers(0, 2),
            "timing": st.sampled_from(["normal", "practice"]),
        }
    )


@st.composite
def policies(draw: st.DrawFn, base: Settings) -> Policy:
    shared = {name: getattr(base.follow_up, name) for name in FollowUp.model_fields}
    own = {
        "assays": tuple(draw(st.lists(st.sampled_from(["flow", "qpcr", "ngs"]), unique=True))),
        "ngs_counts": draw(st.booleans()),
        "bca_threshold": draw(st.sampled_from(["pct1", "pct3", "abs10", "abs50"])),
        "second_hct_in_remission": draw(st.booleans()),
        "second_hct_after_relapse": draw(st.booleans()),
        "rules": draw(st.lists(rules(), max_size=6)),
    }
    return Policy.model_validate({**shared, "label": "random", "source": "-", "status": "assumed", **own})


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Settings, str]:
    base = draw(cohorts()).with_values(draw(parameters()))
    name = draw(st.sampled_from(["random", *POLICIES]))
    if name == "random":
        base = base.model_copy(update={"policy": {**base.policy, "random": draw(policies(base))}})
    years = draw(st.none() | st.floats(0.01, 30.0))
    return base.model_copy(update={"horizon_years": years}), name


def check(base: Settings, policy: str, patients: int) -> None:
    """Live on SimPy, watched; compare with the compiled engine; hold every life against the law."""
    values = kernel_values(base, policy)
    attributes = attributes_of(base, 0, patients)
    watch = Watch()
    world = live(base, policy, patients, engine="simpy", values=values, attributes=attributes, pathway=watch.pathway)
    assert not watch.complaints
    broken = [f"patient {life['number']}: {law}" for life, rows in world.charts() for law in broken_laws(life, rows, values)]
    assert not broken
    for name in world.lives.dtype.names:
        if name != "aplasia_months":
            assert not np.isnan(world.lives[name].astype(float)).any(), name
    end = math.inf if base.horizon_years is None else base.horizon_years * 365.25
    assert ((world.lives["t_death"] < math.inf) | (world.lives["t"] == end)).all()
    assert world.bytes() == live(base, policy, patients, values=values, attributes=attributes).bytes()
    event(f"policy {policy}")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_laws_hold_in_random_worlds(world):
    check(*world, PATIENTS)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_laws_hold_in_many_random_worlds(world):
    check(*world, 2 * PATIENTS)
