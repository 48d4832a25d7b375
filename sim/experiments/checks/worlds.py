"""Worlds pushed to an end where the answer is known, as values of parameter lines."""

from __future__ import annotations

from typing import Any, Final

_RATIOS: Final = ("untreated", "no_hct", "hct_first", "hct_second", "hct_third", "hct_last")


def ratio(value: float) -> dict[str, float]:
    """One standardised mortality ratio for everybody at all times."""
    return {f"biology.mortality.smr_{name}": value for name in _RATIOS}


#: Everybody is infused and responds; nobody relapses, is lost, or dies of treatment or infection.
NO_DISEASE: Final[dict[str, float]] = {
    "biology.leukaemia.response": 500.0,
    "clinic.manufacturing.never_referred": 0.0,
    "clinic.manufacturing.waiting_loss": 0.0,
    "clinic.manufacturing.manufacture_failure": 0.0,
    "clinic.toxicity.crs_death": 0.0,
    "clinic.toxicity.icans_death": 0.0,
    "clinic.toxicity.hs_death": 0.0,
    "clinic.immunity.infection_death": 0.0,
    "biology.leukaemia.extinction": -1.9,  # above what any responder is left with
    "biology.escape.negative_share": -30.0,
    "biology.escape.negative_nonresponse": 0.0,
    "biology.escape.lineage_switch": 0.0,
    "biology.escape.lineage_switch_others": 0.0,
    "biology.escape.cns_relapse": 0.0,
    "biology.escape.isolated_cns_relapse": 0.0,
    "biology.escape.extramedullary_relapse": 0.0,
    "clinic.transplant.trm": 0.0,
    "clinic.transplant.trm_second": 0.0,
    "clinic.salvage.salvage_death": 0.0,
}
#: A transplant without effect, harm or mark. CAR T-cells that only hold a clone at its free growth make no difference
#: when a transplant ends them, so they survive it.
NO_EFFECT: Final[dict[str, float]] = ratio(2.0) | {
    "biology.leukaemia.weak_share": 1.0,
    "biology.leukaemia.weak_growth": 1.0,
    "clinic.transplant.kill_tbi": 0.0,
    "clinic.transplant.kill_chemotherapy": 0.0,
    "clinic.transplant.kill_reduced": 0.0,
    "clinic.transplant.kill_sd": 0.0,
    "clinic.transplant.cytoreduction": 0.0,
    "clinic.transplant.graft_effect": 0.0,
    "clinic.transplant.sanctuary_tbi": 0.0,
    "clinic.transplant.sanctuary_chemotherapy": 0.0,
    "clinic.transplant.trm": 0.0,
    "clinic.transplant.trm_second": 0.0,
    "clinic.immunity.infection_death": 0.0,
    "clinic.salvage.residual_hold": 0.0,
    "clinic.salvage.response_after_hct": 0.0,
    "clinic.late.late_effect": 0.0,
    "clinic.late.late_effect_hct": 0.0,
    "clinic.late.second_cancer": 0.0,
    "clinic.late.second_cancer_hct": 0.0,
}
#: Nobody gets the product a second time.
ONE_PRODUCT: Final[dict[str, float]] = {"clinic.salvage.positive_second_car": 0.0}
#: Every transplant kills at once, and nothing else leaves a late effect.
CERTAIN_DEATH: Final[dict[str, float]] = {
    "clinic.late.late_effect": 0.0,
    "clinic.late.second_cancer": 0.0,
    "clinic.transplant.trm": 1.0,
    "clinic.transplant.trm_second": 1.0,
    "clinic.transplant.trm_from": 0.0,
    "clinic.transplant.trm_to": 1e-6,
}
#: Nobody responds.
NO_RESPONSE: Final[dict[str, float]] = {"biology.leukaemia.response": -500.0}


def never_within(rule: dict[str, Any]) -> dict[str, Any]:
    """Let a rule of a policy hold only before anything can be seen."""
    return rule | {"when": rule["when"] | {"months_since_infusion": {"max": 0.01}}}
