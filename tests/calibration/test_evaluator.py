"""The fast evaluator: the short way to the kernel equals the long one, same numbers in any thread and process."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from support import live

from sim.calibration.emulation import World, study_settings
from sim.calibration.evaluator import FastEvaluator
from sim.calibration.study import Study, load_studies, shipped_studies
from sim.compose import settings_from
from sim.experiments.inputs import as_record, kernel_values
from sim.lines import Count, Switch
from sim.problems import Problem
from sim.settings import Settings

PATIENTS = 600
KILL = "biology.leukaemia.kill"


@pytest.fixture(scope="module")
def base() -> Settings:
    return settings_from(["experiment=validate"])


def shipped(*names: str) -> list[Study]:
    return load_studies(path for path in shipped_studies() if path.stem in names)


@pytest.fixture(scope="module")
def few(base: Settings) -> FastEvaluator:
    return FastEvaluator(base, shipped("eliana", "eliana_itt", "forum_tbi"), patients=PATIENTS)


def test_every_line_reaches_the_kernel_as_through_the_settings(base: Settings) -> None:
    study = shipped("eliana")[0]
    world = World(study_settings(base, study), study, 8)
    for key, line in world.settings.lines():
        if isinstance(line, Switch | Count) or key.startswith("cohort."):
            continue
        value = line.high if line.high != line.value else line.low
        record, _ = world.parameters({key: value})
        assert (
            record.tobytes() == as_record(kernel_values(world.settings.with_value(key, value), study.policy)).tobytes()
        )


def test_lives_are_those_of_an_ordinary_run(base: Settings) -> None:
    study = shipped("eliana")[0]
    world = World(study_settings(base, study), study, 50)
    settings = world.settings.with_value(KILL, 1.4)
    ordinary = live(settings, "trial_practice", 50, first=study.first, journal=False)
    assert world.live({KILL: 1.4}).tobytes() == ordinary.lives.tobytes()


def test_same_values_same_numbers_and_the_base_case_is_unmoved(few: FastEvaluator) -> None:
    first = few({})
    moved = few({KILL: 0.5})
    assert (moved != first).any()
    assert few({}).tobytes() == first.tobytes()
    assert few({f"{KILL}.value": 0.5}).tobytes() == moved.tobytes()


def test_a_copy_in_another_process_and_threads_give_the_same(few: FastEvaluator) -> None:
    vectors = [{}, {KILL: 0.5}, {KILL: 2.0}, {"clinic.transplant.trm": 0.15}]
    expected = np.array([few(values) for values in vectors])
    assert few.many(vectors, threads=3).tobytes() == expected.tobytes()
    copy = pickle.loads(pickle.dumps(few))
    assert np.array([copy(values) for values in vectors]).tobytes() == expected.tobytes()
    assert len(pickle.dumps(few)) < 1_000_000  # settings and studies, not patients


def test_one_study_more_leaves_the_others_alone(base: Settings, few: FastEvaluator) -> None:
    more = FastEvaluator(base, shipped("eliana", "eliana_itt", "forum_tbi", "germany"), patients=PATIENTS)
    place = {(target.study, target.name): value for target, value in zip(more.targets, more({}), strict=True)}
    assert [place[target.study, target.name] for target in few.targets] == few({}).tolist()


def test_what_a_study_sets_stays(few: FastEvaluator) -> None:
    """FORUM's irradiated arm is irradiated whatever the share elsewhere."""
    of_forum = [i for i, target in enumerate(few.targets) if target.study == "forum_tbi"]
    assert (few({"clinic.transplant.tbi_share": 0.0})[of_forum] == few({})[of_forum]).all()
    assert (few({"clinic.transplant.kill_tbi": 5.0})[of_forum] != few({})[of_forum]).any()


def test_lines_of_patients_draw_them_again(few: FastEvaluator) -> None:
    assert (few({"cohort.prior_hct.share": 0.1}) != few({})).any()


def test_only_fitted_targets_unless_shown_ones_are_asked_for(base: Settings, few: FastEvaluator) -> None:
    assert all(target.fitted for target in few.targets)
    shown = FastEvaluator(base, shipped("eliana"), patients=64, shown=True)
    assert {target.fitted for target in shown.targets} == {True, False}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"biology.leukaemia.kil": 1.0}, "did you mean 'biology.leukaemia.kill'"),
        ({"clinic.transplant.trm": 1.5}, "must be at most 1"),
        ({"product.catalogue.tisa_cel.crz": 1.0}, "no such parameter line"),
    ],
)
def test_wrong_values_are_explained(few: FastEvaluator, values: dict[str, float], said: str) -> None:
    with pytest.raises(Problem, match=said):
        few(values)
