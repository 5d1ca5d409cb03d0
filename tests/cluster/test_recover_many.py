"""Recordings recovered by a real Dask scheduler: to the bytes of one machine, whatever is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import unveil
from tests.recovery.segments.calls import use_short_segments, write_long_call
from tests.tiles.callers import gallery, use_bright_people, write_scene
from unveil.cluster import recover_many, tasks
from unveil.errors import ClusterUnreachable, Interrupted, InvalidParameter
from unveil.progress import Progress
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.parameters import RecoverKeywords
from unveil.recovery.segments.count import SegmentTask, count_segment
from unveil.recovery.segments.state import SegmentState
from unveil.recovery.tiles import recover_tiles
from unveil.video import segments
from unveil.video.selection import Segment

distributed = pytest.importorskip("distributed", reason="distributed is in the extra cluster")

# Dask leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

REAL = {name: getattr(segments, name) for name in ("TARGET_SECONDS", "SHORTEST_SECONDS")}
"""The lengths of segments in other processes."""

FILES = ("room.png", "background.png", "stats.parquet", "timeline.parquet")


@pytest.fixture(scope="module", autouse=True)
def _short_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_short_segments(patch)
        yield


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_call(tmp_path_factory.mktemp("long") / "call.mp4")


@pytest.fixture(scope="module")
def alone(call: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("alone")
    unveil.recover(call, method="transitions", threads=1).save(folder / "call")
    return contents(folder)


def contents(out: Path, name: str = "call") -> dict[str, bytes]:
    return {file: (out / name / file).read_bytes() for file in FILES}


@pytest.fixture(scope="module")
def threads() -> Iterator[Any]:
    """Start a cluster of two workers in threads of this process, which has short segments, too."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_cluster_gives_the_bytes_of_one_machine(
    call: Path, alone: dict[str, bytes], threads: Any, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    (outcome,) = recover_many(
        [call],
        tmp_path,
        client=threads,
        method="transitions",
        progress=lambda source, progress: seen.append(progress),
    )
    assert (outcome.state, outcome.folder) == ("recovered", tmp_path / "call")
    assert contents(tmp_path) == alone
    assert outcome.report["segments"] == len(seen) > 10
    frames = [progress.n_frames for progress in seen]
    assert frames == sorted(frames)
    assert frames[-1] == seen[-1].expected_frames == outcome.report["frames_read"]


class Watching:
    """A client that counts the states on its cluster, as the client knows them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.held = self.most = 0

    def nthreads(self) -> dict[str, int]:
        """Ask the client."""
        threads: dict[str, int] = self._client.nthreads()
        return threads

    def submit(self, task: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        """Ask the client, and count."""
        future = self._client.submit(task, *args, **options)
        if task is tasks.count:
            self.held += 1
            self.most = max(self.most, self.held)
        elif task is tasks.merge:
            future.add_done_callback(self._merged)
        return future

    def _merged(self, future: Any) -> None:
        self.held -= 1


def test_few_states_wait_on_the_workers(call: Path, threads: Any, tmp_path: Path) -> None:
    watching = Watching(threads)
    recover_many([call], tmp_path, client=watching, method="transitions")
    assert (watching.held, watching.most) == (1, 4)


def test_what_cannot_be_recovered_stops_nothing_else(
    call: Path, threads: Any, tmp_path: Path
) -> None:
    (tmp_path / "noise.mp4").write_bytes(bytes(1000))
    told: list[str] = []
    outcomes = recover_many(
        [tmp_path / "noise.mp4", call, tmp_path / "none.mp4"],
        tmp_path / "out",
        client=threads,
        method="transitions",
        catalogue=tmp_path / "catalogue.parquet",
        on_outcome=lambda outcome: told.append(outcome.name),
    )
    assert [(o.name, o.state) for o in outcomes] == [
        (str(tmp_path / "none.mp4"), "failed"),
        ("noise.mp4", "failed"),
        ("call.mp4", "recovered"),
    ], outcomes[-1].problem
    assert sorted(told) == sorted(outcome.name for outcome in outcomes)
    assert "no such file" in str(outcomes[0].problem)
    assert "noise.mp4: " in str(outcomes[1].problem)
    rows = pq.read_table(tmp_path / "catalogue.parquet").to_pylist()
    assert sorted(row["status"] for row in rows) == ["failed", "failed", "recovered"]


def test_what_was_done_before_is_skipped(call: Path, threads: Any, tmp_path: Path) -> None:
    def state(**options: Any) -> tuple[str, str | None]:
        (outcome,) = recover_many([call], tmp_path, client=threads, **options)
        return outcome.state, outcome.problem

    assert state(method="transitions") == ("recovered", None)
    assert state(method="transitions") == ("skipped", None)
    refused, why = state(method="rarest")
    assert (refused, "--force" in str(why)) == ("failed", True)
    assert state(method="rarest", force=True) == ("recovered", None)


@pytest.mark.parametrize("at", ["counting", "planning"])
def test_a_request_to_stop_ends_it(call: Path, threads: Any, tmp_path: Path, at: str) -> None:
    asked = threading.Event()
    told: list[Outcome] = []
    if at == "planning":
        asked.set()
    with pytest.raises(Interrupted):
        recover_many(
            [call],
            tmp_path / "out",
            client=threads,
            method="transitions",
            progress=lambda source, progress: asked.set(),
            on_outcome=told.append,
            stop=asked.is_set,
        )
    assert [outcome.state for outcome in told] == ["interrupted"]
    assert not (tmp_path / "out" / "call" / "report.json").exists()
    deadline = threading.Event()
    while any(threads.processing().values()):
        deadline.wait(0.05)  # what is counted already is not torn


def test_a_tile_or_a_short_call_is_one_task(
    call: Path, threads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unveil.video.segments.SHORTEST_SECONDS", 1e9)
    (outcome,) = recover_many([call], tmp_path, client=threads, method="transitions")
    assert (outcome.state, outcome.report["segments"]) == ("recovered", 1)


@pytest.mark.parametrize(
    ("inputs", "out", "options", "name"),
    [
        (["-"], "out", {}, "standard input"),
        (["memory://call.mp4"], "out", {}, "call.mp4"),
        (["call.mp4"], "memory://out", {}, "out"),
        (["call.mp4"], "out", {"bits": 9}, "bits"),
        (["call.mp4"], "out", {"cluster": "tcp://127.0.0.1:1", "workers": 2}, "workers"),
    ],
)
def test_what_workers_cannot_share_is_refused(
    inputs: list[str],
    out: str,
    options: dict[str, Any],
    name: str,
    call: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("call.mp4").write_bytes(call.read_bytes())
    if inputs[0].startswith("memory:"):
        import fsspec

        fsspec.filesystem("memory").pipe("/call.mp4", call.read_bytes())
    with pytest.raises(InvalidParameter, match=name):
        recover_many(inputs, out, **options)


def test_no_scheduler_is_told(call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.cluster.connection.CONNECT_SECONDS", 0.3)
    with pytest.raises(ClusterUnreachable, match="no scheduler of Dask answers"):
        recover_many([call], tmp_path, cluster="tcp://127.0.0.1:1")


def test_a_worker_that_is_killed_is_replaced(
    tmp_path: Path,
    long_enough: Path,
    on_first: Callable[[Callable[[], object]], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, length in REAL.items():
        monkeypatch.setattr(segments, name, length)
    alone = unveil.recover(long_enough, method="transitions", threads=1)
    alone.save(tmp_path / "alone" / "call")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        (outcome,) = recover_many(
            [long_enough],
            tmp_path / "out",
            client=client,
            method="transitions",
            progress=on_first(lambda: os.kill(victim, signal.SIGKILL)),
        )
    assert outcome.state == "recovered"
    assert outcome.report["segments"] > 3
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


@pytest.fixture
def on_first() -> Callable[[Callable[[], object]], Any]:
    def once(act: Callable[[], object]) -> Any:
        waiting = [act]

        def report(source: object, progress: object) -> None:
            if waiting:
                waiting.pop()()

        return report

    return once


@pytest.fixture
def long_enough(tmp_path: Path) -> Path:
    """Write a call that other processes cut, too: at a frame a second."""
    return write_long_call(tmp_path / "call.mp4", rate=1)


def test_the_tiles_of_a_long_meeting_are_counted_by_all_workers(
    threads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bright_people(monkeypatch)
    path = write_scene(tmp_path / "meeting.mp4", gallery(2, 2, (96, 72), 4), 96)
    counted: list[int] = []

    def count_and_tell(task: SegmentTask, segment: Segment) -> SegmentState:
        counted.append(segment.number)
        return count_segment(task, segment)

    monkeypatch.setattr(tasks, "count_segment", count_and_tell)
    options: RecoverKeywords = {"method": "farend", "threads": 1}
    (outcome,) = recover_many([path], tmp_path / "many", client=threads, **options)
    assert outcome.state == "recovered", outcome.problem
    assert sorted(counted) == list(range(max(counted) + 1))
    assert len(counted) > 2
    recover_tiles(path, **options).save(tmp_path / "alone")
    for tile in ("tile-1", "tile-2", "tile-3", "tile-4"):
        here = {file: (tmp_path / "alone" / tile / file).read_bytes() for file in FILES}
        assert contents(tmp_path / "many" / "meeting", tile) == here
