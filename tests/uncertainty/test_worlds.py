"""Worlds that differ in lines alone: the quick way gives what composing, tallying and valuing give."""

from __future__ import annotations

import numpy as np
import pytest
from support import settings_of

from sim.experiments.answers import Examiner, divided, means
from sim.experiments.inputs import as_record, kernel_values
from sim.experiments.run import Simulation
from sim.experiments.twins import same_charts
from sim.experiments.worlds import Worlds
from sim.tally.counts import Tally

SMALL = (
    "engine=batch",
    "origin=infusion",
    "cohort.n=150",
    "policy=[watch,selective,hct_for_all]",
    "policy.watch.bca_threshold=pct3",
    "policy.watch.set.clinic.supportive.early_tocilizumab=1",
)


def elsewhere(line):
    """Another possible value of a line."""
    for value in (line.high, line.low, line.value + 1.0, line.value / 2.0, 1.0 - line.value):
        if value != line.value:
            try:
                line.at(value)
            except ValueError:
                continue
            return value
    raise AssertionError(f"no other value for {line}")


def test_a_record_of_changed_lines_is_the_record_of_changed_settings():
    settings = settings_of(*SMALL)
    worlds = Worlds(settings)
    moved = {key: elsewhere(line) for key, line in settings.lines()}
    changed = settings.with_values(moved)
    for name in settings.policy:
        quick, slow = worlds.record(name, moved), as_record(kernel_values(changed, name))
        assert quick.dtype == slow.dtype
        for field in quick.dtype.names:
            assert np.array_equal(quick[field], slow[field], equal_nan=True), (name, field)


def test_every_line_shapes_patients_lives_or_worth():
    settings = settings_of(*SMALL)
    worlds = Worlds(settings)
    silent = {key for key, _ in settings.lines() if not worlds.shapes_lives(key)}
    assert {key.partition(".")[0] for key in silent} == {"economics"}
    shaping = {key for key, _ in settings.lines() if worlds.shapes_patients(key)}
    assert "cohort.prior_hct.share" in shaping
    assert "cohort.wait.median" not in shaping  # the kernel reads it


def test_patients_change_only_where_a_line_shapes_them():
    worlds = Worlds(settings_of(*SMALL))
    as_they_are = worlds.attributes({}, 0, 150)
    assert worlds.attributes({"clinic.transplant.trm": 0.1}, 0, 150) is as_they_are
    more = worlds.attributes({"cohort.prior_hct.share": 0.6}, 0, 150)
    assert more["prior_hct"].sum() > as_they_are["prior_hct"].sum()
    assert np.array_equal(more["age"], as_they_are["age"])


@pytest.fixture(scope="module")
def examined():
    settings = settings_of(*SMALL)
    examiner = Examiner(settings, 7)
    return settings, examiner, examiner.answer({})


def test_outcomes_are_those_of_the_tally(examined):
    settings, examiner, sums = examined
    simulation = Simulation(settings, journal=False)
    tally = Tally(list(settings.policy), settings.origin, None, simulation.horizon)
    for block in simulation.blocks():
        tally.add(block.first, block.lives)
    summary = tally.frames()[0]
    summary = summary[summary["stratum"] == "all"]
    told = {(r.policy, r.measure, r.months): r.value for r in summary.fillna({"months": -1.0}).itertuples()}
    found = means(sums, examiner.quantities)
    compared = 0
    for at, policy in enumerate(examiner.policies):
        for place, column in enumerate(examiner.quantities):
            name, _, month = column.name.rpartition("_")
            key = (name, float(month)) if month.isdigit() else (column.name, -1.0)
            if (policy, *key) in told:
                assert found[at, place] == pytest.approx(told[policy, *key], rel=1e-12)
                compared += 1
    assert compared == 18 * 3


def test_costs_and_qalys_are_those_of_the_accounts(examined):
    from sim.economics.accounts import Accounts

    settings, examiner, sums = examined
    simulation = Simulation(settings, journal=True)
    accounts = Accounts(settings.economics, simulation.products, list(settings.policy), settings.origin)
    for block in simulation.blocks():
        accounts.add(block)
    found = means(sums, examiner.quantities)
    names = [column.name for column in examiner.quantities]
    for at, policy in enumerate(examiner.policies):
        for ours, theirs in (
            ("cost", f"cost_{settings.economics.perspective}_discounted"),
            ("qalys", "qalys_discounted"),
            ("qalys_undiscounted", "qalys"),
            ("life_years_discounted", "life_years_discounted"),
        ):
            assert found[at, names.index(ours)] == pytest.approx(accounts.mean(policy, theirs)[0], rel=1e-9)


def test_batches_are_patients_by_number(examined):
    settings, examiner, sums = examined
    simulation = Simulation(settings, journal=False)
    (block,) = list(simulation.blocks())
    years = [column.name for column in examiner.quantities].index("life_years")
    lives = block.lives["watch"]
    counted = np.isfinite(lives["t_infusion"])
    lived = np.where(counted, (lives["t_death"] - np.where(counted, lives["t_infusion"], 0.0)) / 365.25, 0.0)
    expected = [lived[batch::7].sum() for batch in range(7)]
    np.testing.assert_allclose(sums[examiner.policies.index("watch"), years], expected, rtol=1e-12)


def test_a_price_changes_costs_alone_and_in_proportion(examined):
    settings, examiner, sums = examined
    names = [column.name for column in examiner.quantities]
    key = "economics.prices.icu_day" if "icu_day" in settings.economics.prices else None
    key = key or next(f"economics.prices.{name}" for name, line in settings.economics.prices.items() if line)
    price = dict(settings.lines())[key].value
    once, twice = (examiner.answer({key: price * factor}) for factor in (2.0, 3.0))
    same = [at for at, name in enumerate(names) if not name.startswith("cost")]
    assert np.array_equal(once[:, same], sums[:, same])
    cost = names.index("cost")
    np.testing.assert_allclose(twice[:, cost] - once[:, cost], once[:, cost] - sums[:, cost], rtol=1e-9, atol=1e-6)


def test_without_prices_the_effect_is_life_years():
    settings = settings_of(*SMALL, "economics=none")
    examiner = Examiner(settings, 3)
    found = means(examiner.answer({}), examiner.quantities)
    names = [column.name for column in examiner.quantities]
    assert (found[:, names.index("cost")] == 0.0).all()
    assert (found[:, names.index("life_years")] > 0.0).all()


def test_same_charts_are_found_and_no_others():
    settings = settings_of(*SMALL)
    worlds = Worlds(settings)
    lived = {one.policy: one for one in worlds.live({}, 0, 150, journal=True)}
    watch, every = lived["watch"], lived["hct_for_all"]
    everybody = np.ones(150, dtype=bool)
    same = same_charts(watch.rows, watch.first_row, every.rows, every.first_row, everybody)
    expected = [
        watch.rows[a:b].tobytes() == every.rows[c:d].tobytes()
        for a, b, c, d in zip(
            watch.first_row[:-1], watch.first_row[1:], every.first_row[:-1], every.first_row[1:], strict=True
        )
    ]
    assert np.array_equal(same, expected)
    assert 0 < same.sum() < 150
    some = np.arange(150) % 3 == 0
    found = same_charts(watch.rows, watch.first_row, every.rows, every.first_row, some)
    assert np.array_equal(found, same & some)


def test_nobody_counted_gives_no_number():
    assert np.isnan(divided(np.zeros(2), np.zeros(2))).all()
