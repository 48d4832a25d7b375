"""The cohort: patients as correlated attributes, each a pure function of seed and patient number.

Order of drawing: the continuous attributes (age, burden, dose, fludarabine exposure, time from HCT to relapse) by a
Gaussian copula; then the tables of `sim.cohort.attributes.ORDER`, each given those before it; weight given age and sex.
What a patient table gives is kept; the rest is drawn given it: continuous attributes given continuous ones (and the
burden class), tables given what comes before them and the given values of their direct children. Continuous
attributes are not inferred from tables, except that an isolated CNS relapse has less than 5 % marrow blasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from sim import decisions
from sim.cohort import marginals
from sim.cohort.attributes import AGE_EDGES, CONTINUOUS, ORDER, SITES
from sim.cohort.recipe import Recipe, prepare
from sim.cohort.settings import Cohort
from sim.cohort.table import GIVEN, read_patients
from sim.draws import uniforms
from sim.kernel import record_dtype
from sim.patient import Attributes
from sim.problems import Problem

__all__ = ["BLOCK", "GIVEN", "Recipe", "draw", "patient_count", "prepare", "read_patients"]

#: Patients are always computed in whole aligned blocks of this size.
BLOCK: Final = 4096
DTYPE: Final = record_dtype(Attributes)

#: Latent normals of given values are kept within this distance from the mean: a value beyond the cohort's range
#: informs the others as an extreme one would.
EXTREME: Final = 3.0

_LATENT_DECISIONS: Final = (
    decisions.AGE,
    decisions.BURDEN,
    decisions.DOSE,
    decisions.FLUDARABINE,
    decisions.HCT_TO_RELAPSE,
)
#: Decision and occurrence of each table's number.
_TABLE_DECISIONS: Final = {
    "female": (decisions.SEX, 0),
    "down": (decisions.DOWN, 0),
    "instability": (decisions.INSTABILITY, 0),
    "cytogenetics": (decisions.CYTOGENETICS, 0),
    "tp53": (decisions.TP53, 0),
    "relapses": (decisions.RELAPSES, 0),
    "prior_hct": (decisions.PRIOR_HCT, 0),
    "hct_tbi": (decisions.HCT_TBI, 0),
    "refractory": (decisions.REFRACTORY, 0),
    "blinatumomab": (decisions.BLINATUMOMAB, 0),
    "inotuzumab": (decisions.INOTUZUMAB, 0),
    "site": (decisions.SITE, 0),
    "comorbidity": (decisions.COMORBIDITY, 0),
    "neuro_history": (decisions.NEURO_HISTORY, 0),
    "distance": (decisions.DISTANCE, 0),
    "poverty": (decisions.POVERTY, 0),
    "uninsured": (decisions.INSURANCE, 0),
    "donor": (decisions.DONOR, 0),
    "product": (decisions.PRODUCT, 0),
    "wish": (decisions.WISH, 0),
    "fit": (decisions.FITNESS, 0),
}
_ISOLATED_CNS: Final = SITES.index("isolated_cns")
_CYTOGENETIC_FLAGS: Final = ("kmt2ar", "ph", "hypodiploid")
_AGE, _BURDEN, _DOSE, _FLU_AUC, _MONTHS = range(len(CONTINUOUS))


def patient_count(cohort: Cohort, given: np.ndarray | None) -> int:
    """Count a run's patients: the table's rows where there is one (unless it is resampled), else ``cohort.n``."""
    return cohort.n if given is None or cohort.resample else len(given)


def draw(
    cohort: Cohort, seed: int, first: int, count: int, products: Sequence[str], given: np.ndarray | None = None
) -> np.ndarray:
    """Draw patients `first`, ..., `first + count - 1`.

    A patient's attributes depend on seed and patient number only, not on which others are drawn along.

    Parameters
    ----------
    cohort
        Validated settings.
    seed
        Seed of the run.
    first, count
        Patient numbers, 0 or more.
    products
        Names of the product catalogue in code order.
    given
        Patient rows from `read_patients`: patient i is row i, or a row drawn with replacement if ``cohort.resample``.

    Returns
    -------
    numpy.ndarray
        Shape (count,), dtype ``record_dtype(Attributes)``.

    Raises
    ------
    Problem
        When the cohort cannot be drawn (see `prepare`), or the table has fewer rows than patients are asked for.
    """
    if first < 0 or count < 0:
        raise Problem(f"patients {first} to {first + count - 1}: numbers and counts must be 0 or more")
    if given is not None and not cohort.resample and first + count > len(given):
        raise Problem(
            f"cohort.patients has {len(given)} rows, but patient {first + count - 1} was asked for: "
            f"set cohort.resample=true to draw rows with replacement"
        )
    recipe = prepare(cohort, products)
    start = first - first % BLOCK
    blocks = [
        _block(recipe, seed, np.arange(at, at + BLOCK), given, cohort.resample)
        for at in range(start, first + count, BLOCK)
    ]
    if not blocks:
        return np.zeros(0, dtype=DTYPE)
    whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return whole[first - start : first - start + count]


def _block(recipe: Recipe, seed: int, numbers: np.ndarray, given: np.ndarray | None, resample: bool) -> np.ndarray:
    rows = None if given is None else given[_rows(seed, numbers, len(given), resample)]
    lives = np.zeros(len(numbers), dtype=DTYPE)
    latent, burden_class = _continuous(recipe, seed, numbers, rows, lives)
    state = _categories(recipe, seed, numbers, rows, lives["age"], burden_class)
    for name, codes in state.items():
        if name in lives.dtype.names:
            lives[name] = codes
    for code, name in enumerate(_CYTOGENETIC_FLAGS):
        lives[name] = state["cytogenetics"] == code
    months = np.exp(recipe.months[0] + recipe.months[1] * latent[_MONTHS])
    lives["months_hct_to_relapse"] = np.where(state["prior_hct"] == 1, months, np.inf)
    lives["weight"] = _weights(recipe, seed, numbers, _known(rows, "age", lives["age"]), state["female"])
    if rows is not None:
        for name in lives.dtype.names:
            lives[name] = _known(rows, name, lives[name])
    return lives


def _rows(seed: int, numbers: np.ndarray, length: int, resample: bool) -> np.ndarray:
    if resample:
        return (uniforms(seed, numbers, decisions.RESAMPLE) * length).astype(np.int64)
    return np.minimum(numbers, length - 1)


def _known(rows: np.ndarray | None, name: str, drawn: np.ndarray) -> np.ndarray:
    """Take the given value where there is one, else the drawn one."""
    return drawn if rows is None else np.where(np.isnan(rows[name]), drawn, rows[name])


# --- continuous attributes


def _continuous(
    recipe: Recipe, seed: int, numbers: np.ndarray, rows: np.ndarray | None, lives: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw age, burden, dose and exposure into `lives`; return the latent normals and the burden class."""
    own = np.array([uniforms(seed, numbers, decision) for decision in _LATENT_DECISIONS])
    nothing = np.full(own.shape, np.nan)
    latent = recipe.copula.complete(
        nothing if rows is None else _given_latent(recipe, rows),
        own,
        None if rows is None else {_BURDEN: _burden_limits(recipe, rows)},
    )
    lives["age"] = np.interp(ndtr(latent[_AGE]), np.linspace(0.0, 1.0, len(recipe.ages)), recipe.ages)
    lives["dose"] = np.exp(recipe.dose[0] + recipe.dose[1] * latent[_DOSE])
    lives["flu_auc"] = np.exp(recipe.flu_auc[0] + recipe.flu_auc[1] * latent[_FLU_AUC])
    codes, lives["burden"] = _burden(recipe, ndtr(latent[_BURDEN]), rows, own[_BURDEN])
    lives["burden_class"] = codes
    return latent, codes


def _burden(
    recipe: Recipe, level: np.ndarray, rows: np.ndarray | None, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the cumulative share into class and log10 fraction, log-uniform within the class."""
    until = np.cumsum(recipe.burden_shares)
    codes = np.searchsorted(until[:-1], level, side="right")
    if rows is not None:
        given = _given_class(recipe, rows)
        codes = np.where(rows["site"] == _ISOLATED_CNS, np.minimum(codes, 1), codes)
        codes = np.where(given >= 0, given, codes)
    share = recipe.burden_shares[codes]
    within = np.divide(level - (until - recipe.burden_shares)[codes], share, out=own.copy(), where=share > 0.0)
    low, high = recipe.burden_edges[codes], recipe.burden_edges[codes + 1]
    return codes, low + (high - low) * np.clip(within, 0.0, 1.0)


def _burden_limits(recipe: Recipe, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latent bounds of burden where only the class, or an isolated CNS relapse, is given."""
    until = np.minimum(np.cumsum(recipe.burden_shares), 1.0)
    codes = _given_class(recipe, rows)
    low = np.where(codes > 0, until[codes - 1], 0.0)
    high = np.where(codes >= 0, until[codes], np.where(rows["site"] == _ISOLATED_CNS, until[1], 1.0))
    return ndtri(low), ndtri(high)


def _given_class(recipe: Recipe, rows: np.ndarray) -> np.ndarray:
    """Burden class that a row states or that its burden implies; -1 for none."""
    stated = np.where(np.isnan(rows["burden_class"]), -1.0, rows["burden_class"]).astype(np.int64)
    implied = np.searchsorted(recipe.burden_edges[1:-1], np.nan_to_num(rows["burden"]), side="right")
    return np.where(np.isnan(rows["burden"]), stated, implied)


def _given_latent(recipe: Recipe, rows: np.ndarray) -> np.ndarray:
    """Latent normals of the given continuous attributes, NaN where not given."""
    latent = np.full((len(CONTINUOUS), len(rows)), np.nan)
    points = np.linspace(0.0, 1.0, len(recipe.ages))
    rising = np.maximum.accumulate(recipe.ages + 1e-9 * np.arange(len(points)))
    latent[_AGE] = ndtri(np.interp(rows["age"], rising, points))
    latent[_BURDEN] = ndtri(_burden_level(recipe, rows))
    for variable, name, (location, spread) in (
        (_DOSE, "dose", recipe.dose),
        (_FLU_AUC, "flu_auc", recipe.flu_auc),
        (_MONTHS, "months_hct_to_relapse", recipe.months),
    ):
        value = np.where(np.isfinite(rows[name]), rows[name], np.nan)
        latent[variable] = (np.log(value) - location) / spread
    return np.clip(latent, -EXTREME, EXTREME)


def _burden_level(recipe: Recipe, rows: np.ndarray) -> np.ndarray:
    """Cumulative share of a given burden."""
    codes = np.maximum(_given_class(recipe, rows), 0)
    low, high = recipe.burden_edges[codes], recipe.burden_edges[codes + 1]
    before = np.cumsum(recipe.burden_shares) - recipe.burden_shares
    return before[codes] + recipe.burden_shares[codes] * np.clip((rows["burden"] - low) / (high - low), 0.0, 1.0)


def _weights(recipe: Recipe, seed: int, numbers: np.ndarray, age: np.ndarray, female: np.ndarray) -> np.ndarray:
    male_median, female_median = (np.interp(age, recipe.weight_ages, medians) for medians in recipe.weights)
    spread = recipe.weight_spread * ndtri(uniforms(seed, numbers, decisions.WEIGHT))
    return np.exp(np.where(female == 1, female_median, male_median) + spread)


# --- tables


def _categories(
    recipe: Recipe, seed: int, numbers: np.ndarray, rows: np.ndarray | None, age: np.ndarray, burden_class: np.ndarray
) -> marginals.State:
    """Draw the attributes that have tables, in order; codes by name."""
    state: marginals.State = {} if rows is None else dict(_given_codes(rows))
    state["age_band"] = np.searchsorted(AGE_EDGES, _known(rows, "age", age), side="right")
    state["burden_class"] = burden_class
    for name, table in recipe.tables.items():
        own = uniforms(seed, numbers, *_TABLE_DECISIONS[name])
        state[name] = marginals.draw(table, state, own) if rows is None else _given(recipe, name, state, own, rows)
    return state


def _given(recipe: Recipe, name: str, state: marginals.State, own: np.ndarray, rows: np.ndarray) -> np.ndarray:
    table, codes = recipe.tables[name], state[name]
    if (codes >= 0).all():
        return codes
    children = [(child, state[child.name]) for child in recipe.tables.values() if name in child.parents()]
    children = [(child, given) for child, given in children if (given >= 0).any()]
    drawn = marginals.draw_given(table, state, own, _allowed(table, rows), children)
    return np.where(codes >= 0, codes, drawn)


def _allowed(table: marginals.Table, rows: np.ndarray) -> np.ndarray:
    """Categories left open by other cells, whatever their chances."""
    allowed = np.ones((len(rows), len(table.shares)))
    if table.name == "relapses":
        allowed[(rows["prior_hct"] == 1) | (rows["refractory"] == 0), 0] = 0.0
    if table.name == "cytogenetics":
        for code, name in enumerate(_CYTOGENETIC_FLAGS):
            allowed[rows[name] == 0, code] = 0.0
    return allowed


def _given_codes(rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Codes of the given attributes that have tables; -1 where not given."""
    for name in ORDER[2:]:
        if name == "cytogenetics":
            flags = [rows[flag] == 1 for flag in _CYTOGENETIC_FLAGS]
            yield name, np.select(flags, range(len(flags)), default=-1)
        else:
            codes = np.where(np.isnan(rows[name]), -1.0, rows[name]).astype(np.int64)
            yield name, np.minimum(codes, 3) if name == "relapses" else codes
