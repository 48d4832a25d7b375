"""The experiment: what it writes, what it says, and lives that begin with a transplant."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import live

from sim.calibration.emulation import study_settings
from sim.calibration.study import load_studies, shipped_studies
from sim.compose import settings_from
from sim.experiments import validate
from sim.experiments.validate import COLUMNS, CURVE_COLUMNS
from sim.problems import Problem
from sim.program import run as run_program
from sim.settings import load
from sim.usage import Arguments

MINE = """
label: Mine
cohort: real_world_us
quantities:
  cr: {kind: proportion, of: {cr: true}, value: 82, n: 30}
  low: {kind: proportion, of: {cr: true}, value: 5, n: 3000}
  os_12: {kind: survival, endpoint: os, months: 12, label: OS at 12 months, value: 70, n: 30}
  os_24: {kind: survival, endpoint: os, months: 24, label: OS at 24 months, value: 60, n: 30}
  median: {kind: median, endpoint: os, value: 90, se: 0.2}
  infants: {kind: survival, endpoint: os, months: 12, among: {age: "<0.1"}, value: 50, n: 10}
  mrd: {kind: proportion, of: {ngs_day28: true}, among: {cr: true}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("validate")
    (place / "mine.yaml").write_text(MINE, encoding="utf-8")
    words = ["experiment=validate", f"validate.file={place}/mine.yaml", "validate.patients=1500", f"out={place}/out"]
    run_program(Arguments(overrides=[*words, "quiet=true"]))
    return place / "out"


def test_the_same_run_again_gives_the_same_bytes(folder: Path) -> None:
    before = {
        name: (folder / name).read_bytes() for name in ("validate.csv", "validate_curves.csv", "figures/targets.svg")
    }
    mine = folder.parent / "mine.yaml"
    words = ["experiment=validate", f"validate.file={mine}", "validate.patients=1500", f"out={folder}", "quiet=true"]
    run_program(Arguments(overrides=words))
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_table_holds_published_model_and_verdict(folder: Path) -> None:
    table = pd.read_csv(folder / "validate.csv", keep_default_na=False, na_values=[""])
    assert tuple(table.columns) == COLUMNS
    rows = table.set_index("quantity")
    assert rows.loc["cr", "within"] == "yes"
    assert rows.loc["low", "within"] == "no"
    assert rows.loc["low", "z"] > 1.96
    assert rows.loc["cr", "published"] == 0.82
    assert rows.loc["cr", "assumed"] == "yes"
    assert 0 < rows.loc["cr", "mc_se"] < 0.02
    for name, reason in (("median", "never reached"), ("infants", "nobody is in this group")):
        assert np.isnan(rows.loc[name, "model"])
        assert reason in rows.loc[name, "note"]
        assert rows["within"].isna()[name]
    assert np.isnan(rows.loc["mrd", "published"])
    assert rows["fitted"].isna()["mrd"]


def test_curve_passes_through_the_model_value_of_its_points(folder: Path) -> None:
    curves = pd.read_csv(folder / "validate_curves.csv")
    assert tuple(curves.columns) == CURVE_COLUMNS
    rows = pd.read_csv(folder / "validate.csv").set_index("quantity")
    os = curves[(curves["curve"] == "os_12")]
    model = os[os["kind"] == "model"].set_index("months")["estimate"]
    assert model[0.0] == 1.0
    assert (np.diff(model) <= 0).all()
    assert model[12.0] == pytest.approx(rows.loc["os_12", "model"])
    assert model[24.0] == pytest.approx(rows.loc["os_24", "model"])
    assert os[os["kind"] == "published"]["estimate"].tolist() == [0.7, 0.6]


def test_report_and_record_tell_what_was_missed(folder: Path) -> None:
    record = json.loads((folder / "manifest.json").read_text())
    assert (record["targets_met"], record["targets"]) == (3, 6)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<strong>3 of 6</strong> targets lie within" in page
    assert "the median is never reached" in page
    assert (folder / "figures" / "targets.svg").exists()
    assert (folder / "figures" / "overlays.svg").exists()


def test_terminal_table_names_misses_and_what_does_not_exist(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    validate.show(pd.read_csv(folder / "validate.csv", keep_default_na=False, na_values=[""]).fillna({"note": ""}))
    text = capsys.readouterr().out
    assert "3 of 6 targets" in text
    assert "outside" in text
    assert "never reached" in text


def test_overrides_of_the_run_reach_the_studies(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    words = ["experiment=validate", f"validate.file={path}", "validate.patients=1000", "quiet=true"]
    usual, _ = validate.compare(settings_from(words), load_studies([path]))
    changed = "biology.leukaemia.response"
    low = [*words, f"{changed}.value=-2", f"{changed}.low=-3"]
    worse, _ = validate.compare(settings_from(low), load_studies([path]))
    assert worse["model"][0] < usual["model"][0] - 0.3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["validate.file=elina"], "did you mean 'eliana'"),
        (["validate.fil=x"], "validate.file"),
        (["validate.patients=0"], "validate.patients"),
        (["hospital=small_centre", "engine=simpy", "hospital.arrivals.per_year=40"], "without queues"),
    ],
)
def test_wrong_calls_are_explained(words: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=said):
        run_program(Arguments(overrides=["experiment=validate", f"out={tmp_path}/out", "quiet=true", *words]))
    assert not (tmp_path / "out").exists()


def test_settings_are_read_back_by_either_name() -> None:
    settings = settings_from(["experiment=validate", "validate.patients=77"])
    for by_alias in (True, False):
        assert load(settings.model_dump(mode="json", by_alias=by_alias)) == settings


# --- lives that begin with a transplant -------------------------------------------------------------------------------


def forum(*changes: tuple[str, float]) -> tuple[object, int]:
    study = next(load_studies([path])[0] for path in shipped_studies() if path.stem == "forum_tbi")
    return study_settings(settings_from(["experiment=validate"]), study).with_values(dict(changes)), study.first


def test_transplant_trials_live_alike_on_both_engines() -> None:
    settings, first = forum()
    batch = live(settings, "hct_trial", 60, first=first)  # type: ignore[arg-type]
    assert batch.bytes() == live(settings, "hct_trial", 60, first=first, engine="simpy").bytes()  # type: ignore[arg-type]


def test_everybody_is_transplanted_on_day_0_and_nobody_has_car_t_cells() -> None:
    settings, first = forum()
    lives = live(settings, "hct_trial", 500, first=first).lives  # type: ignore[arg-type]
    assert (lives["t_hct"] == 0.0).all()
    assert np.isinf(lives["t_infusion"]).all()
    assert (lives["hct_conditioning"][lives["hcts"] == 1] == 1).all()  # irradiated
    assert np.isfinite(lives["t_relapse"]).any()


def test_without_residual_disease_nobody_relapses_after_a_transplant() -> None:
    settings, first = forum()
    from support import attributes_of

    table = attributes_of(settings, first, 500)  # type: ignore[arg-type]
    table["burden"] = -12.5
    lives = live(settings, "hct_trial", 500, first=first, attributes=table).lives  # type: ignore[arg-type]
    assert np.isinf(lives["t_relapse"]).all()
    table["burden"] = -2.0
    more = live(settings, "hct_trial", 500, first=first, attributes=table).lives  # type: ignore[arg-type]
    table["burden"] = -5.0
    less = live(settings, "hct_trial", 500, first=first, attributes=table).lives  # type: ignore[arg-type]
    assert np.isfinite(more["t_relapse"]).sum() > np.isfinite(less["t_relapse"]).sum() > 0
