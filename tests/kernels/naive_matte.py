"""Slow, obvious references of the kernels that lay a mask over planes: one pixel at a time.

Written from the docstrings, not from the kernels: fractions instead of shifts, and every pixel
interpolated, where the kernels copy runs.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from unveil_kernels.blur import PERSON_WEIGHT
from unveil_kernels.matte import ONE

Array = npt.NDArray[Any]


def placed(
    probability: Array, to_mask: Array, height: int, width: int, step: int, rise: int, before: Array
) -> Array:
    """Sample a mask at the centres of cells, and let the level rise slowly and fall at once."""
    after = before.copy()
    mask_height, mask_width = probability.shape
    for row, column in np.ndindex(*before.shape):
        x = min((column + 0.5) * step, width - 0.5)
        y = min((row + 0.5) * step, height - 0.5)
        u, v = (float(to_mask[k] @ (x, y, 1.0)) for k in range(2))
        level = 0
        if 0 <= u <= mask_width and 0 <= v <= mask_height:
            value = _bilinear(probability, v, u)
            level = int(min(max(value, 0.0), 1.0) * ONE + 0.5)
        old = int(before[row, column])
        if level > old:
            level = old + math.ceil((level - old) * rise / 256)
        after[row, column] = level
    return after


def joined(cells: Array, seeds: list[tuple[int, int]], clear: int) -> Array:
    """Clear what shows but cannot be reached from a seed, step by step."""
    shows = cells > clear
    reached = np.zeros_like(shows)
    for row, column in seeds:
        if 0 <= row < cells.shape[0] and 0 <= column < cells.shape[1]:
            reached[row, column] = shows[row, column]
    while True:
        wider = np.zeros_like(reached)
        for row, column in np.argwhere(reached):
            wider[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
        wider &= shows
        if (wider == reached).all():
            return np.where(shows & ~reached, 0, cells)
        reached = wider


def _bilinear(picture: Array, v: float, u: float) -> float:
    """Interpolate between the centres of pixels; beyond the outermost centres it is constant."""
    height, width = picture.shape
    u, v = min(max(u - 0.5, 0), width - 1), min(max(v - 0.5, 0), height - 1)
    total = 0.0
    for r in range(height):
        for c in range(width):
            weight = max(0.0, 1 - abs(v - r)) * max(0.0, 1 - abs(u - c))
            if weight:
                total += weight * float(picture[r, c])
    return total


def opacity(cells: Array, cut: Array, height: int, width: int, steps: tuple[int, int]) -> Array:
    """Interpolate cells of `steps` pixels at each pixel of a plane, and cut."""
    result = np.empty((height, width), np.uint8)
    for y, x in np.ndindex(height, width):
        v = Fraction(2 * y + 1, 2 * steps[0]) - Fraction(1, 2)
        u = Fraction(2 * x + 1, 2 * steps[1]) - Fraction(1, 2)
        rows, columns = (
            [
                (min(max(math.floor(p) + k, 0), n - 1), abs(1 - k - (p - math.floor(p))))
                for k in (0, 1)
            ]
            for p, n in ((v, cells.shape[0]), (u, cells.shape[1]))
        )
        level = sum(int(cells[r, c]) * a * b for r, a in rows for c, b in columns)
        result[y, x] = cut[math.floor(level + Fraction(1, 2))]
    return result


def blended(source: Array, backdrop: Array, alpha: Array) -> Array:
    """Mix two planes by an opacity of 0 to 255."""
    s, b, a = (plane.astype(np.int64) for plane in (source, backdrop, alpha))
    return ((s * a + b * (255 - a) + 127) // 255).astype(np.uint8)


def shrunk(
    planes: list[Array],
    factors: Array,
    cells: Array,
    step: int,
    block: int,
    clear: int,
    shape: tuple[int, int],
) -> Array:
    """Average blocks, and weigh those that show or touch the person by next to nothing."""
    result = np.empty((*shape, 4))
    for row, column in np.ndindex(*shape):
        near = cells[
            max(row * block // step - 1, 0) : math.ceil((row + 1) * block / step) + 1,
            max(column * block // step - 1, 0) : math.ceil((column + 1) * block / step) + 1,
        ]
        weight = PERSON_WEIGHT if (near > clear).any() else 1.0
        for p, plane in enumerate(planes):
            fy, fx = factors[p]
            part = plane[row * fy : (row + 1) * fy, column * fx : (column + 1) * fx]
            result[row, column, p] = part.mean() * weight
        result[row, column, 3] = weight
    return result


def boxed(values: Array, radius: int) -> Array:
    """Add up neighbours along rows, and transpose."""
    _, n_columns, _ = values.shape
    sums = [
        values[:, max(0, c - radius) : c + radius + 1].sum(axis=1, dtype=np.float64)
        for c in range(n_columns)
    ]
    return np.stack(sums)


def enlarged(weighted: Array, plane: int, height: int, width: int, factors: Array) -> Array:
    """Divide by the weights and interpolate to the plane's size, in floating point."""
    levels = weighted[..., plane].astype(np.float64) / weighted[..., 3]
    result = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        result[y, x] = _bilinear(
            levels, (y + 0.5) / factors[plane][0], (x + 0.5) / factors[plane][1]
        )
    return result
