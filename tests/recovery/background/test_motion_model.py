"""Motion models of pictures whose motion is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.recovery.background import motion_model
from unveil.recovery.background.motion_model import PREFIX_FRAMES, Loop, MotionSurvey, Pan
from unveil.video.chunk import Chunk, Layout

U8 = npt.NDArray[np.uint8]

LAYOUT = Layout(144, 192)


def painted(seed: int = 0) -> U8:
    """Draw patches, smoothed so that they can move by a part of a pixel."""
    rng = np.random.default_rng(seed)
    patches = np.kron(rng.integers(20, 230, (24, 32)), np.ones((6, 6)))
    for axis in (0, 1):
        patches = (np.roll(patches, 1, axis) + 2 * patches + np.roll(patches, -1, axis)) / 4
    return patches.astype(np.uint8)


def surveyed(picture: Callable[[int], U8], n_frames: int) -> MotionSurvey:
    """Survey pictures with a person who moves to and fro in front of them."""
    survey = MotionSurvey()
    for number in range(n_frames):
        luma = picture(number).copy()
        mask = np.zeros(LAYOUT.block_grid, np.uint8)
        left = 60 + int(20 * np.sin(number / 9))
        luma[48:, left : left + 60] = 200
        size = LAYOUT.block_size
        mask[48 // size :, left // size : -(-(left + 60) // size)] = 1
        grey = np.full((1, LAYOUT.chroma_height, LAYOUT.chroma_width), 128, np.uint8)
        survey.add(Chunk((luma[None], grey, grey), np.zeros(1), LAYOUT, mask[None]))
    return survey


@settings(max_examples=12)
@given(speed=st.integers(-4, 4).filter(bool), vertical=st.booleans())
def test_a_pan_is_found(speed: int, vertical: bool) -> None:
    axis = 0 if vertical else 1
    motion = surveyed(lambda n: np.roll(painted(), speed * n, axis), 60).motion()
    assert motion == Pan("vertical" if vertical else "horizontal", float(speed))


def test_a_pan_of_half_pixels_is_found() -> None:
    motion = surveyed(lambda n: np.roll(painted(), n // 2, 1), 80).motion()
    assert motion == Pan("horizontal", 0.5)
    assert motion.offset(9) == (0, 4)


@pytest.mark.parametrize("eighths", [-13, -8, -5, 3, 5, 9, 24])
@pytest.mark.parametrize("vertical", [False, True])
def test_a_pan_of_eighths_of_a_pixel_is_found(eighths: int, vertical: bool) -> None:
    motion = surveyed(
        lambda n: np.roll(painted(), np.floor(eighths * n / 8).astype(int), 0 if vertical else 1),
        120,
    ).motion()
    assert isinstance(motion, Pan)
    assert motion.axis == ("vertical" if vertical else "horizontal")
    assert motion.pixels_per_frame == pytest.approx(eighths / 8, abs=1 / 64)


def assert_steady(speed: float) -> None:
    """Check that between any two frames a pan moves by its speed, to the next whole pixel."""
    for axis, place in (("horizontal", 1), ("vertical", 0)):
        pan = Pan(axis, speed)
        moved = [pan.offset(frame)[place] for frame in range(200)]
        assert {pan.offset(frame)[1 - place] for frame in range(200)} == {0}
        for apart in (1, 2, 3, 4, 8, 50):
            for one, other in zip(moved, moved[apart:], strict=False):
                assert abs(other - one - apart * speed) < 1


@pytest.mark.parametrize("speed", [1.0, -3.0, 0.4, -0.8, 1 / 3, 2.6])
def test_a_pan_moves_steadily(speed: float) -> None:
    assert_steady(speed)


@pytest.mark.parametrize("speed", [0.5, -0.5, 0.25, 1.5, -2.125])
def test_a_pan_by_parts_of_pixels_moves_steadily(speed: float) -> None:
    assert_steady(speed)


@pytest.mark.parametrize("period", [9, 25])
def test_a_loop_is_found(period: int) -> None:
    assert surveyed(lambda n: painted(n % period), 4 * period).motion() == Loop(period)


def test_pictures_that_never_come_back_are_neither() -> None:
    assert surveyed(painted, 60).motion() is None


def test_too_few_frames_tell_nothing() -> None:
    assert surveyed(lambda n: painted(n % 9), 10).motion() is None


def test_what_is_remembered_is_bounded() -> None:
    survey = surveyed(lambda n: painted(n % 3), PREFIX_FRAMES + 5)
    assert survey.full
    assert survey.n_frames == PREFIX_FRAMES


def test_the_person_must_be_told() -> None:
    planes = LAYOUT.empty(1)
    with pytest.raises(ValueError, match="person"):
        MotionSurvey().add(Chunk(planes, np.zeros(1), LAYOUT))


@pytest.mark.parametrize(("height", "width", "size"), [(24, 32, 8), (25, 37, 4), (7, 9, 1)])
def test_means_of_blocks_are_rounded_halves_to_even(height: int, width: int, size: int) -> None:
    """Whole blocks alone count."""
    rng = np.random.default_rng(height)
    luma = rng.integers(0, 256, (height, width), np.uint8)
    luma[: height // 2] = rng.integers(0, 2, (height // 2, width))
    means = motion_model._block_means(luma, size)
    assert means.shape == (height // size, width // size)
    for row, column in np.ndindex(means.shape):
        block = luma[row * size : (row + 1) * size, column * size : (column + 1) * size]
        assert means[row, column] == round(int(block.sum()) / size**2)
