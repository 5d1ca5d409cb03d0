"""The room behind a background that moves: where the lines from background to sample meet.

A leak is a blend, `a * room + (1 - a) * background`: its colour lies on the line from the
background to the room. Where the background changes, each sample of a pixel has another
line, and all of them meet in the room's colour, whatever their shares `a`. The point nearest
to all lines, by least squares, needs only sums: a pixel's state never grows.

Kernels work on one frame and on the rows `first_row <= row < last_row` of it. The background
is a picture that may be larger than the frame and is a ring on both axes: pixel `(y, x)` shows
its place `((y + down) % H, (x + right) % W)`.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

MOST_VOTES = 255

LONGEST = 50.0
"""Levels from which a longer line weighs no more: those of short ones point anywhere."""

TERMS = 12
"""Sums a pixel: six of the symmetric matrix, three of the right side, one of the squares, the
weights, and the number of samples."""


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
    tolerance,
    down,
    right,
    picture,
    votes,
):
    """Learn the background's picture from what a frame shows outside the person.

    The majority vote of Boyer and Moore (1981): a like sample votes for the colour, another
    one against it, and takes its place where no vote is left.

    Parameters
    ----------
    plane0, plane1, plane2 : (h, w), (ch, cw), (ch, cw) uint8
    person : (ceil(h / cell), ceil(w / cell)) uint8
        Not 0 where a square belongs to the person.
    cell, first_row, last_row, shift_y, shift_x, tolerance, down, right : int
    picture : (3, H, W) uint8
    votes : (H, W) uint8
        0 where nothing is known.
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


@kernel
def gather_lines(
    plane0,
    plane1,
    plane2,
    person,
    cell,
    first_row,
    last_row,
    shift_y,
    shift_x,
    far,
    down,
    right,
    picture,
    votes,
    sums,
):
    """Add a frame's lines: of samples outside the person that differ from the background.

    Parameters
    ----------
    plane0, ..., votes
        As in `learn_background`; none of them is changed.
    far : int
        Levels by which a sample must differ, in the channel that differs most.
    sums : (h, w, TERMS) float64
        Of the weights `|d|**2`, at most `LONGEST**2`, with the direction `u = d / |d|` and the
        sample `p`, less 128 in each channel: `w (I - u u')`, as its elements 00, 11, 22, 01,
        02, 12, then `w (I - u u') p`, `w p' (I - u u') p`, `w`, and 1.
    """
    for y in range(first_row, last_row):
        at_y = (y + down) % picture.shape[1]
        for x in range(plane0.shape[1]):
            at_x = (x + right) % picture.shape[2]
            if person[y // cell, x // cell] != 0 or votes[at_y, at_x] == 0:
                continue
            d0, d1, d2 = _levels_apart(
                plane0, plane1, plane2, y, x, shift_y, shift_x, picture, at_y, at_x
            )
            if max(abs(d0), abs(d1), abs(d2)) <= far:
                continue
            square = d0 * d0 + d1 * d1 + d2 * d2
            weight = min(square, LONGEST * LONGEST)
            scale = weight / square
            p0 = np.float64(plane0[y, x]) - 128.0
            p1 = np.float64(plane1[y >> shift_y, x >> shift_x]) - 128.0
            p2 = np.float64(plane2[y >> shift_y, x >> shift_x]) - 128.0
            a00, a11, a22 = (
                weight - scale * d0 * d0,
                weight - scale * d1 * d1,
                weight - scale * d2 * d2,
            )
            a01, a02, a12 = -scale * d0 * d1, -scale * d0 * d2, -scale * d1 * d2
            b0 = a00 * p0 + a01 * p1 + a02 * p2
            b1 = a01 * p0 + a11 * p1 + a12 * p2
            b2 = a02 * p0 + a12 * p1 + a22 * p2
            total = sums[y, x]
            total[0] += a00
            total[1] += a11
            total[2] += a22
            total[3] += a01
            total[4] += a02
            total[5] += a12
            total[6] += b0
            total[7] += b1
            total[8] += b2
            total[9] += p0 * b0 + p1 * b1 + p2 * b2
            total[10] += weight
            total[11] += 1.0
