"""Reading of a video frame by frame: as RGB pictures oriented for display, or as decoded."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from unveil.arrays import U8
from unveil.errors import UnreadableVideo
from unveil.video.container import describe, open_container
from unveil.video.packets import FrameReader
from unveil.video.pixel_format import PictureReader, colour_conversion
from unveil.video.source import source_of

if TYPE_CHECKING:
    from os import PathLike


class VideoPictures:
    """Iterates over a video's frames as (h, w, 3) uint8 RGB, any number of times.

    For composition of pictures. `unveil.video.reader`, which delivers the native planes, is
    faster.

    Attributes
    ----------
    properties
        Properties of the container and the first frame.
    pixel_aspect
        Width of a pixel of a decoded frame divided by its height.
    frame_rate
        Frames per second, None if the container does not declare it.
    n_frames
        Number of frames that the container declares, None if it does not.

    Raises
    ------
    MissingInput
        There is no such file.
    UnreadableVideo
        No frame can be decoded, or it is a pipe, which cannot be read twice.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int | None = None) -> None:
        self._source = source_of(path)
        if self._source.is_pipe:
            raise UnreadableVideo(
                f"{self._source.name}: is read several times, so record it to a file first"
            )
        self._threads = threads
        container, stream = open_container(self._source, threads)
        self.pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        try:
            reader = FrameReader(container, stream, threading.Event())
            first = next(reader.frames(), None)
            if first is None:
                raise self._unreadable(reader)
            self.properties = describe(self._source, container, stream, first)
            try:
                colour_conversion(first)
            except UnreadableVideo as error:
                raise UnreadableVideo(f"{self._source.name}: {error}") from error
            del first, reader
        finally:
            container.close()
        self.frame_rate = self.properties.frame_rate
        self.n_frames = self.properties.declared_frames

    def __iter__(self) -> Iterator[U8]:
        """Open the video again and yield its undamaged frames."""
        reader = PictureReader()
        for _, frame in self.frames():
            yield self.properties.apply_display_matrix(reader.rgb(frame))

    def frames(
        self, stop: threading.Event | None = None
    ) -> Iterator[tuple[float | None, av.VideoFrame]]:
        """Open the video again and yield its undamaged frames as decoded, with their times.

        A time is in seconds since the first frame, None if the container has no time stamps.
        `stop` ends the iteration between two packets.

        Raises
        ------
        MissingInput, UnreadableVideo
            The file was removed or changed since it was first opened.
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
    """Loop over the frames of a video, or over its first `n_frames`, without end."""
    while True:
        left = n_frames
        for picture in pictures:
            yield picture
            if left is not None:
                left -= 1
                if not left:
                    break
