"""Counting the samples outside the person that are far from each pixel's leader."""

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
    deposit_far,
    deposit_newest,
    make_room,
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

OUTSIDE_SURVEY_EVERY = 8
"""Distance in frames between two surveys of the most frequent colour outside the person."""

OUTSIDE_STILLNESS = 1
"""Levels by which a leader that stands still may differ from the sample a frame before it."""

SEARCHED_COUNT = 2
"""What a sample counts of a frame in which the person was searched; of the others, whose person is
that of an earlier frame, one counts 1."""


@kernel
def count_outside(
    plane0,
    plane1,
    plane2,
    person,
    searched,
    cell,
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
    leader_stills,
    challenger,
    challenger_votes,
    outside_surveys,
    tail0,
    tail1,
    tail2,
    slots,
    evictions,
):
    """Count the samples outside the person that are not the pixel's leader.

    The leader is the colour that a survey of every `OUTSIDE_SURVEY_EVERY`-th frame finds most
    often outside the person. Counted is a sample outside the person that differs from the
    leader by more than `far` levels in some channel; of a frame in which the person was
    searched it counts `SEARCHED_COUNT`. A pixel that no survey has yet seen outside the person
    has no leader: its leader's channels are 0, and samples are compared with them. `far` is
    not below `tolerance`.

    When the challenger takes over, the slot alike it is freed, and the old leader is
    deposited with as many samples and episodes as it has surveys, all of this frame. For a
    colour without a slot, where all are taken, the one that tells least makes room: of those
    that count 1 the one that was seen longest ago; where all count more, the one
    nearest to the leader, for what is far from it is what is looked for.

    Parameters
    ----------
    plane0, plane1, plane2 : (n, h, w), (n, ch, cw), (n, ch, cw) uint8
        The frames `first_frame`, `first_frame + 1`, ...
    person : (n, ceil(h / cell), ceil(w / cell)) uint8
        Not 0 where a square of `cell` by `cell` pixels belongs to the person.
    searched : (n,) bool
        Whether that was told from the frame itself, and not from an earlier one.
    cell : int
    first_row, last_row : int
        The band.
    mask, tolerance, far : uint8
    leader, leader_surveys, challenger, challenger_votes
        As in `count_transitions`, but for what the survey looks at.
    leader_stills : (h, w) uint16
        Surveys that showed the leader, from that in which it took over, while no channel
        differed from the frame before by more than `OUTSIDE_STILLNESS` levels, whatever
        `mask` is; in frame 0 all stand still. Saturating.
    outside_surveys : (h, w) uint16
        Surveyed frames in which the pixel was outside the person, saturating.
    tail0, tail1, tail2 : (1, h, w), (1, ch, cw), (1, ch, cw) uint8
        As in `count_transitions`.
    slots : (h, w, n_slots) OUTSIDE_SLOT
        Colours that are not the leader.
    evictions : (h, w) uint16
        Colours that lost their slot to another, saturating.
    """
    n_frames, width = len(plane0), leader.shape[2]
    # Row i is of the frame before frame i.
    before1 = np.empty((1 + n_frames, plane1.shape[2] << shift_x), np.uint8)
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
    room_listed = LISTED_ROWS * len(flags)
    listed_x = np.empty(room_listed + 1, np.int32)
    listed_tag = np.empty(room_listed + 1, np.int32)
    touched = np.zeros(1, np.int64)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> shift_y
        if row == first_row or chroma_row != (row - 1) >> shift_y:
            widen_rows(tail1, chroma_row, shift_x, before1)
            widen_rows(tail2, chroma_row, shift_x, before2)
            widen_rows(plane1, chroma_row, shift_x, wide1)
            widen_rows(plane2, chroma_row, shift_x, wide2)
        if row == first_row or row % cell == 0:
            _widen_cells(person, row // cell, cell, inside)
        row0, row1, row2 = leader[0, row], leader[1, row], leader[2, row]
        rival0, rival1, rival2 = challenger[0, row], challenger[1, row], challenger[2, row]
        row_surveys, row_outside = leader_surveys[row], outside_surveys[row]
        row_stills = leader_stills[row]
        row_votes, row_slots, row_evictions = challenger_votes[row], slots[row], evictions[row]
        n_listed = 0
        for i in range(n_frames):
            frame = first_frame + i
            luma, chroma1, chroma2 = plane0[i, row], wide1[i], wide2[i]
            if frame % OUTSIDE_SURVEY_EVERY == 0:
                # The list is empty here: it was deposited after the frame before. The votes are
                # those of `count_transitions`, written out again: in a kernel of their own that
                # both call, counting took one to two per cent longer.
                differing_row(luma, chroma1, chroma2, row0, row1, row2, mask, tolerance, other)
                _count_outside_row(inside[i], row_outside)
                survey_row(inside[i], other, row_surveys, flags)
                if frame == 0:
                    moved[:] = 0
                else:
                    differing_row(
                        luma,
                        chroma1,
                        chroma2,
                        plane0[i - 1, row] if i > 0 else tail0[0, row],
                        before1[i],
                        before2[i],
                        ALL_BITS,
                        np.uint8(OUTSIDE_STILLNESS),
                        moved,
                    )
                _count_still_row(flags, moved, row_stills)
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
                    for k in range(list_set(flags, flag_words, i, listed_x, listed_tag, 0)):
                        x = listed_x[k]
                        evicted = _take_over(
                            row_slots,
                            x,
                            frame,
                            row0,
                            row1,
                            row2,
                            row_surveys,
                            rival0,
                            rival1,
                            rival2,
                            row_votes,
                            mask,
                            tolerance_,
                        )
                        row_stills[x] = 1 - moved[x]
                        add(row_evictions, x, evicted)
            difference_row(luma, row0, mask, distance)
            greater_difference_row(chroma1, row1, mask, distance)
            greater_difference_row(chroma2, row2, mask, distance)
            _flag_outside_row(distance, far, inside[i], flags)
            n_listed = list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
            # Before a survey moves the leader: what makes room depends on it, and must not depend
            # on when the list happens to be full.
            due = (i == n_frames - 1) | ((frame + 1) % OUTSIDE_SURVEY_EVERY == 0)
            if due | (n_listed + len(flags) > room_listed):
                _deposit_listed(
                    plane0,
                    wide1,
                    wide2,
                    searched,
                    row,
                    first_frame,
                    row_slots,
                    row_evictions,
                    listed_x,
                    listed_tag,
                    n_listed,
                    touched,
                    row0,
                    row1,
                    row2,
                    mask,
                    tolerance_,
                )
                n_listed = 0


@kernel
def _widen_cells(person, row, cell, inside_out):
    """Repeat each square's flag, in every frame, for the pixels of a row."""
    for i in range(len(person)):
        squares, wide = person[i, row], inside_out[i]
        for square in range(len(squares)):
            for x in range(square * cell, min(len(wide), (square + 1) * cell)):
                wide[x] = np.uint8(squares[square] != 0)


@kernel
def _count_still_row(shown, moved, stills):
    """Count where the leader shows and did not move."""
    for x in range(len(stills)):
        still = np.uint8(shown[x] & np.uint8(np.uint8(1) - moved[x]))
        more = np.uint8(still & np.uint8(stills[x] < np.uint16(U16_MAX)))
        stills[x] = np.uint16(stills[x] + np.uint16(more))


@kernel
def _count_outside_row(inside, outside_surveys):
    """Count a survey where a row is outside the person."""
    for x in range(len(inside)):
        more = np.uint8(
            np.uint8(np.uint8(1) - inside[x]) & np.uint8(outside_surveys[x] < np.uint16(U16_MAX))
        )
        outside_surveys[x] = np.uint16(outside_surveys[x] + np.uint16(more))


@kernel
def _flag_outside_row(distance, far, inside, flags_out):
    """Flag samples outside the person that are farther from the leader than `far`."""
    for x in range(len(distance)):
        is_far = np.uint8(distance[x] > far)
        flags_out[x] = np.uint8(is_far & np.uint8(np.uint8(1) - inside[x]))


@kernel
def _deposit_listed(
    plane0,
    wide1,
    wide2,
    searched,
    row,
    first_frame,
    row_slots,
    row_evictions,
    listed_x,
    listed_tag,
    n_listed,
    touched,
    leader0,
    leader1,
    leader2,
    mask,
    tolerance,
):
    """Deposit the listed samples of a row in their order."""
    touched[0] = touch(row_slots, listed_x, n_listed)
    for k in range(n_listed):
        x, i = listed_x[k], listed_tag[k] >> 1
        c0, c1, c2 = plane0[i, row, x], wide1[i, x], wide2[i, x]
        evicted = make_room(
            row_slots, x, c0, c1, c2, leader0[x], leader1[x], leader2[x], mask, tolerance
        )
        deposit_newest(
            row_slots,
            x,
            c0,
            c1,
            c2,
            SEARCHED_COUNT if searched[i] else 1,
            first_frame + np.int64(i),
            EPISODE_GAP,
            U16_MAX,
            mask,
            tolerance,
        )
        add(row_evictions, x, evicted)


@kernel
def _take_over(
    slots,
    x,
    frame,
    leader0,
    leader1,
    leader2,
    surveys,
    challenger0,
    challenger1,
    challenger2,
    votes,
    mask,
    tolerance,
):
    """Make the challenger of pixel `x` its leader, and a leader that was one the challenger.

    Returns 1 if a colour lost its slot.
    """
    surveys[x], votes[x] = votes[x], surveys[x]
    leader0[x], challenger0[x] = challenger0[x], leader0[x]
    leader1[x], challenger1[x] = challenger1[x], leader1[x]
    leader2[x], challenger2[x] = challenger2[x], leader2[x]
    take_out(slots, x, leader0[x], leader1[x], leader2[x], mask, tolerance)
    if votes[x] == 0:
        return 0
    return deposit_far(
        slots,
        x,
        challenger0[x],
        challenger1[x],
        challenger2[x],
        np.int64(votes[x]),
        np.int64(votes[x]),
        frame,
        frame,
        leader0[x],
        leader1[x],
        leader2[x],
        mask,
        tolerance,
    )


@kernel
def merge_outside(
    first_row,
    last_row,
    later_by,
    its_frames,
    mask,
    tolerance,
    leader,
    leader_surveys,
    leader_stills,
    challenger,
    challenger_votes,
    outside_surveys,
    slots,
    evictions,
    its_leader,
    its_surveys,
    its_stills,
    its_challenger,
    its_votes,
    its_outside,
    its_slots,
    its_evictions,
):
    """Add what `count_outside` counted of a later stretch of frames to that of an earlier one.

    Leaders and challengers are joined as in `merge_transitions`; what stood still of leaders
    alike the one that leads is added up. Then the later stretch's
    slots are deposited, and a leader that does not lead any more is, as in `count_outside`,
    at its stretch's last frame, the earlier stretch's first; at last the slot alike the one
    that leads is freed. What makes room is told by the distance to the one that leads.

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
        State of the earlier stretch as in `count_outside`; changed in place.
    its_leader, ..., its_evictions
        State of the later one.
    """
    tolerance_ = np.int32(tolerance)
    colour = np.empty((4, 3), np.uint8)
    votes = np.empty(4, np.int64)
    joined = np.empty(4, np.int64)
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
            lead0, lead1, lead2 = colour[first, 0], colour[first, 1], colour[first, 2]
            evicted = np.int64(its_evictions[row, x])
            for s in range(its_slots.shape[2]):
                if its_slots[row, x, s]["count"] != 0:
                    evicted += deposit_far(
                        row_slots,
                        x,
                        its_slots[row, x, s]["c0"],
                        its_slots[row, x, s]["c1"],
                        its_slots[row, x, s]["c2"],
                        np.int64(its_slots[row, x, s]["episodes"]),
                        np.int64(its_slots[row, x, s]["count"]),
                        np.int64(its_slots[row, x, s]["first"]) + later_by,
                        np.int64(its_slots[row, x, s]["last"]) + later_by,
                        lead0,
                        lead1,
                        lead2,
                        mask,
                        tolerance_,
                    )
            for k in range(2):
                surveyed = np.int64(leader_surveys[row, x] if k == 0 else its_surveys[row, x])
                if joined[k] != first and surveyed > 0:
                    seen = later_by - 1 if k == 0 else later_by + its_frames - 1
                    evicted += deposit_far(
                        row_slots,
                        x,
                        colour[k, 0],
                        colour[k, 1],
                        colour[k, 2],
                        surveyed,
                        surveyed,
                        seen,
                        seen,
                        lead0,
                        lead1,
                        lead2,
                        mask,
                        tolerance_,
                    )
            stills = np.int64(leader_stills[row, x]) if joined[0] == first else np.int64(0)
            stills += np.int64(its_stills[row, x]) if joined[1] == first else np.int64(0)
            leader_stills[row, x] = min(stills, U16_MAX)
            take_out(row_slots, x, lead0, lead1, lead2, mask, tolerance_)
            add(evictions[row], x, evicted)
            add(outside_surveys[row], x, np.int64(its_outside[row, x]))
            leader_surveys[row, x] = min(total_first, U16_MAX)
            challenger_votes[row, x] = min(total[second], U16_MAX)
            for channel in range(3):
                leader[channel, row, x] = colour[first, channel]
                challenger[channel, row, x] = colour[second, channel]
