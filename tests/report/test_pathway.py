"""The pathway diagram: counted from the journal, nothing lost, every event that occurs is in the picture."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from sim import journal
from sim.experiments.moves import moves
from sim.report import pathway, style, words
from sim.report.frames import Frames

NAMES = journal.event_names()


@pytest.fixture(scope="module")
def walked(world: Frames) -> Frames:
    return dataclasses.replace(world, pathway=moves(world.journal).replace("", float("nan")))


def test_who_enters_a_phase_leaves_it(walked: Frames) -> None:
    table = walked.pathway[walked.pathway["event"] == "move"]
    for _, rows in table.groupby("policy"):
        for phase in {NAMES[code] for code in range(journal.PHASES)}:
            assert rows.loc[rows["end"] == phase, "times"].sum() == rows.loc[rows["start"] == phase, "times"].sum()
        assert rows.loc[rows["start"] == "start", "times"].sum() == rows["of"].iloc[0]
        assert rows.loc[rows["end"].isin(["death", "alive"]), "times"].sum() == rows["of"].iloc[0]


def test_every_row_of_the_journal_is_counted_once(world: Frames, walked: Frames) -> None:
    counted = walked.pathway[walked.pathway["event"] != "move"].groupby(["policy", "event"])["times"].sum()
    points = world.journal[world.journal["event"] >= journal.PHASES]
    found = points.assign(event=points["event"].map(NAMES)).groupby(["policy", "event"]).size()
    pd.testing.assert_series_equal(counted.sort_index(), found.sort_index(), check_names=False)


def test_an_event_at_the_moment_of_a_move_belongs_to_the_move() -> None:
    rows = [(journal.REFERRAL, 0.0, 0.0, 0), (journal.WAITING, 0.0, 30.0, 0), (journal.BRIDGING, 5.0, 5.0, 0),
            (journal.TREATMENT, 30.0, 70.0, 0), (journal.LYMPHODEPLETION, 30.0, 30.0, 0),
            (journal.REMISSION, 70.0, 99.0, 0), (journal.DECISION, 80.0, 80.0, 1)]  # fmt: skip
    table = pd.DataFrame(
        [("a", 3, *row) for row in rows],
        columns=["policy", "patient", "event", "time_start", "time_stop", "detail"],
    )
    found = {tuple(r) for r in moves(table)[["start", "end", "event", "detail"]].to_numpy().tolist()}
    assert found == {
        ("start", "waiting", "move", ""), ("start", "waiting", "referral", ""), ("waiting", "waiting", "bridging", ""),
        ("waiting", "treatment", "move", ""), ("waiting", "treatment", "lymphodepletion", ""),
        ("treatment", "remission", "move", ""), ("remission", "remission", "decision", "hct"),
        ("remission", "alive", "move", ""),
    }  # fmt: skip


def test_every_event_that_occurs_is_in_the_diagram(world: Frames, walked: Frames, tmp_path: Path) -> None:
    with style.theme("pathway"):
        drawing = pathway.pathway(walked)
    assert drawing is not None
    svg, _ = style.save(drawing.canvas, tmp_path, "pathway")
    text = svg.read_text()
    with style.theme("pathway"):
        again = pathway.pathway(dataclasses.replace(walked, pathway=walked.pathway[::-1].reset_index(drop=True)))
    assert again is not None
    (tmp_path / "again").mkdir()
    assert style.save(again.canvas, tmp_path / "again", "pathway")[0].read_bytes() == svg.read_bytes()
    for code in sorted(set(world.journal["event"])):
        if code in pathway.PLACES:
            assert words.sentence(words.PHASES[code]) in text, NAMES[code]
        elif code == journal.DEATH:
            assert "die here" in text
        else:
            assert words.NAMES[code][:18] in text, NAMES[code]
        if code != journal.DEATH:
            assert words.NAMES[code].lower() in drawing.alt.lower(), NAMES[code]
    assert {NAMES[code] for code in range(journal.PHASES)} == {NAMES[code] for code in pathway.PLACES}


def test_shares_are_those_of_the_reference_and_the_highest(walked: Frames) -> None:
    table = pathway.shares(walked)
    rows = walked.pathway[(walked.pathway["event"] == "hct") & (walked.pathway["end"] == "transplanted")]
    (found,) = table[(table["event"] == "hct") & (table["end"] == "transplanted")].to_dict("records")
    assert found["share"] == 0.0
    assert found["most"] == pytest.approx((rows["patients"] / rows["of"]).max())
    assert pathway.percent(0.0, 0.31) == "0% (to 31%)"
    assert pathway.percent(0.4, 0.42) == "40%"
    assert pathway.percent(0.001, 0.001) == "<1%"
