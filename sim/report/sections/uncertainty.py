"""Uncertainty: probabilistic analysis, sensitivity, sweeps, value of information."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sim.report.acceptability import middle, money, worth
from sim.report.frames import Frames
from sim.report.page import Page, section


def _table(page: Page, caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    return page.template("listing.html.j2", {"caption": caption, "headings": headings, "rows": rows})


def _with_error(value: float, error: float) -> str:
    return f"{money(value)} ± {money(error)}" if error == error else money(value)


@section(54, "How sure is the decision", needs=("psa_acceptability",))
def decision(page: Page) -> Markup:
    """Show acceptability, expected loss, plane, frontier, convergence and where the error comes from."""
    found = _decision_table(page) + page.figure("psa_acceptability") + page.figure("psa_plane")
    found += _frontier_table(page) + page.figure("psa_convergence") + _variance_table(page)
    return found


def _decision_table(page: Page) -> Markup:
    frames, level = page.frames, middle(page.frames)
    table = frames.psa_acceptability
    assert table is not None
    rows = [
        [
            frames.label(r["policy"]),
            _with_error(r["nmb"], r["nmb_se"]),
            f"{100 * r['probability']:.0f} ± {100 * r['probability_se']:.0f}",
            _with_error(r["expected_loss"], r["expected_loss_se"]),
        ]
        for r in table[table["wtp"] == level].sort_values("nmb", ascending=False).to_dict("records")
    ]
    draws = frames.manifest.get("draws", 0)
    caption = (
        f"{draws:,} joint draws of all uncertain parameters, {frames.manifest.get('n', 0):,} patients in each; "
        f"willingness to pay {money(level)}. Value ± error (of draws and of patients)."
    )
    unit = worth(frames)
    headings = ("Policy", f"Net benefit ({unit})", "Best in % of draws", f"Expected loss ({unit})")
    return _table(page, caption, headings, rows)


def _frontier_table(page: Page) -> Markup:
    frames = page.frames
    table = frames.psa_frontier
    if table is None:
        return Markup("")
    rows = [
        [
            frames.label(r["policy"]),
            money(r["cost"]),
            f"{r['effect']:.3f}",
            "–" if r["icer"] != r["icer"] else money(r["icer"]),
            {"ND": "frontier", "ED": "extendedly dominated", "D": "dominated"}[r["status"]],
            f"{100 * r['probability']:.0f} ± {100 * r['se']:.0f}",
        ]
        for r in table.to_dict("records")
    ]
    headings = (
        "Policy",
        f"Cost ({worth(frames)})",
        f"{frames.manifest.get('effect_unit')}s",
        f"Cost per {frames.manifest.get('effect_unit')} more",
        "At the means",
        "On the frontier, % of draws",
    )
    return _table(page, "Incremental analysis of the means over draws.", headings, rows)


def _variance_table(page: Page) -> Markup:
    frames, level = page.frames, middle(page.frames)
    table = frames.psa_variance
    if table is None:
        return Markup("")
    rows = [
        [
            frames.label(r["policy"]),
            _with_error(r["mean"], r["se"]),
            money(r["se_draws"]),
            money(r["se_patients"]),
            f"{100 * r['noise']:.0f}%",
            "–" if r["patients_advised"] == float("inf") else f"{r['patients_advised']:,.0f}",
        ]
        for r in table[(table["quantity"] == "inc_nmb") & (table["wtp"] == level)].to_dict("records")
    ]
    caption = (
        "Where the error of net benefit against the reference comes from: too few draws, too few patients; the share "
        "of patients' chance in the spread between draws, and the patients per draw at which it would be 5%."
    )
    headings = (
        "Policy",
        f"Net benefit ({worth(frames)})",
        "Error by draws",
        "Error by patients",
        "Chance between draws",
        "Patients advised",
    )
    return _table(page, caption, headings, rows)


@section(55, "What moves the answer", figures=("tornado", "two_way", "threshold", "structures"))
def sensitivity(page: Page) -> Markup:
    """Show one-way, two-way and threshold analyses, and structures."""
    found = page.figure("structures") + page.figure("tornado") + page.figure("two_way") + page.figure("threshold")
    return found + _threshold_table(page)


def _threshold_table(page: Page) -> Markup:
    frames: Frames = page.frames
    table = frames.thresholds
    if table is None or table.empty:
        return Markup("")
    rows = [
        [
            money(r["wtp"]),
            f"{r['threshold']:.4g} ± {r['se']:.2g}",
            frames.label(r["best_below"]),
            frames.label(r["best_above"]),
        ]
        for r in table.to_dict("records")
    ]
    key = str(table["key"].iloc[0])
    return _table(
        page,
        f"Where the best policy changes along {key}.",
        (f"Willingness to pay ({worth(frames)})", "Threshold", "Best below", "Best above"),
        rows,
    )


@section(56, "Sweep", figures=("sweep", "sensitivity"))
def sweep(page: Page) -> Markup:
    """Show a sweep and its sensitivity indices."""
    return page.figure("sweep") + page.figure("sensitivity")


@section(57, "What is worth knowing", needs=("voi_evpi",))
def information(page: Page) -> Markup:
    """Show the value of perfect, partial and sample information."""
    return _perfect_table(page) + page.figure("voi_parameters") + page.figure("voi_studies") + _study_table(page)


def _perfect_table(page: Page) -> Markup:
    table = page.frames.voi_evpi
    assert table is not None
    rows = [
        [money(r["wtp"]), _with_error(r["evpi"], r["se"]), _with_error(r["population_evpi"], r["population_se"]),
         page.frames.label(r["best"])]
        for r in table.to_dict("records")
    ]  # fmt: skip
    money_of = worth(page.frames)
    headings = ("Willingness to pay", f"EVPI per patient ({money_of})", f"EVPI, population ({money_of})", "Best now")
    return _table(page, "What knowing everything would be worth.", headings, rows)


def _study_table(page: Page) -> Markup:
    frames, level = page.frames, middle(page.frames)
    table = frames.voi_evsi
    if table is None or table.empty:
        return Markup("")
    labels = dict(frames.manifest.get("studies") or {})
    rows = []
    for study, part in table[table["wtp"] == level].groupby("study", sort=True):
        best = part.sort_values("enbs").iloc[-1]
        rows.append(
            [
                str(labels.get(study, study)),
                f"{int(best['size']):,}",
                _with_error(best["evsi"], best["evsi_se"]),
                money(best["cost"]),
                _with_error(best["enbs"], best["se"]),
                "yes" if best["enbs"] > 0 else "no",
            ]
        )
    unit = worth(frames)
    headings = (
        "Study",
        "Best size (patients)",
        f"Value per patient ({unit})",
        f"Cost ({unit})",
        f"Net benefit ({unit})",
        "Pays",
    )
    return _table(page, f"Studies at their best size; willingness to pay {money(level)}.", headings, rows)
