"""Assignment of each frame to one of several virtual backgrounds, or to none.

Without it, a background that is exchanged during a call would count as the room behind the other
one, and a single frame of noise, zoomg's countermeasure, as a room everywhere. Each frame is
compared, at one pixel of each block outside the person, with the backgrounds seen so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from unveil.arrays import I16, Array
from unveil.counting.specification import ArraySpec, Specification
from unveil.recovery.background.frame_noise import (
    SPREAD_SHARE,
    Detail,
    changed_spread,
    detail_of,
)
from unveil.recovery.background.sampled_picture import MIN_COMMON_SHARE, SampledPicture
from unveil.video.chunk import Chunk, Layout

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

_MAX_STRETCHES: Final = 10_000
"""Stretches that are remembered; a recording of noise has more."""

_DETAIL_EVERY: Final = 8
"""Distance of frames whose detail is measured, besides those that may be noise."""

MAX_NOISE_SHARE: Final = 0.5
"""With a larger share of frames of noise, no backgrounds are distinguished."""

SURE_NOISE_SHARE: Final = 1 / 3
"""If this share of the frames that show no background are noise, all are: a codec with few bits
leaves little detail in some."""

_OTHERS: Final = ("_candidate", "_first", "_before")
"""Pictures that are kept besides the backgrounds."""


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
        self._pictures: list[SampledPicture] = []
        self._current = NONE
        self._candidate: SampledPicture | None = None
        self._candidate_first = 0
        self._first: SampledPicture | None = None
        self._before: SampledPicture | None = None
        self._moves = False
        self._noise_first = NONE
        self._n_noise = self._n_candidate_noise = 0
        self._stretches: list[Stretch] = []

    @property
    def n_noise(self) -> int:
        """Frames of noise, which are assigned to no background."""
        return self._n_noise

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
            outside = person[: levels.shape[0], : levels.shape[1]] == 0
            self._assign(levels, outside, partial(detail_of, luma, size))

    def _assign(self, levels: I16, outside: Mask, measure: Callable[[], Detail]) -> None:
        frame = self.n_frames
        self.n_frames += 1
        if np.count_nonzero(outside) < MIN_COMMON_SHARE * outside.size:
            self._append(self._current, frame)
            return
        if not self._pictures:
            self._pictures.append(SampledPicture(levels.copy(), outside.copy()))
            self._current = 0
        shown = self._pictures[max(0, self._current)]
        spread = changed_spread(levels, shown.usual, shown.known & outside)
        measured = spread >= SPREAD_SHARE or frame % _DETAIL_EVERY == 0 or shown.detail is None
        detail = measure() if measured else None
        is_noise = False
        if spread >= SPREAD_SHARE and detail is not None and shown.detail is not None:
            is_noise = detail.is_noise(shown.detail)
            if is_noise and shown.matches(levels, outside):
                self._note_noise(frame, max(0, self._current), levels, detail)
                return
        self._noise_first = NONE
        before, self._before = self._before, SampledPicture(levels, outside)
        self._first = self._first or self._before
        order = [self._current, *(k for k in range(len(self._pictures)) if k != self._current)]
        for k in order:
            matches = self._pictures[k].matches(levels, outside)
            if matches or (matches is None and k == self._current):
                self._pictures[k].complete(levels, outside)
                self._pictures[k].follow(levels, outside, detail)
                if k != self._current:
                    self._note_motion(before, levels, outside)
                self._current = k
                self._candidate = None
                self._append(k, frame)
                return
        self._append(NONE, frame)
        self._n_noise += is_noise
        if not is_noise:
            self._note_motion(before, levels, outside)
        candidate = self._candidate
        if candidate is None or not candidate.matches(levels, outside):
            self._candidate = SampledPicture(levels.copy(), outside.copy())
            self._candidate_first = frame
            self._n_candidate_noise = int(is_noise)
            return
        self._n_candidate_noise += is_noise
        candidate.complete(levels, outside)
        full = len(self._pictures) == MAX_BACKGROUNDS
        if frame + 1 - self._candidate_first >= CONFIRMED_FRAMES and not full:
            self._confirm(candidate, frame + 1)

    def _note_noise(self, frame: int, background: int, levels: I16, detail: Detail) -> None:
        """Leave out a frame of weak noise; if such frames do not end, the background has noise."""
        if self._noise_first == NONE:
            self._noise_first = frame
        self._append(NONE, frame)
        self._n_noise += 1
        if frame + 1 - self._noise_first >= CONFIRMED_FRAMES:
            self._n_noise -= frame + 1 - self._noise_first
            self._candidate_first = self._noise_first
            self._reassign(background, frame + 1)
            self._noise_first = NONE
            self._pictures[background].usual[...] = levels
            self._pictures[background].detail = detail

    def _note_motion(self, before: SampledPicture | None, levels: I16, outside: Mask) -> None:
        """Note that the background moves if a frame of another background matches the last frame.

        At an exchange the two frames differ.
        """
        if self._candidate is None and before is not None and before.matches(levels, outside):
            self._moves = True

    def merge(self, later: Backgrounds) -> None:
        """Add the frames after these, of the same layout.

        What shows at the border is compared as between any two frames, so that the frames are
        assigned as in one pass, but for pictures that change slowly within a part.
        """
        if later.n_frames == 0:
            return
        offset = self.n_frames
        continues = (
            self._before is not None
            and later._first is not None
            and self._before.matches(later._first.levels, later._first.known) is True
        )
        last = self._stretches[-1].background if self._stretches else NONE
        numbers = {NONE: NONE}
        for number, picture in enumerate(later._pictures):
            numbers[number] = self._number_of(picture, number, later)
        changes = bool(later._stretches) and last != numbers[later._stretches[0].background]
        was_candidate = self._stretches and self._stretches[-1].background != last
        # At an exchange the frames differ; these are alike although the background is not.
        self._moves |= later._moves or (continues and changes and not was_candidate)
        for stretch in later._stretches:
            background = numbers[stretch.background]
            self._extend(Stretch(background, stretch.first + offset, stretch.end + offset))
        self._noise_first = NONE if later._noise_first == NONE else later._noise_first + offset
        self._n_noise += later._n_noise
        self._n_candidate_noise = later._n_candidate_noise
        self._current = numbers[later._current] if later._current != NONE else self._current
        if self._current == NONE and self._pictures:
            self._current = max(last, 0)
        self.n_frames += later.n_frames
        self._continue_candidate(later, offset, numbers)
        self._recognise_candidate()
        self._first = self._first or later._first
        self._before = later._before or self._before

    def _continue_candidate(
        self, later: Backgrounds, offset: int, numbers: Mapping[int, int]
    ) -> None:
        """Make what the last frames of `later` show the candidate, if it is no background yet."""
        before, first = self._candidate, self._candidate_first
        self._candidate = deepcopy(later._candidate)
        self._candidate_first = later._candidate_first + offset
        if self._candidate is not None or later._current == NONE or numbers[later._current] != NONE:
            return
        # The first picture of a short part: too few frames show it so far.
        self._candidate = deepcopy(later._pictures[later._current])
        begin = later._stretches[-1].first
        self._candidate_first = begin + offset
        if begin == 0 and before is not None:
            shown = self._candidate
            if before.matches(shown.levels, shown.known):
                before.complete(shown.levels, shown.known)
                self._candidate, self._candidate_first = before, first

    def _recognise_candidate(self) -> None:
        """Assign the last frames to a background that was known before them, if they show it."""
        candidate = self._candidate
        if candidate is None:
            return
        for k, picture in enumerate(self._pictures):
            if picture.matches(candidate.levels, candidate.known):
                picture.complete(candidate.levels, candidate.known)
                self._reassign(k, self.n_frames)
                return

    def _number_of(self, picture: SampledPicture, number: int, later: Backgrounds) -> int:
        """Return the number here of a background of later frames, which may be a new one."""
        order = [self._current, *(k for k in range(len(self._pictures)) if k != self._current)]
        for k in order if self._pictures else ():
            matches = self._pictures[k].matches(picture.levels, picture.known)
            if matches or (matches is None and number == 0 and k == self._current):
                self._pictures[k].complete(picture.levels, picture.known)
                return k
        n_frames = sum(one.end - one.first for one in later._stretches if one.background == number)
        candidate = self._candidate if number == 0 else None
        if candidate is not None and candidate.matches(picture.levels, picture.known):
            n_frames += self.n_frames - self._candidate_first
        else:
            candidate = None
        if self._pictures and n_frames < CONFIRMED_FRAMES:
            return NONE  # the first picture of a part is none of its backgrounds for certain
        if len(self._pictures) == MAX_BACKGROUNDS:
            return NONE
        if candidate is None:
            self._pictures.append(deepcopy(picture))
        else:
            candidate.complete(picture.levels, picture.known)
            self._confirm(candidate, self.n_frames)
        return len(self._pictures) - 1

    def _append(self, background: int, frame: int) -> None:
        self._extend(Stretch(background, frame, frame + 1))

    def _extend(self, stretch: Stretch) -> None:
        """Append the frames of a stretch, which join the last one if they show the same."""
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.background == stretch.background:
            self._stretches[-1] = replace(last, end=stretch.end)
        elif len(self._stretches) < _MAX_STRETCHES:
            self._stretches.append(stretch)

    def _confirm(self, candidate: SampledPicture, end: int) -> None:
        """Make the candidate a background and reassign the frames since it appeared."""
        self._n_noise = max(0, self._n_noise - self._n_candidate_noise)
        self._n_candidate_noise = 0
        self._pictures.append(candidate)
        self._reassign(len(self._pictures) - 1, end)

    def _reassign(self, background: int, end: int) -> None:
        """Assign the frames since the candidate appeared, up to `end`, to a background."""
        self._current = background
        self._candidate = None
        if self._stretches[-1].end != end:  # there were too many stretches
            return
        unknown = self._stretches.pop()
        if unknown.first < self._candidate_first:
            self._stretches.append(replace(unknown, end=self._candidate_first))
        self._extend(Stretch(background, self._candidate_first, end))

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """All frames in their order; empty if the backgrounds cannot be distinguished.

        That is the case if a background moves or fades into the next one (a frame of another
        background, or of none, matches the frame before it), or if too few frames are assigned.
        """
        n_assigned = sum(one.end - one.first for one in self._stretches if one.background != NONE)
        n_noise, n_dropped = self._n_noise, self.n_frames - n_assigned
        if n_noise >= SURE_NOISE_SHARE * n_dropped:
            n_noise = n_dropped
        n_others = self.n_frames - n_noise
        if self._moves or n_assigned < ASSIGNED_SHARE * n_others:
            return ()
        if n_noise > MAX_NOISE_SHARE * self.n_frames:
            return ()
        return tuple(self._stretches)

    @property
    def several(self) -> bool:
        """Whether there are several backgrounds, or frames that show none."""
        return len(self.stretches) > 1

    @staticmethod
    def specification(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`."""
        pictures = (MAX_BACKGROUNDS + len(_OTHERS), *layout.block_grid)
        return {
            "background_levels": ArraySpec(pictures, np.uint8, variable=True),
            "background_known": ArraySpec(pictures, np.uint8, variable=True),
            "background_usual": ArraySpec(pictures, np.uint8, variable=True),
            "background_detail": ArraySpec((pictures[0], 2), np.float64, variable=True),
            "background_stretches": ArraySpec((_MAX_STRETCHES, 3), np.int64, variable=True),
            "background_frames": ArraySpec((7 + len(_OTHERS),), np.int64),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        others = [getattr(self, name) for name in _OTHERS]
        kept = [*self._pictures, *(other for other in others if other is not None)]
        pictures: Array = np.zeros((3, 0, 0, 0), np.uint8)
        if kept:
            pictures = np.array(
                [[getattr(p, name) for p in kept] for name in ("levels", "known", "usual")],
                np.uint8,
            )
        stretches = [(one.background, one.first, one.end) for one in self._stretches]
        return {
            "background_levels": pictures[0],
            "background_known": pictures[1],
            "background_usual": pictures[2],
            "background_detail": np.array(
                [p.detail or (-1.0, -1.0) for p in kept], np.float64
            ).reshape(-1, 2),
            "background_stretches": np.array(stretches, np.int64).reshape(-1, 3),
            "background_frames": np.array(
                [self.n_frames, self._current, self._candidate_first, self._moves]
                + [self._noise_first, self._n_noise, self._n_candidate_noise]
                + [other is not None for other in others]
            ),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of assigned frames.
        """
        levels, known = arrays["background_levels"], arrays["background_known"]
        stretches, numbers = arrays["background_stretches"], arrays["background_frames"]
        n_frames, current, candidate_first, moves, *noise_and_kept = (int(n) for n in numbers)
        noise, are_kept = noise_and_kept[:3], noise_and_kept[3:]
        n_pictures = len(levels) - sum(are_kept)
        fits = (
            levels.shape == known.shape == arrays["background_usual"].shape
            and len(arrays["background_detail"]) == len(levels)
            and NONE <= noise[0] <= max(0, n_frames)
            and 0 <= min(noise[1:]) <= max(noise[1:]) <= max(0, n_frames)
            and set(are_kept) <= {0, 1}
            and 0 <= n_pictures <= MAX_BACKGROUNDS
            and NONE <= current < max(1, n_pictures)
            and 0 <= candidate_first <= max(0, n_frames)
            and stretches.shape[1] == 3
        )
        if fits and len(stretches):
            shown, first, end = stretches.T
            fits = (
                bool(np.all(first < end) and np.all(end[:-1] <= first[1:]))
                and first[0] >= 0
                and end[-1] <= n_frames
                and shown.min() >= NONE
                and shown.max() < n_pictures
            )
        if not fits:
            raise ValueError("the backgrounds do not fit together")
        pictures = [
            SampledPicture(
                one.astype(np.int16),
                where.astype(np.bool_),
                Detail(*map(float, detail)) if detail[0] >= 0 else None,
            )
            for one, where, detail in zip(levels, known, arrays["background_detail"], strict=True)
        ]
        for picture, usual in zip(pictures, arrays["background_usual"], strict=True):
            picture.usual = usual.astype(np.int16)
        others = iter(pictures[n_pictures:])
        for name, is_kept in zip(_OTHERS, are_kept, strict=True):
            setattr(self, name, next(others) if is_kept else None)
        self._pictures = pictures[:n_pictures]
        self._stretches = [Stretch(*(int(n) for n in one)) for one in stretches]
        self.n_frames, self._current = n_frames, current
        self._candidate_first, self._moves = candidate_first, bool(moves)
        self._noise_first, self._n_noise, self._n_candidate_noise = noise
