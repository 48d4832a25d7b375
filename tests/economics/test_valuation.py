"""Present values against closed forms, on lives written by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from valued import START, bare, book, journal, life, person, worth

from sim import journal as j
from sim.economics.kernel import DAYS
from sim.economics.norms import norms
from sim.economics.settings import CATEGORIES
from sim.economics.valuation import Valuation
from sim.lines import STRETCH

FORCE = math.log(1.03)


def annuity(start: float, stop: float, force: float = FORCE) -> float:
    return (math.exp(-force * start) - math.exp(-force * stop)) / force


@pytest.mark.parametrize("origin", [0.0, 40.0, 68.0])
def test_life_years_are_a_continuous_annuity_from_the_origin(origin):
    name = {0.0: "referral", 40.0: "infusion", 68.0: "remission"}[origin]
    found = worth(life(10.0), bare(**{"discount.effects": 0.03}), name)
    years = 10.0 - origin / DAYS
    assert found["life_years"] == pytest.approx(years, rel=1e-12)
    assert found["life_years_discounted"] == pytest.approx(annuity(0.0, years), rel=1e-12)
    assert found["qalys_discounted"] == found["life_years_discounted"]  # utilities 1: to the last digit


def test_a_point_event_is_divided_by_one_plus_the_rate_to_the_years():
    rows = life(10.0, (j.BOOST, 400.0, 400.0, 0))
    found = worth(rows, bare(**{"prices.boost": 1000.0, "discount.costs": 0.03}), "infusion")
    assert found["cost_toxicity"] == 1000.0
    assert found["cost_toxicity_discounted"] == pytest.approx(1000.0 / 1.03 ** (360.0 / DAYS), rel=1e-12)


def test_a_flow_is_an_annuity_cut_at_the_origin():
    rows = life(10.0, (j.TKI, 30.0, 430.0, 0))
    found = worth(rows, bare(**{"prices.tki": 7.0, "discount.costs": 0.03}), "infusion")
    assert found["cost_maintenance"] == pytest.approx(7.0 * 390.0, rel=1e-12)
    assert found["cost_maintenance_discounted"] == pytest.approx(7.0 * DAYS * annuity(0.0, 390.0 / DAYS), rel=1e-11)


def test_what_happened_before_the_origin_is_not_charged():
    rows = life(10.0, (j.APHERESIS, 5.0, 5.0, 1))
    economics = bare(**{"prices.apheresis": 100.0, "prices.tisa_cel": 500.0})
    assert worth(rows, economics, "referral")["cost_preparation"] == 100.0
    at_infusion = worth(rows, economics, "infusion")
    assert (at_infusion["cost_preparation"], at_infusion["cost_product"]) == (0.0, 500.0)
    assert worth(rows, economics, "remission")["cost_product"] == 0.0


def test_rates_may_step_down():
    economics = book(
        utilities__norms="none",
        discount__later={
            "after": {**_line("years", 5.0), "unit": "years"},
            "costs": {**_line("later", 0.01), "unit": "per year"},
            "effects": {**_line("later", 0.0), "unit": "per year"},
        },
    )
    found = worth(life(12.0), economics)
    assert found["life_years_discounted"] == pytest.approx(annuity(0.0, 5.0) + 7.0 * 1.03**-5, rel=1e-12)
    late = worth(life(12.0, (j.BOOST, 8.0 * DAYS, 8.0 * DAYS, 0)), economics)["cost_toxicity_discounted"]
    assert late == pytest.approx(economics.prices["boost"].value * 1.03**-5 * 1.01**-3, rel=1e-12)


def _line(about, value):
    return {
        "about": about,
        "value": value,
        "unit": "count",
        "distribution": "fixed",
        "low": value,
        "high": value,
        "source": "definition",
        "status": "assumed",
    }


@pytest.mark.parametrize("name", ["us", "uk", "uk_equation"])
@pytest.mark.parametrize("rate", [0.0, 0.03, 0.2])
@pytest.mark.parametrize("female", [0, 1])
def test_quality_adjusted_years_integrate_the_age_norm(name, rate, female):
    economics = bare(**{"discount.effects": rate})
    economics = economics.model_copy(update={"utilities": economics.utilities.model_copy(update={"norms": name})})
    found = worth(life(60.3), economics, people=person(age=9.4, female=female))
    table = norms(name)[female]
    birthdays = np.arange(10, 70)
    pieces = [9.4, *birthdays[birthdays < 9.4 + 60.3], 9.4 + 60.3]
    expected = sum(
        table[int(a + 1e-9)] * quad(lambda t: (1 + rate) ** -(t - 9.4), a, b)[0] for a, b in itertools.pairwise(pieces)
    )
    assert found["qalys_discounted"] == pytest.approx(expected, rel=1e-9)


def test_norms_step_with_the_rate_too():
    economics = bare(**{"discount.effects": 0.03})
    later = {
        "after": {**_line("years", 7.3), "unit": "years"},
        "costs": {**_line("later", 0.03), "unit": "per year"},
        "effects": {**_line("later", 0.03), "unit": "per year"},
    }
    data = economics.model_dump()
    data["utilities"]["norms"] = "us"
    same = type(economics).model_validate(data, context={STRETCH: True})
    data["discount"]["later"] = later
    stepped = type(economics).model_validate(data, context={STRETCH: True})
    rows = life(40.0, (j.CHRONIC_GVHD, 2000.0, 4000.0, 0))
    one, two = worth(rows, same), worth(rows, stepped)
    assert two["qalys_discounted"] == pytest.approx(one["qalys_discounted"], rel=1e-12)
    assert two["life_years_discounted"] == pytest.approx(one["life_years_discounted"], rel=1e-12)


def test_concurrent_states_multiply():
    rows = life(11.0, (j.CHRONIC_GVHD, DAYS, 3 * DAYS, 0), (j.LATE_EFFECT, 2 * DAYS, 11 * DAYS, 1))
    states = "utilities.states"
    economics = bare(**{f"{states}.chronic_gvhd.utility": 0.5, f"{states}.late_effect.utility": 0.8})
    assert worth(rows, economics)["qalys"] == pytest.approx(1.0 + 0.5 + 0.5 * 0.8 + 8 * 0.8, rel=1e-12)


def test_the_year_of_a_transplant_ends_with_the_next():
    rows = life(5.0, (j.HCT, DAYS, DAYS, 1), (j.HCT, 1.5 * DAYS, 1.5 * DAYS, 12), phase=j.TRANSPLANTED)
    states = "utilities.states"
    economics = bare(**{f"{states}.hct_year.utility": 0.4, f"{states}.hct_survivor.utility": 0.9})
    assert worth(rows, economics)["qalys"] == pytest.approx(1.0 + 1.5 * 0.4 + 2.5 * 0.9, rel=1e-12)
    earlier = worth(rows, economics, people=person(prior_hct=1))["qalys"]
    assert earlier == pytest.approx(0.9 + 1.5 * 0.4 + 2.5 * 0.9, rel=1e-12)


def test_no_state_is_better_than_the_norm():
    economics = book(utilities__states__remission__utility__value=1.0)
    assert (
        worth(life(20.0), economics)["qalys"]
        == worth(life(20.0), book(utilities__states__remission__utility__value=0.99))["qalys"]
    )


def test_a_vignette_year_is_lost_once_per_event():
    rows = life(10.0, (j.CRS, 42.0, 48.0, 3), (j.ICANS, 45.0, 47.0, 2))
    losses = {"utilities.losses.crs_3": 0.23, "utilities.losses.icans_1": 0.04}
    found = worth(rows, bare(**losses))
    assert found["qalys"] == pytest.approx(10.0 - 0.27, rel=1e-12)
    assert (found["lost_crs_3"], found["lost_icans_1"]) == (0.23, 0.04)


def test_what_is_lost_is_at_most_what_is_left():
    end = 42.0 + 20.0
    rows = journal(*START[:4], (j.CRS, 42.0, end, 5), (j.ICANS, 45.0, end, 4), (j.DEATH, end, end, 2))
    rows["stop"][rows["event"] == j.TREATMENT] = end
    found = worth(rows, bare(**{"utilities.losses.crs_3": 0.23, "utilities.losses.icans_3": 0.18}))
    assert found["qalys"] == pytest.approx(42.0 / DAYS, rel=1e-12)
    assert found["lost_crs_3"] == pytest.approx(20.0 / DAYS, rel=1e-12)
    assert found["lost_icans_3"] == 0.0


def test_drugs_go_by_weight_in_whole_vials():
    rows = life(1.0, (j.TOCILIZUMAB, 45.0, 45.0, 2))
    economics = bare(**{"prices.tocilizumab": 1.0})
    for weight, units in ((10.0, 2 * 160.0), (29.9, 2 * 400.0), (30.0, 2 * 240.0), (150.0, 2 * 800.0)):
        assert worth(rows, economics, people=person(weight=weight))["cost_toxicity"] == units


def test_assays_are_charged_by_what_a_visit_used():
    economics = bare(**{"prices.flow": 1.0, "prices.qpcr": 10.0, "prices.ngs": 100.0, "prices.b_cells": 1000.0})
    for bits, cost in ((8, 1000.0), (9, 1001.0), (12, 1100.0), (15, 1111.0)):
        rows = life(1.0, (j.VISIT, 100.0, 100.0, bits))
        assert worth(rows, economics, "remission")["cost_monitoring"] == cost + 1.0  # flow at the response visit


def test_intensive_care_covers_the_ward():
    rows = life(1.0, (j.WARD, 35.0, 60.0, 1), (j.ICU, 44.0, 50.0, 0))
    found = worth(rows, bare(**{"prices.ward_day": 10.0, "prices.icu_day": 100.0}))
    assert found["cost_hospital"] == pytest.approx(19 * 10.0 + 6 * 100.0, rel=1e-12)


def test_a_bundle_is_not_itemised_again():
    economics = book(utilities__norms="none")
    resources = {**economics.model_dump()["resources"], "hct_bundle": _bundle()}
    bundled = type(economics).model_validate(economics.model_dump() | {"resources": resources})
    hct = 200.0
    rows = life(
        5.0,
        (j.HCT, hct, hct, 1),
        (j.WARD, hct, hct + 30.0, 2),
        (j.ACUTE_GVHD, hct + 25.0, hct + 60.0, 2),
        (j.CHRONIC_GVHD, hct + 300.0, hct + 500.0, 0),
        phase=j.TRANSPLANTED,
    )
    itemised, found = worth(rows, economics), worth(rows, bundled)
    late = (500.0 - 365.0) / DAYS * economics.prices["chronic_gvhd_year"].value
    second = economics.prices["hct_second_year"].value * 365.0 / DAYS
    assert itemised["cost_gvhd"] > found["cost_gvhd"] == pytest.approx(late, rel=1e-12)
    assert found["cost_transplant"] == pytest.approx(economics.prices["hct_year_one"].value + second, rel=1e-12)


def _bundle():
    return {
        "about": "first year",
        "category": "transplant",
        "price": "hct_year_one",
        "event": "hct",
        "until_day": 365.0,
        "quantity": _line("transplants", 1.0),
    }


def test_costs_fall_into_the_periods_in_which_they_arise():
    economics = bare(**{"prices.tki": 1.0})
    rows = life(20.0, (j.TKI, 0.5 * DAYS, 12 * DAYS, 0))
    valued = Valuation(economics, ["tisa_cel"], "referral").lives(rows, np.array([0, len(rows)]), person(), [1])
    plain = valued.cells[0, list(CATEGORIES).index("maintenance"), :, 0]
    assert plain / DAYS == pytest.approx([0.5, 1.0, 1.0, 2.0, 5.0, 2.0], rel=1e-12)
