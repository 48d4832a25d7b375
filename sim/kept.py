"""Compositions kept on disk, so that the second run of anything starts at once.

Hydra takes seconds to read ``conf/`` and put it together, and gives the same for the same files and overrides. What it
gave is kept beside the machine code of the engines, under a hash of everything that determines it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from sim.conf import conf_folder
from sim.settings import Settings, load

#: So many compositions are kept, the newest (150 kB each).
KEPT: Final = 100
#: Values that Hydra looks up elsewhere: what holds them is composed anew each time.
ELSEWHERE: Final = b"${oc."


def settings_from(overrides: Sequence[str] = (), folders: Sequence[Path] = ()) -> Settings:
    """Compose and check settings, or take the composition that an earlier run kept (see `sim.compose.settings_from`).

    Raises
    ------
    Problem
        When anything is wrong with the overrides or the files.
    """
    place = _place(overrides, folders)
    data = _read(place)
    if data is None:
        from sim.compose import composed, parse_single

        data = composed(parse_single(overrides), folders)
        _keep(data, place)
    return load(data)


def _place(overrides: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """Name the file of a composition by all that determines it; None where something else might."""
    about = [
        list(overrides),
        [str(folder.resolve()) for folder in folders],
        version("hydra-core"),
        version("omegaconf"),
    ]
    digest = hashlib.sha256(json.dumps(about).encode())
    for path in _sources(folders):
        try:
            text = path.read_bytes()
        except OSError:
            return None  # composing says what is wrong with it
        if path.suffix == ".yaml" and ELSEWHERE in text:
            return None
        digest.update(f"{path} {len(text)}\n".encode())
        digest.update(text)
    if any(ELSEWHERE.decode() in text for text in overrides):
        return None
    root = Path(os.environ.get("CARTWIN_CACHE", Path.home() / ".cache" / "cartwin"))
    return root / "compositions" / f"{digest.hexdigest()[:32]}.json"


def _sources(folders: Sequence[Path]) -> Iterator[Path]:
    here = Path(__file__)
    yield from (here, here.with_name("compose.py"), here.with_name("conf.py"))
    for folder in (conf_folder(), *folders):
        yield from sorted(folder.rglob("*.yaml"))


def _read(place: Path | None) -> dict[str, Any] | None:
    if place is None:
        return None
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _keep(data: dict[str, Any], place: Path | None) -> None:
    """Keep a composition where JSON gives back exactly what it is; without a cache the next run composes again."""
    text = json.dumps(data, ensure_ascii=False)
    if place is None or json.loads(text) != data:
        return
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, place)
        for old in sorted(place.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
