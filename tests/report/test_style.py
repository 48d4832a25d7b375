"""Colours belong to names, can be told apart without full colour vision, and labels keep their distance."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.report import style

#: Machado, Oliveira and Fernandes 2009, severity 1.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(ink: str) -> np.ndarray:
    values = np.array([int(ink[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(ink: str, vision: str) -> np.ndarray:
    xyz = _XYZ @ np.clip(VISION[vision] @ linear(ink), 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a: str, b: str) -> float:
    low, high = sorted((_XYZ @ linear(x))[1] + 0.05 for x in (a, b))
    return float(high / low)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_policies_differ_in_ink_or_in_dash_for_every_kind_of_colour_vision(mode: str, vision: str) -> None:
    for (a, one), (b, other) in itertools.combinations(style.POLICIES.items(), 2):
        apart = np.linalg.norm(lab(getattr(one.ink, mode), vision) - lab(getattr(other.ink, mode), vision))
        assert apart > 12 or one.dash != other.dash, f"{a} and {b} look alike"


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_neighbours_in_a_stack_differ(mode: str, vision: str) -> None:
    from sim.report.occupancy import ORDER

    stacks = [[style.PHASES[k] for k in ORDER], list(style.RISKS.values())[:5]]
    for stack in stacks:
        for one, other in itertools.pairwise(stack):
            assert np.linalg.norm(lab(getattr(one, mode), vision) - lab(getattr(other, mode), vision)) > 10


def test_text_can_be_read_on_paper_and_on_a_dark_screen() -> None:
    for mode in ("light", "dark"):
        paper = getattr(style.PAPER, mode)
        assert contrast(getattr(style.TEXT, mode), paper) > 12
        assert contrast(getattr(style.MUTED, mode), paper) > 4.5
        for policy, stroke in style.POLICIES.items():
            assert contrast(getattr(stroke.ink, mode), paper) > 2.4, policy


def test_every_light_ink_has_one_dark_partner() -> None:
    lights = [ink.light for ink in style.inks()]
    assert len(lights) == len(set(lights))


def test_a_policys_stroke_depends_on_its_name_alone() -> None:
    assert style.stroke("my_policy") == style.stroke("my_policy")
    assert len({style.stroke(f"policy_{i}") for i in range(40)}) > 20
    assert style.stroke("watch", "#123456").ink.light == "#123456"
    assert style.stroke("watch", "red; } body { display: none").ink == style.POLICIES["watch"].ink


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0, 0.2))
def test_labels_stand_apart_in_order_and_inside(values: list[float], gap: float) -> None:
    placed = style.apart(values, gap, 0.0, 1.0)
    real = min(gap, 1.0 / max(len(values) - 1, 1))
    ordered = [p for _, p in sorted(zip(values, placed, strict=True))]
    assert all(-1e-9 <= p <= 1 + 1e-9 for p in placed)
    assert all(b - a >= real - 1e-9 for a, b in itertools.pairwise(ordered))


def test_labels_with_room_stay_where_they_are() -> None:
    assert style.apart([0.9, 0.1, 0.5], 0.1, 0, 1) == pytest.approx([0.9, 0.1, 0.5])
    assert style.apart([0.5, 0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.4, 0.5, 0.6])


def test_a_long_label_is_cut_with_an_ellipsis() -> None:
    assert style.fit("Selective HCT, extended", 14, 2) == "Selective HCT,\nextended"
    assert style.fit("x" * 50, 10).endswith("…")
    assert len(style.fit("x" * 50, 10)) <= 10
