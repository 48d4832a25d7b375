"""Compose settings from ``conf/`` and the command line with Hydra: the only place that knows Hydra and OmegaConf.

Hydra writes nothing, logs nothing and changes no folder here. A plain dictionary leaves this module, no DictConfig.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

os.environ.setdefault("HYDRA_FULL_ERROR", "1")

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from sim.complaints import known_keys, nearest_key
from sim.conf import conf_folder, groups, options
from sim.lines import WIDEN
from sim.problems import Problem, did_you_mean, joined, nearest
from sim.settings import Settings, load

CONFIG: Final = "config"
#: Groups of which several choices may be listed.
SEVERAL: Final = ("policy", "study")
_MISSING: Final = object()


class Job(NamedTuple):
    """One point of a sweep: its overrides that vary, and its settings."""

    overrides: tuple[str, ...]
    settings: Settings


def settings_from(overrides: Sequence[str] = (), folders: Sequence[Path] = ()) -> Settings:
    """Compose and check settings.

    Parameters
    ----------
    overrides
        As on the command line: ``["cohort=eliana", "seed=7"]``.
    folders
        Further configuration folders, laid out like ``conf/``.

    Raises
    ------
    Problem
        When anything is wrong with the overrides or the files.
    """
    return load(composed(parse_single(overrides), folders))


def parse_single(overrides: Sequence[str]) -> list[Override]:
    """Read ``key=value`` arguments of one run, each with one value."""
    parsed = parse(overrides)
    for override in parsed:
        if override.is_sweep_override():
            raise Problem(_several(override))
    return parsed


def jobs_from(overrides: Sequence[str], folders: Sequence[Path] = ()) -> list[Job]:
    """Expand a sweep and compose every job of it (see `settings_from`)."""
    parsed = parse(overrides)
    jobs = []
    for choice in itertools.product(*(_choices(override) for override in parsed)):
        varied = tuple(text for text, override in zip(choice, parsed, strict=True) if override.is_sweep_override())
        try:
            jobs.append(Job(varied, load(composed(parse(choice), folders))))
        except Problem as problem:
            raise Problem(f"job {' '.join(varied) or len(jobs)}: {problem}") from None
    return jobs


class Variants:
    """Settings that differ from composed ones in a few keys: composed once per choice of groups, then changed in place.

    Parameters
    ----------
    overrides, folders
        As for `settings_from`.
    """

    def __init__(self, overrides: Sequence[str], folders: Sequence[Path] = ()) -> None:
        self.overrides = list(overrides)
        self.folders = list(folders)
        self._configs: dict[tuple[str, ...], Any] = {}

    def settings(self, changes: Mapping[str, Any]) -> Settings:
        """Compose with changes.

        Parameters
        ----------
        changes
            Dotted key -> value, or group -> choice (``cohort: eliana``, ``economics/payment: staged``).

        Raises
        ------
        Problem
            When a key is unknown or a value impossible.
        """
        config = self._config(tuple(f"{key}={value}" for key, value in changes.items() if key in groups()))
        kept = []
        try:
            for key, value in changes.items():
                if key not in groups():
                    kept.append(self._put(config, key, value))
            return load(_plain_dictionary(config, [f"{key}={value}" for key, value in changes.items()], self.folders))
        finally:
            for parent, leaf, before in reversed(kept):
                with open_dict(parent):
                    if before is _MISSING:
                        del parent[leaf]
                    else:
                        parent[leaf] = before

    def _config(self, choices: tuple[str, ...]) -> Any:
        if choices not in self._configs:
            self._configs[choices] = _composed(parse([*self.overrides, *choices]), self.folders)
        return self._configs[choices]

    def _put(self, config: Any, key: str, value: Any) -> tuple[Any, str, Any]:
        """Change one key in place; give where, and what stood there (as written, references unresolved)."""
        own = re.fullmatch(r"(policy\.\w+)\.set\.(.+)", key)  # a line that the policy sets: may be new there
        where, leaf = (own[1], "set") if own else key.rpartition(".")[::2]
        parent = OmegaConf.select(config, where) if where else config
        if not isinstance(parent, DictConfig) or (leaf not in parent and not own):
            raise Problem(_unknown_override(key, self.overrides, self.folders))
        before = OmegaConf.to_container(parent, resolve=False)
        assert isinstance(before, dict)
        with open_dict(parent):
            parent[leaf] = {**before.get("set", {}), own[2]: value} if own else value
        return parent, leaf, before.get(leaf, _MISSING)


def parse(overrides: Sequence[str]) -> list[Override]:
    """Read ``key=value`` arguments."""
    parsed = []
    for text in overrides:
        if "=" not in text and not text.startswith("~"):
            raise Problem(_no_value(text))
        text = f"hospital.{text}" if text.startswith("arrivals.") else text  # for short
        if re.match(r"policy\.\w+\.set\.", text):  # may be new there
            text = f"++{text}"
        try:
            override = OverridesParser.create().parse_overrides([text])[0]
        except (OverrideParseException, HydraException) as error:
            reason = str(error).splitlines()[0]
            raise Problem(
                f"cannot read {text!r} ({reason}): quote values that hold commas, spaces or '=', "
                "for example 'out=\"my folder\"'"
            ) from None
        _check_list(override, text)
        parsed.append(override)
    return parsed


def _check_list(override: Override, text: str) -> None:
    """Refuse a list of choices that holds something else than names, or a name twice (it would be counted once)."""
    group = override.get_key_element()
    listed = override.value() if group in groups() else None
    if isinstance(listed, dict):
        raise Problem(f"{text}: {group} is chosen by its name, for example {group}={options(group)[0]}")
    if isinstance(listed, list):
        if group not in SEVERAL:
            choices = ",".join(str(name) for name in listed)
            raise Problem(f"{text}: {group} is one choice; run each with -m '{group}={choices}'")
        if any(isinstance(name, list | dict) for name in listed):
            raise Problem(f"{text}: a list of choices holds names alone, for example {group}=[{options(group)[0]}]")
        names = [str(name) for name in listed]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise Problem(f"{text}: lists {twice[0]!r} {names.count(twice[0])} times; list each once")


def _no_value(text: str) -> str:
    for group in ("experiment", "policy", "cohort", "product"):
        if text in options(group):
            return f"cannot read {text!r}: write key=value, for example {group}={text}"
    return f"cannot read {text!r}: write key=value, for example cohort=eliana"


def _several(override: Override) -> str:
    key = override.get_key_element()
    values = str(override.input_line).partition("=")[2]
    return (
        f"{override.input_line}: gives several values for {key}; run each with "
        f"-m '{override.input_line}', or give a list with '{key}=[{values}]'"
    )


def _choices(override: Override) -> list[str]:
    text = str(override.input_line)
    if not override.is_sweep_override():
        return [text]
    if not (override.is_choice_sweep() or override.is_range_sweep()):
        raise Problem(f"{text}: a sweep takes a list (a,b,c), choice(a,b) or range(start,stop,step)")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def composed(overrides: Sequence[Override], folders: Sequence[Path] = ()) -> dict[str, Any]:
    """Compose the configuration into a plain dictionary, every reference resolved.

    Raises
    ------
    Problem
        When a key, a choice or a file is wrong.
    """
    return _plain_dictionary(_composed(overrides, folders), [str(one.input_line) for one in overrides], folders)


def _composed(overrides: Sequence[Override], folders: Sequence[Path]) -> DictConfig:
    lines = [str(override.input_line) for override in overrides]
    extra = [_checked_folder(folder) for folder in folders]
    search = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in extra)}]"] if extra else []
    with _in_plain_words(lines, folders), initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose(CONFIG, overrides=lines + search)
        if extra:
            _check_policy_names(config, lines + search)
    return config


def _plain_dictionary(config: DictConfig, lines: list[str], folders: Sequence[Path]) -> dict[str, Any]:
    """Resolve every reference, and refuse options that do nothing."""
    with _in_plain_words(lines, folders):
        raw = OmegaConf.to_container(config, resolve=False)
        data = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(data, dict)
    assert isinstance(raw, dict)
    unused = list(_unused_options(raw))
    if unused:
        raise Problem(joined(unused))
    _widen(data, [line.partition("=")[0].lstrip("+") for line in lines])
    return {str(key): value for key, value in data.items()}


def _widen(data: dict[Any, Any], keys: Sequence[str]) -> None:
    """Let a value that was asked for by name widen its line's range, unless an end was asked for as well."""
    for key in keys:
        where, _, leaf = key.rpartition(".")
        line: Any = data
        for name in where.split(".") if leaf == "value" else ():
            line = line.get(name) if isinstance(line, dict) else None
        if isinstance(line, dict) and "low" in line and not {f"{where}.low", f"{where}.high"} & set(keys):
            line[WIDEN] = True


@contextmanager
def _in_plain_words(lines: list[str], folders: Sequence[Path]) -> Iterator[None]:
    """Say in plain words what Hydra, OmegaConf and the YAML reader complain about."""
    try:
        yield
    except yaml.YAMLError as error:
        raise Problem(_broken_yaml(error)) from None
    except MissingConfigException as error:
        raise Problem(_no_choice(error, folders)) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise Problem(_hydra_problem(error, lines, folders)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(_unreadable(error, [conf_folder(), *(folder.resolve() for folder in folders)])) from None


def _checked_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise Problem(f"--config-dir {folder}: no such folder")
    shipped = conf_folder()
    for path in sorted(folder.rglob("*.yaml")):
        name = path.relative_to(folder)
        if (shipped / name).exists():
            raise Problem(f"{path}: {name.with_suffix('')} is shipped already; give your file another name")
    return folder.resolve()


def _check_policy_names(config: Any, lines: list[str]) -> None:
    """Refuse a policy file that is not keyed by its own name: it would silently change another policy."""
    loader = GlobalHydra.instance().config_loader()
    for default in loader.compute_defaults_list(CONFIG, lines, RunMode.RUN).defaults:
        group, _, name = (default.config_path or "").partition("/")
        if group == "policy" and name not in config.policy:
            raise Problem(
                f"policy={name}: the file must be keyed by its own name: "
                f"'{name}:' at the top and everything else indented below it"
            )


def _unused_options(raw: dict[Any, Any]) -> Iterator[str]:
    """Find options of policies that no rule refers to: a misspelt one would otherwise do nothing."""
    policies = raw.get("policy")
    for name, policy in policies.items() if isinstance(policies, dict) else ():
        known = policy.get("options") if isinstance(policy, dict) else None
        if not isinstance(known, dict):
            continue
        used = set(re.findall(r"options\.(\w+)", repr({k: v for k, v in policy.items() if k != "assumed"})))
        for option in known:
            if option not in used:
                near = nearest(str(option), used)
                yield f"policy.{name}.options.{option}: no rule refers to it" + (
                    f", did you mean {near!r}?" if near else ""
                )


# --- what Hydra complains about, in plain words ----------------------------------------------------------------------


def _broken_yaml(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    if mark is None:
        return f"broken YAML in {getattr(error, 'name', 'a configuration file')}: {reason}"
    return f"broken YAML in {mark.name}, line {mark.line + 1}, column {mark.column + 1}: {reason}"


def _no_choice(error: MissingConfigException, folders: Sequence[Path]) -> str:
    wanted = (error.missing_cfg_file or "").removesuffix(".yaml")
    group, _, name = wanted.rpartition("/")
    within = re.match(r"In '([^']+)'", str(error))
    place = f" (asked for by {within.group(1)})" if within and within.group(1) != CONFIG else ""
    choices = options(group, folders) if group else []
    if not choices:
        return f"no configuration file {wanted!r}{place}"
    remedy = did_you_mean(name, choices, listed=20)
    listing = "" if remedy.startswith("one of") else f" The choices are: {', '.join(choices)}"
    return f"{group}={name}: no such {group}{place}, {remedy}{listing}"


def _hydra_problem(error: Exception, lines: list[str], folders: Sequence[Path]) -> str:
    text = str(error)
    deleted = re.search(r"Could not delete '([^']+)'", text)
    if deleted:
        return f"~{deleted.group(1)}: cannot be taken away; give it another value, {deleted.group(1)}=..."
    override = re.search(r"Could not override '([^']+)'", text)
    if override:
        return _unknown_override(override.group(1), lines, folders)
    interpolation = re.search(r"Interpolation key '([^']+)' not found", text)
    if interpolation:
        found = re.search(r"full_key: (\S+)", text)
        where = found.group(1) if found else "configuration"
        return f"{where}: refers to {interpolation.group(1)!r}, which does not exist"
    said = "; ".join(line.strip() for line in text.splitlines()[:3] if line.strip())
    return said or f"cannot compose {' '.join(lines)}: {type(error).__name__}"


def _unknown_override(key: str, lines: list[str], folders: Sequence[Path]) -> str:
    path = key.replace("/", ".").split(".")
    if path[0] == "policy" and len(path) > 1 and path[1] in options("policy", folders):
        data = _plain(tuple(line for line in lines if line.partition("=")[0] == "policy"), tuple(folders))
        if path[1] not in data.get("policy", {}):
            return f"{key}: policy {path[1]!r} is not listed; list it with 'policy=[{path[1]},...]'"
    else:
        data = _plain((), tuple(folders))
    keys = list(known_keys(Settings, data))
    if key in keys:
        return f"{key} is not set there; to add it write +{key}=..."
    if "/" in key:
        return f"unknown group {key!r}: {did_you_mean(key, groups())}"
    return f"unknown key {key!r}: {nearest_key(path, keys)}"


@functools.lru_cache(maxsize=2)
def _plain(lines: tuple[str, ...], folders: tuple[Path, ...]) -> dict[str, Any]:
    """Compose with few overrides, to know which keys there are; empty when that fails as well."""
    try:
        return composed(parse(lines), folders)
    except Problem:
        return {}


def _unreadable(error: OSError | UnicodeDecodeError, folders: Sequence[Path]) -> str:
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                return f"{path}: is not UTF-8 text"
            except OSError as reason:
                return f"{path}: cannot be read ({reason.strerror})"
            if not isinstance(error, UnicodeDecodeError) and not _holds_keys(text):
                return f"{path}: must hold keys and values"
    return f"cannot read the configuration: {error}"


def _holds_keys(text: str) -> bool:
    try:
        return isinstance(yaml.safe_load(text) or {}, dict)
    except yaml.YAMLError:
        return True
