"""The parameter reference: every line of ``conf/`` as one page, grouped as the files are.

The documentation is built with this module's `page` (`docs/hooks/generated.py`), so it is never older than ``conf/``.
`python -m sim.experiments.parameter_page` prints it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from sim.experiments.parameters import parameter_rows
from sim.settings import Settings

#: Statuses from the best known to the least.
STATUSES: Final = {
    "review": "stated by the review the model grew from",
    "found": "read in a published source",
    "calibrated": "fitted to published quantities ([calibration](calibration.md)); value and range are the posterior's",
    "recalled": "remembered from a source that was not read again",
    "assumed": "nobody has published it, or nobody looked",
}
#: First words of a key -> heading.
PARTS: Final = {
    "cohort": "The patients (cohort `real_world_us`)",
    "product": "The products",
    "biology": "The disease",
    "clinic": "Care",
    "economics": "Prices, utilities, resources (profile `us_icer`)",
    "policy": "The policies",
}


def page(settings: Settings) -> str:
    """Write the page as Markdown, for the settings given."""
    rows = sorted(parameter_rows(settings), key=lambda row: list(PARTS).index(row["key"].split(".")[0]))
    return "\n".join([*_head(rows), *_parts(rows)]) + "\n"


def _head(rows: list[dict[str, Any]]) -> list[str]:
    counts = Counter(row["status"] for row in rows)
    table = [f"| {status} | {counts[status]} | {meaning} |" for status, meaning in STATUSES.items()]
    return [
        "# Parameters",
        "",
        "Every number the program uses about patients, care, money and policies. This page is made from `conf/` when "
        "the documentation is built; a run writes its own, with whatever was changed, to `parameters.csv`:",
        "",
        "```sh",
        "python -m sim experiment=parameters",
        "```",
        "",
        "A key is changed as `key.value=NUMBER`, its range as `key.low=` and `key.high=`; a policy's field as "
        "`key=NUMBER`. A range is a 95 % interval; a distribution other than `fixed` is drawn from by "
        "`experiment=psa` ([uncertainty](uncertainty.md)). Sources with letters and a number are rows of "
        "`sim/data/evidence.csv`.",
        "",
        f"## How well they are known ({len(rows)} lines)",
        "",
        "| status | lines | meaning |",
        "|---|---:|---|",
        *table,
    ]


def _parts(rows: list[dict[str, Any]]) -> Iterator[str]:
    for part, lines in groupby(rows, lambda row: row["key"].split(".")[0]):
        yield from ("", f"## {PARTS[part]}")
        for group, members in groupby(lines, lambda row: _group(row["key"])):
            yield from ("", f"### {group}", "", *_table(group, members))


def _group(key: str) -> str:
    words = key.split(".")
    return ".".join(words[: {"cohort": 1, "product": 3}.get(words[0], 2)])


def _table(group: str, rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield "| parameter | value | unit | range | distribution | status | source | meaning |"
    yield "|---|---:|---|---|---|---|---|---|"
    for row in rows:
        name = row["key"].removeprefix(f"{group}.")
        span = "" if row["low"] == "" else f"{row['low']:.6g} to {row['high']:.6g}"
        shown = f"{row['value']:.6g}" if isinstance(row["value"], float) else row["value"]
        words = (shown, row["unit"], span, row["distribution"], row["status"], row["source"], row["about"])
        yield f"| `{name}` | " + " | ".join(_cell(word) for word in words) + " |"


def _cell(word: Any) -> str:
    return str(word).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    from sim.compose import settings_from

    print(page(settings_from()), end="")
