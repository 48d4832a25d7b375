"""Where results go: a folder named by what determines them, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.evidence import evidence_hash
from sim.kernel import kernel_hash
from sim.problems import Problem

#: Settings that do not change what any one patient lives through.
INDIFFERENT = ("out", "run", "quiet", "threads", "engine", "journal")


def settings_hash(settings: Any) -> str:
    """Hash what determines one patient's results: settings, input files, evidence and kernel sources.

    The number of patients, the engine, threads and the folder are left out: they change no life.
    """
    composed = json.loads(settings.canonical())
    for name in INDIFFERENT:
        composed.pop(name, None)
    composed["cohort"].pop("n", None)
    digest = hashlib.sha256(json.dumps(composed, sort_keys=True).encode())
    table = composed["cohort"].get("patients")
    if table:
        digest.update(Path(table).read_bytes())
    factors = (composed.get("economics") or {}).get("conversion")
    if factors and Path(factors).is_file():
        digest.update(Path(factors).read_bytes())
    digest.update(evidence_hash().encode())
    digest.update(kernel_hash().encode())
    return digest.hexdigest()[:12]


def run_folder(settings: Any) -> Path:
    """Choose the folder of a run: ``out``, or ``outputs/<experiment>/<hash>``.

    A smaller run of what a folder holds already gets a folder of its own, ``<hash>-n<patients>``.
    """
    if settings.out:
        return Path(settings.out)
    folder = Path("outputs") / settings.experiment / settings_hash(settings)
    held = _manifest(folder)
    if held is not None and held.get("n", 0) > settings.cohort.n:
        return folder.with_name(f"{folder.name}-n{settings.cohort.n}")
    return folder


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Read the run record of a folder; None where there is none."""
    try:
        record = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


@contextmanager
def written_whole(folder: Path, settings: Any) -> Iterator[Path]:
    """Write into a folder beside `folder` and put it in place at the end: nothing is left half-written.

    Yields
    ------
    pathlib.Path
        The folder to write into.

    Raises
    ------
    Problem
        When `folder` holds something else than a run with these settings, or a larger one, or cannot be written.
    """
    _refuse_foreign(folder)
    _refuse_other_run(folder, settings)
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        scratch.mkdir(parents=True)
    except OSError as error:
        raise Problem(
            f"out={folder}: cannot write there ({error.strerror}); choose another folder with out=DIR"
        ) from error
    try:
        yield scratch
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise Problem(f"out={folder}: is a file; choose a folder with out=DIR")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise Problem(f"out={folder}: holds other files; choose an empty or new folder with out=DIR")


def _refuse_other_run(folder: Path, settings: Any) -> None:
    held = _manifest(folder)
    if held is None:
        return
    if held.get("settings_hash") != settings_hash(settings):
        raise Problem(
            f"out={folder}: holds a run with other settings (or other code); choose a new folder with out=DIR"
        )
    if held.get("n", 0) > settings.cohort.n and settings.cohort.patients is None and settings.patient is None:
        raise Problem(
            f"out={folder}: holds {held['n']} patients of this run, more than cohort.n={settings.cohort.n}; "
            "choose a new folder with out=DIR"
        )


def point_latest(folder: Path) -> None:
    """Let ``latest`` beside a hashed folder point to it."""
    latest = folder.parent / "latest"
    fresh = folder.parent / f".latest.{os.getpid()}"
    fresh.symlink_to(folder.name, target_is_directory=True)
    os.replace(fresh, latest)
