"""Workers die, tasks fail: everything that can be done is done, and what cannot is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_jobs import Square, command_of

from sim.experiments.executors import Failed, execute
from sim.problems import Problem
from sim.settings import Executor


def executor(kind: str = "local", workers: int | None = None) -> Executor:
    return Executor(kind=kind, workers=workers, address=None, blocks=None)


def squares(job: Square, n: int, workers: int = 2) -> dict[int, int]:
    return dict(execute(job, range(n), executor(workers=workers)))


def children() -> list[int]:
    """Worker processes of this process."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for path in found for pid in path.read_text().split()]
    return [pid for pid in pids if b"sim.experiments.processes" in command_of(pid)]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers in /proc")


@contextmanager
def killing(times: int, pause: float) -> Iterator[list[int]]:
    """Kill a worker again and again, beside the test."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.wait(pause):
            for pid in [pid for pid in children() if pid not in killed][:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("how", [executor("serial"), executor("local", 2), executor("local")], ids=str)
def test_every_task_is_done_once(how: Executor) -> None:
    done = list(execute(Square(), range(30), how, short=how.workers is None, threads=3))
    assert sorted(done) == [(task, task * task) for task in range(30)]


def test_nothing_to_do_starts_nothing() -> None:
    assert list(execute(Square(deadly=(0,)), [], executor("local", 2))) == []


@needs_proc
def test_a_killed_worker_costs_nothing() -> None:
    with killing(times=2, pause=1.2) as killed:
        assert squares(Square(seconds=0.15), 30) == {task: task * task for task in range(30)}
    assert len(killed) == 2
    assert not children()


@pytest.mark.slow
@needs_proc
def test_twenty_workers_killed_in_a_row_cost_nothing() -> None:
    with killing(times=20, pause=0.4) as killed:
        assert squares(Square(seconds=0.3), 60) == {task: task * task for task in range(60)}
    assert len(killed) == 20
    assert not children()


def test_a_task_that_kills_every_worker_is_named_when_all_others_are_done() -> None:
    done: list[int] = []
    with pytest.raises(Problem, match=r"^7 \(killed by SIGKILL, perhaps out of memory\): each of 3 attempts"):
        done.extend(task for task, _ in execute(Square(deadly=(7,)), range(12), executor(workers=2)))
    assert sorted(done) == [task for task in range(12) if task != 7]


def test_an_error_of_the_program_is_not_tried_again() -> None:
    with pytest.raises(Failed, match=r"(?s)^5: the program failed in a worker:.*ZeroDivisionError: this is wrong"):
        squares(Square(wrong=(5,)), 8)
    assert not children()


@pytest.mark.parametrize("how", [executor("serial"), executor("local", 1)], ids=str)
def test_a_problem_in_a_worker_is_a_problem_here(how: Executor) -> None:
    with pytest.raises(Problem, match="key: value is refused"):
        list(execute(Square(refused=(2,)), range(4), how))


def test_leaving_early_ends_the_workers() -> None:
    results = execute(Square(seconds=0.05), range(1000), executor(workers=2))
    next(results)
    results.close()
    assert not children()


@needs_proc
def test_workers_do_not_outlive_the_program(tmp_path: Path) -> None:
    code = (
        "from store_jobs import Square\n"
        "from sim.experiments.executors import execute\n"
        "from sim.settings import Executor\n"
        "how = Executor(kind='local', workers=2, address=None, blocks=None)\n"
        "for done in execute(Square(seconds=0.2), range(1000), how): print(done, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        workers = [
            int(p) for path in Path(f"/proc/{program.pid}/task").glob("*/children") for p in path.read_text().split()
        ]
        assert len(workers) == 2
        program.kill()
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
