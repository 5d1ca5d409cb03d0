"""Counting the samples around a change from or to each pixel's leader, a still colour."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel
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
    U16_MAX,
    add,
    deposit,
    deposit_all,
    deposit_newest,
    take_out,
    touch,
)
from unveil_kernels.counting.survey import (
    follow_row,
    join,
    most_voted,
    overtaken_row,
    survey_row,
    take_row,
    vote_row,
)

SURVEY_EVERY = 16
"""Distance in frames between two surveys of the most frequent still colour.

Frames 1, `1 + SURVEY_EVERY`, ... are surveyed, each beside the one before it, and frame 0,
which makes its colours the first leaders.
"""

STILLNESS = 2
"""Levels by which a still sample may differ from the one a frame before it."""

LEADER_NEWEST, LEADER_COUNTED, LEADER_BEFORE = 1, 2, 4
"""Bits of a pixel's history: whether its newest samples were the leader's.

That of the newest frame, the one before it, which is then counted or not, and one more.
"""

FAR_NEWEST, FAR_COUNTED = 8, 16
"""Bits that tell of the newest two whether they were far from the leader."""

UNCHANGED = LEADER_NEWEST | LEADER_COUNTED | LEADER_BEFORE
"""History of a pixel that has always shown its leader."""


@kernel
def count_transitions(
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
    far,
    leader,
    leader_surveys,
    leader_returns,
    challenger,
    challenger_votes,
    history,
    tail0,
    tail1,
    tail2,
    slots,
    evictions,
):
    """Count the samples around a change from or to each pixel's leader.

    Counted is a sample that differs from the leader by more than `far` levels in some
    channel, while the sample just before it or just after it is the leader's. If it is the
    one after, a return to the leader is counted, too. `far` is over `tolerance`, so that a
    colour at the border of the two does not flicker in and out. As the next sample must be
    known, a sample is counted one frame late.

    Parameters
    ----------
    plane0, plane1, plane2 : (n, h, w), (n, ch, cw), (n, ch, cw) uint8
        The frames `first_frame`, `first_frame + 1`, ...
    first_row, last_row : int
        The band.
    mask, tolerance, far : uint8
    leader : (3, h, w) uint8
        The leader's colour. It follows the surveyed samples by one level at a time.
    leader_surveys : (h, w) uint16
        Surveyed frames that showed it unmoving, saturating.
    leader_returns : (h, w) uint16
        Returns to it, saturating.
    challenger : (3, h, w) uint8
        Where the votes are not 0, the most frequent of the other still colours, found with
        a single counter (Misra and Gries 1982). When it has more votes than the leader
        surveys, the two change places.
    challenger_votes : (h, w) uint16
        Surveyed frames that showed it unmoving, less those that showed a third colour.
    history : (h, w) uint8
        What the newest samples were: sums of `LEADER_NEWEST` to `FAR_COUNTED`.
    tail0, tail1, tail2 : (1, h, w), (1, ch, cw), (1, ch, cw) uint8
        The frame before `first_frame`; the caller replaces it after each chunk.
    slots : (h, w, n_slots) TRANSITION_SLOT
        Colours that are not the leader.
    evictions : (h, w) uint16
        Colours that lost their slot to another, saturating.
    """
    n_frames, width = len(plane0), leader.shape[2]
    # Row i is of the frame that is decided on when frame i is seen.
    wide1 = np.empty((1 + n_frames, plane1.shape[2] << shift_x), np.uint8)
    wide2 = np.empty(wide1.shape, np.uint8)
    distance = np.empty(width, np.uint8)
    moved = np.empty(width, np.uint8)
    other = np.empty(width, np.uint8)
    differs = np.empty(width, np.uint8)
    taken = np.empty(width, np.uint8)
    flags = np.zeros(-(-width // 64) * 64, np.uint8)
    flag_words = flags.view(np.uint64)
    room_listed = LISTED_ROWS * len(flags)
    listed_x = np.empty(room_listed + 1, np.int32)
    listed_tag = np.empty(room_listed + 1, np.int32)
    overtaken_x = np.empty(len(flags) + 1, np.int32)
    overtaken_tag = np.empty(len(flags) + 1, np.int32)
    touched = np.zeros(1, np.int64)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> shift_y
        if row == first_row or chroma_row != (row - 1) >> shift_y:
            widen_rows(tail1, chroma_row, shift_x, wide1)
            widen_rows(tail2, chroma_row, shift_x, wide2)
            widen_rows(plane1, chroma_row, shift_x, wide1[1:])
            widen_rows(plane2, chroma_row, shift_x, wide2[1:])
        row0, row1, row2 = leader[0, row], leader[1, row], leader[2, row]
        row_surveys, row_returns = leader_surveys[row], leader_returns[row]
        rival0, rival1, rival2 = challenger[0, row], challenger[1, row], challenger[2, row]
        row_votes, row_history = challenger_votes[row], history[row]
        row_slots, row_evictions = slots[row], evictions[row]
        n_listed = 0
        for i in range(n_frames):
            frame = first_frame + i
            luma, chroma1, chroma2 = plane0[i, row], wide1[i + 1], wide2[i + 1]
            before = plane0[i - 1, row] if i > 0 else tail0[0, row]
            if frame == 0:
                row0[:] = luma
                row1[:] = chroma1[:width]
                row2[:] = chroma2[:width]
                row_surveys[:] = 1
            difference_row(luma, row0, mask, distance)
            greater_difference_row(chroma1, row1, mask, distance)
            greater_difference_row(chroma2, row2, mask, distance)
            _advance_row(distance, tolerance, far, row_history, flags)
            n_listed = list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
            n_overtaken = 0
            if frame % SURVEY_EVERY == 1:
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
                differing_row(luma, chroma1, chroma2, row0, row1, row2, mask, tolerance, other)
                survey_row(moved, other, row_surveys, flags)
                follow_row(luma, flags, row0)
                follow_row(chroma1, flags, row1)
                follow_row(chroma2, flags, row2)
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
            if (n_overtaken > 0) | (i == n_frames - 1) | (n_listed + len(flags) > room_listed):
                touched[0] = touch(row_slots, listed_x, n_listed)
                for k in range(n_listed):
                    x, j = listed_x[k], listed_tag[k] >> 1
                    evicted = deposit_newest(
                        row_slots,
                        x,
                        plane0[j - 1, row, x] if j > 0 else tail0[0, row, x],
                        wide1[j, x],
                        wide2[j, x],
                        1,
                        first_frame + np.int64(j) - 1,
                        EPISODE_GAP,
                        U16_MAX,
                        mask,
                        tolerance_,
                    )
                    add(row_evictions, x, evicted)
                    add(row_returns, x, np.int64(listed_tag[k] & 1))
                n_listed = 0
            for k in range(n_overtaken):
                x = overtaken_x[k]
                evicted = _change_places(
                    row_slots,
                    x,
                    frame,
                    row0,
                    row1,
                    row2,
                    row_surveys,
                    row_returns,
                    rival0,
                    rival1,
                    rival2,
                    row_votes,
                    mask,
                    tolerance_,
                )
                add(row_evictions, x, evicted)
                row_history[x] = UNCHANGED  # against the new leader


@kernel
def _advance_row(distance, tolerance, far, history, flags_out):
    """Shift the newest samples' distances from the leader into the history of a row.

    Flagged are the samples of the frame before: 1 if they are counted, 3 if with a return.
    """
    for x in range(len(history)):
        kept = np.uint8(history[x] & np.uint8(LEADER_NEWEST | LEADER_COUNTED | FAR_NEWEST))
        is_leader = np.uint8(np.uint8(distance[x] <= tolerance) * np.uint8(LEADER_NEWEST))
        is_far = np.uint8(np.uint8(distance[x] > far) * np.uint8(FAR_NEWEST))
        h = np.uint8(np.uint8(kept << np.uint8(1)) | np.uint8(is_leader | is_far))
        history[x] = h
        was_far = np.uint8(np.uint8(h & np.uint8(FAR_COUNTED)) != np.uint8(0))
        left = np.uint8(np.uint8(h & np.uint8(LEADER_BEFORE)) != np.uint8(0))
        returns = np.uint8(np.uint8(h & np.uint8(LEADER_NEWEST)) != np.uint8(0))
        counted = np.uint8(was_far & np.uint8(left | returns))
        flags_out[x] = np.uint8(counted | np.uint8(np.uint8(counted & returns) << np.uint8(1)))


@kernel
def _change_places(
    slots,
    x,
    frame,
    leader0,
    leader1,
    leader2,
    surveys,
    returns,
    challenger0,
    challenger1,
    challenger2,
    votes,
    mask,
    tolerance,
):
    """Make the challenger of pixel `x` its leader, and the leader the challenger.

    What was counted of the new leader becomes returns to it, and the old one's returns are
    counted as any other colour's, as if they all were of this frame. Returns 1 if a colour
    lost its slot.
    """
    found = take_out(slots, x, challenger0[x], challenger1[x], challenger2[x], mask, tolerance)
    returned = max(np.int64(1), np.int64(returns[x]))
    evicted = deposit(
        slots,
        x,
        leader0[x],
        leader1[x],
        leader2[x],
        returned,
        returned,
        frame,
        frame,
        EPISODE_GAP,
        U16_MAX,
        mask,
        tolerance,
    )
    returns[x] = found
    surveys[x], votes[x] = votes[x], surveys[x]
    leader0[x], challenger0[x] = challenger0[x], leader0[x]
    leader1[x], challenger1[x] = challenger1[x], leader1[x]
    leader2[x], challenger2[x] = challenger2[x], leader2[x]
    return evicted


@kernel
def merge_transitions(
    first_row,
    last_row,
    later_by,
    its_frames,
    mask,
    tolerance,
    leader,
    leader_surveys,
    leader_returns,
    challenger,
    challenger_votes,
    history,
    slots,
    evictions,
    its_leader,
    its_surveys,
    its_returns,
    its_challenger,
    its_votes,
    its_history,
    its_slots,
    its_evictions,
):
    """Add what was counted of a later stretch of frames to that of an earlier one.

    The four still colours, each stretch's leader and challenger, are joined where they are
    alike: the one with the most votes, of equals that with the smallest channels, takes in
    those alike to it, then the next one that is left. Of the colours joined the one with
    the most votes leads, and the next one is its challenger. A leader that does not lead
    any more is deposited as in `count_transitions`, at its stretch's last frame; the
    slot alike the one that leads becomes returns to it.

    Parameters
    ----------
    first_row, last_row : int
        The band.
    later_by : int
        Frame of the earlier stretch at which the later one's frame 0 lies.
    its_frames : int
        Frames of the later stretch.
    mask, tolerance : uint8
    leader, ..., evictions
        State of the earlier stretch as in `count_transitions`; changed in place.
    its_leader, ..., its_evictions
        State of the later one.
    """
    tolerance_ = np.int32(tolerance)
    colour = np.empty((4, 3), np.uint8)
    votes = np.empty(4, np.int64)
    joined = np.empty(4, np.int64)  # the place of the colour that took it in
    total = np.empty(4, np.int64)
    for row in range(first_row, last_row):
        row_slots = slots[row]
        for x in range(leader.shape[2]):
            for channel in range(3):
                colour[0, channel] = leader[channel, row, x]
                colour[1, channel] = its_leader[channel, row, x]
                colour[2, channel] = challenger[channel, row, x]
                colour[3, channel] = its_challenger[channel, row, x]
            votes[0], votes[1] = leader_surveys[row, x], its_surveys[row, x]
            votes[2], votes[3] = challenger_votes[row, x], its_votes[row, x]
            join(colour, votes, mask, tolerance_, joined, total)
            first = most_voted(colour, total)
            total_first = total[first]
            total[first] = 0
            second = most_voted(colour, total)

            evicted = np.int64(its_evictions[row, x])
            returns = np.int64(0)
            if joined[0] == first:
                returns += np.int64(leader_returns[row, x])
            else:
                returned = max(np.int64(1), np.int64(leader_returns[row, x]))
                evicted += deposit(
                    row_slots,
                    x,
                    colour[0, 0],
                    colour[0, 1],
                    colour[0, 2],
                    returned,
                    returned,
                    later_by - 1,
                    later_by - 1,
                    EPISODE_GAP,
                    U16_MAX,
                    mask,
                    tolerance_,
                )
            evicted += deposit_all(
                row_slots, x, its_slots[row], later_by, EPISODE_GAP, U16_MAX, mask, tolerance_
            )
            if joined[1] == first:
                returns += np.int64(its_returns[row, x])
                history[row, x] = its_history[row, x]
            else:
                returned = max(np.int64(1), np.int64(its_returns[row, x]))
                evicted += deposit(
                    row_slots,
                    x,
                    colour[1, 0],
                    colour[1, 1],
                    colour[1, 2],
                    returned,
                    returned,
                    later_by + its_frames - 1,
                    later_by + its_frames - 1,
                    EPISODE_GAP,
                    U16_MAX,
                    mask,
                    tolerance_,
                )
                history[row, x] = UNCHANGED
            returns += take_out(
                row_slots,
                x,
                colour[first, 0],
                colour[first, 1],
                colour[first, 2],
                mask,
                tolerance_,
            )
            add(evictions[row], x, evicted)
            leader_returns[row, x] = min(returns, U16_MAX)
            leader_surveys[row, x] = min(total_first, U16_MAX)
            challenger_votes[row, x] = min(total[second], U16_MAX)
            for channel in range(3):
                leader[channel, row, x] = colour[first, channel]
                challenger[channel, row, x] = colour[second, channel]
