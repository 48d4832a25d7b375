"""Compile the functions of this package, with a cache named by the text that determines them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sim.kernel import compiled, jit_enabled


def compiled_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of `sim.economics` and everything it calls, or load it from the cache.

    Numba watches only the file of the function it cached, so the cache's folder is named by a hash of all of them.
    """
    if not jit_enabled():
        return compiled(function)
    import numba

    here = Path(__file__).parent
    digest = hashlib.sha256(f"{numba.__version__}|{np.__version__}".encode())
    for path in (here / "kernel.py", here / "summing.py", here.parent / "journal.py", here.parent / "kernel.py"):
        digest.update(path.read_bytes())
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    root = Path(os.environ.get("CARTWIN_CACHE", Path.home() / ".cache" / "cartwin"))
    numba.config.CACHE_DIR = str(root / f"value-{digest.hexdigest()[:16]}")  # type: ignore[attr-defined]
    try:
        return compiled(function, cache=True)
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]
