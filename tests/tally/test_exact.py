"""Exact sums give what `math.fsum` gives, in any order; variances from them do not cancel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.tally.exact import ONE, exact, mean_of, share_of, variance_of

floats = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200)


@settings(deadline=None)
@given(st.lists(floats, min_size=1, max_size=30), st.randoms())
def test_a_sum_in_any_order_is_fsum(values, shuffle):
    total = sum(exact(np.array(values)).tolist())
    shuffle.shuffle(values)
    assert sum(exact(np.array(values)).tolist()) == total
    assert total / ONE == math.fsum(values)


def test_the_smallest_floats_are_kept():
    values = np.array([5e-324, -5e-324, 2.2250738585072014e-308, -0.0, 1.0, 1e300])
    assert [whole / ONE for whole in exact(values)] == values.tolist()


def test_variance_of_whole_numbers_is_exact():
    assert variance_of(4, 10, 30) == np.var([1, 2, 3, 4], ddof=1)
    values = np.array([1e6 + 0.25, 1e6 + 0.5, 1e6 + 0.75])  # squares still fit into a float
    total, squares = sum(exact(values).tolist()), sum(exact(values**2).tolist())
    assert mean_of(3, total, ONE) == 1e6 + 0.5
    assert variance_of(3, total, squares, ONE) == 0.0625


def test_shares_and_empty_samples():
    share, error = share_of(400, 100)
    assert (share, error) == (0.25, pytest.approx(math.sqrt(0.25 * 0.75 / 400)))
    assert all(math.isnan(x) for x in (*share_of(0, 0), mean_of(0, 0), variance_of(1, 5, 25)))
