"""A pixel's slots: colours with what was counted of them, found, filled, merged and freed.

A pixel has a few slots, the used ones first; a slot is one colour with its counts. Steps here
are compiled into the kernels that call them, one pixel at a time.
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

CACHE_LINE = 64
"""Bytes that memory hands over at once."""

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
def deposit(slots, x, c0, c1, c2, episodes, count, first, last, gap, most_counted, mask, tolerance):
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
def deposit_newest(slots, x, c0, c1, c2, counts, frame, gap, most_counted, mask, tolerance):
    """Do what `deposit` does with a sample later than all before, which counts `counts`: hot."""
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
def deposit_all(slots, x, others, later_by, gap, most_counted, mask, tolerance):
    """Deposit a pixel's slots of a later stretch of frames; return how many were evicted."""
    evicted = 0
    for s in range(others.shape[1]):
        if others[x, s]["count"] != 0:
            evicted += deposit(
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
def take_out(slots, x, c0, c1, c2, mask, tolerance):
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
def add(row, x, amount):
    """Add to a 16-bit counter that stops at its largest value instead of wrapping."""
    row[x] = min(np.int64(row[x]) + amount, U16_MAX)


@kernel
def touch(slots, listed_x, n_listed):
    """Read something of every listed pixel's slots, all at once; return its sum.

    The sum is of no use, but only what is used is not left out by the compiler.
    """
    total = np.int64(0)
    for k in range(n_listed):
        total += np.int64(slots[listed_x[k], 0]["count"])
        total += np.int64(slots[listed_x[k], slots.shape[1] - 1]["count"])
    return total


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
def make_room(slots, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance):
    """Free the last slot if a colour has none and none is free; return 1 if one was given up."""
    if _find_slot(slots, x, c0, c1, c2, mask, tolerance) != slots.shape[1]:
        return 0
    s = _least_telling_slot(slots, x, leader0, leader1, leader2)
    end = slots.shape[1] - 1
    slots[x, s] = slots[x, end]
    slots[x, end]["count"] = 0
    return 1


@inlined
def deposit_far(
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
    """Do what `deposit` does, but let what tells least make room; return 1 if one did."""
    evicted = make_room(slots, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance)
    deposit(
        slots, x, c0, c1, c2, episodes, count, first, last, EPISODE_GAP, U16_MAX, mask, tolerance
    )
    return evicted
