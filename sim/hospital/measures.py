"""What a hospital did: waits, queues, occupancy, losses in line, diversions, throughput.

Everything is computed from the book of places, the lives and the journal of one replication; intervals are taken on the
hospital's clock, and cut to the window that is observed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from sim import journal as j
from sim.units import DAYS_PER_YEAR

HOURS: Final = 24
WEEK_HOURS: Final = 168
#: Causes of `not_infused` that keep a patient away from the hospital: no CAR T intended, never referred.
_NEVER_CAME: Final = (1, 2)
#: Attributes by which waiting is reported: name, field, and the words for 0 and 1.
STRATA: Final = (
    ("distance", "distance", ("near", "far away")),
    ("poverty", "poverty", ("not poor", "poor")),
    ("insurance", "uninsured", ("insured", "uninsured")),
)


@dataclass(frozen=True)
class World:
    """One replication under one policy.

    Attributes
    ----------
    pools
        Names of the pools, in the order of their numbers.
    capacities
        Places by pool over all centres; None: unlimited.
    arrivals
        Day of arrival of each patient, shape (n,).
    lives, rows, first_row, book
        What the engine gave; the times of rows and lives count from arrival, those of the book on the hospital's clock.
    worth
        Each patient's cost, QALYs and life-years, discounted to arrival; empty without economics.
    """

    pools: Sequence[str]
    capacities: dict[str, int | None]
    arrivals: np.ndarray
    lives: np.ndarray
    rows: np.ndarray
    first_row: np.ndarray
    book: np.ndarray
    worth: Mapping[str, np.ndarray] = field(default_factory=dict)

    def owners(self) -> np.ndarray:
        """Give the patient of each journal row."""
        return np.repeat(np.arange(len(self.lives)), np.diff(self.first_row))

    def at(self, event: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give patient, time on the hospital's clock and detail of each row of one kind of event."""
        chosen = self.rows["event"] == event
        owners = self.owners()[chosen]
        return owners, self.arrivals[owners] + self.rows["start"][chosen], self.rows["detail"][chosen]


@dataclass(frozen=True)
class Window:
    """The days that are observed."""

    start: float
    stop: float

    @property
    def days(self) -> float:
        """Length."""
        return self.stop - self.start

    @property
    def years(self) -> float:
        """Length in years."""
        return self.days / DAYS_PER_YEAR

    def holds(self, times: np.ndarray) -> np.ndarray:
        """Tell which times lie inside."""
        return np.asarray((times >= self.start) & (times < self.stop))

    def mean_present(self, begin: np.ndarray, end: np.ndarray) -> float:
        """Average over time the number of intervals that are open."""
        open_days = np.minimum(end, self.stop) - np.maximum(begin, self.start)
        return float(np.maximum(open_days, 0.0).sum() / self.days)


# --- intervals of the book


def in_line(book: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give when each request stood in line: from asking until the place came or the line was left."""
    return book["asked"], np.minimum(book["granted"], book["left"])


def on_place(book: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give when each request had a place; those that never got one are left out."""
    got = np.isfinite(book["granted"])
    return book["granted"][got], book["left"][got]


def hourly(begin: np.ndarray, end: np.ndarray, window: Window) -> np.ndarray:
    """Count the open intervals at the middle of every hour of the window, shape (hours,)."""
    hours = int(window.days * HOURS)

    def counted(times: np.ndarray) -> np.ndarray:
        index = np.ceil((np.asarray(times) - window.start) * HOURS - 0.5)
        index = np.clip(index, 0.0, float(hours)).astype(np.int64)
        return np.cumsum(np.bincount(index, minlength=hours + 1)[:hours])

    return np.asarray(counted(begin) - counted(end))


def daily_load(world: World, days: int) -> np.ndarray:
    """Count who is on a place or in line anywhere, at noon of every day, shape (days,): what warm-up is judged by."""
    begin, end = world.book["asked"], world.book["left"]
    noons = np.arange(days) + 0.5
    arrived = np.searchsorted(np.sort(begin), noons, side="right")
    gone = np.searchsorted(np.sort(end), noons, side="right")
    return np.asarray(arrived - gone, dtype=float)


def warm_up_days(series: np.ndarray, latest: int) -> int:
    """Find where the transient beginning ends: MSER, the cut that leaves the smallest standard error of the mean.

    Parameters
    ----------
    series
        Load by day, averaged over replications, shape (days,).
    latest
        The cut comes no later.

    Returns
    -------
    int
        Days to leave out. White, MSER-5 (Simulation 1997), without its blocks of five.
    """
    n = len(series)
    left = n - np.arange(n)
    total = np.cumsum(series[::-1])[::-1]
    squares = np.cumsum((series * series)[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (squares - total * total / left) / (left * left)
    return int(np.argmin(spread[: max(1, min(latest, n // 2) + 1)]))


# --- numbers of one replication


def measure(world: World, window: Window, target_days: float) -> Iterator[tuple[str, str, float]]:
    """Compute every measure of one replication.

    Yields
    ------
    tuple of str, str, float
        Stratum, name and value; NaN where nobody gives one.
    """
    counted = window.holds(world.arrivals)
    yield from _people(world, window, counted, target_days, "all")
    for name, attribute, words in STRATA:
        for code, word in enumerate(words):
            part = counted & (world.lives[attribute] == code)
            yield from _way_to_infusion(world, part, target_days, f"{name}: {word}")
    for number, pool in enumerate(world.pools):
        yield from _pool(world, window, number, pool)


def _people(
    world: World, window: Window, counted: np.ndarray, target_days: float, stratum: str
) -> Iterator[tuple[str, str, float]]:
    lives, years = world.lives, window.years
    yield stratum, "arrivals", counted.sum() / years
    yield from _way_to_infusion(world, counted, target_days, stratum)
    infused = world.arrivals + lives["t_infusion"]
    yield stratum, "infusions", window.holds(infused[np.isfinite(infused)]).sum() / years
    yield stratum, "transplants", window.holds(world.at(j.HCT)[1]).sum() / years
    yield stratum, "expired", window.holds(world.at(j.PRODUCT_EXPIRED)[1]).sum() / years
    _, when, pool = world.at(j.DIVERTED)
    inside = window.holds(when)
    for number, name in enumerate(world.pools):
        yield stratum, f"diverted_{name}", (inside & (pool == number)).sum() / years
    yield from _losses(world, window)
    days = lives["t_death"][counted]
    yield stratum, "life_years", _mean(days / DAYS_PER_YEAR)
    for name, values in world.worth.items():
        yield stratum, name, _mean(values[counted])


def _way_to_infusion(
    world: World, counted: np.ndarray, target_days: float, stratum: str
) -> Iterator[tuple[str, str, float]]:
    """Say who gets the cells, and when: of those who were referred."""
    lives = world.lives
    came = counted & ~np.isin(lives["not_infused"], _NEVER_CAME)
    wait = lives["t_infusion"][came]
    got = np.isfinite(wait)
    yield stratum, "referred", float(came.sum())
    yield stratum, "infused", _mean(got)
    yield stratum, "infused_in_time", _mean(wait <= target_days)
    yield stratum, "in_time", _mean(wait[got] <= target_days)
    yield stratum, "wait_infusion_mean", _mean(wait[got])
    for share in (50, 90):
        yield stratum, f"wait_infusion_p{share}", float(np.percentile(wait[got], share)) if got.any() else np.nan
    yield stratum, "died_waiting_share", _mean(lives["cause"][came] == 6)
    yield stratum, "lost_waiting_share", _mean(np.isin(lives["not_infused"][came], (3, 4)))


def _losses(world: World, window: Window) -> Iterator[tuple[str, str, float]]:
    """Count deaths in any line, and transplants lost to relapse in line, per year."""
    lives, years = world.lives, window.years
    deaths = world.arrivals + lives["t_death"]
    yield "all", "deaths_before_infusion", window.holds(deaths[lives["cause"] == 6]).sum() / years
    in_vain = np.isinf(world.book["granted"]) & window.holds(world.book["left"])
    lost = world.book[in_vain]
    died = np.abs(world.arrivals[lost["patient"]] + lives["t_death"][lost["patient"]] - lost["left"]) < 1e-6
    hct = lost["pool"] == list(world.pools).index("hct")
    yield "all", "deaths_in_line", len(np.unique(lost["patient"][died])) / years
    yield "all", "deaths_awaiting_hct", (hct & died).sum() / years
    when, pool = world.at(j.DIVERTED)[1:]
    given_up = window.holds(when[pool == list(world.pools).index("hct")]).sum()
    yield "all", "relapses_awaiting_hct", ((hct & ~died).sum() - given_up) / years


def _pool(world: World, window: Window, number: int, name: str) -> Iterator[tuple[str, str, float]]:
    book = world.book[world.book["pool"] == number]
    begin, end = in_line(book)
    inside = window.holds(book["asked"])
    got = np.isfinite(book["granted"])
    wait = (book["granted"] - book["asked"])[inside & got]
    yield "all", f"requests_{name}", inside.sum() / window.years
    yield "all", f"wait_{name}_mean", _mean(wait)
    for share in (50, 90):
        yield "all", f"wait_{name}_p{share}", float(np.percentile(wait, share)) if len(wait) else np.nan
    yield "all", f"waited_{name}", _mean(end[inside] - begin[inside] > 0.0)
    yield "all", f"left_line_{name}", _mean(~got[inside])
    yield "all", f"queue_{name}", window.mean_present(begin, end)
    used = window.mean_present(*on_place(book))
    yield "all", f"occupancy_{name}", used
    places = world.capacities.get(name)
    if places:
        yield "all", f"utilisation_{name}", used / places


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


# --- distributions and courses of time


def wait_quantiles(world: World, window: Window, shares: Sequence[float]) -> dict[str, np.ndarray]:
    """Give quantiles of the wait in each line, and from referral to infusion; NaN where nobody waited."""
    inside = window.holds(world.book["asked"]) & np.isfinite(world.book["granted"])
    found: dict[str, Any] = {}
    for number, name in enumerate(world.pools):
        book = world.book[inside & (world.book["pool"] == number)]
        found[name] = book["granted"] - book["asked"]
    waits = world.lives["t_infusion"][window.holds(world.arrivals)]
    found["infusion"] = waits[np.isfinite(waits)]
    return {
        name: np.quantile(wait, shares) if len(wait) else np.full(len(shares), np.nan) for name, wait in found.items()
    }


def course_of_time(world: World, window: Window) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Average occupancy and queue by hour of the week and by year.

    Yields
    ------
    tuple of str, str, str, numpy.ndarray
        Pool, what is counted (``places`` or ``queue``), by what (``hour_of_week`` or ``year``), and the means.
    """
    first = int(round(window.start * HOURS)) % WEEK_HOURS
    for number, name in enumerate(world.pools):
        book = world.book[world.book["pool"] == number]
        for kind, (begin, end) in (("places", on_place(book)), ("queue", in_line(book))):
            counts = hourly(begin, end, window)
            yield name, kind, "hour_of_week", by_hour_of_week(counts, first)
            yield name, kind, "year", by_year(counts)


def by_hour_of_week(counts: np.ndarray, first: int) -> np.ndarray:
    """Average hourly counts by hour of the week; ``first`` is the first count's hour."""
    hour = (np.arange(len(counts)) + first) % WEEK_HOURS
    many = np.bincount(hour, minlength=WEEK_HOURS)
    return np.asarray(np.bincount(hour, weights=counts, minlength=WEEK_HOURS) / np.maximum(many, 1))


def by_year(counts: np.ndarray) -> np.ndarray:
    """Average hourly counts by year of the window; a last part of less than half a year joins the one before."""
    length = int(DAYS_PER_YEAR * HOURS)
    years = max(1, round(len(counts) / length))
    return np.array([part.mean() for part in np.split(counts, [length * k for k in range(1, years)])])


def flow(world: World, window: Window) -> dict[tuple[str, str], int]:
    """Count the patients who arrived in the window by where they went: (from, to) -> patients."""
    lives = world.lives[window.holds(world.arrivals)]
    found: dict[tuple[str, str], int] = {}

    def add(source: str, target: str, chosen: np.ndarray) -> None:
        found[source, target] = int(chosen.sum())

    everybody = np.ones(len(lives), dtype=bool)
    never = np.isin(lives["not_infused"], _NEVER_CAME)
    collected = np.isfinite(lives["t_apheresis"])
    infused = np.isfinite(lives["t_infusion"])
    responded = lives["cr"] == 1
    transplanted = np.isfinite(lives["t_hct"])
    relapsed = np.isfinite(lives["t_relapse"])
    add("arrived", "never referred", never)
    add("arrived", "apheresis", collected & ~never)
    add("arrived", "lost before apheresis", everybody & ~never & ~collected)
    add("apheresis", "infused", collected & infused)
    add("apheresis", "lost before infusion", collected & ~infused)
    add("infused", "remission", infused & responded)
    add("infused", "no remission", infused & ~responded)
    add("remission", "transplant", responded & transplanted)
    add("remission", "relapse", responded & ~transplanted & relapsed)
    add("remission", "no relapse", responded & ~transplanted & ~relapsed)
    add("transplant", "relapse", responded & transplanted & relapsed)
    add("transplant", "no relapse", responded & transplanted & ~relapsed)
    return found


def one_week(world: World, start: float, days: float = 7.0) -> list[tuple[str, int, float, float, float]]:
    """List who was in line or on a place in one week: pool, patient, asked, granted, left (clipped to the week)."""
    book = world.book[(world.book["asked"] < start + days) & (world.book["left"] > start)]
    rows = []
    for row in book:
        times = (float(np.clip(row[name] - start, 0.0, days)) for name in ("asked", "granted", "left"))
        rows.append((world.pools[row["pool"]], int(row["patient"]), *times))
    return rows
