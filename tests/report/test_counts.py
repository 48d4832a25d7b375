"""What figures count: occupancy from phases, bands of the stack, gains by stratum."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from sim import journal
from sim.report.frames import Frames
from sim.report.gains import compared
from sim.report.occupancy import share
from sim.report.risks import stack


def brute(rows: pd.DataFrame, day: float, origin: str) -> np.ndarray:
    """Count patients one by one."""
    counts = np.zeros(journal.PHASES + 1)
    for _, life in rows.groupby("patient"):
        zero = 0.0
        if origin == "infusion":
            found = life.loc[life["event"] == journal.INFUSION, "time_start"]
            if found.empty:
                continue
            zero = found.min()
        dead = life.loc[life["event"] == journal.DEATH, "time_start"]
        if len(dead) and dead.min() <= zero + day:
            counts[journal.PHASES] += 1
            continue
        phases = life[(life["event"] < journal.PHASES) & (life["time_start"] <= zero + day)]
        counts[int(phases.sort_values("time_start")["event"].iloc[-1])] += 1
    return counts / counts.sum()


@pytest.mark.parametrize("origin", ["referral", "infusion"])
def test_occupancy_is_what_counting_one_by_one_gives(world: Frames, origin: str) -> None:
    rows = world.journals["hct_for_all"]
    days = np.array([0.0, 3.5, 100.0, 777.0, 5000.0])
    shares = share(rows, days, origin)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    for place, day in enumerate(days):
        np.testing.assert_allclose(shares[:, place], brute(rows, day, origin), err_msg=f"day {day}")


def test_those_alive_at_the_horizon_stay_where_they_were(world: Frames) -> None:
    rows = world.journals["watch"]
    cut = rows[rows["time_start"] < 1000].copy()
    cut["time_stop"] = cut["time_stop"].clip(upper=1000)
    shares = share(cut, np.array([500.0, 1000.0, 9000.0]))
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    np.testing.assert_allclose(shares[:, 1], shares[:, 2])


def test_nobody_at_the_origin_gives_nothing(world: Frames) -> None:
    rows = world.journals["watch"]
    assert share(rows[rows["event"] != journal.INFUSION], np.array([0.0]), "infusion").size == 0


def test_state_curves_stand_in_for_the_journal(world: Frames) -> None:
    from sim.report.occupancy import STATES, occupancy

    months = np.arange(0.0, 61.0)
    states = pd.concat(
        pd.DataFrame({"policy": "watch", "curve": s, "months": months, "estimate": 1 / len(STATES)}) for s in STATES
    )
    large = dataclasses.replace(world, journal=None, curves=pd.concat([world.curves, states]))
    drawing = occupancy(large)
    assert drawing is not None
    assert "Without a journal" in drawing.caption


def test_bands_and_event_free_fill_the_whole(world: Frames) -> None:
    curves = world.curves[world.curves["policy"] == "watch"]
    months, bands = stack(curves, 60.0)
    free = curves[(curves["curve"] == "efs") & curves["months"].isin(months)].sort_values("months")["estimate"]
    np.testing.assert_allclose(sum(bands.values()) + free.to_numpy(), 1.0, atol=1e-9)
    assert "other_failure" in bands


def test_a_band_read_between_its_points_keeps_its_last_value() -> None:
    curves = pd.DataFrame(
        {
            "curve": ["cif_nrm", "cif_nrm", "efs", "efs", "efs"],
            "months": [0.0, 2.0, 0.0, 1.0, 2.0],
            "estimate": [0.0, 0.2, 1.0, 0.9, 0.7],
        }
    )
    _, bands = stack(curves, 2.0)
    np.testing.assert_allclose(bands["cif_nrm"], [0.0, 0.0, 0.2])
    np.testing.assert_allclose(bands["other_failure"], [0.0, 0.1, 0.1])


def test_gains_are_means_of_the_patients_own_differences(world: Frames) -> None:
    found = compared(world)
    lives = {p: rows.set_index("patient") for p, rows in world.patients.groupby("policy")}
    treated = lives["watch"].index[lives["watch"]["t_infusion"] < np.inf]
    for policy, gains in found.items():
        own = (lives[policy].loc[treated, "t_death"] - lives["watch"].loc[treated, "t_death"]) / 365.25
        assert gains[0].patients == len(treated)
        assert gains[0].difference == pytest.approx(own.mean())
        assert gains[0].error == pytest.approx(own.std(ddof=1) / np.sqrt(len(own)))


def test_two_equal_policies_gain_exactly_nothing(world: Frames) -> None:
    twin = world.patients[world.patients["policy"] == "watch"].assign(policy="selective")
    kept = world.patients[world.patients["policy"] != "selective"]
    same = dataclasses.replace(world, patients=pd.concat([kept, twin], ignore_index=True))
    assert all(g.difference == 0 and g.error == 0 for g in compared(same).get("selective", []))
