"""A running Dask cluster: tasks go to its workers a few at a time, results come back to this process."""

from __future__ import annotations

import logging
import pickle
import sys
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from sim.experiments.executors import Done, Failed, Job, Trouble, work
from sim.problems import Problem

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Seconds to wait for the scheduler to answer.
PATIENCE: Final = 10
#: Tasks sent ahead for every thread of the cluster: it never waits for us, and holds little.
AHEAD: Final = 2


def on_cluster(
    job: Job[Task, Result], tasks: Sequence[Task], address: str
) -> Generator[Done[Task, Result], None, None]:
    """Do the tasks on the cluster whose scheduler is at `address` (see `sim.experiments.executors`)."""
    client = _client(address)
    try:
        yield from _Cluster(client, address, pickle.dumps(job)).run(tasks)
    finally:
        _close(client)


def _client(address: str) -> Any:
    from distributed import Client

    for name in logging.root.manager.loggerDict:
        if name.startswith(("distributed", "tornado", "asyncio")):  # what matters of it is said in our own words
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Problem(
            f"executor.address={address}: no Dask scheduler answers there ({reason}); "
            "start one with `dask scheduler`, or use executor=local"
        ) from None


def _close(client: Any) -> None:
    with suppress(Exception):  # the scheduler may be gone: then there is nothing to take leave of
        client.close(timeout=2)


class _Cluster:
    """One run on a cluster."""

    def __init__(self, client: Any, address: str, payload: bytes) -> None:
        self.client = client
        self.address = address
        self.payload = payload
        self.trouble = Trouble[Any]()
        self.running: dict[Any, Any] = {}

    def run(self, tasks: Sequence[Any]) -> Generator[Done[Any, Any], None, None]:
        """Keep a few tasks running until all are done."""
        from distributed import as_completed

        waiting = deque(tasks)
        finished = as_completed(loop=self.client.loop, raise_errors=False)
        try:
            while waiting or self.trouble.suspects or self.running:
                self._send(waiting, finished)
                future = next(finished)
                task = self.running.pop(future)
                yield from self._received(task, future)
            self.trouble.report()
        finally:
            with suppress(Exception):  # as above
                self.client.cancel(list(self.running), force=True)

    def _send(self, waiting: deque[Any], finished: Any) -> None:
        """Send tasks; suspects come last, one at a time, alone."""
        room = AHEAD * max(1, self._threads())
        while waiting and len(self.running) < room:
            self._submit(waiting.popleft(), finished)
        if not waiting and not self.running and self.trouble.suspects:
            self._submit(self.trouble.suspects.popleft(), finished)

    def _submit(self, task: Any, finished: Any) -> None:
        future = self.client.submit(work, self.payload, task, pure=False)
        self.running[future] = task
        finished.add(future)

    def _threads(self) -> int:
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
        if not workers and not self.running:
            print(f"cartwin: the cluster at {self.address} has no workers yet; waiting", file=sys.stderr, flush=True)
        return sum(worker.get("nthreads", 1) for worker in workers.values())

    def _received(self, task: Any, future: Any) -> Generator[Done[Any, Any], None, None]:
        from distributed import KilledWorker

        if future.status == "finished":
            try:
                result = future.result(timeout=60)
            except (OSError, TimeoutError) as lost:
                raise self._gone() from lost
            future.release()
            yield Done(task, result)
            return
        if future.status != "error":  # cancelled or lost: the scheduler took it along
            raise self._gone()
        error = future.exception()
        if isinstance(error, KilledWorker):
            self.trouble.strike(task, "its worker was killed again and again")
        elif isinstance(error, Problem):
            raise error
        elif isinstance(error, ModuleNotFoundError):
            raise Problem(
                f"executor.address={self.address}: a worker there cannot import {error.name!r}; "
                "install the same version of cartwin where the workers run"
            )
        else:
            raise Failed(f"{task}: the program failed in a worker of {self.address}: {error!r}") from error

    def _gone(self) -> Problem:
        return Problem(
            f"executor.address={self.address}: the scheduler is gone. What was done is kept: "
            "start it again, and the same command goes on"
        )
