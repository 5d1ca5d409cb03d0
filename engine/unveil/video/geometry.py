"""How one picture covers or fits into another: shapes of frames, pixels and pictures.

A shape is a height, a width and a pixel aspect: the width of a pixel divided by its height, 1 for
pictures and most videos. All sizes are of upright pictures, after the display matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from unveil.arrays import U8

if TYPE_CHECKING:
    from unveil.video.container import VideoProperties

SQUARE: Final = Fraction(1)


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows, columns and pixel aspect of an upright picture."""

    height: int
    width: int
    pixel_aspect: Fraction = SQUARE

    def squared(self) -> tuple[int, int]:
        """Return rows and columns with square pixels, none fewer than now; even sides stay even."""
        if self.pixel_aspect >= 1:
            return self.height, _enlarged(self.width, self.pixel_aspect)
        return _enlarged(self.height, 1 / self.pixel_aspect), self.width


def _enlarged(side: int, factor: Fraction) -> int:
    unit = 1 if side % 2 else 2
    return unit * round(side * factor / unit)


def upright_aspect(pixel_aspect: Fraction | None, properties: VideoProperties) -> Fraction:
    """Return the aspect of the pixels of a decoded frame after its display matrix."""
    if not pixel_aspect:
        return SQUARE
    return 1 / pixel_aspect if properties.rotation_degrees % 180 else pixel_aspect


def covering_part(source: Shape, target: Shape) -> tuple[float, float]:
    """Return rows and columns of the largest part of `source` that shows `target`'s proportions.

    Scaled to `target`, this part fills it without distortion.
    """
    shape = target.width * target.pixel_aspect / (target.height * source.pixel_aspect)
    return (
        float(min(Fraction(source.height), source.width / shape)),
        float(min(Fraction(source.width), source.height * shape)),
    )


def fitting_part(source: Shape, target: Shape) -> tuple[int, int]:
    """Return rows and columns of the largest part of `target` with `source`'s proportions.

    `source` scaled to this part is shown whole and without distortion.
    """
    rows, columns = covering_part(target, source)
    return max(1, round(rows)), max(1, round(columns))


def cover(
    picture: U8,
    target: Shape,
    resampling: Image.Resampling,
    pixel_aspect: Fraction = SQUARE,
) -> U8:
    """Scale a picture (h, w, 3) uint8 to fill `target`, and show its middle: (H, W, 3) uint8."""
    height, width = picture.shape[:2]
    if (height, width, pixel_aspect) == (target.height, target.width, target.pixel_aspect):
        return np.ascontiguousarray(picture)
    rows, columns = covering_part(Shape(height, width, pixel_aspect), target)
    top, left = (height - rows) / 2, (width - columns) / 2
    image = Image.fromarray(np.ascontiguousarray(picture))
    box = (left, top, left + columns, top + rows)
    return np.array(image.resize((target.width, target.height), resampling, box=box))


def with_square_pixels(picture: U8, pixel_aspect: Fraction) -> U8:
    """Enlarge a picture (h, w, 3) uint8 in one direction, so that its pixels become square."""
    height, width = Shape(picture.shape[0], picture.shape[1], pixel_aspect).squared()
    if (height, width) == picture.shape[:2]:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


def as_decoded(picture: U8, properties: VideoProperties, pixel_aspect: Fraction | None) -> U8:
    """Transform a picture of square pixels as it is displayed to the geometry of decoded frames.

    It is squeezed as the frames are, so that equal scales in both directions place it on them.
    """
    height, width = picture.shape[:2]
    aspect = upright_aspect(pixel_aspect, properties)
    size = max(1, round(width / max(aspect, SQUARE))), max(1, round(height * min(aspect, SQUARE)))
    if size != (width, height):
        image = Image.fromarray(np.ascontiguousarray(picture))
        picture = np.array(image.resize(size, Image.Resampling.LANCZOS))
    return properties.undo_display_matrix(picture)
