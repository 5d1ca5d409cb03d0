"""Quantised colour counts per pixel, updated in place from chunks of frames.

A pixel has a few slots; a slot is one colour with its counts (`RUN_SLOT`,
`TRANSITION_SLOT`). Three accumulators fill them: `count_runs` deposits every run of a
colour, `count_transitions` only samples right before or after a pixel's leader, the still
colour that a survey of every `SURVEY_EVERY`-th frame finds most often; `count_outside` all
samples outside the person that are far from a leader that was found outside the person, too.

Kernels work on the rows `first_row <= row < last_row`, so that threads can share one
state. Colours are three 8-bit channels; the second and third may be subsampled by
`2**shift_y` and `2**shift_x`. Two colours are alike where no channel, of which only the
bits in `mask` count, differs by more than `tolerance` levels.

Whole rows are compared in loops that vectorise. What must be counted is listed over the
frames of a chunk and deposited afterwards: first all slots of the list are touched, which
waits for memory once and not once a sample, then they are changed in the list's order.
When that happens changes nothing but the time it takes.

Arithmetic on 8-bit values is cast back to 8 bits at every step: otherwise it widens to
64 bits and those loops become nine times slower. A loop reads and writes few arrays: with
more than eight pairs of them that might overlap it would not be vectorised at all.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

RUN_SLOT = np.dtype(
    [
        ("c0", np.uint8),  # the colour
        ("c1", np.uint8),
        ("c2", np.uint8),
        ("episodes", np.uint16),  # separate times at which it came up, saturating
        ("count", np.uint32),  # samples counted, saturating
        ("first", np.uint32),  # frame of the first and of the last of them
        ("last", np.uint32),
    ]
)
"""One colour of a pixel. A slot is free where `count` is 0; free ones are the last.

The colour is that of the most samples deposited at once, and from then on follows each
deposit by one level: a running median (sigma-delta estimation, Manzanera and Richefeu 2004).
"""

TRANSITION_SLOT = np.dtype(
    [
        ("c0", np.uint8),
        ("c1", np.uint8),
        ("c2", np.uint8),
        ("spare", np.uint8),
        ("episodes", np.uint16),
        ("count", np.uint16),
        ("first", np.uint32),
        ("last", np.uint32),
    ]
)
"""The same in 16 bytes: four make a cache line. Its `count` stops at 65535."""

OUTSIDE_SLOT = np.dtype(
    [
        ("c0", np.uint8),
        ("c1", np.uint8),
        ("c2", np.uint8),
        ("episodes", np.uint16),
        ("count", np.uint16),
        ("first", np.uint32),
        ("last", np.uint32),
    ]
)
"""The same without the spare byte: where a pixel has more slots than a cache line holds."""

EPISODE_GAP = 4
"""Transitions nearer than this, in frames, are one: a single flicker of the edge."""

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

OUTSIDE_SURVEY_EVERY = 8
"""Distance in frames between two surveys of the most frequent colour outside the person."""

OUTSIDE_STILLNESS = 1
"""Levels by which a leader that stands still may differ from the sample a frame before it."""

SEARCHED_COUNT = 2
"""What a sample counts of a frame in which the person was searched; of the others, whose person is
that of an earlier frame, one counts 1."""

LISTED_ROWS = 4
"""Samples of a row that are listed before they are deposited: so many rows full."""

CACHE_LINE = 64
"""Bytes that memory hands over at once."""

ALL_BITS = np.uint8(255)
U16_MAX = 65535
U32_MAX = 4294967295


@inlined
def same_colour(a0, a1, a2, b0, b1, b2, mask, tolerance):
    """Whether two colours of 8-bit channels are alike."""
    return (
        (abs(np.int32(a0 & mask) - np.int32(b0 & mask)) <= tolerance)
        & (abs(np.int32(a1 & mask) - np.int32(b1 & mask)) <= tolerance)
        & (abs(np.int32(a2 & mask) - np.int32(b2 & mask)) <= tolerance)
    )


@inlined
def _followed(level, sample):
    """Return a level moved by one towards a sample's."""
    return np.uint8(np.int32(level) + np.int32(sample > level) - np.int32(sample < level))


@inlined
def _find_slot(slots, x, c0, c1, c2, mask, tolerance):
    """Return the first slot of a pixel that is alike, else a free one, else their number."""
    s = 0
    while s < slots.shape[1]:
        if slots[x, s]["count"] == 0:
            break
        if same_colour(
            slots[x, s]["c0"], slots[x, s]["c1"], slots[x, s]["c2"], c0, c1, c2, mask, tolerance
        ):
            break
        s += 1
    return s


@inlined
def _rarest_slot(slots, x):
    """Return the slot with the fewest samples, of these the one not seen for longest."""
    s = 0
    for other in range(1, slots.shape[1]):
        if (slots[x, other]["count"] < slots[x, s]["count"]) | (
            (slots[x, other]["count"] == slots[x, s]["count"])
            & (slots[x, other]["last"] < slots[x, s]["last"])
        ):
            s = other
    return s


@inlined
def _fill(slot, c0, c1, c2, episodes, count, first, last):
    """Write all of a slot."""
    slot["c0"] = c0
    slot["c1"] = c1
    slot["c2"] = c2
    slot["episodes"] = episodes
    slot["count"] = count
    slot["first"] = first
    slot["last"] = last


@inlined
def _follow(slot, c0, c1, c2):
    """Move a slot's colour by one level towards another one."""
    slot["c0"] = _followed(slot["c0"], c0)
    slot["c1"] = _followed(slot["c1"], c1)
    slot["c2"] = _followed(slot["c2"], c2)


@inlined
def _deposit(
    slots, x, c0, c1, c2, episodes, count, first, last, gap, most_counted, mask, tolerance
):
    """Add samples of one colour to pixel `x` of a row of slots; return 1 if one was evicted.

    `episodes` to `last` are what the slot's fields of these names gain. Samples at most `gap`
    frames after the slot's last ones continue its episode. `most_counted` is the largest
    value of the slots' `count`.
    """
    evicted = 0
    s = _find_slot(slots, x, c0, c1, c2, mask, tolerance)
    if s == slots.shape[1]:
        evicted = 1
        s = _rarest_slot(slots, x)
        slots[x, s]["count"] = 0
    slot = slots[x, s]
    had = np.int64(slot["count"])
    if had == 0:
        _fill(slot, c0, c1, c2, episodes, count, first, last)
    else:
        if had < count:
            slot["c0"] = c0
            slot["c1"] = c1
            slot["c2"] = c2
        else:
            _follow(slot, c0, c1, c2)
        new_episodes = episodes - np.int64(first <= np.int64(slot["last"]) + gap)
        slot["episodes"] = min(np.int64(slot["episodes"]) + new_episodes, U16_MAX)
        slot["count"] = min(had + count, most_counted)
        slot["first"] = min(np.int64(slot["first"]), first)
        slot["last"] = max(np.int64(slot["last"]), last)
    return evicted


@inlined
def _deposit_newest(slots, x, c0, c1, c2, counts, frame, gap, most_counted, mask, tolerance):
    """Do what `_deposit` does with a sample later than all before, which counts `counts`: hot."""
    evicted = 0
    # Written out: with the loop of `_find_slot` inlined from there a deposit took a third longer.
    n_slots = slots.shape[1]
    s = 0
    while s < n_slots:
        if slots[x, s]["count"] == 0:
            break
        if same_colour(
            slots[x, s]["c0"], slots[x, s]["c1"], slots[x, s]["c2"], c0, c1, c2, mask, tolerance
        ):
            break
        s += 1
    if s == n_slots:
        evicted = 1
        s = _rarest_slot(slots, x)
        slots[x, s]["count"] = 0
    if slots[x, s]["count"] == 0:
        slots[x, s]["c0"] = c0
        slots[x, s]["c1"] = c1
        slots[x, s]["c2"] = c2
        slots[x, s]["episodes"] = 1
        slots[x, s]["count"] = counts
        slots[x, s]["first"] = frame
        slots[x, s]["last"] = frame
    else:
        if slots[x, s]["count"] < counts:
            slots[x, s]["c0"] = c0
            slots[x, s]["c1"] = c1
            slots[x, s]["c2"] = c2
        else:
            slots[x, s]["c0"] = _followed(slots[x, s]["c0"], c0)
            slots[x, s]["c1"] = _followed(slots[x, s]["c1"], c1)
            slots[x, s]["c2"] = _followed(slots[x, s]["c2"], c2)
        more = np.int64(frame - np.int64(slots[x, s]["last"]) > gap)
        slots[x, s]["episodes"] = min(np.int64(slots[x, s]["episodes"]) + more, U16_MAX)
        slots[x, s]["count"] = min(np.int64(slots[x, s]["count"]) + counts, most_counted)
        slots[x, s]["last"] = frame
    return evicted


@inlined
def _deposit_all(slots, x, others, later_by, gap, most_counted, mask, tolerance):
    """Deposit a pixel's slots of a later stretch of frames; return how many were evicted."""
    evicted = 0
    for s in range(others.shape[1]):
        if others[x, s]["count"] != 0:
            evicted += _deposit(
                slots,
                x,
                others[x, s]["c0"],
                others[x, s]["c1"],
                others[x, s]["c2"],
                np.int64(others[x, s]["episodes"]),
                np.int64(others[x, s]["count"]),
                np.int64(others[x, s]["first"]) + later_by,
                np.int64(others[x, s]["last"]) + later_by,
                gap,
                most_counted,
                mask,
                tolerance,
            )
    return evicted


@inlined
def _take_out(slots, x, c0, c1, c2, mask, tolerance):
    """Free the slot of a colour, if there is one; return its episodes.

    The last used slot moves into its place.
    """
    s = _find_slot(slots, x, c0, c1, c2, mask, tolerance)
    episodes = np.int64(0)
    if s < slots.shape[1] and slots[x, s]["count"] != 0:
        episodes = np.int64(slots[x, s]["episodes"])
        end = s + 1
        while end < slots.shape[1] and slots[x, end]["count"] != 0:
            end += 1
        slots[x, s] = slots[x, end - 1]
        slots[x, end - 1]["count"] = 0
    return episodes


@inlined
def _add(row, x, amount):
    """Add to a 16-bit counter that stops at its largest value instead of wrapping."""
    row[x] = min(np.int64(row[x]) + amount, U16_MAX)


@kernel
def _touch(slots, listed_x, n_listed):
    """Read something of every listed pixel's slots, all at once; return its sum.

    The sum is of no use, but only what is used is not left out by the compiler.
    """
    total = np.int64(0)
    for k in range(n_listed):
        total += np.int64(slots[listed_x[k], 0]["count"])
        total += np.int64(slots[listed_x[k], slots.shape[1] - 1]["count"])
    return total


@kernel
def _widen_rows(chroma, row, shift_x, rows_out):
    """Repeat each sample of a chroma row, in every frame, so that it lies below its luma."""
    for i in range(len(chroma)):
        samples, wide = chroma[i, row], rows_out[i]
        if shift_x == 0:
            for x in range(len(samples)):
                wide[x] = samples[x]
        elif shift_x == 1:
            for x in range(len(samples)):
                wide[2 * x] = samples[x]
                wide[2 * x + 1] = samples[x]
        else:
            for x in range(len(wide)):
                wide[x] = samples[x >> shift_x]


@inlined
def _difference(a, b, mask):
    """Absolute difference of two levels, in 8 bits."""
    a = np.uint8(a & mask)
    b = np.uint8(b & mask)
    return np.uint8(np.uint8(max(a, b)) - np.uint8(min(a, b)))


@inlined
def _distance(a0, a1, a2, b0, b1, b2, mask):
    """Greatest difference of a channel, in 8 bits."""
    distance = np.uint8(max(_difference(a0, b0, mask), _difference(a1, b1, mask)))
    return np.uint8(max(distance, _difference(a2, b2, mask)))


@kernel
def _differing_row(a0, a1, a2, b0, b1, b2, mask, tolerance, differs_out):
    """Tell, as 1 or 0, where two rows of colours are not alike; the row `b0` is the length."""
    for x in range(len(b0)):
        distance = _distance(a0[x], a1[x], a2[x], b0[x], b1[x], b2[x], mask)
        differs_out[x] = np.uint8(distance > tolerance)


@kernel
def _list_set(flags, words, i, listed_x, listed_tag, n_listed):
    """Append the places of flags that are 1 or 3, and for each `2 * i`, plus 1 for a 3.

    There are flags for whole blocks of 64; they are read eight at a time as `words`. Returns
    the new length of the list, which must have room for one more than all flags.
    """
    for block in range(0, len(words), 8):
        if (
            words[block]
            | words[block + 1]
            | words[block + 2]
            | words[block + 3]
            | words[block + 4]
            | words[block + 5]
            | words[block + 6]
            | words[block + 7]
        ) == 0:
            continue
        for word in range(block, block + 8):
            if words[word] != 0:
                for x in range(8 * word, 8 * word + 8):
                    listed_x[n_listed] = x
                    listed_tag[n_listed] = 2 * i + np.int64(flags[x] >> 1)
                    n_listed += np.int64(flags[x] & 1)
    return n_listed


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
            _widen_rows(plane1, chroma_row, shift_x, wide1)
            _widen_rows(plane2, chroma_row, shift_x, wide2)
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
            _differing_row(luma, chroma1, chroma2, row0, row1, row2, mask, tolerance, broken)
            n_before = n_listed
            n_listed = _list_set(broken, broken_words, i, listed_x, listed_tag, n_listed)
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
                touched[0] = _touch(row_slots, listed_x, n_listed)
                for k in range(n_listed):
                    x = listed_x[k]
                    end = first_frame + np.int64(listed_tag[k] >> 1)
                    evicted = _deposit(
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
                    _add(row_evictions, x, evicted)
                n_listed = 0


@kernel
def close_runs(n_frames, first_row, last_row, mask, tolerance, run, run_start, slots, evictions):
    """Deposit the runs that still go on after `n_frames` frames; arguments as `count_runs`."""
    for row in range(first_row, last_row):
        for x in range(run.shape[2]):
            evicted = _deposit(
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
            _add(evictions[row], x, evicted)


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
            evicted = _deposit_all(
                slots[row], x, its_slots[row], later_by, 1, U32_MAX, mask, np.int32(tolerance)
            )
            _add(evictions[row], x, np.int64(its_evictions[row, x]) + evicted)


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
            _widen_rows(tail1, chroma_row, shift_x, wide1)
            _widen_rows(tail2, chroma_row, shift_x, wide2)
            _widen_rows(plane1, chroma_row, shift_x, wide1[1:])
            _widen_rows(plane2, chroma_row, shift_x, wide2[1:])
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
            _difference_row(luma, row0, mask, distance)
            _greater_difference_row(chroma1, row1, mask, distance)
            _greater_difference_row(chroma2, row2, mask, distance)
            _advance_row(distance, tolerance, far, row_history, flags)
            n_listed = _list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
            n_overtaken = 0
            if frame % SURVEY_EVERY == 1:
                _differing_row(
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
                _differing_row(luma, chroma1, chroma2, row0, row1, row2, mask, tolerance, other)
                _survey_row(moved, other, row_surveys, flags)
                _follow_row(luma, flags, row0)
                _follow_row(chroma1, flags, row1)
                _follow_row(chroma2, flags, row2)
                if other.any():
                    _differing_row(
                        luma, chroma1, chroma2, rival0, rival1, rival2, mask, tolerance, differs
                    )
                    _vote_row(other, differs, row_votes, taken)
                    _take_row(luma, taken, rival0)
                    _take_row(chroma1, taken, rival1)
                    _take_row(chroma2, taken, rival2)
                    _follow_row(luma, differs, rival0)
                    _follow_row(chroma1, differs, rival1)
                    _follow_row(chroma2, differs, rival2)
                    _overtaken_row(row_surveys, row_votes, flags)
                    n_overtaken = _list_set(flags, flag_words, i, overtaken_x, overtaken_tag, 0)
            if (n_overtaken > 0) | (i == n_frames - 1) | (n_listed + len(flags) > room_listed):
                touched[0] = _touch(row_slots, listed_x, n_listed)
                for k in range(n_listed):
                    x, j = listed_x[k], listed_tag[k] >> 1
                    evicted = _deposit_newest(
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
                    _add(row_evictions, x, evicted)
                    _add(row_returns, x, np.int64(listed_tag[k] & 1))
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
                _add(row_evictions, x, evicted)
                row_history[x] = UNCHANGED  # against the new leader


@kernel
def _difference_row(a, b, mask, distance_out):
    """Take the differences of two rows of a channel; the row `b` is the length."""
    for x in range(len(b)):
        distance_out[x] = _difference(a[x], b[x], mask)


@kernel
def _greater_difference_row(a, b, mask, distance_inout):
    """Keep the greater of a row of differences and those of one more channel."""
    for x in range(len(b)):
        distance_inout[x] = np.uint8(max(distance_inout[x], _difference(a[x], b[x], mask)))


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
def _survey_row(moved, other_inout, leader_surveys, shown_out):
    """Count the leader where it shows unmoving; leave the other unmoving colours in `other`."""
    for x in range(len(moved)):
        still = np.uint8(np.uint8(1) - moved[x])
        shown_out[x] = np.uint8(still & np.uint8(np.uint8(1) - other_inout[x]))
        other_inout[x] = np.uint8(still & other_inout[x])
    for x in range(len(moved)):
        more = np.uint8(shown_out[x] & np.uint8(leader_surveys[x] < np.uint16(U16_MAX)))
        leader_surveys[x] = np.uint16(leader_surveys[x] + np.uint16(more))


@kernel
def _vote_row(other, differs_inout, votes, taken_out):
    """Vote for the challenger, or against it, where another unmoving colour shows.

    Where it had no vote left the colour is to take its place, with one vote (`taken_out`);
    `differs_inout` becomes where the colour is alike the challenger, which is to follow it.
    """
    for x in range(len(other)):
        has = np.uint8(votes[x] != np.uint16(0))
        against = np.uint8(other[x] & np.uint8(has & differs_inout[x]))
        taken_out[x] = np.uint8(other[x] & np.uint8(np.uint8(1) - has))
        differs_inout[x] = np.uint8(other[x] & np.uint8(has & np.uint8(~against & np.uint8(1))))
    for x in range(len(other)):
        more = np.uint8(taken_out[x] | differs_inout[x])
        less = np.uint8(other[x] & np.uint8(np.uint8(1) - more))
        more = np.uint8(more & np.uint8(votes[x] < np.uint16(U16_MAX)))
        votes[x] = np.uint16(np.uint16(votes[x] + np.uint16(more)) - np.uint16(less))


@kernel
def _take_row(sample, taken, colour_inout):
    """Copy a channel where a flag is 1."""
    for x in range(len(colour_inout)):
        a = sample[x]
        b = colour_inout[x]
        colour_inout[x] = a if taken[x] != 0 else b


@kernel
def _follow_row(sample, shown, colour_inout):
    """Move a channel one level towards the sample where a flag is 1."""
    for x in range(len(colour_inout)):
        a = sample[x]
        b = colour_inout[x]
        flag = shown[x]
        up = np.uint8(np.uint8(a > b) & flag)
        down = np.uint8(np.uint8(a < b) & flag)
        colour_inout[x] = np.uint8(np.uint8(b + up) - down)


@kernel
def _overtaken_row(leader_surveys, votes, overtaken_out):
    """Flag where the challenger was seen oftener than the leader."""
    for x in range(len(votes)):
        overtaken_out[x] = np.uint8(votes[x] > leader_surveys[x])


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
    found = _take_out(slots, x, challenger0[x], challenger1[x], challenger2[x], mask, tolerance)
    returned = max(np.int64(1), np.int64(returns[x]))
    evicted = _deposit(
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
            _join(colour, votes, mask, tolerance_, joined, total)
            first = _most_voted(colour, total)
            total_first = total[first]
            total[first] = 0
            second = _most_voted(colour, total)

            evicted = np.int64(its_evictions[row, x])
            returns = np.int64(0)
            if joined[0] == first:
                returns += np.int64(leader_returns[row, x])
            else:
                returned = max(np.int64(1), np.int64(leader_returns[row, x]))
                evicted += _deposit(
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
            evicted += _deposit_all(
                row_slots, x, its_slots[row], later_by, EPISODE_GAP, U16_MAX, mask, tolerance_
            )
            if joined[1] == first:
                returns += np.int64(its_returns[row, x])
                history[row, x] = its_history[row, x]
            else:
                returned = max(np.int64(1), np.int64(its_returns[row, x]))
                evicted += _deposit(
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
            returns += _take_out(
                row_slots,
                x,
                colour[first, 0],
                colour[first, 1],
                colour[first, 2],
                mask,
                tolerance_,
            )
            _add(evictions[row], x, evicted)
            leader_returns[row, x] = min(returns, U16_MAX)
            leader_surveys[row, x] = min(total_first, U16_MAX)
            challenger_votes[row, x] = min(total[second], U16_MAX)
            for channel in range(3):
                leader[channel, row, x] = colour[first, channel]
                challenger[channel, row, x] = colour[second, channel]


@inlined
def _most_voted(colour, votes):
    """Place of the colour with the most votes, of equals that with the smallest channels."""
    best = 0
    for k in range(1, len(votes)):
        smaller = (
            np.int64(colour[k, 0]) * 65536 + np.int64(colour[k, 1]) * 256 + np.int64(colour[k, 2])
        ) < (
            np.int64(colour[best, 0]) * 65536
            + np.int64(colour[best, 1]) * 256
            + np.int64(colour[best, 2])
        )
        if (votes[k] > votes[best]) | ((votes[k] == votes[best]) & smaller):
            best = k
    return best


@kernel
def _join(colour, votes_inout, mask, tolerance, joined_out, total_out):
    """Sum the votes of alike colours, the most voted first; `votes_inout` become 0."""
    for k in range(len(votes_inout)):
        joined_out[k] = -1
        total_out[k] = 0
    for _ in range(len(votes_inout)):
        best = _most_voted(colour, votes_inout)
        if votes_inout[best] == 0:
            break
        for k in range(len(votes_inout)):
            if votes_inout[k] > 0 and same_colour(
                colour[k, 0],
                colour[k, 1],
                colour[k, 2],
                colour[best, 0],
                colour[best, 1],
                colour[best, 2],
                mask,
                tolerance,
            ):
                joined_out[k] = best
                total_out[best] += votes_inout[k]
                votes_inout[k] = 0


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
            _widen_rows(tail1, chroma_row, shift_x, before1)
            _widen_rows(tail2, chroma_row, shift_x, before2)
            _widen_rows(plane1, chroma_row, shift_x, wide1)
            _widen_rows(plane2, chroma_row, shift_x, wide2)
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
                _differing_row(luma, chroma1, chroma2, row0, row1, row2, mask, tolerance, other)
                _count_outside_row(inside[i], row_outside)
                _survey_row(inside[i], other, row_surveys, flags)
                if frame == 0:
                    moved[:] = 0
                else:
                    _differing_row(
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
                _follow_row(luma, flags, row0)
                _follow_row(chroma1, flags, row1)
                _follow_row(chroma2, flags, row2)
                if other.any():
                    _differing_row(
                        luma, chroma1, chroma2, rival0, rival1, rival2, mask, tolerance, differs
                    )
                    _vote_row(other, differs, row_votes, taken)
                    _take_row(luma, taken, rival0)
                    _take_row(chroma1, taken, rival1)
                    _take_row(chroma2, taken, rival2)
                    _follow_row(luma, differs, rival0)
                    _follow_row(chroma1, differs, rival1)
                    _follow_row(chroma2, differs, rival2)
                    _overtaken_row(row_surveys, row_votes, flags)
                    for k in range(_list_set(flags, flag_words, i, listed_x, listed_tag, 0)):
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
                        _add(row_evictions, x, evicted)
            _difference_row(luma, row0, mask, distance)
            _greater_difference_row(chroma1, row1, mask, distance)
            _greater_difference_row(chroma2, row2, mask, distance)
            _flag_outside_row(distance, far, inside[i], flags)
            n_listed = _list_set(flags, flag_words, i, listed_x, listed_tag, n_listed)
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


@inlined
def _least_telling_slot(slots, x, leader0, leader1, leader2):
    """Return the slot to give up, as `count_outside` says; distances are summed over channels."""
    best, best_rank = 0, np.int64(1) << 62
    for s in range(slots.shape[1]):
        if slots[x, s]["count"] == 1:
            # Below all distances.
            rank = np.int64(slots[x, s]["last"]) - (np.int64(1) << 33)
        else:
            rank = (
                abs(np.int64(slots[x, s]["c0"]) - np.int64(leader0))
                + abs(np.int64(slots[x, s]["c1"]) - np.int64(leader1))
                + abs(np.int64(slots[x, s]["c2"]) - np.int64(leader2))
            )
        if rank < best_rank:
            best, best_rank = s, rank
    return best


@inlined
def _make_room(slots, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance):
    """Free the last slot if a colour has none and none is free; return 1 if one was given up."""
    if _find_slot(slots, x, c0, c1, c2, mask, tolerance) != slots.shape[1]:
        return 0
    s = _least_telling_slot(slots, x, leader0, leader1, leader2)
    end = slots.shape[1] - 1
    slots[x, s] = slots[x, end]
    slots[x, end]["count"] = 0
    return 1


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
    touched[0] = _touch(row_slots, listed_x, n_listed)
    for k in range(n_listed):
        x, i = listed_x[k], listed_tag[k] >> 1
        c0, c1, c2 = plane0[i, row, x], wide1[i, x], wide2[i, x]
        evicted = _make_room(
            row_slots, x, c0, c1, c2, leader0[x], leader1[x], leader2[x], mask, tolerance
        )
        _deposit_newest(
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
        _add(row_evictions, x, evicted)


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
    _take_out(slots, x, leader0[x], leader1[x], leader2[x], mask, tolerance)
    if votes[x] == 0:
        return 0
    return _deposit_far(
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


@inlined
def _deposit_far(
    slots,
    x,
    c0,
    c1,
    c2,
    episodes,
    count,
    first,
    last,
    leader0,
    leader1,
    leader2,
    mask,
    tolerance,
):
    """Do what `_deposit` does, but let what tells least make room; return 1 if one did."""
    evicted = _make_room(slots, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance)
    _deposit(
        slots, x, c0, c1, c2, episodes, count, first, last, EPISODE_GAP, U16_MAX, mask, tolerance
    )
    return evicted


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
            _join(colour, votes, mask, tolerance_, joined, total)
            first = _most_voted(colour, total)
            total_first = total[first]
            total[first] = 0
            second = _most_voted(colour, total)
            lead0, lead1, lead2 = colour[first, 0], colour[first, 1], colour[first, 2]
            evicted = np.int64(its_evictions[row, x])
            for s in range(its_slots.shape[2]):
                if its_slots[row, x, s]["count"] != 0:
                    evicted += _deposit_far(
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
                    evicted += _deposit_far(
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
            _take_out(row_slots, x, lead0, lead1, lead2, mask, tolerance_)
            _add(evictions[row], x, evicted)
            _add(outside_surveys[row], x, np.int64(its_outside[row, x]))
            leader_surveys[row, x] = min(total_first, U16_MAX)
            challenger_votes[row, x] = min(total[second], U16_MAX)
            for channel in range(3):
                leader[channel, row, x] = colour[first, channel]
                challenger[channel, row, x] = colour[second, channel]
