"""Sums within a block of patients, formed patient by patient in the same order everywhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sim.economics.compiling import compiled_once


def sum_lines(lines: Any, codes: Any, sums: Any) -> None:
    """Add each line and its squares to the sums of the strata it belongs to."""
    for i in range(lines.shape[0]):
        for g in range(codes.shape[1]):
            s = codes[i, g]
            for k in range(lines.shape[1]):
                sums[s, 0, k] += lines[i, k]
                sums[s, 1, k] += lines[i, k] * lines[i, k]


def sum_products(vectors: Any, codes: Any, sums: Any) -> None:
    """Add the products of every two entries of each vector (upper triangle) to those of its strata."""
    width = vectors.shape[1]
    for i in range(vectors.shape[0]):
        for g in range(codes.shape[1]):
            s = codes[i, g]
            for a in range(width):
                for b in range(a, width):
                    sums[s, a, b] += vectors[i, a] * vectors[i, b]


def add_lines(lines: np.ndarray, codes: np.ndarray, strata: int) -> np.ndarray:
    """Sum lines and squares by stratum: shape (strata, 2, columns)."""
    sums = np.zeros((strata, 2, lines.shape[1]))
    _compiled(sum_lines)(np.ascontiguousarray(lines), np.ascontiguousarray(codes), sums)
    return sums


def add_products(vectors: np.ndarray, codes: np.ndarray, strata: int) -> np.ndarray:
    """Sum products by stratum: shape (strata, width, width), upper triangle."""
    sums = np.zeros((strata, vectors.shape[1], vectors.shape[1]))
    _compiled(sum_products)(np.ascontiguousarray(vectors), np.ascontiguousarray(codes), sums)
    return sums


@cache
def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    return compiled_once(function)
