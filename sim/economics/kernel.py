"""The valuation's compiled part: one patient's journal rows in, present values out, in closed form.

Costs fall due at points or flow along sojourns; quality of life multiplies along phases and what overlays them, and is
lost by event. Everything counts from the origin; death truncates everything. Scalars, records and `math` only, as in
`sim.biology` and `sim.clinic`: `q` is the tariff's record, `w` the working record of the life at hand.
"""

from __future__ import annotations

import math
from typing import Any, Final

from sim import journal as _j

DAYS: Final = 365.25
_INF: Final = math.inf

# --- room in the records (fixed, so that a longer book needs no new machine code)
#: Charges after expansion, items, payments, periods, products, age norms.
RULES: Final = 640
ITEMS: Final = 200
PAYMENTS: Final = 32
PERIODS: Final = 16
PRODUCTS: Final = 16
AGES: Final = 160
#: Categories of cost, then perspectives.
CATEGORIES: Final = 19
PERSPECTIVES: Final = 3
STATES: Final = 17
LOSSES: Final = 11
#: What overlays phases, windows of bundles, pieces of a life, events that cost QALYs.
OVERLAYS: Final = 64
WINDOWS: Final = 128
PIECES: Final = 160
EVENTS: Final = 64

_PHASES: Final = _j.PHASES
_TRANSPLANTED: Final = _j.TRANSPLANTED
_RELAPSED: Final = _j.RELAPSED
_PALLIATIVE: Final = _j.PALLIATIVE
_CRS: Final = _j.CRS
_ICANS: Final = _j.ICANS
_IEC_HS: Final = _j.IEC_HS
_MAINTENANCE: Final = _j.MAINTENANCE
_TKI: Final = _j.TKI
_ACUTE_GVHD: Final = _j.ACUTE_GVHD
_CHRONIC_GVHD: Final = _j.CHRONIC_GVHD
_LATE_EFFECT: Final = _j.LATE_EFFECT
_SALVAGE: Final = _j.SALVAGE
_INFUSION: Final = _j.INFUSION
_INFECTION: Final = _j.INFECTION
_HCT: Final = _j.HCT
_RESPONSE: Final = _j.RESPONSE
_RELAPSE: Final = _j.RELAPSE
_SINUSOIDAL: Final = _j.SINUSOIDAL
_SECOND_CANCER: Final = _j.SECOND_CANCER
_INFERTILITY: Final = _j.INFERTILITY
_DEATH: Final = _j.DEATH

#: Infusions with this detail and above are not of the patient's own product.
OTHER_CAR: Final = 400

# Order of `sim.economics.settings.States`; the first eight are the phases in their own order.
S_SALVAGE: Final = 8
S_HCT_YEAR: Final = 9
S_HCT_SURVIVOR: Final = 10
S_CHRONIC_GVHD: Final = 11
S_MAINTENANCE: Final = 12
S_TKI: Final = 13
S_LATE_EFFECT: Final = 14
S_NEUROCOGNITIVE: Final = 15
S_SECOND_CANCER: Final = 16

# Order of `sim.economics.settings.Losses`.
L_CRS: Final = 0
L_ICANS: Final = 3
L_IEC_HS: Final = 5
L_INFECTION: Final = 6
L_ACUTE_GVHD: Final = 8
L_SINUSOIDAL: Final = 9
L_INFERTILITY: Final = 10

_CELLS: Final = 2 * PERIODS
_TAIL: Final = AGES + 1


# --- discounting ------------------------------------------------------------------------------------------------------


def factor_at(years: float, rate: float, later: float, step: float) -> float:
    """Discount factor of a point in time: ``exp(-rate t)``, with another rate from `step` on."""
    if years <= step:
        return math.exp(-rate * years) if rate != 0.0 else 1.0
    return math.exp(-rate * step - later * (years - step))


def flow_between(
    start: float, stop: float, at_start: float, at_stop: float, rate: float, later: float, step: float
) -> float:
    """Present value of 1 per year between two times whose discount factors are known."""
    if start >= step:
        return (at_start - at_stop) / later if later != 0.0 else at_start * (stop - start)
    if stop <= step:
        return (at_start - at_stop) / rate if rate != 0.0 else stop - start
    middle = factor_at(step, rate, later, step)
    before = (at_start - middle) / rate if rate != 0.0 else step - start
    return before + ((middle - at_stop) / later if later != 0.0 else middle * (stop - step))


# --- costs ------------------------------------------------------------------------------------------------------------


def measure(q: Any, w: Any, k: int, detail: int) -> float:
    """Units used: per patient, per kg or per m2 (Costeff: ``(4 W + 7) / (W + 90)``), in whole packs, times doses."""
    amount = q.rule_quantity[k]
    if q.rule_by[k] == 1:
        amount *= w.weight
    elif q.rule_by[k] == 2:
        amount *= (4.0 * w.weight + 7.0) / (w.weight + 90.0)
    if amount > q.rule_most[k]:
        amount = q.rule_most[k]
    if q.rule_pack[k] > 0.0:
        amount = math.ceil(amount / q.rule_pack[k] - 1e-9) * q.rule_pack[k]
    if q.rule_times_detail[k] == 1:
        amount *= detail
    return amount


def applies(q: Any, w: Any, k: int, detail: int, age: float) -> bool:
    """Tell whether a charge concerns this row of this patient."""
    if q.rule_detail[k] >= 0 and q.rule_detail[k] != detail:
        return False
    if q.rule_bits[k] != 0 and (q.rule_bits[k] & detail) == 0:
        return False
    if q.rule_anybody[k] == 1:
        return True
    if w.weight < q.rule_weight_from[k] or w.weight >= q.rule_weight_to[k]:
        return False
    if age < q.rule_age_from[k] or age >= q.rule_age_to[k]:
        return False
    who = q.rule_who[k]
    if who == 1:
        return w.distance > 0.0
    if who == 2:
        return w.poverty > 0.0
    if who == 3:
        return w.female > 0.0
    return True


def book(w: Any, category: int, item: int, period: int, amount: float, present: float) -> None:
    """Add an amount to its category and item in a period, plain and discounted."""
    at = category * _CELLS + 2 * period
    w.out[at] += amount
    w.out[at + 1] += present
    w.touched[category] = 1
    at = item * _CELLS + 2 * period
    w.items[at] += amount
    w.items[at + 1] += present


def add_point(q: Any, w: Any, category: int, item: int, days: float, amount: float) -> None:
    """Book an amount at a time (days since the origin)."""
    if days != w.point:
        w.point = days
        w.point_factor = factor_at(days / DAYS, q.cost_rate, q.cost_later, q.step)
    k = 0
    while days >= q.periods[k]:
        k += 1
    book(w, category, item, k, amount, amount * w.point_factor)


def add_flow(q: Any, w: Any, category: int, item: int, start: float, stop: float, per_day: float) -> None:
    """Book a flow between two times (days since the origin), period by period."""
    if start != w.flow_start or stop != w.flow_stop:
        w.flow_start = start
        w.flow_stop = stop
        w.flow_start_factor = factor_at(start / DAYS, q.cost_rate, q.cost_later, q.step)
        w.flow_stop_factor = factor_at(stop / DAYS, q.cost_rate, q.cost_later, q.step)
    k = 0
    while start >= q.periods[k]:
        k += 1
    at = start
    at_factor = w.flow_start_factor
    while at < stop:
        end = stop
        end_factor = w.flow_stop_factor
        if q.periods[k] < stop:
            end = q.periods[k]
            end_factor = q.period_factors[k]
        present = flow_between(at / DAYS, end / DAYS, at_factor, end_factor, q.cost_rate, q.cost_later, q.step)
        amount = per_day * (end - at)
        book(w, category, item, k, amount, per_day * DAYS * present if q.discounts_costs == 1 else amount)
        at = end
        at_factor = end_factor
        k += 1


def covered_until(w: Any, mask: int, at: float) -> float:
    """Give the end of the bundle windows that cover a time; the time itself where none does."""
    until = at
    moved = True
    while moved:
        moved = False
        for i in range(w.windows):
            if (mask >> w.window_bundle[i]) & 1 == 1 and w.window_start[i] <= until and until < w.window_stop[i]:
                until = w.window_stop[i]
                moved = True
    return until


def next_window(w: Any, mask: int, at: float, stop: float) -> float:
    """Give the start of the next bundle window after a time; `stop` where none begins before."""
    begin = stop
    for i in range(w.windows):
        if (mask >> w.window_bundle[i]) & 1 == 1 and at < w.window_start[i] and w.window_start[i] < begin:
            begin = w.window_start[i]
    return begin


def open_windows(rows: Any, first: int, last: int, q: Any, w: Any) -> None:
    """List the times during which a bundle covers other charges."""
    w.windows = 0
    for i in range(first, last):
        event = rows[i].event
        if q.opens[event] == 0:
            continue
        for k in range(q.first_rule[event], q.first_rule[event + 1]):
            if q.rule_bundle[k] < 0 or w.windows == WINDOWS:
                continue
            if not applies(q, w, k, rows[i].detail, w.age + rows[i].start / DAYS):
                continue
            at = w.windows
            w.window_bundle[at] = q.rule_bundle[k]
            w.window_start[at] = rows[i].start
            w.window_stop[at] = rows[i].stop if q.rule_at[k] == 1 else rows[i].start + q.rule_until[k]
            w.windows = at + 1


def charge_row(q: Any, w: Any, event: int, row_start: float, row_stop: float, detail: int) -> None:
    """Book everything that one row of the journal costs."""
    origin = w.origin
    age = w.age + row_start / DAYS
    for k in range(q.first_rule[event], q.first_rule[event + 1]):
        if not applies(q, w, k, detail, age):
            continue
        amount = measure(q, w, k, detail) * (w.price if q.rule_product[k] == 1 else q.rule_price[k])
        if amount == 0.0:
            continue
        covered = q.rule_covered[k]
        if q.rule_at[k] == 0:
            if row_start >= origin and (covered == 0 or covered_until(w, covered, row_start) == row_start):
                add_point(q, w, q.rule_category[k], q.rule_item[k], row_start - origin, amount)
            continue
        start = max(origin, row_start + q.rule_from[k])
        stop = min(w.end if q.rule_at[k] == 2 else row_stop, row_start + q.rule_until[k])
        if start >= stop:
            continue
        if covered == 0 or w.windows == 0:
            add_flow(q, w, q.rule_category[k], q.rule_item[k], start - origin, stop - origin, amount)
            continue
        while start < stop:
            start = covered_until(w, covered, start)
            if start >= stop:
                break
            until = next_window(w, covered, start, stop)
            add_flow(q, w, q.rule_category[k], q.rule_item[k], start - origin, until - origin, amount)
            start = until


# --- payment ----------------------------------------------------------------------------------------------------------


def pay(q: Any, w: Any, price: float) -> None:
    """Book the payments for one product: each where and when the scheme says, with its refund."""
    if w.infusion >= w.origin:
        w.list_price += price
    for k in range(q.payments):
        due = w.infusion + q.payment_days[k]
        condition = q.payment_condition[k]
        owed = w.death < _INF or due <= w.end
        if condition == 1:
            owed = due <= w.end
        elif condition >= 2:
            due = max(due, w.response)
            owed = w.response < _INF and due <= w.end
            if condition == 3 and (w.failure <= due or (q.hct_counts == 0 and w.transplant <= due)):
                owed = False
        if not owed or q.payment_share[k] == 0.0:
            continue
        amount = price * q.payment_share[k]
        book_payment(q, w, due, amount)
        cause = _INF
        if q.payment_refund_if[k] == 1:
            cause = w.death
        elif q.payment_refund_if[k] == 2:
            cause = w.failure
        if cause <= w.infusion + q.payment_refund_days[k]:
            book_payment(q, w, max(due, cause), -amount * q.payment_refund[k])


def book_payment(q: Any, w: Any, due: float, amount: float) -> None:
    """Book one payment (or refund) that falls due at or after the origin."""
    if due >= w.origin:
        add_point(q, w, 0, 0, due - w.origin, amount)
        w.paid += amount
        w.paid_discounted += amount * w.point_factor


# --- quality of life --------------------------------------------------------------------------------------------------


def overlay(w: Any, start: float, stop: float, factor: float) -> None:
    """Note something that multiplies quality of life for a while."""
    at = w.overlays
    if factor != 1.0 and start < stop and at < OVERLAYS:
        w.overlay_start[at] = start
        w.overlay_stop[at] = stop
        w.overlay_factor[at] = factor
        w.overlays = at + 1


def find_overlays(rows: Any, first: int, last: int, q: Any, w: Any) -> None:
    """List what multiplies quality of life beside the phase."""
    w.overlays = 0
    end = w.end
    since = -_INF if w.prior_hct > 0.0 else _INF
    for i in range(first, last):
        event = rows[i].event
        if event < _PHASES:
            continue
        start = rows[i].start
        stop = rows[i].stop
        if event == _HCT:  # the year and the survivorship of an earlier transplant end with this one
            if since < start:
                overlay(w, since, min(since + DAYS, start), q.factors[S_HCT_YEAR])
                overlay(w, since + DAYS, start, q.factors[S_HCT_SURVIVOR])
            since = start
        elif event == _CHRONIC_GVHD:
            overlay(w, start, stop, q.factors[S_CHRONIC_GVHD])
        elif event == _SALVAGE:
            overlay(w, start, stop, q.factors[S_SALVAGE])
        elif event == _MAINTENANCE:
            overlay(w, start, stop, q.factors[S_MAINTENANCE])
        elif event == _TKI:
            overlay(w, start, stop, q.factors[S_TKI])
        elif event == _LATE_EFFECT:
            if rows[i].detail == 2:
                overlay(w, start, end, q.factors[S_NEUROCOGNITIVE])
            else:
                overlay(w, start, stop, q.factors[S_LATE_EFFECT])
        elif event == _SECOND_CANCER:
            overlay(w, start, end, q.factors[S_SECOND_CANCER])
    if since < end:
        overlay(w, since, min(since + DAYS, end), q.factors[S_HCT_YEAR])
        overlay(w, since + DAYS, end, q.factors[S_HCT_SURVIVOR])


def prepare_norms(q: Any, w: Any) -> None:
    """Set what turns tabulated integrals over age into present values at this patient's origin."""
    age = w.age + w.origin / DAYS
    w.origin_age = age
    w.scale = math.exp(q.effect_rate * age)
    if q.step < _INF:
        w.scale_later = math.exp(q.effect_later * (age + q.step) - q.effect_rate * q.step)
        at = age + q.step
        whole = min(int(math.floor(at)), AGES - 1)
        cut = tail(q, w, 1, whole, at, math.exp(-q.effect_rate * at), q.effect_rate)
        rest = tail(q, w, 2, whole, at, math.exp(-q.effect_later * at), q.effect_later)
        w.beyond = w.scale_later * rest - w.scale * cut


def tail(q: Any, w: Any, table: int, whole: int, age: float, factor: float, rate: float) -> float:
    """Integrate ``norm(a) exp(-rate a)`` from `age` on: the rest of its year of age, then what is tabulated.

    `factor` is ``exp(-rate age)``.
    """
    sex = 1 if w.female > 0.0 else 0
    norm = q.norms[sex * AGES + whole]
    if rate == 0.0:
        part = whole + 1.0 - age
    else:
        part = (factor - q.age_factors[table * _TAIL + whole + 1]) / rate
    return norm * part + q.tails[(table * 2 + sex) * _TAIL + whole + 1]


def worth_from(q: Any, w: Any, years: float) -> float:
    """Quality-adjusted years at the age norm from a time on, to the end of the table."""
    age = w.origin_age + years
    return tail(q, w, 0, min(int(math.floor(age)), AGES - 1), age, 1.0, 0.0)


def present_from(q: Any, w: Any, years: float, factor: float) -> float:
    """Give the same, discounted; `factor` is the discount factor of the time."""
    age = w.origin_age + years
    whole = min(int(math.floor(age)), AGES - 1)
    if years <= q.step:
        value = w.scale * tail(q, w, 1, whole, age, factor / w.scale, q.effect_rate)
        return value + w.beyond if q.step < _INF else value
    return w.scale_later * tail(q, w, 2, whole, age, factor / w.scale_later, q.effect_later)


def live_well(rows: Any, first: int, last: int, q: Any, w: Any) -> None:
    """Cut a life where its quality changes and sum life-years and QALYs, plain and discounted."""
    find_overlays(rows, first, last, q, w)
    if q.with_norms == 1:
        prepare_norms(q, w)
    rate = q.effect_rate
    later = q.effect_later
    step = q.step
    n = 0
    known = -1.0
    start_factor = 1.0
    start_worth = 0.0
    start_present = 0.0
    for i in range(first, last):
        if rows[i].event >= _PHASES:
            continue
        at = max(w.origin, rows[i].start)
        stop = rows[i].stop
        base = q.factors[rows[i].event]
        while at < stop:
            until = stop
            factor = base
            for o in range(w.overlays):
                if at < w.overlay_start[o]:
                    until = min(until, w.overlay_start[o])
                elif at < w.overlay_stop[o]:
                    factor *= w.overlay_factor[o]
                    until = min(until, w.overlay_stop[o])
            start = (at - w.origin) / DAYS
            finish = (until - w.origin) / DAYS
            if start != known:
                start_factor = factor_at(start, rate, later, step)
                if q.with_norms == 1:
                    start_worth = worth_from(q, w, start)
                    start_present = present_from(q, w, start, start_factor)
            stop_factor = factor_at(finish, rate, later, step)
            lived = finish - start
            present = flow_between(start, finish, start_factor, stop_factor, rate, later, step)
            w.life_years += lived
            w.life_years_discounted += present
            stop_worth = 0.0
            stop_present = 0.0
            if q.with_norms == 1:
                stop_worth = worth_from(q, w, finish)
                lived = start_worth - stop_worth
                if q.discounts_effects == 1:
                    stop_present = present_from(q, w, finish, stop_factor)
                    present = start_present - stop_present
                else:
                    present = lived
            w.qalys += factor * lived
            w.qalys_discounted += factor * present
            if n < PIECES:
                w.piece_start[n] = start
                w.piece_stop[n] = finish
                w.piece_factor[n] = factor
                w.piece_lived[n] = lived
                w.piece_present[n] = present
                n += 1
            known = finish
            start_factor = stop_factor
            start_worth = stop_worth
            start_present = stop_present
            at = until
    w.pieces = n


def norm_years(q: Any, w: Any, start: float, stop: float, discounted: bool) -> float:
    """Life-years at full health (or at the age norm) between two times, years since the origin."""
    if not discounted or q.discounts_effects == 0:
        return worth_from(q, w, start) - worth_from(q, w, stop) if q.with_norms == 1 else stop - start
    a = factor_at(start, q.effect_rate, q.effect_later, q.step)
    b = factor_at(stop, q.effect_rate, q.effect_later, q.step)
    if q.with_norms == 1:
        return present_from(q, w, start, a) - present_from(q, w, stop, b)
    return flow_between(start, stop, a, b, q.effect_rate, q.effect_later, q.step)


def loss_of(event: int, detail: int) -> int:
    """Give the index of the loss that an event causes; -1 for none."""
    if event == _CRS:
        return L_CRS + min(max(detail, 1), 3) - 1
    if event == _ICANS:
        return L_ICANS + (1 if detail >= 3 else 0)
    if event == _IEC_HS:
        return L_IEC_HS
    if event == _INFECTION:
        return L_INFECTION + (1 if detail == 2 else 0)
    if event == _ACUTE_GVHD:
        return L_ACUTE_GVHD
    if event == _SINUSOIDAL:
        return L_SINUSOIDAL
    if event == _INFERTILITY:
        return L_INFERTILITY
    return -1


def lose(rows: Any, first: int, last: int, q: Any, w: Any) -> None:
    """Take off what events cost, each over its year and at most what that year (or what is left of life) is worth."""
    events = 0
    for i in range(first, last):
        cause = loss_of(rows[i].event, rows[i].detail)
        if cause < 0 or q.losses[cause] == 0.0 or rows[i].start < w.origin:
            continue
        start = (rows[i].start - w.origin) / DAYS
        worth = 0.0
        present = 0.0
        for k in range(w.pieces):
            if w.piece_stop[k] <= start or w.piece_start[k] >= start + 1.0:
                continue
            if w.piece_start[k] >= start and w.piece_stop[k] <= start + 1.0:
                worth += w.piece_factor[k] * w.piece_lived[k]
                present += w.piece_factor[k] * w.piece_present[k]
            else:
                begin = max(start, w.piece_start[k])
                stop = min(start + 1.0, w.piece_stop[k])
                worth += w.piece_factor[k] * norm_years(q, w, begin, stop, False)
                present += w.piece_factor[k] * norm_years(q, w, begin, stop, True)
        if worth <= 0.0:
            continue
        room = worth
        for k in range(events):
            if w.event_start[k] + 1.0 > start:
                room -= w.event_loss[k]
        loss = min(q.losses[cause], max(0.0, room))
        if events < EVENTS:
            w.event_start[events] = start
            w.event_loss[events] = loss
            events += 1
        discounted = loss * (present / worth)  # in this order it is `loss` itself where nothing is discounted
        w.lost[2 * cause] += loss
        w.lost[2 * cause + 1] += discounted
        w.qalys -= loss
        w.qalys_discounted -= discounted


# --- one life, all lives ----------------------------------------------------------------------------------------------


def survey(rows: Any, first: int, last: int, q: Any, w: Any) -> None:
    """Find what the rest needs to know of a life: its end, its origin, response, failure, transplant, product."""
    w.end = 0.0
    w.infusion = _INF
    w.response = _INF
    w.failure = _INF
    w.transplant = _INF
    w.death = _INF
    w.product_given = -1
    opens = 0
    for i in range(first, last):
        event = rows[i].event
        opens += q.opens[event]
        if event < _PHASES:
            w.end = max(w.end, rows[i].stop)
            if event == _TRANSPLANTED:
                w.transplant = min(w.transplant, rows[i].start)
            elif (event == _RELAPSED or event == _PALLIATIVE) and w.infusion < _INF:
                w.failure = min(w.failure, rows[i].start)
        elif event == _INFUSION:
            if rows[i].detail < OTHER_CAR and w.infusion == _INF:
                w.infusion = rows[i].start
                w.product_given = rows[i].detail
        elif event == _RESPONSE:
            if rows[i].detail == 1:
                w.response = min(w.response, rows[i].start)
        elif event == _RELAPSE:
            if w.infusion < _INF:
                w.failure = min(w.failure, rows[i].start)
        elif event == _DEATH:
            w.death = rows[i].start
            w.end = max(w.end, w.death)
    w.origin = 0.0
    if q.origin == 1:
        w.origin = w.infusion
    elif q.origin == 2:
        w.origin = w.response
    if opens > 0:
        open_windows(rows, first, last, q, w)
    else:
        w.windows = 0


def clear(w: Any) -> None:
    """Forget the life before."""
    for c in range(CATEGORIES + PERSPECTIVES):
        if w.touched[c] == 1:
            w.touched[c] = 0
            for k in range(c * _CELLS, (c + 1) * _CELLS):
                w.out[k] = 0.0
    for k in range(2 * LOSSES):
        w.lost[k] = 0.0
    w.life_years = 0.0
    w.life_years_discounted = 0.0
    w.qalys = 0.0
    w.qalys_discounted = 0.0
    w.list_price = 0.0
    w.paid = 0.0
    w.paid_discounted = 0.0
    w.point = -1.0
    w.flow_start = -1.0
    w.flow_stop = -1.0


def value_life(rows: Any, first: int, last: int, q: Any, w: Any) -> None:
    """Value one life from the origin on."""
    clear(w)
    survey(rows, first, last, q, w)
    w.price = q.product_price[int(w.product)]
    for i in range(first, last):
        event = rows[i].event
        if q.first_rule[event] < q.first_rule[event + 1]:
            charge_row(q, w, event, rows[i].start, rows[i].stop, rows[i].detail)
    if w.product_given >= 0:
        price = q.product_price[w.product_given % 100]
        if (w.product_given // 100) % 2 == 1:
            price *= q.out_of_specification
        if (w.product_given // 200) % 2 == 1:
            price *= q.donor_derived
        pay(q, w, price)
    live_well(rows, first, last, q, w)
    lose(rows, first, last, q, w)


def sum_perspectives(q: Any, w: Any) -> None:
    """Sum the categories that each perspective counts."""
    for c in range(CATEGORIES):
        if w.touched[c] == 0:
            continue
        for view in range(PERSPECTIVES):
            if q.counts[view * CATEGORIES + c] == 1:
                w.touched[CATEGORIES + view] = 1
                to = (CATEGORIES + view) * _CELLS
                for k in range(2 * q.period_count):
                    w.out[to + k] += w.out[c * _CELLS + k]


def report(q: Any, w: Any, line: Any, cells: Any) -> None:
    """Write a patient's line, and add to sums and squares by category and period."""
    width = 2 * q.period_count
    for c in range(CATEGORIES + PERSPECTIVES):
        if w.touched[c] == 0:
            continue
        plain = 0.0
        present = 0.0
        for k in range(q.period_count):
            a = w.out[c * _CELLS + 2 * k]
            b = w.out[c * _CELLS + 2 * k + 1]
            plain += a
            present += b
            at = c * width + 2 * k
            cells[0, at] += a
            cells[0, at + 1] += b
            cells[1, at] += a * a
            cells[1, at + 1] += b * b
        line[2 * c] = plain
        line[2 * c + 1] = present
    at = 2 * (CATEGORIES + PERSPECTIVES)
    line[at] = w.life_years
    line[at + 1] = w.life_years_discounted
    line[at + 2] = w.qalys
    line[at + 3] = w.qalys_discounted
    line[at + 4] = w.list_price
    line[at + 5] = w.paid
    line[at + 6] = w.paid_discounted
    for k in range(2 * LOSSES):
        line[at + 7 + k] = w.lost[k]


def value_all(
    rows: Any, first_row: Any, people: Any, counted: Any, tariff: Any, work: Any, lines: Any, cells: Any
) -> None:
    """Value the lives of a block.

    Parameters
    ----------
    rows, first_row
        Journal rows, and where each patient's begin.
    people
        Attributes, shape (n, 7): age, female, weight, distance, poverty, prior HCT, product.
    counted
        1 where the patient is counted.
    tariff, work
        One-row records (`sim.economics.tariff`).
    lines
        Takes one row a patient (`sim.economics.valuation.columns`).
    cells
        Takes sums and squares: shape (2, (categories + perspectives) * periods * 2).
    """
    q = tariff[0]
    w = work[0]
    for i in range(len(first_row) - 1):
        if counted[i] == 0:
            continue
        w.age = people[i, 0]
        w.female = people[i, 1]
        w.weight = people[i, 2]
        w.distance = people[i, 3]
        w.poverty = people[i, 4]
        w.prior_hct = people[i, 5]
        w.product = people[i, 6]
        value_life(rows, first_row[i], first_row[i + 1], q, w)
        sum_perspectives(q, w)
        report(q, w, lines[i], cells)
