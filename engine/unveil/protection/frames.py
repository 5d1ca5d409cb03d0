"""Between planes and FFmpeg's frames: the formats that the compositor writes."""

from __future__ import annotations

from typing import Final, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from unveil.arrays import U8
from unveil.video.chunk import Layout, Matrix, Planes
from unveil.video.container import VideoProperties
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
    """Name the pixel format whose planes have this layout."""
    if layout.colour.matrix == "rgb":
        return "gbrp"
    return _FORMATS[layout.chroma_shift_y, layout.chroma_shift_x]


def alpha_format_of(layout: Layout) -> str | None:
    """Name the same with a fourth plane of opacity, None where FFmpeg has none."""
    return _WITH_ALPHA.get(pixel_format_of(layout))


def empty_frame(layout: Layout, *, alpha: bool = False) -> tuple[av.VideoFrame, tuple[U8, ...]]:
    """Make a frame, and show its planes: (height, line size) each, of which width columns count."""
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
    """Brings frames into a layout: size, chroma, matrix and range. Not thread-safe."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._reader = PlaneReader()

    def planes(self, frame: av.VideoFrame, layout: Layout) -> Planes:
        """Convert a frame to planes (h, w), (ch, cw), (ch, cw) of a layout, stretched to fit."""
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

    def picture(self, frame: av.VideoFrame, name: str) -> U8:
        """Convert a frame to an array in a format such as "rgba", by its own colours."""
        colour = self._reader.layout_of(frame).colour
        converted = self._reformatter.reformat(
            frame,
            format=name,
            src_colorspace=swscale_matrix(colour.matrix),
            src_color_range=_swscale_range(colour.full_range),
            interpolation=EXACT,
        )
        return cast("U8", converted.to_ndarray())


def covering(frame: av.VideoFrame, layout: Layout, converter: Converter) -> Planes:
    """Convert the largest middle part of a frame that has the layout's shape."""
    reader = PlaneReader()
    source = reader.layout_of(frame)
    planes = source.empty(1)
    reader.copy_into(frame, planes, 0)
    unit_y, unit_x = 1 << source.chroma_shift_y, 1 << source.chroma_shift_x
    height = min(source.height, round(source.width * layout.height / layout.width))
    width = min(source.width, round(source.height * layout.width / layout.height))
    # Whole samples of chroma; a side below one is kept as it is.
    height, width = height // unit_y * unit_y or height, width // unit_x * unit_x or width
    top = (source.height - height) // 2 // unit_y
    left = (source.width - width) // 2 // unit_x
    part = Layout(
        max(1, height),
        max(1, width),
        source.chroma_shift_y,
        source.chroma_shift_x,
        source.colour,
    )
    luma, cb, cr = planes
    rows = slice(top * unit_y, top * unit_y + part.height)
    columns = slice(left * unit_x, left * unit_x + part.width)
    chroma_rows = slice(top, top + part.chroma_height)
    chroma_columns = slice(left, left + part.chroma_width)
    cut = (
        luma[0, rows, columns],
        cb[0, chroma_rows, chroma_columns],
        cr[0, chroma_rows, chroma_columns],
    )
    return converter.planes(frame_of(cut, part), layout)


def turned_upright(
    planes: Planes, layout: Layout, properties: VideoProperties
) -> tuple[Planes, Layout]:
    """Turn planes the way the video is displayed: only then is the person upright, too."""
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
