"""The metrics of SBI and SBMnet against slow references written from the formulas."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import U8, pictures
from unveil.errors import InvalidParameter
from unveil.scoring.background_metrics import MS_SSIM_WEIGHTS, initialisation_metrics


def naive_luma(picture: U8) -> list[list[float]]:
    return [
        [
            float(
                math.floor(16 + (65.481 * int(r) + 128.553 * int(g) + 24.966 * int(b)) / 255 + 0.5)
            )
            for r, g, b in row
        ]
        for row in picture[..., :3]
    ]


def naive_errors(estimate: U8, truth: U8, mask: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """AGE, pEPs and pCEPs, pixel by pixel."""
    luma, true_luma = naive_luma(estimate), naive_luma(truth)
    height, width = mask.shape
    total = errors = clustered = n = 0.0

    def wrong(y: int, x: int) -> bool:
        if not (0 <= y < height and 0 <= x < width and mask[y, x]):
            return True
        return abs(luma[y][x] - true_luma[y][x]) > 20

    for y, x in np.argwhere(mask):
        n += 1
        total += abs(luma[y][x] - true_luma[y][x])
        errors += wrong(y, x)
        neighbours = [(y, x), (y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        clustered += all(wrong(*place) for place in neighbours)
    return total / n, errors / n, clustered / n


def naive_psnr(differences: list[float]) -> float:
    square = sum(d * d for d in differences) / len(differences)
    return 10 * math.log10(255 * 255 / square)


def naive_cqm(estimate: U8, truth: U8) -> float:
    planes: list[list[float]] = [[], [], []]
    for a, b in zip(estimate.reshape(-1, 3).tolist(), truth.reshape(-1, 3).tolist(), strict=True):
        (r, g, bl), (r2, g2, bl2) = a, b
        planes[0].append(math.floor((r + 2 * g + bl) / 4) - math.floor((r2 + 2 * g2 + bl2) / 4))
        planes[1].append((r - g) - (r2 - g2))
        planes[2].append((bl - g) - (bl2 - g2))
    y, u, v = (naive_psnr(plane) for plane in planes)
    return 0.9449 * y + 0.0551 * (u + v) / 2


def naive_ms_ssim(a: list[list[float]], b: list[list[float]], levels: int) -> float:
    """MS-SSIM window by window, with a two-dimensional window."""
    window = [
        [math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)]
        for i in range(11)
    ]
    weights = np.array(window) / np.sum(window)
    first, second = np.array(a), np.array(b)
    product, total = 1.0, sum(MS_SSIM_WEIGHTS) / sum(MS_SSIM_WEIGHTS[:levels])
    for level in range(levels):
        height, width = first.shape
        contrasts, similarities = [], []
        for y in range(height - 10):
            for x in range(width - 10):
                p, q = first[y : y + 11, x : x + 11], second[y : y + 11, x : x + 11]
                mp, mq = (weights * p).sum(), (weights * q).sum()
                vp = (weights * (p - mp) ** 2).sum()
                vq = (weights * (q - mq) ** 2).sum()
                cov = (weights * (p - mp) * (q - mq)).sum()
                contrast = (2 * cov + 58.5225) / (vp + vq + 58.5225)
                luminance = (2 * mp * mq + 6.5025) / (mp**2 + mq**2 + 6.5025)
                contrasts.append(contrast)
                similarities.append(contrast * luminance)
        factor = np.mean(similarities if level == levels - 1 else contrasts)
        product *= max(0.0, float(factor)) ** (MS_SSIM_WEIGHTS[level] * total)
        halves = []
        for picture in (first, second):
            rows = [*range(height), height - 1][: height + height % 2]
            columns = [*range(width), width - 1][: width + width % 2]
            even = picture[np.ix_(rows, columns)]
            halves.append(even.reshape(len(rows) // 2, 2, len(columns) // 2, 2).mean(axis=(1, 3)))
        first, second = halves
    return product


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_errors_are_those_of_the_reference(
    height: int, width: int, seed: int, masked: bool
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    estimate = np.clip(truth + rng.normal(0, 60, truth.shape), 0, 255).astype(np.uint8)
    mask = rng.random((height, width)) < 0.8 if masked else np.ones((height, width), np.bool_)
    mask[0, 0] = True
    got = initialisation_metrics(estimate, truth, mask if masked else None)
    assert (got.age, got.peps, got.pceps) == pytest.approx(naive_errors(estimate, truth, mask))


def test_psnr_and_cqm_are_those_of_the_reference() -> None:
    estimate, truth = pictures(20, 31)
    got = initialisation_metrics(estimate, truth)
    luma, true_luma = naive_luma(estimate), naive_luma(truth)
    differences = [
        a - b for p, q in zip(luma, true_luma, strict=True) for a, b in zip(p, q, strict=True)
    ]
    assert got.psnr == pytest.approx(naive_psnr(differences))
    assert got.cqm == pytest.approx(naive_cqm(estimate, truth))


@pytest.mark.parametrize(
    ("height", "width", "levels"), [(11, 11, 1), (20, 60, 1), (21, 22, 2), (45, 41, 3)]
)
def test_ms_ssim_is_that_of_the_reference(height: int, width: int, levels: int) -> None:
    estimate, truth = pictures(height, width, seed=height)
    wanted = naive_ms_ssim(naive_luma(estimate), naive_luma(truth), levels)
    assert 0.05 < wanted < 0.99
    assert initialisation_metrics(estimate, truth).ms_ssim == pytest.approx(wanted)


def test_ms_ssim_takes_five_scales_where_they_fit() -> None:
    estimate, truth = pictures(161, 170)
    wanted = naive_ms_ssim(naive_luma(estimate), naive_luma(truth), 5)
    assert initialisation_metrics(estimate, truth).ms_ssim == pytest.approx(wanted)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (10, 300), (300, 10), (3, 5)])
def test_a_tiny_picture_has_no_ms_ssim(height: int, width: int) -> None:
    estimate, truth = pictures(height, width)
    got = initialisation_metrics(estimate, truth)
    assert math.isnan(got.ms_ssim)
    assert got.as_dict()["ms_ssim"] is None
    assert got.age >= 0


def test_equal_pictures_score_best() -> None:
    _, truth = pictures(200, 180)
    got = initialisation_metrics(truth, truth)
    assert (got.age, got.peps, got.pceps) == (0, 0, 0)
    assert got.ms_ssim == pytest.approx(1)
    assert got.psnr == got.cqm == math.inf
    assert got.as_dict()["psnr"] is None
    assert json.dumps(got.as_dict(), allow_nan=False)


def test_opposite_pictures_have_no_similarity() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    got = initialisation_metrics(255 - truth, truth)
    assert got.ms_ssim == 0


def test_what_lies_outside_the_mask_counts_nowhere() -> None:
    estimate, truth = pictures(60, 70)
    mask = np.zeros((60, 70), np.bool_)
    mask[10:50, 20:60] = True
    spoilt = estimate.copy()
    spoilt[~mask] = 255 - spoilt[~mask]
    assert initialisation_metrics(estimate, truth, mask) == initialisation_metrics(
        spoilt, truth, mask
    )


def test_a_full_mask_is_no_mask() -> None:
    estimate, truth = pictures(60, 70)
    full = np.ones((60, 70), np.bool_)
    assert initialisation_metrics(estimate, truth, full) == initialisation_metrics(estimate, truth)


def test_an_empty_mask_gives_no_figure() -> None:
    estimate, truth = pictures(20, 20)
    got = initialisation_metrics(estimate, truth, np.zeros((20, 20), np.bool_))
    assert set(got.as_dict().values()) == {None}


def test_a_mask_of_another_size_is_refused() -> None:
    estimate, truth = pictures(20, 20)
    with pytest.raises(InvalidParameter, match="mask"):
        initialisation_metrics(estimate, truth, np.ones((20, 21), np.bool_))
