"""Encoding of frames to a video file; the same frames always give the same bytes."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, cast

import av
import numpy as np
from av.video.reformatter import (
    ColorRange,
    VideoReformatter,
)

from unveil.arrays import U8
from unveil.errors import InvalidParameter, OutputUnwritable
from unveil.files import Replacement, unwritable
from unveil.video.durations import PacketDurations
from unveil.video.pixel_format import EXACT, MATRICES, ColourTags, swscale_matrix
from unveil.video.sound_stream import SoundStream, add_sound_stream
from unveil.video.stored_format import fitting_format, stored_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from typing import BinaryIO

    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_MAX_SIDE = 16384
_NO_FILE = 1  # AVFMT_NOFILE: the muxer makes files itself, such as those of HLS
# x264's macroblock tree processes eight macroblocks of a row at once. In a row that is no multiple
# of eight it reads uninitialised memory, which then influences the file.
_X264_MACROBLOCK = 16
_X264_MACROBLOCKS_AT_ONCE = 8


class VideoWriter:
    """Encode RGB pictures or decoded frames to one video file, as a context manager.

    The file is written under a temporary name in its own folder. When the context ends without an
    error, it is renamed to `path` and replaces an existing file; after an error it is removed, so
    `path` is never an incomplete video. Times follow from `frame_rate` unless they are given.
    Colours are encoded and tagged as BT.601, studio range, unless `tags` says otherwise.
    Not thread-safe: use one per thread.

    Parameters
    ----------
    path
        File to write; its suffix determines the container (.mp4, .mkv, ...). With `file` it is
        only used in messages.
    height, width
        Size of every frame in pixels, 1 to 16384.
    frame_rate
        Frames per second, above 0.
    codec
        Name of an FFmpeg video encoder.
    crf
        Constant rate factor of x264 and similar encoders, 0 (lossless) to 63. Excludes
        `bit_rate`.
    bit_rate
        Mean bits per second. Without `bit_rate` and `crf` the encoder uses its default.
    pixel_format
        Format of the encoded samples. Most encoders do not support odd sizes in formats with
        subsampled chroma; "yuv444p" is used instead if the encoder supports it.
    preset
        The encoder's preset for speed and size, if it has presets.
    keyframe_interval
        Largest distance between keyframes in frames; None leaves it to the encoder.
    threads
        Threads of the encoder. Another number may give other bytes.
    options
        Further options of the encoder, by FFmpeg's names; unknown ones are ignored.
    tags
        Colour tags of the frames given to `write`. Frames of `pixel_format` are then encoded
        without conversion, others are converted to these tags, or to those that fit the format:
        RGB in a format of Y'CbCr becomes BT.601 or BT.709 by its height. None converts all
        frames to BT.601, studio range.
    time_base
        Unit of the times given to `write`, in seconds; None counts frames.
    sound
        Audio streams of another container; `write_sound` takes their packets.
    pixel_aspect
        Width of a pixel divided by its height; None writes no aspect ratio, which means square.
    file
        File object to write to instead of `path`, such as a pipe; it is not closed. `container`
        is then FFmpeg's name of the format.
    faststart
        In MP4 and MOV, put the index before the frames: a player needs no second request for it.

    Attributes
    ----------
    frames_written : int
        Frames written so far.
    notes : list of str
        What a user should know of how it is stored; complete when it is open.

    Raises
    ------
    InvalidParameter
        The codec, the pixel format or the container is unknown, they do not fit each other, or a
        number is out of range.
    OutputUnwritable
        The folder is missing or cannot be written, or the disk is full.

    Examples
    --------
    >>> with VideoWriter("call.mp4", height=720, width=1280, frame_rate=30) as video:
    ...     video.write(np.zeros((720, 1280, 3), np.uint8))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        height: int,
        width: int,
        frame_rate: Fraction | float,
        codec: str = "libx264",
        crf: int | None = None,
        bit_rate: int | None = None,
        pixel_format: str = "yuv420p",
        preset: str | None = "medium",
        keyframe_interval: int | None = None,
        threads: int = 2,
        options: Mapping[str, str] | None = None,
        tags: ColourTags | None = None,
        time_base: Fraction | None = None,
        sound: Sequence[AudioStream] = (),
        pixel_aspect: Fraction | None = None,
        file: BinaryIO | None = None,
        container: str | None = None,
        faststart: bool = False,
    ) -> None:
        if not (1 <= height <= _MAX_SIDE and 1 <= width <= _MAX_SIDE):
            raise InvalidParameter(f"size: {width}x{height} is outside 1x1 to 16384x16384")
        if not 0 < frame_rate < float("inf"):
            raise InvalidParameter(f"frame_rate: {frame_rate} is not a number above 0")
        if crf is not None and bit_rate is not None:
            raise InvalidParameter("crf, bit_rate: choose one of them")
        _at_least("crf", crf, 0, 63)
        _at_least("bit_rate", bit_rate, 1)
        _at_least("keyframe_interval", keyframe_interval, 1)
        _at_least("threads", threads, 1, 1024)
        self.path = Path(path)
        self.height = height
        self.width = width
        self.frame_rate = Fraction(frame_rate).limit_denominator(1001)
        if not self.frame_rate:
            raise InvalidParameter(f"frame_rate: {frame_rate} is too small")
        self.codec = codec
        self.pixel_format = fitting_format(codec, pixel_format, height, width)
        self.keyframe_interval = keyframe_interval
        self.bit_rate = bit_rate
        self.threads = threads
        self.frames_written = 0
        self._options: dict[str, str] = dict(options or {})
        if crf is not None:
            self._options["crf"] = str(crf)
        if preset is not None:
            self._options["preset"] = preset
        if codec == "libx264" and -(-width // _X264_MACROBLOCK) % _X264_MACROBLOCKS_AT_ONCE:
            self._options["x264-params"] = "mbtree=0"
        self._reformatter = VideoReformatter()
        self._replacement: Replacement | None = None
        self._given_tags = tags
        self._tags = stored_tags(codec, self.pixel_format, height, tags or ColourTags())
        self._time_base = time_base or 1 / self.frame_rate
        self._sound = tuple(sound)
        self._sound_streams: dict[int, SoundStream] = {}
        self.notes: list[str] = []
        self._pixel_aspect = pixel_aspect
        self._file = file
        self._format = container
        self._container_options = {"fflags": "+bitexact"}
        if faststart:
            self._container_options["movflags"] = "+faststart"
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._durations = PacketDurations()

    def __enter__(self) -> Self:
        """Open the file and the encoder."""
        try:
            self._open()
        except BaseException:
            self._discard()
            raise
        return self

    def write(
        self, frame: U8 | av.VideoFrame, pts: int | None = None, duration: int | None = None
    ) -> None:
        """Append one frame.

        Parameters
        ----------
        frame
            RGB picture of shape (height, width, 3), uint8, or a decoded frame of that size in any
            format; its data is copied.
        pts
            Presentation time in units of `time_base`, later than that of the frame before; None:
            by the frame rate.
        duration
            How long it is shown, in the same units; None: by the frame rate.

        Raises
        ------
        InvalidParameter
            The frame has another shape or type.
        OutputUnwritable
            The disk is full or the file cannot be written any more.
        """
        if self._stream is None:
            raise InvalidParameter("write: the writer is not open; use it in a with statement")
        encodable = self._encodable(frame)
        # A frame that needs no conversion is the caller's object: restore its time afterwards.
        times = encodable.pts, encodable.time_base
        period = 1 / self.frame_rate / self._time_base
        encodable.pts = round(self.frames_written * period) if pts is None else pts
        encodable.time_base = self._time_base
        duration = round(period) if duration is None else duration
        self._durations.note(encodable.pts, duration)
        try:
            self._mux(encodable)
        except (av.error.FFmpegError, OSError) as error:
            raise unwritable(self.path, error) from error
        finally:
            encodable.pts = times[0]
            if times[1] is not None:  # None cannot be set
                encodable.time_base = times[1]
        self.frames_written += 1

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Append a packet of one of the `sound` streams, shifted by `shift_seconds`.

        Raises
        ------
        OutputUnwritable
            The disk is full, or the container refuses the packet.
        """
        container = cast("OutputContainer", self._container)
        if packet.time_base:
            shift = round(shift_seconds / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        try:
            for stored in self._sound_streams[packet.stream.index].packets(packet):
                container.mux(stored)
        except (av.error.FFmpegError, OSError) as error:
            raise unwritable(self.path, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file and rename it, or remove it after an error."""
        if kind is not None:
            self._discard()
            return
        if self._container is None:
            return
        try:
            self._mux(None)
            for sound in self._sound_streams.values():
                for stored in sound.packets(None):
                    self._container.mux(stored)
            self._container.close()
            if self._replacement is not None:
                self._replacement.commit()
            if self._file is not None:
                self._file.flush()
        except (av.error.FFmpegError, OSError) as failure:
            self._discard()
            raise unwritable(self.path, failure) from failure
        except BaseException:
            self._discard()
            raise
        self._container = self._stream = None

    def _open(self) -> None:
        target: str | BinaryIO
        if self._file is not None:
            target = self._file
        elif self.path.parent.is_dir():
            self._replacement = Replacement(self.path)
            # Without the prefix, FFmpeg takes "take:1.mp4" for the protocol "take".
            target = f"file:{self._replacement.temporary}"
        else:
            raise OutputUnwritable(
                f"{self.path}: {self.path.parent} is not a folder; make it first"
            )
        try:
            self._container = av.open(
                target, "w", format=self._format, container_options=self._container_options
            )
        except ValueError as error:
            raise InvalidParameter(
                f"{self.path}: {self.path.suffix or 'no suffix'} names no container; use .mp4"
            ) from error
        except (av.error.FFmpegError, OSError) as error:
            raise unwritable(self.path, error) from error
        if self._container.format.flags & _NO_FILE:
            raise InvalidParameter(
                f"{self.path}: {self.path.suffix} is more than one file; take .mp4"
            )
        try:
            self._stream = self._container.add_stream(
                cast("Literal['libx264']", self.codec), rate=self.frame_rate, options=self._options
            )
            context = self._stream.codec_context
            self._configure(context)
            context.open(strict=False)
        except (av.error.FFmpegError, ValueError) as error:
            raise InvalidParameter(
                f"{self.path}: {self.codec} cannot encode {self.width}x{self.height} "
                f"{self.pixel_format} into {self.path.suffix} with these settings ({error})"
            ) from error
        # FFmpeg leaves the options that the encoder does not support.
        if "crf" in context.options:
            raise InvalidParameter(f"crf: {self.codec} has no constant quality; use bit_rate")
        for source in self._sound:
            added = add_sound_stream(self._container, source, str(self.path))
            self._sound_streams[source.index] = added
            if added.note is not None and added.note not in self.notes:
                self.notes.append(added.note)
        try:
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as error:
            raise unwritable(self.path, error) from error

    def _configure(self, context: VideoCodecContext) -> None:
        context.height = self.height
        context.width = self.width
        context.pix_fmt = self.pixel_format
        context.time_base = self._time_base
        context.framerate = self.frame_rate
        context.thread_count = self.threads
        tags = self._tags
        context.colorspace = tags.matrix
        context.color_range = tags.value_range
        context.color_primaries = tags.primaries
        context.color_trc = tags.transfer
        context.flags |= int(av.codec.context.Flags.bitexact)
        if self._pixel_aspect:
            context.sample_aspect_ratio = self._pixel_aspect
        if self.bit_rate is not None:
            context.bit_rate = self.bit_rate
        if self.keyframe_interval is not None:
            context.gop_size = self.keyframe_interval

    def _encodable(self, frame: U8 | av.VideoFrame) -> av.VideoFrame:
        if not isinstance(frame, av.VideoFrame):
            picture = np.asarray(frame)
            if picture.dtype != np.uint8 or picture.shape != (self.height, self.width, 3):
                raise InvalidParameter(
                    f"write: a {picture.dtype} array of shape {picture.shape} is no uint8 RGB "
                    f"picture of shape ({self.height}, {self.width}, 3)"
                )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        elif (frame.height, frame.width) != (self.height, self.width):
            raise InvalidParameter(
                f"write: a frame of {frame.width}x{frame.height} does not fit the video's "
                f"{self.width}x{self.height}"
            )
        if self._tags == self._given_tags and frame.format.name == self.pixel_format:
            return frame
        full = self._tags.value_range == ColorRange.JPEG
        return self._reformatter.reformat(
            frame,
            format=self.pixel_format,
            dst_colorspace=swscale_matrix(MATRICES.get(self._tags.matrix)),
            dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            interpolation=EXACT,
        )

    def _mux(self, frame: av.VideoFrame | None) -> None:
        stream = cast("VideoStream", self._stream)
        container = cast("OutputContainer", self._container)
        for encoded in stream.encode(frame):
            packet = self._durations.add(encoded)
            if packet is not None:
                container.mux(packet)
        last = self._durations.last(container.format.name) if frame is None else None
        if last is not None:
            container.mux(last)

    def _discard(self) -> None:
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            # Writing the trailer may fail for the reason that made the file incomplete.
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
                container.close()
        if self._replacement is not None:
            self._replacement.discard()


def _at_least(name: str, value: int | None, low: int, high: int | None = None) -> None:
    if value is None:
        return
    if value < low or (high is not None and value > high):
        raise InvalidParameter(
            f"{name}: {value} is outside {low} to {high}" if high else f"{name}: {value} < {low}"
        )
