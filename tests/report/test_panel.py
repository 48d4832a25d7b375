"""The decision panel: its numbers are those of the decision analysis, which computes them in another way."""

import dataclasses
import json

import numpy as np
import pytest

from sim.economics import ceac, expected_loss
from sim.report import panel as panels
from sim.report.frames import Frames
from sim.report.panel import Panel, packed, panel_of, standings

from . import priced


@pytest.fixture(scope="module")
def compared(world: Frames) -> Frames:
    return priced.compared(world)


@pytest.fixture(scope="module")
def panel(compared: Frames) -> Panel:
    found = panel_of(compared)
    assert found is not None
    return found


def test_ranks_benefits_and_errors_are_those_of_the_decision_analysis(compared: Frames, panel: Panel) -> None:
    for level in priced.LEVELS:
        rows = compared.nmb[compared.nmb["wtp"] == level].set_index("option")
        found = standings(panel.views[0], panel.reference, level)
        assert [panel.options[s.option] for s in found] == list(rows.sort_values("rank").index)
        for s in found:
            expected = rows.loc[panel.options[s.option]]
            assert s.benefit == pytest.approx(expected["inb"], abs=1e-6)
            assert s.error == pytest.approx(expected["inb_se"], rel=1e-9)


def test_every_perspective_and_effect_is_a_view_and_the_runs_own_comes_first(panel: Panel) -> None:
    assert [(v.perspective.split()[0], v.effect) for v in panel.views] == [
        ("payer", "QALYs"), ("payer", "Life-years"), ("society", "QALYs"), ("society", "Life-years"),
    ]  # fmt: skip
    assert panel.views[2].cost == pytest.approx(1.5 * panel.views[0].cost)
    assert panel.views[1].gain == pytest.approx(
        priced.estimates(list(priced.MEANS), effect="life_years").effect[
            [sorted(priced.MEANS).index(p) for p in panel.options]
        ]
    )


def test_shares_and_losses_over_draws_are_those_of_the_decision_analysis(world: Frames) -> None:
    frames = priced.analysed(world)
    panel = panel_of(frames)
    assert panel is not None
    cost, gain = panel.views[0].draws
    shares = ceac(cost, gain, 100_000.0, names=panel.options)
    losses = expected_loss(cost, gain, 100_000.0, names=panel.options)
    for s in standings(panel.views[0], panel.reference, 100_000.0):
        name = panel.options[s.option]
        assert s.probability == pytest.approx(float(np.squeeze(shares[name])), abs=1e-12)
        assert s.loss == pytest.approx(float(np.squeeze(losses[name])), rel=1e-9)


def test_many_draws_are_thinned_and_the_page_stays_small(world: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "DRAWS", 20)
    panel = panel_of(priced.analysed(world))
    assert panel is not None
    assert (len(panel.views[0].draws[0]), panel.total_draws) == (20, 64)
    monkeypatch.undo()
    many = panel_of(priced.analysed(world, 1024))
    assert many is not None
    assert len(many.views[0].draws[0]) == panels.DRAWS
    assert len(json.dumps(packed(many), allow_nan=False)) < 300_000


@pytest.mark.parametrize(
    ("levels", "step"),
    [([50e3, 100e3, 150e3], 5000), ([20e3, 30e3], 1000), ([5e6, 7.5e6], 100_000), ([50e3, 100e3, 200e3], 10_000)],
)
def test_the_slider_meets_every_threshold(panel: Panel, levels: list[float], step: float) -> None:
    found = panels.step_of(panel._replace(levels=levels))
    assert found == step
    assert all(level % found == 0 for level in levels)


def test_what_is_not_priced_has_no_panel(world: Frames, compared: Frames) -> None:
    assert panel_of(world) is None
    alone = compared.pairs[(compared.pairs["option"] == "watch") & (compared.pairs["against"] == "")]
    assert panel_of(dataclasses.replace(compared, pairs=alone)) is None
