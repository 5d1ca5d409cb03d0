"""Small videos for tests, written by real encoders and muxers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet

from unveil.video.container import open_container

U8 = npt.NDArray[np.uint8]

LOSSLESS = {"qp": "0", "preset": "ultrafast"}
"""Options under which libx264 gives back every pixel of yuv420p, yuv422p and yuv444p."""


def rows_of(plane: Any) -> U8:
    """View a plane as bytes (height, line size), padding included."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, abs(plane.line_size))


def numbered_frame(number: int, height: int, width: int) -> av.VideoFrame:
    """Make a yuv420p frame whose luma is `number` % 256 and whose Cb is `number` // 256."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (number % 256, number // 256, 128), strict=True):
        rows_of(plane)[:] = value
    return frame


def numbered_frames(
    n: int, height: int = 48, width: int = 64, first: int = 0
) -> Iterator[av.VideoFrame]:
    return (numbered_frame(first + i, height, width) for i in range(n))


def numbers_of(planes: Sequence[U8]) -> list[int]:
    """Read back the numbers of frames given as planes (n, h, w), (n, ch, cw), (n, ch, cw)."""
    luma, cb, _ = planes
    return [int(y) + 256 * int(u) for y, u in zip(luma[:, 0, 0], cb[:, 0, 0], strict=True)]


def noise_frames(
    n: int, height: int, width: int, pixel_format: str, seed: int = 0
) -> Iterator[av.VideoFrame]:
    """Make frames of any format whose bytes, padding included, are random."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        frame = av.VideoFrame(width, height, pixel_format)
        for plane in frame.planes:
            bytes_of = np.frombuffer(plane, np.uint8)
            bytes_of[:] = rng.integers(0, 256, bytes_of.size, np.uint8)
        yield frame


def textured_frames(n: int, height: int = 144, width: int = 192) -> Iterator[av.VideoFrame]:
    """Move a texture by one pixel a frame, so that every packet carries data."""
    texture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    for i in range(n):
        yield av.VideoFrame.from_ndarray(np.roll(texture, i, axis=1), "rgb24").reformat(
            format="yuv420p"
        )


def write_video(
    path: Path,
    frames: Iterable[av.VideoFrame],
    *,
    codec: str = "libx264",
    rate: int = 30,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: Mapping[str, str] | None = None,
    container: str | None = None,
    container_options: Mapping[str, str] | None = None,
    rotation: tuple[Any, ...] | None = None,
    colour_range: int | None = None,
) -> Path:
    """Encode frames; `pts` are in `time_base` units, by default one a frame at `rate`.

    `rotation` goes to `set_display_rotation`: degrees counterclockwise, hflip, vflip.
    """
    if options is None:
        options = LOSSLESS if codec == "libx264" else {}
    with av.open(path, "w", format=container, options=dict(container_options or {})) as output:
        stream = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = output.add_stream(codec, rate=rate, options=dict(options))
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = frame.format.name
                stream.codec_context.time_base = time_base or Fraction(1, rate)
                if colour_range is not None:
                    stream.codec_context.color_range = colour_range
                if rotation is not None:
                    stream.set_display_rotation(*rotation)
            frame.pts = number if pts is None else pts[number]
            frame.time_base = time_base or Fraction(1, rate)
            output.mux(stream.encode(frame))
        assert stream is not None, "a video needs a frame"
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path, *, cover: bool = False) -> Path:
    """Write half a second of silence, with a cover picture as players know it if wanted."""
    with av.open(path, "w", format="mp4") as output:
        sound = output.add_stream("aac", rate=48000, layout="mono")
        picture = None
        if cover:
            picture = output.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        for _ in range(24):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate = 48000
            output.mux(sound.encode(samples))
        output.mux(sound.encode(None))
        if picture is not None:
            output.mux(picture.encode(av.VideoFrame(32, 32, "yuvj420p")))
            output.mux(picture.encode(None))
    return path


def flip_bytes(path: Path, target: Path, start: float, end: float, n_bytes: int) -> Path:
    """Copy a file with `n_bytes` bytes changed between two fractions of its length."""
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.integers(int(start * len(data)), int(end * len(data)), n_bytes):
        data[position] ^= 0x55
    target.write_bytes(data)
    return target


def cut(path: Path, target: Path, fraction: float) -> Path:
    """Copy the first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(fraction * len(data))])
    return target


class FailingContainer:
    """Demuxes so many packets of a real container, then raises."""

    def __init__(self, container: InputContainer, error: Exception, after: int = 10) -> None:
        self.container = container
        self.error = error
        self.after = after

    def demux(self, *streams: Any) -> Iterator[Packet[Any]]:
        """Yield the first packets of the container."""
        yield from itertools.islice(self.container.demux(*streams), self.after)
        raise self.error

    def __enter__(self) -> FailingContainer:
        """Return it."""
        return self

    def __exit__(self, *arguments: object) -> None:
        """Close the container."""
        self.container.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.container, name)


def opening_failing(error: Exception, after: int) -> Callable[..., Any]:
    """Stand in for `open_container`: it gives a `FailingContainer` of the real one."""

    def opened(*arguments: Any) -> tuple[FailingContainer, Any]:
        container, stream = open_container(*arguments)
        return FailingContainer(container, error, after), stream

    return opened
