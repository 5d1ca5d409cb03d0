"""The accumulator of method "rarest": every run of every colour."""

from __future__ import annotations

from typing import Self

import numpy as np

from unveil.arrays import Array
from unveil.counting.specification import Specification
from unveil.counting.table import ColourTable, by_pixel, colours_by_pixel, slots_by_pixel
from unveil.video.chunk import Chunk, Layout
from unveil_kernels.counting.frames import Frames
from unveil_kernels.counting.runs import RunState, close_runs, count_runs, merge_runs
from unveil_kernels.counting.slots import RUN_SLOT


class RunTable(ColourTable):
    """Counts every run of every colour: zoomg's method, with bounded slots.

    Merging is associative as long as no colour is evicted: exactly so with a tolerance of 0,
    else up to which of two colours within the tolerance gives its slot the colour.
    """

    method = "rarest"
    state_type = RunState

    run: Array
    run_start: Array

    @classmethod
    def arrays_of(cls, layout: Layout, n_slots: int) -> Specification:
        """Return the arrays of a table."""
        return {
            "slots": slots_by_pixel(layout, n_slots, RUN_SLOT),
            "evictions": by_pixel(layout, np.uint16),
            "run": colours_by_pixel(layout),
            "run_start": by_pixel(layout, np.uint32),
        }

    def closed(self, first_row: int, last_row: int) -> tuple[Array, Array]:
        """Copy a band's slots and evictions, with the runs that still go on counted."""
        band = self._band(first_row, last_row)
        copy = band._replace(slots=band.slots.copy(), evictions=band.evictions.copy())
        self._close(copy)
        return copy.slots, copy.evictions

    def _band(self, first_row: int, last_row: int) -> RunState:
        rows = slice(first_row, last_row)
        return RunState(
            self.slots[rows], self.evictions[rows], self.run[:, rows], self.run_start[rows]
        )

    def _close(self, band: RunState) -> None:
        if self.n_frames:
            close_runs(self.n_frames, 0, len(band.slots), self.comparison, band)

    def _count(self, frames: Frames, chunk: Chunk, first_row: int, last_row: int) -> None:
        count_runs(frames, first_row, last_row, self.comparison, self.state)

    def _remember(self, chunk: Chunk) -> None:
        """Nothing: the runs that go on are in the state."""

    def _merge(self, later: Self, first_row: int, last_row: int) -> None:
        band = slice(first_row, last_row)
        self._close(self._band(first_row, last_row))
        merge_runs(first_row, last_row, self.n_frames, self.comparison, self.state, later.state)
        self.run[:, band] = later.run[:, band]
        self.run_start[band] = later.run_start[band] + np.uint32(self.n_frames)

    def _remember_merged(self, later: Self) -> None:
        """Nothing, likewise."""
