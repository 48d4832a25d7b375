"""From settings to what the kernel reads: one record of numbers for every policy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.evidence import cumulative_hazards
from sim.lines import Count, Line, Switch
from sim.policies import MAX_VISITS, compile_rules
from sim.units import DAYS_PER_MONTH

#: Room for products in the kernel's record.
MAX_PRODUCTS = 16
#: Lines of the cohort that the kernel reads (the others shape the patients): name in the kernel -> key below cohort.
COHORT_LINES = {
    "wait_median": "wait.median",
    "wait_spread": "wait.sigma",
    "practice_hct_share": "practice.hct_share",
    "practice_hct_from": "practice.hct_from_month",
    "practice_hct_to": "practice.hct_to_month",
    "practice_triggered": "practice.triggered_share",
    "practice_trigger_rate": "practice.trigger_rate",
    "practice_lost_before": "practice.lost_before",
    "practice_reinfusion": "practice.reinfusion_share",
}


def kernel_values(settings: Any, policy: str) -> dict[str, Any]:
    """Collect what the kernel reads under one policy: numbers in its own units, and arrays.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`).
    policy
        Name of the policy.

    Returns
    -------
    dict
        Leaf name -> float, int or one-dimensional array. Switches and counts are integers; durations days.
    """
    settings = settings.for_policy(policy)
    values: dict[str, Any] = {}
    for group in (settings.biology, settings.clinic):
        for key, line in group.lines():
            values[key.rsplit(".", 1)[-1]] = _number(line)
    values |= _product_values(settings.product.catalogue)
    values |= _cohort_values(settings.cohort)
    values |= _policy_values(settings, policy, values)
    values["by_urgency"] = int(settings.hospital.order == "urgency")
    values["life_table"] = cumulative_hazards(settings.life_table.country, settings.life_table.year).ravel()
    return values


def _number(line: Line) -> float | int:
    return int(line.value) if isinstance(line, Switch | Count) else float(line.kernel)


def _product_values(catalogue: dict[str, Any]) -> dict[str, Any]:
    names = list(catalogue)
    values: dict[str, Any] = {}
    for field in type(catalogue[names[0]]).model_fields:
        numbers = [_number(getattr(catalogue[name], field)) for name in names]
        column = np.zeros(MAX_PRODUCTS, dtype=np.int64 if isinstance(numbers[0], int) else np.float64)
        column[: len(numbers)] = numbers
        values[f"product_{field}"] = column
    return values


def _cohort_values(cohort: Any) -> dict[str, Any]:
    return {name: _reached(cohort, key).kernel for name, key in COHORT_LINES.items()}


def _reached(node: Any, key: str) -> Line:
    for name in key.split("."):
        node = getattr(node, name)
    line: Line = node
    return line


def _policy_values(settings: Any, name: str, values: dict[str, Any]) -> dict[str, Any]:
    policy = settings.policy[name]
    after = sorted(float(m) * DAYS_PER_MONTH for m in policy.visits_months)
    days = np.zeros(MAX_VISITS)
    days[: len(after)] = after
    return {
        "car": int(policy.car),
        "begins_with_hct": int(policy.begins_with_hct),
        "visits": len(after),
        "visit_days": days,
        "use_flow": int("flow" in policy.assays),
        "use_qpcr": int("qpcr" in policy.assays),
        "use_ngs": int("ngs" in policy.assays),
        "ngs_counts": int(policy.ngs_counts),
        "ngs_repeat": float(policy.ngs_repeat_days),
        "recovery_delay": values[f"recovery_{policy.bca_threshold}"],
        "second_hct_in_remission": int(policy.second_hct_in_remission),
        "second_hct_after_relapse": int(policy.second_hct_after_relapse),
        **compile_rules(policy, list(settings.product.catalogue)),
    }


def as_record(values: dict[str, Any]) -> np.ndarray:
    """Pack kernel values into the one-row record that compiled code reads."""
    columns: list[Any] = []
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            columns.append((name, value.dtype, value.shape))
        else:
            columns.append((name, np.int64 if isinstance(value, int) else np.float64))
    record = np.zeros(1, dtype=np.dtype(columns, align=True))
    for name, value in values.items():
        record[name][0] = value
    return record


def as_object(values: dict[str, Any]) -> SimpleNamespace:
    """Pack kernel values into the plain object that interpreted handlers read; arrays become lists."""
    return SimpleNamespace(**{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()})
