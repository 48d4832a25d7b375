"""Survival: curves of every policy, and the paired difference to the reference over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Months shown.
END: Final = 120.0
_SHOWN: Final = ("os", "efs")
#: With more policies than this, only the reference shows its band.
_BANDS: Final = 4


@picture(10, "survival", "Overall and event-free survival", needs=("curves",))
def survival(frames: Frames) -> Drawing | None:
    """Draw overall and event-free survival of every policy, with labels at the end of the curves."""
    curves = frames.overall("curves")
    shown = [c for c in _SHOWN if (curves["curve"] == c).any()]
    if not shown:
        return None
    end = min(END, float(curves["months"].max()))
    policies = [p for p in frames.policies if (curves["policy"] == p).any()]
    canvas = style.sheet(9.2, 4.3 if len(shown) > 1 else 4.6)
    for axes, name in zip(_row(canvas, len(shown)), shown, strict=True):
        _panel(axes, frames, curves[curves["curve"] == name], policies, end)
        axes.set_title(words.sentence(words.measure_name(name)))
        style.month_axis(axes, end, f"Months since {frames.origin}", most=8)
        style.percent_axis(axes, "Patients (%)" if name == shown[0] else "")
    caption = (
        f"Kaplan-Meier estimates from {frames.origin}; the shaded band is a 95% Monte-Carlo interval. Every patient "
        "lives under every policy, so curves that lie close together can still differ reliably: see the paired "
        "differences."
    )
    return Drawing(canvas, _alt(frames, curves, policies, shown), caption)


@picture(20, "difference", "Difference in survival to the reference policy", needs=("paired",))
def difference(frames: Frames) -> Drawing | None:
    """Draw the paired difference in survival to the reference, one panel per policy."""
    paired = frames.overall("paired")
    paired = paired[paired["measure"].isin(_SHOWN) & paired["months"].notna() & (paired["months"] <= END)]
    policies = [p for p in frames.policies if (paired["policy"] == p).any() and p != frames.reference]
    if not policies:
        return None
    canvas, grid = style.panels(len(policies), 4, height=1.75, room=0.7)
    end, limits = float(paired["months"].max()), _limits(paired)
    for axes, policy in zip(grid, policies, strict=True):
        axes.axhline(0, color=style.MUTED.light, linewidth=0.8)
        for name in _SHOWN:
            _differences(axes, paired[(paired["policy"] == policy) & (paired["measure"] == name)], name)
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)), 28)
        style.month_axis(axes, end, most=6)
        axes.set_xlim(0, 1.04 * end)
        axes.set_ylim(*limits)
    handles, labels = grid[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper right", ncols=2)
    canvas.supxlabel(f"Months since {frames.origin}", fontsize=9)
    canvas.supylabel("Difference (percentage points)", fontsize=9)
    reference = frames.label(frames.reference or "")
    caption = (
        f"Policy minus {reference}, the same patients under both; bars are 95% Monte-Carlo intervals of the paired "
        "difference. Above zero the policy is better."
    )
    return Drawing(canvas, _alt_difference(frames, paired, policies), caption)


def _row(canvas: Figure, count: int) -> list[Axes]:
    return list(canvas.subplots(1, count, squeeze=False)[0])


def _panel(axes: Axes, frames: Frames, curves: pd.DataFrame, policies: list[str], end: float) -> None:
    last: dict[str, float] = {}
    for policy in policies:
        rows = curves[(curves["policy"] == policy) & (curves["months"] <= end)].sort_values("months")
        if rows.empty:
            continue
        look = style.line(policy, frames.colour(policy))
        months, value = rows["months"].to_numpy(float), rows["estimate"].to_numpy(float)
        axes.step(months, value, where="post", **look)
        if policy == frames.reference or len(policies) <= _BANDS:
            low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
            axes.fill_between(months, low, high, step="post", color=look["color"], alpha=0.12, linewidth=0)
        last[policy] = float(value[-1])
    _label(axes, frames, last, end)


def _label(axes: Axes, frames: Frames, last: dict[str, float], end: float) -> None:
    """Name the curves at their ends, moved apart where they would overlap."""
    names = sorted(last, key=lambda p: last[p])
    places = style.apart([last[p] for p in names], gap=0.052, low=0.01, high=0.99)
    for policy, place in zip(names, places, strict=True):
        look = style.line(policy, frames.colour(policy))
        axes.plot(
            [end, end * 1.03, end * 1.06, end * 1.10],
            [last[policy], last[policy], place, place],
            clip_on=False,
            linewidth=1.1,
            color=look["color"],
            linestyle=look["linestyle"],
        )
        axes.text(end * 1.115, place, style.fit(frames.label(policy), 26), color=look["color"], va="center", fontsize=8)


def _differences(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    rows = rows.sort_values("months")
    look: dict[str, Any] = (
        {"color": style.TEXT.light, "marker": "o"}
        if name == "os"
        else {"color": style.MUTED.light, "marker": "D", "mfc": style.PAPER.light, "linestyle": (0, (3, 1.4))}
    )
    axes.errorbar(
        rows["months"],
        100 * rows["difference"],
        yerr=196 * rows["mc_se"],
        markersize=3.4,
        linewidth=1.2,
        elinewidth=0.9,
        label=words.sentence(words.measure_name(name)),
        **look,
    )


def _limits(paired: pd.DataFrame) -> tuple[float, float]:
    """Give limits in percentage points that hold zero and every bar, rounded outwards to a multiple of 5 (or 1)."""
    middle, bar = 100 * paired["difference"], 196 * paired["mc_se"]
    low, high = float((middle - bar).min()), float((middle + bar).max())
    unit = 5 if max(-low, high) > 5 else 1
    return min(-unit, unit * (low // unit)) * 1.02, max(unit, -unit * (-high // unit)) * 1.02


def _alt(frames: Frames, curves: pd.DataFrame, policies: list[str], shown: list[str]) -> str:
    at = min(60.0, float(curves["months"].max()))
    parts = []
    for name in shown:
        values = []
        for policy in policies:
            rows = curves[(curves["policy"] == policy) & (curves["curve"] == name) & (curves["months"] <= at)]
            if not rows.empty:
                values.append(f"{frames.label(policy)} {100 * rows.sort_values('months')['estimate'].iloc[-1]:.0f}%")
        parts.append(f"{words.measure_name(name)} at {at:.0f} months: {', '.join(values)}")
    return f"Curves over months since {frames.origin}. {'. '.join(words.sentence(p) for p in parts)}."


def _alt_difference(frames: Frames, paired: pd.DataFrame, policies: list[str]) -> str:
    at = 60.0 if (paired["months"] == 60).any() else float(paired["months"].max())
    values = []
    for policy in policies:
        found = [
            f"{words.measure_name(name)} {100 * row['difference']:+.1f} ± {100 * row['mc_se']:.1f}"
            for name in _SHOWN
            if (row := frames.difference(policy, name, at)) is not None
        ]
        values.append(f"{frames.label(policy)}: {', '.join(found)}")
    return (
        f"Difference to {frames.label(frames.reference or '')} at {at:.0f} months in percentage points. "
        f"{'; '.join(values)}."
    )
