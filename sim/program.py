"""From the command line to a folder of answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.compose import Variants, jobs_from, settings_from
from sim.experiments import COMPOSING, runner
from sim.experiments.folders import is_run
from sim.problems import Problem, nearest
from sim.settings import Settings
from sim.usage import Arguments


def run(arguments: Arguments) -> str:
    """Do what the command line asks for, and give the last line to print: the folder of the results."""
    if arguments.multirun:
        from sim.experiments.sweep import sweep

        jobs = jobs_from(arguments.overrides, arguments.folders)
        for job in jobs:
            check_inputs(job.settings)
        return str(sweep(jobs))
    settings = settings_from(arguments.overrides, arguments.folders)
    if arguments.show:
        return settings.as_yaml().rstrip()
    check_inputs(settings)
    if settings.experiment in COMPOSING:
        return str(runner(settings.experiment)(settings, Variants(arguments.overrides, arguments.folders).settings))
    return str(runner(settings.experiment)(settings))


def check_inputs(settings: Settings) -> None:
    """Refuse settings that name files or folders that are not there.

    Raises
    ------
    Problem
        Naming the nearest file where there is one.
    """
    table, earlier = settings.cohort.patients, settings.run
    if table is not None and not Path(table).is_file():
        near = nearest(Path(table).name, [path.name for path in Path(table).parent.glob("*.csv")])
        remedy = f", did you mean {str(Path(table).with_name(near))!r}?" if near else ""
        raise Problem(f"cohort.patients={table}: no such file{remedy}")
    if earlier is not None and not is_run(Path(earlier)):
        raise Problem(f"run={earlier}: no earlier run there (a run's folder holds manifest.json)")


def ask(*overrides: str, folders: Sequence[str | Path] = ()) -> Path:
    """Do from Python what the command line does, without printing.

    Parameters
    ----------
    overrides
        As on the command line: ``ask("cohort=eliana", "policy=[watch,selective]", "out=outputs/mine")``.
    folders
        Further configuration folders, as ``--config-dir`` names them.

    Returns
    -------
    pathlib.Path
        The folder of the results.

    Raises
    ------
    Problem
        When anything is wrong with the overrides or the files they name.
    """
    return Path(run(Arguments(["quiet=true", *overrides], [Path(folder) for folder in folders])))
