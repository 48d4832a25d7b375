"""Signals that end the program: each becomes an exception, so that everything on the way out is left in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """The program was asked to end (SIGTERM)."""


class _Asked:
    """What the program was asked, kept for when an exception is lost on its way (in a destructor, in an import)."""

    stop: type[BaseException] | None = None


@contextmanager
def heeded() -> Iterator[None]:
    """Turn SIGINT into `KeyboardInterrupt` and SIGTERM into `Terminated` while the program runs."""
    _Asked.stop = None
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    exceptions: dict[int, type[BaseException]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        _Asked.stop = exceptions[number]
        raise exceptions[number]

    try:
        for number in exceptions:
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup and the like
                before[number] = signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def asked_to_stop() -> type[BaseException] | None:
    """Tell whether, and how, the program was asked to end."""
    return _Asked.stop


def stop_if_asked() -> None:
    """End if the program was asked to and the exception was lost."""
    if _Asked.stop is not None:
        raise _Asked.stop
