"""No randomness is sequential: each draw is keyed by its decision and occurrence, and each key has one meaning."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import COHORTS, POLICIES, live, settings_of, with_policy

import sim.biology
import sim.clinic
import sim.clock
from sim import decisions, draws
from sim.patient import CAUSES

KINDS = ("uniform", "normal", "exponential")
MODULES = [sim.clock] + [
    importlib.import_module(found.name)
    for package in (sim.biology, sim.clinic)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]
NUMBERS = {number: name for name, number in decisions.registered().items()}

#: Decisions with more than one draw site, and what keeps their occurrences apart.
SHARED = {
    "IGG": "0 falls low, 1 is replaced",
    "ICU": "0 for CRS, 1 for ICANS",
    "TRIAL_PRACTICE": "0 HCT in remission, 1 HCT at a trigger, 2 reinfusion",
    "GVHD_DURATION": "even: acute, odd: chronic",
    "LEUKAEMIA_DEATH": "0 implicit salvage; explicit: the line, + 10 at a relapse after the last",
    "FITNESS_RESTORED": "0 at the response to CAR T, then the line of salvage",
}
#: Drawn again with the same key by design: traits of a patient, and what a day's sample shows.
LASTING = {"PRODUCT_LEFT", "TRIAL_PRACTICE", "ACCEPTANCE", "MAINTENANCE_EFFECT", "IGG"} | {
    *("WORKUP", "TRIAL_PRACTICE_TIME"),  # a transplant planned again after it was cancelled
    *("MARROW_SAMPLE", "HAEMODILUTION"),  # two looks on one day
}


class Site(NamedTuple):
    """A place in the source that draws."""

    decision: str
    kind: str
    nth: str
    where: str


def sites() -> Iterator[Site]:
    """List every draw of the handlers."""
    for module in MODULES:
        path = Path(module.__file__)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.target.id: node.value.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            if isinstance(node.value, ast.Attribute) and isinstance(node.value.value, ast.Name)
            if node.value.value.id in ("_d", "decisions")
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                decision = ast.unparse(node.args[2]).removeprefix("_d.").removeprefix("decisions.")
                nth = ast.unparse(node.args[3])
                yield Site(constants.get(decision, decision), node.func.id, nth, f"{path.name}:{node.lineno}")


SITES = list(sites())


def test_every_draw_names_its_decision():
    by_cause = {site.where.split(":")[0] for site in SITES if site.decision not in decisions.registered()}
    assert by_cause == {"clock.py"}  # hazard budgets: the cause is the decision
    assert len(SITES) > 60


def test_every_draw_is_keyed_by_seed_and_patient():
    for module in MODULES:
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                assert [ast.unparse(arg) for arg in node.args[:2]] == ["p.seed", "p.number"]
                assert len(node.args) == 4


def test_no_two_draws_share_a_key_by_accident():
    by_decision = defaultdict(list)
    for site in SITES:
        by_decision[site.decision].append(site)
    for decision, found in by_decision.items():
        if decision in decisions.registered() and len(found) > 1:
            assert decision in SHARED, f"{decision} is drawn at {[site.where for site in found]}"
            keys = [(site.nth, site.kind) for site in found]
            assert len(set(keys)) == len(keys), f"{decision}: {keys}"
    assert {name for name, found in by_decision.items() if len(found) > 1} - {"cause"} == set(SHARED)


def test_cohort_draws_are_not_drawn_again_by_handlers():
    import sim.cohort.drawing as drawing

    text = Path(drawing.__file__).read_text(encoding="utf-8")
    of_cohort = {name for name in decisions.registered() if f"decisions.{name}" in text}
    assert len(of_cohort) > 20
    assert not of_cohort & {site.decision for site in SITES}


def test_no_module_holds_a_generator():
    for path in Path(sim.__path__[0]).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import random" not in text, path
        assert "default_rng" not in text, path
        assert "np.random" not in text, path


# --- as it happens ---------------------------------------------------------------------------------------------------

Key = tuple[int, int, int]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[Key, list[tuple[str, str, float]]]:
    """Record every draw of the interpreted handlers: key -> (function, kind, day) of each."""
    record: dict[Key, list[tuple[str, str, float]]] = defaultdict(list)

    def recorder(kind: str) -> Any:
        def draw(seed: int, patient: int, decision: int, nth: int) -> float:
            frame = sys._getframe(1)
            day = frame.f_locals["p"].t
            record[patient, decision, nth].append((f"{frame.f_code.co_name}:{frame.f_lineno}", kind, day))
            return getattr(draws, kind)(seed, patient, decision, nth)

        return draw

    for module in MODULES:
        for kind in KINDS:
            if hasattr(module, kind):
                monkeypatch.setattr(module, kind, recorder(kind))
    return record


def unlike(record: dict[Key, list[tuple[str, str, float]]]) -> set[str]:
    """Decisions whose key was drawn at two places, or twice where once is meant."""
    found = set()
    for (_, decision, nth), calls in record.items():
        name = NUMBERS.get(decision, f"cause {decision}")
        if len({call[:2] for call in calls}) > 1 or (len(calls) > 1 and name not in LASTING):
            found.add(f"{name} {nth}: {calls}")
    return found


@pytest.mark.parametrize("cohort", ["real_world_us", "cd28"])
@pytest.mark.parametrize("policy", POLICIES)
def test_every_key_is_drawn_once_and_at_one_place(drawn, cohort, policy):
    live(settings_of(f"cohort={cohort}"), policy, 150, engine="simpy")
    assert len(drawn) > 1000
    assert not unlike(drawn)


@pytest.mark.slow
@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_key_is_drawn_once_and_at_one_place_by_many(drawn, cohort, policy):
    live(settings_of(f"cohort={cohort}"), policy, 2000, engine="simpy")
    assert not unlike(drawn)


def test_every_key_is_drawn_once_where_everything_is_repeated(drawn):
    points = ("remission", "mrd_positive", "bca_lost", "visit")
    rules = [{"at": at, "then": then, "retry": 2} for at in points for then in ("reinfuse", "maintain", "cd22_car")]
    base = settings_of().with_values({"clinic.salvage.salvage_lines": 5, "clinic.salvage.salvage_next_line": 1.0})
    for nth in range(3):
        settings = with_policy(base, "watch", rules=rules[nth:] + rules[:nth])
        live(settings, "watch", 150, engine="simpy")
        assert not unlike(drawn)
        drawn.clear()
    implicit = base.with_values({"clinic.salvage.explicit": 0, "clinic.toxicity.acute": 0})
    live(implicit, "hct_for_all", 300, engine="simpy")
    assert not unlike(drawn)


def test_occurrences_fit_their_room(drawn):
    live(settings_of(), "hybrid", 300, engine="simpy")
    assert all(0 <= nth < draws.OCCURRENCES for _, _, nth in drawn)
    assert all(decision < CAUSES or decision in NUMBERS for _, decision, _ in drawn)


def test_luck_of_a_patient_does_not_depend_on_the_order_of_draws():
    numbers = np.arange(100)
    forwards = [draws.uniform(1, int(i), decisions.RESPONSE, 0) for i in numbers]
    backwards = [draws.uniform(1, int(i), decisions.RESPONSE, 0) for i in numbers[::-1]]
    assert forwards == backwards[::-1]
    assert np.array_equal(draws.uniforms(1, numbers, decisions.RESPONSE), forwards)
