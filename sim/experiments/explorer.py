"""What the report's patient explorer shows: a few chosen patients, lived again one by one with their latent course.

A replay writes the same files by the same functions, for one patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.biology.leukaemia import OVERT
from sim.experiments.courses import Line, course_table, relived
from sim.experiments.fates import COLUMNS, RULE, SEARCHED, Lives, chosen
from sim.experiments.gathering import Journals, Patients
from sim.experiments.spans import Span

if TYPE_CHECKING:
    from sim.experiments.run import Block, Simulation

#: Folder of the explorer's files within a run's folder.
FOLDER: Final = "explorer"
#: Levels that matter: name and where it stands among the kernel's values.
_LIMITS: Final = {"flow": "flow_limit", "qpcr": "qpcr_limit", "ngs": "ngs_limit", "extinction": "extinction"}


def write_explorer(simulation: Simulation, folder: Path) -> dict[str, str]:
    """Choose patients of a run, live their lives again, and write them below `folder`.

    Nothing is written where patients share a hospital's places: alone, they would live other lives.

    Parameters
    ----------
    simulation
        The run.
    folder
        The run's folder; its ``patients.parquet`` is read where there is one.

    Returns
    -------
    dict
        Entry of the run record that says how patients were chosen; empty where none were.
    """
    if simulation.shared:
        return {}
    settings = simulation.settings
    why = chosen(_first_lives(simulation, folder), settings.reference_policy)
    blocks, courses = [], {}
    for number in why:
        block, courses[number] = relived(simulation, number)
        blocks.append(block)
    write_lives(settings, blocks, courses, why, folder)
    return {"explorer": RULE}


def write_lives(
    settings: Any,
    blocks: Iterable[Block],
    courses: Mapping[int, Mapping[str, list[Line]]],
    why: Mapping[int, str],
    folder: Path,
) -> None:
    """Write ``explorer/``: ``patients``, ``journal`` and ``courses`` (Parquet), ``chosen`` and ``limits`` (CSV)."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = folder / FOLDER
    place.mkdir()
    in_order = sorted(blocks, key=lambda block: block.first)
    for rows in (Patients(settings), Journals(settings)):
        tables = [rows.table(policy, block) for policy in rows.policies for block in in_order]
        pq.write_table(pa.concat_tables(tables).combine_chunks(), place / f"{rows.kind}.parquet", compression="zstd")
    pq.write_table(course_table(courses), place / "courses.parquet", compression="zstd")
    frame = pd.DataFrame({"patient": list(why), "why": list(why.values())})
    frame.to_csv(place / "chosen.csv", index=False)
    limits(settings).to_csv(place / "limits.csv", index=False)


def limits(settings: Any) -> Any:
    """Tabulate the levels (log10 fraction of marrow cells) at which leukaemia shows, and where it is extinct."""
    import pandas as pd

    lines = {key.rsplit(".", 1)[-1]: line for key, line in settings.lines()}
    levels = {"overt": OVERT} | {name: lines[key].value for name, key in _LIMITS.items()}
    return pd.DataFrame({"limit": list(levels), "level": list(levels.values())})


def _first_lives(simulation: Simulation, folder: Path) -> Mapping[str, Lives]:
    """Give the first patients' published fields: read where the run kept them, else lived again on its engine."""
    path = folder / "patients.parquet"
    if not path.exists():
        block = simulation.block(Span(0, min(SEARCHED, simulation.n)))
        return {name: {column: lives[column] for column in COLUMNS} for name, lives in block.lives.items()}
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["policy", *COLUMNS], filters=[("patient", "<", SEARCHED)]).to_pandas()
    return {str(policy): rows.to_dict("series") for policy, rows in table.groupby("policy", sort=False)}
