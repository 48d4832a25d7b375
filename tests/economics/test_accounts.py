"""Accounts: sums that have no order, add up, and move as they must when books move."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import World, live, settings_of
from valued import bare, book, default_book, worths

from sim.cohort import BLOCK
from sim.economics.accounts import Accounts
from sim.economics.frames import all_frames, costs, items, qalys, quantiles
from sim.economics.settings import CATEGORIES, PERSPECTIVES, Economics
from sim.economics.valuation import columns
from sim.experiments.run import Block
from sim.lines import STRETCH, walk

POLICIES = ("watch", "hct_for_all", "selective_plus", "maintenance")
LEAN = settings(max_examples=15, deadline=None)


@functools.cache
def block(first: int = 0, count: int = 600) -> Block:
    found = {name: live(settings_of("cohort=eliana"), name, count, first=first) for name in POLICIES}
    return Block(
        first,
        {name: world.lives for name, world in found.items()},
        {name: world.rows for name, world in found.items()},
        {name: world.first_row for name, world in found.items()},
    )


def accounts(economics: Economics | None = None, origin: str = "infusion") -> Accounts:
    return Accounts(economics or default_book(), list(settings_of().product.catalogue), POLICIES, origin, "watch")


@functools.cache
def world(policy: str = "hct_for_all") -> World:
    return live(settings_of("cohort=eliana"), policy, 600)


def changed(economics: Economics, **values: float) -> Economics:
    base = settings_of().model_copy(update={"economics": economics})
    moved = base.with_values({f"economics.{key.replace('__', '.')}": value for key, value in values.items()}).economics
    assert moved is not None
    return moved


def totals(economics: Economics, origin: str = "infusion", policy: str = "hct_for_all") -> dict[str, float]:
    valued, _, _ = worths(economics, world(policy), origin)
    return dict(zip(columns(), valued.people.sum(axis=0).tolist(), strict=True))


# --- sums ---


def test_accounts_are_the_same_in_any_order_and_partition():
    blocks = [block(first, BLOCK if first < 2 * BLOCK else 300) for first in (0, BLOCK, 2 * BLOCK)]
    frames = []
    for order in ((0, 1, 2), (2, 0, 1)):
        whole = accounts()
        for i in order:
            whole.add(blocks[i])
        frames.append(all_frames(whole))
    parts = [accounts() for _ in blocks]
    for part, one in zip(parts, blocks, strict=True):
        part.add(one)
    stored = accounts()
    stored.restore({name: array.copy() for name, array in parts[2].arrays().items()})
    stored.merge(parts[0])
    stored.merge(parts[1])
    frames.append(all_frames(stored))
    for one, two in itertools.pairwise(frames):
        assert all(one[name].equals(two[name]) for name in one)
    a, b = whole.estimates(), stored.estimates()
    assert (a.cost.tobytes(), a.covariance.tobytes()) == (b.cost.tobytes(), b.covariance.tobytes())


def test_a_block_is_counted_once():
    one, two = accounts(), accounts()
    one.add(block())
    two.add(block())
    with pytest.raises(ValueError, match="counted already"):
        one.add(block())
    with pytest.raises(ValueError, match="share a block"):
        one.merge(two)
    with pytest.raises(ValueError, match="cannot be merged"):
        one.merge(accounts(origin="referral"))


def test_estimates_are_the_means_and_covariances_of_patients():
    one = accounts()
    valued = one.add(block())
    among = np.isfinite(block().lives["watch"]["t_infusion"])
    vector = [
        valued[name].people[among, one.valuation.columns.index(column)]
        for column in ("cost_payer_discounted", "qalys_discounted")
        for name in sorted(POLICIES)
    ]
    estimates = one.estimates()
    assert estimates.names == tuple(sorted(POLICIES))
    assert estimates.n == among.sum()
    assert np.concatenate([estimates.cost, estimates.effect]) == pytest.approx(np.mean(vector, axis=1), rel=1e-12)
    assert estimates.covariance == pytest.approx(np.cov(vector), rel=1e-8)


def test_strata_partition_everybody():
    one = accounts()
    one.add(block())
    for kind in ("prior_hct", "burden", "age", "mrd28", "product"):
        levels = [name for name in one.strata if name.startswith(f"{kind}:")]
        assert sum(int(one.n[one.stratum(name)]) for name in levels) == one.n[0]
        total = sum(one.sums["watch"][one.stratum(name), 0, 0] for name in levels)
        assert total / one.sums["watch"][0, 0, 0] == pytest.approx(1.0, rel=1e-12)


def test_categories_and_periods_sum_to_the_total():
    one = accounts()
    one.add(block())
    frame = costs(one)
    for view in PERSPECTIVES:
        part = frame[(frame.perspective == view)]
        for _, group in part.groupby(["policy", "discounted"]):
            total = group[(group.category == "total") & (group.period == "total")]["mean"].item()
            by_category = group[(group.category != "total") & (group.period == "total")]["mean"].sum()
            by_period = group[(group.category == "total") & (group.period != "total")]["mean"].sum()
            assert by_category == pytest.approx(total, rel=1e-12)
            assert by_period == pytest.approx(total, rel=1e-12)


def test_items_sum_to_their_categories():
    one = accounts()
    one.add(block())
    by_item = items(one).groupby(["policy", "category", "discounted"])["mean"].sum()
    frame = costs(one)
    frame = frame[(frame.perspective == "societal") & (frame.period == "total") & (frame.category != "total")]
    for row in frame.itertuples():
        assert by_item[row.policy, row.category, row.discounted] == pytest.approx(row.mean, rel=1e-9, abs=1e-9)


def test_patients_sum_to_the_arm():
    one = accounts()
    valued = one.add(block())
    n = int(one.n[0])
    for policy in POLICIES:
        for i, column in enumerate(one.valuation.columns):
            assert one.mean(policy, column)[0] == pytest.approx(valued[policy].people[:, i].sum() / n, rel=1e-12)


def test_qalys_lost_by_cause_come_off_the_total():
    with_losses, without = totals(book()), totals(_without_losses(book()))
    lost = sum(value for name, value in with_losses.items() if name.startswith("lost_") and "discounted" not in name)
    assert lost > 0.0
    assert with_losses["qalys"] == pytest.approx(without["qalys"] - lost, rel=1e-12)
    assert {*qalys(_filled()).measure} >= {"life_years", "qalys", "lost_crs_3"}


@functools.cache
def _filled() -> Accounts:
    one = accounts()
    one.add(block())
    return one


def _without_losses(economics: Economics) -> Economics:
    names = [key for key, _ in walk(economics) if key.startswith("utilities.losses.")]
    return changed(economics, **dict.fromkeys(names, 0.0))


# --- what must move, and how ---


def test_utilities_of_one_make_qalys_life_years():
    economics = bare(**{"discount.effects": 0.03})
    for policy in ("hct_for_all", "watch"):
        valued, _, valuation = worths(economics, world(policy))
        at = valuation.columns.index
        lines = valued.people
        assert np.array_equal(lines[:, at("qalys")], lines[:, at("life_years")])
        assert np.array_equal(lines[:, at("qalys_discounted")], lines[:, at("life_years_discounted")])


def test_utilities_of_zero_leave_costs_and_life_years():
    states = [f"utilities.states.{name}.utility" for name in type(book().utilities.states).model_fields]
    usual, nothing = totals(book()), totals(changed(book(), **dict.fromkeys(states, 0.0)))
    assert nothing["qalys"] == 0.0
    assert all(nothing[name] == usual[name] for name in usual if name.startswith(("cost_", "life_years")))


def test_free_care_costs_nothing():
    free = totals(changed(book(), **{key: 0.0 for key, _ in walk(book()) if key.startswith("prices.")}))
    assert all(value == 0.0 for name, value in free.items() if name.startswith("cost_"))
    assert free["qalys"] == totals(book())["qalys"]


def test_a_price_twice_as_high_doubles_its_item_alone():
    one, two = accounts(), accounts(changed(book(), prices__immunoglobulin=2 * book().prices["immunoglobulin"].value))
    one.add(block())
    two.add(block())
    at = one.valuation.items.index("immunoglobulin")
    for policy in POLICIES:
        before, after = one.items[policy], two.items[policy]
        assert np.array_equal(after[at], 2 * before[at])
        others = np.arange(len(before)) != at
        assert np.array_equal(after[others], before[others])


def test_without_discounting_both_columns_are_the_same():
    found = totals(changed(book(), discount__costs=0.0, discount__effects=0.0))
    for name, value in found.items():
        if not name.endswith("_discounted"):
            assert found.get(f"{name}_discounted", value) == value


@LEAN
@given(
    low=st.floats(0.0, 0.2), more=st.floats(1e-4, 10.0), origin=st.sampled_from(["referral", "infusion", "remission"])
)
def test_no_total_rises_with_the_rate(low, more, origin):
    one, two = (
        totals(changed(book(), discount__costs=rate, discount__effects=rate), origin) for rate in (low, low + more)
    )
    for name, value in one.items():
        assert two[name] <= value * (1 + 1e-12) + 1e-9, name


@LEAN
@given(price=st.floats(0.0, 1e7), origin=st.sampled_from(["referral", "infusion"]))
def test_cost_is_linear_in_the_price(price, origin):
    at = {p: totals(changed(book(), prices__tisa_cel=p), origin)["cost_payer_discounted"] for p in (0.0, 1.0, price)}
    slope = at[1.0] - at[0.0]
    assert at[price] == pytest.approx(at[0.0] + slope * price, rel=1e-6)


@LEAN
@given(key=st.sampled_from([key for key, line in walk(default_book()) if key.startswith("prices.")]))
def test_dearer_prices_never_make_care_cheaper(key):
    line = dict(walk(default_book()))[key]
    one, two = totals(book()), totals(changed(book(), **{key: line.value * 1.5 + 1.0}))
    for view in PERSPECTIVES:
        assert two[f"cost_{view}"] >= one[f"cost_{view}"] - 1e-6


def test_the_same_policy_twice_differs_by_nothing():
    one = block()
    twins = Block(0, *({"a": part["watch"], "b": part["watch"]} for part in (one.lives, one.rows, one.first_row)))
    both = Accounts(default_book(), list(settings_of().product.catalogue), ("a", "b"), "infusion")
    both.add(twins)
    estimates = both.estimates()
    assert estimates.cost[0] == estimates.cost[1]
    assert np.unique(estimates.covariance[:2, :2]).size == 1


def test_interpreted_and_compiled_valuation_agree(monkeypatch):
    from sim.economics import valuation
    from sim.economics.kernel import value_all

    few = live(settings_of(), "hct_for_all", 25)
    fast, _, _ = worths(book(), few)
    monkeypatch.setattr(valuation, "jit_enabled", lambda: False)
    monkeypatch.setattr(valuation, "_function", lambda: value_all)
    slow, _, _ = worths(book(), few)
    assert fast.people == pytest.approx(slow.people, rel=1e-12, abs=1e-12)


def test_quantiles_of_what_is_paid():
    from collections import Counter

    counted = Counter({0.0: 10, 100.0: 80, 300.0: 10})
    assert quantiles(counted, (0.05, 0.1, 0.5, 0.9, 0.95)) == [0.0, 0.0, 100.0, 100.0, 300.0]


def test_lines_cover_every_category():
    assert len(CATEGORIES) + len(PERSPECTIVES) == sum(n.startswith("cost_") and "disc" not in n for n in columns())


# --- every economic parameter matters ---


def moved(key: str, line: Any) -> Economics:
    value = line.low if line.low != line.value else (line.high if line.high != line.value else line.value * 1.5 + 0.1)
    if line.bounds[1] == 1.0 and value > 1.0:
        value = 0.5
    data = default_book().model_dump()
    *path, leaf = key.split(".")
    node = data
    for part in path:
        node = node[part]
    node[leaf]["value"] = value
    data["resources"] |= {name: charge.model_dump() for name, charge in _bundles().items()} if _is_bundle(key) else {}
    return Economics.model_validate(data, context={STRETCH: True})


def _is_bundle(key: str) -> bool:
    return key in ("prices.hct_year_one", "prices.car_episode")


@functools.cache
def _bundles() -> dict[str, Any]:
    found = {}
    for choice, name in (("bundled_hct", "hct_bundle"), ("bundled_car", "car_bundle")):
        economics = settings_of(f"economics/resources={choice}").economics
        assert economics is not None
        found[name] = economics.resources[name]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key, _ in walk(default_book()) if not key.startswith("prices.acad")])
def test_every_economic_line_moves_some_total(key):
    line = dict(walk(default_book()))[key]
    base = default_book()
    if _is_bundle(key):
        data = base.model_dump()
        data["resources"] |= {name: charge.model_dump() for name, charge in _bundles().items()}
        base = Economics.model_validate(data)
    for policy, overrides in _TRIED:
        one, _, _ = worths(base, _tried(policy, overrides), "referral")
        two, _, _ = worths(moved(key, line), _tried(policy, overrides), "referral")
        if not np.array_equal(one.people, two.people):
            return
    pytest.fail(f"{key} moves nothing")


_TRIED = (
    ("hct_for_all", ()),
    ("maintenance", ()),
    ("hybrid", ("product=obe_cel",)),
    ("reinfusion", ("product=brexu_cel",)),
    ("watch", ("product=dual_cd19_cd22", "clinic.supportive.levetiracetam.value=1")),
    ("cd22", ("clinic.supportive.donor_derived_car.value=1",)),
)


@functools.cache
def _tried(policy: str, overrides: tuple[str, ...]) -> World:
    from support import with_policy

    base = settings_of(*overrides)
    if policy == "cd22":
        base = with_policy(base, "watch", rules=[{"at": "remission", "then": "cd22_car"}])
    return live(base, "watch" if policy == "cd22" else policy, 3000)
