"""Timelines: the right pixel, the right colour, no lost moment, bounded memory."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unveil.errors import (
    Interrupted,
    InvalidParameter,
    MissingInput,
    NoFrames,
    OutputExists,
    OutputUnwritable,
)
from unveil.simulation.ideal import make_call
from unveil.timeline.strip import draw_strip
from unveil.timeline.timeline import (
    colours_at,
    draw_timeline,
    to_rgb,
)
from unveil.video.chunk import Chunk, Colour, Layout
from unveil.video.reader import open_video
from unveil.video.source import source_of
from unveil.video.writer import VideoWriter

U8 = npt.NDArray[np.uint8]

RED, BLUE, WHITE = (220, 20, 30), (20, 30, 220), (255, 255, 255)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encode 90 red frames with a white band, of which one has a blue left half."""
    path = tmp_path_factory.mktemp("call") / "call.mkv"
    with VideoWriter(path, height=24, width=32, frame_rate=30, crf=2) as video:
        for n in range(90):
            frame = np.full((24, 32, 3), RED, np.uint8)
            frame[4:8] = WHITE
            if n == 40:
                frame[:, :16] = BLUE
            video.write(frame)
    return path


def recovered(height: int, width: int) -> Any:
    """Stand in for a recovery: all red before blue, but no room in the right half."""
    room = np.full((height, width, 4), (*BLUE, 200), np.uint8)
    room[:, width // 2 :, 3] = 0
    return SimpleNamespace(room=room, background=np.full((height, width, 4), (*RED, 255), np.uint8))


def near(colours: npt.NDArray[Any], wanted: tuple[int, int, int], levels: int = 12) -> Any:
    return np.abs(colours[..., :3].astype(int) - wanted).max(axis=-1) <= levels


# The whole road


def test_one_row_a_pixel_one_column_a_frame(call: Path, tmp_path: Path) -> None:
    at = [(3, 14), (28, 14), (28, 5)]
    strip = draw_timeline(call, at, tmp_path / "strip.png", recovery=recovered(24, 32))
    assert strip.at == ((3, 14), (28, 14), (28, 5))
    assert strip.colours.shape == (3, 90, 3)
    assert (strip.n_frames, strip.frames_per_column) == (90, 1)
    assert strip.seconds == pytest.approx(np.arange(90) / 30, abs=1e-3)
    blue = near(strip.colours, BLUE)
    assert np.argwhere(blue).tolist() == [[0, 40]]
    assert near(strip.colours[0, :40], RED).all()
    assert near(strip.colours[1], RED).all()
    assert near(strip.colours[2], WHITE).all()
    assert strip.room[:, 3].tolist() == [200, 0, 0]
    assert near(strip.background, RED).all()


def test_the_picture_shows_strips_and_swatches(call: Path, tmp_path: Path) -> None:
    at = [(3, 14), (28, 14)]
    path = tmp_path / "strip.png"
    strip = draw_timeline(call, at, path, recovery=recovered(24, 32), max_width=900, row_height=20)
    picture = np.array(Image.open(path))
    assert np.array_equal(picture, draw_strip(strip, 20, 900))
    assert [entry.name for entry in tmp_path.iterdir()] == ["strip.png"]
    first_row = picture[22 + 10]
    stretch = np.flatnonzero(near(first_row[:-170], BLUE))
    assert len(stretch) == 10  # one frame of 90 in 900 pixels
    assert stretch[0] == 92 + 400
    swatches = picture[22 + 10, -168:]
    assert near(swatches[10:70], RED).all()
    assert near(swatches[94:154], BLUE).all()
    chequered = picture[22 + 26 + 10, -74:-10]
    assert len(np.unique(chequered.reshape(-1, 3), axis=0)) == 2


def test_a_moment_stays_visible_where_frames_share_columns(call: Path, tmp_path: Path) -> None:
    at = [(3, 14), (28, 14)]
    frames = 90 * 5
    path = tmp_path / "long.mkv"
    with open_video(call) as video:
        one = [colours_at(chunk, [(14, 3)]) for chunk in video.chunks()]
    assert sum(part.shape[1] for part in one) == 90
    with VideoWriter(path, height=24, width=32, frame_rate=30, crf=2) as writer:
        for n in range(frames):
            frame = np.full((24, 32, 3), RED, np.uint8)
            if n == 333:
                frame[:, :16] = BLUE
            writer.write(frame)
    strip = draw_timeline(path, at, tmp_path / "s.png", recovery=recovered(24, 32), max_width=101)
    assert (strip.n_frames, strip.frames_per_column) == (450, 8)
    assert strip.colours.shape == (2, 57, 3)
    assert np.argwhere(near(strip.colours, BLUE)).tolist() == [[0, 333 // 8]]
    assert strip.seconds == pytest.approx(np.arange(57) * 8 / 30, abs=1e-3)


def test_a_part_of_the_call_is_shown(call: Path, tmp_path: Path) -> None:
    strip = draw_timeline(
        call,
        [(3, 14)],
        tmp_path / "strip.png",
        recovery=recovered(24, 32),
        start_seconds=1,
        end_seconds=2,
        stride=5,
    )
    assert strip.n_frames == 6
    assert near(strip.colours[0], BLUE).tolist() == [False, False, True, False, False, False]
    assert strip.seconds[0] == pytest.approx(1, abs=1e-3)


def test_without_a_recovery_the_call_is_recovered_first(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    made = make_call("plain", height=90, width=160)
    with VideoWriter(path, height=90, width=160, frame_rate=30, crf=4) as video:
        for frame in made.frames():
            video.write(frame)
    strip = draw_timeline(path, [(80, 80)], tmp_path / "strip.png", method="transitions")
    assert strip.n_frames == 240
    assert strip.background[0, 3] > 0
    assert near(strip.background[0], tuple(made.background[80, 80])).all()
    assert strip.room[0, 3] > 0
    assert near(strip.room[0], tuple(made.room[80, 80]), 30).all()


# What can go wrong


@pytest.mark.parametrize("n_calls", [0, 2, 5])
def test_a_request_to_stop_leaves_no_picture(call: Path, tmp_path: Path, n_calls: int) -> None:
    calls = itertools.count()
    with pytest.raises(Interrupted):
        draw_timeline(
            call,
            [(3, 4)],
            tmp_path / "strip.png",
            method="transitions",
            stop=lambda: next(calls) >= n_calls,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", [(32, 0), (0, 24), (-1, 0), (0, -1), (10_000, 10_000)])
@pytest.mark.parametrize("given_recovery", [True, False])
def test_pixels_outside_are_refused_with_the_size(
    call: Path, tmp_path: Path, place: tuple[int, int], given_recovery: bool
) -> None:
    pytest.importorskip("unveil.recovery.engine") if not given_recovery else None
    recovery = recovered(24, 32) if given_recovery else None
    with pytest.raises(InvalidParameter, match="32x24"):
        draw_timeline(call, [(0, 0), place], tmp_path / "strip.png", recovery=recovery)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"at": []},
        {"at": [(0, 0)] * 1001},
        {"row_height": 7},
        {"row_height": 201},
        {"max_width": 99},
        {"max_width": 10_001},
        {"stride": 0},
        {"threads": 0},
    ],
)
def test_numbers_out_of_range_are_refused(
    call: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    arguments: dict[str, Any] = {"at": [(0, 0)], "recovery": recovered(24, 32)} | options
    with pytest.raises(InvalidParameter):
        draw_timeline(call, output=tmp_path / "strip.png", **arguments)


def test_an_earlier_strip_is_kept(call: Path, tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    path.write_bytes(b"earlier")
    with pytest.raises(OutputExists, match=r"strip\.png"):
        draw_timeline(call, [(0, 0)], path, recovery=recovered(24, 32))
    assert path.read_bytes() == b"earlier"
    draw_timeline(call, [(0, 0)], path, recovery=recovered(24, 32), force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_missing_folder_is_named(call: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="nowhere"):
        draw_timeline(call, [(0, 0)], tmp_path / "nowhere" / "s.png", recovery=recovered(24, 32))


def test_a_missing_call_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.mp4"):
        draw_timeline(tmp_path / "none.mp4", [(0, 0)], tmp_path / "s.png", recovery=recovered(4, 4))


def test_a_recovery_of_another_size_is_refused(call: Path, tmp_path: Path) -> None:
    with pytest.raises(NoFrames, match="16x16"):
        draw_timeline(call, [(0, 0)], tmp_path / "s.png", recovery=recovered(16, 16))


def test_what_can_be_read_once_needs_a_recovery(tmp_path: Path) -> None:
    pytest.importorskip("unveil.recovery.engine")
    with pytest.raises(InvalidParameter, match="twice"):
        draw_timeline(source_of("-"), [(0, 0)], tmp_path / "s.png")


# Places


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([0, 90, 180, 270]),
    st.booleans(),
    st.data(),
)
def test_places_are_those_of_the_displayed_picture(
    height: int, width: int, rotation: int, mirrored: bool, data: st.DataObject
) -> None:
    properties = replace(_properties(), rotation_degrees=rotation, mirrored=mirrored)
    stored = np.arange(height * width).reshape(height, width)
    displayed = properties.apply_display_matrix(stored)
    size = properties.displayed_size((height, width))
    assert displayed.shape == size
    x = data.draw(st.integers(0, size[1] - 1))
    y = data.draw(st.integers(0, size[0] - 1))
    assert stored[properties.stored_place((height, width), (x, y))] == displayed[y, x]


def _properties() -> Any:
    from unveil.video.container import VideoProperties

    return VideoProperties("a", "mp4", "h264", 1, 1, "yuv420p", "bt601", False, 30.0, 1.0, 30)


# Colours


@given(
    st.sampled_from(["bt601", "bt709", "fcc", "smpte240m", "bt2020"]),
    st.booleans(),
    st.tuples(*[st.integers(0, 255)] * 3),
)
def test_colours_return_from_their_own_encoding(
    matrix: Any, full_range: bool, rgb: tuple[int, int, int]
) -> None:
    weights = {
        "bt601": (0.299, 0.587, 0.114),
        "bt709": (0.2126, 0.7152, 0.0722),
        "fcc": (0.30, 0.59, 0.11),
        "smpte240m": (0.212, 0.701, 0.087),
        "bt2020": (0.2627, 0.6780, 0.0593),
    }[matrix]
    luma = sum(weight * level for weight, level in zip(weights, rgb, strict=True))
    cb = (rgb[2] - luma) / (2 * (1 - weights[2]))
    cr = (rgb[0] - luma) / (2 * (1 - weights[0]))
    if full_range:
        samples = (luma, 128 + cb, 128 + cr)
    else:
        samples = (16 + luma * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255)
    stored = np.array([min(255, round(sample)) for sample in samples], np.uint8)
    got = to_rgb(stored, Colour(matrix, full_range))
    assert np.abs(got.astype(int) - rgb).max() <= 3


def test_rgb_planes_are_reordered() -> None:
    stored = np.array([[10, 20, 30], [0, 255, 128]], np.uint8)  # green, blue, red
    got = to_rgb(stored, Colour("rgb", full_range=True))
    assert got.tolist() == [[30, 10, 20], [128, 0, 255]]
    assert to_rgb(np.array([16, 235, 0], np.uint8), Colour("rgb")).tolist() == [0, 0, 255]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1), st.integers(0, 1))
def test_samples_are_taken_from_their_own_place(
    height: int, width: int, shift_y: int, shift_x: int
) -> None:
    layout = Layout(height, width, shift_y, shift_x, Colour("rgb", full_range=True))
    planes = layout.empty(2)
    for n, plane in enumerate(planes):
        plane[:] = np.arange(plane.size).reshape(plane.shape) + 50 * n
    chunk = Chunk(planes, np.zeros(2), layout)
    places = list(np.ndindex(height, width))
    got = colours_at(chunk, places)
    for (row, column), colours in zip(places, got, strict=True):
        for n in range(2):
            chroma = row >> shift_y, column >> shift_x
            green, blue, red = planes[0][n, row, column], planes[1][n][chroma], planes[2][n][chroma]
            assert colours[n].tolist() == [red, green, blue]
