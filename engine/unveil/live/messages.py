"""The binary messages between page and server: one frame each, a header and its I420 planes.

A message is 16 bytes, little-endian: sequence (uint32), width and height (uint16), timestamp in
microseconds (float64); then the planes Y (h, w), U and V (h/2, w/2), uint8. The answer to a frame
has its sequence and its timestamp. An answer of 0x0 pixels is a header alone: the frame was refused
or replaced by a newer one, and there is nothing to show.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from unveil.arrays import U8
from unveil.errors import UnveilError
from unveil.video.chunk import Colour, Layout, Matrix, Planes

HEADER: Final = struct.Struct("<IHHd")

MIN_SIDE: Final = 64
MAX_WIDTH: Final = 1920
MAX_HEIGHT: Final = 1080

MAX_MESSAGE_BYTES: Final = HEADER.size + MAX_WIDTH * MAX_HEIGHT * 3 // 2

HD_HEIGHT: Final = 720
"""Browsers tag frames of at least this height BT.709, smaller ones BT.601."""


class FrameRefused(UnveilError, ValueError):
    """A message is no frame that the server takes."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first 16 bytes of a message."""

    sequence: int
    width: int
    height: int
    timestamp_us: float

    @classmethod
    def read(cls, message: bytes) -> Self:
        """Read the header of a message; nothing but its length is checked.

        Raises
        ------
        FrameRefused
            The message is shorter than a header.
        """
        if len(message) < HEADER.size:
            raise FrameRefused(
                f"frame: a message of {len(message)} bytes is shorter than its header of "
                f"{HEADER.size} bytes"
            )
        return cls(*HEADER.unpack_from(message))

    @property
    def message_bytes(self) -> int:
        """Length of a message with this header."""
        return HEADER.size + self.width * self.height * 3 // 2

    def check(self, n_bytes: int) -> None:
        """Refuse a frame whose size or time is not allowed, or whose message has another length.

        Raises
        ------
        FrameRefused
            Says which.
        """
        size = f"{self.width}x{self.height}"
        if self.width % 2 or self.height % 2:
            raise FrameRefused(f"frame: {size} is odd; width and height must be even")
        if not (MIN_SIDE <= self.width <= MAX_WIDTH and MIN_SIDE <= self.height <= MAX_HEIGHT):
            raise FrameRefused(
                f"frame: {size} is not between {MIN_SIDE}x{MIN_SIDE} and {MAX_WIDTH}x{MAX_HEIGHT}; "
                "choose another camera size"
            )
        if n_bytes != self.message_bytes:
            raise FrameRefused(
                f"frame: a message of {n_bytes} bytes, but {size} needs {self.message_bytes}"
            )
        if not math.isfinite(self.timestamp_us):
            raise FrameRefused("frame: its timestamp is not a finite number")

    def layout(self, matrix: Matrix | None = None) -> Layout:
        """Return the layout of the planes; without a matrix that of the height is taken."""
        chosen: Matrix = "bt709" if self.height >= HD_HEIGHT else "bt601"
        return Layout(self.height, self.width, 1, 1, Colour(matrix or chosen))

    def nothing(self) -> bytes:
        """Return the answer that shows nothing."""
        return HEADER.pack(self.sequence, 0, 0, self.timestamp_us)


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """A frame and the buffer that holds it.

    Attributes
    ----------
    header
        Sequence, size and time.
    buffer
        The whole message.
    planes
        Writable views of the buffer: uint8 (h, w), (h/2, w/2), (h/2, w/2).
    """

    header: Header
    buffer: bytearray
    planes: Planes

    @classmethod
    def parse(cls, message: bytes, header: Header | None = None) -> Self:
        """Copy a message; its header is checked before anything is allocated.

        Raises
        ------
        FrameRefused
            It is no frame that the server takes.
        """
        header = header or Header.read(message)
        header.check(len(message))
        # A copy, because kernels are compiled for arrays that can be written.
        return cls._of(header, bytearray(message))

    @classmethod
    def answer_to(cls, header: Header) -> Self:
        """Allocate the answer to a frame; its planes are black or green, never the frame's."""
        buffer = bytearray(header.message_bytes)
        HEADER.pack_into(
            buffer, 0, header.sequence, header.width, header.height, header.timestamp_us
        )
        return cls._of(header, buffer)

    @classmethod
    def _of(cls, header: Header, buffer: bytearray) -> Self:
        samples: U8 = np.frombuffer(buffer, np.uint8, offset=HEADER.size)
        height, width = header.height, header.width
        luma, chroma = height * width, height * width // 4
        planes = (
            samples[:luma].reshape(height, width),
            samples[luma : luma + chroma].reshape(height // 2, width // 2),
            samples[luma + chroma :].reshape(height // 2, width // 2),
        )
        return cls(header, buffer, planes)
