"""Animated WebP, which FFmpeg's decoder takes for damaged, read with Pillow.

The container is described in RFC 9649, section 2.7.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from PIL import Image

from unveil.errors import UnreadableVideo

if TYPE_CHECKING:
    from collections.abc import Iterator

_MILLISECOND: Final = Fraction(1, 1000)
_ANIMATION_FLAG: Final = 0x02
"""In the byte of flags of the VP8X chunk."""
_DURATION: Final = slice(12, 15)
"""Milliseconds of a frame, least significant byte first, in its ANMF chunk."""


class LosslessCopy:
    """A temporary file with the frames and times of an animated WebP, as FFV1 in Matroska.

    It is a file object as PyAV takes it, and goes with its last user.

    Raises
    ------
    UnreadableVideo
        A frame cannot be decoded. The message calls the file `name`.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __del__
        self.read, self.write = self._file.read, self._file.write
        self.seek, self.tell = self._file.seek, self._file.tell
        try:
            _write(self, path)
        except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableVideo(
                f"{name}: an animated WebP that is damaged ({error}); convert it to GIF or MP4"
            ) from error
        self.seek(0)

    def __del__(self) -> None:
        """Remove the file."""
        self._file.close()


def is_animated_webp(path: Path) -> bool:
    """Whether a regular file is an animated WebP, by its header."""
    with path.open("rb") as file:
        header = file.read(21)
    is_extended_webp = header[:4] == b"RIFF" and header[8:16] == b"WEBPVP8X"
    return len(header) == 21 and is_extended_webp and bool(header[20] & _ANIMATION_FLAG)


def frame_milliseconds(path: Path) -> list[int]:
    """Return how long each frame of an animated WebP is shown, at least 1 ms."""
    found = []
    with path.open("rb") as file:
        file.seek(12)
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            start = file.tell()
            if chunk[:4] == b"ANMF":
                found.append(max(1, int.from_bytes(file.read(16)[_DURATION], "little")))
            file.seek(start + size + size % 2)
    return found


def _write(file: LosslessCopy, path: Path) -> None:
    durations = frame_milliseconds(path)
    if not durations:
        raise ValueError("it has no frame")
    with Image.open(path) as image, av.open(file, "w", format="matroska") as output:
        rate = Fraction(1000 * len(durations), sum(durations))
        stream: Any = output.add_stream("ffv1", rate=rate.limit_denominator(1000))
        stream.width, stream.height = image.size
        stream.pix_fmt = "bgra" if image.has_transparency_data else "bgr0"
        stream.codec_context.time_base = _MILLISECOND
        stream.codec_context.flags |= int(av.codec.context.Flags.frame_duration)
        for frame in _frames(image, stream.pix_fmt, durations):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _frames(image: Image.Image, pixel_format: str, durations: list[int]) -> Iterator[av.VideoFrame]:
    milliseconds = 0
    for number, duration in enumerate(durations):
        image.seek(number)
        pixels = np.asarray(image.convert("RGBA"))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[..., [2, 1, 0, 3]]), "bgra")
        if pixel_format != "bgra":
            frame = frame.reformat(format=pixel_format)
        frame.pts, frame.time_base, frame.duration = milliseconds, _MILLISECOND, duration
        milliseconds += duration
        yield frame
