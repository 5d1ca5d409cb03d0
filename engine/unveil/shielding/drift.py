"""The shield `drift`: the picture moves and bends irregularly, by a few pixels.

A recovery that models a moving background looks for a pan or a loop; one that counts colours needs
a background that stands still. This motion is neither: each corner of a coarse grid wanders along
its own path, in addition to a path that all share.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from unveil.arrays import F64, U8
from unveil.shielding.waves import Wandering

SHARE: Final = 0.003
"""Largest shift of a point at strength 1, as a share of the frame's height."""

_COMMON: Final = 0.6
"""Part of the shift that all points share."""

_ROWS: Final = 4
"""Rows of cells of the grid."""


class Drift:
    """Bends a picture; its border is mirrored outwards, so that nothing beyond it shows.

    Parameters
    ----------
    picture
        RGB, (h, w, 3) uint8, of the size of the frame.
    """

    def __init__(
        self,
        picture: U8,
        *,
        strength: float,
        n_frames: int,
        seconds: float,
        rng: np.random.Generator,
    ) -> None:
        height, width, _ = picture.shape
        self._size = (height, width)
        self.reach = SHARE * strength * height
        # Bicubic sampling reads two pixels around a point.
        self._margin = int(np.ceil(self.reach)) + 2
        margins = [(self._margin, self._margin), (self._margin, self._margin), (0, 0)]
        self._picture = Image.fromarray(np.pad(picture, margins, mode="symmetric"))
        columns = max(1, round(_ROWS * width / height))
        self._rows = np.rint(np.linspace(0, height, _ROWS + 1)).astype(int)
        self._columns = np.rint(np.linspace(0, width, columns + 1)).astype(int)
        self._common = Wandering(rng, (2,), n_frames, seconds)
        self._own = Wandering(rng, (_ROWS + 1, columns + 1, 2), n_frames, seconds)

    def shifts(self, frame: int) -> F64:
        """Return the shifts of the grid's corners in pixels, (rows + 1, columns + 1, 2) as (x, y).

        None is longer than `reach` along either axis.
        """
        own = (1 - _COMMON) * self._own.at(frame)
        shifts: F64 = self.reach * (_COMMON * self._common.at(frame) + own)
        return shifts

    def picture(self, frame: int) -> U8:
        """Return the background of a frame, (height, width, 3) uint8."""
        height, width = self._size
        y, x = np.meshgrid(self._rows, self._columns, indexing="ij")
        corners = np.stack([x, y], axis=-1) + self.shifts(frame) + self._margin
        cells = []
        for row in range(len(self._rows) - 1):
            for column in range(len(self._columns) - 1):
                box = (
                    int(self._columns[column]),
                    int(self._rows[row]),
                    int(self._columns[column + 1]),
                    int(self._rows[row + 1]),
                )
                # Upper left, lower left, lower right, upper right.
                quad = (
                    *corners[row, column],
                    *corners[row + 1, column],
                    *corners[row + 1, column + 1],
                    *corners[row, column + 1],
                )
                cells.append((box, tuple(float(place) for place in quad)))
        bent = self._picture.transform(
            (width, height), Image.Transform.MESH, cells, Image.Resampling.BICUBIC
        )
        return np.array(bent)
