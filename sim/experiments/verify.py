"""The verification tests as one command: results on the terminal, in ``verify.csv`` and in the report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sim.experiments.checks import FAIL, LATER, PASS, Check, Finding, checks
from sim.experiments.checks.bench import Bench
from sim.experiments.compare import illustrate, manifest, write_config, write_parameters
from sim.experiments.folders import point_latest, run_folder, written_whole
from sim.experiments.progress import progress
from sim.problems import Problem


class Failed(Problem):
    """A verification test did not hold; the results are written, and the program ends with a code that says so."""


def run(settings: Any) -> Path:
    """Run every verification test and write the results.

    Returns
    -------
    pathlib.Path
        The folder with ``verify.csv``, ``report.html``, ``config.yaml``, ``parameters.csv`` and ``manifest.json``.

    Raises
    ------
    Failed
        After writing, when a test does not hold: the program ends with exit code 2.
    Problem
        When the settings do not let the tests run.
    """
    import pandas as pd

    bench = Bench(settings)
    folder = run_folder(settings)
    started = time.perf_counter()
    with written_whole(folder, settings) as scratch:
        rows = []
        entries = checks()
        with progress(len(entries), "tests", quiet=settings.quiet) as advance:
            for entry in entries:
                rows.append(result_of(entry, bench))
                advance(1)
        table = pd.DataFrame(rows)
        table.drop(columns="seconds").to_csv(scratch / "verify.csv", index=False)
        write_parameters(settings, scratch)
        write_config(settings, scratch)
        record = manifest(settings, settings.cohort.n, time.perf_counter() - started)
        record.pop("lives_per_second")
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        illustrate(scratch)
    if settings.out is None:
        point_latest(folder)
    if not settings.quiet:
        show(rows)
    failed = [row["number"] for row in rows if row["result"] == FAIL]
    if failed:
        problem = Failed(f"verification: {len(failed)} of {len(rows)} tests failed ({', '.join(failed)}); see {folder}")
        problem.folder = folder
        raise problem
    return folder


def result_of(entry: Check, bench: Bench) -> dict[str, Any]:
    """Run one test; a test that cannot finish has failed, with its reason."""
    started = time.process_time()
    try:
        found = entry.run(bench)
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        found = Finding(False, f"stopped by {type(error).__name__}: {error}")
    return {
        "number": entry.number,
        "change": entry.change,
        "expected": entry.expected,
        "measured": found.measured,
        "result": found.result,
        "seconds": time.process_time() - started,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the results as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", "change", "expected", "found", "result"):
        table.add_column(heading, overflow="fold")
    colours = {PASS: "green", FAIL: "bold red", LATER: "yellow"}
    for row in rows:
        cells = (row["number"], row["change"], row["expected"], row["measured"])
        table.add_row(*cells, f"[{colours[row['result']]}]{row['result']}[/]")
    console = Console()
    console.print(table)
    counts = {name: sum(row["result"] == name for row in rows) for name in (PASS, FAIL, LATER)}
    console.print(", ".join(f"{count} {name}" for name, count in counts.items() if count))
