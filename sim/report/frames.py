"""The frames of a run: everything that figures and page may read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

#: File of each frame in a run's folder.
FILES = {
    "summary": "summary.csv",
    "curves": "curves.csv",
    "paired": "paired.csv",
    "patients": "patients.parquet",
    "journal": "journal.parquet",
    "parameters": "parameters.csv",
    "costs": "costs.csv",
    "qalys": "qalys.csv",
    "payments": "payments.csv",
    "ledger": "ledger.csv",
    "incremental": "incremental.csv",
    "nmb": "nmb.csv",
    "pairs": "pairs.csv",
    "pathway": "pathway.csv",
    "subgroups": "subgroups.csv",
    "severity": "severity.csv",
    "verify": "verify.csv",
    "fit": "fit.csv",
    "posterior": "posterior_summary.csv",
    "draws": "posterior.parquet",
    "studies": "studies.csv",
    "starts": "starts.csv",
    "validation": "validate.csv",
    "validation_curves": "validate_curves.csv",
    "psa": "psa.parquet",
    "psa_summary": "psa_summary.csv",
    "psa_acceptability": "psa_acceptability.csv",
    "psa_evpi": "psa_evpi.csv",
    "psa_frontier": "psa_frontier.csv",
    "psa_convergence": "psa_convergence.csv",
    "psa_variance": "psa_variance.csv",
    "psa_distributions": "psa_distributions.csv",
    "psa_one_way": "psa_one_way.csv",
    "tornado": "tornado.csv",
    "two_way": "two_way.csv",
    "threshold_scan": "threshold_scan.csv",
    "thresholds": "thresholds.csv",
    "structures": "structures.csv",
    "sweep": "sweep.csv",
    "sensitivity": "sensitivity.csv",
    "voi_evpi": "voi_evpi.csv",
    "voi_evppi": "voi_evppi.csv",
    "voi_evsi": "voi_evsi.csv",
    "waits": "waits.csv",
    "times": "times.csv",
    "flow": "flow.csv",
    "week": "week.csv",
    "budget": "budget.csv",
    "explorer_patients": "explorer/patients.parquet",
    "explorer_journal": "explorer/journal.parquet",
    "explorer_courses": "explorer/courses.parquet",
    "explorer_chosen": "explorer/chosen.csv",
    "explorer_limits": "explorer/limits.csv",
    "runs_settings": "runs_settings.csv",
    "runs_measures": "runs_measures.csv",
    "runs_economics": "runs_economics.csv",
    "runs_curves": "runs_curves.csv",
    "runs_presence": "runs_presence.csv",
}


class Estimate(NamedTuple):
    """A number with its Monte-Carlo standard error, in `unit` (proportions stay between 0 and 1)."""

    value: float
    error: float
    unit: str = ""


@dataclass(frozen=True)
class Frames:
    """What a run left behind; a frame that the run did not write is None.

    Parameters
    ----------
    manifest
        The run record: version, seed, engine, origin, cohort, n, policies (name -> label, or name -> mapping with
        ``label``, ``description``, ``colour``), reference, horizon_years, patient (of a replay), products, ...
    summary
        Columns policy, measure, months (NaN where none), value, mc_se, unit, and stratum where results are stratified.
    curves
        Columns policy, curve, months since the origin, estimate, low, high, at_risk; optionally stratum.
    paired
        Columns policy, reference, measure, months, difference, mc_se, unpaired_se, variance_reduction, nnt, gain,
        lose, same (the last three shares between 0 and 1); optionally stratum.
    patients
        Column policy and the published fields of `sim.patient.Patient`; days since referral. May be a sample.
    journal
        Columns policy, patient, event (codes of `sim.journal`), time_start, time_stop (days since referral), detail.
    parameters
        Columns key, about, value, unit, distribution, low, high, source, status.
    pathway
        Columns policy, start, end, event, detail, patients, times, of (`sim.experiments.moves`).
    costs, qalys, payments, ledger, incremental, nmb, pairs, subgroups, severity
        What lives cost and are worth, and the decision analysis: columns are listed in ``docs/decision_analysis.md``.
    verify
        Results of the verification tests: number, change, expected, measured, result, seconds.
    fit, posterior, studies, starts
        Of a calibration: published against emulated quantities; posterior against prior; log-likelihood and
        discrepancy by study; where each climb ended.
    draws
        Of a calibration: a column per calibrated line, a row per posterior draw.
    validation
        Columns study, quantity, label, published, low, high, interval, assumed, model, mc_se, z, within, source,
        status, note, unit, n, fitted, study_label (`sim.experiments.validate`).
    validation_curves
        Columns study, study_label, curve, label, kind (model or published), months, estimate, low, high.
    psa, psa_summary, psa_acceptability, psa_evpi, psa_frontier, psa_convergence, psa_variance, psa_distributions,
    psa_one_way
        Of a probabilistic analysis (`sim.experiments.psa`).
    tornado, two_way, threshold_scan, thresholds, structures
        Of a deterministic sensitivity analysis (`sim.experiments.tornado`).
    sweep, sensitivity
        Of a sweep (`sim.experiments.grid`).
    voi_evpi, voi_evppi, voi_evsi
        Of a value-of-information analysis (`sim.experiments.voi`).
    waits, times, flow, week, budget
        What a hospital did, and the budget (`docs/hospital.md`).
    explorer_patients, explorer_journal, explorer_courses, explorer_chosen, explorer_limits
        Of a few chosen patients: as `patients` and `journal`; the latent course (columns policy, patient, clone,
        time_start, time_stop, level_start, level_stop, due, overt); patient and why; limit and level (log10).
    runs_settings, runs_measures, runs_economics, runs_curves, runs_presence
        Of several runs in one report (`sim.experiments.report`).
    """

    manifest: Mapping[str, Any] = field(default_factory=dict)
    summary: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    paired: pd.DataFrame | None = None
    patients: pd.DataFrame | None = None
    journal: pd.DataFrame | None = None
    parameters: pd.DataFrame | None = None
    costs: pd.DataFrame | None = None
    qalys: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    ledger: pd.DataFrame | None = None
    incremental: pd.DataFrame | None = None
    nmb: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None
    pathway: pd.DataFrame | None = None
    subgroups: pd.DataFrame | None = None
    severity: pd.DataFrame | None = None
    verify: pd.DataFrame | None = None
    fit: pd.DataFrame | None = None
    posterior: pd.DataFrame | None = None
    draws: pd.DataFrame | None = None
    studies: pd.DataFrame | None = None
    starts: pd.DataFrame | None = None
    validation: pd.DataFrame | None = None
    validation_curves: pd.DataFrame | None = None
    psa: pd.DataFrame | None = None
    psa_summary: pd.DataFrame | None = None
    psa_acceptability: pd.DataFrame | None = None
    psa_evpi: pd.DataFrame | None = None
    psa_frontier: pd.DataFrame | None = None
    psa_convergence: pd.DataFrame | None = None
    psa_variance: pd.DataFrame | None = None
    psa_distributions: pd.DataFrame | None = None
    psa_one_way: pd.DataFrame | None = None
    tornado: pd.DataFrame | None = None
    two_way: pd.DataFrame | None = None
    threshold_scan: pd.DataFrame | None = None
    thresholds: pd.DataFrame | None = None
    structures: pd.DataFrame | None = None
    sweep: pd.DataFrame | None = None
    sensitivity: pd.DataFrame | None = None
    voi_evpi: pd.DataFrame | None = None
    voi_evppi: pd.DataFrame | None = None
    voi_evsi: pd.DataFrame | None = None
    waits: pd.DataFrame | None = None
    times: pd.DataFrame | None = None
    flow: pd.DataFrame | None = None
    week: pd.DataFrame | None = None
    budget: pd.DataFrame | None = None
    explorer_patients: pd.DataFrame | None = None
    explorer_journal: pd.DataFrame | None = None
    explorer_courses: pd.DataFrame | None = None
    explorer_chosen: pd.DataFrame | None = None
    explorer_limits: pd.DataFrame | None = None
    runs_settings: pd.DataFrame | None = None
    runs_measures: pd.DataFrame | None = None
    runs_economics: pd.DataFrame | None = None
    runs_curves: pd.DataFrame | None = None
    runs_presence: pd.DataFrame | None = None

    @classmethod
    def read(cls, folder: Path) -> Frames:
        """Read a run's folder; files that are missing become None.

        Raises
        ------
        FileNotFoundError
            When the folder holds no ``manifest.json``.
        """
        import pandas as pd

        tables: dict[str, Any] = {}
        for name, file in FILES.items():
            path = folder / file
            if path.exists():
                tables[name] = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        return cls(manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")), **tables)

    def has(self, *names: str) -> bool:
        """Tell whether every named frame is there and has rows."""
        return all(getattr(self, name) is not None and len(getattr(self, name)) > 0 for name in names)

    @cached_property
    def policies(self) -> list[str]:
        """Policies in the order of the manifest, then any other in order of appearance."""
        found = list(dict.fromkeys(self.manifest.get("policies", {})))
        for name in ("summary", "curves", "patients", "journal"):
            if self.has(name):
                found += [p for p in getattr(self, name)["policy"].unique() if p not in found]
        return [str(p) for p in found]

    def label(self, policy: str) -> str:
        """Give the display name of a policy."""
        entry = self._entry(policy)
        return str(entry.get("label") or policy.replace("_", " "))

    def description(self, policy: str) -> str:
        """Give the sentence that describes a policy; empty when the run recorded none."""
        return str(self._entry(policy).get("description") or "")

    def colour(self, policy: str) -> str | None:
        """Give the colour that the policy's own file asks for, if any."""
        return self._entry(policy).get("colour")

    def _entry(self, policy: str) -> Mapping[str, Any]:
        policies = self.manifest.get("policies", {})
        entry = policies.get(policy) if isinstance(policies, Mapping) else None
        if isinstance(entry, Mapping):
            return entry
        return {"label": entry} if entry else {}

    @cached_property
    def reference(self) -> str | None:
        """The policy that the others are compared with; None when nothing is compared."""
        if self.has("paired"):
            return str(self.paired["reference"].iloc[0])  # type: ignore[index]
        named = self.manifest.get("reference")
        return str(named) if named in self.policies else None

    @property
    def origin(self) -> str:
        """Where curves and results start: referral, infusion or remission."""
        return str(self.manifest.get("origin", "referral"))

    @property
    def codes(self) -> Mapping[str, Any]:
        """Names of the clinic's codes as the run recorded them (products, actions, pools, therapies)."""
        codes = dict(self.manifest.get("codes") or {})
        if "products" in self.manifest:
            codes.setdefault("products", self.manifest["products"])
        return codes

    @cached_property
    def journals(self) -> dict[str, pd.DataFrame]:
        """The journal by policy, in display order; empty without a journal."""
        if not self.has("journal"):
            return {}
        found = {str(p): rows for p, rows in self.journal.groupby("policy", sort=False, observed=True)}  # type: ignore[union-attr]
        return {p: found[p] for p in self.policies if p in found}

    def overall(self, name: str) -> pd.DataFrame:
        """Give the rows of a frame that describe the whole cohort, not a stratum."""
        table: pd.DataFrame = getattr(self, name)
        return table[table["stratum"] == "all"] if "stratum" in table.columns else table

    def estimate(self, policy: str, measure: str, months: float | None = None, stratum: str = "all") -> Estimate | None:
        """Look up one number of the summary; None when the run did not compute it."""
        return self._estimates.get((policy, stratum, measure, months))

    def difference(self, policy: str, measure: str, months: float | None = None) -> dict[str, float] | None:
        """Look up one row of the paired comparison; None when there is none."""
        return self._differences.get((policy, measure, months))

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str, float | None], Estimate]:
        if not self.has("summary"):
            return {}
        return {
            (row["policy"], row.get("stratum", "all"), row["measure"], _months(row["months"])): Estimate(
                _number(row["value"]), _number(row["mc_se"]), str(row["unit"])
            )
            for row in self.summary.to_dict("records")  # type: ignore[union-attr]
        }

    @cached_property
    def _differences(self) -> dict[tuple[str, str, float | None], dict[str, float]]:
        if not self.has("paired"):
            return {}
        numbers = ("difference", "mc_se", "unpaired_se", "variance_reduction", "nnt", "gain", "lose", "same")
        return {
            (row["policy"], row["measure"], _months(row["months"])): {n: _number(row[n]) for n in numbers}
            for row in self.overall("paired").to_dict("records")
        }


def _number(value: Any) -> float:
    """Read a cell; an empty one is NaN."""
    return float("nan") if value is None or value == "" else float(value)


def _months(value: Any) -> float | None:
    number = _number(value)
    return None if number != number else number
