"""What may be said about a cohort: marginals, dependence and practice, one class per part of ``conf/cohort``.

Scalars that a sensitivity analysis would vary are parameter lines; mixtures are tables of shares with one source. In a
table one entry may be the word ``rest``: it takes what the others leave, so that a single share can be overridden.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sim.lines import Frozen, Group, Line, Number, Positive, Probability, Real, Status, Words
from sim.problems import did_you_mean

#: How far shares may be from summing to 1.
TOLERANCE: Final = 1e-6
#: Patient numbers are 32-bit words of the random generator's counter.
LARGEST: Final = 2**32
REST: Final = "rest"

#: Ages (years) that bound the age bands of conditional tables.
AGE_EDGES: Final = (3.0, 4.0, 18.0)
#: Percent marrow blasts that bound the burden classes above the assay's limit.
BURDEN_EDGES: Final = (5.0, 25.0, 40.0)

BURDEN_CLASSES: Final = ("none", "below_5", "from_5", "from_25", "above_40")
CYTOGENETICS: Final = ("kmt2ar", "ph", "hypodiploid", "other")
TP53: Final = ("none", "somatic", "germline")
RELAPSES: Final = ("primary_refractory", "first", "second", "third")
BLINATUMOMAB: Final = ("naive", "responder", "nonresponder")
SITES: Final = ("marrow", "cns", "extramedullary", "isolated_cns", "testis")
DONORS: Final = ("none", "sibling", "unrelated", "haploidentical")

#: Attributes whose tables may depend on others, in the order in which they are drawn.
ORDER: Final = (
    "age_band",
    "burden_class",
    "female",
    "down",
    "instability",
    "cytogenetics",
    "tp53",
    "relapses",
    "prior_hct",
    "hct_tbi",
    "refractory",
    "blinatumomab",
    "inotuzumab",
    "site",
    "comorbidity",
    "neuro_history",
    "distance",
    "poverty",
    "uninsured",
    "donor",
    "product",
    "wish",
    "fit",
)

#: What a table's odds may depend on: name -> attribute and the codes that satisfy it.
CONDITIONS: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "under_3": ("age_band", (0,)),
    "under_4": ("age_band", (0, 1)),
    "adult": ("age_band", (3,)),
    "burden_none": ("burden_class", (0,)),
    "burden_5": ("burden_class", (2, 3, 4)),
    "burden_40": ("burden_class", (4,)),
    "female": ("female", (1,)),
    "down": ("down", (1,)),
    "instability": ("instability", (1,)),
    "kmt2ar": ("cytogenetics", (0,)),
    "ph": ("cytogenetics", (1,)),
    "hypodiploid": ("cytogenetics", (2,)),
    "tp53": ("tp53", (1, 2)),
    "germline_tp53": ("tp53", (2,)),
    "primary_refractory": ("relapses", (0,)),
    "relapsed": ("relapses", (1, 2, 3)),
    "first_relapse": ("relapses", (1,)),
    "later_relapse": ("relapses", (2, 3)),
    "prior_hct": ("prior_hct", (1,)),
    "refractory": ("refractory", (1,)),
    "blinatumomab": ("blinatumomab", (1, 2)),
    "blinatumomab_failed": ("blinatumomab", (2,)),
    "cns": ("site", (1, 3)),
    "comorbidity": ("comorbidity", (1,)),
    "distance": ("distance", (1,)),
    "poverty": ("poverty", (1,)),
}

Ratio = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | Literal["rest"]
Age = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]
Correlated = Annotated[float, Field(gt=-1.0, lt=1.0, allow_inf_nan=False)]


def _not_a_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a whole number of patients, not true or false")
    return value


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


def _check_conditions(odds: dict[str, Any]) -> None:
    for name in odds:
        if name not in CONDITIONS:
            raise ValueError(f"odds: unknown condition {name!r}, {did_you_mean(name, CONDITIONS)}")


class Flag(Frozen):
    """A yes/no attribute: its share, and odds ratios of groups (the share over all patients stays as stated)."""

    share: Probability
    odds: dict[str, Ratio] = {}
    odds_source: Words = "-"
    odds_status: Status = "assumed"

    @field_validator("odds")
    @classmethod
    def _known(cls, odds: dict[str, float]) -> dict[str, float]:
        _check_conditions(odds)
        return odds


class Table(Frozen):
    """A mixture: the share of each category, and odds ratios of groups by category."""

    #: Permitted categories in code order; empty where any name may stand.
    categories: ClassVar[tuple[str, ...]] = ()

    shares: dict[str, Share]
    source: Words
    status: Status
    odds: dict[str, dict[str, Ratio]] = {}
    odds_source: Words = "-"
    odds_status: Status = "assumed"

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: dict[str, float | str]) -> dict[str, float | str]:
        for name in shares:
            if cls.categories and name not in cls.categories:
                raise ValueError(f"unknown category {name!r}, {did_you_mean(name, cls.categories)}")
        missing = [name for name in cls.categories if name not in shares]
        if missing:
            raise ValueError(f"no share for {', '.join(missing)}: every category needs one (0 is allowed)")
        return dict(_filled(shares))

    @model_validator(mode="after")
    def _known(self) -> Self:
        _check_conditions(self.odds)
        for group, ratios in self.odds.items():
            for name in ratios:
                if name not in self.shares:
                    raise ValueError(f"odds.{group}: unknown category {name!r}, {did_you_mean(name, self.shares)}")
        return self

    def share(self, category: str) -> float:
        """Share of one category."""
        return float(self.shares[category])


def _filled(shares: dict[str, float | str]) -> Iterator[tuple[str, float]]:
    rests = [name for name, value in shares.items() if value == REST]
    total = math.fsum(float(value) for value in shares.values() if value != REST)
    if len(rests) > 1:
        raise ValueError(f"only one share may be {REST!r}, not {' and '.join(rests)}")
    if total > 1.0 + TOLERANCE:
        raise ValueError(f"shares sum to {total:g}: they must not exceed 1")
    if not rests and total < 1.0 - TOLERANCE:
        raise ValueError(f"shares sum to {total:g}: they must sum to 1 (one of them may be {REST!r})")
    for name, value in shares.items():
        yield name, max(0.0, 1.0 - total) if value == REST else float(value)


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
    male: list[Annotated[float, Field(ge=1.0, le=300.0)]]
    female: list[Annotated[float, Field(ge=1.0, le=300.0)]]
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
    reinfusion_share: Probability

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.hct_from_month.value > self.hct_to_month.value:
            raise ValueError(
                f"hct_from_month ({self.hct_from_month.value:g}) must not exceed "
                f"hct_to_month ({self.hct_to_month.value:g})"
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


#: Attributes joined by the copula, in the order in which they are drawn.
CONTINUOUS: Final = ("age", "burden", "dose", "flu_auc", "months")


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
    n: Annotated[int, BeforeValidator(_not_a_switch), Field(ge=1, lt=LARGEST)]
    patients: str | None = None
    resample: bool = False

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

    def kernel_values(self) -> dict[str, float]:
        """The cohort's numbers that the pathway reads, in the kernel's units, by their names there."""
        practice = self.practice
        return {
            "wait_median": self.wait.median.kernel,
            "wait_spread": self.wait.sigma.kernel,
            "practice_hct_share": practice.hct_share.kernel,
            "practice_hct_from": practice.hct_from_month.kernel,
            "practice_hct_to": practice.hct_to_month.kernel,
            "practice_triggered": practice.triggered_share.kernel,
            "practice_reinfusion": practice.reinfusion_share.kernel,
        }
