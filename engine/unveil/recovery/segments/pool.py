"""Worker processes that count segments, and what becomes of one that dies."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from unveil.child_process import child_command, read_message, write_message
from unveil.errors import WorkerFailed
from unveil.interruption import POLL_SECONDS, StopRequested, check
from unveil.recovery.segments.count import SegmentTask
from unveil.video.selection import Segment

logger = logging.getLogger(__name__)

MAX_RESTARTS: Final = 3
"""So often a segment whose worker died is counted anew."""

_JOIN_SECONDS: Final = 10.0


class WorkerPool:
    """Counts segments in processes; use it as a context manager, which ends all of them.

    No more states wait to be merged than there are workers, and one.

    Parameters
    ----------
    task
        What is counted, with the threads of one worker.
    n_workers
        Number of processes.
    folder
        Temporary folder for the states.
    stop
        Returns whether to stop.
    """

    def __init__(
        self, task: SegmentTask, n_workers: int, folder: Path, stop: StopRequested
    ) -> None:
        self._task = task
        self._n_workers = n_workers
        self._folder = folder
        self._stop = stop
        self._results: SimpleQueue[tuple[int, Path | BaseException]] = SimpleQueue()
        self._places = threading.Semaphore(n_workers + 1)
        self._numbers: Iterator[tuple[int, Segment]] = iter(())
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads: list[threading.Thread] = []
        self.running: dict[int, tuple[int, float]] = {}
        """Frames counted so far, and the time of the last one, of each segment in work."""

    def __enter__(self) -> Self:
        """Return the pool; workers start with `states`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all workers."""
        self._closing.set()
        for _ in self._threads:
            self._places.release()
        with self._lock:
            for process in self._processes:
                process.kill()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def states(self, segments: Sequence[Segment]) -> Iterator[Path | None]:
        """Yield the file of each segment's state in their order; the caller removes it.

        In between, a few times a second, yield None.

        Raises
        ------
        Interrupted
            The pool was asked to stop.
        WorkerFailed
            The worker of a segment died more than `MAX_RESTARTS` times.
        """
        self._numbers = iter(enumerate(segments))
        for number in range(min(self._n_workers, len(segments))):
            thread = threading.Thread(
                target=self._serve, name=f"unveil-worker-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        waiting: dict[int, Path] = {}
        for number in range(len(segments)):
            while number not in waiting:
                check(self._stop)
                try:
                    counted, result = self._results.get(timeout=POLL_SECONDS)
                except Empty:
                    yield None
                    continue
                if isinstance(result, BaseException):
                    raise result
                waiting[counted] = result
            yield waiting.pop(number)
            self.running.pop(number, None)
            self._places.release()

    def _serve(self) -> None:
        """Count one segment after the other in a process; the body of a thread."""
        worker: subprocess.Popen[bytes] | None = None
        number = 0
        try:
            while (following := self._following()) is not None:
                number, segment = following
                path = self._folder / f"{number}.npz"
                n_died = 0
                worker = worker or self._start(number)
                while not self._count(worker, number, segment, path):
                    code, worker = self._end(worker), None
                    if self._closing.is_set():
                        return
                    n_died += 1
                    if n_died > MAX_RESTARTS:
                        raise self._failed(segment, n_died, code)
                    logger.warning("a worker ended with exit code %s; it is started again", code)
                    worker = self._start(number)
                self._results.put((number, path))
        except BaseException as error:
            self._results.put((number, error))
        finally:
            if worker is not None:
                self._end(worker)

    def _following(self) -> tuple[int, Segment] | None:
        self._places.acquire()
        if self._closing.is_set():
            return None
        with self._lock:
            return next(self._numbers, None)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        with self._lock, (self._folder / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                child_command("unveil.recovery.segments.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            self._processes.add(process)
            if self._closing.is_set():
                process.kill()
        return process

    def _count(
        self, worker: subprocess.Popen[bytes], number: int, segment: Segment, path: Path
    ) -> bool:
        """Let a worker count a segment; return False if it died.

        Raises
        ------
        Exception
            What counting raised in the worker.
        """
        assert worker.stdin is not None
        assert worker.stdout is not None
        self.running[number] = 0, segment.begin_seconds
        try:
            write_message(worker.stdin, self._task, segment, path)
        except BrokenPipeError:
            return False
        while (message := read_message(worker.stdout)) is not None:
            if message[0] == "done":
                return True
            if message[0] == "error":
                raise message[1]
            self.running[number] = message[1], message[2]
        return False

    def _end(self, worker: subprocess.Popen[bytes]) -> int:
        """End a process, and return its exit code."""
        with self._lock:
            self._processes.discard(worker)
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            return worker.wait(0.5)
        except subprocess.TimeoutExpired:
            worker.kill()
            return worker.wait()

    def _failed(self, segment: Segment, n_died: int, code: int) -> WorkerFailed:
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        end = "the end" if segment.end_seconds == float("inf") else f"{segment.end_seconds:.0f} s"
        return WorkerFailed(
            f"{self._task.source.name}: the process that counts {segment.begin_seconds:.0f} s to "
            f"{end} ended {n_died} times, with {why}; free memory, or use one worker"
        )
