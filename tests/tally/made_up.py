"""Made-up lives: hazards that are constant and known, so that theory says what the tally must find."""

from __future__ import annotations

import numpy as np

from sim.kernel import INF, record_dtype, template
from sim.patient import Patient
from sim.tally.counts import BLOCK, Tally
from sim.units import DAYS_PER_MONTH

LIVES = record_dtype(Patient)

#: Rates per month of the first event in remission, and of death after a relapse.
RELAPSE, DEATH, THERAPY, AFTER_RELAPSE = 0.03, 0.01, 0.04, 0.06
RESPONSE_DAY = 28.0


def empty(n: int, first: int = 0) -> np.ndarray:
    """Lay out patients to whom nothing has happened yet."""
    lives = np.repeat(template(Patient), n)
    lives["number"] = np.arange(first, first + n)
    return lives


def exponential(rng: np.random.Generator, rate: float, n: int) -> np.ndarray:
    """Draw exponential times in days from a rate per month."""
    return rng.exponential(DAYS_PER_MONTH / rate, n)


def immediate(n: int, rng: np.random.Generator, first: int = 0) -> np.ndarray:
    """Patients infused and in remission at day 0, with competing exponential relapse, death and further therapy.

    Death after relapse is exponential too; further therapy changes nothing.
    """
    lives = empty(n, first)
    lives["t_infusion"] = lives["t_lymphodepletion"] = lives["t_response"] = 0.0
    lives["cr"] = 1
    relapse, death = exponential(rng, RELAPSE, n), exponential(rng, DEATH, n)
    therapy = exponential(rng, THERAPY, n)
    relapsed = relapse < death
    lives["t_relapse"] = np.where(relapsed, relapse, INF)
    lives["relapse_type"] = np.where(relapsed, rng.choice([1, 2, 3], n, p=[0.5, 0.4, 0.1]), 0)
    lives["relapse_site"] = np.where(relapsed, 1, 0)
    lives["t_death"] = np.where(relapsed, relapse + exponential(rng, AFTER_RELAPSE, n), death)
    lives["t_therapy"] = lives["t_maintenance"] = np.where(therapy < np.minimum(relapse, death), therapy, INF)
    lives["t_aplasia_lost"] = exponential(rng, 0.02, n)
    return lives


def pathway(n: int, seed: int, first: int = 0, ratio: float = 1.0, transplanted: float = 0.0) -> np.ndarray:
    """Patients with something in every column that is counted; the same seed gives the same luck.

    `ratio` multiplies the relapse rate, `transplanted` is the share of responders transplanted at day 90.
    """
    rng = np.random.default_rng((seed, first))
    lives = empty(n, first)
    u = rng.random((16, n))
    lives["prior_hct"] = u[0] < 0.35
    lives["wait"] = wait = 30.0 + 60.0 * u[1]
    infused = u[2] > 0.15
    lives["not_infused"] = np.where(infused, 0, 2 + (u[2] / 0.15 * 4).astype(np.int64))
    lives["t_infusion"] = start = np.where(infused, wait, INF)
    lives["t_lymphodepletion"] = start - 5.0
    early = infused & (u[3] < 0.03)
    seen = infused & ~early
    lives["t_response"] = response = np.where(seen, start + RESPONSE_DAY, INF)
    cr = seen & (u[3] < 0.87)
    lives["cr"] = cr
    lives["t_nonresponse"] = np.where(seen & ~cr, response, INF)
    begin = np.where(cr, response, 0.0)
    relapse = begin + rng.exponential(900.0 / max(ratio, 1e-9), n)
    death = begin + np.where(u[4] < 0.1, 200.0 * u[5], 15000.0 + 9000.0 * u[5])
    hct = np.where(cr & (u[6] < transplanted), begin + 62.0, INF)
    hct = np.where(hct < np.minimum(relapse, death), hct, INF)
    relapsed = cr & (relapse < death)
    failed = np.where(relapsed, relapse, lives["t_nonresponse"])
    without = np.isin(lives["not_infused"], (2, 4, 5))
    failed = np.where(without, 0.0, failed)
    late = np.where(failed < INF, failed + 30.0 + 4000.0 * u[7] ** 3, death)
    lives["t_death"] = np.where(early, start + 28.0 * u[5], np.where(lives["not_infused"] == 3, 30.0 * u[5], late))
    lives["cause"] = np.where(failed < INF, 1, 5)
    lives["t_relapse"] = np.where(relapsed, relapse, INF)
    lives["relapse_type"] = np.where(relapsed, 1 + (3 * u[8] ** 2).astype(np.int64), 0)
    lives["relapse_site"] = np.where(relapsed, 1 + (u[9] < 0.1), 0)
    lives["relapse_in_aplasia"] = relapsed & (u[10] < 0.4)
    lives["t_hct"] = lives["t_therapy"] = hct
    lives["t_salvage_hct"] = np.where((failed < INF) & (u[11] < 0.3), failed + 25.0, INF)
    lives["hcts"] = (hct < INF).astype(np.int64) + (lives["t_salvage_hct"] < INF)
    lives["t_mrd"] = np.where(relapsed, np.maximum(begin, relapse - 60.0), INF)
    lives["t_aplasia_lost"] = np.where(infused, np.minimum(start + rng.exponential(400.0, n), hct), INF)
    lives["t_aplasia_lost_seen"] = lives["t_aplasia_lost"] + 14.0
    lives["crs_grade"] = np.where(infused, (6 * u[12] ** 2).astype(np.int64), 0)
    lives["icans_grade"] = np.where(infused, (6 * u[13] ** 4).astype(np.int64), 0)
    lives["neutropenia_days"] = np.where(infused, 40.0 * u[14], 0.0)
    lives["infections"] = (3 * u[15]).astype(np.int64)
    lives["ward_days"] = np.where(infused, 20.0 + 7.3 * u[12], 0.0) + np.where(hct < INF, 40.0, 0.0)
    lives["icu_days"] = np.where(lives["crs_grade"] >= 3, 8.1 * u[13], 0.0)
    lives["month3_taken"] = cr
    lives["day28_mrd"] = np.where(cr, (8 * u[14] ** 3).astype(np.int64), 0)
    return lives


def policies(n: int, seed: int, first: int = 0) -> dict[str, np.ndarray]:
    """Three policies for the same patients; `twin` is the reference under another name."""
    return {
        "watch": pathway(n, seed, first),
        "twin": pathway(n, seed, first),
        "transplant": pathway(n, seed, first, ratio=0.6, transplanted=0.7),
    }


def blocks(n: int, seed: int) -> list[tuple[int, dict[str, np.ndarray]]]:
    """Split n patients under three policies into aligned blocks."""
    return [(first, policies(min(BLOCK, n - first), seed, first)) for first in range(0, n, BLOCK)]


def tallied(n: int, seed: int, **options: object) -> Tally:
    """Tally n patients under three policies."""
    tally = Tally(**({"policies": ["watch", "twin", "transplant"], "reference": "watch"} | options))  # type: ignore[arg-type]
    for first, lives in blocks(n, seed):
        tally.add(first, lives)
    return tally


def split(lives: dict[str, np.ndarray]) -> list[tuple[int, dict[str, np.ndarray]]]:
    """Split arrays of patients into aligned blocks."""
    n = len(next(iter(lives.values())))
    return [(i, {name: block[i : i + BLOCK] for name, block in lives.items()}) for i in range(0, n, BLOCK)]
