"""Conversion of a decoded frame of any pixel format to three 8-bit planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from unveil.arrays import U8
from unveil.video.chunk import Colour, Layout, Matrix, Planes

MATRICES: Final[dict[int, Matrix]] = {
    1: "bt709",
    4: "fcc",
    5: "bt601",  # bt470bg
    6: "bt601",  # smpte170m
    7: "smpte240m",
    9: "bt2020",  # non-constant luminance
    10: "bt2020",  # constant luminance
}
"""By FFmpeg's AVColorSpace, the value of `av.VideoFrame.colorspace`."""

UNSPECIFIED_MATRIX: Final[Matrix] = "bt601"
"""The default of swscale; the calls of real services use it, too."""

UNTAGGED: Final = frozenset({0, 2, 3})
"""AVColorSpace values that name no luma matrix: RGB, unspecified, reserved."""

EXACT: Final = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
"""swscale's exact code paths; the results of its fast ones depend on the CPU."""

_SWSCALE_MATRICES: Final[dict[Matrix, Colorspace]] = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020": Colorspace.BT2020,
}


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Colour tags of a frame, as FFmpeg's numbers; 2 (range: 0) is "unspecified".

    `matrix` is an AVColorSpace, `value_range` an AVColorRange, `primaries` an AVColorPrimaries and
    `transfer` an AVColorTransferCharacteristic. The default is BT.601 in studio range.
    """

    matrix: int = 6
    value_range: int = 1
    primaries: int = 6
    transfer: int = 6

    @classmethod
    def of(cls, frame: av.VideoFrame) -> ColourTags:
        """Read the tags of a frame."""
        full = frame.format.name.startswith("yuvj")
        return cls(
            int(frame.colorspace),
            int(ColorRange.JPEG if full else frame.color_range),
            int(frame.color_primaries),
            int(frame.color_trc),
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """How frames of one format are read: the layout, and the conversion by swscale if any."""

    layout: Layout
    target: str | None
    """The pixel format to which swscale converts; None if the planes are copied directly."""


class PlaneReader:
    """Copies frames' planes into arrays; converts them with a reused swscale context if needed.

    yuv420p, yuv422p, yuv444p, their full-range J variants and gbrp are copied directly. All other
    formats are converted to the nearest of these: RGB, palettes, Bayer and grey to gbrp; Y'CbCr
    keeps its matrix, its range and at least its chroma resolution, 4:2:0 being the lowest. More
    than 8 bits are reduced to 8, alpha is dropped.

    Not thread-safe: use one per thread.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._readings: dict[tuple[str, int, int, int, int], _Reading] = {}

    def layout_of(self, frame: av.VideoFrame) -> Layout:
        """Return the layout of the planes that `copy_into` writes for this frame."""
        return self._reading(frame).layout

    def copy_into(self, frame: av.VideoFrame, planes: Planes, index: int) -> None:
        """Write a frame's planes to `planes[0][index]`, `planes[1][index]`, `planes[2][index]`.

        Parameters
        ----------
        frame
            Any frame in main memory.
        planes
            uint8 arrays of shape (n, h, w), (n, ch, cw), (n, ch, cw) by `layout_of(frame)`, such
            as `Layout.empty` returns.
        index
            Index of the frame to write, below n.

        Raises
        ------
        av.error.FFmpegError
            swscale cannot convert this format.
        ValueError
            The arrays do not fit the frame's layout.
        """
        reading = self._reading(frame)
        if reading.target is not None:
            # With both ranges given, swscale never converts one into the other.
            value_range = ColorRange.JPEG if reading.layout.colour.full_range else ColorRange.MPEG
            # One thread: the decoder's threads already use all cores.
            frame = self._reformatter.reformat(
                frame,
                format=reading.target,
                src_color_range=value_range,
                dst_color_range=value_range,
                threads=1,
            )
        for source, target in zip(frame.planes, planes, strict=True):
            target[index] = _rows(source)

    def _reading(self, frame: av.VideoFrame) -> _Reading:
        name = frame.format.name
        key = (name, frame.height, frame.width, frame.colorspace, frame.color_range)
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = _reading_of(*key)
        return reading


def _reading_of(name: str, height: int, width: int, colorspace: int, color_range: int) -> _Reading:
    video_format = av.VideoFormat(name)
    if not _is_luma_chroma(video_format):
        target = None if name == "gbrp" else "gbrp"
        return _Reading(Layout(height, width, colour=Colour("rgb", full_range=True)), target)
    colour = Colour(
        MATRICES.get(colorspace, UNSPECIFIED_MATRIX),
        full_range=name.startswith("yuvj") or color_range == ColorRange.JPEG,
    )
    shifts = _chroma_shifts(video_format)
    planar = len({component.plane for component in video_format.components}) == 3
    eight_bit = all(component.bits == 8 for component in video_format.components)
    if planar and eight_bit and len(video_format.components) == 3 and shifts in _YUV_TARGETS:
        return _Reading(Layout(height, width, *shifts, colour), None)
    shift_x = min(shifts[1], 1)
    shifts = (min(shifts[0], shift_x), shift_x)  # there is no 4:4:0 among the targets
    return _Reading(Layout(height, width, *shifts, colour), _YUV_TARGETS[shifts])


_YUV_TARGETS: Final = {(0, 0): "yuv444p", (0, 1): "yuv422p", (1, 1): "yuv420p"}
"""By chroma shift (y, x)."""


def _is_luma_chroma(video_format: av.VideoFormat) -> bool:
    """Whether a format is Y'CbCr: not RGB, palette, Bayer, grey (with or without alpha), XYZ."""
    return (
        len(video_format.components) >= 3
        and not video_format.is_rgb
        and not video_format.has_palette
        and not video_format.is_bayer
        and not video_format.name.startswith("xyz")
    )


def _chroma_shifts(video_format: av.VideoFormat) -> tuple[int, int]:
    """Return log2 of the chroma subsampling, (y, x)."""
    side = 256  # a power of two that every subsampling divides
    height, width = video_format.chroma_height(side), video_format.chroma_width(side)
    return (side // height).bit_length() - 1, (side // width).bit_length() - 1


def _rows(plane: VideoPlane) -> U8:
    """View a plane's pixels as (height, width), without the padding at the end of each line."""
    stride = abs(plane.line_size)
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, stride)
    # With a negative line size, the last line is first in memory.
    return lines[:: -1 if plane.line_size < 0 else 1, : plane.width]


def swscale_matrix(matrix: Matrix | None) -> Colorspace:
    """Return swscale's constant for a matrix; None means BT.601."""
    return _SWSCALE_MATRICES.get(matrix or UNSPECIFIED_MATRIX, Colorspace.ITU601)
