"""A patient's calendar: what comes next, and hazard budgets that are spent, never redrawn.

A hazard is driven by one unit-exponential budget per cause and occurrence. While the rate is r the budget is spent at
r per day; when the rate changes the rest of the budget stays; when the cause fires the engine renews it, so that a
rate which returns later does not fire at once.
"""

from __future__ import annotations

from typing import Any, Final

from sim.draws import exponential
from sim.kernel import INF

#: Event by which an engine tells that capacity of pool k is granted: GRANT + k. It never stands in the calendar.
GRANT: Final = 100


def earliest(p: Any) -> int:
    """Return the event that comes next; ties go to the event declared first.

    The time is looked for first, then whose it is: a processor guesses the answer of the second search right and goes
    on, where an index carried through the first would keep it waiting.
    """
    when = p.next[0]
    for event in range(1, len(p.next)):
        if p.next[event] < when:
            when = p.next[event]
    for event in range(len(p.next)):
        if p.next[event] == when:
            return event
    return 0


def set_rate(p: Any, cause: int, rate: float) -> None:
    """Spend the budget of `cause` at its old rate up to now, then go on at `rate` per day (0: never).

    A cause and the event it fires share one index. At an unchanged rate nothing is touched, not even a last digit.
    """
    if rate == p.rate[cause]:
        return
    p.budget[cause] -= p.rate[cause] * (p.t - p.since[cause])
    p.since[cause] = p.t
    p.rate[cause] = rate
    if rate > 0.0:
        left = p.budget[cause]
        p.next[cause] = p.t + (left / rate if left > 0.0 else 0.0)
    else:
        p.next[cause] = INF


def renew_budget(p: Any, cause: int) -> None:
    """Give `cause` the budget of its next occurrence, at the rate it has now."""
    p.occurrence[cause] += 1
    p.budget[cause] = exponential(p.seed, p.number, cause, p.occurrence[cause])
    p.since[cause] = p.t
    p.next[cause] = p.t + p.budget[cause] / p.rate[cause] if p.rate[cause] > 0.0 else INF


def open_budgets(p: Any) -> None:
    """Draw the first budget of every cause."""
    for cause in range(len(p.budget)):
        p.budget[cause] = exponential(p.seed, p.number, cause, 0)
        p.since[cause] = p.t
        p.rate[cause] = 0.0
        p.occurrence[cause] = 0
