"""Who comes first where places are scarce: clinical urgency, lower is served first."""

from __future__ import annotations

from typing import Any, Final

from sim.biology.leukaemia import OVERT
from sim.clinic.events import POOL_APHERESIS, POOL_HCT, POOL_MANUFACTURING, POOL_WARD
from sim.kernel import INF

ACUTE: Final = 0
PRESSING: Final = 1
PLANNED: Final = 2


def urgency(p: Any, q: Any, pool: int) -> int:
    """Rank a request when it is made; equals are served in the order of asking.

    Acute illness comes before admission for infusion; on the way to infusion overt leukaemia and refractory disease
    come first; of transplants those for residual disease, then those after salvage, then planned consolidation.
    """
    if q.by_urgency == 0:
        return ACUTE
    if pool == POOL_HCT:
        if p.mrd_trigger == 1:
            return ACUTE
        return PRESSING if p.salvage_hct == 1 else PLANNED
    if pool == POOL_WARD and p.t_infusion < INF:
        return ACUTE
    if pool == POOL_WARD or pool == POOL_APHERESIS or pool == POOL_MANUFACTURING:
        return PRESSING if p.burden >= OVERT or p.refractory == 1 or p.leukaemia == 1 else PLANNED
    return ACUTE
