"""What may be said about a cohort: marginals, dependence and practice, one class per part of ``conf/cohort``.

Scalars that a sensitivity analysis would vary are parameter lines; mixtures (`sim.cohort.shares`) are tables of shares
with one source.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Self

from pydantic import Field, PlainValidator, field_validator, model_validator

from sim.cohort.attributes import (
    BLINATUMOMAB,
    BURDEN_CLASSES,
    BURDEN_EDGES,
    CONDITIONS,
    CONTINUOUS,
    CYTOGENETICS,
    DONORS,
    ORDER,
    RELAPSES,
    SITES,
    TP53,
)
from sim.cohort.shares import Flag, Table
from sim.lines import Frozen, Group, Line, Number, Positive, Probability, Real, Status, Words

#: Patient numbers are 32-bit words of the random generator's counter.
LARGEST: Final = 2**32

Age = Annotated[float, Field(strict=True, ge=0.0, le=100.0, allow_inf_nan=False)]
Correlated = Annotated[float, Field(strict=True, gt=-1.0, lt=1.0, allow_inf_nan=False)]


def _count(value: Any) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 1 <= value < LARGEST:
        raise ValueError(f"must be a whole number of patients from 1 to {LARGEST - 1}")
    return int(value)


class Days(Positive):
    """A duration above 0."""

    units = frozenset({"days", "weeks", "months", "years"})


class Months(Positive):
    """A duration above 0, in months."""

    units = frozenset({"months"})


class Spread(Positive):
    """Standard deviation of a logarithm."""

    units = frozenset({"ln"})


class Dose(Positive):
    """Cells per kg."""

    units = frozenset({"10^6/kg"})


class Exposure(Positive):
    """Area under the concentration curve."""

    units = frozenset({"mg*h/L"})


class Level(Real):
    """Log10 of the fraction of marrow cells that are blasts."""

    bounds = (-12.0, 0.0)
    units = frozenset({"log10"})


class BurdenTable(Table):
    """Marrow blasts before lymphodepletion: class shares; within a class log10 of the fraction is uniform."""

    categories = BURDEN_CLASSES

    floor: Level
    detection: Level

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.floor.value < self.detection.value < math.log10(BURDEN_EDGES[0] / 100.0):
            raise ValueError(
                f"floor ({self.floor.value:g}) must lie below detection ({self.detection.value:g}), and that below "
                f"{BURDEN_EDGES[0]:g} % blasts"
            )
        return self

    def edges(self) -> tuple[float, ...]:
        """Bounds of the five classes, log10 of the fraction of marrow cells."""
        percents = (math.log10(percent / 100.0) for percent in BURDEN_EDGES)
        return (self.floor.value, self.detection.value, *percents, 0.0)


class CytogeneticTable(Table):
    """Cytogenetic group: KMT2A rearrangement, Philadelphia chromosome, hypodiploidy, other."""

    categories = CYTOGENETICS


class Tp53Table(Table):
    """TP53: wild type, somatic mutation, germline (Li-Fraumeni)."""

    categories = TP53


class RelapseTable(Table):
    """Relapses before CAR T; ``third`` stands for three and more."""

    categories = RELAPSES


class BlinatumomabTable(Table):
    """Earlier blinatumomab and its result."""

    categories = BLINATUMOMAB


class SiteTable(Table):
    """Site of disease; an isolated CNS relapse has less than 5 % marrow blasts."""

    categories = SITES


class DonorTable(Table):
    """Best transplant donor."""

    categories = DONORS


class ProductTable(Table):
    """Products given, by their names in ``conf/product``."""


class Ages(Frozen):
    """Age at referral as papers print it; between these points ages are spread evenly."""

    minimum: Age
    lower_quartile: Age
    median: Age
    upper_quartile: Age
    maximum: Age
    source: Words
    status: Status

    @model_validator(mode="after")
    def _rising(self) -> Self:
        names = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
        points = self.points()
        for i in range(4):
            if points[i] > points[i + 1]:
                raise ValueError(
                    f"{names[i]} ({points[i]:g}) must not exceed {names[i + 1]} ({points[i + 1]:g}): set both"
                )
        return self

    def points(self) -> tuple[float, ...]:
        """Ages (years) at cumulative shares 0, 1/4, 1/2, 3/4 and 1."""
        return (self.minimum, self.lower_quartile, self.median, self.upper_quartile, self.maximum)


class Weights(Frozen):
    """Median body weight (kg) at given ages by sex, log-linear between them, and a lognormal spread around it."""

    ages: list[Age]
    male: list[Annotated[float, Field(strict=True, ge=1.0, le=300.0)]]
    female: list[Annotated[float, Field(strict=True, ge=1.0, le=300.0)]]
    sigma: Spread
    source: Words
    status: Status

    @model_validator(mode="after")
    def _matched(self) -> Self:
        if not len(self.ages) == len(self.male) == len(self.female) >= 2:
            raise ValueError("ages, male and female must be lists of the same length, at least 2")
        if any(b <= a for a, b in zip(self.ages, self.ages[1:], strict=False)):
            raise ValueError("ages must rise")
        return self


class TimeToRelapse(Group):
    """Months from the prior HCT to relapse: lognormal, located by the share that relapses early."""

    early_share: Probability
    early_months: Months
    sigma: Spread

    @field_validator("early_share")
    @classmethod
    def _inside(cls, line: Line) -> Line:
        if not 0.001 <= line.value <= 0.999:
            raise ValueError(f"value ({line.value:g}) must lie between 0.001 and 0.999: a lognormal has no other share")
        return line


class DoseSpread(Group):
    """Dose per kg: lognormal."""

    median: Dose
    sigma: Spread


class ExposureSpread(Group):
    """Fludarabine exposure under the fixed dose: lognormal."""

    median: Exposure
    sigma: Spread


class Wait(Group):
    """Days from referral to infusion when nothing fails: lognormal."""

    median: Days
    sigma: Spread


class Practice(Group):
    """What the emulated centres did in remission (read by the policy ``trial_practice``)."""

    hct_share: Probability
    hct_from_month: Months
    hct_to_month: Months
    triggered_share: Probability
    trigger_rate: Probability
    lost_before: Probability
    reinfusion_share: Probability

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.hct_from_month.value > self.hct_to_month.value:
            raise ValueError(
                f"hct_from_month ({self.hct_from_month.value:g}) must not exceed "
                f"hct_to_month ({self.hct_to_month.value:g})"
            )
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.trigger_rate.value <= 0.0:
            raise ValueError(f"trigger_rate ({self.trigger_rate.value:g}) must be greater than 0")
        if self.hct_share.value + self.lost_before.value > 1.0:
            raise ValueError(
                f"hct_share ({self.hct_share.value:g}) cannot be reached where lost_before "
                f"({self.lost_before.value:g}) of the chosen are not transplanted: together they must not exceed 1"
            )
        return self


class Correlation(Frozen):
    """Correlations of the Gaussian copula that joins the continuous attributes."""

    age_burden: Correlated
    age_dose: Correlated
    age_flu_auc: Correlated
    age_months: Correlated
    burden_dose: Correlated
    burden_flu_auc: Correlated
    burden_months: Correlated
    dose_flu_auc: Correlated
    dose_months: Correlated
    flu_auc_months: Correlated
    source: Words
    status: Status

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not _positive_definite(self.matrix()):
            raise ValueError("no joint distribution has these correlations: the matrix is not positive definite")
        return self

    def matrix(self) -> list[list[Number]]:
        """Correlation matrix in the order of `CONTINUOUS`."""
        return [
            [1.0 if a == b else getattr(self, f"{a}_{b}" if i < j else f"{b}_{a}") for j, b in enumerate(CONTINUOUS)]
            for i, a in enumerate(CONTINUOUS)
        ]


def _positive_definite(matrix: list[list[Number]]) -> bool:
    rows: list[list[float]] = []
    for i, row in enumerate(matrix):
        lower: list[float] = []
        for j in range(i):
            known = math.fsum(lower[k] * rows[j][k] for k in range(j))
            lower.append((row[j] - known) / rows[j][j])
        left = row[i] - math.fsum(value * value for value in lower)
        if left <= 1e-9:
            return False
        rows.append([*lower, math.sqrt(left)])
    return True


class Cohort(Frozen):
    """Who is referred for CAR T: how many, their attributes, and how the emulated centres treated them."""

    label: Words
    description: str = ""
    n: Annotated[int, PlainValidator(_count)]
    patients: str | None = None
    resample: Annotated[bool, Field(strict=True)] = False

    age: Ages
    female: Flag
    weight: Weights
    burden: BurdenTable
    months_hct_to_relapse: TimeToRelapse
    dose: DoseSpread
    flu_auc: ExposureSpread
    correlation: Correlation

    down: Flag
    instability: Flag
    cytogenetics: CytogeneticTable
    tp53: Tp53Table
    relapses: RelapseTable
    prior_hct: Flag
    hct_tbi: Flag
    refractory: Flag
    blinatumomab: BlinatumomabTable
    inotuzumab: Flag
    site: SiteTable
    comorbidity: Flag
    neuro_history: Flag
    distance: Flag
    poverty: Flag
    uninsured: Flag
    donor: DonorTable
    product: ProductTable
    wish: Flag
    fit: Flag

    wait: Wait
    practice: Practice

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ORDER[2:]:
            part = getattr(self, name)
            for condition in part.odds:
                parent = CONDITIONS[condition][0]
                if ORDER.index(parent) >= ORDER.index(name):
                    raise ValueError(
                        f"{name}.odds.{condition}: {name} is drawn before {parent}; possible: "
                        f"{', '.join(c for c, (p, _) in CONDITIONS.items() if ORDER.index(p) < ORDER.index(name))}"
                    )
        if self.resample and self.patients is None:
            raise ValueError("resample: needs a table to draw from, set cohort.patients=table.csv")
        return self
