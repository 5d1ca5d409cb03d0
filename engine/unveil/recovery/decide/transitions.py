"""The decision of method "transitions": the room is the colour with most separate appearances.

An appearance counts if it is next to a change from or to the background.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil.counting.transitions import TransitionTable
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
from unveil_kernels.counting.counters import decode

Array = npt.NDArray[Any]

STEADY_SHARE: Final = 0.8
"""A leader shown in this share of the surveys is the background if its region is large."""

SEEN_SHARE: Final = 0.3
"""Smallest share of the surveys of a leader to which a neighbour's background may grow."""

CONTINUITY: Final = 4.0
"""Largest L*a*b* distance of a leader from its neighbour's background to which that grows."""

MIN_AGREEMENT: Final = 0.125
"""Smallest share of the 24 neighbours that agree with a claim: three of them."""

MIN_EPISODES: Final = 2
"""Smallest number of separate transitions in which a room's colour was seen."""

CALLER_EPISODES: Final = 2.0
"""Where the background is not known, a room's colour needs this many times the median number of
episodes there: a colour that appears as often as the others is the caller's."""


def decide_transitions(
    table: TransitionTable, parameters: Parameters, bands: Bands, out: Claims
) -> None:
    """Choose, per pixel, the colour with most episodes, of those that differ from the background.

    `MIN_EPISODES` suffice where the background is known. Elsewhere the colour must have more
    episodes than the caller's colours have there.
    """
    height, width = out.confidence.shape
    colour = table.layout.colour
    background_lab = np.empty((height, width, 3), np.float32)
    background = leading_colours(table, bands, out, background_lab)
    known = _known_background(out.counts.background_count / table.all_surveys, background_lab)
    out.set_background(background, known)
    all_returns = decode(table.leader_returns)
    needed = _needed_episodes(all_returns, known)
    consistency = np.zeros((height, width), np.float32)
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots = table.slots[band].reshape(-1, table.slots.shape[2])
        least = needed[band].ravel()
        returns = all_returns[band].ravel()
        surveys = table.of_all_surveys(table.leader_surveys[band].ravel())
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
        # Where the background is not known, the leader may be the room.
        is_leader = ~known[band].ravel() & (returns >= np.maximum(seen, least))
        share[is_leader] = surveys[is_leader] / table.all_surveys
        consistency[band] = share.reshape(-1, width)

        times = table.colour_times
        chosen_place = np.where(is_leader, table.n_slots - 1, place)
        seen = times.seen[:, times.sampled_rows(first, last)]
        leader = table.leader[:, band].reshape(3, -1).T.astype(np.float64)
        all_levels = np.concatenate([levels_of(slots), leader[:, None]], 1)
        out.set_seen(band, times, seen, all_levels, chosen_place, behind_lab, colour)

        (pixels,) = np.nonzero(is_leader | (place >= 0))
        by_leader = is_leader[pixels]
        chosen = slots[pixels, place[pixels]]
        levels = levels_of(chosen)
        levels[by_leader] = table.leader[:, band].reshape(3, -1).T[pixels[by_leader]]
        counted = ColourCounts.of(chosen).or_leader(by_leader, surveys[pixels], returns[pixels])
        room_lab[band] = out.set_room(band, pixels, to_rgb(levels, colour), behind_lab, counted)
        out.set_colours_seen(band, counts, table.evictions[band], leader=True)

    out.run(decide, bands)
    claimed = out.counts.episodes > 0
    agreement = neighbour_agreement(room_lab, claimed, bands)
    recurrence = 1.0 - 0.5 ** (out.counts.episodes / needed)
    confidence = np.cbrt(recurrence * consistency * agreement)
    out.claim(confidence, claimed & (agreement >= MIN_AGREEMENT))


def _known_background(share: Array, lab: Array) -> Array:
    """Mark the pixels whose leader is the background: (h, w) bool.

    The seeds are large regions with steady leaders. They grow to neighbours of similar colour,
    because a virtual background is one continuous picture; a caller who covers a pixel, or a room
    that leaks steadily, is bounded by an edge.

    Parameters
    ----------
    share
        (h, w) share of the surveys that showed the leader.
    lab
        (h, w, 3) L*a*b* of the leader.
    """
    known: Array = share >= STEADY_SHARE
    select.keep_large_regions(known, LARGE_REGION)
    select.grow_region(known, lab, share >= SEEN_SHARE, CONTINUITY)
    return known


def _needed_episodes(returns: Array, known: Array) -> Array:
    """Return the number of episodes that a pixel's room colour must have, (h, w) float64.

    Parameters
    ----------
    returns
        (h, w) number of returns to the leader.
    known
        (h, w) bool, where the leader is the background.
    """
    needed = np.full(known.shape, float(MIN_EPISODES))
    if not known.all():
        usual = float(np.median(returns[~known]))
        needed[~known] = max(MIN_EPISODES, CALLER_EPISODES * usual)
    return needed
