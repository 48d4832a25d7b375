"""The kernel stays compilable, and means the same compiled as interpreted: a static look at every function in it."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import dis
import functools
import importlib
import inspect
import itertools
import math
import pkgutil
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from models.catalogue import draw
from models.running import crowd, on_batch
from models.switching import PATHWAY as SWITCHING
from models.switching import Rates

import sim.biology
import sim.clinic
from sim import clock, journal, kernel, lifetable
from sim.clinic import events
from sim.engine import batch
from sim.experiments.run import PATHWAY
from sim.patient import Patient

#: What a kernel function may be made of. Anything else (strings, None, dicts, lists, sets, slices, comprehensions,
#: exceptions, closures, f-strings, `is`, `in`, keyword arguments) is refused.
ALLOWED = tuple(
    getattr(ast, name)
    for name in """FunctionDef arguments arg Return If While For Break Continue Assign AugAssign Expr Pass Call Name
    Attribute Subscript Constant Compare BoolOp UnaryOp BinOp IfExp Tuple expr_context boolop operator unaryop Eq NotEq
    Lt LtE Gt GtE""".split()
)
BUILTINS = {"abs", "float", "int", "len", "max", "min", "range"}


def is_project_function(value: Any) -> bool:
    """Tell whether `kernel.compiled` would clone this object."""
    return isinstance(value, types.FunctionType) and value.__module__.startswith("sim.")


def globals_of(function: types.FunctionType) -> dict[str, Any]:
    """The global names a function loads, and what they stand for (missing: a builtin)."""
    names = {step.argval for step in dis.get_instructions(function) if step.opname == "LOAD_GLOBAL"}
    return {name: function.__globals__.get(name, getattr(builtins, name, None)) for name in names}


@functools.cache
def kernel_functions() -> tuple[types.FunctionType, ...]:
    """Every function that gets compiled: what the pathway and the batch engine reach, and the rest of both packages."""
    waiting: list[Any] = [PATHWAY.begin, PATHWAY.handle, PATHWAY.finish, journal.note_compiled, batch.live_all]
    waiting += [clock.earliest, clock.set_rate, lifetable.age_at_hazard]
    for package in (sim.biology, sim.clinic):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            own = vars(importlib.import_module(module.name)).values()
            waiting += [f for f in own if is_project_function(f) and {"p", "q"} & set(inspect.signature(f).parameters)]
    found: list[types.FunctionType] = []
    stand_ins = (journal.note, batch.begin, batch.handle, batch.finish)
    while waiting:
        function = waiting.pop()
        if function not in found and function not in stand_ins:
            found.append(function)
            waiting += [value for value in globals_of(function).values() if is_project_function(value)]
    return tuple(sorted(found, key=lambda f: (f.__module__, f.__qualname__)))


def tree(source: str) -> ast.FunctionDef:
    """Parse the text of one function, without its docstring and annotations."""
    function = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(function, ast.FunctionDef)
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:] or [ast.Pass()]
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    return function


def complaints(function: ast.FunctionDef) -> Iterator[str]:
    """What in a function's text does not belong in a kernel."""
    parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(function):
        where = f"{function.name}, line {getattr(node, 'lineno', '?')} of it"
        if not isinstance(node, ALLOWED) or (isinstance(node, ast.FunctionDef) and node is not function):
            yield f"{where}: {type(node).__name__}"
        elif isinstance(node, ast.Constant) and type(node.value) not in (int, float, bool):
            yield f"{where}: constant {node.value!r}"
        elif isinstance(node, ast.Call):
            if node.keywords:
                yield f"{where}: keyword arguments"
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) != "math":
                yield f"{where}: call of {ast.unparse(node.func)}"
        elif (
            isinstance(node, ast.For)
            and ast.unparse(node.iter)[:6] != "range("
            and not isinstance(node.iter, ast.Tuple)
        ):
            yield f"{where}: loop over something else than a range or a handful of numbers"
        elif isinstance(node, ast.arguments) and (node.defaults or node.kwonlyargs or node.vararg or node.kwarg):
            yield f"{where}: defaults, keyword-only or starred arguments"
        elif isinstance(node, ast.Tuple) and not isinstance(parents[node], ast.Assign | ast.For):
            yield f"{where}: tuple"
    yield from mixed_returns(function)


def calls_range(node: ast.expr) -> bool:
    """Whether this is ``range(...)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"


def mixed_returns(function: ast.FunctionDef) -> Iterator[str]:
    """A function returns a value on every way out, or on none (else compiled code returns None sometimes)."""
    valued = {node.value is not None for node in ast.walk(function) if isinstance(node, ast.Return)}
    if len(valued) == 2 or (True in valued and not always_returns(function.body)):
        yield f"{function.name}: returns a value on some ways only"


def always_returns(body: list[ast.stmt]) -> bool:
    """Whether control never runs off the end of these statements."""
    last = body[-1]
    if isinstance(last, ast.If):
        return bool(last.orelse) and always_returns(last.body) and always_returns(last.orelse)
    return isinstance(last, ast.Return)


def test_the_kernel_is_found() -> None:
    names = {f"{f.__module__}.{f.__qualname__}" for f in kernel_functions()}
    assert {"sim.clinic.pathway.handle", "sim.biology.leukaemia.advance_clones", "sim.clock.earliest"} <= names
    assert {"sim.lifetable.age_at_hazard", "sim.journal.put_in_order", "sim.engine.batch.live"} <= names
    assert len(names) > 100


def test_kernel_functions_are_plain() -> None:
    found = [
        f"{function.__module__}: {complaint}"
        for function in kernel_functions()
        for complaint in complaints(tree(inspect.getsource(function)))
    ]
    assert found == []


def attributes_of(function: Any, name: str) -> list[str]:
    """Names that a function takes from a module-level name."""
    steps = list(dis.get_instructions(function))
    return [
        after.argval
        for before, after in itertools.pairwise(steps)
        if before.opname == "LOAD_GLOBAL" and before.argval == name and after.opname.startswith("LOAD_")
    ]


EVENT_CODES = [name for name, value in vars(events).items() if name.isupper() and type(value) is int]


def test_kernel_globals_are_functions_or_numbers() -> None:
    """Module-level constants are int, float or tuples of them; modules are math, and lists of numbers (event codes)."""
    found = []
    for function in kernel_functions():
        for name, value in globals_of(function).items():
            number = type(value) in (int, float) or (
                type(value) is tuple and all(type(item) in (int, float) for item in value)
            )
            draws = getattr(value, "__module__", "") == "sim.draws" and callable(value)
            infinity = value is np and function.__module__ == "sim.engine.batch"
            codes = value is events and set(attributes_of(function, name)) <= set(EVENT_CODES)
            allowed = number or is_project_function(value) or draws or value is math or infinity or codes
            if not (allowed or name in BUILTINS):
                found.append(f"{function.__module__}.{function.__qualname__}: {name} = {value!r}")
    assert found == []


def test_constants_are_never_assigned_anew() -> None:
    """Compiled code froze a module's constants when it was compiled."""
    for function in kernel_functions():
        stored = [step.argval for step in dis.get_instructions(function) if step.opname == "STORE_GLOBAL"]
        assert stored == [], function.__qualname__


def fields_used(root: str) -> set[str]:
    """Names that kernel functions use as attributes of `root` (the patient p, the parameters q)."""
    return {
        node.attr
        for function in kernel_functions()
        for node in ast.walk(tree(inspect.getsource(function)))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == root
    }


def test_field_names_are_free() -> None:
    """Interpreted, a record field named like an attribute of NumPy's records (shape, mean, size) would read as that."""
    reserved = set(dir(np.recarray)) | set(dir(np.record))
    fields = {field.name for field in dataclasses.fields(Patient)}
    assert (fields | fields_used("q")) & reserved == set()
    assert fields_used("p") <= fields


def test_every_event_is_handled() -> None:
    """An event or a grant that `handle` does not know would pass in silence."""
    from sim.clinic import events

    handled: set[int] = set()
    for function in (f for f in kernel_functions() if f.__module__ == "sim.clinic.pathway"):
        for node in ast.walk(tree(inspect.getsource(function))):
            if isinstance(node, ast.Compare) and ast.unparse(node.left) == "event" and isinstance(node.ops[0], ast.Eq):
                handled.add(eval(ast.unparse(node.comparators[0]), function.__globals__))
    calendar = set(range(len(Patient().next)))
    grants = {clock.GRANT + pool for pool in range(len(events.POOLS))}
    assert calendar | grants <= handled


BAD = {
    "np.exp": "def f(p):\n    p.t = np.exp(p.t)",
    "method": "def f(p):\n    p.next.append(1.0)",
    "string": "def f(p):\n    p.t = 'x'",
    "f-string": "def f(p):\n    p.t = f'{p.t}'",
    "None": "def f(p):\n    p.t = None",
    "dict": "def f(p):\n    d = {1: 2}",
    "list": "def f(p):\n    d = [1, 2]",
    "set": "def f(p):\n    d = {1, 2}",
    "slice": "def f(p):\n    d = p.next[1:2]",
    "try": "def f(p):\n    try:\n        p.t = 1.0\n    except ValueError:\n        p.t = 2.0",
    "raise": "def f(p):\n    raise ValueError",
    "assert": "def f(p):\n    assert p.t",
    "in": "def f(p):\n    p.done = 1 if p.t in p.next else 0",
    "is": "def f(p):\n    p.done = 1 if p.t is p.next else 0",
    "comprehension": "def f(p):\n    p.t = sum(x for x in p.next)",
    "lambda": "def f(p):\n    g = lambda x: x",
    "nested": "def f(p):\n    def g(x):\n        return x\n    p.t = g(1.0)",
    "keyword": "def f(p):\n    p.t = g(x=1.0)",
    "default": "def f(p, x=1.0):\n    p.t = x",
    "star": "def f(p, *x):\n    p.t = 1.0",
    "loop": "def f(p):\n    for x in p.next:\n        p.t = x",
    "some returns": "def f(p):\n    if p.t > 0.0:\n        return 1.0",
    "bare return": "def f(p):\n    if p.t > 0.0:\n        return\n    return 1.0",
}


@pytest.mark.parametrize("name", BAD)
def test_the_look_sees(name: str) -> None:
    assert list(complaints(tree(BAD[name])))


def test_the_look_lets_pass() -> None:
    good = """
    def f(p: Any, q: Any) -> float:
        '''Docstrings are read by people.'''
        total = 0.0
        for k in range(len(p.next)):
            if p.next[k] < INF and not p.done == 1:
                total += math.exp(-p.next[k]) if q.rates[k] > 0.0 else 0.0
        while total > 1.0:
            total -= 1.0
        return max(total, 0.5)
    """
    assert list(complaints(tree(good))) == []


# --- what cloning and compiling promise


def outer(x: float) -> float:
    return inner(x) + 1.0


def inner(x: float) -> float:
    return 2.0 * x


def other_inner(x: float) -> float:
    return 3.0 * x


@pytest.mark.parametrize("checked", [False, True])
def test_compiled_clones_leave_the_originals_alone(checked: bool) -> None:
    plain, swapped = (
        kernel.compiled(outer, checked=checked),
        kernel.compiled(outer, {inner: other_inner}, checked=checked),
    )
    assert (outer(1.0), plain(1.0), swapped(1.0), outer(1.0)) == (3.0, 3.0, 4.0, 3.0)
    assert isinstance(outer, types.FunctionType)
    assert isinstance(inner, types.FunctionType)


def test_bounds_are_checked_on_demand() -> None:
    """With `checked`, an index out of range raises instead of reading somebody else's numbers."""
    from sim.engine.pathway import Pathway

    broken = Pathway("broken", SWITCHING.record, begin_out_of_range, SWITCHING.handle, SWITCHING.finish)
    with pytest.raises(IndexError):
        on_batch(broken, crowd(1), Rates(), checked=True)


def begin_out_of_range(p: Any, q: Any, j: Any) -> None:
    p.next[len(p.next) + p.count] = 1.0


def test_rows_are_sorted_alike_in_both_engines() -> None:
    """`put_in_order`, compiled, against Python's own sort: random rows with ties in every column."""
    n = 400
    columns = [np.floor(draw(n, 150 + k) * size) for k, size in enumerate((3, 5, 4, 3))]
    rows = np.zeros(n, dtype=journal.ROW)
    for name, column in zip(("event", "start", "stop", "detail"), columns, strict=True):
        rows[name] = column
    expected = journal.in_order(rows[100:300].tolist())
    sort: Callable[..., Any] = kernel.compiled(journal.put_in_order)
    untouched = rows.copy()
    sort(rows, 100, 300)
    assert rows[100:300].tolist() == expected
    assert rows[:100].tolist() == untouched[:100].tolist()
    assert rows[300:].tolist() == untouched[300:].tolist()
