"""Conversion between planes and FFmpeg's frames, with scaling, cropping and rotation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from unveil.arrays import U8
from unveil.video.chunk import Layout, Matrix, Planes
from unveil.video.container import VideoProperties
from unveil.video.geometry import SQUARE, Shape, covering_part, fitting_part
from unveil.video.pixel_format import EXACT, PlaneReader, swscale_matrix

_FORMATS: Final = {
    (0, 0): "yuv444p",
    (0, 1): "yuv422p",
    (0, 2): "yuv411p",
    (1, 0): "yuv440p",
    (1, 1): "yuv420p",
    (2, 2): "yuv410p",
}
"""By chroma shift (y, x)."""

_WITH_ALPHA: Final = {
    "yuv444p": "yuva444p",
    "yuv422p": "yuva422p",
    "yuv420p": "yuva420p",
    "gbrp": "gbrap",
}

TAGS: Final[dict[Matrix, int]] = {
    "rgb": 0,
    "bt709": 1,
    "fcc": 4,
    "bt601": 6,
    "smpte240m": 7,
    "bt2020": 9,
}
"""FFmpeg's AVColorSpace of a matrix."""


def pixel_format_of(layout: Layout) -> str:
    """Return the pixel format whose planes have this layout."""
    if layout.colour.matrix == "rgb":
        return "gbrp"
    return _FORMATS[layout.chroma_shift_y, layout.chroma_shift_x]


def alpha_format_of(layout: Layout) -> str | None:
    """Return the same format with an alpha plane, None if FFmpeg has none."""
    return _WITH_ALPHA.get(pixel_format_of(layout))


def empty_frame(layout: Layout, *, alpha: bool = False) -> tuple[av.VideoFrame, tuple[U8, ...]]:
    """Make a frame and return it with views of its planes, each (height, line size).

    Columns beyond the width are padding.
    """
    name = alpha_format_of(layout) if alpha else pixel_format_of(layout)
    if name is None:
        raise ValueError(f"{pixel_format_of(layout)} cannot hold transparency")
    frame = av.VideoFrame(layout.width, layout.height, name)
    frame.colorspace = TAGS[layout.colour.matrix]
    frame.color_range = ColorRange.JPEG if layout.colour.full_range else ColorRange.MPEG
    return frame, tuple(
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        for plane in frame.planes
    )


def frame_of(planes: Planes, layout: Layout) -> av.VideoFrame:
    """Copy planes (h, w), (ch, cw), (ch, cw) into a frame."""
    frame, targets = empty_frame(layout)
    for plane, target in zip(planes, targets, strict=True):
        target[:, : plane.shape[1]] = plane
    return frame


class Converter:
    """Converts frames to a layout: size, chroma, matrix and range. Not thread-safe."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._reader = PlaneReader()

    def planes(self, frame: av.VideoFrame, layout: Layout) -> Planes:
        """Convert a frame to planes (h, w), (ch, cw), (ch, cw) of a layout, stretched to it."""
        source = self._reader.layout_of(frame).colour
        converted = self._reformatter.reformat(
            frame,
            width=layout.width,
            height=layout.height,
            format=pixel_format_of(layout),
            src_colorspace=swscale_matrix(source.matrix),
            dst_colorspace=swscale_matrix(layout.colour.matrix),
            src_color_range=_swscale_range(source.full_range),
            dst_color_range=_swscale_range(layout.colour.full_range),
            interpolation=EXACT,
        )
        planes = layout.empty(1)
        for plane, target in zip(converted.planes, planes, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            target[0] = rows[:, : plane.width]
        return planes[0][0], planes[1][0], planes[2][0]

    def stretched(self, frame: av.VideoFrame, height: int, width: int) -> av.VideoFrame:
        """Scale a frame to another size, in its own format and colours."""
        return self._reformatter.reformat(frame, width=width, height=height, interpolation=EXACT)

    def picture(self, frame: av.VideoFrame, name: str, size: tuple[int, int] | None = None) -> U8:
        """Convert a frame to an array in a format such as "rgba", with the matrix and range it has.

        `size` are the rows and columns to which it is stretched, None for its own.
        """
        height, width = size or (frame.height, frame.width)
        colour = self._reader.layout_of(frame).colour
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=name,
            src_colorspace=swscale_matrix(colour.matrix),
            src_color_range=_swscale_range(colour.full_range),
            interpolation=EXACT,
        )
        return cast("U8", converted.to_ndarray())


def covering(
    planes: Planes,
    source: Layout,
    layout: Layout,
    converter: Converter,
    *,
    aspects: tuple[Fraction, Fraction] = (SQUARE, SQUARE),
) -> Planes:
    """Convert the largest middle part of upright planes that has the layout's proportions.

    Parameters
    ----------
    planes, source
        Planes (h, w), (ch, cw), (ch, cw) and their layout.
    layout
        Of the planes that are returned.
    converter
        Scales and converts.
    aspects
        Pixel aspects of `planes` and of the result.
    """
    unit_y, unit_x = 1 << source.chroma_shift_y, 1 << source.chroma_shift_x
    rows, columns = covering_part(
        Shape(source.height, source.width, aspects[0]),
        Shape(layout.height, layout.width, aspects[1]),
    )
    height, width = max(1, round(rows)), max(1, round(columns))
    # Whole samples of chroma; a side below one is kept as it is.
    height, width = height // unit_y * unit_y or height, width // unit_x * unit_x or width
    top = (source.height - height) // 2 // unit_y
    left = (source.width - width) // 2 // unit_x
    part = replace(source, height=height, width=width)
    luma, cb, cr = planes
    luma_part = np.s_[top * unit_y : top * unit_y + height, left * unit_x : left * unit_x + width]
    chroma_part = np.s_[top : top + part.chroma_height, left : left + part.chroma_width]
    cut = luma[luma_part], cb[chroma_part], cr[chroma_part]
    return converter.planes(frame_of(cut, part), layout)


def fitting(
    planes: Planes,
    source: Layout,
    layout: Layout,
    converter: Converter,
    *,
    aspects: tuple[Fraction, Fraction] = (SQUARE, SQUARE),
) -> Planes:
    """Scale upright planes into a layout without distortion or cropping, padded with black.

    The parameters are those of `covering`.
    """
    height, width = fitting_part(
        Shape(source.height, source.width, aspects[0]),
        Shape(layout.height, layout.width, aspects[1]),
    )
    unit_y, unit_x = 1 << layout.chroma_shift_y, 1 << layout.chroma_shift_x
    height = min(layout.height, -(-height // unit_y) * unit_y)
    width = min(layout.width, -(-width // unit_x) * unit_x)
    part = replace(layout, height=height, width=width)
    scaled = converter.planes(frame_of(planes, source), part)
    if part == layout:
        return scaled
    rgb, full = layout.colour.matrix == "rgb", layout.colour.full_range
    black = (0, 0, 0) if rgb else (0 if full else 16, 128, 128)
    luma, cb, cr = layout.empty(1)
    top, left = (layout.height - height) // 2 // unit_y, (layout.width - width) // 2 // unit_x
    for plane, content, level, y, x in zip(
        (luma[0], cb[0], cr[0]),
        scaled,
        black,
        (top * unit_y, top, top),
        (left * unit_x, left, left),
        strict=True,
    ):
        plane[:] = level
        plane[y : y + content.shape[0], x : x + content.shape[1]] = content
    return luma[0], cb[0], cr[0]


def with_alpha(layout: Layout) -> Layout:
    """Return the layout nearest to this one of which FFmpeg has a format with opacity."""
    if alpha_format_of(layout) is not None:
        return layout
    return replace(layout, chroma_shift_y=0, chroma_shift_x=0)


def turned_upright(
    planes: Planes, layout: Layout, properties: VideoProperties
) -> tuple[Planes, Layout]:
    """Apply the display matrix to planes, because the networks need the person upright."""
    if not (properties.rotation_degrees or properties.mirrored):
        return planes, layout
    luma, cb, cr = (properties.apply_display_matrix(plane) for plane in planes)
    if properties.rotation_degrees % 180:
        layout = Layout(
            layout.width,
            layout.height,
            layout.chroma_shift_x,
            layout.chroma_shift_y,
            layout.colour,
        )
    return (luma, cb, cr), layout


def _swscale_range(full: bool) -> ColorRange:
    return ColorRange.JPEG if full else ColorRange.MPEG
