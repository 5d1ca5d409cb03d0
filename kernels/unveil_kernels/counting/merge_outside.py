"""Merging what was counted outside the person mask in two consecutive parts of a recording."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.colour_times import (
    add_bits,
    before_make_room,
    bits_of,
    clear_bits,
    free_slot_of_leader,
)
from unveil_kernels.counting.counters import count_of
from unveil_kernels.counting.slots import add_saturating, deposit_far
from unveil_kernels.counting.survey import join, most_voted, read_candidates, write_joined


@kernel
def merge_outside(
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

    Leaders and challengers are joined as in `merge_transitions`; the still surveys of the joined
    leaders are added up. Then the later part's slots are deposited, and each leader that does not
    lead any more, as in `count_outside`, at its part's last frame; at last the slot of the new
    leader is freed. Evictions go by the distance from the new leader.

    Parameters
    ----------
    first_row, last_row : int
        The band.
    later_by : int
        Frame of the earlier part at which the later one's frame 0 lies.
    later_frames : int
        Frames of the later part.
    halvings : int
        As in `merge_transitions`.
    comparison : Comparison
    state_inout, later : OutsideState
        The caller replaces the tails.
    times_inout, later_times : TimeBins
        Of the same bins.
    """
    mask, tolerance = comparison.mask, np.int32(comparison.tolerance)
    colour = np.empty((4, 3), np.uint8)
    votes = np.empty(4, np.int64)
    joined = np.empty(4, np.int64)
    total = np.empty(4, np.int64)
    last_place = times_inout.seen.shape[3] - 1
    for row in range(first_row, last_row):
        row_slots, later_slots = state_inout.slots[row], later.slots[row]
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
            leader0, leader1, leader2 = colour[first, 0], colour[first, 1], colour[first, 2]
            evicted = np.int64(later.evictions[row, x])
            for s in range(later_slots.shape[1]):
                if later_slots[x, s]["count"] != 0:
                    if sampled:
                        place = before_make_room(
                            times_inout,
                            j,
                            i,
                            row_slots,
                            x,
                            later_slots[x, s]["c0"],
                            later_slots[x, s]["c1"],
                            later_slots[x, s]["c2"],
                            leader0,
                            leader1,
                            leader2,
                            mask,
                            tolerance,
                        )
                        add_bits(times_inout, j, i, place, bits_of(later_times, j, i, s))
                    evicted += deposit_far(
                        row_slots,
                        x,
                        later_slots[x, s]["c0"],
                        later_slots[x, s]["c1"],
                        later_slots[x, s]["c2"],
                        count_of(later_slots[x, s]["episodes"]),
                        count_of(later_slots[x, s]["count"]),
                        np.int64(later_slots[x, s]["first"]) + later_by,
                        np.int64(later_slots[x, s]["last"]) + later_by,
                        leader0,
                        leader1,
                        leader2,
                        mask,
                        tolerance,
                    )
            for k in range(2):
                surveys = np.int64(
                    state_inout.leader_surveys[row, x] if k == 0 else later.leader_surveys[row, x]
                )
                if joined[k] != first and surveys > 0:
                    seen = later_by - 1 if k == 0 else later_by + later_frames - 1
                    if sampled:
                        place = before_make_room(
                            times_inout,
                            j,
                            i,
                            row_slots,
                            x,
                            colour[k, 0],
                            colour[k, 1],
                            colour[k, 2],
                            leader0,
                            leader1,
                            leader2,
                            mask,
                            tolerance,
                        )
                        add_bits(times_inout, j, i, place, leading[k])
                    evicted += deposit_far(
                        row_slots,
                        x,
                        colour[k, 0],
                        colour[k, 1],
                        colour[k, 2],
                        surveys,
                        surveys,
                        seen,
                        seen,
                        leader0,
                        leader1,
                        leader2,
                        mask,
                        tolerance,
                    )
            stills = np.int64(0)
            if joined[0] == first:
                stills += np.int64(state_inout.leader_stills[row, x])
            if joined[1] == first:
                stills += np.int64(later.leader_stills[row, x])
            state_inout.leader_stills[row, x] = stills >> halvings
            if sampled:
                for k in range(2):
                    if joined[k] == first:
                        add_bits(times_inout, j, i, last_place, leading[k])
            free_slot_of_leader(
                times_inout, j, i, row_slots, x, leader0, leader1, leader2, mask, tolerance
            )
            add_saturating(state_inout.evictions[row], x, evicted)
            outside = np.int64(state_inout.outside_surveys[row, x])
            outside += np.int64(later.outside_surveys[row, x])
            state_inout.outside_surveys[row, x] = outside >> halvings
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
