"""From draws to decisions: acceptability, expected loss, frontier, convergence, each with both kinds of error.

Two errors belong to every number. The draws' error says how far another set of parameter draws might move it; the
patients' error, how far other virtual patients might (a jackknife over batches of patients, who are the same in every
draw). Both are given, and their root of squares as the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from sim.economics import ceac, evpi, expected_loss, incremental, mc_se, nmb
from sim.economics.frontier import statuses
from sim.uncertainty.variance import Components, components, divided, jackknife

#: Points of a convergence plot.
CHECKPOINTS: Final = 40
#: Draws below which tenths of them say nothing.
FEWEST: Final = 40
#: Columns of `conditional`.
CONDITIONAL: Final = (
    "wtp",
    "policy",
    "key",
    "inc_nmb",
    "at_low",
    "at_high",
    "low_se",
    "high_se",
    "rank_correlation",
)


@dataclass(frozen=True)
class Sample:
    """Draws of costs and effects of the options of a decision.

    Attributes
    ----------
    names
        Options.
    n, cost, effect
        Patients counted, and sums of cost and effect over them: shape (draws, options, batches).
    """

    names: tuple[str, ...]
    n: np.ndarray
    cost: np.ndarray
    effect: np.ndarray

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.n)

    @property
    def batches(self) -> int:
        """Number of batches of patients."""
        return self.n.shape[2]

    @cached_property
    def patients(self) -> int:
        """Patients per draw and option, on average."""
        return round(float(self.n.sum(axis=2).mean()))

    @cached_property
    def costs(self) -> np.ndarray:
        """Mean cost, shape (draws, options)."""
        mean = divided(self.cost.sum(axis=2), self.n.sum(axis=2))
        return mean

    @cached_property
    def effects(self) -> np.ndarray:
        """Mean effect, shape (draws, options)."""
        mean = divided(self.effect.sum(axis=2), self.n.sum(axis=2))
        return mean

    def first(self, draws: int) -> Sample:
        """Keep the first draws."""
        return replace(self, n=self.n[:draws], cost=self.cost[:draws], effect=self.effect[:draws])

    def without(self, batch: int) -> Sample:
        """Leave one batch of patients out."""
        kept = np.arange(self.batches) != batch
        return replace(self, n=self.n[..., kept], cost=self.cost[..., kept], effect=self.effect[..., kept])

    def left_out(self) -> Iterator[Sample]:
        """Leave out each batch of patients in turn; nothing where there is one only."""
        if self.batches > 1:
            yield from (self.without(batch) for batch in range(self.batches))


def _patients_error(sample: Sample, measure: Callable[[Sample], np.ndarray]) -> np.ndarray:
    """Give the patients' error of a measure: the jackknife over batches."""
    estimates = [measure(part) for part in sample.left_out()]
    if not estimates:
        return np.full(np.shape(measure(sample)), np.nan)
    return jackknife(np.array(estimates))


def _joined(draws: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Join two independent errors; a missing one counts as none."""
    joined: np.ndarray = np.hypot(np.nan_to_num(draws), np.nan_to_num(patients))
    return joined


def acceptability(sample: Sample, wtp: Sequence[float]) -> pd.DataFrame:
    """Tabulate net benefit, acceptability and expected loss by willingness to pay and option.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, policy; nmb, probability (of being best) and expected_loss, each with ``_se`` and its parts
        ``_se_draws``, ``_se_patients``; ``best`` marks the option of highest expected net benefit, whose probability is
        the acceptability frontier.
    """
    measures = {"nmb": nmb, "probability": ceac, "expected_loss": expected_loss}
    short = {"nmb": "nmb", "probability": "ceac", "expected_loss": "expected_loss"}
    table = pd.DataFrame({"wtp": np.repeat(np.asarray(wtp, dtype=float), len(sample.names))})
    table["policy"] = np.tile(np.array(sample.names, dtype=object), len(wtp))
    for name, measure in measures.items():

        def of(part: Sample, measure: Callable[..., pd.DataFrame] = measure) -> np.ndarray:
            return measure(part.costs, part.effects, wtp).to_numpy().ravel()

        draws = mc_se(short[name], sample.costs, sample.effects, wtp).to_numpy().ravel()
        patients = _patients_error(sample, of)
        table[name] = of(sample)
        table[f"{name}_se"] = _joined(draws, patients)
        table[f"{name}_se_draws"], table[f"{name}_se_patients"] = draws, patients
    highest = table.groupby("wtp")["nmb"].transform("max")
    table["best"] = table["nmb"] >= highest
    return table


def perfect_information(sample: Sample, wtp: Sequence[float]) -> pd.DataFrame:
    """Tabulate the expected value of perfect information: wtp, evpi, se, se_draws, se_patients."""

    def of(part: Sample) -> np.ndarray:
        return evpi(part.costs, part.effects, wtp).to_numpy()

    draws = mc_se("evpi", sample.costs, sample.effects, wtp)["evpi"].to_numpy()
    patients = _patients_error(sample, of)
    return pd.DataFrame(
        {
            "wtp": np.asarray(wtp, dtype=float),
            "evpi": of(sample),
            "se": _joined(draws, patients),
            "se_draws": draws,
            "se_patients": patients,
        }
    )


def frontier(sample: Sample) -> pd.DataFrame:
    """Tabulate the options at mean cost and effect, with the probability of being on the efficient frontier.

    Returns
    -------
    pandas.DataFrame
        `sim.economics.incremental` of the means, then probability, se, se_draws, se_patients.
    """

    def of(part: Sample) -> np.ndarray:
        found = [statuses(cost, effect) for cost, effect in zip(part.costs, part.effects, strict=True)]
        shares: np.ndarray = (np.array(found) == "ND").mean(axis=0)
        return shares

    share = of(sample)
    draws = np.sqrt(share * (1.0 - share) / sample.draws)
    patients = _patients_error(sample, of)
    table = incremental(sample.costs.mean(axis=0), sample.effects.mean(axis=0), sample.names)
    order = [sample.names.index(name) for name in table["option"]]
    found = {"probability": share, "se": _joined(draws, patients), "se_draws": draws, "se_patients": patients}
    for name, values in found.items():
        table[name] = values[order]
    return table.rename(columns={"option": "policy"})


def convergence(sample: Sample, wtp: Sequence[float]) -> pd.DataFrame:
    """Follow net benefit, acceptability and EVPI as draws are added.

    Returns
    -------
    pandas.DataFrame
        Columns draws, wtp, policy, nmb, nmb_se (of the draws), probability, evpi.
    """
    points = np.unique(np.linspace(min(10, sample.draws), sample.draws, CHECKPOINTS).astype(int))
    frames = []
    for draws in points:
        part = sample.first(int(draws))
        mean = nmb(part.costs, part.effects, wtp)
        frames.append(
            pd.DataFrame(
                {
                    "draws": int(draws),
                    "wtp": np.repeat(np.asarray(wtp, dtype=float), len(sample.names)),
                    "policy": np.tile(np.array(sample.names, dtype=object), len(wtp)),
                    "nmb": mean.to_numpy().ravel(),
                    "nmb_se": mc_se("nmb", part.costs, part.effects, wtp).to_numpy().ravel(),
                    "probability": ceac(part.costs, part.effects, wtp).to_numpy().ravel(),
                    "evpi": np.repeat(evpi(part.costs, part.effects, wtp).to_numpy(), len(sample.names)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def decomposed(sample: Sample, wtp: Sequence[float], reference: str) -> pd.DataFrame:
    """Split the variance of costs, effects and incremental net benefits into parameters and patients.

    Returns
    -------
    pandas.DataFrame
        Columns quantity (cost, effect, inc_nmb), wtp (missing for cost and effect), policy, mean, se, se_draws,
        se_patients, sd_parameters, sd_patient (of one patient's share that differs between draws), noise (its share of
        the variance between draws) and patients_advised (at which noise is 5 %).
    """
    size = sample.n
    cost, effect = divided(sample.cost, size), divided(sample.effect, size)
    rows = []
    for at, name in enumerate(sample.names):
        for quantity, values in (("cost", cost), ("effect", effect)):
            rows.append(_described(quantity, np.nan, name, components(values[:, at], sample.patients)))
    if reference in sample.names:
        base = sample.names.index(reference)
        for level in wtp:
            benefit = level * effect - cost
            for at, name in enumerate(sample.names):
                if at != base:
                    found = components(benefit[:, at] - benefit[:, base], sample.patients)
                    rows.append(_described("inc_nmb", level, name, found))
    return pd.DataFrame(rows)


def _described(quantity: str, wtp: float, policy: str, found: Components) -> dict[str, object]:
    return {
        "quantity": quantity,
        "wtp": wtp,
        "policy": policy,
        "mean": found.mean,
        "se": found.se,
        "se_draws": found.second_order_se,
        "se_patients": found.first_order_se,
        "sd_parameters": float(np.sqrt(found.parameters)),
        "sd_patient": float(np.sqrt(found.both)),
        "noise": found.noise,
        "patients_advised": found.advised(),
    }


def conditional(
    sample: Sample, keys: Sequence[str], drawn: np.ndarray, wtp: Sequence[float], reference: str
) -> pd.DataFrame:
    """Tabulate net benefit where a parameter is low or high while all others stay uncertain (probabilistic one-way).

    Parameters
    ----------
    sample
        Costs and effects.
    keys, drawn
        Parameters, and their draws: shape (draws, keys).
    wtp
        Willingness to pay.
    reference
        Option against which net benefit counts.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, policy, key, inc_nmb (over all draws), at_low, at_high (over the draws with the lowest and highest
        tenth of the parameter's values), low_se, high_se, rank_correlation (Spearman); the widest swing first.
    """
    from scipy.stats import rankdata

    if reference not in sample.names or len(sample.names) < 2 or sample.draws < FEWEST:
        return pd.DataFrame(columns=list(CONDITIONAL))
    base, tenth = sample.names.index(reference), sample.draws // 10
    order = np.argsort(drawn, axis=0, kind="stable")
    ranks = _standardised(rankdata(drawn, axis=0))
    frames = []
    for level in wtp:
        benefit = level * sample.effects - sample.costs
        for at, name in enumerate(sample.names):
            if at == base:
                continue
            gain = benefit[:, at] - benefit[:, base]
            low, high = gain[order[:tenth]], gain[order[-tenth:]]
            found = {"wtp": level, "policy": name, "key": list(keys), "inc_nmb": gain.mean()}
            for side, part in (("low", low), ("high", high)):
                found |= {f"at_{side}": part.mean(axis=0), f"{side}_se": part.std(axis=0, ddof=1) / np.sqrt(tenth)}
            found["rank_correlation"] = ranks.T @ _standardised(rankdata(gain)) / sample.draws
            frames.append(pd.DataFrame(found))
    table = pd.concat(frames, ignore_index=True)[list(CONDITIONAL)]
    swing = (table["at_high"] - table["at_low"]).abs()
    rows = table.assign(swing=swing).sort_values(["wtp", "policy", "swing", "key"], ascending=[True, True, False, True])
    return rows.drop(columns="swing").reset_index(drop=True)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Centre and scale columns; those that do not vary become 0."""
    centred, spread = values - values.mean(axis=0), values.std(axis=0)
    scaled: np.ndarray = divided(centred, np.broadcast_to(spread, centred.shape))
    return np.nan_to_num(scaled)


def summary(sample: Sample) -> pd.DataFrame:
    """Tabulate cost and effect of each option: mean, its error, and the 95 % interval over draws."""
    rows = []
    for at, name in enumerate(sample.names):
        row: dict[str, object] = {"policy": name}
        for label, sums, values in (("cost", sample.cost, sample.costs), ("effect", sample.effect, sample.effects)):
            found = components(divided(sums[:, at], sample.n[:, at]), sample.patients)
            low, high = np.quantile(values[:, at], [0.025, 0.975])
            row |= {
                label: float(values[:, at].mean()),
                f"{label}_se": found.se,
                f"{label}_low": low,
                f"{label}_high": high,
            }
        rows.append(row)
    return pd.DataFrame(rows)
