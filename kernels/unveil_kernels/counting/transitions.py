"""Counting the samples around a change from or to each pixel's leader, a still colour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import kernel
from unveil_kernels.counting.colour_times import (
    add_bits,
    before_deposit,
    bits_of,
    clear_bits,
    free_slot_of_leader,
    mark_deposit,
    mark_shown,
)
from unveil_kernels.counting.counters import added, count_of
from unveil_kernels.counting.rows import (
    ALL_BITS,
    LISTED_ROWS,
    difference_row,
    differing_row,
    greater_difference_row,
    list_set,
    widen_rows,
)
from unveil_kernels.counting.slots import (
    EPISODE_GAP,
    add_saturating,
    deposit,
    deposit_newest,
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

SURVEY_EVERY = 16
"""Distance in frames between two surveys of the most frequent still colour.

Frames 1, `1 + SURVEY_EVERY`, ... are surveyed, each compared with the one before it, and frame 0,
whose colours become the first leaders.
"""

STILLNESS = 2
"""Levels by which a still sample may differ from the one a frame before it."""

LEADER_NEWEST, LEADER_COUNTED, LEADER_BEFORE = 1, 2, 4
"""Bits of a pixel's history: whether its newest samples were the leader's.

The sample of the newest frame; that of the frame before, which is then counted or not; and that
of one frame earlier.
"""

FAR_NEWEST, FAR_COUNTED = 8, 16
"""Bits of a pixel's history: whether its newest two samples were far from the leader."""

UNCHANGED = LEADER_NEWEST | LEADER_COUNTED | LEADER_BEFORE
"""History of a pixel that has always shown its leader."""


class TransitionState(NamedTuple):
    """What is counted around changes from and to the leader.

    Attributes
    ----------
    leader
        (3, h, w) uint8, the leader's colour. It follows the surveyed samples by one level at a
        time.
    leader_surveys
        (h, w) uint16, surveys that showed it still.
    leader_returns
        (h, w) uint16, returns to it, a code of `counters`.
    challenger
        (3, h, w) uint8; where the votes are not 0, the most frequent of the other still colours.
    challenger_votes
        (h, w) uint16, surveys that showed it still, minus those that showed a third colour.
    history
        (h, w) uint8, what the newest samples were: sums of `LEADER_NEWEST` to `FAR_COUNTED`.
    slots
        (h, w, n_slots) TRANSITION_SLOT, colours that are not the leader.
    evictions
        (h, w) uint16, colours that lost their slot to another, saturating.
    tail0, tail1, tail2
        (1, h, w), (1, ch, cw), (1, ch, cw) uint8, the last frame. The caller replaces them after
        each chunk.
    """

    leader: np.ndarray
    leader_surveys: np.ndarray
    leader_returns: np.ndarray
    challenger: np.ndarray
    challenger_votes: np.ndarray
    history: np.ndarray
    slots: np.ndarray
    evictions: np.ndarray
    tail0: np.ndarray
    tail1: np.ndarray
    tail2: np.ndarray


@kernel
def count_transitions(frames, n_surveys, first_row, last_row, comparison, state_inout, times_inout):
    """Count the samples around a change from or to each pixel's leader, in a band.

    A sample is counted if it is far from the leader while the sample just before it or just after
    it is the leader's. If the one after is, a return to the leader is counted, too. As the next
    sample must be known, a sample is counted one frame late.

    The first frame of each second is probed: there all colours that have a slot, and the leader,
    are marked where they show. Else the times of a colour that stays would be those of its changes.

    Parameters
    ----------
    frames : Frames
    n_surveys : int
        Surveys that the counters hold, as `held_after` counts them.
    first_row, last_row : int
        The band.
    comparison : Comparison
    state_inout : TransitionState
    times_inout : TimeBins

    Notes
    -----
    Over 90 lines: the loop over frames shares a dozen rows and the list of samples. A kernel of
    its own for the surveys, called here and in `count_outside`, cost 1 to 2 % of the speed.
    """
    leader, challenger = state_inout.leader, state_inout.challenger
    n_frames, width = len(frames.plane0), leader.shape[2]
    mask, tolerance, shift_x = comparison.mask, comparison.tolerance, frames.shift_x
    # Row i is of the frame that is decided on when frame i is seen.
    wide1 = np.empty((1 + n_frames, frames.plane1.shape[2] << shift_x), np.uint8)
    wide2 = np.empty(wide1.shape, np.uint8)
    distance = np.empty(width, np.uint8)
    moved = np.empty(width, np.uint8)
    other = np.empty(width, np.uint8)
    differs = np.empty(width, np.uint8)
    taken = np.empty(width, np.uint8)
    flags = np.zeros(-(-width // 64) * 64, np.uint8)
    flag_words = flags.view(np.uint64)
    max_listed = LISTED_ROWS * len(flags)
    listed_x = np.empty(max_listed + 1, np.int32)
    listed_tag = np.empty(max_listed + 1, np.int32)
    overtaken_x = np.empty(len(flags) + 1, np.int32)
    overtaken_tag = np.empty(len(flags) + 1, np.int32)
    prefetched = np.zeros(1, np.int64)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> frames.shift_y
        if row == first_row or chroma_row != (row - 1) >> frames.shift_y:
            widen_rows(state_inout.tail1, chroma_row, shift_x, wide1)
            widen_rows(state_inout.tail2, chroma_row, shift_x, wide2)
            widen_rows(frames.plane1, chroma_row, shift_x, wide1[1:])
            widen_rows(frames.plane2, chroma_row, shift_x, wide2[1:])
        leader0, leader1, leader2 = leader[0, row], leader[1, row], leader[2, row]
        rival0, rival1, rival2 = challenger[0, row], challenger[1, row], challenger[2, row]
        row_surveys, row_votes = state_inout.leader_surveys[row], state_inout.challenger_votes[row]
        row_history = state_inout.history[row]
        row_slots = state_inout.slots[row]
        sampled = times_inout.sample_row[row]
        n_listed = 0
        held = n_surveys
        for i in range(n_frames):
            frame = frames.first_frame + i
            luma, chroma1, chroma2 = frames.plane0[i, row], wide1[i + 1], wide2[i + 1]
            before = frames.plane0[i - 1, row] if i > 0 else state_inout.tail0[0, row]
            if frame == 0:
                leader0[:] = luma
                leader1[:] = chroma1[:width]
                leader2[:] = chroma2[:width]
                row_surveys[:] = 1
                held = 1
            difference_row(luma, leader0, mask, distance)
            greater_difference_row(chroma1, leader1, mask, distance)
            greater_difference_row(chroma2, leader2, mask, distance)
            _advance_row(distance, tolerance, comparison.far, row_history, flags)
            n_listed = list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
            n_overtaken = 0
            if frame % SURVEY_EVERY == 1:
                if held == MAX_SURVEYS:
                    held //= 2
                    halve_row(row_surveys)
                    halve_row(row_votes)
                held += 1
                differing_row(
                    luma,
                    chroma1,
                    chroma2,
                    before,
                    wide1[i],
                    wide2[i],
                    ALL_BITS,
                    np.uint8(STILLNESS),
                    moved,
                )
                differing_row(
                    luma, chroma1, chroma2, leader0, leader1, leader2, mask, tolerance, other
                )
                survey_row(moved, other, row_surveys, flags)
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
                    n_overtaken = list_set(flags, flag_words, i, overtaken_x, overtaken_tag, 0)
            second = times_inout.second[i + 1]
            is_probed = (sampled >= 0) & (second != times_inout.second[i])
            # Before a row is probed: what it finds must not depend on when the list is full.
            due = (n_overtaken > 0) | (i == n_frames - 1) | is_probed
            if due | (n_listed + len(flags) > max_listed):
                prefetched[0] = prefetch(row_slots, listed_x, n_listed)
                _deposit_listed(
                    frames,
                    wide1,
                    wide2,
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
            for k in range(n_overtaken):
                x = overtaken_x[k]
                _replace_leader(state_inout, row, x, frame, mask, tolerance_, times_inout)
            if is_probed:
                mark_shown(
                    times_inout,
                    sampled,
                    second,
                    row_slots,
                    luma,
                    chroma1,
                    chroma2,
                    leader0,
                    leader1,
                    leader2,
                    mask,
                    tolerance_,
                )


@kernel
def _advance_row(distance, tolerance, far, history_inout, flags_out):
    """Shift the newest samples' distances from the leader into the history of a row.

    Parameters
    ----------
    distance : (w,) uint8
    tolerance, far : uint8
    history_inout : (w,) uint8
    flags_out : (>= w,) uint8
        Of the samples of the frame before: 1 if they are counted, 3 if with a return, else 0.
    """
    for x in range(len(history_inout)):
        kept = np.uint8(history_inout[x] & np.uint8(LEADER_NEWEST | LEADER_COUNTED | FAR_NEWEST))
        is_leader = np.uint8(np.uint8(distance[x] <= tolerance) * np.uint8(LEADER_NEWEST))
        is_far = np.uint8(np.uint8(distance[x] > far) * np.uint8(FAR_NEWEST))
        h = np.uint8(np.uint8(kept << np.uint8(1)) | np.uint8(is_leader | is_far))
        history_inout[x] = h
        was_far = np.uint8(np.uint8(h & np.uint8(FAR_COUNTED)) != np.uint8(0))
        left = np.uint8(np.uint8(h & np.uint8(LEADER_BEFORE)) != np.uint8(0))
        returns = np.uint8(np.uint8(h & np.uint8(LEADER_NEWEST)) != np.uint8(0))
        counted = np.uint8(was_far & np.uint8(left | returns))
        flags_out[x] = np.uint8(counted | np.uint8(np.uint8(counted & returns) << np.uint8(1)))


@kernel
def _deposit_listed(
    frames,
    wide1,
    wide2,
    row,
    listed_x,
    listed_tag,
    n_listed,
    mask,
    tolerance,
    state_inout,
    times_inout,
):
    """Deposit the listed samples of a row, each of the frame before that of its tag, in order."""
    slots, evictions = state_inout.slots[row], state_inout.evictions[row]
    returns, tail0 = state_inout.leader_returns[row], state_inout.tail0[0, row]
    sampled = times_inout.sample_row[row]
    for k in range(n_listed):
        x, i = listed_x[k], listed_tag[k] >> 1
        c0 = frames.plane0[i - 1, row, x] if i > 0 else tail0[x]
        c1, c2 = wide1[i, x], wide2[i, x]
        if sampled >= 0 and times_inout.sample_column[x] >= 0:
            mark_deposit(
                times_inout,
                sampled,
                times_inout.sample_column[x],
                slots,
                x,
                c0,
                c1,
                c2,
                times_inout.second[i],
                mask,
                tolerance,
            )
        frame = frames.first_frame + np.int64(i)
        evicted = deposit_newest(slots, x, c0, c1, c2, 1, frame - 1, EPISODE_GAP, mask, tolerance)
        add_saturating(evictions, x, evicted)
        returns[x] = added(returns[x], np.int64(listed_tag[k] & 1), frame)


@kernel
def _replace_leader(state_inout, row, x, frame, mask, tolerance, times_inout):
    """Make the challenger of a pixel its leader, and the leader the challenger.

    What was counted of the new leader becomes returns to it. The old one's returns are counted
    as any other colour's, as if they all were of this frame. The history starts anew.
    """
    leader, challenger = state_inout.leader, state_inout.challenger
    slots, returns = state_inout.slots[row], state_inout.leader_returns[row]
    change_places(state_inout, row, x)
    leader0, leader1, leader2 = leader[0, row, x], leader[1, row, x], leader[2, row, x]
    c0, c1, c2 = challenger[0, row, x], challenger[1, row, x], challenger[2, row, x]
    j, i = times_inout.sample_row[row], times_inout.sample_column[x]
    sampled = j >= 0 and i >= 0
    if sampled:
        place = times_inout.seen.shape[3] - 1
        resigned = bits_of(times_inout, j, i, place)
        clear_bits(times_inout, j, i, place)
    found = free_slot_of_leader(
        times_inout, j, i, slots, x, leader0, leader1, leader2, mask, tolerance
    )
    if sampled:
        s = before_deposit(times_inout, j, i, slots, x, c0, c1, c2, mask, tolerance)
        add_bits(times_inout, j, i, s, resigned)
    evicted = resign(
        slots,
        x,
        c0,
        c1,
        c2,
        returns[x],
        frame,
        mask,
        tolerance,
    )
    returns[x] = added(0, found, frame)
    add_saturating(state_inout.evictions[row], x, evicted)
    state_inout.history[row, x] = UNCHANGED


@kernel
def resign(slots_inout, x, c0, c1, c2, returns, frame, mask, tolerance):
    """Deposit a former leader with its returns, all of one frame; return the evictions."""
    returned = max(np.int64(1), count_of(returns))
    return deposit(
        slots_inout,
        x,
        c0,
        c1,
        c2,
        returned,
        returned,
        frame,
        frame,
        EPISODE_GAP,
        False,
        mask,
        tolerance,
    )
