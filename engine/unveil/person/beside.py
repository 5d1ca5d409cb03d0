"""Whether somebody is beside the person whom a pose model follows."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F32, F64, Bool
from unveil.person.detector import SIDE
from unveil.person.mask import Mask
from unveil.person.segmenter import Segmenter
from unveil.video.chunk import Layout, Planes
from unveil_kernels import select

MIN_PROBABILITY: Final = 0.5
MARGIN_PROBABILITY: Final = 0.3
"""From these a block is marked by a network, and no longer surely outside the person."""

MARGIN_ROWS: Final = 20
"""A person's mask is grown by one of so many parts of the frame's height: a selfie model marks more
beside the person than a pose model does."""

MIN_SHARE: Final = 0.04
"""Share of the frame that must be marked in one piece beside the person to search there. On two
simulated calls of one person with leaks it was 0.05 at most, on those of two 0.10 to 0.28."""

WINDOW: Final = 1.5
"""Side of the square that is searched, in sides of what is marked."""

MIN_COVERED: Final = 0.5
"""Share of it that must be the person found: 0.70 to 0.83 of a second person, at most 0.44 of what
leaked beside one."""

MAX_COMMON: Final = 0.3
"""Share of a found person that belongs to the first one at most, else both are one."""

MIN_PRESENCE: Final = 0.8

MIN_NEW_PRESENCE: Final = 0.7
MAX_KNOWN: Final = 0.5
"""The same for who is found in what is newly marked, and the share of them that was known. On seven
simulated calls in which somebody comes they were 0.80 to 1 and 0 to 0.47; of the leaks beside the
caller of 19 calls two were taken for them, with 0.87 and 0.98, and 0.48 and 0.45."""

REST: Final = 8
"""Looks without a search after one that found nobody, unless what is marked has grown."""
GROWN: Final = 1.5


class SearchBeside:
    """Searches for people beside the one whom a pose model follows.

    The detector of a pose model sees the whole frame in 224x224 pixels, and often but one of two
    people who sit side by side. Within a square around the other one, with the first one painted
    over, it finds that one as surely as a person alone. Not thread-safe.

    Parameters
    ----------
    segmenter
        Of a pose model; it goes on following its person.

    Attributes
    ----------
    piece
        (rows, columns) bool: the piece in which somebody was found last; None where whoever
        reads it has set it.
    found
        The blocks that show the person found, as the pose model sees them.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._rest = 0
        self._failed_share = 0.0
        self.piece: Bool | None = None
        self.found: Bool | None = None

    def finds_somebody(self, planes: Planes, layout: Layout, first: Mask, marked: F32) -> bool:
        """Whether a frame certainly shows another person.

        After a search that found nobody, a few frames are not searched, and give False.

        Parameters
        ----------
        planes, layout
            A frame, as for `Segmenter.mask_planes`.
        first
            Mask of the person who is followed.
        marked
            (rows, columns) float32: probabilities of a model that marks everybody, on the block
            grid.
        """
        self._rest = max(0, self._rest - 1)
        piece = _marked_beside(first, marked)
        share = float(piece.mean())
        if share < MIN_SHARE or (self._rest and share < GROWN * self._failed_share):
            return False
        found = self._search(planes, layout, first, piece)
        if found is None or not _is_another(found, first, piece):
            self._rest, self._failed_share = REST, share
            return False
        self._rest, self._failed_share = 0, 0.0
        self.piece, self.found = piece, found.at(*piece.shape) >= MIN_PROBABILITY
        return True

    def confirms(
        self, planes: Planes, layout: Layout, known: Mask | None, piece: Bool, before: Bool
    ) -> bool:
        """Whether a frame certainly shows a person in a piece of a mask.

        Parameters
        ----------
        planes, layout
            A frame, as for `Segmenter.mask_planes`.
        known
            Mask of somebody else, who is painted over.
        piece
            (rows, columns), what is marked.
        before
            (rows, columns), where people were before it was.
        """
        found = self._search(planes, layout, known, piece)
        if found is None or found.presence < MIN_NEW_PRESENCE:
            return False
        person = found.at(*piece.shape) >= MIN_PROBABILITY
        is_new = (person & before).sum() <= MAX_KNOWN * person.sum()
        is_found = bool(is_new and person[piece].mean() >= MIN_COVERED)
        if is_found:
            self.piece, self.found = piece, person
        return is_found

    def _search(
        self, planes: Planes, layout: Layout, known: Mask | None, piece: Bool
    ) -> Mask | None:
        """Search around a piece for a person, with a known one painted over; None: nobody."""
        region = self._segmenter.detect(planes, layout, _window(piece, layout), known)
        found = None if region is None else self._segmenter.look_at(region, planes, layout)
        return None if found is None else found[0]


def _marked_beside(first: Mask, marked: F32) -> Bool:
    """Return the largest piece that is marked and lies beside the first person."""
    person = first.at(*marked.shape) >= MARGIN_PROBABILITY
    piece: Bool = (marked >= MIN_PROBABILITY) & ~_grown(person, max(1, len(marked) // MARGIN_ROWS))
    if piece.any():
        select.keep_large_regions(piece, 1.0)
    return piece


def _grown(person: Bool, blocks: int) -> Bool:
    """Grow a mask by so many blocks in each of the four directions."""
    padded = np.pad(person, blocks)
    grown = padded.copy()
    for step in range(1, blocks + 1):
        grown[step:] |= padded[:-step]
        grown[:-step] |= padded[step:]
        grown[:, step:] |= padded[:, :-step]
        grown[:, :-step] |= padded[:, step:]
    inner: Bool = grown[blocks:-blocks, blocks:-blocks]
    return inner


def _is_another(found: Mask, first: Mask, piece: Bool) -> bool:
    """Whether a found person is most of a piece, and not the first one."""
    person = found.at(*piece.shape) >= MIN_PROBABILITY
    if found.presence < MIN_PRESENCE or person[piece].mean() < MIN_COVERED:
        return False
    common = person & (first.at(*piece.shape) >= MIN_PROBABILITY)
    return bool(common.sum() <= MAX_COMMON * person.sum())


def _window(piece: Bool, layout: Layout) -> F64:
    """Return the affine map (2, 3) from the detector's input to a square around a piece."""
    rows, columns = np.flatnonzero(piece.any(1)), np.flatnonzero(piece.any(0))
    scale_y, scale_x = layout.height / piece.shape[0], layout.width / piece.shape[1]
    top, bottom = rows[0] * scale_y, (rows[-1] + 1) * scale_y
    left, right = columns[0] * scale_x, (columns[-1] + 1) * scale_x
    side = WINDOW * max(bottom - top, right - left)
    scale = side / SIDE
    return np.array(
        [[scale, 0.0, (left + right - side) / 2], [0.0, scale, (top + bottom - side) / 2]]
    )
