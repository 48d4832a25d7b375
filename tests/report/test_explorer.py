"""The patient explorer: the lives of a replay, no others; chosen by the stated rule; drawn in a real browser."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import settings_of

from sim import journal
from sim.biology.leukaemia import OVERT
from sim.clinic.events import RESPONSE, VISIT
from sim.clinic.monitoring import largest_clone
from sim.engine.pathway import Pathway
from sim.experiments.courses import NEGATIVE, POSITIVE, SANCTUARY, Line, Watch, relived
from sim.experiments.explorer import write_explorer
from sim.experiments.fates import COLUMNS, EACH, FATES, FIRST, chosen
from sim.experiments.replay import replay_into
from sim.experiments.run import Simulation
from sim.report import explorer as exploring
from sim.report.frames import Frames
from sim.report.page import render

N = 48
OVERRIDES = ("policy=[watch,hct_for_all,selective,reinfusion]", f"cohort.n={N}", "origin=infusion", "economics=none")
TABLES = ("patients", "journal", "courses")


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(settings_of(*OVERRIDES, "quiet=true"), journal=False)


@pytest.fixture(scope="module")
def folder(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, as far as the explorer needs it."""
    place = tmp_path_factory.mktemp("run")
    rule = write_explorer(simulation, place)
    policies = {name: {"label": policy.label} for name, policy in simulation.settings.policy.items()}
    record = {"policies": policies, "origin": "infusion", "n": N} | rule
    (place / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def frames(folder: Path) -> Frames:
    return Frames.read(folder)


@pytest.fixture(scope="module")
def page(frames: Frames, folder: Path) -> Path:
    return render(frames, [], folder / "report.html")


def of(folder: Path, name: str, number: int) -> pd.DataFrame:
    table = pd.read_parquet(folder / "explorer" / f"{name}.parquet")
    return table[table["patient"] == number].reset_index(drop=True)


def levels(lines: list[Line], day: float) -> float:
    """Give the larger clone's level by the course."""
    found = [
        line.level_start
        + (line.level_stop - line.level_start) * (day - line.time_start) / (line.time_stop - line.time_start)
        for line in lines
        if line.clone in (POSITIVE, NEGATIVE) and line.time_start <= day < line.time_stop
    ]
    return max(found, default=-np.inf)


def sampling(
    watches: dict[str, Watch], sampled: dict[str, list[tuple[float, float]]], policy: str, pathway: Pathway
) -> Pathway:
    """Watch a life, and note what the clinic itself says of the larger clone whenever it looks."""

    def handle(p: Any, q: Any, j: Any, event: int) -> None:
        if event in (VISIT, RESPONSE):
            sampled[policy].append((p.t, largest_clone(p, q)))
        pathway.handle(p, q, j, event)

    return watches[policy].over(dataclasses.replace(pathway, handle=handle))


# --- the course -------------------------------------------------------------------------------------------------------


def test_watching_changes_no_life(simulation: Simulation) -> None:
    for number in range(6):
        alone, (seen, _) = simulation.one(number), relived(simulation, number)
        for policy in alone.lives:
            assert alone.lives[policy].tobytes() == seen.lives[policy].tobytes()
            assert alone.rows[policy].tobytes() == seen.rows[policy].tobytes()


def test_the_course_is_what_samples_are_taken_from(simulation: Simulation) -> None:
    """At every visit the course stands where the clinic's own `largest_clone` stands."""
    compared = 0
    for number in range(12):
        watches = {policy: Watch() for policy in simulation.values}
        sampled: dict[str, list[tuple[float, float]]] = {policy: [] for policy in watches}
        simulation.one(number, partial(sampling, watches, sampled))
        for policy, samples in sampled.items():
            for day, level in samples:
                # a hair before: on the day itself the visit may have led to a new line
                assert levels(watches[policy].lines, day - 1e-7) == pytest.approx(level, abs=1e-5)
                compared += level > -np.inf
    assert compared > 50


def test_a_marrow_relapse_is_a_line_that_reaches_five_per_cent(folder: Path) -> None:
    courses, rows = (pd.read_parquet(folder / "explorer" / f"{name}.parquet") for name in ("courses", "journal"))
    rows = rows[(rows["event"] == journal.RELAPSE) & (rows["detail"] % 10 == 1)]
    assert len(rows) > 10
    for policy, patient, day, detail in rows[["policy", "patient", "time_start", "detail"]].itertuples(index=False):
        clone = POSITIVE if detail // 10 == 1 else NEGATIVE
        mine = courses[(courses["policy"] == policy) & (courses["patient"] == patient) & (courses["clone"] == clone)]
        ended = mine[mine["time_stop"] == day]
        assert ended["level_stop"].to_numpy() == pytest.approx([OVERT], abs=1e-9)
        assert (ended["overt"] == 0).all()


def test_lines_of_a_clone_follow_each_other(folder: Path) -> None:
    courses = pd.read_parquet(folder / "explorer" / "courses.parquet")
    assert (courses["time_stop"] >= courses["time_start"]).all()
    for _, lines in courses.groupby(["policy", "patient", "clone"]):
        ordered = lines.sort_values("time_start")
        assert (ordered["time_start"].to_numpy()[1:] >= ordered["time_stop"].to_numpy()[:-1] - 1e-9).all()
    levels = courses[courses["clone"] != SANCTUARY]
    assert levels["level_start"].notna().all()
    assert levels["due"].isna().all()


def test_the_explorer_shows_what_a_replay_shows(simulation: Simulation, folder: Path, tmp_path: Path) -> None:
    numbers = pd.read_csv(folder / "explorer" / "chosen.csv")["patient"]
    number = int(numbers.iloc[-1])
    replay_into(simulation.settings, simulation, number, tmp_path)
    for name in TABLES:
        pd.testing.assert_frame_equal(of(folder, name, number), of(tmp_path, name, number))
    own = pd.read_parquet(tmp_path / "journal.parquet")
    pd.testing.assert_frame_equal(of(folder, "journal", number), own)


# --- who is chosen ----------------------------------------------------------------------------------------------------


def test_the_rule_takes_the_first_numbers_then_the_first_of_each_fate() -> None:
    n = 200
    one = {name: np.full(n, np.inf if name.startswith("t_") else 0.0) for name in COLUMNS}
    one |= {"t_infusion": np.zeros(n), "t_death": np.full(n, 400.0), "cause": np.ones(n)}
    other = {name: column.copy() for name, column in one.items()}
    other["relapse_type"][[50, 60, 70]], other["relapse_site"][[50, 60, 70]] = 3, 1
    other["cause"][[1, 80]] = 4
    why = chosen({"watch": one, "other": other}, "watch")
    assert list(why) == [*range(FIRST), 50, 60, 80]  # patient 1 is among the first already
    assert [why[50], why[60], why[80]] == ["lineage switch", "lineage switch", "death of transplant"]


@pytest.mark.slow
def test_every_fate_is_found_in_a_cohort_of_the_usual_kind() -> None:
    """Each fate has its patients among the first 1,024, so none is a mistyped column or code."""
    settings = settings_of("policy=[watch,hct_for_all,selective,reinfusion]", "origin=infusion", "engine=batch")
    block = Simulation(settings, journal=False).block(slice_of(1024))
    lives = {name: {column: one[column] for column in COLUMNS} for name, one in block.lives.items()}
    why = chosen(lives, "watch")
    counts = pd.Series(why).value_counts()
    assert all(counts.get(fate.label, 0) == EACH for fate in FATES)
    assert len(why) == FIRST + EACH * len(FATES)


def slice_of(n: int) -> Any:
    from sim.experiments.spans import Span

    return Span(0, n)


def test_shared_places_have_no_explorer(tmp_path: Path) -> None:
    settings = settings_of("hospital=small_centre", "policy=[watch]", "economics=none")
    assert write_explorer(Simulation(settings, journal=False), tmp_path) == {}
    assert not list(tmp_path.iterdir())


# --- the data ---------------------------------------------------------------------------------------------------------


def test_the_data_holds_the_journal_and_stays_small(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    content = exploring.data(frames, lambda css: "c")
    assert len(json.dumps(content)) < exploring.ROOM
    table = frames.explorer_journal
    assert table is not None
    for one in content["patients"]:
        mine = table[table["patient"] == one["n"]]
        assert sorted(place for life in one["lives"] for place in life["p"]) == list(range(4))
        for life in one["lives"]:
            for place in life["p"]:
                rows = mine[mine["policy"] == frames.policies[place]]
                assert [row[0] for row in life["rows"]] == rows["event"].tolist()
                assert [row[1] for row in life["rows"]] == pytest.approx(rows["time_start"].tolist(), abs=0.051)
    monkeypatch.setattr(exploring, "ROOM", 30_000)
    fewer = exploring.explored(frames)
    assert 0 < len(fewer) < len(content["patients"])
    assert len(json.dumps(fewer)) < 30_000


# --- in a browser -----------------------------------------------------------------------------------------------------

MISSING = "chromium" if shutil.which("chromium") is None else "playwright"
HERE = shutil.which("chromium") is not None and importlib.util.find_spec("playwright") is not None
needs_browser = pytest.mark.skipif(not HERE, reason=f"needs {MISSING} to look at the page")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playing:
        opened = playing.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@needs_browser
def test_the_explorer_draws_and_obeys_the_keyboard(browser: Any, page: Path, frames: Frames) -> None:
    tab = browser.new_page(viewport={"width": 1100, "height": 900})
    complaints: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    tab.set_default_timeout(60_000)
    drawing = tab.locator("#explorer-drawing svg")
    seen = []
    for _ in range(3):
        assert tab.locator("#explorer-drawing svg rect[class]").count() > 3
        number = tab.locator("#explorer-patient option:checked").inner_text()
        assert f"Lives of p{number[1:]}." in drawing.get_attribute("aria-label")
        seen.append(drawing.inner_html())
        tab.locator("#explorer-patient").focus()
        tab.keyboard.press("ArrowDown")
    assert len(set(seen)) == 3
    before = tab.locator("#explorer-when").inner_text()
    tab.locator("#explorer-day").focus()
    for _ in range(20):
        tab.keyboard.press("ArrowRight")
    assert tab.locator("#explorer-when").inner_text() != before
    shown = drawing.inner_html()
    tab.locator("#explorer-span").select_option(index=1)
    assert drawing.inner_html() != shown
    tab.locator("#explorer-next").press("Enter")
    assert complaints == []
    assert asked == [page.as_uri()]


@needs_browser
def test_the_reading_is_the_course(browser: Any, page: Path, frames: Frames) -> None:
    """At a day that the slider names, the table shows the phases that the journal has."""
    tab = browser.new_page(viewport={"width": 1100, "height": 900})
    tab.goto(page.as_uri())
    number = int(tab.locator("#explorer-patient option:checked").inner_text().split()[1])
    day = int(tab.locator("#explorer-when").inner_text().split()[1])
    rows = frames.explorer_journal
    assert rows is not None
    mine = rows[(rows["patient"] == number) & (rows["event"] < journal.PHASES)]
    now = mine[(mine["time_start"] <= day) & (day < mine["time_stop"])]
    from sim.report import words

    expected = {words.sentence(words.PHASES[event]) for event in now["event"]}
    if now["policy"].nunique() < 4:
        expected |= {"Life is over"}
    assert set(tab.locator("#explorer-readings tbody td:nth-child(2)").all_inner_texts()) == expected


@needs_browser
def test_without_script_a_table_says_how_lives_end(browser: Any, page: Path, frames: Frames) -> None:
    quiet = browser.new_context(java_script_enabled=False)
    tab = quiet.new_page()
    tab.goto(page.as_uri())
    assert not tab.locator("#explorer-controls").is_visible()
    table = tab.locator("#explorer-all table")
    assert table.is_visible()
    assert frames.explorer_chosen is not None
    assert table.locator("tbody tr").count() == len(frames.explorer_chosen)
    assert "Death: leukaemia" in table.inner_text() or "death: leukaemia" in table.inner_text()


@needs_browser
def test_the_explorer_fits_a_telephone(browser: Any, page: Path) -> None:
    tab = browser.new_page(viewport={"width": 420, "height": 800})
    tab.goto(page.as_uri())
    width = tab.evaluate("document.querySelector('#explorer-drawing svg').getBoundingClientRect().right")
    assert width <= 420
