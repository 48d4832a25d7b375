"""The program is killed, interrupted, starved of disk space, doubled: nothing is lost but what was in hand."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import store_program

from sim.cohort import BLOCK
from sim.compose import settings_from
from sim.experiments.folders import claimed, extended_folder, finishing
from sim.problems import Problem

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
N = 8 * BLOCK
WORLD = (
    *("policy=watch", "engine=batch", "economics=none", "quiet=true", "journal=off"),
    *("executor=serial", "executor.blocks=1"),
)
ANSWERS = ("summary.csv", "curves.csv", "paired.csv", "parameters.csv")
TRM = dict(settings_from().lines())["clinic.transplant.trm"].value
FINISHED = {*ANSWERS, "config.yaml", "manifest.json", "parts"}


def command(folder: Path, seconds: float = 0.0, n: int = N, *more: str) -> list[str]:
    program = [sys.executable, str(HERE / "store_program.py"), str(seconds)]
    return [*program, *WORLD, f"cohort.n={n}", f"out={folder}", *more]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def start(folder: Path, seconds: float = 0.2, **options: object) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    return subprocess.Popen(command(folder, seconds), **(pipes | options))  # type: ignore[call-overload, no-any-return]


def parts(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("parts/tally/*.parquet")}


def wait_for_parts(folder: Path, number: int, program: subprocess.Popen[str]) -> None:
    while len(parts(folder)) < number:
        assert program.poll() is None, program.communicate()[1]
        time.sleep(0.02)


def answers(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ANSWERS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    return answers(store_program.compare(*WORLD, f"cohort.n={N}", f"out={folder}"))


@pytest.fixture(scope="module")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_program.compare(*WORLD, "cohort.n=50", f"out={tmp_path_factory.mktemp('small')}/run")


@pytest.fixture
def small(_small: Path, tmp_path: Path) -> Path:
    """A finished run of 50 patients, free to be changed."""
    return Path(shutil.copytree(_small, tmp_path / "run"))


def refused(folder: Path, n: int, *words: str) -> str:
    """What is said when a run is not let into a folder."""
    settings = settings_from([*WORLD, f"cohort.n={n}", *words])
    with pytest.raises(Problem) as said, claimed(extended_folder(settings), settings):
        pass
    return str(said.value)


def resume(folder: Path, whole: dict[str, bytes]) -> None:
    """The same command goes on: parts that were there stay as they were, and the answers are right."""
    before = parts(folder)
    store_program.compare(*WORLD, f"cohort.n={N}", f"out={folder}")
    assert before.items() <= parts(folder).items()
    assert answers(folder) == whole
    assert {path.name for path in folder.iterdir()} == FINISHED
    assert not list(folder.rglob("*.tmp"))
    assert not list(folder.glob("parts/.*"))


@pytest.mark.parametrize(
    ("stop", "code", "word"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, "asked to end", id="SIGTERM", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, "", id="SIGKILL", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_goes_on(
    stop: signal.Signals, code: int, word: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with start(folder) as program:
        wait_for_parts(folder, 2, program)
        program.send_signal(stop)
        out, said = program.communicate()
    kept = len(parts(folder))
    assert 2 <= kept < 8
    assert (program.returncode, out) == (code, "")
    assert {path.name for path in folder.iterdir()} == {"parts"}
    if word:
        assert said == f"cartwin: {word}; {kept} parts are kept in {folder}: the same command goes on\n"
    resume(folder, whole)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.05, 0.3, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 4.0, 5.0, 6.0, 8.0])
def test_ctrl_c_at_any_moment(pause: float, whole: dict[str, bytes], tmp_path: Path) -> None:
    """From the first import to the last figure, in the program itself."""
    folder = tmp_path / "run"
    program = [sys.executable, "-m", "sim", *WORLD, f"cohort.n={N}", f"out={folder}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    with subprocess.Popen(program, **pipes) as process:  # type: ignore[call-overload]
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate()
    assert process.returncode in {0, 130, -signal.SIGINT}, said
    if process.returncode == 130:
        assert said.count("\n") == 1
        assert said.startswith("cartwin: interrupted")
        assert (folder / "manifest.json").exists() == ("all was done: the answers are in" in said)
    if process.returncode:
        assert out == ""
    if process.returncode == -signal.SIGINT:  # Python itself was still starting
        assert "cartwin: " not in said
        assert not folder.exists()
    elif process.returncode == 0 or "all was done" in said:
        assert answers(folder) == whole
    store_program.compare(*WORLD, f"cohort.n={N}", f"out={folder}")
    assert answers(folder) == whole


def stopped_in(folder: Path, *, finished: bool) -> None:
    """Be interrupted while a run's folder is kept, before or after its answers were put in place anew."""
    settings = settings_from([*WORLD, "cohort.n=60", f"out={folder}"])
    with claimed(folder, settings):
        if finished:
            held = (folder / "manifest.json").read_bytes()
            with finishing(folder) as scratch:
                (scratch / "manifest.json").write_bytes(held)
        raise KeyboardInterrupt


def test_stopped_when_all_is_done_says_so(small: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"1 part is kept in .*: the same command goes on"):
        stopped_in(small, finished=False)
    with pytest.raises(KeyboardInterrupt, match="all was done: the answers are in"):
        stopped_in(small, finished=True)


@pytest.mark.slow
def test_stopped_before_the_first_part_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    with start(folder, seconds=60) as program:
        while not (folder / "parts" / "run.json").exists():
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        said = program.communicate()[1]
    assert said == "cartwin: interrupted; nothing was left half-written\n"
    assert program.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_kept_by_one_at_a_time(small: Path) -> None:
    settings = settings_from([*WORLD, "cohort.n=60", f"out={small}"])
    with claimed(small, settings):
        said = refused(small, 60, f"out={small}")
        assert f"process {os.getpid()} on " in said
        assert "is at work on this run" in said
    with claimed(small, settings):
        pass
    assert not (small / "parts" / ".lock").exists()


@pytest.mark.slow
def test_a_second_process_is_turned_away_while_the_first_lives(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with start(folder, seconds=60) as first:
        while not (folder / "parts" / "run.json").exists():
            time.sleep(0.02)
        second = subprocess.run(command(folder), env=environment(), capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert second.stderr.startswith(f"cartwin: out={folder}: process {first.pid} on ")
        assert "is at work on this run" in second.stderr
        assert second.stderr.count("\n") == 1
        first.kill()
    resume(folder, whole)


@pytest.mark.slow
def test_two_processes_started_at_once_do_not_meet(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with start(folder, seconds=0.1) as one, start(folder, seconds=0.1) as two:
        codes = {program.wait() for program in (one, two)}
    assert codes in ({0, 2}, {0})  # one was turned away, or came when the other had finished
    resume(folder, whole)


def test_a_damaged_part_is_named_and_done_again(whole: dict[str, bytes], tmp_path: Path, capsys) -> None:
    folder = store_program.compare(*WORLD, f"cohort.n={N}", f"out={tmp_path}/run")
    victim, other, *_ = sorted(folder.glob("parts/tally/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-100])
    shutil.copy(other, folder / "parts" / "tally" / "0000036864-0000040960.parquet")
    before = parts(folder)
    store_program.compare(*WORLD, f"cohort.n={N}", f"out={folder}")
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": set aside")[0] for line in said] == [
        f"cartwin: {victim} is truncated, or no Parquet file",
        f"cartwin: {folder}/parts/tally/0000036864-0000040960.parquet is a part of something else "
        "(key '0000004096-0000008192', not '0000036864-0000040960')",
    ]
    assert answers(folder) == whole
    assert {name for name, time in parts(folder).items() if before.get(name) != time} == {victim.name}


@pytest.mark.slow
def test_a_full_disk_loses_nothing(whole: dict[str, bytes], tmp_path: Path) -> None:
    """A real one: a small file system of our own, where the system lets us mount it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        folder = disk / "run"
        program = [*command(folder), "executor.blocks=1"]
        done = subprocess.run(program, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"cartwin: out={folder}: cannot write there (No space left on device); ")
        assert done.stderr.endswith("free some space, and the same command goes on\n")
        assert not (folder / "manifest.json").exists()
        assert len(parts(folder)) >= 1
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        resume(folder, whole)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.slow
def test_a_disk_that_takes_no_more_loses_nothing(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Parts fit, the answers do not: files may not grow beyond 200 kB."""
    folder = tmp_path / "run"
    with start(folder, 0.0, preexec_fn=_small_files) as program:
        out, said = program.communicate()
    assert (program.returncode, out) == (2, "")
    assert said.count("\n") == 1
    assert said.startswith(f"cartwin: out={folder}: cannot write there (File too large); ")
    assert "parts are kept" in said
    assert not (folder / "manifest.json").exists()
    resume(folder, whole)


def test_other_code_refuses_parts_that_it_did_not_make(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = answers(small)
    monkeypatch.setattr("sim.experiments.sources.lives_code", lambda: "another")
    assert "holds a run with other code; choose a new folder" in refused(small, 60, f"out={small}")
    assert answers(small) == held


def test_a_changed_tally_is_counted_again(small: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Code that counts, but makes no lives, does not change the folder's name: its parts are done again."""
    folder = small
    held, before = answers(folder), parts(folder)
    monkeypatch.setattr("sim.experiments.gathering.part_code", lambda kind: "another")
    store_program.compare(*WORLD, "cohort.n=50", f"out={folder}")
    assert "is made by other code: set aside" in capsys.readouterr().err
    assert parts(folder) != before
    assert answers(folder) == held


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("clinic.transplant.trm.value=0.1", "clinic.transplant.trm.value=" + str(TRM) + " (now 0.1)"),
        ("policy=[watch,selective]", "policy.selective"),
    ],
)
def test_another_run_in_a_used_folder_is_refused_by_name(change: str, named: str, small: Path) -> None:
    (small / "manifest.json").unlink()  # as an interruption leaves it
    for where in (f"out={small}", f"run={small}"):
        said = refused(small, 50, where, change)
        assert "holds a run with other settings" in said
        assert named in said


def test_run_and_out_exclude_each_other(small: Path, tmp_path: Path) -> None:
    assert "leave out=" in refused(small, 50, f"run={small}", f"out={tmp_path}/other")


def test_a_smaller_run_does_not_replace_a_larger_one(small: Path) -> None:
    held = answers(small)
    assert "holds 50 patients of this run, more than cohort.n=40" in refused(small, 40, f"out={small}")
    assert answers(small) == held
