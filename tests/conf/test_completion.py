"""Completion: what bash itself offers after the script of `--completion bash`, asked in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim.completion import candidates
from sim.conf import options

ROOT = Path(__file__).resolve().parents[2]

#: Let bash do what it does at a key press: split the line at its word breaks, call the function, show the replies.
ASK = r"""
source <("$PYTHON" -m sim --completion bash)
python() { "$PYTHON" "$@"; }
ask() {
    COMP_LINE="$1"; COMP_POINT=${#1}
    local split="${1//=/ = }"
    read -ra COMP_WORDS <<<"$split"
    [[ $1 == *[\ =] ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    _cartwin_module
    echo "${COMPREPLY[*]}"
}
while IFS= read -r line; do ask "$line"; done
"""


def bash(tmp_path: Path, *lines: str) -> list[list[str]]:
    """Give what bash would offer at the end of each line."""
    program = shutil.which("bash")
    if program is None:
        pytest.skip("no bash here")
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [program, "--norc", "-c", ASK],
        input="\n".join(lines) + "\n",
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.split() for line in done.stdout.splitlines()]


def test_bash_completes_keys_choices_and_lists(tmp_path: Path) -> None:
    (tmp_path / "mine" / "policy").mkdir(parents=True)
    (tmp_path / "mine" / "policy" / "sel_own.yaml").write_text("sel_own: {}\n")
    found = bash(
        tmp_path,
        "python -m sim exp",
        "python -m sim experiment=",
        "python -m sim cohort=el",
        "python -m sim policy=[watch,sel",
        "python -m sim --config-dir mine policy=sel",
        "python -m sim 'policy=[watch,hy",
        "python -m sim clinic.transplant.tr",
        "python -m sim engine=b",
        "python -m sim --sh",
        "python -m json exp",
    )
    assert found[0] == ["experiment="]
    assert found[1] == options("experiment")
    assert found[2] == ["eliana"]
    assert found[3] == ["[watch,selective", "[watch,selective_plus"]
    assert "sel_own" in found[4]
    assert found[5] == ["'policy=[watch,hybrid"]
    assert "clinic.transplant.trm.value=" in found[6]
    assert found[7] == ["batch"]
    assert found[8] == ["--show"]
    assert found[9] == []


def test_every_key_that_is_offered_can_be_set(data: dict) -> None:
    offered = [name for area in ("biology.", "clinic.") for part in candidates(area) for name in candidates(part)]
    assert len(offered) > 100
    for name in offered:
        node = data
        for part in name.removesuffix("=").split("."):
            node = node[part]
        assert isinstance(node, int | float)
    for name in candidates(""):
        key = name.removesuffix("=")
        assert not name.endswith("=") or "/" in key or "." in key or key in data


def test_an_unknown_shell_is_refused(cartwin) -> None:
    answer = cartwin("--completion", "bsh")
    assert (answer.code, answer.out) == (2, "")
    assert "did you mean 'bash'?" in answer.err
