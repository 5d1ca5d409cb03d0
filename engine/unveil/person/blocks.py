"""Person masks on the block grid, for the frames of a chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from unveil.arrays import F32, I64, U8, Bool
from unveil.person import Mask, ModelName, Segmenter
from unveil.person.beside import MIN_NEW_PRESENCE, SearchBeside
from unveil.person.comings import Comings, Event, is_another, with_neighbours
from unveil.person.displacement import displaced, displacement
from unveil.person.framing import framing_of
from unveil.person.segmenter import MAX_THREADS
from unveil.video.chunk import Chunk, Layout, Planes

JOINT_MODELS: Final[tuple[ModelName, ModelName]] = ("lite", "selfie-landscape")
"""The networks of "auto". One marks as the person what the other does not: on 123 calls of 7
people the mean of both probabilities gave a higher F than `lite` alone for each of them."""

MIN_PROBABILITY: Final = 0.5
"""A block shows the person from this probability of one network on."""

CLOSE_UP_CUT: Final = 0.5
HALF_LENGTH_CUT: Final = 0.75
UNKNOWN_CUT: Final = 0.6
"""The same for the mean of two networks, by framing: a close-up leaks at a distance from the body,
and a person in half length closely around it."""

HALF_LENGTH_HIPS: Final = 1.1
CLOSE_UP_HIPS: Final = 1.6
"""Distance of the hips from the top of the frame, in frame heights, at which these cuts hold;
between them the cut changes linearly. Two calls in half length have 1.0, five close-ups at least
1.8."""

MAX_CHANGE: Final = 0.08
"""Change of the second network's probabilities, as a share of their sum and beside the displacement
of the person, from which the first one, which takes five times as long, must look again. On 15
calls it looked in 55 % of the segmented frames, for a mean F of .516 (without displacement in 63 %,
for .512); with 0.11 in 47 %, for .469."""

MAX_REUSED: Final = 3
"""Segmented frames in which its last result is used again at most."""

MAX_LOST: Final = 8
"""Segmented frames, after the first network has lost the person, in which the second one decides
alone, and in the frames between them: who leaves or comes back is half outside the picture, where a
pose is hard to find, and the mask of the service is late. On ten calls in which the first one loses
the person, mean F rose from .578 to .653. With old masks between these frames, and without
`N_COMING`, it was .675, but faces that were back at once were claimed as the room."""

N_COMING: Final = 3
"""Segmented frames, from the one in which the first network finds somebody on, between which all
blocks count as the person: who comes is soon elsewhere, and an old mask would miss their face."""

MIN_JOINT: Final = 0.4
"""Share of what the second network marks that both together must see: else all that it marks is
the person, too. The first network then looks at something else, or does not know this kind of
person (a drawing, a painting), whose face would be the room. Before 17 rooms the share was .5 to
1.3 of seven people who were recognised, and .03 to .3 of two drawn and painted ones."""

PEOPLE_EVERY: Final = 64
"""Searches from one count of people to the next: often enough to see who joins, at a hundredth of
the cost of the searches."""


class BlockMasker:
    """Adds person masks to the chunks of one video; segments every `every`-th frame.

    The other frames keep the last mask, except where the first of two networks has just lost or
    found the person. Mask edges are not pixel-accurate, so the mask is dilated
    by one block. If a frame shows nobody, all of its blocks count as the person: a caller who is
    not detected must not count as the room. Frames before somebody comes or goes are doubted.

    Not thread-safe: use one per thread. The pose models follow the person from frame to frame, so
    a new masker that starts in the middle of a video may find slightly different edges.

    Parameters
    ----------
    model
        A name of `unveil.person.MODELS`, or "auto": the mean of `JOINT_MODELS`, cut by how closely
        the person is framed. Where the first finds nobody there is nobody, but for a while after
        it has lost somebody, in which the second decides; where it counts several people, all that
        the second marks is the person. The first looks when what the second marks has changed by
        more than a displacement, with which its last look is moved, and in every fourth segmented
        frame.
    every
        Segment one of so many frames.
    threads
        Threads of the network, which uses at most four.
    searches
        (4,) int64, counters to increase as `OutsideTable` says. People are counted in every
        `PEOPLE_EVERY`-th segmented frame, where the model follows one of them; "auto" also
        searches beside that one where the second network marks somebody, and counts that frame if
        there is somebody.

    Raises
    ------
    DamagedModel, MissingRuntime
        As for `Segmenter`.
    """

    def __init__(
        self,
        model: ModelName | Literal["auto"],
        *,
        every: int,
        threads: int,
        searches: I64,
    ) -> None:
        first, second = JOINT_MODELS if model == "auto" else (model, None)
        n_threads = min(threads, MAX_THREADS)
        self._segmenter = Segmenter(first, threads=n_threads)
        self._second = None if second is None else Segmenter(second, threads=n_threads)
        self._beside = SearchBeside(self._segmenter)
        self._shows_several = False
        self._somebody_until = 0
        self._look: _Look | None = None
        self._n_lost = MAX_LOST
        self._n_found = 0
        self._comings = Comings(every)
        self._event: Event | None = None
        self._marked_now: Bool | None = None
        self._known: Mask | None = None
        self._last_search = 0
        self._every = every
        self._searches = searches
        self._last: U8 | None = None

    def add_mask(self, chunk: Chunk, first_frame: int) -> Chunk:
        """Return a chunk with its `person` mask; its first frame has the number `first_frame`.

        Pass the chunks of one layout in their order. Frames whose number is a multiple of `every`
        are segmented, and the first frame passed.
        """
        masks = np.empty((len(chunk), *chunk.layout.block_grid), np.uint8)
        doubted = np.zeros(masks.shape, np.uint8)
        is_fresh = np.arange(first_frame, first_frame + len(chunk)) % self._every == 0
        luma, cb, cr = chunk.planes
        for i in range(len(chunk)):
            frame = luma[i], cb[i], cr[i]
            if self._last is None or is_fresh[i]:
                is_fresh[i] = True
                mask = self._segment(frame, chunk.layout)
                self._look_at_newcomers(mask, frame, chunk.layout)
                n_since = first_frame + i - self._last_search
                if self._event is not None and self._marked_now is not None:
                    mask = np.maximum(mask, with_neighbours(self._marked_now))
                if self._event == "another" and self._beside.found is not None:
                    mask = np.maximum(mask, with_neighbours(self._beside.found))
                search = self._comings.add(
                    mask, n_since, self._event, self._beside.piece, self._beside.found
                )
                if search.doubted is not None:
                    doubted[i] = search.doubted
                self._last = masks[i] = search.mask
                self._last_search = first_frame + i
            else:
                masks[i] = self._between(self._last, frame, chunk.layout)
        return replace(chunk, person=masks, mask_is_fresh=is_fresh, doubted=doubted)

    def _look_at_newcomers(self, mask: U8, planes: Planes, layout: Layout) -> None:
        """Search for another person where something is marked far from what was before."""
        look, self._known = self._known, None if self._look is None else self._look.mask
        if self._look is None or self._marked_now is None or self._last is None:
            return
        candidate = self._comings.candidate(np.maximum(mask, with_neighbours(self._marked_now)))
        if candidate is None or self._event is not None or self._n_found < N_COMING:
            return
        if self._beside.confirms(planes, layout, look, *candidate):
            self._event = "another"
            self._somebody_until = int(self._searches[0]) + PEOPLE_EVERY

    def _between(self, last: U8, planes: Planes, layout: Layout) -> U8:
        """Return the mask of a frame that is not segmented; the last one that was is `last`."""
        if self._second is None or self._n_lost >= MAX_LOST:
            return last
        if not self._n_lost and self._n_found < N_COMING:
            return np.full_like(last, 2)
        if self._n_lost or self._comings.watches:
            marked = self._marked(self._second, planes, layout)
            if self._n_lost:
                return self._comings.with_exit(_grown(marked))
            return np.maximum(last, with_neighbours(marked))
        return last

    def _segment(self, planes: Planes, layout: Layout) -> U8:
        self._event, self._marked_now = None, None
        self._beside.piece = self._beside.found = None
        if self._searches[0] % PEOPLE_EVERY == 0:
            people = self._segmenter.count_people(planes, layout)
            if people is not None:
                self._shows_several = people > 1
                self._searches[2:] += (1, self._shows_several)
        if self._second is None:
            person = self._marked(self._segmenter, planes, layout)
        else:
            person = self._segment_jointly(self._second, planes, layout)
        self._searches[:2] += (1, not person.any())
        return _grown(person)

    @staticmethod
    def _marked(segmenter: Segmenter, planes: Planes, layout: Layout) -> Bool:
        """Mark the blocks in which one network sees the person."""
        marked: Bool = _probability(segmenter, planes, layout) >= MIN_PROBABILITY
        return marked

    def _segment_jointly(self, other: Segmenter, planes: Planes, layout: Layout) -> Bool:
        """Mark the blocks in which both networks together see the person."""
        look, second, probability = self._look, None, None
        if look is not None:
            second = _probability(other, planes, layout)
            probability = look.moved_with(second)
        if look is None or second is None or probability is None:
            mask = self._segmenter.mask_planes(planes, layout)
            probability = mask.at(*layout.block_grid)
            is_lost = not (probability >= MIN_PROBABILITY).any()
            if is_lost and self._n_lost >= MAX_LOST:
                self._look = None
                return np.zeros(layout.block_grid, np.bool_)
            if second is None:
                second = _probability(other, planes, layout)
            if is_lost:
                self._look = None
                self._n_lost += 1
                alone: Bool = second >= MIN_PROBABILITY
                return alone
            if self._n_lost:
                self._n_lost = self._n_found = 0
            elif (
                look is not None
                and look.mask.presence >= MIN_NEW_PRESENCE
                and is_another(look.probability, probability)
            ):
                self._event = "moved" if mask.presence >= MIN_NEW_PRESENCE else "left"
            look = self._look = _Look(mask, probability, joint_cut(mask), second)
            self._look_beside(planes, layout, mask, second)
        look.n_used += 1
        self._n_found += 1
        person: Bool = probability + second >= 2 * look.cut
        marked = self._marked_now = second >= MIN_PROBABILITY
        shows_others = self._shows_several or self._somebody_until > self._searches[0]
        if shows_others or person.sum() < MIN_JOINT * marked.sum():
            person |= marked
        return person

    def _look_beside(self, planes: Planes, layout: Layout, first: Mask, marked: F32) -> None:
        """Search beside the first person, unless there are known to be several people."""
        if self._shows_several or self._searches[0] + PEOPLE_EVERY // 2 < self._somebody_until:
            return
        if self._beside.finds_somebody(planes, layout, first, marked):
            if self._searches[0] >= self._somebody_until:
                self._event = "another"
            self._somebody_until = int(self._searches[0]) + PEOPLE_EVERY
            self._searches[2:] += 1


@dataclass
class _Look:
    """What the first network saw of a person in a frame, and the second one in the same frame.

    `mask` is the first one's; `probability`, its values, and `second` are float32 on the block
    grid, `cut` is as from `joint_cut`.
    `n_used` counts the segmented frames in which it was used.
    """

    mask: Mask
    probability: F32
    cut: float
    second: F32
    n_used: int = 0

    def moved_with(self, second: F32) -> F32 | None:
        """Return its probability moved as the person has moved; None if it is outdated.

        It is if it was used often enough, or if the second network, whose probability now is
        `second`, sees more than a displacement of what it saw.
        """
        if self.n_used > MAX_REUSED:
            return None
        by = displacement(self.second, second)
        change = np.abs(second - displaced(self.second, by)).sum()
        if change >= MAX_CHANGE * self.second.sum():
            return None
        return displaced(self.probability, by)


def _probability(segmenter: Segmenter, planes: Planes, layout: Layout) -> F32:
    """Return what one network sees, on the block grid."""
    # The last blocks may extend beyond the frame, by less than the dilation.
    return segmenter.mask_planes(planes, layout).at(*layout.block_grid)


def joint_cut(mask: Mask) -> float:
    """Return the smallest mean probability of the person, by the landmarks of a pose model."""
    framing = framing_of(mask)
    if framing is None:
        return UNKNOWN_CUT
    nearness = (framing.hips_y - HALF_LENGTH_HIPS) / (CLOSE_UP_HIPS - HALF_LENGTH_HIPS)
    nearness = min(1.0, max(0.0, nearness))
    return HALF_LENGTH_CUT + nearness * (CLOSE_UP_CUT - HALF_LENGTH_CUT)


def _grown(person: Bool) -> U8:
    """Return 2 for the person's blocks, 1 for the eight neighbours of each, else 0.

    2 everywhere if there is nobody.
    """
    if not person.any():
        return np.full(person.shape, 2, np.uint8)
    return with_neighbours(person)
