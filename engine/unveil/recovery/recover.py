"""`recover`: open a recording, run the passes that it needs, and report on them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from unveil.arrays import U8
from unveil.errors import check_positive
from unveil.interruption import StopRequested, never
from unveil.progress import ProgressCallback, silent
from unveil.recovery.background.changes import NONE, Stretch
from unveil.recovery.background.noise import PixelNoise
from unveil.recovery.background.picture import Background, background_picture
from unveil.recovery.decide.finalise import BACKGROUND_UNUSED
from unveil.recovery.engine import Engine
from unveil.recovery.parameters import Parameters, RecoverKeywords, RecoverOptions
from unveil.recovery.passes.ahead import CHUNKS_HELD
from unveil.recovery.passes.counting import Counting
from unveil.recovery.passes.exchanged import ExchangedBackgrounds
from unveil.recovery.passes.filtered import FilteredFrames
from unveil.recovery.passes.moving import MovingBackground
from unveil.recovery.passes.plan import Plan
from unveil.recovery.passes.recording import Recording
from unveil.recovery.passes.section import CroppedFrames, TileFrames, section_of
from unveil.recovery.result import Recovery
from unveil.recovery.run import Run, displayed
from unveil.recovery.segments.checkpoint import Checkpoint, identity_of
from unveil.recovery.segments.count import SegmentTask, read_segment_state
from unveil.recovery.segments.run import SegmentedCount, worker_count
from unveil.recovery.segments.state import SegmentState
from unveil.redaction import file_name
from unveil.video.reader import Video, open_video
from unveil.video.segments import plan_segments
from unveil.video.selection import Segment
from unveil.video.source import Source, source_of

logger = logging.getLogger(__name__)


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
        Processes that count the segments of a long recording, if there is memory for so many;
        they change no result. None: one for each thread, and for two segments.
    checkpoint
        Folder in which a long recording keeps what is counted so far; a later call with the same
        options goes on from there. The caller removes it when the recovery is saved. None: none.
    resume
        Whether to go on from a checkpoint that is there; otherwise it is replaced.
    note
        Called with a line about the checkpoint, such as that counting goes on from it, or about
        the workers.
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
    segmenting = Segmenting(workers, checkpoint, resume, note)
    picture = background_picture(chosen.background, chosen)
    run = Run(progress or silent, preview, preview_seconds, stop)
    source = path if isinstance(path, Source) else source_of(path)
    opened = partial(open_video, source, **chosen.reading, chunks_held=CHUNKS_HELD, stop=stop)
    with opened() as video:
        run.open(video)
        run.warm_up(chosen)
        new_task = partial(segment_task, source, chosen, opened)
        state = segmenting.count(source, chosen, new_task, video, picture, run, stop)
        if state is not None:
            (counting,) = state.countings
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
    return finished(counting, opened, source, chosen, video, run)


@dataclass(frozen=True, slots=True)
class Segmenting:
    """How a long recording is counted: arguments of `recover`.

    Raises
    ------
    InvalidParameter
        `workers` is not positive.
    """

    workers: int | None
    checkpoint: str | os.PathLike[str] | None
    resume: bool
    note: Callable[[str], object]

    def __post_init__(self) -> None:
        """Check the number of workers."""
        if self.workers is not None:
            check_positive("workers", self.workers)

    def count(
        self,
        source: Source,
        options: RecoverOptions,
        new_task: Callable[[], SegmentTask],
        video: Video,
        picture: U8 | None,
        run: Run,
        stop: StopRequested,
    ) -> SegmentState | None:
        """Count a recording in segments, from its checkpoint on; None if it is not cut.

        Parameters
        ----------
        source, options, picture, run, stop
            As in `recover`.
        new_task
            Makes how the segments are counted.
        video
            The recording, opened.
        """
        segments, digest = planned(source, options, video, stop)
        if not segments:
            return None
        task = new_task()
        count = SegmentedCount(task, segments, video, picture, stop)
        if self.checkpoint is not None:
            identity = identity_of(task, digest, len(segments))
            count.checkpoint = Checkpoint(Path(self.checkpoint), identity, self.note)
            n_done = count.resume() if self.resume else 0
            if n_done:
                self.note(f"goes on from a checkpoint: {n_done} of {len(segments)} segments")
        n_pixels = task.counted_pixels(video)
        n_workers = worker_count(self.workers, len(segments), options.n_threads, n_pixels)
        if n_workers < min(self.workers or 1, len(segments)):
            self.note(f"{n_workers} of {self.workers} workers count: there is no memory for more")
        return run.count_segments(count, video, len(segments), n_workers)


def planned(
    source: Source, options: RecoverOptions, video: Video, stop: StopRequested
) -> tuple[tuple[Segment, ...], str]:
    """Return the segments of a recording and the digest of its packets, as `plan_segments`."""
    return plan_segments(
        source,
        options.selection,
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
    merged, opened, source, options, video, run = taken_over(task, n_segments, state, options)
    (counting,) = merged.countings
    return finished(counting, opened, source, options, video, run)


def taken_over(
    task: SegmentTask, n_segments: int, state: Path, options: RecoverOptions
) -> tuple[SegmentState, Callable[[], Video], Source, RecoverOptions, Video, Run]:
    """Return the merged state of all segments, and what `finished` takes besides its countings.

    Parameters and errors are those of `recover_counted`.
    """
    picture = background_picture(options.background, options)
    run = Run(silent, None, 0.0, never)
    opened = partial(open_video, task.source, **options.reading, chunks_held=CHUNKS_HELD)
    with opened() as video:
        run.open(video)
        merged = read_segment_state(state, task.countings(video, picture))
        run.take(merged, video, n_segments)
    return merged, opened, task.source, options, video, run


def finished(
    counting: Counting,
    opened: Callable[[], Video],
    source: Source,
    chosen: RecoverOptions,
    video: Video,
    run: Run,
) -> Recovery:
    """Recover from what the first pass counted, with the further passes that this needs."""
    engine = counting.best
    assert engine is not None  # no frame is an error
    before = time.perf_counter()
    stretches = engine.stretches
    surveys = engine.state.surveys
    noise = surveys.pixel_noise if surveys is not None and source.can_rewind else None
    # A picture that fits one of several backgrounds would not fit their mixture, nor noise.
    recovery = engine.finalise(use_background=len(stretches) < 2 and noise is None)
    found = recovery.report["noise"]
    if noise is not None and (found is None or found["harmless"]):
        noise = None
        if len(stretches) < 2 and chosen.background is not None:
            recovery = engine.finalise()
    plans = (
        _plans(recovery, counting, chosen.parameters, stretches, noise) if source.can_rewind else []
    )
    if plans:
        layout, n_skipped = counting.layout, counting.n_skipped
        # The state of the first pass would lie in memory beside that of the next ones.
        counting.forget()
        del engine, surveys
        with Recording(
            opened, layout, chosen, n_skipped, counting.section, median=noise is not None
        ) as recording:
            recovery = run.further(plans, recording) or recovery
    elif len(stretches) > 1:
        recovery = engine.finalise()
    recovery = displayed(recovery, video.properties)
    run.seconds["finalise"] += time.perf_counter() - before
    return _reported(recovery, chosen, counting, video, run)


def _plans(
    recovery: Recovery,
    counting: Counting,
    parameters: Parameters,
    stretches: Sequence[Stretch],
    noise: PixelNoise | None,
) -> list[Plan]:
    """Return the further passes that a file needs after the first one, in the order of trial.

    Parameters
    ----------
    recovery
        From the first pass.
    counting, parameters
        That pass.
    stretches
        Of the backgrounds.
    noise
        In the pixels of the background, if it is harmful.
    """
    layout = counting.layout

    def new_engine() -> Engine:
        # What is decided is decided for the whole call.
        engine = counting.new_engine(layout, recovery.report["decided_by"])
        engine.filtered = noise
        return engine

    plans: list[Plan] = []
    n_backgrounds = len({stretch.background for stretch in stretches} - {NONE})
    if noise is not None and n_backgrounds < 2:
        # All frames have noise, so those with most of it are no frames of noise.
        plans.append(FilteredFrames(recovery, new_engine()))
    elif len(stretches) > 1:
        engine = counting.best
        surveys = None if engine is None else engine.state.surveys
        n_noise = 0 if surveys is None else surveys.backgrounds.n_noise
        plans.append(ExchangedBackgrounds(recovery, stretches, new_engine, n_noise))
    if recovery.report["background"] == "moves":
        plans.append(MovingBackground(recovery, layout, parameters))
    return plans


def _reported(
    recovery: Recovery,
    options: RecoverOptions,
    counting: Counting,
    video: Video,
    run: Run,
) -> Recovery:
    """Add to the report what concerns the recording as a whole."""
    tally, section, n_changes = video.tally, counting.section, counting.n_changes
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
