"""Present values at force d: of a flow between two times, of a payment at one. Shared by the WARDEN models."""

from __future__ import annotations

import math


def flow(value: float, start: float, stop: float, force: float) -> float:
    """Present value of `value` a year from `start` to `stop`."""
    return value * (math.exp(-force * start) - math.exp(-force * stop)) / force


def payment(value: float, when: float, force: float) -> float:
    """Present value of `value` paid at `when`."""
    return value * math.exp(-force * when)
