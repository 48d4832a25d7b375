"""What lives cost and are worth, and the decisions that follow: tables and figures of the economic frames."""

from __future__ import annotations

import math
from typing import Any, Final

from markupsafe import Markup

from sim.report import verdict, words
from sim.report.page import Page, section
from sim.report.worth import currency, perspective

_STATUSES: Final = {"ND": "frontier", "ED": "extendedly dominated", "D": "dominated"}
_PAYMENTS: Final = (
    ("list_price", "list price"),
    ("paid", "paid"),
    ("paid_discounted", "paid, discounted"),
    ("share_paid", "share of the list price"),
    ("unpaid", "not paid (the manufacturer's expected loss)"),
    ("paid_sd", "standard deviation of what is paid"),
    ("paid_q05", "5th percentile"),
    ("paid_q50", "median"),
    ("paid_q95", "95th percentile"),
)


@section(61, "What it costs and what it is worth", needs=("incremental",), figures=("frontier",))
def worth(page: Page) -> Markup:
    """Show the incremental analysis and the plane."""
    table = page.frames.incremental
    assert table is not None
    rows = [(_label(page, r["option"]), _incremental_cells(page, r)) for r in table.to_dict("records")]
    headings = (
        "Policy", "Cost", "QALYs", "Life-years", "Status", "More cost", "More QALYs", "Cost per QALY, 95% interval",
        "Cost per life-year", "Cost per evLYG", "Probability: on the frontier",
    )  # fmt: skip
    ties = [
        f"{_label(page, r['option'])} costs and gains exactly as much as "
        f"{verdict.listed([_label(page, name) for name in _text(r['tied_with']).split(', ')])}."
        for r in table.to_dict("records")
        if _text(r["tied_with"])
    ]
    caption = (
        f"Discounted, {perspective(page.frames)} perspective, {currency(page.frames)} per patient. "
        "± Monte-Carlo standard error; increments are against the option before on the frontier, on the same patients. "
        "evLYG: equal-value life-years gained."
    )
    shown = page.template("table.html.j2", {"lead": " ".join(ties), "tables": [(caption, headings, rows)]})
    return shown + page.figure("frontier")


def _incremental_cells(page: Page, row: dict[Any, Any]) -> list[str]:
    icer = money(row["icer"])
    if not math.isnan(_float(row["icer_low"])):
        icer += f"\n{money(row['icer_low'])} to {money(row['icer_high'])}"
    return [
        _error_below(row["cost"], row["cost_se"]),
        _error_below(row["effect"], row["effect_se"], 3),
        decimal(row.get("life_years"), 2),
        _STATUSES.get(str(row["status"]), str(row["status"])).replace(" ", "\n"),
        _error_below(row["inc_cost"], row["inc_cost_se"]),
        _error_below(row["inc_effect"], row["inc_effect_se"], 3),
        icer,
        money(row.get("cost_per_life_year")),
        money(row.get("cost_per_evlyg")),
        _percent(row["p_frontier"]),
    ]


def _error_below(value: Any, error: Any, digits: int = 0) -> str:
    """Write a number with its error on a line of its own."""
    return _with_error(value, error, digits).replace(" ± ", "\n± ")


@section(62, "Costs by category and over time", figures=("cost_categories", "cost_time"))
def costs(page: Page) -> Markup:
    """Show where the money goes, and when."""
    return page.figure("cost_categories") + page.figure("cost_time")


@section(63, "The best buy by willingness to pay", needs=("nmb",))
def best_buy(page: Page) -> Markup:
    """Show net benefit by willingness to pay, and how sure the number of patients makes the ranking."""
    table = page.frames.nmb
    assert table is not None
    headings = (
        "Policy",
        "Rank",
        "Net benefit",
        "Against the reference",
        "Net health benefit",
        "Best",
        "Patients to settle",
    )
    tables = []
    for wtp, group in table.groupby("wtp"):
        rows = [
            (
                _label(page, r["option"]),
                [
                    str(int(r["rank"])),
                    _with_error(r["nmb"], r["nmb_se"]),
                    _with_error(r["inb"], r["inb_se"]),
                    _with_error(r["nhb"], r["nhb_se"], 3),
                    _percent(r["p_best"]),
                    _patients(r["patients"]),
                ],
            )
            for r in group.to_dict("records")
        ]
        tables.append((f"Willingness to pay {money(wtp)} {currency(page.frames)} per QALY", headings, rows))
    lead = (
        "Best: probability of being best if the run had no Monte-Carlo error. Patients to settle: how many would tell "
        "a policy from the next better one with 95% confidence."
    )
    return page.figure("net_benefit") + _folded(page, lead, tables)


def _folded(page: Page, lead: str, tables: list[Any]) -> Markup:
    """Show a table per willingness to pay: the middle one open, the others folded."""
    values = {"lead": lead, "tables": tables, "fold": True, "fold_open": (len(tables) - 1) // 2}
    return page.template("table.html.j2", values)


@section(64, "Who should get what", needs=("subgroups",))
def who(page: Page) -> Markup:
    """Show the best option in every stratum and the value of deciding by stratum."""
    table = page.frames.subgroups
    assert table is not None
    headings = ("Stratum", "Patients", "Best", "Lead over the second", "Gain of deciding here", "Probability")
    tables = []
    for wtp, group in table.groupby("wtp"):
        rows = [
            (
                words.sentence(words.stratum_name(_text(r["stratum"]))),
                [
                    f"{int(r['patients']):,}",
                    _label(page, r["best"]) if _text(r["best"]) else "by stratum",
                    _with_error(r["margin"], r["margin_se"]),
                    _with_error(r["gain"], r["gain_se"]),
                    _percent(r["p_best"]),
                ],
            )
            for r in group.to_dict("records")
        ]
        tables.append((f"Willingness to pay {money(wtp)} {currency(page.frames)} per QALY", headings, rows))
    lead = (
        "Strata are known at baseline or at day 28. Rows 'Deciding by ...' give the gain per patient of choosing by "
        "that grouping instead of one policy for all. The best of noisy means flatters: read gains beside their error."
    )
    return _folded(page, lead, tables)


@section(65, "Severity", needs=("severity",))
def severity(page: Page) -> Markup:
    """Show the QALY shortfall under current care."""
    table = page.frames.severity
    assert table is not None
    headings = (
        "Current care",
        "QALYs without the disease",
        "QALYs with it",
        "Absolute shortfall",
        "Proportional",
        "Weight",
    )
    rows = [
        (
            _label(page, r["policy"]),
            [
                decimal(r["without_disease"], 2),
                decimal(r["with_disease"], 2),
                decimal(r["absolute"], 2),
                _percent(r["proportional"]),
                decimal(r["weight"], 2),
            ],
        )
        for r in table.to_dict("records")
    ]
    caption = (
        "QALY shortfall, discounted, against the general population of the same age and sex: one weight for all arms."
    )
    return page.template("table.html.j2", {"lead": "", "tables": [(caption, headings, rows)]})


@section(66, "Paying for the product", needs=("payments",))
def payments(page: Page) -> Markup:
    """Show what the payment scheme makes of the list price."""
    table = page.frames.payments
    assert table is not None
    found = {(r["policy"], r["measure"]): _float(r["value"]) for r in table.to_dict("records")}
    policies = [p for p in page.frames.policies if (p, "paid") in found]
    rows = []
    for measure, label in _PAYMENTS:
        if any((p, measure) in found for p in policies):
            show = _percent if measure == "share_paid" else money
            rows.append((label, [show(found.get((p, measure), math.nan)) for p in policies]))
    headings = ("Per patient", *(page.frames.label(p) for p in policies))
    caption = f"Payment for the product under the run's scheme, {currency(page.frames)}, undiscounted unless stated."
    return page.template("table.html.j2", {"lead": "", "tables": [(caption, headings, rows)]})


# --- how numbers are written ------------------------------------------------------------------------------------------


def money(value: Any) -> str:
    """Write an amount of money."""
    number = _float(value)
    return "–" if math.isnan(number) else f"{number:,.0f}"


def decimal(value: Any, digits: int) -> str:
    """Write a number with so many digits after the point."""
    number = _float(value)
    return "–" if math.isnan(number) else f"{number:,.{digits}f}"


def _with_error(value: Any, error: Any, digits: int = 0) -> str:
    if math.isnan(_float(value)):
        return "–"
    shown = decimal(value, digits)
    return shown if math.isnan(_float(error)) else f"{shown} ± {decimal(error, digits)}"


def _percent(value: Any) -> str:
    number = _float(value)
    return "–" if math.isnan(number) else f"{100 * number:.1f}%"


def _patients(value: Any) -> str:
    number = _float(value)
    return "–" if math.isnan(number) else "never (exact tie)" if math.isinf(number) else f"{number:,.0f}"


def _float(value: Any) -> float:
    return math.nan if value is None or value == "" else float(value)


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def _label(page: Page, policy: Any) -> str:
    return page.frames.label(str(policy))
