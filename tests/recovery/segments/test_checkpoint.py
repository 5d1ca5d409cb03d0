"""Checkpoints: a count that is killed goes on to the same bytes, or says why it starts anew."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unveil
from tests.command import finished, start_program
from tests.recovery.segments.calls import (
    SHORTEST_SECONDS,
    TARGET_SECONDS,
    bytes_of,
    files_of,
    planned,
    task_of,
    use_short_segments,
    write_long_call,
)
from unveil.errors import Interrupted, OutputUnwritable
from unveil.recovery.batch import recover_all
from unveil.recovery.segments import checkpoint
from unveil.recovery.segments.checkpoint import GENERATIONS, Checkpoint, identity_of
from unveil.recovery.segments.count import count_segment
from unveil.recovery.segments.fold import Fold
from unveil.recovery.segments.run import SegmentedCount
from unveil.video.reader import open_video
from unveil.video.source import resolve_inputs

# In this process, but where processes are what is tested: each takes a second or two to start.
recover = partial(unveil.recover, method="transitions", threads=1)

_KILLED = """
import sys, threading, os, signal
from unveil.recovery.segments import checkpoint
from unveil.video import segments
import unveil
segments.SHORTEST_SECONDS, segments.TARGET_SECONDS = {shortest}, {target}
checkpoint.MIN_SECONDS, checkpoint.MAX_SHARE = 0.0, 1.0
write = checkpoint.Checkpoint.write
def write_and_time(self, fold):
    if fold.n_segments >= {after}:
        threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGKILL)).start()
    write(self, fold)
checkpoint.Checkpoint.write = write_and_time
recovery = unveil.recover(
    {call!r}, method="transitions", threads=1, workers={workers}, checkpoint={folder!r}, note=print
)
"""


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short videos, and write a checkpoint after each segment."""
    use_short_segments(monkeypatch)
    monkeypatch.setattr(checkpoint, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "MAX_SHARE", 1e9)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_call(tmp_path_factory.mktemp("long") / "call.mp4")


@pytest.fixture(scope="module")
def whole(call: Path) -> tuple[bytes, ...]:
    """All that an uninterrupted count of the call says."""
    with pytest.MonkeyPatch.context() as patch:
        use_short_segments(patch)
        return bytes_of(recover(call))


def interrupted_after(n_segments: int, call: Path, folder: Path, **options: Any) -> None:
    """Stop a count after some segments; it leaves a checkpoint."""
    merged = 0
    add = SegmentedCount._add

    def add_and_count(self: SegmentedCount, *arguments: Any) -> None:
        nonlocal merged
        add(self, *arguments)
        merged += 1
        if merged == n_segments:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentedCount, "_add", add_and_count)
        with pytest.raises(Interrupted):
            recover(call, checkpoint=folder, **options)


def newest(folder: Path) -> Path:
    return max((folder / name for name in GENERATIONS), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("n_segments", [1, 5, 15])
def test_a_count_goes_on_where_it_stopped(
    call: Path, tmp_path: Path, n_segments: int, whole: tuple[bytes, ...]
) -> None:
    interrupted_after(n_segments, call, tmp_path / "kept")
    notes: list[str] = []
    resumed = recover(call, checkpoint=tmp_path / "kept", note=notes.append)
    n_all = len(planned(call))
    assert notes == [f"goes on from a checkpoint: {n_segments} of {n_all} segments"]
    assert bytes_of(resumed) == whole


def test_without_resume_it_starts_anew(
    call: Path, tmp_path: Path, whole: tuple[bytes, ...]
) -> None:
    interrupted_after(3, call, tmp_path / "kept")
    notes: list[str] = []
    seen: list[int] = []
    again = recover(
        call,
        checkpoint=tmp_path / "kept",
        resume=False,
        note=notes.append,
        progress=lambda one: seen.append(one.n_frames),
    )
    assert notes == []
    assert bytes_of(again) == whole


@pytest.mark.parametrize(
    ("after", "seconds", "workers"), [(2, 0.0, 1), (3, 0.004, 1), (6, 0.03, 1), (4, 0.01, 2)]
)
def test_a_count_that_is_killed_goes_on(
    call: Path, tmp_path: Path, after: int, seconds: float, workers: int, whole: tuple[bytes, ...]
) -> None:
    folder = tmp_path / "kept"
    program = _KILLED.format(
        shortest=SHORTEST_SECONDS,
        target=TARGET_SECONDS,
        after=after,
        seconds=seconds,
        workers=workers,
        call=str(call),
        folder=str(folder),
    )
    killed, _, said = finished(start_program(program, stderr=subprocess.PIPE))
    assert killed == -signal.SIGKILL, said
    notes: list[str] = []
    resumed = recover(call, checkpoint=folder, workers=workers, note=notes.append)
    assert "goes on from a checkpoint" in notes[-1]
    assert bytes_of(resumed) == whole


def test_a_batch_resumes_and_removes_the_checkpoint(call: Path, tmp_path: Path) -> None:
    sources, out = resolve_inputs([str(call)]), tmp_path / "out"
    (whole,) = recover_all(sources, tmp_path / "whole", method="transitions", threads=1)
    interrupted_after(4, call, out / ".call.checkpoint")
    (outcome,) = recover_all(sources, out, method="transitions", threads=1)
    assert "goes on from a checkpoint: 4 of" in outcome.notes[0]
    assert [path.name for path in out.iterdir()] == ["call"]
    assert files_of(out / "call") == files_of(tmp_path / "whole" / "call")
    assert whole.report["segments"] == outcome.report["segments"] > 10


@pytest.mark.parametrize(
    ("options", "differs"),
    [({"slots": 4}, "parameters"), ({"end_seconds": 7.0}, "selection")],
)
def test_other_options_start_anew(
    call: Path, tmp_path: Path, options: dict[str, Any], differs: str
) -> None:
    interrupted_after(3, call, tmp_path / "kept")
    notes: list[str] = []
    again = recover(call, checkpoint=tmp_path / "kept", note=notes.append, **options)
    assert notes == [f"the checkpoint is of another {differs}: counting starts anew"]
    assert bytes_of(again) == bytes_of(recover(call, **options))


def test_another_recording_or_version_starts_anew(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "call.mp4"
    data = bytearray(call.read_bytes())
    data[-20] ^= 1
    other.write_bytes(data)
    interrupted_after(3, call, tmp_path / "kept")
    notes: list[str] = []
    recover(other, checkpoint=tmp_path / "kept", note=notes.append)
    interrupted_after(3, call, tmp_path / "kept2")
    monkeypatch.setattr(checkpoint, "__version__", "99")
    recover(call, checkpoint=tmp_path / "kept2", note=notes.append)
    assert notes == [
        "the checkpoint is of another recording: counting starts anew",
        "the checkpoint is of another version: counting starts anew",
    ]


def test_a_damaged_generation_leaves_the_one_before(
    call: Path, tmp_path: Path, whole: tuple[bytes, ...]
) -> None:
    folder = tmp_path / "kept"
    interrupted_after(6, call, folder)
    last = newest(folder)
    data = last.read_bytes()
    last.write_bytes(data[: len(data) // 2])
    notes: list[str] = []
    again = recover(call, checkpoint=folder, note=notes.append)
    assert notes[0] == "one checkpoint is damaged; the other one is used"
    assert "goes on from a checkpoint" in notes[1]
    assert bytes_of(again) == whole


def test_two_damaged_generations_start_anew(
    call: Path, tmp_path: Path, whole: tuple[bytes, ...]
) -> None:
    folder = tmp_path / "kept"
    interrupted_after(6, call, folder)
    for name in GENERATIONS:
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
    notes: list[str] = []
    again = recover(call, checkpoint=folder, note=notes.append)
    assert notes == ["the checkpoint is damaged: counting starts anew"]
    assert bytes_of(again) == whole


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[bytes, ...]
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OutputUnwritable("a.npz: cannot be written (No space left on device)")

    monkeypatch.setattr(checkpoint, "write_state", full)
    notes: list[str] = []
    recovery = recover(call, checkpoint=tmp_path / "kept", note=notes.append)
    assert notes == ["no checkpoint: a.npz: cannot be written (No space left on device)"]
    assert bytes_of(recovery) == whole


def test_a_checkpoint_names_no_path(call: Path, tmp_path: Path) -> None:
    interrupted_after(2, call, tmp_path / "kept")
    with np.load(newest(tmp_path / "kept")) as stored:
        header = stored["header"].tobytes().decode()
    assert str(call.parent) not in header
    assert call.name not in header


def test_slow_writing_makes_checkpoints_rare(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    written: list[float] = []
    monkeypatch.setattr(checkpoint, "MIN_SECONDS", 30.0)
    monkeypatch.setattr(checkpoint, "MAX_SHARE", 0.02)
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])

    def write(*arguments: object, **options: object) -> None:
        written.append(now[0])
        now[0] += 2.0

    monkeypatch.setattr(checkpoint, "write_state", write)
    kept = Checkpoint(tmp_path / "kept", identity_of(task_of(call), "", 3), print)
    fold = Fold(count_segment(task_of(call, method="transitions"), planned(call)[0]))
    while now[0] < 1000:
        kept.write_if_due(fold)
        now[0] += 1.0
    assert written[0] == 30.0
    assert all(b - a >= 100 for a, b in pairwise(written))
    assert 2.0 * len(written) == kept.seconds <= 0.025 * now[0]


@pytest.fixture(scope="module")
def kept(call: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "kept"
    with pytest.MonkeyPatch.context() as patch:
        use_short_segments(patch)
        patch.setattr(checkpoint, "MIN_SECONDS", 0.0)
        interrupted_after(3, call, folder)
    return folder


@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cut=st.none() | st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
)
def test_no_damage_is_taken_for_a_state(
    call: Path,
    kept: Path,
    tmp_path_factory: pytest.TempPathFactory,
    cut: float | None,
    flips: list[tuple[float, int]],
) -> None:
    """A file with any bytes cut or changed is refused, or is read to the same arrays."""
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / newest(kept).name
    data = bytearray(newest(kept).read_bytes())
    for place, change in flips:
        data[int(place * len(data))] ^= change
    path.write_bytes(data if cut is None else data[: int(cut * len(data))])
    task = task_of(call, method="transitions")
    with np.load(newest(kept)) as stored:
        header = json.loads(stored["header"].tobytes())
    identity = {key: header[key] for key in ("version", "parameters", "selection", "recording")}
    with open_video(call, threads=1) as video:
        new_countings = partial(task.countings, video)
        fold = Checkpoint(folder, identity, lambda note: None).load(new_countings)
        if fold.n_segments:
            shutil.copy(newest(kept), path)
            intact = Checkpoint(folder, identity, lambda note: None).load(new_countings)
            assert fold.group is not None
            assert intact.group is not None
            (one,), (other,) = (
                group.countings[0].counts().engines for group in (fold.group, intact.group)
            )
            for name, array in other.stored.items():
                np.testing.assert_array_equal(one.stored[name], array, err_msg=name)
        else:
            assert flips or cut is not None
