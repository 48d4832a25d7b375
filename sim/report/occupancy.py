"""State occupancy: where patients are over time, counted from the journal's phase sojourns.

Large runs keep no journal; then the state curves, which know fewer states, are drawn instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sim import journal
from sim.report import style, words
from sim.report.frames import Frames
from sim.report.gallery import Drawing, picture
from sim.units import DAYS_PER_MONTH

if TYPE_CHECKING:
    import pandas as pd

#: Months shown.
END: Final = 60.0
#: From bottom to top: alive and well first, the dead last.
ORDER: Final = (
    journal.REMISSION,
    journal.TRANSPLANTED,
    journal.SECOND_REMISSION,
    journal.SALVAGE_TRANSPLANTED,
    journal.WAITING,
    journal.TREATMENT,
    journal.RELAPSED,
    journal.PALLIATIVE,
    style.DEAD,
)


#: State curves that stand in for the journal in large runs: curve -> phase.
STATES: Final = {
    "state_remission": journal.REMISSION,
    "state_transplanted": journal.TRANSPLANTED,
    "state_salvage_transplanted": journal.SALVAGE_TRANSPLANTED,
    "state_waiting": journal.WAITING,
    "state_treatment": journal.TREATMENT,
    "state_failed": journal.RELAPSED,
    "state_dead": style.DEAD,
}


@picture(40, "occupancy", "Where patients are over time", needs=())
def occupancy(frames: Frames) -> Drawing | None:
    """Stack the share of patients in each phase, one panel per policy."""
    if frames.manifest.get("patient") is not None:
        return None
    months, shares = _from_journal(frames) if frames.has("journal") else _from_curves(frames)
    if not shares:
        return None
    seen = [k for k in ORDER if any(s[k].max() > 0 for s in shares.values())]
    canvas, grid = style.panels(len(shares), 5, height=1.75, room=1.1)
    for axes, (policy, found) in zip(grid, shares.items(), strict=True):
        axes.stackplot(
            months,
            *(found[k] for k in seen),
            colors=[style.PHASES[k].light for k in seen],
            labels=[words.sentence(words.PHASES[k]) for k in seen],
            edgecolor=style.PAPER.light,
            linewidth=0.4,
        )
        style.name_panel(axes, frames.label(policy), style.stroke(policy, frames.colour(policy)))
        axes.grid(False)
        style.month_axis(axes, END, most=6)
        style.percent_axis(axes)
    handles, labels = grid[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=5, columnspacing=1.4, handlelength=1.4)
    canvas.supxlabel(f"Months since {frames.origin}", fontsize=9)
    canvas.supylabel("Patients (%)", fontsize=9)
    caption = "Share of patients in each phase of the pathway; a patient is in one phase at any time."
    if not frames.has("journal"):
        caption += (
            " Without a journal, all that follows a failure but transplant and death counts as leukaemia present."
        )
    return Drawing(canvas, _alt(frames, shares, seen), caption)


def _from_journal(frames: Frames) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    months = np.linspace(0.0, END, 121)
    days = months * DAYS_PER_MONTH
    shares = {p: share(rows, days, frames.origin) for p, rows in frames.journals.items()}
    return months, {p: s for p, s in shares.items() if s.size}


def _from_curves(frames: Frames) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    if not frames.has("curves"):
        return np.empty(0), {}
    curves = frames.overall("curves")
    curves = curves[curves["curve"].isin(STATES) & (curves["months"] <= END)]
    months = np.unique(curves["months"].to_numpy(float))
    shares: dict[str, np.ndarray] = {}
    for policy, rows in curves.groupby("policy", sort=False):
        found = shares.setdefault(str(policy), np.zeros((journal.PHASES + 1, len(months))))
        for curve, line in rows.groupby("curve", sort=False):
            found[STATES[str(curve)]] = line.sort_values("months")["estimate"].to_numpy(float)
    return months, {p: shares[p] for p in frames.policies if p in shares}


def share(rows: pd.DataFrame, days: np.ndarray, origin: str = "referral") -> np.ndarray:
    """Count where the patients of one policy are.

    Parameters
    ----------
    rows
        The policy's journal.
    days
        Times since the origin at which to count.
    origin
        referral, infusion or remission; patients who never reach it are left out.

    Returns
    -------
    numpy.ndarray
        Shape (phases + 1, times): shares that sum to 1; the last row is the dead. A patient alive when the books are
        closed stays in the last phase. Empty when nobody reaches the origin.
    """
    event, patient = rows["event"].to_numpy(), rows["patient"].to_numpy()
    start, stop = rows["time_start"].to_numpy(float), rows["time_stop"].to_numpy(float)
    people, place = np.unique(patient, return_inverse=True)
    zero = origins(rows, people, place, origin)
    counted = np.isfinite(zero)
    if not counted.any():
        return np.empty((0, len(days)))
    dead = np.zeros(len(people), dtype=bool)
    dead[place[event == journal.DEATH]] = True
    last = np.full(len(people), -np.inf)
    in_phase = event < journal.PHASES
    np.maximum.at(last, place[in_phase], stop[in_phase])
    result = np.zeros((journal.PHASES + 1, len(days)))
    for phase in range(journal.PHASES):
        mine = (event == phase) & counted[place]
        who = place[mine]
        until = np.where((stop[mine] == last[who]) & ~dead[who], np.inf, stop[mine])
        result[phase] = _at(start[mine] - zero[who], days) - _at(until - zero[who], days)
    gone = (event == journal.DEATH) & counted[place]
    result[journal.PHASES] = _at(start[gone] - zero[place[gone]], days)
    return result / counted.sum()


def origins(rows: pd.DataFrame, people: np.ndarray, place: np.ndarray, origin: str) -> np.ndarray:
    """Give the day on which each patient reaches the origin; infinite for those who never do.

    Parameters
    ----------
    rows
        The journal of one policy.
    people, place
        Its patients, and the position among them of each row's patient.
    origin
        referral, infusion or remission.
    """
    zero = np.full(len(people), 0.0 if origin == "referral" else np.inf)
    if origin != "referral":
        event, start = rows["event"].to_numpy(), rows["time_start"].to_numpy(float)
        reached = event == journal.INFUSION
        if origin == "remission":
            reached = (event == journal.RESPONSE) & (rows["detail"].to_numpy() == 1)
        np.minimum.at(zero, place[reached], start[reached])
    return zero


def _at(times: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Count the times at or before each day."""
    return np.asarray(np.searchsorted(np.sort(times), days, side="right"))


def _alt(frames: Frames, shares: dict[str, np.ndarray], seen: list[int]) -> str:
    parts = []
    for policy, found in shares.items():
        top = sorted(seen, key=lambda k: -found[k][-1])[:3]
        values = ", ".join(f"{words.PHASES[k]} {100 * found[k][-1]:.0f}%" for k in top)
        parts.append(f"{frames.label(policy)}: {values}")
    return f"Stacked areas per policy. Largest groups after {END:.0f} months: {'; '.join(parts)}."
