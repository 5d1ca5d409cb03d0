"""The room behind a moving background: the colour that explains most samples of a pixel.

A leak is a blend, `a * room + (1 - a) * background`, so its colour lies on the line from the
background to the room. Where the background changes, each sample of a pixel has another line,
and all these lines lead to the room's colour, whatever their shares `a`. A first pass stores the
colours that were seen; a second pass counts how many samples each of them explains.

Kernels work on one frame and on its rows `first_row <= row < last_row`.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT
from unveil_kernels.counting.rows import ALL_BITS
from unveil_kernels.counting.slots import U16_MAX, stepped, within_tolerance
from unveil_kernels.moving import PERSON_MARGIN, list_far, listed_row, wrapped

LINE_DISTANCE = 6.0
"""Largest distance in levels between a sample and the line to a colour that explains it."""

MIN_SHARE, MAX_SHARE = 0.1, 1.15
"""Range of such a sample's share of the way from the background to the colour."""

MIN_LINE_LENGTH = 10.0
"""Levels from which a line has a reliable direction."""

SEEN_SLOT = np.dtype(
    [
        ("c0", np.uint8),  # the colour
        ("c1", np.uint8),
        ("c2", np.uint8),
        ("count", np.uint16),  # weight of its samples, saturating
        ("last", np.uint32),  # frame of the last of them
    ]
)
"""One colour that a pixel showed before the moving background. Free where `count` is 0."""


@inlined
def _slot_for(slots_inout, y, x, c0, c1, c2, tolerance):
    """Return the slot of a colour, else a free one, else the evicted one.

    Evicted is, of the slots that a single sample may have made, the one seen longest ago; if there
    are none, the one with the smallest count.
    """
    worst, worst_rank = 0, np.int64(1) << 62
    for s in range(slots_inout.shape[2]):
        slot = slots_inout[y, x, s]
        count = np.int64(slot["count"])
        if count == 0:
            return s
        if within_tolerance(slot["c0"], slot["c1"], slot["c2"], c0, c1, c2, ALL_BITS, tolerance):
            return s
        rank = count
        if count <= FRESH_MASK_WEIGHT:
            rank = np.int64(slot["last"]) - (np.int64(1) << 33)
        if rank < worst_rank:
            worst, worst_rank = s, rank
    slots_inout[y, x, worst]["count"] = 0
    return worst


@kernel
def count_seen(frame, first_row, last_row, ring, tolerance, far, weight, number, slots_inout):
    """Store the colours of samples outside the person that are not the background.

    Parameters
    ----------
    frame : MaskedFrame
        Blocks marked `PERSON_MARGIN` are counted, too.
    first_row, last_row : int
    ring : RingPicture
    tolerance : int
        As in `learn_background`.
    far : int
        Only samples that differ from the background by more levels in some channel are stored.
    weight : int
        Weight of a sample of this frame: `FRESH_MASK_WEIGHT` or 1.
    number : int
        Number of the frame.
    slots_inout : (h, w, n_slots) SEEN_SLOT
        A slot's colour follows its samples by one level.
    """
    listed = listed_row(frame)
    for y in range(first_row, last_row):
        n_listed = list_far(frame, y, y == first_row, ring, np.uint8(far), listed)
        for k in range(n_listed):
            x = listed.x[k]
            c0 = np.int64(frame.plane0[y, x])
            c1 = np.int64(listed.compared.wide1[0, x])
            c2 = np.int64(listed.compared.wide2[0, x])
            slot = slots_inout[y, x, _slot_for(slots_inout, y, x, c0, c1, c2, tolerance)]
            if slot["count"] == 0:
                slot["c0"] = c0
                slot["c1"] = c1
                slot["c2"] = c2
            else:
                slot["c0"] = stepped(slot["c0"], c0)
                slot["c1"] = stepped(slot["c1"], c1)
                slot["c2"] = stepped(slot["c2"], c2)
            slot["count"] = min(np.int64(slot["count"]) + weight, U16_MAX)
            slot["last"] = number


@kernel
def count_explained(
    frame, first_row, last_row, ring, far, weight, slots, explained_inout, total_inout
):
    """Count the samples that each stored colour explains as its blends with the background.

    Parameters
    ----------
    frame, first_row, last_row, ring, far, weight
        As in `count_seen`.
    slots : (h, w, n_slots) SEEN_SLOT
    explained_inout : (h, w, n_slots) uint16
        Weight of the samples on the line from the background, at their time, to the colour: nearer
        to it than `LINE_DISTANCE`, and from `MIN_SHARE` to `MAX_SHARE` of the way. Lines shorter
        than `MIN_LINE_LENGTH` explain nothing.
    total_inout : (h, w) uint16
        Weight of all samples. At its largest value a pixel counts nothing any more, so that shares
        of it stay right.
    """
    picture = ring.picture
    listed = listed_row(frame)
    for y in range(first_row, last_row):
        at_y = (y + ring.down) % picture.shape[1]
        n_listed = list_far(frame, y, y == first_row, ring, np.uint8(far), listed)
        for k in range(n_listed):
            x = listed.x[k]
            if total_inout[y, x] > U16_MAX - weight:
                continue
            total_inout[y, x] += weight
            at_x = wrapped(x + ring.right, picture.shape[2])
            b0 = np.float64(picture[0, at_y, at_x])
            b1 = np.float64(picture[1, at_y, at_x])
            b2 = np.float64(picture[2, at_y, at_x])
            d0 = np.float64(frame.plane0[y, x]) - b0
            d1 = np.float64(listed.compared.wide1[0, x]) - b1
            d2 = np.float64(listed.compared.wide2[0, x]) - b2
            square = d0 * d0 + d1 * d1 + d2 * d2
            for s in range(slots.shape[2]):
                slot = slots[y, x, s]
                if slot["count"] == 0:
                    break
                e0 = np.float64(slot["c0"]) - b0
                e1 = np.float64(slot["c1"]) - b1
                e2 = np.float64(slot["c2"]) - b2
                length = e0 * e0 + e1 * e1 + e2 * e2
                along = d0 * e0 + d1 * e1 + d2 * e2
                if (
                    length >= MIN_LINE_LENGTH * MIN_LINE_LENGTH
                    and along >= MIN_SHARE * length
                    and along <= MAX_SHARE * length
                    # All are whole numbers below 2 ** 53: exact, and cheaper than a division.
                    and square * length - along * along <= LINE_DISTANCE * LINE_DISTANCE * length
                ):
                    explained_inout[y, x, s] += weight


@kernel
def flag_shown(frame, rows, columns, ring, tolerance, far, slots, shown_out):
    """Flag which stored colours some pixels show, outside the person and unlike the background.

    Parameters
    ----------
    frame, ring, tolerance, far
        As in `count_seen`.
    rows, columns : (n,), (m,) int
        The pixels: all places of these rows and columns.
    slots : (h, w, n_slots) SEEN_SLOT
    shown_out : (n, m, n_slots) bool
    """
    picture, size = ring.picture, frame.block_size
    for j in range(len(rows)):
        y = rows[j]
        at_y = (y + ring.down) % picture.shape[1]
        for i in range(len(columns)):
            x = columns[i]
            shown_out[j, i] = False
            at_x = wrapped(x + ring.right, picture.shape[2])
            if frame.person[y // size, x // size] > PERSON_MARGIN or ring.votes[at_y, at_x] == 0:
                continue
            c0 = np.int64(frame.plane0[y, x])
            c1 = np.int64(frame.plane1[y >> frame.shift_y, x >> frame.shift_x])
            c2 = np.int64(frame.plane2[y >> frame.shift_y, x >> frame.shift_x])
            b0, b1, b2 = picture[0, at_y, at_x], picture[1, at_y, at_x], picture[2, at_y, at_x]
            if within_tolerance(b0, b1, b2, c0, c1, c2, ALL_BITS, far):
                continue
            for s in range(slots.shape[2]):
                slot = slots[y, x, s]
                shown_out[j, i, s] = slot["count"] > 0 and within_tolerance(
                    slot["c0"], slot["c1"], slot["c2"], c0, c1, c2, ALL_BITS, tolerance
                )
