"""A Dask cluster on this machine, scheduler and workers as processes of their own; what breaks is broken for real."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_program
from store_jobs import Square, command_of

from sim.cohort import BLOCK
from sim.compose import settings_from
from sim.experiments.executors import Failed, execute
from sim.problems import Problem
from sim.settings import Executor

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORLD = ("policy=[watch,selective]", "engine=batch", "quiet=true", "journal=on", "executor.blocks=1")
ANSWERS = ("summary.csv", "curves.csv", "paired.csv", "patients.parquet", "journal.parquet")


class Cluster:
    """A scheduler and its workers (one thread each), each with a nanny that replaces it when it dies."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = folder / "scheduler.log"
        self._start(self.log, "scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
        found = self._wait_for(self.log, rb"Scheduler at:\s+(tcp://\S+)")
        self.address = found[1].decode()
        for number in range(workers):
            log = folder / f"worker{number}.log"
            options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
            self._start(log, "worker", self.address, *options)
            self._wait_for(log, rb"Registered to:")

    def _start(self, log: Path, *words: str) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
        with log.open("wb") as file:
            command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
            self.processes.append(
                subprocess.Popen(command, cwd=self.folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
            )

    def _wait_for(self, log: Path, text: bytes) -> re.Match[bytes]:
        deadline = time.monotonic() + 120
        while not (found := re.search(text, log.read_bytes())):
            assert self.processes[-1].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return found

    def executor(self) -> Executor:
        return Executor(kind="dask", workers=None, address=self.address, blocks=None)

    def end(self) -> None:
        for process in reversed(self.processes):  # a nanny ends its worker
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), workers=2)
    yield cluster
    cluster.end()


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to break."""
    cluster = Cluster(tmp_path, workers=1)
    yield cluster
    cluster.end()


def workers_of(cluster: Cluster) -> list[int]:
    """Process numbers of the workers: children of the nannies."""
    nannies = [process.pid for process in cluster.processes[1:]]
    found = [path for pid in nannies for path in Path(f"/proc/{pid}/task").glob("*/children")]
    pids = [int(pid) for path in found for pid in path.read_text().split()]
    return [pid for pid in pids if b"spawn_main" in command_of(pid)]


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes(cluster: Cluster, tmp_path: Path) -> None:
    n = f"cohort.n={2 * BLOCK + 100}"
    here = store_program.compare(*WORLD, n, f"out={tmp_path}/here")
    there = store_program.compare(
        *WORLD, n, f"out={tmp_path}/there", "executor=dask", f"executor.address={cluster.address}"
    )
    for name in ANSWERS:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name
    assert not list((cluster.folder).rglob("*.parquet"))  # workers wrote nothing


@pytest.mark.slow
def test_every_task_is_done_once_and_errors_come_home(cluster: Cluster) -> None:
    done = list(execute(Square(), range(40), cluster.executor()))
    assert sorted(done) == [(task, task * task) for task in range(40)]
    with pytest.raises(Problem, match="key: value is refused"):
        list(execute(Square(refused=(2,)), range(4), cluster.executor()))
    with pytest.raises(Failed, match=r"^3: the program failed in a worker .*ZeroDivisionError"):
        list(execute(Square(wrong=(3,)), range(4), cluster.executor()))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers in /proc")
def test_killed_workers_cost_nothing(cluster: Cluster) -> None:
    killed, done = 0, {}
    for task, result in execute(Square(seconds=0.1), range(60), cluster.executor()):
        done[task] = result
        if killed < 5 and len(done) % 8 == 0:
            os.kill(workers_of(cluster)[0], signal.SIGKILL)
            killed += 1
    assert killed == 5
    assert done == {task: task * task for task in range(60)}


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_named_and_its_neighbours_are_done(cluster: Cluster) -> None:
    done: list[int] = []
    with pytest.raises(Problem, match=r"^7 \(its worker was killed again and again\): each of 3 attempts"):
        done.extend(task for task, _ in execute(Square(deadly=(7,)), range(12), cluster.executor()))
    assert sorted(done) == [task for task in range(12) if task != 7]


@pytest.mark.slow
def test_a_scheduler_that_dies_loses_nothing(own_cluster: Cluster, tmp_path: Path) -> None:
    n = f"cohort.n={40 * BLOCK}"
    folder = tmp_path / "run"
    command = [*WORLD[:-2], "journal=off", "executor.blocks=1", n, f"out={folder}"]
    there = ["executor=dask", f"executor.address={own_cluster.address}"]
    program = [sys.executable, str(HERE / "store_program.py"), "0", *command, *there]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while len(list(folder.glob("parts/tally/*.parquet"))) < 2:
            assert run.poll() is None
            time.sleep(0.02)
        own_cluster.processes[0].kill()
        out, said = run.communicate(timeout=120)
    assert (run.returncode, out) == (2, "")
    assert said.count("\n") == 1
    assert f"executor.address={own_cluster.address}: the scheduler is gone" in said
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("parts/tally/*.parquet")}
    assert 2 <= len(kept) < 40
    assert not (folder / "manifest.json").exists()
    store_program.compare(*command)
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("parts/tally/*.parquet")}
    assert kept.items() <= after.items()
    whole = store_program.compare(*command[:-1], f"out={tmp_path}/whole", "executor.blocks=40")
    for name in ANSWERS[:3]:
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_an_unreachable_scheduler_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.experiments.cluster.PATIENCE", 1)
    folder = tmp_path / "run"
    address = "tcp://127.0.0.1:9"
    with pytest.raises(Problem, match=f"executor.address={address}: no Dask scheduler answers there") as said:
        store_program.compare(*WORLD, "cohort.n=50", f"out={folder}", "executor=dask", f"executor.address={address}")
    assert "\n" not in str(said.value)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["executor=dask"], "executor.address: executor=dask needs the address of a running scheduler"),
        (["executor.address=tcp://x:1"], "executor.address=tcp://x:1 is for executor=dask (now executor=local)"),
        (["executor=serial", "executor.workers=2"], "executor.workers=2 is for executor=local (now executor=serial)"),
        (["executor=dusk"], "dask"),
    ],
    ids=str,
)
def test_executors_that_cannot_be_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(Problem) as said:
        settings_from(words)
    assert message in str(said.value)
