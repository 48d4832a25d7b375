"""Jobs for the tests: importable, and quickly, by worker processes and by Dask workers alike."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from sim.problems import Problem


class Square(NamedTuple):
    """Squares whole numbers; kills its worker, or fails, over some of them."""

    seconds: float = 0.0
    deadly: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()

    def prepare(self) -> None:
        """Nothing to get ready."""

    def __call__(self, task: int, /) -> int:
        time.sleep(self.seconds)
        if task in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if task in self.wrong:
            raise ZeroDivisionError("this is wrong")
        if task in self.refused:
            raise Problem("key: value is refused")
        return task * task


def command_of(pid: int) -> bytes:
    """The command line of a process; nothing of one that has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
