"""Shipped cohorts, composed the way the program composes them."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from sim.cohort.settings import Cohort

CONF = Path(__file__).parents[2] / "conf"
NAMES = ("base", "real_world_us", "eliana", "multicentre", "germany", "chop", "first_relapse", "cd28")
PRODUCTS = ("tisa_cel", "obe_cel", "brexu_cel", "academic_cd28", "academic_41bb", "dual_cd19_cd22")


@functools.cache
def composed(name: str = "real_world_us", *overrides: str) -> Cohort:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = compose(f"cohort/{name}", overrides=list(overrides))
    return Cohort.model_validate(OmegaConf.to_container(settings, resolve=True)["cohort"])


@pytest.fixture(scope="session")
def cohort_of() -> Callable[..., Cohort]:
    return composed


@pytest.fixture(params=NAMES, scope="session")
def shipped(request: pytest.FixtureRequest) -> Cohort:
    return composed(request.param)


@pytest.fixture(scope="session")
def products() -> tuple[str, ...]:
    return PRODUCTS


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Write a CSV text and read it as patients."""
    from sim.cohort import read_patients

    def read(text: str) -> np.ndarray:
        path = tmp_path / "patients.csv"
        path.write_text(text)
        return read_patients(path, PRODUCTS)

    return read
