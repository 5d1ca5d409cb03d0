"""Deciding by the far end: the room is what lies farthest from the background.

A leak shows the room through the background: `a * room + (1 - a) * background`, with any
`a`. The farthest colour of a pixel that was seen often enough is the least blended.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil.counting.table import OutsideTable
from unveil.parallel import Bands
from unveil.recovery.background.inpaint import inpaint_pull_push
from unveil.recovery.background.registration import Registered, register
from unveil.recovery.background.steadiness import SEEN_SHARE, STEADY_SHARE
from unveil.recovery.decide.claims import (
    LARGE_REGION,
    Claims,
    ColourCounts,
    field_of,
    leading_colours,
    levels_of,
    neighbour_agreement,
)
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Colour
from unveil.video.colour import ciede2000, cosine_similarity, to_lab, to_rgb
from unveil_kernels import select
from unveil_kernels.counting.outside import OUTSIDE_SURVEY_EVERY

Array = npt.NDArray[Any]

FAR_DISTANCE: Final = 20.0
"""CIEDE2000 from the background beyond which a colour may well be the person's."""

STILL_SHARE: Final = 0.75
"""Share of the surveys outside the person in which the background is seen still, at least, of
what is usual in the picture. On seven calls of known truth 94.6 to 100 % of the pixels that pass
were the background's, also where the person mostly hides it."""

STILL_SHARE_BESIDE_PICTURE: Final = 0.9
"""The same where a picture of the background is given, which serves where this does not."""

MIN_STILL_SURVEYS: Final = 3
"""Surveys that must show a background still."""

USUAL_PERCENTILE: Final = 90
"""Percentile of the pixels' shares of still surveys that is usual in the picture."""

MIN_USUAL: Final = 0.5
"""Usual share from which stillness tells the background. It was 0.92 to 0.99 on calls of known
truth: a codec repeats what does not change."""

NEVER_COVERED_SHARE: Final = 0.999
"""Share of the surveys from which a pixel counts as never covered by the person."""

SCATTER: Final = 8.0
"""L*a*b* distance, the root of its mean square, by which the rooms around a sure one scatter at
most: walls and furniture go on, hair and hands do not."""

SCATTER_SQUARES: Final = 2
"""Reach of that neighbourhood on each side, in squares of the person's silhouette."""

SURE_AGREEMENT: Final = 0.6
"""Share of its 24 neighbours that must agree with a sure room."""

MIN_SURE_SHARE: Final = 0.001
"""Share of the picture that must be sure for any of it to be: a few pixels are so by chance."""

CONFIDENCE_POWER: Final = 2.4
"""Spreads the confidence of claims that are not sure below 0.5, so that their shares of right ones
rise with it."""

CONTRADICTION: Final = 10.0
"""CIEDE2000 from the given picture beyond which what was taken for the background is not."""


def decide_farend(
    table: OutsideTable,
    parameters: Parameters,
    bands: Bands,
    out: Claims,
    picture: Array | None = None,
) -> Registered | None:
    """Take the colour farthest from the background of those seen outside the person.

    Returns how a given picture of the background, (m, n, 3) RGB of 0 to 255, lies over the
    call's.

    Raises
    ------
    BackgroundMismatch
        The picture is not what was counted.
    """
    height, width = out.confidence.shape
    colour = table.layout.colour
    background = leading_colours(table, bands, out)
    seen = table.outside_surveys
    share = STILL_SHARE if picture is None else STILL_SHARE_BESIDE_PICTURE
    known = _known_background(table, out.counts.background_count, share)
    match = None if picture is None else register(picture, background, known)
    if match is None:
        background[...] = inpaint_pull_push(background, known)
        steady = known
    else:
        known, steady = _completed(background, known, match)
    out.set_background(background, known)
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots = table.slots[band].reshape(-1, table.slots.shape[2])
        slot_counts = field_of(slots, "count")
        surveys = table.leader_surveys[band].ravel().astype(np.int64)
        # Where the call does not tell the background the leader is a colour like any other.
        leads = np.where(steady[band].ravel(), 0, surveys * OUTSIDE_SURVEY_EVERY)
        counts = np.column_stack([slot_counts.astype(np.int64), leads])
        leader = table.leader[:, band].reshape(3, -1).T.astype(np.float64)
        levels = np.concatenate([levels_of(slots), leader[:, None]], 1)
        behind = background[band].reshape(-1, 3).astype(np.float64)
        behind_lab = to_lab(behind)
        considered = counts > parameters.noise_frames
        place = _farthest(levels, considered, behind, behind_lab, colour, parameters)

        (pixels,) = np.nonzero(place >= 0)
        place = place[pixels]
        led = place == slots.shape[1]
        chosen = slots[pixels, np.minimum(place, slots.shape[1] - 1)]
        counted = ColourCounts.of(chosen).or_leader(led, leads[pixels], 1)
        rgb = to_rgb(levels[pixels, place], colour)
        room_lab[band] = out.set_room(band, pixels, rgb, behind_lab, counted)
        out.set_colours_seen(band, slot_counts, table.evictions[band], leader=True)

    out.run(decide, bands)
    claimed = out.counts.episodes > 0
    outside = seen / max(1, table.n_surveys)
    agreement = neighbour_agreement(room_lab, claimed, bands)
    likely = _likely_room(agreement, out.counts.ciede2000, outside)
    sure = (
        (outside >= NEVER_COVERED_SHARE)
        & (table.evictions == 0)
        & (agreement >= SURE_AGREEMENT)
        & (_scatter(room_lab, claimed, SCATTER_SQUARES * table.layout.block_size) <= SCATTER)
    )
    if np.count_nonzero(sure) < MIN_SURE_SHARE * sure.size:
        sure[...] = False
    confidence = np.where(sure, 0.5 + 0.5 * likely, 0.5 * likely**CONFIDENCE_POWER)
    out.claim(confidence, claimed)
    return match


def _known_background(table: OutsideTable, shown: Array, share: float) -> Array:
    """Where the leader is the background: it stands still there, and over large regions.

    A virtual background is one picture, drawn alike in each frame, so a codec repeats it to the
    level. A room that leaks bears the camera's noise and comes through a mask that trembles.
    Where noise moves the whole picture, stillness tells nothing, and the background is what shows
    one colour all the time where the person mostly is not.

    `shown` (h, w) are the surveys that showed the leader, `share` is that of what is usual in the
    picture which must have shown it still.
    """
    seen = table.outside_surveys
    often = seen >= SEEN_SHARE * table.n_surveys
    still = np.divide(table.leader_stills, np.maximum(1, seen), dtype=np.float32)
    usual = np.percentile(still[often], USUAL_PERCENTILE) if often.any() else 0.0
    known: Array
    if usual >= MIN_USUAL:
        known = (still >= share * usual) & (table.leader_stills >= MIN_STILL_SURVEYS)
    else:
        known = often & (shown >= STEADY_SHARE * seen)
    select.keep_large_regions(known, LARGE_REGION)
    return known


def _farthest(
    levels: Array,
    considered: Array,
    background: Array,
    background_lab: Array,
    colour: Colour,
    parameters: Parameters,
) -> Array:
    """Place of each pixel's colour that is farthest from the background, -1 for none beyond it.

    Parameters
    ----------
    levels
        (n, n_slots + 1, 3) float64, of the colours; the last one is the leader's.
    considered
        (n, n_slots + 1) bool.
    background, background_lab
        (n, 3) float64, RGB and L*a*b*.
    """
    rows, places = np.nonzero(considered)
    rgb = to_rgb(levels[rows, places], colour)
    lab = to_lab(rgb)
    apart = ciede2000(lab, background_lab[rows])
    if parameters.metric == "cosine":
        beyond = cosine_similarity(rgb, background[rows]) < parameters.distance_threshold
    else:
        beyond = apart > parameters.distance_threshold
    distance = np.full(considered.shape, -1.0)
    distance[rows, places] = np.where(beyond, apart, -1.0)
    return np.where(distance.max(1) >= 0, distance.argmax(1), -1)


def _completed(background: Array, known: Array, match: Registered) -> tuple[Array, Array]:
    """Put a picture where the background is not known.

    What the call shows otherwise than the picture, evenly brighter corners, say, goes on
    from the known pixels around. Known pixels that the picture contradicts are room that
    leaks all the time, or a person who sits still.

    Parameters
    ----------
    background
        (h, w, 3) float32, changed in place.
    known
        (h, w) bool.

    Returns
    -------
    known, steady
        (h, w) bool: where the background is known then, and where it still is the call's.
    """
    lab, shown_lab = (to_lab(rgb.astype(np.float64)) for rgb in (match.picture, background))
    right = known & (ciede2000(lab, shown_lab) <= CONTRADICTION)
    beside = known & ~match.covered
    rest = inpaint_pull_push(
        np.where(right[..., None], background - match.picture, np.float32(0)), right
    )
    drawn = np.clip(match.picture + rest, 0, 255)
    drawn[right] = background[right]
    filled = inpaint_pull_push(background, beside) if beside.any() else drawn
    background[...] = np.where(match.covered[..., None], drawn, filled)
    return match.covered | beside, right | beside


def _likely_room(agreement: Array, distance: Array, outside: Array) -> Array:
    """Probability that a claimed colour is the room's, (h, w).

    A logistic regression on what simulated calls of known truth gave away. `agreement` is
    that of the neighbours, `distance` the CIEDE2000 from the background, `outside` the share
    of the surveys in which the pixel was outside the person. A large distance speaks for the
    room only where the person never was: elsewhere hair and hands lie as far off.
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
    likely: Array = 1.0 / (1.0 + np.exp(-evidence))
    return likely


def _scatter(lab: Array, claimed: Array, reach: int) -> Array:
    """Root mean square distance of the rooms around each pixel from their mean, (h, w).

    Parameters
    ----------
    lab
        (h, w, 3) L*a*b* of the rooms.
    claimed
        (h, w) bool, where there is one.
    reach
        The neighbourhood has `2 * reach + 1` pixels on each side.
    """
    here = claimed.astype(np.float64)
    n = np.maximum(1, _sum_around(here, reach))
    square = _sum_around(here * (lab.astype(np.float64) ** 2).sum(-1), reach) / n
    for channel in range(3):
        square -= (_sum_around(here * lab[..., channel], reach) / n) ** 2
    scatter: Array = np.sqrt(np.maximum(0, square))
    return scatter


def _sum_around(values: Array, reach: int) -> Array:
    """Sum a square around each value, (h, w), as far as it lies within the picture."""
    for axis in (0, 1):
        length = values.shape[axis]
        places = np.arange(length)
        sums = np.insert(np.cumsum(values, axis), 0, 0, axis)
        after = sums.take(np.minimum(places + reach + 1, length), axis)
        values = after - sums.take(np.maximum(places - reach, 0), axis)
    return values
