"""Many worlds asked one after the other: cut into stretches, done by any executor, kept as parts, put together again.

World i is the same whatever is asked along, so runs can be interrupted, extended and cut in any way: the files on disk
decide what is left, and the answer has the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np

from sim.evidence import evidence_hash
from sim.experiments.answers import Examiner
from sim.experiments.executors import cores, execute
from sim.experiments.progress import progress
from sim.experiments.sources import SIM, code_hash, lives_code
from sim.experiments.store import Store, packed, sealed, unpacked
from sim.problems import Problem

#: Fewer lives than this are over before worker processes have started.
SHORT: Final = 600_000
#: Lives in a stretch: some seconds of the compiled engine.
LIVES: Final = 400_000
_KEY: Final = re.compile(r"(\d{8})-(\d{8})")


class Stretch(NamedTuple):
    """Consecutive worlds: `first`, ..., `end` - 1."""

    first: int
    end: int

    @property
    def key(self) -> str:
        """Name of its part; sorted by name is sorted by world."""
        return f"{self.first:08d}-{self.end:08d}"

    @classmethod
    def from_key(cls, key: str) -> Self | None:
        """Read a stretch from its key; None where the key is none."""
        found = _KEY.fullmatch(key)
        return cls(int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        return f"worlds {self.first} to {self.end - 1}"


@dataclass(frozen=True)
class Inquiry:
    """The job: ask a stretch of worlds. What world i is, subclasses say.

    Parameters
    ----------
    settings
        Frozen settings.
    batches
        Batches of patients that are summed apart.
    store
        Whose parts the answers will be.
    code
        Of the process that asks; a worker with other code or data refuses.
    """

    settings: Any
    batches: int
    store: Store
    code: tuple[str, str] = field(default_factory=lambda: (lives_code(), evidence_hash()))

    kind: ClassVar[str] = "worlds"

    @cached_property
    def examiner(self) -> Examiner:
        """What asks, built once in each process."""
        return Examiner(self.settings, self.batches)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name in self.__dataclass_fields__}

    def prepare(self) -> None:
        """Refuse to work with other code than the parent; compile."""
        if self.code != (lives_code(), evidence_hash()):
            raise Problem("a worker runs other code or data than this program: bring both to the same version")
        self.examiner.prepare()

    def answers(self, stretch: Stretch) -> np.ndarray:
        """Give the sums of a stretch, shape (worlds, policies, quantities, batches)."""
        raise NotImplementedError

    def __call__(self, stretch: Stretch) -> bytes:
        """Give the part of a stretch."""
        return sealed([packed({"sums": self.answers(stretch)})], self.store.about(self.kind, stretch.key, part_code()))


@cache
def part_code() -> str:
    """Hash the code that parts rest on beside that of lives."""
    here = Path(__file__).parent
    own = [here / f"{name}.py" for name in ("answers", "inquiry", "worlds", "inputs")]
    return code_hash([*own, *SIM.glob("tally/*.py"), *SIM.glob("uncertainty/*.py"), *SIM.glob("economics/*.py")])


def inquire(inquiry: Inquiry, count: int, *, size: int | None = None, unit: str = "lives") -> np.ndarray:
    """Ask worlds 0 to `count` - 1: what is on disk is read, the rest is done.

    Parameters
    ----------
    inquiry
        The job.
    count
        Number of worlds.
    size
        Worlds in a stretch; None: some seconds of work.
    unit
        What progress counts.

    Returns
    -------
    numpy.ndarray
        Sums, shape (worlds, policies, quantities, batches).
    """
    settings, store = inquiry.settings, inquiry.store
    done = covering(stretches_on_disk(store, inquiry.kind), count)
    lives = inquiry.examiner.worlds.n * len(settings.policy)
    size = size or max(1, LIVES // lives)
    left = gaps(done, count, size)
    asked = sum(stretch.end - stretch.first for stretch in left)
    with (
        progress(count * lives, unit, quiet=settings.quiet, done=(count - asked) * lives) as advance,
        closing(
            execute(
                inquiry,
                left,
                settings.executor,
                short=asked * lives < SHORT,
                threads=settings.threads or cores(),
            )
        ) as results,
    ):
        for stretch, data in results:
            store.keep(inquiry.kind, stretch.key, data)
            advance((stretch.end - stretch.first) * lives)
    return together(store, inquiry.kind, [*done, *left], count)


def stretches_on_disk(store: Store, kind: str) -> list[Stretch]:
    """List the stretches whose parts are there and whole."""
    return [found for key in store.keys(kind, part_code()) if (found := Stretch.from_key(key))]


def covering(stretches: Iterable[Stretch], count: int) -> list[Stretch]:
    """Choose stretches that can be used for worlds 0 to `count` - 1, each world once."""
    chosen: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda one: (one.first, -one.end)):
        behind = not chosen or chosen[-1].end <= stretch.first
        if behind and stretch.first < count:
            chosen.append(stretch)
    return chosen


def gaps(done: Sequence[Stretch], count: int, size: int) -> list[Stretch]:
    """Cut what `done` leaves of worlds 0 to `count` - 1 into stretches of at most `size`."""
    left: list[Stretch] = []
    at = 0
    for stretch in [*done, Stretch(count, count)]:
        left += [
            Stretch(first, min(first + size, stretch.first)) for first in range(at, min(stretch.first, count), size)
        ]
        at = stretch.end
    return left


def together(store: Store, kind: str, stretches: Sequence[Stretch], count: int) -> np.ndarray:
    """Put the parts of stretches together, in order of worlds."""
    arrays = []
    for stretch in sorted(stretches):
        (table,) = store.read(kind, stretch.key, part_code()).groups()
        arrays.append(unpacked(table)["sums"][: max(0, count - stretch.first)])
    return np.concatenate(arrays)
