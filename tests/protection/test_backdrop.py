"""What stands behind the person: its shape, its colours, its time."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.footage import cut, flip_bytes, numbered_frames, textured_frames, write_video
from tests.video.test_geometry import disc, roundness
from unveil.errors import InvalidParameter, UnreadableImage, UnveilError
from unveil.protection.backdrop import Colour, LoopingVideo, Picture, as_colour, make_backdrop
from unveil.protection.frames import Converter, covering, fitting, frame_of
from unveil.video.chunk import Colour as Coding
from unveil.video.chunk import Layout, Planes
from unveil.video.pixel_format import PlaneReader

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


@settings(max_examples=30)
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
    reader = PlaneReader()
    stored = reader.layout_of(frame)
    luma, cb, cr = stored.empty(1)
    reader.copy_into(frame, (luma, cb, cr), 0)
    whole = luma[0], cb[0], cr[0]
    planes = covering(whole, stored, layout, Converter())
    assert [plane.shape for plane in planes] == [plane.shape[1:] for plane in layout.empty(1)]
    assert np.ptp(planes[0]) <= 2
    fitted = fitting(whole, stored, layout, Converter())
    assert [plane.shape for plane in fitted] == [plane.shape for plane in planes]
    lit = np.abs(fitted[0].astype(int) - int(planes[0][0, 0])) <= 2
    assert lit.any(axis=0).all() or lit.any(axis=1).all(), "it reaches two edges"


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
    assert isinstance(make_backdrop(unnamed), LoopingVideo)


def test_a_camera_turned_the_picture(tmp_path: Path) -> None:
    upright = np.zeros((40, 20, 3), np.uint8)
    upright[:20] = 255
    tags = Image.Exif()
    tags[0x0112] = 6  # to be turned clockwise for display
    Image.fromarray(np.rot90(upright)).save(tmp_path / "a.png", exif=tags)
    luma = make_backdrop(tmp_path / "a.png").planes(Layout(40, 20), 0.0)[0]
    assert luma[:15].min() > 200
    assert luma[25:].max() < 40


def test_a_deep_picture_is_not_shown_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 30000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnreadableImage, match="more than 8 bits"):
        make_backdrop(tmp_path / "deep.png")


ASPECTS = [Fraction(1), Fraction(16, 11), Fraction(1, 2)]


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_picture_stays_round_in_anamorphic_frames(tmp_path: Path, aspect: Fraction) -> None:
    Image.fromarray(disc(200, 300, 25)).save(tmp_path / "disc.png")
    for layout in (Layout(90, 160), Layout(160, 90)):
        luma = make_backdrop(tmp_path / "disc.png", aspect).planes(layout, 0.0)[0]
        assert roundness(np.dstack([luma] * 3), aspect) == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("own", ASPECTS)
@pytest.mark.parametrize("aspect", ASPECTS[:2])
def test_a_video_is_shown_as_players_show_it(
    tmp_path: Path, rotation: int, own: Fraction, aspect: Fraction
) -> None:
    """A disc with a mark to its right, turned and squeezed, comes out round, mark to the right."""
    upright = own if rotation % 180 == 0 else 1 / own
    shown = disc(120, 200, 18, upright)
    mark = min(199, 100 + round(32 / upright))
    shown[54:66, mark - 5 : mark + 5] = 110
    turned = np.ascontiguousarray(np.rot90(shown, rotation // 90))
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.height, stream.width = turned.shape[:2]
        stream.pix_fmt, stream.codec_context.sample_aspect_ratio = "yuv420p", own
        stream.set_display_rotation(-rotation)
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(turned, "rgb24").reformat(format="yuv420p")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with LoopingVideo(path, aspect) as backdrop:
        luma = backdrop.planes(Layout(120, 200), 0.0)[0]
    rgb = np.where(luma > 180, 255, 0).astype(np.uint8)
    assert roundness(np.dstack([rgb] * 3), aspect) == pytest.approx(1, abs=0.1)
    marked = np.argwhere((luma > 90) & (luma < 130))
    centre = np.argwhere(rgb).mean(axis=0)
    off = np.median(marked, axis=0) - centre
    assert off[1] > 3 * abs(off[0]), "the mark is at the right"


def test_an_hdr_video_is_toned_down(tmp_path: Path) -> None:
    """A grey of 26 cd/m2 in PQ is dark grey in SDR, not the bright one of its code."""
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane, level in zip(frame.planes, (400, 512, 512), strict=True):
        np.frombuffer(memoryview(plane), np.uint16)[:] = level
    options = {
        "qp": "0",
        "x264-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    }
    path = write_video(tmp_path / "film.mkv", [frame] * 2, options=options)
    with LoopingVideo(path) as backdrop:
        luma = backdrop.planes(Layout(48, 64, 1, 1), 0.0)[0]
    assert luma.mean() == pytest.approx(110, abs=3)  # (26.8 / 203) ** (1 / 2.4) in 16 to 235


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
    with LoopingVideo(film) as backdrop:
        levels = [
            int(backdrop.planes(LAYOUT, seconds)[0][20, 30])
            for seconds in (0.0, 0.05, 0.1, 0.31, 0.39, 0.4, 0.75, 3.65, 0.2)
        ]
    assert levels == [50, 50, 51, 53, 53, 50, 53, 50 + 36 % 4, 52]


def test_a_film_fits_another_layout(film: Path) -> None:
    with LoopingVideo(film) as backdrop:
        assert backdrop.planes(LAYOUT, 0.0)[0].shape == (48, 64)
        assert backdrop.planes(Layout(20, 30), 0.1)[1].shape == (20, 30)


def test_a_closed_film_leaves_no_thread(film: Path) -> None:
    backdrop = LoopingVideo(film)
    backdrop.planes(LAYOUT, 0.0)
    assert any(thread.name == "unveil-backdrop" for thread in threading.enumerate())
    backdrop.close()
    backdrop.close()
    assert not any(thread.name == "unveil-backdrop" for thread in threading.enumerate())


def test_a_damaged_film_shows_what_is_sound(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", textured_frames(20))
    half = cut(whole, tmp_path / "half.mkv", 0.5)
    with LoopingVideo(half) as backdrop:
        for number in range(60):
            assert np.ptp(backdrop.planes(LAYOUT, number / 25)[0]) > 20
    broken = flip_bytes(whole, tmp_path / "broken.mkv", 0.3, 0.9, 60)
    with LoopingVideo(broken) as backdrop:
        backdrop.planes(LAYOUT, 2.0)


def test_a_film_that_vanishes_is_told_each_time(film: Path) -> None:
    with LoopingVideo(film) as backdrop:
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
