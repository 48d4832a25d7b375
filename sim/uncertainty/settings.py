"""What may be said about analyses of uncertainty: the conf groups ``psa``, ``dsa``, ``sweep``, ``voi``, ``study``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sim.lines import Frozen, Words

AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
AtLeastTwo = Annotated[int, Field(strict=True, ge=2)]
Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)]


def _listed(value: Any) -> Any:
    """Let a single word stand for a list of one."""
    return (value,) if isinstance(value, str) else value


Keys = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Psa(Frozen):
    """The conf group ``psa``.

    Attributes
    ----------
    draws
        Joint draws of the uncertain parameters; more of them extend a finished run.
    posterior
        ``auto``: the shipped posterior of the structure in use, where there is one; null: none; or a file of joint
        draws (`sim.uncertainty.posterior`).
    hold
        Keys, or beginnings of keys, that keep their base case.
    batches
        Batches of patients by which first-order error is told from second-order uncertainty.
    piece
        Draws per part on disk.
    """

    draws: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    posterior: str | None
    hold: Keys
    batches: Annotated[int, Field(strict=True, ge=2, le=64)]
    piece: AtLeastOne


class Dsa(Frozen):
    """The conf group ``dsa``: one-way, two-way and threshold analyses, and structural scenarios.

    Attributes
    ----------
    lines
        Keys, or beginnings of keys, to be varied; null: every line.
    shown
        Bars of a tornado figure.
    two_way
        Two keys whose ranges are crossed; null: none.
    threshold
        Key whose range is searched for changes of the optimal policy; null: none.
    steps
        Values along each range of a two-way or threshold analysis.
    tolerance
        Width to which a threshold is narrowed, as a share of the range.
    structures
        Structures (conf group ``structure``) to compare; empty: none, ``[all]``: all.
    """

    lines: Keys | None
    shown: AtLeastOne
    two_way: Annotated[tuple[str, str] | None, Field()]
    threshold: str | None
    steps: AtLeastTwo
    tolerance: Annotated[float, Field(strict=True, gt=0.0, lt=1.0)]
    structures: Keys


class Sweep(Frozen):
    """The conf group ``sweep``: which cells of settings are visited.

    Attributes
    ----------
    grid
        Key -> values (`sim.uncertainty.designs.cells`); null: none given.
    design
        grid, latin_hypercube, sobol or saltelli.
    points
        Size of a space-filling design.
    """

    grid: dict[str, Any] | None
    design: str
    points: AtLeastOne


class Population(Frozen):
    """Whom a decision concerns.

    Attributes
    ----------
    per_year
        Patients a year.
    horizon_years
        Years for which the decision stands.
    rate
        Yearly discount rate, 0 included.
    source
        Where these are from.
    """

    per_year: AboveZero
    horizon_years: AboveZero
    rate: NotNegative
    source: Words


class Voi(Frozen):
    """The conf group ``voi``.

    Attributes
    ----------
    wtp
        Willingness to pay per unit of effect; null: the thresholds of the profile.
    groups
        Name -> keys, or beginnings of keys: EVPPI of these together.
    single
        EVPPI of every parameter by itself, too.
    gaussian_process
        Parameters (those of highest value by splines) that a Gaussian process checks.
    shown
        Bars in the figure.
    population
        Whom the decision concerns.
    """

    wtp: Annotated[tuple[NotNegative, ...], Field(min_length=1)] | None
    groups: dict[str, Keys]
    single: Annotated[bool, Field(strict=True)]
    gaussian_process: Annotated[int, Field(strict=True, ge=0)]
    shown: AtLeastOne
    population: Population


class Measurement(Frozen):
    """One quantity that a study measures.

    Attributes
    ----------
    of
        Key of the parameter line that it informs.
    kind
        ``binomial``: so many of n; ``normal``: a mean with standard deviation `sd` per patient; ``lognormal``: the mean
        of a logarithm; ``poisson``: events over `exposure` units of time per patient.
    share
        Share of the study's patients in whom it is measured.
    sd
        Standard deviation of one patient's value (of its logarithm for ``lognormal``).
    exposure
        Time per patient, in the unit of the line's rate.
    source
        Where share, sd or exposure are from.
    """

    of: str
    kind: Literal["binomial", "normal", "lognormal", "poisson"]
    share: Annotated[float, Field(strict=True, gt=0.0, le=1.0)] = 1.0
    sd: AboveZero | None = None
    exposure: AboveZero | None = None
    source: Words

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.sd is None) == (self.kind in ("normal", "lognormal")):
            raise ValueError(f"sd goes with normal and lognormal, and must be given there (kind is {self.kind})")
        if (self.exposure is None) == (self.kind == "poisson"):
            raise ValueError(f"exposure goes with poisson, and must be given there (kind is {self.kind})")
        return self


class Study(Frozen):
    """A study that could be done (``conf/study/*.yaml``).

    Attributes
    ----------
    label, about
        What it is.
    sizes
        Numbers of patients that are tried.
    measures
        What it measures.
    fixed_cost, cost_per_patient
        In the run's currency.
    years
        Until its result is known; the decision gains from then on.
    source, status
        Where costs and duration are from, how well they are known.
    """

    label: Words
    about: Words
    sizes: Annotated[tuple[AtLeastOne, ...], Field(min_length=1)]
    measures: Annotated[tuple[Measurement, ...], Field(min_length=1)]
    fixed_cost: NotNegative
    cost_per_patient: NotNegative
    years: NotNegative
    source: Words
    status: Literal["review", "found", "recalled", "assumed", "calibrated"]

    @field_validator("sizes")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if list(sizes) != sorted(set(sizes)):
            raise ValueError("sizes must rise")
        return sizes
