"""The decision of method "farend": the room is the colour at the far end from the background.

A leak is a blend, `a * room + (1 - a) * background`, with any share `a`. So the colours of a pixel
lie on a line, and the one at its far end, if it was seen often enough, is the least blended.
`choice` says which colour that is.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil.counting.outside import OutsideTable
from unveil.parallel import Bands
from unveil.recovery.background.inpaint import inpaint_pull_push
from unveil.recovery.background.registration import Registered, register
from unveil.recovery.background.steadiness import SEEN_SHARE, STEADY_SHARE
from unveil.recovery.decide.choice import choose_colours
from unveil.recovery.decide.claims import (
    LARGE_REGION,
    Claims,
    leading_colours,
    neighbour_agreement,
)
from unveil.recovery.decide.noisy import far_from_person, is_like_noise
from unveil.recovery.parameters import Parameters
from unveil.video.colour import ciede2000, to_lab
from unveil_kernels import select

Array = npt.NDArray[Any]

FAR_DISTANCE: Final = 20.0
"""A colour with a larger CIEDE2000 distance from the background may belong to the person."""

STILL_SHARE: Final = 0.75
"""Smallest share of still surveys of a background pixel, relative to the usual share of the
picture. On seven calls of known truth, 94.6 to 100 % of the pixels above it were the background's,
also where the person hides it most of the time."""

STILL_SHARE_WITH_PICTURE: Final = 0.9
"""The same if a picture of the background is given, which fills the other pixels."""

MIN_STILL_SURVEYS: Final = 3
"""Smallest number of still surveys of a background pixel."""

USUAL_PERCENTILE: Final = 90
"""The usual share of still surveys is this percentile over the pixels."""

MIN_USUAL: Final = 0.5
"""Smallest usual share with which stillness identifies the background. It was 0.92 to 0.99 on calls
of known truth, because a codec repeats what does not change."""

NEVER_COVERED_SHARE: Final = 0.999
"""A pixel outside the person in this share of the surveys counts as never covered by the person."""

MAX_SCATTER: Final = 8.0
"""Largest root mean square L*a*b* distance, from their mean, of the room colours around a confident
claim: walls and furniture are uniform, hair and hands are not."""

SCATTER_BLOCKS: Final = 2
"""Radius of that neighbourhood, in blocks of the person mask."""

MIN_AGREEMENT: Final = 0.15
"""Smallest share of the 24 neighbours that agree with a claim. A leak covers an area, noise covers
single pixels. On 14 calls of known truth it gained 0.044 of F, all of it on one with noise."""

CONFIDENT_AGREEMENT: Final = 0.6
"""Smallest share of the 24 neighbours that agree with a confident claim."""

CONFIDENT_DISTANCE: Final = 14.0
"""Smallest CIEDE2000 distance from the background of a confident claim: a nearer colour may be the
background's own, as a codec with few bits renders it, or a leak of a third of the room's colour."""

STILL_ERRORS: Final = 2.0
"""Standard errors by which a confident leader's share of still surveys is below a background's. A
part of the background that the person cuts off, and that is too small to be known as such, is the
leader where it stands, too. With this limit and a distance of 10, 87 % of the confident claims on
45 calls were right, and 74 % without."""

MIN_CONFIDENT_SHARE: Final = 0.01
"""If fewer pixels of the picture pass the tests of a confident claim, none is: a few pass by
chance. With this limit and that of the distance, chosen on them, 92 % of the confident claims are
right in the mean of 16 calls, and 63 % in the worst; with limits of 0.4 % and 10 it was 81 % of 27
calls, and 1 %."""

CONFIDENCE_POWER: Final = 2.4
"""Exponent that spreads the confidence of the other claims below 0.5, so that their precision rises
with it."""

BOX_SUM_PARTS: Final = 16
"""Parts of the picture that are summed one after another."""

CONTRADICTION: Final = 10.0
"""A known background pixel with a larger CIEDE2000 distance from the given picture is wrong."""


def decide_farend(
    table: OutsideTable,
    parameters: Parameters,
    bands: Bands,
    out: Claims,
    picture: Array | None = None,
    *,
    noisy: bool = False,
) -> Registered | None:
    """Choose, per pixel, the colour outside the person mask at the far end from the background.

    Parameters
    ----------
    picture
        (m, n, 3) RGB of 0 to 255, a given picture of the background.
    noisy
        Whether the background has noise in its pixels: it is then known wherever the person never
        is near, and claims that resemble what the noise leaves there are dropped.

    Returns
    -------
    The picture's registration with the call; None without a picture.

    Raises
    ------
    BackgroundMismatch
        The picture does not match the call.
    """
    background = leading_colours(table, bands, out)
    share = STILL_SHARE if picture is None else STILL_SHARE_WITH_PICTURE
    still, usual = _still_share(table)
    known = _known_background(table, out.counts.background_count, still, usual, share)
    far = far_from_person(table) if noisy else None
    if far is not None:
        known |= far & (table.leader_surveys > 0)
    match = None if picture is None else register(picture, background, known)
    if match is None:
        background[...] = inpaint_pull_push(background, known)
        steady = known
    else:
        known, steady = _complete(background, known, match)
    out.set_background(background, known)
    room_lab = choose_colours(table, parameters, bands, out, background, steady)
    del background  # What follows is the peak of a recovery's memory.
    claimed = out.counts.episodes > 0
    agreement = neighbour_agreement(room_lab, claimed, bands)
    specks = claimed & (agreement < MIN_AGREEMENT)
    if far is not None:
        specks |= is_like_noise(claimed & ~specks, agreement, out.counts.ciede2000, far)
    out.drop(specks)
    claimed &= ~specks
    radius = SCATTER_BLOCKS * table.layout.block_size
    is_uniform = _scatter(room_lab, claimed, radius) <= MAX_SCATTER
    del room_lab
    outside = table.outside_surveys / max(1, table.n_surveys)
    probability = _room_probability(agreement, out.counts.ciede2000, outside)
    is_leader = claimed & (out.counts.first_frame < 0)
    confident = (
        (outside >= NEVER_COVERED_SHARE)
        & (out.counts.ciede2000 >= CONFIDENT_DISTANCE)
        & ~(is_leader & _may_be_background(table, still, usual, share))
        & (table.evictions == 0)
        & (agreement >= CONFIDENT_AGREEMENT)
        & is_uniform
    )
    if np.count_nonzero(confident) < MIN_CONFIDENT_SHARE * confident.size:
        confident[...] = False
    confidence = 0.5 * probability**CONFIDENCE_POWER
    confidence[confident] = 0.5 + 0.5 * probability[confident]
    out.claim(confidence, claimed)
    return match


def _known_background(
    table: OutsideTable, shown: Array, still: Array, usual: float, share: float
) -> Array:
    """Mark the pixels whose leader is the background: still, and in large regions; (h, w) bool.

    A virtual background is drawn identically in every frame, and a codec repeats what does not
    change. A leaking room has camera noise and shows through a trembling mask. If noise changes
    the whole picture, stillness identifies nothing; the background is then the leader that shows
    in almost all surveys of a pixel that is mostly outside the person.

    Parameters
    ----------
    shown
        (h, w) number of surveys that showed the leader.
    still, usual
        As from `_still_share`.
    share
        Smallest share of still surveys, relative to the usual share of the picture.
    """
    known: Array
    if usual >= MIN_USUAL:
        known = (still >= share * usual) & (table.leader_stills >= MIN_STILL_SURVEYS)
    else:
        of_all = table.of_all_surveys(table.outside_surveys)
        known = _often_outside(table) & (shown >= STEADY_SHARE * of_all)
    select.keep_large_regions(known, LARGE_REGION)
    return known


def _still_share(table: OutsideTable) -> tuple[Array, float]:
    """Return each leader's share of still surveys, (h, w), and the usual one of the picture."""
    often = _often_outside(table)
    n_surveys = np.maximum(1, table.outside_surveys)
    still: Array = np.divide(table.leader_stills, n_surveys, dtype=np.float32)
    return still, float(np.percentile(still[often], USUAL_PERCENTILE)) if often.any() else 0.0


def _often_outside(table: OutsideTable) -> Array:
    """Mark the pixels that are mostly outside the person, (h, w) bool."""
    often: Array = table.outside_surveys >= SEEN_SHARE * table.n_surveys
    return often


def _may_be_background(table: OutsideTable, still: Array, usual: float, share: float) -> Array:
    """Mark the pixels whose leader may be as still as a background, (h, w) bool.

    A share of few surveys is uncertain: those within `STILL_ERRORS` of the limit are marked, too.
    """
    if usual < MIN_USUAL:
        return np.ones(still.shape, np.bool_)
    error = np.sqrt(still * (1 - still) / np.maximum(1, table.outside_surveys))
    marked: Array = still + STILL_ERRORS * error >= share * usual
    return marked


def _complete(background: Array, known: Array, match: Registered) -> tuple[Array, Array]:
    """Fill the unknown pixels of the background from a registered picture.

    The difference between the call and the picture, such as brighter corners, is inpainted from
    the known pixels and added. Known pixels that the picture contradicts are dropped: they show a
    room that leaks all the time, or a person who sits still.

    Parameters
    ----------
    background
        (h, w, 3) float32, changed in place.
    known
        (h, w) bool.

    Returns
    -------
    known, steady
        (h, w) bool: where the background is now known, and where it comes from the call.
    """
    lab, shown_lab = (to_lab(rgb.astype(np.float64)) for rgb in (match.picture, background))
    confirmed = known & (ciede2000(lab, shown_lab) <= CONTRADICTION)
    uncovered = known & ~match.covered
    residual = inpaint_pull_push(
        np.where(confirmed[..., None], background - match.picture, np.float32(0)), confirmed
    )
    drawn = np.clip(match.picture + residual, 0, 255)
    drawn[confirmed] = background[confirmed]
    filled = inpaint_pull_push(background, uncovered) if uncovered.any() else drawn
    background[...] = np.where(match.covered[..., None], drawn, filled)
    return match.covered | uncovered, confirmed | uncovered


def _room_probability(agreement: Array, distance: Array, outside: Array) -> Array:
    """Estimate the probability that a claimed colour is the room's, (h, w).

    The coefficients are those of a logistic regression on simulated calls of known truth. A large
    distance is evidence for the room only where the person never was; elsewhere hair and hands
    have the same distance.

    Parameters
    ----------
    agreement
        (h, w) share of the neighbours that agree.
    distance
        (h, w) CIEDE2000 from the background.
    outside
        (h, w) share of the surveys in which the pixel was outside the person.
    """
    never_covered = outside >= NEVER_COVERED_SHARE
    excess = np.maximum(0, distance - FAR_DISTANCE) / FAR_DISTANCE
    evidence = (
        -1.6
        + 1.1 * agreement
        + 1.25 * np.minimum(distance / FAR_DISTANCE, 2)
        + 0.9 * outside
        + np.where(never_covered, 1.3, -3.0 * excess)
    )
    probability: Array = 1.0 / (1.0 + np.exp(-evidence))
    return probability


def _scatter(lab: Array, claimed: Array, radius: int) -> Array:
    """Return the root mean square distance of the room colours around each pixel from their mean.

    Parameters
    ----------
    lab
        (h, w, 3) L*a*b* of the room.
    claimed
        (h, w) bool, where a room is claimed.
    radius
        The neighbourhood is a square of `2 * radius + 1` pixels.

    Returns
    -------
    (h, w) float64.
    """
    weight = claimed.astype(np.float64)
    n = np.maximum(1, _box_sum(weight, radius))
    # Channel by channel: whole pictures in float64 take much memory.
    square = np.zeros(claimed.shape)
    for channel in range(3):
        square += lab[..., channel].astype(np.float64) ** 2
    square = _box_sum(weight * square, radius) / n
    for channel in range(3):
        square -= (_box_sum(weight * lab[..., channel], radius) / n) ** 2
    scatter: Array = np.sqrt(np.maximum(0, square, out=square), out=square)
    return scatter


def _box_sum(values: Array, radius: int) -> Array:
    """Sum the square of `2 * radius + 1` pixels around each value, cropped to the picture."""
    values = values.copy()
    for axis in (0, 1):
        length = values.shape[axis]
        places = np.arange(length)
        first, end = np.maximum(places - radius, 0), np.minimum(places + radius + 1, length)
        # In parts, across the axis: sums of the whole picture would double the memory.
        for part in np.array_split(values, BOX_SUM_PARTS, 1 - axis):
            sums = np.insert(np.cumsum(part, axis), 0, 0, axis)
            part[...] = sums.take(end, axis) - sums.take(first, axis)
    return values
