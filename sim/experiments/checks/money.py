"""Tests of prices, utilities, discounting, payment and accounts: nothing is simulated anew."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from sim import journal
from sim.economics.ranking import incremental_with_errors
from sim.economics.settings import CATEGORIES, Payment, Scheme
from sim.economics.tariff import item_names
from sim.experiments.budget import paid
from sim.experiments.checks import Finding, check
from sim.experiments.checks.bench import FEW, POLICIES, Bench, Worth, gap
from sim.experiments.checks.hospital import APART, PATIENTS, crowd, with_all_pools
from sim.experiments.checks.worlds import NO_DISEASE, NO_RESPONSE, ONE_PRODUCT, ratio
from sim.experiments.run import Block
from sim.units import DAYS_PER_YEAR

#: Differences that rounding may leave where two ways of adding up are compared.
ROUNDING = 1e-9


@check("1", "utilities 1, disutilities 0, norms off", "QALY = LY per patient, exactly")
def utilities_of_one(bench: Bench) -> Finding:
    """Full health: a QALY is a year."""
    worth = bench.worth(bench.usual, full_health(bench))
    apart = max(
        float(np.abs(worth.of(p, f"qalys{end}") - worth.of(p, f"life_years{end}")).max())
        for p in worth.valued
        for end in ("", "_discounted")
    )
    return Finding(apart == 0.0, f"largest difference {apart:g} years")


def full_health(bench: Bench) -> Any:
    """Give the book in which every state is worth 1 and nothing is lost."""
    values = dict.fromkeys(bench.keys("utilities.states."), 1.0) | dict.fromkeys(bench.keys("utilities.losses."), 0.0)
    book = bench.book_with(values)
    states = {
        name: state.model_copy(update={"reference": state.utility, "age": None})
        for name, state in book.utilities.states
    }
    all_states = book.utilities.states.model_copy(update=states)
    return book.model_copy(
        update={"utilities": book.utilities.model_copy(update={"norms": "none", "states": all_states})}
    )


@check("2", "utilities 0", "QALY 0; costs and LY unchanged")
def utilities_of_zero(bench: Bench) -> Finding:
    """No quality of life: no QALYs, and nothing else moves."""
    keys = [key for key in bench.keys("utilities.states.") if key.endswith(".utility")]
    values = dict.fromkeys(keys, 0.0) | dict.fromkeys(bench.keys("utilities.losses."), 0.0)
    worth, usual = bench.worth(bench.usual, bench.book_with(values)), bench.usual_worth
    most = max(float(np.abs(worth.of(p, "qalys")).max()) for p in worth.valued)
    same = all(
        worth.of(p, column).tobytes() == usual.of(p, column).tobytes()
        for p in worth.valued
        for column in worth.columns("cost_", "life_years", "paid", "list_price")
    )
    return Finding(most == 0.0 and same, f"largest QALYs {most:g}; costs and life-years {_same(same)}")


@check("3", "unit costs 0", "every cost 0; ICER stated as undefined or 0, no crash")
def prices_of_zero(bench: Bench) -> Finding:
    """Everything is free."""
    book = bench.book_with(dict.fromkeys(bench.keys("prices."), 0.0))
    worth = bench.worth(bench.usual, book)
    most = max(float(np.abs(worth.of(p, c)).max()) for p in worth.valued for c in worth.columns("cost_"))
    table = incremental_with_errors(bench.accounts(bench.usual, book).estimates())
    icers = table["icer"].to_numpy(dtype=float)
    stated = bool((np.isnan(icers) | (icers == 0)).all())
    shown = "undefined or 0" if stated else f"{np.nanmax(np.abs(icers)):g}"
    return Finding(most == 0.0 and stated, f"largest cost {most:g}; ICERs {shown}")


@check("4", "one unit cost x2", "that item doubles; all else bit-identical")
def one_price_doubled(bench: Bench) -> Finding:
    """Double each price that is used, one after the other."""
    usual, items = bench.usual_worth, item_names(bench.book)
    doubled, wrong = 0, []
    for name in sorted({charge.price for charge in bench.book.resources.values()}):
        if bench.book.prices.get(name) is None or bench.line(f"prices.{name}.value".removesuffix(".value")) == 0:
            continue
        worth = bench.worth(bench.usual, bench.book_with({f"prices.{name}": 2 * bench.line(f"prices.{name}")}))
        own = np.array([i > 0 and bench.book.resources[item].price == name for i, item in enumerate(items)])
        for policy in usual.valued:
            before, after = usual.valued[policy].items, worth.valued[policy].items
            right = (after[own] == 2 * before[own]).all() and (after[~own] == before[~own]).all()
            same = all(_equal(usual, worth, policy, c) for c in ("qalys", "life_years", "paid_discounted"))
            if not (right and same):
                wrong.append(name)
        doubled += 1
    found = f"{doubled} prices doubled one by one; " + (
        f"wrong: {', '.join(sorted(set(wrong)))}" if wrong else "all exact"
    )
    return Finding(not wrong and doubled > 0, found)


@check("5", "discount 0", "discounted = undiscounted")
def no_discounting(bench: Bench) -> Finding:
    """Time does not count."""
    worth = bench.worth(bench.usual, bench.undiscounted())
    pairs = [c for c in worth.columns("") if f"{c}_discounted" in worth.valuation.columns]
    apart = max(gap(worth.of(p, c), worth.of(p, f"{c}_discounted")) for p in worth.valued for c in pairs)
    return Finding(apart < ROUNDING, f"largest relative difference {apart:.1e} over {len(pairs)} columns")


@check("6", "discount 1000%", "later flows ~0; day-0 costs unchanged")
def steep_discounting(bench: Bench) -> Finding:
    """Only today counts: from infusion, the product is paid on day 0."""
    policies = ("watch", "hct_for_all")
    block = bench.live(policies, FEW, bench.with_values(ONE_PRODUCT))
    upfront = bench.rated(10.0, bench.book_with({}, payment=scheme([(1.0, 0.0, "always")])))
    worth = bench.worth(block, upfront, origin="infusion")
    product = max(gap(worth.of(p, "cost_product_discounted"), worth.of(p, "cost_product")) for p in policies)
    cells = [worth.valued[p].cells[0] for p in policies]
    late = max(float(c[: len(CATEGORIES), 3:, 1].sum() / max(1.0, c[: len(CATEGORIES), 3:, 0].sum())) for c in cells)
    found = f"product on day 0 differs by {product:.1e}; of what falls due after year 3, {late:.1e} is left"
    return Finding(product < ROUNDING and late < 1e-2, found)


@check("7", "discount up", "no positive total rises")
def rising_rates(bench: Bench) -> Finding:
    """The higher the rate, the less anything is worth, for every patient and column."""
    rates = (0.0, 0.015, 0.03, 0.06, 0.12)
    worths = [bench.worth(bench.usual, bench.rated(rate)) for rate in rates]
    columns = [c for c in worths[0].columns("cost_", "life_years", "qalys", "paid") if c.endswith("_discounted")]
    rises = 0
    for lower, higher in itertools.pairwise(worths):
        for policy in lower.valued:
            for column in columns:
                before, after = lower.of(policy, column), higher.of(policy, column)
                rises += int(((before > 0) & (after > before * (1 + 1e-12) + 1e-9)).sum())
    return Finding(rises == 0, f"{rises} rises over {len(columns)} totals of every patient at rates 0 to 12%")


@check("16", "product price + X, upfront", "mean cost + X x infused share x discount to infusion, exactly")
def dearer_product(bench: Bench) -> Finding:
    """Raise every product's price: whoever is infused pays the difference on that day."""
    more = 10000.0
    names = [name for name in bench.settings.product.catalogue if bench.book.prices.get(name) is not None]
    upfront = scheme([(1.0, 0.0, "always")])
    full = {"product_rules.out_of_specification": 1.0, "product_rules.donor_derived": 1.0}
    block = bench.live(POLICIES, FEW, bench.with_values(ONE_PRODUCT))
    before = bench.worth(block, bench.book_with(full, payment=upfront))
    dearer = {f"prices.{name}": bench.line(f"prices.{name}") + more for name in names}
    after = bench.worth(block, bench.book_with(full | dearer, payment=upfront))
    apart = share = 0.0
    for policy in before.valued:
        owed = more * _discounted_infusions(bench, block, policy)
        column = "cost_payer_discounted"
        apart = max(apart, abs(float((after.of(policy, column) - before.of(policy, column) - owed).mean())))
        share = max(share, float((owed > 0).mean()))
    return Finding(apart < 1e-6, f"mean costs differ from that by {apart:.1e} at most; infused share {share:.3f}")


def _discounted_infusions(bench: Bench, block: Block, policy: str) -> np.ndarray:
    """Count every patient's infusions of their own product, discounted to referral."""
    rows, first = block.rows[policy], block.first_row[policy]
    rate = float(np.log1p(bench.book.discount.costs.value))
    later = bench.book.discount.later
    due = (rows["event"] == journal.INFUSION) & (rows["detail"] < 400)
    years = rows["start"] / DAYS_PER_YEAR
    factor = np.exp(-rate * years)
    if later is not None:
        step = later.after.value
        after = np.exp(-rate * step - np.log1p(later.costs.value) * (years - step))
        factor = np.where(years <= step, factor, after)
    totals = np.concatenate([[0.0], np.cumsum(np.where(due, factor, 0.0))])
    counted: np.ndarray = np.diff(totals[first])
    return counted


@check("17", "pay-if-response with CR 0 / 100%", "product cost 0 / full")
def paid_for_response(bench: Bench) -> Finding:
    """The product is paid where complete remission is found."""
    book = bench.undiscounted(bench.book_with({}, payment=scheme([(1.0, 0.0, "response")])))
    found = []
    for world in (NO_RESPONSE, NO_DISEASE):
        settings = bench.with_values(world | ONE_PRODUCT | ratio(0.0)).model_copy(update={"horizon_years": 20.0})
        worth = bench.worth(bench.live(["watch"], FEW, settings), book, origin="infusion")
        full = worth.of("watch", "list_price")
        found.append(float(worth.of("watch", "cost_product").sum() / full.sum()))
    return Finding(found == [0.0, 1.0], f"paid shares of the list price {found[0]:g} and {found[1]:g}")


@check("18", "staged shares summing to 1, unconditional, 0%", "equals upfront")
def staged_without_conditions(bench: Bench) -> Finding:
    """Two unconditional parts are one payment where time does not count."""
    staged = scheme([(0.52, 0.0, "always"), (0.48, 18.0, "always")])
    one = bench.worth(bench.usual, bench.undiscounted(bench.book_with({}, payment=scheme([(1.0, 0.0, "always")]))))
    two = bench.worth(bench.usual, bench.undiscounted(bench.book_with({}, payment=staged)))
    apart = max(gap(one.of(p, c), two.of(p, c)) for p in one.valued for c in ("cost_product", "paid", "cost_payer"))
    return Finding(apart < ROUNDING, f"largest relative difference {apart:.1e}")


def scheme(parts: list[tuple[float, float, str]]) -> Scheme:
    """Write a payment scheme of (share, months after infusion, condition)."""
    payments = tuple(Payment(share=s, months=m, condition=c) for s, m, c in parts)
    return Scheme(label="verification", source="definition", status="assumed", hct_counts=True, payments=payments)


@check("29", "accounts", "categories sum to total; patients sum to arm; budget years to the undiscounted payer total")
def accounts_add_up(bench: Bench) -> Finding:
    """What is booked by category, period and patient is one sum."""
    worth, accounts = bench.usual_worth, bench.accounts(bench.usual)
    apart = 0.0
    for policy in worth.valued:
        for view in bench.book.perspectives:
            for end in ("", "_discounted"):
                parts = sum(worth.of(policy, f"cost_{c}{end}") for c in bench.book.categories(view))
                apart = max(apart, gap(np.asarray(parts), worth.of(policy, f"cost_{view}{end}")))
        for column in worth.columns("cost_", "qalys", "life_years"):
            arm = accounts.mean(policy, column)[0]
            apart = max(apart, gap(np.array([worth.of(policy, column).mean()]), np.array([arm])))
        cells = worth.valued[policy].cells[0]
        rows = len(CATEGORIES)
        arm_cells = np.array([worth.of(policy, f"cost_{c}").sum() for c in CATEGORIES])
        apart = max(apart, gap(cells[:rows, :, 0].sum(axis=1), arm_cells))
    years = _budget_apart(bench)
    found = f"largest relative difference {apart:.1e}; of budget years {years:.1e}"
    return Finding(apart < ROUNDING and years < ROUNDING, found)


def _budget_apart(bench: Bench) -> float:
    """Tell how far payer years and what comes later are from the total, and their categories from each of them."""
    world = crowd(with_all_pools(bench.settings, None, "ward"), "hct_for_all")
    cells = paid(bench.settings, world, np.arange(PATIENTS) * APART, np.ones(PATIENTS, dtype=bool))
    valuation, people = bench.valued(world)
    total = people[:, [valuation.columns.index(f"cost_{bench.book.perspective}")]].sum(axis=0)
    return max(gap(cells[:, -1:].sum(axis=0), total), gap(cells[:, :-1].sum(axis=1), cells[:, -1]))


def _equal(one: Worth, two: Worth, policy: str, column: str) -> bool:
    return one.of(policy, column).tobytes() == two.of(policy, column).tobytes()


def _same(same: bool) -> str:
    return "bit-identical" if same else "changed"
