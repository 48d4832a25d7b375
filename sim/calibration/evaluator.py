"""The fast evaluator: values of parameter lines in, emulated targets out, with the same random numbers each time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sim.calibration.emulation import PATIENTS, World, estimate, views, worlds_of
from sim.calibration.estimators import Estimate
from sim.calibration.study import Study, load_studies
from sim.calibration.target import Target
from sim.settings import Settings


class FastEvaluator:
    """All targets of a set of studies, emulated on the batch engine (`sim.calibration.target.Evaluator`).

    It is deterministic, safe to call from several threads, and pickles as its settings and studies: a copy in another
    process draws the same patients again.

    Parameters
    ----------
    settings
        Settings of the run (``experiment=validate``: with the policies that the studies name).
    studies
        Studies, or files of studies; by default the shipped ones.
    patients
        Patients referred in each world.
    shown
        Include quantities that are only shown (``fitted: false``).
    """

    def __init__(
        self,
        settings: Settings,
        studies: Iterable[Study | Path] | None = None,
        *,
        patients: int = PATIENTS,
        shown: bool = False,
    ) -> None:
        self.settings = settings
        self.patients = patients
        self.shown = shown
        self.studies = _studies(studies)
        self._prepare()

    def _prepare(self) -> None:
        pairs = [(study, target) for study in self.studies for target in study.targets()]
        self._pairs = [(study, target) for study, target in pairs if target.fitted or self.shown]
        self._targets = [target for _, target in self._pairs]
        place = {(target.study, target.name): i for i, target in enumerate(self._targets)}
        self._asked = {
            study.name: [(place[study.name, name], name) for name in study.quantities if (study.name, name) in place]
            for study in self.studies
        }
        asked = [study for study in self.studies if self._asked[study.name]]
        self._worlds: dict[str, World] = worlds_of(self.settings, asked, self.patients)
        self._threads = threading.local()
        self._studies_of = {key: [study for study in asked if study.world == key] for key in self._worlds}

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("settings", "studies", "patients", "shown")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    @property
    def targets(self) -> Sequence[Target]:
        """The quantities, in the order in which values are returned."""
        return self._targets

    def __call__(self, values: Mapping[str, float]) -> np.ndarray:
        """Emulate all targets; see `sim.calibration.target.Evaluator`.

        Raises
        ------
        Problem
            When a key names no parameter line, or a value is impossible.
        """
        return np.array([found.value for found in self.estimates(values)])

    def estimates(self, values: Mapping[str, float]) -> list[Estimate]:
        """Emulate all targets, with Monte-Carlo errors and reasons for what does not exist."""
        results: list[Estimate] = [Estimate(np.nan, np.nan)] * len(self._targets)
        for key, world in self._worlds.items():
            lives = world.live(values, self._room(world))
            for study, view in views(self._studies_of[key], lives, world):
                for place, name in self._asked[study.name]:
                    results[place] = estimate(study, name, view)
        return results

    def _room(self, world: World) -> np.ndarray:
        """Give this thread's records, used again by one world after another: each is read before the next."""
        room: np.ndarray | None = getattr(self._threads, "room", None)
        if room is None:
            room = self._threads.room = np.empty_like(world.fresh)
        return room

    def many(self, vectors: Sequence[Mapping[str, float]], threads: int = 2) -> np.ndarray:
        """Emulate all targets for several parameter vectors in threads, shape (vectors, targets)."""
        if threads <= 1 or len(vectors) <= 1:
            return np.array([self(values) for values in vectors]).reshape(len(vectors), len(self._targets))
        with ThreadPoolExecutor(threads) as pool:
            return np.array(list(pool.map(self, vectors)))


def _studies(given: Iterable[Study | Path] | None) -> list[Study]:
    if given is None:
        return load_studies()
    found: list[Study] = []
    for entry in given:
        found += [entry] if isinstance(entry, Study) else load_studies([Path(entry)])
    return found
