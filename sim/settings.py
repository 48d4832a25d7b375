"""The settings of a run: what was composed from ``conf/`` and the command line, checked once, then frozen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from sim.calibration.settings import Calibration, Structure
from sim.cohort.settings import Cohort
from sim.complaints import complaints
from sim.economics.settings import Economics, gaps, none_is_none
from sim.hospital.opening import open_hours
from sim.lines import Frozen, Line, walk
from sim.parameters import Biology, Clinic, Product
from sim.policies import FollowUp, Policy, compile_rules
from sim.problems import Problem, did_you_mean, joined
from sim.uncertainty.settings import Dsa, Psa, Study, Sweep, Voi

#: Seeds are one 32-bit word of the random generator.
LARGEST_SEED: Final = 2**32 - 1
#: Settings that change neither a patient's life nor what is counted: left out of `Settings.canonical`.
WITHOUT_EFFECT: Final = ("out", "quiet", "as_json", "threads", "executor", "reference", "runs")

Places = Annotated[int, Field(strict=True, ge=0)] | None


def _on_off(value: Any) -> Any:
    """Undo YAML's reading of ``on`` and ``off`` as booleans."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _path(value: Any) -> Any:
    """Let a folder be named by digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _several(value: Any) -> Any:
    """Let one folder stand for a list of one."""
    return [] if value is None else [value] if isinstance(value, str | int) else value


Path = Annotated[str | None, BeforeValidator(_path)]
Paths = Annotated[list[Annotated[str, BeforeValidator(_path)]], BeforeValidator(_several)]


class Pools(Frozen):
    """Places that patients share; null: as many as are needed.

    Attributes
    ----------
    apheresis, manufacturing, ward, icu, hct, donor_search, oncology
        Apheresis machines, manufacturing slots, CAR T ward beds, intensive-care beds, transplant rooms, donor searches
        at a time, beds of the oncology ward (salvage, reinfusion).
    """

    apheresis: Places
    manufacturing: Places
    ward: Places
    icu: Places
    hct: Places
    donor_search: Places = None
    oncology: Places = None


class Opening(Frozen):
    """Hours in which each pool gives places (``mon-fri 8-16``); null: always."""

    apheresis: str | None = None
    manufacturing: str | None = None
    ward: str | None = None
    icu: str | None = None
    hct: str | None = None
    donor_search: str | None = None
    oncology: str | None = None

    @field_validator("*")
    @classmethod
    def _hours(cls, text: str | None) -> str | None:
        if text is not None:
            open_hours(text)
        return text

    def hours(self) -> dict[str, tuple[int, ...] | None]:
        """Give by pool the 168 hours of the week, or None."""
        return {name: None if text is None else open_hours(text) for name, text in self.model_dump().items()}


class Arrivals(Frozen):
    """How patients come to a hospital with finite places: so many per year, at random, or as a file says.

    Attributes
    ----------
    per_year
        Referrals per year, on average over the year.
    seasonality, peak_month
        The rate is that of the year times ``1 + seasonality cos(2 pi (month - peak_month) / 12)``.
    file
        Comma-separated file with a column ``day`` (days from the start) in the place of a rate.
    """

    per_year: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)] | None
    seasonality: Annotated[float, Field(strict=True, ge=0.0, le=1.0)] = 0.0
    peak_month: Annotated[float, Field(strict=True, ge=1.0, le=12.0)] = 1.0
    file: Path = None


class Centre(Frozen):
    """One of several centres.

    Attributes
    ----------
    share
        Weight with which patients are referred to it.
    share_far
        Weight for patients who live far away; null: the same.
    pools
        Its places, where they differ from ``hospital.pools``.
    """

    share: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)]
    share_far: Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)] | None = None
    pools: dict[str, Places] = {}

    @field_validator("pools")
    @classmethod
    def _pools_known(cls, pools: dict[str, int | None]) -> dict[str, int | None]:
        for name in pools:
            if name not in Pools.model_fields:
                raise ValueError(f"unknown pool {name!r}: {did_you_mean(name, Pools.model_fields)}")
        return pools


class Hospital(Frozen):
    """The hospital: shared places, their hours, who comes first, arrivals, and the centres if there are several.

    Attributes
    ----------
    order
        ``urgency``: clinical urgency, then the order of asking; ``arrival``: the order of asking alone.
    """

    pools: Pools
    arrivals: Arrivals
    opening: Opening = Opening()
    order: Literal["urgency", "arrival"] = "urgency"
    centres: dict[str, Centre] = {}

    @property
    def finite(self) -> bool:
        """Whether any pool is limited, or closed at times."""
        limited = [self.pools.model_dump(), self.opening.model_dump()]
        limited += [centre.pools for centre in self.centres.values()]
        return any(places is not None for part in limited for places in part.values())

    def capacities(self, centre: str | None = None) -> dict[str, int | None]:
        """Give the places by pool, of one centre where there are several."""
        own = self.centres[centre].pools if centre is not None else {}
        return {**self.pools.model_dump(), **own}


class WhatIf(Frozen):
    """Questions to a hospital (`sim.experiments.capacity`).

    Attributes
    ----------
    target_share, target_days
        The target: this share of those referred is infused within so many days.
    smallest
        Pool whose smallest number of places that meets the target is sought, up to ``largest``; null: not asked.
    one_more
        Pool of which one more place is tried; null: not asked.
    turnaround
        Factors of the median time from referral to infusion to try; null: not asked.
    """

    target_share: Annotated[float, Field(strict=True, gt=0.0, le=1.0)] = 0.95
    target_days: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)] = 60.0
    smallest: str | None = None
    largest: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 40
    one_more: str | None = None
    turnaround: Annotated[list[Annotated[float, Field(gt=0.0, allow_inf_nan=False)]], Field(min_length=1)] | None = None

    @field_validator("smallest", "one_more")
    @classmethod
    def _pool_known(cls, name: str | None) -> str | None:
        if name is not None and name not in Pools.model_fields:
            raise ValueError(f"unknown pool {name!r}: {did_you_mean(name, Pools.model_fields)}")
        return name


class Budget(Frozen):
    """Budget impact (`sim.experiments.budget`).

    Attributes
    ----------
    years
        Years after the introduction of the new policy.
    new, displaced
        Policy that is introduced, and policy whose place it takes; null: the first that is not the reference, and the
        reference.
    eligible_per_year
        Patients eligible in the first year, to whom the results are scaled; null: as many as arrive.
    uptake_from, uptake_to
        Share of a year's patients who get the new policy, in the first and in the last year.
    """

    years: Annotated[int, Field(strict=True, ge=1, le=10)] = 5
    new: str | None = None
    displaced: str | None = None
    eligible_per_year: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)] | None = None
    uptake_from: Annotated[float, Field(strict=True, ge=0.0, le=1.0)] = 0.2
    uptake_to: Annotated[float, Field(strict=True, ge=0.0, le=1.0)] = 0.8


class Products(Frozen):
    """The product catalogue, and the product forced upon everybody (null: as the cohort mixes them)."""

    forced: str | None
    catalogue: Annotated[dict[str, Product], Field(min_length=1)]


class LifeTable(Frozen):
    """Which life table gives background mortality."""

    country: str
    year: Annotated[str, BeforeValidator(_path)]


class Executor(Frozen):
    """Who does the work of a large run.

    Attributes
    ----------
    kind
        ``local``: the cores of this machine; ``serial``: a plain loop; ``dask``: a running Dask cluster.
    workers
        Worker processes of ``local``; null: one per core, and none while the run is short.
    address
        Address of the Dask scheduler (``tcp://host:8786``).
    blocks
        Blocks of patients in a chunk; null: about a second of work or more.
    """

    kind: Literal["local", "serial", "dask"]
    workers: Annotated[int, Field(strict=True, ge=1)] | None
    address: str | None
    blocks: Annotated[int, Field(strict=True, ge=1)] | None


class Validation(Frozen):
    """What ``experiment=validate`` emulates: a study file (null: the shipped studies), patients referred in each."""

    file: Path
    patients: Annotated[int, Field(strict=True, ge=1, le=2**24)]


class Settings(Frozen):
    """Everything a run needs to know.

    Attributes
    ----------
    experiment
        What is done with it (`sim.experiments`).
    seed
        Seed of the run.
    engine
        ``simpy``: the engine of reference; ``batch``: compiled, unlimited places only; ``ward``: compiled, with shared
        places.
    out, run
        Folder to write to (null: named by the settings); folder of an earlier run to build on.
    origin
        From where results count: referral, infusion, or remission at the response assessment.
    horizon_years
        End of follow-up after referral; null: lifetime.
    reference
        Policy that the others are compared with; null: ``watch`` where it is listed, else the first.
    quiet, as_json
        Neither progress nor a table; ``json`` in the configuration: the answer as one JSON object on stdout.
    journal
        ``auto``: written while lives are few.
    threads
        Threads of the batch engine while it runs in one process; 0: one per core.
    executor
        Who does the work: this process, processes of this machine, a Dask cluster.
    runs
        Folders of finished runs that a report compares.
    patient
        Patient number of a replay.
    validation
        What a validation emulates; ``validate`` in the configuration.
    years, replications, warm_up_years
        Of experiment=capacity: years observed, replications, years before them that are left out (null: detected).
    uptake
        Of experiment=budget: how the new policy spreads from year to year.
    """

    model_config = ConfigDict(populate_by_name=True)  # `load` reads what `model_dump` writes, by either name

    experiment: str
    seed: Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]
    engine: Literal["simpy", "batch", "ward"]
    out: Path
    run: Path
    runs: Paths = []
    origin: Literal["referral", "infusion", "remission"]
    horizon_years: Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)] | None
    reference: str | None
    quiet: Annotated[bool, Field(strict=True)]
    as_json: Annotated[bool, Field(alias="json", strict=True)] = False
    journal: Annotated[Literal["auto", "on", "off"], BeforeValidator(_on_off)]
    threads: Annotated[int, Field(strict=True, ge=0)]
    patient: Annotated[int, Field(strict=True, ge=0, lt=2**32)] | None
    life_table: LifeTable
    cohort: Cohort
    product: Products
    biology: Biology
    clinic: Clinic
    hospital: Hospital
    years: Annotated[float, Field(strict=True, gt=0.0, le=100.0)] = 10.0
    replications: Annotated[int, Field(strict=True, ge=1, le=40_000)] = 30
    warm_up_years: Annotated[float, Field(strict=True, ge=0.0, le=50.0)] | None = None
    what_if: WhatIf = WhatIf()
    budget: Budget = Budget()
    uptake: Literal["immediate", "linear", "s_curve"] = "linear"
    follow_up: FollowUp
    executor: Executor
    economics: Annotated[Economics | None, BeforeValidator(none_is_none)] = None
    structure: Structure
    calibration: Calibration
    psa: Psa
    dsa: Dsa
    sweep: Sweep
    voi: Voi
    study: dict[str, Study] = {}
    policy: Annotated[dict[str, Policy], Field(min_length=1)]
    validation: Annotated[Validation, Field(alias="validate")]

    @model_validator(mode="before")
    @classmethod
    def _shared_follow_up(cls, data: Any) -> Any:
        """Let policies leave out what they share with all others."""
        if not isinstance(data, dict) or not isinstance(data.get("policy"), dict):
            return data
        shared = data.get("follow_up")
        if not isinstance(shared, dict):
            return data
        shared = {name: shared[name] for name in FollowUp.model_fields if name in shared}
        policies = {
            name: {**shared, **rest} if isinstance(rest, dict) else rest for name, rest in data["policy"].items()
        }
        return {**data, "policy": policies}

    @field_validator("experiment")
    @classmethod
    def _experiment_known(cls, name: str) -> str:
        from sim.experiments import EXPERIMENTS

        if name not in EXPERIMENTS:
            raise ValueError(f"unknown experiment {name!r}: {did_you_mean(name, EXPERIMENTS)}")
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = list(_contradictions(self))
        if found:
            raise ValueError("\n".join(found))
        return self

    @property
    def reference_policy(self) -> str:
        """The policy that the others are compared with."""
        return self.reference or ("watch" if "watch" in self.policy else next(iter(self.policy)))

    def lines(self) -> Iterator[tuple[str, Line]]:
        """Walk through every parameter line.

        Yields
        ------
        tuple of str and Line
            Dotted key (``clinic.transplant.trm``) and line.
        """
        yield from walk(self)

    def with_value(self, key: str, value: float) -> Settings:
        """Copy the settings with another value of one parameter line.

        Parameters
        ----------
        key
            Dotted key of the line, with or without ``.value``.
        value
            In the line's own unit; it may lie outside low..high but not outside what is possible.

        Raises
        ------
        Problem
            When there is no such line, or the value is impossible.
        """
        return self.with_values({key: value})

    def with_values(self, values: dict[str, float]) -> Settings:
        """Copy the settings with other values of several parameter lines (see `with_value`)."""
        copy = self
        for key, value in values.items():
            line = _line(self, key)
            copy = _replaced(copy, key.removesuffix(".value").split("."), _moved(line, key, value))
        return copy

    def for_policy(self, name: str) -> Settings:
        """Copy the settings with what a policy sets for itself in place.

        Raises
        ------
        Problem
            When the policy is not listed.
        """
        if name not in self.policy:
            raise Problem(f"policy {name!r} is not listed: {did_you_mean(name, self.policy)}")
        return self.with_values(self.policy[name].set)

    def as_yaml(self) -> str:
        """Write the settings as YAML that `load` reads back (``config.yaml`` of a results folder)."""
        import yaml

        return yaml.safe_dump(
            self.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True, width=120
        )

    def canonical(self) -> str:
        """Write the settings as JSON with sorted keys: equal text, equal lives.

        Left out: folders, threads, executor and verbosity (`WITHOUT_EFFECT`), the number of patients, and how a
        calibration is done (unless one is done).
        """
        data = self.model_dump(mode="json", by_alias=True, exclude={*WITHOUT_EFFECT})
        data["cohort"].pop("n", None)
        if self.experiment != "calibrate":
            data.pop("calibration")
        data["reference"] = self.reference_policy
        return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def load(data: dict[str, Any]) -> Settings:
    """Check a plain dictionary and freeze it.

    Parameters
    ----------
    data
        The composed configuration.

    Raises
    ------
    Problem
        All that is wrong with it, each with its dotted key, in one message.
    """
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise Problem(joined(complaints(error, Settings, data))) from None


def _line(settings: Settings, key: str) -> Line:
    node: Any = settings
    for name in key.removesuffix(".value").split("."):
        node = node.get(name) if isinstance(node, dict) else getattr(node, name, None)
    if not isinstance(node, Line):
        known = [name for name, _ in settings.lines()]
        raise Problem(f"{key}: no such parameter line, {did_you_mean(key.removesuffix('.value'), known)}")
    return node


def _moved(line: Line, key: str, value: float) -> Line:
    try:
        return line.at(float(value))
    except ValidationError as error:
        rules = "; ".join(part["msg"].removeprefix("Value error, ") for part in error.errors())
        raise Problem(f"{key}: {value:g} {rules}") from None


def _replaced(node: Any, path: list[str], line: Line) -> Any:
    if not path:
        return line
    name, *rest = path
    if isinstance(node, dict):
        return {**node, name: _replaced(node[name], rest, line)}
    assert isinstance(node, BaseModel)
    return node.model_copy(update={name: _replaced(getattr(node, name), rest, line)})


def _contradictions(settings: Settings) -> Iterator[str]:
    """Name what does not go together."""
    yield from _engine_contradictions(settings)
    yield from _executor_contradictions(settings.executor)
    yield from _policy_contradictions(settings)
    products, forced = settings.product.catalogue, settings.product.forced
    if forced is not None and forced not in products:
        yield f"product.forced: unknown product {forced!r}, {did_you_mean(forced, products)}"
    for name in settings.cohort.product.shares:
        if name not in products:
            yield f"cohort.product.shares.{name}: unknown product {name!r}, {did_you_mean(name, products)}"
    yield from _economic_contradictions(settings)


#: A book that lacks more prices than this is a template.
_TEMPLATE: Final = 5


def _economic_contradictions(settings: Settings) -> Iterator[str]:
    """Name the products that somebody may get and nobody has priced."""
    if settings.economics is None:
        return
    missing = list(gaps(settings.economics))
    if len(missing) > _TEMPLATE:
        yield (
            f"economics={settings.economics.profile}: a template, {len(missing)} of its prices are missing (below). "
            "Copy its book from conf/economics/prices to MINE/economics/prices/ours.yaml, fill it in, and add "
            "--config-dir MINE economics/prices=ours"
        )
    yield from missing
    forced = settings.product.forced
    shares = settings.cohort.product.shares
    for name in [forced] if forced is not None else [name for name, share in shares.items() if share != 0]:
        if settings.economics.prices.get(name) is None:
            yield (
                f"economics.prices.{name}: no price for this product; give one in your own book, "
                "or choose economics=none"
            )


def _engine_contradictions(settings: Settings) -> Iterator[str]:
    if not settings.hospital.finite:
        return
    if settings.engine == "batch":
        limited = [f"{name}={n}" for name, n in settings.hospital.pools.model_dump().items() if n is not None]
        yield (
            f"engine=batch grants every place at once and cannot run a finite hospital ({', '.join(limited)}): "
            "set engine=simpy or engine=ward, or hospital=unlimited"
        )
    if settings.hospital.arrivals.per_year is None and settings.hospital.arrivals.file is None:
        yield "hospital.arrivals.per_year: a finite hospital needs arrivals, for example hospital.arrivals.per_year=40"


def _executor_contradictions(executor: Executor) -> Iterator[str]:
    if executor.kind == "dask" and executor.address is None:
        yield (
            "executor.address: executor=dask needs the address of a running scheduler, "
            "for example executor.address=tcp://host:8786"
        )
    if executor.kind != "dask" and executor.address is not None:
        yield f"executor.address={executor.address} is for executor=dask (now executor={executor.kind})"
    if executor.kind != "local" and executor.workers is not None:
        yield f"executor.workers={executor.workers} is for executor=local (now executor={executor.kind})"


def _policy_contradictions(settings: Settings) -> Iterator[str]:
    listed = ",".join(settings.policy)
    if settings.reference is not None and settings.reference not in settings.policy:
        yield f"reference: policy {settings.reference!r} is not listed in policy=[{listed}]"
    without = [name for name, policy in settings.policy.items() if not policy.car]
    if without and settings.origin != "referral":
        yield (
            f"policy {without[0]!r} gives no CAR T, so it can be compared from referral only: "
            f"set origin=referral (now origin={settings.origin}), or leave it out of policy=[{listed}]"
        )
    keys = dict(walk({"biology": settings.biology, "clinic": settings.clinic}))
    for name, policy in settings.policy.items():
        for key, value in policy.set.items():
            if key not in keys:
                yield f"policy.{name}.set: unknown parameter line {key!r}, {did_you_mean(key, keys)}"
                continue
            try:
                _moved(keys[key], f"policy.{name}.set.{key}", value)
            except Problem as problem:
                yield str(problem)
        try:
            compile_rules(policy, list(settings.product.catalogue))
        except Problem as problem:
            yield f"policy.{name}: {problem}"
