"""Conversion of a decoded frame of any pixel format to three 8-bit planes of SDR colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final, TypeAlias

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from unveil.arrays import U8, U16
from unveil.errors import UnreadableVideo
from unveil.video import sdr
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

YCGCO: Final = 8
"""AVColorSpace of Y'CgCo."""

_MAX_ROWS_OF_BT601: Final = 576
"""Of standard definition, by Rec. ITU-R BT.601."""

_LOGARITHMIC: Final = {9: "logarithmic", 10: "logarithmic", 17: "SMPTE 428"}
"""Names of the transfer functions, by AVColorTransferCharacteristic, that nothing here maps."""

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
        """Return the tags of what `PlaneReader` delivers for a frame: the frame's own, if it can.

        Raises
        ------
        UnreadableVideo
            As for `PlaneReader.layout_of`.
        """
        return _reading_of(*_key_of(frame)).tags

    def stored_as(self, pixel_format: str, height: int) -> ColourTags:
        """Return the tags of such frames when they are stored in a pixel format.

        RGB that is stored as Y'CbCr gets the matrix that players assume for its height, BT.601
        up to 576 rows and else BT.709: the tag of RGB is illegal there. Whatever is stored as
        RGB has no matrix and full range.
        """
        video_format = av.VideoFormat(pixel_format)
        full, studio = int(ColorRange.JPEG), int(ColorRange.MPEG)
        if video_format.is_rgb or video_format.has_palette:
            return replace(self, matrix=0, value_range=full)
        stored = self
        if self.matrix == 0:
            matrix = 6 if height <= _MAX_ROWS_OF_BT601 else 1
            stored = replace(self, matrix=matrix, value_range=studio)
        return replace(stored, value_range=full) if pixel_format.startswith("yuvj") else stored


@dataclass(frozen=True, slots=True)
class _Reading:
    """How frames of one format are read: the layout, and the conversions if any."""

    layout: Layout
    target: str | None
    """The pixel format to which swscale converts; None if the planes are used directly."""
    tags: ColourTags
    """Of the planes that are delivered."""
    finish: _Finish | None = None
    """Converts the frame's planes further, to full-range RGB; None copies them."""
    conversion: str | None = None
    """What a user should know of that."""


_Finish: TypeAlias = Callable[[av.VideoFrame, tuple[U8, U8, U8]], None]
"""Writes the planes (h, w) of green, blue and red, given a frame of the reading's target."""


def colour_conversion(frame: av.VideoFrame) -> str | None:
    """Say in a few words how a frame's colours are changed when it is read; None if they are not.

    Raises
    ------
    UnreadableVideo
        As for `PlaneReader.layout_of`.
    """
    return _reading_of(*_key_of(frame)).conversion


def encoded_colour(frame: av.VideoFrame) -> tuple[str, bool]:
    """Return the matrix of a frame as it is encoded, and whether it is of full range."""
    full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    if not _is_luma_chroma(frame.format):
        limited = _is_grey(frame.format) and frame.color_range == ColorRange.MPEG
        return "rgb", not limited
    return "ycgco" if frame.colorspace == YCGCO else MATRICES.get(
        frame.colorspace, UNSPECIFIED_MATRIX
    ), full


class PlaneReader:
    """Copies frames' planes into arrays; converts them with a reused swscale context if needed.

    yuv420p, yuv422p, yuv444p, their full-range J variants and gbrp are copied directly. All other
    formats are converted to the nearest of these: RGB, palettes, Bayer and grey to gbrp; Y'CbCr
    keeps its matrix, its range and at least its chroma resolution, 4:2:0 being the lowest. More
    than 8 bits are reduced to 8, alpha is dropped.

    What the kernels cannot compare becomes gbrp of full range, too: HDR and wide gamuts, by the
    curves of `unveil.video.sdr`; Y'CgCo; grey whose tag says studio range. The range that a tag
    names for RGB is ignored, as swscale does.

    Not thread-safe: use one per thread.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def layout_of(self, frame: av.VideoFrame) -> Layout:
        """Return the layout of the planes that `copy_into` writes for this frame.

        Raises
        ------
        UnreadableVideo
            The frame's tags name colours that cannot be converted.
        """
        return _reading_of(*_key_of(frame)).layout

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
        UnreadableVideo
            As for `layout_of`.
        av.error.FFmpegError
            swscale cannot convert this format.
        ValueError
            The arrays do not fit the frame's layout.
        """
        reading = _reading_of(*_key_of(frame))
        if reading.target is not None:
            frame = self._reformatted(frame, reading)
        if reading.finish is not None:
            first, second, third = planes
            reading.finish(frame, (first[index], second[index], third[index]))
            return
        for source, target in zip(frame.planes, planes, strict=True):
            target[index] = _rows(source)

    def _reformatted(self, frame: av.VideoFrame, reading: _Reading) -> av.VideoFrame:
        matrix, full = None, True
        if _is_luma_chroma(frame.format):
            # swscale refuses frames whose own tag it does not know.
            matrix = swscale_matrix(_matrix_of(frame.colorspace, frame.color_trc))
            full = encoded_colour(frame)[1]
        # With both ranges given, swscale never converts one into the other.
        value_range = ColorRange.JPEG if full else ColorRange.MPEG
        return self._reformatter.reformat(
            frame,
            format=reading.target,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=value_range,
            dst_color_range=value_range,
            interpolation=None if reading.finish is None else EXACT,
            # One thread: the decoder's threads already use all cores.
            threads=1,
        )


class PictureReader:
    """Converts frames to RGB pictures, in the colours in which `PlaneReader` reads them.

    Not thread-safe: use one per thread.
    """

    def __init__(self) -> None:
        self._planes = PlaneReader()
        self._reformatter = VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> U8:
        """Convert a frame to (h, w, 3) uint8 RGB as decoded, without its display matrix.

        Raises
        ------
        UnreadableVideo, av.error.FFmpegError
            As for `PlaneReader.copy_into`.
        """
        layout = self._planes.layout_of(frame)
        if layout.colour.matrix == "rgb":
            planes = layout.empty(1)
            self._planes.copy_into(frame, planes, 0)
            green, blue, red = planes
            return np.dstack([red[0], green[0], blue[0]])
        rgb = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=swscale_matrix(layout.colour.matrix),
            src_color_range=ColorRange.JPEG if layout.colour.full_range else ColorRange.MPEG,
            interpolation=EXACT,
        )
        return np.asarray(rgb.to_ndarray(), np.uint8)


_Key: TypeAlias = tuple[str, int, int, int, int, int, int]


def _key_of(frame: av.VideoFrame) -> _Key:
    return (
        frame.format.name,
        frame.height,
        frame.width,
        int(frame.colorspace),
        int(frame.color_range),
        int(frame.color_trc),
        int(frame.color_primaries),
    )


@lru_cache(maxsize=64)
def _reading_of(
    name: str,
    height: int,
    width: int,
    colorspace: int,
    color_range: int,
    transfer: int,
    primaries: int,
) -> _Reading:
    video_format = av.VideoFormat(name)
    luma_chroma = _is_luma_chroma(video_format)
    rgb = Layout(height, width, colour=Colour("rgb", full_range=True))
    limited_grey = _is_grey(video_format) and color_range == ColorRange.MPEG
    if not name.startswith("xyz"):  # swscale converts these to sRGB
        mapped = _mapped_to_sdr(luma_chroma, colorspace, limited_grey, transfer, primaries)
        if mapped is not None:
            finish, conversion = mapped
            return _Reading(rgb, "gbrp12le", ColourTags(0, 2, 1, 1), finish, conversion)
    rgb_tags = ColourTags(0, int(ColorRange.JPEG), primaries, transfer)
    if not luma_chroma:
        target = None if name == "gbrp" else "gbrp"
        return _Reading(rgb, target, rgb_tags, _expand if limited_grey else None)
    full = name.startswith("yuvj") or color_range == ColorRange.JPEG
    if colorspace == YCGCO:
        target = None if name in ("yuv444p", "yuvj444p") else "yuv444p"
        return _Reading(rgb, target, rgb_tags, partial(_decode_ycgco, full))
    colour = Colour(MATRICES.get(colorspace, UNSPECIFIED_MATRIX), full)
    tags = ColourTags(
        # A tag that is no luma matrix would make players show other colours than are read here.
        colorspace if colorspace in MATRICES or colorspace == 2 else ColourTags().matrix,
        int(ColorRange.JPEG if full else color_range),
        primaries,
        transfer,
    )
    unknown = None
    if colorspace not in MATRICES and colorspace not in UNTAGGED:
        unknown = f"colour matrix {colorspace} is unknown, read as {UNSPECIFIED_MATRIX}"
    shifts = _chroma_shifts(video_format)
    planar = len({component.plane for component in video_format.components}) == 3
    eight_bit = all(component.bits == 8 for component in video_format.components)
    if planar and eight_bit and len(video_format.components) == 3 and shifts in _YUV_TARGETS:
        layout = Layout(height, width, *shifts, colour)
        return _Reading(layout, None, tags, conversion=unknown)
    shift_x = min(shifts[1], 1)
    shifts = (min(shifts[0], shift_x), shift_x)  # there is no 4:4:0 among the targets
    layout = Layout(height, width, *shifts, colour)
    return _Reading(layout, _YUV_TARGETS[shifts], tags, conversion=unknown)


def _mapped_to_sdr(
    luma_chroma: bool, colorspace: int, limited_grey: bool, transfer: int, primaries: int
) -> tuple[_Finish, str] | None:
    """Return how HDR or a wide gamut is mapped to SDR, and in words; None if there is no need."""
    hdr, wide = sdr.HDR_NAMES.get(transfer), sdr.WIDE_NAMES.get(primaries)
    if transfer in _LOGARITHMIC:
        raise _unreadable(f"a {_LOGARITHMIC[transfer]} curve")
    if hdr is None and wide is None and transfer != sdr.LINEAR:
        return None
    kind = f"HDR ({hdr})" if hdr else f"the gamut of {wide}" if wide else "linear light"
    known = _matrix_of(colorspace, transfer) is not None
    if luma_chroma and not known and colorspace not in UNTAGGED:
        raise _unreadable(f"{kind} with colour matrix {colorspace}")
    # swscale makes full range of Y'CbCr only.
    curves = sdr.sdr_curves(transfer, primaries, full_range=not limited_grey)

    def finish(frame: av.VideoFrame, target: tuple[U8, U8, U8]) -> None:
        curves.apply(np.stack([_rows_of_words(plane) for plane in frame.planes]), target)

    return finish, f"{kind} was converted to SDR of BT.709"


def _unreadable(colours: str) -> UnreadableVideo:
    return UnreadableVideo(
        f"it has {colours}, which cannot be read; convert it to SDR of BT.709 with a video editor"
    )


def _matrix_of(colorspace: int, transfer: int) -> Matrix | None:
    """Return the luma matrix by which a frame is read; None where its tag names none."""
    if colorspace in UNTAGGED and transfer in sdr.HDR_NAMES:
        return "bt2020"  # HDR has no other (Rec. ITU-R BT.2100)
    return MATRICES.get(colorspace)


def _expand(frame: av.VideoFrame, target: tuple[U8, U8, U8]) -> None:
    """Convert planes of RGB from studio to full range."""
    for source, plane in zip(frame.planes, target, strict=True):
        plane[:] = _FULL_LEVELS[_rows(source)]


_FULL_LEVELS: Final[U8] = np.rint(
    np.clip((np.arange(256) - 16) * (255 / 219), 0, 255)
).astype(np.uint8)  # fmt: skip
"""By a level of studio range."""


def _decode_ycgco(full: bool, frame: av.VideoFrame, target: tuple[U8, U8, U8]) -> None:
    """Convert Y'CgCo 4:4:4 to RGB (Rec. ITU-T H.273, MatrixCoefficients 8)."""
    luma, cg, co = (_rows(plane).astype(np.float32) for plane in frame.planes)
    y = luma if full else (luma - 16) * np.float32(255 / 219)
    scale = np.float32(1 if full else 255 / 224)
    cg, co = (cg - 128) * scale, (co - 128) * scale
    for plane, level in zip(target, (y + cg, y - cg - co, y - cg + co), strict=True):
        plane[:] = np.rint(np.clip(level, 0, 255))


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


def _is_grey(video_format: av.VideoFormat) -> bool:
    """Whether a format has luma alone, with or without alpha."""
    return (
        len(video_format.components) < 3
        and not video_format.is_rgb
        and not video_format.has_palette
        and not video_format.is_bayer
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


def _rows_of_words(plane: VideoPlane) -> U16:
    """View a plane of 16-bit samples as `_rows` does one of bytes."""
    stride = abs(plane.line_size) // 2
    lines = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, stride)
    return lines[:: -1 if plane.line_size < 0 else 1, : plane.width]


def swscale_matrix(matrix: Matrix | None) -> Colorspace:
    """Return swscale's constant for a matrix; None means BT.601."""
    return _SWSCALE_MATRICES.get(matrix or UNSPECIFIED_MATRIX, Colorspace.ITU601)
