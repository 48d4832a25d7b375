"""Decisions under uncertainty as pictures: the cost-effectiveness plane, acceptability, expected loss, convergence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.report import style
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

#: Draws shown as points, at most: the first of them, which are spread as evenly as all.
POINTS: Final = 250


def money(value: float) -> str:
    """Shorten an amount: 1.2M, 340k."""
    size = abs(value)
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def key_label(key: str, width: int) -> str:
    """Shorten a dotted key from its beginning: its last part says most."""
    key = key.removesuffix(".value")
    return key if len(key) <= width else f"…{key[1 - width :]}"


def with_margin(canvas: Canvas) -> Canvas:
    """Leave room at the left for long labels, which the layout measures a little short."""
    canvas.set_layout_engine("constrained", rect=(0.03, 0.0, 0.97, 1.0))
    return canvas


def middle(frames: Frames) -> float:
    """Choose the threshold of willingness to pay that pictures show where they show one."""
    levels = sorted(float(level) for level in frames.manifest.get("wtp") or [1.0])
    return levels[(len(levels) - 1) // 2]


def worth(frames: Frames) -> str:
    """Name the unit of net benefit: the currency, or the effect where nothing is priced."""
    return str(frames.manifest.get("currency") or f"{frames.manifest.get('effect_unit', '')}s")


def priced(frames: Frames) -> bool:
    """Tell whether the run has prices."""
    return frames.manifest.get("currency") is not None


def curves(axes: Axes, frames: Frames, table: pd.DataFrame, x: str, y: str) -> None:
    """Draw one curve per policy, named at its right end."""
    ends, names = [], []
    for policy, part in table.groupby("policy", sort=True):
        own = style.stroke(str(policy), frames.colour(str(policy)))
        axes.plot(part[x], part[y], **style.line(str(policy), frames.colour(str(policy))), linewidth=1.5)
        ends.append(float(part[y].iloc[-1]))
        names.append((frames.label(str(policy)), own.ink.light))
    low, high = axes.get_ylim()
    places = style.apart(ends, (high - low) / 16, low, high)
    right = float(table[x].max())
    axes.set_xlim(float(table[x].min()), right)
    for place, (name, ink) in zip(places, names, strict=True):
        axes.annotate(
            style.fit(name, 22), (right, place), xytext=(5, 0), textcoords="offset points", va="center", color=ink,
            fontsize=8, annotation_clip=False,
        )  # fmt: skip


@picture(200, "psa_plane", "Cost-effectiveness plane", needs=("psa",))
def plane(frames: Frames) -> Drawing | None:
    """Draw increments of cost and effect against the reference, a panel per policy, a point per draw."""
    reference, effect = frames.manifest.get("reference"), str(frames.manifest.get("effect"))
    table = frames.psa
    assert table is not None
    if not priced(frames) or reference not in set(table["policy"]):
        return None
    costs, effects = (table.pivot(index="draw", columns="policy", values=name) for name in ("cost", effect))
    others = [p for p in frames.manifest.get("options", []) if p != reference and p in costs.columns]
    if not others:
        return None
    canvas, panels = style.panels(len(others), 4, 2.0, 0.9)
    level, told = middle(frames), []
    for axes, policy in zip(panels, others, strict=True):
        own = style.stroke(policy, frames.colour(policy))
        x, y = effects[policy] - effects[reference], (costs[policy] - costs[reference]) / 1e3
        axes.axhline(0, color=style.MUTED.light, linewidth=0.7)
        axes.axvline(0, color=style.MUTED.light, linewidth=0.7)
        axes.plot(x[:POINTS], y[:POINTS], own.marker, markersize=2.2, color=own.ink.light, alpha=0.45, linestyle="none")
        axes.plot(x.mean(), y.mean(), "o", markersize=6, color=own.ink.light, markeredgecolor=style.PAPER.light)
        axes.axline((0, 0), slope=level / 1e3, color=style.MUTED.light, linestyle=(0, (4, 2)), linewidth=0.9)
        style.name_panel(axes, frames.label(policy), own)
        share = float((level * x - 1e3 * y > 0).mean())
        told.append(
            f"{frames.label(policy)}: {x.mean():+.2f} {frames.manifest['effect_unit']}, {money(1e3 * y.mean())}, "
            f"worth it in {100 * share:.0f}% of draws"
        )
    canvas.supxlabel(f"{frames.manifest['effect_unit']}s gained per patient", fontsize=9)
    canvas.supylabel(f"Cost added per patient (thousand {worth(frames)})", fontsize=9)
    caption = (
        "Each point is one joint draw of all uncertain parameters; increments against "
        f"{frames.label(str(reference))} on the same patients, discounted. Large point: mean. Dashed: {money(level)} "
        f"per {frames.manifest['effect_unit']}; below and right of it a policy is worth its cost."
    )
    return Drawing(canvas, f"Scatter of increments. {'; '.join(told)}.", caption)


@picture(210, "psa_acceptability", "Acceptability and expected loss", needs=("psa_acceptability",))
def acceptability(frames: Frames) -> Drawing | None:
    """Draw acceptability curves with their frontier, and the expected loss of each policy with the EVPI below."""
    table = frames.psa_acceptability
    assert table is not None
    if table["wtp"].nunique() < 2:
        return _bars(frames, table)
    canvas = style.sheet(9.2, 6.4)
    above, below = canvas.subplots(2, 1, sharex=True)
    above.set_ylim(0, 1)
    shown = table.assign(wtp=table["wtp"] / 1e3)
    curves(above, frames, shown, "wtp", "probability")
    best = shown[shown["best"]].drop_duplicates("wtp")
    above.plot(
        best["wtp"], best["probability"], color=style.TEXT.light, linewidth=3.2, alpha=0.35, solid_capstyle="round"
    )
    style.percent_axis(above, "Best in so many draws (%)")
    below.set_ylim(0, float(shown["expected_loss"].quantile(0.95)) / 1e3 * 1.05 or 1.0)
    curves(below, frames, shown.assign(expected_loss=shown["expected_loss"] / 1e3), "wtp", "expected_loss")
    least = shown.groupby("wtp")["expected_loss"].min()
    below.plot(least.index, least / 1e3, color=style.TEXT.light, linewidth=3.2, alpha=0.35)
    below.set_ylabel(f"Expected loss per patient (thousand {worth(frames)})")
    below.set_xlabel(f"Willingness to pay per {frames.manifest.get('effect_unit')} (thousand {worth(frames)})")
    for level in frames.manifest.get("wtp", []):
        for axes in (above, below):
            axes.axvline(level / 1e3, color=style.GRID.light, linewidth=1.0, zorder=0)
    caption = (
        "Above: the share of draws in which each policy has the highest net benefit; the wide grey line follows the "
        "policy of highest expected net benefit (acceptability frontier). Below: what each policy is expected to lose "
        "against the best choice of each draw; the lowest loss (wide line) is the value of perfect information. "
        "Vertical lines: thresholds of the profile."
    )
    return Drawing(canvas, _alt(frames, table, middle(frames)), caption)


def _bars(frames: Frames, table: pd.DataFrame) -> Drawing:
    """Draw the shares of draws in which each policy is best, where there is one level only."""
    canvas = style.sheet(9.2, 1.0 + 0.34 * len(table))
    axes = canvas.subplots()
    rows = table.sort_values("nmb", ascending=False).to_dict("records")
    for place, row in enumerate(rows):
        own = style.stroke(row["policy"], frames.colour(row["policy"]))
        error = 196 * row["probability_se"]
        axes.barh(
            place, 100 * row["probability"], xerr=error, color=own.ink.light, height=0.6, ecolor=style.MUTED.light
        )
    axes.set_yticks(range(len(rows)), [style.fit(frames.label(row["policy"]), 30) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"Highest {frames.manifest.get('effect_unit')} in so many draws (%)")
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    caption = "Share of joint draws of all uncertain parameters in which each policy is best; bars: 95% intervals."
    return Drawing(canvas, _alt(frames, table, float(table["wtp"].iloc[0])), caption)


def _alt(frames: Frames, table: pd.DataFrame, level: float) -> str:
    rows = table[table["wtp"] == level].sort_values("probability", ascending=False).to_dict("records")
    parts = [
        f"{frames.label(r['policy'])}: best in {100 * r['probability']:.0f}% (± {100 * r['probability_se']:.0f}) of "
        f"draws, expected loss {money(r['expected_loss'])}"
        for r in rows
    ]
    return f"At a willingness to pay of {money(level)}. {'; '.join(parts)}."


@picture(220, "psa_convergence", "Convergence", needs=("psa_convergence",))
def convergence(frames: Frames) -> Drawing | None:
    """Draw how net benefit and acceptability settle as draws are added."""
    table = frames.psa_convergence
    assert table is not None
    level = middle(frames)
    table = table[table["wtp"] == level]
    if table["draws"].nunique() < 2:
        return None
    canvas = style.sheet(9.2, 5.4)
    above, below = canvas.subplots(2, 1, sharex=True)
    final = table[table["draws"] == table["draws"].max()]
    best = str(final.sort_values("nmb")["policy"].iloc[-1])
    others = table.pivot(index="draws", columns="policy", values="nmb")
    gap = others.sub(others[best], axis=0) / (1e3 if priced(frames) else 1.0)
    long = gap.reset_index().melt(id_vars="draws", var_name="policy", value_name="gap")
    spread = max(float(np.abs(gap.iloc[len(gap) // 4 :].to_numpy()).max()), 1e-9)
    above.set_ylim(-1.25 * spread, 0.4 * spread)
    curves(above, frames, long, "draws", "gap")
    unit = f"{'thousand ' if priced(frames) else ''}{worth(frames)}"
    above.set_ylabel(f"Net benefit less that of\n{style.fit(frames.label(best), 26)} ({unit})")
    below.set_ylim(0, 1)
    curves(below, frames, table, "draws", "probability")
    style.percent_axis(below, "Best in so many draws (%)")
    below.set_xlabel("Draws")
    caption = (
        f"Running means at a willingness to pay of {money(level)}: curves that are level at the right say that more "
        "draws would change nothing."
    )
    return Drawing(canvas, _alt_convergence(frames, table, best), caption)


def _alt_convergence(frames: Frames, table: pd.DataFrame, best: str) -> str:
    half = table[table["draws"] <= table["draws"].max() / 2]
    rows: dict[str, Any] = {}
    for name, part in (
        ("half", half[half["draws"] == half["draws"].max()]),
        ("all", table[table["draws"] == table["draws"].max()]),
    ):
        found = part[part["policy"] == best]
        rows[name] = float(found["probability"].iloc[0]) if len(found) else float("nan")
    return (
        f"Running means over draws. {frames.label(best)} is best in {100 * rows['half']:.0f}% of the first half of the "
        f"draws and in {100 * rows['all']:.0f}% of all."
    )
