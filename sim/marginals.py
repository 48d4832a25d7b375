r"""Conditional tables whose marginals hold: categories that depend on others, yet occur as often as stated.

An attribute with shares :math:`s_k` and odds ratios :math:`r_{ck}` of groups :math:`c` has, in group :math:`c`,
probabilities :math:`a_k r_{ck} / \sum_j a_j r_{cj}`. The weights :math:`a` are solved so that the average over groups
is :math:`s`: groups differ by the stated odds ratios, and the shares over all patients are exactly those stated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sim.cohort_settings import CONDITIONS, ORDER
from sim.problems import Problem

#: Codes of one variable per patient (or per cell of a joint distribution); -1: not known.
State = dict[str, np.ndarray]
ACCURACY: Final = 1e-10
ROUNDS: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One attribute's table, ready to draw from.

    Attributes
    ----------
    name
        Attribute.
    shares
        Shares over all patients of `among`, shape (categories,).
    ratios
        Condition name -> odds ratios, shape (categories,).
    among
        Condition outside of which the attribute is always `otherwise`; "" for none.
    otherwise
        Code outside of `among`.
    weights
        Solved weights, shape (categories,).
    """

    name: str
    shares: np.ndarray
    ratios: dict[str, np.ndarray] = field(default_factory=dict)
    among: str = ""
    otherwise: int = 0
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def parents(self) -> set[str]:
        """Name the attributes this one depends on."""
        conditions = [*self.ratios, self.among] if self.among else [*self.ratios]
        return {CONDITIONS[condition][0] for condition in conditions}

    def probabilities(self, state: State, rows: int) -> np.ndarray:
        """Give each row's probabilities of the categories, given what is known; shape (rows, categories)."""
        chances = _normalised(self.weights * self.odds(state, rows))
        if self.among:
            outside = ~holds(self.among, state)
            chances[outside] = 0.0
            chances[outside, self.otherwise] = 1.0
        return chances

    def odds(self, state: State, rows: int) -> np.ndarray:
        """Multiply the odds ratios of the groups each row belongs to; shape (rows, categories)."""
        product = np.ones((rows, len(self.shares)))
        for condition, ratios in self.ratios.items():
            product *= np.where(holds(condition, state)[:, None], ratios, 1.0)
        return product


def holds(condition: str, state: State) -> np.ndarray:
    """Tell for each row whether a condition of `CONDITIONS` is met (unknown: no)."""
    name, codes = CONDITIONS[condition]
    met = state[name] == codes[0]
    for code in codes[1:]:
        met = met | (state[name] == code)
    return met


def _normalised(chances: np.ndarray) -> np.ndarray:
    total = chances.sum(axis=1, keepdims=True)
    return np.divide(chances, total, out=np.zeros_like(chances), where=total > 0.0)


def solve(tables: list[Table], roots: State, mass: np.ndarray) -> list[Table]:
    """Solve the weights of all tables, in order.

    Parameters
    ----------
    tables
        In the order of `ORDER`: parents before children.
    roots
        Joint distribution of the attributes that have no table: codes per cell.
    mass
        Probability of each cell, shape (cells,).

    Raises
    ------
    Problem
        When no weights give the stated shares (a share larger than the group it is possible in).
    """
    solved: dict[str, Table] = {}
    for table in tables:
        state, weight = _joint(table.parents(), solved, roots, mass)
        solved[table.name] = Table(
            table.name, table.shares, table.ratios, table.among, table.otherwise, _weights(table, state, weight)
        )
    return list(solved.values())


def _joint(names: set[str], solved: dict[str, Table], roots: State, mass: np.ndarray) -> tuple[State, np.ndarray]:
    """Enumerate the joint distribution of some attributes and all they depend on."""
    needed = set(names)
    for name in reversed(ORDER):
        if name in needed and name in solved:
            needed |= solved[name].parents()
    state, weight = dict(roots), mass
    for name in (name for name in ORDER if name in needed and name in solved):
        chances = solved[name].probabilities(state, len(weight))
        cells, codes = np.nonzero(chances * weight[:, None] > 0.0)
        state = {key: value[cells] for key, value in state.items()} | {name: codes}
        weight = weight[cells] * chances[cells, codes]
    return state, weight


def _weights(table: Table, state: State, mass: np.ndarray) -> np.ndarray:
    if not table.ratios:
        return table.shares
    if table.among:
        inside = holds(table.among, state)
        if not mass[inside].sum() > 0.0:
            return table.shares
        state, mass = {key: value[inside] for key, value in state.items()}, mass[inside]
    odds, groups = np.unique(table.odds(state, len(mass)), axis=0, return_inverse=True)
    mass = np.bincount(groups.ravel(), mass) / mass.sum()
    weights = table.shares.copy()
    for _ in range(ROUNDS):
        reached = mass @ _normalised(weights * odds)
        if np.abs(reached - table.shares).max() < ACCURACY:
            return weights
        weights = weights * np.divide(table.shares, reached, out=np.zeros_like(weights), where=reached > 0.0)
        weights /= weights.sum()
    raise Problem(_impossible(table, reached))


def _impossible(table: Table, reached: np.ndarray) -> str:
    worst = int(np.abs(reached - table.shares).argmax())
    return (
        f"cohort.{table.name}: a share of {table.shares[worst]:g} (category {worst}) cannot be met with these odds, "
        f"{reached[worst]:.3g} comes nearest: change the share or cohort.{table.name}.odds"
    )


def choose(chances: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draw one category per row by inverse transform; shape (rows,)."""
    steps = np.cumsum(chances, axis=1)[:, :-1]
    return (uniforms[:, None] >= steps).sum(axis=1)


def draw(table: Table, state: State, uniforms: np.ndarray) -> np.ndarray:
    """Draw an attribute for all rows given what is known before it; shape (rows,)."""
    if not table.ratios and not table.among:
        return np.searchsorted(np.cumsum(table.shares)[:-1], uniforms, side="right")
    return choose(table.probabilities(state, len(uniforms)), uniforms)


def draw_given(
    table: Table, state: State, uniforms: np.ndarray, allowed: np.ndarray, children: list[tuple[Table, np.ndarray]]
) -> np.ndarray:
    """Draw an attribute given what is known before it and what is known of its direct children.

    Parameters
    ----------
    table
        The attribute.
    state
        Codes of the attributes drawn or given before it; given ones after it may be present, unknown ones are -1.
    uniforms
        One number per row.
    allowed
        Categories that the row's cells leave open, shape (rows, categories).
    children
        Tables that depend on this attribute, each with the codes given for it (-1: not given).
    """
    rows = len(uniforms)
    chances = table.probabilities(state, rows) * allowed
    impossible = chances.sum(axis=1) <= 0.0
    chances[impossible] = allowed[impossible]
    for child, codes in children:
        informed = chances * _likelihood(table, child, codes, state)
        possible = informed.sum(axis=1) > 0.0
        chances[possible] = informed[possible]
    return choose(_normalised(chances), uniforms)


def _likelihood(table: Table, child: Table, codes: np.ndarray, state: State) -> np.ndarray:
    """Give the chance of the child's given code under each category of its parent; 1 where the child is not given."""
    rows = np.arange(len(codes))
    likely = np.ones((len(codes), len(table.shares)))
    for category in range(len(table.shares)):
        trial = state | {table.name: np.full(len(codes), category)}
        chance = child.probabilities(trial, len(codes))[rows, np.maximum(codes, 0)]
        likely[:, category] = np.where(codes >= 0, chance, 1.0)
    return likely
