"""Moves: how patients went through the phases of the journal, and what happened to them on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim import journal
from sim.clinic.vocabulary import ACTIONS

if TYPE_CHECKING:
    import pandas as pd

#: Before the first phase, and after the last of whoever lives on.
START, LIVING = "start", "alive"
#: Events whose detail is an action, and is told apart.
_DECIDED: Final = (journal.DECISION, journal.CANCELLED)
COLUMNS: Final = ("policy", "start", "end", "event", "detail", "patients", "times", "of")
_KEY: Final = ["policy", "start", "end", "event", "detail"]


def write_moves(folder: Path) -> None:
    """Count the moves in a folder's ``journal.parquet`` into ``pathway.csv``."""
    import pandas as pd

    moves(pd.read_parquet(folder / "journal.parquet")).to_csv(folder / "pathway.csv", index=False)


def moves(rows: pd.DataFrame) -> pd.DataFrame:
    """Count moves between phases and events within them.

    Parameters
    ----------
    rows
        A journal: policy, patient, event, time_start, time_stop, detail.

    Returns
    -------
    pandas.DataFrame
        Columns policy; start and end (phases by the journal's names, in lower case; equal for what happens within a
        phase; ``start`` before referral, ``death`` and ``alive`` at the end); event (of a move: ``move``, and
        everything that happened at its very moment); detail (the action of a decision, else empty); patients it
        happened to; times it happened; and of, all patients of the policy. Sorted by policy, then codes.
    """
    import pandas as pd

    table = rows.sort_values(["policy", "patient", "time_start", "event"], kind="stable").reset_index(drop=True)
    person = table.groupby(["policy", "patient"], sort=False, observed=True).ngroup().to_numpy()
    phases = table["event"].to_numpy() < journal.PHASES
    path = _path(table[phases], person[phases])
    deaths = table["event"].to_numpy() == journal.DEATH
    dead = set(person[deaths].tolist())
    found = [_moved(path, dead), _happened(table[~phases], person[~phases], path, dead)]
    everything = pd.concat(found, ignore_index=True)
    groups = everything.groupby(_KEY, sort=True, observed=True)["person"]
    counted = pd.DataFrame({"patients": groups.nunique(), "times": groups.size()}).reset_index()
    all_of = table["policy"].astype(str).groupby(person).first().value_counts()
    counted["of"] = counted["policy"].map(all_of).astype(int)
    return _named(counted)[list(COLUMNS)]


def _path(table: pd.DataFrame, person: np.ndarray) -> pd.DataFrame:
    """Lay out each person's phases: person, policy, phase, time it begins, and whether it is the first or last."""
    import pandas as pd

    path = pd.DataFrame(
        {
            "person": person,
            "policy": table["policy"].astype(str).to_numpy(),
            "phase": table["event"].to_numpy(np.int64),
            "begins": table["time_start"].to_numpy(float),
        }
    )
    path["before"] = path.groupby("person")["phase"].shift(fill_value=-1)
    path["last"] = path["person"] != path["person"].shift(-1)
    return path


def _moved(path: pd.DataFrame, dead: set[int]) -> pd.DataFrame:
    """Give one row per move: into a phase, and out of the last one."""
    import pandas as pd

    into = path.assign(start=path["before"], end=path["phase"])
    out = path[path["last"]]
    ends = np.where(out["person"].isin(dead), _DEATH, _ALIVE)
    out = out.assign(start=out["phase"], end=ends)
    return pd.concat([into, out], ignore_index=True)[["policy", "person", "start", "end"]].assign(event=-1, detail=-1)


def _happened(table: pd.DataFrame, person: np.ndarray, path: pd.DataFrame, dead: set[int]) -> pd.DataFrame:
    """Give one row per event: within a phase, or with the move at whose very moment it came."""
    import pandas as pd

    when = table["time_start"].to_numpy(float)
    begins, owner = path["begins"].to_numpy(), path["person"].to_numpy()
    # The phase that holds, or begins at, the moment: both tables are sorted by person and time.
    order = np.lexsort((np.r_[np.zeros(len(begins)), np.ones(len(when))], np.r_[begins, when], np.r_[owner, person]))
    at = np.empty(len(order), dtype=np.int64)
    at[order] = np.cumsum(order < len(begins)) - 1
    at = at[len(begins) :]
    events = table["event"].to_numpy(np.int64)
    phase = path["phase"].to_numpy()[at]
    entered = begins[at] == when
    start = np.where(entered, path["before"].to_numpy()[at], phase)
    end = np.where(events == journal.DEATH, _DEATH, phase)
    start = np.where(events == journal.DEATH, phase, start)
    detail = np.where(np.isin(events, _DECIDED), table["detail"].to_numpy(np.int64), -1)
    return pd.DataFrame(
        {
            "policy": table["policy"].astype(str).to_numpy(),
            "person": person,
            "start": start,
            "end": end,
            "event": events,
            "detail": detail,
        }
    )


_DEATH: Final = journal.DEATH
_ALIVE: Final = 10_000


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Exchange codes for names."""
    names: dict[int, str] = journal.event_names() | {-1: START, _ALIVE: LIVING}
    events: dict[int, str] = journal.event_names() | {-1: "move"}
    actions: dict[int, str] = dict(enumerate(ACTIONS))
    return table.assign(
        start=table["start"].map(names),
        end=table["end"].map(names),
        event=table["event"].map(events),
        detail=[_action(code, actions) for code in table["detail"]],
    )


def _action(code: int, actions: dict[int, str]) -> Any:
    return "" if code < 0 else actions.get(code, str(code))
