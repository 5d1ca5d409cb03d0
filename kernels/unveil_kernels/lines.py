"""The room behind a moving background: the colour that explains most samples of a pixel.

A leak is a blend, `a * room + (1 - a) * background`, so its colour lies on the line from the
background to the room. Where the background changes, each sample of a pixel has another line,
and all these lines lead to the room's colour, whatever their shares `a`. A first pass stores the
colours that were seen; a second pass counts how many samples each of them explains.

Kernels work on one frame and on its rows `first_row <= row < last_row`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT
from unveil_kernels.counting.slots import U16_MAX

MAX_VOTES = 255

PERSON_MARGIN = 1
"""Value of blocks beside the person, which are not learned from; those of the person are larger."""

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


class MaskedFrame(NamedTuple):
    """The planes of one frame and its person mask.

    Attributes
    ----------
    plane0, plane1, plane2
        (h, w), (ch, cw), (ch, cw) uint8; the second and third are subsampled by `2**shift_y` and
        `2**shift_x`.
    person
        (ceil(h / block_size), ceil(w / block_size)) uint8, 0 outside the person and its margin.
    block_size
        Rows and columns of a block of the mask.
    shift_y, shift_x
        Log2 of the subsampling.
    """

    plane0: np.ndarray
    plane1: np.ndarray
    plane2: np.ndarray
    person: np.ndarray
    block_size: int
    shift_y: int
    shift_x: int


class RingPicture(NamedTuple):
    """The moving background: a picture that wraps around on both axes.

    Attributes
    ----------
    picture
        (3, H, W) uint8, as large as a frame or larger.
    votes
        (H, W) uint8, 0 where the picture is not known.
    down, right
        Pixel (y, x) of the frame shows place ((y + down) % H, (x + right) % W).
    """

    picture: np.ndarray
    votes: np.ndarray
    down: int
    right: int


@inlined
def _differences(frame, ring, y, x, at_y, at_x):
    """Differences of a sample from the background in three channels, in levels, int64."""
    down, right = y >> frame.shift_y, x >> frame.shift_x
    return (
        np.int64(frame.plane0[y, x]) - np.int64(ring.picture[0, at_y, at_x]),
        np.int64(frame.plane1[down, right]) - np.int64(ring.picture[1, at_y, at_x]),
        np.int64(frame.plane2[down, right]) - np.int64(ring.picture[2, at_y, at_x]),
    )


@inlined
def _wrapped(place, length):
    """Return a place of a ring below twice its length: a division would cost more."""
    return place - length if place >= length else place


@inlined
def _stepped(level, difference):
    """Return a level moved by one in the direction of a difference."""
    return np.uint8(np.int64(level) + np.int64(difference > 0) - np.int64(difference < 0))


@kernel
def learn_background(frame, first_row, last_row, ring_inout, tolerance):
    """Learn the background's picture from the samples of a frame outside the person.

    The majority vote of Boyer and Moore (1981): a sample within the tolerance votes for the colour,
    another one against it, and takes its place where no vote is left.

    Parameters
    ----------
    frame : MaskedFrame
    first_row, last_row : int
    ring_inout : RingPicture
    tolerance : int
        Largest difference of a channel, in levels, of samples of one colour.
    """
    picture, votes = ring_inout.picture, ring_inout.votes
    size, width = frame.block_size, frame.plane0.shape[1]
    for y in range(first_row, last_row):
        at_y = (y + ring_inout.down) % picture.shape[1]
        person = frame.person[y // size]
        for block in range(len(person)):
            if person[block] != 0:
                continue
            first_x = block * size
            first_at = (first_x + ring_inout.right) % picture.shape[2]
            for x in range(first_x, min(first_x + size, width)):
                at_x = _wrapped(first_at + x - first_x, picture.shape[2])
                d0, d1, d2 = _differences(frame, ring_inout, y, x, at_y, at_x)
                before = np.int64(votes[at_y, at_x])
                if max(abs(d0), abs(d1), abs(d2)) <= tolerance and before > 0:
                    votes[at_y, at_x] = min(before + 1, MAX_VOTES)
                    picture[0, at_y, at_x] = _stepped(picture[0, at_y, at_x], d0)
                    picture[1, at_y, at_x] = _stepped(picture[1, at_y, at_x], d1)
                    picture[2, at_y, at_x] = _stepped(picture[2, at_y, at_x], d2)
                elif before <= 1:
                    votes[at_y, at_x] = 1
                    picture[0, at_y, at_x] = frame.plane0[y, x]
                    picture[1, at_y, at_x] = frame.plane1[y >> frame.shift_y, x >> frame.shift_x]
                    picture[2, at_y, at_x] = frame.plane2[y >> frame.shift_y, x >> frame.shift_x]
                else:
                    votes[at_y, at_x] = before - 1


@inlined
def _is_far(d0, d1, d2, far):
    """Whether a sample differs from the background in some channel."""
    return max(abs(d0), abs(d1), abs(d2)) > far


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
        if (
            max(
                abs(np.int64(slot["c0"]) - c0),
                abs(np.int64(slot["c1"]) - c1),
                abs(np.int64(slot["c2"]) - c2),
            )
            <= tolerance
        ):
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
    votes, size = ring.votes, frame.block_size
    width = frame.plane0.shape[1]
    for y in range(first_row, last_row):
        at_y = (y + ring.down) % votes.shape[0]
        person = frame.person[y // size]
        for block in range(len(person)):
            if person[block] > PERSON_MARGIN:
                continue
            first_x = block * size
            first_at = (first_x + ring.right) % votes.shape[1]
            for x in range(first_x, min(first_x + size, width)):
                at_x = _wrapped(first_at + x - first_x, votes.shape[1])
                if votes[at_y, at_x] == 0:
                    continue
                d0, d1, d2 = _differences(frame, ring, y, x, at_y, at_x)
                if not _is_far(d0, d1, d2, far):
                    continue
                c0 = np.int64(frame.plane0[y, x])
                c1 = np.int64(frame.plane1[y >> frame.shift_y, x >> frame.shift_x])
                c2 = np.int64(frame.plane2[y >> frame.shift_y, x >> frame.shift_x])
                slot = slots_inout[y, x, _slot_for(slots_inout, y, x, c0, c1, c2, tolerance)]
                if slot["count"] == 0:
                    slot["c0"] = c0
                    slot["c1"] = c1
                    slot["c2"] = c2
                else:
                    slot["c0"] = _stepped(slot["c0"], c0 - np.int64(slot["c0"]))
                    slot["c1"] = _stepped(slot["c1"], c1 - np.int64(slot["c1"]))
                    slot["c2"] = _stepped(slot["c2"], c2 - np.int64(slot["c2"]))
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
    picture, votes, size = ring.picture, ring.votes, frame.block_size
    width = frame.plane0.shape[1]
    for y in range(first_row, last_row):
        at_y = (y + ring.down) % votes.shape[0]
        person = frame.person[y // size]
        for block in range(len(person)):
            if person[block] > PERSON_MARGIN:
                continue
            first_x = block * size
            first_at = (first_x + ring.right) % votes.shape[1]
            for x in range(first_x, min(first_x + size, width)):
                at_x = _wrapped(first_at + x - first_x, votes.shape[1])
                if votes[at_y, at_x] == 0:
                    continue
                d0, d1, d2 = _differences(frame, ring, y, x, at_y, at_x)
                if not _is_far(d0, d1, d2, far) or total_inout[y, x] > U16_MAX - weight:
                    continue
                total_inout[y, x] += weight
                square = d0 * d0 + d1 * d1 + d2 * d2
                for s in range(slots.shape[2]):
                    slot = slots[y, x, s]
                    if slot["count"] == 0:
                        break
                    e0 = np.float64(slot["c0"]) - np.float64(picture[0, at_y, at_x])
                    e1 = np.float64(slot["c1"]) - np.float64(picture[1, at_y, at_x])
                    e2 = np.float64(slot["c2"]) - np.float64(picture[2, at_y, at_x])
                    length = e0 * e0 + e1 * e1 + e2 * e2
                    along = d0 * e0 + d1 * e1 + d2 * e2
                    if (
                        length >= MIN_LINE_LENGTH * MIN_LINE_LENGTH
                        and along >= MIN_SHARE * length
                        and along <= MAX_SHARE * length
                        and square - along * along / length <= LINE_DISTANCE * LINE_DISTANCE
                    ):
                        explained_inout[y, x, s] += weight
