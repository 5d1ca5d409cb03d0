"""Scores against a photo, with colour metrics against slow references from the formulas."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import pictures
from unveil.errors import InvalidParameter
from unveil.scoring.background_metrics import initialisation_metrics
from unveil.scoring.photo import (
    compare_colours,
    score_room,
    verify,
)

U8 = npt.NDArray[np.uint8]


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
