"""Same seed, unlimited capacity: whatever runs the pathway, and in whatever pieces, the bytes are the same."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lawbook import Watch
from support import COHORTS, POLICIES, World, attributes_of, live, settings_of

from sim.clinic.events import POOLS
from sim.cohort import BLOCK
from sim.experiments.run import Simulation

HERE = Path(__file__).parent


def both(cohort: str, patients: int, *overrides: str) -> None:
    settings = settings_of(f"cohort={cohort}", *overrides)
    for policy in POLICIES:
        one, two = (live(settings, policy, patients, engine=engine) for engine in ("simpy", "batch"))
        assert one.bytes() == two.bytes(), policy


@pytest.mark.parametrize("cohort", COHORTS)
def test_engines_agree_byte_for_byte(cohort):
    both(cohort, 48)


@pytest.mark.slow
@pytest.mark.parametrize("cohort", COHORTS)
def test_engines_agree_on_many_patients(cohort):
    both(cohort, 2000)


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=0"],
        ["seed=4294967295"],
        ["horizon_years=0.2"],
        ["horizon_years=5"],
        ["product=dual_cd19_cd22"],
        ["experiment=feasibility", "origin=infusion", "policy=[trial_practice,watch]"],
    ],
    ids=" ".join,
)
def test_engines_agree_in_other_worlds(overrides):
    settings = settings_of(*overrides)
    for policy in settings.policy:
        one, two = (live(settings, policy, 64, engine=engine) for engine in ("simpy", "batch"))
        assert one.bytes() == two.bytes(), policy


@pytest.mark.parametrize("engine", ["simpy", "batch"])
def test_the_journal_changes_nothing(engine):
    settings = settings_of()
    with_rows, without = (live(settings, "hybrid", 200, engine=engine, journal=kept) for kept in (True, False))
    assert with_rows.lives.tobytes() == without.lives.tobytes()
    assert len(without.rows) == 0
    assert without.first_row.tolist() == [0] * 201


@pytest.mark.parametrize("policy", POLICIES)
def test_any_piece_of_the_cohort_is_the_same(policy):
    settings = settings_of()
    whole = live(settings, policy, BLOCK)
    assert live(settings, policy, 64, first=100).bytes() == whole.select(range(100, 164)).bytes()
    assert live(settings, policy, 1, first=7).bytes() == whole.select([7]).bytes()
    assert live(settings, policy, 30, first=100, engine="simpy").bytes() == whole.select(range(100, 130)).bytes()


def test_pieces_join_at_block_borders():
    settings = settings_of()
    whole = live(settings, "selective", BLOCK + 50)
    assert (
        live(settings, "selective", 100, first=BLOCK - 50).bytes()
        == whole.select(range(BLOCK - 50, BLOCK + 50)).bytes()
    )


def blocks(*overrides: str) -> dict[str, World]:
    """Run as the program does; the whole cohort by policy."""
    settings = settings_of(*overrides)
    parts = list(Simulation(settings, journal=True).blocks())
    assert [part.first for part in parts] == list(range(0, settings.cohort.n, BLOCK))
    return {
        name: joined([World(p.lives[name], p.rows[name], p.first_row[name]) for p in parts]) for name in settings.policy
    }


def joined(worlds: list[World]) -> World:
    before = np.cumsum([0, *(len(world.rows) for world in worlds)])
    starts = [world.first_row[:-1] + offset for world, offset in zip(worlds, before, strict=False)]
    return World(
        np.concatenate([world.lives for world in worlds]),
        np.concatenate([world.rows for world in worlds]),
        np.concatenate([*starts, before[-1:]]),
    )


def test_threads_policy_order_and_cohort_size_change_nothing():
    one = blocks("engine=batch", "cohort.n=9000", "threads=1", "policy=[watch,selective]")
    two = blocks("engine=batch", "cohort.n=9000", "threads=2", "policy=[selective,hct_for_all,watch]")
    few = blocks("engine=batch", "cohort.n=100", "threads=2", "policy=[selective]")
    reference = blocks("engine=simpy", "cohort.n=150", "policy=[selective,watch]")
    for policy in ("watch", "selective"):
        assert one[policy].bytes() == two[policy].bytes()
        assert reference[policy].bytes() == one[policy].select(range(150)).bytes()
    assert few["selective"].bytes() == one["selective"].select(range(100)).bytes()


def test_one_patient_replayed_is_that_patient():
    settings = settings_of("engine=simpy", "cohort.n=100")
    block = Simulation(settings, journal=True).one(47)
    for policy in POLICIES:
        lived = World(block.lives[policy], block.rows[policy], block.first_row[policy])
        assert lived.bytes() == live(settings, policy, 1, first=47).bytes()


def test_a_hospital_with_room_for_everybody_is_unlimited():
    places = dict.fromkeys(POOLS, 10**6)
    settings = settings_of("cohort=eliana")
    for policy in ("hct_for_all", "hybrid"):
        roomy = live(settings, policy, 200, engine="simpy", capacities=places)
        assert roomy.bytes() == live(settings, policy, 200, engine="batch").bytes()
        spread = live(settings, policy, 200, engine="simpy", capacities=places, arrivals=np.linspace(0.0, 500.3, 200))
        assert (np.isfinite(spread.lives["t_hct"]) == np.isfinite(roomy.lives["t_hct"])).all()
        assert np.allclose(spread.lives["t_death"], roomy.lives["t_death"], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("policy", POLICIES)
def test_fields_and_rows_keep_their_type(policy):
    for cohort in ("real_world_us", "cd28"):
        watch = Watch()
        live(settings_of(f"cohort={cohort}"), policy, 60, engine="simpy", pathway=watch.pathway)
        assert not watch.complaints


INTERPRETED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_engines import digest
from sim.kernel import jit_enabled
assert not jit_enabled()
print(digest())
"""


def digest() -> str:
    """Hash what the batch engine makes of a few patients."""
    made = hashlib.sha256()
    for cohort in ("real_world_us", "cd28"):
        for policy in POLICIES:
            for part in live(settings_of(f"cohort={cohort}"), policy, 10).bytes():
                made.update(part)
    return made.hexdigest()


def test_the_batch_engine_interpreted_gives_the_same_bytes():
    run = subprocess.run(
        [sys.executable, "-c", INTERPRETED, str(HERE)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[-1] == digest()


@pytest.mark.slow
def test_bounds_checked_machine_code_gives_the_same_bytes():
    for cohort in COHORTS:
        settings = settings_of(f"cohort={cohort}")
        for policy in POLICIES:
            plain, checked = (live(settings, policy, 1000, checked=flag) for flag in (False, True))
            assert plain.bytes() == checked.bytes(), policy


def test_attributes_are_those_the_program_draws():
    settings = settings_of("product=brexu_cel", "cohort.n=300")
    drawn = Simulation(settings, journal=False).attributes(20, 30)
    assert drawn.tobytes() == attributes_of(settings, 20, 30).tobytes()
