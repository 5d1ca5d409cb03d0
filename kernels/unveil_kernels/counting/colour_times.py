"""In which time bins each colour of a sampled pixel was seen.

A grid of sampled pixels keeps, for each of its colours, one bit per time bin. The bits of a colour
move with its slot: each step here is called right before the step of `slots` that it is named
after, with the slots as they are then, and does to the bits what that one does to the slots. A
free slot has no bits.

Only sampled pixels come here, one in 64 of a large picture, so these steps are plain functions:
compiled into the kernels that count they would slow down the other pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.counters import count_of
from unveil_kernels.counting.slots import (
    deposit,
    find_slot,
    free_slot,
    least_informative_slot,
    rarest_slot,
    within_tolerance,
)

UNKNOWN_SECOND = -(1 << 62)
"""Second of a frame before the first one whose time is known."""

WORD_BITS = 64


class TimeBins(NamedTuple):
    """The bits of the sampled pixels, and the times of the frames that are counted.

    Attributes
    ----------
    seen
        (n_words, rows, columns, n_colours) uint64: bit b of word k is set where the colour was
        seen in bin 64 * k + b. Colours have the places of their slots; the leader, which has no
        slot, has the last place.
    sample_row, sample_column
        (h,), (w,) int32: the place in `seen` of a row and of a column of the picture, -1 where
        they are not sampled.
    second
        (1 + n,) int64: the time, rounded down to seconds, of the frame before the first one and of
        the n frames; or `UNKNOWN_SECOND`.
    first_bin
        Number of the first bin; bin b of `seen` begins at `(first_bin + b) << shift` seconds.
    shift
        Log2 of the seconds of a bin.
    """

    seen: np.ndarray
    sample_row: np.ndarray
    sample_column: np.ndarray
    second: np.ndarray
    first_bin: int
    shift: int


@inlined
def _mark(times, j, i, place, second):
    """Set the bit of a second, if it is known, of the colour at a place."""
    if second != UNKNOWN_SECOND:
        b = (second >> times.shift) - times.first_bin
        times.seen[b // WORD_BITS, j, i, place] |= np.uint64(1) << np.uint64(b % WORD_BITS)


@inlined
def move_bits(times, j, i, source, target):
    """Move the bits of one place to another one, and clear the first; they may be the same."""
    for k in range(len(times.seen)):
        bits = times.seen[k, j, i, source]
        times.seen[k, j, i, source] = np.uint64(0)
        times.seen[k, j, i, target] = bits


@kernel
def bits_of(times, j, i, place):
    """Copy the bits of a colour, (n_words,) uint64."""
    bits = np.empty(len(times.seen), np.uint64)
    for k in range(len(bits)):
        bits[k] = times.seen[k, j, i, place]
    return bits


@kernel
def add_bits(times, j, i, place, bits):
    """Set further bits, (n_words,) uint64, of the colour at a place."""
    for k in range(len(bits)):
        times.seen[k, j, i, place] |= bits[k]


@kernel
def clear_bits(times, j, i, place):
    """Clear the bits of the colour at a place."""
    for k in range(len(times.seen)):
        times.seen[k, j, i, place] = np.uint64(0)


@kernel
def before_deposit(times, j, i, slots, x, c0, c1, c2, mask, tolerance):
    """Return the slot that `deposit` and `deposit_newest` will use, cleared if they will evict."""
    s = find_slot(slots, x, c0, c1, c2, mask, tolerance)
    if s == slots.shape[1]:
        s = rarest_slot(slots, x)
        clear_bits(times, j, i, s)
    return s


@kernel
def before_make_room(times, j, i, slots, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance):
    """Do to the bits what `make_room` will do to the slots; return the slot to deposit in."""
    s = find_slot(slots, x, c0, c1, c2, mask, tolerance)
    if s == slots.shape[1]:
        s -= 1
        move_bits(times, j, i, s, least_informative_slot(slots, x, leader0, leader1, leader2))
        clear_bits(times, j, i, s)
    return s


@kernel
def before_free_slot(times, j, i, slots, x, c0, c1, c2, mask, tolerance):
    """Do to the bits what `free_slot` will do to the slots; return the colour's bits."""
    s = find_slot(slots, x, c0, c1, c2, mask, tolerance)
    if s == slots.shape[1] or slots[x, s]["count"] == 0:
        return np.zeros(len(times.seen), np.uint64)
    bits = bits_of(times, j, i, s)
    end = s + 1
    while end < slots.shape[1] and slots[x, end]["count"] != 0:
        end += 1
    move_bits(times, j, i, end - 1, s)
    if end - 1 == s:
        clear_bits(times, j, i, s)
    return bits


@kernel
def free_slot_of_leader(times_inout, j, i, slots_inout, x, c0, c1, c2, mask, tolerance):
    """Free the slot of a pixel's new leader, as `free_slot`; its bits become those of the leader.

    The pixel's place in the grid of samples is `j` and `i`, -1 where it is not sampled.
    """
    if j >= 0 and i >= 0:
        freed = before_free_slot(times_inout, j, i, slots_inout, x, c0, c1, c2, mask, tolerance)
        add_bits(times_inout, j, i, times_inout.seen.shape[3] - 1, freed)
    return free_slot(slots_inout, x, c0, c1, c2, mask, tolerance)


@kernel
def mark_deposit(times, j, i, slots, x, c0, c1, c2, second, mask, tolerance):
    """Mark a sample right before `deposit_newest`."""
    _mark(times, j, i, before_deposit(times, j, i, slots, x, c0, c1, c2, mask, tolerance), second)


@kernel
def mark_far(times, j, i, slots, x, c0, c1, c2, leader0, leader1, leader2, second, mask, tolerance):
    """Mark a sample right before `make_room` and `deposit_newest`."""
    s = before_make_room(
        times, j, i, slots, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance
    )
    _mark(times, j, i, s, second)


@kernel
def mark_run(times, j, i, slots, x, c0, c1, c2, first_second, last_second, mask, tolerance):
    """Mark a run from its first to its last second, right before `deposit`."""
    s = before_deposit(times, j, i, slots, x, c0, c1, c2, mask, tolerance)
    if last_second == UNKNOWN_SECOND:
        return
    if first_second == UNKNOWN_SECOND:
        first_second = last_second
    # Where time stamps go backwards, a run may end before it began.
    first = (min(first_second, last_second) >> times.shift) - times.first_bin
    last = (max(first_second, last_second) >> times.shift) - times.first_bin
    for k in range(first // WORD_BITS, last // WORD_BITS + 1):
        bits = np.uint64(0xFFFFFFFFFFFFFFFF)
        if k == first // WORD_BITS:
            bits &= np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(first % WORD_BITS)
        if k == last // WORD_BITS:
            bits &= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(WORD_BITS - 1 - last % WORD_BITS)
        times.seen[k, j, i, s] |= bits


@kernel
def mark_leaders(times, j, second, distance, tolerance, inside, leader_surveys):
    """Mark the leaders of a sampled row where they show outside the person mask.

    Parameters
    ----------
    times : TimeBins
    j : int
        The row's place in `seen`.
    second : int
        Of the frame.
    distance : (w,) uint8
        Greatest differences from the leaders.
    tolerance : uint8
    inside : (w,) uint8
        1 where the person is.
    leader_surveys : (w,) uint16
        A pixel without a survey has no leader yet.
    """
    leader = times.seen.shape[3] - 1
    for x in range(len(leader_surveys)):
        i = times.sample_column[x]
        if i >= 0 and inside[x] == 0 and distance[x] <= tolerance and leader_surveys[x] > 0:
            _mark(times, j, i, leader, second)


@kernel
def mark_shown(times, j, second, slots, c0, c1, c2, leader0, leader1, leader2, mask, tolerance):
    """Mark the colours that a sampled row shows, if they are the leader or have a slot.

    Parameters
    ----------
    times : TimeBins
    j : int
        The row's place in `seen`.
    second : int
        Of the frame.
    slots : (w, n_slots) records
    c0, c1, c2 : (>= w,) uint8
        The row's samples.
    leader0, leader1, leader2 : (w,) uint8
    mask, tolerance : uint8, int32
    """
    leader = times.seen.shape[3] - 1
    for x in range(len(leader0)):
        i = times.sample_column[x]
        if i < 0:
            continue
        if within_tolerance(
            c0[x], c1[x], c2[x], leader0[x], leader1[x], leader2[x], mask, tolerance
        ):
            _mark(times, j, i, leader, second)
            continue
        s = find_slot(slots, x, c0[x], c1[x], c2[x], mask, tolerance)
        if s < slots.shape[1] and slots[x, s]["count"] != 0:
            _mark(times, j, i, s, second)


@inlined
def deposit_all(
    slots_inout,
    x,
    later_slots,
    later_by,
    gap,
    exact,
    mask,
    tolerance,
    j,
    i,
    times_inout,
    later_times,
):
    """Deposit a pixel's slots of a later part, `later_by` frames later; return the evictions.

    The pixel's place in the grid of samples is `j` and `i`, -1 where it is not sampled.
    """
    evicted = 0
    for s in range(later_slots.shape[1]):
        if later_slots[x, s]["count"] != 0:
            if j >= 0 and i >= 0:
                place = before_deposit(
                    times_inout,
                    j,
                    i,
                    slots_inout,
                    x,
                    later_slots[x, s]["c0"],
                    later_slots[x, s]["c1"],
                    later_slots[x, s]["c2"],
                    mask,
                    tolerance,
                )
                add_bits(times_inout, j, i, place, bits_of(later_times, j, i, s))
            evicted += deposit(
                slots_inout,
                x,
                later_slots[x, s]["c0"],
                later_slots[x, s]["c1"],
                later_slots[x, s]["c2"],
                count_of(later_slots[x, s]["episodes"]),
                np.int64(later_slots[x, s]["count"])
                if exact
                else count_of(later_slots[x, s]["count"]),
                np.int64(later_slots[x, s]["first"]) + later_by,
                np.int64(later_slots[x, s]["last"]) + later_by,
                gap,
                exact,
                mask,
                tolerance,
            )
    return evicted
