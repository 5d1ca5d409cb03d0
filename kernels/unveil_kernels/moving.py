"""A moving background: learning its picture, and finding the samples of a frame that are unlike it.

Kernels work on one frame and on its rows `first_row <= row < last_row`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.rows import ALL_BITS, distance_row, list_set, widen_rows

MAX_VOTES = np.uint8(255)

PERSON_MARGIN = 1
"""Value of blocks beside the person, which are not learned from; those of the person are larger."""


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
def wrapped(place, length):
    """Return a place of a ring below twice its length: a division would cost more."""
    return place - length if place >= length else place


@kernel
def _outside_row(blocks, block_size, largest, outside_out):
    """Flag the pixels of a row, (>= w,) uint8, whose block, (columns,) uint8, is not larger."""
    width = len(outside_out)
    for column in range(len(blocks)):
        flag = np.uint8(blocks[column] <= largest)
        for x in range(column * block_size, min(width, (column + 1) * block_size)):
            outside_out[x] = flag


@kernel
def _ring_part(ring, width, part):
    """Return where a part of a row begins in the frame and in the ring, and its length.

    A row of the frame lies in the ring in two parts: up to the ring's end, and from its beginning.
    """
    until_end = min(width, ring.votes.shape[1] - ring.right)
    if part == 0:
        return 0, ring.right, until_end
    return until_end, 0, width - until_end


class ComparedRow(NamedTuple):
    """Memory for a row of a frame that is compared with the background.

    Attributes
    ----------
    wide1, wide2
        (1, >= w) uint8, the row's chroma, one for each pixel.
    outside, distance
        (w,) uint8, pixels outside the person, and their distance from the background.
    """

    wide1: np.ndarray
    wide2: np.ndarray
    outside: np.ndarray
    distance: np.ndarray


@kernel
def compared_row(frame):
    """Allocate a ComparedRow for the rows of a frame."""
    width = frame.plane0.shape[1]
    wide = frame.plane1.shape[1] << frame.shift_x
    return ComparedRow(
        np.empty((1, wide), np.uint8),
        np.empty((1, wide), np.uint8),
        np.empty(width, np.uint8),
        np.empty(width, np.uint8),
    )


@kernel
def _compare_row(frame, y, is_first, ring, at_y, largest, row_out):
    """Compare a row with the background, and find its pixels outside the person.

    Parameters
    ----------
    frame : MaskedFrame
    y : int
    is_first : bool
        Whether the row above was not compared before with the same `row_out`.
    ring : RingPicture
    at_y : int
        Row of the picture that row `y` shows.
    largest : int
        Largest value of the mask's blocks that are outside the person.
    row_out : ComparedRow
    """
    luma, picture = frame.plane0[y], ring.picture
    chroma1, chroma2 = np.expand_dims(frame.plane1, 0), np.expand_dims(frame.plane2, 0)
    widen_rows(chroma1, y >> frame.shift_y, frame.shift_x, row_out.wide1)
    widen_rows(chroma2, y >> frame.shift_y, frame.shift_x, row_out.wide2)
    if is_first or y % frame.block_size == 0:
        person = frame.person[y // frame.block_size]
        _outside_row(person, frame.block_size, largest, row_out.outside)
    for part in range(2):
        x, at_x, n = _ring_part(ring, len(luma), part)
        if n == 0:
            break
        distance_row(
            luma[x:],
            row_out.wide1[0, x:],
            row_out.wide2[0, x:],
            picture[0, at_y, at_x : at_x + n],
            picture[1, at_y, at_x : at_x + n],
            picture[2, at_y, at_x : at_x + n],
            ALL_BITS,
            row_out.distance[x:],
        )


@kernel
def _vote_row(outside, distance, tolerance, votes_inout, shown_out, taken_out):
    """Vote for the background where it shows and against it elsewhere, outside the person.

    Parameters
    ----------
    outside, distance : (>= n,) uint8
    tolerance : uint8
    votes_inout : (n,) uint8
    shown_out, taken_out : (>= n,) uint8
        1 where a sample shows the background; 1 where it takes its place.
    """
    for x in range(len(votes_inout)):
        before = votes_inout[x]
        near = np.uint8(np.uint8(distance[x] <= tolerance) & np.uint8(before != 0))
        shown = np.uint8(outside[x] & near)
        other = np.uint8(outside[x] & np.uint8(near ^ np.uint8(1)))
        taken = np.uint8(other & np.uint8(before <= 1))
        shown_out[x] = shown
        taken_out[x] = taken
        more = np.uint8(shown & np.uint8(before != MAX_VOTES))
        more = np.uint8(more | np.uint8(taken & np.uint8(before == 0)))
        less = np.uint8(other & np.uint8(taken ^ np.uint8(1)))
        votes_inout[x] = np.uint8(np.uint8(before + more) - less)


@kernel
def _learn_row(sample, shown, taken, learned_inout):
    """Move a channel, (n,) uint8, by one level to the sample where it shows, or take the sample."""
    for x in range(len(learned_inout)):
        a = sample[x]
        b = learned_inout[x]
        up = np.uint8(np.uint8(a > b) & shown[x])
        down = np.uint8(np.uint8(a < b) & shown[x])
        followed = np.uint8(np.uint8(b + up) - down)
        learned_inout[x] = a if taken[x] != 0 else followed


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
    width = frame.plane0.shape[1]
    compared = compared_row(frame)
    shown = np.empty(width, np.uint8)
    taken = np.empty(width, np.uint8)
    for y in range(first_row, last_row):
        at_y = (y + ring_inout.down) % picture.shape[1]
        luma = frame.plane0[y]
        _compare_row(frame, y, y == first_row, ring_inout, at_y, 0, compared)
        for part in range(2):
            x, at_x, n = _ring_part(ring_inout, width, part)
            if n == 0:
                break
            _vote_row(
                compared.outside[x:],
                compared.distance[x:],
                np.uint8(tolerance),
                votes[at_y, at_x : at_x + n],
                shown[x:],
                taken[x:],
            )
            learned0 = picture[0, at_y, at_x : at_x + n]
            learned1 = picture[1, at_y, at_x : at_x + n]
            learned2 = picture[2, at_y, at_x : at_x + n]
            _learn_row(luma[x:], shown[x:], taken[x:], learned0)
            _learn_row(compared.wide1[0, x:], shown[x:], taken[x:], learned1)
            _learn_row(compared.wide2[0, x:], shown[x:], taken[x:], learned2)


@kernel
def _flag_far(outside, distance, far, ring, at_y, flags_out):
    """Flag the samples of a row, (>= w,) uint8, that are not the background where it is known."""
    for part in range(2):
        x, at_x, n = _ring_part(ring, len(distance), part)
        if n == 0:
            break
        known = ring.votes[at_y, at_x : at_x + n]
        flags, is_outside, apart = flags_out[x:], outside[x:], distance[x:]
        for k in range(len(known)):
            unlike = np.uint8(np.uint8(known[k] != 0) & np.uint8(apart[k] > far))
            flags[k] = np.uint8(is_outside[k] & unlike)


class ListedRow(NamedTuple):
    """Memory for the samples of a row that are not the background.

    Attributes
    ----------
    compared
        ComparedRow.
    flags, words
        (64 * k,) uint8, samples to list, and the same memory as (8 * k,) uint64.
    x, tag
        (64 * k + 1,) int32, their columns, and tags that are not used.
    """

    compared: ComparedRow
    flags: np.ndarray
    words: np.ndarray
    x: np.ndarray
    tag: np.ndarray


@kernel
def listed_row(frame):
    """Allocate a ListedRow for the rows of a frame."""
    flags = np.zeros(-(-frame.plane0.shape[1] // 64) * 64, np.uint8)
    return ListedRow(
        compared_row(frame),
        flags,
        flags.view(np.uint64),
        np.empty(len(flags) + 1, np.int32),
        np.empty(len(flags) + 1, np.int32),
    )


@kernel
def list_far(frame, y, is_first, ring, far, row_out):
    """List the samples of a row outside the person that are not the background; return how many.

    Parameters
    ----------
    frame : MaskedFrame
        Blocks marked `PERSON_MARGIN` are outside, too.
    y, is_first, ring
        As in `_compare_row`.
    far : uint8
    row_out : ListedRow
    """
    at_y = (y + ring.down) % ring.votes.shape[0]
    compared = row_out.compared
    _compare_row(frame, y, is_first, ring, at_y, PERSON_MARGIN, compared)
    _flag_far(compared.outside, compared.distance, far, ring, at_y, row_out.flags)
    return list_set(row_out.flags, row_out.words, 0, row_out.x, row_out.tag, 0)
