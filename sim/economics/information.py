"""Expected value of partial perfect information: what learning a parameter, or several together, is worth.

The net benefit of every option is regressed on the parameters of interest (`sim.economics.regression`); the fitted
values are what would be expected once they were known (Strong, Oakley, Brennan 2014, doi:10.1177/0272989X13505910).
Correlated parameters are respected: learning one tells about the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sim.economics.acceptability import losses
from sim.economics.arrays import check_same_order, grid, pair
from sim.economics.regression import SUSPICIOUS, one_thread, regress
from sim.problems import Problem, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

METHODS: Final = ("auto", "spline", "gp")
#: Parameters of a group up to which a Gaussian process is chosen by itself.
_GP_MOST: Final = 8
#: Posterior draws of the regression behind a standard error.
POSTERIOR_DRAWS: Final = 100
#: Draws below which no regression is tried.
FEWEST: Final = 30


class Diagnostic(NamedTuple):
    """How far the regression behind a value of information can be trusted.

    Attributes
    ----------
    r2
        Share of the incremental net benefits' variance that the parameters of interest explain.
    degrees
        Effective degrees of freedom, of the roughest output.
    pattern
        Largest normal score of a mean residual over ten bins of fitted values; above 4 the fit missed something.
    bias
        By how much the estimate is likely too high, since noise in fitted values looks like information.
    raw
        The estimate before it was kept between 0 and the EVPI of the same draws.
    evpi
        That EVPI.
    """

    r2: float
    degrees: float
    pattern: float
    bias: float
    raw: float
    evpi: float

    @property
    def trustworthy(self) -> bool:
        """Whether residuals show no pattern."""
        return self.pattern <= SUSPICIOUS


class Information(NamedTuple):
    """A value of information per decision: its value, standard error, method (spline or gp) and diagnostic."""

    value: float
    standard_error: float
    method: str
    diagnostic: Diagnostic


def evppi(
    costs: Any,
    effects: Any,
    parameters: Any,
    of: str | Sequence[str] | None = None,
    wtp: Any = None,
    *,
    method: str = "auto",
    seed: int = 1,
) -> Information:
    """Give the expected value of knowing the parameters `of` perfectly, per decision.

    Parameters
    ----------
    costs, effects
        Shape (draws, options).
    parameters
        The draws' parameters: a frame, or a mapping from name to values; shape (draws, parameters).
    of
        The parameter, or those that would be learnt together; default: all.
    wtp
        Willingness to pay per unit of effect: one number.
    method
        ``spline``, ``gp`` (Gaussian process), or ``auto``: splines for one parameter, a Gaussian process for a group
        of up to eight, additive splines beyond.
    seed
        Key of the posterior draws behind the standard error.

    Returns
    -------
    Information
        Value, standard error, method, diagnostic. The standard error joins that of the regression and that of the
        number of draws.

    Raises
    ------
    Problem
        Naming the argument that cannot be used.

    Notes
    -----
    The same draws choose the fit and value it, so the estimate leans upwards; the diagnostic says by about how much.
    """
    cost, effect = pair(costs, effects)
    level = _one_wtp(wtp)
    names, table = parameter_table(parameters, len(cost), costs)
    chosen = _chosen(of, names)
    _check_method(method)
    return of_inputs(level * effect - cost, table[:, [names.index(name) for name in chosen]], method, seed)


def evppi_table(
    costs: Any,
    effects: Any,
    parameters: Any,
    of: Mapping[str, str | Sequence[str]] | Sequence[str] | None = None,
    wtp: Any = None,
    *,
    method: str = "auto",
    seed: int = 1,
) -> pd.DataFrame:
    """Give the EVPPI of many parameters, one by one, or of named groups.

    Parameters
    ----------
    of
        Names of parameters, each by itself, or a mapping from a group's name to its parameters; default: every one.
    costs, effects, parameters, wtp, method, seed
        See `evppi`; `wtp` may hold several.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, of, evppi, se, method, r2, pattern, bias, raw, evpi; by wtp, then from the highest value down.
    """
    import pandas as pd

    cost, effect = pair(costs, effects)
    names, table = parameter_table(parameters, len(cost), costs)
    _check_method(method)
    groups = {str(k): v for k, v in of.items()} if isinstance(of, Mapping) else {k: k for k in _chosen(of, names)}
    rows: list[dict[str, Any]] = []
    for level in grid(wtp if wtp is not None else ()):
        benefit = level * effect - cost
        for label, members in groups.items():
            columns = [names.index(name) for name in _chosen(members, names)]
            found = of_inputs(benefit, table[:, columns], method, seed)
            known = found.diagnostic
            rows.append(
                {
                    "wtp": level,
                    "of": label,
                    "evppi": found.value,
                    "se": found.standard_error,
                    "method": found.method,
                    "r2": known.r2,
                    "pattern": known.pattern,
                    "bias": known.bias,
                    "raw": known.raw,
                    "evpi": known.evpi,
                }
            )
    return pd.DataFrame(rows).sort_values(["wtp", "evppi", "of"], ascending=[True, False, True], ignore_index=True)


def of_inputs(benefit: np.ndarray, inputs: np.ndarray, method: str, seed: int) -> Information:
    """Value knowing `inputs` (draws x parameters or summary statistics) for net benefits (draws x options)."""
    return value_of_knowing(benefit, inputs, method, seed, 1.0)


def value_of_knowing(benefit: np.ndarray, inputs: np.ndarray, method: str, seed: int, share: float) -> Information:
    """Value knowing a `share` of the variance of `inputs`: their fitted values, drawn together by its square root."""
    if method == "auto":
        method = "gp" if 1 < inputs.shape[1] <= _GP_MOST else "spline"
    perfect = float(losses(benefit).mean(axis=0).min())
    increments = benefit[:, 1:] - benefit[:, :1]
    varied = increments.std(axis=0) > 0
    if len(benefit) < FEWEST:
        raise Problem(f"costs: {len(benefit)} draws are too few for a regression; at least {FEWEST} are needed")
    if not varied.any() or not (inputs.std(axis=0) > 0).any():
        return Information(0.0, 0.0, method, Diagnostic(0.0, 1.0, 0.0, 0.0, 0.0, perfect))

    def known(fitted: np.ndarray) -> np.ndarray:
        return expected_once_known(increments, varied, fitted)

    with one_thread():
        fit = regress(inputs, increments[:, varied], method)
        raw = _worth(known(fit.fitted), share)
        simulated = [_worth(known(fit.simulated(k, seed)), share) for k in range(POSTERIOR_DRAWS)]
    influence = _influence(known(fit.fitted), share)
    error = float(np.hypot(np.std(simulated, ddof=1), influence.std(ddof=1) / np.sqrt(len(influence))))
    weight = increments[:, varied].var(axis=0)
    diagnostic = Diagnostic(
        r2=float((fit.r2 * weight).sum() / weight.sum()),
        degrees=float(fit.degrees.max()),
        pattern=float(fit.pattern.max()),
        bias=float(np.mean(simulated) - raw),
        raw=raw,
        evpi=perfect,
    )
    return Information(min(max(raw, 0.0), perfect), error, method, diagnostic)


def expected_once_known(increments: np.ndarray, varied: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Put fitted increments beside those that do not vary and the first option's zeros: shape (draws, options)."""
    known = np.zeros((len(increments), increments.shape[1] + 1))
    known[:, 1:] = increments.mean(axis=0)
    known[:, 1:][:, varied] = fitted
    return known


def _worth(known: np.ndarray, share: float) -> float:
    """Give the mean gain from deciding draw by draw instead of once, on a share of the variance of `known`."""
    mean = known.mean(axis=0)
    return float((mean + np.sqrt(share) * (known - mean)).max(axis=1).mean() - mean.max())


def _influence(known: np.ndarray, share: float) -> np.ndarray:
    """Give each draw's influence on `_worth`: their spread is the error from the number of draws (delta method)."""
    mean = known.mean(axis=0)
    apart = known - mean
    shrunk = mean + np.sqrt(share) * apart
    best = shrunk.argmax(axis=1)
    often = np.bincount(best, minlength=known.shape[1]) / len(known)
    influence: np.ndarray = shrunk.max(axis=1) + (1 - np.sqrt(share)) * (apart @ often) - apart[:, mean.argmax()]
    return influence


def parameter_table(parameters: Any, draws: int, costs: Any = None) -> tuple[list[str], np.ndarray]:
    """Read the parameters of every draw; `costs` tell the order of the draws where both are frames.

    Returns
    -------
    tuple
        Names, and an array of draws x parameters.

    Raises
    ------
    Problem
        When they are empty, not numbers, or not as many as the draws.
    """
    import pandas as pd

    try:
        table = parameters if isinstance(parameters, pd.DataFrame) else pd.DataFrame(parameters)
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise Problem("parameters: a frame or a mapping from name to numbers is needed, one number a draw") from None
    names = [str(name) for name in table.columns]
    if values.size == 0:
        raise Problem("parameters: is empty; at least one parameter is needed")
    if len(values) != draws:
        raise Problem(f"parameters: {len(values)} draws do not match the {draws} of costs and effects")
    check_same_order(costs, parameters, "parameters", ("index",))
    bad = [name for name, column in zip(names, values.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise Problem(f"parameters: {bad[0]!r} holds values that are missing or infinite")
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise Problem(f"parameters: {double[0]!r} occurs twice")
    return names, values


def _chosen(of: str | Sequence[str] | None, names: list[str]) -> list[str]:
    chosen = names if of is None else [of] if isinstance(of, str) else [str(name) for name in of]
    if not chosen:
        raise Problem("of: is empty; name at least one parameter")
    for name in chosen:
        if name not in names:
            raise Problem(f"of: no such parameter {name!r}, {did_you_mean(name, names)}")
    return list(dict.fromkeys(chosen))


def _one_wtp(wtp: Any) -> float:
    levels = grid(() if wtp is None else wtp)
    if len(levels) != 1:
        raise Problem(f"wtp: {len(levels)} values; one is taken here, several by evppi_table")
    return float(levels[0])


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise Problem(f"method: unknown method {method!r}, {did_you_mean(method, METHODS)}")
