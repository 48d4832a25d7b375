"""Synthetic frames: a toy pathway whose lives are made up, only so that figures and page have something to show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sim import journal as j
from sim.report.frames import Frames

MONTH = 30.4375
POLICIES = {
    "watch": "Watch and wait",
    "hct_for_all": "HCT for all eligible",
    "selective": "Selective HCT",
    "selective_plus": "Selective HCT, wider",
    "reinfusion": "Reinfusion",
    "maintenance": "Maintenance",
    "hybrid": "Hybrid",
    "ngs_guided": "NGS-guided HCT",
    "trial_practice": "Trial practice",
}
#: Probability of HCT, relapse hazard ratio and transplant mortality of the toy policies.
_TOY = {
    "watch": (0.0, 1.0),
    "hct_for_all": (0.75, 0.35),
    "selective": (0.35, 0.5),
    "selective_plus": (0.5, 0.47),
    "reinfusion": (0.0, 0.85),
    "maintenance": (0.0, 0.93),
    "hybrid": (0.3, 0.5),
    "ngs_guided": (0.2, 0.55),
    "trial_practice": (0.15, 0.75),
}
MONTHS = (6, 12, 18, 24, 36, 60, 120)


def _life(number: int, policy: str) -> tuple[dict[str, Any], list[tuple[int, float, float, int]]]:
    """Live one toy life; the same number gives the same random numbers under every policy."""
    u = np.random.default_rng(number).random(40)
    share, ratio = _TOY[policy]
    rows: list[tuple[int, float, float, int]] = [(j.REFERRAL, 0.0, 0.0, 0), (j.APHERESIS, 9.0, 9.0, 1)]
    life: dict[str, Any] = {
        "policy": policy,
        "number": number,
        "age": 1 + 24 * u[0],
        "prior_hct": int(u[1] < 0.3),
        "burden_class": int(5 * u[2]),
        "blinatumomab": int(u[3] * 3),
        "kmt2ar": int(u[4] < 0.08),
        "donor": int(u[5] * 4),
        "product": int(u[6] < 0.25),
        "t_infusion": np.inf,
        "t_response": np.inf,
        "cr": 0,
        "t_hct": np.inf,
        "t_relapse": np.inf,
        "relapse_type": 0,
        "t_death": np.inf,
        "cause": 0,
        "not_infused": 0,
        "t_reinfusion": np.inf,
        "t_maintenance": np.inf,
        "t_salvage_hct": np.inf,
        "t_aplasia_lost_seen": np.inf,
    }
    infusion = 35 + 40 * u[7]

    def end(day: float, cause: int) -> tuple[dict[str, Any], list[tuple[int, float, float, int]]]:
        life.update(t_death=day, cause=cause)
        rows.append((j.DEATH, day, day, cause))
        return life, sorted(rows, key=lambda r: (r[1], r[0]))

    if u[8] < 0.05:
        rows.extend([(j.WAITING, 0.0, infusion, 0), (j.NOT_INFUSED, infusion, infusion, 3)])
        life["not_infused"] = 3
        return end(infusion, 6)
    rows.append((j.WAITING, 0.0, infusion - 5, 0))
    rows.append((j.LYMPHODEPLETION, infusion - 5, infusion - 5, 0))
    rows.append((j.INFUSION, infusion, infusion, life["product"]))
    rows.append((j.TREATMENT, infusion - 5, infusion + 28, 0))
    rows.append((j.WARD, infusion - 5, infusion + 16, 1))
    if u[9] < 0.6:
        grade = 1 + int(u[10] * 4)
        rows.append((j.CRS, infusion + 4, infusion + 10, grade))
        if grade >= 3:
            rows.extend([(j.ICU, infusion + 5, infusion + 9, 0), (j.TOCILIZUMAB, infusion + 5, infusion + 5, 2)])
    life["t_infusion"], response = infusion, infusion + 28
    life.update(t_response=response, cr=int(u[11] < 0.86))
    rows.append((j.RESPONSE, response, response, life["cr"]))
    old_age = response + 365 * (20 + 55 * u[12])
    if not life["cr"]:
        return _salvage(life, rows, response, old_age, u, end)
    lost = response + 30 + 400 * u[13] ** 2 if u[14] < 0.55 else old_age
    hct = response + 35 + 30 * u[15] if u[16] < share and not life["prior_hct"] else np.inf
    risk = ratio if hct < np.inf else (ratio if share == 0 else 1.0)
    relapse = response + 60 + -np.log(1 - u[17]) * 500 if u[18] < 0.52 * risk else np.inf
    if hct < relapse:
        relapse = max(relapse, hct + 60)
        lost = min(lost, hct)
    else:
        hct = np.inf
    stop = min(lost, relapse, old_age)
    rows.append((j.APLASIA, infusion + 7, stop, 0))
    for month in (1, 2, 3, 6, 9, 12, 18, 24):
        if response + month * MONTH < min(relapse, old_age):
            rows.append((j.VISIT, response + month * MONTH, response + month * MONTH, 13))
    if lost < min(relapse, old_age) and hct == np.inf:
        seen = lost + 15
        rows.append((j.APLASIA_LOSS_SEEN, seen, seen, 1 + int(u[19] < 0.4)))
        life["t_aplasia_lost_seen"] = seen
        if policy in ("reinfusion", "hybrid") and seen < relapse:
            rows.extend([(j.DECISION, seen, seen, 2), (j.REINFUSION, seen + 30, seen + 30, int(u[20] < 0.5))])
            life["t_reinfusion"] = seen + 30
        if policy == "maintenance" and seen < relapse:
            rows.append((j.MAINTENANCE, seen, min(seen + 400, relapse, old_age), 0))
            life["t_maintenance"] = seen
    start = response
    if hct < np.inf:
        rows.extend([(j.DECISION, response, response, 1), (j.HCT, hct, hct, 1 + int(u[21] < 0.4))])
        rows.extend([(j.REMISSION, response, hct, 0), (j.WARD, hct - 7, hct + 30, 2)])
        life["t_hct"], start = hct, hct
        if u[22] < 0.08:
            rows.append((j.TRANSPLANTED, hct, hct + 20 + 200 * u[23], 0))
            return end(hct + 20 + 200 * u[23], 4)
        if u[24] < 0.3:
            rows.append((j.CHRONIC_GVHD, hct + 150, min(hct + 900, relapse, old_age), 0))
        old_age = max(old_age - 4000 * u[25], hct + 300)
    phase = j.TRANSPLANTED if hct < np.inf else j.REMISSION
    if relapse < old_age:
        rows.append((phase, start, relapse, 0))
        kind = 1 + int(u[26] * 2.2)
        life.update(t_relapse=relapse, relapse_type=kind)
        rows.append((j.RELAPSE, relapse, relapse, 10 * kind + (2 if u[27] < 0.1 and kind == 1 else 1)))
        return _salvage(life, rows, relapse, old_age, u, end)
    if u[28] < 0.05 and hct == np.inf:
        old_age = response + 30 + 600 * u[29]
    rows.append((phase, start, old_age, 0))
    return end(old_age, 3 if u[28] < 0.05 else 5)


def _salvage(life: dict[str, Any], rows: list[Any], day: float, old_age: float, u: Any, end: Any) -> Any:
    reached = day + 60
    rows.append((j.SALVAGE, day, reached, 2 + int(u[30] * 3)))
    rows.append((j.RELAPSED, day, reached, 0))
    if u[31] < 0.5:
        rows.append((j.PALLIATIVE, reached, reached + 20 + 200 * u[32], 0))
        return end(reached + 20 + 200 * u[32], 1)
    if u[33] < 0.5:
        rows.append((j.SECOND_REMISSION, reached, reached + 40, 0))
        last = old_age if u[34] < 0.6 else reached + 60 + 500 * u[35]
        life["t_salvage_hct"] = reached + 40
        rows.extend([(j.HCT, reached + 40, reached + 40, 1), (j.SALVAGE_TRANSPLANTED, reached + 40, last, 0)])
        return end(last, 5 if u[34] < 0.6 else 4)
    last = reached + 100 + 700 * u[36]
    rows.append((j.SECOND_REMISSION, reached, last, 0))
    return end(last, 1)


def _curve(policy: str, name: str, times: np.ndarray, grid: np.ndarray, *, down: bool) -> pd.DataFrame:
    share = (times[None, :] <= grid[:, None]).mean(axis=1)
    value = 1 - share if down else share
    error = 1.96 * np.sqrt(value * (1 - value) / len(times))
    return pd.DataFrame(
        {
            "policy": policy,
            "curve": name,
            "months": grid,
            "estimate": value,
            "low": np.clip(value - error, 0, 1),
            "high": np.clip(value + error, 0, 1),
            "at_risk": (times[None, :] > grid[:, None]).sum(axis=1),
        }
    )


def _outcomes(lives: pd.DataFrame) -> dict[str, np.ndarray]:
    """Times in months since infusion, infinite where the event never comes."""
    zero = lives["t_infusion"].to_numpy()
    death, relapse = lives["t_death"].to_numpy(), lives["t_relapse"].to_numpy()
    failed = np.where(lives["cr"] == 1, np.inf, lives["t_response"])
    kind = lives["relapse_type"].to_numpy()
    out = {"os": death, "efs": np.minimum.reduce([death, relapse, failed])}
    out["efs_censored"], out["efs_stringent"] = out["efs"], np.minimum(out["efs"], lives["t_hct"])
    for code, name in ((1, "cif_relapse_cd19pos"), (2, "cif_relapse_cd19neg"), (3, "cif_lineage_switch")):
        out[name] = np.where(kind == code, relapse, np.inf)
    out["cif_nrm"] = np.where((relapse == np.inf) & (failed == np.inf), death, np.inf)
    return {name: (np.asarray(t, dtype=float) - zero) / MONTH for name, t in out.items()}


def _summary(policy: str, stratum: str, lives: pd.DataFrame, out: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    n = len(lives)
    rows: list[dict[str, Any]] = []

    def add(measure: str, months: float, values: Any, unit: str) -> None:
        values = np.asarray(values, dtype=float)
        rows.append(
            {
                "policy": policy,
                "stratum": stratum,
                "measure": measure,
                "months": months,
                "value": values.mean(),
                "mc_se": values.std(ddof=1) / np.sqrt(n),
                "unit": unit,
            }
        )

    for name, times in out.items():
        for month in MONTHS:
            add(name, month, times <= month if name.startswith("cif") else times > month, "probability")
    for month in MONTHS:
        add(
            "relapse",
            month,
            np.minimum.reduce([out[k] for k in out if "relapse" in k or "switch" in k]) <= month,
            "probability",
        )
    add("cr", np.nan, lives["cr"], "probability")
    add("hct", np.nan, lives["t_hct"] < np.inf, "probability")
    add("reinfusion", np.nan, lives["t_reinfusion"] < np.inf, "probability")
    add("life_years", np.nan, out["os"] / 12, "years")
    return rows


def _paired(
    policy: str, ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], hct: float
) -> list[dict[str, Any]]:
    rows = []
    wanted = [(m, month) for m in ("os", "efs", "cif_nrm") for month in MONTHS] + [("life_years", np.nan)]
    for measure, month in wanted:
        a, b = (
            (
                x["os"] / 12
                if measure == "life_years"
                else ((x[measure] <= month) if measure == "cif_nrm" else (x[measure] > month)).astype(float)
            )
            for x in (ours, theirs)
        )
        d = a - b
        error = d.std(ddof=1) / np.sqrt(len(d))
        apart = float(np.hypot(a.std(ddof=1), b.std(ddof=1)) / np.sqrt(len(d)))
        rows.append(
            {
                "policy": policy,
                "reference": "watch",
                "measure": measure,
                "months": month,
                "difference": d.mean(),
                "mc_se": error,
                "unpaired_se": apart,
                "variance_reduction": (apart / error) ** 2 if error > 0 else np.inf,
                "nnt": hct / d.mean() if d.mean() > 0 and hct > 0 else np.nan,
                "gain": (d > 1e-9).mean(),
                "lose": (d < -1e-9).mean(),
                "same": (abs(d) <= 1e-9).mean(),
            }
        )
    return rows


def parameters() -> pd.DataFrame:
    """Make up a few parameter lines, one of each status."""
    return pd.DataFrame(
        [
            (
                "clinic.transplant.trm",
                "mortality of a first transplant",
                0.08,
                "probability",
                "beta",
                0.02,
                0.18,
                "HCT10a",
                "found",
            ),
            (
                "biology.leukaemia.growth",
                "regrowth rate",
                0.5,
                "log10 per month",
                "lognormal",
                0.3,
                0.9,
                "-",
                "calibrated",
            ),
            (
                "clinic.transplant.cytoreduction_days",
                "cytoreduction before HCT",
                21,
                "days",
                "gamma",
                7,
                42,
                "-",
                "assumed",
            ),
            ("clinic.monitoring.flow_limit", "flow cytometry's limit", -4, "log10", "fixed", -4, -4, "MRD05", "review"),
            (
                "clinic.salvage.inotuzumab_cr",
                "remission after inotuzumab <script>",
                0.62,
                "probability",
                "beta",
                0.5,
                0.7,
                "SALV01;SALV02",
                "recalled",
            ),
        ],
        columns=["key", "about", "value", "unit", "distribution", "low", "high", "source", "status"],
    )


def manifest(**changes: Any) -> dict[str, Any]:
    """Make up a run record."""
    return {
        "version": "0.1.0",
        "experiment": "compare",
        "seed": 1,
        "engine": "simpy",
        "origin": "infusion",
        "cohort": "real_world_us",
        "n": 400,
        "policies": dict(POLICIES),
        "reference": "watch",
        "horizon_years": None,
        "wall_seconds": 2.31,
        "lives_per_second": 1558.2,
        "products": ["tisa_cel", "brexu_cel"],
        "versions": {"python": "3.11.4", "numpy": "2.4.6"},
        "evidence_hash": "0f3c9a",
        "settings_hash": "77ab01",
        "command": "python -m sim 'policy=[watch,selective]'",
    } | changes


def frames(n: int = 120, policies: dict[str, str] | None = None, **changes: Any) -> Frames:
    """Make every frame for `n` toy patients.

    Parameters
    ----------
    n
        Patients.
    policies
        Name -> label; all nine by default.
    changes
        Entries of the manifest to replace.
    """
    policies = POLICIES if policies is None else policies
    lived = {p: [_life(i, p if p in _TOY else "watch") for i in range(n)] for p in policies}
    patients = {p: pd.DataFrame([life for life, _ in rows]).assign(policy=p) for p, rows in lived.items()}
    journal = pd.DataFrame(
        [(p, i, *row) for p, rows in lived.items() for i, (_, events) in enumerate(rows) for row in events],
        columns=["policy", "patient", "event", "time_start", "time_stop", "detail"],
    )
    treated = {p: lives[lives["t_infusion"] < np.inf].reset_index(drop=True) for p, lives in patients.items()}
    outcomes = {p: _outcomes(lives) for p, lives in treated.items()}
    grid = np.arange(0, 121, 1.0)
    curves = [
        _curve(p, name, times, grid, down=not name.startswith("cif"))
        for p in policies
        for name, times in outcomes[p].items()
    ]
    summary, paired = [], []
    for p, lives in treated.items():
        for stratum in ("all", "no_prior_hct", "prior_hct"):
            inside = (
                np.ones(len(lives), bool)
                if stratum == "all"
                else lives["prior_hct"].to_numpy() == (stratum == "prior_hct")
            )
            summary += _summary(p, stratum, lives[inside], {k: v[inside] for k, v in outcomes[p].items()})
        if p != "watch" and "watch" in policies:
            share = (lives["t_hct"] < np.inf).mean()
            paired += _paired(p, outcomes[p], outcomes["watch"], share)
    return Frames(
        manifest=manifest(**{"n": n, "policies": dict(policies)} | changes),
        summary=pd.DataFrame(summary),
        curves=pd.concat(curves, ignore_index=True),
        paired=pd.DataFrame(paired) if paired else None,
        patients=pd.concat(patients.values(), ignore_index=True).rename(columns={"number": "patient"}),
        journal=journal,
        parameters=parameters(),
    )
