"""The room behind a background that moves: the colour to which most lines from it lead.

A leak is a blend, `a * room + (1 - a) * background`: its colour lies on the line from the
background to the room. Where the background changes, each sample of a pixel has another
line, and all of them lead to the room's colour, whatever their shares `a`. So colours that were
seen are remembered first, and then it is counted how many samples each of them explains.

Kernels work on one frame and on the rows `first_row <= row < last_row` of it. The background
is a picture that may be larger than the frame and is a ring on both axes: pixel `(y, x)` shows
its place `((y + down) % H, (x + right) % W)`.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

MOST_VOTES = 255

MARGIN = 1
"""What marks a square beside the person, where a background is not learned; more marks theirs."""

SEARCHED_COUNT = 2
"""What a sample counts of a frame in which the person was searched; of the others 1."""

LINE_DISTANCE = 6.0
"""Levels by which a sample that a colour explains may miss the line to it."""

LEAST_SHARE, MOST_SHARE = 0.1, 1.15
"""Shares of the way from the background to the colour at which such a sample lies."""

SHORTEST = 10.0
"""Levels from which a line tells a direction."""

U16_MAX = 65535

SEEN_SLOT = np.dtype(
    [
        ("c0", np.uint8),  # the colour
        ("c1", np.uint8),
        ("c2", np.uint8),
        ("count", np.uint16),  # what its samples count, saturating
        ("last", np.uint32),  # frame of the last of them
    ]
)
"""One colour that a pixel showed before the moving background. Free where `count` is 0."""


@inlined
def _levels_apart(plane0, plane1, plane2, y, x, shift_y, shift_x, picture, at_y, at_x):
    """Differences of a sample from the background in three channels."""
    return (
        np.float64(plane0[y, x]) - np.float64(picture[0, at_y, at_x]),
        np.float64(plane1[y >> shift_y, x >> shift_x]) - np.float64(picture[1, at_y, at_x]),
        np.float64(plane2[y >> shift_y, x >> shift_x]) - np.float64(picture[2, at_y, at_x]),
    )


@inlined
def _followed(level, difference):
    """Return a level moved by one in the direction of a difference."""
    return np.uint8(np.int64(level) + np.int64(difference > 0) - np.int64(difference < 0))


@kernel
def learn_background(
    plane0,
    plane1,
    plane2,
    person,
    cell,
    first_row,
    last_row,
    shift_y,
    shift_x,
    down,
    right,
    picture,
    votes,
    tolerance,
):
    """Learn the background's picture from what a frame shows outside the person.

    The majority vote of Boyer and Moore (1981): a like sample votes for the colour, another
    one against it, and takes its place where no vote is left.

    Parameters
    ----------
    plane0, plane1, plane2 : (h, w), (ch, cw), (ch, cw) uint8
    person : (ceil(h / cell), ceil(w / cell)) uint8
        Not 0 where a square belongs to the person.
    cell, first_row, last_row, shift_y, shift_x, down, right : int
    picture : (3, H, W) uint8
    votes : (H, W) uint8
        0 where nothing is known.
    tolerance : int
        Levels within which colours are one.
    """
    for y in range(first_row, last_row):
        at_y = (y + down) % picture.shape[1]
        for x in range(plane0.shape[1]):
            if person[y // cell, x // cell] != 0:
                continue
            at_x = (x + right) % picture.shape[2]
            d0, d1, d2 = _levels_apart(
                plane0, plane1, plane2, y, x, shift_y, shift_x, picture, at_y, at_x
            )
            had = np.int64(votes[at_y, at_x])
            if max(abs(d0), abs(d1), abs(d2)) <= tolerance and had > 0:
                votes[at_y, at_x] = min(had + 1, MOST_VOTES)
                picture[0, at_y, at_x] = _followed(picture[0, at_y, at_x], d0)
                picture[1, at_y, at_x] = _followed(picture[1, at_y, at_x], d1)
                picture[2, at_y, at_x] = _followed(picture[2, at_y, at_x], d2)
            elif had <= 1:
                votes[at_y, at_x] = 1
                picture[0, at_y, at_x] = plane0[y, x]
                picture[1, at_y, at_x] = plane1[y >> shift_y, x >> shift_x]
                picture[2, at_y, at_x] = plane2[y >> shift_y, x >> shift_x]
            else:
                votes[at_y, at_x] = had - 1


@inlined
def _is_far(d0, d1, d2, far):
    """Whether a sample differs from the background in some channel."""
    return max(abs(d0), abs(d1), abs(d2)) > far


@inlined
def _place_of(slots, y, x, c0, c1, c2, tolerance):
    """Return the slot of a colour, else a free one, else the one that tells least.

    That is, of those that one sample may have made the one seen longest ago; where there are
    none, the one counted least.
    """
    worst, worst_rank = 0, np.int64(1) << 62
    for s in range(slots.shape[2]):
        slot = slots[y, x, s]
        counted = np.int64(slot["count"])
        if counted == 0:
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
        rank = counted
        if counted <= SEARCHED_COUNT:
            rank = np.int64(slot["last"]) - (np.int64(1) << 33)
        if rank < worst_rank:
            worst, worst_rank = s, rank
    slots[y, x, worst]["count"] = 0
    return worst


@kernel
def count_seen(
    plane0,
    plane1,
    plane2,
    person,
    cell,
    first_row,
    last_row,
    shift_y,
    shift_x,
    down,
    right,
    picture,
    votes,
    tolerance,
    far,
    counts,
    frame,
    slots,
):
    """Remember the colours of samples outside the person that are not the background.

    Parameters
    ----------
    plane0, ..., tolerance
        As in `learn_background`, of which nothing is changed. But squares marked `MARGIN` are
        counted, too.
    far : int
        Levels by which a sample must differ, in the channel that differs most.
    counts : int
        What a sample of this frame counts: `SEARCHED_COUNT` or 1.
    frame : int
        Its number.
    slots : (h, w, n_slots) SEEN_SLOT
        A slot's colour follows its samples by one level.
    """
    for y in range(first_row, last_row):
        at_y = (y + down) % picture.shape[1]
        for x in range(plane0.shape[1]):
            at_x = (x + right) % picture.shape[2]
            if person[y // cell, x // cell] > MARGIN or votes[at_y, at_x] == 0:
                continue
            d0, d1, d2 = _levels_apart(
                plane0, plane1, plane2, y, x, shift_y, shift_x, picture, at_y, at_x
            )
            if not _is_far(d0, d1, d2, far):
                continue
            c0 = np.int64(plane0[y, x])
            c1 = np.int64(plane1[y >> shift_y, x >> shift_x])
            c2 = np.int64(plane2[y >> shift_y, x >> shift_x])
            slot = slots[y, x, _place_of(slots, y, x, c0, c1, c2, tolerance)]
            if slot["count"] == 0:
                slot["c0"] = c0
                slot["c1"] = c1
                slot["c2"] = c2
            else:
                slot["c0"] = _followed(slot["c0"], c0 - np.int64(slot["c0"]))
                slot["c1"] = _followed(slot["c1"], c1 - np.int64(slot["c1"]))
                slot["c2"] = _followed(slot["c2"], c2 - np.int64(slot["c2"]))
            slot["count"] = min(np.int64(slot["count"]) + counts, U16_MAX)
            slot["last"] = frame


@kernel
def count_explained(
    plane0,
    plane1,
    plane2,
    person,
    cell,
    first_row,
    last_row,
    shift_y,
    shift_x,
    down,
    right,
    picture,
    votes,
    far,
    counts,
    slots,
    explained,
    total,
):
    """Count the samples that each remembered colour explains: blends of it and the background.

    Parameters
    ----------
    plane0, ..., slots
        As in `count_seen`; none of them is changed.
    explained : (h, w, n_slots) uint16
        What the samples count that lie on the line from the background, where and when they
        were seen, to the colour: nearer to it than `LINE_DISTANCE`, and from `LEAST_SHARE` to
        `MOST_SHARE` of the way. Lines shorter than `SHORTEST` explain nothing. Saturating.
    total : (h, w) uint16
        What all samples count. Nothing is counted any more where it would exceed its largest
        value.
    """
    for y in range(first_row, last_row):
        at_y = (y + down) % picture.shape[1]
        for x in range(plane0.shape[1]):
            at_x = (x + right) % picture.shape[2]
            if person[y // cell, x // cell] > MARGIN or votes[at_y, at_x] == 0:
                continue
            d0, d1, d2 = _levels_apart(
                plane0, plane1, plane2, y, x, shift_y, shift_x, picture, at_y, at_x
            )
            if not _is_far(d0, d1, d2, far) or total[y, x] > U16_MAX - counts:
                continue
            total[y, x] += counts
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
                    length >= SHORTEST * SHORTEST
                    and along >= LEAST_SHARE * length
                    and along <= MOST_SHARE * length
                    and square - along * along / length <= LINE_DISTANCE * LINE_DISTANCE
                ):
                    explained[y, x, s] += counts
