"""The files of a finished run, read with the standard library: a table is made of few rows."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.report.frames import Estimate


@dataclass(frozen=True)
class Folder:
    """A run's folder."""

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The run record; of a sweep by ``-m`` what it wrote instead."""
        for name in ("manifest.json", "sweep.json"):
            if (self.path / name).is_file():
                found: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
                return found
        return {}

    @property
    def experiment(self) -> str:
        """What was done: the name of the experiment, or ``multirun``."""
        if not (self.path / "manifest.json").is_file():
            return "multirun"
        return str(self.manifest.get("experiment", ""))

    @cached_property
    def report(self) -> Path | None:
        """The report, where the run wrote one."""
        path = self.path / "report.html"
        return path if path.is_file() else None

    def has(self, *names: str) -> bool:
        """Tell whether the run wrote all these files."""
        return all((self.path / name).is_file() for name in names)

    def rows(self, name: str, **wanted: Any) -> Iterator[dict[str, str]]:
        """Read the rows of a CSV file whose columns have the wanted values; none where there is no such file."""
        if not self.has(name):
            return
        with (self.path / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if all(_equal(row.get(key), value) for key, value in wanted.items()):
                    yield row

    def policies(self) -> list[str]:
        """Policies in the order in which they were listed."""
        return list(self.manifest.get("policies", {}))

    def levels(self) -> list[float]:
        """Thresholds of willingness to pay, of the run or of its economic settings."""
        levels = self.manifest.get("wtp") or (self.manifest.get("economics") or {}).get("wtp") or []
        return sorted(float(level) for level in levels)

    def currency(self) -> str:
        """Name the currency and its year; empty where nothing is priced."""
        return str((self.manifest.get("economics") or {}).get("currency") or "")


def _equal(text: str | None, value: Any) -> bool:
    if text is None:
        return False
    return text == value if isinstance(value, str) else number(text) == value


def number(text: str | None) -> float:
    """Read a number; NaN where the cell is empty."""
    return float(text) if text not in (None, "") else math.nan


def estimate(row: dict[str, str] | None, value: str, error: str = "", unit: str = "") -> Estimate | None:
    """Read a number and its error from a row; None without a row."""
    if row is None:
        return None
    return Estimate(number(row[value]), number(row.get(error)) if error else math.nan, unit)


def chosen(levels: list[float]) -> float:
    """Choose the threshold that is shown where one must do: the middle one, of two the lower."""
    return levels[(len(levels) - 1) // 2]
