"""Twins whose lives are the same under two policies: what is valued once need not be valued again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sim.economics.compiling import compiled_once


def compare_charts(rows: Any, first: Any, others: Any, first_other: Any, among: Any, same: Any) -> None:
    """Note of each patient asked about whether two journals hold the same rows, bit by bit."""
    for i in range(len(same)):
        length = first[i + 1] - first[i]
        equal = among[i] and length == first_other[i + 1] - first_other[i]
        k = 0
        while equal and k < length:
            a = first[i] + k
            b = first_other[i] + k
            equal = (
                rows[a, 0] == others[b, 0]
                and rows[a, 1] == others[b, 1]
                and rows[a, 2] == others[b, 2]
                and rows[a, 3] == others[b, 3]
            )
            k += 1
        same[i] = equal


def same_charts(
    rows: np.ndarray, first: np.ndarray, others: np.ndarray, first_other: np.ndarray, among: np.ndarray
) -> np.ndarray:
    """Tell which of some patients have the same journal under two policies.

    Parameters
    ----------
    rows, first
        Journal rows under one policy (`sim.journal.ROW`), and where each patient's begin (shape n + 1).
    others, first_other
        The same under the other.
    among
        Who is asked about, shape (n,), bool.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool; false for everybody else.
    """
    same = np.zeros(len(first) - 1, dtype=np.bool_)
    _compiled()(_words(rows), first, _words(others), first_other, among, same)
    return same


def _words(rows: np.ndarray) -> np.ndarray:
    """See journal rows as words of 8 bytes, four a row."""
    return np.ascontiguousarray(rows).view(np.int64).reshape(len(rows), 4)


@cache
def _compiled() -> Callable[..., None]:
    return compiled_once(compare_charts)
