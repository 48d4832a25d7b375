"""Minimally different worlds: one thing is changed, and only those whom it concerns live differently."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support import NEVER, POLICIES, World, attributes_of, changed, live, settings_of, with_policy

from sim import journal as j
from sim.clinic.events import VISIT
from sim.experiments.run import Simulation

PATIENTS = 1500


def has(world: World, *events: int) -> np.ndarray:
    """Tell whose journal has such a row."""
    return np.array([bool(np.isin(chart["event"], events).any()) for _, chart in world.charts()])


# --- policies, rules, visits -----------------------------------------------------------------------------------------


def test_another_policy_leaves_the_others_alone():
    def lived(policies: str) -> dict[str, World]:
        settings = settings_of("engine=batch", "cohort.n=300", "threads=1", f"policy=[{policies}]")
        block = next(iter(Simulation(settings, journal=True).blocks()))
        return {name: World(block.lives[name], block.rows[name], block.first_row[name]) for name in settings.policy}

    few, more = lived("watch,selective"), lived("watch,hybrid,selective,no_car")
    assert all(few[name].bytes() == more[name].bytes() for name in few)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_under_two_names_differs_by_nothing(name):
    settings = settings_of()
    twin = settings.model_copy(update={"policy": {"twin": settings.policy[name]}})
    one, two = live(settings, name, PATIENTS), live(twin, "twin", PATIENTS)
    assert one.bytes() == two.bytes()


@pytest.mark.parametrize("name", POLICIES)
def test_a_rule_that_never_matches_changes_nothing(name):
    settings = settings_of()
    never = {"when": {"age": {"min": 200}}, "then": "hct"}
    points = ("remission", "mrd_positive", "bca_lost", "hematogones", "relapse", "visit", "mixed_chimerism")
    rules = [*({"at": point, **never} for point in points), *settings.policy[name].model_dump()["rules"]]
    other = with_policy(settings, name, rules=rules)
    one, two = live(settings, name, PATIENTS), live(other, name, PATIENTS)
    for field in ("pending_rule", "confirming_rule"):  # the number of a rule among the others
        one.lives[field] = two.lives[field] = -1
    assert one.bytes() == two.bytes()


@pytest.mark.parametrize("at", ["remission", "mrd_positive", "bca_lost", "hematogones", "relapse", "visit"])
def test_a_rule_that_only_watches_changes_no_journal_of_watch(at):
    settings = settings_of()
    other = with_policy(settings, "watch", rules=[{"at": at, "then": "watch"}])
    assert live(settings, "watch", PATIENTS).rows.tobytes() == live(other, "watch", PATIENTS).rows.tobytes()


def test_another_visit_only_adds_what_it_sees():
    settings = settings_of()
    months = settings.policy["watch"].visits_months
    other = with_policy(settings, "watch", visits_months=tuple(sorted([*months, 7.5])))
    one, two = live(settings, "watch", 8 * PATIENTS), live(other, "watch", 8 * PATIENTS)
    one.lives["next"][:, VISIT] = two.lives["next"][:, VISIT] = NEVER
    seen = {"visit", "t_mrd", "mrd_seen", "t_aplasia_lost_seen", "aplasia_lost_seen", "loss_open"}
    for field in one.lives.dtype.names:
        if field not in seen:
            assert one.lives[field].tobytes() == two.lives[field].tobytes(), field
    assert (two.lives["t_mrd"] <= one.lives["t_mrd"]).all()
    assert (two.lives["t_aplasia_lost_seen"] <= one.lives["t_aplasia_lost_seen"]).all()
    more = 0
    for (life, before), (_, after) in zip(one.charts(), two.charts(), strict=True):
        added = after["start"] == life["t_infusion"] + 7.5 * 30.4375
        assert set(after["event"][added]) <= {j.VISIT, j.MRD_SEEN, j.APLASIA_LOSS_SEEN}
        more += added.any()
        kept = [rows[rows["event"] != j.APLASIA_LOSS_SEEN] for rows in (before, after[~added])]
        assert kept[0].tobytes() == kept[1].tobytes()
    assert more > 2 * PATIENTS


def test_another_visit_changes_only_those_for_whom_it_decides():
    settings = settings_of()
    months = settings.policy["selective"].visits_months
    other = with_policy(settings, "selective", visits_months=tuple(sorted([*months, 7.5])))
    one, two = live(settings, "selective", PATIENTS), live(other, "selective", PATIENTS)
    decided = np.zeros(PATIENTS, dtype=bool)
    for patient, (life, chart) in enumerate(two.charts()):
        day = life["t_infusion"] + 7.5 * 30.4375
        found = np.isin(chart["event"], (j.MRD_SEEN, j.APLASIA_LOSS_SEEN)) & (chart["start"] == day)
        decided[patient] = found.any()
    outcome = ["t_death", "t_relapse", "t_hct", "cause", "infections"]
    differs = np.any([one.lives[field] != two.lives[field] for field in outcome], axis=0)
    assert differs.any()
    assert not (differs & ~decided).any()


def test_the_order_of_patients_is_of_no_account():
    settings = settings_of()
    attributes = attributes_of(settings, 0, 50)
    for engine in ("simpy", "batch"):
        together = live(settings, "hybrid", 50, engine=engine)
        alone = [live(settings, "hybrid", 1, first=i, engine=engine, attributes=attributes[i : i + 1]) for i in (49, 3)]
        assert [world.bytes() for world in alone] == [together.select([i]).bytes() for i in (49, 3)]


# --- parameters ------------------------------------------------------------------------------------------------------

Concerned = Callable[[World, World], np.ndarray]


def transplanted(one: World, two: World) -> np.ndarray:
    return (one.lives["hcts"] > 0) | (two.lives["hcts"] > 0)


def ever_transplanted(one: World, two: World) -> np.ndarray:
    return transplanted(one, two) | (one.lives["prior_hct"] == 1)


def salvaged(one: World, two: World) -> np.ndarray:
    return has(one, j.SALVAGE)


def at_risk(one: World, two: World) -> np.ndarray:
    lives = one.lives
    early = lives["crs_start"] <= lives["t_infusion"] + 1.0
    high = 10.0 ** lives["burden_now"] > 0.25
    return (lives["crs_start"] < NEVER) & (early | high | (lives["comorbidity"] == 1))


def no_longer_referred(one: World, two: World) -> np.ndarray:
    return (one.lives["not_infused"] != 2) & (two.lives["not_infused"] == 2)


def infected_badly(one: World, two: World) -> np.ndarray:
    return one.lives["severe_infections"] > 0


def responded(one: World, two: World) -> np.ndarray:
    return one.lives["cr"] == 1


def attribute(name: str, value: int) -> Concerned:
    return lambda one, two: one.lives[name] == value


def infused(one: World, two: World) -> np.ndarray:
    return (one.lives["t_infusion"] < NEVER) | (two.lives["t_infusion"] < NEVER)


def early_relapse_with_donor(one: World, two: World) -> np.ndarray:
    lives = one.lives
    return (lives["prior_hct"] == 1) & (lives["months_hct_to_relapse"] < 6.0) & (lives["donor"] > 0)


def low_dose(one: World, two: World) -> np.ndarray:
    return one.lives["dose"] < 2.0


def maintained(one: World, two: World) -> np.ndarray:
    return one.lives["t_maintenance"] < NEVER


def reinfused(one: World, two: World) -> np.ndarray:
    return one.lives["reinfusions"] > 0


#: Line, its other value, policy, and whom it may concern.
DIFFERENCES: list[tuple[str, float, str, Concerned]] = [
    ("clinic.transplant.trm", 0.5, "hct_for_all", transplanted),
    ("clinic.transplant.trm_second", 0.9, "trial_practice", transplanted),
    ("clinic.transplant.kill_tbi", 1.0, "hct_for_all", transplanted),
    ("clinic.transplant.graft_effect", 0.2, "hct_for_all", transplanted),
    ("clinic.transplant.chronic_gvhd", 0.9, "selective", transplanted),
    ("clinic.transplant.sos", 0.9, "selective_plus", transplanted),
    ("clinic.salvage.response_inotuzumab", 0.1, "watch", salvaged),
    ("clinic.salvage.salvage_lines", 1, "watch", salvaged),
    ("clinic.salvage.residual", -8.0, "selective", salvaged),
    ("clinic.salvage.palliative_median", 12.0, "watch", salvaged),
    ("clinic.salvage.salvage_transplant", 0.0, "watch", salvaged),
    ("clinic.supportive.early_tocilizumab", 1, "watch", at_risk),
    ("clinic.supportive.levetiracetam", 1, "watch", attribute("neuro_history", 1)),
    ("clinic.supportive.donor_derived_car", 1, "watch", early_relapse_with_donor),
    ("clinic.supportive.minimum_dose", 2.0, "watch", low_dose),
    ("clinic.supportive.boost", 0, "watch", attribute("prior_hct", 1)),
    ("clinic.supportive.upfront_search", 0, "selective", attribute("donor", 2)),
    ("clinic.supportive.auc_targeted", 1, "watch", infused),
    ("clinic.manufacturing.never_referred", 0.3, "watch", no_longer_referred),
    ("clinic.immunity.infection_death", 0.9, "watch", infected_badly),
    ("clinic.monitoring.ngs_limit", -5.0, "selective", responded),
    ("clinic.reinfusion.maintenance_kill", 0.1, "maintenance", maintained),
    ("clinic.reinfusion.reinfusion_aplasia", 3.0, "reinfusion", reinfused),
    (
        "clinic.late.late_effect_hct",
        0.5,
        "hct_for_all",
        lambda one, two: transplanted(one, two) | (one.lives["prior_hct"] == 1),
    ),
    ("biology.escape.lineage_switch", 0.9, "watch", attribute("kmt2ar", 1)),
    ("biology.escape.cns_relapse", 0.9, "watch", attribute("site", 1)),
    ("biology.escape.isolated_cns_relapse", 0.9, "watch", attribute("site", 3)),
    ("biology.leukaemia.response_nonresponder", 2.0, "watch", attribute("blinatumomab", 2)),
    ("biology.leukaemia.response_down", -3.0, "watch", attribute("down", 1)),
    ("biology.persistence.expansion_inotuzumab", 2.0, "watch", attribute("inotuzumab", 1)),
    ("biology.persistence.expansion_out_of_spec", 2.0, "watch", attribute("out_of_spec", 1)),
]


@pytest.mark.parametrize(("key", "value", "policy", "concerned"), DIFFERENCES, ids=[row[0] for row in DIFFERENCES])
def test_a_parameter_changes_only_whom_it_concerns(key, value, policy, concerned):
    settings = settings_of()
    one, two = live(settings, policy, PATIENTS), live(settings.with_value(key, value), policy, PATIENTS)
    differs = changed(one, two)
    assert differs.any()
    assert not (differs & ~concerned(one, two)).any()


def test_a_cohort_attribute_that_nothing_reads_changes_no_life():
    settings = settings_of()
    attributes = attributes_of(settings, 0, PATIENTS)
    heavier = attributes.copy()
    heavier["weight"] *= 2.0
    one, two = (live(settings, "selective", PATIENTS, attributes=table) for table in (attributes, heavier))
    assert one.rows.tobytes() == two.rows.tobytes()


def test_what_a_policy_sets_for_itself_concerns_it_alone():
    settings = settings_of("policy=[watch,selective]")
    own = with_policy(settings, "selective", set={"clinic.transplant.trm": 0.5})
    assert live(own, "watch", PATIENTS).bytes() == live(settings, "watch", PATIENTS).bytes()
    everywhere = settings.with_value("clinic.transplant.trm", 0.5)
    assert live(own, "selective", PATIENTS).bytes() == live(everywhere, "selective", PATIENTS).bytes()
