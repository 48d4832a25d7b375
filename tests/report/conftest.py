from pathlib import Path

import pytest

from sim.report.frames import Frames
from sim.report.gallery import Figure, figures
from sim.report.page import render

from . import factory

FOUR = {p: factory.POLICIES[p] for p in ("watch", "hct_for_all", "selective", "reinfusion")}


@pytest.fixture(scope="session")
def world() -> Frames:
    return factory.frames(60, FOUR)


@pytest.fixture(scope="session")
def drawn(world: Frames, tmp_path_factory: pytest.TempPathFactory) -> list[Figure]:
    return figures(world, tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="session")
def page(world: Frames, drawn: list[Figure], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(world, drawn, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def replay(world: Frames) -> Frames:
    """One patient's frames, as experiment=replay leaves them."""
    rows = world.journal[world.journal["patient"] == 12]
    patients = world.patients[world.patients["patient"] == 12]
    return Frames(manifest=dict(world.manifest) | {"patient": 12}, journal=rows, patients=patients)
