"""Every parameter of a run: value, unit, distribution, range, source, status, as a table and as a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim import __version__
from sim.experiments.folders import point_latest, run_folder, settings_hash, written_whole
from sim.policies import FollowUp, Policy
from sim.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final = ("key", "about", "value", "unit", "distribution", "low", "high", "source", "status")
#: Unit and meaning of a policy's own fields.
POLICY_FIELDS: Final = {
    "visits_months": ("months", "visits after the response assessment"),
    "assays": ("names", "MRD assays used"),
    "ngs_counts": ("switch", "MRD seen by NGS alone triggers like MRD seen by flow or qPCR"),
    "ngs_repeat_days": ("days", "NGS is repeated after this time where it alone does not count"),
    "bca_threshold": ("name", "what counts as B cells being back"),
    "second_hct_in_remission": ("switch", "a second transplant in remission is allowed"),
    "second_hct_after_relapse": ("switch", "a second transplant after relapse is allowed"),
    "bca_window_months": ("months", "until when loss of B-cell aplasia counts as early"),
}
WIDE: Final = 200


def run(settings: Settings) -> Path:
    """Print every parameter and write ``parameters.csv``.

    Returns
    -------
    pathlib.Path
        The folder with ``parameters.csv``, ``config.yaml`` and ``manifest.json``.
    """
    rows = list(parameter_rows(settings))
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        write(rows, scratch / "parameters.csv")
        (scratch / "config.yaml").write_text(settings.as_yaml(), encoding="utf-8")
        record = {
            "program": "cartwin",
            "version": __version__,
            "experiment": settings.experiment,
            "settings_hash": settings_hash(settings),
        }
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if settings.out is None:
        point_latest(folder)
    if not settings.quiet:
        show(rows)
    return folder


def parameter_rows(settings: Settings) -> Iterator[dict[str, Any]]:
    """Walk through all parameters: every line, then what each policy leaves to choice.

    Yields
    ------
    dict
        `COLUMNS`; a policy's fields have no distribution and no range.
    """
    for key, line in settings.lines():
        yield {"key": key} | {name: getattr(line, name) for name in COLUMNS[1:]}
    for name, policy in settings.policy.items():
        yield from _policy_rows(name, policy)


def _policy_rows(name: str, policy: Policy) -> Iterator[dict[str, Any]]:
    fields = {field: getattr(policy, field) for field in (*FollowUp.model_fields, "bca_window_months")}
    fields |= {f"options.{option}": value for option, value in policy.options.items()}
    for field, value in fields.items():
        if value is None:
            continue
        unit, about = POLICY_FIELDS.get(field, (_unit(field, value), field.rpartition(".")[2].replace("_", " ")))
        yield {
            "key": f"policy.{name}.{field}",
            "about": about,
            "value": _written(value),
            "unit": unit,
            "distribution": "fixed",
            "low": "",
            "high": "",
            "source": policy.source,
            "status": "assumed" if field in policy.assumed else policy.status,
        }
    for key, number in policy.set.items():
        yield {
            "key": f"policy.{name}.set.{key}",
            "about": "set by this policy",
            "value": number,
            "unit": "",
            "distribution": "fixed",
            "low": "",
            "high": "",
            "source": policy.source,
            "status": policy.status,
        }


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return " ".join(part if isinstance(part, str) else f"{part:g}" for part in value)
    return value


def _unit(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return "switch"
    for ending, unit in (("_months", "months"), ("_days", "days"), ("_day", "days"), ("_percent", "percent")):
        if field.endswith(ending):
            return unit
    return "count"


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def console() -> Console:
    """Give a console that is wide where the output goes into a file or a pipe."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows as a table."""
    from rich.table import Column, Table
    from rich.text import Text

    rest = ("value", "unit", "range", "distribution", "source", "status", "about")
    table = Table(Column("key", no_wrap=True), *rest, title="parameters")
    for row in rows:
        low, high = row["low"], row["high"]
        span = "" if low == "" else f"{low:g} to {high:g}"
        value = row["value"] if isinstance(row["value"], str) else f"{row['value']:g}"
        words = (row["key"], value, row["unit"], span, row["distribution"], row["source"], row["status"], row["about"])
        table.add_row(*(Text(str(word)) for word in words))
    console().print(table)
