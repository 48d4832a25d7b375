"""Where the configuration files are, and which choices they offer (read without Hydra, so that help is quick)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sim.problems import Problem

#: Files that others build on: not choices of their own.
SHARED: Final = frozenset({"base", "calibrated", "catalogue"})


def conf_folder() -> Path:
    """Find ``conf``: beside the modules of an installed package, else one level up in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise Problem(f"the configuration folder conf/ is missing beside {package}")


def groups() -> list[str]:
    """List the groups of choices (``cohort``, ``clinic/transplant``), in alphabetical order."""
    root = conf_folder()
    found = {path.parent.relative_to(root) for path in root.rglob("*.yaml")}
    return sorted(path.as_posix() for path in found if path.parts and path.name not in SHARED)


def options(group: str, folders: Sequence[Path] = ()) -> list[str]:
    """List the choices of a group, those of further folders behind the shipped ones."""
    names: list[str] = []
    for root in (conf_folder(), *folders):
        names += sorted(path.stem for path in (root / group).glob("*.yaml") if path.stem not in SHARED)
    return list(dict.fromkeys(names))


def headline(group: str, option: str) -> str:
    """Read what the head of a configuration file says it is: its first comment."""
    for line in (conf_folder() / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").strip()
    return ""
