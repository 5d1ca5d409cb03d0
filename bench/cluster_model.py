"""A model of a cluster that recovers recordings: the real schedule on simulated machines.

`predict` runs `unveil.cluster.schedule.Schedule` in simulated time. A task that runs takes one core
for its measured time. The rules are:

- A free core takes the waiting task of the highest priority, the earliest first. Planning and
  counting run on any machine. Merging, and the last step, run on the machine that holds the first
  state.
- The other state of a merge is fetched as soon as both are there, over the link of the machine
  that merges, one after the other: bytes / bandwidth. Copying it from process to process takes a
  measured time more, also within a machine. No core waits for it.
- The client spends a measured time on each task that it submits, one after the other.

A worker that is lost, disks, and the link of the machine that sends are not modelled. All segments
cost the same.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from unveil.cluster import tasks
from unveil.cluster.schedule import Schedule
from unveil.cluster.tasks import CountingPlan, Planned, Recording
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.segments.count import SegmentTask
from unveil.video.selection import Segment
from unveil.video.source import Source

Kind: TypeAlias = Literal["plan", "count", "merge", "recover_merged"]

MAX_CORES = 100
"""Cores of the part of a large cluster that is simulated, about."""

FREE = float("inf")
"""Bandwidth of a network that costs nothing."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the stages cost, in seconds of one core.

    `plan_seconds` and `recover_seconds` are of a recording, `client_seconds` of a task,
    `copy_seconds` of a state that goes from process to process.
    """

    plan_seconds: float
    count_seconds: float
    merge_seconds: float
    recover_seconds: float
    copy_seconds: float
    client_seconds: float
    state_bytes: int

    def of(self, kind: Kind) -> float:
        """Return the seconds that a task takes a core."""
        return {
            "plan": self.plan_seconds,
            "count": self.count_seconds,
            "merge": self.merge_seconds,
            "recover_merged": self.recover_seconds,
        }[kind]

    def scaled_plan(self, factor: float) -> Costs:
        """Return the costs of recordings that are longer by a factor, with as long segments."""
        return replace(self, plan_seconds=factor * self.plan_seconds)

    def on_one_core(self, n_recordings: int, n_segments: int) -> float:
        """Return the sum of all tasks of recordings with so many segments each."""
        recording = (
            self.plan_seconds
            + n_segments * self.count_seconds
            + (n_segments - 1) * self.merge_seconds
            + self.recover_seconds
        )
        return n_recordings * recording


@dataclass(frozen=True, slots=True)
class Cluster:
    """Machines of `cores_per_machine` cores with a link each; the last one may have fewer."""

    n_cores: int
    cores_per_machine: int
    bits_per_second: float
    unlimited_states: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """Wall time, and how busy the parts of a cluster were.

    Attributes
    ----------
    seconds
        From the first task to the last.
    efficiency
        Time of one core without waiting / (wall time * cores).
    core_seconds
        Time in which cores worked.
    client_share, link_share
        Share of the time in which the client, and the busiest link, worked.
    """

    seconds: float
    efficiency: float
    core_seconds: float
    client_share: float
    link_share: float


def predict(n_recordings: int, n_segments: int, costs: Costs, cluster: Cluster) -> Prediction:
    """Predict the recovery of recordings of so many segments each."""
    simulated = _SimulatedCluster(n_segments, costs, cluster)
    recordings = [
        Recording(Source("", name=str(number), stem=str(number)), "")
        for number in range(n_recordings)
    ]
    Schedule(simulated, recordings, None, None, lambda outcome: None, simulated.advance).run()
    seconds = simulated.now
    return Prediction(
        seconds,
        costs.on_one_core(n_recordings, n_segments) / (seconds * cluster.n_cores),
        simulated.core_seconds,
        simulated.client_seconds / seconds,
        max(simulated.link_seconds) / seconds,
    )


def part_of(n_recordings: int, costs: Costs, cluster: Cluster) -> tuple[int, Costs, Cluster]:
    """Return a part of a large cluster, with its share of the recordings, to simulate instead.

    Machines meet only at the client, which costs each of so many parts as many times as much. Of
    recordings that are many for each core, the later ones would repeat the earlier ones.
    """
    n_parts = max(1, cluster.n_cores // MAX_CORES) if n_recordings >= cluster.n_cores else 1
    n_cores = cluster.n_cores // n_parts
    part = min(n_recordings // n_parts, max(MAX_CORES, 4 * n_cores))
    own = replace(costs, client_seconds=n_parts * costs.client_seconds)
    return part, own, replace(cluster, n_cores=n_cores)


def without_limits(costs: Costs, cluster: Cluster) -> dict[str, tuple[Costs, Cluster]]:
    """Return the same costs and cluster without one of their limits each."""
    return {
        "merging": (replace(costs, merge_seconds=0.0), cluster),
        "network": (replace(costs, copy_seconds=0.0), replace(cluster, bits_per_second=FREE)),
        "client": (replace(costs, client_seconds=0.0), cluster),
        "back-pressure": (costs, replace(cluster, unlimited_states=True)),
        "last step": (replace(costs, recover_seconds=0.0), cluster),
        "planning": (replace(costs, plan_seconds=0.0), cluster),
    }


@dataclass(slots=True)
class _Task:
    """A task on the simulated cluster, as Dask's `Future` behaves."""

    key: str
    kind: Kind
    order: tuple[int, int]
    inputs: list[_Task]
    value: Any
    callbacks: list[Callable[[Any], object]] = field(default_factory=list)
    followers: list[_Task] = field(default_factory=list)
    machine: int | None = None
    is_done: bool = False
    status: str = "finished"

    def result(self) -> Any:
        return self.value

    def exception(self) -> BaseException | None:
        return None

    def cancel(self) -> None:
        pass

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        self.callbacks.append(function)


_Event: TypeAlias = tuple[float, int, Literal["arrived", "fetched", "done"], _Task]


class _SimulatedCluster:
    """What `Schedule` uses of a client, in simulated time.

    `now` is the time of the client. The machines are never ahead of it: `advance`, which the
    schedule calls before it waits, runs them until one more task has ended.
    """

    def __init__(self, n_segments: int, costs: Costs, cluster: Cluster) -> None:
        self._costs, self._cluster = costs, cluster
        task = SegmentTask(Source(""), RecoverOptions())
        segments = tuple(Segment(n, float(n), float(n + 1)) for n in range(n_segments))
        self._values = {
            tasks.plan: Planned(None, CountingPlan(task, segments)),
            tasks.recover_merged: Outcome("", "recovered"),
        }
        sizes = list(_machines(cluster.n_cores, cluster.cores_per_machine))
        self._n_free = list(sizes)
        self._idle = deque(m for m, size in enumerate(sizes) for _ in range(size))
        self._anywhere: list[tuple[tuple[int, int], _Task]] = []
        self._at_machine: list[list[tuple[tuple[int, int], _Task]]] = [[] for _ in sizes]
        self._link_free = [0.0] * len(sizes)
        self._events: list[_Event] = []
        self._n_events = self._n_tasks = 0
        self.now = 0.0
        self.core_seconds = self.client_seconds = 0.0
        self.link_seconds = [0.0] * len(sizes)

    def nthreads(self) -> dict[str, int]:
        """Return the threads of all workers: with unlimited states, many more than there are."""
        return {"": self._cluster.n_cores * (1_000_000 if self._cluster.unlimited_states else 1)}

    def submit(self, task: Callable[..., Any], /, *args: Any, pure: bool, priority: int) -> _Task:
        """Add a task."""
        self.now += self._costs.client_seconds
        self.client_seconds += self._costs.client_seconds
        self._n_tasks += 1
        inputs = [argument for argument in args if isinstance(argument, _Task)]
        kind: Any = task.__name__
        order = (-priority, self._n_tasks)
        submitted = _Task(str(self._n_tasks), kind, order, inputs, self._values.get(task))
        self._at(self.now, "arrived", submitted)
        return submitted

    def advance(self) -> bool:
        """Run the machines until a task has ended, and tell the schedule; never ask it to stop."""
        while self._events:
            seconds, _, what, task = heapq.heappop(self._events)
            if what == "done":
                self._end(task, seconds)
                self.now = max(self.now, seconds)
                for function in task.callbacks:
                    function(task)
                return False
            if what == "arrived":
                for given in task.inputs:
                    if not given.is_done:
                        given.followers.append(task)
                self._fetch_if_ready(task, seconds)
            else:
                self._start_or_wait(task, seconds)
        raise RuntimeError("the schedule waits, and nothing runs")

    def _at(self, seconds: float, what: Literal["arrived", "fetched", "done"], task: _Task) -> None:
        self._n_events += 1
        heapq.heappush(self._events, (seconds, self._n_events, what, task))

    def _fetch_if_ready(self, task: _Task, seconds: float) -> None:
        """Bring the states of a merge to one machine, if they are counted."""
        if not all(given.is_done for given in task.inputs):
            return
        if task.inputs:
            task.machine = task.inputs[0].machine
        for given in task.inputs[1:]:
            if given.machine != task.machine:
                assert task.machine is not None
                needed = 8 * self._costs.state_bytes / self._cluster.bits_per_second
                seconds = max(seconds, self._link_free[task.machine]) + needed
                self._link_free[task.machine] = seconds
                self.link_seconds[task.machine] += needed
            seconds += self._costs.copy_seconds
        self._at(seconds, "fetched", task)

    def _start_or_wait(self, task: _Task, seconds: float) -> None:
        if task.machine is None:
            machine = self._idle_machine()
            if machine is None:
                heapq.heappush(self._anywhere, (task.order, task))
            else:
                self._start(task, machine, seconds)
        elif self._n_free[task.machine]:
            self._idle.remove(task.machine)
            self._start(task, task.machine, seconds)
        else:
            heapq.heappush(self._at_machine[task.machine], (task.order, task))

    def _idle_machine(self) -> int | None:
        return self._idle.popleft() if self._idle else None

    def _start(self, task: _Task, machine: int, seconds: float) -> None:
        self._n_free[machine] -= 1
        task.machine = machine
        needed = self._costs.of(task.kind)
        self.core_seconds += needed
        self._at(seconds + needed, "done", task)

    def _end(self, task: _Task, seconds: float) -> None:
        task.is_done = True
        assert task.machine is not None
        machine = task.machine
        self._n_free[machine] += 1
        waiting = [queue for queue in (self._at_machine[machine], self._anywhere) if queue]
        if waiting:
            _, following = heapq.heappop(min(waiting, key=lambda queue: queue[0][0]))
            self._start(following, machine, seconds)
        else:
            self._idle.append(machine)
        for follower in task.followers:
            self._fetch_if_ready(follower, seconds)
        task.inputs.clear()
        task.followers.clear()


def _machines(n_cores: int, cores_per_machine: int) -> Iterator[int]:
    while n_cores > 0:
        yield min(n_cores, cores_per_machine)
        n_cores -= cores_per_machine
