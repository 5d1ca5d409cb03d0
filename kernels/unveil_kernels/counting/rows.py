"""Steps over whole rows: widening chroma, comparing colours, listing flagged samples.

Arithmetic on 8-bit values is cast back to 8 bits at every step: otherwise it widens to
64 bits and these loops become nine times slower. A loop reads and writes few arrays: a loop
with more than eight pairs of arrays that might overlap would not be vectorised at all.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

LISTED_ROWS = 4
"""Length of the list of samples to deposit, in rows: it holds all samples of so many rows."""

ALL_BITS = np.uint8(255)


@kernel
def widen_rows(chroma, row, shift_x, rows_out):
    """Repeat each sample of a chroma row, in every frame, so that it lies below its luma.

    Parameters
    ----------
    chroma : (n, ch, cw) uint8
    row : int
        Row of the chroma plane.
    shift_x : int
    rows_out : (n, cw << shift_x) uint8
    """
    for i in range(len(chroma)):
        samples, wide = chroma[i, row], rows_out[i]
        if shift_x == 0:
            for x in range(len(samples)):
                wide[x] = samples[x]
        elif shift_x == 1:
            for x in range(len(samples)):
                wide[2 * x] = samples[x]
                wide[2 * x + 1] = samples[x]
        else:
            for x in range(len(wide)):
                wide[x] = samples[x >> shift_x]


@kernel
def widen_blocks(blocks, row, block_size, inside_out):
    """Repeat each block's flag, in every frame, for the pixels of a row.

    Parameters
    ----------
    blocks : (n, rows, columns) uint8
    row : int
        Row of blocks.
    block_size : int
    inside_out : (n, w) uint8
        1 where the block is not 0.
    """
    for i in range(len(blocks)):
        flags, wide = blocks[i, row], inside_out[i]
        for column in range(len(flags)):
            for x in range(column * block_size, min(len(wide), (column + 1) * block_size)):
                wide[x] = np.uint8(flags[column] != 0)


@inlined
def _difference(a, b, mask):
    """Absolute difference of two levels, in 8 bits."""
    a = np.uint8(a & mask)
    b = np.uint8(b & mask)
    return np.uint8(np.uint8(max(a, b)) - np.uint8(min(a, b)))


@inlined
def _distance(a0, a1, a2, b0, b1, b2, mask):
    """Greatest difference of a channel, in 8 bits."""
    distance = np.uint8(max(_difference(a0, b0, mask), _difference(a1, b1, mask)))
    return np.uint8(max(distance, _difference(a2, b2, mask)))


@kernel
def differing_row(a0, a1, a2, b0, b1, b2, mask, tolerance, differs_out):
    """Flag where two rows of colours differ by more than a tolerance.

    Parameters
    ----------
    a0, a1, a2 : (>= w,) uint8
    b0, b1, b2 : (w,), (>= w,), (>= w,) uint8
    mask, tolerance : uint8
    differs_out : (>= w,) uint8
        0 or 1.
    """
    for x in range(len(b0)):
        distance = _distance(a0[x], a1[x], a2[x], b0[x], b1[x], b2[x], mask)
        differs_out[x] = np.uint8(distance > tolerance)


@kernel
def distance_row(a0, a1, a2, b0, b1, b2, mask, distance_out):
    """Write the greatest differences of a channel of two rows of colours.

    Parameters
    ----------
    a0, a1, a2 : (>= w,) uint8
    b0, b1, b2 : (w,), (>= w,), (>= w,) uint8
    mask : uint8
    distance_out : (>= w,) uint8
    """
    for x in range(len(b0)):
        distance_out[x] = _distance(a0[x], a1[x], a2[x], b0[x], b1[x], b2[x], mask)


@kernel
def difference_row(a, b, mask, distance_out):
    """Write the differences of two rows of a channel, (>= w,) and (w,) uint8."""
    for x in range(len(b)):
        distance_out[x] = _difference(a[x], b[x], mask)


@kernel
def greater_difference_row(a, b, mask, distance_inout):
    """Raise differences to those of one more channel, (>= w,) and (w,) uint8."""
    for x in range(len(b)):
        distance_inout[x] = np.uint8(max(distance_inout[x], _difference(a[x], b[x], mask)))


@kernel
def list_set(flags, words, i, listed_x_inout, listed_tag_inout, n_listed):
    """Append the places of flags that are 1 or 3, each with a tag; return the list's new length.

    Parameters
    ----------
    flags : (64 * k,) uint8
    words : (8 * k,) uint64
        The same memory, so that eight flags are read at once.
    i : int
        The tag is `2 * i`, plus 1 for a flag of 3.
    listed_x_inout, listed_tag_inout : (m,) int32
        Must have room for all flags and one more.
    n_listed : int
    """
    for block in range(0, len(words), 8):
        if (
            words[block]
            | words[block + 1]
            | words[block + 2]
            | words[block + 3]
            | words[block + 4]
            | words[block + 5]
            | words[block + 6]
            | words[block + 7]
        ) == 0:
            continue
        for word in range(block, block + 8):
            if words[word] != 0:
                for x in range(8 * word, 8 * word + 8):
                    listed_x_inout[n_listed] = x
                    listed_tag_inout[n_listed] = 2 * i + np.int64(flags[x] >> 1)
                    n_listed += np.int64(flags[x] & 1)
    return n_listed
