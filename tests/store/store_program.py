"""A small program for the tests: what ``experiment=compare`` does, without figures and report."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from sim.__main__ import _stopped
from sim.compose import settings_from
from sim.experiments.compare import kinds, manifest, write_answers, write_manifest
from sim.experiments.folders import claimed, extended_folder, finishing
from sim.experiments.gathering import gather
from sim.experiments.run import Simulation
from sim.interruptions import Terminated, heeded
from sim.problems import Problem


def compare(*overrides: str, seconds: float = 0.0) -> Path:
    """Do what ``experiment=compare`` does, without figures and report, taking `seconds` longer over every chunk."""
    settings = settings_from(overrides)
    simulation = Simulation(settings, journal=False)
    if seconds:
        _slow_down(simulation, seconds)
    folder = extended_folder(settings)
    with claimed(folder, settings) as store:
        gathered = gather(simulation, kinds(settings, simulation.n * len(settings.policy)), store)
        with finishing(folder) as scratch:
            write_answers(settings, gathered, scratch)
            write_manifest(manifest(settings, simulation.n, 1.0), scratch)
    return folder


def _slow_down(simulation: Any, seconds: float) -> None:
    chunk = simulation.chunk

    def slowly(span: Any) -> Any:
        time.sleep(seconds)
        return chunk(span)

    simulation.chunk = slowly


def main() -> int:
    """``python store_program.py SECONDS key=value ...``: as the program, with its exit codes."""
    try:
        with heeded():
            print(compare(*sys.argv[2:], seconds=float(sys.argv[1])))
        return 0
    except Problem as problem:
        print(f"cartwin: {problem}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Terminated) as stop:
        return _stopped(stop)


if __name__ == "__main__":
    sys.exit(main())
