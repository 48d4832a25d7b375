"""The posterior sample as it ships: a small file per structure that says where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sim.calibration.priors import rounded
from sim.problems import Problem, did_you_mean

#: Where the shipped samples are.
FOLDER: Final = Path(__file__).resolve().parent.parent / "data" / "posterior"
#: Key of the provenance in the file's metadata.
META: Final = b"cartwin"
#: Significant digits of a draw.
DIGITS: Final = 6


@dataclass(frozen=True)
class Posterior:
    """A posterior sample: whole rows belong together, their correlation is part of the result.

    Attributes
    ----------
    keys
        Dotted keys of the parameter lines, in the order of the columns.
    draws
        Values in the lines' own units, shape (draws, parameters).
    provenance
        ``structure``, ``seed``, ``command``, ``version``, ``settings_hash``, ``targets_hash``, ``kernel_hash``,
        ``evidence_hash``, ``content_hash``, and ``mean``: dotted key -> posterior mean, the base case.
    """

    keys: tuple[str, ...]
    draws: np.ndarray
    provenance: Mapping[str, Any]

    @property
    def mean(self) -> dict[str, float]:
        """The posterior mean of every parameter, as it stands in the parameter lines: the base case."""
        return {key: float(self.provenance["mean"][key]) for key in self.keys}

    def row(self, number: int) -> dict[str, float]:
        """Give one draw, ready for `Settings.with_values`."""
        return {key: float(value) for key, value in zip(self.keys, self.draws[number % len(self.draws)], strict=True)}


def posterior_path(structure: str) -> Path:
    """Say where a structure's sample is."""
    return FOLDER / f"{structure}.parquet"


def read_posterior(structure: str) -> Posterior:
    """Read the shipped sample of a structure.

    Raises
    ------
    Problem
        When there is none, or the file was changed after it was written.
    """
    path = posterior_path(structure)
    if not path.is_file():
        known = sorted(file.stem for file in FOLDER.glob("*.parquet"))
        raise Problem(
            f"structure={structure}: no posterior sample in {FOLDER.name}/, {did_you_mean(structure, known)} "
            f"Make it with python -m sim experiment=calibrate structure={structure} calibration.adopt=true"
        )
    return read_posterior_file(path)


def read_posterior_file(path: Path) -> Posterior:
    """Read a posterior sample and verify that it is whole.

    Raises
    ------
    Problem
        When the file is no posterior sample, or its content is not what its provenance says.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        raise Problem(f"{path}: cannot be read as a posterior sample (Parquet)") from None
    meta = (table.schema.metadata or {}).get(META)
    if meta is None:
        raise Problem(f"{path}: says nothing about where it comes from, so it is no posterior sample of this program")
    provenance = json.loads(meta)
    keys = tuple(table.column_names)
    draws = np.stack([table.column(key).to_numpy() for key in keys], axis=1)
    if content_hash(keys, draws) != provenance.get("content_hash"):
        raise Problem(f"{path}: was changed after it was written; restore it, or calibrate again")
    return Posterior(keys, draws, provenance)


def write_posterior(path: Path, keys: tuple[str, ...], draws: np.ndarray, provenance: Mapping[str, Any]) -> Posterior:
    """Write a posterior sample; the same sample and provenance give the same bytes.

    Parameters
    ----------
    path
        The file; put in place whole.
    keys, draws
        Dotted keys and values, shape (draws, parameters).
    provenance
        Where it comes from; the hash of the content and the number of draws are added.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    draws = rounded(draws, DIGITS)
    record = {**provenance, "draws": len(draws), "content_hash": content_hash(keys, draws)}
    table = pa.table({key: draws[:, i] for i, key in enumerate(keys)})
    table = table.replace_schema_metadata({META: json.dumps(record, sort_keys=True).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    pq.write_table(table, scratch, compression="zstd")
    os.replace(scratch, path)
    return Posterior(keys, draws, record)


def content_hash(keys: tuple[str, ...], draws: np.ndarray) -> str:
    """Hash names and values of a sample."""
    digest = hashlib.sha256("\n".join(keys).encode())
    digest.update(np.ascontiguousarray(draws, dtype="<f8").tobytes())
    return digest.hexdigest()
