"""The form in which pictures are sent: sizes, colours, and that the given frame stays."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from hypothesis import given
from hypothesis import strategies as st

from tests.footage import rows_of
from unveil.protection.whip.picture import PictureForm, sent_size

COLOURS = np.array([(32, 64, 96), (200, 30, 60), (250, 250, 250), (10, 160, 40)], np.uint8)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_sizes_are_even_and_no_larger_than_full_hd(height: int, width: int) -> None:
    rows, columns = sent_size(height, width)
    assert rows % 2 == columns % 2 == 0
    assert max(rows, columns) <= 1920
    assert min(rows, columns) <= 1080
    if max(height, width) <= 1920 and min(height, width) <= 1080:
        assert abs(rows - height) <= 1
        assert abs(columns - width) <= 1
    elif min(rows, columns) >= 100:
        assert columns / rows == pytest.approx(width / height, rel=0.03)


@pytest.mark.parametrize(
    ("name", "matrix", "full_range"),
    [
        ("yuv420p", "bt601", False),
        ("yuv420p", "bt709", False),
        ("yuv444p", "bt709", True),
        ("yuvj422p", "bt601", True),
        ("gbrp", "rgb", True),
        ("rgb24", "rgb", True),
        ("nv12", "bt709", False),
    ],
)
def test_colours_stay_and_are_stored_by_bt601(name: str, matrix: str, full_range: bool) -> None:
    codes = {"bt601": 6, "bt709": 1, "rgb": 0}
    picture = np.repeat(np.repeat(COLOURS.reshape(2, 2, 3), 16, axis=0), 17, axis=1)
    given = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
        format=name,
        dst_colorspace={"bt601": "ITU601", "bt709": "ITU709", "rgb": None}[matrix],
        dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
    )
    given.colorspace = codes[matrix]
    given.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    before = [rows_of(plane).copy() for plane in given.planes]
    sent = PictureForm().of(given)
    assert (sent.format.name, sent.height, sent.width) == ("yuv420p", 32, 34)
    assert sent is not given
    for plane, stored in zip(given.planes, before, strict=True):
        np.testing.assert_array_equal(rows_of(plane), stored)
    sent.colorspace, sent.color_range = 6, ColorRange.MPEG
    shown = sent.to_ndarray(format="rgb24").astype(int)
    corners = shown[[4, 4, -4, -4], [4, -4, 4, -4]]
    assert np.abs(corners - COLOURS).max() <= 4


def test_a_picture_beyond_full_hd_is_scaled_whole() -> None:
    given = av.VideoFrame(2161, 3841, "yuv420p")
    for plane, level in zip(given.planes, (100, 128, 128), strict=True):
        rows_of(plane)[:] = level
    sent = PictureForm().of(given)
    assert (sent.height, sent.width) == (1920, 1080)
    assert (rows_of(sent.planes[0])[:, :1080] == 100).all()
