"""A sweep: the same patients in every cell of a design over any settings; one table, and sensitivity indices.

Cells that differ in parameter lines alone share one set of records; other keys (policy options, cohorts, places of a
hospital, payment schemes) are composed anew, all of them before anything runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from sim.experiments.answers import Examiner, effect_of, frame_of, quantities
from sim.experiments.compare import illustrate, write_config, write_manifest, write_parameters
from sim.experiments.folders import claimed, extended_folder, finishing, point_latest
from sim.experiments.inquiry import Inquiry, Stretch, inquire
from sim.experiments.psa import levels_of, options_of, record, write_frames
from sim.experiments.tornado import BATCHES, Compose, Values
from sim.problems import Problem, joined
from sim.uncertainty.designs import cells, sobol_indices
from sim.uncertainty.variance import divided

if TYPE_CHECKING:
    import pandas as pd

#: Settings whose records are kept at a time.
KEPT: Final = 16


def run(settings: Any, compose: Compose | None = None) -> Path:
    """Visit every cell, and write one table.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`).
    compose
        From changes to settings; without it keys of parameter lines alone can be swept.

    Returns
    -------
    pathlib.Path
        The folder with ``sweep.csv`` (cell x policy: keys, outcomes, net benefits, the best policy), ``cells.csv``, and
        for a Saltelli design ``sensitivity.csv``; figures and report.

    Raises
    ------
    Problem
        When keys or values are wrong: all of them are checked before anything runs.
    """
    design = designed(settings)
    worlds = _worlds(settings, design, compose)
    folder = extended_folder(settings)
    with claimed(folder, settings) as store:
        inquiry = Cells(settings, BATCHES, store, worlds=tuple(worlds))
        started = time.perf_counter()
        sums = inquire(inquiry, len(design))
        seconds = time.perf_counter() - started
        with finishing(folder) as scratch:
            table = tidy(settings, design, [world.settings or settings for world in worlds], sums)
            found = {"sweep": table, "cells": _cells_frame(design)}
            if settings.sweep.design == "saltelli":
                found["sensitivity"] = sensitivity(settings, design, table)
            write_frames(found, scratch)
            write_parameters(settings, scratch)
            write_config(settings, scratch)
            about = record(settings, inquiry.examiner.worlds.n, len(design), seconds)
            about["cells"] = about.pop("draws")
            write_manifest(about | {"keys": list(design[0]), "design": settings.sweep.design}, scratch)
            illustrate(scratch)
    if settings.out is None and settings.run is None:
        point_latest(folder)
    return folder


def designed(settings: Any) -> list[dict[str, Any]]:
    """List the cells of a sweep.

    Raises
    ------
    Problem
        When there is no grid, or it cannot be read.
    """
    if settings.sweep.grid is None:
        raise Problem(
            "sweep.grid: nothing to sweep; name a file (sweep=transplant_risk), or give keys and values: "
            "'sweep.grid={clinic.transplant.trm.value: [0.05,0.1]}'"
        )
    return cells(settings.sweep.grid, settings.sweep.design, settings.sweep.points, settings.seed)


@dataclass(frozen=True)
class Cell:
    """One cell: settings of its own where keys other than lines change, and values of lines."""

    settings: Any
    values: Values


@dataclass(frozen=True)
class Cells(Inquiry):
    """The job: worlds are cells."""

    worlds: tuple[Cell, ...] = ()
    _examiners: dict[int, Examiner] = field(default_factory=dict, compare=False, repr=False)

    kind: ClassVar[str] = "cells"

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_examiners": {}}

    def answers(self, stretch: Stretch) -> np.ndarray:
        return np.array(
            [self._examiner(world).answer(world.values) for world in self.worlds[stretch.first : stretch.end]]
        )

    def _examiner(self, world: Cell) -> Examiner:
        """Build what asks a cell; kept while neighbouring cells share its settings."""
        if world.settings is None:
            return self.examiner
        known = self._examiners.get(id(world.settings))
        if known is None:
            known = Examiner(world.settings, self.batches)
            if len(self._examiners) >= KEPT:
                self._examiners.clear()
            self._examiners[id(world.settings)] = known
        return known


def _worlds(settings: Any, design: Sequence[Mapping[str, Any]], compose: Compose | None) -> list[Cell]:
    """Check every key and value, and compose what is not a parameter line; everything wrong is said at once."""
    lines = dict(settings.lines())
    _refuse_keys(design[0])
    composed: dict[str, Any] = {}
    found: list[str] = []
    worlds = []
    for cell in design:
        values = {key.removesuffix(".value"): value for key, value in cell.items() if _is_line(key, lines)}
        changes = {key: value for key, value in cell.items() if not _is_line(key, lines)}
        try:
            own = _composed(changes, settings, compose, composed) if changes else None
            (own or settings).with_values(values)
            worlds.append(Cell(own, {key: float(value) for key, value in values.items()}))
        except (Problem, TypeError) as problem:
            found.append(str(problem))
    if found:
        raise Problem(joined(found[:20]))
    return worlds


def _is_line(key: str, lines: Mapping[str, Any]) -> bool:
    return key.endswith(".value") and key.removesuffix(".value") in lines


def _refuse_keys(cell: Mapping[str, Any]) -> None:
    for key in cell:
        if key == "policy":
            raise Problem("sweep.grid.policy: every cell runs the same policies; list them with policy=[...]")
        if key.partition(".")[0] in ("sweep", "psa", "dsa", "voi", "study", "out", "run", "executor", "experiment"):
            raise Problem(f"sweep.grid.{key}: changes nothing that a cell could show")


def _composed(changes: dict[str, Any], settings: Any, compose: Compose | None, known: dict[str, Any]) -> Any:
    """Compose a cell's settings once for all cells that share them."""
    name = json.dumps(changes, sort_keys=True)
    if name not in known:
        if compose is None:
            raise Problem(f"sweep.grid.{next(iter(changes))}: no such parameter line (write KEY.value)")
        own = compose(changes)
        if tuple(sorted(own.policy)) != tuple(sorted(settings.policy)):
            raise Problem(f"sweep.grid: {name} changes which policies there are; every cell runs the same")
        if (own.economics is None) != (settings.economics is None) or own.origin != settings.origin:
            raise Problem(f"sweep.grid: {name} changes which outcomes there are; every cell must have the same")
        known[name] = own
    return known[name]


def tidy(settings: Any, design: Sequence[Mapping[str, Any]], own: Sequence[Any], sums: np.ndarray) -> pd.DataFrame:
    """Lay out one row per cell and policy.

    Returns
    -------
    pandas.DataFrame
        cell, a column per key, policy, quantities (`sim.experiments.answers`), and for every threshold ``nmb_<wtp>``,
        ``inc_nmb_<wtp>`` (against the reference) with ``_se``, and ``best_<wtp>``.
    """
    policies = tuple(sorted(settings.policy))
    worlds: dict[str, Any] = {"cell": np.arange(len(design))}
    for key in design[0]:
        worlds[key] = _column([cell[key] for cell in design])
    table = frame_of(worlds, policies, sums, quantities(settings))
    names = [column.name for column in quantities(settings)]
    effect, _ = effect_of(settings)
    count, cost, gain = (sums[:, :, names.index(name)] for name in ("n", "cost", effect))
    reference = policies.index(settings.reference_policy)
    options = [policies.index(name) for name in options_of(settings)]
    for level in levels_of(settings):
        worth = level * gain - cost
        benefit = divided(worth.sum(axis=-1), count.sum(axis=-1))
        table[f"nmb_{level:g}"] = benefit.ravel()
        table[f"inc_nmb_{level:g}"] = (benefit - benefit[:, [reference]]).ravel()
        table[f"inc_nmb_{level:g}_se"] = _batch_error(worth, count, reference).ravel()
        best = np.array(options)[np.argmax(benefit[:, options], axis=1)]
        table[f"best_{level:g}"] = (np.arange(len(policies)) == best[:, None]).ravel()
    return table


def _batch_error(worth: np.ndarray, count: np.ndarray, reference: int) -> np.ndarray:
    """Give the patients' error of the increment of every policy: a jackknife over batches."""
    from sim.uncertainty.variance import jackknife

    rest = divided(worth.sum(axis=-1, keepdims=True) - worth, count.sum(axis=-1, keepdims=True) - count)
    error: np.ndarray = jackknife(np.moveaxis(rest - rest[:, [reference]], -1, 0))
    return error


def _column(values: list[Any]) -> np.ndarray:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    return np.array([value if isinstance(value, str) else json.dumps(value) for value in values], dtype=object)


def _cells_frame(design: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame({key: _column([cell[key] for cell in design]) for key in design[0]})
    frame.insert(0, "cell", np.arange(len(design)))
    return frame


def sensitivity(settings: Any, design: Sequence[Mapping[str, Any]], table: pd.DataFrame) -> pd.DataFrame:
    """Estimate Sobol indices of cost, effect and incremental net benefits from a Saltelli design.

    Returns
    -------
    pandas.DataFrame
        Columns policy, outcome, key, first, first_low, first_high, total, total_low, total_high.
    """
    import pandas as pd

    effect, _ = effect_of(settings)
    outcomes = ["cost", effect, *(f"inc_nmb_{level:g}" for level in levels_of(settings))]
    rows = []
    for policy, part in table.groupby("policy", sort=True):
        for outcome in outcomes:
            for row in sobol_indices(list(design[0]), part[outcome].to_numpy(), settings.seed):
                rows.append({"policy": policy, "outcome": outcome} | row)
    return pd.DataFrame(rows)
