"""Merging what was counted around changes in two consecutive parts of a recording."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.colour_times import (
    add_bits,
    before_deposit,
    bits_of,
    clear_bits,
    deposit_all,
    free_slot_of_leader,
)
from unveil_kernels.counting.counters import added, count_of
from unveil_kernels.counting.slots import EPISODE_GAP, add_saturating
from unveil_kernels.counting.survey import join, most_voted, read_candidates, write_joined
from unveil_kernels.counting.transitions import UNCHANGED, resign


@kernel
def merge_transitions(
    first_row,
    last_row,
    later_by,
    later_frames,
    halvings,
    comparison,
    state_inout,
    later,
    times_inout,
    later_times,
):
    """Add what was counted of a later part of a recording to that of an earlier one, in a band.

    The four still colours, each part's leader and challenger, are joined where they are within
    the tolerance: the one with the most votes (of equals, that with the smallest channels) takes
    the votes of those within its tolerance, then the next one that is left. Of the joined colours
    the one with the most votes leads, and the next one is its challenger. A leader that does not
    lead any more is deposited as in `count_transitions`, at its part's last frame; the slot of
    the new leader becomes returns to it.

    Parameters
    ----------
    first_row, last_row : int
        The band.
    later_by : int
        Frame of the earlier part at which the later one's frame 0 lies.
    later_frames : int
        Frames of the later part.
    halvings : int
        1 if both parts have more than `MAX_SURVEYS` surveys together, else 0.
    comparison : Comparison
    state_inout, later : TransitionState
        The caller replaces the tails.
    times_inout, later_times : TimeBins
        Of the same bins.
    """
    mask, tolerance = comparison.mask, np.int32(comparison.tolerance)
    colour = np.empty((4, 3), np.uint8)
    votes = np.empty(4, np.int64)
    joined = np.empty(4, np.int64)  # the place of the colour that took it in
    total = np.empty(4, np.int64)
    last_place = times_inout.seen.shape[3] - 1
    for row in range(first_row, last_row):
        row_slots = state_inout.slots[row]
        j = times_inout.sample_row[row]
        for x in range(state_inout.leader.shape[2]):
            i = times_inout.sample_column[x]
            sampled = j >= 0 and i >= 0
            if sampled:
                leading = (
                    bits_of(times_inout, j, i, last_place),
                    bits_of(later_times, j, i, last_place),
                )
                clear_bits(times_inout, j, i, last_place)
            read_candidates(state_inout, later, row, x, colour, votes)
            join(colour, votes, mask, tolerance, joined, total)
            first = most_voted(colour, total)
            total_first = total[first]
            total[first] = 0
            second = most_voted(colour, total)

            evicted = np.int64(later.evictions[row, x])
            returns = np.int64(0)
            if joined[0] == first:
                returns += count_of(state_inout.leader_returns[row, x])
            else:
                if sampled:
                    place = before_deposit(
                        times_inout,
                        j,
                        i,
                        row_slots,
                        x,
                        colour[0, 0],
                        colour[0, 1],
                        colour[0, 2],
                        mask,
                        tolerance,
                    )
                    add_bits(times_inout, j, i, place, leading[0])
                evicted += resign(
                    row_slots,
                    x,
                    colour[0, 0],
                    colour[0, 1],
                    colour[0, 2],
                    state_inout.leader_returns[row, x],
                    later_by - 1,
                    mask,
                    tolerance,
                )
            evicted += deposit_all(
                row_slots,
                x,
                later.slots[row],
                later_by,
                EPISODE_GAP,
                False,
                mask,
                tolerance,
                j,
                i,
                times_inout,
                later_times,
            )
            if joined[1] == first:
                returns += count_of(later.leader_returns[row, x])
                state_inout.history[row, x] = later.history[row, x]
            else:
                if sampled:
                    place = before_deposit(
                        times_inout,
                        j,
                        i,
                        row_slots,
                        x,
                        colour[1, 0],
                        colour[1, 1],
                        colour[1, 2],
                        mask,
                        tolerance,
                    )
                    add_bits(times_inout, j, i, place, leading[1])
                evicted += resign(
                    row_slots,
                    x,
                    colour[1, 0],
                    colour[1, 1],
                    colour[1, 2],
                    later.leader_returns[row, x],
                    later_by + later_frames - 1,
                    mask,
                    tolerance,
                )
                state_inout.history[row, x] = UNCHANGED
            if sampled:
                for k in range(2):
                    if joined[k] == first:
                        add_bits(times_inout, j, i, last_place, leading[k])
            returns += free_slot_of_leader(
                times_inout,
                j,
                i,
                row_slots,
                x,
                colour[first, 0],
                colour[first, 1],
                colour[first, 2],
                mask,
                tolerance,
            )
            add_saturating(state_inout.evictions[row], x, evicted)
            state_inout.leader_returns[row, x] = added(0, returns, later_by)
            write_joined(
                state_inout,
                row,
                x,
                colour,
                first,
                total_first >> halvings,
                second,
                total[second] >> halvings,
            )
