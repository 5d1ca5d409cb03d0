"""Forgetting the colours that were first seen a short time ago."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.colour_times import clear_bits, move_bits


@kernel
def forget_since(doubted, block_size, n_frames, first_row, last_row, slots_inout, times_inout):
    """Free the slots of a band whose first sample is of one of the last frames, with their bits.

    The other slots keep their order and move into the freed places.

    Parameters
    ----------
    doubted : (rows, columns) uint8
        Number of the last frames, for each block of `block_size` by `block_size` pixels.
    block_size : int
    n_frames : int
        Frames counted so far.
    first_row, last_row : int
        The band.
    slots_inout : (h, w, n_slots) OUTSIDE_SLOT
    times_inout : TimeBins
    """
    n_slots = slots_inout.shape[2]
    for row in range(first_row, last_row):
        slots = slots_inout[row]
        j = times_inout.sample_row[row]
        for x in range(slots.shape[0]):
            n_doubted = np.int64(doubted[row // block_size, x // block_size])
            if n_doubted == 0:
                continue
            i = times_inout.sample_column[x]
            sampled = j >= 0 and i >= 0
            kept = 0
            s = 0
            while s < n_slots and slots[x, s]["count"] != 0:
                if np.int64(slots[x, s]["first"]) >= n_frames - n_doubted:
                    if sampled:
                        clear_bits(times_inout, j, i, s)
                    slots[x, s]["count"] = 0
                else:
                    if kept < s:
                        slots[x, kept] = slots[x, s]
                        slots[x, s]["count"] = 0
                        if sampled:
                            move_bits(times_inout, j, i, s, kept)
                    kept += 1
                s += 1
