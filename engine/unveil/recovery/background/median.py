"""The median filter that removes noise from single pixels."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import U8

RADIUS: Final = 2
"""The median is taken of so many pixels to each side, and of the pixel itself."""


def median_filtered(plane: U8) -> U8:
    """Return the median of five along each row, then of five of these along each column.

    Noise in less than about a quarter of the pixels vanishes; areas and their edges stay, and what
    is narrower than three pixels is lost.

    Parameters
    ----------
    plane
        (..., h, w) uint8. Beyond its edges the outermost pixels are repeated.

    Returns
    -------
    (..., h, w) uint8.

    Notes
    -----
    Minima and maxima of whole planes are vectorised: about 2 ms for the luma of a 720p frame.
    """
    return _median_along(_median_along(plane, -1), -2)


def _median_along(plane: U8, axis: int) -> U8:
    """Return the median of `2 * RADIUS + 1` pixels along an axis."""
    length = plane.shape[axis]
    padding = [(0, 0)] * plane.ndim
    padding[axis] = (RADIUS, RADIUS)
    padded = np.moveaxis(np.pad(plane, padding, mode="edge"), axis, 0)
    a, b, c, d, e = (padded[first : first + length] for first in range(2 * RADIUS + 1))
    # The second smallest and the second largest of four enclose their median.
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    smaller, larger = np.minimum(low, high), np.maximum(low, high)
    median: U8 = np.maximum(smaller, np.minimum(larger, e))
    return np.moveaxis(median, 0, axis)
