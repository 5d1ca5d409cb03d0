"""A background that is a blur of the room is told from still ones, also from smooth ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from tests.recovery.background.test_gaussian import HEIGHT, WIDTH, furniture
from unveil.arrays import F32, U8
from unveil.recovery.background.blurred_room import NEAR_CERTAINTY, BlurSurvey
from unveil.recovery.background.gaussian import filtered, filtered_inside
from unveil.video.chunk import Chunk, Layout

FRAMES = 30
SMOOTHING = 0.2
LAYOUT = Layout(HEIGHT, WIDTH, 1, 1)


def furnished(seed: int) -> F32:
    """Draw a room with weak detail between its strong edges."""
    room: F32 = furniture(seed) + 0.3 * (furniture(seed + 9, 300, 50) - 128)
    return np.clip(room, 0, 255)


def frames_of(kind: str, sigma: float) -> Iterator[Chunk]:
    """Make frames of a person who moves to and fro before a background of some kind."""
    for levels, person in drawn(kind, sigma):
        yield chunk_of(levels, person)


@cache
def drawn(kind: str, sigma: float) -> tuple[tuple[U8, np.ndarray], ...]:
    """Draw luma and person of such frames: (h, w) uint8 and bool."""
    return tuple(draw(kind, sigma))


def draw(kind: str, sigma: float) -> Iterator[tuple[U8, np.ndarray]]:
    rng = np.random.default_rng(0)
    room = furnished(0)
    still = filtered(room, sigma)
    picture = filtered(furnished(1), sigma)
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    thing = np.zeros((HEIGHT, WIDTH), np.bool_)
    thing[:100, 320:] = True
    for number in range(FRAMES):
        left = 150 + round(90 * np.sin(number / 4))
        person = np.zeros((HEIGHT, WIDTH), np.bool_)
        person[120:, left : left + 120] = True
        camera = np.where(person, np.float32(60), room)

        def blurred(camera: F32 = camera, person: np.ndarray = person) -> F32:
            return filtered_inside(camera, ~person, sigma)

        def trailing(behind: F32, camera: F32 = camera, person: np.ndarray = person) -> F32:
            # A service's mask with a soft edge, smoothed over time.
            mask[:] += (1 - SMOOTHING) * (filtered(person.astype(np.float32), 6.0) - mask)
            return mask * camera + (1 - mask) * behind

        shown = {
            "halo": lambda camera=camera: filtered(camera, sigma),
            "blur": blurred,
            "blur behind a sharp thing": lambda: np.where(thing, room, blurred()),
            "trail before a blur": lambda: trailing(blurred()),
            "trail before a picture": lambda: trailing(picture),
            "smooth": lambda: still,
            "photo": lambda: room,
            "gradient": lambda: np.linspace(0, 255, WIDTH, dtype=np.float32) + 0 * room,
        }[kind]()
        noise = rng.normal(0, 0.4, room.shape)
        luma = np.where(person, camera, shown) + noise
        yield np.clip(np.rint(luma), 0, 255).astype(np.uint8), person


@cache
def survey_of(kind: str, sigma: float = 8.0) -> BlurSurvey:
    """Survey such frames."""
    survey = BlurSurvey(LAYOUT)
    for chunk in frames_of(kind, sigma):
        survey.add(chunk)
    return survey


def chunk_of(levels: U8, person: np.ndarray) -> Chunk:
    """Make a chunk of one grey frame with its mask; it may be changed."""
    size = LAYOUT.block_size
    rows, columns = LAYOUT.block_grid
    mask = np.zeros((1, rows, columns), np.uint8)
    mask[0] = 2 * person[::size, ::size]
    grey: U8 = np.full((1, LAYOUT.chroma_height, LAYOUT.chroma_width), 128, np.uint8)
    return Chunk((levels[None].copy(), grey, grey), np.zeros(1), LAYOUT, mask)


@pytest.mark.parametrize(
    ("kind", "sigma"),
    [("halo", 6.0), ("blur", 8.0), ("blur", 12.0), ("trail before a blur", 8.0)],
)
def test_a_blur_of_the_room_is_found_with_its_strength(kind: str, sigma: float) -> None:
    found = survey_of(kind, sigma).find()
    assert found is not None
    assert abs(found.sigma - sigma) <= 0.2 * sigma
    assert found.change > found.change_far


@pytest.mark.parametrize("kind", ["smooth", "photo", "gradient"])
def test_a_still_background_is_none(kind: str) -> None:
    assert survey_of(kind).find() is None


def test_a_trail_of_the_room_before_a_smooth_picture_is_none() -> None:
    """It changes the picture as much as a blur does, but not as a blur does."""
    assert survey_of("trail before a picture").find() is None


def test_a_thing_that_is_always_sharp_does_not_hide_the_blur() -> None:
    found = survey_of("blur behind a sharp thing").find()
    assert found is not None
    assert abs(found.sigma - 8.0) <= 0.2 * 8.0


def test_a_saved_survey_goes_on_as_if_it_had_not_been_saved() -> None:
    half = BlurSurvey(LAYOUT)
    for number, chunk in enumerate(frames_of("trail before a picture", 8.0)):
        if number == FRAMES // 2:
            restored = BlurSurvey(LAYOUT)
            restored.restore({name: array.copy() for name, array in half.as_arrays().items()})
            half = restored
        half.add(chunk)
    whole = survey_of("trail before a picture").as_arrays()
    assert half.as_arrays().keys() == whole.keys() == BlurSurvey.specification(LAYOUT).keys()
    for name, array in half.as_arrays().items():
        np.testing.assert_array_equal(array, whole[name])


def test_nothing_is_told_without_frames_or_without_a_person() -> None:
    survey = BlurSurvey(LAYOUT)
    assert survey.find() is None
    for _ in range(FRAMES):
        survey.add(chunk_of(furniture(0).astype(np.uint8), np.ones((HEIGHT, WIDTH), np.bool_)))
    assert survey.find() is None


def test_the_background_is_the_mean_far_from_the_person() -> None:
    rgb, certainty = survey_of("smooth").background()
    known = certainty == 1
    assert known.all()
    still = filtered(furnished(0), 8.0)
    full = (still - 16) * 255 / 219
    assert np.abs(rgb[known] - np.clip(full, 0, 255)[known][:, None]).mean() < 1


def test_near_a_person_who_stays_the_background_is_less_certain() -> None:
    survey = BlurSurvey(LAYOUT)
    first = next(iter(frames_of("smooth", 8.0)))
    for _ in range(4):
        survey.add(first)
    rgb, certainty = survey.background()
    assert np.unique(certainty).tolist() == [0, np.float32(NEAR_CERTAINTY), 1]
    # The person's first block begins in column 152; a block has 4.
    row = certainty[200]
    assert (row[148:270] == 0).all()
    assert (row[124:148] == np.float32(NEAR_CERTAINTY)).all()
    assert (row[:124] == 1).all()
    known = certainty > 0
    full = np.clip((filtered(furnished(0), 8.0) - 16) * 255 / 219, 0, 255)
    assert np.abs(rgb[known] - full[known][:, None]).mean() < 1


def test_a_merged_survey_holds_both_halves() -> None:
    whole, merged, second = survey_of("blur"), BlurSurvey(LAYOUT), BlurSurvey(LAYOUT)
    for number, chunk in enumerate(frames_of("blur", 8.0)):
        (merged if number < FRAMES // 2 else second).add(chunk)
    merged.merge(second)
    assert all(
        np.array_equal(*means)
        for means in zip(merged.background(), whole.background(), strict=True)
    )
    assert merged.find() is not None
