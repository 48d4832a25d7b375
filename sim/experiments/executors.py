"""Who does the work: a plain loop, threads of this process, processes of this machine, or a Dask cluster.

A job is a picklable function of one picklable task, deterministic and idempotent; ``str(task)`` names it to people.
Every executor yields each task once with its result, in whatever order they come. What becomes of the results is the
caller's: workers write nothing, so they need no common file system.

A task whose worker dies is put behind all others and then tried alone, `ATTEMPTS` times in all; so a task that kills
every worker is found, its neighbours are not blamed, and everything else is done before the run ends with its name.
"""

from __future__ import annotations

import os
import pickle
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from sim.problems import Problem

Task = TypeVar("Task")
Result = TypeVar("Result")
_Task = TypeVar("_Task", contravariant=True)
_Result = TypeVar("_Result", covariant=True)

#: A task that has cost this many workers is given up.
ATTEMPTS: Final = 3


class Job(Protocol[_Task, _Result]):
    """What is done with each task; pickled once, and sent to every worker."""

    def prepare(self) -> None:
        """Get ready (compile, or load what is compiled) in a process that will do tasks."""

    def __call__(self, task: _Task, /) -> _Result:
        """Do one task."""


class Done(NamedTuple, Generic[Task, Result]):
    """A task and what came of it."""

    task: Task
    result: Result


class Failed(RuntimeError):
    """A task ended with an error of the program, not of the input; the message names it and holds the traceback."""


class Trouble(Generic[Task]):
    """Keeps account of tasks whose worker died."""

    def __init__(self) -> None:
        self.suspects: deque[Task] = deque()
        self.lost: list[tuple[Task, str]] = []
        self._strikes: Counter[str] = Counter()

    def strike(self, task: Task, reason: str) -> None:
        """Note that a worker died over `task`: it is tried again later, alone, or given up."""
        self._strikes[str(task)] += 1
        if self._strikes[str(task)] < ATTEMPTS:
            self.suspects.append(task)
        else:
            self.lost.append((task, reason))

    def report(self) -> None:
        """Name the tasks that were given up.

        Raises
        ------
        Problem
            When there are any.
        """
        if self.lost:
            named = "; ".join(f"{task} ({reason})" for task, reason in self.lost)
            raise Problem(
                f"{named}: each of {ATTEMPTS} attempts ended with the death of its worker, the last ones alone. "
                "Everything else is done and kept. A worker that is out of memory needs smaller chunks "
                "(executor.blocks=1); executor=serial shows where a crash happens"
            )


def cores() -> int:
    """Count the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(
    job: Job[Task, Result],
    tasks: Sequence[Task],
    executor: Any,
    *,
    short: bool = False,
    threads: int = 1,
) -> Generator[Done[Task, Result], None, None]:
    """Do every task.

    Parameters
    ----------
    job, tasks
        What is done, with what.
    executor
        Who does it (`sim.settings.Executor`).
    short
        Starting processes would take longer than the work: `local` does it here, unless `workers` was given.
    threads
        Threads of this process where the work is done here.

    Yields
    ------
    Done
        Each task once, in the order in which they are finished.

    Raises
    ------
    Problem
        When a task kills every worker, or the cluster cannot be reached or goes away.
    Failed
        When a task ends with an error of the program.
    """
    if not tasks:
        return
    if executor.kind == "dask":
        from sim.experiments.cluster import on_cluster

        yield from on_cluster(job, tasks, executor.address)
    elif executor.kind == "serial":
        yield from here(job, tasks, 1)
    elif executor.workers is None and (short or cores() == 1 or len(tasks) == 1):
        yield from here(job, tasks, threads)
    else:
        from sim.experiments.processes import in_processes

        yield from in_processes(job, tasks, min(executor.workers or cores(), len(tasks)))


def here(job: Job[Task, Result], tasks: Iterable[Task], threads: int) -> Generator[Done[Task, Result], None, None]:
    """Do the tasks in this process: a plain loop, or a few threads over it."""
    job.prepare()
    if threads <= 1:
        for task in tasks:
            yield Done(task, job(task))
        return
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[Result], Task] = {}
        try:
            for task in tasks:
                running[pool.submit(job, task)] = task
                if len(running) > threads:
                    yield from _finished(running)
            while running:
                yield from _finished(running)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finished(running: dict[Future[Result], Task]) -> Generator[Done[Task, Result], None, None]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        yield Done(running.pop(future), future.result())


@lru_cache(maxsize=2)
def unpickled(payload: bytes) -> Any:
    """Unpickle a job in a worker and prepare it, once."""
    job = pickle.loads(payload)
    job.prepare()
    return job


def work(payload: bytes, task: Any) -> Any:
    """Do one task in a worker that may be anywhere."""
    return unpickled(payload)(task)
