"""`Engine`: takes frames, counts their colours, and returns a recovery at any time."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, Unpack

import av
import numpy as np
import numpy.typing as npt

from unveil.counting.accumulators import TABLES
from unveil.counting.auto import AutoTable
from unveil.counting.colour_times import largest_bytes
from unveil.counting.outside import OutsideTable
from unveil.counting.state_file import read_state, write_state
from unveil.counting.table import ColourTable
from unveil.errors import FrameTooLarge, IncompatibleTable, InvalidParameter
from unveil.memory import memory_limit
from unveil.parallel import Bands, uninterrupted
from unveil.recovery.background.changes import Stretch
from unveil.recovery.background.noise import PixelNoise
from unveil.recovery.background.picture import Background, background_picture
from unveil.recovery.background.surveys import PersonSurveys
from unveil.recovery.decide.finalise import finalise
from unveil.recovery.engine_state import ENGINE_STATES, EngineState
from unveil.recovery.parameters import CHUNK_FRAMES, ParameterKeywords, Parameters
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Colour, Layout

if TYPE_CHECKING:
    from unveil.person.blocks import BlockMasker
    from unveil.video.pixel_format import PlaneReader

RGB: Final = Colour("rgb", full_range=True)


class Engine:
    """Counts the colours of frames and recovers room and background from the counts.

    Parameters
    ----------
    height, width
        Size of the frames in pixels.
    parameters
        How frames are counted; None uses the keywords `chosen`, which are those of `Parameters`.
    chunk_frames
        Number of frames that `push` collects before it counts them; changes no result.
    background
        Picture of the virtual background, known or guessed: an image file, or (m, n, 3) RGB
        uint8. It may have another size, be cropped or mirrored. Used by method "farend", and by
        "auto" if it chooses "farend".

    Attributes
    ----------
    filtered
        Noise in the pixels of the background that was filtered out of the frames that are pushed,
        None for frames as they are. Not part of the state.

    Raises
    ------
    InvalidParameter
        A value is out of range.
    FrameTooLarge
        The state does not fit into the memory that this process may use.

    Notes
    -----
    Not thread-safe: push from one thread at a time. Several engines may run concurrently.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        parameters: Parameters | None = None,
        chunk_frames: int = CHUNK_FRAMES,
        background: Background | None = None,
        **chosen: Unpack[ParameterKeywords],
    ) -> None:
        if parameters is not None and chosen:
            raise TypeError("give either `parameters` or its fields as keywords, not both")
        self.parameters = parameters or Parameters(**chosen)
        if height < 1 or width < 1:
            raise InvalidParameter(f"frames of {width}x{height} pixels cannot be counted")
        if chunk_frames < 1:
            raise InvalidParameter(f"chunk_frames: {chunk_frames} is not a positive number")
        self.height = height
        self.width = width
        self._background = background_picture(background, self.parameters)
        self._chunk_frames = chunk_frames
        self._bands = Bands(self.parameters.n_threads)
        self._table: ColourTable | AutoTable | None = None
        self._staged: Chunk | None = None
        self._n_staged = 0
        self._reader: PlaneReader | None = None
        self._masker: BlockMasker | None = None
        self._next_frame: int | None = None
        self._surveys: PersonSurveys | None = None
        self.filtered: PixelNoise | None = None

    @property
    def n_frames(self) -> int:
        """Frames pushed so far."""
        return self._n_staged + (self._table.n_frames if self._table else 0)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Stretches of frames that show one background; empty if none are distinguished.

        Only method "farend" distinguishes backgrounds, and "auto" if it chooses "farend".
        """
        self._flush()
        if isinstance(self._table, AutoTable) and self._table.decided is not self._table.outside:
            return ()  # the detections were no person
        return () if self._surveys is None else self._surveys.backgrounds.stretches

    def push(
        self,
        frames: av.VideoFrame | npt.NDArray[np.uint8],
        pts_seconds: float | npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Count a frame or a batch of frames.

        Parameters
        ----------
        frames
            An `av.VideoFrame` in any pixel format, or RGB uint8 of shape (h, w, 3) or
            (n, h, w, 3). All frames of an engine must have one layout.
        pts_seconds
            Time of the frame or of each frame of the batch; with None, an `av.VideoFrame` has its
            own time, and the time of an array is unknown.

        Raises
        ------
        ValueError
            The frames have another size or layout than those of the engine.
        """
        if isinstance(frames, np.ndarray):
            self._push_rgb(frames, pts_seconds)
            return
        if not isinstance(frames, av.VideoFrame):
            raise ValueError(f"{type(frames).__name__}: frames are av.VideoFrame or NumPy arrays")
        if frames.width != self.width or frames.height != self.height:
            raise ValueError(
                f"a frame of {frames.width}x{frames.height} for {self.width}x{self.height}"
            )
        if self._reader is None:
            from unveil.video.pixel_format import PlaneReader

            self._reader = PlaneReader()
        if pts_seconds is None:
            # Contrary to PyAV's type stubs, a frame can lack its pts or time base.
            known = frames.pts is not None and bool(frames.time_base)
            pts_seconds = frames.time if known else math.nan
        staged, index = self._stage(self._reader.layout_of(frames), float(pts_seconds))
        self._reader.copy_into(frames, staged.planes, index)
        self._count_full_chunk()

    def _push_rgb(
        self,
        frames: npt.NDArray[np.uint8],
        pts_seconds: float | npt.NDArray[np.float64] | None,
    ) -> None:
        batch = frames[None] if frames.ndim == 3 else frames
        if batch.dtype != np.uint8 or batch.shape[1:] != (self.height, self.width, 3):
            raise ValueError(
                f"frames of shape {frames.shape} and type {frames.dtype}: "
                f"expected uint8 of shape (..., {self.height}, {self.width}, 3)"
            )
        times: npt.NDArray[np.float64] = np.broadcast_to(
            np.asarray(math.nan if pts_seconds is None else pts_seconds, np.float64), len(batch)
        )
        layout = Layout(self.height, self.width, colour=RGB)
        for frame, seconds in zip(batch, times, strict=True):
            staged, index = self._stage(layout, float(seconds))
            for plane, channel in zip(staged.planes, (1, 2, 0), strict=True):
                plane[index] = frame[..., channel]
            self._count_full_chunk()

    def _stage(self, layout: Layout, pts_seconds: float) -> tuple[Chunk, int]:
        """Reserve a place in the staged chunk for one more frame: the chunk and the index."""
        if self._staged is None:
            n_frames = self._chunk_frames
            self._staged = Chunk(layout.empty(n_frames), np.empty(n_frames), layout)
        elif self._staged.layout != layout:
            raise ValueError(f"a frame of {layout} for an engine of {self._staged.layout}")
        self._staged.pts_seconds[self._n_staged] = pts_seconds
        return self._staged, self._n_staged

    def _count_full_chunk(self) -> None:
        """Note that a frame was staged, and count the chunk if it is full."""
        self._n_staged += 1
        if self._n_staged == self._chunk_frames:
            self._flush()

    def _flush(self) -> None:
        """Count the staged frames."""
        if self._n_staged:
            uninterrupted(self._count_staged)

    def _count_staged(self) -> None:
        staged, n_frames = self._staged, self._n_staged
        if staged is None or n_frames == 0:
            return
        self._n_staged = 0
        luma, cb, cr = (plane[:n_frames] for plane in staged.planes)
        self._count(Chunk((luma, cb, cr), staged.pts_seconds[:n_frames], staged.layout))

    def update(self, chunk: Chunk) -> None:
        """Count a chunk of decoded planes, without a copy.

        Methods "auto" and "farend" segment the person if the chunk has no person mask.

        Raises
        ------
        IncompatibleTable
            The chunk has another layout than those before.
        DamagedModel, MissingRuntime
            The network that finds the person cannot be loaded.

        Notes
        -----
        Ctrl-C raises `KeyboardInterrupt` after the chunk is counted.
        """
        uninterrupted(partial(self._update, chunk))

    def try_out(self, chunk: Chunk) -> None:
        """Count a chunk and recover from it, with an engine that serves for nothing else.

        Ctrl-C ends it at once, whatever that leaves of the state.
        """
        self._count(chunk)
        self.finalise()

    def _update(self, chunk: Chunk) -> None:
        self._count_staged()
        self._count(chunk)

    def _count(self, chunk: Chunk) -> None:
        chunk = self.masked(chunk)
        table = self._table
        assert table is not None
        if chunk.person is None:
            table.update(chunk, self._bands)
            return
        if self._surveys is None:
            self._surveys = PersonSurveys(chunk.layout)
        moves = self._surveys.add(chunk)
        outside = table.outside if isinstance(table, AutoTable) else table
        changes = np.flatnonzero(moves[1:] != moves[:-1]) + 1
        for begin, end in pairwise([0, *changes.tolist(), len(chunk)]):
            if isinstance(outside, OutsideTable):
                # Before a background that moves nearly all samples are far from the leader, and
                # their colours of no use: nothing is claimed.
                outside.counts_samples = not moves[begin:end].any()
            table.update(chunk.part(begin, end), self._bands)

    def masked(self, chunk: Chunk, *, network_threads: int | None = None) -> Chunk:
        """Return a chunk with the person mask, if the method needs one and it has none.

        It may run beside `update` with the chunk before; chunks are masked in the order in which
        they are counted. `network_threads` holds from the first chunk on; None: as many as the
        engine's.

        Raises
        ------
        IncompatibleTable
            The chunk has another layout than those before.
        DamagedModel, MissingRuntime
            As for `update`.
        """
        if self._table is None:
            self._table = self._create(chunk.layout)
        table = self._table
        if chunk.person is not None or not isinstance(table, AutoTable | OutsideTable):
            return chunk
        if chunk.layout != table.layout:
            raise IncompatibleTable(f"a chunk of {chunk.layout} does not fit {table.layout}")
        if self._masker is None:
            from unveil.person.blocks import BlockMasker

            chosen = self.parameters
            assert chosen.person != "none"  # such an engine has another table
            self._masker = BlockMasker(
                chosen.person,
                every=chosen.person_every,
                threads=network_threads or chosen.n_threads,
                searches=table.searches,
            )
        if self._next_frame is None:
            self._next_frame = table.n_frames
        chunk = self._masker.add_mask(chunk, self._next_frame)
        self._next_frame += len(chunk)
        return chunk

    def _create(self, layout: Layout) -> ColourTable | AutoTable:
        chosen = self.parameters
        _refuse_too_large(layout, sum(chosen.slots_of(a) for a in chosen.accumulators))
        only, *further = chosen.accumulators
        if further:
            return AutoTable(
                layout, slots=chosen.slots, bits=chosen.bits, tolerance=chosen.tolerance
            )
        return TABLES[only](
            layout, slots=chosen.slots_of(only), bits=chosen.bits, tolerance=chosen.tolerance
        )

    def finalise(self, *, use_background: bool = True) -> Recovery:
        """Recover room and background from all frames so far; more frames may follow.

        Parameters
        ----------
        use_background
            Whether the given picture of the background is used.

        Raises
        ------
        BackgroundMismatch
            The given picture does not match the frames. The counts are kept.
        """
        self._flush()
        table = self._table or self._create(Layout(self.height, self.width, colour=RGB))
        picture = self._background if use_background else None
        return finalise(table, self.parameters, self._bands, picture, self._surveys, self.filtered)

    def merge(self, other: Engine) -> None:
        """Add the counts of another engine, whose frames follow those of this one.

        Raises
        ------
        IncompatibleTable
            The engines differ in the layout of their frames or in their parameters.
        """
        if (self.height, self.width) != (other.height, other.width):
            raise IncompatibleTable(
                f"engines of {self.width}x{self.height} and {other.width}x{other.height} pixels "
                "cannot be merged"
            )
        uninterrupted(partial(self._merge, other))

    def _merge(self, other: Engine) -> None:
        self._count_staged()
        other._count_staged()
        if other._table is None:
            return
        if self._table is None:
            self._table = self._create(other._table.layout)
        if isinstance(self._table, AutoTable) != isinstance(other._table, AutoTable):
            raise IncompatibleTable(
                f"states of the methods {self._table.method} and {other._table.method} cannot "
                "be merged"
            )
        merge: Callable[..., None] = self._table.merge
        merge(other._table, self._bands)
        self._next_frame = None
        if other._surveys is not None:
            if self._surveys is None:
                self._surveys = PersonSurveys(self._table.layout)
            self._surveys.merge(other._surveys)

    @property
    def state(self) -> EngineState:
        """What was counted: shared with the engine, not copied."""
        self._flush()
        table = self._table or self._create(Layout(self.height, self.width, colour=RGB))
        return EngineState(table, self._surveys)

    @classmethod
    def of_state(
        cls,
        state: EngineState,
        parameters: Parameters,
        *,
        chunk_frames: int = CHUNK_FRAMES,
        background: Background | None = None,
    ) -> Self:
        """Make an engine that goes on with a state, which belongs to it from then on."""
        layout = state.table.layout
        engine = cls(
            layout.height,
            layout.width,
            parameters=parameters,
            chunk_frames=chunk_frames,
            background=background,
        )
        if state.table.n_frames:
            engine._table, engine._surveys = state.table, state.surveys
        return engine

    def save(self, path: str | Path) -> None:
        """Save the state, from which `Engine.load` continues.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        state, parameters = self.state, self.parameters.as_dict()
        write_state(Path(path), state.header(parameters), state.stored)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        threads: int | None = None,
        background: Background | None = None,
    ) -> Self:
        """Load a state that `save` wrote, with its parameters but without the background picture.

        Counting continues exactly; the person's tracker starts again with a detection.

        Raises
        ------
        MissingInput
            The file does not exist.
        IncompatibleTable
            The file is not a state of this version.
        """
        state, parameters = read_state(Path(path), ENGINE_STATES)
        try:
            chosen = Parameters(**parameters, threads=threads)
        except (TypeError, InvalidParameter) as error:
            raise IncompatibleTable(f"{path}: not a state of this version ({error})") from error
        return cls.of_state(state, chosen, background=background)


def _refuse_too_large(layout: Layout, slots: int) -> None:
    """Raise `FrameTooLarge` if the state does not fit into the memory limit."""
    from unveil_kernels.counting.slots import RUN_SLOT

    needed = layout.height * layout.width * (slots * RUN_SLOT.itemsize + 64)
    needed += largest_bytes(layout, slots)
    limit = memory_limit()
    if limit is not None and needed > limit:
        raise FrameTooLarge(
            f"frames of {layout.width}x{layout.height} need {needed / 2**30:.1f} GiB of state, "
            f"more than the {limit / 2**30:.1f} GiB that this process may use; scale the video "
            "down or choose fewer slots"
        )
