"""The parts of the benchmark, in the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bench import calibration, pathway, peers, scaling, starts
from bench.floor import measure as floor
from bench.size import Size
from bench.table import Row

Measure = Callable[[Size], Iterator[Row]]

PARTS: Final[dict[str, Measure]] = {
    "pathway": pathway.measure,
    "peers": peers.measure,
    "floor": floor.measure,
    "calibration": calibration.measure,
    "starts": starts.measure,
    "scaling": scaling.measure,
    "memory": scaling.memory,
}
