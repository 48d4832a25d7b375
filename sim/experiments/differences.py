"""Differences between runs: on the same patients where they lived in both, else as between independent samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sim.cohort import BLOCK
from sim.experiments.folders import manifest_of
from sim.kernel import INF, template
from sim.patient import Patient, attribute_names
from sim.tally.counts import Tally
from sim.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import pandas as pd

PAIRED: Final = "paired"
INDEPENDENT: Final = "independent"
#: Columns that tell a row of ``summary.csv`` from the others.
KEY: Final = ["policy", "measure", "months"]


class Compared(NamedTuple):
    """A run that is compared: its tag (A, B, ...), folder as the user named it, record and settings."""

    tag: str
    folder: Path
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]

    def table(self, name: str) -> pd.DataFrame | None:
        """Read a table of the run; None where it has none."""
        import pandas as pd

        path = self.folder / f"{name}.csv"
        return pd.read_csv(path) if path.exists() else None

    @property
    def people(self) -> Path | None:
        """Folder with the run's patients: its own, or that of the run which it values again; None where none is."""
        earlier = self.config.get("run")
        for place in (self.folder, *([Path(earlier)] if earlier else [])):
            record = manifest_of(place) or {}
            own = place == self.folder or record.get("settings_hash") == self.manifest.get("run")
            if own and (place / "patients.parquet").exists():
                return place
        return None


class Pairing(NamedTuple):
    """Whether two runs are compared patient by patient, and why if not."""

    paired: bool
    why: str

    @property
    def name(self) -> str:
        return PAIRED if self.paired else INDEPENDENT


def pairing(one: Compared, other: Compared) -> Pairing:
    """Tell whether the same patients lived in both runs: same seed, same number, same attributes one by one."""
    for run in (one, other):
        if run.people is None:
            return Pairing(False, f"run {run.tag} kept no patients (journal=on keeps them)")
    told = (("seed", "seeds"), ("n", "numbers of patients"), ("cohort", "cohorts"), ("origin", "origins"))
    apart = [
        f"the {what} differ ({one.manifest[name]} and {other.manifest[name]})"
        for name, what in told
        if one.manifest[name] != other.manifest[name]
    ]
    if apart:
        return Pairing(False, ", ".join(apart))
    ours, theirs = _attributes(one), _attributes(other)
    different = [name for name in ours if not np.array_equal(ours[name], theirs[name], equal_nan=True)]
    if different:
        return Pairing(False, f"the cohorts differ (patients have another {', '.join(different[:3])})")
    return Pairing(True, "the same patients lived in both")


def _attributes(run: Compared) -> dict[str, np.ndarray]:
    """Read what the cohort gave the patients, in order of their numbers."""
    import pyarrow.parquet as pq

    path = _people_of(run) / "patients.parquet"
    names = [name for name in attribute_names() if name in pq.read_schema(path).names]
    first = pq.read_table(path, columns=["policy"]).column("policy")[0].as_py()
    table = pq.read_table(path, columns=["patient", *names], filters=[("policy", "==", first)]).to_pandas()
    table = table.sort_values("patient")
    return {name: table[name].to_numpy() for name in ("patient", *names)}


def _people_of(run: Compared) -> Path:
    assert run.people is not None
    return run.people


def lives_of(folder: Path, policy: str) -> np.ndarray:
    """Read the patients of one policy back into records; what is not published keeps its initial value."""
    import pandas as pd

    frame = pd.read_parquet(folder / "patients.parquet", filters=[("policy", "==", policy)])
    frame = frame.rename(columns={"patient": "number"}).sort_values("number")
    lives = np.repeat(template(Patient), len(frame))
    for name in lives.dtype.names or ():
        if name in frame.columns:
            lives[name] = frame[name].to_numpy()
    return lives


def paired_measures(ours: np.ndarray, theirs: np.ndarray, origin: str, years: float | None) -> pd.DataFrame:
    """Compare lives of the same patients: rows of ``paired.csv``, of those counted in both.

    Measures that rest on what ``patients.parquet`` does not hold (MRD at month 3) are left out.

    Parameters
    ----------
    ours, theirs
        Patient records (`lives_of`), the same patients in the same order.
    origin, years
        Origin and horizon of the runs.
    """
    horizon = INF if years is None else years * DAYS_PER_YEAR
    tally = Tally(("ours", "theirs"), origin, "theirs", horizon)
    for start in range(0, len(ours), BLOCK):
        tally.add(start, {"ours": ours[start : start + BLOCK], "theirs": theirs[start : start + BLOCK]})
    differences = tally.frames()[2]
    return differences[differences["difference"].notna()]


def measures(runs: list[Compared], pairings: Mapping[str, Pairing]) -> pd.DataFrame:
    """Put the summaries side by side.

    Parameters
    ----------
    runs
        The runs; the others are compared with the first.
    pairings
        Tag -> how that run is compared with the first.

    Returns
    -------
    pandas.DataFrame
        Columns policy, measure, months, unit, run, value, mc_se; difference to the first run, its error, and whether
        it is paired or independent (empty where the first run has no such number).
    """
    import pandas as pd

    first = _summary(runs[0])
    frames = [first.assign(run=runs[0].tag)]
    for run in runs[1:]:
        frame = _summary(run).merge(first[[*KEY, "value", "mc_se"]], on=KEY, how="left", suffixes=("", "_first"))
        frame["difference"] = frame["value"] - frame["value_first"]
        frame["error"] = np.hypot(frame["mc_se"], frame["mc_se_first"])
        frame["pairing"] = np.where(frame["difference"].notna(), INDEPENDENT, "")
        frame = frame.drop(columns=["value_first", "mc_se_first"]).assign(run=run.tag)
        frames.append(_with_pairs(frame, runs[0], run) if pairings[run.tag].paired else frame)
    order = ["policy", "measure", "months", "unit", "run", "value", "mc_se", "difference", "error", "pairing"]
    return pd.concat(frames, ignore_index=True).reindex(columns=order)


def _summary(run: Compared) -> pd.DataFrame:
    table = run.table("summary")
    assert table is not None
    table = table[table["stratum"] == "all"] if "stratum" in table.columns else table
    return table[[*KEY, "unit", "value", "mc_se"]]


def _with_pairs(frame: pd.DataFrame, first: Compared, run: Compared) -> pd.DataFrame:
    """Put paired differences in the place of independent ones, where there are any."""
    import pandas as pd

    found = []
    for policy in sorted(set(first.manifest["policies"]) & set(run.manifest["policies"])):
        ours, theirs = lives_of(_people_of(run), policy), lives_of(_people_of(first), policy)
        pairs = paired_measures(ours, theirs, str(run.manifest["origin"]), run.manifest["horizon_years"])
        found.append(pairs[pairs["stratum"] == "all"].assign(policy=policy)[[*KEY, "difference", "mc_se"]])
    pairs = pd.concat(found).rename(columns={"difference": "pair", "mc_se": "pair_error"})
    frame = frame.merge(pairs, on=KEY, how="left")
    there = frame["pair"].notna()
    frame.loc[there, "difference"], frame.loc[there, "error"] = frame["pair"], frame["pair_error"]
    frame.loc[there, "pairing"] = PAIRED
    return frame.drop(columns=["pair", "pair_error"])


# --- money ------------------------------------------------------------------------------------------------------------


def money_of(run: Compared) -> tuple[str, str] | None:
    """Give currency and perspective of a run's accounts; None without economics."""
    told = run.manifest.get("economics")
    return (str(told["currency"]), str(told["perspective"])) if told and run.table("incremental") is not None else None


def economics(runs: list[Compared], pairings: Mapping[str, Pairing]) -> pd.DataFrame | None:
    """Put cost, QALYs, cost per QALY and net benefit side by side; None unless two runs have accounts.

    Returns
    -------
    pandas.DataFrame
        Columns policy, measure (cost, qalys, icer, nmb), wtp, run, value, mc_se, status, against; difference to the
        first run, error, pairing. No difference of money between currencies or perspectives, none of ratios.
    """
    import pandas as pd

    if sum(money_of(run) is not None for run in runs) < 2:
        return None
    rows = [row for run in runs for row in _accounts(run)]
    frame = pd.DataFrame(rows)
    for column in ("difference", "error", "pairing"):
        frame[column] = None if column == "pairing" else np.nan
    first = {(r["policy"], r["measure"], r["wtp"]): r for r in rows if r["run"] == runs[0].tag}
    for run in runs[1:]:
        people = _people(runs[0], run) if pairings[run.tag].paired else None
        same = money_of(run) == money_of(runs[0])
        for i, row in enumerate(rows):
            other = first.get((row["policy"], row["measure"], row["wtp"]))
            if row["run"] != run.tag or other is None or row["measure"] == "icer":
                continue
            if same or row["measure"] == "qalys":
                frame.loc[i, ["difference", "error", "pairing"]] = _difference(row, other, people)
    return frame


def _accounts(run: Compared) -> Iterator[dict[str, Any]]:
    """List a run's costs and effects."""
    table, benefits = run.table("incremental"), run.table("nmb")
    if table is None or money_of(run) is None:
        return
    for r in table.to_dict("records"):
        shared = {"policy": r["option"], "run": run.tag, "status": r["status"], "against": r["against"]}
        for name, column in (("cost", "cost"), ("qalys", "effect"), ("icer", "icer")):
            yield shared | {"measure": name, "wtp": 0.0, "value": r[column], "mc_se": r[f"{column}_se"]}
    for r in benefits.to_dict("records") if benefits is not None else ():
        yield {
            "policy": r["option"],
            "run": run.tag,
            "status": "",
            "against": "",
            "measure": "nmb",
            "wtp": float(r["wtp"]),
            "value": r["nmb"],
            "mc_se": r["nmb_se"],
        }


def _difference(
    row: Mapping[str, Any], other: Mapping[str, Any], people: Mapping[str, tuple[np.ndarray, np.ndarray]] | None
) -> list[Any]:
    if people is None or row["policy"] not in people:
        return [row["value"] - other["value"], float(np.hypot(row["mc_se"], other["mc_se"])), INDEPENDENT]
    cost, qalys = people[row["policy"]]
    each = {"cost": cost, "qalys": qalys}.get(row["measure"])
    each = row["wtp"] * qalys - cost if each is None else each
    return [float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))), PAIRED]


def _people(first: Compared, run: Compared) -> dict[str, tuple[np.ndarray, np.ndarray]] | None:
    """Give by policy what each patient counted in both runs costs and gains more than in the first."""
    import pandas as pd

    if not all((one.folder / "value.parquet").exists() for one in (first, run)):
        return None
    keep = counted(first) & counted(run)
    columns = [f"cost_{run.manifest['economics']['perspective']}_discounted", "qalys_discounted"]
    found = {}
    for policy in set(first.manifest["policies"]) & set(run.manifest["policies"]):
        ours, theirs = (
            pd.read_parquet(one.folder / "value.parquet", filters=[("policy", "==", policy)])
            .sort_values("patient")[columns]
            .to_numpy()[keep]
            for one in (run, first)
        )
        found[policy] = (ours[:, 0] - theirs[:, 0], ours[:, 1] - theirs[:, 1])
    return found


def counted(run: Compared) -> np.ndarray:
    """Tell which patients a run's accounts count: those who reach the origin under every policy."""
    import pandas as pd

    frame = pd.read_parquet(_people_of(run) / "patients.parquet", columns=["policy", "patient", "t_infusion", "cr"])
    reached = {"infusion": frame["t_infusion"] < INF, "remission": frame["cr"] == 1}.get(
        str(run.manifest["origin"]), frame["cr"] >= 0
    )
    return np.asarray(reached.groupby(frame["patient"]).all().sort_index())
