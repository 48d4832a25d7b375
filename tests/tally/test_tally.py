"""The tally against theory: exponential lives, conservation, pairs, and sums that have no order."""

import math
import pickle
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.api import SurvfuncRight

from sim.kernel import INF
from sim.tally.counts import BLOCK, Tally
from sim.tally.measures import MEASURES, MONTHS
from sim.tally.outcomes import ORIGINS, states_at
from sim.units import DAYS_PER_MONTH, DAYS_PER_YEAR

from .made_up import (
    AFTER_RELAPSE,
    DEATH,
    RELAPSE,
    THERAPY,
    blocks,
    empty,
    immediate,
    pathway,
    split,
    tallied,
)

N = 20000


def look(frame: pd.DataFrame, name: str, months: float | None = None, policy: str = "watch", stratum: str = "all"):
    """Find one row of a frame."""
    column = "measure" if "measure" in frame else "curve"
    rows = frame[(frame["policy"] == policy) & (frame["stratum"] == stratum) & (frame[column] == name)]
    rows = rows[rows["months"].isna()] if months is None else rows[rows["months"] == months]
    assert len(rows) == 1, (name, months, policy, stratum)
    return rows.iloc[0]


def written(tally: Tally) -> bytes:
    return b"".join(frame.to_csv(index=False).encode() for frame in tally.frames())


@pytest.fixture(scope="module")
def exponential_lives() -> np.ndarray:
    return immediate(N, np.random.default_rng(11))


@pytest.fixture(scope="module")
def exponential(exponential_lives):
    tally = Tally(["watch"])
    for first, lives in split({"watch": exponential_lives}):
        tally.add(first, lives)
    return tally.frames()


# --- theory ----------------------------------------------------------------------------------------------------------


def expected(month: float) -> dict[str, float]:
    """Give what constant rates imply: relapse and death compete, death follows relapse, therapy changes nothing."""
    event = RELAPSE + DEATH
    efs, relapsed = math.exp(-event * month), RELAPSE / event * (1.0 - math.exp(-event * month))
    after = RELAPSE * (math.exp(-event * month) - math.exp(-AFTER_RELAPSE * month)) / (AFTER_RELAPSE - event)
    return {
        "os": efs + after,
        "efs": efs,
        "efs_censored": efs,
        "efs_stringent": math.exp(-(event + THERAPY) * month),
        "rfs": efs,
        "cif_relapse": relapsed,
        "cir": relapsed,
        "cif_relapse_cd19pos": 0.5 * relapsed,
        "cif_relapse_cd19neg": 0.4 * relapsed,
        "cif_lineage_switch": 0.1 * relapsed,
        "cif_nrm": DEATH / event * (1.0 - efs),
        "cif_relapse_cns": 0.0,
        "cif_nonresponse": 0.0,
    }


@pytest.mark.parametrize("month", MONTHS)
def test_exponential_lives_give_exponential_curves(exponential, month):
    summary, curves, _ = exponential
    for name, value in expected(month).items():
        row = look(summary, name, month)
        assert abs(row["value"] - value) <= 4.5 * row["mc_se"], name
        point = look(curves, name, month)
        assert point["estimate"] == pytest.approx(row["value"], abs=1e-12)
        assert point["low"] <= point["estimate"] <= point["high"]


def test_errors_are_as_stated(exponential):
    summary = exponential[0]
    os12, km12 = look(summary, "os", 12), look(summary, "efs_censored", 12)
    assert os12["mc_se"] == pytest.approx(math.sqrt(os12["value"] * (1 - os12["value"]) / N))
    assert km12["mc_se"] > look(summary, "efs", 12)["mc_se"]  # censoring costs information


def test_means_and_medians_of_exponential_lives(exponential, exponential_lives):
    summary = exponential[0]
    event = RELAPSE + DEATH
    years = (1 / event + RELAPSE / event / AFTER_RELAPSE) / 12
    life = look(summary, "life_years")
    assert abs(life["value"] - years) < 4 * life["mc_se"]
    assert life["mc_se"] == pytest.approx(np.std(exponential_lives["t_death"] / DAYS_PER_YEAR, ddof=1) / math.sqrt(N))
    rmst = look(summary, "rmst_efs", 60)
    assert abs(rmst["value"] - (1 - math.exp(-60 * event)) / event) < 4 * rmst["mc_se"]
    after, before = look(summary, "os_after_relapse_median"), look(summary, "time_to_relapse_median")
    assert abs(after["value"] - math.log(2) / AFTER_RELAPSE) < 4 * after["mc_se"]
    assert abs(before["value"] - math.log(2) / event) < 4 * before["mc_se"]
    relapsed = exponential_lives["t_relapse"] < INF
    assert before["mc_se"] == pytest.approx(1 / (event * math.sqrt(relapsed.sum())), rel=0.1)
    later = look(summary, "os_after_relapse", 12)
    assert abs(later["value"] - math.exp(-12 * AFTER_RELAPSE)) < 4 * later["mc_se"]


def test_censoring_at_therapy_agrees_with_statsmodels(exponential, exponential_lives):
    lives = exponential_lives
    event = np.minimum(lives["t_relapse"], lives["t_death"])
    reference = SurvfuncRight(np.minimum(event, lives["t_therapy"]), event <= lives["t_therapy"])
    for month in MONTHS[:-1]:
        at = np.searchsorted(reference.surv_times, month * DAYS_PER_MONTH, side="right") - 1
        row = look(exponential[0], "efs_censored", month)
        assert abs(row["value"] - reference.surv_prob[at]) < 1e-3
        assert row["mc_se"] == pytest.approx(reference.surv_prob_se[at], rel=0.02)


def test_aplasia_ends_of_itself_or_with_relapse_and_death(exponential):
    summary, curves, _ = exponential
    lost = look(summary, "bca_lost", 12)
    rate = 0.02 + RELAPSE  # a relapse ends the wait for the end of aplasia; death here does not stop its clock
    assert abs(lost["value"] - 0.02 / rate * (1 - math.exp(-12 * rate))) < 0.02
    still = look(curves, "aplasia", 12)
    assert abs(still["estimate"] - math.exp(-12 * (0.02 + RELAPSE + DEATH))) < 4 * math.sqrt(0.25 / N)


# --- conservation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ORIGINS)
def test_shares_add_up(origin):
    summary, curves, _ = tallied(9000, 3, origin=origin).frames()
    wide = curves.pivot_table(index=["policy", "stratum", "months"], columns="curve", values="estimate")
    first = ["efs", "cif_relapse", "cif_nrm", *(c for c in ("cif_nonresponse", "cif_not_infused") if c in wide)]
    assert np.allclose(wide[first].sum(axis=1), 1.0, atol=1e-12)
    assert np.allclose(wide[states_at(origin)].sum(axis=1), 1.0, atol=1e-12)
    assert np.allclose(wide["state_dead"], 1.0 - wide["os"], atol=1e-12)
    types = ["cif_relapse_cd19pos", "cif_relapse_cd19neg", "cif_lineage_switch"]
    assert np.allclose(wide[types].sum(axis=1), wide["cif_relapse"], atol=1e-12)
    assert np.allclose(wide["rfs"].dropna() + wide["cir"].dropna() <= 1.0 + 1e-12, True)
    assert (wide["efs_stringent"] <= wide["efs"] + 1e-12).all()
    assert (wide["efs"] <= wide["os"] + 1e-12).all()
    for column in ("os", "efs", "efs_censored", "efs_stringent", "rfs", "aplasia"):
        assert (wide[column].groupby(["policy", "stratum"]).diff().dropna() <= 1e-12).all()
    values = summary[summary["months"].isna()].pivot_table(
        index=["policy", "stratum"], columns="measure", values="value", dropna=False
    )
    for names in (
        [f"crs_grade_{g}" for g in range(6)],
        [f"icans_grade_{g}" for g in range(6)],
        ["relapse_share_cd19pos", "relapse_share_cd19neg", "relapse_share_lineage_switch"],
        [f"death_{cause}" for cause in ("leukaemia", "toxicity", "infection", "transplant", "background", "waiting")],
    ):
        assert np.allclose(values[names].sum(axis=1), 1.0, atol=1e-12), names
    assert np.allclose(values["hct_first"] + values["hct_second"], values["hct"], atol=1e-12)
    assert np.allclose(values["crs_ge3"], values[[f"crs_grade_{g}" for g in (3, 4, 5)]].sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_measure_is_what_its_definition_says_on_plain_columns(origin):
    """Count again with pandas, patient by patient, what the bit-packed counts claim."""
    n = 2500
    lives = pathway(n, 8, transplanted=0.5)
    tally = Tally(["watch"], origin)
    tally.add(0, {"watch": lives})
    summary, curves, _ = tally.frames()
    table = pd.DataFrame({name: lives[name] for name in lives.dtype.names if lives.dtype[name].shape == ()})
    zero = {"referral": 0.0 * table["wait"], "infusion": table["t_infusion"], "remission": table["t_response"]}[origin]
    counted = table[{"referral": zero == 0.0, "infusion": zero < INF, "remission": table["cr"] == 1}[origin]]
    zero = zero[counted.index]
    why = counted["not_infused"]
    no_infusion = pd.Series(
        np.where(np.isin(why, (4, 5)), np.minimum(counted["wait"], counted["t_death"]), INF), zero.index
    )
    no_infusion[why.isin((1, 2))] = 0.0
    efs = pd.concat([counted[c] for c in ("t_nonresponse", "t_relapse", "t_death")] + [no_infusion], axis=1).min(axis=1)
    stringent = pd.concat([efs, counted["t_mrd"], counted["t_therapy"]], axis=1).min(axis=1)
    for stratum, inside in (
        ("all", counted["prior_hct"] >= 0),
        ("no_prior_hct", counted["prior_hct"] == 0),
        ("prior_hct", counted["prior_hct"] == 1),
    ):
        part = counted[inside]
        cr = part[part["cr"] == 1]

        def same(name: str, months: float | None, value: float, stratum: str = stratum) -> None:
            found = look(summary, name, months, stratum=stratum)["value"]
            assert found == pytest.approx(value, abs=1e-12), (name, months, stratum)

        for m in (6, 12, 60):
            day = m * DAYS_PER_MONTH
            same("os", m, np.mean(part["t_death"] - zero[inside] > day))
            same("efs", m, np.mean(efs[inside] - zero[inside] > day))
            same("efs_stringent", m, np.mean(stringent[inside] - zero[inside] > day))
            since = np.minimum(cr["t_relapse"], cr["t_death"]) - cr["t_response"]
            same("rfs", m, np.mean(since > day))
            same("cir", m, np.mean(cr["t_relapse"] - cr["t_response"] <= day))
            negative = (part["relapse_type"] == 2) & (part["t_relapse"] - zero[inside] <= day)
            same("cif_relapse_cd19neg", m, np.mean(negative))
            same("cif_relapse_cns", m, np.mean((part["relapse_site"] == 2) & (part["t_relapse"] - zero[inside] <= day)))
        same("cr", None, np.mean(part["cr"]))
        same("hct", None, np.mean(part["t_hct"] < INF))
        same("salvage_hct", None, np.mean(part["t_salvage_hct"] < INF))
        same("severe_infection", None, np.mean(part["severe_infections"] > 0))
        same("mrd_day28_ngs", None, np.mean(cr["day28_mrd"] & 4 > 0))
        lost = (cr["t_aplasia_lost"] - cr["t_infusion"] <= 6 * DAYS_PER_MONTH) & (
            cr["t_aplasia_lost"] < np.minimum(cr["t_hct"], cr["t_relapse"])
        )
        same("bca_lost", 6, np.mean(lost))
        stop = np.minimum(np.minimum(part["t_death"], part["t_hct"]), part["t_salvage_hct"]) - part["t_infusion"]
        infused = part["t_infusion"] < INF
        same("icaht_ge3", None, np.mean(infused & (part["neutropenia_days"] >= 14) & (stop.where(infused) >= 14)))
        same("ward_days", None, np.mean(part["ward_days"]))
        same("infections", None, np.mean(part["infections"]))
        same("wait_days", None, np.mean(part["t_infusion"][infused]))
        same("life_years", None, np.mean(part["t_death"] - zero[inside]) / DAYS_PER_YEAR)
        same("rmst_efs", 60, np.mean(np.minimum(efs[inside] - zero[inside], 60 * DAYS_PER_MONTH)) / DAYS_PER_MONTH)
        at_risk = look(curves, "cif_relapse", 12, stratum=stratum)["at_risk"]
        assert at_risk == np.sum(efs[inside] - zero[inside] > 12 * DAYS_PER_MONTH)
        if origin == "referral":
            same("infused", None, np.mean(infused))
            same("manufacturing_failure", None, np.mean(part["not_infused"] == 5))


def test_a_life_by_hand():
    """Referred at day 0, infused at 50, remission at 78, transplanted at 120, CNS relapse at 400, dead at 1000."""
    lives = empty(1)
    one = lives[0]
    one["t_infusion"], one["t_lymphodepletion"], one["t_response"], one["cr"] = 50.0, 45.0, 78.0, 1
    one["t_hct"], one["t_therapy"], one["hcts"], one["t_aplasia_lost"] = 120.0, 120.0, 1, 120.0
    one["t_relapse"], one["relapse_type"], one["relapse_site"], one["t_death"], one["cause"] = 400.0, 1, 2, 1000.0, 1
    tally = Tally(["watch"])
    tally.add(0, {"watch": lives})
    summary, curves, paired = tally.frames()
    assert paired.empty
    value = {(r.measure, r.months if r.months == r.months else None): r.value for r in summary.itertuples()}
    assert [value["os", m] for m in (24, 36)] == [1.0, 0.0]  # 950 days are 31.2 months
    assert [value["efs", m] for m in (6, 12)] == [1.0, 0.0]  # 350 days are 11.5 months
    assert [value["efs_stringent", m] for m in (6,)] == [0.0]
    assert [value["efs_censored", m] for m in (6, 60)] == [1.0, 1.0]
    assert [value["cif_relapse_cns", m] for m in (6, 12)] == [0.0, 1.0]
    assert value["bca_lost", 60] == 0.0  # the transplant ended it
    assert value["life_years", None] == pytest.approx(950 / 365.25)
    assert value["death_leukaemia", None] == 1.0
    everyone = curves[curves["stratum"] == "all"]
    states = everyone[everyone["curve"].str.startswith("state_") & (everyone["estimate"] == 1.0)]
    found = states.set_index("months")["curve"]
    assert [found[m].removeprefix("state_") for m in (0, 1, 2, 3, 12, 32)] == [
        "treatment", "remission", "remission", "transplanted", "failed", "dead",
    ]  # fmt: skip


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_identical_policies_differ_by_exactly_nothing():
    paired = tallied(6000, 5).frames()[2]
    twin = paired[paired["policy"] == "twin"]
    assert len(twin)
    assert (twin["difference"] == 0.0).all()
    assert (twin["mc_se"] == 0.0).all()
    assert twin["variance_reduction"].isna().all()
    assert twin["nnt"].isna().all()
    assert (twin[["gain", "lose"]] == 0.0).all(axis=None)
    assert (twin["same"] == 1.0).all()


@pytest.mark.parametrize("origin", ORIGINS)
def test_paired_differences_are_those_of_the_patients(origin):
    n = 7000
    ours, theirs = pathway(n, 6, ratio=0.6, transplanted=0.7), pathway(n, 6)
    theirs["t_infusion"][:40] = INF  # some are infused under one policy only
    theirs["cr"][:40] = 0
    tally = Tally(["watch", "transplant"], origin, "watch")
    for first, lives in split({"watch": theirs, "transplant": ours}):
        tally.add(first, lives)
    paired = tally.frames()[2]
    zero = {"referral": None, "infusion": "t_infusion", "remission": "t_response"}[origin]
    both = np.ones(n, dtype=bool)
    if origin == "infusion":
        both = (ours["t_infusion"] < INF) & (theirs["t_infusion"] < INF)
    elif origin == "remission":
        both = (ours["cr"] == 1) & (theirs["cr"] == 1)
    a, b = ours[both], theirs[both]
    since = [x[zero] if zero else 0.0 for x in (a, b)]
    for name, months, x, y in (
        ("life_years", None, *[(p["t_death"] - t) / DAYS_PER_YEAR for p, t in zip((a, b), since, strict=True)]),
        ("os", 36, *[1.0 * (p["t_death"] - t > 36 * DAYS_PER_MONTH) for p, t in zip((a, b), since, strict=True)]),
        ("ward_days", None, a["ward_days"], b["ward_days"]),
        ("hct", None, 1.0 * (a["t_hct"] < INF), 1.0 * (b["t_hct"] < INF)),
    ):
        row = look(paired, name, months, policy="transplant")
        d = x - y
        assert row["difference"] == pytest.approx(d.mean(), abs=1e-12)
        assert row["mc_se"] == pytest.approx(d.std(ddof=1) / math.sqrt(len(d)))
        apart = math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / len(d))
        assert row["unpaired_se"] == pytest.approx(apart)
        assert row["variance_reduction"] == pytest.approx((apart / row["mc_se"]) ** 2)
        sign = -1 if name == "ward_days" else 1
        assert row["gain"] == pytest.approx(np.mean(sign * d > 1e-9))
        assert row["lose"] == pytest.approx(np.mean(sign * d < -1e-9))
        assert row["gain"] + row["lose"] + row["same"] == pytest.approx(1.0)


def test_number_needed_to_transplant():
    paired = tallied(12000, 7).frames()[2]
    hct = look(paired, "hct", policy="transplant")["difference"]
    for name, month in (("os", 60), ("efs", 60)):
        row = look(paired, name, month, policy="transplant")
        assert hct > 0.3
        assert row["difference"] > 0.0
        assert row["nnt"] == pytest.approx(hct / row["difference"])
    assert look(paired, "cr", policy="transplant")["nnt"] != look(paired, "cr", policy="transplant")["nnt"]


def test_only_comparable_populations_are_paired():
    names = {m.name for m in MEASURES if m.paired}
    assert {"os", "efs", "rfs", "bca_lost", "hct", "life_years", "ward_days", "crs_ge3"} <= names
    assert not names & {"efs_censored", "os_after_relapse", "relapse_share_cns", "cgvhd_after_hct", "death_leukaemia"}


def test_strata_are_the_cohort():
    summary = tallied(9000, 9).frames()[0]
    lives = np.concatenate([block["watch"] for _, block in blocks(9000, 9)])
    prior = lives["prior_hct"][lives["t_infusion"] < INF].mean()
    parts = [look(summary, "life_years", stratum=s)["value"] for s in ("no_prior_hct", "prior_hct")]
    assert look(summary, "life_years")["value"] == pytest.approx((1 - prior) * parts[0] + prior * parts[1])
    assert look(summary, "hct_second", stratum="no_prior_hct", policy="transplant")["value"] == 0.0
    assert look(summary, "hct_second", stratum="prior_hct", policy="transplant")["value"] > 0.3


def test_a_stratum_without_patients_has_no_rows():
    tally = Tally(["watch"])
    lives = immediate(100, np.random.default_rng(1))
    tally.add(0, {"watch": lives})
    for frame in tally.frames():
        assert set(frame["stratum"]) <= {"all", "no_prior_hct"}


# --- sums have no order ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ORIGINS)
def test_bytes_do_not_depend_on_order_split_or_policy_order(origin):
    n = 3 * BLOCK + 700
    whole = written(tallied(n, 12, origin=origin))
    parts = blocks(n, 12)
    options = {"origin": origin, "reference": "watch"}
    backwards = Tally(["transplant", "twin", "watch"], **options)
    for first, lives in reversed(parts):
        backwards.add(first, dict(reversed(lives.items())))
    assert written(backwards) == whole
    left, right = (Tally(["twin", "watch", "transplant"], **options) for _ in range(2))
    for i, (first, lives) in enumerate(parts):
        (left, right)[i % 2].add(first, lives)
    right.merge(pickle.loads(pickle.dumps(left)))
    assert written(right) == whole
    assert written(pickle.loads(pickle.dumps(right))) == whole


def test_memory_does_not_grow_with_patients():
    few, many = tallied(2 * BLOCK, 13), tallied(6 * BLOCK, 13)
    assert len(pickle.dumps(many)) < 1.02 * len(pickle.dumps(few))


def test_the_frames_read_back_as_written():
    for frame in tallied(3000, 14).frames():
        again = pd.read_csv(StringIO(frame.to_csv(index=False)))
        assert list(again.columns) == list(frame.columns)
        assert again["months"].equals(frame["months"])
        assert frame["policy"].is_monotonic_increasing


# --- horizon ---------------------------------------------------------------------------------------------------------


def test_a_horizon_ends_curves_and_restricts_life_years():
    lives = immediate(4000, np.random.default_rng(15))
    horizon = 30 * DAYS_PER_MONTH
    alive = lives["t_death"] > horizon
    full_time = lives["t_death"].copy()
    for name in ("t_death", "t_relapse", "t_therapy", "t_maintenance"):
        lives[name] = np.where(lives[name] > horizon, INF, lives[name])
    tally = Tally(["watch"], horizon_days=horizon)
    tally.add(0, {"watch": lives})
    summary, curves, _ = tally.frames()
    assert set(summary[summary["measure"] == "os"]["months"]) == {6, 12, 18, 24}
    assert curves[curves["curve"] == "os"]["months"].max() == 30
    assert look(summary, "life_years")["value"] == pytest.approx(np.minimum(full_time, horizon).mean() / DAYS_PER_YEAR)
    assert alive.mean() > 0.1
    relapsed = lives["t_relapse"] < INF
    times = np.minimum(lives["t_death"], horizon)[relapsed] - lives["t_relapse"][relapsed]
    reference = SurvfuncRight(times, lives["t_death"][relapsed] < INF)
    at = np.searchsorted(reference.surv_times, 12 * DAYS_PER_MONTH, side="right") - 1
    assert look(summary, "os_after_relapse", 12)["value"] == pytest.approx(reference.surv_prob[at], abs=1e-3)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_what_is_refused():
    lives = {"watch": immediate(100, np.random.default_rng(16))}
    with pytest.raises(ValueError, match="origin"):
        Tally(["watch"], "birth")
    with pytest.raises(ValueError, match="reference"):
        Tally(["watch"], reference="wait")
    tally = Tally(["watch"])
    with pytest.raises(ValueError, match="no patients"):
        tally.frames()
    with pytest.raises(ValueError, match="multiple of 4096"):
        tally.add(100, lives)
    with pytest.raises(ValueError, match="policies"):
        tally.add(0, {"wait": lives["watch"]})
    with pytest.raises(ValueError, match="in order"):
        tally.add(4096, lives)
    tally.add(0, lives)
    with pytest.raises(ValueError, match="already"):
        tally.add(0, lives)
    with pytest.raises(ValueError, match="share a block"):
        tally.merge(tally)
    with pytest.raises(ValueError, match="origin"):
        tally.merge(Tally(["watch"], "referral"))
    late = Tally(["watch"])
    late.add(4096, {"watch": immediate(4096, np.random.default_rng(17), 4096)})
    tally.merge(late)
    with pytest.raises(ValueError, match="not the last"):
        tally.frames()
    with pytest.raises(ValueError, match="shorter"):
        tally.add(8192, {"watch": immediate(10, np.random.default_rng(17), 8192)})


def test_somebody_who_never_dies_is_named():
    lives = immediate(50, np.random.default_rng(18))
    lives["t_death"][31] = INF
    with pytest.raises(ValueError, match="patient 31"):
        Tally(["watch"]).add(0, {"watch": lives})


def test_a_column_that_is_no_number_is_named():
    lives = immediate(50, np.random.default_rng(19))
    lives["ward_days"][3] = np.nan
    with pytest.raises(ValueError, match="ward_days is not a number"):
        Tally(["watch"]).add(0, {"watch": lives})


def test_a_short_last_block_is_counted_whole():
    tally = Tally(["watch"])
    tally.add(0, {"watch": immediate(77, np.random.default_rng(20))})
    assert look(tally.frames()[1], "os", 0)["at_risk"] == 77
