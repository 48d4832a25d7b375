"""Tests of lives in worlds where the answer is known, valued like any other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from sim import journal
from sim.economics.shortfall import remaining
from sim.evidence import cumulative_hazards
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import FEW, Bench, gap, policy_with
from sim.experiments.checks.worlds import CERTAIN_DEATH, NO_DISEASE, NO_EFFECT, never_within, ratio
from sim.experiments.run import Block
from sim.problems import Problem
from sim.settings import Settings, load
from sim.units import DAYS_PER_YEAR

#: Patients of the test against the analytic life expectancy.
ANCHOR = 100_000
#: Cause of death by transplant (`sim.patient.CAUSE_NAMES`).
_OF_TRANSPLANT = 4


@check("8", "background hazard 1e6 a year from t=0", "all dead at once; no later event or cost")
def overwhelming_mortality(bench: Bench) -> Finding:
    """Nobody lives to see anything."""
    settings = bench.with_values(ratio(1.0) | {"clinic.manufacturing.never_referred": 0.0})
    ages = len(cumulative_hazards(settings.life_table.country, settings.life_table.year)[0])
    steep = np.tile(1e6 * np.arange(ages, dtype=float), 2)
    block = bench.live(["watch", "hybrid"], FEW, settings, values={"life_table": steep})
    worth = bench.worth(block)
    latest = max(float(lives["t_death"].max()) for lives in block.lives.values())
    events = {int(e) for rows in block.rows.values() for e in rows["event"]}
    later = events - {journal.REFERRAL, journal.WAITING, journal.DEATH}
    cost = max(float((worth.of(p, "cost_societal") - worth.of(p, "cost_end_of_life")).max()) for p in worth.valued)
    names = journal.event_names()
    shown = ", ".join(names[e] for e in sorted(later)) or "none"
    found = f"last death on day {latest:.1e}; later events: {shown}; largest cost beside end of life {cost:.2g}"
    return Finding(latest < 0.01 and not later and cost < 1.0, found)


@check("9", "no mortality, no relapse, horizon H", "LY = H to 1e-9")
def nobody_dies(bench: Bench) -> Finding:
    """Everybody lives to the horizon."""
    years = 20.0
    settings = bench.with_values(NO_DISEASE | ratio(0.0)).model_copy(update={"horizon_years": years})
    worth = bench.worth(bench.live(["watch", "hct_for_all", "hybrid"], FEW, settings))
    apart = max(float(np.abs(worth.of(p, "life_years") - years).max()) for p in worth.valued)
    return Finding(apart < 1e-9, f"largest difference from {years:g} years: {apart:.1e}")


@check("10", "no relapse, HCT, toxicity or infection death", "LY = analytic anchor within 1%")
def analytic_anchor(bench: Bench) -> Finding:
    """A cured patient of 12 lives as the life table says: by simulation, by integration."""
    parts, worst = [], 0.0
    hazards = cumulative_hazards(bench.settings.life_table.country, bench.settings.life_table.year)
    book = bench.rated(0.03)
    for times in (1.0, 2.0, 9.05):
        settings = bench.with_values(NO_DISEASE | ratio(times))
        total, counted = 0.0, 0
        for first in range(0, ANCHOR, 20000):
            block = bench.live(["watch"], 20000, settings, first=first, adapt=_aged_twelve)
            years = bench.worth(block, book).of("watch", "life_years_discounted")
            total, counted = total + float(years.sum()), counted + len(years)
        exact = float(np.mean([remaining(h * times, 0, 12.0, 0.03, lambda a: 1.0).years for h in hazards]))
        off = total / counted / exact - 1
        worst = max(worst, abs(off))
        parts.append(f"SMR {times:g}: {total / counted:.3f} against {exact:.3f}")
    return Finding(worst < 0.01, f"{'; '.join(parts)} (discounted at 3%, {ANCHOR:,} patients)")


def _aged_twelve(people: np.ndarray) -> None:
    people["age"] = 12.0
    people["female"] = np.arange(len(people)) % 2


@check("11", "SMR 1 -> 9.05", "LY falls monotonically")
def rising_mortality(bench: Bench) -> Finding:
    """The higher the mortality ratio, the shorter every life."""
    means, falls = [], True
    before: np.ndarray | None = None
    for times in (1.0, 1.5, 2.0, 4.0, 9.05):
        worth = bench.worth(bench.live(["watch"], FEW, bench.with_values(NO_DISEASE | ratio(times))))
        years = worth.of("watch", "life_years")
        falls &= before is None or bool((years <= before).all() and years.mean() < before.mean())
        before = years
        means.append(f"{years.mean():.1f}")
    return Finding(falls, f"mean life-years {', '.join(means)}; {'every' if falls else 'not every'} life shortens")


@check(
    "13",
    "HCT without effect, harm, cost, disutility, and CAR T surviving it",
    "policies that differ only in HCT identical",
)
def idle_transplant(bench: Bench) -> Finding:
    """A transplant that does nothing and is worth nothing makes no difference."""
    settings = bench.with_values(NO_EFFECT)
    block = bench.live(["watch", "hct_for_all"], FEW, settings)
    worth = bench.worth(block, _without_hct_worth(bench))
    done = int((block.lives["hct_for_all"]["hcts"] > block.lives["watch"]["hcts"]).sum())
    columns = ["life_years", "qalys", "cost_payer", "cost_payer_discounted"]
    apart = {c: gap(worth.of("watch", c), worth.of("hct_for_all", c)) for c in columns}
    shown = ", ".join(f"{c} {v:.1e}" for c, v in apart.items())
    found = f"{done} more patients transplanted; largest relative differences: {shown}"
    return Finding(done > 0 and max(apart.values()) < 1e-6, found)


def _without_hct_worth(bench: Bench) -> Any:
    """Give the book in which nothing around a transplant costs, or costs quality of life.

    A transplant that does nothing still ends B-cell aplasia, moves visits and fills beds: care that goes with these is
    free here as well.
    """
    book = bench.book
    touched = {"transplant", "gvhd", "immunoglobulin", "infection", "monitoring", "hospital", "reinfusion"}
    around = [name for name, c in book.resources.items() if c.category in touched or c.event == "hct"]
    free = {f"resources.{name}.quantity": 0.0 for name in around}
    losses = dict.fromkeys(bench.keys("utilities.losses."), 0.0)
    book = bench.book_with(free | losses)
    states = dict(book.utilities.states)
    plain = states["remission"]
    one = {name: s.model_copy(update={"reference": s.utility, "age": None}) for name, s in states.items()}
    same = {"transplanted": plain, "salvage_transplanted": states["second_remission"]}
    same |= {name: one[name] for name in ("hct_year", "hct_survivor", "chronic_gvhd", "late_effect", "second_cancer")}
    changed = book.utilities.states.model_copy(update=same)
    return book.model_copy(update={"utilities": book.utilities.model_copy(update={"states": changed})})


@check("14", "TRM 100%", "transplanted patients die of it; no GVHD or late cost")
def certain_transplant_death(bench: Bench) -> Finding:
    """Every transplant kills on its day."""
    block = bench.live(["hct_for_all"], FEW, bench.with_values(CERTAIN_DEATH))
    lives = block.lives["hct_for_all"]
    done = lives["hcts"] > 0
    of_it = int((lives["cause"][done] == _OF_TRANSPLANT).sum())
    worth = bench.worth(block)
    unmarked = done & ~_with_late_effect(block)  # neurotoxicity may have left a mark before the transplant
    later = float(worth.of("hct_for_all", "cost_gvhd")[done].sum())
    later += float(worth.of("hct_for_all", "cost_late_effects")[unmarked].sum())
    found = f"{of_it} of {int(done.sum())} transplanted die of it; their GVHD and late costs {later:g}"
    return Finding(bool(unmarked.any()) and of_it == int(done.sum()) and later == 0.0, found)


def _with_late_effect(block: Block) -> np.ndarray:
    """Tell who had a late effect before the first transplant."""
    rows, first = block.rows["hct_for_all"], block.first_row["hct_for_all"]
    patient = np.repeat(np.arange(len(first) - 1), np.diff(first))
    before = (rows["event"] == journal.LATE_EFFECT) & (rows["start"] < block.lives["hct_for_all"]["t_death"][patient])
    return np.bincount(patient[before], minlength=len(first) - 1) > 0


@check(
    "15",
    "selective whose triggers never / always fire at the same visits, eligibility and timing",
    "equals watch / HCT-for-all exactly",
)
def triggers_never_and_always(bench: Bench) -> Finding:
    """Rules, not names, make a policy."""
    never = _all_policies(bench.settings, assays=())
    never = policy_with(never, "selective", rules=[never_within(r) for r in _rules(never, "selective")])
    quiet = [r for r in _rules(bench.settings, "selective") if r["at"] not in ("remission", "visit", "mrd_positive")]
    everybody = [
        r | {"when": {"costim": ["41bb", "cd28"]} | r["when"]}
        for r in _rules(bench.settings, "hct_for_all")
        if r["use"]
    ]
    always = policy_with(bench.settings, "selective", rules=everybody + [never_within(r) for r in quiet])
    found, holds = [], True
    for settings, other in ((never, "watch"), (always, "hct_for_all")):
        block = bench.live([other, "selective"], FEW, settings)
        worth = bench.worth(block)
        same = all(worth.of(other, c).tobytes() == worth.of("selective", c).tobytes() for c in worth.columns(""))
        same &= block.rows[other].tobytes() == block.rows["selective"].tobytes()
        holds &= same
        found.append(f"{other}: {'identical' if same else 'different'}")
    return Finding(holds, "; ".join(found))


def _rules(settings: Settings, policy: str) -> list[dict[str, Any]]:
    return list(settings.policy[policy].model_dump()["rules"])


def _all_policies(settings: Settings, **changes: Any) -> Settings:
    for name in settings.policy:
        settings = policy_with(settings, name, **changes)
    return settings


@check(
    "28",
    "conservation",
    "states sum to n at every time; time in states = LY; nothing after death; clock never falls",
)
def conservation(bench: Bench) -> Finding:
    """Everybody is somewhere, once, until death."""
    times = np.concatenate([np.array([0.0, 30.0, 100.0, 400.0]), np.linspace(1, 60, 12) * DAYS_PER_YEAR])
    apart, wrong = 0.0, []
    worth = bench.usual_worth
    for policy, rows in bench.usual.rows.items():
        first, lives = bench.usual.first_row[policy], bench.usual.lives[policy]
        patient = np.repeat(np.arange(len(first) - 1), np.diff(first))
        phase = rows["event"] < journal.PHASES
        spent = np.bincount(patient[phase], (rows["stop"] - rows["start"])[phase], minlength=len(lives))
        apart = max(apart, gap(spent / DAYS_PER_YEAR, _all_years(worth, policy)))
        for t in times:
            inside = np.bincount(patient[phase & (rows["start"] <= t) & (t < rows["stop"])], minlength=len(lives))
            if not (inside + (lives["t_death"] <= t) == 1).all():
                wrong.append(f"{policy}: states at day {t:g}")
        if (rows["start"] > lives["t_death"][patient]).any() or (rows["stop"] > lives["t_death"][patient]).any():
            wrong.append(f"{policy}: something after death")
        if ((np.diff(rows["start"]) < 0) & (np.diff(patient) == 0)).any() or (rows["stop"] < rows["start"]).any():
            wrong.append(f"{policy}: the clock falls")
    found = f"time in states against life-years {apart:.1e}; " + ("; ".join(wrong) or "every state at every time")
    return Finding(apart < 1e-9 and not wrong, found)


def _all_years(worth: Any, policy: str) -> np.ndarray:
    values: np.ndarray = worth.valued[policy].people[:, worth.valuation.columns.index("life_years")]
    return values


@check("30", "start age up", "LY falls")
def older_patients(bench: Bench) -> Finding:
    """The older, the fewer years are left."""
    settings = bench.with_values(NO_DISEASE | ratio(1.0))
    means = []
    for more in (0.0, 5.0, 20.0, 60.0):

        def older(people: np.ndarray, more: float = more) -> None:
            people["age"] += more

        worth = bench.worth(bench.live(["watch"], FEW, settings, adapt=older))
        means.append(float(worth.of("watch", "life_years").mean()))
    falls = all(later < sooner for sooner, later in itertools.pairwise(means))
    return Finding(falls, "mean life-years " + ", ".join(f"{m:.1f}" for m in means) + " at 0, 5, 20, 60 years older")


@check(
    "32",
    "age 1 / 25 / 99, weight 3 / 150 kg, one patient, empty cohort",
    "finite, or a clear error naming the input",
)
def extreme_patients(bench: Bench) -> Finding:
    """Whoever comes has a finite life of finite worth."""
    wrong, worlds = [], 0
    for age in (1.0, 25.0, 99.0):
        for weight in (3.0, 150.0):

            def extreme(people: np.ndarray, age: float = age, weight: float = weight) -> None:
                people["age"], people["weight"] = age, weight

            worth = bench.worth(bench.live(["watch", "hct_for_all", "no_car"], 40, adapt=extreme))
            worlds += 1
            if not all(np.isfinite(valued.people).all() for valued in worth.valued.values()):
                wrong.append(f"age {age:g}, weight {weight:g}")
    single = bench.worth(bench.live(["watch"], 1))
    if len(single.of("watch", "qalys")) != 1 or not np.isfinite(single.valued["watch"].people).all():
        wrong.append("one patient")
    message = _complaint_of_nobody(bench.settings)
    if "cohort.n" not in message:
        wrong.append("empty cohort")
    found = f"{worlds} extreme cohorts and one patient finite" if not wrong else f"wrong: {'; '.join(wrong)}"
    return Finding(not wrong, f"{found}; empty cohort: '{message}'")


def _complaint_of_nobody(settings: Settings) -> str:
    data = settings.model_dump(mode="json")
    data["cohort"]["n"] = 0
    try:
        load(data)
    except Problem as problem:
        return str(problem)
    return "accepted"
