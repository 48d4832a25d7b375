"""Published against simulated, as pictures: a forest of all targets, and curves through the points printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sim.report import style
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Standard errors shown in the forest; what lies farther out is drawn at the edge, with its number.
REACH: Final = 6.0
WITHIN: Final = 1.96
_MODEL: Final = style.POLICIES["selective"].ink
_MISSED: Final = style.LOSE


@picture(12, "targets", "Distance of the model from every target", needs=("validation",))
def targets(frames: Frames) -> Drawing | None:
    """Draw the distance of each fitted target from its publication, in standard errors, by study."""
    table = frames.validation
    assert table is not None
    rows = table[(table["fitted"] == "yes") & table["z"].notna()].reset_index(drop=True)
    if rows.empty:
        return None
    canvas = style.sheet(9.2, 1.2 + 0.17 * (len(rows) + rows["study"].nunique()))
    axes = canvas.subplots()
    axes.axvspan(-WITHIN, WITHIN, color=style.SHADE.light, linewidth=0, zorder=0)
    axes.axvline(0.0, color=style.MUTED.light, linewidth=0.8)
    _dots(axes, rows)
    axes.set_xlim(-REACH - 0.4, REACH + 0.4)
    axes.set_xlabel("Model minus publication (standard errors; hollow: SE assumed)")
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    met = int((rows["within"] == "yes").sum())
    caption = (
        "Each target on its own scale (logit of a share, logarithm of a ratio or time), the model minus the "
        "publication in standard errors; the grey band is 95%. Arrows point to what lies farther out."
    )
    return Drawing(canvas, f"{met} of {len(rows)} targets lie within their 95% interval.", caption)


def _dots(axes: Axes, rows: pd.DataFrame) -> None:
    places: list[float] = []
    labels: list[str] = []
    heavy: list[bool] = []
    place = 0.0
    for _, study in rows.groupby("study", sort=False):
        places.append(place)
        labels.append(str(study["study_label"].iloc[0]))
        heavy.append(True)
        for row in study.to_dict("records"):
            place += 1.0
            places.append(place)
            labels.append(style.fit(str(row["label"]), 70))
            heavy.append(False)
            _dot(axes, place, float(row["z"]), row["within"] == "yes", row["assumed"] == "yes")
        place += 1.0
    axes.set_yticks(places, labels, fontsize=7.0)
    for bold, tick in zip(heavy, axes.get_yticklabels(), strict=True):
        tick.set_fontweight("bold" if bold else "normal")
    axes.set_ylim(place - 0.5, -0.8)


def _dot(axes: Axes, place: float, z: float, within: bool, assumed: bool) -> None:
    ink = _MODEL if within else _MISSED
    shown = float(np.clip(z, -REACH, REACH))
    marker = "o" if abs(z) <= REACH else (">" if z > 0 else "<")
    face = style.PAPER.light if assumed else ink.light
    axes.plot([0.0, shown], [place, place], color=ink.light, linewidth=0.8)
    axes.plot([shown], [place], marker=marker, markersize=4.5, color=ink.light, markerfacecolor=face, linestyle="none")
    if abs(z) > REACH:
        axes.annotate(f"{z:+.0f}", (shown, place), (-12 if z > 0 else 4, 3), textcoords="offset points", fontsize=6.5)


@picture(14, "overlays", "Curves through the published points", needs=("validation_curves",))
def overlays(frames: Frames) -> Drawing | None:
    """Draw the simulated Kaplan-Meier curves with the published points and their intervals."""
    table = frames.validation_curves
    assert table is not None
    groups = list(table.groupby(["study", "curve"], sort=False))
    if not groups:
        return None
    canvas, grid = style.panels(len(groups), 5, height=1.55, room=0.7)
    end = float(table["months"].max())
    for axes, (_, rows) in zip(grid, groups, strict=True):
        _overlay(axes, rows)
        axes.set_title(style.fit(f"{rows['study_label'].iloc[0]}: {rows['label'].iloc[0]}", 25, lines=3), fontsize=7.0)
        style.month_axis(axes, end, most=6)
        style.percent_axis(axes)
    canvas.supxlabel("Months", fontsize=9)
    canvas.supylabel("Patients (%)", fontsize=9)
    caption = (
        "Line: simulated Kaplan-Meier curve. Points: as published, with the 95% interval (assumed where none was "
        "printed). Months from the start that each study states."
    )
    points = table[table["kind"] == "published"]
    return Drawing(canvas, f"{len(groups)} curves through {len(points)} published points.", caption)


def _overlay(axes: Axes, rows: pd.DataFrame) -> None:
    model, points = rows[rows["kind"] == "model"], rows[rows["kind"] == "published"]
    axes.step(model["months"], model["estimate"], where="post", color=_MODEL.light, linewidth=1.3)
    value = points["estimate"].to_numpy(float)
    reach = np.array([value - points["low"].to_numpy(float), points["high"].to_numpy(float) - value])
    axes.errorbar(
        points["months"].to_numpy(float),
        value,
        yerr=np.nan_to_num(np.maximum(reach, 0.0)),
        fmt="o",
        markersize=3.2,
        linewidth=0.9,
        color=style.TEXT.light,
    )
