"""Designs of sweeps: grids, ranges, space-filling designs, sensitivity indices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.problems import Problem
from sim.uncertainty.designs import cells, sobol_indices


def test_a_grid_is_every_combination_and_the_last_key_varies_fastest():
    found = cells({"a": [1, 2], "b": ["x", "y", "z"], "c": 7})
    assert found == [{"a": a, "b": b, "c": 7} for a in (1, 2) for b in "xyz"]


@given(st.integers(-50, 50), st.integers(1, 9), st.integers(1, 40))
def test_a_stepped_range_of_whole_numbers_includes_its_end_where_a_step_reaches_it(start, step, number):
    found = [cell["a"] for cell in cells({"a": {"from": start, "to": start + step * number, "step": step}})]
    assert found == list(range(start, start + step * number + 1, step))
    assert all(isinstance(value, int) for value in found)


@given(st.floats(0.01, 10.0), st.floats(1.1, 100.0), st.integers(3, 20))
def test_a_logarithmic_range_has_equal_ratios_and_exact_ends(start, ratio, count):
    found = [cell["a"] for cell in cells({"a": {"from": start, "to": start * ratio, "count": count, "log": True}})]
    assert (found[0], found[-1], len(found)) == (start, start * ratio, count)
    np.testing.assert_allclose(np.diff(np.log(found)), np.log(ratio) / (count - 1), rtol=1e-6, atol=1e-9)


def test_steps_of_tenths_are_tenths():
    assert [cell["a"] for cell in cells({"a": {"from": 0.1, "to": 0.7, "step": 0.1}})] == [
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
    ]  # fmt: skip


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_a_space_filling_design_puts_one_point_into_each_interval(design):
    bounds = {"a": {"low": 2.0, "high": 4.0}, "b": {"low": 1.0, "high": 100.0, "log": True}}
    found = cells(bounds, design, 32)
    for key, scale in (("a", lambda x: (x - 2.0) / 2.0), ("b", lambda x: np.log10(x) / 2.0)):
        place = np.floor(scale(np.array([cell[key] for cell in found])) * 32)
        assert np.array_equal(np.sort(place), np.arange(32))
    assert found == cells(bounds, design, 32)
    assert found != cells(bounds, design, 32, seed=2)


def test_whole_bounds_give_whole_numbers_equally_often():
    found = [cell["a"] for cell in cells({"a": {"low": 1, "high": 4, "whole": True}}, "sobol", 64)]
    assert [found.count(value) for value in (1, 2, 3, 4)] == [16, 16, 16, 16]


def test_lists_beside_bounds_are_combined_with_every_point():
    found = cells({"a": {"low": 0.0, "high": 1.0}, "b": ["x", "y"]}, "sobol", 4)
    assert len(found) == 8
    assert [cell["a"] for cell in found[:4]] == [cell["a"] for cell in found[4:]]


def test_sobol_indices_of_a_linear_function_are_its_shares_of_variance():
    keys = ["a", "b", "c"]
    design = cells({key: {"low": 0.0, "high": 1.0} for key in keys}, "saltelli", 512)
    assert len(design) == 512 * 5
    outcome = np.array([cell["a"] + 2.0 * cell["b"] for cell in design])
    for row, share in zip(sobol_indices(keys, outcome), (0.2, 0.8, 0.0), strict=True):
        assert row["first"] == pytest.approx(share, abs=0.01)
        assert row["total"] == pytest.approx(share, abs=0.01)
        assert row["first_low"] <= row["first"] <= row["first_high"]


def test_an_outcome_that_never_varies_has_no_indices():
    design = cells({"a": {"low": 0.0, "high": 1.0}}, "saltelli", 8)
    assert np.isnan(sobol_indices(["a"], np.ones(len(design)))[0]["total"])


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({}, {}, "is empty"),
        ({"a": []}, {}, r"sweep\.grid\.a: the list is empty"),
        ({"a": [1, 2, 1]}, {}, r"sweep\.grid\.a: 1 stands twice"),
        ({"a": {"from": 2, "to": 1, "count": 3}}, {}, "from the smaller"),
        ({"a": {"from": 0, "to": 1, "count": 3, "log": True}}, {}, "must be greater than 0 where log is true"),
        ({"a": {"from": 0, "to": 1}}, {}, "cannot be read"),
        ({"a": {"from": 0, "to": 1, "stp": 1}}, {}, "cannot be read"),
        ({"a": {"low": 0, "high": 1}}, {}, r"set sweep\.design=sobol"),
        ({"a": {"low": 1, "high": 0}}, {"design": "sobol"}, "low the smaller"),
        ({"a": {"low": 0, "high": 1, "logg": True}}, {"design": "sobol"}, "unknown word 'logg'"),
        ({"a": {"low": 0, "high": 1}}, {"design": "sobl"}, "did you mean 'sobol'"),
        ({"a": {"low": 0, "high": 1}}, {"design": "sobol", "points": 60}, "power of two"),
        ({"a": {"low": 0, "high": 1}, "b": [1, 2]}, {"design": "saltelli"}, r"sweep\.grid\.b: a Saltelli design"),
        ({"a": [1, 2]}, {"design": "sobol"}, "all keys have lists"),
        ({"a": list(range(2000)), "b": list(range(2000))}, {}, "4,000,000 cells are more than"),
    ],
)
def test_a_grid_that_cannot_be_read_is_refused_with_its_key(grid, options, message):
    with pytest.raises(Problem, match=message):
        cells(grid, **options)
