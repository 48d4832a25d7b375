"""Who gains and who loses: shares of patients better or worse off than under the reference, and gains by stratum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture
from sim.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import pandas as pd

#: The measure that decides who gains: the first of these that the paired frame holds for individuals.
_MEASURES: Final = (("life_years", None), ("os", 60.0), ("efs", 60.0))
#: Observable strata: columns of the patients frame, beside age.
STRATA: Final = ("prior_hct", "burden_class", "blinatumomab", "kmt2ar", "donor")
#: Strata smaller than this are not shown.
SMALLEST: Final = 20
#: Policies compared by stratum, at most: those with the largest gain or loss.
_COMPARED: Final = 3


class Gain(NamedTuple):
    """Mean paired difference in a stratum, with its Monte-Carlo standard error, in years."""

    label: str
    patients: int
    difference: float
    error: float


@picture(50, "gains", "Who gains and who loses", needs=("paired",))
def gains(frames: Frames) -> Drawing | None:
    """Draw the shares of patients who gain and lose, one bar per policy, losses to the left."""
    measure, months, rows = _decisive(frames)
    if rows is None:
        return None
    canvas = style.sheet(9.2, 1.25 + 0.36 * len(rows))
    axes = canvas.subplots()
    for place, row in enumerate(rows.to_dict("records")):
        for side, ink in ((-100 * row["lose"], style.LOSE), (100 * row["gain"], style.GAIN)):
            axes.barh(place, side, color=ink.light, height=0.62)
            axes.annotate(
                f"{abs(side):.1f}%",
                (side, place),
                xytext=(4 if side >= 0 and ink is style.GAIN else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if ink is style.GAIN else "right",
                fontsize=8.5,
            )
    axes.axvline(0, color=style.MUTED.light, linewidth=0.8)
    reach = 100 * float(np.nanmax(rows[["gain", "lose"]].to_numpy(float)))
    axes.set_xlim(-1.18 * max(reach, 1), 1.18 * max(reach, 1))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [style.fit(frames.label(p), 34) for p in rows["policy"]])
    axes.xaxis.set_major_formatter(lambda x, _: f"{abs(x):.0f}")
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Patients (%)")
    axes.set_title("← lose", loc="left", color=style.LOSE.light)
    axes.set_title("gain →", loc="right", color=style.GAIN.light)
    what = words.measure_name(measure) + (f" at {months:.0f} months" if months else "")
    caption = (
        f"Patients who do worse or better in {what} than the same patient under "
        f"{frames.label(frames.reference or '')}; the rest see no difference. Which individuals gain depends on how "
        "the random numbers of a patient's lives are coupled: decide on strata that can be observed, not on this count."
    )
    return Drawing(canvas, _alt(frames, rows, what), caption)


@picture(60, "strata", "Gain in life-years by what is known beforehand", needs=("patients",))
def strata(frames: Frames) -> Drawing | None:
    """Draw the mean paired gain in life-years per stratum, for the policies that differ most from the reference."""
    results = compared(frames)
    if not results:
        return None
    labels = [g.label for g in next(iter(results.values()))]
    canvas = style.sheet(9.2, 1.3 + 0.235 * len(labels))
    grid = canvas.subplots(1, len(results), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (policy, found) in zip(grid, results.items(), strict=True):
        own = style.stroke(policy, frames.colour(policy))
        by_label = {g.label: g for g in found}
        for place, label in enumerate(labels):
            if label not in by_label:
                continue
            g = by_label[label]
            axes.errorbar(
                g.difference,
                place,
                xerr=1.96 * g.error,
                fmt=own.marker if place else "D",
                color=own.ink.light,
                markersize=4.2 if place else 6,
                elinewidth=1.1,
            )
        axes.axvline(0, color=style.MUTED.light, linewidth=0.8)
        axes.axhline(0.5, color=style.GRID.light, linewidth=0.8)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        patients = {g.label: g.patients for g in next(iter(results.values()))}
        axes.set_yticks(range(len(labels)), [f"{k} (n = {patients[k]:,})" for k in labels])
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        style.name_panel(axes, frames.label(policy), own, 30)
    canvas.supxlabel(f"Life-years gained against {frames.label(frames.reference or '')}", fontsize=9)
    caption = (
        "Mean paired difference in life-years among the sampled patients, by strata known before CAR T; bars are 95% "
        f"Monte-Carlo intervals. Strata with fewer than {SMALLEST} patients are left out; many comparisons: read the "
        "pattern, not the single bar."
    )
    return Drawing(canvas, _alt_strata(frames, results), caption)


def compared(frames: Frames) -> dict[str, list[Gain]]:
    """Give gains by stratum for the policies that differ most from the reference.

    Returns
    -------
    dict
        Policy -> gains, the whole cohort first; empty without a reference or with too few patients in common.
    """
    table, reference = frames.patients, frames.reference
    if table is None or reference is None:
        return {}
    base = _years(frames, reference)
    results: dict[str, list[Gain]] = {}
    for policy in frames.policies:
        if policy != reference and (table["policy"] == policy).any():
            ours = _years(frames, policy)
            common = base.index.intersection(ours.index)
            attributes = table[table["policy"] == reference].set_index(_key(table)).loc[common]
            found = list(_by_stratum(ours[common].to_numpy() - base[common].to_numpy(), attributes))
            if found:
                results[policy] = found
    largest = sorted(results, key=lambda p: -abs(results[p][0].difference))[:_COMPARED]
    return {p: g for p, g in results.items() if p in largest}


def _by_stratum(difference: np.ndarray, attributes: pd.DataFrame) -> Iterator[Gain]:
    masks: list[tuple[str, np.ndarray]] = [("everybody", np.ones(len(difference), dtype=bool))]
    if "age" in attributes.columns:
        age = attributes["age"].to_numpy(float)
        masks += [("age below 10", age < 10), ("age 10-17", (age >= 10) & (age < 18)), ("age 18 or more", age >= 18)]
    for column in STRATA:
        if column in attributes.columns:
            codes = attributes[column].to_numpy()
            masks += [(label, codes == code) for code, label in words.TRAITS[column].items()]
    for label, mask in masks:
        n = int(mask.sum())
        if n >= SMALLEST:
            inside = difference[mask]
            yield Gain(label, n, float(inside.mean()), float(inside.std(ddof=1) / np.sqrt(n)))


def _years(frames: Frames, policy: str) -> pd.Series[float]:
    """Give the life-years since the origin of each sampled patient who reaches it, by patient number."""
    import pandas as pd

    table = frames.patients
    assert table is not None
    rows = table[table["policy"] == policy]
    zero = np.zeros(len(rows))
    if frames.origin == "infusion":
        zero = rows["t_infusion"].to_numpy(float)
    elif frames.origin == "remission":
        zero = np.where(rows["cr"] == 1, rows["t_response"], np.inf).astype(float)
    death = rows["t_death"].to_numpy(float)
    counted = np.isfinite(zero)
    years = (np.minimum(death, _horizon(frames)) - np.where(counted, zero, 0.0)) / DAYS_PER_YEAR
    return pd.Series(years[counted], index=rows[_key(table)].to_numpy()[counted])


def _key(table: pd.DataFrame) -> str:
    """Name the column that holds the patient's number."""
    return "patient" if "patient" in table.columns else "number"


def _horizon(frames: Frames) -> float:
    """Give the day at which lives are cut: the run's horizon, or for a lifetime run the last death."""
    years = frames.manifest.get("horizon_years")
    if years is not None:
        return float(years) * DAYS_PER_YEAR
    deaths = frames.patients["t_death"].to_numpy(float)  # type: ignore[index]
    finite = deaths[np.isfinite(deaths)]
    return float(finite.max()) if finite.size else 0.0


def _decisive(frames: Frames) -> tuple[str, float | None, Any]:
    paired = frames.overall("paired")
    for measure, months in _MEASURES:
        found = paired[paired["measure"] == measure]
        found = found[found["months"].isna() if months is None else found["months"] == months]
        found = found[found["gain"].notna() & (found["policy"] != frames.reference)]
        if not found.empty:
            order = {p: i for i, p in enumerate(frames.policies)}
            return measure, months, found.sort_values("policy", key=lambda column: column.map(order))
    return "", None, None


def _alt(frames: Frames, rows: pd.DataFrame, what: str) -> str:
    parts = [
        f"{frames.label(r['policy'])}: {100 * r['gain']:.1f}% gain, {100 * r['lose']:.1f}% lose"
        for r in rows.to_dict("records")
    ]
    reference = frames.label(frames.reference or "")
    return f"Bars of patients who gain or lose in {what} against {reference}. {'; '.join(parts)}."


def _alt_strata(frames: Frames, results: dict[str, list[Gain]]) -> str:
    parts = []
    for policy, found in results.items():
        whole, rest = found[0], found[1:]
        text = f"{frames.label(policy)}: {whole.difference:+.2f} ± {whole.error:.2f} years for everybody"
        if rest:
            best, worst = max(rest, key=lambda g: g.difference), min(rest, key=lambda g: g.difference)
            text += f", most {best.difference:+.2f} ({best.label}), least {worst.difference:+.2f} ({worst.label})"
        parts.append(text)
    return f"Points with error bars by stratum. {'; '.join(parts)}."
