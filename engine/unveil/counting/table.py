"""The per-pixel state: create, update, merge, save, load."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from unveil.counting.state_file import layout_of, read_state, write_state
from unveil.counting.times import TimeIndex
from unveil.errors import IncompatibleTable
from unveil.parallel import Bands
from unveil.video.chunk import Chunk, Layout, Planes
from unveil_kernels.counting import outside, runs, slots, transitions
from unveil_kernels.counting.frames import Comparison, Frames, PersonMask

MAX_FRAMES: Final = 2**32 - 1
"""Frame numbers are kept in 32 bits: four and a half years at 30 frames a second."""

Array = npt.NDArray[Any]


class ColourTable(ABC):
    """Quantised colour counts of every pixel, bounded whatever the recording's length.

    A table is a handful of named arrays (`arrays`). `update` is the hot verb. `merge` adds
    a later stretch of frames; what it is associative in the subclasses say. Nothing here
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
    """

    method: ClassVar[str]
    slot: ClassVar[np.dtype[np.void]]
    """One remembered colour, as `unveil_kernels.counting.slots` defines it."""
    state_type: ClassVar[Any]
    """NamedTuple of the arrays that the kernels read and change."""
    extra_names: ClassVar[tuple[str, ...]] = ()
    """Arrays of the state that concern all pixels together; no kernel changes them."""

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        self.layout = layout
        self.n_slots = slots
        self.bits = bits
        self.tolerance = tolerance
        self.n_frames = 0
        self.times = TimeIndex()
        shape = (layout.height, layout.width)
        self.slots = _aligned_zeros((*shape, self._counted_slots), self.slot)
        self.evictions = np.zeros(shape, np.uint16)

    @property
    def _counted_slots(self) -> int:
        """How many of the remembered colours have a slot."""
        return self.n_slots

    @property
    def mask(self) -> np.uint8:
        """The bits of a channel that count when colours are compared."""
        return np.uint8(256 - (1 << (8 - self.bits)))

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, as they are saved."""
        names = (*self.state_type._fields, *self.extra_names)
        return {name: getattr(self, name) for name in names}

    @property
    def state(self) -> Any:
        """The arrays that the kernels read and change, as a `state_type`."""
        return self.state_type(*(getattr(self, name) for name in self.state_type._fields))

    @property
    def comparison(self) -> Comparison:
        """When two colours are one."""
        far = min(255, self.tolerance + self.tolerance // 2)
        return Comparison(self.mask, np.uint8(self.tolerance), np.uint8(far))

    @property
    def bytes_per_pixel(self) -> float:
        """Size of the state."""
        pixels = self.layout.height * self.layout.width
        return sum(array.nbytes for array in self.arrays.values() if array.ndim > 1) / pixels

    def update(self, chunk: Chunk, bands: Bands) -> None:
        """Count the frames of a chunk."""
        if chunk.layout != self.layout:
            raise IncompatibleTable(f"a chunk of {chunk.layout} does not fit {self.layout}")
        if self.n_frames + len(chunk) > MAX_FRAMES:
            raise IncompatibleTable(f"a state counts at most {MAX_FRAMES} frames")
        frames = Frames(
            *chunk.planes, self.n_frames, self.layout.chroma_shift_y, self.layout.chroma_shift_x
        )
        try:
            bands.run(
                lambda first, last: self._count(frames, chunk, first, last), self.layout.height
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
            self._add_length(later)
            return
        try:
            bands.run(lambda first, last: self._merge(later, first, last), self.layout.height)
        finally:
            # As in `update`.
            self._remember_merged(later)
            self._add_length(later)

    def _add_length(self, later: Self) -> None:
        self.times.extend(later.times)
        self.n_frames += later.n_frames

    def save(self, path: Path, parameters: Mapping[str, Any]) -> None:
        """Write the state, and the parameters it is to be finalised with, to a file."""
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
        return self.arrays | self.times.as_arrays()

    @classmethod
    def load(cls, path: Path) -> tuple[ColourTable, dict[str, Any]]:
        """Read a state that `save` wrote, and its parameters, as `read_state` does."""
        return read_state(path, TABLES)

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the table that was saved with this header and these arrays.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are not those of such a table.
        """
        parameters = header["parameters"]
        table = cls(
            layout_of(header),
            slots=parameters["slots"],
            bits=parameters["bits"],
            tolerance=parameters["tolerance"],
        )
        table.restore(int(header["n_frames"]), arrays)
        return table

    def restore(self, n_frames: int, stored: Mapping[str, Array]) -> None:
        """Fill an empty table with what `stored` held when this many frames were counted.

        Raises
        ------
        KeyError, ValueError
            An array is missing, or of another shape or type.
        """
        for name, array in self.arrays.items():
            if array.shape != stored[name].shape or array.dtype != stored[name].dtype:
                raise ValueError(f"{name} is of another shape or type")
            array[...] = stored[name]
        self.n_frames = n_frames
        self.times = TimeIndex.from_arrays(stored)

    def _identity(self) -> tuple[object, ...]:
        return self.method, self.layout, self.n_slots, self.bits, self.tolerance

    @abstractmethod
    def _count(self, frames: Frames, chunk: Chunk, first_row: int, last_row: int) -> None:
        """Update a band of rows."""

    @abstractmethod
    def _remember(self, chunk: Chunk) -> None:
        """Keep what the next chunk needs of this one, once all bands are done."""

    @abstractmethod
    def _remember_merged(self, later: Self) -> None:
        """Keep what concerns all rows of a later table, once all bands are merged."""

    @abstractmethod
    def _merge(self, later: Self, first_row: int, last_row: int) -> None:
        """Merge a band of rows."""


class RunTable(ColourTable):
    """Counts every run of every colour: zoomg's method, with bounded slots.

    Merging is associative as long as no colour is evicted: exactly so with a tolerance of 0,
    else up to which of two like colours names their slot.
    """

    method = "rarest"
    slot = slots.RUN_SLOT
    state_type = runs.RunState

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        shape = (layout.height, layout.width)
        self.run = np.zeros((3, *shape), np.uint8)
        self.run_start = np.zeros(shape, np.uint32)

    def closed(self, first_row: int, last_row: int) -> tuple[Array, Array]:
        """Copy a band's slots and evictions, the runs that still go on counted."""
        band = self._band(first_row, last_row)
        copy = band._replace(slots=band.slots.copy(), evictions=band.evictions.copy())
        self._close(copy)
        return copy.slots, copy.evictions

    def _band(self, first_row: int, last_row: int) -> runs.RunState:
        rows = slice(first_row, last_row)
        return runs.RunState(
            self.slots[rows], self.evictions[rows], self.run[:, rows], self.run_start[rows]
        )

    def _close(self, band: runs.RunState) -> None:
        if self.n_frames:
            runs.close_runs(self.n_frames, 0, len(band.slots), self.comparison, band)

    def _count(self, frames: Frames, chunk: Chunk, first_row: int, last_row: int) -> None:
        runs.count_runs(frames, first_row, last_row, self.comparison, self.state)

    def _remember(self, chunk: Chunk) -> None:
        """Nothing: the runs that go on are in the state."""

    def _merge(self, later: Self, first_row: int, last_row: int) -> None:
        band = slice(first_row, last_row)
        self._close(self._band(first_row, last_row))
        runs.merge_runs(
            first_row, last_row, self.n_frames, self.comparison, self.state, later.state
        )
        self.run[:, band] = later.run[:, band]
        self.run_start[band] = later.run_start[band] + np.uint32(self.n_frames)

    def _remember_merged(self, later: Self) -> None:
        """Nothing, likewise."""


class SurveyingTable(ColourTable):
    """Has one of the remembered colours, the leader, in arrays of its own: a survey finds it.

    Every so many frames each pixel's colour votes for the leader, or for or against the
    challenger beside it; where this has more votes the two change places.

    Merging is associative where colours are compared exactly (8 bits, a tolerance of 0), no
    colour is evicted and no counter is full: in the leader, its surveys and the challenger
    where at most two colours of a pixel were ever surveyed; in all the rest where, besides,
    the parts have one leader. Where it changes hands, what was counted of a colour while
    it led has no times of its own.
    """

    slot = slots.TRANSITION_SLOT
    extra_names: ClassVar[tuple[str, ...]] = ("surveyed",)
    merge_kernel: ClassVar[Callable[..., None]]
    """Merges a band of the later table's state into this one's."""

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        shape = (layout.height, layout.width)
        self.leader, self.challenger = (np.zeros((3, *shape), np.uint8) for _ in range(2))
        self.leader_surveys, self.challenger_votes = (np.zeros(shape, np.uint16) for _ in range(2))
        # The last frame.
        self.tail0, self.tail1, self.tail2 = layout.empty(1)
        for tail in self._tails:
            tail[...] = 0
        # Frames surveyed.
        self.surveyed = np.zeros(1, np.int64)

    @property
    def _counted_slots(self) -> int:
        return self.n_slots - 1

    @property
    def n_surveys(self) -> int:
        """Frames surveyed."""
        return int(self.surveyed[0])

    @property
    def _tails(self) -> Planes:
        return self.tail0, self.tail1, self.tail2

    @staticmethod
    @abstractmethod
    def _is_surveyed(frames: Array) -> Array:
        """Which frames (n,), by their numbers, are surveyed."""

    def _remember(self, chunk: Chunk) -> None:
        frames = np.arange(self.n_frames, self.n_frames + len(chunk))
        self.surveyed += np.count_nonzero(self._is_surveyed(frames))
        for tail, plane in zip(self._tails, chunk.planes, strict=True):
            tail[...] = plane[-1:]

    def _merge(self, later: Self, first_row: int, last_row: int) -> None:
        self.merge_kernel(
            first_row,
            last_row,
            self.n_frames,
            later.n_frames,
            self.comparison,
            self.state,
            later.state,
        )

    def _remember_merged(self, later: Self) -> None:
        self.surveyed += later.surveyed
        for tail, its in zip(self._tails, later._tails, strict=True):
            tail[...] = its


class TransitionTable(SurveyingTable):
    """Counts only samples around a change from or to the background.

    Its surveys ask for colours that stand still.
    """

    method = "transitions"
    state_type = transitions.TransitionState
    merge_kernel = staticmethod(transitions.merge_transitions)

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        shape = (layout.height, layout.width)
        self.leader_returns = np.zeros(shape, np.uint16)
        self.history = np.full(shape, transitions.UNCHANGED, np.uint8)

    @staticmethod
    def _is_surveyed(frames: Array) -> Array:
        surveyed: Array = (frames % transitions.SURVEY_EVERY == 1) | (frames == 0)
        return surveyed

    def _count(self, frames: Frames, chunk: Chunk, first_row: int, last_row: int) -> None:
        transitions.count_transitions(frames, first_row, last_row, self.comparison, self.state)


class OutsideTable(SurveyingTable):
    """Counts the samples outside the person that are not the background.

    `searches`, which whoever searches counts, are four numbers of frames: those in which the
    person was searched for, those of them that showed nobody, those in which people were counted,
    and those of these that showed several.
    """

    method = "farend"
    slot = slots.OUTSIDE_SLOT
    state_type = outside.OutsideState
    extra_names = ("surveyed", "searches")
    merge_kernel = staticmethod(outside.merge_outside)

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        shape = (layout.height, layout.width)
        self.leader_stills, self.outside_surveys = (np.zeros(shape, np.uint16) for _ in range(2))
        self.searches = np.zeros(4, np.int64)

    @property
    def n_surveys(self) -> int:
        """Frames surveyed, at most as many as a pixel's counters hold: shares stay comparable."""
        return min(super().n_surveys, slots.U16_MAX)

    @staticmethod
    def _is_surveyed(frames: Array) -> Array:
        surveyed: Array = frames % outside.OUTSIDE_SURVEY_EVERY == 0
        return surveyed

    def _count(self, frames: Frames, chunk: Chunk, first_row: int, last_row: int) -> None:
        if chunk.person is None:
            raise ValueError("a chunk does not tell where the person is")
        if chunk.person.all():
            return  # nothing is outside: no memory is touched for frames that show nobody
        person = PersonMask(chunk.person, chunk.mask_is_fresh, self.layout.block_size)
        outside.count_outside(frames, person, first_row, last_row, self.comparison, self.state)

    def _remember_merged(self, later: Self) -> None:
        super()._remember_merged(later)
        self.searches += later.searches


def _aligned_zeros(shape: tuple[int, ...], slot: np.dtype[np.void]) -> Array:
    """Make free slots that begin on a cache line, so that a pixel's do not lie on two.

    The system hands their memory out page by page as it is touched.
    """
    n_bytes = math.prod(shape) * slot.itemsize
    memory = np.zeros(n_bytes + slots.CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % slots.CACHE_LINE
    return memory[start : start + n_bytes].view(slot).reshape(shape)


TABLES: Final[dict[str, type[ColourTable]]] = {
    table.method: table for table in (OutsideTable, TransitionTable, RunTable)
}
"""The accumulators by method."""
