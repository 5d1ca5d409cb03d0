"""What the two accumulators with surveys share: a leader, its challenger and the last frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np

from unveil.arrays import I64, Array, Bool
from unveil.counting.specification import ArraySpec
from unveil.counting.table import ColourTable
from unveil.video.chunk import Chunk, Layout, Planes
from unveil_kernels.counting.colour_times import TimeBins
from unveil_kernels.counting.survey import MAX_SURVEYS, held_after


class SurveyingTable(ColourTable):
    """Keeps one of the remembered colours, the leader, in arrays of its own.

    In a survey, every so many frames, each pixel's colour votes for the leader, or for or against
    the challenger; where that has more votes the two change places.

    Merging is associative where colours are compared exactly (8 bits, a tolerance of 0), no
    colour is evicted and the parts have no more than `MAX_SURVEYS` surveys together: in the
    leader, its surveys and the challenger where at most two colours of a pixel were ever
    surveyed; in all the rest where, besides, the parts have one leader. Where it changes hands,
    what was counted of a colour while it led has no times of its own.

    Attributes
    ----------
    surveyed
        (2,) int64, frames surveyed, and how many of them the counters of the pixels hold: these are
        halved with the counters at `MAX_SURVEYS`.
    """

    merge_kernel: ClassVar[Callable[..., None]]
    """Merges a band of the later table's state into this one's."""

    leader: Array
    leader_surveys: Array
    challenger: Array
    challenger_votes: Array
    tail0: Array
    tail1: Array
    tail2: Array
    surveyed: I64

    @property
    def n_surveys(self) -> int:
        """Surveys that the counters hold: what shares of them are taken of."""
        return int(self.surveyed[1])

    @property
    def all_surveys(self) -> int:
        """Frames surveyed."""
        return int(self.surveyed[0])

    def of_all_surveys(self, held: Array) -> Array:
        """Scale counts of surveys, of any shape, from those held to all of them; int64."""
        if self.all_surveys == self.n_surveys:
            return held.astype(np.int64)
        scaled: Array = np.rint(held * (self.all_surveys / self.n_surveys)).astype(np.int64)
        return scaled

    @property
    def _tails(self) -> Planes:
        return self.tail0, self.tail1, self.tail2

    @staticmethod
    @abstractmethod
    def _is_surveyed(frames: I64) -> Bool:
        """Which frames (n,), by their numbers, are surveyed."""

    def _surveys_in(self, chunk: Chunk) -> int:
        """Count the surveys in the next chunk."""
        frames = np.arange(self.n_frames, self.n_frames + len(chunk))
        return int(np.count_nonzero(self._is_surveyed(frames)))

    def _remember(self, chunk: Chunk) -> None:
        more = self._surveys_in(chunk)
        self.surveyed[:] = self.all_surveys + more, held_after(self.n_surveys, more)
        for tail, plane in zip(self._tails, chunk.planes, strict=True):
            tail[...] = plane[-1:]

    def _merge(
        self, later: Self, first_row: int, last_row: int, times: TimeBins, later_times: TimeBins
    ) -> None:
        self.merge_kernel(
            first_row,
            last_row,
            self.n_frames,
            later.n_frames,
            self._halvings(later),
            self.comparison,
            self.state,
            later.state,
            times,
            later_times,
        )

    def _halvings(self, later: Self) -> int:
        """How often the counters are halved when a later table is merged."""
        return int(self.n_surveys + later.n_surveys > MAX_SURVEYS)

    def _remember_merged(self, later: Self) -> None:
        held = (self.n_surveys + later.n_surveys) >> self._halvings(later)
        self.surveyed[:] = self.all_surveys + later.all_surveys, held
        for tail, later_tail in zip(self._tails, later._tails, strict=True):
            tail[...] = later_tail


def tail_arrays(layout: Layout) -> dict[str, ArraySpec]:
    """Specify the planes of the last frame."""
    chroma = (1, layout.chroma_height, layout.chroma_width)
    return {
        "tail0": ArraySpec((1, layout.height, layout.width), np.uint8),
        "tail1": ArraySpec(chroma, np.uint8),
        "tail2": ArraySpec(chroma, np.uint8),
    }
