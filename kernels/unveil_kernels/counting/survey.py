"""Surveys: which colour of a pixel shows most often, its leader, and which one comes next.

A survey looks at every so manyth frame. A row's samples vote for the leader, or for or against
the challenger; where that has more votes the two change places. What counts as a vote is up to
`transitions` and `outside`.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.slots import U16_MAX, same_colour


@kernel
def survey_row(moved, other_inout, leader_surveys, shown_out):
    """Count the leader where it shows unmoving; leave the other unmoving colours in `other`."""
    for x in range(len(moved)):
        still = np.uint8(np.uint8(1) - moved[x])
        shown_out[x] = np.uint8(still & np.uint8(np.uint8(1) - other_inout[x]))
        other_inout[x] = np.uint8(still & other_inout[x])
    for x in range(len(moved)):
        more = np.uint8(shown_out[x] & np.uint8(leader_surveys[x] < np.uint16(U16_MAX)))
        leader_surveys[x] = np.uint16(leader_surveys[x] + np.uint16(more))


@kernel
def vote_row(other, differs_inout, votes, taken_out):
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
def take_row(sample, taken, colour_inout):
    """Copy a channel where a flag is 1."""
    for x in range(len(colour_inout)):
        a = sample[x]
        b = colour_inout[x]
        colour_inout[x] = a if taken[x] != 0 else b


@kernel
def follow_row(sample, shown, colour_inout):
    """Move a channel one level towards the sample where a flag is 1."""
    for x in range(len(colour_inout)):
        a = sample[x]
        b = colour_inout[x]
        flag = shown[x]
        up = np.uint8(np.uint8(a > b) & flag)
        down = np.uint8(np.uint8(a < b) & flag)
        colour_inout[x] = np.uint8(np.uint8(b + up) - down)


@kernel
def overtaken_row(leader_surveys, votes, overtaken_out):
    """Flag where the challenger was seen oftener than the leader."""
    for x in range(len(votes)):
        overtaken_out[x] = np.uint8(votes[x] > leader_surveys[x])


@inlined
def most_voted(colour, votes):
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
def join(colour, votes_inout, mask, tolerance, joined_out, total_out):
    """Sum the votes of alike colours, the most voted first; `votes_inout` become 0."""
    for k in range(len(votes_inout)):
        joined_out[k] = -1
        total_out[k] = 0
    for _ in range(len(votes_inout)):
        best = most_voted(colour, votes_inout)
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
