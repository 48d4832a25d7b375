"""The program: ``python -m sim`` and the console script ``cartwin``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sim.problems import Problem


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; 0: done, 2: an input cannot be used (one message on stderr)."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except Problem as problem:
        print(f"cartwin: {problem}", file=sys.stderr)
        return 2


def _run(argv: Sequence[str]) -> int:
    from sim import usage

    arguments = usage.read(argv)
    if arguments.help:
        print(usage.help_text())
        return 0
    if arguments.version:
        from sim import __version__

        print(__version__)
        return 0
    from sim import program

    print(program.run(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
