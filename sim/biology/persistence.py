"""CAR T cells: latent expansion and how long they hold B cells down."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim.biology.leukaemia import centred_burden
from sim.draws import normal, uniform
from sim.kernel import INF
from sim.units import DAYS_PER_MONTH

_EXPANSION: Final = _d.EXPANSION
_APLASIA: Final = _d.APLASIA
_PERSISTING: Final = _d.PERSISTING


def draw_expansion(p: Any, q: Any) -> None:
    """Draw the latent expansion: what deepens the kill, lengthens aplasia and raises CRS and ICANS.

    ``F = z + a_b bc + a_flu ln(AUC/13.8)/0.28 + a_dose log2(dose/2.4) - a_e early + product`` (structure RS); earlier
    inotuzumab and an out-of-specification product shift it.
    """
    p.expansion = (
        normal(p.seed, p.number, _EXPANSION, 0)
        + q.expansion_burden * centred_burden(p)
        + q.expansion_fludarabine * math.log(p.flu_now / q.fludarabine_threshold) / q.fludarabine_scale
        + q.expansion_dose * math.log(p.dose_now / q.reference_dose) / math.log(2.0)
        - q.expansion_early * p.early
        + q.product_expansion[p.product]
        - q.expansion_inotuzumab * p.inotuzumab
        - q.expansion_out_of_spec * p.out_of_spec
        + q.expansion_shift
    )


def draw_aplasia(p: Any, q: Any) -> float:
    """Draw how long B-cell aplasia lasts, in days from infusion, at least until day 28.

    ``ln T = mT + lT F + sT z`` (months), counted from `aplasia_from`; a product of the short-persistence class has a
    lognormal of its own. Cut at day 28: who recovers earlier has recovered by the response visit.
    """
    z = normal(p.seed, p.number, _APLASIA, 0)
    if uniform(p.seed, p.number, _PERSISTING, 0) < q.persisting_share:
        return INF
    if q.product_aplasia[p.product] > 0.0:
        days = q.product_aplasia[p.product] * math.exp(q.aplasia_spread * z + q.short_aplasia_expansion * p.expansion)
    else:
        days = DAYS_PER_MONTH * math.exp(q.aplasia + q.aplasia_expansion * p.expansion + q.aplasia_spread * z)
    return max(q.response_day, q.aplasia_from + days)


def end_aplasia(p: Any) -> None:
    """CAR T cells stop working: B cells come back."""
    p.car_active = 0
    p.aplasia_stop = p.t
    if p.t_aplasia_lost == INF:
        p.t_aplasia_lost = p.t
        p.aplasia_months = (p.t - p.t_infusion) / DAYS_PER_MONTH
