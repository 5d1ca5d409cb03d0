"""The frames of a video as upright RGB pictures, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import VideoReformatter

from unveil.arrays import U8
from unveil.container import describe, open_container
from unveil.errors import UnreadableVideo
from unveil.inputs import source_of
from unveil.packets import FrameReader
from unveil.pixel_format import EXACT

if TYPE_CHECKING:
    from os import PathLike


class VideoPictures:
    """Iterates over a video's frames as (h, w, 3) uint8 RGB, as often as wished.

    Slower than `decode`, which hands on the planes as they are coded: for whoever composes
    pictures and does not only count them.

    Attributes
    ----------
    frame_rate
        Frames per second, None where the container does not tell.
    n_frames
        How many the container declares, None where it does not tell.

    Raises
    ------
    MissingInput
        There is no such file.
    UnreadableVideo
        No frame can be decoded from it.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int | None = None) -> None:
        self._source = source_of(path)
        self._threads = threads
        container, stream = open_container(self._source, threads)
        try:
            reader = FrameReader(container, stream, threading.Event())
            first = next(reader.frames(), None)
            if first is None:
                said = reader.last_error or reader.end_error or "it holds no data"
                raise UnreadableVideo(f"{self._source.name}: no frame can be decoded ({said})")
            self._properties = describe(self._source, container, stream, first)
            del first, reader
        finally:
            container.close()
        self.frame_rate = self._properties.frame_rate
        self.n_frames = self._properties.declared_frames

    def __iter__(self) -> Iterator[U8]:
        """Open the video anew and give its sound frames."""
        container, stream = open_container(self._source, self._threads)
        stop = threading.Event()
        frames = FrameReader(container, stream, stop).frames()
        reformatter = VideoReformatter()
        try:
            for frame in frames:
                rgb = reformatter.reformat(frame, format="rgb24", interpolation=EXACT)
                yield self._properties.upright(np.asarray(rgb.to_ndarray(), np.uint8))
        finally:
            stop.set()
            del frames
            container.close()


def endless(pictures: VideoPictures, n_frames: int | None = None) -> Iterator[U8]:
    """Play a video over and over, or only its first `n_frames`."""
    while True:
        left = n_frames
        for picture in pictures:
            yield picture
            if left is not None:
                left -= 1
                if not left:
                    break
