"""The accumulator of method "rarest": every run of every colour."""

from __future__ import annotations

from typing import Self

import numpy as np

from unveil.arrays import Array
from unveil.counting.colour_times import SampleGrid
from unveil.counting.specification import ArraySpec, Specification
from unveil.counting.table import ColourTable, by_pixel, colours_by_pixel, slots_by_pixel
from unveil.video.chunk import Chunk, Layout
from unveil_kernels.counting.colour_times import TimeBins
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
    run_second: Array

    @classmethod
    def arrays_of(cls, layout: Layout, n_slots: int) -> Specification:
        """Return the arrays of a table."""
        return {
            "slots": slots_by_pixel(layout, n_slots, RUN_SLOT),
            "evictions": by_pixel(layout, np.uint16),
            "run": colours_by_pixel(layout),
            "run_start": by_pixel(layout, np.uint32),
            "run_second": ArraySpec(SampleGrid.of(layout).shape, np.int64),
        }

    def closed(self, first_row: int, last_row: int) -> tuple[Array, Array, Array]:
        """Copy a band's slots and evictions, with the runs that still go on counted.

        Returns
        -------
        slots, evictions
            (rows, w, n_slots) and (rows, w).
        seen
            (n_words, sampled rows, sampled columns, n_slots), as `ColourTimes.seen` has it.
        """
        rows, sampled = (
            slice(first_row, last_row),
            self.colour_times.sampled_rows(first_row, last_row),
        )
        band = RunState(
            self.slots[rows].copy(),
            self.evictions[rows].copy(),
            self.run[:, rows],
            self.run_start[rows],
            self.run_second[sampled],
        )
        times = self.colour_times.at_end()
        copy = times._replace(
            seen=times.seen[:, sampled].copy(),
            sample_row=np.where(
                times.sample_row[rows] < 0, -1, times.sample_row[rows] - np.int32(sampled.start)
            ),
        )
        if self.n_frames:
            close_runs(self.n_frames, 0, len(band.slots), self.comparison, band, copy)
        return band.slots, band.evictions, copy.seen

    def _count(
        self, frames: Frames, chunk: Chunk, first_row: int, last_row: int, times: TimeBins
    ) -> None:
        count_runs(frames, first_row, last_row, self.comparison, self.state, times)

    def _remember(self, chunk: Chunk) -> None:
        """Nothing: the runs that go on are in the state."""

    def _merge(
        self, later: Self, first_row: int, last_row: int, times: TimeBins, later_times: TimeBins
    ) -> None:
        band, state = slice(first_row, last_row), self.state
        close_runs(self.n_frames, first_row, last_row, self.comparison, state, times)
        merge_runs(
            first_row,
            last_row,
            self.n_frames,
            self.comparison,
            state,
            later.state,
            times,
            later_times,
        )
        sampled = self.colour_times.sampled_rows(first_row, last_row)
        self.run_second[sampled] = later.run_second[sampled]
        self.run[:, band] = later.run[:, band]
        self.run_start[band] = later.run_start[band] + np.uint32(self.n_frames)

    def _remember_merged(self, later: Self) -> None:
        """Nothing, likewise."""
