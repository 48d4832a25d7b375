"""The evaluation store: every run of the simulator is kept, so that an interruption loses nothing.

A folder per set of settings, targets and code (the caller names it by their hash); in it parts of some evaluations
each, written beside and put in place whole. An evaluation is found again by its exact parameter values and does not
depend on which others were made, so a resumed fit computes with the same numbers as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final

import numpy as np

from sim.calibration.priors import Parameters
from sim.calibration.target import Evaluator
from sim.problems import Problem

#: Evaluations in a part: what an interruption may cost.
PART: Final = 16


class Store:
    """Evaluations of one model.

    Parameters
    ----------
    folder
        Where the parts are; None keeps them in memory only.
    parameters
        How many parameters a row begins with; the emulated quantities follow.
    """

    def __init__(self, folder: Path | None, parameters: int) -> None:
        self.folder = folder
        self.parameters = parameters
        self._values: dict[bytes, np.ndarray] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.npy")):
                self._remember(_read(path, parameters))

    def __len__(self) -> int:
        return len(self._values)

    def find(self, theta: np.ndarray) -> np.ndarray | None:
        """Give the stored quantities of exactly these parameter values; None where there are none."""
        return self._values.get(theta.tobytes())

    def keep(self, thetas: np.ndarray, values: np.ndarray) -> None:
        """Store evaluations: parameter values, shape (n, parameters), and quantities, shape (n, targets)."""
        rows = np.ascontiguousarray(np.concatenate([thetas, values], axis=1))
        self._remember(rows)
        if self.folder is None:
            return
        name = hashlib.sha256(rows.tobytes()).hexdigest()[:20]
        scratch = self.folder / f".{name}.{os.getpid()}.part"
        with scratch.open("wb") as file:
            np.save(file, rows)
        os.replace(scratch, self.folder / f"{name}.npy")

    def _remember(self, rows: np.ndarray) -> None:
        for row in rows:
            self._values[row[: self.parameters].tobytes()] = row[self.parameters :]


def _read(path: Path, parameters: int) -> np.ndarray:
    try:
        rows: np.ndarray = np.load(path)
    except (OSError, ValueError, EOFError):
        raise Problem(f"{path}: stored evaluations cannot be read; delete the file and run again") from None
    if rows.ndim != 2 or rows.shape[1] <= parameters:
        raise Problem(f"{path}: holds evaluations of another shape; delete the file and run again")
    return rows


class Runs:
    """Runs of the simulator over rows of parameter values: stored ones are read, the others made in threads.

    Parameters
    ----------
    model
        The evaluator.
    parameters
        Names of the columns.
    store
        Where evaluations are kept.
    threads
        How many evaluations are made at a time.
    advance
        Called with the number of evaluations just finished or found.
    """

    def __init__(
        self,
        model: Evaluator,
        parameters: Parameters,
        store: Store,
        threads: int = 1,
        advance: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.store = store
        self.threads = max(1, threads)
        self.advance = advance
        self.made = 0

    def __call__(self, thetas: np.ndarray) -> np.ndarray:
        """Emulate all quantities.

        Parameters
        ----------
        thetas
            Parameter values, shape (n, parameters).

        Returns
        -------
        numpy.ndarray
            Shape (n, targets), natural units.
        """
        thetas = np.ascontiguousarray(thetas, dtype=float)
        wanted = list({theta.tobytes(): theta for theta in thetas}.values())
        missing = [theta for theta in wanted if self.store.find(theta) is None]
        self.advance(len(thetas) - len(missing))
        self._make(missing)
        return np.array([self.store.find(theta) for theta in thetas])

    def _make(self, missing: Sequence[np.ndarray]) -> None:
        done: list[tuple[np.ndarray, np.ndarray]] = []
        with ThreadPoolExecutor(self.threads) as pool:
            waiting = {pool.submit(self.model, self.parameters.named(theta)): theta for theta in missing}
            try:
                for future in as_completed(waiting):
                    done.append((waiting[future], np.asarray(future.result(), dtype=float)))
                    self.made += 1
                    self.advance(1)
                    if len(done) == PART:
                        self._keep(done)
            finally:
                for future in waiting:
                    future.cancel()
                if done:
                    self._keep(done)

    def _keep(self, done: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.store.keep(np.array([theta for theta, _ in done]), np.array([values for _, values in done]))
        done.clear()
