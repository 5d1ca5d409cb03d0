"""Recordings side by side: the same bytes, and what follows alone; how many there are at once."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.command import call_frames, write_call
from tests.footage import textured_frames, write_video
from tests.recovery.segments.calls import files_of
from unveil.errors import Interrupted
from unveil.interruption import never
from unveil.memory import limited_to
from unveil.progress import Progress, silent
from unveil.recovery.batch import recover_all
from unveil.recovery.jobs import schedule
from unveil.recovery.jobs.job import Job, NeedsAllWorkers
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.jobs.schedule import WORKER_BYTES, default_workers
from unveil.video.source import Source, source_of


def write_long_call(path: Path) -> Path:
    """Encode five minutes of a few frames, with one key frame."""
    return write_video(path, call_frames(7), pts=range(0, 301, 50), time_base=Fraction(1))


def test_what_needs_all_workers_follows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part of the memory that one of two has is too small for the second."""
    paths = [
        write_long_call(tmp_path / "long.mp4"),
        write_video(tmp_path / "large.mp4", textured_frames(3, 480, 640)),
        write_call(tmp_path / "a.mp4"),
        write_call(tmp_path / "b.mp4"),
    ]
    monkeypatch.setattr(schedule, "memory_limit", lambda: 32 * 2**20)
    here = threading.get_ident()
    told: list[str] = []

    def tell(kind: str, name: str) -> None:
        assert threading.get_ident() == here
        told.append(f"{kind} {name}")

    def progress(source: Any, progress: Progress) -> None:
        assert threading.get_ident() == here
        assert f"start {source.name}" in told

    outcomes = recover_all(
        paths,
        tmp_path / "out",
        method="transitions",
        workers=2,
        threads=2,
        on_start=lambda source: tell("start", source.name),
        progress=progress,
        on_outcome=lambda outcome: tell("end", outcome.name),
    )
    assert [outcome.name for outcome in outcomes] == [path.name for path in paths]
    assert {outcome.state for outcome in outcomes} == {"recovered"}
    assert [outcome.report["threads"] for outcome in outcomes] == [2, 2, 1, 1]
    assert told[-3:] == ["start long.mp4", "end long.mp4", "end large.mp4"]
    assert sorted(told) == sorted(f"{kind} {p.name}" for kind in ("start", "end") for p in paths)
    one_by_one = recover_all(
        paths, tmp_path / "other", isolate=False, method="transitions", threads=1
    )
    for outcome, other in zip(outcomes, one_by_one, strict=True):
        assert outcome.folder is not None
        assert other.folder is not None
        assert files_of(outcome.folder) == files_of(other.folder)


def test_ctrl_c_leaves_what_is_finished_and_tells_of_all(tmp_path: Path) -> None:
    paths = [write_call(tmp_path / f"{number}.mp4") for number in range(5)]
    told: list[Outcome] = []

    def press(source: Any, progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover_all(
            paths,
            tmp_path / "out",
            method="transitions",
            workers=2,
            progress=press,
            on_outcome=told.append,
        )
    assert {outcome.name for outcome in told} == {path.name for path in paths}
    assert [outcome.state for outcome in told[-3:]] == ["not started"] * 3
    assert {outcome.state for outcome in told[:-3]} <= {"interrupted", "recovered"}
    finished = {outcome.stem for outcome in told if outcome.state == "recovered"}
    out = tmp_path / "out"
    assert {path.name for path in out.glob("*")} == finished


def test_a_request_to_stop_that_ends_the_last_recordings_is_raised(tmp_path: Path) -> None:
    paths = [write_call(tmp_path / f"{number}.mp4") for number in range(2)]
    told: list[Outcome] = []
    begun: set[str] = set()

    def progress(source: Source, progress: Progress) -> None:
        begun.add(source.name)

    with pytest.raises(Interrupted):
        recover_all(
            paths,
            tmp_path / "out",
            method="transitions",
            workers=2,
            progress=progress,
            on_outcome=told.append,
            stop=lambda: bool(begun),
        )
    assert len(told) == 2
    assert "interrupted" in {outcome.state for outcome in told}


def test_a_job_beside_others_is_refused_where_it_lacks_memory(tmp_path: Path) -> None:
    large = write_video(tmp_path / "large.mp4", textured_frames(3, 480, 640))
    job = Job(source_of(large), tmp_path / "out", {"method": "transitions"}, beside_others=True)
    with limited_to(4 * 2**20), pytest.raises(NeedsAllWorkers):
        job.run(silent, never)
    assert not (tmp_path / "out").exists()
    assert job.run(silent, never).state == "recovered"


@pytest.mark.parametrize(
    ("threads", "max_memory", "gigabytes", "expected"),
    [
        (None, None, 100, 4),
        (3, None, 100, 3),
        (64, None, 100, 4),
        (None, None, 2, 2),
        (None, None, 0.5, 1),
        (None, None, None, 4),
        (None, 2**40, 100, 1),
    ],
)
def test_workers_have_a_core_and_memory(
    monkeypatch: pytest.MonkeyPatch,
    threads: int | None,
    max_memory: int | None,
    gigabytes: float | None,
    expected: int,
) -> None:
    limit = None if gigabytes is None else int(gigabytes * WORKER_BYTES)
    monkeypatch.setattr(schedule, "memory_limit", lambda: limit)
    monkeypatch.setattr(schedule, "available_cores", lambda: 4)
    assert default_workers(threads, max_memory) == expected
