"""From a decoded frame, in whatever pixel format, to three 8-bit planes."""

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
"""FFmpeg's AVColorSpace, as `av.VideoFrame.colorspace` gives it."""

UNSPECIFIED_MATRIX: Final[Matrix] = "bt601"
"""What swscale assumes, and what the calls of real services turned out to be."""

UNTAGGED: Final = frozenset({0, 2, 3})
"""AVColorSpace values that name no luma matrix: RGB, unspecified, reserved."""

EXACT: Final = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
"""swscale's exact paths: its default shortcuts differ from one CPU to the next."""

_SWSCALE_MATRICES: Final[dict[Matrix, Colorspace]] = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020": Colorspace.BT2020,
}


@dataclass(frozen=True, slots=True)
class ColourTags:
    """What a frame says of its colours, as FFmpeg's numbers; 2 (range: 0) is "unspecified".

    `matrix` is an AVColorSpace, `value_range` an AVColorRange, `primaries` an AVColorPrimaries and
    `transfer` an AVColorTransferCharacteristic. The default is BT.601 in studio range.
    """

    matrix: int = 6
    value_range: int = 1
    primaries: int = 6
    transfer: int = 6

    @classmethod
    def of(cls, frame: av.VideoFrame) -> ColourTags:
        """Read a frame's."""
        full = frame.format.name.startswith("yuvj")
        return cls(
            int(frame.colorspace),
            int(ColorRange.JPEG if full else frame.color_range),
            int(frame.color_primaries),
            int(frame.color_trc),
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """How frames of one format are read: into which layout, and whether through swscale."""

    layout: Layout
    target: str | None
    """The pixel format that swscale makes of it, None where the planes are read as they are."""


class PlaneReader:
    """Copies frames' planes into arrays, through one reused swscale context where needed.

    yuv420p, yuv422p, yuv444p, their full-range J forms and gbrp are copied as they are.
    Everything else becomes the nearest of these: RGB, palettes, Bayer and grey become gbrp,
    Y'CbCr keeps at least its chroma resolution up to 4:2:0 and its matrix and range. More
    than 8 bits are reduced to 8, alpha is dropped.

    Not thread-safe: use one per thread.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._readings: dict[tuple[str, int, int, int, int], _Reading] = {}

    def layout_of(self, frame: av.VideoFrame) -> Layout:
        """Shape and colour of the planes that `copy_into` will write for this frame."""
        return self._reading(frame).layout

    def copy_into(self, frame: av.VideoFrame, planes: Planes, index: int) -> None:
        """Write a frame's planes to `planes[0][index]`, `planes[1][index]`, `planes[2][index]`.

        Parameters
        ----------
        frame
            Any frame in main memory.
        planes
            uint8 arrays of shape (n, h, w), (n, ch, cw), (n, ch, cw) as `layout_of(frame)`
            tells them (`Layout.empty` makes such).
        index
            Which of the n frames is written.

        Raises
        ------
        av.error.FFmpegError
            swscale cannot convert this format.
        ValueError
            The arrays do not fit the frame's layout.
        """
        reading = self._reading(frame)
        if reading.target is not None:
            # Both ranges are named so that swscale never stretches one into the other.
            value_range = ColorRange.JPEG if reading.layout.colour.full_range else ColorRange.MPEG
            # One thread: the decoder's own already fill the machine.
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
    """Whether it is Y'CbCr: not RGB, palette, Bayer, grey (with or without alpha) or XYZ."""
    return (
        len(video_format.components) >= 3
        and not video_format.is_rgb
        and not video_format.has_palette
        and not video_format.is_bayer
        and not video_format.name.startswith("xyz")
    )


def _chroma_shifts(video_format: av.VideoFormat) -> tuple[int, int]:
    """Log2 of how much smaller a chroma plane is, (y, x)."""
    side = 256  # a power of two that every subsampling divides
    height, width = video_format.chroma_height(side), video_format.chroma_width(side)
    return (side // height).bit_length() - 1, (side // width).bit_length() - 1


def _rows(plane: VideoPlane) -> U8:
    """View a plane's pixels: (height, width), without the padding at the end of each line."""
    stride = abs(plane.line_size)
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, stride)
    # A negative line size means that the last line comes first in memory.
    return lines[:: -1 if plane.line_size < 0 else 1, : plane.width]


def swscale_matrix(matrix: Matrix | None) -> Colorspace:
    """Name a matrix as swscale does, BT.601 where there is none."""
    return _SWSCALE_MATRICES.get(matrix or UNSPECIFIED_MATRIX, Colorspace.ITU601)
