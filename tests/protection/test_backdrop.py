"""What stands behind the person: its shape, its colours, its time."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.footage import cut, flip_bytes, numbered_frames, textured_frames, write_video
from unveil.errors import InvalidParameter, UnreadableImage, UnveilError
from unveil.protection.backdrop import Colour, Film, Picture, as_colour, make_backdrop
from unveil.protection.frames import Converter, covering, frame_of
from unveil.video.chunk import Colour as Coding
from unveil.video.chunk import Layout, Planes

LAYOUT = Layout(48, 64, 1, 1)


def rgb(planes: Planes, layout: Layout) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return Converter().picture(frame_of(planes, layout), "rgb24")


@pytest.mark.parametrize(
    "coding",
    [
        Coding(),
        Coding("bt709"),
        Coding("bt709", full_range=True),
        Coding("bt2020"),
        Coding("rgb", True),
    ],
)
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 30, 60), (0, 177, 64)])
def test_a_colour_is_the_same_in_every_coding(coding: Coding, colour: tuple[int, int, int]) -> None:
    shift = 0 if coding.matrix == "rgb" else 1
    layout = Layout(11, 13, shift, shift, coding)
    planes = Colour(*colour).planes(layout, 0.0)
    assert [plane.shape for plane in planes] == [plane.shape[1:] for plane in layout.empty(1)]
    assert np.abs(rgb(planes, layout).astype(int) - colour).max() <= 3


def test_a_picture_covers_without_being_stretched() -> None:
    """A circle stays one, in a frame of any shape."""
    y, x = np.mgrid[0:300, 0:300]
    disc = np.where(np.hypot(y - 149.5, x - 149.5) < 60, 255, 0).astype(np.uint8)
    for height, width in ((60, 200), (200, 60), (100, 100)):
        layout = Layout(height, width)
        shown = Picture(np.dstack([disc] * 3)).planes(layout, 0.0)[0] > 128
        scale = max(height, width) / 300
        assert shown.any(axis=0).sum() == pytest.approx(min(width, 120 * scale), abs=2)
        assert shown.any(axis=1).sum() == pytest.approx(min(height, 120 * scale), abs=2)
        assert shown[height // 2, width // 2]


@settings(max_examples=30, deadline=None)
@given(
    source=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    target=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    name=st.sampled_from(["yuv420p", "yuv444p", "rgb24", "yuv410p"]),
    shift=st.sampled_from([(0, 0), (0, 1), (1, 1)]),
)
def test_a_frame_of_any_shape_covers(
    source: tuple[int, int], target: tuple[int, int], name: str, shift: tuple[int, int]
) -> None:
    grey = np.full((*source, 3), 90, np.uint8)
    frame = av.VideoFrame.from_ndarray(grey, "rgb24").reformat(format=name)
    layout = Layout(*target, *shift)
    planes = covering(frame, layout, Converter())
    assert [plane.shape for plane in planes] == [plane.shape[1:] for plane in layout.empty(1)]
    assert np.ptp(planes[0]) <= 2


def test_what_a_background_can_be(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (1, 2, 3, 0)).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 77).save(tmp_path / "grey.jpg")
    film = write_video(tmp_path / "film.mkv", numbered_frames(3))
    unnamed = tmp_path / "film"
    film.rename(unnamed)
    assert isinstance(make_backdrop("#123456"), Colour)
    assert isinstance(make_backdrop("rebeccapurple"), Colour)
    assert isinstance(make_backdrop(np.zeros((4, 5, 3), np.uint8)), Picture)
    assert isinstance(make_backdrop(str(tmp_path / "a.png")), Picture)
    assert isinstance(make_backdrop(tmp_path / "grey.jpg"), Picture)
    assert isinstance(make_backdrop(unnamed), Film)


def test_a_camera_turned_the_picture(tmp_path: Path) -> None:
    upright = np.zeros((40, 20, 3), np.uint8)
    upright[:20] = 255
    tags = Image.Exif()
    tags[0x0112] = 6  # to be turned clockwise for display
    Image.fromarray(np.rot90(upright)).save(tmp_path / "a.png", exif=tags)
    luma = make_backdrop(tmp_path / "a.png").planes(Layout(40, 20), 0.0)[0]
    assert luma[:15].min() > 200
    assert luma[25:].max() < 40


def test_only_a_colour_is_one() -> None:
    as_colour("teal")
    as_colour(None)
    with pytest.raises(InvalidParameter, match="choose mode replace"):
        as_colour("beach.jpg")


# Films


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four frames, 10 a second, whose luma is 50 to 53."""
    return write_video(tmp_path / "film.mp4", numbered_frames(4, first=50), rate=10)


def test_a_film_repeats_and_begins_anew(film: Path) -> None:
    with Film(film) as backdrop:
        levels = [
            int(backdrop.planes(LAYOUT, seconds)[0][20, 30])
            for seconds in (0.0, 0.05, 0.1, 0.31, 0.39, 0.4, 0.75, 3.65, 0.2)
        ]
    assert levels == [50, 50, 51, 53, 53, 50, 53, 50 + 36 % 4, 52]


def test_a_film_fits_another_layout(film: Path) -> None:
    with Film(film) as backdrop:
        assert backdrop.planes(LAYOUT, 0.0)[0].shape == (48, 64)
        assert backdrop.planes(Layout(20, 30), 0.1)[1].shape == (20, 30)


def test_a_closed_film_leaves_no_thread(film: Path) -> None:
    backdrop = Film(film)
    backdrop.planes(LAYOUT, 0.0)
    assert any(thread.name == "unveil-backdrop" for thread in threading.enumerate())
    backdrop.close()
    backdrop.close()
    assert not any(thread.name == "unveil-backdrop" for thread in threading.enumerate())


def test_a_damaged_film_shows_what_is_sound(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", textured_frames(20))
    half = cut(whole, tmp_path / "half.mkv", 0.5)
    with Film(half) as backdrop:
        for number in range(60):
            assert np.ptp(backdrop.planes(LAYOUT, number / 25)[0]) > 20
    broken = flip_bytes(whole, tmp_path / "broken.mkv", 0.3, 0.9, 60)
    with Film(broken) as backdrop:
        backdrop.planes(LAYOUT, 2.0)


def test_a_film_that_vanishes_is_told_each_time(film: Path) -> None:
    with Film(film) as backdrop:
        backdrop.planes(LAYOUT, 0.0)
        film.unlink()
        for _ in range(2):
            with pytest.raises(UnveilError, match=r"film.mp4: no such file"):
                backdrop.planes(LAYOUT, 5.0)


def test_a_film_without_frames(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"\0" * 100)
    with pytest.raises(UnveilError, match=r"no\.mp4: not a video"):
        make_backdrop(tmp_path / "no.mp4")
    (tmp_path / "no").write_bytes(b"\0" * 100)
    with pytest.raises(UnreadableImage, match="neither a picture nor a video"):
        make_backdrop(tmp_path / "no")
