"""Results as pictures: survival, competing risks, occupancy, gains, lives; and every number of the summary."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from sim.report import words
from sim.report.numbers import number, unit_name
from sim.report.page import Page, section


@section(20, "Survival", figures=("survival", "difference"))
def survival(page: Page) -> Markup:
    """Show the curves and the paired differences."""
    return page.figure("survival") + page.figure("difference")


@section(30, "Competing risks", figures=("risks",))
def risks(page: Page) -> Markup:
    """Show what comes first."""
    return page.figure("risks")


@section(40, "Where patients are", figures=("occupancy",))
def occupancy(page: Page) -> Markup:
    """Show state occupancy over time."""
    return page.figure("occupancy")


@section(45, "The pathway", figures=("pathway",))
def pathway(page: Page) -> Markup:
    """Show phases, moves and events as the run went through them."""
    return page.figure("pathway")


@section(50, "Who gains and who loses", figures=("gains", "strata"))
def gains(page: Page) -> Markup:
    """Show shares who gain and lose, and gains by stratum."""
    return page.figure("gains") + page.figure("strata")


@section(60, "Lives", figures=("swimmer",))
def lives(page: Page) -> Markup:
    """Show the same patients under two policies."""
    return page.figure("swimmer")


@section(70, "Every number", needs=("summary",))
def numbers(page: Page) -> Markup:
    """Show the whole summary, a table per unit of meaning: measures down, policies across."""
    frames = page.frames
    table = frames.overall("summary")
    policies = [p for p in frames.policies if (table["policy"] == p).any()]
    rows: list[dict[str, Any]] = []
    for (measure, months), group in table.groupby(["measure", "months"], sort=False, dropna=False):
        unit = str(group["unit"].iloc[0])
        by_policy = {r["policy"]: (r["value"], r["mc_se"]) for r in group.to_dict("records")}
        rows.append(
            {
                "name": words.sentence(words.measure_name(str(measure))),
                "measure": measure,
                "months": "" if months != months else f"{months:g}",
                "unit": unit_name(unit),
                "cells": [
                    (number(by_policy[p][0], unit), number(by_policy[p][1], unit)) if p in by_policy else ("–", "")
                    for p in policies
                ],
            }
        )
    return page.template("numbers.html.j2", {"labels": [frames.label(p) for p in policies], "rows": rows})
