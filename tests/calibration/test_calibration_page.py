"""Tables, figures and page of a calibration: every miss and every unidentified parameter is named."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from models.remission import PARAMETERS, PRIORS, TRUTH, Remission, published, target, truth

from sim.calibration.fit import Fit, Fitting
from sim.calibration.settings import Calibration
from sim.calibration.store import Runs, Store
from sim.experiments.calibrate import check_table, fit_table, is_met, parameter_table, start_table, study_table
from sim.report import page
from sim.report.frames import Frames
from sim.report.gallery import figures

LINES = {key: SimpleNamespace(about=f"the {key}", unit="logit") for key in PARAMETERS.keys}
BUDGET = Calibration(
    patients=1, search_patients=1, design=16, starts=2, iterations=10, rounds=1, local=40, spread=1.0, walkers=24,
    steps=300, keep=300, check=6, replicates=0, discrepancy=0.1, adopt=False, weights=None, parameters=PRIORS,
)  # fmt: skip


@cache
def fit() -> Fit:
    """Fit a trial in which one quantity contradicts the others and nothing tells of the response at high burden."""
    targets = [t for t in published(truth(TRUTH)) if t.name not in ("response high", "response ratio")]
    targets[2] = dataclasses.replace(targets[2], value=0.95, low=0.9, high=0.98, interval="95% CI", assumed=False)
    keep = [0, 2, 3, 4, 5]
    shown = dataclasses.replace(target("response high", 0.5), fitted=False)

    class Part(Remission):
        def __call__(self, values):  # type: ignore[no-untyped-def]
            return truth(values)[[*keep, 1]]

    runs = Runs(Part([*targets, shown]), PARAMETERS, Store(None, 4))
    return Fitting(runs, runs, PARAMETERS, [*targets, shown], BUDGET, 1).run()


def frames() -> Frames:
    return Frames(
        manifest={"experiment": "calibrate", "structure": {"label": "<Toy>"}, "diagnostics": {"ess_least": 12.0}},
        fit=fit_table(fit()),
        posterior=parameter_table(fit(), LINES),
        draws=_draws(),
        studies=study_table(fit()),
        starts=start_table(fit()),
    )


def _draws():  # type: ignore[no-untyped-def]
    import pandas as pd

    return pd.DataFrame(fit().draws, columns=[f"toy.{key}" for key in PARAMETERS.keys])


def test_the_table_says_what_is_met_and_what_is_missed() -> None:
    table = fit_table(fit()).set_index("target")
    assert not table.loc["relapse-free 12", "met"]
    assert not table.loc["response high", "fitted"]
    assert table.loc["response low", "met"]
    assert table.loc["response low", "z"] == pytest.approx(0.0, abs=0.5)
    assert np.all(table["model_low"] <= table["model_high"])


def test_a_quantity_is_met_inside_its_interval_or_its_assumed_error() -> None:
    known = dataclasses.replace(target("response low", 0.8), low=0.7, high=0.9, interval="95% CI")
    assert is_met(known, 0.71, -9.0)
    assert not is_met(known, 0.69, 0.1)
    spread = dataclasses.replace(known, interval="range")
    assert is_met(spread, 0.1, 1.9)
    assert not is_met(spread, 0.8, 2.0)


def test_what_data_do_not_tell_is_not_identified() -> None:
    table = parameter_table(fit(), LINES).set_index("key")
    assert not table.loc["burden", "identified"]
    assert table.loc["burden", "ratio"] == pytest.approx(1.0, abs=0.25)
    assert table.loc["response", "identified"]
    assert table.loc["response", "shrinkage"] > 0.9


def test_studies_and_starts_and_check_have_a_row_each() -> None:
    assert list(study_table(fit())["study"]) == ["first", "second", "third"]
    assert int(study_table(fit())["quantities"].sum()) == 5
    assert len(start_table(fit())) == 2
    assert list(start_table(fit())["log_posterior"]) == sorted(start_table(fit())["log_posterior"], reverse=True)
    assert np.all(check_table(fit())["rms"].to_numpy() < 0.2)


def test_the_page_names_misses_and_what_is_not_identified(tmp_path: Path) -> None:
    drawn = figures(frames(), tmp_path / "figures")
    assert {figure.name for figure in drawn} == {"fit", "residuals", "posterior", "pairs"}
    html = page.render(frames(), drawn, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Calibration: &lt;Toy&gt;" in html
    met = int(frames().fit.query("fitted")["met"].sum())  # type: ignore[union-attr]
    assert met < 5
    assert f"{met} of 5" in html
    assert "relapse-free 12" in html.split("Missed:")[1].split("</ul>")[0]
    assert "<code>burden</code>" in html.split("Not identified")[1].split("</p>")[0]
    again = figures(frames(), tmp_path / "again")
    assert [f.svg.read_bytes() for f in again] == [f.svg.read_bytes() for f in drawn]


def test_the_page_shows_curves_through_the_published_points(tmp_path: Path) -> None:
    import pandas as pd

    common = {"study": "first", "study_label": "First", "curve": "os", "label": "OS", "kind": "model"}
    curve = pd.DataFrame([common | {"months": m, "estimate": 1.0 - 0.02 * m, "low": 0.5, "high": 1.0} for m in (0, 9)])
    point = pd.DataFrame([common | {"kind": "published", "months": 6.0, "estimate": 0.9, "low": 0.8, "high": 0.95}])
    both = dataclasses.replace(frames(), validation_curves=pd.concat([curve, point]))
    drawn = figures(both, tmp_path / "figures")
    assert "overlays" in {figure.name for figure in drawn}
    html = page.render(both, drawn, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 curves through 1 published points." in html
