"""How closely a caller is framed, and what a selfie model marks beside that caller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from unveil.person import Mask
from unveil.person.framing import framing_of
from unveil.protection.framing import (
    MAX_STRAY,
    MIN_HIPS,
    MIN_TORSO,
    is_alone,
    is_close_up,
    joined_to_landmarks,
    stray_share,
)

F32 = npt.NDArray[np.float32]

HEIGHT, WIDTH = 144, 256
HEAD = np.s_[30:90, 100:160]
MOUTH_Y = 80
SHOULDERS = np.s_[90:144, 60:200]


def landmarks(shoulders_y: float, hips_y: float, lean: float = 0.0) -> F32:
    """Place a body by the rows of its shoulders and hips, in heights of the frame."""
    points = np.zeros((33, 3), np.float32)
    points[:, :2] = 130, 60
    points[:11, 2] = 1
    points[[9, 10], 1] = MOUTH_Y
    points[[11, 12], 0] = 100, 160
    points[[11, 12], 1] = shoulders_y * HEIGHT
    points[[23, 24], 0] = 110 + lean * HEIGHT, 150 + lean * HEIGHT
    points[[23, 24], 1] = hips_y * HEIGHT
    return points


def whole_frame(*areas: tuple[slice, slice], points: F32 | None = None) -> Mask:
    probability = np.zeros((HEIGHT, WIDTH), np.float32)
    for area in areas:
        probability[area] = 1
    return Mask(probability, np.eye(2, 3), HEIGHT, WIDTH, 1.0, points)


@pytest.mark.parametrize(
    ("shoulders_y", "hips_y", "begins", "stays"),
    [
        (1.1, 2.5, True, True),  # a face fills the frame
        (1.0, 1.9, True, True),  # a webcam's close-up
        (0.9, 1.6, True, True),
        (0.8, 1.4, False, True),  # between the two limits
        (0.55, 1.2, False, False),  # half length
        (0.3, 0.6, False, False),  # full length
        (1.2, 1.55, False, False),  # far away, cut by the frame
        (1.1, 1.55, False, True),
    ],
)
def test_a_close_up_is_told_by_hips_and_torso(
    shoulders_y: float, hips_y: float, begins: bool, stays: bool
) -> None:
    framing = framing_of(whole_frame(HEAD, points=landmarks(shoulders_y, hips_y)))
    assert framing is not None
    assert framing.hips_y == pytest.approx(hips_y)
    assert framing.torso == pytest.approx(hips_y - shoulders_y, rel=1e-5)
    assert is_close_up(framing, already=False) == begins
    assert is_close_up(framing, already=True) == stays


def test_to_stay_is_easier_than_to_begin() -> None:
    assert MIN_HIPS[True] < MIN_HIPS[False]
    assert MIN_TORSO[True] < MIN_TORSO[False]
    assert MAX_STRAY[True] > MAX_STRAY[False]


def test_a_torso_that_leans_is_not_shorter() -> None:
    leaning = framing_of(whole_frame(points=landmarks(1.0, 1.6, lean=0.8)))
    assert leaning is not None
    assert leaning.torso == pytest.approx(1.0, rel=1e-5)


def test_without_landmarks_there_is_no_framing() -> None:
    points = landmarks(1.0, 2.0)
    assert framing_of(whole_frame(HEAD)) is None
    nobody = Mask(np.zeros((4, 4), np.float32), np.eye(2, 3), HEIGHT, WIDTH, 0.0, points)
    assert framing_of(nobody) is None
    points[23] = np.nan
    assert framing_of(whole_frame(HEAD, points=points)) is None


BESIDE = np.s_[40:80, 160:190]
"""Joined to the head."""
APART = np.s_[40:80, 200:230]
HAIR = np.s_[24:30, 100:160]
"""As wide as the rim around the head, which is 0.04 of a torso of 144 pixels."""
HAT = np.s_[20:30, 100:160]


@pytest.mark.parametrize(
    ("areas", "share"),
    [
        ((HEAD,), 0.0),
        ((HEAD, SHOULDERS), 0.0),  # which the pose model loses
        ((HEAD, HAIR), 0.0),
        ((HEAD, HAT), 4 * 60 / (50 * 60)),
        ((HEAD, BESIDE), 40 * (30 - 6) / (50 * 60)),
        ((HEAD, APART), 0.0),  # hidden anyway
    ],
)
def test_only_what_is_joined_and_beside_the_head_strays(
    areas: tuple[tuple[slice, slice], ...], share: float
) -> None:
    pose = whole_frame(HEAD, points=landmarks(1.0, 2.0))
    assert stray_share(whole_frame(*areas), pose) == pytest.approx(share)
    assert is_alone(whole_frame(*areas), pose, already=False) == (share < 0.05)


def test_where_the_pose_model_marks_no_head_nobody_is_alone() -> None:
    pose = whole_frame(points=landmarks(1.0, 2.0))
    assert not is_alone(whole_frame(HEAD), pose, already=True)


def test_only_visible_landmarks_hold_and_what_is_faint_is_kept() -> None:
    picture = np.zeros((4, 8), np.float32)
    picture[1, 1], picture[1, 6], picture[3, 3] = 0.9, 0.8, 0.3
    # In a frame four times as large; the second is not visible, the third far outside.
    points = np.array([[6, 6, 0.9], [26, 6, 0.4], [1e12, -1e12, 0.9]], np.float32)
    kept = joined_to_landmarks(picture, points, 0.25, 0.25, 0.45)
    expected = picture.copy()
    expected[1, 6] = 0
    np.testing.assert_array_equal(kept, expected)
    nothing = joined_to_landmarks(picture, None, 0.25, 0.25, 0.45)
    assert nothing.max() == np.float32(0.3)
