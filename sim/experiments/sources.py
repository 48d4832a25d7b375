"""Which code makes lives: a hash of it goes into the name of a run's folder and into every part."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

from sim.kernel import kernel_hash

SIM = Path(__file__).resolve().parents[1]


@cache
def lives_code() -> str:
    """Hash the code that makes lives: kernel, engines, cohort, and what hands them their numbers."""
    names = ("evidence.py", "lines.py", "policies.py", "units.py", "experiments/inputs.py", "experiments/run.py")
    paths = [*SIM.glob("cohort/*.py"), *SIM.glob("engine/*.py"), *(SIM / name for name in names)]
    return kernel_hash() + code_hash(paths)


def code_hash(paths: Iterable[Path]) -> str:
    """Hash source files."""
    digest = sha256()
    for path in sorted(paths):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
