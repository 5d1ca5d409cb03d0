"""Whether a call shows a person, decided from the frames on which segmentation ran.

A network may mark a bar as a person, or a person in the virtual background: a portrait, or a
bridge's tower. A real person moves. So a detection counts fully only if the pixels of the person,
or all pixels around them, change from one segmented frame to the next, and it must be repeated. A
person who does not change at all (a frozen camera, a drawn call) must be detected for longer,
without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final, Self

import numpy as np

from unveil.arrays import I64, U8, Array
from unveil.counting.specification import ArraySpec, Specification
from unveil.video.chunk import Chunk, Layout

ENOUGH: Final = 8
"""Consecutive detections of a moving person that are proof of a person: about a second at 30
frames/s if segmentation runs on every fourth frame."""

MISS: Final = 3
"""Detections of a moving person that one frame without it cancels. In drawn calls without a person
(a bar before a photo) the model selfie-landscape marked something in up to 42 of 60 frames, but
never more than 5 above these misses; the pose models marked nothing."""

ENOUGH_STILL: Final = 40
"""Consecutive detections, of a moving person or not, that are proof of a person: five times
`ENOUGH`. A bar that crosses in front of a portrait interrupts them sooner."""

MOVED_LEVELS: Final = 4
MOVED_SHARE: Final = 0.01
"""A person moves if the centres of at least this share of their blocks change by more than
`MOVED_LEVELS` between two segmented frames. In 300 frames of three real calls the share was at
least 0.017; in encoded stills in which a model marks a person (a portrait, a bridge's tower) at
most 0.006."""

SURROUNDED_SHARE: Final = 0.5
"""If at least this share of the other blocks changes, the person is not part of the background."""


@dataclass(frozen=True, slots=True)
class BestRun:
    """The largest sum of weights over a run of consecutive segmented frames.

    Joins stretches exactly and associatively (Bentley, "Algorithm design techniques", CACM 27(9),
    1984: the maximum subarray).

    Attributes
    ----------
    searched, found
        Number of frames, and of those with a positive weight.
    total
        Sum of all weights.
    first, last, best
        The largest sum over a run that begins with the stretch, ends with it, or lies in it; 0
        for the empty run.
    """

    searched: int = 0
    found: int = 0
    total: int = 0
    first: int = 0
    last: int = 0
    best: int = 0

    @classmethod
    def of_search(cls, weight: int) -> Self:
        """Return the sums of one frame."""
        gain = max(0, weight)
        return cls(1, int(weight > 0), weight, gain, gain, gain)

    def joined(self, later: Self) -> Self:
        """Return the sums of this stretch and the one after it."""
        return type(self)(
            self.searched + later.searched,
            self.found + later.found,
            self.total + later.total,
            max(self.first, self.total + later.first),
            max(later.last, later.total + self.last),
            max(self.best, later.best, self.last + later.first),
        )


@dataclass(frozen=True, slots=True)
class Presence:
    """How often a stretch of segmented frames shows a moving person, and any person."""

    moving: BestRun = BestRun()
    detected: BestRun = BestRun()

    @classmethod
    def of_search(cls, *, moving: bool, detected: bool) -> Self:
        """Return the presence in one segmented frame."""
        # No run is long enough to outweigh the gap.
        gap = -(1 << 40)
        return cls(
            BestRun.of_search(1 if moving else -MISS), BestRun.of_search(1 if detected else gap)
        )

    def joined(self, later: Self) -> Self:
        """Return the presence in this stretch and the one after it; associative."""
        return type(self)(self.moving.joined(later.moving), self.detected.joined(later.detected))

    @property
    def certain(self) -> bool:
        """Whether there is a person, whatever other frames show."""
        return self.moving.best >= ENOUGH or self.detected.best >= ENOUGH_STILL

    @property
    def shows_person(self) -> bool:
        """Whether there is a person, judged by these frames.

        In a call too short for certainty, the person must move in half of the frames, or be
        detected in all.
        """
        searched = self.moving.searched
        if searched == 0:
            return False
        half = -(-searched // 2)
        return self.certain or self.moving.best >= half or self.detected.best == searched

    def as_array(self) -> I64:
        """All numbers, (2, 6) int64."""
        return np.array([astuple(self.moving), astuple(self.detected)], np.int64)

    @classmethod
    def from_array(cls, numbers: Array) -> Self:
        """Undo `as_array`."""
        moving, detected = (BestRun(*(int(n) for n in row)) for row in numbers)
        return cls(moving, detected)


class PersonWatch:
    """Watches for a person in the segmented frames of a stretch of a call.

    The first segmented frame of a stretch has no earlier one to be compared with. It is kept until
    the stretch is joined to an earlier one; until then its person counts as moving.

    The state is a few numbers and three small pictures, of one byte a block.
    """

    def __init__(self, layout: Layout) -> None:
        self._first: tuple[U8, U8] | None = None  # levels and person of the first segmented frame
        self._last: U8 | None = None  # levels of the last segmented frame
        self._after_first = Presence()
        self._shape = layout.block_grid

    @property
    def presence(self) -> Presence:
        """The presence in all frames."""
        if self._first is None:
            return Presence()
        return _found(self._first, None).joined(self._after_first)

    @property
    def certain(self) -> bool:
        """Whether there is a person, whatever frames come before or after."""
        return self._after_first.certain

    def add(self, chunk: Chunk) -> None:
        """Add the frames of a chunk whose mask is fresh.

        Raises
        ------
        ValueError
            The chunk has no person mask.
        """
        if chunk.person is None:
            raise ValueError("the chunk has no person mask")
        size = chunk.layout.block_size
        middles = slice(size // 2, None, size)
        for i in np.flatnonzero(chunk.mask_is_fresh):
            levels = chunk.planes[0][i, middles, middles].copy()
            person = chunk.person[i, : levels.shape[0], : levels.shape[1]].copy()
            self._add((levels, person))
            self._last = levels

    def merge(self, later: PersonWatch) -> None:
        """Add the stretch after this one; associative."""
        if later._first is None:
            return
        self._add(later._first)
        self._after_first = self._after_first.joined(later._after_first)
        self._last = later._last

    def _add(self, search: tuple[U8, U8]) -> None:
        if self._first is None:
            self._first = search
        else:
            self._after_first = self._after_first.joined(_found(search, self._last))

    @staticmethod
    def arrays_of(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`; the pictures are missing before the first frame."""
        return {
            "presence": ArraySpec((2, 6), np.int64),
            "searches_kept": ArraySpec((3, *layout.block_grid), np.uint8, variable=True),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return the state, to be saved."""
        kept = np.zeros((0, 0, 0), np.uint8)
        if self._first is not None and self._last is not None:
            kept = np.array((*self._first, self._last), np.uint8)
        return {"presence": self._after_first.as_array(), "searches_kept": kept}

    def restore(self, stored: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The pictures are not of this layout.
        """
        self._after_first = Presence.from_array(stored["presence"])
        kept = stored["searches_kept"]
        self._first = self._last = None
        if kept.size == 0:
            return
        rows, columns = self._shape
        # The last blocks have no middle where they extend far beyond the frame.
        smallest = (3, rows - 1, columns - 1)
        largest = ArraySpec((3, rows, columns), np.uint8, variable=True)
        if not largest.allows(kept.shape, kept.dtype) or np.any(np.less(kept.shape, smallest)):
            raise ValueError("searches_kept is of another size or type")
        self._first, self._last = (kept[0], kept[1]), kept[2]


def _found(search: tuple[U8, U8], before: U8 | None) -> Presence:
    """Return the presence in one segmented frame.

    A mask that covers the whole frame means that nobody was found (`unveil.person.blocks`). An
    empty mask counts as a detection: it says where the person is not, which is all that "farend"
    needs.

    Parameters
    ----------
    search
        Levels and person of a frame, (rows, columns) uint8 each, the latter as `Chunk.person`.
    before
        Levels of the segmented frame before; None if there is none.
    """
    levels, person = search
    body = person == 2
    detected = not body.all()
    if not detected or before is None or not body.any():
        return Presence.of_search(moving=detected, detected=detected)
    changed = np.abs(levels.astype(np.int16) - before) > MOVED_LEVELS
    moves = np.mean(changed[body]) >= MOVED_SHARE
    surrounded = np.mean(changed[~body]) >= SURROUNDED_SHARE
    return Presence.of_search(moving=bool(moves or surrounded), detected=True)
