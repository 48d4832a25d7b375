"""Policies: YAML rules compile to what they say."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sim.clinic.vocabulary import ACTIONS, FEATURES, MEANINGS, POINTS
from sim.compose import settings_from
from sim.conf import options
from sim.evidence import unknown_sources
from sim.policies import MAX_CONDITIONS, MAX_RULES, Policy, compile_condition, compile_rules
from sim.problems import Problem
from sim.settings import Settings

PRODUCTS = ("tisa_cel", "brexu_cel")
PLAIN: dict[str, Any] = {
    "label": "test",
    "source": "-",
    "status": "assumed",
    "visits_months": [2, 3],
    "assays": ["flow"],
    "ngs_counts": True,
    "ngs_repeat_days": 28,
    "bca_threshold": "pct3",
    "second_hct_in_remission": False,
    "second_hct_after_relapse": True,
}


def policy(*rules: dict[str, Any], **fields: Any) -> Policy:
    return Policy.model_validate(PLAIN | {"rules": list(rules)} | fields)


def holds(condition: Any, value: float) -> bool:
    """What the kernel does with a compiled condition."""
    if condition.mask >= 0:
        return bool(condition.mask >> int(value) & 1)
    return bool(condition.low <= value <= condition.high)


@pytest.fixture(scope="module")
def all_policies() -> Settings:
    return settings_from([f"policy=[{','.join(options('policy'))}]", "origin=referral"])


def test_all_are_shipped() -> None:
    assert set(options("policy")) == {
        *("watch", "hct_for_all", "selective", "selective_plus", "reinfusion", "maintenance", "hybrid"),
        *("ngs_guided", "trial_practice", "no_car", "hct_trial"),
    }


@pytest.mark.parametrize("name", options("policy"))
def test_every_shipped_policy_compiles_and_cites_known_sources(all_policies: Settings, name: str) -> None:
    shipped = all_policies.policy[name]
    arrays = compile_rules(shipped, list(all_policies.product.catalogue))
    assert arrays["rule_point_start"][-1] == len(shipped.active) <= MAX_RULES
    for source in (shipped.source, *(rule.source for rule in shipped.rules)):
        assert unknown_sources(source) == []
    assert shipped.description
    assert (name in ("no_car", "hct_trial")) == (not shipped.car)
    assert (name == "hct_trial") == shipped.begins_with_hct


@pytest.mark.parametrize("name", options("policy"))
def test_every_choice_the_sources_leave_open_is_listed(all_policies: Settings, name: str) -> None:
    assumed = set(all_policies.policy[name].assumed)
    assert {"visits_months", "ngs_counts", "bca_threshold", "second_hct_in_remission"} <= assumed


def test_selective_is_the_recommended_rule(all_policies: Settings) -> None:
    """RULE04: never transplanted, eligible, and CD28 or loss of aplasia within 6 months or MRD."""
    selective = all_policies.policy["selective"]
    transplants = [rule for rule in selective.active if rule.then == "hct"]
    assert {rule.at for rule in transplants} == {"remission", "visit", "mrd_positive", "bca_lost"}
    assert all(rule.when["prior_hct"] is False and rule.when["eligible"] is True for rule in transplants)
    (lost,) = (rule for rule in transplants if rule.at == "bca_lost")
    assert lost.when["months_since_infusion"] == {"max": selective.bca_window_months} == {"max": 6}


def test_second_transplant_needs_the_switch() -> None:
    def twice(settings: Settings) -> list[str]:
        rules = [(name, rule) for name, p in settings.policy.items() for rule in p.active]
        return sorted(name for name, rule in rules if rule.when.get("prior_hct") is True)

    assert twice(settings_from([])) == []
    assert "selective" in twice(settings_from(["policy.selective.second_hct_in_remission=true"]))
    assert len(set(twice(settings_from(["follow_up.second_hct_in_remission=true"])))) == 5


def test_options_and_windows_reach_the_rules() -> None:
    settings = settings_from(
        ["policy.selective_plus.options.burden_percent=25", "policy.selective.bca_window_months=9"]
    )
    burdens = [rule.when["burden"] for rule in settings.policy["selective_plus"].active if "burden" in rule.when]
    windows = [
        rule.when["months_since_infusion"] for rule in settings.policy["selective"].active if rule.at == "bca_lost"
    ]
    assert burdens == [{"min": 25}]
    assert windows == [{"max": 9}]


def test_rules_are_grouped_by_point_in_the_order_given() -> None:
    arrays = compile_rules(
        policy(
            {"at": "visit", "then": "hct", "after_days": 3},
            {"at": "remission", "then": "maintain", "when": {"age": {"max": 3}, "ph": True}, "target_day": 42},
            {"at": "remission", "then": "watch", "use": False},
            {"at": "remission", "then": "tki", "retry": 2, "confirm_days": 14, "timing": "practice"},
        ),
        PRODUCTS,
    )
    start = arrays["rule_point_start"]
    assert [int(stop - begin) for begin, stop in itertools.pairwise(start)] == [2, 0, 0, 0, 0, 1, 0]
    assert [ACTIONS[code] for code in arrays["rule_action"][:3]] == ["maintain", "tki", "hct"]
    assert arrays["rule_condition_start"][:4].tolist() == [0, 2, 2, 2]
    assert arrays["rule_target"][0] == 42.0
    assert math.isnan(arrays["rule_target"][1])
    assert (arrays["rule_retry"][1], arrays["rule_confirm"][1], arrays["rule_timing"][1]) == (2, 14.0, 1)
    assert arrays["rule_after"][2] == 3.0


def test_array_types_are_the_kernels() -> None:
    arrays = compile_rules(policy({"at": "visit", "then": "hct"}), PRODUCTS)
    floats = {"rule_after", "rule_target", "rule_confirm", "condition_low", "condition_high"}
    for name, array in arrays.items():
        assert array.dtype == (np.float64 if name in floats else np.int64), name
    assert len(arrays["rule_point_start"]) == len(POINTS) + 1
    assert len(arrays["rule_condition_start"]) == MAX_RULES + 1
    assert len(arrays["condition_mask"]) == MAX_CONDITIONS


@given(low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6), value=st.floats(-1e6, 1e6))
def test_ranges_are_inclusive(low: float, high: float, value: float) -> None:
    if low > high:
        with pytest.raises(ValueError, match="must not exceed"):
            compile_condition("age", {"min": low, "max": high}, PRODUCTS)
        return
    assert holds(compile_condition("age", {"min": low, "max": high}, PRODUCTS), value) == (low <= value <= high)
    assert holds(compile_condition("age", {"min": low}, PRODUCTS), value) == (value >= low)
    assert holds(compile_condition("age", {"max": high}, PRODUCTS), value) == (value <= high)
    assert holds(compile_condition("age", value, PRODUCTS), value)


@given(wanted=st.lists(st.sampled_from(FEATURES["donor"]), min_size=1), has=st.sampled_from(FEATURES["donor"]))
def test_lists_mean_any_of_them(wanted: list[str], has: str) -> None:
    condition = compile_condition("donor", wanted, PRODUCTS)
    assert holds(condition, FEATURES["donor"].index(has)) == (has in wanted)


@pytest.mark.parametrize("flag", [True, False])
def test_flags_match_themselves_only(flag: bool) -> None:
    condition = compile_condition("eligible", flag, PRODUCTS)
    assert holds(condition, float(flag))
    assert not holds(condition, float(not flag))


def test_product_codes_follow_the_catalogue() -> None:
    assert compile_condition("product", "brexu_cel", PRODUCTS).mask == 0b10


def test_every_feature_is_explained() -> None:
    assert set(MEANINGS) == set(FEATURES)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"at": "remision", "then": "hct"}, "unknown decision point 'remision': did you mean 'remission'"),
        ({"at": "visit", "then": "transplant"}, "unknown action 'transplant': one of: watch, hct"),
        ({"at": "visit", "then": "reinfus"}, "unknown action 'reinfus': did you mean 'reinfuse'"),
        ({"at": "visit", "then": "hct", "when": {"costm": "cd28"}}, "unknown feature 'costm': did you mean 'costim'"),
        ({"at": "visit", "then": "hct", "when": {"costim": "cd29"}}, "unknown name 'cd29': did you mean 'cd28'"),
        ({"at": "visit", "then": "hct", "when": {"donor": []}}, "empty list matches nobody"),
        ({"at": "visit", "then": "hct", "when": {"donor": True}}, "unknown name True"),
        ({"at": "visit", "then": "hct", "when": {"eligible": "yes"}}, "must be true or false"),
        ({"at": "visit", "then": "hct", "when": {"age": [1, 2]}}, "must be a number or"),
        ({"at": "visit", "then": "hct", "when": {"age": {"mn": 3}}}, "unknown key 'mn'"),
        ({"at": "visit", "then": "hct", "when": {"age": {"min": "old"}}}, "must be a number"),
        ({"at": "visit", "then": "hct", "when": {"age": {}}}, "must be a number or"),
        ({"at": "visit", "then": "hct", "after_days": -1}, "greater than or equal to 0"),
        ({"at": "visit", "then": "hct", "retry": 1.5}, "valid integer"),
        ({"at": "visit", "then": "hct", "timing": "soon"}, "'normal' or 'practice'"),
        ({"at": "visit", "then": "hct", "whn": {}}, "Extra inputs"),
    ],
)
def test_misspelt_rule_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        policy(rule)


def test_too_many_rules_are_refused() -> None:
    with pytest.raises(Problem, match=f"has {MAX_RULES + 1} rules: at most {MAX_RULES}"):
        compile_rules(policy(*[{"at": "visit", "then": "hct"}] * (MAX_RULES + 1)), PRODUCTS)


def test_too_many_conditions_are_refused() -> None:
    crowded = {"at": "visit", "then": "hct", "when": {name: True for name, kind in FEATURES.items() if kind == "flag"}}
    with pytest.raises(Problem, match=f"conditions: at most {MAX_CONDITIONS}"):
        compile_rules(policy(*[crowded] * MAX_RULES), PRODUCTS)


def test_unknown_product_names_the_nearest() -> None:
    with pytest.raises(Problem, match="did you mean 'tisa_cel'"):
        compile_rules(policy({"at": "visit", "then": "hct", "when": {"product": "tisacel"}}), PRODUCTS)


def test_assumed_fields_must_exist() -> None:
    with pytest.raises(ValidationError, match="unknown field 'ngs_count', did you mean 'ngs_counts'"):
        policy(assumed=["ngs_count"])


def test_own_care_may_be_written_nested_or_dotted() -> None:
    nested = policy(set={"clinic": {"supportive": {"early_tocilizumab": {"value": 1}}}})
    dotted = policy(set={"clinic.supportive.early_tocilizumab": 1})
    assert nested.set == dotted.set == {"clinic.supportive.early_tocilizumab": 1.0}
