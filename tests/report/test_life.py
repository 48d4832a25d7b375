"""One life under every policy: what is shared is told once, nothing is lost, and the words are plain."""

import pandas as pd

from sim import journal
from sim.report.frames import Frames
from sim.report.life import (
    chapters,
    infusion_day,
    life_table_text,
    life_text,
    moments,
    patient_rows,
    portrait,
    since,
    span,
)


def test_chapters_put_together_are_the_lives(world: Frames) -> None:
    for patient in range(20):
        rows = patient_rows(world, patient)
        told = chapters(rows, world.codes)
        for policy in world.policies:
            own = [m for c in told if policy in c.policies for m in c.moments]
            assert tuple(own) == moments(rows[rows["policy"] == policy], world.codes)


def test_what_is_shared_is_told_once(world: Frames) -> None:
    told = chapters(patient_rows(world, 12), world.codes)
    assert set(told[0].policies) == set(world.policies)
    assert told[0].moments[0].words == "referral"
    assert all(c.depth == 0 or len(c.policies) < len(world.policies) for c in told)


def test_equal_lives_make_one_chapter(world: Frames) -> None:
    rows = patient_rows(world, 12)
    watch = rows[rows["policy"] == "watch"]
    twins = pd.concat([watch, watch.assign(policy="selective")])
    assert len(chapters(twins)) == 1


def test_the_text_reads_plainly(world: Frames) -> None:
    text = life_text(world, 12)
    for words in (
        "Under all 4 policies",
        "CAR T infusion: tisa-cel",
        "+28 days",
        "response assessed: complete remission",
    ):
        assert words in text
    assert "visit:" not in text
    assert max(map(len, text.splitlines())) <= 110


def test_nothing_in_the_table_is_markup(world: Frames) -> None:
    rows = patient_rows(world, 12)
    text = life_table_text(rows, {"watch": "[red]W[/red]"}, {"products": ["[bold]x", "y"]})
    assert "[red]W[/red]" in text
    assert "[bold]x" in text


def test_short_sojourns_take_one_line_and_long_ones_two() -> None:
    rows = pd.DataFrame(
        [
            (journal.CRS, 4.0, 10.0, 2),
            (journal.APLASIA, 7.0, 400.0, 0),
            (journal.IGG_REPLACEMENT, 10.0, 900.0, 0),
            (journal.VISIT, 30.0, 30.0, 13),
            (journal.DEATH, 900.0, 900.0, 1),
        ],
        columns=["event", "time_start", "time_stop", "detail"],
    )
    assert [m.words for m in moments(rows)] == [
        "cytokine release syndrome: grade 2, 6 days",
        "B-cell aplasia begins",
        "IgG replacement begins",
        "B-cell aplasia ends after 12.9 months",
        "death: leukaemia",
    ]


def test_time_is_said_in_the_unit_that_suits() -> None:
    assert [span(0.2), span(1), span(44), span(91.3), span(3652.5)] == [
        "1 day", "1 day", "44 days", "3.0 months", "10.0 years",
    ]  # fmt: skip
    assert since(30, 40) == "-10 days"
    assert since(40.2, 40.3) == "day 0"
    assert since(40, float("inf")) == ""
    assert infusion_day(pd.DataFrame({"event": [0], "time_start": [0.0]})) == float("inf")


def test_a_portrait_leaves_out_what_goes_without_saying(replay: Frames) -> None:
    text = portrait({"age": 9.96, "female": 1, "prior_hct": 1, "kmt2ar": 0, "down": 1, "donor": 0})
    assert text == "10.0 years old, female; earlier HCT; Down syndrome; donor: none"
