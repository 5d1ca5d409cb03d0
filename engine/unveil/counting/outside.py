"""The accumulator of method "farend": samples outside the person mask."""

from __future__ import annotations

from typing import Final, Self

import numpy as np

from unveil.arrays import I64, U8, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.counting.surveying import SurveyingTable, tail_arrays
from unveil.counting.table import by_pixel, colours_by_pixel, slots_by_pixel
from unveil.parallel import Bands
from unveil.video.chunk import Chunk, Layout
from unveil_kernels.counting.colour_times import TimeBins
from unveil_kernels.counting.forgetting import forget_since
from unveil_kernels.counting.frames import Frames, PersonMask
from unveil_kernels.counting.merge_outside import merge_outside
from unveil_kernels.counting.outside import (
    OUTSIDE_SURVEY_EVERY,
    OutsideState,
    count_outside,
)
from unveil_kernels.counting.slots import OUTSIDE_SLOT
from unveil_kernels.counting.survey import held_after

_NOTHING_IS_FAR: Final = np.uint8(255)


class OutsideTable(SurveyingTable):
    """Counts the samples outside the person mask that are not the background.

    Attributes
    ----------
    searches
        (4,) int64, numbers of frames: those in which the person was searched for, those of them
        that showed nobody, those in which people were counted, and those of these that showed
        several. Whoever searches counts them.
    counts_samples
        Whether samples are counted; without, frames are only surveyed. Not part of the state.
    """

    method = "farend"
    state_type = OutsideState
    merge_kernel = staticmethod(merge_outside)

    leader_stills: Array
    outside_surveys: Array
    searches: I64
    counts_samples = True

    @classmethod
    def arrays_of(cls, layout: Layout, n_slots: int) -> Specification:
        """Return the arrays of a table; the leader has no slot."""
        return {
            "leader": colours_by_pixel(layout),
            "leader_surveys": by_pixel(layout, np.uint16),
            "leader_stills": by_pixel(layout, np.uint16),
            "challenger": colours_by_pixel(layout),
            "challenger_votes": by_pixel(layout, np.uint16),
            "outside_surveys": by_pixel(layout, np.uint16),
            "slots": slots_by_pixel(layout, n_slots - 1, OUTSIDE_SLOT),
            "evictions": by_pixel(layout, np.uint16),
            **tail_arrays(layout),
            "surveyed": ArraySpec((2,), np.int64),
            "searches": ArraySpec((4,), np.int64),
        }

    def update(self, chunk: Chunk, bands: Bands) -> None:
        """Count the frames of a chunk, as `ColourTable.update`.

        Before a frame for which others are `Chunk.doubted`, the colours that were first seen in
        them are forgotten.
        """
        begin = 0
        if chunk.doubted is not None:
            for i in np.flatnonzero(chunk.doubted.any((1, 2))).tolist():
                if i > begin:
                    super().update(chunk.part(begin, i), bands)
                self._forget(chunk.doubted[i], bands)
                begin = i
        super().update(chunk.part(begin, len(chunk)) if begin else chunk, bands)

    def _forget(self, doubted: U8, bands: Bands) -> None:
        """Forget the colours that were first seen in the last frames, given by their number."""
        times = self.colour_times.append(np.empty(0))
        size = self.layout.block_size
        bands.run(
            lambda first, last: forget_since(
                doubted, size, self.n_frames, first, last, self.slots, times
            ),
            self.layout.height,
        )

    @staticmethod
    def _is_surveyed(frames: I64) -> Bool:
        surveyed: Bool = frames % OUTSIDE_SURVEY_EVERY == 0
        return surveyed

    def _count(
        self, frames: Frames, chunk: Chunk, first_row: int, last_row: int, times: TimeBins
    ) -> None:
        if chunk.person is None:
            raise ValueError("the chunk has no person mask")
        more = self._surveys_in(chunk)
        halves = held_after(self.n_surveys, more) < self.n_surveys + more
        if chunk.person.all() and not halves:
            return  # nothing is outside: no memory is touched for frames that show nobody
        person = PersonMask(chunk.person, chunk.mask_is_fresh, self.layout.block_size)
        comparison = self.comparison
        if not self.counts_samples:
            comparison = comparison._replace(far=_NOTHING_IS_FAR)
        count_outside(
            frames,
            person,
            self.n_surveys,
            first_row,
            last_row,
            comparison,
            self.state,
            times,
        )

    def _remember_merged(self, later: Self) -> None:
        super()._remember_merged(later)
        self.searches += later.searches
