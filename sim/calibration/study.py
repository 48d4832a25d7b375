"""A study as data: whose lives are emulated, under which practice, and what was published about them.

A file of ``conf/targets`` (or a user's own) holds deltas: the cohort it starts from and what differs, parameter lines
of the centres' practice, the origin from which its curves count, its quantities. docs/validation.md teaches the form.
"""

from __future__ import annotations

import functools
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import Field, PrivateAttr, ValidationError

from sim.calibration.lives import ORIGINS
from sim.calibration.quantities import KINDS, Months, Quantity
from sim.calibration.target import Target
from sim.complaints import complaints
from sim.conf import conf_folder, options
from sim.evidence import nearest_source, unknown_sources
from sim.lines import Frozen, Number, Words
from sim.problems import Problem, did_you_mean, joined

#: Folder of the shipped studies below ``conf``.
FOLDER: Final = "targets"
_Safe: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """A safe loader that refuses a key that stands twice: the later one would silently take the place of the other."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, each key once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(str(key.value))
        return dict(super().construct_mapping(node, deep))


class Study(Frozen):
    """One study.

    Attributes
    ----------
    label, description
        Name in tables and figures; what was done, in words.
    cohort
        Name of a file in ``conf/cohort``, or ``{from: name, ...}`` with what differs from it.
    policy
        Policy under which its patients live.
    product
        Product given to everybody; null: as the cohort mixes them.
    origin
        Where its curves start and who is counted: referral, infusion, remission, relapse, hct, reinfusion.
    set
        Parameter lines (dotted key -> value in the line's unit) that hold in this study: the practice of its centres.
    follow_up_months
        Administrative censoring of every curve after its start.
    grading
        Scale of CRS grades in its conditions: ``astct``, or ``penn`` (mapped from ASTCT).
    conventions
        What its definitions are, in words: origin, event time of non-response, censoring.
    group, weight
        Cohort family within which patients overlap; share of likelihood kept because of it.
    quantities
        What was published, by name.
    """

    label: Words
    description: str = ""
    cohort: str | dict[str, Any]
    policy: str = "trial_practice"
    product: str | None = None
    origin: Literal["referral", "infusion", "remission", "relapse", "hct", "reinfusion"] = "infusion"
    set: dict[str, Number] = {}
    follow_up_months: Months | None = None
    grading: Literal["astct", "penn"] = "astct"
    conventions: str = ""
    group: str = ""
    weight: Annotated[float, Field(strict=True, gt=0.0, le=1.0)] = 1.0
    quantities: dict[str, Any]

    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        """Name of its file."""
        return self._name

    @property
    def world(self) -> str:
        """What decides how its patients live, as text: studies with equal text share one simulation."""
        return json.dumps([self.cohort, self.policy, self.product, self.set], sort_keys=True)

    @property
    def first(self) -> int:
        """Number of the first patient of its world: worlds draw different patients, and always the same."""
        return (zlib.crc32(self.world.encode()) % (1 << 18)) * (1 << 13)

    @property
    def cohort_name(self) -> str:
        """The cohort file it starts from."""
        return self.cohort if isinstance(self.cohort, str) else str(self.cohort.get("from", "base"))

    def targets(self) -> list[Target]:
        """List its quantities as the calibration sees them; one without a published value has NaN."""
        return [self._target(name, quantity) for name, quantity in self.quantities.items()]

    def _target(self, name: str, quantity: Quantity) -> Target:
        value, (se, assumed) = quantity.natural(quantity.value), quantity.standard_error()
        interval = quantity.interval if quantity.interval or not assumed else "assumed"
        return Target(
            study=self.name,
            name=name,
            label=quantity.label or name.replace("_", " "),
            value=math.nan if value is None else value,
            low=quantity.natural(quantity.low),
            high=quantity.natural(quantity.high),
            interval=interval if value is not None else "",
            scale=quantity.scale,
            se=se,
            assumed=assumed,
            n=quantity.n,
            weight=self.weight,
            group=self.group or self.name,
            source=quantity.source,
            status=quantity.status,
            note=quantity.note,
            fitted=quantity.fitted and value is not None,
        )


def load_study(path: Path) -> Study:
    """Read a study file.

    Parameters
    ----------
    path
        The YAML file; its name without suffix names the study.

    Raises
    ------
    Problem
        Everything that is wrong with it, with file and dotted key.
    """
    data = _read(path)
    found = []
    quantities: dict[str, Quantity] = {}
    written = data.get("quantities")
    if not isinstance(written, Mapping) or not written:
        found.append(
            "quantities: list one at least, for example cr: {kind: proportion, of: {cr: true}, value: 82, n: 79}"
        )
    else:
        for name, given in written.items():
            try:
                quantities[str(name)] = _quantity(str(name), given)
            except Problem as problem:
                found += str(problem).splitlines()
    try:
        study = Study.model_validate({**data, "quantities": quantities})
    except ValidationError as error:
        found += complaints(error, Study, data)
    else:
        found += _contradictions(study)
    if found:
        raise Problem(joined([f"{path}: {text}" for text in found]))
    study._name = path.stem
    return _with_follow_up(study)


def _with_follow_up(study: Study) -> Study:
    """Hand the study's follow-up to the curves that state none of their own."""
    if study.follow_up_months is None:
        return study
    quantities = {
        name: quantity.model_copy(update={"follow_up_months": study.follow_up_months})
        if getattr(quantity, "follow_up_months", 0.0) is None
        else quantity
        for name, quantity in study.quantities.items()
    }
    return study.model_copy(update={"quantities": quantities})


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Problem(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror})") from None
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise Problem(f"broken YAML in {path}{place}: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(data, dict):
        raise Problem(f"{path}: must hold keys and values (label, cohort, quantities)")
    return {str(key): value for key, value in data.items()}


def _quantity(name: str, given: Any) -> Quantity:
    if not isinstance(given, Mapping):
        raise Problem(f"quantities.{name}: must hold keys and values, with kind: {', '.join(KINDS)}")
    kind = given.get("kind")
    if kind not in KINDS:
        raise Problem(f"quantities.{name}.kind: {kind!r} is not possible, {did_you_mean(str(kind), KINDS)}")
    try:
        return KINDS[kind].model_validate(dict(given))
    except ValidationError as error:
        texts = [_placed(name, text) for text in complaints(error, KINDS[kind], dict(given))]
        raise Problem("\n".join(texts)) from None


def _placed(name: str, text: str) -> str:
    if text.startswith("unknown key '"):
        return text.replace("unknown key '", f"unknown key 'quantities.{name}.", 1)
    return f"quantities.{name}.{text}" if ":" in text.split(" ")[0] else f"quantities.{name}: {text}"


def _contradictions(study: Study) -> Iterator[str]:
    if study.cohort_name not in {*options("cohort"), "base"}:
        yield f"cohort: unknown cohort {study.cohort_name!r}, {did_you_mean(study.cohort_name, options('cohort'))}"
    for name, quantity in study.quantities.items():
        for source in unknown_sources(quantity.source):
            near = nearest_source(source)
            yield f"quantities.{name}.source: unknown source {source!r}" + (f", did you mean {near!r}?" if near else "")


def shipped_studies() -> list[Path]:
    """List the files of the shipped studies, by name."""
    return sorted((conf_folder() / FOLDER).glob("*.yaml"))


def load_studies(paths: Iterable[Path] | None = None) -> list[Study]:
    """Read study files (the shipped ones by default).

    Raises
    ------
    Problem
        When a file is wrong, or two files have the same name.
    """
    studies = [load_study(Path(path)) for path in (shipped_studies() if paths is None else paths)]
    names = [study.name for study in studies]
    for name in names:
        if names.count(name) > 1:
            raise Problem(f"two studies are called {name!r}: rename one of the files")
    return studies


@functools.cache
def _cohort_file(name: str) -> dict[str, Any]:
    """Read a cohort file upon those it starts from, as Hydra composes them."""
    data = _read(conf_folder() / "cohort" / f"{name}.yaml")
    merged: dict[str, Any] = {}
    for entry in data.pop("defaults", ["_self_"]):
        merged = merge(merged, data if entry == "_self_" else _cohort_file(str(entry)))
    return merged


def cohort_data(written: str | Mapping[str, Any]) -> dict[str, Any]:
    """Lay a study's cohort over the file it starts from.

    Parameters
    ----------
    written
        As in the study file: a name, or ``{from: name, ...}``.
    """
    if isinstance(written, str):
        return dict(_cohort_file(written))
    own = {key: value for key, value in written.items() if key != "from"}
    return merge({**_cohort_file(str(written.get("from", "base")))}, own)


def merge(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested mapping over another; lists are replaced whole."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result


assert set(ORIGINS) == {"referral", "infusion", "remission", "relapse", "hct", "reinfusion"}
