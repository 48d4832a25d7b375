"""A cohort made ready to draw from: conditional tables solved, marginals turned into quantile functions."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from sim.cohort import marginals
from sim.cohort.attributes import AGE_EDGES, BURDEN_CLASSES, ORDER, SITES
from sim.cohort.copula import Copula
from sim.cohort.settings import Ages, Cohort
from sim.cohort.shares import Flag, Table
from sim.problems import Problem, did_you_mean

#: Points per age band at which the joint distribution of age band and burden class is integrated.
QUADRATURE: Final = 64
_ISOLATED_CNS: Final = SITES.index("isolated_cns")
#: Definitions: condition under which a category cannot occur.
_NEVER: Final = {"prior_hct": ("primary_refractory", 1), "site": ("burden_5", _ISOLATED_CNS)}
#: Tables that hold for a group only: the group, and the code outside of it.
_AMONG: Final = {"hct_tbi": ("prior_hct", 0), "refractory": ("relapsed", 1)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A cohort made ready to draw from: solved tables, latent correlations and quantile functions."""

    tables: dict[str, marginals.Table]
    copula: Copula
    ages: np.ndarray
    burden_shares: np.ndarray
    burden_edges: np.ndarray
    dose: tuple[float, float]
    flu_auc: tuple[float, float]
    months: tuple[float, float]
    weight_ages: np.ndarray
    weights: tuple[np.ndarray, np.ndarray]
    weight_spread: float


class _Same:
    """A cohort that equals only itself: the key of the cache of recipes."""

    __slots__ = ("cohort",)

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort

    def __hash__(self) -> int:
        return id(self.cohort)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.cohort is self.cohort


def prepare(cohort: Cohort, products: Sequence[str]) -> Recipe:
    """Make a cohort ready to draw from; refuse one whose shares cannot be met.

    Parameters
    ----------
    cohort
        Validated settings.
    products
        Names of the product catalogue in code order.

    Raises
    ------
    Problem
        When a product is not in the catalogue, or shares and odds contradict each other.
    """
    return _recipe(_Same(cohort), tuple(products))


@functools.lru_cache(maxsize=16)
def _recipe(key: _Same, products: tuple[str, ...]) -> Recipe:
    cohort = key.cohort
    copula = Copula(np.array(cohort.correlation.matrix()))
    shares = _shares(cohort.burden, BURDEN_CLASSES)
    ages = np.array(cohort.age.points())
    tables = [_table(cohort, name, products) for name in ORDER[2:]]
    roots, mass = _roots(cohort.age, shares, cohort.correlation.age_burden)
    relapse = cohort.months_hct_to_relapse
    location = np.log(relapse.early_months.value) - relapse.sigma.value * ndtri(relapse.early_share.value)
    return Recipe(
        tables=marginals.solve(tables, roots, mass),
        copula=copula,
        ages=ages,
        burden_shares=shares,
        burden_edges=np.array(cohort.burden.edges()),
        dose=(float(np.log(cohort.dose.median.value)), cohort.dose.sigma.value),
        flu_auc=(float(np.log(cohort.flu_auc.median.value)), cohort.flu_auc.sigma.value),
        months=(float(location), relapse.sigma.value),
        weight_ages=np.array(cohort.weight.ages),
        weights=(np.log(cohort.weight.male), np.log(cohort.weight.female)),
        weight_spread=cohort.weight.sigma.value,
    )


def _shares(part: Table, categories: tuple[str, ...]) -> np.ndarray:
    shares = np.array([part.share(name) if name in part.shares else 0.0 for name in categories])
    return shares / shares.sum()


def _table(cohort: Cohort, name: str, products: tuple[str, ...]) -> marginals.Table:
    part: Flag | Table = getattr(cohort, name)
    if isinstance(part, Flag):
        shares = np.array([1.0 - part.share.value, part.share.value])
        ratios = {condition: np.array([1.0, ratio]) for condition, ratio in part.odds.items()}
    else:
        categories = products if name == "product" else part.categories
        _check_products(part, products if name == "product" else tuple(part.shares))
        shares = _shares(part, categories)
        ratios = {
            condition: np.array([by_name.get(category, 1.0) for category in categories])
            for condition, by_name in part.odds.items()
        }
    if name in _NEVER:
        condition, category = _NEVER[name]
        ratios[condition] = ratios.get(condition, np.ones(len(shares))) * (np.arange(len(shares)) != category)
    among, otherwise = _AMONG.get(name, ("", 0))
    return marginals.Table(name, shares, ratios, among, otherwise)


def _check_products(part: Table, products: tuple[str, ...]) -> None:
    for name in part.shares:
        if name not in products:
            raise Problem(f"cohort.product.shares.{name}: unknown product, {did_you_mean(name, products)}")


def _roots(ages: Ages, burden_shares: np.ndarray, correlation: float) -> tuple[marginals.State, np.ndarray]:
    """Joint distribution of age band and burden class under the copula."""
    edges = [0.0, *(_share_below(edge, ages.points()) for edge in AGE_EDGES), 1.0]
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    until = ndtri(np.minimum(np.cumsum(burden_shares), 1.0))
    mass = np.zeros((len(edges) - 1, len(burden_shares)))
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        if high > low:
            latent = ndtri(low + (high - low) * (nodes + 1.0) / 2.0)
            below = ndtr((until[:, None] - correlation * latent) / np.sqrt(1.0 - correlation**2))
            mass[band] = np.diff(below @ weights / 2.0 * (high - low), prepend=0.0)
    bands, classes = np.nonzero(mass > 0.0)
    return {"age_band": bands, "burden_class": classes}, mass[bands, classes] / mass.sum()


def _share_below(age: float, points: tuple[float, ...]) -> float:
    """Share of patients younger than `age`."""
    upper = int(np.searchsorted(points, age, side="left"))
    if upper == 0:
        return 0.0
    if upper == len(points):
        return 1.0
    return (upper - 1 + (age - points[upper - 1]) / (points[upper] - points[upper - 1])) / (len(points) - 1)
