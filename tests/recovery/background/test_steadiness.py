"""Detection of a moving background, on pictures that are known to move or to be still."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unveil
from tests.sitter import Watcher
from unveil import Engine
from unveil.counting.outside import OutsideTable
from unveil.parallel import Bands
from unveil.recovery.background.steadiness import MIN_SURVEYS, background_motion
from unveil.video.chunk import Chunk, Layout
from unveil.video.writer import VideoWriter
from unveil_kernels.counting.outside import OUTSIDE_SURVEY_EVERY

U8 = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 64, 96
N_FRAMES = MIN_SURVEYS * OUTSIDE_SURVEY_EVERY


@cache
def textured(height: int = HEIGHT, width: int = WIDTH) -> U8:
    """Draw patches of 4 by 4 pixels, each of another grey."""
    rng = np.random.default_rng(5)
    patches = rng.integers(20, 230, (height // 4, width // 4), np.uint8)
    return np.kron(patches, np.ones((4, 4), np.uint8))


def still(number: int) -> U8:
    return textured()


def noisy(number: int) -> U8:
    rng = np.random.default_rng((3, number))
    picture = textured().copy()
    hit = rng.random(picture.shape) < 0.02
    picture[hit] = rng.integers(0, 256, int(hit.sum()))
    return picture


def leaking(number: int) -> U8:
    """Show the room in each column in one of twelve surveys: no pixel is steady."""
    picture = textured().copy()
    survey = number // OUTSIDE_SURVEY_EVERY
    shows_room = np.arange(WIDTH) % MIN_SURVEYS == survey
    picture[:, shows_room] = 255 - picture[:, shows_room]
    return picture


def exchanged(number: int) -> U8:
    return textured() if number < N_FRAMES // 2 else 255 - textured()


def panning(number: int) -> U8:
    return np.roll(textured(), -2 * number, axis=1)


def looping(number: int) -> U8:
    """Show a picture of its own in each of 30 phases."""
    return np.random.default_rng((9, number % 30)).integers(20, 230, (HEIGHT, WIDTH), np.uint8)


def unpredictable(number: int) -> U8:
    """Show a picture of its own in each frame."""
    return np.random.default_rng((2, number)).integers(20, 230, (HEIGHT, WIDTH), np.uint8)


def chunk_of(pictures: list[U8], person: U8 | None = None) -> Chunk:
    """Make a chunk of grey pictures with a person in the middle."""
    layout = Layout(HEIGHT, WIDTH)
    luma = np.stack(pictures)
    grey = np.full_like(luma, 128)
    if person is None:
        person = np.zeros(layout.block_grid, np.uint8)
        rows, columns = layout.block_grid
        person[rows // 3 :, columns // 3 : 2 * columns // 3] = 1
    mask = np.broadcast_to(person, (len(luma), *layout.block_grid)).copy()
    return Chunk((luma, grey, grey), np.full(len(luma), np.nan), layout, mask)


def engine_of(picture: Any, n_frames: int = N_FRAMES, **choice: Any) -> Engine:
    engine = Engine(HEIGHT, WIDTH, **choice)
    for first in range(0, n_frames, 16):
        numbers = range(first, min(n_frames, first + 16))
        engine.update(chunk_of([picture(number) for number in numbers]))
    return engine


@pytest.mark.parametrize(
    ("picture", "background"),
    [
        (still, "still"),
        (noisy, "still"),
        (leaking, "still"),
        (panning, "moves"),
        (looping, "moves"),
        (exchanged, "moves"),
    ],
)
def test_a_moving_background_is_detected(picture: Any, background: str) -> None:
    assert engine_of(picture).finalise().report["background"] == background


@pytest.mark.parametrize("picture", [panning, looping])
def test_nothing_is_claimed_before_a_moving_background(picture: Any) -> None:
    recovery = engine_of(picture).finalise()
    assert recovery.recovered == 0
    assert not recovery.room.any()
    assert not recovery.background.any()
    assert not recovery.confidence.any()
    assert recovery.report["coverage"] == recovery.report["background_coverage"] == 0
    (warning,) = recovery.report["warnings"]
    assert "background moves" in warning
    assert recovery.stats.column("room_r").null_count == HEIGHT * WIDTH


def test_a_still_background_is_recovered_as_before() -> None:
    recovery = engine_of(still).finalise()
    assert recovery.report["warnings"] == []
    assert recovery.report["background_coverage"] > 0.5


def test_few_frames_tell_nothing() -> None:
    frames = (MIN_SURVEYS - 2) * OUTSIDE_SURVEY_EVERY
    assert engine_of(looping, frames).finalise().report["background"] is None
    assert Engine(HEIGHT, WIDTH).finalise().report["background"] is None


def test_a_person_before_everything_tells_nothing() -> None:
    layout = Layout(HEIGHT, WIDTH)
    table = OutsideTable(layout, slots=8, bits=8, tolerance=6)
    everywhere = np.ones(layout.block_grid, np.uint8)
    for first in range(0, N_FRAMES, 16):
        table.update(chunk_of([panning(first + i) for i in range(16)], everywhere), Bands(1))
    assert table.n_surveys == MIN_SURVEYS
    assert background_motion(table) is None


@pytest.mark.parametrize("method", ["transitions", "rarest"])
def test_methods_without_a_person_do_not_tell(method: Any) -> None:
    assert engine_of(panning, method=method).finalise().report["background"] is None


def test_parts_that_moved_are_told_once_merged(tmp_path: Path) -> None:
    first, second = engine_of(panning, N_FRAMES // 2), engine_of(panning, N_FRAMES // 2)
    assert first.finalise().report["background"] is None
    first.merge(second)
    assert first.finalise().report["background"] == "moves"
    first.save(tmp_path / "state.npz")
    loaded = Engine.load(tmp_path / "state.npz")
    assert loaded.finalise().report["background"] == "moves"


@pytest.mark.parametrize("picture", [panning, looping, exchanged])
def test_what_moves_is_told_after_a_day(tmp_path: Path, picture: Any) -> None:
    """At 30 frames a second a day takes every counter of 16 bits beyond its end."""
    engine = engine_of(picture, threads=1)
    while engine.n_frames < 24 * 3600 * 30:
        assert engine.finalise().report["background"] == "moves", engine.n_frames
        engine.save(tmp_path / "state.npz")
        engine.merge(Engine.load(tmp_path / "state.npz", threads=1))
    assert engine.finalise().report["background"] == "moves"


def test_recover_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.person.blocks.Segmenter", lambda model, threads: Watcher())
    path = tmp_path / "call.mp4"
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=12) as video:
        for number in range(N_FRAMES):
            video.write(np.repeat(unpredictable(number)[..., None], 3, -1))
    report = unveil.recover(path).report
    assert report["background"] == "moves"
    assert [warning for warning in report["warnings"] if "background moves" in warning]
    assert report["recovered_pixels"] == 0
