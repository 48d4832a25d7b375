"""The program: ``python -m sim`` and the console script ``cartwin``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from sim.interruptions import Terminated, heeded
from sim.problems import Problem


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program, and give its exit code.

    Returns
    -------
    int
        0: done; 2: an input cannot be used, or something outside the program failed; 130: interrupted;
        143: asked to end. One message on stderr with each but 0.
    """
    try:
        with heeded():
            code = _run(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
        return code
    except Problem as problem:
        print(f"cartwin: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, Terminated) as stop:
        return _stopped(stop)


def _stopped(stop: BaseException) -> int:
    word, code = ("asked to end", 143) if isinstance(stop, Terminated) else ("interrupted", 130)
    left = stop.args[0] if stop.args else "nothing was left half-written"
    print(f"cartwin: {word}; {left}", file=sys.stderr)
    return code


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
    if arguments.completion is not None or arguments.complete is not None:
        from sim import completion

        if arguments.completion is not None:
            print(completion.script(arguments.completion))
        elif arguments.complete:
            word, *before = arguments.complete
            print("\n".join(completion.candidates(word, before, usage.FLAGS)))
        return 0
    from sim import program

    print(program.run(arguments))
    return 0


if __name__ == "__main__":
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done and said: nothing is left to interrupt
    sys.exit(status)
