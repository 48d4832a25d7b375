"""Value of information as pictures: what is most worth knowing, and which study pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.report import style
from sim.report.acceptability import key_label, middle, money, with_margin, worth
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture

if TYPE_CHECKING:
    import pandas as pd

_STUDY_INKS = (style.POLICIES["selective"], style.POLICIES["hct_for_all"], style.POLICIES["reinfusion"],
               style.POLICIES["maintenance"], style.POLICIES["hybrid"])  # fmt: skip


@picture(400, "voi_parameters", "What is worth knowing", needs=("voi_evppi",))
def parameters(frames: Frames) -> Drawing | None:
    """Draw EVPPI of groups and of the parameters of highest value, with the EVPI as the limit."""
    table = frames.voi_evppi
    assert table is not None
    level = middle(frames)
    table = table[table["wtp"] == level]
    groups = table[table["kind"] == "group"].nlargest(12, "evppi")
    single = table[(table["kind"] == "parameter") & (table["method"] != "gp")]
    single = single.nlargest(int(frames.manifest.get("shown", 20)), "evppi")
    parts = [(name, part) for name, part in (("Groups", groups), ("Parameters", single)) if len(part)]
    if not parts:
        return None
    canvas = with_margin(style.sheet(9.2, 1.4 + 0.25 * sum(len(part) + 2 for _, part in parts)))
    grid = canvas.subplots(len(parts), 1, sharex=True, squeeze=False, height_ratios=[len(p) + 1 for _, p in parts])[
        :, 0
    ]
    perfect = _perfect(frames, level)
    for axes, (name, part) in zip(grid, parts, strict=True):
        axes.barh(
            range(len(part)), part["evppi"], xerr=part["se"], color=style.POLICIES["selective"].ink.light, height=0.62,
            ecolor=style.MUTED.light, error_kw={"linewidth": 0.9},
        )  # fmt: skip
        axes.set_yticks(range(len(part)), [key_label(str(of), 42) for of in part["of"]], fontsize=7.5)
        axes.set_ylim(len(part) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_title(name)
        axes.set_xlim(left=0)
        if perfect is not None:
            axes.set_xlim(right=1.05 * max(perfect, float((part["evppi"] + part["se"]).max())))
            axes.axvline(perfect, color=style.TEXT.light, linestyle=(0, (4, 2)), linewidth=1.0)
    grid[-1].set_xlabel(f"Expected value of knowing it, per patient ({worth(frames)}); bars: ± standard error")
    grid[-1].xaxis.set_major_formatter(lambda x, _: money(x))
    caption = (
        f"Expected value of partial perfect information at a willingness to pay of {money(level)}, by regression; "
        "dashed: the value of knowing everything. Groups are valued together, so they are worth more than their parts."
    )
    return Drawing(canvas, _alt(groups, single, level, perfect), caption)


def _perfect(frames: Frames, level: float) -> float | None:
    table = frames.voi_evpi
    if table is None:
        return None
    found = table[table["wtp"] == level]
    return float(found["evpi"].iloc[0]) if len(found) else None


def _alt(groups: pd.DataFrame, single: pd.DataFrame, level: float, perfect: float | None) -> str:
    parts = [
        f"{row['of']}: {money(row['evppi'])} ± {money(row['se'])}"
        for part in (groups.head(4), single.head(5))
        for row in part.to_dict("records")
    ]
    whole = "" if perfect is None else f" Everything: {money(perfect)}."
    return f"Bars of the value of information at willingness to pay {money(level)}.{whole} {'; '.join(parts)}."


@picture(410, "voi_studies", "Which study pays", needs=("voi_evsi",))
def studies(frames: Frames) -> Drawing | None:
    """Draw the expected net benefit of sampling of every study by its size."""
    table = frames.voi_evsi
    assert table is not None
    level = middle(frames)
    table = table[table["wtp"] == level]
    if table.empty:
        return None
    canvas = style.sheet(9.2, 3.6)
    axes = canvas.subplots()
    labels, told = dict(frames.manifest.get("studies") or {}), []
    for at, (study, part) in enumerate(table.groupby("study", sort=True)):
        own = _STUDY_INKS[at % len(_STUDY_INKS)]
        axes.errorbar(
            part["size"], part["enbs"] / 1e6, yerr=part["se"] / 1e6, marker=own.marker, color=own.ink.light,
            linewidth=1.4, markersize=5, elinewidth=0.8, label=style.fit(str(labels.get(study, study)), 60),
        )  # fmt: skip
        best = part.sort_values("enbs").iloc[-1]
        verdict = "pays" if best["enbs"] > 0 else "does not pay"
        told.append(
            f"{labels.get(study, study)} {verdict}: at best {money(best['enbs'])} with {int(best['size'])} patients"
        )
    axes.axhline(0, color=style.MUTED.light, linewidth=0.9)
    axes.set_xscale("log")
    sizes = sorted(set(table["size"]))
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("Patients in the study")
    axes.set_ylabel(f"Expected net benefit of\nsampling (million {worth(frames)})")
    canvas.legend(loc="outside upper left", ncols=1)
    whom = frames.manifest.get("population") or {}
    caption = (
        f"What the data are worth to {whom.get('per_year', 0):g} patients a year over "
        f"{whom.get('horizon_years', 0):g} years (discounted at {100 * whom.get('rate', 0):g}% a year; "
        f"{whom.get('source', '')}), from the study's end on, less its cost; "
        f"willingness to pay {money(level)}; bars: ± standard error."
    )
    return Drawing(canvas, f"{'; '.join(told)}.", caption)
