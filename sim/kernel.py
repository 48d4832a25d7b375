"""One text, two forms: plain Python for the engine of reference, and the same functions compiled by Numba.

Handlers are ordinary functions over scalars. `compiled` clones a function and every function of the project that it
calls, so that the plain originals stay untouched and the clones call each other without leaving machine code.
"""

from __future__ import annotations

import dataclasses
import dis
import hashlib
import os
import pathlib
import types
from collections.abc import Callable, Collection
from typing import Any, TypeVar, get_type_hints

import numpy as np

INF = float("inf")
NAN = float("nan")

_Callable = TypeVar("_Callable", bound=Callable[..., Any])


def jit_enabled() -> bool:
    """Tell whether functions are compiled (``NUMBA_DISABLE_JIT=1`` runs everything interpreted)."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


def kernel_sources() -> list[pathlib.Path]:
    """List the files whose text determines what the compiled kernel computes."""
    here = pathlib.Path(__file__).parent
    top = [here / f"{name}.py" for name in ("kernel", "draws", "decisions", "clock", "patient", "journal", "lifetable")]
    engines = [here / "engine" / f"{name}.py" for name in ("batch", "places", "ward")]
    return top + sorted([*here.glob("biology/*.py"), *here.glob("clinic/*.py"), *engines])


def kernel_hash() -> str:
    """Hash the kernel's sources and the versions of NumPy and Numba: the key of the compile cache and of folders."""
    import numba

    digest = hashlib.sha256(f"{numba.__version__}|{np.__version__}".encode())
    for path in kernel_sources():
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def use_compile_cache() -> None:
    """Point Numba's on-disk cache at a folder named by the kernel's hash, so that it can never go stale.

    Numba watches only the file of the function it cached, not the files of the functions that one calls.
    """
    import numba

    root = pathlib.Path(os.environ.get("CARTWIN_CACHE", pathlib.Path.home() / ".cache" / "cartwin"))
    numba.config.CACHE_DIR = str(root / kernel_hash())  # type: ignore[attr-defined]


def scalar(function: _Callable) -> _Callable:
    """Compile a small function of scalars for use from plain Python and from compiled code alike."""
    if not jit_enabled():
        return function
    import numba

    use_compile_cache()
    return _one_version(numba.njit(nogil=True, error_model="numpy", cache=True)(function))


def compiled(
    function: Callable[..., Any],
    swap: dict[Any, Callable[..., Any]] | None = None,
    *,
    inlined: Collection[Any] = (),
    cache: bool = False,
    checked: bool = False,
) -> Callable[..., Any]:
    """Compile a function together with every project function it reaches.

    Parameters
    ----------
    function
        A plain function over scalars and records; its global names may be other such functions.
    swap
        Functions to put in the place of others (the journal's `note`, for example).
    inlined
        Functions called from one place, and often: their text is put there.
    cache
        Keep the machine code of `function` on disk.
    checked
        Check array bounds.

    Returns
    -------
    callable
        The compiled clone, or a plain clone where compilation is disabled.
    """
    return _clone(function, swap or {}, {}, inlined, entry=True, cache=cache, checked=checked)


def _clone(
    function: Callable[..., Any],
    swap: dict[Any, Any],
    memo: dict[Any, Any],
    inlined: Collection[Any],
    *,
    entry: bool,
    cache: bool,
    checked: bool,
) -> Callable[..., Any]:
    inline = "always" if function in inlined else "never"
    function = swap.get(function, function)
    if function in memo:
        return memo[function]
    names = dict(function.__globals__)
    for name in _names(function.__code__):
        value = names.get(name)
        if isinstance(value, types.FunctionType) and not isinstance(swap.get(value, value), types.FunctionType):
            names[name] = swap[value]
        elif isinstance(value, types.FunctionType) and not value.__module__.startswith(("numpy", "math", "numba")):
            names[name] = _clone(value, swap, memo, inlined, entry=False, cache=False, checked=checked)
    clone = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    clone.__qualname__, clone.__module__ = function.__qualname__, function.__module__
    if not jit_enabled():
        memo[function] = clone
        return clone
    import numba

    # Nothing is allocated inside, so references need no counting (each count would be a locked instruction).
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": checked, "_nrt": False}
    if entry:
        options["cache"] = cache
    else:  # called by compiled code alone: calling it from Python would crash
        options.update(no_cpython_wrapper=True, no_cfunc_wrapper=True, inline=inline)
    memo[function] = _one_version(numba.njit(**options)(clone))
    return memo[function]


def _one_version(dispatcher: Any) -> Any:
    """Compile one version for all integers: Numba would make one for every constant passed (90 of `uniform` alone)."""
    from numba.core import types as numba_types

    resolve = dispatcher.get_call_template

    def get_call_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return resolve(tuple(numba_types.unliteral(arg) for arg in args), kws)

    dispatcher.get_call_template = get_call_template
    return dispatcher


def _names(code: types.CodeType) -> set[str]:
    return {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}


def describe(record: type) -> dict[str, tuple[str, str]]:
    """Give the unit and the meaning of each field of a record class (from its annotations)."""
    hints = get_type_hints(record, include_extras=True)
    return {name: tuple(getattr(hint, "__metadata__", ("", "")))[:2] for name, hint in hints.items()}


def record_dtype(record: type) -> np.dtype:
    """Derive the NumPy record layout of a record dataclass: float, int, and fixed-length lists of either."""
    example = record()
    columns: list[tuple[str, Any] | tuple[str, Any, tuple[int]]] = []
    for field in dataclasses.fields(record):
        value = getattr(example, field.name)
        if isinstance(value, list):
            columns.append((field.name, _scalar_type(value[0]), (len(value),)))
        else:
            columns.append((field.name, _scalar_type(value)))
    return np.dtype(columns, align=True)


def _scalar_type(value: float | int) -> type:
    return np.int64 if isinstance(value, int) else np.float64


def template(record: type) -> np.ndarray:
    """Build the one-row array that holds a record's initial values."""
    row = np.zeros(1, dtype=record_dtype(record))
    example = record()
    for name in row.dtype.names or ():
        row[name][0] = getattr(example, name)
    return row
