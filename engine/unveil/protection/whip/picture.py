"""The form in which pictures go to a meeting: 8-bit 4:2:0, BT.601, even sides, at most Full HD."""

from __future__ import annotations

from typing import Final

import av

from unveil.protection.frames import Converter, frame_of
from unveil.video.chunk import Colour, Layout

LONG_SIDE, SHORT_SIDE = 1920, 1080
_COLOUR: Final = Colour("bt601", full_range=False)
"""VP8 has no other, and browsers take H.264 without a tag for it."""


def sent_size(height: int, width: int) -> tuple[int, int]:
    """Return rows and columns of the picture that is sent: even, scaled down beyond Full HD."""
    scale = min(1.0, LONG_SIDE / max(height, width, 1), SHORT_SIDE / max(1, min(height, width)))
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


class PictureForm:
    """Converts frames to that form. Not thread-safe."""

    def __init__(self) -> None:
        self._converter = Converter()

    def of(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a new frame; the given one, which others may show too, is not changed.

        Raises
        ------
        av.error.FFmpegError, UnveilError
            The frame's pixel format cannot be read.
        """
        height, width = sent_size(frame.height, frame.width)
        layout = Layout(height, width, 1, 1, _COLOUR)
        return frame_of(self._converter.planes(frame, layout), layout)
