"""The accumulator of method "transitions": samples around changes from and to the leader."""

from __future__ import annotations

import numpy as np

from unveil.arrays import I64, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.counting.surveying import SurveyingTable, tail_arrays
from unveil.counting.table import by_pixel, colours_by_pixel, slots_by_pixel
from unveil.video.chunk import Chunk, Layout
from unveil_kernels.counting.colour_times import TimeBins
from unveil_kernels.counting.frames import Frames
from unveil_kernels.counting.merge_transitions import merge_transitions
from unveil_kernels.counting.slots import TRANSITION_SLOT
from unveil_kernels.counting.transitions import (
    SURVEY_EVERY,
    UNCHANGED,
    TransitionState,
    count_transitions,
)


class TransitionTable(SurveyingTable):
    """Counts only samples around a change from or to the background.

    Only colours that stand still vote in its surveys.
    """

    method = "transitions"
    state_type = TransitionState
    merge_kernel = staticmethod(merge_transitions)

    leader_returns: Array
    history: Array

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        self.history[...] = UNCHANGED

    @classmethod
    def arrays_of(cls, layout: Layout, n_slots: int) -> Specification:
        """Return the arrays of a table; the leader has no slot."""
        return {
            "leader": colours_by_pixel(layout),
            "leader_surveys": by_pixel(layout, np.uint16),
            "leader_returns": by_pixel(layout, np.uint16),
            "challenger": colours_by_pixel(layout),
            "challenger_votes": by_pixel(layout, np.uint16),
            "history": by_pixel(layout, np.uint8),
            "slots": slots_by_pixel(layout, n_slots - 1, TRANSITION_SLOT),
            "evictions": by_pixel(layout, np.uint16),
            **tail_arrays(layout),
            "surveyed": ArraySpec((2,), np.int64),
        }

    @staticmethod
    def _is_surveyed(frames: I64) -> Bool:
        surveyed: Bool = (frames % SURVEY_EVERY == 1) | (frames == 0)
        return surveyed

    def _count(
        self, frames: Frames, chunk: Chunk, first_row: int, last_row: int, times: TimeBins
    ) -> None:
        count_transitions(
            frames, self.n_surveys, first_row, last_row, self.comparison, self.state, times
        )
