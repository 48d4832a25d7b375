"""The surrogate: exact where the truth is a quadratic, honest about its error where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from sim.calibration.surrogate import features, fit_surrogate, fitted_together

GENERATOR = np.random.default_rng(7)
CENTRE = np.array([0.5, -1.0, 2.0])
COVARIANCE = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.2]])
DESIGN = GENERATOR.multivariate_normal(CENTRE, COVARIANCE, 60)
ELSEWHERE = GENERATOR.multivariate_normal(CENTRE, COVARIANCE, 50)


def quadratic(z: np.ndarray) -> np.ndarray:
    x, y, w = z.T
    first = 1 + 2 * x - y + 0.5 * w * w - x * y
    return np.stack([first, 3 * y, np.full(len(z), 4.0)], axis=1)


def test_a_quadratic_is_reproduced_exactly() -> None:
    surrogate = fit_surrogate(DESIGN, quadratic(DESIGN), CENTRE, COVARIANCE)
    assert surrogate(ELSEWHERE) == pytest.approx(quadratic(ELSEWHERE), abs=1e-6)
    assert surrogate.error == pytest.approx(0.0, abs=1e-6)


def test_slopes_are_those_of_the_quadratic() -> None:
    surrogate = fit_surrogate(DESIGN, quadratic(DESIGN), CENTRE, COVARIANCE)
    x, y, w = z = np.array([0.2, 0.7, 1.5])
    expected = [[2 - y, -1 - x, w], [0, 3, 0], [0, 0, 0]]
    assert surrogate.slopes(z) == pytest.approx(np.array(expected), abs=1e-5)


def test_leave_one_out_error_is_what_leaving_out_gives() -> None:
    """The closed form against refitting without each point, at the ridge and curvature that were chosen."""
    noisy = quadratic(DESIGN)[:, :1] + GENERATOR.normal(0.0, 0.3, (60, 1))
    surrogate = fit_surrogate(DESIGN, noisy, CENTRE, COVARIANCE)
    x = features(surrogate.coordinates(DESIGN), float(surrogate.curvature[0]))[:, 1:]
    values = np.linalg.eigvalsh((x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T)
    strength = float(surrogate.ridge[0]) * np.clip(values, 0, None).mean()
    left_out = []
    for i in range(60):
        rest = np.arange(60) != i
        means, level = x[rest].mean(axis=0), noisy[rest, 0].mean()
        centred = x[rest] - means
        beta = np.linalg.solve(
            centred.T @ centred + strength * np.eye(x.shape[1]), centred.T @ (noisy[rest, 0] - level)
        )
        left_out.append(noisy[i, 0] - level - (x[i] - means) @ beta)
    assert surrogate.error[0] == pytest.approx(np.sqrt(np.mean(np.square(left_out))), rel=0.02)


def test_error_tells_how_far_off_new_points_are() -> None:
    def curved(z: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(2 * z[:, 0]) + z[:, 1], np.exp(z[:, 2])], axis=1)

    surrogate = fit_surrogate(DESIGN, curved(DESIGN), CENTRE, COVARIANCE)
    actual = np.sqrt(np.mean((surrogate(ELSEWHERE) - curved(ELSEWHERE)) ** 2, axis=0))
    assert np.all(actual > 1e-3)  # the truth is no quadratic
    assert np.all(surrogate.error / actual > 0.4)
    assert np.all(surrogate.error / actual < 2.5)


def test_fewer_runs_than_coefficients_still_give_a_plane() -> None:
    few = DESIGN[:8]  # a quadratic has ten coefficients
    plane = few @ np.array([[1.0], [2.0], [-1.0]])
    surrogate = fit_surrogate(few, plane, CENTRE, COVARIANCE)
    assert surrogate(ELSEWHERE) == pytest.approx(ELSEWHERE @ np.array([[1.0], [2.0], [-1.0]]), abs=0.05)


def test_runs_without_a_value_are_left_out() -> None:
    values = quadratic(DESIGN)
    values[3, 0] = np.nan
    surrogate = fit_surrogate(DESIGN, values, CENTRE, COVARIANCE)
    assert surrogate(ELSEWHERE) == pytest.approx(quadratic(ELSEWHERE), abs=1e-6)


def test_quantities_that_lack_few_runs_are_fitted_together() -> None:
    """Complete ones are left alone, one that lacks many runs has its own group, and each is fitted where it exists."""
    exists = np.ones((100, 6), dtype=bool)
    exists[:2, 1] = exists[1:4, 2] = exists[:60, 3] = exists[5, 5] = False
    groups = fitted_together(exists)
    assert [members for _, members in groups] == [[0, 4], [5, 1, 2], [3]]
    for use, members in groups:
        assert np.all(exists[use][:, members])
    assert [int(use.sum()) for use, _ in groups] == [100, 95, 40]


def test_pulling_back_is_the_gradient_of_a_function_of_the_quantities() -> None:
    """The function is half the weighted sum of squares: its derivatives by the quantities are weights times them."""
    surrogate = fit_surrogate(DESIGN, quadratic(DESIGN), CENTRE, COVARIANCE)
    weights = GENERATOR.normal(size=(4, 3))
    points, step = ELSEWHERE[:4], 1e-5

    def function(z: np.ndarray) -> np.ndarray:
        return 0.5 * np.sum(weights * surrogate(z) ** 2, axis=1)

    found = surrogate.pull_back(points, lambda quantities: weights * quantities)
    for i, unit in enumerate(np.eye(3)):
        numerical = (function(points + step * unit) - function(points - step * unit)) / (2 * step)
        assert found[:, i] == pytest.approx(numerical, rel=1e-5, abs=1e-5)


def test_some_quantities_alone_are_predicted_alike() -> None:
    surrogate = fit_surrogate(DESIGN, quadratic(DESIGN), CENTRE, COVARIANCE)
    chosen = np.array([True, False, True])
    assert surrogate.only(chosen)(ELSEWHERE) == pytest.approx(surrogate(ELSEWHERE)[:, chosen], abs=1e-9)
