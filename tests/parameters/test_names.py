"""What the kernel reads is what settings give it: no line unread, no name without a line, no latent state in a rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import settings_of

import sim
from sim import decisions, journal
from sim.clinic import vocabulary
from sim.experiments.inputs import kernel_values
from sim.patient import Patient, attribute_names

SOURCES = sorted(path for folder in ("biology", "clinic") for path in (Path(sim.__file__).parent / folder).glob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}

#: What the record holds beside parameter lines: see `sim.experiments.inputs`.
OF_COHORT = {"wait_median", "wait_spread"} | {
    f"practice_{name}"
    for name in ("hct_share", "hct_from", "hct_to", "triggered", "trigger_rate", "lost_before", "reinfusion")
}
OF_POLICY = {
    "car",
    "begins_with_hct",
    "visits",
    "visit_days",
    "use_flow",
    "use_qpcr",
    "use_ngs",
    "ngs_counts",
    "ngs_repeat",
} | {
    *("recovery_delay", "second_hct_in_remission", "second_hct_after_relapse", "rule_point_start", "rule_action"),
    *("rule_after", "rule_target", "rule_confirm", "rule_retry", "rule_timing", "rule_agreed", "rule_condition_start"),
    *("condition_feature", "condition_low", "condition_high", "condition_mask"),
}
#: Lines that reach the kernel under another name: the policy's B-cell threshold picks one as `recovery_delay`.
RENAMED = {"recovery_pct1", "recovery_pct3", "recovery_abs10", "recovery_abs50"}
#: Journal codes that nothing writes yet.
RESERVED: set[str] = set()
#: What the hospital's settings add.
OF_HOSPITAL = {"by_urgency"}
#: Attributes no handler reads, and who does.
UNREAD_ATTRIBUTES = {"weight": "priced: doses per kilogram", "burden_class": "strata of the results"}


def reads(tree: ast.AST, owner: str) -> Iterator[str]:
    """Names of the attributes of `owner` (``p`` or ``q``) that a tree mentions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner:
            yield node.attr


def function(name: str) -> ast.FunctionDef:
    return next(
        node
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == name
    )


READ = {name for tree in TREES.values() for name in reads(tree, "q")}


def test_every_value_of_the_kernel_is_read_and_every_name_read_has_a_value():
    given = set(kernel_values(settings_of(), "hybrid"))
    assert given - READ == RENAMED
    assert READ - given == set()


def test_every_value_of_the_kernel_comes_from_a_line_or_a_documented_field():
    settings = settings_of()
    lines = {key.rsplit(".", 1)[-1] for group in (settings.biology, settings.clinic) for key, _ in group.lines()}
    products = {f"product_{name}" for name in type(next(iter(settings.product.catalogue.values()))).model_fields}
    sources = [lines, products, OF_COHORT, OF_POLICY, OF_HOSPITAL, {"life_table"}]
    values = kernel_values(settings, "hybrid")
    assert set(values) == set().union(*sources)
    assert len(values) == sum(map(len, sources))  # none takes the name of another


def test_all_policies_give_the_kernel_the_same_names_and_types():
    settings = settings_of()
    shapes = {
        tuple(
            (name, type(value), getattr(value, "shape", ())) for name, value in kernel_values(settings, policy).items()
        )
        for policy in settings.policy
    }
    assert len(shapes) == 1


def test_every_attribute_is_read_by_a_handler():
    mentioned = {name for tree in TREES.values() for name in reads(tree, "p")}
    unread = set(attribute_names()) - mentioned
    assert unread == set(UNREAD_ATTRIBUTES)


def test_every_field_of_a_patient_is_used():
    used = {name for tree in TREES.values() for name in reads(tree, "p")}
    engine = Path(sim.__file__).parent
    for path in (*(engine / "engine").glob("*.py"), engine / "clock.py"):
        used |= set(reads(ast.parse(path.read_text(encoding="utf-8")), "p"))
    assert set(Patient.__slots__) - used <= {"number", "seed"}
    assert used - set(Patient.__slots__) - set(attribute_names()) == set()


def constants_used(module: str) -> set[str]:
    """Constants of a module that the handlers mention (``_d.WAIT``)."""
    found = set()
    for tree in [*TREES.values(), *(ast.parse(p.read_text("utf-8")) for p in Path(sim.__file__).parent.rglob("*.py"))]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module:
                found.add(node.attr)
    return found


def test_every_registered_decision_is_drawn():
    used = constants_used("_d") | constants_used("decisions")
    assert set(decisions.registered()) - used == set()


def test_every_kind_of_journal_row_is_written_or_reserved():
    used = constants_used("_j")
    names = {name.upper() for name in journal.event_names().values()}
    assert names - used == RESERVED


# --- a rule reads only what was seen ----------------------------------------------------------------------------------

#: What a clinician knows: baseline, what happened, what samples showed.
OBSERVED = {
    *("number", "seed", "t", "t_infusion", "first_hct", "donor", "wish", "blinatumomab", "inotuzumab", "kmt2ar", "ph"),
    *("hypodiploid", "tp53", "refractory", "relapses", "months_hct_to_relapse", "age", "comorbidity", "down", "site"),
    *("poverty", "distance", "product", "prior_hct", "hcts", "reinfusions", "instability", "irradiated", "fit_now"),
    *("crs_grade", "icans_grade", "infection_until", "neutropenic", "neutropenia_start"),
    *("acute_gvhd_since", "chronic_gvhd_since", "maintenance_since"),
    *("mrd_seen", "mrd_confirmed", "aplasia_lost_seen", "negative_clone_seen", "relapse_type", "burden_now"),
}


@pytest.mark.parametrize(
    "name",
    [
        "feature",
        "eligible",
        "tbi_feasible",
        "practice_hct",
        "product_left",
        "condition_holds",
        "rule_matches",
        "first_rule",
    ],
)
def test_no_rule_reads_latent_state(name):
    assert set(reads(function(name), "p")) <= OBSERVED


@pytest.mark.parametrize("name", ["decide", "apply_rules", "begin_action", "weigh_samples", "weigh_b_cells"])
def test_no_decision_reads_latent_state(name):
    own = {"pending", "next", "confirming", "confirming_rule", "loss_open", "maintenance_kind"}
    assert set(reads(function(name), "p")) <= OBSERVED | own


def test_the_look_for_latent_state_sees_it():
    assert {"pos_level"} == set(reads(ast.parse("def f(p, q):\n    return p.pos_level > q.flow_limit"), "p"))
    assert "pos_level" not in OBSERVED


def test_every_feature_and_action_of_the_vocabulary_has_code():
    text = (Path(sim.__file__).parent / "clinic" / "policy.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in text for name in vocabulary.FEATURES)
    assert all(f'"{name}"' in text for name in (*vocabulary.POINTS, *vocabulary.ACTIONS))
