"""A finished run, read again block by block: its settings, patients and journal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.cohort import BLOCK
from sim.journal import ROW
from sim.problems import Problem
from sim.settings import Settings, load

if TYPE_CHECKING:
    import pyarrow.parquet as pq

#: Column of ``journal.parquet`` -> field of a journal row.
_FIELDS: Final = {"event": "event", "time_start": "start", "time_stop": "stop", "detail": "detail"}


@dataclass(frozen=True)
class StoredBlock:
    """Consecutive patients of a stored run under every policy, shaped like `sim.experiments.run.Block`."""

    first: int
    lives: dict[str, Mapping[str, np.ndarray]]
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    first_row: dict[str, np.ndarray] = field(default_factory=dict)


class StoredRun:
    """A run's folder.

    Parameters
    ----------
    folder
        Folder of a finished run that kept its journal.

    Raises
    ------
    Problem
        When it is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        for name in ("manifest.json", "config.yaml"):
            if not (self.folder / name).is_file():
                raise Problem(f"run={folder}: is not the folder of a finished run ({name} is missing)")
        for name in ("patients.parquet", "journal.parquet"):
            if not (self.folder / name).is_file():
                raise Problem(
                    f"run={folder}: kept no journal ({name} is missing), so it cannot be valued again; "
                    "run it with journal=on"
                )

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The run record."""
        record: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        return record

    @cached_property
    def settings(self) -> Settings:
        """The settings of the run."""
        import yaml

        text = (self.folder / "config.yaml").read_text(encoding="utf-8")
        try:
            return load(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except yaml.YAMLError as error:
            raise Problem(f"run={self.folder}: config.yaml cannot be read ({error})") from None

    @property
    def n(self) -> int:
        """Patients of the run."""
        return int(self.manifest["n"])

    def blocks(self, columns: tuple[str, ...]) -> Iterator[StoredBlock]:
        """Read the run block by block; few rows are in memory at a time.

        Parameters
        ----------
        columns
            Fields of the patients that are wanted.
        """
        policies = sorted(self.settings.policy)
        patients = _Table(self.folder / "patients.parquet", ["patient", *columns])
        journal = _Table(self.folder / "journal.parquet", ["patient", *_FIELDS])
        for first in range(0, self.n, BLOCK):
            last = min(self.n, first + BLOCK)
            block = StoredBlock(first, {})
            for policy in policies:
                people = patients.read(policy, first, last)
                if len(people["patient"]) != last - first:
                    raise Problem(
                        f"run={self.folder}: patients {first} to {last - 1} are not all there under {policy!r}; "
                        "the folder is damaged or was written by another version"
                    )
                block.lives[policy] = {name: people[name] for name in columns}
                found = journal.read(policy, first, last)
                rows = np.zeros(len(found["patient"]), dtype=ROW)
                for column, name in _FIELDS.items():
                    rows[name] = found[column]
                block.rows[policy] = rows
                block.first_row[policy] = np.searchsorted(found["patient"], np.arange(first, last + 1))
            yield block


class _Table:
    """A Parquet table sorted by policy and patient, read by policy and span of patients."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        import pyarrow.parquet as pq

        self.file: pq.ParquetFile = pq.ParquetFile(path)
        self.columns = columns
        names = self.file.schema_arrow.names
        missing = [name for name in columns if name not in names]
        if missing:
            raise Problem(f"{path}: column {missing[0]!r} is missing; the run was made by another version")
        self._bounds = [self._bounds_of(group, names) for group in range(self.file.num_row_groups)]

    def _bounds_of(self, group: int, names: list[str]) -> tuple[Any, Any, int, int]:
        meta = self.file.metadata.row_group(group)
        policy = meta.column(names.index("policy")).statistics
        patient = meta.column(names.index("patient")).statistics
        return policy.min, policy.max, patient.min, patient.max

    def read(self, policy: str, first: int, last: int) -> dict[str, np.ndarray]:
        """Read the rows of a policy's patients from `first` to before `last`."""
        groups = [
            i for i, (low, high, a, b) in enumerate(self._bounds) if low <= policy <= high and a < last and b >= first
        ]
        table = self.file.read_row_groups(groups, columns=["policy", *self.columns])
        inside = table["patient"].to_numpy()
        keep = (inside >= first) & (inside < last)
        if any(self._bounds[i][0] != self._bounds[i][1] for i in groups):
            keep &= table["policy"].to_numpy(zero_copy_only=False) == policy
        return {name: table[name].to_numpy()[keep] for name in self.columns}
