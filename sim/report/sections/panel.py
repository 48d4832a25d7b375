"""The decision panel: willingness to pay, outcome and perspective at the reader's hand."""

from __future__ import annotations

from markupsafe import Markup

from sim.report import style
from sim.report.frames import Frames
from sim.report.numbers import amount, fixed
from sim.report.page import Page, section
from sim.report.panel import Panel, packed, panel_of, standings, step_of


@section(12, "Your own willingness to pay")
def panel(page: Page) -> Markup | None:
    """Show who is the best buy at the chosen willingness to pay; a table at the middle one without a script."""
    found = panel_of(page.frames)
    if found is None:
        return None
    page.script("panel.js")
    return page.template(
        "panel.html.j2",
        {
            "panel": found,
            "first": found.views[0],
            "rows": _rows(page.frames, found),
            "drawn": found.views[0].draws is not None,
            "shown_draws": 0 if found.views[0].draws is None else len(found.views[0].draws[0]),
            "perspectives": list(dict.fromkeys(v.perspective for v in found.views)),
            "effects": list(dict.fromkeys((v.effect, v.unit) for v in found.views)),
            "amount": amount,
            "step": f"{step_of(found):g}" if step_of(found) < 1e6 else f"{step_of(found):.0f}",
            "data": page.data("panel-data", packed(found) | {"options": [_option(page, p) for p in found.options]}),
        },
    )


def _option(page: Page, policy: str) -> dict[str, str]:
    """Name an option and the classes in which the script draws it."""
    own = style.stroke(policy, page.frames.colour(policy))
    dashes = f";stroke-dasharray:{','.join(f'{2 * d:g}' for d in own.dash)}" if own.dash else ""
    return {
        "label": page.frames.label(policy),
        "line": page.sheet.name(f"stroke:{own.ink.light};fill:none;stroke-width:2{dashes}"),
        "fill": page.sheet.name(f"fill:{own.ink.light}"),
        "plain": page.sheet.name(f"stroke:{own.ink.light};stroke-width:3{dashes}"),
    }


def _rows(frames: Frames, panel: Panel) -> list[list[str]]:
    """Write the table as the script does, at the first view and the willingness to pay it starts with."""
    view = panel.views[0]
    rows = []
    for s in standings(view, panel.reference, panel.start):
        cells = [
            panel.options[s.option],
            amount(s.cost),
            fixed(s.gain, 3),
            "0 (reference)" if s.option == panel.reference else f"{amount(s.benefit, sign=True)} ± {amount(s.error)}",
        ]
        if view.draws is not None:
            cells += [f"{fixed(100 * s.probability, 1)}%", amount(s.loss)]
        rows.append(cells)
    return rows
