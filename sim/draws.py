"""Randomness as a pure function: every number is `u(seed, patient, decision, nth)`.

Adding a policy, an event, a patient, a worker or a thread therefore never shifts another draw, and every patient lives
under every policy as their own twin. The generator is Philox2x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405):
key = seed; counter = (patient, decision and occurrence). It is written with 32-bit words in 64-bit integers so that
plain Python and compiled code run the same text.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sim.kernel import scalar

MULTIPLIER: Final = 0xD256D193
WEYL: Final = 0x9E3779B9
WORD: Final = 0xFFFFFFFF
ROUNDS: Final = 10
#: Occurrences a decision may have: the counter's second word holds `decision * OCCURRENCES + nth`.
OCCURRENCES: Final = 1 << 22


def _uniform(seed: int, patient: int, decision: int, nth: int) -> float:
    left = int(patient) & WORD  # NumPy's integers would overflow in the product below, and warn
    right = (int(decision) * OCCURRENCES + int(nth)) & WORD
    key = int(seed) & WORD
    for _ in range(ROUNDS):
        product = left * MULTIPLIER
        left = ((product >> 32) & WORD) ^ key ^ right
        right = product & WORD
        key = (key + WEYL) & WORD
    return ((left >> 6) * 67108864 + (right >> 6) + 0.5) * 2.220446049250313e-16


def _quantile(probability: float) -> float:
    q = probability - 0.5
    if math.fabs(q) <= 0.425:
        r = 0.180625 - q * q
        return (
            q
            * (
                (
                    (
                        (
                            (
                                ((r * 2509.0809287301226727 + 33430.575583588128105) * r + 67265.770927008700853) * r
                                + 45921.953931549871457
                            )
                            * r
                            + 13731.693765509461125
                        )
                        * r
                        + 1971.5909503065514427
                    )
                    * r
                    + 133.14166789178437745
                )
                * r
                + 3.387132872796366608
            )
            / (
                (
                    (
                        (
                            (
                                ((r * 5226.495278852545925 + 28729.085735721942674) * r + 39307.89580009271061) * r
                                + 21213.794301586595867
                            )
                            * r
                            + 5394.1960214247511077
                        )
                        * r
                        + 687.1870074920579083
                    )
                    * r
                    + 42.313330701600911252
                )
                * r
                + 1.0
            )
        )
    r = probability if q < 0.0 else 1.0 - probability
    r = math.sqrt(-math.log(r))
    if r <= 5.0:
        r -= 1.6
        value = (
            (
                (
                    (
                        (
                            ((r * 7.7454501427834140764e-4 + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
                            + 1.27045825245236838258
                        )
                        * r
                        + 3.64784832476320460504
                    )
                    * r
                    + 5.7694972214606914055
                )
                * r
                + 4.6303378461565452959
            )
            * r
            + 1.42343711074968357734
        ) / (
            (
                (
                    (
                        (
                            ((r * 1.05075007164441684324e-9 + 5.475938084995344946e-4) * r + 0.0151986665636164571966)
                            * r
                            + 0.14810397642748007459
                        )
                        * r
                        + 0.68976733498510000455
                    )
                    * r
                    + 1.6763848301838038494
                )
                * r
                + 2.05319162663775882187
            )
            * r
            + 1.0
        )
    else:
        r -= 5.0
        value = (
            (
                (
                    (
                        (
                            ((r * 2.01033439929228813265e-7 + 2.71155556874348757815e-5) * r + 0.0012426609473880784386)
                            * r
                            + 0.026532189526576123093
                        )
                        * r
                        + 0.29656057182850489123
                    )
                    * r
                    + 1.7848265399172913358
                )
                * r
                + 5.4637849111641143699
            )
            * r
            + 6.6579046435011037772
        ) / (
            (
                (
                    (
                        (
                            ((r * 2.04426310338993978564e-15 + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5)
                            * r
                            + 7.868691311456132591e-4
                        )
                        * r
                        + 0.0148753612908506148525
                    )
                    * r
                    + 0.13692988092273580531
                )
                * r
                + 0.59983220655588793769
            )
            * r
            + 1.0
        )
    return -value if q < 0.0 else value


_fast_uniform = scalar(_uniform)
_fast_quantile = scalar(_quantile)


def _normal(seed: int, patient: int, decision: int, nth: int) -> float:
    return _fast_quantile(_fast_uniform(seed, patient, decision, nth))


def _exponential(seed: int, patient: int, decision: int, nth: int) -> float:
    return -math.log(_fast_uniform(seed, patient, decision, nth))


_fast_normal = scalar(_normal)
_fast_exponential = scalar(_exponential)

#: ``uniform(seed, patient, decision, nth)``: a number in the open interval (0, 1).
uniform = _fast_uniform
#: ``normal_quantile(probability)``: standard normal quantile, algorithm AS 241 (Wichura 1988), relative error 1e-16.
normal_quantile = _fast_quantile
#: ``normal(seed, patient, decision, nth)``: a standard normal number.
normal = _fast_normal
#: ``exponential(seed, patient, decision, nth)``: a unit-exponential number.
exponential = _fast_exponential


def uniforms(seed: int, patients: np.ndarray, decision: int, nth: int = 0) -> np.ndarray:
    """Draw `uniform` for many patients at once: same numbers, as an array.

    Parameters
    ----------
    seed
        Key of the run.
    patients
        Patient numbers, shape (n,), integers in [0, 2**32).
    decision
        Member of `sim.decisions`.
    nth
        Occurrence of the decision.

    Returns
    -------
    numpy.ndarray
        Shape (n,), float64 in (0, 1).
    """
    left = np.asarray(patients, dtype=np.uint64) & np.uint64(WORD)
    right = np.full_like(left, (decision * OCCURRENCES + nth) & WORD)
    key = seed & WORD
    for _ in range(ROUNDS):
        product = left * np.uint64(MULTIPLIER)
        left = (product >> np.uint64(32)) ^ np.uint64(key) ^ right
        right = product & np.uint64(WORD)
        key = (key + WEYL) & WORD
    high, low = left >> np.uint64(6), right >> np.uint64(6)
    return (high.astype(np.float64) * 67108864 + low.astype(np.float64) + 0.5) * 2.220446049250313e-16
