"""What ships can be drawn as it is stated: means are base cases, intervals fit ranges, shares stay shares."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sim.clinic import salvage
from sim.compose import settings_from
from sim.conf import options
from sim.uncertainty.draws import draws_of, posterior_of

#: How far mean and ends may be off, in widths of the range.
CLOSE, ROUGH = 0.1, 0.3


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    """Lines that are drawn by themselves, not with the posterior."""
    settings = settings_from(["economics=us_second_panel"])
    table = draws_of(settings, posterior_of(settings)).specification()
    return table[table["from"] == "line"].assign(width=table["high"] - table["low"])


def test_the_base_case_of_a_probabilistic_analysis_is_that_of_a_comparison(shipped: pd.DataFrame) -> None:
    """A line whose mean lies elsewhere would shift every probabilistic result against the deterministic one."""
    off = (shipped["mean"] - shipped["value"]).abs() > CLOSE * shipped["width"]
    assert shipped.loc[off, "key"].tolist() == []


def test_what_is_drawn_fits_the_stated_range(shipped: pd.DataFrame) -> None:
    """Prices are left out: theirs are ranges of published lists, in which the newest one often lies at an end."""
    lines = shipped[~shipped["key"].str.startswith("economics.prices.")]
    below = lines["low"] - lines["quantile_2.5"] > ROUGH * lines["width"]
    above = lines["quantile_97.5"] - lines["high"] > ROUGH * lines["width"]
    assert lines.loc[below | above, "key"].tolist() == []


def test_rules_of_contracts_and_protocol_doses_are_no_chance(shipped: pd.DataFrame) -> None:
    drawn = set(shipped["key"])
    assert not drawn & {
        "economics.product_rules.out_of_specification",
        "economics.product_rules.donor_derived",
        "economics.resources.reinfused_product.quantity",
        "economics.resources.second_car.quantity",
        "economics.resources.blinatumomab.quantity",
    }


@pytest.mark.parametrize("kind", [salvage.POSITIVE, salvage.NEGATIVE])
def test_shares_of_salvage_that_exceed_one_count_in_proportion(kind: int) -> None:
    """Drawn one by one, shares may sum to more than 1: none of them is cut off."""
    q = SimpleNamespace(
        positive_blinatumomab=0.6,
        positive_inotuzumab=0.6,
        positive_cd22=0.3,
        positive_second_car=0.3,
        negative_inotuzumab=0.9,
        negative_cd22=0.6,
    )
    n = 4000
    chosen = []
    for number in range(n):
        p = SimpleNamespace(
            seed=1, number=number, salvage_line=1, salvage_wish=0, salvage_kind=kind, blinatumomab=0, t_infusion=0.0
        )
        chosen.append(salvage.choose_salvage(p, q))
    shares = {name: chosen.count(getattr(salvage, name)) / n for name in ("INOTUZUMAB", "CD22_CAR", "CHEMOTHERAPY")}
    expected = (1 / 3, 1 / 6) if kind == salvage.POSITIVE else (0.6, 0.4)
    found = shares["INOTUZUMAB"], shares["CD22_CAR"]
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / n))
    assert shares["CHEMOTHERAPY"] == 0


@pytest.mark.parametrize("structure", options("structure"))
def test_every_structure_can_be_run_and_drawn(structure: str) -> None:
    """A structure states values that fit the calibrated ranges around it, and keeps what it fixes."""
    settings = settings_from([f"structure={structure}"])
    drawn = draws_of(settings, posterior_of(settings)).table(0, 64)
    assert np.isfinite(drawn).all()
    assert dict(settings.lines()).keys() >= set(settings.structure.fixes)
