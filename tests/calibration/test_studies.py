"""Study files: what ships equals the evidence, nothing is left out unsaid, every study runs, mistakes are explained."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from support import settings_of

from sim.calibration.emulation import study_settings, worlds_of
from sim.calibration.evaluator import FastEvaluator
from sim.calibration.quantities import KINDS
from sim.calibration.study import Study, cohort_data, load_studies, load_study, shipped_studies
from sim.compose import settings_from
from sim.conf import conf_folder, groups
from sim.evidence import evidence
from sim.experiments.validate import distance
from sim.problems import Problem
from sim.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
STUDIES = load_studies()
#: The lists of targets: rows of the evidence table, by what asks for them.
LISTED = """
RESP02 RESP03 SURV01a SURV04a SURV02 SURV08 WAIT01 WAIT02 WAIT03
BCA02 BCA03 BCA09 MRD01 MRD02 MRD03 MRD04 REL02 REL11a REL11b REL11c
RESP12 RISK18 RISK19 RISK20 RISK21 RISK22 RISK02 RISK03
RISK09 RISK10 RISK11 RISK12 RISK13 LD09a LD09b LD02b LD03b RISK04 RISK05 RISK06 RISK07
RESP07 SURV18a SURV18b SURV18c SURV19a SURV19b PHCT01 PHCT02 PHCT03 PHCT04
RESP04 SURV10a SURV10b SURV10c CRS06a CRS07a CRS12c CRS08 CRS09 CRS10a NT06a NT06b CRS11 NT08
CRS17a ICAHT05a ICAHT06a ICAHT06b ICAHT02 HCT11 HCT12b RESP16 HCT12a REIN03 REIN04 REIN06a REIN06b BCA10
REL12 REL13a REL13b REL13c HCT16a HCT16b HCT16c HCT17a HCT17b HCT17c HCT21a HCT21b HCT21c HCT18a HCT18b HCT18e HCT18f
SURV27a SURV27b SURV27c SURV04b BCA13 MRD02 RESP10 SURV28a SURV28c REL10 REL15b
HCT20a HCT20b HCT20c HCT20d HCT20e HCT20f HCT23a HCT23b HS03 INF01a INF01b INF01d
""".split()


@pytest.fixture(scope="module")
def base() -> Settings:
    return settings_from(["experiment=validate"])


def written(tmp_path: Path, text: str, name: str = "mine") -> Path:
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# --- what ships -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_published_numbers_are_those_of_the_evidence(study: Study) -> None:
    rows = evidence()
    for name, quantity in study.quantities.items():
        if quantity.source == "-":
            assert quantity.value is None, name
            continue
        row = rows.loc[quantity.source]
        assert quantity.value == row["value"], name
        for end in ("low", "high", "n"):
            mine, theirs = getattr(quantity, end), row[end]
            assert (mine is None and math.isnan(theirs)) or mine == theirs, f"{name}: {end}"
        assert quantity.status == row["status"], name
        has_limits = not (math.isnan(row["low"]) and math.isnan(row["high"]))
        assert quantity.interval == (row["interval"] or ("not stated" if has_limits else "")), name


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_months_of_a_curve_are_those_of_the_evidence(study: Study) -> None:
    rows = evidence()
    for name, quantity in study.quantities.items():
        months = getattr(quantity, "months", None)
        if months is not None and quantity.source != "-":
            assert months == rows.loc[quantity.source]["at_months"], name


def test_an_assumed_error_is_explained() -> None:
    for study in STUDIES:
        for name, quantity in study.quantities.items():
            if quantity.se is not None:
                assert quantity.note, f"{study.name}.{name}"


def test_every_listed_target_is_there_and_what_is_not_fitted_says_why() -> None:
    text = (DOCS / "targets.md").read_text(encoding="utf-8")
    fitted = {q.source for study in STUDIES for q in study.quantities.values() if q.fitted and q.value is not None}
    for row in LISTED:
        assert row in fitted or re.search(rf"\b{row}\b", text), (
            f"{row}: neither fitted nor explained in docs/targets.md"
        )
    for study in STUDIES:
        for name, quantity in study.quantities.items():
            if quantity.value is not None and not quantity.fitted:
                assert quantity.note or quantity.source in text, f"{study.name}.{name}"


def test_every_target_row_of_the_evidence_is_used_or_explained() -> None:
    text = (DOCS / "targets.md").read_text(encoding="utf-8")
    used = {q.source for study in STUDIES for q in study.quantities.values()}
    rows = evidence()
    for row in rows.index[rows["use"] == "calibration target"]:
        assert row in used or re.search(rf"\b{row}\b", text), f"{row}: not used, and docs/targets.md does not say why"


def test_names_and_targets_are_unique() -> None:
    targets = [target for study in STUDIES for target in study.targets()]
    assert len({(target.study, target.name) for target in targets}) == len(targets)
    assert all(math.isfinite(target.se) and target.se > 0 for target in targets if target.fitted)


def test_studies_are_no_choices_of_the_command_line() -> None:
    assert "targets" not in groups()
    assert {path.stem for path in shipped_studies()} == {study.name for study in STUDIES}


def test_every_shipped_study_runs(base: Settings) -> None:
    evaluator = FastEvaluator(base, STUDIES, patients=512, shown=True)
    found = evaluator.estimates({})
    assert len(found) == len(evaluator.targets) == sum(len(study.quantities) for study in STUDIES)
    for target, estimate in zip(evaluator.targets, found, strict=True):
        assert math.isfinite(estimate.value) or estimate.note, f"{target.study}.{target.name}"
        if target.scale == "proportion" and math.isfinite(estimate.value):
            assert 0.0 <= estimate.value <= 1.0


@pytest.mark.parametrize("name", ["base", "cd28", "eliana", "first_relapse"])
def test_cohort_files_are_merged_as_hydra_composes_them(name: str) -> None:
    import yaml

    from sim.cohort.settings import Cohort

    if name == "base":  # not a choice: others start from it
        assert cohort_data("base") == yaml.safe_load((conf_folder() / "cohort" / "base.yaml").read_text())
        return
    assert Cohort.model_validate(cohort_data(name)) == settings_of(f"cohort={name}").cohort


# --- a user's study ---------------------------------------------------------------------------------------------------


def test_the_ten_line_file_of_the_docs_does(base: Settings, tmp_path: Path) -> None:
    text = (DOCS / "validation.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(# my_study.yaml\n.*?)```", text, re.DOTALL)
    assert block is not None
    assert len(block.group(1).strip().splitlines()) <= 10
    evaluator = FastEvaluator(base, [written(tmp_path, block.group(1), "my_study")], patients=4096)
    assert len(evaluator.targets) >= 3
    assert all(math.isfinite(estimate.value) for estimate in evaluator.estimates({}))


def test_deltas_of_a_study_reach_its_patients(base: Settings, tmp_path: Path) -> None:
    study = load_study(
        written(
            tmp_path,
            """
label: Mine
cohort: {from: eliana, prior_hct: {share: {value: 0, low: 0}}, product: {shares: {tisa_cel: 0, brexu_cel: 1}}}
set: {clinic.transplant.tbi_share: 0.9}
quantities:
  hct: {kind: proportion, of: {prior_hct: true}}
  brexu: {kind: proportion, of: {product: brexu_cel}}
""",
        )
    )
    settings = study_settings(base.with_value("biology.leukaemia.kill", 0.77), study)
    lines = dict(settings.lines())
    assert lines["clinic.transplant.tbi_share"].value == 0.9
    assert lines["biology.leukaemia.kill"].value == 0.77  # the run's own values flow in
    assert settings.cohort.age == settings_of("cohort=eliana").cohort.age
    found = FastEvaluator(base, [study], patients=256, shown=True).estimates({})
    assert [estimate.value for estimate in found] == [0.0, 1.0]


def test_a_paper_may_lie_outside_the_range_of_the_cohort_it_starts_from(base: Settings, tmp_path: Path) -> None:
    text = """
label: Mine
cohort: {from: germany, prior_hct: {share: {value: 0.93}}}
quantities: {hct: {kind: proportion, of: {prior_hct: true}}}
"""
    study = load_study(written(tmp_path, text))
    assert study_settings(base, study).cohort.prior_hct.share.high < 0.93
    found = FastEvaluator(base, [study], patients=512, shown=True).estimates({})[0]
    assert abs(found.value - 0.93) < 4.0 * found.error


def test_studies_of_one_world_share_it_and_others_do_not(base: Settings) -> None:
    by_name = {study.name: study for study in STUDIES}
    some = [by_name[name] for name in ("eliana", "eliana_itt", "eliana_pooled", "germany")]
    assert len(worlds_of(base, some, 64)) == 2
    assert by_name["eliana"].first == by_name["eliana_itt"].first != by_name["germany"].first


WRONG = [
    ("cohort: real_world", "cohort: unknown cohort 'real_world', did you mean 'real_world_us'?"),
    ("cohort: {from: elana}", "did you mean 'eliana'?"),
    ("originn: referral", "unknown key 'originn': did you mean 'origin'?"),
    ("origin: enrolment", "origin: 'enrolment' is not possible"),
    ("weight: 2", "weight"),
    ("quantities: {}", "quantities: list one at least"),
    ("quantities: {cr: 5}", "quantities.cr: must hold keys and values"),
    (
        "quantities: {cr: {kind: proportions}}",
        "quantities.cr.kind: 'proportions' is not possible, did you mean 'proportion'?",
    ),
    ("quantities: {cr: {kind: proportion, of: {crs: true}}}", "quantities.cr.of: unknown attribute 'crs'"),
    ("quantities: {cr: {kind: proportion, of: {karyotype: x}}}", "the names are listed in docs/validation.md"),
    ("quantities: {cr: {kind: survival, endpoint: os, mnths: 3}}", "did you mean 'months'?"),
    ("quantities: {cr: {kind: proportion, of: {cr: true}, source: RESP99}}", "unknown source 'RESP99', did you mean"),
    (
        "quantities: {os: {kind: survival, endpoint: os, months: 12, value: 0.74, n: 6000}}",
        "quantities.os: value (0.74) is no share of whole patients: publications stand in percent (74)",
    ),
    ("quantities: {cr: {kind: proportion, of: {cr: true}, value: 0.82, n: 60}}", "publications stand in percent (82)"),
    ("quantities: {cr: {kind: proportion, of: {cr: true}, value: 0.88, n: 60}}", "publications stand in percent (88)"),
    (
        "quantities: {r: {kind: proportion, of: {cr: true}, value: 0.35, low: 0.31, high: 0.39, interval: 95%CI}}",
        "publications stand in percent (35)",
    ),
    ("quantities: {cr: {kind: proportion, of: {cr: true}, value: 82, se: 5}}", "se (5) is that of a logit"),
    ("quantities: {cr: {kind: proportion, of: {cr: true}, value: 0, low: 0, high: 23, interval: 95% CI}}", "needs n"),
    ("quantities: {cr: {kind: proportion, of: {burden: '>=5'}}}", "burden: 5 is out of range; write percent"),
    ("quantities: {cr: {kind: proportion, of: {blasts: {at_least: 5}}}}", "blasts: 5 is out of range; write percent"),
    ("quantities: {cr: {kind: proportion, of: {burden: {above: 0%}}}}", "burden: a percentage must be greater than 0"),
    ("cohort: {from: eliana, from: germany}", "line 2: 'from' stands twice"),
    ("cohort: {from: eliana, age: {median: 9, median: 10}}", "'median' stands twice"),
]


@pytest.mark.parametrize(
    ("value", "rest"),
    [(0.4, "n: 703"), (0.1, "n: 703"), (0.9, "n: 111"), (0.4, "low: 0.1, high: 0.9, interval: 95%CI"), (1, "n: 100")],
)
def test_a_share_of_a_percent_or_less_may_be_one(tmp_path: Path, value: float, rest: str) -> None:
    rare = f"{{death: {{kind: proportion, of: {{died: true}}, value: {value}, {rest}}}}}"
    study = load_study(written(tmp_path, f"label: x\ncohort: eliana\nquantities: {rare}"))
    assert study.targets()[0].value == pytest.approx(value / 100.0)


def test_nobody_and_everybody_of_a_small_series_are_judged(tmp_path: Path) -> None:
    """Half a patient is added to each side (empirical logit); nothing lies beyond nobody and everybody."""
    text = (
        "label: x\ncohort: eliana\nquantities:\n"
        "  none: {kind: proportion, of: {died: true}, value: 0, n: 14}\n"
        "  all: {kind: proportion, of: {died: true}, value: 100, n: 14}\n"
    )
    study = load_study(written(tmp_path, text))
    none, everybody = study.targets()
    share = 0.5 / 15.0
    assert [none.se, everybody.se] == pytest.approx([1.0 / math.sqrt(14.0 * share * (1.0 - share))] * 2)
    low, high = study.quantities["none"].bounds()
    logit = math.log(share / (1.0 - share))
    assert low == 0.0
    assert math.log(high / (1.0 - high)) == pytest.approx(logit + 1.959963984540054 * none.se)
    assert study.quantities["all"].bounds() == pytest.approx((1.0 - high, 1.0))
    for model in (0.0, 0.01, share):
        assert [distance(none, model), distance(everybody, 1.0 - model)] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert distance(none, high) == pytest.approx(1.959963984540054)
    assert distance(everybody, 1.0 - high) == pytest.approx(-1.959963984540054)


@pytest.mark.parametrize("written_so", ["95% CI", "95%CI", "95 % ci", "95% Ci"])
def test_an_interval_is_read_however_it_is_spelt(written_so: str) -> None:
    interval = {"kind": "proportion", "of": {"cr": True}, "value": 82, "low": 70, "high": 90, "interval": written_so}
    assert KINDS["proportion"].model_validate(interval).interval == "95% CI"


def test_a_product_that_does_not_exist_is_refused(base: Settings, tmp_path: Path) -> None:
    text = "label: x\ncohort: eliana\nquantities: {cr: {kind: proportion, of: {cr: true}, among: {product: obecel}}}"
    study = load_study(written(tmp_path, text))
    with pytest.raises(Problem, match=r"study mine: quantities\.cr: unknown product 'obecel', did you mean 'obe_cel'"):
        FastEvaluator(base, [study], patients=64, shown=True).estimates({})


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_wrong_file_is_explained(tmp_path: Path, line: str, said: str) -> None:
    good = {
        "label": "Mine",
        "cohort": "eliana",
        "quantities": "{cr: {kind: proportion, of: {cr: true}, value: 82, n: 79}}",
    }
    good[line.partition(":")[0]] = line.partition(": ")[2]
    path = written(tmp_path, "\n".join(f"{key}: {value}" for key, value in good.items()))
    with pytest.raises(Problem) as problem:
        load_study(path)
    assert str(path) in str(problem.value)
    assert said in str(problem.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("policy: wach", "did you mean 'watch'?"),
        ("policy: selective", "list it with 'policy=["),
        ("product: tisacel", "did you mean 'tisa_cel'?"),
        ("set: {clinic.transplant.tbi_shre: 1}", "did you mean 'clinic.transplant.tbi_share'?"),
        ("set: {clinic.transplant.tbi_share: 2}", "must be at most 1"),
        ("cohort: {from: eliana, burden: {shares: {above_40: 0.9}}}", "cohort.burden.shares: shares sum to"),
        ("cohort: {from: eliana, prior_hct: {shre: 1}}", "unknown key 'cohort.prior_hct.shre'"),
        ("cohort: {from: eliana, prior_hct: {share: {value: 1.2}}}", "cohort.prior_hct.share.value: must be at most 1"),
    ],
)
def test_a_study_that_does_not_fit_the_run_is_explained(base: Settings, tmp_path: Path, line: str, said: str) -> None:
    keys = {
        "label": "Mine",
        "cohort": "eliana",
        "quantities": "{cr: {kind: proportion, of: {cr: true}, value: 82, n: 79}}",
    }
    keys[line.partition(":")[0]] = line.partition(": ")[2]
    study = load_study(written(tmp_path, "\n".join(f"{key}: {value}" for key, value in keys.items())))
    with pytest.raises(Problem, match="study mine") as problem:
        study_settings(base, study)
    assert said in str(problem.value)


def test_broken_and_missing_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"broken YAML in .*line 2"):
        load_study(written(tmp_path, "label: [Mine\ncohort: eliana: x"))
    with pytest.raises(Problem, match="must hold keys and values"):
        load_study(written(tmp_path, "- a"))
    with pytest.raises(Problem, match="cannot be read"):
        load_study(tmp_path / "none.yaml")
    one = written(tmp_path, "label: A\ncohort: eliana\nquantities: {cr: {kind: proportion, of: {cr: true}}}")
    with pytest.raises(Problem, match="two studies are called 'mine'"):
        load_studies([one, one])
