"""The answer in words: the right policy, how sure, what would change it, for whatever a run holds."""

import dataclasses

import pandas as pd
import pytest

from sim.report import verdict
from sim.report.changes import changes
from sim.report.frames import Frames
from sim.report.sections.answer import answers

from . import priced


@pytest.fixture(scope="module")
def compared(world: Frames) -> Frames:
    return priced.compared(world)


def test_the_best_buy_is_named_at_every_willingness_to_pay(compared: Frames) -> None:
    best = compared.nmb[compared.nmb["rank"] == 1].set_index("wtp")["option"]
    text = verdict.best_buys(compared)
    assert "USD 2026 per QALY" in text
    for policy in set(best):
        assert compared.label(policy) in text
    changed = dataclasses.replace(
        compared, nmb=pd.DataFrame({"wtp": [1e4, 2e4, 3e4], "rank": 1, "option": ["watch", "selective", "selective"]})
    )
    assert verdict.best_buys(changed) == (
        "The best buy depends on the willingness to pay: Watch and wait at 10,000 and Selective HCT at 20,000 to "
        "30,000 USD 2026 per QALY."
    )


def test_a_comparison_says_what_it_left_out(compared: Frames, world: Frames) -> None:
    parts = dict(answers(compared, compared.policies))
    assert list(parts) == ["Which policy", "How sure", "What would change it"]
    assert any("parameters' uncertainty is not in them" in text for text in parts["How sure"])
    assert any("experiment=psa" in text and "experiment=tornado" in text for text in parts["What would change it"])
    assert "best buy" not in " ".join(dict(answers(world, world.policies))["Which policy"])


def test_a_price_moves_the_best_buy_where_the_frontier_says(compared: Frames) -> None:
    steps = compared.incremental[compared.incremental["status"] == "ND"].sort_values("cost")
    (text,) = [t for t in changes(compared) if t.startswith("Willingness to pay")]
    places = [text.index(compared.label(name)) for name in steps["option"]]
    assert places == sorted(places)
    assert f"{steps['icer'].dropna().iloc[0]:,.0f}" in text


def test_draws_give_a_probability_and_what_knowing_would_be_worth(world: Frames) -> None:
    frames = priced.analysed(world)
    rows = frames.psa_acceptability[frames.psa_acceptability["wtp"] == 100_000.0]
    best = rows.loc[rows["nmb"].idxmax()]
    sure = " ".join(verdict.certainty(frames))
    assert f"{frames.label(best['policy'])} is the best in {100 * best['probability']:.0f} ±" in sure
    assert f"{best['expected_loss']:,.0f}" in sure
    parts = dict(answers(frames, []))
    assert any("2 of 5 are recalled or assumed" in text for text in parts["How sure"])


def structures(best: dict[str, str]) -> pd.DataFrame:
    rows = [
        {"structure": s, "policy": p, "outcome": "inc_nmb_100000", "unit": "USD", "value": 5e4, "se": 1e4,
         "best_100000": p == winner}
        for s, winner in best.items()
        for p in ("selective", "hct_for_all")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_structures_and_ranges_that_change_the_answer_are_named(world: Frames) -> None:
    row = {"wtp": 1e5, "about": "risk", "status": "assumed", "low": 0.1, "high": 0.4, "best": "selective",
           "best_low": "hct_for_all", "best_high": "selective"}  # fmt: skip
    tornado = pd.DataFrame([row | {"key": "a.b"}, row | {"key": "c.d", "best_low": "selective", "about": "calm"}])
    frames = Frames(
        manifest=dict(world.manifest) | {"wtp": priced.LEVELS, "currency": "USD 2026", "effect_unit": "QALY"},
        tornado=tornado,
        structures=structures({"reference": "selective", "mrd_poor": "hct_for_all"}),
    )
    text = " ".join(changes(frames))
    assert "1 of them changes the best buy at 100,000 USD 2026 per QALY: HCT for all eligible under 'mrd poor'" in text
    assert "1 of 2 varied one at a time" in text
    assert "(1 of them recalled or assumed)" in text
    assert "risk (a.b) at 0.1 (HCT for all eligible)" in text
    assert "calm" not in text
    steady = dataclasses.replace(frames, structures=structures({"reference": "selective", "mrd_poor": "selective"}))
    assert "Selective HCT is the best under all 2 structures" in " ".join(changes(steady))


def test_a_run_without_anything_says_nothing() -> None:
    assert answers(Frames(), []) == []
    assert verdict.question(Frames()) == ""
