"""Everything about a cohort can be overridden, and what cannot be is refused with the remedy."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sim.cohort import draw
from sim.cohort.attributes import CONTINUOUS
from sim.cohort.settings import Cohort
from sim.evidence import unknown_sources
from sim.lines import walk

#: Read by the pathway, not by the drawing of patients.
PATHWAY = ("wait", "practice")


def changed(cohort, other, products, count=4096 * 4):
    one, two = draw(cohort, 1, 0, count, products), draw(other, 1, 0, count, products)
    return {name for name in one.dtype.names if not np.array_equal(one[name], two[name])}


def replaced(settings, key, value):
    copy = dict(settings)
    head, _, tail = key.partition(".")
    copy[head] = replaced(copy[head], tail, value) if tail else value
    return copy


def test_every_line_moves_an_attribute(cohort_of, products):
    cohort = cohort_of()
    dumped = cohort.model_dump()
    moved = []
    for key, line in walk(cohort):
        if key.startswith(PATHWAY):
            continue
        value = line.value * 0.9
        other = replaced(dumped, key, line.model_dump() | {"value": value, "low": min(line.low, value)})
        other = Cohort.model_validate(replaced(other, f"{key}.high", max(line.high, value)))
        assert changed(cohort, other, products), key
        moved.append(key)
    assert len(moved) > 20


@pytest.mark.parametrize(
    ("override", "attribute"),
    [
        ("cohort.age.median=9", "age"),
        ("cohort.burden.shares.none=0.3", "burden_class"),
        ("cohort.cytogenetics.shares.ph=0.2", "ph"),
        ("cohort.tp53.shares.germline=0.1", "tp53"),
        ("cohort.relapses.shares.third=0.05", "relapses"),
        ("cohort.blinatumomab.shares.nonresponder=0.2", "blinatumomab"),
        ("cohort.site.shares.testis=0.1", "site"),
        ("cohort.donor.shares.none=0.3", "donor"),
        ("cohort.product.shares.obe_cel=0.3", "product"),
        ("cohort.fit.odds.comorbidity=0.5", "fit"),
        ("+cohort.wish.odds.comorbidity=0.5", "wish"),
        ("cohort.weight.male=[3,7,9,11,13,17,24,30,38,54,64,67,76]", "weight"),
        *[(f"cohort.correlation.{a}_{b}=0.3", b) for i, a in enumerate(CONTINUOUS) for b in CONTINUOUS[i + 1 :]],
    ],
)
def test_tables_and_correlations_can_be_overridden(cohort_of, products, override, attribute):
    attribute = {"months": "months_hct_to_relapse"}.get(attribute, attribute)
    assert attribute in changed(cohort_of(), cohort_of("real_world_us", override), products)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("cohort.n=0", "whole number of patients from 1"),
        ("cohort.n=-5", "whole number of patients from 1"),
        ("cohort.n=2.5", "whole number of patients from 1"),
        ("cohort.n=true", "whole number of patients from 1"),
        ("cohort.resample=true", "set cohort.patients=table.csv"),
        ("cohort.burden.shares.none=0.95", r"shares sum to 1\.47: they must not exceed 1"),
        ("cohort.burden.shares.above_40=0.1", r"shares sum to 0\.79: they must sum to 1"),
        ("cohort.burden.shares.below_5=rest", "only one share may be 'rest', not below_5 and above_40"),
        ("cohort.burden.shares.none=1.5", "a share from 0 to 1, or the word 'rest'"),
        ("cohort.burden.shares.none=yes", "a share from 0 to 1, or the word 'rest'"),
        ("+cohort.burden.shares.nane=0.1", "unknown category 'nane', did you mean 'none'"),
        ("~cohort.burden.shares.none", "no share for none"),
        ("cohort.age.median=30", r"median \(30\) must not exceed upper_quartile \(17\.5\)"),
        ("cohort.age.maximum=130", "less than or equal to 100"),
        ("cohort.correlation.age_burden=1.2", "less than 1"),
        ("cohort.correlation={age_burden:0.9,age_dose:-0.9,burden_dose:0.9}", "not positive definite"),
        ("+cohort.fit.odds.comorbidty=2", "unknown condition 'comorbidty', did you mean 'comorbidity'"),
        ("+cohort.down.odds.kmt2ar=2", "down is drawn before cytogenetics"),
        ("+cohort.prior_hct.odds.first_relapse=-1", "greater than or equal to 0"),
        ("+cohort.site.odds.cns={marow:2}", r"odds\.cns: unknown category 'marow', did you mean 'marrow'"),
        ("cohort.prior_hct.share.value=1.2", "at most 1"),
        ("cohort.prior_hct.share.unit=days", "must be one of: probability"),
        ("cohort.dose.median.unit=months", r"must be one of: 10\^6/kg"),
        ("cohort.burden.floor={value:-3.5,high:-3}", r"floor \(-3\.5\) must lie below detection \(-4\)"),
        ("cohort.months_hct_to_relapse.early_share={value:0,low:0}", r"must lie between 0\.001 and 0\.999"),
        ("cohort.practice.hct_from_month={value:7,high:8}", r"hct_from_month \(7\) must not exceed"),
        ("cohort.weight.ages=[1,2]", "lists of the same length"),
        ("+cohort.nonsense=1", "Extra inputs are not permitted"),
    ],
)
def test_refused(cohort_of, override, message):
    with pytest.raises(ValidationError, match=message):
        cohort_of("real_world_us", override)


def test_every_number_names_a_known_source(shipped):
    lines = list(walk(shipped))
    assert len(lines) > 25
    named = [line.source for _, line in lines]
    for part in (getattr(shipped, name) for name in Cohort.model_fields):
        named += [getattr(part, key) for key in ("source", "odds_source") if hasattr(part, key)]
    assert [name for text in named for name in unknown_sources(text)] == []


def test_a_paper_takes_ten_lines():
    for path in (Path(__file__).parents[2] / "conf" / "cohort").glob("*.yaml"):
        stated = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "defaults"))]
        assert path.stem == "base" or len(stated) <= 16, f"{path.name}: {len(stated)} lines"
