"""The compiled batch: the same handlers, every capacity granted at once, lives streamed through machine code."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.clock import GRANT, earliest
from sim.engine.pathway import Pathway
from sim.journal import BOOK, ROW, compiled_row_at, note, note_compiled, put_in_order, row_at
from sim.kernel import compiled, jit_enabled, template, use_compile_cache

_OWN_PATHWAY = "cartwin"


def begin(p: Any, q: Any, j: Any) -> None:
    """Stand for the pathway's `begin`; swapped when a pathway is compiled."""
    raise TypeError("swapped when a pathway is compiled")


def handle(p: Any, q: Any, j: Any, event: int) -> None:
    """Stand for the pathway's `handle`."""
    raise TypeError("swapped when a pathway is compiled")


def finish(p: Any, j: Any) -> None:
    """Stand for the pathway's `finish`."""
    raise TypeError("swapped when a pathway is compiled")


def grant(p: Any) -> int:
    """Grant the lowest pool asked for; the event that tells it."""
    pool = 0
    while (p.wants >> pool) & 1 == 0:
        pool += 1
    p.wants &= ~(1 << pool)
    p.holds |= 1 << pool
    return GRANT + pool


def live(p: Any, q: Any, j: Any, horizon: float) -> None:
    """Live one life: whatever is asked for is granted, whatever comes next happens, until death or the horizon."""
    begin(p, q, j)
    while p.done == 0:
        if p.wants != 0:
            event = grant(p)
        else:
            event = earliest(p)
            when = p.next[event]
            if when > horizon or when == np.inf:
                p.t = horizon
                finish(p, j)
                p.done = 1
                return
            p.t = when
            p.next[event] = np.inf
        handle(p, q, j, event)


def live_all(lives: Any, parameters: Any, book: Any, rows: Any, first_row: Any, horizon: float) -> None:
    """Live all lives of a block; ``first_row[i]`` is the journal row at which life i begins."""
    q = parameters[0]
    j = book[0]
    for i in range(len(lives)):
        first_row[i] = j.written
        live(lives[i], q, j, horizon)
        put_in_order(rows, first_row[i], min(j.written, j.room))
    first_row[len(lives)] = j.written


@lru_cache(maxsize=32)
def compile_pathway(pathway: Pathway, checked: bool = False) -> Callable[..., None]:
    """Compile a pathway into one function over a block of lives.

    Parameters
    ----------
    pathway
        The model.
    checked
        Check array bounds (slower; for tests).
    """
    own = pathway.name == _OWN_PATHWAY and not checked
    if own and jit_enabled():
        use_compile_cache()
    swap: dict[Any, Any] = {begin: pathway.begin, handle: pathway.handle, finish: pathway.finish, note: note_compiled}
    if jit_enabled():
        swap[row_at] = compiled_row_at()
    return compiled(live_all, swap, inlined=(live, handle), cache=own, checked=checked)


def run_batch(
    pathway: Pathway,
    attributes: np.ndarray,
    parameters: np.ndarray,
    *,
    seed: int,
    first: int = 0,
    horizon: float = float("inf"),
    journal: bool = True,
    checked: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a block of patients under one set of parameters.

    Parameters
    ----------
    pathway
        The model.
    attributes
        Structured array, one row a patient; its columns are copied into the patient record.
    parameters
        One-row structured array of kernel parameters.
    seed, first
        Seed of the run; number of the first patient.
    horizon
        Days from the patient's start after which the life is no longer followed.
    journal
        Keep the journal.
    checked
        Check array bounds.

    Returns
    -------
    lives
        Structured array of final patient records, shape (n,).
    rows
        Journal rows (`sim.journal.ROW`), patient by patient, each in order; empty without journal.
    first_row
        Where each patient's rows begin, shape (n + 1,).
    """
    run = compile_pathway(pathway, checked)
    room = 64 * len(attributes) if journal else 0
    while True:
        lives = new_lives(pathway, attributes, seed, first)
        rows = np.zeros(room, dtype=ROW)
        first_row = np.zeros(len(lives) + 1, dtype=np.int64)
        written = live_in(run, lives, parameters, rows, first_row, horizon)
        if written <= room or not journal:
            break
        room = written
    if not journal:
        first_row[:] = 0
    return lives, rows[:written] if journal else rows, first_row


def live_in(
    run: Callable[..., None],
    lives: np.ndarray,
    parameters: np.ndarray,
    rows: np.ndarray,
    first_row: np.ndarray,
    horizon: float,
) -> int:
    """Live all lives in memory that is there already, compiled or interpreted.

    Parameters
    ----------
    run
        What `compile_pathway` gave.
    lives
        Records of `new_lives`; they become those at the end.
    parameters
        One-row structured array of kernel parameters.
    rows, first_row
        Room for journal rows (none: no journal), and for where each patient's rows begin, shape (n + 1,).
    horizon
        Days after which lives are no longer followed.

    Returns
    -------
    int
        Journal rows there were; more than `rows` holds when the room was too small.
    """
    if jit_enabled():
        book = np.array([(rows.ctypes.data, 0, len(rows))], dtype=BOOK)
        run(lives, parameters, book, rows, first_row, horizon)
        return int(book["written"][0])
    j = SimpleNamespace(rows=rows.view(np.recarray), written=0, room=len(rows))
    run(lives.view(np.recarray), parameters.view(np.recarray), [j], j.rows, first_row, horizon)
    return j.written


def new_lives(pathway: Pathway, attributes: np.ndarray, seed: int, first: int) -> np.ndarray:
    """Lay out the records of a block of patients before anything happens."""
    lives = np.repeat(template(pathway.record), len(attributes))
    for name in attributes.dtype.names or ():
        lives[name] = attributes[name]
    lives["seed"] = seed
    lives["number"] = np.arange(first, first + len(attributes))
    return lives
