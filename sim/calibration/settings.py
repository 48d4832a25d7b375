"""How a calibration is done: its budget, its priors, and the structures it can be done under."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sim.calibration.priors import Prior
from sim.lines import Frozen, Number

AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
NotNegative = Annotated[int, Field(strict=True, ge=0)]


class Calibration(Frozen):
    """The conf group ``calibration``.

    Attributes
    ----------
    patients, search_patients
        Patients per emulated cohort; fewer while the optimum is searched for from several starts.
    design, starts, iterations
        Size of the Sobol design over the prior; its best points that are climbed from; most steps of a climb.
    start_from
        Where to climb from instead of searching the prior: a structure with a shipped posterior, or a posterior file
        (``posterior.parquet`` of an earlier calibration); null: the search.
    rounds, local
        Rounds of the local design, each around the last round's posterior; evaluations per round.
    spread
        Width of the local design relative to the posterior.
    walkers, steps, keep
        Walkers of the sampler, steps of the walk, draws that are kept.
    check
        Draws that are run through the simulator again.
    replicates
        Runs at the optimum with other random numbers, from which the Monte-Carlo error is taken.
    discrepancy
        Scale of the half-normal prior of a study's discrepancy (logits, logs).
    adopt
        Write the result into the parameter lines of conf/ and the posterior into sim/data.
    weights
        Structure -> weight, for an average over structures; null: no average. Declared before the fit.
    parameters
        Dotted key of a parameter line -> its prior: what is free.
    """

    patients: AtLeastOne
    search_patients: AtLeastOne
    design: AtLeastOne
    starts: AtLeastOne
    iterations: AtLeastOne
    start_from: str | None = None
    rounds: AtLeastOne
    local: AtLeastOne
    spread: Annotated[Number, Field(gt=0)]
    walkers: AtLeastOne
    steps: AtLeastOne
    keep: AtLeastOne
    check: NotNegative
    replicates: NotNegative
    discrepancy: Annotated[Number, Field(ge=0)]
    adopt: Annotated[bool, Field(strict=True)]
    weights: dict[str, Annotated[Number, Field(ge=0)]] | None
    parameters: dict[str, Prior]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.starts > self.design:
            raise ValueError(f"starts ({self.starts}) cannot exceed design ({self.design})")
        if self.replicates == 1:
            raise ValueError("replicates (1) must be 0 or at least 2: one run tells nothing about noise")
        if self.keep > self.walkers * self.steps // 2:
            raise ValueError(f"keep ({self.keep}) is too many for {self.walkers} walkers and {self.steps} steps")
        if self.weights is not None and abs(sum(self.weights.values()) - 1.0) > 1e-9:
            raise ValueError(f"weights must add up to 1 (now {sum(self.weights.values()):g})")
        return self


class Structure(Frozen):
    """The conf group ``structure``: one answer to what the data cannot tell.

    Attributes
    ----------
    name
        Of its file, and of its posterior sample in ``sim/data/posterior``.
    label, about
        In words.
    fixes
        Dotted keys of the parameter lines that make the structure: never free under it. Their values stand in the
        structure's file, beside those of all lines that were calibrated under it.
    """

    name: str
    label: str
    about: str
    fixes: tuple[str, ...]
