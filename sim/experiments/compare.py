"""The main job: every patient lives under every policy; one folder of answers."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim import __version__
from sim.evidence import evidence_hash
from sim.experiments.folders import point_latest, run_folder, settings_hash, written_whole
from sim.experiments.progress import progress
from sim.experiments.run import Block, Simulation
from sim.experiments.valuing import accounts_for, write_accounts, write_life_expectancy
from sim.kernel import kernel_hash
from sim.patient import published_names
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
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        simulate_into(settings, scratch)
        illustrate(scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def keeps_journal(settings: Any, lives: int) -> bool:
    """Tell whether a run of so many lives keeps its journal."""
    if settings.journal == "auto":
        return lives <= JOURNAL_LIVES
    return bool(settings.journal == "on")


def simulate_into(settings: Any, folder: Path) -> None:
    """Run the simulation and write its frames into `folder`."""
    started = time.perf_counter()
    simulation = Simulation(settings, journal=False)
    lives = simulation.n * len(settings.policy)
    accounts = accounts_for(settings)
    keeps = keeps_journal(settings, lives)
    simulation.journal = keeps or accounts is not None
    tally = Tally(list(settings.policy), settings.origin, settings.reference_policy, simulation.horizon)
    parts = Parts(folder, list(settings.policy)) if keeps else None
    with progress(lives, "lives", quiet=settings.quiet) as advance:
        for block in simulation.blocks():
            tally.add(block.first, block.lives)
            if accounts is not None:
                accounts.add(block)
            if parts is not None:
                parts.keep(block)
            advance(sum(len(part) for part in block.lives.values()))
    seconds = time.perf_counter() - started
    write_tables(tally, folder)
    if accounts is not None:
        write_accounts(accounts, folder)
        write_life_expectancy(settings, folder)
    if parts is not None:
        parts.write()
    write_parameters(settings, folder)
    write_config(settings, folder)
    record = manifest(settings, simulation.n, seconds)
    (folder / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_tables(tally: Tally, folder: Path) -> None:
    """Write summary, curves and paired differences, sorted by policy."""
    for name, frame in zip(("summary", "curves", "paired"), tally.frames(), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")


def write_parameters(settings: Any, folder: Path) -> None:
    """Write every parameter line of the run."""
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

    frames = Frames.read(folder)
    page.render(frames, figures(frames, folder / "figures"), folder / "report.html")


class Parts:
    """Patient records and journals of a run, gathered by policy and written in the settled order.

    Parameters
    ----------
    folder
        Where ``patients.parquet`` and ``journal.parquet`` go.
    policies
        Names of the policies; tables are sorted by name, patient, time, event.
    """

    def __init__(self, folder: Path, policies: list[str]) -> None:
        self.folder = folder
        self.policies = sorted(policies)
        self.blocks: list[Block] = []
        self.columns = ["number", *(name for name in published_names() if name != "number")]

    def keep(self, block: Block) -> None:
        """Keep a block's records until all are there."""
        kept = Block(block.first, {}, block.rows, block.first_row)
        for policy, lives in block.lives.items():
            kept.lives[policy] = {name: lives[name].copy() for name in self.columns}  # type: ignore[assignment]
        self.blocks.append(kept)

    def write(self) -> None:
        """Write both tables, one policy at a time."""
        self.blocks.sort(key=lambda block: block.first)
        write_parquet(self.folder / "patients.parquet", self._patients())
        write_parquet(self.folder / "journal.parquet", self._journals())

    def _patients(self) -> Iterator[pd.DataFrame]:
        for policy in self.policies:
            for block in self.blocks:
                columns = block.lives[policy]
                frame = pd.DataFrame({name: columns[name] for name in self.columns})
                frame = frame.rename(columns={"number": "patient"})
                frame.insert(0, "policy", policy)
                yield frame

    def _journals(self) -> Iterator[pd.DataFrame]:
        for policy in self.policies:
            for block in self.blocks:
                yield journal_frame(policy, block.first, block.rows[policy], block.first_row[policy])


def journal_frame(policy: str, first: int, rows: np.ndarray, first_row: np.ndarray) -> pd.DataFrame:
    """Lay out a block's journal as a table: policy, patient, event, time_start, time_stop, detail."""
    patients = np.repeat(np.arange(first, first + len(first_row) - 1), np.diff(first_row))
    return pd.DataFrame(
        {
            "policy": policy,
            "patient": patients.astype(np.int64),
            "event": rows["event"].astype(np.int16),
            "time_start": rows["start"],
            "time_stop": rows["stop"],
            "detail": rows["detail"].astype(np.int32),
        }
    )


def write_parquet(path: Path, frames: Iterator[pd.DataFrame]) -> None:
    """Write tables of one layout one behind the other into a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if writer is None:
                schema = table.schema.remove_metadata()
                writer = pq.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(table.cast(schema))
    finally:
        if writer is not None:
            writer.close()
