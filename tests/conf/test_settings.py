"""Settings: what composes, what they promise once they are checked."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from sim.compose import settings_from
from sim.conf import groups, options
from sim.evidence import unknown_sources
from sim.experiments import EXPERIMENTS, runner
from sim.problems import Problem
from sim.settings import Settings, load


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment_composes_and_has_a_runner(name: str) -> None:
    settings = settings_from([f"experiment={name}"])
    assert settings.experiment in EXPERIMENTS
    assert callable(runner(settings.experiment))


@pytest.mark.parametrize("cohort", options("cohort"))
def test_every_cohort_composes(cohort: str) -> None:
    assert settings_from([f"cohort={cohort}", "policy=watch"]).cohort.n > 0


@pytest.mark.parametrize("product", options("product"))
def test_every_product_composes(product: str) -> None:
    forced = settings_from([f"product={product}", "hospital=small_centre", "policy=watch"]).product.forced
    assert forced == (None if product == "cohort" else product)


def test_every_group_of_conf_is_in_the_table_of_contents(settings: Settings) -> None:
    for group in groups():
        if group != "experiment":
            node: Any = settings
            for part in group.split("/"):
                node = getattr(node, part)


def test_defaults_are_the_settled_ones(settings: Settings) -> None:
    assert (settings.engine, settings.origin, settings.seed) == ("simpy", "infusion", 1)
    assert (settings.horizon_years, settings.product.forced, settings.hospital.finite) == (None, None, False)
    assert settings.cohort.n == 2000
    assert list(settings.policy) == [
        *("watch", "hct_for_all", "selective", "selective_plus", "reinfusion", "maintenance", "hybrid"),
        *("ngs_guided", "trial_practice"),
    ]
    assert settings.reference_policy == "watch"


@pytest.mark.parametrize(
    ("policy", "listed", "reference"),
    [
        ("watch", ["watch"], "watch"),
        ("[hybrid,watch]", ["hybrid", "watch"], "watch"),
        ("[selective,hybrid]", ["selective", "hybrid"], "selective"),
    ],
)
def test_policies_are_chosen_by_name(policy: str, listed: list[str], reference: str) -> None:
    settings = settings_from([f"policy={policy}"])
    assert list(settings.policy) == listed
    assert settings.reference_policy == reference


def test_no_car_joins_from_referral() -> None:
    assert not settings_from(["policy=[watch,no_car]", "origin=referral"]).policy["no_car"].car


def test_every_line_cites_known_sources(settings: Settings) -> None:
    unknown = {key: names for key, line in settings.lines() if (names := unknown_sources(line.source))}
    assert not unknown


def test_leaf_names_of_biology_and_clinic_are_unique(settings: Settings) -> None:
    leaves = [key.rpartition(".")[2] for key, _ in settings.lines() if key.startswith(("biology.", "clinic."))]
    assert len(leaves) == len(set(leaves)) > 100


def test_settings_are_frozen_and_pickle(settings: Settings) -> None:
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 2  # type: ignore[misc]


def test_written_settings_read_back(settings: Settings) -> None:
    assert load(yaml.safe_load(settings.as_yaml())) == settings


def test_canonical_text_ignores_what_changes_no_life(data: dict[str, Any], settings: Settings) -> None:
    other = copy.deepcopy(data)
    other.update(out="elsewhere", threads=3, quiet=True, policy=dict(reversed(data["policy"].items())))
    other["cohort"]["n"] = 7
    assert load(other).canonical() == settings.canonical()


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"origin": "remission"}, {"horizon_years": 5.0}, {"reference": "hybrid"}]
)
def test_canonical_text_tells_runs_apart(data: dict[str, Any], settings: Settings, change: dict[str, Any]) -> None:
    assert load(data | change).canonical() != settings.canonical()


def test_value_is_moved_in_a_copy(settings: Settings) -> None:
    moved = settings.with_value("clinic.transplant.trm.value", 0.5)
    assert moved.clinic.transplant.trm.value == 0.5
    assert settings.clinic.transplant.trm.value != 0.5
    changed = {key for (key, a), (_, b) in zip(settings.lines(), moved.lines(), strict=True) if a != b}
    assert changed == {"clinic.transplant.trm"}
    assert settings.with_value("product.catalogue.tisa_cel.wait", 1.1).product.catalogue["tisa_cel"].wait.value == 1.1


def test_every_line_can_be_moved_to_its_ends(settings: Settings) -> None:
    for key, line in settings.lines():
        for end in (line.low, line.high):
            assert dict(settings.with_value(key, end).lines())[key].value == end


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("clinic.transplant.trn", 0.1, "no such parameter line, did you mean 'clinic.transplant.trm'"),
        ("clinic.transplant", 0.1, "no such parameter line"),
        ("seed", 3, "no such parameter line"),
        ("clinic.transplant.trm", 1.5, "clinic.transplant.trm: 1.5 must be at most 1"),
    ],
)
def test_value_that_cannot_be_moved_is_refused(settings: Settings, key: str, value: float, message: str) -> None:
    with pytest.raises(Problem, match=message):
        settings.with_value(key, value)


def test_policy_sets_its_own_care_alone() -> None:
    key = "clinic.supportive.early_tocilizumab"
    settings = settings_from([f"policy.selective.set.{key}=1"])
    before = settings.clinic.supportive.early_tocilizumab.value
    assert settings.for_policy("watch") == settings
    assert settings.for_policy("selective").clinic.supportive.early_tocilizumab.value == 1.0
    assert settings.clinic.supportive.early_tocilizumab.value == before
    with pytest.raises(Problem, match="did you mean 'selective'"):
        settings.for_policy("selectve")


def test_user_policy_may_leave_out_what_all_share(data: dict[str, Any]) -> None:
    data["policy"]["mine"] = {"label": "mine", "source": "-", "status": "assumed", "rules": []}
    settings = load(data)
    assert settings.policy["mine"].visits_months == settings.follow_up.visits_months


def test_change_of_follow_up_reaches_all_policies_but_those_with_their_own() -> None:
    settings = settings_from(["follow_up.ngs_counts=false", "policy.hybrid.ngs_counts=true"])
    counting = [name for name, policy in settings.policy.items() if policy.ngs_counts]
    assert counting == ["hybrid", "ngs_guided"]


def test_yaml_switches_are_read_as_words(data: dict[str, Any]) -> None:
    assert load(data | {"journal": True}).journal == "on"
    assert load(data | {"journal": False}).journal == "off"
    assert load(data | {"out": 2026}).out == "2026"
