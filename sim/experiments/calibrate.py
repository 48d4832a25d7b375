"""Calibration: fit the free parameters to what was published, sample the posterior, write tables, figures and files."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

from sim import __version__
from sim.calibration.adopt import Calibrated, adopt_lines, adopt_structure
from sim.calibration.evaluator import FastEvaluator
from sim.calibration.fit import Fit, Fitting, planned
from sim.calibration.likelihood import natural
from sim.calibration.posterior import (
    FOLDER,
    Posterior,
    posterior_path,
    read_posterior,
    read_posterior_file,
    write_posterior,
)
from sim.calibration.priors import Z95, Parameters, check_priors
from sim.calibration.store import Runs, Store
from sim.calibration.target import Target
from sim.conf import conf_folder
from sim.evidence import evidence_hash
from sim.experiments.compare import illustrate, write_config, write_parameters
from sim.experiments.folders import point_latest, run_folder, settings_hash, written_whole
from sim.experiments.progress import progress
from sim.experiments.validate import compare
from sim.kernel import kernel_hash
from sim.problems import Problem
from sim.settings import Settings

#: Posterior SD relative to the prior's above which a parameter is called not identified.
UNIDENTIFIED: Final = 0.8
#: Code beside the kernel that decides what an evaluation gives.
EMULATION: Final = (
    "calibration/emulation.py",
    "calibration/estimators.py",
    "calibration/evaluator.py",
    "calibration/lives.py",
    "calibration/quantities.py",
    "calibration/study.py",
    "cohort/*.py",
    "experiments/inputs.py",
)
REFERENCE: Final = "reference"
#: Scores beyond this are pulled in before a climb starts there: a prior's edge has no slope.
FARTHEST: Final = 2.5


def run(settings: Settings) -> Path:
    """Calibrate and write the answers.

    Returns
    -------
    pathlib.Path
        The folder with ``fit.csv``, ``posterior_summary.csv``, ``posterior.parquet``, ``studies.csv``, ``starts.csv``,
        ``check.csv``, ``validate_curves.csv``, ``figures/``, ``report.html``, ``config.yaml`` and ``manifest.json``.
        Evaluations are kept beside it, so that the next run, also of other settings of the sampler, does not make them
        again.
    """
    calibration = Calibrating(settings)
    folder = run_folder(settings)
    with written_whole(folder, settings) as scratch:
        fit = calibration.fit(folder.parent / "evaluations")
        calibration.write(fit, scratch)
        illustrate(scratch)
        calibration.show(fit, scratch)
    if settings.out is None:
        point_latest(folder)
    if settings.calibration.adopt:
        for path in calibration.adopt(folder):
            calibration.say(f"wrote {path}")
    return folder


class Calibrating:
    """A calibration of the shipped model: which lines are free, which simulator, where things go.

    Parameters
    ----------
    settings
        Validated settings; their structure's own lines are not free.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.budget = settings.calibration
        self.lines = dict(settings.lines())
        self._check_structure()
        priors = {k: p for k, p in self.budget.parameters.items() if k not in settings.structure.fixes}
        self.parameters = Parameters(priors)
        self.model = self._model(settings.seed, self.budget.patients)
        self.targets: list[Target] = list(self.model.targets)
        used = {name.strip() for target in self.targets if target.fitted for name in target.source.split(";")}
        check_priors(priors, self.lines, sorted(used))
        self.start = None if self.budget.start_from is None else earlier(self.budget.start_from)

    def _check_structure(self) -> None:
        for key in self.settings.structure.fixes:
            if key not in self.lines:
                raise Problem(f"structure.fixes: {key} is no parameter line")
        weights = self.budget.weights or {}
        unknown = sorted(set(weights) - set(structures()))
        if unknown:
            raise Problem(f"calibration.weights: {unknown[0]!r} is no structure; there are {', '.join(structures())}")

    def _model(self, seed: int, patients: int) -> FastEvaluator:
        return FastEvaluator(self.settings.model_copy(update={"seed": seed}), patients=patients, shown=True)

    def say(self, line: str) -> None:
        """Tell what happens, unless told to be quiet."""
        if not self.settings.quiet:
            print(line, file=sys.stderr, flush=True)

    def fit(self, kept: Path) -> Fit:
        """Do the fit; evaluations are kept below `kept`."""
        import os

        threads = self.settings.threads or os.cpu_count() or 1
        few = self.budget.search_patients
        total = planned(self.budget, len(self.parameters))
        with progress(total, f"runs of {few:,} patients", quiet=self.settings.quiet) as advance:

            def runs(model: FastEvaluator, seed: int, patients: int) -> Runs:
                store = Store(kept / self.digest(seed, patients), len(self.parameters))
                size = max(1, patients // few)
                return Runs(model, self.parameters, store, threads, lambda done: advance(done * size))

            seed = self.settings.seed
            return Fitting(
                runs(self.model, seed, self.budget.patients),
                runs(self._model(seed, few), seed, few),
                self.parameters,
                self.targets,
                self.budget,
                seed,
                replicate=lambda number: runs(
                    self._model(seed + number, self.budget.patients), seed + number, self.budget.patients
                ),
                say=self.say,
                start=None if self.start is None else start_scores(self.parameters, self.start),
            ).run()

    def digest(self, seed: int, patients: int) -> str:
        """Hash what decides an evaluation: settings but for the free lines, studies, code; seed and patients."""
        data = json.loads(self.settings.canonical())
        for name in ("calibration", "validation", "seed", "experiment", "run", "journal", "engine"):
            data.pop(name, None)
        for key in self.parameters.keys:
            node = data
            for part in key.split(".")[:-1]:
                node = node[part]
            node.pop(key.rpartition(".")[2])
        text = json.dumps([data, list(self.parameters.keys), seed, patients], sort_keys=True)
        digest = hashlib.sha256(text.encode())
        for name in (targets_hash(), _content_hash("cohort"), kernel_hash(), evidence_hash(), emulation_hash()):
            digest.update(name.encode())
        return digest.hexdigest()[:16]

    # --- what is written ---------------------------------------------------------------------------------------------

    def write(self, fit: Fit, folder: Path) -> None:
        """Write the frames of a fit."""
        fit_table(fit).to_csv(folder / "fit.csv", index=False, float_format="%.6g")
        parameter_table(fit, self.lines).to_csv(folder / "posterior_summary.csv", index=False, float_format="%.6g")
        study_table(fit).to_csv(folder / "studies.csv", index=False, float_format="%.6g")
        start_table(fit).to_csv(folder / "starts.csv", index=False, float_format="%.6g")
        if fit.check is not None:
            check_table(fit).to_csv(folder / "check.csv", index=False, float_format="%.6g")
        self._curves(fit).to_csv(folder / "validate_curves.csv", index=False, float_format="%.10g")
        record = self.manifest(fit)
        write_posterior(folder / "posterior.parquet", self.parameters.keys, fit.draws, record["provenance"])
        write_parameters(self.settings, folder)
        write_config(self.settings, folder)
        (folder / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _curves(self, fit: Fit) -> pd.DataFrame:
        """Draw every study's curves at the posterior mean, with the published points on them."""
        quiet = self.settings.model_copy(update={"quiet": True})
        base = quiet.with_values(self.parameters.named(fit.mean))
        return compare(base, list(self.model.studies))[1]

    def manifest(self, fit: Fit) -> dict[str, Any]:
        """Describe the calibration: what it was made from, and how well it converged."""
        mean = self.parameters.named(fit.mean)
        return {
            "program": "cartwin",
            "version": __version__,
            "experiment": "calibrate",
            "settings_hash": settings_hash(self.settings),
            "structure": self.settings.structure.model_dump(mode="json"),
            "weights": self.budget.weights,
            "provenance": {
                "structure": self.settings.structure.name,
                "version": __version__,
                "command": "python -m sim " + " ".join(sys.argv[1:]),
                "seed": self.settings.seed,
                "start": None if self.start is None else self.start.provenance["content_hash"],
                "config_hash": self.digest(self.settings.seed, self.budget.patients),
                "targets_hash": targets_hash(),
                "kernel_hash": kernel_hash(),
                "evidence_hash": evidence_hash(),
                "mean": mean,
            },
            "diagnostics": diagnostics(fit),
        }

    def show(self, fit: Fit, folder: Path) -> None:
        """Print the answer: how many quantities are met, which are missed, what is not identified."""
        table = pd.read_csv(folder / "fit.csv")
        fitted = table[table["fitted"]]
        self.say(f"{int(fitted['met'].sum())} of {len(fitted)} fitted quantities within their interval")
        for row in fitted[~fitted["met"]].itertuples():
            self.say(f"  missed: {row.study} {row.label}: published {row.published:.3g}, model {row.model:.3g}")
        for row in table[~table["fitted"] & table["model"].notna()].itertuples():
            self.say(f"  shown: {row.study} {row.label}: published {row.published:.3g}, model {row.model:.3g}")
        names = pd.read_csv(folder / "posterior_summary.csv")
        weak = names.loc[~names["identified"], "key"]
        self.say(f"not identified (posterior about as wide as prior): {', '.join(weak) or 'none'}")

    def adopt(self, folder: Path) -> list[Path]:
        """Make the result of a finished calibration the shipped one."""
        return adopt_run(folder, self.lines)


def adopt_run(folder: Path, lines: Mapping[str, Any]) -> list[Path]:
    """Write a finished calibration into conf/ and its sample into sim/data/posterior.

    Parameters
    ----------
    folder
        Of the calibration.
    lines
        All parameter lines by dotted key.
    """
    sample = read_posterior_file(folder / "posterior.parquet")
    low, high = np.quantile(sample.draws, [0.025, 0.975], axis=0)
    mean = sample.mean
    results = {k: Calibrated(mean[k], float(low[i]), float(high[i])) for i, k in enumerate(sample.keys)}
    structure = str(sample.provenance["structure"])
    if structure == REFERENCE:
        changed = adopt_lines(conf_folder(), lines, results)
    else:
        changed = [adopt_structure(conf_folder(), structure, lines, results)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = posterior_path(structure)
    path.write_bytes((folder / "posterior.parquet").read_bytes())
    return [*changed, path]


def earlier(written: str) -> Posterior:
    """Read the posterior that a calibration starts from: of a structure, or a file.

    Raises
    ------
    Problem
        When there is neither such a structure nor such a file.
    """
    if written in structures():
        return read_posterior(written)
    path = Path(written)
    if not path.is_file():
        known = ", ".join(structures())
        raise Problem(f"calibration.start_from: {written!r} is neither a structure ({known}) nor a posterior file")
    return read_posterior_file(path)


def start_scores(parameters: Parameters, start: Posterior) -> np.ndarray:
    """Give the scores of a posterior's mean; a line that was not free there starts at its prior's middle."""
    mean = start.mean
    scores = [float(prior.score(mean[key])) if key in mean else 0.0 for key, prior in parameters.priors.items()]
    return np.asarray(np.clip(np.nan_to_num(scores), -FARTHEST, FARTHEST))


def structures() -> list[str]:
    """List the structures that the model can be calibrated under."""
    from sim.conf import options

    return options("structure")


def targets_hash() -> str:
    """Hash the published quantities and how they are emulated: what the files of conf/targets say, not how."""
    return _content_hash("targets")


def _content_hash(group: str) -> str:
    """Hash the content of a folder of conf/; comments and layout do not count."""
    files = {path.name: yaml.safe_load(path.read_bytes()) for path in (conf_folder() / group).glob("*.yaml")}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def emulation_hash() -> str:
    """Hash the code beside the kernel that emulates quantities."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for pattern in EMULATION:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


# --- tables ----------------------------------------------------------------------------------------------------------


def fit_table(fit: Fit) -> pd.DataFrame:
    """Lay out target | published (interval) | model (interval) | z.

    ``model`` is the simulator at the posterior mean; its interval is the 95 % of the posterior draws by the surrogate,
    widened by the surrogate's and the Monte-Carlo error. ``z`` is their distance in published standard errors on the
    quantity's scale; ``met``: inside the published interval, or within 1.96 standard errors where none was published.
    """
    likelihood = fit.likelihood
    scaled_base = likelihood.on_scale(fit.base)
    error = np.hypot(fit.surrogate.error, likelihood.noise)
    rows = []
    for i, target in enumerate(likelihood.targets):
        draws = fit.predicted[:, i]
        spread = float(np.hypot(np.std(draws), error[i]))
        centre = float(np.mean(draws))
        ends = natural(target, np.array([centre - Z95 * spread, centre + Z95 * spread]))
        z = (scaled_base[i] - likelihood.observed[i]) / target.se if target.se > 0 else np.nan
        rows.append(
            {
                "study": target.study,
                "target": target.name,
                "label": target.label,
                "scale": target.scale,
                "published": target.value,
                "low": target.low,
                "high": target.high,
                "interval": target.interval,
                "assumed": target.assumed,
                "se": target.se,
                "n": target.n,
                "weight": target.weight,
                "group": target.group,
                "fitted": target.fitted,
                "model": fit.base[i],
                "model_low": ends[0],
                "model_high": ends[1],
                "mc_se": likelihood.noise[i],
                "surrogate_se": fit.surrogate.error[i],
                "z": z,
                "met": is_met(target, float(fit.base[i]), float(z)),
                "source": target.source,
                "status": target.status,
                "note": target.note,
            }
        )
    return pd.DataFrame(rows)


def is_met(target: Target, model: float, z: float) -> bool:
    """Tell whether the model is inside the published 95 % interval, or within 1.96 standard errors without one."""
    if target.low is not None and target.high is not None and target.interval.startswith("95"):
        return bool(target.low <= model <= target.high)
    return bool(abs(z) <= Z95)


def parameter_table(fit: Fit, lines: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out posterior against prior; ``ratio`` is posterior SD over prior SD where the prior is normal."""
    draws, z = fit.draws, fit.chain.draws
    ends = np.quantile(draws, [0.025, 0.5, 0.975], axis=0)
    starts = np.array([start.z for start in fit.starts])
    rows = []
    for i, (key, prior) in enumerate(fit.parameters.priors.items()):
        ratio = float(np.std(z[:, i]))
        rows.append(
            {
                "key": key,
                "about": lines[key].about,
                "unit": lines[key].unit,
                "prior": prior.distribution,
                "prior_low": prior.low,
                "prior_high": prior.high,
                "prior_source": prior.source,
                "mean": fit.mean[i],
                "sd": float(np.std(draws[:, i])),
                "low": ends[0, i],
                "median": ends[1, i],
                "high": ends[2, i],
                "score_mean": float(np.mean(z[:, i])),
                "score_low": float(np.quantile(z[:, i], 0.025)),
                "score_high": float(np.quantile(z[:, i], 0.975)),
                "ratio": ratio,
                "shrinkage": 1.0 - ratio**2,
                "identified": ratio < UNIDENTIFIED,
                "optimum": float(fit.parameters.values(fit.optimum.z)[i]),
                "starts_sd": float(np.std(starts[:, i])),
                "r_hat": float(fit.chain.r_hat[i]),
                "ess": float(fit.chain.ess[i]),
            }
        )
    return pd.DataFrame(rows)


def study_table(fit: Fit) -> pd.DataFrame:
    """Lay out log-likelihood, discrepancy and met quantities by study."""
    scaled = fit.likelihood.on_scale(fit.base)
    terms, taus = fit.likelihood.by_study(scaled), fit.likelihood.discrepancies(scaled)
    table = fit_table(fit)
    table = table[table["fitted"]]
    rows = []
    for study, term in terms.items():
        own = table[table["study"] == study]
        rows.append(
            {
                "study": study,
                "quantities": len(own),
                "met": int(own["met"].sum()),
                "mean_square_z": float(np.mean(own["z"] ** 2)),
                "log_likelihood": float(term),
                "discrepancy": taus[study],
            }
        )
    return pd.DataFrame(rows)


def start_table(fit: Fit) -> pd.DataFrame:
    """Lay out where each climb ended, best first."""
    rows = [
        {"start": number + 1, "log_posterior": start.log_posterior, "began_at": start.path[0], "steps": len(start.path)}
        | dict(zip(fit.parameters.keys, fit.parameters.values(start.z), strict=True))
        for number, start in enumerate(fit.starts)
    ]
    return pd.DataFrame(rows)


def check_table(fit: Fit) -> pd.DataFrame:
    """Lay out, per quantity, how far the surrogate was from the simulator over posterior draws."""
    check = fit.check
    assert check is not None
    difference = check.scaled - check.predicted
    with np.errstate(invalid="ignore"):
        bias, rms = np.nanmean(difference, axis=0), np.sqrt(np.nanmean(difference**2, axis=0))
    return pd.DataFrame(
        {
            "study": [t.study for t in fit.likelihood.targets],
            "target": [t.name for t in fit.likelihood.targets],
            "bias": bias,
            "rms": rms,
            "leave_one_out": fit.surrogate.error,
            "explained": fit.surrogate.explained,
            "se": [t.se for t in fit.likelihood.targets],
            "mc_se": fit.likelihood.noise,
        }
    )


def diagnostics(fit: Fit) -> dict[str, Any]:
    """Collect how well search, surrogate and sampler did."""
    table = fit_table(fit)
    fitted = table[table["fitted"]]
    found: dict[str, Any] = {
        "parameters": len(fit.parameters),
        "quantities": len(fitted),
        "met": int(fitted["met"].sum()),
        "met_share": float(fitted["met"].mean()),
        "evaluations": fit.evaluations,
        "design": fit.design,
        "log_posterior_starts": [round(start.log_posterior, 2) for start in fit.starts],
        "log_posterior_optimum": round(fit.optimum.log_posterior, 2),
        "log_likelihood_at_mean": round(float(fit.likelihood.log(fit.likelihood.on_scale(fit.base))), 2),
        "surrogate_explained_median": float(np.median(fit.surrogate.explained[fit.likelihood.fitted])),
        "surrogate_explained_least": float(np.min(fit.surrogate.explained[fit.likelihood.fitted])),
        "r_hat_largest": float(fit.chain.r_hat.max()),
        "ess_least": float(fit.chain.ess.min()),
        "acceptance": fit.chain.acceptance,
    }
    if fit.check is not None:
        found |= {
            "check_draws": len(fit.check.log_ratio),
            "check_log_ratio_mean": float(fit.check.log_ratio.mean()),
            "check_log_ratio_sd": float(fit.check.log_ratio.std()),
            "check_log_ratio_noise": fit.check.noise,
            "check_effective_share": fit.check.share,
        }
    return found
