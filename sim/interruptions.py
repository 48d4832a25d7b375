"""Signals that end the program: each becomes an exception, so that everything on the way out is left in order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

#: Seconds after which a request to stop that was lost is made again.
_SHORTLY: Final = 0.05


class Interrupted(KeyboardInterrupt):
    """The program was interrupted (SIGINT, Ctrl-C).

    Not `KeyboardInterrupt` itself: once one of those has passed through ``exec`` of a text (as dataclasses, named
    tuples and Numba do), ``python -m`` kills itself by SIGINT at its end, whatever exit code was asked for.
    """


class Terminated(BaseException):
    """The program was asked to end (SIGTERM)."""


class _Asked:
    """What the program was asked, kept for when an exception is lost on its way (in a destructor, in an import)."""

    stop: type[BaseException] | None = None


@contextmanager
def heeded() -> Iterator[None]:
    """Turn SIGINT into `Interrupted` and SIGTERM into `Terminated` while the program runs.

    One that arrives where exceptions are lost (in a destructor, in a callback of a C library) is raised again, and
    whatever fails after a request to stop (an import that was cut short fails in its own way) counts as that stop.
    """
    _Asked.stop = None
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    exceptions: dict[int, type[BaseException]] = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated}
    before: dict[int, Any] = {}
    lost = sys.unraisablehook
    reminders: list[threading.Timer] = []

    def remind(unraisable: Any) -> None:
        """Ask again shortly: an exception in a destructor or a callback goes nowhere."""
        if unraisable.exc_type not in exceptions.values():
            lost(unraisable)
            return
        number = next(number for number, kind in exceptions.items() if kind is unraisable.exc_type)
        reminders.append(threading.Timer(_SHORTLY, os.kill, (os.getpid(), number)))
        reminders[-1].daemon = True
        reminders[-1].start()

    def stop(number: int, frame: FrameType | None) -> None:
        _Asked.stop = exceptions[number]
        raise exceptions[number]

    try:
        for number in exceptions:
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup and the like
                before[number] = signal.signal(number, stop)
        sys.unraisablehook = remind
        with as_asked():
            yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a reminder on its way must not meet Python's own handler
        _Asked.stop = None
        sys.unraisablehook = lost
        for reminder in reminders:
            reminder.cancel()
            reminder.join()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def as_asked() -> Iterator[None]:
    """Take whatever fails after a request to stop for that stop."""
    try:
        yield
    except Exception as error:
        if _Asked.stop is None:
            raise
        raise _Asked.stop from error


def asked_to_stop() -> type[BaseException] | None:
    """Tell whether, and how, the program was asked to end."""
    return _Asked.stop


def stop_if_asked() -> None:
    """End if the program was asked to and the exception was lost."""
    if _Asked.stop is not None:
        raise _Asked.stop
