"""Kinds of published quantities: what a study file says of each, and how it is computed from simulated lives.

A quantity is a pure function of lives: ``estimate(lives) -> value, Monte-Carlo error, note`` in natural units (a share
is 0 to 1, times are months unless the file says days). Publications stand in the file as printed: shares in percent.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from sim.calibration import estimators
from sim.calibration.estimators import COMPETING, EVENT, Estimate, nothing
from sim.calibration.lives import MOMENTS, Condition, Lives, condition, known_moment
from sim.calibration.target import Scale, inner
from sim.lines import Frozen, Number, Status, Words
from sim.patient import published_names
from sim.problems import did_you_mean
from sim.units import DAYS_PER_MONTH

#: Two-sided normal quantiles of the intervals that papers print.
QUANTILES: Final = {"95% CI": 1.959963984540054, "90% CI": 1.6448536269514722}
PERCENT: Final = 0.01
#: Assumed standard errors above this are no logits and no logarithms.
LARGEST_SE: Final = 3.0
#: More patients than any series of CAR T cells in ALL has: an interval as narrow as theirs is one of fractions.
EVERYBODY: Final = 3000.0


class Endpoint(NamedTuple):
    """A named endpoint: what ends it, what censors it, where it starts (None: the study's origin)."""

    events: tuple[str, ...]
    competing: tuple[str, ...] = ()
    censor: tuple[str, ...] = ()
    since: str | None = None


#: Endpoints by name; a quantity may state `events`, `censor`, `since` of its own.
ENDPOINTS: Final[dict[str, Endpoint]] = {
    "os": Endpoint(("death",)),
    "efs": Endpoint(("nonresponse", "relapse", "death")),
    "efs_censored": Endpoint(("nonresponse", "relapse", "death"), censor=("therapy",)),
    "efs_stringent": Endpoint(("nonresponse", "relapse", "death", "mrd", "therapy")),
    "rfs": Endpoint(("relapse", "death"), since="remission"),
    "rfs_censored": Endpoint(("relapse", "death"), censor=("therapy",), since="remission"),
    "dor": Endpoint(("relapse", "death"), since="remission"),
    "relapse": Endpoint(("relapse",), competing=("death",), since="remission"),
    "nrm": Endpoint(("death",), competing=("relapse", "nonresponse")),
}


def _moment_list(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{value!r} must be a moment or a list of moments: {', '.join(MOMENTS)}")
    return tuple(known_moment(name) for name in names)


def _start(value: Any) -> Any:
    return value if value in (None, "referral") else known_moment(str(value))


def _condition(value: Any) -> Any:
    return value if value is None or isinstance(value, Condition) else condition(value)


def _endpoint(value: Any) -> Any:
    if value is not None and value not in ENDPOINTS:
        raise ValueError(f"unknown endpoint {value!r}, {did_you_mean(str(value), ENDPOINTS, listed=20)}")
    return value


def _interval(value: Any) -> Any:
    """Read ``95%CI`` and ``95 % ci`` as ``95% CI``."""
    written = {name.replace(" ", "").lower(): name for name in QUANTILES}
    return written.get("".join(value.split()).lower(), value) if isinstance(value, str) else value


def _count(value: Any) -> Any:
    if value not in published_names():
        raise ValueError(f"unknown attribute {value!r}, {did_you_mean(str(value), published_names())}")
    return value


Moments = Annotated[tuple[str, ...], BeforeValidator(_moment_list)]
Start = Annotated[str | None, BeforeValidator(_start)]
When = Annotated[Any, BeforeValidator(_condition)]
NamedEndpoint = Annotated[str | None, BeforeValidator(_endpoint)]
Attribute = Annotated[str, BeforeValidator(_count)]
Months = Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)]


class Quantity(Frozen):
    """What every published quantity states, beside what its kind needs.

    Attributes
    ----------
    label
        In words; by default the name with spaces.
    value, low, high, interval
        As printed: shares in percent, hazard ratios as they are. No value: only shown. `interval` says what low and
        high are; only ``95% CI`` and ``90% CI`` give a standard error.
    n
        Denominator.
    se
        Assumed standard error on the scale of the kind (logit of a share, logarithm of a ratio or time), where no
        confidence interval was published.
    source, status, note
        Row of the evidence table, how well the number is known, what to know about it.
    fitted
        False: shown, not used by the calibration.
    among
        Who is counted.
    """

    scale: ClassVar[Scale] = "proportion"
    percent: ClassVar[bool] = True

    kind: str
    label: str = ""
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    interval: Annotated[str, BeforeValidator(_interval)] = ""
    n: Annotated[float, Field(strict=True, gt=0.0)] | None = None
    se: Annotated[float, Field(strict=True, gt=0.0)] | None = None
    source: Words = "-"
    status: Status = "assumed"
    note: str = ""
    fitted: Annotated[bool, Field(strict=True)] = True
    among: When = None

    @model_validator(mode="after")
    def _believable(self) -> Self:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is None:
                continue
            if self.scale == "proportion" and not 0.0 <= number <= 100.0:
                raise ValueError(f"{name} ({number:g}) must lie between 0 and 100 percent")
            if self.scale == "log" and number <= 0.0 and name == "value":
                raise ValueError(f"{name} ({number:g}) must be greater than 0")
        if self.value is not None and self._looks_like_a_fraction(self.value):
            raise ValueError(
                f"value ({self.value:g}) is no share of whole patients: publications stand in percent "
                f"({self.value / PERCENT:g})"
            )
        if self.se is not None and self.se > LARGEST_SE:
            raise ValueError(
                f"se ({self.se:g}) is that of a logit or a logarithm, not of percent: at most {LARGEST_SE:g}"
            )
        if self.value is not None:
            if self.low is not None and self.low > self.value:
                raise ValueError(f"low ({self.low:g}) must not exceed value ({self.value:g})")
            if self.high is not None and self.high < self.value:
                raise ValueError(f"high ({self.high:g}) must not be below value ({self.value:g})")
        if self.fitted and self.value is not None and math.isnan(self.standard_error()[0]):
            if self.scale == "proportion" and self.value in {0.0, 100.0}:
                raise ValueError(f"a share of {self.value:g}% needs n, the number of patients it is a share of")
            raise ValueError(
                "how sure is it? Give low and high with interval: 95% CI, or n, or se (assumed); or fitted: false"
            )
        return self

    def _looks_like_a_fraction(self, value: float) -> bool:
        """Tell whether a share of less than one percent is none of `n`, or that of more than ever had CAR T."""
        if self.scale != "proportion" or not 0.0 < value < 1.0:
            return False
        if self.kind == "survival":
            return True
        if self.n is not None:
            printed = 0.5 * 10.0 ** -len(f"{value:g}".partition(".")[2])
            nearest_share = max(1.0, round(value * PERCENT * self.n)) / (PERCENT * self.n)
            return abs(nearest_share - value) > printed
        share, se = value * PERCENT, self.standard_error()[0]
        return 1.0 / (se * se * share * (1.0 - share)) > EVERYBODY  # False where nothing is known (NaN)

    def estimate(self, lives: Lives) -> Estimate:
        """Compute the quantity, in natural units."""
        raise NotImplementedError

    def natural(self, number: float | None) -> float | None:
        """Turn a published number into natural units."""
        return None if number is None else number * (PERCENT if self.percent else 1.0)

    def standard_error(self) -> tuple[float, bool]:
        """Give the standard error on the kind's scale, and whether it is assumed; NaN where nothing is known."""
        value = self.natural(self.value)
        quantile = QUANTILES.get(self.interval)
        if value is not None and quantile is not None:
            found = _from_interval(self.scale, value, self.natural(self.low), self.natural(self.high), quantile)
            if found > 0.0:
                return found, False
        if self.se is not None:
            return self.se, True
        if value is not None and self.scale == "proportion" and self.n is not None:
            share = inner(value, self.n)
            return 1.0 / math.sqrt(self.n * share * (1.0 - share)), True
        return math.nan, True

    def bounds(self) -> tuple[float, float]:
        """Give the interval that a model value should lie in: the published 95%, or 1.96 standard errors around it."""
        value = self.natural(self.value)
        if value is None:
            return math.nan, math.nan
        se, assumed = self.standard_error()
        low, high = self.natural(self.low), self.natural(self.high)
        if not assumed and self.interval == "95% CI" and low is not None and high is not None:
            return low, high
        reach = QUANTILES["95% CI"] * se
        if self.scale == "proportion" and self.n is not None and value in {0.0, 1.0}:  # nobody, or everybody
            middle = on_scale(self.scale, inner(value, self.n))
            share = off_scale(self.scale, middle + math.copysign(reach, 0.5 - value))
            return min(value, share), max(value, share)
        around = (
            off_scale(self.scale, on_scale(self.scale, value) - reach),
            off_scale(self.scale, on_scale(self.scale, value) + reach),
        )
        if not assumed and self.interval == "95% CI":  # one limit only was published
            return (low if low is not None else around[0], high if high is not None else around[1])
        return around


def on_scale(scale: Scale, value: float) -> float:
    """Put a value on the scale on which differences are taken: logit, logarithm, or as it is."""
    if scale == "proportion":
        if not 0.0 < value < 1.0:
            return math.nan if math.isnan(value) else math.copysign(math.inf, value - 0.5)
        return math.log(value / (1.0 - value))
    if scale == "log":
        return math.log(value) if value > 0.0 else (-math.inf if value == 0.0 else math.nan)
    return value


def off_scale(scale: Scale, value: float) -> float:
    """Undo `on_scale`."""
    if scale == "proportion":
        return 1.0 / (1.0 + math.exp(-value))
    return math.exp(value) if scale == "log" else value


def _from_interval(scale: Scale, value: float, low: float | None, high: float | None, quantile: float) -> float:
    """Read a standard error off a confidence interval; off its one informative side where the other is open."""
    centre = on_scale(scale, value)
    sides = [math.fabs(on_scale(scale, end) - centre) for end in (low, high) if end is not None]
    sides = [side for side in sides if math.isfinite(side) and side > 0.0]
    if not sides:
        return math.nan
    return sum(sides) / len(sides) / quantile


# --- times to events --------------------------------------------------------------------------------------------------


class Observed(NamedTuple):
    """Times of those counted: days since the start, what ended them, who they are, when they started."""

    time: np.ndarray
    code: np.ndarray
    who: np.ndarray
    start: np.ndarray


class TimeToEvent(Quantity):
    """A quantity of times: what ends them, what censors them, from where they are counted.

    Attributes
    ----------
    endpoint
        One of `ENDPOINTS`; or state `events` (and `censor`, `competing`, `since`) yourself.
    events, competing, censor
        Moments; the first that comes ends observation.
    since
        Moment from which time is counted and who is counted; by default the endpoint's or the study's origin.
    cause
        Condition on patients: an event of others is a competing one (relapse of another type).
    follow_up_months
        Administrative censoring after `since`.
    landmark_months
        Those event-free then are counted, from then on; months after `since`.
    """

    endpoint: NamedEndpoint = None
    events: Moments | None = None
    competing: Moments | None = None
    censor: Moments | None = None
    since: Start = None
    cause: When = None
    follow_up_months: Months | None = None
    landmark_months: Months | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.endpoint is None) == (self.events is None):
            raise ValueError(f"needs either an endpoint ({', '.join(ENDPOINTS)}) or a list of events")
        return self

    @property
    def ends(self) -> Endpoint:
        """What ends and censors it, with the file's own words in place; death competes unless it is named."""
        named = ENDPOINTS[self.endpoint] if self.endpoint is not None else Endpoint(self.events or ())
        competing = named.competing if self.competing is None else self.competing
        censor = named.censor if self.censor is None else self.censor
        if "death" not in (*named.events, *competing, *censor):
            competing = (*competing, "death")
        return Endpoint(named.events, competing, censor, named.since if self.since is None else self.since)

    def observe(self, lives: Lives) -> Observed:
        """Observe everybody counted until whatever comes first."""
        ends = self.ends
        since = ends.since or lives.origin
        begin = lives.since(since)
        who = np.flatnonzero(lives.mask(self.among) & np.isfinite(begin))
        start = begin[who]
        event = _first(lives, ends.events, who, start)
        competing = _first(lives, ends.competing, who, start)
        censored = np.minimum(_first(lives, ends.censor, who, start), lives.until)
        if self.follow_up_months is not None:
            censored = np.minimum(censored, start + self.follow_up_months * DAYS_PER_MONTH)
        if self.cause is not None:
            other = ~self.cause.holds(lives)[who]
            competing = np.where(other, np.minimum(competing, event), competing)
            event = np.where(other, np.inf, event)
        last = np.minimum(np.minimum(event, competing), censored)
        code = np.where(event <= last, EVENT, np.where(competing <= last, COMPETING, 0))
        code[np.isinf(last)] = 0
        time = last - start
        if self.landmark_months is not None:
            at = self.landmark_months * DAYS_PER_MONTH
            kept = time > at
            return Observed(time[kept] - at, code[kept], who[kept], start[kept] + at)
        return Observed(time, code, who, start)


def _first(lives: Lives, moments: tuple[str, ...], who: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Earliest of several moments, from the start on."""
    first = np.full(len(who), np.inf)
    for moment in moments:
        when = lives.since(moment)[who]
        first = np.minimum(first, np.where(when < start, np.inf, when))
    return first


class Survival(TimeToEvent):
    """Kaplan-Meier estimate at a month; competing events are censored."""

    kind: Literal["survival"]
    months: Months

    def estimate(self, lives: Lives) -> Estimate:
        """Compute the estimate at the month."""
        seen = self.observe(lives)
        return estimators.kaplan_meier(seen.time, seen.code, self.months * DAYS_PER_MONTH)

    def curve(self, lives: Lives, months: np.ndarray) -> np.ndarray:
        """Compute the whole curve at given months."""
        seen = self.observe(lives)
        if len(seen.time) == 0:
            return np.full(len(months), np.nan)
        return estimators.kaplan_meier_curve(seen.time, seen.code, months * DAYS_PER_MONTH)


class Incidence(TimeToEvent):
    """Cumulative incidence at a month: Aalen-Johansen, or 1 - Kaplan-Meier where the paper printed that."""

    kind: Literal["incidence"]
    months: Months
    method: Literal["aalen_johansen", "one_minus_kaplan_meier"] = "aalen_johansen"

    def estimate(self, lives: Lives) -> Estimate:
        """Compute the incidence at the month."""
        seen = self.observe(lives)
        at = self.months * DAYS_PER_MONTH
        if self.method == "aalen_johansen":
            return estimators.aalen_johansen(seen.time, seen.code, at)
        survival = estimators.kaplan_meier(seen.time, seen.code, at)
        return survival._replace(value=1.0 - survival.value)


class Median(TimeToEvent):
    """Median time by Kaplan-Meier, in `unit`."""

    scale: ClassVar[Scale] = "log"
    percent: ClassVar[bool] = False

    kind: Literal["median"]
    unit: Literal["months", "days"] = "months"

    def estimate(self, lives: Lives) -> Estimate:
        """Compute the median; it does not exist where the curve stays above a half."""
        seen = self.observe(lives)
        found = estimators.median_time(seen.time, seen.code)
        unit = DAYS_PER_MONTH if self.unit == "months" else 1.0
        return Estimate(found.value / unit, found.error / unit, found.note)


class Switching(Frozen):
    """A covariate that turns from 0 to 1 at a moment of the patient's life (within some months of the origin)."""

    moment: Annotated[str, BeforeValidator(lambda value: known_moment(str(value)))]
    within_months: Months | None = None


class HazardRatio(TimeToEvent):
    """Hazard ratio of a group by Cox regression on the simulated patients, as the study did it.

    Attributes
    ----------
    group, versus
        Condition of the group; of those it is compared with (everybody else).
    time_varying
        A covariate that switches on, in place of `group`.
    adjust
        Further covariates by name: conditions.
    model
        ``cox``; ``fine_gray``: subdistribution hazard, those with a competing event stay at risk.
    """

    scale: ClassVar[Scale] = "log"
    percent: ClassVar[bool] = False

    kind: Literal["hazard_ratio"]
    group: When = None
    versus: When = None
    time_varying: Switching | None = None
    adjust: dict[str, When] = {}
    model: Literal["cox", "fine_gray"] = "cox"

    @model_validator(mode="after")
    def _one_contrast(self) -> Self:
        if (self.group is None) == (self.time_varying is None):
            raise ValueError("needs either a group (a condition) or a time_varying covariate")
        return self

    def estimate(self, lives: Lives) -> Estimate:
        """Fit the regression and give the hazard ratio of the group."""
        seen = self.observe(lives)
        if self.model == "fine_gray":
            seen = _stay_at_risk(seen, self.follow_up_months)
        if self.versus is not None and self.group is not None:
            seen = _kept(seen, (self.group.holds(lives) | self.versus.holds(lives))[seen.who])
        if not (seen.code == EVENT).any():
            return nothing("no event")
        columns = [part.holds(lives)[seen.who].astype(float) for part in self.adjust.values()]
        if self.time_varying is not None:
            start, seen, switched, rows = self._split(lives, seen)
            columns = [column[rows] for column in columns]
        else:
            start, switched = None, self.group.holds(lives)[seen.who].astype(float)
        return _ratio(start, seen, switched, columns)

    def _split(self, lives: Lives, seen: Observed) -> tuple[np.ndarray, Observed, np.ndarray, np.ndarray]:
        """Cut observation where the covariate switches on."""
        assert self.time_varying is not None
        switch = lives.since(self.time_varying.moment)[seen.who]
        if self.time_varying.within_months is not None:
            latest = lives.since(lives.origin)[seen.who] + self.time_varying.within_months * DAYS_PER_MONTH
            switch = np.where(switch <= latest, switch, np.inf)
        after = np.maximum(switch - seen.start, 0.0)
        before, later = np.flatnonzero(after > 0.0), np.flatnonzero(after < seen.time)
        cut = np.minimum(after, seen.time)
        rows = np.concatenate([before, later])
        start = np.concatenate([np.zeros(len(before)), after[later]])
        stop = np.concatenate([cut[before], seen.time[later]])
        code = np.concatenate([np.where(after[before] < seen.time[before], 0, seen.code[before]), seen.code[later]])
        on = np.concatenate([np.zeros(len(before)), np.ones(len(later))])
        return start, Observed(stop, code, seen.who[rows], seen.start[rows]), on, rows


def _kept(seen: Observed, kept: np.ndarray) -> Observed:
    return Observed(seen.time[kept], seen.code[kept], seen.who[kept], seen.start[kept])


def _stay_at_risk(seen: Observed, follow_up_months: float | None) -> Observed:
    """Fine and Gray without random censoring: whoever had a competing event stays at risk until the end."""
    end = np.inf if follow_up_months is None else follow_up_months * DAYS_PER_MONTH
    return seen._replace(time=np.where(seen.code == COMPETING, end, seen.time))


def _ratio(start: np.ndarray | None, seen: Observed, group: np.ndarray, columns: list[np.ndarray]) -> Estimate:
    """Fit the regression; covariates that everybody or nobody has are left out and named."""
    if not group.any():
        return nothing("nobody is in this group")
    if group.all():
        return nothing("everybody is in this group")
    events = group[seen.code == EVENT]
    if not events.any() or events.all():
        return nothing("no event in one of the groups")
    used = [column for column in columns if column.any() and not column.all()]
    beta, error = estimators.cox(start, seen.time, seen.code, np.column_stack([group, *used]))
    if math.isnan(beta[0]):
        return nothing("the regression has no finite solution")
    value = math.exp(beta[0])
    note = "" if len(used) == len(columns) else "a covariate that nobody has was left out"
    return Estimate(value, value * float(error[0]), note)


# --- counts -----------------------------------------------------------------------------------------------------------


class Proportion(Quantity):
    """Share of patients who satisfy `of`, among those who satisfy `among`."""

    kind: Literal["proportion"]
    of: When

    def estimate(self, lives: Lives) -> Estimate:
        """Count."""
        among = lives.mask(self.among)
        return estimators.share(int(np.count_nonzero(self.of.holds(lives) & among)), int(np.count_nonzero(among)))


class Rate(Quantity):
    """Events per so many days at risk: a counted attribute over a window of days after the origin.

    Attributes
    ----------
    count
        Attribute that holds the count of the window.
    from_day, to_day
        The window; death and whatever `until` names end a patient's time at risk.
    until
        Moments that end it beside death.
    per_days
        Unit of the rate.
    """

    scale: ClassVar[Scale] = "log"
    percent: ClassVar[bool] = False

    kind: Literal["rate"]
    count: Attribute
    from_day: Annotated[float, Field(strict=True, ge=0.0)] = 0.0
    to_day: Annotated[float, Field(strict=True, gt=0.0)]
    until: Moments = ()
    per_days: Annotated[float, Field(strict=True, gt=0.0)] = 100.0

    def estimate(self, lives: Lives) -> Estimate:
        """Count, and divide by the days at risk."""
        who = np.flatnonzero(lives.mask(self.among))
        if len(who) == 0:
            return nothing("nobody is in this group")
        start = lives.since(lives.origin)[who]
        end = _first(lives, ("death", *self.until), who, start)
        days = np.clip(end - start, self.from_day, self.to_day) - self.from_day
        counts = lives.column(self.count)[who].astype(float)
        total = float(days.sum())
        if total <= 0.0:
            return nothing("nobody is at risk in this window")
        rate = float(counts.sum()) / total
        error = float(np.sqrt(np.sum((counts - rate * days) ** 2))) / total
        return Estimate(self.per_days * rate, self.per_days * error)


KINDS: Final[dict[str, type[Quantity]]] = {
    "proportion": Proportion,
    "survival": Survival,
    "incidence": Incidence,
    "median": Median,
    "hazard_ratio": HazardRatio,
    "rate": Rate,
}
