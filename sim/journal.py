"""The journal: the one table that disease and clinic write and everything else reads.

A row is ``policy, patient, event, time_start, time_stop, detail``. Point events have equal start and stop. Phases are
sojourns that follow each other without gap from referral to death; other sojourns overlay them. Days since referral.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

# --- phases: exactly one at any time, from referral to death
WAITING: Final = 0  # from referral until lymphodepletion begins
TREATMENT: Final = 1  # from lymphodepletion until the response is assessed
REMISSION: Final = 2  # complete remission after CAR T, not transplanted since
TRANSPLANTED: Final = 3  # remission after a transplant in first CAR T remission
RELAPSED: Final = 4  # leukaemia present: no response, relapse, or no CAR T at all; salvage goes on
SECOND_REMISSION: Final = 5  # remission reached by salvage
SALVAGE_TRANSPLANTED: Final = 6  # remission after a transplant that followed salvage
PALLIATIVE: Final = 7  # no further attempt at cure
PHASES: Final = 8

# --- overlays: sojourns beside the phase
WARD: Final = 10  # detail: 1 ward, 2 transplant unit, 3 another hospital
ICU: Final = 11  # detail: 1 another hospital
CRS: Final = 12  # detail: highest grade
ICANS: Final = 13  # detail: grade
IEC_HS: Final = 14  # detail: last treatment step (1 anakinra, 2 ruxolitinib or emapalumab, 3 etoposide)
NEUTROPENIA: Final = 15  # detail: ICAHT grade
APLASIA: Final = 16
IGG_REPLACEMENT: Final = 17
MAINTENANCE: Final = 18
TKI: Final = 19
ACUTE_GVHD: Final = 20  # detail: grade 2 or 3 (III-IV)
CHRONIC_GVHD: Final = 21
LATE_EFFECT: Final = 22  # detail: 1 chronic condition, 2 neurocognitive
SALVAGE: Final = 23  # detail: therapy

# --- points
REFERRAL: Final = 30
APHERESIS: Final = 31  # detail: attempt
MANUFACTURE_FAILED: Final = 32  # detail: attempt
BRIDGING: Final = 33  # detail: 1 because of a long time in line
LYMPHODEPLETION: Final = 34  # detail: 1 when fludarabine was AUC-targeted
INFUSION: Final = 35  # detail: product; +100 out of specification, +200 donor-derived; 400 CD22 CAR
TOCILIZUMAB: Final = 36  # detail: doses
STEROID: Final = 37
INFECTION: Final = 38  # detail: 1 mild, 2 severe
BOOST: Final = 39
VISIT: Final = 40  # detail: assays used (1 flow, 2 qPCR, 4 NGS; 8 B cells)
MRD_SEEN: Final = 41  # detail: assay
APLASIA_LOSS_SEEN: Final = 42  # detail: 1 peripheral, 2 hematogones
DECISION: Final = 43  # detail: action
HCT: Final = 44  # detail: conditioning (1 TBI, 2 chemotherapy, 3 reduced intensity); +10 when not the first
REINFUSION: Final = 45  # detail: 1 succeeded
RESPONSE: Final = 46  # detail: 1 complete remission
RELAPSE: Final = 47  # detail: 10 * type + site
SINUSOIDAL: Final = 48
SECOND_CANCER: Final = 49
INFERTILITY: Final = 50
NOT_INFUSED: Final = 51  # detail: reason
DIVERTED: Final = 52  # no place in time: care was given elsewhere, a transplant given up; detail: pool
LEVETIRACETAM: Final = 53
CANCELLED: Final = 54  # detail: action that did not happen
DEATH: Final = 55  # detail: cause
PRODUCT_EXPIRED: Final = 56  # detail: attempt

#: Row layout of one patient's journal inside the engines.
ROW: Final = np.dtype([("event", np.int64), ("start", np.float64), ("stop", np.float64), ("detail", np.int64)])

#: The journal as compiled handlers see it, one word to pass on: the address of the rows, how many were written (or
#: would have been, had there been room), and for how many there is room.
BOOK: Final = np.dtype([("rows", np.int64), ("written", np.int64), ("room", np.int64)], align=True)


def note(p: Any, j: Any, event: int, start: float, stop: float, detail: int) -> None:
    """Write one row: the pathway's only trace."""
    j.append((event, start, stop, detail))


def note_compiled(p: Any, j: Any, event: int, start: float, stop: float, detail: int) -> None:
    """Write one row into the batch engine's buffer; ``j`` is a `BOOK`."""
    at = j.written
    j.written = at + 1
    if at < j.room:
        row = row_at(j.rows, at)
        row.event = event
        row.start = start
        row.stop = stop
        row.detail = detail


def row_at(rows: Any, at: int) -> Any:
    """Return a row of the buffer; swapped for `compiled_row_at` when compiled."""
    return rows[at]


def compiled_row_at() -> Any:
    """Make the `row_at` of compiled code: it takes the buffer's address instead of the buffer."""
    from numba import from_dtype, types
    from numba.extending import intrinsic

    row = from_dtype(ROW)

    @intrinsic
    def at_address(typing: Any, address: Any, at: Any) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address, at = arguments
            size = context.get_constant(types.int64, ROW.itemsize)
            return builder.inttoptr(builder.add(address, builder.mul(at, size)), context.get_value_type(row))

        return row(types.int64, types.int64), lower

    return at_address


def put_in_order(rows: Any, first: int, last: int) -> None:
    """Sort one patient's rows in place, as `in_order` does: an insertion sort, since they come almost in order."""
    for i in range(first + 1, last):
        event, start, stop, detail = rows[i].event, rows[i].start, rows[i].stop, rows[i].detail
        at = i
        while at > first and _comes_after(rows[at - 1], event, start, stop, detail):
            rows[at].event, rows[at].start = rows[at - 1].event, rows[at - 1].start
            rows[at].stop, rows[at].detail = rows[at - 1].stop, rows[at - 1].detail
            at -= 1
        rows[at].event, rows[at].start, rows[at].stop, rows[at].detail = event, start, stop, detail


def _comes_after(row: Any, event: int, start: float, stop: float, detail: int) -> bool:
    if row.start != start:
        return row.start > start
    if row.event != event:
        return row.event > event
    if row.stop != stop:
        return row.stop > stop
    return row.detail > detail


def in_order(rows: list[tuple[int, float, float, int]]) -> list[tuple[int, float, float, int]]:
    """Sort one patient's rows by start, event, stop and detail: the order in which every engine gives them."""
    return sorted(rows, key=lambda row: (row[1], row[0], row[2], row[3]))


def event_names() -> dict[int, str]:
    """Name the journal's event codes."""
    skip = {"PHASES"}
    return {v: k.lower() for k, v in globals().items() if k.isupper() and isinstance(v, int) and k not in skip}
