"""Relapse and what follows: plans stop, salvage begins, a second remission or palliation.

The text of each event; therapies and their chances are in `sim.clinic.salvage`.
"""

from __future__ import annotations

from typing import Any, Final

from sim import journal as _j
from sim.biology.leukaemia import advance_clones
from sim.clinic import events
from sim.clinic.beds import drop_course
from sim.clinic.course import (
    OF_TOXICITY,
    die,
    end_maintenance,
    in_remission,
    retime_leukaemia,
)
from sim.clinic.immunity import (
    retime_infections,
)
from sim.clinic.policy import (
    REINFUSE,
    RELAPSE,
    SEQUENTIAL,
    WATCH,
    first_rule,
)
from sim.clinic.salvage import (
    CD22_CAR,
    SECOND_CAR,
    assess_salvage,
    begin_line,
    begin_salvage,
    enter_second_remission,
    palliate,
    stop_car_for_salvage,
)
from sim.clinic.transplant import (
    cancel_transplant,
)
from sim.clock import set_rate
from sim.journal import note
from sim.kernel import INF

_NOTE_RELAPSE: Final = _j.RELAPSE
_PHASE_SECOND_REMISSION: Final = _j.SECOND_REMISSION


def relapse(p: Any, q: Any, j: Any, kind: int, site: int) -> None:
    """Overt relapse: whatever was planned stops; the policy may speak; salvage begins."""
    first = p.t_relapse == INF and p.phase != _PHASE_SECOND_REMISSION and p.t_nonresponse == INF
    first = first and p.not_infused == 0
    note(p, j, _NOTE_RELAPSE, p.t, p.t, 10 * kind + site)
    if first:
        p.t_relapse = p.t
        p.relapse_type = kind
        p.relapse_site = site
        p.relapse_in_aplasia = p.car_active
    p.salvage_kind = kind
    p.leukaemia = 1
    set_rate(p, events.REMISSION_DEATH, 0.0)
    drop_plans(p, j)
    advance_clones(p, q)
    p.salvage_wish = wished_salvage(p, q)
    begin_salvage(p, q, j)
    retime_infections(p, q)


def drop_plans(p: Any, j: Any) -> None:
    """Overt leukaemia: what was planned or taken in remission stops; a transplant's own mortality is past."""
    cancel_transplant(p, j)
    end_maintenance(p, j)
    drop_course(p)
    p.pending = 0
    p.next[events.REINFUSION] = INF
    p.next[events.SEQUENTIAL_CAR] = INF
    p.next[events.CONFIRMATION] = INF
    p.next[events.VISIT] = INF
    p.next[events.MAINTENANCE_STOP] = INF
    p.next[events.TRANSPLANT_DEATH] = INF


def wished_salvage(p: Any, q: Any) -> int:
    """Ask the policy which salvage it wants at this relapse: the same CAR again, a CD22 CAR, or none in particular."""
    rule = first_rule(p, q, RELAPSE, -1)
    action = q.rule_action[rule] if rule >= 0 else WATCH
    if action == REINFUSE:
        return SECOND_CAR
    return CD22_CAR if action == SEQUENTIAL else 0


def on_sanctuary_relapse(p: Any, q: Any, j: Any) -> None:
    """Relapse in the CNS, elsewhere outside the marrow, or the testis; it is CD19+."""
    if in_remission(p):
        on_relapse(p, q, j, 1, p.sanctuary + 1)


def on_salvage_response(p: Any, q: Any, j: Any) -> None:
    """Assess this line of salvage."""
    outcome = assess_salvage(p, q, j)
    if outcome == 1:
        enter_second_remission(p, q, j)
    elif outcome == 2:
        begin_line(p, q, j)
    elif outcome < 0:
        die(p, j, OF_TOXICITY)
    else:
        palliate(p, q, j, p.salvage_line)


def on_relapse(p: Any, q: Any, j: Any, kind: int, site: int) -> None:
    """A clone has reached 5 % of the marrow, or leukaemia shows elsewhere: salvage, while there are lines left."""
    if p.salvage_line > 0 and p.salvage_line >= q.salvage_lines:
        relapse_for_good(p, q, j, kind, site)
    else:
        relapse(p, q, j, kind, site)


def relapse_for_good(p: Any, q: Any, j: Any, kind: int, site: int) -> None:
    """Relapse after the last line of salvage: no further attempt."""
    note(p, j, _NOTE_RELAPSE, p.t, p.t, 10 * kind + site)
    p.leukaemia = 1
    drop_plans(p, j)
    stop_car_for_salvage(p, j)
    retime_leukaemia(p, q)
    palliate(p, q, j, p.salvage_line + 10)


def on_maintenance_stop(p: Any, q: Any, j: Any) -> None:
    """Maintenance, TKI or the holding of a second remission ends."""
    advance_clones(p, q)
    end_maintenance(p, j)
    retime_leukaemia(p, q)
