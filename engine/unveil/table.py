"""The per-pixel state: create, update, merge, finalise (in `unveil.finalise`), save, load."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from unveil._version import __version__
from unveil.bands import Bands
from unveil.chunk import Chunk, Colour, Layout
from unveil.errors import IncompatibleTable, MissingInput
from unveil.outputs import replacing
from unveil.times import TimeIndex
from unveil_kernels import count

MAX_FRAMES: Final = 2**32 - 1
"""Frame numbers are kept in 32 bits: four and a half years at 30 frames a second."""

Array = npt.NDArray[Any]


class ColourTable(ABC):
    """Quantised colour counts of every pixel, bounded whatever the recording's length.

    A table is a handful of named arrays (`arrays`). `update` is the hot verb. `merge` adds
    a later stretch of frames; it is associative as long as no slot is evicted, exactly so
    with a tolerance of 0, else up to which of two like colours names their slot. Nothing
    here changes with the number of threads or the size of chunks.

    Not thread-safe: one thread updates, the bands share the work.
    """

    method: ClassVar[str]
    episode_gap: ClassVar[int]

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        self.layout = layout
        self.bits = bits
        self.tolerance = tolerance
        self.n_frames = 0
        self.times = TimeIndex()
        # Zeros are free slots; the system hands them out page by page as they are touched.
        shape = (layout.height, layout.width)
        self.slots = np.zeros((*shape, slots), count.SLOT)
        self.evictions = np.zeros(shape, np.uint16)

    @property
    def mask(self) -> np.uint8:
        """The bits of a channel that count when colours are compared."""
        return np.uint8(256 - (1 << (8 - self.bits)))

    @property
    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, as they are saved."""

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
        bands.run(lambda first, last: self._count(chunk, first, last), self.layout.height)
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
        else:
            bands.run(lambda first, last: self._merge(later, first, last), self.layout.height)
            self._remember_merged(later)
        self.times.extend(later.times)
        self.n_frames += later.n_frames

    def save(self, path: Path, parameters: Mapping[str, Any]) -> None:
        """Write the state, and the parameters it is to be finalised with, to a file."""
        header = {
            "unveil": __version__,
            "method": self.method,
            "layout": asdict(self.layout),
            "parameters": parameters,
            "n_frames": self.n_frames,
        }
        arrays = self.arrays | self.times.as_arrays()
        encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, header=encoded, **arrays)

    @classmethod
    def load(cls, path: Path) -> tuple[ColourTable, dict[str, Any]]:
        """Read a state that `save` wrote, and its parameters.

        Raises
        ------
        MissingInput
            There is no such file.
        IncompatibleTable
            The file is not one, or of another version's form.
        """
        try:
            # NumPy leaves a file that is no archive open: we close it.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                header = json.loads(stored["header"].tobytes())
                arrays = {name: stored[name] for name in stored.files if name != "header"}
            parameters = header["parameters"]
            kind = TABLES[header["method"]]
            colour = Colour(**header["layout"].pop("colour"))
            table = kind(
                Layout(**header["layout"], colour=colour),
                slots=arrays["slots"].shape[2],
                bits=parameters["bits"],
                tolerance=parameters["tolerance"],
            )
            for name, array in table.arrays.items():
                if array.shape != arrays[name].shape or array.dtype != arrays[name].dtype:
                    raise ValueError(f"{name} is of another shape or type")
                array[...] = arrays[name]
            table.n_frames = int(header["n_frames"])
            table.times = TimeIndex.from_arrays(arrays)
        except FileNotFoundError as error:
            raise MissingInput(f"{path}: no such file; name a state that was saved") from error
        except Exception as error:
            raise IncompatibleTable(
                f"{path}: not a state that this version of unveil can read ({error})"
            ) from error
        return table, parameters

    def _identity(self) -> tuple[object, ...]:
        return self.method, self.layout, self.slots.shape[2], self.bits, self.tolerance

    def _merge_slots(self, others: ColourTable, first: int, last: int) -> None:
        count.merge_slots(
            first,
            last,
            self.n_frames,
            self.episode_gap,
            self.mask,
            np.uint8(self.tolerance),
            self.slots,
            self.evictions,
            others.slots,
            others.evictions,
        )

    @abstractmethod
    def _count(self, chunk: Chunk, first_row: int, last_row: int) -> None:
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
    """Counts every run of every colour: zoomg's method, with bounded slots."""

    method = "rarest"
    episode_gap = 1

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        shape = (layout.height, layout.width)
        self.run0, self.run1, self.run2 = (np.zeros(shape, np.uint8) for _ in range(3))
        self.run_start = np.zeros(shape, np.uint32)

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, as they are saved."""
        names = ("slots", "evictions", "run0", "run1", "run2", "run_start")
        return {name: getattr(self, name) for name in names}

    def closed(self, first_row: int, last_row: int) -> tuple[Array, Array]:
        """Copy a band's slots and evictions, the runs that still go on counted."""
        band = slice(first_row, last_row)
        slots, evictions = self.slots[band].copy(), self.evictions[band].copy()
        self._close(slots, evictions, band)
        return slots, evictions

    def _close(self, slots: Array, evictions: Array, band: slice) -> None:
        if self.n_frames == 0:
            return
        count.close_runs(
            self.n_frames,
            0,
            len(slots),
            self.mask,
            np.uint8(self.tolerance),
            self.run0[band],
            self.run1[band],
            self.run2[band],
            self.run_start[band],
            slots,
            evictions,
        )

    def _count(self, chunk: Chunk, first_row: int, last_row: int) -> None:
        count.count_runs(
            *chunk.planes,
            self.n_frames,
            first_row,
            last_row,
            self.layout.chroma_shift_y,
            self.layout.chroma_shift_x,
            self.mask,
            np.uint8(self.tolerance),
            self.run0,
            self.run1,
            self.run2,
            self.run_start,
            self.slots,
            self.evictions,
        )

    def _remember(self, chunk: Chunk) -> None:
        """Nothing: the runs that go on are in the state."""

    def _remember_merged(self, later: Self) -> None:
        """Nothing, likewise."""

    def _merge(self, later: Self, first_row: int, last_row: int) -> None:
        band = slice(first_row, last_row)
        self._close(self.slots[band], self.evictions[band], band)
        self._merge_slots(later, first_row, last_row)
        for mine, its in (
            (self.run0, later.run0),
            (self.run1, later.run1),
            (self.run2, later.run2),
        ):
            mine[band] = its[band]
        self.run_start[band] = later.run_start[band] + np.uint32(self.n_frames)


class TransitionTable(ColourTable):
    """Counts only samples next to a change from or to the background."""

    method = "transitions"
    episode_gap = count.EPISODE_GAP

    def __init__(self, layout: Layout, *, slots: int, bits: int, tolerance: int) -> None:
        super().__init__(layout, slots=slots, bits=bits, tolerance=tolerance)
        shape = (layout.height, layout.width)
        self.leader0, self.leader1, self.leader2 = (np.zeros(shape, np.uint8) for _ in range(3))
        self.leader_surveys = np.zeros(shape, np.uint16)
        self.history = np.full(shape, count.UNCHANGED, np.uint8)
        self.tail0, self.tail1, self.tail2 = layout.empty(count.WINDOW)
        for tail in (self.tail0, self.tail1, self.tail2):
            tail[...] = 0
        # Frames surveyed for the most frequent still colour.
        self.surveyed = np.zeros(1, np.int64)

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, as they are saved."""
        names = (
            *("slots", "evictions", "leader0", "leader1", "leader2", "leader_surveys"),
            *("history", "tail0", "tail1", "tail2", "surveyed"),
        )
        return {name: getattr(self, name) for name in names}

    @property
    def n_surveys(self) -> int:
        """Frames surveyed for the most frequent still colour."""
        return int(self.surveyed[0])

    @property
    def far(self) -> np.uint8:
        """Levels by which a counted sample differs from the leader."""
        return np.uint8(min(255, self.tolerance + self.tolerance // 2))

    def _count(self, chunk: Chunk, first_row: int, last_row: int) -> None:
        count.count_transitions(
            *chunk.planes,
            self.n_frames,
            first_row,
            last_row,
            self.layout.chroma_shift_y,
            self.layout.chroma_shift_x,
            self.mask,
            np.uint8(self.tolerance),
            self.far,
            self.leader0,
            self.leader1,
            self.leader2,
            self.leader_surveys,
            self.history,
            self.tail0,
            self.tail1,
            self.tail2,
            self.slots,
            self.evictions,
        )

    def _remember(self, chunk: Chunk) -> None:
        frames = np.arange(self.n_frames, self.n_frames + len(chunk))
        surveyed = (frames % count.SURVEY_EVERY == count.WINDOW) | (frames == 0)
        self.surveyed += np.count_nonzero(surveyed)
        for tail, plane in zip((self.tail0, self.tail1, self.tail2), chunk.planes, strict=True):
            newest = plane[-count.WINDOW :]
            tail[: count.WINDOW - len(newest)] = tail[len(newest) :]
            tail[count.WINDOW - len(newest) :] = newest

    def _leaders(self) -> tuple[Array, ...]:
        return self.leader0, self.leader1, self.leader2, self.leader_surveys, self.slots

    def _merge(self, later: Self, first_row: int, last_row: int) -> None:
        band = slice(first_row, last_row)
        count.store_leaders(first_row, last_row, *self._leaders())
        count.store_leaders(first_row, last_row, *later._leaders())
        self._merge_slots(later, first_row, last_row)
        count.elect_leaders(first_row, last_row, *self._leaders())
        self.history[band] = later.history[band]
        # Two frames for each chroma row of the band; bands begin at whole chroma rows.
        shift = self.layout.chroma_shift_y
        chroma = slice(first_row >> shift, -(-last_row >> shift))
        self.tail0[:, band] = later.tail0[:, band]
        self.tail1[:, chroma] = later.tail1[:, chroma]
        self.tail2[:, chroma] = later.tail2[:, chroma]

    def _remember_merged(self, later: Self) -> None:
        self.surveyed += later.surveyed


TABLES: Final[dict[str, type[ColourTable]]] = {
    table.method: table for table in (TransitionTable, RunTable)
}
"""The accumulators by method."""
