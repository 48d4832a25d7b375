"""A part says what it is, and tells when it is not what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.experiments.store import Store, Unusable, opened, packed, sealed, unpacked
from sim.problems import Problem

TABLE = pa.table({"policy": ["watch"] * 50, "patient": np.arange(50), "day": np.linspace(0.0, 9.0, 50)})
ABOUT = {"settings": "abc", "key": "one", "kind": "things", "code": "c1"}
BYTES = sealed([TABLE, TABLE.slice(3, 7)], ABOUT)


def test_a_part_reads_back() -> None:
    part = opened(BYTES)
    assert part.about == ABOUT
    first, second = part.groups()
    assert first.equals(TABLE)
    assert second.equals(TABLE.slice(3, 7))


def test_equal_tables_give_equal_bytes() -> None:
    assert sealed([TABLE, TABLE.slice(3, 7)], dict(reversed(ABOUT.items()))) == BYTES


@given(at=st.integers(0, len(BYTES) - 1), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_any_changed_bit_is_noticed(at: int, bit: int) -> None:
    damaged = bytearray(BYTES)
    damaged[at] ^= 1 << bit
    with pytest.raises(Unusable):
        opened(bytes(damaged))


@given(length=st.integers(0, len(BYTES) - 1))
@settings(max_examples=50, deadline=None)
def test_any_truncation_is_noticed(length: int) -> None:
    with pytest.raises(Unusable):
        opened(BYTES[:length])


def test_other_parquet_files_are_no_parts(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(TABLE, tmp_path / "other.parquet")
    with pytest.raises(Unusable, match="no part of a run"):
        opened((tmp_path / "other.parquet").read_bytes())


whole = st.integers(-(2**3000), 2**3000)
numbers = st.floats(allow_nan=True, width=64)
longs = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300))


@given(
    whole=st.lists(whole, max_size=9),
    numbers=st.lists(numbers, max_size=9),
    counts=st.lists(st.integers(0, 255)),
    days=st.lists(longs, max_size=9),
)
@settings(max_examples=60, deadline=None)
def test_arrays_come_back_without_rounding(
    whole: list[int], numbers: list[float], counts: list[int], days: list[int]
) -> None:
    long = np.empty((1, len(whole)), dtype=object)
    long[0, :] = whole
    arrays = {"long": long, "floats": np.array(numbers), "bytes": np.array(counts, dtype=np.uint8), "one": np.array(7)}
    arrays["days"] = np.array(days, dtype=np.int64)
    back = unpacked(next(opened(sealed([packed(arrays)], ABOUT)).groups()))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].shape == array.shape
        assert back[name].dtype == array.dtype
    assert back["long"].tolist() == long.tolist()
    assert back["floats"].tobytes() == arrays["floats"].tobytes()
    assert back["bytes"].tolist() == counts
    assert back["days"].tolist() == days


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "parts", {"settings": "abc"})


def part(store: Store, key: str, **other: str) -> bytes:
    return sealed([TABLE], {**store.about("things", key, "c1"), **other})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda store: part(store, "b")[:-30], "truncated"),
        (lambda store: b"", "empty"),
        (lambda store: part(store, "b").replace(b"watch", b"hatch"), "damaged"),
        (lambda store: part(store, "c"), "a part of something else (key 'c', not 'b')"),
        (lambda store: part(store, "b", settings="xyz"), "a part of something else (settings 'xyz', not 'abc')"),
        (lambda store: part(store, "b", code="c0"), "made by other code"),
    ],
    ids=["truncated", "empty", "damaged", "misplaced", "of another run", "of other code"],
)
def test_unusable_parts_are_named_and_set_aside(store, data, reason, capsys) -> None:
    store.keep("things", "a", part(store, "a"))
    store.keep("things", "b", data(store))
    with pytest.raises(Problem, match="does that part again"):
        store.read("things", "b", "c1")
    assert store.keys("things", "c1") == ["a"]
    said = capsys.readouterr().err
    assert "things/b.parquet" in said
    assert reason in said
    assert said.count("\n") == 1
    assert (store.folder / "aside" / "things-b.parquet").read_bytes() == data(store)
    assert store.keys("things", "c1") == ["a"]
    assert capsys.readouterr().err == ""


def test_what_an_interrupted_writer_left_is_no_part(store: Store) -> None:
    store.keep("things", "a", part(store, "a"))
    left = store.folder / "things" / ".b.999.tmp"
    left.write_bytes(b"half")
    assert store.keys("things", "c1") == ["a"]
    store.clear()
    assert not left.exists()
