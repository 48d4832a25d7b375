"""Value a finished run again with other prices, utilities, discounting or payment: nothing is simulated."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, Final

from sim.economics.accounts import PEOPLE_COLUMNS, Accounts
from sim.experiments.compare import illustrate, manifest, write_config, write_parameters
from sim.experiments.explorer import FOLDER as EXPLORER
from sim.experiments.folders import point_latest, run_folder, written_whole
from sim.experiments.progress import progress
from sim.experiments.stored import StoredRun
from sim.experiments.valuing import PatientValues, accounts_for, write_accounts, write_life_expectancy
from sim.problems import Problem

#: Tables of the run that prices do not change.
KEPT: Final = ("summary.csv", "curves.csv", "paired.csv")


def run(settings: Any) -> Path:
    """Value the run in folder ``run`` with the economic settings at hand.

    Returns
    -------
    pathlib.Path
        The folder with the tables that valuation writes, beside the run's own summary, curves and paired differences.

    Raises
    ------
    Problem
        When no run is named, it kept no journal, or there are no economic settings.
    """
    stored, revised = revised_settings(settings)
    folder = run_folder(revised)
    with written_whole(folder, revised) as scratch:
        started = time.perf_counter()
        accounts, patients = revalued(stored, revised)
        write_accounts(accounts, scratch)
        patients.write(scratch / "value.parquet")
        write_life_expectancy(revised, scratch)
        for name in KEPT:
            if (stored.folder / name).exists():
                shutil.copyfile(stored.folder / name, scratch / name)
        if (stored.folder / EXPLORER).is_dir():
            shutil.copytree(stored.folder / EXPLORER, scratch / EXPLORER)
        write_parameters(revised, scratch)
        write_config(revised, scratch)
        record = manifest(revised, stored.n, time.perf_counter() - started)
        record |= {"run": stored.manifest.get("settings_hash"), "command": record["command"]}
        (scratch / "manifest.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        illustrate(scratch)
    if settings.out is None:
        point_latest(folder)
    return folder


def revised_settings(settings: Any) -> tuple[StoredRun, Any]:
    """Take the run's settings and put today's economic settings in their place.

    Origin, policies, cohort and biology stay those of the run.

    Raises
    ------
    Problem
        When no run is named, or there are no economic settings.
    """
    if settings.run is None:
        raise Problem(f"run: experiment={settings.experiment} needs the folder of a finished run, run=outputs/...")
    if settings.economics is None:
        raise Problem("economics=none: there is nothing to value with; choose a profile, for example economics=us_icer")
    stored = StoredRun(settings.run)
    own = {name: getattr(settings, name) for name in ("economics", "experiment", "out", "run", "quiet", "as_json")}
    revised = stored.settings.model_copy(update=own)
    cohort = revised.cohort.model_copy(update={"n": stored.n})
    return stored, revised.model_copy(update={"cohort": cohort})


def revalued(stored: StoredRun, settings: Any) -> tuple[Accounts, PatientValues]:
    """Fill accounts from a stored journal, and keep what every patient costs and gains."""
    accounts = accounts_for(settings)
    assert accounts is not None
    patients = PatientValues(accounts)
    with progress(stored.n * len(accounts.policies), "lives valued", quiet=settings.quiet) as advance:
        for block in stored.blocks(PEOPLE_COLUMNS):
            patients.keep(block.first, accounts.add(block))
            advance(sum(len(starts) - 1 for starts in block.first_row.values()))
    return accounts, patients
