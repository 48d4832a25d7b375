"""Worlds pushed to an end where the answer is known: no transplant effect, certain death, no death, no trigger."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support import NEVER, World, attributes_of, live, settings_of, with_policy

from sim import journal as j
from sim.clinic.events import BACKGROUND_DEATH
from sim.draws import exponential
from sim.evidence import cumulative_hazards
from sim.lifetable import AGES, age_at_hazard, cumulative_hazard
from sim.settings import Settings

PATIENTS = 2000
RATIOS = ("untreated", "no_hct", "hct_first", "hct_second", "hct_third", "hct_last")


def ratio(value: float) -> dict[str, float]:
    """One mortality ratio for everybody at all times."""
    return {f"biology.mortality.smr_{name}": value for name in RATIOS}


#: Nobody relapses, nobody is lost, and nobody dies of treatment.
NO_DISEASE = {
    "biology.leukaemia.response": 500.0,
    "biology.leukaemia.extinction": -1.9,  # above what any responder is left with
    "biology.escape.negative_share": -30.0,
    "biology.escape.negative_nonresponse": 0.0,
    "biology.escape.lineage_switch": 0.0,
    "biology.escape.lineage_switch_others": 0.0,
    "biology.escape.cns_relapse": 0.0,
    "biology.escape.isolated_cns_relapse": 0.0,
    "biology.escape.extramedullary_relapse": 0.0,
    "clinic.manufacturing.never_referred": 0.0,
    "clinic.manufacturing.waiting_loss": 0.0,
    "clinic.manufacturing.manufacture_failure": 0.0,
    "clinic.toxicity.crs_death": 0.0,
    "clinic.toxicity.icans_death": 0.0,
    "clinic.toxicity.hs_death": 0.0,
    "clinic.immunity.infection_death": 0.0,
    "clinic.transplant.trm": 0.0,
    "clinic.transplant.trm_second": 0.0,
    "clinic.salvage.salvage_death": 0.0,
}

#: A transplant without effect, harm or mark. CAR T cells that only hold a clone at its free growth make no difference
#: when a transplant ends them.
NO_EFFECT = {
    "biology.leukaemia.weak_share": 1.0,
    "biology.leukaemia.weak_growth": 1.0,
    "clinic.transplant.kill_tbi": 0.0,
    "clinic.transplant.kill_chemotherapy": 0.0,
    "clinic.transplant.kill_reduced": 0.0,
    "clinic.transplant.kill_sd": 0.0,
    "clinic.transplant.cytoreduction": 0.0,
    "clinic.transplant.graft_effect": 0.0,
    "clinic.transplant.sanctuary_tbi": 0.0,
    "clinic.transplant.sanctuary_chemotherapy": 0.0,
    "clinic.transplant.trm": 0.0,
    "clinic.transplant.trm_second": 0.0,
    "clinic.immunity.infection_death": 0.0,
    "clinic.salvage.residual_hold": 0.0,
    "clinic.salvage.response_after_hct": 0.0,
    "clinic.late.late_effect_hct": 0.02,
    "clinic.late.second_cancer_hct": 0.0015,
    **ratio(2.0),
}


@pytest.mark.parametrize("policy", ["hct_for_all", "selective_plus", "trial_practice"])
def test_a_transplant_without_effect_or_harm_changes_no_outcome(policy):
    settings = settings_of("cohort=eliana").with_values(NO_EFFECT)
    one, two = live(settings, "watch", PATIENTS).lives, live(settings, policy, PATIENTS).lives
    assert (two["t_hct"] < NEVER).sum() > 0.05 * PATIENTS
    for field in ("t_infusion", "cr", "crs_grade", "icans_grade", "t_nonresponse"):
        assert one[field].tobytes() == two[field].tobytes(), field
    for field in ("t_relapse", "t_death", "late_since"):  # a transplant cuts the line of a clone in two: last digits
        assert np.allclose(one[field], two[field], rtol=0.0, atol=1e-6), field
    for field in ("relapse_type", "relapse_site", "cause", "salvage_line", "second_cancer"):
        assert (one[field] == two[field]).all(), field


def test_certain_transplant_mortality_kills_whoever_is_transplanted():
    settings = settings_of().with_values({"clinic.transplant.trm": 1.0, "clinic.transplant.trm_second": 1.0})
    last = settings.clinic.transplant.trm_to.kernel
    world = live(settings, "hct_for_all", PATIENTS)
    of_it = done = 0
    for life, rows in world.charts():
        relapsed = (rows["event"] == j.RELAPSE) & (rows["start"] >= life["last_hct"])
        if life["hcts"] > 0 and not relapsed.any():
            assert life["t_death"] <= life["last_hct"] + last
            done += 1
            of_it += life["cause"] == 4
    assert done > 0.2 * PATIENTS
    assert of_it > 0.98 * done  # background mortality competes


def test_instant_transplant_mortality_leaves_no_time_for_anything_else():
    values = {"trm": 1.0, "trm_second": 1.0, "trm_from": 0.0, "trm_to": 1e-6}
    settings = settings_of().with_values({f"clinic.transplant.{name}": value for name, value in values.items()})
    world = live(settings, "hct_for_all", PATIENTS)
    done = world.lives["hcts"] > 0
    assert done.sum() > 0.2 * PATIENTS
    assert (world.lives["cause"][done] == 4).all()
    assert not np.isin(world.rows["event"], (j.ACUTE_GVHD, j.CHRONIC_GVHD)).any()
    for life, rows in world.select(np.flatnonzero(done)).charts():
        after = rows[rows["start"] > life["last_hct"]]
        assert set(after["event"]) <= {j.DEATH}


def same_follow_up(settings: Settings, **changes: Any) -> Settings:
    for name in settings.policy:
        settings = with_policy(settings, name, **changes)
    return settings


def assert_same_lives(one: World, two: World) -> None:
    for world in (one, two):
        world.lives["pending_rule"] = -1
    assert one.bytes() == two.bytes()


def test_selective_whose_triggers_never_fire_is_watch():
    settings = same_follow_up(settings_of("product=tisa_cel"), assays=())
    settings = with_policy(settings, "selective", bca_window_months=0.01)
    quiet = with_policy(settings, "selective", rules=[_within(rule, 0.01) for rule in _rules(settings, "selective")])
    assert_same_lives(live(quiet, "watch", PATIENTS), live(quiet, "selective", PATIENTS))


def test_selective_whose_triggers_always_fire_is_hct_for_all():
    settings = settings_of()
    everybody = {"costim": ["41bb", "cd28"]}
    hct = _rules(settings, "hct_for_all")
    rules = [rule | {"when": everybody | rule["when"]} for rule in hct if rule["use"]]
    quiet = [rule for rule in _rules(settings, "selective") if rule["at"] not in ("remission", "visit", "mrd_positive")]
    always = with_policy(settings, "selective", rules=rules + [_within(rule, 0.01) for rule in quiet])
    assert_same_lives(live(settings, "hct_for_all", PATIENTS), live(always, "selective", PATIENTS))


def _rules(settings: Settings, policy: str) -> list[dict[str, Any]]:
    return list(settings.policy[policy].model_dump()["rules"])


def _within(rule: dict[str, Any], months: float) -> dict[str, Any]:
    return rule | {"when": rule["when"] | {"months_since_infusion": {"max": months}}}


def test_everybody_lives_to_the_horizon_where_nothing_kills():
    settings = settings_of("horizon_years=80").with_values(NO_DISEASE | ratio(0.0))
    for policy in ("watch", "hybrid", "hct_for_all"):
        lives = live(settings, policy, 500).lives
        assert (lives["t"] == 80 * 365.25).all()
        assert (lives["cause"] == 0).all()
        assert (lives["t_relapse"] == NEVER).all()


@pytest.mark.parametrize("times", [0.5, 1.0, 9.05])
def test_without_disease_life_ends_by_the_life_table_alone(times):
    settings = settings_of().with_values(NO_DISEASE | ratio(times))
    lives = live(settings, "hct_for_all", 500).lives
    assert (lives["cause"] == 5).all()
    table = cumulative_hazards(settings.life_table.country, settings.life_table.year).ravel()
    for life in lives:
        offset = int(life["female"]) * (AGES + 1)
        budget = exponential(settings.seed, int(life["number"]), BACKGROUND_DEATH, 0)
        hazard = cumulative_hazard(table, offset, float(life["age"])) + budget / times
        assert math.isclose(
            life["t_death"], (age_at_hazard(table, offset, hazard) - life["age"]) * 365.25, abs_tol=1e-5
        )


def test_life_shortens_as_background_mortality_rises():
    base = settings_of().with_values(NO_DISEASE)
    years = [live(base.with_values(ratio(times)), "watch", 500).lives["t_death"] for times in (1.0, 2.0, 9.05, 50.0)]
    assert all((fewer <= more).all() for more, fewer in pairwise(years))


def test_life_left_shortens_with_age():
    settings = settings_of().with_values(NO_DISEASE | ratio(1.0))
    attributes = attributes_of(settings, 0, 500)
    left = []
    for years in (0.0, 5.0, 20.0, 60.0):
        older = attributes.copy()
        older["age"] += years
        left.append(live(settings, "watch", 500, attributes=older).lives["t_death"])
    assert all((later < sooner).mean() > 0.99 for sooner, later in pairwise(left))
    assert all(later.mean() < sooner.mean() for sooner, later in pairwise(left))


def test_overwhelming_background_mortality_leaves_nothing_to_happen():
    world = live(settings_of().with_values(ratio(1e12)), "hybrid", 300)
    assert (world.lives["cause"] == 5).all()
    assert (world.lives["t_death"] < 1.0).all()
    assert set(world.rows["event"]) <= {j.REFERRAL, j.WAITING, j.RELAPSED, j.SALVAGE, j.NOT_INFUSED, j.DEATH}


@pytest.mark.parametrize("pool", ["apheresis", "manufacturing", "ward"])
def test_a_hospital_without_places_infuses_nobody(pool):
    world = live(settings_of(), "watch", 100, engine="simpy", capacities={pool: 0})
    assert (world.lives["t_infusion"] == NEVER).all()
    assert (world.lives["t_death"] < NEVER).all()
    roomy = live(settings_of(), "no_car", 100, engine="simpy", capacities={pool: 0})
    assert roomy.bytes() == live(settings_of(), "no_car", 100).bytes()


def test_a_hospital_without_transplant_rooms_transplants_nobody():
    world = live(settings_of(), "hct_for_all", 200, engine="simpy", capacities={"hct": 0})
    assert (world.lives["hcts"] == 0).all()
    free = live(settings_of(), "hct_for_all", 200)
    without = free.lives["hcts"] == 0
    assert (free.lives["t_infusion"] == world.lives["t_infusion"]).all()
    assert (free.lives["t_death"] == world.lives["t_death"])[without].all()


@pytest.mark.parametrize("weight", [3.0, 150.0])
@pytest.mark.parametrize("age", [0.0, 1.0, 25.0, 99.0])
def test_extreme_patients_live_finite_lives(age, weight):
    settings = settings_of()
    attributes = attributes_of(settings, 0, 100)
    attributes["age"], attributes["weight"] = age, weight
    for policy in ("hybrid", "hct_for_all", "no_car"):
        lives = live(settings, policy, 100, attributes=attributes).lives
        assert np.isfinite(lives["t_death"]).all()
        assert (lives["t_death"] >= 0.0).all()


def test_nobody_is_a_cohort_too():
    settings = settings_of()
    for engine in ("simpy", "batch"):
        world = live(settings, "watch", 0, engine=engine)
        assert (len(world.lives), len(world.rows), world.first_row.tolist()) == (0, 0, [0])
