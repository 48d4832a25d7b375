"""The page: one file, no request, nothing unescaped, sections only for what the run contains."""

import base64
import dataclasses
import hashlib
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from sim.report import page as pages
from sim.report.frames import Frames
from sim.report.gallery import Figure, figures
from sim.report.page import render

from . import factory

HOSTILE = "<script>alert(1)</script>\"'>&{{ 7*7 }}"


class Reader(HTMLParser):
    """Collect what the page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def every(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def anchors(path: Path) -> list[str]:
    return [a["id"] for a in Reader(path.read_text()).every("section")]


@pytest.fixture(scope="module")
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_same_frames_give_the_same_page(world: Frames, drawn: list[Figure], page: Path, tmp_path: Path) -> None:
    assert render(world, drawn, tmp_path / "again.html").read_bytes() == page.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["again.html"]


def test_no_request_leaves_the_page(text: str) -> None:
    assert "http:" not in text.lower()
    assert "https:" not in text.lower()
    reader = Reader(text)
    for _, attributes in reader.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")
    for tag in ("link", "iframe", "img", "object", "base"):
        assert not reader.every(tag), tag
    for code in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        assert not re.findall(r"fetch|XMLHttpRequest|WebSocket|sendBeacon|EventSource|innerHTML|eval\(", code)
    assert "@import" not in text
    assert not re.findall(r"url\((?!#)", text)


def test_the_policy_allows_this_style_sheet_this_script_and_nothing_else(text: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest, code = (base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in (style, script))
    (policy,) = [a["content"] for a in Reader(text).every("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'sha256-{code}'; base-uri 'none'; "
        "form-action 'none'"
    )
    for tag, attributes in Reader(text).tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag


def test_identifiers_are_unique_and_references_arrive(text: str) -> None:
    reader = Reader(text)
    identifiers = Counter(a["id"] for _, a in reader.tags if a.get("id"))
    assert [i for i, count in identifiers.items() if count > 1] == []
    wanted = {a["href"][1:] for _, a in reader.tags if (a.get("href") or "").startswith("#")}
    wanted |= {m for _, a in reader.tags for v in a.values() for m in re.findall(r"url\(#([^)]+)\)", v or "")}
    assert wanted <= set(identifiers)


def test_every_picture_and_table_has_a_name(text: str) -> None:
    reader = Reader(text)
    pictures = [a for a in reader.every("svg") if a.get("aria-hidden") != "true"]
    assert len(pictures) == 7
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 40 for a in pictures)
    assert len(reader.every("caption")) == len(reader.every("table"))
    assert all(a.get("scope") in ("col", "row") for a in reader.every("th"))


def test_what_a_user_wrote_is_escaped(tmp_path: Path) -> None:
    strange = factory.frames(30, {"watch": HOSTILE, "selective": "plain"}, command=HOSTILE, cohort=HOSTILE)
    parameters = factory.parameters().assign(about=HOSTILE, source=HOSTILE, status=HOSTILE)
    strange = dataclasses.replace(strange, parameters=parameters)
    html = render(strange, figures(strange, tmp_path), tmp_path / "report.html").read_text()
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert "{{ 7*7 }}" in html
    assert Reader(html).every("script") == [{}]  # the page's own, and no other


def test_sections_appear_in_order_for_what_the_run_contains(world: Frames, page: Path, tmp_path: Path) -> None:
    assert anchors(page) == [
        "answer", "survival", "strata_table", "risks", "occupancy", "gains", "lives", "numbers", "parameters", "stress",
        "record",
    ]  # fmt: skip
    bare = Frames(manifest=world.manifest, summary=world.summary)
    assert anchors(render(bare, [], tmp_path / "bare.html")) == [
        "answer", "strata_table", "numbers", "stress", "record",
    ]  # fmt: skip
    assert anchors(render(Frames(), [], tmp_path / "empty.html")) == []


def test_a_replay_tells_one_life(replay: Frames, tmp_path: Path) -> None:
    path = render(replay, figures(replay, tmp_path), tmp_path / "life.html")
    assert anchors(path) == ["life", "record"]
    html = path.read_text()
    assert "Patient 12: one life under every policy" in html
    assert "Under all 4 policies" in html
    assert "Before CAR T:" in html


def test_weak_parameters_stand_first(text: str) -> None:
    section = text[text.index('<section id="parameters"') :]
    statuses = re.findall(r'<td class="text"><span class="(\w+)">(\w+)</span></td></tr>', section)
    assert statuses == [
        ("weak", "assumed"), ("weak", "recalled"), ("firm", "calibrated"), ("firm", "found"), ("firm", "review"),
    ]  # fmt: skip


def test_the_run_record_holds_the_manifest_but_not_the_moment(world: Frames, text: str) -> None:
    """How fast it was, and where, differs each time the same run is repeated: the page would too."""
    record = text[text.index('<section id="record"') :]
    record = record[: record.index("</section>")]
    for name, value in world.manifest.items():
        if name in ("wall_seconds", "lives_per_second", "cores"):
            assert f"<code>{value}</code>" not in record, name
        elif isinstance(value, (str, int, float)):
            assert f"<code>{str(value).replace(chr(39), '&#39;')}</code>" in record, name
    assert "Versions: numpy" in record


def test_a_section_owns_its_anchor() -> None:
    def answer(page: pages.Page) -> None:
        return None

    with pytest.raises(ValueError, match="answer"):
        pages.section(1, "Another")(answer)


def test_later_work_can_add_a_section(world: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_SECTIONS", dict(pages._SECTIONS))

    @pages.section(17, "Money & more", needs=("summary",))
    def money(page: pages.Page) -> pages.Markup:
        return pages.Markup("<p>{}</p>").format("5 < 6")

    html = render(world, [], tmp_path / "report.html").read_text()
    assert '<h2 id="money-title">Money &amp; more</h2>' in html
    assert "<p>5 &lt; 6</p>" in html


def test_strata_are_shown_apart(text: str) -> None:
    section = text[text.index('<section id="strata_table"') : text.index('<section id="risks"')]
    assert section.count("<table>") == 2


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium on the PATH to look at the page")
def test_a_browser_shows_the_page_without_complaint(page: Path, tmp_path: Path) -> None:
    options = "--headless --no-sandbox --disable-gpu --disable-background-networking --enable-logging=stderr".split()
    shot = tmp_path / "page.png"
    seen = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in seen.stderr
    assert "Refused" not in seen.stderr


def test_numbers_of_a_run_without_months_are_shown(tmp_path: Path) -> None:
    summary = pd.DataFrame(
        {
            "policy": ["a"],
            "measure": ["cr"],
            "months": [float("nan")],
            "value": [0.8],
            "mc_se": [0.01],
            "unit": ["probability"],
        }
    )
    html = render(Frames(summary=summary), [], tmp_path / "report.html").read_text()
    assert "80.0" in html
