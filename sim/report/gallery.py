"""The gallery: a registry of pictures, each drawn when the frames that it needs are there."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sim.report import style
from sim.report.frames import Frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

#: Modules that register pictures.
MODULES: Final = (
    "survival",
    "risks",
    "occupancy",
    "pathway",
    "gains",
    "swimmer",
    "lanes",
    "worth",
    "validation",
    "calibration",
    "acceptability",
    "sensitivity",
    "information",
    "hospital",
    "runs",
)


class Drawing(NamedTuple):
    """What a picture's function returns: the matplotlib figure, its alternative text and its caption."""

    canvas: Canvas
    alt: str
    caption: str


@dataclass(frozen=True)
class Figure:
    """A figure on disk.

    Parameters
    ----------
    name
        File name without suffix; also the key by which the page finds it.
    title
        What it shows, in a few words.
    alt
        What a reader who cannot see it should know, with the main numbers.
    caption
        How to read it.
    svg, png
        The files.
    """

    name: str
    title: str
    alt: str
    caption: str
    svg: Path
    png: Path


class Picture(NamedTuple):
    """A registered picture."""

    order: int
    name: str
    title: str
    needs: tuple[str, ...]
    draw: Callable[[Frames], Drawing | None]


_PICTURES: dict[str, Picture] = {}


def picture(
    order: int, name: str, title: str, needs: tuple[str, ...]
) -> Callable[[Callable[[Frames], Drawing | None]], Callable[[Frames], Drawing | None]]:
    """Register a function as a picture.

    Parameters
    ----------
    order
        Pictures are drawn in this order.
    name
        File name without suffix.
    title
        What it shows.
    needs
        Names of the frames without which it is not drawn. The function may still return None.

    Raises
    ------
    ValueError
        When another function owns the name.
    """

    def register(draw: Callable[[Frames], Drawing | None]) -> Callable[[Frames], Drawing | None]:
        owner = _PICTURES.get(name)
        if owner is not None and owner.draw.__qualname__ != draw.__qualname__:
            raise ValueError(f"figure '{name}' is drawn by {owner.draw.__qualname__} already: choose another name")
        _PICTURES[name] = Picture(order, name, title, needs, draw)
        return draw

    return register


def pictures() -> list[Picture]:
    """List the registered pictures, in order."""
    for module in MODULES:
        importlib.import_module(f"sim.report.{module}")
    return sorted(_PICTURES.values(), key=lambda entry: (entry.order, entry.name))


def figures(frames: Frames, folder: Path) -> list[Figure]:
    """Draw every picture that the frames allow, as SVG and PNG.

    Parameters
    ----------
    frames
        The frames of a run.
    folder
        Where the files go; made if missing.

    Returns
    -------
    list of Figure
        In the gallery's order; the same frames give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for entry in pictures():
        if not frames.has(*entry.needs):
            continue
        with style.theme(entry.name):
            drawing = entry.draw(frames)
        if drawing is not None:
            svg, png = style.save(drawing.canvas, folder, entry.name)
            drawn.append(Figure(entry.name, entry.title, drawing.alt, drawing.caption, svg, png))
    return drawn
