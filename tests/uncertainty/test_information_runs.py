"""Value of information of a linear-Gaussian decision: EVPI, EVPPI and EVSI have closed forms."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import norm
from support import settings_of

from sim.experiments import voi
from sim.problems import Problem
from sim.uncertainty.sequence import quasi_uniforms
from sim.uncertainty.settings import Study, Voi

DRAWS = 2048
MEAN, SD_A, SD_B, SD_PATIENT = 500.0, 3000.0, 1500.0, 20000.0
WORDS = ("experiment=voi", "quiet=true", "policy=[watch,selective]", "origin=infusion")


def closed(sd):
    """Expected gain of knowing the increment's part of this SD before choosing (increment's mean is `MEAN`)."""
    return sd * (norm.pdf(MEAN / sd) + MEAN / sd * norm.cdf(MEAN / sd)) - MEAN


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """A probabilistic analysis made up: net benefit of one option is MEAN + a + b, of the other 0."""
    folder = tmp_path_factory.mktemp("made_up")
    a, b, idle = (sd * ndtri(quasi_uniforms(1, name, 0, DRAWS)) for name, sd in (("a", SD_A), ("b", SD_B), ("c", 1.0)))
    pd.DataFrame({"draw": np.arange(DRAWS), "x.a": a, "x.b": b, "y.idle": idle}).to_parquet(folder / "draws.parquet")
    rows = {"draw": np.repeat(np.arange(DRAWS), 2), "policy": ["new", "old"] * DRAWS}
    costs = np.column_stack([-(MEAN + a + b), np.zeros(DRAWS)]).ravel()
    pd.DataFrame(rows | {"cost": costs, "qalys": 0.0}).to_parquet(folder / "psa.parquet")
    manifest = {"experiment": "psa", "settings_hash": "x", "draws": DRAWS, "n": 1, "seed": 1, "options": ["new", "old"]}
    manifest |= {"effect": "qalys", "effect_unit": "QALY", "wtp": [1.0], "policies": {}, "reference": "old"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def asked(analysis, out, study=None, **changes):
    settings = settings_of(*WORDS)
    groups = {"both": ("x",), "nothing drawn": ("z",)}
    whom = {"per_year": 100.0, "horizon_years": 10.0, "rate": 0.0, "source": "test"}
    given = {"groups": groups, "population": whom, "gaussian_process": 1} | changes
    studies = {} if study is None else {"mine": Study.model_validate(study)}
    update = {"run": str(analysis), "out": str(out), "study": studies}
    return settings.model_copy(update=update | {"voi": Voi.model_validate(settings.voi.model_dump() | given)})


def measuring(**measure):
    told = {"of": "x.a", "kind": "normal", "sd": SD_PATIENT, "source": "test"} | measure
    return {
        "label": "A study", "about": "measures a", "sizes": (40, 400), "measures": (told,), "fixed_cost": 1000.0,
        "cost_per_patient": 500.0, "years": 4.0, "source": "test", "status": "assumed",
    }  # fmt: skip


@pytest.fixture(scope="module")
def answers(analysis, tmp_path_factory):
    folder = voi.run(asked(analysis, tmp_path_factory.mktemp("voi") / "run", measuring()))
    return {name: pd.read_csv(folder / f"voi_{name}.csv") for name in ("evpi", "evppi", "evsi")}


def test_evpi_is_that_of_the_closed_form(answers):
    (row,) = answers["evpi"].to_dict("records")
    assert row["evpi"] == pytest.approx(closed(np.hypot(SD_A, SD_B)), abs=4 * row["se"])
    assert row["population_evpi"] == pytest.approx(1000 * row["evpi"])  # 100 a year for 10 years, undiscounted
    assert row["best"] == "new"


@pytest.mark.parametrize(
    ("of", "method", "sd"),
    [("x.a", "spline", SD_A), ("x.a", "gp", SD_A), ("x.b", "spline", SD_B), ("both", "gp", np.hypot(SD_A, SD_B))],
)
def test_evppi_is_that_of_the_closed_form(answers, of, method, sd):
    table = answers["evppi"]
    (row,) = table[(table["of"] == of) & (table["method"] == method)].to_dict("records")
    assert row["evppi"] == pytest.approx(closed(sd), abs=4 * row["se"])
    assert row["se"] < 0.2 * closed(SD_A)


def test_nothing_is_worth_more_than_everything_and_nothing_less_than_nothing(answers):
    table, perfect = answers["evppi"], answers["evpi"]["evpi"].iloc[0]
    assert table["evppi"].between(0.0, perfect).all()
    idle = table[table["of"] == "y.idle"].iloc[0]
    assert idle["evppi"] <= 4 * idle["se"]
    assert "nothing drawn" not in set(table["of"])


def test_evsi_and_its_net_benefit_are_those_of_the_closed_form(answers):
    for row in answers["evsi"].to_dict("records"):
        known = SD_A**2 / np.sqrt(SD_A**2 + SD_PATIENT**2 / row["size"])
        assert row["evsi"] == pytest.approx(closed(known), abs=4 * row["evsi_se"])
        assert row["population"] == pytest.approx(100.0 * 6.0)  # results come after 4 of 10 years
        assert row["enbs"] == pytest.approx(600.0 * row["evsi"] - 1000.0 - 500.0 * row["size"])


def test_only_a_share_of_patients_may_be_measured(analysis, tmp_path):
    whole = voi.run(asked(analysis, tmp_path / "whole", measuring(), single=False, groups={}))
    half = voi.run(asked(analysis, tmp_path / "half", measuring(share=0.1), single=False, groups={}))
    many, few = (pd.read_csv(folder / "voi_evsi.csv").set_index("size")["evsi"] for folder in (whole, half))
    assert few[400] == pytest.approx(many[40])  # a tenth of 400


def test_each_threshold_has_its_own_answers(analysis, tmp_path):
    folder = voi.run(asked(analysis, tmp_path / "run", wtp=(1.0, 2.0), single=False))
    assert pd.read_csv(folder / "voi_evpi.csv")["wtp"].tolist() == [1.0, 2.0]
    assert len(pd.read_csv(folder / "voi_evsi.csv")) == 0  # no study was asked for


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ({"of": "x.aa"}, r"study\.mine: 'x\.aa' was not drawn in the run .*did you mean 'x\.a'"),
        ({"kind": "binomial", "sd": None}, r"study\.mine: x\.a is no share"),
        ({"kind": "lognormal"}, r"study\.mine: x\.a is not always above 0"),
    ],
)
def test_a_study_of_something_else_is_refused(analysis, tmp_path, measure, message):
    with pytest.raises(Problem, match=message):
        voi.run(asked(analysis, tmp_path / "run", measuring(**measure)))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("measure", "message"),
    [({"sd": None}, "sd goes with normal"), ({"kind": "poisson", "sd": None}, "exposure goes with poisson")],
)
def test_a_measurement_without_its_numbers_is_refused(measure, message):
    with pytest.raises(ValueError, match=message):
        Study.model_validate(measuring(**measure))


def test_a_folder_that_is_no_analysis_is_refused(tmp_path, analysis):
    with pytest.raises(Problem, match="name a finished probabilistic analysis"):
        voi.read(None)
    (tmp_path / "manifest.json").write_text('{"experiment": "compare"}')
    with pytest.raises(Problem, match=r"is no finished probabilistic analysis \(it is an experiment=compare\)"):
        voi.read(str(tmp_path))


def test_pictures_and_sections_are_in_the_report(analysis, tmp_path):
    folder = voi.run(asked(analysis, tmp_path / "run", measuring(), single=False))
    assert {path.stem for path in (folder / "figures").glob("*.svg")} == {"voi_parameters", "voi_studies"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What is worth knowing" in page
    assert "A study" in page
