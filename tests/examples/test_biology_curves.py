"""The curves of the biology notebook are those that patients live, and the slider shows what it is given."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from support import live

from sim.biology.leukaemia import OVERT
from sim.compose import settings_from
from sim.experiments.clone_courses import NEGATIVE, NO_REMISSION, POSITIVE, Courses, clone_courses, fates
from sim.problems import Problem
from sim.report.slider import slider

N = 60
DAYS = 1500.0
#: Nothing but the disease: no way to infusion, no toxicity, no relapse outside the marrow, no other death.
BARE = (
    "policy=watch",
    "clinic.manufacturing.waiting.value=0",
    "clinic.toxicity.acute.value=0",
    "biology.leukaemia.response_hs.value=0",
    "biology.leukaemia.response_hs.high=0",
)


@pytest.fixture(scope="module")
def courses() -> Courses:
    return clone_courses(settings_from(BARE), N, days=DAYS)


def test_relapses_are_those_of_the_pathway(courses: Courses) -> None:
    """Day and clone of a first relapse in the marrow, patient by patient, on the engine of reference."""
    settings = settings_from(BARE)
    lives = live(settings, "watch", N, engine="simpy").lives
    people = courses.patients
    assert ((lives["cr"] == 0) == (people["fate"] == NO_REMISSION)).all()
    since = lives["t_relapse"] - lives["t_infusion"]
    seen = (since < DAYS) & (lives["relapse_site"] == 1)
    assert seen.sum() > 5
    np.testing.assert_allclose(people["relapse_day"][seen], since[seen], rtol=1e-9)
    kind = np.where(lives["relapse_type"][seen] == 1, f"{POSITIVE} relapse", f"{NEGATIVE} relapse")
    assert (people["fate"][seen] == kind).all()


def test_lines_keep_their_bounds(courses: Courses) -> None:
    """A relapse ends at 5 %; no clone is below one cell or above the whole marrow; days go forward."""
    q = settings_from(BARE).biology.leukaemia.extinction.value
    assert courses.lines["level"].between(q - 1e-9, 0.0).all()
    for (number, clone), line in courses.lines.groupby(["patient", "clone"]):
        assert line["day"].is_monotonic_increasing
        fate = courses.patients["fate"][number]
        if fate == f"{clone} relapse":
            assert math.isclose(line["level"].iloc[-1], OVERT, abs_tol=1e-9)


def test_patients_keep_their_luck_when_an_attribute_changes(courses: Courses) -> None:
    """With the slope on burden at 0, expansion does not move with it: luck is the patient's own."""
    flat = [*BARE, "biology.persistence.expansion_burden.value=0", "biology.persistence.expansion_burden.low=0"]
    one, two = (clone_courses(settings_from(flat), 20, burden=level) for level in (-3.0, -0.3))
    assert (one.patients["expansion"] == two.patients["expansion"]).all()
    assert one.patients["fate"].value_counts().sum() == 20
    table = fates([one, two], ["low", "high"])
    assert table.sum(axis=1).tolist() == [20, 20]
    assert table.loc["low"].get(NO_REMISSION, 0) <= table.loc["high"].get(NO_REMISSION, 0)


def test_an_unknown_attribute_is_named() -> None:
    with pytest.raises(Problem, match=r"burdn: no attribute of a patient, did you mean 'burden'"):
        clone_courses(settings_from(BARE), 1, burdn=1.0)


def test_the_slider_shows_every_line_and_only_one_position() -> None:
    rows = pd.DataFrame({"day": [0, 1, 0, 1], "level": [-1.0, -2, -3, -4], "who": [1, 1, 2, 2], "clone": list("aabb")})
    shown = slider(
        {"<1 %": rows, "2 %": rows[:2]}, x="day", y="level", line="who", group="clone", moves="a & b",
        xlabel="x", ylabel="y", marks={"limit": -2.0},
    )  # fmt: skip
    tree = ElementTree.fromstring(shown._repr_html_())
    groups = tree.findall(".//g[@data-at]")
    assert [len(group.findall("polyline")) for group in groups] == [2, 1]
    assert [group.get("style") for group in groups] == [None, "display:none"]
    assert tree.find(".//input").get("max") == "1"
    assert tree.find(".//output").text == "<1 %"
    assert "http" not in shown.html
    first = groups[0].find("polyline").get("points").split()
    assert float(first[0].split(",")[1]) < float(first[1].split(",")[1]), "a lower level is drawn lower"


def test_the_slider_names_a_missing_column() -> None:
    with pytest.raises(Problem, match=r"has no column 'day'"):
        slider({"a": pd.DataFrame({"x": [1]})}, x="day", y="x", line="x", group="x", moves="", xlabel="", ylabel="")
