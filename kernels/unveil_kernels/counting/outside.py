"""Counting the samples outside the person mask that are far from each pixel's leader."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.colour_times import (
    add_bits,
    before_make_room,
    bits_of,
    clear_bits,
    free_slot_of_leader,
    mark_far,
    mark_leaders,
)
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
    add_saturating,
    deposit_far,
    deposit_newest,
    make_room,
    prefetch,
)
from unveil_kernels.counting.survey import (
    MAX_SURVEYS,
    change_places,
    follow_row,
    halve_row,
    overtaken_row,
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
        (h, w) uint16, surveys that showed it.
    leader_stills
        (h, w) uint16, surveys that showed it, from that in which it took over, while no channel
        differed from the frame before by more than `OUTSIDE_STILLNESS` levels, whatever bits are
        compared; in frame 0 all is still.
    challenger
        (3, h, w) uint8; where the votes are not 0, the most frequent of the other colours.
    challenger_votes
        (h, w) uint16, surveys that showed it, minus those that showed a third colour.
    outside_surveys
        (h, w) uint16, surveys in which the pixel was outside the person mask.
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
def count_outside(
    frames, person, n_surveys, first_row, last_row, comparison, state_inout, times_inout
):
    """Count the samples outside the person mask that are far from the leader, in a band.

    The leader is the colour that a survey of every `OUTSIDE_SURVEY_EVERY`-th frame finds most
    often outside the mask. A sample of a frame with a fresh mask is counted `FRESH_MASK_WEIGHT`
    times. A pixel that no survey has yet seen outside the mask has no leader: its leader's
    channels are 0, and samples are compared with them.

    When the challenger takes over, its slot is freed, and the old leader is deposited with as
    many samples and episodes as it has surveys, all of this frame. If a colour has no slot and
    none is free, one is evicted: the one seen longest ago of those that count 1; where all count
    more, the one nearest to the leader, because distant colours are the candidates for the room.

    The leader has no samples deposited. Its times are marked in the frames surveyed and in the
    first one of each second.

    Parameters
    ----------
    frames : Frames
    person : PersonMask
    n_surveys : int
        Surveys that the counters hold, as `held_after` counts them.
    first_row, last_row : int
        The band.
    comparison : Comparison
    state_inout : OutsideState
    times_inout : TimeBins

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
        row_outside = state_inout.outside_surveys[row]
        sampled = times_inout.sample_row[row]
        n_listed = 0
        held = n_surveys
        for i in range(n_frames):
            frame = frames.first_frame + i
            luma, chroma1, chroma2 = frames.plane0[i, row], wide1[i], wide2[i]
            if frame % OUTSIDE_SURVEY_EVERY == 0:
                # The list is empty here: it was deposited after the frame before.
                if held == MAX_SURVEYS:
                    held //= 2
                    halve_row(row_surveys)
                    halve_row(row_stills)
                    halve_row(row_votes)
                    halve_row(row_outside)
                held += 1
                differing_row(
                    luma, chroma1, chroma2, leader0, leader1, leader2, mask, tolerance, other
                )
                _count_outside_row(inside[i], row_outside)
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
                        _replace_leader(state_inout, row, x, frame, mask, tolerance_, times_inout)
                        row_stills[x] = 1 - moved[x]
            difference_row(luma, leader0, mask, distance)
            greater_difference_row(chroma1, leader1, mask, distance)
            greater_difference_row(chroma2, leader2, mask, distance)
            _flag_outside_row(distance, comparison.far, inside[i], flags)
            n_listed = list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
            second = times_inout.second[i + 1]
            is_probed = (frame % OUTSIDE_SURVEY_EVERY == 0) | (second != times_inout.second[i])
            if sampled >= 0 and is_probed:
                mark_leaders(
                    times_inout, sampled, second, distance, tolerance, inside[i], row_surveys
                )
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
                    times_inout,
                )
                n_listed = 0


@kernel
def _count_still_row(shown, moved, stills_inout):
    """Count where the leader shows and did not move: flags (>= w,) uint8, counts (w,) uint16."""
    for x in range(len(stills_inout)):
        still = np.uint8(shown[x] & np.uint8(np.uint8(1) - moved[x]))
        stills_inout[x] = np.uint16(stills_inout[x] + np.uint16(still))


@kernel
def _count_outside_row(inside, surveys_inout):
    """Count a survey where a row is outside the mask: flags (w,) uint8, counts (w,) uint16."""
    for x in range(len(inside)):
        outside = np.uint8(np.uint8(1) - inside[x])
        surveys_inout[x] = np.uint16(surveys_inout[x] + np.uint16(outside))


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
    times_inout,
):
    """Deposit the listed samples of a row in their order; a tag is twice the frame's place."""
    leader, slots, evictions = (
        state_inout.leader,
        state_inout.slots[row],
        state_inout.evictions[row],
    )
    leader0, leader1, leader2 = leader[0, row], leader[1, row], leader[2, row]
    sampled = times_inout.sample_row[row]
    for k in range(n_listed):
        x, i = listed_x[k], listed_tag[k] >> 1
        c0, c1, c2 = frames.plane0[i, row, x], wide1[i, x], wide2[i, x]
        if sampled >= 0 and times_inout.sample_column[x] >= 0:
            mark_far(
                times_inout,
                sampled,
                times_inout.sample_column[x],
                slots,
                x,
                c0,
                c1,
                c2,
                leader0[x],
                leader1[x],
                leader2[x],
                times_inout.second[i + 1],
                mask,
                tolerance,
            )
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
            mask,
            tolerance,
        )
        add_saturating(evictions, x, evicted)


@kernel
def _replace_leader(state_inout, row, x, frame, mask, tolerance, times_inout):
    """Make the challenger of a pixel its leader, and a leader that was one the challenger."""
    leader, challenger = state_inout.leader, state_inout.challenger
    slots = state_inout.slots[row]
    change_places(state_inout, row, x)
    leader0, leader1, leader2 = leader[0, row, x], leader[1, row, x], leader[2, row, x]
    c0, c1, c2 = challenger[0, row, x], challenger[1, row, x], challenger[2, row, x]
    surveys = np.int64(state_inout.challenger_votes[row, x])
    j, i = times_inout.sample_row[row], times_inout.sample_column[x]
    sampled = j >= 0 and i >= 0
    if sampled:
        place = times_inout.seen.shape[3] - 1
        resigned = bits_of(times_inout, j, i, place)
        clear_bits(times_inout, j, i, place)
    free_slot_of_leader(times_inout, j, i, slots, x, leader0, leader1, leader2, mask, tolerance)
    if surveys > 0:
        if sampled:
            s = before_make_room(
                times_inout,
                j,
                i,
                slots,
                x,
                c0,
                c1,
                c2,
                leader0,
                leader1,
                leader2,
                mask,
                tolerance,
            )
            add_bits(times_inout, j, i, s, resigned)
        evicted = deposit_far(
            slots,
            x,
            c0,
            c1,
            c2,
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
