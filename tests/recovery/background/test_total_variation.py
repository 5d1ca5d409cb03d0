"""The room of least variation has the edges that a blur took, where a filter makes rings."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.arrays import F32
from unveil.recovery.background import total_variation
from unveil.recovery.background.deblurring import deblurred
from unveil.recovery.background.gaussian import filtered, sharpened
from unveil.recovery.background.total_variation import least_variation

HEIGHT, WIDTH = 61, 83
SIGMA = 3.5


def boards(seed: int = 0) -> F32:
    """Draw areas of one colour each."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), 120, np.float32)
    for _ in range(6):
        y, x = rng.integers(0, (HEIGHT - 16, WIDTH - 16))
        picture[y : y + rng.integers(12, 30), x : x + rng.integers(12, 30)] = rng.integers(
            30, 226, 3
        )
    return picture


def error(picture: F32, truth: F32) -> float:
    """Return the mean error inside, in levels."""
    inside = np.s_[8:-8, 8:-8]
    return float(np.abs(picture[inside] - truth[inside]).mean())


def objective(room: F32, observed: F32, certainty: F32, sigma: float) -> float:
    """Return what the room minimises, without the borders."""
    squares = (certainty[..., None] * (filtered(room, sigma) - observed) ** 2).sum() / 2
    down, right = np.diff(room, axis=0)[:, :-1], np.diff(room, axis=1)[:-1]
    return float(squares + total_variation.VARIATION * np.sqrt((down**2 + right**2).sum(-1)).sum())


def test_plain_areas_come_back() -> None:
    truth = boards()
    rng = np.random.default_rng(1)
    picture = filtered(truth, SIGMA) + rng.normal(0, 0.5, truth.shape).astype(np.float32)
    found = least_variation(picture, np.ones((HEIGHT, WIDTH), np.float32), SIGMA)
    assert found is not None
    assert found.shape == truth.shape
    assert error(found, truth) < 0.6 * error(sharpened(picture, SIGMA), truth)


def test_it_is_a_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(total_variation, "ITERATIONS", 300)
    observed = filtered(boards()[:40, :40], SIGMA)
    inside = np.zeros((40, 40), np.bool_)
    inside[11:-11, 11:-11] = True
    certainty = np.where(inside, np.float32(1), np.float32(0))
    certainty[16:20, 16:20] = 0.1
    found = least_variation(observed, certainty, SIGMA)
    assert found is not None
    least = objective(found, observed, certainty, SIGMA)
    rng = np.random.default_rng(2)
    for size in (0.5, 2.0, 8.0) * 8:
        bump = filtered(rng.normal(0, size, found.shape).astype(np.float32), 1.0)
        assert objective(found + bump * inside[..., None], observed, certainty, SIGMA) > least


def test_a_weak_blur_of_a_large_picture_is_left_to_the_filter() -> None:
    shape = 501, 500
    picture = np.zeros((*shape, 1), np.float32)
    assert least_variation(picture, np.ones(shape, np.float32), 5.9) is None


def test_sharp_parts_stay_and_make_no_rings() -> None:
    truth = boards()
    picture = filtered(truth, SIGMA)
    sharp = np.s_[20:40, 30:60]
    bright = 255 - truth[sharp]
    picture[sharp] = bright
    certainty = np.ones((HEIGHT, WIDTH), np.float32)
    found = deblurred(picture, certainty, SIGMA)
    assert np.abs(found[24:36, 34:56] - bright[4:-4, 4:-4]).mean() < 4
    around = np.ones((HEIGHT, WIDTH), np.bool_)
    around[16:44, 26:64] = False
    filter_alone = np.abs(sharpened(picture, SIGMA) - truth)[around].mean()
    assert np.abs(found - truth)[around].mean() < 0.6 * filter_alone


def test_what_is_not_known_is_continued() -> None:
    truth = np.full((HEIGHT, WIDTH, 3), 90, np.float32)
    certainty = np.ones((HEIGHT, WIDTH), np.float32)
    certainty[20:30, 20:30] = 0
    guess = truth.copy()
    guess[20:30, 20:30] = 94
    assert np.abs(deblurred(guess, certainty, SIGMA) - truth).max() < 5
