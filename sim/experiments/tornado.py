"""Deterministic sensitivity: every line at its own low and high, two lines crossed, thresholds, structures.

The same patients live in every world, so differences carry little chance; what is left of it is given as an error (a
jackknife over batches of patients).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from sim.experiments.answers import Examiner, Quantity, effect_of, means, quantities
from sim.experiments.compare import illustrate, write_config, write_manifest, write_parameters
from sim.experiments.folders import claimed, extended_folder, finishing, point_latest
from sim.experiments.inquiry import Inquiry, Stretch, inquire
from sim.experiments.psa import levels_of, options_of, record, write_frames
from sim.problems import Problem, did_you_mean, joined
from sim.uncertainty.draws import beginnings
from sim.uncertainty.variance import divided, jackknife

if TYPE_CHECKING:
    import pandas as pd

    from sim.lines import Line

#: Batches of patients behind the errors.
BATCHES: Final = 10
#: Halvings of a threshold's interval, at most.
HALVINGS: Final = 40

Values = dict[str, float]
#: From changes (key -> value) to checked settings: `sim.compose.Variants.settings`.
Compose = Callable[[Mapping[str, Any]], Any]


def run(settings: Any, compose: Compose | None = None) -> Path:
    """Vary every line, and what else was asked for; write tables, figures and report.

    Parameters
    ----------
    settings
        Validated settings (`sim.settings.Settings`).
    compose
        From changes to settings (`sim.compose.Variants.settings`); without it structures are not compared.

    Returns
    -------
    pathlib.Path
        The folder with ``tornado_full.parquet`` (line x policy x outcome), ``tornado.csv`` (what each line does to the
        decision), and, where asked for, ``two_way.csv``, ``threshold_scan.csv``, ``thresholds.csv``,
        ``structures.csv``; figures and report.
    """
    lines = varied_lines(settings)
    _check_keys(settings)
    structures = structures_of(settings, compose)
    worlds: list[Values] = [{}]
    worlds += [{key: end} for key, line in lines.items() for end in (line.low, line.high)]
    crossed = crossed_worlds(settings)
    scanned = scanned_worlds(settings)
    worlds += [*structures.values(), *crossed, *scanned]
    folder = extended_folder(settings)
    with claimed(folder, settings) as store:
        inquiry = Listed(settings, BATCHES, store, worlds=tuple(worlds))
        for values in worlds:
            inquiry.examiner.worlds.checked(values)
        started = time.perf_counter()
        sums = inquire(inquiry, len(worlds))
        asked = Asked(settings, inquiry.examiner.policies, inquiry.examiner)
        found = _tables(asked, lines, structures, crossed, scanned, sums)
        seconds = time.perf_counter() - started
        with finishing(folder) as scratch:
            write_frames(found, scratch)
            write_parameters(settings, scratch)
            write_config(settings, scratch)
            about = record(settings, inquiry.examiner.worlds.n, len(worlds), seconds)
            about["worlds"] = about.pop("draws")
            write_manifest(about | {"shown": settings.dsa.shown}, scratch)
            illustrate(scratch)
    if settings.out is None and settings.run is None:
        point_latest(folder)
    return folder


@dataclass(frozen=True)
class Listed(Inquiry):
    """The job: worlds from a list."""

    worlds: tuple[Values, ...] = ()

    kind: ClassVar[str] = "worlds"

    def answers(self, stretch: Stretch) -> np.ndarray:
        return np.array([self.examiner.answer(values) for values in self.worlds[stretch.first : stretch.end]])


@dataclass(frozen=True)
class Asked:
    """What turns sums into answers about the decision.

    Attributes
    ----------
    settings
        Of the run.
    policies
        In the order of sums.
    examiner
        To ask further worlds (while a threshold is narrowed).
    """

    settings: Any
    policies: tuple[str, ...]
    examiner: Examiner

    @property
    def columns(self) -> list[Quantity]:
        """Quantities, in the order of sums."""
        return quantities(self.settings)

    @property
    def reference(self) -> int:
        """Place of the reference policy."""
        return self.policies.index(self.settings.reference_policy)

    @property
    def options(self) -> list[int]:
        """Places of the policies among which can be chosen."""
        return [self.policies.index(name) for name in options_of(self.settings)]

    def benefit(self, sums: np.ndarray, level: float) -> np.ndarray:
        """Give the mean net monetary benefit, shape (..., policies)."""
        return _benefit(self.settings, self.columns, sums.sum(axis=-1), level)

    def benefit_without(self, sums: np.ndarray, level: float) -> np.ndarray:
        """Give it leaving out one batch each: shape (batches, ..., policies)."""
        rest = sums.sum(axis=-1, keepdims=True) - sums
        return _benefit(self.settings, self.columns, np.moveaxis(rest, -1, 0), level)

    def best(self, sums: np.ndarray, level: float) -> np.ndarray:
        """Give the place of the policy of highest net benefit, by world."""
        options = np.array(self.options)
        best: np.ndarray = options[np.argmax(self.benefit(sums, level)[..., options], axis=-1)]
        return best


def _benefit(settings: Any, columns: Sequence[Quantity], totals: np.ndarray, level: float) -> np.ndarray:
    names = [column.name for column in columns]
    effect, _ = effect_of(settings)
    count = totals[..., names.index("n")]
    worth = level * totals[..., names.index(effect)] - totals[..., names.index("cost")]
    return divided(worth, count)


# --- which worlds ----------------------------------------------------------------------------------------------------


def varied_lines(settings: Any) -> dict[str, Line]:
    """List the lines that have a range, in the order of the settings; all, or those below ``dsa.lines``.

    Raises
    ------
    Problem
        When ``dsa.lines`` names nothing.
    """
    lines = dict(settings.lines())
    wanted = settings.dsa.lines
    for prefix in wanted or ():
        if not any(_below(key, prefix) for key in lines):
            raise Problem(
                f"dsa.lines: no parameter line is or lies below {prefix!r}, {did_you_mean(prefix, beginnings(lines))}"
            )
    return {
        key: line
        for key, line in lines.items()
        if line.low < line.high and (wanted is None or any(_below(key, prefix) for prefix in wanted))
    }


def _below(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(f"{prefix}.")


def _check_keys(settings: Any) -> None:
    """Refuse keys of a two-way or threshold analysis that are no lines, or have no range."""
    lines = dict(settings.lines())
    found = []
    named = [("dsa.two_way", key) for key in settings.dsa.two_way or ()]
    named += [("dsa.threshold", settings.dsa.threshold)] if settings.dsa.threshold is not None else []
    for option, given in named:
        key = given.removesuffix(".value")
        if key not in lines:
            found.append(f"{option}: no such parameter line {given!r}, {did_you_mean(key, lines)}")
        elif lines[key].low == lines[key].high:
            found.append(f"{option}: {key} has no range; set {key}.low and {key}.high")
    if settings.dsa.two_way is not None and len({key.removesuffix(".value") for key in settings.dsa.two_way}) < 2:
        found.append("dsa.two_way: two different keys are needed")
    if found:
        raise Problem(joined(found))


def structures_of(settings: Any, compose: Compose | None) -> dict[str, Values]:
    """Compose the structures to be compared: name -> values of the lines in which each differs from the run's own.

    Raises
    ------
    Problem
        When a structure is unknown.
    """
    from sim.conf import options

    wanted, known = settings.dsa.structures, options("structure")
    if compose is None:
        return {}
    lines = dict(settings.lines())
    found = {}
    for name in known if wanted == ("all",) else wanted:
        if name not in known:
            raise Problem(f"dsa.structures: unknown structure {name!r}, {did_you_mean(name, known)}")
        other = compose({"structure": name}).lines()
        found[name] = {key: line.value for key, line in other if line.value != lines[key].value}
    return found


def steps_along(line: Line, steps: int) -> list[float]:
    """Give values along a line's range; whole numbers where the line takes nothing else."""
    values = np.linspace(line.low, line.high, steps)
    if line.whole:
        values = np.unique(np.round(values))
    return [float(value) for value in values]


def crossed_worlds(settings: Any) -> list[Values]:
    """List the worlds of a two-way analysis."""
    if settings.dsa.two_way is None:
        return []
    lines = dict(settings.lines())
    keys = [key.removesuffix(".value") for key in settings.dsa.two_way]
    ranges = [steps_along(lines[key], settings.dsa.steps) for key in keys]
    return [dict(zip(keys, values, strict=True)) for values in itertools.product(*ranges)]


def scanned_worlds(settings: Any) -> list[Values]:
    """List the worlds along the range that is searched for thresholds."""
    if settings.dsa.threshold is None:
        return []
    key = settings.dsa.threshold.removesuffix(".value")
    return [{key: value} for value in steps_along(dict(settings.lines())[key], settings.dsa.steps)]


# --- what they answer ------------------------------------------------------------------------------------------------


def _tables(
    asked: Asked,
    lines: Mapping[str, Line],
    structures: Mapping[str, Values],
    crossed: Sequence[Values],
    scanned: Sequence[Values],
    sums: np.ndarray,
) -> dict[str, pd.DataFrame]:
    base, rest = sums[0], sums[1:]
    ends, rest = rest[: 2 * len(lines)].reshape(len(lines), 2, *base.shape), rest[2 * len(lines) :]
    found = {"tornado_full": one_way(asked, lines, base, ends), "tornado": decision(asked, lines, base, ends)}
    if structures:
        found["structures"] = compared(asked, list(structures), rest[: len(structures)])
    rest = rest[len(structures) :]
    if crossed:
        found["two_way"] = crossed_table(asked, crossed, rest[: len(crossed)])
    rest = rest[len(crossed) :]
    if scanned:
        found["threshold_scan"] = crossed_table(asked, scanned, rest)
        found["thresholds"] = thresholds(asked, scanned, rest)
    return found


def one_way(asked: Asked, lines: Mapping[str, Line], base: np.ndarray, ends: np.ndarray) -> pd.DataFrame:
    """Tabulate every outcome of every policy at both ends of every line.

    Returns
    -------
    pandas.DataFrame
        Columns key, policy, outcome, unit, base, at_low, at_high, low_se, high_se (errors of the changes). Outcomes:
        the quantities of `sim.experiments.answers`, ``nmb_<wtp>`` and ``inc_nmb_<wtp>`` against the reference.
    """
    import pandas as pd

    keys, policies = list(lines), asked.policies
    names, units, at_base, at_ends, errors = [], [], [], [], []
    for name, unit, of in _readings(asked):
        names.append(name)
        units.append(unit)
        at_base.append(of(base))
        at_ends.append(of(ends))
        rest = [of(np.delete(array, batch, axis=-1)) for array in (base, ends) for batch in range(base.shape[-1])]
        batches = base.shape[-1]
        errors.append(jackknife(np.array(rest[batches:]) - np.array(rest[:batches])[:, None, None]))
    shape = (len(keys), len(policies), len(names))
    values = np.moveaxis(np.array(at_ends), 0, -1)  # lines, ends, policies, outcomes
    error = np.moveaxis(np.array(errors), 0, -1)
    return pd.DataFrame(
        {
            "key": np.repeat(np.array(keys, dtype=object), shape[1] * shape[2]),
            "policy": np.tile(np.repeat(np.array(policies, dtype=object), shape[2]), shape[0]),
            "outcome": np.tile(np.array(names, dtype=object), shape[0] * shape[1]),
            "unit": np.tile(np.array(units, dtype=object), shape[0] * shape[1]),
            "base": np.broadcast_to(np.array(at_base).T, shape).ravel(),
            "at_low": values[:, 0].ravel(),
            "at_high": values[:, 1].ravel(),
            "low_se": error[:, 0].ravel(),
            "high_se": error[:, 1].ravel(),
        }
    )


def _readings(asked: Asked) -> list[tuple[str, str, Any]]:
    """List the outcomes: name, unit, and how it is read from sums (..., policies, quantities, batches)."""
    columns = asked.columns
    found: list[tuple[str, str, Any]] = []
    for at, column in enumerate(columns):
        if column.unit != "patients":
            found.append((column.name, column.unit, lambda sums, at=at: means(sums, columns)[..., at]))
    unit = columns[2].unit if getattr(asked.settings, "economics", None) is not None else effect_of(asked.settings)[1]
    for level in levels_of(asked.settings):
        found.append((f"nmb_{level:g}", unit, lambda sums, level=level: asked.benefit(sums, level)))
        found.append((f"inc_nmb_{level:g}", unit, lambda sums, level=level: _against(asked, sums, level)))
    return found


def _against(asked: Asked, sums: np.ndarray, level: float) -> np.ndarray:
    benefit = asked.benefit(sums, level)
    difference: np.ndarray = benefit - benefit[..., [asked.reference]]
    return difference


def decision(asked: Asked, lines: Mapping[str, Line], base: np.ndarray, ends: np.ndarray) -> pd.DataFrame:
    """Tabulate what each line does to the decision, by willingness to pay; the widest swing first.

    Returns
    -------
    pandas.DataFrame
        Columns wtp, key, about, unit, value, low, high, source, status; policy (the best of the base case, or the
        second best where that is the reference), inc_nmb and its value at_low and at_high with errors, swing; best,
        best_low, best_high; and lost_low, lost_high: what keeping the base case's choice would cost there.
    """
    import pandas as pd

    rows = []
    for level in levels_of(asked.settings):
        chosen = int(asked.best(base, level))
        shown = _shown(asked, base, level, chosen)
        inc, inc_ends = _against(asked, base, level), _against(asked, ends, level)
        errors = _errors_of_change(asked, base, ends, level)
        best, benefit = asked.best(ends, level), asked.benefit(ends, level)
        for at, (key, line) in enumerate(lines.items()):
            row: dict[str, Any] = {"wtp": level, "key": key}
            row |= {name: getattr(line, name) for name in ("about", "unit", "value", "low", "high", "source", "status")}
            row |= {"policy": asked.policies[shown], "inc_nmb": inc[shown]}
            row |= {"at_low": inc_ends[at, 0, shown], "at_high": inc_ends[at, 1, shown]}
            row |= {"low_se": errors[at, 0, shown], "high_se": errors[at, 1, shown]}
            row["swing"] = abs(row["at_high"] - row["at_low"])
            row["best"] = asked.policies[chosen]
            for end, side in enumerate(("low", "high")):
                row[f"best_{side}"] = asked.policies[best[at, end]]
                row[f"lost_{side}"] = benefit[at, end, best[at, end]] - benefit[at, end, chosen]
            rows.append(row)
    return pd.DataFrame(rows).sort_values(["wtp", "swing", "key"], ascending=[True, False, True], ignore_index=True)


def _shown(asked: Asked, base: np.ndarray, level: float, chosen: int) -> int:
    """Choose the policy whose increment is shown: the best, or the runner-up where the best is the reference."""
    if chosen != asked.reference:
        return chosen
    benefit = asked.benefit(base, level)
    others = [place for place in asked.options if place != asked.reference]
    return max(others, key=lambda place: benefit[place]) if others else chosen


def _errors_of_change(asked: Asked, base: np.ndarray, ends: np.ndarray, level: float) -> np.ndarray:
    changed = asked.benefit_without(ends, level)
    before = asked.benefit_without(base, level)[:, None, None]
    inc = changed - changed[..., [asked.reference]] - (before - before[..., [asked.reference]])
    return jackknife(inc)


def compared(asked: Asked, names: Sequence[str], sums: np.ndarray) -> pd.DataFrame:
    """Tabulate every outcome of every policy under every structure.

    Returns
    -------
    pandas.DataFrame
        Columns structure, policy, outcome, unit, value, se; and best_<wtp>: whether it is the best there.
    """
    import pandas as pd

    rows = []
    for at, name in enumerate(names):
        best = {level: int(asked.best(sums[at], level)) for level in levels_of(asked.settings)}
        for outcome, unit, of in _readings(asked):
            value = of(sums[at])
            error = jackknife(np.array([of(np.delete(sums[at], b, axis=-1)) for b in range(sums.shape[-1])]))
            for place, policy in enumerate(asked.policies):
                row: dict[str, Any] = {"structure": name, "policy": policy, "outcome": outcome, "unit": unit}
                row |= {"value": value[place], "se": error[place]}
                row |= {f"best_{level:g}": best[level] == place for level in best}
                rows.append(row)
    return pd.DataFrame(rows)


def crossed_table(asked: Asked, worlds: Sequence[Values], sums: np.ndarray) -> pd.DataFrame:
    """Tabulate net benefit and the optimal policy of worlds that differ in one or two keys.

    Returns
    -------
    pandas.DataFrame
        A column per key; wtp, policy, cost, effect, nmb, inc_nmb, best.
    """
    import pandas as pd

    columns = [column.name for column in asked.columns]
    found = means(sums, asked.columns)
    effect, _ = effect_of(asked.settings)
    frames = []
    for level in levels_of(asked.settings):
        benefit, best = asked.benefit(sums, level), asked.best(sums, level)
        for at, values in enumerate(worlds):
            frames.append(
                pd.DataFrame(
                    {
                        **values,
                        "wtp": level,
                        "policy": np.array(asked.policies, dtype=object),
                        "cost": found[at, :, columns.index("cost")],
                        "effect": found[at, :, columns.index(effect)],
                        "nmb": benefit[at],
                        "inc_nmb": benefit[at] - benefit[at, asked.reference],
                        "best": np.arange(len(asked.policies)) == best[at],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def thresholds(asked: Asked, worlds: Sequence[Values], sums: np.ndarray) -> pd.DataFrame:
    """Find where along a range the optimal policy changes: intervals are halved until they are narrow.

    Returns
    -------
    pandas.DataFrame
        Columns key, wtp, threshold, low, high (the interval that holds it), se, best_below, best_above; empty when one
        policy is the best along the whole range. A change within an interval whose ends agree is not seen.
    """
    import pandas as pd

    (key,) = worlds[0]
    line = asked.examiner.worlds.lines[key]
    narrow = asked.settings.dsa.tolerance * (line.high - line.low)
    known = {world[key]: sums[at] for at, world in enumerate(worlds)}
    rows = []
    for level in levels_of(asked.settings):
        points = [world[key] for world in worlds]
        for low, high in itertools.pairwise(points):
            rows += _changes(asked, key, level, (low, high), narrow, known)
    columns = ["key", "wtp", "threshold", "low", "high", "se", "best_below", "best_above"]
    return pd.DataFrame(rows, columns=columns)


def _changes(
    asked: Asked, key: str, level: float, interval: tuple[float, float], narrow: float, known: dict[float, np.ndarray]
) -> list[dict[str, Any]]:
    """Narrow an interval whose ends have different optimal policies; `known` keeps the worlds that were asked."""
    low, high = interval
    whole = asked.examiner.worlds.lines[key].whole
    for _ in range(HALVINGS):
        below, above = (int(asked.best(known[end], level)) for end in (low, high))
        if below == above:
            return []
        middle = (low + high) / 2.0
        if high - low <= narrow or (whole and high - low <= 1.0):
            break
        middle = float(np.round(middle)) if whole else middle
        if middle not in known:
            known[middle] = asked.examiner.answer({key: middle})
        if int(asked.best(known[middle], level)) == below:
            low = middle
        else:
            high = middle
    below, above = (int(asked.best(known[end], level)) for end in (low, high))
    return [
        {
            "key": key,
            "wtp": level,
            "threshold": _crossing(asked, known, level, (low, high), (below, above)),
            "low": low,
            "high": high,
            "se": _threshold_error(asked, known, level, interval, (low, high), (below, above)),
            "best_below": asked.policies[below],
            "best_above": asked.policies[above],
        }
    ]


def _gap(asked: Asked, sums: np.ndarray, level: float, pair: tuple[int, int]) -> float:
    benefit = asked.benefit(sums, level)
    return float(benefit[pair[1]] - benefit[pair[0]])


def _crossing(
    asked: Asked, known: Mapping[float, np.ndarray], level: float, ends: tuple[float, float], pair: tuple[int, int]
) -> float:
    """Interpolate where the two policies are worth the same."""
    low, high = (_gap(asked, known[end], level, pair) for end in ends)
    return ends[0] if high == low else ends[0] + (ends[1] - ends[0]) * -low / (high - low)


def _threshold_error(
    asked: Asked,
    known: Mapping[float, np.ndarray],
    level: float,
    interval: tuple[float, float],
    ends: tuple[float, float],
    pair: tuple[int, int],
) -> float:
    """Give the error that patients' chance leaves in a threshold: that of the gap, over its slope along the range."""
    slope = (_gap(asked, known[interval[1]], level, pair) - _gap(asked, known[interval[0]], level, pair)) / (
        interval[1] - interval[0]
    )
    rest = asked.benefit_without(known[ends[0]], level)
    error = float(jackknife(rest[:, pair[1]] - rest[:, pair[0]]))
    return abs(error / slope) if slope else float("nan")
