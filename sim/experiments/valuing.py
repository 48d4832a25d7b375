"""Economics beside a run: accounts that are filled block by block, and what they write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.economics.accounts import Accounts


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


def write_life_expectancy(settings: Any, folder: Path) -> None:
    """Write ``life_expectancy.csv``: years left by arm, age and discount rate, in closed form."""
    from sim.economics.life_expectancy import expectancies

    table = settings.life_table
    frame = expectancies(settings.biology.mortality, table.country, table.year)
    frame.to_csv(folder / "life_expectancy.csv", index=False, float_format="%.10g")


def write_accounts(accounts: Accounts, folder: Path) -> None:
    """Write ``costs.csv``, ``items.csv``, ``qalys.csv`` and ``payments.csv``."""
    from sim.economics.frames import all_frames

    for name, frame in all_frames(accounts).items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")
