"""What the product may cost in a finished run: threshold prices, cost against price, payment schemes side by side."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sim.conf import conf_folder, options
from sim.economics.accounts import PEOPLE_COLUMNS, Accounts
from sim.economics.pricing import price_curve, schemes, thresholds
from sim.economics.settings import Scheme
from sim.experiments.compare import manifest, write_config, write_parameters
from sim.experiments.folders import point_latest, run_folder, written_whole
from sim.experiments.progress import progress
from sim.experiments.value import revised_settings
from sim.experiments.valuing import accounts_for, write_accounts

#: Name of the scheme that the settings choose.
CHOSEN = "chosen"


def run(settings: Any) -> Path:
    """Price the product in the run in folder ``run``.

    Returns
    -------
    pathlib.Path
        The folder with ``thresholds.csv``, ``price_curve.csv`` and ``schemes.csv`` beside what valuation writes.

    Raises
    ------
    Problem
        When no run is named, it kept no journal, or there are no economic settings.
    """
    stored, revised = revised_settings(settings)
    books = {CHOSEN: revised} | {name: _paid(revised, scheme) for name, scheme in shipped_schemes().items()}
    folder = run_folder(revised)
    with written_whole(folder, revised) as scratch:
        started = time.perf_counter()
        accounts: dict[str, Accounts] = {}
        for name, one in books.items():
            opened = accounts_for(one)
            assert opened is not None
            accounts[name] = opened
        total = stored.n * len(revised.policy) * len(books)
        with progress(total, "lives valued", quiet=settings.quiet) as advance:
            for block in stored.blocks(PEOPLE_COLUMNS):
                for one in accounts.values():
                    one.add(block)
                    advance(sum(len(starts) - 1 for starts in block.first_row.values()))
        write_prices(accounts, scratch)
        write_accounts(accounts[CHOSEN], scratch)
        write_parameters(revised, scratch)
        write_config(revised, scratch)
        record = manifest(revised, stored.n, time.perf_counter() - started)
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if settings.out is None:
        point_latest(folder)
    return folder


def shipped_schemes() -> dict[str, Scheme]:
    """Read every payment scheme of ``conf/economics/payment``."""
    import yaml

    folder = conf_folder() / "economics" / "payment"
    return {
        name: Scheme.model_validate(yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")))
        for name in options("economics/payment")
    }


def write_prices(accounts: dict[str, Accounts], folder: Path) -> None:
    """Write threshold prices, the curve against price, and the schemes side by side."""
    import pandas as pd

    wtp = accounts[CHOSEN].book.wtp
    found = [thresholds(one, wtp).assign(scheme=name) for name, one in accounts.items()]
    frames = {
        "thresholds": pd.concat(found, ignore_index=True),
        "price_curve": price_curve(accounts[CHOSEN], wtp),
        "schemes": schemes(accounts),
    }
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g")


def _paid(settings: Any, scheme: Scheme) -> Any:
    book = settings.economics.model_copy(update={"payment": scheme})
    return settings.model_copy(update={"economics": book})
