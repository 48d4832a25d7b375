"""The reduced pathway by hand, in C where this machine has a compiler: called with arrays, answered with outcomes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.floor.reduced import Numbers

#: What leaves the loop, in the order of ``loop.c``.
OUTCOMES = np.dtype(
    [(name, np.float64) for name in ("t", "t_infusion", "t_loss", "t_hct", "t_relapse", "t_death")]
    + [(name, np.int64) for name in ("remission", "decided", "visits", "infections", "cause")]
)
#: No contraction: a fused multiply-add rounds once where the engine rounds twice.
FLAGS = ("-std=c11", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")

ByHand = Callable[[np.ndarray, Numbers, int, int, float], np.ndarray]


def compiler() -> str | None:
    """Find a C compiler: ``$CC``, cc, gcc or clang; None where there is none."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (found := shutil.which(name)):
            return found
    return None


def compiler_version() -> str:
    """Name the C compiler and its version, as it does itself."""
    cc = compiler()
    if cc is None:
        return "none"
    done = subprocess.run([cc, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip() or cc


@lru_cache(maxsize=1)
def in_c() -> ByHand:
    """Compile ``loop.c`` and give it as ``run(burden, numbers, seed, first, horizon) -> outcomes``.

    Raises
    ------
    RuntimeError
        No compiler, or it refused the file (its message is passed on).
    """
    cc = compiler()
    if cc is None:
        raise RuntimeError("no C compiler here (looked for $CC, cc, gcc, clang)")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "loop.so"
        source = Path(__file__).with_name("loop.c")
        done = subprocess.run(
            [cc, *FLAGS, "-o", str(library), str(source), "-lm"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{cc} refused {source.name}: {done.stderr.strip()}")
        live_all = ctypes.CDLL(str(library)).live_all  # stays loaded when the file is gone
    live_all.restype = None
    live_all.argtypes = [
        ctypes.c_int64,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_double,
        ctypes.c_void_p,
    ]

    def run(burden: np.ndarray, numbers: Numbers, seed: int, first: int, horizon: float) -> np.ndarray:
        burden = np.ascontiguousarray(burden, dtype=np.float64)
        values = np.array(astuple(numbers), dtype=np.float64)
        outcomes = np.empty(len(burden), dtype=OUTCOMES)
        live_all(len(burden), burden.ctypes.data, values.ctypes.data, seed, first, horizon, outcomes.ctypes.data)
        return outcomes

    return run
