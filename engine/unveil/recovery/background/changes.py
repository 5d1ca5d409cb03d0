"""Which of several virtual backgrounds a frame shows: exchanged ones, a camera off, noise.

A background that is exchanged during a call would be taken for the room before the other
one, and a single frame of noise, zoomg's countermeasure, for a room everywhere. So each frame
is compared, at a few pixels outside the person, with the backgrounds seen so far.
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
"""Backgrounds that are told apart in one recording; frames of further ones fit none."""

CONFIRMED_FRAMES: Final = 12
"""Consecutive frames that make a background of an unknown picture; fewer are noise."""

EXPLAINED_SHARE: Final = 0.9
"""Share of the frames that must show one of the backgrounds, or they are not told apart."""

NONE: Final = -1
"""Stands for a background where a frame shows none of them."""

_ALIKE_LEVELS: Final = 16
_ALIKE_SHARE: Final = 0.5
_MIN_SHARE: Final = 0.05
_MAX_RUNS: Final = 10_000


@dataclass
class _Picture:
    """Levels of some pixels of a background, and which of them are known."""

    levels: npt.NDArray[np.int16]
    known: Mask

    def shown_by(self, levels: npt.NDArray[np.int16], outside: Mask) -> bool | None:
        """Whether a frame shows it; None where they have too few pixels in common."""
        both = self.known & outside
        n = np.count_nonzero(both)
        if n < _MIN_SHARE * both.size:
            return None
        alike = np.abs(levels[both] - self.levels[both]) <= _ALIKE_LEVELS
        return bool(np.count_nonzero(alike) >= _ALIKE_SHARE * n)

    def complete(self, levels: npt.NDArray[np.int16], outside: Mask) -> None:
        """Take from a frame what is not known yet."""
        new = outside & ~self.known
        self.levels[new] = levels[new]
        self.known |= new


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive frames, `first` to before `end`, that show one background, or `NONE`."""

    background: int
    first: int
    end: int


class Backgrounds:
    """Tells backgrounds apart while frames come in, one after the other.

    What it remembers is bounded: a few levels of `MAX_BACKGROUNDS` pictures, and stretches, of
    which there are not many but in a recording that is noise.
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self._pictures: list[_Picture] = []
        self._current = NONE
        self._candidate: _Picture | None = None
        self._candidate_first = 0
        self._before: _Picture | None = None
        self._moves = False
        self._runs: list[Stretch] = []

    def add(self, chunk: Chunk) -> None:
        """Tell the frames of a chunk that bears the person."""
        if chunk.person is None:
            raise ValueError("a chunk does not tell where the person is")
        cell = chunk.layout.cell
        for luma, person in zip(chunk.planes[0], chunk.person, strict=True):
            levels = luma[cell // 2 :: cell, cell // 2 :: cell].astype(np.int16)
            self._tell(levels, person[: levels.shape[0], : levels.shape[1]] == 0)

    def _tell(self, levels: npt.NDArray[np.int16], outside: Mask) -> None:
        frame = self.n_frames
        self.n_frames += 1
        if np.count_nonzero(outside) < _MIN_SHARE * outside.size:
            self._append(self._current, frame)
            return
        if not self._pictures:
            self._pictures.append(_Picture(levels.copy(), outside.copy()))
            self._current = 0
        before, self._before = self._before, _Picture(levels, outside)
        order = [self._current, *(k for k in range(len(self._pictures)) if k != self._current)]
        for k in order:
            shown = self._pictures[k].shown_by(levels, outside)
            if shown or (shown is None and k == self._current):
                self._pictures[k].complete(levels, outside)
                if k != self._current:
                    self._changed(before, levels, outside)
                self._current = k
                self._candidate = None
                self._append(k, frame)
                return
        self._append(NONE, frame)
        self._changed(before, levels, outside)
        candidate = self._candidate
        if candidate is None or not candidate.shown_by(levels, outside):
            self._candidate = _Picture(levels.copy(), outside.copy())
            self._candidate_first = frame
            return
        candidate.complete(levels, outside)
        full = len(self._pictures) == MAX_BACKGROUNDS
        if frame + 1 - self._candidate_first >= CONFIRMED_FRAMES and not full:
            self._confirm(candidate, frame + 1)

    def _changed(
        self, before: _Picture | None, levels: npt.NDArray[np.int16], outside: Mask
    ) -> None:
        """Tell an exchange, at which the frame before is another, from a motion."""
        if self._candidate is None and before is not None and before.shown_by(levels, outside):
            self._moves = True

    def _append(self, background: int, frame: int) -> None:
        last = self._runs[-1] if self._runs else None
        if last is not None and last.background == background:
            self._runs[-1] = replace(last, end=frame + 1)
        elif len(self._runs) < _MAX_RUNS:
            self._runs.append(Stretch(background, frame, frame + 1))

    def _confirm(self, candidate: _Picture, end: int) -> None:
        """Make a background of the candidate, to which the last frames belong."""
        self._pictures.append(candidate)
        self._current = len(self._pictures) - 1
        self._candidate = None
        if self._runs[-1].end != end:  # there were too many stretches
            return
        unknown = self._runs.pop()
        if unknown.first < self._candidate_first:
            self._runs.append(replace(unknown, end=self._candidate_first))
        self._runs.append(Stretch(self._current, self._candidate_first, end))

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """All frames in their order; none where the backgrounds cannot be told apart.

        That is so where a frame fits no background, or another one, but is like the frame before:
        a background that moves, or fades into the next.
        """
        explained = sum(run.end - run.first for run in self._runs if run.background != NONE)
        if self._moves or explained < EXPLAINED_SHARE * self.n_frames:
            return ()
        return tuple(self._runs)

    @property
    def several(self) -> bool:
        """Whether there is more than one background, or a frame that shows none."""
        return len(self.stretches) > 1
