"""Counting in segments: the same bytes with any number of workers, whatever happens to them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unveil
from tests.recovery.segments.calls import (
    N_FRAMES,
    bytes_of,
    planned,
    task_of,
    use_short_segments,
    write_long_call,
)
from unveil.errors import IncompatibleTable, Interrupted, InvalidParameter, WorkerFailed
from unveil.memory import limited_to
from unveil.recovery.segments import pool
from unveil.recovery.segments.count import (
    count_segment,
    merge_states,
    read_segment_state,
    write_segment_state,
)
from unveil.recovery.segments.fold import GROUP_SEGMENTS, Fold
from unveil.recovery.segments.pool import WorkerPool
from unveil.recovery.segments.run import BYTES_PER_PIXEL, PROCESS_BYTES, worker_count

recover = partial(unveil.recover, method="transitions", threads=1)


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    use_short_segments(monkeypatch)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_call(tmp_path_factory.mktemp("long") / "call.mp4")


@pytest.fixture(scope="module")
def alone(call: Path) -> unveil.Recovery:
    """Count all segments in this process."""
    with pytest.MonkeyPatch.context() as patch:
        use_short_segments(patch)
        return recover(call, workers=1)


def test_each_thread_is_a_process_and_changes_no_byte(call: Path, alone: unveil.Recovery) -> None:
    """Where no number of workers is chosen."""
    assert alone.report["segments"] == len(planned(call)) > 10
    assert alone.report["frames_read"] == N_FRAMES
    assert alone.report["workers"] == 1
    together = recover(call, threads=2)
    assert together.report["workers"] == 2
    assert bytes_of(together) == bytes_of(alone)


def test_a_call_in_segments_is_recovered_as_in_one_pass(
    call: Path, alone: unveil.Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = alone
    monkeypatch.undo()
    whole = recover(call)
    assert (cut.report["segments"], whole.report["segments"]) == (len_of_cut(cut), 1)
    np.testing.assert_array_equal(cut.room[..., 3] > 0, whole.room[..., 3] > 0)
    np.testing.assert_array_equal(
        cut.times.seconds_at(np.arange(N_FRAMES)), whole.times.seconds_at(np.arange(N_FRAMES))
    )


def len_of_cut(recovery: unveil.Recovery) -> int:
    assert recovery.report["segments"] > 1
    return int(recovery.report["segments"])


@pytest.mark.parametrize(
    "options",
    [{"crop": "32:24:8:8"}, {"start_seconds": 1.3, "end_seconds": 5}, {"stride": 3}],
)
def test_a_part_of_a_call_is_cut_too(call: Path, options: dict[str, Any]) -> None:
    cut = recover(call, **options)
    assert cut.report["segments"] > 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unveil.video.segments.SHORTEST_SECONDS", 1e9)
        whole = recover(call, **options)
    assert whole.report["segments"] == 1
    assert cut.report["selection"] == whole.report["selection"]
    assert cut.report["frames_read"] == whole.report["frames_read"]
    assert cut.report["frames_skipped"] == whole.report["frames_skipped"]


def test_a_worker_that_is_killed_is_started_again(
    call: Path, alone: unveil.Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    start = WorkerPool._start

    def start_and_kill(self: WorkerPool, number: int) -> Any:
        process = start(self, number)
        if len(killed) < 2:
            killed.append(process.pid)
            threading.Timer(0.3 * len(killed), process.kill).start()
        return process

    monkeypatch.setattr(WorkerPool, "_start", start_and_kill)
    together = recover(call, workers=2)
    assert together.report["workers"] == 2
    assert bytes_of(together) == bytes_of(alone)
    assert len(killed) == 2


def test_a_worker_that_dies_again_and_again_is_an_error(
    call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = [sys.executable, "-c", "import os; os._exit(7)"]
    monkeypatch.setattr(pool, "child_command", lambda module: dying)
    with pytest.raises(WorkerFailed, match=r"call\.mp4: .* ended 4 times, with exit code 7"):
        recover(call, workers=2)


def test_an_error_of_a_worker_is_raised_and_no_process_is_left(call: Path, tmp_path: Path) -> None:
    task = task_of(call, method="transitions")
    segments = planned(call)
    broken = [*segments[:2], type(segments[2])(2, 1.0, 2.0, (123456789,)), *segments[3:]]
    with WorkerPool(task, 2, tmp_path, lambda: False) as workers:
        with pytest.raises(unveil.UnveilError, match="no key frame"):
            list(workers.states(broken))
        processes = set(workers._processes)
    assert all(process.poll() is not None for process in processes)


def test_a_request_to_stop_ends_all_workers(call: Path) -> None:
    stop = threading.Event()
    seen: list[unveil.Progress] = []

    def progress(one: unveil.Progress) -> None:
        seen.append(one)
        if one.stage == "count":
            stop.set()

    with pytest.raises(Interrupted):
        recover(call, workers=2, progress=progress, stop=stop.is_set)
    assert not [t for t in threading.enumerate() if t.name.startswith("unveil-worker")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that can be killed")
def test_a_worker_ends_when_its_input_ends(call: Path, tmp_path: Path) -> None:
    workers = WorkerPool(task_of(call), 1, tmp_path, lambda: False)
    process = workers._start(0)
    os.kill(process.pid, signal.SIGINT)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) in (0, -signal.SIGINT)  # the signal may come before it is ignored
    assert process.stdout is not None
    process.stdout.close()


def test_no_more_processes_count_than_there_is_memory_for(call: Path) -> None:
    notes: list[str] = []
    with limited_to(2 * PROCESS_BYTES + 2 * BYTES_PER_PIXEL * 64 * 48):
        recovery = recover(call, workers=2, note=notes.append)
        by_default = recover(call, threads=2, note=notes.append)
    assert (recovery.report["workers"], by_default.report["workers"]) == (1, 1)
    assert notes == ["1 of 2 workers count: there is no memory for more"]


@pytest.mark.parametrize(
    ("chosen", "n_segments", "n_threads", "n_workers"),
    [(None, 4, 2, 2), (None, 4, 64, 2), (None, 1, 2, 1), (None, 400, 64, 64), (9, 7, 1, 7)],
)
def test_workers_by_default_have_two_segments_at_least(
    chosen: int | None,
    n_segments: int,
    n_threads: int,
    n_workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("unveil.recovery.segments.run.memory_limit", lambda: None)
    assert worker_count(chosen, n_segments, n_threads, 64 * 48) == n_workers


def test_previews_and_progress_grow(call: Path) -> None:
    previews: list[unveil.Recovery] = []
    seen: list[unveil.Progress] = []
    recover(call, preview=previews.append, preview_seconds=1e-9, progress=seen.append)
    frames = [preview.report["frames_read"] for preview in previews]
    assert frames == sorted(frames)
    assert frames[-1] == N_FRAMES
    assert max(one.n_frames for one in seen) <= N_FRAMES


def test_no_negative_number_of_workers(call: Path) -> None:
    with pytest.raises(InvalidParameter, match="workers: 0"):
        recover(call, workers=0)


def test_states_in_files_merge_as_in_memory(call: Path, tmp_path: Path) -> None:
    task = task_of(call, method="transitions")
    segments = planned(call)[:4]
    paths = []
    fold = Fold()
    for segment in segments:
        state = count_segment(task, segment)
        paths.append(tmp_path / f"{segment.number}.npz")
        write_segment_state(state, task, paths[-1])
        fold.add(state)
    merge_states(task, paths, segments[0], tmp_path / "merged.npz")
    write_segment_state(fold.result(), task, tmp_path / "expected.npz")
    with np.load(tmp_path / "merged.npz") as merged, np.load(tmp_path / "expected.npz") as wanted:
        assert merged.files == wanted.files
        for name in set(wanted.files) - {"header"}:
            np.testing.assert_array_equal(merged[name], wanted[name], err_msg=name)
    other = task_of(call, method="transitions", slots=4)
    with task.open(segments[0]) as video:
        countings = other.countings(video)
    with pytest.raises(IncompatibleTable, match="other parameters"):
        read_segment_state(paths[0], countings)


class Recorded:
    """Stands in for a state: the order of the merges."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.n_segments = 1

    def merge(self, later: Recorded) -> None:
        """Note the order."""
        self.order = f"({self.order}{later.order})"
        self.n_segments += later.n_segments


@pytest.mark.parametrize("n", [1, 15, 16, 17, 40, 64])
def test_the_order_of_merges_depends_on_the_number_of_segments_alone(n: int) -> None:
    names = [chr(0x100 + number) for number in range(n)]

    def left(parts: list[str]) -> str:
        first, *others = parts
        for other in others:
            first = f"({first}{other})"
        return first

    groups = [left(names[i : i + GROUP_SEGMENTS]) for i in range(0, n, GROUP_SEGMENTS)]
    fold: Any = Fold()
    for name in names:
        fold.add(Recorded(name))
        fold = Fold(fold.total, fold.group)  # as from a checkpoint
    assert fold.n_segments == n
    assert fold.result().order == left(groups)
