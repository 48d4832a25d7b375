"""The page in a real browser: the slider moves the numbers, tables sort and filter, nothing complains or leaves."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sim.report.frames import Frames
from sim.report.gallery import Figure
from sim.report.page import render
from sim.report.panel import panel_of, standings

from . import factory, priced

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra 'dev') to drive a browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH to look at the page")

HOSTILE = "<script>window.hurt = 1</script>\"'><img src=x onerror='window.hurt = 1'>&{{ 7*7 }}"
#: Slow machines may take their time.
PATIENCE = 120_000


class Shown(NamedTuple):
    """Open pages by name, the frames they show, and everything that the browser complained of or asked for."""

    pages: dict[str, Any]
    frames: dict[str, Frames]
    paths: dict[str, Path]
    complaints: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def shown(world: Frames, drawn: list[Figure], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("browser")
    strange = factory.frames(20, {"watch": HOSTILE, "selective": HOSTILE}, cohort=HOSTILE, command=f"out={HOSTILE}")
    strange = dataclasses.replace(strange, parameters=factory.parameters().assign(about=HOSTILE, source=HOSTILE))
    frames = {"compared": priced.compared(world), "analysed": priced.analysed(world)}
    frames["strange"] = priced.compared(strange)
    paths = {
        name: render(found, drawn if name == "compared" else [], folder / f"{name}.html")
        for name, found in frames.items()
    }
    complaints: list[str] = []
    requests: list[str] = []
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        context = browser.new_context(viewport={"width": 1100, "height": 900})
        context.set_default_timeout(PATIENCE)
        pages = {}
        for name, path in paths.items():
            page = pages[name] = context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(path.as_uri())
        yield Shown(pages, frames, paths, complaints, requests)
        browser.close()


def table(page: Any) -> list[list[str]]:
    """Read the panel's table."""
    return page.eval_on_selector_all(  # type: ignore[no-any-return]
        "#panel-table tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )


def whole(text: str) -> float:
    return float(text.replace(",", ""))


def expected(frames: Frames, view: int, level: float) -> list[tuple[str, float]]:
    """Say which policies the panel must show, in order, with their net benefit against the reference."""
    panel = panel_of(frames)
    assert panel is not None
    return [
        (frames.label(panel.options[s.option]), s.benefit) for s in standings(panel.views[view], panel.reference, level)
    ]


def check(page: Any, frames: Frames, view: int, level: float) -> None:
    rows = table(page)
    wanted = expected(frames, view, level)
    assert [row[0] for row in rows] == [label for label, _ in wanted]
    for row, (_, benefit) in zip(rows, wanted, strict=True):
        told = 0.0 if "reference" in row[3] else whole(row[3].split(" ± ")[0])
        assert told == pytest.approx(benefit, abs=1.0)
    assert wanted[0][0] in page.text_content("#panel-verdict")


@pytest.mark.parametrize("name", ["compared", "analysed"])
def test_the_table_is_the_same_with_and_without_a_script(shown: Shown, name: str) -> None:
    """What the script writes at its start is what stands in the file, but for the column that it adds."""
    page = shown.pages[name]
    page.reload()
    scripted = [row[:-1] for row in table(page)]
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    plain.goto(shown.paths[name].as_uri())
    assert table(plain) == scripted
    assert not plain.is_visible("#panel-controls")
    assert not plain.is_visible("#panel-charts")
    assert plain.is_visible("#panel .unscripted")
    assert page.is_visible("#panel-controls")
    assert not page.is_visible("#panel .unscripted")
    plain.context.close()


def test_the_slider_moves_numbers_and_pictures(shown: Shown) -> None:
    page, frames = shown.pages["compared"], shown.frames["compared"]
    before = page.inner_html("#panel-plane")
    page.focus("#panel-wtp")
    page.keyboard.press("Home")
    check(page, frames, 0, 0.0)
    page.keyboard.press("End")
    check(page, frames, 0, 300_000.0)
    page.keyboard.press("ArrowLeft")
    level = float(page.input_value("#panel-wtp"))
    assert level == 295_000.0
    check(page, frames, 0, level)
    assert page.get_attribute("#panel-wtp", "aria-valuetext") == "295,000 USD 2026 per QALY"
    assert page.inner_html("#panel-plane") != before
    best = expected(frames, 0, level)[0][0]
    assert best in page.get_attribute("#panel-benefit", "aria-label")


def test_an_exact_amount_and_the_thresholds_set_the_slider(shown: Shown) -> None:
    page, frames = shown.pages["compared"], shown.frames["compared"]
    page.fill("#panel-exact", "61234")
    check(page, frames, 0, 61_234.0)
    page.click("[data-level='150000']")
    assert page.input_value("#panel-wtp") == "150000"
    check(page, frames, 0, 150_000.0)


def test_the_switches_choose_outcome_and_perspective(shown: Shown) -> None:
    page, frames = shown.pages["compared"], shown.frames["compared"]
    page.fill("#panel-exact", "100000")
    for view, (effect, perspective) in enumerate((e, p) for p in ("payer", "society") for e in ("QALYs", "Life-years")):
        page.check(f"#panel-controls input[value='{effect}']")
        page.check(f"#panel-controls input[value^='{perspective}']")
        check(page, frames, view, 100_000.0)
        assert page.text_content("#panel-effect-name") == effect
    assert "per life-year" in page.text_content("#panel-verdict")


def test_draws_give_acceptability_and_expected_loss(shown: Shown) -> None:
    page, frames = shown.pages["analysed"], shown.frames["analysed"]
    panel = panel_of(frames)
    assert panel is not None
    for level in (20_000.0, 150_000.0):
        page.fill("#panel-exact", f"{level:.0f}")
        check(page, frames, 0, level)
        found = standings(panel.views[0], panel.reference, level)
        for row, s in zip(table(page), found, strict=True):
            assert float(row[4].rstrip("%")) == pytest.approx(100 * s.probability, abs=0.0501)
            assert whole(row[5]) == pytest.approx(s.loss, abs=1.0)
        share = f"{100 * found[0].probability:.1f}%"
        assert share in page.get_attribute("#panel-ceac", "aria-label")
    assert page.locator("#panel-plane .cloud").count() == 64 * 3


def test_parameters_sort_and_filter_by_keyboard(shown: Shown) -> None:
    page = shown.pages["compared"]
    rows = "#parameter-table tbody tr:visible"
    heads = page.locator("#parameter-table th[scope=col]")
    heads.nth(1).locator("button").focus()
    for direction in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert heads.nth(1).get_attribute("aria-sort") == direction
        values = page.eval_on_selector_all(
            "#parameter-table tbody td:nth-child(2)", "cells => cells.map(cell => Number(cell.dataset.sort))"
        )
        assert values == sorted(factory.parameters()["value"], reverse=direction == "descending")
    page.select_option("#parameter-status", "assumed")
    assert page.locator(rows).count() == 1
    assert page.text_content("[data-filter-count]") == "1 of 5 shown"
    page.select_option("#parameter-status", "")
    page.fill("#parameter-text", "SALV01 inotuzumab")
    assert page.locator(rows).count() == 1
    assert "clinic.salvage.inotuzumab_cr" in page.locator(rows).text_content()
    page.fill("#parameter-text", "no such thing")
    assert page.locator(rows).count() == 0
    page.fill("#parameter-text", "")
    assert page.locator(rows).count() == 5


def test_the_main_tables_need_no_sideways_scrolling_and_the_page_none_on_a_phone(shown: Shown) -> None:
    page = shown.pages["compared"]
    for section in ("answer", "panel", "parameters"):
        wide = page.eval_on_selector_all(
            f"#{section} .scroll", "parts => parts.filter(p => p.scrollWidth > p.clientWidth + 1).length"
        )
        assert wide == 0, section
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.set_viewport_size({"width": 1100, "height": 900})


def test_what_a_user_wrote_runs_nowhere(shown: Shown) -> None:
    page = shown.pages["strange"]
    assert page.evaluate("window.hurt") is None
    assert page.locator("img").count() == 0
    page.fill("#panel-exact", "1000")
    assert HOSTILE in page.text_content("#panel-verdict")
    assert {row[0] for row in table(page)} == {HOSTILE}
    assert page.evaluate("window.hurt") is None


def test_no_complaint_no_request_and_a_small_page(shown: Shown) -> None:
    """Runs last: the tests above have used every control."""
    assert shown.complaints == []
    assert set(shown.requests) <= {path.as_uri() for path in shown.paths.values()}
    for path in shown.paths.values():
        assert path.stat().st_size < 3_000_000
