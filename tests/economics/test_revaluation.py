"""A stored run valued again gives the bytes of a fresh run with those books."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sim.compose import settings_from
from sim.experiments import compare, price, value
from sim.experiments.stored import StoredRun
from sim.problems import Problem

TABLES = ("costs", "items", "qalys", "payments", "life_expectancy")
RUN = ["engine=batch", "cohort.n=4200", "policy=[watch,hct_for_all,no_car]", "origin=referral", "quiet=true"]
OTHER = ["economics=us_second_panel", "economics/payment=staged", "economics.discount.costs.value=0.05"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "run"
    return compare.run(settings_from([*RUN, f"out={folder}"]))


def test_revaluation_gives_the_bytes_of_a_fresh_run(stored, tmp_path):
    again = value.run(settings_from(["experiment=value", f"run={stored}", f"out={tmp_path / 'again'}", "quiet=true"]))
    for name in TABLES:
        assert (again / f"{name}.csv").read_bytes() == (stored / f"{name}.csv").read_bytes(), name


def test_other_books_give_what_a_fresh_run_with_them_gives(stored, tmp_path):
    fresh = compare.run(settings_from([*RUN, *OTHER, "journal=off", f"out={tmp_path / 'fresh'}"]))
    command = ["experiment=value", f"run={stored}", *OTHER, f"out={tmp_path / 'again'}", "quiet=true"]
    again = value.run(settings_from(command))
    assert not (fresh / "journal.parquet").exists()
    for name in TABLES:
        assert (again / f"{name}.csv").read_bytes() == (fresh / f"{name}.csv").read_bytes(), name
    assert (again / "costs.csv").read_bytes() != (stored / "costs.csv").read_bytes()
    assert (again / "curves.csv").read_bytes() == (fresh / "curves.csv").read_bytes()


def test_a_threshold_price_makes_the_net_benefit_zero(stored, tmp_path):
    wtp = 100000.0
    run = ["experiment=price", f"run={stored}", f"economics.wtp={wtp:.0f}", "quiet=true"]
    found = pd.read_csv(price.run(settings_from([*run, f"out={tmp_path / 'a'}"])) / "thresholds.csv")
    row = found[(found.scheme == "chosen") & (found.policy == "watch")].iloc[0]
    assert row.comparator == "no_car"
    base = settings_from(["policy=watch"]).economics.prices["tisa_cel"].value
    scaled = base * row.factor
    moved = [f"economics.prices.tisa_cel.{end}={scaled!r}" for end in ("value", "low", "high")]
    again = price.run(settings_from([*run, *moved, f"out={tmp_path / 'b'}"]))
    curve = pd.read_csv(again / "price_curve.csv")
    here = curve[(curve.policy == "watch") & (curve.factor == 1.0)].iloc[0]
    assert here[f"nmb_{wtp:g}"] == pytest.approx(0.0, abs=1e-6 * wtp)
    assert here.icer == pytest.approx(wtp, rel=1e-6)


def test_schemes_stand_side_by_side(stored, tmp_path):
    run = ["experiment=price", f"run={stored}", f"out={tmp_path / 'p'}", "quiet=true"]
    found = pd.read_csv(price.run(settings_from(run)) / "schemes.csv").set_index(["scheme", "policy"])
    assert found.loc[("chosen", "watch")].equals(found.loc[("upfront", "watch")])
    assert found.loc[("upfront", "watch"), "share_paid"] == 1.0
    assert (found["paid"] <= found["list_price"] * (1 + 1e-12)).all()
    assert found.loc[("upfront", "no_car"), "paid"] == 0.0
    share = found.loc[("response", "watch"), "share_paid"]
    assert 0.52 < found.loc[("staged", "watch"), "share_paid"] < 1.0
    assert 0.0 < share < 1.0


def test_what_cannot_be_valued_is_refused(tmp_path):
    with pytest.raises(Problem, match="needs the folder of a finished run"):
        value.run(settings_from(["experiment=value"]))
    with pytest.raises(Problem, match="is not the folder of a finished run"):
        value.run(settings_from(["experiment=value", f"run={tmp_path}"]))
    with pytest.raises(Problem, match="nothing to value with"):
        value.run(settings_from(["experiment=value", f"run={tmp_path}", "economics=none"]))
    for name in ("manifest.json", "config.yaml"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(Problem, match="run it with journal=on"):
        StoredRun(tmp_path)
