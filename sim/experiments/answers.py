"""What a world answers: sums of costs, effects and outcomes by policy and batch of patients, nothing else kept.

A journal is written into memory, valued, summed and forgotten, block by block; so thousands of worlds take no more
memory than one. Sums are formed in one order whatever the threads or processes: the same world gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sim.experiments.twins import same_charts
from sim.experiments.worlds import Lived, Worlds
from sim.tally.curves import month_code
from sim.tally.measures import INCIDENCE, MEAN, MEASURES, SHARE, SURVIVAL, Measure
from sim.tally.outcomes import Outcomes
from sim.uncertainty.variance import divided

if TYPE_CHECKING:
    import pandas as pd

#: Outcomes of every world: measure and month (`sim.tally.measures`).
OUTCOMES: Final = (
    ("cr", None),
    ("os", 24),
    ("os", 60),
    ("efs", 24),
    ("efs", 60),
    ("cif_relapse", 24),
    ("cif_nrm", 24),
    ("life_years", None),
    ("hct", None),
    ("hct_any", None),
    ("reinfusion", None),
    ("cgvhd", None),
    ("crs_ge3", None),
    ("icans_ge3", None),
    ("severe_infection", None),
    ("late_effect", None),
    ("ward_days", None),
    ("icu_days", None),
)
#: Up to so many patients the lives of the base case are kept, so that economic lines are varied without simulating.
KEPT_PATIENTS: Final = 4096
#: What valuation gives: discounted cost in the run's perspective, discounted QALYs and life-years, and both plain.
VALUED: Final = ("cost", "qalys", "life_years_discounted", "cost_undiscounted", "qalys_undiscounted")


class Quantity(NamedTuple):
    """One column of answers: a name, and of which patients it is a mean.

    Attributes
    ----------
    name
        Measure, with its month behind where it has one (``os_24``).
    unit
        Unit of its mean.
    better
        1 when more is better, -1 when less is, 0 when neither.
    among
        Column that counts its patients.
    meaning
        What it is.
    """

    name: str
    unit: str
    better: int
    among: str
    meaning: str


class Examiner:
    """Asks worlds: lives through them and sums up.

    Parameters
    ----------
    settings
        Validated settings.
    batches
        Batches of patients that are summed apart.
    """

    def __init__(self, settings: Any, batches: int = 1) -> None:
        self.settings = settings
        self.worlds = Worlds(settings)
        self.batches = max(1, min(batches, self.worlds.n))
        self.policies = self.worlds.policies
        self.measures = _measures(settings.origin)
        self.economics = getattr(settings, "economics", None)
        self.quantities = quantities(settings)
        self._valuation: Any = None
        self._kept: dict[tuple[int, int], list[Lived]] = {}

    def prepare(self) -> None:
        """Compile (or load) what is compiled."""
        if self.worlds.simulation.shared:
            return
        self.worlds.compile()
        if self.economics is not None:
            self.answer({}, patients=1)

    def answer(self, values: Mapping[str, float], patients: int | None = None) -> np.ndarray:
        """Live through a world and sum up.

        Parameters
        ----------
        values
            Key -> value in the line's own unit, of the lines that differ from the settings.
        patients
            Only so many; None: the cohort.

        Returns
        -------
        numpy.ndarray
            Sums, shape (policies, quantities, batches).
        """
        total = np.zeros((len(self.policies), len(self.quantities), self.batches))
        valuation = self.valuation(values)
        if self.worlds.simulation.shared:
            for first, lived in self.worlds.live_together(values, journal=valuation is not None):
                total += self._sums(lived, valuation, first)
            return total
        for first, count in self.worlds.spans():
            if patients is not None:
                count = min(count, max(0, patients - first))
            if count:
                total += self._sums(self._lived(values, first, count, valuation is not None), valuation, first)
        return total

    def _lived(self, values: Mapping[str, float], first: int, count: int, journal: bool) -> list[Lived]:
        """Live through a block; worlds that differ in prices and utilities alone share their lives."""
        if any(self.worlds.shapes_lives(key) for key in values) or self.worlds.n > KEPT_PATIENTS:
            return list(self.worlds.live(values, first, count, journal=journal, again=True))
        if (first, count) not in self._kept:
            self._kept[first, count] = list(self.worlds.live({}, first, count, journal=journal))
        return self._kept[first, count]

    def valuation(self, values: Mapping[str, float]) -> Any:
        """Give the valuation of a world: its books, with the economic lines that differ."""
        if self.economics is None:
            return None
        from sim.economics.valuation import Valuation

        if self._valuation is None:
            self._valuation = Valuation(self.economics, self.worlds.simulation.products, self.settings.origin)
        own = {key: value for key, value in values.items() if not self.worlds.shapes_lives(key)}
        if not own:
            return self._valuation
        book = self.settings.with_values(own).economics
        return Valuation(book, self.worlds.simulation.products, self.settings.origin)

    def _sums(self, lived: list[Lived], valuation: Any, first: int) -> np.ndarray:
        """Sum up a block of lives under every policy, by batch."""
        columns = np.zeros((len(self.policies), len(self.quantities), len(lived[0].lives)))
        self._value(columns, lived, valuation)
        for at, one in enumerate(lived):
            self._count(columns[at, len(VALUED) + 2 :], columns[at, 1], one)
        if valuation is None:  # nothing is priced: the effect is life-years, among those counted under every policy
            columns[:, 0] = columns[:, 1].all(axis=0)
            columns[:, 2] = 0.0
        return _by_batch(columns, first, self.batches)

    def _value(self, columns: np.ndarray, lived: list[Lived], valuation: Any) -> None:
        """Value every policy's lives; who lives the same life under an earlier policy is worth the same."""
        if valuation is None:
            return
        from sim.economics.valuation import counted

        among = np.logical_and.reduce([counted(one.rows, one.first_row, self.settings.origin) for one in lived])
        readings = self._readings(valuation)
        for at, one in enumerate(lived):
            left = among.copy()
            for before, other in enumerate(lived[:at]):
                if not left.any():
                    break
                same = same_charts(one.rows, one.first_row, other.rows, other.first_row, left)
                columns[at, 2 : 2 + len(VALUED), same] = columns[before, 2 : 2 + len(VALUED), same]
                left &= ~same
            people = valuation.lives(one.rows, one.first_row, one.lives, left).people
            columns[at, 0] = among
            for place, reading in enumerate(readings, start=2):
                columns[at, place, left] = people[left][:, reading].sum(axis=1)

    def _readings(self, valuation: Any) -> list[list[int]]:
        """Say which columns of the valuation are summed for each of `VALUED`."""
        find = valuation.columns.index
        categories = valuation.book.categories()
        return [
            [find(f"cost_{name}_discounted") for name in categories],
            [find("qalys_discounted")],
            [find("life_years_discounted")],
            [find(f"cost_{name}") for name in categories],
            [find("qalys")],
        ]

    def _count(self, columns: np.ndarray, counted: np.ndarray, one: Lived) -> None:
        outcomes = Outcomes(one.lives, self.settings.origin, self.worlds.simulation.horizon)
        counted[:] = outcomes.counted
        for column, (measure, month) in zip(columns, self.measures, strict=True):
            np.copyto(column, _read(measure, month, outcomes), where=outcomes.counted)


def quantities(settings: Any) -> list[Quantity]:
    """List the columns of answers, in order: who is counted, what valuation gives, outcomes."""
    economics = getattr(settings, "economics", None)
    money = economics.currency if economics is not None else "-"
    valued = [
        Quantity("cost", money, -1, "n", "cost per patient, discounted"),
        Quantity("qalys", "QALY", 1, "n", "QALYs per patient, discounted"),
        Quantity("life_years_discounted", "years", 1, "n", "life-years per patient, discounted"),
        Quantity("cost_undiscounted", money, -1, "n", "cost per patient, undiscounted"),
        Quantity("qalys_undiscounted", "QALY", 1, "n", "QALYs per patient, undiscounted"),
    ]
    return [
        Quantity("n", "patients", 0, "n", "patients counted under every policy"),
        Quantity("counted", "patients", 0, "counted", "patients counted"),
        *valued,
        *(
            Quantity(_label(measure, month), measure.unit, measure.better, "counted", measure.meaning)
            for measure, month in _measures(settings.origin)
        ),
    ]


def effect_of(settings: Any) -> tuple[str, str]:
    """Name the quantity that is the effect, and its unit: QALYs where there are prices, else life-years."""
    return ("life_years", "life-year") if getattr(settings, "economics", None) is None else ("qalys", "QALY")


def means(sums: np.ndarray, columns: list[Quantity]) -> np.ndarray:
    """Turn sums, shape (..., quantities, batches), into means over all batches: shape (..., quantities).

    The counts themselves stay counts.
    """
    total = sums.sum(axis=-1)
    found = np.empty_like(total)
    names = [column.name for column in columns]
    for at, column in enumerate(columns):
        if column.unit == "patients":
            found[..., at] = total[..., at]
        else:
            found[..., at] = divided(total[..., at], total[..., names.index(column.among)])
    return found


def frame_of(
    worlds: Mapping[str, np.ndarray], policies: tuple[str, ...], sums: np.ndarray, columns: list[Quantity]
) -> pd.DataFrame:
    """Lay out the means of many worlds: one row per world and policy.

    Parameters
    ----------
    worlds
        Columns that name the worlds, one entry a world.
    policies
        In the order of the sums.
    sums
        Shape (worlds, policies, quantities, batches).
    columns
        Quantities, in the order of the sums.
    """
    import pandas as pd

    number = len(sums)
    found = means(sums, columns).reshape(number * len(policies), len(columns))
    table: dict[str, Any] = {name: np.repeat(np.asarray(entry), len(policies)) for name, entry in worlds.items()}
    table["policy"] = np.tile(np.array(policies, dtype=object), number)
    for at, column in enumerate(columns):
        table[column.name] = found[:, at].astype(np.int64) if column.unit == "patients" else found[:, at]
    return pd.DataFrame(table)


def _measures(origin: str) -> list[tuple[Measure, int | None]]:
    known = {measure.name: measure for measure in MEASURES if origin in measure.origins}
    return [(known[name], month) for name, month in OUTCOMES if name in known]


def _label(measure: Measure, month: int | None) -> str:
    return measure.name if month is None else f"{measure.name}_{month}"


def _read(measure: Measure, month: int | None, outcomes: Outcomes) -> np.ndarray:
    """Read one outcome of every patient, as the tally does."""
    of = measure.of
    if isinstance(of, tuple):
        return outcomes[of[0]] == of[1]
    assert callable(of)
    if measure.kind == SHARE:
        return of(outcomes)
    if measure.kind == MEAN:
        return of(outcomes) if month is None else of(outcomes, month)
    assert measure.kind in (SURVIVAL, INCIDENCE)
    assert month is not None
    codes = of(outcomes)
    return codes > month_code(month) if measure.kind == SURVIVAL else codes <= month_code(month)


def _by_batch(columns: np.ndarray, first: int, batches: int) -> np.ndarray:
    """Sum over the patients of each batch (patient number modulo batches)."""
    before = first % batches
    after = -(before + columns.shape[-1]) % batches
    padded = np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(before, after)])
    summed: np.ndarray = padded.reshape(*columns.shape[:-1], -1, batches).sum(axis=-2)
    return summed
