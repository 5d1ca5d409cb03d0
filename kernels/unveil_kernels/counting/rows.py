"""Steps over whole rows: widening chroma, comparing colours, listing flagged samples.

Arithmetic on 8-bit values is cast back to 8 bits at every step: otherwise it widens to
64 bits and these loops become nine times slower. A loop reads and writes few arrays: with
more than eight pairs of them that might overlap it would not be vectorised at all.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

LISTED_ROWS = 4
"""Samples of a row that are listed before they are deposited: so many rows full."""

ALL_BITS = np.uint8(255)


@kernel
def widen_rows(chroma, row, shift_x, rows_out):
    """Repeat each sample of a chroma row, in every frame, so that it lies below its luma."""
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
    """Tell, as 1 or 0, where two rows of colours are not alike; the row `b0` is the length."""
    for x in range(len(b0)):
        distance = _distance(a0[x], a1[x], a2[x], b0[x], b1[x], b2[x], mask)
        differs_out[x] = np.uint8(distance > tolerance)


@kernel
def difference_row(a, b, mask, distance_out):
    """Take the differences of two rows of a channel; the row `b` is the length."""
    for x in range(len(b)):
        distance_out[x] = _difference(a[x], b[x], mask)


@kernel
def greater_difference_row(a, b, mask, distance_inout):
    """Keep the greater of a row of differences and those of one more channel."""
    for x in range(len(b)):
        distance_inout[x] = np.uint8(max(distance_inout[x], _difference(a[x], b[x], mask)))


@kernel
def list_set(flags, words, i, listed_x, listed_tag, n_listed):
    """Append the places of flags that are 1 or 3, and for each `2 * i`, plus 1 for a 3.

    There are flags for whole blocks of 64; they are read eight at a time as `words`. Returns
    the new length of the list, which must have room for one more than all flags.
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
                    listed_x[n_listed] = x
                    listed_tag[n_listed] = 2 * i + np.int64(flags[x] >> 1)
                    n_listed += np.int64(flags[x] & 1)
    return n_listed
