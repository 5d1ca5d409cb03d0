"""Blurring a picture's background, without the person, on downscaled planes.

`shrink` averages blocks, repeated passes of `box_rows` blur them, and `widen` interpolates rows to
a plane's full width; `matte.blend` interpolates between those rows.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.matte import log2

PERSON_WEIGHT = 2.0**-10
"""Weight of the person's blocks in a blur: they matter only where no background is in reach."""


@kernel
def shrink(
    sources, sizes, factors, opacity, step, block, alpha_zero_max, weighted_out, first_row, last_row
):
    """Average blocks of a picture, and weight them by whether they show only background.

    Parameters
    ----------
    sources : tuple of three (>= height, >= width) uint8
    sizes, factors : (3, 2) int64
        Height and width of each plane's picture; rows and columns of it that a block covers.
    opacity : (rows, columns) uint16
        As `matte.place_mask` writes it.
    step, block : int
        Sides of a cell of the opacity and of a block in pixels of luma, powers of two.
    alpha_zero_max : int
        The highest opacity at which nothing of the person shows.
    weighted_out : (rows, columns, 4) float32
        The means of the three planes, each multiplied with the weight, and the weight: 1, or
        `PERSON_WEIGHT` where the person shows in the block or right beside it.
    """
    n_columns = weighted_out.shape[1]
    sums = np.empty(max(sizes[0, 1], sizes[1, 1]), np.uint32)
    for row in range(first_row, last_row):
        cell_top = max(row * block // step - 1, 0)
        cell_bottom = min(((row + 1) * block + step - 1) // step + 1, opacity.shape[0])
        for column in range(n_columns):
            cell_left = max(column * block // step - 1, 0)
            cell_right = min(((column + 1) * block + step - 1) // step + 1, opacity.shape[1])
            weight = np.float32(1.0)
            for r in range(cell_top, cell_bottom):
                for c in range(cell_left, cell_right):
                    if opacity[r, c] > alpha_zero_max:
                        weight = np.float32(PERSON_WEIGHT)
            weighted_out[row, column, 3] = weight
        for p in range(3):
            source = sources[p]
            width = sizes[p, 1]
            top = row * factors[p, 0]
            bottom = min(top + factors[p, 0], sizes[p, 0])
            line = source[top]
            for x in range(np.uintp(width)):
                sums[x] = np.uint32(line[x])
            for y in range(top + 1, bottom):
                line = source[y]
                for x in range(np.uintp(width)):
                    sums[x] += np.uint32(line[x])
            n_sums = width
            while n_sums > n_columns:  # add neighbours until each sum is a block's
                for i in range(np.uintp(n_sums // 2)):
                    sums[i] = sums[np.uintp(2) * i] + sums[np.uintp(2) * i + np.uintp(1)]
                if n_sums % 2:
                    sums[n_sums // 2] = sums[n_sums - 1]
                n_sums = (n_sums + 1) // 2
            for column in range(n_columns):
                n_samples = (bottom - top) * min(factors[p, 1], width - column * factors[p, 1])
                mean = np.float32(sums[column] / n_samples)
                weighted_out[row, column, p] = mean * weighted_out[row, column, 3]


@kernel
def box_rows(values, radius, transposed_out, first_row, last_row):
    """Sum 2 * radius + 1 neighbours along each row; values outside the array count as 0.

    Parameters
    ----------
    values : (n, m, 4) float32
    radius : int
    transposed_out : (m, n, 4) float32
        Transposed, so that the next pass runs along the other axis.
    """
    n_columns = values.shape[1]
    for row in range(first_row, last_row):
        a = np.float32(0.0)
        b = np.float32(0.0)
        c = np.float32(0.0)
        d = np.float32(0.0)
        for ahead in range(min(radius, n_columns)):
            a += values[row, ahead, 0]
            b += values[row, ahead, 1]
            c += values[row, ahead, 2]
            d += values[row, ahead, 3]
        for column in range(n_columns):
            entering = column + radius
            if entering < n_columns:
                a += values[row, entering, 0]
                b += values[row, entering, 1]
                c += values[row, entering, 2]
                d += values[row, entering, 3]
            transposed_out[column, row, 0] = a
            transposed_out[column, row, 1] = b
            transposed_out[column, row, 2] = c
            transposed_out[column, row, 3] = d
            leaving = column - radius
            if leaving >= 0:
                a -= values[row, leaving, 0]
                b -= values[row, leaving, 1]
                c -= values[row, leaving, 2]
                d -= values[row, leaving, 3]


@kernel
def widen(weighted, widths, factors, wides_out, first_row, last_row):
    """Divide by the weights and interpolate each row to the width of its plane.

    Parameters
    ----------
    weighted : (rows, columns, 4) float32
        Sums of weighted means, and of weights above 0.
    widths, factors : (3,) int64
        Width of each plane's picture; columns of it that a column stands for, powers of two.
    wides_out : tuple of three (rows, width) uint8
    """
    n_columns = weighted.shape[1]
    levels = np.empty(n_columns, np.int32)
    for row in range(first_row, last_row):
        for p in range(3):
            for column in range(n_columns):
                level = weighted[row, column, p] / weighted[row, column, 3]
                # In 256ths; a running sum may have left the range by a rounding error.
                levels[column] = int(min(max(level, 0.0), 255.0) * 256.0 + 0.5)
            wide = wides_out[p][row]
            step = factors[p]
            shift = log2(2 * step) + 8
            half = np.int32((1 << shift) >> 1)
            for i in range(n_columns + 1):
                west = levels[max(i - 1, 0)]
                east = levels[min(i, n_columns - 1)]
                start = (i - 1) * step + step // 2
                first = max(start, 0)
                mixed = west * (2 * step) + (east - west) * (2 * (first - start) + 1 - (step & 1))
                for x in range(np.uintp(first), np.uintp(max(min(start + step, widths[p]), first))):
                    wide[x] = np.uint8((mixed + half) >> shift)
                    mixed += 2 * (east - west)
