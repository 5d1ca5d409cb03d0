"""The median filter against sorting, and what it does to noise and to edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.arrays import U8
from unveil.recovery.background.median import RADIUS, median_filtered


def naive_median(plane: U8) -> U8:
    """Sort five pixels at a time, along rows and then along columns."""
    height, width = plane.shape
    rows, both = np.empty_like(plane), np.empty_like(plane)
    around = range(-RADIUS, RADIUS + 1)
    for y in range(height):
        for x in range(width):
            five = [plane[y, min(max(x + i, 0), width - 1)] for i in around]
            rows[y, x] = sorted(five)[RADIUS]
    for y in range(height):
        for x in range(width):
            both[y, x] = sorted(rows[min(max(y + i, 0), height - 1), x] for i in around)[RADIUS]
    return both


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 4, 256]),
)
def test_it_is_the_median_of_medians(shape: tuple[int, int], seed: int, levels: int) -> None:
    plane = np.random.default_rng(seed).integers(0, levels, shape, np.uint8)
    np.testing.assert_array_equal(median_filtered(plane), naive_median(plane))


def test_frames_are_filtered_one_by_one() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 12, 17), np.uint8)
    filtered = median_filtered(planes)
    assert filtered.flags.c_contiguous
    for one, plane in zip(filtered, planes, strict=True):
        np.testing.assert_array_equal(one, median_filtered(plane))


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_single_pixels_vanish_and_edges_stay(share: float) -> None:
    rng = np.random.default_rng(1)
    clean = np.where(np.arange(80) < 40, 60, 190).astype(np.uint8) * np.ones((60, 1), np.uint8)
    noisy = np.where(rng.random(clean.shape) < share, rng.integers(0, 256, clean.shape), clean)
    restored = median_filtered(noisy.astype(np.uint8))
    assert np.count_nonzero(restored != clean) < 0.02 * share * clean.size
