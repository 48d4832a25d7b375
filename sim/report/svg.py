"""Inline SVG: matplotlib's files turned into parts of a page without style attributes, scripts or network."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Final

from sim.report import style

_NAMESPACE = re.compile(r"\{[^}]*\}")
_NUMBER = re.compile(r"-?\d+\.\d{3,}(?![\deE])")
_TARGET = re.compile(r"url\(#([^)]+)\)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_ID = re.compile(r"[^A-Za-z0-9_-]")
#: Attributes whose numbers are coordinates and may be shortened.
_GEOMETRY: Final = frozenset({"d", "x", "y", "width", "height", "transform", "points"})
_DROPPED: Final = frozenset({"metadata", "style"})
#: Text in figures follows the page's font.
_FONT = re.compile(r"(font: (?:[a-z0-9]+ )*[\d.]+px)[^;]*")


class Sheet:
    """The style sheet that inlined figures share: one class per distinct style, one variable per ink."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._inks = {ink.light: (f"--ink-{i}", ink) for i, ink in enumerate(style.inks())}

    def name(self, declarations: str) -> str:
        """Give the class that stands for these declarations."""
        return self._classes.setdefault(declarations, f"g{len(self._classes)}")

    def variable(self, ink: style.Ink) -> str:
        """Give the CSS expression for an ink, light or dark as the reader prefers."""
        return f"var({self._inks[ink.light][0]})"

    def css(self) -> str:
        """Write the variables, light and dark, and the classes."""
        light = "".join(f"{name}:{ink.light};" for name, ink in self._inks.values())
        dark = "".join(f"{name}:{ink.dark};" for name, ink in self._inks.values())
        rules = "\n".join(f".{name}{{{self._exchange(text)}}}" for text, name in self._classes.items())
        return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n{rules}\n"

    def _exchange(self, declarations: str) -> str:
        def variable(match: re.Match[str]) -> str:
            known = self._inks.get(match[0].lower())
            return f"var({known[0]})" if known else match[0]

        return _COLOUR.sub(variable, _FONT.sub(r"\1 var(--figure-font)", declarations))


def inline(path: Path, name: str, alt: str, sheet: Sheet) -> str:
    """Turn an SVG file into markup for a page.

    Parameters
    ----------
    path
        A file written by `sim.report.style.save`.
    name
        Prefix for every identifier, so that figures on one page cannot meet.
    alt
        Alternative text, which becomes the figure's accessible name.
    sheet
        Receives the styles.

    Returns
    -------
    str
        An ``<svg>`` element without namespaces, comments, style attributes or external references.
    """
    root = ElementTree.parse(path).getroot()
    for parent in list(root.iter()):
        for child in [c for c in parent if _tag(c) in _DROPPED]:
            parent.remove(child)
    for element in root.iter():
        _clean(element, _ID.sub("-", name), sheet)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _tag(element: ElementTree.Element) -> str:
    return _NAMESPACE.sub("", element.tag)


def _clean(element: ElementTree.Element, name: str, sheet: Sheet) -> None:
    element.tag = _tag(element)
    element.tail = None
    if element.tag not in ("text", "tspan"):
        element.text = None
    attributes, element.attrib = dict(element.attrib), {}
    for key, value in attributes.items():
        key = _NAMESPACE.sub("", key)
        if key == "style":
            element.set("class", sheet.name(value))
        elif key == "id":
            element.set("id", f"{name}-{value}")
        elif key == "href":
            element.set("href", f"#{name}-{value.removeprefix('#')}")
        else:
            value = _TARGET.sub(rf"url(#{name}-\1)", value)
            element.set(key, _NUMBER.sub(_round, value) if key in _GEOMETRY else value)


def _round(match: re.Match[str]) -> str:
    """Shorten a coordinate to a hundredth of a point."""
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
