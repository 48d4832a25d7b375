"""A request to stop that arrives where Python loses exceptions is not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.__main__ import main
from sim.interruptions import Terminated, asked_to_stop, heeded
from sim.problems import Problem

#: ``python -m`` of a module that is interrupted while a text is executed, as dataclasses do on import.
IN_A_TEXT = """
import sys
from sim import __main__ as program
program._run = lambda argv: exec("import os, signal; os.kill(os.getpid(), signal.SIGINT)\\nfor _ in range(1000): pass")
sys.exit(program.main([]))
"""


class Grave:
    """Asks the program to stop while it is being destroyed."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        for _ in range(1000):  # the handler runs between two of these
            pass


def stopped_in_a_destructor(number: signal.Signals, kind: type[BaseException]) -> None:
    with heeded():
        grave = Grave(number)
        del grave
        assert asked_to_stop() is kind
        time.sleep(20)  # ended early


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_stop_in_a_destructor_comes_again(
    number: signal.Signals, kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    hook = sys.unraisablehook
    with pytest.raises(kind):
        stopped_in_a_destructor(number, kind)
    assert sys.unraisablehook is hook
    assert asked_to_stop() is None  # what comes next in this process goes on
    assert capsys.readouterr().err == ""


def test_an_interruption_inside_a_text_ends_with_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "interrupted_in_a_text.py").write_text(IN_A_TEXT)
    places = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    program = [sys.executable, "-m", "interrupted_in_a_text"]
    done = subprocess.run(program, env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "cartwin: interrupted; nothing was left half-written\n"


@pytest.mark.parametrize("failure", [Problem("cannot compose"), OSError("half a file"), ImportError("half a module")])
def test_what_fails_after_a_stop_is_that_stop(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(20)  # ended early
        except KeyboardInterrupt:
            raise failure from None
        return 0

    monkeypatch.setattr("sim.__main__._run", run)
    assert main([]) == 130
    assert capsys.readouterr().err == "cartwin: interrupted; nothing was left half-written\n"
