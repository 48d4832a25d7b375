"""The likelihood against closed forms: normal terms, weights, discrepancy integrated numerically, gradients."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models.remission import PARAMETERS, PRIORS, TRUTH, published, truth
from scipy import integrate, stats

from sim.calibration.likelihood import Likelihood, half_normal_nodes, natural, observed, scaled
from sim.calibration.priors import Prior, check_priors, normal_log_density, rounded
from sim.lines import Positive, Probability
from sim.problems import Problem

TARGETS = published(truth(TRUTH))
MOVED = truth(TRUTH | {"response": 1.2, "cured": 0.38})


def test_terms_are_normal_densities_on_their_scales() -> None:
    likelihood = Likelihood(TARGETS, discrepancy=0.0)
    expected = sum(
        stats.norm.logpdf(float(scaled(t, np.asarray(m))), float(scaled(t, np.asarray(t.value))), t.se)
        for t, m in zip(TARGETS, MOVED, strict=True)
    )
    assert float(likelihood.log(likelihood.on_scale(MOVED))) == pytest.approx(expected, rel=1e-12)


def test_scales_are_undone() -> None:
    for target, value in zip(TARGETS, MOVED, strict=True):
        assert float(natural(target, scaled(target, np.asarray(value)))) == pytest.approx(value, rel=1e-12)


def test_a_weight_divides_the_distance() -> None:
    """A study of weight 1/2 twice over is one study of weight 1: what overlaps is not counted twice."""
    half = [dataclasses.replace(t, weight=0.5) for t in TARGETS]
    likelihood, whole = Likelihood(half, 0.0), Likelihood(TARGETS, 0.0)

    def drop(one: Likelihood) -> float:
        at = one.on_scale(np.array([truth(TRUTH), MOVED]))
        return float(np.subtract(*one.log(at)))

    assert 2.0 * drop(likelihood) == pytest.approx(drop(whole), rel=1e-12)


def test_noise_adds_in_quadrature() -> None:
    noise = np.full(len(TARGETS), 0.3)
    wider = [dataclasses.replace(t, se=float(np.hypot(t.se, 0.3))) for t in TARGETS]
    first, second = Likelihood(TARGETS, 0.0, noise), Likelihood(wider, 0.0)
    at = first.on_scale(MOVED)
    assert float(first.log(at)) == pytest.approx(float(second.log(at)), rel=1e-12)
    assert float(Likelihood(TARGETS, 0.0).log(at, noise)) == pytest.approx(float(second.log(at)), rel=1e-12)


def test_discrepancy_is_integrated_out_per_study() -> None:
    likelihood = Likelihood(TARGETS, discrepancy=0.4)
    at = likelihood.on_scale(MOVED)
    for study, own in likelihood.studies.items():
        residuals, errors = likelihood.residuals(at)[own], np.sqrt(likelihood.variance[own])

        def density(tau: float, r: np.ndarray = residuals, e: np.ndarray = errors) -> float:
            terms = stats.norm.pdf(r, 0.0, np.hypot(e, tau))
            return float(np.prod(terms) * stats.halfnorm.pdf(tau, scale=0.4))

        expected = np.log(integrate.quad(density, 0.0, 5.0, epsabs=1e-12)[0])
        assert float(likelihood.by_study(at)[study]) == pytest.approx(expected, abs=1e-4)


def test_nodes_have_the_moments_of_a_half_normal() -> None:
    taus, logs = half_normal_nodes(0.7)
    assert np.exp(logs).sum() == pytest.approx(1.0)
    assert np.exp(logs) @ taus == pytest.approx(0.7 * np.sqrt(2 / np.pi), rel=1e-3)
    assert np.exp(logs) @ taus**2 == pytest.approx(0.49, rel=1e-2)


def test_precisions_are_the_gradient_of_the_log_likelihood() -> None:
    likelihood = Likelihood(TARGETS, discrepancy=0.3)
    at, step = likelihood.on_scale(MOVED), 1e-5
    numerical = [
        float(likelihood.log(at + step * unit) - likelihood.log(at - step * unit)) / (2 * step)
        for unit in np.eye(len(TARGETS))
    ]
    assert -likelihood.precisions(at) * likelihood.residuals(at) == pytest.approx(numerical, rel=1e-5, abs=1e-7)


def test_a_study_that_conflicts_is_believed_less() -> None:
    likelihood = Likelihood(TARGETS, discrepancy=0.3)
    near, far = likelihood.on_scale(truth(TRUTH)), likelihood.on_scale(MOVED)
    first = likelihood.studies["first"]
    assert np.all(likelihood.precisions(far)[first] < likelihood.precisions(near)[first])


def test_what_is_only_shown_does_not_count() -> None:
    shown = [dataclasses.replace(t, fitted=t.name != "response low", value=float("nan") if t.name == "response low"
             else t.value) for t in TARGETS]  # fmt: skip
    rest = [t for t in TARGETS if t.name != "response low"]
    likelihood, without = Likelihood(shown, 0.2), Likelihood(rest, 0.2)
    values = np.delete(MOVED, 0)
    assert float(likelihood.log(likelihood.on_scale(MOVED))) == pytest.approx(
        float(without.log(without.on_scale(values))), rel=1e-12
    )
    assert likelihood.precisions(likelihood.on_scale(MOVED))[0] == 0.0


def test_what_the_model_does_not_produce_costs_more_than_a_fair_miss() -> None:
    likelihood = Likelihood(TARGETS, 0.0)
    missing = truth(TRUTH)
    missing[5] = np.nan
    at = likelihood.on_scale(np.array([truth(TRUTH), missing]))
    assert float(np.subtract(*likelihood.log(at))) == pytest.approx(0.5 * 4.0**2)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_published_share_of_all_or_none_has_its_empirical_logit(share: float) -> None:
    target = dataclasses.replace(TARGETS[0], value=share, n=8.0)
    k = 8 * share
    assert observed(target) == pytest.approx(np.log((k + 0.5) / (8 - k + 0.5)))


# --- priors ----------------------------------------------------------------------------------------------------------

ALL = {
    "normal": Prior(distribution="normal", low=-2.0, high=1.0, source="assumed"),
    "lognormal": Prior(distribution="lognormal", low=0.2, high=7.0, source="assumed"),
    "logitnormal": Prior(distribution="logitnormal", low=0.1, high=0.6, source="assumed"),
    "uniform": Prior(distribution="uniform", low=-3.0, high=9.0, source="assumed"),
}


@pytest.mark.parametrize("name", ALL)
def test_a_prior_has_its_interval_and_inverts(name: str) -> None:
    prior = ALL[name]
    z = np.linspace(-3, 3, 13)
    assert prior.score(prior.value(z)) == pytest.approx(z, abs=1e-9)
    inside = (0.025, 0.975) if name == "uniform" else None
    ends = prior.value(stats.norm.ppf([0.025, 0.975]))
    expected = [-3 + 12 * q for q in inside] if inside else [prior.low, prior.high]
    assert ends == pytest.approx(expected, rel=1e-9)


def test_scores_have_the_standard_normal_density() -> None:
    z = np.array([[0.3, -1.2, 2.0]])
    assert normal_log_density(z) == pytest.approx(stats.norm.logpdf(z).sum(axis=1))


def test_parameters_keep_their_names_whatever_the_order() -> None:
    from sim.calibration.priors import Parameters

    turned = Parameters(dict(reversed(PRIORS.items())))
    z = np.array([0.1, -0.2, 0.3, 0.4])
    assert turned.named(turned.values(z)) == PARAMETERS.named(PARAMETERS.values(z))
    assert PARAMETERS.scores(PARAMETERS.values(z)) == pytest.approx(z, abs=1e-7)


def test_rounding_keeps_digits_at_any_size() -> None:
    assert rounded(np.array([123456.0, 0.00123456, -9.8765, 0.0]), 3) == pytest.approx([123000, 0.00123, -9.88, 0])


LINES = {
    "trm": Probability(about="a", value=0.1, unit="probability", distribution="beta", low=0.05, high=0.2,
                       source="assumed", status="assumed"),
    "rate": Positive(about="a", value=1.0, unit="per year", distribution="lognormal", low=0.5, high=2.0,
                     source="assumed", status="assumed"),
}  # fmt: skip


def test_bad_priors_are_refused_with_key_and_remedy() -> None:
    good = Prior(distribution="logitnormal", low=0.02, high=0.3, source="HCT10a")
    check_priors({"trm": good}, LINES)
    with pytest.raises(Problem, match=r"calibration\.parameters\.tmr.*did you mean 'trm'"):
        check_priors({"tmr": good}, LINES)
    with pytest.raises(Problem, match=r"trm\.source: HCT10a is a target already"):
        check_priors({"trm": good}, LINES, ["HCT10a"])
    with pytest.raises(Problem, match=r"rate: a normal prior.*greater than 0.*choose lognormal"):
        check_priors({"rate": Prior(distribution="normal", low=0.1, high=2.0, source="assumed")}, LINES)
    with pytest.raises(Problem, match="nothing to fit"):
        check_priors({}, LINES)
