"""What went wrong with an input, said so that a person can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class Problem(ValueError):
    """An input that cannot be used: the message names key, value, rule and remedy.

    The program prints the message alone, without a traceback, and ends with exit code 2.

    Attributes
    ----------
    folder
        Results that were written nevertheless: they are shown before the message. None: there are none.
    """

    folder: Path | None = None


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Find the choice that a mistyped word most likely meant.

    Parameters
    ----------
    word
        What was written; a dotted key is compared as a whole, and by its last part.
    choices
        The valid names.

    Returns
    -------
    str or None
        The nearest valid name, or None when nothing comes close.
    """
    names = sorted(set(choices))
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if found:
        return found[0]
    leaves = {name.rpartition(".")[2]: name for name in reversed(names)}
    found = difflib.get_close_matches(word.rpartition(".")[2], leaves, n=1, cutoff=0.6)
    return leaves[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str], *, listed: int = 12) -> str:
    """Phrase the remedy for an unknown name: the nearest valid one, or the whole list where it is short."""
    names = list(dict.fromkeys(choices))
    near = nearest(word, names)
    if near:
        return f"did you mean {near!r}?"
    if not names:
        return "none is known here"
    return f"one of: {', '.join(names)}" if len(names) <= listed else f"one of {len(names)} names, see --help"


def joined(problems: Iterable[str], *, heading: str = "") -> str:
    """Join several problems into one message, one line each."""
    lines = list(dict.fromkeys(problems))
    if len(lines) == 1:
        return lines[0]
    return "\n".join([heading or f"{len(lines)} problems:", *(f"  - {line}" for line in lines)])
