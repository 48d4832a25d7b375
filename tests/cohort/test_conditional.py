"""What a patient table leaves open is drawn given what it states.

Comparisons are made at 5 standard errors; about 40 of them fail a correct program in 1 of 40,000 cases.
"""

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from sim.cohort import draw
from sim.cohort.copula import Copula

N = 20000
LIMIT = 5.0
STRONG = ("cohort.correlation={age_burden:0.5,age_dose:-0.3,burden_dose:0.4,dose_flu_auc:0.5}",)


def rows(table, header, cells, count=N):
    return table(header + "\n" + "\n".join([cells] * count) + "\n")


def latent(cohort, lives, name):
    part = getattr(cohort, name)
    return (np.log(lives[name]) - math.log(part.median.value)) / part.sigma.value


def check_mean(values, mean, spread, what=""):
    assert abs(values.mean() - mean) <= LIMIT * spread / math.sqrt(len(values)), f"{what}: {values.mean()} not {mean}"


def check_share(hits, share, what=""):
    check_mean(hits, share, math.sqrt(max(share * (1 - share), 1e-9)), what)


def test_given_cells_are_kept(cohort_of, products, table):
    given = table(
        "age,female,weight,blasts_percent,prior_hct,months_hct_to_relapse,hct_tbi,relapses,refractory,blinatumomab,"
        "inotuzumab,kmt2ar,ph,hypodiploid,tp53,down,instability,site,comorbidity,neuro_history,donor,product,dose,"
        "flu_auc,distance,poverty,uninsured,wish,fit,id\n"
        "6.5,female,21,30,yes,4.5,1,7,1,nonresponder,1,1,1,0,germline,1,1,cns,1,1,sibling,brexu_cel,1.1,9.9,1,1,1,0,0,A7\n"
    )
    life = draw(cohort_of(), 1, 0, 1, products, given)[0]
    kept = {name: life[name] for name in life.dtype.names}
    assert kept == {
        "age": 6.5, "female": 1, "weight": 21.0, "burden": math.log10(0.3), "burden_class": 3, "prior_hct": 1,
        "months_hct_to_relapse": 4.5, "hct_tbi": 1, "relapses": 7, "refractory": 1, "blinatumomab": 2, "inotuzumab": 1,
        "kmt2ar": 1, "ph": 1, "hypodiploid": 0, "tp53": 2, "down": 1, "instability": 1, "site": 1, "comorbidity": 1,
        "neuro_history": 1, "donor": 1, "product": 2, "dose": 1.1, "flu_auc": 9.9, "distance": 1, "poverty": 1,
        "uninsured": 1, "wish": 0, "fit": 0,
    }  # fmt: skip


def test_a_table_that_gives_nothing_is_the_cohort(cohort_of, products, table):
    given = rows(table, "id", "x", 5000)
    assert draw(cohort_of(), 1, 0, 5000, products, given).tobytes() == draw(cohort_of(), 1, 0, 5000, products).tobytes()


def test_normals_given_normals(cohort_of, products, table):
    # Dose given burden and age, and exposure given dose: regression of jointly normal variables.
    cohort = cohort_of("real_world_us", *STRONG)
    given = rows(table, "age,burden", "16,-0.2")
    lives = draw(cohort, 1, 0, N, products, given)
    points, probabilities = cohort.age.points(), np.linspace(0, 1, 5)
    known = np.array([ndtri(np.interp(16, points, probabilities)), ndtri(_level(cohort, -0.2))])
    matrix = np.array(cohort.correlation.matrix())
    weights = np.linalg.solve(matrix[:2, :2], matrix[:2, 2])
    mean, spread = weights @ known, math.sqrt(1 - matrix[:2, 2] @ weights)
    dose, exposure = latent(cohort, lives, "dose"), latent(cohort, lives, "flu_auc")
    check_mean(dose, mean, spread, "dose")
    assert abs(dose.std() / spread - 1) <= LIMIT / math.sqrt(2 * N)
    weights = np.linalg.solve(matrix[:2, :2], matrix[:2, 3])
    joint = np.linalg.solve(matrix[:3, :3], matrix[:3, 3])
    check_mean(exposure - joint[2] * dose, joint[:2] @ known, math.sqrt(1 - matrix[:3, 3] @ joint), "exposure")


def _level(cohort, burden):
    shares, edges = np.array(list(cohort.burden.shares.values())), np.array(cohort.burden.edges())
    code = np.searchsorted(edges, burden, side="right") - 1
    return shares[:code].sum() + shares[code] * (burden - edges[code]) / (edges[code + 1] - edges[code])


def test_normals_given_a_class(cohort_of, products, table):
    # Known only to have more than 40 % blasts: the mean of a truncated normal.
    cohort = cohort_of("real_world_us", *STRONG)
    lives = draw(cohort, 1, 0, N, products, rows(table, "burden_class", "above_40"))
    share = cohort.burden.share("above_40")
    low = ndtri(1 - share)
    mean = math.exp(-low * low / 2) / math.sqrt(2 * math.pi) / share
    assert (lives["burden"] >= math.log10(0.4)).all()
    check_mean(lives["burden"], math.log10(0.4) / 2, -math.log10(0.4) / math.sqrt(12), "uniform within the class")
    check_mean(latent(cohort, lives, "dose"), cohort.correlation.burden_dose * mean, 1.0, "dose")


def test_class_given_age(cohort_of, products, table):
    cohort = cohort_of("real_world_us", *STRONG)
    lives = draw(cohort, 1, 0, N, products, rows(table, "age", "17.5"))
    r, high = cohort.correlation.age_burden, ndtri(1 - cohort.burden.share("above_40"))
    check_share(lives["burden_class"] == 4, 1 - ndtr((high - r * ndtri(0.75)) / math.sqrt(1 - r * r)))


def test_age_given_burden(cohort_of, products, table):
    cohort = cohort_of("real_world_us", *STRONG)
    lives = draw(cohort, 1, 0, N, products, rows(table, "blasts_percent", "90"))
    r, level = cohort.correlation.age_burden, ndtri(_level(cohort, math.log10(0.9)))
    check_share(lives["age"] < cohort.age.median, ndtr(-r * level / math.sqrt(1 - r * r)))


def test_rows_differ_in_what_they_state(cohort_of, products, table):
    cohort = cohort_of()
    given = table("age,dose,prior_hct\n5,,1\n,3.3,\n,,0\n7,2,\n")
    lives = draw(cohort, 1, 0, 4, products, given)
    alone = [draw(cohort, 1, 0, 4, products, np.repeat(given[i : i + 1], 4))[i] for i in range(4)]
    assert lives.tolist() == [life.tolist() for life in alone]
    assert lives["age"][[0, 3]].tolist() == [5, 7]
    assert lives["dose"][[1, 3]].tolist() == [3.3, 2]
    assert lives["prior_hct"][[0, 2]].tolist() == [1, 0]


@pytest.fixture(scope="module")
def free(cohort_of, products):
    return draw(cohort_of("multicentre"), 2, 0, 30 * N, products)


@pytest.mark.parametrize(
    ("header", "cell", "condition", "target"),
    [
        ("prior_hct", "1", lambda life: life["prior_hct"] == 1, "relapses"),
        ("refractory", "0", lambda life: life["refractory"] == 0, "relapses"),
        ("tp53", "germline", lambda life: life["tp53"] == 2, "hypodiploid"),
        ("inotuzumab", "1", lambda life: life["inotuzumab"] == 1, "blinatumomab"),
        ("neuro_history", "1", lambda life: life["neuro_history"] == 1, "site"),
        ("comorbidity", "1", lambda life: life["comorbidity"] == 1, "down"),
        ("age", "1.5", None, "kmt2ar"),
    ],
)
def test_categories_given_their_children(cohort_of, products, table, free, header, cell, condition, target):
    # Drawn given a cell, and the same patients found among those drawn freely: the same mixture (Bayes).
    cohort = cohort_of("multicentre")
    lives = draw(cohort, 1, 0, N, products, rows(table, header, cell))[target]
    like = free[np.abs(free["age"] - 1.5) < 0.5 if condition is None else condition(free)][target]
    for code in range(int(free[target].max()) + 1):
        share = (like == code).mean()
        error = math.sqrt(max(share * (1 - share), 1e-9) * (1 / len(lives) + 1 / len(like)))
        assert abs((lives == code).mean() - share) <= LIMIT * error, (target, code)


def test_cytogenetics_given_what_they_are_not(cohort_of, products, table):
    cohort = cohort_of()
    lives = draw(cohort, 1, 0, N, products, rows(table, "kmt2ar,ph", "0,0"))
    shares = cohort.cytogenetics.shares
    assert not (lives["kmt2ar"] | lives["ph"]).any()
    assert abs(lives["hypodiploid"].mean() - shares["hypodiploid"] / (shares["hypodiploid"] + shares["other"])) < 0.01


def test_what_cells_imply(cohort_of, products, table):
    cohort = cohort_of()
    lives = draw(cohort, 1, 0, 2000, products, rows(table, "months_hct_to_relapse,site", "3,isolated_cns", 2000))
    assert lives["prior_hct"].all()
    assert (lives["relapses"] >= 1).all()
    assert (lives["burden_class"] <= 1).all()
    lives = draw(cohort, 1, 0, 2000, products, rows(table, "relapses,blasts_percent", "0,0", 2000))
    assert lives["refractory"].all()
    assert not lives["prior_hct"].any()
    assert (lives["burden_class"] == 0).all()
    assert (lives["burden"] < -4).all()


def test_values_the_cohort_does_not_have(cohort_of, products, table):
    # Older than any, another product, a burden class and a prior transplant that nobody has: kept, finite.
    cohort = cohort_of("eliana", "cohort.burden.shares={none:0,below_5:0.25}", "cohort.prior_hct.share={value:0,low:0}")
    given = rows(table, "age,product,burden_class,prior_hct,blinatumomab", "99,brexu_cel,none,1,nonresponder", 500)
    lives = draw(cohort, 1, 0, 500, products, given)
    assert (lives["age"] == 99).all()
    assert (lives["product"] == 2).all()
    assert (lives["burden_class"] == 0).all()
    assert ((lives["burden"] >= -6.5) & (lives["burden"] <= -4)).all()
    assert (lives["relapses"] >= 1).all()
    for name in lives.dtype.names:
        assert np.isfinite(lives[name]).all(), name


def test_isolated_cns_where_the_cohort_has_no_low_burden(cohort_of, products, table):
    cohort = cohort_of("eliana", "cohort.burden.shares={none:0,below_5:0}")
    lives = draw(cohort, 1, 0, 500, products, rows(table, "site", "isolated_cns", 500))
    assert (lives["burden_class"] == 1).all()
    assert (lives["burden"] < math.log10(0.05)).all()


def test_extreme_ages(cohort_of, products):
    for age in (1, 25, 99):
        points = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
        same = ",".join(f"{name}:{age}" for name in points)
        lives = draw(cohort_of("real_world_us", f"cohort.age={{{same}}}"), 1, 0, 4096, products)
        assert (lives["age"] == age).all()
        assert np.isfinite(lives["weight"]).all()
        # Two binomial standard errors of 4096 patients are 0.008.
        assert abs(lives["kmt2ar"].mean() - 0.07) < 5 * 0.004


def test_copula_completes_any_pattern():
    matrix = np.array([[1, 0.6, -0.2], [0.6, 1, 0.3], [-0.2, 0.3, 1]])
    uniforms = np.random.default_rng(1).random((3, 60000))
    whole = Copula(matrix).complete(np.full((3, 60000), np.nan), uniforms)
    np.testing.assert_allclose(np.corrcoef(whole), matrix, atol=5 / math.sqrt(60000))
    for known in range(3):
        given = np.full((3, 60000), np.nan)
        given[known] = whole[known]
        again = Copula(matrix).complete(given, np.random.default_rng(2).random((3, 60000)))
        assert np.array_equal(again[known], whole[known])
        np.testing.assert_allclose(np.corrcoef(again), matrix, atol=5 / math.sqrt(60000))
        np.testing.assert_allclose(again.var(axis=1), 1.0, atol=5 * math.sqrt(2 / 60000))
