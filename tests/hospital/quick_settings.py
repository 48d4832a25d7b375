"""Settings for many small tests: composing takes over a second, so groups are composed once and values put in."""

from __future__ import annotations

import copy
import functools
from typing import Any

import yaml

from sim.compose import settings_from
from sim.settings import Settings, load

#: Words that choose files, as distinct from values.
GROUPS = ("experiment", "hospital", "policy", "cohort", "economics")


@functools.cache
def _composed(words: tuple[str, ...]) -> dict[str, Any]:
    return settings_from(words).model_dump(mode="json")


def settings_with(*words: str) -> Settings:
    """Compose settings as the command line does; keys with values must exist."""
    chosen = tuple(word for word in words if word.partition("=")[0] in GROUPS)
    data = copy.deepcopy(_composed(chosen))
    for word in words:
        key, _, text = word.partition("=")
        if key in GROUPS:
            continue
        *path, last = (f"hospital.{key}" if key.startswith("arrivals.") else key).split(".")
        node = data
        for name in path:
            node = node[name]
        node[last] = yaml.safe_load(text)
    return load(data)
