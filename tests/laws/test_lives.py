"""The laws hold for every life under every policy, and the lawbook notices when one is broken."""

from __future__ import annotations

import numpy as np
import pytest
from lawbook import Watch, broken_laws
from support import COHORTS, NEVER, POLICIES, World, live, settings_of

from sim import journal as j
from sim.clinic.policy import MAINTAIN, REINFUSE, TKI, TRANSPLANT
from sim.experiments.inputs import kernel_values

PATIENTS = 400


def lived(cohort: str, policy: str, patients: int = PATIENTS, **options) -> tuple[World, dict]:
    settings = settings_of(f"cohort={cohort}")
    values = kernel_values(settings, policy)
    return live(settings, policy, patients, values=values, **options), values


def all_broken(world: World, values: dict) -> list[str]:
    return [
        f"patient {life['number']}: {law}" for life, rows in world.charts() for law in broken_laws(life, rows, values)
    ]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cohort", COHORTS)
def test_every_life_keeps_the_law(cohort, policy):
    assert not all_broken(*lived(cohort, policy))


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cohort", COHORTS)
def test_many_lives_keep_the_law(cohort, policy):
    assert not all_broken(*lived(cohort, policy, 10_000))


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cohort", COHORTS)
def test_every_step_keeps_the_law(cohort, policy):
    watch = Watch()
    lived(cohort, policy, 500, engine="simpy", pathway=watch.pathway)
    assert not watch.complaints


@pytest.mark.parametrize("policy", ["watch", "hct_for_all", "hybrid", "no_car"])
def test_lives_in_a_small_hospital_keep_the_law(policy):
    watch = Watch()
    world, values = lived(
        "eliana",
        policy,
        engine="simpy",
        pathway=watch.pathway,
        capacities={"apheresis": 1, "manufacturing": 4, "ward": 3, "icu": 1, "hct": 2},
        arrivals=np.linspace(0.0, 3000.0, PATIENTS),
    )
    assert not watch.complaints
    crowded = "intensive care outside the hospital"  # an ICU bed may be free where a ward bed is not
    assert not [law for law in all_broken(world, values) if crowded not in law]


@pytest.mark.parametrize("policy", POLICIES)
def test_states_sum_to_n_at_every_time(policy):
    world, _ = lived("real_world_us", policy, 1000)
    rows = world.rows[world.rows["event"] < j.PHASES]
    for time in np.concatenate([[0.0], np.geomspace(1.0, 40_000.0, 60)]):
        inside = ((rows["start"] <= time) & (time < rows["stop"])).sum()
        dead = (world.lives["t_death"] <= time).sum()
        assert inside + dead == len(world.lives)


@pytest.mark.parametrize("policy", POLICIES)
def test_time_in_phases_is_the_length_of_life(policy):
    world, _ = lived("chop", policy)
    for life, rows in world.charts():
        phases = rows[rows["event"] < j.PHASES]
        assert np.isclose((phases["stop"] - phases["start"]).sum(), life["t_death"], rtol=1e-12)


# --- decisions rest on what was seen -----------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["reinfusion", "maintenance", "ngs_guided"])
def test_therapy_follows_a_trigger_that_was_seen(policy):
    world, _ = lived("real_world_us", policy, 3000)
    lives = world.lives
    treated = lives["t_therapy"] < NEVER
    assert treated.sum() > 50
    seen = np.minimum(lives["t_mrd"], lives["t_aplasia_lost_seen"])
    assert (lives["t_therapy"] >= seen)[treated].all()
    assert (lives["t_aplasia_lost_seen"] >= lives["t_aplasia_lost"]).all()


def test_watch_does_nothing_in_remission():
    world, _ = lived("eliana", "watch", 3000)
    assert (world.lives["t_therapy"] == NEVER).all()
    assert not (world.rows["event"] == j.DECISION).any()


def test_no_car_infuses_nobody():
    world, _ = lived("real_world_us", "no_car", 3000)
    assert (world.lives["not_infused"] == 1).all()
    assert not np.isin(world.rows["event"], (j.INFUSION, j.APHERESIS, j.LYMPHODEPLETION, j.CRS)).any()


def test_selective_transplants_for_its_criteria_alone():
    world, values = lived("cd28", "selective", 3000)
    decisions = 0
    for life, rows in world.charts():
        cd28 = values["product_cd28"][life["product"]] == 1
        for decided in rows[rows["event"] == j.DECISION]:
            seen = rows[np.isin(rows["event"], (j.MRD_SEEN, j.APLASIA_LOSS_SEEN)) & (rows["start"] <= decided["start"])]
            assert decided["detail"] == TRANSPLANT
            assert cd28 or len(seen)
            assert life["prior_hct"] == 0
            decisions += 1
    assert decisions > 200


def test_hybrid_treats_each_as_its_rules_say():
    world, values = lived("real_world_us", "hybrid", 4000)
    for life, rows in world.charts():
        cd28 = values["product_cd28"][life["product"]] == 1
        for action in rows["detail"][rows["event"] == j.DECISION]:
            assert action in (TRANSPLANT, REINFUSE, MAINTAIN, TKI)
            if action == TRANSPLANT:
                assert life["prior_hct"] == 0
            if action == REINFUSE and not life["mixed_chimerism"]:
                assert not cd28
            if action == TKI:
                assert life["ph"] == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_is_transplanted_twice_by_accident(policy):
    world, values = lived("eliana", policy, 3000)
    lives = world.lives
    assert (lives["prior_hct"] == 1).mean() > 0.5
    if values["second_hct_in_remission"] == 0:
        assert (lives["t_hct"] == NEVER)[lives["prior_hct"] == 1].all()


# --- the lawbook itself ----------------------------------------------------------------------------------------------


def tampered(change) -> list[str]:
    world, values = lived("eliana", "hct_for_all", 300)
    life, rows = next(
        (life, rows)
        for life, rows in world.charts()
        if {j.WARD, j.ICU, j.CRS, j.DECISION, j.HCT, j.RELAPSE, j.APLASIA} <= set(rows["event"].tolist())
    )
    life, rows = life.copy(), rows.copy()
    assert not broken_laws(life, rows, values)
    return broken_laws(life, change(life, rows), values)


def shifted(event: int, field: str, days: float):
    def change(life, rows):
        rows[field][np.flatnonzero(rows["event"] == event)[0]] += days
        return np.sort(rows, order=("start", "event", "stop", "detail"))

    return change


def without(event: int):
    return lambda life, rows: rows[rows["event"] != event]


def again(event: int):
    def change(life, rows):
        twice = np.concatenate([rows, rows[rows["event"] == event][:1]])
        return np.sort(twice, order=("start", "event", "stop", "detail"))

    return change


def with_life(name: str, value: float):
    def change(life, rows):
        life[name] = value
        return rows

    return change


@pytest.mark.parametrize(
    "change",
    [
        shifted(j.REMISSION, "stop", 1.0),
        shifted(j.REMISSION, "start", 1.0),
        shifted(j.WARD, "stop", -0.5),
        shifted(j.HCT, "start", 0.5),
        shifted(j.RELAPSE, "start", 1e-9),
        shifted(j.DEATH, "start", 1.0),
        shifted(j.APLASIA, "stop", 3650.0),
        without(j.DEATH),
        without(j.CRS),
        without(j.HCT),
        without(j.ICU),
        without(j.REMISSION),
        again(j.HCT),
        again(j.WARD),
        again(j.DEATH),
        again(j.REMISSION),
        with_life("donor", 0),
        with_life("fit_now", 0),
        with_life("prior_hct", 1),
        with_life("crs_grade", 0),
        with_life("icu_days", 0.0),
        with_life("relapse_type", 0),
        with_life("t_therapy", 0.0),
        with_life("cause", 0),
        with_life("infections", 99),
        with_life("not_infused", 2),
    ],
)
def test_the_lawbook_notices(change):
    assert tampered(change)
