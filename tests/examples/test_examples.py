"""What the README and the notebooks show can be run as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def shell_lines() -> list[str]:
    """List the README's commands of the program, comments cut off."""
    blocks = [text for language, text in BLOCK.findall(README) if language == "sh"]
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("python -m sim")]


def yaml_policy() -> str:
    """Give the README's example policy."""
    return next(text for language, text in BLOCK.findall(README) if language == "yaml" and "rules:" in text)


def yaml_cohort() -> str:
    """Give the README's example cohort."""
    return next(text for language, text in BLOCK.findall(README) if language == "yaml" and "defaults:" in text)


def yaml_study() -> str:
    """Give the example study of docs/validation.md."""
    text = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    return next(text for language, text in BLOCK.findall(text) if language == "yaml" and "quantities:" in text)


#: Of README's commands, those that take longest run with the slow tests.
LONG = ("experiment=capacity", "sim -m ", "--config-dir")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=pytest.mark.slow if any(word in line for word in LONG) else ())
        for line in shell_lines()
    ],
)
def test_readme_command_runs(line: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "policy"
    mine.mkdir(parents=True)
    (mine / "late_window.yaml").write_text(yaml_policy(), encoding="utf-8")
    (tmp_path / "mine" / "cohort").mkdir()
    (tmp_path / "mine" / "cohort" / "our_series.yaml").write_text(yaml_cohort(), encoding="utf-8")
    (tmp_path / "my_study.yaml").write_text(yaml_study(), encoding="utf-8")
    words = [word.replace("100000", "64") for word in shlex.split(line)[1:]]
    few = [] if any("cohort.n" in word for word in words) else ["cohort.n=48"]
    out = [] if any(word.startswith("out=") for word in words) else [f"out={tmp_path}/out"]
    done = subprocess.run(
        [sys.executable, *words, *few, *out], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip().splitlines()[-1]).is_dir()


def test_notebooks_and_their_scripts_say_the_same() -> None:
    jupytext = pytest.importorskip("jupytext")
    for script in NOTEBOOKS:
        pair = [jupytext.read(path) for path in (script, script.with_suffix(".ipynb"))]
        cells = [[(cell.cell_type, cell.source) for cell in notebook.cells] for notebook in pair]
        assert cells[0] == cells[1], script.name


#: Run by default; all others take longer and run with the slow tests.
CHEAP = ("biology", "first_comparison")


@pytest.mark.parametrize(
    "script",
    [pytest.param(s, id=s.stem, marks=() if s.stem in CHEAP else pytest.mark.slow) for s in NOTEBOOKS],
)
def test_notebook_runs(script: Path, tmp_path: Path) -> None:
    environment = {"MPLBACKEND": "Agg"}
    import os

    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_notebooks_keep_no_results() -> None:
    """Results would go out of date: a notebook is run by whoever reads it."""
    jupytext = pytest.importorskip("jupytext")
    for script in NOTEBOOKS:
        code = [cell for cell in jupytext.read(script.with_suffix(".ipynb")).cells if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in code), script.name


@pytest.mark.slow
@pytest.mark.parametrize("script", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_a_kernel(script: Path, tmp_path: Path) -> None:
    """The same by Jupyter itself, which also shows what the cells give."""
    pytest.importorskip("nbmake")
    import os

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "-n", "0", "--rootdir",
         str(tmp_path), "-o", "addopts=", str(script.with_suffix(".ipynb"))],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_notebooks_define_no_functions() -> None:
    for script in NOTEBOOKS:
        assert not re.search(r"^\s*(def|class) ", script.read_text(encoding="utf-8"), re.MULTILINE), script.name


def test_the_codebook_is_up_to_date() -> None:
    """`python -m sim.experiments.codebook > docs/tables.md` writes it."""
    from sim.experiments.codebook import page

    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == page()
