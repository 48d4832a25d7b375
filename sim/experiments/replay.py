"""One patient's life under every policy, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.experiments.compare import manifest, write_config, write_manifest, write_parameters
from sim.experiments.folders import point_latest, run_folder, written_whole
from sim.experiments.run import Simulation
from sim.problems import Problem


def run(settings: Any) -> Path:
    """Replay patient ``settings.patient`` under every policy.

    Returns
    -------
    pathlib.Path
        The folder with ``journal.parquet``, ``patients.parquet``, ``life.txt``, ``figures/`` and ``report.html``.

    Raises
    ------
    Problem
        When no patient was named, or the cohort has no such patient.
    """
    simulation = Simulation(settings, journal=True)
    number = chosen_patient(settings, simulation.n)
    folder = run_folder(settings)
    folder = folder if settings.out else folder / f"patient-{number}"
    with written_whole(folder, settings) as scratch:
        replay_into(settings, simulation, number, scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def chosen_patient(settings: Any, n: int) -> int:
    """Give the number of the patient to replay."""
    if settings.patient is None:
        raise Problem("patient: name the patient to replay, for example patient=47")
    if settings.cohort.patients is not None and not settings.cohort.resample and settings.patient >= n:
        raise Problem(f"patient={settings.patient}: cohort.patients has {n} rows, numbered 0 to {n - 1}")
    return int(settings.patient)


def replay_into(settings: Any, simulation: Simulation, number: int, folder: Path) -> None:
    """Live the patient's lives and write what happened."""
    from sim.experiments.courses import relived
    from sim.experiments.explorer import write_lives
    from sim.experiments.gathering import Journals, Patients
    from sim.report.frames import Frames
    from sim.report.gallery import figures
    from sim.report.life import life_text
    from sim.report.page import render

    block, courses = relived(simulation, number)
    for rows in (Patients(settings), Journals(settings)):
        rows.add(block)
        rows.write(folder / f"{rows.kind}.parquet")
    write_lives(settings, [block], {number: courses}, {number: "the patient of this replay"}, folder)
    write_parameters(settings, folder)
    write_config(settings, folder)
    record = manifest(settings, 1, 1.0) | {"patient": number}
    for name in ("seconds", "lives_per_second"):
        record.pop(name)
    write_manifest(record, folder)
    frames = Frames.read(folder)
    text = life_text(frames, number)
    (folder / "life.txt").write_text(text, encoding="utf-8")
    if not settings.quiet:
        print(text)
    render(frames, figures(frames, folder / "figures"), folder / "report.html")
