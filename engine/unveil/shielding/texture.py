"""The shield `texture`: colours drift slowly and locally, by a few levels.

A recovery compares colours with a tolerance, because cameras and codecs make noise. A drift that
leaves this tolerance takes from every pixel the one colour that it had; it is smooth in space and
time, where the eye is least sensitive.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PIL import Image

from unveil.arrays import F32, F64, U8
from unveil.shielding.waves import harmonics

LUMA_LEVELS, CHROMA_LEVELS = 7.0, 9.0
"""Largest change of luma, and of each of the two chroma components, at strength 1."""

_RGB_OF_YCBCR: Final = np.array([[1.0, 0.0, 1.402], [1.0, -0.344, -0.714], [1.0, 1.772, 0.0]])
"""Change of red, green and blue per level of luma, blue and red chroma (BT.601)."""

_WAVES: Final = 6
_CYCLES: Final = 3.0
"""Largest number of waves of one sine along the frame's height."""

_BEND: Final = 1.6
"""Amplitude of the phase in radians per wave: the field is the sine of a sum of waves. A sum of
waves alone is near 0 in most places."""

_CELL_ROWS: Final = 45
"""Rows of the coarse grid on which the field is computed; it has no finer detail."""


class Texture:
    """Adds a field to each of luma and the two chroma components of frames."""

    def __init__(
        self,
        height: int,
        width: int,
        *,
        strength: float,
        n_frames: int,
        seconds: float,
        rng: np.random.Generator,
    ) -> None:
        self._size = (height, width)
        self._n_frames = n_frames
        levels = np.array([LUMA_LEVELS, CHROMA_LEVELS, CHROMA_LEVELS])
        self._to_rgb = _RGB_OF_YCBCR * levels * strength
        rows = min(height, _CELL_ROWS)
        columns = max(1, round(rows * width / height))
        y = (np.arange(rows) + 0.5) / rows
        x = (np.arange(columns) + 0.5) / columns * width / height
        angle = rng.uniform(0, 2 * math.pi, (3, _WAVES, 1, 1))
        waves = rng.uniform(0.5, _CYCLES, (3, _WAVES, 1, 1))
        place = np.cos(angle) * x[None, :] + np.sin(angle) * y[:, None]
        phase = rng.uniform(0, 2 * math.pi, (3, _WAVES, 1, 1))
        self._place: F64 = 2 * math.pi * waves * place + phase
        self._cycles = harmonics(rng, (3, _WAVES), seconds)[..., None, None]

    @property
    def reach(self) -> F64:
        """Largest change of red, green and blue in levels."""
        reach: F64 = np.abs(self._to_rgb).sum(axis=1)
        return reach

    def field(self, frame: int) -> F64:
        """Return the change of each channel on the coarse grid, (3, rows, columns), in levels."""
        part = frame % self._n_frames / self._n_frames
        waves = np.sin(self._place + 2 * math.pi * part * self._cycles)
        components = np.sin(_BEND * waves.sum(axis=1))
        field: F64 = np.einsum("cd,dyx->cyx", self._to_rgb, components)
        return field

    def applied(self, picture: U8, frame: int) -> U8:
        """Return a frame's background with changed colours, (height, width, 3) uint8."""
        height, width = self._size
        changed = np.empty((height, width, 3), np.uint8)
        for channel, coarse in enumerate(self.field(frame).astype(np.float32)):
            smooth: F32 = np.asarray(
                Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)
            )
            changed[..., channel] = np.clip(np.rint(picture[..., channel] + smooth), 0, 255)
        return changed
