"""Patients who share a hospital: each centre runs on its own engine, and the lives come back in the patients' order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim.engine.places import PLACE, Book
from sim.experiments.inputs import as_object, as_record
from sim.experiments.run import PATHWAY
from sim.hospital.arrivals import arrival_days, centre_of, read_days
from sim.problems import Problem


class Together(NamedTuple):
    """Lives lived together.

    Attributes
    ----------
    lives, rows, first_row
        As an engine gives them (`sim.engine.batch.run_batch`).
    book
        Requests for places (`sim.engine.places.PLACE`), by patient.
    """

    lives: np.ndarray
    rows: np.ndarray
    first_row: np.ndarray
    book: np.ndarray


def arrivals_of(settings: Any, numbers: np.ndarray) -> np.ndarray | None:
    """Give the day on which each patient comes; None: all on day 0."""
    arrivals = settings.hospital.arrivals
    if arrivals.file is not None:
        days = read_days(arrivals.file)
        if len(days) < len(numbers):
            raise Problem(
                f"hospital.arrivals.file={arrivals.file}: holds {len(days)} arrivals for {len(numbers)} patients; "
                f"set cohort.n={len(days)}"
            )
        return days[: len(numbers)]
    return None if arrivals.per_year is None else arrival_days(arrivals, settings.seed, numbers)


def live_together(
    settings: Any,
    values: dict[str, Any] | list[dict[str, Any]],
    attributes: np.ndarray,
    numbers: np.ndarray,
    arrivals: np.ndarray | None,
    *,
    horizon: float,
    journal: bool = True,
    arms: np.ndarray | None = None,
) -> Together:
    """Let patients live in the hospital of the settings under one policy.

    Parameters
    ----------
    settings
        Validated settings; ``engine`` chooses SimPy or the compiled ward.
    values
        Kernel values of the policy (`sim.experiments.inputs.kernel_values`); with `arms` a list of them.
    attributes, numbers
        The patients and their numbers.
    arrivals
        Day on which each comes; None: all on day 0.
    horizon
        Days from arrival after which a life is no longer followed.
    journal
        Keep the journal.
    arms
        Index into `values` of each patient's policy, where several share the hospital.
    """
    centres = centre_of(settings.hospital, settings.seed, numbers, attributes["distance"])
    parts = []
    for index, name in enumerate(list(settings.hospital.centres) or [None]):
        chosen = np.flatnonzero(centres == index)
        book = Book()
        options: dict[str, Any] = {
            "seed": settings.seed,
            "horizon": horizon,
            "journal": journal,
            "capacities": settings.hospital.capacities(name),
            "openings": settings.hospital.opening.hours(),
            "arrivals": None if arrivals is None else arrivals[chosen],
            "numbers": numbers[chosen],
            "arms": None if arms is None else arms[chosen],
            "book": book,
        }
        lives, rows, first_row = _engine(settings.engine)(attributes[chosen], values, options)
        book.rows["patient"] = chosen[book.rows["patient"]]
        parts.append((chosen, Together(lives, rows, first_row, book.rows)))
    return parts[0][1] if len(parts) == 1 else _joined(parts, len(numbers))


def _engine(name: str) -> Any:
    if name != "simpy":
        from sim.engine.ward import run_ward

        return lambda attributes, values, options: run_ward(
            PATHWAY,
            attributes,
            np.concatenate([as_record(one) for one in values]) if isinstance(values, list) else as_record(values),
            **options,
        )
    from sim.engine.simpy_driver import run_simpy

    return lambda attributes, values, options: run_simpy(
        PATHWAY,
        attributes,
        [as_object(one) for one in values] if isinstance(values, list) else as_object(values),
        **options,
    )


def _joined(parts: list[tuple[np.ndarray, Together]], n: int) -> Together:
    """Put the patients of several centres back into their order."""
    order = np.argsort(np.concatenate([chosen for chosen, _ in parts]), kind="stable")
    lives = np.concatenate([part.lives for _, part in parts])[order]
    counts = np.concatenate([np.diff(part.first_row) for _, part in parts])
    begins = np.concatenate([[0], np.cumsum(counts)])
    rows = np.concatenate([part.rows for _, part in parts])
    taken = [rows[begins[i] : begins[i + 1]] for i in order]
    first_row = np.concatenate([[0], np.cumsum(counts[order])]).astype(np.int64)
    book = np.concatenate([part.book for _, part in parts]).astype(PLACE)
    book = book[np.argsort(book["patient"], kind="stable")]
    return Together(lives, np.concatenate(taken) if n else rows, first_row, book)
