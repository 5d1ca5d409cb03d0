"""Parts of the pictures that explain a result: a typeface, and a ground for transparency."""

from __future__ import annotations

import numpy as np
from PIL import ImageFont

from unveil.arrays import U8


def checkerboard(height: int, width: int, side: int = 8) -> U8:
    """Draw the grey squares that stand for "nothing here" behind transparent pixels."""
    y, x = np.ogrid[0:height, 0:width]
    grey = np.where((y // side + x // side) % 2, 204, 250).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def over(rgba: U8, backdrop: U8) -> U8:
    """Lay an (h, w, 4) picture over an (h, w, 3) one."""
    alpha = rgba[..., 3:].astype(np.float64) / 255
    blend = alpha * rgba[..., :3] + (1 - alpha) * backdrop
    return np.round(blend).astype(np.uint8)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface, so that a picture depends on no font of the system."""
    return ImageFont.load_default(max(1, size))
