"""Opening of a video: its stream, its properties, and clear messages if it cannot be opened."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from unveil.errors import FrameTooLarge, InvalidParameter, MissingInput, UnreadableVideo
from unveil.memory import memory_limit
from unveil.remote import open_remote
from unveil.video.animated_webp import LosslessCopy, is_animated_webp
from unveil.video.pixel_format import encoded_colour
from unveil.video.sequence import FRAME_RATE
from unveil.video.source import STDIN, Source

PYAV_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""All exceptions of PyAV on bad input; ValueError for unknown codecs and formats."""

_URL_TIMEOUTS_SECONDS = (15.0, 30.0)  # to open, and between two packets
_DEVICE_OPTIONS = {"avfoundation": {"framerate": "30"}}  # its default suits few cameras
_MAX_ATOMS = 1000  # far more than precede an index; a crafted file may have one every 8 bytes
_MAX_NOMINAL_RATE = 240.0
_LEAST_BYTES_PER_PIXEL = 4.5  # three frames of 4:2:0: decoded, in a chunk, and the next one
_NOT_FOOTAGE = Disposition.attached_pic | Disposition.timed_thumbnails  # covers and previews
_PICTURE = TypeVar("_PICTURE", bound=np.generic)


@dataclass(frozen=True, slots=True)
class VideoProperties:
    """Properties of a video, from its container and its first frame.

    `width` and `height` are those of the decoded frames, in pixels. The display matrix mirrors a
    frame left to right if `mirrored`, then rotates it clockwise by `rotation_degrees` (0, 90, 180
    or 270). `frame_rate` (frames per second, the mean if it varies), `duration_seconds` and
    `declared_frames` are None if the container does not declare them. `stream` is the number of
    this one of the container's `video_streams`, from 0; cover pictures do not count.
    """

    name: str
    container: str
    codec: str
    width: int
    height: int
    pixel_format: str
    matrix: str
    full_range: bool
    frame_rate: float | None
    duration_seconds: float | None
    declared_frames: int | None
    rotation_degrees: int = 0
    mirrored: bool = False
    stream: int = 0
    video_streams: int = 1

    def as_dict(self) -> dict[str, str | int | float | bool | None]:
        """Return all properties, ready for JSON."""
        return asdict(self)

    def apply_display_matrix(self, picture: npt.NDArray[_PICTURE]) -> npt.NDArray[_PICTURE]:
        """Orient a decoded picture (height, width, ...) for display."""
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(np.rot90(picture, -self.rotation_degrees // 90))

    def displayed_size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Return the displayed (height, width) of frames stored with (height, width)."""
        return stored[::-1] if self.rotation_degrees % 180 else stored

    def stored_place(self, stored: tuple[int, int], place: tuple[int, int]) -> tuple[int, int]:
        """Return (row, column) in a frame stored with (height, width) of a displayed (x, y)."""
        height, width = stored
        x, y = place
        row, column = {
            0: (y, x),
            90: (height - 1 - x, y),
            180: (height - 1 - y, width - 1 - x),
            270: (x, width - 1 - y),
        }[self.rotation_degrees]
        return row, width - 1 - column if self.mirrored else column

    def displayed_place(self, stored: tuple[int, int], place: tuple[int, int]) -> tuple[int, int]:
        """Return the displayed (x, y) of (row, column) in a frame stored with (height, width)."""
        height, width = stored
        row, column = place
        column = width - 1 - column if self.mirrored else column
        return {
            0: (column, row),
            90: (height - 1 - row, column),
            180: (width - 1 - column, height - 1 - row),
            270: (row, width - 1 - column),
        }[self.rotation_degrees]

    def undo_display_matrix(self, picture: npt.NDArray[_PICTURE]) -> npt.NDArray[_PICTURE]:
        """Orient a displayed picture (height, width, ...) as the decoded frames."""
        picture = np.rot90(picture, self.rotation_degrees // 90)
        return np.ascontiguousarray(picture[:, ::-1] if self.mirrored else picture)


def open_container(
    source: Source, threads: int | None, stream_number: int | None = None
) -> tuple[InputContainer, VideoStream]:
    """Open a source and choose its video stream; the decoder uses `threads` (None: all cores).

    `stream_number` counts the video streams from 0, without cover pictures; None takes the
    default one.

    Raises
    ------
    InvalidParameter
        There is no video stream of this number.
    MissingInput
        There is no such file, device or address.
    UnreadableVideo
        It exists but cannot be opened, or has no video that can be decoded.
    FrameTooLarge
        Frames of the size that its header states do not fit into memory.
    """
    _check_file(source)
    # FFmpeg's time limits end a wait of its own, not one of fsspec.
    is_url = "://" in source.url and not source.through_fsspec
    file = _file_or_url(source)
    try:
        container = av.open(
            file,
            format=source.format,
            options=_options(source),
            metadata_errors="replace",  # a title in an unknown encoding must not be fatal
            timeout=_URL_TIMEOUTS_SECONDS if is_url else None,
        )
    except av.error.FileNotFoundError as error:
        raise MissingInput(f"{source.name}: not found; check its name") from error
    except PYAV_ERRORS as error:
        raise UnreadableVideo(f"{source.name}: {_why_not_opened(source, error)}") from error
    try:
        stream = _video_stream(source, container, stream_number)
        _refuse_too_large(source, stream)
        # AUTO adds frame threading to PyAV's default of slice threading: about twice as fast.
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = threads or 0
    except BaseException:
        container.close()
        raise
    return container, stream


def packets_of(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Read on, and yield the packets of these streams, with empty ones at the end of data.

    Raises
    ------
    av.error.FFmpegError, OSError, ValueError, MemoryError
        As PyAV raises them; there is no packet after that.
    """
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            # At the end of data, PyAV fails on streams that appeared during reading.
            return
        if packet is None:
            return
        yield packet


def describe(
    source: Source, container: InputContainer, stream: VideoStream, first: av.VideoFrame
) -> VideoProperties:
    """Return a video's properties; `first` is its first undamaged frame."""
    matrix, full_range = encoded_colour(first)
    rate = stream.average_rate or stream.guessed_rate
    if container.format.flags & cast("int", Flags.no_timestamps.value):
        # FFmpeg's average is then its default of 25; the codec's headers may declare another.
        rate = stream.guessed_rate or rate
    rotation_degrees, mirrored = _orientation(first)
    footage = footage_of(container)
    animated_webp = _is_animated_webp(source)
    return VideoProperties(
        name=source.name,
        container="webp" if animated_webp else container.format.name,
        codec="webp" if animated_webp else stream.codec_context.name,
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        matrix=matrix,
        full_range=full_range,
        frame_rate=float(rate) if rate else None,
        duration_seconds=None if source.live else declared_length(container, stream)[0],
        declared_frames=stream.frames or None,
        rotation_degrees=rotation_degrees,
        mirrored=mirrored,
        stream=[s.index for s in footage].index(stream.index),
        video_streams=len(footage),
    )


def choices_made(
    source: Source, container: InputContainer, stream: VideoStream, stream_number: int | None
) -> Iterator[str]:
    """Yield a line for each choice that was made for the user and that may be wrong."""
    footage = footage_of(container)
    if stream_number is None and len(footage) > 1:
        streams = ", ".join(
            f"{number} ({s.codec_context.name}, {s.width}x{s.height})"
            # PyAV sets no codec context if FFmpeg has no decoder; its stubs do not say so.
            if s.codec_context is not None  # type: ignore[redundant-expr]
            else f"{number} (unknown codec)"
            for number, s in enumerate(footage)
        )
        chosen = [s.index for s in footage].index(stream.index)
        yield (
            f"holds {len(footage)} video streams: {streams}; number {chosen} is read, --stream "
            "chooses another one"
        )
    if source.sequence is not None:
        yield f"pictures have no times: read at {FRAME_RATE} frames a second"


def declared_length(container: InputContainer, stream: VideoStream) -> tuple[float | None, bool]:
    """Return the declared seconds, and whether they are the stream's own, not the container's.

    A container's length may be that of its sound.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base), True
    total = container.duration / 1e6 if container.duration else 0.0  # FFmpeg's microseconds
    is_own = False
    if "matroska" in container.format.name:
        # Matroska counts from time 0, wherever the stream begins. A tag holds each stream's
        # duration, which some writers also count from 0.
        start = float((stream.start_time or 0) * (stream.time_base or 0))
        tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
        if tag is None:
            total -= start
        else:
            tagged = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
            total = tagged - start if tagged + start > total + start / 2 else tagged
            is_own = True
    return total if total > 0 else None, is_own


def nominal_rate(stream: VideoStream, mean: float | None) -> float | None:
    """Return the frames per second at which most frames follow each other, None if unknown.

    It differs from the mean where frames are left out, or one stays for long.
    """
    guessed = float(stream.guessed_rate or 0)
    # Without a regular rate, FFmpeg guesses the resolution of the time stamps, such as 1000.
    return guessed if 0 < guessed <= _MAX_NOMINAL_RATE else mean


def one_line(error: BaseException) -> str:
    """Return FFmpeg's message in one line, without the file's name and the error's number."""
    text = error.strerror if isinstance(error, (av.error.FFmpegError, OSError)) else str(error)
    return " ".join((text or type(error).__name__).split())


def _check_file(source: Source) -> None:
    """Raise clear errors for common problems; FFmpeg's messages are cryptic."""
    path = source.path
    if path is None:
        return
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MissingInput(f"{source.name}: no such file; check its name") from error
    except OSError as error:
        raise UnreadableVideo(f"{source.name}: cannot be read ({one_line(error)})") from error
    if path.is_dir():
        raise UnreadableVideo(f"{source.name}: is a folder; name a video in it")
    if path.is_file() and status.st_size == 0:
        raise UnreadableVideo(f"{source.name}: the file is empty; record or copy it again")
    if not os.access(path, os.R_OK):
        raise UnreadableVideo(f"{source.name}: no permission to read it; change its permissions")


def _options(source: Source) -> dict[str, str] | None:
    if source.sequence is not None:
        return source.sequence.options
    if source.path is not None and "%" in source.path.name:
        return {"pattern_type": "none"}  # a file of this name, not the pictures of a pattern
    return _DEVICE_OPTIONS.get(source.format or "")


def _is_animated_webp(source: Source) -> bool:
    path = source.path
    return path is not None and path.is_file() and is_animated_webp(path)


def _file_or_url(source: Source) -> Any:
    if source.url == STDIN:
        return _standard_input()
    if source.path is not None and _is_animated_webp(source):
        return LosslessCopy(source.path, source.name)
    if source.through_fsspec:
        return open_remote(source.url, source.name)
    return source.url


def _standard_input() -> Any:
    # A raw file returns the data that has arrived instead of waiting for a full buffer, and has
    # no lock that a reading thread could still hold when the interpreter exits.
    if sys.stdin is None:
        raise UnreadableVideo("standard input: is closed; pipe a video into it")
    buffered = sys.stdin.buffer
    return getattr(buffered, "raw", buffered)


def _why_not_opened(source: Source, error: BaseException) -> str:
    why = one_line(error)
    if source.sequence is not None:
        return f"these pictures cannot be read as a video ({why}); check that a viewer shows them"
    if source.format is not None:
        return f"the device does not open ({why}); is another program using it?"
    if isinstance(error, av.error.PermissionError):
        return "no permission to read it; change its permissions"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return (
            "this kind of address is unknown to FFmpeg; download the video first, or write "
            "fsspec+ before the address"
        )
    if "://" in source.url and not source.through_fsspec:
        if isinstance(error, av.error.ExitError):
            why = f"no answer within {_URL_TIMEOUTS_SECONDS[0]:.0f} s"
        return f"cannot be opened ({why}); check the address"
    if source.is_pipe:
        return (
            f"no video that can be read from a pipe ({why}); MP4 and MOV often need to be "
            "given as a file"
        )
    if source.can_rewind and source.path is not None and _lacks_index(source.path):
        return (
            "the file is incomplete, its index (moov) is missing; copy it again, or mend it with "
            "a tool such as untrunc"
        )
    return f"not a video, or damaged beyond reading ({why}); check that a player shows it"


def _lacks_index(path: Path) -> bool:
    """Whether a regular file is an MP4 or MOV that ends before its index (moov)."""
    end = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        for number in range(_MAX_ATOMS):
            if position + 8 > end:
                return number > 0
            file.seek(position)
            header = file.read(16)
            size, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if kind == b"moov":
                return False
            if not number and kind not in {b"ftyp", b"mdat", b"wide", b"free", b"skip"}:
                return False
            if size == 1:
                size = int.from_bytes(header[8:16], "big")
            if size < 8:  # 0 is "to the end of the file", other values are invalid
                return True
            position += size
    return False


def footage_of(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that are no cover pictures; `--stream` counts these from 0."""
    return [s for s in container.streams.video if not s.disposition & _NOT_FOOTAGE]


def _video_stream(source: Source, container: InputContainer, number: int | None) -> VideoStream:
    """Choose a video stream by its number; None takes the default one that has a decoder."""
    footage = footage_of(container)
    if not footage:
        if container.streams.video or container.streams.audio:
            raise UnreadableVideo(f"{source.name}: holds sound but no video; name a video file")
        raise UnreadableVideo(f"{source.name}: holds no video; name a video file")
    if number is not None and number >= len(footage):
        streams = "one video stream" if len(footage) == 1 else f"{len(footage)} video streams"
        raise InvalidParameter(
            f"stream: {source.name} has {streams}, no number {number}; they count from 0"
        )
    chosen = footage if number is None else [footage[number]]
    # PyAV sets no codec context if FFmpeg has no decoder; its stubs do not say so.
    decodable = [s for s in chosen if s.codec_context is not None]  # type: ignore[redundant-expr]
    if not decodable:
        raise UnreadableVideo(
            f"{source.name}: its video is damaged or in a codec that this FFmpeg cannot decode; "
            "convert it to H.264"
        )
    defaults = [s for s in decodable if s.disposition & Disposition.default] or decodable
    best = container.streams.best("video")
    return next((s for s in defaults if s is best), defaults[0])


def _refuse_too_large(source: Source, stream: VideoStream) -> None:
    """Raise `FrameTooLarge` before the first frame is decoded, if the fewest do not fit."""
    width, height = stream.codec_context.width, stream.codec_context.height
    needed, limit = width * height * _LEAST_BYTES_PER_PIXEL, memory_limit()
    if limit is not None and needed > limit:
        raise FrameTooLarge(
            f"{source.name}: frames of {width}x{height} need at least {needed / 2**20:.1f} MiB, "
            f"more than the {limit / 2**20:.1f} MiB that may be used; scale the video down"
        )


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """Decompose a frame's display matrix: (clockwise degrees, mirrored before the rotation).

    The matrix [a, b, u, c, d, v, ...] maps a pixel (x, y), y downwards, to
    (a*x + c*y, b*x + d*y). A clockwise rotation by t maps the x axis to (cos t, sin t); with
    mirroring it is the negative of that.
    """
    # PyAV's `frame.rotation` is counterclockwise and does not distinguish mirroring.
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV refuses all of it if one kind is unknown to it, such as the EXIF data of photos.
        return round(-frame.rotation / 90) % 4 * 90, False
    if data is None:
        return 0, False
    # The stubs do not declare that side data is a buffer.
    a, b, _, c, d = (float(value) for value in np.frombuffer(data, np.int32)[:5])  # type: ignore[call-overload]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(math.degrees(math.atan2(b, a)) / 90) % 4 * 90, mirrored
