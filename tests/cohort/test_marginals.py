"""Marginals come out as stated, whatever the conditional tables.

Each share is compared with its binomial standard error over 65,536 patients. All cohorts together make about 500
comparisons; at 5 standard errors the chance that a correct program fails any of them is about 3 in 10,000.
"""

import math

import numpy as np
import pytest

from sim.clinic.vocabulary import FEATURES
from sim.cohort import draw, marginals, prepare
from sim.cohort.attributes import CONDITIONS, CYTOGENETICS, ORDER
from sim.cohort.shares import Flag, Table
from sim.problems import Problem

N = 65536
LIMIT = 5.0


def check_share(hits, share, what):
    error = math.sqrt(max(share * (1.0 - share), 1e-9) / len(hits))
    assert abs(hits.mean() - share) <= LIMIT * error, f"{what}: {hits.mean():.4f}, stated {share:.4f}"


@pytest.fixture(scope="module")
def lives(shipped, products):
    return draw(shipped, 1, 0, N, products)


def test_shares_of_tables(shipped, lives, products):
    for name in ORDER[2:]:
        part = getattr(shipped, name)
        if isinstance(part, Flag):
            among = {"hct_tbi": lives["prior_hct"] == 1, "refractory": lives["relapses"] > 0}.get(
                name, np.ones(N, bool)
            )
            check_share(lives[name][among] == 1, part.share.value, name)
        elif name != "cytogenetics":
            categories = products if name == "product" else part.categories
            for category, share in part.shares.items():
                check_share(lives[name] == categories.index(category), share, f"{name} {category}")
    for category in CYTOGENETICS[:3]:
        check_share(lives[category] == 1, shipped.cytogenetics.share(category), category)


def test_burden(shipped, lives):
    edges = shipped.burden.edges()
    for code, category in enumerate(shipped.burden.categories):
        share = shipped.burden.share(category)
        inside = lives["burden_class"] == code
        check_share(inside, share, category)
        if inside.any():
            level = lives["burden"][inside]
            assert edges[code] <= level.min() <= level.max() <= edges[code + 1]
            # Uniform within the class: the mean has standard error width / sqrt(12 m).
            width = edges[code + 1] - edges[code]
            assert abs(level.mean() - edges[code] - width / 2) <= LIMIT * width / math.sqrt(12 * inside.sum())


def test_quantiles_of_continuous_attributes(shipped, lives):
    for quarter, age in enumerate(shipped.age.points()[1:4], start=1):
        check_share(lives["age"] < age, quarter / 4, f"age below {age}")
    assert shipped.age.minimum <= lives["age"].min() <= lives["age"].max() <= shipped.age.maximum
    for name in ("dose", "flu_auc"):
        part = getattr(shipped, name)
        logs = (np.log(lives[name]) - math.log(part.median.value)) / part.sigma.value
        assert abs(logs.mean()) <= LIMIT / math.sqrt(N)
        assert abs(logs.var() - 1.0) <= LIMIT * math.sqrt(2.0 / N)


def test_time_from_transplant_to_relapse(shipped, lives):
    part = shipped.months_hct_to_relapse
    transplanted = lives["prior_hct"] == 1
    assert np.isinf(lives["months_hct_to_relapse"][~transplanted]).all()
    months = lives["months_hct_to_relapse"][transplanted]
    check_share(months < part.early_months.value, part.early_share.value, "early relapse")
    assert abs(np.log(months).std() / part.sigma.value - 1.0) <= LIMIT / math.sqrt(2.0 * len(months))


def test_correlations(shipped, lives):
    # Latent age, burden and dose are recovered by rank; a rank correlation r has 6/pi asin(r/2) [Pearson 1907].
    ranks = {name: np.argsort(np.argsort(lives[name])) for name in ("age", "burden", "dose", "flu_auc")}
    for a, b in (("age", "burden"), ("age", "dose"), ("burden", "dose"), ("dose", "flu_auc")):
        latent = getattr(shipped.correlation, f"{a}_{b}")
        expected = 6.0 / math.pi * math.asin(latent / 2.0)
        assert abs(np.corrcoef(ranks[a], ranks[b])[0, 1] - expected) <= LIMIT / math.sqrt(N)


def test_definitions(lives):
    assert not (lives["prior_hct"][lives["relapses"] == 0]).any()
    assert lives["refractory"][lives["relapses"] == 0].all()
    assert not (lives["burden_class"][lives["site"] == 3] >= 2).any()
    assert not lives["hct_tbi"][lives["prior_hct"] == 0].any()
    assert (lives["kmt2ar"] + lives["ph"] + lives["hypodiploid"] <= 1).all()


def test_odds_ratios_come_out(cohort_of, products):
    cohort = cohort_of()
    lives = draw(cohort, 3, 0, 4 * N, products)
    young, kmt2ar = lives["age"] < 3, (lives["kmt2ar"] == 1) & (lives["down"] == 0)
    plain = (lives["down"] == 0) & (lives["age"] < 18)
    other = plain & (lives["kmt2ar"] + lives["ph"] + lives["hypodiploid"] == 0)
    cells = [
        np.sum(kmt2ar & plain & young),
        np.sum(other & young),
        np.sum(kmt2ar & plain & ~young),
        np.sum(other & ~young),
    ]
    ratio = cells[0] * cells[3] / (cells[1] * cells[2])
    stated = cohort.cytogenetics.odds["under_3"]["kmt2ar"]
    assert abs(math.log(ratio / stated)) <= LIMIT * math.sqrt(sum(1.0 / cell for cell in cells))


def test_marginals_hold_exactly_in_the_solved_tables(shipped, products):
    # Closed form instead of sampling: enumerate the joint distribution again and average.
    recipe = prepare(shipped, products)
    from sim.cohort.recipe import _roots

    state, mass = _roots(shipped.age, recipe.burden_shares, shipped.correlation.age_burden)
    for name in ("cytogenetics", "relapses", "prior_hct", "refractory", "blinatumomab", "site", "fit"):
        table = recipe.tables[name]
        cells, weight = marginals._joint(table.parents(), recipe.tables, state, mass)
        inside = marginals.holds(table.among, cells) if table.among else np.ones(len(weight), bool)
        reached = weight[inside] @ table.probabilities(cells, len(weight))[inside] / weight[inside].sum()
        np.testing.assert_allclose(reached, table.shares, atol=1e-9)


def test_share_that_cannot_be_met(cohort_of, products):
    cohort = cohort_of("germany", "cohort.relapses.shares.primary_refractory=0.4")
    with pytest.raises(Problem, match=r"cohort\.prior_hct: a share of .* cannot be met.*relapses"):
        prepare(cohort, products)


def test_unknown_product(cohort_of, products):
    cohort = cohort_of("real_world_us", "+cohort.product.shares.tisacel=0.5")
    with pytest.raises(Problem, match=r"cohort\.product\.shares\.tisacel: unknown product, did you mean 'tisa_cel'"):
        draw(cohort, 1, 0, 1, products)


def test_categories_are_those_of_policies(cohort_of):
    cohort = cohort_of()
    for attribute, feature in (("blinatumomab", "blina"), ("tp53", "tp53"), ("site", "site"), ("donor", "donor")):
        assert getattr(cohort, attribute).categories == FEATURES[feature]


def test_every_condition_is_possible(cohort_of):
    for parent, codes in CONDITIONS.values():
        part = getattr(cohort_of(), parent.replace("age_band", "age").replace("burden_class", "burden"))
        size = {"age": 4}.get(
            parent.partition("_")[0], 2 if isinstance(part, Flag) else len(getattr(part, "shares", []))
        )
        assert max(codes) < size
        assert parent == "age_band" or isinstance(part, Flag | Table)


def test_order_in_which_shares_are_written_does_not_matter(cohort_of, products):
    cohort = cohort_of()
    dumped = cohort.model_dump()
    for name in ("burden", "donor", "cytogenetics", "product"):
        dumped[name]["shares"] = dict(reversed(dumped[name]["shares"].items()))
    other = type(cohort).model_validate(dumped)
    assert draw(other, 1, 0, 4096, products).tobytes() == draw(cohort, 1, 0, 4096, products).tobytes()
