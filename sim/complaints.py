"""What pydantic found wrong, in the words of the configuration: dotted key, value, rule, nearest valid name."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from sim.lines import Line
from sim.problems import did_you_mean, nearest

#: Longest piece of a wrong value that is quoted.
QUOTED: Final = 60


def complaints(error: ValidationError, schema: type[BaseModel], data: Any) -> list[str]:
    """Say what is wrong, one sentence each.

    Parameters
    ----------
    error
        What pydantic raised.
    schema
        The model that was validated.
    data
        What was given; names in it (policies, products) are valid parts of keys.
    """
    found: list[str] = []
    keys: list[str] | None = None
    for part in error.errors(include_url=False):
        if part["type"] == "extra_forbidden":
            keys = keys if keys is not None else list(known_keys(schema, data))
        found += _sentences(part, schema, keys or [])
    return _said_once(found)


def _said_once(found: list[str]) -> list[str]:
    """Leave out what policies only repeat because they share it (`follow_up`)."""
    shared = {text.removeprefix("follow_up.") for text in found if text.startswith("follow_up.")}
    return [text for text in dict.fromkeys(found) if re.sub(r"^policy\.\w+\.", "", text) not in shared]


def _sentences(part: Any, schema: type[BaseModel], keys: list[str]) -> list[str]:
    path = _path(part["loc"])
    key, kind, given = ".".join(path), part["type"], part["input"]
    if kind == "extra_forbidden":
        return [f"unknown key {key!r}: {nearest_key(path, keys)}"]
    if kind == "missing":
        return [f"{key} is missing" + (": list one at least, 'policy=[watch,selective]'" if key == "policy" else "")]
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return [_not_a_group(path, given, part)]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", part["ctx"]["expected"])
        return [f"{key}: {_quote(given)} is not possible, {did_you_mean(str(given), choices)}"]
    if kind == "value_error":
        rules = re.sub(r" \.(low|high)=", rf" {key}.\1=", str(part["ctx"]["error"])).splitlines()
        value = f" (is {_quote(given)})" if isinstance(given, int | float | str) and path else ""
        return [f"{key}: {rule}{'' if repr(given) in rule else value}" if key else rule for rule in rules]
    if path == ["experiment"] and not isinstance(given, str):
        return ["experiment: an experiment file begins with the line '# @package _global_' and holds keys and values"]
    rule = re.sub(r"^(Input|Value|Dictionary|Tuple|List|String) should", "must", part["msg"])
    return [f"{key}: {rule} (is {_quote(given)})" if key else f"{rule} (is {_quote(given)})"]


def _not_a_group(path: list[str], given: Any, part: Any) -> str:
    key = ".".join(path)
    lines = {"Line"} | {kind.__name__ for kind in _kinds(Line)}
    if part.get("ctx", {}).get("class_name") in lines:
        if isinstance(given, int | float | str) and not isinstance(given, bool):
            return (
                f"{key} is a parameter line, and {_quote(given)} alone would drop its distribution and source: "
                f"set {key}.value={given}"
            )
        return f"{key}: a parameter line needs about, value, unit, distribution, low, high, source, status"
    if path[:-1] == ["policy"]:
        return (
            f"{key}: {_quote(given)} is not a policy; a policy file is keyed by its own name "
            "(NAME: at the top, everything else indented below it)"
        )
    return f"{key} is a group of keys, not a value (is {_quote(given)})"


def _kinds(kind: type[Line]) -> Iterator[type[Line]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def _quote(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def _path(loc: tuple[int | str, ...]) -> list[str]:
    """Turn pydantic's location into the parts of a dotted key; names of union members are not part of it."""
    member = re.compile(r"[\[\(]|^(int|float|str|bool|constrained-\w+)$")
    return [str(part) for part in loc if not (isinstance(part, str) and member.search(part))]


def nearest_key(path: list[str], keys: list[str]) -> str:
    """Phrase the remedy for an unknown dotted key: a sibling with a similar name, or a similar key elsewhere."""
    parent, leaf = path[:-1], path[-1]
    below = [parts for parts in (key.split(".") for key in keys) if parts[: len(parent)] == parent]
    siblings = list(dict.fromkeys(parts[len(parent)] for parts in below if len(parts) > len(parent)))
    near = difflib.get_close_matches(leaf, siblings, n=1, cutoff=0.6)
    if near:
        return f"did you mean {'.'.join([*parent, near[0]])!r}?"
    same = [key for key in keys if key.split(".")[-1] == leaf] if siblings else keys
    elsewhere = nearest(".".join(path), same)
    return f"did you mean {elsewhere!r}?" if elsewhere else did_you_mean(leaf, siblings or keys)


def known_keys(schema: Any, data: Any, prefix: str = "") -> Iterator[str]:
    """Walk through every valid dotted key of a schema; free names (policies, products) come from the data."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for own, field in schema.model_fields.items():
            name = field.alias or own
            yield f"{prefix}{name}"
            below = data.get(name) if isinstance(data, Mapping) else None
            yield from known_keys(field.annotation, below, f"{prefix}{name}.")
        return
    origin, inner = typing.get_origin(schema), typing.get_args(schema)
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        for kind in inner:
            yield from known_keys(kind, data, prefix)
    elif origin is dict and isinstance(data, Mapping):
        for name, below in data.items():
            yield f"{prefix}{name}"
            yield from known_keys(inner[1], below, f"{prefix}{name}.")
