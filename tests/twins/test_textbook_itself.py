"""The textbook twin against the model column of the targets table in ``biology-notes.md``.

`python tests/twins/test_textbook_itself.py` prints target | published | notes' model | textbook, and the policy table.
With 20,000 patients a cohort and the cohort details of `textbook.py`'s docstring:

- 48 percentages of the table: mean distance 0.7 points, largest 1.6 (CD19- share of ELIANA's relapses, switch
  within 6 months); the 5 subgroup rows "EFS36 by month of BCA loss" reach 6 points (months 6-9: few patients).
- 8 hazard ratios: within 4 %, but NGS at day 28: 4.4 instead of 3.9. Median time to relapse 7.0 instead of 6.9 months.
- Policies: HCT done within 1.1 points; EFS5 and OS5 0.4 to 1.9 points above the notes, more so for triggered HCT
  (the notes give neither that cohort's attributes nor the post-HCT details); the order of policies is the notes'.

The limits are dominated by the notes' own noise (2,048 patients a cohort): a log-uniform burden, a clone share or an
eradication limit that is off fails many rows, growth off by 10 % fails none. Comparing a program
with this twin, both at 20,000 patients, is far sharper than comparing it with the notes.

Not asserted: the CD19- hazard ratio of high burden in CAR-MA, 5.2 in the notes. Its unstated definition decides: the
ratio of -ln(1 - incidence) in all infused is 5.1 with lineage switch and 6.8 without; Cox regression gives 6.4 to 12.
Nor the shares with a CD19- clone (latent here): 57, 10, 6 % by burden in an exploration; notes 57, 10, 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
import textbook as tb

PATIENTS: Final = 20_000
NOTES_PATIENTS: Final = 2_048  # per cohort behind the notes' column: its own noise
Estimate = tuple[float, float]  # value and standard error (of the logarithm, for ratios)


class View:
    """A simulated cohort as arrays, with the estimators the targets need."""

    def __init__(self, cohort: pd.DataFrame, result: pd.DataFrame) -> None:
        """Join patients and outcomes; what did not happen lies at infinity."""
        self.c, self.r = cohort, result
        times = {name: result[name].fillna(np.inf).to_numpy() for name in map(str, result) if name.startswith("t_")}
        self.event, self.relapse, self.death = times["t_event"], times["t_relapse"], times["t_death"]
        self.hct, self.bca = times["t_hct"], times["t_bca_loss"]
        self.cr = result["cr"].to_numpy(dtype=bool)
        self.all = np.ones(len(result), dtype=bool)
        self.relapsed = np.isfinite(self.relapse)
        self.kind = result["relapse_type"].to_numpy(dtype=str)
        self.negative, self.switch = self.kind == "cd19neg", self.kind == "switch"
        self.burden = cohort["burden"].to_numpy()
        self.high, self.undetectable = self.burden >= tb.RELAPSE, self.burden < -4.0
        self.low = ~self.high & ~self.undetectable
        self.early = cohort["early"].to_numpy(dtype=bool)
        self.late = cohort["prior_hct"].to_numpy(dtype=bool) & ~self.early
        self.nonresponder = cohort["nonresponder"].to_numpy(dtype=bool)
        self.low_flu = cohort["flu_auc"].to_numpy() < 13.8

    def share(self, of: np.ndarray, among: np.ndarray | None = None) -> Estimate:
        """Percentage."""
        chosen = of if among is None else of[among]
        p = chosen.mean()
        return 100.0 * p, 100.0 * float(np.sqrt(p * (1.0 - p) / len(chosen)))

    def free(self, month: float, among: np.ndarray | None = None) -> Estimate:
        """Event-free at `month`, nothing censored."""
        return self.share(self.event > month, among)

    def alive(self, month: float, among: np.ndarray | None = None) -> Estimate:
        """Alive at `month`."""
        return self.share(self.death > month, among)

    def kaplan_meier(self, time: np.ndarray, censored: np.ndarray, month: float, among: np.ndarray) -> Estimate:
        """Kaplan-Meier survival in per cent, with Greenwood's error."""
        stop, seen = np.minimum(time, censored)[among], (time <= censored)[among]
        order = np.argsort(stop)
        stop, seen = stop[order], seen[order]
        at_risk = len(stop) - np.arange(len(stop))
        use = seen & (stop <= month)
        survival = float(np.prod(1.0 - 1.0 / at_risk[use]))
        error = float(np.sqrt(np.sum(1.0 / (at_risk[use] * np.maximum(at_risk[use] - 1, 1)))))
        return 100.0 * survival, 100.0 * survival * error

    def lost_early(self) -> np.ndarray:
        """BCA lost by month 6 while event-free and not transplanted."""
        return self.bca <= 6.0

    def after_loss(self, first: float, last: float) -> Estimate:
        """EFS at 36 months by month of BCA loss, censored at HCT."""
        return self.kaplan_meier(self.event, self.hct, 36, (self.bca > first) & (self.bca <= last))

    def residual(self, month: int) -> np.ndarray:
        """NGS-positive in the sample of that month (for those still in remission)."""
        return self.r[f"sample_{month}"].to_numpy() > tb.NGS


def cox(
    start: np.ndarray, stop: np.ndarray, event: np.ndarray, covariates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cox regression on (start, stop] intervals: hazard ratios, and standard errors of their logarithms."""
    beta = np.zeros(covariates.shape[1])
    leave, enter = np.argsort(-stop), np.argsort(-start)
    when = stop[event]
    left = np.searchsorted(-stop[leave], -when, side="right")
    entered = np.searchsorted(-start[enter], -when, side="right")

    def risk_sums(order: np.ndarray, upto: np.ndarray) -> list[np.ndarray]:
        z = covariates[order]
        weight = np.exp(z @ beta)
        terms = [weight, weight[:, None] * z, weight[:, None, None] * z[:, :, None] * z[:, None, :]]
        return [np.concatenate([np.zeros_like(term[:1]), np.cumsum(term, axis=0)])[upto] for term in terms]

    for _ in range(50):
        s0, s1, s2 = (a - b for a, b in zip(risk_sums(leave, left), risk_sums(enter, entered), strict=True))
        mean = s1 / s0[:, None]
        information = (s2 / s0[:, None, None] - mean[:, :, None] * mean[:, None, :]).sum(axis=0)
        step = np.clip(np.linalg.solve(information, (covariates[event] - mean).sum(axis=0)), -1.0, 1.0)
        beta += step
        if np.abs(step).max() < 1e-6:
            break
    return np.exp(beta), np.sqrt(np.diag(np.linalg.inv(information)))


def fixed_ratio(v: View, event_time: np.ndarray, group: np.ndarray, among: np.ndarray, months: float) -> Estimate:
    """Hazard ratio of a baseline group, followed for `months`."""
    stop = np.minimum(np.minimum(v.event, event_time), months)[among]
    event = ((event_time <= v.event) & (event_time <= months))[among]
    ratio, error = cox(np.full(len(stop), -1.0), stop, event, group[among].astype(float)[:, None])
    return float(ratio[0]), float(error[0])


def aplasia_ratio(v: View) -> Estimate:
    """Relapse by loss of BCA as a time-varying covariate, first year, censored at HCT."""
    end = np.minimum(np.minimum(v.event, v.hct), 12.0)
    relapsed = (v.relapse <= 12.0) & (v.relapse <= v.hct)
    use = v.cr & (end > tb.DAY_28)
    loss = np.maximum(v.bca, tb.DAY_28)
    before, after = use & (loss > tb.DAY_28), use & (loss < end)
    start = np.concatenate([np.full(before.sum(), tb.DAY_28), loss[after]])
    stop = np.concatenate([np.minimum(end, loss)[before], end[after]])
    event = np.concatenate([(relapsed & (loss >= end))[before], relapsed[after]])
    lost = np.concatenate([np.zeros(before.sum()), np.ones(after.sum())])
    ratio, error = cox(start, stop, event, lost[:, None])
    return float(ratio[0]), float(error[0])


def landmark_ratios(v: View, month: int) -> tuple[Estimate, Estimate]:
    """Joint hazard ratios of NGS positivity and B-cell recovery at a landmark, censored at HCT and 5 years."""
    use = v.cr & (v.event > month) & (v.hct > month)
    end = np.minimum(np.minimum(v.event, v.hct), 60.0)[use]
    event = ((v.relapse <= v.hct) & (v.relapse <= 60.0))[use]
    both = np.column_stack([v.residual(month), v.bca <= month])[use].astype(float)
    ratio, error = cox(np.full(len(end), float(month)), end, event, both)
    return (float(ratio[0]), float(error[0])), (float(ratio[1]), float(error[1]))


def median_time(v: View) -> Estimate:
    """Median months to relapse, with a distribution-free error."""
    times = v.relapse[v.relapsed]
    half = 0.5 / np.sqrt(len(times))
    low, high = np.quantile(times, [0.5 - half, 0.5 + half])
    return float(np.median(times)), float(high - low) / 2.0


Policies = tuple[str, tb.Policy, float, float, float]
POLICIES: Final[tuple[Policies, ...]] = (  # notes: HCT done, EFS5, OS5 in per cent
    ("watch and wait", tb.Watch(), 0.0, 52.9, 72.2),
    ("HCT for all, month 2-4", tb.TrialPractice(1.0, (2.0, 4.0), first_only=True), 94.0, 71.2, 76.6),
    ("BCA loss <= 6 months", tb.Triggered(threshold=None), 19.0, 60.6, 74.7),
    ("flow MRD+", tb.Triggered(threshold=tb.FLOW, aplasia_window=None), 15.0, 63.0, 76.0),
    ("NGS MRD+", tb.Triggered(aplasia_window=None), 33.0, 71.6, 78.9),
    ("BCA or flow", tb.Triggered(threshold=tb.FLOW), 29.0, 66.7, 76.9),
    ("BCA or NGS (R3)", tb.Triggered(), 41.0, 72.4, 78.9),
    ("R3, delay 3 months", tb.Triggered(delay=3.0), np.nan, 67.1, 77.0),
)


@dataclass(frozen=True)
class Target:
    """One cell of the notes' table: the literature, the notes' model, and how the twin estimates it."""

    cohort: str
    name: str
    published: str
    notes: float
    estimate: Callable[[View], Estimate]
    ratio: bool = False


COHORTS: Final[dict[str, tb.AssumedCohort]] = {
    "ELIANA": tb.ELIANA,
    "PRWCC": tb.PRWCC,
    "CAR-MA": tb.CAR_MA,
    "Germany": tb.GERMANY,
    "CHOP": tb.CHOP,
}
TARGETS: Final = (
    Target("ELIANA", "CR", "82", 86.9, lambda v: v.share(v.cr)),
    Target("ELIANA", "flow- among CR", "98.5", 97.6, lambda v: v.share(v.r["sample_1"].to_numpy() <= tb.FLOW, v.cr)),
    Target("ELIANA", "EFS6", "73", 67.3, lambda v: v.free(6)),
    Target("ELIANA", "EFS12", "50", 50.9, lambda v: v.free(12)),
    Target("ELIANA", "EFS36 (HCT censored)", "44", 40.9, lambda v: v.kaplan_meier(v.event, v.hct, 36, v.all)),
    Target("ELIANA", "RFS24", "52", 50.7, lambda v: v.free(24, v.cr)),
    Target("ELIANA", "RFS36", "48", 49.5, lambda v: v.free(36, v.cr)),
    Target("ELIANA", "OS12", "76", 74.9, lambda v: v.alive(12)),
    Target("ELIANA", "OS18", "70", 67.0, lambda v: v.alive(18)),
    Target("ELIANA", "OS36", "63", 60.2, lambda v: v.alive(36)),
    Target(
        "ELIANA",
        "BCA loss <= 6 mo",
        "17",
        19.6,
        lambda v: complement(v.kaplan_meier(v.bca, np.minimum(v.event, v.hct), 6, v.cr)),
    ),
    Target("ELIANA", "EFS24 after loss <= 6", "14", 13.3, lambda v: v.kaplan_meier(v.event, v.hct, 24, v.lost_early())),
    Target("ELIANA", "HR BCA loss (1 y)", "4.5", 3.6, aplasia_ratio, ratio=True),
    Target("ELIANA", "HR NGS d28 (joint)", "4.9", 3.9, lambda v: landmark_ratios(v, 1)[0], ratio=True),
    Target("ELIANA", "HR BCR d28 (joint)", "3.3", 4.1, lambda v: landmark_ratios(v, 1)[1], ratio=True),
    Target("ELIANA", "HR NGS 3 mo (joint)", "12", 24.0, lambda v: landmark_ratios(v, 3)[0], ratio=True),
    Target("ELIANA", "HR BCR 3 mo (joint)", "1.27", 1.19, lambda v: landmark_ratios(v, 3)[1], ratio=True),
    Target("ELIANA", "CD19- of relapses", "64", 68.5, lambda v: v.share(v.negative | v.switch, v.relapsed)),
    Target(
        "ELIANA",
        "CD19- of those in BCA",
        "92",
        96.5,
        lambda v: v.share(v.negative | v.switch, v.relapsed & np.isinf(v.bca) & np.isinf(v.hct)),
    ),
    Target("ELIANA", "relapses <= 24 mo", "most", 98.0, lambda v: v.share(v.relapse <= 24, v.relapsed)),
    Target("ELIANA", "NGS+ at day 28", "", 9.0, lambda v: v.share(v.residual(1), v.cr & (v.event > 1))),
    Target("ELIANA", "NGS+ at 3 months", "", 18.0, lambda v: v.share(v.residual(3), v.cr & (v.event > 3))),
    *(
        Target("ELIANA", f"EFS36, BCA lost month {a}-{b}", "", notes, partial(View.after_loss, first=a, last=b))
        for a, b, notes in ((0, 3, 3.0), (3, 6, 40.0), (6, 9, 65.0), (9, 12, 84.0), (12, 24, 94.0))
    ),
    Target("PRWCC", "CR", "86", 88.9, lambda v: v.share(v.cr)),
    Target("PRWCC", "EFS12", "50-52", 55.6, lambda v: v.free(12)),
    Target("PRWCC", "EFS12 high burden", "31", 39.7, lambda v: v.free(12, v.high)),
    Target("PRWCC", "EFS12 low burden", "70", 72.1, lambda v: v.free(12, v.low)),
    Target("PRWCC", "EFS12 undetectable", "72", 73.9, lambda v: v.free(12, v.undetectable)),
    Target("PRWCC", "OS12", "75-77", 77.4, lambda v: v.alive(12)),
    Target("PRWCC", "OS12 low burden", "85", 86.5, lambda v: v.alive(12, v.low)),
    Target("PRWCC", "OS12 high burden", "58", 68.6, lambda v: v.alive(12, v.high)),
    Target("PRWCC", "CIR12 (CR)", "36.4", 34.2, lambda v: v.share(v.relapse <= 12, v.cr)),
    Target("PRWCC", "DOR12", "60.9", 62.5, lambda v: v.free(12, v.cr)),
    Target("PRWCC", "HR CIR, Flu < 13.8", "2.45", 1.63, lambda v: fixed_ratio(v, v.relapse, v.low_flu, v.cr, 24), True),
    Target(
        "PRWCC",
        "HR relapse or BCA loss",
        "1.96",
        2.02,
        lambda v: fixed_ratio(v, np.minimum(v.relapse, v.bca), v.low_flu, v.cr, 24),
        True,
    ),
    Target("CAR-MA", "CR, not blina-refractory", "94", 91.7, lambda v: v.share(v.cr, ~v.nonresponder)),
    Target("CAR-MA", "CR, blina-refractory", "65", 62.4, lambda v: v.share(v.cr, v.nonresponder)),
    Target("CAR-MA", "EFS6, not refractory", "73", 72.1, lambda v: v.free(6, ~v.nonresponder)),
    Target("CAR-MA", "EFS6, refractory", "27", 29.2, lambda v: v.free(6, v.nonresponder)),
    Target("CAR-MA", "any relapse", "39.5", 39.3, lambda v: v.share(v.relapsed)),
    Target("CAR-MA", "CD19- of relapses", "41", 42.7, lambda v: v.share(v.negative, v.relapsed)),
    Target("CAR-MA", "switch of relapses", "7.2", 4.9, lambda v: v.share(v.switch, v.relapsed)),
    Target("CAR-MA", "switch <= 6 mo", "81", 87.6, lambda v: v.share(v.relapse <= 6, v.switch)),
    Target("CAR-MA", "HR high burden, EFS", "2.5", 2.5, lambda v: fixed_ratio(v, v.event, v.high, v.all, 36), True),
    Target("CAR-MA", "OS 11.9 mo after relapse", "50", 49.4, lambda v: v.share(v.death > v.relapse + 11.9, v.relapsed)),
    Target("Germany", "CR", "87.7", 87.3, lambda v: v.share(v.cr)),
    Target("Germany", "EFS24", "45.3", 42.1, lambda v: v.free(24)),
    Target("Germany", "OS24", "53.2", 59.0, lambda v: v.alive(24)),
    Target("Germany", "EFS24 early", "18.4", 17.5, lambda v: v.free(24, v.early)),
    Target("Germany", "OS24 early", "16.0", 28.4, lambda v: v.alive(24, v.early)),
    Target("Germany", "EFS24 late", "55.5", 50.9, lambda v: v.free(24, v.late)),
    Target("Germany", "OS24 late", "74.8", 70.0, lambda v: v.alive(24, v.late)),
    Target("CHOP", "EFS24 > 40 %", "34", 28.0, lambda v: v.free(24, v.burden > np.log10(0.4))),
    Target("CHOP", "EFS24 <= 40 %", "78", 70.8, lambda v: v.free(24, v.burden <= np.log10(0.4))),
    Target("CHOP", "OS24 > 40 %", "60", 54.6, lambda v: v.alive(24, v.burden > np.log10(0.4))),
    Target("CHOP", "OS24 <= 40 %", "92", 81.0, lambda v: v.alive(24, v.burden <= np.log10(0.4))),
    Target("CHOP", "median time to relapse", "8.8", 6.9, median_time),
    Target("CHOP", "OS24 after relapse", "43", 42.9, lambda v: v.share(v.death > v.relapse + 24, v.relapsed)),
)


def complement(estimate: Estimate) -> Estimate:
    """100 % minus a percentage."""
    return 100.0 - estimate[0], estimate[1]


@cache
def view(cohort: str) -> View:
    """Simulate one assumed cohort under its own transplant practice."""
    draw = COHORTS[cohort]
    patients = draw(PATIENTS, np.random.default_rng(list(COHORTS).index(cohort)))
    result = tb.run(
        patients,
        tb.TrialPractice(draw.hct_in_remission),
        seed=100 + list(COHORTS).index(cohort),
        reinfusion=tb.Reinfusion() if cohort == "CHOP" else None,
        samples=(1, 3),
    )
    return View(patients, result)


def limit(target: Target, error: float) -> float:
    """Tolerated: 2 standard errors of the difference (noise of twin and notes) and 0.5 points (5 %) for details."""
    scale = 100.0 if target.ratio else 1.0
    return 2.0 * error * float(np.sqrt(1.0 + PATIENTS / NOTES_PATIENTS)) + (5.0 / scale if target.ratio else 0.5)


def distance(target: Target, value: float) -> float:
    """Twin minus notes; of logarithms for ratios."""
    return float(np.log(value / target.notes)) if target.ratio else value - target.notes


@cache
def comparison(cohort: str) -> pd.DataFrame:
    """The targets of a cohort: published, notes' model, textbook twin, their distance and its limit."""
    rows: list[dict[str, Any]] = []
    for target in [target for target in TARGETS if target.cohort == cohort]:
        value, error = target.estimate(view(target.cohort))
        rows.append(
            {
                "cohort": target.cohort,
                "target": target.name,
                "published": target.published,
                "notes": target.notes,
                "textbook": value,
                "error": error,
                "distance": distance(target, value),
                "limit": limit(target, error),
                "ratio": target.ratio,
            }
        )
    return pd.DataFrame(rows)


@cache
def policy_view(name: str) -> pd.DataFrame:
    """Responders of the never-transplanted PRWCC mix under one policy, to month 60."""
    policy = next(policy for label, policy, *_ in POLICIES if label == name)
    cohort = replace(tb.PRWCC, prior_hct=0.0)
    result = tb.run(cohort, policy, patients=10_000, seed=5, horizon=60.5)
    return result[result["cr"]]


def policy_outcome(name: str) -> tuple[float, float, float]:
    """HCT done, EFS5 and OS5, in per cent."""
    result = policy_view(name)
    free, alive = (100.0 * (result[time].isna() | (result[time] > 60.0)).mean() for time in ("t_event", "t_death"))
    return 100.0 * result["t_hct"].notna().mean(), free, alive


@pytest.mark.slow
@pytest.mark.parametrize("cohort", COHORTS)
def test_the_notes_model_column_comes_out(cohort: str) -> None:
    """Each cell lies within Monte-Carlo error and the tolerance for cohort details that the notes do not state."""
    table = comparison(cohort)
    assert len(table) > 5
    astray = table[table["distance"].abs() > table["limit"]]
    assert astray.empty, astray.to_string()


@pytest.mark.slow  # simulates every cohort again, as workers share nothing
def test_the_column_as_a_whole_is_not_shifted() -> None:
    """Over all percentages the distance is below 1 point on average and has hardly a common sign."""
    distances = pd.concat([comparison(cohort) for cohort in COHORTS]).query("not ratio")["distance"]
    assert distances.abs().mean() < 1.0
    assert abs(distances.mean()) < 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "policy", "done", "free", "alive"), POLICIES, ids=[row[0] for row in POLICIES])
def test_the_notes_policy_table_comes_out(name: str, policy: tb.Policy, done: float, free: float, alive: float) -> None:
    """HCT done, EFS5 and OS5 lie within 2.5 points (their error here is 0.5, in the notes about 1)."""
    twin = policy_outcome(name)
    assert np.isnan(done) or abs(twin[0] - done) <= 2.5
    assert abs(twin[1] - free) <= 2.5
    assert abs(twin[2] - alive) <= 2.5


def test_only_the_right_patients_are_transplanted() -> None:
    """Never twice, never outside remission, and not before the work-up is over."""
    patients = tb.PRWCC(4_000, np.random.default_rng(3))
    result = tb.run(patients, tb.Triggered(), seed=3)
    done = result["t_hct"].notna()
    assert done.sum() > 500
    assert not (done & patients["prior_hct"]).any()
    assert result.loc[done, "cr"].all()
    assert (result.loc[done, "t_hct"] >= 2.5).all()
    assert not (result.loc[done, "t_event"] < result.loc[done, "t_hct"]).any()
    assert tb.run(patients, seed=3)["t_hct"].isna().all()
    all_at_three = tb.run(patients, tb.TransplantAll(3.0), seed=3)
    ready = all_at_three["cr"] & ~patients["prior_hct"] & ~(all_at_three["t_event"] <= 3.0)
    assert (all_at_three["t_hct"].notna() == ready).all()
    assert (all_at_three.loc[ready, "t_hct"] == 3.0).all()


def test_infections_follow_their_rate_when_it_stops_and_returns() -> None:
    """Counts minus rate x time at risk is a martingale: mean 0, variance the expectation, with or without deaths."""
    rates = tb.Infections(windows=((0.0, 2.0, 0.5), (5.0, 8.0, 0.3)), aplasia=0.05, after_hct=(0.4, 6.0), fatality=0.2)
    result = tb.run(tb.PRWCC, tb.TrialPractice(0.5), patients=4_000, seed=7, horizon=60.0, infections=rates)
    end = result["t_death"].fillna(60.0)
    expected = sum(rate * (end.clip(upper=stop) - start).clip(lower=0.0) for start, stop, rate in rates.windows)
    aplastic = pd.concat([end, result["t_event"], result["t_hct"], result["t_bca_loss"]], axis=1).min(axis=1)
    after = (np.minimum(end, result["t_hct"] + 6.0) - result["t_hct"]).fillna(0.0)
    expected = expected + 0.05 * aplastic + 0.4 * after
    assert abs(result["infections"].sum() - expected.sum()) < 3.0 * np.sqrt(expected.sum())
    late = tb.run(tb.PRWCC, patients=2_000, seed=8, infections=tb.Infections(windows=((0.0, 1.0, 5.0),)))
    assert late["infections"].mean() == pytest.approx(5.0, abs=0.2)
    deaths = (result["death_cause"] == "infection").sum()
    assert abs(deaths - 0.2 * result["infections"].sum()) < 3.0 * np.sqrt(0.2 * result["infections"].sum())


def test_background_deaths_follow_the_life_table() -> None:
    """Deaths minus cumulative hazard at the end of follow-up is a martingale too."""
    table = [0.02 + 0.002 * age for age in range(60)] + [1.0]
    patients = tb.PRWCC(4_000, np.random.default_rng(4))
    patients["age"] = np.linspace(1.0, 70.0, len(patients))
    result = tb.run(patients, seed=4, background=tb.Background(table, smr=1.5))
    years = result["t_death"].fillna(120.0) / 12.0
    hazard = -1.5 * np.log1p(-np.array([*table[:60], *[table[59]] * 40]))
    cumulative = np.concatenate([[0.0], np.cumsum(hazard)])
    ages = np.arange(101.0)
    expected = np.interp(patients["age"] + years, ages, cumulative) - np.interp(patients["age"], ages, cumulative)
    deaths = (result["death_cause"] == "background").sum()
    assert abs(deaths - expected.sum()) < 3.0 * np.sqrt(expected.sum())


def test_ready_patients_come_as_frame_or_mapping() -> None:
    """Both forms give the same lives; a missing column is named."""
    patients = tb.CAR_MA(500, np.random.default_rng(6))
    arrays = {str(name): patients[name].to_numpy() for name in patients}
    pd.testing.assert_frame_equal(tb.run(patients, seed=2), tb.run(arrays, seed=2))
    del arrays["dose"]
    with pytest.raises(ValueError, match="dose"):
        tb.run(arrays)


def main() -> None:
    """Print both tables."""
    with pd.option_context("display.width", 160, "display.max_rows", 200):
        print(pd.concat([comparison(cohort) for cohort in COHORTS]).round(2).to_string(index=False))
    print(f"\n{'policy':24s} notes: HCT EFS5 OS5 | textbook")
    for name, _, *notes in POLICIES:
        print(f"{name:24s}", *(f"{x:6.1f}" for x in notes), " | ", *(f"{x:6.1f}" for x in policy_outcome(name)))


if __name__ == "__main__":
    main()
