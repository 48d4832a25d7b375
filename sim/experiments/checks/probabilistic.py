"""Tests of probabilistic analysis: on the program's own draws, and on synthetic ones whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from sim.economics.acceptability import ceac, evpi, nmb
from sim.economics.information import evppi
from sim.economics.regression import normals
from sim.experiments.answers import Examiner, means
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import Bench, gap
from sim.experiments.psa import sample_of
from sim.uncertainty.decisions import Sample
from sim.uncertainty.distributions import held
from sim.uncertainty.draws import Draws, draws_of

#: Draws of synthetic options; draws and patients of the program's own; draws whose distributions are examined.
_DRAWS = 2000
_OWN, _PATIENTS = 120, 100
_EXAMINED = 4096


@check("21", "PSA with every SE 0", "each draw = the deterministic run; EVPI 0")
def psa_without_spread(bench: Bench) -> Finding:
    """Every uncertain line is drawn, and every draw is its value."""
    draws = draws_of(bench.settings)
    certain = replace(draws, distributions={key: held(line.value) for key, line in draws.lines.items()})
    examiner, sums = _lived(bench, certain, 3)
    alone = examiner.answer({})
    same = all(np.array_equal(one, alone) for one in sums)
    perfect = float(evpi(*_means(bench, examiner, sums), bench.book.wtp).max())
    block = bench.live(examiner.policies, _PATIENTS)
    books = bench.worth(block, origin=bench.settings.origin)
    column = [entry.name for entry in examiner.quantities].index("qalys")
    found = means(alone, examiner.quantities)[:, column]
    apart = gap(found, np.array([books.of(name, "qalys_discounted").mean() for name in examiner.policies]))
    words = f"{len(draws.lines)} lines drawn; draws {'identical' if same else 'differ'}, off by {apart:.1e}"
    words += f", EVPI {perfect:g}"
    return Finding(same and apart < 1e-9 and perfect == 0.0, words)


@check("22", "sampled inputs", "mean and SD match their specification; beta in [0,1], gamma > 0")
def sampled_inputs(bench: Bench) -> Finding:
    """Means within the error of independent draws; SDs of families without a long tail within 5 %."""
    draws = draws_of(bench.settings)
    table, told = draws.table(0, _EXAMINED), draws.specification()
    shift = np.abs(table.mean(axis=0) - told["mean"]) / told["sd"]
    ratio = table.std(axis=0) / told["sd"]
    plain = told["distribution"].isin(["normal", "uniform", "triangular", "gamma"]).to_numpy()
    beta, gamma = (told["distribution"].to_numpy() == family for family in ("beta", "gamma"))
    inside = bool(((table[:, beta] >= 0) & (table[:, beta] <= 1)).all() and (table[:, gamma] > 0).all())
    worst = float(np.abs(ratio[plain] - 1).max())
    words = f"{len(told)} lines: means off by at most {shift.max():.4f} SD, SDs by {100 * worst:.1f} %"
    return Finding(bool(shift.max() < 4 / np.sqrt(_EXAMINED)) and worst < 0.05 and inside, words)


@check("23", "EVPI, EVPPI", "EVPI >= every EVPPI >= 0; all-parameter EVPPI = EVPI within error")
def values_of_information(bench: Bench) -> Finding:
    """Learning part is never worth more than learning all."""
    costs, effects, parameters, wtp = _synthetic()
    perfect = float(evpi(costs, effects, wtp).iloc[0])
    singles = [evppi(costs, effects, parameters, of=name, wtp=wtp) for name in parameters]
    everything = evppi(costs, effects, parameters, wtp=wtp)
    ordered = all(0 <= found.value <= perfect for found in singles)
    close = abs(everything.value - perfect) <= 4 * everything.standard_error
    sample, table = _own(bench)
    level = bench.book.wtp[-1]
    own = float(evpi(sample.costs, sample.effects, level).iloc[0])
    keys = [key for key in table if key.startswith("clinic.transplant.")]
    parts = [evppi(sample.costs, sample.effects, table, of=key, wtp=level).value for key in keys[:10]]
    kept = all(0 <= part <= own for part in parts)
    shown = ", ".join(f"{found.value:.0f}" for found in singles)
    words = f"synthetic draws: EVPI {perfect:.0f}, singly {shown}, together {everything.value:.0f}; "
    words += f"own draws: EVPI {own:.0f}, {len(parts)} transplant parameters {min(parts):.0f} to {max(parts):.0f}"
    return Finding(ordered and close and kept, words)


@check("24", "CEAC", "rows sum to 1; at 0 the cheapest has the highest mean NMB")
def acceptability(bench: Bench) -> Finding:
    """Somebody is best in every draw; who pays nothing for health buys the cheapest."""
    sample, _ = _own(bench)
    grid = np.linspace(0, 200000, 41)
    apart = float(np.abs(ceac(sample.costs, sample.effects, grid).sum(axis=1) - 1).max())
    cheapest = sample.names[int(sample.costs.mean(axis=0).argmin())]
    at_zero = sample.names[int(nmb(sample.costs, sample.effects, 0).to_numpy().argmax())]
    words = f"own draws: rows off by {apart:.1e}; at 0 {at_zero} wins, the cheapest is {cheapest}"
    return Finding(apart < 1e-12 and at_zero == cheapest, words)


@cache
def _own(bench: Bench) -> tuple[Sample, dict[str, np.ndarray]]:
    """Run a small probabilistic analysis: its options, and what was drawn."""
    draws = draws_of(bench.settings)
    examiner, sums = _lived(bench, draws, _OWN)
    table = draws.table(0, _OWN)
    return sample_of(bench.settings, examiner.policies, sums), dict(zip(draws.keys, table.T, strict=True))


def _lived(bench: Bench, draws: Draws, count: int) -> tuple[Examiner, np.ndarray]:
    cohort = bench.settings.cohort.model_copy(update={"n": _PATIENTS})
    examiner = Examiner(bench.settings.model_copy(update={"cohort": cohort}), 5)
    return examiner, np.array([examiner.answer(values) for values in draws.values(0, count)])


def _means(bench: Bench, examiner: Examiner, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sample = sample_of(bench.settings, examiner.policies, sums)
    return sample.costs, sample.effects


def _synthetic() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], float]:
    """Draw three options whose costs and effects depend on four parameters."""
    x = normals(1, 99, 4 * _DRAWS).reshape(_DRAWS, 4)
    effects = np.stack([10 + 0 * x[:, 0], 10.3 + x[:, 0] + 0.2 * x[:, 1], 10.5 + 1.5 * x[:, 2] + 0.3 * x[:, 1]], axis=1)
    costs = 1e4 * np.stack([np.full(_DRAWS, 5.0), 8 + x[:, 3], 9 + 2 * x[:, 3]], axis=1)
    return costs, effects, {name: x[:, k] for k, name in enumerate(("one", "both", "two", "price"))}, 100000.0
