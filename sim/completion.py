"""Completion of the command line in bash and zsh: a script for the shell, and the candidates it asks for.

Candidates come from the names in ``conf/``, read as text, so that a key press costs no more than ``--help``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sim.conf import conf_folder, groups, options
from sim.problems import Problem, did_you_mean

#: Values of settings that are no choice of files.
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "engine": ("simpy", "batch", "ward"),
    "origin": ("referral", "infusion", "remission"),
    "journal": ("auto", "on", "off"),
    "uptake": ("immediate", "linear", "s_curve"),
    "quiet": ("true", "false"),
    "json": ("true", "false"),
}
#: Keys people set that are written below others in ``conf/``.
BELOW: Final = ("cohort.n", "cohort.patients", "executor.workers", "executor.address", "psa.draws", "arrivals.per_year")
#: Groups of parameter lines.
LINES: Final = ("biology", "clinic")
SCRIPTS: Final = {
    "bash": r"""# completion of cartwin for bash:  source <(python -m sim --completion bash)
_cartwin_words() {
    local line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##*[[:space:]]}" quote=""
    case "$word" in [\'\"]*) quote="${word:0:1}"; word="${word:1}" ;; esac
    local kept="" found
    case "${COMP_WORDBREAKS}" in *=*) [[ -z $quote && $word == *=* ]] && kept="${word%"${word##*=}"}" ;; esac
    COMPREPLY=()
    while IFS= read -r found; do
        [[ -n $found ]] && COMPREPLY+=("$quote${found#"$kept"}")
    done < <("$@" --complete "$word" ${line% *} 2>/dev/null)
}
_cartwin() { _cartwin_words "${COMP_WORDS[0]}"; }
_cartwin_module() {
    COMPREPLY=()
    [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == sim && $COMP_CWORD -gt 2 ]] &&
        _cartwin_words "${COMP_WORDS[0]}" -m sim
}
complete -o default -o nospace -F _cartwin cartwin
for _python in python python3; do
    complete -p "$_python" >/dev/null 2>&1 || complete -o default -o nospace -F _cartwin_module "$_python"
done
unset _python
""",
    "zsh": r"""# completion of cartwin for zsh, after compinit:  source <(python -m sim --completion zsh)
_cartwin() {
    local -a found
    found=("${(@f)$(${words[1]} --complete "${(Q)PREFIX}" ${words[2,CURRENT-1]} 2>/dev/null)}")
    found=(${found:#})
    if (( $#found )); then compadd -Q -S '' -- $found; else _files; fi
}
compdef _cartwin cartwin
""",
}


def script(shell: str) -> str:
    """Give the script that teaches a shell to complete.

    Raises
    ------
    Problem
        When the shell is not known.
    """
    if shell not in SCRIPTS:
        raise Problem(f"--completion {shell}: no such shell, {did_you_mean(shell, SCRIPTS)}")
    return SCRIPTS[shell].rstrip()


def candidates(word: str, before: Sequence[str] = (), flags: Sequence[str] = ()) -> list[str]:
    """List what may stand in the place of a word that has been begun.

    Parameters
    ----------
    word
        The word as far as it is written.
    before
        The words before it: ``--config-dir DIR`` among them adds choices.
    flags
        The program's flags.
    """
    if word.startswith("-"):
        return [flag for flag in flags if flag.startswith(word)]
    key, equals, value = word.partition("=")
    if not equals:
        return [name for name in dict.fromkeys(_keys(key)) if name.startswith(word)]
    begun, last = _split(value)
    return [f"{key}={begun}{name}" for name in _values(key, _folders(before)) if name.startswith(last)]


def _split(value: str) -> tuple[str, str]:
    """Cut a list into what is written already and the name that has been begun."""
    at = max(value.rfind(","), value.rfind("[")) + 1
    return value[:at], value[at:]


def _folders(before: Sequence[str]) -> list[Path]:
    words = list(before)
    after = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "--config-dir"]
    joined = [word.partition("=")[2] for word in words if word.startswith("--config-dir=")]
    return [Path(name) for name in (*after, *joined)]


def _values(key: str, folders: Sequence[Path]) -> Sequence[str]:
    if key in VALUES:
        return VALUES[key]
    if key == "reference":
        return options("policy", folders)
    return options(key, folders) if key in groups() else ()


def _keys(begun: str) -> Iterator[str]:
    """Give the keys that may follow: one level at a time, so that the list stays short."""
    yield from (f"{group}=" for group in groups())
    top = (conf_folder() / "config.yaml").read_text(encoding="utf-8")
    yield from (f"{name}=" for name in re.findall(r"^(\w+):(?! *\{)", top, re.MULTILINE) if name != "defaults")
    yield from (f"{key}=" for key in BELOW)
    for group in groups():
        area, _, part = group.partition("/")
        if area not in LINES:
            continue
        if begun.count(".") < 2:
            yield f"{area}.{part}." if begun.startswith(f"{area}.") else f"{area}."
            continue
        text = (conf_folder() / group / "default.yaml").read_text(encoding="utf-8")
        yield from (f"{area}.{part}.{name}.value=" for name in re.findall(r"^(\w+):", text, re.MULTILINE))
