"""The square around a person that a pose model looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F64

MARGIN: Final = 1.25
"""How much larger than the person's circle the square is, as BlazePose was trained."""

SMALLEST_SIDE: Final = 4.0
"""In pixels of the frame: what is smaller shows nobody."""


@dataclass(frozen=True, slots=True)
class Region:
    """A square anywhere in or around a frame, in continuous coordinates of its pixels.

    `up_x` and `up_y` make the unit vector from the square's centre to the middle of its upper
    side.
    """

    centre_x: float
    centre_y: float
    side: float
    up_x: float
    up_y: float

    @classmethod
    def around(cls, centre: F64, top: F64) -> Region | None:
        """Take the square around a person of whom two points (x, y) are known.

        Both BlazePose's detector and its landmarks give the middle of the hips and a point of
        the circle that holds the whole person, above the head where the person stands upright.
        None where the points are no numbers or the person has no size.
        """
        up = top - centre
        radius = math.hypot(*up)
        side = 2.0 * radius * MARGIN
        if not (math.isfinite(side) and np.isfinite(centre).all() and side >= SMALLEST_SIDE):
            return None
        return cls(
            float(centre[0]),
            float(centre[1]),
            side,
            float(up[0] / radius),
            float(up[1] / radius),
        )

    def to_frame(self, n_pixels: int) -> F64:
        """Map (x, y) in a picture of `n_pixels` a side to the frame: (2, 3)."""
        scale = self.side / n_pixels
        # Columns: one pixel to the right, one pixel down, the picture's corner.
        right = np.array([-self.up_y, self.up_x]) * scale
        down = np.array([-self.up_x, -self.up_y]) * scale
        centre = np.array([self.centre_x, self.centre_y])
        return np.column_stack([right, down, centre - (right + down) * (n_pixels / 2)])


def inverse(affine: F64) -> F64:
    """Map back: (2, 3) for (2, 3)."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def moved(affine: F64, points: F64) -> F64:
    """Map points (n, 2)."""
    return points @ affine[:, :2].T + affine[:, 2]
