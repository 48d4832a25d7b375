"""Economics beside a run: accounts that are filled block by block, and what they write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.economics.accounts import Accounts
from sim.economics.valuation import Valued


def accounts_for(settings: Any) -> Accounts | None:
    """Open the accounts of a run; None under ``economics=none``.

    Raises
    ------
    Problem
        When prices cannot be brought into one currency.
    """
    if settings.economics is None:
        return None
    return Accounts(
        settings.economics,
        list(settings.product.catalogue),
        list(settings.policy),
        settings.origin,
        settings.reference_policy,
    )


def described(book: Any) -> dict[str, Any] | None:
    """Describe the economic settings for the run record; None under ``economics=none``."""
    if book is None:
        return None
    rates = {"costs": book.discount.costs.value, "effects": book.discount.effects.value}
    return {
        "profile": book.profile,
        "label": book.label,
        "currency": f"{book.currency} {book.price_year}",
        "perspective": book.perspective,
        "counted": list(book.perspectives[book.perspective]),
        "discount": rates,
        "payment": book.payment.label,
        "wtp": list(book.wtp),
        "norms": book.utilities.norms,
    }


class PatientValues:
    """What every patient costs and gains, gathered by block and written sorted by policy and patient.

    Parameters
    ----------
    accounts
        The accounts beside which it is gathered.
    """

    def __init__(self, accounts: Accounts) -> None:
        self.columns = accounts.valuation.columns
        self.policies = accounts.policies
        self._blocks: list[tuple[int, dict[str, np.ndarray]]] = []

    def keep(self, first: int, valued: Mapping[str, Valued]) -> None:
        """Keep the lines of a block's patients (single precision would not add up to the arm)."""
        self._blocks.append((first, {name: value.people for name, value in valued.items()}))

    def write(self, path: Path) -> None:
        """Write one row per policy and patient: policy, patient, then `sim.economics.valuation.columns`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        writer = None
        try:
            for policy in self.policies:
                for first, lines in sorted(self._blocks, key=lambda block: block[0]):
                    people = lines[policy]
                    table = {"policy": pa.repeat(policy, len(people)), "patient": np.arange(len(people)) + first}
                    table |= {name: np.ascontiguousarray(people[:, i]) for i, name in enumerate(self.columns)}
                    whole = pa.table(table)
                    if writer is None:
                        writer = pq.ParquetWriter(path, whole.schema, compression="zstd")
                    writer.write_table(whole)
        finally:
            if writer is not None:
                writer.close()


def write_life_expectancy(settings: Any, folder: Path) -> None:
    """Write ``life_expectancy.csv``: years left by arm, age and discount rate, in closed form."""
    from sim.economics.life_expectancy import expectancies

    table = settings.life_table
    frame = expectancies(settings.biology.mortality, table.country, table.year)
    frame.to_csv(folder / "life_expectancy.csv", index=False, float_format="%.10g")


def write_accounts(accounts: Accounts, folder: Path) -> None:
    """Write ``costs.csv``, ``items.csv``, ``qalys.csv``, ``payments.csv`` and the decision analysis on top."""
    from sim.economics.answers import write_decisions
    from sim.economics.frames import all_frames

    for name, frame in all_frames(accounts).items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")
    write_decisions(accounts, folder)
