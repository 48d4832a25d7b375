"""A small sweep: the same patients under every combination of settings, one folder each, collected into one table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from sim.experiments import runner
from sim.experiments.average import average, check_weights, weights_of
from sim.experiments.differences import lives_of, paired_measures
from sim.experiments.folders import point_latest, settings_hash
from sim.experiments.run import Simulation
from sim.problems import Problem

if TYPE_CHECKING:
    from sim.compose import Job

RECORD: Final = "sweep.json"


def sweep(jobs: Sequence[Job]) -> Path:
    """Run every job in its own folder below one, then collect.

    Parameters
    ----------
    jobs
        Composed and checked jobs (`sim.compose.jobs_from`).

    Returns
    -------
    pathlib.Path
        The folder with ``0/``, ``1/``, ..., ``sweep.csv`` (summaries, with job and overrides) and ``sweep_paired.csv``
        (each policy against the same policy of job 0, or against that job's reference, on the same patients). Where
        ``calibration.weights`` are declared, ``sweep_average.csv`` and ``sweep_average_nmb.csv`` too.

    Raises
    ------
    Problem
        When the folder holds something else, a structure with a weight is not run, or weights vary.
    """
    if jobs[0].settings.experiment != "calibrate":
        check_weights(jobs)
    record: dict[str, object] = {"program": "cartwin", "experiment": "sweep", "jobs": [_recorded(job) for job in jobs]}
    folder = _folder(jobs, record)
    for job in jobs:  # whatever is wrong with any of them is said before anything is written
        Simulation(job.settings, journal=False)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    quiet = jobs[0].settings.quiet
    for number, job in enumerate(jobs):
        settings = job.settings.model_copy(update={"out": str(folder / str(number)), "quiet": True})
        runner(settings.experiment)(settings)
        if not quiet:
            print(f"job {number + 1} of {len(jobs)}: {' '.join(job.overrides)} -> {folder / str(number)}", flush=True)
    collect(jobs, folder)
    if jobs[0].settings.out is None:
        point_latest(folder)
    return folder


def _recorded(job: Job) -> dict[str, object]:
    return {"overrides": list(job.overrides), "settings": settings_hash(job.settings)}


def _folder(jobs: Sequence[Job], record: dict[str, object]) -> Path:
    settings = jobs[0].settings
    text = json.dumps([record, [job.settings.experiment for job in jobs]], sort_keys=True)
    folder = Path(settings.out or Path("outputs") / "sweep" / hashlib.sha256(text.encode()).hexdigest()[:12])
    if len({job.settings.out for job in jobs}) > 1:
        raise Problem("out: each job gets its own folder below out, so out itself cannot vary")
    if folder.exists() and not folder.is_dir():
        raise Problem(f"out={folder}: is a file; choose a folder with out=DIR")
    if folder.is_dir() and any(folder.iterdir()) and _record_in(folder) != record:
        raise Problem(f"out={folder}: holds something else than this sweep; choose a new folder with out=DIR")
    return folder


def _record_in(folder: Path) -> object:
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def collect(jobs: Sequence[Job], folder: Path) -> None:
    """Put the jobs' summaries into ``sweep.csv`` and pair the jobs' patients into ``sweep_paired.csv``."""
    places = [folder / str(number) for number in range(len(jobs))]
    if not all((place / "summary.csv").exists() for place in places):
        return
    summary = pd.concat(
        [_labelled(pd.read_csv(place / "summary.csv"), jobs, number) for number, place in enumerate(places)]
    )
    summary.to_csv(folder / "sweep.csv", index=False)
    if weights_of(jobs):
        for name, file in (("summary.csv", "sweep_average.csv"), ("nmb.csv", "sweep_average_nmb.csv")):
            if all((place / name).exists() for place in places):
                tables = {number: pd.read_csv(place / name) for number, place in enumerate(places)}
                average(tables, jobs).to_csv(folder / file, index=False)
    if all((place / "replications.csv").exists() for place in places):
        differences = paired_hospitals(jobs, places)
        differences.to_csv(folder / "sweep_paired.csv", index=False)
    elif _same_patients(places):
        differences = paired(jobs, places)
        differences.to_csv(folder / "sweep_paired.csv", index=False)


def _labelled(frame: pd.DataFrame, jobs: Sequence[Job], number: int) -> pd.DataFrame:
    """Put job, overrides, and a column for each key that varies before a frame."""
    frame = frame.copy()
    values = dict(text.lstrip("+").split("=", 1) for text in jobs[number].overrides)
    columns: dict[str, int | str] = {"job": number, "overrides": " ".join(jobs[number].overrides), **values}
    for place, (name, value) in enumerate(columns.items()):
        frame.insert(place, f"{name}=" if name in frame.columns else name, value)
    return frame


def _same_patients(places: Sequence[Path]) -> bool:
    """Tell whether all jobs kept their patients, and equally many."""
    if len(places) < 2 or not all((place / "patients.parquet").exists() for place in places):
        return False
    counts = {json.loads((place / "manifest.json").read_text(encoding="utf-8"))["n"] for place in places}
    return len(counts) == 1


def paired(jobs: Sequence[Job], places: Sequence[Path]) -> pd.DataFrame:
    """Compare each job's policies with job 0 on the same patients.

    Returns
    -------
    pandas.DataFrame
        Columns of ``paired.csv`` behind job and overrides, and ``reference_job``; ``reference`` is the same policy in
        job 0 or, where job 0 has none of that name, job 0's reference policy. Measures that rest on what
        ``patients.parquet`` does not hold (MRD at month 3) are left out.
    """
    frames = []
    first = jobs[0].settings
    for number in range(1, len(jobs)):
        settings = jobs[number].settings
        for policy in sorted(settings.policy):
            reference = policy if policy in first.policy else first.reference_policy
            ours, theirs = lives_of(places[number], policy), lives_of(places[0], reference)
            frame = paired_measures(ours, theirs, settings.origin, settings.horizon_years)
            frames.append(_labelled(frame.assign(policy=policy, reference=reference, reference_job=0), jobs, number))
    return pd.concat(frames) if frames else pd.DataFrame()


def paired_hospitals(jobs: Sequence[Job], places: Sequence[Path]) -> pd.DataFrame:
    """Compare each job's policies with job 0 replication by replication (see `paired`)."""
    from sim.experiments.capacity import compare

    numbers = [pd.read_csv(place / "replications.csv") for place in places]
    first = jobs[0].settings
    frames = []
    for number in range(1, len(jobs)):
        for policy in sorted(jobs[number].settings.policy):
            reference = policy if policy in first.policy else first.reference_policy
            ours, theirs = numbers[number], numbers[0]
            frame = compare(ours[ours["policy"] == policy], theirs[theirs["policy"] == reference])
            frame = frame.assign(policy=policy, reference=reference, reference_job=0)
            frames.append(_labelled(frame, jobs, number))
    return pd.concat(frames) if frames else pd.DataFrame()
