"""Sensitivity as pictures: tornado, two-way map, threshold, structures, sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.report import style
from sim.report.acceptability import curves, key_label, middle, money, priced, with_margin, worth
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd

#: Keys of a sweep with a panel of their own, at most.
PANELS: Final = 6


def _scale(frames: Frames) -> float:
    return 1e3 if priced(frames) else 1.0


def _unit(frames: Frames) -> str:
    return f"thousand {worth(frames)}" if priced(frames) else worth(frames)


@picture(300, "tornado", "Tornado", needs=("tornado",))
def tornado(frames: Frames) -> Drawing | None:
    """Draw the widest swings of incremental net benefit, from each line's low to its high."""
    table = frames.tornado
    assert table is not None
    level = middle(frames)
    rows = table[table["wtp"] == level].head(int(frames.manifest.get("shown", 20)))
    rows = rows[rows["swing"] > 0]
    if rows.empty:
        return None
    scale = _scale(frames)
    canvas = with_margin(style.sheet(9.2, 1.3 + 0.27 * len(rows)))
    axes = canvas.subplots()
    base = float(rows["inc_nmb"].iloc[0]) / scale
    for place, row in enumerate(rows.to_dict("records")):
        for end, ink in (("low", style.LOSE), ("high", style.GAIN)):
            at = row[f"at_{end}"] / scale
            axes.barh(place, at - base, left=base, height=0.62, color=ink.light)
            if row[f"best_{end}"] != row["best"]:
                side = 1 if at >= base else -1
                axes.annotate(
                    "*", (at, place), xytext=(5 * side, -2), textcoords="offset points", va="center", ha="center"
                )
    axes.axvline(base, color=style.TEXT.light, linewidth=0.9)
    low, high = (float(f(rows[["at_low", "at_high"]].to_numpy())) / scale for f in (np.min, np.max))
    if low - (high - low) <= 0 <= high + (high - low):  # farther away it would make every bar a sliver
        axes.axvline(0, color=style.MUTED.light, linewidth=0.7, linestyle=(0, (3, 2)))
    axes.set_yticks(range(len(rows)), _ends(rows), fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    policy, reference = str(rows["policy"].iloc[0]), str(frames.manifest.get("reference"))
    axes.set_xlabel(f"Net benefit of {frames.label(policy)} against {frames.label(reference)} ({_unit(frames)})")
    caption = (
        f"Each parameter at its own low and high, all others at their base case, same patients; willingness to pay "
        f"{money(level)}. Orange: low, green: high; *: another policy is best at that end. "
        "The solid line is the base case."
    )
    return Drawing(canvas, _alt_tornado(frames, rows, level), caption)


def _ends(rows: pd.DataFrame) -> list[str]:
    """Label lines with the ends of their ranges."""
    return [f"{key_label(r['key'], 36)}  {r['low']:.3g} to {r['high']:.3g}" for r in rows.to_dict("records")]


def _alt_tornado(frames: Frames, rows: pd.DataFrame, level: float) -> str:
    parts = [
        f"{r['about']} ({r['low']:g} to {r['high']:g}): {money(r['at_low'])} to {money(r['at_high'])}"
        for r in rows.head(5).to_dict("records")
    ]
    base = money(float(rows["inc_nmb"].iloc[0]))
    return f"Bars of net benefit at willingness to pay {money(level)}, base case {base}. Widest: {'; '.join(parts)}."


@picture(310, "two_way", "Two parameters together", needs=("two_way",))
def two_way(frames: Frames) -> Drawing | None:
    """Map the best policy over the ranges of two parameters."""
    table = frames.two_way
    assert table is not None
    level = middle(frames)
    x, y = (str(name) for name in table.columns[:2])
    best = table[(table["wtp"] == level) & table["best"]]
    return _map(frames, best, x, y, f"willingness to pay {money(level)}", f"inc_nmb_{level:g}", "inc_nmb")


def _map(frames: Frames, best: pd.DataFrame, x: str, y: str, where: str, column: str, fallback: str) -> Drawing:
    names = list(dict.fromkeys(best["policy"]))
    gain = column if column in best.columns else fallback
    cells = best.pivot(index=y, columns=x, values="policy")
    values = best.pivot(index=y, columns=x, values=gain) / _scale(frames)
    canvas = style.sheet(9.2, 2.0 + 0.42 * len(cells))
    axes = canvas.subplots()
    for i, row in enumerate(cells.index):
        for j, col in enumerate(cells.columns):
            policy = cells.loc[row, col]
            own = style.stroke(policy, frames.colour(policy))
            axes.barh(i, 1, left=j - 0.5, height=1, color=own.ink.light, alpha=0.8, edgecolor=style.PAPER.light)
            axes.annotate(
                f"{values.loc[row, col]:.3g}", (j, i), ha="center", va="center", fontsize=7.5, color=_on(own.ink.light)
            )
    axes.set_xticks(range(len(cells.columns)), [_short(v) for v in cells.columns])
    axes.set_yticks(range(len(cells)), [_short(v) for v in cells.index])
    axes.set_xlim(-0.5, len(cells.columns) - 0.5)
    axes.set_ylim(-0.5, len(cells) - 0.5)
    axes.set_xlabel(key_label(x, 60))
    axes.set_ylabel(key_label(y, 40))
    axes.grid(visible=False)
    for policy in names:
        own = style.stroke(policy, frames.colour(policy))
        axes.barh(0, 0, color=own.ink.light, label=frames.label(policy))
    canvas.legend(loc="outside upper left", ncols=4)
    reference = frames.label(str(frames.manifest.get("reference")))
    caption = f"Best policy by colour; numbers: its net benefit against {reference} ({_unit(frames)}); {where}."
    shares = best["policy"].value_counts(normalize=True)
    parts = [f"{frames.label(str(p))} in {100 * s:.0f}% of cells" for p, s in shares.items()]
    return Drawing(canvas, f"Map of the best policy over {x} and {y}: {', '.join(parts)}.", caption)


def _on(ink: str) -> str:
    """Choose dark or light letters for a coloured ground, whichever is read more easily."""
    red, green, blue = (int(ink[i : i + 2], 16) / 255 for i in (1, 3, 5))
    bright = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return style.TEXT.light if bright > 0.2 else style.PAPER.light


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float | np.number) else style.fit(str(value), 18)


@picture(320, "threshold", "Threshold", needs=("threshold_scan",))
def threshold(frames: Frames) -> Drawing | None:
    """Draw net benefits along a parameter's range, and where the best policy changes."""
    table = frames.threshold_scan
    assert table is not None
    level = middle(frames)
    key = str(table.columns[0])
    part = table[table["wtp"] == level].copy()
    part = part[part["policy"].isin(frames.manifest.get("options") or set(part["policy"]))]
    part["inc_nmb"] /= _scale(frames)
    canvas = style.sheet(9.2, 3.6)
    axes = canvas.subplots()
    low, high = float(part["inc_nmb"].min()), float(part["inc_nmb"].max())
    axes.set_ylim(low - 0.05 * (high - low) - 1e-9, high + 0.05 * (high - low) + 1e-9)
    curves(axes, frames, part, key, "inc_nmb")
    found = frames.thresholds
    rows = [] if found is None else found[found["wtp"] == level].to_dict("records")
    for row in rows:
        axes.axvline(row["threshold"], color=style.TEXT.light, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.annotate(
            f"{row['threshold']:.3g}", (row["threshold"], axes.get_ylim()[1]), ha="center", va="bottom", fontsize=8
        )
    axes.set_xlabel(key_label(key, 70))
    axes.set_ylabel(
        f"Net benefit against {style.fit(frames.label(str(frames.manifest.get('reference'))), 18)}\n({_unit(frames)})"
    )
    told = [
        f"from {frames.label(str(r['best_below']))} to {frames.label(str(r['best_above']))} at {r['threshold']:.3g} ± "
        f"{r['se']:.2g}"
        for r in rows
    ]
    what = f"The best policy changes {'; '.join(told)}." if told else "One policy is best along the whole range."
    return Drawing(canvas, f"Net benefit along {key} at willingness to pay {money(level)}. {what}", what)


@picture(330, "structures", "Structures", needs=("structures",))
def structures(frames: Frames) -> Drawing | None:
    """Draw incremental net benefit of every policy under every structure."""
    table = frames.structures
    assert table is not None
    level = middle(frames)
    rows = table[table["outcome"] == f"inc_nmb_{level:g}"]
    names, reference = list(dict.fromkeys(rows["structure"])), frames.manifest.get("reference")
    policies = [p for p in frames.manifest.get("options", []) if p != reference]
    if not policies or not names:
        return None
    canvas = style.sheet(9.2, 1.4 + 0.42 * len(names))
    axes = canvas.subplots()
    for at, policy in enumerate(policies):
        own = style.stroke(policy, frames.colour(policy))
        found = rows[rows["policy"] == policy].set_index("structure").reindex(names)
        place = np.arange(len(names)) + (at - (len(policies) - 1) / 2) * 0.6 / max(len(policies), 1)
        axes.errorbar(
            found["value"] / _scale(frames), place, xerr=1.96 * found["se"] / _scale(frames), fmt=own.marker,
            color=own.ink.light, markersize=4, elinewidth=0.9, linestyle="none", label=frames.label(policy),
        )  # fmt: skip
    axes.axvline(0, color=style.MUTED.light, linewidth=0.8)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"Net benefit against {frames.label(str(reference))} ({_unit(frames)})")
    canvas.legend(loc="outside upper left", ncols=4)
    best = table[(table["outcome"] == f"inc_nmb_{level:g}") & table[f"best_{level:g}"]]
    told = [f"{r['structure'].replace('_', ' ')}: {frames.label(r['policy'])}" for r in best.to_dict("records")]
    caption = (
        f"The answer under each structure that the data cannot tell apart; willingness to pay {money(level)}; bars: "
        "95% Monte-Carlo intervals. No average is taken."
    )
    return Drawing(canvas, f"Best policy by structure. {'; '.join(told)}.", caption)


@picture(340, "sweep", "Sweep", needs=("sweep",))
def sweep(frames: Frames) -> Drawing | None:
    """Draw a sweep: a map of the best policy over two keys, else net benefit along every key."""
    table = frames.sweep
    assert table is not None
    keys = [str(key) for key in frames.manifest.get("keys", [])]
    level = middle(frames)
    gain = f"inc_nmb_{level:g}"
    if not keys or gain not in table.columns:
        return None
    counts = [table[key].nunique() for key in keys]
    if len(keys) == 2 and int(np.prod(counts)) == table["cell"].nunique():
        return _map(
            frames, table[table[f"best_{level:g}"]], keys[0], keys[1], f"willingness to pay {money(level)}", gain, gain
        )
    if set(table["policy"]) == {frames.manifest.get("reference")}:
        gain = str(frames.manifest.get("effect"))
    return _panels(frames, table, keys[:PANELS], gain)


def _panels(frames: Frames, table: pd.DataFrame, keys: list[str], gain: str) -> Drawing:
    """Draw mean net benefit of each policy along every key, over all other keys."""
    columns = min(3, len(keys))
    lines = -(-len(keys) // columns)
    canvas = style.sheet(9.2, 0.8 + 2.5 * lines)
    grid = canvas.subplots(lines, columns, sharey=True, squeeze=False)
    alone = not gain.startswith("inc_nmb")
    policies = [p for p in frames.policies if alone or p != frames.manifest.get("reference")]
    scale, unit = (1.0, str(frames.manifest.get("effect_unit"))) if alone else (_scale(frames), _unit(frames))
    for at, axes in enumerate(grid.flat):
        axes.set_visible(at < len(keys))
        if at >= len(keys):
            continue
        for policy in policies:
            part = table[table["policy"] == policy]
            x, y = _averaged(part, keys[at], gain)
            own = style.stroke(policy, frames.colour(policy))
            look = style.line(policy, frames.colour(policy))
            axes.plot(x, np.asarray(y) / scale, marker=own.marker, markersize=3.5, linewidth=1.2, **look,
                      label=frames.label(policy) if at == 0 else None)  # fmt: skip
        if not alone:
            axes.axhline(0, color=style.MUTED.light, linewidth=0.7)
        axes.set_xlabel(key_label(keys[at], 38), fontsize=7.5)
        axes.tick_params(axis="x", labelrotation=0 if len(set(table[keys[at]])) < 7 else 45)
    against = frames.label(str(frames.manifest.get("reference")))
    canvas.supylabel(f"{unit}s per patient" if alone else f"Net benefit against {against} ({unit})", fontsize=9)
    canvas.legend(loc="outside upper left", ncols=4)
    caption = f"Means over the other keys of the sweep; {table['cell'].nunique():,} cells, the same patients in each."
    last = table[table["cell"] == table["cell"].max()].sort_values(gain).iloc[-1]
    return Drawing(
        canvas,
        f"Net benefit along {', '.join(keys)}. In the last cell {frames.label(last['policy'])} is best.",
        caption,
    )


def _averaged(part: pd.DataFrame, key: str, gain: str) -> tuple[Any, Any]:
    """Average over cells with the same value of a key; many values are put into ten groups."""
    import pandas as pd

    values = part[key]
    if values.nunique() > 12 and values.dtype.kind in "if":
        groups = part.groupby(pd.qcut(values, 10, duplicates="drop"), observed=True)
        return groups[key].mean().to_numpy(), groups[gain].mean().to_numpy()
    means = part.groupby(key)[gain].mean()
    labels = means.index if values.dtype.kind in "if" else [style.fit(str(value), 16) for value in means.index]
    return list(labels), means.to_numpy()


@picture(350, "sensitivity", "Global sensitivity", needs=("sensitivity",))
def sensitivity(frames: Frames) -> Drawing | None:
    """Draw first-order and total Sobol indices of incremental net benefit."""
    table = frames.sensitivity
    assert table is not None
    outcome = f"inc_nmb_{middle(frames):g}"
    policies = [p for p in frames.manifest.get("options", []) if p != frames.manifest.get("reference")]
    part = table[(table["outcome"] == outcome) & table["policy"].isin(policies)]
    if part["total"].isna().all():
        return None
    keys = list(dict.fromkeys(part["key"]))
    canvas, panels = style.panels(len(policies), 4, 0.5 + 0.3 * len(keys), 0.8)
    with_margin(canvas)
    told = []
    for axes, policy in zip(panels, policies, strict=True):
        rows = part[part["policy"] == policy].set_index("key").reindex(keys)
        own = style.stroke(policy, frames.colour(policy))
        axes.barh(range(len(keys)), rows["total"], color=own.ink.light, alpha=0.35, height=0.7)
        axes.barh(range(len(keys)), rows["first"], color=own.ink.light, height=0.4)
        axes.set_yticks(range(len(keys)), [key_label(key, 26) for key in keys], fontsize=7.5)
        axes.set_ylim(len(keys) - 0.4, -0.6)
        axes.set_xlim(0, 1.05)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        style.name_panel(axes, frames.label(policy), own)
        top = rows["total"].idxmax() if rows["total"].notna().any() else "nothing"
        told.append(f"{frames.label(policy)}: {top}")
    caption = (
        "Share of the variance of net benefit against the reference that each key explains by itself (dark) and "
        "together with all others (light): Sobol indices over the ranges of the sweep."
    )
    return Drawing(canvas, f"Bars of Sobol indices. Largest total index: {'; '.join(told)}.", caption)
