"""Assignment of each frame to one of several virtual backgrounds, or to none.

Without it, a background that is exchanged during a call would count as the room behind the other
one, and a single frame of noise, zoomg's countermeasure, as a room everywhere. Each frame is
compared, at one pixel of each block outside the person, with the backgrounds seen so far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from unveil.video.chunk import Chunk

U8: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]

MAX_BACKGROUNDS: Final = 8
"""Backgrounds that are distinguished in one recording; frames of further ones count as none."""

CONFIRMED_FRAMES: Final = 12
"""Consecutive frames after which an unknown picture is a background; fewer are noise."""

ASSIGNED_SHARE: Final = 0.9
"""Smallest share of frames that show one of the backgrounds; with fewer, none are distinguished."""

NONE: Final = -1
"""The background of a frame that shows none of them."""

_TOLERANCE_LEVELS: Final = 16
"""A pixel matches if its levels differ by at most this."""

_MATCH_SHARE: Final = 0.5
"""Pictures match if this share of their common pixels does."""

_MIN_COMMON_SHARE: Final = 0.05
"""Smallest share of the pixels that two pictures must have in common to be compared."""

_MAX_STRETCHES: Final = 10_000
"""Stretches that are remembered; a recording of noise has more."""


@dataclass
class _Picture:
    """A background's luma levels at one pixel per block, and which of them are known."""

    levels: npt.NDArray[np.int16]
    known: Mask

    def matches(self, levels: npt.NDArray[np.int16], outside: Mask) -> bool | None:
        """Whether a frame shows this background; None if they have too few pixels in common."""
        both = self.known & outside
        n = np.count_nonzero(both)
        if n < _MIN_COMMON_SHARE * both.size:
            return None
        within_tolerance = np.abs(levels[both] - self.levels[both]) <= _TOLERANCE_LEVELS
        return bool(np.count_nonzero(within_tolerance) >= _MATCH_SHARE * n)

    def complete(self, levels: npt.NDArray[np.int16], outside: Mask) -> None:
        """Copy the pixels that are not known yet from a frame."""
        new = outside & ~self.known
        self.levels[new] = levels[new]
        self.known |= new


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive frames, `first` to `end - 1`, that show one background, or `NONE`."""

    background: int
    first: int
    end: int


class Backgrounds:
    """Assigns frames to backgrounds while they come in.

    The memory is bounded: one level per block of `MAX_BACKGROUNDS` pictures, and at most
    `_MAX_STRETCHES` stretches.
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self._pictures: list[_Picture] = []
        self._current = NONE
        self._candidate: _Picture | None = None
        self._candidate_first = 0
        self._before: _Picture | None = None
        self._moves = False
        self._stretches: list[Stretch] = []

    def add(self, chunk: Chunk) -> None:
        """Assign the frames of a chunk with a person mask.

        Raises
        ------
        ValueError
            The chunk has no person mask.
        """
        if chunk.person is None:
            raise ValueError("the chunk has no person mask")
        size = chunk.layout.block_size
        for luma, person in zip(chunk.planes[0], chunk.person, strict=True):
            levels = luma[size // 2 :: size, size // 2 :: size].astype(np.int16)
            self._assign(levels, person[: levels.shape[0], : levels.shape[1]] == 0)

    def _assign(self, levels: npt.NDArray[np.int16], outside: Mask) -> None:
        frame = self.n_frames
        self.n_frames += 1
        if np.count_nonzero(outside) < _MIN_COMMON_SHARE * outside.size:
            self._append(self._current, frame)
            return
        if not self._pictures:
            self._pictures.append(_Picture(levels.copy(), outside.copy()))
            self._current = 0
        before, self._before = self._before, _Picture(levels, outside)
        order = [self._current, *(k for k in range(len(self._pictures)) if k != self._current)]
        for k in order:
            matches = self._pictures[k].matches(levels, outside)
            if matches or (matches is None and k == self._current):
                self._pictures[k].complete(levels, outside)
                if k != self._current:
                    self._note_motion(before, levels, outside)
                self._current = k
                self._candidate = None
                self._append(k, frame)
                return
        self._append(NONE, frame)
        self._note_motion(before, levels, outside)
        candidate = self._candidate
        if candidate is None or not candidate.matches(levels, outside):
            self._candidate = _Picture(levels.copy(), outside.copy())
            self._candidate_first = frame
            return
        candidate.complete(levels, outside)
        full = len(self._pictures) == MAX_BACKGROUNDS
        if frame + 1 - self._candidate_first >= CONFIRMED_FRAMES and not full:
            self._confirm(candidate, frame + 1)

    def _note_motion(
        self, before: _Picture | None, levels: npt.NDArray[np.int16], outside: Mask
    ) -> None:
        """Note that the background moves if a frame of another background matches the last frame.

        At an exchange the two frames differ.
        """
        if self._candidate is None and before is not None and before.matches(levels, outside):
            self._moves = True

    def _append(self, background: int, frame: int) -> None:
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.background == background:
            self._stretches[-1] = replace(last, end=frame + 1)
        elif len(self._stretches) < _MAX_STRETCHES:
            self._stretches.append(Stretch(background, frame, frame + 1))

    def _confirm(self, candidate: _Picture, end: int) -> None:
        """Make the candidate a background and reassign the frames since it appeared."""
        self._pictures.append(candidate)
        self._current = len(self._pictures) - 1
        self._candidate = None
        if self._stretches[-1].end != end:  # there were too many stretches
            return
        unknown = self._stretches.pop()
        if unknown.first < self._candidate_first:
            self._stretches.append(replace(unknown, end=self._candidate_first))
        self._stretches.append(Stretch(self._current, self._candidate_first, end))

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """All frames in their order; empty if the backgrounds cannot be distinguished.

        That is the case if a background moves or fades into the next one (a frame of another
        background, or of none, matches the frame before it), or if too few frames are assigned.
        """
        n_assigned = sum(one.end - one.first for one in self._stretches if one.background != NONE)
        if self._moves or n_assigned < ASSIGNED_SHARE * self.n_frames:
            return ()
        return tuple(self._stretches)

    @property
    def several(self) -> bool:
        """Whether there are several backgrounds, or frames that show none."""
        return len(self.stretches) > 1
