"""Pictures through affine maps, pixel by pixel and written from the kernels' docstrings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from unveil.video.chunk import Colour
from unveil.video.colour import to_rgb

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


def between(picture: npt.NDArray[np.generic], x: float, y: float) -> float:
    """Value at continuous (x, y), linear between centres, the border continued for ever."""
    n_rows, n_columns = picture.shape
    x = min(max(x - 0.5, 0.0), n_columns - 1.0)
    y = min(max(y - 0.5, 0.0), n_rows - 1.0)
    row, column = math.floor(y), math.floor(x)
    below, right = y - row, x - column
    value = 0.0
    for r, row_weight in ((row, 1 - below), (row + 1, below)):
        for c, column_weight in ((column, 1 - right), (column + 1, right)):
            if row_weight * column_weight > 0:
                value += row_weight * column_weight * float(picture[r, c])
    return value


def moved(affine: F64, x: float, y: float) -> tuple[float, float]:
    """Map one point."""
    return (
        float(affine[0, 0] * x + affine[0, 1] * y + affine[0, 2]),
        float(affine[1, 0] * x + affine[1, 1] * y + affine[1, 2]),
    )


def warp_planes(
    planes: Sequence[U8],
    shifts: tuple[int, int],
    to_frame: F64,
    luma_grid: npt.NDArray[np.int64],
    chroma_grid: npt.NDArray[np.int64],
    colour: Colour,
    size: tuple[int, int],
) -> F64:
    """RGB of 0 to 1: (*size, 3)."""
    luma, cb, cr = planes
    height, width = luma.shape
    seen = np.zeros((*size, 3))
    for i in range(size[0]):
        for j in range(size[1]):
            x, y = moved(to_frame, j + 0.5, i + 0.5)
            inside = [
                between(luma, x + step_x, y + step_y)
                for step_y, step_x in luma_grid
                if 0 <= x + step_x < width and 0 <= y + step_y < height
            ]
            if not inside:
                continue
            chroma_x, chroma_y = x / 2 ** shifts[1], y / 2 ** shifts[0]
            levels = [np.mean(inside)] + [
                np.mean([between(plane, chroma_x + dx, chroma_y + dy) for dy, dx in chroma_grid])
                for plane in (cb, cr)
            ]
            share = len(inside) / len(luma_grid)
            seen[i, j] = share * to_rgb(np.array(levels), colour) / 255
    return seen


def warp_mask(mask: npt.NDArray[np.float32], to_mask: F64, size: tuple[int, int]) -> F64:
    """Draw a mask: (*size)."""
    n_rows, n_columns = mask.shape
    picture = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            x, y = moved(to_mask, j + 0.5, i + 0.5)
            if 0 <= x < n_columns and 0 <= y < n_rows:
                picture[i, j] = between(mask, x, y)
    return picture
