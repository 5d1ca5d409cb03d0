"""Camera frames that carry their number, as a row of squares where the person's chest is."""

from __future__ import annotations

from unveil.video.chunk import Planes

N_BITS = 8
BLACK, WHITE = 16, 235


def coded(planes: Planes, number: int) -> Planes:
    """Draw the number, 0 to 255, into planes (h, w), (h/2, w/2), (h/2, w/2), in place."""
    luma, cb, cr = planes
    height, width = luma.shape
    side = height // 30
    top, left = height - 2 * side, (width - N_BITS * side) // 2
    for bit in range(N_BITS):
        column = left + bit * side
        value = WHITE if number >> (N_BITS - 1 - bit) & 1 else BLACK
        luma[top : top + side, column : column + side] = value
    rows, columns = (
        slice(top // 2, (top + side) // 2),
        slice(left // 2, (left + N_BITS * side) // 2),
    )
    for plane in (cb, cr):
        plane[rows, columns] = 128
    return planes
