"""Counts over square neighbourhoods, cropped to the picture, and soft edges."""

from __future__ import annotations

import numpy as np

from unveil.arrays import U8, Array, Bool
from unveil.dilation import dilated


def box_sum(marked: Bool, reach: int) -> Array:
    """Count the marked pixels in the square of `2 * reach + 1` pixels around each: (h, w) uint.

    The type is the smallest that holds the largest count: narrow numbers are summed fastest.
    """
    kind = np.min_scalar_type((2 * reach + 1) ** 2)
    rows = marked.astype(kind)
    for shift in range(1, min(reach, marked.shape[0] - 1) + 1):
        rows[shift:] += marked[:-shift]
        rows[:-shift] += marked[shift:]
    sums = rows.copy()
    for shift in range(1, min(reach, marked.shape[1] - 1) + 1):
        sums[:, shift:] += rows[:, :-shift]
        sums[:, :-shift] += rows[:, shift:]
    return sums


def bounds(marked: Bool, margin: int) -> tuple[slice, slice] | None:
    """Return the rows and columns of the marked pixels with a margin; None if there are none."""
    found = []
    for axis in (1, 0):
        (lines,) = np.nonzero(marked.any(axis))
        if not len(lines):
            return None
        found.append(slice(max(0, int(lines[0]) - margin), int(lines[-1]) + 1 + margin))
    return found[0], found[1]


def soft_opacity(marked: Bool, reach: int) -> U8:
    """Return an opacity (h, w) uint8 that is full on marked pixels (h, w).

    It falls to 0 over a soft edge that ends `reach` pixels beside them, 2 or more.
    """
    opacity = np.zeros(marked.shape, np.uint8)
    softness = reach // 2
    inside = bounds(marked, reach + 1)
    if inside is None:
        return opacity
    # Dilated by at least the softness, so that the mean is full on the marked pixels.
    wide = dilated(marked[inside], reach - softness, reach - softness)
    # At the edge of the picture there are fewer pixels around.
    n_pixels = box_sum(np.ones_like(wide), softness)
    counts = box_sum(wide, softness)
    opacity[inside] = counts * np.uint16(255) // n_pixels
    return opacity
