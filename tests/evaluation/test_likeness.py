"""Likeness of a background to the plain picture, against slow references."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.errors import InvalidParameter
from unveil.evaluation.likeness import as_encoded, likeness, structural_similarity

U8 = npt.NDArray[np.uint8]


def noise(seed: int, height: int = 10, width: int = 12) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def slow_similarity(first: U8, second: U8) -> float:
    """Compute SSIM window by window."""
    height, width, _ = first.shape
    values = []
    for channel in range(3):
        for y in range(height - 6):
            for x in range(width - 6):
                a, b = (
                    one[y : y + 7, x : x + 7, channel].astype(float).ravel()
                    for one in (first, second)
                )
                (va, cov), (_, vb) = np.cov(a, b)
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                top = (2 * a.mean() * b.mean() + c1) * (2 * cov + c2)
                values.append(top / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (va + vb + c2)))
    return float(np.mean(values))


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(7, 12), st.integers(7, 12), st.integers(0, 255))
def test_similarity_is_that_of_all_windows(seed: int, height: int, width: int, reach: int) -> None:
    first = noise(seed, height, width)
    second = np.minimum(first, reach).astype(np.uint8)
    assert structural_similarity(first, second) == pytest.approx(slow_similarity(first, second))
    assert structural_similarity(first, first) == pytest.approx(1)


def test_similarity_needs_a_window() -> None:
    with pytest.raises(InvalidParameter, match="shorter than 7"):
        structural_similarity(noise(1, 6, 9), noise(1, 6, 9))


def test_likeness_of_known_changes() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    red = grey + np.array([10, 0, 0], np.uint8)
    seen = likeness([grey, red, grey], grey)
    assert seen.ssim == pytest.approx(1)  # of the first frame
    assert seen.psnr == pytest.approx(10 * math.log10(255**2 / (100 / 3 / 3)))
    assert seen.flicker == pytest.approx(2.99)


def test_a_frame_that_is_the_picture() -> None:
    seen = likeness([noise(2)], noise(2))
    assert (seen.psnr, seen.flicker) == (math.inf, 0.0)


def test_an_encoded_picture_is_nearly_the_same(tmp_path: Path) -> None:
    levels = np.linspace(40, 200, 96, dtype=np.uint8)
    picture = np.repeat(np.tile(levels, (64, 1))[..., None], 3, axis=2)
    coded = as_encoded(picture, tmp_path)
    assert coded.shape == picture.shape
    assert 0 < np.abs(coded.astype(int) - picture).mean() < 3
