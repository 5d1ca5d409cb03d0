"""A video file, or video on standard output."""

from __future__ import annotations

import sys
from fractions import Fraction
from io import BufferedWriter, FileIO
from typing import TYPE_CHECKING, BinaryIO, Final

import av

from unveil.errors import OutputUnwritable
from unveil.protection.frames import Converter
from unveil.protection.sinks.encoders import (
    ASPECT_CODECS,
    ASPECT_CONTAINERS,
    OPTIONS,
    PRESETS,
    stored_format,
)
from unveil.protection.sinks.output import Output
from unveil.protection.sinks.sink import Footage
from unveil.video.writer import VideoWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.audio.stream import AudioStream
    from av.packet import Packet

PIPE_CONTAINER: Final = "matroska"
"""It can be written without going back, and holds every codec."""


class VideoSink:
    """A video file or a pipe."""

    def __init__(
        self, output: Output, footage: Footage, codec: str, crf: int | None, threads: int
    ) -> None:
        layout = footage.layout
        is_pipe = output.kind == "pipe"
        aspect: Fraction | None = footage.pixel_aspect
        self._size: tuple[int, int] | None = None
        if aspect == 1:
            aspect = None
        elif codec not in ASPECT_CODECS and output.path.suffix.lower() not in ASPECT_CONTAINERS:
            aspect, self._size = None, footage.square_size
        height, width = self._size or (layout.height, layout.width)
        self._converter = Converter()
        self._writer = VideoWriter(
            output.name if is_pipe else output.path,
            height=height,
            width=width,
            frame_rate=footage.frame_rate,
            codec=codec,
            crf=crf,
            pixel_format=stored_format(codec, footage),
            preset=PRESETS.get(codec),
            threads=threads,
            options=OPTIONS.get(codec),
            tags=footage.tags,
            time_base=footage.time_base,
            pixel_aspect=aspect,
            sound=footage.sound,
            file=_standard_output() if is_pipe else None,
            container=PIPE_CONTAINER if is_pipe else None,
        )
        self._waiting: tuple[av.VideoFrame, int] | None = None
        self._writer.__enter__()

    @property
    def notes(self) -> Sequence[str]:
        """What the writer tells."""
        return self._writer.notes

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Encode the frame before: only now is it known how long that is shown."""
        if self._size is not None:
            frame = self._converter.stretched(frame, *self._size)
        if self._waiting is not None:
            before, begin = self._waiting
            self._writer.write(before, begin, pts - begin)
        self._waiting = frame, pts

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Copy a packet."""
        self._writer.write_sound(packet, shift_seconds)

    def finish(self, end_pts: int | None = None) -> None:
        """Write what is held back, and give the file its name."""
        if self._waiting is not None:
            frame, begin = self._waiting
            shown = None if end_pts is None or end_pts <= begin else end_pts - begin
            self._writer.write(frame, begin, shown)
        self._writer.__exit__(None, None, None)

    def discard(self) -> None:
        """Remove the file."""
        self._writer.__exit__(RuntimeError, None, None)


def _standard_output() -> BinaryIO:
    """Open standard output with a buffer of its own; a stand-in for it is taken as it is.

    A write that waits for the reader holds the lock of its buffer. For that of `sys.stdout` the
    end of the program, which flushes it, would wait for ever.
    """
    try:
        binary = sys.stdout.buffer
    except AttributeError:  # None, or text alone
        raise OutputUnwritable(
            "standard output: is closed; name a file or a program that takes the video"
        ) from None
    if not isinstance(binary, (BufferedWriter, FileIO)):
        return binary
    sys.stdout.flush()
    return open(binary.fileno(), "wb", closefd=False)
