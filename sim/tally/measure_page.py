"""The documentation of the measures, written from their table."""

from __future__ import annotations

from typing import Final

from sim.tally.curves import GRID
from sim.tally.measures import APLASIA, MEASURES, Measure
from sim.tally.outcomes import ORIGINS, POPULATIONS, STATES

_HEAD: Final = f"""# Measures

Written by `sim.tally.measure_page.page`; a test keeps this page and the code together.

`summary.csv` (policy, stratum, measure, months, value, mc_se, unit) gives each measure for all patients counted and by
stratum of prior HCT (`all`, `no_prior_hct`, `prior_hct`). `months` is empty where none applies. `mc_se` is the
Monte-Carlo standard error: how far a value would move with other random numbers, not how uncertain the parameters are.
It is binomial for shares, that of the mean for means, Greenwood's for product limits (Kaplan-Meier), and for medians
half the distance between the times at which survival crosses 1/2 plus and minus its own standard error. There is no
censoring but the horizon: months for which somebody counted was not followed are left out. Incidences are plain
proportions; without censoring that is what Aalen and Johansen's estimate is. Where nobody is counted, values are empty.

`paired.csv` (policy, stratum, reference, measure, months, difference, mc_se, unpaired_se, variance_reduction, nnt,
gain, lose, same) compares each policy with the reference, among patients counted under both. Product limits, medians,
and measures among patients selected by what happened later are left out. `mc_se` is the error of the mean of the
patients' own differences, `unpaired_se` what independent samples of the same size would have given,
`variance_reduction` the ratio of their squares (empty when the differences do not vary). `nnt`, for `os` and `efs`, is
the number needed to transplant: transplants in remission done more, divided by survivors (event-free survivors) more,
whatever else the policy does; empty unless both are more. `gain`, `lose`, `same` are the shares of patients for whom
the measure is better, worse, or equal (within 1e-9) under the policy; where neither more nor less is better: higher,
lower, equal. Who in particular gains depends on how random numbers are shared between policies; averages do not.

`curves.csv` (policy, stratum, curve, months, estimate, low, high, at_risk) gives the measures marked *curve*, and those
at the end of this page, at months 0 to 120 and every year up to year {int(GRID[-1]) // 12}. `low` and `high` are
pointwise 95% Monte-Carlo limits: Wilson's for proportions, log(-log) for product limits. `at_risk` counts those without
the event or a competing one after that month; for states, everybody.

A month is 30.4375 days. Product limits and medians are estimated on a grid of 1/32 month (23 hours). A policy without
CAR T has no event-free survival: `efs` is 0 from the start, and `os` is what to compare. `efs_censored` follows the
trials; where a policy chooses whom it treats further, that censoring is informative and the estimate with it.

| measure | unit | months | kind | among | since | better | paired | curve | meaning |
|---|---|---|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Write ``docs/measures.md``."""
    lines = [_HEAD + "\n".join(_row(m) for m in MEASURES)]
    lines.append("\nWho is counted (`among`):\n")
    lines += [f"- *{name}*: {meaning}" for name, meaning in POPULATIONS.items()]
    lines.append("\nFurther curves:\n")
    lines.append(f"- `{APLASIA.name}`: {APLASIA.meaning} (among responders, since infusion)")
    lines += [f"- `{name}`: {meaning}" for name, meaning in STATES.items()]
    lines.append("\nStates are left forwards only, in this order; at every month their shares add up to 1.\n")
    return "\n".join(lines)


def _row(m: Measure) -> str:
    months = ", ".join(str(month) for month in m.months)
    better = {1: "more", -1: "less", 0: ""}[m.better]
    where = "" if m.origins == ORIGINS else f" (origin {' or '.join(m.origins)})"
    cells = [f"`{m.name}`", m.unit, months, m.kind, m.among, m.since, better]
    cells += ["yes" if m.paired else "", "yes" if m.curve else "", m.meaning + where]
    return "| " + " | ".join(cells) + " |"
