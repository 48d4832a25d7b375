"""How a run is cut: spans of patients, each a whole number of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Self

from sim.cohort import BLOCK

#: About a second of the compiled engine on one core; SimPy takes a hundred times as long.
LIVES_A_CHUNK: Final = 150_000
#: Long runs are cut into larger chunks, so that their parts stay a readable number of files ...
MOST_CHUNKS: Final = 2_000
#: ... up to this many blocks, so that little is lost when one is interrupted.
MOST_BLOCKS: Final = 64

_KEY: Final = re.compile(r"(\d{10})-(\d{10})")


class Span(NamedTuple):
    """Consecutive patients: `first`, ... `end` - 1."""

    first: int
    end: int

    @property
    def key(self) -> str:
        """Name of the span's parts; sorted by name is sorted by patient."""
        return f"{self.first:010d}-{self.end:010d}"

    @classmethod
    def from_key(cls, key: str) -> Self | None:
        """Read a span from its key; None where the key is none."""
        found = _KEY.fullmatch(key)
        return cls(int(found[1]), int(found[2])) if found else None

    @property
    def n(self) -> int:
        """Number of patients."""
        return self.end - self.first

    def __str__(self) -> str:
        return f"patients {self.first} to {self.end - 1}"

    def blocks(self) -> Iterator[Span]:
        """Give the aligned blocks within."""
        for first in range(self.first, self.end, BLOCK):
            yield Span(first, min(self.end, first + BLOCK))

    def split(self, patients: int) -> list[Span]:
        """Cut into pieces of so many patients."""
        return [Span(first, min(self.end, first + patients)) for first in range(self.first, self.end, patients)]


def covering(spans: Iterable[Span], n: int) -> list[Span]:
    """Choose, in order, those spans that can be used for patients 0 to n - 1: whole blocks, each patient once.

    A short block counts only where the cohort ends with it: patients are counted in blocks.
    """
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.first, -span.end)):
        aligned = span.first % BLOCK == 0 and (span.end % BLOCK == 0 or span.end == n)
        behind = not chosen or chosen[-1].end <= span.first
        if aligned and behind and span.first < span.end <= n:
            chosen.append(span)
    return chosen


def left_over(done: Iterable[Span], n: int, blocks: int) -> list[Span]:
    """Cut what `done` does not cover of patients 0 to n - 1 into chunks of at most so many blocks.

    A short last block is a chunk of its own: an extension does it again, and nothing else.
    """
    gaps, first = [], 0
    for span in [*done, Span(n, n)]:
        if first < span.first:
            gaps.append(Span(first, span.first))
        first = span.end
    chunks: list[Span] = []
    for gap in gaps:
        whole = Span(gap.first, gap.end - gap.end % BLOCK)
        chunks += whole.split(blocks * BLOCK)
        if gap.end % BLOCK:
            chunks.append(Span(max(gap.first, whole.end), gap.end))
    return chunks


def blocks_a_chunk(n: int, policies: int) -> int:
    """Choose how many blocks a chunk of the compiled engine has: a second or more, and few enough files."""
    second = -(-LIVES_A_CHUNK // (BLOCK * policies))
    few = -(-n // (BLOCK * MOST_CHUNKS))
    return max(second, min(few, MOST_BLOCKS))
