"""The answer in words: the question, which policy, and how sure that is, from whatever frames a run has.

What would change it: `sim.report.changes`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sim.report.acceptability import middle
from sim.report.frames import Frames
from sim.report.hospital import POOLS
from sim.report.numbers import amount

if TYPE_CHECKING:
    import pandas as pd

#: Parameters, strata and structures named, at most; the rest are counted.
NAMED: Final = 4
COMMAND: Final = "python -m sim experiment="


def question(frames: Frames) -> str:
    """Put the run's question into a sentence; empty where it compares nothing."""
    options = len(frames.policies)
    if options < 2 or "n" not in frames.manifest:
        return ""
    cohort = str(frames.manifest.get("cohort", "virtual patients"))
    gains = "gives them most for what it costs" if currency(frames) else "gives them most"
    n = frames.manifest["n"]
    people = f"{n:,} virtual patients" if isinstance(n, int) else f"{n} virtual patients"
    if frames.has("waits"):
        return f"{people} ({cohort}) come to a hospital with limited places. What do {options} policies do to it?"
    return f"{people} ({cohort}) live under {options} policies, counted from {frames.origin}. Which policy {gains}?"


def currency(frames: Frames) -> str:
    """Name the currency of the run; empty where nothing is priced."""
    economics = frames.manifest.get("economics")
    found = economics.get("currency") if isinstance(economics, dict) else None
    return str(frames.manifest.get("currency") or found or "")


def level_of(frames: Frames) -> float:
    """Choose the willingness to pay that sentences speak of where they speak of one."""
    if frames.manifest.get("wtp"):
        return middle(frames)
    levels = sorted(float(x) for x in _levels(frames))
    return levels[(len(levels) - 1) // 2] if levels else 1.0


def _levels(frames: Frames) -> Sequence[float]:
    if frames.manifest.get("wtp"):
        return list(frames.manifest["wtp"])
    if frames.has("nmb"):
        return [float(x) for x in frames.nmb["wtp"].unique()]  # type: ignore[index]
    return []


# --- which policy -----------------------------------------------------------------------------------------------------


def best_buys(frames: Frames) -> str:
    """Say which policy is the best buy at each threshold of willingness to pay."""
    found = best_by_level(frames)
    if not found:
        return ""
    unit = unit_of(frames)
    if len(set(found.values())) == 1:
        name = frames.label(next(iter(found.values())))
        if len(found) == 1:
            return f"{name} is the best buy{at_level(frames, next(iter(found)))}."
        low, high = amount(min(found)), amount(max(found))
        return f"{name} is the best buy at every willingness to pay looked at, {low} to {high} {unit}."
    groups: list[tuple[str, list[float]]] = []
    for level, policy in sorted(found.items()):
        if groups and groups[-1][0] == policy:
            groups[-1][1].append(level)
        else:
            groups.append((policy, [level]))
    parts = [f"{frames.label(policy)} at {_span(levels)}" for policy, levels in groups]
    return f"The best buy depends on the willingness to pay: {listed(parts)} {unit}."


def _span(levels: list[float]) -> str:
    low, high = amount(levels[0]), amount(levels[-1])
    return low if low == high else f"{low} to {high}"


def best_by_level(frames: Frames) -> dict[float, str]:
    """Give the best buy at each threshold of willingness to pay."""
    levels = set(_levels(frames))
    if frames.has("psa_acceptability"):
        table: pd.DataFrame = frames.psa_acceptability  # type: ignore[assignment]
        rows = table.loc[table.groupby("wtp")["nmb"].idxmax()]
        return {float(r["wtp"]): str(r["policy"]) for r in rows.to_dict("records") if r["wtp"] in levels}
    if frames.has("nmb"):
        rows = frames.nmb[frames.nmb["rank"] == 1]  # type: ignore[index]
        return {float(r["wtp"]): str(r["option"]) for r in rows.drop_duplicates("wtp").to_dict("records")}
    if frames.has("tornado"):
        rows = frames.tornado.drop_duplicates("wtp")  # type: ignore[union-attr]
        return {float(r["wtp"]): str(r["best"]) for r in rows.to_dict("records")}
    return {}


def unit_of(frames: Frames) -> str:
    """Name the unit of a willingness to pay; empty where nothing is priced."""
    money = currency(frames)
    unit = str(frames.manifest.get("effect_unit") or "QALY")
    return f"{money} per {unit}" if money else ""


def at_level(frames: Frames, level: float) -> str:
    """Say at which willingness to pay; empty where nothing is priced."""
    money = currency(frames)
    return f" at {amount(level)} {unit_of(frames)}" if money else ""


def hospital(frames: Frames) -> list[str]:
    """Say how soon patients are infused under each policy, and where places are scarcest."""
    if not frames.has("waits", "summary"):
        return []
    found = {
        p: (frames.estimate(p, "infused_in_time"), frames.estimate(p, "wait_infusion_mean")) for p in frames.policies
    }
    parts = [
        f"{100 * share.value:.0f} ± {100 * share.error:.0f}% under {frames.label(p)} ({wait.value:.0f} ± "
        f"{wait.error:.0f} days from referral on average)"
        for p, (share, wait) in found.items()
        if share is not None and wait is not None
    ]
    texts = [f"Infused in time: {listed(parts)}."] if parts else []
    used = {
        (p, pool): estimate
        for p in frames.policies
        for pool in POOLS
        if (estimate := frames.estimate(p, f"utilisation_{pool}")) is not None
    }
    if used:
        _, pool = max(used, key=lambda key: used[key].value)
        most = [
            f"{100 * used[p, pool].value:.0f} ± {100 * used[p, pool].error:.0f}% under {frames.label(p)}"
            for p in frames.policies
            if (p, pool) in used
        ]
        texts.append(f"Scarcest are places for {POOLS[pool]}, which are taken at {listed(most)}.")
    return texts


# --- how sure ---------------------------------------------------------------------------------------------------------


def certainty(frames: Frames) -> list[str]:
    """Say how sure the best buy is, and what is not in that."""
    found = [_over_draws(frames), _over_patients(frames), _over_ranges(frames)]
    return [text for text in found if text]


def _over_draws(frames: Frames) -> str:
    if not frames.has("psa_acceptability"):
        return ""
    level = level_of(frames)
    rows = frames.psa_acceptability[frames.psa_acceptability["wtp"] == level]  # type: ignore[index]
    if rows.empty:
        return ""
    best = max(rows.to_dict("records"), key=lambda row: float(row["nmb"]))
    money = currency(frames) or f"{frames.manifest.get('effect_unit', '')}s"
    share, error = 100 * best["probability"], 100 * best["probability_se"]
    write = amount if currency(frames) else _three
    return (
        f"Over {int(frames.manifest.get('draws', 0)):,} joint draws of all uncertain parameters "
        f"{frames.label(best['policy'])} is the best in {share:.0f} ± {error:.0f}%{at_level(frames, level)}. Deciding "
        f"for it forgoes {write(best['expected_loss'])} ± {write(best['expected_loss_se'])} {money} per patient on "
        "average: the most that knowing every parameter would be worth."
    )


def _over_ranges(frames: Frames) -> str:
    """Say what one-at-a-time analysis tells of certainty, and what it does not."""
    if not frames.has("tornado"):
        return ""
    text = f"Ranges say what could change the answer, not how likely that is: for that, {COMMAND}psa."
    if not frames.has("structures"):
        return text
    level, best = level_of(frames), best_by_level(frames)
    table = frames.structures
    assert table is not None
    rows = table[(table["structure"] == "reference") & (table["outcome"] == f"inc_nmb_{level:g}")]
    rows = rows[rows["policy"] == best.get(level)]
    if rows.empty or best.get(level) == frames.reference:
        return text
    row = rows.iloc[0]
    return (
        f"With every parameter at its base case the net benefit of {frames.label(row['policy'])} against "
        f"{frames.label(str(frames.reference))} is {amount(row['value'])} ± {amount(row['se'])} {currency(frames)} per "
        f"patient{at_level(frames, level)} (± Monte-Carlo standard error). {text}"
    )


def _three(value: float) -> str:
    return f"{value:.3f}"


def _over_patients(frames: Frames) -> str:
    if not frames.has("nmb") or frames.has("psa_acceptability"):
        return ""
    level = level_of(frames)
    rows = frames.nmb[(frames.nmb["wtp"] == level)].sort_values("rank")  # type: ignore[index]
    if len(rows) < 2:
        return ""
    best, second = rows.iloc[0], rows.iloc[1]
    if best["p_best"] != best["p_best"]:
        return ""
    text = (
        f"Counting only the chance that comes with so many simulated patients, {frames.label(best['option'])} is the "
        f"best buy{at_level(frames, level)} with probability {100 * best['p_best']:.0f}%, "
        f"{frames.label(second['option'])} with {100 * second['p_best']:.0f}%."
    )
    patients = best["patients"]
    if math.isfinite(patients) and patients > frames.manifest.get("n", math.inf):
        text += f" About {patients:,.0f} patients would tell the two apart."
    return text


def listed(names: Sequence[str]) -> str:
    """Join names with commas and a last 'and'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shortened(names: Sequence[str]) -> str:
    """Join the first names and count the others."""
    more = len(names) - NAMED
    return "; ".join(names[:NAMED]) + (f"; and {more} more" if more > 0 else "")
