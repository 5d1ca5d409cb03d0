"""Binary messages: what is packed is read again, and lies are found before anything is copied."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.live.messages import (
    MAX_HEIGHT,
    MAX_MESSAGE_BYTES,
    MAX_WIDTH,
    MIN_SIDE,
    FrameMessage,
    FrameRefused,
    Header,
)

U16 = st.integers(0, 65535)
EVEN = st.integers(MIN_SIDE // 2, 100).map(lambda half: 2 * half)


def packed(sequence: int, width: int, height: int, timestamp_us: float) -> bytes:
    """Write a header field by field, as the page does."""
    return (
        sequence.to_bytes(4, "little")
        + width.to_bytes(2, "little")
        + height.to_bytes(2, "little")
        + struct.pack("<d", timestamp_us)
    )


@given(st.integers(0, 2**32 - 1), EVEN, EVEN, st.floats(allow_nan=False, allow_infinity=False))
def test_a_frame_is_read_as_it_was_written(
    sequence: int, width: int, height: int, timestamp_us: float
) -> None:
    rng = np.random.default_rng(0)
    luma = rng.integers(0, 256, (height, width), np.uint8)
    cb, cr = rng.integers(0, 256, (2, height // 2, width // 2), np.uint8)
    head = packed(sequence, width, height, timestamp_us)
    message = FrameMessage.parse(head + luma.tobytes() + cb.tobytes() + cr.tobytes())
    assert message.header == Header(sequence, width, height, timestamp_us)
    for plane, expected in zip(message.planes, (luma, cb, cr), strict=True):
        np.testing.assert_array_equal(plane, expected)
        assert plane.flags.writeable
        assert plane.flags.c_contiguous
    answer = FrameMessage.answer_to(message.header)
    assert bytes(answer.buffer[:16]) == head
    assert len(answer.buffer) == message.header.message_bytes
    assert not any(plane.any() for plane in answer.planes)  # nothing of the frame
    answer.planes[2][-1, -1] = 7
    assert answer.buffer[-1] == 7
    assert message.header.nothing() == packed(sequence, 0, 0, timestamp_us)


@given(U16, U16, st.integers(0, 2**20))
def test_only_frames_that_fit_their_header_are_taken(width: int, height: int, n_bytes: int) -> None:
    fits = (
        width % 2 == height % 2 == 0
        and MIN_SIDE <= width <= MAX_WIDTH
        and MIN_SIDE <= height <= MAX_HEIGHT
    )
    header = Header(0, width, height, 0.0)
    if fits:
        header.check(16 + width * height * 3 // 2)
    refused_length = n_bytes != 16 + width * height * 3 // 2
    if not fits or refused_length:
        with pytest.raises(FrameRefused):
            header.check(n_bytes)


@pytest.mark.parametrize("timestamp_us", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_no_number_is_refused(timestamp_us: float) -> None:
    with pytest.raises(FrameRefused, match="timestamp is not a finite number"):
        Header(0, 64, 64, timestamp_us).check(16 + 64 * 96)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_less_than_a_header_is_refused(length: int) -> None:
    with pytest.raises(FrameRefused, match="shorter than its header"):
        FrameMessage.parse(bytes(length))


def test_the_largest_message() -> None:
    assert Header(0, MAX_WIDTH, MAX_HEIGHT, 0.0).message_bytes == MAX_MESSAGE_BYTES


@pytest.mark.parametrize(("height", "matrix"), [(480, "bt601"), (718, "bt601"), (720, "bt709")])
def test_the_matrix_follows_from_the_height_unless_it_is_given(height: int, matrix: str) -> None:
    header = Header(0, 640, height, 0.0)
    layout = header.layout()
    assert (layout.height, layout.width) == (height, 640)
    assert (layout.chroma_shift_y, layout.chroma_shift_x) == (1, 1)
    assert layout.colour.matrix == matrix
    assert not layout.colour.full_range
    assert header.layout("bt709").colour.matrix == "bt709"
    assert header.layout("bt601").colour.matrix == "bt601"
