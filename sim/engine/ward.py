"""The compiled ward: shared places, queues and reneging in machine code, equal to SimPy byte for byte.

What SimPy does with processes, timeouts, requests and conditions is done here with one calendar over all patients and
a line of zero-delay signals; moments that coincide are taken in the very order in which SimPy schedules them:

- what is scheduled first happens first;
- a place that is given back is passed on by a signal of its own, then the new owner is told, then wakes;
- who asks for a place lets the head of the line go first; one signal passes on one place.

The state stands in few arrays of records: every array handed to a compiled function costs time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from sim.clock import GRANT, earliest
from sim.engine.batch import begin, finish, handle, new_lives
from sim.engine.pathway import Pathway
from sim.engine.places import PLACE, WEEK_HOURS, Book, days_until_open, opening_table
from sim.journal import ROW, note, put_in_order
from sim.kernel import INF, compiled, jit_enabled, use_compile_cache

_OWN_PATHWAY = "cartwin"

# What a patient is doing, as the engine sees it.
_COMING: Final = 0  # has not arrived
_LIVING: Final = 1  # sleeps until the next own event
_QUEUEING: Final = 2  # sleeps until the next own event or a place
_TOLD: Final = 3  # one of the two has come and is about to wake the patient
_GONE: Final = 4

# Signals: they take no time.
_PASS_ON: Final = 0
_TELL: Final = 1
_WAKE: Final = 2

# Counters.
_ORDER: Final = 0  # what was scheduled so far
_HEAD: Final = 1  # of the line of signals
_TAIL: Final = 2
_LINES: Final = 3  # rows of the book wanted
_FULL: Final = 4  # the line of signals was too short
_COUNTERS: Final = 5

#: Heap of the calendar; that of pool k is k + 1.
_CALENDAR: Final = 0

#: Capacities: unlimited; more places than anybody will ask for.
_UNLIMITED: Final = -1
_MANY: Final = 2**62


class Ward(NamedTuple):
    """Everything the engine keeps of n patients and k pools.

    Attributes
    ----------
    stays
        Records of patients, then of pools as far as they are in the calendar, shape (n + k,); see `stay_dtype`.
    heaps
        The calendar, then the line of each pool, shape (k + 1, n + k).
    pools
        Records of the pools, shape (k + 1,), the calendar first; see `POOL`.
    signals
        Ring of (order, kind, patient or pool, pool, ticket).
    lines
        The book.
    counters
        Counters.
    """

    stays: np.ndarray
    heaps: np.ndarray
    pools: np.ndarray
    signals: np.ndarray
    lines: np.ndarray
    counters: np.ndarray


POOL: Final = np.dtype(
    [
        ("length", np.int64),  # of the heap: how many stand in line
        ("used", np.int64),  # places taken
        ("capacity", np.int64),
        ("opening", np.int64, (WEEK_HOURS,)),
    ],
    align=True,
)


def stay_dtype(pools: int) -> np.dtype:
    """Lay out what the engine keeps of one patient."""
    per_pool = (pools,)
    return np.dtype(
        [
            ("start", np.float64),  # day of arrival
            ("arm", np.int64),  # which parameters hold for the patient
            ("when", np.float64),  # time of the entry in the calendar
            ("order", np.int64),  # when it was scheduled
            ("doing", np.int64),
            ("event", np.int64),  # the next own event
            ("in_line", np.int64),  # pools in whose line the patient stands, as bits
            ("granted", np.int64),  # those of them that were granted, and not taken yet
            ("held", np.int64),  # pools of which the patient has a place
            ("seat", np.int64, (pools + 1,)),  # where in each heap; -1: not there
            ("urgency", np.int64, per_pool),
            ("ticket", np.int64, per_pool),  # number of the request
            ("line", np.int64, per_pool),  # row of the book
        ],
        align=True,
    )


# --- heaps whose entries know their seat, so that one can be moved or taken out


def before(stays: Any, heap: int, one: int, other: int) -> bool:
    """Tell whether one entry comes before another: by time, or by urgency; then by order."""
    a = stays[one]
    b = stays[other]
    if heap == _CALENDAR:
        if a.when != b.when:
            return bool(a.when < b.when)
        return bool(a.order < b.order)
    pool = heap - 1
    if a.urgency[pool] != b.urgency[pool]:
        return bool(a.urgency[pool] < b.urgency[pool])
    return bool(a.ticket[pool] < b.ticket[pool])


def rise(stays: Any, heaps: Any, heap: int, i: int) -> None:
    """Move an entry up to where it belongs."""
    entry = heaps[heap, i]
    while i > 0:
        parent = (i - 1) // 2
        above = heaps[heap, parent]
        if not before(stays, heap, entry, above):
            break
        heaps[heap, i] = above
        stays[above].seat[heap] = i
        i = parent
    heaps[heap, i] = entry
    stays[entry].seat[heap] = i


def sink(stays: Any, heaps: Any, heap: int, i: int, size: int) -> None:
    """Move an entry down to where it belongs."""
    entry = heaps[heap, i]
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and before(stays, heap, heaps[heap, child + 1], heaps[heap, child]):
            child += 1
        below = heaps[heap, child]
        if not before(stays, heap, below, entry):
            break
        heaps[heap, i] = below
        stays[below].seat[heap] = i
        i = child
    heaps[heap, i] = entry
    stays[entry].seat[heap] = i


def put_in(w: Any, heap: int, entry: int) -> None:
    """Put an entry into a heap."""
    pool = w.pools[heap]
    size = pool.length
    pool.length = size + 1
    w.heaps[heap, size] = entry
    rise(w.stays, w.heaps, heap, size)


def take_out(w: Any, heap: int, entry: int) -> None:
    """Take an entry out of a heap, if it is there."""
    i = w.stays[entry].seat[heap]
    if i < 0:
        return
    w.stays[entry].seat[heap] = -1
    pool = w.pools[heap]
    size = pool.length - 1
    pool.length = size
    last = w.heaps[heap, size]
    if last != entry:
        w.heaps[heap, i] = last
        w.stays[last].seat[heap] = i
        rise(w.stays, w.heaps, heap, i)
        sink(w.stays, w.heaps, heap, w.stays[last].seat[heap], size)


# --- the calendar and the line of signals


def schedule(w: Any, entry: int, time: float) -> None:
    """Let an entry of the calendar come at `time`, in the place of what it had."""
    take_out(w, _CALENDAR, entry)
    s = w.stays[entry]
    s.when = time
    s.order = w.counters[_ORDER]
    w.counters[_ORDER] += 1
    put_in(w, _CALENDAR, entry)


def signal(w: Any, kind: int, who: int, pool: int, ticket: int) -> None:
    """Put a signal at the end of the line."""
    room = len(w.signals)
    if w.counters[_TAIL] - w.counters[_HEAD] >= room:
        w.counters[_FULL] = 1
        return
    at = w.counters[_TAIL] % room
    w.signals[at, 0] = w.counters[_ORDER]
    w.signals[at, 1] = kind
    w.signals[at, 2] = who
    w.signals[at, 3] = pool
    w.signals[at, 4] = ticket
    w.counters[_ORDER] += 1
    w.counters[_TAIL] += 1


# --- pools


def urgency_of(p: Any, q: Any, pool: int) -> int:
    """Stand for the pathway's `urgency`; swapped when a pathway is compiled."""
    raise TypeError("swapped when a pathway is compiled")


def ask(w: Any, i: int, pool: int, urgency: int) -> None:
    """Stand in line."""
    s = w.stays[i]
    s.in_line |= 1 << pool
    s.urgency[pool] = urgency
    s.ticket[pool] = w.counters[_ORDER]
    w.counters[_ORDER] += 1
    if w.pools[pool + 1].capacity != 0:
        put_in(w, pool + 1, i)


def pass_on(w: Any, pool: int, now: float) -> bool:
    """Give one free place to the head of the line, if the pool is open; tell whether it was given."""
    unit = w.pools[pool + 1]
    if unit.length == 0:
        return False
    wait = days_until_open(unit.opening, now)
    if wait > 0.0:
        entry = len(w.stays) - len(w.pools) + 1 + pool
        if w.stays[entry].seat[_CALENDAR] < 0 and wait < INF:
            schedule(w, entry, now + wait)
        return False
    if unit.used >= unit.capacity:
        return False
    i = w.heaps[pool + 1, 0]
    take_out(w, pool + 1, i)
    unit.used += 1
    w.stays[i].granted |= 1 << pool
    signal(w, _TELL, i, pool, w.stays[i].ticket[pool])
    return True


def open_pool(w: Any, pool: int, now: float) -> None:
    """Opening time: places are given to as many as there are."""
    while pass_on(w, pool, now):
        pass


def give_back(w: Any, p: Any, i: int, pool: int) -> None:
    """Give a place back, or leave the line for it."""
    s = w.stays[i]
    bit = 1 << pool
    in_vain = s.in_line & ~s.granted & bit != 0
    s.in_line &= ~bit
    s.granted &= ~bit
    s.held &= ~bit
    if s.line[pool] < len(w.lines):
        w.lines[s.line[pool]].left = s.start + p.t
    unit = w.pools[pool + 1]
    if in_vain:
        take_out(w, pool + 1, i)
    elif unit.capacity > 0:
        unit.used -= 1
        signal(w, _PASS_ON, pool, 0, 0)


def lowest(bits: int) -> int:
    """Give the lowest pool of a set; the set must not be empty."""
    pool = 0
    while (bits >> pool) & 1 == 0:
        pool += 1
    return pool


def give_back_all(w: Any, p: Any, i: int, pools: int) -> None:
    """Give back every pool of a set, lowest first."""
    while pools != 0:
        pool = lowest(pools)
        pools &= ~(1 << pool)
        give_back(w, p, i, pool)


def begin_line(w: Any, i: int, pool: int, time: float) -> None:
    """Write who asks for what into the book."""
    at = w.counters[_LINES]
    w.counters[_LINES] = at + 1
    w.stays[i].line[pool] = at
    if at < len(w.lines):
        line = w.lines[at]
        line.patient = i
        line.pool = pool
        line.asked = time
        line.granted = np.inf
        line.left = np.inf


# --- a patient


def take(w: Any, p: Any, q: Any, j: Any, i: int, pool: int) -> None:
    """Take a place; the grant is an event of its own."""
    s = w.stays[i]
    if s.line[pool] < len(w.lines):
        w.lines[s.line[pool]].granted = s.start + p.t
    s.in_line &= ~(1 << pool)
    s.granted &= ~(1 << pool)
    s.held |= 1 << pool
    p.wants &= ~(1 << pool)
    p.holds |= 1 << pool
    handle(p, q, j, GRANT + pool)


def settle(w: Any, p: Any, q: Any, j: Any, i: int, now: float) -> None:
    """Bring requests in line with what the patient wants and holds; take at once what is free."""
    s = w.stays[i]
    while p.done == 0:
        give_back_all(w, p, i, s.held & ~p.holds)
        give_back_all(w, p, i, s.in_line & ~p.wants)
        wanted = p.wants & ~s.in_line
        if wanted == 0:
            return
        pool = lowest(wanted)
        begin_line(w, i, pool, s.start + p.t)
        if w.pools[pool + 1].capacity != _UNLIMITED:
            ask(w, i, pool, urgency_of(p, q, pool))
            pass_on(w, pool, now)
            if (s.granted >> pool) & 1 == 0:
                continue
        take(w, p, q, j, i, pool)


def take_granted(w: Any, p: Any, q: Any, j: Any, i: int, now: float, horizon: float) -> bool:
    """Take what was granted while the patient waited; tell whether there was any (see `simpy_driver`)."""
    s = w.stays[i]
    any_granted = False
    while p.done == 0 and s.granted != 0:
        any_granted = True
        p.t = max(p.t, min(now - s.start, min(p.next[earliest(p)], horizon)))
        take(w, p, q, j, i, lowest(s.granted))
        settle(w, p, q, j, i, now)
    return any_granted


def is_settled(s: Any, p: Any) -> bool:
    """Tell whether the patient's requests are in line with what they want and hold."""
    return bool(s.held & ~p.holds == 0 and s.in_line == p.wants)


def sleep(w: Any, p: Any, i: int, now: float, horizon: float) -> int:
    """Sleep until something comes (1), be due for the next event now (0), or have nothing to come any more (-1)."""
    if p.done != 0:
        return -1
    s = w.stays[i]
    event = earliest(p)
    s.event = event
    when = p.next[event]
    over = when > horizon or when == np.inf
    if over and s.in_line == 0 and (horizon == np.inf or s.held == 0):
        s.held = 0  # nothing will ever end the stay of a patient for whom nothing comes any more
        return -1
    wait = s.start + (horizon if over else when) - now
    if s.in_line != 0:
        s.doing = _QUEUEING
        if wait < np.inf:
            schedule(w, i, now + max(0.0, wait))
        return 1
    if wait > 0.0:
        s.doing = _LIVING
        schedule(w, i, now + wait)
        return 1
    return -1 if over else 0


def live_on(w: Any, p: Any, q: Any, j: Any, i: int, now: float, horizon: float, due: bool) -> None:
    """Let own events happen while they are due, then sleep, or end."""
    s = w.stays[i]
    state = 0
    while state == 0:
        if due:
            p.t = p.next[s.event]
            p.next[s.event] = np.inf
            handle(p, q, j, s.event)
            if not is_settled(s, p):
                settle(w, p, q, j, i, now)
        due = True
        state = sleep(w, p, i, now, horizon)
    if state < 0:
        end(w, p, j, i, horizon)


def end(w: Any, p: Any, j: Any, i: int, horizon: float) -> None:
    """End: by death, or at the horizon; everything is given back."""
    if p.done == 0:
        p.t = horizon
        finish(p, j)
        p.done = 1
    s = w.stays[i]
    s.doing = _GONE
    take_out(w, _CALENDAR, i)
    give_back_all(w, p, i, s.held)
    give_back_all(w, p, i, s.in_line)


def wake(w: Any, p: Any, q: Any, j: Any, i: int, now: float, horizon: float) -> None:
    """Wake a patient: arrive, take what was granted, or let the next event happen."""
    j[1][1] = i
    s = w.stays[i]
    if s.doing == _COMING:
        begin(p, q, j)
        settle(w, p, q, j, i, now)
        live_on(w, p, q, j, i, now, horizon, False)
    elif s.doing == _TOLD and take_granted(w, p, q, j, i, now, horizon):
        live_on(w, p, q, j, i, now, horizon, False)
    elif p.next[s.event] > horizon or p.next[s.event] == np.inf:
        end(w, p, j, i, horizon)
    else:
        live_on(w, p, q, j, i, now, horizon, True)


# --- the hospital


def take_signal(w: Any, lives: Any, parameters: Any, j: Any, now: float, horizon: float) -> None:
    """Do what the first signal in line says."""
    at = w.counters[_HEAD] % len(w.signals)
    kind = w.signals[at, 1]
    who = w.signals[at, 2]
    w.counters[_HEAD] += 1
    if kind == _PASS_ON:
        pass_on(w, who, now)
        return
    if kind == _WAKE:
        take_out(w, _CALENDAR, who)
        wake(w, lives[who], parameters[w.stays[who].arm], j, who, now, horizon)
        return
    pool = w.signals[at, 3]
    s = w.stays[who]
    if s.doing == _QUEUEING and (s.granted >> pool) & 1 != 0 and s.ticket[pool] == w.signals[at, 4]:
        s.doing = _TOLD
        signal(w, _WAKE, who, 0, 0)


def take_entry(w: Any, lives: Any, parameters: Any, j: Any, entry: int, now: float, horizon: float) -> None:
    """Let the first entry of the calendar come."""
    take_out(w, _CALENDAR, entry)
    if entry >= len(lives):
        open_pool(w, entry - len(lives), now)
        return
    s = w.stays[entry]
    if s.doing == _QUEUEING:
        s.doing = _TOLD
        signal(w, _WAKE, entry, 0, 0)
    elif s.doing != _TOLD:
        wake(w, lives[entry], parameters[s.arm], j, entry, now, horizon)


def arrive_all(w: Any, lives: Any, parameters: Any, j: Any, horizon: float) -> None:
    """Let everybody come: now, or on their day."""
    for i in range(len(lives)):
        if w.stays[i].start > 0.0:
            schedule(w, i, w.stays[i].start)
        else:
            wake(w, lives[i], parameters[w.stays[i].arm], j, i, 0.0, horizon)


def run_all(w: Any, lives: Any, parameters: Any, j: Any, horizon: float) -> None:
    """Run the hospital until nothing comes any more; who is still in line then has waited for ever."""
    stays, heaps, pools, count = w.stays, w.heaps, w.pools, w.counters
    now = 0.0
    arrive_all(w, lives, parameters, j, horizon)
    while count[_FULL] == 0:
        entry = heaps[_CALENDAR, 0] if pools[_CALENDAR].length > 0 else -1
        if count[_TAIL] > count[_HEAD]:
            first = w.signals[count[_HEAD] % len(w.signals), 0]
            if entry < 0 or stays[entry].when > now or stays[entry].order > first:
                take_signal(w, lives, parameters, j, now, horizon)
                continue
        if entry < 0:
            break
        s = stays[entry]
        now = s.when
        if s.doing != _LIVING:
            take_entry(w, lives, parameters, j, entry, now, horizon)
            continue
        # Most events by far: a patient in no line, whose event changes no place. The same as `wake`, but quick.
        p = lives[entry]
        q = parameters[s.arm]
        event = s.event
        when = p.next[event]
        if when > horizon or when == np.inf:
            j[1][1] = entry
            end(w, p, j, entry, horizon)
            continue
        j[1][1] = entry
        p.t = when
        p.next[event] = np.inf
        handle(p, q, j, event)
        quick = p.done == 0 and is_settled(s, p)
        if quick:
            event = earliest(p)
            when = p.next[event]
            wait = s.start + when - now
            quick = when <= horizon and when < np.inf and wait > 0.0
        if quick:
            s.event = event
            s.when = now + wait
            s.order = count[_ORDER]
            count[_ORDER] += 1
            sink(stays, heaps, _CALENDAR, 0, pools[_CALENDAR].length)
            continue
        take_out(w, _CALENDAR, entry)
        settle(w, p, q, j, entry, now)
        live_on(w, p, q, j, entry, now, horizon, False)
    for i in range(len(lives)):
        if lives[i].done == 0:
            p = lives[i]
            j[1][1] = i
            p.t = horizon
            finish(p, j)
            p.done = 1


def note_owned(p: Any, j: Any, event: int, start: float, stop: float, detail: int) -> None:
    """Write one row and whose it is: ``j`` is (rows, cursor, owners), cursor[1] the patient."""
    rows, cursor, owners = j
    at = cursor[0]
    cursor[0] = at + 1
    if at < cursor[2]:
        row = rows[at]
        row.event = event
        row.start = start
        row.stop = stop
        row.detail = detail
        owners[at] = cursor[1]


def by_owner(rows: Any, owners: Any, sorted_rows: Any, first_row: Any, filled: Any) -> None:
    """Sort rows by patient, each patient's in order; ``first_row[i]`` is where patient i begins, `filled` scratch."""
    n = len(first_row) - 1
    for at in range(len(owners)):
        first_row[owners[at] + 1] += 1
    for i in range(n):
        filled[i] = first_row[i]
        first_row[i + 1] += first_row[i]
    for at in range(len(owners)):
        to = filled[owners[at]]
        filled[owners[at]] = to + 1
        sorted_rows[to].event = rows[at].event
        sorted_rows[to].start = rows[at].start
        sorted_rows[to].stop = rows[at].stop
        sorted_rows[to].detail = rows[at].detail
    for i in range(n):
        put_in_order(sorted_rows, first_row[i], first_row[i + 1])


@lru_cache(maxsize=32)
def compile_ward(pathway: Pathway, checked: bool = False) -> tuple[Callable[..., None], Callable[..., None]]:
    """Compile a pathway with the hospital around it, and the sorting of its journal (see `batch.compile_pathway`)."""
    own = pathway.name == _OWN_PATHWAY and not checked
    if own and jit_enabled():
        use_compile_cache()
    swap: dict[Any, Any] = {
        begin: pathway.begin,
        handle: pathway.handle,
        finish: pathway.finish,
        urgency_of: pathway.urgency,
        note: note_owned,
    }
    return compiled(run_all, swap, cache=own, checked=checked), compiled(by_owner, {}, cache=own, checked=checked)


def run_ward(
    pathway: Pathway,
    attributes: np.ndarray,
    parameters: np.ndarray,
    *,
    seed: int,
    first: int = 0,
    horizon: float = INF,
    journal: bool = True,
    capacities: dict[str, int | None] | None = None,
    arrivals: np.ndarray | None = None,
    openings: dict[str, Sequence[int] | None] | None = None,
    numbers: np.ndarray | None = None,
    arms: np.ndarray | None = None,
    book: Book | None = None,
    checked: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run patients who share a hospital; arguments and results as `simpy_driver.run_simpy` and `batch.run_batch`.

    With `arms`, `parameters` has a row for each arm.

    Raises
    ------
    ValueError
        When a patient arrives before day 0.
    """
    run, sort = compile_ward(pathway, checked)
    n = len(attributes)
    starts = np.zeros(n) if arrivals is None else np.asarray(arrivals, dtype=np.float64)
    if n and starts.min() < 0.0:
        raise ValueError(f"arrivals: {starts.min()} lies before day 0")
    room, lines, signals = (64 * n if journal else 0), (16 * n if book is not None else 0), 8 * n + 64
    while True:
        lives = new_lives(pathway, attributes, seed, first)
        if numbers is not None:
            lives["number"] = numbers
        ward = new_ward(pathway, starts, capacities or {}, opening_table(pathway.pools, openings), lines, signals)
        ward.stays["arm"][:n] = 0 if arms is None else arms
        rows, owners = np.zeros(room, dtype=ROW), np.zeros(room, dtype=np.int64)
        cursor = np.array([0, 0, room], dtype=np.int64)
        _start(run, ward, lives, parameters, (rows, cursor, owners), horizon)
        written = int(ward.counters[_LINES])
        enough = ward.counters[_FULL] == 0
        enough &= not journal or cursor[0] <= room
        enough &= book is None or written <= lines
        if enough:
            break
        room = max(room, int(cursor[0])) if journal else 0
        lines = max(lines, written) if book is not None else 0
        signals *= 4 if ward.counters[_FULL] else 1
    if book is not None:
        book.rows = ward.lines[:written][np.argsort(ward.lines["patient"][:written], kind="stable")]
    first_row = np.zeros(n + 1, dtype=np.int64)
    if not journal:
        return lives, rows, first_row
    used = int(cursor[0])
    in_order = np.zeros(used, dtype=ROW)
    filled = np.zeros_like(first_row)
    if jit_enabled():
        sort(rows[:used], owners[:used], in_order, first_row, filled)
    else:
        sort(rows[:used].view(np.recarray), owners[:used], in_order.view(np.recarray), first_row, filled)
    return lives, in_order, first_row


def _start(run: Any, ward: Ward, lives: np.ndarray, parameters: np.ndarray, j: Any, horizon: float) -> None:
    """Start the compiled hospital, or the same text interpreted."""
    if jit_enabled():
        run(ward, lives, parameters, j, horizon)
        return
    rows, cursor, owners = j
    records = {name: getattr(ward, name).view(np.recarray) for name in ("stays", "pools", "lines")}
    plain = (rows.view(np.recarray), cursor, owners)
    run(ward._replace(**records), lives.view(np.recarray), parameters.view(np.recarray), plain, horizon)


def new_ward(
    pathway: Pathway,
    starts: np.ndarray,
    capacities: dict[str, int | None],
    opening: np.ndarray,
    lines: int,
    signals: int,
) -> Ward:
    """Lay out an empty hospital."""
    n, k = len(starts), len(pathway.pools)
    pools = np.zeros(k + 1, dtype=POOL)
    pools["opening"][1:] = opening
    for pool, name in enumerate(pathway.pools, start=1):
        places = capacities.get(name)
        without_limit = _UNLIMITED if opening[pool - 1].all() else _MANY
        pools["capacity"][pool] = without_limit if places is None else places
    stays = np.zeros(n + k, dtype=stay_dtype(k))
    stays["start"][:n] = starts
    stays["seat"] = -1
    return Ward(
        stays=stays,
        heaps=np.zeros((k + 1, n + k), dtype=np.int64),
        pools=pools,
        signals=np.zeros((signals, 5), dtype=np.int64),
        lines=np.zeros(lines, dtype=PLACE),
        counters=np.zeros(_COUNTERS, dtype=np.int64),
    )
