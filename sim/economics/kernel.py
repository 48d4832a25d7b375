"""The valuation's compiled part: one patient's journal rows in, present values out, in closed form.

Costs fall due at points or flow along sojourns; quality of life multiplies along phases and what overlays them, and is
lost by event. Everything counts from the origin; death truncates everything. Scalars, arrays and `math` only, as in
`sim.biology` and `sim.clinic`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from sim import journal as _j

_DAYS: Final = 365.25
_INF: Final = math.inf
#: Room for what overlays phases, for the windows of bundles and for the pieces of a life.
OVERLAYS: Final = 96
WINDOWS: Final = 256
PIECES: Final = 512

_PHASES: Final = _j.PHASES
_TREATMENT: Final = _j.TREATMENT
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

# Order of `sim.economics.settings.States`; phases have the first eight in their own order (see `PHASE_STATE`).
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

# Columns of `people`.
AGE: Final = 0
FEMALE: Final = 1
WEIGHT: Final = 2
DISTANCE: Final = 3
POVERTY: Final = 4
PRIOR_HCT: Final = 5
PEOPLE: Final = 6


def factor_at(years: float, rate: float, later: float, step: float) -> float:
    """Discount factor of a point in time: ``exp(-rate t)``, with another rate from `step` on."""
    if rate == 0.0 and (later == 0.0 or years <= step):
        return 1.0
    if years <= step:
        return math.exp(-rate * years)
    return math.exp(-rate * step - later * (years - step))


def flow_at(years: float, length: float, rate: float) -> float:
    """Present value, at time 0, of 1 per year from `years` on for `length` years."""
    if rate == 0.0:
        return length
    return math.exp(-rate * years) * -math.expm1(-rate * length) / rate


def flow_between(start: float, stop: float, rate: float, later: float, step: float) -> float:
    """Present value of 1 per year between two times, with another rate from `step` on."""
    if stop <= step:
        return flow_at(start, stop - start, rate)
    after = math.exp(-rate * step) if rate != 0.0 else 1.0
    if start >= step:
        return after * flow_at(start - step, stop - start, later)
    return flow_at(start, step - start, rate) + after * flow_at(0.0, stop - step, later)


def tail(tails: Any, norms: Any, k: int, sex: int, age: float, rate: float) -> float:
    """Integrate ``norm(a) exp(-rate a)`` from `age` on (the part of its own year, then the tabulated rest)."""
    whole = int(math.floor(age))
    rest = whole + 1.0 - age
    part = rest if rate == 0.0 else math.exp(-rate * age) * -math.expm1(-rate * rest) / rate
    return norms[sex, whole] * part + tails[k, sex, whole + 1]


def norm_between(tariff: Any, sex: int, age: float, start: float, stop: float, discounted: bool) -> float:
    """Integrate the age norm between two times (years since an origin at `age`), discounted or not."""
    tails = tariff.tails
    if not discounted:
        return tail(tails, tariff.norms, 0, sex, age + start, 0.0) - tail(tails, tariff.norms, 0, sex, age + stop, 0.0)
    rate = tariff.rates[1]
    later = tariff.rates[3]
    step = tariff.rates[4]
    total = 0.0
    if start < step:
        end = min(stop, step)
        whole = tail(tails, tariff.norms, 1, sex, age + start, rate) - tail(
            tails, tariff.norms, 1, sex, age + end, rate
        )
        total += math.exp(rate * age) * whole
    if stop > step:
        begin = max(start, step)
        whole = tail(tails, tariff.norms, 2, sex, age + begin, later) - tail(
            tails, tariff.norms, 2, sex, age + stop, later
        )
        total += math.exp(later * (age + step) - rate * step) * whole
    return total


def years_between(tariff: Any, sex: int, age: float, start: float, stop: float, discounted: bool) -> float:
    """Life-years at full health (or at the age norm) between two times, years since the origin."""
    if tariff.switches[0] == 1:
        return norm_between(tariff, sex, age, start, stop, discounted)
    if not discounted:
        return stop - start
    return flow_between(start, stop, tariff.rates[1], tariff.rates[3], tariff.rates[4])


def measure(rule: Any, person: Any, detail: int) -> float:
    """Units used: per patient, per kg or per m2 (Costeff: ``(4 W + 7) / (W + 90)``), in whole packs, times doses."""
    amount = rule.quantity
    if rule.by == 1:
        amount *= person[WEIGHT]
    elif rule.by == 2:
        amount *= (4.0 * person[WEIGHT] + 7.0) / (person[WEIGHT] + 90.0)
    if amount > rule.most:
        amount = rule.most
    if rule.pack > 0.0:
        amount = math.ceil(amount / rule.pack - 1e-9) * rule.pack
    if rule.times_detail == 1:
        amount *= detail
    return amount


def applies(rule: Any, person: Any, detail: int, age: float) -> bool:
    """Tell whether a charge concerns this row of this patient."""
    if rule.detail >= 0 and rule.detail != detail:
        return False
    if rule.bits != 0 and (rule.bits & detail) == 0:
        return False
    if person[WEIGHT] < rule.weight_from or person[WEIGHT] >= rule.weight_to:
        return False
    if age < rule.age_from or age >= rule.age_to:
        return False
    if rule.who == 1:
        return person[DISTANCE] > 0.0
    if rule.who == 2:
        return person[POVERTY] > 0.0
    if rule.who == 3:
        return person[FEMALE] > 0.0
    return True


def add_point(out: Any, items: Any, tariff: Any, category: int, item: int, days: float, amount: float) -> None:
    """Book an amount at a time (days since the origin): by category and period, discounted and not."""
    k = 0
    while days >= tariff.periods[k]:
        k += 1
    rates = tariff.rates
    present = amount * factor_at(days / _DAYS, rates[0], rates[2], rates[4])
    out[category, k, 0] += amount
    out[category, k, 1] += present
    items[item, k, 0] += amount
    items[item, k, 1] += present


def add_flow(
    out: Any, items: Any, tariff: Any, category: int, item: int, start: float, stop: float, per_day: float
) -> None:
    """Book a flow between two times (days since the origin), period by period."""
    rates = tariff.rates
    at = start
    k = 0
    while at < stop:
        while at >= tariff.periods[k]:
            k += 1
        end = min(stop, tariff.periods[k])
        amount = per_day * (end - at)
        present = (
            amount
            if rates[0] == 0.0 and rates[2] == 0.0
            else per_day * _DAYS * flow_between(at / _DAYS, end / _DAYS, rates[0], rates[2], rates[4])
        )
        out[category, k, 0] += amount
        out[category, k, 1] += present
        items[item, k, 0] += amount
        items[item, k, 1] += present
        at = end


def covered_until(windows: Any, count: int, mask: int, at: float) -> float:
    """Give the end of the bundle windows that cover a time; the time itself where none does."""
    until = at
    moved = True
    while moved:
        moved = False
        for w in range(count):
            if (mask >> int(windows[w, 0])) & 1 == 1 and windows[w, 1] <= until < windows[w, 2]:
                until = windows[w, 2]
                moved = True
    return until


def next_window(windows: Any, count: int, mask: int, at: float, stop: float) -> float:
    """Give the start of the next bundle window after a time; `stop` where none begins before."""
    begin = stop
    for w in range(count):
        if (mask >> int(windows[w, 0])) & 1 == 1 and at < windows[w, 1] < begin:
            begin = windows[w, 1]
    return begin


def open_windows(rows: Any, first: int, last: int, tariff: Any, end: float, windows: Any) -> int:
    """List the times during which a bundle covers other charges: bundle, from, to; how many."""
    count = 0
    for i in range(first, last):
        event = rows[i].event
        for k in range(tariff.first_rule[event], tariff.first_rule[event + 1]):
            rule = tariff.rules[k]
            if rule.bundle < 0 or (rule.detail >= 0 and rule.detail != rows[i].detail) or count >= WINDOWS:
                continue
            windows[count, 0] = rule.bundle
            windows[count, 1] = rows[i].start + (rule.from_day if rule.at == 2 else 0.0)
            windows[count, 2] = rows[i].stop if rule.at == 1 else rows[i].start + rule.until_day
            count += 1
    return count


def charge_row(
    row: Any,
    person: Any,
    tariff: Any,
    origin: float,
    end: float,
    price: float,
    windows: Any,
    count: int,
    out: Any,
    items: Any,
) -> None:
    """Book everything that one row of the journal costs."""
    event = row.event
    age = person[AGE] + row.start / _DAYS
    for k in range(tariff.first_rule[event], tariff.first_rule[event + 1]):
        rule = tariff.rules[k]
        if not applies(rule, person, row.detail, age):
            continue
        amount = measure(rule, person, row.detail) * (price if rule.product == 1 else rule.price)
        if amount == 0.0:
            continue
        if rule.at == 0:
            if row.start >= origin and (
                rule.covered == 0 or covered_until(windows, count, rule.covered, row.start) == row.start
            ):
                add_point(out, items, tariff, rule.category, rule.item, row.start - origin, amount)
            continue
        start = max(origin, row.start + rule.from_day)
        stop = min(end if rule.at == 2 else row.stop, row.start + rule.until_day)
        if rule.covered == 0:
            if start < stop:
                add_flow(out, items, tariff, rule.category, rule.item, start - origin, stop - origin, amount)
            continue
        while start < stop:
            start = covered_until(windows, count, rule.covered, start)
            if start >= stop:
                break
            until = next_window(windows, count, rule.covered, start, stop)
            add_flow(out, items, tariff, rule.category, rule.item, start - origin, until - origin, amount)
            start = until


def pay(
    tariff: Any,
    price: float,
    infusion: float,
    response: float,
    failure: float,
    transplant: float,
    death: float,
    end: float,
    origin: float,
    out: Any,
    items: Any,
    result: Any,
) -> None:
    """Book the payments for one product; `result` takes list price, paid, paid discounted."""
    if infusion >= origin:
        result[0] += price
    for k in range(len(tariff.payments)):
        payment = tariff.payments[k]
        due = infusion + payment.days
        owed = death < _INF or due <= end
        if payment.condition == 1:
            owed = due <= end
        elif payment.condition == 2:
            due = max(due, response)
            owed = response < _INF and due <= end
        elif payment.condition == 3:
            due = max(due, response)
            owed = response < _INF and due <= end and failure > due
            if tariff.switches[1] == 0 and transplant <= due:
                owed = False
        if not owed or payment.share == 0.0:
            continue
        amount = price * payment.share
        book_payment(tariff, due, amount, origin, out, items, result)
        cause = _INF
        if payment.refund_if == 1:
            cause = death
        elif payment.refund_if == 2:
            cause = failure
        if cause <= infusion + payment.refund_days:
            book_payment(tariff, max(due, cause), -amount * payment.refund, origin, out, items, result)


def book_payment(tariff: Any, due: float, amount: float, origin: float, out: Any, items: Any, result: Any) -> None:
    """Book one payment (or refund) that falls due at or after the origin."""
    if due >= origin:
        add_point(out, items, tariff, 0, 0, due - origin, amount)
        result[1] += amount
        result[2] += amount * factor_at((due - origin) / _DAYS, tariff.rates[0], tariff.rates[2], tariff.rates[4])


def overlay(overlays: Any, count: int, start: float, stop: float, factor: float) -> int:
    """Note something that multiplies quality of life for a while; how many there are now."""
    if factor != 1.0 and start < stop and count < OVERLAYS:
        overlays[count, 0] = start
        overlays[count, 1] = stop
        overlays[count, 2] = factor
        return count + 1
    return count


def find_overlays(rows: Any, first: int, last: int, tariff: Any, person: Any, end: float, overlays: Any) -> int:
    """List what multiplies quality of life beside the phase: start, stop, factor; how many."""
    f = tariff.factors
    count = 0
    since = -_INF if person[PRIOR_HCT] > 0.0 else _INF
    for i in range(first, last):
        event = rows[i].event
        start = rows[i].start
        stop = rows[i].stop
        if event == _HCT:
            # a survivor of an earlier transplant until this one; its year ends with the next transplant
            if since < start:
                count = overlay(overlays, count, since, min(since + _DAYS, start), f[S_HCT_YEAR])
                count = overlay(overlays, count, since + _DAYS, start, f[S_HCT_SURVIVOR])
            since = start
        elif event == _CHRONIC_GVHD:
            count = overlay(overlays, count, start, stop, f[S_CHRONIC_GVHD])
        elif event == _SALVAGE:
            count = overlay(overlays, count, start, stop, f[S_SALVAGE])
        elif event == _MAINTENANCE:
            count = overlay(overlays, count, start, stop, f[S_MAINTENANCE])
        elif event == _TKI:
            count = overlay(overlays, count, start, stop, f[S_TKI])
        elif event == _LATE_EFFECT:
            if rows[i].detail == 2:
                count = overlay(overlays, count, start, end, f[S_NEUROCOGNITIVE])
            else:
                count = overlay(overlays, count, start, stop, f[S_LATE_EFFECT])
        elif event == _SECOND_CANCER:
            count = overlay(overlays, count, start, end, f[S_SECOND_CANCER])
    if since < end:
        count = overlay(overlays, count, since, min(since + _DAYS, end), f[S_HCT_YEAR])
        count = overlay(overlays, count, since + _DAYS, end, f[S_HCT_SURVIVOR])
    return count


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


def live_well(
    rows: Any,
    first: int,
    last: int,
    tariff: Any,
    person: Any,
    origin: float,
    end: float,
    overlays: Any,
    pieces: Any,
    result: Any,
) -> int:
    """Cut a life where its quality changes and sum life-years and QALYs; how many pieces.

    `pieces` takes start, stop (years since the origin), factor; `result` life-years, discounted, QALYs, discounted.
    """
    count = find_overlays(rows, first, last, tariff, person, end, overlays)
    sex = 1 if person[FEMALE] > 0.0 else 0
    age = person[AGE] + origin / _DAYS
    n = 0
    for i in range(first, last):
        if rows[i].event >= _PHASES:
            continue
        at = max(origin, rows[i].start)
        stop = rows[i].stop
        base = tariff.factors[rows[i].event]
        while at < stop:
            until = stop
            factor = base
            for o in range(count):
                if overlays[o, 0] <= at < overlays[o, 1]:
                    factor *= overlays[o, 2]
                    until = min(until, overlays[o, 1])
                elif at < overlays[o, 0]:
                    until = min(until, overlays[o, 0])
            start = (at - origin) / _DAYS
            finish = (until - origin) / _DAYS
            lived = finish - start
            present = flow_between(start, finish, tariff.rates[1], tariff.rates[3], tariff.rates[4])
            result[0] += lived
            result[1] += present
            if tariff.switches[0] == 1:
                lived = norm_between(tariff, sex, age, start, finish, False)
                present = norm_between(tariff, sex, age, start, finish, True)
            result[2] += factor * lived
            result[3] += factor * present
            if n < PIECES:
                pieces[n, 0] = start
                pieces[n, 1] = finish
                pieces[n, 2] = factor
                n += 1
            at = until
    return n


def lose(
    rows: Any,
    first: int,
    last: int,
    tariff: Any,
    person: Any,
    origin: float,
    pieces: Any,
    n: int,
    taken: Any,
    result: Any,
    losses: Any,
) -> None:
    """Take off what events cost, each within its year and within what that year (or what is left of life) is worth.

    `result` holds QALYs, plain and discounted, in its places 2 and 3; `losses` takes the parts by cause.
    """
    sex = 1 if person[FEMALE] > 0.0 else 0
    age = person[AGE] + origin / _DAYS
    count = 0
    for i in range(first, last):
        cause = loss_of(rows[i].event, rows[i].detail)
        if cause < 0 or tariff.losses[cause] == 0.0 or rows[i].start < origin:
            continue
        start = (rows[i].start - origin) / _DAYS
        worth = 0.0
        present = 0.0
        for k in range(n):
            begin = max(start, pieces[k, 0])
            stop = min(start + 1.0, pieces[k, 1])
            if begin < stop:
                worth += pieces[k, 2] * years_between(tariff, sex, age, begin, stop, False)
                present += pieces[k, 2] * years_between(tariff, sex, age, begin, stop, True)
        if worth <= 0.0:
            continue
        room = worth
        for k in range(count):
            if taken[k, 0] + 1.0 > start:
                room -= taken[k, 1]
        loss = min(tariff.losses[cause], max(0.0, room))
        if count < OVERLAYS:
            taken[count, 0] = start
            taken[count, 1] = loss
            count += 1
        share = loss / worth
        losses[cause, 0] += loss
        losses[cause, 1] += share * present
        result[2] -= loss
        result[3] -= share * present


def value_life(
    rows: Any,
    first: int,
    last: int,
    person: Any,
    tariff: Any,
    room: Any,
    out: Any,
    items: Any,
    result: Any,
    losses: Any,
    paid: Any,
) -> None:
    """Value one life from the origin on. `room` holds working arrays; the rest takes results."""
    overlays, windows, pieces, taken = room
    end = 0.0
    infusion = _INF
    response = _INF
    failure = _INF
    transplant = _INF
    death = _INF
    product = 0
    for i in range(first, last):
        event = rows[i].event
        if event < _PHASES:
            end = max(end, rows[i].stop)
            if event == _TRANSPLANTED:
                transplant = min(transplant, rows[i].start)
            elif (event == _RELAPSED or event == _PALLIATIVE) and infusion < _INF:
                failure = min(failure, rows[i].start)
        elif event == _INFUSION and rows[i].detail < OTHER_CAR and infusion == _INF:
            infusion = rows[i].start
            product = rows[i].detail
        elif event == _RESPONSE and rows[i].detail == 1:
            response = min(response, rows[i].start)
        elif event == _RELAPSE and infusion < _INF:
            failure = min(failure, rows[i].start)
        elif event == _DEATH:
            death = rows[i].start
            end = max(end, death)
    origin = 0.0
    if tariff.switches[2] == 1:
        origin = infusion
    elif tariff.switches[2] == 2:
        origin = response
    price = tariff.product_price[int(person[PEOPLE])]
    count = open_windows(rows, first, last, tariff, end, windows)
    for i in range(first, last):
        event = rows[i].event
        if tariff.first_rule[event] < tariff.first_rule[event + 1]:
            charge_row(rows[i], person, tariff, origin, end, price, windows, count, out, items)
    if infusion < _INF:
        share = tariff.product_share[0] if (product // 100) % 2 == 1 else 1.0
        if (product // 200) % 2 == 1:
            share *= tariff.product_share[1]
        price = tariff.product_price[product % 100] * share
        pay(tariff, price, infusion, response, failure, transplant, death, end, origin, out, items, paid)
    n = live_well(rows, first, last, tariff, person, origin, end, overlays, pieces, result)
    lose(rows, first, last, tariff, person, origin, pieces, n, taken, result, losses)


def value_all(
    rows: Any,
    first_row: Any,
    people: Any,
    counted: Any,
    tariff: Any,
    people_out: Any,
    cells: Any,
    items: Any,
) -> None:
    """Value the lives of a block.

    Parameters
    ----------
    rows, first_row
        Journal rows, and where each patient's begin.
    people
        Attributes, shape (n, `PEOPLE` + 1); the last column is the product's code.
    counted
        1 where the patient is counted.
    tariff
        `sim.economics.tariff.Tariff`.
    people_out
        Takes one row a patient (`sim.economics.valuation.columns`).
    cells
        Takes sums and squares by category (then perspective), period, plain or discounted: shape (2, categories +
        perspectives, periods, 2).
    items
        Takes sums by item, period, plain or discounted.
    """
    categories = tariff.counts.shape[1]
    periods = cells.shape[2]
    out = np.zeros((cells.shape[1], periods, 2))
    result = np.zeros(4)
    losses = np.zeros((len(tariff.losses), 2))
    paid = np.zeros(3)
    room = (np.zeros((OVERLAYS, 3)), np.zeros((WINDOWS, 3)), np.zeros((PIECES, 3)), np.zeros((OVERLAYS, 2)))
    for i in range(len(first_row) - 1):
        if counted[i] == 0:
            continue
        out[:, :, :] = 0.0
        result[:] = 0.0
        losses[:, :] = 0.0
        paid[:] = 0.0
        value_life(rows, first_row[i], first_row[i + 1], people[i], tariff, room, out, items, result, losses, paid)
        for c in range(len(tariff.counts)):
            for c2 in range(categories):
                if tariff.counts[c, c2] == 1:
                    for k in range(periods):
                        out[categories + c, k, 0] += out[c2, k, 0]
                        out[categories + c, k, 1] += out[c2, k, 1]
        line = people_out[i]
        for c in range(len(out)):
            plain = 0.0
            present = 0.0
            for k in range(periods):
                a = out[c, k, 0]
                b = out[c, k, 1]
                plain += a
                present += b
                cells[0, c, k, 0] += a
                cells[0, c, k, 1] += b
                cells[1, c, k, 0] += a * a
                cells[1, c, k, 1] += b * b
            line[2 * c] = plain
            line[2 * c + 1] = present
        at = 2 * len(out)
        for k in range(4):
            line[at + k] = result[k]
        at += 4
        for k in range(3):
            line[at + k] = paid[k]
        at += 3
        for k in range(len(tariff.losses)):
            line[at + 2 * k] = losses[k, 0]
            line[at + 2 * k + 1] = losses[k, 1]
