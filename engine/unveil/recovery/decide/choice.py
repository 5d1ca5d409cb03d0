"""The choice of the room among the colours that a pixel showed outside the person mask.

The least blended colour is the farthest from the background, but a single wrong sample may be
farther. So distance counts less where no neighbour showed the like, and more where blends of the
colour with the background were seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from unveil.counting.outside import OutsideTable
from unveil.parallel import Bands
from unveil.recovery.decide.claims import (
    NEIGHBOUR_DISTANCE,
    Claims,
    ColourCounts,
    field_of,
    levels_of,
)
from unveil.recovery.parameters import Parameters
from unveil.video.colour import ciede2000, cosine_similarity, to_lab, to_rgb
from unveil_kernels import select
from unveil_kernels.counting.outside import OUTSIDE_SURVEY_EVERY

Array = npt.NDArray[Any]

BASE_WEIGHT: Final = 0.3
"""Weight of a colour like which no neighbour's is; it grows by the share of neighbours alike."""

BLEND_WEIGHT: Final = 0.3
"""What each blend of a colour that the pixel showed, too, adds to its weight, as a share of it."""

BLEND_DISTANCE: Final = 7.0
"""Largest L*a*b* distance of a blend from the line between background and colour."""

SPREAD_HEIGHT: Final = 360
"""The neighbours are next to each other in pictures of this height, and farther apart, in pixels,
in larger ones."""


def choose_colours(
    table: OutsideTable,
    parameters: Parameters,
    bands: Bands,
    out: Claims,
    background: Array,
    steady: Array,
) -> Array:
    """Choose each pixel's colour, and set it as the room's.

    Of the colours that differ from the background it is the one with the largest product of its
    CIEDE2000 distance from the background and its weight, as from `select.weigh_candidates`.

    Parameters
    ----------
    background
        (h, w, 3) float32 RGB.
    steady
        (h, w) bool, where the call shows the background for certain.

    Returns
    -------
    (h, w, 3) float32 L*a*b* of the room, 0 where there is none.
    """
    choice = _Choice.of(table, parameters, out, background, steady)
    for step in (choice.find, choice.weigh, choice.show):
        out.run(step, bands)
    return choice.lab


@dataclass(frozen=True, slots=True)
class _Choice:
    """The steps of the choice, each run over all bands before the next one.

    Attributes
    ----------
    lab
        (h, w, 3) float32 L*a*b* of each pixel's farthest colour; after `show`, of its room.
    chosen
        (h, w) int16, which of the pixel's colours: the farthest, after `weigh` the heaviest one;
        `n_slots` is the leader, -1 none.
    differs
        (h, w) bool, where any of the pixel's colours differs from the background.
    differing
        (h, w, n) uint8, bits: which of the pixel's colours differ from the background.
    """

    table: OutsideTable
    parameters: Parameters
    out: Claims
    background: Array
    steady: Array
    n_slots: int
    lab: Array
    chosen: Array
    differs: Array
    differing: Array

    @classmethod
    def of(
        cls,
        table: OutsideTable,
        parameters: Parameters,
        out: Claims,
        background: Array,
        steady: Array,
    ) -> Self:
        shape = out.confidence.shape
        n_slots = table.slots.shape[2]
        return cls(
            *(table, parameters, out, background, steady, n_slots),
            lab=np.zeros((*shape, 3), np.float32),
            chosen=np.empty(shape, np.int16),
            differs=np.empty(shape, np.bool_),
            differing=np.empty((*shape, -(-(n_slots + 1) // 8)), np.uint8),
        )

    def find(self, first: int, last: int) -> None:
        """Find the colours that differ from the background, and the farthest of them."""
        band = slice(first, last)
        slot_counts = field_of(self._slots(band), "count")
        self.out.set_colours_seen(band, slot_counts, self.table.evictions[band], leader=True)
        counts = np.column_stack([slot_counts, self._leader_counts(band)])
        pixels, places = np.nonzero(counts > self.parameters.noise_frames)
        rgb = self._rgb(band, pixels, places)
        lab = to_lab(rgb)
        behind = self.background[band].reshape(-1, 3).astype(np.float64)
        from_background = ciede2000(lab, _lab_at(behind, pixels)[pixels])
        threshold = self.parameters.distance_threshold
        if self.parameters.metric == "cosine":
            differs = cosine_similarity(rgb, behind[pixels]) < threshold
        else:
            differs = from_background > threshold
        distance = np.full(counts.shape, -1.0)
        distance[pixels, places] = np.where(differs, from_background, -1.0)
        place, farthest = _largest(distance)
        place[farthest < 0] = -1
        self.chosen[band] = place.reshape(last - first, -1)
        self.differs[band] = self.chosen[band] >= 0
        bits = np.packbits(distance >= 0, 1)
        self.differing[band] = bits.reshape(self.differing[band].shape)
        is_farthest = places == place[pixels]
        self.lab[band].reshape(-1, 3)[pixels[is_farthest]] = lab[is_farthest]

    def weigh(self, first: int, last: int) -> None:
        """Choose among the colours of the pixels that have several."""
        band = slice(first, last)
        place = self.chosen[band].flatten()
        pixels = np.flatnonzero(place >= 0)
        bits = self.differing[band].reshape(len(place), -1)[pixels]
        differing = np.unpackbits(bits, 1, self.n_slots + 1)
        has_several = differing.sum(1) > 1
        pixels, differing = pixels[has_several], differing[has_several]
        place[pixels] = self._heaviest(band, pixels, differing, place[pixels])
        self.chosen[band] = place.reshape(last - first, -1)

    def _heaviest(self, band: slice, pixels: Array, differing: Array, farthest: Array) -> Array:
        """Choose among the `differing` colours of m pixels of a band, (m, n_slots + 1): (m,)."""
        height, width = self.chosen.shape
        rows, places = np.nonzero(differing)
        lab = to_lab(self._rgb(band, pixels[rows], places))
        behind = to_lab(self.background[band].reshape(-1, 3)[pixels].astype(np.float64))
        starts = np.searchsorted(rows, np.arange(len(pixels) + 1))
        weights = np.empty(len(rows))
        select.weigh_candidates(
            *(lab, starts, band.start * width + pixels, behind, self.lab, self.differs),
            *(max(1, round(height / SPREAD_HEIGHT)), NEIGHBOUR_DISTANCE, BLEND_DISTANCE),
            *(BASE_WEIGHT, BLEND_WEIGHT, weights),
        )
        # Only what is heavier than the farthest colour can win, so few distances are needed.
        is_farthest = places == farthest[rows]
        of_farthest = weights[is_farthest]
        is_open = np.maximum.reduceat(weights, starts[:-1]) > of_farthest
        tried = is_open[rows] & (is_farthest | (weights > of_farthest[rows]))
        rows, places = rows[tried], places[tried]
        product = np.zeros(differing.shape)
        product[rows, places] = weights[tried] * ciede2000(lab[tried], behind[rows])
        return np.where(is_open, _largest(product)[0], farthest)

    def show(self, first: int, last: int) -> None:
        """Set the room, its counts and its times."""
        band = slice(first, last)
        out, table, colour = self.out, self.table, self.table.layout.colour
        slots = self._slots(band)
        leader = table.leader[:, band].reshape(3, -1).T.astype(np.float64)
        levels = np.concatenate([levels_of(slots), leader[:, None]], 1)
        place = self.chosen[band].ravel()
        pixels = np.flatnonzero(place >= 0)
        behind_lab = _lab_at(self.background[band].reshape(-1, 3), pixels)
        times = table.colour_times
        seen = times.seen[:, times.sampled_rows(first, last)]
        out.set_seen(band, times, seen, levels, place, behind_lab, colour)
        place = place[pixels]
        of_slots = slots[pixels, np.minimum(place, self.n_slots - 1)]
        counted = ColourCounts.of(of_slots).or_leader(
            place == self.n_slots, self._leader_counts(band)[pixels], 1
        )
        rgb = to_rgb(levels[pixels, place], colour)
        self.lab[band] = out.set_room(band, pixels, rgb, behind_lab, counted)

    def _slots(self, band: slice) -> Array:
        """Return the slots of a band's pixels, (n, n_slots)."""
        return self.table.slots[band].reshape(-1, self.n_slots)

    def _leader_counts(self, band: slice) -> Array:
        """Return the frames of each pixel's leader, (n,), as far as it is a candidate.

        Where the call does not show the background for certain, the leader may be the room.
        """
        surveys = self.table.of_all_surveys(self.table.leader_surveys[band].ravel())
        return np.where(self.steady[band].ravel(), 0, surveys * OUTSIDE_SURVEY_EVERY)

    def _rgb(self, band: slice, pixels: Array, places: Array) -> Array:
        """Return colours of a band's pixels, (n, 3) float64; `places` as in `chosen`."""
        levels = levels_of(self._slots(band)[pixels, np.minimum(places, self.n_slots - 1)])
        is_leader = places == self.n_slots
        levels[is_leader] = self.table.leader[:, band].reshape(3, -1)[:, pixels[is_leader]].T
        return to_rgb(levels, self.table.layout.colour)


def _largest(values: Array) -> tuple[Array, Array]:
    """Return the place of the largest value of each row, the first of equals, and the value."""
    places = values.argmax(1)
    return places, values[np.arange(len(values)), places]


def _lab_at(rgb: Array, pixels: Array) -> Array:
    """Convert the RGB of some pixels, (n, 3), to L*a*b*, (n, 3) float64, 0 at the others.

    `pixels` are ascending indices, which may come repeatedly.
    """
    lab = np.zeros((len(rgb), 3))
    is_first = np.ones(len(pixels), np.bool_)
    is_first[1:] = pixels[1:] != pixels[:-1]
    lab[pixels[is_first]] = to_lab(rgb[pixels[is_first]].astype(np.float64))
    return lab
