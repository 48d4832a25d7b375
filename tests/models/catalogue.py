"""Every textbook model with a crowd to run it on, and what identifies a run of it.

``python -m models.catalogue`` prints a digest per model: the tests run it without compilation.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from models import (
    cure,
    exponentials,
    queue,
    switching,
    warden_constrained,
    warden_ebc,
    warden_ssd,
    wards,
    weibull,
)
from models.running import World, crowd, on_batch
from sim.draws import uniforms
from sim.engine.pathway import Pathway

PATIENTS: Final = 400
FEW: Final = 40  # enough where nothing is compiled
SEED: Final = 20
INF: Final = float("inf")


class Example(NamedTuple):
    """A model ready to run."""

    pathway: Pathway
    patients: np.ndarray
    parameters: Any
    horizon: float = INF


def draw(n: int, decision: int) -> np.ndarray:
    """Uniform numbers for `n` patients, for the attributes of textbook crowds."""
    return uniforms(SEED, np.arange(n), decision)


def customers(n: int, service: float = 1.0, patience: float = INF) -> np.ndarray:
    """Exponential service and patience with the means given (infinite: nobody leaves)."""
    stay = -service * np.log(draw(n, 100))
    wait = np.full(n, INF) if patience == INF else -patience * np.log(draw(n, 101))
    return crowd(n, service=stay, patience=wait)


def ward_patients(n: int) -> np.ndarray:
    """Patients who need intensive care or not, one after the other or at once; one in four may die."""
    return crowd(
        n,
        before=np.where(draw(n, 110) < 0.5, 3.0 * draw(n, 111), INF),
        intensive=-1.5 * np.log(draw(n, 112)),
        after=-2.0 * np.log(draw(n, 113)),
        death=np.where(draw(n, 114) < 0.25, 8.0 * draw(n, 115), INF),
        both=draw(n, 116) < 0.2,
    )


def women(n: int, arm: int) -> np.ndarray:
    """Early breast cancer: times to events as WARDEN's vignette draws them."""
    columns = ["idfs", "early", "beva", "os_early", "recurrence", "os_mbc", "progression", "ttot", "start"]
    meanlog = dict(zip(columns, (2.0, 2.0, 2.0, 3.0, 2.0, 0.8, 0.5, 0.5, 2.3), strict=True))
    shorter = 0.0 if arm == 1 else np.log(1.2)
    drawn = {
        name: np.exp(meanlog[name] - shorter * (name in ("idfs", "early", "os_early")) + 0.2 * quantiles(n, 120 + i))
        for i, name in enumerate(columns)
    }
    male = draw(n, 130) < 0.01
    shape, rate = np.where(male, 0.102, 0.115), np.where(male, 0.000016, 0.0000041)
    natural = np.log(1.0 - shape / rate * np.log(draw(n, 131)) / np.exp(50.0 * shape)) / shape
    remits = draw(n, 132) < 0.8
    never = np.full(n, INF)
    recurrence = np.where(remits, drawn["idfs"] + drawn["recurrence"], INF)
    start = np.where(remits, INF, drawn["start"])
    idfs = np.where(remits, drawn["idfs"], np.minimum(start, drawn["idfs"]))
    early = np.minimum(drawn["early"], idfs)
    recurs = remits & (np.minimum(drawn["os_early"], natural) > recurrence)
    origin = np.where(recurs, drawn["idfs"] + recurrence, start)
    first = np.column_stack(
        [
            drawn["ttot"] + origin,
            drawn["beva"] if arm == 1 else never,
            drawn["progression"] + origin,
            np.minimum(np.minimum(drawn["os_mbc"] + origin, drawn["os_early"]), natural),
            idfs,
            early,
            np.where(remits, idfs, INF),
            recurrence,
            start,
            never,
            never,
        ]
    )
    return woman_rows(arm, remits, first, draw(n, 133), draw(n, 134), draw(n, 135))


def quantiles(n: int, decision: int) -> np.ndarray:
    """Standard normal numbers."""
    from scipy.special import ndtri

    return ndtri(draw(n, decision))


def woman_rows(arm: Any, remits: Any, first: np.ndarray, early: Any, second: Any, duration: Any) -> np.ndarray:
    """Lay out the attributes of `warden_ebc`."""
    kinds: list[Any] = [("arm", np.int64), ("remits", np.int64), ("first", np.float64, (warden_ebc.EVENTS,))]
    kinds += [(name, np.float64) for name in ("u_early", "u_second", "u_duration")]
    table = np.zeros(len(first), dtype=np.dtype(kinds))
    table["arm"], table["remits"], table["first"] = arm, remits, first
    table["u_early"], table["u_second"], table["u_duration"] = early, second, duration
    return table


def _examples(n: int) -> dict[str, Callable[[], Example]]:
    arm = np.arange(n) % 2
    busy = switching.Rates(until=[20.0, 30.0, 50.0, 65.0, 80.0, INF], rates=[2.0, 0.0, 3.0, 0.0, 0.5, 4.0])
    return {
        "exponentials": lambda: Example(exponentials.PATHWAY, crowd(n), exponentials.Rates(), 20.0),
        "switching": lambda: Example(switching.PATHWAY, crowd(n), switching.Rates(), 12.0),
        "switching, busy": lambda: Example(switching.PATHWAY, crowd(n), busy, 100.0),
        "weibull": lambda: Example(weibull.PATHWAY, crowd(n), weibull.Weibulls(), 15.0),
        "cure": lambda: Example(cure.PATHWAY, crowd(n, age=5.0 + 60.0 * draw(n, 99), female=arm), cure.Mixture(), 60.0),
        "queue": lambda: Example(queue.PATHWAY, customers(n, patience=2.0), queue.Nothing(), 3.0),
        "wards": lambda: Example(wards.PATHWAY, ward_patients(n), wards.Nothing(), 6.0),
        "warden_ssd": lambda: Example(warden_ssd.PATHWAY, crowd(n, arm=arm), warden_ssd.Inputs()),
        "warden_constrained": lambda: Example(
            warden_constrained.PATHWAY,
            crowd(n, sicker=-5.0 * np.log(draw(n, 140)), death=12.0 + 3.0 * quantiles(n, 141), arm=arm),
            warden_constrained.Inputs(),
        ),
        "warden_ebc": lambda: Example(warden_ebc.PATHWAY, women(n, 1), warden_ebc.Inputs()),
    }


NAMES: Final = tuple(_examples(0))


def example(name: str, n: int = PATIENTS) -> Example:
    """One of `NAMES`."""
    return _examples(n)[name]()


def digest(world: World) -> str:
    """Hash a run's bytes."""
    return hashlib.sha256(b"".join(world.bytes())).hexdigest()


def few(name: str) -> str:
    """Run a few patients on the batch engine of this process and hash the result."""
    m = example(name, FEW)
    return digest(on_batch(m.pathway, m.patients, m.parameters, SEED, horizon=m.horizon))


if __name__ == "__main__":
    json.dump({name: few(name) for name in NAMES}, sys.stdout)
