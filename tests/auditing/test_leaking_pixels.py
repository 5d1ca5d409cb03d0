"""Which pixels of a frame show the room: those on the line to the claimed colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.auditing.audits import recovery_of
from unveil.auditing.leaking_pixels import LeakingPixels
from unveil.video.chunk import Colour, Layout, Planes

U8 = npt.NDArray[np.uint8]

LAYOUT = Layout(90, 120, colour=Colour("rgb", full_range=True))
BACKGROUND, ROOM = np.array([40, 160, 60]), np.array([230, 130, 40])


def planes_of(picture: U8) -> Planes:
    """Give an RGB picture as planes, which are green, blue and red."""
    red, green, blue = np.moveaxis(picture, 2, 0).copy()
    return green, blue, red


def picture_of(colour: Any) -> U8:
    picture = np.empty((90, 120, 3), np.uint8)
    picture[...] = colour
    return picture


@pytest.fixture(scope="module")
def pixels() -> LeakingPixels:
    confidence = np.zeros((90, 120), np.float32)
    confidence[:, :60] = 0.8
    return LeakingPixels(recovery_of(confidence), LAYOUT)


@pytest.mark.parametrize("blend", [0.25, 0.5, 0.8, 1.0, 1.2])
def test_blends_leak_where_the_room_is_claimed(pixels: LeakingPixels, blend: float) -> None:
    colour = np.clip(np.rint((1 - blend) * BACKGROUND + blend * ROOM), 0, 255)
    found = pixels.find(planes_of(picture_of(colour)))
    assert found[:, :60].all()
    assert not found[:, 60:].any()


@pytest.mark.parametrize("colour", [BACKGROUND, BACKGROUND + 5, (0, 0, 0), (60, 60, 255)])
def test_other_colours_do_not_leak(pixels: LeakingPixels, colour: Any) -> None:
    assert not pixels.find(planes_of(picture_of(colour))).any()


def test_the_mask_decides_how_like_the_room_a_leak_must_be(pixels: LeakingPixels) -> None:
    rows, columns = LAYOUT.block_grid
    for colour, leaks_at in (
        (ROOM, {0, 1, 2}),
        ((ROOM + BACKGROUND) // 2, {0, 1}),
        ((0, 0, 0), {0}),
        (BACKGROUND, set()),
    ):
        planes = planes_of(picture_of(colour))
        found = {
            level
            for level in (0, 1, 2)
            if pixels.find(planes, np.full((rows, columns), level, np.uint8)).any()
        }
        assert found == leaks_at, colour


def test_single_pixels_of_a_person_do_not_leak(pixels: LeakingPixels) -> None:
    picture = picture_of((90, 60, 50))
    picture[10:80:20, 10:50:20] = ROOM
    person = np.full(LAYOUT.block_grid, 2, np.uint8)
    assert not pixels.find(planes_of(picture), person).any()
    picture[30:50, 20:40] = ROOM
    assert pixels.find(planes_of(picture), person)[30:50, 20:40].all()


def test_beside_a_leak_what_is_not_claimed_leaks_outside_the_person(pixels: LeakingPixels) -> None:
    rows, columns = LAYOUT.block_grid
    side = LAYOUT.block_size
    picture = picture_of(BACKGROUND)
    picture[20:60, 50:100] = (200, 200, 200)
    person = np.zeros((rows, columns), np.uint8)
    found = pixels.find(planes_of(picture), person)
    assert found[20:60, 50 : 60 + side].all()  # claimed up to column 60
    assert not found[:, 60 + side :].any()
    assert not found[: 20 - 1].any()
    # Not where the background is almost shown, nor in or near the person, nor far from a leak.
    picture[20:60, 60:] = BACKGROUND + 8
    assert not pixels.find(planes_of(picture), person)[:, 60:].any()
    picture[20:60, 60:] = (200, 200, 200)
    for level in (1, 2):
        person[:, 60 // side :] = level
        assert not pixels.find(planes_of(picture), person)[:, 60:].any()
    picture[20:60, :60] = BACKGROUND
    person[...] = 0
    assert not pixels.find(planes_of(picture), person).any()


def test_a_frame_is_compared_with_the_background_that_it_shows() -> None:
    confidence = np.zeros((90, 120), np.float32)
    confidence[:, :60] = 0.8
    other = recovery_of(confidence, background=picture_of((200, 20, 200)))
    both = LeakingPixels(recovery_of(confidence, others=(other,)), LAYOUT)
    assert both.shown_background(planes_of(picture_of(BACKGROUND))) == 0
    assert both.shown_background(planes_of(picture_of((198, 22, 200)))) == 1
    assert not both.find(planes_of(picture_of((200, 20, 200))), number=1).any()


def test_a_recovery_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="for frames of"):
        LeakingPixels(recovery_of(np.zeros((8, 8), np.float32)), LAYOUT)
