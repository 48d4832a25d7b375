"""What an engine needs to know of a pathway, so that any model can run on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def first_come(p: Any, q: Any, pool: int) -> int:
    """Serve in the order of asking: everybody is equally urgent."""
    return 0


@dataclass(frozen=True)
class Pathway:
    """A model as handlers over a patient's calendar.

    Parameters
    ----------
    name
        Names the model; only the project's own pathway is kept in the compile cache.
    record
        Dataclass of one patient. The engines use its fields ``t, next, done, wants, holds, number, seed``.
    begin
        ``begin(p, q, j)`` puts a patient at the start.
    handle
        ``handle(p, q, j, event)`` lets the event happen; its entry in the calendar is already cleared.
    finish
        ``finish(p, j)`` closes the books of a patient who is alive at the horizon.
    pools
        Names of the shared capacities; bit k of ``p.wants`` and ``p.holds`` stands for pool k.
    urgency
        ``urgency(p, q, pool)`` ranks a request when it is made: lower is served first, equals in the order of asking.
    """

    name: str
    record: type
    begin: Callable[[Any, Any, Any], None]
    handle: Callable[[Any, Any, Any, int], None]
    finish: Callable[[Any, Any], None]
    pools: tuple[str, ...] = ()
    urgency: Callable[[Any, Any, int], int] = first_come
