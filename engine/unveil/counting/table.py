"""What all accumulators share: arrays by name, and the verbs create, update, merge and save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np

from unveil.arrays import Array
from unveil.counting.capacity import MAX_SLOTS, Accumulator
from unveil.counting.colour_times import ColourTimes
from unveil.counting.specification import ArraySpec, Specification, aligned_zeros
from unveil.counting.state_file import layout_of, whole_number, write_state
from unveil.counting.times import TimeIndex
from unveil.errors import IncompatibleTable
from unveil.parallel import Bands
from unveil.video.chunk import Chunk, Layout
from unveil_kernels.counting.colour_times import TimeBins
from unveil_kernels.counting.frames import Comparison, Frames

MAX_FRAMES: Final = 2**32 - 1
"""Frame numbers are kept in 32 bits: four and a half years at 30 frames a second."""


class ColourTable(ABC):
    """Quantised colour counts of every pixel, bounded whatever the recording's length.

    A table is a set of named arrays (`arrays`). `update` is the hot verb. `merge` adds the frames
    of a later part of the recording; the subclasses say in what it is associative. No result
    changes with the number of threads or the size of chunks.

    Not thread-safe: one thread updates, the bands share the work.

    Parameters
    ----------
    layout
        Of the frames that will be counted.
    slots
        Colours remembered per pixel.
    bits, tolerance
        As in `Parameters`.

    Attributes
    ----------
    slots
        (h, w, n) records, the colours of a pixel and what was counted of them.
    evictions
        (h, w) uint16, colours that lost their slot to another, saturating.
    times
        Times of the counted frames.
    colour_times
        When each colour of a grid of sampled pixels was seen.
    """

    method: ClassVar[Accumulator]
    state_type: ClassVar[Any]
    """NamedTuple of the arrays that the kernels read and change; it documents them."""

    slots: Array
    evictions: Array

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        self.layout = layout
        self.n_slots = slots
        self.bits = bits
        self.tolerance = tolerance
        self.n_frames = 0
        self.times = TimeIndex()
        self.colour_times = ColourTimes(layout, slots)
        self._specified = self.arrays_of(layout, slots)
        for name, spec in self._specified.items():
            setattr(self, name, aligned_zeros(spec.shape, spec.dtype))

    @classmethod
    @abstractmethod
    def arrays_of(cls, layout: Layout, n_slots: int) -> Specification:
        """Return the arrays of a table, those of `state_type` first."""

    @classmethod
    def stored_of(cls, layout: Layout, n_slots: int) -> Specification:
        """Return the arrays of `stored`."""
        return {
            **cls.arrays_of(layout, n_slots),
            **TimeIndex.SPECIFICATION,
            **ColourTimes.specification(layout, n_slots),
        }

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, as they are saved."""
        return {name: getattr(self, name) for name in self._specified}

    @property
    def state(self) -> Any:
        """The arrays that the kernels read and change, as a `state_type`."""
        return self.state_type(*(getattr(self, name) for name in self.state_type._fields))

    @property
    def comparison(self) -> Comparison:
        """When two colours are one."""
        far = min(255, self.tolerance + self.tolerance // 2)
        mask = 256 - (1 << (8 - self.bits))
        return Comparison(np.uint8(mask), np.uint8(self.tolerance), np.uint8(far))

    @property
    def bytes_per_pixel(self) -> float:
        """Size of the state, without the bits of `colour_times`."""
        pixels = self.layout.height * self.layout.width
        return sum(array.nbytes for array in self.arrays.values() if array.ndim > 1) / pixels

    def update(self, chunk: Chunk, bands: Bands) -> None:
        """Count the frames of a chunk.

        Raises
        ------
        IncompatibleTable
            The chunk is of another layout, or the table would exceed `MAX_FRAMES`.
        """
        if chunk.layout != self.layout:
            raise IncompatibleTable(f"a chunk of {chunk.layout} does not fit {self.layout}")
        if self.n_frames + len(chunk) > MAX_FRAMES:
            raise IncompatibleTable(f"a state counts at most {MAX_FRAMES} frames")
        frames = Frames(
            *chunk.planes, self.n_frames, self.layout.chroma_shift_y, self.layout.chroma_shift_x
        )
        times = self.colour_times.append(chunk.pts_seconds)
        try:
            bands.run(
                lambda first, last: self._count(frames, chunk, first, last, times),
                self.layout.height,
            )
        finally:
            # Where a band failed the others have counted these frames all the same.
            self._remember(chunk)
            self.times.append(chunk.pts_seconds)
            self.n_frames += len(chunk)

    def merge(self, later: Self, bands: Bands) -> None:
        """Add what a table of the frames after this one's last has counted.

        Raises
        ------
        IncompatibleTable
            The two differ in method, layout or parameters.
        """
        if self._identity() != later._identity():
            raise IncompatibleTable(
                f"states of {self._identity()} and {later._identity()} cannot be merged"
            )
        if self.n_frames + later.n_frames > MAX_FRAMES:
            raise IncompatibleTable(f"a state counts at most {MAX_FRAMES} frames")
        if later.n_frames == 0:
            return
        if self.n_frames == 0:
            for name, array in self.arrays.items():
                array[...] = later.arrays[name]
            self.colour_times = deepcopy(later.colour_times)
            self._add_length(later)
            return
        own, its = self.colour_times.merged_with(later.colour_times)
        try:
            bands.run(
                lambda first, last: self._merge(later, first, last, own, its), self.layout.height
            )
        finally:
            # As in `update`.
            self._remember_merged(later)
            self._add_length(later)

    def _add_length(self, later: Self) -> None:
        self.times.extend(later.times)
        self.n_frames += later.n_frames

    def save(self, path: Path, parameters: Mapping[str, Any]) -> None:
        """Write the state, and the parameters it is to be finalised with, to a file.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        header = {
            "method": self.method,
            "layout": asdict(self.layout),
            "parameters": parameters,
            "n_frames": self.n_frames,
        }
        write_state(path, header, self.stored)

    @property
    def stored(self) -> dict[str, Array]:
        """All that is saved but the header."""
        return self.arrays | self.times.as_arrays() | self.colour_times.as_arrays()

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a state with this header has.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is not the header of such a table.
        """
        n_slots = whole_number(header["parameters"], "slots", 2, MAX_SLOTS)
        return cls.stored_of(layout_of(header), n_slots)

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the table that was saved with this header and these arrays, as specified.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are not those of such a table.
        """
        parameters = header["parameters"]
        table = cls(
            layout_of(header),
            slots=whole_number(parameters, "slots", 2, MAX_SLOTS),
            bits=whole_number(parameters, "bits", 1, 8),
            tolerance=whole_number(parameters, "tolerance", 0, 255),
        )
        table.restore(whole_number(header, "n_frames", 0, MAX_FRAMES), arrays)
        return table

    def restore(self, n_frames: int, stored: Mapping[str, Array]) -> None:
        """Take over what `stored` held when this many frames were counted.

        Raises
        ------
        ValueError
            The times are not those of so many frames.
        """
        times = TimeIndex.from_arrays(stored)
        if times.n_frames != n_frames:
            raise ValueError(f"times of {times.n_frames} frames for a state of {n_frames}")
        for name in self._specified:
            setattr(self, name, stored[name])
        self.colour_times.restore(stored)
        self.n_frames = n_frames
        self.times = times

    def _identity(self) -> tuple[object, ...]:
        return self.method, self.layout, self.n_slots, self.bits, self.tolerance

    @abstractmethod
    def _count(
        self, frames: Frames, chunk: Chunk, first_row: int, last_row: int, times: TimeBins
    ) -> None:
        """Update a band of rows."""

    @abstractmethod
    def _remember(self, chunk: Chunk) -> None:
        """Keep what the next chunk needs of this one, once all bands are done."""

    @abstractmethod
    def _remember_merged(self, later: Self) -> None:
        """Keep what concerns all rows of a later table, once all bands are merged."""

    @abstractmethod
    def _merge(
        self, later: Self, first_row: int, last_row: int, times: TimeBins, later_times: TimeBins
    ) -> None:
        """Merge a band of rows."""


def by_pixel(layout: Layout, dtype: Any) -> ArraySpec:
    """Specify an array (h, w) with a value a pixel."""
    return ArraySpec((layout.height, layout.width), dtype)


def colours_by_pixel(layout: Layout) -> ArraySpec:
    """Specify an array (3, h, w) uint8 with a colour a pixel."""
    return ArraySpec((3, layout.height, layout.width), np.uint8)


def slots_by_pixel(layout: Layout, n_slots: int, slot: np.dtype[np.void]) -> ArraySpec:
    """Specify an array (h, w, n_slots) of records."""
    return ArraySpec((layout.height, layout.width, n_slots), slot)
