"""What lives cost and are worth, as pictures: the plane with its frontier, costs by category and time, net benefit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.report import style
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Which categories of cost are drawn together (names of `style.COSTS`).
GROUPS: Final[dict[str, str]] = {
    "product": "product",
    "preparation": "infusion and its toxicity",
    "hospital": "infusion and its toxicity",
    "toxicity": "infusion and its toxicity",
    "infection": "infection and immunoglobulin",
    "immunoglobulin": "infection and immunoglobulin",
    "monitoring": "monitoring",
    "transplant": "transplant and GVHD",
    "gvhd": "transplant and GVHD",
    "reinfusion": "reinfusion and maintenance",
    "maintenance": "reinfusion and maintenance",
    "salvage": "salvage",
    "late_effects": "late effects and end of life",
    "end_of_life": "late effects and end of life",
}
_OTHER: Final = "beyond treatment"
#: Where a lifetime is drawn on the time axis, as a multiple of the last period's end.
_LIFETIME: Final = 1.25


def currency(frames: Frames) -> str:
    """Give the currency and price year in which the run's results are stated."""
    economics = frames.manifest.get("economics")
    return str(economics.get("currency", "")) if isinstance(economics, dict) else ""


def perspective(frames: Frames) -> str:
    """Give the perspective in which the run's answers are given."""
    economics = frames.manifest.get("economics")
    return str(economics.get("perspective", "payer")) if isinstance(economics, dict) else "payer"


@picture(70, "frontier", "Cost-effectiveness plane and frontier", needs=("incremental",))
def frontier(frames: Frames) -> Drawing | None:
    """Draw every option's cost and QALYs with their errors, and the line that joins the frontier."""
    table = frames.incremental
    assert table is not None
    canvas = style.sheet(9.2, 5.0)
    axes = canvas.subplots()
    line = table[table["status"] == "ND"].sort_values("cost")
    axes.plot(line["effect"], line["cost"] / 1000, color=style.MUTED.light, linewidth=1.1, zorder=1)
    rows = table.sort_values("option").to_dict("records")
    for row in rows:
        own = style.stroke(row["option"], frames.colour(row["option"]))
        filled = row["status"] == "ND"
        axes.errorbar(
            row["effect"],
            row["cost"] / 1000,
            xerr=1.96 * row["effect_se"],
            yerr=1.96 * row["cost_se"] / 1000,
            fmt=own.marker,
            color=own.ink.light,
            mfc=own.ink.light if filled else style.PAPER.light,
            markersize=7,
            elinewidth=0.7,
            zorder=2,
        )
    _label_points(axes, frames, rows)
    axes.set_xlabel(f"Discounted QALYs per patient since {frames.origin}")
    axes.set_ylabel(f"Discounted cost per patient (thousand {currency(frames)})")
    axes.grid(axis="x")
    caption = (
        "Filled: on the efficient frontier (joined by the line); hollow: dominated, or extendedly dominated. Bars are "
        "95% Monte-Carlo intervals of each mean; since every patient lives under every policy, differences are known "
        "better than the bars suggest (see the table)."
    )
    parts = [f"{frames.label(r['option'])}: {r['cost']:,.0f}, {r['effect']:.2f} QALYs ({r['status']})" for r in rows]
    return Drawing(canvas, f"Costs against QALYs of {len(rows)} options. {'; '.join(parts)}.", caption)


def _label_points(axes: Axes, frames: Frames, rows: list[dict[Any, Any]]) -> None:
    cost = [float(r["cost"]) / 1000 for r in rows]
    low, high = axes.get_ylim()
    places = style.apart(cost, gap=0.045 * (high - low), low=low, high=high)
    right = axes.get_xlim()[1]
    for row, at, place in zip(rows, cost, places, strict=True):
        own = style.stroke(row["option"], frames.colour(row["option"]))
        axes.annotate(
            style.fit(frames.label(row["option"]), 26),
            (float(row["effect"]), at),
            xytext=(right, place),
            textcoords="data",
            color=own.ink.light,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": style.GRID.light, "linewidth": 0.6},
        )


@picture(71, "cost_categories", "Cost by category", needs=("costs",))
def cost_categories(frames: Frames) -> Drawing | None:
    """Draw mean discounted cost per patient, stacked by groups of categories."""
    table = _costs(frames)
    table = table[(table["period"] == "total") & (table["category"] != "total")]
    policies = [p for p in frames.policies if (table["policy"] == p).any()]
    if not policies:
        return None
    groups = table.assign(group=[GROUPS.get(c, _OTHER) for c in table["category"]])
    means = groups.groupby(["policy", "group"])["mean"].sum() / 1000
    shown = [g for g in style.COSTS if any(means.get((p, g), 0.0) > 0 for p in policies)]
    if not shown:  # nobody is counted, or nothing costs anything
        return None
    canvas = style.sheet(9.2, 1.6 + 0.36 * len(policies))
    axes = canvas.subplots()
    left = np.zeros(len(policies))
    for group in shown:
        widths = np.array([float(means.get((p, group), 0.0)) for p in policies])
        axes.barh(range(len(policies)), widths, left=left, color=style.COSTS[group].light, height=0.64, label=group)
        left += widths
    for place, total in enumerate(left):
        axes.annotate(f"{total:,.0f}", (total, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(policies)), [style.fit(frames.label(p), 34) for p in policies])
    axes.set_ylim(len(policies) - 0.4, -0.6)
    axes.set_xlim(0, 1.1 * max(float(left.max()), 1e-9))
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"Discounted cost per patient (thousand {currency(frames)}), {perspective(frames)} perspective")
    canvas.legend(loc="outside upper center", ncols=3)
    parts = []
    for place, policy in enumerate(policies):
        most = max(shown, key=lambda g: float(means.get((policy, g), 0.0)))
        parts.append(f"{frames.label(policy)}: {left[place]:,.0f} thousand, most of it {most}")
    caption = "Mean discounted cost per patient over a lifetime. costs.csv holds every category, period and error."
    return Drawing(canvas, f"Stacked bars of cost. {'; '.join(parts)}.", caption)


@picture(72, "cost_time", "Cost over time", needs=("costs",))
def cost_time(frames: Frames) -> Drawing | None:
    """Draw the cost that has built up by the end of every period."""
    table = _costs(frames)
    table = table[(table["category"] == "total") & (table["period"] != "total")]
    policies = [p for p in frames.policies if (table["policy"] == p).any()]
    ends = sorted({float(str(p).rsplit("-", 1)[-1]) for p in table["period"] if "-" in str(p)})
    if not policies or not ends:
        return None
    canvas = style.sheet(9.2, 4.4)
    axes = canvas.subplots()
    lifetime = ends[-1] * _LIFETIME
    last: dict[str, float] = {}
    for policy in policies:
        rows = table[table["policy"] == policy]
        order = sorted(zip(rows["period"], rows["mean"], strict=True), key=lambda pair: _end(str(pair[0])))
        built = np.cumsum([0.0, *(float(mean) for _, mean in order)]) / 1000
        axes.plot([0.0, *ends, lifetime], built, marker="o", markersize=3, **style.line(policy, frames.colour(policy)))
        last[policy] = float(built[-1])
    names = sorted(last, key=lambda p: last[p])
    low, high = axes.get_ylim()
    places = style.apart([last[p] for p in names], gap=0.05 * (high - low), low=low, high=high)
    for policy, place in zip(names, places, strict=True):
        own = style.stroke(policy, frames.colour(policy))
        label = style.fit(frames.label(policy), 26)
        axes.text(lifetime * 1.03, place, label, color=own.ink.light, va="center", fontsize=8)
    axes.set_xlim(0, lifetime)
    axes.set_xticks([*ends, lifetime], [*(f"{e:g}" for e in ends), "life"])
    axes.set_xlabel(f"Years since {frames.origin}")
    axes.set_ylabel(f"Discounted cost so far (thousand {currency(frames)})")
    first = {p: float(_costs_by(table, p).get(f"0-{ends[0]:g}", math.nan)) for p in policies}
    parts = [f"{frames.label(p)}: {first[p]:,.0f} in the first period, {1000 * last[p]:,.0f} in all" for p in policies]
    caption = (
        "Mean discounted cost per patient that has built up by the end of each period; the last point is a lifetime."
    )
    return Drawing(canvas, f"Lines of cost over time. {'; '.join(parts)}.", caption)


@picture(73, "net_benefit", "Net benefit by willingness to pay", needs=("nmb",))
def net_benefit(frames: Frames) -> Drawing | None:
    """Draw the net benefit against the reference by willingness to pay, with its Monte-Carlo band."""
    table = frames.nmb
    assert table is not None
    options = [p for p in frames.policies if (table["option"] == p).any()]
    options += [o for o in sorted(table["option"].unique()) if o not in options]
    levels = sorted(table["wtp"].unique())
    against = table.loc[table["inb_se"] == 0, "option"]
    if len(options) < 2 or len(levels) < 2 or against.empty:
        return None
    reference = str(against.mode().iloc[0])
    canvas = style.sheet(9.2, 4.4)
    axes = canvas.subplots()
    last: dict[str, float] = {}
    for option in options:
        rows = table[table["option"] == option].sort_values("wtp")
        x, y = rows["wtp"].to_numpy(float) / 1000, rows["inb"].to_numpy(float) / 1000
        error = 1.96 * rows["inb_se"].to_numpy(float) / 1000
        look = style.line(option, frames.colour(option))
        axes.plot(x, y, **look)
        axes.fill_between(x, y - error, y + error, color=look["color"], alpha=0.12, linewidth=0)
        last[option] = float(y[-1])
    names = sorted(last, key=lambda p: last[p])
    low, high = axes.get_ylim()
    places = style.apart([last[p] for p in names], gap=0.05 * (high - low), low=low, high=high)
    left, right = levels[0] / 1000, levels[-1] / 1000
    for option, place in zip(names, places, strict=True):
        own = style.stroke(option, frames.colour(option))
        where = right + 0.03 * (right - left)
        axes.text(where, place, style.fit(frames.label(option), 26), color=own.ink.light, va="center", fontsize=8)
    axes.set_xlim(left, right)
    axes.set_xlabel(f"Willingness to pay for a QALY (thousand {currency(frames)})")
    axes.set_ylabel(f"Net benefit against {frames.label(reference)} (thousand)")
    top = table[(table["wtp"] == levels[-1]) & (table["rank"] == 1)]["option"].iloc[0]
    parts = [f"{frames.label(o)}: {last[o]:+,.0f} thousand" for o in options]
    caption = (
        f"Mean net monetary benefit per patient minus that of {frames.label(reference)}, on the same patients; bands "
        "are 95% Monte-Carlo intervals. The highest line is the best buy at that willingness to pay."
    )
    alt = f"Lines of net benefit. At {levels[-1]:,.0f} the best is {frames.label(str(top))}; {'; '.join(parts)}."
    return Drawing(canvas, alt, caption)


def _costs(frames: Frames) -> pd.DataFrame:
    """Give the discounted rows of the run's own perspective."""
    table = frames.costs
    assert table is not None
    return table[(table["perspective"] == perspective(frames)) & (table["discounted"] == 1)]


def _costs_by(table: pd.DataFrame, policy: str) -> dict[str, float]:
    rows = table[table["policy"] == policy]
    return dict(zip(rows["period"].astype(str), rows["mean"].astype(float), strict=True))


def _end(period: str) -> float:
    return float(period.rsplit("-", 1)[-1]) if "-" in period else math.inf
