"""Shifts of pictures whose motion is known, and the survey that tells whether they move."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.recovery.background.shifts import (
    MIN_PAIRS,
    ShiftSurvey,
    line_steps,
    shift_between,
    spectra,
)
from unveil.video.chunk import Chunk, Layout

U8 = npt.NDArray[np.uint8]

LAYOUT = Layout(96, 160)
SIZE = 8
"""Rows and columns of a block where no layout gives it."""


@cache
def hills(width: int = 400) -> U8:
    """Draw plain bands with curved borders: nine of ten pixels have no edge."""
    x, y = np.arange(width), np.arange(LAYOUT.height)[:, None]
    first = 30 + 8 * np.sin(x / 17) + 4 * np.sin(x / 7)
    second = 65 + 9 * np.sin(x / 23 + 1) + 3 * np.sin(x / 5)
    levels: U8 = np.where(y < first, 190, np.where(y < second, 120, 60)).astype(np.uint8)
    return levels


@cache
def fringe() -> U8:
    return np.random.default_rng(9).integers(0, 255, (56, 48)).astype(np.uint8)


def frame_of(luma: U8, number: int) -> Chunk:
    """Put a person who sways in front of a picture, who drags a fringe of the room along."""
    luma = luma.copy()
    left = 60 + round(12 * np.sin(number / 6))
    luma[40:, left - 4 : left + 44] = fringe()
    mask = np.zeros(LAYOUT.block_grid, np.uint8)
    mask[40:, left : left + 40] = 2  # blocks of one pixel
    grey = np.full((1, LAYOUT.chroma_height, LAYOUT.chroma_width), 128, np.uint8)
    return Chunk((luma[None], grey, grey), np.zeros(1), LAYOUT, mask[None])


def surveyed(pixels_per_frame: float, n_frames: int, *, vertical: bool = False) -> ShiftSurvey:
    survey = ShiftSurvey(LAYOUT)
    for number in range(n_frames):
        survey.add(moved(pixels_per_frame, number, vertical=vertical))
    return survey


def moved(pixels_per_frame: float, number: int, *, vertical: bool = False) -> Chunk:
    luma = hills(LAYOUT.width)
    if vertical:
        luma = np.ascontiguousarray(np.resize(hills(LAYOUT.width).T, luma.shape[::-1]).T)
    by = int(np.floor(pixels_per_frame * number))
    return frame_of(np.roll(luma, by, 0 if vertical else 1), number)


@pytest.mark.parametrize("pixels_per_frame", [-3, -0.5, 0.25, 1, 2])
def test_a_plain_picture_that_pans_moves(pixels_per_frame: float) -> None:
    assert surveyed(pixels_per_frame, 100).moves


def test_a_still_picture_does_not_move_whoever_moves_in_front_of_it() -> None:
    assert not surveyed(0, 300).moves


@pytest.mark.parametrize("level", [0, 128])
def test_a_plain_picture_does_not_move(level: int) -> None:
    survey = ShiftSurvey(LAYOUT)
    for number in range(300):
        survey.add(frame_of(np.full((LAYOUT.height, LAYOUT.width), level, np.uint8), number))
    assert not survey.moves


def test_too_few_pairs_tell_nothing() -> None:
    pairs = 16 * (MIN_PAIRS - 1) + 9
    assert not surveyed(2, pairs - 1).moves
    assert surveyed(2, pairs).moves


@pytest.mark.parametrize("shape", [(1, 1), (1, 160), (96, 1), (3, 5), (31, 31)])
def test_small_frames_do_not_move(shape: tuple[int, int]) -> None:
    layout = Layout(*shape)
    survey = ShiftSurvey(layout)
    rng = np.random.default_rng(0)
    for _ in range(100):
        planes = tuple(
            rng.integers(0, 255, plane.shape).astype(np.uint8) for plane in layout.empty(1)
        )
        mask = np.zeros((1, *layout.block_grid), np.uint8)
        survey.add(Chunk(planes, np.zeros(1), layout, mask))
    assert not survey.moves


@cache
def whole_survey(pixels_per_frame: float) -> ShiftSurvey:
    return surveyed(pixels_per_frame, 300)


@settings(max_examples=20)
@given(end=st.integers(1, 290), moving=st.booleans())
def test_a_saved_survey_goes_on(end: int, moving: bool) -> None:
    whole = whole_survey(2.0 * moving)
    first = surveyed(2.0 * moving, end)
    restored = ShiftSurvey(LAYOUT)
    restored.restore(first.as_arrays())
    for number in range(end, 300):
        restored.add(moved(2.0 * moving, number))
    for name, array in whole.as_arrays().items():
        np.testing.assert_array_equal(restored.as_arrays()[name], array, err_msg=name)
        assert ShiftSurvey.specification(LAYOUT)[name].allows(array.shape, array.dtype)
    assert restored.moves == moving


def test_merged_surveys_count_the_pairs_of_both() -> None:
    still, panning = surveyed(0, 100), surveyed(2, 100)
    still.merge(panning)
    n_frames, n_pairs, n_moving, _, *n_one_way = still.as_arrays()["shift_frames"]
    assert n_one_way == panning.as_arrays()["shift_frames"][4:].tolist()
    assert max(n_one_way) == n_moving
    assert (n_frames, n_pairs) == (200, 12)
    assert n_moving == panning.as_arrays()["shift_frames"][2] >= MIN_PAIRS


@pytest.mark.parametrize(
    ("n_one_way", "moves"),
    [((6, 0, 0, 0), True), ((0, 0, 0, 8), True), ((5, 0, 0, 0), False), ((4, 4, 4, 4), False)],
)
def test_weak_shifts_tell_of_a_motion_if_most_have_one_direction(
    n_one_way: tuple[int, ...], moves: bool
) -> None:
    survey = surveyed(0, 10)
    numbers = np.array([200, 8, 0, -1, *n_one_way])
    survey.restore(survey.as_arrays() | {"shift_frames": numbers})
    assert survey.moves == moves


@pytest.mark.parametrize("noise", [0.0, 0.015])
def test_a_shift_one_way_is_counted_though_its_peak_is_weak(noise: float) -> None:
    """Pixels of noise lower the peak below `MIN_PEAK`."""
    survey, rng = ShiftSurvey(LAYOUT), np.random.default_rng(3)
    for number in range(80):
        chunk = moved(2.0, number)
        luma = chunk.planes[0].copy()
        drawn = rng.integers(0, 256, luma.shape, np.uint8)
        luma[:] = np.where(rng.random(luma.shape) < noise, drawn, luma)
        survey.add(replace(chunk, planes=(luma, *chunk.planes[1:])))
    _, n_pairs, n_moving, _, *n_one_way = survey.as_arrays()["shift_frames"]
    assert max(n_one_way) == n_pairs
    assert (n_moving == n_pairs) == (noise == 0)
    assert survey.moves


@pytest.mark.parametrize(
    "numbers",
    [(-1, 0, 0, -1, 0), (9, 2, 3, -1, 0), (9, 1, 0, 8, 0), (1, 2, 0, 0, 0), (9, 2, 0, 0, 3)],
)
def test_numbers_that_do_not_fit_are_refused(numbers: tuple[int, ...]) -> None:
    arrays = surveyed(0, 10).as_arrays() | {"shift_frames": np.array([*numbers, 0, 0, 0])}
    with pytest.raises(ValueError, match="shifts"):
        ShiftSurvey(LAYOUT).restore(arrays)


def reference_steps(luma: U8, person: U8, every: int, margin: int) -> npt.NDArray[np.int64]:
    """Differences along rows, pixel by pixel."""
    steps = np.zeros((-(-luma.shape[0] // every), luma.shape[1] - 1), np.int64)
    for row in range(0, luma.shape[0], every):
        for column in range(luma.shape[1] - 1):
            block, left, right = row // SIZE, column // SIZE, (column + 1) // SIZE
            near = any(
                abs(block - y) + min(abs(left - x), abs(right - x)) <= margin
                for y, x in np.argwhere(person)
            )
            if not near:
                steps[row // every, column] = int(luma[row, column + 1]) - int(luma[row, column])
    return steps


@pytest.mark.parametrize("margin", [0, 1, 2])
@pytest.mark.parametrize("every", [1, 5, 16])
def test_the_person_and_what_is_beside_them_is_left_out(margin: int, every: int) -> None:
    rng = np.random.default_rng(margin)
    luma = rng.integers(0, 256, (50, 75)).astype(np.uint8)
    person = np.zeros((7, 10), np.uint8)
    person[3, 4:6] = 1
    person[6, 9] = 2
    rows, columns = line_steps(luma, person, SIZE, every, margin)
    np.testing.assert_array_equal(rows, reference_steps(luma, person, every, margin))
    np.testing.assert_array_equal(columns, reference_steps(luma.T, person.T, every, margin))


@settings(max_examples=30)
@given(shift=st.integers(-60, 60), length=st.integers(130, 300), seed=st.integers(0, 99))
def test_the_shift_of_noise_is_found(shift: int, length: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-200, 200, (4, length + 120)).astype(np.int16)
    before, now = noise[:, 60 : 60 + length], noise[:, 60 - shift : 60 - shift + length]
    found = shift_between(spectra(before), spectra(now), length)
    assert found.pixels == pytest.approx(shift, abs=0.3)
    assert found.peak > 0.3
