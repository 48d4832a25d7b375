"""What would change the answer, in words: money, structures, parameters, knowledge, and who the patient is."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from sim.report.frames import Frames
from sim.report.numbers import amount
from sim.report.verdict import COMMAND, NAMED, at_level, best_by_level, currency, level_of, shortened, unit_of
from sim.report.words import stratum_name

if TYPE_CHECKING:
    import pandas as pd

_SIGMAS: Final = 1.96


def changes(frames: Frames) -> list[str]:
    """Say what would change the answer: money, structures, parameters, and who the patient is."""
    found = [
        _by_money(frames),
        _by_structure(frames),
        _by_parameter(frames),
        _by_threshold(frames),
        _by_tail(frames),
        _by_study(frames),
        _by_stratum(frames),
        _not_asked(frames),
    ]
    return [text for text in found if text]


def _by_money(frames: Frames) -> str:
    table = frames.psa_frontier if frames.has("psa_frontier") else frames.incremental
    if table is None or not currency(frames):
        return ""
    name = "policy" if "policy" in table.columns else "option"
    frontier = table[table["status"] == "ND"].sort_values("cost").to_dict("records")
    if len(frontier) < 2:
        only = f"{frames.label(frontier[0][name])} is the best buy at any" if frontier else ""
        return f"Willingness to pay: {only}; no other policy is on the frontier." if only else ""
    steps = list(itertools.pairwise(frontier))
    parts = [
        f"{frames.label(one[name])} is the best buy up to {amount(other['icer'])}{_interval(other)}"
        for one, other in steps[:NAMED]
    ]
    last = (
        f"{frames.label(frontier[-1][name])} above" if len(steps) <= NAMED else f"and so on to {len(frontier)} policies"
    )
    return f"Willingness to pay, in {unit_of(frames)}: {', '.join(parts)}, {last}."


def _interval(row: dict[Any, Any]) -> str:
    low, high = row.get("icer_low"), row.get("icer_high")
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" (95% interval {amount(low)} to {amount(high)})"


def _by_structure(frames: Frames) -> str:
    if not frames.has("structures"):
        return ""
    table: pd.DataFrame = frames.structures  # type: ignore[assignment]
    level = level_of(frames)
    column = f"best_{level:g}"
    if column not in table.columns or table["structure"].nunique() < 2:
        return ""
    best = table[table[column].astype(bool)].drop_duplicates("structure").set_index("structure")["policy"]
    base = best.get("reference", best.iloc[0])
    other = best[best != base]
    count = len(best)
    if other.empty:
        return (
            f"Structure: {frames.label(base)} is the best under all {count} structures that the data cannot tell apart."
        )
    named = [f"{frames.label(p)} under '{s.replace('_', ' ')}'" for s, p in other.items()]
    return (
        f"Structure: the data cannot tell {count} structures apart, and {len(other)} of them "
        f"change{'s' * (len(other) == 1)} the best buy{at_level(frames, level)}: {shortened(named)}."
    )


def _by_parameter(frames: Frames) -> str:
    if not frames.has("tornado"):
        return ""
    rows = frames.tornado[frames.tornado["wtp"] == level_of(frames)]  # type: ignore[index]
    flips = rows[(rows["best_low"] != rows["best"]) | (rows["best_high"] != rows["best"])]
    if flips.empty:
        return f"Parameters: none of the {len(rows)} varied one at a time changes the best buy within its range."
    weak = int(flips["status"].isin(["recalled", "assumed"]).sum())
    named = [_flip(frames, row) for row in flips.to_dict("records")]
    return (
        f"Parameters: {len(flips)} of {len(rows)} varied one at a time change the best buy somewhere in their range "
        f"({weak} of them recalled or assumed): {shortened(named)}."
    )


def _flip(frames: Frames, row: dict[Any, Any]) -> str:
    ends = [
        f"{row[end]:.3g} ({frames.label(row[f'best_{end}'])})"
        for end in ("low", "high")
        if row[f"best_{end}"] != row["best"]
    ]
    return f"{row['about']} ({row['key']}) at {' or '.join(ends)}"


def _by_threshold(frames: Frames) -> str:
    if not frames.has("thresholds") or "key" not in frames.thresholds.columns:  # type: ignore[union-attr]
        return ""
    rows = frames.thresholds[frames.thresholds["wtp"] == level_of(frames)]  # type: ignore[index]
    named = [
        f"at {r['threshold']:.3g} ± {r['se']:.2g} from {frames.label(r['best_below'])} "
        f"to {frames.label(r['best_above'])}"
        for r in rows.to_dict("records")
    ]
    return f"Threshold of {rows['key'].iloc[0]}: {shortened(named)}." if named else ""


def _by_tail(frames: Frames) -> str:
    """Name the parameters whose lowest or highest tenth makes another policy the best, all others uncertain."""
    if not frames.has("psa_one_way", "psa_acceptability"):
        return ""
    table, level = frames.psa_one_way, level_of(frames)
    assert table is not None
    base = best_by_level(frames).get(level)
    rows, named = table[table["wtp"] == level], []
    clear = NormalDist().inv_cdf(1 - 0.025 / max(1, 2 * rows["key"].nunique()))  # so many looks find some by chance
    about = _about(frames)
    for key, part in rows.groupby("key", sort=False):
        for end, words in (("low", "lowest"), ("high", "highest")):
            # increments are against the reference, whose own is 0
            top = max(part.to_dict("records"), key=lambda row: float(row[f"at_{end}"]))
            rival = float(part.loc[part["policy"] == base, f"at_{end}"].max()) if base != frames.reference else 0.0
            lead, best = float(top[f"at_{end}"]) - rival, str(top["policy"])
            if best != base and lead > clear * float(top[f"{end}_se"]):
                named.append((lead, f"{about.get(str(key), key)} in its {words} tenth ({frames.label(best)})"))
    named.sort(reverse=True)
    if not named:
        return "Parameters: in no tenth of any single parameter's draws is another policy clearly the best."
    return f"Parameters whose extremes make another policy the best: {shortened([text for _, text in named])}."


def _about(frames: Frames) -> dict[str, str]:
    """Give each parameter's description by its key."""
    if not frames.has("parameters"):
        return {}
    table: pd.DataFrame = frames.parameters  # type: ignore[assignment]
    return {str(row["key"]): f"{row['about']} ({row['key']})" for row in table.to_dict("records")}


def _by_study(frames: Frames) -> str:
    if not frames.has("voi_evppi"):
        return ""
    table: pd.DataFrame = frames.voi_evppi  # type: ignore[assignment]
    rows = table[table["wtp"] == level_of(frames)] if "wtp" in table.columns else table
    if rows.empty:
        return ""
    top = rows.sort_values("evppi", ascending=False).iloc[0]
    unsure = "" if top["evppi"] > _SIGMAS * top["se"] else ", which is within its error of nothing"
    return (
        f"Knowing: most worth learning is {top['of']}, {amount(top['evppi'])} ± {amount(top['se'])} "
        f"{currency(frames)} per patient{unsure}."
    )


def _by_stratum(frames: Frames) -> str:
    if not frames.has("subgroups"):
        return ""
    table: pd.DataFrame = frames.subgroups  # type: ignore[assignment]
    rows = table[(table["wtp"] == level_of(frames)) & table["stratum"].str.contains(":")]
    clear = rows[rows["gain"] > _SIGMAS * rows["gain_se"]]
    if clear.empty:
        return "Patient: in no subgroup is another policy better beyond chance."
    named = [f"{stratum_name(r['stratum'])} ({frames.label(r['best'])})" for r in clear.to_dict("records")]
    return f"Patient: another policy is the better buy beyond chance for {shortened(named)}."


def _not_asked(frames: Frames) -> str:
    """Name what this run did not ask, and the command that does."""
    if len(frames.policies) < 2 or frames.manifest.get("experiment") != "compare" or not frames.has("summary"):
        return ""
    return (
        "Not asked here: uncertain parameters all at once "
        f"({COMMAND}psa), one by one, and structures that the data cannot tell apart ({COMMAND}tornado)."
    )
