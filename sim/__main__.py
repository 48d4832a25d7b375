"""The program: ``python -m sim`` and the console script ``cartwin``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sim.problems import Problem


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; 0: done, 2: an input cannot be used, 130: interrupted (one message on stderr)."""
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except Problem as problem:
        print(f"cartwin: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cartwin: interrupted; nothing was left half-written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
