"""However a cohort is cut, every patient is in exactly one chunk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.cohort import BLOCK
from sim.experiments.spans import Span, blocks_a_chunk, covering, left_over

sizes = st.integers(1, 40 * BLOCK)
spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, BLOCK - 1)).map(
        lambda t: Span(t[0] * BLOCK, (t[0] + t[1]) * BLOCK - t[2] * (t[2] % 3 == 0))
    ),
    max_size=12,
)


@given(n=sizes, found=spans, blocks=st.integers(1, 9))
def test_what_is_done_and_what_is_left_make_up_the_cohort(n: int, found: list[Span], blocks: int) -> None:
    done = covering(found, n)
    assert set(done) <= set(found)
    left = left_over(done, n, blocks)
    everything = sorted([*done, *left])
    assert [span.first for span in everything] == [0, *(span.end for span in everything[:-1])]
    assert everything[-1].end == n
    for span in left:
        assert span.first % BLOCK == 0
        assert 0 < span.n <= blocks * BLOCK
        assert span.end % BLOCK == 0 or (span.end == n and span.n < BLOCK)


@given(n=sizes, more=st.integers(1, 10 * BLOCK), blocks=st.integers(1, 9))
def test_an_extension_keeps_every_whole_block(n: int, more: int, blocks: int) -> None:
    chunks = left_over([], n, blocks)
    kept = covering(chunks, n + more)
    assert sum(span.n for span in kept) == n - n % BLOCK


@given(first=st.integers(0, 10**6), blocks=st.integers(1, 99))
def test_keys_read_back_and_sort_as_patients_do(first: int, blocks: int) -> None:
    span = Span(first * BLOCK, (first + blocks) * BLOCK)
    assert Span.from_key(span.key) == span
    assert span.key < Span(span.end, span.end + 1).key
    assert Span.from_key(span.key + "x") is None


@given(n=st.integers(1, 10**9), policies=st.integers(1, 12))
def test_chunks_are_neither_tiny_nor_many(n: int, policies: int) -> None:
    blocks = blocks_a_chunk(n, policies)
    assert blocks * BLOCK * policies >= 100_000
    assert blocks <= 64
    assert n / (blocks * BLOCK) <= 2_000 or blocks == 64
