"""Bad input: one clear message that names key, value, rule and nearest name; exit code 2; nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.problems import Problem
from sim.settings import load

ROOT = Path(__file__).resolve().parents[2]

LINE: list[tuple[list[str], list[str]]] = [
    (["cohort=elianna"], ["cohort=elianna", "did you mean 'eliana'?"]),
    (["policy=[watch,selectve]"], ["policy=selectve", "did you mean 'selective'?"]),
    (["product=brexu"], ["product=brexu", "did you mean 'brexu_cel'?"]),
    (["experiment=compar"], ["experiment=compar", "did you mean 'compare'?"]),
    (["hospital=unlimitd"], ["hospital=unlimitd", "did you mean 'unlimited'?"]),
    (["sed=3"], ["unknown key 'sed'", "did you mean 'seed'?"]),
    (["polcy=[watch]"], ["unknown key 'polcy'", "did you mean 'policy'?"]),
    (["clinic/transplnt=default"], ["unknown group 'clinic/transplnt'", "did you mean 'clinic/transplant'?"]),
    (
        ["clinic.transplant.trn.value=0.1"],
        ["'clinic.transplant.trn.value'", "did you mean 'clinic.transplant.trm.value'?"],
    ),
    (
        ["clinic.transplant.trm.valu=0.1"],
        ["'clinic.transplant.trm.valu'", "did you mean 'clinic.transplant.trm.value'?"],
    ),
    (["clinic.trm.value=0.1"], ["unknown key 'clinic.trm.value'", "did you mean 'clinic.transplant.trm.value'?"]),
    (["+clinic.transplant.trmm=1"], ["unknown key 'clinic.transplant.trmm'", "did you mean 'clinic.transplant.trm'?"]),
    (["clinic.transplant.trm=0.1"], ["0.1 alone would drop", "set clinic.transplant.trm.value=0.1"]),
    (["clinic.transplant.trm.value=1.2"], ["clinic.transplant.trm.value: must be at most 1 (is 1.2)"]),
    (
        ["clinic.transplant.trm.value=0.9", "clinic.transplant.trm.high=0.5"],
        ["value (0.9) is above high (0.5)", "set clinic.transplant.trm.high=0.9"],
    ),
    (["clinic.transplant.trm.value=much"], ["clinic.transplant.trm.value", "valid number", "'much'"]),
    (["cohort.n=0"], ["cohort.n", "(is 0)"]),
    (["cohort.n=-5"], ["cohort.n", "(is -5)"]),
    (["cohort.n=2.5"], ["cohort.n", "(is 2.5)"]),
    (["policy.selectiv.bca_window_months=9"], ["did you mean 'policy.selective.bca_window_months'?"]),
    (["policy=watch", "policy.selective.bca_window_months=9"], ["policy 'selective' is not listed"]),
    (["policy.selective.options.confirm_day=9"], ["did you mean 'policy.selective.options.confirm_days'?"]),
    (["+policy.selective.options.confirm_day=9"], ["no rule refers to it", "did you mean 'confirm_days'?"]),
    (["policy=[]"], ["policy is missing"]),
    (
        ["policy.watch.set.clinic.supportive.early_tociluzumab=1"],
        ["policy.watch.set", "did you mean 'clinic.supportive.early_tocilizumab'?"],
    ),
    (["engine=batch", "hospital.pools.icu=2"], ["engine=batch", "icu=2", "engine=simpy", "engine=ward"]),
    (["compare"], ["cannot read 'compare'", "experiment=compare"]),
    (["eliana"], ["cannot read 'eliana'", "cohort=eliana"]),
    (["out=a=b"], ["cannot read 'out=a=b'", "quote"]),
    (["clinic.transplant.trm.value=0.02,0.08"], ["several values for clinic.transplant.trm.value", "-m"]),
    (["policy=[watch,selective,watch]"], ["policy=[watch,selective,watch]: lists 'watch' 2 times; list each once"]),
    (["policy=[watch,{a: 1}]"], ["policy=[watch,{a: 1}]: a list of choices holds names alone"]),
    (["cohort=[eliana,chop]"], ["cohort is one choice", "-m 'cohort=eliana,chop'"]),
    (["cohort={}"], ["cohort is chosen by its name, for example cohort="]),
    (["~policy"], ["~policy: cannot be taken away"]),
    (["-m", "seed=1,x"], ["job seed=x", "seed", "valid integer"]),
    (["-m", "seed=interval(1,2)"], ["seed=interval(1,2)", "range(start,stop,step)"]),
    (["--hepl"], ["unknown option '--hepl'", "did you mean '--help'?"]),
    (["--config-dir"], ["--config-dir needs a value"]),
    (["--config-dir", "nowhere"], ["--config-dir nowhere", "no such folder"]),
    (["cohort.patients=nobody.csv"], ["cohort.patients=nobody.csv", "no such file"]),
    (["run=nowhere"], ["run=nowhere", "no earlier run"]),
]


@pytest.mark.parametrize(("argv", "words"), LINE, ids=[" ".join(argv) for argv, _ in LINE])
def test_bad_command_line(cartwin: Callable[..., Any], tmp_path: Path, argv: list[str], words: list[str]) -> None:
    answer = cartwin(*argv)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("cartwin: ")
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err
    assert list(tmp_path.iterdir()) == []


VALUES: list[tuple[str, Any, list[str]]] = [
    ("seed", -1, ["seed: must be greater than or equal to 0 (is -1)"]),
    ("seed", 1.5, ["seed: must be a valid integer (is 1.5)"]),
    ("seed", 2**32, ["seed: must be less than or equal to 4294967295"]),
    ("engine", "btch", ["engine: 'btch' is not possible, did you mean 'batch'?"]),
    ("origin", "infuson", ["did you mean 'infusion'?"]),
    ("journal", "maybe", ["journal: 'maybe' is not possible"]),
    ("threads", -1, ["threads"]),
    ("horizon_years", 0, ["horizon_years: must be greater than 0 (is 0)"]),
    ("patient", 1.5, ["patient", "(is 1.5)"]),
    ("quiet", "maybe", ["quiet", "(is 'maybe')"]),
    ("experiment", "compar", ["unknown experiment 'compar': did you mean 'compare'?"]),
    ("reference", "hybridd", ["reference: policy 'hybridd' is not listed"]),
    ("product.forced", "tisacel", ["unknown product 'tisacel', did you mean 'tisa_cel'?"]),
    ("hospital.pools.icu", -1, ["hospital.pools.icu: must be greater than or equal to 0 (is -1)"]),
    ("hospital.pools.icu", 1.5, ["hospital.pools.icu: must be a valid integer (is 1.5)"]),
    ("hospital.pools.icu", 2, ["hospital.arrivals.per_year: a finite hospital needs arrivals"]),
    ("hospital.arrivals.per_year", 0, ["hospital.arrivals.per_year: must be greater than 0"]),
    ("clinic.transplant.trm.value", 1.5, ["clinic.transplant.trm.value: must be at most 1 (is 1.5)"]),
    ("clinic.transplant.trm.unit", "percent", ["clinic.transplant.trm.unit", "must be one of: probability"]),
    ("clinic.transplant.trm.status", "sure", ["clinic.transplant.trm.status: 'sure' is not possible"]),
    ("clinic.transplant.trm.distribution", "bta", ["did you mean 'beta'?"]),
    ("clinic.transplant", 3, ["clinic.transplant is a group of keys, not a value (is 3)"]),
    ("clinic.transplant.postponements.value", 1.5, ["clinic.transplant.postponements.value: must be a whole number"]),
    ("follow_up.visits_months", [3, 2], ["follow_up.visits_months: months must rise"]),
    ("follow_up.assays", ["flw"], ["follow_up.assays.0: 'flw' is not possible, did you mean 'flow'?"]),
    ("follow_up.bca_threshold", "pct5", ["follow_up.bca_threshold"]),
    ("policy.selective.bca_window_months", -9, ["policy.selective.bca_window_months: must be greater than 0 (is -9)"]),
    ("policy.watch.car", False, ["gives no CAR T", "origin=referral"]),
    (
        "policy.watch.set",
        {"clinic.supportive.boost": 0.5},
        ["policy.watch.set.clinic.supportive.boost: 0.5 must be a whole"],
    ),
    ("policy.watch.colr", "red", ["unknown key 'policy.watch.colr': did you mean 'policy.watch.colour'?"]),
    ("policy.label", "mine", ["a policy file is keyed by its own name"]),
    ("policy", {}, ["policy"]),
    ("cohort.product.shares", {"tisacel": 1.0}, ["unknown product 'tisacel', did you mean 'tisa_cel'?"]),
    ("hospitl", {}, ["unknown key 'hospitl': did you mean 'hospital'?"]),
]


@pytest.mark.parametrize(("key", "value", "words"), VALUES, ids=[f"{key}={value}" for key, value, _ in VALUES])
def test_bad_value(data: dict[str, Any], key: str, value: Any, words: list[str]) -> None:
    *path, last = key.split(".")
    node = data
    for part in path:
        node = node[part]
    node[last] = value
    with pytest.raises(Problem) as raised:
        load(data)
    for word in words:
        assert word in str(raised.value)


def test_all_problems_are_reported_at_once(data: dict[str, Any]) -> None:
    data["seed"] = -1
    data["clinic"]["transplant"]["trm"]["value"] = 1.5
    data["biology"]["leukaemia"]["growth"]["value"] = 0
    data["policy"]["selective"]["rules"][0]["then"] = "hctt"
    with pytest.raises(Problem) as raised:
        load(data)
    heading, *lines = str(raised.value).splitlines()
    assert heading == "4 problems:"
    keys = ("seed", "biology.leukaemia.growth.value", "clinic.transplant.trm.value", "policy.selective.rules.0.then")
    for line, key in zip(lines, keys, strict=True):
        assert line.startswith(f"  - {key}: ")


def test_what_policies_share_is_complained_about_once(data: dict[str, Any]) -> None:
    for node in (data["follow_up"], *data["policy"].values()):
        node["ngs_repeat_days"] = 0
    with pytest.raises(Problem) as raised:
        load(data)
    assert str(raised.value) == "follow_up.ngs_repeat_days: must be greater than 0 (is 0)"


EXPERIMENT = "# @package _global_\n"
FILES: list[tuple[str, str, list[str]]] = [
    ("typo", EXPERIMENT + "clinic: {transplant: {trn: {value: 0.05}}}\n", ["did you mean 'clinic.transplant.trm'?"]),
    ("bare", EXPERIMENT + "clinic: {transplant: {trm: 0.05}}\n", ["set clinic.transplant.trm.value=0.05"]),
    ("broken", EXPERIMENT + "cohort: {n: 5\nseed: 3\n", ["broken YAML", "broken.yaml, line 3"]),
    ("twice", EXPERIMENT + "seed: 3\nseed: 4\n", ["twice.yaml, line 3", "duplicate key seed"]),
    ("dangling", EXPERIMENT + "seed: ${sed}\n", ["seed: refers to 'sed'"]),
    ("group", EXPERIMENT + "defaults:\n  - override /cohort: elianna\n", ["cohort=elianna", "did you mean 'eliana'?"]),
    ("headless", "seed: 5\n", ["# @package _global_"]),
    ("number", "3\n", ["number.yaml: must hold keys and values"]),
]


@pytest.mark.parametrize(("name", "text", "words"), FILES, ids=[name for name, _, _ in FILES])
def test_bad_file(cartwin: Callable[..., Any], tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / f"{name}.yaml").write_text(text)
    answer = cartwin("--config-dir", "mine", f"experiment={name}")
    assert answer.code == 2
    for word in words:
        assert word in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_file_that_is_not_text(cartwin: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "odd.yaml").write_bytes(EXPERIMENT.encode() + b"out: \xff\xfe\n")
    answer = cartwin("--config-dir", "mine", "experiment=odd")
    assert answer.code == 2
    assert "odd.yaml: is not UTF-8 text" in answer.err


POLICY = "{name}: {{label: Mine, source: '-', status: assumed, rules: []}}\n"


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("mine", POLICY.format(name="watch"), ["policy=mine", "keyed by its own name", "'mine:' at the top"]),
        ("flat", "label: Mine\nrules: []\n", ["policy=flat", "keyed by its own name"]),
        ("watch", POLICY.format(name="watch"), ["policy/watch is shipped already"]),
    ],
)
def test_policy_file_under_another_name(
    cartwin: Callable[..., Any], tmp_path: Path, file: str, text: str, words: list[str]
) -> None:
    (tmp_path / "mine" / "policy").mkdir(parents=True)
    (tmp_path / "mine" / "policy" / f"{file}.yaml").write_text(text)
    answer = cartwin("--config-dir", "mine", f"policy=[selective,{file}]")
    assert answer.code == 2
    for word in words:
        assert word in answer.err


def test_own_policy_and_experiment_are_found(cartwin: Callable[..., Any], tmp_path: Path) -> None:
    for group in ("policy", "experiment"):
        (tmp_path / "mine" / group).mkdir(parents=True)
    (tmp_path / "mine" / "policy" / "own.yaml").write_text(POLICY.format(name="own"))
    study = EXPERIMENT + "defaults:\n  - override /policy: [watch, own]\nseed: 9\n"
    (tmp_path / "mine" / "experiment" / "study.yaml").write_text(study)
    answer = cartwin("--config-dir", "mine", "experiment=study", "--show")
    assert answer.code == 0
    assert "seed: 9" in answer.out
    assert "\n  own:" in answer.out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["cohort=elianna"], "did you mean 'eliana'?"),
        (["clinic.transplant.trm=0.1"], "clinic.transplant.trm.value=0.1"),
        (["cohort.n=1.5"], "cohort.n"),
    ],
)
def test_bad_input_as_a_user_meets_it(tmp_path: Path, argv: list[str], words: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sim", *argv]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
