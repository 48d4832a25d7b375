"""Emulation: the simulated world in which a study's patients live, and the quantities read off it.

Studies with the same cohort and practice share one world. A world's patients are numbered by a hash of what the study
file says of it, so one study more, or another parameter value, leaves everybody else's luck alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from sim import cohort as cohorts
from sim.calibration.estimators import Estimate
from sim.calibration.lives import Lives
from sim.calibration.study import Study, cohort_data
from sim.cohort.settings import Cohort
from sim.complaints import complaints
from sim.conf import options
from sim.engine.batch import compile_pathway, live_in, new_lives
from sim.experiments.inputs import as_record, kernel_values
from sim.experiments.run import PATHWAY
from sim.journal import ROW
from sim.lines import STRETCH, Count, Line, Switch
from sim.problems import Problem, did_you_mean, joined
from sim.settings import Settings
from sim.units import DAYS_PER_YEAR

#: Patients simulated for a study unless it is told otherwise.
PATIENTS: Final = 8192


def study_settings(base: Settings, study: Study) -> Settings:
    """Put a study's cohort, product and practice into the settings of a run.

    Parameters
    ----------
    base
        Settings of the run: seed, biology, care, products, policies, with whatever the user changed.
    study
        The study; it brings its own cohort, and its lines override the run's.

    Raises
    ------
    Problem
        When the study names a policy, product or line that does not exist, or describes an impossible cohort.
    """
    where = f"study {study.name}"
    data = cohort_data(study.cohort)
    try:
        cohort = Cohort.model_validate(data, context={STRETCH: True})  # a paper's share may lie outside our range
    except ValidationError as error:
        texts = complaints(error, Cohort, data)
        raise Problem(joined(f"{where}: {_in_cohort(text)}" for text in texts)) from None
    products = base.product.catalogue
    for name in cohort.product.shares:
        if name not in products:
            raise Problem(f"{where}: cohort.product.shares.{name}: unknown product, {did_you_mean(name, products)}")
    if study.product is not None and study.product not in products:
        raise Problem(f"{where}: unknown product {study.product!r}, {did_you_mean(study.product, products)}")
    if study.policy not in base.policy:
        raise Problem(f"{where}: policy {study.policy!r} {_remedy(study.policy, list(base.policy))}")
    update: dict[str, Any] = {"cohort": cohort, "policy": {study.policy: base.policy[study.policy]}}
    if study.product is not None:
        update["product"] = base.product.model_copy(update={"forced": study.product})
    try:
        return base.model_copy(update=update).with_values(dict(study.set))
    except Problem as problem:
        raise Problem(f"{where}: set: {problem}") from None


def _in_cohort(text: str) -> str:
    """Put `cohort.` before the key that a complaint begins with."""
    unknown = "unknown key '"
    return text.replace(unknown, f"{unknown}cohort.", 1) if text.startswith(unknown) else f"cohort.{text}"


def _remedy(policy: str, listed: list[str]) -> str:
    if policy in options("policy"):
        return f"is not listed: list it with 'policy=[{','.join([*listed, policy])}]'"
    return f"does not exist, {did_you_mean(policy, options('policy'), listed=20)}"


class World:
    """The patients of one or several studies, ready to live again and again with other parameter values.

    Parameters
    ----------
    settings
        From `study_settings`.
    study
        The study (or any of those that share the world).
    patients
        How many patients are referred.
    """

    def __init__(self, settings: Settings, study: Study, patients: int) -> None:
        self.settings = settings
        self.policy = study.policy
        self.first = study.first
        self.patients = patients
        self.products = tuple(settings.product.catalogue)
        self.own = {key.removesuffix(".value") for key in study.set} | set(settings.policy[study.policy].set)
        self.lines = dict(settings.lines())
        self.record = as_record(kernel_values(settings, self.policy))
        self.fresh = self._lay_out(settings)
        years = settings.horizon_years
        self.horizon = float("inf") if years is None else years * DAYS_PER_YEAR

    def _lay_out(self, settings: Settings) -> np.ndarray:
        table = cohorts.draw(settings.cohort, settings.seed, self.first, self.patients, list(self.products))
        if settings.product.forced is not None:
            table["product"] = self.products.index(settings.product.forced)
        return new_lives(PATHWAY, table, settings.seed, self.first)

    def live(self, values: Mapping[str, float], into: np.ndarray | None = None) -> np.ndarray:
        """Let everybody live with other values of some parameter lines.

        Parameters
        ----------
        values
            Dotted key of a line -> value in its own unit; lines that the study or its policy sets keep that value.
        into
            Records to write over; made if not given.

        Returns
        -------
        numpy.ndarray
            Final patient records.

        Raises
        ------
        Problem
            When there is no such line, or the value is impossible.
        """
        record, fresh = self.parameters(values)
        if into is None:
            into = np.empty_like(fresh)
        _live(fresh, record, self.horizon, into)
        return into

    def parameters(self, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Give the kernel's record with these values in place, and the patients before anything happens to them."""
        changed = {key.removesuffix(".value"): value for key, value in values.items()}
        changed = {key: value for key, value in changed.items() if key not in self.own}
        if not changed:
            return self.record, self.fresh
        if any(not _direct(key) for key in changed):
            settings = self.settings.with_values(changed)
            fresh = self._lay_out(settings) if any(_of_patients(key) for key in changed) else self.fresh
            return as_record(kernel_values(settings, self.policy)), fresh
        record = self.record.copy()
        for key, value in changed.items():
            line = self.lines.get(key)
            if line is None:
                raise Problem(f"{key}: no such parameter line, {did_you_mean(key, self.lines)}")
            record[key.rpartition(".")[2]] = _kernel_number(line, key, value)
        return record, self.fresh


def _direct(key: str) -> bool:
    """Tell whether a line is read by the kernel under its own last name and nothing else hangs on it."""
    return key.startswith(("biology.", "clinic.")) and not key.startswith("clinic.monitoring.recovery_")


def _of_patients(key: str) -> bool:
    return key.startswith("cohort.") and not key.startswith(("cohort.practice.", "cohort.wait."))


def _kernel_number(line: Line, key: str, value: float) -> float:
    try:
        moved = line.at(float(value))
    except ValidationError as error:
        rules = "; ".join(part["msg"].removeprefix("Value error, ") for part in error.errors())
        raise Problem(f"{key}: {value:g} {rules}") from None
    return moved.value if isinstance(moved, Switch | Count) else moved.kernel


def _live(fresh: np.ndarray, record: np.ndarray, horizon: float, lives: np.ndarray) -> None:
    np.copyto(lives, fresh)
    first_row = np.zeros(len(lives) + 1, dtype=np.int64)
    live_in(compile_pathway(PATHWAY), lives, record, np.zeros(0, dtype=ROW), first_row, horizon)


def worlds_of(base: Settings, studies: Iterable[Study], patients: int = PATIENTS) -> dict[str, World]:
    """Build the worlds of several studies, by `Study.world`."""
    worlds: dict[str, World] = {}
    for study in studies:
        if study.world not in worlds:
            worlds[study.world] = World(study_settings(base, study), study, patients)
    return worlds


def views(studies: Sequence[Study], lives: np.ndarray, world: World) -> Iterator[tuple[Study, Lives]]:
    """Look at one world's lives as each of its studies does; studies that count alike share a view."""
    seen: dict[tuple[str, str], Lives] = {}
    for study in studies:
        key = (study.origin, study.grading)
        if key not in seen:
            seen[key] = Lives(lives, study.origin, study.grading, world.products, world.horizon)
        yield study, seen[key]


def estimate(study: Study, name: str, lives: Lives) -> Estimate:
    """Compute one quantity of a study; what cannot be computed is NaN with its reason.

    Raises
    ------
    Problem
        When it names a product that is in no catalogue.
    """
    try:
        found = study.quantities[name].estimate(lives)
    except Problem as problem:
        raise Problem(f"study {study.name}: quantities.{name}: {problem}") from None
    return found._replace(value=float(found.value), error=float(found.error))
