"""A patient is a function of seed and number alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cohort import BLOCK, DTYPE, draw, patient_count
from sim.problems import Problem


def test_patient_7_of_100_is_patient_7_of_100000(shipped, products):
    few, many = draw(shipped, 1, 0, 100, products), draw(shipped, 1, 0, 100_000, products)
    assert few.tobytes() == many[:100].tobytes()
    assert draw(shipped, 1, 7, 1, products).tobytes() == many[7:8].tobytes()
    assert draw(shipped, 1, 99_990, 10, products).tobytes() == many[99_990:].tobytes()


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 3 * BLOCK), count=st.integers(0, BLOCK + 10))
def test_any_slice_is_the_same(cohort_of, products, first, count):
    whole = _whole(cohort_of(), products)
    assert draw(cohort_of(), 1, first, count, products).tobytes() == whole[first : first + count].tobytes()


def _whole(cohort, products, memo={}):  # noqa: B006
    if "lives" not in memo:
        memo["lives"] = draw(cohort, 1, 0, 5 * BLOCK, products)
    return memo["lives"]


def test_seed_changes_patients(cohort_of, products):
    one, two = draw(cohort_of(), 1, 0, 100, products), draw(cohort_of(), 2, 0, 100, products)
    assert (one["age"] != two["age"]).all()


def test_no_patients(cohort_of, products):
    assert draw(cohort_of(), 1, 5, 0, products).shape == (0,)
    assert draw(cohort_of(), 1, 5, 0, products).dtype == DTYPE
    with pytest.raises(Problem, match="must be 0 or more"):
        draw(cohort_of(), 1, -1, 5, products)


def test_minimally_different_world(cohort_of, products):
    # More prior transplants: nothing changes but what depends on them.
    one = draw(cohort_of(), 1, 0, BLOCK, products)
    more = cohort_of("real_world_us", "cohort.prior_hct.share.value=0.34")
    two = draw(more, 1, 0, BLOCK, products)
    depends = {"prior_hct", "months_hct_to_relapse", "hct_tbi", "blinatumomab", "inotuzumab", "comorbidity"}
    depends |= {"neuro_history", "wish", "fit"}
    changed = {name for name in one.dtype.names if not np.array_equal(one[name], two[name])}
    assert {"prior_hct", "months_hct_to_relapse"} <= changed <= depends
    assert not (one["prior_hct"] > two["prior_hct"]).any()


def test_resampling_is_keyed(cohort_of, products, table):
    given = table("age,weight\n1,10\n2,12\n3,14\n")
    cohort = cohort_of("real_world_us", "cohort.patients=some.csv", "cohort.resample=true", "cohort.n=5000")
    assert patient_count(cohort, given) == 5000
    many = draw(cohort, 1, 0, 5000, products, given)
    assert draw(cohort, 1, 4321, 3, products, given).tobytes() == many[4321:4324].tobytes()
    # Each row with probability 1/3: standard error 0.0067.
    assert np.abs(np.bincount(many["age"].astype(int), minlength=4)[1:] / 5000 - 1 / 3).max() < 5 * 0.0067
    assert np.array_equal(many["weight"], 8 + 2 * many["age"])


def test_rows_of_a_table_are_used_once(cohort_of, products, table):
    given = table("age\n5\n6\n")
    cohort = cohort_of("real_world_us", "cohort.patients=some.csv")
    assert patient_count(cohort, given) == 2
    assert draw(cohort, 1, 0, 2, products, given)["age"].tolist() == [5.0, 6.0]
    with pytest.raises(Problem, match=r"has 2 rows, but patient 2 was asked for.*resample=true"):
        draw(cohort, 1, 0, 3, products, given)
