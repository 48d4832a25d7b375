"""What people see: figures and one self-contained page, from the frames of a run and nothing else.

`figures` draws every picture that the frames allow, `render` writes the page around them. Both read `Frames`; neither
knows an engine, the clinic or the disease. A new picture is a function registered with `sim.report.gallery.picture`, a
new part of the page one registered with `sim.report.page.section`, in any module of `sim.report.sections`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.report.frames import Frames
    from sim.report.gallery import Figure

__all__ = ["figures", "render"]


def figures(frames: Frames, folder: Path) -> list[Figure]:
    """Draw every figure that the frames allow; see `sim.report.gallery.figures`."""
    from sim.report.gallery import figures as draw

    return draw(frames, folder)


def render(frames: Frames, drawn: Sequence[Figure], path: Path) -> Path:
    """Write the page; see `sim.report.page.render`."""
    from sim.report.page import render as write

    return write(frames, drawn, path)
