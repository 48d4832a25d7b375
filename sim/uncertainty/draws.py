"""Joint draws of every uncertain parameter line: whole rows of a posterior, the rest each from its own distribution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.problems import Problem, did_you_mean, joined
from sim.uncertainty.distributions import Distribution, distribution_of
from sim.uncertainty.posterior import Posterior, impossible, read_posterior
from sim.uncertainty.sequence import quasi_uniforms

if TYPE_CHECKING:
    import pandas as pd

    from sim.lines import Line

#: Columns of `Draws.specification`.
SPECIFICATION: Final = (
    *("key", "about", "unit", "value", "low", "high", "from", "distribution", "mean", "sd"),
    *("quantile_2.5", "quantile_97.5", "source", "status"),
)
#: Name of the sequence that chooses the row of the posterior.
ROW: Final = "posterior row"


@dataclass(frozen=True)
class Draws:
    """What is drawn, and how: draw i is the same however many are drawn.

    Attributes
    ----------
    seed
        Seed of the run.
    lines
        The uncertain lines by key, in the order of the settings.
    distributions
        Distribution of each; of a line in the posterior, the mean and SD of its rows.
    posterior
        Joint rows, or None.
    """

    seed: int
    lines: dict[str, Line]
    distributions: dict[str, Distribution]
    posterior: Posterior | None

    @property
    def keys(self) -> tuple[str, ...]:
        """The uncertain lines, in the order of the columns."""
        return tuple(self.lines)

    def table(self, first: int, count: int) -> np.ndarray:
        """Give draws `first`, ..., `first + count - 1`.

        Returns
        -------
        numpy.ndarray
            Shape (count, keys), each column in its line's own unit.

        Raises
        ------
        Problem
            When a draw is impossible for its line: it is refused, never clipped.
        """
        columns = np.empty((count, len(self.lines)))
        rows = self._posterior_rows(first, count)
        own = {} if self.posterior is None else {key: at for at, key in enumerate(self.posterior.keys)}
        for at, (key, line) in enumerate(self.lines.items()):
            if key in own:
                columns[:, at] = rows[:, own[key]]
                continue
            columns[:, at] = self.distributions[key].quantile(quasi_uniforms(self.seed, key, first, count))
            wrong = impossible(line, columns[:, at])
            if wrong is not None:
                number, rule = wrong
                raise Problem(
                    f"{key}: draw {first + number} is {columns[number, at]:g}, but {rule}: "
                    f"choose another distribution than {line.distribution}, or another range"
                )
        return columns

    def values(self, first: int, count: int) -> Iterator[dict[str, float]]:
        """Walk through draws as key -> value."""
        for row in self.table(first, count):
            yield dict(zip(self.lines, row.tolist(), strict=True))

    def means(self) -> dict[str, float]:
        """Give the mean of every uncertain line: the base case of a probabilistic analysis."""
        return {key: self.distributions[key].mean for key in self.lines}

    def specification(self) -> pd.DataFrame:
        """Describe what is drawn: key, value, low, high, distribution, mean, sd, and the quantiles that follow.

        Returns
        -------
        pandas.DataFrame
            One row per uncertain line; ``from`` is ``posterior`` or ``line``.
        """
        import pandas as pd

        rows = []
        for key, line in self.lines.items():
            law = self.distributions[key]
            low, high = law.quantile(np.array([0.025, 0.975]))
            rows.append(
                {
                    "key": key,
                    "about": line.about,
                    "unit": line.unit,
                    "value": line.value,
                    "low": line.low,
                    "high": line.high,
                    "from": "posterior" if law.family == "posterior" else "line",
                    "distribution": law.family,
                    "mean": law.mean,
                    "sd": law.sd,
                    "quantile_2.5": float(low),
                    "quantile_97.5": float(high),
                    "source": line.source,
                    "status": line.status,
                }
            )
        return pd.DataFrame(rows, columns=list(SPECIFICATION))

    def _posterior_rows(self, first: int, count: int) -> np.ndarray:
        if self.posterior is None:
            return np.empty((count, 0))
        share = quasi_uniforms(self.seed, ROW, first, count)
        return self.posterior.rows[(share * len(self.posterior.rows)).astype(np.int64)]


def draws_of(settings: Any, posterior: str | None = None, hold: Sequence[str] = ()) -> Draws:
    """Find out what a run draws.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`); every line that is not ``fixed`` is uncertain.
    posterior
        File of joint rows (`read_posterior`); its columns are taken from there whatever their line's distribution.
    hold
        Keys, or beginnings of keys (``cohort``, ``economics.prices``), that keep their base case.

    Raises
    ------
    Problem
        When a line cannot be drawn, the file is wrong, `hold` names nothing, or nothing is left to draw. All lines that
        cannot be drawn are named at once.
    """
    lines = dict(settings.lines())
    for prefix in hold:
        if not any(_below(key, prefix) for key in lines):
            raise Problem(
                f"psa.hold: no parameter line is or lies below {prefix!r}, {did_you_mean(prefix, beginnings(lines))}"
            )
    joint = None if posterior is None else read_posterior(posterior, lines)
    free = {key: line for key, line in lines.items() if not any(_below(key, prefix) for prefix in hold)}
    laws = dict(_laws(free, joint))
    return Draws(settings.seed, {key: free[key] for key in laws}, laws, joint)


def beginnings(keys: Iterable[str]) -> list[str]:
    """List the groups that keys lie in, and the keys."""
    found: dict[str, None] = {}
    for key in keys:
        parts = key.split(".")
        found |= dict.fromkeys(".".join(parts[:at]) for at in range(1, len(parts) + 1))
    return list(found)


def _below(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(f"{prefix}.")


def _laws(lines: dict[str, Line], joint: Posterior | None) -> Iterator[tuple[str, Distribution]]:
    found: list[str] = []
    columns = {} if joint is None else dict(zip(joint.keys, joint.rows.T, strict=True))
    for key, line in lines.items():
        if key in columns:
            yield key, _of_rows(columns[key], joint.mean(key))  # type: ignore[union-attr]
            continue
        try:
            law = distribution_of(key, line)
        except Problem as problem:
            found.append(str(problem))
            continue
        if law.family != "fixed":
            yield key, law
    if found:
        raise Problem(joined(found))


def _of_rows(values: np.ndarray, mean: float) -> Distribution:
    return Distribution("posterior", mean, float(values.std()), lambda u: np.quantile(values, u))


def posterior_of(settings: Any) -> str | None:
    """Name the file of joint draws that a run uses, or None.

    ``psa.posterior=auto`` takes the shipped posterior of the structure in use, where there is one.
    """
    wanted = settings.psa.posterior
    if wanted != "auto":
        return None if wanted is None else str(wanted)
    structure = getattr(settings, "structure", None)
    if structure is None:
        return None
    from sim.evidence import DATA

    for suffix in (".parquet", ".csv"):
        path = DATA / "posterior" / f"{structure.name}{suffix}"
        if path.is_file():
            return str(path)
    return None
