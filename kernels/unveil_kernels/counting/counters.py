"""Counters of 16 bits for recordings of any length.

A code up to `LAST_EXACT` is the count itself. A larger code is a number with a binary exponent:
of its 15 lower bits the upper 4 are the exponent e and the others the mantissa m, and it stands for
`(2048 + m) * 2**(4 + e)`. So codes are ordered as the counts, and no count of a day is too large.

What is added to a large count is mostly smaller than one step of it. It is then rounded up as
often as is right on average (Morris, "Counting large numbers of events in small registers",
CACM 21(10), 1978). A hash of the frame's number decides, in the place of chance, so that results
depend neither on threads nor on chunks. The standard deviation of a count is at most 1.3 %.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

LAST_EXACT = 32767

MAX_CODE = 65535

MANTISSA_BITS = 11
MIN_SHIFT = 4
"""Exponent of the smallest large count, 2048 * 2**4 = 32,768."""

BITS_31 = 2147483647


@inlined
def count_of(code):
    """Return the count that a code stands for, int64."""
    count = np.int64(code)
    if count > LAST_EXACT:
        low = count & ((1 << MANTISSA_BITS) - 1)
        shift = ((count >> MANTISSA_BITS) & 15) + MIN_SHIFT
        count = (low + (1 << MANTISSA_BITS)) << shift
    return count


@inlined
def added(code, amount, frame):
    """Return the code of a count to which an amount was added in a frame; all int64."""
    total = np.int64(code) + amount
    if total > LAST_EXACT:
        total = _added_rounded(code, amount, frame)
    return total


@inlined
def _hash(number):
    """Return 31 bits in which any two numbers differ as if by chance: shifts and products."""
    bits = (np.int64(number) + 1) & BITS_31
    bits = ((bits ^ (bits >> 15)) * 740047981) & BITS_31
    bits = ((bits ^ (bits >> 12)) * 695872825) & BITS_31
    return bits ^ (bits >> 15)


@kernel
def _added_rounded(code, amount, frame):
    """Do what `added` does where the sum is large."""
    total = count_of(code) + amount
    shift = MIN_SHIFT
    while (total >> shift) >= 2 << MANTISSA_BITS:
        shift += 1
    mantissa = total >> shift
    rest = total - (mantissa << shift)
    if rest > _hash(frame) >> (31 - shift):
        mantissa += 1
    # A mantissa that has become too large goes over into the exponent.
    large = ((shift - MIN_SHIFT) << MANTISSA_BITS) + mantissa - (1 << MANTISSA_BITS)
    return min(LAST_EXACT + 1 + large, MAX_CODE)


def decode(codes):
    """Return the counts that an array of codes, uint16, stands for, int64."""
    counts = codes.astype(np.int64)
    if counts.size and counts.max() > LAST_EXACT:
        shift = ((counts >> MANTISSA_BITS) & 15) + MIN_SHIFT
        low = counts & ((1 << MANTISSA_BITS) - 1)
        counts = np.where(counts > LAST_EXACT, (low + (1 << MANTISSA_BITS)) << shift, counts)
    return counts
