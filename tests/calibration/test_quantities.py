"""Every kind of quantity on worlds whose answer is known; conditions; published numbers to standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from lifebook import MONTH, exponential, lives
from pydantic import ValidationError

from sim.calibration.lives import condition, known_names
from sim.calibration.quantities import KINDS, Quantity, off_scale, on_scale
from sim.draws import uniforms

N = 6000
RELAPSE, DEATH = 0.06, 0.02


def quantity(kind: str, **fields: Any) -> Quantity:
    return KINDS[kind].model_validate({"kind": kind, **fields})


def world(**more: Any) -> Any:
    """Relapse and death from infusion at constant rates; death may come after relapse."""
    relapse = 10.0 + exponential(N, RELAPSE)
    death = 10.0 + exponential(N, DEATH, shift=1)
    columns = {"t_relapse": np.where(relapse < death, relapse, np.inf), "t_death": death, "t_response": 10.0, **more}
    return lives(N, **columns)


# --- kinds ------------------------------------------------------------------------------------------------------------


def test_proportion_counts_those_who_are_counted() -> None:
    seen = lives(10, cr=[1] * 6 + [0] * 4, female=[1, 0] * 5)
    assert quantity("proportion", of={"cr": True}).estimate(seen).value == 0.6
    found = quantity("proportion", of={"cr": True}, among={"female": True}).estimate(seen)
    assert found.value == 0.6
    assert found.error == pytest.approx(math.sqrt(0.24 / 5))
    nobody = quantity("proportion", of={"cr": True}, among={"age": ">90"}).estimate(seen)
    assert math.isnan(nobody.value)
    assert nobody.note == "nobody is in this group"


def test_only_those_who_reach_the_origin_are_counted() -> None:
    infused = np.array([10.0, 10.0, np.inf, np.inf])
    cr = quantity("proportion", of={"cr": True})
    assert cr.estimate(lives(4, t_infusion=infused, cr=[1, 0, 0, 0])).value == 0.5
    assert cr.estimate(lives(4, "referral", t_infusion=infused, cr=[1, 0, 0, 0])).value == 0.25


def test_three_event_free_survivals() -> None:
    """Further therapy at month 3 and MRD at month 2 of remission, in everybody: what each definition makes of it."""
    relapse = 10.0 + exponential(N, RELAPSE)
    seen = lives(N, t_response=10.0, t_relapse=relapse, t_therapy=10.0 + 3 * MONTH, t_mrd=10.0 + 2 * MONTH)
    standard = quantity("survival", endpoint="efs", months=12).estimate(seen)
    censored = quantity("survival", endpoint="efs_censored", months=2.9).estimate(seen)
    assert standard.value == pytest.approx(math.exp(-12 * RELAPSE), abs=1 / N)
    assert censored.value == pytest.approx(math.exp(-2.9 * RELAPSE), abs=1 / N)
    late = quantity("survival", endpoint="efs_censored", months=12).estimate(seen)
    assert late.note == "nobody is followed so long"
    assert quantity("survival", endpoint="efs_stringent", months=2.1).estimate(seen).value == 0.0


def test_nothing_is_said_beyond_what_was_simulated() -> None:
    """Those alive at the end of the simulation do not live for ever: later points have no value, earlier ones stay."""
    columns = {"t_response": 10.0, "t_death": 10.0 + exponential(N, DEATH)}
    columns["t_death"] = np.where(columns["t_death"] < 96 * MONTH, columns["t_death"], np.inf)
    seen, endless = lives(N, until=96 * MONTH, **columns), lives(N, **columns)
    for kind in ("survival", "incidence"):
        fields = {"events": ["death"], "since": "infusion", "competing": ["relapse"]}
        late = quantity(kind, months=200, **fields).estimate(seen)
        assert math.isnan(late.value)
        assert late.note == "nobody is followed so long"
        early = quantity(kind, months=60, **fields)
        assert early.estimate(seen) == early.estimate(endless)


def test_survival_from_each_start() -> None:
    """Death two months after relapse, relapse four months after infusion, HCT one month after infusion."""
    day = 10.0 + 4 * MONTH
    seen = lives(8, t_relapse=day, t_death=day + 2 * MONTH, t_hct=10.0 + MONTH)
    for since, months in (("infusion", 6), ("relapse", 2), ("hct", 5), ("remission", 6 - 28 / MONTH)):
        before = quantity("survival", events=["death"], since=since, months=months - 0.01).estimate(seen)
        after = quantity("survival", events=["death"], since=since, months=months + 0.01).estimate(seen)
        assert (before.value, after.value) == (1.0, 0.0)


def test_incidence_by_type_adds_up() -> None:
    kinds = np.arange(N) % 3 + 1
    seen = world(relapse_type=kinds)
    total = quantity("incidence", endpoint="relapse", since="infusion", months=12).estimate(seen).value
    truth = RELAPSE / (RELAPSE + DEATH) * (1 - math.exp(-12 * (RELAPSE + DEATH)))
    assert total == pytest.approx(truth, abs=4 / math.sqrt(N))
    parts = [
        quantity("incidence", endpoint="relapse", since="infusion", months=12, cause={"relapse_type": kind}).estimate(
            seen
        )
        for kind in ("cd19_positive", "cd19_negative", "lineage_switch")
    ]
    assert sum(part.value for part in parts) == pytest.approx(total)
    naive = quantity("incidence", endpoint="relapse", since="infusion", months=12, method="one_minus_kaplan_meier")
    assert naive.estimate(seen).value == pytest.approx(1 - math.exp(-12 * RELAPSE), abs=4 / math.sqrt(N))


def test_median_time_and_duration() -> None:
    start = 10.0 + exponential(N, 2.0)
    seen = lives(N, crs_grade=1, crs_start=start, crs_stop=start + exponential(N, 4.0, shift=2))
    onset = quantity("median", events=["crs_start"], unit="days").estimate(seen)
    length = quantity("median", since="crs_start", events=["crs_stop"]).estimate(seen)
    assert onset.value == pytest.approx(math.log(2) / 2.0 * MONTH, rel=1e-3)
    assert length.value == pytest.approx(math.log(2) / 4.0, rel=1e-3)
    assert "never reached" in quantity("median", endpoint="os").estimate(seen).note


def test_rate_per_days_at_risk() -> None:
    """Half of them die on day 14 of 28: three quarters of the time is at risk."""
    dies = np.where(np.arange(100) < 50, 24.0, np.inf)
    seen = lives(100, t_death=dies, infections_early=np.arange(100) % 2)
    found = quantity("rate", count="infections_early", to_day=28).estimate(seen)
    assert found.value == pytest.approx(100.0 * 50 / (50 * 14 + 50 * 28))
    later = quantity("rate", count="infections_middle", from_day=28, to_day=90).estimate(seen)
    assert later.value == 0.0


def test_hazard_ratio_of_groups_and_its_censoring() -> None:
    """The ratio is 3 in the first year and 1 later: what comes out depends on follow-up, as it did for the study."""
    high = np.arange(N) % 2 == 0
    early = exponential(N, RELAPSE * 1.0) / np.where(high, 3.0, 1.0)
    late = 12 * MONTH + exponential(N, RELAPSE, shift=1)
    relapse = 10.0 + np.where(early < 12 * MONTH, early, late)
    seen = lives(N, t_response=10.0, t_relapse=relapse, burden=np.where(high, -0.5, -3.0))
    of = {"endpoint": "relapse", "group": {"burden": ">5%"}}
    year = quantity("hazard_ratio", follow_up_months=12, **of).estimate(seen)
    assert abs(math.log(year.value / 3.0)) < 4 * year.error / year.value
    after = quantity("hazard_ratio", landmark_months=12, **of).estimate(seen)
    assert abs(math.log(after.value)) < 4 * after.error / after.value
    assert after.value < quantity("hazard_ratio", **of).estimate(seen).value < year.value


def test_adjustment_removes_what_runs_through_another_covariate() -> None:
    """MRD triples the hazard, lost aplasia is only its companion: alone it looks bad, adjusted it is nothing."""
    u, v = uniforms(5, np.arange(N), 1), uniforms(5, np.arange(N), 2)
    mrd = u < 0.4
    lost = v < np.where(mrd, 0.7, 0.2)
    relapse = 10.0 + -np.log(uniforms(5, np.arange(N), 3)) / (RELAPSE * np.where(mrd, 3.0, 1.0)) * MONTH
    seen = lives(N, t_response=10.0, t_relapse=relapse, day28_mrd=4 * mrd, low_igg=lost)
    alone = quantity("hazard_ratio", endpoint="relapse", group={"low_igg": True}).estimate(seen)
    joint = quantity("hazard_ratio", endpoint="relapse", group={"low_igg": True}, adjust={"mrd": {"ngs_day28": True}})
    found = joint.estimate(seen)
    assert alone.value > 1.3
    assert abs(math.log(found.value)) < 4 * found.error / found.value


def test_time_varying_covariate_has_no_immortal_time() -> None:
    """HCT at month 6 changes nothing: the time-varying ratio is 1, the naive one far below it."""
    relapse = 10.0 + exponential(N, RELAPSE)
    due = 10.0 + 6 * MONTH
    hct = np.where((relapse > due) & (np.arange(N) % 2 == 0), due, np.inf)
    seen = lives(N, t_response=10.0, t_relapse=relapse, t_hct=hct)
    right = quantity("hazard_ratio", endpoint="relapse", time_varying={"moment": "hct"}).estimate(seen)
    naive = quantity("hazard_ratio", endpoint="relapse", group={"months_to_hct": "<600"}).estimate(seen)
    assert abs(math.log(right.value)) < 4 * right.error / right.value
    assert naive.value < 0.6
    never = quantity("hazard_ratio", endpoint="relapse", time_varying={"moment": "hct", "within_months": 5})
    assert never.estimate(seen).note == "nobody is in this group"


def test_subdistribution_hazard_counts_competing_deaths() -> None:
    """A group that only dies more has no higher cause-specific hazard of relapse, and a lower subdistribution one."""
    frail = np.arange(N) % 2 == 0
    death = 10.0 + exponential(N, DEATH) / np.where(frail, 5.0, 1.0)
    relapse = 10.0 + exponential(N, RELAPSE, shift=3)
    seen = lives(N, t_response=10.0, t_relapse=np.where(relapse < death, relapse, np.inf), t_death=death, down=frail)
    cause = quantity("hazard_ratio", endpoint="relapse", group={"down": True}).estimate(seen)
    below = quantity("hazard_ratio", endpoint="relapse", group={"down": True}, model="fine_gray").estimate(seen)
    assert abs(math.log(cause.value)) < 4 * cause.error / cause.value
    assert below.value < cause.value - 4 * cause.error


def test_impossible_ratios_say_why() -> None:
    seen = world()
    of = {"endpoint": "relapse"}
    assert quantity("hazard_ratio", group={"down": True}, **of).estimate(seen).note == "nobody is in this group"
    assert quantity("hazard_ratio", group={"cr": True}, **of).estimate(seen).note == "everybody is in this group"
    healthy = lives(10, down=[1, 0] * 5)
    assert quantity("hazard_ratio", group={"down": True}, **of).estimate(healthy).note == "no event"
    one = lives(10, down=[1, 0] * 5, t_relapse=[50.0, np.inf] * 5)
    assert quantity("hazard_ratio", group={"down": True}, **of).estimate(one).note == "no event in one of the groups"


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "who"),
    [
        ({"burden": ">40%"}, [0]),
        ({"burden": ">=5%"}, [0, 1]),
        ({"burden": {"above": "1%", "at_most": "40%"}}, [1, 2]),
        ({"blasts": {"below": 0.01}}, [3]),
        ({"prior_hct": True}, [1, 3]),
        ({"blinatumomab": "nonresponder"}, [2]),
        ({"blinatumomab": ["naive", "responder"]}, [0, 1, 3]),
        ({"blinatumomab": {"not": "naive"}}, [1, 2]),
        ({"crs_grade": ">=3"}, [0]),
        ({"crs_grade": {"at_least": 1, "below": 3}}, [1, 2]),
        ({"product": "brexu_cel"}, [3]),
        ({"months_to_relapse": {"at_most": 6}}, [1]),
        ({"months_to_relapse": {"above": 6}}, [0, 2, 3]),
        ({"relapsed": False}, [2, 3]),
        ({"ngs_day28": True, "flow_day28": False}, [2]),
        ({"any": [{"burden": ">40%"}, {"product": "brexu_cel"}]}, [0, 3]),
        ({"prior_hct": False, "any": [{"burden": ">40%"}, {"product": "brexu_cel"}]}, [0]),
    ],
)
def test_condition_selects(written: dict[str, Any], who: list[int]) -> None:
    seen = lives(
        4,
        burden=np.log10([0.5, 0.2, 0.02, 0.001]),
        prior_hct=[0, 1, 0, 1],
        blinatumomab=[0, 1, 2, 0],
        crs_grade=[4, 2, 1, 0],
        product=[0, 0, 0, 1],
        t_relapse=[10 + 7 * MONTH, 10 + 5 * MONTH, np.inf, np.inf],
        day28_mrd=[7, 7, 4, 0],
    )
    assert np.flatnonzero(condition(written).holds(seen)).tolist() == who


def test_penn_grades_count_intensive_care() -> None:
    columns = {"crs_grade": [1, 2, 2, 3, 4], "icu_days": [0.0, 0.0, 3.0, 0.0, 5.0]}
    severe = condition({"crs_grade": ">=3"})
    assert severe.holds(lives(5, **columns)).tolist() == [False, False, False, True, True]
    assert severe.holds(lives(5, grading="penn", **columns)).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"burdn": ">4%"}, "unknown attribute 'burdn', did you mean 'burden'"),
        ({"blinatumomab": "nonresponders"}, "did you mean 'nonresponder'"),
        ({"age": {"over": 3}}, "age: unknown key 'over'"),
        ({"age": ">5%"}, "is not a share"),
        ({"age": "old"}, "must be true, false, a number"),
        ({"age": {"above": True}}, "must be a number"),
        ({"age": []}, "an empty list matches nobody"),
        ({"any": {}}, "any: must be a list"),
        ({}, "is not a condition"),
        ("cr", "is not a condition"),
    ],
)
def test_wrong_conditions_are_refused(written: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        condition(written)


def test_every_name_has_values() -> None:
    seen = lives(3)
    for name in known_names():
        assert len(seen.column(name)) == 3


# --- what was published -----------------------------------------------------------------------------------------------


def test_standard_error_from_an_interval_from_n_or_assumed() -> None:
    ratio = quantity("hazard_ratio", endpoint="os", group={"down": True}, value=2, low=1, high=4, interval="95% CI")
    assert ratio.standard_error() == (pytest.approx(math.log(2) / 1.959964), False)
    ninety = quantity("proportion", of={"cr": True}, value=50, low=40, high=60, interval="90% CI")
    assert ninety.standard_error() == (pytest.approx(math.log(1.5) / 1.644854), False)
    counted = quantity("proportion", of={"cr": True}, value=50, n=100)
    assert counted.standard_error() == (pytest.approx(0.2), True)
    assumed = quantity("proportion", of={"cr": True}, value=50, n=100, se=0.7)
    assert assumed.standard_error() == (0.7, True)
    open_end = quantity("median", endpoint="efs", value=24, low=9.2, interval="95% CI")
    assert open_end.standard_error() == (pytest.approx(math.log(24 / 9.2) / 1.959964), False)


def test_a_range_is_not_a_confidence_interval() -> None:
    with pytest.raises(ValidationError, match="how sure is it"):
        quantity("median", endpoint="efs", value=5, low=1, high=38, interval="range")


def test_bounds_are_the_published_or_1_96_assumed_errors() -> None:
    published = quantity("proportion", of={"cr": True}, value=82, low=72, high=90, interval="95% CI", n=79)
    assert published.bounds() == (pytest.approx(0.72), pytest.approx(0.90))
    assumed = quantity("proportion", of={"cr": True}, value=50, se=1.0)
    assert assumed.bounds() == (
        pytest.approx(1 / (1 + math.exp(1.959964))),
        pytest.approx(1 / (1 + math.exp(-1.959964))),
    )
    assert math.isnan(quantity("proportion", of={"cr": True}).bounds()[0])


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("proportion", {"of": {"cr": True}, "value": 182, "n": 10}, "between 0 and 100"),
        ("proportion", {"of": {"cr": True}, "value": 50, "low": 60, "high": 70, "n": 10}, "must not exceed value"),
        ("proportion", {"of": {"cr": True}, "value": 50}, "how sure is it"),
        ("survival", {"months": 12, "value": 50, "n": 9}, "either an endpoint"),
        ("survival", {"months": 12, "endpoint": "os", "events": ["death"]}, "either an endpoint"),
        ("survival", {"months": 12, "endpoint": "oss"}, "unknown endpoint 'oss'"),
        ("survival", {"months": 12, "events": ["deth"]}, "did you mean 'death'"),
        ("survival", {"months": 0, "endpoint": "os"}, "greater than 0"),
        ("hazard_ratio", {"endpoint": "os"}, "either a group"),
        ("hazard_ratio", {"endpoint": "os", "group": {"cr": True}, "value": -1, "se": 1}, "must be greater than 0"),
        ("rate", {"count": "infection", "to_day": 28}, "did you mean 'infections'"),
    ],
)
def test_wrong_quantities_are_refused(kind: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        quantity(kind, **fields)


def test_scales_invert() -> None:
    for scale in ("proportion", "log", "identity"):
        assert off_scale(scale, on_scale(scale, 0.3)) == pytest.approx(0.3)  # type: ignore[arg-type]
    assert on_scale("proportion", 0.0) == -math.inf
    assert on_scale("log", 0.0) == -math.inf
