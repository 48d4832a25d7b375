"""What a run says on the terminal when it is over: its answer as a small table, or as JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from sim.report.terminal import checks, policies, uncertainty
from sim.report.terminal.folder import Folder
from sim.report.terminal.table import Table

#: Experiment -> what lays out its answer. A replay has printed a life, which is its answer.
ANSWERS: Final[dict[str, Callable[[Folder], list[Table]]]] = {
    "compare": policies.comparison,
    "value": policies.comparison,
    "price": policies.prices,
    "capacity": policies.hospital,
    "budget": policies.budget,
    "psa": uncertainty.acceptability,
    "tornado": uncertainty.tornado,
    "voi": uncertainty.information,
    "sweep": uncertainty.cells,
    "multirun": uncertainty.jobs,
    "validate": checks.validation,
    "verify": checks.verification,
    "calibrate": checks.calibration,
    "parameters": checks.parameters,
}
#: Columns of a terminal that does not say how wide it is, and of a file or a pipe.
WIDTH: Final = 80


def answers(path: Path) -> list[Table]:
    """Lay out what the run in a folder answers; nothing where its answer is no table."""
    folder = Folder(path)
    make = ANSWERS.get(folder.experiment)
    return make(folder) if make else []


def written(path: Path, stream: IO[str]) -> str:
    """Write the answer of a run as text: its tables, and where its report is."""
    shown = stream.isatty()
    width = shutil.get_terminal_size((WIDTH, 24)).columns if shown else WIDTH
    bold = shown and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    parts = [table.as_text(width, bold=bold) for table in answers(path) if table.printed and table.rows]
    report = Folder(path).report
    return "\n\n".join([*parts, *([f"report: {report}"] if report else [])])


def as_json(path: Path) -> str:
    """Write the answer of a run as one JSON object: folder, report, experiment, tables."""
    folder = Folder(path)
    found: dict[str, Any] = {
        "experiment": folder.experiment,
        "folder": str(path),
        "report": str(folder.report) if folder.report else None,
        "tables": [table.as_data() for table in answers(path)],
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False)
