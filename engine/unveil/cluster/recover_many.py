"""`recover_many`: recordings recovered by the workers of a Dask cluster.

A recording is planned by a worker, its segments are counted by all of them, and their states are
merged on the workers in the order of `unveil.recovery.segments.fold`, so that the result is that
of one machine. The client holds no state: it submits a task when one before has ended.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, Unpack

from unveil.cluster import tasks
from unveil.cluster.connection import LOCAL, connected
from unveil.cluster.tasks import CountingPlan, Recording
from unveil.errors import ClusterUnreachable, Interrupted, InvalidParameter, WorkerFailed, explain
from unveil.interruption import StopRequested, never, take
from unveil.recovery.background.picture import background_picture
from unveil.recovery.batch import Inputs, gather_inputs
from unveil.recovery.jobs.destination import destination_of
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.parameters import (
    RecoverKeywords,
    RecoverOptions,
    TilesArgument,
    check_tiles,
)
from unveil.recovery.segments.fold import GROUP_SEGMENTS
from unveil.remote import is_in_this_process
from unveil.video.source import Source

if TYPE_CHECKING:
    from distributed import Client

STATES_PER_WORKER: Final = 2
"""States that there may be on the cluster, divided by its threads: the back-pressure."""

MIN_STATES: Final = 3
"""The same in all: one that is counted, the group, and the total."""

Kind: TypeAlias = Literal["plan", "count", "merge", "recover"]

Progress: TypeAlias = Callable[[Source, int, int], object]
"""Called with a source, how many of its segments are counted, and how many there are."""


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


def recover_many(
    inputs: Inputs | Sequence[str | os.PathLike[str] | Source],
    out: str | os.PathLike[str],
    *,
    cluster: str = LOCAL,
    client: Client | None = None,
    workers: int | None = None,
    force: bool = False,
    skip_done: bool = True,
    tiles: TilesArgument = "auto",
    on_start: Callable[[Source], object] | None = None,
    progress: Progress | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> list[Outcome]:
    """Recover recordings on a Dask cluster, each into its own folder in `out`.

    Parameters
    ----------
    inputs
        As for `unveil.recovery.batch.recover_all`: files that all workers find under the same
        path, or addresses.
    out
        A folder that all workers share, or an address that fsspec can write to.
    cluster
        Address of a scheduler, or "local": processes of this machine.
    client
        A client of Dask's, used instead of `cluster` and left open.
    workers
        Processes of a local cluster; None: one for each core.
    force, skip_done, tiles, options
        As for `recover_all`. Without `threads` each task uses one.
    on_start
        Called with a source when it is begun.
    progress
        Called when a segment of a long recording is counted.
    on_outcome
        Called with the outcome of a source as soon as it is known, in the order in which they
        come.
    stop
        Returns whether to stop, see `unveil.interruption`.

    Returns
    -------
    outcomes
        One for each input, in their order: those that name nothing first. A recording that
        fails does not stop the others.

    Raises
    ------
    InvalidParameter
        An option is out of range, or an input or `out` cannot be shared with other processes.
    MissingInput, UnreadableImage
        The picture of the background cannot be read.
    MissingExtra
        Dask's scheduler, or fsspec, is not installed.
    ClusterUnreachable
        No scheduler answers.
    Interrupted, KeyboardInterrupt
        After `stop` or Ctrl-C; results that are complete remain, and `on_outcome` has been called
        for all sources.
    """
    gathered = inputs if isinstance(inputs, Inputs) else gather_inputs(inputs)
    chosen = RecoverOptions(**options)
    check_tiles(tiles, chosen)
    picture = background_picture(chosen.background, chosen)
    if picture is not None:
        options["background"] = picture  # a worker may not have the file
    destination_of(out)
    out = os.fspath(out)
    if is_in_this_process(out):
        raise InvalidParameter("out: the memory of this process is not that of the workers")
    for source in gathered.sources:
        if source.may_be_endless or is_in_this_process(source.url):
            raise InvalidParameter(
                f"{source.name}: a cluster cannot read it; give a file that all workers can read"
            )
    recordings = [
        Recording(
            source,
            out if "://" in out else str(Path(out).absolute()),
            options,
            tiles,
            force=force,
            skip_done=skip_done,
        )
        for source in gathered.sources
    ]
    connection: AbstractContextManager[Client]
    connection = nullcontext(client) if client is not None else connected(cluster, workers)
    missing = list(gathered.missing)
    for outcome in missing:
        if on_outcome is not None:
            on_outcome(outcome)
    if not recordings:
        return missing
    with connection as used:
        schedule = _Schedule(used, recordings, on_start, progress, on_outcome, stop)
        return missing + schedule.run()


@dataclass(slots=True)
class _Reduction:
    """The states of one recording on the cluster."""

    recording: Recording
    number: int
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


class _Schedule:
    """Submits the tasks of all recordings, so that few states wait on the workers.

    Recordings are begun in their order. The next segment is counted when there is room for its
    state; what is counted is merged before anything else.
    """

    def __init__(
        self,
        client: Submitting,
        recordings: Sequence[Recording],
        on_start: Callable[[Source], object] | None,
        progress: Progress | None,
        on_outcome: Callable[[Outcome], object] | None,
        stop: StopRequested,
    ) -> None:
        self._client = client
        self._reductions = [_Reduction(r, number) for number, r in enumerate(recordings)]
        self._on_start = on_start
        self._progress = progress
        self._on_outcome = on_outcome
        self._stop = stop
        self._ended: SimpleQueue[tuple[_Reduction, Kind, int, Task]] = SimpleQueue()
        self._n_begun = 0

    def run(self) -> list[Outcome]:
        """Recover all; see `recover_many`."""
        try:
            self._submit_more()
            while any(reduction.outcome is None for reduction in self._reductions):
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
        n_states = sum(reduction.n_states for reduction in self._reductions)
        room = max(MIN_STATES, STATES_PER_WORKER * n_threads) - n_states
        for reduction in self._reductions[: self._n_begun]:
            while room > 0 and reduction.n_submitted < reduction.n_segments:
                self._submit(reduction, "count", reduction.n_submitted, tasks.count, reduction.how)
                reduction.n_submitted += 1
                reduction.n_states += 1
                room -= 1
        unplanned = sum(
            reduction.outcome is None and reduction.how is None
            for reduction in self._reductions[: self._n_begun]
        )
        while room > 0 and unplanned < n_threads and self._n_begun < len(self._reductions):
            reduction = self._reductions[self._n_begun]
            self._n_begun += 1
            unplanned += 1
            room -= 1
            if self._on_start is not None:
                self._on_start(reduction.recording.source)
            self._submit(reduction, "plan", 0, tasks.plan, reduction.recording)

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
            if self._progress is not None:
                source = reduction.recording.source
                self._progress(source, reduction.n_counted, reduction.n_segments)
            self._join(reduction)
        elif kind == "merge":
            reduction.n_states -= 1
        else:
            self._end(reduction, future.result())

    def _take_plan(self, reduction: _Reduction, plan: CountingPlan | Outcome | None) -> None:
        if isinstance(plan, Outcome):
            self._end(reduction, plan)
        elif plan is None:
            reduction.n_states += 1
            self._submit(reduction, "recover", 0, tasks.recover_whole, reduction.recording)
        else:
            reduction.how = plan

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
                arguments = reduction.recording, reduction.how, reduction.total
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
        reduction.outcome = replace(outcome, number=reduction.number)
        self._release(reduction)
        if self._on_outcome is not None:
            self._on_outcome(reduction.outcome)

    def _release(self, reduction: _Reduction) -> None:
        """Forget the states of a recording, so that the workers do."""
        for future in self._futures(reduction):
            future.cancel()
        reduction.counted.clear()
        reduction.group = reduction.total = None
        reduction.n_submitted, reduction.n_states = reduction.n_segments, 0

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
