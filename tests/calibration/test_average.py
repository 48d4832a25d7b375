"""An average over structures: by declared weights alone, and what it says is what weights and results make."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from sim.compose import Job, jobs_from
from sim.experiments.average import average, check_weights
from sim.experiments.sweep import sweep
from sim.problems import Problem

WEIGHTS = "calibration.weights={reference: 0.75, hct_weak: 0.25, mrd_poor: 0}"
NAMES = ("reference", "hct_weak", "hct_strong")


def jobs(*more: str, structures: str = ",".join(NAMES)) -> list[Job]:
    return jobs_from([f"structure={structures}", WEIGHTS, *more])


def table(os: float, error: float, *, relapse: float = math.nan) -> pd.DataFrame:
    common = {"policy": "watch", "stratum": "all", "unit": "probability", "mc_se": error}
    return pd.DataFrame(
        [
            common | {"measure": "os", "months": 60.0, "value": os},
            common | {"measure": "cir", "months": math.nan, "value": relapse},
            common | {"measure": "wait_days_median", "months": math.nan, "value": 60.0, "unit": "days"},
        ]
    )


def test_the_average_is_the_weighted_mean_and_its_error_does_not_cancel() -> None:
    """Two structures 0.2 apart with weights 3/4 and 1/4: the SD between is 0.2 sqrt(3)/4; a third has no weight."""
    tables = {0: table(0.6, 0.01, relapse=0.3), 1: table(0.8, 0.03, relapse=0.3), 2: table(0.0, 9.0)}
    found = average(tables, jobs()).set_index("measure")
    assert found.loc["os", "value"] == pytest.approx(0.75 * 0.6 + 0.25 * 0.8)
    assert found.loc["os", "mc_se"] == pytest.approx(0.75 * 0.01 + 0.25 * 0.03)
    assert found.loc["os", "between"] == pytest.approx(0.2 * math.sqrt(3) / 4)
    assert found.loc["cir", "between"] == pytest.approx(0.0, abs=1e-9)
    assert set(found["job"]) == {"average"}


def test_medians_and_what_one_structure_lacks_are_left_out() -> None:
    found = average({0: table(0.6, 0.01, relapse=0.3), 1: table(0.8, 0.03), 2: table(0.5, 0.1)}, jobs())
    assert list(found["measure"]) == ["os"]


def test_jobs_that_differ_in_more_than_the_structure_are_averaged_apart() -> None:
    swept = jobs("seed=1,2", structures="reference,hct_weak")
    values = [0.1 * number for number in range(4)]
    found = average({number: table(value, 0.0) for number, value in enumerate(values)}, swept)
    expected = {}
    for job, value in zip(swept, values, strict=True):
        weight = 0.75 if job.settings.structure.name == "reference" else 0.25
        expected[f"seed={job.settings.seed}"] = expected.get(f"seed={job.settings.seed}", 0.0) + weight * value
    assert dict(zip(found["overrides"], found["value"], strict=True)) == pytest.approx(expected)


def test_a_structure_with_a_weight_must_be_run() -> None:
    check_weights(jobs())
    with pytest.raises(Problem, match=r"hct_weak has a weight and is not run; say structure=reference,hct_weak"):
        check_weights(jobs(structures="reference,hct_strong"))


def test_weights_are_declared_once() -> None:
    swept = jobs_from(["calibration.weights={reference: 1.0},{hct_weak: 1.0}"])
    with pytest.raises(Problem, match="cannot vary"):
        check_weights(swept)


@pytest.mark.slow
def test_a_sweep_writes_the_average(tmp_path) -> None:  # type: ignore[no-untyped-def]
    words = ("policy=[watch]", "cohort.n=40", "engine=batch", "economics=none", "quiet=true", f"out={tmp_path / 'out'}")
    folder = sweep(jobs(*words, structures="reference,hct_weak"))
    alone = pd.read_csv(folder / "sweep.csv").query("stratum == 'all' and measure == 'life_years'")
    shares = alone["structure"].map({"reference": 0.75, "hct_weak": 0.25})
    mean = pd.read_csv(folder / "sweep_average.csv").query("stratum == 'all' and measure == 'life_years'")
    assert mean["value"].item() == pytest.approx(float((shares * alone["value"]).sum()), rel=1e-6)
