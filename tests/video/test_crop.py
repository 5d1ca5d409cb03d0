"""Crops of decoded frames against FFmpeg's filter `crop`, in every orientation."""

from __future__ import annotations

from typing import Any

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.footage import noise_frames
from unveil.errors import InvalidParameter
from unveil.video.chunk import Chunk, Layout
from unveil.video.container import VideoProperties
from unveil.video.crop import Crop, Rectangle, displayed_rectangle, stored_rectangle
from unveil.video.pixel_format import PlaneReader

SHIFTS = {"yuv420p": (1, 1), "yuv422p": (0, 1), "yuv444p": (0, 0)}


def properties(rotation: int = 0, *, mirrored: bool = False) -> VideoProperties:
    return VideoProperties(
        "", "", "", 0, 0, "", "bt601", False, None, None, None, rotation, mirrored
    )


def filtered(frame: av.VideoFrame, arguments: str) -> av.VideoFrame:
    """Crop a frame by FFmpeg."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    crop, sink = graph.add("crop", arguments), graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    graph.push(frame)
    done: Any = graph.pull()
    return done


def chunk_of(frame: av.VideoFrame) -> Chunk:
    reader = PlaneReader()
    layout = reader.layout_of(frame)
    planes = layout.empty(1)
    reader.copy_into(frame, planes, 0)
    return Chunk(planes, np.zeros(1), layout)


@settings(max_examples=40)
@given(data=st.data())
def test_a_crop_is_that_of_ffmpeg(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(8, 40)), data.draw(st.integers(8, 40))
    pixel_format = data.draw(st.sampled_from(list(SHIFTS)))
    w, h = data.draw(st.integers(2, width)), data.draw(st.integers(2, height))
    placed = data.draw(st.booleans())
    numbers = [w, h]
    if placed:
        numbers += [data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h))]
    (frame,) = noise_frames(1, height, width, pixel_format, seed=width)
    frame.pts, frame.time_base = 0, 1
    text = ":".join(map(str, numbers))
    theirs = chunk_of(filtered(frame, text))
    chunk = chunk_of(frame)
    ours = chunk.crop(Crop.of(text).placed(chunk.layout, properties()))
    assert ours.layout == theirs.layout
    for mine, other in zip(ours.planes, theirs.planes, strict=True):
        assert mine.flags.c_contiguous
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_is_of_the_displayed_picture(rotation: int, mirrored: bool) -> None:
    known = properties(rotation, mirrored=mirrored)
    stored = np.arange(12 * 20).reshape(12, 20)
    shown = known.apply_display_matrix(stored)
    wanted = Rectangle(4, 6, 2, 4)
    part = stored_rectangle(wanted, (12, 20), known)
    cut = stored[part.y : part.y + part.height, part.x : part.x + part.width]
    expected = shown[4:10, 2:6]
    np.testing.assert_array_equal(known.apply_display_matrix(cut), expected)
    assert displayed_rectangle(part, (12, 20), known) == wanted
    assert Crop.of(wanted).placed(Layout(12, 20, 1, 1), known) == part


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_an_odd_side_leaves_a_crop_on_chroma_samples(rotation: int) -> None:
    layout, known = Layout(21, 33, 1, 1), properties(rotation)
    for x in range(4):
        part = Crop.of((8, 8, x, x)).placed(layout, known)
        assert part.x % 2 == part.y % 2 == 0
        shown = displayed_rectangle(part, (21, 33), known)
        assert abs(shown.x - x) <= 1
        assert abs(shown.y - x) <= 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "is not W:H:X:Y"),
        ("64", "is not W:H:X:Y"),
        ("64:48:0:0:0", "is not W:H:X:Y"),
        ("64:-8:0:0", "is not W:H:X:Y"),
        ("64:48:a:b", "is not W:H:X:Y"),
        ("in_w/2:in_h/2", "is not W:H:X:Y"),
        ((64.0, 48), "is not W:H:X:Y"),
        ((64, None), "is not W:H:X:Y"),
        ((True, 48), "is not W:H:X:Y"),
        ("0:8", "has no pixel"),
        ((8, 8, -1, 0), "begins outside"),
    ],
)
def test_what_is_no_crop(given: Any, says: str) -> None:
    with pytest.raises(InvalidParameter, match=says) as caught:
        Crop.of(given)
    assert str(caught.value).startswith("crop: ")


@pytest.mark.parametrize("given", ["34:8", "8:22", "8:8:26:0", "8:8:0:13", "1:8", "8:1", "99:99:0"])
def test_a_crop_outside_the_picture_is_refused(given: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^crop: "):
        Crop.of(given).placed(Layout(20, 32, 1, 1), properties())


@pytest.mark.parametrize(
    "part", [Rectangle(8, 8, 1, 0), Rectangle(7, 8, 0, 0), Rectangle(8, 8, 26, 0)]
)
def test_a_part_that_does_not_fit_a_chunk(part: Rectangle) -> None:
    layout = Layout(20, 32, 1, 1)
    with pytest.raises(ValueError, match="does not fit"):
        Chunk(layout.empty(1), np.zeros(1), layout).crop(part)


def test_a_crop_of_everything_shares_the_memory() -> None:
    layout = Layout(21, 33, 1, 1)
    chunk = Chunk(layout.empty(2), np.zeros(2), layout)
    same = chunk.crop(Rectangle(33, 21, 0, 0))
    assert same.layout == layout
    assert all(a is b for a, b in zip(same.planes, chunk.planes, strict=True))
