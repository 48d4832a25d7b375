"""Competing risks: what comes first to whom, stacked, one panel per policy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd

#: Months shown.
END: Final = 60.0
_REST: Final = "other_failure"


@picture(30, "risks", "What comes first: competing risks", needs=("curves",))
def risks(frames: Frames) -> Drawing | None:
    """Stack the cumulative incidence of relapse by type, non-relapse death and non-response."""
    curves = frames.overall("curves")
    policies = [
        p for p in frames.policies if ((curves["policy"] == p) & (curves["curve"] == next(iter(style.RISKS)))).any()
    ]
    if not policies:
        return None
    end = min(END, float(curves["months"].max()))
    stacks = {p: stack(curves[curves["policy"] == p], end) for p in policies}
    top = max(float(sum(bands.values()).max()) for _, bands in stacks.values())  # type: ignore[union-attr]
    if math.isnan(top):  # nobody is counted
        return None
    canvas, grid = style.panels(len(policies), 5, height=1.75, room=0.9)
    for axes, (policy, (months, bands)) in zip(grid, stacks.items(), strict=True):
        axes.stackplot(
            months,
            *bands.values(),
            colors=[style.RISKS[b].light for b in bands],
            step="post",
            labels=[words.sentence(words.measure_name(b)) for b in bands],
            linewidth=0,
        )
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)))
        style.month_axis(axes, end, most=6)
        style.percent_axis(axes, top=top)
    fullest = max(grid, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    handles, labels = fullest.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    canvas.supxlabel(f"Months since {frames.origin}", fontsize=9)
    canvas.supylabel("Patients (%)", fontsize=9)
    caption = (
        "Cumulative incidence of the first failure (Aalen-Johansen); the empty area above is alive and event-free. "
        "CNS relapses are counted by their antigen."
    )
    return Drawing(canvas, _alt(frames, stacks), caption)


def stack(curves: pd.DataFrame, end: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bring one policy's incidence curves onto one grid of months.

    Parameters
    ----------
    curves
        Rows of one policy.
    end
        Last month.

    Returns
    -------
    tuple
        Months, and the height of each band. What event-free survival loses beyond the named risks is the band
        ``other_failure``; it is left out where nothing is lost, or without an ``efs`` curve.
    """
    months = np.unique(curves.loc[curves["months"] <= end, "months"].to_numpy(float))
    bands = {risk: _on(curves, risk, months, 0.0) for risk in style.RISKS if (curves["curve"] == risk).any()}
    if (curves["curve"] == "efs").any():
        rest = 1.0 - _on(curves, "efs", months, 1.0) - sum(bands.values())
        if rest.max() > 1e-3:
            bands[_REST] = np.clip(rest, 0.0, None)
    return months, bands


def _on(curves: pd.DataFrame, curve: str, months: np.ndarray, start: float) -> np.ndarray:
    """Read a step curve on the grid: its last value at or before each month."""
    rows = curves[curves["curve"] == curve].sort_values("months")
    place = np.searchsorted(rows["months"].to_numpy(float), months, side="right") - 1
    values = rows["estimate"].to_numpy(float)
    return np.where(place >= 0, values[np.maximum(place, 0)], start)


def _alt(frames: Frames, stacks: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]) -> str:
    parts = []
    for policy, (_, bands) in stacks.items():
        values = ", ".join(f"{words.measure_name(b)} {100 * v[-1]:.0f}%" for b, v in bands.items())
        parts.append(f"{frames.label(policy)}: {values}")
    months = next(iter(stacks.values()))[0][-1]
    return f"Stacked areas per policy. At {months:.0f} months: {'; '.join(parts)}."
