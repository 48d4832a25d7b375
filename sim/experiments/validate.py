"""Published against simulated: all targets of the shipped studies, or of a user's own, at the values of a run."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from sim import __version__
from sim.calibration.emulation import estimate, views, worlds_of
from sim.calibration.estimators import Estimate
from sim.calibration.lives import Lives
from sim.calibration.quantities import HazardRatio, Incidence, Median, Quantity, Rate, Survival, on_scale
from sim.calibration.study import Study, load_studies, shipped_studies
from sim.calibration.target import Target, inner
from sim.evidence import evidence_hash
from sim.experiments.compare import illustrate, write_config, write_parameters
from sim.experiments.folders import point_latest, run_folder, settings_hash, written_whole
from sim.experiments.parameters import console
from sim.experiments.progress import progress
from sim.kernel import kernel_hash
from sim.problems import Problem, did_you_mean
from sim.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

#: Columns of ``validate.csv``; published, low, high, model and mc_se are in `unit` (a proportion is 0 to 1).
COLUMNS: Final = (
    *("study", "quantity", "label", "published", "low", "high", "interval", "assumed", "model", "mc_se", "z", "within"),
    *("source", "status", "note", "unit", "n", "fitted", "study_label"),
)
CURVE_COLUMNS: Final = ("study", "study_label", "curve", "label", "kind", "months", "estimate", "low", "high")
#: Points of a curve per month, and how far beyond its last published point it is drawn.
PER_MONTH: Final = 2
BEYOND: Final = 1.1
_AT_MONTHS: Final = re.compile(r" at \d+(\.\d+)? months?")


def run(settings: Settings) -> Path:
    """Emulate the studies and compare.

    Parameters
    ----------
    settings
        Validated settings; disease, care and products are the run's own, cohort and practice each study's.

    Returns
    -------
    pathlib.Path
        The folder with ``validate.csv``, ``validate_curves.csv``, ``parameters.csv``, ``figures/``, ``report.html``,
        ``config.yaml`` and ``manifest.json``.

    Raises
    ------
    Problem
        When a study file is wrong, or the hospital is finite (studies are emulated by the batch engine).
    """
    if settings.hospital.finite:
        raise Problem("experiment=validate emulates studies without queues: leave out hospital=... (set unlimited)")
    studies = load_studies(files(settings))
    folder = run_folder(settings)
    started = time.perf_counter()
    table, curves = compare(settings, studies)
    with written_whole(folder, settings) as scratch:
        table.to_csv(scratch / "validate.csv", index=False, float_format="%.10g")
        curves.to_csv(scratch / "validate_curves.csv", index=False, float_format="%.10g")
        write_parameters(settings, scratch)
        write_config(settings, scratch)
        record = manifest(settings, studies, table, time.perf_counter() - started)
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        illustrate(scratch)
    if settings.out is None:
        point_latest(folder)
    if not settings.quiet:
        show(table)
    return folder


def files(settings: Settings) -> list[Path]:
    """List the study files of a run.

    Raises
    ------
    Problem
        When the user's file does not exist; a shipped study may be named without folder and suffix.
    """
    if settings.validation.file is None:
        return shipped_studies()
    path = Path(settings.validation.file)
    if path.is_file():
        return [path]
    shipped = {study.stem: study for study in shipped_studies()}
    if settings.validation.file in shipped:
        return [shipped[settings.validation.file]]
    near = sorted(other.name for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    remedy = did_you_mean(path.name, [*near, *shipped])
    raise Problem(f"validate.file={path}: no such file, {remedy}")


def compare(settings: Settings, studies: list[Study]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Emulate the studies.

    Returns
    -------
    tuple of pandas.DataFrame
        Rows of `COLUMNS`, in the order of the studies and their quantities; rows of `CURVE_COLUMNS`.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    curves: dict[str, list[dict[str, Any]]] = {}
    worlds = worlds_of(settings, studies, settings.validation.patients)
    patients = settings.validation.patients * len(worlds)
    with progress(patients, "patients", quiet=settings.quiet) as advance:
        for key, world in worlds.items():
            lives = world.live({})
            for study, view in views([study for study in studies if study.world == key], lives, world):
                rows[study.name] = list(_rows(study, view))
                curves[study.name] = list(_curves(study, view))
            advance(settings.validation.patients)
    names = [study.name for study in studies]
    table = pd.DataFrame([row for name in names for row in rows[name]], columns=list(COLUMNS))
    drawn = pd.DataFrame([row for name in names for row in curves[name]], columns=list(CURVE_COLUMNS))
    return table, drawn


def _rows(study: Study, view: Lives) -> Iterator[dict[str, Any]]:
    for target, (_, quantity) in zip(study.targets(), study.quantities.items(), strict=True):
        yield _row(study, target, quantity, estimate(study, target.name, view))


def _row(study: Study, target: Target, quantity: Quantity, found: Estimate) -> dict[str, Any]:
    low, high = quantity.bounds()
    published = not math.isnan(target.value)
    judged = published and not math.isnan(found.value) and not math.isnan(low)
    return {
        "study": study.name,
        "quantity": target.name,
        "label": target.label,
        "published": target.value,
        "low": low,
        "high": high,
        "interval": target.interval,
        "assumed": "yes" if published and target.assumed else "",
        "model": found.value,
        "mc_se": found.error,
        "z": distance(target, found.value),
        "within": ("yes" if low <= found.value <= high else "no") if judged else "",
        "source": target.source,
        "status": target.status,
        "note": "; ".join(part for part in (found.note, target.note) if part),
        "unit": unit(quantity),
        "n": math.nan if target.n is None else target.n,
        "fitted": "yes" if target.fitted else "",
        "study_label": study.label,
    }


def distance(target: Target, model: float) -> float:
    """Distance of the model from the publication in its standard errors, on the target's scale; NaN where unknown."""
    if math.isnan(target.value) or math.isnan(model):
        return math.nan
    published = target.value
    if target.scale == "proportion" and target.n is not None:
        published = inner(target.value, target.n)
        if min(target.value, published) <= model <= max(target.value, published):  # nobody or everybody: none beyond
            return 0.0
    z = (on_scale(target.scale, model) - on_scale(target.scale, published)) / target.se
    return z if math.isfinite(z) else math.nan


def unit(quantity: Quantity) -> str:
    """Name the unit of a quantity's values."""
    if isinstance(quantity, Median):
        return quantity.unit
    if isinstance(quantity, Rate):
        return f"per {quantity.per_days:g} days"
    return "ratio" if isinstance(quantity, HazardRatio) else "proportion"


def _curves(study: Study, view: Lives) -> Iterator[dict[str, Any]]:
    """Whole curves through the points that were published."""
    groups: dict[Any, list[str]] = {}
    for name, quantity in study.quantities.items():
        if isinstance(quantity, Survival) and quantity.value is not None:
            key = (quantity.ends, quantity.among, quantity.cause, quantity.follow_up_months, quantity.landmark_months)
            groups.setdefault(key, []).append(name)
    for names in groups.values():
        yield from _curve(study, view, names)


def _curve(study: Study, view: Lives, names: list[str]) -> Iterator[dict[str, Any]]:
    quantities: list[Survival] = [study.quantities[name] for name in names]
    label = _AT_MONTHS.sub("", quantities[0].label) or names[0]
    of_all = {"study": study.name, "study_label": study.label, "curve": names[0], "label": label}
    end = BEYOND * max(quantity.months for quantity in quantities)
    months = np.arange(0.0, end + 1.0 / PER_MONTH, 1.0 / PER_MONTH)
    for month, value in zip(months, quantities[0].curve(view, months), strict=True):
        yield {**of_all, "kind": "model", "months": month, "estimate": value}
    for quantity in quantities:
        low, high = quantity.bounds()
        point = {"months": quantity.months, "estimate": quantity.natural(quantity.value), "low": low, "high": high}
        yield {**of_all, "kind": "published", **point}


def manifest(settings: Settings, studies: list[Study], table: pd.DataFrame, seconds: float) -> dict[str, Any]:
    """Describe the run, with how many targets were met."""
    met, judged = tally(table)
    return {
        "program": "cartwin",
        "version": __version__,
        "experiment": settings.experiment,
        "command": "python -m sim " + " ".join(sys.argv[1:]),
        "seed": settings.seed,
        "patients_a_study": settings.validation.patients,
        "studies": {study.name: study.label for study in studies},
        "targets": judged,
        "targets_met": met,
        "settings_hash": settings_hash(settings),
        "evidence_hash": evidence_hash(),
        "kernel_hash": kernel_hash(),
        "seconds": round(seconds, 3),
    }


def tally(table: pd.DataFrame) -> tuple[int, int]:
    """Count the targets that lie within their interval, and all targets (those that are only shown are left out)."""
    judged = table[table["fitted"] == "yes"]
    return int((judged["within"] == "yes").sum()), len(judged)


# --- on the terminal --------------------------------------------------------------------------------------------------


def show(table: pd.DataFrame) -> None:
    """Print published and simulated side by side, by study, and name the misses."""
    screen = console()
    screen.print(_terminal_table(table))
    met, judged = tally(table)
    if judged:
        screen.print(f"{met} of {judged} targets lie within their 95% interval (* assumed where none was published).")


def _terminal_table(table: pd.DataFrame) -> Table:
    from rich.table import Column
    from rich.table import Table as Grid
    from rich.text import Text

    right = [Column(name, justify="right", no_wrap=True) for name in ("published", "95% interval", "model", "±", "z")]
    grid = Grid(Column("quantity", min_width=28), *right, "", "note", title="published | model")
    for row in table.to_dict("records"):
        if row["study"] != _previous(grid):
            grid.add_section()
            grid.add_row(Text(str(row["study_label"]), style="bold"))
            grid.caption = str(row["study"])
        grid.add_row(*(Text(word) for word in _words(row)))
    grid.caption = None
    return grid


def _previous(grid: Table) -> str | None:
    return str(grid.caption) if grid.caption else None


def _words(row: Mapping[Any, Any]) -> tuple[str, ...]:
    unit_of = str(row["unit"])
    star = "*" if row["assumed"] == "yes" else ""
    interval = "" if math.isnan(row["low"]) else f"{_number(row['low'], unit_of)}-{_number(row['high'], unit_of)}{star}"
    z = "" if math.isnan(row["z"]) else f"{row['z']:+.1f}"
    verdict = {"yes": "", "no": "outside"}.get(str(row["within"]), "") if row["fitted"] == "yes" else "shown"
    if math.isnan(row["model"]):
        verdict = "none"
    note = str(row["note"]) if verdict in ("outside", "none") else ""
    return (
        f"  {row['label']}",
        _number(row["published"], unit_of),
        interval,
        _number(row["model"], unit_of),
        _number(row["mc_se"], unit_of),
        z,
        verdict,
        note,
    )


def _number(value: float, unit_of: str) -> str:
    if math.isnan(value):
        return "-"
    if unit_of == "proportion":
        return f"{100.0 * value:.1f}%"
    return f"{value:.2f}"


__all__ = ["COLUMNS", "CURVE_COLUMNS", "Incidence", "compare", "distance", "files", "run", "show", "tally"]
