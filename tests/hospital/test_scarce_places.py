"""The pathway in a hospital with few places: both engines, its laws, and the same biology in every hospital."""

from __future__ import annotations

import functools
import heapq
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from lawbook import Watch
from support import NEVER, World, attributes_of, live, settings_of

from sim import journal as j
from sim.clinic.events import POOL_HCT, POOL_ICU, POOLS
from sim.draws import uniforms
from sim.engine.places import Book
from sim.engine.ward import run_ward
from sim.experiments.inputs import as_record, kernel_values
from sim.experiments.run import PATHWAY
from sim.hospital.opening import open_hours

N = 250
SCARCE = {"apheresis": 1, "manufacturing": 4, "ward": 2, "icu": 1, "hct": 1, "donor_search": 1, "oncology": 1}
DAYS = np.cumsum(-6.0 * np.log(uniforms(3, np.arange(N), 500)))
HOURS = {"apheresis": open_hours("mon-fri 8-16"), "hct": open_hours("mon,thu 0-24")}
SETTINGS = settings_of("cohort=eliana")
LATE_SEARCH = SETTINGS.with_value("clinic.supportive.upfront_search", 0)


def together(engine: str, policy: str, settings: Any = SETTINGS, book: Book | None = None, **options: Any) -> World:
    """Let patients share a hospital."""
    options = {"capacities": SCARCE, "arrivals": DAYS, **options}
    if engine == "simpy":
        return live(settings, policy, N, engine="simpy", book=book, **options)
    values = as_record(kernel_values(settings, policy))
    return World(*run_ward(PATHWAY, attributes_of(settings, 0, N), values, seed=settings.seed, book=book, **options))


@functools.cache
def scarce(policy: str) -> tuple[World, np.ndarray]:
    """Lives and book of the crowded hospital, from the compiled ward."""
    book = Book()
    return together("ward", policy, book=book), book.rows


def agree(policy: str, **options: Any) -> None:
    books = Book(), Book()
    one, two = (together(e, policy, book=b, **options) for e, b in zip(("simpy", "ward"), books, strict=True))
    assert one.bytes() == two.bytes()
    assert books[0].rows.tobytes() == books[1].rows.tobytes()


@pytest.mark.parametrize("policy", ["hct_for_all", "reinfusion", "selective_plus"])
def test_compiled_and_simpy_agree_where_places_bind(policy: str) -> None:
    agree(policy)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["watch", "hybrid", "maintenance", "ngs_guided", "trial_practice", "no_car"])
def test_they_agree_under_the_other_policies_too(policy: str) -> None:
    agree(policy)
    agree(policy, openings=HOURS, horizon=900.0)


def test_they_agree_with_opening_hours_horizons_and_a_late_search() -> None:
    agree("hct_for_all", openings=HOURS, horizon=700.0)
    agree("selective", settings=LATE_SEARCH)
    agree("hct_for_all", arrivals=np.floor(DAYS / 7.0) * 7.0)


@pytest.mark.parametrize("policy", ["hct_for_all", "hybrid"])
def test_room_for_everybody_is_the_batch_byte_for_byte(policy: str) -> None:
    free = live(SETTINGS, policy, N)
    for size in (None, 10**6):
        roomy = together("ward", policy, capacities=dict.fromkeys(POOLS, size), arrivals=None)
        assert roomy.bytes() == free.bytes()


# --- the same patient in every hospital

#: Drawn from the patient alone: no hospital may change them.
BIOLOGY = ("growth", "sanctuary", "ngs_informative")


def test_the_same_biology_in_every_hospital() -> None:
    free, (busy, _) = live(SETTINGS, "hct_for_all", N), scarce("hct_for_all")
    infused = np.isfinite(free.lives["t_infusion"]) & np.isfinite(busy.lives["t_infusion"])
    assert infused.sum() > 50
    for name in attributes_of(SETTINGS, 0, 1).dtype.names:
        assert np.array_equal(free.lives[name], busy.lives[name]), name
    for name in BIOLOGY:
        assert np.array_equal(free.lives[name][infused], busy.lives[name][infused]), name
    assert (busy.lives["t_infusion"] >= free.lives["t_infusion"] - 1e-9)[infused].all(), "waits only get longer"
    on_time = infused & np.isclose(busy.lives["t_infusion"], free.lives["t_infusion"], rtol=0.0, atol=1e-9)
    assert on_time.any()
    assert np.array_equal(free.lives["expansion"][on_time], busy.lives["expansion"][on_time])


def test_a_longer_wait_means_more_burden() -> None:
    free, (busy, _) = live(SETTINGS, "watch", N), scarce("watch")
    infused = np.isfinite(free.lives["t_infusion"]) & np.isfinite(busy.lives["t_infusion"])
    later = (busy.lives["t_infusion"][infused] - free.lives["t_infusion"][infused]) > 30.0
    burden = free.lives["burden_now"][infused]
    grown = busy.lives["burden_now"][infused] - burden
    assert (grown >= -1e-12).all()
    assert later.any()
    assert (grown[later & (burden < -0.3)] > 0.0).all()
    lost = [(world.lives["cause"] == 6).sum() for world in (free, busy)]
    assert lost[1] > lost[0]


# --- laws of the crowded hospital


@pytest.mark.parametrize("policy", ["watch", "hct_for_all"])
def test_places_are_conserved(policy: str) -> None:
    """Never more than there are; whoever waits while the pool is open finds all taken; ends follow beginnings."""
    world, book = scarce(policy)
    assert (book["asked"] <= np.minimum(book["granted"], book["left"])).all()
    assert (book["left"] >= np.where(np.isfinite(book["granted"]), book["granted"], book["asked"])).all()
    assert np.isfinite(book["left"]).all()
    for number, name in enumerate(POOLS):
        mine = book[book["pool"] == number]
        got = mine[np.isfinite(mine["granted"])]
        changes = np.unique(np.concatenate([mine["asked"], got["granted"], mine["left"]]))
        moments = ((changes[:-1] + changes[1:]) / 2.0)[np.diff(changes) > 1e-6]

        def present(begin: np.ndarray, end: np.ndarray, at: np.ndarray = moments) -> np.ndarray:
            return np.searchsorted(np.sort(begin), at) - np.searchsorted(np.sort(end), at)

        used = present(got["granted"], got["left"])
        queue = present(mine["asked"], np.minimum(mine["granted"], mine["left"]))
        assert used.max() <= SCARCE[name], name
        assert (used[queue > 0] == SCARCE[name]).all(), name
    lives = world.lives
    assert lives["wants"].sum() == lives["holds"].sum() == 0
    assert np.isfinite(lives["t_death"]).all()


@pytest.mark.parametrize("policy", ["watch", "hct_for_all"])
def test_no_place_is_idle_while_somebody_waits(policy: str) -> None:
    """Between any two moments of the book: whoever stands in line sees every place of the pool taken."""
    book = scarce(policy)[1]
    waits = 0
    for pool, places in enumerate(SCARCE.values()):
        rows = book[book["pool"] == pool]
        got = rows[np.isfinite(rows["granted"])]
        out_of_line = np.sort(np.minimum(rows["granted"], rows["left"]))
        moments = np.unique(np.concatenate([rows["asked"], out_of_line, rows["left"][np.isfinite(rows["left"])]]))
        between = (0.5 * (moments[1:] + moments[:-1]))[np.diff(moments) > 1e-6]
        taken = np.searchsorted(np.sort(got["granted"]), between) - np.searchsorted(np.sort(got["left"]), between)
        in_line = np.searchsorted(np.sort(rows["asked"]), between) - np.searchsorted(out_of_line, between)
        assert (taken[in_line > 0] == places).all(), POOLS[pool]
        assert taken.max() <= places
        waits += (in_line > 0).sum()
    assert waits > 1000


@pytest.mark.parametrize("pool", ["donor_search", "oncology"])
def test_waits_replayed_by_hand(pool: str) -> None:
    """Where all are equally urgent: who asks first is served first, by the place that is free first (G/G/c).

    Some ask at the same moment (one discharge lets two go on); either may be first then.
    """
    book = scarce("hct_for_all")[1]
    rows = book[book["pool"] == POOLS.index(pool)]
    free = [-np.inf] * SCARCE[pool]
    waited = 0
    for row in rows[np.lexsort((rows["granted"], rows["asked"]))]:
        start = max(row["asked"], free[0])
        if np.isinf(row["granted"]):
            assert row["left"] < start + 1e-6  # left before its turn came
            continue
        assert row["granted"] == pytest.approx(start, abs=1e-6)
        waited += start > row["asked"]
        heapq.heapreplace(free, row["left"])
    assert waited > 3


def test_intensive_care_is_never_refused_in_silence() -> None:
    """Whoever asks for intensive care gets a bed, goes to another hospital, or has no need of it any more."""
    world, book = scarce("watch")
    asked = book[book["pool"] == POOL_ICU]
    refused = asked[~np.isfinite(asked["granted"])]
    diverted = sum(int((chart["event"] == j.DIVERTED).any()) for chart in map(world.chart, set(refused["patient"])))
    assert diverted == len(set(refused["patient"]))
    patience = SETTINGS.clinic.queueing.icu_patience.value
    assert (refused["left"] - refused["asked"] <= patience + 1e-9).all()
    closed = together("ward", "watch", capacities={"icu": 0}, arrivals=None)
    elsewhere = closed.rows[closed.rows["event"] == j.ICU]["detail"]
    assert len(elsewhere) > 20
    assert (elsewhere == 1).all()


def test_the_ward_bed_is_free_while_its_patient_is_in_intensive_care() -> None:
    """No patient has both; and they give the ICU bed back only when they have a bed to go to, or nowhere to go."""
    _, book = scarce("hct_for_all")
    for patient in np.unique(book["patient"][book["pool"] == POOL_ICU]):
        mine = book[(book["patient"] == patient) & np.isfinite(book["granted"])]
        wards = mine[mine["pool"] == POOLS.index("ward")]
        for stay in mine[mine["pool"] == POOL_ICU]:
            overlap = np.minimum(stay["left"], wards["left"]) - np.maximum(stay["granted"], wards["granted"])
            assert (overlap <= 1e-9).all()


def test_sojourns_keep_the_law_of_the_journal() -> None:
    for policy in ("hct_for_all", "reinfusion"):
        watch = Watch()
        together("simpy", policy, pathway=watch.pathway)
        assert watch.complaints == []


# --- nothing at all


@pytest.mark.parametrize("pool", ["apheresis", "manufacturing", "ward"])
def test_without_a_place_nobody_is_infused_and_waiting_kills(pool: str) -> None:
    none = together("ward", "watch", capacities={pool: 0})
    assert (none.lives["t_infusion"] == NEVER).all()
    assert (none.lives["cause"] == 6).sum() > (live(SETTINGS, "watch", N).lives["cause"] == 6).sum()
    assert np.isfinite(none.lives["t_death"]).all()


def test_a_hospital_with_nothing_sends_everybody_elsewhere() -> None:
    none = together("ward", "hct_for_all", capacities=dict.fromkeys(POOLS, 0))
    assert (none.lives["hcts"] == 0).all()
    assert np.isfinite(none.lives["t_death"]).all()
    salvaged = none.rows[none.rows["event"] == j.SALVAGE]
    diverted = none.rows[none.rows["event"] == j.DIVERTED]
    assert len(salvaged) > 20
    assert len(diverted) >= len(salvaged)


# --- more is not less


@pytest.mark.parametrize("pool", ["manufacturing", "ward"])
def test_more_places_wait_less(pool: str) -> None:
    """Mean days to infusion never rise with places; the limit is the hospital without limit."""
    means = []
    for places in (2, 4, 8, None):
        world = together("ward", "watch", capacities={pool: places})
        wait = world.lives["t_infusion"]
        means.append(wait[np.isfinite(wait)].mean())
    assert all(more <= fewer + 1e-9 for fewer, more in pairwise(means))
    free = live(SETTINGS, "watch", N).lives["t_infusion"]
    assert means[-1] == pytest.approx(free[np.isfinite(free)].mean())


def test_urgent_patients_come_first() -> None:
    """By urgency, who is urgent waits less than under first come first served, and who is not waits more."""
    by_arrival = settings_of("cohort=eliana", "hospital.order=arrival")
    from sim.biology.leukaemia import OVERT

    waits = {}
    for name, settings in (("urgency", SETTINGS), ("arrival", by_arrival)):
        book = Book()
        world = together("ward", "watch", settings=settings, capacities={"manufacturing": 3}, book=book)
        pressing = (world.lives["burden"] >= OVERT) | (world.lives["refractory"] == 1)
        rows = book.rows[(book.rows["pool"] == 1) & np.isfinite(book.rows["granted"])]
        rows = rows[world.lives["t_infusion"][rows["patient"]] > rows["granted"] - DAYS[rows["patient"]]]
        wait = rows["granted"] - rows["asked"]
        waits[name] = [wait[pressing[rows["patient"]] == urgent].mean() for urgent in (True, False)]
    assert waits["urgency"][0] < waits["arrival"][0]
    assert waits["urgency"][1] > waits["arrival"][1]


def test_relapse_ends_the_wait_for_a_transplant() -> None:
    """Patients who leave the line for a room without one have relapsed or died at that moment, or gave up."""
    world, book = scarce("hct_for_all")
    lost = book[(book["pool"] == POOL_HCT) & ~np.isfinite(book["granted"])]
    assert len(lost) > 5
    relapsed = 0
    for row in lost:
        chart = world.chart(row["patient"])
        when = row["left"] - DAYS[row["patient"]]
        ends = chart[np.isin(chart["event"], [j.RELAPSE, j.DEATH, j.DIVERTED])]
        end = ends[np.argmin(np.abs(ends["start"] - when))]
        assert abs(end["start"] - when) < 1e-6
        relapsed += end["event"] == j.RELAPSE
    assert relapsed > 5


def test_no_room_in_time_no_transplant() -> None:
    """Whoever waits too long for a room gives up, the journal says so, and the room goes to somebody else."""
    patience = 30.0
    impatient = SETTINGS.with_value("clinic.queueing.hct_patience", patience)
    book = Book()
    world = together("ward", "hct_for_all", impatient, book=book)
    rows = book.rows[book.rows["pool"] == POOL_HCT]
    got = np.isfinite(rows["granted"])
    wait = np.minimum(rows["granted"], rows["left"]) - rows["asked"]
    assert wait.max() < patience + 1e-6
    gave_up = ~got & (wait > patience - 1e-6)
    diverted = world.rows[(world.rows["event"] == j.DIVERTED) & (world.rows["detail"] == POOL_HCT)]
    assert 5 < gave_up.sum() == len(diverted)
    usual, usual_book = scarce("hct_for_all")
    longest = usual_book[usual_book["pool"] == POOL_HCT]
    assert (longest["granted"] - longest["asked"])[np.isfinite(longest["granted"])].max() > patience
    agree_on = (world.rows["event"] == j.HCT).sum(), (usual.rows["event"] == j.HCT).sum()
    assert agree_on[0] > 0.8 * agree_on[1]  # one room is as busy as before
