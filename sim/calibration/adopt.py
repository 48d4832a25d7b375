"""Adopting a calibration: its numbers become the parameter lines of conf/, its sample goes into sim/data.

Only the numbers change: comments, order and layout of the files stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from sim.calibration.priors import rounded
from sim.lines import Line, NonNegative, Positive, Probability
from sim.problems import Problem

#: Digits of a value, and of its interval.
VALUE_DIGITS: Final = 4
INTERVAL_DIGITS: Final = 3
#: Head of the file that holds a structure's calibrated numbers.
HEAD: Final = """\
# @package _global_
# Calibrated under the structure {0}, written by:
#   python -m sim experiment=calibrate structure={0} calibration.adopt=true
"""


class Calibrated(NamedTuple):
    """Posterior mean and 95 % interval of one parameter."""

    value: float
    low: float
    high: float


def calibrated_fields(line: Line, result: Calibrated) -> dict[str, Any]:
    """Say what changes in a parameter line: value, interval, status, and a distribution that fits them.

    The mean always lies inside the interval that is written; a family that cannot hold it gives way to one that can.
    """
    value = float(rounded(result.value, VALUE_DIGITS))  # type: ignore[arg-type]
    low = min(float(rounded(result.low, INTERVAL_DIGITS)), value)  # type: ignore[arg-type]
    high = max(float(rounded(result.high, INTERVAL_DIGITS)), value)  # type: ignore[arg-type]
    return {"value": value, "distribution": _family(line, low), "low": low, "high": high, "status": "calibrated"}


def _family(line: Line, low: float) -> str:
    if isinstance(line, Probability):
        return "beta"
    if isinstance(line, Positive | NonNegative):
        return "lognormal" if low > 0 else "gamma"
    return "normal"


def rewrite_lines(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Change scalars of parameter lines inside a YAML text.

    Parameters
    ----------
    text
        The file.
    changes
        Path of a line inside the file (``growth``, ``catalogue.tisa_cel.expansion``) -> field -> new value.

    Returns
    -------
    str
        The text with these scalars replaced; everything else is as it was, byte for byte.

    Raises
    ------
    Problem
        When a line or a field is not there.
    """
    root = yaml.compose(text)
    edits: list[tuple[int, int, str]] = []
    for path, fields in changes.items():
        node: Any = root
        for name in path.split("."):
            node = _child(node, name, path)
        for field, value in fields.items():
            scalar = _child(node, field, path)
            edits.append((scalar.start_mark.index, scalar.end_mark.index, _written(value)))
    for begin, end, written in sorted(edits, reverse=True):
        text = text[:begin] + written + text[end:]
    return text


def _child(node: Any, name: str, path: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value
    raise Problem(f"{path}: there is no {name!r} to change")


def _written(value: Any) -> str:
    return repr(float(value)) if isinstance(value, int | float) else str(value)


def place_of(key: str) -> tuple[str, str]:
    """Say in which file below conf/ a line stands, and its path inside that file."""
    parts = key.split(".")
    if parts[0] in ("biology", "clinic") and len(parts) == 3:
        return f"{parts[0]}/{parts[1]}/default.yaml", parts[2]
    if parts[:2] == ["product", "catalogue"]:
        return "product/catalogue.yaml", ".".join(parts[1:])
    raise Problem(f"{key}: lines of this group are not adopted; they describe cohorts or prices, not the model")


def adopt_lines(conf: Path, lines: Mapping[str, Line], results: Mapping[str, Calibrated]) -> list[Path]:
    """Write calibrated numbers into the parameter lines.

    Parameters
    ----------
    conf
        The configuration folder.
    lines
        All parameter lines by dotted key.
    results
        Dotted key -> mean and interval.

    Returns
    -------
    list of pathlib.Path
        The files that changed.
    """
    by_file: dict[str, dict[str, Mapping[str, Any]]] = {}
    for key, result in results.items():
        file, path = place_of(key)
        by_file.setdefault(file, {})[path] = calibrated_fields(lines[key], result)
    texts = {file: rewrite_lines((conf / file).read_text(encoding="utf-8"), c) for file, c in by_file.items()}
    return [_put(conf / file, text) for file, text in texts.items()]


def adopt_structure(conf: Path, structure: str, lines: Mapping[str, Line], results: Mapping[str, Calibrated]) -> Path:
    """Write numbers calibrated under a structure into the file that its own file builds on."""
    tree: dict[str, Any] = {}
    for key, result in sorted(results.items()):
        *groups, name = key.split(".")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = calibrated_fields(lines[key], result)
    body = yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=160)
    return _put(conf / "structure" / "calibrated" / f"{structure}.yaml", f"{HEAD.format(structure)}{body}")


def _put(path: Path, text: str) -> Path:
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, path)
    return path
