"""Drawing for explanatory pictures: a font, a checkerboard, alpha compositing."""

from __future__ import annotations

import numpy as np
from PIL import ImageFont

from unveil.arrays import U8


def checkerboard(height: int, width: int, side: int = 8) -> U8:
    """Draw the grey checkerboard that marks transparent pixels: (h, w, 3) uint8 RGB."""
    y, x = np.ogrid[0:height, 0:width]
    grey = np.where((y // side + x // side) % 2, 204, 250).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def over(rgba: U8, backdrop: U8) -> U8:
    """Composite an (h, w, 4) RGBA picture over an (h, w, 3) backdrop."""
    alpha = rgba[..., 3:].astype(np.float64) / 255
    blend = alpha * rgba[..., :3] + (1 - alpha) * backdrop
    return np.round(blend).astype(np.uint8)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that Pillow ships: pictures then do not depend on the system's fonts."""
    return ImageFont.load_default(max(1, size))
