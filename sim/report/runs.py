"""Survival in several runs, laid over each other policy by policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd

#: Months shown.
END: Final = 120.0
#: Dashes of the runs in their order; with the ink they repeat after a while, the labels do not.
_DASHES: Final[tuple[tuple[float, ...], ...]] = ((), (4.5, 1.6), (1.4, 1.2), (7.0, 1.4, 1.2, 1.4))
_INKS: Final = (style.TEXT, *style.OTHERS)


def look(place: int) -> dict[str, Any]:
    """Give matplotlib's keywords for the run in this place."""
    dash = _DASHES[place % len(_DASHES)]
    return {"color": _INKS[place % len(_INKS)].light, "linestyle": (0, dash) if dash else "-"}


def shared_policies(frames: Frames, table: pd.DataFrame) -> list[str]:
    """List the policies that more than one run has, in display order."""
    counts = table.groupby("policy")["run"].nunique()
    return [p for p in frames.policies if counts.get(p, 0) > 1]


@picture(12, "runs_survival", "Overall survival in each run", needs=("runs_curves",))
def runs_survival(frames: Frames) -> Drawing | None:
    """Draw overall survival, a panel per policy and a line per run."""
    return _overlaid(frames, "os")


@picture(13, "runs_efs", "Event-free survival in each run", needs=("runs_curves",))
def runs_efs(frames: Frames) -> Drawing | None:
    """Draw event-free survival, a panel per policy and a line per run."""
    return _overlaid(frames, "efs")


def _overlaid(frames: Frames, curve: str) -> Drawing | None:
    table: pd.DataFrame = frames.runs_curves  # type: ignore[assignment]
    table = table[table["curve"] == curve]
    policies = shared_policies(frames, table)
    if not policies:
        return None
    tags = list(frames.manifest.get("runs", {})) or [str(tag) for tag in table["run"].unique()]
    end = min(END, float(table["months"].max()))
    canvas, grid = style.panels(len(policies), 3, height=2.0, room=0.8)
    for axes, policy in zip(grid, policies, strict=True):
        for place, tag in enumerate(tags):
            rows = table[(table["policy"] == policy) & (table["run"] == tag) & (table["months"] <= end)]
            rows = rows.sort_values("months")
            own = look(place)
            label = f"run {tag}" if axes is grid[0] else None
            axes.step(rows["months"], rows["estimate"], where="post", label=label, **own)
            axes.fill_between(
                rows["months"], rows["low"], rows["high"], step="post", color=own["color"], alpha=0.1, linewidth=0
            )
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)), 34)
        style.month_axis(axes, end, most=6)
        style.percent_axis(axes)
    canvas.legend(loc="outside upper right", ncols=min(len(tags), 6))
    canvas.supxlabel(f"Months since {frames.origin}", fontsize=9)
    canvas.supylabel("Patients (%)", fontsize=9)
    name = words.measure_name(curve)
    caption = (
        f"{words.sentence(name)} from {frames.origin}, policy by policy; bands are 95% Monte-Carlo intervals of each "
        "run alone. Where the same patients lived in both runs, differences are surer than the bands suggest: see the "
        "table."
    )
    return Drawing(canvas, _alt(frames, table, policies, tags, name), caption)


def _alt(frames: Frames, table: pd.DataFrame, policies: list[str], tags: list[str], name: str) -> str:
    at = min(60.0, float(table["months"].max()))
    parts = []
    for policy in policies:
        rows = table[(table["policy"] == policy) & (table["months"] <= at)].sort_values("months")
        last = rows.groupby("run")["estimate"].last()
        values = [f"run {tag} {100 * last[tag]:.0f}%" for tag in tags if tag in last.index]
        parts.append(f"{frames.label(policy)}: {', '.join(values)}")
    return f"{words.sentence(name)} at {at:.0f} months by policy and run. {'; '.join(parts)}."
