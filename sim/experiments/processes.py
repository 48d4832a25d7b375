"""Worker processes on this machine: fresh interpreters that hear of nothing but their job and their tasks.

Each does one task at a time and is told the next over a socket of its own; so it is known which task a dead worker had
in hand. They are not forked (whatever threads and locks this process holds stay here) and do not import the main
program again (scripts and notebooks need no guard). They are in a session of their own: Ctrl-C reaches this process
alone. When this process dies, by whatever signal, their socket closes and they end.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, Final, TypeVar

from sim.experiments.executors import Done, Failed, Job, Trouble
from sim.problems import Problem

Task = TypeVar("Task")
Result = TypeVar("Result")

#: So many workers in a row may be killed without any of them having done a task.
DEATHS: Final = 100
#: So many may fail to start; they write why to stderr.
FAILURES: Final = 3
#: One thread each: cores are shared out by process.
ONE_THREAD: Final = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


class Worker:
    """A worker process and the task it has in hand."""

    def __init__(self, payload: bytes) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "sim.experiments.processes", str(theirs.fileno())]
            places = [place or os.getcwd() for place in sys.path]
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(places)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.link = Connection(ours.detach())
        self.task: Any = None
        self.busy = False  # has a task
        self.ready = False  # has begun to do tasks
        self._tell(payload)

    def give(self, task: Any) -> None:
        """Hand over a task (a worker that has died meanwhile is noticed when it is listened to)."""
        self.task, self.busy = task, True
        self._tell(pickle.dumps(task))

    def _tell(self, message: bytes) -> None:
        try:
            self.link.send_bytes(message)
        except OSError:  # dead; its end of the socket reads as closed
            self.ready = False

    def hear(self) -> tuple[str, Any]:
        """Hear what it says: ready, done or failed; or that it is dead."""
        try:
            said: tuple[str, Any] = pickle.loads(self.link.recv_bytes())
        except (EOFError, OSError):
            return "dead", None
        return said

    def end(self) -> int:
        """End it, whatever it does, and give its exit code (negative: the signal that killed it)."""
        self.link.close()
        try:
            return self.process.wait(timeout=0.0 if self.busy else 0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class _Pool:
    """The workers of one run."""

    def __init__(self, payload: bytes, workers: int) -> None:
        self.payload = payload
        self.deaths = 0  # in a row
        self.workers: list[Worker] = []
        for _ in range(workers):
            self.workers.append(Worker(payload))

    def busy(self) -> bool:
        return any(worker.busy for worker in self.workers)

    def next_word(self) -> Generator[tuple[Worker, str, Any], None, None]:
        """Wait until workers say something."""
        links = {id(worker.link): worker for worker in self.workers if worker.busy}
        for link in wait_for([worker.link for worker in links.values()]):
            worker = links[id(link)]
            yield worker, *worker.hear()

    def replace(self, worker: Worker) -> str:
        """Put a new worker in the place of a dead one, and say how that one died."""
        self.deaths += 1
        worker.busy = False
        cause = _cause(worker.end())
        if self.deaths > (DEATHS if cause.startswith("killed") else FAILURES):
            raise Problem(
                f"{self.deaths} worker processes in a row did nothing (the last one was {cause}); "
                "executor=serial works without them"
            )
        self.workers[self.workers.index(worker)] = Worker(self.payload)
        return cause

    def end(self) -> None:
        """End all workers, the busy ones at once."""
        for worker in self.workers:
            worker.end()


def in_processes(
    job: Job[Task, Result], tasks: Sequence[Task], workers: int
) -> Generator[Done[Task, Result], None, None]:
    """Do the tasks in so many processes (see `sim.experiments.executors`)."""
    waiting, trouble = deque(tasks), Trouble[Task]()
    pool = _Pool(pickle.dumps(job), workers)
    try:
        job.prepare()  # compiled once, here; they load it
        while waiting or trouble.suspects or pool.busy():
            _share_out(pool.workers, waiting, trouble)
            for worker, word, said in pool.next_word():
                if word == "ready":
                    worker.ready = True
                elif word == "done":
                    pool.deaths, worker.busy = 0, False
                    yield Done(worker.task, said)
                elif word == "failed":
                    raise _failure(worker.task, said)
                elif worker.ready:
                    trouble.strike(worker.task, pool.replace(worker))
                else:  # it never took the task up
                    waiting.appendleft(worker.task)
                    pool.replace(worker)
        trouble.report()
    finally:
        pool.end()


def _share_out(pool: list[Worker], waiting: deque[Any], trouble: Trouble[Any]) -> None:
    """Give every idle worker a task; suspects come last, one at a time, alone."""
    for worker in pool:
        if waiting and not worker.busy:
            worker.give(waiting.popleft())
    if not waiting and trouble.suspects and not any(worker.busy for worker in pool):
        pool[0].give(trouble.suspects.popleft())


def _failure(task: Any, said: Any) -> Exception:
    if isinstance(said, Problem):
        return said
    return Failed(f"{task}: the program failed in a worker:\n{said}")


def _cause(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")


def serve(link: Connection) -> None:
    """Do tasks as they come, until the other side closes or dies."""
    job = pickle.loads(link.recv_bytes())
    task = pickle.loads(link.recv_bytes())
    job.prepare()
    link.send_bytes(pickle.dumps(("ready", None)))
    while True:
        link.send_bytes(_answer(job, task))
        task = pickle.loads(link.recv_bytes())


def _answer(job: Any, task: Any) -> bytes:
    try:
        return pickle.dumps(("done", job(task)), protocol=pickle.HIGHEST_PROTOCOL)
    except Problem as problem:
        return pickle.dumps(("failed", problem))
    except Exception:
        return pickle.dumps(("failed", traceback.format_exc()))


def main() -> None:
    """Be a worker: the number of the socket is the only argument."""
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, OSError):  # nobody is there any more
        return


if __name__ == "__main__":
    main()
