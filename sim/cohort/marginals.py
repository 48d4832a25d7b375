r"""Conditional tables whose marginals hold: categories that depend on others, yet occur as often as stated.

An attribute with shares :math:`s_k` and odds ratios :math:`r_{ck}` of conditions :math:`c` has, in a group that meets
the conditions :math:`C`, probabilities proportional to :math:`a_k \prod_{c \in C} r_{ck}`. The weights :math:`a` are
solved so that the average over all groups is :math:`s`: groups differ by the stated odds ratios, and the shares over
all patients are exactly those stated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from sim.cohort.attributes import CONDITIONS, NAMES, ORDER
from sim.problems import Problem

#: Codes of attributes by name, one per patient (or per cell of a joint distribution); -1: not known.
State = dict[str, np.ndarray]
ACCURACY: Final = 1e-10
ROUNDS: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One attribute's table.

    Attributes
    ----------
    name
        Attribute.
    shares
        Shares over all patients (of `among`), shape (categories,).
    ratios
        Condition -> odds ratios, each of shape (categories,). A group is a set of conditions met: bit i of its number
        is the i-th condition, and the highest bit is set outside of `among`.
    among
        Condition outside of which the attribute is always `otherwise`; "" for none.
    otherwise
        Code outside of `among`.
    chances
        Probabilities by group, shape (groups, categories); see `solve`.
    """

    name: str
    shares: np.ndarray
    ratios: dict[str, np.ndarray] = field(default_factory=dict)
    among: str = ""
    otherwise: int = 0
    chances: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def parents(self) -> set[str]:
        """Name the attributes this one depends on."""
        conditions = [*self.ratios, self.among] if self.among else [*self.ratios]
        return {CONDITIONS[condition][0] for condition in conditions}

    def groups(self, state: State, rows: int) -> np.ndarray:
        """Tell the group of each row; shape (rows,)."""
        numbers = np.zeros(rows, dtype=np.int64)
        for bit, condition in enumerate(self.ratios):
            numbers |= holds(condition, state).astype(np.int64) << bit
        if self.among:
            numbers |= (~holds(self.among, state)).astype(np.int64) << len(self.ratios)
        return numbers

    def probabilities(self, state: State, rows: int) -> np.ndarray:
        """Give each row's probabilities of the categories; shape (rows, categories)."""
        return self.chances[self.groups(state, rows)]


def holds(condition: str, state: State) -> np.ndarray:
    """Tell for each row whether a condition of `CONDITIONS` is met (unknown: no)."""
    name, codes = CONDITIONS[condition]
    met = state[name] == codes[0]
    for code in codes[1:]:
        met = met | (state[name] == code)
    return met


def solve(tables: list[Table], roots: State, mass: np.ndarray) -> dict[str, Table]:
    """Solve the probabilities of all tables.

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
        occupied = np.bincount(table.groups(state, len(weight)), weight, minlength=1 << len(table.ratios))
        solved[table.name] = replace(table, chances=_chances(table, occupied))
    return solved


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


def _chances(table: Table, occupied: np.ndarray) -> np.ndarray:
    """Probabilities by group, given how much of the population each group holds."""
    count, categories = 1 << len(table.ratios), len(table.shares)
    odds = np.ones((count, categories))
    for bit, ratios in enumerate(table.ratios.values()):
        odds[(np.arange(count) >> bit) & 1 == 1] *= ratios
    inside = occupied[:count]
    weights = table.shares
    if table.ratios and inside.sum() > 0.0:
        weights = _weights(table, odds, inside / inside.sum())
    chances = _normalised(weights * odds)
    if not table.among:
        return chances
    outside = np.zeros((count, categories))
    outside[:, table.otherwise] = 1.0
    return np.concatenate([chances, outside])


def _weights(table: Table, odds: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Scale the weights in turn until the average over groups is as stated."""
    odds, mass = odds[mass > 0.0], mass[mass > 0.0]
    weights = reached = table.shares
    for _ in range(ROUNDS):
        reached = mass @ _normalised(weights * odds)
        if np.abs(reached - table.shares).max() < ACCURACY:
            return weights
        weights = weights * np.divide(table.shares, reached, out=np.zeros_like(weights), where=reached > 0.0)
        weights = weights / weights.sum()
    names = NAMES.get(table.name)
    short = int((table.shares - reached).argmax())
    whose = f" for {names[short]}" if names else ""
    raise Problem(
        f"cohort.{table.name}: a share of {table.shares[short]:g}{whose} cannot be met, "
        f"{reached[short]:.3g} is the most that can have it: lower that share, or change cohort.{table.name}.odds or "
        f"the shares of {', '.join(sorted(table.parents()))} on which it depends"
    )


def _normalised(chances: np.ndarray) -> np.ndarray:
    total = chances.sum(axis=1, keepdims=True)
    return np.divide(chances, total, out=np.zeros_like(chances), where=total > 0.0)


def draw(table: Table, state: State, uniforms: np.ndarray) -> np.ndarray:
    """Draw an attribute for all rows given what is known before it; shape (rows,)."""
    steps = np.cumsum(table.chances, axis=1)[:, :-1]
    if len(steps) == 1:
        return np.searchsorted(steps[0], uniforms, side="right")
    groups = table.groups(state, len(uniforms))
    codes = np.zeros(len(uniforms), dtype=np.int64)
    for step in steps.T:
        codes += uniforms >= step[groups]
    return codes


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
    chances = table.probabilities(state, len(uniforms)) * allowed
    impossible = chances.sum(axis=1) <= 0.0
    chances[impossible] = allowed[impossible]
    for child, codes in children:
        informed = chances * _likelihood(table, child, codes, state)
        possible = informed.sum(axis=1) > 0.0
        chances[possible] = informed[possible]
    steps = np.cumsum(_normalised(chances), axis=1)[:, :-1]
    return (uniforms[:, None] >= steps).sum(axis=1)


def _likelihood(table: Table, child: Table, codes: np.ndarray, state: State) -> np.ndarray:
    """Give the chance of the child's given code under each category of its parent; 1 where the child is not given."""
    rows = np.arange(len(codes))
    likely = np.ones((len(codes), len(table.shares)))
    for category in range(len(table.shares)):
        trial = state | {table.name: np.full(len(codes), category)}
        chance = child.probabilities(trial, len(codes))[rows, np.maximum(codes, 0)]
        likely[:, category] = np.where(codes >= 0, chance, 1.0)
    return likely
