"""Payment schemes: who pays which share when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from valued import START, bare, journal, life, worth

from sim import journal as j
from sim.economics.kernel import DAYS
from sim.economics.settings import Scheme
from sim.units import DAYS_PER_MONTH

PRICE = 1000.0


def paying(*payments, hct_counts=True, rate=0.0):
    economics = bare(**{"prices.tisa_cel": PRICE, "discount.costs": rate})
    scheme = {"label": "x", "source": "definition", "status": "assumed", "hct_counts": hct_counts}
    return economics.model_copy(update={"payment": Scheme.model_validate(scheme | {"payments": payments})})


def relapsing(at, end):
    rows = [*START, (j.REMISSION, 68.0, at, 0), (j.RELAPSE, at, at, 11), (j.RELAPSED, at, end, 0)]
    return journal(*rows, (j.DEATH, end, end, 1))


def nonresponder(end):
    rows = [*START[:4], (j.RESPONSE, 68.0, 68.0, 0), (j.RELAPSED, 68.0, end, 0), (j.DEATH, end, end, 1)]
    return journal(*rows)


STAGED = ({"share": 0.52}, {"share": 0.48, "months": 18.0, "condition": "remission"})


def test_the_whole_price_is_paid_at_infusion():
    found = worth(life(5.0), paying({"share": 1.0}, rate=0.03))
    assert (found["paid"], found["list_price"], found["cost_product"]) == (PRICE, PRICE, PRICE)
    assert found["paid_discounted"] == pytest.approx(PRICE * 1.03 ** -(40.0 / DAYS), rel=1e-12)


def test_payment_for_response_asks_for_a_response():
    economics = paying({"share": 1.0, "condition": "response"})
    assert worth(life(5.0), economics)["paid"] == PRICE
    assert worth(nonresponder(400.0), economics)["paid"] == 0.0
    assert worth(nonresponder(400.0), economics)["list_price"] == PRICE


def test_the_second_stage_asks_for_remission_at_its_day():
    due = 40.0 + 18 * DAYS_PER_MONTH
    economics = paying(*STAGED)
    assert worth(life(5.0), economics)["paid"] == PRICE
    assert worth(relapsing(due - 1.0, 2000.0), economics)["paid"] == 0.52 * PRICE
    assert worth(relapsing(due + 1.0, 2000.0), economics)["paid"] == PRICE
    assert worth(life((due - 1.0) / DAYS), economics)["paid"] == 0.52 * PRICE  # dead by then
    assert worth(nonresponder(2000.0), economics)["paid"] == 0.52 * PRICE


@pytest.mark.parametrize(("counts", "share"), [(True, 1.0), (False, 0.52)])
def test_whether_a_transplant_in_remission_is_a_success_is_said(counts, share):
    rows = journal(*START, (j.REMISSION, 68.0, 100.0, 0), (j.TRANSPLANTED, 100.0, 3000.0, 0), (j.HCT, 100.0, 100.0, 1))
    assert worth(rows, paying(*STAGED, hct_counts=counts))["paid"] == share * PRICE


def test_instalments_end_with_life_and_obligations_do_not():
    thirds = [(0.4, 0.0), (0.3, 12.0), (0.3, 24.0)]
    alive = paying(*({"share": s, "months": m, "condition": "alive"} for s, m in thirds))
    owed = paying(*({"share": s, "months": m} for s, m in thirds))
    rows = life((40.0 + 400.0) / DAYS)
    assert worth(rows, alive)["paid"] == pytest.approx(0.7 * PRICE, rel=1e-12)
    assert worth(rows, owed)["paid"] == pytest.approx(PRICE, rel=1e-12)


@pytest.mark.parametrize(
    ("cause", "rows", "back"),
    [
        ("death", life((40.0 + 300.0) / DAYS), True),
        ("death", life((40.0 + 400.0) / DAYS), False),
        ("relapse", relapsing(200.0, 4000.0), True),
        ("relapse", nonresponder(4000.0), True),
        ("relapse", relapsing(500.0, 4000.0), False),
        ("death", relapsing(200.0, 4000.0), False),
    ],
)
def test_a_rebate_is_given_back_when_it_is_due(cause, rows, back):
    economics = paying({"share": 1.0, "refund": 0.5, "refund_if": cause, "refund_months": 12.0})
    assert worth(rows, economics)["paid"] == (0.5 if back else 1.0) * PRICE


@given(
    shares=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6),
    months=st.lists(st.floats(0.0, 60.0), min_size=6, max_size=6),
    years=st.floats(0.3, 20.0),
)
def test_unconditional_shares_at_no_discount_are_the_price(shares, months, years):
    total = math.fsum(shares)
    parts = [{"share": s / total, "months": m} for s, m in zip(shares, months, strict=False)]
    assert worth(life(years), paying(*parts))["paid"] == pytest.approx(PRICE, rel=1e-9)


def test_products_that_are_not_the_usual_one_have_their_share():
    rows = life(5.0)
    rows["detail"][rows["event"] == j.INFUSION] = 100  # out of specification
    assert worth(rows, bare(**{"prices.tisa_cel": PRICE}))["paid"] == 0.0
    dear = bare(**{"prices.tisa_cel": PRICE, "product_rules.out_of_specification": 0.7})
    assert worth(rows, dear)["paid"] == pytest.approx(0.7 * PRICE)
    rows["detail"][rows["event"] == j.INFUSION] = 301  # and donor-derived, of the other product
    mixed = bare(**{"prices.obe_cel": 100.0, "product_rules.out_of_specification": 0.5})
    assert worth(rows, mixed)["paid"] == pytest.approx(50.0)
