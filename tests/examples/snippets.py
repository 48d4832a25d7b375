"""What a page of the documentation shows: commands, Python and files, with the hidden notes that tests read.

A note stands as an HTML comment right before a block:

- ``<!-- file: mine/policy/x.yaml -->``: the block is the content of that file.
- ``<!-- run: cohort.n=48 -->``: words that the test adds to every ``python -m sim`` of the block, to keep it short.
- ``<!-- no run: why -->``: the block is not run.
- ``<!-- needs experiment: name -->``: run where the program has such an experiment.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"(?:<!-- ([a-z ]+): (.*?) -->\n)?^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOTES = ("file", "run", "no run", "needs experiment")
#: Languages that are shown and not run: SQL has its own test, formulas are drawn when the site is built.
SHOWN = ("sql", "math", "text")


class Block(NamedTuple):
    """A fenced block: language, text, and the note before it (kind, words)."""

    language: str
    text: str
    kind: str
    words: str


def pages() -> list[Path]:
    """List the pages in order."""
    return sorted(DOCS.rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    """List a page's blocks in order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, text, kind, words) for kind, words, language, text in found]


def runs(block: Block) -> bool:
    """Tell whether a block is run."""
    if block.kind == "no run" or block.language not in ("sh", "python"):
        return False
    if block.kind == "needs experiment":
        from sim.experiments import EXPERIMENTS

        return block.words in EXPERIMENTS
    return True


def command(line: str, words: str) -> str:
    """Give a line as it is run: a command of the program gets the note's words."""
    bare = line.split(" #")[0].rstrip()
    return f"{bare} {words}" if bare.startswith("python -m sim") and words else bare


def lines(block: Block) -> list[str]:
    """List a shell block's lines as they are run; `make` sets up another environment and is left out."""
    words = block.words if block.kind == "run" else ""
    quoted = " ".join(f"'{word}'" for word in words.split())
    shown = [command(line, quoted) for line in block.text.splitlines()]
    return [line for line in shown if line and not line.startswith(("#", "make "))]
