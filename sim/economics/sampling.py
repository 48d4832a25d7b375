"""Expected value of sample information, and the net benefit of the study that would give it.

A study is described by what it would observe. For every draw its data are simulated, summed up, and the net benefits
regressed on the summaries: the fitted values are what a decision maker would expect having seen the data (Strong,
Oakley, Brennan, Breeze 2015, doi:10.1177/0272989X15575286). A study of one parameter can also be valued by moments:
the fitted values of its EVPPI, drawn together by the share of the prior variance that the data would take away (Heath,
Manolopoulou, Baio 2018, doi:10.1177/0272989X17738515; exact for a normal prior and normal data).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.draws import uniforms
from sim.economics.arrays import pair, vector
from sim.economics.information import (
    Information,
    of_inputs,
    parameter_table,
    value_of_knowing,
)
from sim.problems import Problem, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

METHODS: Final = ("auto", "spline", "gp", "moments")

#: Gives uniform numbers, one a draw, for the first, second, ... random thing of a study: same numbers at every size.
Luck = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Study:
    """What a study would observe.

    Attributes
    ----------
    of
        Parameters that the study tells about.
    summaries
        ``summaries(parameters, size, luck)``: the data's summary statistics in every draw, shape (draws,) or (draws,
        statistics). `parameters` maps the names in `of` to values, shape (draws,).
    prior_size
        ``prior_size(values)``: how many patients the present knowledge of the one parameter is worth; None: `moments`
        is not possible.
    """

    of: tuple[str, ...]
    summaries: Callable[[dict[str, np.ndarray], int, Luck], np.ndarray]
    prior_size: Callable[[np.ndarray], float] | None = None


def study_of_means(of: str, sd: float) -> Study:
    """Measure a mean directly: `size` patients whose values vary with standard deviation `sd`."""
    from scipy.special import ndtri

    if not sd > 0:
        raise Problem(f"sd: {sd:g} must be more than 0")

    def summaries(parameters: dict[str, np.ndarray], size: int, luck: Luck) -> np.ndarray:
        observed: np.ndarray = parameters[of] + sd / np.sqrt(size) * ndtri(luck(0))
        return observed

    return Study((of,), summaries, lambda values: sd**2 / float(values.var()))


def study_of_shares(*of: str) -> Study:
    """Count how often something happens: `size` patients in each of the groups whose probabilities are `of`."""

    def summaries(parameters: dict[str, np.ndarray], size: int, luck: Luck) -> np.ndarray:
        from scipy.stats import binom

        _check_probabilities(parameters)
        return np.column_stack([binom.ppf(luck(k), size, parameters[name]) / size for k, name in enumerate(of)])

    def prior_size(values: np.ndarray) -> float:
        return float((values * (1 - values)).mean() / values.var())

    return Study(tuple(of), summaries, prior_size if len(of) == 1 else None)


def study_of_rates(*of: str, years: float = 1.0) -> Study:
    """Count events at the yearly rates `of`: `size` patients in each group, each followed for `years`."""
    if not years > 0:
        raise Problem(f"years: {years:g} must be more than 0")

    def summaries(parameters: dict[str, np.ndarray], size: int, luck: Luck) -> np.ndarray:
        from scipy.stats import poisson

        return np.column_stack([poisson.ppf(luck(k), size * years * parameters[n]) / size for k, n in enumerate(of)])

    def prior_size(values: np.ndarray) -> float:
        return float(values.mean() / years / values.var())

    return Study(tuple(of), summaries, prior_size if len(of) == 1 else None)


def study_of_hazard_ratio(of: str, events_per_patient: float, *, logarithm: bool = False) -> Study:
    """Randomise `size` patients one to one and estimate a hazard ratio: variance of its logarithm 4 / events.

    Parameters
    ----------
    of
        The hazard ratio, or its logarithm where `logarithm` is set.
    events_per_patient
        Share of patients who have the event during follow-up.

    Notes
    -----
    The variance is Schoenfeld's (1981, doi:10.1093/biomet/68.1.316).
    """
    from scipy.special import ndtri

    if not 0 < events_per_patient <= 1:
        raise Problem(f"events_per_patient: {events_per_patient:g} must be more than 0 and at most 1")

    def on_log_scale(values: np.ndarray) -> np.ndarray:
        if not logarithm and (values <= 0).any():
            raise Problem(f"parameters: {of!r} is a hazard ratio and must be above 0 in every draw")
        return values if logarithm else np.log(values)

    def summaries(parameters: dict[str, np.ndarray], size: int, luck: Luck) -> np.ndarray:
        observed: np.ndarray = on_log_scale(parameters[of]) + 2 / np.sqrt(size * events_per_patient) * ndtri(luck(0))
        return observed

    return Study((of,), summaries, lambda values: 4 / events_per_patient / float(on_log_scale(values).var()))


def evsi(
    costs: Any,
    effects: Any,
    parameters: Any,
    study: Study,
    size: int,
    wtp: float,
    *,
    method: str = "auto",
    seed: int = 1,
) -> Information:
    """Give the expected value of the data of a study of `size` patients, per decision.

    Parameters
    ----------
    costs, effects, parameters, wtp
        See `sim.economics.evppi`.
    study
        What would be observed.
    size
        Patients (per group where the study has several).
    method
        ``spline`` or ``gp``: regression on the simulated summaries; ``moments``: for a study of one parameter whose
        prior size is known; ``auto``: splines for one summary, a Gaussian process for several.
    seed
        Key of the simulated data and of the posterior draws behind the standard error.

    Returns
    -------
    Information
        Value, standard error, method, diagnostic.

    Raises
    ------
    Problem
        Naming the argument that cannot be used.
    """
    cost, effect = pair(costs, effects)
    if method not in METHODS:
        raise Problem(f"method: unknown method {method!r}, {did_you_mean(method, METHODS)}")
    names, table = parameter_table(parameters, len(cost), costs)
    for name in study.of:
        if name not in names:
            raise Problem(f"study: no such parameter {name!r}, {did_you_mean(name, names)}")
    known = {name: table[:, names.index(name)] for name in study.of}
    benefit = _checked_wtp(wtp) * effect - cost
    if method == "moments":
        return _by_moments(benefit, known, study, _checked_size(size), seed)
    found = np.asarray(study.summaries(known, _checked_size(size), _luck(seed, len(cost))), dtype=np.float64)
    if len(found) != len(cost) or not np.isfinite(found).all():
        raise Problem("study: its summaries must be finite numbers, one row a draw")
    return of_inputs(benefit, found.reshape(len(cost), -1), method, seed)


def evsi_table(
    costs: Any,
    effects: Any,
    parameters: Any,
    study: Study,
    sizes: Sequence[int],
    wtp: float,
    *,
    method: str = "auto",
    seed: int = 1,
) -> pd.DataFrame:
    """Give the EVSI of a study at several sizes, with the same random numbers at each (see `evsi`).

    Returns
    -------
    pandas.DataFrame
        Columns size, evsi, se, method, r2, pattern, bias, raw, evpi.
    """
    import pandas as pd

    if len(sizes) == 0:
        raise Problem("sizes: is empty; give at least one number of patients")
    rows = []
    for size in sizes:
        found = evsi(costs, effects, parameters, study, size, wtp, method=method, seed=seed)
        known = found.diagnostic
        rows.append(
            {
                "size": size,
                "evsi": found.value,
                "se": found.standard_error,
                "method": found.method,
                "r2": known.r2,
                "pattern": known.pattern,
                "bias": known.bias,
                "raw": known.raw,
                "evpi": known.evpi,
            }
        )
    return pd.DataFrame(rows)


def population_size(incidence: float, horizon: float, discount: float = 0.0, delay: float = 0.0) -> float:
    """Count the patients whose care a decision concerns, discounted to today.

    Parameters
    ----------
    incidence
        Patients a year.
    horizon
        Years over which the decision stands.
    discount
        Annual rate r; a patient in year t counts (1 + r)^-t, continuously. 0: none.
    delay
        Years until the information is there.

    Returns
    -------
    float
        The integral of ``incidence * (1 + r)^-t`` from `delay` to `horizon`; 0 when the information comes too late.
    """
    incidence, horizon = _not_negative(incidence, "incidence"), _not_negative(horizon, "horizon")
    discount, delay = _not_negative(discount, "discount"), _not_negative(delay, "delay")
    if delay >= horizon:
        return 0.0
    rate = float(np.log1p(discount))
    if rate == 0:
        return incidence * (horizon - delay)
    return incidence * float(np.exp(-rate * delay)) * float(-np.expm1(-rate * (horizon - delay))) / rate


def enbs(
    evsi: pd.DataFrame | Mapping[str, Sequence[float]],
    *,
    incidence: float,
    horizon: float,
    discount: float = 0.0,
    delay: float | Sequence[float] = 0.0,
    fixed_cost: float = 0.0,
    cost_per_patient: float = 0.0,
) -> pd.DataFrame:
    """Give the expected net benefit of sampling at every size, and mark the best.

    Parameters
    ----------
    evsi
        Columns size, evsi and, where known, se (`evsi_table`); a mapping of columns will do.
    incidence, horizon, discount
        See `population_size`.
    delay
        Years until the results are there: one number, or one for every size.
    fixed_cost, cost_per_patient
        Of the study, in the currency of the costs.

    Returns
    -------
    pandas.DataFrame
        Columns size, evsi, population, population_evsi, cost, enbs, se, optimal. The best size is the one of highest
        net benefit, the smaller where two tie; no size is marked when none is worth its cost.
    """
    import pandas as pd

    for column in ("size", "evsi"):
        if column not in evsi:
            raise Problem(f"evsi: has no column {column!r}")
    fixed_cost = _not_negative(fixed_cost, "fixed_cost")
    cost_per_patient = _not_negative(cost_per_patient, "cost_per_patient")
    sizes, values = vector(evsi["size"], "evsi.size"), vector(evsi["evsi"], "evsi.evsi")
    delays = vector(np.atleast_1d(delay), "delay")
    if len(delays) not in (1, len(sizes)):
        raise Problem(f"delay: {len(delays)} values do not match {len(sizes)} sizes")
    people = np.array([population_size(incidence, horizon, discount, d) for d in np.broadcast_to(delays, len(sizes))])
    cost = fixed_cost + cost_per_patient * sizes
    net = people * values - cost
    error = people * np.asarray(evsi["se"], dtype=float) if "se" in evsi else np.full(len(sizes), np.nan)
    best = min(np.flatnonzero(net == net.max()), key=lambda k: sizes[k])
    return pd.DataFrame(
        {
            "size": np.asarray(evsi["size"]),
            "evsi": values,
            "population": people,
            "population_evsi": people * values,
            "cost": cost,
            "enbs": net,
            "se": error,
            "optimal": (np.arange(len(net)) == best) & (net > 0),
        }
    )


def _by_moments(benefit: np.ndarray, known: dict[str, np.ndarray], study: Study, size: int, seed: int) -> Information:
    if study.prior_size is None or len(study.of) != 1:
        raise Problem("method: 'moments' needs a study of one parameter whose prior size is known; use 'auto'")
    values = known[study.of[0]]
    if values.std() == 0:
        return of_inputs(benefit, values[:, np.newaxis], "spline", seed)._replace(method="moments")
    share = size / (size + study.prior_size(values))
    return value_of_knowing(benefit, values[:, np.newaxis], "spline", seed, share)._replace(method="moments")


def _luck(seed: int, draws: int) -> Luck:
    return lambda stream: uniforms(seed, np.arange(draws), 1, stream)


def _checked_size(size: int) -> int:
    number = vector([size], "size")[0]
    if number != np.floor(number) or number < 1:
        raise Problem(f"size: {size} must be a whole number of patients, at least 1")
    return int(number)


def _checked_wtp(wtp: float) -> float:
    from sim.economics.arrays import grid

    levels = grid(wtp)
    if len(levels) != 1:
        raise Problem(f"wtp: {len(levels)} values; one is taken here")
    return float(levels[0])


def _not_negative(value: float, name: str) -> float:
    number = float(vector([value], name)[0])
    if number < 0:
        raise Problem(f"{name}: {value} must be 0 or more, and finite")
    return number


def _check_probabilities(parameters: dict[str, np.ndarray]) -> None:
    for name, values in parameters.items():
        if (values < 0).any() or (values > 1).any():
            raise Problem(f"parameters: {name!r} is a probability and must lie between 0 and 1 in every draw")
