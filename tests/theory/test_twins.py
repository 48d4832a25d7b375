"""Engine twins: each textbook model gives the same bytes on SimPy and the batch, compiled and not, in any pieces."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models.catalogue import NAMES, SEED, example, few
from models.running import World, assert_same, on_batch, on_simpy_with_types

TESTS = Path(__file__).resolve().parents[1]


@functools.cache
def interpreted_digests() -> dict[str, str]:
    """Digests of the batch engine in a process where nothing is compiled."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths}
    command = [sys.executable, "-W", "error:::sim", "-m", "models.catalogue"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_twins(name: str) -> None:
    m = example(name)
    batch = on_batch(m.pathway, m.patients, m.parameters, SEED, horizon=m.horizon)
    simpy, strays = on_simpy_with_types(m.pathway, m.patients, m.parameters, SEED, horizon=m.horizon)
    assert_same(simpy, batch)
    assert strays == []
    assert len(batch.rows) > 0
    assert_same(batch, on_batch(m.pathway, m.patients, m.parameters, SEED, horizon=m.horizon, checked=True))
    assert few(name) == interpreted_digests()[name]
    if "busy" in name:
        assert len(batch.rows) > 64 * len(batch.lives), "meant to overflow the room for journal rows"

    # without journal: the same lives, no rows
    mute = on_batch(m.pathway, m.patients, m.parameters, SEED, horizon=m.horizon, journal=False)
    assert mute.lives.tobytes() == batch.lives.tobytes()
    assert len(mute.rows) == 0
    assert not mute.first_row.any()

    # in pieces
    pieces = []
    for first, last in ((0, 1), (1, 130), (130, len(m.patients))):
        part = m.patients[first:last]
        pieces.append(on_batch(m.pathway, part, m.parameters, SEED, horizon=m.horizon, first=first))
    assert_same(joined(pieces), batch)


def joined(pieces: list[World]) -> World:
    """Put consecutive blocks together."""
    first_row, rows = [np.zeros(1, dtype=np.int64)], 0
    for piece in pieces:
        first_row.append(piece.first_row[1:] + rows)
        rows += len(piece.rows)
    lives, all_rows = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("lives", "rows"))
    return World(lives, all_rows, np.concatenate(first_row))


def test_simpy_in_pieces_and_without_journal() -> None:
    """The number of a patient, not the place in a block, decides about the draws."""
    m = example("warden_ssd", 60)
    whole, _ = on_simpy_with_types(m.pathway, m.patients, m.parameters, SEED)
    tail, _ = on_simpy_with_types(m.pathway, m.patients[25:], m.parameters, SEED, first=25)
    assert tail.lives.tobytes() == whole.lives[25:].tobytes()
    mute, _ = on_simpy_with_types(m.pathway, m.patients, m.parameters, SEED, journal=False)
    assert mute.lives.tobytes() == whole.lives.tobytes()
    assert len(mute.rows) == 0
    assert not mute.first_row.any()


def test_rows_of_a_patient_are_in_order() -> None:
    m = example("switching, busy")
    batch = on_batch(m.pathway, m.patients, m.parameters, SEED, horizon=m.horizon)
    for patient in range(0, len(batch.lives), 40):
        rows = batch.rows[batch.first_row[patient] : batch.first_row[patient + 1]]
        assert np.array_equal(rows, np.sort(rows, order=["start", "event", "stop", "detail"]))
        assert rows["event"][0] == 1, "written last, yet it begins first"


def test_types_are_watched() -> None:
    """The check itself finds an int field that ended as a float, and a float field that ended as an int."""
    from models.running import stray_fields
    from models.switching import Person

    person = Person()
    assert stray_fields(Person, [person]) == []
    person.count, person.t, person.counts[2] = 2.5, 3, 1.0  # type: ignore[assignment, call-overload]
    assert [text.split(":")[0] for text in stray_fields(Person, [Person(), person])] == ["count", "counts", "t"]
