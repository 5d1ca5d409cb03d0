"""Quantised colour counts per pixel, updated in place from chunks of frames.

A pixel has a few slots; a slot is one colour with its counts (`SLOT`). Two accumulators
fill them: `count_runs` deposits every run of a colour, `count_transitions` only samples
next to a change from or to the pixel's leader, the still colour that a survey of every
`SURVEY_EVERY`-th frame finds most often.

Kernels work on the rows `first_row <= row < last_row`, so that threads can share one
state. Colours are three 8-bit channels; the second and third may be subsampled by
`2**shift_y` and `2**shift_x`. Two colours are the same where no channel, of which only
the bits in `mask` count, differs by more than `tolerance` levels.

Whole rows are compared first, in loops that vectorise; only where a sample must be
counted is a slot touched. Arithmetic on 8-bit values is cast back to 8 bits at every
step: otherwise it widens to 64 bits and those loops become nine times slower.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

SLOT = np.dtype(
    [
        ("c0", np.uint16),  # mean of each channel, in 1/256 of a level
        ("c1", np.uint16),
        ("c2", np.uint16),
        ("episodes", np.uint16),  # separate times at which the colour came up, saturating
        ("surveys", np.uint16),  # surveyed frames in which it was seen, saturating
        ("count", np.uint32),  # samples counted
        ("first", np.uint32),  # frame of the first and of the last of them
        ("last", np.uint32),
    ]
)
"""One colour of a pixel. A slot is free where `count` and `surveys` are both 0."""

WINDOW = 2
"""A sample is next to a change where the leader shows at most so many frames away."""

EPISODE_GAP = 2 * WINDOW
"""Transitions nearer than this, in frames, are one: a single flicker of the edge."""

SURVEY_EVERY = 16
"""Distance in frames between two surveys of the most frequent still colour.

Frames `WINDOW`, `WINDOW + SURVEY_EVERY`, ... are surveyed, and frame 0, which makes its
colours the first leaders.
"""

STILLNESS = 2
"""Levels by which a still sample may differ from the one `WINDOW` frames before it."""

UNCHANGED = 31
"""History of a pixel that has always shown its leader.

Bits 0 to 4 tell of the newest five samples, the newest lowest, whether they were the
leader; bits 5 to 7 of the newest three whether they were far from it.
"""

ALL_BITS = np.uint8(255)
U16_MAX = 65535
U32_MAX = 4294967295


@inlined
def same_colour(a0, a1, a2, b0, b1, b2, mask, tolerance):
    """Whether two colours of 8-bit channels, given as integers, count as one."""
    return (
        (abs((a0 & mask) - (b0 & mask)) <= tolerance)
        & (abs((a1 & mask) - (b1 & mask)) <= tolerance)
        & (abs((a2 & mask) - (b2 & mask)) <= tolerance)
    )


@inlined
def _mean(mean, value, share):
    """Move a mean, in 1/256 of a level, by its new samples' share of all of them."""
    difference = np.float32(np.int32(value) - np.int32(mean))
    return np.uint16(np.float32(mean) + difference * share + np.float32(0.5))


@inlined
def _find_slot(slots, x, start, c0, c1, c2, mask, tolerance):
    """Return the slot for a colour in 1/256 of a level, and whether it is new to it.

    That is, from slot `start` on, the first of the same colour, else a free one, else the
    one with the fewest sightings (of these the one not seen for longest), whose colour is
    evicted.
    """
    n_slots = slots.shape[1]
    level0 = (np.int32(c0) + 128) >> 8
    level1 = (np.int32(c1) + 128) >> 8
    level2 = (np.int32(c2) + 128) >> 8
    s = start
    new = False
    while s < n_slots:
        new = (slots[x, s]["count"] | slots[x, s]["surveys"]) == 0
        if new or same_colour(
            level0,
            level1,
            level2,
            (np.int32(slots[x, s]["c0"]) + 128) >> 8,
            (np.int32(slots[x, s]["c1"]) + 128) >> 8,
            (np.int32(slots[x, s]["c2"]) + 128) >> 8,
            mask,
            tolerance,
        ):
            break
        s += 1
    if s == n_slots:
        new = True
        s = start
        fewest = np.int64(slots[x, s]["count"]) + np.int64(slots[x, s]["surveys"])
        for other in range(start + 1, n_slots):
            sightings = np.int64(slots[x, other]["count"]) + np.int64(slots[x, other]["surveys"])
            if (sightings < fewest) | (
                (sightings == fewest) & (slots[x, other]["last"] < slots[x, s]["last"])
            ):
                s = other
                fewest = sightings
    return s, new


@inlined
def _deposit(
    slots, x, start, c0, c1, c2, episodes, surveys, count, first, last, gap, mask, tolerance
):
    """Add samples of one colour to the slots from `start` on of pixel `x` of a row.

    The colour is in 1/256 of a level; `episodes` to `last` are what the slot's fields of
    these names gain. Samples at most `gap` frames after the slot's last ones
    continue its episode. Returns the slot, and 1 where it was taken from another colour.
    """
    s, new = _find_slot(slots, x, start, c0, c1, c2, mask, tolerance)
    evicted = np.uint16(0)
    if new:
        evicted = np.uint16((slots[x, s]["count"] | slots[x, s]["surveys"]) != 0)
        slots[x, s]["c0"] = c0
        slots[x, s]["c1"] = c1
        slots[x, s]["c2"] = c2
        slots[x, s]["episodes"] = episodes
        slots[x, s]["surveys"] = surveys
        slots[x, s]["count"] = count
        slots[x, s]["first"] = first
        slots[x, s]["last"] = last
    else:
        had = np.float32(slots[x, s]["count"]) + np.float32(slots[x, s]["surveys"])
        gained = np.float32(count) + np.float32(surveys)
        share = gained / (had + gained)
        slots[x, s]["c0"] = _mean(slots[x, s]["c0"], c0, share)
        slots[x, s]["c1"] = _mean(slots[x, s]["c1"], c1, share)
        slots[x, s]["c2"] = _mean(slots[x, s]["c2"], c2, share)
        slots[x, s]["surveys"] = min(np.int64(slots[x, s]["surveys"]) + surveys, U16_MAX)
        more_episodes = np.int64(episodes)
        if count > 0:
            if slots[x, s]["count"] == 0:
                slots[x, s]["first"] = first
                slots[x, s]["last"] = last
            else:
                if first <= np.int64(slots[x, s]["last"]) + gap:
                    more_episodes -= 1
                slots[x, s]["first"] = min(np.int64(slots[x, s]["first"]), first)
                slots[x, s]["last"] = max(np.int64(slots[x, s]["last"]), last)
            slots[x, s]["count"] = min(np.int64(slots[x, s]["count"]) + count, U32_MAX)
        slots[x, s]["episodes"] = min(np.int64(slots[x, s]["episodes"]) + more_episodes, U16_MAX)
    return s, evicted


@inlined
def _add(row, x, amount):
    """Add to a 16-bit counter that stops at its largest value instead of wrapping."""
    row[x] = min(np.int64(row[x]) + amount, U16_MAX)


@kernel
def _widen_row(chroma, shift_x, row_out):
    """Repeat each sample of a chroma row so that it lies below its luma samples."""
    if shift_x == 0:
        for x in range(len(chroma)):
            row_out[x] = chroma[x]
    elif shift_x == 1:
        for x in range(len(chroma)):
            row_out[2 * x] = chroma[x]
            row_out[2 * x + 1] = chroma[x]
    else:
        for x in range(len(row_out)):
            row_out[x] = chroma[x >> shift_x]


@kernel
def _distance_row(sample, reference, mask, distance_out):
    """Absolute difference of one channel."""
    for x in range(len(reference)):
        a = np.uint8(sample[x] & mask)
        b = np.uint8(reference[x] & mask)
        distance_out[x] = np.uint8(np.uint8(max(a, b)) - np.uint8(min(a, b)))


@kernel
def _greater_distance_row(sample, reference, mask, distance_inout):
    """Raise a distance to the absolute difference of a further channel."""
    for x in range(len(reference)):
        a = np.uint8(sample[x] & mask)
        b = np.uint8(reference[x] & mask)
        difference = np.uint8(np.uint8(max(a, b)) - np.uint8(min(a, b)))
        distance_inout[x] = np.uint8(max(distance_inout[x], difference))


@kernel
def _find_set(flags, words, found_out):
    """Write the places of the flags that are 1, read eight at a time as `words`; count them."""
    n_found = 0
    for word in range(len(words)):
        if words[word] != 0:
            for x in range(8 * word, 8 * word + 8):
                found_out[n_found] = x
                n_found += np.int64(flags[x])
    return n_found


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
    run0,
    run1,
    run2,
    run_start,
    slots,
    evictions,
):
    """Count every run of every colour.

    A run is a stretch of samples that stay the same colour as its first. It is deposited
    when it ends; the run that goes on is in `run*` and `run_start`.

    Parameters
    ----------
    plane0, plane1, plane2 : (n, h, w), (n, ch, cw), (n, ch, cw) uint8
        The frames `first_frame`, `first_frame + 1`, ...
    first_row, last_row : int
        The band.
    mask, tolerance : uint8
    run0, run1, run2 : (h, w) uint8
        First colour of the run that goes on.
    run_start : (h, w) uint32
        Frame in which it began.
    slots : (h, w, n_slots) SLOT
    evictions : (h, w) uint16
        Colours that lost their slot to another, saturating.
    """
    width = run0.shape[1]
    wide1 = np.empty(plane1.shape[2] << shift_x, np.uint8)
    wide2 = np.empty(plane2.shape[2] << shift_x, np.uint8)
    distance = np.empty(width, np.uint8)
    broken = np.zeros(-(-width // 8) * 8, np.uint8)
    broken_words = broken.view(np.uint64)
    found = np.empty(len(broken) + 1, np.int64)
    mask_ = np.int32(mask)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> shift_y
        row0, row1, row2, start = run0[row], run1[row], run2[row], run_start[row]
        row_slots, row_evictions = slots[row], evictions[row]
        for i in range(len(plane0)):
            frame = first_frame + i
            luma = plane0[i, row]
            _widen_row(plane1[i, chroma_row], shift_x, wide1)
            _widen_row(plane2[i, chroma_row], shift_x, wide2)
            if frame == 0:
                row0[:] = luma
                row1[:] = wide1[:width]
                row2[:] = wide2[:width]
                start[:] = 0
            _distance_row(luma, row0, mask, distance)
            _greater_distance_row(wide1, row1, mask, distance)
            _greater_distance_row(wide2, row2, mask, distance)
            for x in range(width):
                broken[x] = np.uint8(distance[x] > tolerance)
            for k in range(_find_set(broken, broken_words, found)):
                x = found[k]
                _, evicted = _deposit(
                    row_slots,
                    x,
                    0,
                    np.uint16(row0[x]) << 8,
                    np.uint16(row1[x]) << 8,
                    np.uint16(row2[x]) << 8,
                    1,
                    0,
                    frame - np.int64(start[x]),
                    np.int64(start[x]),
                    frame - 1,
                    1,
                    mask_,
                    tolerance_,
                )
                _add(row_evictions, x, evicted)
                row0[x] = luma[x]
                row1[x] = wide1[x]
                row2[x] = wide2[x]
                start[x] = frame


@kernel
def close_runs(
    n_frames, first_row, last_row, mask, tolerance, run0, run1, run2, run_start, slots, evictions
):
    """Deposit the runs that still go on after `n_frames` frames; arguments as `count_runs`."""
    for row in range(first_row, last_row):
        for x in range(run0.shape[1]):
            _, evicted = _deposit(
                slots[row],
                x,
                0,
                np.uint16(run0[row, x]) << 8,
                np.uint16(run1[row, x]) << 8,
                np.uint16(run2[row, x]) << 8,
                1,
                0,
                n_frames - np.int64(run_start[row, x]),
                np.int64(run_start[row, x]),
                n_frames - 1,
                1,
                np.int32(mask),
                np.int32(tolerance),
            )
            _add(evictions[row], x, evicted)


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
    leader0,
    leader1,
    leader2,
    leader_surveys,
    history,
    tail0,
    tail1,
    tail2,
    slots,
    evictions,
):
    """Count the samples next to a change from or to each pixel's leader.

    Counted is a sample that differs from the leader by more than `far` levels in some
    channel while a sample at most `WINDOW` frames before or after it is the leader's.
    `far` is over `tolerance`, so that a colour at the border of the two does not flicker
    in and out. As the future must be known, a sample is counted `WINDOW` frames late.

    Parameters
    ----------
    plane0, plane1, plane2 : (n, h, w), (n, ch, cw), (n, ch, cw) uint8
        The frames `first_frame`, `first_frame + 1`, ...
    first_row, last_row : int
        The band.
    mask, tolerance, far : uint8
    leader0, leader1, leader2 : (h, w) uint8
        The leader's colour. It follows the surveyed samples by one level at a time, which
        makes it their running median (sigma-delta estimation, Manzanera and Richefeu 2004).
    leader_surveys : (h, w) uint16
        Surveyed frames that showed it unmoving, saturating.
    history : (h, w) uint8
        The newest samples, as `UNCHANGED` says.
    tail0, tail1, tail2 : (2, h, w), (2, ch, cw), (2, ch, cw) uint8
        The two frames before `first_frame`; the caller replaces them after each chunk.
    slots : (h, w, n_slots) SLOT
        Slot 0 is the leader's: its `episodes` are the returns to it; its colour and its
        `surveys` stand in the arrays above until `store_leaders`.
    evictions : (h, w) uint16
        Colours that lost their slot to another, saturating.
    """
    width = leader0.shape[1]
    wide1 = np.empty(plane1.shape[2] << shift_x, np.uint8)
    wide2 = np.empty(plane2.shape[2] << shift_x, np.uint8)
    before1 = np.empty(len(wide1), np.uint8)
    before2 = np.empty(len(wide2), np.uint8)
    distance = np.empty(width, np.uint8)
    movement = np.empty(width, np.uint8)
    flags = np.zeros(-(-width // 8) * 8, np.uint8)
    flag_words = flags.view(np.uint64)
    found = np.empty(len(flags) + 1, np.int64)
    mask_ = np.int32(mask)
    tolerance_ = np.int32(tolerance)
    for row in range(first_row, last_row):
        chroma_row = row >> shift_y
        row0, row1, row2, row_history = leader0[row], leader1[row], leader2[row], history[row]
        row_surveys, row_slots, row_evictions = leader_surveys[row], slots[row], evictions[row]
        for i in range(len(plane0)):
            frame = first_frame + i
            luma = plane0[i, row]
            _widen_row(plane1[i, chroma_row], shift_x, wide1)
            _widen_row(plane2[i, chroma_row], shift_x, wide2)
            if i >= WINDOW:
                luma_before = plane0[i - WINDOW, row]
                chroma1_before = plane1[i - WINDOW, chroma_row]
                chroma2_before = plane2[i - WINDOW, chroma_row]
            else:
                luma_before = tail0[i, row]
                chroma1_before = tail1[i, chroma_row]
                chroma2_before = tail2[i, chroma_row]
            if frame == 0:
                row0[:] = luma
                row1[:] = wide1[:width]
                row2[:] = wide2[:width]
                row_surveys[:] = 1
            _distance_row(luma, row0, mask, distance)
            _greater_distance_row(wide1, row1, mask, distance)
            _greater_distance_row(wide2, row2, mask, distance)
            _advance_row(row_history, distance, tolerance, far, flags)
            for k in range(_find_set(flags, flag_words, found)):
                x = found[k]
                _, evicted = _deposit(
                    row_slots,
                    x,
                    1,
                    np.uint16(luma_before[x]) << 8,
                    np.uint16(chroma1_before[x >> shift_x]) << 8,
                    np.uint16(chroma2_before[x >> shift_x]) << 8,
                    1,
                    0,
                    1,
                    frame - WINDOW,
                    frame - WINDOW,
                    EPISODE_GAP,
                    mask_,
                    tolerance_,
                )
                _add(row_evictions, x, evicted)
                # The last sample before the leader's next one stands for a return to it.
                returned = (row_history[x] >> 1) & 1
                row_slots[x, 0]["episodes"] = min(
                    np.int64(row_slots[x, 0]["episodes"]) + returned, U16_MAX
                )
            if frame % SURVEY_EVERY == WINDOW:
                _widen_row(chroma1_before, shift_x, before1)
                _widen_row(chroma2_before, shift_x, before2)
                _distance_row(luma, luma_before, ALL_BITS, movement)
                _greater_distance_row(wide1, before1[:width], ALL_BITS, movement)
                _greater_distance_row(wide2, before2[:width], ALL_BITS, movement)
                _survey_row(distance, movement, tolerance, row_surveys, flags)
                _follow_row(luma, distance, movement, tolerance, row0)
                _follow_row(wide1, distance, movement, tolerance, row1)
                _follow_row(wide2, distance, movement, tolerance, row2)
                for k in range(_find_set(flags, flag_words, found)):
                    x = found[k]
                    s, evicted = _deposit(
                        row_slots,
                        x,
                        1,
                        np.uint16(luma[x]) << 8,
                        np.uint16(wide1[x]) << 8,
                        np.uint16(wide2[x]) << 8,
                        0,
                        1,
                        0,
                        0,
                        0,
                        0,
                        mask_,
                        tolerance_,
                    )
                    _add(row_evictions, x, evicted)
                    if row_slots[x, s]["surveys"] > row_surveys[x]:
                        _promote(row_slots, x, s, row0, row1, row2, row_surveys)
                        row_history[x] = UNCHANGED  # against the new leader


@kernel
def _advance_row(history, distance, tolerance, far, counted_out):
    """Shift the newest sample of a row into its history; flag the samples to count."""
    for x in range(len(history)):
        leader = np.uint8(np.uint8(history[x] & np.uint8(15)) << np.uint8(1))
        away = np.uint8(np.uint8(history[x] & np.uint8(96)) << np.uint8(1))
        leader = np.uint8(leader | np.uint8(distance[x] <= tolerance))
        away = np.uint8(away | np.uint8(np.uint8(distance[x] > far) << np.uint8(5)))
        history[x] = np.uint8(leader | away)
        counted_out[x] = np.uint8(
            np.uint8(np.uint8(away & np.uint8(128)) != np.uint8(0))
            & np.uint8(np.uint8(leader & np.uint8(27)) != np.uint8(0))
        )


@kernel
def _survey_row(distance, movement, tolerance, leader_surveys, challenged_out):
    """Count the leader where it shows unmoving; flag the other unmoving colours."""
    for x in range(len(leader_surveys)):
        still = np.uint8(movement[x] <= np.uint8(STILLNESS))
        challenged_out[x] = np.uint8(still & np.uint8(distance[x] > tolerance))
    for x in range(len(leader_surveys)):
        shown = np.uint8(
            np.uint8(movement[x] <= np.uint8(STILLNESS)) & np.uint8(distance[x] <= tolerance)
        )
        leader_surveys[x] = np.uint16(
            leader_surveys[x] + np.uint16(shown & np.uint8(leader_surveys[x] < np.uint16(U16_MAX)))
        )


@kernel
def _follow_row(sample, distance, movement, tolerance, leader_inout):
    """Move a channel of the leader one level towards the sample where it shows unmoving."""
    for x in range(len(leader_inout)):
        a = sample[x]
        b = leader_inout[x]
        shown = np.uint8(
            np.uint8(movement[x] <= np.uint8(STILLNESS)) & np.uint8(distance[x] <= tolerance)
        )
        raised = np.uint8(b + np.uint8(np.uint8(a > b) & shown))
        leader_inout[x] = np.uint8(raised - np.uint8(np.uint8(a < b) & shown))


@inlined
def _swap_slots(slots, x, a, b):
    """Exchange two slots of a pixel."""
    c0, c1, c2 = slots[x, a]["c0"], slots[x, a]["c1"], slots[x, a]["c2"]
    episodes, surveys = slots[x, a]["episodes"], slots[x, a]["surveys"]
    count, first, last = slots[x, a]["count"], slots[x, a]["first"], slots[x, a]["last"]
    slots[x, a] = slots[x, b]
    slots[x, b]["c0"] = c0
    slots[x, b]["c1"] = c1
    slots[x, b]["c2"] = c2
    slots[x, b]["episodes"] = episodes
    slots[x, b]["surveys"] = surveys
    slots[x, b]["count"] = count
    slots[x, b]["first"] = first
    slots[x, b]["last"] = last


@inlined
def _store_leader(slots, x, leader0, leader1, leader2, leader_surveys):
    slots[x, 0]["c0"] = np.uint16(leader0[x]) << 8
    slots[x, 0]["c1"] = np.uint16(leader1[x]) << 8
    slots[x, 0]["c2"] = np.uint16(leader2[x]) << 8
    slots[x, 0]["surveys"] = leader_surveys[x]


@inlined
def _load_leader(slots, x, leader0, leader1, leader2, leader_surveys):
    leader0[x] = (np.int32(slots[x, 0]["c0"]) + 128) >> 8
    leader1[x] = (np.int32(slots[x, 0]["c1"]) + 128) >> 8
    leader2[x] = (np.int32(slots[x, 0]["c2"]) + 128) >> 8
    leader_surveys[x] = slots[x, 0]["surveys"]


@kernel
def _promote(slots, x, s, leader0, leader1, leader2, leader_surveys):
    """Make the colour of slot `s` the leader, in slot 0, and the leader's slot its."""
    _store_leader(slots, x, leader0, leader1, leader2, leader_surveys)
    _swap_slots(slots, x, 0, s)
    _load_leader(slots, x, leader0, leader1, leader2, leader_surveys)


@kernel
def store_leaders(first_row, last_row, leader0, leader1, leader2, leader_surveys, slots):
    """Write each pixel's leader into its slot 0; arguments as `count_transitions`."""
    for row in range(first_row, last_row):
        for x in range(leader0.shape[1]):
            _store_leader(
                slots[row], x, leader0[row], leader1[row], leader2[row], leader_surveys[row]
            )


@kernel
def elect_leaders(first_row, last_row, leader0, leader1, leader2, leader_surveys, slots):
    """Make the most surveyed colour of each pixel its leader.

    Of equals the one with the smallest channels wins, so that the order in which slots
    were filled does not matter. Arguments as `count_transitions`.
    """
    for row in range(first_row, last_row):
        row_slots = slots[row]
        for x in range(leader0.shape[1]):
            best = 0
            for s in range(1, row_slots.shape[1]):
                a, b = row_slots[x, s], row_slots[x, best]
                if a["surveys"] > b["surveys"] or (
                    a["surveys"] == b["surveys"]
                    and a["surveys"] > 0
                    and (a["c0"], a["c1"], a["c2"]) < (b["c0"], b["c1"], b["c2"])
                ):
                    best = s
            if best != 0:
                _swap_slots(row_slots, x, 0, best)
            _load_leader(
                row_slots, x, leader0[row], leader1[row], leader2[row], leader_surveys[row]
            )


@kernel
def merge_slots(
    first_row,
    last_row,
    later_by,
    episode_gap,
    mask,
    tolerance,
    slots,
    evictions,
    others,
    others_evictions,
):
    """Add the slots of a later stretch of frames to those of an earlier one.

    Parameters
    ----------
    first_row, last_row : int
        The band.
    later_by : int
        Frame of the earlier stretch at which the later one's frame 0 lies.
    episode_gap : int
        Frames over which an episode continues.
    mask, tolerance : uint8
    slots, evictions : (h, w, n_slots) SLOT, (h, w) uint16
        Of the earlier stretch; changed in place.
    others, others_evictions : (h, w, m_slots) SLOT, (h, w) uint16
        Of the later one.
    """
    for row in range(first_row, last_row):
        for x in range(slots.shape[1]):
            _add(evictions[row], x, np.int64(others_evictions[row, x]))
            for s in range(others.shape[2]):
                other = others[row, x, s]
                if (other["count"] | other["surveys"]) != 0:
                    _, evicted = _deposit(
                        slots[row],
                        x,
                        0,
                        other["c0"],
                        other["c1"],
                        other["c2"],
                        other["episodes"],
                        other["surveys"],
                        other["count"],
                        other["first"] + later_by,
                        other["last"] + later_by,
                        episode_gap,
                        np.int32(mask),
                        np.int32(tolerance),
                    )
                    _add(evictions[row], x, evicted)
