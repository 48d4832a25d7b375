"""Every named option of a policy, and every field policies share, changes somebody's journal."""

from __future__ import annotations

from typing import Any

import pytest
from support import POLICIES, live, settings_of, with_policy

PATIENTS = 4096

#: Option -> another value than the shipped one.
OTHERS: dict[str, Any] = {
    "target_day": 90,
    "latest_months": 2.5,
    "second_hct_months": 24,
    "cd28_target_day": 90,
    "cd28_latest_months": 1.5,
    "confirm_days": 40,
    "ignore_hematogones": True,
    "retry": 0,
    "reinfuse_mrd": False,
    "tki": False,
    "mixed_chimerism": False,
    "until_months": 3,
    "burden_percent": 60,
    "consider_wish": False,
    "consider_burden": False,
    "consider_blinatumomab": False,
    "consider_refractory": False,
    "consider_cytogenetics": False,
    "bca_window_months": 3,
}
#: Options whose shipped value is the other one.
SHIPPED_OTHER = {("trial_practice", "retry"): 2}
#: What has to be switched for an option to matter.
GATES = {
    "second_hct_months": ["policy.{policy}.second_hct_in_remission=true"],
    "mixed_chimerism": ["cohort.instability.share.value=0.3", "cohort.instability.share.high=0.3"],
}

SHARED: dict[str, Any] = {
    "visits_months": (3.0, 6.0, 12.0),
    "assays": ("flow",),
    "ngs_counts": False,
    "ngs_repeat_days": 60.0,
    "bca_threshold": "abs50",
    "second_hct_in_remission": False,
    "second_hct_after_relapse": False,
}


def options() -> list[tuple[str, str]]:
    policies = settings_of().policy
    named = [(name, f"options.{option}") for name in POLICIES for option in policies[name].options]
    return named + [(name, "bca_window_months") for name in POLICIES if policies[name].bca_window_months is not None]


def differ(policy: str, gates: list[str], other: str) -> bool:
    """Tell whether an override changes any journal, where half of the patients get a CD28 product."""
    mixed = ["cohort.product.shares.brexu_cel=0.5", *gates]
    one, two = (live(settings_of(*mixed, *more), policy, PATIENTS) for more in ([], [other]))
    return one.rows.tobytes() != two.rows.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "option"), options())
def test_every_option_moves_some_journal(policy, option):
    name = option.removeprefix("options.")
    gates = [gate.format(policy=policy) for gate in GATES.get(name, [])]
    value = SHIPPED_OTHER.get((policy, name), OTHERS[name])
    assert differ(policy, gates, f"policy.{policy}.{option}={str(value).lower()}")


@pytest.mark.parametrize("field", SHARED)
def test_every_shared_field_moves_some_journal(field):
    settings = settings_of()
    policy = "trial_practice" if field == "second_hct_in_remission" else "ngs_guided"
    gated = with_policy(settings, policy, **({"ngs_counts": False} if field == "ngs_repeat_days" else {}))
    other = with_policy(gated, policy, **{field: SHARED[field]})
    one, two = live(gated, policy, PATIENTS), live(other, policy, PATIENTS)
    assert one.rows.tobytes() != two.rows.tobytes()
