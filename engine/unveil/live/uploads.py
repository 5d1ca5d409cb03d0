"""Decodes a picture that the page sent: from its bytes alone, within limits of size and format."""

from __future__ import annotations

import io
import threading
import warnings
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from unveil.arrays import U8
from unveil.errors import UnreadableImage
from unveil.files import HEAD_BYTES, is_hdr, to_srgb

MAX_UPLOAD_BYTES: Final = 10_000_000
MAX_PIXELS: Final = 50_000_000
"""Pixels of an uploaded picture: more than phones take, and 200 MB when it is decoded."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP")
"""Pillow's decoders that may run: none that starts another program, as the one of EPS does."""

COVERED_SIZE: Final = (1920, 1080)
"""Columns and rows of the largest frame: a picture that covers it has all detail that is shown."""

_SCALABLE: Final = ("RGB", "RGBA", "L", "LA", "CMYK")

_decoding = threading.Lock()


def decode_upload(data: bytes) -> U8:
    """Decode a picture as RGB (h, w, 3) uint8, scaled down as far as it still covers a frame.

    An EXIF orientation is applied, colours of an ICC profile are converted to sRGB, and transparent
    parts become white. Of an animation the first picture is taken.

    Raises
    ------
    UnreadableImage
        It is none of `FORMATS`, is damaged, has too many pixels or more than 8 bits a channel.
    """
    try:
        # One at a time: it bounds the memory, and the filter of warnings is the process's.
        with _decoding, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _decoded(image, data)
    except UnreadableImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    # Decoders raise many kinds of errors on damaged files.
    except Exception as error:
        raise UnreadableImage(
            "background: is not a picture that can be read; take a JPEG, PNG or WebP file"
        ) from error


def _decoded(image: Image.Image, data: bytes) -> U8:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large()
    if image.mode[0] in "IF" or is_hdr(data[:HEAD_BYTES]):
        raise UnreadableImage(
            "background: has more than 8 bits a channel or is HDR; convert it to 8 bits in sRGB"
        )
    image.draft("RGB", COVERED_SIZE)  # JPEG: decodes fewer pixels
    oriented = ImageOps.exif_transpose(image)
    if oriented.mode in _SCALABLE:  # before further copies are made
        oriented = _scaled_down(oriented)
    if oriented.has_transparency_data:
        rgba = to_srgb(oriented, "RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        picture = Image.alpha_composite(white, rgba).convert("RGB")
    else:
        picture = to_srgb(oriented, "RGB")
    return np.array(_scaled_down(picture))


def reduced(picture: U8) -> U8:
    """Scale a picture (h, w, 3) uint8 down to the smallest size that covers the largest frame."""
    return np.array(_scaled_down(Image.fromarray(picture)))


def _scaled_down(image: Image.Image) -> Image.Image:
    scale = max(COVERED_SIZE[0] / image.width, COVERED_SIZE[1] / image.height)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _too_large() -> UnreadableImage:
    return UnreadableImage(
        f"background: has more than {MAX_PIXELS // 1_000_000} million pixels; scale it down"
    )
