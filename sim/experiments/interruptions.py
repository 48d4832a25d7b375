"""Signals that end the program: each becomes an exception, so that everything on the way is left in order."""

from __future__ import annotations


class Terminated(BaseException):
    """The program was asked to end (SIGTERM)."""
