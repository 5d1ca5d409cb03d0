"""How an encoder stores frames: the pixel format that fits their size, and their colour tags."""

from __future__ import annotations

from dataclasses import replace

import av
from av.video.reformatter import ColorRange

from unveil.errors import InvalidParameter
from unveil.video.pixel_format import ColourTags

_FULL_RANGE_CODECS = frozenset({"mjpeg"})  # FFmpeg's encoder refuses studio range
# These cannot say that frames have full range: a player would show them with too much contrast.
_STUDIO_RANGE_CODECS = frozenset(
    {"mpeg1video", "mpeg2video", "mpeg4", "prores", "prores_aw", "prores_ks", "rawvideo"}
)


def fitting_format(codec: str, pixel_format: str, height: int, width: int) -> str:
    """Return `pixel_format`, or yuv444p if it does not support the odd size.

    Raises
    ------
    InvalidParameter
        There is no such encoder or format, or they do not fit each other.
    """
    try:
        encoder = av.Codec(codec, "w")
    except ValueError as error:
        raise InvalidParameter(f"codec: {codec!r} is no video encoder of this FFmpeg") from error
    if encoder.type != "video":
        raise InvalidParameter(f"codec: {codec!r} is no video encoder of this FFmpeg")
    known = [known.name for known in encoder.video_formats or []]
    try:
        wanted = av.VideoFormat(pixel_format, width, height)
    except ValueError as error:
        raise InvalidParameter(f"pixel_format: {pixel_format!r} is unknown") from error
    if known and pixel_format not in known:
        raise InvalidParameter(
            f"pixel_format: {codec} knows no {pixel_format!r}, only {', '.join(known)}"
        )
    # Chroma subsampled by 2 needs an even number of rows or columns.
    halved_rows = wanted.chroma_height(2) == 1
    halved_columns = wanted.chroma_width(2) == 1
    odd = (halved_rows and height % 2) or (halved_columns and width % 2)
    return "yuv444p" if odd and "yuv444p" in known else pixel_format


def stored_tags(codec: str, pixel_format: str, height: int, tags: ColourTags) -> ColourTags:
    """Return the tags that frames of `tags` get in a pixel format of an encoder."""
    stored = tags.stored_as(pixel_format, height)
    if stored.matrix == 0:
        return stored
    if codec in _FULL_RANGE_CODECS:
        return replace(stored, value_range=int(ColorRange.JPEG))
    full = stored.value_range == ColorRange.JPEG
    if full and codec in _STUDIO_RANGE_CODECS:
        return replace(stored, value_range=int(ColorRange.MPEG))
    return stored
