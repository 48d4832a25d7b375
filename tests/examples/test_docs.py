"""What the documentation shows can be run as it stands, its site is built without a warning, and asks for nothing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from snippets import DOCS, NOTES, ROOT, SHOWN, Block, blocks, lines, pages, runs

RUN = [page for page in pages() if any(map(runs, blocks(page)))]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "NO_MKDOCS_2_WARNING": "1"}


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("page", pages(), ids=name)
def test_blocks_say_what_they_are(page: Path) -> None:
    """Every fence has a language that is run, written or shown, and every note one that tests know."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)$", text, re.MULTILINE)
    assert set(fences[::2]) <= {"sh", "python", "yaml", "csv", *SHOWN}, page.name
    assert set(fences[1::2]) <= {""}, page.name
    assert len(blocks(page)) == len(fences) // 2
    assert {block.kind for block in blocks(page)} <= {"", *NOTES}
    assert not re.search(r"^    python -m sim", text, re.MULTILINE), "commands stand in a fence"


def settle(page: Path, folder: Path) -> None:
    """Write the page's files, and put conf/ where its commands expect it."""
    (folder / "conf").symlink_to(ROOT / "conf")
    for block in blocks(page):
        if block.kind == "file":
            path = folder / block.words
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def run(block: Block, folder: Path) -> None:
    if block.language == "python":
        commands = [[sys.executable, "-c", block.text]]
    else:
        program = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; '
        commands = [["bash", "-ec", program + line] for line in lines(block)]
    for words in commands:
        done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words[-1][-400:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name)
def test_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    settle(page, tmp_path)
    for block in filter(runs, blocks(page)):
        run(block, tmp_path)


class Requests(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") not in ("stylesheet", "icon", "preconnect", "preload"):
            return
        if tag in ("script", "img", "link", "iframe", "source", "video"):
            self.found.append(given.get("src") or given.get("href") or "")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    built = sorted(site.rglob("*.html"))
    assert {"tutorial.html", "parameters.html", "api.html"} <= {page.name for page in built}
    for page in built:
        parser = Requests()
        parser.feed(page.read_text(encoding="utf-8"))
        outside = [url for url in parser.found if re.match(r"(https?:)?//", url)]
        assert not outside, f"{page.name}: {outside}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\((['\"]?)(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_the_parameter_page_has_every_line() -> None:
    from sim.compose import settings_from
    from sim.experiments.parameter_page import page

    settings = settings_from()
    text = page(settings)
    rows = re.findall(r"^\| `", text, re.MULTILINE)
    keys = [key for key, _ in settings.lines()]
    assert len(rows) >= len(keys) > 500
    for key, line in settings.lines():
        group, leaf = next((key[: -len(k) - 1], k) for k in _endings(key) if f"### {key[: -len(k) - 1]}\n" in text)
        section = text.split(f"### {group}\n")[1].split("\n### ")[0]
        row = next(row for row in section.splitlines() if row.startswith(f"| `{leaf}` |"))
        assert f"| {line.value:.6g} |" in row, key
        assert f"| {line.status} |" in row, key


def _endings(key: str) -> list[str]:
    words = key.split(".")
    return [".".join(words[k:]) for k in range(1, len(words))]
