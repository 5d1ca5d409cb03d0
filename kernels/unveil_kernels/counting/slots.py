"""A pixel's slots: colours with what was counted of them, found, filled, merged and freed.

Used slots come before free ones. Steps here are compiled into the kernels that call them and
work on one pixel: `slots_inout` is a row of slots, (w, n_slots), and `x` the pixel's column.
Colours are three uint8 channels; `mask` (uint8) and `tolerance` (int32) are those of a
`Comparison`.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.counters import added, count_of

RUN_SLOT = np.dtype(
    [
        ("c0", np.uint8),  # the colour
        ("c1", np.uint8),
        ("c2", np.uint8),
        ("episodes", np.uint16),  # separate times at which it came up, as a code
        ("count", np.uint32),  # samples counted
        ("first", np.uint32),  # frame of the first and of the last of them
        ("last", np.uint32),
    ]
)
"""One colour of a pixel. A slot is free where `count` is 0.

The colour is that of the most samples deposited at once, and from then on follows each
deposit by one level: a running median (sigma-delta estimation, Manzanera and Richefeu 2004).
Numbers of 16 bits are codes of `counters`.
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
"""The same in 16 bytes: four make a cache line. Its `count` is a code, too."""

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
"""Samples of one colour at most this many frames apart are one episode: an edge that flickers."""

CACHE_LINE = 64
"""Bytes that memory hands over at once."""

U16_MAX = 65535
U32_MAX = 4294967295


@inlined
def within_tolerance(a0, a1, a2, b0, b1, b2, mask, tolerance):
    """Return whether no channel of two colours differs by more than the tolerance."""
    return (
        (abs(np.int32(a0 & mask) - np.int32(b0 & mask)) <= tolerance)
        & (abs(np.int32(a1 & mask) - np.int32(b1 & mask)) <= tolerance)
        & (abs(np.int32(a2 & mask) - np.int32(b2 & mask)) <= tolerance)
    )


@inlined
def stepped(level, sample):
    """Return a level moved by one towards a sample's."""
    return np.uint8(np.int32(level) + np.int32(sample > level) - np.int32(sample < level))


@inlined
def find_slot(slots, x, c0, c1, c2, mask, tolerance):
    """Return the pixel's first slot within the tolerance, else a free one, else `n_slots`."""
    s = 0
    while s < slots.shape[1]:
        if slots[x, s]["count"] == 0:
            break
        if within_tolerance(
            slots[x, s]["c0"], slots[x, s]["c1"], slots[x, s]["c2"], c0, c1, c2, mask, tolerance
        ):
            break
        s += 1
    return s


@inlined
def rarest_slot(slots, x):
    """Return the slot with the fewest samples; of equals, the one not seen for longest."""
    s = 0
    for other in range(1, slots.shape[1]):
        if (slots[x, other]["count"] < slots[x, s]["count"]) | (
            (slots[x, other]["count"] == slots[x, s]["count"])
            & (slots[x, other]["last"] < slots[x, s]["last"])
        ):
            s = other
    return s


@inlined
def _fill(slot_inout, c0, c1, c2, episodes, count, first, last):
    """Write all fields of a slot; episodes and count are codes."""
    slot_inout["c0"] = c0
    slot_inout["c1"] = c1
    slot_inout["c2"] = c2
    slot_inout["episodes"] = episodes
    slot_inout["count"] = count
    slot_inout["first"] = first
    slot_inout["last"] = last


@inlined
def _follow(slot_inout, c0, c1, c2):
    """Move a slot's colour by one level towards another one."""
    slot_inout["c0"] = stepped(slot_inout["c0"], c0)
    slot_inout["c1"] = stepped(slot_inout["c1"], c1)
    slot_inout["c2"] = stepped(slot_inout["c2"], c2)


@inlined
def deposit(slots_inout, x, c0, c1, c2, episodes, count, first, last, gap, exact, mask, tolerance):
    """Add samples of one colour to a pixel; return 1 if another colour was evicted, else 0.

    `episodes` to `last` are what the slot's fields of these names gain. Samples at most `gap`
    frames after the slot's last ones continue its episode. The slots' `count` is a number if
    `exact` is True, else a code.
    """
    evicted = 0
    s = find_slot(slots_inout, x, c0, c1, c2, mask, tolerance)
    if s == slots_inout.shape[1]:
        evicted = 1
        s = rarest_slot(slots_inout, x)
        slots_inout[x, s]["count"] = 0
    slot = slots_inout[x, s]
    if slot["count"] == 0:
        coded = count if exact else added(0, count, last)
        _fill(slot, c0, c1, c2, added(0, episodes, last), coded, first, last)
    else:
        before = np.int64(slot["count"]) if exact else count_of(slot["count"])
        if before < count:
            slot["c0"] = c0
            slot["c1"] = c1
            slot["c2"] = c2
        else:
            _follow(slot, c0, c1, c2)
        new_episodes = episodes - np.int64(first <= np.int64(slot["last"]) + gap)
        slot["episodes"] = added(slot["episodes"], new_episodes, last)
        slot["count"] = min(before + count, U32_MAX) if exact else added(slot["count"], count, last)
        slot["first"] = min(np.int64(slot["first"]), first)
        slot["last"] = max(np.int64(slot["last"]), last)
    return evicted


@inlined
def deposit_newest(slots_inout, x, c0, c1, c2, weight, frame, gap, mask, tolerance):
    """Do what `deposit` does for one sample, counted `weight` times, that is the latest of all.

    The slots' `count` is a code.

    Most of the time of counting is spent here. The loop of `find_slot` is written out, because
    a deposit took a third longer with the loop inlined from there.
    """
    evicted = 0
    n_slots = slots_inout.shape[1]
    s = 0
    while s < n_slots:
        if slots_inout[x, s]["count"] == 0:
            break
        if within_tolerance(
            slots_inout[x, s]["c0"],
            slots_inout[x, s]["c1"],
            slots_inout[x, s]["c2"],
            c0,
            c1,
            c2,
            mask,
            tolerance,
        ):
            break
        s += 1
    if s == n_slots:
        evicted = 1
        s = rarest_slot(slots_inout, x)
        slots_inout[x, s]["count"] = 0
    slot = slots_inout[x, s]
    if slot["count"] == 0:
        _fill(slot, c0, c1, c2, 1, weight, frame, frame)
    else:
        if slot["count"] < weight:
            slot["c0"] = c0
            slot["c1"] = c1
            slot["c2"] = c2
        else:
            _follow(slot, c0, c1, c2)
        more = np.int64(frame - np.int64(slot["last"]) > gap)
        slot["episodes"] = added(slot["episodes"], more, frame)
        slot["count"] = added(slot["count"], weight, frame)
        slot["last"] = frame
    return evicted


@inlined
def free_slot(slots_inout, x, c0, c1, c2, mask, tolerance):
    """Free the slot of a colour and return its episodes; 0 if the colour has none.

    The last used slot moves into the freed place.
    """
    s = find_slot(slots_inout, x, c0, c1, c2, mask, tolerance)
    episodes = np.int64(0)
    if s < slots_inout.shape[1] and slots_inout[x, s]["count"] != 0:
        episodes = count_of(slots_inout[x, s]["episodes"])
        end = s + 1
        while end < slots_inout.shape[1] and slots_inout[x, end]["count"] != 0:
            end += 1
        slots_inout[x, s] = slots_inout[x, end - 1]
        slots_inout[x, end - 1]["count"] = 0
    return episodes


@inlined
def least_informative_slot(slots, x, leader0, leader1, leader2):
    """Return the slot to evict: the oldest of those counted once, else the nearest to the leader.

    The distance is the sum of the channels' differences.
    """
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
def make_room(slots_inout, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance):
    """Free the last slot if a colour has none and none is free; return 1 if one was evicted.

    Evicts the least informative slot: colours far from the leader are the candidates for the room.
    """
    if find_slot(slots_inout, x, c0, c1, c2, mask, tolerance) != slots_inout.shape[1]:
        return 0
    s = least_informative_slot(slots_inout, x, leader0, leader1, leader2)
    end = slots_inout.shape[1] - 1
    slots_inout[x, s] = slots_inout[x, end]
    slots_inout[x, end]["count"] = 0
    return 1


@kernel
def deposit_far(
    slots_inout,
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
    """Do what `deposit` does, but evict as `make_room` does; return 1 if a slot was evicted."""
    evicted = make_room(slots_inout, x, c0, c1, c2, leader0, leader1, leader2, mask, tolerance)
    deposit(
        slots_inout,
        x,
        c0,
        c1,
        c2,
        episodes,
        count,
        first,
        last,
        EPISODE_GAP,
        False,
        mask,
        tolerance,
    )
    return evicted


@inlined
def add_saturating(row_inout, x, amount):
    """Add to a 16-bit counter that stops at its largest value instead of wrapping."""
    row_inout[x] = min(np.int64(row_inout[x]) + amount, U16_MAX)


@kernel
def prefetch(slots, listed_x, n_listed):
    """Read something of every listed pixel's slots, all at once; return the sum.

    The sum is not needed, but the compiler omits reads whose result nobody uses.
    """
    total = np.int64(0)
    for k in range(n_listed):
        total += np.int64(slots[listed_x[k], 0]["count"])
        total += np.int64(slots[listed_x[k], slots.shape[1] - 1]["count"])
    return total
