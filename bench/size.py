"""How much work each part does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Size:
    """Amounts of work.

    Parameters
    ----------
    simpy
        Patients under SimPy.
    block
        Patients of a block of the batch engine.
    stream
        Patients of a whole batch run; each lives under every policy.
    arms
        Patient-arms of a peer's model.
    lives
        Lives whose peak memory is measured.
    scaled
        Lives of a run under each executor; 0: none.
    emulated
        Patients a cohort in an evaluation of the calibration's targets.
    repeats
        How often short work is repeated; the quickest counts.
    """

    simpy: int
    block: int
    stream: int
    arms: int
    lives: tuple[int, ...]
    scaled: int
    emulated: int
    repeats: int


FULL: Final = Size(
    simpy=400,
    block=4096,
    stream=100_000,
    arms=100_000,
    lives=(10_000, 100_000, 1_000_000, 10_000_000),
    scaled=10_000_000,
    emulated=8000,
    repeats=10,
)
QUICK: Final = Size(
    simpy=50, block=4096, stream=10_000, arms=20_000, lives=(10_000, 50_000), scaled=1_000_000, emulated=2000, repeats=3
)
TINY: Final = Size(simpy=2, block=16, stream=16, arms=16, lives=(18,), scaled=0, emulated=64, repeats=2)
