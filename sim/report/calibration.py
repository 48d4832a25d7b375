"""Pictures of a calibration: published against model, residuals by study, posterior against prior, pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.report import style
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Parameters in the pair plot, and draws in each of its panels.
PAIRED: Final = 7
SHOWN: Final = 220
#: Normal quantile of a 95 % interval.
Z95: Final = 1.959963984540054


@picture(110, "fit", "Published and emulated", needs=("fit",))
def fit(frames: Frames) -> Drawing:
    """Draw every quantity's model interval over the published one, on a common scale of published standard errors."""
    assert frames.fit is not None
    table = frames.fit[frames.fit["fitted"]].reset_index(drop=True)
    groups = [(str(study), rows) for study, rows in table.groupby("study", sort=False)]
    canvas = style.sheet(9.2, 1.0 + 0.175 * (len(table) + len(groups)))
    axes = canvas.subplots()
    y, ticks, names = 0.0, [], []
    for study, rows in groups:
        axes.text(-6.1, y, study.replace("_", " "), fontweight="bold", va="center", ha="left")
        y += 1.0
        for row in rows.to_dict("records"):
            _bar(axes, row, y)
            ticks.append(y)
            names.append(style.fit(str(row["label"]), 54))
            y += 1.0
    axes.set_yticks(ticks, names, fontsize=7.5)
    axes.set_ylim(y - 0.4, -0.6)
    axes.set_xlim(-6.2, 6.2)
    axes.axvspan(-Z95, Z95, color=style.SHADE.light, zorder=0)
    axes.axvline(0.0, color=style.MUTED.light, linewidth=0.8)
    axes.set_xlabel("Model minus published, in published standard errors (grey: within 1.96)")
    axes.grid(False)
    met = int(table["met"].sum())
    return Drawing(
        canvas,
        f"{met} of {len(table)} quantities lie within their published interval.",
        "Dot: the model at its base case, the posterior mean; line: 95 % of the posterior. Open: misses the published "
        "interval (or 1.96 assumed standard errors).",
    )


def _bar(axes: Axes, row: dict[Any, Any], y: float) -> None:
    ends = np.clip([_z(row, row["model_low"]), _z(row, row["model_high"])], -6.0, 6.0)
    ink = style.GAIN.light if row["met"] else style.LOSE.light
    axes.plot(np.sort(ends), [y, y], color=ink, linewidth=1.6)
    face = ink if row["met"] else style.PAPER.light
    axes.plot([np.clip(row["z"], -6.0, 6.0)], [y], "o", markersize=3.6, color=ink, markerfacecolor=face)


def _z(row: dict[Any, Any], value: float) -> float:
    """Give a model value's distance from the published one in published standard errors, on the quantity's scale."""
    return float((_scaled(row, value) - _scaled(row, row["published"])) / row["se"])


def _scaled(row: dict[Any, Any], value: float) -> float:
    if row["scale"] == "proportion":
        share = min(max(value, 5e-4), 1.0 - 5e-4)
        return float(np.log(share / (1.0 - share)))
    return float(np.log(value)) if row["scale"] == "log" and value > 0 else float(value)


@picture(120, "residuals", "Residuals by study", needs=("fit",))
def residuals(frames: Frames) -> Drawing:
    """Draw each study's residuals: a study on one side of nought conflicts with the others."""
    assert frames.fit is not None
    table = frames.fit[frames.fit["fitted"] & np.isfinite(frames.fit["z"])]
    studies = list(dict.fromkeys(table["study"]))
    canvas = style.sheet(9.2, 1.0 + 0.24 * len(studies))
    axes = canvas.subplots()
    for place, study in enumerate(studies):
        z = np.clip(table.loc[table["study"] == study, "z"].to_numpy(float), -6.0, 6.0)
        offsets = (np.arange(len(z)) % 5 - 2) * 0.09 if len(z) > 1 else np.zeros(1)
        axes.plot(z, place + offsets, "o", markersize=3.5, alpha=0.8, color=style.POLICIES["selective"].ink.light)
    axes.axvspan(-Z95, Z95, color=style.SHADE.light, zorder=0)
    axes.axvline(0.0, color=style.MUTED.light, linewidth=0.8)
    axes.set_yticks(range(len(studies)), [s.replace("_", " ") for s in studies])
    axes.set_ylim(len(studies) - 0.4, -0.6)
    axes.set_xlim(-6.2, 6.2)
    axes.set_xlabel("Model minus published, in published standard errors")
    square = float(np.mean(table["z"] ** 2))
    return Drawing(
        canvas, f"Mean squared residual {square:.2f} over {len(table)} quantities.", "One dot a quantity; clipped at 6."
    )


@picture(130, "posterior", "Posterior against prior", needs=("posterior",))
def posterior(frames: Frames) -> Drawing:
    """Draw posterior intervals on the scale on which every prior is standard normal, best known first."""
    assert frames.posterior is not None
    table = frames.posterior.sort_values("ratio", kind="stable").reset_index(drop=True)
    canvas = style.sheet(9.2, 1.0 + 0.185 * len(table))
    axes = canvas.subplots()
    axes.axvspan(-Z95, Z95, color=style.SHADE.light, zorder=0)
    for place, row in enumerate(table.to_dict("records")):
        ink = style.POLICIES["selective"].ink.light if row["identified"] else style.MUTED.light
        axes.plot([row["score_low"], row["score_high"]], [place, place], color=ink, linewidth=2.2)
        axes.plot([row["score_mean"]], [place], "o", markersize=3.5, color=ink)
    axes.set_yticks(range(len(table)), [str(key).split(".", 1)[1] for key in table["key"]], fontsize=7.5)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlim(-3.6, 3.6)
    axes.grid(False)
    axes.set_xlabel("Prior standard deviations from the prior median (grey: 95 % of the prior)")
    weak = [str(key) for key in table.loc[~table["identified"], "key"]]
    return Drawing(
        canvas,
        f"{len(table) - len(weak)} of {len(table)} parameters are narrower than their prior; not identified: "
        f"{', '.join(weak) or 'none'}.",
        "95 % of the posterior; grey lines are not identified: about as wide as the prior.",
    )


@picture(140, "pairs", "Parameters that are known together", needs=("draws", "posterior"))
def pairs(frames: Frames) -> Drawing | None:
    """Draw the posterior of the parameters that are most correlated, two by two."""
    assert frames.draws is not None
    names = most_correlated(frames.draws, PAIRED)
    if len(names) < 2:
        return None
    step = max(1, len(frames.draws) // SHOWN)
    draws = frames.draws[names].iloc[::step]
    count = len(names)
    canvas = style.sheet(9.2, 9.2)
    grid = canvas.subplots(count, count, squeeze=False)
    for i, down in enumerate(names):
        for j, across in enumerate(names):
            axes = grid[i, j]
            axes.set_visible(j <= i)
            axes.grid(False)
            axes.tick_params(labelsize=6, labelbottom=i == count - 1, labelleft=j == 0 and i > 0)
            if i == j:
                axes.hist(frames.draws[down], bins=24, color=style.POLICIES["selective"].ink.light)
                axes.set_yticks([])
                axes.set_title(down.rpartition(".")[2], fontsize=7)
            elif j < i:
                axes.plot(draws[across], draws[down], ".", markersize=1.8, color=style.TEXT.light, alpha=0.5)
    correlation = frames.draws[names].corr(method="spearman").to_numpy()
    strongest = np.unravel_index(np.argmax(np.abs(np.triu(correlation, 1))), correlation.shape)
    alt = f"Strongest rank correlation {correlation[strongest]:.2f}: {names[strongest[0]]} and {names[strongest[1]]}."
    return Drawing(
        canvas, alt, "Posterior draws of the parameters with the strongest correlations; units of the lines."
    )


def most_correlated(draws: pd.DataFrame, count: int) -> list[str]:
    """Choose the columns that take part in the strongest rank correlations."""
    names = list(draws.columns)
    strength = np.abs(draws.corr(method="spearman").to_numpy())
    order = np.argsort(-np.triu(strength, 1), axis=None, kind="stable")
    chosen: list[str] = []
    for flat in order:
        i, j = divmod(int(flat), len(names))
        if i >= j:
            break
        chosen += [name for name in (names[i], names[j]) if name not in chosen]
        if len(chosen) >= count:
            break
    return sorted(chosen[:count], key=names.index)
