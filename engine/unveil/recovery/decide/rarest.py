"""The decision of method "rarest": zoomg's rule, the rarest colour that is not the background.

The background is the most frequent colour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unveil.counting.runs import RunTable
from unveil.parallel import Bands
from unveil.recovery.decide.claims import (
    Claims,
    ColourCounts,
    beyond,
    field_of,
    levels_of,
    neighbour_agreement,
    noise_radius,
)
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Colour
from unveil.video.colour import to_lab, to_rgb
from unveil_kernels import select

Array = npt.NDArray[Any]


def decide_rarest(table: RunTable, parameters: Parameters, bands: Bands, out: Claims) -> None:
    """Choose, per pixel, the rarest colour that differs from the most frequent one."""
    height, width = out.confidence.shape
    colour = table.layout.colour
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots, evictions, seen = table.closed(first, last)
        slots = slots.reshape(-1, slots.shape[2])
        counts, firsts = field_of(slots, "count"), field_of(slots, "first")
        rows = np.arange(len(slots))
        most = np.empty(len(slots), np.int64)
        select.most_counted(counts, firsts, parameters.noise_frames, most)
        considered = counts > parameters.noise_frames
        considered[rows, most] = False
        reference = to_rgb(levels_of(slots[rows, most]), colour)
        rarest = _rarest_beyond(slots, counts, firsts, considered, reference, colour, parameters)

        levels = np.empty((len(slots), 3))
        total = np.empty(len(slots), np.int64)
        select.mean_within_radius(slots, most, noise_radius(table), levels, total)
        background = to_rgb(levels, colour)
        out.background[band, :, :3] = np.rint(background).reshape(-1, width, 3)
        out.background[band, :, 3] = 255
        out.counts.background_count[band] = total.reshape(-1, width)

        background_lab = to_lab(background)
        all_levels = levels_of(slots)
        out.set_seen(band, table.colour_times, seen, all_levels, rarest, background_lab, colour)
        (pixels,) = np.nonzero(rarest >= 0)
        chosen = slots[pixels, rarest[pixels]]
        rgb = to_rgb(levels_of(chosen), colour)
        room_lab[band] = out.set_room(band, pixels, rgb, background_lab, ColourCounts.of(chosen))
        out.set_colours_seen(band, counts, evictions, leader=False)

    out.run(decide, bands)
    claimed = out.counts.episodes > 0
    out.claim(neighbour_agreement(room_lab, claimed, bands), claimed)


def _rarest_beyond(
    slots: Array,
    counts: Array,
    firsts: Array,
    considered: Array,
    background: Array,
    colour: Colour,
    parameters: Parameters,
) -> Array:
    """Find each pixel's rarest considered slot that differs from the background.

    In most pixels the rarest slot differs already. The colour distance is expensive, so the next
    slot is compared only where it does not.

    Parameters
    ----------
    slots, counts, firsts, considered
        (n, n_slots): the slots, their counts and first frames, and whether they are candidates.
    background
        (n, 3) float64 RGB.

    Returns
    -------
    (n,) index of the slot, -1 for none.
    """
    background_lab = to_lab(background)
    untried = considered.copy()
    chosen = np.full(len(slots), -1)
    pixels = np.flatnonzero(untried.any(1))
    while len(pixels):
        place = np.empty(len(pixels), np.int64)
        select.rarest_beyond(
            counts[pixels], firsts[pixels], untried[pixels], parameters.noise_frames, place
        )
        pixels, place = pixels[place >= 0], place[place >= 0]
        tried = np.zeros((len(pixels), considered.shape[1]), np.bool_)
        tried[np.arange(len(pixels)), place] = True
        behind, behind_lab = background[pixels], background_lab[pixels]
        far = beyond(slots[pixels], tried, behind, behind_lab, colour, parameters).any(1)
        chosen[pixels[far]] = place[far]
        untried[pixels, place] = False
        pixels = pixels[~far]
    return chosen
