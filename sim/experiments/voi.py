"""Value of information from a finished probabilistic analysis: nothing is simulated again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import __version__
from sim.experiments.compare import illustrate
from sim.experiments.folders import manifest_of, point_latest, run_folder, settings_hash, written_whole
from sim.experiments.progress import progress
from sim.problems import Problem, joined

if TYPE_CHECKING:
    import pandas as pd

    from sim.uncertainty.settings import Study


@dataclass(frozen=True)
class Analysed:
    """A finished probabilistic analysis.

    Attributes
    ----------
    manifest
        Its run record.
    options
        Policies among which can be chosen.
    costs, effects
        Means per patient, shape (draws, options).
    parameters
        What was drawn: a column per line, a row per draw.
    """

    manifest: dict[str, Any]
    options: tuple[str, ...]
    costs: np.ndarray
    effects: np.ndarray
    parameters: pd.DataFrame


def run(settings: Any) -> Path:
    """Value perfect, partial and sample information.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`); ``run`` names the folder of an ``experiment=psa``.

    Returns
    -------
    pathlib.Path
        The folder with ``voi_evpi.csv``, ``voi_evppi.csv`` (parameters and groups), ``voi_evsi.csv`` (studies by size,
        with their net benefit), figures and report.

    Raises
    ------
    Problem
        When ``run`` is no probabilistic analysis, or a study or group names what it did not draw.
    """
    found = read(settings.run)
    levels = tuple(settings.voi.wtp or found.manifest["wtp"])
    groups = grouped(settings.voi.groups, list(found.parameters.columns))
    check_studies(settings.study, found)
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        started = time.perf_counter()
        evpi = perfect(settings, found, levels)
        evppi = partial(settings, found, levels, groups)
        evsi = sampled(settings, found, levels)
        for name, frame in (("voi_evpi", evpi), ("voi_evppi", evppi), ("voi_evsi", evsi)):
            frame.to_csv(scratch / f"{name}.csv", index=False, float_format="%.10g")
        record = found.manifest | {
            "version": __version__,
            "experiment": "voi",
            "of": found.manifest["settings_hash"],
            "settings_hash": settings_hash(settings),
            "seconds": round(time.perf_counter() - started, 3),
            "wtp": list(levels),
            "shown": settings.voi.shown,
            "population": settings.voi.population.model_dump(mode="json"),
            "studies": {name: study.label for name, study in settings.study.items()},
        }
        (scratch / "config.yaml").write_text(settings.as_yaml(), encoding="utf-8")
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        illustrate(scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def read(run: str | None) -> Analysed:
    """Read a finished probabilistic analysis.

    Raises
    ------
    Problem
        When no run was named, it is no such analysis, or it has one priced policy only.
    """
    import pandas as pd

    if run is None:
        raise Problem("run: name a finished probabilistic analysis, for example run=outputs/psa/latest")
    folder = Path(run)
    manifest = manifest_of(folder)
    if manifest is None or not (folder / "draws.parquet").is_file() or not (folder / "psa.parquet").is_file():
        kind = f" (it is an experiment={manifest['experiment']})" if manifest and "experiment" in manifest else ""
        raise Problem(f"run={run}: is no finished probabilistic analysis{kind}; make one with experiment=psa")
    options = tuple(manifest["options"])
    if len(options) < 2:
        raise Problem(
            f"run={run}: has one priced policy ({', '.join(options)}): where nothing is chosen, information is worth "
            "nothing; make an analysis of two policies at least"
        )
    table = pd.read_parquet(folder / "psa.parquet", columns=["draw", "policy", "cost", manifest["effect"]])
    costs = table.pivot(index="draw", columns="policy", values="cost")[list(options)].to_numpy()
    effects = table.pivot(index="draw", columns="policy", values=manifest["effect"])[list(options)].to_numpy()
    parameters = pd.read_parquet(folder / "draws.parquet").drop(columns="draw")
    return Analysed(manifest, options, costs, effects, parameters)


def grouped(groups: dict[str, tuple[str, ...]], drawn: list[str]) -> dict[str, list[str]]:
    """Find the members of each group among what was drawn; groups without any are left out.

    Raises
    ------
    Problem
        When no group has any, though there are groups.
    """
    found = {
        name: [key for key in drawn if any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)]
        for name, prefixes in groups.items()
    }
    members = {name: keys for name, keys in found.items() if keys}
    if groups and not members:
        raise Problem("voi.groups: no group holds a parameter that was drawn")
    return members


def check_studies(studies: dict[str, Study], found: Analysed) -> None:
    """Refuse studies of what was not drawn, or of impossible shares; all of them are named."""
    from sim.problems import did_you_mean

    drawn = list(found.parameters.columns)
    wrong = []
    for name, study in studies.items():
        for one in study.measures:
            if one.of not in drawn:
                wrong.append(
                    f"study.{name}: {one.of!r} was not drawn in the run (fixed, held, or no such line), "
                    f"{did_you_mean(one.of, drawn)} Or choose studies: study=[...]"
                )
            elif one.kind == "binomial" and not found.parameters[one.of].between(0.0, 1.0).all():
                wrong.append(f"study.{name}: {one.of} is no share, so it is not measured by kind: binomial")
            elif one.kind == "lognormal" and not (found.parameters[one.of] > 0.0).all():
                wrong.append(f"study.{name}: {one.of} is not always above 0, so it has no logarithm (kind: lognormal)")
    if wrong:
        raise Problem(joined(wrong))


def people(settings: Any, delay: float = 0.0) -> float:
    """Count the patients whom the decision concerns from `delay` years on, discounted."""
    from sim.economics import population_size

    whom = settings.voi.population
    return population_size(whom.per_year, whom.horizon_years, whom.rate, delay)


def perfect(settings: Any, found: Analysed, levels: tuple[float, ...]) -> pd.DataFrame:
    """Tabulate EVPI: wtp, evpi, se, population, population_evpi, population_se, best."""
    import pandas as pd

    from sim.economics import evpi, mc_se, nmb

    each = evpi(found.costs, found.effects, levels).to_numpy()
    error = mc_se("evpi", found.costs, found.effects, levels)["evpi"].to_numpy()
    best = nmb(found.costs, found.effects, levels, found.options).idxmax(axis=1).to_numpy()
    number = people(settings)
    return pd.DataFrame(
        {
            "wtp": levels,
            "evpi": each,
            "se": error,
            "population": number,
            "population_evpi": number * each,
            "population_se": number * error,
            "best": best,
        }
    )


def partial(settings: Any, found: Analysed, levels: tuple[float, ...], groups: dict[str, list[str]]) -> pd.DataFrame:
    """Tabulate EVPPI of groups and, where asked for, of every parameter.

    Returns
    -------
    pandas.DataFrame
        Columns of `sim.economics.evppi_table`, and kind (parameter, group), members, population_evppi. Parameters of
        highest value stand a second time, by a Gaussian process.
    """
    import pandas as pd

    number = people(settings)
    units = list(found.parameters.columns) if settings.voi.single else []
    frames = []
    with progress((len(units) + len(groups)) * len(levels), "values", quiet=settings.quiet) as advance:
        for level in levels:
            single = [_valued(found, {key: [key] for key in units[at : at + 20]}, level, "spline", advance)
                      for at in range(0, len(units), 20)]  # fmt: skip
            parts = [part.assign(kind="parameter", members=1) for part in single]
            if parts and settings.voi.gaussian_process:
                best = pd.concat(parts).nlargest(settings.voi.gaussian_process, "evppi")["of"]
                checked = _valued(found, {key: [key] for key in best}, level, "gp", lambda done: None)
                parts.append(checked.assign(kind="parameter", members=1))
            if groups:
                table = _valued(found, groups, level, "auto", advance)
                sizes = table["of"].map({name: len(keys) for name, keys in groups.items()})
                parts.append(table.assign(kind="group", members=sizes))
            frames += parts
    if not frames:
        return pd.DataFrame(columns=["wtp", "of", "evppi", "se", "method", "kind", "members", "population_evppi"])
    table = pd.concat(frames, ignore_index=True)
    table["population_evppi"] = number * table["evppi"]
    order = ["wtp", "kind", "evppi", "of", "method"]
    return table.sort_values(order, ascending=[True, True, False, True, False], ignore_index=True)


def _valued(found: Analysed, of: dict[str, list[str]], level: float, method: str, advance: Any) -> pd.DataFrame:
    from sim.economics import evppi_table

    table = evppi_table(found.costs, found.effects, found.parameters, of, level, method=method, seed=_seed(found))
    advance(len(of))
    return table


def _seed(found: Analysed) -> int:
    return int(found.manifest["seed"])


def sampled(settings: Any, found: Analysed, levels: tuple[float, ...]) -> pd.DataFrame:
    """Tabulate EVSI and the expected net benefit of sampling of every study at every size.

    Returns
    -------
    pandas.DataFrame
        Columns study, wtp, then those of `sim.economics.enbs` and of the regression (method, r2, pattern, bias, evpi).
    """
    import pandas as pd

    from sim.economics import enbs, evsi_table
    from sim.uncertainty.studies import observed

    whom = settings.voi.population
    frames = [pd.DataFrame(columns=["study", "wtp", "size", "evsi"])]
    with progress(len(settings.study) * len(levels), "studies", quiet=settings.quiet) as advance:
        for name, study in settings.study.items():
            for level in levels:
                values = evsi_table(
                    found.costs, found.effects, found.parameters, observed(study), study.sizes, level, seed=_seed(found)
                )
                worth = enbs(
                    values,
                    incidence=whom.per_year,
                    horizon=whom.horizon_years,
                    discount=whom.rate,
                    delay=study.years,
                    fixed_cost=study.fixed_cost,
                    cost_per_patient=study.cost_per_patient,
                )
                worth.insert(0, "study", name)
                worth.insert(1, "wtp", level)
                fit = values[["se", "method", "r2", "pattern", "bias", "evpi"]].rename(columns={"se": "evsi_se"})
                frames.append(pd.concat([worth, fit], axis=1))
                advance(1)
    kept = [frame for frame in frames if len(frame)] or frames
    return pd.concat(kept, ignore_index=True)
