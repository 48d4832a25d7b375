"""Hazard budgets against closed forms: competing causes, rates that change, that stop and come back."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from models import exponentials, switching, weibull
from models.running import World, crowd, on_batch
from scipy import integrate, stats

from theory.statistics import P, Z, p_chi_square, p_uniform, z_mean, z_share

N = 200_000
HORIZON = 12.0


# --- competing exponentials


@functools.cache
def competing(fourth: float = 0.0) -> World:
    """Three causes, and a fourth one at the rate given."""
    rates = exponentials.Rates(rates=[0.02, 0.05, 0.13, fourth])
    return on_batch(exponentials.PATHWAY, crowd(N), rates, seed=11)


def test_exponential_shares_and_times() -> None:
    """Cause k wins with probability r_k / r; the time is Exp(r) whichever wins."""
    rates = np.array([0.02, 0.05, 0.13])
    lives = competing().lives
    assert p_chi_square(np.bincount(lives["cause"], minlength=3), rates) > P
    assert p_uniform(-np.expm1(-rates.sum() * lives["t"])) > P
    for cause, rate in enumerate(rates):
        assert abs(z_share(lives["cause"] == cause, rate / rates.sum())) < Z
        assert abs(z_mean(lives["t"][lives["cause"] == cause], 1.0 / rates.sum())) < Z
        assert p_uniform(-np.expm1(-rate * lives["latent"][:, cause])) > P


def test_latent_times_are_independent() -> None:
    latent = competing().lives["latent"]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(latent[:, one], latent[:, other])[0, 1]) * np.sqrt(N) < Z


def test_minimally_different_world() -> None:
    """One more cause of death leaves the others' times alone, and every life that it does not end."""
    without, with_fourth = competing().lives, competing(0.3).lives
    assert without["latent"][:, :3].tobytes() == with_fourth["latent"][:, :3].tobytes()
    spared = with_fourth["cause"] != 3
    assert 0.35 < spared.mean() < 0.45  # 0.2 / 0.5
    for name in ("t", "cause"):
        assert without[name][spared].tobytes() == with_fourth[name][spared].tobytes()
    assert np.all(with_fourth["t"][~spared] < without["t"][~spared])


# --- competing Weibulls


def weibull_incidence(model: weibull.Weibulls, cause: int, until: float) -> float:
    """Cumulative incidence by integration of the cause's density times the survival of all."""
    k, s = np.array(model.form), np.array(model.scale)

    def density(u: float) -> float:  # substitution t = u**4 takes the singularity at 0 away
        t = u**4
        hazard = k[cause] / s[cause] * (t / s[cause]) ** (k[cause] - 1.0)
        return hazard * np.exp(-np.sum((t / s) ** k)) * 4.0 * u**3

    return float(integrate.quad(density, 0.0, until**0.25, limit=200, epsabs=1e-12)[0])


def test_competing_weibulls() -> None:
    """Shares, times, and each cause's cumulative incidence at five times."""
    model = weibull.Weibulls()
    lives = on_batch(weibull.PATHWAY, crowd(N), model, seed=12).lives
    total = [weibull_incidence(model, cause, 60.0) for cause in range(weibull.CAUSES)]
    assert sum(total) == pytest.approx(1.0, abs=1e-6)
    assert p_chi_square(np.bincount(lives["cause"]), np.array(total)) > P
    survival = np.exp(-sum((lives["t"] / s) ** k for k, s in zip(model.form, model.scale, strict=True)))
    assert p_uniform(survival) > P
    for cause in range(weibull.CAUSES):
        for until in (0.5, 2.0, 4.0, 7.0, 10.0):
            hit = (lives["cause"] == cause) & (lives["t"] <= until)
            assert abs(z_share(hit, weibull_incidence(model, cause, until))) < Z


# --- a rate that changes, stops and comes back


@functools.cache
def switching_events(renew: int = 1) -> tuple[World, np.ndarray, np.ndarray]:
    """Run, time of each event, and the patient it belongs to."""
    world = on_batch(switching.PATHWAY, crowd(N), switching.Rates(renew=renew), seed=13, horizon=HORIZON)
    event = world.rows["event"] == switching.EVENT
    return world, world.rows["start"][event], world.patient()[event]


def spent(t: np.ndarray | float) -> np.ndarray:
    """Cumulative hazard: the rates integrated up to t."""
    model = switching.Rates()
    edges = np.array([0.0, *model.until[:-1], np.inf])
    lengths = np.clip(np.asarray(t, dtype=float)[..., None], edges[:-1], edges[1:]) - edges[:-1]
    return (lengths * np.array(model.rates)).sum(axis=-1)


TOTAL = float(spent(HORIZON))  # 0.8 + 2 + 0.375 + 2.8


def test_first_event_of_a_piecewise_constant_hazard() -> None:
    """P(T > t) = exp(-integral of the rate), at the changes and between; none while the rate is 0."""
    _, times, patients = switching_events()
    first = np.full(N, np.inf)
    np.minimum.at(first, patients, times)
    for t in (0.5, 2.0, 2.7, 3.5, 5.0, 6.0, 7.0, 8.0, 10.0):
        assert abs(z_share(first > t, float(np.exp(-spent(t))))) < Z
    seen = first[first < np.inf]
    assert p_uniform(np.expm1(-spent(seen)) / np.expm1(-TOTAL)) > P


def test_counts_are_poisson() -> None:
    """Mean, variance and distribution of the count; counts of separate stretches are independent."""
    world, _, _ = switching_events()
    count, counts = world.lives["count"], world.lives["counts"]
    assert abs(z_mean(count, TOTAL)) < Z
    assert abs(z_mean((count - TOTAL) ** 2, TOTAL)) < Z
    top = 16
    probabilities = np.append(stats.poisson.pmf(np.arange(top), TOTAL), stats.poisson.sf(top - 1, TOTAL))
    assert p_chi_square(np.bincount(np.minimum(count, top), minlength=top + 1), probabilities) > P
    means = np.array([0.8, 0.0, 2.0, 0.0, 0.375, 2.8])
    on = [0, 2, 4, 5]
    for stretch in on:
        assert abs(z_mean(counts[:, stretch], means[stretch])) < Z
    assert not counts[:, [1, 3]].any()
    correlation = np.corrcoef(counts[:, on].T)[np.triu_indices(len(on), 1)]
    assert np.abs(correlation).max() * np.sqrt(N) < Z


def test_gaps_are_unit_exponential_in_spent_hazard() -> None:
    """Given their number, events fall uniformly over the spent hazard; so do the first and the last of two."""
    world, times, patients = switching_events()
    assert p_uniform(spent(times) / TOTAL) > P
    two = np.isin(patients, np.flatnonzero(world.lives["count"] == 2))
    pairs = spent(times[two]).reshape(-1, 2) / TOTAL
    assert p_uniform(pairs[:, 0] * (2.0 - pairs[:, 0])) > P  # distribution function of the smaller of two
    assert p_uniform(pairs[:, 1] ** 2) > P


def first_after(times: np.ndarray, patients: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Delay from `start` to each patient's first event before `stop`, for patients who have one."""
    inside = (times >= start) & (times < stop)
    first = np.full(N, np.inf)
    np.minimum.at(first, patients[inside], times[inside] - start)
    return first[first < np.inf]


@pytest.mark.parametrize(("stretch", "start", "stop"), [(2, 3.0, 5.0), (4, 6.5, 8.0)])
def test_a_rate_that_returns_starts_afresh(stretch: int, start: float, stop: float) -> None:
    """After a pause the wait for the next event is exponential, for those who had events before too."""
    world, times, patients = switching_events()
    rate = switching.Rates().rates[stretch]
    before = world.lives["counts"][:, :stretch].sum(axis=1) > 0
    of_those = before[patients]
    delays = first_after(times[of_those], patients[of_those], start, stop)
    assert not (delays == 0.0).any()
    assert p_uniform(np.expm1(-rate * delays) / np.expm1(-rate * (stop - start))) > P
    assert abs((len(delays) / before.sum() - -np.expm1(-rate * (stop - start))) * np.sqrt(before.sum()) / 0.5) < Z


def test_forgetting_to_renew_would_be_seen() -> None:
    """The trap: a spent budget that is not renewed fires at the very moment its rate returns."""
    world, times, _ = switching_events(renew=0)
    had_one = world.lives["counts"][:, 0] > 0
    assert (times == 3.0).sum() == had_one.sum() > 0.5 * N
    assert abs(z_mean(world.lives["count"], TOTAL)) > 100.0


def test_rates_set_again_change_nothing() -> None:
    """The same rate set at other times: not a digit differs."""
    plain = switching.Rates(until=[3.0, np.inf, np.inf, np.inf, np.inf, np.inf], rates=[0.4, 0.9, 0, 0, 0, 0])
    again = switching.Rates(until=[1.0, 1.1, 2.9, 3.0, 7.0, np.inf], rates=[0.4, 0.4, 0.4, 0.4, 0.9, 0.9])
    one = on_batch(switching.PATHWAY, crowd(2000), plain, seed=3, horizon=HORIZON)
    other = on_batch(switching.PATHWAY, crowd(2000), again, seed=3, horizon=HORIZON)
    assert one.rows["start"].tobytes() == other.rows["start"].tobytes()
    assert one.lives["count"].tobytes() == other.lives["count"].tobytes()
