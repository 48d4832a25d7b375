"""Random numbers: the published generator, uniform and independent whichever part of the key changes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numba
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from sim import decisions, draws
from sim.draws import exponential, normal, normal_quantile, uniform, uniforms
from sim.patient import CAUSES
from theory.statistics import P, Z, p_cells, p_uniform, z_mean

N = 200_000
PATIENTS = np.arange(N)
SEEDS = (0, 1, 2, 20_260_101, 2**32 - 1)


def philox(counter: tuple[int, int], key: int) -> tuple[int, int]:
    """Philox2x32-10, written from the paper (Salmon et al. 2011, section 3.3 and table 2), in Python's integers."""
    left, right = counter
    for _ in range(10):
        high, low = divmod(0xD256D193 * left, 2**32)
        left, right = high ^ key ^ right, low
        key = (key + 0x9E3779B9) % 2**32
    return left, right


def as_uniform(words: tuple[int, int]) -> float:
    """The upper 26 bits of each word, as the middle of one of 2**52 equal cells."""
    return math.ldexp((words[0] >> 6) * 2**26 + (words[1] >> 6) + 0.5, -52)


# Known answers of the authors' library Random123 (kat_vectors: philox2x32, 10 rounds): counter, key, result.
KNOWN = [
    ((0x00000000, 0x00000000), 0x00000000, (0xFF1DAE59, 0x6CD10DF2)),
    ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
    ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter: tuple[int, int], key: int, result: tuple[int, int]) -> None:
    assert philox(counter, key) == result
    decision, nth = divmod(counter[1], draws.OCCURRENCES)
    assert uniform(key, counter[0], decision, nth) == as_uniform(result)
    assert uniforms(key, np.array([counter[0]]), decision, nth)[0] == as_uniform(result)


def keys() -> list[tuple[int, int, int, int]]:
    """Keys over the whole range: seed, patient, decision, nth."""
    numbers = [philox((i, i * 7), 99) for i in range(2000)]
    spread = [(a, b, a % 1024, b % draws.OCCURRENCES) for a, b in numbers]
    return spread + list(itertools.product((0, 1, 2**31, 2**32 - 1), (0, 2**32 - 1), (0, 5, 1023), (0, 2**22 - 1)))


def test_every_form_is_the_published_generator() -> None:
    """Compiled, plain Python, NumPy scalars, and many at once: the same bits."""
    for seed, patient, decision, nth in keys():
        expected = as_uniform(philox((patient, decision * 2**22 + nth), seed))
        assert uniform(seed, patient, decision, nth) == expected
        assert draws._uniform(seed, patient, decision, nth) == expected
        wide: list[Any] = [np.int64(part) for part in (seed, patient, decision, nth)]
        assert draws._uniform(*wide) == expected
        assert uniforms(seed, np.array([patient]), decision, nth)[0] == expected
    block = uniforms(7, PATIENTS, 3, 2)
    assert block[::997].tolist() == [uniform(7, int(i), 3, 2) for i in PATIENTS[::997]]
    assert uniforms(7, PATIENTS[5:9], 3, 2).tolist() == block[5:9].tolist()


def test_derived_draws_agree_in_every_form() -> None:
    @numba.njit
    def compiled(seed, patient, decision, nth):  # type: ignore[no-untyped-def]
        return normal(seed, patient, decision, nth), exponential(seed, patient, decision, nth)

    for key in keys()[:500]:
        u = uniform(*key)
        assert normal(*key) == draws._quantile(u) == normal_quantile(u) == compiled(*key)[0]
        assert exponential(*key) == -math.log(u) == compiled(*key)[1]


def test_open_interval() -> None:
    """Both ends are out of reach, so logarithms and quantiles are finite."""
    ends = as_uniform((0, 0)), as_uniform((2**32 - 1, 2**32 - 1))
    assert 0.0 < ends[0] < ends[1] < 1.0
    assert all(math.isfinite(normal_quantile(u)) and math.isfinite(math.log(u)) for u in ends)


def test_no_two_decisions_share_a_number() -> None:
    numbers = list(decisions.registered().values())
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) >= CAUSES, "hazard causes own the numbers below"
    assert max(numbers) < 2**32 // draws.OCCURRENCES, "or the counter's second word overflows"


# --- uniformity: 45 tests of fit at P = 1e-4 each, together an error rate below 0.5 %


@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_over_each_part_of_the_key(seed: int) -> None:
    for decision in (0, 5, 81, 220):
        sample = uniforms(seed, PATIENTS, decision)
        assert p_uniform(sample) > P
        assert p_cells(sample, cells=1000) > P
        assert abs(z_mean(sample, 0.5)) < Z
    over_nth = np.array([uniform(seed, 3, 81, nth) for nth in range(20_000)])
    over_decisions = np.array(
        [uniform(seed, patient, decision, 0) for patient in range(20) for decision in range(1024)]
    )
    over_seeds = np.array([uniform(seed ^ other, 3, 81, 0) for other in range(20_000)])
    for sample in (over_nth, over_decisions, over_seeds):
        assert p_uniform(sample) > P


def test_every_bit_is_a_fair_coin() -> None:
    """52 bits, 200,000 patients: each is set half of the time, whatever its neighbour is."""
    integers = (uniforms(1, PATIENTS, 81) * 2.0**52).astype(np.uint64)
    bits = ((integers[:, None] >> np.arange(52, dtype=np.uint64)) & np.uint64(1)).astype(np.float64)
    z = (bits.mean(axis=0) - 0.5) * 2.0 * np.sqrt(N)
    table: np.ndarray = np.asarray(np.corrcoef(bits.T))
    correlation = table[np.triu_indices(52, 1)] * np.sqrt(N)
    assert np.abs(z).max() < Z
    assert np.abs(correlation).max() < 5.0  # 1,326 pairs: error rate 8e-4
    assert 0.8 < correlation.std() < 1.2


def neighbours(seed: int) -> dict[str, np.ndarray]:
    """The same draw with one part of the key moved on."""
    return {
        "patient": uniforms(seed, PATIENTS + 1, 81),
        "another patient": uniforms(seed, PATIENTS + 4096, 81),
        "decision": uniforms(seed, PATIENTS, 82),
        "another decision": uniforms(seed, PATIENTS, 81 + 128),
        "nth": uniforms(seed, PATIENTS, 81, 1),
        "another nth": uniforms(seed, PATIENTS, 81, 28),
        "seed": uniforms(seed + 1, PATIENTS, 81),
        "another seed": uniforms(seed + 65_536, PATIENTS, 81),
    }


@pytest.mark.parametrize("seed", SEEDS[:-1])
def test_neighbours_are_independent(seed: int) -> None:
    """Correlation of values and of tails, and the joint distribution in 40 x 40 boxes."""
    own = uniforms(seed, PATIENTS, 81)
    for name, other in neighbours(seed).items():
        assert abs(np.corrcoef(own, other)[0, 1]) * np.sqrt(N) < Z, name
        assert abs(np.corrcoef(np.log(own), np.log(other))[0, 1]) * np.sqrt(N) < 5.0, name
        assert p_cells(own, other, cells=40) > P, name


def test_triples_fill_the_cube() -> None:
    own = uniforms(1, PATIENTS, 81)
    for second, third in (("decision", "another decision"), ("nth", "another nth"), ("patient", "nth")):
        moved = neighbours(1)
        assert p_cells(own, moved[second], moved[third], cells=16) > P


def test_decisions_of_one_patient_are_uncorrelated() -> None:
    """All pairs of 60 registered decisions, 20,000 patients: the largest of 1,770 correlations, and their spread."""
    chosen = sorted(decisions.registered().values())[:60]
    table = np.array([uniforms(5, PATIENTS[:20_000], decision) for decision in chosen])
    z = np.corrcoef(table)[np.triu_indices(60, 1)] * np.sqrt(20_000)
    assert np.abs(z).max() < 5.0  # error rate 1e-3
    assert p_uniform(stats.norm.cdf(z)) > P


# --- other distributions


def test_normal_quantile() -> None:
    """Against scipy's, over the bulk and both tails; and odd around one half, exactly where 1 - u is exact."""
    u = np.concatenate(
        [uniforms(1, PATIENTS[:20_000], 81), np.logspace(-300, -1, 2000), 1.0 - np.logspace(-15, -1, 500)]
    )
    own = np.array([normal_quantile(p) for p in u])
    assert np.max(np.abs(own / ndtri(u) - 1.0)) < 1e-14
    exact = np.arange(1, 1024) / 1024.0
    assert [normal_quantile(p) for p in exact] == [-normal_quantile(1.0 - p) for p in exact]
    assert normal_quantile(0.5) == 0.0


def test_normal_and_exponential() -> None:
    n = 50_000
    normals = np.array([normal(1, i, 81, 0) for i in range(n)])
    exponentials = np.array([exponential(1, i, 82, 0) for i in range(n)])
    assert stats.kstest(normals, "norm").pvalue > P
    assert stats.kstest(exponentials, "expon").pvalue > P
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert abs(z_mean(normals**power, moment)) < Z
    for power in (1, 2, 3):
        assert abs(z_mean(exponentials**power, math.factorial(power))) < Z
