"""Sums over the square around each pixel."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import Array

BOX_SUM_PARTS: Final = 16
"""Parts of the picture that are summed one after another."""


def box_sum(values: Array, radius: int) -> Array:
    """Sum the square of `2 * radius + 1` pixels around each value, cropped to the picture."""
    values = values.copy()
    for axis in (0, 1):
        length = values.shape[axis]
        places = np.arange(length)
        first, end = np.maximum(places - radius, 0), np.minimum(places + radius + 1, length)
        # In parts, across the axis: sums of the whole picture would double the memory.
        for part in np.array_split(values, BOX_SUM_PARTS, 1 - axis):
            sums = np.insert(np.cumsum(part, axis), 0, 0, axis)
            part[...] = sums.take(end, axis) - sums.take(first, axis)
    return values
