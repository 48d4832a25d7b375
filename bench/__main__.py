"""Measure how fast the program is: `make bench`, or `python -m bench [--quick] [part ...]`.

Figures are of this machine, in CPU seconds where the unit does not say otherwise; run it on an idle one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.machine import facts
from bench.registry import PARTS
from bench.size import FULL, QUICK
from bench.table import Row, into_page, number, write

ROOT = Path(__file__).resolve().parents[1]


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="less work: under a minute instead of some minutes")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "bench", help="folder of the table")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/speed.md too")
    given = parser.parse_args(words)
    for part in given.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; there are {', '.join(PARTS)}")
    return given


def main() -> None:
    """Measure, print each row as it comes, and write the table."""
    given = arguments()
    machine = facts()
    for name, fact in machine.items():
        print(f"{name}: {fact}", file=sys.stderr)
    rows: list[Row] = []
    for part in given.parts or PARTS:
        for row in PARTS[part](QUICK if given.quick else FULL):
            rows.append(row)
            print(f"{row.part:8s} {row.what:62s} {number(row.value):>10s} {row.unit:15s} {row.note}", flush=True)
    write(given.out, machine, rows)
    if given.docs:
        into_page(ROOT / "docs" / "speed.md", machine, rows)
    print(given.out)


if __name__ == "__main__":
    main()
