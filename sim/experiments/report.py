"""One report from finished runs: two or more compared, or one drawn again. Nothing is simulated."""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sim import __version__
from sim.experiments.differences import Compared, Pairing, economics, measures, money_of, pairing
from sim.experiments.folders import INDIFFERENT, is_run, manifest_of, point_latest, run_folder, written_whole
from sim.problems import Problem, nearest

#: Curves that are laid over each other.
CURVES: Final = ("os", "efs")
#: Settings that say where and how, not what.
_LEFT_OUT: Final = frozenset(INDIFFERENT) - {"engine"} | {"runs", "experiment"}
#: Entries of the run record beside the settings.
_RECORDED: Final = {
    "version": "program version",
    "evidence_hash": "evidence tables (hash)",
    "kernel_hash": "code (hash)",
}
_ABSENT: Final = "–"


def run(settings: Any) -> Path:
    """Compare the runs in the folders ``runs``, or draw the report of one again.

    Returns
    -------
    pathlib.Path
        The folder with ``report.html`` and the tables ``runs_*.csv``; of one run its own folder, unless ``out`` names
        another.

    Raises
    ------
    Problem
        When no run is named, a folder holds no finished run, or the runs cannot be compared.
    """
    if not settings.runs:
        raise Problem("runs: experiment=report needs folders of finished runs, for example runs=[outputs/a,outputs/b]")
    found = [opened(tag, folder) for tag, folder in zip(_tags(len(settings.runs)), settings.runs, strict=True)]
    if len(found) == 1:
        return _redrawn(settings, found[0])
    _refuse(found)
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        _write(settings, found, scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def _tags(count: int) -> list[str]:
    letters = list(string.ascii_uppercase)
    return letters[:count] if count <= len(letters) else [f"R{i + 1}" for i in range(count)]


def opened(tag: str, named: str) -> Compared:
    """Open the folder of a finished run.

    Raises
    ------
    Problem
        When there is none, it is not finished, or it holds something else.
    """
    folder = Path(named)
    if not folder.is_dir():
        near = nearest(folder.name, [path.name for path in folder.parent.glob("*") if is_run(path)])
        remedy = f", did you mean {str(folder.with_name(near))!r}?" if near else ""
        raise Problem(f"runs: {named}: no such folder{remedy}")
    record = manifest_of(folder)
    if record is None:
        jobs = sorted(str(path) for path in folder.glob("*") if (path / "manifest.json").is_file())
        if jobs:
            raise Problem(f"runs: {named}: holds several runs; name them: runs=[{','.join(jobs[:2])}]")
        if is_run(folder):
            raise Problem(
                f"runs: {named}: the run is not finished (manifest.json is missing): its own command goes on with it"
            )
        raise Problem(f"runs: {named}: is not the folder of a run (manifest.json is missing)")
    return Compared(tag, folder, record, _config(folder))


def _config(folder: Path) -> dict[str, Any]:
    import yaml

    path = folder / "config.yaml"
    if not path.is_file():
        raise Problem(f"runs: {folder}: config.yaml is missing; the folder is damaged")
    try:
        read = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise Problem(f"runs: {folder}: config.yaml cannot be read ({error})") from None
    if not isinstance(read, dict):
        raise Problem(f"runs: {folder}: config.yaml must hold keys and values; the folder is damaged")
    return read


# --- one run ----------------------------------------------------------------------------------------------------------


def _redrawn(settings: Any, one: Compared) -> Path:
    """Draw one run's figures and page again, in its folder or in ``out``."""
    from sim.report import page
    from sim.report.frames import Frames
    from sim.report.gallery import figures

    folder = one.folder if settings.out is None else Path(settings.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        frames = Frames.read(one.folder)
        page.render(frames, figures(frames, folder / "figures"), folder / "report.html")
    except OSError as error:
        remedy = "choose a folder with out=DIR" if settings.out is None else "choose another folder with out=DIR"
        raise Problem(f"{folder}: cannot write there ({error.strerror or error}); {remedy}") from error
    return folder


# --- several ----------------------------------------------------------------------------------------------------------


def _refuse(runs: Sequence[Compared]) -> None:
    """Refuse runs that cannot be compared, with the reason."""
    for run in runs:
        if run.table("summary") is None or not run.manifest.get("policies") or "origin" not in run.manifest:
            raise Problem(
                f"runs: {run.folder}: holds experiment={run.manifest.get('experiment')}, which has no outcomes by "
                "policy to compare (summary.csv); runs of experiment=compare and experiment=value have"
            )
    places: dict[Path, Compared] = {}
    for run in runs:
        other = places.setdefault(run.folder.resolve(), run)
        if other is not run:
            raise Problem(f"runs: {other.folder} and {run.folder} are the same folder: name two different runs")
    first = runs[0]
    for run in runs[1:]:
        if run.manifest["origin"] != first.manifest["origin"]:
            raise Problem(
                f"runs: {first.folder} counts from origin={first.manifest['origin']}, {run.folder} from "
                f"origin={run.manifest['origin']}: they count other people and other times; run both with one origin"
            )
        if not set(run.manifest["policies"]) & set(first.manifest["policies"]):
            raise Problem(
                f"runs: {first.folder} and {run.folder} have no policy in common "
                f"({', '.join(first.manifest['policies'])}; {', '.join(run.manifest['policies'])})"
            )


def _write(settings: Any, runs: list[Compared], folder: Path) -> None:
    """Write the tables, the record, the figures and the page."""
    from sim.experiments.compare import illustrate, write_config, write_manifest

    pairings = {run.tag: pairing(runs[0], run) for run in runs[1:]}
    frames = {
        "settings": settings_table(runs),
        "measures": measures(runs, pairings),
        "economics": economics(runs, pairings),
        "curves": _curves(runs),
        "presence": presence(runs),
    }
    for name, frame in frames.items():
        if frame is not None:
            frame.to_csv(folder / f"runs_{name}.csv", index=False, float_format="%.10g")
    write_config(settings, folder)
    write_manifest(_record(settings, runs, pairings), folder)
    illustrate(folder)


def _record(settings: Any, runs: list[Compared], pairings: Mapping[str, Pairing]) -> dict[str, Any]:
    """Describe the comparison: the runs, and how each is compared with the first."""
    from sim.experiments.folders import settings_hash

    policies = {name: told for run in reversed(runs) for name, told in run.manifest["policies"].items()}
    order = dict.fromkeys(name for run in runs for name in run.manifest["policies"])
    own = ("experiment", "command", "version", "seed", "engine", "cohort", "n", "horizon_years", "reference")
    return {
        "program": "cartwin",
        "version": __version__,
        "experiment": settings.experiment,
        "command": "python -m sim " + " ".join(sys.argv[1:]),
        "origin": runs[0].manifest["origin"],
        "policies": {name: policies[name] for name in order},
        "settings_hash": settings_hash(settings),
        "runs": {
            run.tag: {"folder": str(run.folder)}
            | {name: run.manifest.get(name) for name in own}
            | {"money": " ".join(money_of(run) or ()), "settings": run.manifest.get("settings_hash")}
            | ({"compared": pairings[run.tag].name, "because": pairings[run.tag].why} if run.tag in pairings else {})
            for run in runs
        },
    }


def _curves(runs: Sequence[Compared]) -> Any:
    """Put the survival curves of all runs into one table."""
    import pandas as pd

    found = []
    for run in runs:
        table = run.table("curves")
        if table is not None:
            overall = table[table["stratum"] == "all"] if "stratum" in table.columns else table
            found.append(overall[overall["curve"].isin(CURVES)].assign(run=run.tag))
    columns = ["run", "policy", "curve", "months", "estimate", "low", "high"]
    return pd.concat(found, ignore_index=True)[columns] if found else None


def presence(runs: Sequence[Compared]) -> Any:
    """Tabulate what some runs have and others have not: kind (policy, measure, table), name, in, not in."""
    import pandas as pd

    has = {
        "policy": [set(run.manifest["policies"]) for run in runs],
        "measure": [set(run.table("summary")["measure"]) for run in runs],  # type: ignore[index]
        "table": [{p.name for p in run.folder.iterdir() if p.suffix in (".csv", ".parquet")} for run in runs],
    }
    rows = [
        (
            kind,
            name,
            *(" ".join(r.tag for r, o in zip(runs, own, strict=True) if (name in o) == there) for there in (1, 0)),
        )
        for kind, own in has.items()
        for name in sorted(set.union(*own) - set.intersection(*own))
    ]
    return pd.DataFrame(rows, columns=["kind", "name", "in", "not_in"])


def settings_table(runs: Sequence[Compared]) -> Any:
    """Tabulate the settings that differ: dotted key, and the value in each run."""
    import pandas as pd

    trees = [{name: value for name, value in run.config.items() if name not in _LEFT_OUT} for run in runs]
    rows = list(differing(trees))
    for name, label in _RECORDED.items():
        told = [run.manifest.get(name) for run in runs]
        if any(value != told[0] for value in told):
            rows.append((label, [_shown(value) for value in told]))
    tags = [run.tag for run in runs]
    return pd.DataFrame([(key, *values) for key, values in rows], columns=["key", *tags])


def differing(trees: Sequence[Any], key: str = "") -> Iterator[tuple[str, list[str]]]:
    """Walk through settings side by side.

    Yields
    ------
    tuple
        Dotted key and the value in each, where they are not all the same; what is missing is a dash.
    """
    if not all(isinstance(tree, dict) for tree in trees):
        if not all(type(tree) is type(trees[0]) and tree == trees[0] for tree in trees):
            yield key, [_shown(tree) for tree in trees]
        return
    for name in dict.fromkeys(str(name) for tree in trees for name in tree):
        yield from differing([tree.get(name, _ABSENT) for tree in trees], f"{key}.{name}" if key else name)


def _shown(value: Any) -> str:
    """Write a setting's value; of a whole group its label, or that it is there."""
    if isinstance(value, dict):
        return str(value.get("label") or value.get("profile") or value.get("value") or "given")
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)
