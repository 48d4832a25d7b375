"""A textbook SimPy twin of the reduced pathway: written from the documents alone, sharing no code with `sim`.

Classic discrete-event style. Every patient is a process; the CD19-positive clone, the CD19-negative clone, CAR T-cell
persistence, central-nervous relapse, death in remission, background mortality, infections and the transplant policy
are further processes beside it, and they talk by interrupts. Nothing here knows a calendar, a handler or a hazard
budget: a rate that changes is met by drawing a fresh exponential (no memory). Time is months from infusion.

Biology: structure RS of ``biology-notes.md``, fitted and fixed values. What the notes leave open was settled by
experiment, so that the model column of their targets table comes out (`test_textbook_itself.py` has the comparison):

Burden within a class
    ``>= 5 %``: the *fraction* is uniform on 5-100 %. Log-uniform is excluded (ELIANA EFS12 56 instead of 51, a
    CD19-negative clone in 45 % instead of 57 %). CHOP: 20 of its 41 % uniform on 5-40 %, 21 % uniform on 40-100 %.
    Detectable but ``< 5 %``: log10 uniform on -4..-1.3 (lower end -3.5 equal; -3 slightly, uniform in the fraction
    clearly worse). Undetectable: log10 uniform on -6.5..-4; a point between -5 and -4, or a spread up to -3, does as
    well; all at -6.5 is too good (PRWCC EFS12 78 instead of 74).
Other attributes
    Independent of each other and of burden, "early" only within prior HCT. Dose log-normal, sigma 0.45 (0-0.45 equal);
    KMT2Ar 6 %, CAR-MA 8 %; CNS history 12 % (0 or 30 % miss "CD19- among relapses in BCA"; 10-15 % fit).
HCT in first remission
    The stated share of *all* responders, prior HCT or not, is marked at random and transplanted at a uniform month in
    2.2-6.2 if still in remission. Restricted to the never transplanted (at the same overall share) it misses Germany's
    early group by 3 points. One log-kill and one graft effect per patient serve both clones (separate: no difference).
Events and estimators
    HCT is no event. Everything is uncensored except ELIANA EFS36 (Kaplan-Meier censored at HCT), BCA loss by month 6
    (Kaplan-Meier, censored at relapse, death and HCT) and the hazard ratios of ELIANA (censored at HCT; uncensored,
    the 3-month NGS ratio is 14 instead of 24). EFS "after BCA loss" looks at patients event-free and not yet
    transplanted at the loss, censored at HCT, months counted from infusion. CD19- share of relapses: lineage switch
    counts as CD19-negative in the ELIANA rows, apart from it in the CAR-MA rows; CNS relapse is CD19-positive; the
    denominator is all relapses. CAR-MA "naive" is everybody but the non-responders; "any relapse" is among all
    infused; Germany "late" is prior HCT and not early. The Flu ratios are followed for 24 months, burden for 36.
Free choices without visible effect
    Death in remission within 3 months: uniform on months 1-3. CNS relapse continues after HCT (`cns_after_hct`).
    Non-response is dated to the day-28 assessment (month 1), survival after it runs from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
import simpy

Course = Generator[simpy.Event, Any, None]
Columns = pd.DataFrame | Mapping[str, Any]
CohortDraw = Callable[[int, np.random.Generator], Columns]

DAY_28: Final = 1.0  # the response assessment, in months
RELAPSE: Final = -1.3  # 5 % blasts, log10 fraction
FLOW: Final = -4.0
QPCR: Final = -4.5
NGS: Final = -6.0
STOP: Final = "stop"  # the cause of an interrupt that ends a process
COLUMNS: Final = (
    "burden",
    "prior_hct",
    "early",
    "nonresponder",
    "kmt2ar",
    "short_product",
    "dose",
    "flu_auc",
    "cns",
)


@dataclass(frozen=True)
class Biology:
    """Structure RS: fitted values, then the fixed ones (units: months, log10 fraction of marrow cells)."""

    clone_share: float = -11.57  # mu_r: CD19-negative share of blasts
    clone_spread: float = 0.81  # s_r
    clone_nonresponder: float = 5.6  # d_bn
    response: float = 2.69  # c0: logit of CR at 5 % blasts
    growth: float = 1.36  # g
    salvage: float = -0.90  # s0
    salvage_early: float = -2.3  # s_e
    expansion_burden: float = 0.21  # a_b
    expansion_flu: float = 0.70  # a_flu, per 0.28 ln AUC
    expansion_early: float = 2.27  # a_e
    expansion_short: float = 0.94  # a_sp
    switch: float = 0.32  # p_ls, given KMT2Ar
    depth: float = 8.3  # D0
    aplasia: float = 3.9  # mT
    aplasia_expansion: float = 1.88  # lT
    kill: float = 1.19  # k
    # fixed
    clone_fitness: float = 1.0  # phi
    weak: float = 0.02  # slow
    cns: float = 0.08  # p_cns, given a history
    cns_median: float = 8.0
    cns_sigma: float = 0.6
    cns_after_hct: bool = True
    response_early: float = -0.8  # c_e
    response_burden: float = -1.0  # c_b
    response_nonresponder: float = -2.3  # c_bn
    expansion_dose: float = 0.25  # a_dose
    depth_expansion: float = 1.5  # lD
    depth_spread: float = 0.8  # sD
    aplasia_spread: float = 0.8  # sT
    kill_spread: float = 0.5  # sk
    growth_spread: float = 0.55  # sg
    extinction: float = -12.0  # ext; -40 switches eradication off
    clone_extinction: float = -12.0  # one cell
    salvage_late: float = 1.2  # s_late, per year up to two
    salvage_switch: float = -3.0
    salvage_post_hct: float = -1.0
    salvage_nonresponse: float = -1.8  # s_nr
    survival_median: float = 5.0  # md
    survival_nonresponse: float = 0.7  # factors on md
    survival_switch: float = 0.5
    early_death_high: float = 0.03  # in remission, months 1-3, burden >= 5 %
    early_death_low: float = 0.01
    late_death: float = 0.0008  # per month from month 3
    hct_kill: float = 3.5  # Lc
    hct_kill_spread: float = 1.0
    graft: float = 1.5  # V0
    graft_spread: float = 0.8
    transplant_mortality: float = 0.08
    sample_noise: float = 0.5


@dataclass(frozen=True)
class AssumedCohort:
    """One line of the notes' 'Assumed cohorts', with this module's details; draws patients if called."""

    high: float
    low: float
    prior_hct: float
    early: float
    nonresponder: float
    short_product: float
    dose: float
    hct_in_remission: float
    kmt2ar: float = 0.06
    cns: float = 0.12
    above_40: float | None = None  # share of all patients above 40 % blasts; None: uniform over 5-100 %
    dose_sigma: float = 0.45

    def __call__(self, patients: int, rng: np.random.Generator) -> pd.DataFrame:
        """Draw `patients` rows with the columns `COLUMNS`."""
        group, within = rng.random(patients), rng.random(patients)
        above = (0.60 / 0.95) * self.high if self.above_40 is None else self.above_40
        over_40 = rng.random(patients) < above / self.high
        blasts = np.where(over_40, 0.40 + 0.60 * within, 0.05 + 0.35 * within)
        detectable = -4.0 + (RELAPSE + 4.0) * within
        undetectable = -6.5 + 2.5 * within
        burden = np.select(
            [group < self.high, group < self.high + self.low], [np.log10(blasts), detectable], undetectable
        )
        prior = rng.random(patients) < self.prior_hct
        return pd.DataFrame(
            {
                "burden": burden,
                "prior_hct": prior,
                "early": prior & (rng.random(patients) < self.early),
                "nonresponder": rng.random(patients) < self.nonresponder,
                "kmt2ar": rng.random(patients) < self.kmt2ar,
                "short_product": rng.random(patients) < self.short_product,
                "dose": self.dose * np.exp(self.dose_sigma * rng.standard_normal(patients)),
                "flu_auc": 15.0 * np.exp(0.28 * rng.standard_normal(patients)),
                "cns": rng.random(patients) < self.cns,
            }
        )


ELIANA: Final = AssumedCohort(0.75, 0.20, 0.61, 0.20, 0.0, 0.0, 3.3, 0.15)
PRWCC: Final = AssumedCohort(0.51, 0.32, 0.28, 0.20, 0.06, 0.0, 1.7, 0.15)
CAR_MA: Final = AssumedCohort(0.45, 0.35, 0.40, 0.20, 0.074, 0.40, 2.4, 0.20, kmt2ar=0.08)
GERMANY: Final = AssumedCohort(0.50, 0.30, 0.80, 0.33, 0.08, 0.0, 2.4, 0.10)
CHOP: Final = AssumedCohort(0.41, 0.35, 0.45, 0.12, 0.02, 0.0, 2.4, 0.12, above_40=0.21)


@dataclass(frozen=True)
class Background:
    """Background mortality: yearly death probabilities from age 0, times a standardised mortality ratio."""

    qx: Sequence[float]
    smr: float = 1.0
    age: float = 10.0  # used where the cohort has no column `age` (years at infusion)

    @cached_property
    def hazards(self) -> list[float]:
        """Hazard per year of age; probabilities of 1 are left out."""
        return [-math.log1p(-q) * self.smr for q in self.qx if q < 1.0]

    def hazard(self, year: int) -> float:
        """Hazard per year at age `year`; the last one is held beyond the table."""
        return self.hazards[min(year, len(self.hazards) - 1)]


@dataclass(frozen=True)
class Infections:
    """Infections per month: in windows (start, stop, rate), while B-cell aplasia lasts, and after HCT (rate, months).

    The rates add up. Each infection kills with probability `fatality`. Counted until death or the horizon.
    """

    windows: Sequence[tuple[float, float, float]] = ()
    aplasia: float = 0.0
    after_hct: tuple[float, float] = (0.0, 0.0)
    fatality: float = 0.0


@dataclass(frozen=True)
class Reinfusion:
    """CHOP's practice: part of early BCA losses are reinfused, part of those respond and keep BCA for longer."""

    share: float = 0.60
    success: float = 0.52
    months: float = 12.0
    within: float = 6.0


class Policy(Protocol):
    """A policy is a process that starts with the remission (month 1) and may transplant the patient."""

    def course(self, patient: Patient) -> Course:
        """Live beside `patient` until it is interrupted by the end of the remission."""
        ...


@dataclass(frozen=True)
class Watch:
    """Nothing before overt relapse."""

    def course(self, patient: Patient) -> Course:
        """End at once."""
        return
        yield


@dataclass(frozen=True)
class TransplantAll:
    """HCT at a given month for every responder who is still in remission and was never transplanted."""

    month: float = 2.0

    def course(self, patient: Patient) -> Course:
        """Wait for the month, then transplant."""
        if not patient.traits.prior_hct:
            yield patient.env.timeout(max(0.0, self.month - patient.env.now))
            patient.transplant()


@dataclass(frozen=True)
class Triggered:
    """HCT on the first qualifying sample of a scheduled visit: MRD at or above a threshold, or BCA loss seen in time.

    One marrow sample per visit, with one sampling error, is read by every assay. The work-up takes `delay` months and
    is cancelled by relapse or death (the remission's processes are interrupted).
    """

    visits: Sequence[float] = (1, 2, 3, 4, 5, 6, 9, 12, 15, 18, 21, 24)
    threshold: float | None = NGS  # the most sensitive assay that counts; None: no MRD trigger
    aplasia_window: float | None = 6.0  # BCA loss counts at visits up to this month; None: never
    delay: float = 1.5
    first_only: bool = True

    def course(self, patient: Patient) -> Course:
        """Visit, look, and transplant after the work-up."""
        if self.first_only and patient.traits.prior_hct:
            return
        for month in self.visits:
            if month < patient.env.now:
                continue
            yield patient.env.timeout(month - patient.env.now)
            lost = self.aplasia_window is not None and month <= self.aplasia_window and not patient.aplastic
            residual = self.threshold is not None and patient.sample() >= self.threshold
            if lost or residual:
                yield patient.env.timeout(self.delay)
                patient.transplant()
                return


@dataclass(frozen=True)
class TrialPractice:
    """A share of responders, at random, is transplanted at a uniform month of a window, if still in remission."""

    share: float
    window: tuple[float, float] = (2.2, 6.2)
    first_only: bool = False

    def course(self, patient: Patient) -> Course:
        """Draw whether and when."""
        if patient.rng.random() < self.share and not (self.first_only and patient.traits.prior_hct):
            yield patient.env.timeout(patient.rng.uniform(*self.window) - patient.env.now)
            patient.transplant()


@dataclass(slots=True)
class Traits:
    """What a patient is born with: attributes that later processes read, and the latent biology of structure RS."""

    burden: float
    prior_hct: bool
    early: bool
    age: float
    responds: bool  # by the response logit alone
    growth: float  # log10 per month, CD19-positive clone
    kill: float
    weak: bool
    residual: float  # CD19-positive level at day 28
    aplasia: float  # months of BCA
    clone: float  # CD19-negative level at infusion
    switch: bool
    cns_relapse: bool


@dataclass
class Clone:
    """A level on a straight line: `level` at time `since`, moving by `slope` per month."""

    level: float
    slope: float
    floor: float
    since: float = DAY_28
    extinct: bool = False

    def at(self, now: float) -> float:
        """Level now; minus infinity once extinct."""
        return -math.inf if self.extinct else self.level + self.slope * (now - self.since)

    def turn(self, now: float, slope: float, kill: float = 0.0) -> None:
        """Take a log-kill and go on with another slope; below the floor the clone is gone for good."""
        self.level, self.since, self.slope = self.at(now) - kill, now, slope
        self.extinct = self.extinct or self.level < self.floor

    def wait(self) -> float:
        """Months from `since` to the next threshold: relapse if growing, extinction if falling."""
        if self.slope > 0.0:
            return max(0.0, (RELAPSE - self.level) / self.slope)
        return (self.floor - self.level) / self.slope if self.slope < 0.0 else math.inf


@dataclass(frozen=True)
class Graft:
    """What HCT does to a clone: log-kill at once, graft effect on the slope from then on."""

    kill: float
    effect: float


@dataclass
class Record:
    """One row of the result; months, NaN where it did not happen before the horizon."""

    cr: bool = False
    t_event: float = math.nan
    event: str = "none"  # nonresponse, relapse, death
    t_relapse: float = math.nan
    relapse_type: str = "none"  # cd19pos, cd19neg, switch, cns
    t_hct: float = math.nan
    t_death: float = math.nan
    death_cause: str = "none"  # leukaemia, remission, transplant, infection, background
    t_bca_loss: float = math.nan  # while in first remission and not transplanted
    infections: int = 0


@dataclass
class Patient:
    """One patient: the main process `life` and the processes beside it."""

    env: simpy.Environment
    traits: Traits
    biology: Biology
    policy: Policy
    rng: np.random.Generator
    background: Background | None = None
    infection: Infections | None = None
    reinfusion: Reinfusion | None = None
    samples: Sequence[float] = ()
    record: Record = field(default_factory=Record)
    seen: dict[float, float] = field(default_factory=dict)
    aplastic: bool = True

    def __post_init__(self) -> None:
        """Start living."""
        self.remission: list[simpy.Process] = []  # processes that end with the first remission
        self.lifelong: list[simpy.Process] = []  # processes that end with death
        self.clones: dict[str, Clone] = {}
        self.clone_courses: list[simpy.Process] = []
        self.car_courses: list[simpy.Process] = []
        self.infection_course: simpy.Process | None = None
        self.main = self.env.process(self.life())

    # -- the main process --

    def life(self) -> Course:
        """Infusion, assessment, remission until something interrupts it, then salvage until death."""
        if self.background:
            self.lifelong.append(self.start(self.background_mortality(self.background)))
        if self.infection:
            self.infection_course = self.start(self.infections(self.infection))
            self.lifelong.append(self.infection_course)
        news: Any = ("nonresponse", "")  # (event, detail), as `interrupt_life` breaks it
        try:
            yield self.env.timeout(DAY_28)
            if self.responds():
                self.enter_remission()
                yield self.env.event()  # lasts until an interrupt
        except simpy.Interrupt as interrupt:
            news = interrupt.cause
        self.leave_remission(*news)
        if news[0] != "death":
            try:
                yield self.salvage(*news)
                news = ("death", "leukaemia")
            except simpy.Interrupt as interrupt:
                news = interrupt.cause
        self.record.t_death, self.record.death_cause = self.env.now, news[1]
        self.stop(self.lifelong)

    def responds(self) -> bool:
        """Complete remission: the response logit, and no CD19-negative clone above 5 % yet."""
        traits = self.traits
        visible = traits.clone > self.biology.clone_extinction and (
            traits.clone + self.biology.clone_fitness * traits.growth * DAY_28 > RELAPSE
        )
        self.record.cr = traits.responds and not visible
        return self.record.cr

    def enter_remission(self) -> None:
        """Start everything that runs beside a first remission."""
        traits, biology = self.traits, self.biology
        slope = 0.5 * traits.growth if traits.weak else -traits.kill
        positive = Clone(traits.residual, slope, biology.extinction)
        positive.extinct = traits.residual < biology.extinction
        self.grow("cd19pos", positive)
        if traits.clone > biology.clone_extinction:
            slope = biology.clone_fitness * traits.growth
            negative = Clone(traits.clone + slope * DAY_28, slope, biology.clone_extinction)
            self.grow("switch" if traits.switch else "cd19neg", negative)
        self.car_courses.append(self.start(self.persistence()))
        self.remission += [*self.clone_courses, *self.car_courses, self.start(self.death_in_remission())]
        if traits.cns_relapse:
            course = self.start(self.cns_relapse())
            self.remission.append(course)
            if not biology.cns_after_hct:
                self.car_courses.append(course)
        self.remission += [self.start(self.policy.course(self)), self.start(self.observer())]

    def leave_remission(self, event: str, detail: str) -> None:
        """Write down the first event and stop what ran beside the remission."""
        self.record.t_event, self.record.event = self.env.now, event
        if event == "relapse":
            self.record.t_relapse, self.record.relapse_type = self.env.now, detail
        self.stop(self.remission)
        self.set_aplastic(False)

    def salvage(self, event: str, detail: str) -> simpy.Event:
        """Cured for good (an event that never comes), or exponential survival."""
        biology = self.biology
        switch = detail == "switch"
        logit = biology.salvage_early * self.traits.early
        if event == "nonresponse":
            logit += biology.salvage_nonresponse
            median = biology.survival_median * biology.survival_nonresponse
        else:
            logit += biology.salvage + biology.salvage_late * min(self.env.now / 12.0, 2.0)
            logit += biology.salvage_switch * switch + biology.salvage_post_hct * (not math.isnan(self.record.t_hct))
            median = biology.survival_median * (biology.survival_switch if switch else 1.0)
        if self.rng.random() < logistic(logit):
            return self.env.event()
        return self.env.timeout(self.rng.exponential(median / math.log(2.0)))

    # -- leukaemia --

    def grow(self, name: str, clone: Clone) -> None:
        """Let a clone live."""
        self.clones[name] = clone
        self.clone_courses.append(self.start(self.clone_course(name, clone)))

    def clone_course(self, name: str, clone: Clone) -> Course:
        """Move along the line until relapse or extinction; turn at loss of BCA and at HCT."""
        fitness = 1.0 if name == "cd19pos" else self.biology.clone_fitness
        growth = fitness * self.traits.growth
        while not clone.extinct:
            try:
                yield self.env.timeout(clone.wait())
            except simpy.Interrupt as interrupt:
                if isinstance(interrupt.cause, Graft):
                    clone.turn(self.env.now, growth - interrupt.cause.effect, interrupt.cause.kill)
                elif interrupt.cause == "bca lost":
                    clone.turn(self.env.now, growth if name == "cd19pos" else clone.slope)
                else:
                    raise
                continue
            if clone.slope > 0.0:
                self.interrupt_life("relapse", name)
                return
            clone.extinct = True

    def persistence(self) -> Course:
        """CAR T cells last for the drawn time, at least to day 28; reinfusion may prolong that."""
        months = self.traits.aplasia
        plan = self.reinfusion
        if plan and months <= plan.within and self.rng.random() < plan.share * plan.success:
            months += plan.months
        yield self.env.timeout(max(0.0, months - self.env.now))
        self.record.t_bca_loss = self.env.now
        self.set_aplastic(False)
        for course in self.clone_courses:
            if course.is_alive:
                course.interrupt("bca lost")

    def cns_relapse(self) -> Course:
        """Isolated central-nervous relapse, whatever the marrow does."""
        months = self.biology.cns_median * math.exp(self.biology.cns_sigma * self.rng.standard_normal())
        yield self.env.timeout(max(0.0, months - self.env.now))
        self.interrupt_life("relapse", "cns")

    def sample(self) -> float:
        """Log10 of one marrow sample now, with sampling error."""
        highest = max(clone.at(self.env.now) for clone in self.clones.values())
        return highest + self.biology.sample_noise * self.rng.standard_normal()

    def observer(self) -> Course:
        """Take samples that nobody acts upon (for residual-disease targets)."""
        for month in self.samples:
            yield self.env.timeout(month - self.env.now)
            self.seen[month] = self.sample()

    # -- transplantation --

    def transplant(self) -> None:
        """HCT now: ends CAR T cells, kills, changes the slopes, and may kill the patient in months 1-10."""
        biology, rng = self.biology, self.rng
        self.record.t_hct = self.env.now
        self.stop(self.car_courses)
        graft = Graft(
            kill=rng.normal(biology.hct_kill, biology.hct_kill_spread),
            effect=biology.graft * math.exp(biology.graft_spread * rng.standard_normal()),
        )
        for course in self.clone_courses:
            if course.is_alive:
                course.interrupt(graft)
        if rng.random() < biology.transplant_mortality:
            self.remission.append(self.start(self.transplant_death()))
        self.aplastic = False
        self.rates_changed()

    def transplant_death(self) -> Course:
        """Transplant-related death, uniform over months 1-10."""
        yield self.env.timeout(self.rng.uniform(1.0, 10.0))
        self.interrupt_life("death", "transplant")

    # -- other causes --

    def death_in_remission(self) -> Course:
        """An early risk by burden within months 1-3, then a small constant hazard."""
        biology, rng = self.biology, self.rng
        early = biology.early_death_high if self.traits.burden >= RELAPSE else biology.early_death_low
        if rng.random() < early:
            yield self.env.timeout(rng.uniform(0.0, 3.0 - DAY_28))
        else:
            yield self.env.timeout(3.0 - DAY_28 + self.exponential(biology.late_death))
        self.interrupt_life("death", "remission")

    def background_mortality(self, table: Background) -> Course:
        """One draw per year of age, from the life table."""
        age = self.traits.age
        while True:
            year = math.floor(age + 1e-9)
            rest = 12.0 * (year + 1 - age)
            hazard = table.hazard(year) / 12.0
            months = self.exponential(hazard)
            yield self.env.timeout(min(months, rest))
            if months < rest:
                self.interrupt_life("death", "background")
                return
            age = year + 1.0

    def infections(self, rates: Infections) -> Course:
        """Count infections; a rate that changes, stops or returns starts a fresh exponential."""
        while True:
            rate, until = self.infection_rate(rates)
            months = self.exponential(rate)
            due = months < until - self.env.now
            try:
                yield self.env.timeout(months) if due else self.wait_until(until)
            except simpy.Interrupt as interrupt:
                if interrupt.cause == STOP:
                    raise
                continue
            if due:
                self.record.infections += 1
                if self.rng.random() < rates.fatality:
                    self.interrupt_life("death", "infection")
                    return

    def infection_rate(self, rates: Infections) -> tuple[float, float]:
        """Rate now and the time at which it changes by itself."""
        now, hct = self.env.now, self.record.t_hct
        rate = rates.aplasia * self.aplastic
        after, months = rates.after_hct
        edges = [math.inf]
        windows = [*rates.windows, *([] if math.isnan(hct) else [(hct, hct + months, after)])]
        for start, stop, height in windows:
            rate += height if start <= now < stop else 0.0
            edges += [edge for edge in (start, stop) if edge > now]
        return rate, min(edges)

    # -- the machinery --

    def start(self, course: Course) -> simpy.Process:
        """Start a process that ends quietly when told to stop."""
        return self.env.process(stoppable(course))

    def stop(self, courses: Sequence[simpy.Process]) -> None:
        """Tell processes to stop; the one that is asking stops by itself."""
        for course in courses:
            if course.is_alive and course is not self.env.active_process:
                course.interrupt(STOP)

    def interrupt_life(self, event: str, detail: str) -> None:
        """Break news to the main process."""
        if self.main.is_alive:
            self.main.interrupt((event, detail))

    def set_aplastic(self, aplastic: bool) -> None:
        """Note a change of aplasia; the infection rate depends on it."""
        if aplastic != self.aplastic:
            self.aplastic = aplastic
            self.rates_changed()

    def rates_changed(self) -> None:
        """Let the infection process draw again."""
        course = self.infection_course
        if course and course.is_alive and course is not self.env.active_process:
            course.interrupt("rates changed")

    def exponential(self, rate: float) -> float:
        """Months to an event of constant rate, drawn afresh; never at rate 0."""
        return self.rng.exponential(1.0 / rate) if rate > 0.0 else math.inf

    def wait_until(self, time: float) -> simpy.Event:
        """An event at `time`, or one that never comes."""
        return self.env.event() if math.isinf(time) else self.env.timeout(max(0.0, time - self.env.now))


def run(
    cohort: Columns | CohortDraw,
    policy: Policy | None = None,
    *,
    patients: int = 1000,
    seed: int = 1,
    horizon: float = 120.0,
    biology: Biology | None = None,
    background: Background | None = None,
    infections: Infections | None = None,
    reinfusion: Reinfusion | None = None,
    samples: Sequence[float] = (),
) -> pd.DataFrame:
    """Simulate a cohort from infusion to `horizon` months, one row per patient.

    Parameters
    ----------
    cohort
        Ready patients (a DataFrame or a mapping of arrays with the columns `COLUMNS`, optionally `age`), or a function
        of (number, generator) that draws them, such as `ELIANA`.
    policy
        `Watch` unless told otherwise.
    patients
        How many to draw; ignored with ready patients.
    seed
        The same seed gives the same patients and latent biology under every policy, but not the same later draws.
    samples
        Months at which a marrow sample is noted in a column ``sample_<month>`` (NaN outside first remission).

    Returns
    -------
    DataFrame
        The fields of `Record`, and the samples, in the order of the cohort.
    """
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)]
    table = columns(cohort(patients, streams[0]) if callable(cohort) else cohort)
    biology = biology or Biology()
    age = background.age if background else math.nan
    env = simpy.Environment()
    lives = [
        Patient(env, traits, biology, policy or Watch(), streams[2], background, infections, reinfusion, samples)
        for traits in draw_traits(table, biology, age, streams[1])
    ]
    env.run(until=horizon)
    result = pd.DataFrame([vars(life.record) for life in lives])
    for month in samples:
        result[f"sample_{month:g}"] = [life.seen.get(month, math.nan) for life in lives]
    return result


def columns(cohort: Columns) -> dict[str, np.ndarray]:
    """Take the needed columns as arrays; name what is missing."""
    missing = [name for name in COLUMNS if name not in cohort]
    if missing:
        raise ValueError(f"cohort: columns {missing} are missing; needed are {list(COLUMNS)}")
    names = [*COLUMNS, *(["age"] if "age" in cohort else [])]
    return {name: np.asarray(cohort[name], dtype=float) for name in names}


def draw_traits(
    table: Mapping[str, np.ndarray], biology: Biology, age: float, rng: np.random.Generator
) -> list[Traits]:
    """Draw the latent biology of every patient (the formulas of structure RS, line by line)."""
    burden, early, nonresponder = table["burden"], table["early"], table["nonresponder"]
    count = len(burden)
    above = burden - RELAPSE
    expansion = (
        rng.standard_normal(count)
        + biology.expansion_burden * above
        + biology.expansion_flu * np.log(table["flu_auc"] / 13.8) / 0.28
        + biology.expansion_dose * np.log2(table["dose"] / 2.4)
        - biology.expansion_early * early
        - biology.expansion_short * table["short_product"]
    )
    logit = (
        biology.response
        + biology.response_burden * above
        + biology.response_nonresponder * nonresponder
        + biology.response_early * early
    )
    drop = biology.depth + biology.depth_expansion * expansion + biology.depth_spread * rng.standard_normal(count)
    spread = biology.aplasia_spread * rng.standard_normal(count)
    clone_draw = rng.standard_normal(count)
    share = biology.clone_share + biology.clone_spread * clone_draw + biology.clone_nonresponder * nonresponder
    switch = (table["kmt2ar"] > 0) & (rng.random(count) < biology.switch)
    clone = np.where(switch, np.minimum(-2.0, -5.0 + 1.5 * clone_draw), np.minimum(burden - 0.3, burden + share))
    drawn = {
        "burden": burden,
        "prior_hct": table["prior_hct"] > 0,
        "early": early > 0,
        "age": table.get("age", np.full(count, age)),
        "responds": rng.random(count) < 1.0 / (1.0 + np.exp(-logit)),
        "growth": biology.growth * np.exp(biology.growth_spread * rng.standard_normal(count)),
        "kill": biology.kill * np.exp(biology.kill_spread * rng.standard_normal(count)),
        "weak": rng.random(count) < biology.weak,
        "residual": np.minimum(-2.0, burden - drop),
        "aplasia": np.exp(biology.aplasia + biology.aplasia_expansion * expansion + spread),
        "clone": clone,
        "switch": switch,
        "cns_relapse": (table["cns"] > 0) & (rng.random(count) < biology.cns),
    }
    return [
        Traits(**dict(zip(drawn, row, strict=True))) for row in zip(*(x.tolist() for x in drawn.values()), strict=True)
    ]


def stoppable(course: Course) -> Course:
    """Run `course`; an interrupt it does not handle must be the order to stop, and ends it."""
    try:
        yield from course
    except simpy.Interrupt as interrupt:
        if interrupt.cause != STOP:
            raise


def logistic(x: float) -> float:
    """Probability of a logit."""
    return 1.0 / (1.0 + math.exp(-x))
