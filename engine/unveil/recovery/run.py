"""`Run`: the first pass and further ones, with progress, previews, interruption and times."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from unveil.errors import Interrupted
from unveil.interruption import StopRequested, stoppable
from unveil.progress import PROGRESS_SECONDS, Progress, ProgressCallback, Stage
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.passes.ahead import CountingAhead
from unveil.recovery.passes.counting import Counting
from unveil.recovery.passes.plan import Pass, Plan, run_pass
from unveil.recovery.passes.recording import Recording
from unveil.recovery.result import Recovery
from unveil.recovery.segments.run import SegmentedCount
from unveil.recovery.segments.state import SegmentState
from unveil.recovery.warmup import prepare
from unveil.video.reader import Video

if TYPE_CHECKING:
    from unveil.counting.times import TimeIndex
    from unveil.video.chunk import Chunk
    from unveil.video.container import VideoProperties

logger = logging.getLogger(__name__)


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
        stages = ("open", "prepare", "decode", "person", "count", "checkpoint", "finalise")
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
        self, count: SegmentedCount, video: Video, n_segments: int, workers: int
    ) -> SegmentState:
        """Run the first pass in segments; previews are of those that are merged."""
        self.workers = workers
        before = time.perf_counter()
        self._last_progress = self._last_preview = before

        def on_merged() -> None:
            if self._preview_is_due and (merged := count.so_far()) is not None:
                self._show_preview(merged, video.properties)

        state = count.run(self.workers, self._counted, on_merged)
        self.take(state, video, n_segments)
        self.seconds["count"] = time.perf_counter() - before
        if count.checkpoint is not None:
            self.seconds["checkpoint"] = count.checkpoint.seconds
        return state

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
                # The search ahead must end before the next pass, or an error, goes on.
                with closing(recording.chunks()) as chunks:
                    run_pass(current, chunks, lambda n_frames, _: self._counted(n_frames))
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


def displayed(recovery: Recovery, properties: VideoProperties) -> Recovery:
    """Turn a recovery the way the recording is displayed."""
    if not properties.mirrored and properties.rotation_degrees == 0:
        return recovery
    return recovery.mapped(properties.apply_display_matrix)
