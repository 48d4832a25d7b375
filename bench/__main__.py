"""Measure how fast the program is: `make bench`, or `python -m bench [--quick]`.

Figures are seconds of this machine; run it on an idle one. Tests never assert a time.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.parts import all_targets, batch_kernel, batch_stream, simpy_lives, slowest_parts


def timed(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Run a command and give its wall seconds."""
    import os

    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    return time.perf_counter() - started


def cold_and_cached(sim: list[str]) -> tuple[float, float]:
    """Give the seconds of a tiny batch run with an empty compile cache, and again with it filled."""
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as out:
        command = [*sim, "engine=batch", "cohort.n=1", "policy=watch", "quiet=true", f"out={out}/run"]
        environment = {"CARTWIN_CACHE": cache}
        return timed(command, environment), timed(command, environment)


def peak_memory(n: int) -> float:
    """Give the peak memory in MiB of a batch run of n patients without journal, in a process of its own."""
    code = (
        "import resource,sys;from bench.parts import batch_stream;"
        f"batch_stream({n}, journal=False);print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def rows(quick: bool) -> list[tuple[str, Callable[[], str]]]:
    """List what is measured: a label, and a function that measures it."""
    sim = [sys.executable, "-m", "sim"]
    many = 20_000 if quick else 100_000

    def starts() -> str:
        cold, cached = cold_and_cached(sim)
        return f"{cold:.1f} s cold, {cached:.1f} s from cache (a whole tiny run each)"

    def default() -> str:
        with tempfile.TemporaryDirectory() as out:
            return f"{timed([*sim, 'quiet=true', f'out={out}/run']):.1f} s"

    return [
        ("python -m sim --help", lambda: f"{timed([*sim, '--help']):.2f} s"),
        ("first batch run: compile", starts),
        ("SimPy, with journal, 9 policies", lambda: f"{simpy_lives(400):,.0f} lives per CPU second"),
        ("compiled kernel alone", lambda: f"{batch_kernel(journal=False):,.0f} lives per CPU second"),
        ("compiled kernel alone, with journal", lambda: f"{batch_kernel(journal=True):,.0f} lives per CPU second"),
        ("batch with cohort and tally, 1 thread", lambda: f"{batch_stream(many, journal=False):,.0f} lives per second"),
        ("the same with journal kept", lambda: f"{batch_stream(many // 5, journal=True):,.0f} lives per second"),
        (
            "memory, batch without journal",
            lambda: f"{peak_memory(8_192):.0f} MiB at 8,192 patients x 9, {peak_memory(many):.0f} MiB at {many:,} x 9",
        ),
        ("all targets once (calibration)", lambda: f"{all_targets():.2f} CPU seconds, 8,192 patients a cohort"),
        ("python -m sim (default run)", default),
        ("where a batch run spends its time", slowest_parts),
    ]


def main() -> None:
    """Measure and print a table; write it to ``outputs/bench/bench.json`` too."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer patients")
    arguments = parser.parse_args()
    facts = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    print(facts)
    results = {}
    for label, measure in rows(arguments.quick):
        results[label] = measure()
        print(f"{label:45s} {results[label]}", flush=True)
    results["peak memory of this process"] = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    folder = Path("outputs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps({"machine": facts, **results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
