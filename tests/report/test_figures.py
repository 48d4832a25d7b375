"""Figures: the same frames give the same bytes; what a run lacks is not drawn; words stand for every picture."""

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest

from sim.report import gallery, style
from sim.report.frames import Frames
from sim.report.gallery import Figure, figures

from . import factory


@pytest.fixture
def unsaved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw, but write nothing: for tests that only ask what is drawn."""
    monkeypatch.setattr(style, "save", lambda canvas, folder, name: (folder / f"{name}.svg", folder / f"{name}.png"))


def names(drawn: list[Figure]) -> set[str]:
    return {figure.name for figure in drawn}


def test_the_same_frames_give_the_same_bytes(world: Frames, drawn: list[Figure], tmp_path: Path) -> None:
    again = figures(world, tmp_path)
    assert names(again) == names(drawn)
    for one, other in zip(drawn, again, strict=True):
        assert one.svg.read_bytes() == other.svg.read_bytes(), one.name
        assert one.png.read_bytes() == other.png.read_bytes(), one.name
        assert (one.alt, one.caption) == (other.alt, other.caption)


def test_a_comparison_has_these_figures(drawn: list[Figure]) -> None:
    assert names(drawn) == {"survival", "difference", "risks", "occupancy", "gains", "strata", "swimmer"}


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ("curves", {"survival", "risks"}),
        ("paired", {"difference", "gains"}),
        ("journal", {"occupancy", "swimmer"}),
        ("patients", {"strata"}),
    ],
)
@pytest.mark.usefixtures("unsaved")
def test_what_the_run_lacks_is_not_drawn(
    world: Frames, drawn: list[Figure], tmp_path: Path, missing: str, gone: set[str]
) -> None:
    assert names(figures(dataclasses.replace(world, **{missing: None}), tmp_path)) == names(drawn) - gone


def test_an_empty_run_has_no_figures(tmp_path: Path) -> None:
    assert figures(Frames(), tmp_path) == []


@pytest.mark.usefixtures("unsaved")
def test_a_single_policy_has_no_differences(tmp_path: Path) -> None:
    alone = factory.frames(30, {"watch": "Watch"})
    assert names(figures(alone, tmp_path)) == {"survival", "risks", "occupancy", "swimmer"}


def test_a_replay_draws_the_life_alone(replay: Frames, tmp_path: Path) -> None:
    (life,) = figures(replay, tmp_path)
    assert life.name == "life"
    assert "patient 12" in life.alt


def test_every_figure_has_words_that_name_its_policies(world: Frames, drawn: list[Figure]) -> None:
    for figure in drawn:
        assert len(figure.alt) > 40
        assert figure.caption.endswith(".")
        shown = [p for p in world.policies if world.label(p) in figure.alt]
        assert len(shown) >= 2, figure.name


def test_figures_use_the_palette_only(drawn: list[Figure]) -> None:
    known = {ink.light for ink in style.inks()}
    for figure in drawn:
        used = set(re.findall(r"#[0-9a-f]{6}\b", figure.svg.read_text().lower()))
        assert used <= known, (figure.name, used - known)


def test_svg_text_stays_text_and_names_no_site(drawn: list[Figure]) -> None:
    for figure in drawn:
        svg = figure.svg.read_text()
        assert "<text" in svg
        assert "matplotlib.org" not in svg
        assert "dc:date" not in svg


def test_labels_are_not_read_as_formulas(tmp_path: Path) -> None:
    strange = factory.frames(30, {"watch": "Watch $\\frac{a$ <b>&", "selective": "S" * 90})
    assert len(figures(strange, tmp_path)) == 7


def test_rows_in_another_order_make_the_same_picture(world: Frames, drawn: list[Figure], tmp_path: Path) -> None:
    shuffled = dataclasses.replace(
        world, curves=world.curves[::-1].reset_index(drop=True), paired=world.paired[::-1].reset_index(drop=True)
    )
    for one, other in zip(drawn, figures(shuffled, tmp_path), strict=True):
        assert one.svg.read_bytes() == other.svg.read_bytes(), one.name


def test_a_name_belongs_to_one_picture() -> None:
    assert len({p.name for p in gallery.pictures()}) == len(gallery.pictures())
    with pytest.raises(ValueError, match="survival"):
        gallery.picture(1, "survival", "another", needs=())(lambda frames: None)


def test_frames_are_read_back_as_written(world: Frames, tmp_path: Path) -> None:
    import json

    (tmp_path / "manifest.json").write_text(json.dumps(dict(world.manifest)))
    for name in ("summary", "curves", "paired", "parameters"):
        getattr(world, name).to_csv(tmp_path / f"{name}.csv", index=False)
    for name in ("patients", "journal"):
        getattr(world, name).to_parquet(tmp_path / f"{name}.parquet")
    read = Frames.read(tmp_path)
    assert read.policies == world.policies
    assert read.reference == "watch"
    assert read.estimate("watch", "os", 60.0) == pytest.approx(world.estimate("watch", "os", 60.0))
    assert read.estimate("watch", "cr") is not None
    pd.testing.assert_frame_equal(read.journal, world.journal)
