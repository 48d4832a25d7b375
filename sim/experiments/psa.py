"""Probabilistic analysis: joint draws of every uncertain parameter, the same patients under every policy in each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from sim.experiments.answers import effect_of, frame_of, quantities
from sim.experiments.compare import illustrate, manifest, write_config, write_manifest, write_parameters
from sim.experiments.folders import claimed, extended_folder, finishing, manifest_of, point_latest
from sim.experiments.inquiry import Inquiry, Stretch, inquire
from sim.problems import Problem
from sim.uncertainty.draws import Draws, draws_of, posterior_of

if TYPE_CHECKING:
    import pandas as pd

    from sim.uncertainty.decisions import Sample

#: Levels of willingness to pay along a curve.
LEVELS: Final = 41
#: Tables with many rows.
LONG: Final = ("draws", "psa", "psa_batches", "tornado_full")


def run(settings: Any) -> Path:
    """Draw parameters, live through every draw, and write what follows for the decision.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`).

    Returns
    -------
    pathlib.Path
        The folder with ``draws.parquet`` and ``psa.parquet`` (a row per draw; per draw and policy),
        ``psa_batches.parquet``, ``psa_base.csv`` (every parameter at its mean), ``psa_distributions.csv``,
        ``psa_summary.csv``, ``psa_acceptability.csv``, ``psa_evpi.csv``, ``psa_frontier.csv``,
        ``psa_convergence.csv``, ``psa_variance.csv``, ``psa_one_way.csv``, figures and report.
    """
    from sim.uncertainty.decisions import conditional

    draws = draws_of(settings, posterior_of(settings), settings.psa.hold)
    drawn = draws.table(0, settings.psa.draws)  # an impossible draw is refused before anything is lived
    folder = psa_folder(settings)
    with claimed(folder, settings) as store:
        inquiry = Drawn(settings, settings.psa.batches, store)
        started = time.perf_counter()
        sums = inquire(inquiry, settings.psa.draws, size=settings.psa.piece)
        base = inquiry.examiner.answer(draws.means())
        seconds = time.perf_counter() - started
        with finishing(folder) as scratch:
            found = tables(settings, inquiry.examiner.policies, sums, base)
            found["draws"] = _draws_frame(draws.keys, drawn)
            found["psa_distributions"] = draws.specification()
            found["psa_one_way"] = conditional(
                sample_of(settings, inquiry.examiner.policies, sums),
                draws.keys,
                drawn,
                levels_of(settings),
                settings.reference_policy,
            )
            write_frames(found, scratch)
            write_parameters(settings, scratch)
            write_config(settings, scratch)
            write_manifest(record(settings, inquiry.examiner.worlds.n, len(sums), seconds), scratch)
            illustrate(scratch)
    if settings.out is None and settings.run is None:
        point_latest(folder)
    return folder


def psa_folder(settings: Any) -> Path:
    """Choose the folder; fewer draws than a finished run holds get a folder of their own, ``<hash>-d<draws>``.

    Raises
    ------
    Problem
        When the folder was named (``out``, ``run``) and holds more draws.
    """
    folder = extended_folder(settings)
    held = (manifest_of(folder) or {}).get("draws", 0)
    if held <= settings.psa.draws:
        return folder
    if settings.out is not None or settings.run is not None:
        raise Problem(
            f"psa.draws={settings.psa.draws}: {folder} holds {held} draws already; draw at least as many, or choose "
            "another folder with out=DIR"
        )
    return folder.with_name(f"{folder.name}-d{settings.psa.draws}")


def record(settings: Any, n: int, worlds: int, seconds: float) -> dict[str, Any]:
    """Describe a run of many worlds."""
    economics = getattr(settings, "economics", None)
    effect, unit = effect_of(settings)
    lives = n * len(settings.policy) * worlds
    return manifest(settings, n, seconds) | {
        "draws": worlds,
        "lives_per_second": round(lives / seconds, 1),
        "effect": effect,
        "effect_unit": unit,
        "currency": None if economics is None else f"{economics.currency} {economics.price_year}",
        "wtp": list(levels_of(settings)),
        "options": list(options_of(settings)),
        "posterior": posterior_of(settings),
    }


def write_frames(found: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write tables: long ones as Parquet, the rest as CSV."""
    for name, frame in found.items():
        if name in LONG:
            frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
        else:
            frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")


def _draws_frame(keys: Sequence[str], drawn: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(drawn, columns=list(keys))
    frame.insert(0, "draw", np.arange(len(drawn)))
    return frame


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
    return Sample(names, *(np.ascontiguousarray(chosen[:, :, columns.index(name)]) for name in ("n", "cost", effect)))


def levels_of(settings: Any) -> tuple[float, ...]:
    """List the thresholds of willingness to pay; 1 where nothing is priced (net benefit is the effect itself)."""
    economics = getattr(settings, "economics", None)
    return (1.0,) if economics is None else tuple(economics.wtp)


def curve_of(settings: Any) -> list[float]:
    """List the levels of willingness to pay of a curve: from 0 to twice the highest threshold, with all thresholds."""
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
        "psa_base": frame_of({"world": np.array(["base"])}, names, base[None], columns).drop(columns="world"),
        "psa_batches": batches(settings, names, sums),
        "psa_summary": decisions.summary(sample),
        "psa_acceptability": decisions.acceptability(sample, curve),
        "psa_evpi": decisions.perfect_information(sample, curve),
        "psa_frontier": decisions.frontier(sample),
        "psa_convergence": decisions.convergence(sample, levels),
        "psa_variance": decisions.decomposed(sample, levels, settings.reference_policy),
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
