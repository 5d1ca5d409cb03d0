"""Counting every run of every colour: zoomg's method, with bounded slots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.colour_times import deposit_all, mark_run
from unveil_kernels.counting.rows import LISTED_ROWS, differing_row, list_set, widen_rows
from unveil_kernels.counting.slots import (
    add_saturating,
    deposit,
    prefetch,
)

RUN_GAP = 1
"""Runs of one colour that follow each other directly are one episode."""


class RunState(NamedTuple):
    """What is counted of every run.

    Attributes
    ----------
    slots
        (h, w, n_slots) RUN_SLOT.
    evictions
        (h, w) uint16, colours that lost their slot to another, saturating.
    run
        (3, h, w) uint8, the first colour of the run that goes on.
    run_start
        (h, w) uint32, the frame in which it began.
    run_second
        (rows, columns) int64, the second in which that of a sampled pixel began, as
        `TimeBins.second` has it.
    """

    slots: np.ndarray
    evictions: np.ndarray
    run: np.ndarray
    run_start: np.ndarray
    run_second: np.ndarray


@kernel
def count_runs(frames, first_row, last_row, comparison, state_inout, times_inout):
    """Count every run of every colour in a band.

    A run is a stretch of samples that stay within the tolerance of its first one. It is
    deposited, with the colour of its first sample, when it ends; the run that goes on stays in
    `run` and `run_start`.

    Parameters
    ----------
    frames : Frames
    first_row, last_row : int
        The band.
    comparison : Comparison
    state_inout : RunState
    times_inout : TimeBins
    """
    n_frames, width = len(frames.plane0), state_inout.run.shape[2]
    mask, tolerance, shift_x = comparison.mask, comparison.tolerance, frames.shift_x
    wide1 = np.empty((n_frames, frames.plane1.shape[2] << shift_x), np.uint8)
    wide2 = np.empty(wide1.shape, np.uint8)
    broken = np.zeros(-(-width // 64) * 64, np.uint8)
    broken_words = broken.view(np.uint64)
    max_listed = LISTED_ROWS * len(broken)
    listed_x = np.empty(max_listed + 1, np.int32)
    listed_tag = np.empty(max_listed + 1, np.int32)
    listed_colour = np.empty((max_listed, 3), np.uint8)
    listed_start = np.empty(max_listed, np.uint32)
    listed_second = np.empty(max_listed, np.int64)
    prefetched = np.zeros(1, np.int64)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> frames.shift_y
        if row == first_row or chroma_row != (row - 1) >> frames.shift_y:
            widen_rows(frames.plane1, chroma_row, shift_x, wide1)
            widen_rows(frames.plane2, chroma_row, shift_x, wide2)
        run0, run1, run2 = (
            state_inout.run[0, row],
            state_inout.run[1, row],
            state_inout.run[2, row],
        )
        start = state_inout.run_start[row]
        row_slots, row_evictions = state_inout.slots[row], state_inout.evictions[row]
        sampled = times_inout.sample_row[row]
        n_listed = 0
        for i in range(n_frames):
            frame = frames.first_frame + i
            luma, chroma1, chroma2 = frames.plane0[i, row], wide1[i], wide2[i]
            if frame == 0:
                run0[:] = luma
                run1[:] = chroma1[:width]
                run2[:] = chroma2[:width]
                start[:] = 0
                if sampled >= 0:
                    state_inout.run_second[sampled] = times_inout.second[1]
            differing_row(luma, chroma1, chroma2, run0, run1, run2, mask, tolerance, broken)
            n_before = n_listed
            n_listed = list_set(broken, broken_words, i, listed_x, listed_tag, n_listed)
            for k in range(n_before, n_listed):
                x = listed_x[k]
                listed_colour[k, 0] = run0[x]
                listed_colour[k, 1] = run1[x]
                listed_colour[k, 2] = run2[x]
                listed_start[k] = start[x]
                run0[x] = luma[x]
                run1[x] = chroma1[x]
                run2[x] = chroma2[x]
                start[x] = frame
                if sampled >= 0 and times_inout.sample_column[x] >= 0:
                    column = times_inout.sample_column[x]
                    listed_second[k] = state_inout.run_second[sampled, column]
                    state_inout.run_second[sampled, column] = times_inout.second[i + 1]
            if (i == n_frames - 1) | (n_listed + len(broken) > max_listed):
                prefetched[0] = prefetch(row_slots, listed_x, n_listed)
                for k in range(n_listed):
                    x = listed_x[k]
                    i_end = np.int64(listed_tag[k] >> 1)
                    end = frames.first_frame + i_end
                    if sampled >= 0 and times_inout.sample_column[x] >= 0:
                        mark_run(
                            times_inout,
                            sampled,
                            times_inout.sample_column[x],
                            row_slots,
                            x,
                            listed_colour[k, 0],
                            listed_colour[k, 1],
                            listed_colour[k, 2],
                            listed_second[k],
                            times_inout.second[i_end],
                            mask,
                            tolerance_,
                        )
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
                        RUN_GAP,
                        True,
                        mask,
                        tolerance_,
                    )
                    add_saturating(row_evictions, x, evicted)
                n_listed = 0


@kernel
def close_runs(n_frames, first_row, last_row, comparison, state_inout, times_inout):
    """Deposit the runs that still go on after `n_frames` frames; else as `count_runs`.

    The first of the times is that of the last of these frames.
    """
    for row in range(first_row, last_row):
        j = times_inout.sample_row[row]
        for x in range(state_inout.run.shape[2]):
            i = times_inout.sample_column[x]
            if j >= 0 and i >= 0:
                mark_run(
                    times_inout,
                    j,
                    i,
                    state_inout.slots[row],
                    x,
                    state_inout.run[0, row, x],
                    state_inout.run[1, row, x],
                    state_inout.run[2, row, x],
                    state_inout.run_second[j, i],
                    times_inout.second[0],
                    comparison.mask,
                    np.int32(comparison.tolerance),
                )
            evicted = deposit(
                state_inout.slots[row],
                x,
                state_inout.run[0, row, x],
                state_inout.run[1, row, x],
                state_inout.run[2, row, x],
                1,
                n_frames - np.int64(state_inout.run_start[row, x]),
                np.int64(state_inout.run_start[row, x]),
                n_frames - 1,
                RUN_GAP,
                True,
                comparison.mask,
                np.int32(comparison.tolerance),
            )
            add_saturating(state_inout.evictions[row], x, evicted)


@kernel
def merge_runs(
    first_row, last_row, later_by, comparison, state_inout, later, times_inout, later_times
):
    """Add the slots of a later part of a recording to those of an earlier one, in a band.

    Parameters
    ----------
    first_row, last_row : int
        The band.
    later_by : int
        Frame of the earlier part at which the later one's frame 0 lies.
    comparison : Comparison
    state_inout : RunState
        Of the earlier part, all its runs closed. The caller replaces all that tells of runs.
    later : RunState
    times_inout, later_times : TimeBins
        Of the same bins.
    """
    for row in range(first_row, last_row):
        for x in range(state_inout.slots.shape[1]):
            evicted = deposit_all(
                state_inout.slots[row],
                x,
                later.slots[row],
                later_by,
                RUN_GAP,
                True,
                comparison.mask,
                np.int32(comparison.tolerance),
                times_inout.sample_row[row],
                times_inout.sample_column[x],
                times_inout,
                later_times,
            )
            add_saturating(
                state_inout.evictions[row], x, np.int64(later.evictions[row, x]) + evicted
            )
