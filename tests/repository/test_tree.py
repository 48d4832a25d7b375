"""What holds for the repository as a whole: nothing from one machine in it, an exact lock, the expected entries."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", "build", "dist", "htmlcov", "outputs", "multirun", "__pycache__"}

# In pieces, so that this file does not find itself.
HOSTS = ["pypi" + ".org", "files." + "python", "python" + "hosted", "npm" + "js."]
FOLDERS = ["work", "farm", "root"]
FOREIGN = re.compile("|".join(map(re.escape, HOSTS)) + rf"|(?<![\w.~*)}}\]-])/(?:{'|'.join(FOLDERS)})/", re.IGNORECASE)


def walked() -> Iterator[Path]:
    """Every file of the project where there is no git: all but hidden folders and what a build or a run leaves."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in NOT_OURS and (not f.startswith(".") or f == ".ci")]
        yield from (Path(folder, file) for file in files if file != ".venv.busy")


def listed_by_git() -> list[Path] | None:
    """The files git tracks or would track; None where git or a repository of our own is missing."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return None
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in done.stdout.split("\0") if name] if done.returncode == 0 else None


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project with what it says."""
    files = listed_by_git()
    for path in walked() if files is None else files:
        if path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                yield path, content.decode("utf-8", errors="replace")


def lock() -> dict[str, list[tuple[Requirement, int]]]:
    """The lock's entries by name, each with its number of hashes; a name may differ by Python version."""
    entries: dict[str, list[tuple[Requirement, int]]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text(encoding="utf-8").strip()):
        requirement = Requirement(entry.split("\\")[0].strip())
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry)
        entries.setdefault(canonicalize_name(requirement.name), []).append((requirement, len(hashes)))
    return entries


def declared() -> list[Requirement]:
    """Every requirement of pyproject.toml: to run, to query, to develop."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for extra in project["project"]["optional-dependencies"].values():
        lines += extra
    return [Requirement(line) for line in lines]


def test_no_file_names_a_registry_or_a_path_of_one_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := FOREIGN.search(line))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("before", ["", "see ", '"', "=", "(", "file://"])
def test_the_search_sees_paths(before, folder):
    assert FOREIGN.search(f"{before}/{folder}/some/file")
    assert not FOREIGN.search(f"{before}clinic/{folder}/some/file")


@pytest.mark.parametrize("host", HOSTS)
def test_the_search_sees_hosts(host):
    assert FOREIGN.search(f"https://{host}x/simple/numpy")


def test_the_search_reads_this_file():
    assert Path(__file__).resolve() in {path for path, _ in texts()}


def test_every_entry_of_the_lock_is_exact_and_hashed():
    for entries in lock().values():
        for requirement, hashes in entries:
            assert [s.operator for s in requirement.specifier] == ["=="], requirement
            assert requirement.url is None, requirement
            assert hashes >= 1, f"{requirement} has no hash: run `make lock`"


def test_the_lock_satisfies_pyproject():
    locked = lock()
    for wanted in declared():
        entries = locked.get(canonicalize_name(wanted.name))
        assert entries, f"{wanted.name} is not in requirements.txt: run `make lock`"
        for requirement, _ in entries:
            (version,) = (s.version for s in requirement.specifier)
            assert wanted.specifier.contains(version, prereleases=True), f"{requirement}, not {wanted}: run `make lock`"


@pytest.mark.parametrize(
    "name",
    [
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "conf",
        "docs",
        "mkdocs.yml",
        "notebooks",
        "outputs",
        "pyproject.toml",
        "requirements.txt",
        "sim",
        "tests",
    ],
)
def test_the_tree_has(name):
    assert (ROOT / name).exists()


def test_links_between_files_lead_somewhere() -> None:
    """Links of the pages at the top; those of docs/ are checked where the site is built."""
    dead = []
    for page in ROOT.glob("*.md"):
        links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        files = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
        dead += [f"{page.name}: {file}" for file in files if not (ROOT / file).exists()]
    assert dead == []
