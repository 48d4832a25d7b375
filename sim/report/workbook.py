"""The workbook: an Excel file in which a reviewer can follow every total back to quantity times unit price.

Sheets: About, Prices, Ledger (quantity x price by option, item and period), Costs (sums of the ledger, beside the
program's own totals), Effects, Incremental (frontier by formula, no macros) and Net benefit. Only quantities, prices
and effects are numbers; everything else is a formula, so a changed price runs through to the ICER.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.report.frames import Frames

if TYPE_CHECKING:
    import pandas as pd

#: Frames without which there is no workbook.
NEEDS: Final = ("ledger", "qalys", "incremental")
NAME: Final = "economics.xlsx"
#: Stands for the time of writing, so that the same run gives the same bytes.
_WRITTEN: Final = datetime(2000, 1, 1)
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_HEAD: Final = 4  # the row of headings on every sheet


def write_workbook(frames: Frames, path: Path) -> Path | None:
    """Write the workbook of a run; None where the run has no economics.

    Parameters
    ----------
    frames
        The frames of a run; those of `NEEDS` are read, `nmb` for the willingness to pay.
    path
        The file to write; it is put in place whole. The same frames give the same bytes.
    """
    if not frames.has(*NEEDS):
        return None
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    ledger = _ledger(frames)
    options = sorted(ledger["policy"].unique())
    _about(book, frames)
    prices = _prices(book, ledger)
    last = _entries(book, ledger, prices)
    _costs(book, frames, ledger, options, last)
    _effects(book, frames, options)
    choices = sorted(str(name) for name in frames.incremental["option"])  # type: ignore[index]
    _incremental(book, choices, options)
    _net_benefit(book, frames, choices)
    for sheet in book.worksheets:
        _dress(sheet)
    _save(book, path)
    return path


def _ledger(frames: Frames) -> pd.DataFrame:
    table: pd.DataFrame = frames.ledger  # type: ignore[assignment]
    return table[table["discounted"] == 1].sort_values(["policy", "item", "period"], kind="stable")


def _about(book: Any, frames: Frames) -> None:
    sheet = book.create_sheet("About")
    economics = frames.manifest.get("economics") or {}
    ledger = frames.ledger
    assert ledger is not None
    lines = [
        ("Costs and effects by formula", ""),
        ("", ""),
        ("Patients", frames.manifest.get("n", "")),
        ("Results count from", frames.origin),
        ("Profile", economics.get("label", "")),
        ("Perspective", economics.get("perspective", "")),
        ("Currency", economics.get("currency", "")),
        ("", ""),
        ("Ledger", "mean discounted quantity per patient x unit price, by option, item and period (years)"),
        ("", "quantity: what valuation charged, in units of the price; discounting is in the quantity"),
        ("Costs", "sums of the ledger; 'program' is what the program wrote into costs.csv, 'difference' must be 0"),
        ("Effects", "discounted life-years and QALYs per patient; QALYs = by state less those lost to events"),
        ("Incremental", "ND on the frontier, ED extendedly dominated, D dominated"),
        ("Product", "its 'price' is the mean list price over the products given; its quantity the share that is paid"),
        ("Change a price", "on the sheet Prices: every total, ICER and net benefit follows"),
    ]
    for row, (left, right) in enumerate(lines, start=1):
        sheet.cell(row, 1, left)
        sheet.cell(row, 2, right)


def _prices(book: Any, ledger: pd.DataFrame) -> dict[str, int]:
    """Write one line an item; give its row."""
    lines = ledger.drop_duplicates("item").sort_values(["category", "item"])
    rows = [(r["item"], r["category"], r["unit"], float(r["unit_price"])) for r in lines.to_dict("records")]
    _sheet(book, "Prices", "Unit prices", ("item", "category", "unit", "unit price"), rows)
    return {row[0]: _HEAD + 1 + k for k, row in enumerate(rows)}


def _entries(book: Any, ledger: pd.DataFrame, prices: dict[str, int]) -> int:
    """Write the ledger; give its last row."""
    rows = []
    for k, entry in enumerate(ledger.to_dict("records")):
        row = _HEAD + 1 + k
        rows.append(
            (
                entry["policy"],
                entry["item"],
                entry["category"],
                entry["period"],
                float(entry["quantity"]),
                f"=Prices!$D${prices[entry['item']]}",
                f"=E{row}*F{row}",
            )
        )
    heads = ("option", "item", "category", "period", "quantity", "unit price", "cost")
    _sheet(book, "Ledger", "Quantity x unit price = cost, per patient, discounted", heads, rows)
    return _HEAD + len(rows)


def _costs(book: Any, frames: Frames, ledger: pd.DataFrame, options: Sequence[str], last: int) -> None:
    categories = list(dict.fromkeys(ledger["category"]))
    total, program = _letter(len(categories) + 2), _letter(len(categories) + 3)
    own = _program_totals(frames)
    rows = []
    for k, option in enumerate(options):
        row = _HEAD + 1 + k
        sums = [
            f"=SUMIFS(Ledger!$G${_HEAD + 1}:$G${last},Ledger!$A${_HEAD + 1}:$A${last},$A{row},"
            f"Ledger!$C${_HEAD + 1}:$C${last},{_letter(c + 2)}${_HEAD})"
            for c in range(len(categories))
        ]
        whole = f"=SUM(B{row}:{_letter(len(categories) + 1)}{row})"
        rows.append((option, *sums, whole, own.get(option, ""), f"={total}{row}-{program}{row}"))
    heads = ("option", *categories, "total", "program", "difference")
    _sheet(book, "Costs", "Cost per patient by category, discounted", heads, rows)


def _program_totals(frames: Frames) -> dict[str, float]:
    table = frames.costs
    if table is None:
        return {}
    view = (frames.manifest.get("economics") or {}).get("perspective", "payer")
    kept = table[
        (table["perspective"] == view)
        & (table["category"] == "total")
        & (table["period"] == "total")
        & (table["discounted"] == 1)
    ]
    return {str(p): float(v) for p, v in zip(kept["policy"], kept["mean"], strict=True)}


def _effects(book: Any, frames: Frames, options: Sequence[str]) -> None:
    table: pd.DataFrame = frames.overall("qalys")
    table = table[table["discounted"] == 1]
    found = {(r["policy"], r["measure"]): float(r["mean"]) for r in table.to_dict("records")}
    losses = sorted({m for _, m in found if m.startswith("lost_")})
    end = _letter(len(losses) + 3)
    rows = []
    for k, option in enumerate(options):
        row = _HEAD + 1 + k
        lost = [found.get((option, name), 0.0) for name in losses]
        by_state = found[option, "qalys"] + sum(lost)
        net = f"=C{row}-SUM(D{row}:{end}{row})" if losses else f"=C{row}"
        rows.append((option, found[option, "life_years"], by_state, *lost, net))
    heads = ("option", "life-years", "QALYs by state", *(name.replace("_", " ") for name in losses), "QALYs")
    _sheet(book, "Effects", "Life-years and QALYs per patient, discounted", heads, rows)


def _incremental(book: Any, choices: Sequence[str], options: Sequence[str]) -> None:
    """Find the frontier by formula, from three tables of every option against every other."""
    count = len(choices)
    first, last = _HEAD + 1, _HEAD + count
    blocks = [8 + k * (count + 1) for k in range(3)]
    cost_end, effect_end = _last_heads(book)
    heads: list[str] = ["option", "cost", "QALYs", "status", "ICER", "lowest wtp", "highest wtp"]
    for title in ("beaten by", "dearer and better than", "cheaper and worse than"):
        heads += ["", *(f"{title} {name}" for name in choices)]
    rows = []
    for k, name in enumerate(choices):
        row = first + k
        source = _HEAD + 1 + list(options).index(name)
        beaten, low, high = (f"{_letter(start + 1)}{row}:{_letter(start + count)}{row}" for start in blocks)
        line: list[Any] = [
            name,
            f"=Costs!${cost_end}${source}",
            f"=Effects!${effect_end}${source}",
            f'=IF(SUM({beaten})>0,"D",IF(F{row}>G{row}*(1+0.000000000001),"ED","ND"))',
            f'=IF(AND(D{row}="ND",COUNT({low})>0),IF(F{row}>0,F{row},""),"")',
            f"=IF(COUNT({low})>0,MAX({low}),0)",
            f"=IF(COUNT({high})>0,MIN({high}),1E+300)",
        ]
        others = [first + m for m in range(count)]
        line += ["", *(_beaten(row, other) for other in others)]
        line += ["", *(f'=IF(C{o}<C{row},(B{row}-B{o})/(C{row}-C{o}),"")' for o in others)]
        line += ["", *(f'=IF(C{o}>C{row},(B{o}-B{row})/(C{o}-C{row}),"")' for o in others)]
        rows.append(tuple(line))
    assert last == first + len(rows) - 1
    _sheet(book, "Incremental", "Which options are the best buy at some willingness to pay", heads, rows)


def _beaten(row: int, other: int) -> str:
    return (
        f"=IF(AND(B{other}<=B{row},C{other}>=C{row},OR(B{other}<B{row},C{other}>C{row})),1,0)" if other != row else "=0"
    )


def _last_heads(book: Any) -> tuple[str, str]:
    """Give the columns of the total cost and of the QALYs."""
    costs, effects = book["Costs"], book["Effects"]
    return _letter(costs.max_column - 2), _letter(effects.max_column)


def _net_benefit(book: Any, frames: Frames, choices: Sequence[str]) -> None:
    table = frames.nmb
    levels = sorted(table["wtp"].unique()) if table is not None else []
    rows = []
    for k, name in enumerate(choices):
        row = _HEAD + 1 + k
        rows.append(
            (
                name,
                *(f"={_letter(c + 2)}${_HEAD}*Incremental!$C${row}-Incremental!$B${row}" for c in range(len(levels))),
            )
        )
    _sheet(book, "Net benefit", "Net monetary benefit by willingness to pay", ("option", *map(float, levels)), rows)


def _sheet(book: Any, name: str, title: str, heads: Iterable[Any], rows: Iterable[Sequence[Any]]) -> None:
    sheet = book.create_sheet(name)
    sheet.cell(1, 1, title)
    for column, head in enumerate(heads, start=1):
        sheet.cell(_HEAD, column, head)
    for row, line in enumerate(rows, start=_HEAD + 1):
        for column, value in enumerate(line, start=1):
            if value != "":
                sheet.cell(row, column, value)
    sheet.freeze_panes = sheet.cell(_HEAD + 1, 2)


def _dress(sheet: Any) -> None:
    from openpyxl.styles import Font

    sheet.cell(1, 1).font = Font(bold=True, size=12)
    if sheet.title != "About":
        for cell in sheet[_HEAD]:
            cell.font = Font(bold=True)
    for column in range(1, sheet.max_column + 1):
        sheet.column_dimensions[_letter(column)].width = 26 if column == 1 else 16
    if sheet.title in ("Costs", "Net benefit"):
        for line in sheet.iter_rows(min_row=_HEAD + 1, min_col=2):
            for cell in line:
                cell.number_format = "#,##0.00"


def _letter(column: int) -> str:
    from openpyxl.utils import get_column_letter

    letter: str = get_column_letter(column)
    return letter


def _save(book: Any, path: Path) -> None:
    """Write the file with nothing in it that depends on when it was written."""
    book.properties.creator = "cartwin"
    book.properties.created = _WRITTEN
    raw = io.BytesIO()
    book.save(raw)
    scratch = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name == "docProps/core.xml":
                stamp = _WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            target.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data, zipfile.ZIP_DEFLATED)
    os.replace(scratch, path)
