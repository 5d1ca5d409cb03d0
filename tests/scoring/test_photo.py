"""Scores against slow references written from the formulas."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unveil.errors import InvalidParameter
from unveil.scoring.background_metrics import MS_SSIM_WEIGHTS, initialisation_metrics
from unveil.scoring.photo import (
    compare_colours,
    score_room,
    verify,
)

U8 = npt.NDArray[np.uint8]


def pictures(height: int, width: int, seed: int = 0, noise: float = 12) -> tuple[U8, U8]:
    """Make a smooth picture with edges, and a worse copy of it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    truth = np.stack([x * 3 % 256, y * 2 % 256, (x + y) % 200], axis=2).astype(np.float64)
    truth[height // 4 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    estimate = truth + rng.normal(0, noise, truth.shape)
    estimate[: height // 3, : width // 3] += 60
    return np.clip(estimate, 0, 255).astype(np.uint8), truth.astype(np.uint8)


# Colour differences


def naive_lab(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """Convert sRGB (D65) to CIE L*a*b*."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (red / 255, green / 255, blue / 255)
    ]
    matrix = [
        (0.4124564, 0.3575761, 0.1804375, 0.95047),
        (0.2126729, 0.7151522, 0.0721750, 1.0),
        (0.0193339, 0.1191920, 0.9503041, 1.08883),
    ]
    f = []
    for a, b, c, white in matrix:
        t = (a * linear[0] + b * linear[1] + c * linear[2]) / white
        f.append(t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def naive_ciede2000(lab: tuple[float, ...], other: tuple[float, ...]) -> float:
    """CIEDE2000 by the steps of Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = lab, other
    c_mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(c_mean**7 / (c_mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    delta_h = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn) / 2)
    if c1 * c2 == 0:
        h = h1 + h2
    elif abs(h1 - h2) <= 180:
        h = (h1 + h2) / 2
    else:
        h = (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * math.cos(math.radians(h - 30))
        + 0.24 * math.cos(math.radians(2 * h))
        + 0.32 * math.cos(math.radians(3 * h + 6))
        - 0.20 * math.cos(math.radians(4 * h - 63))
    )
    sl = 1 + 0.015 * (lm - 50) ** 2 / math.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    theta = 60 * math.exp(-(((h - 275) / 25) ** 2))
    rt = -2 * math.sqrt(cm**7 / (cm**7 + 25**7)) * math.sin(math.radians(theta))
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, delta_h / sh
    return math.sqrt(dl**2 + dc**2 + dh**2 + rt * dc * dh)


@pytest.mark.parametrize(
    ("lab", "other", "distance"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_reference_gives_the_published_distances(
    lab: tuple[float, ...], other: tuple[float, ...], distance: float
) -> None:
    assert naive_ciede2000(lab, other) == pytest.approx(distance, abs=5e-5)


def test_distances_are_ciede2000() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 12, 15, 3), dtype=np.uint8)
    second[:4] = np.clip(first[:4].astype(int) + rng.integers(-3, 4, (4, 15, 3)), 0, 255)
    measured = compare_colours(first, second)
    for y, x in np.ndindex(12, 15):
        wanted = naive_ciede2000(naive_lab(*first[y, x]), naive_lab(*second[y, x]))
        # The constants of sRGB and of its white are given to four to seven digits.
        assert measured[y, x] == pytest.approx(wanted, abs=0.02)


def test_similarities_are_cosines() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    first[0, 0] = second[1, 1] = 0
    measured = compare_colours(first, second, "cosine")
    for y, x in np.ndindex(9, 7):
        a, b = first[y, x].astype(float), second[y, x].astype(float)
        length = math.sqrt(sum(a * a)) * math.sqrt(sum(b * b))
        assert measured[y, x] == pytest.approx(sum(a * b) / length if length else 1)


def test_bands_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pictures(23, 31)
    whole = compare_colours(first, second)
    monkeypatch.setattr("unveil.scoring.photo._BAND_PIXELS", 100)
    assert np.array_equal(compare_colours(first, second), whole)


# Verify


def test_verify_counts_matches_and_mismatches() -> None:
    truth = np.full((2, 3, 3), (10, 200, 30), np.uint8)
    room = truth.copy()
    room[0, 0] = (200, 10, 30)
    result = verify(room, truth)
    assert (result.matches, result.mismatches, result.unrecovered) == (5, 1, 0)
    assert result.accuracy == pytest.approx(5 / 6)
    assert (result.metric, result.threshold) == ("ciede2000", 5.06)


def test_transparent_pixels_are_neither() -> None:
    truth = np.full((2, 3, 3), 90, np.uint8)
    room = np.dstack([truth, np.array([[0, 1, 255], [0, 0, 255]], np.uint8)])
    room[0, 0, :3] = room[1, 2, :3] = 250
    result = verify(room, truth)
    assert (result.matches, result.mismatches, result.unrecovered) == (2, 1, 3)


def test_nothing_recovered_has_no_accuracy() -> None:
    result = verify(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8))
    assert math.isnan(result.accuracy)
    assert result.as_dict()["accuracy"] is None
    assert result.unrecovered == 16


def test_verify_by_similarity_is_above_the_threshold() -> None:
    truth = np.array([[[100, 0, 0], [100, 0, 0], [100, 0, 0]]], np.uint8)
    room = np.array([[[50, 0, 0], [100, 20, 0], [0, 100, 0]]], np.uint8)  # 1, 0.981, 0
    assert verify(room, truth, metric="cosine").matches == 1
    assert verify(room, truth, metric="cosine", threshold=0.98).matches == 2
    assert verify(room, truth, metric="cosine", threshold=1).matches == 0


def test_a_threshold_of_zero_matches_nothing() -> None:
    picture = np.zeros((3, 3, 3), np.uint8)
    assert verify(picture, picture, threshold=0).matches == 0


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0, 100))
def test_counts_add_up_to_the_pixels(height: int, width: int, seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    room = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    room[..., 3] *= rng.integers(0, 2, (height, width), dtype=np.uint8)
    truth = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = verify(room, truth, threshold=threshold)
    assert result.matches + result.mismatches + result.unrecovered == height * width
    assert result.unrecovered == (room[..., 3] == 0).sum()
    looser = verify(room, truth, threshold=min(100, threshold + 10))
    assert looser.matches >= result.matches


@pytest.mark.parametrize(
    "options",
    [
        {"metric": "euclid"},
        {"threshold": -0.1},
        {"threshold": 101},
        {"threshold": math.nan},
        {"metric": "cosine", "threshold": 1.5},
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, object]) -> None:
    picture = np.zeros((3, 3, 3), np.uint8)
    with pytest.raises(InvalidParameter, match=r"metric|threshold"):
        verify(picture, picture, **options)


@pytest.mark.parametrize(
    "room",
    [
        np.zeros((3, 3), np.uint8),
        np.zeros((3, 3, 2), np.uint8),
        np.zeros((3, 3, 3), np.float64),
    ],
)
def test_what_is_no_picture_is_refused(room: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidParameter, match="room"):
        verify(room, np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(InvalidParameter, match="truth"):
        initialisation_metrics(np.zeros((3, 3, 3), np.uint8), room)


# Background-initialisation metrics


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


@settings(max_examples=30, deadline=None)
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


# Files


def test_score_bundles_both(tmp_path: Path) -> None:
    estimate, truth = pictures(64, 48, noise=3)
    alpha = np.full((64, 48), 255, np.uint8)
    alpha[:16] = 0
    room = np.dstack([estimate, alpha])
    Image.fromarray(room).save(tmp_path / "room.png")
    Image.fromarray(truth).save(tmp_path / "truth.png")
    result = score_room(tmp_path / "room.png", tmp_path / "truth.png")
    assert result.verification == verify(room, truth)
    assert result.initialisation == initialisation_metrics(estimate, truth, alpha > 0)
    assert result.coverage == pytest.approx(0.75)
    document = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert document["verification"]["unrecovered"] == 16 * 48
    assert (document["width"], document["height"]) == (48, 64)


def test_metric_and_threshold_are_passed_on(tmp_path: Path) -> None:
    picture = np.full((4, 4, 3), 50, np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    result = score_room(tmp_path / "a.png", tmp_path / "a.png", "cosine", 0.5).verification
    assert (result.metric, result.threshold, result.matches) == ("cosine", 0.5, 16)


def test_sizes_that_differ_are_both_named(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    Image.new("RGB", (6, 8)).save(tmp_path / "b.png")
    with pytest.raises(InvalidParameter, match=r"8x6.*6x8"):
        score_room(tmp_path / "a.png", tmp_path / "b.png")
