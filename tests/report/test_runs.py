"""Runs compared: differences are those of the same patients where they lived in both, and nothing else is compared."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import settings_of

from sim.experiments import runner
from sim.experiments.compare import manifest, write_config, write_manifest, write_tables
from sim.experiments.differences import pairing
from sim.experiments.gathering import Patients
from sim.experiments.report import differing, opened
from sim.experiments.run import Simulation
from sim.experiments.spans import Span
from sim.problems import Problem
from sim.settings import Settings
from sim.tally.counts import Tally
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

POLICIES = "policy=[watch,hct_for_all,selective]"
OWN = ("origin=infusion", "economics=none", "quiet=true", "cohort.n=120")
TRM = "clinic.transplant.trm.value=0.1"


def lived(folder: Path, *overrides: str) -> Path:
    """Leave what a comparison leaves, without its figures."""
    settings = settings_of(*OWN, *overrides)
    block = Simulation(settings, journal=False).block(Span(0, settings.cohort.n))
    tally = Tally(list(settings.policy), settings.origin, settings.reference_policy)
    tally.add(0, block.lives)
    folder.mkdir(parents=True)
    write_tables(tally, folder)
    people = Patients(settings)
    people.add(block)
    people.write(folder / "patients.parquet")
    write_config(settings, folder)
    write_manifest(manifest(settings, settings.cohort.n, 1.0), folder)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def base(place: Path) -> Path:
    return lived(place / "base", POLICIES)


@pytest.fixture(scope="module")
def deadlier(place: Path) -> Path:
    return lived(place / "deadlier", POLICIES, TRM)


@pytest.fixture(scope="module")
def elsewhere(place: Path) -> Path:
    return lived(place / "elsewhere", "policy=[watch,reinfusion]", "cohort=eliana")


def asked(*folders: Path, out: Path | None = None) -> Settings:
    settings = settings_of("experiment=report", "quiet=true")
    return settings.model_copy(update={"runs": [str(one) for one in folders], "out": out and str(out)})


def compared(*folders: Path, out: Path) -> Path:
    return runner("report")(asked(*folders, out=out))


@pytest.fixture(scope="module")
def report(base: Path, deadlier: Path, elsewhere: Path, place: Path) -> Path:
    """Three runs: the same patients with another parameter, and other patients."""
    return compared(base, deadlier, elsewhere, out=place / "report")


def found(report: Path, run: str, policy: str, measure: str, months: float | None = None) -> pd.Series:
    table = pd.read_csv(report / "runs_measures.csv")
    same = table["months"].isna() if months is None else table["months"] == months
    rows = table[(table["run"] == run) & (table["policy"] == policy) & (table["measure"] == measure) & same]
    assert len(rows) == 1
    return rows.iloc[0]


def test_paired_differences_are_those_by_hand(report: Path, base: Path, deadlier: Path) -> None:
    """From patients.parquet: everybody infused in both runs, each minus their own twin."""
    ours, theirs = (pd.read_parquet(folder / "patients.parquet") for folder in (deadlier, base))
    moved = 0
    for policy in ("watch", "hct_for_all", "selective"):
        a, b = (frame[frame["policy"] == policy].set_index("patient") for frame in (ours, theirs))
        both = (a["t_infusion"] < math.inf) & (b["t_infusion"] < math.inf)
        for measure, months, of in (
            ("os", 24.0, lambda one: one["t_death"] - one["t_infusion"] > 24 * DAYS_PER_MONTH),
            ("hct", None, lambda one: one["t_hct"] < math.inf),
            ("life_years", None, lambda one: (one["t_death"] - one["t_infusion"]) / DAYS_PER_YEAR),
        ):
            each = (of(a[both]).astype(float) - of(b[both]).astype(float)).to_numpy()
            row = found(report, "B", policy, measure, months)
            assert row["pairing"] == "paired"
            assert row["difference"] == pytest.approx(each.mean(), abs=1e-8)
            assert row["error"] == pytest.approx(each.std(ddof=1) / math.sqrt(len(each)), rel=0.01, abs=1e-8)
            moved += bool(each.any())
    assert moved >= 2


def test_other_patients_are_an_independent_sample(report: Path, base: Path, elsewhere: Path) -> None:
    one, other = (pd.read_csv(folder / "summary.csv") for folder in (base, elsewhere))
    for measure, months in (("os", 24.0), ("cr", None)):
        rows = [
            frame[(frame["policy"] == "watch") & (frame["stratum"] == "all") & (frame["measure"] == measure)]
            for frame in (one, other)
        ]
        a, b = (r[r["months"].isna() if months is None else r["months"] == months].iloc[0] for r in rows)
        row = found(report, "C", "watch", measure, months)
        assert row["pairing"] == "independent"
        assert row["difference"] == pytest.approx(b["value"] - a["value"], abs=1e-9)
        assert row["error"] == pytest.approx(math.hypot(a["mc_se"], b["mc_se"]), rel=1e-6)
    told = json.loads((report / "manifest.json").read_text(encoding="utf-8"))["runs"]
    assert (told["B"]["compared"], told["C"]["compared"]) == ("paired", "independent")
    assert "cohorts differ" in told["C"]["because"]


def test_pairing_goes_by_the_patients_themselves(base: Path, deadlier: Path, tmp_path: Path) -> None:
    """A record that claims the same cohort does not make other patients twins."""
    forged = tmp_path / "forged"
    shutil.copytree(deadlier, forged)
    people = pd.read_parquet(forged / "patients.parquet")
    people.loc[people["patient"] == 7, "age"] += 1.0
    people.to_parquet(forged / "patients.parquet")
    assert pairing(opened("A", str(base)), opened("B", str(deadlier))).paired
    apart = pairing(opened("A", str(base)), opened("B", str(forged)))
    assert not apart.paired
    assert "age" in apart.why


def test_settings_that_differ_are_named(report: Path, base: Path) -> None:
    table = pd.read_csv(report / "runs_settings.csv").set_index("key")
    assert float(table.loc["clinic.transplant.trm.value", "B"]) == 0.1
    assert table.loc["clinic.transplant.trm.value", "A"] == table.loc["clinic.transplant.trm.value", "C"]
    assert table.loc["cohort.label", "C"] == "ELIANA"
    assert table.loc["policy.reinfusion", "A"] == "–"
    assert not [key for key in table.index if key.startswith(("out", "quiet", "policy.watch"))]


def test_only_differences_are_listed() -> None:
    trees = [{"a": 1, "b": {"c": 2, "d": None}, "e": [1]}, {"a": 1, "b": {"c": 3}, "e": {"label": "E"}}]
    assert list(differing(trees)) == [("b.c", ["2", "3"]), ("b.d", ["none", "–"]), ("e", ["[1]", "E"])]
    assert list(differing([{"a": 1}, {"a": True}])) == [("a", ["1", "true"])]


def test_what_only_some_runs_have_is_told(report: Path) -> None:
    table = pd.read_csv(report / "runs_presence.csv")
    policies = table[table["kind"] == "policy"].set_index("name")
    assert policies.loc["reinfusion"].tolist() == ["policy", "C", "A B"]
    assert policies.loc["selective"].tolist() == ["policy", "A B", "C"]


def test_the_page_says_how_and_shows_the_differences(report: Path) -> None:
    html = (report / "report.html").read_text(encoding="utf-8")
    assert "Run B is compared with run A patient by patient" in html
    assert "Run C is compared with run A as an independent sample" in html
    for anchor in ("runs", "runs_settings", "runs_outcomes", "runs_curves", "runs_every", "runs_presence", "record"):
        assert f'<section id="{anchor}"' in html
    assert 'id="survival"' not in html
    assert "<script" not in html


def test_one_run_has_its_own_report_drawn_again(base: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    shutil.copytree(base, small)
    for name in ("curves.csv", "paired.csv", "patients.parquet"):  # which would be drawn
        (small / name).unlink()
    before = {path.name: path.read_bytes() for path in small.iterdir()}
    folder = runner("report")(asked(small, out=tmp_path / "again"))
    assert sorted(path.name for path in folder.iterdir()) == ["figures", "report.html"]
    assert {path.name: path.read_bytes() for path in small.iterdir()} == before
    assert runner("report")(asked(small)) == small
    assert (small / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert {path.name: path.read_bytes() for path in small.iterdir() if path.name in before} == before


def test_runs_are_named_as_a_list_or_alone() -> None:
    assert settings_of("experiment=report", "runs=[outputs/a,outputs/b]").runs == ["outputs/a", "outputs/b"]
    assert settings_of("experiment=report", "runs=outputs/a").runs == ["outputs/a"]


@pytest.mark.slow
def test_the_same_runs_give_the_same_page(base: Path, deadlier: Path, tmp_path: Path) -> None:
    one = compared(base, deadlier, out=tmp_path / "report")
    first = {path.name: path.read_bytes() for path in one.rglob("*") if path.is_file()}
    compared(base, deadlier, out=tmp_path / "report")
    assert {path.name: path.read_bytes() for path in one.rglob("*") if path.is_file()} == first


def refused(*folders: Path) -> str:
    with pytest.raises(Problem) as problem:
        runner("report")(asked(*folders))
    return str(problem.value)


def test_what_cannot_be_compared_is_refused(base: Path, place: Path, tmp_path: Path) -> None:
    assert "needs folders of finished runs" in refused()
    assert f"did you mean '{base}'?" in refused(base, place / "bases")
    assert "no such folder" in refused(tmp_path / "nothing")
    assert "same folder" in refused(base, place / "." / "base")
    other = tmp_path / "other"
    other.mkdir()
    assert "is not the folder of a run" in refused(base, other)
    (other / "parts").mkdir()
    (other / "parts" / "run.json").write_text("{}", encoding="utf-8")
    assert "is not finished" in refused(base, other)


def test_runs_of_other_kinds_are_refused(base: Path, tmp_path: Path) -> None:
    validated = tmp_path / "validated"
    shutil.copytree(base, validated)
    (validated / "summary.csv").unlink()
    record = json.loads((validated / "manifest.json").read_text(encoding="utf-8"))
    write_manifest(record | {"experiment": "validate"}, validated)
    assert "experiment=validate, which has no outcomes by policy" in refused(base, validated)
    referral = tmp_path / "referral"
    shutil.copytree(base, referral)
    write_manifest(record | {"origin": "referral"}, referral)
    assert "count other people" in refused(base, referral)
    write_manifest(record | {"policies": {"mine": {"label": "Mine"}}}, referral)
    assert "no policy in common" in refused(base, referral)
    swept = tmp_path / "swept"
    shutil.copytree(base, swept / "0")
    shutil.copytree(base, swept / "1")
    assert f"runs=[{swept}/0,{swept}/1]" in refused(base, swept)


@pytest.mark.slow
def test_money_is_compared_patient_by_patient(tmp_path: Path) -> None:
    """Two whole runs: paired cost, QALYs and net benefit equal those from value.parquet."""
    own = ("origin=infusion", "quiet=true", "cohort.n=80", "policy=[watch,hct_for_all]", "engine=batch")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, more in zip(folders, ([], [TRM]), strict=True):
        runner("compare")(settings_of(*own, *more, f"out='{folder}'"))
    report = compared(*folders, out=tmp_path / "report")
    table = pd.read_csv(report / "runs_economics.csv")
    table = table[(table["run"] == "B") & (table["policy"] == "hct_for_all")]
    values = [pd.read_parquet(folder / "value.parquet").query("policy == 'hct_for_all'") for folder in folders]
    infused = pd.read_parquet(folders[0] / "patients.parquet").query("policy == 'hct_for_all'")["t_infusion"] < math.inf
    a, b = (value.set_index("patient").sort_index()[infused.to_numpy()] for value in values)
    cost = (b["cost_payer_discounted"] - a["cost_payer_discounted"]).to_numpy()
    qalys = (b["qalys_discounted"] - a["qalys_discounted"]).to_numpy()
    assert qalys.any()
    for measure, wtp, each in (("cost", 0, cost), ("qalys", 0, qalys), ("nmb", 100_000, 100_000 * qalys - cost)):
        (row,) = table[(table["measure"] == measure) & (table["wtp"] == wtp)].to_dict("records")
        assert row["pairing"] == "paired"
        assert row["difference"] == pytest.approx(each.mean(), rel=1e-6, abs=1e-6)
        assert row["error"] == pytest.approx(each.std(ddof=1) / np.sqrt(len(each)), rel=1e-6)
        assert row["difference"] == pytest.approx(
            row["value"]
            - pd.read_csv(report / "runs_economics.csv")
            .query("run == 'A' and policy == 'hct_for_all' and measure == @measure and wtp == @wtp")["value"]
            .iloc[0],
            rel=1e-6,
            abs=1e-4,
        )
