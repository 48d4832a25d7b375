"""From the command line to a folder of answers."""

from __future__ import annotations

from sim.compose import jobs_from, settings_from
from sim.experiments import runner
from sim.usage import Arguments


def run(arguments: Arguments) -> str:
    """Do what the command line asks for, and give the last line to print: the folder of the results."""
    if arguments.multirun:
        from sim.experiments.sweep import sweep

        return str(sweep(jobs_from(arguments.overrides, arguments.folders)))
    settings = settings_from(arguments.overrides, arguments.folders)
    if arguments.show:
        return settings.as_yaml().rstrip()
    return str(runner(settings.experiment)(settings))
