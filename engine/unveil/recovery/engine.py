"""The engine: frames in, at any time a recovery out; `recover` drives it over a video."""

from __future__ import annotations

import itertools
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from unveil.counting.auto import STATES, AutoTable
from unveil.counting.state_file import read_state
from unveil.counting.table import TABLES, ColourTable, OutsideTable
from unveil.errors import FrameTooLarge, IncompatibleTable, InvalidParameter
from unveil.files import read_image
from unveil.parallel import Bands, deferred_interrupt, on_first_compile
from unveil.progress import Progress, ProgressCallback
from unveil.recovery.background.changes import Backgrounds, Stretch
from unveil.recovery.decide.finalise import finalise
from unveil.recovery.parameters import CHUNK_FRAMES, Method, Parameters, Person
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Colour, Layout
from unveil.video.metric import Metric
from unveil.video.reader import open_video
from unveil.video.source import Source, source_of

if TYPE_CHECKING:
    from unveil.person.blocks import BlockMasker
    from unveil.video.container import VideoProperties
    from unveil.video.pixel_format import PlaneReader

logger = logging.getLogger(__name__)

Background: TypeAlias = "str | os.PathLike[str] | npt.NDArray[np.uint8]"

PROGRESS_SECONDS: Final = 0.1

RGB: Final = Colour("rgb", full_range=True)


class Engine:
    """Counts frames and recovers room and background from the counts.

    Parameters
    ----------
    height, width
        Size of the frames in pixels.
    method, metric, threshold, noise_frames, slots, bits, tolerance, person, person_every, threads
        As in `Parameters`.
    chunk_frames
        Frames that `push` gathers before it counts them; changes no result.
    background
        What is known or guessed to be the virtual background's picture, for method "farend", or
        "auto" where it decides so: a file, or (m, n, 3) RGB uint8. It may have another size, be
        cut or mirrored.

    Raises
    ------
    InvalidParameter
        A value lies outside its range.
    FrameTooLarge
        The state would not fit into this machine's memory.

    Notes
    -----
    Not thread-safe: push from one thread at a time. Several engines may run at once.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        method: Method = "auto",
        metric: Metric = "ciede2000",
        threshold: float | None = None,
        noise_frames: int = 1,
        slots: int | None = None,
        bits: int = 8,
        tolerance: int = 6,
        person: Person = "lite",
        person_every: int = 4,
        threads: int | None = None,
        chunk_frames: int = CHUNK_FRAMES,
        background: Background | None = None,
    ) -> None:
        self.parameters = Parameters(
            method,
            metric,
            threshold,
            noise_frames,
            slots,
            bits,
            tolerance,
            person,
            person_every,
            threads,
        )
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
        self._backgrounds = Backgrounds()

    @property
    def n_frames(self) -> int:
        """Frames pushed so far."""
        return self._n_staged + (self._table.n_frames if self._table else 0)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Frames that show one background, as far as several can be told apart.

        Only method "farend" tells them, or "auto" where it decides so, and not of frames that
        were loaded or merged.
        """
        self._flush()
        if isinstance(self._table, AutoTable) and self._table.decided is not self._table.outside:
            return ()  # what seemed to be the person was none
        return self._backgrounds.stretches

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
            (n, h, w, 3). One engine takes frames of one kind.
        pts_seconds
            Time of the frame or of each frame of the batch; None takes a `VideoFrame`'s
            own and leaves an array's unknown.

        Raises
        ------
        ValueError
            The frames are of another size or kind than the engine's.
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
            # The stubs deny it, but a frame may come without pts or time base.
            known = frames.pts is not None and bool(frames.time_base)
            pts_seconds = frames.time if known else math.nan
        staged, index = self._stage(self._reader.layout_of(frames), float(pts_seconds))
        self._reader.copy_into(frames, staged.planes, index)
        self._staged_one()

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
            self._staged_one()

    def _stage(self, layout: Layout, pts_seconds: float) -> tuple[Chunk, int]:
        """Find a place for one more frame."""
        if self._staged is None:
            n_frames = self._chunk_frames
            self._staged = Chunk(layout.empty(n_frames), np.empty(n_frames), layout)
        elif self._staged.layout != layout:
            raise ValueError(f"a frame of {layout} for an engine of {self._staged.layout}")
        self._staged.pts_seconds[self._n_staged] = pts_seconds
        return self._staged, self._n_staged

    def _staged_one(self) -> None:
        self._n_staged += 1
        if self._n_staged == self._chunk_frames:
            self._flush()

    def _flush(self) -> None:
        """Count what was staged."""
        staged, n_frames = self._staged, self._n_staged
        if staged is None or n_frames == 0:
            return
        self._n_staged = 0
        luma, cb, cr = (plane[:n_frames] for plane in staged.planes)
        self.update(Chunk((luma, cb, cr), staged.pts_seconds[:n_frames], staged.layout))

    def update(self, chunk: Chunk) -> None:
        """Count a chunk of decoded planes, without a copy.

        Methods "auto" and "farend" search for the person where the chunk does not tell it.

        Raises
        ------
        IncompatibleTable
            The chunk is of another layout than those before.
        DamagedModel, MissingRuntime
            The network that finds the person cannot be loaded.

        Notes
        -----
        Ctrl-C during it is taken when the chunk is counted.
        """
        with deferred_interrupt():
            self._flush()
            if self._table is None:
                self._table = self._create(chunk.layout)
            if isinstance(self._table, AutoTable | OutsideTable) and chunk.person is None:
                chunk = self._find_person(chunk, self._table)
            if chunk.person is not None:
                self._backgrounds.add(chunk)
            self._table.update(chunk, self._bands)

    def _find_person(self, chunk: Chunk, table: AutoTable | OutsideTable) -> Chunk:
        """Mark the person in a chunk."""
        if chunk.layout != table.layout:
            raise IncompatibleTable(f"a chunk of {chunk.layout} does not fit {table.layout}")
        if self._masker is None:
            from unveil.person.blocks import BlockMasker

            chosen = self.parameters
            assert chosen.person != "none"  # it would count by another table
            self._masker = BlockMasker(
                chosen.person,
                every=chosen.person_every,
                threads=chosen.n_threads,
                searches=table.searches,
            )
        return self._masker.add_mask(chunk, table.n_frames)

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
        """Recover from all frames pushed so far; more may follow.

        Parameters
        ----------
        use_background
            False recovers as if no picture of the background had been given.

        Raises
        ------
        BackgroundMismatch
            The picture given is not what the frames show; nothing that was counted is lost.
        """
        self._flush()
        table = self._table or self._create(Layout(self.height, self.width, colour=RGB))
        picture = self._background if use_background else None
        return finalise(table, self.parameters, self._bands, picture)

    def merge(self, other: Engine) -> None:
        """Add what another engine counted of the frames that follow this one's.

        Raises
        ------
        IncompatibleTable
            The two count other frames or by other parameters.
        """
        if (self.height, self.width) != (other.height, other.width):
            raise IncompatibleTable(
                f"engines of {self.width}x{self.height} and {other.width}x{other.height} pixels "
                "cannot be merged"
            )
        with deferred_interrupt():
            self._flush()
            other._flush()
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

    def save(self, path: str | Path) -> None:
        """Save the state; `Engine.load` goes on from there.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        self._flush()
        table = self._table or self._create(Layout(self.height, self.width, colour=RGB))
        table.save(Path(path), self.parameters.as_dict())

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        threads: int | None = None,
        background: Background | None = None,
    ) -> Self:
        """Load a state that `save` wrote, with its parameters but the background's picture.

        What is counted goes on exactly; a network that follows the person begins anew.

        Raises
        ------
        MissingInput
            There is no such file.
        IncompatibleTable
            The file is not such a state.
        """
        table, parameters = read_state(Path(path), STATES)
        try:
            engine = cls(table.layout.height, table.layout.width, **parameters, threads=threads)
        except (TypeError, InvalidParameter) as error:
            raise IncompatibleTable(f"{path}: not a state of this version ({error})") from error
        engine._background = background_picture(background, engine.parameters)
        if table.n_frames:
            engine._table = table
        return engine


def background_picture(
    background: Background | None, parameters: Parameters
) -> npt.NDArray[np.uint8] | None:
    """Read the picture of a background, (m, n, 3) RGB; transparency is left out.

    Raises
    ------
    InvalidParameter
        The method takes none, or it is an array that is no picture.
    MissingInput, UnreadableImage
        There is no such image.
    """
    if background is None:
        return None
    if "farend" not in parameters.accumulators:
        raise InvalidParameter(
            "background: is for the method farend, which finds the person; leave it out with "
            f"{parameters.accumulators[0]}"
        )
    if isinstance(background, np.ndarray):
        if background.dtype != np.uint8 or background.ndim != 3 or background.shape[2] != 3:
            raise InvalidParameter(
                f"background: an array of shape {background.shape} and type {background.dtype} "
                "is not RGB uint8 of shape (height, width, 3)"
            )
        if not background.size:
            raise InvalidParameter("background: the array holds no pixel")
        return background
    return read_image(background)[..., :3]


def recover(
    path: str | os.PathLike[str] | Source,
    *,
    method: Method = "auto",
    metric: Metric = "ciede2000",
    threshold: float | None = None,
    noise_frames: int = 1,
    slots: int | None = None,
    bits: int = 8,
    tolerance: int = 6,
    person: Person = "lite",
    person_every: int = 4,
    threads: int | None = None,
    chunk_frames: int = CHUNK_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    stride: int = 1,
    background: Background | None = None,
    progress: ProgressCallback | None = None,
    preview: Callable[[Recovery], object] | None = None,
    preview_seconds: float = 10.0,
) -> Recovery:
    """Recover the room and the background from a call.

    Parameters
    ----------
    path
        A file, a capture device, a URL or "-", as `unveil.video.source` explains.
    method, metric, threshold, noise_frames, slots, bits, tolerance, person, person_every, threads
        As in `Parameters`.
    chunk_frames
        Frames decoded and counted at once; changes no result.
    start_seconds, end_seconds, stride
        Which frames, as in `unveil.video.reader.open_video`.
    background
        The virtual background's picture as displayed, as in `Engine`. What it was found to be
        stands in `report["background_match"]`.
    progress
        Called with a `Progress` a few times a second.
    preview, preview_seconds
        Called with what is recovered so far every so many seconds, without the given picture.

    Raises
    ------
    MissingInput, UnreadableVideo, UnreadableImage, NoFrames, FrameTooLarge, InvalidParameter,
    BackgroundMismatch, DamagedModel
        What their docstrings say.
    MissingRuntime
        The networks that find the person cannot run here; `person` "none" does without.

    Notes
    -----
    Ctrl-C (`KeyboardInterrupt`) ends a live source and recovers from what was read; for a
    file it is raised.
    """
    parameters = Parameters(
        method,
        metric,
        threshold,
        noise_frames,
        slots,
        bits,
        tolerance,
        person,
        person_every,
        threads,
    )
    options: dict[str, Any] = {
        **parameters.as_dict(),
        "threads": threads,
        "chunk_frames": chunk_frames,
    }
    picture = background_picture(background, parameters)
    started = time.perf_counter()
    report_progress = progress or _silent
    seconds = {"open": 0.0, "prepare": 0.0, "decode": 0.0, "count": 0.0, "finalise": 0.0}
    best: Engine | None = None
    current: Engine | None = None
    layout: Layout | None = None
    behind: npt.NDArray[np.uint8] | None = None
    n_sizes = 0
    interrupted = False
    last_progress = last_preview = time.perf_counter()

    opened = partial(
        open_video,
        path,
        threads=parameters.n_threads,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        stride=stride,
        chunk_frames=chunk_frames,
    )
    with opened() as video:
        seconds["open"] = time.perf_counter() - started
        report_progress(Progress("prepare", expected_frames=video.expected_frames))
        compiling = Progress("compile", expected_frames=video.expected_frames)
        seconds["prepare"] = prepare(
            method, person=person, on_compile=lambda: report_progress(compiling)
        )
        live = video.live
        try:
            for chunk in video.chunks():
                if current is None or chunk.layout != layout:
                    best = _longer(best, current)
                    layout = chunk.layout
                    behind = (
                        None if picture is None else video.properties.undo_display_matrix(picture)
                    )
                    current = Engine(layout.height, layout.width, background=behind, **options)
                    n_sizes += 1
                before = time.perf_counter()
                current.update(chunk)
                now = time.perf_counter()
                seconds["count"] += now - before
                if now - last_progress >= PROGRESS_SECONDS:
                    last_progress = now
                    report_progress(
                        Progress(
                            "count",
                            video.tally.frames_read,
                            video.expected_frames,
                            float(chunk.pts_seconds[-1]),
                            now - started,
                        )
                    )
                if preview is not None and now - last_preview >= preview_seconds:
                    early = current.finalise(use_background=False)
                    preview(_upright(early, video.properties))
                    last_preview = time.perf_counter()
        except KeyboardInterrupt:
            if not live or current is None:
                raise
            interrupted = True
    tally = video.tally
    seconds["decode"] = tally.decode_seconds
    engine = _longer(best, current)
    if engine is None:
        raise KeyboardInterrupt
    report_progress(
        Progress(
            "finalise",
            tally.frames_read,
            video.expected_frames,
            elapsed_seconds=time.perf_counter() - started,
        )
    )
    before = time.perf_counter()
    n_used, stretches = engine.n_frames, engine.stretches
    # A picture that fits one of several backgrounds would not fit their mixture.
    recovery = engine.finalise(use_background=len(stretches) < 2)
    moves = recovery.report["background"] == "moves"
    again = moves or len(stretches) > 1
    if again and n_sizes == 1 and _is_file(path):
        from unveil.recovery.passes.exchanged import recover_each
        from unveil.recovery.passes.moving import recover_moving
        from unveil.recovery.passes.recording import Recording

        del engine, best, current  # their state would lie beside that of the next passes
        assert layout is not None  # there was an engine
        recording = Recording(opened, layout, parameters)

        def report_frame(frame: int) -> None:
            elapsed = time.perf_counter() - started
            report_progress(
                Progress("count", frame, video.expected_frames, elapsed_seconds=elapsed)
            )

        each = None
        if len(stretches) > 1:
            each = recover_each(
                stretches,
                recording,
                partial(
                    Engine,
                    layout.height,
                    layout.width,
                    background=behind,
                    # What is decided is decided for the whole call.
                    **options | {"method": recovery.report["decided_by"]},
                ),
                report_frame,
            )
            each = _told_of_the_call(each, recovery)
        if each is not None and each.report["background"] != "moves":
            recovery, n_used = each, each.report["backgrounds"][0]["frames"]
        elif moves:
            recovery = recover_moving(recovery, recording, layout, parameters, report_frame)
    elif len(stretches) > 1:
        recovery = engine.finalise()
    recovery = _upright(recovery, video.properties)
    seconds["finalise"] = time.perf_counter() - before
    warnings = [*tally.warnings, *recovery.report["warnings"]]
    if n_sizes > 1:
        warnings.append(
            f"frames change {n_sizes - 1} times in size or colour; the longest run of one kind, "
            f"{n_used} of {tally.frames_read} frames, was used"
        )
    match = recovery.report.get("background_match")
    if match is not None:
        named = None if isinstance(background, np.ndarray) else str(background)
        match = {"picture": named, **match}
    source = {
        "input": video.properties.as_dict(),
        "selection": {
            "start_seconds": start_seconds,
            "end_seconds": end_seconds,
            "stride": stride,
        },
    }
    report = {
        **recovery.report,
        **source,
        "background_match": match,
        "frames_read": tally.frames_read,
        "frames_used": n_used,
        "frames_damaged": tally.frames_damaged,
        "frames_skipped": tally.frames_skipped,
        "truncated": tally.reason if tally.truncated else None,
        "interrupted": interrupted,
        "warnings": warnings,
        "threads": parameters.n_threads,
        "seconds": seconds,
    }
    others = tuple(replace(other, report={**other.report, **source}) for other in recovery.others)
    return replace(recovery, report=report, others=others)


def prepare(
    method: Method,
    *,
    person: Person = "lite",
    on_compile: Callable[[], object] | None = None,
) -> float:
    """Load a method's kernels, compiling those that are not in the cache; return the seconds.

    Compiling takes several seconds on the first run on a machine; this is where it happens.
    The network that finds the person is loaded, too: if it cannot be, that is told now.

    Parameters
    ----------
    method, person
        As in `Parameters`.
    on_compile
        Called once, before the first kernel is compiled; not if the cache held them all.
    """
    started = time.perf_counter()
    needed = Parameters(method, person=person).accumulators
    planar = ((Colour(), 1), (RGB, 0))
    with on_first_compile(on_compile or _nothing):
        for counting, (colour, shift) in itertools.product(needed, planar):
            engine = Engine(2, 2, method=counting, person=person, threads=1)
            layout = Layout(2, 2, shift, shift, colour)
            planes = layout.empty(4)
            for plane in planes:
                plane[...] = 128
            engine.update(Chunk(planes, np.zeros(4), layout))
            engine.finalise()
    seconds = time.perf_counter() - started
    logger.debug("kernels of %s ready after %.2f s", method, seconds)
    return seconds


def _nothing() -> None:
    """Tell nobody."""


def _silent(progress: Progress) -> None:
    """Ignore the progress."""


def _is_file(path: str | os.PathLike[str] | Source) -> bool:
    """Whether it can be read again from its beginning."""
    file = (path if isinstance(path, Source) else source_of(path)).path
    return file is not None and file.is_file()


def _told_of_the_call(behind: Recovery, whole: Recovery) -> Recovery:
    """Let what is recovered behind backgrounds tell how the whole call was counted."""
    told = {key: whole.report[key] for key in ("parameters", "person", "decided_by")}
    return replace(
        behind,
        report={**behind.report, **told},
        others=tuple(_told_of_the_call(other, whole) for other in behind.others),
    )


def _longer(one: Engine | None, other: Engine | None) -> Engine | None:
    """Return the engine that counted more frames, the first of equals."""
    if one is None or other is None:
        return one or other
    return other if other.n_frames > one.n_frames else one


def _upright(recovery: Recovery, properties: VideoProperties) -> Recovery:
    if not properties.mirrored and properties.rotation_degrees == 0:
        return recovery
    return recovery.mapped(properties.apply_display_matrix)


def _refuse_too_large(layout: Layout, slots: int) -> None:
    """Raise where the state would be larger than the machine's memory."""
    from unveil_kernels.count import RUN_SLOT

    needed = layout.height * layout.width * (slots * RUN_SLOT.itemsize + 64)
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not every system tells
        return
    if needed > physical:
        raise FrameTooLarge(
            f"frames of {layout.width}x{layout.height} need {needed / 2**30:.1f} GiB of state, "
            f"more than this machine's {physical / 2**30:.1f} GiB; scale the video down "
            "or choose fewer slots"
        )


__all__ = ["Engine", "prepare", "recover"]
