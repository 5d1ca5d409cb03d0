"""Surveys: which colour of a pixel shows most often, its leader, and which one comes next.

A survey compares the samples of every N-th frame with each pixel's leader. A sample that is not
the leader's votes for or against the challenger, found with a single counter (Misra and Gries,
"Finding repeated elements", 1982). When the challenger has more votes than the leader has
surveys, the two change places. Which samples vote is up to `transitions` and `outside`.

Counters of surveys are uint16. Before they could overflow, at `MAX_SURVEYS` surveys, all of a
pixel and the number of surveys itself are halved, so that the shares stay what they were; later
surveys then count twice as much as earlier ones. Flags are rows of uint8, 0 or 1.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel
from unveil_kernels.counting.slots import within_tolerance

MAX_SURVEYS = 65535
"""Surveys that the counters hold: no counter of a pixel is larger than the number of them."""


def held_after(held, n_surveys):
    """Return how many surveys the counters hold after further ones, as kernels count them."""
    for _ in range(n_surveys):
        if held == MAX_SURVEYS:
            held //= 2
        held += 1
    return held


@kernel
def halve_row(counters_inout):
    """Halve a row of counters, (w,) uint16, rounding down."""
    for x in range(len(counters_inout)):
        counters_inout[x] = np.uint16(counters_inout[x] >> np.uint16(1))


@kernel
def survey_row(excluded, other_inout, leader_surveys_inout, shown_out):
    """Count the leader where it shows.

    Parameters
    ----------
    excluded : (w,) uint8
        Samples that do not vote.
    other_inout : (w,) uint8
        Samples that are not the leader's; becomes those of them that vote.
    leader_surveys_inout : (w,) uint16
    shown_out : (>= w,) uint8
        Samples that are the leader's and vote.
    """
    for x in range(len(excluded)):
        votes = np.uint8(np.uint8(1) - excluded[x])
        shown_out[x] = np.uint8(votes & np.uint8(np.uint8(1) - other_inout[x]))
        other_inout[x] = np.uint8(votes & other_inout[x])
    for x in range(len(excluded)):
        leader_surveys_inout[x] = np.uint16(leader_surveys_inout[x] + np.uint16(shown_out[x]))


@kernel
def vote_row(other, differs_inout, votes_inout, taken_out):
    """Vote for the challenger, or against it, where a colour other than the leader shows.

    Parameters
    ----------
    other : (w,) uint8
        Samples that vote, from `survey_row`.
    differs_inout : (w,) uint8
        Samples that are not the challenger's; becomes those that vote for it.
    votes_inout : (w,) uint16
    taken_out : (w,) uint8
        Where the challenger had no vote left: the sample's colour is to take its place, with
        one vote.
    """
    for x in range(len(other)):
        has = np.uint8(votes_inout[x] != np.uint16(0))
        against = np.uint8(other[x] & np.uint8(has & differs_inout[x]))
        taken_out[x] = np.uint8(other[x] & np.uint8(np.uint8(1) - has))
        differs_inout[x] = np.uint8(other[x] & np.uint8(has & np.uint8(~against & np.uint8(1))))
    for x in range(len(other)):
        more = np.uint8(taken_out[x] | differs_inout[x])
        less = np.uint8(other[x] & np.uint8(np.uint8(1) - more))
        votes_inout[x] = np.uint16(np.uint16(votes_inout[x] + np.uint16(more)) - np.uint16(less))


@kernel
def take_row(sample, taken, colour_inout):
    """Copy a channel, (>= w,) to (w,) uint8, where a flag is 1."""
    for x in range(len(colour_inout)):
        a = sample[x]
        b = colour_inout[x]
        colour_inout[x] = a if taken[x] != 0 else b


@kernel
def follow_row(sample, shown, colour_inout):
    """Move a channel, (w,) uint8, one level towards the sample where a flag is 1."""
    for x in range(len(colour_inout)):
        a = sample[x]
        b = colour_inout[x]
        flag = shown[x]
        up = np.uint8(np.uint8(a > b) & flag)
        down = np.uint8(np.uint8(a < b) & flag)
        colour_inout[x] = np.uint8(np.uint8(b + up) - down)


@kernel
def overtaken_row(leader_surveys, votes, overtaken_out):
    """Flag where the challenger has more votes than the leader has surveys."""
    for x in range(len(votes)):
        overtaken_out[x] = np.uint8(votes[x] > leader_surveys[x])


@inlined
def change_places(state_inout, row, x):
    """Exchange a pixel's leader and challenger, with their surveys and votes.

    `state_inout` is a TransitionState or an OutsideState.
    """
    surveys, votes = state_inout.leader_surveys, state_inout.challenger_votes
    surveys[row, x], votes[row, x] = votes[row, x], surveys[row, x]
    leader, challenger = state_inout.leader, state_inout.challenger
    for channel in range(3):
        leader[channel, row, x], challenger[channel, row, x] = (
            challenger[channel, row, x],
            leader[channel, row, x],
        )


@kernel
def read_candidates(state, later, row, x, colour_out, votes_out):
    """Read the leaders and challengers of two states at a pixel.

    Parameters
    ----------
    state, later : TransitionState or OutsideState
    row, x : int
    colour_out : (4, 3) uint8
        Leader of `state`, of `later`, challenger of `state`, of `later`.
    votes_out : (4,) int64
        Their surveys and votes.
    """
    for channel in range(3):
        colour_out[0, channel] = state.leader[channel, row, x]
        colour_out[1, channel] = later.leader[channel, row, x]
        colour_out[2, channel] = state.challenger[channel, row, x]
        colour_out[3, channel] = later.challenger[channel, row, x]
    votes_out[0], votes_out[1] = state.leader_surveys[row, x], later.leader_surveys[row, x]
    votes_out[2], votes_out[3] = state.challenger_votes[row, x], later.challenger_votes[row, x]


@kernel
def write_joined(state_inout, row, x, colour, first, surveys, second, votes):
    """Make two of the colours that `read_candidates` read a pixel's leader and challenger.

    Parameters
    ----------
    state_inout : TransitionState or OutsideState
    row, x : int
    colour : (4, 3) uint8
    first, second : int
        Places of the leader and of the challenger in `colour`.
    surveys, votes : int
        Of the leader, and of the challenger.
    """
    state_inout.leader_surveys[row, x] = surveys
    state_inout.challenger_votes[row, x] = votes
    for channel in range(3):
        state_inout.leader[channel, row, x] = colour[first, channel]
        state_inout.challenger[channel, row, x] = colour[second, channel]


@inlined
def most_voted(colour, votes):
    """Return the place of the colour with the most votes.

    Of equals, that with the smallest channels. `colour` is (k, 3) uint8, `votes` (k,) int64.
    """
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
    """Add up the votes of colours within the tolerance of each other, the most voted first.

    Parameters
    ----------
    colour : (k, 3) uint8
    votes_inout : (k,) int64
        All become 0.
    mask, tolerance : uint8, int32
    joined_out : (k,) int64
        Place of the colour that took each colour's votes, -1 for a colour without votes.
    total_out : (k,) int64
        The votes of a colour and of those it took in, 0 for the others.
    """
    for k in range(len(votes_inout)):
        joined_out[k] = -1
        total_out[k] = 0
    for _ in range(len(votes_inout)):
        best = most_voted(colour, votes_inout)
        if votes_inout[best] == 0:
            break
        for k in range(len(votes_inout)):
            if votes_inout[k] > 0 and within_tolerance(
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
