"""The main job: every patient lives under every policy; one folder of answers."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sim import __version__
from sim.evidence import evidence_hash
from sim.experiments.explorer import write_explorer
from sim.experiments.folders import claimed, extended_folder, finishing, point_latest, settings_hash
from sim.experiments.gathering import Accounted, Counted, Gatherer, Journals, Patients, Values, gather
from sim.experiments.moves import write_moves
from sim.experiments.run import Simulation
from sim.experiments.valuing import described, write_accounts, write_life_expectancy
from sim.kernel import kernel_hash
from sim.tally.counts import Tally

#: Up to this many lives the journal and the patient table are written by default.
JOURNAL_LIVES = 200_000
LIBRARIES = ("numpy", "pandas", "simpy", "numba", "scipy", "seaborn", "hydra-core", "pydantic", "pyarrow")


def run(settings: Any) -> Path:
    """Compare the policies and write the answers.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`).

    Returns
    -------
    pathlib.Path
        The folder that holds ``summary.csv``, ``curves.csv``, ``paired.csv``, ``patients.parquet``,
        ``journal.parquet``, ``figures/``, ``report.html``, ``config.yaml`` and ``manifest.json``.
    """
    simulation = Simulation(settings, journal=False)
    folder = extended_folder(settings)
    with claimed(folder, settings) as store:
        started = time.perf_counter()
        gathered = gather(simulation, kinds(settings, simulation.n * len(settings.policy)), store)
        seconds = time.perf_counter() - started
        with finishing(folder) as scratch:
            write_answers(settings, gathered, scratch)
            rule = write_explorer(simulation, scratch)
            write_manifest(manifest(settings, simulation.n, seconds) | rule, scratch)
            illustrate(scratch)
    if settings.out is None and settings.run is None:
        point_latest(folder)
    return folder


def kinds(settings: Any, lives: int) -> list[type[Gatherer]]:
    """Choose what is gathered: tally and accounts; patients, journal and what each costs while lives are few."""
    kept = keeps_journal(settings, lives)
    chosen: list[type[Gatherer]] = [Counted, Patients, Journals] if kept else [Counted]
    if settings.economics is not None:
        chosen += [Accounted, Values] if kept else [Accounted]
    return chosen


def keeps_journal(settings: Any, lives: int) -> bool:
    """Tell whether a run of so many lives keeps its journal."""
    if settings.journal == "auto":
        return lives <= JOURNAL_LIVES
    return bool(settings.journal == "on")


def write_answers(settings: Any, gathered: dict[str, Any], folder: Path) -> None:
    """Write all tables of a run."""
    write_tables(gathered["tally"].tally, folder)
    if Accounted.kind in gathered:
        write_accounts(gathered[Accounted.kind].accounts, folder)
        write_life_expectancy(settings, folder)
    for kind in (Patients.kind, Journals.kind, Values.kind):
        if kind in gathered:
            gathered[kind].write(folder / f"{kind}.parquet")
    if Journals.kind in gathered:
        write_moves(folder)
    write_parameters(settings, folder)
    write_config(settings, folder)


def write_tables(tally: Tally, folder: Path) -> None:
    """Write summary, curves and paired differences, sorted by policy."""
    for name, frame in zip(("summary", "curves", "paired"), tally.frames(), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")


def write_manifest(record: dict[str, Any], folder: Path) -> None:
    """Write the run record."""
    (folder / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_parameters(settings: Any, folder: Path) -> None:
    """Write every parameter line of the run."""
    import pandas as pd

    rows = [{"key": key, **line.model_dump()} for key, line in settings.lines()]
    pd.DataFrame(rows).to_csv(folder / "parameters.csv", index=False)


def write_config(settings: Any, folder: Path) -> None:
    """Write the composed settings of the run."""
    (folder / "config.yaml").write_text(settings.as_yaml(), encoding="utf-8")


def manifest(settings: Any, n: int, seconds: float) -> dict[str, Any]:
    """Describe the run: what made it, with what, how fast."""
    lives = n * len(settings.policy)
    return {
        "program": "cartwin",
        "version": __version__,
        "experiment": settings.experiment,
        "command": "python -m sim " + " ".join(sys.argv[1:]),
        "seed": settings.seed,
        "engine": settings.engine,
        "origin": settings.origin,
        "horizon_years": settings.horizon_years,
        "reference": settings.reference_policy,
        "cohort": settings.cohort.label,
        "n": n,
        "economics": described(settings.economics),
        "policies": {
            name: {"label": policy.label, "description": policy.description} for name, policy in settings.policy.items()
        },
        "products": list(settings.product.catalogue),
        "settings_hash": settings_hash(settings),
        "evidence_hash": evidence_hash(),
        "kernel_hash": kernel_hash(),
        "seconds": round(seconds, 3),
        "lives_per_second": round(lives / seconds, 1),
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in LIBRARIES},
        "cores": os.cpu_count(),
    }


def illustrate(folder: Path) -> None:
    """Draw the figures and the report from the frames of a folder."""
    from sim.report import page
    from sim.report.frames import Frames
    from sim.report.gallery import figures
    from sim.report.workbook import NAME, write_workbook

    frames = Frames.read(folder)
    write_workbook(frames, folder / NAME)
    page.render(frames, figures(frames, folder / "figures"), folder / "report.html")
