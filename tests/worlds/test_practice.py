"""What the emulated centres did: the share stated is transplanted, and nothing else takes a donor for granted."""

from __future__ import annotations

import numpy as np
import pytest
from support import World, live, settings_of, with_policy

from sim.conf import options
from sim.problems import Problem
from sim.settings import Settings

PATIENTS = 8000
PRACTICE = "trial_practice"
#: Code of the site in the record.
MARROW = 1
COHORTS = [name for name in options("cohort") if name != "base"]


def asked(settings: Settings) -> Settings:
    """Ask donor and family again."""
    rules = [rule.model_dump() | {"agreed": False} for rule in settings.policy[PRACTICE].rules]
    return with_policy(settings, PRACTICE, rules=rules)


def in_remission(world: World) -> np.ndarray:
    return world.lives[np.isfinite(world.lives["t_hct"])]


@pytest.mark.parametrize(
    "words",
    [
        *([f"cohort={name}"] for name in COHORTS),
        *(["cohort=real_world_us", f"cohort.practice.hct_share.value={share}"] for share in (0.3, 0.5, 0.7, 0.8)),
    ],
    ids=lambda words: "-".join(word.partition("=")[2] for word in words),
)
def test_the_share_transplanted_is_the_share_stated(words: list[str]) -> None:
    """Within two points and three standard errors: how many are lost before their day is an input, and approximate."""
    settings = settings_of(*words)
    lives = live(settings, PRACTICE, PATIENTS, journal=False).lives
    remission = lives[lives["cr"] == 1]
    done = np.isfinite(remission["t_hct"]).mean()
    stated = dict(settings.lines())["cohort.practice.hct_share"].value
    error = np.sqrt(stated * (1.0 - stated) / len(remission))
    assert abs(done - stated) < 0.02 + 3.0 * error


def test_a_share_out_of_reach_is_refused() -> None:
    with pytest.raises(Problem, match=r"hct_share \(0.9\) cannot be reached where lost_before \(0.18\)"):
        settings_of("cohort=real_world_us", "cohort.practice.hct_share.value=0.9")
    settings_of("cohort=real_world_us", "cohort.practice.hct_share.value=0.9", "cohort.practice.lost_before.value=0.1")


def test_donor_and_family_are_asked_where_the_rule_does_not_say_agreed() -> None:
    settings = settings_of("cohort=cd28")
    as_done, as_asked = (in_remission(live(s, PRACTICE, PATIENTS, journal=False)) for s in (settings, asked(settings)))
    assert len(as_asked) < len(as_done)
    assert np.any(as_done["donor"] == 0)
    assert not np.any(as_asked["donor"] == 0)
    assert not np.any(as_done["refused"] == 1)


def test_conditioning_cures_below_one_cell_where_car_t_cells_never_eradicate() -> None:
    """Twenty log10 leave less than one cell of anybody's marrow, and more than the level of eradication there (-40)."""
    kills = [f"clinic.transplant.kill_{kind}.value=20" for kind in ("tbi", "chemotherapy", "reduced")]
    settings = settings_of(
        "policy=[hct_trial]", "structure=no_eradication", "clinic.transplant.graft_effect.value=0.01", *kills
    )
    lives = live(settings, "hct_trial", 2000, journal=False).lives
    marrow = np.isfinite(lives["t_relapse"]) & (lives["relapse_site"] == MARROW)
    assert np.isfinite(lives["t_hct"]).mean() > 0.9
    assert not np.any(marrow)
