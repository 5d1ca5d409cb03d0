"""The service's masks: smoothing, lag and blur, and how pictures are blended."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.segmenters import Script
from unveil.errors import InvalidParameter
from unveil.simulation.service import Service, replace_background

U8 = npt.NDArray[np.uint8]
CAMERA = np.zeros((6, 8, 3), np.uint8)


def masks_of(probabilities: list[Any], **options: Any) -> list[U8]:
    service = Service(Script(*probabilities), **options)
    return [service.mask(CAMERA) for _ in probabilities]


def random_masks(n: int, seed: int = 0) -> list[npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.random((6, 8), np.float32) for _ in range(n)]


def test_without_faults_a_mask_is_the_segmenters() -> None:
    wanted = random_masks(3)
    for mask, probability in zip(masks_of(wanted), wanted, strict=True):
        assert np.array_equal(mask, np.rint(255 * probability))


def test_a_mask_is_late_by_the_lag() -> None:
    prompt = masks_of(random_masks(6))
    late = masks_of(random_masks(6), lag=2)
    for n, mask in enumerate(late):
        assert np.array_equal(mask, prompt[max(0, n - 2)])


def test_smoothing_keeps_a_share_of_the_last_mask() -> None:
    probabilities = random_masks(5)
    smooth = probabilities[0].astype(float)
    for mask, probability in zip(
        masks_of(probabilities, smoothing=0.25), probabilities, strict=True
    ):
        smooth = 0.25 * smooth + 0.75 * probability
        assert np.abs(mask - 255 * smooth).max() <= 0.51


def naive_bilateral(mask: U8) -> npt.NDArray[np.float64]:
    """Blur as VADER's recipe says: bilateral of diameter 5, sigmas 25, then 3x3 Gaussian."""
    height, width = mask.shape

    def reflected(place: int, size: int) -> int:
        return abs(place) if place < size else 2 * size - 2 - place

    first = np.zeros(mask.shape)
    for y, x in np.ndindex(height, width):
        total = weights = 0.0
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                if math.hypot(dy, dx) > 2:
                    continue
                level = int(mask[reflected(y + dy, height), reflected(x + dx, width)])
                space = math.exp(-(dy**2 + dx**2) / (2 * 25**2))
                weight = space * math.exp(-((level - int(mask[y, x])) ** 2) / (2 * 25**2))
                total += weight * level
                weights += weight
        first[y, x] = round(total / weights)
    second = np.zeros(mask.shape)
    for y, x in np.ndindex(height, width):
        for dy, dx in np.ndindex(3, 3):
            share = (2 - abs(dy - 1)) * (2 - abs(dx - 1)) / 16
            second[y, x] += (
                share * first[reflected(y + dy - 1, height), reflected(x + dx - 1, width)]
            )
    return second


def test_the_bilateral_blur_is_that_of_the_recipe() -> None:
    rng = np.random.default_rng(0)
    probability = np.where(np.arange(8) < 4, 0.2, 0.9) + 0.05 * rng.random((6, 8))
    (mask,) = masks_of([probability], blur="bilateral")
    wanted = naive_bilateral(np.rint(255 * probability.astype(np.float32)).astype(np.uint8))
    # A half may be rounded either way twice.
    assert np.abs(mask - wanted).max() <= 1.01


def test_the_gaussian_blur_spreads_with_the_height() -> None:
    step = np.zeros((480, 64), np.float32)
    step[:, 32:] = 1
    service = Service(Script(step), blur="gaussian")
    mask = service.mask(np.zeros((480, 64, 3), np.uint8))
    row = mask[240] / 255
    assert row[31] + row[32] == pytest.approx(1, abs=0.01)
    assert 0.03 < row[29] < row[31] < 0.5
    assert row[24] == 0
    assert (mask[0] == mask[240]).all()


def test_blending_rounds_to_the_nearest_level() -> None:
    rng = np.random.default_rng(0)
    camera, background = rng.integers(0, 256, (2, 9, 11, 3), dtype=np.uint8)
    mask = rng.integers(0, 256, (9, 11), dtype=np.uint8)
    mask[0, :3] = 0, 255, 128
    blend = replace_background(camera, background, mask)
    for y, x in np.ndindex(9, 11):
        share = int(mask[y, x]) / 255
        wanted = share * camera[y, x] + (1 - share) * background[y, x]
        assert np.abs(blend[y, x] - wanted).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    "options", [{"smoothing": 1}, {"smoothing": -0.1}, {"lag": -1}, {"lag": 61}, {"blur": "box"}]
)
def test_values_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(options))):
        Service(Script(), **options)
