"""Which recording of a batch is recovered when: beside others, alone, or in this process.

Recordings that other processes can read are recovered side by side, each with its part of the
cores and of the memory. Those that are long enough to be cut into segments, and those for which
their part of the memory is too small, come afterwards, one by one and with all of both.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final

from unveil.errors import Interrupted
from unveil.interruption import StopRequested
from unveil.memory import limited_to, memory_limit
from unveil.parallel import available_cores
from unveil.recovery.jobs.destination import Destination
from unveil.recovery.jobs.job import Job, NeedsAllWorkers
from unveil.recovery.jobs.outcome import Outcome, State
from unveil.recovery.jobs.pool import JobPool, Tell
from unveil.recovery.jobs.worker import Worker
from unveil.redaction import redacted
from unveil.remote import is_in_this_process
from unveil.video.source import Source

if TYPE_CHECKING:
    from unveil.progress import Progress

logger = logging.getLogger(__name__)

WORKER_BYTES: Final = 2**30
"""Memory for each worker where their number is not chosen: a 1080p call takes 0.8 GB."""


def default_workers(threads: int | None, max_memory: int | None) -> int:
    """Return the number of recordings that are recovered at once where none is chosen.

    One for each thread, as far as there is memory for them. A limit of the memory is for one.
    """
    if max_memory is not None:
        return 1
    n_cores = min(threads or available_cores(), available_cores())
    limit = memory_limit()
    return n_cores if limit is None else max(1, min(n_cores, limit // WORKER_BYTES))


@dataclass(frozen=True, slots=True)
class Isolation:
    """How processes of their own do the jobs.

    Attributes
    ----------
    n_workers
        Processes at once, at most.
    watchdog_seconds
        As for `Worker`.
    max_memory
        Bytes for all of them together; None: as much as there is.
    """

    n_workers: int
    watchdog_seconds: float
    max_memory: int | None

    def worker(self) -> Worker:
        """Make a worker that has all of the memory."""
        return Worker(watchdog_seconds=self.watchdog_seconds, memory_bytes=self.max_memory)

    def one_of(self, n_workers: int) -> Worker:
        """Make one of several workers, with its part of the memory.

        Where no limit was chosen, what does not fit into its part of the machine's memory is
        refused before it is allocated, but nothing else limits the process.
        """
        whole = memory_limit() if self.max_memory is None else self.max_memory
        return Worker(
            watchdog_seconds=self.watchdog_seconds,
            memory_bytes=None if whole is None else max(1, whole // n_workers),
            memory_is_limited=self.max_memory is not None,
        )


class Schedule:
    """Recovers the sources of a batch; all callbacks are called in the caller's thread.

    Parameters
    ----------
    sources
        What is recovered.
    job_of
        Makes the job of a source, with all threads; called in several threads.
    destination
        Where results go.
    on_outcome
        Called with the number of a source and its outcome, as soon as it is known.
    on_start, progress, stop
        As for `unveil.recovery.batch.recover_all`.
    max_memory
        Bytes for what this process recovers.
    isolation
        How other processes do the jobs; None: this one does all.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        job_of: Callable[[Source], Job],
        destination: Destination,
        on_outcome: Callable[[int, Outcome], object],
        on_start: Callable[[Source], object] | None,
        progress: Callable[[Source, Progress], object] | None,
        stop: StopRequested,
        max_memory: int | None,
        isolation: Isolation | None,
    ) -> None:
        self._sources = sources
        self._job_of = job_of
        self._destination = destination
        self._on_outcome = on_outcome
        self._on_start = on_start
        self._progress = progress
        self._stop = stop
        self._max_memory = max_memory
        self._isolation = isolation
        self._worker: Worker | None = None
        self._waiting = dict.fromkeys(range(len(sources)))
        self._started: set[int] = set()
        self._is_ending = False

    def run(self) -> None:
        """Recover all sources.

        Raises
        ------
        Interrupted, KeyboardInterrupt
            Not all of them have a result; an outcome was told for each.
        """
        with ExitStack() as stack:
            if self._isolation is not None:
                self._worker = stack.enter_context(self._isolation.worker())
            try:
                for elsewhere, group in groupby(self._waiting.copy(), self._is_isolated):
                    self._recover(list(group), elsewhere)
            except (KeyboardInterrupt, Interrupted):
                for number in self._waiting.copy():
                    self._end(number, "not started")
                raise

    def _is_isolated(self, number: int) -> bool:
        source = self._sources[number]
        alone = source.may_be_endless or is_in_this_process(source.url)
        return self._isolation is not None and not alone

    def _recover(self, numbers: list[int], elsewhere: bool) -> None:
        """Recover sources, of which all are read elsewhere, or none."""
        left = numbers
        if self._isolation is not None and elsewhere:
            n_workers = min(self._isolation.n_workers, len(numbers))
            if n_workers > 1:
                left = self._recover_side_by_side(numbers, n_workers)
        for number in left:
            self._recover_alone(number, self._worker if elsewhere else None)

    def _recover_alone(self, number: int, worker: Worker | None) -> None:
        source = self._sources[number]
        try:
            self._start(number)
            outcome = self._outcome(source, partial(self._done_alone, number, worker))
        except (KeyboardInterrupt, Interrupted):
            self._end(number, "interrupted")
            raise
        self._add(number, outcome)
        ended = outcome.state == "recovered" and bool(outcome.report.get("interrupted"))
        if self._waiting and (ended or self._stop()):
            raise Interrupted

    def _done_alone(self, number: int, worker: Worker | None, job: Job) -> Outcome:
        report = partial(self._report, number)
        if worker is not None:
            return worker.run(job, report, self._stop)
        with limited_to(self._max_memory):
            return job.run(report, self._stop)

    def _recover_side_by_side(self, numbers: list[int], n_workers: int) -> list[int]:
        """Recover sources in several workers; return those that are to be recovered alone."""
        assert self._isolation is not None
        assert self._worker is not None
        self._worker.close()  # it would keep its memory
        left: list[int] = []
        ended: list[int] = []

        def work(worker: Worker, number: int, tell: Tell, stop: StopRequested) -> None:
            def done(job: Job) -> Outcome:
                return worker.run(
                    _with_part_of_threads(job, n_workers),
                    lambda progress: tell(partial(self._report, number, progress)),
                    stop,
                )

            try:
                outcome = self._outcome(self._sources[number], done)
            except NeedsAllWorkers:
                tell(partial(left.append, number))
            except Interrupted:
                tell(partial(ended.append, number))
                tell(partial(self._end, number, "interrupted"))
            else:
                tell(partial(self._add_started, number, outcome))

        with JobPool(n_workers, partial(self._isolation.one_of, n_workers), self._stop) as pool:
            try:
                pool.run(numbers, work)
            except (KeyboardInterrupt, Interrupted):
                self._is_ending = True
                pool.finish()
                raise
        if ended or (self._waiting and self._stop()):
            raise Interrupted
        return sorted(left)

    def _outcome(self, source: Source, done: Callable[[Job], Outcome]) -> Outcome:
        try:
            job = self._job_of(source)
            before = self._destination.done_before(job)
            return before or self._destination.complete(done(job))
        except (Interrupted, NeedsAllWorkers):
            raise
        except Exception as error:
            logger.debug("%s failed:\n%s", source.name, redacted(traceback.format_exc()))
            return Outcome(source.name, "failed", error=error)

    def _start(self, number: int) -> None:
        if number not in self._started:
            self._started.add(number)
            if self._on_start is not None and not self._is_ending:
                self._on_start(self._sources[number])

    def _report(self, number: int, progress: Progress) -> None:
        self._start(number)
        if self._progress is not None and not self._is_ending:
            self._progress(self._sources[number], progress)

    def _add_started(self, number: int, outcome: Outcome) -> None:
        self._start(number)
        self._add(number, outcome)

    def _end(self, number: int, state: State) -> None:
        self._add(number, Outcome(self._sources[number].name, state))

    def _add(self, number: int, outcome: Outcome) -> None:
        del self._waiting[number]
        stem = self._sources[number].stem
        self._on_outcome(number, replace(outcome, stem=stem, number=number))


def _with_part_of_threads(job: Job, n_workers: int) -> Job:
    """Return a job that may run beside those of the other workers."""
    threads = max(1, (job.options.get("threads") or available_cores()) // n_workers)
    return replace(job, options={**job.options, "threads": threads}, workers=1, beside_others=True)
