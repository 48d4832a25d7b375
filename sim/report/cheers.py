"""The CHEERS 2022 checklist, filled where the program knows the answer.

Items: Husereau et al. 2022, doi:10.1136/bmj-2021-067975; their topics are named here in our words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sim.report.frames import Frames

NOT_REPORTED: Final = "Not reported"


class Item(NamedTuple):
    """An item of the checklist and what this run says to it."""

    number: int
    part: str
    topic: str
    answer: str


def checklist(frames: Frames) -> list[Item]:
    """Fill the checklist from a run's frames; what the program cannot know is ``Not reported``."""
    return [Item(k, part, topic, answer(frames) or NOT_REPORTED) for k, (part, topic, answer) in enumerate(_ITEMS, 1)]


def _unknown(frames: Frames) -> str:
    return ""


def _economics(frames: Frames) -> dict[str, Any]:
    found = frames.manifest.get("economics")
    return found if isinstance(found, dict) else {}


def _title(frames: Frames) -> str:
    if not frames.has("incremental"):
        return ""
    return f"Cost-utility analysis by discrete-event simulation: {_options(frames)}"


def _options(frames: Frames) -> str:
    return ", ".join(frames.label(p) for p in frames.policies)


def _population(frames: Frames) -> str:
    manifest = frames.manifest
    if "n" not in manifest:
        return ""
    cohort = str(manifest.get("cohort", "virtual patients"))
    return f"{manifest['n']:,} virtual patients ({cohort}); counted from {frames.origin}"


def _setting(frames: Frames) -> str:
    label = _economics(frames).get("label")
    return f"{label}: prices, utilities and conventions of this profile" if label else ""


def _comparators(frames: Frames) -> str:
    parts = [frames.label(p) + (f": {frames.description(p)}" if frames.description(p) else "") for p in frames.policies]
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts)


def _perspective(frames: Frames) -> str:
    economics = _economics(frames)
    if not economics:
        return ""
    counted = ", ".join(str(c).replace("_", " ") for c in economics.get("counted", []))
    return f"{economics['perspective']} (counts {counted}); all perspectives are tabulated in costs.csv"


def _horizon(frames: Frames) -> str:
    if "n" not in frames.manifest:
        return ""
    years = frames.manifest.get("horizon_years")
    return "lifetime" if years is None else f"{years:g} years"


def _discount(frames: Frames) -> str:
    rates = _economics(frames).get("discount")
    if not rates:
        return ""
    return (
        f"costs {100 * rates['costs']:g}%, effects {100 * rates['effects']:g}% a year, as (1 + r)^-t with t in years, "
        "continuous along sojourns"
    )


def _outcomes(frames: Frames) -> str:
    if not frames.has("qalys"):
        return ""
    return "life-years, QALYs, equal-value life-years; clinical outcomes in summary.csv"


def _measured(frames: Frames) -> str:
    return "simulated from referral to death; every event is in the journal" if frames.has("qalys") else ""


def _valued(frames: Frames) -> str:
    norms = _economics(frames).get("norms")
    if not norms:
        return ""
    if norms == "none":
        return "published utilities, absolute (no age norms); losses by event over the year that begins with it"
    return (
        f"published utilities relative to age norms ({norms}), multiplied where states concur and capped at the norm; "
        "losses by event over the year that begins with it"
    )


def _resources(frames: Frames) -> str:
    if not frames.has("ledger"):
        return ""
    items = frames.ledger["item"].nunique()  # type: ignore[index]
    return f"{items} items, quantity times unit price (ledger.csv, economics.xlsx); sources in the parameter table"


def _currency(frames: Frames) -> str:
    stated = _economics(frames).get("currency")
    return (
        f"{stated}; amounts of other years are converted by the user's own table or used as published" if stated else ""
    )


def _model(frames: Frames) -> str:
    if "version" not in frames.manifest:
        return ""
    return (
        f"discrete-event simulation, one pathway for all policies (cartwin {frames.manifest['version']}; docs/model.md)"
    )


def _analytics(frames: Frames) -> str:
    if not frames.has("incremental"):
        return ""
    return (
        "closed-form present values of sojourns and events; incremental analysis with dominance and extended "
        "dominance; verification tests: experiment=verify"
    )


def _heterogeneity(frames: Frames) -> str:
    if not frames.has("subgroups"):
        return ""
    return "best policy by prior HCT, burden, age, MRD at day 28 and product, and the value of deciding by each"


def _uncertainty(frames: Frames) -> str:
    if not frames.has("nmb"):
        return ""
    return "Monte-Carlo error of every number, on paired patients; uncertainty of parameters is not part of this run"


def _parameters(frames: Frames) -> str:
    if not frames.has("parameters"):
        return ""
    table = frames.parameters
    assert table is not None
    counts = table["status"].value_counts()
    listed = ", ".join(
        f"{int(counts[s])} {s}" for s in ("review", "found", "recalled", "assumed", "calibrated") if s in counts
    )
    return f"{len(table)} parameters with range, distribution, source and status ({listed})"


def _results(frames: Frames) -> str:
    if not frames.has("incremental"):
        return ""
    parts = []
    for row in frames.incremental.to_dict("records"):  # type: ignore[union-attr]
        icer = row["icer"]
        end = f", {icer:,.0f} per QALY" if icer == icer else ""
        parts.append(
            f"{frames.label(row['option'])} {row['cost']:,.0f}, {row['effect']:.2f} QALYs{end} ({row['status']})"
        )
    return "; ".join(parts)


def _effect_of_uncertainty(frames: Frames) -> str:
    if not frames.has("nmb"):
        return ""
    table = frames.nmb
    assert table is not None
    best = table[table["rank"] == 1]
    parts = [
        f"at {row['wtp']:,.0f} {frames.label(row['option'])} is best with probability {row['p_best']:.2f}"
        for row in best.to_dict("records")
    ]
    return "Monte-Carlo error: " + "; ".join(parts)


def _limitations(frames: Frames) -> str:
    return "limitations of the model: docs/model.md; the rest is the authors'" if "version" in frames.manifest else ""


_ITEMS: Final[tuple[tuple[str, str, Callable[[Frames], str]], ...]] = (
    ("Title", "Title", _title),
    ("Abstract", "Abstract", _unknown),
    ("Introduction", "Background and objectives", _unknown),
    ("Methods", "Health economic analysis plan", _unknown),
    ("Methods", "Study population", _population),
    ("Methods", "Setting and location", _setting),
    ("Methods", "Comparators", _comparators),
    ("Methods", "Perspective", _perspective),
    ("Methods", "Time horizon", _horizon),
    ("Methods", "Discount rate", _discount),
    ("Methods", "Selection of outcomes", _outcomes),
    ("Methods", "Measurement of outcomes", _measured),
    ("Methods", "Valuation of outcomes", _valued),
    ("Methods", "Measurement and valuation of resources and costs", _resources),
    ("Methods", "Currency, price date and conversion", _currency),
    ("Methods", "Rationale and description of the model", _model),
    ("Methods", "Analytics and assumptions", _analytics),
    ("Methods", "Characterising heterogeneity", _heterogeneity),
    ("Methods", "Characterising distributional effects", _unknown),
    ("Methods", "Characterising uncertainty", _uncertainty),
    ("Methods", "Engagement with patients and others", _unknown),
    ("Results", "Study parameters", _parameters),
    ("Results", "Summary of main results", _results),
    ("Results", "Effect of uncertainty", _effect_of_uncertainty),
    ("Results", "Effect of engagement", _unknown),
    ("Discussion", "Findings, limitations, generalisability", _limitations),
    ("Other", "Source of funding", _unknown),
    ("Other", "Conflicts of interest", _unknown),
)
