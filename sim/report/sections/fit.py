"""A calibration on the page: how well it fits, what was learnt and what was not, how far it can be trusted."""

from __future__ import annotations

from typing import Any, Final

from markupsafe import Markup

from sim.report.page import Page, section

#: Diagnostics shown, in this order, with their names.
DIAGNOSTICS: Final = {
    "evaluations": "evaluations of all quantities",
    "log_posterior_starts": "log-posterior where each climb ended",
    "log_posterior_optimum": "log-posterior of the best, all patients",
    "log_likelihood_at_mean": "log-likelihood at the base case",
    "surrogate_explained_median": "variance explained by the surrogate, left out one by one (median quantity)",
    "surrogate_explained_least": "the same, worst quantity",
    "r_hat_largest": "largest split R-hat",
    "ess_least": "smallest effective number of draws",
    "acceptance": "proposals accepted",
    "check_draws": "draws run through the simulator again",
    "check_log_ratio_mean": "log-likelihood, simulator minus surrogate: mean",
    "check_log_ratio_sd": "the same: SD",
    "check_log_ratio_noise": "the same, were there nothing but Monte-Carlo error: SD",
    "check_effective_share": "effective share of these draws if reweighted",
}


@section(5, "How well the model reproduces what was published", needs=("fit",))
def fit(page: Page) -> Markup:
    """Show the share of quantities met, every miss by name, curves, and the table target | published | model | z."""
    table = page.frames.fit
    assert table is not None
    used = table[table["fitted"]]
    return page.template(
        "fit.html.j2",
        {
            "met": int(used["met"].sum()),
            "total": len(used),
            "misses": [_row(row) for row in used[~used["met"]].to_dict("records")],
            "rows": [_row(row) for row in used.to_dict("records")],
            "shown": [_row(row) for row in table[~table["fitted"]].to_dict("records")],
            "figure": page.figure("fit"),
            "residuals": page.figure("residuals"),
            "curves": page.figure("overlays"),
        },
    )


@section(6, "What was learnt about the parameters", needs=("posterior",))
def posterior(page: Page) -> Markup:
    """Show posterior against prior; name what the data cannot identify."""
    table = page.frames.posterior
    assert table is not None
    rows = [
        {
            "key": row["key"],
            "about": row["about"],
            "prior": f"{row['prior_low']:.3g} to {row['prior_high']:.3g} ({row['prior']})",
            "posterior": f"{row['mean']:.4g} ({row['low']:.3g} to {row['high']:.3g})",
            "unit": row["unit"],
            "shrinkage": f"{100 * max(row['shrinkage'], 0.0):.0f}",
            "identified": bool(row["identified"]),
        }
        for row in table.sort_values("ratio", kind="stable").to_dict("records")
    ]
    weak = [row["key"] for row in rows if not row["identified"]]
    return page.template(
        "posterior.html.j2",
        {"rows": rows, "weak": weak, "figure": page.figure("posterior"), "pairs": page.figure("pairs")},
    )


@section(7, "Can the fit be trusted?", needs=("starts", "studies"))
def diagnostics(page: Page) -> Markup:
    """Show convergence of search, surrogate and sampler, and the discrepancy of each study."""
    found = dict(page.frames.manifest.get("diagnostics", {}))
    assert page.frames.studies is not None
    entries = [(name, _plain(found[key])) for key, name in DIAGNOSTICS.items() if key in found]
    studies = [
        {
            "study": row["study"],
            "met": f"{row['met']} of {row['quantities']}",
            "discrepancy": f"{row['discrepancy']:.2f}",
        }
        for row in page.frames.studies.sort_values("discrepancy", ascending=False, kind="stable").to_dict("records")
    ]
    return page.template("diagnostics.html.j2", {"entries": entries, "studies": studies})


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(entry) for entry in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    percent = row["scale"] == "proportion"
    return {
        "study": row["study"],
        "label": row["label"],
        "published": _number(row["published"], percent) + _ends(row["low"], row["high"], percent),
        "interval": "assumed" if row["assumed"] else row["interval"],
        "model": _number(row["model"], percent) + _ends(row["model_low"], row["model_high"], percent),
        "z": "" if row["z"] != row["z"] else f"{row['z']:+.1f}",
        "met": bool(row["met"]),
        "source": row["source"],
        "note": row["note"] if isinstance(row["note"], str) else "",
    }


def _number(value: float, percent: bool) -> str:
    if value != value:
        return "–"
    return f"{100 * value:.1f} %" if percent else f"{value:.3g}"


def _ends(low: float, high: float, percent: bool) -> str:
    if low != low or high != high:
        return ""
    return f" ({100 * low:.0f}–{100 * high:.0f})" if percent else f" ({low:.3g}–{high:.3g})"
