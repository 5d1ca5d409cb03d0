"""Sums over the blocks of a plane."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel


@kernel
def block_sums(plane, size, sums_out):
    """Sum the samples of each whole block.

    Parameters
    ----------
    plane : (h, w) uint8
    size : int
        Rows and columns of a block.
    sums_out : (h // size, w // size) int64
    """
    rows, columns = sums_out.shape
    # Down the columns first, in 32 bits: a loop along a row is vectorised.
    of_columns = np.empty(columns * size, np.uint32)
    for row in range(rows):
        of_columns[:] = 0
        for y in range(row * size, (row + 1) * size):
            for x in range(len(of_columns)):
                of_columns[x] = np.uint32(of_columns[x] + np.uint32(plane[y, x]))
        for column in range(columns):
            total = 0
            for x in range(column * size, (column + 1) * size):
                total += np.int64(of_columns[x])
            sums_out[row, column] = total


@kernel
def add_blocks(plane, weights, size, shift_y, shift_x, sums_inout):
    """Add the samples of a plane to sums, each as often as its block's weight says.

    Parameters
    ----------
    plane : (h, w) uint8
    weights : (rows, columns) uint32
        0 for blocks whose samples are not added. Nor are samples beyond these blocks.
    size : int
        Rows and columns of a block, in luma samples.
    shift_y, shift_x : int
        Binary logarithm of the luma rows and columns to one of the plane's.
    sums_inout : (h, w) uint32
    """
    height, width = plane.shape
    rows, columns = weights.shape
    for y in range(height):
        row = (y << shift_y) // size
        if row >= rows:
            break
        first = 0
        for column in range(columns):
            # The first sample whose luma column is in the next block.
            end = min(width, (((column + 1) * size - 1) >> shift_x) + 1)
            weight = weights[row, column]
            if weight:
                for x in range(first, end):
                    sums_inout[y, x] += weight * np.uint32(plane[y, x])
            first = end
