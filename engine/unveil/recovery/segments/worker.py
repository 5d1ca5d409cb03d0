"""A process that counts segments: it reads tasks from its standard input and sends messages.

It is started as `python -c` with `PROGRAM`, not by `multiprocessing`, which would run the main
module of the caller's program again. It ends when its input ends, so that none is left behind
when the process that started it is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, Final

from unveil.errors import UnveilError
from unveil.progress import PROGRESS_SECONDS
from unveil.recovery.segments.count import SegmentTask, count_segment, write_segment_state
from unveil.video.selection import Segment

PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from unveil.recovery.segments.worker import main; main()"
)

Job = tuple[SegmentTask, Segment, Path]
"""What to count, and the file for its state."""


def main() -> None:
    """Serve until the input ends."""
    # The process that started this one decides what a signal to the whole group means.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    jobs: SimpleQueue[Job] = SimpleQueue()
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no message
    threading.Thread(target=_receive, args=(source, jobs), daemon=True).start()
    while True:
        _count(*jobs.get(), sink)


def _receive(source: BinaryIO, jobs: SimpleQueue[Job]) -> None:
    while True:
        try:
            jobs.put(pickle.load(source))
        except Exception:  # the input has ended, or a job was cut
            os._exit(0)


def _count(task: SegmentTask, segment: Segment, path: Path, sink: BinaryIO) -> None:
    last_sent = time.monotonic()

    def on_frames(n_frames: int, seconds: float) -> None:
        nonlocal last_sent
        if time.monotonic() - last_sent >= PROGRESS_SECONDS:
            last_sent = time.monotonic()
            _send(sink, ("frames", n_frames, seconds))

    try:
        write_segment_state(count_segment(task, segment, on_frames=on_frames), task, path)
    except Exception as error:
        _send(sink, ("error", _sendable(error)))
    else:
        _send(sink, ("done",))


def _sendable(error: Exception) -> Exception:
    """Return the error, or one with its text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return UnveilError(f"{type(error).__name__}: {error}")
    return error


def _send(sink: BinaryIO, message: tuple[Any, ...]) -> None:
    try:
        pickle.dump(message, sink)
        sink.flush()
    except OSError:  # nobody reads it any more
        sys.stderr.close()
        os._exit(1)
