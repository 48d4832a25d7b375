"""Yardsticks of the statistical tests.

Seeds are fixed, so a test passes or fails for good; the error rates say how likely correct code would have failed when
its numbers were first drawn (or would after a change of the generator).
"""

from __future__ import annotations

import numpy as np
from scipy import stats

#: Largest |z| that a single statistic may have: two-sided error rate 6e-5.
Z = 4.0
#: Smallest p value that a single test of fit may have.
P = 1e-4


def z_mean(sample: np.ndarray, expected: float) -> float:
    """Distance of a sample's mean from its expectation, in standard errors."""
    return float((np.mean(sample) - expected) / (np.std(sample, ddof=1) / np.sqrt(len(sample))))


def z_share(hits: np.ndarray, expected: float) -> float:
    """Distance of a share from its probability, in standard errors under that probability."""
    n = len(hits)
    return float((np.mean(hits) - expected) / np.sqrt(expected * (1.0 - expected) / n))


def p_uniform(sample: np.ndarray) -> float:
    """Kolmogorov-Smirnov p value of a sample that should be uniform on (0, 1)."""
    return float(stats.kstest(sample, "uniform").pvalue)


def p_cells(*columns: np.ndarray, cells: int) -> float:
    """Chi-square p value of points that should be uniform on the unit (hyper)cube, cut into cells**d boxes."""
    box = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        box = box * cells + (column * cells).astype(np.int64)
    counts = np.bincount(box, minlength=cells ** len(columns))
    return float(stats.chisquare(counts).pvalue)


def p_chi_square(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """Chi-square p value of counts against probabilities."""
    return float(stats.chisquare(counts, np.sum(counts) * probabilities / np.sum(probabilities)).pvalue)
