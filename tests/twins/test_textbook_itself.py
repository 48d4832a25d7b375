"""The textbook twin against the model column of the targets table in ``biology-notes.md``.

`python tests/twins/test_textbook_itself.py` prints target | notes' model | textbook.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
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
        times = {name: result[name].fillna(np.inf).to_numpy() for name in result if name.startswith("t_")}
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

    def residual(self, month: int) -> np.ndarray:
        """NGS-positive in the sample of that month (for those still in remission)."""
        return self.r[f"sample_{month}"].to_numpy() > tb.NGS


def cox(start: np.ndarray, stop: np.ndarray, event: np.ndarray, covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hazard ratios and standard errors of their logarithms: Cox regression on (start, stop] intervals, by Newton steps."""
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


@dataclass(frozen=True)
class Target:
    """One cell of the notes' table: what the literature says, what the notes' model gives, how the twin estimates it."""

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
