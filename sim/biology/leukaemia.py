"""Leukaemia: clones on straight lines in log space.

A clone is a log10 fraction of marrow cells that moves linearly in time, at a slope that changes only at events. Overt
relapse, MRD and extinction are thresholds on the line, so their times are closed form. Structure RS of the project's
feasibility fit (docs/model.md).
"""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim.draws import normal, uniform
from sim.kernel import INF

#: log10 of the marrow fraction that is morphological relapse (5 %).
OVERT: Final = -1.3010299956639813

_GROWTH: Final = _d.GROWTH
_KILL_RATE: Final = _d.KILL_RATE
_KILL_DEPTH: Final = _d.KILL_DEPTH
_WEAK_CAR: Final = _d.WEAK_CAR


def logistic(x: float) -> float:
    """Inverse logit."""
    if x < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-x))


def logit(probability: float) -> float:
    """Log-odds; infinite at 0 and 1."""
    if probability <= 0.0:
        return -INF
    if probability >= 1.0:
        return INF
    return math.log(probability / (1.0 - probability))


def centred_burden(p: Any) -> float:
    """Log10 burden relative to 5 % blasts."""
    return p.burden_now - OVERT


def draw_growth(p: Any, q: Any) -> None:
    """Draw the patient's regrowth rate, ``g exp(sg zg)``."""
    p.growth = q.growth * math.exp(q.growth_spread * normal(p.seed, p.number, _GROWTH, 0))


def seed_positive_clone(p: Any, q: Any) -> None:
    """Set the CD19+ clone at infusion: from the burden it falls in a straight line to its level at day 28.

    ``x(day 28) = min(-2, b - (D0 + lD F + sD zD))`` (structure RS); kill ``k exp(sk zk)``.
    """
    p.kill = q.kill * math.exp(q.kill_spread * normal(p.seed, p.number, _KILL_RATE, 0))
    p.weak = 1 if uniform(p.seed, p.number, _WEAK_CAR, 0) < q.weak_share else 0
    depth = q.depth + q.depth_expansion * p.expansion + q.depth_spread * normal(p.seed, p.number, _KILL_DEPTH, 0)
    level = min(q.response_ceiling, p.burden_now - depth)
    p.clone_time = p.t
    p.pos_level = p.burden_now
    p.pos_slope = (level - p.burden_now) / q.response_day


def level_now(p: Any, q: Any, level: float, slope: float) -> float:
    """Level of a clone by the patient's clock; a falling clone below `extinction` (one cell) is extinct (-inf).

    Looking at a clone leaves it alone: one more visit changes nobody's course, not even in the last digit.
    """
    if level == -INF:
        return -INF
    now = level + slope * (p.t - p.clone_time)
    return -INF if slope < 0.0 and now < q.extinction else now


def advance_clones(p: Any, q: Any) -> None:
    """Bring both clones up to the patient's clock, before their slopes change."""
    p.pos_level = level_now(p, q, p.pos_level, p.pos_slope)
    p.neg_level = level_now(p, q, p.neg_level, p.neg_slope)
    p.clone_time = p.t


def steer_clones(p: Any, q: Any) -> None:
    """Derive both slopes from the state: CAR T cells, graft, maintenance. Call after `advance_clones`.

    While CAR T cells work the CD19+ clone falls at the patient's kill rate (a weak CAR only halves its growth);
    otherwise it grows at ``g``. The CD19-negative clone grows at ``phi g`` whatever the CAR T cells do, unless the
    product aims at CD22 too. Graft-versus-leukaemia and maintenance are subtracted from both.
    """
    against = p.gvl + p.maintained
    if p.car_active == 1:
        p.pos_slope = (q.weak_growth * p.growth if p.weak == 1 else -p.kill) - against
        p.neg_slope = q.negative_fitness * p.growth - q.product_negative_kill[p.product] - against
    else:
        p.pos_slope = p.growth - against
        p.neg_slope = q.negative_fitness * p.growth - against


def time_to_overt(level: float, slope: float) -> float:
    """Days until a clone crosses 5 % (infinite if it never does)."""
    if slope <= 0.0 or level == -INF:
        return INF
    return max(0.0, (OVERT - level) / slope)


def reduce_clones(p: Any, q: Any, kill: float) -> None:
    """Take `kill` log10 off both clones; below one cell a clone is extinct.

    That holds also where a clone under attack by CAR T cells is never eradicated (`extinction` far below one cell).
    """
    p.pos_level -= kill
    if p.pos_level < q.one_cell:
        p.pos_level = -INF
    p.neg_level -= kill
    if p.neg_level < q.one_cell:
        p.neg_level = -INF
