"""The square region around a person that a pose model sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F64

MARGIN: Final = 1.25
"""Size of the square relative to the circle around the person, as in BlazePose's training."""

SMALLEST_SIDE: Final = 4.0
"""In pixels of the frame: a smaller square shows nobody."""


@dataclass(frozen=True, slots=True)
class Region:
    """A square in continuous pixel coordinates of a frame; it may extend beyond the frame.

    (`up_x`, `up_y`) is the unit vector from the centre to the middle of the upper side.
    """

    centre_x: float
    centre_y: float
    side: float
    up_x: float
    up_y: float

    @classmethod
    def around(cls, centre: F64, top: F64) -> Region | None:
        """Return the square around a person from two points (x, y).

        BlazePose's detector and its landmarks both include these points: the middle of the hips,
        and the point above the head on the circle around the whole person. None if a point is not
        finite or if the square is smaller than `SMALLEST_SIDE`.
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
        """Return the affine map (2, 3) from an input of `n_pixels` a side to the frame."""
        scale = self.side / n_pixels
        # Columns: one pixel to the right, one pixel down, the corner of the input.
        right = np.array([-self.up_y, self.up_x]) * scale
        down = np.array([-self.up_x, -self.up_y]) * scale
        centre = np.array([self.centre_x, self.centre_y])
        return np.column_stack([right, down, centre - (right + down) * (n_pixels / 2)])


def inverse(affine: F64) -> F64:
    """Invert an affine map (2, 3)."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def composed(second: F64, first: F64) -> F64:
    """Return the affine map (2, 3) that applies `first` and then `second`."""
    linear = second[:, :2]
    return np.column_stack([linear @ first[:, :2], linear @ first[:, 2] + second[:, 2]])


def moved(affine: F64, points: F64) -> F64:
    """Apply an affine map (2, 3) to points (n, 2)."""
    return points @ affine[:, :2].T + affine[:, 2]
