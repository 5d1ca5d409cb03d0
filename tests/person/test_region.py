"""The square around a person, and affine maps there and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unveil.person.region import Region, inverse, moved


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.6, 3.1, -2.0])
def test_the_square_is_turned_so_that_the_person_is_upright(angle: float) -> None:
    centre = np.array([300.0, 200.0])
    top = centre + 80 * np.array([math.sin(angle), -math.cos(angle)])
    region = Region.around(centre, top)
    assert region is not None
    to_frame = region.to_frame(256)
    assert np.allclose(moved(to_frame, np.array([[128.0, 128.0]])), centre)
    # The circle through `top` takes 1/1.25 of the square.
    assert np.allclose(moved(to_frame, np.array([[128.0, 128 - 128 / 1.25]])), top)
    linear = to_frame[:, :2]
    assert np.allclose(linear.T @ linear, np.eye(2) * (region.side / 256) ** 2)
    assert np.linalg.det(linear) > 0  # turned, not mirrored


def test_what_is_no_region_is_none() -> None:
    centre = np.array([300.0, 200.0])
    assert Region.around(centre, centre) is None
    assert Region.around(centre, centre + 1e-3) is None
    assert Region.around(centre, np.array([np.nan, 0])) is None
    assert Region.around(np.array([np.inf, 0]), centre) is None


def test_there_and_back() -> None:
    affine = np.array([[2.0, -0.5, 7.0], [0.4, 3.0, -9.0]])
    points = np.random.default_rng(0).normal(0, 100, (20, 2))
    assert np.allclose(moved(inverse(affine), moved(affine, points)), points)
