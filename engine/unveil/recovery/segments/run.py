"""`SegmentedCount` counts all segments of a recording and merges them in their order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from unveil.arrays import U8
from unveil.errors import Interrupted
from unveil.interruption import StopRequested
from unveil.memory import memory_limit
from unveil.parallel import uninterrupted
from unveil.recovery.passes.counting import Counting
from unveil.recovery.segments.checkpoint import Checkpoint
from unveil.recovery.segments.count import SegmentTask, count_segment, read_segment_state
from unveil.recovery.segments.fold import Fold
from unveil.recovery.segments.pool import WorkerPool
from unveil.recovery.segments.state import SavedState, SegmentState
from unveil.video.reader import Video
from unveil.video.selection import Segment

PROCESS_BYTES: Final = 300 * 2**20
"""Memory of a process that counts segments, but for what grows with the frame."""

BYTES_PER_PIXEL: Final = 450
"""Memory for each pixel of a frame: the counts, and the frames that wait to be counted."""


def worker_count(chosen: int | None, n_segments: int, n_threads: int, frame_pixels: int) -> int:
    """Return how many processes count the segments of a recording.

    Where none is chosen, one for each thread, because processes wait for each other less than
    threads do, and two segments for each, which pay for its start. In any case no more than there
    are segments, and than there is memory for beside this process.

    Parameters
    ----------
    chosen
        The number that was chosen, None: none.
    n_segments, n_threads
        Segments of the recording, and threads of all processes together.
    frame_pixels
        Pixels of a frame.
    """
    wanted = min(n_threads, n_segments // 2) if chosen is None else min(chosen, n_segments)
    limit = memory_limit()
    if limit is not None:
        each = PROCESS_BYTES + BYTES_PER_PIXEL * frame_pixels
        wanted = min(wanted, limit // each - 1)
    return max(1, wanted)


class SegmentedCount:
    """Counts the segments of a recording, with any number of workers to the same bytes.

    Parameters
    ----------
    task
        What is counted, with all threads.
    segments
        All segments.
    video
        The recording, opened: its properties.
    picture
        (m, n, 3) RGB uint8 picture of the background; None: none.
    stop
        Returns whether to stop.

    Attributes
    ----------
    checkpoint
        Where what is merged is written now and then; None: nowhere.
    """

    def __init__(
        self,
        task: SegmentTask,
        segments: Sequence[Segment],
        video: Video,
        picture: U8 | None,
        stop: StopRequested,
    ) -> None:
        self._task = task
        self._segments = segments
        self._video = video
        self._picture = picture
        self._stop = stop
        self.checkpoint: Checkpoint | None = None
        self._fold = Fold()

    def new_countings(self) -> tuple[Counting, ...]:
        """Make what counts, or takes over what was counted."""
        return self._task.countings(self._video, self._picture)

    def resume(self) -> int:
        """Go on with the checkpoint, if there is one; return the number of segments it has."""
        if self.checkpoint is not None:
            self._fold = self.checkpoint.load(self.new_countings)
        return self._fold.n_segments

    def run(
        self,
        n_workers: int,
        on_frames: Callable[[int, float], object],
        on_merged: Callable[[], object],
    ) -> SegmentState:
        """Count all segments that are not counted yet.

        Parameters
        ----------
        n_workers
            Number of processes; 1 counts in this one.
        on_frames
            Called a few times a second with the number of frames counted and the time of the last.
        on_merged
            Called after each segment.

        Raises
        ------
        Interrupted, KeyboardInterrupt
            It was asked to stop; a checkpoint has been written.
        WorkerFailed
            A worker died again and again.

        Otherwise as for `count_segment`.
        """
        left = self._segments[self._fold.n_segments :]
        try:
            if n_workers == 1 or len(left) < 2:
                self._count_here(left, on_frames, on_merged)
            else:
                self._count_in_workers(left, n_workers, on_frames, on_merged)
        except (Interrupted, KeyboardInterrupt):
            if self.checkpoint is not None:
                self.checkpoint.write(self._fold)
            raise
        return self._fold.result()

    def so_far(self) -> Counting | None:
        """Return what is merged so far of the first counting, for a preview; None: nothing yet."""
        total, group = self._fold.total, self._fold.group
        if total is None or group is None:
            whole = total or group
            return None if whole is None else whole.countings[0]
        copied, *_ = deepcopy(SavedState.of(total)).resumed(self.new_countings()).countings
        copied.merge(group.countings[0])
        return copied

    @property
    def _n_merged(self) -> int:
        parts = (self._fold.total, self._fold.group)
        return sum(part.tally.frames_read for part in parts if part is not None)

    def _count_here(
        self,
        segments: Sequence[Segment],
        on_frames: Callable[[int, float], object],
        on_merged: Callable[[], object],
    ) -> None:
        for segment in segments:
            before = self._n_merged

            def report(n_frames: int, seconds: float, before: int = before) -> None:
                on_frames(before + n_frames, seconds)

            state = count_segment(
                self._task, segment, stop=self._stop, on_frames=report, picture=self._picture
            )
            self._add(state, on_merged)

    def _count_in_workers(
        self,
        segments: Sequence[Segment],
        n_workers: int,
        on_frames: Callable[[int, float], object],
        on_merged: Callable[[], object],
    ) -> None:
        options = self._task.options
        threads = max(1, options.n_threads // n_workers)
        task = replace(self._task, options=replace(options, threads=threads))
        with (
            tempfile.TemporaryDirectory(prefix="unveil-", ignore_cleanup_errors=True) as folder,
            WorkerPool(task, n_workers, Path(folder), self._stop) as pool,
        ):
            for path in pool.states(segments):
                if path is not None:
                    state = read_segment_state(path, self.new_countings())
                    path.unlink()
                    self._add(state, on_merged)
                running = list(pool.running.values())
                n_frames = self._n_merged + sum(n for n, _ in running)
                on_frames(n_frames, max((seconds for _, seconds in running), default=0.0))

    def _add(self, state: SegmentState, on_merged: Callable[[], object]) -> None:
        uninterrupted(partial(self._fold.add, state))
        if self.checkpoint is not None:
            self.checkpoint.write_if_due(self._fold)
        on_merged()
