"""The input facts are complete, and life tables give the known life expectancies."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim import evidence as facts
from sim.problems import Problem

CONF = Path(__file__).parents[2] / "conf"
SHARED = Path(__file__).parents[3] / "shared" / "evidence"


def read(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the source tables are not beside this checkout")


@needs_shared
def test_no_fact_is_lost():
    ours = {row.pop("id"): row for row in read(facts.DATA / "evidence.csv")}
    theirs = {}
    for domain in ("clinical", "economic"):
        theirs |= {row.pop("id"): row | {"domain": domain} for row in read(SHARED / f"{domain}.csv")}
    assert ours == theirs


@needs_shared
@pytest.mark.parametrize(("name", "country"), [("mortality-us", "US"), ("mortality-uk", "UK")])
def test_no_mortality_is_lost(name, country):
    theirs = [row | {"country": country} for row in read(SHARED / f"{name}.csv")]
    ours = [row for row in read(facts.DATA / "life_tables.csv") if row["country"] == country]
    assert sorted(map(sorted, (r.items() for r in ours))) == sorted(map(sorted, (r.items() for r in theirs)))


@needs_shared
def test_no_norm_is_lost():
    assert read(facts.DATA / "utility_norms.csv") == read(SHARED / "utility-norms.csv")


def test_table_is_tidy():
    table = facts.evidence()
    assert len(table) == 651
    assert table.index.is_unique
    assert set(table["status"]) == {"review", "found", "recalled", "not found"}
    assert table["value"].dtype == float
    assert (table["citation"] != "").all()
    assert table.loc["BCA02", "value"] == 4.5


def test_sources():
    assert facts.source_known("REL15")
    assert facts.source_known("REL15e")
    assert facts.source_known("structure RS")
    assert not facts.source_known("REL15z")
    assert not facts.source_known("REL")
    assert facts.unknown_sources("REL15; WAIT9;structure RS") == ["WAIT9"]
    assert facts.nearest_source("WAIT9") == "WAIT09"


def named_sources(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("source", "odds_source") and isinstance(value, str):
                yield value
            else:
                yield from named_sources(value)


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_every_source_in_conf_is_known(path):
    settings = yaml.safe_load(path.read_text())
    assert [name for text in named_sources(settings) for name in facts.unknown_sources(text)] == []


def life_expectancy(age, rate, ratio):
    """Discounted years left, half male and half female, hazard constant within each year of age."""
    total = 0.0
    for sex in facts.cumulative_hazards():
        yearly, alive, discount = np.diff(sex) * ratio, 1.0, math.log1p(rate)
        for years in range(200):
            hazard = yearly[min(age + years, 100)]
            decay = hazard + discount
            total += 0.5 * alive * math.exp(-discount * years) * -math.expm1(-decay) / decay
            alive *= math.exp(-hazard)
    return total


#: Start age, rate -> years at mortality ratios 1, 1.5, 2, 4, 9.05, 15: US 2019, computed independently.
ANCHOR = {
    (12, 0.0): (67.40, 62.79, 59.41, 50.88, 40.51, 34.18),
    (12, 0.03): (28.60, 27.81, 27.16, 25.27, 22.38, 20.24),
    (17, 0.03): (27.80, 26.91, 26.17, 24.04, 20.81, 18.45),
    (12, 0.015): (41.83, None, 38.56, 34.68, 29.36, None),
    (12, 0.035): (25.66, None, 24.55, 23.04, 20.64, None),
}


@pytest.mark.parametrize(("age", "rate"), ANCHOR)
def test_discounted_life_expectancy(age, rate):
    for ratio, years in zip((1, 1.5, 2, 4, 9.05, 15), ANCHOR[age, rate], strict=True):
        assert years is None or life_expectancy(age, rate, ratio) == pytest.approx(years, abs=0.02)


@pytest.mark.parametrize(("country", "year"), facts.life_tables())
def test_cumulative_hazards(country, year):
    table, hazards = facts.life_table(country, year), facts.cumulative_hazards(country, year)
    assert hazards.shape == (2, 102)
    assert (hazards[:, 0] == 0).all()
    assert (np.diff(hazards) > 0).all()
    for row, sex in enumerate(facts.SEXES):
        for age in (1, 12, 50, 99):
            assert math.exp(-(hazards[row, age + 1] - hazards[row, age])) == pytest.approx(
                1 - table[sex, age], rel=1e-12
            )
    assert not hazards.flags.writeable


def test_gaps_of_life_tables_are_filled_as_documented():
    hazards = np.diff(facts.cumulative_hazards("US", 2019))
    assert ("male", 0) not in facts.life_table("US", 2019)
    np.testing.assert_allclose(hazards[:, 0], hazards[:, 1], rtol=1e-9)
    np.testing.assert_allclose(hazards[:, 100], hazards[:, 99], rtol=1e-9)
    assert np.diff(facts.cumulative_hazards("US", 2021))[0, 0] == pytest.approx(-math.log(1 - 0.005833))


def test_unknown_life_table():
    with pytest.raises(Problem, match=r"life table US 2020: no such table, did you mean 'US 20"):
        facts.cumulative_hazards("US", 2020)


def test_hash_sees_the_files(monkeypatch, tmp_path):
    before = facts.evidence_hash()
    assert len(before) == 64
    for path in facts.DATA.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(facts, "DATA", tmp_path)
    assert facts.evidence_hash() == before
    (tmp_path / "evidence.csv").write_text("id\n")
    assert facts.evidence_hash() != before
