"""What policies do to a hospital over the years: waits, queues, occupancy, losses in line; and what would help."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from sim.clinic.events import POOLS
from sim.experiments.compare import manifest, write_config, write_parameters
from sim.experiments.folders import point_latest, run_folder, written_whole
from sim.experiments.progress import progress
from sim.experiments.replications import LONGEST_WARM_UP, Replicator, longest_warm_up, replicate
from sim.experiments.run import Block
from sim.experiments.what_if import answers, check
from sim.hospital.arrivals import read_days
from sim.hospital.measures import (
    Window,
    World,
    course_of_time,
    daily_load,
    flow,
    measure,
    one_week,
    wait_quantiles,
    warm_up_days,
)
from sim.problems import Problem
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

#: Shares of the waits whose quantiles are written.
SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)


class Study(NamedTuple):
    """Replications of one hospital.

    Attributes
    ----------
    window
        The days observed.
    numbers
        Columns policy, replication, stratum, measure, value.
    waits, times, flows
        Frames as written (see `docs/hospital.md`).
    first
        The first replication, whole, by policy.
    """

    window: Window
    numbers: pd.DataFrame
    waits: pd.DataFrame
    times: pd.DataFrame
    flows: pd.DataFrame
    first: dict[str, World]


def run(settings: Any) -> Path:
    """Run the hospital of the settings and write what it did.

    Returns
    -------
    pathlib.Path
        The folder that holds ``summary.csv``, ``replications.csv``, ``paired.csv``, ``waits.csv``, ``times.csv``,
        ``flow.csv``, ``week.csv``, ``what_if.csv`` where a question was asked, ``journal.parquet``,
        ``patients.parquet`` and ``places.parquet`` of the first replication, ``figures/`` and ``report.html``.

    Raises
    ------
    Problem
        When nobody arrives.
    """
    if settings.hospital.arrivals.per_year is None and settings.hospital.arrivals.file is None:
        raise Problem("hospital.arrivals.per_year: how many come? for example arrivals.per_year=60")
    check(settings)
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        study_into(settings, scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def study_into(settings: Any, folder: Path) -> None:
    """Run the replications and write their frames into `folder`."""
    from sim.experiments.compare import illustrate

    started = time.perf_counter()
    warnings = list(impossible(settings))
    study = run_study(settings, quiet=settings.quiet)
    warnings += [*overloaded(study, settings), *deserted(study, settings)]
    seconds = time.perf_counter() - started
    write_frames(study, settings, folder)
    asked = answers(settings, study)
    if asked is not None:
        asked.to_csv(folder / "what_if.csv", index=False, float_format="%.10g")
    write_first(study, settings, folder)
    write_parameters(settings, folder)
    write_config(settings, folder)
    lives = sum(len(world.lives) for world in study.first.values()) * settings.replications // len(study.first)
    record = manifest(settings, lives, seconds) | {
        "window_days": [study.window.start, study.window.stop],
        "replications": settings.replications,
        "warnings": warnings,
    }
    (folder / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    illustrate(folder)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def run_study(settings: Any, *, quiet: bool = True, window: Window | None = None) -> Study:
    """Run all replications of a hospital and measure them.

    Parameters
    ----------
    settings
        Validated settings.
    quiet
        Show no progress.
    window
        The days to observe; None: after the warm-up given or detected.
    """
    worlds = []
    with progress(settings.replications, "replications", quiet=quiet) as advance:
        for world in replicate(settings, settings.replications):
            worlds.append(world)
            advance(1)
    window = window or observed(settings, worlds)
    return Study(
        window,
        _numbers(settings, worlds, window),
        _waits(worlds, window),
        _times(worlds, window),
        _flows(worlds, window),
        worlds[0],
    )


def observed(settings: Any, worlds: list[dict[str, World]]) -> Window:
    """Choose the days to observe: after the warm-up, given, or detected in whole years (that of the slowest policy)."""
    warm_up = longest_warm_up(settings)
    if settings.warm_up_years is None:
        days = int((LONGEST_WARM_UP + settings.years) * DAYS_PER_YEAR)
        latest = int(LONGEST_WARM_UP * DAYS_PER_YEAR)
        found = 0
        for policy in worlds[0]:
            load = np.mean([daily_load(world[policy], days) for world in worlds], axis=0)
            found = max(found, warm_up_days(load, latest))
        warm_up = float(min(LONGEST_WARM_UP, math.ceil(found / DAYS_PER_YEAR)))
    start = warm_up * DAYS_PER_YEAR
    return Window(start, start + settings.years * DAYS_PER_YEAR)


def _numbers(settings: Any, worlds: list[dict[str, World]], window: Window) -> pd.DataFrame:
    rows = [
        (policy, replication, *found)
        for replication, world in enumerate(worlds)
        for policy in world
        for found in measure(world[policy], window, settings.what_if.target_days)
    ]
    return pd.DataFrame(rows, columns=["policy", "replication", "stratum", "measure", "value"])


def _waits(worlds: list[dict[str, World]], window: Window) -> pd.DataFrame:
    rows = []
    for policy in sorted(worlds[0]):
        found = [wait_quantiles(world[policy], window, SHARES) for world in worlds]
        for line in found[0]:
            values = np.array([quantiles[line] for quantiles in found])
            for share, column in zip(SHARES, values.T, strict=True):
                rows.append((policy, line, share, *_interval(column)))
    return pd.DataFrame(rows, columns=["policy", "line", "share", "days", "mc_se", "low", "high"])


def _times(worlds: list[dict[str, World]], window: Window) -> pd.DataFrame:
    rows = []
    for policy in sorted(worlds[0]):
        found = [list(course_of_time(world[policy], window)) for world in worlds]
        for place, (pool, kind, by, _) in enumerate(found[0]):
            values = np.array([one[place][3] for one in found])
            for step, column in enumerate(values.T):
                rows.append((policy, pool, kind, by, step, *_interval(column)))
    return pd.DataFrame(rows, columns=["policy", "pool", "kind", "by", "step", "mean", "mc_se", "low", "high"])


def _flows(worlds: list[dict[str, World]], window: Window) -> pd.DataFrame:
    rows = []
    for policy in sorted(worlds[0]):
        found = [flow(world[policy], window) for world in worlds]
        for source, target in found[0]:
            mean = float(np.mean([one[source, target] for one in found]))
            rows.append((policy, source, target, mean / window.years))
    return pd.DataFrame(rows, columns=["policy", "source", "target", "per_year"])


def _interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Give mean, its standard error, and the 95 % interval by Student's t; NaN is left out."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return math.nan, math.nan, math.nan, math.nan
    mean = float(values.mean())
    if len(values) == 1:
        return mean, math.nan, math.nan, math.nan
    from scipy.special import stdtrit

    error = float(values.std(ddof=1) / math.sqrt(len(values)))
    reach = float(stdtrit(len(values) - 1, 0.975)) * error
    return mean, error, mean - reach, mean + reach


def unit_of(name: str) -> str:
    """Give the unit of a measure."""
    if name.startswith(("life_years", "qalys")):
        return "years"
    if name == "cost":
        return "money"
    if name in ("infused", "infused_in_time", "in_time") or name.endswith("_share"):
        return "proportion"
    if name.startswith(("utilisation_", "waited_", "left_line_")):
        return "proportion"
    if name.startswith("wait_"):
        return "days"
    if name.startswith(("queue_", "occupancy_")) or name == "referred":
        return "count"
    return "per year"


def summarise(numbers: pd.DataFrame) -> pd.DataFrame:
    """Average over replications: columns policy, stratum, measure, months, value, mc_se, low, high, unit."""
    rows = []
    for (policy, stratum, name), part in numbers.groupby(["policy", "stratum", "measure"], sort=False):
        rows.append((policy, stratum, name, math.nan, *_interval(part["value"].to_numpy()), unit_of(str(name))))
    columns = ["policy", "stratum", "measure", "months", "value", "mc_se", "low", "high", "unit"]
    return pd.DataFrame(rows, columns=columns).sort_values("policy", kind="stable")


def compare(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Subtract two sets of numbers replication by replication: the same patients, another policy or hospital.

    Returns
    -------
    pandas.DataFrame
        Columns stratum, measure, months, difference, mc_se, low, high, unpaired_se, variance_reduction, unit.
    """
    keys = ["stratum", "measure"]
    one = ours.pivot_table(index=keys, columns="replication", values="value", sort=False, dropna=False)
    two = theirs.pivot_table(index=keys, columns="replication", values="value", sort=False, dropna=False)
    rows = []
    for key in one.index.intersection(two.index, sort=False):
        a, b = one.loc[key].to_numpy(dtype=float), two.loc[key].to_numpy(dtype=float)
        difference, error, low, high = _interval(a - b)
        unpaired = math.hypot(_interval(a)[1], _interval(b)[1])
        gain = 1.0 - (error / unpaired) ** 2 if unpaired > 0.0 else math.nan
        rows.append((*key, math.nan, difference, error, low, high, unpaired, gain, unit_of(key[1])))
    columns = [*keys, "months", "difference", "mc_se", "low", "high", "unpaired_se", "variance_reduction", "unit"]
    return pd.DataFrame(rows, columns=columns)


def paired(numbers: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Compare every policy with the reference in the same worlds."""
    theirs = numbers[numbers["policy"] == reference]
    frames = []
    for policy, part in numbers.groupby("policy", sort=True):
        if policy != reference:
            frame = compare(part, theirs)
            frame.insert(0, "reference", reference)
            frame.insert(0, "policy", policy)
            frames.append(frame)
    if not frames:
        return pd.DataFrame()
    return pd.concat(frames, ignore_index=True).assign(nnt=math.nan, gain=math.nan, lose=math.nan, same=math.nan)


def write_frames(study: Study, settings: Any, folder: Path) -> None:
    """Write the frames of a study."""
    frames = {
        "summary": summarise(study.numbers),
        "replications": study.numbers.sort_values("policy", kind="stable"),
        "waits": study.waits,
        "times": study.times,
        "flow": study.flows,
    }
    pairs = paired(study.numbers, settings.reference_policy)
    if len(pairs):
        frames["paired"] = pairs
    rows = [
        (policy, *row)
        for policy in sorted(study.first)
        for row in one_week(study.first[policy], busiest_week(study.first[policy], study.window))
    ]
    frames["week"] = pd.DataFrame(rows, columns=["policy", "pool", "patient", "asked", "granted", "left"])
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")


def busiest_week(world: World, window: Window) -> float:
    """Find the Monday of the week in which most patients are on a ward, in intensive care or in line for either."""
    shown = np.isin(world.book["pool"], [POOLS.index(name) for name in ("ward", "icu", "hct")])
    book = world.book[shown]
    weeks = np.arange(math.ceil(window.start / 7.0), max(math.ceil(window.start / 7.0) + 1, int(window.stop / 7.0)))
    begin, end = np.sort(book["asked"]), np.sort(book["left"])
    present = np.searchsorted(begin, 7.0 * weeks + 7.0) - np.searchsorted(end, 7.0 * weeks)
    return float(7.0 * weeks[int(np.argmax(present))])


def write_first(study: Study, settings: Any, folder: Path) -> None:
    """Write patients, journal and book of the first replication."""
    from sim.experiments.gathering import Journals, Patients

    block = Block(0, {})
    for policy, world in study.first.items():
        block.lives[policy], block.rows[policy], block.first_row[policy] = world.lives, world.rows, world.first_row
    for rows in (Patients(settings), Journals(settings)):
        rows.add(block)
        rows.write(folder / f"{rows.kind}.parquet")
    frames = []
    for policy in sorted(study.first):
        frame = pd.DataFrame(study.first[policy].book)
        frame["pool"] = np.array(POOLS)[frame["pool"]]
        frame.insert(0, "policy", policy)
        frames.append(frame)
    pd.concat(frames).to_parquet(folder / "places.parquet", index=False)


# --- hospitals that cannot work


def impossible(settings: Any) -> Iterator[str]:
    """Name what this hospital can never do."""
    outcome = {
        "apheresis": "nobody can be collected, so nobody is infused",
        "manufacturing": "no product can be made, so nobody is infused",
        "ward": "nobody can be admitted, so nobody is infused; acute illness is treated elsewhere",
        "icu": "whoever needs intensive care is moved to another hospital",
        "hct": "nobody is transplanted",
        "donor_search": "no search for an unrelated donor begins, and who needs one is not transplanted",
        "oncology": "salvage and reinfusions are given elsewhere, after the wait",
    }
    for centre in list(settings.hospital.centres) or [None]:
        where = "hospital.pools" if centre is None else f"hospital.centres.{centre}.pools"
        for name, places in settings.hospital.capacities(centre).items():
            if places == 0:
                yield f"{where}.{name}=0: {outcome[name]}"


def overloaded(study: Study, settings: Any) -> Iterator[str]:
    """Name the pools whose line grows for as long as patients come."""
    means = study.numbers.groupby(["policy", "measure"], sort=True)["value"].mean()
    for policy in sorted(settings.policy):
        for name in POOLS:
            used = means.get((policy, f"utilisation_{name}"), 0.0)
            if used > 0.98:
                yield f"{policy}: {name} is used at {100 * used:.0f} %; its line grows for as long as patients come"


def deserted(study: Study, settings: Any) -> Iterator[str]:
    """Say when a file of arrivals ends long before the days observed do."""
    file = settings.hospital.arrivals.file
    last = float(read_days(file)[-1]) if file is not None else math.inf
    if last < study.window.stop - DAYS_PER_MONTH:
        yield (
            f"hospital.arrivals.file={file}: nobody comes after day {last:.0f}, and days {study.window.start:.0f} to "
            f"{study.window.stop:.0f} are observed; choose fewer years, or a shorter warm_up_years"
        )


# --- on the screen


__all__ = ["Replicator", "compare", "paired", "run", "run_study", "summarise"]
