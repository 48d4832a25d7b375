"""From the command line to a folder of answers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from sim.experiments import COMPOSING, runner
from sim.experiments.folders import is_run
from sim.kept import settings_from
from sim.problems import Problem, nearest
from sim.settings import Settings
from sim.usage import Arguments

if TYPE_CHECKING:
    from sim.compose import Job


def run(arguments: Arguments) -> str:
    """Do what the command line asks for, and give what is left to print; its last line is the folder of the results."""
    if arguments.multirun:
        from sim.compose import jobs_from

        jobs = jobs_from(arguments.overrides, arguments.folders)
        for job in jobs:
            check_inputs(job.settings)
        return _answered(jobs[0].settings, jobs, arguments)
    settings = settings_from(arguments.overrides, arguments.folders)
    if arguments.show:
        return settings.as_yaml().rstrip()
    check_inputs(settings)
    return _answered(settings, [], arguments)


def _answered(settings: Settings, jobs: list[Job], arguments: Arguments) -> str:
    if settings.as_json:
        try:
            with redirect_stdout(sys.stderr):  # whatever is said on the way: the answer stands alone
                folder = _folder(settings, jobs, arguments)
        except Problem as problem:
            if problem.folder is not None:
                from sim.report import terminal

                print(terminal.as_json(problem.folder))
            raise
    else:
        folder = _folder(settings, jobs, arguments)
    if settings.quiet and not settings.as_json:
        return str(folder)
    from sim.report import terminal

    if settings.as_json:
        return terminal.as_json(folder)
    said = terminal.written(folder, sys.stdout)
    return f"{said}\n{folder}" if said else str(folder)


def _folder(settings: Settings, jobs: list[Job], arguments: Arguments) -> Path:
    """Do the work."""
    if jobs:
        from sim.experiments.sweep import sweep

        return sweep(jobs)
    run_experiment = runner(settings.experiment)
    if settings.experiment in COMPOSING:
        from sim.compose import Variants

        return run_experiment(settings, Variants(arguments.overrides, arguments.folders).settings)
    return run_experiment(settings)


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
