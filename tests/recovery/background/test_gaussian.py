"""The strength of a blur is measured, and undone as far as noise allows."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.arrays import F32
from unveil.recovery.background.gaussian import (
    blur_of_edges,
    filtered,
    filtered_inside,
    near_sharp_edges,
    sharpened,
)

HEIGHT, WIDTH = 360, 480


def furniture(seed: int, n: int = 40, largest: int = 200) -> F32:
    """Draw rectangles of many sizes and levels: (h, w) float32."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), 128.0, np.float32)
    for _ in range(n):
        top, left = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
        rows, columns = rng.integers(largest // 5, largest, 2)
        picture[top : top + rows, left : left + columns] = rng.integers(20, 236)
    return picture


def test_the_filter_is_a_gaussian() -> None:
    impulse = np.zeros((41, 41), np.float32)
    impulse[20, 20] = 1
    places = np.arange(-20, 21)
    one = np.exp(-0.5 * (places / 4.0) ** 2)
    one /= one.sum()
    assert np.abs(filtered(impulse, 4.0) - np.outer(one, one)).max() < 3e-4
    assert np.allclose(filtered(np.full((9, 30), 7.0, np.float32), 3.0), 7.0)


def test_what_is_outside_does_not_count() -> None:
    inside = np.zeros((20, 20), np.bool_)
    inside[:, :10] = True
    values = np.where(inside, np.float32(5), np.float32(200))[..., None]
    assert np.allclose(filtered_inside(values, inside, 2.0)[:, :10], 5.0)


@pytest.mark.parametrize("sigma", [3.0, 6.0, 14.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_strength_is_found_within_a_fifth(sigma: float, seed: int) -> None:
    blurred = filtered(furniture(seed), sigma)
    noise = np.random.default_rng(seed).normal(0, 0.1, blurred.shape)
    found = blur_of_edges((blurred + noise).astype(np.float32), np.ones(blurred.shape, np.bool_))
    assert found is not None
    assert abs(found - sigma) <= 0.2 * sigma


def test_a_sharp_picture_is_not_blurred() -> None:
    picture = furniture(3)
    found = blur_of_edges(picture, np.ones(picture.shape, np.bool_))
    assert found is not None
    assert found < 1


def test_too_few_edges_tell_nothing() -> None:
    picture = furniture(4)
    nothing = np.zeros(picture.shape, np.bool_)
    assert blur_of_edges(picture, nothing) is None
    assert blur_of_edges(np.full_like(picture, 9), ~nothing) is None


def test_sharp_parts_are_left_out_of_a_blur() -> None:
    """Something that is sharp in a blurred picture has the steepest edges."""
    picture = filtered(furniture(3), 9.0)
    rows, columns = np.indices(picture.shape)
    part = np.s_[100:220, 100:260]
    picture[part] = (40 + 170 * ((rows // 10 + columns // 10) % 2))[part]
    known = np.ones(picture.shape, np.bool_)
    with_all = blur_of_edges(picture, known)
    assert with_all is not None
    assert with_all < 2
    sharp = near_sharp_edges(picture, known, 2.0, 8)
    assert sharp[part].mean() > 0.9
    assert sharp.mean() < 0.2
    found = blur_of_edges(picture, known & ~sharp)
    assert found is not None
    assert abs(found - 9) <= 0.2 * 9


def test_sharpening_comes_nearer_to_what_was_blurred() -> None:
    picture = np.stack([furniture(seed) for seed in (5, 6, 7)], -1)
    blurred = filtered(picture, 6.0)
    rounded = np.rint(blurred).astype(np.float32)
    result = sharpened(rounded, 6.0)
    before, after = (np.sqrt(np.mean((p - picture) ** 2)) for p in (rounded, result))
    assert after < 0.9 * before
    assert result.min() >= 0
    assert result.max() <= 255


@pytest.mark.parametrize("radius", [1, 3, 4, 9])
def test_all_pixels_of_a_square_around_a_sharp_edge_are_marked(radius: int) -> None:
    picture = filtered(furniture(2), 8.0)
    picture[60:110, 200:210] = 255
    known = np.ones_like(picture, np.bool_)
    marked = near_sharp_edges(picture, known, 2.0, radius)
    edges = near_sharp_edges(picture, known, 2.0, 0)
    expected = np.zeros_like(edges)
    for y, x in np.argwhere(edges):
        rows, columns = (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )
        expected[rows, columns] = True
    assert edges.any()
    np.testing.assert_array_equal(marked, expected)
