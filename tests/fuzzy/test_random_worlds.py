"""Random parameters within low..high, random cohorts and random policies: every law holds, both engines agree."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given
from hypothesis import settings as example_settings
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
def cohort_values(draw: st.DrawFn, cohort: str) -> dict[str, float]:
    lines = {key: line for key, line in settings_of(f"cohort={cohort}").lines() if key.startswith("cohort.")}
    keys = draw(st.lists(st.sampled_from(sorted(lines)), unique=True, max_size=4))
    return {key: lines[key].low + draw(st.floats(0, 1)) * (lines[key].high - lines[key].low) for key in keys}


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


#: Attributes that may be forced upon everybody, to meet what is rare.
FORCED = {
    "age": [0.5, 4.0, 26.0],
    "burden": [-6.5, -1.3, 0.0],
    "instability": [1],
    "tp53": [2],
    "kmt2ar": [1],
    "ph": [1],
    "donor": [0, 1, 2, 3],
    "fit": [0, 1],
    "site": [1, 2, 3, 4],
    "blinatumomab": [2],
    "inotuzumab": [1],
    "comorbidity": [1],
    "neuro_history": [1],
    "distance": [1],
    "dose": [0.01, 10.0],
    "flu_auc": [1.0, 60.0],
    "prior_hct": [1],
}


@st.composite
def forced(draw: st.DrawFn) -> dict[str, float]:
    names = draw(st.lists(st.sampled_from(sorted(FORCED)), unique=True, max_size=4))
    return {name: draw(st.sampled_from(FORCED[name])) for name in names}


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
            "agreed": st.booleans(),
        }
    )


def random_policy() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "assays": st.lists(st.sampled_from(["flow", "qpcr", "ngs"]), unique=True).map(tuple),
            "ngs_counts": st.booleans(),
            "bca_threshold": st.sampled_from(["pct1", "pct3", "abs10", "abs50"]),
            "second_hct_in_remission": st.booleans(),
            "second_hct_after_relapse": st.booleans(),
            "rules": st.lists(rules(), max_size=6),
        }
    )


class Draft(NamedTuple):
    """A random world, small enough to print."""

    cohort: str
    seed: int
    product: str | None
    values: dict[str, float]
    policy: str | dict[str, Any]
    years: float | None
    forced: dict[str, float]

    def built(self) -> tuple[Settings, str]:
        base = settings_of(f"cohort={self.cohort}")
        products = base.product.model_copy(update={"forced": self.product})
        base = base.model_copy(update={"seed": self.seed, "product": products, "horizon_years": self.years})
        base = base.with_values(self.values)
        if isinstance(self.policy, str):
            return base, self.policy
        shared = {name: getattr(base.follow_up, name) for name in FollowUp.model_fields}
        named = {"label": "random", "source": "-", "status": "assumed"}
        policy = Policy.model_validate(shared | named | self.policy)
        return base.model_copy(update={"policy": {"random": policy}}), "random"


@st.composite
def worlds(draw: st.DrawFn) -> Draft:
    cohort = draw(st.sampled_from(COHORTS))
    return Draft(
        cohort=cohort,
        seed=draw(st.integers(0, 2**32 - 1)),
        product=draw(st.none() | st.sampled_from(list(settings_of().product.catalogue))),
        values=draw(cohort_values(cohort)) | draw(parameters()),
        policy=draw(random_policy() | st.sampled_from(POLICIES)),
        years=draw(st.none() | st.floats(0.01, 30.0)),
        forced=draw(forced()),
    )


def check(draft: Draft, patients: int) -> None:
    """Live on SimPy, watched; hold every life against the law; compare with the compiled engine."""
    settings, policy = draft.built()
    values = kernel_values(settings, policy)
    attributes = attributes_of(settings, 0, patients)
    for name, value in draft.forced.items():
        attributes[name] = value
    if "prior_hct" in draft.forced:
        attributes["months_hct_to_relapse"] = np.minimum(attributes["months_hct_to_relapse"], 5.0)
    watch = Watch()
    world = live(
        settings, policy, patients, engine="simpy", values=values, attributes=attributes, pathway=watch.pathway
    )
    assert not watch.complaints
    assert not [f"patient {p['number']}: {law}" for p, rows in world.charts() for law in broken_laws(p, rows, values)]
    for name in set(world.lives.dtype.names) - {"aplasia_months"}:
        assert not np.isnan(world.lives[name]).any(), name
    end = math.inf if settings.horizon_years is None else settings.horizon_years * 365.25
    assert ((world.lives["t_death"] < math.inf) | (world.lives["t"] == end)).all()
    assert world.bytes() == live(settings, policy, patients, values=values, attributes=attributes).bytes()
    event(f"policy {policy}")


@example_settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_laws_hold_in_random_worlds(draft):
    check(draft, PATIENTS)


@pytest.mark.slow
@example_settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_laws_hold_in_many_random_worlds(draft):
    check(draft, 2 * PATIENTS)
