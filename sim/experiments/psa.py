"""Probabilistic analysis: joint draws of every uncertain parameter, the same patients under every policy in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from sim.experiments.answers import effect_of, frame_of, quantities
from sim.experiments.inquiry import Inquiry, Stretch, inquire
from sim.uncertainty.draws import Draws, draws_of

if TYPE_CHECKING:
    import pandas as pd

    from sim.uncertainty.decisions import Sample

#: Levels of willingness to pay along a curve.
LEVELS: Final = 41


def run(settings: Any) -> Path:
    """Draw parameters, live through every draw, and write what follows for the decision.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`).

    Returns
    -------
    pathlib.Path
        The folder with ``draws.parquet`` and ``psa.parquet`` (one row per draw, and per draw and policy),
        ``batches.parquet``, ``base.csv`` (every parameter at its mean), ``distributions.csv``, ``psa_summary.csv``,
        ``acceptability.csv``, ``evpi.csv``, ``frontier.csv``, ``convergence.csv``, ``variance.csv``, figures and report.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Drawn(Inquiry):
    """The job: world i is draw i."""

    kind: ClassVar[str] = "draws"

    @cached_property
    def draws(self) -> Draws:
        """The joint draws."""
        return draws_of(self.settings, posterior_of(self.settings), self.settings.psa.hold)

    def answers(self, stretch: Stretch) -> np.ndarray:
        worlds = self.draws.values(stretch.first, stretch.end - stretch.first)
        return np.array([self.examiner.answer(values) for values in worlds])


def posterior_of(settings: Any) -> str | None:
    """Name the file of joint draws that a run uses, or None.

    ``psa.posterior=auto`` takes the shipped posterior of the structure in use, where there is one.
    """
    wanted = settings.psa.posterior
    if wanted != "auto":
        return None if wanted is None else str(wanted)
    structure = getattr(settings, "structure", None)
    if structure is None:
        return None
    from sim.evidence import DATA

    for suffix in (".parquet", ".csv"):
        path = DATA / "posterior" / f"{structure.name}{suffix}"
        if path.is_file():
            return str(path)
    return None


def options_of(settings: Any) -> tuple[str, ...]:
    """List the policies among which a decision maker can choose: emulated practice is none of them."""
    names = [
        name
        for name, policy in sorted(settings.policy.items())
        if not any(rule.timing == "practice" for rule in policy.active)
    ]
    return tuple(names or sorted(settings.policy))


def sample_of(settings: Any, policies: Sequence[str], sums: np.ndarray) -> Sample:
    """Pick costs and effects of the options out of the answers of many worlds."""
    from sim.uncertainty.decisions import Sample

    names = options_of(settings)
    columns = [column.name for column in quantities(settings)]
    effect, _ = effect_of(settings)
    chosen = sums[:, [list(policies).index(name) for name in names]]
    return Sample(
        names, *(np.ascontiguousarray(chosen[:, :, columns.index(name)]) for name in ("n", "cost", effect))
    )


def levels_of(settings: Any) -> tuple[float, ...]:
    """List the thresholds of willingness to pay; 1 where nothing is priced (net benefit is the effect itself)."""
    economics = getattr(settings, "economics", None)
    return (1.0,) if economics is None else tuple(economics.wtp)


def curve_of(settings: Any) -> list[float]:
    """List the levels of willingness to pay of a curve: from 0 to twice the highest threshold, thresholds among them."""
    levels = levels_of(settings)
    if getattr(settings, "economics", None) is None:
        return list(levels)
    return sorted({*np.linspace(0.0, 2.0 * max(levels), LEVELS).tolist(), *levels})


def tables(settings: Any, policies: Sequence[str], sums: np.ndarray, base: np.ndarray) -> dict[str, pd.DataFrame]:
    """Make every table of the analysis.

    Parameters
    ----------
    settings
        Of the run.
    policies
        In the order of the sums.
    sums
        Shape (draws, policies, quantities, batches).
    base
        The same of the base case: shape (policies, quantities, batches).
    """
    from sim.uncertainty import decisions

    columns = quantities(settings)
    sample = sample_of(settings, policies, sums)
    curve, levels = curve_of(settings), levels_of(settings)
    names = tuple(policies)
    return {
        "psa": frame_of({"draw": np.arange(len(sums))}, names, sums, columns),
        "base": frame_of({"world": np.array(["base"])}, names, base[None], columns).drop(columns="world"),
        "batches": batches(settings, names, sums),
        "psa_summary": decisions.summary(sample),
        "acceptability": decisions.acceptability(sample, curve),
        "evpi": decisions.perfect_information(sample, curve),
        "frontier": decisions.frontier(sample),
        "convergence": decisions.convergence(sample, levels),
        "variance": decisions.decomposed(sample, levels, settings.reference_policy),
    }


def batches(settings: Any, policies: tuple[str, ...], sums: np.ndarray) -> pd.DataFrame:
    """Lay out cost and effect of every batch of patients: draw, policy, batch, n, cost, effect (sums)."""
    import pandas as pd

    columns = [column.name for column in quantities(settings)]
    draws, options, _, parts = sums.shape
    effect, _ = effect_of(settings)
    found = {
        "draw": np.repeat(np.arange(draws), options * parts),
        "policy": np.tile(np.repeat(np.array(policies, dtype=object), parts), draws),
        "batch": np.tile(np.arange(parts), draws * options),
    }
    for name, column in (("n", "n"), ("cost", "cost"), ("effect", effect)):
        found[name] = sums[:, :, columns.index(column)].ravel()
    return pd.DataFrame(found)
