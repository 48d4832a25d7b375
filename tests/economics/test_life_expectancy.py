"""Life expectancy in closed form against the anchor table, quadrature and simulated lives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from support import attributes_of, live, settings_of
from valued import bare, worths

from sim.economics.life_expectancy import expectancies, life_expectancy, ratio_steps
from sim.evidence import cumulative_hazards

#: Published with the specification: start age, rate -> years at mortality ratios 1, 1.5, 2, 4, 9.05, 15.
RATIOS = (1.0, 1.5, 2.0, 4.0, 9.05, 15.0)
ANCHOR = {
    (12.0, 0.0): (67.40, 62.79, 59.41, 50.88, 40.51, 34.18),
    (12.0, 0.03): (28.60, 27.81, 27.16, 25.27, 22.38, 20.24),
    (17.0, 0.03): (27.80, 26.91, 26.17, 24.04, 20.81, 18.45),
    (12.0, 0.015): (41.83, math.nan, 38.56, 34.68, 29.36, math.nan),
    (12.0, 0.035): (25.66, math.nan, 24.55, 23.04, 20.64, math.nan),
}


#: Nobody relapses, nobody is lost, and nobody dies of treatment.
NO_DISEASE = {
    "biology.leukaemia.response": 500.0,
    "biology.leukaemia.extinction": -1.9,  # above what any responder is left with
    "biology.escape.negative_share": -30.0,
    "biology.escape.negative_nonresponse": 0.0,
    "biology.escape.lineage_switch": 0.0,
    "biology.escape.lineage_switch_others": 0.0,
    "biology.escape.cns_relapse": 0.0,
    "biology.escape.isolated_cns_relapse": 0.0,
    "biology.escape.extramedullary_relapse": 0.0,
    "clinic.manufacturing.never_referred": 0.0,
    "clinic.manufacturing.waiting_loss": 0.0,
    "clinic.manufacturing.manufacture_failure": 0.0,
    "clinic.toxicity.crs_death": 0.0,
    "clinic.toxicity.icans_death": 0.0,
    "clinic.toxicity.hs_death": 0.0,
    "clinic.immunity.infection_death": 0.0,
    "clinic.transplant.trm": 0.0,
    "clinic.transplant.trm_second": 0.0,
    "clinic.salvage.salvage_death": 0.0,
}
ARMS = ("untreated", "no_hct", "hct_first", "hct_second", "hct_third", "hct_last")


@pytest.mark.parametrize(("start", "years"), ANCHOR.items())
def test_the_anchor_table_is_reproduced(start, years):
    age, rate = start
    for ratio, expected in zip(RATIOS, years, strict=True):
        if not math.isnan(expected):
            assert life_expectancy(age, [(0.0, ratio)], rate=rate) == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_steps_are_what_quadrature_gives(rate):
    steps = [(0.0, 2.0), (1.7, 9.0), (6.0, 3.0)]
    hazards = np.diff(cumulative_hazards("US", "2019")[1])

    def survival(t):
        edges = np.linspace(0.0, t, 4000)
        middle = (edges[1:] + edges[:-1]) / 2
        ratio = np.select([middle < 1.7, middle < 6.0], [2.0, 9.0], 3.0)
        return math.exp(-float((ratio * hazards[(12.4 + middle).astype(int).clip(0, 100)]).sum()) * t / 3999)

    expected = quad(lambda t: survival(t) * (1 + rate) ** -t, 0.0, 88.0, limit=60, epsabs=1e-3, epsrel=1e-4)[0]
    assert life_expectancy(12.4, steps, rate=rate, female=1.0) == pytest.approx(expected, rel=2e-3)


def test_a_ratio_that_never_changes_may_be_said_in_steps():
    assert life_expectancy(12.0, [(0.0, 2.0), (3.3, 2.0)]) == pytest.approx(life_expectancy(12.0, [(0.0, 2.0)]))
    with pytest.raises(ValueError, match="begin at 0"):
        life_expectancy(12.0, [(1.0, 2.0)])


def test_arms_stand_in_the_order_of_their_ratios():
    mortality = settings_of().biology.mortality
    table = expectancies(mortality, "US", "2019")
    for _, group in table.groupby(["age", "rate"]):
        years = group.set_index("arm")["life_years"]
        assert years["life_table"] >= years["car_t"] >= years["transplant"]
    assert set(table.arm) == set(ratio_steps(mortality))


def anchor(n: int, ratio: float, rate: float) -> tuple[float, float]:
    """Simulated discounted years of cured patients of 12, and their standard error."""
    base = settings_of().with_values(NO_DISEASE)
    base = base.with_values({f"biology.mortality.smr_{name}": ratio for name in ARMS})
    found = []
    for first in range(0, n, 20000):
        people = attributes_of(base, first, min(20000, n - first))
        people["age"], people["female"] = 12.0, np.arange(len(people)) % 2
        world = live(base, "watch", len(people), first=first, attributes=people)
        valued, _, valuation = worths(bare(**{"discount.effects": rate}), world, "referral")
        found.append(valued.people[:, valuation.columns.index("life_years_discounted")])
    years = np.concatenate(found)
    return float(years.mean()), float(years.std() / math.sqrt(n))


@pytest.mark.parametrize(("ratio", "rate"), [(1.0, 0.03), (9.05, 0.03)])
def test_simulated_lives_agree_with_the_anchor(ratio, rate):
    years, error = anchor(8000, ratio, rate)
    assert abs(years - life_expectancy(12.0, [(0.0, ratio)], rate=rate)) < 4.5 * error


@pytest.mark.slow
@pytest.mark.parametrize("ratio", RATIOS)
def test_simulated_lives_agree_with_the_anchor_within_a_hundredth(ratio):
    years, _ = anchor(100_000, ratio, 0.03)
    assert years == pytest.approx(life_expectancy(12.0, [(0.0, ratio)], rate=0.03), rel=0.01)
