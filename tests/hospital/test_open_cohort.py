"""Who comes when and where, opening hours, warm-up, and the measures on worlds whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from quick_settings import settings_with
from theory.statistics import Z

from sim.engine.places import PLACE, days_until_open
from sim.experiments.replications import all_places, who_comes
from sim.hospital.arrivals import arrival_days, centre_of, read_days, season
from sim.hospital.measures import (
    Window,
    World,
    by_hour_of_week,
    by_year,
    daily_load,
    hourly,
    in_line,
    measure,
    on_place,
    warm_up_days,
)
from sim.hospital.opening import open_hours
from sim.problems import Problem

YEAR = 365.25
NUMBERS = np.arange(60_000)


def arrivals_of(*overrides: str):
    return settings_with("hospital=regional_centre", *overrides).hospital.arrivals


def test_poisson_arrivals() -> None:
    """Counts per month have mean and variance of the rate; a longer run begins with the same patients."""
    days = arrival_days(arrivals_of("arrivals.per_year=600", "arrivals.seasonality=0"), 1, NUMBERS)
    counts = np.bincount((days / (YEAR / 12)).astype(int))[:-1]
    assert abs(counts.mean() - 50.0) < Z * math.sqrt(50.0 / len(counts))
    assert abs(counts.var(ddof=1) / 50.0 - 1.0) < Z * math.sqrt(2.0 / len(counts))
    again = arrival_days(arrivals_of("arrivals.per_year=600", "arrivals.seasonality=0"), 1, NUMBERS[:100])
    assert again.tolist() == days[:100].tolist()


def test_seasons_turn_and_keep_the_year() -> None:
    swing, peak = 0.5, 6.0
    chosen = arrivals_of("arrivals.per_year=6000", f"arrivals.seasonality={swing}", f"arrivals.peak_month={peak}")
    days = arrival_days(chosen, 1, NUMBERS)
    days = days[days < 9 * YEAR]
    middle = (peak - 0.5) * YEAR / 12
    for month in (0, 3, 5, 8, 11):
        start, stop = month * YEAR / 12, (month + 1) * YEAR / 12
        first, last = season(np.array([start, stop]), swing, middle)
        expected = 6000 / YEAR * 9 * (last - first)
        found = ((days % YEAR >= start) & (days % YEAR < stop)).sum()
        assert abs(found - expected) < Z * math.sqrt(expected), month
    assert season(np.array([YEAR]), swing, middle)[0] == pytest.approx(YEAR)
    assert (np.diff(days) >= 0.0).all()


def test_arrivals_from_a_file(tmp_path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("who,day\na,3\nb,1.5\n", encoding="utf-8")
    assert read_days(str(path)).tolist() == [1.5, 3.0]
    settings = settings_with("hospital=regional_centre", f"arrivals.file={path}", "years=1", "warm_up_years=0")
    numbers, days = who_comes(settings, 2)
    assert (numbers.tolist(), days.tolist()) == ([200_000, 200_001], [1.5, 3.0])


@pytest.mark.parametrize(
    ("text", "said"),
    [("who\na\n", "column 'day'"), ("day\n", "at least one"), ("day\nsoon\n", "line 2: 'soon'"), ("day\n-1\n", "'-1'")],
)
def test_bad_files_of_arrivals(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "days.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=said):
        read_days(str(path))
    with pytest.raises(Problem, match="no such file"):
        read_days(str(tmp_path / "none.csv"))


def test_centres_get_their_share() -> None:
    """Near patients three to one, far ones two to three: and nobody's centre depends on who else comes."""
    hospital = settings_with("hospital=two_centres").hospital
    far = (NUMBERS % 3 == 0).astype(int)
    where = centre_of(hospital, 1, NUMBERS, far)
    for code, share in ((0, 0.25), (1, 0.6)):
        part = where[far == code]
        assert abs(part.mean() - share) < Z * math.sqrt(share * (1 - share) / len(part))
    assert centre_of(hospital, 1, NUMBERS[50:60], far[50:60]).tolist() == where[50:60].tolist()
    assert all_places(hospital)["hct"] == 7


# --- opening hours


def test_opening_hours() -> None:
    hours = open_hours("mon-fri 8-16; sat 9-12")
    assert sum(hours) == 5 * 8 + 3
    assert days_until_open(hours, 0.0) == pytest.approx(8 / 24)
    assert days_until_open(hours, 0.5) == 0.0
    assert days_until_open(hours, 5.5) == pytest.approx(2.0 + 8 / 24 - 0.5)
    assert days_until_open(hours, 7.0 * 10**6 + 0.5) == 0.0
    assert days_until_open([0] * 168, 0.0) == math.inf
    assert open_hours("mon-sun 0-24") == (1,) * 168


@pytest.mark.parametrize("text", ["", "8-16", "mon 16-8", "mon 8-25", "mun 8-16", "fri-mon 8-16", "mon 8-16 tue"])
def test_bad_opening_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours|day|write"):
        open_hours(text)
    with pytest.raises(Problem, match=r"hospital\.opening\.hct"):
        settings_with("hospital=regional_centre", f"hospital.opening.hct='{text}'", "arrivals.per_year=5")


# --- warm-up


def test_warm_up_ends_where_the_load_settles() -> None:
    """A load that fills up over 300 days, then wavers: the cut comes about there; a settled one needs none."""
    days = np.arange(4000)
    noise = np.sin(days * 1.7) + np.sin(days * 0.31)
    filling = 50.0 * np.minimum(1.0, days / 300.0) + noise
    assert 250 <= warm_up_days(filling, 1000) <= 400
    assert warm_up_days(50.0 + noise, 1000) < 60
    assert warm_up_days(filling, 100) <= 100


# --- measures


def made_up(book: list[tuple[int, int, float, float, float]]) -> World:
    """Three patients of whom only the book matters."""
    columns = ["number", "distance", "poverty", "uninsured", "not_infused", "cause", "cr"]
    times = ["t_apheresis", "t_infusion", "t_hct", "t_relapse", "t_death"]
    lives = np.zeros(3, dtype=[(n, np.int64) for n in columns] + [(n, np.float64) for n in times])
    for name in times:
        lives[name] = math.inf
    lives["t_infusion"][:2], lives["t_death"] = (30.0, 70.0), (400.0, 400.0, 50.0)
    lives["distance"][1], lives["cause"][2], lives["not_infused"][2] = 1, 6, 3
    rows = np.zeros(0, dtype=[("event", np.int64), ("start", np.float64), ("stop", np.float64), ("detail", np.int64)])
    return World(
        ("ward", "hct"),
        {"ward": 2, "hct": None},
        np.array([0.0, 10.0, 20.0]),
        lives,
        rows,
        np.zeros(4, np.int64),
        np.array(book, dtype=PLACE),
    )


BOOK = [(0, 0, 30.0, 30.0, 50.0), (1, 0, 40.0, 60.0, 80.0), (2, 1, 35.0, math.inf, 70.0), (0, 1, 45.0, math.inf, 55.0)]


def test_measures_of_a_world_that_can_be_counted_by_hand() -> None:
    window = Window(0.0, 100.0)
    found = {(stratum, name): value for stratum, name, value in measure(made_up(BOOK), window, 60.0)}
    years = 100.0 / YEAR
    expected = {
        ("all", "arrivals"): 3 / years,
        ("all", "infused"): 2 / 3,
        ("all", "infused_in_time"): 1 / 3,
        ("all", "in_time"): 1 / 2,
        ("all", "wait_infusion_mean"): 50.0,
        ("distance: far away", "wait_infusion_mean"): 70.0,
        ("all", "died_waiting_share"): 1 / 3,
        ("all", "deaths_before_infusion"): 1 / years,
        ("all", "deaths_awaiting_hct"): 1 / years,
        ("all", "relapses_awaiting_hct"): 1 / years,
        ("all", "occupancy_ward"): 0.4,
        ("all", "utilisation_ward"): 0.2,
        ("all", "queue_ward"): 0.2,
        ("all", "queue_hct"): 0.45,
        ("all", "wait_ward_mean"): 10.0,
        ("all", "waited_ward"): 0.5,
        ("all", "left_line_hct"): 1.0,
    }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key
    assert ("all", "utilisation_hct") not in found


def test_littles_law_of_a_pool() -> None:
    """Mean in line = rate of requests x mean time in line, when all lie within the window."""
    found = {name: value for _, name, value in measure(made_up(BOOK), Window(0.0, 100.0), 60.0)}
    begin, end = in_line(made_up(BOOK).book[:2])
    assert found["queue_ward"] == pytest.approx(found["requests_ward"] / YEAR * (end - begin).mean())


def test_counts_by_hour() -> None:
    """Hourly counts agree with the integral; an interval within one hour that spans its middle counts as one."""
    window = Window(0.0, 14.0)
    begin, end = np.array([0.0, 1.0 + 8.4 / 24, 3.0, -5.0]), np.array([2.0, 1.0 + 8.6 / 24, math.inf, 0.5])
    counts = hourly(begin, end, window)
    assert counts[:12].tolist() == [2] * 12
    assert counts[24 + 8] == 2
    assert counts[24 + 9] == 1
    assert counts.mean() == pytest.approx(window.mean_present(begin, end), abs=0.05)
    week = by_hour_of_week(counts, 0)
    assert week[24 + 8] == pytest.approx((2 + 1) / 2)
    assert by_hour_of_week(counts, 24)[48 + 8] == week[24 + 8]
    assert by_year(np.ones(3 * 8766)).tolist() == [1.0, 1.0, 1.0]
    assert daily_load(made_up(BOOK), 100)[45] == 4
    assert on_place(made_up(BOOK).book)[0].tolist() == [30.0, 60.0]
