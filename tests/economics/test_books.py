"""Books: what profiles ship, what is refused and how."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import settings_of
from valued import PRODUCTS, book

from sim.compose import composed, parse, settings_from
from sim.conf import options
from sim.economics.accounts import Accounts
from sim.economics.frames import prices
from sim.economics.settings import CATEGORIES, COMPONENTS, PERSPECTIVES, gaps
from sim.economics.tariff import amounts, compile_tariff, unadjusted
from sim.experiments.price import shipped_schemes
from sim.lines import walk
from sim.problems import Problem
from sim.settings import load

WHOLE = ("us_icer", "us_second_panel")
HEAD = "from,from_year,to,to_year,factor\n"
TEMPLATES = ("uk_nice", "ca_cda", "nl", "de", "jp")


@functools.cache
def _composed() -> dict[str, Any]:
    return composed(parse(["policy=watch"]))


def refused(override: str) -> str:
    """What is said about the default settings with one key changed."""
    key, _, text = override.partition("=")
    data = copy.deepcopy(_composed())
    *path, leaf = key.split(".")
    node = data
    for part in path:
        node = node[part]
    node[leaf] = yaml.safe_load(text.replace(":", ": "))
    with pytest.raises(Problem) as raised:
        load(data)
    return str(raised.value)


def test_every_profile_is_whole_or_a_template():
    assert {*WHOLE, *TEMPLATES, "none"} == set(options("economics"))


@pytest.mark.parametrize("profile", WHOLE)
def test_whole_profiles_compose_and_compile(profile):
    settings = settings_from([f"economics={profile}", "policy=watch"])
    assert settings.economics is not None
    assert settings.economics.profile == profile
    compile_tariff(settings.economics, list(settings.product.catalogue), "infusion")


@pytest.mark.parametrize("profile", [pytest.param(name, marks=pytest.mark.slow) for name in TEMPLATES])
def test_templates_say_what_is_missing(profile):
    with pytest.raises(Problem) as raised:
        settings_from([f"economics={profile}", "policy=watch"])
    text = str(raised.value)
    assert "economics.prices.ward_day: no price for ward, hct_ward" in text
    assert "give one in your own book" in text
    assert f"economics={profile}: a template, " in text
    assert "economics/prices=ours" in text


def test_none_switches_economics_off():
    assert settings_of("economics=none").economics is None


@pytest.mark.slow
@pytest.mark.parametrize("group", ["payment", "resources", "utilities"])
def test_every_choice_of_a_book_composes(group):
    for name in options(f"economics/{group}"):
        settings_of("policy=watch", "origin=infusion", f"economics/{group}={name}")


def test_every_shipped_scheme_is_a_scheme():
    assert set(shipped_schemes()) == set(options("economics/payment"))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("economics.prices.ward_day=null", "economics.prices.ward_day: no price for ward, hct_ward"),
        ("economics.prices.tisa_cel=null", "economics.prices.tisa_cel: no price for this product"),
        ("economics.prices.ward_day.value=-1", "economics.prices.ward_day.value: must be at least 0"),
        ("economics.prices.ward_day=3000", "set economics.prices.ward_day.value=3000"),
        ("economics.prices.ward_day.currency=USX", "unknown currency 'USX': did you mean 'USD'?"),
        ("economics.currency=Dollar", "unknown currency 'Dollar'"),
        ("economics.utilities.states.remission.utility.value=1.1", "must be at most 1"),
        ("economics.wtp=[]", "economics.wtp: the grid is empty"),
        ("economics.wtp=[2,1]", "economics.wtp: must be ascending"),
        ("economics.payment.payments=[{share:0.5},{share:0.4}]", "shares must sum to 1 (they sum to 0.9)"),
        ("economics.payment.payments=[{share:1.0,condition:respons}]", "'respons' is not possible, did you mean"),
        ("economics.payment.payments=[{share:1.0,refund:0.5}]", "refund and refund_if belong together"),
        ("economics.perspective=payers", "did you mean 'payer'?"),
        ("economics.perspectives.payer=[medicals]", "unknown component 'medicals', did you mean 'medical'?"),
        ("economics.resources.ward.event=wards", "unknown event 'wards': did you mean 'ward'?"),
        ("economics.resources.ward.category=hospitals", "unknown category 'hospitals': did you mean 'hospital'?"),
        (
            "economics.resources.ward.price=ward_days",
            "no price for ward; give one in your own book (did you mean",
        ),
        ("economics.prices.icu_day.includes=[wards]", "no such charge 'wards' among economics.resources"),
        ("economics.discount.costs.value=-0.1", "economics.discount.costs.value: must be at least 0"),
        ("economics.utilities.states.remission.age=null", "give either age"),
    ],
)
def test_what_cannot_be_is_refused(override, words):
    assert words in refused(override)


def test_another_currency_needs_a_table(tmp_path):
    foreign = book(prices__ward_day__currency="EUR", prices__ward_day__year=2023)
    with pytest.raises(Problem, match=r"prices\.ward_day: is in EUR 2023, the run in USD 2026"):
        amounts(foreign)
    table = tmp_path / "factors.csv"
    table.write_text(f"{HEAD}EUR,2023,USD,2026,1.25\nUSD,,USD,2026,1.5\n")
    converted = amounts(foreign.model_copy(update={"conversion": str(table)}))
    assert converted["ward_day"].value == foreign.prices["ward_day"].value * 1.25
    assert converted["graft"].value == foreign.prices["graft"].value * 1.5  # its year is not stated
    assert not converted["ward_day"].unadjusted
    assert converted["marrow"].unadjusted  # USD 2025, no factor: used as published, and said so


def test_the_table_of_prices_says_what_was_adjusted(tmp_path):
    table = tmp_path / "factors.csv"
    table.write_text(f"{HEAD}USD,2025,USD,2026,1.03\n")
    found = prices(Accounts(book(conversion=str(table)), PRODUCTS, ["watch"], "infusion")).set_index("price")
    assert found.loc["marrow", "used"] == found.loc["marrow", "published"] * 1.03
    assert found.loc["marrow", "unadjusted"] == 0
    assert found.loc["acute_gvhd", ["unadjusted", "factor"]].tolist() == [1, 1.0]
    assert found.loc["tisa_cel", "unadjusted"] == 0


def test_prices_of_other_years_are_listed_not_inflated():
    found = dict(unadjusted(book()))
    assert "ward_day" in found
    assert "tisa_cel" not in found
    assert amounts(book())["ward_day"].value == found["ward_day"].value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "the columns must be"),
        (f"{HEAD}EUR,x,USD,2026,1\n", "row 1: years must be whole numbers"),
        (f"{HEAD}EUR,2020,USD,2026,-1\n", "row 1: factor (-1) must be greater than 0"),
        (
            f"{HEAD}EUR,2020,USD,2026,1\nEUR,2020,USD,2026,2\n",
            "row 2: EUR 2020 stands twice",
        ),
    ],
)
def test_a_wrong_table_of_factors_is_refused(tmp_path: Path, text, words):
    path = tmp_path / "factors.csv"
    path.write_text(text)
    with pytest.raises(Problem) as raised:
        amounts(book(conversion=str(path)))
    assert words in str(raised.value)


def test_a_missing_table_of_factors_is_named():
    with pytest.raises(Problem, match=r"economics\.conversion=nowhere\.csv: cannot be read"):
        amounts(book(conversion="nowhere.csv"))


def test_every_category_belongs_to_a_component_that_societies_count():
    assert set(book().perspectives) == set(PERSPECTIVES)
    assert set(book().categories("societal")) == set(CATEGORIES)
    assert set(book().perspectives["societal"]) == set(COMPONENTS)


def test_every_line_says_how_well_it_is_known():
    for key, line in walk(book()):
        if line.status == "found":
            assert line.source not in ("assumed", "-"), key


def test_components_are_switched_off_with_their_prices():
    lean = book(perspectives={name: ["medical"] for name in PERSPECTIVES}, prices__carer_day=None)
    assert not list(gaps(lean))
    compile_tariff(lean, PRODUCTS, "infusion")
