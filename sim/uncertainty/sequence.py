"""Quasi-random numbers for many parameters: each evenly spread by itself, no two of them tied together.

Every parameter has a sequence of its own: van der Corput's (the first dimension of Sobol's sequence) in an order and
with a scrambling of its own, both of Owen's nested kind, so that any 2**k first numbers fall one into each of 2**k
equal intervals. Number i depends on seed, key and i only: neither on how many numbers are drawn nor on which other
parameters are drawn along.

One Sobol sequence over all parameters was tried and refused: among 500 dimensions some pairs correlate by 0.94 at 1,000
points whatever the scrambling, which would credit one parameter with the value of another. Here correlations between
parameters are those of chance (root mean square 0.04 at 1,000 draws; independent numbers: 0.03).

The scrambling is the hash form of Owen's by Laine and Karras (2011), with the constants and bit order of Vegdahl's and
Burley's refinement (Burley 2020, Journal of Computer Graphics Techniques 9(4)).
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

#: Draws a sequence can give.
LONGEST: Final = 2**32
_MULTIPLIERS: Final = tuple(np.uint32(word) for word in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6))
_SWAPS: Final = ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF))


def quasi_uniforms(seed: int, key: str, first: int, count: int) -> np.ndarray:
    """Give the numbers `first`, ..., `first + count - 1` of a parameter's sequence.

    Parameters
    ----------
    seed
        Seed of the run.
    key
        Name of the parameter.
    first, count
        Draw numbers, 0 or more.

    Returns
    -------
    numpy.ndarray
        Shape (count,), in the open interval (0, 1).
    """
    order, values = np.frombuffer(hashlib.sha256(f"{seed}|{key}".encode()).digest()[:8], dtype="<u4")
    index = np.arange(first, first + count, dtype=np.uint64).astype(np.uint32)
    place = _scrambled(index, order)
    return (_scrambled(_reversed(place), values).astype(np.float64) + 0.5) / LONGEST


def _scrambled(words: np.ndarray, key: np.uint32) -> np.ndarray:
    """Flip each bit by a hash of the bits above it: Owen's nested scrambling in base 2."""
    words = _reversed(words) + key
    for multiplier in _MULTIPLIERS:
        words = words ^ (words * multiplier)
    return _reversed(words)


def _reversed(words: np.ndarray) -> np.ndarray:
    """Reverse the 32 bits of each word."""
    for places, mask in _SWAPS:
        words = ((words >> np.uint32(places)) & np.uint32(mask)) | ((words & np.uint32(mask)) << np.uint32(places))
    return (words >> np.uint32(16)) | (words << np.uint32(16))
