"""Where results go: a folder named by what determines them, kept by one process at a time.

A folder is a finished run when it holds ``manifest.json``; that file goes last into place and first away. Its parts
(`sim.experiments.store`) may be there before, and stay.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sim import __version__
from sim.evidence import evidence_hash
from sim.experiments.store import Store
from sim.interruptions import Terminated, as_asked
from sim.problems import Problem

#: Settings that do not change what any one patient lives through.
INDIFFERENT: Final = ("out", "run", "quiet", "json", "threads", "executor", "engine", "journal")
#: Analyses that run many worlds: the groups of settings that count for each, and what of them changes no world.
ANALYSES: Final = {
    "psa": (("psa",), ("draws", "piece")),
    "tornado": (("dsa",), ("shown",)),
    "sweep": (("sweep",), ()),
    "voi": (("voi", "study"), ("shown",)),
}
PARTS: Final = "parts"
#: What the parts of a folder belong to, and who is at work there.
RECORD: Final = "run.json"
LOCK: Final = ".lock"


def settings_hash(settings: Any) -> str:
    """Hash what determines one patient's results: settings, input files, evidence and the code that makes lives.

    The number of patients, the engine, who does the work and the folder are left out: they change no life.
    """
    from sim.experiments.sources import lives_code

    composed = determining(settings)
    digest = hashlib.sha256(json.dumps(composed, sort_keys=True).encode())
    factors = (composed.get("economics") or {}).get("conversion")
    for table in (composed["cohort"].get("patients"), _joint_draws(settings)):
        if table:
            digest.update(Path(table).read_bytes())
    if factors and Path(factors).is_file():
        digest.update(Path(factors).read_bytes())
    digest.update(evidence_hash().encode())
    digest.update(lives_code().encode())
    return digest.hexdigest()[:12]


def determining(settings: Any) -> dict[str, Any]:
    """Give the settings that determine one patient's results, as a plain dictionary."""
    composed: dict[str, Any] = json.loads(settings.canonical())
    for name in INDIFFERENT:
        composed.pop(name, None)
    composed["cohort"].pop("n", None)
    for experiment, (groups, indifferent) in ANALYSES.items():
        for group in groups:
            own = composed.pop(group, None)
            if own is not None and experiment == settings.experiment:
                composed[group] = {name: value for name, value in own.items() if name not in indifferent}
    if settings.experiment == "voi" and settings.run is not None:
        held = manifest_of(Path(settings.run)) or {}
        composed["of"] = [held.get("settings_hash"), held.get("draws"), held.get("n")]
    if settings.experiment == "report":
        records = {run: manifest_of(Path(run)) or {} for run in settings.runs}
        composed["of"] = [[run, one.get("settings_hash"), one.get("n")] for run, one in records.items()]
    if settings.experiment == "sweep":  # cells are numbered in the order of the grid
        composed["sweep"]["order"] = list(settings.sweep.grid or ())
    if settings.experiment in ANALYSES:  # worlds are summed over their patients
        composed["cohort"]["n"] = settings.cohort.n
    return composed


def _joint_draws(settings: Any) -> str | None:
    """Name the file of joint draws that a probabilistic analysis uses, if any."""
    if settings.experiment != "psa":
        return None
    from sim.uncertainty.draws import posterior_of

    path = posterior_of(settings)
    if path is not None and not Path(path).is_file():
        raise Problem(f"psa.posterior={path}: no such file")
    return path


def run_folder(settings: Any) -> Path:
    """Choose the folder of a run: ``out``, or ``outputs/<experiment>/<hash>``.

    A smaller run of what a folder holds already gets a folder of its own, ``<hash>-n<patients>``.
    """
    if settings.out:
        return Path(settings.out)
    folder = Path("outputs") / settings.experiment / settings_hash(settings)
    held = manifest_of(folder)
    if held is not None and held.get("n", 0) > settings.cohort.n:
        return folder.with_name(f"{folder.name}-n{settings.cohort.n}")
    return folder


def extended_folder(settings: Any) -> Path:
    """Choose the folder of a run that may build on an earlier one of the same kind: ``run``, or as `run_folder`.

    Raises
    ------
    Problem
        When both ``run`` and ``out`` are given.
    """
    if settings.run is None:
        return run_folder(settings)
    if settings.out is not None:
        raise Problem(f"run={settings.run} goes on in that folder: leave out={settings.out} away")
    return Path(settings.run).resolve()


# --- keeping a folder ------------------------------------------------------------------------------------------------


@contextmanager
def claimed(folder: Path, settings: Any) -> Iterator[Store]:
    """Keep a run's folder while working in it.

    Yields
    ------
    Store
        Where the run's parts are.

    Raises
    ------
    Problem
        When the folder holds something else, another process is at work there, or it cannot be written.
    KeyboardInterrupt, Terminated
        Saying what is kept.
    """
    _refuse_foreign(folder)
    _refuse_other_run(folder, settings)
    with _explained(folder), _locked(folder):
        _refuse_other_run(folder, settings)
        store = Store(folder / PARTS, identity(settings))
        store.clear()
        for scratch in folder.glob(f"{PARTS}/.finished.*"):
            shutil.rmtree(scratch)
        _record(folder, settings)
        yield store


def identity(settings: Any) -> dict[str, Any]:
    """Say of a part which run it belongs to, and which version of everything made it."""
    from sim.experiments.sources import lives_code

    return {
        "program": "cartwin",
        "settings": settings_hash(settings),
        "seed": settings.seed,
        "kernel": lives_code(),
        "evidence": evidence_hash(),
        "version": __version__,
    }


@contextmanager
def finishing(folder: Path) -> Iterator[Path]:
    """Write the answers of a claimed folder aside, and put them in place together when all are there.

    Yields
    ------
    pathlib.Path
        The folder to write into; it must end up with a ``manifest.json``.
    """
    scratch = folder / PARTS / f".finished.{os.getpid()}"
    try:
        scratch.mkdir()
        yield scratch
        force_to_disk(scratch)
        (folder / "manifest.json").unlink(missing_ok=True)  # from here to the end: not finished
        for old in folder.iterdir():
            if old.name != PARTS:
                _remove(old)
        for path in sorted(scratch.iterdir(), key=lambda path: path.name == "manifest.json"):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def force_to_disk(folder: Path) -> None:
    """Force every file of a folder to disk, so that a power cut after the manifest's arrival leaves them whole."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say what a disk that refuses, or an interruption, leaves of a run."""
    manifest = _written(folder)
    try:
        with as_asked():
            yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if error.errno is None and not full:
            raise
        kept = _kept(folder)
        remedy = f"; {kept}: free some space, and the same command goes on" if full and kept else ""
        remedy = remedy or "; choose another folder with out=DIR"
        raise Problem(f"out={folder}: cannot write there ({error.strerror or error}){remedy}") from error
    except (KeyboardInterrupt, Terminated) as stop:
        kept = _kept(folder)
        if _written(folder) not in (None, manifest):
            stop.args = (f"all was done: the answers are in {folder}",)
        else:
            stop.args = (f"{kept}: the same command goes on",) if kept else ()
        raise


def _written(folder: Path) -> int | None:
    """Tell when the answers were put in place; None where there are none."""
    manifest = folder / "manifest.json"
    return manifest.stat().st_mtime_ns if manifest.exists() else None


def _kept(folder: Path) -> str:
    kinds = [len(list(kind.glob("*.parquet"))) for kind in (folder / PARTS).glob("[!.]*/") if kind.name != "aside"]
    parts = max(kinds, default=0)
    return f"{parts} part{'s are' if parts > 1 else ' is'} kept in {folder}" if parts else ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when this process ends, however it ends."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    path = folder / PARTS / LOCK
    lock = _lock(path, folder)
    try:
        yield
    finally:
        if not any((folder / PARTS).glob("[!.]*/*")) and not (folder / "manifest.json").exists():
            _leave(folder, made)
        path.unlink(missing_ok=True)
        os.close(lock)


def _leave(folder: Path, made: list[Path]) -> None:
    """Leave nothing of a run that has done nothing."""
    for path in (folder / PARTS).glob("*"):
        if path.name != LOCK:
            _remove(path)
    with suppress(OSError):  # others may have come in the meantime
        (folder / PARTS / LOCK).unlink()
        for path in (folder / PARTS, *made):
            path.rmdir()


def _lock(path: Path, folder: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(file, 200).decode(errors="replace").strip() or "another process"
            os.close(file)
            raise Problem(
                f"out={folder}: {who} is at work on this run; wait for it, or choose another folder with out=DIR"
            ) from None
        try:
            if os.fstat(file).st_ino == path.stat().st_ino:  # else its owner has just removed it
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return file
        except FileNotFoundError:
            pass
        os.close(file)


def _record(folder: Path, settings: Any) -> None:
    """Write down what the parts belong to."""
    record = {
        **identity(settings),
        "experiment": settings.experiment,
        "n": settings.cohort.n,
        "determined_by": determining(settings),
    }
    beside = folder / PARTS / f".{RECORD}.{os.getpid()}.tmp"
    beside.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(beside, folder / PARTS / RECORD)


# --- whose folder it is ----------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Read the run record of a finished folder; None where there is none."""
    return _read(folder / "manifest.json")


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run, finished or begun."""
    return (folder / "manifest.json").is_file() or (folder / PARTS / RECORD).is_file()


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise Problem(f"out={folder}: is a file; choose a folder with out=DIR")
    if not folder.is_dir() or is_run(folder):
        return
    others = [path for path in folder.iterdir() if path.name != PARTS]
    if others or any((folder / PARTS).glob("[!.]*")):
        raise Problem(f"out={folder}: holds other files; choose an empty or new folder with out=DIR")


def _refuse_other_run(folder: Path, settings: Any) -> None:
    begun, finished = _read(folder / PARTS / RECORD), manifest_of(folder)
    for held, name in ((begun, "settings"), (finished, "settings_hash")):
        if held is not None and held.get(name) != settings_hash(settings):
            raise Problem(
                f"out={folder}: holds a run with {_differences(begun, settings)}; choose a new folder with out=DIR"
            )
    if finished is None or settings.cohort.patients is not None or settings.patient is not None:
        return
    if finished.get("n", 0) > settings.cohort.n:
        raise Problem(
            f"out={folder}: holds {finished['n']} patients of this run, more than cohort.n={settings.cohort.n}; "
            "choose a new folder with out=DIR"
        )


def _differences(held: dict[str, Any] | None, settings: Any) -> str:
    """Name what tells the run of a folder from this one."""
    if held is None:
        return "other settings (or other code)"
    theirs, ours = _flat(held.get("determined_by", {})), _flat(determining(settings))
    keys = [key for key in sorted(theirs.keys() | ours.keys()) if theirs.get(key) != ours.get(key)]
    if keys:
        named = [f"{key}={theirs.get(key)} (now {ours.get(key)})" for key in keys[:3] if key in theirs and key in ours]
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        return "other settings" + (f": {', '.join(named)}{more}" if named else f" ({', '.join(keys[:3])}{more})")
    mine = identity(settings)
    changed = [name for name in ("kernel", "evidence") if held.get(name) != mine[name]]
    names = {"kernel": "other code", "evidence": "other evidence tables"}
    return " and ".join(names[name] for name in changed) or "another patient table"


def _flat(tree: Any, key: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {key: tree}
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{key}.{name}" if key else str(name))
    return found


# --- small runs ------------------------------------------------------------------------------------------------------


@contextmanager
def written_whole(folder: Path, settings: Any) -> Iterator[Path]:
    """Write a run that has no parts: into a folder beside `folder`, put in place at the end.

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
        force_to_disk(scratch)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def point_latest(folder: Path) -> None:
    """Let ``latest`` beside a hashed folder point to it."""
    latest = folder.parent / "latest"
    fresh = folder.parent / f".latest.{os.getpid()}"
    fresh.symlink_to(folder.name, target_is_directory=True)
    os.replace(fresh, latest)
