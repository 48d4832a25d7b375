"""The codebook: what the columns and the codes of ``patients.parquet`` and ``journal.parquet`` mean.

``docs/tables.md`` is this module's `page`; a test compares the two. `python -m sim.experiments.codebook` prints it.
"""

from __future__ import annotations

import inspect
import re

from sim import journal
from sim.clinic.events import POOLS
from sim.clinic.vocabulary import ACTIONS, FEATURES, MEANINGS, POINTS
from sim.kernel import describe
from sim.patient import CAUSE_NAMES, NOT_INFUSED_NAMES, Patient, published_names

_EVENT = re.compile(r"^([A-Z_]+): Final = (\d+)(?:  # (.*))?$", re.MULTILINE)


def page() -> str:
    """Write the page as Markdown."""
    return "\n".join([*_patients(), "", *_journal(), "", *_policies()]) + "\n"


def _patients() -> list[str]:
    meanings = describe(Patient)
    rows = [f"| `{name}` | {meanings[name][0]} | {meanings[name][1]} |" for name in published_names()]
    causes = ", ".join(f"{code} {name}" for code, name in CAUSE_NAMES.items())
    reasons = ", ".join(f"{code} {name or 'infused'}" for code, name in NOT_INFUSED_NAMES.items())
    return [
        "# Tables and codes",
        "",
        "Times are days since referral; what never happened lies at infinity. `product` counts from 0 in the order of "
        "`conf/product/catalogue.yaml` (also `products` in `manifest.json`).",
        "",
        "## patients.parquet",
        "",
        "One row per policy and patient: `policy`, `patient` (the patient's number), and",
        "",
        "| column | unit or codes | meaning |",
        "|---|---|---|",
        *[row for row in rows if not row.startswith("| `number`")],
        "",
        f"`cause`: {causes}. `not_infused`: {reasons}.",
    ]


def _journal() -> list[str]:
    source = inspect.getsource(journal)
    rows = [
        f"| {code} | {name.lower()} | {'phase' if int(code) < 10 else 'sojourn' if int(code) < 30 else 'point'} "
        f"| {note or ''} |"
        for name, code, note in _EVENT.findall(source)
        if name != "PHASES"
    ]
    pools = ", ".join(f"{code} {name}" for code, name in enumerate(POOLS))
    actions = ", ".join(f"{code} {name}" for code, name in enumerate(ACTIONS))
    return [
        "## journal.parquet",
        "",
        "`policy`, `patient`, `event`, `time_start`, `time_stop`, `detail`; sorted by policy, patient, start and "
        "event. Phases follow each other without gap from referral to death; other sojourns overlay them; points "
        "have equal start and stop.",
        "",
        "| event | name | kind | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Actions (detail of `decision` and `cancelled`): {actions}. Pools: {pools}.",
        "",
        "## pathway.csv",
        "",
        "The journal, counted: how many patients made each move between phases, and to how many each event came. "
        "Columns `policy`; `start`, `end` (phases by name; equal for what happens within a phase; `start` before "
        "referral, `death` and `alive` at the end); `event` (of a move: `move`, and whatever happened at its very "
        "moment); `detail` (the action of a decision); `patients`, `times`; `of` (all patients of the policy).",
    ]


def _policies() -> list[str]:
    rows = [
        f"| `{name}` | {kind if isinstance(kind, str) else ', '.join(kind)} | {MEANINGS[name]} |"
        for name, kind in FEATURES.items()
    ]
    return [
        "## The words of a policy",
        "",
        f"Decision points: {', '.join(POINTS)}. Actions: {', '.join(ACTIONS)}. Conditions: a name, true or false, a "
        "number, a list of names (any of them), or `{min: a, max: b}` (inclusive).",
        "",
        "| feature | values | meaning |",
        "|---|---|---|",
        *rows,
    ]


if __name__ == "__main__":
    print(page(), end="")
