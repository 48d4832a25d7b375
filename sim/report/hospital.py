"""The hospital: how full it is, who waits for how long, where patients go, and one week on the ward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Pools in the order in which patients meet them, with their names.
POOLS: Final = {
    "apheresis": "apheresis",
    "manufacturing": "manufacturing",
    "ward": "ward",
    "icu": "intensive care",
    "oncology": "oncology ward",
    "donor_search": "donor search",
    "hct": "transplant rooms",
}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Lines shown of the waits: quantiles.
_ENDS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Stays shown in the picture of one week.
_MOST: Final = 30


def _pools(table: pd.DataFrame, column: str) -> list[str]:
    return [pool for pool in POOLS if (table[column] == pool).any()]


@picture(110, "hospital_week", "Places taken and lines, by hour of the week", needs=("times",))
def by_hour(frames: Frames) -> Drawing | None:
    """Draw mean places taken and mean length of the line by hour of the week, a panel per pool."""
    return _times(frames, "hour_of_week", "Hour of the week")


@picture(120, "hospital_years", "Places taken and lines, year by year", needs=("times",))
def by_year(frames: Frames) -> Drawing | None:
    """Draw the same year by year: whether the hospital has settled, and whether a line grows."""
    return _times(frames, "year", "Year observed")


def _times(frames: Frames, by: str, label: str) -> Drawing | None:
    times = frames.times
    assert times is not None
    times = times[times["by"] == by]
    pools = _pools(times, "pool")
    if not pools:
        return None
    lines = -(-len(pools) // 4)
    canvas = style.sheet(9.2, 0.9 + 1.9 * lines)
    grid = canvas.subplots(lines, min(4, len(pools)), squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(pools))
    for pool, axes in zip(pools, grid.flat, strict=False):
        for policy in frames.policies:
            _course(axes, frames, times[(times["pool"] == pool) & (times["policy"] == policy)], policy, by)
        axes.set_title(words.sentence(POOLS[pool]))
        axes.set_ylim(bottom=0)
        if by == "year":
            axes.xaxis.get_major_locator().set_params(integer=True)
        if by == "hour_of_week":
            axes.set_xlim(0, 168)
            axes.set_xticks([24 * day + 12 for day in range(7)], [name[0] for name in _DAYS])
            axes.tick_params(axis="x", length=0)
    _legend(canvas, frames)
    canvas.supxlabel(label, fontsize=9)
    canvas.supylabel("Patients", fontsize=9)
    caption = "Solid: places taken; dotted: patients in line. Means over replications; band: 95% interval of the mean."
    if by == "hour_of_week":
        caption += " Days begin at midnight, letters stand at noon."
    return Drawing(canvas, _alt_times(frames, times, pools), caption)


def _course(axes: Axes, frames: Frames, part: pd.DataFrame, policy: str, by: str) -> None:
    look = style.line(policy, frames.colour(policy))
    for kind, dash in (("places", "-"), ("queue", ":")):
        rows = part[part["kind"] == kind].sort_values("step")
        if rows.empty:
            continue
        x = rows["step"].to_numpy(float) + (0.5 if by == "hour_of_week" else 1.0)
        axes.plot(x, rows["mean"].to_numpy(float), color=look["color"], linestyle=dash, linewidth=1.3)
        low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
        axes.fill_between(x, low, high, color=look["color"], alpha=0.12, linewidth=0)


def _legend(canvas: Any, frames: Frames) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=style.line(p, frames.colour(p))["color"]) for p in frames.policies]
    labels = [frames.label(policy) for policy in frames.policies]
    canvas.legend(handles, labels, loc="outside upper right", ncols=min(4, len(labels)))


def _alt_times(frames: Frames, times: pd.DataFrame, pools: list[str]) -> str:
    means = times.groupby(["policy", "pool", "kind"])["mean"].mean()
    parts = []
    for policy in frames.policies:
        found = [
            f"{POOLS[pool]} {means.get((policy, pool, 'places'), 0.0):.1f} taken, "
            f"{means.get((policy, pool, 'queue'), 0.0):.1f} in line"
            for pool in pools
        ]
        parts.append(f"{frames.label(policy)}: {'; '.join(found)}")
    return f"Lines per pool and policy. Means. {'. '.join(parts)}."


@picture(130, "hospital_waits", "How long patients wait", needs=("waits",))
def waits(frames: Frames) -> Drawing | None:
    """Draw quantiles of the wait in each line and on the whole way to infusion, as boxes without outliers."""
    table = frames.waits
    assert table is not None
    lines = ["infusion", *_pools(table, "line")]
    names = {**POOLS, "infusion": "referral to infusion"}
    policies = frames.policies
    canvas = style.sheet(9.2, 1.2 + 0.22 * len(lines) * len(policies))
    axes = canvas.subplots()
    parts = []
    for row, line in enumerate(lines):
        for k, policy in enumerate(policies):
            chosen = table[(table["line"] == line) & (table["policy"] == policy)].set_index("share")["days"]
            if chosen.isna().all():
                continue
            low, q1, median, q3, high = (float(chosen.get(share, np.nan)) for share in _ENDS)
            y = row + (k - (len(policies) - 1) / 2) * 0.8 / len(policies)
            ink = style.stroke(policy, frames.colour(policy)).ink.light
            axes.plot([low, high], [y, y], color=ink, linewidth=1.0)
            axes.barh(y, q3 - q1, left=q1, height=0.5 / len(policies), color=ink, alpha=0.35)
            axes.plot([median, median], [y - 0.3 / len(policies), y + 0.3 / len(policies)], color=ink, linewidth=2)
            if line == "infusion":
                parts.append(f"{frames.label(policy)}: median {median:.0f}, 95th percentile {high:.0f} days")
    axes.set_yticks(range(len(lines)), [words.sentence(names[line]) for line in lines])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Days")
    _legend(canvas, frames)
    caption = "Bar: middle half of the waits; line: 5th to 95th percentile; stroke: median. Means over replications."
    return Drawing(canvas, f"Days from referral to infusion. {'; '.join(parts)}.", caption)


# --- where patients go

#: Stations of the flow: column, and order from top to bottom.
STATIONS: Final = {
    "arrived": (0, 0),
    "never referred": (1, 2),
    "apheresis": (1, 0),
    "lost before apheresis": (1, 1),
    "infused": (2, 0),
    "lost before infusion": (2, 1),
    "remission": (3, 0),
    "no remission": (3, 1),
    "transplant": (4, 0),
    "no relapse": (5, 0),
    "relapse": (5, 1),
}


@picture(140, "hospital_flow", "Where patients go", needs=("flow",))
def flow(frames: Frames) -> Drawing | None:
    """Draw the flow of patients per year as bands whose width is their number (Sankey), a panel per policy."""
    table = frames.flow
    assert table is not None
    policies = [p for p in frames.policies if (table["policy"] == p).any()][:4]
    canvas = style.sheet(9.2, 2.6 * len(policies))
    parts = []
    for policy, axes in zip(policies, canvas.subplots(len(policies), 1, squeeze=False)[:, 0], strict=True):
        links = table[(table["policy"] == policy) & (table["per_year"] > 0.0)]
        _sankey(axes, links, style.stroke(policy, frames.colour(policy)).ink.light)
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)), 40)
        found = links.set_index(["source", "target"])["per_year"]
        shown = [
            f"{source} to {target} {found.get((source, target), 0.0):.1f}"
            for source, target in (("arrived", "apheresis"), ("apheresis", "infused"), ("remission", "transplant"))
        ]
        parts.append(f"{frames.label(policy)}: {', '.join(shown)} a year")
    caption = "Patients per year of arrival; the width of a band is their number. Salvage after relapse is not shown."
    return Drawing(canvas, f"Flow of patients. {'. '.join(parts)}.", caption)


def _sankey(axes: Axes, links: pd.DataFrame, colour: str) -> None:
    into = links.groupby("target")["per_year"].sum()
    out_of = links.groupby("source")["per_year"].sum()
    size = {name: max(float(into.get(name, 0.0)), float(out_of.get(name, 0.0))) for name in STATIONS}
    whole = max(size.values())
    tops = _tops(size, 0.08 * whole)
    sent, received = dict(tops), dict(tops)
    for source in STATIONS:
        for target in STATIONS:
            found = links[(links["source"] == source) & (links["target"] == target)]["per_year"]
            if found.empty:
                continue
            width = float(found.iloc[0])
            _band(axes, STATIONS[source][0], STATIONS[target][0], sent[source], received[target], width, colour)
            sent[source] -= width
            received[target] -= width
    for name, (column, _) in STATIONS.items():
        if size[name] > 0.0:
            axes.fill_between([column - 0.03, column + 0.03], tops[name] - size[name], tops[name], color=colour)
            text = f"{name}\n{size[name]:.1f}"
            axes.text(column + 0.06, tops[name] - size[name] / 2, text, fontsize=7.5, va="center", linespacing=1.1)
    axes.set_xlim(-0.1, 5.75)
    axes.axis("off")


def _tops(size: dict[str, float], gap: float) -> dict[str, float]:
    """Stack the stations of each column from the top, with a gap between them."""
    tops: dict[str, float] = {}
    for column in range(6):
        level = 0.0
        for name in sorted((n for n in STATIONS if STATIONS[n][0] == column), key=lambda n: STATIONS[n][1]):
            tops[name] = level
            level -= size[name] + (gap if size[name] > 0.0 else 0.0)
    return tops


def _band(axes: Axes, x0: int, x1: int, top0: float, top1: float, width: float, colour: str) -> None:
    way = np.linspace(0.0, 1.0, 40)
    bend = way * way * (3.0 - 2.0 * way)
    x = x0 + 0.03 + (x1 - x0 - 0.06) * way
    upper = top0 + (top1 - top0) * bend
    axes.fill_between(x, upper - width, upper, color=colour, alpha=0.3, linewidth=0)


# --- one week

_SHOWN: Final = {"ward": "WARD", "icu": "ICU", "hct": "HCT"}
_INKS: Final = {"ward": "#0067a8", "icu": "#d1480f", "hct": "#009170"}


@picture(150, "hospital_one_week", "One week on the ward", needs=("week",))
def one_week(frames: Frames) -> Drawing | None:
    """Draw who lay where in the busiest week of the first replication: a row per patient."""
    table = frames.week
    assert table is not None
    table = table[table["pool"].isin(_SHOWN)]
    policies = [p for p in frames.policies if (table["policy"] == p).any()][:2]
    if not policies:
        return None
    counts = [min(_MOST, table[table["policy"] == p]["patient"].nunique()) for p in policies]
    canvas = style.sheet(9.2, 1.0 + 0.17 * sum(counts) + 0.6 * len(policies))
    ratios = [max(4, count) for count in counts]
    grid = canvas.subplots(len(policies), 1, squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    parts = []
    for policy, axes in zip(policies, grid, strict=True):
        own = table[table["policy"] == policy].sort_values(["asked", "patient"])
        patients = list(dict.fromkeys(own["patient"]))[:_MOST]
        for row in own[own["patient"].isin(patients)].itertuples():
            _stay(axes, patients.index(row.patient), row)
        axes.set_ylim(len(patients) - 0.4, -0.6)
        axes.set_yticks([])
        axes.set_ylabel(f"{len(patients)} patients")
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)), 40)
        waiting = own[(own["granted"] > own["asked"]) | (own["granted"] >= 7.0)]["patient"].nunique()
        parts.append(
            f"{frames.label(policy)}: {own['patient'].nunique()} patients, {waiting} of them in line at some time"
        )
    grid[-1].set_xlim(0, 7)
    grid[-1].set_xticks([day + 0.5 for day in range(7)], _DAYS)
    grid[-1].tick_params(axis="x", length=0)
    _week_legend(canvas)
    caption = "The busiest week of the first replication; a row is a patient, a dotted line the time in line."
    return Drawing(canvas, f"A row per patient over one week. {'. '.join(parts)}.", caption)


def _stay(axes: Axes, row: int, stay: Any) -> None:
    ink = _INKS[stay.pool]
    waited = min(stay.granted, stay.left)
    if waited > stay.asked:
        axes.plot([stay.asked, waited], [row, row], color=ink, linestyle=":", linewidth=1.4)
    if stay.left > stay.granted:
        axes.barh(row, stay.left - stay.granted, left=stay.granted, height=0.7, color=ink, alpha=0.75)


def _week_legend(canvas: Any) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=ink, alpha=0.75) for ink in _INKS.values()]
    canvas.legend(handles, [words.sentence(POOLS[pool]) for pool in _INKS], loc="outside upper right", ncols=3)


# --- money


@picture(160, "budget", "Budget impact by payer year", needs=("budget",))
def budget(frames: Frames) -> Drawing | None:
    """Draw what the new policy costs more (or less) in each payer year, by category, a panel per hospital."""
    table = frames.budget
    assert table is not None
    table = table[(table["world"] == "impact") & table["payer_year"].astype(str).str.isdigit()]
    panels = list(dict.fromkeys(table["places"]))
    if not panels:
        return None
    largest = table[table["category"] != "total"].groupby("category")["mean"].apply(lambda s: float(s.abs().sum()))
    shown = [name for name in largest.sort_values(ascending=False).index if largest[name] > 0.0][:6]
    canvas = style.sheet(9.2, 3.4)
    grid = canvas.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    parts = []
    for places, axes in zip(panels, grid, strict=True):
        part = table[table["places"] == places].pivot_table(index="payer_year", columns="category", values="mean") / 1e6
        years = np.arange(1, len(part) + 1)
        up, down = np.zeros(len(part)), np.zeros(len(part))
        for name, ink in zip([*shown, "others"], style.OTHERS, strict=False):
            values = _others(part, shown) if name == "others" else part[name].to_numpy(float)
            base = np.where(values >= 0.0, up, down)
            axes.bar(
                years,
                values,
                bottom=base,
                width=0.7,
                color=ink.light,
                label=_CATEGORIES.get(name) or words.sentence(name.replace("_", " ")),
            )
            up, down = up + np.maximum(values, 0.0), down + np.minimum(values, 0.0)
        axes.plot(years, part["total"].to_numpy(float), color=style.TEXT.light, marker="o", markersize=4, label="Total")
        axes.axhline(0.0, color=style.MUTED.light, linewidth=0.8)
        axes.set_title(f"{places} places".capitalize())
        axes.set_xticks(years)
        totals = ", ".join(f"{value:.1f}" for value in part["total"])
        parts.append(f"{places} places: {totals} millions in years 1 to {len(part)}")
    handles, labels = grid[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside right upper", fontsize=7.5)
    canvas.supxlabel("Payer year", fontsize=9)
    grid[0].set_ylabel(f"Millions of {frames.manifest.get('currency', '')} a year")
    new, displaced = (frames.label(str(frames.manifest.get(key, ""))) for key in ("new", "displaced"))
    caption = f"Undiscounted cost with {new} spreading in the place of {displaced}, minus the cost without it."
    return Drawing(canvas, f"Stacked bars by payer year. {'; '.join(parts)}.", caption)


_CATEGORIES: Final = {"gvhd": "GVHD"}


def _others(part: pd.DataFrame, shown: list[str]) -> np.ndarray:
    rest = [name for name in part.columns if name not in shown and name != "total"]
    return np.asarray(part[rest].sum(axis=1).to_numpy(float))
