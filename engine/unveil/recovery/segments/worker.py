"""A process that counts segments, one after the other, for `pool.WorkerPool`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from unveil.child_process import (
    messages_to_parent,
    portable_error,
    take_from_parent,
    write_message,
)
from unveil.progress import PROGRESS_SECONDS
from unveil.recovery.segments.count import SegmentTask, count_segment, write_segment_state
from unveil.video.selection import Segment

Job = tuple[SegmentTask, Segment, Path]
"""What to count, and the file for its state."""


def main() -> None:
    """Count what the parent sends, until it ends."""
    answers = messages_to_parent(ignored_signals=("SIGINT", "SIGHUP"))
    jobs: SimpleQueue[Job] = SimpleQueue()
    take_from_parent(lambda *job: jobs.put(job))
    while True:
        _count(*jobs.get(), answers)


def _count(task: SegmentTask, segment: Segment, path: Path, answers: IO[bytes]) -> None:
    last_sent = time.monotonic()

    def on_frames(n_frames: int, seconds: float) -> None:
        nonlocal last_sent
        if time.monotonic() - last_sent >= PROGRESS_SECONDS:
            last_sent = time.monotonic()
            _send(answers, "frames", n_frames, seconds)

    try:
        write_segment_state(count_segment(task, segment, on_frames=on_frames), task, path)
    except Exception as error:
        _send(answers, "error", portable_error(error, task.source.name))
    else:
        _send(answers, "done")


def _send(answers: IO[bytes], *message: Any) -> None:
    try:
        write_message(answers, *message)
    except OSError:  # nobody reads it any more
        sys.stderr.close()
        os._exit(1)
