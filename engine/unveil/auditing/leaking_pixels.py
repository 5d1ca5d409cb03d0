"""Which pixels of a frame show the room, as a recovery sees it.

A leak is a blend, `a * room + (1 - a) * background`. Where a recovery claims a room colour, a
sample shows the room if it lies on the line from the background to that colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, U8, Array, Bool
from unveil.auditing.boxes import box_sum
from unveil.dilation import dilated
from unveil.recovery.result import Recovery
from unveil.video.chunk import Layout, Planes
from unveil.video.colour import to_rgb

MIN_LEVELS: Final = 10.0
"""Smallest distance of a leak from the background, in levels of RGB: noise of camera and codec is
smaller."""

MIN_BLEND: Final = 0.2
"""Smallest share of the room in a leak."""

MAX_BLEND: Final = 1.4
"""Largest: a lamp that is switched on makes the room brighter than the claimed colour."""

MAX_ASIDE: Final = 16.0
"""Largest distance of a leak from the line, in levels of RGB, at its beginning."""

ASIDE_GROWTH: Final = 0.25
"""Growth of that distance per level along the line."""

NEAR: Final = 30.0
"""Largest distance, in levels of RGB, of a leak from the claimed colour where a mask shows the
person: masks reach beyond the person by a block or two, and a leak may stay there."""

SUPPORT: Final = 0.2
"""Smallest share of the claimed pixels around such a leak that leak, too."""

MIN_AREA: Final = 0.08
"""Smallest share of all pixels around it that leak: single claims on a face are errors."""

UNCLAIMED_LEVELS: Final = 20.0
"""Smallest distance from the background, in levels of RGB, of a leak where nothing is claimed: no
claim confirms it, so it must be clearer than one of `MIN_LEVELS`."""

PROBES: Final = 4096
"""Pixels by which a frame's background is compared with the recovered ones."""


@dataclass(slots=True)
class _Claims:
    """The claimed pixels of one recovery.

    `background`, `direction` are (n, 3) float32 RGB; `length` is (n,) float32; `probes` index
    pixels with a known background; `n_around`, (h, w), counts the claims in a neighbourhood;
    `behind`, (h, w, 4) uint8 RGBA, is the background; `unclaimed`, (h, w), where it is known and
    nothing is claimed.
    """

    rows: Array
    columns: Array
    background: F32
    direction: F32
    length: F32
    probe_rows: Array
    probe_columns: Array
    probe_colours: F32
    behind: U8
    unclaimed: Bool
    n_around: Array | None = None


class LeakingPixels:
    """Marks the pixels of frames of one layout that show the room.

    Parameters
    ----------
    recovery
        A recovery of frames of this size; with several backgrounds, each frame is compared with
        the one that it shows.
    layout
        Of the upright frames.
    rooms
        What is claimed instead behind each of its backgrounds, (h, w, 4) uint8 RGBA.

    Raises
    ------
    ValueError
        The recovery has another size.
    """

    def __init__(
        self, recovery: Recovery, layout: Layout, rooms: Sequence[U8] | None = None
    ) -> None:
        size = layout.height, layout.width
        if recovery.room.shape[:2] != size:
            raise ValueError(f"a recovery of {recovery.room.shape[:2]} for frames of {size}")
        self.layout = layout
        self.recoveries: Sequence[Recovery] = [recovery, *recovery.others]
        self._claims = [
            _claims_of(one.sharp_room if rooms is None else rooms[number], one.background)
            for number, one in enumerate(self.recoveries)
        ]

    def shown_background(self, planes: Planes) -> int:
        """Return the number of the recovery whose background a frame shows."""
        if len(self._claims) == 1:
            return 0
        differences = [self._background_difference(planes, claims) for claims in self._claims]
        return int(np.argmin(differences))

    def find(self, planes: Planes, person: U8 | None = None, number: int = 0) -> Bool:
        """Mark the pixels that show the room: (h, w) bool.

        Parameters
        ----------
        planes
            The frame, (h, w), (ch, cw), (ch, cw) uint8.
        person
            Person mask on the block grid, as in `Chunk.person`. Blocks that show the person hold
            no leak; blocks without it hold nothing but background and leaks, so there, beside
            a leak, pixels without a claim leak if they differ from the background. None: the
            colour alone decides.
        number
            Of the recovery whose background the frame shows.
        """
        claims = self._claims[number]
        found = np.zeros((self.layout.height, self.layout.width), np.bool_)
        if not len(claims.rows):
            return found
        sample = self._samples(planes, claims.rows, claims.columns) - claims.background
        along = np.einsum("ij,ij->i", sample, claims.direction)
        square = np.einsum("ij,ij->i", sample, sample)
        aside = np.sqrt(np.maximum(0, square - along * along))
        least = np.maximum(MIN_LEVELS, MIN_BLEND * claims.length)
        on_line = (along >= np.minimum(least, 0.7 * claims.length)) & (
            along <= MAX_BLEND * claims.length + MAX_ASIDE
        )
        leaks = on_line & (aside <= MAX_ASIDE + ASIDE_GROWTH * along)
        if person is not None:
            side = self.layout.block_size
            block = person[claims.rows // side, claims.columns // side]
            leaks = (leaks & (block < 2)) | ((block == 0) & (square >= least * least))
            # Distance from the room's colour, which lies `length` along the line.
            beyond = along - claims.length
            near = beyond * beyond + aside * aside <= NEAR * NEAR
            inside = (block == 2) & near & (along >= least)
            found[claims.rows[inside], claims.columns[inside]] = True
            found &= self._supported(found, claims)
        found[claims.rows[leaks], claims.columns[leaks]] = True
        if person is not None:
            self._add_unclaimed(found, planes, person, claims)
        return found

    def _add_unclaimed(self, found: Bool, planes: Planes, person: U8, claims: _Claims) -> None:
        """Mark pixels beside leaks, outside the person, that show no background, in place.

        A leak covers an area, but a recovery claims only what it has seen often or clearly enough.
        """
        side = self.layout.block_size
        empty = np.repeat(np.repeat(person == 0, side, 0), side, 1)[: len(found), : found.shape[1]]
        rows, columns = np.nonzero(dilated(found, side, side) & empty & claims.unclaimed)
        behind = claims.behind[rows, columns, :3].astype(np.float32)
        difference = self._samples(planes, rows, columns) - behind
        square = np.einsum("ij,ij->i", difference, difference)
        leaks = square >= UNCLAIMED_LEVELS * UNCLAIMED_LEVELS
        found[rows[leaks], columns[leaks]] = True

    def _supported(self, found: Bool, claims: _Claims) -> Bool:
        """Mark the pixels in whose neighbourhood enough of the claimed pixels are found, too.

        A room shows over an area; a person has its colour in single pixels.
        """
        reach = self.layout.block_size // 2 + 1
        if claims.n_around is None:
            claimed = np.zeros_like(found)
            claimed[claims.rows, claims.columns] = True
            claims.n_around = box_sum(claimed, reach)
        least = np.maximum(MIN_AREA * (2 * reach + 1) ** 2, SUPPORT * claims.n_around)
        supported: Bool = box_sum(found, reach) >= least
        return supported

    def _background_difference(self, planes: Planes, claims: _Claims) -> float:
        if not len(claims.probe_rows):
            return float("inf")
        shown = self._samples(planes, claims.probe_rows, claims.probe_columns)
        return float(np.median(np.abs(shown - claims.probe_colours).max(1)))

    def _samples(self, planes: Planes, rows: Array, columns: Array) -> F32:
        """Read pixels of a frame as (n, 3) float32 RGB."""
        return colours_at(planes, self.layout, rows, columns).astype(np.float32)


def colours_at(planes: Planes, layout: Layout, rows: Array, columns: Array) -> F64:
    """Read pixels of a frame, given by their rows (n,) and columns (n,), as (n, 3) RGB."""
    first, second, third = planes
    chroma = rows >> layout.chroma_shift_y, columns >> layout.chroma_shift_x
    levels = np.stack([first[rows, columns], second[chroma], third[chroma]], axis=-1)
    return to_rgb(levels.astype(np.float64), layout.colour)


def _claims_of(room: U8, behind: U8) -> _Claims:
    rows, columns = np.nonzero(room[..., 3])
    background = behind[rows, columns, :3].astype(np.float32)
    direction = room[rows, columns, :3] - background
    length = np.maximum(1.0, np.linalg.norm(direction, axis=1)).astype(np.float32)
    known = np.flatnonzero(behind[..., 3])
    step = max(1, len(known) // PROBES)
    probe_rows, probe_columns = np.divmod(known[::step], room.shape[1])
    return _Claims(
        rows,
        columns,
        background,
        (direction / length[:, None]).astype(np.float32),
        length,
        probe_rows,
        probe_columns,
        behind[probe_rows, probe_columns, :3].astype(np.float32),
        behind,
        (behind[..., 3] > 0) & (room[..., 3] == 0),
    )
