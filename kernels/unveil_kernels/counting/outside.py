"""Counting the samples outside the person mask that are far from each pixel's leader."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.rows import (
    ALL_BITS,
    LISTED_ROWS,
    difference_row,
    differing_row,
    greater_difference_row,
    list_set,
    widen_blocks,
    widen_rows,
)
from unveil_kernels.counting.slots import (
    EPISODE_GAP,
    U16_MAX,
    add_saturating,
    deposit_far,
    deposit_newest,
    free_slot,
    make_room,
    prefetch,
)
from unveil_kernels.counting.survey import (
    change_places,
    follow_row,
    join,
    most_voted,
    overtaken_row,
    read_candidates,
    survey_row,
    take_row,
    vote_row,
)

OUTSIDE_SURVEY_EVERY = 8
"""Distance in frames between two surveys of the most frequent colour outside the person mask."""

OUTSIDE_STILLNESS = 1
"""Levels by which a still leader may differ from the sample a frame before it."""

FRESH_MASK_WEIGHT = 2
"""How often a sample is counted whose frame the person mask was computed from.

A sample of a frame that reuses an earlier frame's mask is counted once.
"""


class OutsideState(NamedTuple):
    """What is counted outside the person mask.

    Attributes
    ----------
    leader
        (3, h, w) uint8, the leader's colour. It follows the surveyed samples by one level at a
        time.
    leader_surveys
        (h, w) uint16, surveys that showed it, saturating.
    leader_stills
        (h, w) uint16, surveys that showed it, from that in which it took over, while no channel
        differed from the frame before by more than `OUTSIDE_STILLNESS` levels, whatever bits are
        compared; in frame 0 all is still. Saturating.
    challenger
        (3, h, w) uint8; where the votes are not 0, the most frequent of the other colours.
    challenger_votes
        (h, w) uint16, surveys that showed it, minus those that showed a third colour.
    outside_surveys
        (h, w) uint16, surveys in which the pixel was outside the person mask, saturating.
    slots
        (h, w, n_slots) OUTSIDE_SLOT, colours that are not the leader.
    evictions
        (h, w) uint16, colours that lost their slot to another, saturating.
    tail0, tail1, tail2
        (1, h, w), (1, ch, cw), (1, ch, cw) uint8, the last frame. The caller replaces them after
        each chunk.
    """

    leader: np.ndarray
    leader_surveys: np.ndarray
    leader_stills: np.ndarray
    challenger: np.ndarray
    challenger_votes: np.ndarray
    outside_surveys: np.ndarray
    slots: np.ndarray
    evictions: np.ndarray
    tail0: np.ndarray
    tail1: np.ndarray
    tail2: np.ndarray


@kernel
def count_outside(frames, person, first_row, last_row, comparison, state_inout):
    """Count the samples outside the person mask that are far from the leader, in a band.

    The leader is the colour that a survey of every `OUTSIDE_SURVEY_EVERY`-th frame finds most
    often outside the mask. A sample of a frame with a fresh mask is counted `FRESH_MASK_WEIGHT`
    times. A pixel that no survey has yet seen outside the mask has no leader: its leader's
    channels are 0, and samples are compared with them.

    When the challenger takes over, its slot is freed, and the old leader is deposited with as
    many samples and episodes as it has surveys, all of this frame. If a colour has no slot and
    none is free, one is evicted: the one seen longest ago of those that count 1; where all count
    more, the one nearest to the leader, because distant colours are the candidates for the room.

    Parameters
    ----------
    frames : Frames
    person : PersonMask
    first_row, last_row : int
        The band.
    comparison : Comparison
    state_inout : OutsideState

    Notes
    -----
    Over 90 lines, for the reason given in `count_transitions`.
    """
    leader, challenger = state_inout.leader, state_inout.challenger
    n_frames, width = len(frames.plane0), leader.shape[2]
    mask, tolerance, shift_x = comparison.mask, comparison.tolerance, frames.shift_x
    # Row i is of the frame before frame i.
    before1 = np.empty((1 + n_frames, frames.plane1.shape[2] << shift_x), np.uint8)
    before2 = np.empty(before1.shape, np.uint8)
    wide1, wide2 = before1[1:], before2[1:]
    inside = np.empty((n_frames, width), np.uint8)
    distance = np.empty(width, np.uint8)
    moved = np.zeros(width, np.uint8)
    other = np.empty(width, np.uint8)
    differs = np.empty(width, np.uint8)
    taken = np.empty(width, np.uint8)
    flags = np.zeros(-(-width // 64) * 64, np.uint8)
    flag_words = flags.view(np.uint64)
    max_listed = LISTED_ROWS * len(flags)
    listed_x = np.empty(max_listed + 1, np.int32)
    listed_tag = np.empty(max_listed + 1, np.int32)
    prefetched = np.zeros(1, np.int64)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> frames.shift_y
        if row == first_row or chroma_row != (row - 1) >> frames.shift_y:
            widen_rows(state_inout.tail1, chroma_row, shift_x, before1)
            widen_rows(state_inout.tail2, chroma_row, shift_x, before2)
            widen_rows(frames.plane1, chroma_row, shift_x, wide1)
            widen_rows(frames.plane2, chroma_row, shift_x, wide2)
        if row == first_row or row % person.block_size == 0:
            widen_blocks(person.blocks, row // person.block_size, person.block_size, inside)
        leader0, leader1, leader2 = leader[0, row], leader[1, row], leader[2, row]
        rival0, rival1, rival2 = challenger[0, row], challenger[1, row], challenger[2, row]
        row_surveys = state_inout.leader_surveys[row]
        row_stills = state_inout.leader_stills[row]
        row_votes = state_inout.challenger_votes[row]
        n_listed = 0
        for i in range(n_frames):
            frame = frames.first_frame + i
            luma, chroma1, chroma2 = frames.plane0[i, row], wide1[i], wide2[i]
            if frame % OUTSIDE_SURVEY_EVERY == 0:
                # The list is empty here: it was deposited after the frame before.
                differing_row(
                    luma, chroma1, chroma2, leader0, leader1, leader2, mask, tolerance, other
                )
                _count_outside_row(inside[i], state_inout.outside_surveys[row])
                survey_row(inside[i], other, row_surveys, flags)
                if frame == 0:
                    moved[:] = 0
                else:
                    differing_row(
                        luma,
                        chroma1,
                        chroma2,
                        frames.plane0[i - 1, row] if i > 0 else state_inout.tail0[0, row],
                        before1[i],
                        before2[i],
                        ALL_BITS,
                        np.uint8(OUTSIDE_STILLNESS),
                        moved,
                    )
                _count_still_row(flags, moved, row_stills)
                follow_row(luma, flags, leader0)
                follow_row(chroma1, flags, leader1)
                follow_row(chroma2, flags, leader2)
                if other.any():
                    differing_row(
                        luma, chroma1, chroma2, rival0, rival1, rival2, mask, tolerance, differs
                    )
                    vote_row(other, differs, row_votes, taken)
                    take_row(luma, taken, rival0)
                    take_row(chroma1, taken, rival1)
                    take_row(chroma2, taken, rival2)
                    follow_row(luma, differs, rival0)
                    follow_row(chroma1, differs, rival1)
                    follow_row(chroma2, differs, rival2)
                    overtaken_row(row_surveys, row_votes, flags)
                    for k in range(list_set(flags, flag_words, i, listed_x, listed_tag, 0)):
                        x = listed_x[k]
                        _replace_leader(state_inout, row, x, frame, mask, tolerance_)
                        row_stills[x] = 1 - moved[x]
            difference_row(luma, leader0, mask, distance)
            greater_difference_row(chroma1, leader1, mask, distance)
            greater_difference_row(chroma2, leader2, mask, distance)
            _flag_outside_row(distance, comparison.far, inside[i], flags)
            n_listed = list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
            # Before a survey moves the leader: evictions depend on it, and must not depend on when
            # the list happens to be full.
            due = (i == n_frames - 1) | ((frame + 1) % OUTSIDE_SURVEY_EVERY == 0)
            if due | (n_listed + len(flags) > max_listed):
                prefetched[0] = prefetch(state_inout.slots[row], listed_x, n_listed)
                _deposit_listed(
                    frames,
                    wide1,
                    wide2,
                    person.is_fresh,
                    row,
                    listed_x,
                    listed_tag,
                    n_listed,
                    mask,
                    tolerance_,
                    state_inout,
                )
                n_listed = 0


@kernel
def _count_still_row(shown, moved, stills_inout):
    """Count where the leader shows and did not move: flags (>= w,) uint8, counts (w,) uint16."""
    for x in range(len(stills_inout)):
        still = np.uint8(shown[x] & np.uint8(np.uint8(1) - moved[x]))
        more = np.uint8(still & np.uint8(stills_inout[x] < np.uint16(U16_MAX)))
        stills_inout[x] = np.uint16(stills_inout[x] + np.uint16(more))


@kernel
def _count_outside_row(inside, surveys_inout):
    """Count a survey where a row is outside the mask: flags (w,) uint8, counts (w,) uint16."""
    for x in range(len(inside)):
        more = np.uint8(
            np.uint8(np.uint8(1) - inside[x]) & np.uint8(surveys_inout[x] < np.uint16(U16_MAX))
        )
        surveys_inout[x] = np.uint16(surveys_inout[x] + np.uint16(more))


@kernel
def _flag_outside_row(distance, far, inside, flags_out):
    """Flag samples outside the mask that are farther from the leader than `far`; all uint8."""
    for x in range(len(distance)):
        is_far = np.uint8(distance[x] > far)
        flags_out[x] = np.uint8(is_far & np.uint8(np.uint8(1) - inside[x]))


@kernel
def _deposit_listed(
    frames,
    wide1,
    wide2,
    is_fresh,
    row,
    listed_x,
    listed_tag,
    n_listed,
    mask,
    tolerance,
    state_inout,
):
    """Deposit the listed samples of a row in their order; a tag is twice the frame's place."""
    leader, slots, evictions = (
        state_inout.leader,
        state_inout.slots[row],
        state_inout.evictions[row],
    )
    leader0, leader1, leader2 = leader[0, row], leader[1, row], leader[2, row]
    for k in range(n_listed):
        x, i = listed_x[k], listed_tag[k] >> 1
        c0, c1, c2 = frames.plane0[i, row, x], wide1[i, x], wide2[i, x]
        evicted = make_room(
            slots, x, c0, c1, c2, leader0[x], leader1[x], leader2[x], mask, tolerance
        )
        deposit_newest(
            slots,
            x,
            c0,
            c1,
            c2,
            FRESH_MASK_WEIGHT if is_fresh[i] else 1,
            frames.first_frame + np.int64(i),
            EPISODE_GAP,
            U16_MAX,
            mask,
            tolerance,
        )
        add_saturating(evictions, x, evicted)


@kernel
def _replace_leader(state_inout, row, x, frame, mask, tolerance):
    """Make the challenger of a pixel its leader, and a leader that was one the challenger."""
    leader, challenger = state_inout.leader, state_inout.challenger
    slots = state_inout.slots[row]
    change_places(state_inout, row, x)
    leader0, leader1, leader2 = leader[0, row, x], leader[1, row, x], leader[2, row, x]
    free_slot(slots, x, leader0, leader1, leader2, mask, tolerance)
    surveys = np.int64(state_inout.challenger_votes[row, x])
    if surveys > 0:
        evicted = deposit_far(
            slots,
            x,
            challenger[0, row, x],
            challenger[1, row, x],
            challenger[2, row, x],
            surveys,
            surveys,
            frame,
            frame,
            leader0,
            leader1,
            leader2,
            mask,
            tolerance,
        )
        add_saturating(state_inout.evictions[row], x, evicted)


@kernel
def merge_outside(first_row, last_row, later_by, later_frames, comparison, state_inout, later):
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
    comparison : Comparison
    state_inout, later : OutsideState
        The caller replaces the tails.
    """
    mask, tolerance = comparison.mask, np.int32(comparison.tolerance)
    colour = np.empty((4, 3), np.uint8)
    votes = np.empty(4, np.int64)
    joined = np.empty(4, np.int64)
    total = np.empty(4, np.int64)
    for row in range(first_row, last_row):
        row_slots, later_slots = state_inout.slots[row], later.slots[row]
        for x in range(state_inout.leader.shape[2]):
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
                    evicted += deposit_far(
                        row_slots,
                        x,
                        later_slots[x, s]["c0"],
                        later_slots[x, s]["c1"],
                        later_slots[x, s]["c2"],
                        np.int64(later_slots[x, s]["episodes"]),
                        np.int64(later_slots[x, s]["count"]),
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
            state_inout.leader_stills[row, x] = min(stills, U16_MAX)
            free_slot(row_slots, x, leader0, leader1, leader2, mask, tolerance)
            add_saturating(state_inout.evictions[row], x, evicted)
            add_saturating(
                state_inout.outside_surveys[row], x, np.int64(later.outside_surveys[row, x])
            )
            state_inout.leader_surveys[row, x] = min(total_first, U16_MAX)
            state_inout.challenger_votes[row, x] = min(total[second], U16_MAX)
            for channel in range(3):
                state_inout.leader[channel, row, x] = colour[first, channel]
                state_inout.challenger[channel, row, x] = colour[second, channel]
