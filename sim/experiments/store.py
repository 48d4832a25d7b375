"""What a run has done so far: Parquet parts, each sealed by a checksum, put in place whole or not at all.

The files on disk decide what is left to do. A part is the answer of one piece of work (a chunk of patients, of draws,
of anything that has a key); `about` says what it belongs to. Parts of one kind lie in one folder,
``parts/<kind>/<key>.parquet``, so that ``parts/<kind>/*.parquet`` can be read as one table.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SUFFIX: Final = ".parquet"
#: Where unusable parts go: out of the way, and not lost.
ASIDE: Final = "aside"
_ABOUT: Final = "cartwin"
_SEAL: Final = b"cartwin-sha256:"
_BLANK: Final = b"0" * 64


class Unusable(Exception):
    """A part that cannot be used; the message says why."""


# --- one part --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part that was checked: what it is about, and where its bytes are (in memory or in a file)."""

    about: Mapping[str, Any]
    source: bytes | Path

    def file(self) -> pq.ParquetFile:
        """Open the Parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.source if isinstance(self.source, Path) else pa.BufferReader(self.source))

    def groups(self) -> Iterator[pa.Table]:
        """Give the row groups one by one."""
        file = self.file()
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def sealed(groups: Iterable[pa.Table], about: Mapping[str, Any]) -> bytes:
    """Write tables of one layout into a Parquet file in memory: one row group each, equal input, equal bytes.

    Parameters
    ----------
    groups
        At least one table.
    about
        What the part belongs to, as JSON can hold it; kept in the file's metadata with a checksum over all bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = iter(groups)
    first = next(tables)
    text = json.dumps({"about": dict(about), "seal": (_SEAL + _BLANK).decode()}, sort_keys=True)
    schema = first.schema.remove_metadata()
    sink = pa.BufferOutputStream()
    repeating = [column.name for column in schema if not pa.types.is_binary(column.type)]
    with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=repeating, store_schema=False) as writer:
        for table in (first, *tables):
            writer.write_table(table.cast(schema), row_group_size=max(1, len(table)))
        writer.add_key_value_metadata({_ABOUT: text})
    blank = sink.getvalue().to_pybytes()
    return _with_seal(blank, hashlib.sha256(blank).hexdigest().encode())


def opened(data: bytes) -> Part:
    """Check a part's seal and read what it is about.

    Raises
    ------
    Unusable
        When it is truncated, damaged, or no part at all.
    """
    import pyarrow as pa

    at = data.rfind(_SEAL)
    if not (data[:4] == data[-4:] == b"PAR1"):
        raise Unusable("truncated, or no Parquet file" if data else "empty")
    if at < 0:
        raise Unusable("no part of a run")
    seal = data[at + len(_SEAL) :][: len(_BLANK)]
    if hashlib.sha256(_with_seal(data, _BLANK)).hexdigest().encode() != seal:
        raise Unusable("damaged (its checksum is another)")
    try:
        metadata = Part({}, data).file().metadata.metadata
        return Part(json.loads(metadata[_ABOUT.encode()])["about"], data)
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
        raise Unusable(f"unreadable ({error})") from error


def _with_seal(data: bytes, seal: bytes) -> bytes:
    at = data.rfind(_SEAL) + len(_SEAL)
    return data[:at] + seal + data[at + len(seal) :]


# --- arrays as a table -----------------------------------------------------------------------------------------------


def packed(arrays: Mapping[str, np.ndarray]) -> pa.Table:
    """Lay out arrays as a table of one row each, without rounding; whole numbers of any length are kept whole.

    Parameters
    ----------
    arrays
        Name -> array of numbers, or object array of Python integers.
    """
    import pyarrow as pa

    rows = [(name, *_written(np.asarray(array))) for name, array in sorted(arrays.items())]
    names, types, shapes, data = (list(column) for column in zip(*rows, strict=True))
    return pa.table({"name": names, "type": types, "shape": shapes, "data": pa.array(data, pa.binary())})


def unpacked(table: pa.Table) -> dict[str, np.ndarray]:
    """Read back what `packed` laid out."""
    rows = table.to_pylist()
    return {row["name"]: _read(row["type"], json.loads(row["shape"]), row["data"]) for row in rows}


def _written(array: np.ndarray) -> tuple[str, str, bytes]:
    shape = json.dumps(array.shape)
    if array.dtype == np.int64 and array.size and array.min() >= 0:  # counts are small: a quarter of the bytes
        narrow = np.min_scalar_type(array.max())
        return f"<i8 as {narrow.str}", shape, array.astype(narrow).tobytes()
    if array.dtype != object:
        return array.dtype.str, shape, array.tobytes()
    numbers = [int(number) for number in array.ravel().tolist()]
    width = 1 + max((number.bit_length() for number in numbers), default=0) // 8
    return f"int:{width}", shape, b"".join(number.to_bytes(width, "little", signed=True) for number in numbers)


def _read(kind: str, shape: list[int], data: bytes) -> np.ndarray:
    if kind.startswith("<i8 as "):
        return np.frombuffer(data, dtype=np.dtype(kind.removeprefix("<i8 as "))).astype(np.int64).reshape(shape)
    if not kind.startswith("int:"):
        return np.frombuffer(data, dtype=np.dtype(kind)).reshape(shape).copy()
    width = int(kind.removeprefix("int:"))
    whole = np.empty(len(data) // width, dtype=object)
    for place in range(len(whole)):
        whole[place] = int.from_bytes(data[place * width : (place + 1) * width], "little", signed=True)
    return whole.reshape(shape)


# --- all parts of a run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """The parts of one run.

    Parameters
    ----------
    folder
        ``parts`` of the run's folder. Whoever writes holds the run's lock (`sim.experiments.folders.claimed`).
    identity
        What every part of this run must say about itself (settings hash, seed, ...).
    """

    folder: Path
    identity: Mapping[str, Any]

    def about(self, kind: str, key: str, code: str) -> dict[str, Any]:
        """Say what a part belongs to."""
        return {**self.identity, "kind": kind, "key": key, "code": code}

    def keep(self, kind: str, key: str, data: bytes) -> None:
        """Put a part in place: written beside, forced to disk, renamed.

        Raises
        ------
        OSError
            When it cannot be written; nothing is left of it then.
        """
        folder = self.folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{key}.{os.getpid()}.tmp"
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, folder / f"{key}{SUFFIX}")
        finally:
            beside.unlink(missing_ok=True)

    def keys(self, kind: str, code: str) -> list[str]:
        """List the keys of the usable parts of a kind, in order of their names.

        Parts that are damaged, or belong to something else, are named on stderr and set aside.
        """
        usable = []
        for path in self._files(kind):
            try:
                self._checked(path, kind, code)
                usable.append(path.name.removesuffix(SUFFIX))
            except Unusable as error:
                self._set_aside(path, kind, str(error))
        return usable

    def read(self, kind: str, key: str, code: str) -> Part:
        """Read a part, checking it again.

        Raises
        ------
        Problem
            When it is not what it was when it was written.
        """
        path = self.folder / kind / f"{key}{SUFFIX}"
        try:
            return self._checked(path, kind, code)
        except Unusable as error:
            raise Problem(f"{path} is {error}: start the same command again, it does that part again") from error

    def names(self, kind: str) -> list[str]:
        """List the keys of a kind's parts, usable or not."""
        return [path.name.removesuffix(SUFFIX) for path in self._files(kind)]

    def drop(self, kind: str, key: str) -> None:
        """Remove a part that others have replaced."""
        (self.folder / kind / f"{key}{SUFFIX}").unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what interrupted writers left."""
        for path in self.folder.glob("*/.*.tmp"):
            path.unlink(missing_ok=True)

    def _files(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.folder / kind).glob(f"*{SUFFIX}") if not path.name.startswith("."))

    def _checked(self, path: Path, kind: str, code: str) -> Part:
        try:
            about = opened(path.read_bytes()).about
        except OSError as error:
            raise Unusable(f"unreadable ({error.strerror})") from error
        check_identity(about, self.about(kind, path.name.removesuffix(SUFFIX), code))
        return Part(about, path)

    def _set_aside(self, path: Path, kind: str, reason: str) -> None:
        aside = self.folder / ASIDE
        aside.mkdir(exist_ok=True)
        os.replace(path, aside / f"{kind}-{path.name}")
        print(
            f"cartwin: {path} is {reason}: set aside in {aside}, and what it held is done again",
            file=sys.stderr,
            flush=True,
        )


def check_identity(about: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse a part that belongs to something else.

    Raises
    ------
    Unusable
        Naming what differs.
    """
    words = {"code": "made by other code", "kernel": "made by other code", "evidence": "made with other evidence"}
    for name, value in expected.items():
        if about.get(name) != value:
            raise Unusable(words.get(name, f"a part of something else ({name} {about.get(name)!r}, not {value!r})"))
