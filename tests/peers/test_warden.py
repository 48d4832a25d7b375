"""WARDEN's three documented models on this project's engines: patient by patient and by theory.

Source: WARDEN 2.0.2, vignettes example_ssd, example_eBC and example_ssd_constrained. The times it
drew and each patient's totals lie outside the repository, in ``../shared/peers``; where they are missing, the tests
that need them are skipped.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from models import warden_constrained, warden_ebc, warden_ssd
from models.catalogue import woman_rows, women
from models.running import World, assert_same, crowd, on_batch, on_simpy

PEERS = Path(__file__).resolve().parents[3] / "shared" / "peers"
#: Relative; agreement within rounding is about 1e-13.
TOLERANCE = 1e-8
Z = 4.0
WTP = 50_000.0
TOTALS = {"cost": "total_costs", "qaly": "total_qalys", "life_years": "total_lys"}


def table(name: str) -> pd.DataFrame:
    """Read what WARDEN drew and got."""
    path = PEERS / name
    if not path.exists():
        pytest.skip(f"{path.name}: the patient-level results of WARDEN are not here (expected in ../shared/peers)")
    return pd.read_csv(path)


def assert_agrees(world: World, expected: pd.DataFrame) -> None:
    """Each patient's three totals."""
    for own, theirs in TOTALS.items():
        np.testing.assert_allclose(world.lives[own], expected[theirs], rtol=TOLERANCE, atol=0.0, err_msg=own)


def means(world: World, arm: np.ndarray) -> np.ndarray:
    """Mean cost, life years and QALYs of an arm."""
    return np.array([world.lives[name][arm].mean() for name in ("cost", "life_years", "qaly")])


def test_sick_sicker_dead_patient_by_patient() -> None:
    rows = table("warden_ssd_1000.csv.gz")
    arm = (rows["arm"] == "int").to_numpy()
    patients = crowd(len(rows), sicker=rows["sicker"], death=rows["death"], arm=arm)
    batch = on_batch(warden_ssd.PATHWAY, patients, warden_ssd.Inputs())
    assert_agrees(batch, rows)
    assert_same(on_simpy(warden_ssd.PATHWAY, patients, warden_ssd.Inputs()), batch)
    new, old = means(batch, arm), means(batch, ~arm)
    published = [71_261.66, 11.21, 6.98], [63_063.40, 11.08, 6.63]
    assert np.round([new, old], 2).tolist() == [list(row) for row in published]
    gain = new - old
    assert round(gain[0] / gain[1], 2) == 66_484.18
    assert round(gain[0] / gain[2], 2) == 23_296.79
    assert round(WTP * gain[2] - gain[0], 2) == 9_396.99


def ssd_exactly(model: warden_ssd.Inputs, arm: int) -> np.ndarray:
    """Cost, life years and QALYs of the continuous-time chain that the model is."""
    to_sicker = model.rate_sicker * (model.hazard_ratio if arm else 1.0)
    sick = 1.0 / (to_sicker + model.rate_death + model.force)
    sicker = to_sicker / (model.rate_death / model.life_left + model.force)
    prices = [price + model.treatment * arm for price in model.cost]
    valued = [prices, [1.0, 1.0], model.utility]
    return np.array([sick * (first + second * sicker) for first, second in valued])


def test_sick_sicker_dead_by_theory() -> None:
    """200,000 patients an arm with this project's own draws; 6 statistics at |z| < 4: error rate 4e-4."""
    n, model = 200_000, warden_ssd.Inputs()
    for arm, published in ((1, [69_331.9, 10.8946, 6.7842]), (0, [61_348.9, 10.7734, 6.4415])):
        exact = ssd_exactly(model, arm)
        assert exact == pytest.approx(published, rel=1e-5)
        lives = on_batch(warden_ssd.PATHWAY, crowd(n, arm=np.full(n, arm)), model, seed=31).lives
        for name, expected in zip(("cost", "life_years", "qaly"), exact, strict=True):
            z = (lives[name].mean() - expected) / (lives[name].std() / math.sqrt(n))
            assert abs(z) < Z, name


def test_sick_sicker_dead_twins() -> None:
    """Common random numbers: who dies before getting sicker in either arm differs by the cost of treatment alone."""
    n, model = 5_000, warden_ssd.Inputs()
    new, old = (on_batch(warden_ssd.PATHWAY, crowd(n, arm=np.full(n, a)), model, seed=31).lives for a in (1, 0))
    same = (new["state"] == 0) & (old["state"] == 0)
    assert same.sum() > 500
    assert new["t"][same].tobytes() == old["t"][same].tobytes()
    np.testing.assert_allclose(new["sicker"], old["sicker"] / 0.7, rtol=1e-14)
    np.testing.assert_allclose((new["cost"] - old["cost"])[same], 1000.0 * new["life_years"][same], rtol=1e-9)


# --- early breast cancer

GIVEN = {
    "ttot": warden_ebc.TTOT,
    "ttot.beva": warden_ebc.TTOT_BEVA,
    "progression.mbc": warden_ebc.PROGRESSION,
    "os": warden_ebc.OS,
    "idfs": warden_ebc.IDFS,
    "ttot.early": warden_ebc.TTOT_EARLY,
    "remission": warden_ebc.REMISSION,
    "recurrence": warden_ebc.RECURRENCE,
    "start.early.mbc": warden_ebc.START_MBC,
}
#: Adverse events, recurrences, early metastatic disease, progressions, second lines: int, noint.
COUNTED = [warden_ebc.AE, warden_ebc.RECURRENCE, warden_ebc.START_MBC, warden_ebc.PROGRESSION, warden_ebc.SECOND_LINE]
PUBLISHED_COUNTS = [1138, 1349, 376, 564, 240], [1347, 1185, 362, 436, 193]


def test_early_breast_cancer_patient_by_patient() -> None:
    rows = table("warden_ebc_2000.csv.gz")
    arm = (rows["arm"] == "int").to_numpy()
    first = np.full((len(rows), warden_ebc.EVENTS), math.inf)
    for column, event in GIVEN.items():
        first[:, event] = rows[column]
    patients = woman_rows(arm, rows["fl.remission"], first, rows["u_ae1"], rows["u_ae2"], rows["u_mbc1"])
    batch = on_batch(warden_ebc.PATHWAY, patients, warden_ebc.Inputs())
    assert_agrees(batch, rows)
    assert_same(on_simpy(warden_ebc.PATHWAY, patients, warden_ebc.Inputs()), batch)
    new, old = means(batch, arm), means(batch, ~arm)
    published = [425_039.19, 13.60, 10.87], [239_900.74, 12.18, 9.72]
    assert np.round([new, old], 2).tolist() == [list(row) for row in published]
    for of_arm, counts in zip((arm, ~arm), PUBLISHED_COUNTS, strict=True):
        assert batch.lives["events"][of_arm].sum(axis=0)[COUNTED].tolist() == counts
    gain = new - old
    assert round(gain[0] / gain[1], 2) == 130_507.30
    assert round(gain[0] / gain[2], 2) == 160_592.84
    assert round(WTP * gain[2] - gain[0], 2) == -127_496.26


@pytest.mark.parametrize(
    ("arm", "published"), [(1, [426_278.0, 13.596, 10.850]), (0, [241_182.0, 12.259, 9.773])], ids=["int", "noint"]
)
def test_early_breast_cancer_with_our_own_draws(arm: int, published: list[float]) -> None:
    """100,000 women against 400,000 of an independent implementation, both with Monte-Carlo error (and rounding)."""
    n = 100_000
    lives = on_batch(warden_ebc.PATHWAY, women(n, arm), warden_ebc.Inputs(), seed=32, journal=False).lives
    for name, expected, digits in zip(("cost", "life_years", "qaly"), published, (0, 3, 3), strict=True):
        error = lives[name].std() * math.sqrt(1.0 / n + 1.0 / 400_000) + 0.5 * 10.0**-digits
        assert abs(lives[name].mean() - expected) / error < Z, name


# --- shared beds


def constrained(rows: pd.DataFrame, arm: str) -> tuple[pd.DataFrame, np.ndarray]:
    """One arm's rows and patients."""
    rows = rows[rows["arm"] == arm]
    return rows, crowd(len(rows), sicker=rows["sicker"], death=rows["death"], arm=np.full(len(rows), arm == "int"))


@pytest.mark.parametrize(
    ("arm", "published", "queued"),
    [("int", [58_978.88, 9.72, 6.27], 0.0), ("noint", [50_094.68, 9.48, 5.96], 0.15)],
)
def test_constrained_patient_by_patient(arm: str, published: list[float], queued: float) -> None:
    rows, patients = constrained(table("warden_ssd_constrained_1000.csv.gz"), arm)
    pathway, inputs = warden_constrained.PATHWAY, warden_constrained.Inputs()
    world = on_simpy(pathway, patients, inputs, capacities={"bed": 650})
    assert_agrees(world, rows)
    np.testing.assert_allclose(world.lives["t"], rows["death_actual"], rtol=1e-12)
    assert world.lives["queued"].tolist() == rows["had_to_queue"].tolist()
    assert np.round(means(world, np.full(len(rows), True)), 2).tolist() == published
    assert round(world.lives["queued"].mean(), 2) == queued


@pytest.mark.parametrize(("arm", "cost", "qaly"), [("int", 58_978.88, 6.27), ("noint", 51_768.23, 6.08)])
def test_constrained_without_sharing(arm: str, cost: float, qaly: float) -> None:
    """Each patient with beds of their own: what WARDEN's unconstrained engine gives; and where it must not matter."""
    rows, patients = constrained(table("warden_ssd_constrained_1000.csv.gz"), arm)
    pathway, inputs = warden_constrained.PATHWAY, warden_constrained.Inputs()
    batch = on_batch(pathway, patients, inputs)
    assert round(batch.lives["cost"].mean(), 2) == cost
    assert round(batch.lives["qaly"].mean(), 2) == qaly
    for beds in (None, len(rows), 10**6):
        assert_same(on_simpy(pathway, patients, inputs, capacities={"bed": beds}), batch)
    none = on_simpy(pathway, patients, inputs, capacities={"bed": 0})
    assert none.lives["queued"].tolist() == (patients["sicker"] < patients["death"]).astype(int).tolist()
