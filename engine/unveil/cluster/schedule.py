"""Which task runs next on a cluster, so that few states wait on its workers.

The states of a recording's segments are merged in the order of `unveil.recovery.segments.fold`.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Final, Literal, Protocol, TypeAlias

from unveil.cluster import tasks
from unveil.cluster.tasks import CountingPlan, Planned, Recording
from unveil.errors import ClusterUnreachable, Interrupted, WorkerFailed, explain
from unveil.interruption import StopRequested, take
from unveil.progress import Progress
from unveil.recovery.jobs.identity import Identity
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.segments.fold import GROUP_SEGMENTS
from unveil.video.source import Source

STATES_PER_WORKER: Final = 2
"""States that there may be on the cluster, divided by its threads: the back-pressure."""

MIN_STATES: Final = 3
"""The same in all: one that is counted, the group, and the total."""

Kind: TypeAlias = Literal["plan", "count", "merge", "recover"]


class Task(Protocol):
    """A task on the cluster: Dask's `Future`, whose package has few types."""

    @property
    def key(self) -> str:
        """Name of the task."""
        ...

    @property
    def status(self) -> str:
        """Whether it is "finished"; else "error", "cancelled" or "lost" when it has ended."""
        ...

    def result(self) -> Any:
        """Return what it returned."""
        ...

    def exception(self) -> BaseException | None:
        """Return what it raised."""
        ...

    def cancel(self) -> None:
        """Give it up."""
        ...

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        """Call a function when it has ended."""
        ...


class Submitting(Protocol):
    """What is used of Dask's `Client`."""

    def submit(self, task: Callable[..., Any], /, *args: Any, pure: bool, priority: int) -> Any:
        """Run a function on a worker."""
        ...

    def nthreads(self) -> dict[str, int]:
        """Return the threads of each worker."""
        ...


@dataclass(slots=True)
class _Reduction:
    """The states of one recording on the cluster."""

    recording: Recording
    number: int
    identity: Identity | None = None
    how: CountingPlan | None = None
    n_submitted: int = 0
    n_counted: int = 0
    n_joined: int = 0
    n_states: int = 0
    counted: dict[int, Task] = field(default_factory=dict)
    group: Task | None = None
    total: Task | None = None
    running: dict[str, Task] = field(default_factory=dict)
    outcome: Outcome | None = None

    @property
    def n_segments(self) -> int:
        return 0 if self.how is None else len(self.how.segments)


class Schedule:
    """Submits the tasks of all recordings, so that few states wait on the workers.

    Recordings are begun in their order. The next segment is counted when there is room for its
    state; what is counted is merged before anything else. No step goes over all recordings: there
    may be many thousands.
    """

    def __init__(
        self,
        client: Submitting,
        recordings: Sequence[Recording],
        on_start: Callable[[Source], object] | None,
        progress: Callable[[Source, Progress], object] | None,
        on_outcome: Callable[[Outcome], object],
        stop: StopRequested,
    ) -> None:
        self._client = client
        self._reductions = [_Reduction(r, number) for number, r in enumerate(recordings)]
        self._on_start = on_start
        self._progress = progress
        self._on_outcome = on_outcome
        self._stop = stop
        self._ended: SimpleQueue[tuple[_Reduction, Kind, int, Task]] = SimpleQueue()
        self._n_begun = self._n_ended = self._n_states = 0
        self._n_uncut = 0  # recordings begun that are neither cut into segments nor ended
        self._uncounted: list[int] = []  # a heap of the numbers of recordings
        self._started = time.monotonic()

    def run(self) -> list[Outcome]:
        """Recover all; see `recover_many`."""
        try:
            self._submit_more()
            while self._n_ended < len(self._reductions):
                reduction, kind, number, future = take(self._ended, self._stop)
                reduction.running.pop(future.key, None)
                if reduction.outcome is None:
                    self._take(reduction, kind, number, future)
                self._submit_more()
        except (Interrupted, KeyboardInterrupt):
            self._give_up()
            raise
        return [r.outcome for r in self._reductions if r.outcome is not None]

    @property
    def _n_threads(self) -> int:
        try:
            return sum(self._client.nthreads().values()) or 1
        except OSError as error:
            raise ClusterUnreachable(
                f"cluster: its scheduler is lost ({explain(error)}); start it, and the same "
                "command again"
            ) from error

    def _submit_more(self) -> None:
        """Begin recordings and segments while there is room for their states."""
        n_threads = self._n_threads
        room = max(MIN_STATES, STATES_PER_WORKER * n_threads) - self._n_states
        while room > 0 and self._uncounted:
            reduction = self._reductions[self._uncounted[0]]
            if reduction.n_submitted == reduction.n_segments:
                heapq.heappop(self._uncounted)
                continue
            self._submit(reduction, "count", reduction.n_submitted, tasks.count, reduction.how)
            reduction.n_submitted += 1
            self._add_states(reduction, 1)
            room -= 1
        while room > 0 and self._n_uncut < n_threads and self._n_begun < len(self._reductions):
            reduction = self._reductions[self._n_begun]
            self._n_begun += 1
            self._n_uncut += 1
            room -= 1
            if self._on_start is not None:
                self._on_start(reduction.recording.source)
            self._submit(reduction, "plan", 0, tasks.plan, reduction.recording)

    def _add_states(self, reduction: _Reduction, n: int) -> None:
        reduction.n_states += n
        self._n_states += n

    def _submit(
        self, reduction: _Reduction, kind: Kind, number: int, task: Callable[..., Any], *args: Any
    ) -> Task:
        if kind == "count":
            args = (*args, number)
        # What is counted is merged first: that makes room.
        priority = {"count": 0, "plan": 1, "merge": 2, "recover": 3}[kind]
        future: Task = self._client.submit(task, *args, pure=False, priority=priority)
        reduction.running[future.key] = future
        future.add_done_callback(lambda done: self._ended.put((reduction, kind, number, done)))
        return future

    def _take(self, reduction: _Reduction, kind: Kind, number: int, future: Task) -> None:
        """Go on with what a task returned."""
        if future.status != "finished":
            self._fail(reduction, future)
            return
        if kind == "plan":
            self._take_plan(reduction, future.result())
        elif kind == "count":
            reduction.n_counted += 1
            reduction.counted[number] = future
            self._tell(reduction)
            self._join(reduction)
        elif kind == "merge":
            self._add_states(reduction, -1)
        else:
            self._end(reduction, future.result())

    def _take_plan(self, reduction: _Reduction, planned: Planned | Outcome) -> None:
        if isinstance(planned, Outcome):
            self._end(reduction, planned)
            return
        reduction.identity, reduction.how = planned.identity, planned.how
        if planned.how is None:
            self._add_states(reduction, 1)
            arguments = reduction.recording, planned.identity
            self._submit(reduction, "recover", 0, tasks.recover_whole, *arguments)
        else:
            self._n_uncut -= 1
            heapq.heappush(self._uncounted, reduction.number)

    def _tell(self, reduction: _Reduction) -> None:
        """Report the progress of a recording by its segments."""
        if self._progress is None or reduction.how is None:
            return
        share = reduction.n_counted / reduction.n_segments
        expected = reduction.how.expected_frames
        progress = Progress(
            "count",
            n_frames=round(share * (expected or 0)),
            expected_frames=expected,
            video_seconds=share * reduction.how.segments[-1].begin_seconds,
            elapsed_seconds=time.monotonic() - self._started,
        )
        self._progress(reduction.recording.source, progress)

    def _join(self, reduction: _Reduction) -> None:
        """Merge the segments that are counted, in their order, as `Fold` does."""
        while (state := reduction.counted.pop(reduction.n_joined, None)) is not None:
            reduction.n_joined += 1
            reduction.group = self._merged(reduction, reduction.group, state)
            is_last = reduction.n_joined == reduction.n_segments
            if reduction.n_joined % GROUP_SEGMENTS == 0 or is_last:
                reduction.total = self._merged(reduction, reduction.total, reduction.group)
                reduction.group = None
            if is_last:
                named = reduction.recording, reduction.identity
                arguments = *named, reduction.how, reduction.total
                self._submit(reduction, "recover", 0, tasks.recover_merged, *arguments)

    def _merged(self, reduction: _Reduction, first: Task | None, later: Task) -> Task:
        if first is None:
            return later
        return self._submit(reduction, "merge", 0, tasks.merge, reduction.how, first, later)

    def _fail(self, reduction: _Reduction, future: Task) -> None:
        from distributed import KilledWorker

        error: BaseException | None = None
        if future.status == "error":
            error = future.exception()
        name = reduction.recording.source.name
        if not isinstance(error, Exception) or isinstance(error, KilledWorker):
            error = WorkerFailed(
                f"{name}: workers died again and again while they worked on it; look at their "
                "logs, or recover it without --cluster"
            )
        self._end(reduction, Outcome(name, "failed", error=error))

    def _end(self, reduction: _Reduction, outcome: Outcome) -> None:
        if reduction.how is None and reduction.number < self._n_begun:
            self._n_uncut -= 1
        self._n_ended += 1
        stem = reduction.recording.source.stem
        reduction.outcome = replace(outcome, stem=stem, number=reduction.number)
        self._release(reduction)
        self._on_outcome(reduction.outcome)

    def _release(self, reduction: _Reduction) -> None:
        """Forget the states of a recording, so that the workers do."""
        for future in self._futures(reduction):
            future.cancel()
        reduction.counted.clear()
        reduction.group = reduction.total = None
        reduction.n_submitted = reduction.n_segments
        self._add_states(reduction, -reduction.n_states)

    @staticmethod
    def _futures(reduction: _Reduction) -> Iterator[Task]:
        yield from [*reduction.running.values(), *reduction.counted.values()]
        yield from (part for part in (reduction.group, reduction.total) if part is not None)

    def _give_up(self) -> None:
        """Cancel what is not done, and tell the outcome of it."""
        for reduction in self._reductions:
            if reduction.outcome is None:
                begun = reduction.number < self._n_begun
                name = reduction.recording.source.name
                self._end(reduction, Outcome(name, "interrupted" if begun else "not started"))
