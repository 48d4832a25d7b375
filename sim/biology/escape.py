"""Antigen escape: the CD19-negative clone, lineage switch, and leukaemia in sanctuaries."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim.draws import normal, uniform
from sim.kernel import INF

NONRESPONDER: Final = 2
CNS_WITH_MARROW: Final = 1
EXTRAMEDULLARY: Final = 2
ISOLATED_CNS: Final = 3
TESTIS: Final = 4

_NEGATIVE_SHARE: Final = _d.NEGATIVE_SHARE
_LINEAGE_SWITCH: Final = _d.LINEAGE_SWITCH
_SWITCH_LEVEL: Final = _d.SWITCH_LEVEL
_SANCTUARY: Final = _d.SANCTUARY
_SANCTUARY_TIME: Final = _d.SANCTUARY_TIME


def seed_negative_clone(p: Any, q: Any) -> None:
    """Set the CD19-negative clone at infusion: a share of the leukaemic cells, present if that is at least one cell.

    ``y(0) = min(b - 0.3, b + mu_r + s_r z + d_bn NR)``; a KMT2A-rearranged leukaemia may instead switch lineage:
    ``y(0) = min(-2, -5 + 1.5 z)`` (structure RS).
    """
    nonresponder = 1.0 if p.blinatumomab == NONRESPONDER else 0.0
    share = (
        q.negative_share
        + q.negative_spread * normal(p.seed, p.number, _NEGATIVE_SHARE, 0)
        + q.negative_nonresponse * nonresponder
    )
    level = p.burden_now + min(q.negative_ceiling, share)
    p.neg_level = level if level > q.one_cell else -INF
    p.switched = 0
    chance = q.lineage_switch if p.kmt2ar == 1 else q.lineage_switch_others
    if uniform(p.seed, p.number, _LINEAGE_SWITCH, 0) < chance:
        p.switched = 1
        z = normal(p.seed, p.number, _SWITCH_LEVEL, 0)
        p.neg_level = min(q.response_ceiling, q.switch_level + q.switch_spread * z)


def seed_sanctuary(p: Any, q: Any) -> float:
    """Draw the sanctuary clone; return the day after infusion on which it relapses (infinite: never)."""
    chance = 0.0
    kind = 0
    if p.site == CNS_WITH_MARROW:
        chance, kind = q.cns_relapse, 1
    elif p.site == ISOLATED_CNS:
        chance, kind = q.isolated_cns_relapse, 1
    elif p.site == EXTRAMEDULLARY:
        chance, kind = q.extramedullary_relapse, 2
    elif p.site == TESTIS:
        chance, kind = q.extramedullary_relapse, 3
    if uniform(p.seed, p.number, _SANCTUARY, 0) >= chance:
        return INF
    p.sanctuary = kind
    return q.sanctuary_time * math.exp(q.sanctuary_spread * normal(p.seed, p.number, _SANCTUARY_TIME, 0))
