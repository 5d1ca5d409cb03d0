"""The frames of a video one at a time: as upright RGB pictures, or as they are coded."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from unveil.arrays import U8
from unveil.errors import UnreadableVideo
from unveil.video.container import describe, open_container
from unveil.video.packets import FrameReader
from unveil.video.pixel_format import EXACT
from unveil.video.source import source_of

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
                raise self._unreadable(reader)
            self._properties = describe(self._source, container, stream, first)
            del first, reader
        finally:
            container.close()
        self.frame_rate = self._properties.frame_rate
        self.n_frames = self._properties.declared_frames

    def __iter__(self) -> Iterator[U8]:
        """Open the video anew and give its sound frames."""
        reformatter = VideoReformatter()
        for _, frame in self.frames():
            rgb = reformatter.reformat(frame, format="rgb24", interpolation=EXACT)
            yield self._properties.upright(np.asarray(rgb.to_ndarray(), np.uint8))

    def frames(
        self, stop: threading.Event | None = None
    ) -> Iterator[tuple[float | None, av.VideoFrame]]:
        """Open the video anew and give its sound frames as they are coded.

        With each comes the time in seconds since the first, None where the container tells none.
        `stop` ends it between two packets.

        Raises
        ------
        MissingInput, UnreadableVideo
            The file is not there any more, or not what it was.
        """
        container, stream = open_container(self._source, self._threads)
        stop = stop or threading.Event()
        reader = FrameReader(container, stream, stop)
        frames = reader.frames()
        origin = math.nan
        n_frames = 0
        try:
            for frame in frames:
                n_frames += 1
                seconds = reader.seconds_of(frame.pts)
                if math.isnan(origin):
                    origin = seconds
                yield None if math.isnan(seconds) else seconds - origin, frame
            if not n_frames and not stop.is_set():
                raise self._unreadable(reader)
        finally:
            del frames
            container.close()

    def _unreadable(self, reader: FrameReader) -> UnreadableVideo:
        return UnreadableVideo(
            f"{self._source.name}: no frame can be decoded ({reader.why_no_frame})"
        )


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
