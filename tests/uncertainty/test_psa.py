"""A probabilistic analysis: equal to the deterministic run without uncertainty, and the same however it is cut."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support import settings_of

from sim.experiments import psa, voi
from sim.experiments.answers import Examiner, means
from sim.experiments.inquiry import Stretch, covering, gaps
from sim.problems import Problem
from sim.uncertainty.distributions import held
from sim.uncertainty.draws import draws_of, posterior_of
from sim.uncertainty.settings import Psa

FEW = ("experiment=psa", "quiet=true", "origin=infusion", "cohort.n=40", "policy=[watch,selective,hct_for_all]")
EVERYTHING = ("cohort", "product", "biology", "clinic", "economics")
TABLES = ("psa.parquet", "draws.parquet", "psa_batches.parquet", "psa_acceptability.csv", "psa_variance.csv")


def few(folder=None, executor=None, **changes):
    """Settings of a small analysis; what belongs to ``psa`` is changed without composing again."""
    settings = settings_of(*FEW)
    update = {"psa": Psa.model_validate(settings.psa.model_dump() | changes), "out": str(folder)}
    if executor is not None:
        update["executor"] = settings.executor.model_copy(update=executor)
    return settings.model_copy(update=update)


def analysed(folder, executor=None, **changes):
    return psa.run(few(folder, executor, **changes))


def tables(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("psa") / "whole", draws=7, piece=7)


def test_without_uncertainty_every_draw_is_the_deterministic_run(tmp_path):
    folder = analysed(tmp_path / "certain", draws=3, hold=EVERYTHING)
    examiner = Examiner(settings_of(*FEW), 1)
    alone = means(examiner.answer({}), examiner.quantities)
    table = pd.read_parquet(folder / "psa.parquet")
    names = [column.name for column in examiner.quantities]
    for _, draw in table.groupby("draw"):
        np.testing.assert_allclose(draw[names].to_numpy(dtype=float), alone, rtol=1e-12)
    for name in names:
        assert table.groupby("policy")[name].nunique().eq(1).all()  # and every draw is the same, to the bit
    np.testing.assert_allclose(pd.read_csv(folder / "psa_evpi.csv")["evpi"], 0.0, atol=1e-6)
    assert len(pd.read_parquet(folder / "draws.parquet").columns) == 1


def test_drawing_every_line_at_its_value_changes_nothing():
    """Every standard error is 0: each draw writes hundreds of values, each the one that was there."""
    settings = few()
    draws = draws_of(settings)
    certain = replace(draws, distributions={key: held(line.value) for key, line in draws.lines.items()})
    examiner = Examiner(settings, 4)
    alone = examiner.answer({})
    for values in certain.values(0, 2):
        assert len(values) > 300
        assert np.array_equal(examiner.answer(values), alone)


def test_cut_otherwise_extended_and_interrupted_runs_give_the_same_bytes(whole, tmp_path):
    folder = analysed(tmp_path / "cut", draws=5, piece=2)
    assert json.loads((folder / "manifest.json").read_text())["draws"] == 5
    (folder / "parts" / "draws" / "00000002-00000004.parquet").unlink()  # as if it had not been done
    assert analysed(tmp_path / "cut", {"kind": "serial"}, draws=7, piece=3) == folder
    assert tables(folder) == tables(whole)


@pytest.mark.slow
def test_worker_processes_give_the_same_bytes(whole, tmp_path):
    folder = analysed(tmp_path / "workers", {"workers": 2}, draws=7, piece=2)
    assert tables(folder) == tables(whole)


def test_fewer_draws_than_a_folder_holds_are_refused(whole):
    with pytest.raises(Problem, match=r"psa\.draws=3: .*holds 7 draws already"):
        analysed(whole, draws=3)


def test_each_draw_is_the_run_of_settings_with_its_values(whole):
    settings = settings_of(*FEW)
    values = next(draws_of(settings, posterior_of(settings)).values(4, 1))
    examiner = Examiner(settings.with_values(values), 1)
    alone = means(examiner.answer({}), examiner.quantities)
    table = pd.read_parquet(whole / "psa.parquet")
    drawn = table[table["draw"] == 4][[column.name for column in examiner.quantities]].to_numpy(dtype=float)
    np.testing.assert_allclose(drawn, alone, rtol=1e-9)


def test_the_base_case_has_every_parameter_at_its_mean(whole):
    settings = settings_of(*FEW)
    examiner = Examiner(settings.with_values(draws_of(settings, posterior_of(settings)).means()), 1)
    alone = means(examiner.answer({}), examiner.quantities)
    base = pd.read_csv(whole / "psa_base.csv")
    np.testing.assert_allclose(base[[c.name for c in examiner.quantities]].to_numpy(dtype=float), alone, rtol=1e-8)


def joint(tmp_path, rows, name="joint.csv"):
    path = tmp_path / name
    pd.DataFrame(rows).to_csv(path, index=False)
    return str(path)


def test_rows_of_a_posterior_are_used_whole_and_its_mean_is_the_base_case(tmp_path):
    rows = {
        "clinic.transplant.trm": [0.04, 0.08, 0.16],
        "biology.leukaemia.growth.value": [1.0, 1.5, 2.0],
        "draw": [0, 1, 2],
    }
    draws = draws_of(settings_of(*FEW), joint(tmp_path, rows))
    table = pd.DataFrame(draws.table(0, 48), columns=draws.keys)
    pairs = set(zip(table["clinic.transplant.trm"], table["biology.leukaemia.growth"], strict=True))
    assert pairs == {(0.04, 1.0), (0.08, 1.5), (0.16, 2.0)}
    counts = table["clinic.transplant.trm"].value_counts()
    assert counts.min() >= 15  # 48 draws, evenly over 3 rows
    assert draws.means()["clinic.transplant.trm"] == pytest.approx(0.28 / 3)
    others = draws_of(settings_of(*FEW)).table(0, 48)
    place, other = (
        draws.keys.index("clinic.transplant.sos"),
        draws_of(settings_of(*FEW)).keys.index("clinic.transplant.sos"),
    )
    assert np.array_equal(table.to_numpy()[:, place], others[:, other])  # lines outside the file are drawn as before


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"clinic.transplant.trm": [0.1, 1.2]}, r"clinic\.transplant\.trm is 1\.2 in row 2, but must be at most 1"),
        (
            {"clinic.transplant.workup": [0.0, 3.0]},
            r"clinic\.transplant\.workup is 0 in row 1, but must be greater than 0",
        ),
        ({"clinic.transplant.most_hcts": [1.0, 1.5]}, r"most_hcts is 1\.5 in row 2, but must be a whole number"),
        ({"clinic.transplnt.trm": [0.1, 0.2]}, r"unknown parameter line 'clinic\.transplnt\.trm', did you mean"),
        ({"clinic.transplant.trm": ["a", "b"]}, r"clinic\.transplant\.trm holds something else than numbers"),
        ({"draw": [0, 1]}, "holds no draws"),
    ],
)
def test_an_impossible_posterior_is_refused_by_name(tmp_path, rows, message):
    with pytest.raises(Problem, match=message):
        draws_of(settings_of(*FEW), joint(tmp_path, rows))


def test_a_posterior_that_is_not_there_is_refused(tmp_path):
    joint(tmp_path, {"clinic.transplant.trm": [0.1]}, "mine.csv")
    with pytest.raises(Problem, match=r"no such file, did you mean 'mine\.csv'\?"):
        draws_of(settings_of(*FEW), str(tmp_path / "mime.csv"))


def test_an_impossible_draw_is_refused_not_clipped():
    """Draws are checked though shipped distributions cannot leave what is possible."""
    from sim.uncertainty.distributions import Distribution
    from sim.uncertainty.draws import Draws

    line = dict(settings_of(*FEW).lines())["clinic.transplant.trm"]
    wild = Distribution("wild", 0.5, 1.0, lambda u: 2.0 * u)
    with pytest.raises(Problem, match=r"clinic\.transplant\.trm: draw \d+ is 1\.\d+, but must be at most 1"):
        Draws(1, {"clinic.transplant.trm": line}, {"clinic.transplant.trm": wild}, None).table(0, 16)


def test_stretches_cover_each_world_once():
    done = covering([Stretch(4, 6), Stretch(0, 2), Stretch(1, 5), Stretch(8, 20)], 10)
    assert done == [Stretch(0, 2), Stretch(4, 6), Stretch(8, 20)]
    assert gaps(done, 10, 1) == [Stretch(2, 3), Stretch(3, 4), Stretch(6, 7), Stretch(7, 8)]


def test_emulated_practice_is_no_option_of_the_decision():
    settings = settings_of()
    assert set(settings.policy) - set(psa.options_of(settings)) == {"trial_practice"}


def test_one_priced_policy_is_analysed_and_has_nothing_to_decide(tmp_path):
    settings = few(tmp_path / "one", draws=50, piece=50)  # enough draws for low and high tenths
    alone = settings.model_copy(update={"policy": {name: settings.policy[name] for name in ("watch",)}})
    folder = psa.run(alone)
    assert (folder / "report.html").exists()
    assert pd.read_csv(folder / "psa_one_way.csv").empty
    with pytest.raises(Problem, match=r"has one priced policy \(watch\)"):
        voi.read(str(folder))


def test_the_sample_of_a_calibration_brings_its_own_means(tmp_path):
    from sim.calibration.posterior import write_posterior

    keys = ("clinic.transplant.trm", "biology.leukaemia.growth")
    rows = np.array([[0.05, 1.0], [0.07, 1.4], [0.1, 1.2]])
    path = tmp_path / "reference.parquet"
    write_posterior(path, keys, rows, {"mean": {keys[0]: 0.0733, keys[1]: 1.2}, "structure": "reference"})
    draws = draws_of(few(), str(path))
    assert draws.means()["clinic.transplant.trm"] == 0.0733  # as it stands in the parameter line, not 0.07333...
    table = pd.DataFrame(draws.table(0, 12), columns=draws.keys)
    assert {tuple(row) for row in table[list(keys)].to_numpy()} == {tuple(row) for row in rows}


def test_pictures_and_sections_are_in_the_report(whole):
    drawn = {path.stem for path in (whole / "figures").glob("*.svg")}
    assert drawn == {"psa_plane", "psa_acceptability"}  # seven draws do not show convergence
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "How sure is the decision" in page
    table = pd.read_csv(whole / "psa_acceptability.csv")
    best = table[(table["wtp"] == 100000.0) & table["best"]].iloc[0]
    assert f"{100 * best['probability']:.0f} ± {100 * best['probability_se']:.0f}" in page
