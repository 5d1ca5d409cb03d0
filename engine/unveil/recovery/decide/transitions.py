"""Deciding by separate transitions from and to the background."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil.counting.table import TransitionTable
from unveil.parallel import Bands
from unveil.recovery.decide.claims import (
    LARGE_REGION,
    Claims,
    ColourCounts,
    beyond,
    field_of,
    leading_colours,
    levels_of,
    neighbour_agreement,
)
from unveil.recovery.parameters import Parameters
from unveil.video.colour import to_rgb
from unveil_kernels import select

Array = npt.NDArray[Any]

STEADY_SHARE: Final = 0.8
"""A leader seen in this share of surveys is certainly the background, if its region is large."""

SEEN_SHARE: Final = 0.3
"""Share of surveys from which a leader may continue a neighbour's background."""

CONTINUITY: Final = 4.0
"""L*a*b* distance up to which a leader continues its neighbour's."""

MIN_AGREEMENT: Final = 0.125
"""Share of its 24 neighbours that must agree with a claim: three of them."""

MIN_EPISODES: Final = 2
"""Separate transitions in which a room's colour must have come up."""

CALLER_EPISODES: Final = 2.0
"""Where the background is not known, how many times oftener than is usual there: what comes
and goes as often as the rest is the caller."""


def decide_transitions(
    table: TransitionTable, parameters: Parameters, bands: Bands, out: Claims
) -> None:
    """Take a colour that shows in several transitions for the room.

    Any such colour where the background is known; where it is not, one that comes and goes
    more often than the caller's colours there.
    """
    height, width = out.confidence.shape
    colour = table.layout.colour
    background_lab = np.empty((height, width, 3), np.float32)
    background = leading_colours(table, bands, out, background_lab)
    known = _known_background(out.counts.background_count / table.n_surveys, background_lab)
    out.set_background(background, known)
    needed = _needed_episodes(table.leader_returns, known)
    consistency = np.zeros((height, width), np.float32)
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots = table.slots[band].reshape(-1, table.slots.shape[2])
        least = needed[band].ravel()
        returns, surveys = table.leader_returns[band].ravel(), table.leader_surveys[band].ravel()
        counts, episodes = field_of(slots, "count"), field_of(slots, "episodes")
        rows = np.arange(len(slots))
        considered = (counts > parameters.noise_frames) & (episodes >= least[:, None])
        behind_lab = background_lab[band].reshape(-1, 3)
        behind = background[band].reshape(-1, 3)
        far = beyond(slots, considered, behind, behind_lab, colour, parameters)
        place = np.empty(len(slots), np.int64)
        select.most_episodes(counts, episodes, far, parameters.noise_frames, place)
        seen = np.where(place >= 0, episodes[rows, place], 0)
        share = counts[rows, place] / np.maximum(1, counts.sum(1))
        # Where the background is not known the leader is a colour like any other.
        leads = ~known[band].ravel() & (returns >= np.maximum(seen, least))
        share[leads] = surveys[leads] / table.n_surveys
        consistency[band] = share.reshape(-1, width)

        (pixels,) = np.nonzero(leads | (place >= 0))
        led = leads[pixels]
        chosen = slots[pixels, place[pixels]]
        levels = levels_of(chosen)
        levels[led] = table.leader[:, band].reshape(3, -1).T[pixels[led]]
        counted = ColourCounts.of(chosen).or_leader(led, surveys[pixels], returns[pixels])
        room_lab[band] = out.set_room(band, pixels, to_rgb(levels, colour), behind_lab, counted)
        out.set_colours_seen(band, counts, table.evictions[band], leader=True)

    out.run(decide, bands)
    claimed = out.counts.episodes > 0
    agreeing = neighbour_agreement(room_lab, claimed, bands)
    often = 1.0 - 0.5 ** (out.counts.episodes / needed)
    confidence = np.cbrt(often * consistency * agreeing)
    out.claim(confidence, claimed & (agreeing >= MIN_AGREEMENT))


def _known_background(share: Array, lab: Array) -> Array:
    """Where the leader is the background: steady over large regions, and what continues them.

    A virtual background is one picture, so it goes on from pixel to pixel; a caller who
    covers a pixel, or a room that leaks there steadily, breaks off at an edge. `share`
    (h, w) is that of the surveys which showed the leader, `lab` (h, w, 3) its colour.
    """
    known: Array = share >= STEADY_SHARE
    select.keep_large_regions(known, LARGE_REGION)
    select.grow_region(known, lab, share >= SEEN_SHARE, CONTINUITY)
    return known


def _needed_episodes(returns: Array, known: Array) -> Array:
    """In how many transitions a pixel's room must have come up, (h, w) float64.

    `returns` (h, w) are those to the leaders, `known` (h, w) is where these are the background.
    """
    needed = np.full(known.shape, float(MIN_EPISODES))
    if not known.all():
        usual = float(np.median(returns[~known]))
        needed[~known] = max(MIN_EPISODES, CALLER_EPISODES * usual)
    return needed
