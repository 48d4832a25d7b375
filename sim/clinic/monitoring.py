"""Monitoring: a visit sees only what its assays can see, with sampling error; no decision reads latent state."""

from __future__ import annotations

import math
from typing import Any, Final

from sim import decisions as _d
from sim import journal as _j
from sim.biology.leukaemia import level_now
from sim.clinic.events import VISIT
from sim.draws import normal, uniform
from sim.journal import note
from sim.kernel import INF

FLOW: Final = 1
QPCR: Final = 2
NGS: Final = 4

_VISIT_MISSED: Final = _d.VISIT_MISSED
_MARROW_SAMPLE: Final = _d.MARROW_SAMPLE
_HAEMODILUTION: Final = _d.HAEMODILUTION
_CLONOTYPE: Final = _d.CLONOTYPE
_NOTE_VISIT: Final = _j.VISIT
_NOTE_MRD: Final = _j.MRD_SEEN
_NOTE_LOSS: Final = _j.APLASIA_LOSS_SEEN

PERIPHERAL: Final = 1
HEMATOGONES: Final = 2


def day_of(p: Any) -> int:
    """Whole days since infusion: the occurrence that keys everything sampled on a day."""
    return int(math.floor(p.t - p.t_infusion + 0.5))


def find_clonotype(p: Any, q: Any) -> None:
    """See whether a clonotype was found that NGS can track."""
    p.ngs_informative = 0 if uniform(p.seed, p.number, _CLONOTYPE, 0) < q.ngs_uninformative else 1


def plan_visit(p: Any, q: Any) -> None:
    """Put the next scheduled visit into the calendar."""
    while p.visit < q.visits and p.t_infusion + q.visit_days[p.visit] <= p.t:
        p.visit += 1
    p.next[VISIT] = p.t_infusion + q.visit_days[p.visit] if p.visit < q.visits else INF


def largest_clone(p: Any, q: Any) -> float:
    """Level of the larger clone now (log10 fraction of marrow cells)."""
    return max(level_now(p, q, p.pos_level, p.pos_slope), level_now(p, q, p.neg_level, p.neg_slope))


def marrow_sample(p: Any, q: Any) -> float:
    """Take a marrow sample: the larger clone with lognormal sampling error, perhaps diluted with blood (log10)."""
    day = day_of(p)
    level = largest_clone(p, q) + q.sampling_error * normal(p.seed, p.number, _MARROW_SAMPLE, day)
    if uniform(p.seed, p.number, _HAEMODILUTION, day) < q.haemodilution:
        level -= q.haemodilution_loss
    return level


def positive_assays(p: Any, q: Any) -> int:
    """Give the MRD assays (bits) that are positive today, among those the policy uses."""
    if largest_clone(p, q) == -INF:
        return 0
    sample = marrow_sample(p, q)
    seen = 0
    if q.use_flow == 1 and sample > q.flow_limit:
        seen |= FLOW
    if q.use_qpcr == 1 and sample > q.qpcr_limit:
        seen |= QPCR
    if q.use_ngs == 1 and p.ngs_informative == 1 and sample > q.ngs_limit:
        seen |= NGS
    return seen


def b_cells_back(p: Any, q: Any) -> int:
    """See whether B cells are back: in blood above the policy's threshold, or only as marrow hematogones."""
    if p.car_active == 1 or p.aplasia_stop == INF:
        return 0
    gone = p.t - p.aplasia_stop
    if gone >= q.recovery_delay:
        return PERIPHERAL
    if gone >= q.hematogone_delay:
        return HEMATOGONES
    return 0


def missed(p: Any, q: Any) -> bool:
    """Tell whether today's visit is missed."""
    return uniform(p.seed, p.number, _VISIT_MISSED, day_of(p)) < q.missed_visits


def record_visit(p: Any, q: Any, j: Any) -> int:
    """Hold a visit with the policy's assays: note what it saw and return the positive MRD assays."""
    note(p, j, _NOTE_VISIT, p.t, p.t, q.use_flow + 2 * q.use_qpcr + 4 * q.use_ngs + 8)
    seen = positive_assays(p, q)
    if seen > 0:
        note(p, j, _NOTE_MRD, p.t, p.t, seen)
        p.t_mrd = min(p.t_mrd, p.t)
    return seen


def notice_b_cells(p: Any, q: Any, j: Any) -> int:
    """Notice that B cells are back; return what is new (0 nothing, 1 peripheral, 2 hematogones)."""
    back = b_cells_back(p, q)
    if back == 0 or back == p.aplasia_lost_seen or p.aplasia_lost_seen == PERIPHERAL:
        return 0
    p.aplasia_lost_seen = back
    p.loss_open = 1
    p.t_aplasia_lost_seen = min(p.t_aplasia_lost_seen, p.t)
    note(p, j, _NOTE_LOSS, p.t, p.t, back)
    return back
