"""Counting every run of every colour: zoomg's method, with bounded slots."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.rows import LISTED_ROWS, differing_row, list_set, widen_rows
from unveil_kernels.counting.slots import U32_MAX, add, deposit, deposit_all, touch


@kernel
def count_runs(
    plane0,
    plane1,
    plane2,
    first_frame,
    first_row,
    last_row,
    shift_y,
    shift_x,
    mask,
    tolerance,
    run,
    run_start,
    slots,
    evictions,
):
    """Count every run of every colour.

    A run is a stretch of samples that stay alike its first. It is deposited, with the
    colour of its first sample, when it ends; the run that goes on is in `run` and `run_start`.

    Parameters
    ----------
    plane0, plane1, plane2 : (n, h, w), (n, ch, cw), (n, ch, cw) uint8
        The frames `first_frame`, `first_frame + 1`, ...
    first_row, last_row : int
        The band.
    mask, tolerance : uint8
    run : (3, h, w) uint8
        First colour of the run that goes on.
    run_start : (h, w) uint32
        Frame in which it began.
    slots : (h, w, n_slots) RUN_SLOT
    evictions : (h, w) uint16
        Colours that lost their slot to another, saturating.
    """
    n_frames, width = len(plane0), run.shape[2]
    wide1 = np.empty((n_frames, plane1.shape[2] << shift_x), np.uint8)
    wide2 = np.empty(wide1.shape, np.uint8)
    broken = np.zeros(-(-width // 64) * 64, np.uint8)
    broken_words = broken.view(np.uint64)
    room_listed = LISTED_ROWS * len(broken)
    listed_x = np.empty(room_listed + 1, np.int32)
    listed_tag = np.empty(room_listed + 1, np.int32)
    listed_colour = np.empty((room_listed, 3), np.uint8)
    listed_start = np.empty(room_listed, np.uint32)
    touched = np.zeros(1, np.int64)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> shift_y
        if row == first_row or chroma_row != (row - 1) >> shift_y:
            widen_rows(plane1, chroma_row, shift_x, wide1)
            widen_rows(plane2, chroma_row, shift_x, wide2)
        row0, row1, row2, start = run[0, row], run[1, row], run[2, row], run_start[row]
        row_slots, row_evictions = slots[row], evictions[row]
        n_listed = 0
        for i in range(n_frames):
            frame = first_frame + i
            luma, chroma1, chroma2 = plane0[i, row], wide1[i], wide2[i]
            if frame == 0:
                row0[:] = luma
                row1[:] = chroma1[:width]
                row2[:] = chroma2[:width]
                start[:] = 0
            differing_row(luma, chroma1, chroma2, row0, row1, row2, mask, tolerance, broken)
            n_before = n_listed
            n_listed = list_set(broken, broken_words, i, listed_x, listed_tag, n_listed)
            for k in range(n_before, n_listed):
                x = listed_x[k]
                listed_colour[k, 0] = row0[x]
                listed_colour[k, 1] = row1[x]
                listed_colour[k, 2] = row2[x]
                listed_start[k] = start[x]
                row0[x] = luma[x]
                row1[x] = chroma1[x]
                row2[x] = chroma2[x]
                start[x] = frame
            if (i == n_frames - 1) | (n_listed + len(broken) > room_listed):
                touched[0] = touch(row_slots, listed_x, n_listed)
                for k in range(n_listed):
                    x = listed_x[k]
                    end = first_frame + np.int64(listed_tag[k] >> 1)
                    evicted = deposit(
                        row_slots,
                        x,
                        listed_colour[k, 0],
                        listed_colour[k, 1],
                        listed_colour[k, 2],
                        1,
                        end - np.int64(listed_start[k]),
                        np.int64(listed_start[k]),
                        end - 1,
                        1,
                        U32_MAX,
                        mask,
                        tolerance_,
                    )
                    add(row_evictions, x, evicted)
                n_listed = 0


@kernel
def close_runs(n_frames, first_row, last_row, mask, tolerance, run, run_start, slots, evictions):
    """Deposit the runs that still go on after `n_frames` frames; arguments as `count_runs`."""
    for row in range(first_row, last_row):
        for x in range(run.shape[2]):
            evicted = deposit(
                slots[row],
                x,
                run[0, row, x],
                run[1, row, x],
                run[2, row, x],
                1,
                n_frames - np.int64(run_start[row, x]),
                np.int64(run_start[row, x]),
                n_frames - 1,
                1,
                U32_MAX,
                mask,
                np.int32(tolerance),
            )
            add(evictions[row], x, evicted)


@kernel
def merge_runs(
    first_row, last_row, later_by, mask, tolerance, slots, evictions, its_slots, its_evictions
):
    """Add the slots of a later stretch of frames to those of an earlier one.

    Parameters
    ----------
    first_row, last_row : int
        The band.
    later_by : int
        Frame of the earlier stretch at which the later one's frame 0 lies.
    mask, tolerance : uint8
    slots, evictions : (h, w, n_slots) RUN_SLOT, (h, w) uint16
        Of the earlier stretch, all its runs closed; changed in place.
    its_slots, its_evictions : (h, w, m_slots) RUN_SLOT, (h, w) uint16
        Of the later one.
    """
    for row in range(first_row, last_row):
        for x in range(slots.shape[1]):
            evicted = deposit_all(
                slots[row], x, its_slots[row], later_by, 1, U32_MAX, mask, np.int32(tolerance)
            )
            add(evictions[row], x, np.int64(its_evictions[row, x]) + evicted)
