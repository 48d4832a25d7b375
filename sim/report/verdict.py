"""The answer in words: which policy, how sure that is, and what would change it, from whatever frames a run has."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from sim.report.acceptability import middle
from sim.report.frames import Frames
from sim.report.hospital import POOLS
from sim.report.numbers import amount
from sim.report.words import stratum_name

if TYPE_CHECKING:
    import pandas as pd

#: Parameters, strata and structures named, at most; the rest are counted.
NAMED: Final = 4
_SIGMAS: Final = 1.96
_COMMAND: Final = "python -m sim experiment="


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
    found = _best_by_level(frames)
    if not found:
        return ""
    unit = _priced(frames)
    if len(set(found.values())) == 1:
        name = frames.label(next(iter(found.values())))
        if len(found) == 1:
            return f"{name} is the best buy{_at(frames, next(iter(found)))}."
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


def _best_by_level(frames: Frames) -> dict[float, str]:
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


def _priced(frames: Frames) -> str:
    money = currency(frames)
    unit = str(frames.manifest.get("effect_unit") or "QALY")
    return f"{money} per {unit}" if money else ""


def _at(frames: Frames, level: float) -> str:
    money = currency(frames)
    return f" at {amount(level)} {_priced(frames)}" if money else ""


def hospital(frames: Frames) -> list[str]:
    """Say how soon patients are infused under each policy, and where places are scarcest."""
    if not frames.has("waits", "summary"):
        return []
    found = {p: (frames.estimate(p, "infused_in_time"), frames.estimate(p, "wait_infusion_mean")) for p in frames.policies}
    parts = [
        f"{100 * share.value:.0f} ± {100 * share.error:.0f}% under {frames.label(p)} ({wait.value:.0f} ± {wait.error:.0f} "
        "days from referral on average)"
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
        policy, pool = max(used, key=lambda key: used[key].value)
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
    best = rows.loc[rows["nmb"].idxmax()]
    money = currency(frames) or f"{frames.manifest.get('effect_unit', '')}s"
    share, error = 100 * best["probability"], 100 * best["probability_se"]
    write = amount if currency(frames) else _three
    return (
        f"Over {int(frames.manifest.get('draws', 0)):,} joint draws of all uncertain parameters "
        f"{frames.label(best['policy'])} is the best in {share:.0f} ± {error:.0f}%{_at(frames, level)}. Deciding for it "
        f"forgoes {write(best['expected_loss'])} ± {write(best['expected_loss_se'])} {money} per patient on average: "
        "the most that knowing every parameter would be worth."
    )


def _over_ranges(frames: Frames) -> str:
    """Say what one-at-a-time analysis tells of certainty, and what it does not."""
    if not frames.has("tornado"):
        return ""
    text = f"Ranges say what could change the answer, not how likely that is: for that, {_COMMAND}psa."
    if not frames.has("structures"):
        return text
    level, best = level_of(frames), _best_by_level(frames)
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
        f"patient{_at(frames, level)} (± Monte-Carlo standard error). {text}"
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
        f"best buy{_at(frames, level)} with probability {100 * best['p_best']:.0f}%, {frames.label(second['option'])} "
        f"with {100 * second['p_best']:.0f}%."
    )
    patients = best["patients"]
    if math.isfinite(patients) and patients > frames.manifest.get("n", math.inf):
        text += f" About {patients:,.0f} patients would tell the two apart."
    return text


# --- what would change it ---------------------------------------------------------------------------------------------


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
    last = f"{frames.label(frontier[-1][name])} above" if len(steps) <= NAMED else f"and so on to {len(frontier)} policies"
    return f"Willingness to pay, in {_priced(frames)}: {', '.join(parts)}, {last}."


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
        f"change{'s' * (len(other) == 1)} the best buy{_at(frames, level)}: {shortened(named)}."
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
        f"{row[end]:.3g} ({frames.label(row[f'best_{end}'])})" for end in ("low", "high") if row[f"best_{end}"] != row["best"]
    ]  # fmt: skip
    return f"{row['about']} ({row['key']}) at {' or '.join(ends)}"


def _by_threshold(frames: Frames) -> str:
    if not frames.has("thresholds") or "key" not in frames.thresholds.columns:  # type: ignore[union-attr]
        return ""
    rows = frames.thresholds[frames.thresholds["wtp"] == level_of(frames)]  # type: ignore[index]
    named = [
        f"at {r['threshold']:.3g} ± {r['se']:.2g} from {frames.label(r['best_below'])} to {frames.label(r['best_above'])}"
        for r in rows.to_dict("records")
    ]
    return f"Threshold of {rows['key'].iloc[0]}: {shortened(named)}." if named else ""


def _by_tail(frames: Frames) -> str:
    """Name the parameters whose lowest or highest tenth makes another policy the best, all others uncertain."""
    if not frames.has("psa_one_way", "psa_acceptability"):
        return ""
    table, level = frames.psa_one_way, level_of(frames)
    assert table is not None
    base = _best_by_level(frames).get(level)
    rows, named = table[table["wtp"] == level], []
    clear = NormalDist().inv_cdf(1 - 0.025 / max(1, 2 * rows["key"].nunique()))  # so many looks find some by chance
    about = _about(frames)
    for key, part in rows.groupby("key", sort=False):
        for end, words in (("low", "lowest"), ("high", "highest")):
            # increments are against the reference, whose own is 0
            top = part.loc[part[f"at_{end}"].idxmax()]
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
        f"({_COMMAND}psa), one by one, and structures that the data cannot tell apart ({_COMMAND}tornado)."
    )


def listed(names: Sequence[str]) -> str:
    """Join names with commas and a last 'and'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shortened(names: Sequence[str]) -> str:
    """Join the first names and count the others."""
    more = len(names) - NAMED
    return "; ".join(names[:NAMED]) + (f"; and {more} more" if more > 0 else "")
