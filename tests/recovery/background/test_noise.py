"""Noise in the pixels of a background is found, and what is no noise is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unveil.arrays import U8
from unveil.recovery.background.noise import EVERY_FRAMES, MIN_FRAMES, NoiseSurvey
from unveil.video.chunk import Chunk, Layout

LAYOUT = Layout(144, 192)
N_FRAMES = (MIN_FRAMES + 1) * EVERY_FRAMES

Picture = Callable[[int], U8]


def still(number: int) -> U8:
    y, x = np.mgrid[: LAYOUT.height, : LAYOUT.width]
    return (120 + 50 * np.sin(x / 17) + 30 * np.sign(np.sin(y / 9))).astype(np.uint8)


def impulses(share: float) -> Picture:
    def picture(number: int) -> U8:
        rng = np.random.default_rng(number)
        luma = still(number)
        noisy = rng.random(luma.shape) < share
        luma[noisy] = rng.integers(0, 256, np.count_nonzero(noisy))
        return luma

    return picture


def accumulating(number: int) -> U8:
    rng = np.random.default_rng(0)
    luma = still(number)
    for _ in range(number):
        places = rng.integers(0, luma.size, 40)
        luma.reshape(-1)[places] = rng.integers(0, 256, 40)
    return luma


def gaussian(number: int) -> U8:
    noise = 16 * np.random.default_rng(number).standard_normal((LAYOUT.height, LAYOUT.width))
    return np.clip(still(number) + noise, 0, 255).astype(np.uint8)


def leaking(number: int) -> U8:
    luma = still(number)
    if number % 3:
        luma[10:60, 5:50] = 250 - luma[10:60, 5:50] // 2
    return luma


def panning(number: int) -> U8:
    return np.roll(still(number), 2 * number, 1)


def exchanged(number: int) -> U8:
    return still(number) if number < 40 else 255 - still(number)


def coarse(number: int) -> U8:
    """Render each frame a little otherwise, as a codec with few bits does."""
    blocks = np.random.default_rng(number // 10).integers(-5, 6, (18, 24))
    return (still(number) + np.kron(blocks, np.ones((8, 8), int))).astype(np.uint8)


def chunk_of(picture: Picture, first: int, end: int) -> Chunk:
    luma = np.stack([picture(number) for number in range(first, end)])
    person = np.zeros((end - first, *LAYOUT.block_grid), np.uint8)
    rows, columns = LAYOUT.block_grid
    size = LAYOUT.block_size
    for i, number in enumerate(range(first, end)):
        left = columns // 3 + round(2 * np.sin(number / 5))
        person[i, rows // 2 :, left : left + columns // 5] = 1
        luma[i, rows // 2 * size :, left * size : (left + columns // 5) * size] = 77
    grey = np.full((end - first, LAYOUT.chroma_height, LAYOUT.chroma_width), 128, np.uint8)
    return Chunk((luma, grey, grey), np.zeros(end - first), LAYOUT, person)


def surveyed(picture: Picture, first: int = 0, end: int = N_FRAMES) -> NoiseSurvey:
    survey = NoiseSurvey(LAYOUT)
    survey.add(chunk_of(picture, first, end))
    return survey


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_random_pixels_are_found(share: float) -> None:
    noise = surveyed(impulses(share)).find()
    assert noise is not None
    assert noise.changed_share == pytest.approx(1.8 * share, rel=0.35)  # of two frames


@pytest.mark.parametrize("picture", [accumulating, gaussian])
def test_other_noise_is_found(picture: Picture) -> None:
    assert surveyed(picture).find() is not None


@pytest.mark.parametrize("picture", [still, leaking, panning, exchanged, coarse])
def test_what_is_no_noise_is_not_found(picture: Picture) -> None:
    assert surveyed(picture).find() is None


def test_noise_after_an_exchange_is_found() -> None:
    noisy = impulses(0.05)

    def picture(number: int) -> U8:
        return noisy(number) if number < 20 else 255 - noisy(number)

    assert surveyed(picture, end=2 * N_FRAMES).find() is not None


def test_a_few_frames_do_not_tell() -> None:
    assert surveyed(impulses(0.1), end=(MIN_FRAMES - 1) * EVERY_FRAMES).find() is None


def test_a_picture_smaller_than_a_patch_has_no_noise() -> None:
    layout = Layout(8, 8)
    survey = NoiseSurvey(layout)
    grey = np.full((1, layout.chroma_height, layout.chroma_width), 128, np.uint8)
    luma = np.zeros((1, 8, 8), np.uint8)
    mask = np.zeros((1, *layout.block_grid), np.uint8)
    survey.add(Chunk((luma, grey, grey), np.zeros(1), layout, mask))
    assert survey.find() is None


def test_chunks_do_not_matter_and_a_restored_survey_goes_on() -> None:
    picture = impulses(0.03)
    whole, parts = surveyed(picture), NoiseSurvey(LAYOUT)
    for first in range(0, N_FRAMES, 10):
        parts.add(chunk_of(picture, first, min(first + 10, N_FRAMES)))
        restored = NoiseSurvey(LAYOUT)
        arrays = parts.as_arrays()
        for name, spec in NoiseSurvey.specification(LAYOUT).items():
            assert spec.allows(arrays[name].shape, arrays[name].dtype), name
        restored.restore(arrays)
        parts = restored
    assert parts.find() == whole.find() is not None


def test_merged_parts_find_what_each_has_found() -> None:
    survey = surveyed(impulses(0.03))
    survey.merge(surveyed(impulses(0.03), N_FRAMES, 2 * N_FRAMES))
    assert survey.find() is not None
    survey.merge(surveyed(still, 0, 4 * N_FRAMES))
    assert survey.find() is None


def test_restoring_refuses_what_does_not_fit_together() -> None:
    arrays = surveyed(still).as_arrays()
    for numbers in ([5, 6, 0, 0], [9, 3, 4, 0], [9, 3, 0, 1], [-1, 0, 0, 0]):
        with pytest.raises(ValueError, match="noise"):
            NoiseSurvey(LAYOUT).restore({**arrays, "noise_frames": np.array(numbers)})
