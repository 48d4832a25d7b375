"""Life expectancy in closed form: a life table times a mortality ratio that changes with time, by arm.

The analytic counterpart of what lives show: no relapse, no toxicity, background mortality alone. Hazards are constant
within a year of age; the last finite hazard is held beyond the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.evidence import cumulative_hazards
from sim.lifetable import AGES

if TYPE_CHECKING:
    import pandas as pd

#: Years after the start at which life ends in the sum (nobody is left).
LONGEST: Final = 250
#: Ages and rates tabulated.
START_AGES: Final = (1.0, 5.0, 12.0, 17.0, 25.0)
RATES: Final = (0.0, 0.015, 0.03, 0.035)


def life_expectancy(
    age: float,
    steps: Sequence[tuple[float, float]],
    *,
    rate: float = 0.0,
    female: float = 0.5,
    country: str = "US",
    year: str | int = "2019",
) -> float:
    """Expected (discounted) years of life.

    Parameters
    ----------
    age
        At the start, years.
    steps
        Mortality ratios to the life table: (years from the start, ratio), ascending, the first at 0.
    rate
        Yearly discount rate: a year in t years counts ``(1 + rate) ** -t``.
    female
        Share of girls and women at the start.
    country, year
        Life table.

    Returns
    -------
    float
        Years.

    Raises
    ------
    ValueError
        When the steps do not begin at 0 or are not ascending.
    """
    starts = [start for start, _ in steps]
    if not starts or starts[0] != 0.0 or starts != sorted(set(starts)):
        raise ValueError("steps must begin at 0 and be ascending")
    table = cumulative_hazards(country, year)
    force = math.log1p(rate)
    return (1.0 - female) * _of_sex(table[0], age, list(steps), force) + female * _of_sex(
        table[1], age, list(steps), force
    )


def _of_sex(hazards: np.ndarray, age: float, steps: list[tuple[float, float]], force: float) -> float:
    """Sum over pieces in which hazard and ratio are constant: ``S (1 - exp(-(h + r) d)) / (h + r)``."""
    birthdays = math.ceil(age) - age + np.arange(LONGEST)
    starts, ratios = np.array(steps).T
    cuts = np.unique(np.concatenate([[0.0], starts, birthdays]))
    lengths = np.diff(cuts)
    hazard = np.diff(_cumulative(hazards, age + cuts))
    ratio = ratios[np.searchsorted(starts, cuts[:-1], side="right") - 1]
    spent = ratio * hazard + force * lengths
    before = np.concatenate([[0.0], np.cumsum(spent)[:-1]])
    share = np.where(spent > 0.0, -np.expm1(-spent) / np.where(spent > 0.0, spent, 1.0), 1.0)
    return float(math.fsum(np.exp(-before) * share * lengths))


def _cumulative(hazards: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """Cumulative hazard at each age, as `sim.lifetable.cumulative_hazard`."""
    last = hazards[AGES] - hazards[AGES - 1]
    inside = np.interp(ages, np.arange(AGES + 1), hazards)
    return inside + np.maximum(0.0, ages - AGES) * last


def ratio_steps(mortality: Any) -> dict[str, list[tuple[float, float]]]:
    """Give each arm's mortality ratios by years since infusion or transplant.

    Parameters
    ----------
    mortality
        ``settings.biology.mortality``.

    Returns
    -------
    dict
        ``life_table``; ``untreated``; ``car_t`` (cured without a transplant); ``transplant`` (years since it; until its
        own ratio counts, that of CAR T holds).
    """
    m = mortality
    return {
        "life_table": [(0.0, 1.0)],
        "untreated": [(0.0, m.smr_untreated.value)],
        "car_t": [(0.0, m.smr_no_hct.value)],
        "transplant": [
            (0.0, m.smr_no_hct.value),
            (m.smr_from.value, m.smr_hct_first.value),
            (m.smr_until_first.value, m.smr_hct_second.value),
            (m.smr_until_second.value, m.smr_hct_third.value),
            (m.smr_until_third.value, m.smr_hct_last.value),
        ],
    }


def expectancies(mortality: Any, country: str, year: str, rates: Sequence[float] = RATES) -> pd.DataFrame:
    """Tabulate life expectancy by arm, age and discount rate, both sexes equally: arm, age, rate, life_years."""
    import pandas as pd

    rows = [
        (arm, age, rate, life_expectancy(age, steps, rate=rate, country=country, year=year))
        for arm, steps in ratio_steps(mortality).items()
        for age in START_AGES
        for rate in rates
    ]
    return pd.DataFrame(rows, columns=["arm", "age", "rate", "life_years"])
