"""Write the numbers and the picture of the README's base case anew: ``make readme``.

Everything between the markers in README.md is made here, from the commands that it names; a slow test makes it again
and compares.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "survival.png"
BASE = ["engine=batch", "cohort.n=20000"]
STRUCTURES = [
    "-m",
    "engine=batch",
    "structure=reference,no_eradication,hct_weak,hct_strong,mrd_poor,second_hct_none",
    "policy=[watch,hct_for_all,selective]",
    "cohort.n=5000",
]
BEGIN, END = "<!-- base case: made by `make readme` -->", "<!-- end of the base case -->"
#: Columns of the table: key in the program's answer, heading, factor, digits.
COLUMNS = (
    ("os_60", "alive at 5 years, %", 100.0, 1),
    ("efs_60", "event-free at 5 years, %", 100.0, 1),
    ("hct", "transplanted in remission, %", 100.0, 1),
    ("life_years", "life-years", 1.0, 1),
    ("qalys", "QALYs", 1.0, 2),
    ("cost", "cost, 1,000 USD", 1e-3, 0),
    ("nmb_100000", "net benefit, 1,000 USD", 1e-3, 0),
)

#: What is said of the best of a column.
BEST = {
    "os_60": "most patients alive at five years",
    "life_years": "most life-years",
    "qalys": "most QALYs",
    "nmb_100000": "highest net benefit at 100,000 USD a QALY",
}


def main() -> None:
    """Run the commands, and put what they give into README.md and docs/images."""
    with TemporaryDirectory() as folder:
        text, picture = made(Path(folder))
        PICTURE.parent.mkdir(exist_ok=True)
        shutil.copyfile(picture, PICTURE)
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def made(folder: Path) -> tuple[str, Path]:
    """Make the text between the markers, and the picture, below a folder."""
    base = answer(BASE, folder / "base")
    swept = answer(STRUCTURES, folder / "structures")
    with (folder / "base" / "parameters.csv").open(newline="", encoding="utf-8") as file:
        status = Counter(row["status"] for row in csv.DictReader(file))
    parts = [base_case(base), structures(swept), statuses(status)]
    return "\n\n".join(parts), folder / "base" / "figures" / "survival.png"


def written() -> str:
    """Give what README.md says between the markers."""
    found = re.search(f"{re.escape(BEGIN)}\n(.*)\n{re.escape(END)}", README.read_text(encoding="utf-8"), re.DOTALL)
    return found.group(1) if found else ""


def answer(arguments: list[str], out: Path) -> dict[str, Any]:
    """Run the program, and read its answer."""
    command = [sys.executable, "-m", "sim", *arguments, "json=true", "quiet=true", f"out={out}"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def base_case(found: dict[str, Any]) -> str:
    """Lay out the comparison: what is best by which measure, and the table."""
    (table,) = found["tables"]
    rows = table["rows"]
    lines = [f"| policy | {' | '.join(heading for _, heading, *_ in COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in rows:
        cells = [cell(row[key], factor, digits) for key, _, factor, digits in COLUMNS]
        lines.append(f"| `{row['policy']}` | {' | '.join(cells)} |")
    sentence = f"{'; '.join(winners(rows))}."
    where = f"`python -m sim {' '.join(BASE)}`, {table['title']}. ± one standard error of the simulation alone."
    return "\n".join([sentence, "", *lines, "", where])


def winners(rows: list[dict[str, Any]]) -> list[str]:
    """Say what is best by which measure, and what comes next in net benefit."""
    found: dict[str, list[str]] = {}
    for key, words in BEST.items():
        for row in rows:
            if (row[key] or {}).get("best"):
                found.setdefault(row["policy"], []).append(words)
    lines = [f"`{policy}`: {', '.join(words)}" for policy, words in found.items()]
    valued = sorted((row for row in rows if row["nmb_100000"]), key=lambda row: -row["nmb_100000"]["value"])
    return [*lines, f"next in net benefit: `{valued[1]['policy']}`"]


def cell(found: dict[str, Any] | None, factor: float, digits: int) -> str:
    """Write a number with its error, the best of its column in bold."""
    if found is None:
        return "–"
    text = f"{factor * found['value']:,.{digits}f}"
    text = f"**{text}**" if found.get("best") else text
    return f"{text} ± {factor * found['error']:,.{digits}f}"


def structures(found: dict[str, Any]) -> str:
    """Lay out what the structures that the data cannot tell make of the difference to watching."""
    names = dict(re.findall(r"job (\d+): structure=(\w+)", "\n".join(found["tables"][0]["notes"])))
    rows = {(row["job"], row["policy"]): row for row in found["tables"][0]["rows"]}
    lines = [
        "| structure | `watch` alive at 5 years, % | gain by `hct_for_all` | gain by `selective` |",
        "|---|---|---|---|",
    ]
    for job, name in names.items():
        alive = {
            policy: 100.0 * rows[job, policy]["os_60"]["value"] for policy in ("watch", "hct_for_all", "selective")
        }
        gains = [f"{alive[policy] - alive['watch']:+.1f}" for policy in ("hct_for_all", "selective")]
        lines.append(f"| `{name}` | {alive['watch']:.1f} | {' | '.join(gains)} |")
    command = " ".join(f"'{word}'" if "[" in word else word for word in STRUCTURES)
    worst = 100.0 * max(row["os_60"]["error"] for row in rows.values())
    text = (
        f"What the data cannot tell, a structure decides (`python -m sim {command}`; each share ± {worst:.1f} at most):"
    )
    return "\n".join([text, "", *lines])


def statuses(count: Counter[str]) -> str:
    """Say how well parameters are known."""
    total = sum(count.values())
    weak = count["recalled"] + count["assumed"]
    return (
        f"Of the {total} parameters of that run {count['calibrated']} are calibrated to published studies, "
        f"{count['found'] + count['review']} are taken from the literature, and {weak} "
        f"({100 * weak / total:.0f}%) are recalled or assumed (`parameters.csv` in its folder)."
    )


if __name__ == "__main__":
    main()
