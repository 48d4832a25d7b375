"""The reduced pathway as one flat loop in Numba, as ``loop.c``: the floor where there is no C compiler."""

from __future__ import annotations

import math
from dataclasses import astuple
from functools import lru_cache
from typing import Any

import numpy as np

from bench.floor.by_hand import OUTCOMES, ByHand
from bench.floor.reduced import (
    ACCEPTANCE,
    APLASIA,
    APLASIA_END,
    CAUSES,
    DEATH,
    EVENTS,
    FATALITY,
    HCT,
    INFECTION,
    INFUSION,
    LEUKAEMIA_DEATH,
    MISSED,
    MORTALITY,
    MORTALITY_TIME,
    RELAPSE,
    REMISSION,
    RESPONSE,
    SURVIVAL,
    TRANSPLANT_DEATH,
    VISIT,
    WAIT,
    Numbers,
)
from sim.draws import exponential, normal, uniform

INF = math.inf


def change_rate(cause: int, t: float, new: float, budget: Any, rate: Any, since: Any, due: Any) -> None:
    """Spend a hazard's budget up to now, then go on at another rate."""
    if new == rate[cause]:
        return
    budget[cause] -= rate[cause] * (t - since[cause])
    since[cause] = t
    rate[cause] = new
    left = budget[cause] if budget[cause] > 0.0 else 0.0
    due[cause] = t + left / new if new > 0.0 else INF


def live_all(burden: Any, q: Any, seed: int, first: int, horizon: float, outcomes: Any) -> None:
    """Live all lives; q are the numbers in the order of `Numbers`."""
    (wait_median, wait_spread, loss_waiting, background, response, response_burden, aplasia_median, aplasia_spread) = q[
        :8
    ]
    (relapse_aplasia, relapse_lost, relapse_hct, infection_aplasia, infection_recovered, fatality, missed) = q[8:15]
    (window, acceptance, workup, mortality, mortality_days, late_ratio, survival) = q[15:]
    due, budget, rate, since = np.empty(EVENTS), np.empty(CAUSES), np.empty(CAUSES), np.empty(CAUSES)
    for i in range(len(burden)):
        number = first + i
        t, cause, remission, decided, visits, infections = 0.0, -1, 0, 0, 0, 0
        t_infusion, t_loss, t_hct, t_relapse, t_death = INF, INF, INF, INF, INF
        for k in range(EVENTS):
            due[k] = INF
        for k in range(CAUSES):
            budget[k], rate[k], since[k] = exponential(seed, number, k, 0), 0.0, 0.0
        due[INFUSION] = wait_median * math.exp(wait_spread * normal(seed, number, WAIT, 0))
        change_rate(DEATH, t, background + loss_waiting, budget, rate, since, due)
        while True:
            event, when = 0, due[0]
            for k in range(1, EVENTS):
                if due[k] < when:
                    event, when = k, due[k]
            if when > horizon or when == INF:
                t = horizon
                break
            t = when
            due[event] = INF
            overt = False
            if event == VISIT:
                visits += 1
                if t - t_infusion < 360.0:
                    due[VISIT] = t + 30.0
                elif t - t_infusion < 1800.0:
                    due[VISIT] = t + 90.0
                if decided == 0 and t_loss < INF and uniform(seed, number, MISSED, visits) >= missed:
                    decided = 1
                    if t_loss - t_infusion <= window and uniform(seed, number, ACCEPTANCE, 0) < acceptance:
                        due[HCT] = t + workup
            elif event == INFECTION:
                infections += 1
                budget[INFECTION] = exponential(seed, number, INFECTION, infections)
                since[INFECTION] = t
                due[INFECTION] = t + budget[INFECTION] / rate[INFECTION]
                if uniform(seed, number, FATALITY, infections) < fatality:
                    cause = event
            elif event == INFUSION:
                t_infusion = t
                change_rate(DEATH, t, background, budget, rate, since, due)
                change_rate(INFECTION, t, infection_aplasia, budget, rate, since, due)
                due[APLASIA_END] = t + aplasia_median * math.exp(aplasia_spread * normal(seed, number, APLASIA, 0))
                due[RESPONSE] = t + 28.0
            elif event == RESPONSE:
                if uniform(seed, number, REMISSION, 0) < 1.0 / (1.0 + math.exp(response_burden * burden[i] - response)):
                    remission = 1
                    new = relapse_aplasia if t_loss == INF else relapse_lost
                    change_rate(RELAPSE, t, new, budget, rate, since, due)
                    due[VISIT] = t + 30.0
                else:
                    overt = True
            elif event == APLASIA_END:
                t_loss = t
                change_rate(INFECTION, t, infection_recovered, budget, rate, since, due)
                if remission == 1:
                    change_rate(RELAPSE, t, relapse_lost, budget, rate, since, due)
            elif event == HCT:
                t_hct = t
                change_rate(RELAPSE, t, relapse_hct, budget, rate, since, due)
                change_rate(INFECTION, t, 0.0, budget, rate, since, due)
                change_rate(DEATH, t, late_ratio * background, budget, rate, since, due)
                if uniform(seed, number, MORTALITY, 0) < mortality:
                    due[TRANSPLANT_DEATH] = t + mortality_days * uniform(seed, number, MORTALITY_TIME, 0)
            elif event == RELAPSE:
                t_relapse = t
                change_rate(RELAPSE, t, 0.0, budget, rate, since, due)
                overt = True
            else:
                cause = event
            if overt:
                remission = 0
                due[VISIT] = INF
                due[HCT] = INF
                due[LEUKAEMIA_DEATH] = t + survival * exponential(seed, number, SURVIVAL, 0)
            if cause >= 0:
                t_death = t
                break
        o = outcomes[i]
        o.t, o.t_infusion, o.t_loss, o.t_hct, o.t_relapse, o.t_death = t, t_infusion, t_loss, t_hct, t_relapse, t_death
        o.remission, o.decided, o.visits, o.infections, o.cause = remission, decided, visits, infections, cause


@lru_cache(maxsize=1)
def in_numba() -> ByHand:
    """Compile the loop and give it as ``run(burden, numbers, seed, first, horizon) -> outcomes``."""
    import numba

    step = numba.njit(error_model="numpy", inline="never")(change_rate)
    loop = numba.njit(error_model="numpy", nogil=True)(_bound(live_all, change_rate=step))

    def run(burden: np.ndarray, numbers: Numbers, seed: int, first: int, horizon: float) -> np.ndarray:
        outcomes = np.empty(len(burden), dtype=OUTCOMES)
        loop(np.ascontiguousarray(burden, dtype=np.float64), astuple(numbers), seed, first, horizon, outcomes)
        return outcomes

    return run


def _bound(function: Any, **names: Any) -> Any:
    import types

    return types.FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)
