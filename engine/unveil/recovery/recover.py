"""`recover`: open a recording, run the passes that it needs, and report on them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np

from unveil.errors import Interrupted, check_positive
from unveil.interruption import StopRequested, never, stoppable
from unveil.progress import PROGRESS_SECONDS, Progress, ProgressCallback, Stage, silent
from unveil.recovery.background.picture import Background, background_picture
from unveil.recovery.decide.finalise import BACKGROUND_UNUSED
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions
from unveil.recovery.passes.ahead import CHUNKS_HELD, CountingAhead
from unveil.recovery.passes.counting import Counting
from unveil.recovery.passes.exchanged import ExchangedBackgrounds
from unveil.recovery.passes.moving import MovingBackground
from unveil.recovery.passes.plan import Pass, Plan, run_pass
from unveil.recovery.passes.recording import Recording
from unveil.recovery.passes.section import CroppedFrames, Section, TileFrames, section_of
from unveil.recovery.result import Recovery
from unveil.recovery.segments.checkpoint import Checkpoint, identity_of
from unveil.recovery.segments.count import SegmentTask, read_segment_state
from unveil.recovery.segments.run import SegmentedCount
from unveil.recovery.segments.state import SegmentState
from unveil.recovery.warmup import prepare
from unveil.redaction import file_name
from unveil.video.reader import Video, open_video
from unveil.video.segments import plan_segments
from unveil.video.selection import Segment, Selection
from unveil.video.source import Source, source_of

if TYPE_CHECKING:
    from unveil.counting.times import TimeIndex
    from unveil.video.chunk import Chunk
    from unveil.video.container import VideoProperties

logger = logging.getLogger(__name__)

DEFAULT_WORKERS: Final = 1
"""Processes that count segments where none is chosen."""


def recover(
    path: str | os.PathLike[str] | Source,
    *,
    progress: ProgressCallback | None = None,
    preview: Callable[[Recovery], object] | None = None,
    preview_seconds: float = 10.0,
    stop: StopRequested = never,
    workers: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    note: Callable[[str], object] = logger.warning,
    **options: Unpack[RecoverKeywords],
) -> Recovery:
    """Recover the room and the background from a call.

    Parameters
    ----------
    path
        A file, a capture device, a URL or "-", as `unveil.video.source` explains.
    progress
        Called with a `Progress` a few times a second.
    preview, preview_seconds
        Called with what is recovered so far every so many seconds, without the given picture.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.
    workers
        Processes that count the segments of a long recording; they change no result. None: as
        `default_workers` says.
    checkpoint
        Folder in which a long recording keeps what is counted so far; a later call with the same
        options goes on from there. The caller removes it when the recovery is saved. None: none.
    resume
        Whether to go on from a checkpoint that is there; otherwise it is replaced.
    note
        Called with a line about the checkpoint, such as that counting goes on from it.
    options
        As in `RecoverOptions`: how frames are counted, which frames, and what is known of the
        background.

    Raises
    ------
    MissingInput, UnreadableVideo, UnreadableImage, NoFrames, FrameTooLarge, InvalidParameter,
    BackgroundMismatch, DamagedModel
        What their docstrings say.
    MissingRuntime
        The networks that find the person cannot run here; `person` "none" does without.
    WorkerFailed
        A process that counts a segment died again and again.
    Interrupted
        `stop` asked for it.

    Notes
    -----
    `stop` and Ctrl-C (`KeyboardInterrupt`) end a live source and a pipe, and what was read is
    recovered. For anything else, and before the first frame, `Interrupted` or
    `KeyboardInterrupt` is raised.
    """
    chosen = RecoverOptions(**options)
    if workers is not None:
        check_positive("workers", workers)
    picture = background_picture(chosen.background, chosen)
    run = Run(progress or silent, preview, preview_seconds, stop)
    source = path if isinstance(path, Source) else source_of(path)
    opened = partial(open_video, source, **chosen.reading, chunks_held=CHUNKS_HELD, stop=stop)
    with opened() as video:
        run.open(video)
        run.warm_up(chosen)
        segments, digest = planned(source, chosen, video, stop)
        if segments:
            task = segment_task(source, chosen, opened)
            count = SegmentedCount(task, segments, video, picture, stop)
            if checkpoint is not None:
                identity = identity_of(source, chosen, digest, len(segments))
                count.checkpoint = Checkpoint(Path(checkpoint), identity, note)
                n_done = count.resume() if resume else 0
                if n_done:
                    note(f"goes on from a checkpoint: {n_done} of {len(segments)} segments")
            counting = run.count_segments(count, video, len(segments), workers)
            section = counting.section
        else:
            section = section_of(chosen.crop, video.properties)
            counting = Counting(chosen, picture, video.properties, video.pixel_aspect, section)
            run.count(
                [counting],
                video,
                may_be_endless=source.may_be_endless,
                n_threads=chosen.n_threads,
            )
    run.report("finalise", video.tally.frames_read)
    return finished(Counted(counting, section), opened, source, chosen, video, run)


def planned(
    source: Source, options: RecoverOptions, video: Video, stop: StopRequested
) -> tuple[tuple[Segment, ...], str]:
    """Return the segments of a recording and the digest of its packets, as `plan_segments`."""
    return plan_segments(
        source,
        Selection.between(options.start_seconds, options.end_seconds, options.stride),
        options.stream,
        video.properties.container,
        video.properties.duration_seconds,
        video.origin_seconds,
        stop,
    )


def segment_task(
    source: Source, options: RecoverOptions, opened: Callable[[], Video]
) -> SegmentTask:
    """Return how the segments of a recording are counted."""
    first = None
    if options.crop is not None:
        # A crop is meant for the first frame that is selected.
        with opened() as another:
            first = next(another.chunks()).layout
    return SegmentTask(source, replace(options, background=None), first)


def recover_counted(
    task: SegmentTask, n_segments: int, state: Path, options: RecoverOptions
) -> Recovery:
    """Recover from the merged state of all segments, with the further passes that this needs.

    Parameters
    ----------
    task, n_segments
        How the segments were counted, and how many.
    state
        File of `write_segment_state`.
    options
        As for `recover`: those of `task`, with the picture of the background.

    Raises
    ------
    MissingInput, UnreadableVideo, NoFrames, IncompatibleTable, BackgroundMismatch
        As for `recover` and `read_segment_state`.
    """
    picture = background_picture(options.background, options)
    run = Run(silent, None, 0.0, never)
    source = task.source
    opened = partial(open_video, source, **options.reading, chunks_held=CHUNKS_HELD)
    with opened() as video:
        run.open(video)
        merged = read_segment_state(state, task.counting(video, picture))
        run.take(merged, video, n_segments)
    counting = merged.counting
    return finished(Counted(counting, counting.section), opened, source, options, video, run)


def default_workers() -> int:
    """Return the number of processes that count segments where none is chosen."""
    return DEFAULT_WORKERS


@dataclass(frozen=True, slots=True)
class Counted:
    """A section of a recording after the first pass."""

    counting: Counting
    section: Section


def finished(
    counted: Counted,
    opened: Callable[[], Video],
    source: Source,
    chosen: RecoverOptions,
    video: Video,
    run: Run,
) -> Recovery:
    """Recover from what the first pass counted, with the further passes that this needs."""
    counting, section = counted.counting, counted.section
    engine = counting.best
    assert engine is not None  # no frame is an error
    before = time.perf_counter()
    stretches = engine.stretches
    # A picture that fits one of several backgrounds would not fit their mixture.
    recovery = engine.finalise(use_background=len(stretches) < 2)
    moves = recovery.report["background"] == "moves"
    if (moves or len(stretches) > 1) and source.can_rewind:
        layout, n_skipped = counting.layout, counting.n_skipped
        plans: list[Plan] = []
        if len(stretches) > 1:
            # What is decided is decided for the whole call.
            new_engine = partial(counting.new_engine, layout, recovery.report["decided_by"])
            plans.append(ExchangedBackgrounds(recovery, stretches, new_engine))
        if moves:
            plans.append(MovingBackground(recovery, layout, chosen.parameters))
        # The state of the first pass would lie in memory beside that of the next ones.
        counting.forget()
        del engine
        recording = Recording(opened, layout, chosen, n_skipped, section)
        recovery = run.further(plans, recording) or recovery
    elif len(stretches) > 1:
        recovery = engine.finalise()
    recovery = displayed(recovery, video.properties)
    run.seconds["finalise"] += time.perf_counter() - before
    return _reported(recovery, chosen, counting, section, video, run)


class Run:
    """One recovery of a recording: the one place for progress, previews, interruption and times.

    Attributes
    ----------
    seconds
        Wall time by stage.
    interrupted
        Whether Ctrl-C or a request to stop ended the counting.
    n_segments, workers
        Segments into which the recording is cut, and processes that count them.
    n_further_passes
        Passes over the whole recording after the first one.
    """

    def __init__(
        self,
        progress: ProgressCallback,
        preview: Callable[[Recovery], object] | None,
        preview_seconds: float,
        stop: StopRequested,
    ) -> None:
        self._stop = stop
        self._progress = progress
        self._preview = preview
        self._preview_seconds = preview_seconds
        self._expected_frames: int | None = None
        self._started = self._last_progress = self._last_preview = time.perf_counter()
        stages = ("open", "prepare", "decode", "person", "count", "finalise")
        self.seconds = dict.fromkeys(stages, 0.0)
        self.interrupted = False
        self.n_segments = 1
        self.workers = 1
        self.n_further_passes = 0

    def report(self, stage: Stage, n_frames: int = 0, video_seconds: float = 0.0) -> None:
        """Report progress."""
        elapsed = time.perf_counter() - self._started
        self._progress(Progress(stage, n_frames, self._expected_frames, video_seconds, elapsed))

    def open(self, video: Video) -> None:
        """Note that the video is open."""
        self._expected_frames = video.expected_frames
        self.seconds["open"] = time.perf_counter() - self._started

    def warm_up(self, options: RecoverOptions) -> None:
        """Load the kernels and the network before frames are read."""
        self._progress(Progress("prepare", expected_frames=self._expected_frames))
        compiling = Progress("compile", expected_frames=self._expected_frames)
        with stoppable(self._stop):
            self.seconds["prepare"] = prepare(
                options.method, person=options.person, on_compile=lambda: self._progress(compiling)
            )

    def count(
        self,
        countings: Sequence[Counting],
        video: Video,
        *,
        may_be_endless: bool,
        n_threads: int,
        times: TimeIndex | None = None,
    ) -> None:
        """Run the first pass, one for all; Ctrl-C and a request to stop end a live source.

        Previews are of the first counting. `times` gets the time of each frame. The person is
        searched ahead of the counting, but not in a source that may be endless: what it has
        delivered is counted at once.
        """
        counting = CountingAhead(countings, n_threads, ahead=not may_be_endless)

        def step(first_frame: int, chunk: Chunk) -> None:
            if times is not None:
                times.append(chunk.pts_seconds)
            counting.step(first_frame, chunk)

        def after_chunk(n_frames: int, chunk: Chunk) -> None:
            self._counted(n_frames, float(chunk.pts_seconds[-1]))
            self._show_preview(countings[0], video.properties)

        self._last_progress = self._last_preview = time.perf_counter()
        try:
            with closing(counting.searched(video.chunks())) as read:
                run_pass(Pass("count", step), read, after_chunk)
        except (KeyboardInterrupt, Interrupted):
            if not may_be_endless or countings[0].best is None:
                raise
            self.interrupted = True
        self.seconds["person"] = counting.person_seconds
        self.seconds["count"] = counting.count_seconds
        self.seconds["decode"] = video.tally.decode_seconds

    def count_segments(
        self, count: SegmentedCount, video: Video, n_segments: int, workers: int | None
    ) -> Counting:
        """Run the first pass in segments; previews are of those that are merged."""
        self.workers = min(workers or default_workers(), n_segments)
        before = time.perf_counter()
        self._last_progress = self._last_preview = before

        def on_merged() -> None:
            if self._preview_is_due and (merged := count.so_far()) is not None:
                self._show_preview(merged, video.properties)

        state = count.run(self.workers, self._counted, on_merged)
        self.take(state, video, n_segments)
        self.seconds["count"] = time.perf_counter() - before
        return state.counting

    def take(self, state: SegmentState, video: Video, n_segments: int) -> None:
        """Take over how all segments were read.

        Raises
        ------
        NoFrames, UnreadableVideo
            They have no frame.
        """
        self.n_segments = n_segments
        video.tally = state.tally
        if state.tally.frames_read == 0:
            raise video.nothing_read()
        self.seconds["decode"] = state.tally.decode_seconds

    def further(self, plans: list[Plan], recording: Recording) -> Recovery | None:
        """Run the passes of the plans until one of them recovers."""
        for plan in plans:
            for current in plan.passes():
                logger.debug("pass: %s", current.name)
                self.n_further_passes += 1
                run_pass(current, recording.chunks(), lambda n_frames, _: self._counted(n_frames))
            if (recovery := plan.recovery()) is not None:
                return recovery
        return None

    def _counted(self, n_frames: int, video_seconds: float = 0.0) -> None:
        now = time.perf_counter()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = now
            self.report("count", n_frames, video_seconds)

    @property
    def _preview_is_due(self) -> bool:
        due = time.perf_counter() - self._last_preview >= self._preview_seconds
        return self._preview is not None and due

    def _show_preview(self, counting: Counting, properties: VideoProperties) -> None:
        if self._preview is None or not self._preview_is_due:
            return
        if (engine := counting.best) is not None:
            early = engine.finalise(use_background=False)
            self._preview(displayed(early, properties))
            self._last_preview = time.perf_counter()


def _reported(
    recovery: Recovery,
    options: RecoverOptions,
    counting: Counting,
    section: Section,
    video: Video,
    run: Run,
) -> Recovery:
    """Add to the report what concerns the recording as a whole."""
    tally, n_changes = video.tally, counting.n_changes
    n_used = recovery.report["frames_read"]
    warnings = [*tally.warnings, *recovery.report["warnings"]]
    if n_changes:
        height, width = recovery.room.shape[:2]
        times = "once" if n_changes == 1 else f"{n_changes} times"
        warnings.append(
            f"frames change {times} in size or colour; those of the most frequent kind, "
            f"{n_used} of {tally.frames_read} frames of {width}x{height}, were used"
        )
    if isinstance(section, CroppedFrames) and counting.n_left_out:
        warnings.append(
            f"{counting.n_left_out} of {tally.frames_read} frames have another size than the first "
            "one, for which the crop is meant, and were left out"
        )
    given, match = options.background, recovery.report.get("background_match")
    if match is not None:
        match = {"picture": _named(given), **match}
    elif given is not None and BACKGROUND_UNUSED not in warnings:
        warnings.append(BACKGROUND_UNUSED)
    source: dict[str, Any] = {
        "input": video.properties.as_dict(),
        "selection": {
            "start_seconds": options.start_seconds,
            "end_seconds": options.end_seconds,
            "stride": options.stride,
        },
    }
    if isinstance(section, CroppedFrames) and section.displayed is not None:
        source["selection"]["crop"] = section.displayed.as_list()
    if isinstance(section, TileFrames):
        source["tile"] = section.as_dict()
    report = {
        **recovery.report,
        **source,
        "background_match": match,
        "frames_read": tally.frames_read,
        "frames_used": n_used,
        "frames_damaged": tally.frames_damaged,
        "frames_skipped": tally.frames_skipped,
        "truncated": tally.reason if tally.truncated else None,
        "interrupted": run.interrupted,
        "warnings": warnings,
        "segments": run.n_segments,
        "further_passes": run.n_further_passes,
        "threads": options.n_threads,
        "workers": run.workers,
        "seconds": run.seconds,
    }
    others = tuple(replace(other, report={**other.report, **source}) for other in recovery.others)
    return replace(recovery, report=report, others=others)


def _named(background: Background | None) -> str | None:
    """Name the file of a given background, None for an array."""
    if background is None or isinstance(background, np.ndarray):
        return None
    return file_name(background)


def displayed(recovery: Recovery, properties: VideoProperties) -> Recovery:
    """Turn a recovery the way the recording is displayed."""
    if not properties.mirrored and properties.rotation_degrees == 0:
        return recovery
    return recovery.mapped(properties.apply_display_matrix)
