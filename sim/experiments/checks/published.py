"""The external check: a published evaluation, rebuilt from its settings and valued by the program's own valuation."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sim import journal
from sim.economics.settings import PERSPECTIVES, Economics, loss_names, state_names
from sim.economics.valuation import Valuation, value_block
from sim.evidence import DATA, cumulative_hazards
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import Bench
from sim.lifetable import AGES, age_at_hazard, cumulative_hazard
from sim.units import DAYS_PER_MONTH, DAYS_PER_WEEK, DAYS_PER_YEAR

#: Details of the journal used here: leukaemia and background as causes of death.
_OF_LEUKAEMIA, _OF_BACKGROUND = 1, 5


@check(
    "P1",
    "the US 2018 evaluation of tisagenlecleucel, survival frozen",
    "QALYs within 5%, costs within 10%, ICER within 15% of the published",
)
def us_2018(bench: Bench) -> Finding:
    """Published survival in, published QALYs and costs out."""
    study = frozen()
    allowed, published = study["tolerance"], study["published"]
    found = {arm: results(study, arm) for arm in study["arms"]}
    off = {
        (arm, measure): found[arm][measure] / published[arm][measure] - 1
        for arm in found
        for measure in ("life_years", "qalys", "cost")
    }
    ratio, expected = _icer(found), _icer(published)
    holds = all(abs(value) <= allowed[measure] for (_, measure), value in off.items())
    holds &= abs(ratio / expected - 1) <= allowed["icer"]
    parts = [
        f"{arm}: {r['cost']:,.0f} USD, {r['qalys']:.2f} QALY, {r['life_years']:.2f} LY" for arm, r in found.items()
    ]
    return Finding(holds, f"{'; '.join(parts)}; ICER {ratio:,.0f} (published {expected:,.0f})")


def _icer(arms: dict[str, Any]) -> float:
    new, old = arms["tisa_cel"], arms["clofarabine"]
    return float((new["cost"] - old["cost"]) / (new["qalys"] - old["qalys"]))


@functools.cache
def frozen() -> dict[str, Any]:
    """Read the frozen inputs."""
    import yaml

    study: dict[str, Any] = yaml.safe_load((DATA / "us_2018.yaml").read_text(encoding="utf-8"))
    return study


def results(study: dict[str, Any], arm: str) -> dict[str, float]:
    """Value an arm: discounted life-years, QALYs and cost per patient."""
    rows, first_row, people = lives(study, arm)
    valuation = Valuation(book(study), ["tisa_cel"], "referral")
    valued, _ = value_block(valuation, {arm: rows}, {arm: first_row}, people)
    columns = {"life_years": "life_years_discounted", "qalys": "qalys_discounted", "cost": "cost_payer_discounted"}
    lines = valued[arm].people
    return {name: float(lines[:, valuation.columns.index(column)].mean()) for name, column in columns.items()}


def lives(study: dict[str, Any], arm: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Write the journals of an arm: patients spread evenly over the quantiles of their survival.

    Returns
    -------
    tuple
        Rows, where each patient's begin, and attributes.
    """
    n = study["patients"]
    sex = np.arange(n) % 2
    rows: list[tuple[int, float, float, int]] = []
    first = [0]
    for k in range(n):
        own = sorted(
            _life(study, study["arms"][arm], arm, (k + 0.5) / n, int(sex[k])), key=lambda row: (row[1], row[0])
        )
        rows.extend(own)
        first.append(len(rows))
    people = {name: np.zeros(n) for name in ("distance", "poverty", "prior_hct", "product")}
    people |= {"age": np.full(n, float(study["age"])), "weight": np.full(n, float(study["weight"])), "female": sex}
    return np.array(rows, dtype=journal.ROW), np.array(first, dtype=np.int64), people


def _life(
    study: dict[str, Any], arm: dict[str, Any], name: str, quantile: float, sex: int
) -> Iterator[tuple[int, float, float, int]]:
    cured = quantile < arm["cured"]
    end, remission = _survival(study, arm, quantile, sex) * DAYS_PER_YEAR, 1.0 if cured else arm["in_remission"]
    turn = remission * end
    if turn > 0:
        yield journal.REMISSION, 0.0, turn, 0
    if turn < end:
        yield journal.RELAPSED, turn, end, 0
    if name == "tisa_cel":
        yield journal.INFUSION, 0.0, 0.0, 0
    for course in range(arm["courses"]):
        yield journal.SALVAGE, 0.0, min(end, 1.0), course
    stay = min(end, float(arm["ward_days"]))
    if stay > 0:
        yield journal.WARD, 0.0, stay, 1
    transplant = study["hct_month"] * DAYS_PER_MONTH
    alive = arm["cured"] + (1 - arm["cured"]) * math.exp(-transplant / DAYS_PER_YEAR / arm["mean_survival"])
    if end > transplant and _among(quantile, arm["hct"] / alive):  # the share is of everybody treated
        yield journal.HCT, transplant, transplant, 1
    globulin = arm["immunoglobulin"]
    if _among(quantile, globulin["share"]):
        yield journal.IGG_REPLACEMENT, 0.0, min(end, globulin["months"] * DAYS_PER_MONTH), 0
    yield journal.DEATH, end, end, _OF_BACKGROUND if cured else _OF_LEUKAEMIA


def _survival(study: dict[str, Any], arm: dict[str, Any], quantile: float, sex: int) -> float:
    """Give the years that the patient at a quantile lives."""
    cured = arm["cured"]
    if quantile >= cured:
        inside = (quantile - cured) / (1 - cured)
        return min(float(study["cure_year"]), -arm["mean_survival"] * math.log(1 - inside))
    table, offset = cumulative_hazards("US", "2019").ravel(), sex * (AGES + 1)
    age = study["age"] + study["cure_year"]
    budget = -math.log(1 - quantile / cured) / study["smr"]
    return age_at_hazard(table, offset, cumulative_hazard(table, offset, age) + budget) - study["age"]


def _among(quantile: float, share: float) -> bool:
    """Tell whether a patient is among a share, spread evenly over the quantiles (a golden-ratio sequence)."""
    return (quantile * 1e6 * 0.6180339887498949) % 1.0 < share


def book(study: dict[str, Any]) -> Economics:
    """Write the evaluation's book of prices, utilities and resources."""
    quality = study["utilities"]
    states = {
        name: _state(quality["relapsed"] if name in ("relapsed", "palliative") else quality["remission"])
        if name in ("remission", "relapsed")
        else _state(1.0)
        for name in state_names()
    }
    zero = _line("no loss", 0.0, "QALY")
    dose = study["immunoglobulin_dose"] / (4 * DAYS_PER_WEEK)
    days = _line("grams per kg and day", dose, "per kg per day")
    resources = {
        "car_episode": _charge("preparation", "car_episode", "infusion"),
        "hct": _charge("transplant", "hct_year_one", "hct"),
        "clofarabine": _charge("salvage", "clofarabine_course", "salvage"),
        "ward": _charge("hospital", "ward_day", "ward") | {"at": "during", "quantity": _line("days", 1.0, "per day")},
        "immunoglobulin": _charge("immunoglobulin", "immunoglobulin", "igg_replacement")
        | {"at": "during", "by": "kg", "quantity": days},
        "end_of_life": _charge("end_of_life", "end_of_life", "death") | {"detail": [_OF_LEUKAEMIA]},
    }
    rate = _line("discount rate", 0.03, "per year") | {"source": "E149", "status": "found"}
    upfront = {
        "label": "upfront",
        "source": "E001",
        "status": "found",
        "hct_counts": True,
        "payments": [{"share": 1.0}],
    }
    return Economics.model_validate(
        {
            "profile": "us_2018",
            "label": "US evaluation of 2018",
            "currency": "USD",
            "price_year": 2017,
            "conversion": None,
            "perspective": "payer",
            "perspectives": dict.fromkeys(PERSPECTIVES, ("medical",)),
            "wtp": (50000.0, 100000.0),
            "wtp_source": "E159",
            "periods": (1.0, 5.0),
            "discount": {"costs": rate, "effects": rate},
            "population": {"country": "US", "year": "2019"},
            "severity": None,
            "product_rules": {
                "out_of_specification": _line("share of the price", 1.0, "ratio"),
                "donor_derived": _line("share of the price", 1.0, "ratio"),
            },
            "prices": {
                name: line
                | {"value": float(line["value"]), "low": float(line["value"]), "high": float(line["value"])}
                | {"distribution": "fixed", "currency": "USD", "year": None}
                for name, line in study["prices"].items()
            },
            "utilities": {"norms": "none", "states": states, "losses": dict.fromkeys(loss_names(), zero)},
            "resources": resources,
            "payment": upfront,
        }
    )


def _line(about: str, value: float, unit: str) -> dict[str, Any]:
    fixed = {"distribution": "fixed", "low": value, "high": value, "source": "definition", "status": "assumed"}
    return {"about": about, "value": value, "unit": unit} | fixed


def _state(value: float) -> dict[str, Any]:
    return {"utility": _line("utility", value, "utility"), "reference": _line("full health", 1.0, "utility")}


def _charge(category: str, price: str, event: str) -> dict[str, Any]:
    quantity = _line("one each", 1.0, "count")
    return {"about": price, "category": category, "price": price, "event": event, "quantity": quantity}
