"""What is gathered from a cohort while its chunks are run, stored and put together again.

A gatherer sees one block of patients after the other. What it has seen of a chunk becomes a part on disk; the parts of
all chunks, absorbed in order of patients, become the answer. Gatherers whose state is an exact sum give the same bytes
however the cohort was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol

import numpy as np

from sim.evidence import evidence_hash
from sim.experiments.executors import cores, execute
from sim.experiments.progress import progress
from sim.experiments.run import Block, Simulation, joined
from sim.experiments.sources import SIM, code_hash, lives_code
from sim.experiments.spans import Span, blocks_a_chunk, covering, left_over
from sim.experiments.store import Part, Store, packed, sealed, unpacked
from sim.interruptions import stop_if_asked
from sim.patient import published_names
from sim.problems import Problem
from sim.tally.counts import Tally
from sim.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.economics.accounts import Accounts

#: Fewer lives than this are over before worker processes have started (measured: 2 CPU seconds each).
SHORT: Final = {"batch": 600_000, "ward": 600_000, "simpy": 6_000}
#: Lives in a piece of a SimPy block: about a second.
PIECE_LIVES: Final = 2_000
#: Blocks in a chunk whose journal is kept: some 50 MB of memory each.
JOURNAL_BLOCKS: Final = 4


class Gatherer(Protocol):
    """Something that is gathered from lives; made from the settings alone, in a worker or in the parent.

    Attributes
    ----------
    kind
        Folder of its parts.
    journal
        Whether blocks must hold journal rows.
    """

    kind: ClassVar[str]
    journal: ClassVar[bool]

    def __init__(self, settings: Any) -> None: ...

    @staticmethod
    def sources() -> list[Path]:
        """List the files, beside those that make lives, on whose text its parts rest."""

    def add(self, block: Block) -> None:
        """Gather from an aligned block of patients (`Block`); blocks of a chunk come in order."""

    def groups(self) -> Iterator[pa.Table]:
        """Lay out what was gathered, for storage: tables of one layout."""

    def absorb(self, part: Part) -> None:
        """Add what another one gathered from other patients; parts come in order of patients."""


class Counted:
    """The tally: counts and exact sums, whatever the number of patients."""

    kind: ClassVar[str] = "tally"
    journal: ClassVar[bool] = False

    def __init__(self, settings: Any) -> None:
        self.tally = self._empty = _tally(settings)
        self._settings = settings

    @staticmethod
    def sources() -> list[Path]:
        return [Path(__file__), *SIM.glob("tally/*.py")]

    def add(self, block: Block) -> None:
        self.tally.add(block.first, block.lives)

    def groups(self) -> Iterator[pa.Table]:
        yield packed(self.tally.arrays())

    def absorb(self, part: Part) -> None:
        (table,) = part.groups()
        other = _tally(self._settings)
        other.restore(unpacked(table))
        self.tally.merge(other)


def _tally(settings: Any) -> Tally:
    years = settings.horizon_years
    horizon = float("inf") if years is None else years * DAYS_PER_YEAR
    return Tally(list(settings.policy), settings.origin, settings.reference_policy, horizon)


class _Rows:
    """Tables of patients or journal rows: a row group for every block and policy, sorted in the end by policy."""

    journal: ClassVar[bool] = False

    def __init__(self, settings: Any) -> None:
        self.policies = sorted(settings.policy)
        self._tables: list[pa.Table] = []
        self._parts: list[Part] = []

    @staticmethod
    def sources() -> list[Path]:
        return [Path(__file__)]

    def add(self, block: Block) -> None:
        self._tables += [self.table(policy, block) for policy in self.policies]

    def table(self, policy: str, block: Block) -> pa.Table:
        """Lay out a block under one policy."""
        raise NotImplementedError

    def groups(self) -> Iterator[pa.Table]:
        yield from self._tables

    def absorb(self, part: Part) -> None:
        self._parts.append(part)

    def write(self, path: Path) -> None:
        """Write one Parquet file, sorted by policy, patient, time and event; few rows are in memory at a time."""
        import pyarrow.parquet as pq

        writer = None
        try:
            for table in self._sorted():
                if writer is None:
                    writer = pq.ParquetWriter(path, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()

    def _sorted(self) -> Iterator[pa.Table]:
        for at in range(len(self.policies)):
            for part in self._parts:
                file = part.file()
                for number in range(at, file.num_row_groups, len(self.policies)):
                    yield file.read_row_group(number).replace_schema_metadata(None)
            yield from self._tables[at :: len(self.policies)]


class Patients(_Rows):
    """The published fields of every patient record (``patients.parquet``)."""

    kind: ClassVar[str] = "patients"
    columns: Final = ("number", *(name for name in published_names() if name != "number"))

    def table(self, policy: str, block: Block) -> pa.Table:
        import pyarrow as pa

        lives = block.lives[policy]
        columns = {"policy": pa.repeat(policy, len(lives))}
        for name in self.columns:
            values = np.ascontiguousarray(lives[name])
            columns["patient" if name == "number" else name] = pa.array(values, from_pandas=True)
        return pa.table(columns)


class Journals(_Rows):
    """Every journal row (``journal.parquet``): policy, patient, event, time_start, time_stop, detail."""

    kind: ClassVar[str] = "journal"
    journal: ClassVar[bool] = True

    def table(self, policy: str, block: Block) -> pa.Table:
        import pyarrow as pa

        rows, first_row = block.rows[policy], block.first_row[policy]
        patients = np.repeat(np.arange(block.first, block.first + len(first_row) - 1), np.diff(first_row))
        return pa.table(
            {
                "policy": pa.repeat(policy, len(rows)),
                "patient": patients.astype(np.int64),
                "event": rows["event"].astype(np.int16),
                "time_start": pa.array(np.ascontiguousarray(rows["start"]), from_pandas=True),
                "time_stop": pa.array(np.ascontiguousarray(rows["stop"]), from_pandas=True),
                "detail": rows["detail"].astype(np.int32),
            }
        )


class Accounted:
    """The accounts: exact sums of costs and effects, whatever the number of patients."""

    kind: ClassVar[str] = "accounts"
    journal: ClassVar[bool] = True

    def __init__(self, settings: Any) -> None:
        self.accounts = _accounts(settings)
        self._settings = settings

    @staticmethod
    def sources() -> list[Path]:
        return [Path(__file__), *SIM.glob("economics/*.py")]

    def add(self, block: Block) -> None:
        self.accounts.add(block)

    def groups(self) -> Iterator[pa.Table]:
        yield packed(self.accounts.arrays())

    def absorb(self, part: Part) -> None:
        (table,) = part.groups()
        other = _accounts(self._settings)
        other.restore(unpacked(table))
        self.accounts.merge(other)


def _accounts(settings: Any) -> Accounts:
    from sim.experiments.valuing import accounts_for

    accounts = accounts_for(settings)
    assert accounts is not None
    return accounts


class Values(_Rows):
    """What every patient costs and gains (``value.parquet``); single precision would not add up to the arm."""

    kind: ClassVar[str] = "value"
    journal: ClassVar[bool] = True

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._accounts = _accounts(settings)

    @staticmethod
    def sources() -> list[Path]:
        return Accounted.sources()

    def add(self, block: Block) -> None:
        import pyarrow as pa

        valued = self._accounts.add(block)
        for policy in self.policies:
            people = valued[policy].people
            table = {"policy": pa.repeat(policy, len(people)), "patient": np.arange(len(people)) + block.first}
            table |= {
                name: np.ascontiguousarray(people[:, i]) for i, name in enumerate(self._accounts.valuation.columns)
            }
            self._tables.append(pa.table(table))


# --- the job ---------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """Patients that are run in one go: a chunk, or a piece of one."""

    chunk: Span
    span: Span

    def __str__(self) -> str:
        return str(self.span)


@dataclass(frozen=True)
class Gathering:
    """The job: run patients, and gather.

    Parameters
    ----------
    settings
        Frozen settings.
    given
        The patient table, or None.
    kinds
        Classes of gatherers.
    store
        Whose parts they will be (only what parts say about themselves is used).
    code
        `lives_code` and `evidence_hash` of the process that asks; a worker with others refuses.
    """

    settings: Any
    given: np.ndarray | None
    kinds: tuple[type[Gatherer], ...]
    store: Store
    code: tuple[str, str] = field(default_factory=lambda: (lives_code(), evidence_hash()))

    @cached_property
    def simulation(self) -> Simulation:
        """The simulation, built once in each process."""
        return Simulation(self.settings, any(kind.journal for kind in self.kinds), self.given)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "simulation"}

    def prepare(self) -> None:
        """Refuse to work with other code than the parent; compile."""
        if self.code != (lives_code(), evidence_hash()):
            raise Problem("a worker runs other code or data than this program: bring both to the same version")
        self.simulation.prepare()

    def __call__(self, piece: Piece) -> dict[str, bytes] | Block:
        """Give the parts of a chunk, or the lives of a piece of one."""
        if piece.span != piece.chunk:
            return self.simulation.block(piece.span)
        return self.parts(piece.chunk, self.simulation.chunk(piece.chunk))

    def parts(self, chunk: Span, blocks: Iterator[Block] | Sequence[Block]) -> dict[str, bytes]:
        """Gather from a chunk's blocks."""
        gatherers = [kind(self.settings) for kind in self.kinds]
        for block in blocks:
            for gatherer in gatherers:
                gatherer.add(block)
        return {
            one.kind: sealed(one.groups(), self.store.about(one.kind, chunk.key, part_code(type(one))))
            for one in gatherers
        }


@cache
def part_code(kind: type[Gatherer]) -> str:
    """Hash the code that a kind of part rests on beside that of lives."""
    return code_hash(kind.sources())


# --- running it ------------------------------------------------------------------------------------------------------


def gather(simulation: Simulation, kinds: Sequence[type[Gatherer]], store: Store) -> dict[str, Any]:
    """Run what is left of a cohort, keep its parts, and put all parts together.

    Parameters
    ----------
    simulation
        The cohort.
    kinds
        Classes of gatherers.
    store
        Where parts are kept.

    Returns
    -------
    dict
        Kind -> gatherer that has absorbed every part, in order of patients.
    """
    settings, n = simulation.settings, simulation.n
    simulation.journal = any(kind.journal for kind in kinds)
    done = usable(simulation, kinds, store)
    left = [Span(0, n)] if simulation.shared and not done else left_over(done, n, _blocks(simulation, kinds))
    job = Gathering(settings, simulation.given, tuple(kinds), store)
    job.__dict__["simulation"] = simulation
    policies = len(settings.policy)
    finished = sum(span.n for span in done) * policies
    short = n * policies - finished < SHORT[settings.engine]
    threads = settings.threads or cores() if settings.engine != "simpy" else 1
    puzzles: dict[Span, list[Block]] = {}
    with (
        progress(n * policies, "lives", quiet=settings.quiet, done=finished) as advance,
        closing(execute(job, _pieces(simulation, left), settings.executor, short=short, threads=threads)) as results,
    ):
        for piece, result in results:
            parts = result if isinstance(result, dict) else _fitted(job, piece, result, puzzles)
            for kind, data in (parts or {}).items():
                store.keep(kind, piece.chunk.key, data)
            advance(piece.span.n * policies)
            stop_if_asked()
    return absorbed(settings, kinds, store, sorted([*done, *left]))


def usable(simulation: Simulation, kinds: Sequence[type[Gatherer]], store: Store) -> list[Span]:
    """List the spans of which all kinds of parts are there and whole."""
    keys = [set(store.keys(kind.kind, part_code(kind))) for kind in kinds]
    spans = [span for key in set.intersection(*keys) if (span := Span.from_key(key))]
    if simulation.shared:
        return [span for span in spans if span == Span(0, simulation.n)]
    return covering(spans, simulation.n)


def absorbed(settings: Any, kinds: Sequence[type[Gatherer]], store: Store, spans: Sequence[Span]) -> dict[str, Any]:
    """Put the parts of these spans together; parts of patients whom other parts cover are dropped."""
    gatherers = {kind.kind: kind(settings) for kind in kinds}
    for kind in kinds:
        code = part_code(kind)
        for span in spans:
            gatherers[kind.kind].absorb(store.read(kind.kind, span.key, code))
        for key in store.names(kind.kind):
            other = Span.from_key(key)
            if other is not None and other.end <= spans[-1].end and other not in spans:
                store.drop(kind.kind, key)
    return gatherers


def _blocks(simulation: Simulation, kinds: Sequence[type[Gatherer]]) -> int:
    settings = simulation.settings
    if settings.executor.blocks is not None:
        return int(settings.executor.blocks)
    if settings.engine == "simpy":
        return 1
    blocks = blocks_a_chunk(simulation.n, len(settings.policy))
    return min(blocks, JOURNAL_BLOCKS) if any(kind.journal for kind in kinds) else blocks


def _pieces(simulation: Simulation, chunks: Sequence[Span]) -> list[Piece]:
    """Cut SimPy's blocks, which take half a minute each, into pieces; a shared hospital is one piece."""
    long = any(len(list(chunk.blocks())) > 1 for chunk in chunks)
    if simulation.settings.engine != "simpy" or simulation.shared or long:
        return [Piece(chunk, chunk) for chunk in chunks]
    patients = max(1, PIECE_LIVES // len(simulation.settings.policy))
    return [Piece(chunk, span) for chunk in chunks for span in chunk.split(patients)]


def _fitted(job: Gathering, piece: Piece, block: Block, puzzles: dict[Span, list[Block]]) -> dict[str, bytes] | None:
    """Put a piece to the others of its chunk; when all are there, gather from them."""
    pieces = puzzles.setdefault(piece.chunk, [])
    pieces.append(block)
    if sum(len(next(iter(one.lives.values()))) for one in pieces) < piece.chunk.n:
        return None
    return job.parts(piece.chunk, [joined(puzzles.pop(piece.chunk))])
