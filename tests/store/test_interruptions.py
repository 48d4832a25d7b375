"""A request to stop that arrives where Python loses exceptions is not lost."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from sim.interruptions import Terminated, asked_to_stop, heeded


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
