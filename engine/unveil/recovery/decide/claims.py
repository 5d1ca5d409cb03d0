"""The arrays that a decision fills, and the steps that the methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from unveil.counting.colour_times import ColourTimes, bits_of_all
from unveil.counting.surveying import SurveyingTable
from unveil.counting.table import ColourTable
from unveil.parallel import Bands, Step
from unveil.recovery.parameters import Parameters
from unveil.recovery.statistics import PixelCounts
from unveil.video.chunk import Colour
from unveil.video.colour import ciede2000, cosine_similarity, to_lab, to_rgb
from unveil_kernels import select
from unveil_kernels.counting.counters import decode

Array = npt.NDArray[Any]

BAND_PIXELS: Final = 1 << 13
"""Pixels that a thread decides at once; it bounds the memory of the colour conversion."""

LARGE_REGION: Final = 0.25
"""A steady region counts as background if it has at least this share of the largest one's size: the
person may divide the background, but a still shoulder is smaller."""

SAME_ROOM: Final = 10.0
"""Largest CIEDE2000 distance from the claimed colour at which another colour of a pixel shows the
room, too: that at which a claim counts as right. On three calls of known truth the leaked area was
0.35 to 1.12 of the true one with it, and 0.24 to 0.81 with the claimed colour alone."""

NEIGHBOUR_DISTANCE: Final = 8.0
"""Largest L*a*b* distance at which the room colours of two neighbours agree."""


@dataclass(frozen=True, slots=True)
class ColourCounts:
    """Counts of one colour at each of m pixels, arrays of shape (m,)."""

    count: Array
    episodes: Array
    first: Array
    last: Array

    @classmethod
    def of(cls, slots: Array) -> Self:
        """Read the counts of slots (m,)."""
        return cls(*(field_of(slots, name) for name in ("count", "episodes", "first", "last")))

    def or_leader(self, is_leader: Array, count: Array, episodes: Array | int) -> Self:
        """Use a leader's counts where `is_leader` (m,) is True; a leader has no times."""
        return type(self)(
            np.where(is_leader, count, self.count),
            np.where(is_leader, episodes, self.episodes),
            np.where(is_leader, -1, self.first.astype(np.int64)),
            np.where(is_leader, -1, self.last.astype(np.int64)),
        )


@dataclass(frozen=True, slots=True)
class Claims:
    """The arrays of a `Recovery`, filled band by band.

    `seen`, (n_words, rows, columns) uint64, is in which time bins the room's colour was seen at the
    sampled pixels, as in `ColourTimes`.
    """

    room: Array
    background: Array
    confidence: Array
    counts: PixelCounts
    seen: Array

    @classmethod
    def nothing(cls, table: ColourTable) -> Self:
        """Make arrays for a table that claim nothing."""
        shape = table.layout.height, table.layout.width
        return cls(
            seen=np.zeros(table.colour_times.seen.shape[:3], np.uint64),
            room=np.zeros((*shape, 4), np.uint8),
            background=np.zeros((*shape, 4), np.uint8),
            confidence=np.zeros(shape, np.float32),
            counts=PixelCounts(
                background_count=np.zeros(shape, np.uint32),
                room_count=np.zeros(shape, np.uint32),
                episodes=np.zeros(shape, np.uint32),
                first_frame=np.full(shape, -1, np.int64),
                last_frame=np.full(shape, -1, np.int64),
                ciede2000=np.zeros(shape, np.float32),
                colours_seen=np.zeros(shape, np.uint32),
                evictions=np.zeros(shape, np.uint16),
                blurred=np.zeros(shape, np.bool_),
            ),
        )

    def run(self, step: Step, bands: Bands) -> None:
        """Run a step over all rows, in bands of at most `BAND_PIXELS` pixels or of one row."""
        height, width = self.confidence.shape
        bands.run(step, height, max(1, BAND_PIXELS // width))

    def set_background(self, rgb: Array, known: Array) -> None:
        """Set the background, (h, w, 3) RGB; it is opaque where it is `known`, (h, w) bool."""
        self.background[..., :3] = np.rint(rgb)
        self.background[..., 3] = 255 * known

    def set_room(
        self, band: slice, pixels: Array, rgb: Array, background_lab: Array, counted: ColourCounts
    ) -> Array:
        """Set the room of some pixels of a band.

        Parameters
        ----------
        band
            Rows of the band.
        pixels
            (m,) flat indices of the pixels within the band.
        rgb
            (m, 3) float64, the room's colours.
        background_lab
            (n, 3) L*a*b* of the background, for all pixels of the band.
        counted
            Counts of the room's colours.

        Returns
        -------
        (rows, w, 3) float64 L*a*b* of the room, 0 where there is none.
        """
        lab = np.zeros((len(background_lab), 3))
        lab[pixels] = to_lab(rgb)
        self.room[band].reshape(-1, 4)[pixels, :3] = np.rint(rgb)
        for target, values in (
            (self.counts.room_count, counted.count),
            (self.counts.episodes, counted.episodes),
            (self.counts.first_frame, counted.first),
            (self.counts.last_frame, counted.last),
            (self.counts.ciede2000, ciede2000(lab[pixels], background_lab[pixels])),
        ):
            target[band].reshape(-1)[pixels] = values
        return lab.reshape(-1, self.room.shape[1], 3)

    def set_seen(
        self,
        band: slice,
        times: ColourTimes,
        seen: Array,
        levels: Array,
        place: Array,
        background_lab: Array,
        colour: Colour,
    ) -> None:
        """Set when the room's colour was seen at the sampled pixels of a band.

        Compression and noise give one colour several slots. So a colour counts as the room's if it
        is within `SAME_ROOM` of it, and nearer to it than to the background.

        Parameters
        ----------
        band
            Rows of the band.
        times
            Of the table.
        seen
            (n_words, sampled rows of the band, columns, n_colours), the bits of all colours.
        levels
            (n, n_colours, 3) float64, the colours of all pixels of the band.
        place
            (n,), which of them is the room's, -1 where there is none.
        background_lab
            (n, 3) L*a*b* of the background.
        colour
            How `levels` encode colour.
        """
        if seen.size == 0:  # no sampled row, or no known time
            return
        rows = times.sampled_rows(band.start, band.stop)
        ys, xs = times.grid.rows[rows] - band.start, times.grid.columns
        pixels = (ys[:, None] * self.room.shape[1] + xs).ravel()
        claims = np.flatnonzero(place[pixels] >= 0)
        pixels = pixels[claims]
        lab = to_lab(to_rgb(levels[pixels].reshape(-1, 3), colour)).reshape(-1, *levels.shape[1:])
        room = lab[np.arange(len(pixels)), place[pixels]]
        from_room, from_background = (
            ciede2000(lab, np.broadcast_to(other[:, None], lab.shape))
            for other in (room, background_lab[pixels])
        )
        similar = (from_room <= SAME_ROOM) & (from_room < from_background)
        bits = np.zeros((len(seen), len(ys) * len(xs)), np.uint64)
        bits[:, claims] = bits_of_all(
            seen.reshape(len(seen), -1, seen.shape[-1])[:, claims], similar
        )
        self.seen[:, rows] = bits.reshape(len(seen), len(ys), len(xs))

    def set_colours_seen(
        self, band: slice, slot_counts: Array, evictions: Array, *, leader: bool
    ) -> None:
        """Fill `colours_seen` and `evictions` for a band.

        `colours_seen` is the sum of the used slots, those with `slot_counts` (n, n_slots) above 0,
        the `evictions` (rows, w), and 1 for the leader if the method has one.
        """
        in_slots = (slot_counts > 0).sum(1).reshape(evictions.shape)
        self.counts.colours_seen[band] = in_slots + evictions + int(leader)
        self.counts.evictions[band] = evictions

    def drop(self, dropped: Array) -> None:
        """Take claims back, (h, w) bool."""
        self.room[dropped] = 0
        counts = self.counts
        for values in (counts.room_count, counts.episodes, counts.ciede2000):
            values[dropped] = 0
        for times in (counts.first_frame, counts.last_frame):
            times[dropped] = -1

    def claim(self, confidence: Array, claimed: Array) -> None:
        """Set the confidence and, from it, the room's alpha: at least 1 where it is claimed."""
        self.confidence[...] = np.where(claimed, np.maximum(confidence, 1 / 255), 0)
        self.room[..., 3] = np.rint(255 * self.confidence)


def field_of(slots: Array, name: str) -> Array:
    """Copy one field of the slots, of any shape, to contiguous memory; codes become counts."""
    values: Array = np.ascontiguousarray(slots[name])
    return decode(values) if values.dtype == np.uint16 else values


def levels_of(slots: Array) -> Array:
    """Return the levels of the slots' colours, (..., 3) float64."""
    return np.stack([slots["c0"], slots["c1"], slots["c2"]], -1).astype(np.float64)


def noise_radius(table: ColourTable) -> int:
    """Return the levels by which noise alone changes a colour: a bin and half the tolerance."""
    return (1 << (8 - table.bits)) - 1 + table.tolerance // 2


def leading_colours(
    table: SurveyingTable, bands: Bands, out: Claims, lab_out: Array | None = None
) -> Array:
    """Average each pixel's leader with its challenger if both lie within `noise_radius`.

    Parameters
    ----------
    out
        `out.counts.background_count` is set to the number of their surveys.
    lab_out
        If given, it is filled with the averages in L*a*b*, (h, w, 3).

    Returns
    -------
    (h, w, 3) float32 RGB; from levels of 0 where there was no survey.
    """
    height, width = out.confidence.shape
    background = np.empty((height, width, 3), np.float32)

    def average(first: int, last: int) -> None:
        band = slice(first, last)
        surveys, votes = table.leader_surveys[band].ravel(), table.challenger_votes[band].ravel()
        leader, challenger = (
            np.ascontiguousarray(colours[:, band]).reshape(3, -1)
            for colours in (table.leader, table.challenger)
        )
        levels, total = np.empty((len(surveys), 3)), np.empty(len(surveys), np.int64)
        radius = noise_radius(table)
        select.mean_of_leader(leader, surveys, challenger, votes, radius, levels, total)
        levels[total == 0] = 0
        rgb = to_rgb(levels, table.layout.colour)
        background[band] = rgb.reshape(-1, width, 3)
        if lab_out is not None:
            lab_out[band] = to_lab(rgb).reshape(-1, width, 3)
        out.counts.background_count[band] = table.of_all_surveys(total).reshape(-1, width)

    out.run(average, bands)
    return background


def beyond(
    slots: Array,
    considered: Array,
    background: Array,
    background_lab: Array,
    colour: Colour,
    parameters: Parameters,
) -> Array:
    """Mark the slots whose colour differs from the background: (n, n_slots) bool.

    Parameters
    ----------
    slots
        (n, n_slots).
    considered
        (n, n_slots) bool; the others are not marked.
    background, background_lab
        (n, 3), RGB and L*a*b*.
    """
    rows, columns = np.nonzero(considered)
    colours = to_rgb(levels_of(slots[rows, columns]), colour)
    far = np.zeros_like(considered)
    if parameters.metric == "cosine":
        similarity = cosine_similarity(colours, background[rows])
        far[rows, columns] = similarity < parameters.distance_threshold
    else:
        distance = ciede2000(to_lab(colours), background_lab[rows])
        far[rows, columns] = distance > parameters.distance_threshold
    return far


def neighbour_agreement(lab: Array, claimed: Array, bands: Bands) -> Array:
    """Return the share of each claim's 24 neighbours whose room colours agree: (h, w) float32.

    Parameters
    ----------
    lab
        (h, w, 3) float32 L*a*b* of the room.
    claimed
        (h, w) bool, where a room is claimed.
    """
    shares = np.empty(claimed.shape, np.float32)
    bands.run(
        lambda first, last: select.neighbour_agreement(
            lab, claimed, NEIGHBOUR_DISTANCE, first, last, shares
        ),
        len(claimed),
    )
    return shares
