"""What ships: posterior files are whole and say where they come from; adoption changes numbers and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from sim.calibration.adopt import Calibrated, adopt_lines, adopt_structure, place_of, rewrite_lines
from sim.calibration.posterior import FOLDER, read_posterior, read_posterior_file, write_posterior
from sim.compose import settings_from
from sim.conf import conf_folder, options
from sim.evidence import unknown_sources
from sim.experiments.calibrate import REFERENCE, targets_hash
from sim.problems import Problem

SHIPPED = sorted(path.stem for path in FOLDER.glob("*.parquet"))
KEYS = ("biology.leukaemia.growth", "clinic.transplant.trm")


def provenance(draws: np.ndarray) -> dict[str, object]:
    return {"structure": "reference", "seed": 1, "mean": dict(zip(KEYS, draws.mean(axis=0), strict=True))}


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_posterior_file_is_read_back_and_has_the_same_bytes_twice(tmp_path: Path) -> None:
    draws = np.array([[1.234567891, 0.1], [1.5, 0.123456789]])
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_posterior(first, KEYS, draws, provenance(draws))
    write_posterior(second, KEYS, draws, provenance(draws))
    assert first.read_bytes() == second.read_bytes()
    sample = read_posterior_file(first)
    assert sample.keys == KEYS
    assert sample.draws == pytest.approx(draws, rel=1e-5)
    assert sample.row(3) == sample.row(1)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    draws, path = np.array([[1.2, 0.1], [1.5, 0.2]]), tmp_path / "a.parquet"
    write_posterior(path, KEYS, draws, provenance(draws))
    table = pq.read_table(path)
    forged = table.set_column(1, KEYS[1], pa.array([0.01, 0.02]))
    pq.write_table(forged.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(Problem, match="changed after it was written"):
        read_posterior_file(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(Problem, match="says nothing about where it comes from"):
        read_posterior_file(path)
    path.write_text("no parquet")
    with pytest.raises(Problem, match="cannot be read as a posterior sample"):
        read_posterior_file(path)


def test_a_structure_without_a_sample_says_how_to_make_one() -> None:
    with pytest.raises(Problem, match=r"no posterior sample.*experiment=calibrate structure=refrence"):
        read_posterior("refrence")


# --- adoption --------------------------------------------------------------------------------------------------------

FILE = """\
# Clones.
growth:   # a comment that stays
  {about: "regrowth, {median}", value: 1.36, unit: log10 per month, distribution: uniform, low: 0.8, high: 2.2,
   source: "structure RS", status: assumed}
kill: {about: x, value: 2, unit: log10 per month, distribution: normal, low: 1, high: 3, source: "-", status: assumed}
"""


def test_rewriting_changes_these_scalars_and_no_other_byte() -> None:
    text = rewrite_lines(FILE, {"growth": {"value": 1.5, "low": 1.25, "status": "calibrated"}})
    expected = FILE.replace("value: 1.36", "value: 1.5").replace("low: 0.8", "low: 1.25")
    assert text == expected.replace('"structure RS", status: assumed', '"structure RS", status: calibrated')
    with pytest.raises(Problem, match="no 'grwth'"):
        rewrite_lines(FILE, {"grwth": {"value": 1.0}})


def test_adopted_lines_are_valid_settings_with_the_numbers_given(tmp_path: Path) -> None:
    lines = dict(settings_from().lines())
    results = {
        "biology.leukaemia.growth": Calibrated(1.41237, 1.1, 1.8),
        "clinic.transplant.trm": Calibrated(0.0612, 0.03, 0.11),
        "product.catalogue.academic_cd28.expansion": Calibrated(-1.2, -1.9, -0.4),
    }
    for key in results:
        file = place_of(key)[0]
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text((conf_folder() / file).read_text(encoding="utf-8"), encoding="utf-8")
    changed = adopt_lines(tmp_path, lines, results)
    assert len(changed) == 3
    for key, result in results.items():
        file, path = place_of(key)
        node = yaml.safe_load((tmp_path / file).read_text(encoding="utf-8"))
        before = yaml.safe_load((conf_folder() / file).read_text(encoding="utf-8"))
        for name in path.split("."):
            node, before = node[name], before[name]
        line = type(lines[key]).model_validate(node)
        assert line.value == pytest.approx(result.value, rel=1e-3)
        assert (line.low, line.high, line.status) == (result.low, result.high, "calibrated")
        assert (line.source, line.unit, line.about) == (before["source"], before["unit"], before["about"])


def test_a_structure_has_a_file_of_its_own(tmp_path: Path) -> None:
    lines = dict(settings_from().lines())
    path = adopt_structure(tmp_path_conf(tmp_path), "no_eradication", lines, {KEYS[0]: Calibrated(1.6, 1.2, 2.0)})
    assert path.read_text(encoding="utf-8").startswith("# @package _global_\n")
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert written["biology"]["leukaemia"]["growth"]["value"] == 1.6


def tmp_path_conf(folder: Path) -> Path:
    (folder / "structure" / "calibrated").mkdir(parents=True)
    return folder


def test_lines_that_describe_cohorts_are_not_adopted() -> None:
    with pytest.raises(Problem, match="not adopted"):
        place_of("cohort.practice.hct_share")


# --- what is shipped -------------------------------------------------------------------------------------------------


def test_every_structure_ships_a_sample_of_its_own() -> None:
    assert sorted(SHIPPED) == sorted(options("structure"))


@pytest.mark.parametrize("structure", SHIPPED)
def test_a_shipped_sample_belongs_to_what_is_shipped(structure: str) -> None:
    """Whole; fitted to the targets as they stand; every column a free line; base case and interval are its own."""
    sample = read_posterior(structure)
    assert sample.provenance["structure"] == structure
    assert sample.provenance["targets_hash"] == targets_hash(), "the targets changed: calibrate again"
    settings = settings_from([f"structure={structure}"])
    lines = dict(settings.lines())
    free = set(settings.calibration.parameters) - set(settings.structure.fixes)
    assert set(sample.keys) == free
    assert 1000 <= len(sample.draws) <= 2000
    low, high = np.quantile(sample.draws, [0.025, 0.975], axis=0)
    for i, key in enumerate(sample.keys):
        line = lines[key]
        assert line.status == "calibrated", key
        assert line.value == pytest.approx(sample.mean[key], rel=1e-9), key
        assert sample.mean[key] == pytest.approx(sample.draws[:, i].mean(), rel=1e-3), key
        assert line.low == pytest.approx(low[i], rel=0.01, abs=1e-3), key
        assert line.high == pytest.approx(high[i], rel=0.01, abs=1e-3), key


@pytest.mark.parametrize("structure", SHIPPED)
def test_every_draw_is_possible(structure: str) -> None:
    sample = read_posterior(structure)
    lines = dict(settings_from([f"structure={structure}"]).lines())
    for i, key in enumerate(sample.keys):
        for value in (sample.draws[:, i].min(), sample.draws[:, i].max()):
            lines[key].at(float(value))


@pytest.mark.parametrize("structure", options("structure"))
def test_a_structure_changes_what_it_says_it_fixes(structure: str) -> None:
    settings = settings_from([f"structure={structure}"])
    base, lines = dict(settings_from().lines()), dict(settings.lines())
    assert settings.structure.name == structure
    fixed = set(settings.structure.fixes)
    assert fixed <= set(lines)
    calibrated = set(settings.calibration.parameters)
    for key, line in lines.items():
        if key not in fixed and key not in calibrated:
            assert line == base[key], key
    if structure != REFERENCE:
        assert any(lines[key].value != base[key].value for key in fixed)


def test_priors_rest_on_known_sources_and_on_no_target() -> None:
    from sim.calibration.priors import check_priors
    from sim.calibration.study import load_studies

    settings = settings_from()
    used = [t.source for study in load_studies() for t in study.targets() if t.fitted]
    check_priors(settings.calibration.parameters, dict(settings.lines()), used)
    for key, prior in settings.calibration.parameters.items():
        assert not unknown_sources(prior.source), key


def test_a_bad_calibration_is_refused() -> None:
    with pytest.raises(Problem, match=r"calibration.*starts \(300\) cannot exceed design"):
        settings_from(["calibration.starts=300"])
    with pytest.raises(Problem, match=r"weights must add up to 1"):
        settings_from(["calibration.weights={reference: 0.4, no_eradication: 0.4}"])
