"""Several workers at a time, each served by a thread; the caller's thread hears of all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TypeAlias

from unveil.interruption import POLL_SECONDS, StopRequested
from unveil.recovery.jobs.worker import Worker

Act: TypeAlias = Callable[[], object]
"""What the caller's thread is to do, such as to report progress."""

Tell: TypeAlias = Callable[[Act], None]
"""Hands an act to the caller's thread."""

Work: TypeAlias = Callable[[Worker, int, Tell, StopRequested], object]
"""Does the job of a number in a worker, and tells what comes of it; called in a thread.

What it raises ends the pool. It ends soon after the request to stop that it is given.
"""


class JobPool:
    """Does numbered jobs in several workers; use it as a context manager.

    Parameters
    ----------
    n_workers
        Number of workers.
    new_worker
        Makes one; its process starts with its first job.
    stop
        Returns whether to stop; no job is begun after that.
    """

    def __init__(
        self, n_workers: int, new_worker: Callable[[], Worker], stop: StopRequested
    ) -> None:
        self._n_workers = n_workers
        self._new_worker = new_worker
        self._stop = stop
        self._closing = threading.Event()
        self._acts: SimpleQueue[Act | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._numbers: list[int] = []
        self._threads: list[threading.Thread] = []
        self._n_serving = 0

    def __enter__(self) -> Self:
        """Return the pool; workers start with `run`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all workers: a job in work is ended as by a request to stop."""
        self._closing.set()
        for thread in self._threads:
            if thread.ident is not None:  # Ctrl-C may have come before it was started
                thread.join()

    def run(self, numbers: Sequence[int], work: Work) -> None:
        """Do the jobs of these numbers, begun in their order.

        Raises
        ------
        BaseException
            What `work`, or an act that it told, raised.
        """
        self._numbers = [*numbers[::-1]]
        for number in range(min(self._n_workers, len(numbers))):
            thread = threading.Thread(
                target=self._serve, args=(work,), name=f"unveil-jobs-{number}", daemon=True
            )
            self._threads.append(thread)
            self._n_serving += 1
            thread.start()
        self._follow()

    def finish(self) -> None:
        """After an error of `run`: ask the workers to stop, and do what they tell until then."""
        self._closing.set()
        self._follow()

    def _follow(self) -> None:
        while self._n_serving:
            try:
                # With a time limit: on Windows, Ctrl-C does not end a wait without one.
                act = self._acts.get(timeout=POLL_SECONDS)
            except Empty:
                is_serving = any(thread.is_alive() for thread in self._threads)
                if not is_serving and self._acts.empty():
                    return  # Ctrl-C came before a thread was started
                continue
            if act is None:
                self._n_serving -= 1
            else:
                act()

    def _asked_to_stop(self) -> bool:
        return self._closing.is_set() or self._stop()

    def _serve(self, work: Work) -> None:
        """Do one job after the other in a worker; the body of a thread."""
        try:
            with self._new_worker() as worker:
                while (number := self._following()) is not None:
                    work(worker, number, self._acts.put, self._asked_to_stop)
        except BaseException as error:
            self._acts.put(_Raising(error))
        finally:
            self._acts.put(None)

    def _following(self) -> int | None:
        if self._asked_to_stop():
            return None
        with self._lock:
            return self._numbers.pop() if self._numbers else None


class _Raising:
    """An act that raises an error in the caller's thread."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self) -> None:
        raise self._error
