"""Tests of comparisons: arms, order, luck and error; ICER against net benefit; units."""

from __future__ import annotations

import numpy as np

from sim.economics.acceptability import evpi
from sim.economics.ranking import benefits, incremental_with_errors
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import FEW, MANY, Bench, renamed
from sim.lines import Line
from sim.units import from_kernel, to_kernel


@check("12", "two arms with the same policy", "increments exactly 0, EVPI 0, ties flagged")
def same_policy_twice(bench: Bench) -> Finding:
    """A policy against itself under another name."""
    settings = renamed(bench.settings, "watch", "watch_again")
    block = bench.live(["watch", "watch_again"], FEW, settings)
    worth, estimates = bench.worth(block), bench.accounts(block).estimates()
    table = incremental_with_errors(estimates).set_index("option")
    steps = table.loc["watch_again", ["inc_cost", "inc_effect"]].to_numpy(dtype=float)
    costs = np.stack([worth.of(p, "cost_payer_discounted") for p in estimates.names], axis=1)
    effects = np.stack([worth.of(p, "qalys_discounted") for p in estimates.names], axis=1)
    lost = float(evpi(costs, effects, list(bench.book.wtp)).max())
    flagged = table.loc["watch", "tied_with"] == "watch_again" and table.loc["watch_again", "tied_with"] == "watch"
    found = f"increments {steps[0]:g} and {steps[1]:g}; EVPI {lost:g}; ties {'flagged' if flagged else 'not flagged'}"
    return Finding(bool((steps == 0).all()) and lost == 0.0 and bool(flagged), found)


@check("19", "permute arms or patients; same seed", "identical; other seed within Monte-Carlo error")
def permuted(bench: Bench) -> Finding:
    """Neither the order of policies nor that of patients matters; luck does, within its error."""
    names = ("watch", "selective", "hct_for_all")
    forth, back = bench.live(names, FEW), bench.live(names[::-1], FEW)
    same = bench.worth(forth).bytes() == bench.worth(back).bytes()
    third = FEW // 3
    parts = [bench.live(names, third, first=first) for first in range(0, 3 * third, third)]
    whole = bench.live(names, 3 * third)
    for policy in names:
        joined = np.concatenate([part.lives[policy] for part in reversed(parts)])
        same &= np.sort(joined, order="number").tobytes() == np.sort(whole.lives[policy], order="number").tobytes()
    scores = []
    other = bench.settings.model_copy(update={"seed": bench.settings.seed + 1})
    one, two = (bench.worth(bench.live(["watch"], MANY, settings)) for settings in (bench.settings, other))
    for column in ("life_years", "qalys_discounted", "cost_payer_discounted"):
        a, b = one.of("watch", column), two.of("watch", column)
        scores.append(abs(float((a.mean() - b.mean()) / np.hypot(a.std() / len(a) ** 0.5, b.std() / len(b) ** 0.5))))
    found = (
        f"{'bit-identical' if same else 'different'} when permuted; other seed off by {max(scores):.1f} errors at most"
    )
    return Finding(same and max(scores) < 4, found)


@check("20", "patients x4", "Monte-Carlo error halves (1.8-2.2)")
def four_times_the_patients(bench: Bench) -> Finding:
    """Errors fall with the root of the number of patients."""
    ratios = []
    few, many = (bench.accounts(bench.live(["watch", "hct_for_all"], n)) for n in (MANY, 4 * MANY))
    for policy in ("watch", "hct_for_all"):
        for column in ("life_years", "qalys_discounted", "cost_payer_discounted"):
            ratios.append(few.mean(policy, column)[1] / many.mean(policy, column)[1])
    found = f"errors fall {min(ratios):.2f} to {max(ratios):.2f} times from {MANY:,} to {4 * MANY:,} patients"
    return Finding(min(ratios) >= 1.8 and max(ratios) <= 2.2, found)


@check(
    "25",
    "ICER against NMB",
    "sign of INMB agrees with the ICER by quadrant; dominated policies off the frontier",
)
def icer_against_net_benefit(bench: Bench) -> Finding:
    """The two ways of deciding decide alike."""
    estimates = bench.accounts(bench.usual).estimates()
    top = 2 * max(bench.book.wtp)
    wrong, compared = 0, 0
    for i in range(len(estimates.names)):
        for k in range(len(estimates.names)):
            cost = estimates.cost[i] - estimates.cost[k]
            effect = estimates.effect[i] - estimates.effect[k]
            for wtp in np.linspace(0, top, 21):
                benefit = wtp * effect - cost
                if effect == 0 or abs(benefit) < 1e-6:
                    continue
                better = cost / effect < wtp if effect > 0 else cost / effect > wtp
                wrong += int(better != (benefit > 0))
                compared += 1
    table = incremental_with_errors(estimates)
    off = set(table.loc[table["status"] != "ND", "option"])
    firsts = benefits(estimates, np.linspace(0, top, 401)).query("rank == 1")["option"]
    beaten = bool(off & set(firsts))
    found = (
        f"{wrong} of {compared} signs disagree; options off the frontier are {'' if beaten else 'never '}the best buy"
    )
    return Finding(wrong == 0 and not beaten, found)


@check("31", "units", "round-trip; every parameter in the unit it states")
def units_round_trip(bench: Bench) -> Finding:
    """Every parameter line survives the way into the kernel's unit and back, and states a unit it may have."""
    wrong, count = [], 0
    for key, line in bench.settings.lines():
        back = from_kernel(to_kernel(line.value, line.unit), line.unit)
        allowed = type(line).units if isinstance(line, Line) else frozenset()
        if line.unit not in allowed or abs(back - line.value) > 1e-12 * max(1.0, abs(line.value)):
            wrong.append(key)
        count += 1
    return Finding(not wrong, f"{count} parameters" + (f"; wrong: {', '.join(wrong[:3])}" if wrong else ", all right"))
