"""Run a textbook model on either engine, and compare what comes out."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, NamedTuple

import numpy as np
import pytest

from sim.engine import simpy_driver
from sim.engine.batch import run_batch
from sim.engine.pathway import Pathway
from sim.engine.simpy_driver import run_simpy
from sim.kernel import record_dtype


class World(NamedTuple):
    """What an engine returns: final records, journal rows, and where each patient's rows begin."""

    lives: np.ndarray
    rows: np.ndarray
    first_row: np.ndarray

    def bytes(self) -> tuple[bytes, bytes, bytes]:
        """Everything, to the last bit."""
        return self.lives.tobytes(), self.rows.tobytes(), self.first_row.tobytes()

    def patient(self) -> np.ndarray:
        """Index of the patient each journal row belongs to."""
        return np.repeat(np.arange(len(self.lives)), np.diff(self.first_row))


def crowd(n: int, **columns: Any) -> np.ndarray:
    """Lay out `n` patients with the attributes given by name."""
    arrays = {name: np.asarray(value) for name, value in columns.items()}
    kinds = [(name, np.int64 if array.dtype.kind in "ib" else np.float64) for name, array in arrays.items()]
    table = np.zeros(n, dtype=np.dtype(kinds))
    for name, array in arrays.items():
        table[name] = array
    return table


def as_row(parameters: Any) -> np.ndarray:
    """Pack a dataclass of parameters into the one-row record that compiled code reads."""
    row = np.zeros(1, dtype=record_dtype(type(parameters)))
    for name, value in asdict(parameters).items():
        row[name][0] = value
    return row


def on_batch(pathway: Pathway, patients: np.ndarray, parameters: Any, seed: int = 1, **options: Any) -> World:
    """Run the compiled batch (interpreted under ``NUMBA_DISABLE_JIT=1``)."""
    return World(*run_batch(pathway, patients, as_row(parameters), seed=seed, **options))


def on_simpy(pathway: Pathway, patients: np.ndarray, parameters: Any, seed: int = 1, **options: Any) -> World:
    """Run SimPy, the engine of reference."""
    return World(*run_simpy(pathway, patients, parameters, seed=seed, **options))


def on_simpy_with_types(
    pathway: Pathway, patients: np.ndarray, parameters: Any, seed: int = 1, **options: Any
) -> tuple[World, list[str]]:
    """Run SimPy; return also the record fields that ended as another type than they are declared."""
    strays: list[str] = []
    collect = simpy_driver.collect_lives

    def inspect_first(pathway: Pathway, patients: list[Any]) -> np.ndarray:
        strays.extend(stray_fields(pathway.record, patients))
        return collect(pathway, patients)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simpy_driver, "collect_lives", inspect_first)
        world = on_simpy(pathway, patients, parameters, seed, **options)
    return world, strays


def stray_fields(record: type, patients: list[Any]) -> list[str]:
    """List fields whose Python value is not of the type the record declares: compiled code would truncate them."""
    example = record()
    strays = set()
    for field in fields(record):
        kind = type(getattr(example, field.name))
        for p in patients:
            value = getattr(p, field.name)
            items = value if kind is list else [value]
            wanted = type(getattr(example, field.name)[0]) if kind is list else kind
            if any(type(item) is not wanted for item in items):
                strays.add(f"{field.name}: {wanted.__name__} declared, {value!r} found")
                break
    return sorted(strays)


def assert_same(one: World, other: World) -> None:
    """Insist on the same bytes; name the field and the patient that differ."""
    if one.bytes() == other.bytes():
        return
    for name in one.lives.dtype.names or ():
        np.testing.assert_array_equal(one.lives[name], other.lives[name], err_msg=name)
    np.testing.assert_array_equal(one.first_row, other.first_row)
    for name in one.rows.dtype.names or ():
        np.testing.assert_array_equal(one.rows[name], other.rows[name], err_msg=f"journal {name}")
    pytest.fail("equal values, but other bytes")
